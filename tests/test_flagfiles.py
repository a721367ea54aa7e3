"""Every flagfile in flags/ is one that its command takes, and says in its header how it is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nsmc_bert.learning import page
from tests.conftest import ROOT

FILES = sorted(ROOT.glob("flags/**/*.flags"))


def test_there_are_flagfiles():
    assert "default.flags" in [path.name for path in FILES]


def command_of(path):
    """The module that the first line of a flagfile runs."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    match = re.match(r"# .*python -m (\S+) --flagfile=flags/(\S+)", first)
    assert match and ROOT / "flags" / match[2] == path, "the first line is the command"
    return match[1]


PROGRAM = """
import importlib, sys
from absl import flags
from nsmc_bert.base import cli, usage

importlib.import_module(sys.argv[1])
for path in sys.argv[2:]:
    flags.FLAGS.unparse_flags()
    try:
        cli.parse(["program", "--flagfile=" + path], usage.Usage(), "")
        print("fits")
    except SystemExit:
        print("does not fit")
"""


@pytest.mark.parametrize("module", sorted({command_of(path) for path in FILES}))
def test_flagfiles_fit_their_command(module):
    """By the command's own check, without running it."""
    paths = [path for path in FILES if command_of(path) == module]
    arguments = [sys.executable, "-c", PROGRAM, module, *paths]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.split("\n") == ["fits"] * len(paths) + [""], result.stderr


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


@pytest.mark.parametrize("row", [row for row in page.published() if row.hub], ids=lambda row: row.model)
def test_flagfiles_of_published_encoders_say_what_is_published(row):
    """The figure that a leaderboard sets beside theirs, and that they were not run."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        encoder = re.search(r"^--encoder=(.*)", text, re.M)
        if encoder and encoder[1].lower() in row.hub:
            header = text[: encoder.start()]
            assert f"{row.accuracy:.2f}" in header and "not run" in header.lower(), path.name


def test_the_makefile_names_files_that_exist():
    for name in re.findall(r"--flagfile=(\S+)", (ROOT / "Makefile").read_text()):
        assert (ROOT / name).exists()
    assert Path(ROOT / "constraints.txt").exists()


def test_flagfiles_are_installed(tmp_path):
    pytest.importorskip("setuptools")  # which environments of Python 3.12 and later do without
    # the command of setuptools that a wheel's files are of, without the egg-info that it leaves in the checkout
    program = (
        "import runpy, setuptools, sys\n"
        "made = []\n"
        "setuptools.setup = lambda **options: made.append(options)\n"
        "runpy.run_path('setup.py')\n"
        "from setuptools.dist import Distribution\n"
        "distribution = Distribution({**made[0], 'script_name': 'setup.py'})\n"
        "distribution.parse_config_files()\n"
        "command = distribution.get_command_obj('build_py')\n"
        "command.build_lib = sys.argv[1]\n"
        "command.ensure_finalized()\n"
        "print('\\n'.join(command.get_outputs(include_bytecode=0)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    outputs = {Path(line).relative_to(tmp_path).as_posix() for line in result.stdout.splitlines()}
    assert {f"nsmc_bert/{path.relative_to(ROOT).as_posix()}" for path in FILES} < outputs
    assert {
        "nsmc_bert/flags/gpu/bert_8x512.json",
        "nsmc_bert/bundled/classifier/model.safetensors",
        "nsmc_bert/bundled/sample_test.tsv",
        "probing/bundled/pos.dev.jsonl",
    } < outputs
    assert any(path.endswith("published/test_f1.csv") for path in outputs)
