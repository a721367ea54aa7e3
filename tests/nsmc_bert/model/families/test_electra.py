"""nsmc_bert.model.families.electra: embeddings as wide as the layers, or narrower."""

import json

import numpy as np
from safetensors.numpy import load_file, save_file

from nsmc_bert.model import checkpoints, forward
from nsmc_bert.model.families import network


def test_only_narrower_embeddings_are_projected(folders):
    plain, narrow = (checkpoints.load_encoder(folders[name]).bert for name in ("electra", "electra, projected"))
    assert network.weights(plain).projection is None
    assert network.weights(narrow).projection.kernel.shape == (6, 8)
    assert network.weights(narrow).words.shape == (24, 6)


def test_a_published_discriminator_is_read(folders, tmp_path):
    """One without a classifier's weights, with those that told replaced pieces."""
    (tmp_path / "folder").mkdir()
    values = json.loads((folders["electra"] / "config.json").read_text())
    (tmp_path / "folder" / "config.json").write_text(json.dumps({**values, "architectures": ["ElectraForPreTraining"]}))
    weights = load_file(folders["electra"] / "model.safetensors")
    weights = {name: value for name, value in weights.items() if name.startswith("electra.")}
    weights["discriminator_predictions.dense.weight"] = np.zeros((8, 8), np.float32)
    save_file(weights, tmp_path / "folder" / "model.safetensors")
    loaded = checkpoints.load_encoder(tmp_path / "folder")
    assert loaded.classifier is None and loaded.predictions == {}
    assert loaded.fresh == ("classifier.dense.bias", "classifier.dense.weight")


def test_lexical_states_are_projected_word_embeddings(folders):
    bert = checkpoints.load_encoder(folders["electra, projected"]).bert
    held = network.weights(bert)
    words = held.words.numpy()[[5, 9]]
    centred = words - words.mean(1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * held.norm.gamma + held.norm.beta
    expected = normal @ held.projection.kernel.numpy() + held.projection.bias
    np.testing.assert_allclose(forward.lexical(bert, np.array([[5, 9]], np.int32))[0], expected, atol=1e-5)
