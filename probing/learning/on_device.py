"""States in the memory of the device that learns, from where a step takes what its spans read.

A GPU learns from a batch in less time than its states take to be read and copied: those of 128 sentences in 13 layers
of 768 are 60 MB. Where the states of a task fit into its memory they are copied once, and a batch has the numbers of
their positions.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nsmc_bert.base import quiet
from probing.activations import Recompute, Store, blocks, size
from probing.alignment import ranges

if TYPE_CHECKING:
    from probing.alignment import Examples
    from probing.encoders import Encoder

AT_ONCE = 64_000_000  # bytes of states, about, that are read before they are copied
TO_SPARE = 1_000_000_000  # bytes of a GPU's memory that are left for all else
WITHOUT_GPU = 250_000_000  # bytes of states at most where there is none: its memory is what the store saves
PIECE = 1_000_000_000  # bytes, in which memory is asked for


class OnDevice:
    """The states of all sentences of some examples, in some layers, in the memory of the device that computes.

    Args:
        states: an activations.Store or Recompute that has seen the examples.
        parts: alignment.Examples; a sentence that several of them have is taken once.
        layers: ascending list of the layers.

    Attributes:
        layers: those.
        positions: how many there are.
    """

    def __init__(self, states: Store | Recompute, parts: Sequence[Examples], layers: Sequence[int]) -> None:
        self.layers, self.positions, self._widths = list(layers), 0, states.encoder.widths
        self._first: dict[bytes, int] = {}
        pieces: dict[int, list[tf.Tensor]] = {layer: [] for layer in self.layers}
        for part in parts:
            self._take(states, part, pieces)
        self._states = {}
        for layer in self.layers:  # one after the other, so that one of them is there twice, not all
            nothing = tf.zeros([1, self._widths[layer]], tf.float16)  # which fills up a batch
            self._states[layer] = tf.concat([*pieces.pop(layer), nothing], 0)

    def _take(self, states: Store | Recompute, part: Examples, pieces: dict[int, list[tf.Tensor]]) -> None:
        """Adds the sentences of a part that are not there yet to the pieces of every layer."""
        lengths = np.array([len(payload) for payload in part.payloads], np.int64)
        missing = np.flatnonzero([key not in self._first for key in part.keys])
        missing = missing[np.argsort(-lengths[missing], kind="stable")]  # as they are encoded best
        at_once = max(1, AT_ONCE // (2 * sum(self._widths[layer] for layer in self.layers)))
        begins = np.flatnonzero(np.diff(np.cumsum(lengths[missing]) // at_once)) + 1
        for numbers in np.split(missing, begins) if len(missing) else []:
            counts = lengths[numbers]
            read = states.read(part, np.stack([numbers, 0 * counts, counts], 1), self.layers)
            for block, of_block in zip(blocks(self.layers, self._widths), read):
                for layer, of_layer in zip(block, of_block):
                    pieces[layer].append(tf.identity(of_layer))
            for number, count in zip(numbers.tolist(), counts.tolist()):
                self._first[part.keys[number]] = self.positions
                self.positions += count

    def numbers(self, examples: Examples, pieces: np.ndarray, rows: int = 0) -> np.ndarray:
        """The numbers here of the positions that Store.read would read of pieces, filled up to `rows`: int32."""
        first = np.array([self._first[examples.keys[number]] for number in pieces[:, 0]], np.int64)
        found = ranges(first + pieces[:, 1], pieces[:, 2] - pieces[:, 1])
        return np.pad(found, (0, max(rows - len(found), 0)), constant_values=self.positions).astype(np.int32)

    def take(self, numbers: tf.Tensor, layers: Sequence[int]) -> tuple[tf.Tensor, ...]:
        """The states of positions in some of the layers: for each of blocks(layers, widths) float16 [its layers,
        positions, width].
        """
        return tuple(
            tf.stack([tf.gather(self._states[layer], numbers) for layer in block])
            for block in blocks(layers, self._widths)
        )


def fit(encoder: Encoder, parts: Sequence[Examples], layers: Sequence[int], log: Callable[[str], None]) -> bool:
    """Whether the device's memory has room for the states of examples; it says so."""
    gc.collect()  # what a task before had there
    sentences = {key: len(payload) for part in parts for key, payload in zip(part.keys, part.payloads)}
    each = [2 * sum(sentences.values()) * encoder.widths[layer] for layer in layers]
    fits = _has_room(sum(each) + max(each))
    where = "kept in the device's memory" if fits else "for which the device has no room; read batch by batch"
    log(f"activations: {size(sum(each))} that the probes read, {where}")
    return fits


def _has_room(count: int) -> bool:
    """Whether the device can hold so many bytes beside what a step needs."""
    if not tf.config.list_physical_devices("GPU"):
        return count <= WITHOUT_GPU
    # nobody says how much is free: it is taken, and given back
    with quiet.silently(), contextlib.suppress(tf.errors.ResourceExhaustedError):
        taken = [tf.zeros([PIECE // 8], tf.float64) for _ in range(-(-(count + TO_SPARE) // PIECE))]
        return bool(taken[-1][0].numpy() == 0)
    return False
