"""How far a run is, and the files in its folder that it goes on from."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import write_atomically
from nsmc_bert.base.json_files import parse_json

PROGRESS = {  # the shape of a RunProgress in a checkpoint
    "epoch": int,
    "step": int,
    "seconds": float,
    "history": [{"validation?": dict}],
    "bad": int,
    "done": bool,
    "sums": {str: float},
}


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
        sums: by name the figures of the next epoch's steps so far, added up, and the numbers of these "steps" and of
            their "texts".
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

    def add(self, figures: Mapping[str, float], stop: int, texts: int) -> None:
        """Adds the steps up to `stop` of this epoch to its sums.

        Args:
            figures: Keras' means of these steps alone: of "loss" over the steps, of all others over what is in them,
                which is texts or goes by their number.
            stop: the last of the steps, and one.
            texts: how many they have.
        """
        if "texts" not in self.sums:  # the first piece; or a state of before texts were counted, whose sums are others
            self.sums.clear()
        counts = {"steps": float(stop - self.step), "texts": float(texts)}
        added = {name: value * counts[_counted(name)] for name, value in figures.items()}
        for name, value in {**added, **counts}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
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
        counts = {name: self.sums.pop(name) for name in ("steps", "texts")}
        means = {name: value / counts[_counted(name)] for name, value in self.sums.items()}
        record = {"epoch": self.epoch + 1, "steps": self.steps + steps, **means}
        validation = {} if figures is None else {"validation": figures}
        self.history.append({**record, "reviews_per_second": rate, **validation})
        self.bad = 0 if better else self.bad + 1
        self.done = self.bad >= patience
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}


def _counted(figure: str) -> str:
    """What a figure of training is a mean over."""
    return "steps" if figure == "loss" else "texts"


class State:
    """A run's files: checkpoint.safetensors (weights, optimizer, progress) and best.safetensors (weights).

    Args:
        run_dir: the run's folder.
        weights: the model's, in an order that is the same in every process.
        optimizer: the model's, built: a Keras optimizer, or a LossScaleOptimizer around one.
    """

    def __init__(self, run_dir: Path, weights: Sequence[tf.Variable], optimizer: Any):
        self._checkpoint, self._best = run_dir / "checkpoint.safetensors", run_dir / "best.safetensors"
        self._weights, self._variables = list(weights), [*weights, *optimizer.variables]
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
