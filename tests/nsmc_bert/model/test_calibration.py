"""Temperature and bias: the best of a grid, undone where they were put in, skipped where they would be guesses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.model import calibration

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0.3, 2.5, 50_000)
LABELS = (RANDOM.uniform(size=len(LOGITS)) < 1 / (1 + np.exp(-LOGITS))).astype(
    int
)  # honest: a label is drawn by its logit


def said(logits):
    """The probabilities of a model with these logits."""
    positive = 1 / (1 + np.exp(-np.asarray(logits)))
    return np.stack([1 - positive, positive], 1)


@pytest.mark.parametrize(("temperature", "bias"), [(0.5, 0.4), (1.4, -0.25), (3.0, 1.0)])
def test_it_undoes_what_was_done(temperature, bias):
    found = calibration.fit(said((LOGITS - bias) * temperature), LABELS)
    assert found.temperature == pytest.approx(temperature, rel=0.03)
    assert found.bias == pytest.approx(bias, abs=0.03)
    assert found.log_loss_calibrated < found.log_loss
    assert (found.reviews, found.skipped) == (50_000, "")


def test_it_is_the_best_of_a_grid():
    logits, labels = LOGITS[:400] * 2 + 1, LABELS[:400]

    def loss(temperature, bias):
        shifted = logits / temperature + bias
        return np.mean(np.log1p(np.exp(np.where(labels == 1, -shifted, shifted))))

    found = calibration.fit(said(logits), labels)
    assert found.log_loss == pytest.approx(loss(1, 0))
    assert found.log_loss_calibrated == pytest.approx(loss(found.temperature, found.bias))
    grid = [loss(t, b) for t in np.linspace(0.2, 6, 200) for b in np.linspace(-2, 2, 200)]
    assert found.log_loss_calibrated <= min(grid) + 1e-9
    assert found.log_loss_calibrated == pytest.approx(min(grid), abs=1e-3)


def test_an_honest_model_is_left_alone():
    found = calibration.fit(said(LOGITS[:5000]), LABELS[:5000])
    assert (found.temperature, found.bias) == (1.0, 0.0)
    assert found.log_loss_calibrated == found.log_loss
    assert str(found) == "not calibrated: nothing that could be fitted lowers the log loss beyond chance"


@pytest.mark.parametrize("count", [0, 1, calibration.FEWER - 1])
def test_on_few_reviews_nothing_is_fitted(count):
    found = calibration.fit(said(LOGITS[:count] * 5), LABELS[:count])
    assert (found.temperature, found.bias) == (1.0, 0.0)
    assert str(found) == f"not calibrated: {count} reviews are held out, and 2 classes need 30 (15 each)"


@pytest.mark.parametrize("count", [calibration.FEWER, calibration.FEWEST - 1])
def test_on_not_many_reviews_it_only_gets_less_sure(count):
    logits, labels = LOGITS[:count], LABELS[:count]

    def loss(temperature):
        return np.mean(np.log1p(np.exp(np.where(labels == 1, -1, 1) * logits * 2.5 / temperature)))

    found = calibration.fit(said(logits * 2.5), labels)
    assert (found.bias, found.skipped) == (0.0, "")
    assert found.log_loss_calibrated == pytest.approx(min(loss(t) for t in np.linspace(1, 10, 2000)), abs=1e-4)
    assert loss(found.temperature) == pytest.approx(found.log_loss_calibrated)
    unsure = calibration.fit(said(logits / 5), labels)  # a temperature of 0.2 would help
    assert (unsure.temperature, unsure.bias) == (1.0, 0.0)
    assert unsure.skipped
    everything = calibration.fit(said(LOGITS[: calibration.FEWEST] * 5 + 3), LABELS[: calibration.FEWEST])
    assert everything.bias < -0.3


@pytest.mark.parametrize("count", [calibration.FEWER, 1000])
def test_on_one_kind_of_reviews_nothing_is_fitted(count):
    found = calibration.fit(said(LOGITS[:count]), np.ones(count, int))
    assert found.skipped == f"all {count} reviews that are held out are of one class"


def test_both_have_bounds():
    labels = np.tile([0, 1], 500)
    sure = np.where(labels == 1, 3.0, -3.0)
    hardly = np.r_[-sure[: calibration.SURER], sure[calibration.SURER :]] / 100  # and nearly always right
    assert calibration.fit(said(hardly), labels).temperature == pytest.approx(0.1)
    wrong = calibration.fit(said(-sure), labels)
    assert wrong.temperature == pytest.approx(10)  # all wrong: it is not turned round
    assert wrong.bias == pytest.approx(0.0, abs=1e-6)
    assert calibration.fit(said(-sure[:100]), labels[:100]).temperature == pytest.approx(10)
    nearly_all_positive = np.r_[0, np.ones(99_999, int)]
    assert calibration.fit(said(np.full(100_000, -20.0)), nearly_all_positive).bias <= calibration.FARTHEST


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.05, 20),
    st.floats(-4, 4),
    st.integers(calibration.FEWEST, 1000),
    st.sampled_from([0, 0.1, 0.5, 1]),
)
def test_it_never_makes_the_log_loss_worse(seed, sharpness, shift, count, noise):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, count)
    labels = np.where(random.uniform(size=count) < noise, random.integers(0, 2, count), (logits > 0).astype(int))
    found = calibration.fit(said(logits * sharpness + shift), labels)
    assert found.log_loss_calibrated <= found.log_loss
    assert 0.1 - 1e-9 <= found.temperature <= 10 + 1e-9
    assert abs(found.bias) <= calibration.FARTHEST


def test_what_is_nearly_always_right_is_made_no_surer():
    """Where hardly an answer is wrong, any confidence fits the sample: of honest models of 97 to 99.9 %, one draw of
    ten went to a temperature of 0.1, and to twenty times the log loss on other reviews.
    """
    labels = np.tile([0, 1], 500)
    right = np.where(labels == 1, 3.0, -3.0)
    almost = np.r_[-right[: calibration.SURER - 1], right[calibration.SURER - 1 :]] / 10
    for logits in (right, almost):
        assert calibration.fit(said(logits), labels).temperature == 1.0
    random, losses = np.random.default_rng(0), []
    logits = random.normal(5, 1, 20_000) * random.choice([-1, 1], 20_000)
    drawn = (random.uniform(size=20_000) < 1 / (1 + np.exp(-logits))).astype(int)
    for _ in range(50):
        rows = random.integers(0, 20_000, 300)
        found = calibration.fit(said(logits[rows]), drawn[rows])
        losses.append(np.logaddexp(0, np.where(drawn == 1, -1, 1) * (logits / found.temperature + found.bias)).mean())
    assert max(losses) < np.logaddexp(0, np.where(drawn == 1, -1, 1) * logits).mean() + 0.015
    three = np.tile([0, 1, 2], 400)
    for ordered in (False, True):
        assert calibration.fit(softmax(np.eye(3)[three] * 2), three, ordered=ordered).temperature == 1.0


def test_a_rare_class_takes_no_bias_of_two_either():
    labels = np.r_[np.ones(calibration.EACH_SOFTER, int), np.zeros(600, int)]
    logits = np.where(np.arange(len(labels)) % 7 == 0, -1.0, 1.0) * np.where(labels == 1, 1.0, -1.0) * 4 + 3
    assert calibration.fit(said(logits), labels).bias < -0.5
    rare = calibration.fit(said(logits[1:]), labels[1:])
    assert (rare.bias, rare.skipped) == (0.0, "") and rare.temperature > 1


def test_it_goes_into_the_head():
    kernel, bias = RANDOM.normal(size=(8, 2)).astype(np.float32), np.float32([0.1, -0.3])
    states = RANDOM.normal(size=(5, 8)).astype(np.float32)
    before = states @ kernel + bias
    new_kernel, new_bias = calibration.fold(kernel, bias, calibration.Calibration(1.7, -0.4, 1000, 0.5, 0.4))
    after = states @ new_kernel + new_bias
    np.testing.assert_allclose(after[:, 1] - after[:, 0], (before[:, 1] - before[:, 0]) / 1.7 - 0.4, atol=1e-5)
    assert (new_kernel.dtype, new_bias.dtype) == (np.float32, np.float32)
    applied = calibration.apply(softmax(before), calibration.Calibration(1.7, -0.4, 1000, 0.5, 0.4))
    np.testing.assert_allclose(applied, softmax(after), atol=1e-6)


def test_what_is_certain_stays_finite():
    certain, labels = np.float32(np.eye(2)[np.tile([0, 1], 500)]), np.r_[0, np.ones(499, int), np.tile([0, 1], 250)]
    found = calibration.fit(certain, labels)
    assert np.isfinite([found.log_loss, found.log_loss_calibrated, found.temperature, found.bias]).all()
    assert np.isfinite(calibration.apply(certain, found)).all()


def of_classes(count, classes, seed=0):
    """Logits float [count, classes] that add up to 0, and labels that are drawn by them."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    logits -= logits.mean(1, keepdims=True)
    honest = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (random.uniform(size=(count, 1)) < honest.cumsum(1)).argmax(1)
    return logits, labels


def softmax(logits):
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def test_of_more_classes_it_undoes_what_was_done_too():
    logits, labels = of_classes(30_000, 4)
    bias = np.array([0.5, -0.4, 0.1, -0.2])
    found = calibration.fit(softmax((logits - bias) * 1.6), labels)
    assert found.temperature == pytest.approx(1.6, rel=0.03)
    np.testing.assert_allclose(found.bias, bias, atol=0.05)
    assert sum(found.bias) == pytest.approx(0, abs=1e-9)
    assert found.log_loss_calibrated < found.log_loss
    honest = calibration.fit(softmax(logits[:3000]), labels[:3000])
    assert (honest.temperature, honest.bias) == (1.0, (0.0,) * 4) and honest.skipped


def test_two_classes_by_their_one_logit():
    """What is fitted by the logits of two classes is the logistic regression on their log odds (Platt 1999)."""
    logits, labels = LOGITS[:400] * 2 + 0.8, LABELS[:400]
    columns, (slope, bias) = np.stack([logits, np.ones(400)], 1), (0.0, 0.0)
    for _ in range(30):  # Newton's method
        predicted = 1 / (1 + np.exp(-(slope * logits + bias)))
        curvature = (columns * (predicted * (1 - predicted))[:, None]).T @ columns
        slope, bias = (slope, bias) - np.linalg.solve(curvature, columns.T @ (predicted - labels))
    found = calibration.fit(said(logits), labels)
    assert found.temperature == pytest.approx(1 / slope, rel=1e-5)
    assert found.bias == pytest.approx(bias, abs=1e-5)


def test_more_classes_take_more_reviews():
    logits, labels = of_classes(2000, 3)
    few = calibration.fit(softmax(logits[:44] * 3), labels[:44])
    assert few.skipped == "44 reviews are held out, and 3 classes need 45 (15 each)"
    softer = calibration.fit(softmax(logits[:449] * 3 + [1, 0, 0]), labels[:449])
    assert softer.temperature > 1.5 and softer.bias == (0.0,) * 3
    assert calibration.fit(softmax(logits[:449] / 3), labels[:449]).skipped  # never surer
    every = calibration.fit(softmax(logits[:450] * 3 + [3, 0, 0]), labels[:450])
    assert every.bias[0] < min(every.bias[1:]) - 0.5
    rare = np.where((labels == 2) & (np.cumsum(labels == 2) > 14), 0, labels)  # 14 of the last class
    assert calibration.fit(softmax(logits * 3), rare).bias == (0.0,) * 3
    assert str(every).startswith(f"calibrated on 450 reviews: temperature {every.temperature:.3f}, bias -0.")


def test_ratings_are_softened_no_farther_than_brings_them_nearer():
    """A model that has learned ten ratings by heart: near when it is wrong, and certain."""
    random, places = np.random.default_rng(4), np.arange(10)
    labels = random.choice(10, 600, p=[0.1, 0.02, 0.02, 0.02, 0.05, 0.08, 0.1, 0.13, 0.08, 0.4])
    said = np.clip(labels + np.rint(random.normal(0, 1.5, 600)), 0, 9)
    sure = softmax(-4 * np.abs(said[:, None] - places) + random.normal(size=(600, 10)))
    found, by_log_loss = calibration.fit(sure, labels, ordered=True), calibration.fit(sure[:300], labels[:300])
    assert found.bias == (0.0,) * 10 and 1 < found.temperature < by_log_loss.temperature
    scores = {}
    for temperature in (1.0, found.temperature / 1.1, found.temperature, found.temperature * 1.1):
        scores[temperature] = calibration.ranked_probability_score(softmax(np.log(sure) / temperature), labels)
    assert min(scores, key=lambda temperature: scores[temperature]) == found.temperature
    assert found.log_loss_calibrated < found.log_loss
    # what is not sure enough is made surer by enough reviews alone
    unsure = softmax(np.log(sure) / 8)
    assert calibration.fit(unsure, labels, ordered=True).temperature == 1.0
    assert calibration.fit(np.tile(unsure, (3, 1)), np.tile(labels, 3), ordered=True).temperature < 0.8
    certain = np.eye(4)[[0, 1, 3, 3]]
    assert calibration.ranked_probability_score(certain, np.array([0, 3, 1, 1])) == pytest.approx((0 + 2 + 2 + 2) / 4)


def test_of_more_classes_it_goes_into_the_head():
    kernel, bias = RANDOM.normal(size=(8, 3)).astype(np.float32), np.float32([0.1, -0.3, 0.2])
    states = RANDOM.normal(size=(5, 8)).astype(np.float32)
    fitted = calibration.Calibration(1.7, (-0.4, 0.3, 0.1), 1000, 0.5, 0.4)
    new_kernel, new_bias = calibration.fold(kernel, bias, fitted)
    expected = (states @ kernel + bias) / 1.7 + [-0.4, 0.3, 0.1]
    np.testing.assert_allclose(states @ new_kernel + new_bias, expected, atol=1e-5)
    assert (new_kernel.dtype, new_bias.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(calibration.apply(softmax(states @ kernel + bias), fitted), softmax(expected), atol=1e-6)


def test_of_more_classes_all_numbers_have_bounds():
    labels = np.tile([0, 1, 2], 400)
    sure = np.eye(3)[labels] * 2
    hardly = np.r_[-sure[: calibration.SURER], sure[calibration.SURER :]] / 100
    assert calibration.fit(softmax(hardly), labels).temperature == pytest.approx(0.1)
    assert calibration.fit(softmax(-sure), labels).temperature == pytest.approx(10)
    # of 99,970 reviews to 15 and 15 the first bias would be two thirds of log(99,970 / 15), 5.87, and the others -2.935
    lopsided = calibration.fit(np.full((100_000, 3), 1 / 3), np.repeat([0, 1, 2], [99_970, 15, 15]))
    bounded = np.array([calibration.FARTHEST, -2.935, -2.935])
    np.testing.assert_allclose(lopsided.bias, bounded - bounded.mean(), atol=0.02)
