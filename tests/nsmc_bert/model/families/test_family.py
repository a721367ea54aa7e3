"""nsmc_bert.model.families.family: one battery for every family, against what PyTorch said of the same weights."""

import json

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

import nsmc_bert
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints, families, forward, packing, tokenizers
from nsmc_bert.model.masked_lm import MaskedLanguageModel
from nsmc_bert.model.tokenizers import Encoded
from tests.nsmc_bert.model.families import make

NAMES = list(make.CONFIGS)
CLASSES = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "electra": "Electra"}
CLASSES |= {"distilbert": "DistilBert", "albert": "Albert"}


def encoded():
    """The recorded texts as an Encoded."""
    ids = make.inputs()
    splits = np.concatenate([[0], np.cumsum([len(each) for each in ids])])
    return Encoded(np.concatenate(ids), splits, np.zeros(len(ids), bool))


def softmax(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", NAMES)
def test_states_of_every_layer_are_pytorchs(folders, name):
    """Of a text alone, and of all of them in one packed row."""
    bert, expected, texts = checkpoints.load_encoder(folders[name]).bert, make.recorded(name), encoded()
    for number, ids in enumerate(make.inputs()):
        states = forward.encode_layers(bert, ids[None], np.ones_like(ids)[None])
        np.testing.assert_allclose(np.concatenate(states), expected["states %d" % number], atol=1e-5)
    batch = packing.packed(texts, plan := packing.plan(texts.lengths, 128), pad_id=0)
    batch = {key: tf.constant(value, tf.int32) for key, value in batch.items()}
    states = forward.encode_layers(bert, batch["input_ids"], batch["segments"], positions=batch["positions"])
    for number, place in zip(plan.texts, plan.places):
        here = slice(place, place + texts.lengths[number])
        packed = np.stack([layer.numpy()[0, here] for layer in states])
        np.testing.assert_allclose(packed, expected["states %d" % number], atol=1e-5)


@pytest.fixture(scope="session")
def models(folders):
    """{name: (its folder, the model that is loaded from it)}."""
    return {name: (folder, nsmc_bert.load(folder)) for name, folder in folders.items()}


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_pytorchs(models, name):
    expected = np.stack([softmax(make.recorded(name)["logits %d" % i]) for i in range(3)])
    np.testing.assert_allclose(models[name][1].predict_encoded(encoded()), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_hidden_pieces_are_pytorchs(folders, name):
    loaded, tokenizer = checkpoints.load_encoder(folders[name]), tokenizers.load(folders[name])
    model = MaskedLanguageModel(loaded.bert, tokenizer, max_length=16, predictions=loaded.predictions)
    for number, ids in enumerate(make.inputs()):
        every = np.arange(len(ids), dtype=np.int32)
        inputs = {"input_ids": ids[None], "segments": np.ones_like(ids)[None], "positions": every[None]}
        inputs |= {"firsts": np.zeros((1, 1), np.int32), "read": every[None], "places": every}
        logits = model(inputs)["pieces"].numpy()
        np.testing.assert_allclose(logits, make.recorded(name)["pieces %d" % number], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_has_pytorchs_names_and_shapes(models, tmp_path, name):
    """And is what was read, rows of positions that no text reaches included."""
    folder, model = models[name]
    model.save(tmp_path / "saved")
    before, after = load_file(folder / "model.safetensors"), load_file(tmp_path / "saved" / "model.safetensors")
    assert set(after) <= set(before)
    kind = families.of(model.bert.config).title
    of_predictions = {"BERT": "cls.", "RoBERTa": "lm_head.", "XLM-R": "lm_head.", "ELECTRA": "generator_"}
    of_predictions |= {"DistilBERT": "vocab_", "ALBERT": "predictions."}
    assert set(before) - set(after) == {key for key in before if key.startswith(of_predictions[kind])}
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    wanted = make.CONFIGS[name]
    assert {key: config.get(key) for key in wanted if config.get(key) != wanted[key]} == {}
    assert config["architectures"] == [CLASSES[wanted["model_type"]] + "ForSequenceClassification"]
    again = nsmc_bert.load(tmp_path / "saved")
    np.testing.assert_allclose(again.predict("이 영화"), model.predict("이 영화"), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_masked_language_model_is_saved_under_pytorchs_names(folders, tmp_path, name):
    loaded, tokenizer = checkpoints.load_encoder(folders[name]), tokenizers.load(folders[name])
    model = MaskedLanguageModel(loaded.bert, tokenizer, max_length=16, predictions=loaded.predictions)
    model.save(tmp_path / "saved", training={}, card="")
    before, after = load_file(folders[name] / "model.safetensors"), load_file(tmp_path / "saved" / "model.safetensors")
    classifier = families.of(loaded.config).names.classifier
    assert set(before) - set(after) == {f"{classifier}.weight", f"{classifier}.bias"}
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    architectures = json.loads((tmp_path / "saved" / "config.json").read_text())["architectures"]
    assert architectures == [CLASSES[make.CONFIGS[name]["model_type"]] + "ForMaskedLM"]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_learned(models, name):
    """But positions that are none's to learn. Those of padding, of which there are more here than texts have, are not
    read.
    """
    model, texts = models[name][1], encoded()
    batch = packing.packed(texts, packing.plan(texts.lengths, 128), pad_id=0)
    tf.random.set_seed(1)  # of dropout, where nothing is compiled
    with tf.GradientTape() as tape:
        answers = model({key: tf.constant(value, tf.int32) for key, value in batch.items()}, training=True)
        loss = tf.reduce_sum(answers[0, :3, 0])
    variables = checkpoints.parameters(model.bert)
    learned = {key: variable for key, variable in variables.items() if variable.trainable}
    gradients = dict(zip(learned, tape.gradient(loss, list(learned.values()))))
    table = families.of(model.bert.config).names.table("position")
    assert set(variables) - set(learned) == ({table} if "sinusoidal" in name else set())
    for key, gradient in gradients.items():
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, key
    if table in learned:
        rows = np.flatnonzero(np.abs(tf.convert_to_tensor(gradients[table])).max(1))
        first = make.CONFIGS[name].get("pad_token_id", -1) + 1
        assert rows.tolist() == list(range(first, first + max(texts.lengths)))


def test_a_model_of_another_family_is_fitted(models):
    folder, _ = models["albert"]
    model = nsmc_bert.load(folder)
    model.compile(tf.keras.optimizers.Adam(0.01))
    texts, labels = ["이 영화 엄청 재미있네요", "다시는 안 본다 최악"] * 8, [1, 0] * 8
    assert model.fit(texts, labels, epochs=12, verbose=0).history["accuracy"][-1] == 1.0
    assert (model.predict(texts[:2]).argmax(1) == [1, 0]).all()


@pytest.mark.parametrize("form", ["tensorflow safetensors", "h5"])
@pytest.mark.parametrize("name", ["roberta", "electra, projected", "distilbert", "albert"])
def test_what_transformers_writes_for_tensorflow(tmp_path, name, form):
    import transformers

    config = checkpoints.read_config(make.write(tmp_path / "torch", name))
    kind = getattr(transformers, f"TF{families.of(config).classes}ForSequenceClassification")
    theirs = kind(type(config).__mro__[1 if name in ("distilbert", "albert") else 0](**config.to_dict()))
    theirs.build_in_name_scope()
    theirs.save_pretrained(tmp_path / "tf", safe_serialization=form != "h5")
    loaded = checkpoints.load_encoder(tmp_path / "tf")
    assert loaded.fresh == ()
    ids = make.inputs()[0][None]
    hidden = forward.encode(loaded.bert, ids, np.ones_like(ids))
    logits = forward.pool(loaded.bert, hidden).numpy() @ loaded.classifier[0] + loaded.classifier[1]
    np.testing.assert_allclose(logits, theirs(ids).logits, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_random_weights_are_those_of_an_encoder(name, tmp_path):
    config = checkpoints.read_config(make.write(tmp_path / "folder", name))
    one, other = (checkpoints.parameters(checkpoints.build(config, seed)) for seed in (1, 1))
    assert {key: tuple(value.shape) for key, value in one.items()} == {
        key: shape[::-1] if checkpoints._transposed(one[key]) else shape
        for key, shape in families.of(config).shapes(config).items()
    }
    for key, value in one.items():
        np.testing.assert_array_equal(value, other[key])


def test_names_of_any_framework_are_pytorchs():
    for kind, theirs, ours in (
        ("bert", "tf_bert_model/bert/pooler/dense/kernel:0", "pooler.dense.weight"),
        ("bert", "bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"),
        (
            "roberta",
            "tf_roberta/roberta/embeddings/position_embeddings/embeddings:0",
            "embeddings.position_embeddings.weight",
        ),
        ("roberta", "roberta.pooler.dense.weight", "roberta.pooler.dense.weight"),  # nobody's
        ("electra", "electra/embeddings_project/kernel:0", "embeddings_project.weight"),
        ("electra", "discriminator_predictions.dense.weight", "discriminator_predictions.dense.weight"),
        ("distilbert", "d/transformer/layer_._3/sa_layer_norm/beta:0", "transformer.layer.3.sa_layer_norm.bias"),
        (
            "albert",
            "a/albert_layer_groups_._0/albert_layers_._1/ffn/bias:0",
            "a.albert_layer_groups.0.albert_layers.1.ffn.bias",
        ),
        ("albert", "albert.pooler.weight", "pooler.weight"),
    ):
        assert families.known()[kind].name(theirs) == ours


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "bert",
            dict(model_type="t5"),
            "'t5', expected one of bert, roberta, xlm-roberta, electra, distilbert, albert$",
        ),
        ("roberta", dict(pad_token_id=None), "found pad_token_id null, expected 0 to 16: positions begin behind it"),
        ("roberta", dict(pad_token_id=17), "found pad_token_id 17, expected 0 to 16"),
        ("roberta", dict(is_decoder=True), "found is_decoder true, expected an encoder"),
        ("electra", dict(embedding_size=6), "missing: embeddings_project.bias, embeddings_project.weight"),
        ("electra, projected", dict(embedding_size=0), "found embedding_size 0, expected a positive whole number"),
        ("distilbert", dict(dim=9), "found dim 9, expected a multiple of n_heads, 2"),
        ("distilbert", dict(n_layers=3), "found weights for 38 of 54 tensors.*missing: transformer.layer.2.attention"),
        ("distilbert", dict(activation="magic"), "found activation 'magic', expected one of gelu"),
        ("albert", dict(num_hidden_groups=3), "found num_hidden_groups 3, expected at most 2, one a layer"),
        ("albert", dict(inner_group_num=2), "missing: encoder.albert_layer_groups.0.albert_layers.1.attention"),
        ("albert, groups", dict(inner_group_num=1), "found weights of 4 layers, expected 2 by config.json"),
        ("albert", dict(inner_group_num=501), "found num_hidden_layers 2, expected at most 1000"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_line(tmp_path, name, changes, message, monkeypatch):
    make.write(tmp_path / "folder", name, **changes)
    monkeypatch.setattr(checkpoints, "_bare", None)  # nothing is built before that
    with pytest.raises(UserError, match=message) as error:
        checkpoints.load_encoder(tmp_path / "folder")
    assert str(error.value).startswith(str(tmp_path / "folder")) and "\n" not in str(error.value)
