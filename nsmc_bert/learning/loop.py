"""The training run: validation, early stopping, checkpoints, resume.

All state is in the run folder. A run that was killed at any moment goes on from the last checkpoint when it is started
again with the same settings, and ends with the weights of the uninterrupted run: batches, dropout and learning rate are
functions of the seed and the step alone.
"""

import dataclasses
import functools
import itertools
import json
import math
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base import tensors
from nsmc_bert.base.classes import of_record
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import Lock, lock, make_folder, write_atomically, write_text
from nsmc_bert.base.json_files import parse_json, read_json
from nsmc_bert.base.progress import Progress
from nsmc_bert.base.watchdog import Watchdog
from nsmc_bert.learning.passes import Passes
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
        """Keras' compile: `jit_compile` and, for labels that are probabilities, `loss` and `weighted_metrics`."""

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


@dataclasses.dataclass
class RunProgress:
    """How far a run is: what a checkpoint holds beside its tensors.

    Attributes:
        epoch: epochs that are done.
        step: steps of the next epoch that are done.
        seconds: of work so far, of all processes.
        history: a dict for each epoch that is done; see Record.
        bad: epochs since the best one.
        done: whether training has stopped before its last epoch.
        sums: by name the figures of the next epoch's steps so far, added up, and "steps", their number.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    bad: int = 0
    done: bool = False
    sums: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def steps(self) -> int:
        """The steps of the epochs that are done."""
        return self.history[-1]["steps"] if self.history else 0

    def add(self, figures: Mapping[str, float], stop: int) -> None:
        """Adds the steps up to `stop` of this epoch, of which `figures` are the means, to its sums.

        Keras' own means begin anew with each piece. They are over batches, whose texts count so that each batch counts
        the same.
        """
        if "steps" not in self.sums:  # the first piece; or a state of before steps were counted, whose sums are others
            self.sums.clear()
        for name, value in {**figures, "steps": 1}.items():
            self.sums[name] = self.sums.get(name, 0.0) + (stop - self.step) * value
        self.step = stop

    def end_epoch(self, figures: dict[str, Any] | None, steps: int, rate: float, better: bool, patience: int) -> None:
        """Puts the epoch that has been learned into the history.

        Args:
            figures: of validation, or None without it.
            steps: of this epoch.
            rate: reviews a second.
            better: whether it is the best so far.
            patience: epochs without a better one after which training stops.
        """
        counted = self.sums.pop("steps")
        means = {name: value / counted for name, value in self.sums.items()}
        record = {"epoch": self.epoch + 1, "steps": self.steps + steps, **means}
        validation = {} if figures is None else {"validation": figures}
        self.history.append({**record, "reviews_per_second": rate, **validation})
        self.bad = 0 if better else self.bad + 1
        self.done = self.bad >= patience
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}


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
    state = State(run_dir, model)
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
            options["weighted_metrics"] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
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
    state: "State"
    progress: RunProgress
    schedule: WarmupLinearDecay
    bar: Progress
    watchdog: Watchdog
    first: "FirstStep"
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
        follow = _Follow(self.bar, plan, progress, self.schedule, self.watchdog)
        while progress.step < len(plan):
            began, stop = time.monotonic(), min(len(plan), progress.step + self._piece())
            self.model.fit_batches(encoded, labels, plan, progress.step, stop, [self.first, follow])
            figures = follow.ask()
            self._pace = (time.monotonic() - began) / (stop - progress.step)
            if not math.isfinite(figures["loss"]):
                raise UserError(
                    f"the loss is {figures['loss']} after step {stop} of epoch {progress.epoch + 1}, expected a finite "
                    f"one; lower --learning_rate, {self.settings.learning_rate:g}, in a new --run_dir"
                )
            progress.add(figures, stop)
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


def claim(
    run_dir: Path, identity: Mapping[str, Any], chief: bool = True, *, part_of: Path | None = None
) -> Lock | None:
    """Makes the run folder ours, or checks that it is.

    Args:
        run_dir: the folder.
        identity: all that decides the run's result.
        chief: whether this process writes into it.
        part_of: the --run_dir, where this folder is one of several in it.

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
    files = list(run_dir.iterdir()) if run_dir.exists() else []  # before it is known whose they are: of several
    if path.exists():  # workers the chief may be writing its record just now
        recorded = read_json(path, RECORDED, "a run's record; choose another --run_dir")
        for key in sorted({*identity, *recorded}):
            if identity.get(key) != recorded.get(key):
                raise UserError(
                    f"{run_dir}: holds another run: {_difference(key, recorded.get(key), identity.get(key))}; "
                    f"choose another folder, --run_dir={_vacant(part_of or run_dir)}, or delete this one"
                )
    elif not all(file.name == "lock" or _is_left_over(file) for file in files):
        raise UserError(f"{run_dir}: found files that are no run's, expected an empty or new folder for --run_dir")
    if not chief:
        return None
    make_folder(run_dir)
    held = lock(run_dir)
    for left_over in filter(_is_left_over, run_dir.glob("*")):
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    if not path.exists():
        write_text(path, json.dumps(identity, indent=1) + "\n")
    return held


RECORDED = {"classes?": {"names": [str], "values": [float]}}  # what is read of a run's record, beside equal or not
CHECKSUMS = {  # keys of an identity whose values say nothing to a reader: what another value means
    "data": "what was learned from is not what is there now",
    "texts": "what was learned from is not what is there now",
    "ratings": "the ratings are not those that are there now",
    "test": "the test reviews are not those that are there now",
    "unlabelled": "the texts without labels are not those that are there now",
    "teachers": "it had other teachers",
    "encoder": "it started from another encoder",
    "tokenizer": "it had another tokenizer",
}


def _difference(key: str, there: Any, now: Any) -> str:
    """How the record of another run differs from this one's, in words."""
    if key in CHECKSUMS:
        return CHECKSUMS[key]
    if key == "classes":
        return f"{of_record({key: there})} there, {of_record({key: now})} now"
    return f"{key}={there} there, {now} now"


def _vacant(folder: Path) -> Path:
    """A name like a folder's, with another number, that nothing has."""
    name = re.sub(r"-\d+$", "", folder.name)
    numbered = (folder.with_name(f"{name}-{number}") for number in itertools.count(2))
    return next(path for path in numbered if not path.exists())


def _is_left_over(path: Path) -> bool:
    """Whether a file or folder is what a killed run was about to write."""
    ours = r"(run\.json|(checkpoint|best)\.safetensors|\.(model|encoder))\.part-\d+|\.(model|encoder)\.old-\d+"
    return bool(
        re.fullmatch(ours + r"|\.tmp\w{6}", path.name)
    )  # .tmpXXXXXX is what safetensors writes before it renames it


PROGRESS = {  # the shape of a RunProgress in a checkpoint
    "epoch": int,
    "step": int,
    "seconds": float,
    "history": [{"validation?": dict}],
    "bad": int,
    "done": bool,
    "sums": {str: float},
}


class State:
    """A run's files: checkpoint.safetensors (weights, optimizer, progress) and best.safetensors (weights).

    Args:
        run_dir: the run's folder.
        model: compiled, its optimizer built.
    """

    def __init__(self, run_dir: Path, model: Trainable):
        self._checkpoint, self._best = run_dir / "checkpoint.safetensors", run_dir / "best.safetensors"
        self._weights, optimizer = model.weights, model.optimizer
        self._variables = [*self._weights, *optimizer.variables]
        self._remembered: tuple[list[np.ndarray], str] | None = None  # what the next `save` writes as the best
        # a LossScaleOptimizer lists its inner optimizer's variables alone
        if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            self._variables += [optimizer._loss_scale._current_loss_scale, optimizer._loss_scale._counter]

    def save(self, progress: RunProgress) -> None:
        """Writes everything that the next step depends on, and the best weights so far where they are new."""
        if self._remembered is not None:
            self._write(self._best, *self._remembered)
            self._remembered = None
        self._write(self._checkpoint, _values(self._variables), _as_json(progress))

    def restore(self) -> RunProgress | None:
        """Reads it back; None where there is nothing yet.

        Raises:
            UserError: it is no checkpoint of this run.
        """
        return self._read(self._checkpoint, self._variables)

    def remember(self, progress: RunProgress) -> None:
        """Keeps the present weights as the best so far, in memory until the next `save`: on the disk they would be of
        an epoch that the checkpoint beside them does not know.
        """
        self._remembered = [value.copy() for value in _values(self._weights)], _as_json(progress)

    def recall(self) -> None:
        """Brings the best weights back that were saved.

        Raises:
            UserError: they are missing, or of another run.
        """
        if self._read(self._best, self._weights) is None:
            raise UserError(
                f"{self._best}: missing, expected the best epoch's weights; delete the run's folder to start over"
            )

    @staticmethod
    def _write(path: Path, values: Sequence[np.ndarray], progress: str) -> None:
        from safetensors.numpy import save_file

        arrays = {f"{i:04d}": value for i, value in enumerate(values)}
        write_atomically(path, lambda part: save_file(arrays, str(part), {"progress": progress}))

    @staticmethod
    def _read(path: Path, variables: Sequence[tf.Variable]) -> RunProgress | None:
        if not path.exists():
            return None
        file = tensors.Safetensors(path, "checkpoint of this run", "delete it to start over", finite=False)
        expected = [f"{i:04d}" for i in range(len(variables))]
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
        return RunProgress(**{name: progress[name] for name in PROGRESS})


def _values(variables: Sequence[tf.Variable]) -> list[np.ndarray]:
    return [np.asarray(variable.numpy()) for variable in variables]


def _as_json(progress: RunProgress) -> str:
    return json.dumps(dataclasses.asdict(progress))


def _log_scalar(tag: str, value: Any, step: int) -> None:
    """A point of a TensorBoard curve; tf.summary.scalar would need the tensorboard package, as viewing does."""
    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class="DATA_CLASS_SCALAR")
    tf.summary.write(tag, tf.cast(value, tf.float32), step, metadata)


class FirstStep(keras.callbacks.Callback):
    """Logs how long it took until the first step of a process was done, which is when it was traced and compiled.

    Args:
        log: called with the line.
    """

    def __init__(self, log: Callable[[str], None]):
        super().__init__()
        self._log, self._start, self._is_logged = log, time.monotonic(), False
        self._supports_tf_logs = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._is_logged:
            self._is_logged = True
            seconds = time.monotonic() - self._start
            self._log(f"first step done after {seconds:.0f} s, tracing and compiling included")


class _Follow(keras.callbacks.Callback):
    """Shows and logs the progress of one epoch, over its pieces. It asks the device for figures once a second, not at
    every step: an answer has to wait until all steps so far are done."""

    def __init__(
        self, bar: Progress, plan: Plan, progress: RunProgress, schedule: WarmupLinearDecay, watchdog: Watchdog
    ):
        super().__init__()
        self._bar, self._plan, self._progress, self._schedule = bar, plan, progress, schedule
        self._watchdog = watchdog
        self._asked = 0.0
        self._figures: dict[str, float] = {}
        self._latest: Any = {}
        self._supports_tf_logs = True  # Keras then leaves the figures on the device

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
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
