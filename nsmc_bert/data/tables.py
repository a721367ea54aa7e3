"""Tables as people have them: CSV, TSV, JSON lines, Parquet and Excel, plain or compressed, read row by row."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import itertools
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nsmc_bert.base import text_files
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import COMPRESSIONS, Stream
from nsmc_bert.data.binary_rows import (
    CellError,
    Formula,
    has_uncomputed,
    parquet_rows,
    seekable,
    sheet_rows,
    workbook,
    worksheets,
)
from nsmc_bert.data.columns import quoted, shorten_names
from nsmc_bert.data.rows import READ_QUOTED, Row, composed, in_quotes, padded, text_of
from nsmc_bert.data.text_rows import Lines, json_rows, plain_rows, quoted_rows

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
QUOTED_ROWS = 1000  # rows of a TSV that are looked at for quotation marks


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
                    self._rows = self._binary(seekable(stream, self.name, self._files), digest, layout.sheet)
                else:
                    self._rows = self._text(Lines(stream, self.name, layout.encoding, digest))
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
        self._with_quotes += any(map(in_quotes, row.values))

    @property
    def quoting(self) -> str:
        """Of a TSV what there is to say, once rows were read, of columns in quotation marks, which are read as they
        stand; or "". (Of NSMC's reviews 0.4 % are in quotation marks, and are published so.)
        """
        where = ""
        if self.format == "tsv" and any(map(in_quotes, self.columns)):
            where = "the columns' names"
        elif self._is_quoted_in_part():
            marked, looked_at = self._with_quotes + self._opened, self._looked_at + self._opened
            where = f"columns, as in {marked} of the first {looked_at} rows,"
        return f"quotation marks around {where} are taken as text; {READ_QUOTED} reads them as quoting" if where else ""

    def _is_quoted_in_part(self) -> bool:
        """Whether so many rows have cells in quotation marks, or one that is open, that these are no texts' own."""
        share = 0.03 * (self._looked_at + self._opened)
        return self._opened > share or self._with_quotes >= max(5, share)

    def _text(self, source: Lines) -> Iterator[Row]:
        readers = {"tsv": plain_rows, "csv": lambda lines: quoted_rows(lines, self.delimiter), "jsonl": json_rows}
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
        proposal = quoted((having or list(self.sheets))[0])
        raise UserError(
            f"{self.name}: found {len(self.sheets)} sheets, {each}{several}; which is to be read? --sheet={proposal}"
        )

    def _binary(self, file: BinaryIO, digest: hashlib._Hash | None, sheet: str) -> Iterator[Row]:
        if digest is not None:
            while piece := file.read(1 << 20):
                digest.update(piece)
            file.seek(0)
        if self.format == "parquet":
            self.schema, rows = parquet_rows(file, self.name)
            self.columns = list(self.schema.names)
            return rows
        self._workbook = workbook(file, self.name)
        if has_uncomputed(file, self.name):
            self._formulas = worksheets(file, self.name, data_only=False)
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
        rows = sheet_rows(self._workbook[title], self._formulas.get(title), self.name)
        first = next(rows, None)
        if first is None:
            return [], rows
        columns = self._named or [text_of(value) for value in first.values]
        return columns, padded(itertools.chain([first] if self._named else [], rows), len(columns))
