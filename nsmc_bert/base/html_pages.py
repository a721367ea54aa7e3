"""What the pages of both packages are made of: one HTML file that needs no network, plots of matplotlib's in it and
beside it.

Plots are drawn once for light and once for dark screens, and as PNG.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsmc_bert.base import system
from nsmc_bert.base.files import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pictures = dict[str, tuple[str, dict[str, bytes]]]  # name: (caption, {"light", "dark": SVG, "png": PNG})

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
.long { white-space: normal; min-width: 20rem; }
thead th { position: sticky; top: 0; background: Canvas; }
th.sortable { cursor: pointer; } th.sortable:hover { color: var(--accent); }
th[aria-sort=ascending]::after { content: " \\2191"; } th[aria-sort=descending]::after { content: " \\2193"; }
tbody tr:hover { background: var(--soft); }
.out { color: var(--accent); font-weight: 600; }
img { max-width: 100%; height: auto; }
figure { margin: 1rem 0; } figcaption, .note { color: GrayText; font-size: .85rem; }
@media (max-width: 600px) { picture { display: block; overflow-x: auto; }
  figure img { max-width: none; } }
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
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  });
}
"""


def document(title: str, body: Iterable[str]) -> str:
    """The page, str, of a title and parts in HTML."""
    parts = "\n".join(body)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n{parts}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def check() -> None:
    """Makes matplotlib ready to draw.

    Raises:
        UserError: it is not installed.
    """
    system.check_installed(["matplotlib"], "report", "for the page")
    import matplotlib

    matplotlib.use("Agg")


def draw(
    plots: Iterable[tuple[str, str, Any, Callable[[Any, Any], Figure]]],
) -> dict[str, tuple[str, dict[str, bytes]]]:
    """Draws plots.

    Args:
        plots: list of (name, caption, data, a function of matplotlib.pyplot and the data that returns a figure); one
            without data is left out.

    Returns:
        {name: (caption, {"light", "dark": SVG as bytes, "png": PNG as bytes})}.

    Raises:
        UserError: matplotlib is not installed.
    """
    check()
    return {name: (caption, _images(plot, data)) for name, caption, data, plot in plots if data}


def write(
    folder: Path, files: Mapping[str, str], pictures: Mapping[str, tuple[str, Mapping[str, bytes]]]
) -> list[Path]:
    """Writes files, {name: text}, and plots as NAME.svg and NAME.png into a folder; returns the paths.

    Raises:
        UserError: it cannot be written.
    """
    plots = {}
    for name, (_, images) in pictures.items():
        stem = name.lower().replace(" ", "_")
        plots[stem + ".svg"], plots[stem + ".png"] = images["light"], images["png"]
    for name, text in files.items():
        write_text(folder / name, text)
    for name, content in plots.items():
        write_bytes(folder / name, content)
    return [folder / name for name in (*files, *plots)]


def plain(lines: Iterable[Sequence[str]], note: str, text: Collection[str] = ()) -> str:
    """A sortable table of a header and lines of str, and a note below; the first column and those of `text` hold no
    figures.
    """
    head, *lines = lines
    words = [name in text or not place for place, name in enumerate(head)]
    rows = [f"<tr>{''.join(map(_cell, line, words))}</tr>" for line in lines]
    return table(head, rows) + f'<p class="note">{html.escape(note)}</p>'


def _cell(text: str, is_text: bool) -> str:
    if not is_text and (number := re.match(r"[\[<]?([-+]?\d+(\.\d+)?)", text)):
        key = "" if number[1] == text else f' data-key="{number[1].lstrip("+")}"'
        return f"<td{key}>{html.escape(text)}</td>"
    return f'<td class="text{" long" * (len(text) > 40)}">{html.escape(text)}</td>'


def table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """A sortable table of headings, str, and rows, HTML; a heading stands as the cells below it do."""
    kinds = ["text" in kind for kind in re.findall("<td([^>]*)>", rows[0])] if rows else []
    kinds += [False] * (len(heads) - len(kinds))
    kind_of = {True: ' class="text"', False: ""}
    columns = "".join(f'<th scope="col"{kind_of[text]}>{html.escape(head)}</th>' for head, text in zip(heads, kinds))
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table class="sorted"><thead><tr>{columns}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def picture(name: str, caption: str, images: Mapping[str, bytes]) -> str:
    """A plot with its caption, as `draw` gives them."""
    light, dark = ("data:image/svg+xml;base64," + base64.b64encode(images[kind]).decode() for kind in ("light", "dark"))
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}"><img src="{light}" '
        f'alt="{html.escape(name)}"></picture>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _images(plot: Callable[[Any, Any], Figure], data: Any) -> dict[str, bytes]:
    import matplotlib
    import matplotlib.pyplot as plt

    out = {}
    for kind, style in (("light", "default"), ("dark", "dark_background"), ("png", "default")):
        # the same runs give the same bytes
        with (
            plt.style.context(style),
            matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": kind, "font.size": 9}),
        ):
            figure, stream = plot(plt, data), io.BytesIO()
            for text in figure.findobj(matplotlib.text.Text):  # of names that UTF-8 cannot say, as in the page
                text.set_text(text.get_text().encode(errors="backslashreplace").decode())
            if kind == "png":
                figure.savefig(stream, format="png", dpi=150, bbox_inches="tight")
            else:
                figure.savefig(stream, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
            plt.close(figure)
            out[kind] = stream.getvalue()
    return out


def short(name: str) -> str:
    """The last folders of a path, behind what kind it is of: "elmo:…/weights/original"."""
    if len(name) <= 24:
        return name
    kind = re.match(r"([a-z]{2,}:)*", name)
    return f"{kind[0] if kind else ''}…/{'/'.join(name.rstrip('/').split('/')[-2:])}"
