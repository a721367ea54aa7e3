"""probing.fit: what a batch holds, schedules by hand, probes trained together as if alone, kills, the control task."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import Watchdog
from probing import activations, alignment, encoders
from probing.learning import fit
from probing.learning.fit import Cell, Schedule
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
    control = any(cell.control for cell in cells)
    batches = {
        split: fit.Batches(store, part, probes.layers, fit.control_labels(part, frequencies) if control else None)
        for split, part in parts.items()
    }
    results = fit.train(probes, batches["train"], batches["dev"], schedule, path, identity={"a": 1}, **options)
    return probes, batches, results


def test_a_batch_holds_what_its_spans_read(corpus, encoder):
    task, parts, store = corpus
    part, records = parts["train"], np.array([2, 5, 11])
    batches = fit.Batches(store, part, [1, 3])
    (batch,) = batches.dataset(lambda number: records, 0, 1)
    targets = np.concatenate([np.arange(part.splits[r], part.splits[r + 1]) for r in records])
    n = len(targets)
    assert len(batch["weights"]) == fit.bucket(n) + 1
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


@given(st.integers(0, 100_000))
def test_buckets(n):
    size = fit.bucket(n)
    assert max(n, 1) <= size <= max(n + 32, 1.15 * n + 1)
    assert fit.bucket(size) == size


def test_there_are_few_buckets():
    assert len({fit.bucket(n) for n in range(1, 4097)}) < 70


def test_linear_schedule_by_hand():
    schedule = Schedule(warmup=1 / 3)
    rates = [schedule.relative_rate(step, 12) for step in range(14)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0])


def test_learns_and_keeps_the_best_validation(corpus, encoder, tmp_path):
    cell = Cell("cat", 1)
    schedule = dataclasses.replace(SCHEDULE, epochs=25)
    probes, batches, results = run(corpus, encoder, [cell], tmp_path / "state", schedule)
    record = results[cell]
    assert record["dev_f1"] == max(point["dev_f1"] for point in record["history"]) > 0.8
    assert [point["step"] for point in record["history"]] == list(range(8, 201, 8))
    assert record["history"][-1]["loss"] < 0.5 * record["history"][0]["loss"]
    assert fit.dev_scores(probes, batches["dev"])[cell] == pytest.approx(record["dev_f1"])
    said = fit.probabilities(fit.predict(probes, batches["dev"])[cell])
    gold = corpus[1]["dev"].gold()
    right = ((said >= 0.5) & gold).sum()
    assert 2 * right / ((said >= 0.5).sum() + gold.sum()) == pytest.approx(record["dev_f1"])


def test_together_as_alone(corpus, encoder, tmp_path):
    if corpus[0].spans == 1:
        pytest.skip("two spans are the general case")
    cells = [Cell("lex", 1), Cell("mix", 1), Cell("mix", 2, "random_labels")]
    together, _, results = run(corpus, encoder, cells, tmp_path / "all")
    for cell in cells[1:]:
        alone, _, result = run(corpus, encoder, [cell], tmp_path / cell.name)
        for a, b in zip(result[cell]["history"], results[cell]["history"], strict=True):
            assert (a["step"], a["dev_f1"]) == (b["step"], b["dev_f1"])
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
        for a, b in zip(together.models[cell].weights, alone.models[cell].weights):
            if a.shape != (1,):  # the attention's bias, which changes no weight of a span: its gradient is rounding
                np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5, err_msg=a.name)


def test_the_order_is_all_records_each_epoch(corpus, encoder, tmp_path):
    seen = []

    class Spy(fit.Batches):
        def dataset(self, choose, start, stop):
            seen.extend(choose(number) for number in range(start, stop))
            return super().dataset(choose, start, stop)

    task, parts, store = corpus
    probes = fit.Probes([Cell("lex", 1)], task, encoder, 3, SCHEDULE)
    batches = [Spy(store, parts["train"], [0]), fit.Batches(store, parts["dev"], [0])]
    fit.train(probes, *batches, SCHEDULE, tmp_path / "state", identity={})
    epochs = [np.concatenate(seen[i : i + 8]) for i in range(0, 32, 8)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(60))
    assert (np.sort(epochs[0][:8]) != np.sort(epochs[1][:8])).any()


class Scripted:
    """Stands in for Probes: only weights are asked of it."""

    def __init__(self):
        self.models = {Cell("lex", 1): self}

    def get_weights(self):
        return []


def plateau(scores, **changes):
    """(history of the rate's scale, validation after which it is done) for given figures."""
    schedule = dataclasses.replace(Schedule(kind="plateau", learning_rate=1e-4, interval=10), **changes)
    cell, scales = Cell("lex", 1), []
    state = {"history": [], "scale": 1.0, "bad": 0, "halve": 0, "best": -1.0, "peak": -1.0, "done": False, "sum": 0.0}
    for number, score in enumerate(scores, 1):
        fit._validated(cell, state, score, number * 10, 10, schedule, Scripted(), {})
        scales.append(state["scale"])
        if state["done"]:
            return scales, number
    return scales, None


def test_the_rate_is_halved_at_the_sixth_validation_without_a_rise():
    scales, done = plateau([0.5] + [0.4] * 13)
    # as torch.optim.lr_scheduler.ReduceLROnPlateau(mode="max", factor=0.5, patience=5, threshold=1e-4,
    # threshold_mode="abs")
    assert scales == [1.0] * 6 + [0.5] * 6 + [0.25] * 2
    assert done is None


def test_a_rise_below_the_threshold_is_none_for_the_rate_but_one_for_the_end():
    scores = [0.5 + i * 1e-5 for i in range(9)]  # after nine the rise is still below 1e-4
    scales, _ = plateau(scores)
    assert scales[-1] == 0.5
    assert plateau(scores + [0.0] * 20)[1] is None
    assert plateau(scores + [0.0] * 25)[1] == 9 + 21


def test_it_stops_at_the_21st_validation_after_the_best():
    assert plateau([0.1, 0.9] + [0.5] * 30)[1] == 2 + 21


def test_it_stops_when_the_rate_is_too_small():
    # halved every six validations: 1e-4 / 2**7 < 1e-6
    assert plateau([0.5] * 60, patience=100)[1] == 1 + 6 * 7


def test_plateau_trains_to_its_steps(corpus, encoder, tmp_path):
    schedule = Schedule(kind="plateau", learning_rate=1e-3, steps=25, interval=10, batch_records=8)
    cell = Cell("mix", 1)
    _, _, results = run(corpus, encoder, [cell], tmp_path / "state", schedule)
    assert [point["step"] for point in results[cell]["history"]] == [10, 20, 25]


def test_control_labels_go_by_the_words_and_are_as_frequent(encoder, make_records):
    parts = [alignment.align(make_records(80, 1, seed), encoder, TASKS["pos"], NAMES) for seed in (0, 1)]
    frequencies = np.array([5, 3, 2])
    labels = [fit.control_labels(part, frequencies) for part in parts]
    assert all((each.sum(1) == 1).all() for each in labels)
    of_type = {}
    for part, each in zip(parts, labels):
        for kind, label in zip(part.types, each.argmax(1)):
            assert of_type.setdefault(kind, label) == label
    many = dataclasses.replace(parts[0], types=np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 20_000))
    np.testing.assert_allclose(fit.control_labels(many, frequencies).mean(0), [0.5, 0.3, 0.2], atol=0.012)


def test_a_loss_that_is_not_finite_is_named(corpus, encoder, tmp_path):
    schedule = dataclasses.replace(SCHEDULE, learning_rate=float("inf"))
    with pytest.raises(
        UserError, match=r"the loss of lex-seed1 is nan before step \d+, expected a finite one; lower --learning_rate"
    ):
        run(corpus, encoder, [Cell("lex", 1)], tmp_path / "state", schedule)


def test_a_broken_state_is_named(corpus, encoder, tmp_path):
    (tmp_path / "state").write_bytes(b"no")
    with pytest.raises(UserError, match="state: found no whole state of this run"):
        run(corpus, encoder, [Cell("lex", 1)], tmp_path / "state")


RESUMED = """
import sys, json
sys.path[:0] = {path!r}
from pathlib import Path
import numpy as np
from probing import encoders
from probing.learning import fit
from probing.learning.fit import Cell, Schedule
from tests.probing.learning import test_fit
from tests.probing.conftest import make_records
encoder = encoders.load({folder!r})
corpus = test_fit.make_corpus(encoder, make_records.__wrapped__(), 2)
fit.PIECE = 3
schedule = Schedule(kind="plateau", steps=48, interval=7, batch_records=8, learning_rate=5e-3, halve_after=1)
cells = [Cell("mix", 1), Cell("lex", 2, "random_labels")]
print("begin", flush=True)
probes, _, results = test_fit.run(corpus, encoder, cells, Path({state!r}), schedule, checkpoint_seconds=0.0)
np.savez({out!r}, *[w for cell in cells for w in probes.models[cell].get_weights()])
print(json.dumps([results[cell]["history"] for cell in cells]))
"""


def test_killed_and_started_again_it_ends_with_the_same_weights(encoder_folder, tmp_path):
    def script(name):
        text = RESUMED.format(
            path=sys.path, folder=str(encoder_folder), state=str(tmp_path / name), out=str(tmp_path / name)
        )
        return [sys.executable, "-c", text]

    whole = subprocess.run(script("whole"), capture_output=True, text=True, check=True, cwd=os.getcwd())
    process = subprocess.Popen(
        script("killed"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=os.getcwd()
    )
    while not (tmp_path / "killed").exists():
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.npz").exists()
    resumed = subprocess.run(script("killed"), capture_output=True, text=True, check=True, cwd=os.getcwd())
    assert json.loads(resumed.stdout.split("\n")[-2]) == json.loads(whole.stdout.split("\n")[-2])
    one, two = (np.load(tmp_path / (name + ".npz")) for name in ("whole", "killed"))
    for name in one.files:
        np.testing.assert_array_equal(one[name], two[name])


def test_another_runs_state_is_not_gone_on_with(corpus, encoder, tmp_path):
    cell = Cell("lex", 1)
    task, parts, _ = corpus
    probes = fit.Probes([cell], task, encoder, 3, SCHEDULE)
    fit._save(tmp_path / "state", probes, {"step": 7}, {}, {"a": 2})
    assert fit._restore(tmp_path / "state", probes, {"a": 1}) is None
    assert fit._restore(tmp_path / "state", probes, {"a": 2})["step"] == 7
    more = fit.Probes([cell, Cell("lex", 2)], task, encoder, 3, SCHEDULE)
    assert fit._restore(tmp_path / "state", more, {"a": 2}) is None  # a probe is not in it
    fit._save(tmp_path / "state", probes, {"step": "7"}, {}, {"a": 2})
    with pytest.raises(UserError, match="state, progress: found step '7', expected a whole number"):
        fit._restore(tmp_path / "state", probes, {"a": 2})


def test_what_is_validated_keeps_the_watchdog_quiet(corpus, encoder):
    task, parts, store = corpus
    probes = fit.Probes([Cell("lex", 1)], task, encoder, 3, SCHEDULE)
    with Watchdog() as watchdog:
        fit.dev_scores(probes, fit.Batches(store, parts["dev"], probes.layers))
        assert watchdog._looks is not None


def test_xla_takes_the_same_step(corpus, encoder):
    task, parts, store = corpus
    cells = (Cell("mix", 1),)
    (batch,) = fit.Batches(store, parts["train"], [0, 1, 2, 3]).dataset(lambda number: np.arange(8), 0, 1)
    weights = []
    for jit in (False, True):
        probes = fit.Probes(cells, task, encoder, 3, SCHEDULE, jit=jit)
        probes.train_step(batch, tf.constant([1e-3]), tf.constant(0, tf.int64), cells)
        weights.append(probes.models[cells[0]].get_weights())
    for a, b in zip(*weights):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_few_records_are_passed_over_more_often_and_validated_no_more():
    schedule = Schedule(epochs=20, batch_records=32, least_steps=400)
    assert (schedule.total(60), schedule.validate_every(60)) == (400, 20)  # 2 steps a pass, 200 passes
    assert (schedule.total(70), schedule.validate_every(70)) == (
        402,
        21,
    )  # 3 steps a pass, 134 passes, every seventh validated
    assert (schedule.total(32 * 100), schedule.validate_every(32 * 100)) == (2000, 100)


def test_static_batches_have_one_shape_wherever_a_run_goes_on(corpus):
    """And hold the same as others do."""
    task, parts, store = corpus

    def choose(number):
        return np.random.default_rng(number).permutation(60)[: 8 if number < 6 else 5]

    def all_of(static, start=0):
        return list(fit.Batches(store, parts["train"], [1, 3], static=static).dataset(choose, start, 7))

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
