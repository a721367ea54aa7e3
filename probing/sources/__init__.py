"""Corpora in their native formats, read into records: one file per format, and here what they share.

Each format has `splits(path, task, …)`, which finds the files and gives {"train": Split, "dev": Split, "test": Split},
or what there is of these. Nothing is read before the records are asked for.
"""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import lines, readable

if TYPE_CHECKING:
    from probing.records import Record

# of a large treebank: cs_pdt-ud-train-l.conllu
_PART = re.compile(r"([a-z]{2,3}_\w+-ud-(?:train|dev|test))-[\w-]+\.conllu")
_SPLITS = {
    **{"train": "train", "training": "train", "dev": "dev", "development": "dev", "test": "test"},
    **{"valid": "dev", "validation": "dev", "testa": "dev", "testb": "test"},  # the last two are CoNLL-2003's
}
_TENTHS = {"train": (0, 8), "dev": (8, 9), "test": (9, 10)}


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a corpus on its way into records.

    Attributes:
        records: iterator of Record, to be used up once.
        notes: Counter of what was left out or changed and why, {reason: times}; complete when `records` is used up.
    """

    records: Iterator[Record]
    notes: collections.Counter[str]


def split_of(generate: Callable[..., Iterator[Record]], *arguments: Any, **options: Any) -> Split:
    """A Split of the records that generate(*arguments, notes=notes, **options) yields."""
    notes: collections.Counter[str] = collections.Counter()
    return Split(generate(*arguments, notes=notes, **options), notes)


def in_tenths(read: Callable[[], Split]) -> dict[str, Split]:
    """Train, dev and test of sentences that were published as one split: the first 80 %, the next 10 %, the rest.

    Args:
        read: gives the Split of all of them, each time anew.

    Returns:
        {split: Split}; records and notes of a split are of its own sentences.
    """
    return {name: split_of(_tenths, read, *edges) for name, edges in _TENTHS.items()}


def _tenths(read: Callable[[], Split], first: int, last: int, *, notes: collections.Counter[str]) -> Iterator[Record]:
    number = sum(1 for _ in read().records)
    begin, end, whole = number * first // 10, number * last // 10, read()
    for i, record in enumerate(whole.records):
        if i < begin:
            whole.notes.clear()
        elif i < end:
            notes.update(whole.notes)
            whole.notes.clear()
            yield record
        else:
            return
    notes.update(whole.notes)


def one_word(form: str, notes: collections.Counter[str]) -> str:
    """A word in the form that text.split() gives back as one: what white space is inside becomes "_".

    Vietnamese and French treebanks have words such as "10 000", whose white space would shift every span after it.
    """
    if form.split() == [form]:
        return form
    notes["word with white space inside, or empty: written with _"] += 1
    return "_".join(form.split()) or "_"


def check_task(task: str, tasks: Collection[str], source: str) -> None:
    """Raises a UserError unless a source has the task."""
    if task not in tasks:
        raise UserError(f"found the task {task}, expected one that {source} has: {', '.join(tasks)}")


def split_name(name: str) -> str | None:
    """The split that a file's or folder's name tells of, such as "dev" of en_ewt-ud-dev.conllu; None if it tells of
    none.
    """
    names = {_SPLITS[part] for part in re.split(r"[^a-z]+", name.lower()) if part in _SPLITS}
    return names.pop() if len(names) == 1 else None


def files_by_split(
    path: str | os.PathLike[str], endings: tuple[str, ...], split: str, only: str = "*"
) -> dict[str, list[Path]]:
    """The files of each split: one, or those that a treebank of Universal Dependencies is published in.

    Args:
        path: a folder whose files tell their split by their names, or one file.
        endings: how names end, before an ending .gz or .xz; ("",) for any end.
        split: the name of the split, where `path` is one file; where it is a folder, the one split that is asked for.
        only: a pattern, such as "ko_*", that the names of a folder's files have to match.

    Returns:
        {split: list of Path}, in the order train, dev, test.

    Raises:
        UserError: there is no such file, or there are several for one split.
    """
    path = Path(os.path.expanduser(path))
    if path.is_file():
        if not split:
            raise UserError(f"{path}: one file, expected the split it is to be, --split=train, dev or test")
        return {split: [path]}
    listed = [
        file
        for file in files_below(path)
        if re.sub(r"\.(gz|xz)$", "", file.name).endswith(endings) and fnmatch.fnmatchcase(file.name, only)
    ]
    by_split: dict[str, list[Path]] = collections.defaultdict(list)
    for file in listed:
        if name := split_name(file.name):
            by_split[name].append(file)
    for name, files in by_split.items():
        if len(files) > 1 and not _parts(files):
            advice = f"one; choose with --files=PATTERN, such as --files='{re.split(r'[-.]', files[0].name)[0]}*'"
            raise UserError(f"{path}: found {' and '.join(file.name for file in files)} as {name}, expected {advice}")
    if split and split in by_split:
        return {split: by_split[split]}
    if split or not by_split:
        kind = " or ".join(filter(None, endings)) or "file"
        expected = f"{kind} with {split or 'train, dev or test'} in its name"
        matching = "" if only == "*" else f" that match {only}"
        raise UserError(f"{path}: found {len(listed)} such files{matching}, expected one {expected}")
    return {name: by_split[name] for name in ("train", "dev", "test") if name in by_split}


def _parts(files: Sequence[Path]) -> bool:
    """Whether files of one split are parts of it, such as Czech-PDT's train-c, train-l and train-m, and not rivals."""
    names = [re.sub(r"\.(gz|xz)$", "", file.name) for file in files]
    stems = {match and match[1] for match in map(_PART.fullmatch, names)}
    return (
        stems != {None}
        and len(stems) == 1
        and len(set(names)) == len(names)
        and len({file.parent for file in files}) == 1
    )


def blocks(path: str | os.PathLike[str]) -> Iterator[list[tuple[int, str]]]:
    """The lines of a file between its empty lines: lists of (line number, text without the white space around it)."""
    block = []
    for number, line in lines(path):
        if line.strip():
            block.append((number, line.strip()))
        elif block:
            yield block
            block = []
    if block:
        yield block


def files_below(folder: str | os.PathLike[str]) -> list[Path]:
    """All files in a folder and the folders in it, symbolic links followed, sorted by path.

    Raises:
        UserError: there is no such folder, or one that cannot be read.
    """
    folder = Path(os.path.expanduser(folder))
    if not folder.is_dir():
        raise UserError(f"{folder}: found no such file or folder, expected a corpus")
    return sorted(_files_below(folder, ()))


def _files_below(folder: str | os.PathLike[str], above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:  # a link back to a folder that it stands in
        return
    with readable(folder):
        inside = list(os.scandir(folder))
    for entry in inside:
        if entry.is_dir():
            yield from _files_below(entry.path, (*above, real))
        else:
            yield Path(entry.path)
