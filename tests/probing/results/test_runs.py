"""probing.results.runs: copies count once, what differs or is broken is refused."""

import json

import pytest

from nsmc_bert.base.errors import UserError
from probing.results import runs, tables
from tests.probing.results.test_tables import write


def test_copies_count_once_and_what_differs_is_refused(tmp_path):
    for seed in (1, 2):
        write(tmp_path / "runs", "pos", "mine", "mix", 0.9, seed=seed)
    assert len(runs.load([tmp_path / "runs", tmp_path / "runs"])) == 2
    write(tmp_path / "other", "pos", "mine", "mix", 0.9, seed=3, corpus="two", records=70)
    with pytest.raises(
        UserError,
        match="runs/pos/mine and .*other/pos/mine: found probes of pos, mix-seed1 and mix-seed3, that differ in",
    ):
        runs.load([tmp_path / "runs", tmp_path / "other"])
    write(tmp_path / "another", "pos", "mine", "lex", 0.9, corpus="two")
    with pytest.raises(UserError, match="mix-seed1 and lex-seed1, that differ in corpus, expected the same"):
        runs.load([tmp_path / "runs", tmp_path / "another"])


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: found no results, expected a run folder of probing.run$"):
        runs.load([tmp_path / "nowhere"])
    # a folder above: a store of activations is no result, and is not advised to be deleted
    write(tmp_path / "above" / "probing", "pos", "mine", "mix", 0.9)
    store = tmp_path / "above" / "activations" / "weights-tokenizer" / "store.json"
    store.parent.mkdir(parents=True)
    store.write_text('{"settled": 3}', encoding="utf-8")
    with pytest.raises(
        UserError, match="above: found no results, expected a run folder of probing.run, such as .*/above/probing$"
    ):
        runs.load([tmp_path / "above"])
    write(tmp_path, "pos", "mine", "mix", 0.9)
    (tmp_path / "pos" / "mine" / "mix-seed1.npz").unlink()
    with pytest.raises(UserError, match="mix-seed1.npz: missing, expected the predictions"):
        runs.load([tmp_path])
    (tmp_path / "pos" / "mine" / "mix-seed1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="mix-seed1.json: found no task, expected a string"):
        runs.load([tmp_path])
    write(tmp_path, "pos", "mine", "mix", 0.9)
    path = tmp_path / "pos" / "mine" / "mix-seed1.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    rows = whole["figures"]["test"]
    for figures, message in (
        ({}, "found no figures, expected a result; delete it"),
        ({"train": rows}, "found no figures, expected a result; delete it"),
        ([], r"found figures \[\], expected a JSON object"),
        ({"test": {"labels": {}}}, "found no figures.test.Part-of-Speech, expected a JSON object"),
        ({"test": {**rows, "Part-of-Speech": {}}}, "found no figures.test.Part-of-Speech.f1, expected a number"),
        ({"test": {**rows, "labels": {"NN": "x"}}}, "found figures.test.labels.NN 'x', expected a list"),
    ):
        path.write_text(json.dumps({**whole, "figures": figures}), encoding="utf-8")
        with pytest.raises(UserError, match="mix-seed1.json: " + message):
            runs.load([tmp_path])
    path.write_text(json.dumps(whole), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace('"task": "pos"', '"task": "foo"'), encoding="utf-8")
    with pytest.raises(UserError, match="mix-seed1.json: found the task 'foo', expected one of"):
        runs.load([tmp_path])
    write(tmp_path, "pos", "mine", "mix", 0.9)
    broken = path.with_suffix(".npz")
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(UserError, match="mix-seed1.npz: found no whole file of predictions"):
        tables.figures(runs.load([tmp_path]), 100)
