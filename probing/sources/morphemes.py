"""Morphemes of Korean words, and where in a word each of them is written.

Treebanks give a word's morphemes in their dictionary forms, which do not always add up to what is written: in
서울입니다, 서울, 이 and ㅂ니다, the last two share a syllable; in 했다, 하 and 었 have become 했. A word is cut where
that is beyond doubt, and nowhere else. A morpheme that is written as it is holds its place, where everything before it
and after it has a place too; what is left between two such places is of the morphemes between them. If that is one, it
is written otherwise than in the dictionary (걷 is 걸 in 걸어) and the place is its own. If there are several, they have
grown together: no cut between syllables tells them apart, and none of them can be asked about.

Of all ways to find morphemes as they are, those are taken that cover most characters; a place that not all of these
agree on is none.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from probing.records import Record, Target
from probing.sources import one_word

LONGEST = 64, 24  # characters and morphemes of a word in which places are looked for
GROWN = "morpheme that has grown together with the next one: no target"
OTHERWISE = "morpheme written otherwise than in the dictionary: placed between its neighbours"
UNTOLD = "word without morphemes, or with another number of tags: no target"


class Word(NamedTuple):
    """A word: what is written, its morphemes with a tag each, and whether white space parts it from the next one.

    Where morphemes are not known there are none.
    """

    form: str
    morphemes: tuple[str, ...]
    tags: tuple[str, ...]
    space_after: bool = True


class Part(NamedTuple):
    """The characters `start` to `end - 1` of a word, which are of its morphemes `first` to `last - 1`."""

    start: int
    end: int
    first: int
    last: int


def record(words: Iterable[Word], info: dict[str, Any], notes: Counter[str]) -> Record:
    """The Record of a sentence whose words are morphemes, or morphemes that have grown together.

    Args:
        words: those of the sentence.
        info: where it is from.
        notes: what has no target is counted here.

    Returns:
        Record, the tag of each morpheme that has a place of its own for targets, and glued where no space is.
    """
    out: list[str] = []
    glued: list[int] = []
    targets: list[Target] = []
    space = True
    for word in words:
        known = bool(word.form and word.morphemes) and all(word.morphemes) and len(word.morphemes) == len(word.tags)
        notes[UNTOLD] += not known
        for part in parts(word.form, word.morphemes) if known else [Part(0, len(word.form), 0, 0)]:
            if not space or part.start:
                glued.append(len(out))
            if part.last - part.first == 1:
                targets.append(Target((len(out), len(out) + 1), None, (word.tags[part.first],)))
                notes[OTHERWISE] += word.form[part.start : part.end] != word.morphemes[part.first]
            elif known:
                notes[GROWN] += part.last - part.first
            out.append(one_word(word.form[part.start : part.end], notes))
        space = word.space_after
    for reason in (UNTOLD, OTHERWISE, GROWN):
        if not notes[reason]:
            del notes[reason]
    return Record(" ".join(out), tuple(targets), info, glued=tuple(glued))


@functools.lru_cache(1 << 16)
def parts(form: str, morphemes: Sequence[str]) -> list[Part]:
    """The parts of a word, in order; together they are all of its characters and all of its morphemes.

    Args:
        form: what is written, not empty.
        morphemes: tuple of str, none of them empty.

    Example:
        >>> [("서울입니다"[part.start : part.end], part.last - part.first)
        ...  for part in parts("서울입니다", ("서울", "이", "ㅂ니다"))]
        [('서울', 1), ('입니다', 2)]
    """
    out, character, morpheme = [], 0, 0
    for first, start in [*_places(form, morphemes), (len(morphemes), len(form))]:
        if start > character:
            out.append(Part(character, start, morpheme, first))
        if first < len(morphemes):
            out.append(Part(start, start + len(morphemes[first]), first, first + 1))
            character, morpheme = out[-1].end, first + 1
    return out


def _places(form: str, morphemes: Sequence[str]) -> list[tuple[int, int]]:
    """(morpheme, its first character) of those that are written as they are, where that is beyond doubt."""
    if "".join(morphemes) == form:
        starts = [0]
        for morpheme in morphemes[:-1]:
            starts.append(starts[-1] + len(morpheme))
        return list(enumerate(starts))
    if len(form) > LONGEST[0] or len(morphemes) > LONGEST[1]:
        return []

    @functools.cache
    def best(first: int, start: int) -> tuple[int, frozenset[tuple[int, int]]] | None:
        """(characters covered, the places that all ways agree on) of what follows a place; None if there is no way."""
        if first == len(morphemes) or start == len(form):
            return (0, frozenset()) if (first, start) == (len(morphemes), len(form)) else None
        ways: list[tuple[int, frozenset[tuple[int, int]]]] = [(0, frozenset())]
        for number in range(first, len(morphemes)):
            place = form.find(morphemes[number], start)
            while place >= 0:
                # between two places there are morphemes and characters for them, or neither
                after = best(number + 1, place + len(morphemes[number]))
                if (number == first) == (place == start) and after:
                    ways.append((after[0] + len(morphemes[number]), after[1] | {(number, place)}))
                place = form.find(morphemes[number], place + 1)
        most = max(covered for covered, _ in ways)
        return most, frozenset.intersection(*(places for covered, places in ways if covered == most))

    whole = best(0, 0)
    return sorted(whole[1]) if whole else []
