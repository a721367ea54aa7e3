"""nsmc_bert.base.usage: every command's help, and what is proposed for an argument without a flag."""

import pytest

from nsmc_bert.base.usage import Usage
from tests.conftest import ROOT
from tests.test_architecture import COMMANDS


@pytest.mark.parametrize("module", sorted(COMMANDS))
def test_the_help_of_every_command(command, module):
    result = command(module, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert f"python -m {module} " in result.stdout
    assert max(len(line) for line in lines if line.startswith("      ")) <= 100
    assert "(default:" not in result.stdout and "repeat this option" not in result.stdout


@pytest.mark.parametrize("module", sorted(COMMANDS))
def test_every_flag_is_described_in_full_help(command, module):
    result = command(module, "--helpfull")
    lines = result.stdout.splitlines()
    flags = [at for at, line in enumerate(lines) if line.startswith("  --")]
    assert len(flags) > 5
    assert all(lines[at + 1].startswith("      ") for at in flags)
    names = [lines[at].split("=")[0].strip() for at in flags]
    assert len(set(names)) == len(names)


def test_what_is_meant_with_an_argument():
    usage = Usage(file="input", text="text")
    assert usage.meant(str(ROOT / "README.md")) == f"--input={ROOT / 'README.md'}"
    assert usage.meant("꿀잼") == "--text=꿀잼"
    assert Usage(file="input").meant("꿀잼") == ""
    assert Usage().meant(str(ROOT)) == ""


@pytest.mark.parametrize("argument", ["돈이 아깝다", "꿀잼"])
def test_a_review_without_its_flag(command, argument):
    result = command("predict", argument)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ") and f"(did you mean '--text={argument}'?)" in result.stderr
