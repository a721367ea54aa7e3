"""probing.results.result: what decides a figure is compared, and nothing else; files keep all that they had."""

import json

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing.results.result import Identity, Mix, Result, Score, draws, mean_f1
from probing.scoring import PRF
from probing.tasks import TASKS

LINEAR = {"kind": "linear", "learning_rate": 4e-3, "epochs": 20, "steps": 250_000, "patience": 20}


def made(*, test=True, identity=(), **fields):
    """A Result of pos with some figure on dev, and on test."""
    score = {"Part-of-Speech": Score.of(PRF(6, 2, 4))}
    splits = ["dev", *["test"] * test]
    common = {"corpus": "c", "precision": "float32", "schedule": LINEAR, "encoder": "w-t", "data": "d"}
    return Result(
        **{
            "task": TASKS["pos"],
            "representation": "mix",
            "seed": 1,
            "control": "",
            "encoder": "mine",
            "layer0": "lexical: in words",
            "corpus": "some",
            "splits": {},
            "figures": dict.fromkeys(splits, score),
            "by_label": {split: {"NN": PRF(6, 2, 4), "VB": PRF(1, 0, 0)} for split in splits},
            **fields,
        },
        identity=Identity(**{**common, **dict(identity)}),
    )


def result(*, test=True, layer0="lexical: in words", **identity):
    return made(test=test, layer0=layer0, identity=identity)


@pytest.mark.parametrize(
    ("changes", "different", "unknown"),
    [
        ({}, [], []),
        ({"corpus": "d"}, ["corpus"], []),
        ({"test": False}, ["split test and dev"], []),
        ({"layer0": "lexical: in other words"}, [], []),
        ({"layer0": "positions: in words"}, ["layer 0 lexical and positions"], []),
        ({"precision": None}, [], ["precision"]),
        ({"schedule": {**LINEAR, "epochs": 2}}, ["epochs 20 and 2"], []),
        ({"schedule": {**LINEAR, "steps": 9, "patience": 1}}, [], []),  # which a linear schedule does not read
        ({"schedule": {**LINEAR, "new": 1}}, [], ["new"]),  # of before there was such a setting
        (
            {"schedule": {**LINEAR, "kind": "plateau", "learning_rate": 1e-4}},
            ["schedule linear and plateau", "learning_rate 0.004 and 0.0001"],
            [],
        ),
        ({"schedule": None}, [], ["schedule"]),
    ],
)
def test_differences(changes, different, unknown):
    assert result().differences(result(**changes)) == (different, unknown)
    assert [len(names) for names in result(**changes).differences(result())] == [len(different), len(unknown)]


@pytest.mark.parametrize(
    ("changes", "different", "unknown"),
    [
        ({}, [], []),
        ({"encoder": "w-t-gelu-4"}, [], ["configuration of the encoder"]),
        ({"encoder": "w-tt"}, ["encoder"], []),
        ({"encoder": None, "data": "other"}, ["data"], ["encoder"]),
    ],
)
def test_encoders(changes, different, unknown):
    for one, other in ((result(), result(**changes)), (result(**changes), result())):
        assert one.encoder_differences(other) == (different, unknown)


def test_a_file_has_all_of_it(tmp_path):
    original = made(
        control="random_labels",
        labels=("NN", "VB"),
        mix=Mix((0, 1), (0.25, 0.75), 1.5),
        weights={"sha256": "0", "hub": True},
        widths=(8, 8),
        description_length={"bits": 5.0, "compression": 2.0, "blocks": []},
        record={"history": [{"step": 1}], "command": "python -m probing.run", "of later": 1},
        splits={"test": {"records": 1, "targets": 2, "dropped": {}}},
    )
    counts = np.array([[[6, 2, 4]], [[0, 0, 0]]], np.int32)
    saved = original.save(tmp_path / "mix-seed1-random_labels.json", {"test_counts": counts})
    loaded = Result.load(saved.path)
    assert loaded == saved and loaded.command == "python -m probing.run"
    assert (loaded.split, loaded.rows, loaded.f1()) == ("test", ["Part-of-Speech"], PRF(6, 2, 4).f1)
    assert loaded.micro_f1() == PRF(7, 2, 4).f1
    np.testing.assert_array_equal(loaded.counts("Part-of-Speech"), counts[:, 0])
    assert mean_f1([loaded, loaded]) == loaded.f1()
    # precision, recall and the published interval are there to read, and are computed anew
    content = json.loads(saved.path.read_text(encoding="utf-8"))
    assert content["figures"]["test"]["Part-of-Speech"]["precision"] == 0.75
    assert content["figures"]["test"]["labels"]["NN"] == [6, 2, 4]
    assert content["of later"] == 1
    assert (draws([loaded], "Part-of-Speech", 100) <= 1).all()


def test_counts_of_a_label_are_three(tmp_path):
    path = made().save(tmp_path / "a.json").path
    content = json.loads(path.read_text(encoding="utf-8"))
    content["figures"]["dev"]["labels"]["NN"] = [1, 2]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="a.json: found counts of labels in figures.dev that are not three"):
        Result.load(path)
