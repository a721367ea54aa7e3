"""Learning from other classifiers: their mean probabilities, for labelled reviews and any others (Hinton et al. 2015)."""

import hashlib

import numpy as np

from nsmc_bert import checkpoints, files


def targets(teachers, texts, run_dir, *, precision, log):
    """The teachers' mean probabilities. Each teacher is asked once: its answers are kept beside the run's folder.

    Args:
        teachers: classifier folders or hub names, as `nsmc_bert.load` takes them.
        texts: list of str, n of them.
        run_dir: the run's folder, a Path.
        precision: the Keras policy to compute with.
        log: called with each line to show.

    Returns:
        float32 [n, 2].

    Raises:
        UserError: one is no classifier.
    """
    from nsmc_bert.classifier import load

    what, total = "\0".join(texts).encode("utf-8", "replace"), np.zeros((len(texts), 2), np.float32)
    for teacher in teachers:
        key = hashlib.sha1(fingerprint(teacher).encode() + precision.encode() + what).hexdigest()
        path = run_dir.with_name("%s-teacher-%s.npy" % (run_dir.name, key[:12]))
        if not path.exists():
            log("asking %s about %d texts, into %s" % (teacher, len(texts), path))
            model = load(teacher, precision)
            answers = model.predict_encoded(model.encode(texts))
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(path, lambda part: _write(part, answers))
        total += np.load(path)
    return total / len(teachers)


def fingerprint(teacher):
    """A checksum of a teacher's weights, head included.

    Raises:
        UserError: there are none.
    """
    return checkpoints.fingerprint(checkpoints.read_weights(checkpoints.resolve(teacher)))


def _write(path, array):
    with open(path, "wb") as stream:  # np.save would add .npy to the name
        np.save(stream, array)


def blend(probabilities, labels):
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
    out = np.array(probabilities, np.float32)
    out[: len(labels)] = (out[: len(labels)] + np.eye(2, dtype=np.float32)[labels]) / 2
    return out
