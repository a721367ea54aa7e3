"""The rows of Parquet files and of workbooks, by packages that only those have who asked for them."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import Stream
from nsmc_bert.data.rows import Row

WORKBOOK = "an Excel workbook"
MAX_UNPACKED = 1 << 32  # bytes of a workbook or of a Parquet file that came packed
_UNCOMPUTED = re.compile(rb"(</(\w+:)?f>|<(\w+:)?f\b[^<>]*/>)\s*(<(\w+:)?v\s*(/>|></)|</)")


def seekable(stream: Stream, name: str, files: contextlib.ExitStack) -> BinaryIO:
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


def parquet_rows(file: BinaryIO, name: str) -> tuple[Any, Iterator[Row]]:
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


def workbook(file: BinaryIO, name: str) -> dict[str, Any]:
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
    return worksheets(file, name, data_only=True)


def worksheets(file: BinaryIO, name: str, data_only: bool) -> dict[str, Any]:
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


def has_uncomputed(file: BinaryIO, name: str) -> bool:
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


def sheet_rows(sheet: Any, formulas: Any, name: str) -> Iterator[Row]:
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
