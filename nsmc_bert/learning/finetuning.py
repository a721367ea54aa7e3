"""Fine-tuning: reviews are split and tokenised, and for each seed a classifier is trained, calibrated, measured and
saved.
"""

import dataclasses
import gc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert import bundled
from nsmc_bert.base import runtime
from nsmc_bert.base.classes import SENTIMENT
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.files import Lock
from nsmc_bert.base.json_files import read_json
from nsmc_bert.data import perturbation, reviews
from nsmc_bert.data.find import SPLIT_SEED, VALIDATION, Data
from nsmc_bert.data.rows import composed
from nsmc_bert.learning import cross_validation, distillation, provenance, run_folder
from nsmc_bert.learning.card import model_card
from nsmc_bert.learning.evaluation import confident_errors, evaluate
from nsmc_bert.learning.provenance import Start
from nsmc_bert.model import calibration, checkpoints, metrics, packing
from nsmc_bert.model.tokenizers import Encoded

if TYPE_CHECKING:  # TensorFlow is imported when a run begins: the commands' flags are defined without it
    from nsmc_bert.learning.loop import Record, Settings
    from nsmc_bert.model.classifier import SentimentClassifier

RUNS = Path("runs")  # where runs go that are given no folder
HEADS = ("auto", "kept", "new")
FEW = 200  # of the user's own reviews, below which the classifier that ships is the better start: docs/results.md
ALL_STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 500, 2, 30  # epochs are added until there are so many steps
# peaks of the learning rate for encoders of these widths: measured for the narrow one, published advice for the wide
# one (Devlin et al. 2019)
WIDTHS, PRETRAINED_RATES, RANDOM_RATES = (256, 768), (3e-4, 5e-5), (5e-4, 1e-4)
ERRORS = 20  # of the most confident ones that a record keeps
AUTO = "auto"
FOLDS = 5
# of the user's own reviews, below which a tenth of them says too little to choose by and to calibrate on
FOLDED = 10 * calibration.FEWEST


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """How to fine-tune, as the flags of nsmc_bert.train say it; its defaults are theirs.

    Attributes:
        run_dir: the run's folder, with several seeds of a folder seed-N for each; "" for one below RUNS that the data
            names.
        encoder: a folder or hub name of an encoder, a config.json for random weights, or one of the words bundled and
            classifier for the encoder and the classifier that ship; "" for bundled, and with fewer than FEW reviews of
            one's own, negative and positive, for classifier.
        head: kept, to go on with the classifier's head too; new, to draw one; auto, which keeps that of the classifier
            that ships where the reviews are negative and positive.
        tokenizer: a folder or hub name; "" for the encoder's own, or with a config.json the bundled one.
        validation: share of the training reviews, between 0 and 1, that is held out to choose the epoch by; None for
            VALIDATION, or with folds for none.
        folds: into how many parts the reviews are cut for cross-validation, which holds nothing out in the end: "0" for
            a validation split instead, or AUTO, FOLDS with fewer than FOLDED reviews of one's own, unless a share to
            hold out, patience or teachers are named; see cross_validation.
        split_seed: seed of the split, or of the folds.
        max_length: pieces of a review that are read, the two special ones included.
        epochs: passes over the training reviews, at most; 0 goes by the size of the data.
        token_budget: tokens a batch, padding included, over all devices; 0 goes by the hardware and the size of the
            data.
        learning_rate: peak of AdamW's; None goes by the encoder, see `learning_rate`.
        warmup: share of all steps, from 0 to 1, over which the rate rises; it then falls linearly to 0.
        weight_decay: AdamW's, on everything but biases and layer normalisation.
        clip_norm: global norm that gradients are scaled down to.
        dropout: of hidden states and attention, from 0 to 0.9; None for the encoder's own.
        augment: share of the training reviews, from 0 to 1, that each epoch perturbs; see perturbation.augment.
        teachers: folders of classifiers to learn from besides the labels; see distillation.targets.
        positive_label: which labels of teachers, and of a head that is kept, mean positive, where their names do not
            say so; see heads.order.
        patience: epochs without a better validation accuracy, of ratings a less wrong expected rating, after which
            training stops; 0 for a third of all epochs, at least two.
        seeds: a model is trained for each.
        checkpoint_seconds: about how many seconds of work a kill may cost.
        perturb: names in perturbation.PERTURBATIONS, with which the test reviews are read as well.
        weights: number format of the weights that are saved, float32 or float16.
        precision, xla, strategy: see runtime.configure.
    """

    run_dir: str = ""
    encoder: str = ""
    head: str = "auto"
    tokenizer: str = ""
    validation: float | None = None
    folds: str = AUTO
    split_seed: int = SPLIT_SEED
    max_length: int = 128
    epochs: int = 0
    token_budget: int = 0
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float | None = None
    augment: float = 0.0
    teachers: tuple[str, ...] = ()
    positive_label: tuple[str, ...] = ()
    patience: int = 0
    seeds: tuple[int, ...] = (1,)
    checkpoint_seconds: float = 60.0
    perturb: tuple[str, ...] = ()
    weights: str = "float32"
    precision: str = "auto"
    xla: str = "auto"
    strategy: str = "auto"


def epoch_count(steps: int) -> int:
    """The epochs of so many steps each that suit fine-tuning: two, and more on small data."""
    return int(np.clip(round(ALL_STEPS / steps), FEWEST_EPOCHS, MOST_EPOCHS))


def learning_rate(width: int, pretrained: bool) -> float:
    """The peak of fine-tuning's learning rate that suits an encoder of this many hidden units, to two digits.

    Between WIDTHS it goes by a power of the width.
    """
    rates = PRETRAINED_RATES if pretrained else RANDOM_RATES
    return float(f"{np.exp(np.interp(np.log(width), np.log(WIDTHS), np.log(rates))):.1e}")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What all seeds of a run share.

    Attributes:
        data: the reviews, as they were found.
        how: what was asked for.
        start: the encoder and the tokenizer.
        devices: what is computed on.
        run_dir: the run's folder.
        max_length: pieces of a review that are read, by what was asked for and what the encoder knows.
        texts: those to learn from: n with a label, and after them those that only teachers label.
        labels: int32 [n], numbers of data.classes.
        encoded: the token ids of `texts`.
        fold: the number of the fold of each labelled text, int64 [n], from 0; None where reviews are held out instead.
        validation_set: the reviews held out, and their labels, int32; None with folds.
        plan: the batches of the first epoch of the first seed, where one device computes and nothing is perturbed; of
            as many steps as those of any epoch.
        settings: the loop's, with the first seed.
        identity: what decides the result beside start, devices and settings.
        warnings: what of the figures is not of unseen reviews, and why.
    """

    data: Data
    how: FineTuning
    start: Start
    devices: runtime.Runtime
    run_dir: Path
    max_length: int
    texts: list[str]
    labels: np.ndarray
    encoded: Encoded
    fold: np.ndarray | None
    validation_set: tuple[Encoded, np.ndarray] | None
    plan: packing.Plan
    settings: "Settings"
    identity: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        tokens, plan, epochs = int(self.encoded.lengths.sum()), self.plan, self.settings.epochs
        truncated = counted(int(self.encoded.truncated.sum()), "review")
        held_out = "none held out" if self.validation_set is None else f"{len(self.validation_set[0])} to validate on"
        return (
            f"{counted(len(self.texts), 'review')} to train on, {held_out}; {tokens} tokens, "
            f"{plan.tokens} computed ({plan.tokens / tokens:.2f} times), {truncated} cut at {self.max_length} "
            f"pieces; {counted(epochs, 'epoch')} of {counted(len(plan), 'step')}"
        )


@dataclasses.dataclass(frozen=True)
class Run:
    """The training of one seed.

    Attributes:
        folder: its own.
        settings: the loop's.
        identity: all that decides its result.
    """

    folder: Path
    settings: "Settings"
    identity: dict[str, Any]

    @property
    def model(self) -> Path:
        """The folder of the model that comes of it."""
        return self.folder / "model"


def fine_tune(
    data: Data,
    how: FineTuning,
    *,
    unlabelled: Sequence[str] = (),
    log: Callable[[str], None] = print,
    command: str = "train",
) -> list[dict[str, Any]]:
    """Trains, evaluates and saves a model for each seed, or goes on where a run like this was interrupted.

    Args:
        data: the reviews; without test reviews no test figure is reported.
        how: everything else.
        unlabelled: texts that the teachers label; those that stand in `data` are left out.
        log: called with each line to show.
        command: the module of nsmc_bert that was run, for the record of how a model was made.

    Returns:
        For each seed what went into training.json, and `folder`, the model's. Of several workers only the chief has
        it.

    Raises:
        UserError: what to start from cannot be read, this machine cannot compute so, or a run's folder holds another
            run or cannot be written.

    Example:
        >>> sample = Data("bundled sample", "sample", *reviews.sample())
        >>> results = fine_tune(sample, FineTuning(epochs=2, seeds=(1, 2)))  # doctest: +SKIP
        >>> [result["test"]["accuracy"] for result in results]  # doctest: +SKIP
    """
    assert data.train is not None
    start, why = start_of(how, data)
    devices = runtime.configure(precision=how.precision, xla=how.xla, strategy=how.strategy)
    log(f"computing on {devices.description}")
    log(f"starting from {start.name}{why}")
    prepared = prepare(data, how, start, devices, unlabelled)
    log(str(prepared))
    for warning in prepared.warnings:
        log(warning)
    if prepared.fold is not None:
        log(cost_of_folds(prepared))
    results: list[dict[str, Any]] = []
    held: list[Lock | None] = []  # until all models are saved, not only until they are trained
    targets, bench = None, None
    for run in runs(prepared):
        seed, finished = run.settings.seed, run.model / "training.json"
        if finished.exists():
            run_folder.claim(run.folder, run.identity, devices.chief, part_of=prepared.run_dir)
            log(f"seed {seed}: finished already, in {run.model}")
            results.append({**read_json(finished, provenance.FINISHED), "folder": str(run.model)})
            lacking = [name for name in how.perturb if f"test_{name}" not in results[-1]]
            if lacking and data.test is not None:
                log(
                    f"seed {seed}: was measured without --perturb={','.join(lacking)}; python -m nsmc_bert.evaluate "
                    f"--model={run.model} measures it"
                )
            continue
        held.append(run_folder.claim(run.folder, run.identity, devices.chief, part_of=prepared.run_dir))
        if len(how.seeds) > 1:
            log(f"seed {seed}")
        if targets is None:  # teachers are asked when it is known that there is something to learn, and once
            targets = targets_of(prepared, log) if how.teachers else prepared.labels
        if bench is None:
            gc.collect()  # what another run of this process computed with
            bench = Workbench(prepared, run.settings)
        out_of_fold = None if prepared.fold is None else cross_validate(prepared, run, log, bench)
        learned = learn(prepared, run, targets, log, bench)
        if devices.chief:
            final = bench.as_loaded()
            calibrated = finish(prepared, final, log, out_of_fold)
            result = record(prepared, run, learned, final, calibrated, out_of_fold, command)
            final.save(run.model, training=result, card=model_card(result), dtype=how.weights)
            results.append({**result, "folder": str(run.model)})
    devices.leave()
    return results


def start_of(how: FineTuning, data: Data) -> tuple[Start, str]:
    """What to start from, and in words why, where that was not asked for."""
    assert data.train is not None
    encoder, count, two = how.encoder, len(data.train), data.classes == SENTIMENT
    few = two and not encoder and data.folder == "reviews" and count < FEW and not how.tokenizer
    ships = few or encoder == provenance.SHIPS
    start = Start(bundled.CLASSIFIER if ships else encoder or bundled.ENCODER, how.tokenizer)
    if how.head == "kept" or how.head == "auto" and ships and two:
        # what ships says itself which is positive: there the teachers' labels are meant
        start.keep_head(data.classes, () if ships else how.positive_label)
    why = f", as {count:,} reviews are few; --encoder={bundled.ENCODER} for the encoder alone" if few else ""
    if ships and not two:
        why = f", its encoder alone: its head tells {SENTIMENT} apart, and the reviews have {data.classes}"
    return start, ("; its head is kept" if start.head is not None else "") + why


def prepare(
    data: Data, how: FineTuning, start: Start, devices: runtime.Runtime, unlabelled: Sequence[str] = ()
) -> Prepared:
    """Splits and tokenises the reviews, and decides what was left open.

    Args:
        data: the reviews.
        how: what was asked for.
        start: the encoder and the tokenizer.
        devices: what is computed on.
        unlabelled: texts that the teachers label; those that stand in `data` are left out.

    Raises:
        UserError: the reviews cannot be split so, or of one's own a part lacks a label; or a teacher is none.
    """
    assert data.train is not None
    max_length, own = min(how.max_length, start.positions), data.folder == "reviews"
    texts, labels = list(data.train.texts), data.train.labels
    fold, validation_set, count = None, None, fold_count(how, data, devices)
    share = _share(how)
    if count:
        fold = reviews.folds(texts, count, how.split_seed, labels)
        _check_folds(data.train)
        held_out: list[Any] = [f"{count} folds", how.split_seed]
    else:
        # NSMC's split is at random, and figures are of that
        train_rows, rows = reviews.split(texts, share, how.split_seed, labels if own else None)
        if own:
            _check_split(data.train, train_rows, rows)
        validation_set = start.tokenizer.encode([texts[row] for row in rows], max_length), labels[rows]
        texts, labels = [texts[row] for row in train_rows], labels[train_rows]
        held_out = [share, how.split_seed, *(["by label"] if own else [])]
    identity: dict[str, Any] = {
        "data": provenance.checksum_of(data.train),
        "test": None if data.test is None else provenance.checksum_of(data.test),
        "validation": held_out,
        "max_length": max_length,
        "dropout": how.dropout,
        "augment": how.augment,
        "dtype": how.weights,
        **data.classes.recorded,
        **({} if start.head is None else {"head": "kept, turned" if start.turned else "kept"}),
    }
    if how.teachers:
        known = data.train.texts + ([] if data.test is None else data.test.texts)
        new = [text for text, wanted in zip(unlabelled, reviews.unseen(unlabelled, known)) if wanted]
        texts += new
        identity["teachers"] = [
            distillation.fingerprint(teacher, how.positive_label, data.classes) for teacher in how.teachers
        ]
        identity["unlabelled"] = provenance.checksum(new)
    encoded = start.tokenizer.encode(texts, max_length)
    budget = how.token_budget or packing.training_budget(int(encoded.lengths.sum()), devices.kind)
    plan = packing.plan(encoded.lengths, budget, seed=how.seeds[0])
    run_dir = Path(how.run_dir).expanduser() if how.run_dir else RUNS / data.folder
    settings = _settings(how, start, budget, len(plan))
    return Prepared(
        data=data,
        how=how,
        start=start,
        devices=devices,
        run_dir=run_dir,
        max_length=max_length,
        texts=texts,
        labels=labels,
        encoded=encoded,
        fold=fold,
        validation_set=validation_set,
        plan=plan,
        settings=settings,
        identity=identity,
        warnings=tuple(_seen_before(data, how, start, folds=bool(count))),
    )


def _seen_before(data: Data, how: FineTuning, start: Start, folds: bool) -> Iterator[str]:
    """What of a run's figures is not of unseen reviews, as what it starts from, or a teacher, has learned from them."""
    assert data.train is not None
    known = {f"{start.name}, which this starts from,": start.folder} if start.has_weights else {}
    known |= {f"{teacher}, a teacher,": checkpoints.resolve(teacher) for teacher in how.teachers}
    split = None if folds else (_share(how), how.split_seed, data.folder == "reviews")
    for name, folder in known.items():
        record = provenance.record_of(folder)
        parts = []
        if provenance.has_learned_from_held_out(record, data.train, split):
            parts.append("cross-validation" if folds else "validation")
        if data.test is not None and provenance.has_learned_from(record, data.test):
            parts.append("the test")
        if parts:
            yield (
                f"WARNING: {name} has learned from reviews that are held out here; the figures of "
                f"{' and '.join(parts)} are not of unseen ones"
            )


def fold_count(how: FineTuning, data: Data, devices: runtime.Runtime) -> int:
    """How many folds a run has; 0 for a validation split.

    Raises:
        UserError: what was asked for is no such number, or goes with something else that was asked for.
    """
    assert data.train is not None
    several = devices.strategy.cluster_resolver is not None and devices.replicas > 1
    if how.folds == AUTO:
        few = data.folder == "reviews" and len(data.train) < FOLDED
        other = how.validation is not None or how.patience or how.teachers or several
        return FOLDS if few and not other else 0
    if not how.folds.isdecimal() or int(how.folds) == 1:
        raise UserError(f"--folds={how.folds}: expected auto, 0 for a validation split, or a number from 2 on")
    beside = {
        "--teachers, which may have learned from the reviews of any fold": how.teachers,
        "several workers": several,
        f"--validation={how.validation}, the share that is held out where there are no folds": how.validation
        is not None,
        f"--patience={how.patience}, for which there would have to be reviews held out": how.patience,
    }
    if int(how.folds) and any(beside.values()):
        found = next(name for name, is_there in beside.items() if is_there)
        raise UserError(f"--folds={how.folds}: found it beside {found}; expected one of them, or --folds=0")
    return int(how.folds)


def _share(how: FineTuning) -> float:
    """Of the training reviews, what is held out where there are no folds."""
    return VALIDATION if how.validation is None else how.validation


def _check_folds(train: reviews.Corpus) -> None:
    """Raises UserError where a class has one text alone, which the models of other folds cannot know."""
    texts: dict[int, set[str]] = {}
    for text, label in zip(train.texts, train.labels.tolist()):
        texts.setdefault(label, set()).add(composed(text))
    alone = [train.classes.names[label] for label, of in sorted(texts.items()) if len(of) == 1]
    if alone and not train.classes.is_ordered:
        raise UserError(
            f"{train.path}: found one text alone labelled {', '.join(alone)}, expected of each label two different "
            "ones or more, to learn from one and to measure on another; add reviews"
        )


def _check_split(train: reviews.Corpus, *parts: np.ndarray) -> None:
    """Raises UserError where the reviews to train on, or those to validate on, lack a label."""
    for rows, to in zip(parts, ("train on", "choose the epoch by")):
        if lacking := train.classes.lacking(train.labels[rows].tolist()):
            found = f"{counted(len(rows), 'review')} to {to}, {lacking}"
            if lacking.startswith("all "):
                every = "the one review" if len(rows) == 1 else f"all {len(rows)} reviews"
                found = f"{every} to {to} {lacking.removeprefix('all ')}"
            raise UserError(
                f"{train.path}: found {found}, expected {train.classes.some}; add reviews, of each label two different "
                "ones or more"
            )


def _settings(how: FineTuning, start: Start, budget: int, steps: int) -> "Settings":
    """The loop's settings with the first seed, for epochs of so many steps of so many tokens."""
    from nsmc_bert.learning.loop import Settings

    rate, epochs = how.learning_rate, how.epochs or epoch_count(steps)
    return Settings(
        epochs=epochs,
        token_budget=budget,
        learning_rate=learning_rate(start.config.hidden_size, start.has_weights) if rate is None else rate,
        warmup=how.warmup,
        weight_decay=how.weight_decay,
        clip_norm=how.clip_norm,
        patience=how.patience or max(2, epochs // 3),
        seed=how.seeds[0],
    )


def runs(prepared: Prepared) -> list[Run]:
    """A run for each seed."""
    made, seeds = [], prepared.how.seeds
    for seed in seeds:
        folder = prepared.run_dir / (f"seed-{seed}" if len(seeds) > 1 else "")
        settings = dataclasses.replace(prepared.settings, seed=seed)
        identity = provenance.identity(prepared.devices, prepared.start, settings, **prepared.identity)
        made.append(Run(folder, settings, identity))
    return made


def targets_of(prepared: Prepared, log: Callable[[str], None]) -> np.ndarray:
    """What the teachers say of the texts, float32 [texts, classes]; with a label, the mean of theirs and of it."""
    how, devices = prepared.how, prepared.devices
    probabilities = devices.chief_first(
        lambda: distillation.targets(
            how.teachers,
            prepared.texts,
            prepared.run_dir,
            precision=devices.precision,
            log=log,
            positive_label=how.positive_label,
            classes=prepared.data.classes,
        )
    )
    return distillation.blend(probabilities, prepared.labels)


class Workbench:
    """A model that learns for every seed and every fold, and is traced and compiled once for all of them.

    Args:
        prepared: what all seeds share.
        settings: the loop's, with the first seed.

    Attributes:
        model: in the precision that it is trained in.
        schedule: of its learning rate.
    """

    def __init__(self, prepared: Prepared, settings: "Settings") -> None:
        from nsmc_bert.learning import loop

        how, devices = prepared.how, prepared.devices
        self._prepared = prepared
        self.model = self._made(settings.seed)
        self.schedule = loop.compile_model(self.model, settings, probabilities=bool(how.teachers), jit=devices.xla)
        # folds begin again
        self._first = None if prepared.fold is None else self.model.get_weights()
        self._loaded: SentimentClassifier | None = None

    def _made(self, seed: int) -> "SentimentClassifier":
        from nsmc_bert.model.classifier import SentimentClassifier

        how, start, devices = self._prepared.how, self._prepared.start, self._prepared.devices
        with devices.strategy.scope():
            model = SentimentClassifier(
                start.build(seed, how.dropout),
                start.tokenizer,
                labels=self._prepared.data.classes,
                max_length=self._prepared.max_length,
                seed=seed,
                precision=devices.precision,
                fused=None if devices.fused else False,
            )
            if start.head is not None:
                model.classifier.set_weights(start.head)
        # who lowers it for want of memory has room for no more, where nothing is learned, either
        model.predict_budget = 2 * how.token_budget or None
        return model

    def begin(self, seed: int) -> None:
        """Gives the model the first weights of a seed. Those of its first seed it has when it is made, and without
        folds they are given but then.
        """
        first = self._first
        if seed != self.model.seed:
            first = self._made(seed).get_weights()
            gc.collect()  # which does not go by itself
            self.model.seed = seed
        if first is not None:
            self.model.set_weights(first)
        if self._prepared.fold is not None:
            self._first = first

    def as_loaded(self) -> "SentimentClassifier":
        """The model as users load it, computing in float32, with its present weights; the encoder is shared."""
        from nsmc_bert.model.classifier import SentimentClassifier

        model = self.model
        if self._loaded is None:
            self._loaded = SentimentClassifier(
                model.bert, model.tokenizer, labels=model.classes, max_length=model.max_length
            )
        self._loaded.classifier.set_weights(model.classifier.get_weights())
        self._loaded.seed, self._loaded.predict_budget = model.seed, model.predict_budget
        return self._loaded


def learn(
    prepared: Prepared,
    run: Run,
    targets: np.ndarray,
    log: Callable[[str], None],
    bench: Workbench,
    title: str = "train",
) -> "Record":
    """Trains one seed's model, or goes on with what its folder holds.

    Args:
        prepared: what all seeds share.
        run: of this seed.
        targets: what to learn, int32 [texts] labels or float32 [texts, classes] probabilities.
        log: called with each line to show.
        bench: its model ends with the best epoch's weights.
        title: of the progress that is shown.

    Returns:
        What training came to.

    Raises:
        UserError: its folder holds another run, or cannot be written.
    """
    from nsmc_bert.learning import loop

    how, start, devices, encoded = prepared.how, prepared.start, prepared.devices, prepared.encoded
    seed = run.settings.seed
    bench.begin(seed)

    def perturbed(epoch: int) -> Encoded:
        rows, changed = perturbation.augment(prepared.texts, how.augment, seed, epoch)
        return encoded.replaced(rows, start.tokenizer.encode(changed, prepared.max_length))

    def say(epoch: dict[str, Any]) -> None:
        figure = f", validation {metrics.headline(epoch['validation'])}" if "validation" in epoch else ""
        log(f"epoch {epoch['epoch']}: training loss {epoch['loss']:.4f}{figure}")

    is_planned = seed == how.seeds[0] and not how.augment and devices.replicas == 1
    return loop.train(
        bench.model,
        (encoded, targets),
        prepared.validation_set,
        run.settings,
        run.folder,
        identity=run.identity,
        perturbed=perturbed if how.augment else None,
        first_plan=prepared.plan if is_planned else None,
        jit=devices.xla,
        schedule=bench.schedule,
        checkpoint_seconds=how.checkpoint_seconds,
        chief=devices.chief,
        title=title,
        log=log,
        on_epoch=say,
    )


def cost_of_folds(prepared: Prepared) -> str:
    """What cross-validation does, and costs, in words."""
    assert prepared.fold is not None
    count, reviews_of_all = int(prepared.fold.max()) + 1, len(prepared.labels)
    fewer = reviews_of_all - reviews_of_all // count
    return (
        f"cross-validation: {count} trainings on about {fewer} reviews each measure on the others what this is worth, "
        f"and one more learns from all {reviews_of_all}{', for each seed' * (len(prepared.how.seeds) > 1)}; --folds=0 "
        "trains once, and holds some out"
    )


def cross_validate(prepared: Prepared, run: Run, log: Callable[[str], None], bench: Workbench) -> np.ndarray:
    """What is said of each labelled review by a model of one seed that has learned from the other folds, or what the
    run's folder holds of that: float32 [n, classes], before any calibration.

    Args:
        prepared: what all seeds share, with folds.
        run: of this seed, whose folder is claimed.
        log: called with each line to show.
        bench: with a model that may be used.
    """
    fold = prepared.fold
    assert fold is not None

    def answer(number: int, folder: Path) -> np.ndarray:
        others = np.flatnonzero(fold != number)
        encoded = prepared.encoded[others]
        part = dataclasses.replace(
            prepared,
            texts=[prepared.texts[row] for row in others],
            labels=prepared.labels[others],
            encoded=encoded,
            plan=packing.plan(encoded.lengths, run.settings.token_budget, seed=prepared.how.seeds[0]),
        )
        of_fold = dataclasses.replace(run, folder=folder, identity={**run.identity, "fold": number})
        title = f"fold {number + 1} of {int(fold.max()) + 1}"
        learn(part, of_fold, part.labels, lambda line: None, bench, title)
        return bench.as_loaded().predict_encoded(prepared.encoded[np.flatnonzero(fold == number)])

    return cross_validation.predict(answer, fold, prepared.labels, run.folder, classes=prepared.data.classes, log=log)


def finish(
    prepared: Prepared, final: "SentimentClassifier", log: Callable[[str], None], out_of_fold: np.ndarray | None = None
) -> calibration.Calibration:
    """Makes of a trained model the one that users load: its confidence made honest, its weights as they are saved.
    Figures are of that.

    Args:
        prepared: what all seeds share.
        final: the trained model, computing in float32; it is changed.
        log: called with each line to show.
        out_of_fold: with folds, what cross_validation.predict gives, which is calibrated on then.
    """
    ordered = prepared.data.classes.is_ordered
    if prepared.validation_set is not None:
        encoded, labels = prepared.validation_set
        calibrated = calibration.fit(final.predict_encoded(encoded), labels, ordered=ordered)
    else:
        assert out_of_fold is not None
        calibrated = calibration.fit(out_of_fold, prepared.labels, ordered=ordered)
    log(str(calibrated))
    final.calibrate(calibrated)
    final.round_weights(prepared.how.weights)
    return calibrated


def record(
    prepared: Prepared,
    run: Run,
    learned: "Record",
    model: "SentimentClassifier",
    calibrated: calibration.Calibration,
    out_of_fold: np.ndarray | None = None,
    command: str = "train",
) -> dict[str, Any]:
    """What goes into training.json.

    Args:
        prepared: what all seeds share.
        run: of this seed.
        learned: what training came to.
        model: as it is saved; it is measured here.
        calibrated: what was done to its confidence.
        out_of_fold: with folds, what cross_validation.predict gives.
        command: the module of nsmc_bert that was run.
    """
    data, how, start, devices = prepared.data, prepared.how, prepared.start, prepared.devices
    assert data.train is not None
    measured: dict[str, Any] = {}
    tested: dict[str, Any] = {"test": None, "test_unseen": None, "errors": []}
    if prepared.validation_set is not None:
        measured["validation"] = model.validate(*prepared.validation_set)
        measured["best_epoch"] = learned["best"]["epoch"]
    elif out_of_fold is not None and prepared.fold is not None:
        labels, classes = prepared.labels, data.classes
        probabilities = cross_validation.calibrated(out_of_fold, labels, prepared.fold, classes)
        measured["cross_validation"] = metrics.report(probabilities, labels, classes=classes)
        tested["errors"] = confident_errors(prepared.texts, labels, probabilities, classes, ERRORS)
    if data.test is not None:
        tested = evaluate(model, data, errors=ERRORS, perturb=how.perturb)
    settings = {"dropout": how.dropout, "augment": how.augment, "precision": devices.precision, "weights": how.weights}
    return {
        "encoder": start.name,
        **({"warnings": list(prepared.warnings)} if prepared.warnings else {}),
        "pretraining": start.pretraining,
        "parameters": model.count_params(),
        "max_length": prepared.max_length,
        **data.classes.recorded,
        "data": {
            "name": data.name,
            "train": len(prepared.labels),
            "validation": 0 if prepared.validation_set is None else len(prepared.validation_set[1]),
            "split": [_share(how), how.split_seed],
            "by_label": data.folder == "reviews",
            **({} if prepared.fold is None else {"folds": int(prepared.fold.max()) + 1}),
            "unlabelled": len(prepared.texts) - len(prepared.labels),
            "teachers": len(how.teachers),
            "train_sha1": data.train.sha1,
            "reviews_sha1": provenance.checksum_of(data.train),
            "test_sha1": None if data.test is None else data.test.sha1,
        },
        "settings": dataclasses.asdict(run.settings) | settings,
        "calibration": dataclasses.asdict(calibrated),
        "seed": run.settings.seed,
        "steps": learned["steps"],
        "history": learned["history"],
        **measured,
        **tested,
        "seconds": learned["seconds"],
        **provenance.circumstances(devices, command),
    }
