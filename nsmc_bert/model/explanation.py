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

STEPS = (32, 64, 128, 256)  # points along the line, until the sum is near enough
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
    integral is taken by Gauss and Legendre's rule with 32 points, or twice as many again until the sum is within 1 % of
    the difference, 256 at most. It is computed in float32 whatever the model's precision.

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
    _, width = packing.padded_shape(1, len(ids) + 2, model.max_length)
    rows = np.full((2, width), tokenizer.pad_id, np.int32)
    rows[:, : len(ids) + 2] = [[tokenizer.cls_id, *row, tokenizer.sep_id] for row in (ids, len(ids) * [hidden_id])]
    mask = (np.arange(width) < len(ids) + 2).astype(np.int32)
    given, baseline = tf.unstack(forward.embed(model.bert, rows))
    logits = _logits(model, mask, tf.stack([given, baseline])).numpy()
    label = 1 if logits.shape[1] == 2 else int(logits[0].argmax())
    end, begin = (float(each) for each in _margin(tf.constant(logits), label))
    for steps in STEPS:
        added = _integral(model, mask, given, baseline, label, steps)[1 : len(ids) + 1]
        if abs(end - begin - added.sum()) <= max(NEAR * abs(end - begin), LEAST):
            break
    words, rest = _by_word(text, places, added)
    probabilities = tf.nn.softmax(logits[0]).numpy().tolist()
    return Explanation(model.labels[label], tuple(probabilities), end, begin, words, rest)


def _integral(
    model: SentimentClassifier, mask: np.ndarray, given: tf.Tensor, baseline: tf.Tensor, label: int, steps: int
) -> np.ndarray:
    """What each position adds, float64 [positions]: the integral from `baseline` to `given`, [positions, hidden]."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    points, weights = (points + 1) / 2, weights / 2  # from 0 to 1
    difference, many = given - baseline, max(1, BUDGET // len(given))
    added = np.zeros(len(given))
    for first in range(0, steps, many):
        here = slice(first, first + many)
        words = baseline + tf.constant(points[here, None, None], tf.float32) * difference
        with tf.GradientTape() as tape:
            tape.watch(words)
            margin = _margin(_logits(model, mask, words), label)
        along = tf.reduce_sum(tape.gradient(margin, words) * difference, -1).numpy()
        added += weights[here] @ along.astype(np.float64)
    return added


def _logits(model: SentimentClassifier, mask: np.ndarray, words: tf.Tensor) -> tf.Tensor:
    """The head's outputs, float32 [texts, labels], of texts of one length.

    Args:
        model: the classifier.
        mask: int32 [positions], 1 on tokens and 0 on padding.
        words: float32 [texts, positions, hidden], their word embeddings.
    """
    first, masks = tf.zeros([len(words), 1], tf.int32), tf.tile(mask[None], [len(words), 1])
    hidden_states = forward.encode(model.bert, masks, masks, words=words, read=first, fused=False)
    return model.classifier(forward.pool(model.bert, hidden_states))


def _margin(logits: tf.Tensor, label: int) -> tf.Tensor:
    """log p - log(1 - p) of a label, float32 [texts]."""
    others = tf.concat([logits[:, :label], logits[:, label + 1 :]], 1)
    return logits[:, label] - tf.reduce_logsumexp(others, 1)


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
