"""What a label column says: negative or positive in numbers or words, or ratings that a rule cuts in two."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection

from nsmc_bert.base.errors import UserError, shorten

LEFT_OUT = -1  # a rating between negative and positive
WORDS = {
    **{"negative": 0, "neg": 0, "부정": 0},
    **{"positive": 1, "pos": 1, "긍정": 1},
}
LARGEST = 10  # rating that people give; what is larger in a column of 0 and 1 is a slip


def number(label: str) -> float | None:
    """A label as a number, or None for what is none.

    >>> number("5"), number(" 4.5"), number("4점")
    (5.0, 4.5, None)
    """
    return float(label) if re.fullmatch(r"\s*[+-]?\d{1,15}(\.\d{0,15})?\s*", label, re.ASCII) else None


@dataclasses.dataclass(frozen=True)
class Labelling:
    """How labels are told: 0 and 1, also as 0.0 and 1.0, and the WORDS, whatever their case and the spaces around them;
    or one's own; or ratings.

    Attributes:
        labels: one's own two, negative first; () for those.
        positive_from: ratings from this one on are positive; None where labels are no ratings.
        negative_to: ratings up to this one are negative; what is between the two is left out.

    Raises:
        UserError: they do not go together.

    Example:
        >>> Labelling().of("Positive "), Labelling().of("0.0"), Labelling().of("4")
        (1, 0, None)
        >>> [Labelling(positive_from=4, negative_to=2).of(stars) for stars in ("5", "3", "1", "")]
        [1, -1, 0, None]
    """

    labels: tuple[str, ...] = ()
    positive_from: float | None = None
    negative_to: float | None = None

    def __post_init__(self) -> None:
        given = ",".join(self.labels)
        if self.labels and (len(self.labels) != 2 or len({_plain(label) for label in self.labels} - {""}) != 2):
            raise UserError(
                f"--labels={given}: expected two different labels, negative first, such as --labels=나쁨,좋음"
            )
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

    @property
    def rated(self) -> bool:
        """Whether labels are ratings."""
        return self.positive_from is not None

    def of(self, label: str) -> int | None:
        """0 negative, 1 positive, LEFT_OUT, or None for what is no label."""
        if self.positive_from is not None and self.negative_to is not None:
            rating = number(label)
            if rating is None:
                return None
            return 1 if rating >= self.positive_from else 0 if rating <= self.negative_to else LEFT_OUT
        if self.labels:
            negative, positive = map(_plain, self.labels)
            return {negative: 0, positive: 1}.get(_plain(label))
        if re.fullmatch(r"[01](\.0*)?", label, re.ASCII):
            return int(label[0])
        return WORDS.get(_plain(label))

    @property
    def expected(self) -> str:
        """What labels can be, in words."""
        if self.rated:
            return "a number, by --positive_from and --negative_to"
        if self.labels:
            return f"{self.labels[0]} (negative) or {self.labels[1]} (positive), by --labels"
        return "0 (negative) or 1 (positive)"

    def is_rating(self, label: str) -> bool:
        """Whether a label that is none of 0 and 1 shows that the column holds ratings, for which there is no rule."""
        value = None if self.rated or self.labels else number(label)
        return value is not None and abs(value) <= LARGEST and value not in (0, 1)

    def advice(self, others: Collection[str]) -> str:
        """What to do about labels that are none; "" where nothing can be proposed.

        Args:
            others: some of these labels, those that are understood among them.
        """
        if self.rated or self.labels:
            return ""
        numbers = sorted({value for value in map(number, others) if value is not None})
        if numbers and numbers != [0, 1][: len(numbers)]:
            least, most = numbers[0], numbers[-1]
            if len(numbers) == 2 and most - least <= 2:
                return f"; --labels={least:g},{most:g} takes {least:g} as negative and {most:g} as positive"
            scale = next((scale for scale in (5, 10, 100) if most <= scale), 0)
            positive, negative = ("N", "M") if not scale else (f"{0.8 * scale:g}", f"{0.4 * scale:g}")
            if least < 0:
                positive, negative = "1", "-1"
            return (
                f"; are these ratings? --positive_from={positive} --negative_to={negative} takes {positive} and more "
                f"as positive, {negative} and less as negative, and leaves out what is between"
            )
        words = sorted({_plain(label) for label in others} - {""})
        if len(words) == 2 and not numbers:
            return f"; which is which? --labels={words[0]},{words[1]} takes {shorten(words[0])} as negative"
        return ", or words such as negative and positive; --labels=NEGATIVE,POSITIVE names others"


def _plain(label: str) -> str:
    """A label without the spaces around it and without case; of 1.0 the same as of 1."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", label.strip().casefold())
