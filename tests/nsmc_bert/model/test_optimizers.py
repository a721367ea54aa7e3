"""nsmc_bert.model.optimizers: the update and the schedule by hand."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.model import optimizers


def test_schedule_by_hand():
    schedule = optimizers.WarmupLinearDecay(peak=1.0, warmup=1 / 3, passes=2)
    schedule.begin(0, 0, 6)
    rates = [float(schedule(step)) for step in range(6)]
    schedule.begin(1, 6, 6)
    rates += [float(schedule(step)) for step in range(6, 14)]
    np.testing.assert_allclose(rates[:5], [0.25, 0.5, 0.75, 1.0, 1.0])
    np.testing.assert_allclose(rates[4:], [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0], atol=1e-6)
    schedule.begin(1, 6, 12)  # a pass of twice as many steps falls half as fast, from the same rate to the same end
    np.testing.assert_allclose([float(schedule(step)) for step in (6, 8, 18)], [0.75, 0.625, 0], atol=1e-6)
    assert optimizers.WarmupLinearDecay.from_config(schedule.get_config()).get_config() == schedule.get_config()


def test_the_ids_of_a_batch_are_not_searched_for_the_same_ones():
    """XLA's way to do that is a loop over all tokens; without it the gradients of an id that comes twice add up too."""
    variable = tf.Variable(np.ones((4, 2), np.float32))
    optimizer = optimizers.adamw(0.1, weight_decay=0.0, clip_norm=0.0)
    optimizer.build([variable])

    @tf.function
    def step(values):
        gradient = tf.IndexedSlices(values, tf.constant([2, 0, 2]), tf.constant([4, 2]))
        optimizer.apply_gradients([(gradient, variable)])

    values = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    step(values)
    graph = step.get_concrete_function(values).graph
    assert not [operation for operation in graph.get_operations() if "Unique" in operation.type]
    np.testing.assert_allclose(optimizer._momentums[0], [[0.3, 0.4], [0, 0], [0.6, 0.8], [0, 0]], rtol=1e-6)


def test_weight_decay_spares_biases_and_layer_normalisation(make_model):
    model = make_model(num_hidden_layers=2)
    optimizer = optimizers.adamw(0.0, weight_decay=0.5)
    decayed = {variable.name for variable in model.trainable_variables if optimizer._use_weight_decay(variable)}
    spared = {variable.name for variable in model.trainable_variables} - decayed
    # in each of two layers six biases and two normalisations; the embeddings' normalisation; pooler and head
    assert len(spared) == 2 * (6 + 2 * 2) + 2 + 1 + 1
    assert all("kernel" in name or "embeddings" in name for name in decayed)
    assert not any("kernel" in name or "/embeddings:" in name or name.endswith("weight:0") for name in spared)


def test_adamw_by_hand():
    """Two weights of which one decays, clipped together; each step's rate is the schedule's."""
    kernel, bias = tf.Variable([1.0, -2.0], name="kernel"), tf.Variable([0.5], name="bias")
    schedule = optimizers.WarmupLinearDecay(peak=0.1, warmup=0.5, passes=1)
    schedule.begin(0, 0, 4)
    optimizer = optimizers.adamw(schedule, weight_decay=0.5, clip_norm=2.0)
    optimizer.build([kernel, bias])
    x, m, v = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    step = tf.function(lambda *given: optimizer.apply_gradients(zip(given, (kernel, bias))))
    for number, gradient in enumerate(([0.3, 1.0, -1.0], [30.0, -40.0, 5.0], [0.1, 0.0, 0.2], [-0.2, 0.1, 0.0]), 1):
        rate = float(schedule(number - 1))
        assert rate > 0
        step(tf.constant(gradient[:2]), tf.constant(gradient[2:]))
        gradient = np.array(gradient) * min(1.0, 2.0 / np.linalg.norm(gradient))
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        x -= rate * 0.5 * x * [1, 1, 0]
        x -= rate * np.sqrt(1 - 0.999**number) / (1 - 0.9**number) * m / (np.sqrt(v) + 1e-6)
        np.testing.assert_allclose(np.concatenate([kernel, bias]), x, rtol=1e-5)
    assert optimizer.iterations == 4


@pytest.mark.parametrize("values", [[0.3, 0.1], [30.0, 1.0], [np.inf, 1.0], [np.nan, 1.0]])
def test_gradients_are_clipped_as_tensorflow_does_it(values):
    rows = tf.IndexedSlices(tf.constant([[0.5, 0.1], [0.2, 0.3]]), tf.constant([2, 2]), tf.constant([4, 2]))
    gradients = [tf.constant(values), rows, tf.constant([[0.25]])]
    expected, _ = tf.clip_by_global_norm(gradients, 1.0)
    clipped = optimizers.adamw(0.1, clip_norm=1.0)._clip_gradients(gradients)
    np.testing.assert_array_equal(clipped[1].indices, rows.indices)
    for one, other in zip(clipped, expected):
        np.testing.assert_allclose(tf.convert_to_tensor(one), tf.convert_to_tensor(other), rtol=1e-6)
    for norm in (0.0, None, -1.0):
        assert optimizers.adamw(0.1, clip_norm=norm)._clip_gradients(gradients) is gradients


def test_a_step_is_few_operations_for_each_weight():
    """Tracing takes half a millisecond for each: Keras' own AdamW has 55 of them, which for BERT-base is 11,000."""
    variables = [tf.Variable(tf.ones([2, 2]), name="kernel") for _ in range(20)]
    optimizer = optimizers.adamw(0.1)
    optimizer.build(variables)
    step = tf.function(lambda gradient: optimizer.apply_gradients([(gradient * 1.0, each) for each in variables]))
    assert len(step.get_concrete_function(tf.ones([2, 2])).graph.get_operations()) < 20 * 16
