"""One sentence through the layers: what every probe of a task says of its spans (Tenney et al., ACL 2019, figure 3)."""

from pathlib import Path

import numpy as np

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.json_files import parse_json
from probing import records
from probing.tasks import TASKS

SHOWN = 3  # labels of a target that are shown, at most


def record(task, *, text="", spans="", path="", line=1):
    """The sentence that is asked about, as a Record.

    Args:
        task: tasks.Task.
        text: its words; or
        path, line: a file of records, and which of its sentences, from 1, whose labels are then known.
        spans: beside `text`, JSON: a list of [first word, word after the last] from 0, of pairs of these for a task of
            two spans. "" takes every word by itself, which is what pos is about.

    Returns:
        records.Record; without labels where they are not known.

    Raises:
        UserError: there is no such sentence, or spans cannot be read or lie outside of it.
    """
    if path:
        for number, found in enumerate(records.read(path, task.spans), 1):
            if number == line:
                return found
        raise Located(path, line, "no sentence", "one of the file's")
    words = text.split()
    if not words:
        raise UserError(f"--text={shorten(text)}: found no word, expected a sentence")
    if not spans and task.name != "pos":
        form = "[[0,2]]" if task.spans == 1 else "[[[0,1],[2,4]]]"
        raise UserError(f"{task.name}: found no --spans, expected them as JSON, --spans='{form}', ends exclusive")
    try:
        chosen = parse_json(spans, "--spans", list) if spans else [[i, i + 1] for i in range(len(words))]
        groups = [[one] if task.spans == 1 else list(one) for one in chosen]
        every = [span for group in groups for span in group]
        if any(len(group) != task.spans for group in groups) or any(
            type(end) is not int for span in every for end in span
        ):
            raise ValueError
        inside = all(0 <= first < last <= len(words) for first, last in every)
        targets = tuple(
            records.Target(*(tuple(group[i]) if i < task.spans else None for i in (0, 1)), ()) for group in groups
        )
    except (ValueError, TypeError):
        raise UserError(
            "--spans={}: expected JSON, a list of {}".format(
                shorten(spans), "[first, last]" if task.spans == 1 else "[[first, last], [first, last]]"
            )
        ) from None
    if not inside or not targets:
        raise UserError(
            "--spans=%s: expected some from 0 to %d, the words of the sentence, ends exclusive" % (spans, len(words))
        )
    return records.Record(" ".join(words), targets)


def cells(results, task):
    """The probes that are asked: of one task and encoder, of the first seed, by layer where there are such.

    Args:
        results: as from report.load.
        task: its name; "" where the results have only one.

    Returns:
        list of results, cumulative mixtures first, then single layers, then the rest.

    Raises:
        UserError: there are none, or of several tasks, encoders, definitions of layer 0 or corpora.
    """
    found = [r for r in results if not r["control"] and r["task"] == (task or r["task"])]
    if not found:
        tasks = ", ".join(sorted({result["task"] for result in results}))
        raise UserError(f"--sentence_task={task}: found no probes of it, expected one of {tasks}")
    kinds = {
        "task": (lambda result: result["task"], "--sentence_task"),
        "encoder": (lambda result: result["encoder"], "--sentence_encoder"),
        "layer 0": (lambda result: result["layer0"], "RUNS with one --layer0"),
        "corpus": (lambda result: result["data"]["name"], "RUNS with one corpus"),
        "state of encoder and corpus": (lambda result: result["folder"], "RUNS with one"),
    }
    for kind, (of, flag) in kinds.items():
        names = sorted({of(result) for result in found})
        if len(names) != 1:
            raise UserError(
                "found probes of {}, expected one {}: choose with {}".format(" and ".join(names), kind, flag)
            )
    first = min(result["seed"] for result in found)
    found = [result for result in found if result["seed"] == first]
    return sorted(found, key=lambda result: _place(result["representation"]))


def _place(name):
    kind, _, layer = name.partition("_")
    return (0 if name.startswith("mix") else 1 if kind == "top" else 2, int(layer) if layer else 1000, name)


def through(found, one):
    """What probes say of a sentence's targets.

    Args:
        found: list of results, as from `cells`.
        one: a records.Record.

    Returns:
        float32 [probes, targets, labels], probabilities.

    Raises:
        UserError: the encoder is not there any more or another, or a probe's weights are missing.
    """
    from probing import activations, alignment, encoders
    from probing.learning import fit

    task, identity, names = TASKS[found[0]["task"]], found[0]["identity"], found[0]["labels"]
    layer0 = found[0]["layer0"].partition(":")[0]
    loaded = encoders.load(found[0]["encoder"], layer0=layer0, precision=identity["precision"])
    if identity["encoder"] not in (loaded.fingerprint, loaded.earlier):
        raise UserError("{}: not the encoder any more that was probed; probe it anew".format(found[0]["encoder"]))
    targets = tuple(records.Target(target.span1, target.span2, (names[0],)) for target in one.targets)
    if not targets:
        raise UserError(f"{shorten(one.text)}: found no targets in that sentence, expected some")
    examples = alignment.align([records.Record(one.text, targets)], loaded, task, names)
    which = [fit.Cell(result["representation"], result["seed"]) for result in found]
    probes = fit.Probes(which, task, loaded, len(names), fit.Schedule(), identity["precision"])
    for cell, result in zip(which, found):
        probes.models[cell].read(Path(result["folder"]) / (cell.name + ".safetensors"))
    states = activations.Recompute(loaded, lambda line: None)
    said = fit.predict(probes, fit.Batches(states, examples, probes.layers))
    return np.stack([fit.probabilities(said[cell]) for cell in which])


def table(found, one, probabilities):
    """Header and lines: a target each, a column for each probe, and the label where it is known.

    A cell is the most likely label and its probability; of a task with several labels a target, those from 0.5 on.
    """
    names, multi = found[0]["labels"], TASKS[found[0]["task"]].multi_label
    known = any(target.labels for target in one.targets)
    lines = [[found[0]["task"], *["label"] * known, *(result["representation"] for result in found)]]
    for place, target in enumerate(one.targets):
        spans = [span for span in (target.span1, target.span2) if span]
        line = [" · ".join(" ".join(one.words[slice(*span)]) for span in spans)] + [", ".join(target.labels)] * known
        for values in probabilities[:, place]:
            best = np.argsort(-values)[:SHOWN]
            chosen = [i for i in best if values[i] >= 0.5] if multi else best[:1]
            line.append(", ".join(f"{names[i]} {values[i]:.2f}" for i in chosen) or "-")
        lines.append(line)
    return lines
