"""How people really type: without spaces, and with a slip of the finger on one jamo."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
# rows of the Korean keyboard, either hand
KEYS = (
    "ㅂㅈㄷㄱㅅ",
    "ㅁㄴㅇㄹㅎ",
    "ㅋㅌㅊㅍ",
    "ㅛㅕㅑㅐㅔ",
    "ㅗㅓㅏㅣ",
    "ㅠㅜㅡ",
)
SHIFTED = dict(zip("ㅃㅉㄸㄲㅆㅒㅖ", "ㅂㅈㄷㄱㅅㅐㅔ"))
FIRST, LAST = 0xAC00, 0xD7A3  # the Hangul syllables of Unicode


def without_spaces(texts: Iterable[str], seed: int = 0) -> list[str]:
    """The texts with all white space taken out."""
    return ["".join(text.split()) for text in texts]


def with_typo(texts: Iterable[str], seed: int = 0) -> list[str]:
    """The texts with one jamo each mistyped: the key beside it was hit, shift was forgotten, or a final was left out.

    Args:
        texts: sequence of str; one without Hangul syllables stays as it is. Those that are taken apart (NFD) are put
            together.
        seed: of the places and the slips; a text's slip depends on nothing but the seed and its place in the sequence.

    Returns:
        list of str.

    Example:
        >>> with_typo(["재미있다"], seed=0)
        ['재미있더']
    """
    return [_mistype(text, np.random.Generator(np.random.PCG64([seed, i]))) for i, text in enumerate(texts)]


PERTURBATIONS = {"spaces": without_spaces, "typo": with_typo}


def augment(texts: Sequence[str], share: float, seed: int, epoch: int) -> tuple[np.ndarray, list[str]]:
    """The texts that one pass over them perturbs: each of PERTURBATIONS changes an equal part of a share of them.

    Args:
        texts: sequence of str.
        share: from 0 to 1, the probability that a text is changed.
        seed, epoch: another choice of texts and of slips for each.

    Returns:
        (int [m], the rows that are changed, ascending; list of str, what they become).
    """
    random = np.random.Generator(np.random.PCG64([seed, epoch]))
    fate = random.uniform(size=len(texts)) * len(PERTURBATIONS) / max(share, 1e-9)
    slips = int(random.integers(1 << 31))
    changed: dict[int, str] = {}
    for i, perturb in enumerate(PERTURBATIONS.values()):
        chosen = np.flatnonzero((fate >= i) & (fate < i + 1)).tolist()
        changed.update(zip(chosen, perturb([texts[row] for row in chosen], slips)))
    rows = sorted(changed)
    return np.array(rows, np.int64), [changed[row] for row in rows]


def _mistype(text: str, random: np.random.Generator) -> str:
    text = unicodedata.normalize("NFC", text)
    places = [i for i, character in enumerate(text) if FIRST <= ord(character) <= LAST]
    if not places:
        return text
    place = places[random.integers(len(places))]
    slips = _slips(text[place])
    return text[:place] + slips[random.integers(len(slips))] + text[place + 1 :]


def _slips(syllable: str) -> list[str]:
    """Every syllable that one slip makes of this one."""
    open_syllable, final = divmod(ord(syllable) - FIRST, len(FINALS))
    initial, vowel = divmod(open_syllable, len(VOWELS))
    made = [(INITIALS.find(key), vowel, final) for key in _beside(INITIALS[initial])]
    made += [(initial, VOWELS.find(key), final) for key in _beside(VOWELS[vowel])]
    if final:
        made += [(initial, vowel, FINALS.find(key)) for key in (" ", *_beside(FINALS[final]))]
    return [chr(FIRST + (i * len(VOWELS) + v) * len(FINALS) + f) for i, v, f in made]


def _beside(jamo: str) -> list[str]:
    """The keys beside a jamo's, and its own where it wants shift."""
    key = SHIFTED.get(jamo, jamo)
    row = next((row for row in KEYS if key in row), "")
    at = row.find(key)
    around = [row[i] for i in (at - 1, at + 1) if 0 <= i < len(row)]
    return around + ([key] if key != jamo else [])
