"""The training run: schedule, validation, early stopping, checkpoints, resume.

All state is in the run folder. A run that was killed at any moment goes on from the last checkpoint when it is started
again with the same settings, and ends with the weights of the uninterrupted run: batches, dropout and learning rate are
functions of the seed and the step alone.
"""

import dataclasses
import json
import math
import re
import shutil
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import Lock, lock, make_folder, write_atomically, write_text
from nsmc_bert.base.json_files import parse_json, read_json
from nsmc_bert.base.progress import Progress
from nsmc_bert.base.watchdog import Watchdog
from nsmc_bert.learning.passes import Passes

ASK_SECONDS = 1.0  # between two times that a training is asked how it goes
PIECE_OF_WORKERS = 200  # steps between two checkpoints where several workers train


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train. Every field changes the result, so a run is resumed with the same settings or not at all.

    Attributes:
        epochs: passes over the training reviews, at most.
        token_budget: tokens a batch over all devices, padding included.
        learning_rate: the peak of AdamW's.
        warmup: the share of all steps over which the rate rises from 0 to the peak; it then falls linearly to 0.
        weight_decay: AdamW's, on everything but biases and layer normalisation.
        clip_norm: gradients are scaled down to this global norm.
        patience: epochs without a better validation accuracy after which training stops.
        seed: of the order of the batches.
    """

    epochs: int = 3
    token_budget: int = 3072
    learning_rate: float = 5e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    patience: int = 2
    seed: int = 0


class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """0 to `peak` over a share `warmup` of all passes, then linearly back to 0 at the end of the last one.

    How many steps a pass has need not be known before it begins: `begin` says so.

    Args:
        peak: the highest rate.
        warmup: share of the passes, 0 to 1, over which the rate rises.
        passes: how many.
    """

    def __init__(self, *, peak: float, warmup: float, passes: int):
        self.peak, self.warmup, self.passes = peak, warmup, passes
        self._here = tf.Variable([0.0, 0.0, 1.0], trainable=False, name="schedule")

    def begin(self, epoch: int, before: int, steps: int) -> None:
        """Says that pass `epoch`, from 0, of `steps` steps begins after `before` steps of all."""
        self._here.assign([epoch, before, steps])

    def __call__(self, step):
        epoch, before, steps = tf.unstack(tf.convert_to_tensor(self._here))
        done = epoch + (tf.cast(step, tf.float32) - before) / steps  # passes
        rise = (done + 1.0 / steps) / max(self.warmup * self.passes, 1e-9)
        fall = (self.passes - done) / max((1.0 - self.warmup) * self.passes, 1e-9)
        return self.peak * tf.clip_by_value(tf.minimum(rise, fall), 0.0, 1.0)

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup, "passes": self.passes}


def apply_adam(optimizer, operation, gradient, variable, **slots):
    """A Keras Adam's update of one variable by TensorFlow's one operation for it, which on CPUs takes half the time.

    Args:
        optimizer: a built keras.optimizers.Adam.
        operation: tf.raw_ops.ResourceApplyAdam, or its variant that takes `slots`.
        gradient: a tensor.
        variable: the tf.Variable.
        **slots: handles of further slots of this variable by the operation's names.
    """
    dtype, place = variable.dtype, optimizer._index_dict[optimizer._var_key(variable)]
    step = tf.cast(optimizer.iterations + 1, dtype)
    operation(
        var=variable.handle,
        m=optimizer._momentums[place].handle,
        v=optimizer._velocities[place].handle,
        beta1_power=tf.pow(tf.cast(optimizer.beta_1, dtype), step),
        beta2_power=tf.pow(tf.cast(optimizer.beta_2, dtype), step),
        lr=tf.cast(optimizer.learning_rate, dtype),
        beta1=tf.cast(optimizer.beta_1, dtype),
        beta2=tf.cast(optimizer.beta_2, dtype),
        epsilon=tf.cast(optimizer.epsilon, dtype),
        grad=tf.convert_to_tensor(gradient),
        **slots,
    )


class AdamW(keras.optimizers.AdamW):
    """Keras' AdamW with the same update computed by `apply_adam`."""

    def update_step(self, gradient, variable):
        apply_adam(self, tf.raw_ops.ResourceApplyAdam, gradient, variable)


def adamw(schedule, settings):
    """AdamW as BERT is fine-tuned: decoupled decay, none on biases and layer normalisation, global-norm clipping."""
    optimizer = AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        epsilon=1e-6,
        beta_2=0.999,
        jit_compile=False,  # wherever it finds a GPU, Keras would compile the update by XLA of its own accord
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "LayerNorm"])
    return optimizer


def train(
    model,
    train_set,
    validation_set,
    settings,
    run_dir,
    *,
    identity,
    perturbed=None,
    jit=False,
    checkpoint_seconds=60.0,
    chief=True,
    log=lambda line: None,
):
    """Trains to the best epoch on validation, or goes on with what the run folder holds.

    Args:
        model: a SentimentClassifier or a MaskedLanguageModel made in its strategy's scope; ends with the best epoch's
            weights.
        train_set: (tokenizers.Encoded, labels: int32 [n], for a classifier also float32 [n, 2] probabilities, or None
            for a model that learns from text alone).
        validation_set: (tokenizers.Encoded, labels).
        settings: Settings.
        run_dir: the folder that holds all state of the run.
        identity: a flat dict of what the run is (data, tokenizer, encoder, settings, …): a folder of a run with
            another identity is refused.
        perturbed: makes the Encoded of each pass from its number, from 0, instead of the train set's: as many texts, in
            the same order.
        jit: compile the whole step with XLA.
        checkpoint_seconds: about how often the state is saved.
        chief: whether this process writes; of several workers only one does.
        log: called with each line to show.

    Returns:
        {"history": [per epoch a dict], "best": the best epoch's dict, "steps": int, "seconds": float of all processes}.

    Raises:
        UserError: the folder belongs to another run or cannot be written.
    """
    (encoded, labels), run_dir = train_set, Path(run_dir).expanduser()
    strategy = model.distribute_strategy

    def plan_of(encoded, epoch):
        return model.plan(encoded, token_budget=settings.token_budget, seed=settings.seed, epoch=epoch)

    passes = Passes(perturbed or encoded, plan_of, settings.epochs)
    with strategy.scope():
        schedule = WarmupLinearDecay(peak=settings.learning_rate, warmup=settings.warmup, passes=settings.epochs)
        options = {"jit_compile": jit}
        if np.ndim(labels) == 2:  # probabilities
            options["loss"] = keras.losses.CategoricalCrossentropy()
            options["weighted_metrics"] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
        model.compile(adamw(schedule, settings), **options)
        model.optimizer.build(model.trainable_variables)
    held = claim(run_dir, identity, chief)  # noqa: F841  until this function ends
    state = State(run_dir, model)
    progress = state.restore() or {
        "epoch": 0,
        "step": 0,
        "seconds": 0.0,
        "history": [],
        "bad": 0,
        "done": False,
        "sums": {},
    }
    several = strategy.cluster_resolver is not None and strategy.num_replicas_in_sync > 1
    if several and _differs_between_workers(
        strategy, tf.constant(progress["epoch"] * 2.0**20 + progress["step"], tf.float64)
    ):
        raise UserError(
            f"{run_dir}: the workers found different checkpoints in it, expected --run_dir on a disk that all share"
        )
    writer = tf.summary.create_file_writer(str(run_dir / "tensorboard")) if chief else tf.summary.create_noop_writer()
    before = progress["epoch"] * len(encoded)  # reviews that an earlier process has learned
    if progress["step"]:
        before += int(passes(progress["epoch"])[1].splits[progress["step"]])
    start = time.monotonic() - progress["seconds"]
    bar = Progress(settings.epochs * len(encoded), "reviews", done=before, title="train")
    first = FirstStep(log)
    with writer.as_default(), bar, Watchdog() as watchdog:
        while not progress["done"] and progress["epoch"] < settings.epochs:
            encoded, plan = passes(progress["epoch"])
            offset = progress["history"][-1]["steps"] if progress["history"] else 0
            schedule.begin(progress["epoch"], offset, len(plan))
            follow = _Follow(bar, plan, progress, offset, schedule, watchdog)
            while progress["step"] < len(plan):
                # a piece ends with a checkpoint; pieces are cut by the clock, which changes nothing in the result, but
                # that workers, whose clocks differ, have to cut alike
                steps = PIECE_OF_WORKERS if several else follow.steps_in(checkpoint_seconds)
                stop = min(len(plan), progress["step"] + steps)
                model.fit_batches(encoded, labels, plan, progress["step"], stop, [first, follow])
                follow.add_up(stop, settings)
                progress.update(step=stop, seconds=time.monotonic() - start)
                if stop < len(plan) and chief:
                    state.save(progress)
            figures = model.validate(*validation_set)
            better = all(model.score(figures) > model.score(epoch["validation"]) for epoch in progress["history"])
            counted = progress["sums"].pop("steps")
            means = {name: value / counted for name, value in progress["sums"].items()}
            progress["history"].append(
                {
                    "epoch": progress["epoch"] + 1,
                    "steps": offset + len(plan),
                    **means,
                    "reviews_per_second": bar.rate,
                    "validation": figures,
                }
            )
            for name, value in figures.items():
                if isinstance(value, float):
                    _log_scalar("validation/" + name, value, offset + len(plan))
            progress["bad"] = 0 if better else progress["bad"] + 1
            progress["done"] = progress["bad"] >= settings.patience
            progress.update(epoch=progress["epoch"] + 1, step=0, sums={}, seconds=time.monotonic() - start)
            if better:
                state.remember(progress, chief)
            if chief:
                state.save(progress)
    if chief:
        state.recall()
    history = progress["history"]
    return {
        "history": history,
        "best": max(history, key=lambda epoch: model.score(epoch["validation"])),
        "steps": history[-1]["steps"],
        "seconds": progress["seconds"],
    }


def _differs_between_workers(strategy, value):
    """Whether workers hold different whole numbers, float64, in which all find the same: some then differ from the
    rounded mean.
    """

    @tf.function
    def distance():
        mean = strategy.reduce("MEAN", strategy.run(lambda mine: mine, [value]), axis=None)
        return strategy.reduce("SUM", strategy.run(lambda mine: tf.abs(mine - tf.round(mean)), [value]), axis=None)

    return distance().numpy() > 0


def claim(run_dir: Path, identity: dict, chief: bool = True) -> Lock | None:
    """Makes the run folder ours, or checks that it is.

    Returns:
        Of the chief the hold on it: nobody else may claim it before that is gone.

    Raises:
        UserError: it holds another run, or something that is no run; another process is at work in it; or it cannot be
            written.
    """
    path = run_dir / "run.json"
    identity = json.loads(json.dumps(identity))
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError(f"{run_dir}: found a file, expected a folder, or nothing, for --run_dir")
    if path.exists():
        there = read_json(path, dict, "a run's record; choose another --run_dir")
        for key in sorted({*identity, *there}):
            if identity.get(key) != there.get(key):
                raise UserError(
                    f"{run_dir}: holds another run: found {key}={there.get(key)}, expected {identity.get(key)}; "
                    f"choose another --run_dir, or delete this one"
                )
    elif run_dir.exists() and not all(path.name == "lock" or _is_left_over(path) for path in run_dir.iterdir()):
        raise UserError(f"{run_dir}: found files that are no run's, expected an empty or new folder for --run_dir")
    if not chief:
        return None
    make_folder(run_dir)
    held = lock(run_dir)
    for path_left in filter(_is_left_over, run_dir.glob("*")):
        shutil.rmtree(path_left) if path_left.is_dir() else path_left.unlink()
    if not path.exists():
        write_text(path, json.dumps(identity, indent=1) + "\n")
    return held


def _is_left_over(path):
    """Whether a file or folder is what a killed run was about to write."""
    ours = r"(run\.json|(checkpoint|best)\.safetensors|\.(model|encoder))\.part-\d+|\.(model|encoder)\.old-\d+"
    return re.fullmatch(ours + r"|\.tmp\w{6}", path.name)  # .tmpXXXXXX is what safetensors writes before it renames it


PROGRESS = {
    "epoch": int,
    "step": int,
    "seconds": float,
    "history": [{"validation": dict}],
    "bad": int,
    "done": bool,
    "sums": {str: float},
}


class State:
    """A run's files: checkpoint.safetensors (weights, optimizer, progress) and best.safetensors (weights)."""

    def __init__(self, run_dir, model):
        self._checkpoint, self._best = run_dir / "checkpoint.safetensors", run_dir / "best.safetensors"
        self._weights, optimizer = model.weights, model.optimizer
        self._variables = [*self._weights, *optimizer.variables]
        if isinstance(
            optimizer, keras.mixed_precision.LossScaleOptimizer
        ):  # which lists its inner optimizer's variables alone
            self._variables += [optimizer._loss_scale._current_loss_scale, optimizer._loss_scale._counter]

    def save(self, progress):
        """Writes everything that the next step depends on."""
        self._write(self._checkpoint, self._variables, progress)

    def restore(self):
        """Reads it back; None where there is nothing yet."""
        return self._read(self._checkpoint, self._variables)

    def remember(self, progress, chief):
        """Keeps the present weights as the best so far."""
        if chief:
            self._write(self._best, self._weights, progress)

    def recall(self):
        """Brings the best weights back."""
        if self._read(self._best, self._weights) is None:
            raise UserError(
                f"{self._best}: missing, expected the best epoch's weights; delete the run's folder to start over"
            )

    @staticmethod
    def _write(path, variables, progress):
        from safetensors.numpy import save_file

        tensors = {"%04d" % i: np.asarray(variable.numpy()) for i, variable in enumerate(variables)}
        metadata = {"progress": json.dumps(progress)}
        write_atomically(path, lambda part: save_file(tensors, str(part), metadata))

    @staticmethod
    def _read(path, variables):
        if not path.exists():
            return None
        file = tensors.Safetensors(path, "checkpoint of this run", "delete it to start over")
        expected = ["%04d" % i for i in range(len(variables))]
        if sorted(file) != expected or any(
            file.shape(name) != tuple(variable.shape) for name, variable in zip(expected, variables)
        ):
            raise UserError(f"{path}: not a checkpoint of this run (other tensors); delete it to start over")
        progress = parse_json(
            file.metadata.get("progress", ""), f"{path}, progress", PROGRESS, "a run's; delete it to start over"
        )
        try:
            for name, variable in zip(expected, variables):
                variable.assign(file[name])
        except TypeError as error:  # of another dtype
            raise UserError(f"{path}: not a checkpoint of this run ({error}); delete it to start over") from None
        return progress


def _log_scalar(tag, value, step):
    """A point of a TensorBoard curve; tf.summary.scalar would need the tensorboard package, as viewing does."""
    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
    tf.summary.write(tag, tf.cast(value, tf.float32), step, metadata)


class FirstStep(keras.callbacks.Callback):
    """Says how long it took until the first step of a process was done, which is when it was traced and compiled."""

    def __init__(self, log):
        super().__init__()
        self._log, self._began, self._said = log, time.monotonic(), False
        self._supports_tf_logs = True

    def on_train_batch_end(self, batch, logs=None):
        if not self._said:
            self._said = True
            self._log("first step done after %.0f s, tracing and compiling included" % (time.monotonic() - self._began))


class _Follow(keras.callbacks.Callback):
    """Shows and logs the progress of one epoch, over its pieces. It asks the device for figures once a second, not at
    every step: an answer has to wait until all steps so far are done."""

    def __init__(self, bar, plan, progress, offset, schedule, watchdog):
        super().__init__()
        self._watchdog = watchdog
        self._bar, self._plan, self._progress, self._offset, self._schedule = bar, plan, progress, offset, schedule
        self._start, self._steps, self._logs, self._latest, self._asked = time.monotonic(), 0, {}, {}, 0.0
        self._supports_tf_logs = True  # Keras then leaves the figures on the device

    def steps_in(self, seconds):
        """How many steps fit, by the pace so far; few at first, while there is none."""
        pace = (time.monotonic() - self._start) / self._steps if self._steps else seconds / 20
        return max(1, int(seconds / max(pace, 1e-6)))

    def on_train_batch_end(self, batch, logs=None):
        step = self._progress["step"] + batch
        self._steps += 1
        self._latest = logs
        asks = time.monotonic() - self._asked >= ASK_SECONDS
        if asks:
            self._ask()
        self._bar.update(
            int(self._plan.splits[step + 1] - self._plan.splits[step]),
            epoch=str(self._progress["epoch"] + 1),
            **{name: f"{value:.4f}" for name, value in self._logs.items()},
        )
        step += self._offset
        if asks:
            for name, value in self._logs.items():
                _log_scalar("train/" + name, value, step)
            _log_scalar("train/learning_rate", self._schedule(step), step)
            _log_scalar("train/reviews_per_second", self._bar.rate, step)

    def _ask(self):
        self._logs = {name: float(self._latest[name]) for name in self.model.shown}
        self._watchdog.alive()
        self._asked = time.monotonic()

    def add_up(self, stop, settings):
        """Adds the piece that ends at `stop` to the epoch's sums: Keras' own means begin anew with each piece.

        Raises:
            UserError: the loss is not finite, before such weights are saved.
        """
        self._ask()
        if not math.isfinite(self._logs["loss"]):
            raise UserError(
                "the loss is %s after step %d of epoch %d, expected a finite one; lower --learning_rate, %g, in a new "
                "--run_dir" % (self._logs["loss"], stop, self._progress["epoch"] + 1, settings.learning_rate)
            )
        # Keras' means are over batches, whose texts count so that each batch counts the same
        steps = stop - self._progress["step"]
        sums = self._progress["sums"]
        if (
            "steps" not in sums
        ):  # the first piece; or the state is of before steps were counted, and its sums are of something else
            sums.clear()
        for name, value in {**self._logs, "steps": 1}.items():
            sums[name] = sums.get(name, 0.0) + steps * value
