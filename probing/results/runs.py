"""The results of run folders: found, of one kind, without copies."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nsmc_bert.base.errors import UserError
from probing.results import published
from probing.results.result import Result
from probing.tasks import TASKS


def load(folders: Iterable[str | Path]) -> list[Result]:
    """The results below some run folders.

    Raises:
        UserError: a folder has none, a file is broken, or what would stand in one cell of a table differs in more than
            its seed.
    """
    results = []
    for folder in folders:
        paths = _paths(folder)
        if not paths:
            below = sorted({str(path.parents[2]) for at in Path(folder).expanduser().glob("*/") for path in _paths(at)})
            such = f", such as {below[0]}" if below else ""
            raise UserError(f"{folder}: found no results, expected a run folder of probing.run{such}")
        of_folder = []
        for path in paths:
            of_folder.append((path, Result.load(path)))
            predictions = path.with_suffix(".npz")
            if not predictions.exists():
                raise UserError(f"{predictions}: missing, expected the predictions beside {path.name}")
        results += _by_last_name(of_folder)
    return _of_one_kind(results)


def named(results: Iterable[Result], names: Mapping[str, str]) -> list[Result]:
    """The results, encoders with short names, as tables and plots show them.

    Args:
        results: as from `load`.
        names: {short name: encoder, by its name or what that ends with}.

    Raises:
        UserError: there is no such encoder, or it stands in a published column, or two would have one name.
    """
    results = list(results)
    shown = {result.shape_of: result.shape_of for result in results}
    for name, ending in names.items():
        encoder = encoder_named(results, ending)
        column = next(published.encoder_of(result) for result in results if result.encoder == encoder)
        if column in published.ENCODERS:
            raise UserError(f"{name}={ending}: found {encoder}, which stands in the published column {column}")
        shown[encoder] = name
    for name in names:
        if name in published.NAMES or list(shown.values()).count(name) > 1:
            raise UserError(f"{name}={names[name]}: found an encoder of the name {name} already, expected another name")
    return [
        dataclasses.replace(result, encoder=result.encoder.replace(result.shape_of, shown[result.shape_of], 1))
        for result in results
    ]


def encoder_named(results: Iterable[Result], name: str) -> str:
    """The encoder of that name, or the one whose name ends so.

    Raises:
        UserError: there is none, or there are several.
    """
    known = sorted({result.encoder for result in results if not result.control})
    # heads are of the encoder that they are named after, and meant where they are named so, or nothing else is there
    of_heads = [encoder for encoder in known if encoder.startswith("attention:")]
    if not name.startswith("attention:") and len(of_heads) < len(known):
        known = [encoder for encoder in known if encoder not in of_heads]
    fitting = (
        [name] if name in known else [encoder for encoder in known if encoder.rstrip("/").endswith(name.rstrip("/"))]
    )
    if len(fitting) != 1:
        raise UserError(f"{name}: found {len(fitting)} encoders of that name, expected one of {', '.join(known)}")
    return fitting[0]


def _paths(folder: str | Path) -> list[Path]:
    """The files of results in a run folder; a store of activations beside it has files of the same depth."""
    return sorted(path for path in Path(folder).expanduser().glob("*/*/*.json") if path.parts[-3] in TASKS)


def _by_last_name(of_folder: Sequence[tuple[Path, Result]]) -> list[Result]:
    """The results of a run folder, each with its path.

    An encoder may have been moved from one run to the next, or named by another path: its results, which lie in one
    folder a task, have the name of the one written last.
    """
    real = [each for each in of_folder if each[1].control != "random_encoder"]
    real.sort(key=lambda each: each[0].stat().st_mtime_ns)
    last = {path.parent.name: result.encoder for path, result in real}  # by the encoder's folder in the run folder
    moved = {result.encoder: last[path.parent.name] for path, result in real if result.encoder not in last.values()}
    out = []
    for path, result in of_folder:
        shape = result.shape_of
        name = moved.get(shape, shape) if result.control == "random_encoder" else last[path.parent.name]
        out.append(dataclasses.replace(result, encoder=result.encoder.replace(shape, name, 1)))
    return out


def _of_one_kind(results: Iterable[Result]) -> list[Result]:
    """The results without copies; of two of one probe the one whose encoder's configuration is known.

    Raises:
        UserError: those of a task and encoder differ in more than representation, seed and control, or those of an
            encoder's tasks in its weights.
    """
    columns: dict[tuple, dict[str, Result]] = {}
    chosen: dict[tuple, Result] = {}
    of_weights: dict[str, Result] = {}
    for result in results:
        identity = result.identity
        column = result.task.name, published.encoder_of(result), result.control == "random_encoder"
        kinds = columns.setdefault(column, {})
        kind = json.dumps([result.conditions(), identity.encoder, identity.data])
        if kinds.setdefault(kind, result) is result:
            for other in kinds.values():
                _check_alike(other, result)
        if identity.encoder:
            _check_weights(of_weights.setdefault(result.encoder, result), result)
        probe = (*column, result.representation, result.control, result.seed)
        if probe not in chosen or len(identity.encoder or "") > len(chosen[probe].identity.encoder or ""):
            chosen[probe] = result
    return list(chosen.values())


def _check_alike(first: Result, other: Result) -> None:
    different = first.differences(other)[0] + first.encoder_differences(other)[0]
    if different:
        folders = " and ".join(str(result.path and result.path.parent) for result in (first, other))
        probes = f"{first.path and first.path.stem} and {other.path and other.path.stem}"
        raise UserError(
            f"{folders}: found probes of {first.task.name}, {probes}, that differ in {' and '.join(different)}, "
            f"expected the same, seeds aside; name runs of one kind"
        )


def _check_weights(first: Result, other: Result) -> None:
    """Raises a UserError where two results of a name are of an encoder that was trained anew between two tasks."""
    one, another = ((result.identity.encoder or "").partition("-")[0] for result in (first, other))
    if one != another:
        folders = " and ".join(str(result.path and result.path.parent) for result in (first, other))
        raise UserError(
            f"{folders}: found probes of {first.task.name} and {other.task.name} that are of different weights, though "
            f"the encoder of both is called {other.encoder}, expected one encoder; delete the folder of what it was "
            f"before, and probe it anew"
        )
