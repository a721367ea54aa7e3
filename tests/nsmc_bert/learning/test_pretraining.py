"""nsmc_bert.learning.pretraining: what is held out, what is decided where nobody has, and the lines that end a run."""

import gc
import hashlib
import zlib

import numpy as np
import pytest
from safetensors.numpy import load_file

from nsmc_bert.base import runtime, system
from nsmc_bert.base.errors import UserError
from nsmc_bert.learning import loop, pretraining, provenance
from nsmc_bert.learning.pretraining import Pretraining
from nsmc_bert.learning.provenance import Start

TEXTS = [f"이 영화 엄청 재미있네요 {i}" for i in range(50)]


@pytest.fixture(scope="module")
def devices():
    return runtime.configure(precision="float32", xla="off", strategy="one")


@pytest.fixture
def prepare(devices, tiny_config):
    def prepare(ratings=None, start=None, **settings):
        how = Pretraining(**{"validation": 20, **settings})
        checksum = provenance.checksum(TEXTS)
        return pretraining.prepare(TEXTS, ratings, checksum, how, start or Start(tiny_config), devices)

    return prepare


def test_some_texts_are_held_out_and_all_are_used(prepare):
    prepared = prepare(ratings=np.arange(50, dtype=np.int32) % 5, seed=3)
    (learned, ratings), (held_out, held_out_ratings) = prepared.train_set, prepared.validation_set
    assert (len(learned), len(held_out), prepared.classes) == (30, 20, 5)
    order = np.random.Generator(np.random.PCG64(3)).permutation(50)
    np.testing.assert_array_equal(ratings, np.sort(order[20:]) % 5)
    np.testing.assert_array_equal(held_out_ratings, np.sort(order[:20]) % 5)
    expected = prepared.start.tokenizer.encode([TEXTS[row] for row in np.sort(order[20:])], 64)
    np.testing.assert_array_equal(learned.ids, expected.ids)
    tokens = learned.lengths.sum()
    assert str(prepared) == f"30 texts to learn from, 20 to validate on; {tokens} tokens a pass"


def test_what_is_left_open_is_decided(prepare):
    assert prepare(epochs=3).settings == loop.Settings(
        epochs=3,
        token_budget=4096,
        learning_rate=1e-3,
        warmup=0.05,
        weight_decay=0.01,
        clip_norm=1.0,
        patience=3,  # no epoch is left out
        seed=1,
    )


def test_what_goes_on_learns_in_another_order(prepare):
    from nsmc_bert import bundled

    start = Start(bundled.ENCODER)
    prepared = prepare(start=start, seed=7)
    assert prepared.settings.seed == zlib.crc32(start.fingerprint.encode(), 7) >> 1
    assert prepare(start=start, seed=8).settings.seed != prepared.settings.seed


def test_what_makes_a_run_another_one(prepare):
    """Keys, their order and values as in every run's folder: with others none is resumed."""
    ratings = np.arange(50, dtype=np.int32) % 5
    assert list(prepare(ratings).identity.items())[-8:] == [
        ("texts", hashlib.sha1("\0".join(TEXTS).encode()).hexdigest()),
        ("validation", 20),
        ("validated", "by pieces"),
        ("masked_share", 0.15),
        ("rating_weight", 1.0),
        ("max_length", 64),
        ("ratings", hashlib.sha1(ratings.tobytes()).hexdigest()),
        ("dropout", 0.0),
    ]
    assert prepare().identity["ratings"] is None
    other = prepare(ratings, objective="replaced", generator_share=0.5).identity
    assert list(other.items())[-2:] == [("objective", "replaced"), ("generator_share", 0.5)]
    assert prepare(weights="float16").identity["dtype"] == "float16"
    assert [pretraining.make_model(prepare(token_budget=n)).predict_budget for n in (0, 512)] == [None, 1024]


@pytest.mark.parametrize("validation", [50, 51])
def test_texts_that_are_too_few(validation):
    with pytest.raises(UserError) as caught:
        pretraining.pretrain(TEXTS, None, Pretraining(validation=validation))
    assert str(caught.value) == f"--validation={validation}: expected fewer than the 50 texts there are"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"encoder": "klue/bert-base"},
            "found --encoder=klue/bert-base beside it, whose weights know the pieces of its",
        ),
        ({"encoder": "bundled"}, "found --encoder=bundled beside it, whose weights know"),
        ({"tokenizer": "mine"}, "found --tokenizer=mine beside it, expected one of them"),
    ],
)
def test_a_vocabulary_of_ones_own_goes_with_random_weights(how, message):
    with pytest.raises(UserError, match=f"^--vocab_size=1200: {message}"):
        pretraining.pretrain(TEXTS, None, Pretraining(validation=1, vocab_size=1200, **how))


def test_a_summary(monkeypatch):
    monkeypatch.setattr(system, "interpreter", lambda: "python")
    result = {"validation": {"perplexity": 12.34567, "rating_accuracy": 0.5}, "folder": "runs/pretrained/encoder"}
    assert pretraining.summary(result) == [
        "validation perplexity 12.3457",
        "validation rating accuracy 0.5000",
        "encoder: runs/pretrained/encoder",
        "next: python -m nsmc_bert.train --encoder=runs/pretrained/encoder",
    ]


def test_a_run_in_one_process(tiny_config, tmp_path):
    lines = []
    how = Pretraining(
        run_dir=str(tmp_path / "run"),
        encoder=str(tiny_config),
        validation=20,
        token_budget=512,
        precision="float32",
        xla="off",
        strategy="one",
    )
    result = pretraining.pretrain(TEXTS, None, how, log=lines.append)
    assert result["folder"] == str(tmp_path / "run" / "encoder")
    assert result["validation"]["perplexity"] > 1
    again = pretraining.pretrain(TEXTS, None, how, log=lines.append)
    assert again == result
    assert lines[-1] == f"finished already, in {tmp_path}/run/encoder"


def test_replaced_token_detection_goes_on_to_the_same_weights(tiny_config, tmp_path, monkeypatch):
    """Stopped behind a checkpoint in the middle of a pass; with dropout and ratings."""

    class Stopped(Exception):
        pass

    class Stopping(loop.State):
        def save(self, progress):
            super().save(progress)
            if progress.steps + progress.step == 4:
                raise Stopped

    def run(name):
        how = Pretraining(
            run_dir=str(tmp_path / name),
            encoder=str(tiny_config),
            objective="replaced",
            generator_share=0.5,
            validation=20,
            token_budget=128,
            epochs=2,
            dropout=0.2,
            checkpoint_seconds=0.0,
            precision="float32",
            xla="off",
            strategy="one",
        )
        ratings = np.arange(50, dtype=np.int32) % 3
        result = pretraining.pretrain(TEXTS, ratings, how, log=lambda line: None)
        return result, load_file(f"{result['folder']}/model.safetensors")

    whole, weights = run("whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "State", Stopping)
        try:
            run("stopped")
        except Stopped:
            gc.collect()  # what holds the run's folder
    assert not (tmp_path / "stopped" / "encoder").exists()
    result, after = run("stopped")
    assert after.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert result["validation"] == whole["validation"]
    assert list(whole["validation"])[:2] == ["detection_loss", "detection_accuracy"]
    assert "rating_loss" in whole["validation"]
    assert (whole["settings"]["objective"], whole["settings"]["generator_share"]) == ("replaced", 0.5)


def test_an_objective_that_is_none():
    with pytest.raises(UserError, match="^--objective=hidden: expected one of masked, replaced$"):
        pretraining.pretrain(TEXTS, None, Pretraining(objective="hidden", validation=20))
