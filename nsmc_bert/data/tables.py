"""Tables as people have them: CSV, TSV, JSON lines, Parquet and Excel, plain or compressed, read row by row."""

from __future__ import annotations

import codecs
import collections
import contextlib
import dataclasses
import datetime
import glob
import importlib
import io
import itertools
import json
import os
import re
import sys
import tempfile
import unicodedata
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from nsmc_bert.base import json_files, system, text_files
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import BOM, COMPRESSIONS, MAX_LINE, Stream, Utf8

if TYPE_CHECKING:
    import hashlib

AUTO = "auto"  # the format is that of the file's ending
FORMATS = {  # and the endings of their files
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet", ".pq"),
    "xlsx": (".xlsx", ".xlsm", ".xls"),
}
STDIN = "-"
STDIN_NAME = "standard input"
WORKBOOK = "an Excel workbook"
MAX_UNPACKED = 1 << 32  # bytes of a workbook or of a Parquet file that came packed
MAX_LIST = 1 << 30  # bytes of a JSON file that is one list, which is read as a whole
SAMPLE = 100  # rows that a proposal is made from
ABOVE = 10  # rows among which the header is looked for where the first line is none
QUOTED_ROWS = 1000  # rows of a TSV that are looked at for quotation marks
READ_QUOTED = "--input_format=csv --delimiter='\\t'"
Problem = tuple[int, str, str]  # line, what was found, what was expected


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        line: its number: of the first of its lines, of a workbook's row, or in Parquet and a list of JSON of the row
            from 1.
        values: one for each of the table's columns: str in CSV and TSV, else what stands there, or None.
        problem: what makes it a bad row, or None.
        json: of JSON lines, the line as it stands; of a list, the object as a line.
        absent: of JSON lines, columns that its object has not.
        strange: of JSON lines, names in its object that are no columns: the first object did not have them.
    """

    line: int
    values: list[Any]
    problem: Problem | None = None
    json: str = ""
    absent: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Layout:
    """How tables are written, as far as their names and first bytes do not say it.

    Attributes:
        input_format: one of FORMATS; AUTO for that of the file's ending.
        delimiter: character between two columns of CSV; a tab makes it TSV, which has no quoting, unless
            `input_format` says that it is CSV. "" for the format's own.
        encoding: one of text_files.ENCODINGS, for text without a mark; "" for UTF-8.
        sheet: name of a workbook's sheet, or its number among those that are not hidden, from 1; "" for the one that
            holds rows or, of several, the one that has the columns; see `locate`.
        columns: names of the columns, in their order, of a table without a header line; () for one that has it.

    Raises:
        UserError: one of them is none.
    """

    input_format: str = AUTO
    delimiter: str = ""
    encoding: str = ""
    sheet: str = ""
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.input_format not in (AUTO, *FORMATS):
            raise UserError(f"--input_format={self.input_format}: expected one of {', '.join((AUTO, *FORMATS))}")
        delimiter = "\t" if self.delimiter == "\\t" else self.delimiter  # a tab as it is written on command lines
        if delimiter and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise UserError(f"found {shorten(delimiter)} as the delimiter, expected one character, such as , or ;")
        object.__setattr__(self, "delimiter", delimiter)
        object.__setattr__(self, "encoding", text_files.check_encoding(self.encoding))

    def of(self, path: str) -> tuple[str, str]:
        """(format, delimiter) of a file: of one whose ending says nothing TSV, unless there is a delimiter.

        Raises:
            UserError: standard input without a format.
        """
        name = self.input_format if self.input_format != AUTO else format_of(path)
        if path == STDIN and self.input_format == AUTO:
            raise UserError(
                f"{STDIN_NAME}: found no name that tells its format, expected --input_format=csv, tsv or jsonl"
            )
        if name in ("", "csv", "tsv"):
            delimiter = self.delimiter or ("," if name == "csv" else "\t")
            quoted = delimiter != "\t" or self.input_format == "csv"
            return ("csv" if quoted else "tsv"), delimiter
        if self.columns and name in ("jsonl", "parquet"):
            raise UserError(
                f"{path}: found --columns={','.join(self.columns)} for a table of {name}, which names its columns "
                "itself, expected CSV, TSV or Excel"
            )
        return name, ""


AS_NAMED = Layout()  # every file says by its name and its first bytes how it is written


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's ending names, compressed or not; "" where it is no table's.

    >>> format_of("orders.CSV.gz"), format_of("reviews.txt")
    ('csv', '')
    """
    name = Path(path).name.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return next((kind for kind, endings in FORMATS.items() if name.endswith(endings)), "")


def expand(names: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """The files that names stand for: each as it is or, where there is no such file, all that fit it as a pattern; in
    a single str also several with commas between them.

    Raises:
        UserError: no file fits a pattern, or standard input comes twice.

    Example:
        >>> expand("nsmc_bert/bundled/sample_t*.tsv")
        ['nsmc_bert/bundled/sample_test.tsv', 'nsmc_bert/bundled/sample_train.tsv']
    """
    if isinstance(names, (str, os.PathLike)):
        names = listed(os.path.expanduser(os.fspath(names)))
    paths: list[str] = []
    for given in names:
        name = os.path.expanduser(os.fspath(given))
        if os.path.exists(name) or not glob.has_magic(name):
            paths.append(name)
            continue
        fitting = sorted(path for path in glob.glob(name, recursive=True) if not os.path.isdir(path))
        if not fitting:
            raise UserError(f"{name}: found no file that fits, expected one or more")
        paths += fitting
    if paths.count(STDIN) > 1:
        raise UserError(f"found {STDIN_NAME} twice, expected it once")
    return paths


def listed(name: str) -> list[str]:
    """The names in a str with commas between them; one alone where there is such a file, or files that fit it."""
    return name.split(",") if "," in name and not os.path.exists(name) and not glob.glob(name) else [name]


class Table:
    """A table that is open: its columns, and as an iterable its rows, once and in bounded memory.

    A text file's first line names the columns, unless the layout does. With a tab between the columns, every line is
    one row and a quotation mark is a character like any other, as in NSMC, unless the layout's format is CSV. With
    another delimiter, columns may be quoted as in CSV and then hold line ends. Only "\\n" or "\\r\\n" ends a line. A
    line that is empty altogether is no row. JSON lines have the columns of their first object; instead of lines a file
    may hold one list of objects, which is read as a whole, up to MAX_LIST bytes. Of a workbook one sheet is read: the
    named one, or the first that is not hidden and holds rows, unless `locate` turns to another of these.

    Args:
        path: the file, or STDIN.
        layout: how it is written.
        digest: hash object that the content is added to, unpacked, up to what was read.

    Attributes:
        name: what errors call it.
        format: one of FORMATS.
        delimiter: of CSV and TSV.
        columns: their names; [] for an empty file.
        marked: whether the text was in UTF-16, in a named encoding, or had UTF-8's mark, as Excel writes and wants it.
        schema: of Parquet, the pyarrow.Schema.
        sheets: of a workbook, the columns of each sheet that may be meant, by its name.
        sheet: the name of the one that is read, of a workbook that has several; otherwise "".
        needed: places of the columns that `locate` found, without whose values a row is a bad one.
        note: what there is to say of the sheet that was chosen, or "".
        has_header: whether the table names its columns itself.

    Raises:
        Located: the header line cannot be read.
        UserError: the file cannot be read, it has no such sheet, or its format needs a package that is missing.

    Example:
        >>> with Table("nsmc_bert/bundled/sample_test.tsv") as table:
        ...     print(table.columns, next(iter(table)).values[1:])
        ['id', 'document', 'label'] ['왜 칭찬받는지 1도 모르겠음 나만 이상해?', '0']
    """

    def __init__(
        self, path: str | os.PathLike[str], layout: Layout = AS_NAMED, *, digest: hashlib._Hash | None = None
    ) -> None:
        given = os.path.expanduser(os.fspath(path))
        self.name = STDIN_NAME if given == STDIN else given
        self.format, self.delimiter = layout.of(given)
        self.schema: Any = None
        self.marked = False
        self.sheets: dict[str, list[str]] = {}
        self.sheet = ""
        self.needed: list[int] = []
        self.note = ""
        self.has_header = not layout.columns
        self._named = list(layout.columns)
        self._formulas: dict[str, Any] = {}
        self._looked_at = self._with_quotes = self._opened = 0
        self._files = contextlib.ExitStack()
        try:
            with text_files.readable(self.name):
                if given == STDIN:
                    stream: Stream = sys.stdin.buffer
                else:
                    stream = self._files.enter_context(text_files.decompressed(given))
                if self.format in ("parquet", "xlsx"):
                    self._rows = self._binary(_seekable(stream, self.name, self._files), digest, layout.sheet)
                else:
                    self._rows = self._text(_Lines(stream, self.name, layout.encoding, digest))
        except BaseException:
            self._files.close()
            raise

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def __iter__(self) -> Iterator[Row]:
        width = len(self.columns)
        with text_files.readable(self.name):
            for row in self._rows:
                if row.problem is None and self.format == "jsonl":
                    row = self._of_object(row)
                elif row.problem is None and len(row.values) != width:
                    if row.values in ([], [""]):
                        continue  # an empty line
                    found = "1 column" if len(row.values) == 1 else f"{len(row.values)} columns"
                    where = "in the header line" if self.has_header else "--columns names them,"
                    expected = f"{width} as {where} {shorten(self.columns, 200)}"
                    if self.format == "tsv" and any(re.fullmatch('"[^"]*', value) for value in row.values):
                        expected += f"; are columns in quotation marks? {READ_QUOTED}"
                        self._opened += 1
                    row = row._replace(problem=(row.line, found, expected))
                elif self.format == "tsv" and self._looked_at < QUOTED_ROWS:
                    self._look_at(row)
                elif self.format == "xlsx":
                    row = self._valued(row)
                yield row

    def _valued(self, row: Row) -> Row:
        """A row of a workbook, a bad one where a needed column has a formula without a value, or an error."""
        values = [None if isinstance(value, Formula) else value for value in row.values]
        problem = None
        for value in (row.values[at] for at in self.needed):
            if isinstance(value, Formula):
                expected = "values; Excel computes them where the file is opened and saved"
                problem = problem or (row.line, f"the formula {shorten(value)} without a value", expected)
            elif isinstance(value, CellError):
                problem = problem or (row.line, f"Excel's error {value}", "a value; correct the cell's formula")
        return Row(row.line, values, problem)

    def _look_at(self, row: Row) -> None:
        """Counts what shows that a TSV is quoted."""
        self._looked_at += 1
        self._with_quotes += any(map(_in_quotes, row.values))

    @property
    def quoting(self) -> str:
        """Of a TSV what there is to say, once rows were read, of columns in quotation marks, which are read as they
        stand; or "". (Of NSMC's reviews 0.4 % are in quotation marks, and are published so.)
        """
        where = ""
        if self.format == "tsv" and any(map(_in_quotes, self.columns)):
            where = "the columns' names"
        elif self._is_quoted_in_part():
            marked, looked_at = self._with_quotes + self._opened, self._looked_at + self._opened
            where = f"columns, as in {marked} of the first {looked_at} rows,"
        return f"quotation marks around {where} are taken as text; {READ_QUOTED} reads them as quoting" if where else ""

    def _is_quoted_in_part(self) -> bool:
        """Whether so many rows have cells in quotation marks, or one that is open, that these are no texts' own."""
        share = 0.03 * (self._looked_at + self._opened)
        return self._opened > share or self._with_quotes >= max(5, share)

    def _text(self, source: _Lines) -> Iterator[Row]:
        readers = {"tsv": _plain_rows, "csv": lambda lines: _quoted_rows(lines, self.delimiter), "jsonl": _json_rows}
        rows = readers[self.format](source)
        first = next(rows, None)
        self.marked = source.text.marked or bool(source.text.encoding)
        if first is None:
            self.columns = []
            return rows
        if first.problem and self.has_header:
            raise Located(self.name, *first.problem)
        if self.format == "jsonl":
            self.columns = list(first.values[0])
        else:
            self.columns = self._named or first.values or [""]
        return itertools.chain([first] if self._named or self.format == "jsonl" else [], rows)

    def _of_object(self, row: Row) -> Row:
        """A row whose one value is a JSON object, with the values of the columns instead."""
        whole = row.values[0]
        return row._replace(
            values=[whole.get(column) for column in self.columns],
            absent=tuple(column for column in self.columns if column not in whole),
            strange=tuple(whole.keys() - set(self.columns)),
        )

    def turn_to(self, names: Collection[str]) -> None:
        """Turns to the sheet that has these columns, where none was named and several sheets hold rows.

        Args:
            names: of columns; without any nobody can tell.

        Raises:
            UserError: several sheets have them, or none has.
        """
        if len(self.sheets) < 2:
            return
        wanted = set(map(composed, names))
        having = [sheet for sheet, columns in self.sheets.items() if wanted and wanted <= set(map(composed, columns))]
        if len(having) == 1:
            self.sheet = having[0]
            self.columns, self._rows = self._sheet(self.sheet)
            others = ", ".join(sheet for sheet in self.sheets if sheet != self.sheet)
            self.note = f"the sheet {self.sheet} is read, which alone has the columns; not read: {others}"
            return
        each = "; ".join(f"{sheet} with {shorten_names(columns, 80)}" for sheet, columns in self.sheets.items())
        named = " and ".join(map(repr, names))
        several = f", {len(having)} of them with {named}" if having else f", none of them with {named}" if names else ""
        proposal = _quoted((having or list(self.sheets))[0])
        raise UserError(
            f"{self.name}: found {len(self.sheets)} sheets, {each}{several}; which is to be read? --sheet={proposal}"
        )

    def _binary(self, file: BinaryIO, digest: hashlib._Hash | None, sheet: str) -> Iterator[Row]:
        if digest is not None:
            while piece := file.read(1 << 20):
                digest.update(piece)
            file.seek(0)
        if self.format == "parquet":
            self.schema, rows = _parquet(file, self.name)
            self.columns = list(self.schema.names)
            return rows
        self._workbook = _workbook(file, self.name)
        if _has_uncomputed(file, self.name):
            self._formulas = _worksheets(file, self.name, data_only=False)
        visible = [title for title, each in self._workbook.items() if each.sheet_state == "visible"]
        if sheet and sheet not in self._workbook:
            place = int(sheet) if re.fullmatch(r"[1-9]\d{0,5}", sheet, re.ASCII) else 0
            if not 1 <= place <= len(visible):
                found = f"the sheets {', '.join(visible)}"
                raise UserError(f"{self.name}: found {found}, expected one of them or its number in --sheet")
            sheet = visible[place - 1]
        opened = {title: self._sheet(title) for title in ([sheet] if sheet else visible)}
        self.sheets = {title: columns for title, (columns, _) in opened.items() if columns}
        first = next(iter(self.sheets), "")
        self.sheet = first if len(self._workbook) > 1 else ""
        self.columns, rows = opened[first] if self.sheets else ([], iter(()))
        return rows

    def _sheet(self, title: str) -> tuple[list[str], Iterator[Row]]:
        """(columns, rows below them) of a workbook's sheet."""
        rows = _sheet_rows(self._workbook[title], self._formulas.get(title), self.name)
        first = next(rows, None)
        if first is None:
            return [], rows
        columns = self._named or [text_of(value) for value in first.values]
        return columns, _padded(itertools.chain([first] if self._named else [], rows), len(columns))


def text_of(value: Any) -> str:
    """A value as text, as it stands in CSV: "" for one that is missing."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN, as pandas writes what is missing
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return str(value)


def text_at(row: Row, at: int, column: str) -> tuple[str, Problem | None]:
    """(text, what makes the row a bad one or None) of a row's column: numbers are texts, lists and objects are none."""
    if row.problem:
        return "", row.problem
    if row.absent and column in row.absent:
        return "", (row.line, f"no {column!r} in the object", "the names of the first line's object in each")
    value = row.values[at]
    if isinstance(value, str):
        return value, None
    if isinstance(value, (bool, dict, list)):
        # as pandas writes a frame unless it is told otherwise
        more = "; an object for each row, as pandas' to_json(orient='records') writes" * isinstance(value, dict)
        return "", (row.line, f"{shorten(value)} as {column!r}", f"a text{more}")
    if isinstance(value, bytes):  # of Parquet's binary columns, whose encoding nothing tells
        try:
            return value.decode("utf-8"), None
        except UnicodeDecodeError:
            return "", (row.line, f"bytes that are no UTF-8, {shorten(value)}, as {column!r}", "a text")
    return text_of(value), None


def locate(table: Table, wanted: Mapping[str, tuple[str, str]]) -> list[int]:
    """Where columns stand in a table.

    Args:
        table: of which nothing was read yet.
        wanted: {flag that names the column: (name, what it holds: "text", "label" or "rating")}; "" as a name for one
            that was not named.

    Raises:
        Located: a name is missing, and which it might be, or it comes twice.
        UserError: it is not known which sheet of a workbook is meant.
    """
    table.turn_to([name for name, _ in wanted.values() if name])
    spelt = {composed(column): column for column in table.columns}
    wanted = {
        flag: (name if name in table.columns else spelt.get(composed(name), name), held)
        for flag, (name, held) in wanted.items()
    }
    names = [name for name, _ in wanted.values() if name]
    if not table.columns:
        columns = " with the columns " + " and ".join(map(repr, names)) if names else ""
        raise Located(table.name, None, "an empty file", f"a header line{columns}, then one row a line")
    for name in names:
        if table.columns.count(name) > 1:
            raise Located(
                table.name, 1, f"the columns {shorten(table.columns, 200)}", f"a header line with one column {name!r}"
            )
    missing = {flag: held for flag, (name, held) in wanted.items() if name not in table.columns or not name}
    if missing:
        raise _unlocated(table, wanted, missing)
    table.needed = [table.columns.index(name) for name in names]
    return table.needed


def _unlocated(table: Table, wanted: Mapping[str, tuple[str, str]], missing: Mapping[str, str]) -> UserError:
    """What is wrong with a table that lacks columns, and what to do, by its first rows.

    Args:
        table: of which nothing was read yet.
        wanted: as in `locate`.
        missing: {flag: what it holds} of those that it lacks.
    """
    names = [name for name, _ in wanted.values() if name]
    if not any(table.columns):
        return Located(table.name, 1, "an empty line", "a header line that names the columns")
    if table.format in ("csv", "tsv") and (other := _other_delimiter(table)):
        found = f"{_counted(table.delimiter, len(table.columns) - 1)} but {_counted(*other)}"
        flag = "--delimiter='\\t'" if other[0] == "\t" else f"--delimiter='{other[0]}'"
        return Located(table.name, 1, f"{found} in the header line", f"columns; {flag}")
    columns = shorten_names(table.columns)
    lacking = [repr(name) for flag, (name, _) in wanted.items() if flag in missing and name]
    none = f", none of them {' or '.join(lacking)}" if lacking else ""
    if table.format == "tsv" and all(map(_in_quotes, table.columns)):
        return UserError(f"{table.name}:1: found the columns {columns}{none}; are they quoted? {READ_QUOTED}")
    first = list(itertools.islice(table, SAMPLE))
    has_lines = table.has_header and table.format in ("csv", "tsv", "xlsx")
    for row in first[:ABOVE]:
        if names and has_lines and set(map(composed, names)) <= {composed(text_of(value)) for value in row.values}:
            found = f"the header line with {' and '.join(map(repr, names))}"
            return Located(table.name, row.line, found, "it in the first line; delete the rows above it")
    rows = [row for row in first if row.problem is None]
    if len(table.columns) == 1 and len(rows) == len(first) and "label" in [held for _, held in wanted.values()]:
        return UserError(
            f"{table.name}:1: found one column, {columns}, expected a text and a label; texts without labels are for "
            "predict, or pretrain --data="
        )
    proposals, taken = [], set(names)
    for flag, held in missing.items():
        likely = _likely(table.columns, rows, held, taken)
        taken.add(likely)
        proposals.append(f"{flag}={_quoted(likely) if likely else 'NAME'}")
    which = f"which is the {' and which the '.join(missing.values())}? {' '.join(proposals)}"
    if has_lines and _is_data(table.columns, rows):
        numbers = any(_is_number_of(column, at, rows) for at, column in enumerate(table.columns))
        names_too = "" if numbers else f"; or {which}"
        which = f"is there no header line? {_names_proposed(table.columns, rows, wanted)}{names_too}"
    return UserError(f"{table.name}:1: found the columns {columns}{none}; {which}")


def composed(text: str) -> str:
    """What stands in a table as one types it: macOS takes the syllables of some apart, which looks the same."""
    return unicodedata.normalize("NFC", text)


_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LABEL = re.compile(r"-?(\d|10)(\.\d+)?|neg|negative|pos|positive|부정|긍정")
_LABEL_NAME = re.compile(r"label|라벨|레이블|rating|star|score|별|평점|점수|감정|감성|sentiment|긍정|긍부정")


def _counted(character: str, count: int) -> str:
    name = _NAMES.get(character, character)
    return f"{count or 'no'} {name}{'s' * (count > 1)}"


def _other_delimiter(table: Table) -> tuple[str, int] | None:
    """(character, how many) of what stands in a header line more often than what was to part its columns, or None."""
    header = "".join(table.columns)
    counts = {other: header.count(other) for other in _NAMES if other != table.delimiter}
    best = max(counts, key=lambda other: counts[other])
    return (best, counts[best]) if counts[best] > len(table.columns) - 1 else None


def _in_quotes(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] == '"'


_NUMBER = re.compile(r"-?\d+(\.\d+)?")
SENTENCE = 5  # words of what is rather a text than a column's name


def _is_data(columns: Sequence[str], rows: Sequence[Row]) -> bool:
    """Whether a table's first line is a row like those below it: with a number or a long text, where no column begins
    with digits below it and not there.
    """
    if list(columns) == [str(place) for place in range(len(columns))]:  # as pandas names columns without a name
        return False
    for at, column in enumerate(columns):
        below = [value for row in rows if (value := text_of(row.values[at]).strip())]
        if below and all(value[0].isdigit() for value in below) and not column.strip()[:1].isdigit():
            return False
    return any(_NUMBER.fullmatch(column.strip()) or len(column.split()) >= SENTENCE for column in columns)


def _is_number_of(column: str, at: int, rows: Sequence[Row]) -> bool:
    """Whether what stands in the first line of a column is a number like those below it."""
    below = [text_of(row.values[at]).strip() for row in rows]
    return bool(rows and _NUMBER.fullmatch(column.strip()) and all(map(_NUMBER.fullmatch, below)))


def _names_proposed(columns: Sequence[str], rows: Sequence[Row], wanted: Mapping[str, tuple[str, str]]) -> str:
    """The flags that read a table without a header line: names of its columns, and which of them is which."""
    rows = [Row(1, list(columns)), *rows]
    places = [f"column{place}" for place in range(1, len(columns) + 1)]
    names, more = list(places), ""
    for flag, (name, held) in wanted.items():
        likely = _likely(places, rows, held, [place for place in places if place not in names])
        name, given = (held, "") if not name or name in columns else (name, name)
        if likely:
            names[places.index(likely)] = name
            more += f" {flag}={name}" * (name != given)
    return f"--columns={','.join(map(_quoted, names))}{more}"


def _likely(columns: Sequence[str], rows: Sequence[Row], held: str, taken: Iterable[str]) -> str:
    """The column whose values look most like texts, or like labels or ratings; "" for none."""
    scores = {}
    for at, column in enumerate(columns):
        values = [text_of(row.values[at]) for row in rows]
        different = set(filter(None, values))
        if column in taken or columns.count(column) > 1 or not column or not different:
            continue
        if held == "text":
            scores[column] = sum(len(re.findall(r"[^\W\d_]", value)) for value in different) / len(values)
        else:
            # at most a dozen labels, and numbers that are ratings; a name may say that it is them
            spelt, name = [composed(value.strip()).casefold() for value in values], composed(column).casefold()
            labelled = sum(bool(_LABEL.fullmatch(value)) for value in spelt) / len(values)
            scores[column] = labelled * (len(different) <= 12) + 0.5 * bool(_LABEL_NAME.search(name))
    best = max(scores, key=lambda column: scores[column], default="")
    return best if best and scores[best] > (0 if held == "text" else 0.5) else ""


def shorten_names(columns: Sequence[str], limit: int = 200) -> str:
    """Columns' names with commas between them, so many characters of them."""
    names = ", ".join(name if name.isprintable() and name.strip() == name != "" else repr(name) for name in columns)
    return names if len(names) <= limit else names[: limit - 1] + "…"


def _quoted(name: str) -> str:
    """A name as one types it on a command line."""
    return name if re.fullmatch(r"[\w.-]+", name) else "'" + name.replace("'", "'\\''") + "'"


class _Lines:
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


def _plain_rows(source: _Lines) -> Iterator[Row]:
    """The rows of a table without quoting."""
    for number, line in enumerate(source, 1):
        problem, source.problem = source.problem, None
        # Python's csv module ends lines in \r\n, of which a file of Windows that is open as text makes \r\r\n
        yield Row(number, line.removesuffix("\n").rstrip("\r").split("\t"), problem)


def _json_rows(source: _Lines) -> Iterator[Row]:
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


def _quoted_rows(source: _Lines, delimiter: str) -> Iterator[Row]:
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


def _seekable(stream: Stream, name: str, files: contextlib.ExitStack) -> BinaryIO:
    """The file itself or, of what is unpacked or comes through a pipe, a temporary copy."""
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO) and stream.seekable():
        return stream  # type: ignore[return-value]
    copy = files.enter_context(tempfile.TemporaryFile())
    while piece := stream.read(1 << 20):
        if copy.tell() + len(piece) > MAX_UNPACKED:
            raise UserError(f"{name}: found more than {MAX_UNPACKED >> 30} GiB unpacked, expected less")
        copy.write(piece)
    copy.seek(0)
    return copy  # type: ignore[return-value]


def package(name: str, path: str | os.PathLike[str]) -> Any:
    """A module of a package that reads or writes a format, and that only those have who asked for it.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        needed = name.partition(".")[0]
        raise UserError(f"{path}: needs {needed}, which is not installed: {system.install(needed)}") from None


@contextlib.contextmanager
def _others_errors(name: str, kind: str) -> Iterator[None]:
    """Turns what pyarrow and openpyxl raise, which can be anything, into a UserError."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{name}: cannot be read as {kind} ({reason})") from None


def _parquet(file: BinaryIO, name: str) -> tuple[Any, Iterator[Row]]:
    """(pyarrow.Schema, rows) of a Parquet file, read row group by row group."""
    parquet = package("pyarrow.parquet", name)
    kind = "Parquet"
    with _others_errors(name, kind):
        opened = parquet.ParquetFile(file)
        schema = opened.schema_arrow

    def rows() -> Iterator[Row]:
        number = 0
        with _others_errors(name, kind):
            batches = opened.iter_batches(batch_size=1024)
        while True:
            with _others_errors(name, kind):
                batch = next(batches, None)
                if batch is None:
                    return
                columns = [column.to_pylist() for column in batch.columns]
            for values in zip(*columns):
                number += 1
                yield Row(number, list(values))

    return schema, rows()


def _workbook(file: BinaryIO, name: str) -> dict[str, Any]:
    """The sheets of a workbook by their names, as openpyxl has them; those of charts are none."""
    start = file.read(1000)
    file.seek(0)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise UserError(f"{name}: found an old Excel workbook, or one with a password, expected .xlsx; save it as that")
    _check_no_text(start, name)
    package("openpyxl", name)
    with _others_errors(name, WORKBOOK):
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_UNPACKED:
            raise UserError(f"{name}: found more than {MAX_UNPACKED >> 30} GiB unpacked, expected less")
    return _worksheets(file, name, data_only=True)


def _worksheets(file: BinaryIO, name: str, data_only: bool) -> dict[str, Any]:
    """The sheets of a workbook by their names, with the values of formulas or with these themselves."""
    file.seek(0)
    with _others_errors(name, WORKBOOK), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is no data: styles, validation
        opened = package("openpyxl", name).load_workbook(file, read_only=True, data_only=data_only)
        return {each.title: each for each in opened.worksheets}


class Formula(str):
    """A formula of a workbook whose value nobody has computed: its text."""


class CellError(str):
    """What Excel shows in place of a value that cannot be computed, such as #NAME? of a text that begins with =."""


_UNCOMPUTED = re.compile(rb"(</(\w+:)?f>|<(\w+:)?f\b[^<>]*/>)\s*(<(\w+:)?v\s*(/>|></)|</)")


def _has_uncomputed(file: BinaryIO, name: str) -> bool:
    """Whether a workbook has formulas without values, as openpyxl and other libraries write them."""
    with _others_errors(name, WORKBOOK), zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if "worksheets/" in entry.filename:
                end = b""
                with archive.open(entry) as part:
                    while piece := part.read(1 << 20):
                        if _UNCOMPUTED.search(end + piece):
                            return True
                        end = piece[-1000:]
    return False


def _check_no_text(start: bytes, name: str) -> None:
    """Raises a UserError where a file that is called a workbook is text: many programs write that for Excel to open."""
    for encoding in ("utf-16",) if start.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8", "cp949"):
        with contextlib.suppress(UnicodeDecodeError):
            text = codecs.getincrementaldecoder(encoding)().decode(start, False).lstrip("\ufeff \r\n")
            break
    else:
        return
    if re.match(r"<(!doctype|html|head|meta|style|table|\?xml)\b", text, re.IGNORECASE):
        found, what = "a page of HTML or XML", "open it in Excel and save it as .xlsx"
        raise UserError(f"{name}: found {found}, expected an Excel workbook; {what}")
    line, end, _ = text.partition("\n")
    if not start.startswith(b"PK") and (end or "\t" in line) and "\0" not in text:
        form = "tsv" if "\t" in line else "csv"
        more = " --encoding=cp949" * (encoding == "cp949")
        expected = f"an Excel workbook; --input_format={form}{more} reads it, or save it as .xlsx"
        raise UserError(f"{name}: found text, expected {expected}")


def _sheet_rows(sheet: Any, formulas: Any, name: str) -> Iterator[Row]:
    """The rows of a workbook's sheet that hold anything, without the empty cells at their ends.

    Args:
        sheet: with values.
        formulas: the same with formulas, where some may have no value; or None.
        name: what errors call the workbook.
    """
    with _others_errors(name, WORKBOOK):
        for each in filter(None, (sheet, formulas)):
            each.reset_dimensions()  # what a file says of its size would be filled up with empty cells
        rows = sheet.iter_rows()
        others = formulas.iter_rows() if formulas else None
    while True:
        with _others_errors(name, WORKBOOK):
            cells = next(rows, None)
            if cells is None:
                return
            values = list(map(_value, cells, next(others))) if others else [_shown(cell) for cell in cells]
        while values and values[-1] is None:
            values.pop()
        if values:
            yield Row(cells[len(values) - 1].row, values)


def _value(cell: Any, formula: Any) -> Any:
    """A cell's value as it is shown or, of one that nobody has computed, the Formula; Excel's own may come to ""."""
    if cell.value is None and cell.data_type != "str" and formula.data_type == "f":
        return Formula(getattr(formula.value, "text", formula.value))
    return _shown(cell)


def _shown(cell: Any) -> Any:
    """A cell's value; a whole number that is shown with zeros before it, such as a customer's, as it is shown; text
    without the escapes in which a workbook writes what XML cannot say, such as _x000D_; an error as a CellError.
    """
    if cell.data_type == "e" and cell.value is not None:
        return CellError(cell.value)
    if isinstance(cell.value, str) and "_x" in cell.value:
        return re.sub("_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), cell.value)
    if type(cell.value) is int and cell.value >= 0 and re.fullmatch(r"0{2,40}", cell.number_format or ""):
        return str(cell.value).zfill(len(cell.number_format))
    return cell.value


def _padded(rows: Iterable[Row], width: int) -> Iterator[Row]:
    for row in rows:
        yield row._replace(values=row.values + [None] * (width - len(row.values)))
