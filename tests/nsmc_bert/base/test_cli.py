"""nsmc_bert.base.cli: flags and flagfiles that do not fit, errors in one line, exit codes."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
'''Counts epochs: python program.py --epochs=2'''
import errno, os, sys, tempfile
from absl import flags
from nsmc_bert.base import cli
from nsmc_bert.base.errors import Located, UserError
from nsmc_bert.base.usage import Usage

flags.DEFINE_integer("epochs", 3, "Epochs.", lower_bound=0)
flags.DEFINE_bool("sample", False, "Sample.")
flags.DEFINE_string("raises", "", "What main raises.")
if os.environ.get("SIZE"):
    flags.DEFINE_integer(os.environ["SIZE"], 0, "A size.")
if "--rate=nan" in sys.argv:
    flags.DEFINE_float("rate", 0.1, "Rate.", lower_bound=0.0)

def main():
    raised = {
        "user": UserError("first line\\nsecond"),
        "located": Located("a.txt", 7, "'2'", "0 or 1"),
        "disk": OSError(errno.ENOSPC, "No space left on device", "x.bin"),
        "name": OSError(errno.ENAMETOOLONG, "File name too long", "a" * 9),
        "memory": type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor\\nand much more"),
        "copy": type("InternalError", (Exception,), {})("Failed copying to GPU:0: Dst tensor is not initialized."),
        "start": type("InternalError", (Exception,), {})("cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY"),
        "internal": type("InternalError", (Exception,), {})("a bug"),
        "keyboard": KeyboardInterrupt(),
        "bug": ZeroDivisionError("a bug"),
    }
    if flags.FLAGS.raises == "no folder":
        tempfile._candidate_tempdir_list = lambda: ["/no/such/folder"]
        tempfile.TemporaryFile()
    if flags.FLAGS.raises:
        raise raised[flags.FLAGS.raises]
    print("epochs", flags.FLAGS.epochs, flags.FLAGS.sample)
    if flags.FLAGS.sample:
        for _ in range(100000):
            print("x" * 100)

cli.run(main, Usage({"Time": ["epochs"]}, text="raises"))
"""


@pytest.fixture
def command(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)

    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / (name + ".flags")).write_bytes(text.encode() if isinstance(text, str) else text)
        environment = {**os.environ, "PYTHONPATH": os.getcwd()}
        return subprocess.run(
            [sys.executable, "program.py", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


def test_flags_and_flagfiles(command):
    result = command("--flagfile=a.flags", a="# comment\n--epochs=5\n\n// more\n--flagfile=b.flags\n", b="--nosample\n")
    assert (result.returncode, result.stdout) == (0, "epochs 5 False\n")


def test_a_flag_that_stands_there_twice_is_said(command):
    result = command(
        "--epochs=5", "--flagfile=a.flags", "--sample", "--epochs", "5", "--nosample", "--epochs=7", a="--epochs=1"
    )
    assert (result.returncode, result.stdout) == (0, "epochs 7 False\n")
    assert result.stderr.split("\n") == [
        "--sample=true: does not count, as --sample=false stands behind it",
        "--epochs=5: does not count, as --epochs=7 stands behind it",
        "",
    ]


HELP = """Counts epochs: python program.py --epochs=2

Time:
  --epochs=N
      Epochs. Default: 3.

More, which --helpfull describes: raises, sample
--flagfile=FILE reads flags of a file, one a line.
"""


@pytest.mark.parametrize("asked", ["-h", "--help", "--sample -h", "--epochs=7 -help --no-such-flag"])
def test_help(command, asked):
    result = command(*asked.split())
    assert (result.returncode, result.stdout, result.stderr) == (0, HELP, "")


def test_full_help(command):
    lines = command("--helpfull").stdout.splitlines()
    assert lines[: lines.index("More:")] == HELP.splitlines()[:6]
    assert lines[lines.index("More:") + 1 :] == [
        "  --raises=…",
        "      What main raises.",
        "  --[no]sample",
        "      Sample. Default: no.",
        "",
        "--flagfile=FILE reads flags of a file, one a line.",
    ]


def test_a_value_is_no_question_for_help(command):
    assert "KeyError: '-h'" in command("--raises", "-h").stderr
    assert "found an argument without a flag" in command("--", "-h").stderr


def test_a_flagfile_of_this_folder_comes_before_one_that_ships(command):
    assert command("--flagfile=default.flags", default="--epochs=5\n").stdout == "epochs 5 False\n"


@pytest.mark.parametrize("name", ["default.flags", "flags/default.flags"])
def test_a_flagfile_that_ships_is_found_by_its_name(command, name):
    result = command("--flagfile", name)  # the file is there, and one of another command
    shipped = ROOT / "flags" / "default.flags"
    assert result.stderr.startswith(f"error: {shipped}:")
    assert "found --augment=0.2, expected a flag of this command" in result.stderr
    result = command("--flagfile=own.flags", own=f"--flagfile={name}\n")
    assert result.stderr.startswith(f"error: {shipped}:")


def test_what_a_flagfile_names_in_flags_is_found_too(command):
    assert command("--flagfile=own.flags", own="--raises=flags/gpu/bert_8x512.json").stderr.splitlines()[-1] == (
        f"KeyError: '{ROOT / 'flags/gpu/bert_8x512.json'}'"
    )
    assert command("--flagfile=own.flags", own="--raises=flags/none.json").stderr.endswith("'flags/none.json'\n")


def test_flagfiles_end_at_two_dashes(command):
    result = command("--", "--flagfile=no.flags")
    assert result.stderr == (
        "error: --flagfile=no.flags: found an argument without a flag, expected --flag=value "
        "(did you mean --raises=--flagfile=no.flags?); see --help\n"
    )


@pytest.mark.parametrize(
    ("arguments", "files", "message"),
    [
        (["--epohcs=1"], {}, "error: Unknown command line flag 'epohcs'. Did you mean: epochs ?"),
        (["--anzahl=1"], {}, "error: Unknown command line flag 'anzahl'; see --help"),
        (["--epochs=zwei"], {}, "error: flag --epochs=zwei: expected a whole number"),
        (["--rate=nan"], {}, "error: flag --rate=nan: expected a number"),
        (["--epochs=-1"], {}, "error: flag --epochs=-1: -1 is not a non-negative integer"),
        (
            ["a.txt"],
            {},
            "error: a.txt: found an argument without a flag, expected --flag=value (did you mean --raises=a.txt?); "
            "see --help",
        ),
        (["--flagfile=no.flags"], {}, "error: --flagfile=no.flags: No such file or directory"),
        (
            ["--flagfile", "a.flags"],
            {"a": "--epochs=1\n--epoch=2"},
            "error: a.flags:2: found --epoch=2, expected a flag of "
            "this command, one a line, --name=value (did you mean --epochs?)",
        ),
        (
            ["--flagfile=a.flags"],
            {"a": "--epochs=many"},
            "error: a.flags:1: found --epochs=many, expected a whole number",
        ),
        (
            ["--flagfile=a.flags"],
            {"a": "--epochs 4"},
            "error: a.flags:1: found --epochs 4, expected a flag of this command, "
            "one a line, --name=value (did you mean --epochs?)",
        ),
        (
            ["--flagfile=a.flags"],
            {"a": "--epochs"},
            "error: a.flags:1: found --epochs, expected --epochs=value, with an equals sign",
        ),
        (["--flagfile=a.flags"], {"a": "--flagfile=a.flags"}, "error: a.flags: includes itself"),
        (["--flagfile"], {}, "error: --flagfile=: Is a directory"),
        (
            ["--flagfile=a.flags"],
            {"a": "--flagfile=" + "a" * 5000},
            f"error: --flagfile={'a' * 5000}: File name too long",
        ),
        (["--flagfile=a.flags"], {"a": b"\xff"}, "error: --flagfile=a.flags: not UTF-8 text"),
        (["--raises=user"], {}, "error: first line second"),
        (["--raises=located"], {}, "error: a.txt:7: found '2', expected 0 or 1"),
        (["--raises=disk"], {}, "error: x.bin: No space left on device"),
        (["--raises=name"], {}, "error: aaaaaaaaa: File name too long"),
    ],
)
def test_errors_are_one_line(command, arguments, files, message):
    result = command(*arguments, **files)
    assert (result.returncode, result.stderr, result.stdout) == (1, message + "\n", "")


def test_the_keyboard_stops_without_a_traceback(command):
    result = command("--raises=keyboard")
    assert result.returncode == 130
    assert result.stderr.count("\n") == 1


def test_a_bug_keeps_its_traceback(command):
    result = command("--raises=bug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_a_broken_pipe_ends_quietly(command, tmp_path):
    command()
    script = f"{sys.executable} program.py --sample | head -1"
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "epochs 3 True\n", "")


def test_no_folder_for_temporary_files_is_one_line(command):
    result = command("--raises=no folder")
    assert result.returncode == 1
    assert result.stderr == "error: found no folder for temporary files that can be written; set TMPDIR to one\n"


@pytest.mark.parametrize("raises, first", [("copy", "Failed copying"), ("start", "cuDevicePrimaryCtxRetain")])
def test_a_gpu_whose_memory_others_have_is_one_line(command, raises, first):
    result = command(f"--raises={raises}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: the memory of the GPU, or of the machine, is full ({first}")
    assert "Traceback" in command("--raises=internal").stderr


@pytest.mark.parametrize("size", ["token_budget", "batch_records", ""])
def test_memory_that_is_full_names_the_flag_to_lower_if_there_is_one(command, monkeypatch, size):
    monkeypatch.setenv("SIZE", size)
    result = command("--raises=memory")
    assert result.returncode == 1
    assert result.stderr == (
        "error: the memory of the GPU, or of the machine, is full (OOM when allocating tensor); "
        f"{size and f'lower --{size}, '}leave the card to this process alone, or compute on the CPU: "
        "CUDA_VISIBLE_DEVICES=-1\n"
    )
