"""States in the memory of the device that learns, from where a step takes what its spans read.

A GPU learns from a batch in less time than its states take to be read and copied: those of 128 sentences in 13 layers
of 768 are 60 MB. Where the states of a task fit into its memory they are copied once, and a batch has the numbers of
their positions.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nsmc_bert.base import quiet
from nsmc_bert.base.progress import Progress
from nsmc_bert.base.runtime import is_memory_full
from nsmc_bert.base.watchdog import alive
from probing.activations import Recompute, Store, blocks, size
from probing.alignment import ranges

if TYPE_CHECKING:
    from probing.alignment import Examples

AT_ONCE = 64_000_000  # bytes of states, about, that are read before they are copied
TO_SPARE = 1_000_000_000  # bytes of a GPU's memory that are left for all else
WITHOUT_GPU = 250_000_000  # bytes of states at most where there is none: its memory is what the store saves
MOST_NUMBERS = 2**31 - 1  # of a layer; TensorFlow's operations on GPUs count them in 32 bits


class Places:
    """Where the states of sentences stand.

    What a tf.data pipeline calls stays in memory until the process ends, so this has no states.

    Args:
        first: {key of a sentence: the number of its first position}.
        positions: how many there are; the number of the one behind the last, which fills up a batch.
    """

    def __init__(self, first: Mapping[bytes, int], positions: int) -> None:
        self._first, self.positions = first, positions

    def numbers(self, examples: Examples, pieces: np.ndarray, rows: int = 0) -> np.ndarray:
        """The numbers of the positions that Store.read would read of pieces, filled up to `rows`: int32."""
        first = np.array([self._first[examples.keys[number]] for number in pieces[:, 0]], np.int64)
        numbers = ranges(first + pieces[:, 1], pieces[:, 2] - pieces[:, 1])
        return np.pad(numbers, (0, max(rows - len(numbers), 0)), constant_values=self.positions).astype(np.int32)


class OnDevice:
    """The states of sentences, in some layers, in the memory of the device that computes; see `where_it_fits`.

    Args:
        places: Places of the sentences.
        states: {layer: a float16 variable [positions + 1, width]}; the last position is zeros.
        widths: of all the encoder's layers.
    """

    def __init__(self, places: Places, states: Mapping[int, tf.Variable], widths: Sequence[int]) -> None:
        self.places, self._states, self._widths = places, states, widths

    def take(self, numbers: tf.Tensor, layers: Sequence[int]) -> tuple[tf.Tensor, ...]:
        """The states of positions in some of the layers: for each of blocks(layers, widths) float16 [its layers,
        positions, width].
        """
        return tuple(
            tf.stack([tf.gather(self._states[layer], numbers) for layer in block])
            for block in blocks(layers, self._widths)
        )


def where_it_fits(
    states: Store | Recompute, parts: Sequence[Examples], layers: Sequence[int], log: Callable[[str], None]
) -> OnDevice | None:
    """Copies the states of examples into the device's memory.

    Args:
        states: an activations.Store or Recompute, which reads them; a Store has seen the examples.
        parts: the examples; a sentence that comes several times is taken once.
        layers: ascending list of the layers that are wanted.
        log: called with a line that says what is done.

    Returns:
        An OnDevice, or None where there is no room. What TensorFlow took of a GPU's memory to see that, this process
        keeps.
    """
    gc.collect()  # what a task before had there
    widths, sentences = states.encoder.widths, _sentences(parts)
    lengths = np.array([len(part.payloads[number]) for part, number in sentences.values()], np.int64)
    first = np.cumsum(lengths) - lengths
    positions = int(lengths.sum())
    told = f"activations: {size(2 * positions * sum(widths[layer] for layer in layers))} that the probes read"
    variables = _variables({layer: (positions + 1, widths[layer]) for layer in layers})
    if variables is not None:
        log(f"{told}, kept in the device's memory")
        try:
            _copy(states, list(sentences.values()), lengths, variables)
            return OnDevice(Places(dict(zip(sentences, first.tolist())), positions), variables, widths)
        except tf.errors.OpError as error:
            if not is_memory_full(error):  # for what encoding and copying take beside them
                raise
    log(f"{told}, for which the device has no room: read batch by batch")
    return None


def _copy(
    states: Store | Recompute,
    sentences: Sequence[tuple[Examples, int]],
    lengths: np.ndarray,
    variables: Mapping[int, tf.Variable],
) -> None:
    """Copies the states of sentences, as `_sentences` has them, end to end into a variable a layer."""
    layers, ends, widths = list(variables), np.cumsum(lengths), states.encoder.widths
    at_once = max(1, AT_ONCE // (2 * sum(widths[layer] for layer in layers)))
    others = np.array([one is not other for (one, _), (other, _) in zip(sentences, sentences[1:])], bool)
    begins = np.flatnonzero(others | (np.diff(ends // at_once) > 0)) + 1
    with Progress(len(sentences), "sentences", title="copy") as bar:
        for chosen in np.split(np.arange(len(sentences)), begins) if sentences else []:
            numbers = np.array([sentences[i][1] for i in chosen])
            pieces = np.stack([numbers, 0 * numbers, lengths[chosen]], 1)
            read = states.read(sentences[chosen[0]][0], pieces, layers)
            begin, end = ends[chosen[0]] - lengths[chosen[0]], ends[chosen[-1]]
            for block, of_block in zip(blocks(layers, widths), read):
                for layer, of_layer in zip(block, of_block):
                    variables[layer][begin:end].assign(of_layer)
            bar.update(len(chosen))
            alive()


def _sentences(parts: Sequence[Examples]) -> dict[bytes, tuple[Examples, int]]:
    """{key: the part that a sentence is read from, and its number there} of all sentences, those of a part together,
    the longest first, as they are encoded best.
    """
    sentences: dict[bytes, tuple[Examples, int]] = {}
    for part in parts:
        for number in sorted(range(len(part.keys)), key=lambda number: -len(part.payloads[number])):
            sentences.setdefault(part.keys[number], (part, number))
    return sentences


def _variables(shapes: Mapping[int, tuple[int, int]]) -> dict[int, tf.Variable] | None:
    """Variables of zeros in float16, or None where the device has no room for them and for what a step needs."""
    on_gpu, counts = bool(tf.config.get_visible_devices("GPU")), [math.prod(shape) for shape in shapes.values()]
    if max(counts) > MOST_NUMBERS or not on_gpu and 2 * sum(counts) > WITHOUT_GPU:
        return None
    # nobody says how much is free: it is taken
    with quiet.silently(), contextlib.suppress(tf.errors.ResourceExhaustedError):
        made = {layer: tf.Variable(tf.zeros(shape, tf.float16), trainable=False) for layer, shape in shapes.items()}
        if on_gpu:
            tf.zeros([TO_SPARE], tf.uint8)[0].numpy()
        return made
    return None
