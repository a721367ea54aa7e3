"""probing.encoders.lstm: packing by hand, and one layer against NumPy's loop over each sequence alone."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from probing.encoders import lstm

INPUTS, CELLS = 3, 4


def test_packing_by_hand():
    packing = lstm.Packing([2, 3, 1, 3])
    assert packing.order.tolist() == [1, 3, 0, 2]
    assert packing.sizes.tolist() == [4, 3, 2]
    packed = packing.pack([["a0", "a1"], ["b0", "b1", "b2"], ["c0"], ["d0", "d1", "d2"]])
    assert packed.tolist() == ["b0", "d0", "a0", "c0", "b1", "d1", "a1", "b2", "d2"]
    assert packing.where(4).tolist() == [[2, 6, 0, 0], [0, 4, 7, 0], [3, 0, 0, 0], [1, 5, 8, 0]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_what_is_packed_is_found_again(lengths):
    sequences = [np.arange(length) + 100 * number for number, length in enumerate(lengths)]
    packing = lstm.Packing(lengths)
    packed, where = packing.pack(sequences), packing.where(max(lengths))
    assert len(packed) == sum(lengths) == packing.sizes.sum()
    assert (np.diff(packing.sizes) <= 0).all()
    for number, sequence in enumerate(sequences):
        np.testing.assert_array_equal(packed[where[number, : len(sequence)]], sequence)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def alone(weights, limits, inputs, cell, output):
    """(outputs, cell, output) of one sequence, a step at a time, in float64."""
    kernel, recurrent, bias, projection = (None if x is None else x.astype(np.float64) for x in weights)
    out = []
    for x in inputs.astype(np.float64):
        enter, keep, leave, candidate = np.split(x @ kernel + output @ recurrent + bias, 4)
        cell = sigmoid(keep) * cell + sigmoid(enter) * np.tanh(candidate)
        cell = np.clip(cell, -limits[0], limits[0]) if limits else cell
        output = sigmoid(leave) * np.tanh(cell)
        if projection is not None:
            output = np.clip(output @ projection, -limits[1], limits[1])
        out.append(output)
    return np.stack(out), cell, output


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("kind", ["plain", "projected and clipped"])
@pytest.mark.parametrize("carried", [False, True])
def test_a_layer_is_numpys(backward, kind, carried):
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.normal(size=shape).astype(np.float32)

    projected = kind != "plain"
    outputs, limits = (2, (0.5, 0.4)) if projected else (CELLS, ())
    weights = [
        draw(INPUTS, 4 * CELLS),
        draw(outputs, 4 * CELLS),
        draw(4 * CELLS),
        draw(CELLS, outputs) if projected else None,
    ]
    more = dict(zip(("cell_clip", "projection_clip"), limits))
    layer = lstm.Layer(*weights[:3], projection=weights[3], **more)
    lengths = [2, 5, 1, 5, 3]
    sequences = [random.normal(size=(length, INPUTS)).astype(np.float32) for length in lengths]
    packing = lstm.Packing(lengths)
    state = [draw(len(lengths), CELLS), draw(len(lengths), outputs)] if carried else None
    given = None if state is None else tuple(tf.gather(values, packing.order) for values in state)
    found, after = lstm.run(layer, packing.pack(sequences), packing.sizes, backward=backward, state=given)
    where = packing.where(max(lengths))
    for number, sequence in enumerate(sequences):
        before = [values[number] for values in state] if carried else [np.zeros(CELLS), np.zeros(outputs)]
        wanted, *ends = alone(weights, limits, sequence[::-1] if backward else sequence, *before)
        np.testing.assert_allclose(
            found.numpy()[where[number, : len(sequence)]], wanted[::-1] if backward else wanted, atol=1e-5
        )
        place = packing.order.tolist().index(number)
        for values, end in zip(after, ends):
            np.testing.assert_allclose(values.numpy()[place], end, atol=1e-5)
