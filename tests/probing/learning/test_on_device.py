"""probing.learning.on_device: the same states as from the store, and the same probes, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing import activations
from probing.learning import fit, on_device
from probing.learning.batches import Batches
from probing.learning.on_device import OnDevice
from probing.learning.schedule import ProbeKey
from tests.probing.learning.conftest import SCHEDULE


@pytest.fixture(scope="module")
def there(corpus):
    """Its states on the device, those of three layers."""
    _, parts, states = corpus
    return OnDevice(states, list(parts.values()), [0, 1, 3])


@given(st.data())
def test_takes_what_the_store_reads(corpus, there, data):
    _, parts, states = corpus
    part = parts[data.draw(st.sampled_from(sorted(parts)))]
    pieces = []
    for number in data.draw(st.lists(st.integers(0, len(part.payloads) - 1), min_size=1, max_size=6)):
        first = data.draw(st.integers(0, len(part.payloads[number]) - 1))
        pieces.append([number, first, data.draw(st.integers(first + 1, len(part.payloads[number])))])
    pieces, layers = np.array(pieces), data.draw(st.sampled_from([[0], [1, 3], [0, 1, 3]]))
    rows = data.draw(st.integers(0, 60))
    taken = there.take(there.numbers(part, pieces, rows), layers)
    read = states.read(part, pieces, layers, rows)
    assert len(taken) == len(read)
    for one, other in zip(taken, read, strict=True):
        # Recompute encodes other sentences beside: another rounding to float16
        np.testing.assert_allclose(one.numpy().astype(np.float32), other.astype(np.float32), atol=4e-3)
        total = int((pieces[:, 2] - pieces[:, 1]).sum())
        assert one.shape[1] == max(rows, total) and not one.numpy()[:, total:].any()


def test_each_sentence_is_there_once(corpus, there):
    _, parts, _ = corpus
    lengths = {key: len(payload) for part in parts.values() for key, payload in zip(part.keys, part.payloads)}
    assert there.positions == sum(lengths.values())


def test_pieces_of_many_sentences_are_copied_one_after_the_other(corpus, there, monkeypatch):
    _, parts, states = corpus
    monkeypatch.setattr(on_device, "AT_ONCE", 2000)
    other, part = OnDevice(states, list(parts.values()), [0, 1, 3]), parts["dev"]
    pieces = np.array([[number, 0, len(payload)] for number, payload in enumerate(part.payloads)])
    for one, two in zip(there.take(there.numbers(part, pieces), [3]), other.take(other.numbers(part, pieces), [3])):
        np.testing.assert_allclose(one.numpy(), two.numpy(), atol=4e-3)


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


def test_probes_learn_the_same_from_it(corpus, encoder, tmp_path):
    task, parts, _ = corpus
    keys, stored = [ProbeKey("cat", 1), ProbeKey("mix", 2)], Stored(encoder)
    weights, results = [], []
    for name in ("read", "there"):
        held = None
        if name == "there":
            held = OnDevice(stored, list(parts.values()), fit.layers_of(keys, encoder))
        probes = fit.Probes(keys, task, encoder, 3, SCHEDULE, on_device=held)
        batches = [Batches(stored, parts[split], probes.layers, on_device=held) for split in ("train", "dev")]
        results.append(fit.train(probes, *batches, SCHEDULE, tmp_path / name, identity={})[0])
        weights.append([variable.numpy() for _, variable in probes.variables()])
    assert results[0] == results[1]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_whether_states_fit(corpus, encoder, monkeypatch):
    _, parts, _ = corpus
    lines, positions = [], sum(map(len, parts["train"].payloads))
    for most, expected in ((10**9, True), (0, False)):
        monkeypatch.setattr(on_device, "WITHOUT_GPU", most)
        assert on_device.fit(encoder, [parts["train"]], [0, 3], lines.append) is expected
    assert "kept in the device's memory" in lines[0] and "no room; read batch by batch" in lines[1]
    assert activations.size(2 * 2 * 16 * positions) in lines[0]
