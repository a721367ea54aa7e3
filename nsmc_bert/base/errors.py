"""The error a user can act on, told in one line."""

import os


class UserError(ValueError):
    """What went wrong in the user's input, files or flags, in one line: where, found, expected, what to do.

    Library callers catch it as a ValueError; the commands print the line and exit with code 1. Ends of line in what is
    quoted, of which Unicode has ten, become spaces.
    """

    def __init__(self, message: object) -> None:
        super().__init__(" ".join(str(message).splitlines()))


class Located(UserError):
    """A UserError about one line of one file.

    Args:
        path: the file.
        line: the line number, counted from 1, or None for the file as a whole.
        found: what stands there.
        expected: what should stand there and, where that is not plain, what to do.
    """

    def __init__(self, path: str | os.PathLike[str], line: int | None, found: object, expected: str) -> None:
        where = f"{path}:{line}" if line else str(path)
        super().__init__(f"{where}: found {found}, expected {expected}")


def counted(number: int, noun: str, form: str = "") -> str:
    """A number, written in a form of `format`, with what is counted: "1 review", "2 reviews"."""
    return f"{number:{form}} {noun}{'s' * (number != 1)}"


def shorten(value: object, limit: int = 60) -> str:
    """repr() of a value, cut to `limit` characters so that an error stays one readable line."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
