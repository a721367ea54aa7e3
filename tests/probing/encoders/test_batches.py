"""probing.encoders.batches: whatever the lengths and the windows, every position has its own state."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing.encoders import batches

WIDTHS = (2, 3)


def run(sizes=None):
    """An encoder whose state at a position is the token there, in layer 1 ten times it."""

    def states(payloads, length):
        if sizes is not None:
            sizes.append((len(payloads), length))
        ids = batches.fill(payloads, length, 0)
        return [
            np.repeat((scale * ids)[:, :, None], width, 2).astype(np.float16) for scale, width in zip((1, 10), WIDTHS)
        ]

    return states


@given(st.lists(st.integers(3, 40), max_size=8), st.integers(6, 20), st.integers(0, 8), st.integers(1, 60))
def test_every_position_has_its_state(lengths, limit, margin, tokens):
    payloads = [np.arange(1, length + 1) for length in lengths]
    out = batches.encode(payloads, WIDTHS, run(), tokens=tokens, limit=limit, margin=margin, around=1)
    for payload, layers in zip(payloads, out, strict=True):
        for scale, width, states in zip((1, 10), WIDTHS, layers, strict=True):
            np.testing.assert_array_equal(states, np.repeat(scale * payload[:, None], width, 1))


def test_the_longest_come_first_in_batches_of_about_so_many_tokens():
    sizes = []
    batches.encode([np.arange(length) for length in (3, 9, 3, 4, 8)], WIDTHS, run(sizes), tokens=18)
    assert sizes == [(2, 9), (3, 4)]
    assert batches.encode([], WIDTHS, run(), tokens=5) == []


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_filled_up(dtype):
    rows = batches.fill([[1, 2], [], [3]], 3, 7, dtype)
    assert rows.dtype == dtype and rows.tolist() == [[1, 2, 7], [7, 7, 7], [3, 7, 7]]
