"""Calibrating a model that is there already: on reviews held out of its training, or on reviews of the user's own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.data import reviews
from nsmc_bert.data.find import SPLIT_SEED, VALIDATION, Data
from nsmc_bert.learning.card import model_card
from nsmc_bert.learning.provenance import PARTS, checksum_of, has_learned_from
from nsmc_bert.model import calibration
from nsmc_bert.model.classifier import SentimentClassifier

HELD_OUT = "validation"  # the word for the reviews that training held out, in place of a file


@dataclasses.dataclass(frozen=True)
class Reviews:
    """Reviews to calibrate on: what they are called, whether training held them out, and n texts and int [n] labels."""

    name: str
    held_out: bool
    texts: Sequence[str]
    labels: np.ndarray


def find(
    calibrate_on: str,
    data: Data,
    record: Mapping[str, Any],
    reading: reviews.Reading,
    log: Callable[[str], None],
    minimum: int = 0,
    classes: Classes = SENTIMENT,
) -> Reviews:
    """Reviews to calibrate a model on, those that it is measured on left out.

    Args:
        calibrate_on: a file, or HELD_OUT.
        data: the reviews at hand; data.train is what HELD_OUT is cut from.
        record: the model's training.json, or {}.
        reading: how a file is read.
        log: called with each line to show.
        minimum: of them; 0 for as many as all numbers of a calibration take, calibration.EACH a class.
        classes: what the model tells apart.

    Raises:
        UserError: the file cannot be read, its labels are of other classes, or the model has learned from it; the model
            was not trained on data.train, so that nobody knows what it has seen of it; or there are too few reviews.
    """
    if calibrate_on == HELD_OUT:
        train, rows = _held_out(data, record)
        chosen = Reviews(data.name, True, [train.texts[row] for row in rows], train.labels[rows])
    else:
        mine = reviews.read(calibrate_on, reading)
        classes.check_same(mine.classes, calibrate_on)
        if has_learned_from(record, mine):
            held_out = "" if record["data"].get("folds") else f", or --calibrate_on={HELD_OUT}, what training held out"
            raise UserError(
                f"--calibrate_on={calibrate_on}: found reviews that the model has learned from, and is too sure of; "
                f"expected others{held_out}"
            )
        if mine.skipped:
            log(f"  {counted(mine.skipped, 'bad row')} skipped")
        for note in mine.notes:
            log(f"  {note}")
        chosen = Reviews(calibrate_on, False, mine.texts, mine.labels)
    if data.test is not None:
        keep = reviews.unseen(chosen.texts, data.test.texts)
        if not keep.all():
            log(f"  {np.sum(~keep)} of the {len(keep)} reviews to calibrate on stand in the test: left out")
            texts = [text for text, wanted in zip(chosen.texts, keep) if wanted]
            chosen = dataclasses.replace(chosen, texts=texts, labels=chosen.labels[keep])
    minimum = minimum or calibration.EACH * len(classes)
    if len(chosen.texts) < minimum:
        why = "" if classes == SENTIMENT else f": {calibration.EACH} for each of {len(classes)} classes"
        raise UserError(
            f"{chosen.name}: found {counted(len(chosen.texts), 'review')} to calibrate on, expected {minimum} or "
            f"more{why}"
        )
    return chosen


def _held_out(data: Data, record: Mapping[str, Any]) -> tuple[reviews.Corpus, np.ndarray]:
    """data.train, and its rows that the model's training held out."""
    if data.train is None:
        raise UserError(
            f"--calibrate_on={HELD_OUT}: found no training reviews, expected --train_file=FILE, or a file to calibrate "
            "on"
        )
    learned = record.get("data") or {}
    share, seed = learned.get("split", (VALIDATION, SPLIT_SEED))
    if learned.get("folds"):
        raise UserError(
            f"--calibrate_on={HELD_OUT}: found that the model has learned from all its reviews, and is calibrated by "
            "cross-validation; expected a file of others: --calibrate_on=FILE"
        )
    if _is_of(data, learned):
        by_label = data.train.labels if learned.get("by_label") else None
        _, rows = reviews.split(data.train.texts, share, seed, by_label)
        if len(rows) == learned.get("validation"):
            return data.train, rows
    raise UserError(
        f"--calibrate_on={HELD_OUT}: found in the model's training.json no split of {data.train.path} with its labels "
        "as they are read here, so that nobody knows which of these reviews it has learned from; expected the columns "
        "and the labels that it was trained with, or a file of others: --calibrate_on=FILE"
    )


def _is_of(data: Data, learned: Mapping[str, Any]) -> bool:
    """Whether a model has learned from data.train: the same texts with the same labels in the same order.

    A file alone says it where it can be read in one way only, as NSMC's.
    """
    assert data.train is not None
    if known := learned.get("reviews_sha1"):
        return known == checksum_of(data.train)
    return data.folder != "reviews" and learned.get("train_sha1") == data.train.sha1


def calibrate(
    model: SentimentClassifier, reviews: Reviews, record: Mapping[str, Any]
) -> tuple[calibration.Calibration, dict[str, Any]]:
    """Calibrates a model in place, with its weights as they will be saved.

    Args:
        model: what to calibrate.
        reviews: what to fit on.
        record: the model's training.json, or {}.

    Returns:
        What was fitted, and what the model's record says of it: "calibration", and the figures of the reviews with it
        as "validation" or "calibrated_on".
    """
    encoded = model.encode(reviews.texts)
    predicted, ordered = model.predict_encoded(encoded), model.classes.is_ordered
    calibrated = calibration.fit(predicted, reviews.labels, ordered=ordered)
    model.calibrate(calibrated)
    model.round_weights(_dtype(record))
    part = "validation" if reviews.held_out else "calibrated_on"
    return calibrated, {
        "calibration": {**dataclasses.asdict(calibrated), "name": reviews.name},
        part: model.validate(encoded, reviews.labels),
    }


def save(
    model: SentimentClassifier,
    folder: Path,
    record: Mapping[str, Any],
    changed: Mapping[str, Any],
    figures: Mapping[str, Any],
    data: Data,
    command: str,
) -> None:
    """Writes a calibrated model; its record keeps what is still true of how it was trained, and no figure of before.

    Args:
        model: calibrated.
        folder: where to.
        record: the model's training.json, or {}.
        changed: what the record says of that, as from `calibrate`.
        figures: as from evaluation.evaluate, of the calibrated model.
        data: what these are of.
        command: what calibrated it.

    Raises:
        UserError: the folder exists or cannot be written.
    """
    assert data.test is not None  # or there would be no figures
    kept = {key: value for key, value in record.items() if key not in (*PARTS, "temperature", *figures)}
    new = {
        "parameters": model.count_params(),
        "max_length": model.max_length,
        **model.classes.recorded,
        **kept,
        **changed,
        **{key: value for key, value in figures.items() if key not in ("reliability", "by_length")},
        "tested_on": {"name": data.measured, "sha1": data.test.sha1},
        "calibrated_by": command,
    }
    model.save(folder, training=new, card=model_card(new), dtype=_dtype(record))


def _dtype(record: Mapping[str, Any]) -> str:
    """The number format that the model's weights are saved in."""
    return (record.get("settings") or {}).get("weights", "float32")
