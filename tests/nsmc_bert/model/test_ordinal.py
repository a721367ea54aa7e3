"""nsmc_bert.model.ordinal: the loss by hand, as Keras weighs it, and least where probabilities are the true ones."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.model import ordinal

PROBABILITIES = np.float32([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])


def test_by_hand():
    # of the first, labelled 0: at most 0 and 1 with .5 and .75 instead of 1 and 1; of the second, labelled 1, with
    # .1 and .3 instead of 0 and 1
    expected = [-np.log(0.5) + 2 * (0.25 + 0.0625) / 2, -np.log(0.2) + 2 * (0.01 + 0.49) / 2]
    found = ordinal.Loss(2.0, reduction="none")(tf.constant([0, 1]), tf.constant(PROBABILITIES))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    column = ordinal.Loss(2.0, reduction="none")(tf.constant([[0], [1]]), tf.constant(PROBABILITIES))
    np.testing.assert_allclose(column, expected, rtol=1e-6)
    alone = ordinal.Loss(2.0, reduction="none")(tf.constant([[1]]), tf.constant(PROBABILITIES[1:]))
    np.testing.assert_allclose(alone, expected[1:], rtol=1e-6)
    half = ordinal.Loss(weight=0.5)(tf.constant([0, 1]), tf.constant(PROBABILITIES), tf.constant([1.0, 0.0]))
    assert float(half) == pytest.approx((-np.log(0.5) + 0.5 * 0.3125 / 2) / 2)


def test_packed_slots_are_weighed_each():
    loss, labels = ordinal.Loss(), tf.constant([[0, 1], [1, 0]])
    probabilities = tf.constant(np.stack([PROBABILITIES, PROBABILITIES]))
    single = np.stack([ordinal.Loss(reduction="none")(*row) for row in zip(labels, probabilities)])
    weights = np.float32([[1.0, 2.0], [0.0, 0.5]])
    assert float(loss(labels, probabilities, tf.constant(weights))) == pytest.approx((single * weights).sum() / 4)


def test_a_farther_rating_costs_more():
    near, far = (tf.constant([[0.6, *rest]]) for rest in ([0.4, 0.0, 0.0], [0.0, 0.0, 0.4]))
    plain = keras.losses.SparseCategoricalCrossentropy()
    assert float(plain([0], near)) == float(plain([0], far))
    assert float(ordinal.Loss()([0], far)) - float(ordinal.Loss()([0], near)) == pytest.approx(
        ordinal.WEIGHT * 2 * 0.16 / 3
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=4, max_size=4), st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_the_true_probabilities_are_the_best(true, others):
    true, others = (np.float64(each) / sum(each) for each in (true, others))

    def mean(probabilities):
        rows = tf.constant(np.tile(probabilities, (4, 1)))
        return float((true * ordinal.Loss(reduction="none")(tf.range(4), rows).numpy()).sum())

    assert mean(true) <= mean(others) + 1e-6
