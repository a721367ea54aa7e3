"""docs/first_steps.ipynb: its cells do what their recorded outputs show."""

import json
import re

import pytest

from tests import notebook
from tests.conftest import ROOT

PATH = ROOT / "docs" / "first_steps.ipynb"


def printed(outputs):
    """What a cell shows on standard output, and its value, as text."""
    streams = ["".join(each["text"]) for each in outputs if each.get("name") == "stdout"]
    return "".join(streams + ["".join(each["data"]["text/plain"]) for each in outputs if "data" in each])


def test_the_cells_give_what_is_recorded(command, tmp_path, monkeypatch):
    recorded = json.loads(PATH.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    outputs = notebook.execute(recorded, lambda module, *arguments: command(module, *arguments, cwd=tmp_path))
    cells = [cell for cell in recorded["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == len(outputs) and any(map(printed, outputs))
    for cell, output in zip(cells, outputs):
        text, now = printed(cell["outputs"]), printed(output)
        if cell["metadata"].get("varies"):  # figures of what was trained, on another processor than this one
            text, now = (re.sub(r"[-+]?\d+(\.\d+)?", "#", each) for each in (text, now))
            assert [line.split("#")[0] for line in now.split("\n")] == [line.split("#")[0] for line in text.split("\n")]
        else:
            number = r"-?\d+\.\d*"
            assert re.sub(number, "#", now) == re.sub(number, "#", text)
            assert list(map(float, re.findall(number, now))) == pytest.approx(
                list(map(float, re.findall(number, text))), abs=0.02
            )


def test_it_was_executed_from_the_first_cell_to_the_last():
    cells = [cell for cell in json.loads(PATH.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
