"""DPR, definite pronoun resolution (Rahman & Ng 2012), the Winograd-like coreference task.

Blocks of four lines, a sentence, a pronoun, its two candidates with a comma between them, and the right one; then an
empty line. Two targets per sentence: span1 is the pronoun, span2 a candidate; entailed where it is the right one, else
not-entailed.

This is the authors' own release. The published data (jiant's probing/data/convert-dpr.py) is a recast of it, which lost
a third of the sentences and some candidates of others; the sentences are the same ones. A sentence in which the pronoun
stands more or less than once is left out, since the release does not say which one is meant. Of a candidate that stands
there twice the first one is taken.

Two sentences in a row are twins with opposite answers, "because it had pollen" and "because it wanted pollen". The
release has no development data; the training data is cut by pairs of twins, so that no twin of a dev sentence is
trained on, as the one of SemEval is (jiant's probing/deterministic_split.py): random numbers, seeded by 42, one per
pair; up to 0.85 it is train.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from nsmc_bert.base.errors import Located, UserError, shorten
from probing.records import Record, Target
from probing.sources import Split, blocks, check_task, files_below, named_split, select, split_of

TASKS = ("dpr",)
FILES = {"train": "train.c.txt", "test": "test.c.txt"}
SEED, SHARE = 42, 0.85

_TITLES = "Mr Mrs Ms Dr St Jr Sr Prof Gen Sen Rep Rev Capt Lt Col Sgt Mt vs No".split()
_CAPITAL = re.compile(r"\s+[A-Z]")
_WORD = re.compile(r"\d+(?:[.,:]\d+)+\w*|['’]\w*|[^\s,;:!?()\"“”'’]+|\S")


def splits(path: str | os.PathLike[str], task: str, *, split: str = "") -> dict[str, Split]:
    """The records of the release.

    Args:
        path: a folder with train.c.txt and test.c.txt somewhere in it, or, with `split`, one such file.
        task: "dpr".
        split: the one of the folder's splits that is asked for, or the split that all of one file is.

    Returns:
        {split: Split}; train and dev are cut from train.c.txt.

    Raises:
        UserError: no file is found. While records are read also Located: a block of another form.
    """
    check_task(task, TASKS, "DPR")
    path = Path(path).expanduser()
    if path.is_file():
        return {named_split(path, split): split_of(_records, path, group=_pair)}
    files = {file.name: file for file in files_below(path)}
    by_split = {}
    if train := files.get(FILES["train"]):
        by_split = {name: split_of(_records, train, part=name, group=_pair) for name in ("train", "dev")}
    if test := files.get(FILES["test"]):
        by_split["test"] = split_of(_records, test, group=_pair)
    if not by_split:
        raise UserError(f"{path}: found no {' and no '.join(FILES.values())}, expected DPR's")
    return select(path, by_split, split)


def tokenize(sentence: str) -> list[tuple[int, int]]:
    """The words of an English sentence as (start, end) of characters: punctuation and what follows an apostrophe apart.

    A full stop stays with the word before it, unless it ends the sentence.

    Example:
        >>> sentence = "Mr. Bob's bee isn't at 5:30, is it?"
        >>> [sentence[start:end] for start, end in tokenize(sentence)]
        ['Mr.', 'Bob', "'s", 'bee', 'isn', "'t", 'at', '5:30', ',', 'is', 'it', '?']
    """
    words, last = [], max((match.end() for match in re.finditer(r"\w", sentence)), default=0)
    for match in _WORD.finditer(sentence):
        start, end = match.span()
        word = match[0]
        if word.endswith(".") and word.strip(".") and (end >= last or _ends_sentence(word[:-1], sentence, end)):
            words += [(start, end - 1), (end - 1, end)]
        else:
            words.append((start, end))
    return words


def _ends_sentence(word: str, sentence: str, end: int) -> bool:
    return bool(_CAPITAL.match(sentence, end)) and word not in _TITLES and not re.fullmatch(r"(\w\.)*\w", word)


def _records(path: Path, *, notes: Counter[str], part: str | None = None) -> Iterator[Record]:
    generator = random.Random(SEED)
    in_train = True
    for index, block in enumerate(blocks(path)):
        if index % 2 == 0:
            in_train = generator.random() <= SHARE
        if not part or in_train == (part == "train"):
            yield from _record(path, index, block, notes)


def _pair(record: Record) -> int:
    """The number of a record's pair of twins."""
    return (record.info["id"] - 1) // 2


def _record(path: Path, index: int, block: Sequence[tuple[int, str]], notes: Counter[str]) -> Iterator[Record]:
    number, sentence = block[0]
    if len(block) != 4:
        expected = "4, a sentence, a pronoun, two candidates and the right one, and an empty line below them"
        raise Located(path, number, f"{len(block)} lines together", expected)
    pronoun, both, answer = (line for _, line in block[1:])
    candidates = [candidate.strip() for candidate in both.split(",")]
    same = [candidate.lower() == answer.lower() for candidate in candidates]
    if len(candidates) != 2 or same.count(True) != 1:
        expected = "two with a comma between them, one of them the answer below"
        raise Located(path, number + 2, f"the candidates {candidates} with the answer {shorten(answer)}", expected)
    places = _places(pronoun, sentence)
    if len(places) != 1:
        notes[f"sentence with the pronoun {'twice or more' if places else 'nowhere'}: left out"] += 1
        return
    words = tokenize(sentence)
    span1 = _in_words(places[0], words)
    targets = []
    for candidate, right in zip(candidates, same):
        places = _places(candidate, sentence)
        span2 = places and _in_words(places[0], words)
        if not span1 or not span2:
            notes["candidate or pronoun that is not in the sentence as whole words: left out"] += 1
            continue
        info = {"span1_text": pronoun, "span2_text": candidate}
        targets.append(Target(span1, span2, ("entailed" if right else "not-entailed",), info))
    yield Record(
        " ".join(sentence[start:end] for start, end in words), tuple(targets), {"source": "DPR", "id": index + 1}
    )


def _places(text: str, sentence: str) -> list[tuple[int, int]]:
    """(start, end) in characters wherever a text stands in a sentence."""
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", sentence, re.IGNORECASE)]


def _in_words(place: tuple[int, int], words: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """A span of characters as one of words; None where it cuts one."""
    starts, ends = zip(*words)
    if place[0] in starts and place[1] in ends:
        return starts.index(place[0]), ends.index(place[1]) + 1
    return None
