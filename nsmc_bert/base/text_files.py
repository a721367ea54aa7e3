"""Text files: plain or compressed, read line by line, with errors that name file and line."""

import contextlib
import functools
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nsmc_bert.base.errors import Located, UserError, shorten

BOM = b"\xef\xbb\xbf"
CONVERT = "convert with iconv -f cp949 -t utf-8"  # the other encoding that Korean texts come in
Stream = BinaryIO | io.BufferedIOBase  # a file that is open, or what decompresses one

_NO_TEXT = {  # how files begin that are no text in UTF-8: what they are, and what to do
    rb"\x1f\x8b": "gzip; unpack it with gunzip",
    rb"\xfd7zXZ\x00": "xz; unpack it with unxz",
    rb"BZh[1-9]1AY&SY": "bzip2; unpack it with bunzip2",
    rb"\x28\xb5\x2f\xfd": "zstandard; unpack it with unzstd",
    rb"PK\x03\x04": "an Excel workbook (.xlsx) or a ZIP archive; save the sheet as CSV in UTF-8, or unpack it",
    rb"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls); save the sheet as CSV in UTF-8",
    rb"\xff\xfe|\xfe\xff": "UTF-16; convert with iconv -f utf-16 -t utf-8",
}


def check_text(path: str | os.PathLike[str], line: bytes) -> None:
    """Raises Located where the first line of a file shows that it is something else than text in UTF-8."""
    for begin, kind in _NO_TEXT.items():
        if re.match(begin, line):
            raise Located(path, 1, f"bytes that are no UTF-8: {shorten(line[:12])}", f"UTF-8 text; this is {kind}")


def utf8_expected(line: bytes, otherwise: str) -> str:
    """What was expected of a line that is no UTF-8; `otherwise`: what to do where it is text in another encoding."""
    utf16 = "this is no text, or UTF-16: then convert with iconv -f utf-16le -t utf-8"
    return "UTF-8 text; " + (utf16 if b"\0" in line else otherwise)


@contextlib.contextmanager
def readable(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what goes wrong while a file is read, or decompressed, into a UserError."""
    try:
        yield
    except EOFError as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:
        # of lzma, zlib and tarfile, which are imported where they are used
        if type(error).__name__ not in ("LZMAError", "error", "ReadError"):
            raise
        raise UserError(f"{path}: cannot be read ({error})") from None


def decompressed(path: str | os.PathLike[str]) -> io.BufferedIOBase:
    """A binary stream of a file's content: of .xz and .gz what was compressed."""
    path = Path(os.path.expanduser(path))
    if path.suffix == ".xz":
        import lzma

        return lzma.open(path, "rb")
    if path.suffix == ".gz":
        import gzip

        return gzip.open(path, "rb")
    return open(path, "rb")


MAX_LINE = 1 << 24


def numbered_lines(file: Stream, path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line with its end) of a binary stream, which errors call `path`.

    Raises:
        Located: a line has more than MAX_LINE bytes, as in a file of one byte a billion times, packed into a few.
    """
    for number, line in enumerate(iter(functools.partial(file.readline, MAX_LINE + 1), b""), 1):
        if len(line) > MAX_LINE:
            raise Located(path, number, f"more than {MAX_LINE:,} bytes without an end of line", "text in lines")
        yield number, line


def lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    r"""The lines of a text file, plain or compressed (.gz, .xz), UTF-8 with or without a byte order mark.

    Yields:
        (number from 1, str without the line's end); only "\n" or "\r\n" ends a line.

    Raises:
        Located: a line is not UTF-8.
        UserError: the file cannot be read.
    """
    with readable(path), decompressed(path) as file:
        yield from decode(file, path)


def decode(file: Stream, path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """The lines of an open binary file, which errors call `path`; Yields, Raises: as `lines`."""
    for number, line in numbered_lines(file, path):
        if number == 1:
            check_text(path, line)
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            yield number, (line.removeprefix(BOM) if number == 1 else line).decode()
        except UnicodeDecodeError as error:
            expected = utf8_expected(line, "convert with iconv -t utf-8 -f and the encoding it has")
            raise Located(path, number, invalid_utf8(error), expected) from None


def invalid_utf8(error: UnicodeDecodeError) -> str:
    """What was found where bytes are no UTF-8."""
    return f"bytes that are no UTF-8: {shorten(error.object[error.start : error.start + 12])}"
