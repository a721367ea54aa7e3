"""The train command: what it says, what it leaves, and how it fails."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from nsmc_bert import bundled
from tests import forked

ROWS = "리뷰,별\n" + "".join("%s %d,%d\n" % (("꿀잼", "노잼")[i % 2], i, 1 - i % 2) for i in range(40))


def last_line(result):
    return result.stdout.rstrip("\n").split("\n")[-1]


def only_error(result):
    """The one line that a failed command ends with."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    line = result.stderr.rstrip("\n").split("\n")[-1]
    assert line.startswith("error: ")
    return line


def test_says_what_it_does_and_what_to_do_next(trained, command):
    folder, _, result = trained
    said = result.stderr.split("\n")
    assert re.fullmatch(r"bundled sample, train: .*sample_train.tsv \(660 reviews\)", said[0])
    assert re.fullmatch(r"computing on one device \((CPU|GPU)\), .*", said[2])
    assert said[3] == "starting from random weights, 1 layer of 16"
    assert re.match(r"594 reviews to train on, 66 to validate on; \d+ tokens, \d+ computed \(1\.\d+ times\)", said[4])
    assert re.search(r"^seed 1, test: 224 reviews, none of them in training$", result.stdout, re.M)
    assert re.search(r"^model: {}$".format(re.escape(str(folder / "model"))), result.stdout, re.M)
    following = last_line(result)
    assert following.startswith("next: ")
    words = shlex.split(following.removeprefix("next: "))
    assert words[1:3] == ["-m", "nsmc_bert.predict"]
    answer = command("predict", *words[3:])
    assert re.fullmatch(
        r"\[\[0\.\d{3}, 0\.\d{3}\]\]  (negative 부정|positive 긍정)  이 영화 엄청 재미있네요\n", answer.stdout
    )


def test_leaves_a_whole_model_folder(trained):
    folder, _, result = trained
    names = {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "spiece.model",
        "training.json",
    }
    assert set(os.listdir(folder / "model")) == names | {"README.md"}
    record = json.loads((folder / "model" / "training.json").read_text(encoding="utf-8"))
    assert (record["seed"], record["data"]["train"], record["data"]["validation"]) == (1, 594, 66)
    assert record["test"]["n"] == 224
    best = max(epoch["validation"]["accuracy"] for epoch in record["history"])
    # training's own figures may be in bfloat16, which moves a review in 66 or two
    assert record["validation"]["accuracy"] == pytest.approx(best, abs=0.035)
    assert "accuracy %.2f %%" % (100 * record["test"]["accuracy"]) in result.stdout
    assert list((folder / "tensorboard").iterdir())


def test_the_figures_are_those_of_the_saved_model(trained):
    import nsmc_bert
    from nsmc_bert.data import reviews

    folder = trained[0] / "model"
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    _, test = reviews.sample()
    with pytest.warns(UserWarning, match="1 of 224 texts are longer"):
        said = nsmc_bert.load(folder).predict(test.texts).argmax(1)
    assert (said == test.labels).mean() == pytest.approx(record["test"]["accuracy"])
    assert record["history"][-1]["loss"] < record["history"][0]["loss"] - 0.1  # it has learned something


def test_run_again_it_trains_nothing_and_says_the_same(trained, command):
    folder, arguments, result = trained
    before = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    again = command("train", *arguments)
    assert (again.returncode, again.stdout) == (0, result.stdout)
    assert "seed 1: finished already" in again.stderr
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_another_run_in_the_same_folder_is_refused(trained, command):
    folder, arguments, _ = trained
    before = sorted(path.name for path in folder.iterdir())
    line = only_error(command("train", *arguments, "--learning_rate=0.02"))
    assert "holds another run: learning_rate=0.01 there, 0.02 now; choose another folder, --run_dir=" in line
    assert sorted(path.name for path in folder.iterdir()) == before


def test_another_column_is_another_run(command, tiny_config, tmp_path):
    rows = "document\tother\tlabel\n" + "".join("%d 꿀잼\t%d 노잼\t%d\n" % (i, i, i % 2) for i in range(20))
    (tmp_path / "mine.tsv").write_text(rows, encoding="utf-8")
    arguments = ["--train_file=mine.tsv", f"--encoder={tiny_config}", "--folds=0", "--epochs=1", "--run_dir=run"]
    assert command("train", *arguments, cwd=tmp_path).returncode == 0
    assert "holds another run: what was learned from is not what is there now; choose another folder" in only_error(
        command("train", *arguments, "--text_column=other", cwd=tmp_path)
    )


def test_a_killed_command_goes_on_to_the_same_weights(trained, tmp_path):
    """The wiring; tests of nsmc_bert.learning.loop kill at many moments."""
    folder, arguments, _ = trained
    program = ["-m", "nsmc_bert.train", *arguments[:-1], "--run_dir=killed"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = forked.Started([*program, "--checkpoint_seconds=0.01"], cwd=tmp_path, env=environment)
    while not (tmp_path / "killed" / "checkpoint.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.005)
    assert process.kill().returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model").exists()
    forked.run(program, cwd=tmp_path, env=environment).check_returncode()
    weights = load_file(tmp_path / "killed" / "model" / "model.safetensors")
    for name, expected in load_file(folder / "model" / "model.safetensors").items():
        np.testing.assert_array_equal(weights[name], expected, err_msg=name)


def test_own_reviews_and_several_seeds(command, tiny_config, tmp_path):
    (tmp_path / "mine.csv").write_text(ROWS + "좋아요,5\n", encoding="utf-8")
    arguments = [
        "--train_file=mine.csv",
        "--text_column=리뷰",
        "--label_column=별",
        f"--encoder={tiny_config}",
        "--seeds=1,2",
        "--folds=0",
        "--epochs=1",
        "--run_dir=run",
    ]
    line = only_error(command("train", *arguments, cwd=tmp_path))
    assert line.startswith("error: mine.csv:42: found the label '5', expected 0 (negative) or 1 (positive); are these ")
    assert line in only_error(command("train", *arguments, "--skip_bad_rows", cwd=tmp_path))
    assert os.listdir(tmp_path) == ["mine.csv"]
    (tmp_path / "mine.csv").write_text(ROWS + "좋아요,\n", encoding="utf-8")
    result = command("train", *arguments, "--skip_bad_rows", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "1 bad row skipped" in result.stderr
    assert re.search(
        r"^validation accuracy over 2 seeds: mean \d+\.\d\d, standard deviation \d+\.\d\d", result.stdout, re.M
    )
    one, two = (load_file(tmp_path / "run" / seed / "model" / "model.safetensors") for seed in ("seed-1", "seed-2"))
    assert (one["classifier.weight"] != two["classifier.weight"]).any()


def test_a_part_without_one_of_the_labels_is_no_part(command, tiny_config, tmp_path):
    rows = "글,별점\n" + "".join(f"{number} 노잼,{5 if number == 3 else 1}\n" for number in range(30))
    (tmp_path / "mine.csv").write_text(rows, encoding="utf-8")
    arguments = ["--train_file=mine.csv", "--text_column=글", "--label_column=별점", f"--encoder={tiny_config}"]
    arguments += ["--positive_from=4", "--negative_to=2", "--folds=0"]
    result = command("train", *arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.split("\n")[1:2] == [
        "  1 rated 4 or more: positive; 29 rated 2 or less: negative; 0 between them left out"
    ]
    assert (
        "error: mine.csv: found all 3 reviews to choose the epoch by labelled 0, expected some of either label; "
        "add reviews, of each label two different ones or more\n"
    ) in result.stderr
    assert os.listdir(tmp_path) == ["mine.csv"]


def test_a_trained_model_is_an_encoder_to_start_from(trained, command, tmp_path):
    folder, _, _ = trained
    result = command(
        "train", "--sample", "--encoder=%s" % (folder / "model"), "--epochs=1", "--run_dir=run", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "starting from %s" % (folder / "model") in result.stderr


def test_without_nsmc_it_trains_on_the_sample_and_says_so_loudly(command, tiny_config, tmp_path):
    result = command("train", "--nodownload", f"--encoder={tiny_config}", "--epochs=1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "NSMC cannot be had" in result.stderr
    assert "*** Training on the bundled SAMPLE" in result.stderr
    assert (tmp_path / "runs" / "sample" / "model" / "training.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nsmc_dir=nowhere"], r"error: nowhere: found no ratings_train.txt and no ratings_test.txt"),
        (["--train_file=nowhere.tsv"], r"error: nowhere.tsv: cannot be read \(No such file or directory\)"),
        (["--train_file=one.tsv"], r"error: one.tsv: found 2 reviews, all labelled 1, expected some of either label"),
        (["--test_file=a.tsv"], r"error: --test_file=a.tsv: found no --train_file beside it"),
        (["--sample", "--encoder=nowhere/at/all"], r"error: nowhere/at/all: found no such folder"),
        (
            ["--sample", "--encoder=klue/bert-base"],
            r"error: klue/bert-base: .* not in the local cache .* cannot be reached",
        ),
        (["--sample", "--encoder=config.json"], r"error: --encoder=config.json: found no such file"),
        (["--sample", "--seeds=1,x"], r"error: --seeds=1,x: expected distinct whole numbers"),
        (["--sample", "--seeds=-1"], r"error: --seeds=-1: expected distinct whole numbers from 0"),
        (["--sample", "--strategy=multiworker"], r"error: --strategy=multiworker: found no TF_CONFIG"),
        (["--sample", "--epochs=-1"], r"error: flag --epochs=-1"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, message):
    (tmp_path / "one.tsv").write_text("document\tlabel\n좋다\t1\n최고\t1\n", encoding="utf-8")
    assert re.match(message, only_error(command("train", *arguments, cwd=tmp_path)))
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX limits")
def test_a_disk_that_is_full_is_one_line_and_loses_nothing(tiny_config, tmp_path):
    """A limit on the size of files stands in for the disk."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    program = [
        sys.executable,
        "-m",
        "nsmc_bert.train",
        "--sample",
        f"--encoder={tiny_config}",
        "--epochs=1",
        "--run_dir=run",
    ]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    result = subprocess.run(
        program, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", preexec_fn=limit
    )
    assert re.search(r"error: run/\w+.safetensors: cannot be written \(.*large.*\)$", only_error(result))
    assert not list((tmp_path / "run").glob("*.safetensors*"))


def test_a_classifiers_head_is_gone_on_with(trained, command, tmp_path):
    folder, _, _ = trained
    arguments = ["--sample", f"--encoder={folder / 'model'}", "--epochs=1", "--learning_rate=0", "--run_dir=run"]
    result = command("train", *arguments, "--head=kept", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"starting from {folder / 'model'}; its head is kept\n" in result.stderr
    # with a learning rate of 0 everything is as it was, its confidence included
    before = load_file(folder / "model" / "model.safetensors")
    for name, value in load_file(tmp_path / "run" / "model" / "model.safetensors").items():
        np.testing.assert_allclose(value, before[name], atol=1e-6, err_msg=name)
    line = only_error(command("train", "--sample", f"--encoder={bundled.ENCODER}", "--head=kept", cwd=tmp_path))
    assert line == "error: --head=kept: the encoder that ships has no head of two classes; --head=new draws one"


WORDS = {"불만": ("최악", "노잼"), "문의": ("배송 언제", "교환 되나요"), "칭찬": ("꿀잼", "최고")}


def write_rows(path, rows):
    path.write_text("글,말\n" + "".join(f"{text} {number},{label}\n" for number, (text, label) in enumerate(rows)))


def test_three_classes_from_training_to_a_table(command, tiny_config, tmp_path):
    rows = [(WORDS[name][number % 2], name) for number in range(40) for name in WORDS]
    write_rows(tmp_path / "train.csv", rows)
    write_rows(tmp_path / "test.csv", rows[:30])
    columns = ["--text_column=글", "--label_column=말"]
    trained = command(
        "train",
        *columns,
        *("--train_file=train.csv", "--test_file=test.csv", "--labels=불만,문의,칭찬", f"--encoder={tiny_config}"),
        "--folds=0",
        *("--learning_rate=0.02", "--epochs=3", "--run_dir=run"),
        cwd=tmp_path,
    )
    assert trained.returncode == 0, trained.stderr
    assert "  reviews of each class: 불만 40, 문의 40, 칭찬 40\n" in trained.stderr
    record = json.loads((tmp_path / "run" / "model" / "training.json").read_text(encoding="utf-8"))
    assert record["classes"] == {"names": ["불만", "문의", "칭찬"], "values": []}
    measured = command("evaluate", *columns, "--test_file=test.csv", "--model=run/model", "--json=f.json", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    figures = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    assert figures["test"]["confusion"] == record["test"]["confusion"]
    predicted = command("predict", "--input=test.csv", "--text_column=글", "--model=run/model", cwd=tmp_path)
    header, *lines = [line.split(",") for line in predicted.stdout.splitlines()]
    assert header == ["글", "말", "label", "불만", "문의", "칭찬"]
    confusion = np.zeros((3, 3), int)
    for _, label, said, *probabilities in lines:
        assert said == list(WORDS)[np.argmax(list(map(float, probabilities)))]
        confusion[list(WORDS).index(label), list(WORDS).index(said)] += 1
    assert confusion.tolist() == record["test"]["confusion"]
    line = only_error(command("evaluate", "--sample", "--model=run/model", cwd=tmp_path))
    expected = "expected those of the model, 3 classes, 불만, 문의, 칭찬"
    assert line.endswith(f"sample_test.tsv: found labels of negative and positive, {expected}")


def test_ratings_from_training_to_a_table(command, tiny_config, tmp_path):
    rows = [
        (WORDS["칭찬" if stars > 3 else "불만"][number % 2], stars) for number in range(12) for stars in range(1, 6)
    ]
    write_rows(tmp_path / "train.csv", rows)
    columns = ["--text_column=글", "--label_column=말"]
    train = ["train", *columns, "--train_file=train.csv", "--test_file=train.csv", f"--encoder={tiny_config}"]
    train.append("--folds=0")
    line = only_error(command(*train, cwd=tmp_path))
    assert line.endswith("leaves out what is between; --ratings=1:5 takes each as a class")
    trained = command(*train, "--ratings=1:5", "--learning_rate=0.02", "--epochs=2", "--run_dir=run", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert re.search(
        r"epoch 2: training loss \d\.\d{4}, validation root mean squared error of the expected rating \d\.\d{4}\n",
        trained.stderr,
    )
    record = json.loads((tmp_path / "run" / "model" / "training.json").read_text(encoding="utf-8"))
    figures = record["test"]
    assert (
        f"quadratic weighted kappa {figures['kappa']:.3f}, mean absolute error {figures['mae']:.3f}" in trained.stdout
    )
    predicted = command(
        "predict", "--input=train.csv", "--text_column=글", "--model=run/model", "--output=out.jsonl", cwd=tmp_path
    )
    assert predicted.returncode == 0, predicted.stderr
    table = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert list(table[0]) == ["글", "말", "label", "1", "2", "3", "4", "5", "expected_rating"]
    for row in table:
        assert row["expected_rating"] == pytest.approx(sum(stars * row[str(stars)] for stars in range(1, 6)), abs=1e-5)
    said, labels = (np.array([int(row[name]) for row in table]) for name in ("label", "말"))
    assert figures["mae"] == pytest.approx(np.abs(said - labels).mean())
    expected = np.array([row["expected_rating"] for row in table])
    assert figures["rmse_expected"] == pytest.approx(np.square(expected - labels).mean() ** 0.5, abs=1e-5)
    assert figures["within_one"] == pytest.approx((np.abs(said - labels) <= 1).mean())
    shown = command("predict", "--text=꿀잼", "--model=run/model", cwd=tmp_path)
    assert re.fullmatch(r"\[\[(0\.\d{3}(, )?){5}\]\]  [1-5], expected [1-5]\.\d\d  꿀잼\n", shown.stdout)
