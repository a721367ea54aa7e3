"""One sentence through the layers: what every probe of a task says of its spans (Tenney et al., ACL 2019, figure 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.json_files import parse_json
from probing import records
from probing.results.result import Result
from probing.results.tables import Table
from probing.tasks import Task

SHOWN = 3  # labels of a target that are shown, at most


def record(task: Task, *, text: str = "", spans: str = "", path: str = "", line: int = 1) -> records.Record:
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
        for number, read in enumerate(records.read(path, task.spans), 1):
            if number == line:
                return read
        raise Located(path, line, "no sentence", "one of the file's")
    words = text.split()
    if not words:
        raise UserError(f"--text={shorten(text)}: found no word, expected a sentence")
    if not spans and task.name != "pos":
        form = "[[0,2]]" if task.spans == 1 else "[[[0,1],[2,4]]]"
        raise UserError(f"{task.name}: found no --spans, expected them as JSON, --spans='{form}', ends exclusive")
    try:
        chosen = parse_json(spans, "--spans", list) if spans else [[i, i + 1] for i in range(len(words))]
        groups = [[target] if task.spans == 1 else list(target) for target in chosen]
        every = [span for group in groups for span in group]
        if any(len(group) != task.spans for group in groups) or any(
            type(end) is not int for span in every for end in span
        ):
            raise ValueError
        inside = all(0 <= first < last <= len(words) for first, last in every)
        targets = tuple(
            records.Target(tuple(group[0]), tuple(group[1]) if task.spans == 2 else None, ()) for group in groups
        )
    except (ValueError, TypeError):
        form = "[first, last]" if task.spans == 1 else "[[first, last], [first, last]]"
        raise UserError(f"--spans={shorten(spans)}: expected JSON, a list of {form}") from None
    if not inside or not targets:
        raise UserError(
            f"--spans={spans}: expected some from 0 to {len(words)}, the words of the sentence, ends exclusive"
        )
    return records.Record(" ".join(words), targets)


def probes(results: Iterable[Result], task: str) -> list[Result]:
    """The probes that are asked: of one task and encoder, each of its first seed, by layer where there are such.

    Args:
        results: as from runs.load.
        task: its name; "" where the results have only one.

    Returns:
        Cumulative mixtures first, then single layers, then the rest.

    Raises:
        UserError: there are none, or of several tasks, encoders, definitions of layer 0 or corpora.
    """
    results = list(results)
    asked = [result for result in results if not result.control and result.task.name == (task or result.task.name)]
    asked, heads = [result for result in asked if result.layer0_kind != "none"], asked
    if not asked and heads:
        raise UserError(f"{heads[0].encoder}: found probes of heads alone, expected probes of states, which are asked")
    if not asked:
        tasks = ", ".join(sorted({result.task.name for result in results}))
        raise UserError(f"--sentence_task={task}: found no probes of it, expected one of {tasks}")
    kinds: dict[str, tuple[Callable[[Result], str], str]] = {
        "task": (lambda result: result.task.name, "--sentence_task"),
        "encoder": (lambda result: result.encoder, "--sentence_encoder"),
        "layer 0": (lambda result: result.layer0, "RUNS with one --layer0"),
        "state of encoder and corpus": (lambda result: str(_path(result).parent), "RUNS with one"),
    }
    for kind, (of, flag) in kinds.items():
        names = sorted({of(result) for result in asked})
        if len(names) != 1:
            raise UserError(f"found probes of {' and '.join(names)}, expected one {kind}: choose with {flag}")
    first: dict[str, Result] = {}  # by representation
    for result in sorted(asked, key=lambda result: result.seed):
        first.setdefault(result.representation, result)
    return sorted(first.values(), key=lambda result: _place(result.representation))


def _path(result: Result) -> Path:
    assert result.path, "results that are asked have been saved"
    return result.path


def _place(name: str) -> tuple[int, int, str]:
    kind, _, layer = name.partition("_")
    return (0 if name.startswith("mix") else 1 if kind == "top" else 2, int(layer) if layer else 1000, name)


def ask(asked: Sequence[Result], record: records.Record) -> np.ndarray:
    """What probes say of a sentence's targets.

    Args:
        asked: as from `probes`.
        record: the sentence.

    Returns:
        float32 [probes, targets, labels], probabilities.

    Raises:
        UserError: the encoder is not there any more or another, or a probe's weights are missing.
    """
    from probing import activations, alignment, encoders
    from probing.learning import batches, fit, predictions
    from probing.learning.schedule import ProbeKey, Schedule

    first = asked[0]
    precision = first.identity.precision or "float32"
    encoder = encoders.load(first.encoder, layer0=first.layer0_kind, precision=precision)
    if first.identity.encoder not in (encoder.fingerprint, encoder.earlier):
        raise UserError(f"{first.encoder}: not the encoder any more that was probed; probe it anew")
    targets = tuple(records.Target(target.span1, target.span2, (first.labels[0],)) for target in record.targets)
    if not targets:
        raise UserError(f"{shorten(record.text)}: found no targets in that sentence, expected some")
    examples = alignment.align(
        [records.Record(record.text, targets, glued=record.glued)], encoder, first.task, first.labels
    )
    keys = [ProbeKey(result.representation, result.seed) for result in asked]
    trained = fit.Probes(keys, first.task, encoder, len(first.labels), Schedule(), precision)
    for key, result in zip(keys, asked):
        trained.models[key].read(_path(result).with_suffix(".safetensors"))
    states = activations.Recompute(encoder, lambda line: None)
    logits = predictions.predict(trained, batches.Batches(states, examples, trained.layers))
    return np.stack([predictions.probabilities(logits[key]) for key in keys])


def table(asked: Sequence[Result], record: records.Record, probabilities: np.ndarray) -> Table:
    """A target each line, a column for each probe, and the label where it is known.

    A cell is the most likely label and its probability; of a task with several labels a target, those from 0.5 on.
    """
    task, names = asked[0].task, asked[0].labels
    known = any(target.labels for target in record.targets)
    lines = []
    for place, target in enumerate(record.targets):
        spans = [span for span in (target.span1, target.span2) if span]
        words = " · ".join(" ".join(record.words[slice(*span)]) for span in spans)
        line = [words] + [", ".join(target.labels)] * known
        for values in probabilities[:, place]:
            best = np.argsort(-values)[:SHOWN]
            chosen = [i for i in best if values[i] >= 0.5] if task.multi_label else best[:1]
            line.append(", ".join(f"{names[i]} {values[i]:.2f}" for i in chosen) or "-")
        lines.append(line)
    header = [task.name, *["label"] * known, *(result.representation for result in asked)]
    return Table("sentence", header, lines)
