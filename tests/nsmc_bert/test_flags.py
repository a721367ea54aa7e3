"""Every flagfile in flags/ is one that its command takes, and says in its header how it is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted(ROOT.glob("flags/**/*.flags"))


def test_there_are_flagfiles():
    assert "default.flags" in [path.name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_flagfile(path):
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    match = re.match(r"# .*python -m (\S+) --flagfile=flags/(\S+)", first)
    assert match and ROOT / "flags" / match[2] == path, "the first line is the command"
    # the command's own check, without running it
    program = (
        f"import sys; from absl import flags; from nsmc_bert.base import cli; import {match[1]}\n"
        "cli._parse(['program', '--flagfile=' + sys.argv[1]])"
    )
    result = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_a_flagfile_starts_from_is_there_or_made_by_another(path):
    text = path.read_text(encoding="utf-8")
    made = {
        folder for file in FILES for folder in re.findall(r"^--run_dir=(.*)", file.read_text(encoding="utf-8"), re.M)
    }
    for name in re.findall(r"^--(?:encoder|teachers)=(.*)", text, re.M):
        for start in name.split(","):
            if start.startswith("runs/"):
                assert re.sub(r"(/seed-\d+)?/(model|encoder)$", "", start) in made, start
            elif start.startswith("flags/"):
                assert (ROOT / start).is_file(), start


def test_the_makefile_names_files_that_exist():
    for name in re.findall(r"--flagfile=(\S+)", (ROOT / "Makefile").read_text()):
        assert (ROOT / name).exists()
    assert Path(ROOT / "constraints.txt").exists()
