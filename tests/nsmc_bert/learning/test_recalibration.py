"""A model that is there is calibrated on other reviews; what it has learned from, and what it is tested on, is kept out
of that.
"""

import dataclasses
import json

import numpy as np
import pytest

import nsmc_bert
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import reviews
from nsmc_bert.data.find import Data
from nsmc_bert.data.labels import Labelling
from nsmc_bert.data.reviews import AS_PUBLISHED, Reading
from nsmc_bert.data.tables import Layout
from nsmc_bert.learning import recalibration
from nsmc_bert.learning.provenance import checksum_of
from tests.conftest import logit

REVIEWS = "document\tlabel\n" + "".join(
    "%s %d\t%d\n" % (("꿀잼", "노잼")[i % 2], i, 1 - i % 2 if i % 5 else i % 2) for i in range(400)
)


def corpus(texts, labels):
    return reviews.Corpus(list(texts), np.array(labels, np.int32), "some.tsv", "sha")


def test_the_command_writes_a_calibrated_model(trained, command, tmp_path):
    (tmp_path / "mine.tsv").write_text(REVIEWS + "보통이 아니다\t1\n", encoding="utf-8")
    _, test = reviews.sample()
    with open(tmp_path / "mine.tsv", "a", encoding="utf-8") as file:
        file.write(f"{test.texts[0]}\t1\n")
    before, after = trained[0] / "model", tmp_path / "better"
    arguments = ["evaluate", "--sample", f"--model={before}", "--calibrate_on=mine.tsv", "--calibrated=better"]
    result = command(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "1 of the 402 reviews to calibrate on stand in the test: left out" in result.stderr
    record, old = (json.loads((folder / "training.json").read_text(encoding="utf-8")) for folder in (after, before))
    found = record["calibration"]
    assert (found["reviews"], found["name"], found["skipped"]) == (401, "mine.tsv", "")
    assert result.stdout.startswith("calibrated on 401 reviews: temperature {:.3f}".format(found["temperature"]))
    # the model in the folder is the one before with another logit, and the figures are its own
    texts = ["이 영화 엄청 재미있네요", "노잼", "다시는 안 본다"]
    logits = [logit(nsmc_bert.load(folder).predict(texts)) for folder in (before, after)]
    np.testing.assert_allclose(logits[1], logits[0] / found["temperature"] + found["bias"], atol=1e-4)
    assert record["calibrated_on"]["n"] == 401
    assert record["test"]["accuracy"] != old["test"]["accuracy"] or record["test"]["ece"] != old["test"]["ece"]
    assert "validation" not in record  # of the model before
    assert (record["seed"], record["history"], record["command"]) == (old["seed"], old["history"], old["command"])
    card = (after / "README.md").read_text(encoding="utf-8")
    assert "On 401 reviews of mine.tsv its confidence was calibrated" in card
    assert "--calibrate_on=mine.tsv" in card
    again = command(*arguments, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (
        1,
        "error: better: found a model, expected a new folder; nothing was overwritten\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--calibrate_on=mine.tsv"], "--calibrate_on and --calibrated: found one of them, expected both"),
        (["--calibrated=new"], "--calibrate_on and --calibrated: found one of them, expected both"),
        (
            ["--calibrate_on=few.tsv", "--calibrated=new"],
            "few.tsv: found 2 reviews to calibrate on, expected 300 or more",
        ),
        (
            ["--calibrate_on=validation", "--calibrated=new"],
            "bundled sample: found 66 reviews to calibrate on, expected 300 or more",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(trained, command, tmp_path, arguments, message):
    (tmp_path / "few.tsv").write_text("document\tlabel\n좋다\t1\n싫다\t0\n", encoding="utf-8")
    result = command("evaluate", "--sample", "--model=%s" % (trained[0] / "model"), *arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.rstrip("\n").split("\n")[-1].startswith("error: " + message)
    assert not (tmp_path / "new").exists()


def find(data, record, **options):
    return recalibration.find("validation", data, record, AS_PUBLISHED, lambda line: None, **options)


def test_what_training_held_out_is_what_it_recorded():
    train = corpus(["글 %d" % i for i in range(1000)], [i % 2 for i in range(1000)])
    data, split = Data("mine", "reviews", train, None), [0.4, 7]
    learned = {"reviews_sha1": checksum_of(train), "split": split, "validation": 400}
    for by_label in (False, True):
        _, rows = reviews.split(train.texts, *split, train.labels if by_label else None)
        found = find(data, {"data": {**learned, "by_label": by_label}})
        assert (found.name, found.held_out) == ("mine", True)
        assert found.texts == [train.texts[row] for row in rows]
        np.testing.assert_array_equal(found.labels, train.labels[rows])
    # of NSMC, which is read in one way only, its file says enough
    record = {"data": {"train_sha1": "sha", "split": split, "validation": 400}}
    assert find(Data("NSMC", "nsmc", train, None), record).texts != found.texts


def test_the_same_file_by_another_rule_is_not_what_was_learned(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("document,label\n" + "".join(f"글 {number},{number % 5 + 1}\n" for number in range(1000)))
    rules = Labelling(positive_from=4, negative_to=2), Labelling(positive_from=5, negative_to=4)
    one, other = (reviews.read(path, Reading(labelling=rule)) for rule in rules)
    assert one.sha1 == other.sha1
    learned = {"train_sha1": one.sha1, "reviews_sha1": checksum_of(one), "by_label": True}
    for train, known in ((one, True), (other, False)):
        _, rows = reviews.split(train.texts, 0.1, 0, train.labels)
        record = {"data": {**learned, "split": [0.1, 0], "validation": len(rows)}}
        if known:
            assert len(find(Data("stars.csv", "reviews", train, None), record, minimum=80).texts) == 80
        else:
            with pytest.raises(UserError, match="no split of .*stars.csv with its labels as they are read here"):
                find(Data("stars.csv", "reviews", train, None), record, minimum=1)


def test_rows_that_were_passed_over_are_said(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("document,label\n좋다,1\n싫다,0\n글\n글,\n", encoding="utf-8")
    said = []
    data = Data("mine", "reviews", None, None)
    recalibration.find(str(path), data, {}, Reading(skip_bad_rows=True), said.append, minimum=1)
    assert said == ["  2 bad rows skipped", "  1 of them without a label"]


@pytest.mark.parametrize("by", ["train_sha1", "reviews_sha1"])  # the file, or its rows, of whatever format
@pytest.mark.parametrize("folds", [0, 5])
def test_a_file_that_it_has_learned_from_is_refused(tmp_path, by, folds):
    (tmp_path / "mine.tsv").write_text(REVIEWS, encoding="utf-8")
    path, data = str(tmp_path / "mine.tsv"), Data("mine", "reviews", None, None)
    mine = reviews.read(path)
    learned = {by: mine.sha1 if by == "train_sha1" else checksum_of(mine), "folds": folds}
    assert len(recalibration.find(path, data, {"data": {by: "other"}}, AS_PUBLISHED, print).texts) == 400
    with pytest.raises(UserError, match="found reviews that the model has learned from") as caught:
        recalibration.find(path, data, {"data": learned}, AS_PUBLISHED, print)
    assert ("--calibrate_on=validation" in str(caught.value)) == (not folds)


def test_another_sheet_of_the_workbook_that_it_has_learned_from_is_taken(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for title in ("배운 것", "남은 것"):
        sheet = book.create_sheet(title)
        for row in (["document", "label", "other"], *([f"{title} {i}", i % 2, 1 - i % 2] for i in range(400))):
            sheet.append(row)
    path = str(tmp_path / "mine.xlsx")
    book.save(path)
    learned, left = (Reading(layout=Layout(sheet=title)) for title in ("배운 것", "남은 것"))
    record, data = {"data": {"train_sha1": reviews.read(path, learned).sha1}}, Data("mine", "reviews", None, None)
    assert recalibration.find(path, data, record, left, print).texts[0] == "남은 것 0"
    with pytest.raises(UserError, match="found reviews that the model has learned from"):
        recalibration.find(path, data, record, dataclasses.replace(learned, label_column="other"), print)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"data": {"train_sha1": "sha", "validation": 100}},
        {"data": {"train_sha1": "sha", "reviews_sha1": "other", "validation": 100}},
        {"data": {"reviews_sha1": "THIS", "validation": 99}},
    ],
    ids=["no record", "a file alone", "other reviews", "another split"],
)
def test_reviews_that_it_may_have_learned_from_are_refused(record):
    train = corpus(["글 %d" % i for i in range(1000)], [i % 2 for i in range(1000)])
    if record.get("data", {}).get("reviews_sha1") == "THIS":
        record["data"]["reviews_sha1"] = checksum_of(train)
    with pytest.raises(UserError, match="nobody knows which of these reviews it has learned from"):
        find(Data("mine", "reviews", train, None), record, minimum=1)
    with pytest.raises(UserError, match="found no training reviews"):
        find(Data("mine", "reviews", None, train), record)


def test_more_classes_take_more_reviews_and_their_own_labels(make_model, tmp_path):
    rows = "".join(f"글 {number},{('불만', '문의', '칭찬')[number % 3]}\n" for number in range(300))
    (tmp_path / "mine.csv").write_text("document,label\n" + rows, encoding="utf-8")
    model, data = make_model(labels=("불만", "문의", "칭찬")), Data("mine", "reviews", None, None)
    path, reading = str(tmp_path / "mine.csv"), AS_PUBLISHED.told_by(model.classes)
    arguments = path, data, {}, reading, lambda line: None
    with pytest.raises(
        UserError, match="found 300 reviews to calibrate on, expected 450 or more: 150 for each of 3 cla"
    ):
        recalibration.find(*arguments, classes=model.classes)
    with pytest.raises(
        UserError, match="mine.csv: found labels of 3 classes, 불만, 문의, 칭찬, expected those of the model"
    ):
        recalibration.find(*arguments, minimum=1)
    mine = recalibration.find(*arguments, minimum=1, classes=model.classes)
    before = model.predict(mine.texts)
    calibrated, changed = recalibration.calibrate(model, mine, {})
    assert calibrated.temperature > 1 and calibrated.bias == (0.0,) * 3  # 300 are few: less sure, and nothing else
    expected = before ** (1 / calibrated.temperature)
    np.testing.assert_allclose(model.predict(mine.texts), expected / expected.sum(1, keepdims=True), atol=1e-5)
    assert list(changed["calibrated_on"]["f1"]) == ["불만", "문의", "칭찬"]
    recalibration.calibrate(model, mine, {"settings": {"weights": "float16"}})  # what it says is of what will be saved
    kernel = model.classifier.kernel.numpy()
    np.testing.assert_array_equal(kernel, kernel.astype(np.float16))
