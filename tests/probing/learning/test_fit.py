"""probing.learning: what a batch holds, schedules by hand, probes together as if alone, kills, the control task."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from probing.learning import fit, predictions
from probing.learning.batches import Batches
from probing.learning.schedule import ProbeKey, Schedule
from tests.probing.learning.conftest import SCHEDULE, run


def test_learns_and_keeps_the_best_validation(corpus, encoder, tmp_path):
    cell = ProbeKey("cat", 1)
    schedule = dataclasses.replace(SCHEDULE, epochs=25)
    probes, batches, results = run(corpus, encoder, [cell], tmp_path / "state", schedule)
    record = results[cell]
    assert record["dev_f1"] == max(point["dev_f1"] for point in record["history"]) > 0.8
    assert [point["step"] for point in record["history"]] == list(range(8, 201, 8))
    assert record["history"][-1]["loss"] < 0.5 * record["history"][0]["loss"]
    assert predictions.dev_scores(probes, batches["dev"])[cell] == pytest.approx(record["dev_f1"])
    said = predictions.probabilities(predictions.predict(probes, batches["dev"])[cell])
    gold = corpus[1]["dev"].gold()
    right = ((said >= 0.5) & gold).sum()
    assert 2 * right / ((said >= 0.5).sum() + gold.sum()) == pytest.approx(record["dev_f1"])


def test_together_as_alone(corpus, encoder, tmp_path):
    if corpus[0].spans == 1:
        pytest.skip("two spans are the general case")
    cells = [ProbeKey("lex", 1), ProbeKey("mix", 1), ProbeKey("mix", 2, "random_labels")]
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

    class Spy(Batches):
        def dataset(self, choose, start, stop):
            seen.extend(choose(number) for number in range(start, stop))
            return super().dataset(choose, start, stop)

    task, parts, store = corpus
    probes = fit.Probes([ProbeKey("lex", 1)], task, encoder, 3, SCHEDULE)
    batches = [Spy(store, parts["train"], [0]), Batches(store, parts["dev"], [0])]
    fit.train(probes, *batches, SCHEDULE, tmp_path / "state", identity={})
    epochs = [np.concatenate(seen[i : i + 8]) for i in range(0, 32, 8)]
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(60))
    assert (np.sort(epochs[0][:8]) != np.sort(epochs[1][:8])).any()


class Scripted:
    """Stands in for Probes: only weights are asked of it."""

    def __init__(self):
        self.models = {ProbeKey("lex", 1): self}

    def get_weights(self):
        return []


def plateau(scores, **changes):
    """(history of the rate's scale, validation after which it is done) for given figures."""
    schedule = dataclasses.replace(Schedule(kind="plateau", learning_rate=1e-4, interval=10), **changes)
    cell, scales = ProbeKey("lex", 1), []
    state = {"history": [], "scale": 1.0, "bad": 0, "halve": 0, "best": -1.0, "peak": -1.0, "done": False, "sum": 0.0}
    for number, score in enumerate(scores, 1):
        fit._validated(cell, state, score, number * 10, schedule, Scripted(), {})
        scales.append(state["scale"])
        if state["done"]:
            return scales, number
    return scales, None


def test_a_loss_is_the_mean_over_the_steps_since_the_last_validation():
    cell, state, best = ProbeKey("lex", 1), {**fit._first_state(), "sum": 30.0}, {}
    fit._validated(cell, state, 0.5, 10, SCHEDULE, Scripted(), best)
    fit._validated(cell, {**state, "sum": 4.0}, 0.4, 12, SCHEDULE, Scripted(), best)
    assert [point["loss"] for point in state["history"]] == [3.0, 2.0]
    assert (state["sum"], best) == (0.0, {"lex-seed1": []})


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
    schedule = Schedule(kind="plateau", learning_rate=1e-3, steps=25, interval=10, batch_records=8, dev_records=3)
    cell = ProbeKey("mix", 1)
    probes, batches, results = run(corpus, encoder, [cell], tmp_path / "state", schedule)
    assert [point["step"] for point in results[cell]["history"]] == [10, 20, 25]
    first, every = (predictions.dev_scores(probes, batches["dev"], records)[cell] for records in (3, 0))
    assert results[cell]["dev_f1"] == pytest.approx(first) and first != every


def test_a_compiler_makes_one_program_though_probes_end_one_after_the_other(corpus, encoder, tmp_path, monkeypatch):
    """Those that are done go along, at a rate of 0, and come to the same."""
    schedule = Schedule(kind="plateau", learning_rate=1e-2, steps=120, interval=5, batch_records=8, patience=1)
    cells, made = [ProbeKey("lex", 1), ProbeKey("mix", 1)], []
    compiled = fit.Probes._compiled
    monkeypatch.setattr(fit.Probes, "_compiled", lambda *given: made.append(given) or compiled(*given))
    alone, _, expected = run(corpus, encoder, cells, tmp_path / "alone", schedule)
    ends = {result["stopped_at"] for result in expected.values()}
    assert len(ends) == 2 and len(made) == 3  # the step of both, of the one that is left, and what dev takes
    made.clear()

    class One(fit.Probes):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.one_program = True

    monkeypatch.setattr(fit, "Probes", One)
    together, _, results = run(corpus, encoder, cells, tmp_path / "together", schedule)
    assert len(made) == 2
    for cell in cells:
        assert [point["step"] for point in results[cell]["history"]] == [
            point["step"] for point in expected[cell]["history"]
        ]
        for a, b in zip(together.models[cell].weights, alone.models[cell].weights):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5, err_msg=a.name)


def test_a_loss_that_is_not_finite_is_named(corpus, encoder, tmp_path):
    schedule = dataclasses.replace(SCHEDULE, learning_rate=float("inf"))
    with pytest.raises(
        UserError, match=r"the loss of lex-seed1 is nan before step \d+, expected a finite one; lower --learning_rate"
    ):
        run(corpus, encoder, [ProbeKey("lex", 1)], tmp_path / "state", schedule)


def test_xla_takes_the_same_step(corpus, encoder):
    task, parts, store = corpus
    cells = (ProbeKey("mix", 1),)
    (batch,) = Batches(store, parts["train"], [0, 1, 2, 3]).dataset(lambda number: np.arange(8), 0, 1)
    weights = []
    for jit in (False, True):
        probes = fit.Probes(cells, task, encoder, 3, SCHEDULE, jit=jit)
        probes.train_step(batch, tf.constant([1e-3]), tf.constant(0, tf.int64), cells)
        weights.append(probes.models[cells[0]].get_weights())
    for a, b in zip(*weights):
        np.testing.assert_allclose(a, b, atol=2e-5)
