"""Corpora in their native formats, read into records: one file per format, and here what they share.

Each format has `splits(path, task, …)`, which finds the files and gives {"train": Split, "dev": Split, "test": Split},
or what there is of these. Nothing is read before the records are asked for.
"""

import collections
import dataclasses
import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import lines, readable

# of a large treebank: cs_pdt-ud-train-l.conllu
_PART = re.compile(r"([a-z]{2,3}_\w+-ud-(?:train|dev|test))-[\w-]+\.conllu")
_SPLITS = {"train": "train", "training": "train", "dev": "dev", "development": "dev", "test": "test"}


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a corpus on its way into records.

    Attributes:
        records: iterator of Record, to be used up once.
        notes: Counter of what was left out or changed and why, {reason: times}; complete when `records` is used up.
    """

    records: Iterator
    notes: collections.Counter


def split_of(generate, *arguments, **options):
    """A Split of the records that generate(*arguments, notes=notes, **options) yields."""
    notes = collections.Counter()
    return Split(generate(*arguments, notes=notes, **options), notes)


def one_word(form, notes):
    """A word in the form that text.split() gives back as one: what white space is inside becomes "_".

    Vietnamese and French treebanks have words such as "10 000", whose white space would shift every span after it.
    """
    if form.split() == [form]:
        return form
    notes["word with white space inside, or empty: written with _"] += 1
    return "_".join(form.split()) or "_"


def check_task(task, tasks, source):
    """Raises a UserError unless a source has the task."""
    if task not in tasks:
        raise UserError("found the task {}, expected one that {} has: {}".format(task, source, ", ".join(tasks)))


def split_name(name):
    """The split that a file's or folder's name tells of, such as "dev" of en_ewt-ud-dev.conllu; None if it tells of
    none.
    """
    found = {_SPLITS[part] for part in re.split(r"[^a-z]+", name.lower()) if part in _SPLITS}
    return found.pop() if len(found) == 1 else None


def files_by_split(path, endings, split, only="*"):
    """The files of each split: one, or those that a treebank of Universal Dependencies is published in.

    Args:
        path: a folder whose files tell their split by their names, or one file.
        endings: how names end, before an ending .gz or .xz.
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
    found = collections.defaultdict(list)
    for file in listed:
        found[split_name(file.name)].append(file)
    found.pop(None, None)
    for name, files in found.items():
        if len(files) > 1 and not _parts(files):
            advice = "one; choose with --files=PATTERN, such as --files='{}*'".format(
                re.split(r"[-.]", files[0].name)[0]
            )
            raise UserError(
                "{}: found {} as {}, expected {}".format(path, " and ".join(file.name for file in files), name, advice)
            )
    if split and split in found:
        return {split: found[split]}
    if split or not found:
        expected = "{} with {} in its name".format(" or ".join(endings), split or "train, dev or test")
        matching = "" if only == "*" else f" that match {only}"
        raise UserError("%s: found %d such files%s, expected one %s" % (path, len(listed), matching, expected))
    return {name: found[name] for name in ("train", "dev", "test") if name in found}


def _parts(files):
    """Whether files of one split are parts of it, such as Czech-PDT's train-c, train-l and train-m, and not rivals."""
    names = [re.sub(r"\.(gz|xz)$", "", file.name) for file in files]
    stems = {match and match[1] for match in map(_PART.fullmatch, names)}
    return (
        stems != {None}
        and len(stems) == 1
        and len(set(names)) == len(names)
        and len({file.parent for file in files}) == 1
    )


def blocks(path):
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


def files_below(folder):
    """All files in a folder and the folders in it, symbolic links followed, sorted by path.

    Raises:
        UserError: there is no such folder, or one that cannot be read.
    """
    folder = Path(os.path.expanduser(folder))
    if not folder.is_dir():
        raise UserError(f"{folder}: found no such file or folder, expected a corpus")
    return sorted(_files_below(folder, ()))


def _files_below(folder, above):
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
