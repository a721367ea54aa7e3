"""nsmc_bert.model.masked_lm: that what is hidden is learned, and what transformers makes of the folder."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.watchdog import Watchdog
from nsmc_bert.model import checkpoints, families, optimizers
from nsmc_bert.model.language_model import VALIDATION_SEED
from nsmc_bert.model.masked_lm import MaskedLanguageModel


@pytest.fixture
def make(make_bert, tiny_tokenizer):
    def make(seed=0, **options):
        bert = make_bert(seed, initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        return MaskedLanguageModel(bert, tiny_tokenizer, max_length=16, seed=seed, **options)

    return make


def test_logits_are_those_of_transformers(make):
    """The output equals that of TFBertForMaskedLM with the same weights."""
    from transformers.models.bert.modeling_tf_bert import TFBertForMaskedLM

    model = make()
    random = np.random.default_rng(0)
    for name in ("bias", "transform.dense.bias", "transform.LayerNorm.bias"):
        variable = model.predictions.named[name]
        variable.assign(random.normal(size=variable.shape))
    theirs = TFBertForMaskedLM(model.bert.config)
    theirs.build_in_name_scope()
    ours = list(checkpoints.parameters(model.bert).items())
    named = {families.known()["bert"].name(variable.name): variable for variable in theirs.weights}
    for name, variable in ours:
        if "pooler" not in name:
            named[name].assign(variable)
    for name, value in model.predictions.values().items():
        key = "predictions." + name
        named[key].assign(value.T if name == "transform.dense.weight" else value)
    ids = np.array([[2, 5, 6, 4, 8, 3]], np.int32)
    expected = theirs(input_ids=ids, attention_mask=np.ones_like(ids)).logits.numpy()
    read, positions = np.array([[3, 1]], np.int32), np.arange(6, dtype=np.int32)[None]
    inputs = {
        "input_ids": ids,
        "segments": np.ones_like(ids),
        "positions": positions,
        "firsts": np.zeros((1, 1), np.int32),
        "read": read,
    }
    actual = model({**inputs, "places": np.array([0, 1], np.int32)})["pieces"].numpy()
    np.testing.assert_allclose(actual, expected[0, [3, 1]], atol=1e-4)
    actual = model({**inputs, "places": np.array([1], np.int32)})["pieces"].numpy()
    np.testing.assert_allclose(actual, expected[0, [1]], atol=1e-4)


def test_the_loss_is_the_mean_over_hidden_places(make, tiny_tokenizer):
    """Of a batch, by NumPy in float64."""
    texts = ["이 영화 정말 최고 !", "다시는 안 본다 .", "꿀잼", ""] * 9
    model, encoded = make(), tiny_tokenizer.encode(texts, 16)
    model.compile(tf.keras.optimizers.Adam(0.0))
    for batch in model.pipeline(encoded, model.plan(encoded), None):
        changed, targets, counts = model._asked(batch, [3, 4])
        logits = model(changed)["pieces"].numpy().astype(np.float64)[counts["pieces"].numpy() > 0]
        pieces = targets["pieces"].numpy()[counts["pieces"].numpy() > 0]
        losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(pieces)), pieces]
        loss = model.compute_loss(changed, targets, model(changed), counts)
        assert len(losses) > 20 and float(loss) == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize("ratings", [0, 3])
def test_figures_are_means_over_all_pieces_and_texts_however_they_are_batched(make, tiny_tokenizer, ratings):
    """By NumPy in float64; the last batch has one row, of long texts of which hardly a piece is known."""
    texts = ["이 영화 정말 최고 !", "다시는 안 본다 .", "꿀잼", ""] * 30 + ["노잼 " * 12]
    model, encoded = make(ratings=ratings), tiny_tokenizer.encode(texts, 16)
    stars = np.arange(len(texts), dtype=np.int32) % 3 if ratings else None
    found, losses, right, rated = [], [], [], []
    for budget in (128, 256, 3072):
        model.compile(tf.keras.optimizers.Adam(0.0))  # a model has one shape of batches
        model.predict_budget = budget
        plan = model.plan(encoded, token_budget=budget)
        found.append((len(plan), model.validate(encoded, stars)))
    for features, labels, weights in model.pipeline(encoded, plan, stars):
        seed = [VALIDATION_SEED, np.sum(features["input_ids"], 1)]
        changed, targets, counts = model._asked((features, labels, weights), seed)
        outputs, there = model(changed), counts["pieces"].numpy() > 0
        logits, pieces = outputs["pieces"].numpy().astype(np.float64)[there], targets["pieces"].numpy()[there]
        losses += (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(pieces)), pieces]).tolist()
        right += (logits.argmax(1) == pieces).tolist()
        if ratings:
            there = weights.numpy() > 0
            said = outputs["rating"].numpy().astype(np.float64)[there]
            chosen = said[np.arange(len(said)), labels.numpy()[there]]
            rated += list(zip(np.log(np.exp(said).sum(1)) - chosen, said.argmax(1) == labels.numpy()[there]))
    expected = {"perplexity": np.exp(np.mean(losses)), "accuracy": np.mean(right)}
    if ratings:
        assert len(rated) == len(texts)
        expected |= dict(zip(("rating_loss", "rating_accuracy"), np.mean(rated, 0)))
    assert [steps for steps, _ in found][0] > 4 > found[-1][0]
    for _, figures in found:
        assert figures == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("ratings", [0, 2])
def test_learns_what_is_hidden(make, tiny_tokenizer, ratings):
    texts = ["이 영화 정말 최고 !", "다시는 안 본다 ."] * 40
    model = make(ratings=ratings)
    model.compile(optimizers.adamw(0.01))
    encoded = tiny_tokenizer.encode(texts, 16)
    stars = np.array([1, 0] * 40, np.int32) if ratings else None
    with Watchdog() as watchdog:
        before = model.validate(encoded, stars)
        assert watchdog._looks is not None  # a long validation is no run that stands still
    for epoch in range(12):
        plan = model.plan(encoded, token_budget=128, seed=1, epoch=epoch)
        model.fit_batches(encoded, stars, plan, 0, len(plan))
    after = model.validate(encoded, stars)
    assert after["perplexity"] < 4 < 20 < before["perplexity"]
    assert model.validate(encoded, stars) == after  # the same pieces each time
    assert model.score(after) > model.score(before)
    assert ("rating_accuracy" in after) == bool(ratings)
    if ratings:
        assert after["rating_accuracy"] == 1.0
