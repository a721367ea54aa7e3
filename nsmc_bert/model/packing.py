"""Token ids to tf.data: texts packed side by side into rows of one static length, in an order that the seed decides.

Reviews are short (median 13 pieces) with a long tail: padded to 128 places each, 6.5 times the real tokens would be
computed. Packed, a hundredth is padding, and every batch has one shape, so that a compiler makes one program of it.
Positions are counted anew in each text and attention stays inside it, so a text's states are what they would be alone
(Krell et al. 2021, arXiv 2107.02027).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nsmc_bert.model.tokenizers import Encoded

if TYPE_CHECKING:  # TensorFlow is imported where it is used: a plan can be made without it
    import tensorflow as tf

TOKEN_BUDGET = 3072  # of a batch: on two CPU cores, larger ones are no faster
TOKEN_BUDGETS = {"CPU": TOKEN_BUDGET, "GPU": 16384, "TPU": 16384}  # of training: a GPU's steps are too short with less
LEAST_BUDGET = 256
STEPS = 40  # a pass of training has at least about so many, by smaller batches where the data is small
DEVICE_BUDGET = 32768  # on a GPU or TPU, where nothing is learned and so the size is free
LENGTH = 128  # places of a row; of more where a text is longer
LONGEST = 1 << 15  # tokens of a text: its positions are numbers of 16 bits
MOST = 16  # texts in a row
MANY = 8  # batches from which on each has all the rows of the budget, however few the last one needs
AT_ONCE = 64  # batches that are packed together ahead of their use
STEP = 8  # places that texts which are not packed are filled up to, or an eighth of a power of two for long ones


def longest(stated: int | None, positions: int) -> int:
    """Tokens of a text that are read: as many as a tokenizer states, if it does, and an encoder has positions for."""
    return min(stated or LONGEST, positions, LONGEST)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which text stands where in which batch.

    Attributes:
        texts: int64 [n], numbers of texts, those of a batch side by side.
        places: int64 [n], where each one's first token stands in its batch: row * length + place in the row.
        slots: int64 [n], the number of its output in its batch: row * slots_per_row + number in the row.
        splits: int64 [batches + 1], where each batch begins in the three.
        rows: of every batch.
        length: places of every row.
        slots_per_row: texts that a row has room for.
        epoch: the pass over the data that it was made for.
    """

    texts: np.ndarray
    places: np.ndarray
    slots: np.ndarray
    splits: np.ndarray
    rows: int
    length: int
    slots_per_row: int
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.splits) - 1

    @property
    def tokens(self) -> int:
        """The tokens that are computed, padding included."""
        return len(self) * self.rows * self.length


@dataclasses.dataclass(frozen=True)
class Packed(Plan):
    """A Plan whose rows have been packed.

    Attributes:
        arrays: what `packed` gives of all its batches.
    """

    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def plan(
    lengths: ArrayLike,
    token_budget: int,
    *,
    batch_size: int | None = None,
    seed: int | None = None,
    epoch: int = 0,
    multiple: int = 1,
) -> Plan:
    """Packs texts into rows, and rows into batches of one shape.

    The shape depends on nothing but the budget from MANY batches on, so that all large sets share a program; on smaller
    ones it depends on how many texts there are of each length, and so is the same for every pass over them.

    Args:
        lengths: int [n], the tokens of each text, special tokens included; 1 to LONGEST.
        token_budget: places a batch at most, padding included; a batch has at least `multiple` rows all the same.
        batch_size: so many texts a batch, whatever the budget; None to fill the budget.
        seed: None for any order; a number shuffles which texts stand together, and the batches.
        epoch: with a seed, the pass over the data: another order for each.
        multiple: every batch has a multiple of this many rows, the replicas that share it.

    Returns:
        A Plan in which every text occurs once.
    """
    lengths = np.asarray(lengths, np.int64)
    if len(lengths) and not 1 <= lengths.min() <= lengths.max() <= LONGEST:
        raise ValueError(f"found texts of {lengths.min()} to {lengths.max()} tokens, expected 1 to {LONGEST}")
    length = max(LENGTH, -(-int(lengths.max(initial=1)) // LENGTH) * LENGTH)
    random = np.random.Generator(np.random.PCG64([seed, epoch])) if seed is not None else None
    order = np.arange(len(lengths)) if random is None else random.permutation(len(lengths))
    if batch_size is None:
        row, offset, number, count = _pack(lengths[order], length)
        capacity = max(multiple, token_budget // length // multiple * multiple)
        batches = -(-count // capacity)
        rows = capacity if batches >= MANY else -(-count // max(batches, 1))
        row = row if random is None else random.permutation(count)[row]
        batch, row = row // max(rows, 1), row % max(rows, 1)
    else:
        packs = [
            _pack(lengths[order[first : first + batch_size]], length) for first in range(0, len(order), batch_size)
        ]
        rows, batches = max([pack[3] for pack in packs], default=0), len(packs)
        batch = np.repeat(np.arange(batches), [len(pack[0]) for pack in packs])
        row, offset, number = (np.concatenate([np.zeros(0, np.int64), *(pack[i] for pack in packs)]) for i in range(3))
    rows = -(-max(rows, 1) // multiple) * multiple
    by_place = np.lexsort((number, row, batch))
    return Plan(
        texts=order[by_place],
        places=(row * length + offset)[by_place],
        slots=(row * MOST + number)[by_place],
        splits=np.concatenate([[0], np.cumsum(np.bincount(batch, minlength=batches))]).astype(np.int64),
        rows=rows,
        length=length,
        slots_per_row=MOST,
        epoch=epoch,
    )


def budget(most: int | None = None) -> int:
    """The tokens of a batch that keep the devices here busy where nothing is learned, and no more than `most`."""
    return min(TOKEN_BUDGET if _kind() == "CPU" else DEVICE_BUDGET, most or DEVICE_BUDGET)


def training_budget(tokens: int, kind: str = "") -> int:
    """Tokens of a batch that suit training by passes of so many tokens on a CPU, GPU or TPU, "" for what is here."""
    return int(np.clip(tokens // STEPS, LEAST_BUDGET, TOKEN_BUDGETS[kind or _kind()]))


def _kind() -> str:
    """What computes here: CPU, GPU or TPU."""
    import tensorflow as tf

    if tf.config.list_logical_devices("TPU"):
        return "TPU"
    return "GPU" if tf.config.get_visible_devices("GPU") else "CPU"


def ahead(encoded: Encoded, plan: Plan, pad_id: int) -> Packed:
    """Packs the rows of a plan before they are asked for: while the pass before it is learned, say.

    Of many batches some at a time, which takes little more memory than the rows do, 5 bytes a token.
    """
    pieces = [
        packed(encoded, plan, pad_id, start, min(start + AT_ONCE, len(plan)))
        for start in range(0, max(len(plan), 1), AT_ONCE)
    ]
    arrays = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return Packed(**{field.name: getattr(plan, field.name) for field in dataclasses.fields(Plan)}, arrays=arrays)


def packed(encoded: Encoded, plan: Plan, pad_id: int, start: int = 0, stop: int | None = None) -> dict[str, np.ndarray]:
    """The batches `start` to `stop` of a plan, one after the other.

    Returns:
        {"input_ids", "segments" (the number of its text in the row that a token belongs to, from 1; 0 on padding),
        "positions" (in the text): [batches * rows, length]; "firsts" (the places in the row of the texts' first
        tokens), "texts" (their numbers, -1 where there is none): [batches * rows, slots_per_row]}, all of small integer
        dtypes.
    """
    stop = len(plan) if stop is None else stop
    if isinstance(plan, Packed):
        return {name: array[start * plan.rows : stop * plan.rows] for name, array in plan.arrays.items()}
    here = slice(plan.splits[start], plan.splits[stop])
    texts, rows = plan.texts[here], (stop - start) * plan.rows
    batch = np.repeat(np.arange(stop - start), np.diff(plan.splits[start : stop + 1])) * plan.rows
    places, slots = plan.places[here] + batch * plan.length, plan.slots[here] + batch * plan.slots_per_row
    lengths = np.diff(encoded.row_splits)[texts]
    positions = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    to = np.repeat(places, lengths) + positions
    values = {
        "input_ids": (pad_id, encoded.ids[np.repeat(encoded.row_splits[texts], lengths) + positions]),
        "segments": (0, np.repeat((slots % plan.slots_per_row + 1).astype(np.uint8), lengths)),
        "positions": (0, positions.astype(np.uint16)),
    }
    out = {}
    for name, (empty, value) in values.items():
        out[name] = np.full(rows * plan.length, empty, value.dtype)
        out[name][to] = value
        out[name].shape = rows, plan.length
    for name, empty, value in (("firsts", 0, places % plan.length), ("texts", -1, texts)):
        out[name] = np.full(rows * plan.slots_per_row, empty, np.int32)
        out[name][slots] = value
        out[name].shape = rows, plan.slots_per_row
    return out


def padded_shape(texts: int, longest: int, limit: int) -> tuple[int, int]:
    """(rows, places) of texts with a row each, both rounded up, so that few shapes occur.

    Whatever computes a shape for the first time keeps something of it: oneDNN, which computes TensorFlow's matrix
    products on CPUs, a compiled kernel in each thread, 1,024 of them before it forgets the first. Of every shape that
    texts may have these are 200 MB, and forgetting and compiling again leaves holes in memory.

    Args:
        texts: how many there are.
        longest: tokens of the longest.
        limit: places that a text may take; a longest one of more has its own.
    """
    step = max(STEP, (1 << (longest - 1).bit_length()) // 16)
    return 1 << (texts - 1).bit_length(), max(longest, min(-(-longest // step) * step, limit))


def padded(encoded: Encoded, pad_id: int, limit: int) -> dict[str, np.ndarray]:
    """Texts with a row each, in their order, of a padded_shape: what is behind them is padding.

    Returns:
        {"input_ids", "attention_mask" (1 on tokens, 0 on padding)}, both int32 [rows, places].
    """
    lengths = encoded.lengths
    return filled(encoded, pad_id, *padded_shape(len(lengths), int(lengths.max()), limit))


def filled(encoded: Encoded, pad_id: int, rows: int, places: int) -> dict[str, np.ndarray]:
    """The same of any shape that has room for the texts."""
    lengths, mask = encoded.lengths, np.zeros((rows, places), np.int32)
    mask[: len(lengths)] = np.arange(places) < lengths[:, None]
    ids = np.full_like(mask, pad_id)
    ids[mask > 0] = encoded.ids
    return {"input_ids": ids, "attention_mask": mask}


def only(encoded: Encoded, plan: Plan, pad_id: int) -> dict[str, tf.Tensor]:
    """The batch of a plan that has one, as `dataset` without labels would yield it."""
    import tensorflow as tf

    arrays = packed(encoded, plan, pad_id)
    return {name: tf.constant(array.astype(np.int32)) for name, array in arrays.items() if name != "texts"}


def dataset(
    encoded: Encoded,
    plan: Plan,
    *,
    pad_id: int,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    of_all: bool = False,
    start: int = 0,
    stop: int | None = None,
    replicas: int = 1,
    shares: Sequence[int] = (0,),
) -> tf.data.Dataset:
    """A tf.data pipeline over the batches of a plan.

    Args:
        encoded: the texts' ids.
        plan: made with multiple=replicas.
        pad_id: the id of padding.
        labels: int32 [n], or float32 [n, classes] probabilities, or None for prediction.
        weights: float32 [n], what each text counts; None: all the same.
        of_all: whether a mean over all batches is to be the mean over all texts, where they are measured, and not that
            over each batch the mean over its texts, where they are learned from.
        start, stop: the first batch and the one after the last: where a resumed run goes on.
        replicas: into how many equal shares each batch is cut, one element each.
        shares: the numbers of the shares that this pipeline yields, in turn.

    Returns:
        A tf.data.Dataset of {"input_ids", "segments", "positions": int32 [rows, length], "firsts": int32 [rows,
        slots_per_row]}; with labels, of (those, the labels of its slots [rows, slots_per_row, …], float32 [rows,
        slots_per_row] weights). The weights of empty slots are 0, the others are the texts' own times "scale", float32
        [], another feature then, which makes the mean over the batch the mean over its texts.
    """
    import tensorflow as tf

    elements = _elements(encoded, plan, pad_id, start, stop, replicas, shares, of_all)
    with tf.device("/CPU:0"):  # where tf.data works: a GPU would have them for nothing
        data = tf.data.Dataset.from_tensor_slices(elements)
    return _labelled(data, labels, weights)


def passes(
    encoded: Encoded,
    plan: Callable[[int], Plan],
    *,
    numbers: range,
    pad_id: int,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    rows: int | None = None,
    replicas: int = 1,
    shares: Sequence[int] = (0,),
) -> tf.data.Dataset:
    """A tf.data pipeline over the batches of several passes, one after the other, of which AT_ONCE batches and those
    after them are in memory.

    Args:
        encoded: the texts' ids.
        plan: makes the plan of a pass from its number, each of as many batches.
        numbers: of the passes.
        pad_id, labels, weights, replicas, shares: as in `dataset`.
        rows: of every batch; None where those of a given number of texts may have more in one pass than in another, and
            a few shapes do no harm.
    """
    import tensorflow as tf

    first = plan(numbers[0])

    def made() -> Iterator[Any]:
        for number in numbers:
            here = first if number == numbers[0] else plan(number)
            here = dataclasses.replace(here, rows=rows or max(first.rows, here.rows))  # so that few shapes occur
            for start in range(0, len(here), AT_ONCE):
                yield _elements(encoded, here, pad_id, start, min(start + AT_ONCE, len(here)), replicas, shares)

    def spec(array: np.ndarray) -> tf.TensorSpec:
        inner = array.shape[1:] if array.ndim == 1 else (rows and rows // replicas, *array.shape[2:])
        return tf.TensorSpec([None, *inner], array.dtype)

    elements = _elements(encoded, first, pad_id, 0, min(1, len(first)), replicas, shares)
    with tf.device("/CPU:0"):
        data = tf.data.Dataset.from_generator(made, output_signature=tf.nest.map_structure(spec, elements))
        data = data.prefetch(1).unbatch()
    return _labelled(data, labels, weights)


def _elements(
    encoded: Encoded,
    plan: Plan,
    pad_id: int,
    start: int,
    stop: int | None,
    replicas: int,
    shares: Sequence[int],
    of_all: bool = False,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Batches `start` to `stop` of a plan, a share of a batch an element of each array: its features, the numbers of
    its texts, and what makes a mean over its slots the mean that is wanted.
    """
    arrays = packed(encoded, plan, pad_id, start, stop)
    rows = plan.rows // replicas
    # [batches * replicas, rows, …]
    arrays = {name: array.reshape(-1, rows, array.shape[-1]) for name, array in arrays.items()}
    real = arrays.pop("texts")
    wanted = None if len(shares) == replicas else np.isin(np.arange(len(real)) % replicas, shares)
    counts = np.repeat((real.reshape(-1, replicas * rows * plan.slots_per_row) >= 0).sum(1), replicas)
    counts = np.full_like(counts, counts.mean(), np.float64) if of_all and len(counts) else counts
    scale = (replicas * rows * plan.slots_per_row / np.maximum(counts, 1)).astype(np.float32)
    if wanted is not None:
        arrays, real, scale = {name: array[wanted] for name, array in arrays.items()}, real[wanted], scale[wanted]
    return arrays, real, scale


def _labelled(data: tf.data.Dataset, labels: np.ndarray | None, weights: np.ndarray | None) -> tf.data.Dataset:
    """What `dataset` yields, of a dataset of the elements of `_elements`."""
    import tensorflow as tf

    with tf.device("/CPU:0"):
        known = None if labels is None else tf.constant(labels, tf.int32 if np.ndim(labels) == 1 else tf.float32)
        each = None if weights is None else tf.constant(weights, tf.float32)

    def element(features: dict[str, tf.Tensor], texts: tf.Tensor, scale: tf.Tensor) -> Any:
        features = {name: tf.cast(value, tf.int32) for name, value in features.items()}
        if known is None:
            return features
        some, real = tf.maximum(texts, 0), tf.cast(texts >= 0, tf.float32) * scale
        weights = real if each is None else real * tf.gather(each, some)
        return {**features, "scale": scale}, tf.gather(known, some), weights

    return untuned(data.map(element, num_parallel_calls=2, deterministic=True).prefetch(4))


def shared(
    strategy: tf.distribute.Strategy, encoded: Encoded, plan: Plan | Callable[[int], Plan], **options: Any
) -> tf.data.Dataset:
    """The batches of `dataset`, or with a function that makes plans of `passes`, a share of each for each device of a
    strategy; plans have multiple=its replicas.
    """
    replicas = strategy.num_replicas_in_sync
    make: Callable[..., tf.data.Dataset] = passes if callable(plan) else dataset
    if replicas == 1:
        return make(encoded, plan, **options)

    def shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here
        return make(encoded, plan, replicas=replicas, shares=range(first, first + here), **options)

    return strategy.distribute_datasets_from_function(shares)


def untuned(data: tf.data.Dataset) -> tf.data.Dataset:
    """The tf.data.Dataset without autotuning, for one whose every number is given.

    The thread that tunes sleeps for up to a minute, and now and then the end of an iterator waits for it.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def _pack(lengths: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Best fit decreasing: each text, the longest first, goes into the fullest row that has room for it.

    It goes by how many texts there are of each length and by kinds of rows, so it takes a moment for millions of texts.
    Texts of one length stand in the order that they come in, in rows that come in any order.

    Returns:
        int64 [n] rows, int64 [n] offsets in them, int64 [n] numbers in them, and how many rows there are.
    """
    counts = np.bincount(lengths, minlength=1)
    # by the room that is left: {lengths in the row: rows}
    kinds: list[dict[tuple[int, ...], int]] = [{} for _ in range(length + 1)]
    for size in range(len(counts) - 1, 0, -1):
        todo = int(counts[size])
        for room in range(size, length + 1):
            if not todo:
                break
            for kind in list(kinds[room]):
                times = min(room // size, MOST - len(kind))
                if not times or not todo:
                    continue
                available = kinds[room].pop(kind)
                full, remainder = divmod(todo, times)
                used = min(available, full)
                todo -= used * times
                _add(kinds[room - times * size], kind + (size,) * times, used)
                if available > used and full == used and remainder:  # the last one takes what is left
                    todo -= remainder
                    _add(kinds[room - remainder * size], kind + (size,) * remainder, 1)
                    used += 1
                _add(kinds[room], kind, available - used)
        times = min(length // size, MOST)
        full, remainder = divmod(todo, times)
        _add(kinds[length - times * size], (size,) * times, full)
        _add(kinds[length - remainder * size], (size,) * remainder, 1 if remainder else 0)
    # every place of every row, and then texts and places in the order of their lengths
    where, count = [], 0
    for kind, rows in ((kind, rows) for by_room in kinds for kind, rows in by_room.items()):
        places = np.concatenate([[0], np.cumsum(kind)[:-1]])
        numbers = np.repeat(np.arange(count, count + rows), len(kind))
        columns = np.tile(kind, rows), numbers, np.tile(places, rows), np.tile(np.arange(len(kind)), rows)
        where.append(np.stack(columns))
        count += rows
    sizes, row, offset, position = np.concatenate(where, 1) if where else np.zeros((4, 0), np.int64)
    by_length = np.argsort(sizes, kind="stable")
    out = np.empty((3, len(lengths)), np.int64)
    out[:, np.argsort(lengths, kind="stable")] = np.stack([row, offset, position])[:, by_length]
    return out[0], out[1], out[2], count


def _add(kinds: dict[tuple[int, ...], int], kind: tuple[int, ...], rows: int) -> None:
    if rows:
        kinds[kind] = kinds.get(kind, 0) + rows
