"""A run's folder: whose it is, by run.json, and who is at work in it."""

import itertools
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsmc_bert.base.classes import of_record
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import Lock, lock, make_folder, write_text
from nsmc_bert.base.json_files import read_json

RECORDED = {"classes?": {"names": [str], "values": [float]}}  # what is read of a run's record, beside equal or not
CHECKSUMS = {  # keys of an identity whose values say nothing to a reader: what another value means
    "data": "what was learned from is not what is there now",
    "texts": "what was learned from is not what is there now",
    "ratings": "the ratings are not those that are there now",
    "test": "the test reviews are not those that are there now",
    "unlabelled": "the texts without labels are not those that are there now",
    "teachers": "it had other teachers",
    "encoder": "it started from another encoder",
    "tokenizer": "it had another tokenizer",
}


def claim(
    run_dir: Path, identity: Mapping[str, Any], chief: bool = True, *, part_of: Path | None = None
) -> Lock | None:
    """Makes the run folder ours, or checks that it is.

    Args:
        run_dir: the folder.
        identity: all that decides the run's result.
        chief: whether this process writes into it.
        part_of: the --run_dir, where this folder is one of several in it.

    Returns:
        Of the chief the hold on it: nobody else may claim it before that is gone.

    Raises:
        UserError: it holds another run, or something that is no run; another process is at work in it; or it cannot be
            written.
    """
    path = run_dir / "run.json"
    identity = json.loads(json.dumps(identity))
    if run_dir.exists() and not run_dir.is_dir():
        raise UserError(f"{run_dir}: found a file, expected a folder, or nothing, for --run_dir")
    files = list(run_dir.iterdir()) if run_dir.exists() else []  # before it is known whose they are: of several
    if path.exists():  # workers the chief may be writing its record just now
        recorded = read_json(path, RECORDED, "a run's record; choose another --run_dir")
        for key in sorted({*identity, *recorded}):
            if identity.get(key) != recorded.get(key):
                raise UserError(
                    f"{run_dir}: holds another run: {_difference(key, recorded.get(key), identity.get(key))}; "
                    f"choose another folder, --run_dir={_vacant(part_of or run_dir)}, or delete this one"
                )
    elif not all(file.name == "lock" or _is_left_over(file) for file in files):
        raise UserError(f"{run_dir}: found files that are no run's, expected an empty or new folder for --run_dir")
    if not chief:
        return None
    make_folder(run_dir)
    held = lock(run_dir)
    for left_over in filter(_is_left_over, run_dir.glob("*")):
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    if not path.exists():
        write_text(path, json.dumps(identity, indent=1) + "\n")
    return held


def _difference(key: str, there: Any, now: Any) -> str:
    """How the record of another run differs from this one's, in words."""
    if key in CHECKSUMS:
        return CHECKSUMS[key]
    if key == "classes":
        return f"{of_record({key: there})} there, {of_record({key: now})} now"
    return f"{key}={there} there, {now} now"


def _vacant(folder: Path) -> Path:
    """A name like a folder's, with another number, that nothing has."""
    name = re.sub(r"-\d+$", "", folder.name)
    numbered = (folder.with_name(f"{name}-{number}") for number in itertools.count(2))
    return next(path for path in numbered if not path.exists())


def _is_left_over(path: Path) -> bool:
    """Whether a file or folder is what a killed run was about to write."""
    ours = r"(run\.json|(checkpoint|best)\.safetensors|\.(model|encoder))\.part-\d+|\.(model|encoder)\.old-\d+"
    return bool(
        re.fullmatch(ours + r"|\.tmp\w{6}", path.name)
    )  # .tmpXXXXXX is what safetensors writes before it renames it
