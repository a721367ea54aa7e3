"""LSTMs over sequences of different lengths, as ELMo and CoVe need them: with or without projection and clipping.

The sequences stand in one array without anything that fills them up. The inputs of all time steps go through one matrix
product; the loop over time has one product a step, of the sequences that have such a position, and one for a
projection.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from nsmc_bert.model.tracing import traced_once
from probing.alignment import ranges


class Layer:
    """The weights of one layer in one direction. Gates stand in the order input, forget, output, candidate.

    Args:
        kernel: float32 [inputs, 4 cells].
        recurrent: float32 [outputs, 4 cells].
        bias: float32 [4 cells].
        dtype: of the matrix products.
        projection: float32 [cells, outputs], or None where the outputs are the cells' own.
        cell_clip, projection_clip: the largest absolute value of a cell, and of what the projection gives; None for no
            limit.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        recurrent: np.ndarray,
        bias: np.ndarray,
        dtype: str = "float32",
        *,
        projection: np.ndarray | None = None,
        cell_clip: float | None = None,
        projection_clip: float | None = None,
    ) -> None:
        # tanh(x) = 2 sigmoid(2x) - 1: with the candidate's weights doubled, one sigmoid does for all four gates
        scale = np.repeat(np.array([1, 1, 1, 2], np.float32), len(bias) // 4)
        self.kernel, self.recurrent = tf.constant(kernel * scale, dtype), tf.constant(recurrent * scale, dtype)
        self.bias = tf.constant(bias * scale, dtype)
        self.projection = None if projection is None else tf.constant(projection, dtype)
        self.cell_clip, self.projection_clip = cell_clip, projection_clip


class Packing:
    """Where the positions of sequences stand in one array, as PyTorch packs them.

    First come the first positions of all sequences, the longest sequence in front; then the second positions of those
    that have one; and so on.

    Args:
        lengths: int [sequences], each at least 1.

    Attributes:
        order: int [sequences], the sequences by falling length.
        sizes: int32 [time], how many sequences have so many positions.
        sequence, place: int [positions], which position of which sequence stands there.
    """

    def __init__(self, lengths: ArrayLike) -> None:
        lengths = np.asarray(lengths)
        self.order = np.argsort(-lengths, kind="stable")
        self.sizes = (np.arange(lengths.max())[:, None] < lengths).sum(1).astype(np.int32)
        self.sequence = self.order[ranges(np.zeros_like(self.sizes), self.sizes)]
        self.place = np.repeat(np.arange(len(self.sizes)), self.sizes)

    def pack(self, sequences: Sequence[np.ndarray | list[int]]) -> np.ndarray:
        """One array, [positions, …], from a list of arrays [length, …]."""
        first = np.cumsum([0, *map(len, sequences)])
        return np.concatenate(sequences)[first[self.sequence] + self.place]

    def where(self, time: int) -> np.ndarray:
        """int32 [sequences, time]: where each position of each sequence stands; 0 for those it does not have."""
        out = np.zeros((len(self.order), time), np.int32)
        out[self.sequence, self.place] = np.arange(len(self.place))
        return out


def run(
    layer: Layer,
    inputs: tf.Tensor,
    sizes: tf.Tensor,
    *,
    backward: bool = False,
    state: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    """Runs one layer over packed sequences.

    Args:
        layer: Layer.
        inputs: float32 [positions, inputs].
        sizes: int32 [time], see Packing.
        backward: from the last position of each sequence to its first.
        state: (cells float32 [sequences, cells], outputs float32 [sequences, outputs]) to begin with, the sequences in
            the packing's order; None for zeros.

    Returns:
        (outputs float32 [positions, outputs], the state after each sequence's last step).
    """
    weights = layer.kernel, layer.recurrent, layer.bias, layer.projection
    return traced_once(_run)(inputs, sizes, state, *weights, layer.cell_clip, layer.projection_clip, backward)


def _run(
    inputs: tf.Tensor,
    sizes: tf.Tensor,
    state: tuple[tf.Tensor, tf.Tensor] | None,
    kernel: tf.Tensor,
    recurrent: tf.Tensor,
    bias: tf.Tensor,
    projection: tf.Tensor | None,
    cell_clip: float | None,
    projection_clip: float | None,
    backward: bool,
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    time, begins, dtype = tf.shape(sizes)[0], tf.cumsum(sizes, exclusive=True), kernel.dtype
    width, cells = recurrent.shape[0], recurrent.shape[1] // 4
    projected = tf.nn.bias_add(tf.matmul(tf.cast(inputs, dtype), kernel), bias)
    outputs = tf.TensorArray(tf.float32, time, element_shape=[None, width], infer_shape=False)
    if state is None:
        state = tf.zeros([sizes[0], cells]), tf.zeros([sizes[0], width])

    def step(
        number: tf.Tensor, cell: tf.Tensor, output: tf.Tensor, outputs: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        now = time - 1 - number if backward else number
        first, size = begins[now], sizes[now]
        gates = tf.matmul(tf.cast(output[:size], dtype), recurrent)
        gates = tf.cast(projected[first : first + size], tf.float32) + tf.cast(gates, tf.float32)
        enter, keep, leave, candidate = tf.split(tf.sigmoid(gates), 4, 1)
        new = _clip(keep * cell[:size] + enter * (2 * candidate - 1), cell_clip)
        given = leave * tf.tanh(new)
        if projection is not None:
            given = tf.cast(tf.matmul(tf.cast(given, dtype), projection), tf.float32)
            given = _clip(given, projection_clip)
        outputs = outputs.write(now, given)
        # a sequence that has ended, or backward has not begun, keeps its state
        return number + 1, tf.concat([new, cell[size:]], 0), tf.concat([given, output[size:]], 0), outputs

    shapes = [tf.TensorShape(shape) for shape in ([], [None, cells], [None, width], None)]
    _, cell, output, outputs = tf.while_loop(
        lambda number, *_: number < time,
        step,
        (0, *state, outputs),
        shape_invariants=tuple(shapes),
        maximum_iterations=time,
    )
    return outputs.concat(), (cell, output)


def _clip(values: tf.Tensor, limit: float | None) -> tf.Tensor:
    return values if limit is None else tf.clip_by_value(values, -limit, limit)
