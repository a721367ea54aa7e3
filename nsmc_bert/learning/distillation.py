"""Learning from other classifiers: their mean probabilities, for labelled reviews and others (Hinton et al. 2015). Of
ratings, too, it is by cross-entropy: how near a rating is stands in the teachers' answers.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from nsmc_bert.base import files, tensors
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.base.progress import Progress
from nsmc_bert.model import checkpoints, families, heads, packing, tokenizers

PIECE = 20_000  # texts that are asked about between two files


def targets(
    teachers: Sequence[str],
    texts: Sequence[str],
    run_dir: Path,
    *,
    precision: str,
    log: Callable[[str], None],
    positive_label: Sequence[str] = (),
    classes: Classes = SENTIMENT,
) -> np.ndarray:
    """The teachers' mean probabilities. A teacher is asked about each piece of the texts once: the answers are kept
    beside the run's folder.

    Args:
        teachers: classifier folders or hub names, as `nsmc_bert.load` takes them.
        texts: n of them.
        run_dir: the run's folder.
        precision: the Keras policy to compute with.
        log: called with each line to show.
        positive_label: which of their labels mean positive, where the names do not say so; see heads.order.
        classes: what they have to tell apart.

    Returns:
        float32 [n, classes].

    Raises:
        UserError: one is no classifier, or one of other classes.
    """
    from nsmc_bert.model.classifier import load

    run_dir = run_dir.absolute()
    total = np.zeros((len(texts), len(classes)), np.float32)
    for teacher in teachers:
        who, model = fingerprint(teacher, positive_label, classes), None
        log(f"asking {teacher} about {counted(len(texts), 'text')}")
        with Progress(len(texts), "texts", title="ask") as bar:
            for start in range(0, len(texts), PIECE):
                piece = texts[start : start + PIECE]
                key = hashlib.sha1("\0".join([who, precision, *piece]).encode("utf-8", "replace")).hexdigest()
                path = run_dir.with_name(f"{run_dir.name}-teachers") / f"{key[:16]}.npy"
                answers = _read(path, (len(piece), len(classes)))
                if answers is None:
                    model = model or load(teacher, precision, positive_label)
                    answers = model.predict_encoded(model.encode(piece))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files.write_atomically(path, functools.partial(tensors.write_array, array=answers))
                total[start : start + PIECE] += answers
                bar.update(len(piece))
    return total / len(teachers)


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The answers in a file, float32 of a shape; None where there are none."""
    try:
        answers = tensors.read_array(path)
    except UserError:
        return None
    return answers if answers.shape == shape else None


def fingerprint(teacher: str, positive_label: Sequence[str] = (), classes: Classes = SENTIMENT) -> str:
    """A checksum of all that decides a teacher's answers: weights, configuration, tokenizer, how much of a text it
    reads, which class is positive.

    Args:
        teacher: a classifier's folder or hub name.
        positive_label: which of its labels means positive, where the names do not say so; see heads.order.
        classes: what it has to tell apart.

    Raises:
        UserError: one of them is missing, it tells other classes apart, or its labels do not say which is positive.
    """
    folder = checkpoints.resolve(teacher)
    known = checkpoints.read_classes(folder)
    if known.names != classes.names:
        raise UserError(f"--teachers={teacher}: found a classifier of {known}, expected one of {classes}")
    config = checkpoints.read_config(folder)
    weights = checkpoints.fingerprint(checkpoints.read_weights(folder, families.of(config)))
    _, order = heads.classes(config, len(classes), folder, positive_label if len(classes) == 2 else ())
    turned = "-turned" if order == [1, 0] else ""
    tokenizer, positions = tokenizers.load(folder), families.of(config).positions(config)
    limit = packing.longest(tokenizer.model_max_length, positions)
    cut = f"-{limit}" if limit < positions else ""
    return f"{weights}{turned}{checkpoints.unusual(config)}-{tokenizer.fingerprint}{cut}"


def blend(probabilities: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """What to learn: the teachers' probabilities, and where there is a label the mean of it and of theirs.

    Args:
        probabilities: float32 [n, classes], the teachers'.
        labels: int [m], m <= n, of the first rows.

    Returns:
        float32 [n, classes].

    Example:
        >>> blend(np.float32([[0.75, 0.25], [0.75, 0.25]]), [0])
        array([[0.875, 0.125],
               [0.75 , 0.25 ]], dtype=float32)
    """
    blended, labels = np.array(probabilities, np.float32), np.asarray(labels)
    blended[: len(labels)] = (blended[: len(labels)] + np.eye(blended.shape[1], dtype=np.float32)[labels]) / 2
    return blended
