"""SemEval 2010 task 8: relations between two nominals of a sentence.

Blocks of a numbered sentence in quotation marks with <e1>…</e1> and <e2>…</e2> in it, the relation, a comment, and an
empty line. Words are what white space parts, so that punctuation stays with them; span1 is e1, span2 is e2 (jiant's
probing/data/convert-semeval2010-task8.py).

The release has no development data. The published cut of the training data is taken: random numbers from Python's
generator, seeded by 42, one per sentence; up to 0.85 it is train, above it dev (jiant's
probing/deterministic_split.py).
"""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nsmc_bert.base.errors import Located, UserError, shorten
from probing.records import Record, Target
from probing.sources import Split, blocks, check_task, files_below, named_split, select, split_of

TASKS = ("rel",)
FILES = {"train": "TRAIN_FILE.TXT", "test": "TEST_FILE_FULL.TXT"}
SEED, SHARE = 42, 0.85

_TAG = re.compile(r"<(/?)e([12])>")


def splits(path: str | os.PathLike[str], task: str, *, split: str = "") -> dict[str, Split]:
    """The records of the release.

    Args:
        path: a folder with TRAIN_FILE.TXT and TEST_FILE_FULL.TXT somewhere in it, or, with `split`, one such file.
        task: "rel".
        split: the one of the folder's splits that is asked for, or the split that all of one file is.

    Returns:
        {split: Split}; train and dev are cut from TRAIN_FILE.TXT.

    Raises:
        UserError: no file is found. While records are read also Located: a block of another form.
    """
    check_task(task, TASKS, "SemEval 2010 task 8")
    path = Path(path).expanduser()
    if path.is_file():
        return {named_split(path, split): split_of(_records, path)}
    files = {file.name.upper(): file for file in files_below(path)}
    by_split = {}
    if train := files.get(FILES["train"]):
        by_split = {name: split_of(_records, train, part=name) for name in ("train", "dev")}
    if test := files.get(FILES["test"]):
        by_split["test"] = split_of(_records, test)
    if not by_split:
        raise UserError(f"{path}: found no {' and no '.join(FILES.values())}, expected SemEval 2010 task 8's")
    return select(path, by_split, split)


def _records(path: Path, *, notes: Counter[str], part: str | None = None) -> Iterator[Record]:
    generator = random.Random(SEED)
    for block in blocks(path):
        if part and (generator.random() <= SHARE) != (part == "train"):
            continue
        yield _record(path, *block)


def _record(path: Path, sentence: tuple[int, str], *below: tuple[int, str]) -> Record:
    number, line = sentence
    match = re.fullmatch(r'(\d{1,18})\s+"(.*)"', line)
    if not match:
        raise Located(
            path, number, shorten(line), 'a numbered sentence: 1<tab>"The <e1>burst</e1> … <e2>pressure</e2>."'
        )
    if len(below) != 2 or not re.match("Comment", below[1][1]):
        found = f"{len(below)} lines below the sentence"
        raise Located(path, number, found, "2, its relation and its comment, and an empty line below them")
    words: list[str] = []
    spans: dict[str, dict[str, int]] = {}
    for piece in match[2].split():
        word = _TAG.sub("", piece)
        in_tags = 0
        for tag in _TAG.finditer(piece):
            offset, in_tags = tag.start() - in_tags, in_tags + len(tag[0])
            # a tag beside white space belongs to the word after that, or to the one before it where the tag closes
            behind = offset > 0 if tag[1] else 0 < len(word) == offset
            spans.setdefault(tag[2], {})[tag[1]] = len(words) + behind
        if word:
            words.append(word)
    pairs = [(spans.get(name, {}).get("", 0), spans.get(name, {}).get("/", 0)) for name in "12"]
    if any(start >= end for start, end in pairs):
        raise Located(path, number, shorten(line, 120), "<e1> and </e1>, <e2> and </e2>, with a word inside")
    comment = re.sub(r"Comment\s*:?\s*", "", below[1][1], count=1)
    target = Target(pairs[0], pairs[1], (below[0][1],), {"comment": comment})
    return Record(" ".join(words), (target,), {"id": int(match[1])})
