"""LSTMs over padded batches, time first, as ELMo and CoVe need them: with or without projection and clipping.

The inputs of all time steps go through one matrix product; the loop over time has one product a step, and one for a
projection. Padding stands at the end, so that it touches no real state; a backward layer reads sequences that were reversed
within their lengths.
"""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Layer:
    """The weights of one layer in one direction. Gates stand in the order input, forget, output, candidate.

    Attributes:
        kernel: compute dtype [inputs, 4 cells].
        recurrent: compute dtype [outputs, 4 cells].
        bias: float32 [4 cells].
        projection: compute dtype [cells, outputs], or None where the outputs are the cells' own.
        cell_clip, projection_clip: the largest absolute value of a cell, and of what the projection gives; None for no limit.
    """

    kernel: tf.Tensor
    recurrent: tf.Tensor
    bias: tf.Tensor
    projection: tf.Tensor | None = None
    cell_clip: float | None = None
    projection_clip: float | None = None


def reverse(sequences, lengths):
    """Sequences, [time, batch, width], each reversed within its length; what fills up stays behind it."""
    # tf.reverse_sequence takes four times as long
    time, batch, width = tf.shape(sequences)[0], tf.shape(sequences)[1], sequences.shape[2]
    now = tf.range(time)[:, None]
    rows = tf.where(now < lengths, lengths - 1 - now, now) * batch + tf.range(batch)
    return tf.gather(tf.reshape(sequences, [time * batch, width]), rows)


def run(layer, inputs, lengths=None, state=None):
    """Runs one layer over a batch.

    Args:
        layer: Layer.
        inputs: float32 [time, batch, inputs].
        lengths: int32 [batch], where each sequence's state is taken; None if the state does not matter.
        state: (cells float32 [batch, cells], outputs float32 [batch, outputs]) to begin with; None for zeros.

    Returns:
        (outputs float32 [time, batch, outputs], the state after each sequence's last step).
    """
    time, batch, dtype = tf.shape(inputs)[0], tf.shape(inputs)[1], layer.kernel.dtype
    width, cells = layer.recurrent.shape[0], layer.recurrent.shape[1] // 4
    flat = tf.reshape(tf.cast(inputs, dtype), [time * batch, layer.kernel.shape[0]])
    projected = tf.nn.bias_add(tf.matmul(flat, layer.kernel), tf.cast(layer.bias, dtype))
    projected = tf.TensorArray(dtype, time).unstack(tf.reshape(projected, [time, batch, 4 * cells]))
    outputs = tf.TensorArray(tf.float32, time, element_shape=[None, width])
    if state is None:
        state = tf.zeros([batch, cells]), tf.zeros([batch, width])

    def step(now, cell, output, outputs):
        gates = tf.cast(projected.read(now), tf.float32) + tf.cast(tf.matmul(tf.cast(output, dtype), layer.recurrent), tf.float32)
        enter, keep, leave = tf.split(tf.sigmoid(gates[:, : 3 * cells]), 3, 1)
        new = _clip(keep * cell + enter * tf.tanh(gates[:, 3 * cells :]), layer.cell_clip)
        given = leave * tf.tanh(new)
        if layer.projection is not None:
            given = tf.cast(tf.matmul(tf.cast(given, dtype), layer.projection), tf.float32)
            given = _clip(given, layer.projection_clip)
        outputs = outputs.write(now, given)
        if lengths is not None:
            goes_on = (now < lengths)[:, None]
            new, given = tf.where(goes_on, new, cell), tf.where(goes_on, given, output)
        return now + 1, new, given, outputs

    _, cell, output, outputs = tf.while_loop(lambda now, *_: now < time, step, (0, *state, outputs), maximum_iterations=time)
    return outputs.stack(), (cell, output)


def _clip(values, limit):
    return values if limit is None else tf.clip_by_value(values, -limit, limit)
