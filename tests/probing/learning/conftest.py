"""A tiny corpus over a tiny encoder, and a training on it."""

import numpy as np
import pytest

from probing import activations, alignment, encoders
from probing.learning import control, fit
from probing.learning.batches import Batches
from probing.learning.schedule import Schedule
from probing.tasks import TASKS

NAMES = ["A", "B", "C"]
SCHEDULE = Schedule(epochs=4, batch_records=8, learning_rate=5e-3, least_steps=1)


@pytest.fixture(scope="module")
def encoder(encoder_folder):
    return encoders.load(encoder_folder)


@pytest.fixture(scope="module", params=[1, 2])
def corpus(request, encoder, make_records):
    """(task, {split: Examples}, store)."""
    return make_corpus(encoder, make_records, request.param)


def make_corpus(encoder, make_records, spans):
    task = TASKS[["pos", "dep"][spans - 1]]
    parts = {
        split: alignment.align(make_records(count, spans, seed), encoder, task, NAMES)
        for seed, (split, count) in enumerate([("train", 60), ("dev", 20)])
    }
    return task, parts, activations.Recompute(encoder, lambda line: None)


def run(corpus, encoder, cells, path, schedule=SCHEDULE, **options):
    task, parts, store = corpus
    probes = fit.Probes(cells, task, encoder, 3, schedule)
    frequencies = np.bincount(parts["train"].labels, minlength=3)
    random = any(cell.control for cell in cells)
    batches = {
        split: Batches(store, part, probes.layers, control.control_labels(part, frequencies) if random else None)
        for split, part in parts.items()
    }
    results, _ = fit.train(probes, batches["train"], batches["dev"], schedule, path, identity={"a": 1}, **options)
    return probes, batches, results
