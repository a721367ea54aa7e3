"""nsmc_bert.learning.cross_validation: each review is answered by its own fold's model, once, and an interrupted run
goes on; figures are calibrated by the other folds.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from nsmc_bert.base.classes import Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.learning import cross_validation
from nsmc_bert.model import calibration, metrics

FOLD = np.array([2, 0, 1, 1, 0, 2, 0])
LABELS = np.array([0, 1, 0, 1, 1, 0, 0])


def answer_of(asked, stop=None):
    """Says of each review of a fold the fold's number, and leaves a state; fold `stop` is interrupted."""

    def answer(number, folder):
        asked.append(number)
        folder.mkdir(exist_ok=True)
        (folder / "checkpoint.safetensors").write_text("state")
        if number == stop:
            raise KeyboardInterrupt
        positive = np.float32(0.25 + 0.25 * number)
        return np.tile(np.float32([1 - positive, positive]), (np.sum(number == FOLD), 1))

    return answer


def test_each_review_is_answered_by_its_folds_model_and_that_is_kept(tmp_path):
    asked, lines = [], []
    with pytest.raises(KeyboardInterrupt):
        cross_validation.predict(answer_of(asked, stop=2), FOLD, LABELS, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold-1.npy", "fold-2.npy", "fold-3"]
    said = cross_validation.predict(answer_of(asked), FOLD, LABELS, tmp_path, log=lines.append)
    assert asked == [0, 1, 2, 2]
    np.testing.assert_array_equal(said[:, 1], 0.25 + 0.25 * FOLD)
    assert said.dtype == np.float32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold-1.npy", "fold-2.npy", "fold-3.npy"]
    # fold 1 has the labels 1, 1, 0 and is said negative; fold 2 is at one half, which is negative; fold 3 positive
    assert lines == [
        "fold 1 of 3: accuracy 0.3333 of 3 reviews",
        "fold 2 of 3: accuracy 0.5000 of 2 reviews",
        "going on with fold 3 of 3",
        "fold 3 of 3: accuracy 0.0000 of 2 reviews",
    ]


@pytest.mark.parametrize("stop, at, told", [(None, 1, "2 more and the"), (0, 3, "1 more and the"), (1, 4, "the")])
def test_how_long_all_folds_take_is_told_by_the_first_whole_one(tmp_path, monkeypatch, stop, at, told):
    """A fold that an earlier process has begun says nothing of it; the last model has half as many reviews again."""
    now, lines = [0.0], []
    monkeypatch.setattr(cross_validation, "time", SimpleNamespace(monotonic=lambda: now[0]))
    if stop is not None:
        with pytest.raises(KeyboardInterrupt):
            cross_validation.predict(answer_of([], stop=stop), FOLD, LABELS, tmp_path)

    def answer(number, folder):
        now[0] += 44.0
        return answer_of([])(number, folder)

    cross_validation.predict(answer, FOLD, LABELS, tmp_path, log=lines.append)
    seconds = {"2 more and the": "2:34", "1 more and the": "1:50", "the": "1:06"}[told]
    assert [line for line in lines if "took" in line] == [lines[at]]
    assert lines[at] == f"a fold took 0:44: about {seconds} for {told} model that is kept"


def test_little_that_is_left_is_not_told():
    assert cross_validation._left(9.0, 4, 5) == "" and cross_validation._left(12.0, 4, 5)


def test_what_another_run_has_kept_is_refused(tmp_path):
    cross_validation.predict(answer_of([]), FOLD, LABELS, tmp_path)
    other = np.r_[FOLD, 0]
    with pytest.raises(UserError, match=r"fold-1.npy: found an array of shape \(3, 2\), expected \(4, 2\); delete it"):
        cross_validation.predict(answer_of([]), other, np.r_[LABELS, 1], tmp_path)
    (tmp_path / "fold-2.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(UserError, match="fold-2.npy: found no whole array"):
        cross_validation.predict(answer_of([]), FOLD, LABELS, tmp_path)


def test_a_fold_is_measured_as_what_it_is_of(tmp_path):
    """Expected ratings of 2.5 and 3, of reviews of 4 and 1, 4 and 4."""
    lines = []

    def answer(number, folder):
        return np.float32([[0.5, 0.0, 0.5], [0.25, 0.25, 0.5]])[[number, number]]

    stars, fold = ratings([1, 2, 4]), np.array([0, 0, 1, 1])
    cross_validation.predict(answer, fold, np.array([2, 0, 2, 2]), tmp_path, classes=stars, log=lines.append)
    assert lines == [
        "fold 1 of 2: root mean squared error of the expected rating 1.5000 of 2 reviews",
        "fold 2 of 2: root mean squared error of the expected rating 1.2500 of 2 reviews",
    ]


@pytest.mark.parametrize(
    "classes", [Classes(), Classes(("불만", "문의", "칭찬")), ratings([1, 3, 5])], ids=["two", "three", "ratings"]
)
def test_a_fold_is_calibrated_by_the_others(classes):
    random, count = np.random.default_rng(0), 3000
    labels, fold = random.integers(0, len(classes), count), np.arange(count) % 5
    logits = np.eye(len(classes))[labels] * 2 + random.normal(size=(count, len(classes)))
    sure = np.exp(3 * logits) / np.exp(3 * logits).sum(1, keepdims=True)  # three times too sure
    figures = metrics.report(cross_validation.calibrated(sure, labels, fold, classes), labels, classes=classes)
    losses = []
    for number in range(5):
        fitted = calibration.fit(sure[fold != number], labels[fold != number], ordered=classes.is_ordered)
        assert fitted.temperature > 1.2
        said = calibration.apply(sure[fold == number], fitted)
        losses += (-np.log(said[np.arange(len(said)), labels[fold == number]])).tolist()
    assert figures["log_loss"] == pytest.approx(np.mean(losses))
    before = metrics.report(sure, labels, classes=classes)
    assert (figures["n"], figures["accuracy"]) == (count, pytest.approx(before["accuracy"], abs=0.01))
    assert figures["log_loss"] < before["log_loss"] - 0.005 and figures["ece"] < before["ece"]
