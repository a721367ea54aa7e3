"""What trained probes say of targets, and the figure that training goes by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from probing.learning.batches import Batches
from probing.learning.schedule import ProbeKey

if TYPE_CHECKING:  # which imports this module
    from probing.learning.fit import Probes

import contextlib
import os
import tempfile

import numpy as np

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import alive


def dev_scores(probes: Probes, batches: Batches, limit: int = 0) -> dict[ProbeKey, float]:
    """Micro-averaged F1 over all labels and targets, the figure that training goes by: {key: float}."""
    counts = {key: np.zeros(3, np.int64) for key in probes.keys}
    for targets, batch in batches.in_order(limit):
        for key, values in zip(probes.keys, probes.predict(batch)):
            predicted = values.numpy()[: len(targets)] >= 0
            gold = batch["control" if key.control else "gold"].numpy()[: len(targets)] > 0
            counts[key] += [(predicted & gold).sum(), (predicted & ~gold).sum(), (gold & ~predicted).sum()]
        alive()
    return {key: 2 * tp / (2 * tp + fp + fn) if tp else 0.0 for key, (tp, fp, fn) in counts.items()}


class Logits:
    """What probes say: logits[key] is float32 [targets, labels].

    It lies in files without a name until it is asked for: of many probes on a large corpus it would take more memory
    than all else.

    Args:
        keys: list of ProbeKey.
        labels: how many there are.
        folder: where the files are made; None for the system's place.

    Raises:
        UserError: they cannot be written, by `append` too.
    """

    def __init__(self, keys: Iterable[ProbeKey], labels: int, folder: Path | None = None):
        self._labels, self._folder = labels, folder or Path(tempfile.gettempdir())
        with self._writing():
            self._files = {key: tempfile.TemporaryFile(dir=folder) for key in keys}

    def append(self, key: ProbeKey, values: np.ndarray) -> None:
        """Adds float32 [targets, labels] of the next targets."""
        with self._writing():
            self._files[key].write(np.ascontiguousarray(values, np.float32).data)
            self._files[key].flush()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self._folder}: what the probes say cannot be written ({error.strerror or error}); make room and run "
                f"the command again"
            ) from None

    def __getitem__(self, key: ProbeKey) -> np.ndarray:
        file = self._files[key]
        out = np.empty((file.seek(0, os.SEEK_END) // (4 * self._labels), self._labels), np.float32)
        file.seek(0)
        file.readinto(out.reshape(-1).view(np.uint8).data)
        return out


def predict(probes: Probes, batches: Batches, folder: Path | None = None) -> Logits:
    """What every probe says of all targets: Logits, whose files are made in `folder`."""
    out = Logits(probes.keys, len(batches.examples.names), folder)
    for targets, batch in batches.in_order():
        for key, values in zip(probes.keys, probes.predict(batch)):
            out.append(key, values.numpy()[: len(targets)])
    return out


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Their probabilities, float32, each label by itself; they take the logits' place, which may be hundreds of
    megabytes.
    """
    np.clip(logits, -80, 80, logits)
    np.exp(np.negative(logits, logits), logits)
    return np.reciprocal(np.add(logits, 1, logits), logits)
