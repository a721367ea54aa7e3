"""nsmc_bert.model.packing: every text once, whole, beside others in rows of one shape, in an order that the seed
decides.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.model import packing


@dataclasses.dataclass
class Encoded:
    """The fields of tokenizers.Encoded that packing reads."""

    ids: np.ndarray
    row_splits: np.ndarray

    @property
    def lengths(self):
        return np.diff(self.row_splits)


def encoded(*texts):
    return Encoded(
        np.array([token for text in texts for token in text], np.int32),
        np.cumsum([0] + [len(text) for text in texts]).astype(np.int64),
    )


def batches(plan):
    """Per batch a list of (text, place, slot)."""
    all_of = list(zip(plan.texts.tolist(), plan.places.tolist(), plan.slots.tolist()))
    return [all_of[a:b] for a, b in zip(plan.splits, plan.splits[1:])]


def test_by_hand():
    # 100 and 28 fill a row, 64 and 60 one but for four places, 70 is left: three rows, two a batch
    plan = packing.plan([60, 100, 70, 28, 64], 256)
    assert (plan.rows, plan.length, len(plan), plan.tokens) == (2, 128, 2, 2 * 2 * 128)
    rows = {}
    for number, batch in enumerate(batches(plan)):
        for text, place, slot in batch:
            rows.setdefault((number, place // 128), []).append((text, place % 128, slot % packing.MOST))
    assert sorted(rows.values()) == [[(1, 0, 0), (3, 100, 1)], [(2, 0, 0)], [(4, 0, 0), (0, 64, 1)]]


def test_a_row_has_room_for_so_many_texts():
    plan = packing.plan([2] * 33, 1024)
    assert plan.rows == 3  # 16 and 16 and one
    assert np.bincount(plan.slots // packing.MOST).tolist() == [16, 16, 1]


@pytest.mark.parametrize(("longest", "length"), [(3, 128), (128, 128), (129, 256), (512, 512), (700, 768)])
def test_rows_are_as_long_as_the_longest_text_needs(longest, length):
    assert packing.plan([3, longest], 1024).length == length


def test_from_many_batches_on_the_shape_is_the_budgets():
    plans = [packing.plan([100] * count, 512) for count in (28, 29, 60, 61)]
    assert [(plan.rows, len(plan)) for plan in plans] == [(4, 7), (4, 8), (4, 15), (4, 16)]
    assert [(plan.rows, len(plan)) for plan in (packing.plan([100] * count, 1024) for count in (9, 3, 1))] == [
        (5, 2),
        (3, 1),
        (1, 1),
    ]


def test_no_text_makes_no_batch():
    assert len(packing.plan([], 512)) == len(packing.plan([], 512, batch_size=3)) == 0


@pytest.mark.parametrize("lengths", [[0, 3], [3, 32769]])
def test_what_cannot_be_a_text_is_refused(lengths):
    with pytest.raises(ValueError, match="expected 1 to 32768"):
        packing.plan(lengths, 1024)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 512), max_size=80),
    st.integers(8, 4000),
    st.one_of(st.none(), st.integers(1, 20)),
    st.one_of(st.none(), st.integers(0, 9)),
    st.integers(1, 3),
)
def test_every_text_once_and_whole(lengths, budget, batch_size, seed, multiple):
    plan = packing.plan(lengths, budget, batch_size=batch_size, seed=seed, multiple=multiple)
    assert sorted(plan.texts.tolist()) == list(range(len(lengths)))
    assert plan.rows % multiple == 0
    assert batch_size or plan.rows * plan.length <= budget or plan.rows == multiple
    for batch in batches(plan):
        taken = np.zeros(plan.rows * plan.length, int)
        assert batch and (batch_size is None or len(batch) <= batch_size)
        for text, place, slot in batch:
            taken[place : place + lengths[text]] += 1
            assert place // plan.length == (place + lengths[text] - 1) // plan.length == slot // plan.slots_per_row
        assert taken.max() == 1 and len(taken) == plan.rows * plan.length
        assert len({slot for _, _, slot in batch}) == len(batch)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 128), min_size=1, max_size=200))
def test_best_fit_decreasing(lengths):
    """As many rows as when texts are taken one by one, the longest first, each into the fullest row with room."""
    rows = []
    for length in sorted(lengths, reverse=True):
        fits = [row for row in rows if sum(row) + length <= 128 and len(row) < packing.MOST]
        if fits:
            max(fits, key=sum).append(length)
        else:
            rows.append([length])
    found = packing.plan(lengths, 10**9)
    # ties may fall otherwise
    assert abs(found.rows - len(rows)) <= 1


def test_order_is_the_seeds_and_the_epochs():
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    first, again = packing.plan(lengths, 256, seed=1), packing.plan(lengths, 256, seed=1)
    for field in ("texts", "places", "slots", "splits"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
    for other in (packing.plan(lengths, 256, seed=2), packing.plan(lengths, 256, seed=1, epoch=1)):
        assert (len(other), other.rows) == (len(first), first.rows)
        neighbours = [
            {frozenset((a[0], b[0])) for batch in batches(plan) for a, b in zip(batch, batch[1:])}
            for plan in (first, other)
        ]
        assert len(neighbours[0] & neighbours[1]) < 0.2 * len(neighbours[0])


@pytest.mark.parametrize(
    ("tokens", "kind", "budget"),
    [
        (2_700_000, "CPU", 3072),
        (2_700_000, "GPU", 16384),
        (2_700_000, "TPU", 16384),
        (8_000, "CPU", 256),
        (8_000, "GPU", 256),
        (40_000, "GPU", 1000),
    ],
)
def test_batches_go_by_the_hardware_and_the_data(tokens, kind, budget):
    assert packing.training_budget(tokens, kind) == budget


@pytest.mark.parametrize(("batch_size", "replicas"), [(None, 1), (5, 1), (None, 2)])
def test_passes_are_made_one_after_the_other(batch_size, replicas, monkeypatch):
    """What each pass' own dataset yields, and no pass is planned long before it is asked for."""
    monkeypatch.setattr(packing, "AT_ONCE", 2)
    random, planned = np.random.default_rng(0), []
    some = encoded(*(list(random.integers(5, 9, length)) for length in random.integers(1, 90, 61)))
    labels, weights = np.arange(61, dtype=np.int32) % 2, random.uniform(size=61).astype(np.float32)
    options = {"pad_id": 0, "labels": labels, "weights": weights, "replicas": replicas, "shares": range(replicas)}

    def plan(number):
        planned.append(number)
        return packing.plan(some.lengths, 512, batch_size=batch_size, seed=3, epoch=number, multiple=replicas)

    plans = [plan(number) for number in range(4, 7)]
    rows = max(each.rows for each in plans)
    assert (len({each.rows for each in plans}) > 1) == (batch_size is not None)
    planned.clear()
    data = packing.passes(some, plan, numbers=range(4, 7), rows=None if batch_size else rows, **options)
    found = iter(data)
    next(found)
    assert planned[0] == 4 and 6 not in planned
    found = list(data)
    expected = [element for each in plans for element in packing.dataset(some, each, **options)]
    assert len(found) == len(expected) == 3 * len(plans[0]) * replicas
    for (features, *others), (wanted, *wanted_others) in zip(found, expected):
        real = wanted_others[1].shape[0]
        assert features["input_ids"].shape[0] >= real
        np.testing.assert_allclose(features.pop("scale") * real, wanted.pop("scale") * features["input_ids"].shape[0])
        for name, value in wanted.items():
            np.testing.assert_array_equal(features[name][:real], value)
        np.testing.assert_array_equal(others[0][:real][wanted_others[1] > 0], wanted_others[0][wanted_others[1] > 0])
        np.testing.assert_allclose(np.mean(others[1]), np.mean(wanted_others[1]), rtol=1e-5)


def test_dataset_by_hand():
    data = encoded([2, 9, 3], [2, 3], [2, 8, 8, 8, 3])
    plan = packing.Plan(
        texts=np.array([2, 1, 0]),
        places=np.array([0, 5, 8]),
        slots=np.array([0, 1, 2]),
        splits=np.array([0, 2, 3]),
        rows=2,
        length=8,
        slots_per_row=2,
    )
    (features, labels, weights), second = packing.dataset(data, plan, pad_id=1, labels=[0, 1, 1])
    np.testing.assert_array_equal(features["input_ids"], [[2, 8, 8, 8, 3, 2, 3, 1], [1] * 8])
    np.testing.assert_array_equal(features["segments"], [[1, 1, 1, 1, 1, 2, 2, 0], [0] * 8])
    np.testing.assert_array_equal(features["positions"], [[0, 1, 2, 3, 4, 0, 1, 0], [0] * 8])
    np.testing.assert_array_equal(features["firsts"], [[0, 5], [0, 0]])
    np.testing.assert_array_equal(labels.numpy()[0], [1, 1])
    # four slots, two of them taken: the mean of weighted losses is the mean over the two
    np.testing.assert_allclose(weights, [[2, 2], [0, 0]])
    np.testing.assert_array_equal(second[0]["input_ids"], [[1] * 8, [2, 9, 3, 1, 1, 1, 1, 1]])
    np.testing.assert_allclose(second[2], [[0, 0], [4, 0]])
    assert (features.pop("scale"), second[0].pop("scale")) == (2.0, 4.0)
    assert {value.dtype for value in features.values()} == {tf.int32}
    # measured, eight slots in two batches, three of them taken: the mean over all is the mean over the three, times
    # their weights
    measured = packing.dataset(data, plan, pad_id=1, labels=[0, 1, 1], weights=[3, 0.5, 1], of_all=True)
    np.testing.assert_allclose(
        [weights for _, _, weights in measured], np.array([[[1, 0.5], [0, 0]], [[0, 0], [3, 0]]]) * 8 / 3, rtol=1e-6
    )


@pytest.mark.parametrize("texts", [0, 1, 5, 700])
def test_packed_ahead_the_batches_are_the_same(texts, monkeypatch):
    monkeypatch.setattr(packing, "AT_ONCE", 3)
    random = np.random.default_rng(texts)
    data = encoded(*(random.integers(2, 99, random.integers(2, 60)).tolist() for _ in range(texts)))
    plan = packing.plan(data.lengths, 512, seed=1)
    ahead = packing.ahead(data, plan, 1)
    assert len(ahead) == len(plan) and ahead.tokens == plan.tokens
    for start, stop in ((0, None), (0, len(plan) // 2), (len(plan) // 2, len(plan))):
        expected = packing.packed(data, plan, 1, start, stop)
        found = packing.packed(data, ahead, 1, start, stop)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)


def test_the_only_batch_is_the_datasets():
    texts = encoded([2, 7, 3], [2, 3], [2, 8, 9, 3])
    plan = packing.plan(texts.lengths, 256)
    (expected,) = packing.dataset(texts, plan, pad_id=0)
    found = packing.only(texts, plan, 0)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype == tf.int32
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    "texts, longest, limit, shape",
    [
        (1, 3, 128, (1, 8)),
        (1, 8, 128, (1, 8)),
        (3, 20, 128, (4, 24)),
        (16, 9, 128, (16, 16)),
        (1, 129, 512, (1, 144)),
        (1, 300, 512, (1, 320)),
        (1, 509, 510, (1, 510)),
        (1, 13, 14, (1, 14)),
        (2, 40, 14, (2, 40)),
    ],
)
def test_shapes_of_texts_alone_are_rounded_up(texts, longest, limit, shape):
    assert packing.padded_shape(texts, longest, limit) == shape


def test_texts_alone_by_hand():
    texts = packing.padded(encoded([2, 7, 3], [2, 3], [2, 8, 9, 3]), 1, limit=6)
    np.testing.assert_array_equal(
        texts["input_ids"], [[2, 7, 3, 1, 1, 1], [2, 3, 1, 1, 1, 1], [2, 8, 9, 3, 1, 1], [1, 1, 1, 1, 1, 1]]
    )
    np.testing.assert_array_equal(
        texts["attention_mask"], [[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
    )
    assert all(array.dtype == np.int32 for array in texts.values())


def test_dataset_can_start_anywhere_and_be_shared():
    random = np.random.default_rng(0)
    data = encoded(*(random.integers(5, 30, n).tolist() for n in random.integers(1, 100, 57)))
    plan, labels = packing.plan(data.lengths, 512, seed=4, multiple=2), np.arange(57)
    whole = list(packing.dataset(data, plan, pad_id=0, labels=labels))
    assert len(whole) == len(plan) > 4
    part = list(packing.dataset(data, plan, pad_id=0, labels=labels, start=2, stop=5))
    for expected, actual in zip(whole[2:5], part, strict=True):
        for name, value in expected[0].items():
            np.testing.assert_array_equal(value, actual[0][name])
    halves = [
        list(packing.dataset(data, plan, pad_id=0, labels=labels, replicas=2, shares=[share])) for share in (0, 1)
    ]
    both = list(packing.dataset(data, plan, pad_id=0, labels=labels, replicas=2, shares=[0, 1]))
    for i, expected in enumerate(whole):
        for k in range(2):
            np.testing.assert_array_equal(both[2 * i + k][1], halves[k][i][1])
        for field in (1, 2):
            joined = np.concatenate([halves[0][i][field], halves[1][i][field]])
            np.testing.assert_array_equal(joined, expected[field])


@pytest.mark.corpora
def test_next_to_nothing_is_wasted_on_nsmc(data_dir):
    from nsmc_bert.data import reviews
    from nsmc_bert.model import tokenizers

    texts = reviews.read(data_dir / "nsmc" / "ratings_train.txt").texts
    lengths = tokenizers.bundled().encode(texts, 128).lengths
    assert packing.plan(lengths, 3072, seed=0).tokens <= 1.02 * lengths.sum()
