"""nsmc_bert.learning.state: how far a run is, and its files, read again to the bit."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.learning.state import RunProgress, State
from nsmc_bert.model import optimizers


def test_a_pass_is_put_into_the_history_by_hand():
    progress = RunProgress()
    progress.add({"loss": 0.5, "accuracy": 0.5}, 2, 10)
    assert (progress.step, progress.sums) == (2, {"loss": 1.0, "accuracy": 5.0, "steps": 2.0, "texts": 10.0})
    progress.add({"loss": 0.25, "accuracy": 1.0}, 6, 30)
    progress.end_epoch({"accuracy": 0.75}, 6, 10.0, better=True, patience=1)
    first = {"epoch": 1, "steps": 6, "loss": 2 / 6, "accuracy": 35 / 40, "reviews_per_second": 10.0}
    assert progress.history == [{**first, "validation": {"accuracy": 0.75}}]
    assert (progress.epoch, progress.step, progress.sums, progress.bad, progress.done) == (1, 0, {}, 0, False)
    progress.sums = {"loss": 9.0, "steps": 4.0}  # of a state without texts, whose sums are of something else
    progress.add({"loss": 1.0}, 6, 40)
    progress.end_epoch({"accuracy": 0.5}, 6, 10.0, better=False, patience=1)
    assert (progress.steps, progress.history[-1]["loss"], progress.bad, progress.done) == (12, 1.0, 1, True)


@pytest.fixture
def make_state(tmp_path):
    """A State of two weights of a seed and an optimizer that has made a step with them, in the same folder each time;
    with it all its variables.
    """

    def make(seed, shape=(2, 3)):
        random = np.random.default_rng(seed)
        weights = [tf.Variable(random.normal(size=size).astype(np.float32)) for size in (shape, (3,))]
        optimizer = optimizers.adamw(0.1)
        optimizer.build(weights)
        optimizer.apply_gradients((tf.ones_like(weight), weight) for weight in weights)
        return State(tmp_path, weights, optimizer), [*weights, *optimizer.variables]

    return make


def test_what_is_saved_is_read_again(make_state):
    state, variables = make_state(1)
    assert state.restore() is None
    expected = [variable.numpy() for variable in variables]
    history = [{"epoch": 1, "steps": 4, "validation": {"accuracy": 0.5}}]
    progress = RunProgress(1, 2, 3.5, history, bad=1, done=True, sums={"loss": 0.1})
    state.remember(progress)
    variables[0].assign_add(tf.ones_like(variables[0]))
    state.save(progress)  # of now, and beside it the best
    again, others = make_state(2)
    assert again.restore() == progress
    np.testing.assert_array_equal(others[0], expected[0] + 1)
    for value, other in zip(expected[1:], others[1:]):
        np.testing.assert_array_equal(other, value)
    again.recall()
    np.testing.assert_array_equal(others[0], expected[0])


def test_broken_files_are_named(make_state, tmp_path):
    state, _ = make_state(1)
    state.save(RunProgress())
    with pytest.raises(UserError, match="best.safetensors: missing, expected the best epoch's weights; delete the run"):
        state.recall()
    with pytest.raises(
        UserError, match=r"checkpoint.safetensors: not a checkpoint of this run \(other tensors\); delete"
    ):
        make_state(1, shape=(3, 2))[0].restore()
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-10])
    with pytest.raises(UserError, match="checkpoint.safetensors: found no whole checkpoint of this run"):
        state.restore()
