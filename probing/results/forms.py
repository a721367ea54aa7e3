"""Tables as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence

from probing.results import published
from probing.results.tables import Figure, Report, Table


def text(table: Table, width: int = 0) -> str:
    """A table in aligned columns.

    Args:
        table: tables.Table.
        width: columns of a terminal that a line may take: a wider table is parted, each part with the first columns,
            which name its lines; 0 for any number.
    """
    widths = [max(map(_width, column)) for column in zip(*table.rows)]
    return "\n\n".join(
        "\n".join(
            "  ".join(line[place] + " " * (widths[place] - _width(line[place])) for place in places).rstrip()
            for line in table.rows
        )
        for places in _parts(widths, table.keys, width)
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


def markdown(table: Table) -> str:
    """A table in Markdown."""
    rows = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in table.rows]
    body = [f"| {row} |" for row in rows]
    return "\n".join([body[0], "|---" * len(table.header) + "|", *body[1:]])


def latex(table: Table) -> str:
    """A table in LaTeX, with booktabs."""
    body = [" & ".join(_escaped(cell) for cell in line) + r" \\" for line in table.rows]
    head = [rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}", r"\toprule", body[0], r"\midrule"]
    return "\n".join([*head, *body[1:], r"\bottomrule", r"\end{tabular}"])


FORMS: dict[str, Callable[[Table], str]] = {"text": text, "markdown": markdown, "latex": latex}


def terminal_width() -> int:
    """The columns of the terminal that standard output is, or that COLUMNS tells; 0 where it is none."""
    return shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 0


def draw(report: Report, form: str = "text", names: Collection[str] | None = None, width: int = 0) -> str:
    """Tables of a report and its notes below them.

    Args:
        report: tables.Report.
        form: a key of FORMS.
        names: of the tables; None for all.
        width: columns that a line of text may take; see `text`.
    """
    tables = [table for table in report.tables if names is None or table.name in names]
    notes = [_escaped(line) if form == "latex" else line for line in report.notes(names)]
    if form == "text" and width:
        notes = [line for note in notes for line in textwrap.wrap(note, width)]
    drawn = [text(table, width) if form == "text" else FORMS[form](table) for table in tables]
    return "\n\n".join([*drawn, *(["\n".join(notes)] if notes else [])])


def rows_csv(table: Table) -> str:
    """A table as CSV."""
    return _csv(table.rows)


def figures_csv(report: Report) -> str:
    """Every figure of a report on a line of its own, in percent; where the report is of the whole published table, also
    the published ones beside which there is none.
    """
    header = ["row", "encoder", "representation", "f1", "low", "high", "published", "inside", "seeds", "split"]
    lines: list[Sequence] = [[*header, "corpus", "note"]]
    for figure in report.figures:
        values = (figure.value, *figure.interval, figure.published)
        lines.append(
            [
                *figure.key,
                *("" if value is None else f"{100 * value:.2f}" for value in values),
                {None: "", True: "yes", False: "no"}[figure.inside],
                figure.seeds,
                figure.split,
                figure.corpus,
                "; ".join(filter(None, (figure.why_not, figure.unlike))),
            ]
        )
    if report.whole:
        run = {figure.key for figure in report.figures}
        for key, value in published.f1().items():
            if key not in run:
                lines.append([*key, "", "", "", f"{100 * value:.2f}", "", "", "", "", "not run"])
    return _csv(lines)


def gains_csv(gains: Iterable[Figure]) -> str:
    """What tables.gains returned as CSV, in percent."""
    lines: list[Sequence] = [
        ["row", "representation", "after - before", "low", "high", "seeds", "split", "corpus", "note"]
    ]
    for figure in gains:
        values = [f"{100 * value:.2f}" for value in (figure.value, *figure.interval)]
        lines.append(
            [figure.row, figure.representation, *values, figure.seeds, figure.split, figure.corpus, figure.unlike]
        )
    return _csv(lines)


def _width(text: str) -> int:
    """The columns of a terminal that a text takes: two for a Hangul syllable, none for an accent."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _csv(lines: Iterable[Sequence]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().rstrip("\n")


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    return "".join("\\" + c if c in "&%$#_{}" else special.get(c, c) for c in text)
