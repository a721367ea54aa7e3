"""probing.tasks: the published inventories, counts and settings."""

import csv
import dataclasses

import pytest

from probing.tasks import TASKS

# the published table of sizes: labels, spans, train targets (jiant's probing/README.md)
PUBLISHED = {
    "pos": (48, 1, 2070382),
    "constituents": (30, 1, 1851590),
    "dep": (49, 2, 203919),
    "entities": (18, 1, 128738),
    "srl": (66, 2, 598983),
    "coref": (2, 2, 207830),
    "spr1": (18, 2, 7611),
    "spr2": (20, 2, 4925),
    "dpr": (2, 2, 1787),
    "rel": (19, 2, 6851),
}


def test_ten_tasks_with_the_published_sizes():
    assert {name: (len(task.labels), task.spans, task.counts["train"][1]) for name, task in TASKS.items()} == PUBLISHED


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_what_holds_for_each(task):
    assert TASKS[task.name] is task
    assert list(task.labels) == sorted(set(task.labels))
    assert list(task.counts) == ["train", "dev", "test"]
    assert next(iter(task.rows)) == task.title
    assert task.multi_label == (task.name in ("spr1", "spr2"))
    assert task.seeds == (5 if task.name == "dpr" else 1)
    assert (task.steps, task.interval) == (
        (10_000, 100) if task.name in ("spr1", "spr2", "dpr", "rel") else (250_000, 1000)
    )


def test_they_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TASKS["pos"].steps = 1
    with pytest.raises(TypeError):
        TASKS["ccg"] = TASKS["pos"]


def test_the_parts_of_the_srl_inventory():
    labels = TASKS["srl"].labels
    assert [sum(label.startswith(prefix) for label in labels) for prefix in ("ARGM-", "C-", "R-")] == [21, 19, 19]
    assert {"ARGA", "R-ARG5", "C-ARGM-TMP"} < set(labels) and "V" not in labels


def test_the_labels_of_the_published_examples():
    examples = {
        "pos": ["NN", "``", "''"],
        "constituents": ["VP", "TOP"],
        "dep": ["nsubj"],
        "entities": ["ORG"],
        "srl": ["ARG1"],
        "coref": ["1"],
        "spr2": ["awareness", "existed_after"],
        "dpr": ["entailed"],
        "rel": ["Cause-Effect(e2,e1)", "Other"],
    }
    for name, labels in examples.items():
        assert set(labels) <= set(TASKS[name].labels)


def test_titles_are_rows_of_the_published_table(data_dir):
    table = data_dir.parent / "reference" / "published_f1.csv"
    if not table.is_file():
        pytest.skip("needs the published table beside the corpora")
    with open(table, encoding="utf-8") as file:
        rows = {row["task"] for row in csv.DictReader(file)}
    assert rows - {task.title for task in TASKS.values()} == {"Core roles", "Non-core roles", "Macro Average"}
    assert {task.title for task in TASKS.values()} < rows
