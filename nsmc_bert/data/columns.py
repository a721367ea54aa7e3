"""Which of a table's columns are meant, and which they might be where none has the name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.data.rows import READ_QUOTED, Row, composed, in_quotes, text_of

if TYPE_CHECKING:
    from nsmc_bert.data.tables import Table

SAMPLE = 100  # rows that a proposal is made from
ABOVE = 10  # rows among which the header is looked for where the first line is none
SENTENCE = 5  # words of what is rather a text than a column's name
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LABEL = re.compile(r"-?(\d|10)(\.\d+)?|neg|negative|pos|positive|부정|긍정")
_LABEL_NAME = re.compile(r"label|라벨|레이블|rating|star|score|별|평점|점수|감정|감성|sentiment|긍정|긍부정")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


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
    if table.format == "tsv" and all(map(in_quotes, table.columns)):
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
        proposals.append(f"{flag}={quoted(likely) if likely else 'NAME'}")
    which = f"which is the {' and which the '.join(missing.values())}? {' '.join(proposals)}"
    if has_lines and _is_data(table.columns, rows):
        numbers = any(_is_number_of(column, at, rows) for at, column in enumerate(table.columns))
        names_too = "" if numbers else f"; or {which}"
        which = f"is there no header line? {_names_proposed(table.columns, rows, wanted)}{names_too}"
    return UserError(f"{table.name}:1: found the columns {columns}{none}; {which}")


def _counted(character: str, count: int) -> str:
    name = _NAMES.get(character, character)
    return f"{count or 'no'} {name}{'s' * (count > 1)}"


def _other_delimiter(table: Table) -> tuple[str, int] | None:
    """(character, how many) of what stands in a header line more often than what was to part its columns, or None."""
    header = "".join(table.columns)
    counts = {other: header.count(other) for other in _NAMES if other != table.delimiter}
    best = max(counts, key=lambda other: counts[other])
    return (best, counts[best]) if counts[best] > len(table.columns) - 1 else None


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
    return f"--columns={','.join(map(quoted, names))}{more}"


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


def quoted(name: str) -> str:
    """A name as one types it on a command line."""
    return name if re.fullmatch(r"[\w.-]+", name) else "'" + name.replace("'", "'\\''") + "'"
