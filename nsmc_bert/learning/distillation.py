"""Learning from other classifiers: their mean probabilities, for labelled reviews and others (Hinton et al. 2015)."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from nsmc_bert.base import files, tensors
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.progress import Progress
from nsmc_bert.model import checkpoints, families, heads, tokenizers

PIECE = 20_000  # texts that are asked about between two files


def targets(
    teachers: Sequence[str],
    texts: Sequence[str],
    run_dir: Path,
    *,
    precision: str,
    log: Callable[[str], None],
    positive_label: Sequence[str] = (),
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

    Returns:
        float32 [n, 2].

    Raises:
        UserError: one is no classifier.
    """
    from nsmc_bert.model.classifier import load

    run_dir = run_dir.absolute()
    total = np.zeros((len(texts), 2), np.float32)
    for teacher in teachers:
        who, model = fingerprint(teacher, positive_label), None
        log(f"asking {teacher} about {len(texts)} texts")
        with Progress(len(texts), "texts", title="ask") as bar:
            for start in range(0, len(texts), PIECE):
                piece = texts[start : start + PIECE]
                key = hashlib.sha1("\0".join([who, precision, *piece]).encode("utf-8", "replace")).hexdigest()
                path = run_dir.with_name(f"{run_dir.name}-teachers") / f"{key[:16]}.npy"
                answers = _read(path, len(piece))
                if answers is None:
                    model = model or load(teacher, precision, positive_label)
                    answers = model.predict_encoded(model.encode(piece))
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files.write_atomically(path, functools.partial(_write, array=answers))
                total[start : start + PIECE] += answers
                bar.update(len(piece))
    return total / len(teachers)


def _read(path: Path, count: int) -> np.ndarray | None:
    """The answers in a file, float32 [count, 2]; None where there are none."""
    try:
        answers = tensors.read_array(path)
    except UserError:
        return None
    return answers if answers.shape == (count, 2) else None


def fingerprint(teacher: str, positive_label: Sequence[str] = ()) -> str:
    """A checksum of all that decides a teacher's answers: weights, configuration, tokenizer, which class is positive.

    Args:
        teacher: a classifier's folder or hub name.
        positive_label: which of its labels means positive, where the names do not say so; see heads.order.

    Raises:
        UserError: one of them is missing, or its labels do not say which is positive.
    """
    folder = checkpoints.resolve(teacher)
    config = checkpoints.read_config(folder)
    weights = checkpoints.fingerprint(checkpoints.read_weights(folder, families.of(config)))
    turned = "-turned" if heads.order(config, folder, positive_label) == [1, 0] else ""
    return f"{weights}{turned}{checkpoints.unusual(config)}-{tokenizers.load(folder).fingerprint}"


def _write(path: str | Path, array: np.ndarray) -> None:
    with open(path, "wb") as stream:  # np.save would add .npy to the name
        np.save(stream, array)


def blend(probabilities: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """What to learn: the teachers' probabilities, and where there is a label the mean of it and of theirs.

    Args:
        probabilities: float32 [n, 2], the teachers'.
        labels: int [m], m <= n, of the first rows.

    Returns:
        float32 [n, 2].

    Example:
        >>> blend(np.float32([[0.75, 0.25], [0.75, 0.25]]), [0])
        array([[0.875, 0.125],
               [0.75 , 0.25 ]], dtype=float32)
    """
    blended, labels = np.array(probabilities, np.float32), np.asarray(labels)
    blended[: len(labels)] = (blended[: len(labels)] + np.eye(2, dtype=np.float32)[labels]) / 2
    return blended
