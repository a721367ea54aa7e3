"""The evaluate command: its figures are those of the library, on the screen and in the file."""

import json
import re
import shutil

import numpy as np
import pytest

from nsmc_bert import bundled
from nsmc_bert.data import perturbation, reviews
from nsmc_bert.model import metrics


def test_figures_and_errors(trained, command, tmp_path):
    folder = trained[0] / "model"
    result = command(
        "evaluate",
        "--sample",
        f"--model={folder}",
        "--json=out/figures.json",
        "--errors=3",
        "--perturb=spaces,typo",
        f"--against=classifier,{folder}",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "out" / "figures.json").read_text(encoding="utf-8"))
    import nsmc_bert

    _, test = reviews.sample()
    with pytest.warns(UserWarning, match="1 of 224 texts are longer"):
        model = nsmc_bert.load(folder)
        probabilities = model.predict(test.texts)
    expected = metrics.report(probabilities, test.labels)
    assert figures["test"]["confusion"] == expected["confusion"]
    assert figures["test"]["ece"] == pytest.approx(expected["ece"], abs=1e-6)
    assert figures["test"] == figures["test_unseen"]  # no text of the sample is in both parts
    assert figures["test_sha1"] == test.sha1
    for name, change in perturbation.PERTURBATIONS.items():
        with pytest.warns(UserWarning, match="texts are longer"):
            changed = model.predict(change(test.texts))
        assert figures["test_" + name]["confusion"] == metrics.report(changed, test.labels)["confusion"]
    wrong = metrics.confident_errors(probabilities, test.labels, 3)
    assert [error["text"] for error in figures["errors"]] == [test.texts[i] for i in wrong]
    assert result.stdout.startswith(
        "test: 224 reviews, none of them in training\n  accuracy %.2f %%" % (100 * expected["accuracy"])
    )
    shown = re.findall(r"^  (0\.\d{3}) (\w+), labelled (\w+): (.*)$", result.stdout, re.M)
    assert [line[3] for line in shown] == [test.texts[i] for i in wrong]
    assert all(said != label for _, said, label, _ in shown)

    ships = nsmc_bert.load().predict(test.texts).argmax(1) == test.labels
    right = probabilities.argmax(1) == test.labels
    other, itself = figures["against"]
    assert (other["this_alone"], other["other_alone"]) == ((right & ~ships).sum(), (ships & ~right).sum())
    assert other["difference"] == pytest.approx(right.mean() - ships.mean())
    assert (itself["difference"], itself["mcnemar_p"], itself["both_right"]) == (0, 1, right.sum())
    assert f"against classifier, accuracy {100 * ships.mean():.2f} %: {100 * other['difference']:+.2f} points" in (
        result.stdout
    )
    assert result.stdout.count("  not of the same supervision: this one ") == 1


def test_texts_that_were_trained_on_are_told_apart(trained, command, tmp_path):
    train, test = reviews.sample()
    rows = list(zip(test.texts, test.labels)) + list(zip(train.texts[:50], train.labels[:50]))
    for name, part in (("train.tsv", zip(train.texts, train.labels)), ("test.tsv", rows)):
        text = "document\tlabel\n" + "".join("%s\t%d\n" % row for row in part)
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = command(
        "evaluate",
        "--train_file=train.tsv",
        "--test_file=test.tsv",
        "--model=%s" % (trained[0] / "model"),
        "--json=figures.json",
        cwd=tmp_path,
    )
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert (figures["test"]["n"], figures["test_unseen"]["n"]) == (274, 224), result.stderr
    assert figures["data"] == "test.tsv"  # what was measured on, not what was learned from
    assert np.sum(figures["test_unseen"]["confusion"]) == 224


def test_the_page_tells_of_training_whatever_else_is_written(trained, command, tmp_path):
    pytest.importorskip("matplotlib")
    model = trained[0] / "model"
    result = command("evaluate", "--sample", f"--model={model}", "--json=f.json", "--page=page", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "page" / "classifier.html").read_text(encoding="utf-8")
    assert "Loss in training and accuracy on validation after each pass." in page
    assert "python -m nsmc_bert.train --sample" in page and "python -m nsmc_bert.evaluate --sample" in page


def test_a_model_of_other_classes_is_no_other_to_compare_with(trained, command, tmp_path):
    shutil.copytree(trained[0] / "model", tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text(encoding="utf-8"))
    config.update(id2label={"0": "불만", "1": "문의", "2": "칭찬"}, label2id={"불만": 0, "문의": 1, "칭찬": 2})
    (tmp_path / "other" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    result = command("evaluate", "--sample", "--against=other", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("error: --against=other: found labels of")


def test_another_that_cannot_be_compared_with_is_told_before_anything_is_computed(command, tmp_path):
    page = "--calibrate_on=x.tsv", "--calibrated=made"  # no such file, which is read after that
    result = command("evaluate", "--sample", f"--against={bundled.ENCODER}", *page, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {bundled.ENCODER}: found an encoder without a two-class")


def test_an_unknown_perturbation(command):
    result = command("evaluate", "--sample", "--perturb=spaces,caps")
    assert (result.returncode, result.stderr) == (1, "error: --perturb=spaces,caps: expected some of spaces, typo\n")


def test_a_test_file_alone_is_enough(trained, command, tmp_path):
    (tmp_path / "test.tsv").write_text("document\tlabel\n좋다\t1\n싫다\t1\n", encoding="utf-8")
    result = command(
        "evaluate", "--test_file=test.tsv", "--model=%s" % (trained[0] / "model"), "--json=figures.json", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert (figures["test"]["n"], figures["test_unseen"], figures["data"]) == (2, None, "test.tsv")
    assert "of positive reviews alone" in result.stdout
    assert "unseen" not in result.stdout


def test_a_model_of_own_reviews_is_not_measured_on_nsmc_unasked(trained, command, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(trained[0] / "model", model)
    record = json.loads((model / "training.json").read_text(encoding="utf-8"))
    record["data"]["name"] = "shop.csv"
    (model / "training.json").write_text(json.dumps(record), encoding="utf-8")
    result = command("evaluate", "--model=model", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (
        1,
        "error: --model=model: learned from shop.csv, expected reviews to measure it on, --test_file=FILE (or "
        "--nsmc_dir=FOLDER, for NSMC's)\n",
    )
    result = command("evaluate", "--model=model", f"--test_file={bundled.SAMPLE['train']}", cwd=tmp_path)
    assert "WARNING: these are the reviews that the model has learned from" in result.stderr


def test_it_never_measures_on_the_sample_unasked(trained, command, tmp_path):
    result = command("evaluate", "--nodownload", "--model=%s" % (trained[0] / "model"), cwd=tmp_path)
    assert result.returncode == 1
    assert "downloading is turned off" in result.stderr
    assert "SAMPLE" not in result.stderr


def test_without_test_reviews_there_is_nothing_to_measure(trained, command, tmp_path):
    (tmp_path / "train.tsv").write_text("document\tlabel\n좋다\t1\n", encoding="utf-8")
    result = command("evaluate", "--train_file=train.tsv", "--model=%s" % (trained[0] / "model"), cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.endswith("error: found no test reviews beside train.tsv, expected --test_file=FILE\n")
