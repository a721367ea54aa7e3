"""Which words a classifier's answer comes from: integrated gradients over the input's word embeddings.

Sundararajan, Taly and Yan (2017), "Axiomatic Attribution for Deep Networks", section 3: what an input's element adds is
its difference from a baseline times the mean of the gradient along the straight line from the baseline to the input.
What all elements add is the difference of the two outputs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.model import forward, packing

if TYPE_CHECKING:
    from nsmc_bert.model.classifier import SentimentClassifier

COUNTS = (16, 32, 64, 128, 256)  # points along the line, until the sum is near enough
CLOSE = 0.1  # of the line's length: how close to its middle points are dense
NEAR, LEAST = 0.01, 0.001  # of the difference of the logits, and in nats where that is next to nothing
BUDGET = 2048  # tokens, over all points, whose gradients are taken at a time


@dataclasses.dataclass(frozen=True)
class Word:
    """A word of a text, as white space parts it.

    Attributes:
        text: the word.
        start, end: its first character in the text and the one after its last.
        added: what it adds to the logit, in nats; None if it stands beyond what the model reads.
    """

    text: str
    start: int
    end: int
    added: float | None


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What each word adds to a logit.

    Attributes:
        label: the label whose logit it is: of two the second, positive; of more the most likely one.
        probabilities: of the labels.
        logit: of the label against all others, in nats: log p - log(1 - p).
        baseline: the same of the text with every piece hidden.
        words: in their order.
        rest: what the pieces add that belong to no word.
    """

    label: str
    probabilities: tuple[float, ...]
    logit: float
    baseline: float
    words: tuple[Word, ...]
    rest: float

    @property
    def gap(self) -> float:
        """What is missing from the sum, in nats: `logit - baseline` minus what the words and the rest add."""
        return self.logit - self.baseline - self.rest - sum(word.added or 0.0 for word in self.words)

    def record(self) -> dict[str, Any]:
        """The explanation as values of JSON, logits to four digits."""
        words = [
            {**dataclasses.asdict(word), "added": None if word.added is None else round(word.added, 4)}
            for word in self.words
        ]
        return {
            "label": self.label,
            "logit": round(self.logit, 4),
            "baseline": round(self.baseline, 4),
            "words": words,
            "rest": round(self.rest, 4),
        }


def explain(model: SentimentClassifier, text: str) -> Explanation:
    """What each word of a text adds to the logit of a label against the others.

    The baseline is the text with every piece replaced by [MASK], which stands for a piece that is not told, or by [PAD]
    where the vocabulary has no [MASK]. The special tokens around the text stay as they are, and so add nothing. The
    integral is taken by `rule` with 16 points, or twice as many again until the sum is within 1 % of the difference,
    256 at most. It is computed in float32 whatever the model's precision.

    Args:
        model: the classifier.
        text: a text; of one longer than the model reads its beginning is explained.

    Returns:
        An Explanation.

    Raises:
        UserError: `text` is no string.
    """
    if not isinstance(text, str):
        raise UserError(f"text: found {shorten(text)}, expected a string")
    tokenizer = model.tokenizer
    ids, places = tokenizer.locate(text)
    ids = ids[: model.max_length - 2]
    hidden_id = tokenizer.pad_id if tokenizer.mask_id is None else tokenizer.mask_id
    rows = [[tokenizer.cls_id, *row, tokenizer.sep_id] for row in (ids, len(ids) * [hidden_id])]
    _, width = packing.padded_shape(1, len(rows[0]), model.max_length)
    mask = np.arange(width) < len(rows[0])
    ends = np.full((2, width), tokenizer.pad_id, np.int32)
    ends[:, mask] = rows
    for count in COUNTS:
        logits, (end, begin), added = _integral(model, ends, mask, count)
        if abs(end - begin - added.sum()) <= max(NEAR * abs(end - begin), LEAST):
            break
    words, rest = _by_word(text, places, added[1 : len(ids) + 1])
    probabilities = tf.nn.softmax(logits).numpy().tolist()
    label = model.labels[_label(logits)]
    return Explanation(label, tuple(probabilities), float(end), float(begin), words, rest)


def rule(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points from 0 to 1 and their weights, float64 [count]: Gauss and Legendre's rule after a sinh transformation.

    Between a text of hidden pieces and the text itself a logit changes most near the middle of the line, where Gauss
    and Legendre's own points are sparse; after the transformation half as many do (Johnston and Elliott 2005, "A sinh
    transformation for evaluating nearly singular boundary element integrals", section 2, with the singularity CLOSE to
    the middle).
    """
    points, weights = np.polynomial.legendre.leggauss(count)
    stretch = np.arcsinh(0.5 / CLOSE)
    return 0.5 + CLOSE * np.sinh(stretch * points), weights * CLOSE * stretch * np.cosh(stretch * points)


def slopes(
    model: SentimentClassifier, ends: tf.Tensor, mask: tf.Tensor, points: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Outputs on the line between two texts' word embeddings, and how they change along it.

    Args:
        model: the classifier.
        ends: int32 [2, positions], the token ids of the line's end and of its beginning.
        mask: bool [positions], on tokens and not on padding.
        points: float32 [n], from 0 at the beginning to 1 at the end; the first is 1.

    Returns:
        The head's outputs, float32 [n, labels]; the logit, [n], of the label that the first point has most of against
        the others, or of two labels of the second; and the part of that logit's derivative along the line that each
        position has, [n, positions].
    """
    end, begin = tf.unstack(forward.embed(model.bert, ends))
    words = begin + points[:, None, None] * (end - begin)
    masks = tf.tile(tf.cast(mask, tf.int32)[None], [tf.shape(points)[0], 1])
    first = tf.zeros_like(masks[:, :1])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(words)
        hidden_states = forward.encode(model.bert, masks, masks, words=words, read=first, fused=False)
        logits = model.classifier(forward.pool(model.bert, hidden_states))
        margin = _margin(logits, _label(logits[0]))
    return logits, margin, tf.reduce_sum(tape.gradient(margin, words) * (end - begin), -1)


def _integral(
    model: SentimentClassifier, ends: np.ndarray, mask: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The outputs at the end, float32 [labels]; the logits at the end and at the beginning; and what each position adds
    between the two, float64 [positions], by `count` points.
    """
    points, weights = rule(count)
    many, added = max(1, BUDGET // len(mask)), np.zeros(len(mask))
    for first in range(0, count, many):
        here = slice(first, first + many)
        line = tf.constant([1.0, 0.0, *points[here]], tf.float32)
        logits, margins, along = model.slopes(tf.constant(ends), tf.constant(mask), line)
        added += weights[here] @ along.numpy()[2:].astype(np.float64)
    return logits.numpy()[0], margins.numpy()[:2], added


def _label(logits: Any) -> Any:
    """The number of the label that is explained, of the outputs [labels]."""
    return 1 if logits.shape[0] == 2 else tf.argmax(logits)


def _margin(logits: tf.Tensor, label: tf.Tensor | int) -> tf.Tensor:
    """log p - log(1 - p) of a label, float32 [texts]."""
    chosen = tf.range(logits.shape[1], dtype=tf.int64) == tf.cast(label, tf.int64)
    others = tf.where(chosen, -float("inf"), logits)
    return tf.gather(logits, label, axis=1) - tf.reduce_logsumexp(others, 1)


def _by_word(text: str, places: Sequence[tuple[int, int]], added: np.ndarray) -> tuple[tuple[Word, ...], float]:
    """The words with what their pieces add together, and what pieces add that belong to none."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    sums: dict[int, float] = {}
    rest = 0.0
    for word, value in zip(_words_of(places, spans), added):
        if word is None:
            rest += value
        else:
            sums[word] = sums.get(word, 0.0) + value
    words = [
        Word(text[start:end], start, end, None if number not in sums else float(sums[number]))
        for number, (start, end) in enumerate(spans)
    ]
    return tuple(words), float(rest)


def _words_of(places: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> Iterator[int | None]:
    """The number of the word that each piece belongs to.

    That is the one it shares most characters with or, of a piece of white space alone, the one that it begins.
    """
    first = 0
    for start, end in places:
        while first < len(spans) and spans[first][1] <= start:
            first += 1
        shared = [
            (min(end, stop) - max(start, begin), -number)
            for number, (begin, stop) in enumerate(spans[first : first + 8], first)
        ]
        yield -max(shared)[1] if shared and max(shared)[0] > 0 else first if shared else None
