"""nsmc_bert.model.families.distilbert: BERT's attributes under other names, and positions that are not learned."""

import json

import numpy as np
from safetensors.numpy import load_file

from nsmc_bert.model import checkpoints, families
from tests.nsmc_bert.model.families import make


def test_the_configuration_goes_by_berts_names(tmp_path):
    changes = dict(dropout=0.2, attention_dropout=0.3, seq_classif_dropout=0.4, hidden_size=8)
    config = checkpoints.read_config(make.write(tmp_path / "folder", "distilbert", **changes))
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (8, 2, 2)
    assert (config.intermediate_size, config.hidden_act, config.layer_norm_eps) == (12, "gelu", 1e-12)
    rates = config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.classifier_dropout
    assert rates == (0.2, 0.3, 0.4)
    config.hidden_dropout_prob = 0.0  # as training does for a while
    written = json.loads(config.to_json_string())
    assert written["dropout"] == 0.0 and not {"hidden_dropout_prob", "intermediate_size"} & set(written)


def test_berts_keys_mean_nothing_in_its_config_json(tmp_path):
    changes = dict(intermediate_size=99, hidden_act="relu", layer_norm_eps=0.5, hidden_dropout_prob=0.9)
    config = checkpoints.read_config(make.write(tmp_path / "folder", "distilbert", **changes))
    assert (config.intermediate_size, config.hidden_act, config.layer_norm_eps) == (12, "gelu", 1e-12)
    assert config.hidden_dropout_prob == 0.1


def test_it_is_given_no_token_types(folders, tmp_path, tiny_tokenizer):
    bert = checkpoints.load_encoder(folders["distilbert"]).bert
    kernel, bias = np.zeros((8, 2), np.float32), np.zeros(2, np.float32)
    options = dict(kernel=kernel, bias=bias, tokenizer=tiny_tokenizer, training={}, card="", max_length=16)
    checkpoints.save_classifier(tmp_path / "saved", bert=bert, **options)
    settings = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert settings["model_input_names"] == ["input_ids", "attention_mask"]


def test_positions_that_are_not_learned():
    """By hand: sin and cos of position / 10000 ** (pair / pairs), and those that PyTorch makes, which are the same."""
    config = families.known()["distilbert"].read({**make.DISTILBERT, "sinusoidal_pos_embds": True})
    table = families.of(config).fixed_positions(config)
    np.testing.assert_allclose(table[0], [0, 1] * 4, atol=1e-7)
    np.testing.assert_allclose(table[3, :4], [np.sin(3), np.cos(3), np.sin(0.3), np.cos(0.3)], atol=1e-6)
    built = checkpoints.parameters(checkpoints.build(config, 0))["embeddings.position_embeddings.weight"]
    np.testing.assert_array_equal(built, table)
    assert not built.trainable


def test_published_positions_win_over_computed_ones(folders):
    folder = folders["distilbert, sinusoidal"]
    table = checkpoints.parameters(checkpoints.load_encoder(folder).bert)["embeddings.position_embeddings.weight"]
    stored = load_file(folder / "model.safetensors")["distilbert.embeddings.position_embeddings.weight"]
    np.testing.assert_array_equal(table, stored)
