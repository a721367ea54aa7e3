"""Labelled reviews: NSMC and the user's own TSV or CSV found, downloaded, verified, read, split; the bundled sample.

NSMC, the Naver sentiment movie corpus (https://github.com/e9t/nsmc, CC0), is 150,000 reviews to train on and 50,000 to
test on, half of them positive.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nsmc_bert import bundled
from nsmc_bert.base import text_files
from nsmc_bert.base.errors import Located, UserError, shorten

if TYPE_CHECKING:  # imported where it is used: predicting from a pipe starts without it
    import numpy as np


_LABELS = {"0": 0, "1": 1}
Problem = tuple[int, str, str]  # line, what was found, what was expected
Row = tuple[int, list[str]]  # line, columns


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled texts in the order of their file; its len() is their number.

    Attributes:
        texts: list of str.
        labels: int32 [n], 0 negative and 1 positive.
        path: the file they were read from.
        sha1: the checksum of that file's bytes, in hex.
        skipped: how many bad rows were passed over.
    """

    texts: list[str]
    labels: np.ndarray
    path: Path
    sha1: str
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.texts)


def read(
    path: str | os.PathLike[str],
    *,
    text_column: str = "document",
    label_column: str = "label",
    delimiter: str | None = None,
    skip_bad_rows: bool = False,
) -> Corpus:
    r"""Reads labelled texts from a table with a header line, UTF-8 with or without a byte order mark.

    With a tab between the columns, every line is one row and a quotation mark is a character like any other, as in
    NSMC. With another delimiter, columns may be quoted as in CSV and then hold line ends. Only "\n" or "\r\n" ends a
    line. A text may be empty; a line that is empty altogether is no row.

    Args:
        path: the file.
        text_column, label_column: names of the columns that are read; labels are 0 and 1.
        delimiter: the character between two columns. Default: a comma for .csv, a tab otherwise.
        skip_bad_rows: pass over rows with another number of columns than the header, another label, broken quoting or
            invalid UTF-8, and count them, instead of raising.

    Returns:
        Corpus.

    Raises:
        Located: what is wrong with the file, and on which line. A row of several lines is known by its first.
        UserError: the file cannot be opened, or `delimiter` is not one character.

    Example:
        >>> corpus = read("nsmc_bert/bundled/sample_test.tsv")
        >>> corpus.texts[0], corpus.labels[0]
        ('왜 칭찬받는지 1도 모르겠음 나만 이상해?', np.int32(0))
    """
    import numpy as np

    path = Path(os.path.expanduser(path))
    delimiter = _delimiter(path, delimiter)
    texts: list[str] = []
    labels: list[int] = []
    skipped = 0
    first: Problem | None = None
    with text_files.readable(path), open(path, "rb") as file, _unlimited_csv_fields():
        source = _Lines(file)
        rows = _plain_rows(source) if delimiter == "\t" else _quoted_rows(source, delimiter)
        header = _header(path, source, rows, text_column, label_column)
        text_at, label_at = header.index(text_column), header.index(label_column)
        for number, row in rows:
            problem, source.problem = source.problem, None
            if problem is None:
                if len(row) == len(header) and row[label_at] in _LABELS:
                    texts.append(row[text_at])
                    labels.append(_LABELS[row[label_at]])
                    continue
                if row in ([], [""]):
                    continue
                if len(row) != len(header):
                    found = "1 column" if len(row) == 1 else f"{len(row)} columns"
                    problem = number, found, f"{len(header)} as in the header line {shorten(header, 200)}"
                else:
                    problem = number, f"the label {shorten(row[label_at])}", "0 (negative) or 1 (positive)"
            if not skip_bad_rows:
                raise Located(path, *problem)
            skipped += 1
            first = first or problem
    if first and not texts:
        number, found, expected = first
        raise Located(path, number, f"{found}, and no good row in {skipped}", expected)
    if not texts:
        raise Located(path, None, "a header line and no rows", "one row a line below it")
    return Corpus(texts, np.array(labels, np.int32), path, source.sha1.hexdigest(), skipped)


def split(texts: Sequence[str], share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts texts at random into those to train on and those to validate on.

    A text that comes several times falls on one side with all its copies, so that no validation text was trained on.

    Args:
        texts: sequence of str.
        share: of the texts that are held out for validation, between 0 and 1.
        seed: of the random choice; the same texts, share and seed give the same parts.

    Returns:
        Row numbers to train on and to validate on, two int64 arrays, ascending. round(share * n) rows are held out, at
        least 1 and at most n - 1; where copies do not add up to that, fewer by less than one more text with its copies
        would be, or the rarest text alone where each has too many.

    Raises:
        UserError: `share` is not between 0 and 1, `seed` is negative, or there are no two different texts.
    """
    import numpy as np

    if not 0 < share < 1:
        raise UserError(f"found {share} as the share of reviews to validate on, expected more than 0 and less than 1")
    if seed < 0:
        raise UserError(f"found {seed} as the seed of the split, expected 0 or more")
    numbers: dict[str, int] = {}
    text_of = np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int64)
    if len(numbers) < 2:
        found = f"the same text {len(texts)} times" if len(texts) > 1 else f"{len(texts)} reviews"
        raise UserError(f"found {found}, expected at least 2 different ones, one to train on and one to validate on")
    copies = np.bincount(text_of)
    left = min(max(round(share * len(texts)), 1), len(texts) - 1)
    chosen = np.zeros(len(copies), bool)
    for text in np.random.Generator(np.random.PCG64(seed)).permutation(len(copies)):
        if copies[text] <= left:
            chosen[text] = True
            left -= copies[text]
            if not left:
                break
    if not chosen.any():
        chosen[copies.argmin()] = True
    held_out = chosen[text_of]
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def unseen(texts: Iterable[str], known: Iterable[str]) -> np.ndarray:
    """Which of n texts do not stand word for word in `known`: bool [n]."""
    import numpy as np

    seen = set(known)
    return np.array([text not in seen for text in texts], bool)


def sample() -> tuple[Corpus, Corpus]:
    """The bundled sample, a few hundred reviews written for this project: (train Corpus, test Corpus)."""
    return read(bundled.SAMPLE["train"]), read(bundled.SAMPLE["test"])


class _Lines:
    """Decodes a file's lines, ends included, and hashes its bytes on the way.

    Attributes:
        sha1: hash object of the bytes so far.
        problem: (line, found, expected) of the first bad line since the attribute was last set to None. A bad line is
            yielded too, so that the rows around it are still told apart.
    """

    def __init__(self, file: BinaryIO) -> None:
        import hashlib

        self._file = file
        self.sha1 = hashlib.sha1(usedforsecurity=False)
        self.problem: Problem | None = None

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._file, 1):
            self.sha1.update(line)
            if number == 1:
                text_files.check_text(self._file.name, line)
                line = line.removeprefix(text_files.BOM)
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                expected = text_files.utf8_expected(line, text_files.CONVERT)
                self.problem = self.problem or (number, text_files.invalid_utf8(error), expected)
                text = line.decode(errors="surrogateescape")
            yield text


def _plain_rows(source: _Lines) -> Iterator[Row]:
    """(line, columns) of each row without quoting."""
    for number, line in enumerate(source, 1):
        yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


def _quoted_rows(source: _Lines, delimiter: str) -> Iterator[Row]:
    """(first line, columns) of each row of a CSV; where it is a bad one by its quoting, `source.problem` says so.

    A stray quotation mark opens a column that takes in the lines up to the next one. Of such a row the first line alone
    is bad; the others are read again.
    """
    import csv

    numbered, width = _numbered(source), 0
    again: collections.deque[tuple[int, str, Problem | None]] = collections.deque()

    def take(taken: list[tuple[int, str, Problem | None]]) -> Iterator[str]:
        while line := again.popleft() if again else next(numbered, None):
            taken.append(line)
            yield line[1]

    while True:
        taken: list[tuple[int, str, Problem | None]] = []
        row: list[str] = []
        found = expected = ""
        try:
            row = next(csv.reader(take(taken), delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            # what follows the dash is advice to programmers
            found = f"broken CSV ({str(error).partition(' - ')[0]})"
            expected = 'a column that holds " or a line end to stand in "…", with each " in it doubled'
            if "unexpected end of data" in str(error):
                found, expected = "a quotation mark that is never closed", 'a second " at the end of the column'
        number = taken[0][0]
        width = width or len(row)
        if not found and len(taken) > 1 and len(row) != width:
            found = f"{len(row)} columns in {len(taken)} lines"
            expected = f"{width} as in the header line; is there a stray quotation mark?"
        if found:
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
        problems = [problem for _, _, problem in taken if problem]
        source.problem = problems[0] if problems else (number, found, expected) if found else None
        yield number, row


def _numbered(source: _Lines) -> Iterator[tuple[int, str, Problem | None]]:
    """(number, line, what is wrong with it) of each line."""
    for number, line in enumerate(source, 1):
        problem, source.problem = source.problem, None
        yield number, line, problem


@contextlib.contextmanager
def _unlimited_csv_fields() -> Iterator[None]:
    """Lifts the csv module's limit of 131,072 characters a column, which is global."""
    import csv

    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _header(path: Path, source: _Lines, rows: Iterator[Row], *columns: str) -> list[str]:
    """The first row, which has to hold each of `columns` once."""
    _, header = next(rows, (1, None))
    if header is None:
        expected = f"a header line with the columns {' and '.join(map(repr, columns))}, then one row a line"
        raise Located(path, None, "an empty file", expected)
    if source.problem:
        raise Located(path, *source.problem)
    for column in columns:
        if header.count(column) != 1:
            found = f"the columns {shorten(header, 200)}" if any(header) else "an empty line"
            advice = "text_column, label_column and delimiter say how a file is read"
            raise Located(path, 1, found, f"a header line with one column {column!r}; {advice}")
    return header


def _delimiter(path: Path, delimiter: str | None) -> str:
    if delimiter is None:
        return "," if path.suffix.lower() == ".csv" else "\t"
    if delimiter == "\\t":  # a tab as it is written on command lines
        return "\t"
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UserError(f"found {shorten(delimiter)} as the delimiter, expected one character, such as , or ;")
    return delimiter
