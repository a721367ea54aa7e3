"""Two classifiers on the same reviews: how much more often one is right, and whether that is chance."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.model.metrics import Z95

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How often two classifiers are right about the same reviews.

    Attributes:
        both, first, second, neither: numbers of reviews: both are right, the first alone, the second alone, neither.
        error: of ratings, the mean absolute error of the first's most probable rating less that of the second's, and
            the normal 95 % interval of that over reviews: (difference, low, high), in the ratings' own unit; None of
            other classes, and of one review, which says nothing of how far they spread.

    Example:
        >>> comparison = Comparison(both=80, first=9, second=1, neither=10)
        >>> round(comparison.difference, 4), [round(end, 4) for end in comparison.interval95]
        (0.08, [0.0165, 0.1403])
        >>> round(comparison.p, 4)
        0.0215
    """

    both: int
    first: int
    second: int
    neither: int
    error: tuple[float, float, float] | None = None

    @property
    def n(self) -> int:
        """All reviews."""
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """The first's accuracy less the second's, a share; 0 without reviews."""
        return (self.first - self.second) / max(self.n, 1)

    @property
    def interval95(self) -> list[float]:
        """The 95 % interval of the difference, [low, high]: Wald's for matched pairs after half a review is added to
        each of the four numbers (Agresti and Min 2005).
        """
        n, apart, more = self.n + 2, self.first + self.second + 1, self.first - self.second
        half = Z95 * math.sqrt(apart - more**2 / n) / n
        return [max(more / n - half, -1.0), min(more / n + half, 1.0)]

    @property
    def p(self) -> float:
        """McNemar's exact test: how probable so unlike numbers of reviews on which one alone is right, or more unlike
        ones, are where each of these reviews is either's by a coin; two-sided, 1 where there are none.
        """
        apart, fewer = self.first + self.second, min(self.first, self.second)
        of_so_many = math.lgamma(apart + 1) - apart * math.log(2)
        tail = sum(math.exp(of_so_many - math.lgamma(k + 1) - math.lgamma(apart - k + 1)) for k in range(fewer + 1))
        return min(1.0, 2 * tail)

    @property
    def figures(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        counts = {"both_right": self.both, "this_alone": self.first, "other_alone": self.second}
        made = {"difference": self.difference, "interval95": self.interval95, "mcnemar_p": self.p}
        return {"n": self.n, **counts, "neither": self.neither, **made, **self._of_ratings()}

    def _of_ratings(self) -> dict[str, Any]:
        if self.error is None:
            return {}
        difference, *interval = self.error
        return {"mae_difference": difference, "mae_interval95": interval}


def relation(p: float) -> tuple[str, str]:
    """How a p is written, with four digits: what stands before a number, "=" or "<", and the number."""
    return ("=", f"{p:.4f}") if p >= 0.0001 else ("<", "0.0001")


def compare(first: ArrayLike, second: ArrayLike, labels: ArrayLike, *, classes: Classes = SENTIMENT) -> Comparison:
    """Holds two classifiers' answers beside each other.

    Args:
        first, second: float [n, classes], the probabilities that each gives the same reviews.
        labels: int [n], numbers of classes.
        classes: what the labels are of; by default negative and positive.
    """
    predicted, labels = [np.asarray(each).argmax(1) for each in (first, second)], np.asarray(labels)
    right, other = (each == labels for each in predicted)
    both, mine, theirs, neither = (
        int(cell.sum()) for cell in (right & other, right & ~other, ~right & other, ~right & ~other)
    )
    error = None
    if classes.is_ordered and len(labels) > 1:
        values = np.array(classes.values)
        difference = np.subtract(*(np.abs(values[each] - values[labels]) for each in predicted))
        mean, half = float(difference.mean()), Z95 * float(difference.std(ddof=1)) / math.sqrt(len(labels))
        error = mean, mean - half, mean + half
    return Comparison(both, mine, theirs, neither, error)
