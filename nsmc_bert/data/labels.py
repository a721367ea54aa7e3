"""What a label column says: negative or positive in numbers or words, one of other classes, or ratings, each a class of
its own or cut by a rule.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import unicodedata
from collections.abc import Collection, Sequence

from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.base.classes import WORDS as MEANINGS
from nsmc_bert.base.errors import UserError, shorten

ALL = "all"  # the word for whatever labels a column has, in place of labels
MIDDLES = ("left_out", "class")
NEUTRAL = Classes(("negative", "neutral", "positive"))
LEFT_OUT = -1  # a rating between negative and positive
WORDS = {
    **{"negative": 0, "neg": 0, "부정": 0},
    **{"positive": 1, "pos": 1, "긍정": 1},
}
LARGEST = 10  # rating that people give; what is larger in a column of 0 and 1 is a slip
TOPS = (5, 10, 100)  # of scales that ratings are given on
MANY = 4  # labels of which two may still be most
MOST = 100  # classes: a column of more different labels holds something else
LONGEST = 100  # characters of a number: what is longer is none that a person gave
NOISE = 1e-9  # by which a rating may be off that was computed


def number(label: str) -> float | None:
    """A label as a number, also as Python prints one, or None for what is none or not finite.

    >>> number("5"), number(" 4.5"), number("1e-05"), number("4점")
    (5.0, 4.5, 1e-05, None)
    """
    if len(label) > LONGEST or not re.fullmatch(r"\s*[+-]?\d+(\.\d*)?(e[+-]?\d+)?\s*", label, re.ASCII | re.IGNORECASE):
        return None
    value = float(label)
    return value if math.isfinite(value) else None


@dataclasses.dataclass(frozen=True)
class Labelling:
    """How labels are told: 0 and 1, also as 0.0 and 1.0, and the WORDS, whatever their case and the spaces around them;
    or one's own; or ratings.

    Attributes:
        labels: one's own: two, negative first, or those of more classes in their order; the word ALL alone for all that
            the column has; () for 0 and 1.
        positive_from: ratings from this one on are positive; None where there is no such rule.
        negative_to: ratings up to this one are negative.
        middle: one of MIDDLES: what is between the two is left out, or a class of its own, neutral.
        ratings: the first and the last rating with a colon between them, or with a second one the step too, as 1:5 or
            0.5:5:0.5, where each is a class; "" where labels are none.

    Raises:
        UserError: they do not go together.

    Example:
        >>> Labelling().of("Positive "), Labelling().of("0.0"), Labelling().of("4")
        (1, 0, None)
        >>> [Labelling(positive_from=4, negative_to=2).of(stars) for stars in ("5", "3", "1", "")]
        [1, -1, 0, None]
        >>> [Labelling(ratings="1:5").of(stars) for stars in ("1", "5.0", "6")]
        [0, 4, None]
    """

    labels: tuple[str, ...] = ()
    positive_from: float | None = None
    negative_to: float | None = None
    middle: str = MIDDLES[0]
    ratings: str = ""

    def __post_init__(self) -> None:
        given = ",".join(self.labels)
        different = len({plain(label) for label in self.labels} - {""})
        if self.labels and not self.finds and (different < 2 or different < len(self.labels)):
            raise UserError(
                f"--labels={given}: expected two different labels, negative first, such as --labels=나쁨,좋음, or "
                f"more, each a class; or --labels={ALL} for all that the column has"
            )
        if len(self.labels) == 2:
            _check_order(*self.labels)
        if (self.positive_from is None) != (self.negative_to is None):
            raise UserError("--positive_from and --negative_to: found one of them, expected both, such as 4 and 2")
        if self.positive_from is not None and self.negative_to is not None:
            if self.labels:
                raise UserError(f"found --labels={given} beside --positive_from, expected one of them")
            if not self.negative_to < self.positive_from:
                raise UserError(
                    f"found --negative_to={self.negative_to:g} and --positive_from={self.positive_from:g}, expected "
                    "the first to be less"
                )
        if self.middle not in MIDDLES:
            raise UserError(f"--middle={self.middle}: expected {' or '.join(MIDDLES)}")
        if self.middle == "class" and not self.by_rule:
            raise UserError(f"--middle={self.middle}: found no --positive_from and --negative_to beside it")
        if self.ratings:
            if self.labels or self.by_rule:
                other = f"--labels={given}" if self.labels else "--positive_from"
                raise UserError(f"found --ratings={self.ratings} beside {other}, expected one of them")
            scale(self.ratings)

    @property
    def by_rule(self) -> bool:
        """Whether labels are ratings that a rule cuts."""
        return self.positive_from is not None

    @property
    def finds(self) -> bool:
        """Whether the classes are those that the column has."""
        return self.labels == (ALL,)

    @property
    def is_default(self) -> bool:
        """Whether nothing is said of labels."""
        return not (self.labels or self.by_rule or self.ratings)

    @property
    def classes(self) -> Classes:
        """What the labels are of; of ALL, `classes_of` says it."""
        if self.ratings:
            return ratings(scale(self.ratings))
        if len(self.labels) > 2:
            return Classes(tuple(label.strip() for label in self.labels))
        return NEUTRAL if self.middle == "class" else SENTIMENT

    def of(self, label: str) -> int | None:
        """The number of a label's class, LEFT_OUT, or None for what is no label."""
        if self.positive_from is not None and self.negative_to is not None:
            rating = number(label)
            if rating is None:
                return None
            between = LEFT_OUT if self.middle == MIDDLES[0] else 1
            return (
                len(self.classes) - 1 if rating >= self.positive_from else 0 if rating <= self.negative_to else between
            )
        if self.ratings:
            value = number(label)
            if value is None:
                return None
            return next((place for place, each in enumerate(scale(self.ratings)) if abs(each - value) < NOISE), None)
        if self.labels:
            return {plain(own): place for place, own in enumerate(self.labels)}.get(plain(label))
        if re.fullmatch(r"[01](\.0*)?", label.strip(), re.ASCII):
            return int(label.strip()[0])
        return WORDS.get(plain(label))

    @property
    def expected(self) -> str:
        """What labels can be, in words."""
        if self.by_rule:
            return "a number, by --positive_from and --negative_to"
        if self.finds:
            return "a label"
        if self.ratings:
            return f"one of the {self.classes}, by --ratings"
        if len(self.labels) > 2:
            return f"one of {', '.join(self.classes.names)}, as --labels or the model names them"
        if self.labels:
            return f"{self.labels[0]} (negative) or {self.labels[1]} (positive), by --labels"
        return "0 (negative) or 1 (positive)"

    def is_rating(self, label: str) -> bool:
        """Whether a label that is none of 0 and 1 shows that the column holds ratings, for which there is no rule."""
        value = number(label) if self.is_default else None
        return value is not None and abs(value) <= LARGEST and value not in (0, 1)

    def advice(self, others: Collection[str], two_classes: bool = False) -> str:
        """What to do about labels that are none; "" where nothing can be proposed.

        Args:
            others: some of these labels, those that are understood among them.
            two_classes: whether a model is to answer that knows negative and positive alone, so that nothing is
                proposed that makes other classes.
        """
        numbers = sorted({value for value in map(number, others) if value is not None})
        # as classes are numbered, and not as stars are given: nobody can tell whether the last one is the best
        are_classes = len(numbers) in (3, 4) and set(numbers) <= {0, 1, 2, 3}
        each = ",".join(f"{value:g}" for value in numbers)
        if are_classes and self.labels == NEUTRAL.names:
            known = (
                f"; --labels={each} takes each as a class, {numbers[0]:g} as negative and {numbers[-1]:g} as positive"
            )
            return known if len(numbers) == len(self.labels) else ""
        if numbers and self.labels == NEUTRAL.names:
            positive, negative = _bounds(numbers)
            return f"; are these ratings? --positive_from={positive} --negative_to={negative} --middle=class"
        if not self.is_default:
            return ""
        if numbers != [0, 1][: len(numbers)]:
            least, most = numbers[0], numbers[-1]
            if are_classes and two_classes:
                return _two_of([f"{value:g}" for value in numbers])
            if are_classes:
                return (
                    f"; are these classes? --labels={each} takes each as one; or ratings? --ratings={least:g}:{most:g} "
                    "takes each as a class and knows their order"
                )
            if len(numbers) == 2 and most - least <= 2:
                return f"; --labels={least:g},{most:g} takes {least:g} as negative and {most:g} as positive"
            positive, negative = _bounds(numbers)
            top = next((top for top in TOPS if most <= top), 0)
            each = f"{min(least, 1):g}:{top:g}" if least >= 0 and 0 < top <= LARGEST else f"{least:g}:{most:g}"
            is_scale = not two_classes and most - least <= LARGEST and all(value == int(value) for value in numbers)
            return (
                f"; are these ratings? --positive_from={positive} --negative_to={negative} takes {positive} and more "
                f"as positive, {negative} and less as negative, and leaves out what is between"
                + (f"; --ratings={each} takes each as a class" if is_scale else "")
            )
        words = sorted({plain(label) for label in others} - {""}, key=_by_meaning)
        if len(words) == 2 and not numbers:
            return f"; which is which? --labels={words[0]},{words[1]} takes {shorten(words[0])} as negative"
        if two_classes and len(words) > 2 and not numbers:
            return _two_of(words)
        advice = ", or words such as negative and positive; --labels=NEGATIVE,POSITIVE names others"
        return (
            f"{advice}, --labels={ALL} takes each as a class" if 2 < len(words) <= MOST and not two_classes else advice
        )


def _by_meaning(label: str) -> tuple[int, str]:
    """What labels are sorted by where nobody said their order: words for negative first, those for positive last."""
    return {"negative": -1, "positive": 1}.get(MEANINGS.get(plain(label), ""), 0), label


def _two_of(labels: Sequence[str]) -> str:
    """What to do about more labels than a model of two classes knows, in their order, negative first."""
    sides = [label for label in labels if MEANINGS.get(label) != "neutral"]
    sides = sides if len(sides) > 1 else list(labels)
    first, last = sides[0], sides[-1]
    named = ", ".join(map(shorten, labels[:MANY])) + ", …" * (len(labels) > MANY)
    advice = f"; the model knows these two, and there are {named}: name a model that learned them, --model=FOLDER"
    # of many, two are too few of the rows to go on with
    if len(labels) > MANY or MEANINGS.get(first) == "positive" or MEANINGS.get(last) == "negative":
        return advice
    return f"{advice}, or two of them, --labels={first},{last} --skip_bad_rows"


def _check_order(negative: str, positive: str) -> None:
    """Raises a UserError where one's own two labels are words for positive and for negative, or both for one."""
    first, second = (MEANINGS.get(plain(label)) for label in (negative, positive))
    if (first, second) != ("positive", "negative") and (first != second or first is None):
        return
    given = f"--labels={negative},{positive}"
    if first == second:
        raise UserError(f"{given}: found two words for {first}, expected one for negative and then one for positive")
    raise UserError(f"{given}: negative comes first: --labels={positive},{negative}")


def _bounds(numbers: Sequence[float]) -> tuple[str, str]:
    """What --positive_from and --negative_to might be of ratings, ascending."""
    if numbers[0] < 0:
        return "1", "-1"
    top = next((top for top in TOPS if numbers[-1] <= top), 0)
    return (f"{0.8 * top:g}", f"{0.4 * top:g}") if top else ("N", "M")


@functools.cache
def scale(given: str) -> tuple[float, ...]:
    """The ratings that --ratings names.

    Raises:
        UserError: they are not FIRST:LAST or FIRST:LAST:STEP, or not from three to MOST.

    >>> scale("1:5"), scale("0.5:2:0.5")
    ((1.0, 2.0, 3.0, 4.0, 5.0), (0.5, 1.0, 1.5, 2.0))
    """
    bounds = [number(part) for part in given.split(":")]
    first, last, step = (*bounds, 1.0)[:3] if len(bounds) in (2, 3) else (None, None, None)
    if first is None or last is None or step is None or step <= 0:
        raise UserError(f"--ratings={given}: expected the first and the last one, such as --ratings=1:5")
    count = round((last - first) / step, 6)
    if count != int(count) or not 2 <= count < MOST:
        raise UserError(
            f"--ratings={given}: expected 3 to {MOST} of them, from the first to the last in steps of {step:g}, such "
            "as 1:5 or 0.5:5:0.5; two classes are named by --labels"
        )
    return tuple(round(first + place * step, 6) for place in range(int(count) + 1))


def classes_of(labels: Collection[str]) -> tuple[Classes, list[int]]:
    """The classes of all labels that a column has: numbers in their order, before words in the order of the alphabet.

    Args:
        labels: the different ones, none empty; of those that are the same without case the first one met.

    Returns:
        The classes, and of each label the number of its class.

    Raises:
        UserError: there are two that do not say which is positive.

    Example:
        >>> classes_of(["good", "bad", "10", "so so", "9"])
        (Classes(names=('9', '10', 'bad', 'good', 'so so'), values=()), [3, 2, 1, 4, 0])
    """
    spelt = [plain(label) for label in labels]
    if len(spelt) <= 2:
        known = [Labelling().of(label) for label in spelt]
        if None not in known and len(set(known)) == len(known):
            return SENTIMENT, [label for label in known if label is not None]
        if len(spelt) == 1:
            raise UserError(f"--labels={ALL}: found {shorten(spelt[0])} alone, expected some of several labels")
        raise UserError(
            f"--labels={ALL}: found {' and '.join(map(shorten, labels))}, expected more than two labels; of two, "
            f"--labels={','.join(sorted(spelt, key=_by_meaning))} says which is negative"
        )
    numbers = [number(label) for label in spelt]
    order = sorted(range(len(spelt)), key=lambda place: (numbers[place] is None, numbers[place] or 0.0, spelt[place]))
    names = [own.strip() if value is None else label for own, label, value in zip(labels, spelt, numbers)]
    ranks = {place: rank for rank, place in enumerate(order)}
    return Classes(tuple(names[place] for place in order)), [ranks[place] for place in range(len(spelt))]


def plain(label: str) -> str:
    """A label without the spaces around it and without case; of 1.0 the same as of 1, of jamo as of their syllables."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", unicodedata.normalize("NFC", label.strip()).casefold())
