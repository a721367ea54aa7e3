"""Explanations: what words add is the difference of the logits, and what finite differences along the line say."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import explanation, forward
from tests.conftest import logit

TEXTS = ["이 영화 엄청 재미있네요", "노잼 ! 다시는 안 본다", "정말 최고", "최악", "모르는말 봤다  이"]


@pytest.fixture(scope="module")
def model(make_bert, tiny_tokenizer):
    from nsmc_bert import SentimentClassifier

    return SentimentClassifier(make_bert(3, initializer_range=0.5), tiny_tokenizer, max_length=16)


@pytest.mark.parametrize("text", TEXTS)
def test_the_words_add_up_to_the_difference_of_the_logits(model, text):
    found = model.explain(text)
    assert (found.label, [word.text for word in found.words]) == ("positive", text.split())
    assert all(text[word.start : word.end] == word.text for word in found.words)
    probabilities = model.predict(text)
    np.testing.assert_allclose(found.probabilities, probabilities[0], atol=1e-6)
    assert found.logit == pytest.approx(logit(probabilities)[0], abs=1e-5)
    # the text of as many hidden pieces, as the model says it itself
    pieces = len(model.tokenizer.locate(text)[0])
    hidden = model.predict(" ".join(["[MASK]"] * pieces))
    assert found.baseline == pytest.approx(logit(hidden)[0], abs=1e-5)
    difference = found.logit - found.baseline
    assert abs(found.gap) <= max(0.01 * abs(difference), 0.001)
    assert sum(word.added for word in found.words) + found.rest == pytest.approx(difference - found.gap)
    assert found.rest == 0


def test_what_a_position_adds_is_what_finite_differences_say(model):
    """The definition itself: the derivative along the line, from two outputs on each side, at 100 midpoints."""
    text, steps, width = "정말 최고 !", 100, 1e-2
    ids, _ = model.tokenizer.locate(text)
    rows = tf.constant([[2, *ids, 3], [2, *[4] * len(ids), 3]])
    end, begin = forward.embed(model.bert, rows).numpy()

    def output(words):
        mask = tf.ones(words.shape[:2], tf.int32)
        hidden = forward.encode(model.bert, mask, mask, words=tf.constant(words, tf.float32))
        logits = model.classifier(forward.pool(model.bert, hidden)).numpy()
        return logits[:, 1] - logits[:, 0]

    points = (np.arange(steps) + 0.5) / steps
    line = begin + points[:, None, None] * (end - begin)
    expected = []
    for position in range(len(end)):
        along = np.zeros_like(end)
        along[position] = end[position] - begin[position]
        expected.append(np.mean((output(line + width * along) - output(line - width * along)) / (2 * width)))
    found = model.explain(text)
    np.testing.assert_allclose([word.added for word in found.words], expected[1:-1], atol=2e-3)
    assert expected[0] == expected[-1] == 0


def test_gap_and_record_by_hand():
    words = explanation.Word("좋다", 0, 2, 1.00004), explanation.Word("…", 3, 4, None)
    found = explanation.Explanation("positive", (0.2, 0.8), 1.38629, -0.5, words, 0.75)
    assert found.gap == pytest.approx(1.38629 + 0.5 - 0.75 - 1.00004)
    assert found.record() == {
        "label": "positive",
        "logit": 1.3863,
        "baseline": -0.5,
        "words": [
            {"text": "좋다", "start": 0, "end": 2, "added": 1.0},
            {"text": "…", "start": 3, "end": 4, "added": None},
        ],
        "rest": 0.75,
    }


def test_of_several_labels_it_is_the_most_likely_against_all_others():
    logits = tf.constant([[1.0, 3.0, 0.5], [0.0, 0.0, 0.0]])
    found = explanation._margin(logits, 1).numpy()
    p = np.exp(3.0) / np.exp([1.0, 3.0, 0.5]).sum()
    np.testing.assert_allclose(found, [np.log(p / (1 - p)), np.log(0.5)], rtol=1e-5)


def test_points_and_weights_are_a_rule_of_integration():
    points, weights = explanation.rule(16)
    assert (np.diff(points) > 0).all() and 0 < points[0] < 0.02 and (weights > 0).all()
    np.testing.assert_allclose(points + points[::-1], 1)
    assert np.diff(points)[7] < 0.5 * np.diff(np.polynomial.legendre.leggauss(16)[0] / 2)[7]  # dense in the middle
    # the integral of a power, and of what a logit does: it changes within a tenth of the line
    for power in range(8):
        assert weights @ points**power == pytest.approx(1 / (power + 1), rel=2e-4)
    step = lambda x: np.tanh((x - 0.45) / 0.05)
    slope = (1 - step(points) ** 2) / 0.05
    assert weights @ slope == pytest.approx(step(1) - step(0), rel=0.01)


def test_points_are_added_until_the_sum_is_near(model, monkeypatch):
    asked, integral = [], explanation._integral
    monkeypatch.setattr(explanation, "_integral", lambda *given: (asked.append(given[-1]), integral(*given))[1])
    monkeypatch.setattr(explanation, "COUNTS", (1, 2, 4, 8, 16, 32, 64))
    found = model.explain("노잼 ! 다시는 안 본다")
    assert asked == list(explanation.COUNTS[: len(asked)]) and 1 < len(asked) < 7
    assert abs(found.gap) <= max(0.01 * abs(found.logit - found.baseline), 0.001)


def test_many_points_are_computed_in_parts(model, monkeypatch):
    whole = model.explain(TEXTS[0])
    monkeypatch.setattr(explanation, "BUDGET", 40)  # of 8 positions
    parts = model.explain(TEXTS[0])
    np.testing.assert_allclose([word.added for word in parts.words], [word.added for word in whole.words], atol=1e-5)


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_has_nothing_to_explain(model, text):
    found = model.explain(text)
    assert (found.words, found.rest, found.gap, found.logit) == ((), 0.0, 0.0, found.baseline)


def test_words_beyond_what_is_read_add_nothing(model):
    found = model.explain("이 " * 20 + "최고")
    assert [word.added is None for word in found.words] == [False] * 14 + [True] * 7
    assert abs(found.gap) <= max(0.01 * abs(found.logit - found.baseline), 0.001)


def test_what_is_no_text_is_refused(model):
    with pytest.raises(UserError, match="^text: found 7, expected a string$"):
        model.explain(7)


def test_pieces_belong_to_the_words_that_they_share_most_with():
    spans = [(0, 2), (3, 5), (8, 9)]
    # a lone space before a word, one character of a word, one across two, and spaces at the end
    places = [(0, 2), (2, 3), (3, 4), (4, 5), (1, 5), (5, 9), (9, 10)]
    assert list(explanation._words_of(places, spans)) == [0, 1, 1, 1, 1, 2, None]


@pytest.fixture(scope="module")
def bundled():
    from nsmc_bert.model import tokenizers

    return tokenizers.bundled()


@settings(deadline=None)
@given(text=st.text(st.characters() | st.sampled_from("가각힣ㅋㅠ 　\u200b\u1100\u1161"), max_size=30))
def test_hangul_and_all_else_come_back_whole(bundled, text):
    ids, places = bundled.locate(text)
    np.testing.assert_array_equal(ids, bundled.encode([text], 512).ids[1:-1])
    words, rest = explanation._by_word(text, places, np.ones(len(places)))
    assert [word.text for word in words] == [text[word.start : word.end] for word in words]
    assert "".join(word.text for word in words) == "".join(c for c in text if not c.isspace())
    assert sum(word.added or 0 for word in words) + rest == len(places)
