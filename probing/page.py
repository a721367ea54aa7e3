"""One self-contained HTML page of a study, and its plots as files: python -m probing.report RUNS --page=FOLDER

The plots are matplotlib's, drawn once for light and once for dark screens; the page needs no network.
"""

import base64
import html
import io

import numpy as np

from nsmc_bert.errors import UserError
from probing import layers
from probing.tasks import TASKS

MAIN = ("lex", "cat", "mix", "full")

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2a6fb0; }
@media (prefers-color-scheme: dark) { :root { --accent: #7ab8f5; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem; }
p { overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child, .text { text-align: left; }
thead th { position: sticky; top: 0; background: Canvas; }
th.sortable { cursor: pointer; } th.sortable:hover { color: var(--accent); }
th[aria-sort=ascending]::after { content: " \\2191"; } th[aria-sort=descending]::after { content: " \\2193"; }
tbody tr:hover { background: var(--soft); }
.out { color: var(--accent); font-weight: 600; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; } figcaption, .note { color: GrayText; font-size: .85rem; }
pre { overflow-x: auto; background: var(--soft); padding: .6rem; font-size: .8rem; border-radius: .3rem; }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sorted")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    head.classList.add("sortable");
    head.tabIndex = 0;
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => row.cells[place].dataset.key ?? row.cells[place].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const x = key(a), y = key(b), order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  });
}
"""


def page(found, layer_lines, results, pictures, said=(), *, title="What the encoder knows"):
    """The page, str.

    Args:
        found: list of report.Cell.
        layer_lines: as from report.layer_table; [] for none.
        results: as from report.load, for the commands.
        pictures: what `draw` returned.
        said: a sentence.table, or nothing.
    """
    body = ["<h1>%s</h1>" % html.escape(title), _introduction(results)]
    for name, (caption, images) in pictures.items():
        body += ["<h2>%s</h2>" % html.escape(name), _picture(name, caption, images)]
    if layer_lines:
        body += ["<h2>Layers</h2>", _layers(layer_lines)]
    if said:
        body += ["<h2>One sentence through the layers</h2>", _plain(said)]
    body += ["<h2>Figures</h2>", _cells(found)]
    body += ["<h2>Commands</h2>", "<pre>%s</pre>" % "\n".join(html.escape(c) for c in _commands(results))]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n%s\n<script>%s</script>\n</body>\n</html>\n"
        % (html.escape(title), STYLE, "\n".join(body), SCRIPT)
    )


def _commands(results):
    return list(dict.fromkeys(result["command"] for result in results))


def _introduction(results):
    encoders = dict.fromkeys("%s (layer 0: %s)" % (r["encoder"], r["layer0"]) for r in results)
    corpora = dict.fromkeys(r["data"]["name"] for r in results)
    return (
        "<p>Edge probing: small classifiers over the frozen layers of %s, trained on %s. F1 in percent, by the rules of the published "
        "table, means over seeds; intervals are 95&nbsp;%% bootstrap intervals over sentences and seeds.</p>"
        % (html.escape(" and ".join(encoders)), html.escape(", ".join(corpora)))
    )


def _cells(found):
    heads = ["row", "encoder", "representation", "F1", "interval", "published", "measured - published", "seeds", "data", "note"]
    rows = []
    for order, cell in enumerate(found):
        beside, difference = ("", "") if cell.published is None else (
            "%.1f" % (100 * cell.published), "%+.1f" % (100 * (cell.value - cell.published))
        )  # fmt: skip
        rows.append(
            "<tr>%s</tr>" % "".join([
                '<td data-key="%d">%s</td>' % (order, html.escape(cell.row)),
                '<td class="text" title="%s">%s</td>' % (html.escape(cell.encoder), html.escape(_short(cell.encoder))),
                '<td class="text">%s</td>' % html.escape(cell.representation),
                "<td>%.1f</td>" % (100 * cell.value),
                '<td data-key="%.4f">%.1f to %.1f</td>' % (cell.interval[0], *(100 * edge for edge in cell.interval)),
                '<td class="%s">%s</td>' % ("" if cell.inside in (None, True) else "out", beside),
                "<td>%s</td>" % difference,
                "<td>%d</td>" % cell.seeds,
                '<td class="text">%s, %s</td>' % (html.escape(cell.corpus), cell.split),
                '<td class="text note">%s</td>' % html.escape(cell.why_not),
            ])
        )  # fmt: skip
    note = '<p class="note">A published figure in colour lies outside the interval. A heading sorts.</p>'
    return _table(heads, rows) + note


def _layers(layer_lines):
    head, *lines = layer_lines
    rows = ["<tr>%s</tr>" % "".join("<td>%s</td>" % html.escape(text) for text in line) for line in lines]
    return _table(["row", "encoder", *head[2:]], rows) + '<p class="note">In brackets the published figure of the same encoder.</p>'


def _plain(lines):
    head, *lines = lines
    rows = ["<tr>%s</tr>" % "".join("<td>%s</td>" % html.escape(text) for text in line) for line in lines]
    return _table(head, rows) + '<p class="note">The most likely label at each span, and its probability.</p>'


def _table(heads, rows):
    return '<div class="scroll"><table class="sorted"><thead><tr>%s</tr></thead><tbody>\n%s\n</tbody></table></div>' % (
        "".join('<th scope="col">%s</th>' % html.escape(head) for head in heads), "\n".join(rows)
    )  # fmt: skip


def _picture(name, caption, images):
    light, dark = ("data:image/svg+xml;base64," + base64.b64encode(images[kind]).decode() for kind in ("light", "dark"))
    return (
        '<figure><picture><source media="(prefers-color-scheme: dark)" srcset="%s"><img src="%s" alt="%s"></picture>'
        "<figcaption>%s</figcaption></figure>" % (dark, light, html.escape(name), html.escape(caption))
    )


def draw(found, of_layers):
    """The plots there is something to draw for.

    Returns:
        {name: (caption, {"light", "dark": SVG as bytes, "png": PNG as bytes})}.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UserError("found no matplotlib, expected it for the page: pip install '.[report]'") from None
    matplotlib.use("Agg")
    plots = [  # name, caption, what it is drawn of, how
        ("Tasks and representations", "F1 by task and representation, with 95 % intervals; a short line is the published figure of the "
         "same cell.", [cell for cell in found if cell.representation in MAIN], _bars),
        ("From layer to layer", "F1 on dev: solid, probes that mix layers 0 to k; dashed, probes of layer k alone.",
         [one for one in of_layers if one.cumulative is not None or one.single is not None], _curves),
        ("Tasks by layers", "F1 on dev of probes of one layer, in percent; darker is nearer to the task's best layer.",
         [one for one in of_layers if one.single is not None], _heat),
        ("Mixing weights", "Mixing weights softmax(w) of the probes that mix all layers; the triangle is their centre of gravity.",
         [one for one in of_layers if one.shares is not None and len(one.shares) > 1], _weights),
    ]  # fmt: skip
    return {name: (caption, _images(plot, data)) for name, caption, data, plot in plots if data}


def _images(plot, data):
    import matplotlib
    import matplotlib.pyplot as plt

    out = {}
    for kind, style in (("light", "default"), ("dark", "dark_background"), ("png", "default")):
        # the same runs give the same bytes
        with plt.style.context(style), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": kind, "font.size": 9}):
            figure, stream = plot(plt, data), io.BytesIO()
            if kind == "png":
                figure.savefig(stream, format="png", dpi=150, bbox_inches="tight")
            else:
                figure.savefig(stream, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
            plt.close(figure)
            out[kind] = stream.getvalue()
    return out


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
        axis.set_title(_short(encoder), loc="left")
        axis.set_ylabel("F1, %")
        axis.legend(ncols=len(names), frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xticks(range(len(rows)), rows, rotation=30, ha="right")
    return figure


def _grid(plt, count, height):
    columns = min(count, 3)
    figure, axes = plt.subplots(-(-count // columns), columns, figsize=(3.1 * columns, height * -(-count // columns)), squeeze=False)
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
                axis.plot(100 * one.cumulative, "o-", color=colour, markersize=3, label=_short(one.encoder))
            if one.single is not None:
                label = None if one.cumulative is not None else _short(one.encoder)
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
            axis.text(layer, row, "%.1f" % value, ha="center", va="center", color=colour, fontsize=7)
    encoders = len({one.encoder for one in found})
    names = [TASKS[one.task].title + (", " + _short(one.encoder)) * (encoders > 1) for one in found]
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
        axis.set_title("%s\n%s" % (TASKS[one.task].title, _short(one.encoder)), fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _short(name):
    """The last folders of a path."""
    return name if len(name) <= 24 else "…/" + "/".join(name.rstrip("/").split("/")[-2:])
