"""nsmc_bert.base.classes: what classes may be called, what labels lack, and whose classes are the same."""

import json

import numpy as np
import pytest

from nsmc_bert.base.classes import SENTIMENT, Classes, of_record, ratings
from nsmc_bert.base.errors import UserError

THREE = Classes(("neg", "neu", "pos"))
STARS = ratings(range(1, 6))


def test_two_classes_are_negative_and_positive():
    assert (SENTIMENT.names, len(SENTIMENT), SENTIMENT.is_ordered) == (("negative", "positive"), 2, False)
    assert (STARS.names, STARS.values) == (("1", "2", "3", "4", "5"), (1.0, 2.0, 3.0, 4.0, 5.0))
    assert [str(each) for each in (SENTIMENT, THREE, STARS)] == [
        "negative and positive",
        "3 classes, neg, neu, pos",
        "ratings from 1 to 5",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("a",),), "expected two or more different names"),
        ((("a", "b", "a"),), "expected two or more different names"),
        ((("a", "", "b"),), "expected two or more different names"),
        ((("a", "b", "c\ud800"),), r"found 'c\\ud800', which has half of a surrogate pair, expected text"),
        ((("ham", "spam"),), "found 'ham,spam', expected two to be called negative and positive"),
        ((("positive", "negative"),), "expected two to be called negative and positive"),
        ((("1", "2", "3"), (1.0, 2.0)), "of 3 classes, expected one of each, ascending"),
        ((("1", "2", "3"), (1.0, 3.0, 2.0)), "expected one of each, ascending"),
        ((("1", "2", "3"), (1.0, 2.0, 2.0)), "expected one of each, ascending"),
    ],
)
def test_what_is_no_classes(arguments, message):
    with pytest.raises(UserError, match=message):
        Classes(*arguments)


@pytest.mark.parametrize(
    ("classes", "labels", "lacking"),
    [
        (SENTIMENT, [1, 1], "all labelled 1"),
        (SENTIMENT, [1, 0], ""),
        (THREE, [2, 2], "all labelled pos"),
        (THREE, [2, 0, 2], "none labelled neu"),
        (THREE, [0, 1, 2], ""),
        (STARS, [3, 3], "all labelled 4"),
        (STARS, [3, 0], ""),  # that nobody gave two stars is no slip
    ],
)
def test_what_labels_lack(classes, labels, lacking):
    assert classes.lacking(labels) == lacking


def test_the_same_classes_may_have_other_words_but_no_other_order():
    THREE.check_same(Classes(("bad", "so so", "good")), "a.csv")
    STARS.check_same(Classes(STARS.names), "a.csv")
    Classes(("good", "like", "bad")).check_same(Classes(("Good", "추천", "부정")), "a.csv")
    with pytest.raises(UserError, match="a.csv: found labels of 3 classes, like, good, bad"):
        Classes(("good", "like", "bad")).check_same(Classes(("like", "good", "bad")), "a.csv")
    turned = [Classes(names) for names in (("pos", "neu", "neg"), ("Pos", "Neu", "Neg"), ("긍정", "중립", "부정"))]
    for other in (SENTIMENT, *turned, Classes(("a", "b", "neu"))):
        with pytest.raises(UserError, match="a.csv: found labels of .*, expected those of the model, 3 classes, neg"):
            THREE.check_same(other, "a.csv")
    with pytest.raises(UserError, match="ratings from 6 to 10, expected those of the model, ratings from 1 to 5"):
        STARS.check_same(ratings(range(6, 11)), "a.csv")
    with pytest.raises(UserError, match="ratings from 0 to 4, expected those of the model, ratings from 1 to 5"):
        STARS.check_same(ratings(range(5)), "a.csv")


def test_the_expected_rating_by_hand():
    expected = ratings([0, 0.5, 2]).expected([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.25, 0.25, 0.5]])
    np.testing.assert_allclose(expected, [0.25, 2.0, 1.125])


def test_a_record_tells_of_all_but_negative_and_positive():
    assert SENTIMENT.recorded == {} and of_record({"seed": 1}) == SENTIMENT
    for classes in (THREE, STARS):
        assert of_record(json.loads(json.dumps(classes.recorded))) == classes
