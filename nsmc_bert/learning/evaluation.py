"""How good a classifier is: its figures on test reviews, and the lines that say so."""

import dataclasses
import functools
import json
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nsmc_bert import bundled
from nsmc_bert.base import html_pages, system
from nsmc_bert.base.classes import Classes
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import write_text
from nsmc_bert.base.progress import DELAY, Progress
from nsmc_bert.base.text_tables import one_line
from nsmc_bert.data import perturbation, reviews
from nsmc_bert.data.find import NSMC, SAMPLE, Data, ReviewSources
from nsmc_bert.learning import page
from nsmc_bert.learning.provenance import (
    SHIPS,
    command_line,
    has_learned_from,
    measured_parts,
    none_in_training,
    record_of,
)
from nsmc_bert.model import checkpoints, metrics
from nsmc_bert.model.comparison import compare, relation

if TYPE_CHECKING:
    from nsmc_bert.model.classifier import SentimentClassifier


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What to measure a model by, as the flags of nsmc_bert.evaluate say it.

    Attributes:
        model: folder or hub name of the model; "" for the classifier that ships.
        against: folders or hub names of others that it is compared with, or SHIPS for the classifier that ships.
        positive_label: which label of somebody else's classifier means positive; see heads.order.
        json: file that all figures are written to; "" for none.
        page: folder that a page with plots is written to; "" for none.
        errors: how many of the most confident errors are shown.
        perturb: names in perturbation.PERTURBATIONS, with which the test reviews are read as well.
        calibrate_on: file of labelled reviews, or recalibration.HELD_OUT, that the model is calibrated on first; "" for
            none.
        calibrated: new folder that the calibrated model is written to; goes with `calibrate_on`.
        precision: the Keras policy of the matrix products: float32, mixed_bfloat16 or mixed_float16.

    Raises:
        UserError: one of `calibrate_on` and `calibrated` without the other, `calibrated` is not new, or there is
            nothing to draw the page's plots with.
    """

    model: str = ""
    against: tuple[str, ...] = ()
    positive_label: tuple[str, ...] = ()
    json: str = ""
    page: str = ""
    errors: int = 10
    perturb: tuple[str, ...] = ()
    calibrate_on: str = ""
    calibrated: str = ""
    precision: str = "float32"

    def __post_init__(self) -> None:
        if bool(self.calibrate_on) != bool(self.calibrated):
            raise UserError(
                "--calibrate_on and --calibrated: found one of them, expected both: the reviews, and where to write "
                "the model"
            )
        if self.calibrated:
            checkpoints.check_vacant(Path(self.calibrated).expanduser())
        if self.page:
            html_pages.check()


def told_by_model(sources: ReviewSources, model: str) -> ReviewSources:
    """Where reviews are looked for, their labels told by the names of a model's classes where nothing else is said of
    them, or labels.ALL.

    Args:
        sources: where, as the user says it.
        model: folder or hub name of the model; "" for the classifier that ships.

    Raises:
        UserError: there is no such model; or nothing is said of where, which means NSMC, and it learned from reviews of
            the user's own.
    """
    named = sources.test_file or sources.train_file or sources.nsmc_dir or sources.nsmc_url or sources.sample
    if model and not named:
        learned = record_of(checkpoints.resolve(model)).get("data", {}).get("name", NSMC)
        if learned not in (NSMC, SAMPLE):
            raise UserError(
                f"--model={model}: learned from {learned}, expected reviews to measure it on, --test_file=FILE (or "
                "--nsmc_dir=FOLDER, for NSMC's)"
            )
    labelling = sources.reading.labelling
    if not (labelling.is_default or labelling.finds):
        return sources
    classes = checkpoints.read_classes(model or bundled.CLASSIFIER)
    return dataclasses.replace(sources, reading=sources.reading.told_by(classes))


def measure(data: Data, how: Evaluation, reading: reviews.Reading, *, log: Callable[[str], None]) -> Iterator[str]:
    """Measures a model, calibrates it before if that is wanted, and writes what is to be written.

    Args:
        data: the reviews, with test reviews among them.
        how: what to measure, and where figures, page and calibrated model go.
        reading: how a file in `how.calibrate_on` is read.
        log: called with each line that is no result.

    Yields:
        The lines of the result, each as soon as it is known.

    Raises:
        UserError: the model, or the reviews to calibrate it on, cannot be read, or a file cannot be written.
    """
    from nsmc_bert.learning import recalibration
    from nsmc_bert.model.classifier import load

    folder = how.model or bundled.CLASSIFIER
    log(f"model: {folder}")
    model, command = load(folder, how.precision, how.positive_label), command_line("evaluate")
    record = record_of(checkpoints.resolve(folder))
    changed: dict[str, Any] = {}
    if data.test is not None and has_learned_from(record, data.test):
        log("WARNING: these are the reviews that the model has learned from; the figures are not of unseen ones")
    for part in (data.test, data.train):
        if part is not None:
            model.classes.check_same(part.classes, str(part.path))
    others: dict[str, SentimentClassifier] = {}
    if data.test is not None:
        for other in how.against:  # before anything is computed
            known = checkpoints.read_classes(_folder_of(other))
            model.classes.check_same(known, f"--against={other}")
            others[other] = load(_folder_of(other), how.precision, how.positive_label)
    if how.calibrated:
        held_out = recalibration.find(how.calibrate_on, data, record, reading, log, classes=model.classes)
        calibrated, changed = recalibration.calibrate(model, held_out, record)
        yield str(calibrated)
    probabilities = None if data.test is None else _predicted(model, data.test.texts, "test")
    figures = evaluate(model, data, errors=how.errors, perturb=how.perturb, probabilities=probabilities)
    assert data.test is not None and probabilities is not None  # or there would be no figures
    if how.calibrated:
        target = Path(how.calibrated).expanduser()
        recalibration.save(model, target, record, changed, figures, data, command)
        log(f"wrote {target}")
    if how.against:
        figures["against"] = [
            _compared(other, others[other], data.test, probabilities, record, log) for other in how.against
        ]
    if how.json:
        measured = {"model": str(folder), "data": data.measured, "test_sha1": data.test.sha1, **figures}
        write_text(how.json, json.dumps(measured, ensure_ascii=False, indent=1) + "\n")
    yield from _lines(figures)
    if how.page:
        target, parameters = Path(how.page).expanduser(), model.count_params()
        for path in page.write(target, figures, record, parameters, data.measured, how.model, command):
            log(f"wrote {path}")


def _folder_of(other: str) -> str | Path:
    return bundled.CLASSIFIER if other == SHIPS else checkpoints.resolve(other)


def _compared(
    other: str,
    model: "SentimentClassifier",
    test: reviews.Corpus,
    probabilities: np.ndarray,
    record: Mapping[str, Any],
    log: Callable[[str], None],
) -> dict[str, Any]:
    """What is measured beside another model.

    Args:
        other: its folder or hub name, or SHIPS.
        model: the other model.
        test: the reviews.
        probabilities: float32 [n, classes], what the measured model says of them.
        record: that one's training.json, or {}.
        log: called with a warning where the other has learned from the reviews.

    Returns:
        {"model": the other's name, "supervision": what each learned from, the other last, "accuracy": the other's} and
        Comparison.figures.
    """
    theirs = record_of(_folder_of(other))
    if has_learned_from(theirs, test):
        log(f"WARNING: {other} has learned from these reviews, and is not to be compared on them")
    said = _predicted(model, test.texts, other)
    comparison = compare(probabilities, said, test.labels, classes=model.classes)
    return {
        "model": other,
        "supervision": [page.supervision(each) for each in (record, theirs)],
        "accuracy": metrics.report(said, test.labels, classes=model.classes)["accuracy"],
        **comparison.figures,
    }


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures of each part, of comparisons, and the most confident errors."""
    yield from _of_parts(figures)
    for other in figures.get("against", ()):
        yield from _of_comparison(other)
    if figures["errors"]:
        yield "most confident errors:"
    for error in figures["errors"]:
        yield f"  {error['confidence']:.3f} {error['said']}, labelled {error['label']}: {one_line(error['text'])}"


def _of_parts(figures: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The figures of each part; what would repeat those of the test is said in its first line."""
    for part, title in measured_parts(figures).items():
        first, *others = metrics.lines(figures[part], before + title)
        yield first + ", none of them in training" * (part == "test" and none_in_training(figures))
        yield from others


def _of_comparison(other: Mapping[str, Any]) -> Iterator[str]:
    low, high = (100 * end for end in other["interval95"])
    yield (
        f"against {other['model']}, accuracy {100 * other['accuracy']:.2f} %: {100 * other['difference']:+.2f} points "
        f"(95 % interval {low:+.2f} to {high:+.2f})"
    )
    yield (
        f"  both right on {other['both_right']}, this one alone on {other['this_alone']}, the other alone on "
        f"{other['other_alone']}, neither on {other['neither']}; McNemar's exact test: p "
        + " ".join(relation(other["mcnemar_p"]))
    )
    if "mae_difference" in other:
        low, high = other["mae_interval95"]
        yield f"  mean absolute error {other['mae_difference']:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"
    mine, theirs = other["supervision"]
    if mine != theirs:
        yield f"  not of the same supervision: this one {mine}; the other {theirs}"


def evaluate(
    model: "SentimentClassifier",
    data: Data,
    errors: int = 0,
    perturb: Collection[str] = (),
    probabilities: np.ndarray | None = None,
) -> dict[str, Any]:
    """A model's figures on data.test, whole, without the texts that stand in data.train, and perturbed.

    Args:
        model: what to measure.
        data: the reviews, with test reviews among them.
        errors: how many of the most confident errors to add.
        perturb: names in perturbation.PERTURBATIONS.
        probabilities: float32 [n, classes], what the model says of data.test, where that is known already.

    Returns:
        {"test": metrics.report, "test_unseen": metrics.report or None where no text is unseen or data.train is None,
        "reliability": metrics.reliability, "by_length": metrics.by_length, "errors": [{text, label, said,
        confidence}]}, and "test_NAME": metrics.report for each name in `perturb`.

    Raises:
        UserError: there are no test reviews.
    """
    if data.test is None:
        path = data.train.path if data.train is not None else data.name
        raise UserError(f"found no test reviews beside {path}, expected --test_file=FILE")
    texts, labels = data.test.texts, data.test.labels
    report = functools.partial(metrics.report, classes=model.classes)
    if probabilities is None:
        probabilities = _predicted(model, texts, "test")
    unseen = np.zeros(len(texts), bool) if data.train is None else reviews.unseen(texts, data.train.texts)
    figures = {
        "test": report(probabilities, labels),
        "test_unseen": report(probabilities[unseen], labels[unseen]) if unseen.any() else None,
        "reliability": metrics.reliability(probabilities, labels),
        "by_length": metrics.by_length(texts, probabilities, labels),
        "errors": confident_errors(texts, labels, probabilities, model.classes, errors),
    }
    for name in perturb:
        changed = perturbation.PERTURBATIONS[name](texts)
        figures[f"test_{name}"] = report(_predicted(model, changed, f"test, {name}"), labels)
    return figures


def _predicted(model: "SentimentClassifier", texts: Sequence[str], title: str) -> np.ndarray:
    """Probabilities of texts; says how far they are."""
    with Progress(len(texts), "reviews", title=title, delay=DELAY) as bar:
        return model.predict_encoded(model.encode(texts), on_batch=bar.update)


def confident_errors(
    texts: Sequence[str], labels: np.ndarray, probabilities: np.ndarray, classes: Classes, count: int
) -> list[dict[str, Any]]:
    """The most confident errors, at most `count`: {text, label, said, confidence}, some of which are wrong labels."""
    return [
        {
            "text": texts[i],
            "label": classes.names[labels[i]],
            "said": classes.names[probabilities[i].argmax()],
            "confidence": float(probabilities[i].max()),
        }
        for i in metrics.confident_errors(probabilities, labels, count)
    ]


def summary(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines that end a run: the figures, mean and spread over seeds, and the next command to try.

    Args:
        results: what went into training.json, a dict for each seed, with `folder`, the model's.
    """
    if not results:
        return []
    lines: list[str] = []
    for result in results:
        lines += _of_parts(result, f"seed {result['seed']}, ")
    for part in measured_parts(results[0]) if len(results) > 1 else ():
        lines += [
            f"{part} {name} over {len(results)} seeds: mean {np.mean(values):.{digits}f}, standard deviation "
            f"{np.std(values, ddof=1):.{digits}f} ({', '.join(f'{value:.{digits}f}' for value in values)})"
            for name, digits, values in _over_seeds([result[part] for result in results])
        ]
    lines += dict.fromkeys(warning for result in results for warning in result.get("warnings", ()))
    best = max(results, key=lambda result: metrics.score(result.get("validation") or result["cross_validation"]))
    example = "이 영화 엄청 재미있네요" if best.get("data", {}).get("name", NSMC) in (NSMC, SAMPLE) else "…"
    predict = f"{system.interpreter()} -m nsmc_bert.predict --model={shlex.quote(best['folder'])}"
    if best.get("data", {}).get("name") == SAMPLE:
        lines.append(
            "the sample makes a poor classifier: the one that ships is better, and predict uses it without --model"
        )
    return [*lines, f"model: {best['folder']}", f'next: {predict} --text "{example}"']


def _over_seeds(figures: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int, list[float]]]:
    """What is put together of several seeds: a name, how many digits it is given with, and a value for each."""
    yield "accuracy", 2, [100 * each["accuracy"] for each in figures]
    for name, title in (("kappa", "kappa"), ("mae", "mean absolute error")):
        if name in figures[0]:
            yield title, 3, [each[name] for each in figures]
