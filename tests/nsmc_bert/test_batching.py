"""nsmc_bert.batching: every row once, one length a batch, within the budget, in an order that the seed decides."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert import batching


@dataclasses.dataclass
class Encoded:
    """The two fields of tokenizers.Encoded that batching reads."""

    ids: np.ndarray
    row_splits: np.ndarray


def encoded(*rows):
    return Encoded(
        np.array([token for row in rows for token in row], np.int32),
        np.cumsum([0] + [len(row) for row in rows]).astype(np.int64),
    )


def batches(plan):
    return [plan.rows[a:b].tolist() for a, b in zip(plan.splits, plan.splits[1:])]


def test_by_hand():
    # budget 24: three rows of 8 or two of 12. Rows 1, 2, 3 fill a batch of 8; 4 moves on to the batch of 12
    plan = batching.plan([11, 5, 8, 2, 7], 24)
    assert batches(plan) == [[2, 0], [3, 1, 4]]
    assert plan.lengths.tolist() == [12, 8]
    assert plan.tokens == 2 * 12 + 3 * 8


def test_what_is_left_over_moves_on_to_the_longer_batches():
    plan = batching.plan([4] * 5 + [9] * 3, 24)
    # three of the five short rows fill a batch; the other two make up the next with rows of ten, two a batch
    assert sorted(map(len, batches(plan))) == [1, 2, 2, 3]
    assert sorted(plan.lengths.tolist()) == [8, 10, 10, 10]


def test_static_plans_have_one_shape_a_length_and_replicas_share_evenly():
    plan = batching.plan([4] * 4 + [30], 64, static=True)
    shapes = {(length, len(rows)) for length, rows in zip(plan.lengths, batches(plan))}
    assert shapes == {(32, 2)} | ({(8, 8)} & shapes)
    for rows in batches(batching.plan([4] * 7, 24, multiple=2)):
        assert len(rows) % 2 == 0


def test_max_rows():
    assert list(map(len, batches(batching.plan([5] * 7, 10_000, max_rows=3)))) == [1, 3, 3]


def test_too_long_a_row_is_refused():
    with pytest.raises(ValueError, match="513 tokens"):
        batching.plan([3, 513], 1024)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 512), max_size=80),
    st.integers(8, 2000),
    st.one_of(st.none(), st.integers(0, 9)),
    st.integers(1, 3),
    st.booleans(),
)
def test_every_row_once_within_the_budget(lengths, budget, seed, multiple, static):
    plan = batching.plan(lengths, budget, seed=seed, multiple=multiple, static=static)
    assert sorted(plan.rows[plan.rows >= 0].tolist()) == list(range(len(lengths)))
    for rows, length in zip(batches(plan), plan.lengths):
        assert len(rows) % multiple == 0
        assert len(rows) * length <= budget or len(rows) == multiple
        assert all(lengths[row] <= length for row in rows if row >= 0)
        assert any(row >= 0 for row in rows)


def test_order_is_the_seeds_and_the_epochs():
    lengths = np.random.default_rng(0).integers(3, 60, 500)
    first = batching.plan(lengths, 256, seed=1)
    again = batching.plan(lengths, 256, seed=1)
    np.testing.assert_array_equal(first.rows, again.rows)
    for other in (batching.plan(lengths, 256, seed=2), batching.plan(lengths, 256, seed=1, epoch=1)):
        assert len(other) == len(first)
        assert (other.rows != first.rows).mean() > 0.5
    # shuffled by batches too: a sorted order would be a curriculum
    assert (np.diff(first.lengths) > 0).any() and (np.diff(first.lengths) < 0).any()


def test_plans_add_up():
    one, other = batching.plan([3, 4], 16, seed=0), batching.plan([5], 16, seed=0)
    assert batches(one + other) == batches(one) + batches(other)


def test_dataset_pads_masks_and_weighs():
    data = encoded([2, 9, 3], [2, 3], [2, 8, 8, 8, 3])
    plan = batching.Plan(np.array([2, 1, -1, 0, 1, 2]), np.array([0, 4, 6]), np.array([8, 6], np.int32))
    (features, labels, weights), second = batching.dataset(data, plan, pad_id=1, labels=[0, 1, 1])
    np.testing.assert_array_equal(
        features["input_ids"],
        [[2, 8, 8, 8, 3, 1, 1, 1], [2, 3] + [1] * 6, [1] * 8, [2, 9, 3] + [1] * 5],
    )
    np.testing.assert_array_equal(features["attention_mask"].numpy().sum(1), [5, 2, 0, 3])
    np.testing.assert_array_equal(labels.numpy()[[0, 1, 3]], [1, 1, 0])
    # four rows, three of them real: the mean of weighted losses is the mean over the three
    np.testing.assert_allclose(weights, [4 / 3, 4 / 3, 0, 4 / 3])
    np.testing.assert_allclose(second[2], [1, 1])


def test_dataset_can_start_anywhere_and_be_shared():
    random = np.random.default_rng(0)
    rows = [random.integers(5, 30, n).tolist() for n in random.integers(1, 40, 57)]
    data, plan = encoded(*rows), batching.plan([len(row) for row in rows], 128, seed=4, multiple=2)
    labels = np.arange(57)
    whole = list(batching.dataset(data, plan, pad_id=0, labels=labels))
    assert len(whole) == len(plan) > 6
    part = list(batching.dataset(data, plan, pad_id=0, labels=labels, start=2, stop=5))
    for expected, actual in zip(whole[2:5], part, strict=True):
        np.testing.assert_array_equal(expected[0]["input_ids"], actual[0]["input_ids"])
    halves = [
        list(batching.dataset(data, plan, pad_id=0, labels=labels, replicas=2, shares=[share])) for share in (0, 1)
    ]
    both = list(batching.dataset(data, plan, pad_id=0, labels=labels, replicas=2, shares=[0, 1]))
    for i, expected in enumerate(whole):
        for k in range(2):
            np.testing.assert_array_equal(both[2 * i + k][1], halves[k][i][1])
        for field in (1, 2):
            joined = np.concatenate([halves[0][i][field], halves[1][i][field]])
            np.testing.assert_array_equal(joined, expected[field])


def test_few_tokens_are_wasted_on_nsmc(data_dir):
    from nsmc_bert import corpus, tokenizers

    texts = corpus.read(data_dir / "nsmc" / "ratings_train.txt").texts
    lengths = tokenizers.bundled().encode(texts, 128).lengths
    assert batching.plan(lengths, 3072, seed=0).tokens <= 1.2 * lengths.sum()
