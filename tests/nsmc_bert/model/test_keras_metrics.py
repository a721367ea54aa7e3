"""nsmc_bert.model.keras_metrics: every form of labels gives the figure that two classes have."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model import keras_metrics

LABELS = np.array([0, 1, 1, 0, 1])
PROBABILITIES = np.float32([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9]])
BY_HAND = {  # 2 of 3 positive found, 3 said; 3 of 5 right; squares .01 .04 .49 .36 .01
    "Precision": 2 / 3,
    "Recall": 2 / 3,
    "TruePositives": 2,
    "FalsePositives": 1,
    "BinaryAccuracy": 3 / 5,
    "CategoricalAccuracy": 3 / 5,
    "MeanSquaredError": 0.91 / 5,
    "AUC": 5 / 6,
}


@pytest.mark.parametrize("form", ["numbers", "column", "one hot"])
@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name, form):
    labels = {"numbers": LABELS, "column": LABELS[:, None], "one hot": np.eye(2, dtype=np.float32)[LABELS]}[form]
    (metric,) = keras_metrics.adapted([getattr(keras.metrics, name)()])
    for part in (slice(0, 2), slice(2, 5)):
        metric.update_state(tf.constant(labels[part]), tf.constant(PROBABILITIES[part]))
    assert float(metric.result()) == pytest.approx(BY_HAND[name], abs=1e-6)
    metric.reset_state()
    metric.update_state(tf.constant(labels), tf.constant(PROBABILITIES), tf.constant([1.0, 0, 0, 0, 0]))
    assert float(metric.result()) == pytest.approx(
        {"BinaryAccuracy": 1, "CategoricalAccuracy": 1}.get(name, 0), abs=0.02
    )


def test_three_classes_by_hand():
    labels, probabilities = tf.constant([0, 2, 1]), tf.constant([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.7, 0.2, 0.1]])
    names = ("CategoricalAccuracy", "Precision", "MeanSquaredError")
    metrics = keras_metrics.adapted([getattr(keras.metrics, name)() for name in names], 3)
    for metric in metrics:
        metric.update_state(labels, probabilities)
    # 2 of 3 right; of the three that are above one half 2 are right; squares .26 .14 1.14
    np.testing.assert_allclose([float(metric.result()) for metric in metrics], [2 / 3, 2 / 3, 1.54 / 9], rtol=1e-5)
