"""What a classifier's outputs mean: which of two is positive, by the names that its makers gave them or because the
user says so, and of more what they are called.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nsmc_bert.base.classes import SENTIMENT, WORDS, Classes, plain
from nsmc_bert.base.errors import UserError, shorten

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# what transformers' scripts wrote as finetuning_task of heads whose labels are mere numbers
OTHER_TASKS = {
    "cola",
    "mrpc",
    "qqp",
    "qnli",
    "rte",
    "wnli",
    "mnli",
    "stsb",
    "pawsx",
    "kornli",
    "korsts",
    "kluenli",
    "kluests",
}
# the latter two of encoders that somebody put a head on
HEADS = (
    "ForSequenceClassification",
    "ForMaskedLM",
    "ForPreTraining",
)
SAY = "say which of them means positive: --positive_label=NAME, or positive_label of nsmc_bert.load"


def order(config: PretrainedConfig, where: object, positive: str | Collection[str] = ()) -> list[int]:
    """The rows of a two-class head, negative first.

    Args:
        config: the configuration of the folder: `id2label`, `architectures`, `problem_type` and `finetuning_task` are
            read.
        where: the folder, for messages.
        positive: names of labels that mean positive, or one; one of the head's two labels has to be among them. Without
            any, names in classes.WORDS count, and numbers as NSMC has them: 0, LABEL_0 negative, 1, LABEL_1 positive.

    Returns:
        [0, 1] or [1, 0].

    Raises:
        UserError: it is a head of another task, or its names do not say which label is positive.
    """
    _check_kind(config, where)
    names = [str((config.id2label or {}).get(i, "")) for i in (0, 1)]
    problem = f"{where}: found a head with the labels {names[0]} and {names[1]}"
    said = list(map(plain, names))
    wanted = {plain(name) for name in ([positive] if isinstance(positive, str) else positive) if name.strip()}
    if wanted:
        is_wanted = [name in wanted for name in said]
        if sum(is_wanted) != 1:
            raise UserError(f"{problem}, expected one of them to be the positive_label, {', '.join(sorted(wanted))}")
        return [0, 1] if is_wanted[1] else [1, 0]
    numbers = [re.sub("^label_", "", name) for name in said]
    if sorted(numbers) == ["0", "1"]:
        _check_task(config, where)
        return [numbers.index("0"), numbers.index("1")]
    kinds = [WORDS.get(name, "") for name in said]
    if sorted(kinds) != ["negative", "positive"]:
        raise UserError(f"{problem}, expected names such as negative and positive; {SAY}")
    return [kinds.index("negative"), kinds.index("positive")]


def classes(
    config: PretrainedConfig, outputs: int, where: object, positive: str | Collection[str] = ()
) -> tuple[Classes, list[int]]:
    """What a head tells apart, and the rows of its weights in that order.

    Args:
        config: as in `order`; of ratings its `rating_values` has the number that each output stands for.
        outputs: of the head, two or more.
        where, positive: as in `order`; with more than two outputs none is positive.

    Returns:
        SENTIMENT and `order`'s rows, or the Classes of more outputs and their rows as they are.

    Raises:
        UserError: it is a head of another task, or its names do not say what its outputs mean.
    """
    if outputs == 2:
        return SENTIMENT, order(config, where, positive)
    _check_kind(config, where)
    if positive:
        raise UserError(f"{where}: found a head of {outputs} classes, expected one of two beside --positive_label")
    known = named(config.id2label, getattr(config, "rating_values", None), where)
    if all(re.fullmatch(r"(?i)(label_)?\d+", name) for name in known.names):
        _check_task(config, where)
    return known, list(range(outputs))


def named(id2label: Mapping[Any, Any] | None, values: Sequence[float] | None, where: object) -> Classes:
    """The Classes that a config.json's `id2label`, by numbers or their digits, and `rating_values` name; SENTIMENT
    where there are two or none.

    Raises:
        UserError: the names are no classes'.
    """
    by_number = {int(number): str(name) for number, name in (id2label or {}).items() if str(number).isdecimal()}
    if len(by_number) < 3:
        return SENTIMENT
    try:
        return Classes(tuple(by_number.get(place, "") for place in range(len(by_number))), tuple(values or ()))
    except UserError as error:
        raise UserError(f"{where}, id2label and rating_values: {error}") from None


def _check_kind(config: PretrainedConfig, where: object) -> None:
    """Raises UserError for heads that do not say which one of several classes a text has."""
    architectures = [str(name) for name in getattr(config, "architectures", None) or ()]
    other = next((name for name in architectures if "For" in name and not name.endswith(HEADS)), None)
    if other:
        raise UserError(
            f"{where}: found the head of {other}, expected one that classifies texts: BertForSequenceClassification"
        )
    kind = getattr(config, "problem_type", None)
    if kind not in (None, "single_label_classification"):
        raise UserError(
            f"{where}: found a head for {shorten(kind)}, expected one of two or more classes, of which a text has one"
        )


def _check_task(config: PretrainedConfig, where: object) -> None:
    """Raises UserError for heads whose labels are mere numbers and of another task."""
    task = getattr(config, "finetuning_task", None)
    if isinstance(task, str) and re.sub("[^a-z]", "", task.lower()) in OTHER_TASKS:
        raise UserError(f"{where}: found a head fine-tuned for {shorten(task)}, expected one for sentiment")


def with_names(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config.json's values with `id2label` where it has label2id alone, which transformers would drop."""
    names = values.get("label2id")
    if values.get("id2label") is not None or not isinstance(names, dict):
        return values
    if any(type(number) is not int for number in names.values()):
        return values
    return {**values, "id2label": {number: name for name, number in names.items()}}
