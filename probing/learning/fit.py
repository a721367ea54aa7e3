"""Trains any number of probes over one reading of the activations.

Probes of one task differ in representation, seed and control; they see the same batches in the same order, each with
weights, dropout, learning rate and an end of its own, so that a probe trained beside others ends as it would alone.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.progress import FirstStep, Progress
from nsmc_bert.base.watchdog import Watchdog
from probing import activations
from probing.encoders import Encoder
from probing.learning import probe, resume
from probing.learning.batches import Batches
from probing.learning.on_device import OnDevice
from probing.learning.predictions import dev_scores
from probing.learning.schedule import ProbeKey, Schedule
from probing.tasks import Task

PIECE = 400  # steps between two chances to save the state
WAIT = 20  # steps that may be on their way to the device
AT_ONCE = 2  # probes of a step that may be computed at the same time


def layers_of(keys: Sequence[ProbeKey], encoder: Encoder) -> list[int]:
    """The layers that some of the probes read, ascending."""
    return sorted({layer for key in keys for layer in encoder.representation(key.representation).layers})


class Probes:
    """The probes of one task over one encoder, and their optimizers.

    Args:
        keys: list of ProbeKey.
        task: tasks.Task.
        encoder: encoders.Encoder.
        labels: how many labels there are.
        schedule: Schedule.
        precision: the Keras policy of the matrix products.
        jit: compile the step with XLA.
        on_device: an OnDevice that has the states of all batches in the layers that the probes read, in which case
            these have positions alone; or None.

    Attributes:
        one_program: whether all of them learn in every step, those that are done at a rate of 0: what is compiled for
            all is compiled anew for some.
    """

    def __init__(
        self,
        keys: Sequence[ProbeKey],
        task: Task,
        encoder: Encoder,
        labels: int,
        schedule: Schedule,
        precision: str = "float32",
        jit: bool = False,
        on_device: OnDevice | None = None,
    ):
        precision = "float32" if precision == "mixed_float16" else precision  # too small to need a scaled loss
        self.keys = list(keys)
        self.layers = layers_of(keys, encoder)
        self.on_device = on_device
        self._places = {
            layer: (number, place)
            for number, block in enumerate(activations.blocks(self.layers, encoder.widths))
            for place, layer in enumerate(block)
        }
        self.models = {
            key: probe.EdgeProbe(
                encoder.representation(key.representation),
                encoder.widths,
                task.spans,
                labels,
                seed=key.seed,
                precision=precision,
            )
            for key in keys
        }
        self.optimizers = {key: probe.AMSGrad(schedule.clip_norm, fused=not jit) for key in keys}
        for key, model in self.models.items():
            self.optimizers[key].build(model.trainable_variables)
        self._jit = self.one_program = jit
        self._predict: Callable | None = None
        self._steps: dict[tuple[ProbeKey, ...], Callable] = {}

    def variables(self) -> Iterator[tuple[str, tf.Variable]]:
        """(name, variable) of every weight and of every slot of the optimizers."""
        for key in self.keys:
            for i, variable in enumerate(self.models[key].weights):
                yield f"{key.name}/weight/{i:03d}", variable
            for i, variable in enumerate(self.optimizers[key].variables):
                yield f"{key.name}/optimizer/{i:03d}", variable

    def restart(self, values: Sequence[np.ndarray]) -> None:
        """Puts everything back to values of `variables`, in their order; what was compiled stays."""
        for value, (_, variable) in zip(values, self.variables()):
            variable.assign(value)

    def train_step(
        self, batch: dict[str, Any], rates: tf.Tensor, number: tf.Tensor, active: tuple[ProbeKey, ...]
    ) -> tf.Tensor:
        """One step of the active probes: float32 [active] losses."""
        if active not in self._steps:
            self._steps = {active: self._compiled(functools.partial(self._step, active), batch, rates, number)}
        return self._steps[active](batch, rates, number)

    def predict(self, batch: dict[str, Any]) -> list[tf.Tensor]:
        """float32 [targets, labels] logits of every probe."""
        if self._predict is None:
            # a partial, as the step is: of a method TensorFlow warns where that of many probes is traced
            self._predict = self._compiled(functools.partial(self._logits), batch)
        return self._predict(batch)

    def _compiled(self, function: Callable, *arguments: Any) -> Callable:
        """A tf.function that is traced once, for as many rows as come: every trace of many probes takes seconds and
        memory.
        """

        def of_any_rows(tensor: tf.Tensor) -> tf.TensorSpec:
            shape = list(tensor.shape)
            if shape:
                shape[1 if len(shape) == 3 else 0] = None  # states are [layers, rows, width]
            return tf.TensorSpec(shape, tensor.dtype)

        signature = tf.nest.map_structure(of_any_rows, arguments)
        return tf.function(function, input_signature=signature, autograph=False, jit_compile=self._jit)

    def _step(
        self, active: tuple[ProbeKey, ...], batch: dict[str, Any], rates: tf.Tensor, number: tf.Tensor
    ) -> tf.Tensor:
        losses: list[tf.Tensor] = []
        gradients: list[list[tf.Tensor]] = []
        batch, masks = self._widened(batch), probe.Masks(number)
        for i, key in enumerate(active):
            model, optimizer = self.models[key], self.optimizers[key]
            # two probes at a time keep two cores busy; all at once would hold what all of their gradients need
            with tf.control_dependencies(gradients[-AT_ONCE] if i >= AT_ONCE else []):
                with tf.GradientTape() as tape:
                    logits = model(self._inputs(batch, model), masks)
                    value = probe.loss(logits, batch["control" if key.control else "gold"], batch["weights"])
                gradients.append(tape.gradient(value, model.trainable_variables))
                optimizer.learning_rate.assign(rates[i])
                optimizer.apply_gradients(zip(gradients[-1], model.trainable_variables))
            losses.append(value)
        return tf.stack(losses)

    def _logits(self, batch: dict[str, Any]) -> list[tf.Tensor]:
        batch = self._widened(batch)
        return [self.models[key](self._inputs(batch, self.models[key])) for key in self.keys]

    def _widened(self, batch: dict[str, Any]) -> dict[str, Any]:
        states = self.on_device.take(batch["positions"], self.layers) if self.on_device else batch["states"]
        return {**batch, "states": [tf.cast(each, tf.float32) for each in states]}

    def _inputs(self, batch: dict[str, Any], model: probe.EdgeProbe) -> dict[str, Any]:
        inputs = {key: value for key, value in batch.items() if key.startswith(("rows", "segments"))}
        runs: list[list[int]] = []  # neighbours in a block, first and behind the last
        for layer in model.representation.layers:
            block, place = self._places[layer]
            if runs and runs[-1][0] == block and runs[-1][2] == place:
                runs[-1][2] += 1
            else:
                runs.append([block, place, place + 1])
        blocks = [(batch["states"][block], first, last) for block, first, last in runs]
        states = [block if last - first == block.shape[0] else block[first:last] for block, first, last in blocks]
        return {"states": states, "targets": tf.shape(batch["weights"])[0], **inputs}


@dataclasses.dataclass(frozen=True)
class Seconds:
    """What training took, and what of it was waiting for states to be read."""

    total: float
    waited: float


def train(
    probes: Probes,
    train_batches: Batches,
    dev_batches: Batches,
    schedule: Schedule,
    path: Path,
    *,
    identity: Mapping[str, Any],
    begun: Path | None = None,
    checkpoint_seconds: float = 60.0,
    title: str = "",
    log: Callable[[str], None] = lambda line: None,
) -> tuple[dict[ProbeKey, dict[str, Any]], Seconds]:
    """Trains probes to their best figures on dev, or goes on with what `begun` or `path` holds.

    Args:
        probes: they end with the weights of their best validation.
        train_batches, dev_batches: of the two splits.
        schedule: how long and how fast.
        path: the file of the state, which is deleted by whoever has saved the results.
        identity: what the state belongs to; another one's is not gone on with.
        begun: a file of the state of these and other probes, from which these go on; None for `path`.
        checkpoint_seconds: about how often the state is saved.
        title: shown with the progress.
        log: called with the line that says how long the first step took.

    Returns:
        {key: {"history": [{step, loss, dev_f1}], "best_step", "dev_f1", "stopped_at"}}, and what it took.

    Raises:
        UserError: a loss is not finite.
    """
    training = _Training(probes, train_batches, dev_batches, schedule, begun or path, identity)
    saved = time.monotonic()
    done = training.step * schedule.batch_records
    bar = Progress(training.total * schedule.batch_records, "records", done=done, title=title)
    first = FirstStep(log)
    with bar, Watchdog() as watchdog:
        while training.goes_on():
            training.learn(bar, watchdog, first)
            if time.monotonic() - saved > checkpoint_seconds:
                resume.save(path, probes, training.progress, training.best_weights, identity)
                saved = time.monotonic()
    return training.finish()


class _Training:
    """Probes on their way: where each is, and its best weights so far."""

    def __init__(
        self,
        probes: Probes,
        train_batches: Batches,
        dev_batches: Batches,
        schedule: Schedule,
        path: Path,
        identity: Mapping[str, Any],
    ):
        self.probes, self.schedule, self.dev_batches = probes, schedule, dev_batches
        self.records = train_batches.examples.records
        self.total = schedule.total(self.records)
        self.every = schedule.validate_every(self.records)
        begin = {"step": 0, "seconds": 0.0, "waited": 0.0, "best_weights": {}}
        self.progress = resume.restore(path, probes, identity) or {
            **begin,
            "cells": {key.name: _first_state() for key in probes.keys},
        }
        self.state: dict[str, dict[str, Any]] = self.progress["cells"]
        self.best_weights: dict[str, list[np.ndarray]] = self.progress.pop("best_weights")
        self.began = time.monotonic() - self.progress["seconds"]
        self.iterator = iter(train_batches.dataset(schedule.order(self.records), self.step, self.total))

    @property
    def step(self) -> int:
        """How many steps have been taken."""
        return self.progress["step"]

    def goes_on(self) -> bool:
        """Whether there is a probe that learns still."""
        return self.step < self.total and not all(state["done"] for state in self.state.values())

    def learn(self, bar: Progress, watchdog: Watchdog, first: FirstStep) -> None:
        """Takes steps up to the next validation, which is made, or to the next chance to save the state."""
        active = tuple(key for key in self.probes.keys if not self.state[key.name]["done"])
        taking = tuple(self.probes.keys) if self.probes.one_program else active
        stop = min(self.total, (self.step // self.every + 1) * self.every, self.step + PIECE)
        losses = tf.zeros(len(taking), tf.float64)
        for number in range(self.step, stop):
            losses += tf.cast(self._take_step(number, taking), tf.float64)
            if number % WAIT == 0:  # not at every step, which a GPU would then wait for
                losses.numpy()
            first.done()
            watchdog.alive()
            bar.update(self.schedule.batch_records, **_shown(self.state, active))
        for key, value in zip(taking, losses.numpy()):
            if key not in active:
                continue
            if not np.isfinite(value):
                raise UserError(
                    f"the loss of {key.name} is {value} before step {stop}, expected a finite one; lower "
                    f"--learning_rate, {self.schedule.learning_rate:g}"
                )
            self.state[key.name]["sum"] += float(value)
        if stop % self.every == 0 or stop == self.total:
            scores = dev_scores(self.probes, self.dev_batches, self.schedule.dev_records)
            for key in active:
                state, weights = self.state[key.name], self.best_weights
                _validated(key, state, scores[key], stop, self.schedule, self.probes, weights)
        self.progress.update(step=stop, seconds=time.monotonic() - self.began)

    def _take_step(self, number: int, taking: tuple[ProbeKey, ...]) -> tf.Tensor:
        waiting = time.monotonic()
        batch = next(self.iterator)
        self.progress["waited"] += time.monotonic() - waiting
        rate = self.schedule.learning_rate
        if self.schedule.kind == "linear":
            rate *= self.schedule.relative_rate(number, self.total)
        states = [self.state[key.name] for key in taking]
        rates = [0.0 if state["done"] else rate * state["scale"] for state in states]
        return self.probes.train_step(batch, tf.constant(rates, tf.float32), tf.constant(number, tf.int64), taking)

    def finish(self) -> tuple[dict[ProbeKey, dict[str, Any]], Seconds]:
        """Gives every probe its best weights; returns what `train` does."""
        out = {}
        for key, model in self.probes.models.items():
            model.set_weights(self.best_weights[key.name])
            history = self.state[key.name]["history"]
            out[key] = {
                "history": history,
                "best_step": max(history, key=lambda point: point["dev_f1"])["step"],
                "dev_f1": self.state[key.name]["best"],
                "stopped_at": history[-1]["step"],
            }
        return out, Seconds(time.monotonic() - self.began, self.progress["waited"])


def _first_state() -> dict[str, Any]:
    """The state of a probe that has learned nothing yet."""
    figures = {"best": -1.0, "peak": -1.0, "sum": 0.0, "scale": 1.0}
    return {"history": [], "bad": 0, "halve": 0, "done": False, **figures}


def _validated(
    key: ProbeKey,
    state: dict[str, Any],
    score: float,
    step: int,
    schedule: Schedule,
    probes: Probes,
    best_weights: dict[str, list[np.ndarray]],
) -> None:
    """Notes a validation of one probe, and what follows from it."""
    since = step - (state["history"][-1]["step"] if state["history"] else 0)
    state["history"].append({"step": step, "loss": state["sum"] / since, "dev_f1": score})
    state["sum"] = 0.0
    if score > state["best"]:
        state.update(best=score, bad=0)
        best_weights[key.name] = probes.models[key].get_weights()
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


def _shown(state: Mapping[str, Mapping[str, Any]], active: Sequence[ProbeKey]) -> dict[str, str]:
    done = [state[key.name]["history"][-1]["dev_f1"] for key in active[:3] if state[key.name]["history"]]
    return {"dev F1": " ".join(f"{100 * value:.2f}" for value in done)} if done else {}
