"""Batches of records with the states that their spans read, as tf.data pipelines of static or of few shapes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nsmc_bert.base.runtime import accelerated
from nsmc_bert.model.packing import untuned
from probing import activations
from probing.activations import Recompute, Store
from probing.alignment import Examples, ranges

if TYPE_CHECKING:
    from probing.learning.on_device import Places

PREDICT = 128  # records of a batch that is only predicted


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What the parts of a batch are filled up to.

    Attributes:
        rows: positions that some span reads.
        targets: spans, or pairs of them.
        members: of the spans, for each of a target's one or two.
    """

    rows: int
    targets: int
    members: tuple[int, ...]


class Batches:
    """Batches of records with the states that their spans read.

    Args:
        store: an activations.Store or Recompute that has seen the examples.
        examples: alignment.Examples.
        layers: ascending list of the layers that any probe reads.
        control: bool [targets, labels], the labels of the control task, or None.
        static: give all batches of a dataset one shape, as a compiler wants it; otherwise each has one of a few that is
            little larger.
        places: on_device.Places of the examples' states, where these are in the device's memory: a batch has the
            numbers of their positions then ("positions") instead of "states"; or None.
        least: what static batches are filled up to at least, or None.
    """

    def __init__(
        self,
        store: Store | Recompute,
        examples: Examples,
        layers: Iterable[int],
        control: np.ndarray | None = None,
        static: bool = False,
        places: Places | None = None,
        least: Sizes | None = None,
    ):
        self.examples, self._static, self._places, self._least = examples, static, places, least
        self._store, self._layers, self._control = store, list(layers), control
        self._in_order: dict[int, tf.data.Dataset] = {}

    def in_order(self, limit: int = 0) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yields (int [n] targets, batch) of the first `limit` records, 0 for all, in their order."""
        splits, records = self.examples.splits, min(self.examples.records, limit or self.examples.records)

        def choose(number: int) -> np.ndarray:
            return np.arange(number * PREDICT, min((number + 1) * PREDICT, records))

        if records not in self._in_order:
            self._in_order[records] = self.dataset(choose, 0, -(-records // PREDICT))
        for number, batch in enumerate(self._in_order[records]):
            chosen = choose(number)
            yield np.arange(splits[chosen[0]], splits[chosen[-1] + 1]), batch

    def dataset(self, choose: Callable[[int], np.ndarray], start: int, stop: int) -> tf.data.Dataset:
        """A tf.data.Dataset of batches `start` to `stop`, of all that are numbered from 0; choose(number) -> int
        [records], what is in one.
        """
        sizes = self.sizes(choose, stop) if self._static else None
        spans, labels = 1 if self.examples.span2 is None else 2, len(self.examples.names)
        keys = ["rows1", "segments1", "rows2", "segments2"][: 2 * spans]
        labelled = ["gold"] + ["control"] * (self._control is not None)
        widths = self._store.encoder.widths
        blocks = [] if self._places else activations.blocks(self._layers, widths)
        keys = ["positions"] * (self._places is not None) + keys
        types = [tf.float16] * len(blocks) + [tf.int32] * len(keys) + [tf.uint8] * len(labelled) + [tf.float32]

        def make(number: tf.Tensor) -> list[tf.Tensor]:
            return tf.numpy_function(lambda n: self._make(choose(int(n)), sizes), [number], types, stateful=False)

        def name(*tensors: tf.Tensor) -> dict[str, Any]:
            batch: dict[str, Any] = {"states": tuple(tensors[: len(blocks)])} if blocks else {}
            for states, layers in zip(tensors, blocks):
                states.set_shape([len(layers), None, widths[layers[0]]])
            more = iter(tensors[len(blocks) :])
            for key in [*keys, *labelled]:
                batch[key] = next(more)
                batch[key].set_shape([None, labels] if key in labelled else [None])
            batch["weights"] = next(more)
            batch["weights"].set_shape([None])
            return batch

        # a GPU learns faster than two threads read
        threads = max(2, (os.cpu_count() or 1) // 2) if accelerated() else 2
        data = tf.data.Dataset.range(start, stop).map(make, num_parallel_calls=threads, deterministic=True)
        return untuned(data.map(name).prefetch(1))

    def sizes(self, choose: Callable[[int], np.ndarray], stop: int) -> Sizes:
        """Sizes that hold every one of the batches 0 to `stop`, wherever a run goes on."""
        examples = self.examples
        spans = [examples.span1] if examples.span2 is None else [examples.span1, examples.span2]
        ends = [np.append(0, np.cumsum(span[:, 1] - span[:, 0]))[examples.splits] for span in spans]
        members = np.stack([np.diff(each) for each in ends])
        lengths = np.array([len(examples.payloads[number]) for number in examples.sentence])
        parts = np.stack([np.minimum(members.sum(0), lengths), np.diff(examples.splits), *members])  # of each record
        largest = np.max([parts[:, choose(number)].sum(1) for number in range(stop)], 0)
        if self._least is not None:
            largest = np.maximum(largest, [self._least.rows, self._least.targets, *self._least.members])
        rows, targets, *members_full = map(bucket, largest)
        return Sizes(rows, targets, tuple(members_full))

    def _make(self, records: np.ndarray, full: Sizes | None = None) -> list[np.ndarray]:
        examples = self.examples
        sentences, which = np.unique(examples.sentence[records], return_inverse=True)
        counts = np.array([len(examples.payloads[number]) for number in sentences])
        ends = np.cumsum(counts)
        base = ends - counts
        sizes = examples.splits[records + 1] - examples.splits[records]
        targets = ranges(examples.splits[records], sizes)
        offset = np.repeat(base[which], sizes)
        spans = [examples.span1] if examples.span2 is None else [examples.span1, examples.span2]
        members = []
        for span in spans:
            first, last = span[targets].T
            members.append((ranges(first + offset, last - first), np.repeat(np.arange(len(targets)), last - first)))
        # only positions that some span reads are read and projected
        used, place = np.unique(np.concatenate([rows for rows, _ in members]), return_inverse=True)
        owner = np.searchsorted(ends, used, side="right")
        begins = np.flatnonzero((np.diff(used, prepend=-2) != 1) | (np.diff(owner, prepend=-1) != 0))
        first, owner = used[begins] - base[owner[begins]], owner[begins]
        pieces = np.stack([sentences[owner], first, first + np.diff(np.append(begins, len(used)))], 1)
        full = full or Sizes(bucket(len(used)), bucket(len(targets)), tuple(bucket(len(rows)) for rows, _ in members))
        n = full.targets
        if self._places is None:
            out = self._store.read(examples, pieces, self._layers, full.rows)
        else:
            out = [self._places.numbers(examples, pieces, full.rows)]
        at = 0
        for (rows, segments), size in zip(members, full.members):
            padding = size - len(rows)
            # what fills up goes to the last target, which only fills up too
            out.append(np.pad(place[at : at + len(rows)], (0, padding)).astype(np.int32))
            out.append(np.pad(segments, (0, padding), constant_values=n).astype(np.int32))
            at += len(rows)
        labels = [examples.gold(targets)] + ([] if self._control is None else [self._control[targets]])
        for each in labels:
            out.append(np.pad(each, ((0, n + 1 - len(targets)), (0, 0))).astype(np.uint8))
        out.append((np.arange(n + 1) < len(targets)).astype(np.float32))
        return out


def bucket(n: int) -> int:
    """The size that n things are filled up to: few different ones, so that compiled steps are few, at most a seventh
    more.
    """
    step = max(32, 1 << max(0, int(n).bit_length() - 4))
    return max(step, -(-n // step) * step)
