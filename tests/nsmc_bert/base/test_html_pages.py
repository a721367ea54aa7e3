"""nsmc_bert.base.html_pages: pages that need no network, tables that sort by their figures."""

import sys

import pytest

from nsmc_bert.base import html_pages
from nsmc_bert.base.errors import UserError


def test_a_page_escapes_its_title_and_asks_nobody_for_anything():
    page = html_pages.document("<b> & 영화", ["<p>body</p>"])
    assert "<title>&lt;b&gt; &amp; 영화</title>" in page and "<p>body</p>" in page
    assert "http" not in page


def test_a_table_sorts_by_the_first_number_of_a_cell():
    table = html_pages.plain(
        [["row", "F1", "remark"], ["<a>", "+96.5 (96.3 to 96.7)", "12 of them"]], "below", ["remark"]
    )
    assert '<td class="text">&lt;a&gt;</td><td data-key="96.5">+96.5 (96.3 to 96.7)</td>' in table
    assert '<td class="text">12 of them</td>' in table and table.endswith('<p class="note">below</p>')


def test_a_long_name_keeps_its_end():
    assert html_pages.short("klue/bert-base") == "klue/bert-base"
    assert html_pages.short("/home/somebody/runs/nsmc/model/") == "…/nsmc/model"
    assert html_pages.short("attention:/home/somebody/runs/nsmc/model") == "attention:…/nsmc/model"


def test_a_plot_is_drawn_for_light_and_dark_and_as_a_file(tmp_path):
    pytest.importorskip("matplotlib")

    def plot(plt, data):
        figure, axis = plt.subplots()
        axis.plot(data)
        axis.set_title("caf\udce9")
        return figure

    pictures = html_pages.draw([("A plot", "Of three", [1, 2, 4], plot), ("Nothing", "Of none", [], plot)])
    assert list(pictures) == ["A plot"]
    caption, images = pictures["A plot"]
    assert b"caf\\udce9" in images["light"]
    assert caption == "Of three" and images["light"] != images["dark"] and images["png"].startswith(b"\x89PNG")
    paths = html_pages.write(tmp_path / "new", {"page.html": "<p>\ud800"}, pictures)
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "new").iterdir()}
    assert {"page.html", "a_plot.svg", "a_plot.png"} == {path.name for path in paths}
    assert html_pages.picture("A plot", caption, images).count("data:image/svg+xml;base64,") == 2


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match="found no matplotlib, expected it for the page: .* -m pip install"):
        html_pages.check()
