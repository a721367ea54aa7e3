"""Words to positions: what an encoder makes of a sentence's words, and where the spans of the targets then lie.

Each word is cut into pieces by itself, so that a span of words is a span of positions whatever the tokenizer does; this
is what Tenney et al. (2019) computed by matching characters. A word that leaves no piece (control characters) becomes
one unknown piece: no span is ever empty. A word that is glued to the one before is cut by itself too, into the pieces
that go on with a word, where a vocabulary has such: 고향 and 은 give ▁ 고 향 은, as 고향은 does, and not ▁ 고 향 ▁은.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nsmc_bert.base.errors import UserError, shorten

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from probing.encoders import Encoder
    from probing.records import Record
    from probing.tasks import Task

EMPTY = "records without targets"
LONG = "sentences beyond the encoder's length, encoded in windows"
BEYOND = "records of sentences beyond the encoder's length, left out"
DELETED = "words that the tokenizer deletes, read as unknown"
NAMED = 5  # sentences that are named, at most
LOUD = 0.1  # the share of words with [UNK] from which on a corpus is hardly the encoder's

WordOrPart = str | tuple[str, str]  # what is cut: a word, or one that goes on, with the character before it


@dataclasses.dataclass
class Sentence:
    """What an encoder reads of one sentence.

    Attributes:
        payload: int array, [positions] or [positions, …]: token ids, or whatever else the encoder reads at each
            position.
        starts: int32 [words + 1]: word i takes the positions starts[i] to starts[i + 1] - 1.
        unknown: words that left no piece.
        unk: words with an unknown piece, those without any piece included; None where reading does not tell.
    """

    payload: np.ndarray
    starts: np.ndarray
    unknown: int = 0
    unk: int | None = 0

    @property
    def key(self) -> bytes:
        """16 bytes that say what is read, the same for the same payload."""
        return hashlib.blake2b(np.ascontiguousarray(self.payload).data, digest_size=16).digest()


@dataclasses.dataclass
class Examples:
    """The targets of one split of a task as arrays.

    Attributes:
        payloads: list of the distinct sentences' payloads.
        keys: their keys.
        sentence: int32 [records]: which of them each record reads.
        splits: int64 [records + 1]: where each record's targets begin.
        span1: int32 [targets, 2]: first position and the one after the last.
        span2: the same, or None for a task of one span.
        label_splits: int64 [targets + 1]; labels: int32 [of all targets]: the numbers of each target's labels.
        types: int64 [targets]: a checksum of the words of span1, which control tasks go by.
        names: list of str, the labels by number.
        dropped: {reason: count} of records and words that were treated otherwise than the rest.
        named: the beginnings of the first sentences that are encoded in windows.
        where: the file.
        words: how many words the distinct sentences have.
        unk: how many of them have [UNK]; None where the encoder does not tell.
        of_edges: int32 [records], of `edges` the sentence that each record is of, a number in the Examples that these
            were made of; None of others, whose `sentence` is that.
    """

    payloads: list[np.ndarray]
    keys: list[bytes]
    sentence: np.ndarray
    splits: np.ndarray
    span1: np.ndarray
    span2: np.ndarray | None
    label_splits: np.ndarray
    labels: np.ndarray
    types: np.ndarray
    names: list[str]
    dropped: dict[str, int]
    named: list[str]
    where: str
    words: int = 0
    unk: int | None = None
    of_edges: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.span1)

    @property
    def records(self) -> int:
        """How many records there are."""
        return len(self.sentence)

    @property
    def sentences(self) -> np.ndarray:
        """int32 [records]: the sentence that each record is of."""
        return self.sentence if self.of_edges is None else self.of_edges

    @property
    def record(self) -> np.ndarray:
        """int64 [targets]: the record each target belongs to."""
        return np.repeat(np.arange(self.records), np.diff(self.splits))

    def renumbered(self, names: Sequence[str]) -> Examples:
        """The same with labels numbered by `names`, which has all of its own."""
        places = {name: place for place, name in enumerate(names)}
        of_old = np.array([places[name] for name in self.names], np.int32)
        return dataclasses.replace(self, labels=of_old[self.labels], names=list(names))

    def gold(self, targets: slice | np.ndarray = slice(None)) -> np.ndarray:
        """bool [targets, labels]: which labels each of these targets has."""
        rows = np.arange(len(self))[targets]
        out = np.zeros((len(rows), len(self.names)), bool)
        counts = np.diff(self.label_splits)[rows]
        out[np.repeat(np.arange(len(rows)), counts), self.labels[ranges(self.label_splits[:-1][rows], counts)]] = True
        return out

    def take(self, records: np.ndarray) -> Examples:
        """The Examples of some records, int [n]: the same sentences, these records' targets in this order."""
        sizes = np.diff(self.splits)[records]
        targets = ranges(self.splits[:-1][records], sizes)
        counts = np.diff(self.label_splits)[targets]
        return dataclasses.replace(
            self,
            sentence=self.sentence[records],
            of_edges=None if self.of_edges is None else self.of_edges[records],
            splits=np.concatenate([[0], np.cumsum(sizes)]),
            span1=self.span1[targets],
            span2=None if self.span2 is None else self.span2[targets],
            label_splits=np.concatenate([[0], np.cumsum(counts)]),
            labels=self.labels[ranges(self.label_splits[:-1][targets], counts)],
            types=self.types[targets],
        )


def ranges(first: ArrayLike, counts: ArrayLike) -> np.ndarray:
    """The ranges first[i] to first[i] + counts[i] - 1, end to end."""
    first, counts = np.asarray(first, np.int64), np.asarray(counts, np.int64)
    return np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)


def align(
    records: Iterable[Record],
    encoder: Encoder,
    task: Task,
    names: Sequence[str] | None = None,
    *,
    where: str | os.PathLike[str] = "",
) -> Examples:
    """Reads records into arrays of positions.

    Args:
        records: iterable of records.Record.
        encoder: an encoders.Encoder.
        task: a tasks.Task.
        names: list of str, every label there is; None for those that occur, in the order that they first occur in.
        where: the file, for errors.

    Returns:
        Examples. Records without targets are left out, as in the published study, and counted.

    Raises:
        UserError: a label is not in `names`, no target is left, or none has a label.
    """
    numbers = {name: i for i, name in enumerate(names or ())}
    known: dict[tuple[str, tuple[int, ...]], int] = {}
    payloads: list[np.ndarray] = []
    keys: list[bytes] = []
    # compact arrays: a corpus can have millions of targets
    sentence, sizes, span1, span2, label_sizes, labels = (array("i") for _ in range(6))
    types = array("q")
    dropped = dict.fromkeys((EMPTY, LONG, DELETED), 0)
    named: list[str] = []
    starts_of: list[np.ndarray] = []
    unk: list[int | None] = []
    for chunk in _chunks(records, 2048):
        sentences = ((record.text, record.glued) for record in chunk if record.targets)
        fresh = list(dict.fromkeys(sentence for sentence in sentences if sentence not in known))
        reads = encoder.read([text.split() for text, _ in fresh], [glued for _, glued in fresh])
        for (text, glued), read in zip(fresh, reads):
            known[text, glued] = len(payloads)
            payloads.append(read.payload)
            keys.append(read.key)
            starts_of.append(read.starts)
            if len(read.payload) > encoder.max_positions:
                dropped[LONG] += 1
                if len(named) < NAMED:
                    named.append(shorten(text, 60))
            dropped[DELETED] += read.unknown
            unk.append(read.unk)
        for record in chunk:
            if not record.targets:
                dropped[EMPTY] += 1
                continue
            number = known[record.text, record.glued]
            starts, words = starts_of[number], record.text.split()
            sentence.append(number)
            sizes.append(len(record.targets))
            for target in record.targets:
                span1.extend(int(starts[edge]) for edge in target.span1)
                if task.spans == 2:
                    assert target.span2 is not None  # `records.read` has seen to it
                    span2.extend(int(starts[edge]) for edge in target.span2)
                label_sizes.append(len(target.labels))
                for label in target.labels:
                    if label not in numbers:
                        if names is not None:
                            known_labels = f"one of {len(names)} known"
                            raise UserError(f"{where}: found the label {shorten(label)}, expected {known_labels}")
                        numbers[label] = len(numbers)
                    labels.append(numbers[label])
                types.append(_checksum(" ".join(words[slice(*target.span1)])))
    if not span1:
        raise UserError(f"{where}: found no target, expected records with some")
    if not labels:
        raise UserError(f"{where}: found no label in {len(label_sizes)} targets, expected some")
    return Examples(
        payloads=payloads,
        keys=keys,
        sentence=np.array(sentence, np.int32),
        splits=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        span1=np.array(span1, np.int32).reshape(-1, 2),
        span2=np.array(span2, np.int32).reshape(-1, 2) if task.spans == 2 else None,
        label_splits=np.concatenate([[0], np.cumsum(label_sizes)]).astype(np.int64),
        labels=np.array(labels, np.int32),
        types=np.array(types, np.int64),
        names=list(numbers),
        dropped={reason: count for reason, count in dropped.items() if count},
        named=named,
        where=str(where),
        words=sum(len(starts) - 1 for starts in starts_of),
        unk=None if None in unk else sum(number or 0 for number in unk),
    )


def edges(examples: Examples, limit: int) -> Examples:
    """Pairs of spans as positions of their own: what an encoder reads that says something of each pair.

    Args:
        examples: of a task of two spans.
        limit: positions that the encoder sees at once; records of longer sentences are left out and counted.

    Returns:
        Examples of one span, the place of the pair in its record. The payload of a record is int32 [pairs, 4 +
        positions of the sentence]: both spans, and the token ids, of each pair.

    Raises:
        UserError: all sentences are longer.
    """
    lengths = np.array([len(examples.payloads[number]) for number in examples.sentence], int)
    kept = examples.take(np.flatnonzero(lengths <= limit))
    if not len(kept):
        raise UserError(
            f"{examples.where}: found no sentence of at most {limit} positions, expected some: attention is read from "
            f"sentences that the encoder sees whole"
        )
    assert kept.span2 is not None
    spans = np.concatenate([kept.span1, kept.span2], 1)
    payloads = []
    for number, first, last in zip(kept.sentence, kept.splits, kept.splits[1:]):
        ids = np.broadcast_to(kept.payloads[number], (last - first, len(kept.payloads[number])))
        payloads.append(np.concatenate([spans[first:last], ids], 1))
    place = (np.arange(len(spans)) - np.repeat(kept.splits[:-1], np.diff(kept.splits))).astype(np.int32)
    dropped = {reason: count for reason, count in kept.dropped.items() if reason != LONG}
    if beyond := int((lengths > limit).sum()):
        dropped[BEYOND] = beyond
    return dataclasses.replace(
        kept,
        payloads=payloads,
        keys=[Sentence(payload, place[:0]).key for payload in payloads],
        sentence=np.arange(len(payloads), dtype=np.int32),
        of_edges=kept.sentence,
        span1=np.stack([place, place + 1], 1),
        span2=None,
        dropped=dropped,
        named=[],
    )


def unknown_words(unk: int, words: int) -> list[str]:
    """What is to be said of `unk` words of `words` that an encoder does not know: a line, and loud ones from a tenth
    on.
    """
    share = unk / max(words, 1)
    told = [f"{100 * share:.1f} % of {words} words have [UNK]"]
    if share >= LOUD:
        told += [
            f"*** {100 * share:.0f} % of the words have [UNK]: the encoder's vocabulary is not of this language or "
            f"script, and",
            "*** the figures say little of either. Probe with an encoder that knows these words.",
        ]
    return told


def _checksum(text: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little", signed=True
    )


def pieces(
    backend: Callable[[list[str]], list[list[int]]],
    words: Sequence[str],
    *,
    cls_id: int | None,
    sep_id: int | None,
    unk_id: int,
    cache: dict[WordOrPart, list[int]],
    glued: Collection[int] = (),
    continuations: Callable[[list[tuple[str, str]]], list[list[int]]] | None = None,
) -> Sentence:
    """Token ids of a sentence's words, each cut by itself.

    Args:
        backend: a function from a list of str to a list of lists of ids, without special tokens.
        words: list of str.
        cls_id, sep_id: ids put around; None for none.
        unk_id: what a word without any piece becomes.
        cache: a dict that keeps the pieces of words that were seen.
        glued: which words go on with the one before.
        continuations: like `backend`, of pairs of the character before a word and the word; None where pieces do not
            tell whether they begin a word.

    Returns:
        Sentence.
    """
    keys: list[WordOrPart] = list(words)
    if continuations is not None:
        for i in glued:
            keys[i] = words[i - 1][-1], words[i]
    new = [key for key in dict.fromkeys(keys) if key not in cache]
    if begun := [key for key in new if isinstance(key, str)]:
        cache.update(zip(begun, backend(begun)))
    if continuations is not None and (continued := [key for key in new if not isinstance(key, str)]):
        cache.update(zip(continued, continuations(continued)))
    rows = [cache[key] for key in keys]
    filled = [row or [unk_id] for row in rows]
    first = 0 if cls_id is None else 1
    starts = np.cumsum([first, *map(len, filled)]).astype(np.int32)
    around = ([] if cls_id is None else [cls_id], [] if sep_id is None else [sep_id])
    ids = np.array([*around[0], *(piece for row in filled for piece in row), *around[1]], np.int32)
    return Sentence(ids, starts, sum(not row for row in rows), sum(unk_id in row for row in filled))


def windows(length: int, limit: int, margin: int) -> list[tuple[int, int, int, int]]:
    """How a sequence too long for an encoder is encoded: overlapping windows, of which each gives its middle.

    Args:
        length: positions of the sequence, without special tokens.
        limit: positions of a window.
        margin: positions of context that a window reads at either inner end without giving them, at most a third of the
            limit.

    Returns:
        A list of (begin, end, first, last): the window reads positions begin to end - 1 and gives first to last - 1;
        what they give is every position once, in order.
    """
    if length <= limit:
        return [(0, length, 0, length)]
    margin = min(margin, limit // 3)  # a window gives something
    out, first = [], 0
    while first < length:
        begin = max(0, first - margin)
        end = min(length, begin + limit)
        begin = max(0, end - limit)
        last = length if end == length else end - margin
        out.append((begin, end, first, last))
        first = last
    return out


def _chunks(items: Iterable[Record], size: int) -> Iterator[list[Record]]:
    chunk = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
