"""probing.results.forms: every form has every figure."""

import csv
import io

import pytest

from probing.results import forms, published, runs, tables
from tests.probing.results.test_tables import write


def test_every_form_has_every_figure(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9)
    write(tmp_path, "dep", "my_bert & co", "lex", 0.8, split="dev")
    cells = tables.figures(runs.load([tmp_path]), samples=100)
    results = runs.load([tmp_path])
    report = tables.build(results, samples=100)
    wide = tables.f1_table(cells).rows
    assert wide[0] == ["", "split", "bert-base mix", "my_bert & co lex"]
    assert [line[:2] for line in wide[1:]] == [
        ["Part-of-Speech", "test, 1 seed"],
        ["Dependencies", "dev, 1 seed"],
    ]
    assert wide[1][3] == wide[2][2] == ""
    known = 100 * published.f1()[("Part-of-Speech", "bert-base", "mix")]
    assert f" [{known:.1f}]" in wide[1][2]
    text, markdown, latex = (forms.FORMS[form](report.tables[0]) for form in ("text", "markdown", "latex"))
    for out in (text, markdown, latex):
        assert wide[1][2] in out and "dev" in out
    assert len({line.count("|") for line in markdown.split("\n")}) == 1
    assert "my\\_bert \\& co lex" in latex and latex.count("\\\\") == 3
    rows = list(csv.DictReader(io.StringIO(forms.figures_csv(report))))
    assert len(rows) == len(cells) == 2
    assert float(rows[0]["f1"]) == pytest.approx(100 * cells[0].value, abs=0.005)
    assert (rows[0]["published"], rows[1]["published"]) == (f"{known:.2f}", "")
    assert rows[1]["note"] == "no published encoder"


def test_notes_are_as_wide_as_the_terminal(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, layer0="embeddings")
    report = tables.build(runs.load([tmp_path]), samples=100)
    assert report.notes() and max(map(len, report.notes())) > 60
    lines = forms.draw(report, width=60).split("\n")
    assert max(map(len, lines)) <= 60
    assert " ".join(report.notes()) in " ".join(lines)
