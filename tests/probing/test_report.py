"""probing.report: what the command prints, in which form, and what it refuses."""

from tests.probing.results.test_tables import write


def test_the_command(command, tmp_path):
    write(tmp_path / "runs", "pos", "mine", "mix", 0.9)
    result = command("probing.report", "runs", "--format=markdown", "--bootstrap=100", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("|  | split | mine mix |\n|---|---|---|\n| Part-of-Speech | test, 1 seed | ")
    assert "| Part-of-Speech | mine | 0.75 | 0.19 | 1.50 |" in result.stdout
    result = command("probing.report", "nowhere", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (
        1,
        "error: nowhere: found no results, expected a run folder of probing.run\n",
    )
