"""nsmc_bert.learning.provenance: what a run starts from, and what makes it another run."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nsmc_bert import bundled
from nsmc_bert.base.classes import Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.json_files import mismatch
from nsmc_bert.base.runtime import Runtime
from nsmc_bert.data.find import Data
from nsmc_bert.data.reviews import Corpus
from nsmc_bert.learning import loop, provenance
from nsmc_bert.learning.finetuning import FineTuning, start_of
from nsmc_bert.learning.provenance import Start
from nsmc_bert.model import tokenizers


class One:
    """A strategy of one device."""

    num_replicas_in_sync = 1


DEVICES = Runtime(One(), "CPU", "float32", False, True, "one device (CPU), float32")


def corpus(texts, labels):
    return Corpus(list(texts), np.array(labels, np.int32), Path("some.tsv"), "sha")


def test_random_weights(tiny_config):
    start = Start(tiny_config)
    assert (start.has_weights, start.name) == (False, "random weights, 1 layer of 16")
    assert start.config.vocab_size == start.tokenizer.vocab_size == tokenizers.bundled().vocab_size
    assert start.config.pad_token_id == start.tokenizer.pad_id
    assert json.loads(start.fingerprint)["hidden_size"] == 16
    assert start.pretraining is None
    assert start.build(0, 0.25).config.hidden_dropout_prob == 0.25
    assert start.config.hidden_dropout_prob == 0.1  # a seed's model is not the start's


@pytest.mark.parametrize("encoder", [bundled.ENCODER, "bundled"])
def test_the_encoder_that_ships(encoder):
    start = Start(encoder)
    assert (start.has_weights, start.name) == (True, "the encoder that ships")
    record = json.loads((bundled.ENCODER / "training.json").read_text(encoding="utf-8"))
    assert start.pretraining == {
        "texts": record["data"]["texts"],
        "ratings": False,
        "epochs": record["settings"]["epochs"],
        "command": record["command"],
    }
    bert, outputs = start.build_with_heads(0, None)
    assert bert.config.hidden_dropout_prob == start.config.hidden_dropout_prob
    assert outputs["predictions"]["bias"].shape == (start.config.vocab_size,) and outputs["detection"] == {}


def test_what_a_classifiers_own_encoder_learned_from_is_handed_on(trained):
    assert Start(bundled.CLASSIFIER).pretraining["texts"] > 0
    assert Start(trained[0] / "model").pretraining is None  # it began with random weights


def test_a_head_of_the_same_classes_can_be_kept(make_model, tmp_path):
    model = make_model(labels=("불만", "문의", "칭찬"))
    model.save(tmp_path / "model")
    start = Start(tmp_path / "model")
    start.keep_head(model.classes)
    np.testing.assert_array_equal(start.head[0], model.classifier.kernel)
    with pytest.raises(
        UserError, match="has a head of 3 classes, 불만, 문의, 칭찬, not of 3 classes, a, b, c; --head=new"
    ):
        start.keep_head(Classes(("a", "b", "c")))
    with pytest.raises(UserError, match="has no head of two classes; --head=new"):
        start.keep_head()


def test_of_a_head_that_is_kept_one_can_say_which_label_is_positive(make_model, tmp_path):
    model = make_model()
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "id2label": {"0": "꿀잼", "1": "노잼"}}))
    start = Start(tmp_path / "model")
    with pytest.raises(UserError, match="found a head with the labels 꿀잼 and 노잼, expected .* --positive_label"):
        start.keep_head()
    corpus_of_two = corpus(["좋다", "싫다"], [1, 0])
    how = FineTuning(encoder=str(tmp_path / "model"), head="kept", positive_label=("꿀잼",))
    start, _ = start_of(how, Data("a.csv", "reviews", corpus_of_two, None))
    np.testing.assert_array_equal(start.head[1], model.classifier.bias.numpy()[::-1])
    assert start.turned


def test_no_such_configuration(tmp_path):
    with pytest.raises(
        UserError, match=r"--encoder=.*config.json: found no such file, expected an encoder's config.json"
    ):
        Start(tmp_path / "config.json")


def test_what_makes_a_run_another_one(tiny_config):
    """Keys, their order and their values are those of run.json in every run's folder: with others none is resumed."""
    settings = loop.Settings(epochs=3, token_budget=512, learning_rate=0.01, warmup=0.1, patience=2, seed=5)
    start = Start(tiny_config)
    assert list(provenance.identity(DEVICES, start, settings, data="abc", validation=[0.1, 0]).items()) == [
        ("encoder", start.fingerprint),
        ("tokenizer", start.tokenizer.fingerprint),
        ("precision", "float32"),
        ("xla", False),
        ("fused", True),
        ("replicas", 1),
        ("batches", "packed"),
        ("epochs", 3),
        ("token_budget", 512),
        ("learning_rate", 0.01),
        ("warmup", 0.1),
        ("weight_decay", 0.01),
        ("clip_norm", 1.0),
        ("patience", 2),
        ("seed", 5),
        ("data", "abc"),
        ("validation", [0.1, 0]),
    ]


def test_checksums_by_hand():
    texts = ["좋다", "싫다"]
    plain = "좋다\0싫다".encode()
    assert provenance.checksum(texts) == hashlib.sha1(plain).hexdigest()
    labels = b"\x01\0\0\0\0\0\0\0"  # int32, the lowest byte first
    assert provenance.checksum_of(corpus(texts, [1, 0])) == hashlib.sha1(plain + labels).hexdigest()
    assert provenance.checksum_of(corpus(texts, [0, 1])) != provenance.checksum_of(corpus(texts, [1, 0]))
    assert provenance.checksum(["\ud800"]) == hashlib.sha1(b"?").hexdigest()  # a valid text, and no valid UTF-8


def test_who_has_learned_from_what_is_held_out():
    train = corpus(["좋다", "싫다"], [1, 0])
    mine = {"reviews_sha1": provenance.checksum_of(train), "train_sha1": "sha", "split": [0.1, 0], "by_label": True}

    def held_out(split=(0.1, 0, True), **changes):
        return provenance.has_learned_from_held_out({"data": {**mine, **changes}}, train, split)

    assert not held_out() and held_out(None)
    assert held_out((0.2, 0, True)) and held_out((0.1, 1, True)) and held_out((0.1, 0, False))
    assert held_out(folds=5)  # it has learned from all
    assert held_out(reviews_sha1="the same file by another rule")
    assert not held_out(None, reviews_sha1="x", train_sha1="y")
    old = {"train_sha1": "sha"}  # a record of before splits were recorded
    assert not provenance.has_learned_from_held_out({"data": old}, train, (0.1, 0, False))
    assert not provenance.has_learned_from_held_out({}, train)
    assert not provenance.has_learned_from({"data": {"train_sha1": ""}}, Corpus(["x"], np.zeros(1, int), Path("x"), ""))


def test_where_and_how_it_was_made(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--run_dir=my run", "--sample"])
    made = provenance.circumstances(DEVICES, "train")
    assert list(made) == ["hardware", "versions", "python", "command"]
    assert made["command"] == "python -m nsmc_bert.train '--run_dir=my run' --sample"
    assert made["hardware"].startswith("one device (CPU), float32, ")


def test_a_record_that_is_none(tmp_path):
    assert provenance.record_of(tmp_path) == {}
    (tmp_path / "training.json").write_text('{"data": "another tool\'s"}')
    assert provenance.record_of(tmp_path) == {}
    (tmp_path / "training.json").write_text('{"data": {"name": "NSMC"}, "mine": 1}')
    assert provenance.record_of(tmp_path) == {"data": {"name": "NSMC"}, "mine": 1}


def test_a_finished_runs_record_has_its_shape(trained):
    record = json.loads((trained[0] / "model" / "training.json").read_text(encoding="utf-8"))
    assert mismatch(record, provenance.FINISHED) is None
    assert mismatch({**record, "test_typo": record["test"]}, provenance.FINISHED) is None
    assert mismatch({**record, "test_typo": {}}, provenance.FINISHED) is not None
    written = json.loads(json.dumps({**record, **ratings([1, 2, 3]).recorded}))
    assert mismatch(written, provenance.FINISHED) is None
