"""What a folder of records was converted from: TASK.conversion.json, with a checksum of each of TASK's splits.

Records that were made elsewhere have no such file, and nothing is asked of them. Where there is one, what lies beside
it is of that one conversion or is refused: train of one corpus and test of another give figures of nothing.
"""

import hashlib
from pathlib import Path
from typing import Any

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.files import feed
from nsmc_bert.base.json_files import read_json
from nsmc_bert.base.text_files import decompressed, readable

SUFFIXES = ("", ".gz", ".xz")


def path_in(folder: Path, task: str) -> Path:
    """Where a task's conversion is described."""
    return folder / f"{task}.conversion.json"


def split_paths(folder: Path, task: str, split: str) -> list[Path]:
    """The files of a split that are there, plain before compressed."""
    paths = [folder / f"{task}.{split}.jsonl{suffix}" for suffix in SUFFIXES]
    return [path for path in paths if path.exists()]


def checksum(path: Path) -> str:
    """SHA-1 of a file's content, the same whether it is compressed or not."""
    digest = hashlib.sha1()
    with readable(path), decompressed(path) as file:
        feed(digest, file)
    return digest.hexdigest()


def read(folder: Path, task: str) -> dict[str, Any] | None:
    """The description of a conversion, {"made_with": {source and options}, "sha1": {split: checksum}, "labels": {split:
    the labels that its records have, sorted}, "inputs": {split: what it was made of}}; None where there is none,
    without labels or inputs where it is an older one.

    Raises:
        UserError: it is broken.
    """
    path = path_in(folder, task)
    if not path.exists():
        return None
    return read_json(
        path,
        {"made_with": dict, "sha1": {str: str}, "labels?": {str: [str]}, "inputs?": {str: str}},
        "a description of a conversion; convert anew, or delete it",
    )


def check(folder: Path, task: str, paths: dict[str, Path]) -> None:
    """Checks that {split: path} of a folder are what one conversion wrote.

    Raises:
        UserError: one of them is of another, as when a conversion was killed at its end or files were copied; or was
            changed.
    """
    description = read(folder, task)
    for split, path in paths.items() if description else ():
        if description and description["sha1"].get(split) != checksum(path):
            raise UserError(
                f"{path}: found other records than those of the conversion that {path_in(folder, task).name} "
                f"describes; convert anew, or delete {path_in(folder, task).name} if they do belong together"
            )
