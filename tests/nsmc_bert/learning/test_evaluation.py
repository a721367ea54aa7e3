"""nsmc_bert.learning.evaluation: figures of a model whose answers are known, and the lines that say them."""

from pathlib import Path

import numpy as np
import pytest

from nsmc_bert.base import system
from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.data.find import Data, ReviewSources
from nsmc_bert.data.labels import ALL, Labelling
from nsmc_bert.data.reviews import Corpus, Reading
from nsmc_bert.learning import evaluation
from nsmc_bert.learning.evaluation import Evaluation
from nsmc_bert.model import metrics


class Reader:
    """A model that says positive of a text with a space in it, 0.9, and negative of any other, 0.8."""

    classes = SENTIMENT

    def encode(self, texts):
        return texts

    def predict_encoded(self, encoded, on_batch):
        on_batch(len(encoded))
        positive = np.array([0.9 if " " in text else 0.2 for text in encoded], np.float32)
        return np.stack([1 - positive, positive], 1)


def corpus(texts, labels, path="some.tsv"):
    return Corpus(list(texts), np.array(labels, np.int32), Path(path), "sha")


TEST = corpus(["정말 최고", "참 나쁘다", "별로", "재밌다"], [1, 0, 0, 1])


def test_figures_by_hand():
    data = Data("mine", "reviews", corpus(["정말 최고", "다른 글"], [1, 0]), TEST)
    figures = evaluation.evaluate(Reader(), data, errors=9, perturb=("spaces",))
    assert figures["test"]["confusion"] == [[1, 1], [1, 1]]
    assert figures["test_unseen"]["confusion"] == [[1, 1], [1, 0]]  # without the first, which is in train
    assert figures["test_spaces"]["confusion"] == [[2, 0], [2, 0]]  # without spaces all is negative
    assert [(e["text"], e["label"], e["said"]) for e in figures["errors"]] == [
        ("참 나쁘다", "negative", "positive"),
        ("재밌다", "positive", "negative"),
    ]
    np.testing.assert_allclose([error["confidence"] for error in figures["errors"]], [0.9, 0.8], rtol=1e-6)
    assert list(figures) == ["test", "test_unseen", "reliability", "by_length", "errors", "test_spaces"]


def test_an_error_is_one_line():
    figures = {"errors": [{"confidence": 0.9, "said": "positive", "label": "negative", "text": "두\n줄\t탭\ud800"}]}
    assert list(evaluation._lines(figures))[1:] == ["  0.900 positive, labelled negative: 두 줄 탭?"]


class Rater:
    """A model of ratings from 1 to 3 that knows two texts."""

    classes = ratings([1, 2, 3])

    def encode(self, texts):
        return texts

    def predict_encoded(self, encoded, on_batch):
        return np.array([{"좋다": [0.1, 0.2, 0.7], "싫다": [0.2, 0.5, 0.3]}[text] for text in encoded], np.float32)


def test_a_model_of_ratings_is_compared_by_their_distance_however_the_table_names_them():
    """Of "싫다", a 1, the other says 3 and is two off, this one says 2."""
    named = Classes(("하", "중", "상"))
    test = Corpus(["좋다", "싫다"], np.array([2, 0], np.int32), Path("some.tsv"), "sha", classes=named)
    mine = np.array([[0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])

    class Other(Rater):
        def predict_encoded(self, encoded, on_batch):
            return np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]], np.float32)

    made = evaluation._compared(evaluation.SHIPS, Other(), test, mine, {}, print)
    assert (made["accuracy"], made["both_right"], made["neither"], made["mae_difference"]) == (0.5, 1, 1, -0.5)


def test_figures_of_ratings_by_hand():
    test = Corpus(
        ["좋다", "싫다", "싫다"], np.array([2, 0, 1], np.int32), Path("some.tsv"), "sha", classes=Rater.classes
    )
    figures = evaluation.evaluate(Rater(), Data("mine", "reviews", None, test), errors=2)
    assert figures["test"]["confusion"] == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert figures["test"]["mae"] == pytest.approx(1 / 3)
    assert figures["test"]["rmse_expected"] == pytest.approx(((0.4**2 + 1.1**2 + 0.1**2) / 3) ** 0.5)
    assert [(e["text"], e["label"], e["said"]) for e in figures["errors"]] == [("싫다", "1", "2")]


@pytest.mark.parametrize("train", [None, TEST], ids=["no training reviews", "all of them seen"])
def test_nothing_unseen(train):
    assert evaluation.evaluate(Reader(), Data("mine", "reviews", train, TEST))["test_unseen"] is None


def test_without_test_reviews():
    with pytest.raises(UserError, match="found no test reviews beside some.tsv, expected --test_file=FILE"):
        evaluation.evaluate(Reader(), Data("mine", "reviews", TEST, None))


def report(accuracy):
    """Figures of 100 reviews."""
    right = round(100 * accuracy)
    probabilities = np.array([[0.9, 0.1]] * 100)
    return metrics.report(probabilities, np.array([0] * right + [1] * (100 - right)))


def test_a_summary_of_one_seed(monkeypatch):
    monkeypatch.setattr(system, "interpreter", lambda: "python")
    result = {"seed": 3, "validation": report(0.8), "test": None, "folder": "my runs/model"}
    lines = evaluation.summary([result])
    assert lines[: len(lines) - 2] == metrics.lines(result["validation"], "seed 3, validation")
    assert lines[-2:] == [
        "model: my runs/model",
        "next: python -m nsmc_bert.predict --model='my runs/model' --text \"이 영화 엄청 재미있네요\"",
    ]
    own = evaluation.summary([{**result, "data": {"name": "shop.csv"}}])
    assert own[-1] == "next: python -m nsmc_bert.predict --model='my runs/model' --text \"…\""


def test_a_summary_of_several_seeds():
    results = [
        {"seed": seed, "validation": report(validation), "test": report(test), "folder": f"seed-{seed}"}
        for seed, validation, test in ((1, 0.8, 0.7), (2, 0.9, 0.6))
    ]
    lines = evaluation.summary(results)
    assert "validation accuracy over 2 seeds: mean 85.00, standard deviation 7.07 (80.00, 90.00)" in lines
    assert "test accuracy over 2 seeds: mean 65.00, standard deviation 7.07 (70.00, 60.00)" in lines
    assert "model: seed-2" in lines  # the best on validation


def test_figures_of_unseen_reviews_are_said_where_they_are_others():
    seen, fewer = report(0.7), metrics.report(np.array([[0.9, 0.1]] * 99), np.array([0] * 99))
    once = {"validation": report(0.8), "test": seen, "test_unseen": seen, "errors": []}
    lines = list(evaluation._lines(once))
    assert "test: 100 reviews, none of them in training" in lines and "test that is unseen" not in "".join(lines)
    seeds = [{"seed": seed, "folder": "model", "warnings": ["of both"]} for seed in (1, 2)]
    lines = evaluation.summary([once | seed for seed in seeds])
    assert lines.count("seed 1, test: 100 reviews, none of them in training") == 1
    assert lines.count("of both") == 1 and not any("unseen" in line for line in lines)
    assert "test accuracy over 2 seeds: mean 70.00, standard deviation 0.00 (70.00, 70.00)" in lines
    lines = evaluation.summary([once | seed | {"test_unseen": fewer} for seed in seeds])
    assert "test_unseen accuracy over 2 seeds: mean 100.00, standard deviation 0.00 (100.00, 100.00)" in lines
    lines = list(evaluation._lines({**once, "test_unseen": fewer}))
    assert "test: 100 reviews" in lines and "test that is unseen: 99 reviews" in lines


def test_a_summary_of_ratings_goes_by_the_expected_rating():
    def result(seed, rows):
        figures = metrics.report(np.array(rows), np.array([0, 2]), classes=Rater.classes)
        return {"seed": seed, "validation": figures, "test": None, "folder": f"seed-{seed}"}

    # the first is right of one, the second of none, but its expected ratings are nearer
    results = [result(1, [[0.4, 0.3, 0.3], [0.9, 0.1, 0]]), result(2, [[0.4, 0.6, 0], [0, 0.6, 0.4]])]
    lines = evaluation.summary(results)
    assert "validation accuracy over 2 seeds: mean 25.00, standard deviation 35.36 (50.00, 0.00)" in lines
    assert "validation kappa over 2 seeds: mean 0.000, standard deviation 0.000 (0.000, 0.000)" in lines
    assert "validation mean absolute error over 2 seeds: mean 1.000, standard deviation 0.000 (1.000, 1.000)" in lines
    assert "model: seed-2" in lines


def test_labels_are_told_by_the_model_where_nothing_else_is_said(make_model, tmp_path):
    make_model(labels=("불만", "문의", "칭찬")).save(tmp_path / "three")
    three, two = str(tmp_path / "three"), ""

    def told(labelling, model):
        sources = ReviewSources(reading=Reading("리뷰", labelling=labelling, skip_empty=True))
        reading = evaluation.told_by_model(sources, model).reading
        assert (reading.text_column, reading.skip_empty) == ("리뷰", True)
        return reading.labelling

    for labelling in (Labelling(), Labelling((ALL,))):
        assert told(labelling, three) == Labelling(("불만", "문의", "칭찬"))
        assert told(labelling, two) == Labelling()
    for labelling in (Labelling(("a", "b", "c")), Labelling(ratings="1:3"), Labelling((), 4, 2)):
        assert told(labelling, three) == labelling


def test_no_worker_but_the_chief_has_a_summary():
    assert evaluation.summary([]) == []


@pytest.mark.parametrize("given", [{"calibrate_on": "a.tsv"}, {"calibrated": "new"}])
def test_what_goes_together(given):
    with pytest.raises(UserError, match="--calibrate_on and --calibrated: found one of them, expected both"):
        Evaluation(**given)


def test_a_calibrated_model_overwrites_nothing(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(UserError, match="expected a new folder"):
        Evaluation(calibrate_on="a.tsv", calibrated=str(tmp_path / "model"))
