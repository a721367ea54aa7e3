"""Precision, recall and F1 as sums of counts, each published row's own rule, and bootstrap intervals.

    >>> gold = np.array([[1, 0], [1, 0], [0, 1]], bool)                  # three targets, two labels
    >>> predicted = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]) >= 0.5
    >>> counts = count(predicted, gold, record=[0, 0, 1], records=2)     # the targets are of two sentences
    >>> total(counts), round(float(f1(counts.sum((0, 1)))), 3)
    (PRF(tp=2, fp=1, fn=1), 0.667)

A target has each label or not, and a label is predicted where its probability is at least one half; no label is
compared with another. What is reported is F1 of counts that were added up, over targets and over the labels of a row
(Tenney et al. 2019).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from probing.tasks import Task

THRESHOLD = 0.5
Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@dataclasses.dataclass(frozen=True)
class PRF:
    """Counts of decisions: true positives, false positives, false negatives. They add."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: PRF) -> PRF:
        return PRF(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, 0 where nothing is right."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0


def rounded(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities in float16 that score as they do: what rounding would lift to THRESHOLD stays below it."""
    out = probabilities.astype(np.float16)
    out[(probabilities < THRESHOLD) & (out >= THRESHOLD)] = np.nextafter(np.float16(THRESHOLD), np.float16(0))
    return out


def columns(task: Task, labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Which labels each row of a task adds up.

    Args:
        task: a tasks.Task.
        labels: sequence of str, in the order of the predictions' columns.

    Returns:
        {row: bool [labels]}; the first row is the task's figure in the macro average. A row of one class alone, or
        without some labels, keeps all targets: what is predicted for them counts.
    """
    return {
        row: np.array([bool(re.fullmatch(pattern, label, re.DOTALL)) for label in labels], bool)
        for row, pattern in task.rows.items()
    }


def count(predicted: np.ndarray, gold: np.ndarray, record: ArrayLike, records: int) -> np.ndarray:
    """Counts of every record, label by label.

    Args:
        predicted: bool [targets, labels].
        gold: bool [targets, labels].
        record: int [targets], the record each target belongs to.
        records: how many records there are.

    Returns:
        int32 [records, labels, 3]: true positives, false positives, false negatives.
    """
    out = np.zeros((records, predicted.shape[1], 3), np.int32)
    for place, cases in enumerate((predicted & gold, predicted & ~gold, gold & ~predicted)):
        target, label = np.nonzero(cases)
        np.add.at(out, (np.asarray(record)[target], label, place), 1)  # type: ignore[arg-type]  # a number broadcasts
    return out


def total(counts: ArrayLike) -> PRF:
    """The PRF of an array of counts [..., 3], all added up."""
    return PRF(*(int(x) for x in np.asarray(counts).reshape(-1, 3).sum(0)))


def f1(counts: ArrayLike) -> np.ndarray:
    """F1 of counts [..., 3]: float64 [...], 0 where nothing is right."""
    counts = np.asarray(counts, np.float64)
    below = 2 * counts[..., 0] + counts[..., 1] + counts[..., 2]
    return np.divide(2 * counts[..., 0], below, out=np.zeros(below.shape), where=counts[..., 0] > 0)


def bootstrap(
    counts: ArrayLike, sentences: ArrayLike | None = None, *, samples: int = 1000, seed: int = 0
) -> np.ndarray:
    """F1 of resampled test sets: sentences are drawn with replacement, and so are the seeds.

    Two figures of the same sentences and `seed` are of the same draws, which makes their difference a paired one
    (Sellam et al. 2021, with seeds and sentences crossed). Of n seeds (n - 1) / n of the variance between seeds is
    drawn, of one nothing.

    Args:
        counts: int [seeds, records, 3].
        sentences: int [records], the sentence that each record is of, from 0: records of one sentence, of its
            predicates say, are no draws of their own. None where each record is a sentence.
        samples: how many test sets are drawn.
        seed: of the draws.

    Returns:
        float64 [samples]: in each, the mean F1 over the seeds drawn.
    """
    counts = np.asarray(counts, np.float64)
    seeds, records = counts.shape[:2]
    wide = counts.transpose(1, 0, 2).reshape(records, -1)
    if sentences is not None:
        number = np.unique(np.asarray(sentences), return_inverse=True)[1]
        of_records, wide = wide, np.zeros((int(number.max()) + 1, wide.shape[1]))
        np.add.at(wide, number, of_records)
        records = len(wide)
    random = np.random.Generator(np.random.PCG64([seed, records]))
    sums = np.empty((samples, wide.shape[1]))
    for i in range(samples):
        drawn = np.bincount(random.integers(records, size=records), minlength=records)
        sums[i] = drawn @ wide
    scores = f1(sums.reshape(samples, seeds, 3))
    chosen = np.random.Generator(np.random.PCG64([seed, 1])).integers(seeds, size=(samples, seeds))
    return np.take_along_axis(scores, chosen, 1).mean(1)


def interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of bootstrap values: (low, high)."""
    low, high = np.quantile(np.asarray(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def published_half_width(prf: PRF) -> float:
    """The half width of the interval as the published table has it: of F1 the harmonic mean of those of precision and
    recall.

    Those two are normal approximations with as many trials as there are predicted and gold positives. Its authors' own
    comment on it is that it probably is not the right way; `bootstrap` is.
    """
    halves = []
    for share, n in ((prf.precision, prf.tp + prf.fp), (prf.recall, prf.tp + prf.fn)):
        halves.append(Z95 * (share * (1 - share) / n) ** 0.5 if n else 0.0)
    return 2 * halves[0] * halves[1] / sum(halves) if all(halves) else 0.0
