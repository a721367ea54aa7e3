"""The functions of a SavedModel, before it is saved."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.serving.servable import Servable


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("negative\npositive\n")
    return path


def test_token_ids_alone(make_model, labels):
    model = make_model()
    signatures = Servable(model, labels, takes_text=False).signatures()
    assert signatures["serving_default"] is signatures["tokens"] and len(signatures) == 2
    ids, mask = tf.constant([[2, 5, 6, 3], [2, 3, 0, 0]]), tf.constant([[1, 1, 1, 1], [1, 1, 0, 0]])
    found = signatures["tokens"](ids, mask)["probabilities"].numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.predict(["이 영화", ""]), atol=1e-6)


def test_texts(make_model, labels):
    pytest.importorskip("tensorflow_text")
    model = make_model(labels=("불만", "문의", "칭찬"))
    signatures = Servable(model, labels, takes_text=True).signatures()
    texts = ["이 영화 엄청 재미있네요!", "", "노잼 " * 20]
    found = signatures["serving_default"](tf.constant(texts))["probabilities"].numpy()
    with pytest.warns(UserWarning, match="longer than 14 pieces"):
        np.testing.assert_allclose(found, model.predict(texts), atol=1e-6)
    assert signatures["serving_default"](tf.constant([], tf.string))["probabilities"].shape == (0, 3)
