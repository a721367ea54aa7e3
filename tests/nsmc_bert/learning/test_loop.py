"""nsmc_bert.learning.loop: the schedule, early stopping, and a run that is killed and goes on to the same weights."""

import dataclasses
import json
import os
import time
from types import SimpleNamespace

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from nsmc_bert.learning import loop
from nsmc_bert.model import optimizers, packing
from tests import forked
from tests.conftest import ROOT

WORDS = ["이", "영화", "엄청", "정말", "다시", "."]


def reviews(count, seed=0):
    """Texts of two to eight words of which one decides the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count).astype(np.int32)
    texts = []
    for label in labels:
        words = random.choice(WORDS, random.integers(1, 8)).tolist()
        words.insert(random.integers(0, len(words) + 1), ["노잼", "꿀잼"][label])
        texts.append(" ".join(words))
    return texts, labels


def sets(model, count=240):
    texts, labels = reviews(count)
    held_out, held_out_labels = reviews(60, seed=1)
    return (model.encode(texts), labels), (model.encode(held_out), held_out_labels)


SETTINGS = loop.Settings(epochs=6, token_budget=128, learning_rate=0.02, patience=4, seed=3)


def run(model, folder, settings=SETTINGS, **options):
    schedule = getattr(model, "schedule_of_its_settings", None)
    return loop.train(model, *sets(model), settings, folder, identity={"a": 1}, schedule=schedule, **options)


@pytest.fixture(scope="module")
def traced():
    """{what decides a trace: a compiled model}."""
    return {}


@pytest.fixture
def begin(make_model, traced):
    """Makes models as make_model does, which `run` trains with the same settings by what was traced for the first of
    them, as training does for its second seed: in truth they are one, given other weights.
    """

    def begin(settings=SETTINGS, jit=False, **how):
        made = make_model(**how)
        shape = sorted((name, value) for name, value in how.items() if name not in ("seed", "initializer_range"))
        key = dataclasses.replace(settings, seed=0, token_budget=0, patience=0), jit, *shape
        if key not in traced:
            traced[key] = made
            made.schedule_of_its_settings = loop.compile_model(made, settings, probabilities=False, jit=jit)
        model = traced[key]
        model.set_weights(made.get_weights())
        model.seed = made.seed
        return model

    return begin


def test_learns_and_keeps_the_best_epoch(begin, tmp_path):
    model = begin(initializer_range=0.1)
    record = run(model, tmp_path / "run")
    accuracy = [epoch["validation"]["accuracy"] for epoch in record["history"]]
    assert record["best"]["validation"]["accuracy"] == max(accuracy) > 0.9
    held_out, labels = reviews(60, seed=1)
    assert (model.predict(held_out).argmax(1) == labels).mean() == max(accuracy)
    assert record["history"][0]["loss"] > record["history"][-1]["loss"]
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


@pytest.mark.parametrize("jit", [False, True], ids=["", "xla"])
def test_without_validation_nothing_is_chosen_and_it_resumes(begin, tmp_path, monkeypatch, jit):
    settings = loop.Settings(epochs=3, token_budget=128, learning_rate=0.02, patience=1, seed=3)

    def train(folder, **options):
        model, seen = begin(settings, jit, initializer_range=0.1), []
        options.update(identity={"a": 1}, on_epoch=seen.append, schedule=model.schedule_of_its_settings)
        record = loop.train(model, sets(model)[0], None, settings, folder, **options)
        assert seen == record["history"] and record["best"] == record["history"][-1]
        return model.get_weights(), record

    def stop(state, progress, save=loop.State.save):
        save(state, progress)
        raise KeyboardInterrupt

    weights, record = train(tmp_path / "run")
    assert [set(epoch) for epoch in record["history"]] == [
        {"epoch", "steps", "loss", "accuracy", "reviews_per_second"}
    ] * 3
    assert not (tmp_path / "run" / "best.safetensors").exists()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # after the first step
        patched.setattr(loop.State, "save", stop)
        train(tmp_path / "other", checkpoint_seconds=0.0)
    lines = []
    for folder in (tmp_path / "other", tmp_path / "run"):  # on from there, and once more when there is nothing to do
        again, _ = train(folder, log=lines.append)
        for one, other in zip(weights, again):
            np.testing.assert_array_equal(one, other)
    steps = record["history"][0]["steps"]
    assert [line for line in lines if line.startswith("going on")] == [
        f"going on in {tmp_path / 'other'} from epoch 1 of 3, after 1 of {steps} steps"
    ]


def test_each_pass_can_have_reviews_of_its_own(make_model, tmp_path):
    model = make_model()
    (encoded, labels), held_out = sets(model)
    settings = loop.Settings(epochs=2, token_budget=128, learning_rate=0.01, seed=3)
    seen = []

    class Spy(type(model)):
        def fit_batches(self, encoded, *rest):
            seen.append(id(encoded))
            return super().fit_batches(encoded, *rest)

    model.__class__ = Spy
    other = encoded[np.arange(len(encoded))[::-1]]
    loop.train(
        model,
        (encoded, labels),
        held_out,
        settings,
        tmp_path / "run",
        identity={},
        perturbed=lambda epoch: (encoded, other)[epoch],
    )
    assert list(dict.fromkeys(seen)) == [id(encoded), id(other)]


def test_a_plan_that_is_there_is_not_made_again(make_model, tmp_path):
    model = make_model()
    train_set, held_out = sets(model)
    settings = loop.Settings(epochs=2, token_budget=128, learning_rate=0.01, seed=3)
    first = model.plan(train_set[0], token_budget=128, seed=3, epoch=0)
    planned, learned = [], []

    class Spy(type(model)):
        def plan(self, encoded, *arguments, **options):
            if encoded is train_set[0]:
                planned.append(options)
            return super().plan(encoded, *arguments, **options)

        def fit_batches(self, encoded, labels, plan, *rest):
            learned.append(plan)
            return super().fit_batches(encoded, labels, plan, *rest)

    model.__class__ = Spy
    loop.train(model, train_set, held_out, settings, tmp_path / "run", identity={}, first_plan=first)
    assert planned == [{"token_budget": 128, "seed": 3, "epoch": 1}]
    assert learned[0].texts is first.texts and learned[-1].epoch == 1
    assert all(isinstance(plan, packing.Packed) for plan in learned)  # ahead, in the background


def test_both_models_are_what_the_loop_needs(make_model, make_bert, tiny_tokenizer):
    from nsmc_bert.model.masked_lm import MaskedLanguageModel

    needed = {name for name in vars(loop.Trainable) if not name.startswith("_")}
    assert {"plan", "fit_batches", "validate", "score", "shown", "compile", "optimizer", "weights"} <= needed
    for model in (make_model(), MaskedLanguageModel(make_bert(), tiny_tokenizer, max_length=16)):
        model.compile(optimizers.adamw(0.0))
        assert [name for name in needed if not hasattr(model, name)] == []


def test_what_a_checkpoint_says_of_the_progress(begin, tmp_path):
    """These keys stand in the checkpoint of every run that can be gone on with."""
    from safetensors import safe_open

    settings = loop.Settings(epochs=1, token_budget=512)
    run(begin(settings), tmp_path / "run", settings)
    with safe_open(tmp_path / "run" / "checkpoint.safetensors", "numpy") as file:
        progress = json.loads(file.metadata()["progress"])
    assert list(progress) == ["epoch", "step", "seconds", "history", "bad", "done", "sums"]
    assert (progress["epoch"], progress["step"], progress["bad"], progress["sums"]) == (1, 0, 0, {})
    keys = ["epoch", "steps", "loss", "accuracy", "reviews_per_second", "validation"]
    assert list(progress["history"][0]) == keys


def test_the_loss_of_a_pass_is_the_same_however_it_is_cut(begin, tmp_path, monkeypatch):
    settings = loop.Settings(epochs=2, token_budget=64, learning_rate=0.01, seed=3)
    means = []
    for steps in (1000, 3):
        monkeypatch.setattr(loop._Run, "_piece", lambda self, steps=steps: steps)
        history = run(begin(settings), tmp_path / str(steps), settings)["history"]
        means.append([[epoch[name] for name in ("loss", "accuracy")] for epoch in history])
        assert history[0]["steps"] > 9  # or there would be but one piece
    np.testing.assert_allclose(*means, rtol=1e-5)


@pytest.mark.parametrize("seconds, share, saves", [(60.0, 1e9, 3), (60.0, 1e-9, 2), (0.0, 1e-9, 12)])
def test_the_state_is_saved_as_often_as_is_asked_for_and_in_the_end(
    begin, tmp_path, monkeypatch, seconds, share, saves
):
    """After the first epoch always, as nobody knows what that takes."""
    saved, save = [], loop.State.save
    monkeypatch.setattr(loop.State, "save", lambda self, progress: saved.append(progress.epoch) or save(self, progress))
    monkeypatch.setattr(loop, "SAVING", share)
    settings = loop.Settings(epochs=3, token_budget=512, learning_rate=0.01, seed=3)
    history = run(begin(settings), tmp_path / "run", settings, checkpoint_seconds=seconds)["history"]
    assert (len(saved), saved[-1], history[-1]["steps"]) == (saves, 3, 12)
    assert seconds == 0.0 or saved[0] == 1


def test_an_epoch_is_saved_where_that_takes_a_twentieth_of_the_time(monkeypatch):
    now, saves = [0.0], []

    def save(progress):  # takes half a second
        now[0] += 0.5
        saves.append(now[0])

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    state = SimpleNamespace(save=save)
    run = loop._Run(None, None, state, loop.RunProgress(), None, None, None, None, 60.0, True)
    for at, at_end in ((4, True), (14, True), (14.4, False), (14.5, True), (62.9, False), (63.1, False)):
        now[0] = at
        run._save_when_due(at_end=at_end)
    assert saves == [4.5, 15.0, 63.6]
    run.checkpoint_seconds = None  # of several workers each does it, whatever its clock says
    run._save_when_due(at_end=True)
    assert len(saves) == 4


def test_the_best_weights_on_the_disk_are_never_ahead_of_the_checkpoint(begin, tmp_path, monkeypatch):
    from safetensors import safe_open

    model, folder, seen, lines = begin(initializer_range=0.1), tmp_path / "killed", [], []
    run(model, tmp_path / "whole", log=lines.append)
    whole = model.get_weights()
    assert not [line for line in lines if line.startswith("going on")]

    def stop(epoch):
        seen.append(epoch)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "SAVING", 1e-9)
        run(begin(initializer_range=0.1), folder, on_epoch=stop)
    for name in ("checkpoint", "best"):  # the second epoch is better, but only the first one has been saved
        with safe_open(folder / f"{name}.safetensors", "numpy") as file:
            assert json.loads(file.metadata()["progress"])["epoch"] == 1
    killed = begin(initializer_range=0.1)
    run(killed, folder, log=lines.append)
    assert f"going on in {folder} from epoch 2 of 6" in lines
    for one, other in zip(whole, killed.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_stops_early(begin, tmp_path):
    settings = loop.Settings(epochs=9, token_budget=512, learning_rate=0.0, patience=2)
    lines = []
    assert len(run(begin(settings), tmp_path / "run", settings, log=lines.append)["history"]) == 3
    assert lines[-2:] == [
        "stopped after 3 of 9 epochs: the last 2 were no better",
        "kept: epoch 1, the best on validation",
    ]


def test_a_finished_run_is_not_trained_again(begin, tmp_path, monkeypatch):
    model, titles, progress = begin(), [], loop.Progress
    with monkeypatch.context() as patched:
        patched.setattr(loop, "Progress", lambda *of, title, **how: titles.append(title) or progress(*of, **how))
        record, learned = run(model, tmp_path / "run", title="fold 1 of 5"), model.classifier.kernel.numpy()
    assert titles == ["fold 1 of 5"]
    model = begin(seed=1)
    assert (model.classifier.kernel != learned).numpy().any()
    assert run(model, tmp_path / "run")["history"] == record["history"]
    np.testing.assert_array_equal(model.classifier.kernel, learned)


def test_a_loss_that_is_not_finite_stops_the_run(begin, tmp_path):
    model = begin()
    model.classifier.kernel.assign(np.full(model.classifier.kernel.shape, np.nan))
    with pytest.raises(UserError, match="the loss is nan after step .* lower --learning_rate, 0.02"):
        run(model, tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_float16_goes_on_with_its_loss_scale(begin, tmp_path):
    model = begin(precision="mixed_float16", initializer_range=0.1)
    run(model, tmp_path / "run")
    assert model.optimizer.dynamic_counter > 0
    expected = [float(model.optimizer.loss_scale), int(model.optimizer.dynamic_counter)]
    again = begin(seed=1, precision="mixed_float16")
    again.optimizer._loss_scale._current_loss_scale.assign(3.0)
    loop._begin_anew(again.optimizer)
    assert (again.optimizer.loss_scale, again.optimizer.dynamic_counter) == (again.optimizer.initial_scale, 0)
    again.optimizer._loss_scale._current_loss_scale.assign(3.0)
    run(again, tmp_path / "run")
    assert [float(again.optimizer.loss_scale), int(again.optimizer.dynamic_counter)] == expected


KILLED = """
import sys
sys.path.insert(0, {root!r})
import nsmc_bert, pathlib
import numpy as np
from nsmc_bert.base import runtime
runtime.keep_compiled(pathlib.Path("cache"))  # of five processes the first ones compile
from transformers.models.bert.configuration_bert import BertConfig
from nsmc_bert.model import checkpoints, tokenizers
from nsmc_bert.model.classifier import SentimentClassifier
from tests.nsmc_bert.learning import test_loop

# wide enough for XLA to compile the pieces between the matrix products
config = BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=256,
                    max_position_embeddings=32)
model = SentimentClassifier(
    checkpoints.build(config, 5), tokenizers.from_vocab(pathlib.Path(sys.argv[1])), max_length=16, seed=5
)
test_loop.run(model, pathlib.Path(sys.argv[2]), checkpoint_seconds=float(sys.argv[4]))
np.save(sys.argv[3], np.concatenate([w.numpy().ravel() for w in model.weights]))
"""


def test_killed_and_started_again_it_ends_with_the_same_weights(tmp_path):
    from tests.conftest import ROOT, VOCABULARY

    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (tmp_path / "program.py").write_text(KILLED.format(root=str(ROOT)))

    def start(name, seconds):
        arguments = ["program.py", "vocab.txt", f"run-{name}", f"{name}.npy", seconds]
        return forked.Started(arguments, cwd=tmp_path, env=environment())

    whole = start("whole", 60)
    checkpoint = tmp_path / "run-killed" / "checkpoint.safetensors"
    kills, seen = 0, None
    while True:
        process = start("killed", 0.05 if kills < 3 else 60)
        # killed as soon as there is a checkpoint that was not there before, three times over
        while kills < 3 and process.poll() is None:
            now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
            if now != seen:
                seen, kills = now, kills + 1
                process.kill()
                break
            time.sleep(0.002)
        else:
            ended = process.finish()
            assert ended.returncode == 0, ended.stderr
            break
    assert whole.finish().returncode == 0
    assert kills == 3
    np.testing.assert_array_equal(np.load(tmp_path / "killed.npy"), np.load(tmp_path / "whole.npy"))
    assert not list((tmp_path / "run-killed").glob("*.part-*"))


@pytest.fixture(scope="module")
def distributed(tmp_path_factory):
    """A program that trains, and moves once by plain gradient descent, which, unlike Adam, shows the scale of the
    gradients, by the strategy that it is told; and a folder in which `one` has done so.
    """
    folder = tmp_path_factory.mktemp("distributed")
    program = folder / "program.py"
    program.write_text(DISTRIBUTED)
    forked.run([program, "one", folder / "one"], cwd=ROOT, env=environment()).check_returncode()
    return program, folder


def test_mirrored_on_two_devices_equals_one(distributed):
    program, folder = distributed
    forked.run([program, "mirrored", folder / "mirrored"], cwd=ROOT, env=environment()).check_returncode()
    assert_same_run(folder / "mirrored", folder / "one")
    one, other = (np.load(folder / strategy / "moved.npy") for strategy in ("one", "mirrored"))
    assert np.abs(one).max() > 1e-3
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_two_workers_equal_one(distributed):
    program, folder = distributed
    cluster = {"worker": ["127.0.0.1:%d" % port for port in free_ports(2)]}
    workers = [
        forked.Started(
            [program, "multiworker", folder / "multiworker"],
            cwd=ROOT,
            env=environment(TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}})),
        )
        for i in range(2)
    ]
    for worker in workers:
        worker.finish(timeout=120).check_returncode()
    assert_same_run(folder / "multiworker", folder / "one")


def assert_same_run(one, other):
    np.testing.assert_allclose(np.load(one / "weights.npy"), np.load(other / "weights.npy"), atol=2e-4)
    # a row of padding, which makes 101 reviews two equal shares, counts in the means that are shown
    np.testing.assert_allclose(np.load(one / "figures.npy"), np.load(other / "figures.npy"), atol=0.01)


DISTRIBUTED = """
import sys, pathlib, time
import nsmc_bert
import numpy as np
import tensorflow as tf
strategy, folder = sys.argv[1], pathlib.Path(sys.argv[2])
if strategy == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from nsmc_bert.base import runtime
from nsmc_bert.learning import loop
devices = runtime.configure(precision="float32", strategy=strategy)
assert devices.replicas == (1 if strategy == "one" else 2), devices
from tests.nsmc_bert.learning.test_loop import reviews
from tests.conftest import VOCABULARY
from nsmc_bert.model import checkpoints, tokenizers
from nsmc_bert.model.classifier import SentimentClassifier
from transformers.models.bert.configuration_bert import BertConfig

vocabulary = folder.with_name("vocab-%s-%d.txt" % (strategy, devices.chief))
vocabulary.write_text("\\n".join(VOCABULARY) + "\\n", encoding="utf-8")
config = BertConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                    max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
if strategy == "mirrored":
    def differ(*values):
        values = [tf.constant(value, tf.float64) for value in values]
        distribute = devices.strategy.experimental_distribute_values_from_function
        each = distribute(lambda context: values[context.replica_id_in_sync_group])
        return loop._differs_between_workers(devices.strategy, each)

    assert [differ(2.0**40 + 1, 2.0**40 + step) for step in (0, 1, 2, 201)] == [True, False, True, True]
if strategy == "multiworker":
    found = folder.with_name("answers.txt")
    def ask():
        if not found.exists():
            assert devices.chief
            time.sleep(0.2)
            found.write_text("answers")
        return found.read_text()

    assert devices.chief_first(ask) == "answers"
with devices.strategy.scope():
    model = SentimentClassifier(checkpoints.build(config, 5), tokenizers.from_vocab(vocabulary), max_length=16, seed=5)
texts, labels = reviews(101)
data = (model.encode(texts), labels)
if strategy != "multiworker":
    first = model.get_weights()
    with devices.strategy.scope():
        model.compile(tf.keras.optimizers.SGD(1.0))
    model.fit_batches(*data, model.plan(data[0], token_budget=512, seed=0), 0, 1)
    moved = model.classifier.kernel.numpy() - first[-2]
    model.set_weights(first)
settings = loop.Settings(epochs=2, token_budget=512, learning_rate=0.002)
record = loop.train(model, data, data, settings, folder, identity={}, chief=devices.chief)
if strategy != "multiworker":
    np.save(folder / "moved.npy", moved)
if devices.chief:
    np.save(folder / "weights.npy", np.concatenate([w.numpy().ravel() for w in model.weights]))
    np.save(folder / "figures.npy", [[epoch["loss"], epoch["accuracy"]] for epoch in record["history"]])
devices.leave()
"""


def environment(**extra):
    """This process' environment with the checkout on the path."""
    return {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3", **extra}


def free_ports(count):
    """Ports of the loopback interface that nobody listens on."""
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
