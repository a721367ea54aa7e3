"""probing.learning.control: labels that go by the words alone."""

import dataclasses

import numpy as np

from probing import alignment
from probing.learning import control
from probing.tasks import TASKS
from tests.probing.learning.conftest import NAMES


def test_control_labels_go_by_the_words_and_are_as_frequent(encoder, make_records):
    parts = [alignment.align(make_records(80, 1, seed), encoder, TASKS["pos"], NAMES) for seed in (0, 1)]
    frequencies = np.array([5, 3, 2])
    labels = [control.control_labels(part, frequencies) for part in parts]
    assert all((each.sum(1) == 1).all() for each in labels)
    of_type = {}
    for part, each in zip(parts, labels):
        for kind, label in zip(part.types, each.argmax(1)):
            assert of_type.setdefault(kind, label) == label
    shares = np.bincount(list(of_type.values())) / len(of_type)
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.06)
    many = dataclasses.replace(parts[0], types=np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 20_000))
    np.testing.assert_allclose(control.control_labels(many, frequencies).mean(0), [0.5, 0.3, 0.2], atol=0.012)
    # ten tenths add up to a bit less than 1, and the highest draw is no lower: it has the last label
    highest = dataclasses.replace(parts[0], types=np.array([-1]))
    assert control.control_labels(highest, np.full(10, 0.1)).tolist() == [[False] * 9 + [True]]
