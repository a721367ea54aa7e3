"""The classes that texts are told apart by: what they are called and, of ratings, the number that each stands for."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from nsmc_bert.base.errors import UserError, shorten

if TYPE_CHECKING:  # imported where it is used: predicting from a pipe starts without it
    import numpy as np
    from numpy.typing import ArrayLike

NAMES = ("negative", "positive")
WORDS = {  # what people call classes that are the same, in small letters
    **dict.fromkeys(("negative", "neg", "bad", "dislike", "unfavorable", "unfavourable"), "negative"),
    **dict.fromkeys(("부정", "부정적", "부정문", "나쁨", "싫음", "비추천", "비추"), "negative"),
    **dict.fromkeys(("neutral", "neu", "mixed", "중립", "중립적", "보통"), "neutral"),
    **dict.fromkeys(("positive", "pos", "good", "like", "favorable", "favourable"), "positive"),
    **dict.fromkeys(("긍정", "긍정적", "긍정문", "좋음", "추천"), "positive"),
}


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes of which a text has one; a class is known by its place, from 0. Its len() is their number.

    Two classes are always negative and positive.

    Attributes:
        names: of each, in their order.
        values: of ratings, the number that each stands for, ascending; () for classes without an order.

    Raises:
        UserError: fewer than two, two of other names, a name that is empty, comes twice or is no text in UTF-8, or
            other values than that.

    Example:
        >>> ratings([1, 2, 3, 4, 5]).expected([[0.0, 0.0, 0.5, 0.25, 0.25]])
        array([3.75])
    """

    names: tuple[str, ...] = NAMES
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        names = ",".join(map(str, self.names))
        if len(self.names) < 2 or len(set(self.names)) < len(self.names) or not all(self.names):
            raise UserError(f"classes: found {shorten(names)}, expected two or more different names")
        if odd := [name for name in self.names if name.encode(errors="replace").decode() != name]:
            raise UserError(f"classes: found {shorten(odd[0])}, which has half of a surrogate pair, expected text")
        if len(self.names) == 2 and self.names != NAMES:
            raise UserError(f"classes: found {shorten(names)}, expected two to be called {' and '.join(NAMES)}")
        if self.values and (len(self.values) != len(self.names) or list(self.values) != sorted(set(self.values))):
            raise UserError(
                f"classes: found the ratings {shorten(list(self.values))} of {len(self.names)} classes, expected one "
                "of each, ascending"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        if self.is_ordered:
            return f"ratings from {self.names[0]} to {self.names[-1]}"
        return f"{len(self)} classes, {', '.join(self.names)}" if self != SENTIMENT else " and ".join(self.names)

    @property
    def is_ordered(self) -> bool:
        """Whether they are ratings."""
        return bool(self.values)

    @property
    def some(self) -> str:
        """What reviews have to have for something to be learned, in words."""
        if self.is_ordered:
            return "some of at least two ratings"
        return "some of either label" if self == SENTIMENT else "some of each label"

    @property
    def several(self) -> str:
        """What a text has that stands somewhere with more labels than one, in words."""
        return "both labels" if self == SENTIMENT else "several labels"

    @property
    def recorded(self) -> dict[str, Any]:
        """What records say of them, {"classes": their fields}; of negative and positive nothing, as in those of before
        there were others.
        """
        return {} if self == SENTIMENT else {"classes": dataclasses.asdict(self)}

    def lacking(self, labels: Collection[int]) -> str:
        """What labels lack of `some`, in words; "" where they lack nothing."""
        present = sorted(set(labels))
        names = [str(place) for place in range(len(self))] if self == SENTIMENT else self.names
        if len(present) == 1:
            return f"all labelled {names[present[0]]}"
        missing = [names[place] for place in range(len(self)) if place not in present]
        return f"none labelled {', '.join(missing)}" if missing and not self.is_ordered else ""

    def check_same(self, other: Classes, whose: str) -> None:
        """Checks that a class of another's is the class of the same place here, of a model.

        Own words for the same classes may stand in a table: as many, in the same order. A name is the same in small
        letters, and two of WORDS for one thing are the same where there is none.

        Args:
            other: the other classes.
            whose: what these are of, such as "some.csv".

        Raises:
            UserError: there are more or fewer, a name has another place, or both are ratings and of other values.
        """
        own = list(map(plain, self.names))
        meant = [WORDS.get(name, name) for name in own]
        moved = self.is_ordered and other.is_ordered and self.values != other.values
        for place, name in enumerate(map(plain, other.names)):
            known, meaning = (own, name) if name in own else (meant, WORDS.get(name, name))
            moved = moved or meaning in known and known[place : place + 1] != [meaning]
        if len(other) != len(self) or moved:
            raise UserError(f"{whose}: found labels of {other}, expected those of the model, {self}")

    def expected(self, probabilities: ArrayLike) -> np.ndarray:
        """The expected rating, float64 [n], of probabilities [n, classes]."""
        import numpy as np

        return np.asarray(probabilities, np.float64) @ np.array(self.values)


def plain(name: str) -> str:
    """A name in small letters and whole syllables, without the spaces around it."""
    return unicodedata.normalize("NFC", name.strip()).lower()


SENTIMENT = Classes()


def of_record(record: Mapping[str, Any]) -> Classes:
    """The classes of which a record tells, as `Classes.recorded` wrote it."""
    named = record.get("classes")
    return Classes(tuple(named["names"]), tuple(named["values"])) if named else SENTIMENT


def ratings(values: Collection[float]) -> Classes:
    """The classes of ratings, called by their numbers.

    >>> ratings([0.5, 1, 1.5]).names
    ('0.5', '1', '1.5')
    """
    return Classes(tuple(f"{value:g}" for value in values), tuple(map(float, values)))
