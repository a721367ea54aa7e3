"""How good a classifier is: accuracy with its interval, F1, confusion, calibration, its most confident errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LABELS = ("negative", "positive")
Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def report(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> dict[str, Any]:
    """The figures of one set of reviews.

    Args:
        probabilities: float [n, 2], of negative and positive.
        labels: int [n], 0 or 1.
        bins: how many bins of equal width the calibration error takes.

    Returns:
        A dict: n; accuracy; accuracy_interval95, Wilson's; f1 of either class and, over the classes that occur, their
        mean, macro_f1; confusion [[true 0 said 0, true 0 said 1], [true 1 said 0, true 1 said 1]]; ece; log_loss
        (nats).
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    predicted = probabilities.argmax(1)
    confusion = np.bincount(labels * 2 + predicted, minlength=4).reshape(2, 2)
    right = int(np.trace(confusion))
    occurring = [c for c in (0, 1) if confusion[c].sum() + confusion[:, c].sum()]
    f1 = [2 * confusion[c, c] / max(confusion[c].sum() + confusion[:, c].sum(), 1) for c in (0, 1)]
    picked = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    return {
        "n": len(labels),
        "accuracy": right / max(len(labels), 1),
        "accuracy_interval95": wilson(right, len(labels)),
        "f1": dict(zip(LABELS, map(float, f1))),
        "macro_f1": float(np.mean([f1[c] for c in occurring])) if occurring else 0.0,
        "confusion": confusion.tolist(),
        "ece": expected_calibration_error(probabilities, labels, bins),
        "log_loss": float(-np.log(picked).mean()) if len(labels) else 0.0,
    }


def wilson(right: int, n: int) -> list[float]:
    """The 95 % score interval of a share, `right` of `n` (Wilson 1927): [low, high], [0, 1] for n = 0."""
    if not n:
        return [0.0, 1.0]
    share, z2 = right / n, Z95**2 / n
    centre = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return [centre - half, centre + half]


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """How far confidence is from accuracy, on average over reviews (Guo et al. 2017, equation 3).

    Reviews go by the probability of the class that was said into `bins` bins of equal width on [0, 1]; a bin adds
    |accuracy - mean confidence| with the share of reviews in it.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if not len(probabilities):
        return 0.0
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == np.asarray(labels)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(place, right - confidence, bins)
    return float(np.abs(gap).sum() / len(confidence))


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> list[dict[str, Any]]:
    """The bins that the calibration error is made of.

    Returns:
        A list of {"n", "confidence", "accuracy"}, means over the reviews of each bin that has any.
    """
    probabilities = np.asarray(probabilities, np.float64)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == np.asarray(labels)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {"n": int(here.sum()), "confidence": float(confidence[here].mean()), "accuracy": float(right[here].mean())}
        for here in (place == number for number in range(bins))
        if here.any()
    ]


LENGTHS = (1, 6, 11, 21, 31, 51, 81, 121)  # characters from which on a group of reviews begins


def by_length(texts: Sequence[str], probabilities: ArrayLike, labels: ArrayLike) -> list[dict[str, Any]]:
    """Accuracy of reviews by their characters: a list of {"from", "n", "accuracy", "interval95"}, the groups of LENGTHS
    that occur.
    """
    right = np.asarray(probabilities).argmax(1) == np.asarray(labels)
    group = np.searchsorted(LENGTHS, [max(len(text), 1) for text in texts], side="right") - 1
    out = []
    for number, first in enumerate(LENGTHS):
        here = right[group == number]
        if len(here):
            out.append(
                {
                    "from": first,
                    "n": len(here),
                    "accuracy": float(here.mean()),
                    "interval95": wilson(int(here.sum()), len(here)),
                }
            )
    return out


def confident_errors(probabilities: ArrayLike, labels: ArrayLike, count: int = 20) -> np.ndarray:
    """Row numbers of the errors, the most confident first, at most `count`."""
    probabilities = np.asarray(probabilities)
    wrong = np.flatnonzero(probabilities.argmax(1) != np.asarray(labels))
    return wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:count]


def one_class(figures: Mapping[str, Any]) -> str:
    """What is to be said of accuracy where all reviews have one label; "" where they have not."""
    counts = [sum(row) for row in figures["confusion"]]
    if min(counts) or not max(counts):
        return ""
    return f", of {LABELS[int(counts[1] > 0)]} reviews alone: whoever always says so has 100"


def lines(figures: Mapping[str, Any], title: str) -> list[str]:
    """A report in readable lines."""
    low, high = figures["accuracy_interval95"]
    (tn, fp), (fn, tp) = figures["confusion"]
    return [
        f"{title}: {figures['n']} reviews",
        f"  accuracy {100 * figures['accuracy']:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f})"
        + one_class(figures),
        f"  macro F1 {100 * figures['macro_f1']:.2f}, "
        f"negative {100 * figures['f1']['negative']:.2f}, positive {100 * figures['f1']['positive']:.2f}",
        f"  true negative said negative {tn}, positive {fp}; true positive said negative {fn}, positive {tp}",
        f"  calibration error {figures['ece']:.3f}, log loss {figures['log_loss']:.3f}",
    ]
