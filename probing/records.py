r"""Edge-probing records: sentences of words and labelled spans in them, as JSON lines in and out.

The format is the published one (Tenney et al. 2019; jiant's probing/README.md), so that its files are read as they are.
Those that were retokenized for one encoder, as ".retokenized." in a name or many pieces of words in a file say, are
refused: pieces are no words, and would be cut once more.
A line is a sentence:

    {"text": "Atmosphere is always fun", "info": {"source": "UD_English-EWT"},
     "targets": [{"span1": [0, 1], "span2": [3, 4], "label": "nsubj"}]}

Spans count the words of text.split() from 0, and their ends are exclusive. Tasks with one span have no span2. A label
is a string, or a list of strings where a target may have none or several. The labels of a task are those that its
records have.

Where words are parts of what is written in one, such as Korean particles, a key more than the published ones says which
are glued to the word before them. 고향은 좋다 in three words is

    {"text": "고향 은 좋다", "glued": [1], "info": {}, "targets": [{"span1": [1, 2], "label": "ADP"}]}
"""

import contextlib
import dataclasses
import io
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nsmc_bert.base import text_files
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.files import make_folder, write_atomically
from nsmc_bert.base.json_files import MAX_DEPTH, parse_line, too_deep

# of BERT's vocabularies, SentencePiece's, byte-level ones and GPT's, inside a sentence
_PIECE = re.compile(r"##\w|▁\w|Ġ\S|\S+</w>$")
# The share of a file's words from which on pieces are no words of its own: of BERT's, few of which begin with ##, and
# of few words, among which there may be a hash tag or two; of the others, of whose pieces nearly all are marked
_LEAST, _OF_FEW, _OF_OTHERS = 0.02, 0.1, 1 / 3
_MANY = 1000  # words
_WORDS = "words: this file was retokenized for one encoder; take the one without .retokenized in its name"
_EXAMPLE = (
    'one JSON object a line, such as {"text": "It works", "info": {}, "targets": [{"span1": [0, 1], "label": "PRP"}]}'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """One labelled span, or pair of spans, of a sentence.

    Attributes:
        span1: (start, end) in words, end exclusive.
        span2: likewise; None where the task has one span.
        labels: tuple of str, one for most tasks.
        info: what a source says of it; the height of a constituent, for example.
        rest: further keys of its JSON object, kept as they are.
    """

    span1: tuple[int, int]
    span2: tuple[int, int] | None
    labels: tuple[str, ...]
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    rest: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One sentence with its targets.

    Attributes:
        text: the words, with one space between each two.
        targets: tuple of Target; it may be empty.
        info: where the sentence is from.
        rest: further keys of its JSON object, kept as they are.
        glued: the words, from 1 on and ascending, that no white space parts from the one before where they are from.
    """

    text: str
    targets: tuple[Target, ...]
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    rest: dict[str, Any] = dataclasses.field(default_factory=dict)
    glued: tuple[int, ...] = ()

    @property
    def words(self) -> list[str]:
        """The words that spans count: text.split()."""
        return self.text.split()


def read(path: str | os.PathLike[str], spans: int | None, labels: Iterable[str] | None = None) -> Iterator[Record]:
    """Reads records one at a time.

    Args:
        path: JSON lines in UTF-8, with or without a byte order mark, plain or compressed (.gz, .xz). Empty lines are
            passed over.
        spans: how many spans each target has, 1 or 2.
        labels: the labels there are; None allows any.

    Yields:
        Record.

    Raises:
        Located: what is wrong, on which line. A target is known by its number in the sentence, from 1. Where many
            words are pieces of words the first one is named, perhaps after records were given.
        UserError: the file cannot be read, or its name says that it was retokenized.

    Example:
        >>> [target.labels for record in read("probing/bundled/dep.dev.jsonl", 2) for target in record.targets][:3]
        [('nsubj',), ('flat',), ('nmod:poss',)]
    """
    known = None if labels is None else frozenset(labels)
    if ".retokenized." in os.path.basename(path):
        raise UserError(f"{path}: found the name of a file that was retokenized, expected {_WORDS}")
    words, found = 0, _Pieces()
    for number, entry in _entries(path):
        try:
            record = _record(entry, spans, known)
        except _Bad as bad:
            raise Located(path, number, bad.found, bad.expected) from None
        yield record
        words += len(record.words)
        if found.add(record.text, number) and words >= _MANY:
            found.check(path, words)
    found.check(path, words)


def write(path: str | os.PathLike[str], records: Iterable[Record], multi_label: bool = False) -> int:
    """Writes records, as a whole or not at all: the file is the old one until it is the new one.

    What `read` read is written with the same content, save that a record without info gets an empty one, and that an
    empty info of a target is left out. Keys come in the order text, glued, info, targets and span1, span2, label, info.

    Args:
        path: the file; compressed where it ends in .gz or .xz. Its folder is made where there is none.
        records: iterable of Record.
        multi_label: write every label as a list. Otherwise one label is a string, and a list holds none or several.

    Returns:
        The number of records.

    Raises:
        UserError: the file cannot be written. What is raised by `records` passes through, and the old file stays.
    """
    path = Path(os.path.expanduser(path))
    number = 0

    def pour(part: Path) -> None:
        nonlocal number
        with _compressed(part, path.suffix) as file:
            for record in records:
                file.write(_line(record, multi_label))
                number += 1

    make_folder(path.parent)
    write_atomically(path, pour)
    return number


@contextlib.contextmanager
def _compressed(path: Path, suffix: str) -> Iterator[io.BufferedIOBase]:
    with open(path, "wb") as file:
        if suffix == ".gz":
            import gzip

            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:  # the same records give the same bytes
                yield packed
        elif suffix == ".xz":
            import lzma

            with lzma.open(file, "wb") as packed:
                yield packed
        else:
            yield file


class _Bad(Exception):
    """What is wrong with one line."""

    def __init__(self, found: str, expected: str) -> None:
        self.found, self.expected = found, expected


def _entries(path: str | os.PathLike[str]) -> Iterator[tuple[int, Any]]:
    """(line number, parsed JSON) of each line that is not empty."""
    for number, line in text_files.lines(path):
        if not line.strip():
            continue
        try:
            yield number, parse_line(line)
        except (ValueError, RecursionError) as error:
            found = f"no JSON ({error}): {shorten(line)}"
            raise Located(path, number, found, _EXAMPLE) from None


def _record(entry: Any, spans: int | None, known: Collection[str] | None) -> Record:
    if not isinstance(entry, dict):
        raise _Bad(shorten(entry), _EXAMPLE)
    text, targets = entry.get("text"), entry.get("targets")
    if not isinstance(text, str):
        found = f"the text {shorten(text)}" if "text" in entry else "no text"
        raise _Bad(found, 'a sentence as "text": its words with spaces between them')
    if not isinstance(targets, list):
        found = f"the targets {shorten(targets)}" if "targets" in entry else "no targets"
        raise _Bad(found, 'a list as "targets", [] where the sentence has none')
    length = len(text.split())
    return Record(
        text,
        tuple(_target(target, number, length, spans, known) for number, target in enumerate(targets, 1)),
        _info(entry, "the sentence"),
        {key: value for key, value in entry.items() if key not in ("text", "glued", "info", "targets")},
        _glued(entry, length),
    )


class _Pieces:
    """The pieces of words that a file's sentences have."""

    def __init__(self) -> None:
        self._counts = {True: 0, False: 0}  # by whether they are BERT's
        self._first: dict[bool, tuple[int, str]] = {}  # of either kind: its line, and the piece

    def add(self, text: str, line: int) -> bool:
        """Counts those of a sentence, but for its first word; returns whether there are any."""
        if not any(mark in text for mark in ("##", "▁", "Ġ", "</w>")):
            return False
        pieces = [word for word in text.split()[1:] if _PIECE.match(word)]
        for piece in pieces:
            kind = piece.startswith("##")
            self._counts[kind] += 1
            self._first.setdefault(kind, (line, piece))
        return bool(pieces)

    def check(self, path: str | os.PathLike[str], words: int) -> None:
        """Raises Located where too many of so many words are pieces."""
        for kind, count in self._counts.items():
            if count > words * ((_LEAST if words >= _MANY else _OF_FEW) if kind else _OF_OTHERS):
                line, piece = self._first[kind]
                raise Located(path, line, f"the word piece {shorten(piece)}, and {count} such of {words} words", _WORDS)


def _target(target: Any, number: int, length: int, spans: int | None, known: Collection[str] | None) -> Target:
    name = f"target {number}"
    if not isinstance(target, dict):
        raise _Bad(f"{name}: {shorten(target)}", 'an object, such as {"span1": [0, 1], "label": "PRP"}')
    span1, span2 = _span(target, "span1", name, length), None
    if target.get("span2") is not None:
        if spans == 1:
            raise _Bad(f"a span2 in {name}", "span1 alone: the task has one span; is this the file of another task?")
        span2 = _span(target, "span2", name, length)
    elif spans == 2:
        raise _Bad(f"no span2 in {name}", "span1 and span2: the task has two spans; is this the file of another task?")
    label = target.get("label")
    labels = (label,) if isinstance(label, str) else label
    if not isinstance(labels, (tuple, list)) or not all(isinstance(label, str) for label in labels):
        found = f"the label {shorten(label)}" if "label" in target else "no label"
        raise _Bad(f"{found} in {name}", "a string, or a list of strings")
    if known is not None:
        for label in labels:
            if label not in known:
                names = ", ".join(sorted(known)[:20]) + ", …" * (len(known) > 20)
                expected = f"one of the {len(known)} labels there are: {names}"
                raise _Bad(f"the label {shorten(label)} in {name}", expected)
    others = {key: value for key, value in target.items() if key not in ("span1", "span2", "label", "info")}
    return Target(span1, span2, tuple(labels), _info(target, name), others)


def _span(target: Mapping[str, Any], key: str, name: str, length: int) -> tuple[int, int]:
    span = target.get(key)
    if not (isinstance(span, list) and len(span) == 2 and type(span[0]) is int and type(span[1]) is int):
        found = f"{key} {shorten(span)}" if key in target else f"no {key}"
        raise _Bad(f"{found} in {name}", "two whole numbers, [first word, word after the last], words counted from 0")
    start, end = span
    if start >= end:
        kind = "empty" if start == end else "reversed"
        raise _Bad(
            f"the {kind} {key} {shorten(span)} in {name}",
            "a start below the end: ends are exclusive, [2, 3] is one word",
        )
    if start < 0 or end > length:
        expected = f"a span of the sentence's {length} words, from 0 to {length}; words are what white space parts"
        raise _Bad(f"{key} {shorten(span)} in {name}", expected)
    return start, end


def _glued(entry: Mapping[str, Any], length: int) -> tuple[int, ...]:
    glued = entry.get("glued")
    if glued is None:
        return ()
    if (
        not isinstance(glued, list)
        or any(type(word) is not int for word in glued)
        or any(not before < word < length for before, word in zip([0, *glued], glued))
    ):
        expected = f"ascending numbers of words from 1 to {max(length - 1, 1)}, those that continue the one before"
        raise _Bad(f"glued {shorten(glued)}", expected)
    return tuple(glued)


def _info(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    info = entry.get("info")
    if info is None:
        return {}
    if not isinstance(info, dict):
        raise _Bad(f"the info {shorten(info)} of {name}", 'an object, such as {"source": "GUM"}')
    if any(type(value) in (dict, list) and too_deep(value) for value in info.values()):
        raise _Bad(f"the info of {name}, nested deeper than {MAX_DEPTH}", 'an object, such as {"source": "GUM"}')
    return info


def _line(record: Record, multi_label: bool) -> bytes:
    targets = []
    for target in record.targets:
        entry: dict[str, Any] = {"span1": target.span1}
        if target.span2 is not None:
            entry["span2"] = target.span2
        entry["label"] = target.labels[0] if len(target.labels) == 1 and not multi_label else target.labels
        if target.info:
            entry["info"] = target.info
        targets.append({**entry, **target.rest})
    glued = {"glued": record.glued} if record.glued else {}
    entry = {"text": record.text, **glued, "info": record.info, "targets": targets, **record.rest}
    try:
        return json.dumps(entry, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can say and UTF-8 cannot
        return json.dumps(entry).encode() + b"\n"
