"""What keeps the tracing of a training step short, and the graphs of models that are gone from staying in memory."""

import functools
import weakref
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util

Gradient = Callable[..., Any]  # from the gradient of a result to those of what it was computed of


def traced_once(
    function: Callable[..., Any], compiled: bool = False, *, differentiated: bool = False
) -> Callable[..., Any]:
    """A function of tensors that is traced once for all layers and models that call it with such shapes, where a trace
    would else be of every call. What is traced stays until the process ends.

    Args:
        function: of a module, so that it captures nothing; of tensors and Python values.
        compiled: compile it with XLA, into one pass over memory, once as well.
        differentiated: whether a tape takes its gradient by TensorFlow's rules, which is traced once then, too. Inside
            what XLA compiles the function is traced as often as it is called: the shapes that such a gradient asks for
            would come out of it, and XLA compiles anew for all values of what a shape comes from.
    """
    assert "<locals>" not in function.__qualname__ and not (compiled and differentiated)
    if differentiated and _inside_xla() or tf.executing_eagerly() and not compiled:
        return function
    return _function(function, compiled)


def _inside_xla() -> bool:
    """Whether XLA compiles what is being traced."""
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


@functools.cache
def _function(function: Callable[..., Any], compiled: bool) -> Callable[..., Any]:
    return tf.function(function, jit_compile=compiled, autograph=False)


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """tf.custom_gradient, for graphs that may go when nobody needs them any more.

    TensorFlow enters the gradient of each call that it traces into a registry, for good, and with it the graph and the
    weights that the graph has captured. Here the graph holds it, and the registry only as long as the graph does.
    """
    differentiable = tf.custom_gradient(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        result = differentiable(*arguments)
        if not tf.executing_eagerly():
            first = tf.nest.flatten(result)[0]
            _hold_with_graph(first.graph, first.op.get_attr("_gradient_op_type").decode())
        return result

    return call


def _hold_with_graph(graph: tf.Graph, name: str) -> None:
    registered = getattr(ops.gradient_registry, "_registry", {})
    if name not in registered:  # a TensorFlow that keeps them elsewhere: then they stay
        return
    gradient = registered[name]["type"]
    held: Callable[[], Any] = weakref.ref(gradient)
    graph._custom_gradients = [*getattr(graph, "_custom_gradients", ()), gradient]
    registered[name]["type"] = lambda *arguments: held()(*arguments)
    weakref.finalize(gradient, registered.pop, name, None).atexit = False
