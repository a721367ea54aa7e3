"""Rows of tables, and the text in their cells."""

from __future__ import annotations

import datetime
import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from nsmc_bert.base.errors import shorten

Problem = tuple[int, str, str]  # line, what was found, what was expected
READ_QUOTED = "--input_format=csv --delimiter='\\t'"


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


def composed(text: str) -> str:
    """What stands in a table as one types it: macOS takes the syllables of some apart, which looks the same."""
    return unicodedata.normalize("NFC", text)


def in_quotes(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] == '"'


def padded(rows: Iterable[Row], width: int) -> Iterator[Row]:
    for row in rows:
        yield row._replace(values=row.values + [None] * (width - len(row.values)))
