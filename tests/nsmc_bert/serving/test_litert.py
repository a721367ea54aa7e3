"""LiteRT models: the probabilities of the model, or near them."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.serving import litert
from nsmc_bert.serving.servable import Servable

IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 12, 3, 0, 0, 0]], np.int32)


@pytest.fixture
def servable(make_model, tmp_path):
    (tmp_path / "labels.txt").write_text("negative\npositive\n")
    # matrices of fewer than 1,024 weights are not rounded
    return Servable(make_model(hidden_size=32, intermediate_size=64), tmp_path / "labels.txt", takes_text=False)


def test_probabilities(servable):
    mask = np.int32(IDS > 0)
    expected = servable.tokens(tf.constant(IDS), tf.constant(mask))["probabilities"].numpy()
    contents = [litert.convert(servable, weights) for weights in ("float32", "int8")]
    whole, rounded = [litert.load(content)(input_ids=IDS, attention_mask=mask)["probabilities"] for content in contents]
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    assert 0 < np.abs(rounded - expected).max() < 0.1
    assert len(contents[1]) < len(contents[0])
    alone = litert.load(contents[0])(input_ids=IDS[1:, :3], attention_mask=mask[1:, :3])["probabilities"]
    np.testing.assert_allclose(alone, expected[1:], atol=1e-6)  # of another shape


def test_what_has_no_operation_is_a_line(servable, monkeypatch):
    ids = tf.TensorSpec([None, None], tf.int32, "input_ids")
    odd = tf.function(lambda input_ids: tf.strings.as_string(input_ids), input_signature=[ids])
    monkeypatch.setattr(servable, "signatures", lambda: {"tokens": odd})
    with pytest.raises(UserError, match="LiteRT cannot compute this model"):
        litert.convert(servable, "float32")
