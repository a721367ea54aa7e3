"""Tables written row by row, in the formats that tables reads: what was read with columns added, or columns alone."""

from __future__ import annotations

import abc
import contextlib
import datetime
import decimal
import itertools
import json
import math
import os
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import BOM
from nsmc_bert.data.binary_rows import package
from nsmc_bert.data.columns import shorten_names
from nsmc_bert.data.rows import Row, text_of
from nsmc_bert.data.tables import FORMATS, Table

BATCH = 4096  # rows of a Parquet file that are written together
SHEET_ROWS, CELL_CHARACTERS = 1 << 20, 32767  # what a workbook holds


def format_to_write(path: str) -> str:
    """The format that a file to write has by its ending; "" for none."""
    return next((kind for kind, endings in FORMATS.items() if path.lower().endswith(endings[0])), "")


def writer(
    file: BinaryIO, name: str | os.PathLike[str], form: str, source: Table | None, added: Sequence[str]
) -> Writer:
    """What writes a table.

    Args:
        file: where to, open for writing.
        name: what errors call it.
        form: one of tables.FORMATS.
        source: the table whose rows are written, or None.
        added: names of the columns beside those of `source`: the first is text, as is the last where there is no
            source, and those between are numbers.

    Raises:
        UserError: the format needs a package that is missing, or cannot hold these columns.
    """
    return _WRITERS[form](file, str(name), source, added)


class Writer(abc.ABC):
    """Writes the rows of a table; a context that ends it, where nothing went wrong in it."""

    def __init__(self, file: BinaryIO, name: str, source: Table | None, added: Sequence[str]) -> None:
        self._file, self._name, self._source, self._added = file, name, source, list(added)
        self._columns = [*(source.columns if source else []), *added]
        self._begin()

    def write(self, row: Row, added: Sequence[Any]) -> None:
        """Writes a row of the source, with a value for each of the columns that are added.

        Names in an object that are no columns are written where objects are written as they were, and nowhere else.
        """
        self._write([*row.values, *added], row)

    def flush(self) -> None:
        """Hands on what was written, as far as the format allows."""
        self._file.flush()

    def close(self) -> None:
        """Ends the table; the file stays open."""
        self._file.flush()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _abandon(self) -> None:  # noqa: B027  only some formats hold what has to be let go
        """Lets go of what a table holds that will not be ended."""

    @abc.abstractmethod
    def _begin(self) -> None:
        """Writes what comes before the rows."""

    @abc.abstractmethod
    def _write(self, values: list[Any], row: Row) -> None:
        """Writes one row."""

    def _mark(self) -> None:
        """Writes UTF-8's mark, without which Excel takes a file for CP949, where the source came from there."""
        source, is_file = self._source, self._name.lower().endswith((".csv", ".tsv"))
        if source and (source.marked or source.format == "xlsx" and is_file):
            self._file.write(BOM)

    def _print(self, line: str) -> None:
        # a lone surrogate is a valid review and no valid output
        self._file.write((line + "\n").encode("utf-8", "replace"))

    def _check_columns(self) -> None:
        twice = sorted({column for column in self._columns if self._columns.count(column) > 1})
        if twice:
            raise UserError(f"{self._name}: found the column {shorten_names(twice)} twice, expected it once; .csv can")


class _Csv(Writer):
    """Quoted where it has to be; with the delimiter of the source, but no tab in what is called .csv."""

    def _begin(self) -> None:
        self._delimiter = self._source.delimiter if self._source and self._source.format == "csv" else ","
        if self._delimiter == "\t" and self._name.lower().endswith(".csv"):
            self._delimiter = ","
        self._special = re.compile(f'[{re.escape(self._delimiter)}"\\r\\n]|^\ufeff')
        self._mark()
        self._print(self._delimiter.join(map(self._quoted, self._columns)))

    def _quoted(self, value: Any) -> str:
        text = text_of(value)
        return '"' + text.replace('"', '""') + '"' if self._special.search(text) else text

    def _write(self, values: list[Any], row: Row) -> None:
        self._print(self._delimiter.join(map(self._quoted, values)))


class _Tsv(Writer):
    """Without quoting: of tabs and line ends in a value come spaces."""

    def _begin(self) -> None:
        self._mark()
        self._print("\t".join(map(self._flat, self._columns)))

    def _flat(self, value: Any) -> str:
        return re.sub(r"\t|\r?\n", " ", text_of(value))

    def _write(self, values: list[Any], row: Row) -> None:
        self._print("\t".join(map(self._flat, values)))


class _JsonLines(Writer):
    """An object a line; what was read as an object stays as it was written, and names are added to it."""

    def _begin(self) -> None:
        self._check_columns()

    def write(self, row: Row, added: Sequence[Any]) -> None:
        if not row.json:
            self._write([*row.values, *added], row)
            return
        inside = row.json.strip()[1:-1].rstrip()
        more = json.dumps(dict(zip(self._added, added)), ensure_ascii=False)
        self._print("{" + inside + (", " if inside.strip() else "") + more[1:])

    def _write(self, values: list[Any], row: Row) -> None:
        whole = dict(zip(self._columns, map(self._plain, values)))
        self._print(json.dumps(whole, ensure_ascii=False, default=text_of))

    def _plain(self, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None if math.isnan(value) else text_of(value)
        return value


class _Parquet(Writer):
    """Of Parquet the columns keep their types; of other formats they are text. What is added is text or double."""

    def _begin(self) -> None:
        self._check_columns()
        self._arrow = arrow = package("pyarrow", self._name)
        schema = self._source.schema if self._source else None
        if schema is None:
            names = self._source.columns if self._source else []
            schema = arrow.schema([arrow.field(name, arrow.string()) for name in names])
        self._typed = self._source is not None and self._source.format == "parquet"
        kept = len(schema)
        for place, name in enumerate(self._added):
            is_text = place == 0 or self._source is None and place == len(self._added) - 1
            schema = schema.append(arrow.field(name, arrow.string() if is_text else arrow.float64()))
        self._schema, self._kept = schema, kept
        self._rows: list[list[Any]] = []
        self._out = package("pyarrow.parquet", self._name).ParquetWriter(self._file, schema)

    def _write(self, values: list[Any], row: Row) -> None:
        if not self._typed:
            kept = [None if value is None else _clean(text_of(value)) for value in values[: self._kept]]
            values = kept + values[self._kept :]
        self._rows.append([_clean(value) if isinstance(value, str) else value for value in values])
        if len(self._rows) == BATCH:
            self._put()

    def _put(self) -> None:
        if not self._rows:
            return
        try:
            arrays = [self._arrow.array(column, field.type) for column, field in zip(zip(*self._rows), self._schema)]
            self._out.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        except (self._arrow.ArrowException, TypeError, ValueError) as error:
            raise UserError(f"{self._name}: cannot be written as Parquet ({error}); .csv can") from None
        self._rows.clear()

    def flush(self) -> None:
        """Nothing: a row group is written when it is full."""

    def close(self) -> None:
        self._put()
        self._out.close()

    def _abandon(self) -> None:
        with contextlib.suppress(Exception):  # or it would be ended later, into a file that is closed
            self._out.close()


class _Workbook(Writer):
    """One sheet; text stays text, whatever it begins with. What XML cannot say is escaped as Excel does, _x000D_."""

    def _begin(self) -> None:
        openpyxl = package("openpyxl", self._name)
        self._cell = package("openpyxl.cell", self._name).WriteOnlyCell
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("Sheet1")
        self._count = itertools.count(1)
        self._write(self._columns, Row(1, []))

    def _write(self, values: list[Any], row: Row) -> None:
        number = next(self._count)
        if number > SHEET_ROWS:
            raise UserError(f"{self._name}: found more than {SHEET_ROWS:,} rows, which no sheet holds; write .csv")
        self._sheet.append([self._made(value, number) for value in values])

    def _made(self, value: Any, number: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float, decimal.Decimal)) and -(1 << 53) <= value <= 1 << 53:  # NaN is not
            return value
        if isinstance(value, datetime.date) and value.year >= 1900 and getattr(value, "tzinfo", None) is None:
            return value
        text = _clean(text_of(value))
        if len(text) > CELL_CHARACTERS:
            raise UserError(
                f"{self._name}: found in row {number} a value of {len(text):,} characters, which no sheet holds; write "
                ".csv or .parquet"
            )
        cell = self._cell(self._sheet, value=None)
        cell.data_type = "s"  # no formula, and no error
        # `value` would cut what the escapes make longer
        cell._value = _ESCAPED.sub(lambda match: f"_x{ord(match[0]):04X}_", text)
        return cell

    def flush(self) -> None:
        """Nothing: a workbook is written when it ends."""

    def close(self) -> None:
        self._book.save(self._file)

    def _abandon(self) -> None:
        with contextlib.suppress(Exception):  # its temporary file may be what went wrong
            self._sheet.close()


# also the line that begins what a reader would take for such an escape
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_WRITERS: dict[str, type[Writer]] = {
    "csv": _Csv,
    "tsv": _Tsv,
    "jsonl": _JsonLines,
    "parquet": _Parquet,
    "xlsx": _Workbook,
}


def _clean(text: str) -> str:
    """Text without lone surrogates, which UTF-8 does not have."""
    return text.encode("utf-8", "replace").decode("utf-8")
