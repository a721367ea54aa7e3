"""Files that are there as a whole or not at all."""

import contextlib
import os
from pathlib import Path

from nsmc_bert.errors import UserError


def write_atomically(path, write):
    """Calls write(temporary path), then puts the file in place: at any moment there is the old one or the new one.

    Raises:
        UserError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    part = path.with_name("%s.part-%d" % (path.name, os.getpid()))
    try:
        write(part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise UserError("%s: cannot be written (%s)" % (path, error.strerror or error)) from None
    finally:
        with contextlib.suppress(OSError):  # a folder that may not be entered has its own error above
            part.unlink(missing_ok=True)


def write_text(path, text):
    """Writes a text file, UTF-8, as a whole or not at all; makes its folder where there is none.

    Raises:
        UserError: it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError("%s: cannot be made (%s)" % (path.parent, error.strerror)) from None
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
