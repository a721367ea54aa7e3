"""The rows of tables that are text: CSV, TSV and JSON lines."""

from __future__ import annotations

import collections
import contextlib
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nsmc_bert.base import json_files, text_files
from nsmc_bert.base.errors import Located, shorten
from nsmc_bert.base.text_files import BOM, MAX_LINE, Stream, Utf8
from nsmc_bert.data.rows import Problem, Row

if TYPE_CHECKING:
    import hashlib

MAX_LIST = 1 << 30  # bytes of a JSON file that is one list, which is read as a whole


class Lines:
    """Decodes a stream's lines, ends included, and hashes its bytes on the way.

    Attributes:
        name: what errors call the stream.
        text: the stream as UTF-8.
        takes_list: whether a stream that begins with a bracket is one line, up to MAX_LIST bytes.
        problem: (line, found, expected) of the first bad line since the attribute was last set to None. A bad line is
            yielded too, so that the rows around it are still told apart.
    """

    def __init__(self, stream: Stream, name: str, encoding: str = "", digest: hashlib._Hash | None = None) -> None:
        self.name, self.text = name, Utf8(stream, encoding, digest)
        self.problem: Problem | None = None
        self.takes_list = False

    def __iter__(self) -> Iterator[str]:
        lines = self.text.lines(MAX_LINE + 1)
        for number, line in enumerate(lines, 1):
            if number == 1:
                text_files.check_text(self.name, line)
                line = line.removeprefix(BOM)
            if number == 1 and self.takes_list and line.lstrip().startswith(b"["):
                line = self._whole(line, lines)
            elif len(line) > MAX_LINE:
                raise Located(
                    self.name, number, f"more than {MAX_LINE:,} bytes without an end of line", "text in lines"
                )
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                problem = (number, *text_files.undecodable(line, error, self.text.encoding))
                self.problem = self.problem or problem
                text = line.decode(errors="surrogateescape")
            yield text

    def _whole(self, first: bytes, lines: Iterable[bytes]) -> bytes:
        """All lines as one."""
        pieces, size = [first], len(first)
        for piece in lines:
            pieces.append(piece)
            size += len(piece)
            if size > MAX_LIST:
                found = f"a list of more than {MAX_LIST:,} bytes"
                raise Located(self.name, 1, found, "one JSON object a line; jq -c '.[]' makes such lines of a list")
        return b"".join(pieces)


def plain_rows(source: Lines) -> Iterator[Row]:
    """The rows of a table without quoting."""
    for number, line in enumerate(source, 1):
        problem, source.problem = source.problem, None
        # Python's csv module ends lines in \r\n, of which a file of Windows that is open as text makes \r\r\n
        yield Row(number, line.removesuffix("\n").rstrip("\r").split("\t"), problem)


def json_rows(source: Lines) -> Iterator[Row]:
    """Rows with one value each, an object: of lines, or of one list."""
    expected = "one JSON object a line, or one list of objects"
    source.takes_list = True
    for number, line in enumerate(source, 1):
        problem, source.problem = source.problem, None
        line = line.strip()
        if not line:
            continue
        value: Any = None
        if problem is None:
            try:
                value = json_files.parse_line(line)
            except (ValueError, RecursionError) as error:
                problem = number, f"no valid JSON ({error})", expected
        if number == 1 and isinstance(value, list) and value:
            for place, each in enumerate(value, 1):
                problem = _no_object(place, each, "an object, as each of the list")
                yield Row(place, [each], problem, json="" if problem else json.dumps(each, ensure_ascii=False))
            return
        yield Row(number, [value], problem or _no_object(number, value, expected), json=line)


def _no_object(number: int, value: Any, expected: str) -> Problem | None:
    """What keeps a value from being a row."""
    if not isinstance(value, dict):
        return number, shorten(value), expected
    if json_files.too_deep(value):
        return number, f"an object nested deeper than {json_files.MAX_DEPTH}", expected
    return None


def quoted_rows(source: Lines, delimiter: str) -> Iterator[Row]:
    """The rows of a CSV.

    A stray quotation mark opens a column that takes in the lines up to the next one. Of such a row the first line alone
    is bad; the others are read again.
    """
    import csv

    numbered, width = _numbered(source), 0
    again: collections.deque[tuple[int, str, Problem | None]] = collections.deque()

    def take(taken: list[tuple[int, str, Problem | None]]) -> Iterator[str]:
        size = 0
        while size <= MAX_LINE and (line := again.popleft() if again else next(numbered, None)):
            taken.append(line)
            size += len(line[1])
            yield line[1]

    while True:
        taken: list[tuple[int, str, Problem | None]] = []
        values: list[str] = []
        found = expected = ""
        try:
            with _unlimited_csv_fields():
                values = next(csv.reader(take(taken), delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            # what follows the dash is advice to programmers
            found = f"broken CSV ({str(error).partition(' - ')[0]})"
            expected = 'a column that holds " or a line end to stand in "…", with each " in it doubled'
            if "unexpected end of data" in str(error):
                found, expected = "a quotation mark that is never closed", 'a second " at the end of the column'
        number = taken[0][0]
        width = width or len(values)
        if not found and len(taken) > 1 and len(values) != width:
            found = f"{len(values)} columns in {len(taken)} lines"
            expected = f"{width} as in the header line; is there a stray quotation mark?"
        if found:
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
        problems = [problem for _, _, problem in taken if problem]
        yield Row(number, values, problems[0] if problems else (number, found, expected) if found else None)


def _numbered(source: Lines) -> Iterator[tuple[int, str, Problem | None]]:
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
