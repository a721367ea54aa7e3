"""Tables of words as text in aligned columns, and as Markdown."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], keys: int = 1, width: int = 0) -> str:
    """Rows of cells in aligned columns.

    Args:
        rows: the header and the lines, all of one length.
        keys: how many of the first columns say what a line is of.
        width: columns of a terminal that a line may take: a wider table is parted, each part with the first `keys`
            columns; 0 for any number.
    """
    widths = [max(map(columns, cells)) for cells in zip(*rows)]
    return "\n\n".join(
        "\n".join(
            "  ".join(line[place] + " " * (widths[place] - columns(line[place])) for place in places).rstrip()
            for line in rows
        )
        for places in _parts(widths, keys, width)
    )


def _parts(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """The columns of each part of a table: the first `keys`, and at least one more."""
    first = list(range(keys))
    parts = [list(first)]
    for place in range(keys, len(widths)):
        line = [*parts[-1], place]
        if width and len(parts[-1]) > keys and sum(widths[at] + 2 for at in line) - 2 > width:
            parts.append(list(first))
        parts[-1].append(place)
    return parts


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the header first, as a table of Markdown."""
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    head, *body = [f"| {line} |" for line in lines]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def one_line(text: str) -> str:
    """A text in one line without tabs, as a cell or a line of a list has it."""
    # a lone surrogate is a valid review and no valid output
    text = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(text.splitlines()).replace("\t", " ")


def columns(text: str) -> int:
    """The columns of a terminal that a text takes: two for a Hangul syllable, none for an accent."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def terminal_width() -> int:
    """The columns of the terminal that standard output is; 0 where it is none."""
    return shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
