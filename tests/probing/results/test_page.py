"""probing.results.page: one file that needs no network, holds every figure, and sorts in a real browser."""

import html.parser
import re
import shutil
import subprocess

import pytest

from probing.results import page, tables
from probing.results.runs import load
from tests.probing.results.test_tables import write

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(folder of the report, the report) of a study of two tasks."""
    import json

    runs, out = (tmp_path_factory.mktemp(name) for name in ("runs", "out"))
    for name in ("lex", "mix"):
        write(runs, "dep", "after", name, 0.5)
    for task in ("pos", "dep"):
        for name, share in (("lex", 0.6), ("mix", 0.9), *(("top_%d" % k, 0.6 + 0.1 * k) for k in range(3))):
            write(runs, task, "bert-base-uncased", name, share)
    for path in runs.glob("*/*/*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        row = {"pos": "Part-of-Speech", "dep": "Dependencies"}[result["task"]]
        result["figures"]["dev"] = {row: {"f1": 0.5}}
        result.update(layer0="lexical", command="python -m probing.run --task=all --encoder='<b>'")
        path.write_text(json.dumps(result), encoding="utf-8")
    report = tables.build(load([runs]), samples=100, whole=True, compare=("bert-base-uncased", "after"))
    page.write(out, report)
    return out, report


class Checker(html.parser.HTMLParser):
    """Notes tags that do not match, and addresses."""

    EMPTY = ("meta", "img", "source")

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.rows = [], [], 0

    def handle_starttag(self, tag, attributes):
        self.rows += tag == "tr"
        self.addresses += [value for name, value in attributes if name in ("src", "srcset", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network(written):
    folder, report = written
    text = (folder / "report.html").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert all(address.startswith("data:image/svg+xml;base64,") for address in checker.addresses)
    assert len(checker.addresses) == 2 * 5  # light and dark: bars, curves, heat map, mixing weights, before and after
    assert checker.rows == sum(
        1 + n for n in (len(tables.ROWS), 1, len(report.layers), len(report.figures))
    )  # the table, gains, layers, figures
    assert "not run: bert-large; bert-large-uncased" in text
    assert "--encoder=&#x27;&lt;b&gt;&#x27;" in text and "<b>" not in text
    for figure in report.figures:
        low, high = (100 * edge for edge in figure.interval)
        assert f"{low:.1f} to {high:.1f}" in text


def test_plots_and_tables_are_files_too(written):
    folder, _ = written
    names = {path.name for path in folder.iterdir()}
    assert {
        "report.html",
        "table.txt",
        "table.md",
        "table.tex",
        "table.csv",
        "tasks_and_representations.svg",
        "tasks_and_representations.png",
        "tasks_by_layers.svg",
        "from_layer_to_layer.png",
    } <= names
    assert (folder / "tasks_by_layers.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "tasks_by_layers.svg").read_text(encoding="utf-8")[:600]


def test_the_same_runs_give_the_same_plots(written):
    _, report = written
    one, two = page.draw(report), page.draw(report)
    for name in one:
        assert one[name][1]["light"] == two[name][1]["light"]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium, the Debian package chromium")
def test_a_browser_sorts_the_table(written, tmp_path):
    folder, _ = written
    text = (folder / "report.html").read_text(encoding="utf-8")
    click = (
        "<script>const tables = document.querySelectorAll('table.sorted'), last = tables[tables.length - 1];"
        "last.tHead.rows[0].cells[3].click(); "
        "[...tables[0].tHead.rows[0].cells].find(head => head.textContent === 'after lex').click();</script></body>"
    )
    (tmp_path / "clicked.html").write_text(text.replace("</body>", click), encoding="utf-8")
    dumped = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"file://{tmp_path}/clicked.html"],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    body = dumped[dumped.rindex("<tbody>") :]
    figures = [
        float(x) for x in re.findall(r"</td><td class=\"text\">\w+</td><td title=\"[^\"]*\">([\d.]+)</td>", body)
    ]
    assert len(figures) == 12 and figures == sorted(figures)
    assert 'aria-sort="ascending"' in dumped
    # the table: cells by their first number, and what is empty at the end
    heads = re.findall(r"<th [^>]*>([^<]*)</th>", dumped[: dumped.index("<tbody>")])
    rows = dumped[dumped.index("<tbody>") : dumped.index("</tbody>")].split("<tr>")[1:]
    column = [re.findall("<td[^>]*>([^<]*)</td>", row)[heads.index("after lex")] for row in rows]
    assert len(column) == len(tables.ROWS) and [bool(text) for text in column] == [True] + [False] * (len(column) - 1)
