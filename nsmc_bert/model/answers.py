"""What a classifier says of texts as columns of a table: label, probability of each class, expected rating."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from nsmc_bert.base.classes import Classes
from nsmc_bert.base.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from nsmc_bert.model.classifier import SentimentClassifier

LABEL, EXPECTED, TEXT = "label", "expected_rating", "text"  # columns beside those of the classes


def columns(classes: Classes) -> list[str]:
    """The names of the columns: the label, each class and, of ratings, the expected one."""
    others = (LABEL, EXPECTED, TEXT)
    names = [f"probability_{name}" if name in others else name for name in classes.names]
    return [LABEL, *names, *([EXPECTED] if classes.is_ordered else [])]


def beside(names: Sequence[str], taken: Collection[str], fold: Callable[[str], str] = str) -> list[str]:
    """The names of columns that are added to a table: these, or where it has one of them predicted_NAME of each.

    Args:
        names: as from `columns`.
        taken: what the table's own columns are called.
        fold: what two names have in common that are taken for the same; str.lower where case does not count.

    Raises:
        UserError: it has one of either.

    Example:
        >>> beside(["label", "negative", "positive"], ["리뷰", "label"])
        ['predicted_label', 'predicted_negative', 'predicted_positive']
    """
    folded = {fold(name) for name in taken}
    mine = [name for name in names if fold(name) in folded]
    added = [f"predicted_{name}" for name in names] if mine else list(names)
    if again := [name for name in added if fold(name) in folded]:
        raise UserError(
            f"found the columns {' and '.join((mine[0], again[0]))}, expected one of them at most; rename what an "
            "earlier prediction has added"
        )
    return added


def label(classes: Classes, probabilities: Sequence[float]) -> str:
    """The name of the most probable class."""
    return max(zip(probabilities, classes.names), key=lambda pair: pair[0])[1]


def values(classes: Classes, probabilities: Sequence[float]) -> list[float]:
    """What stands in the columns behind the label."""
    return [*probabilities, *([float(classes.expected(probabilities))] if classes.is_ordered else [])]


def label_frame(
    frame: pd.DataFrame, text_column: str, model: SentimentClassifier | str | os.PathLike[str] | None = None
) -> pd.DataFrame:
    """A copy of a frame with what a classifier says of each row's text in columns of its own.

    Args:
        frame: with the texts, strings, in one column. A row without text, in which it has None, NaN or pd.NA as pandas
            has for every empty cell that it reads, gets nothing: what is added is missing there too.
        text_column: the name of that column.
        model: the classifier, or its folder; None for the one that ships. From a folder it is loaded at every call.

    Returns:
        The frame, its index and columns, and behind them label, and a float32 column for each class: negative and
        positive. Of a model of ratings expected_rating too. They are called predicted_… where the frame has one of
        them.

    Raises:
        UserError: there is no such column, a row of it has something else than a text, or the frame has predictions
            already.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"id": [7, 8], "리뷰": ["이 영화 엄청 재미있네요", "돈이 아깝다"]})
        >>> label_frame(frame, "리뷰")[["id", "label"]].values.tolist()
        [[7, 'positive'], [8, 'negative']]
    """
    import numpy as np

    from nsmc_bert.model.classifier import load

    if list(frame.columns).count(text_column) != 1:
        named = ", ".join(map(str, frame.columns))
        raise UserError(f"text_column: found no single column {text_column} among {named}, expected the texts' name")
    texts, has_text = frame[text_column].tolist(), frame[text_column].notna().to_numpy()
    for row, text, present in zip(frame.index, texts, has_text):
        if present and not isinstance(text, str):
            raise UserError(
                f"row {row} of {text_column}: found {text!r}, expected a string; "
                f"frame[{text_column!r}].astype(str) makes it one"
            )
    if model is None or isinstance(model, (str, os.PathLike)):
        model = load(model)
    names = beside(columns(model.classes), list(map(str, frame.columns)))
    probabilities = np.full((len(texts), len(model.classes)), np.nan, np.float32)
    probabilities[has_text] = model.predict_encoded(model.encode(list(itertools.compress(texts, has_text))))
    out = frame.copy()
    out[names[0]] = [
        label(model.classes, row.tolist()) if present else None for row, present in zip(probabilities, has_text)
    ]
    for place, name in enumerate(names[1 : len(model.classes) + 1]):
        out[name] = probabilities[:, place]
    if model.classes.is_ordered:
        out[names[-1]] = model.classes.expected(probabilities).astype(np.float32)
    return out
