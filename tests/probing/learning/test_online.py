"""probing.online: prices by hand, where blocks end, a kill between two blocks, and that order in the data shortens the
code.
"""

import json
import math
import types

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing import activations, alignment, encoders
from probing.learning import online
from probing.learning.schedule import ProbeKey, Schedule
from probing.tasks import TASKS

RUNTIME = types.SimpleNamespace(precision="float32", xla=False)


def test_blocks_end_where_the_paper_says():
    assert online.ends(10_000) == [10, 20, 40, 80, 160, 320, 625, 1250, 2500, 5000, 10_000]
    assert online.ends(40) == [1, 2, 3, 5, 10, 20, 40]  # rounded up, and none twice
    assert online.ends(1) == [1]


def test_prices_by_hand():
    logits = np.log(np.float32([[1, 3], [4, 4]]))
    gold = np.array([[False, True], [True, False]])
    # exactly one label: 3 of 4, and 1 of 2
    assert online.bits(logits, gold, True) == pytest.approx(-math.log2(3 / 4) - math.log2(1 / 2), abs=1e-6)
    # each label by itself: odds of 1, 3 and 4, 4
    separate = -math.log2(1 / 2) - math.log2(3 / 4) - math.log2(4 / 5) - math.log2(1 / 5)
    assert online.bits(logits, gold, False) == pytest.approx(separate, abs=1e-6)
    assert online.bits(np.float32([[200, -200]]), np.array([[False, True]]), True) == pytest.approx(400 / math.log(2))


@pytest.mark.parametrize("one_each", [True, False])
def test_a_price_is_the_sum_of_its_pieces(monkeypatch, one_each):
    random = np.random.default_rng(0)
    logits, gold = random.normal(size=(11, 4)).astype(np.float32), np.eye(4, dtype=bool)[random.integers(4, size=11)]
    whole = online.bits(logits, gold, one_each)
    monkeypatch.setattr(online, "AT_ONCE", 3)
    assert online.bits(logits, gold, one_each) == pytest.approx(whole)
    assert online.uniform(10, 8, True) == 30
    assert online.uniform(10, 8, False) == 80


@pytest.fixture
def few_blocks(monkeypatch):
    monkeypatch.setattr(online, "SHARES", (0.1, 0.25, 0.5, 1.0))


@pytest.fixture(scope="module")
def parts(encoder_folder, make_records):
    encoder = encoders.load(encoder_folder)
    task = TASKS["pos"]
    train, dev = (
        alignment.align(make_records(n, 1, seed), encoder, task, ["A", "B", "C"]) for seed, n in ((0, 120), (1, 20))
    )
    return task, encoder, activations.Recompute(encoder, lambda line: None), train, dev


def measure(parts, folder, *, cells, log=lambda line: None, labels=None):
    task, encoder, states, train, dev = parts
    folder.mkdir(exist_ok=True)
    return online.code(
        cells,
        task,
        encoder,
        states,
        train,
        dev,
        Schedule(epochs=8, batch_records=8, learning_rate=5e-3, least_steps=30),
        RUNTIME,
        folder,
        control=labels,
        identity={"a": 1},
        checkpoint_seconds=60.0,
        log=log,
    )


def test_labels_that_can_be_learned_are_shorter_than_random_ones(few_blocks, parts, tmp_path):
    random = np.random.default_rng(0)

    def labels(part):  # another one for every target: nothing to learn
        return np.eye(3, dtype=bool)[random.integers(0, 3, len(part))]

    said = []
    real, control = ProbeKey("lex", 1), ProbeKey("lex", 1, "random_labels")
    found = measure(parts, tmp_path / "a", cells=[real, control], log=said.append, labels=labels)
    train = parts[3]
    assert said[-1] == "pos: description length, from 60 records to 120"
    assert found[real]["uniform_bits"] == pytest.approx(len(train) * math.log2(3))
    assert found[real]["bits"] == pytest.approx(sum(block["bits"] for block in found[real]["blocks"]))
    assert found[real]["compression"] > 1.15 > 1.05 > found[control]["compression"]
    assert found[real]["targets"] == len(train)


def test_a_block_is_priced_by_what_has_learned_from_those_before_it_alone(few_blocks, parts, tmp_path, monkeypatch):
    learned, priced, train, key = [], [], parts[3], ProbeKey("lex", 1)

    def predict(probes, batches, folder):
        priced.append(batches.examples)
        return {key: np.zeros((len(batches.examples), 3), np.float32)}

    monkeypatch.setattr(online.fit, "train", lambda probes, batches, *_, **__: learned.append(batches.examples))
    monkeypatch.setattr(online.predictions, "predict", predict)
    found = measure(parts, tmp_path / "a", cells=[key])[key]
    assert found["compression"] == pytest.approx(1)  # of whoever knows nothing
    assert [each.records for each in learned] == [12, 30, 60]
    together = [np.concatenate([one.sentence, other.sentence]).tolist() for one, other in zip(learned, priced)]
    assert together[:2] == [each.sentence.tolist() for each in learned[1:]]
    assert sorted(together[2]) == sorted(train.sentence.tolist()) and together[2] != train.sentence.tolist()


def test_it_goes_on_after_the_last_whole_block(few_blocks, parts, tmp_path):
    cells = [ProbeKey("lex", 1)]
    whole = measure(parts, tmp_path / "a", cells=cells)

    def kill(line):
        if "from 30 records" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(parts, tmp_path / "b", cells=cells, log=kill)
    said = []
    again = measure(parts, tmp_path / "b", cells=cells, log=said.append)
    for one, other in zip(again[cells[0]]["blocks"], whole[cells[0]]["blocks"]):
        assert one["records"] == other["records"]
        assert one["bits"] == pytest.approx(
            other["bits"], rel=1e-3
        )  # steps that were compiled for other shapes round otherwise
    assert [line.rpartition("from ")[2] for line in said] == ["30 records to 60", "60 records to 120"]
    state = json.loads((tmp_path / "b" / online.STATE).read_text())
    assert state["identity"] == {"a": 1} and state["blocks"].keys() == {"30", "60", "120"}
    assert state["blocks"]["30"].keys() == {"lex-seed1"}
    # what was written with the list of its probes is read, and another run's is refused
    (tmp_path / "b" / online.STATE).write_text(json.dumps({**state, "identity": {"a": 1, "cells": ["lex-seed1"]}}))
    assert online._read(tmp_path / "b" / online.STATE, {"a": 1}) == state["blocks"]
    with pytest.raises(
        UserError, match="online.state: holds a probe with another a, 1; expected 2; choose another --run_dir"
    ):
        online._read(tmp_path / "b" / online.STATE, {"a": 2})
    (tmp_path / "b" / online.STATE).write_text("[]")
    with pytest.raises(UserError, match="online.state: found \\[\\], expected a JSON object"):
        online._read(tmp_path / "b" / online.STATE, {"a": 1})
