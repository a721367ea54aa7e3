"""The predict command: every form of input and output gives the library's probabilities."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

REVIEWS = ["이 영화 엄청 재미있네요", "", '쓰레기\t같은 "영화"', "ㅋㅋㅋ 😂"]


@pytest.fixture(scope="module")
def model(trained):
    return trained[0] / "model"


@pytest.fixture(scope="module")
def expected(model):
    import nsmc_bert

    return nsmc_bert.load(model).predict(REVIEWS)


def test_text_is_shown_as_on_the_slide(command, model, expected):
    result = command("predict", f"--model={model}", "--text", REVIEWS[0], "--text=" + REVIEWS[3])
    assert (result.returncode, result.stderr) == (0, "")
    for line, row, text in zip(result.stdout.split("\n"), expected[[0, 3]], (REVIEWS[0], REVIEWS[3])):
        words = ["negative 부정", "positive 긍정"][row.argmax()]
        assert line == "[[{:.3f}, {:.3f}]]  {}  {}".format(*row, words, text)


def test_json_lines_from_a_pipe(command, model, expected):
    result = command("predict", f"--model={model}", "--output=jsonl", input="\n".join(REVIEWS) + "\n")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == REVIEWS
    actual = [[row["probabilities"]["negative"], row["probabilities"]["positive"]] for row in rows]
    np.testing.assert_allclose(actual, expected, atol=2e-6)
    assert [row["label"] for row in rows] == [("negative", "positive")[i] for i in expected.argmax(1)]


def test_columns_from_two_files_chunk_by_chunk(command, model, expected, tmp_path):
    for name, reviews in (("in.txt", REVIEWS[:1]), ("more.txt", REVIEWS[1:])):
        (tmp_path / name).write_text("\r\n".join(reviews), encoding="utf-8")
    arguments = ("--input=in.txt", "--input=more.txt", "--output=tsv", "--chunk=3")
    result = command("predict", f"--model={model}", *arguments, cwd=tmp_path)
    header, *rows = [line.split("\t") for line in result.stdout.rstrip("\n").split("\n")]
    assert header == ["label", "negative", "positive", "text"]
    np.testing.assert_allclose([[float(row[1]), float(row[2])] for row in rows], expected, atol=2e-6)
    assert rows[2][3] == '쓰레기 같은 "영화"'


def test_a_long_review_is_cut_and_said_so(command, model):
    result = command("predict", f"--model={model}", input="영화 " * 100_000 + "\n\ud800 짧다\n")
    assert result.returncode == 1  # a lone surrogate is no UTF-8 in a file
    assert re.match(r"error: standard input:2: found bytes that are no UTF-8", result.stderr)
    result = command("predict", f"--model={model}", input="영화 " * 100_000 + "\n짧다\n")
    assert result.returncode == 0
    assert result.stderr == "1 reviews longer than 62 pieces: only their beginnings were read\n"
    assert len(result.stdout.split("\n")) == 3


def test_a_reader_that_has_seen_enough_ends_it_quietly(model, tmp_path):
    (tmp_path / "in.txt").write_text("재미있다\n" * 20_000, encoding="utf-8")
    script = f"{sys.executable} -m nsmc_bert.predict --model={model} --input=in.txt --chunk=64 | head -1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1


def test_a_terminal_that_cannot_say_it(command, model):
    result = command("predict", f"--model={model}", "--text=ㅋㅋ 😂", env={"PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("\\u314b\\u314b \\U0001f602\n")


def test_nothing_in_nothing_out(command, model):
    result = command("predict", f"--model={model}", input="")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text=a", "--input=b"], "error: found both --text and --input, expected one of them"),
        (
            ["--input=/dev/null", "--input=nowhere.txt"],
            "error: --input=nowhere.txt: cannot be read (No such file or directory)",
        ),
        (
            ["--model=nowhere/at/all", "--text=a"],
            "error: nowhere/at/all: found no such folder, expected a Hugging Face BERT folder or hub name",
        ),
        (["--text=a", "--output=xml"], "error: flag --output=xml: value should be one of <text|tsv|jsonl>"),
        (["a"], "error: a: found an argument without a flag, expected --flag=value; see --help"),
    ],
)
def test_bad_input_is_one_line(command, model, arguments, message):
    result = command("predict", *(argument.replace("MODEL", str(model)) for argument in arguments))
    assert (result.returncode, result.stderr, result.stdout) == (1, message + "\n", "")


def test_an_encoder_without_a_classifier_is_refused(command, model, tmp_path):
    from safetensors.numpy import load_file, save_file

    weights = load_file(model / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "classifier" not in k}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((model / "config.json").read_text())
    result = command("predict", f"--model={tmp_path}", "--text=a")
    assert result.returncode == 1
    assert "found an encoder without a two-class classifier" in result.stderr
