"""One self-contained HTML page of a study, and its plots as files: python -m probing.report RUNS --page=FOLDER

The page needs no network.
"""

from __future__ import annotations

import html
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsmc_bert.base import html_pages
from probing.results import forms
from probing.results.layers import Layers, centre_of_gravity
from probing.results.result import Result
from probing.results.tables import MAIN, Figure, Report

PUBLISHED = "In brackets the published figure of the same encoder."


HEADINGS = {  # of the tables below the main one, and the notes under them
    "gains": ("Before and after", "F1 after less F1 before, in points, paired."),
    "layers": ("Layers", PUBLISHED),
    "controls": (
        "Controls and description length",
        "Selectivity is F1 over all labels less the control task's; description length is the online code's. "
        "Differences are paired, with 95 % intervals.",
    ),
    "sentence": ("One sentence through the layers", "The most likely label at each span, and its probability."),
}


def write(folder: Path, report: Report) -> list[Path]:
    """Writes the page, the tables and the plots; returns their paths.

    Raises:
        UserError: matplotlib is missing, or the folder cannot be written.
    """
    pictures = draw(report)
    files = {"report.html": page(report, pictures)}
    for ending, form in (("txt", "text"), ("md", "markdown"), ("tex", "latex")):
        below = "".join(f"\n{line}" for line in report.wanting)
        files[f"table.{ending}"] = f"{forms.draw(report, form)}{below}\n"
    files["table.csv"] = forms.figures_csv(report) + "\n"
    for name in ("layers", "controls"):
        if table := report.table(name):
            files[f"{name}.csv"] = forms.rows_csv(table) + "\n"
    if report.gains:
        files["gains.csv"] = forms.gains_csv(report.gains) + "\n"
    return html_pages.write(folder, files, pictures)


def page(report: Report, pictures: html_pages.Pictures, *, title: str = "What the encoder knows") -> str:
    """The page.

    Args:
        report: tables.Report.
        pictures: what `draw` returned.
        title: its heading.
    """
    body = [_introduction(report.results)]
    for name, (caption, images) in pictures.items():
        body += [f"<h2>{html.escape(name)}</h2>", html_pages.picture(name, caption, images)]
    if table := report.table("table"):
        body += ["<h2>The table</h2>", html_pages.plain(table.rows, PUBLISHED)]
    body += [f'<p class="note">{html.escape(line)}</p>' for line in [*report.notes(), *report.wanting]]
    for name, (heading, note) in HEADINGS.items():
        if table := report.table(name):
            header = ["row", "encoder", *table.header[2:]] if name == "layers" else table.header
            body += [f"<h2>{heading}</h2>", html_pages.plain([header, *table.lines], note)]
    body += ["<h2>Figures</h2>", _figures(report.figures)]
    commands = "\n".join(html.escape(command) for command in _commands(report.results))
    body += ["<h2>Commands</h2>", f"<pre>{commands}</pre>"]
    return html_pages.document(title, body)


def _commands(results: Iterable[Result]) -> list[str]:
    report = " ".join(["python -m probing.report", *map(shlex.quote, sys.argv[1:])])
    return [*dict.fromkeys(result.command for result in results), report]


def _introduction(results: Sequence[Result]) -> str:
    encoders = dict.fromkeys(f"{result.encoder} (layer 0: {result.layer0})" for result in results)
    corpora = dict.fromkeys(result.corpus for result in results)
    return (
        f"<p>Edge probing: small classifiers over the frozen layers of {html.escape(' and '.join(encoders))}, trained "
        f"on {html.escape(', '.join(corpora))}. F1 in percent, by the rules of the published table, means over seeds; "
        f"intervals are 95&nbsp;% bootstrap intervals over sentences and seeds.</p>"
    )


def _figures(figures: Sequence[Figure]) -> str:
    """The table of all figures, which can be sorted."""
    several = len({figure.encoder for figure in figures}) > 1
    compared = any(figure.published is not None for figure in figures)
    remarked = any(figure.marked or figure.unlike for figure in figures)
    heads = ["row", *["encoder"] * several, "representation", "F1", "interval"]
    heads += [*["published", "measured - published"] * compared, "seeds", "data", *["remarks"] * remarked]
    rows = [_figure(order, figure, several, compared, remarked) for order, figure in enumerate(figures)]
    note = "A published figure in colour lies outside the interval. " * compared
    note += "A heading sorts; the command that made a figure shows where the pointer rests on it."
    return html_pages.table(heads, rows) + f'<p class="note">{note}</p>'


def _figure(order: int, figure: Figure, several: bool, compared: bool, remarked: bool) -> str:
    """A row of that table."""
    low, high = (100 * edge for edge in figure.interval)
    cells = [
        f'<td data-key="{order}">{html.escape(figure.row)}</td>',
        _short_cell(figure.encoder) * several,
        f'<td class="text">{html.escape(figure.representation)}</td>',
        f'<td title="{html.escape(figure.command)}">{100 * figure.value:.1f}</td>',
        f'<td data-key="{figure.interval[0]:.4f}">{low:.1f} to {high:.1f}</td>',
    ]
    if compared:
        known = figure.published
        out = "out" if figure.inside is False else ""
        cells.append(f'<td class="{out}">{"" if known is None else f"{100 * known:.1f}"}</td>')
        cells.append(f"<td>{'' if known is None else f'{100 * (figure.value - known):+.1f}'}</td>")
    cells += [f"<td>{figure.seeds}</td>", _short_cell(figure.corpus, f", {figure.split}")]
    if remarked:
        remarks = "; ".join(filter(None, (figure.why_not * figure.marked, figure.unlike)))
        cells.append(f'<td class="text note">{html.escape(remarks)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _short_cell(name: str, behind: str = "") -> str:
    return f'<td class="text" title="{html.escape(name)}">{html.escape(html_pages.short(name))}{behind}</td>'


def draw(report: Report) -> html_pages.Pictures:
    """The plots there is something to draw for."""
    every = report.layers
    return html_pages.draw(
        [  # name, caption, what it is drawn of, how
            (
                "Tasks and representations",
                "F1 by task and representation, with 95 % intervals; a short line is the published figure of the "
                "same cell.",
                [figure for figure in report.figures if figure.representation in MAIN],
                _bars,
            ),
            (
                "From layer to layer",
                "F1 on dev: solid, probes that mix layers 0 to k; dashed, probes of layer k alone.",
                [layers for layers in every if layers.cumulative is not None or layers.single is not None],
                _curves,
            ),
            (
                "Tasks by layers",
                "F1 on dev of probes of one layer, in percent; darker is nearer to the task's best layer.",
                [layers for layers in every if layers.single is not None],
                _heat,
            ),
            (
                "Mixing weights",
                "Mixing weights softmax(w) of the probes that mix all layers; the triangle is their centre of gravity.",
                [layers for layers in every if layers.shares is not None and len(layers.shares) > 1],
                _weights,
            ),
            (
                "Before and after",
                "F1 after less F1 before, in points, with 95 % intervals, paired.",
                report.gains,
                _gains,
            ),
        ]
    )


def _bars(plt: Any, cells: Sequence[Figure]) -> Any:
    encoders = list(dict.fromkeys(cell.encoder for cell in cells))
    rows = list(dict.fromkeys(cell.row for cell in cells))
    figure, axes = plt.subplots(len(encoders), 1, figsize=(9, 0.8 + 2.8 * len(encoders)), squeeze=False, sharex=True)
    for axis, encoder in zip(axes[:, 0], encoders):
        mine = [cell for cell in cells if cell.encoder == encoder]
        names = [name for name in MAIN if any(cell.representation == name for cell in mine)]
        width = 0.8 / len(names)
        for number, name in enumerate(names):
            these = [cell for cell in mine if cell.representation == name]
            x = np.array([rows.index(cell.row) for cell in these]) + (number - (len(names) - 1) / 2) * width
            y = np.array([100 * cell.value for cell in these])
            around = np.abs(100 * np.array([cell.interval for cell in these]).T - y)
            edge = plt.rcParams["text.color"]
            axis.bar(x, y, width * 0.92, yerr=around, label=name, capsize=2, ecolor=edge, error_kw={"elinewidth": 1})
            beside = [(place, 100 * cell.published) for place, cell in zip(x, these) if cell.published is not None]
            if beside:
                edges = zip(*((place - width / 2, place + width / 2) for place, _ in beside))
                axis.hlines([value for _, value in beside], *edges, linewidth=2, color="C3", zorder=3)
        low = min(100 * cell.interval[0] for cell in mine)
        axis.set_ylim(max(0, low - 8), 100)
        splits = dict.fromkeys(cell.split for cell in mine)
        axis.set_title(f"{html_pages.short(encoder)}, {' and '.join(splits)}", loc="left")
        axis.set_ylabel("F1, %")
        axis.legend(ncols=len(names), frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xticks(range(len(rows)), rows, rotation=30, ha="right")
    return figure


def _grid(plt: Any, count: int, height: float) -> tuple[Any, Any]:
    columns = min(count, 3)
    figure, axes = plt.subplots(
        -(-count // columns), columns, figsize=(3.1 * columns, height * -(-count // columns)), squeeze=False
    )
    for axis in axes.ravel()[count:]:
        axis.axis("off")
    figure.subplots_adjust(hspace=0.6, wspace=0.3)
    return figure, axes.ravel()


def _curves(plt: Any, every: Sequence[Layers]) -> Any:
    tasks = list({layers.task.name: layers.task for layers in every}.values())
    figure, axes = _grid(plt, len(tasks), 2.2)
    for axis, task in zip(axes, tasks):
        for number, layers in enumerate(layers for layers in every if layers.task is task):
            colour, name = f"C{number}", html_pages.short(layers.encoder)
            if layers.cumulative is not None:
                axis.plot(100 * layers.cumulative, "o-", color=colour, markersize=3, label=name)
            if layers.single is not None:
                label = None if layers.cumulative is not None else name
                axis.plot(100 * layers.single, "s--", color=colour, markersize=3, label=label)
        axis.set_title(task.title)
        axis.set_xlabel("layer")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("F1, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="lower left", bbox_to_anchor=(0.1, 0.95), ncols=len(labels))
    return figure


def _heat(plt: Any, every: Sequence[Layers]) -> Any:
    singles = [layers.single for layers in every if layers.single is not None]
    size = max(map(len, singles))
    values = np.full((len(every), size), np.nan)
    for row, single in enumerate(singles):
        values[row, : len(single)] = 100 * single
    shade = values - np.nanmax(values, 1, keepdims=True)
    figure, axis = plt.subplots(figsize=(1.8 + 0.6 * size, 0.8 + 0.4 * len(every)))
    shown = axis.imshow(shade, aspect="auto", cmap="Blues", vmin=np.nanmin(shade), vmax=0)
    middle = (np.nanmin(shade) + 0) / 2
    for (row, layer), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if shade[row, layer] > middle else "black"
            axis.text(layer, row, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=7)
    encoders = len({layers.encoder for layers in every})
    names = [layers.task.title + (", " + html_pages.short(layers.encoder)) * (encoders > 1) for layers in every]
    axis.set_yticks(range(len(every)), names)
    axis.set_xticks(range(size))
    axis.set_xlabel("layer")
    figure.colorbar(shown, label="below the best layer")
    return figure


def _weights(plt: Any, every: Sequence[Layers]) -> Any:
    figure, axes = _grid(plt, len(every), 1.9)
    for axis, layers in zip(axes, every):
        shares = np.asarray(layers.shares)
        axis.bar(range(len(shares)), shares)
        axis.plot([centre_of_gravity(shares)], [0], "^", color="C3", clip_on=False, markersize=8)
        axis.set_title(f"{layers.task.title}\n{html_pages.short(layers.encoder)}", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _gains(plt: Any, gained: Sequence[Figure]) -> Any:
    rows = list(dict.fromkeys(cell.row for cell in gained))
    figure, axes = _grid(plt, len(rows), 2.2)
    for axis, row in zip(axes, rows):
        mine = [cell for cell in gained if cell.row == row]
        y = np.array([100 * cell.value for cell in mine])
        around = np.abs(100 * np.array([cell.interval for cell in mine]).T - y)
        axis.errorbar(range(len(mine)), y, yerr=around, fmt="o", capsize=3)
        axis.axhline(0, color=plt.rcParams["text.color"], linewidth=0.8)
        axis.set_xticks(range(len(mine)), [cell.representation for cell in mine], rotation=45, ha="right")
        axis.set_title(f"{row}, {mine[0].split}")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("points of F1")
    return figure
