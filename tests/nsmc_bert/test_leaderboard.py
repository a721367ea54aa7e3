"""The leaderboard command: what it leaves, that it goes on, and how it fails."""


def test_the_command(command, tiny_config, tmp_path):
    arguments = [tiny_config, "--sample", "--epochs=1", "--token_budget=4096", "--perturb=typo", "--run_dir=board"]
    first = command("leaderboard", *arguments, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    head, line, empty, measured = first.stdout.split("\n")[:4]
    assert head.startswith("encoder ") and "a typo each, %" in head and "no spaces" not in head
    assert line.startswith(f"{tiny_config}  BERT ") and " 0.1 " in line
    (model,) = (tmp_path / "board").glob("*/model")
    assert "Command: `python -m nsmc_bert.leaderboard " in (model / "README.md").read_text(encoding="utf-8")
    assert (empty, measured) == ("", "bundled sample: 224 test reviews, none of them in training.")
    for name in ("html", "md", "csv"):
        assert (tmp_path / "board" / f"leaderboard.{name}").is_file()
    again = command("leaderboard", *arguments, cwd=tmp_path)
    assert again.stdout == first.stdout
    assert "seed 1: finished already" in again.stderr


def test_errors_are_one_line(command):
    for arguments, message in (
        ([], "error: found no encoder, expected folders or hub names of some, such as klue/bert-base, or bundled\n"),
        (["no.json", "--sample"], "error: --encoder=no.json: found no such file, expected an encoder's config.json\n"),
        (["x", "--sample", "--seeds=a"], "error: --seeds=a: expected distinct whole numbers"),
    ):
        result = command("leaderboard", *arguments)
        assert result.returncode == 1
        assert message in result.stderr and "Traceback" not in result.stderr
