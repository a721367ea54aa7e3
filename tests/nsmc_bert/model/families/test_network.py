"""nsmc_bert.model.families.network: the weights of an encoder, whatever holds them."""

import numpy as np
import pytest

from nsmc_bert.model import checkpoints, optimizers
from nsmc_bert.model.families import network


def test_weights_are_those_of_a_tfbertmodel(make_bert):
    bert = make_bert()
    held = network.weights(bert)
    own = checkpoints.parameters(bert)
    assert len(held.layers) == 2 and held.projection is None
    assert held.words is own["embeddings.word_embeddings.weight"]
    assert held.token_types is own["embeddings.token_type_embeddings.weight"]
    layer = held.layers[1]
    assert layer.value.kernel is own["encoder.layer.1.attention.self.value.weight"]
    assert layer.attention_norm.gamma is own["encoder.layer.1.attention.output.LayerNorm.weight"]
    assert layer.output.bias is own["encoder.layer.1.output.dense.bias"]
    assert held.pooler.kernel is own["pooler.dense.weight"]


@pytest.mark.parametrize("name", ["roberta", "electra, projected", "distilbert", "albert, groups"])
def test_a_network_has_each_weight_once(folders, name):
    bert = checkpoints.load_encoder(folders[name]).bert
    assert isinstance(bert, network.Network)
    named = checkpoints.parameters(bert)
    assert {id(variable) for variable in named.values()} == {id(variable) for variable in bert.weights}
    assert bert.count_params() == sum(int(np.prod(variable.shape)) for variable in named.values())


def test_layers_that_share_their_weights_are_one(folders):
    layers = network.weights(checkpoints.load_encoder(folders["albert, groups"]).bert).layers
    # five layers of two groups, of which each computes two after another
    assert [layers.index(layer) for layer in layers] == [0, 1, 0, 1, 0, 1, 6, 7, 6, 7]


@pytest.mark.parametrize("name", ["roberta", "distilbert", "albert"])
def test_biases_and_layer_normalisation_have_no_weight_decay(folders, name):
    bert = checkpoints.load_encoder(folders[name]).bert
    optimizer = optimizers.adamw(0.01)
    optimizer.build(bert.trainable_variables)
    decayed = {key for key, value in checkpoints.parameters(bert).items() if optimizer._use_weight_decay(value)}
    assert decayed == {key for key, value in checkpoints.parameters(bert).items() if value.shape.rank == 2}
