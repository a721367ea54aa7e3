"""nsmc_bert.model.checkpoints: every form of weights gives the same encoder, and what is broken is named."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file
from transformers.models.bert.configuration_bert import BertConfig

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints, families, tokenizers

SHAPE = dict(
    vocab_size=24,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=32,
    initializer_range=0.5,
)
KERNEL, BIAS = np.arange(16, dtype=np.float32).reshape(8, 2), np.array([0.5, -0.5], np.float32)


@pytest.fixture
def bert():
    return checkpoints.build(BertConfig(**SHAPE), seed=3)


@pytest.fixture
def folder(bert, tiny_tokenizer, tmp_path):
    """A model folder as training writes it."""
    path = tmp_path / "model"
    save(path, bert, tiny_tokenizer)
    return path


def save(path, bert, tokenizer, **options):
    checkpoints.save_classifier(
        path,
        bert=bert,
        kernel=KERNEL,
        bias=BIAS,
        tokenizer=tokenizer,
        training={"seed": 3},
        card="# 카드\n",
        max_length=16,
        **options,
    )


def values(bert):
    return {name: variable.numpy() for name, variable in checkpoints.parameters(bert).items()}


def assert_same(bert, other):
    one, two = values(bert), values(other)
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_names_are_pytorchs(bert):
    names = list(checkpoints.parameters(bert))
    assert len(names) == 5 + 16 * 2 + 2
    expected = {
        "embeddings.word_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "embeddings.LayerNorm.bias",
        "encoder.layer.1.attention.self.query.weight",
        "encoder.layer.0.attention.output.LayerNorm.weight",
        "encoder.layer.1.intermediate.dense.bias",
        "encoder.layer.0.output.dense.weight",
        "pooler.dense.weight",
    }
    assert expected < set(names)
    shapes = {
        name: value.T.shape if checkpoints._transposed(variable) else value.shape
        for (name, value), variable in zip(values(bert).items(), checkpoints.parameters(bert).values())
    }
    wanted = families.of(bert.config).shapes(bert.config)
    assert wanted == shapes and list(wanted) == names


def test_random_weights_are_the_seeds(bert):
    assert_same(bert, checkpoints.build(BertConfig(**SHAPE), seed=3))
    other = values(checkpoints.build(BertConfig(**SHAPE), seed=4))
    assert (values(bert)["pooler.dense.weight"] != other["pooler.dense.weight"]).all()
    for name, value in values(bert).items():
        if "LayerNorm" in name:
            np.testing.assert_array_equal(value, name.endswith("weight"))
        elif name.endswith("bias"):
            np.testing.assert_array_equal(value, 0)
        else:
            assert 0.3 < value.std() < 0.6
            assert np.abs(value).max() <= 1.0  # two standard deviations


def test_nothing_is_drawn_that_is_not_kept(folder, monkeypatch):
    """To draw the weights of a file's encoder before they are read took most of the time of loading a large one."""
    drawn = []
    monkeypatch.setattr(tf.keras.initializers.TruncatedNormal, "__call__", lambda *given, **named: drawn.append(given))
    checkpoints.load_encoder(folder)
    checkpoints.build(BertConfig(**SHAPE), seed=3)
    assert not drawn


def test_a_saved_folder_is_read_back(folder, bert):
    loaded = checkpoints.load_encoder(folder)
    assert_same(bert, loaded.bert)
    np.testing.assert_array_equal(loaded.classifier[0], KERNEL)
    np.testing.assert_array_equal(loaded.classifier[1], BIAS)
    assert loaded.fresh == ()
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "negative", "1": "positive"}
    assert json.loads((folder / "training.json").read_text()) == {"seed": 3}
    assert (folder / "README.md").read_text(encoding="utf-8") == "# 카드\n"


def test_saved_matrices_are_the_other_way_round_as_pytorch_has_them(folder, bert):
    stored = load_file(folder / "model.safetensors")
    assert stored["bert.encoder.layer.0.intermediate.dense.weight"].shape == (16, 8)
    assert stored["classifier.weight"].shape == (2, 8)
    dense = bert.bert.encoder.layer[0].intermediate.dense
    np.testing.assert_array_equal(stored["bert.encoder.layer.0.intermediate.dense.weight"], dense.kernel.numpy().T)


@pytest.mark.parametrize("form", ["tensorflow safetensors", "h5"])
def test_what_transformers_writes_for_tensorflow(tmp_path, bert, form):
    bert.save_pretrained(tmp_path, safe_serialization=form != "h5")
    assert (tmp_path / "tf_model.h5").exists() == (form == "h5")
    loaded = checkpoints.load_encoder(tmp_path)
    assert_same(bert, loaded.bert)
    assert loaded.classifier is None


def test_a_tensorflow_classifier_of_transformers(tmp_path):
    from transformers.models.bert.modeling_tf_bert import TFBertForSequenceClassification

    model = TFBertForSequenceClassification(BertConfig(**SHAPE, num_labels=2))
    model.build_in_name_scope()
    for safe in (True, False):
        folder = tmp_path / str(safe)
        model.save_pretrained(folder, safe_serialization=safe)
        loaded = checkpoints.load_encoder(folder)
        np.testing.assert_array_equal(loaded.classifier[0], model.classifier.kernel.numpy())
        expected = model.bert.encoder.layer[1].attention.self_attention.key.kernel
        actual = loaded.bert.bert.encoder.layer[1].attention.self_attention.key.kernel
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("change", ["no prefix", "old names", "extra heads", "shards", "float16", "bfloat16"])
def test_layouts_of_pytorch_checkpoints(folder, bert, change):
    weights = load_file(folder / "model.safetensors")
    if change == "no prefix":
        weights = {name.removeprefix("bert."): value for name, value in weights.items()}
    if change == "old names":  # of checkpoints that were converted from Google's
        pairs = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))
        for new, old in pairs:
            weights = {name.replace(new, old): value for name, value in weights.items()}
    if change == "extra heads":
        weights["cls.predictions.bias"] = np.zeros(24, np.float32)
        weights["bert.embeddings.position_ids"] = np.arange(32)[None]
    if change == "float16":
        weights = {name: value.astype(np.float16) for name, value in weights.items()}
    if change == "bfloat16":
        import ml_dtypes

        weights = {name: value.astype(ml_dtypes.bfloat16) for name, value in weights.items()}
    (folder / "model.safetensors").unlink()
    if change == "shards":
        names = sorted(weights)
        shards = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
        for shard, part in shards.items():
            save_file({name: weights[name] for name in part}, folder / shard, {"format": "pt"})
        index = {"weight_map": {name: shard for shard, part in shards.items() for name in part}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    loaded = checkpoints.load_encoder(folder)
    if change.endswith("float16"):
        for name, value in values(loaded.bert).items():
            np.testing.assert_allclose(value, values(bert)[name], rtol=0.01, err_msg=name)
    else:
        assert_same(bert, loaded.bert)


def test_fingerprints_go_by_the_weights_and_not_by_the_file(folder, bert, tmp_path):
    bert.save_pretrained(tmp_path / "h5", safe_serialization=False)
    stored = dict(checkpoints.read_weights(folder))
    head = {name: stored.pop(name) for name in list(stored) if name.startswith("classifier")}
    assert len(head) == 2
    assert checkpoints.fingerprint(stored) == checkpoints.fingerprint(checkpoints.read_weights(tmp_path / "h5"))
    stored["pooler.dense.bias"] = stored["pooler.dense.bias"] + 1e-6
    assert checkpoints.fingerprint(stored) != checkpoints.fingerprint(checkpoints.read_weights(tmp_path / "h5"))


def test_label2id_alone_is_a_name(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"]
    (folder / "config.json").write_text(json.dumps({**config, "label2id": {"긍정": 0, "부정": 1}}))
    assert checkpoints.read_config(folder).id2label == {0: "긍정", 1: "부정"}


def test_a_pooler_that_is_not_there_is_drawn_by_the_seed(folder, bert):
    weights = load_file(folder / "model.safetensors")
    weights = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(weights, folder / "model.safetensors")
    one, same, other = (checkpoints.load_encoder(folder, seed) for seed in (1, 1, 2))
    assert one.fresh == ("pooler.dense.bias", "pooler.dense.weight")
    assert_same(one.bert, same.bert)
    assert (values(one.bert)["pooler.dense.weight"] != values(other.bert)["pooler.dense.weight"]).any()


def break_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(vocab_size=25),
            r"found embeddings.word_embeddings.weight of shape \(24, 8\), expected \(25, 8\) by config.json",
        ),
        (dict(intermediate_size=12), r"intermediate.dense.bias of shape \(16,\), expected \(12,\)"),
        (dict(num_hidden_layers=3), "found weights for 39 of 55 tensors.*missing: encoder.layer.2"),
        (dict(num_hidden_layers=1), "found weights of 2 layers, expected 1 by config.json"),
        (dict(num_hidden_layers=10**6), "config.json: found num_hidden_layers 1000000, expected at most 1000"),
        (dict(num_hidden_layers=999), "found weights for 39 of 15991 tensors.*missing: encoder.layer.10.attention"),
        (
            dict(hidden_size=10**9),
            r"embeddings.LayerNorm.bias of shape \(8,\), expected \(1000000000,\) by config.json",
        ),
        (dict(intermediate_size=10**9), r"intermediate.dense.bias of shape \(16,\), expected \(1000000000,\)"),
        (
            dict(max_position_embeddings=10**9),
            r"position_embeddings.weight of shape \(32, 8\), expected \(1000000000, 8\)",
        ),
        (dict(type_vocab_size=10**9), r"token_type_embeddings.weight of shape \(2, 8\), expected \(1000000000, 8\)"),
        (dict(vocab_size=10**9), r"word_embeddings.weight of shape \(24, 8\), expected \(1000000000, 8\)"),
        (dict(model_type="gpt2"), "found model_type 'gpt2', expected one of bert, roberta, xlm-roberta, electra, dist"),
        (dict(is_decoder=True), "found is_decoder true, expected an encoder"),
        (dict(add_cross_attention=True), "found add_cross_attention true, expected an encoder"),
        (dict(position_embedding_type="relative_key"), "position_embedding_type 'relative_key', expected absolute"),
        (dict(hidden_size="8"), "found hidden_size '8', expected a positive whole number"),
        (dict(hidden_act="magic"), "found hidden_act 'magic', expected one of gelu"),
        (dict(hidden_dropout_prob=1.5), "found hidden_dropout_prob 1.5, expected from 0 to less than 1"),
        (
            dict(model_type="distilbert", dim=8, n_heads=2, seq_classif_dropout=-1),
            "seq_classif_dropout -1, expected from",
        ),
        (dict(layer_norm_eps=-1e-12), "found layer_norm_eps -1e-12, expected 0 or more"),
        (dict(num_attention_heads=3), "found hidden_size 8, expected a multiple of num_attention_heads, 3"),
        (dict(id2label="x"), "config.json: found id2label 'x', expected a JSON object or null"),
        (dict(label2id={"a": []}), r"config.json: found label2id.a \[\], expected a whole number"),
        (
            dict(id2label={"a": "b"}),
            r"config.json: found values that make no BERT \(ValueError: invalid literal for int",
        ),
        (dict(layer_norm_eps="small"), "config.json: found layer_norm_eps 'small', expected a number"),
        (dict(initializer_range=10**200), r"config.json: found no valid JSON \(a number of 201 digits\)"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(folder, changes, message, monkeypatch):
    break_config(folder, **changes)
    monkeypatch.setattr(checkpoints, "_bare", None)  # nothing is built before that
    with pytest.raises(UserError, match=message):
        checkpoints.load_encoder(folder)


@pytest.mark.parametrize("changes", [dict(hidden_size=10**9), dict(vocab_size=10**12), dict(intermediate_size=10**12)])
def test_random_weights_that_no_memory_holds_are_refused(changes):
    with pytest.raises(UserError, match=r"config.json: found sizes of [\d,]+ parameters, \d+ GB; expected what fits"):
        checkpoints.build(BertConfig(**{**SHAPE, **changes}), seed=3)


def test_broken_files_are_named(folder, bert, tmp_path):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for part in (whole[:-10], whole[:50], b"", b"<html>"):
        weights.write_bytes(part)
        with pytest.raises(UserError, match="model.safetensors: found no whole safetensors file"):
            checkpoints.load_encoder(folder)
    weights.unlink()
    with pytest.raises(UserError, match="found no weights, expected model.safetensors or tf_model.h5"):
        checkpoints.load_encoder(folder)
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match="found pytorch_model.bin, a pickle"):
        checkpoints.load_encoder(folder)
    (folder / "tf_model.h5").write_bytes(b"\x89HDF")
    with pytest.raises(UserError, match="tf_model.h5: found no whole HDF5 file"):
        checkpoints.load_encoder(folder)
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(UserError, match="index.json: found no weight_map, expected a JSON object"):
        checkpoints.load_encoder(folder)
    for text in ("[]", '{"weight_map": {"a": 5}}', '{"weight_map": []}', "[" * 100_000):
        (folder / "model.safetensors.index.json").write_text(text)
        with pytest.raises(UserError, match="index.json: found "):
            checkpoints.load_encoder(folder)
    for text, message in (
        ("{", "no valid JSON"),
        ("[]", "expected a JSON object"),
        ('{"a": Infinity}', "Infinity, which is no number"),
    ):
        (folder / "config.json").write_text(text)
        with pytest.raises(UserError, match=message):
            checkpoints.load_encoder(folder)
    (folder / "config.json").unlink()
    for reads in (checkpoints.load_encoder, checkpoints.read_classes):
        with pytest.raises(UserError, match="found no config.json in it, expected the folder of a model or an encoder"):
            reads(folder)


def test_a_truncated_h5_is_named(bert, tmp_path):
    bert.save_pretrained(tmp_path, safe_serialization=False)
    path = tmp_path / "tf_model.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="tf_model.h5: found no whole HDF5 file"):
        checkpoints.load_encoder(tmp_path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(UserError, match="found weights for 0 of 39 tensors"):
        checkpoints.load_encoder(tmp_path)


def test_nothing_is_overwritten_unasked(folder, bert, tiny_tokenizer, tmp_path):
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="model: found a model, expected a new folder; nothing was overwritten"):
        save(folder, bert, tiny_tokenizer)
    assert (folder / "model.safetensors").read_bytes() == before
    save(folder, checkpoints.build(BertConfig(**SHAPE), 9), tiny_tokenizer, replace=True)
    assert (folder / "model.safetensors").read_bytes() != before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("x")
    with pytest.raises(UserError, match="something that is no model of this project"):
        save(tmp_path / "thesis", bert, tiny_tokenizer, replace=True)
    assert sorted(os.listdir(tmp_path)) == ["model", "thesis"]


def test_a_failed_save_leaves_the_old_model(folder, bert, tiny_tokenizer, monkeypatch, tmp_path):
    before = (folder / "model.safetensors").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tokenizers.Tokenizer, "save", full)
    with pytest.raises(UserError, match="model: cannot be written.*No space left"):
        save(folder, bert, tiny_tokenizer, replace=True)
    assert (folder / "model.safetensors").read_bytes() == before
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize("name", ["no/such/folder", "./missing", "not a name", "없는폴더"])
def test_no_such_folder(name):
    with pytest.raises(UserError, match="found no such folder, expected a Hugging Face folder or hub name"):
        checkpoints.resolve(name)


@pytest.mark.parametrize("model", ["model", "seed-1/model", "encoder"])
def test_a_runs_folder_instead_of_its_models(model, tmp_path):
    for path in (model, "seed-2/model"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "config.json").write_text("{}")
    name = model.split("/")[-1]
    if name == "encoder":
        (tmp_path / "seed-2/model/config.json").unlink()
    for reads in (checkpoints.load_encoder, checkpoints.read_classes):
        with pytest.raises(UserError, match=f"a run's folder, expected that of its {name}, {tmp_path / model}$"):
            reads(tmp_path)


def test_a_hub_name_without_network_is_one_line(tmp_path):
    program = (
        "from nsmc_bert.base import errors\nfrom nsmc_bert.model import checkpoints\n"
        "try: checkpoints.resolve('klue/bert-base')\n"
        "except errors.UserError as error: print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": os.getcwd()}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("klue/bert-base: found no such folder, and it is not in the local cache")
    assert result.stdout.count("\n") == 1


def test_a_hub_name_that_is_in_the_cache_needs_no_network(folder, bert, tmp_path):
    """The hub's cache as its client lays it out."""
    cache = tmp_path / "hub" / "models--me--tiny"
    (cache / "snapshots").mkdir(parents=True)
    folder.rename(cache / "snapshots" / "abc")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    program = "from nsmc_bert.model import checkpoints; print(checkpoints.resolve('me/tiny'))"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": os.getcwd()}
    result = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == str(cache / "snapshots" / "abc"), result.stderr
    assert_same(bert, checkpoints.load_encoder(cache / "snapshots" / "abc").bert)


def test_what_is_unusual_in_a_configuration():
    assert checkpoints.unusual(BertConfig()) == ""
    assert checkpoints.unusual(BertConfig(hidden_size=256, num_attention_heads=4)) == ""
    changed = BertConfig(num_attention_heads=8, hidden_act="relu", layer_norm_eps=1e-5, hidden_dropout_prob=0.0)
    assert (
        checkpoints.unusual(changed)
        == "-hidden_act=relu-num_attention_heads=8-layer_norm_eps=1e-05-hidden_dropout_prob=0.0"
    )
    learns = BertConfig(classifier_dropout=0.3, initializer_range=0.01)
    assert checkpoints.unusual(learns) == "-classifier_dropout=0.3-initializer_range=0.01"
