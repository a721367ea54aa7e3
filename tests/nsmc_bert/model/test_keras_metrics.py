"""nsmc_bert.model.keras_metrics: every form of labels gives the figure that two classes have."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import keras_metrics, ordinal

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


OF_ONE_HOT = (
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "R2Score",
    "SquaredHinge",
)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", OF_ONE_HOT)
def test_of_one_hot_labels_they_are_keras_own(name, classes):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(classes), 5).astype(np.float32)
    labels = LABELS % classes
    (metric,), keras_own = (
        keras_metrics.adapted([getattr(keras.metrics, name)()], classes),
        getattr(keras.metrics, name)(),
    )
    metric.update_state(tf.constant(labels)[:, None], tf.constant(probabilities))
    keras_own.update_state(np.eye(classes, dtype=np.float32)[labels], probabilities)
    np.testing.assert_allclose(metric.result(), keras_own.result(), rtol=1e-6)


NAMES = {  # however they are written; by hand, of one-hot labels
    "kl_divergence": -np.log(PROBABILITIES[np.arange(5), LABELS]).mean(),
    "kld": -np.log(PROBABILITIES[np.arange(5), LABELS]).mean(),
    "Kld": -np.log(PROBABILITIES[np.arange(5), LABELS]).mean(),
    "KLDivergence": -np.log(PROBABILITIES[np.arange(5), LABELS]).mean(),
    "binary_crossentropy": -np.log(PROBABILITIES[np.arange(5), LABELS]).mean(),
    "MSE": 0.91 / 5,
    "mean_squared_error": 0.91 / 5,
    "categorical_accuracy": 3 / 5,
    "precision": 2 / 3,
    "auc": 5 / 6,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_and_functions(name):
    function = getattr(keras.metrics, name, None)
    for given in (name, *([function] if callable(function) and not isinstance(function, type) else [])):
        metric, again = keras_metrics.adapted([given, given])
        metric.update_state(tf.constant(LABELS), tf.constant(PROBABILITIES))
        assert float(metric.result()) == pytest.approx(NAMES[name], abs=1e-5)
        if name != "KLDivergence":  # what Keras' history calls it
            assert metric.name == again.name == getattr(given, "__name__", given)
    left = ["acc", "sparse_categorical_accuracy", keras.metrics.SparseCategoricalAccuracy(), len]
    assert keras_metrics.adapted(left) == left


def test_overlaps_and_agreement_by_hand():
    """Said 0 1 0 1 1 of 0 1 1 0 1: 1 of 3 in common of negative, 2 of 4 of positive."""
    own = keras.metrics
    for metric, expected in (
        (own.MeanIoU(2), (1 / 3 + 1 / 2) / 2),
        (own.MeanIoU(2, sparse_y_pred=False), (1 / 3 + 1 / 2) / 2),
        (own.OneHotMeanIoU(2), (1 / 3 + 1 / 2) / 2),
        (own.OneHotIoU(2, [1]), 1 / 2),
        (own.IoU(2, [0]), 1 / 3),
        (own.BinaryIoU([1]), 1 / 2),
        (own.Accuracy(), 3 / 5),
    ):
        (adapted,) = keras_metrics.adapted([metric])
        adapted.update_state(tf.constant(LABELS), tf.constant(PROBABILITIES))
        assert float(adapted.result()) == pytest.approx(expected), metric.name
    # of three classes, one-hot labels of which each place is a decision: 1 of 3 in common of those that are 1
    (adapted,) = keras_metrics.adapted([own.BinaryIoU([1])], 3)
    adapted.update_state(tf.constant([0, 1]), tf.constant([[0.8, 0.1, 0.1], [0.2, 0.1, 0.7]]))
    assert float(adapted.result()) == pytest.approx(1 / 3)


class Count(keras.metrics.Metric):
    """How many texts there are, whatever they count."""

    def __init__(self):
        super().__init__(name="count")
        self.total = self.add_weight("total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(tf.cast(tf.shape(y_pred)[0], tf.float32))

    def result(self):
        return self.total


def f1(y_true, y_pred):
    said = tf.cast(tf.argmax(y_pred, -1), tf.float32)
    labels = tf.cast(tf.reshape(y_true, [-1]), tf.float32)
    return 2 * tf.reduce_sum(said * labels) / (tf.reduce_sum(said) + tf.reduce_sum(labels) + 1e-7)


def test_what_cannot_be_weighed_is_refused_where_it_would_have_to_be():
    each = [lambda y, p: p[:, 0], "kld", keras.metrics.AUC(), keras.metrics.MeanMetricWrapper(lambda y, p: p[:, 0])]
    assert len(keras_metrics.adapted(each, compiled=True)) == 4
    for wrong, name in ((f1, "f1"), (Count(), "count"), (keras.metrics.MeanMetricWrapper(f1), "f1")):
        keras_metrics.adapted([wrong])
        with pytest.raises(UserError, match=f"metrics: found {name}, which would count what is empty in packed batche"):
            keras_metrics.adapted([wrong], compiled=True)
    # of several devices one may have no text of the last batch, where a mean is none
    assert len(keras_metrics.adapted([*each, Count()], replicas=2)) == 5
    with pytest.raises(UserError, match="found f1, .* or devices share a batch; expected a metric of Keras'"):
        keras_metrics.adapted([f1], replicas=2)


LOSSES = ("binary_crossentropy", "mse", "kl_divergence", "categorical_crossentropy", "CategoricalHinge")


@pytest.mark.parametrize("form", ["numbers", "column", "one hot"])
@pytest.mark.parametrize("loss", [*LOSSES, keras.losses.CategoricalCrossentropy(label_smoothing=0.1), keras.losses.mae])
def test_losses_of_one_hot_labels_are_keras_own(loss, form):
    """Of packed texts, [rows, slots], too."""
    shape = {"numbers": (1, 5), "column": (5, 1), "one hot": (1, 5, 2)}[form]
    one_hot, weights = np.eye(2, dtype=np.float32)[LABELS], np.float32([1, 2, 0, 1, 3])
    labels = (one_hot if form == "one hot" else LABELS).reshape(shape)
    places = (5,) if form == "column" else (1, 5)
    adapted = keras_metrics.adapted_loss(loss)
    found = adapted(tf.constant(labels), tf.reshape(PROBABILITIES, [*places, 2]), weights.reshape(places))
    own = keras.losses.get(loss)
    each = own.call(one_hot, PROBABILITIES) if isinstance(own, keras.losses.Loss) else own(one_hot, PROBABILITIES)
    assert float(found) == pytest.approx(float(np.mean(weights * each)), rel=1e-5)


def test_losses_of_numbers_and_of_ones_own_are_left_alone():
    own = lambda y, p: p[:, 0]  # noqa: E731
    for loss in ("sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy(), own, ordinal.Loss()):
        assert keras_metrics.adapted_loss(loss) is loss


@pytest.mark.parametrize("form", [list, lambda losses: {"output_1": losses[0]}], ids=["list", "dict"])
def test_each_loss_of_several_is_adapted(form):
    """Keras lets squares of numbers of classes and probabilities broadcast."""
    (found,) = tf.nest.flatten(keras_metrics.adapted_loss(form(["mse"])))
    assert float(found(tf.constant(LABELS[:, None]), tf.constant(PROBABILITIES))) == pytest.approx(0.91 / 5)
    with pytest.raises(UserError, match="loss: found f1"):
        keras_metrics.adapted_loss(form([f1]))


def of_numbers(y_true, y_pred):
    """A loss that knows labels in whole numbers alone, as Keras gives them."""
    return -tf.reduce_mean(tf.math.log(tf.gather(y_pred, y_true, batch_dims=1)))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (f1, "loss: found f1, which has one value for a batch"),
        (of_numbers, "loss: found of_numbers, which has one value for a batch"),
        (keras.losses.Huber(reduction="sum"), "found huber_loss with the reduction sum, expected sum_over_batch_size"),
        (keras.losses.Huber(reduction="none"), "with the reduction none"),
    ],
)
def test_losses_that_would_count_what_is_empty_are_refused(loss, message):
    with pytest.raises(UserError, match=message):
        keras_metrics.adapted_loss(loss)
