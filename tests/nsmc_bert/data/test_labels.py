"""nsmc_bert.data.labels: what numbers and words mean, and what is proposed where they mean nothing."""

import unicodedata

import pytest

from nsmc_bert.base.classes import SENTIMENT
from nsmc_bert.data.labels import LEFT_OUT, Labelling, classes_of, number, scale
from tests.nsmc_bert.data.test_reviews import error_of


@pytest.mark.parametrize(
    ("said", "label"),
    [
        *((said, 0) for said in ("0", "0.0", "0.", "negative", " Neg", "NEGATIVE ", "부정", "0 ")),
        *((said, 1) for said in ("1", "1.00", "positive", "POS", "긍정 ", " 1", "\u00a01.0")),
        *((said, None) for said in ("", " ", "2", "01", "1e0", "-0", "nan", "neutral", "true", "１")),
    ],
)
def test_labels_without_a_rule(said, label):
    assert Labelling().of(said) == label


def test_labels_whose_syllables_macos_has_taken_apart():
    apart = [unicodedata.normalize("NFD", label) for label in ("긍정", "불만", "문의")]
    assert (Labelling().of(apart[0]), Labelling(("불만", "칭찬")).of(apart[1])) == (1, 0)
    assert Labelling(("불만", "문의", "칭찬")).of(apart[2]) == 1


def test_ones_own_labels():
    own = Labelling(("Bad", "Good"))
    assert [own.of(said) for said in ("bad ", "GOOD", "1", "negative", "")] == [0, 1, None, None, None]
    assert [Labelling(("1", "2")).of(said) for said in ("1", "2.0", "3")] == [0, 1, None]


@pytest.mark.parametrize("labels", [("긍정", "부정"), ("Positive", "bad"), ("좋음 ", " 나쁨")])
def test_negative_comes_first(labels):
    given, other = ",".join(labels), ",".join(reversed(labels))
    assert error_of(Labelling, labels=labels) == f"--labels={given}: negative comes first: --labels={other}"
    assert Labelling(tuple(reversed(labels))).of(labels[0]) == 1
    assert Labelling((*labels, "셋째")).of(labels[0]) == 0  # of more than two each has its place


@pytest.mark.parametrize("labels", [("보통", "나쁨"), ("스팸", "부정"), ("positive", "other")])
def test_a_word_beside_one_that_means_nothing_has_its_place(labels):
    assert [Labelling(labels).of(label) for label in labels] == [0, 1]


def test_two_words_for_one_thing():
    expected = "found two words for positive, expected one for negative and then one for positive"
    assert error_of(Labelling, labels=("추천", "좋음")) == f"--labels=추천,좋음: {expected}"


def test_ratings():
    rule = Labelling(positive_from=4, negative_to=2.5)
    assert [rule.of(said) for said in ("4", "5.0", "2.5", " 1", "3", "", "four", "inf")] == [
        *(1, 1, 0, 0, LEFT_OUT),
        *(None, None, None),
    ]
    assert [rule.of(repr(value)) for value in (10 / 3, 1e-5, 13 / 3)] == [LEFT_OUT, 0, 1]
    assert rule.classes == SENTIMENT
    third = Labelling(positive_from=4, negative_to=2.5, middle="class")
    assert [third.of(said) for said in ("4", "2.5", "3", "3.9", "x")] == [2, 0, 1, 1, None]
    assert third.classes.names == ("negative", "neutral", "positive")


def test_more_classes_have_their_place_for_a_number():
    own = Labelling((" Bad", "so so", "3.0"))
    assert own.classes.names == ("Bad", "so so", "3.0") and not own.classes.is_ordered
    assert [own.of(said) for said in ("bad", "SO SO ", "3", "1", "")] == [0, 1, 2, None, None]
    assert Labelling(("1", "2")).classes == SENTIMENT
    assert own.expected == "one of Bad, so so, 3.0, as --labels or the model names them"


def test_each_rating_may_be_a_class():
    stars, halves = Labelling(ratings="1:5"), Labelling(ratings="0.5:2:0.5")
    assert stars.classes.values == (1, 2, 3, 4, 5) and halves.classes.names == ("0.5", "1", "1.5", "2")
    assert [stars.of(said) for said in ("1", "5.0", " 3", "0", "6", "2.5", "two")] == [0, 4, 2, *[None] * 4]
    assert [halves.of(said) for said in ("0.5", "2.00", "1.25")] == [0, 3, None]
    tenths = Labelling(ratings="0:1:0.1")
    assert [tenths.of(repr(value)) for value in (0.1 + 0.2, 0.3 + 1e-6, 1e-1)] == [3, None, 1]
    assert scale("0:0.3:0.1") == (0, 0.1, 0.2, 0.3) and scale("-1:1") == (-1, 0, 1)
    assert not stars.is_default and Labelling().is_default
    assert stars.expected == "one of the ratings from 1 to 5, by --ratings"


@pytest.mark.parametrize("given", ["5", "1:", "a:b", "5:1", "1:2", "1:5:0", "1:5:-1", "1:5:0.3", "1:500", "1:5:1:1"])
def test_what_is_no_scale(given):
    assert error_of(Labelling, ratings=given).startswith(f"--ratings={given}: expected ")


def test_classes_that_a_column_has():
    classes, numbers = classes_of([" 2", "10", "1.0", "-1"])
    assert (classes.names, numbers) == (("-1", "1", "2", "10"), [2, 3, 1, 0])
    classes, numbers = classes_of(["배송", "가격 ", "0"])
    assert (classes.names, numbers) == (("0", "가격", "배송"), [2, 1, 0])
    assert classes_of(["1", "0"]) == (SENTIMENT, [1, 0]) and classes_of(["neg"]) == (SENTIMENT, [0])
    assert error_of(classes_of, ["x"]) == "--labels=all: found 'x' alone, expected some of several labels"
    found = error_of(classes_of, ["spam", "ham"])
    assert found == (
        "--labels=all: found 'spam' and 'ham', expected more than two labels; of two, --labels=ham,spam says which is "
        "negative"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(labels=("a",)), "--labels=a: expected two different labels, negative first"),
        (dict(labels=("a", " A")), "--labels=a, A: expected two different labels"),
        (dict(labels=("a", "")), "expected two different labels"),
        (dict(labels=("a", "b", "A ")), "expected two different labels"),
        (dict(labels=("a", "b", "")), "expected two different labels"),
        (dict(positive_from=4), "--positive_from and --negative_to: found one of them, expected both"),
        (dict(negative_to=4), "found one of them, expected both"),
        (dict(positive_from=3, negative_to=3), "found --negative_to=3 and --positive_from=3, expected the first to be"),
        (dict(positive_from=4, negative_to=float("nan")), "expected the first to be less"),
        (dict(labels=("a", "b"), positive_from=4, negative_to=2), "found --labels=a,b beside --positive_from"),
        (dict(middle="class"), "--middle=class: found no --positive_from and --negative_to beside it"),
        (dict(middle="neutral"), "--middle=neutral: expected left_out or class"),
        (dict(labels=("a", "b"), ratings="1:5"), "found --ratings=1:5 beside --labels=a,b, expected one of them"),
        (dict(positive_from=4, negative_to=2, ratings="1:5"), "found --ratings=1:5 beside --positive_from"),
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
        ({"1", "3"}, "--labels=1,3 takes 1 as negative"),
        ({"1", "2", "5"}, "--positive_from=4 --negative_to=2"),
        ({"3", "2", "5"}, "leaves out what is between; --ratings=1:5 takes each as a class"),
        ({"0", "7", "5"}, "leaves out what is between; --ratings=0:10 takes each as a class"),
        ({"1", "7"}, "--positive_from=8 --negative_to=4"),
        ({"20", "95", "60"}, "--positive_from=80 --negative_to=40"),
        ({"1", "1000"}, "--positive_from=N --negative_to=M"),
        ({"-1", "0", "1"}, "--positive_from=1 --negative_to=-1"),
        ({"좋음", "나쁨"}, "--labels=나쁨,좋음 takes '나쁨' as negative"),
        ({"good", "hate"}, "--labels=hate,good takes 'hate' as negative"),
        ({"a", "b", "c"}, "--labels=NEGATIVE,POSITIVE names others, --labels=all takes each as a class"),
    ],
)
def test_what_is_proposed(others, advice):
    assert advice in Labelling().advice(others)
    assert Labelling(("a", "b")).advice(others) == ""


@pytest.mark.parametrize("others", [{"0", "1", "2"}, {"1", "2.0", "3"}, {"0", "1", "2", "3"}])
def test_numbers_of_classes_are_no_stars(others):
    """Of 0, 1 and 2 the last may as well be neutral: no rule is proposed that makes it negative or leaves it out."""
    each = sorted(f"{float(other):g}" for other in others)
    assert Labelling().advice(others) == (
        f"; are these classes? --labels={','.join(each)} takes each as one; or ratings? --ratings={each[0]}:{each[-1]} "
        "takes each as a class and knows their order"
    )


def test_ratings_of_a_model_that_knows_neutral():
    advice = Labelling(("negative", "neutral", "positive")).advice({"0", "1", "2"})
    assert advice == "; --labels=0,1,2 takes each as a class, 0 as negative and 2 as positive"
    assert Labelling(("negative", "neutral", "positive")).advice({"0", "1", "2", "3"}) == ""
    advice = Labelling(("negative", "neutral", "positive")).advice({"3", "1", "5"})
    assert advice == "; are these ratings? --positive_from=4 --negative_to=2 --middle=class"
    assert Labelling(("a", "b", "c")).advice({"3", "1", "5"}) == ""


@pytest.mark.parametrize(
    ("others", "advice"),
    [
        ({"보통", "불만", "칭찬"}, "FOLDER, or two of them, --labels=불만,칭찬 --skip_bad_rows"),
        ({"negative", "neutral", "positive"}, "or two of them, --labels=negative,positive --skip_bad_rows"),
        ({"0", "1", "2"}, "there are '0', '1', '2': name a model that learned them, --model=FOLDER, or two of them, "),
        ({"a", "b", "c", "d", "e"}, "'d', …: name a model that learned them, --model=FOLDER"),
        ({"neutral", "보통", "좋음"}, "or two of them, --labels=neutral,좋음 --skip_bad_rows"),
        ({"bad", "negative", "나쁨"}, "name a model that learned them, --model=FOLDER"),
        ({"good", "like", "좋음"}, "name a model that learned them, --model=FOLDER"),
        ({"1", "3", "5"}, "2 and less as negative, and leaves out what is between"),
        ({"1", "0", "x"}, "--labels=NEGATIVE,POSITIVE names others"),
        ({"좋음", "나쁨"}, "--labels=나쁨,좋음 takes '나쁨' as negative"),
    ],
)
def test_what_a_model_of_two_classes_can_answer_is_proposed_alone(others, advice):
    found = Labelling().advice(others, two_classes=True)
    assert advice in found and "--labels=all" not in found and "--ratings" not in found
    if "--labels" not in advice and "of them, " not in advice:
        assert found.endswith(advice)


@pytest.mark.parametrize("others", [{"1", "2", "4.5"}, {"20", "95", "60"}, {"3", "5"}])
def test_a_scale_is_not_proposed_where_it_would_not_be_the_columns(others):
    assert "--ratings" not in Labelling().advice(others)


def test_numbers():
    assert [number(said) for said in ("3", "-1", "+2.50", "4.")] == [3, -1, 2.5, 4]
    for value in (10 / 3, 8 / 3, 1e-5, 1e22, 0.30000000000000004, -5e-324):
        assert number(repr(value)) == value
    assert not any(number(said) for said in ("", "x", "1,5", "1e", "e5", "inf", "nan", "1e999", "1_0", "９", "9" * 400))
