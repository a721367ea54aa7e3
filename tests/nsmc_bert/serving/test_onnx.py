"""ONNX models: the probabilities of the model, or near them, in ONNX Runtime."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.serving import onnx
from nsmc_bert.serving.servable import Servable

IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 12, 3, 0, 0, 0]], np.int32)


@pytest.fixture
def make_servable(make_model, tmp_path):
    (tmp_path / "labels.txt").write_text("negative\npositive\n")
    return lambda **changes: Servable(make_model(**changes), tmp_path / "labels.txt", takes_text=False)


@pytest.fixture
def installed():
    for name in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra onnx")


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_probabilities(make_servable, installed, activation):
    servable = make_servable(hidden_act=activation)
    mask = np.int32(IDS > 0)
    expected = servable.tokens(tf.constant(IDS), tf.constant(mask))["probabilities"].numpy()
    assert abs(expected[0] - expected[1]).max() > 1e-3
    answer = onnx.load(onnx.convert(servable, "float32"))
    np.testing.assert_allclose(answer(input_ids=IDS, attention_mask=mask)["probabilities"], expected, atol=1e-6)
    alone = answer(input_ids=IDS[1:, :3], attention_mask=mask[1:, :3])["probabilities"]
    np.testing.assert_allclose(alone, expected[1:], atol=1e-6)  # of another shape


def test_in_bytes_it_is_smaller_and_near(make_servable, installed):
    servable, mask = make_servable(hidden_size=32, intermediate_size=64), np.int32(IDS > 0)
    expected = servable.tokens(tf.constant(IDS), tf.constant(mask))["probabilities"].numpy()
    whole, rounded = (onnx.convert(servable, weights) for weights in ("float32", "int8"))
    found = onnx.load(rounded)(input_ids=IDS, attention_mask=mask)["probabilities"]
    assert 0 < np.abs(found - expected).max() < 0.1
    assert len(rounded) < len(whole)


def test_shapes_have_names(make_servable, installed):
    import onnx as package

    graph = package.ModelProto.FromString(onnx.convert(make_servable(), "float32")).graph
    shapes = {
        tensor.name: [dimension.dim_param or dimension.dim_value for dimension in tensor.type.tensor_type.shape.dim]
        for tensor in (*graph.input, *graph.output)
    }
    ids = ["texts", "positions"]
    assert shapes == {"input_ids": ids, "attention_mask": ids, "probabilities": ["texts", 2]}


def test_what_has_no_operation_is_a_line(make_servable, installed, monkeypatch):
    servable = make_servable()
    ids = tf.TensorSpec([None, None], tf.int32, "input_ids")
    odd = tf.function(lambda input_ids: tf.math.lgamma(tf.cast(input_ids, tf.float32)), input_signature=[ids])
    monkeypatch.setattr(servable, "signatures", lambda: {"tokens": odd})
    with pytest.raises(UserError, match="^ONNX cannot compute this model .*Lgamma"):
        onnx.convert(servable, "float32")


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        UserError, match=r"^found no onnx, expected it for ONNX: .* -m pip install 'nsmc-bert\[onnx\]'$"
    ):
        onnx.check()
