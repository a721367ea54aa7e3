"""Corpora in their native formats, read into records: one file per format, and here what they share.

Each format has `splits(path, task, …)`, which finds the files and gives {"train": Split, "dev": Split, "test": Split},
or what there is of these. Nothing is read before the records are asked for.
"""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
import functools
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import lines, readable
from probing import conversion
from probing.tasks import SPLITS

if TYPE_CHECKING:
    from probing.records import Record

# of a large treebank: cs_pdt-ud-train-l.conllu
_PART = re.compile(r"([a-z]{2,3}_\w+-ud-(?:train|dev|test))-[\w-]+\.conllu")
_SPLITS = {
    **{"train": "train", "training": "train", "dev": "dev", "development": "dev", "test": "test"},
    **{"valid": "dev", "validation": "dev", "testa": "dev", "testb": "test"},  # the last two are CoNLL-2003's
}
_TENTHS = {"train": (0, 8), "dev": (8, 9), "test": (9, 10)}

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a corpus on its way into records.

    Attributes:
        records: iterator of Record, to be used up once.
        notes: Counter of what was left out or changed and why, {reason: times}; complete when `records` is used up.
        group: a function that says of a record what it has in common with its neighbours where they may not be parted:
            of one sentence, or its twin. None where each record is a sentence of its own.
        again: a function that gives the Split anew, its records unread.
    """

    records: Iterator[Record]
    notes: collections.Counter[str]
    group: Callable[[Record], Any] | None = None
    again: Callable[[], Split] | None = None


def split_of(
    generate: Callable[..., Iterator[Record]],
    *arguments: Any,
    group: Callable[[Record], Any] | None = None,
    **options: Any,
) -> Split:
    """A Split of the records that generate(*arguments, notes=notes, **options) yields; `group` as Split's."""
    notes: collections.Counter[str] = collections.Counter()
    again = functools.partial(split_of, generate, *arguments, group=group, **options)
    return Split(generate(*arguments, notes=notes, **options), notes, group, again)


def in_tenths(split: Split) -> dict[str, Split]:
    """Train, dev and test of sentences that were published as one split: the first 80 %, the next 10 %, the rest.

    Args:
        split: that of all of them, as `split_of` makes it. Records of a group are counted as one sentence.

    Returns:
        {split: Split}; records and notes of a split are of its own sentences.
    """
    return {name: split_of(_tenths, split.again, *edges) for name, edges in _TENTHS.items()}


def _tenths(read: Callable[[], Split], first: int, last: int, *, notes: collections.Counter[str]) -> Iterator[Record]:
    number = 1 + max((i for i, _ in _numbered(read())), default=-1)
    begin, end, whole = number * first // 10, number * last // 10, read()
    for i, record in _numbered(whole):
        if i < begin:
            whole.notes.clear()
        elif i < end:
            notes.update(whole.notes)
            whole.notes.clear()
            yield record
        else:
            return
    notes.update(whole.notes)


def _numbered(split: Split) -> Iterator[tuple[int, Record]]:
    """(number of its group, record) of each record."""
    number, before = -1, None
    for record in split.records:
        group = split.group(record) if split.group else None
        number += group is None or group != before
        before = group
        yield number, record


def sentence_of(record: Record) -> Any:
    """The group of records that are several of one sentence: its text and where it is from."""
    return record.text, record.info


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


def named_split(path: Path, split: str) -> str:
    """The split that one file is to be, which is what --split says.

    Raises:
        UserError: it says nothing.
    """
    if not split:
        raise UserError(f"{path}: one file, expected the split it is to be, --split=train, dev or test")
    return split


def select(path: str | os.PathLike[str], by_split: Mapping[str, _T], split: str) -> dict[str, _T]:
    """What names tell of the splits, {split: what is there of it}, in the order train, dev, test.

    Args:
        path: the corpus, for errors.
        by_split: what there is.
        split: the only one that is asked for; "" for all.

    Raises:
        UserError: it is not there.
    """
    ordered = {name: by_split[name] for name in SPLITS if name in by_split}
    if split and split not in ordered:
        raise UserError(f"{path}: found {', '.join(ordered)}, expected {split} among them, as --split says")
    return {split: ordered[split]} if split else ordered


def files_by_split(
    path: str | os.PathLike[str], endings: tuple[str, ...], split: str, only: str = "*"
) -> dict[str, list[Path]]:
    """The files of each split: one, or those that a treebank of Universal Dependencies is published in.

    Of several files of a split those count that stand in the fewest folders. What a conversion wrote is no corpus.

    Args:
        path: a folder whose files tell their split by their names, or one file.
        endings: how names end, before an ending .gz or .xz; ("",) for any end.
        split: where names tell splits, the only one that is asked for; where none does, and of one file, the split that
            it is to be.
        only: a pattern, such as "ko_*", that the names of a folder's files have to match.

    Returns:
        {split: list of Path}, in the order train, dev, test.

    Raises:
        UserError: there is no such file, or there are several for one split.
    """
    path = Path(os.path.expanduser(path))
    if path.is_file():
        return {named_split(path, split): [path]}
    listed = [
        file
        for file in files_below(path)
        if re.sub(r"\.(gz|xz)$", "", file.name).endswith(endings) and not _converted(file)
    ]
    matching = [file for file in listed if fnmatch.fnmatchcase(file.name, only)]
    by_split = _by_split(matching)
    if split and len(matching) == 1 and not by_split:
        return {split: matching}
    if not by_split:
        kind = " or ".join(filter(None, endings)) or "file"
        expected = f"one {kind} with train, dev or test in its name"
        if matching:
            expected += ", or --split, the split that one alone is"
        if len(matching) > 1:
            expected += "; choose with --files=PATTERN"
        that_match = "" if only == "*" else f" that match {only}"
        raise UserError(f"{path}: found {len(matching)} such files{that_match}, expected {expected}")
    by_split = select(path, by_split, split)
    for name, files in by_split.items():
        if len(files) > 1 and not _parts(files):
            found = " and ".join(file.relative_to(path).as_posix() for file in files)
            raise UserError(f"{path}: found {found} as {name}, expected one; {_advice(listed, files)}")
    return by_split


def _by_split(files: Sequence[Path]) -> dict[str, list[Path]]:
    """{split: files} of those whose names tell a split; of several those that stand in the fewest folders, where that
    leaves the files of all splits in one folder: else they might be of two corpora.
    """
    by_split: dict[str, list[Path]] = collections.defaultdict(list)
    for file in files:
        if name := split_name(file.name):
            by_split[name].append(file)
    highest = {}
    for name, rivals in by_split.items():
        fewest = min(len(file.parts) for file in rivals)
        highest[name] = [file for file in rivals if len(file.parts) == fewest]
    together = len({file.parent for chosen in highest.values() for file in chosen}) == 1
    return highest if together else by_split


def _advice(listed: Sequence[Path], rivals: Sequence[Path]) -> str:
    """How to choose one of several files of a split: by a pattern that leaves one of each split, or by its folder."""
    if len({file.name for file in rivals}) < len(rivals):
        return "give the folder that one of them stands in"
    patterns = {f"{file.name[: mark.start()]}*" for file in rivals for mark in re.finditer(r"[-.]", file.name)}
    patterns |= {f"*{file.suffix}" for file in rivals if file.suffix}
    splits = _by_split(listed).keys()
    for pattern in sorted(patterns, key=lambda pattern: (len(pattern), pattern)):
        by_split = _by_split([file for file in listed if fnmatch.fnmatchcase(file.name, pattern)])
        if by_split.keys() == splits and all(len(files) == 1 or _parts(files) for files in by_split.values()):
            return f"choose with --files=PATTERN, such as --files='{pattern}'"
    return "choose with --files=PATTERN"


def _converted(file: Path) -> bool:
    """Whether a conversion wrote a file, as its description beside it says."""
    match = re.fullmatch(r"(\w+)\.(?:(?:train|dev|test)\.jsonl(?:\.gz|\.xz)?|conversion\.json)", file.name)
    return match is not None and conversion.path_in(file.parent, match[1]).exists()


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

    Names that begin with "." are passed over: .git/refs/heads/dev is no split.

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
        inside = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    for entry in inside:
        if entry.is_dir():
            yield from _files_below(entry.path, (*above, real))
        else:
            yield Path(entry.path)
