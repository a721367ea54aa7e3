"""Tables as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence

from nsmc_bert.base import text_tables
from probing.results import published
from probing.results.tables import Figure, Report, Table


def text(table: Table, width: int = 0) -> str:
    """A table in aligned columns, parted where it is wider than `width` columns of a terminal; 0 for any number."""
    return text_tables.aligned(table.rows, table.keys, width)


def markdown(table: Table) -> str:
    """A table in Markdown."""
    return text_tables.markdown(table.rows)


def latex(table: Table) -> str:
    """A table in LaTeX, with booktabs."""
    body = [" & ".join(_escaped(cell) for cell in line) + r" \\" for line in table.rows]
    head = [rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}", r"\toprule", body[0], r"\midrule"]
    return "\n".join([*head, *body[1:], r"\bottomrule", r"\end{tabular}"])


FORMS: dict[str, Callable[[Table], str]] = {"text": text, "markdown": markdown, "latex": latex}


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


def _csv(lines: Iterable[Sequence]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().rstrip("\n")


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    return "".join("\\" + c if c in "&%$#_{}" else special.get(c, c) for c in text)
