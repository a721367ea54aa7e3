"""nsmc_bert.model.replaced: what PyTorch and NumPy say of the same weights, what is drawn, and what is saved."""

import json

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints, families, optimizers, tokenizers
from nsmc_bert.model.families import network
from nsmc_bert.model.hiding import Hidden, Places
from nsmc_bert.model.language_model import VALIDATION_SEED
from nsmc_bert.model.replaced import DETECTION_WEIGHT, ReplacedTokenDetector, draw_pieces, narrow, put
from tests.nsmc_bert.model.families import make

TEXTS = ["이 영화 정말 최고 !", "다시는 안 본다 .", "꿀잼", ""]


@pytest.fixture
def build(tmp_path):
    """Makes detectors over the tiny encoders of every family."""

    def build(name, **options):
        folder = tmp_path / name
        folder = folder if folder.exists() else make.write(folder, name)
        loaded, tokenizer = checkpoints.load_encoder(folder), tokenizers.load(folder)
        loaded.bert.config.hidden_dropout_prob = loaded.bert.config.attention_probs_dropout_prob = 0.0
        return ReplacedTokenDetector(loaded.bert, tokenizer, max_length=16, **{"generator_share": 0.5, **options})

    return build


def asked(model, budget=256, seed=(3, 4)):
    """What a model is asked of the first batch of TEXTS: (inputs, targets, what they count)."""
    encoded = model.tokenizer.encode(TEXTS * 9, 16)
    batch = next(iter(model.pipeline(encoded, model.plan(encoded, token_budget=budget), np.arange(36) % 3)))
    return model._asked(batch, list(seed))


@pytest.mark.parametrize("name", ["electra", "electra, projected"])
def test_the_discriminators_logits_and_loss_are_pytorchs(build, name):
    model, recorded = build(name, detection=make.detection()), make.recorded_detection(name)
    (loss, weight, _) = model._objectives()["replaced"]
    assert weight == DETECTION_WEIGHT == 50
    for number, ids in enumerate(make.inputs()):
        inputs = {"segments": np.ones_like(ids)[None], "positions": np.arange(len(ids), dtype=np.int32)[None]}
        states = model._encode(model.bert, ids[None], inputs, None, None)
        logits = model.detection(states[0])
        np.testing.assert_allclose(logits[:, 0], recorded[f"logits {number}"], atol=1e-5)
        told = loss((ids % 2).astype(np.float32)[:, None], logits)
        assert float(told) == pytest.approx(float(recorded[f"loss {number}"]), abs=1e-5)


def test_the_generator_is_an_electra_of_transformers(build):
    """Over the discriminator's embeddings, as its published generators are."""
    from transformers.models.electra.modeling_tf_electra import TFElectraForMaskedLM

    model = build("electra, projected")
    assert model.generator.config.hidden_size == 4
    theirs = TFElectraForMaskedLM(model.generator.config)
    theirs.build_in_name_scope()
    family = families.known()["electra"]
    values = {family.names.predictions()[part]: value for part, value in model.predictions.values().items()}
    for variables in (checkpoints.parameters(model.bert), checkpoints.parameters(model.generator)):
        values |= {
            key: value.numpy().T if "kernel" in value.name else value.numpy() for key, value in variables.items()
        }
    for variable in theirs.weights:
        value = values[family.name(variable.name)]
        variable.assign(value.T if "kernel" in variable.name else value)
    for ids in make.inputs():
        inputs = {"segments": np.ones_like(ids)[None], "positions": np.arange(len(ids), dtype=np.int32)[None]}
        states = model._encode(model.generator, ids[None], inputs, None, None)
        logits = model.predictions(states[0], network.weights(model.bert).words)
        np.testing.assert_allclose(logits, theirs(ids[None]).logits[0], atol=1e-5)


@pytest.mark.parametrize("ratings", [0, 3])
def test_the_loss_by_numpy(build, ratings):
    """The generator's over what is hidden, 50 times the discriminator's over all pieces, and the rating's."""
    model = build("electra, projected", ratings=ratings, rating_weight=2.0)
    model.compile(tf.keras.optimizers.Adam(0.0))
    inputs, targets, counts = asked(model)
    outputs = {key: value.numpy().astype(np.float64) for key, value in model(inputs).items()}

    def crossentropy(name):
        logits, real = outputs[name].reshape(-1, outputs[name].shape[-1]), np.ravel(counts[name]) > 0
        chosen = logits[np.arange(len(logits)), np.ravel(targets[name])]
        return (np.log(np.exp(logits).sum(1)) - chosen)[real].mean()

    real, told, logits = np.ravel(inputs["segments"]) > 0, outputs["was_replaced"][:, 0], outputs["replaced"][:, 0]
    binary = (np.log1p(np.exp(logits)) - told * logits)[real].mean()
    expected = crossentropy("pieces") + 50 * binary + (2 * crossentropy("rating") if ratings else 0)
    loss = model.compute_loss(inputs, targets, model(inputs), counts)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    figures = model.compute_metrics(inputs, targets, model(inputs), counts)
    assert float(figures["replaced_accuracy"]) == pytest.approx(((logits > 0) == told)[real].mean())
    assert float(figures["replaced_share"]) == pytest.approx(told[real].mean()) and 0.05 < told[real].mean() < 0.5


def test_figures_are_means_over_all_pieces_by_numpy(build):
    """The last batch has one row of few pieces, which count no more than any others."""
    model = build("electra", ratings=3)
    model.compile(tf.keras.optimizers.Adam(0.0))
    model.predict_budget = 256
    encoded, stars = model.tokenizer.encode([*TEXTS * 40, "꿀잼"], 16), np.arange(161, dtype=np.int32) % 3
    found, plan = model.validate(encoded, stars), model.plan(encoded, token_budget=256)
    pieces, told, shares = [], [], []
    for features, ratings, weights in model.pipeline(encoded, plan, stars):
        seed = [VALIDATION_SEED, np.sum(features["input_ids"], 1)]
        inputs, targets, counts = model._asked((features, ratings, weights), seed)
        outputs = {name: value.numpy().astype(np.float64) for name, value in model(inputs).items()}
        there = counts["pieces"].numpy() > 0
        logits, wanted = outputs["pieces"][there], targets["pieces"].numpy()[there]
        pieces += (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(wanted)), wanted]).tolist()
        real, was = np.ravel(inputs["segments"]) > 0, outputs["was_replaced"][:, 0]
        logits = outputs["replaced"][:, 0]
        told += (np.log1p(np.exp(logits)) - was * logits)[real].tolist()
        shares += was[real].tolist()
    assert len(plan) > 3 and plan.splits[-1] - plan.splits[-2] < (plan.splits[1] - plan.splits[0]) / 2
    assert found["generator_perplexity"] == pytest.approx(np.exp(np.mean(pieces)), rel=1e-5)
    assert found["detection_loss"] == pytest.approx(np.mean(told), rel=1e-5)
    assert found["replaced_share"] == pytest.approx(np.mean(shares), rel=1e-5)


def test_what_is_replaced(build):
    """Only what was hidden, and all of it that was drawn otherwise."""
    model = build("electra")
    model.predictions.named["bias"].assign(np.where(np.arange(24) == 6, 100.0, 0.0))  # 영화, which it always draws
    inputs, targets, counts = asked(model)
    ids = inputs["input_ids"].numpy()
    told = model(inputs)["was_replaced"].numpy().reshape(ids.shape)
    expected = np.zeros_like(told)
    for row, (places, there) in enumerate(zip(inputs["hidden"].read.numpy(), inputs["hidden"].taken.numpy())):
        expected[row, places[there]] = ids[row, places[there]] != 6
    np.testing.assert_array_equal(told, expected)
    assert 5 < told.sum() < inputs["hidden"].taken.numpy().sum()  # some were that before


def test_pieces_are_put_by_hand():
    ids = tf.constant([[5, 6, 7, 8], [9, 10, 11, 12]])
    # read: places 2 and 0 of the first row, 3 and 1 of the second; the last of them is not hidden
    read, taken = tf.constant([[2, 0], [3, 1]]), tf.constant([[True, True], [True, False]])
    hidden = Hidden(ids, read, tf.gather(ids, read, batch_dims=1), taken)
    places = Places(tf.constant([0, 1, 2, 3]), tf.constant([7, 5, 12, 10]), tf.constant([4 / 3, 4 / 3, 4 / 3, 0]))
    drawn = tf.constant([20, 21, 22, 23])
    np.testing.assert_array_equal(put(ids, hidden, places, drawn), [[21, 6, 20, 8], [9, 10, 11, 22]])


def test_pieces_are_drawn_with_their_probabilities():
    shares, n = np.array([0.5, 0.3, 0.15, 0.05]), 20_000
    logits = tf.tile(tf.math.log(tf.constant(shares, tf.float32))[None] + 7.0, [n, 1])
    seed = tf.constant([1, 2], tf.int64)
    drawn = draw_pieces(logits, seed).numpy()
    counts = np.bincount(drawn, minlength=4)
    # chi-square of 3 degrees of freedom: above 16.3 once in a thousand seeds
    assert ((counts - n * shares) ** 2 / (n * shares)).sum() < 16.3
    np.testing.assert_array_equal(draw_pieces(logits, seed), drawn)
    other = draw_pieces(logits, tf.constant([1, 3], tf.int64)).numpy()
    assert (other == drawn).mean() == pytest.approx((shares**2).sum(), abs=0.02)  # as far as chance goes


def test_what_is_drawn_is_another_chance_than_what_is_hidden(build):
    inputs, _, _ = asked(build("electra"), seed=(3, 4))
    assert inputs["seed"].numpy().tolist() != [3, 4]
    again, other = (asked(build("electra"), seed=(3, step))[0]["seed"].numpy().tolist() for step in (4, 5))
    assert inputs["seed"].numpy().tolist() == again != other


@pytest.mark.parametrize("name", sorted(make.CONFIGS))
def test_every_familys_generator_learns(build, name):
    """It is of the same family, shares the embeddings and nothing else, and all weights of both are learned."""
    model = build(name)
    config, small = model.bert.config, model.generator.config
    assert (small.hidden_size, small.num_attention_heads, small.intermediate_size) == (4, 1, 6)
    assert config.hidden_size == 8  # that of the discriminator stays
    own, shared = checkpoints.parameters(model.generator), checkpoints.parameters(model.bert)
    assert not {id(variable) for variable in own.values()} & {id(variable) for variable in shared.values()}
    assert network.weights(model.generator).words is network.weights(model.bert).words
    assert len(network.weights(model.generator).layers) == len(network.weights(model.bert).layers)
    model.compile(tf.keras.optimizers.Adam(0.0))
    inputs, targets, counts = asked(model)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, targets, model(inputs, training=True), counts)
    learned = {"generator " + key: variable for key, variable in own.items()}
    pooler = families.of(config).names.pooler
    learned |= {key: value for key, value in shared.items() if value.trainable and not key.startswith(pooler + ".")}
    for head in (model.predictions, model.detection):
        learned |= {f"{head.name} {key}": variable for key, variable in head.named.items()}
    for key, gradient in zip(learned, tape.gradient(loss, list(learned.values()))):
        # a bias of keys moves all scores of a query alike
        if not key.endswith(families.of(config).names.key + ".bias"):
            assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, key


def test_widths_of_generators():
    config = families.known()["electra"].read(
        {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
    )
    for share, heads in ((0.25, 3), (0.01, 1), (0.34, 4), (1.0, 12)):
        small = narrow(config, share)
        assert (small.num_attention_heads, small.hidden_size, small.intermediate_size) == (
            heads,
            64 * heads,
            256 * heads,
        )


def test_the_best_epoch_has_the_least_of_both_losses(build):
    figures = {"generator_perplexity": np.exp(3.0), "rating_loss": 0.5}
    assert build("electra", ratings=3, rating_weight=4.0).score(figures) == pytest.approx(-3.0 - 4.0 * 0.5)


def test_it_learns(build):
    model = build("electra", seed=1)
    for part in (model.bert, model.generator):  # weights of which it is easier to get on
        part.config.initializer_range = 0.2
        checkpoints.draw(part, 1)
    model.compile(optimizers.adamw(0.01))
    encoded = model.tokenizer.encode(["이 영화 정말 최고 !", "다시는 안 본다 ."] * 40, 16)
    before = model.validate(encoded, None)
    assert model.validate(encoded, None) == before  # the same pieces hidden and drawn each time
    for epoch in range(12):
        plan = model.plan(encoded, token_budget=128, seed=1, epoch=epoch)
        model.fit_batches(encoded, None, plan, 0, len(plan))
    after = model.validate(encoded, None)
    assert list(after) == [
        "detection_loss",
        "detection_accuracy",
        "replaced_share",
        "generator_perplexity",
        "generator_accuracy",
    ]
    assert after["generator_perplexity"] < 6 < 15 < before["generator_perplexity"]
    share = after["replaced_share"]
    # the loss of whoever knows this share and nothing else
    assert after["detection_loss"] < 0.9 * -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert model.score(after) > model.score(before)


def test_a_discriminator_is_saved_as_transformers_has_it(build, tmp_path):
    from transformers.models.electra.modeling_tf_electra import TFElectraForPreTraining

    model = build("electra, projected", detection=make.detection())
    model.save(tmp_path / "saved", training={}, card="")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["architectures"] == ["ElectraForPreTraining"] and config["hidden_size"] == 8
    weights = load_file(tmp_path / "saved" / "model.safetensors")
    assert not [name for name in weights if "generator" in name]
    theirs = TFElectraForPreTraining(checkpoints.read_config(tmp_path / "saved"))
    theirs.build_in_name_scope()
    for variable in theirs.weights:
        value = weights[families.known()["electra"].stored(families.known()["electra"].name(variable.name))]
        variable.assign(value.T if "kernel" in variable.name else value)
    recorded = make.recorded_detection("electra, projected")
    np.testing.assert_allclose(theirs(make.inputs()[0][None]).logits[0], recorded["logits 0"], atol=1e-5)
    loaded = checkpoints.load_encoder(tmp_path / "saved")  # and a run goes on from its head
    again = ReplacedTokenDetector(loaded.bert, model.tokenizer, max_length=16, detection=loaded.detection)
    for key, value in model.detection.values().items():
        np.testing.assert_array_equal(again.detection.values()[key], value)


def test_of_another_family_the_encoder_is_saved(build, tmp_path):
    model = build("bert")
    model.save(tmp_path / "saved", training={}, card="")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"] == ["BertModel"]
    assert set(load_file(tmp_path / "saved" / "model.safetensors")) == {
        f"bert.{name}" for name in checkpoints.parameters(model.bert)
    }


def test_a_head_of_another_model_is_refused(build):
    with pytest.raises(UserError, match=r"the discriminator's dense.bias: found shape \(9,\), expected \(8,\)"):
        build("electra", detection={"dense.bias": np.zeros(9, np.float32)})
