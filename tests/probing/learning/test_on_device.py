"""probing.learning.on_device: the same states as from the store, and the same probes, bit for bit."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from probing import activations
from probing.learning import fit, on_device
from probing.learning.batches import Batches
from probing.learning.on_device import where_it_fits
from probing.learning.schedule import ProbeKey
from tests.probing.learning.conftest import SCHEDULE


class Stored:
    """A store whose states are the same whatever is read beside."""

    def __init__(self, encoder):
        self.encoder = encoder

    def read(self, examples, pieces, layers, rows=0):
        states = [self.encoder.encode([examples.payloads[number]])[0] for number in pieces[:, 0]]
        out = []
        for layer in layers:
            parts = [state[layer][first:last] for state, (first, last) in zip(states, pieces[:, 1:])]
            joined = np.concatenate(parts)
            out.append(np.pad(joined, ((0, max(rows - len(joined), 0)), (0, 0))))
        return [np.stack(out)]


@pytest.fixture(scope="module")
def states(corpus, encoder):
    """The states of a corpus, and those of three layers on the device."""
    stored = Stored(encoder)
    return stored, where_it_fits(stored, list(corpus[1].values()), [0, 1, 3], lambda line: None)


@given(st.data())
def test_takes_what_the_store_reads(corpus, states, data):
    (_, parts, _), (stored, copied) = corpus, states
    part = parts[data.draw(st.sampled_from(sorted(parts)))]
    pieces = []
    for number in data.draw(st.lists(st.integers(0, len(part.payloads) - 1), min_size=1, max_size=6)):
        first = data.draw(st.integers(0, len(part.payloads[number]) - 1))
        pieces.append([number, first, data.draw(st.integers(first + 1, len(part.payloads[number])))])
    pieces, layers = np.array(pieces), data.draw(st.sampled_from([[0], [1, 3], [0, 1, 3]]))
    rows = data.draw(st.integers(0, 60))
    (taken,) = copied.take(copied.places.numbers(part, pieces, rows), layers)
    (read,) = stored.read(part, pieces, layers, rows)
    np.testing.assert_array_equal(taken.numpy(), read)


def test_each_sentence_is_there_once(corpus, states, encoder):
    _, parts, _ = corpus
    lengths = {key: len(payload) for part in parts.values() for key, payload in zip(part.keys, part.payloads)}
    assert states[1].places.positions == sum(lengths.values())
    again = where_it_fits(states[0], [parts["dev"], *parts.values()], [0], lambda line: None)
    assert again.places.positions == sum(lengths.values())


def test_many_sentences_are_copied_some_at_a_time(corpus, states, monkeypatch):
    _, parts, _ = corpus
    monkeypatch.setattr(on_device, "AT_ONCE", 2000)
    (stored, copied), part = states, parts["dev"]
    other = where_it_fits(stored, list(parts.values()), [0, 1, 3], lambda line: None)
    pieces = np.array([[number, 0, len(payload)] for number, payload in enumerate(part.payloads)])
    (one,), (two,) = (each.take(each.places.numbers(part, pieces), [1, 3]) for each in (copied, other))
    np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_probes_learn_the_same_from_it_and_it_goes_with_them(corpus, encoder, tmp_path):
    task, parts, _ = corpus
    if task.spans == 1:
        pytest.skip("two spans are the general case")
    keys, stored = [ProbeKey("cat", 1), ProbeKey("mix", 2)], Stored(encoder)
    weights, results = [], []
    for name in ("read", "copied"):
        copied = None
        if name == "copied":
            copied = where_it_fits(stored, list(parts.values()), fit.layers_of(keys, encoder), lambda line: None)
        probes = fit.Probes(keys, task, encoder, 3, SCHEDULE, on_device=copied)
        batches = [
            Batches(stored, parts[split], probes.layers, places=copied and copied.places) for split in ("train", "dev")
        ]
        results.append(fit.train(probes, *batches, SCHEDULE, tmp_path / name, identity={})[0])
        weights.append([variable.numpy() for _, variable in probes.variables()])
    assert results[0] == results[1]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    memory = weakref.ref(copied)
    del copied, probes, batches  # of a task that is done: another one's take their place
    gc.collect()
    assert memory() is None


def test_what_has_no_room_is_said_and_nothing_is_read(corpus, encoder, monkeypatch):
    _, parts, _ = corpus
    lines, positions = [], sum(map(len, dict(zip(parts["train"].keys, parts["train"].payloads)).values()))

    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    class Unread:
        def __init__(self):
            self.encoder = encoder

    for place, name, value in ((on_device, "WITHOUT_GPU", 0), (on_device, "MOST_NUMBERS", 10), (tf, "zeros", full)):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, value)
            assert where_it_fits(Unread(), [parts["train"]], [0, 3], lines.append) is None
        size = activations.size(2 * 2 * 16 * positions)
        assert (
            lines.pop()
            == f"activations: {size} that the probes read, for which the device has no room: read batch by batch"
        )


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        tf.errors.InternalError(None, None, "Failed copying input tensor to GPU:0: Dst tensor is not initialized."),
    ],
)
def test_what_has_no_room_for_its_encoding_or_copying_is_said(corpus, encoder, error):
    class Full(Stored):
        def read(self, *given):
            raise error

    lines = []
    assert where_it_fits(Full(encoder), list(corpus[1].values()), [0], lines.append) is None
    assert "kept in the device's memory" in lines[0] and "the device has no room" in lines[1]
