"""probing.corpora: the files of a task, those that ship among them."""

import pytest

from nsmc_bert.base.errors import UserError
from probing import corpora, encoders, records
from probing.records import Record, Target
from probing.tasks import SPLITS, TASKS
from tests.conftest import ROOT


@pytest.mark.parametrize("task", TASKS)
def test_the_sample_has_every_task(task):
    corpus = corpora.find(TASKS[task], "", dict.fromkeys(SPLITS, ""))
    texts = {}
    for split, path in corpus.paths.items():
        read = list(records.read(path, TASKS[task].spans))
        assert sum(len(record.targets) for record in read) >= 15
        texts[split] = {record.text for record in read}
    assert sorted(texts) == sorted(SPLITS)
    assert not texts["train"] & texts["test"] and not texts["train"] & texts["dev"] and not texts["dev"] & texts["test"]
    labels = {
        split: {label for record in records.read(path, None) for target in record.targets for label in target.labels}
        for split, path in corpus.paths.items()
    }
    assert labels["dev"] | labels["test"] <= labels["train"]


def test_files_that_are_named_one_by_one(tmp_path):
    files = {"train": str(tmp_path / "a.jsonl"), "dev": str(tmp_path / "b.jsonl"), "test": ""}
    corpus = corpora.find(TASKS["pos"], "", files)
    assert (corpus.name, sorted(corpus.paths)) == (str(tmp_path), ["dev", "train"])
    with pytest.raises(UserError, match="--dev_file: found no pos.dev.jsonl, expected one"):
        corpora.find(TASKS["pos"], "", {**files, "dev": ""})
    with pytest.raises(UserError, match="--data=records: found --train_file=.*a.jsonl beside it, expected one of them"):
        corpora.find(TASKS["pos"], "records", files)


def test_a_target_with_two_labels_that_train_has_not_is_one(encoder_folder, tmp_path):
    """Of the two targets of dev the first has two such labels, and the second none."""
    files = {}
    for split, labels in (("train", [("a",), ("b",)]), ("dev", [("a", "x", "y"), ("b",)])):
        targets = tuple(Target((word, word + 1), (word, word + 1), names) for word, names in enumerate(labels))
        files[split] = str(tmp_path / f"{split}.jsonl")
        records.write(files[split], [Record("영화 최고", targets)], multi_label=True)
    said: list[str] = []
    corpus = corpora.find(TASKS["spr1"], "", {**files, "test": ""})
    corpora.Aligned(corpus, encoders.load(str(encoder_folder)), said.append)
    assert "  1 target with labels that train has not: 'x', 'y'" in said


def test_every_task_has_its_flagfile():
    for task in TASKS:
        assert (ROOT / "flags" / f"probe_{task}.flags").is_file()
