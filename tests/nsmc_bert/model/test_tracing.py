"""nsmc_bert.model.tracing: what is traced once, and what goes when nobody needs it."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.model import tracing

TRACED = []


def square_sum(x, weight, power):
    TRACED.append((x.shape.as_list(), power))
    return tf.reduce_sum(weight * x**power)


def test_a_piece_is_traced_once_for_all_that_call_it_and_so_is_its_gradient():
    traced = TRACED
    traced.clear()

    def gradients_of(weights, width):
        @tf.function(input_signature=[tf.TensorSpec([None, width])])
        def run(x):
            with tf.GradientTape() as tape:
                value = sum(
                    tracing.traced_once(square_sum, differentiated=True)(x, tf.convert_to_tensor(weight), 2)
                    for weight in weights
                )
            return tape.gradient(value, weights)

        return run

    weights = [tf.Variable(3.0), tf.Variable(5.0)]
    for run in (gradients_of(weights, 2), gradients_of(weights, 2)):  # two models of one shape
        for gradient in run(tf.constant([[1.0, 2.0], [0.0, 3.0], [1.0, 0.0]])):
            np.testing.assert_allclose(gradient, 15.0)
    assert traced == [([None, 2], 2)]
    gradients_of(weights, 1)(tf.ones([4, 1]))
    assert traced == [([None, 2], 2), ([None, 1], 2)]
    tracing.traced_once(square_sum, differentiated=True)(tf.ones([4, 1]), 1.0, 2)  # eagerly nothing is traced
    assert traced[2:] == [([4, 1], 2)]


def squares(x):
    return tf.reduce_sum(x * x, 0, keepdims=True)


@pytest.mark.parametrize("compiled", [False, True])
def test_no_shape_leaves_a_function_whose_gradient_xla_compiles(compiled):
    @tf.function(input_signature=[tf.TensorSpec([None, 2])], jit_compile=compiled)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tracing.traced_once(squares, differentiated=True)(x)
        return tape.gradient(value, x)

    np.testing.assert_array_equal(run(tf.ones([3, 2])), 2 * np.ones([3, 2]))
    calls = [operation for operation in run.get_concrete_function().graph.get_operations() if "Call" in operation.type]
    assert bool(calls) is not compiled


def test_traced_graphs_go_with_their_functions():
    from tensorflow.python.framework import ops

    @tracing.custom_gradient
    def double(x):
        return x * 2.0, lambda upstream: upstream * 5.0

    gc.collect()  # graphs of other tests
    registered = len(ops.gradient_registry._registry)
    function = tf.function(lambda x: double(double(x)))
    graph = weakref.ref(function.get_concrete_function(tf.TensorSpec([], tf.float32)).graph)
    assert len(ops.gradient_registry._registry) == registered + 2
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:  # the function is differentiated as a whole, by the names in its graph
        y = tf.function(lambda: function(x))()  # noqa: F821
    assert (float(y), float(tape.gradient(y, x))) == (12.0, 25.0)
    del function, y, tape
    gc.collect()
    assert graph() is None
    assert len(ops.gradient_registry._registry) == registered
