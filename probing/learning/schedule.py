"""How long and how fast probes learn, and what tells them apart."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from probing.tasks import Task


@dataclasses.dataclass(frozen=True)
class ProbeKey:
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
    def name(self) -> str:
        return "-".join(filter(None, (self.representation, f"seed{self.seed}", self.control)))


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

    @classmethod
    def for_task(
        cls,
        task: Task,
        *,
        kind: str = "linear",
        learning_rate: float = 0.0,
        batch_records: int = 0,
        steps: int = 0,
        interval: int = 0,
        **others: Any,
    ) -> Schedule:
        """The schedule of a task's probes.

        Args:
            task: tasks.Task, whose published `steps` and `interval` stand where they are 0.
            kind: linear or plateau.
            learning_rate, batch_records: 0 for 4e-3 and 128 of a linear schedule, the published 1e-4 and 32 of a
                plateau.
            steps, interval: see the class.
            **others: further fields of the class.
        """
        return cls(
            kind=kind,
            learning_rate=learning_rate or {"linear": 4e-3, "plateau": 1e-4}[kind],
            batch_records=batch_records or {"linear": 128, "plateau": 32}[kind],
            steps=steps or task.steps,
            interval=interval or task.interval,
            **others,
        )

    def total(self, records: int) -> int:
        """Steps of the whole training."""
        return self._passes(records) * self.per_epoch(records) if self.kind == "linear" else self.steps

    def per_epoch(self, records: int) -> int:
        """Steps of one pass over the records."""
        return -(-records // self.batch_records)

    def validate_every(self, records: int) -> int:
        """Steps between two validations."""
        return (
            self.per_epoch(records) * -(-self._passes(records) // self.epochs)
            if self.kind == "linear"
            else self.interval
        )

    def order(self, records: int) -> Callable[[int], np.ndarray]:
        """A function from a batch's number to its records, int [records] ascending; each pass has an order of its
        own.
        """

        @functools.lru_cache(2)
        def of_pass(number: int) -> np.ndarray:
            return np.random.Generator(np.random.PCG64([self.order_seed, number])).permutation(records)

        def choose(number: int) -> np.ndarray:
            passes, place = divmod(number, self.per_epoch(records))
            return np.sort(of_pass(passes)[place * self.batch_records : (place + 1) * self.batch_records])

        return choose

    def relative_rate(self, step: int, total: int) -> float:
        """The share of the peak that a linear schedule of `total` steps has at a step, from 0, in float32: up, then
        down to 0.
        """
        rising, at = round(self.warmup * total), np.float32(step)
        rise = (at + np.float32(1)) / np.float32(max(rising, 1))
        fall = (np.float32(total) - at) / np.float32(max(total - rising, 1))
        return float(np.clip(min(rise, fall), 0, 1))

    def _passes(self, records: int) -> int:
        return max(self.epochs, -(-self.least_steps // self.per_epoch(records)))
