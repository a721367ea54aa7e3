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


def test_the_tasks_of_an_encoder_are_of_the_same_weights(tmp_path):
    """A classifier may have been trained anew in its folder before the next task was probed."""
    for task, encoder in (("dep", "weights-tokenizer-lexical"), ("pos", "weights-tokenizer-positions")):
        write(tmp_path, task, "model", "mix", 0.9, identity={"encoder": encoder})
    assert len(runs.load([tmp_path])) == 2
    write(tmp_path, "srl", "model", "mix", 0.9, identity={"encoder": "others-tokenizer-lexical"})
    message = "dep/model and .*srl/model: found probes of dep and srl that are of different weights, though the encoder"
    with pytest.raises(UserError, match=message):
        runs.load([tmp_path])


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


def test_heads_are_named_as_heads(tmp_path):
    write(tmp_path, "dep", "/x/bundled/tuned", "mix", 0.9)
    write(tmp_path, "dep", "attention:/x/bundled/tuned", "heads", 0.8, layer0="none")
    results = runs.load([tmp_path])
    assert runs.encoder_named(results, "bundled/tuned") == "/x/bundled/tuned"
    assert runs.encoder_named(results, "attention:/x/bundled/tuned") == "attention:/x/bundled/tuned"
    heads = [result for result in results if result.representation == "heads"]
    assert runs.encoder_named(heads, "tuned") == "attention:/x/bundled/tuned"


def test_short_names(tmp_path):
    write(tmp_path, "pos", "runs/nsmc/model", "mix", 0.9)
    write(tmp_path, "pos", "runs/nsmc/model, random weights (seed 1)", "mix", 0.5, control="random_encoder")
    write(tmp_path, "pos", "runs/pretrained/encoder", "mix", 0.9)
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9)
    results = runs.load([tmp_path])
    named = runs.named(results, {"tuned": "nsmc/model", "base": "encoder"})
    assert sorted(result.encoder for result in named) == [
        "base",
        "bert-base-uncased",
        "tuned",
        "tuned, random weights (seed 1)",
    ]
    assert {result.shape_of for result in named} == {"base", "bert-base-uncased", "tuned"}
    assert runs.named(results, {}) == results
    for names, message in (
        ({"tuned": "model2"}, "model2: found 0 encoders of that name, expected one of bert-base-uncased, runs/nsmc"),
        ({"base": "uncased"}, "base=uncased: found bert-base-uncased, which stands in the published column bert-base"),
        ({"bert-large": "nsmc/model"}, "found an encoder of the name bert-large already"),
        ({"runs/pretrained/encoder": "nsmc/model"}, "found an encoder of the name runs/pretrained/encoder already"),
    ):
        with pytest.raises(UserError, match=message):
            runs.named(results, names)
