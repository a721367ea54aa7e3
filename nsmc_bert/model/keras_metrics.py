"""Keras' metrics on the probabilities of this project's classifiers and labels that are numbers of classes.

Keras leaves it to its user that labels have the form that a metric expects, and some metrics broadcast what does not
fit to a wrong figure. Here each kind gets what it expects: a metric of two classes the probability of positive, or with
more classes one-hot labels, of which Keras has micro averages; one of any classes one-hot labels.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

_METRICS = keras.metrics
OF_POSITIVE = (
    _METRICS.AUC,
    _METRICS.Precision,
    _METRICS.Recall,
    _METRICS.TruePositives,
    _METRICS.TrueNegatives,
    _METRICS.FalsePositives,
    _METRICS.FalseNegatives,
    _METRICS.PrecisionAtRecall,
    _METRICS.RecallAtPrecision,
    _METRICS.SensitivityAtSpecificity,
    _METRICS.SpecificityAtSensitivity,
    _METRICS.BinaryAccuracy,
    _METRICS.BinaryCrossentropy,
    _METRICS.BinaryIoU,
)
OF_ONE_HOT = (
    _METRICS.FBetaScore,
    _METRICS.CategoricalAccuracy,
    _METRICS.CategoricalCrossentropy,
    _METRICS.TopKCategoricalAccuracy,
    _METRICS.KLDivergence,
    _METRICS.MeanSquaredError,
    _METRICS.RootMeanSquaredError,
    _METRICS.MeanAbsoluteError,
)
BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")  # Keras chooses the metric by the shapes, rightly


def adapted(metrics: Any, classes: int = 2) -> list[Any] | None:
    """The `metrics` of Keras' compile, each ready for int labels [n] and probabilities [n, classes]; None for None."""
    if metrics is None:
        return None
    return [_adapted(metric, classes) for metric in tf.nest.flatten(metrics)]


def _adapted(metric: Any, classes: int) -> Any:
    given = metric
    if isinstance(metric, str) and metric not in BY_SHAPE:
        metric = _METRICS.get(metric)
    name = getattr(metric, "__name__", "")
    if name and metric is getattr(_METRICS, name, None):  # a function of Keras', such as binary_accuracy
        kind = getattr(_METRICS, "".join(map(str.title, name.split("_"))), None)
        if isinstance(kind, type) and issubclass(kind, OF_POSITIVE + OF_ONE_HOT):
            metric = kind(name=given if isinstance(given, str) else name)
    return Adapted(metric, classes) if isinstance(metric, OF_POSITIVE + OF_ONE_HOT) else given


class Adapted(keras.metrics.Metric):
    """A Keras metric that is given labels and probabilities in the form that it expects.

    Args:
        metric: one of OF_POSITIVE or OF_ONE_HOT.
        classes: how many there are.
    """

    def __init__(self, metric: keras.metrics.Metric, classes: int = 2) -> None:
        super().__init__(name=metric.name, dtype=metric.dtype)
        self.metric, self.classes = metric, classes

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Counts labels, int [n] or [n, 1], or float [n, classes], probabilities; and probabilities [n, classes], with
        weights [n] or [n, 1].
        """
        if y_true.shape.rank == 1 or y_true.shape[-1] == 1:
            y_true = tf.one_hot(tf.cast(tf.reshape(y_true, [-1]), tf.int32), self.classes)
        if isinstance(self.metric, OF_POSITIVE) and self.classes == 2:
            y_true, y_pred = y_true[:, 1:], y_pred[:, 1:]
        weights = None if sample_weight is None else tf.reshape(sample_weight, [-1])
        self.metric.update_state(y_true, y_pred, weights)

    def result(self) -> tf.Tensor | Sequence[tf.Tensor]:
        return self.metric.result()

    def reset_state(self) -> None:
        self.metric.reset_state()
