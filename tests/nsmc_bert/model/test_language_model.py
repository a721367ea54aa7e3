"""nsmc_bert.model.language_model: the output over the vocabulary by NumPy, and its weights there and back."""

import math

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import optimizers
from nsmc_bert.model.families import known
from nsmc_bert.model.language_model import PieceOutput
from nsmc_bert.model.masked_lm import MaskedLanguageModel
from tests.nsmc_bert.model.families import make


@pytest.fixture
def output():
    """One of eight hidden units over embeddings of six."""
    out = PieceOutput(known()["electra"].read(make.CONFIGS["electra, projected"]), 6, seed=1)
    random = np.random.default_rng(0)
    out.set({name: random.normal(size=value.shape).astype(np.float32) for name, value in out.values().items()})
    return out


def test_logits_by_numpy(output):
    random, values = np.random.default_rng(1), output.values()
    states, table = random.normal(size=(3, 8)), random.normal(size=(24, 6))
    assert {name: value.shape for name, value in values.items()} == {
        "transform.dense.weight": (6, 8),
        "transform.dense.bias": (6,),
        "transform.LayerNorm.weight": (6,),
        "transform.LayerNorm.bias": (6,),
        "bias": (24,),
    }
    x = states @ values["transform.dense.weight"].T + values["transform.dense.bias"]
    x = x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    x = x * values["transform.LayerNorm.weight"] + values["transform.LayerNorm.bias"]
    actual = output(states.astype(np.float32), table.astype(np.float32))
    np.testing.assert_allclose(actual, x @ table.T + values["bias"], atol=1e-4)


def test_weights_there_and_back(output):
    other = PieceOutput(known()["electra"].read(make.CONFIGS["electra, projected"]), 6, seed=2)
    other.set({**output.values(), "of another layer": np.zeros(3)})
    for name, value in output.values().items():
        np.testing.assert_array_equal(other.values()[name], value)


def test_biases_and_layer_normalisation_have_no_weight_decay(output):
    optimizer = optimizers.adamw(0.01)
    optimizer.build(output.trainable_variables)
    decayed = {name for name, variable in output.named.items() if optimizer._use_weight_decay(variable)}
    assert decayed == {"transform.dense.weight"}


def test_an_output_of_another_model_is_refused(make_bert, tiny_tokenizer):
    with pytest.raises(UserError, match=r"language model's bias: found shape \(29,\), expected \(30,\) by config.json"):
        MaskedLanguageModel(make_bert(), tiny_tokenizer, predictions={"bias": np.zeros(29, np.float32)})
