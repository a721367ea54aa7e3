"""The training run: validation, early stopping, checkpoints, resume.

All state is in the run's folder: run_folder.py says whose it is, state.py what it holds. A run that was killed at any
moment goes on from the last checkpoint when it is started again with the same settings, and ends with the weights of
the uninterrupted run: batches, dropout and learning rate are functions of the seed and the step alone.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.progress import FirstStep, Progress
from nsmc_bert.base.watchdog import Watchdog
from nsmc_bert.learning.passes import Passes
from nsmc_bert.learning.run_folder import claim
from nsmc_bert.learning.state import RunProgress, State
from nsmc_bert.model.optimizers import WarmupLinearDecay, adamw, make_variables
from nsmc_bert.model.packing import Plan
from nsmc_bert.model.tokenizers import Encoded

ASK_SECONDS = 1.0  # between two times that a training is asked how it goes
PIECE_OF_WORKERS = 200  # steps between two checkpoints where several workers train
FIRST_PIECE = 20  # steps before the pace is known
DUE = 0.8  # of the time between two checkpoints, after which one is not put off for another piece
SAVING = 0.05  # of all time, about, that saving at the ends of epochs may take


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


class Trainable(Protocol):
    """What the loop needs of a model: a keras.Model, made in its strategy's scope, that plans its own batches, learns
    from some of them and says how good it is. SentimentClassifier and LanguageModel's subclasses are such models.
    """

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the figures of training that progress shows, "loss" among them."""

    @property
    def distribute_strategy(self) -> tf.distribute.Strategy:
        """The strategy in whose scope it was made."""

    @property
    def weights(self) -> list[tf.Variable]:
        """All weights, in an order that is the same in every process."""

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        """Those of them that the optimizer changes."""

    @property
    def optimizer(self) -> Any:
        """What `compile` made of its optimizer: that, or a LossScaleOptimizer around it."""

    def compile(self, optimizer: keras.optimizers.Optimizer, **options: Any) -> None:
        """Keras' compile: `jit_compile` and, for labels that are probabilities, `loss` and `metrics`."""

    def plan(self, encoded: Encoded, *, token_budget: int, seed: int, epoch: int) -> Plan:
        """The batches of a pass over texts, of a number that its devices can share."""

    def pack(self, encoded: Encoded, plan: Plan) -> Plan:
        """The same batches, packed."""

    def fit_batches(
        self, encoded: Encoded, labels: Any, plan: Plan, start: int, stop: int, callbacks: Sequence[Any] = ()
    ) -> Any:
        """Learns from batches `start` to `stop` of a plan, in their order."""

    def validate(self, encoded: Encoded, labels: Any) -> dict[str, Any]:
        """Figures of texts that are not learned from."""

    def score(self, figures: dict[str, Any]) -> float:
        """Of what `validate` gives, what the best epoch has most of."""


class Record(TypedDict):
    """What a training comes to.

    Keys:
        history: a dict for each epoch: epoch, from 1; steps, of all epochs so far; loss and the other means of
            training; reviews_per_second; validation, the figures, where there are any.
        best: that of the best epoch; without validation of the last one.
        steps: of all epochs.
        seconds: of all processes.
    """

    history: list[dict[str, Any]]
    best: dict[str, Any]
    steps: int
    seconds: float


def train(
    model: Trainable,
    train_set: tuple[Encoded, Any],
    validation_set: tuple[Encoded, Any] | None,
    settings: Settings,
    run_dir: str | Path,
    *,
    identity: Mapping[str, Any],
    perturbed: Callable[[int], Encoded] | None = None,
    first_plan: Plan | None = None,
    jit: bool = False,
    schedule: WarmupLinearDecay | None = None,
    checkpoint_seconds: float = 60.0,
    chief: bool = True,
    title: str = "train",
    log: Callable[[str], None] = lambda line: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda epoch: None,
) -> Record:
    """Trains to the best epoch on validation, or goes on with what the run folder holds.

    Args:
        model: what learns; ends with the best epoch's weights, without validation with the last one's.
        train_set: (tokenizers.Encoded, labels: int32 [n], for a classifier also float32 [n, classes] probabilities, or
            None for a model that learns from text alone).
        validation_set: (tokenizers.Encoded, labels), or None: then nothing is chosen, and all epochs are learned.
        settings: how to train.
        run_dir: the folder that holds all state of the run.
        identity: a flat dict of what the run is (data, tokenizer, encoder, settings, …): a folder of a run with
            another identity is refused.
        perturbed: makes the Encoded of each pass from its number, from 0, instead of the train set's: as many texts, in
            the same order.
        first_plan: the first pass's batches as model.plan would make them, where the caller has them already.
        jit: compile the whole step with XLA.
        schedule: of a model that `compile_model` has compiled with these settings already, of whatever seed: what was
            traced in an earlier training is then used again, and its optimizer begins anew.
        checkpoint_seconds: about how often the state is saved; it is saved in the end, too, and at the end of an epoch
            where that takes little time.
        chief: whether this process writes; of several workers only one does.
        title: of the progress that is shown.
        log: called with each line to show.
        on_epoch: called with each epoch of the history as it ends, and first with those that an earlier process
            learned.

    Returns:
        The history and the best of it.

    Raises:
        UserError: the folder belongs to another run or cannot be written.
    """
    (encoded, labels), run_dir = train_set, Path(run_dir).expanduser()
    plans = functools.partial(_plan, model, settings, first_plan)
    passes = Passes(perturbed or encoded, plans, settings.epochs)
    if schedule is None:
        schedule = compile_model(model, settings, probabilities=np.ndim(labels) == 2, jit=jit)
    else:
        _begin_anew(model.optimizer)
    held = claim(run_dir, identity, chief)  # noqa: F841  until this function ends
    state = State(run_dir, model.weights, model.optimizer)
    restored = state.restore()
    progress = restored or RunProgress()
    several = _has_workers(model.distribute_strategy)
    if several:
        _check_workers(model.distribute_strategy, progress, run_dir)
    done = progress.epoch * len(encoded)  # reviews that an earlier process has learned
    where = f"epoch {progress.epoch + 1} of {settings.epochs}"
    if progress.step:
        plan = passes(progress.epoch)[1]
        done += int(plan.splits[progress.step])
        where += f", after {progress.step} of {len(plan)} steps"
    if restored and not progress.done and progress.epoch < settings.epochs:
        log(f"going on in {run_dir} from {where}")
    bar = Progress(settings.epochs * len(encoded), "reviews", done=done, title=title)
    writer = tf.summary.create_file_writer(str(run_dir / "tensorboard")) if chief else tf.summary.create_noop_writer()
    first = FirstStep(log)
    with writer.as_default(), bar, Watchdog() as watchdog:
        seconds = None if several else checkpoint_seconds
        run = _Run(model, settings, state, progress, schedule, bar, watchdog, first, seconds, chief)
        for epoch in progress.history:
            on_epoch(epoch)
        while not progress.done and progress.epoch < settings.epochs:
            encoded, plan = passes(progress.epoch)
            run.learn(encoded, labels, plan)
            run.end_epoch(model.validate(*validation_set) if validation_set else None, len(plan))
            on_epoch(progress.history[-1])
    best = progress.history[-1]
    if progress.done and progress.epoch < settings.epochs:
        log(f"stopped after {progress.epoch} of {settings.epochs} epochs: the last {settings.patience} were no better")
    if validation_set:
        best = max(progress.history, key=lambda epoch: model.score(epoch["validation"]))
        if chief:
            state.recall()
        if best is not progress.history[-1]:
            log(f"kept: epoch {best['epoch']}, the best on validation")
    return {"history": progress.history, "best": best, "steps": progress.steps, "seconds": progress.seconds}


def _plan(model: Trainable, settings: Settings, first: Plan | None, encoded: Encoded, epoch: int) -> Plan:
    """The batches of a pass, packed."""
    if first is None or epoch:
        first = model.plan(encoded, token_budget=settings.token_budget, seed=settings.seed, epoch=epoch)
    return model.pack(encoded, first)


def compile_model(model: Trainable, settings: Settings, *, probabilities: bool, jit: bool) -> WarmupLinearDecay:
    """Compiles a model with its optimizer, whose slots exist then; returns the schedule of its rate.

    Args:
        model: what learns.
        settings: how.
        probabilities: whether its labels are probabilities.
        jit: compile the whole step with XLA.
    """
    with model.distribute_strategy.scope():
        schedule = WarmupLinearDecay(peak=settings.learning_rate, warmup=settings.warmup, passes=settings.epochs)
        options: dict[str, Any] = {"jit_compile": jit}
        if probabilities:
            options["loss"] = keras.losses.CategoricalCrossentropy()
            options["metrics"] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
        model.compile(adamw(schedule, settings.weight_decay, settings.clip_norm), **options)
    make_variables(model)
    return schedule


def _begin_anew(optimizer: Any) -> None:
    """Sets an optimizer, an AdamW or a LossScaleOptimizer around one, back to before its first step."""
    for variable in optimizer.variables:
        variable.assign(tf.zeros_like(variable))
    if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        optimizer._loss_scale._current_loss_scale.assign(optimizer.initial_scale)
        optimizer._loss_scale._counter.assign(0)


@dataclasses.dataclass
class _Run:
    """A run under way in this process.

    Attributes:
        model, settings, state, progress, schedule, bar, watchdog, first: what its parts are.
        checkpoint_seconds: about how often the state is saved; None: after so many steps, where several workers, whose
            clocks differ, have to do it alike.
        chief: whether this process writes.
    """

    model: Trainable
    settings: Settings
    state: State
    progress: RunProgress
    schedule: WarmupLinearDecay
    bar: Progress
    watchdog: Watchdog
    first: FirstStep
    checkpoint_seconds: float | None
    chief: bool

    def __post_init__(self) -> None:
        self._saved = time.monotonic()
        self._took = 0.0  # seconds that the last save took; 0 before the first
        self._start = self._saved - self.progress.seconds
        self._pace = 0.0  # seconds a step, of the last piece; 0 before the first

    def learn(self, encoded: Encoded, labels: Any, plan: Plan) -> None:
        """Learns what is left of an epoch, in pieces, after which a checkpoint is saved where it is time. Where they
        are cut changes nothing in the result.

        Raises:
            UserError: the loss is not finite, before such weights are saved.
        """
        progress = self.progress
        self.schedule.begin(progress.epoch, progress.steps, len(plan))
        follow = _Follow(self.bar, plan, progress, self.schedule, self.watchdog, self.first)
        while progress.step < len(plan):
            began, stop = time.monotonic(), min(len(plan), progress.step + self._piece())
            self.model.fit_batches(encoded, labels, plan, progress.step, stop, [follow])
            figures = follow.ask()
            self._pace = (time.monotonic() - began) / (stop - progress.step)
            if not math.isfinite(figures["loss"]):
                raise UserError(
                    f"the loss is {figures['loss']} after step {stop} of epoch {progress.epoch + 1}, expected a finite "
                    f"one; lower --learning_rate, {self.settings.learning_rate:g}, in a new --run_dir"
                )
            progress.add(figures, stop, int(plan.splits[stop] - plan.splits[progress.step]))
            if stop < len(plan):
                self._save_when_due()

    def _piece(self) -> int:
        """How many steps to take before the next look at the clock, by the pace so far; few before there is one."""
        if self.checkpoint_seconds is None:
            return PIECE_OF_WORKERS
        if not self._pace:
            return FIRST_PIECE if self.checkpoint_seconds else 1
        left = self.checkpoint_seconds - (time.monotonic() - self._saved)
        return max(1, int(left / self._pace))

    def _save_when_due(self, *, at_end: bool = False, at_last: bool = False) -> None:
        """Saves the state if it was last saved so long ago that a kill would cost too much, or at the end of an epoch
        that saving costs little beside, or it is the last.
        """
        began = time.monotonic()
        self.progress.seconds = began - self._start
        wait = 0.0 if at_last or self.checkpoint_seconds is None else DUE * self.checkpoint_seconds
        if at_end:
            wait = min(wait, self._took / SAVING)
        if self.chief and began - self._saved >= wait:
            self.state.save(self.progress)
            self._saved = time.monotonic()
            self._took = self._saved - began

    def end_epoch(self, figures: dict[str, Any] | None, steps: int) -> None:
        """Records an epoch of `steps` steps with its validation's figures, and its weights if they are the best."""
        progress, score = self.progress, self.model.score
        better = not figures or all(score(figures) > score(epoch["validation"]) for epoch in progress.history)
        progress.end_epoch(figures, steps, self.bar.rate, better, self.settings.patience)
        for name, value in (figures or {}).items():
            if isinstance(value, float):
                _log_scalar(f"validation/{name}", value, progress.steps)
        if better and figures and self.chief:
            self.state.remember(progress)
        self._save_when_due(at_end=True, at_last=progress.done or progress.epoch == self.settings.epochs)


def _has_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes share the work."""
    return strategy.cluster_resolver is not None and strategy.num_replicas_in_sync > 1


def _check_workers(strategy: tf.distribute.Strategy, progress: RunProgress, run_dir: Path) -> None:
    """Refuses workers that have found different checkpoints."""
    if _differs_between_workers(strategy, tf.constant(progress.epoch * 2.0**20 + progress.step, tf.float64)):
        raise UserError(
            f"{run_dir}: the workers found different checkpoints in it, expected --run_dir on a disk that all share"
        )


def _differs_between_workers(strategy: tf.distribute.Strategy, value: tf.Tensor) -> bool:
    """Whether workers hold different whole numbers, float64, in which all find the same: some then differ from the
    rounded mean.
    """

    @tf.function(autograph=False)
    def distance() -> tf.Tensor:
        mean = strategy.reduce("MEAN", strategy.run(lambda mine: mine, [value]), axis=None)
        return strategy.reduce("SUM", strategy.run(lambda mine: tf.abs(mine - tf.round(mean)), [value]), axis=None)

    return distance().numpy() > 0


def _log_scalar(tag: str, value: Any, step: int) -> None:
    """A point of a TensorBoard curve; tf.summary.scalar would need the tensorboard package, as viewing does."""
    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
    tf.summary.write(tag, tf.cast(value, tf.float32), step, metadata)


class _Follow(keras.callbacks.Callback):
    """Shows and logs the progress of one epoch, over its pieces. It asks the device for figures once a second, not at
    every step: an answer has to wait until all steps so far are done."""

    def __init__(
        self,
        bar: Progress,
        plan: Plan,
        progress: RunProgress,
        schedule: WarmupLinearDecay,
        watchdog: Watchdog,
        first: FirstStep,
    ):
        super().__init__()
        self._bar, self._plan, self._progress, self._schedule = bar, plan, progress, schedule
        self._watchdog, self._first = watchdog, first
        self._asked = 0.0
        self._figures: dict[str, float] = {}
        self._latest: Any = {}
        self._supports_tf_logs = True  # Keras then leaves the figures on the device

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._first.done()
        step = self._progress.step + batch
        self._latest = logs
        asks = time.monotonic() - self._asked >= ASK_SECONDS
        if asks:
            self.ask()
        self._bar.update(
            int(self._plan.splits[step + 1] - self._plan.splits[step]),
            epoch=str(self._progress.epoch + 1),
            **{name: f"{value:.4f}" for name, value in self._figures.items()},
        )
        if asks:
            self._log(self._progress.steps + step)

    def _log(self, step: int) -> None:
        for name, value in self._figures.items():
            _log_scalar(f"train/{name}", value, step)
        _log_scalar("train/learning_rate", self._schedule(step), step)
        _log_scalar("train/reviews_per_second", self._bar.rate, step)

    def ask(self) -> dict[str, float]:
        """The figures of the piece so far, as means over its steps."""
        self._figures = {name: float(self._latest[name]) for name in self.model.shown}
        self._watchdog.alive()
        self._asked = time.monotonic()
        return self._figures
