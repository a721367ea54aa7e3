"""Cross-validation: what few reviews are worth, said by models that have not seen them.

A tenth of a few hundred reviews is too small to measure by: of 100, the accuracy's 95 % interval is 11 points wide. So
each fold's reviews are classified by a model that has learned from the other folds, which measures on every review and
holds none out in the end: the model that is kept learns from all (Kohavi 1995, "A study of cross-validation and
bootstrap for accuracy estimation and model selection"). On the same answers its confidence is calibrated. Nothing else
is chosen by them, so they are as honest as a test's, of models with a fold less to learn from.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nsmc_bert.base import tensors
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.files import write_atomically
from nsmc_bert.base.progress import clock
from nsmc_bert.model import calibration, metrics

Answer = Callable[[int, Path], np.ndarray]
LONG = 60.0  # seconds that are left after the first fold, from which on they are told


def predict(
    answer: Answer,
    fold: np.ndarray,
    labels: np.ndarray,
    folder: Path,
    *,
    classes: Classes = SENTIMENT,
    log: Callable[[str], None] = lambda line: None,
) -> np.ndarray:
    """What is said of each review by a model that has learned from the other folds.

    What a fold's model says is kept as fold-N.npy; its state, until then, is in fold-N beside it. So an interrupted run
    goes on.

    Args:
        answer: called with the number of a fold, from 0, and the folder of its run: trains, or goes on with what that
            holds, and gives float32 [reviews of the fold, classes], in the order of the reviews.
        fold: int [n], the number of each review's fold.
        labels: int [n].
        folder: the run's, claimed.
        classes: what the labels are of.
        log: called with each line to show.

    Returns:
        float32 [n, classes], before any calibration.

    Raises:
        UserError: the folder cannot be written, or holds another array than that.
    """
    count = int(fold.max()) + 1
    out_of_fold = np.zeros((len(fold), len(classes)), np.float32)
    took = 0.0  # seconds of the first fold that this process has trained as a whole
    for number in range(count):
        rows, run_dir = np.flatnonzero(fold == number), folder / f"fold-{number + 1}"
        kept, name, left = folder / f"{run_dir.name}.npy", f"fold {number + 1} of {count}", ""
        if not kept.exists():
            began, goes_on = time.monotonic(), (run_dir / "checkpoint.safetensors").exists()
            if goes_on:
                log(f"going on with {name}")
            write_atomically(kept, functools.partial(tensors.write_array, array=answer(number, run_dir)))
            if not took and not goes_on:
                took = time.monotonic() - began
                left = _left(took, count - number - 1, count)
        shutil.rmtree(run_dir, ignore_errors=True)
        out_of_fold[rows] = _read(kept, (len(rows), len(classes)))
        figures = metrics.report(out_of_fold[rows], labels[rows], classes=classes)
        log(f"{name}: {metrics.headline(figures)} of {counted(len(rows), 'review')}")
        if left:
            log(left)
    return out_of_fold


def calibrated(
    out_of_fold: np.ndarray, labels: np.ndarray, fold: np.ndarray, classes: Classes = SENTIMENT
) -> np.ndarray:
    """What `predict` gives, each fold calibrated by what is fitted on the others, as honest as it is.

    Args:
        out_of_fold: float [n, classes].
        labels: int [n].
        fold: int [n], the number of each review's fold.
        classes: what the labels are of.

    Returns:
        float64 [n, classes].
    """
    made = np.zeros(out_of_fold.shape)
    for number in np.unique(fold):
        here = fold == number
        fitted = calibration.fit(out_of_fold[~here], labels[~here], ordered=classes.is_ordered)
        made[here] = calibration.apply(out_of_fold[here], fitted)
    return made


def _left(took: float, others: int, count: int) -> str:
    """How long the other folds and the model that is kept, which learns from all reviews, will take, in words; "" where
    that is not long.
    """
    seconds = took * (others + count / (count - 1))
    more = f"{others} more and " * bool(others)
    told = f"a fold took {clock(took)}: about {clock(seconds)} for {more}the model that is kept"
    return told if seconds >= LONG else ""


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray:
    answers = tensors.read_array(path)
    if answers.shape != shape:
        raise UserError(f"{path}: found an array of shape {answers.shape}, expected {shape}; delete it to go on")
    return answers
