"""probing.learning.batches: what a batch holds, and the few shapes that batches have."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probing.learning import batches
from probing.learning.batches import Batches, bucket


def test_a_batch_holds_what_its_spans_read(corpus, encoder):
    task, parts, store = corpus
    part, records = parts["train"], np.array([2, 5, 11])
    (batch,) = Batches(store, part, [1, 3]).dataset(lambda number: records, 0, 1)
    targets = np.concatenate([np.arange(part.splits[r], part.splits[r + 1]) for r in records])
    n = len(targets)
    assert len(batch["weights"]) == bucket(n) + 1
    np.testing.assert_array_equal(batch["weights"].numpy(), np.arange(len(batch["weights"])) < n)
    np.testing.assert_array_equal(batch["gold"].numpy()[:n], part.gold(targets))
    for number, span in enumerate([part.span1, part.span2][: task.spans], 1):
        rows, segments = batch["rows%d" % number].numpy(), batch["segments%d" % number].numpy()
        assert (np.diff(segments) >= 0).all()
        for i, target in enumerate(targets):
            ids = part.payloads[part.sentence[part.record[target]]]
            states = encoder.encode([ids])[0]
            for place, layer in enumerate((1, 3)):
                read = batch["states"][0][place].numpy()[rows[segments == i]]
                np.testing.assert_allclose(read, states[layer][slice(*span[target])], atol=4e-3)
        assert (segments[segments >= n] == len(batch["weights"]) - 1).all()


def test_in_order_every_target_comes_once_or_those_of_the_first_records(corpus, monkeypatch):
    monkeypatch.setattr(batches, "PREDICT", 8)
    task, parts, store = corpus
    part, of = parts["dev"], Batches(store, parts["dev"], [1])
    for limit, records, count in ((0, 20, 3), (16, 16, 2), (13, 13, 2), (99, 20, 3)):
        found = list(of.in_order(limit))
        assert len(found) == count
        np.testing.assert_array_equal(np.concatenate([targets for targets, _ in found]), range(part.splits[records]))
        for targets, batch in found:
            np.testing.assert_array_equal(batch["gold"].numpy()[batch["weights"].numpy() > 0], part.gold(targets))


@given(st.integers(0, 100_000))
def test_buckets(n):
    size = bucket(n)
    assert max(n, 1) <= size <= max(n + 32, 1.15 * n + 1)
    assert bucket(size) == size


def test_there_are_few_buckets():
    assert len({bucket(n) for n in range(1, 4097)}) < 70


def test_static_batches_have_at_least_the_size_of_others(corpus):
    """So a compiler makes one program for parts of the data and for all of it."""
    _, parts, store = corpus
    every = Batches(store, parts["train"], [1], static=True).sizes(lambda number: np.arange(60), 1)

    def choose(number):
        return np.arange(3 * number, 3 * number + 3)

    few = Batches(store, parts["train"], [1], static=True, least=every)
    assert few.sizes(choose, 4) == every
    shapes = {batch["states"][0].shape[1] for batch in few.dataset(choose, 0, 4)}
    assert shapes == {every.rows}
    less = Batches(store, parts["train"], [1], static=True).sizes(choose, 4)
    assert less.rows < every.rows
    more = Batches(store, parts["train"], [1], static=True, least=less).sizes(lambda number: np.arange(60), 1)
    assert more == every


def test_static_batches_have_one_shape_wherever_a_run_goes_on(corpus):
    """And hold the same as others do."""
    task, parts, store = corpus

    def choose(number):
        return np.random.default_rng(number).permutation(60)[: 8 if number < 6 else 5]

    def all_of(static, start=0):
        return list(Batches(store, parts["train"], [1, 3], static=static).dataset(choose, start, 7))

    static, plain = all_of(True), all_of(False)
    shapes = [{key: tuple(value.shape) for key, value in batch.items() if key != "states"} for batch in static]
    assert all(shape == shapes[0] for shape in shapes)
    assert {batch["states"][0].shape for batch in all_of(True, start=4)} == {
        batch["states"][0].shape for batch in static
    }
    for one, other in zip(static, plain, strict=True):
        n = int(other["weights"].numpy().sum())
        assert int(one["weights"].numpy().sum()) == n
        np.testing.assert_array_equal(one["gold"].numpy()[:n], other["gold"].numpy()[:n])
        for number in range(1, task.spans + 1):
            for batch in (one, other):  # which states each target's span reads
                rows, segments = batch["rows%d" % number].numpy(), batch["segments%d" % number].numpy()
                batch["read"] = [batch["states"][0].numpy()[:, rows[segments == i]] for i in range(n)]
            for a, b in zip(one["read"], other["read"], strict=True):
                np.testing.assert_array_equal(a, b)
