"""nsmc_bert.model.heads: known names are mapped, unknown ones are refused, and so are heads of other tasks."""

import pytest
from transformers.models.bert.configuration_bert import BertConfig

from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import heads


def config(names=None, **values):
    values = {"id2label": dict(enumerate(names)), **values} if names else values
    return BertConfig(**heads.with_names(values))


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("negative", "positive"), [0, 1]),
        (("Positive", "NEGATIVE"), [1, 0]),
        (("pos", "neg"), [1, 0]),
        (("긍정", "부정"), [1, 0]),
        (("부정 ", "긍정"), [0, 1]),
        (("good", "bad"), [1, 0]),
        (("0", "1"), [0, 1]),
        (("1", "0"), [1, 0]),
        ((1, 0), [1, 0]),
        (("LABEL_0", "LABEL_1"), [0, 1]),
        (("LABEL_1", "LABEL_0"), [1, 0]),
        (None, [0, 1]),  # transformers' own names, LABEL_0 and LABEL_1
    ],
)
def test_known_names_are_mapped(names, order):
    assert heads.order(config(names), "folder") == order


def test_label2id_alone_is_read():
    assert heads.order(config(label2id={"positive": 0, "negative": 1}), "folder") == [1, 0]
    assert heads.order(config(label2id={"negative": 0, "positive": 1}), "folder") == [0, 1]
    assert "id2label" not in heads.with_names({"label2id": {"negative": 0, "positive": "1"}})
    # where both are given, transformers goes by id2label
    assert heads.order(config(("negative", "positive"), label2id={"positive": 0, "negative": 1}), "folder") == [0, 1]


@pytest.mark.parametrize(
    "names", [("ham", "spam"), ("positive", "positive"), ("neutral", "positive"), ("not_entailment", "entailment")]
)
def test_unknown_names_are_refused_until_somebody_says_which_is_positive(names):
    with pytest.raises(
        UserError, match=f"found a head with the labels {names[0]} and {names[1]}, .*--positive_label=NAME"
    ):
        heads.order(config(names), "folder")


def test_what_the_user_says_goes_before_the_names():
    assert heads.order(config(("꿀잼", "노잼")), "folder", "꿀잼") == [1, 0]
    assert heads.order(config(("꿀잼", "노잼")), "folder", ["LIKE", "노잼"]) == [0, 1]
    assert heads.order(config(), "folder", "label_0") == [1, 0]
    assert heads.order(config(), "folder", ["", " "]) == [0, 1]
    assert heads.classes(config(("꿀잼", "노잼")), 2, "folder", "꿀잼") == (SENTIMENT, [1, 0])
    for wrong in ("LABEL_2", ["LABEL_0", "LABEL_1"]):
        with pytest.raises(
            UserError, match="labels LABEL_0 and LABEL_1, expected one of them to be the positive_label"
        ):
            heads.order(config(), "folder", wrong)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (dict(architectures=["BertForTokenClassification"]), "the head of BertForTokenClassification"),
        (dict(architectures=["BertForMultipleChoice"]), "the head of BertForMultipleChoice"),
        (dict(architectures=["BertForQuestionAnswering"]), "the head of BertForQuestionAnswering"),
        (dict(problem_type="regression"), "a head for 'regression'"),
        (dict(problem_type="multi_label_classification"), "a head for 'multi_label_classification'"),
        (dict(finetuning_task="mrpc"), "a head fine-tuned for 'mrpc'"),
        (dict(finetuning_task="KorNLI"), "a head fine-tuned for 'KorNLI'"),
    ],
)
def test_heads_of_other_tasks_are_refused(values, found):
    with pytest.raises(UserError, match=f"folder: found {found}"):
        heads.order(config(**values), "folder")


@pytest.mark.parametrize(
    "values",
    [
        dict(finetuning_task="nsmc"),
        dict(architectures=["BertForSequenceClassification"]),
        dict(architectures=["BertModel"]),
    ],
)
def test_heads_of_this_task_are_not(values):
    assert heads.order(config(**values), "folder") == [0, 1]


def test_names_go_before_the_task_that_an_encoder_was_once_tuned_for():
    assert heads.order(config(("negative", "positive"), finetuning_task="mrpc"), "folder") == [0, 1]


def test_more_classes_are_called_what_the_folder_calls_them():
    three = config(("entailment", "neutral", "contradiction"))
    assert heads.classes(three, 3, "folder") == (Classes(("entailment", "neutral", "contradiction")), [0, 1, 2])
    assert heads.classes(config(num_labels=3), 3, "folder")[0].names == ("LABEL_0", "LABEL_1", "LABEL_2")
    stars = config(("1", "2", "3"), rating_values=[1.0, 2.0, 3.0])
    assert heads.classes(stars, 3, "folder")[0] == ratings([1, 2, 3])
    assert heads.classes(config(("pos", "neg")), 2, "folder") == (SENTIMENT, [1, 0])
    assert heads.named({"1": "b", "0": "a", "2": "c"}, None, "folder").names == ("a", "b", "c")
    assert heads.named({"x": "a", "0": "b", "1": "c"}, None, "folder") == SENTIMENT
    assert heads.named(None, None, "folder") == heads.named({0: "ham", 1: "spam"}, None, "folder") == SENTIMENT


@pytest.mark.parametrize(
    ("values", "options", "found"),
    [
        (
            dict(names=("a", "b", "a")),
            {},
            "folder, id2label and rating_values: classes: found 'a,b,a', expected two or",
        ),
        (dict(names=("1", "2", "3"), rating_values=[3, 2, 1]), {}, "expected one of each, ascending"),
        (dict(names=("a", "b", "c"), problem_type="regression"), {}, "found a head for 'regression'"),
        (dict(num_labels=3, finetuning_task="mnli"), {}, "found a head fine-tuned for 'mnli'"),
        (dict(names=("a", "b", "c")), {"positive": "a"}, "found a head of 3 classes, expected one of two beside"),
    ],
)
def test_what_is_no_head_of_more_classes(values, options, found):
    with pytest.raises(UserError, match=found):
        heads.classes(config(**values), 3, "folder", **options)
