"""Trains any number of probes over one reading of the activations.

Probes of one task differ in representation, seed and control; they see the same batches in the same order, each with
weights, dropout, learning rate and an end of its own, so that a probe trained beside others ends as it would alone.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import tempfile
import time

import numpy as np
import tensorflow as tf

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import write_atomically
from nsmc_bert.base.json_files import parse_json
from nsmc_bert.base.progress import Progress
from nsmc_bert.base.watchdog import Watchdog, alive
from nsmc_bert.model.packing import untuned
from probing import activations
from probing.alignment import ranges
from probing.learning import probe

PIECE = 400  # steps between two chances to save the state
PREDICT = 128  # records of a batch that is only predicted
WAIT = 20  # steps that may be on their way to the device
AT_ONCE = 2  # probes of a step that may be computed at the same time


@dataclasses.dataclass(frozen=True)
class Cell:
    """What tells the probes of one task and encoder apart.

    Attributes:
        representation: its name.
        seed: of the first weights and of dropout.
        control: "", or "random_labels" for the control task.
    """

    representation: str
    seed: int
    control: str = ""

    @property
    def name(self):
        return "-".join(filter(None, (self.representation, "seed%d" % self.seed, self.control)))


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast probes learn.

    Attributes:
        kind: "linear": warm-up and linear decay over `epochs`, validated after each of them; "plateau", the published
            one: the rate is halved whenever the figure on dev has not risen for `halve_after` validations.
        learning_rate: its peak.
        batch_records: records a batch, each with all its targets.
        epochs, warmup: of a linear schedule: passes over the records, and the share of all steps in which the rate
            rises.
        least_steps: a linear schedule passes over few records so often as to make so many steps, with `epochs`
            validations still.
        steps, interval: of a plateau schedule: at most so many steps, and steps between two validations.
        halve_after, patience: more validations than these without a better figure halve the rate, and stop.
        dev_records: records that are validated on while training, the first ones; 0 for all.
        clip_norm: the global norm that gradients are scaled down to.
        order_seed: of the order of the records, the same for all probes.
    """

    kind: str = "linear"
    learning_rate: float = 4e-3
    batch_records: int = 128
    epochs: int = 20
    warmup: float = 0.1
    least_steps: int = 200
    steps: int = 250_000
    interval: int = 1000
    halve_after: int = 5
    patience: int = 20
    dev_records: int = 0
    clip_norm: float = 5.0
    order_seed: int = 0

    SMALLEST, BETTER = 1e-6, 1e-4  # a plateau ends below this rate; what counts as a rise of the figure

    def total(self, records):
        """Steps of the whole training."""
        return self._passes(records) * self.per_epoch(records) if self.kind == "linear" else self.steps

    def per_epoch(self, records):
        """Steps of one pass over the records."""
        return -(-records // self.batch_records)

    def validate_every(self, records):
        """Steps between two validations."""
        return (
            self.per_epoch(records) * -(-self._passes(records) // self.epochs)
            if self.kind == "linear"
            else self.interval
        )

    def relative_rate(self, step: int, total: int) -> float:
        """The share of the peak that a linear schedule of `total` steps has at a step, from 0, in float32: up, then
        down to 0.
        """
        rising, at = round(self.warmup * total), np.float32(step)
        rise = (at + np.float32(1)) / np.float32(max(rising, 1))
        fall = (np.float32(total) - at) / np.float32(max(total - rising, 1))
        return float(np.clip(min(rise, fall), 0, 1))

    def _passes(self, records):
        return max(self.epochs, -(-self.least_steps // self.per_epoch(records)))


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the parts of a batch are filled up to.

    Attributes:
        rows: positions that some span reads.
        targets: spans, or pairs of them.
        members: of the spans, for each of a target's one or two.
    """

    rows: int
    targets: int
    members: tuple[int, ...]


class Batches:
    """Batches of records with the states that their spans read.

    Args:
        store: an activations.Store or Recompute that has seen the examples.
        examples: alignment.Examples.
        layers: ascending list of the layers that any probe reads.
        control: bool [targets, labels], the labels of the control task, or None.
        static: give all batches of a dataset one shape, as a compiler wants it; otherwise each has one of a few that is
            little larger.
    """

    def __init__(self, store, examples, layers, control=None, static=False):
        self.examples, self._static = examples, static
        self._store, self._layers, self._control = store, list(layers), control
        self._in_order = {}

    def in_order(self, limit=0):
        """Yields (int [n] targets, batch) of the first `limit` records, 0 for all, in their order."""
        splits, records = self.examples.splits, min(self.examples.records, limit or self.examples.records)

        def choose(number):
            return np.arange(number * PREDICT, min((number + 1) * PREDICT, records))

        if records not in self._in_order:
            self._in_order[records] = self.dataset(choose, 0, -(-records // PREDICT))
        for number, batch in enumerate(self._in_order[records]):
            chosen = choose(number)
            yield np.arange(splits[chosen[0]], splits[chosen[-1] + 1]), batch

    def dataset(self, choose, start, stop):
        """A tf.data.Dataset of batches `start` to `stop`, of all that are numbered from 0; choose(number) -> int
        [records], what is in one.
        """
        sizes = self.sizes(choose, stop) if self._static else None
        spans, labels = 1 if self.examples.span2 is None else 2, len(self.examples.names)
        keys = ["rows1", "segments1", "rows2", "segments2"][: 2 * spans]
        labelled = ["gold"] + ["control"] * (self._control is not None)
        widths = self._store.encoder.widths
        blocks = activations.blocks(self._layers, widths)
        types = [tf.float16] * len(blocks) + [tf.int32] * len(keys) + [tf.uint8] * len(labelled) + [tf.float32]

        def make(number):
            return tf.numpy_function(lambda n: self._make(choose(int(n)), sizes), [number], types, stateful=False)

        def name(*tensors):
            batch = {"states": tuple(tensors[: len(blocks)])}
            for states, layers in zip(batch["states"], blocks):
                states.set_shape([len(layers), None, widths[layers[0]]])
            rest = list(tensors[len(blocks) :])
            for key in [*keys, *labelled]:
                batch[key] = rest.pop(0)
                batch[key].set_shape([None, labels] if key in labelled else [None])
            batch["weights"] = rest.pop(0)
            batch["weights"].set_shape([None])
            return batch

        data = tf.data.Dataset.range(start, stop).map(make, num_parallel_calls=2, deterministic=True)
        return untuned(data.map(name).prefetch(1))

    def sizes(self, choose, stop):
        """Sizes that hold every one of the batches 0 to `stop`, wherever a run goes on."""
        examples = self.examples
        spans = [examples.span1] if examples.span2 is None else [examples.span1, examples.span2]
        ends = [np.append(0, np.cumsum(span[:, 1] - span[:, 0]))[examples.splits] for span in spans]
        members = np.stack([np.diff(each) for each in ends])
        lengths = np.array([len(examples.payloads[number]) for number in examples.sentence])
        parts = np.stack([np.minimum(members.sum(0), lengths), np.diff(examples.splits), *members])  # of each record
        rows, targets, *members = (
            bucket(n) for n in np.max([parts[:, choose(number)].sum(1) for number in range(stop)], 0)
        )
        return Sizes(rows, targets, tuple(members))

    def _make(self, records, full=None):
        examples = self.examples
        sentences, which = np.unique(examples.sentence[records], return_inverse=True)
        counts = np.array([len(examples.payloads[number]) for number in sentences])
        ends = np.cumsum(counts)
        base = ends - counts
        sizes = examples.splits[records + 1] - examples.splits[records]
        targets = ranges(examples.splits[records], sizes)
        offset = np.repeat(base[which], sizes)
        spans = [examples.span1] if examples.span2 is None else [examples.span1, examples.span2]
        members = []
        for span in spans:
            first, last = span[targets].T
            members.append((ranges(first + offset, last - first), np.repeat(np.arange(len(targets)), last - first)))
        # only positions that some span reads are read and projected
        used, place = np.unique(np.concatenate([rows for rows, _ in members]), return_inverse=True)
        owner = np.searchsorted(ends, used, side="right")
        begins = np.flatnonzero((np.diff(used, prepend=-2) != 1) | (np.diff(owner, prepend=-1) != 0))
        first, owner = used[begins] - base[owner[begins]], owner[begins]
        pieces = np.stack([sentences[owner], first, first + np.diff(np.append(begins, len(used)))], 1)
        full = full or Sizes(bucket(len(used)), bucket(len(targets)), tuple(bucket(len(rows)) for rows, _ in members))
        n = full.targets
        out = self._store.read(examples, pieces, self._layers, full.rows)
        at = 0
        for (rows, segments), size in zip(members, full.members):
            padding = size - len(rows)
            # what fills up goes to the last target, which only fills up too
            out.append(np.pad(place[at : at + len(rows)], (0, padding)).astype(np.int32))
            out.append(np.pad(segments, (0, padding), constant_values=n).astype(np.int32))
            at += len(rows)
        labels = [examples.gold(targets)] + ([] if self._control is None else [self._control[targets]])
        for each in labels:
            out.append(np.pad(each, ((0, n + 1 - len(targets)), (0, 0))).astype(np.uint8))
        out.append((np.arange(n + 1) < len(targets)).astype(np.float32))
        return out


def bucket(n):
    """The size that n things are filled up to: few different ones, so that compiled steps are few, at most a seventh
    more.
    """
    step = max(32, 1 << max(0, int(n).bit_length() - 4))
    return max(step, -(-n // step) * step)


def control_labels(examples, frequencies):
    """Labels of the control task: every type of span1 has one of its own, drawn as often as it occurs (Hewitt and Liang
    2019).

    Args:
        examples: alignment.Examples.
        frequencies: float [labels], how often each label occurs in training.

    Returns:
        bool [targets, labels], one label each: the same for the same words of span1 in every split.
    """
    edges = np.cumsum(frequencies / np.sum(frequencies))
    draws = (examples.types.astype(np.uint64) >> np.uint64(11)).astype(np.float64) / 2.0**53
    label = np.minimum(np.searchsorted(edges, draws, side="right"), len(edges) - 1)
    return label[:, None] == np.arange(len(edges))


class Probes:
    """The probes of one task over one encoder, and their optimizers.

    Args:
        cells: list of Cell.
        task: tasks.Task.
        encoder: encoders.Encoder.
        labels: how many labels there are.
        schedule: Schedule.
        precision: the Keras policy of the matrix products.
        jit: compile the step with XLA.
    """

    def __init__(self, cells, task, encoder, labels, schedule, precision="float32", jit=False):
        precision = "float32" if precision == "mixed_float16" else precision  # too small to need a scaled loss
        self.cells = list(cells)
        self.layers = sorted({layer for cell in cells for layer in encoder.representation(cell.representation).layers})
        self._places = {
            layer: (number, place)
            for number, block in enumerate(activations.blocks(self.layers, encoder.widths))
            for place, layer in enumerate(block)
        }
        self.models = {
            cell: probe.EdgeProbe(
                encoder.representation(cell.representation),
                encoder.widths,
                task.spans,
                labels,
                seed=cell.seed,
                precision=precision,
            )
            for cell in cells
        }
        self.optimizers = {cell: probe.AMSGrad(schedule.clip_norm, fused=not jit) for cell in cells}
        for cell, model in self.models.items():
            self.optimizers[cell].build(model.trainable_variables)
        self._jit = jit
        self._predict, self._steps = None, {}

    def variables(self):
        """(name, variable) of every weight and of every slot of the optimizers."""
        for cell in self.cells:
            for i, variable in enumerate(self.models[cell].weights):
                yield "%s/weight/%03d" % (cell.name, i), variable
            for i, variable in enumerate(self.optimizers[cell].variables):
                yield "%s/optimizer/%03d" % (cell.name, i), variable

    def restart(self, values):
        """Puts everything back to values of `variables`, in their order; what was compiled stays."""
        for value, (_, variable) in zip(values, self.variables()):
            variable.assign(value)

    def train_step(self, batch, rates, number, active):
        """One step of the active probes: float32 [active] losses."""
        if active not in self._steps:
            self._steps = {active: self._compiled(functools.partial(self._step, active), batch, rates, number)}
        return self._steps[active](batch, rates, number)

    def predict(self, batch):
        """float32 [targets, labels] logits of every probe."""
        if self._predict is None:
            self._predict = self._compiled(self._logits, batch)
        return self._predict(batch)

    def _compiled(self, function, *arguments):
        """A tf.function that is traced once, for as many rows as come: every trace of many probes takes seconds and
        memory.
        """

        def of_any_rows(tensor):
            shape = list(tensor.shape)
            if shape:
                shape[1 if len(shape) == 3 else 0] = None  # states are [layers, rows, width]
            return tf.TensorSpec(shape, tensor.dtype)

        signature = tf.nest.map_structure(of_any_rows, arguments)
        return tf.function(function, input_signature=signature, autograph=False, jit_compile=self._jit)

    def _step(self, active, batch, rates, number):
        losses, gradients, batch, masks = [], [], self._widened(batch), probe.Masks(number)
        for i, cell in enumerate(active):
            model, optimizer = self.models[cell], self.optimizers[cell]
            # two probes at a time keep two cores busy; all at once would hold what all of their gradients need
            with tf.control_dependencies(gradients[-AT_ONCE] if i >= AT_ONCE else []):
                with tf.GradientTape() as tape:
                    logits = model(self._inputs(batch, model), masks)
                    value = probe.loss(logits, batch["control" if cell.control else "gold"], batch["weights"])
                gradients.append(tape.gradient(value, model.trainable_variables))
                optimizer.learning_rate.assign(rates[i])
                optimizer.apply_gradients(zip(gradients[-1], model.trainable_variables))
            losses.append(value)
        return tf.stack(losses)

    def _logits(self, batch):
        batch = self._widened(batch)
        return [self.models[cell](self._inputs(batch, self.models[cell])) for cell in self.cells]

    @staticmethod
    def _widened(batch):
        return {**batch, "states": [tf.cast(states, tf.float32) for states in batch["states"]]}

    def _inputs(self, batch, model):
        inputs = {key: value for key, value in batch.items() if key.startswith(("rows", "segments"))}
        runs = []  # neighbours in a block, first and behind the last
        for layer in model.representation.layers:
            block, place = self._places[layer]
            if runs and runs[-1][0] == block and runs[-1][2] == place:
                runs[-1][2] += 1
            else:
                runs.append([block, place, place + 1])
        states = [batch["states"][block][first:last] for block, first, last in runs]
        return {"states": states, "targets": tf.shape(batch["weights"])[0], **inputs}


def train(
    probes, train_batches, dev_batches, schedule, path, *, identity, begun=None, checkpoint_seconds=60.0, title=""
):
    """Trains probes to their best figures on dev, or goes on with what `begun` or `path` holds.

    Args:
        probes: Probes; they end with the weights of their best validation.
        train_batches, dev_batches: Batches of the two splits.
        schedule: Schedule.
        path: the file of the state, which is deleted by whoever has saved the results.
        identity: what the state belongs to; another one's is not gone on with.
        begun: a file of the state of these and other probes, from which these go on; None for `path`.
        checkpoint_seconds: about how often the state is saved.
        title: shown with the progress.

    Returns:
        {cell: {"history": [{step, loss, dev_f1}], "best_step", "dev_f1", "stopped_at", …}}, and "_time": {"seconds",
        "waited"}: what training took, and what of it was waiting for states to be read.

    Raises:
        UserError: a loss is not finite.
    """
    records = train_batches.examples.records
    total = schedule.total(records)
    every, per_epoch = schedule.validate_every(records), schedule.per_epoch(records)
    progress = _restore(begun or path, probes, identity) or {
        "step": 0,
        "seconds": 0.0,
        "waited": 0.0,
        "cells": {
            cell.name: {
                "history": [],
                "scale": 1.0,
                "bad": 0,
                "halve": 0,
                "best": -1.0,
                "peak": -1.0,
                "done": False,
                "sum": 0.0,
            }
            for cell in probes.cells
        },
        "best_weights": {},
    }
    state, best_weights = progress["cells"], progress.pop("best_weights")

    @functools.lru_cache(2)
    def order(epoch):
        return np.random.Generator(np.random.PCG64([schedule.order_seed, epoch])).permutation(records)

    def choose(number):
        epoch, place = divmod(number, per_epoch)
        return np.sort(order(epoch)[place * schedule.batch_records : (place + 1) * schedule.batch_records])

    step, saved, began = progress["step"], time.monotonic(), time.monotonic() - progress["seconds"]
    iterator = iter(train_batches.dataset(choose, step, total))
    bar = Progress(total * schedule.batch_records, "records", done=step * schedule.batch_records, title=title)
    with bar, Watchdog() as watchdog:
        while step < total and not all(cell["done"] for cell in state.values()):
            active = tuple(cell for cell in probes.cells if not state[cell.name]["done"])
            stop = min(total, (step // every + 1) * every, step + PIECE)
            losses = tf.zeros(len(active), tf.float64)
            for number in range(step, stop):
                waiting = time.monotonic()
                batch = next(iterator)
                progress["waited"] += time.monotonic() - waiting
                relative = schedule.relative_rate(number, total) if schedule.kind == "linear" else 1.0
                rates = [schedule.learning_rate * relative * state[cell.name]["scale"] for cell in active]
                found = probes.train_step(batch, tf.constant(rates, tf.float32), tf.constant(number, tf.int64), active)
                losses += tf.cast(found, tf.float64)
                if number % WAIT == 0:  # not at every step, which a GPU would then wait for
                    losses.numpy()
                watchdog.alive()
                bar.update(schedule.batch_records, **_shown(state, active))
            for cell, value in zip(active, losses.numpy()):
                if not np.isfinite(value):
                    raise UserError(
                        "the loss of %s is %s before step %d, expected a finite one; lower --learning_rate, %g"
                        % (cell.name, value, stop, schedule.learning_rate)
                    )
                state[cell.name]["sum"] += float(value)
            step = stop
            if step % every == 0 or step == total:
                scores = dev_scores(probes, dev_batches, schedule.dev_records)
                for cell in active:
                    _validated(cell, state[cell.name], scores[cell], step, every, schedule, probes, best_weights)
            progress.update(step=step, seconds=time.monotonic() - began)
            if time.monotonic() - saved > checkpoint_seconds:
                _save(path, probes, progress, best_weights, identity)
                saved = time.monotonic()
    for cell, model in probes.models.items():
        model.set_weights(best_weights[cell.name])
    out = {
        cell: {
            "history": state[cell.name]["history"],
            "best_step": max(state[cell.name]["history"], key=lambda point: point["dev_f1"])["step"],
            "dev_f1": state[cell.name]["best"],
            "stopped_at": state[cell.name]["history"][-1]["step"],
        }
        for cell in probes.cells
    }
    return {**out, "_time": {"seconds": time.monotonic() - began, "waited": progress["waited"]}}


def _validated(cell, state, score, step, every, schedule, probes, best_weights):
    """Notes a validation of one probe, and what follows from it."""
    since = step - (state["history"][-1]["step"] if state["history"] else 0)
    state["history"].append({"step": step, "loss": state["sum"] / since, "dev_f1": score})
    state["sum"] = 0.0
    if score > state["best"]:
        state.update(best=score, bad=0)
        best_weights[cell.name] = probes.models[cell].get_weights()
    else:
        state["bad"] += 1
    if schedule.kind != "plateau":
        return
    # PyTorch's ReduceLROnPlateau and the published early stop act when there are more bad validations than they are
    # patient
    if score > state["peak"] + schedule.BETTER:
        state.update(peak=score, halve=0)
    else:
        state["halve"] += 1
    if state["halve"] > schedule.halve_after:
        state.update(scale=state["scale"] / 2, halve=0)
    state["done"] = state["bad"] > schedule.patience or schedule.learning_rate * state["scale"] < schedule.SMALLEST


def _shown(state, active):
    done = [state[cell.name]["history"][-1]["dev_f1"] for cell in active[:3] if state[cell.name]["history"]]
    return {"dev F1": " ".join("%.2f" % (100 * value) for value in done)} if done else {}


def dev_scores(probes, batches, limit=0):
    """Micro-averaged F1 over all labels and targets, the figure that training goes by: {cell: float}."""
    counts = {cell: np.zeros(3, np.int64) for cell in probes.cells}
    for targets, batch in batches.in_order(limit):
        for cell, values in zip(probes.cells, probes.predict(batch)):
            said = values.numpy()[: len(targets)] >= 0
            gold = batch["control" if cell.control else "gold"].numpy()[: len(targets)] > 0
            counts[cell] += [(said & gold).sum(), (said & ~gold).sum(), (gold & ~said).sum()]
        alive()
    return {cell: 2 * tp / (2 * tp + fp + fn) if tp else 0.0 for cell, (tp, fp, fn) in counts.items()}


class Logits:
    """What probes say: logits[cell] is float32 [targets, labels].

    It lies in files without a name until it is asked for: of many probes on a large corpus it would take more memory
    than all else.

    Args:
        cells: list of Cell.
        labels: how many there are.
        folder: where the files are made; None for the system's place.
    """

    def __init__(self, cells, labels, folder=None):
        self._labels, self._files = labels, {cell: tempfile.TemporaryFile(dir=folder) for cell in cells}

    def append(self, cell, values):
        """Adds float32 [targets, labels] of the next targets."""
        self._files[cell].write(np.ascontiguousarray(values, np.float32))

    def __getitem__(self, cell):
        file = self._files[cell]
        out = np.empty((file.seek(0, os.SEEK_END) // (4 * self._labels), self._labels), np.float32)
        file.seek(0)
        file.readinto(out.reshape(-1).view(np.uint8))
        return out


def predict(probes, batches, folder=None):
    """What every probe says of all targets: Logits, whose files are made in `folder`."""
    out = Logits(probes.cells, len(batches.examples.names), folder)
    for targets, batch in batches.in_order():
        for cell, values in zip(probes.cells, probes.predict(batch)):
            out.append(cell, values.numpy()[: len(targets)])
    return out


def probabilities(logits):
    """Their probabilities, float32, each label by itself; they take the logits' place, which may be hundreds of
    megabytes.
    """
    np.clip(logits, -80, 80, logits)
    np.exp(np.negative(logits, logits), logits)
    return np.reciprocal(np.add(logits, 1, logits), logits)


PROGRESS = {"step": int, "seconds?": float, "waited?": float, "cells?": {str: {"history": [dict], "done": bool}}}


def _save(path, probes, progress, best_weights, identity):
    from safetensors.numpy import save_file

    tensors = {name: np.asarray(variable.numpy()) for name, variable in probes.variables()}
    for name, weights in best_weights.items():
        tensors.update({"%s/best/%03d" % (name, i): np.asarray(weight) for i, weight in enumerate(weights)})
    identity = {**identity, "cells": [cell.name for cell in probes.cells]}
    metadata = {"progress": json.dumps(progress), "identity": json.dumps(identity, sort_keys=True)}
    write_atomically(path, lambda part: save_file(tensors, str(part), metadata))


def _restore(path, probes, identity):
    """The progress of a state file, whose weights are put in place; None where there is none, or another run's."""
    if not path.exists():
        return None
    with _opened(path) as (file, found, progress):
        cells = found.pop("cells")
        if found != json.loads(json.dumps(identity)) or not {cell.name for cell in probes.cells} <= set(cells):
            return None
        for name, variable in probes.variables():
            variable.assign(file[name])
        names = sorted(file)
        best_weights = {
            cell.name: [file[name] for name in names if name.startswith(cell.name + "/best/")] for cell in probes.cells
        }
        progress["best_weights"] = {name: weights for name, weights in best_weights.items() if weights}
        if "cells" in progress:
            progress["cells"] = {cell.name: progress["cells"][cell.name] for cell in probes.cells}
        return progress


@contextlib.contextmanager
def _opened(path):
    """(tensors.Safetensors, the identity of its run and the names of its probes as "cells", its progress)."""
    advice = "delete it to train these probes anew"
    file = tensors.Safetensors(path, "state of this run", advice)
    found = parse_json(file.metadata.get("identity", ""), f"{path}, identity", {"cells": [str]}, "a run's; " + advice)
    progress = parse_json(file.metadata.get("progress", ""), f"{path}, progress", PROGRESS, "a run's; " + advice)
    try:
        yield file, found, progress
    except UserError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a state of this run ({error}); {advice}") from None


def groups(folder, stem, cells, identity):
    """The probes that are trained together: what an earlier run has begun together goes on together, the rest begins
    together.

    Args:
        folder: where the files of states are, a Path.
        stem: how their names begin.
        cells: list of Cell, all that are to be trained.
        identity: what their state belongs to. A state that began after other records of the same run ("begin") is
            passed over.

    Returns:
        A list of (list of Cell; path of their state; path of the state that they go on from, or None).

    Raises:
        UserError: a file is no state, or another run's, which would be lost.
    """
    identity, found, out = json.loads(json.dumps(identity)), [], []
    for path in sorted(folder.glob(stem + "*.safetensors")):
        with _opened(path) as (_, there, progress):
            names = there.pop("cells")
        if there.get("begin") != identity.get("begin"):
            continue
        check_identity(path, there, identity)
        found.append((progress["step"], path, names))
    left, plain = list(cells), folder / (stem + ".safetensors")
    for _, path, names in sorted(found, reverse=True):  # what got furthest
        group = [cell for cell in left if cell.name in names]
        left = [cell for cell in left if cell.name not in names]
        if group:
            out.append((group, path if len(group) == len(names) else _state_path(folder, stem, group), path))
    if left:
        out.append((left, _state_path(folder, stem, left) if plain.exists() else plain, None))
    return out


def _state_path(folder, stem, cells):
    digest = hashlib.sha1("\n".join(sorted(cell.name for cell in cells)).encode()).hexdigest()[:10]
    return folder / (f"{stem}-{digest}.safetensors")


def discard(folder, stem, finished):
    """Deletes the files of states whose probes are all finished.

    Args:
        folder, stem: as in `groups`.
        finished: a function from the name of a probe and what the state belongs to, to whether the probe's results are
            saved.
    """
    for path in folder.glob(stem + "*.safetensors"):
        with contextlib.suppress(UserError):  # a broken one is said when it is needed
            with _opened(path) as (_, identity, _):
                names = identity.pop("cells")
            if all(finished(name, identity) for name in names):
                path.unlink()


def check_identity(path, there, identity):
    """Raises a UserError unless the two dicts, what a file belongs to and what this run is, say the same."""
    for key in identity:
        if there.get(key) != identity[key]:
            raise UserError(
                f"{path}: holds a probe with another {key}, {there.get(key)}; expected {identity[key]}; choose "
                f"another --run_dir, or delete this file"
            )
