"""A probing study: records aligned, encoded once, every probe trained on them, scored and saved; and the table of what
was found.

A run's folder holds, for each task and encoder, three files a probe:

    TASK/ENCODER/CELL.json    what it is, its figures on every split, its history, its mixing weights
    TASK/ENCODER/CELL.npz     probabilities float16 [targets, labels] of dev and test, and the counts of every record
    TASK/ENCODER/CELL.safetensors    the probe's weights
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import platform
import shlex
import sys
from pathlib import Path

import numpy as np

from nsmc_bert.base import runtime as installed
from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.files import feed, write_atomically, write_text
from nsmc_bert.base.json_files import mismatch, read_json
from probing import alignment, conversion, records, scoring
from probing.results.likeness import split_of
from probing.tasks import TASKS

BUNDLED = Path(__file__).parent / "bundled"
SPLITS = ("train", "dev", "test")
CONTROLS = ("random_labels", "random_encoder")
RESULT = {  # the shape of a cell's JSON file, as far as anything reads it
    "task": str,
    "representation": str,
    "seed": int,
    "control": str,
    "encoder": str,
    "layer0": str,
    "identity": dict,
    "data": {"name": str, "splits?": {str: dict}},
    "labels?": [str],
    "mix?": ({"layers": [int], "shares": [float], "gamma": float}, None),
    "figures": {"dev?": {str: dict}, "test?": {str: dict}},
    "description_length?": {"bits": float, "compression": float},
}
RANDOM_SEED = 0  # of the random encoder's weights


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The files of one task: {split: path}; train and dev, and test where there is one."""

    task: object
    name: str
    paths: dict


def find(task, folder, files):
    """The files of a task.

    Args:
        task: tasks.Task.
        folder: the folder that holds TASK.train.jsonl and so on, perhaps compressed (.gz, .xz); "" for the bundled
            sample.
        files: {split: path or ""} of files that are named one by one.

    Returns:
        Corpus.

    Raises:
        UserError: train or dev is missing, or the folder's files are not of one conversion.
    """
    if any(files.values()):
        name, paths = "", {split: Path(path).expanduser() for split, path in files.items() if path}
    else:
        name = "bundled sample" if not folder else str(folder)
        base, paths = Path(folder).expanduser() if folder else BUNDLED, {}
        for split in SPLITS:
            if found := conversion.split_paths(base, task.name, split):
                paths[split] = found[0]
    for split in ("train", "dev"):
        if split not in paths:
            raise UserError(
                "{}: found no {}.{}.jsonl, expected one; make it with python -m probing.convert, or name files with "
                "--{}_file".format(f"--{split}_file" if any(files.values()) else base, task.name, split, split)
            )
    if not any(files.values()):
        conversion.check(base, task.name, paths)
    return Corpus(task, name or str(paths["train"].parent), paths)


class Aligned:
    """A corpus as one encoder reads it: {split: alignment.Examples}, with what decides it."""

    def __init__(self, corpus, encoder, log):
        task = corpus.task
        self.corpus, self.names = corpus, records.labels_in(corpus.paths.values())
        self.examples = {}
        for split, path in corpus.paths.items():
            part = alignment.align(records.read(path, task.spans), encoder, task, self.names, where=path)
            self.examples[split] = part
            log(
                "%s, %s: %d records, %d targets, %d different sentences%s"
                % (
                    task.name,
                    split,
                    part.records,
                    len(part),
                    len(part.keys),
                    "".join("; %d %s" % (count, reason) for reason, count in part.dropped.items()),
                )
            )
            for line in alignment.unknown_words(part.unk, part.words) if part.unk is not None else ():
                log("  " + line)
            for text in part.named:
                log(f"  encoded in windows: {text}")
        log("%s: %d labels" % (task.name, len(self.names)))
        checksums = {split: conversion.checksum(path) for split, path in corpus.paths.items()}
        for one, other in itertools.combinations(checksums, 2):
            if checksums[one] == checksums[other]:
                log(
                    f"{task.name}: WARNING: {one} and {other} are the same file; figures on it are not of unseen "
                    f"records"
                )

    @property
    def corpus_checksum(self):
        """What the files say, the same for every encoder."""
        digest = hashlib.sha1()
        for split in SPLITS:
            if split in self.corpus.paths:
                digest.update(split.encode())
                with open(self.corpus.paths[split], "rb") as file:
                    feed(digest, file)
        return digest.hexdigest()

    @property
    def checksum(self):
        """What the probes learn and are measured on, as this encoder reads it."""
        digest = hashlib.sha1("\0".join(self.names).encode("utf-8", "surrogatepass"))
        for split in SPLITS:
            if split in self.examples:
                part = self.examples[split]
                digest.update(split.encode())
                for key in part.keys:
                    digest.update(key)
                for values in (
                    part.sentence,
                    part.splits,
                    part.span1,
                    part.span2,
                    part.label_splits,
                    part.labels,
                    part.types,
                ):
                    digest.update(b"" if values is None else np.ascontiguousarray(values))
        return digest.hexdigest()


def study(
    corpora,
    *,
    encoder,
    layer0,
    representations,
    seeds,
    controls,
    description_length,
    schedule,
    run_dir,
    store,
    recompute,
    runtime,
    checkpoint_seconds,
    log,
    verify_store=False,
):
    """Trains and scores every probe that is not there yet.

    Args:
        corpora: list of Corpus.
        encoder: see encoders.load.
        layer0: see encoders.load.
        representations: list of str; empty for those that the published table has of the encoder's family.
        seeds: list of int; empty for as many as a task's published figure has.
        controls: list of names in CONTROLS.
        description_length: whether to measure that too: see online.code.
        schedule: a function from tasks.Task to fit.Schedule.
        run_dir: the run's folder.
        store: the folder of the stores.
        recompute: encode at every step instead.
        runtime: a nsmc_bert.base.runtime.Runtime.
        checkpoint_seconds: about how often the state is saved.
        log: called with each line to show.
        verify_store: compare all that the store has with its checksums first.

    Returns:
        A list of results, a dict each: the content of the cells' JSON files.
    """
    from probing import activations, encoders

    run_dir, out = Path(run_dir).expanduser(), []
    variants = [None] + [RANDOM_SEED] * ("random_encoder" in controls)
    for random_weights in variants:
        loaded = encoders.load(
            encoder, layer0=layer0, precision=runtime.precision, random_weights=random_weights, log=log
        )
        representations = representations or loaded.published
        for name in representations:
            loaded.representation(name)
        shape = len(loaded.widths) - 1, loaded.widths[-1]
        log(
            "encoder: %s, %d layer%s of %s; layer 0 is %s"
            % (loaded.name, shape[0], "s" * (shape[0] != 1), shape[1], loaded.layer0)
        )
        for folder in of_before(loaded, corpora, run_dir, store):
            log(
                f"{folder}: of before an encoder's configuration was told apart; made anew beside it, and may be "
                f"deleted"
            )
        states = (
            activations.Recompute(loaded, log) if recompute else activations.Store(store, loaded, log, verify_store)
        )
        for corpus in corpora:
            labels = [""] + ["random_labels"] * ("random_labels" in controls and random_weights is None)
            out += _task(
                corpus,
                loaded,
                states,
                random_weights,
                representations,
                seeds or range(1, corpus.task.seeds + 1),
                labels,
                description_length and random_weights is None,
                schedule(corpus.task),
                run_dir,
                runtime,
                checkpoint_seconds,
                log,
            )
        states.close()
    return out


def of_before(encoder, corpora, run_dir, store):
    """The folders of results and states that may be those of this encoder, or of one with another configuration."""
    if not encoder.earlier:
        return []
    name = _folder_of(encoder.earlier)
    folders = [Path(store).expanduser() / encoder.earlier, *(run_dir / corpus.task.name / name for corpus in corpora)]
    return [folder for folder in folders if folder.is_dir()]


def _folder_of(fingerprint):
    return hashlib.sha1(fingerprint.encode()).hexdigest()[:10]


def _task(
    corpus,
    encoder,
    states,
    random_weights,
    representations,
    seeds,
    controls,
    description_length,
    schedule,
    run_dir,
    runtime,
    checkpoint_seconds,
    log,
):
    from probing import activations
    from probing.learning import fit, online

    task = corpus.task
    cells = [fit.Cell(name, seed, control) for control in controls for name in representations for seed in seeds]
    aligned = Aligned(corpus, encoder, log)
    identity = {
        "corpus": aligned.corpus_checksum,
        "data": aligned.checksum,
        "encoder": encoder.fingerprint,
        "precision": runtime.precision,
        "schedule": dataclasses.asdict(schedule),
    }
    folder = run_dir / task.name / _folder_of(encoder.fingerprint)

    def read():
        return {cell: _finished(folder / (cell.name + ".json"), identity) for cell in cells}

    def lacking():
        return [
            cell
            for cell in cells
            if not results[cell] or description_length and "description_length" not in results[cell]
        ]

    results = read()
    with contextlib.ExitStack() as held:
        mine = False
        if lacking():
            _make(folder)
            mine = held.enter_context(
                activations.locked(folder, lambda: log(f"{task.name}: another run trains in {folder}; waiting for it"))
            )
            results = read()
        elif any(
            activations.LEFT_OVER.fullmatch(path.name) or path.name.startswith(("state", "online"))
            for path in folder.iterdir()
        ):
            mine = held.enter_context(activations.locked(folder, None))  # of a run that was killed, or that is at work
        missing = [cell for cell in cells if results[cell] is None]
        if len(missing) < len(cells):
            log("%s: %d probes finished already, in %s" % (task.name, len(cells) - len(missing), folder))
        examples = aligned.examples
        frequencies = np.bincount(examples["train"].labels, minlength=len(aligned.names))
        planned = fit.groups(folder, "state", missing, identity) if missing else []
        if lacking() or states.verify:
            states.ensure(list(examples.values()))
        for group, path, begun in planned:
            if begun is not None:
                log("%s: going on with the state of %d probes in %s" % (task.name, len(group), begun))
            for cell, result in _train(
                group,
                path,
                begun,
                corpus,
                encoder,
                states,
                aligned,
                frequencies,
                random_weights,
                schedule,
                identity,
                folder,
                runtime,
                checkpoint_seconds,
                log,
            ):
                results[cell] = result
                _write(folder, cell, result)
            fit.discard(folder, "state", lambda name, _: bool(_result(folder, name)))
        short = [cell for cell in lacking() if results[cell]]
        if short:
            random_labels = any(cell.control for cell in short)
            measured = online.code(
                short,
                task,
                encoder,
                states,
                examples["train"],
                examples["dev"],
                schedule,
                runtime,
                folder,
                control=(lambda part: fit.control_labels(part, frequencies)) if random_labels else None,
                identity=identity,
                checkpoint_seconds=checkpoint_seconds,
                log=log,
            )
            for cell in short:
                results[cell]["description_length"] = measured[cell]
                _write(folder, cell, results[cell])
        if mine:
            fit.discard(folder, "state", lambda name, _: bool(_result(folder, name)))
            fit.discard(folder, online.STEM, lambda name, _: "description_length" in _result(folder, name))
            online.discard(folder, lambda name: "description_length" in _result(folder, name))
    for cell in cells:
        results[cell]["folder"] = str(folder)
        results[cell]["cell"] = cell.name
    return list(results.values())


def _train(
    cells,
    path,
    begun,
    corpus,
    encoder,
    states,
    aligned,
    frequencies,
    random_weights,
    schedule,
    identity,
    folder,
    runtime,
    checkpoint_seconds,
    log,
):
    """Trains probes of one task together; yields (cell, its result), whose other files are saved, in turn."""
    from probing.learning import fit

    task, examples = corpus.task, aligned.examples
    versions = installed.versions()  # before anything is trained, which a failure would lose
    control = "random_labels" in [cell.control for cell in cells]
    probes = fit.Probes(cells, task, encoder, len(aligned.names), schedule, runtime.precision, runtime.xla)
    batches = {
        split: fit.Batches(
            states, part, probes.layers, fit.control_labels(part, frequencies) if control else None, static=runtime.xla
        )
        for split, part in examples.items()
    }
    log(
        "%s: %d probes of %s parameters, %d steps of %d records"
        % (
            task.name,
            len(cells),
            "/".join(sorted({str(model.count_params()) for model in probes.models.values()}, key=int)),
            schedule.total(examples["train"].records),
            schedule.batch_records,
        )
    )
    trained = fit.train(
        probes,
        batches["train"],
        batches["dev"],
        schedule,
        path,
        identity=identity,
        begun=begun,
        checkpoint_seconds=checkpoint_seconds,
        title=task.name,
    )
    seconds = trained.pop("_time")
    log(
        "{}: trained in {:.0f} s, of which {:.0f} % waiting for states".format(
            task.name, seconds["seconds"], 100 * seconds["waited"] / max(seconds["seconds"], 1e-9)
        )
    )
    said = {split: fit.predict(probes, batches[split], folder) for split in SPLITS[1:] if split in examples}
    for cell in cells:
        result = {
            "task": task.name,
            "representation": cell.representation,
            "seed": cell.seed,
            "control": cell.control or ("random_encoder" if random_weights is not None else ""),
            "encoder": encoder.name,
            "weights": encoder.source,
            "layer0": encoder.layer0,
            "widths": list(encoder.widths),
            "data": {
                "name": corpus.name,
                "splits": {
                    split: {"records": part.records, "targets": len(part), "dropped": part.dropped}
                    for split, part in examples.items()
                },
            },
            "labels": list(aligned.names),
            "parameters": probes.models[cell].count_params(),
            **trained[cell],
            "seconds": {"together": seconds["seconds"], "probes": len(cells)},
            "mix": _mix(probes.models[cell]),
            "versions": versions,
            "python": platform.python_version(),
            "command": " ".join(["python -m probing.run", *map(shlex.quote, sys.argv[1:])]),
            "identity": identity,
        }
        arrays, figures = _score(task, cell, aligned, said, frequencies)
        write_atomically(folder / (cell.name + ".safetensors"), probes.models[cell].write)
        write_atomically(folder / (cell.name + ".npz"), lambda part, arrays=arrays: _save_arrays(part, arrays))
        yield cell, {**result, "figures": figures}


def _score(task, cell, aligned, said, frequencies):
    """(arrays to save, {split: {row: counts and figures}}) of one probe; `said` is {split: fit.Logits}."""
    from probing.learning import fit

    arrays, figures = {}, {}
    rows = {task.title: np.ones(len(aligned.names), bool)} if cell.control else scoring.columns(task, aligned.names)
    for split, logits in said.items():
        part, probabilities = aligned.examples[split], fit.probabilities(logits[cell])
        gold = fit.control_labels(part, frequencies) if cell.control else part.gold()
        counts = scoring.count(probabilities >= scoring.THRESHOLD, gold, part.record, part.records)
        by_row = np.stack([counts[:, chosen].sum(1) for chosen in rows.values()], 1)
        arrays[split + "_probabilities"] = scoring.rounded(probabilities)
        arrays[split + "_counts"] = by_row
        figures[split] = {}
        for i, row in enumerate(rows):
            prf = scoring.total(by_row[:, i])
            figures[split][row] = {
                "tp": prf.tp,
                "fp": prf.fp,
                "fn": prf.fn,
                "precision": prf.precision,
                "recall": prf.recall,
                "f1": prf.f1,
                "published_half_width": scoring.published_half_width(prf),
            }
        figures[split]["labels"] = {
            name: dataclasses.astuple(scoring.total(counts[:, i])) for i, name in enumerate(aligned.names)
        }
    return arrays, figures


def _write(folder, cell, result):
    write_text(folder / (cell.name + ".json"), json.dumps(result, ensure_ascii=False, indent=1) + "\n")


def _save_arrays(path, arrays):
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def _mix(model):
    if model.mix is None:
        return None
    return {
        "layers": list(model.representation.layers),
        "shares": model.mix.shares().tolist(),
        "gamma": float(model.mix.gamma),
    }


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror})") from None


def _finished(path, identity):
    """The result in a file; None where there is none."""
    from probing.learning import fit

    if not path.exists():
        return None
    found = read_result(path, "a result; delete it to train that probe anew")
    fit.check_identity(path, found["identity"], json.loads(json.dumps(identity)))
    return found


def _result(folder, name):
    """The result of a probe in a folder, by its name; {} where there is none."""
    with contextlib.suppress(UserError):
        return read_json(folder / (name + ".json"))
    return {}


def read_result(path, expected):
    """A cell's JSON file.

    Raises:
        UserError: it is none; `expected` says what to do.
    """
    found = read_json(path, RESULT, expected)
    if found["task"] not in TASKS:
        raise UserError(
            "{}: found the task {}, expected one of {}".format(path, shorten(found["task"]), ", ".join(TASKS))
        )
    figures = found["figures"]
    if not {"dev", "test"} & set(figures):
        raise UserError(f"{path}: found no figures, expected {expected}")
    row = {"f1": float}
    for split, rows in figures.items():
        shape = {**dict.fromkeys({*rows, TASKS[found["task"]].title} - {"labels"}, row), "labels?": {str: [int]}}
        if wrong := mismatch(rows, shape, f"figures.{split}"):
            raise UserError("{}: found {}, expected {}".format(path, " ".join(filter(None, wrong[:2])), wrong[2]))
    return found


# What was found


def draws(results, row, samples=1000):
    """Bootstrap values of one cell of the table over its seeds, float64 [samples]: see scoring.bootstrap."""
    counts = []
    for result in results:
        split = split_of(result)
        place = list(result["figures"][split]).index(row)
        path = Path(result["folder"]) / (result["cell"] + ".npz")
        try:
            counts.append(tensors.read_member(path, split + "_counts")[:, place])
        except (OSError, ValueError, IndexError) as error:
            raise UserError(
                f"{path}: found no whole file of predictions ({error}), expected one; delete it and the .json of the "
                f"same name to train the "
                "probe anew"
            ) from None
    return scoring.bootstrap(np.stack(counts), samples=samples)


def mean_f1(results, row):
    """The mean F1 over seeds."""
    return float(np.mean([result["figures"][split_of(result)][row]["f1"] for result in results]))


def table(results, samples=1000):
    """Lines of a table: tasks and their rows by representations, F1 in percent with 95 % bootstrap intervals, and
    differences.

    Args:
        results: what `study` returned.
        samples: bootstrap samples.
    """
    groups = {}
    for result in results:
        groups.setdefault((result["task"], result["control"], result["representation"]), []).append(result)
    names = list(dict.fromkeys(result["representation"] for result in results))
    tasks = list(dict.fromkeys(result["task"] for result in results))
    lines = [["", "", *("F1 " + name for name in names), *(f"{name} - {names[0]}" for name in names[1:])]]
    means, macro = {name: [] for name in names}, {name: [] for name in names}
    for task in tasks:
        first = groups[(task, "", names[0])][0]
        for row in (row for row in first["figures"][split_of(first)] if row != "labels"):
            drawn = {name: draws(groups[(task, "", name)], row, samples) for name in names}
            value = {name: mean_f1(groups[(task, "", name)], row) for name in names}
            seeds = len(groups[(task, "", names[0])])
            lines.append(
                [
                    row,
                    "%s, %d seed%s" % (split_of(first), seeds, "s" * (seeds > 1)),
                    *(_cell(value[name], drawn[name]) for name in names),
                    *(
                        _cell(value[name] - value[names[0]], drawn[name] - drawn[names[0]], "%+.1f")
                        for name in names[1:]
                    ),
                ]
            )
            if row == TASKS[task].title:
                for name in names:
                    means[name].append(value[name])
                    macro[name].append(drawn[name])
        codes = [code(groups[(task, "", name)]) for name in names]
        if any(codes):
            shown = ("{:.2f}, {:.1f} times".format(*one) if one else "" for one in codes)
            lines.append(["  description length, kbit", "", *shown, *[""] * (len(names) - 1)])
        for control, title in (("random_labels", "control task"), ("random_encoder", "random encoder")):
            if (task, control, names[0]) not in groups:
                continue
            row = TASKS[task].title
            real = {
                name: micro(groups[(task, "", name)])
                if control == "random_labels"
                else mean_f1(groups[(task, "", name)], row)
                for name in names
            }
            there = {name: mean_f1(groups[(task, control, name)], row) for name in names}
            empty = [""] * (len(names) - 1)
            gain = "  selectivity" if control == "random_labels" else "  gain over it"
            lines.append(["  " + title, "", *("%.1f" % (100 * there[name]) for name in names), *empty])
            lines.append([gain, "", *("%.1f" % (100 * (real[name] - there[name])) for name in names), *empty])
    if len(tasks) == len(TASKS):
        lines.append(
            [
                "Macro average",
                " and ".join(sorted({split_of(result) for result in results})),
                *(_cell(np.mean(means[name]), np.mean(macro[name], 0)) for name in names),
                *(
                    _cell(
                        np.mean(means[name]) - np.mean(means[names[0]]),
                        np.mean(macro[name], 0) - np.mean(macro[names[0]], 0),
                        "%+.1f",
                    )
                    for name in names[1:]
                ),
            ]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def micro(results):
    """The mean over seeds of F1 over all labels, which is what the control task is measured by."""
    return float(
        np.mean(
            [
                scoring.total(np.array(list(result["figures"][split_of(result)]["labels"].values()))).f1
                for result in results
            ]
        )
    )


def code(results):
    """(thousands of bits, compression) of the online code, means over seeds; None where it was not measured."""
    codes = [result["description_length"] for result in results if "description_length" in result]
    return (
        (np.mean([one["bits"] for one in codes]) / 1000, np.mean([one["compression"] for one in codes]))
        if codes
        else None
    )


def _cell(value, drawn, form="%.1f"):
    low, high = scoring.interval(drawn)
    return (form + " (%.1f to %.1f)") % (100 * value, 100 * low, 100 * high)
