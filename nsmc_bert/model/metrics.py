"""How good a classifier is: accuracy with its interval, F1, confusion, calibration, its most confident errors, and of
ratings how far what was said is from them.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert.base import text_tables
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import counted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution
BINS = 15  # of equal width, that the calibration error takes


def report(probabilities: ArrayLike, labels: ArrayLike, *, classes: Classes = SENTIMENT) -> dict[str, Any]:
    """The figures of one set of reviews.

    Args:
        probabilities: float [n, classes].
        labels: int [n], numbers of classes.
        classes: what the labels are of; by default negative and positive.

    Returns:
        A dict: n; accuracy; accuracy_interval95, Wilson's; f1 of each class and, over the classes that occur, their
        mean, macro_f1; confusion, the number of reviews of class i said to be of class j as [i][j]; ece; log_loss
        (nats). With more than two classes also precision and recall of each; of ratings the figures of `distances`.
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    predicted, count = probabilities.argmax(1), len(classes)
    confusion = np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)
    right, of_label, of_said = int(np.trace(confusion)), confusion.sum(1), confusion.sum(0)
    f1 = [2 * confusion[c, c] / max(of_label[c] + of_said[c], 1) for c in range(count)]
    occurring = [c for c in range(count) if of_label[c] + of_said[c]]
    picked = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    figures = {
        "n": len(labels),
        "accuracy": right / max(len(labels), 1),
        "accuracy_interval95": wilson(right, len(labels)),
        "f1": dict(zip(classes.names, map(float, f1))),
        "macro_f1": float(np.mean([f1[c] for c in occurring])) if occurring else 0.0,
        "confusion": confusion.tolist(),
        "ece": expected_calibration_error(probabilities, labels),
        "log_loss": float(-np.log(picked).mean()) if len(labels) else 0.0,
    }
    if classes != SENTIMENT:
        for name, total in (("precision", of_said), ("recall", of_label)):
            shares = np.diag(confusion) / np.maximum(total, 1)
            figures[name] = dict(zip(classes.names, shares.tolist()))
    if classes.is_ordered:
        figures |= distances(probabilities, labels, classes)
    return figures


def distances(probabilities: np.ndarray, labels: np.ndarray, classes: Classes) -> dict[str, float]:
    """How far from the ratings what was said is.

    Args:
        probabilities: float64 [n, classes].
        labels: int [n].
        classes: ratings.

    Returns:
        kappa, see `weighted_kappa`, and within_one, the share that is said right or to be the rating next to it; mae,
        the mean absolute error of what was said, the most probable rating; mae_median, that of the median of what is
        said of all, the rating that it asks for; and rmse_expected, the root mean squared error of the expected rating,
        which that asks for. All three are in the ratings' own unit.
    """
    if not len(labels):
        return {"kappa": 0.0, "within_one": 0.0, "mae": 0.0, "mae_median": 0.0, "rmse_expected": 0.0}
    values, predicted = np.array(classes.values), probabilities.argmax(1)
    # the first rating up to which half of what is said lies
    median = (probabilities.cumsum(1)[:, :-1] < 0.5).sum(1)
    return {
        "kappa": weighted_kappa(labels, predicted, len(classes)),
        "within_one": float((np.abs(predicted - labels) <= 1).mean()),
        "mae": float(np.abs(values[predicted] - values[labels]).mean()),
        "mae_median": float(np.abs(values[median] - values[labels]).mean()),
        "rmse_expected": float(np.sqrt(np.square(classes.expected(probabilities) - values[labels]).mean())),
    }


def weighted_kappa(labels: ArrayLike, predicted: ArrayLike, count: int) -> float:
    """Agreement beyond chance, a disagreement weighed by the square of its classes' distance (Cohen 1968).

    1 - sum(w * observed) / sum(w * expected), w[i, j] = (i - j)**2, where what is expected by chance is the product of
    both margins; 1 for perfect agreement, about 0 for chance. Where both have one class and the same, it is 0.

    Args:
        labels, predicted: int [n], numbers of classes.
        count: of classes.

    Example:
        >>> round(weighted_kappa([0, 1, 2, 2], [0, 1, 1, 2], 3), 3)
        0.8
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    observed = np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)
    chance = np.outer(observed.sum(1), observed.sum(0)) / max(len(labels), 1)
    weights = np.subtract.outer(np.arange(count), np.arange(count)) ** 2
    disagreement = float((weights * chance).sum())
    return 1.0 - float((weights * observed).sum()) / disagreement if disagreement else 0.0


def score(figures: Mapping[str, Any]) -> float:
    """What the best epoch, and the best of several models, has most of: accuracy.

    Of ratings it is what the expected rating's root mean squared error lacks to 0: what was said stands still while a
    model that begins to learn says the same of all.
    """
    return -figures["rmse_expected"] if "rmse_expected" in figures else figures["accuracy"]


def headline(figures: Mapping[str, Any]) -> str:
    """`score`'s figure in words."""
    if "rmse_expected" in figures:
        return f"root mean squared error of the expected rating {figures['rmse_expected']:.4f}"
    return f"accuracy {figures['accuracy']:.4f}"


def wilson(right: int, n: int) -> list[float]:
    """The 95 % score interval of a share, `right` of `n` (Wilson 1927): [low, high], [0, 1] for n = 0."""
    if not n:
        return [0.0, 1.0]
    share, z2 = right / n, Z95**2 / n
    centre = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return [centre - half, centre + half]


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> float:
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
    gap = np.bincount(place, right - confidence)
    return float(np.abs(gap).sum() / len(confidence))


def reliability(probabilities: ArrayLike, labels: ArrayLike) -> list[dict[str, Any]]:
    """The bins that the calibration error is made of.

    Returns:
        A list of {"n", "confidence", "accuracy"}, means over the reviews of each bin that has any.
    """
    probabilities = np.asarray(probabilities, np.float64)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == np.asarray(labels)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {"n": int(here.sum()), "confidence": float(confidence[here].mean()), "accuracy": float(right[here].mean())}
        for here in (place == number for number in range(BINS))
        if here.any()
    ]


LENGTHS = (1, 6, 11, 21, 31, 51, 81, 121)  # characters from which on a group of reviews begins


def by_length(texts: Sequence[str], probabilities: ArrayLike, labels: ArrayLike) -> list[dict[str, Any]]:
    """Accuracy of reviews by their characters, a syllable counted as one however it is written: a list of {"from",
    "n", "accuracy", "interval95"}, the groups of LENGTHS that occur.
    """
    right = np.asarray(probabilities).argmax(1) == np.asarray(labels)
    lengths = [max(len(unicodedata.normalize("NFC", text)), 1) for text in texts]
    group = np.searchsorted(LENGTHS, lengths, side="right") - 1
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
    occurring = [name for name, row in zip(figures["f1"], figures["confusion"]) if sum(row)]
    return f", of {occurring[0]} reviews alone: whoever always says so has 100" if len(occurring) == 1 else ""


def lines(figures: Mapping[str, Any], title: str) -> list[str]:
    """A report in readable lines."""
    low, high = figures["accuracy_interval95"]
    return [
        f"{title}: {counted(figures['n'], 'review')}",
        f"  accuracy {100 * figures['accuracy']:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f})"
        + one_class(figures),
        *_of_ratings(figures),
        *(_of_classes(figures) if "precision" in figures else _of_two(figures)),
        f"  calibration error {figures['ece']:.3f}, log loss {figures['log_loss']:.3f}",
    ]


def _of_two(figures: Mapping[str, Any]) -> list[str]:
    """F1 and confusion of two classes, in sentences."""
    (tn, fp), (fn, tp) = figures["confusion"]
    return [
        f"  macro F1 {100 * figures['macro_f1']:.2f}, "
        f"negative {100 * figures['f1']['negative']:.2f}, positive {100 * figures['f1']['positive']:.2f}",
        f"  true negative said negative {tn}, positive {fp}; true positive said negative {fn}, positive {tp}",
    ]


def _of_classes(figures: Mapping[str, Any]) -> list[str]:
    """F1 and a row for each class: its figures, and what its reviews were said to be."""
    names = list(figures["f1"])
    rows = [["label", "precision", "recall", "F1", "said", *names]]
    for name, counts in zip(names, figures["confusion"]):
        shares = [f"{100 * figures[part][name]:.2f}" for part in ("precision", "recall", "f1")]
        rows.append([name, *shares, "", *map(str, counts)])
    widths = [max(map(text_tables.columns, column)) for column in zip(*rows)]
    table = [
        "  ".join(" " * (size - text_tables.columns(cell)) + cell for cell, size in zip(row, widths)) for row in rows
    ]
    return [f"  macro F1 {100 * figures['macro_f1']:.2f}", *(f"  {line}" for line in table)]


def _of_ratings(figures: Mapping[str, Any]) -> list[str]:
    """How far from the ratings what was said is; nothing of other classes."""
    if "kappa" not in figures:
        return []
    return [
        f"  within one {100 * figures['within_one']:.2f} %, quadratic weighted kappa {figures['kappa']:.3f}, mean "
        f"absolute error {figures['mae']:.3f}, of the median {figures['mae_median']:.3f}, root mean squared error of "
        f"the expected rating {figures['rmse_expected']:.3f}",
    ]
