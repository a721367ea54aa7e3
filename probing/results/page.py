"""One self-contained HTML page of a study, and its plots as files: python -m probing.report RUNS --page=FOLDER

The page needs no network.
"""

import html
import shlex
import sys

import numpy as np

from nsmc_bert.base import html_pages
from probing.results import layers
from probing.tasks import TASKS

PUBLISHED = "In brackets the published figure of the same encoder."
MAIN = ("lex", "cat", "mix", "full")


def page(found, tables, below, results, pictures, *, title="What the encoder knows"):
    """The page, str.

    Args:
        found: list of report.Cell.
        tables: {"table", "layers", "controls", "gains", "said": header and lines of each, [] for none}: see
            report.write.
        below: lines of text, what the tables do not compare and what was not run.
        results: as from report.load, for the commands.
        pictures: what `draw` returned.
    """
    body = [_introduction(results)]
    for name, (caption, images) in pictures.items():
        body += [f"<h2>{html.escape(name)}</h2>", html_pages.picture(name, caption, images)]
    body += ["<h2>The table</h2>", html_pages.plain(tables["table"], PUBLISHED)]
    body += [f'<p class="note">{html.escape(line)}</p>' for line in below]
    for name, heading, note in (
        ("gains", "Before and after", "F1 after less F1 before, in points, paired."),
        ("layers", "Layers", PUBLISHED),
        (
            "controls",
            "Controls and description length",
            "Selectivity is F1 over all labels less the control task's; description length is the online code's.",
        ),
        ("said", "One sentence through the layers", "The most likely label at each span, and its probability."),
    ):
        if lines := tables[name]:
            head = ["row", "encoder", *lines[0][2:]] if name == "layers" else lines[0]
            body += [f"<h2>{heading}</h2>", html_pages.plain([head, *lines[1:]], note)]
    body += ["<h2>Figures</h2>", _cells(found)]
    body += ["<h2>Commands</h2>", "<pre>{}</pre>".format("\n".join(html.escape(c) for c in _commands(results)))]
    return html_pages.document(title, body)


def _commands(results):
    report = " ".join(["python -m probing.report", *map(shlex.quote, sys.argv[1:])])
    return [*dict.fromkeys(result["command"] for result in results), report]


def _introduction(results):
    encoders = dict.fromkeys("{} (layer 0: {})".format(r["encoder"], r["layer0"]) for r in results)
    corpora = dict.fromkeys(r["data"]["name"] for r in results)
    return (
        "<p>Edge probing: small classifiers over the frozen layers of {}, trained on {}. F1 in percent, by the rules "
        "of the published "
        "table, means over seeds; intervals are 95&nbsp;% bootstrap intervals over sentences and seeds.</p>".format(
            html.escape(" and ".join(encoders)), html.escape(", ".join(corpora))
        )
    )


def _cells(found):
    several = len({cell.encoder for cell in found}) > 1
    compared, remarked = (
        any(cell.published is not None for cell in found),
        any(cell.marked or cell.unlike for cell in found),
    )
    heads = ["row", *["encoder"] * several, "representation", "F1", "interval"]
    heads += [*["published", "measured - published"] * compared, "seeds", "data", *["remarks"] * remarked]
    rows = []
    for order, cell in enumerate(found):
        beside, difference = (
            ("", "")
            if cell.published is None
            else ("%.1f" % (100 * cell.published), "%+.1f" % (100 * (cell.value - cell.published)))
        )
        rows.append(
            "<tr>{}</tr>".format(
                "".join(
                    [
                        '<td data-key="%d">%s</td>' % (order, html.escape(cell.row)),
                        *[
                            f'<td class="text" '
                            f'title="{html.escape(cell.encoder)}">{html.escape(html_pages.short(cell.encoder))}</td>'
                        ]
                        * several,
                        f'<td class="text">{html.escape(cell.representation)}</td>',
                        f'<td title="{html.escape(cell.command)}">{100 * cell.value:.1f}</td>',
                        '<td data-key="{:.4f}">{:.1f} to {:.1f}</td>'.format(
                            cell.interval[0], *(100 * edge for edge in cell.interval)
                        ),
                        *[
                            '<td class="{}">{}</td>'.format("" if cell.inside in (None, True) else "out", beside),
                            f"<td>{difference}</td>",
                        ]
                        * compared,
                        "<td>%d</td>" % cell.seeds,
                        f'<td class="text" '
                        f'title="{html.escape(cell.corpus)}">{html.escape(html_pages.short(cell.corpus))}, '
                        f"{cell.split}</td>",
                        *[
                            '<td class="text note">{}</td>'.format(
                                html.escape("; ".join(filter(None, (cell.why_not * cell.marked, cell.unlike))))
                            )
                        ]
                        * remarked,
                    ]
                )
            )
        )
    note = "A published figure in colour lies outside the interval. " * compared
    note += "A heading sorts; the command that made a figure shows where the pointer rests on it."
    return html_pages.table(heads, rows) + f'<p class="note">{note}</p>'


def draw(found, of_layers, gained=()):
    """The plots there is something to draw for.

    Returns:
        As pages.draw.
    """
    return html_pages.draw(
        [  # name, caption, what it is drawn of, how
            (
                "Tasks and representations",
                "F1 by task and representation, with 95 % intervals; a short line is the published figure of the "
                "same cell.",
                [cell for cell in found if cell.representation in MAIN],
                _bars,
            ),
            (
                "From layer to layer",
                "F1 on dev: solid, probes that mix layers 0 to k; dashed, probes of layer k alone.",
                [one for one in of_layers if one.cumulative is not None or one.single is not None],
                _curves,
            ),
            (
                "Tasks by layers",
                "F1 on dev of probes of one layer, in percent; darker is nearer to the task's best layer.",
                [one for one in of_layers if one.single is not None],
                _heat,
            ),
            (
                "Mixing weights",
                "Mixing weights softmax(w) of the probes that mix all layers; the triangle is their centre of gravity.",
                [one for one in of_layers if one.shares is not None and len(one.shares) > 1],
                _weights,
            ),
            ("Before and after", "F1 after less F1 before, in points, with 95 % intervals, paired.", gained, _gains),
        ]
    )


def _bars(plt, cells):
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
        axis.set_title("{}, {}".format(html_pages.short(encoder), " and ".join(splits)), loc="left")
        axis.set_ylabel("F1, %")
        axis.legend(ncols=len(names), frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xticks(range(len(rows)), rows, rotation=30, ha="right")
    return figure


def _grid(plt, count, height):
    columns = min(count, 3)
    figure, axes = plt.subplots(
        -(-count // columns), columns, figsize=(3.1 * columns, height * -(-count // columns)), squeeze=False
    )
    for axis in axes.ravel()[count:]:
        axis.axis("off")
    figure.subplots_adjust(hspace=0.6, wspace=0.3)
    return figure, axes.ravel()


def _curves(plt, found):
    tasks = list(dict.fromkeys(one.task for one in found))
    figure, axes = _grid(plt, len(tasks), 2.2)
    for axis, task in zip(axes, tasks):
        for number, one in enumerate(one for one in found if one.task == task):
            colour = "C%d" % number
            if one.cumulative is not None:
                axis.plot(100 * one.cumulative, "o-", color=colour, markersize=3, label=html_pages.short(one.encoder))
            if one.single is not None:
                label = None if one.cumulative is not None else html_pages.short(one.encoder)
                axis.plot(100 * one.single, "s--", color=colour, markersize=3, label=label)
        axis.set_title(TASKS[task].title)
        axis.set_xlabel("layer")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("F1, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="lower left", bbox_to_anchor=(0.1, 0.95), ncols=len(labels))
    return figure


def _heat(plt, found):
    size = max(len(one.single) for one in found)
    values = np.full((len(found), size), np.nan)
    for row, one in enumerate(found):
        values[row, : len(one.single)] = 100 * one.single
    shade = values - np.nanmax(values, 1, keepdims=True)
    figure, axis = plt.subplots(figsize=(1.8 + 0.6 * size, 0.8 + 0.4 * len(found)))
    shown = axis.imshow(shade, aspect="auto", cmap="Blues", vmin=np.nanmin(shade), vmax=0)
    middle = (np.nanmin(shade) + 0) / 2
    for (row, layer), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if shade[row, layer] > middle else "black"
            axis.text(layer, row, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=7)
    encoders = len({one.encoder for one in found})
    names = [TASKS[one.task].title + (", " + html_pages.short(one.encoder)) * (encoders > 1) for one in found]
    axis.set_yticks(range(len(found)), names)
    axis.set_xticks(range(size))
    axis.set_xlabel("layer")
    figure.colorbar(shown, label="below the best layer")
    return figure


def _weights(plt, found):
    figure, axes = _grid(plt, len(found), 1.9)
    for axis, one in zip(axes, found):
        axis.bar(range(len(one.shares)), one.shares)
        axis.plot([layers.centre_of_gravity(one.shares)], [0], "^", color="C3", clip_on=False, markersize=8)
        axis.set_title(f"{TASKS[one.task].title}\n{html_pages.short(one.encoder)}", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _gains(plt, gained):
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
