"""Which of a classifier's two outputs means positive: by the names that its makers gave them, or because the user says
so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from nsmc_bert.base.errors import UserError, shorten

if TYPE_CHECKING:
    from transformers import PretrainedConfig

NEGATIVE = {
    "negative",
    "neg",
    "bad",
    "dislike",
    "unfavorable",
    "unfavourable",
    "부정",
    "부정적",
    "부정문",
    "나쁨",
    "싫음",
    "비추천",
    "비추",
}
POSITIVE = {"positive", "pos", "good", "like", "favorable", "favourable", "긍정", "긍정적", "긍정문", "좋음", "추천"}
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
            any, names in NEGATIVE and POSITIVE count, and numbers as NSMC has them: 0, LABEL_0 negative, 1, LABEL_1
                positive.

    Returns:
        [0, 1] or [1, 0].

    Raises:
        UserError: it is a head of another task, or its names do not say which label is positive.
    """
    architectures = [str(name) for name in getattr(config, "architectures", None) or ()]
    other = next((name for name in architectures if "For" in name and not name.endswith(HEADS)), None)
    if other:
        raise UserError(
            f"{where}: found the head of {other}, expected one that classifies texts: BertForSequenceClassification"
        )
    kind = getattr(config, "problem_type", None)
    if kind not in (None, "single_label_classification"):
        raise UserError(
            f"{where}: found a head for {shorten(kind)}, expected one of two classes of which a text has one"
        )
    names = [str((config.id2label or {}).get(i, "")) for i in (0, 1)]
    problem = f"{where}: found a head with the labels {names[0]} and {names[1]}"
    plain = [name.strip().lower() for name in names]
    wanted = {name.strip().lower() for name in ([positive] if isinstance(positive, str) else positive) if name.strip()}
    if wanted:
        is_wanted = [name in wanted for name in plain]
        if sum(is_wanted) != 1:
            raise UserError(f"{problem}, expected one of them to be the positive_label, {', '.join(sorted(wanted))}")
        return [0, 1] if is_wanted[1] else [1, 0]
    numbers = [re.sub("^label_", "", name) for name in plain]
    if sorted(numbers) == ["0", "1"]:
        task = getattr(config, "finetuning_task", None)
        if isinstance(task, str) and re.sub("[^a-z]", "", task.lower()) in OTHER_TASKS:
            raise UserError(f"{where}: found a head fine-tuned for {shorten(task)}, expected one for sentiment")
        return [numbers.index("0"), numbers.index("1")]
    kinds = ["negative" if name in NEGATIVE else "positive" if name in POSITIVE else "" for name in plain]
    if sorted(kinds) != ["negative", "positive"]:
        raise UserError(f"{problem}, expected names such as negative and positive; {SAY}")
    return [kinds.index("negative"), kinds.index("positive")]


def with_names(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config.json's values with `id2label` where it has label2id alone, which transformers would drop."""
    names = values.get("label2id")
    if values.get("id2label") is not None or not isinstance(names, dict):
        return values
    if any(type(number) is not int for number in names.values()):
        return values
    return {**values, "id2label": {number: name for name, number in names.items()}}
