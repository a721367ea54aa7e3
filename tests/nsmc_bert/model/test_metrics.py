"""nsmc_bert.model.metrics against values computed by hand."""

import unicodedata

import numpy as np
import pytest

from nsmc_bert.base.classes import Classes, ratings
from nsmc_bert.model import metrics

P = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.05, 0.95]], np.float32)
Y = np.array([0, 1, 1, 0, 1])


def test_report_by_hand():
    figures = metrics.report(P, Y)
    assert figures["n"] == 5
    assert figures["confusion"] == [[1, 1], [1, 2]]
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["f1"]["negative"] == pytest.approx(2 * 1 / (2 + 2))
    assert figures["f1"]["positive"] == pytest.approx(2 * 2 / (3 + 3))
    assert figures["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.3, 0.95]).mean(), abs=1e-6)


def test_calibration_error_by_hand():
    # two bins: all confidences are above one half, so it is |accuracy - mean confidence|
    assert metrics.expected_calibration_error(P, Y, bins=2) == pytest.approx(abs(3 / 5 - P.max(1).mean()), abs=1e-6)
    # ten bins: .95 and .9 in the last, right; .8 right; .7 and .6 wrong
    expected = (abs(2 - 1.85) + abs(1 - 0.8) + 0.7 + 0.6) / 5
    assert metrics.expected_calibration_error(P, Y, bins=10) == pytest.approx(expected, abs=1e-6)
    # what is certain is of the last of fifteen bins too, beside .95
    certain, labels = np.array([[1.0, 0.0], [0.05, 0.95], [0.3, 0.7]]), np.array([1, 1, 1])
    assert metrics.expected_calibration_error(certain, labels) == pytest.approx((abs(1 - 1.95) + 0.3) / 3)
    assert [tuple(one.values()) for one in metrics.reliability(certain, labels)] == [(1, 0.7, 1), (2, 0.975, 0.5)]


def test_a_report_takes_fifteen_bins():
    """Of which 0.93, right, is in the last but one and 0.94, wrong, in the last."""
    figures = metrics.report([[0.07, 0.93], [0.06, 0.94]], [1, 0])
    assert figures["ece"] == pytest.approx((0.07 + 0.94) / 2)


def test_a_calibrated_coin_has_no_error():
    random = np.random.default_rng(0)
    p = random.uniform(size=200_000)
    labels = (random.uniform(size=len(p)) < p).astype(int)
    assert metrics.expected_calibration_error(np.stack([1 - p, p], 1), labels) < 0.005


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe (1998), table I: method 3, the score interval without continuity correction
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_published_values(right, n, low, high):
    assert metrics.wilson(right, n) == pytest.approx([low, high], abs=5e-5)


def test_confident_errors_come_worst_first():
    assert metrics.confident_errors(P, Y).tolist() == [3, 1]
    assert metrics.confident_errors(P, 1 - Y).tolist() == [4, 0, 2]
    assert metrics.confident_errors(P, Y, 1).tolist() == [3]


def test_a_class_that_does_not_occur_counts_for_nothing():
    figures = metrics.report([[0.1, 0.9], [0.2, 0.8]], [1, 1])
    assert figures["macro_f1"] == 1.0
    assert figures["f1"] == {"negative": 0.0, "positive": 1.0}


def test_no_reviews():
    figures = metrics.report(np.zeros((0, 2), np.float32), np.zeros(0, int))
    assert [figures[name] for name in ("n", "accuracy", "macro_f1", "ece", "log_loss")] == [0] * 5
    assert figures["accuracy_interval95"] == [0, 1]


def test_lines_show_the_figures():
    text = "\n".join(metrics.lines(metrics.report(P, Y), "test"))
    assert "test: 5 reviews" in text
    assert "accuracy 60.00 %" in text
    assert "said negative 1, positive 1; true positive said negative 1, positive 2" in text


def test_accuracy_of_one_class_says_so():
    one, none = (
        metrics.report(np.array([[0.1, 0.9], [0.2, 0.8]]), np.array([1, 1])),
        metrics.report(np.zeros((0, 2)), np.zeros(0, int)),
    )
    assert ", of positive reviews alone: whoever always says so has 100" in metrics.lines(one, "test")[1]
    assert (
        ", of negative reviews alone" in metrics.lines(metrics.report(np.array([[0.1, 0.9]]), np.array([0])), "test")[1]
    )
    assert "alone" not in "".join(metrics.lines(metrics.report(P, Y), "test") + metrics.lines(none, "test"))


def test_reliability_is_what_the_calibration_error_is_made_of():
    random = np.random.default_rng(3)
    positive = random.uniform(size=500)
    probabilities, labels = np.stack([1 - positive, positive], 1), random.integers(0, 2, 500)
    bins = metrics.reliability(probabilities, labels)
    assert sum(one["n"] for one in bins) == 500
    error = sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / 500
    assert error == pytest.approx(metrics.expected_calibration_error(probabilities, labels))


def test_accuracy_by_length_by_hand():
    texts = ["", "가" * 5, "가" * 6, "가" * 10, "가" * 200]
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]])
    found = metrics.by_length(texts, probabilities, np.array([0, 1, 1, 1, 0]))
    assert [(one["from"], one["n"], one["accuracy"]) for one in found] == [(1, 2, 0.5), (6, 2, 1.0), (121, 1, 0.0)]
    assert found[1]["interval95"] == metrics.wilson(2, 2)
    apart = [unicodedata.normalize("NFD", text) for text in texts]
    assert metrics.by_length(apart, probabilities, np.array([0, 1, 1, 1, 0])) == found


P3 = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.1, 0.5, 0.4]])
Y3 = np.array([0, 1, 2, 1, 0, 0])  # said 0 1 2 2 0 1
THREE, STARS = Classes(("neg", "neu", "pos")), ratings([1, 2, 4])


def test_three_classes_by_hand():
    figures = metrics.report(P3, Y3, classes=THREE)
    assert figures["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert figures["accuracy"] == pytest.approx(4 / 6)
    assert figures["precision"] == pytest.approx({"neg": 1.0, "neu": 1 / 2, "pos": 1 / 2})
    assert figures["recall"] == pytest.approx({"neg": 2 / 3, "neu": 1 / 2, "pos": 1.0})
    assert figures["f1"] == pytest.approx({"neg": 4 / 5, "neu": 1 / 2, "pos": 2 / 3})
    assert figures["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert figures["log_loss"] == pytest.approx(-np.log([0.7, 0.5, 0.6, 0.2, 0.6, 0.1]).mean())
    assert figures["ece"] == pytest.approx(metrics.expected_calibration_error(P3, Y3))
    assert metrics.score(figures) == figures["accuracy"] and metrics.headline(figures) == "accuracy 0.6667"
    assert metrics.lines(figures, "test")[2:-1] == [
        "  macro F1 65.56",
        "  label  precision  recall     F1  said  neg  neu  pos",
        "    neg     100.00   66.67  80.00          2    1    0",
        "    neu      50.00   50.00  50.00          0    1    1",
        "    pos      50.00  100.00  66.67          0    0    1",
    ]
    assert metrics.one_class(figures) == "" and not {"kappa", "mae"} & figures.keys()
    one = metrics.report(P3[:1], Y3[:1], classes=THREE)
    assert metrics.one_class(one) == ", of neg reviews alone: whoever always says so has 100"
    assert one["macro_f1"] == 1.0
    assert one["precision"] == one["recall"] == {"neg": 1.0, "neu": 0.0, "pos": 0.0}


def test_ratings_by_hand():
    figures = metrics.report(P3, Y3, classes=STARS)
    # said 1 2 4 4 1 2 stars of 1 2 4 2 1 1; expected 1.5 2.4 3.1 3.3 1.6 2.7
    assert figures["mae"] == pytest.approx((2 + 1) / 6)
    squares = 0.5**2 + 0.4**2 + 0.9**2 + 1.3**2 + 0.6**2 + 1.7**2
    assert figures["rmse_expected"] == pytest.approx((squares / 6) ** 0.5)
    assert figures["mae_median"] == figures["mae"]  # here the medians are what is said
    assert figures["within_one"] == 1.0
    # 2 disagreements of weight 1; by chance, margins 3 2 1 and 2 2 2 of 6, (6 + 4 * 6 + 4 + 4 + 4 * 2 + 2) / 6
    assert figures["kappa"] == pytest.approx(1 - 2 / (48 / 6))
    assert metrics.score(figures) == -figures["rmse_expected"]
    assert metrics.headline(figures) == "root mean squared error of the expected rating 1.0132"
    assert metrics.lines(figures, "test")[2] == (
        "  within one 100.00 %, quadratic weighted kappa 0.750, mean absolute error 0.500, of the median 0.500, root "
        "mean squared error of the expected rating 1.013"
    )
    # said 1 and 4; medians 2 and, of what adds up to a bit less than 1, 4
    split = metrics.report(np.array([[0.4, 0.3, 0.3], [0.2, 0.2999, 0.5]]), np.array([1, 2]), classes=STARS)
    assert (split["mae"], split["mae_median"]) == (0.5, 0.0)
    # half of what is said lies up to the first
    assert metrics.report(np.array([[0.5, 0.1, 0.4]]), np.array([0]), classes=STARS)["mae_median"] == 0.0
    none = metrics.report(np.zeros((0, 3)), np.zeros(0, int), classes=STARS)
    assert [none[name] for name in ("kappa", "within_one", "mae", "mae_median", "rmse_expected")] == [0] * 5


def test_kappa_against_scikit_learn():
    """sklearn.metrics.cohen_kappa_score(labels, said, weights="quadratic") of scikit-learn 1.9.1."""
    labels = [0, 0, 1, 2, 3, 4, 4, 2, 1, 0, 3, 3, 2, 4]
    said = [2, 1, 1, 2, 2, 4, 3, 0, 1, 0, 4, 3, 2, 1]
    assert metrics.weighted_kappa(labels, said, 5) == pytest.approx(0.5905292479108635, abs=1e-12)
    assert metrics.weighted_kappa(said, labels, 5) == pytest.approx(0.5905292479108635, abs=1e-12)


def test_kappa_at_its_ends():
    assert metrics.weighted_kappa([0, 1, 2], [0, 1, 2], 3) == 1.0
    assert metrics.weighted_kappa([0, 2], [2, 0], 3) == -1.0
    assert metrics.weighted_kappa([0], [2], 3) == 0.0
    assert metrics.weighted_kappa([0, 1, 2], [1, 1, 1], 3) == 0.0
    assert metrics.weighted_kappa([1, 1], [1, 1], 3) == 0.0  # one class: nothing to agree about
