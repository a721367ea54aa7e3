"""Description length by the online code: how many bits the labels of the training targets take (Voita and Titov 2020).

The records are cut into blocks. The labels of the first are sent at a price that knows nothing; a probe that has
learned from all blocks before prices the labels of each of the others. The better a representation shows the labels,
and the fewer examples that takes, the shorter the code. The compression is the price that knows nothing, of everything,
over the online code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsmc_bert.base.files import write_text
from nsmc_bert.base.json_files import read_json
from nsmc_bert.base.runtime import Runtime
from probing.activations import Recompute, Store
from probing.alignment import Examples
from probing.encoders import Encoder
from probing.learning import fit, predictions, resume
from probing.learning.batches import Batches
from probing.learning.on_device import OnDevice
from probing.learning.schedule import ProbeKey, Schedule
from probing.tasks import Task

STATE = "online.state"  # the file of the blocks that are done, which whoever has saved the results deletes by `discard`
STEM = "online"  # of the names of the files of probes that are half trained
AT_ONCE = 1 << 15  # targets that are priced at once
SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)  # of the records, where blocks end


def ends(records: int) -> list[int]:
    """Where the blocks of so many records end: ascending distinct ints, the last of them `records`."""
    return sorted({math.ceil(share * records) for share in SHARES})


def bits(logits: np.ndarray, gold: np.ndarray, one_each: bool) -> float:
    """What labels cost.

    Args:
        logits: float [targets, labels], the probes' independent verdicts on every label.
        gold: bool [targets, labels].
        one_each: whether it is known that a target has exactly one label. The verdicts then say softmax(logits): that
            is what independent verdicts come to when exactly one of them is yes. Otherwise each label is a verdict of
            its own.

    Returns:
        A float.
    """
    total = 0.0
    for first in range(0, len(logits), AT_ONCE):
        some, right = logits[first : first + AT_ONCE].astype(np.float64), gold[first : first + AT_ONCE]
        if one_each:
            highest = some.max(1, keepdims=True)
            total += (np.log(np.exp(some - highest).sum(1)) + highest[:, 0] - some[right]).sum()
        else:
            total += np.logaddexp(0, np.where(right, -some, some)).sum()
    return float(total / math.log(2))


def uniform(targets: int, labels: int, one_each: bool) -> float:
    """What the labels of so many targets cost without any knowledge: log2 of the number of labels, or a bit for each
    label.
    """
    return targets * (math.log2(labels) if one_each else float(labels))


def code(
    keys: Sequence[ProbeKey],
    task: Task,
    encoder: Encoder,
    states: Store | Recompute,
    train: Examples,
    dev: Examples,
    schedule: Schedule,
    runtime: Runtime,
    folder: Path,
    *,
    control: Callable[[Examples], np.ndarray] | None,
    on_device: OnDevice | None = None,
    identity: Mapping[str, Any],
    checkpoint_seconds: float,
    log: Callable[[str], None],
) -> dict[ProbeKey, dict[str, Any]]:
    """The online code of the training labels for some probes, trained together block by block; a killed run goes on.

    Args:
        keys: list of fit.ProbeKey.
        task: tasks.Task.
        encoder: encoders.Encoder.
        states: an activations.Store or Recompute that has seen the examples.
        train, dev: alignment.Examples; dev chooses the best weights, as in any training.
        schedule: fit.Schedule.
        runtime: a nsmc_bert.base.runtime.Runtime.
        folder: where the state lies meanwhile, a Path.
        control: a function from Examples to the labels of the control task, bool [targets, labels], or None.
        on_device: an OnDevice that has the examples' states in the layers that the probes read, or None.
        identity: what the state belongs to.
        checkpoint_seconds: about how often the state is saved.
        log: called with each line to show.

    Returns:
        {key: {"bits", "uniform_bits", "compression", "targets", "blocks": [{"records", "bits"}]}}.
    """
    order = np.random.Generator(np.random.PCG64([schedule.order_seed, 1])).permutation(train.records)
    stops, path = ends(train.records), folder / STATE
    identity = json.loads(json.dumps(identity))
    done = _read(path, identity)
    one_each = {key: bool(key.control) or bool((np.diff(train.label_splits) == 1).all()) for key in keys}
    labels = len(train.names)
    first = train.take(order[: stops[0]])
    probes, ends_of = None, dict(zip(stops[:-1], stops[1:]))
    # a compiler makes few programs for all blocks if they have the size of what is learned from in the end
    least, places = None, None if on_device is None else on_device.places
    if runtime.xla:
        every = Batches(states, train, [], static=True)
        least = every.sizes(schedule.order(train.records), schedule.total(train.records))

    def priced(name: str, block: Mapping[str, Any]) -> bool:
        return name in done.get(str(ends_of.get(block["begin"])), {})

    for begin, end in ends_of.items():
        lacking = [key for key in keys if not priced(key.name, {"begin": begin})]
        if not lacking:
            continue
        known, following = train.take(order[:begin]), train.take(order[begin:end])
        log(f"{task.name}: description length, from {begin} records to {end}")
        random = [control(part) if control else None for part in (known, dev, following)]
        block = {**identity, "begin": begin}
        for group, path_of_state, begun in resume.groups(folder, STEM, lacking, block):
            if probes is None or probes.keys != group:
                options = runtime.precision, runtime.xla, on_device
                probes = fit.Probes(group, task, encoder, labels, schedule, *options)
                start = [variable.numpy() for _, variable in probes.variables()]
            probes.restart(start)
            parts = zip((known, dev, following), random)
            learned, validated, priced_on = (
                Batches(states, part, probes.layers, drawn, static=runtime.xla, places=places, least=least)
                for part, drawn in parts
            )
            fit.train(
                probes,
                learned,
                validated,
                schedule,
                path_of_state,
                identity=block,
                begun=begun,
                checkpoint_seconds=checkpoint_seconds,
                title=f"{task.name}, {begin} records",
            )
            gold = {"": following.gold()}
            if random[2] is not None:
                gold["random_labels"] = random[2]
            logits = predictions.predict(probes, priced_on, folder)
            prices = {key.name: bits(logits[key], gold[key.control], one_each[key]) for key in group}
            done[str(end)] = {**done.get(str(end), {}), **prices}
            write_text(path, json.dumps({"identity": identity, "blocks": done}) + "\n")
            resume.discard(folder, STEM, priced)
    out = {}
    for key in keys:
        price = uniform(len(train), labels, one_each[key])
        blocks = [{"records": stops[0], "bits": uniform(len(first), labels, one_each[key])}]
        blocks += [{"records": end, "bits": done[str(end)][key.name]} for end in stops[1:]]
        total = sum(block["bits"] for block in blocks)
        out[key] = {
            "bits": total,
            "uniform_bits": price,
            "compression": price / max(total, 1e-9),
            "targets": len(train),
            "blocks": blocks,
        }
    return out


def discard(folder: Path, finished: Callable[[str], bool]) -> None:
    """Deletes the file of the blocks that are done, if all of their probes are finished: `finished` says so of a
    probe's name.
    """
    path = folder / STATE
    if path.exists() and all(finished(name) for prices in _load(path)["blocks"].values() for name in prices):
        path.unlink()


def _read(path: Path, identity: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """{end: {key: bits}} of the blocks that are done."""
    if not path.exists():
        return {}
    state = _load(path)
    state["identity"].pop("cells", None)
    resume.check_identity(path, state["identity"], identity)
    return state["blocks"]


def _load(path: Path) -> dict[str, Any]:
    return read_json(
        path, {"identity": dict, "blocks": {str: {str: float}}}, "prices of blocks; delete it to measure them anew"
    )
