"""The state of probes that are half trained: files that a killed run goes on from, whatever is asked for beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probing.learning.schedule import ProbeKey

if TYPE_CHECKING:  # which imports this module
    from probing.learning.fit import Probes

import contextlib
import hashlib
import json

import numpy as np

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import write_atomically
from nsmc_bert.base.json_files import parse_json

PROGRESS = {"step": int, "seconds?": float, "waited?": float, "cells?": {str: {"history": [dict], "done": bool}}}


def save(
    path: Path,
    probes: Probes,
    progress: Mapping[str, Any],
    best_weights: Mapping[str, Sequence[np.ndarray]],
    identity: Mapping[str, Any],
) -> None:
    """Writes everything that the next step of some probes depends on.

    Args:
        path: the file.
        probes: what is trained.
        progress: where each of them is.
        best_weights: {name of a probe: the weights of its best validation}.
        identity: what the state belongs to.
    """
    from safetensors.numpy import save_file

    tensors = {name: np.asarray(variable.numpy()) for name, variable in probes.variables()}
    for name, weights in best_weights.items():
        tensors.update({f"{name}/best/{i:03d}": np.asarray(weight) for i, weight in enumerate(weights)})
    identity = {**identity, "cells": [key.name for key in probes.keys]}
    metadata = {"progress": json.dumps(progress), "identity": json.dumps(identity, sort_keys=True)}
    write_atomically(path, lambda part: save_file(tensors, str(part), metadata))


def restore(path: Path, probes: Probes, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The progress of a state file, whose weights are put in place; None where there is none, or another run's."""
    if not path.exists():
        return None
    with _opened(path) as (file, owner, progress):
        keys = owner.pop("cells")
        if _differences(owner, json.loads(json.dumps(identity))) or not {key.name for key in probes.keys} <= set(keys):
            return None
        for name, variable in probes.variables():
            variable.assign(file[name])
        names = sorted(file)
        best_weights = {
            key.name: [file[name] for name in names if name.startswith(key.name + "/best/")] for key in probes.keys
        }
        progress["best_weights"] = {name: weights for name, weights in best_weights.items() if weights}
        if "cells" in progress:
            progress["cells"] = {key.name: progress["cells"][key.name] for key in probes.keys}
        return progress


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[tensors.Safetensors, dict[str, Any], dict[str, Any]]]:
    """(tensors.Safetensors, the identity of its run and the names of its probes as "cells", its progress)."""
    advice = "delete it to train these probes anew"
    file = tensors.Safetensors(path, "state of this run", advice, finite=False)
    owner = parse_json(file.metadata.get("identity", ""), f"{path}, identity", {"cells": [str]}, "a run's; " + advice)
    progress = parse_json(file.metadata.get("progress", ""), f"{path}, progress", PROGRESS, "a run's; " + advice)
    try:
        yield file, owner, progress
    except UserError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a state of this run ({error}); {advice}") from None


def groups(
    folder: Path, stem: str, keys: Sequence[ProbeKey], identity: Mapping[str, Any]
) -> list[tuple[list[ProbeKey], Path, Path | None]]:
    """The probes that are trained together: what an earlier run has begun together goes on together, the rest begins
    together.

    Args:
        folder: where the files of states are, a Path.
        stem: how their names begin.
        keys: list of ProbeKey, all that are to be trained.
        identity: what their state belongs to. A state that began after other records of the same run ("begin") is
            passed over.

    Returns:
        A list of (list of ProbeKey; path of their state; path of the state that they go on from, or None).

    Raises:
        UserError: a file is no state, or another run's, which would be lost.
    """
    identity = json.loads(json.dumps(identity))
    states: list[tuple[int, Path, list[str]]] = []
    out: list[tuple[list[ProbeKey], Path, Path | None]] = []
    for path in sorted(folder.glob(stem + "*.safetensors")):
        with _opened(path) as (_, belongs_to, progress):
            names = belongs_to.pop("cells")
        if belongs_to.get("begin") != identity.get("begin"):
            continue
        check_identity(path, belongs_to, identity)
        states.append((progress["step"], path, names))
    left, plain = list(keys), folder / (stem + ".safetensors")
    for _, path, names in sorted(states, reverse=True):  # what got furthest
        group = [key for key in left if key.name in names]
        left = [key for key in left if key.name not in names]
        if group:
            out.append((group, path if len(group) == len(names) else _state_path(folder, stem, group), path))
    if left:
        out.append((left, _state_path(folder, stem, left) if plain.exists() else plain, None))
    return out


def _state_path(folder: Path, stem: str, keys: Sequence[ProbeKey]) -> Path:
    digest = hashlib.sha1("\n".join(sorted(key.name for key in keys)).encode()).hexdigest()[:10]
    return folder / (f"{stem}-{digest}.safetensors")


def discard(folder: Path, stem: str, finished: Callable[[str, Mapping[str, Any]], bool]) -> None:
    """Deletes the files of states whose probes are all finished.

    Args:
        folder, stem: as in `groups`.
        finished: a function from the name of a probe and what the state belongs to, to whether the probe's results are
            saved.
    """
    for path in folder.glob(stem + "*.safetensors"):
        with contextlib.suppress(UserError):  # a broken one is said when it is needed
            with _opened(path) as (_, identity, _):
                names = identity.pop("cells")
            if all(finished(name, identity) for name in names):
                path.unlink()


def check_identity(path: Path, owner: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raises a UserError unless the two dicts, what a file belongs to and what this run is, say the same."""
    for key, found, expected in _differences(owner, identity):
        raise UserError(
            f"{path}: holds a probe with another {key}, {found}; expected {expected}; choose another --run_dir, or "
            f"delete this file"
        )


def _differences(owner: Mapping[str, Any], identity: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, the owner's, this run's) of all that differs, a dict's values one by one. Settings that this run has not
    are passed over: older files name those of a schedule that do not act, too. So are other files of a corpus that say
    the same.
    """
    out = []
    for key, expected in identity.items():
        found = owner.get(key)
        if key == "corpus" and owner.get("data", "") == identity.get("data"):
            continue
        if isinstance(found, dict) and isinstance(expected, dict):
            out += [(f"{key}: {name}", *pair) for name, *pair in _differences(found, expected)]
        elif found != expected:
            out.append((key, found, expected))
    return out
