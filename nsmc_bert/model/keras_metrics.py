"""Keras' metrics and losses on the probabilities of this project's classifiers and labels that are numbers of classes.

Keras leaves it to its user that labels have the form that a metric or a loss expects, and some broadcast what does not
fit to a wrong figure. Here each kind gets what it expects: a metric of two classes the probability of positive, or with
more classes one-hot labels, of which Keras has micro averages; one of any classes, and a loss that is no sparse one,
one-hot labels; one of numbers of classes the most probable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base.errors import UserError

_METRICS, _LOSSES = keras.metrics, keras.losses
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
    _METRICS.CategoricalHinge,
    _METRICS.TopKCategoricalAccuracy,
    _METRICS.KLDivergence,
    _METRICS.CosineSimilarity,
    _METRICS.Hinge,
    _METRICS.SquaredHinge,
    _METRICS.LogCoshError,
    _METRICS.MeanAbsoluteError,
    _METRICS.MeanAbsolutePercentageError,
    _METRICS.MeanSquaredError,
    _METRICS.MeanSquaredLogarithmicError,
    _METRICS.RootMeanSquaredError,
    _METRICS.Poisson,
    _METRICS.R2Score,
)
OF_NUMBERS = (_METRICS.IoU, _METRICS.Accuracy)  # or, of the first, as its own arguments say
BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")  # Keras chooses the metric by the shapes, rightly
_SPARSE = "sparse_"  # functions of numbers of classes and probabilities begin so
_ADAPTED_LOSSES = tuple(
    kind
    for kind in vars(_LOSSES).values()
    if isinstance(kind, type)
    and issubclass(kind, _LOSSES.Loss)
    and kind not in (_LOSSES.Loss, _LOSSES.SparseCategoricalCrossentropy)
)
_NAMED = {name.lower().replace("_", ""): value for name, value in sorted(vars(_METRICS).items(), reverse=True)}


def adapted(metrics: Any, classes: int = 2, *, compiled: bool = False, replicas: int = 1) -> list[Any] | None:
    """The `metrics` of Keras' compile, each ready for int labels [n] and probabilities [n, classes]; None for None.

    Args:
        metrics: as Keras takes them: names, functions, metrics, or lists of these.
        classes: how many there are.
        compiled: whether XLA compiles the step as a whole, and what is empty in a batch has a weight of 0 instead of
            being left out.
        replicas: devices that share a batch, of which the last may have nothing for some.

    Raises:
        UserError: one would count what is empty, or have no value where nothing is there.
    """
    if metrics is None:
        return None
    return [_adapted(metric, classes, compiled, replicas) for metric in tf.nest.flatten(metrics)]


def weighable(metrics: Any, classes: int = 2) -> bool:
    """Whether each of the `metrics` of Keras' compile leaves out what has a weight of 0."""
    own = (each for each in tf.nest.flatten(metrics) if not isinstance(each, str) and not _is_keras_function(each))
    try:
        for metric in own:
            _check_each(metric, classes)
    except UserError:
        return False
    return True


def _adapted(given: Any, classes: int, compiled: bool, replicas: int) -> Any:
    metric = given
    if isinstance(metric, str):
        if metric in BY_SHAPE:
            return metric
        metric = _by_name(metric)
    if _is_keras_function(metric):
        if metric.__name__.startswith(_SPARSE):
            return given
        name = given if isinstance(given, str) else metric.__name__
        return Adapted(_METRICS.MeanMetricWrapper(metric, name=name), classes, metric.__name__.startswith("binary_"))
    if isinstance(metric, OF_POSITIVE + OF_ONE_HOT + OF_NUMBERS):
        return Adapted(metric, classes, isinstance(metric, OF_POSITIVE))
    if compiled or replicas > 1 and not isinstance(metric, keras.metrics.Metric):
        _check_each(metric, classes)
    return given


def _by_name(name: str) -> Any:
    """The metric or the function of Keras' of a name, however it is written; what Keras makes of any other."""
    exact = getattr(_METRICS, name, None)
    found = exact or _NAMED.get(name.lower().replace("_", ""))
    if isinstance(found, type) and not exact:
        return found(name=name)
    return found if _is_keras_function(found) else _METRICS.get(name)


def _is_keras_function(metric: Any) -> bool:
    return isinstance(metric, FunctionType) and metric.__module__.startswith("tf_keras.")


def _check_each(metric: Any, classes: int) -> None:
    """Raises UserError for what has no value for each text, and so cannot be weighed."""
    function = getattr(metric, "_fn", metric) if type(metric) is _METRICS.MeanMetricWrapper else metric
    if function is None or type(function).__module__.startswith("tf_keras."):
        return
    if not isinstance(function, keras.metrics.Metric) and _has_value_for_each(function, classes):
        return
    raise UserError(
        f"metrics: found {_name(function)}, which would count what is empty in packed batches, where XLA compiles the "
        "whole step or devices share a batch; expected a metric of Keras', or a function with a value for each text"
    )


def _has_value_for_each(function: Callable[[tf.Tensor, tf.Tensor], Any], classes: int) -> bool:
    """Whether a function of labels [n, 1] and probabilities [n, classes] has a value for each text."""
    for dtype in (tf.int32, tf.float32):  # as losses get labels, and as metrics do
        try:
            value = function(tf.constant([[0], [1]], dtype), tf.fill([2, classes], 1.0 / classes))
        except Exception:  # of one's own: Keras says what is wrong with it where it is called
            continue
        return np.ndim(value) > 0
    return True


def _name(function: Any) -> str:
    return str(getattr(function, "name", None) or getattr(function, "__name__", repr(function)))


def adapted_loss(loss: Any, classes: int = 2) -> Any:
    """The `loss` of Keras' compile, ready for int labels [...] and probabilities [..., classes]: a loss of Keras' that
    wants one-hot labels gets them; any other, one of the user's own among them, is given back as it is. So is each of a
    list or dict of them.

    Raises:
        UserError: it would count what is empty in a packed batch: it has one value for all, or adds the texts' up.
    """
    if isinstance(loss, (list, tuple, dict)):
        return tf.nest.map_structure(lambda each: adapted_loss(each, classes), loss)
    found = _LOSSES.get(loss) if isinstance(loss, str) else loss
    is_loss = isinstance(found, _LOSSES.Loss)
    if is_loss and found.reduction not in (_LOSSES.Reduction.AUTO, _LOSSES.Reduction.SUM_OVER_BATCH_SIZE):
        raise UserError(
            f"loss: found {found.name} with the reduction {found.reduction}, expected sum_over_batch_size: batches are "
            "packed, and their mean is that over their texts"
        )
    own = callable(found) and not _is_keras_function(found)
    if own and not _has_value_for_each(found.call if is_loss else found, classes):
        raise UserError(
            f"loss: found {_name(found)}, which has one value for a batch and would count what is empty in packed "
            "ones; expected a value for each text, of which Keras takes the mean"
        )
    if isinstance(found, _ADAPTED_LOSSES) or _is_keras_function(found) and not found.__name__.startswith(_SPARSE):
        return AdaptedLoss(found, classes)
    return loss


def _one_hot(y_true: tf.Tensor, y_pred: tf.Tensor, classes: int) -> tf.Tensor:
    """Labels [..., classes], of numbers [...] or [..., 1], or of what has that shape already."""
    if y_true.shape.rank == y_pred.shape.rank:
        if y_true.shape[-1] == classes:
            return y_true
        y_true = tf.squeeze(y_true, -1)
    return tf.one_hot(tf.cast(y_true, tf.int32), classes)


class AdaptedLoss(keras.losses.Loss):
    """A loss of Keras' that is given one-hot labels.

    Args:
        loss: a keras.losses.Loss, or a function of Keras'.
        classes: how many there are.
    """

    def __init__(self, loss: Any, classes: int = 2) -> None:
        is_loss = isinstance(loss, keras.losses.Loss)
        options = {"reduction": loss.reduction} if is_loss else {}
        super().__init__(name=loss.name if is_loss else loss.__name__, **options)
        self._call: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = loss.call if is_loss else loss
        self._classes = classes

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The loss of each text, of labels [...] or [..., 1], or [..., classes] probabilities, and probabilities
        [..., classes].
        """
        return self._call(_one_hot(y_true, y_pred, self._classes), y_pred)


class Adapted(keras.metrics.Metric):
    """A Keras metric that is given labels and probabilities in the form that it expects.

    Args:
        metric: one of OF_POSITIVE, OF_ONE_HOT or OF_NUMBERS, or a MeanMetricWrapper of a function of Keras'.
        classes: how many there are.
        of_positive: whether of two classes it gets the probability of positive.
    """

    def __init__(self, metric: keras.metrics.Metric, classes: int = 2, of_positive: bool = False) -> None:
        super().__init__(name=metric.name, dtype=metric.dtype)
        self.metric, self.classes, self.of_positive = metric, classes, of_positive and classes == 2

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Counts labels, int [n] or [n, 1], or float [n, classes], probabilities; and probabilities [n, classes], with
        weights [n] or [n, 1].
        """
        y_true = _one_hot(y_true, y_pred, self.classes)
        if self.of_positive:
            y_true, y_pred = y_true[:, 1:], y_pred[:, 1:]
        elif isinstance(self.metric, OF_NUMBERS) and not isinstance(self.metric, OF_POSITIVE):
            if getattr(self.metric, "sparse_y_true", True):
                y_true = tf.argmax(y_true, -1)
            if getattr(self.metric, "sparse_y_pred", True):
                y_pred = tf.argmax(y_pred, -1)
        weights = None if sample_weight is None else tf.reshape(sample_weight, [-1])
        self.metric.update_state(y_true, y_pred, weights)

    def result(self) -> tf.Tensor | Sequence[tf.Tensor]:
        return self.metric.result()

    def reset_state(self) -> None:
        self.metric.reset_state()
