"""nsmc_bert.data.labels: what numbers and words mean, and what is proposed where they mean nothing."""

import pytest

from nsmc_bert.data.labels import LEFT_OUT, Labelling, number
from tests.nsmc_bert.data.test_reviews import error_of


@pytest.mark.parametrize(
    ("said", "label"),
    [
        *((said, 0) for said in ("0", "0.0", "0.", "negative", " Neg", "NEGATIVE ", "부정")),
        *((said, 1) for said in ("1", "1.00", "positive", "POS", "긍정 ")),
        *((said, None) for said in ("", " ", "2", " 1", "01", "1e0", "-0", "nan", "neutral", "true", "１")),
    ],
)
def test_labels_without_a_rule(said, label):
    assert Labelling().of(said) == label


def test_ones_own_labels():
    own = Labelling(("Bad", "Good"))
    assert [own.of(said) for said in ("bad ", "GOOD", "1", "negative", "")] == [0, 1, None, None, None]
    assert [Labelling(("1", "2")).of(said) for said in ("1", "2.0", "3")] == [0, 1, None]


def test_ratings():
    rule = Labelling(positive_from=4, negative_to=2.5)
    assert [rule.of(said) for said in ("4", "5.0", "2.5", " 1", "3", "", "four", "1e9")] == [
        *(1, 1, 0, 0, LEFT_OUT),
        *(None, None, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(labels=("a",)), "--labels=a: expected two different labels, negative first"),
        (dict(labels=("a", " A")), "--labels=a, A: expected two different labels"),
        (dict(labels=("a", "")), "expected two different labels"),
        (dict(labels=("a", "b", "c")), "expected two different labels"),
        (dict(positive_from=4), "--positive_from and --negative_to: found one of them, expected both"),
        (dict(negative_to=4), "found one of them, expected both"),
        (dict(positive_from=3, negative_to=3), "found --negative_to=3 and --positive_from=3, expected the first to be"),
        (dict(positive_from=4, negative_to=float("nan")), "expected the first to be less"),
        (dict(labels=("a", "b"), positive_from=4, negative_to=2), "found --labels=a,b beside --positive_from"),
    ],
)
def test_what_does_not_go_together(arguments, message):
    assert message in error_of(Labelling, **arguments)


def test_what_shows_that_a_column_holds_ratings():
    shown = [said for said in ("0", "1", "1.0", "2", "5", "4.5", "10", "-1", "11", "99", "x", "") if _rating(said)]
    assert shown == ["2", "5", "4.5", "10", "-1"]
    assert not Labelling(("1", "2")).is_rating("3")


def _rating(said):
    return Labelling().is_rating(said)


@pytest.mark.parametrize(
    ("others", "advice"),
    [
        ({"3", "5"}, "--labels=3,5 takes 3 as negative"),
        ({"1", "2", "5"}, "--positive_from=4 --negative_to=2"),
        ({"1", "7"}, "--positive_from=8 --negative_to=4"),
        ({"20", "95", "60"}, "--positive_from=80 --negative_to=40"),
        ({"1", "1000"}, "--positive_from=N --negative_to=M"),
        ({"-1", "0", "1"}, "--positive_from=1 --negative_to=-1"),
        ({"좋음", "나쁨"}, "--labels=나쁨,좋음 takes '나쁨' as negative"),
        ({"a", "b", "c"}, "--labels=NEGATIVE,POSITIVE names others"),
    ],
)
def test_what_is_proposed(others, advice):
    assert advice in Labelling().advice(others)
    assert Labelling(("a", "b")).advice(others) == ""


def test_numbers():
    assert [number(said) for said in ("3", "-1", "+2.50", "4.")] == [3, -1, 2.5, 4]
    assert not any(number(said) for said in ("", "x", "1,5", "1e5", "inf", "nan", "1_0", "９", "9" * 400))
