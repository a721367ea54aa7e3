"""Text files: plain or compressed, read line by line, with errors that name file and line."""

from __future__ import annotations

import codecs
import contextlib
import functools
import importlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nsmc_bert.base import system
from nsmc_bert.base.errors import Located, UserError, shorten

if TYPE_CHECKING:
    import hashlib

BOM = b"\xef\xbb\xbf"
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp949", "euc-kr")  # that a user may name
_READ_AS = {"euc-kr": "cp949", "utf-8-sig": "utf-8"}  # what reads all that the other does, and more
COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")
Stream = BinaryIO | io.BufferedIOBase  # a file that is open, or what decompresses one

_NO_TEXT = {  # how files begin that are no text in UTF-8: what they are, and what to do
    rb"\x1f\x8b": "gzip; unpack it with gunzip",
    rb"\xfd7zXZ\x00": "xz; unpack it with unxz",
    rb"BZh[1-9]1AY&SY": "bzip2; unpack it with bunzip2",
    rb"\x28\xb5\x2f\xfd": "zstandard; unpack it with unzstd",
    rb"PK\x03\x04": "an Excel workbook (.xlsx) or a ZIP archive; save the sheet as CSV in UTF-8, or unpack it",
    rb"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls); save the sheet as CSV in UTF-8",
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a": "a picture; expected are reviews as text or a table",
    rb"%PDF-\d": "a PDF; save its text, a review a line",
    rb"\xff\xfe|\xfe\xff": "UTF-16; convert with iconv -f utf-16 -t utf-8",
}


def check_text(path: str | os.PathLike[str], line: bytes) -> None:
    """Raises Located where the first line of a file shows that it is something else than lines of text in UTF-8."""
    for begin, kind in _NO_TEXT.items():
        if re.match(begin, line):
            raise Located(path, 1, f"bytes that are no UTF-8: {shorten(line[:12])}", f"UTF-8 text; this is {kind}")
    if b"\n" not in line and b"\r" in line.rstrip(b"\r"):  # as Excel writes CSV for the Macintosh
        found = "carriage returns and no line feed"
        expected = "lines that end in a line feed; tr '\\r' '\\n' makes them, of UTF-16 behind iconv -t utf-8"
        raise Located(path, 1, found, expected)


class Utf8:
    """What is read of a stream of text, as UTF-8 whatever its encoding: UTF-16 is known by its mark.

    Bytes that mean nothing in the encoding are bytes that mean nothing in UTF-8, so that whoever decodes a line sees
    which one is bad.

    Args:
        stream: binary.
        encoding: one of ENCODINGS for a stream without a mark; "" for UTF-8.
        digest: hash object that the stream's bytes are added to, as they are.

    Attributes:
        encoding: what it turned out to be, once something was read; "" for UTF-8.
        marked: whether it began with a mark, UTF-8's or UTF-16's.
    """

    def __init__(self, stream: Stream, encoding: str = "", digest: hashlib._Hash | None = None) -> None:
        self._stream, self._begun, self._digest = stream, False, digest
        self.encoding, self.marked = "" if encoding == "utf-8" else encoding, False

    def readline(self, limit: int = -1) -> bytes:
        """The next line with its end, or as many of its bytes; b"" behind the last one. UTF-8's mark stays."""
        line = self._stream.readline(limit)
        if not self._begun:
            self._begun = True
            if line.startswith(BOM):
                self.encoding, self.marked = "", True
            elif line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                self.encoding, self.marked = "utf-16", True
            if self.encoding and line:
                recoded, self._digest = _Recoded(self._stream, line, self.encoding, self._digest), None
                self._stream = io.BufferedReader(recoded, 1 << 16)
                line = self._stream.readline(limit)
        if self._digest is not None:
            self._digest.update(line)
        return line

    def lines(self, limit: int) -> Iterator[bytes]:
        """All that are left."""
        line = self.readline(limit)
        readline, digest = self._stream.readline, self._digest
        while line:
            yield line
            line = readline(limit)
            if digest is not None:
                digest.update(line)


class _Recoded(io.RawIOBase):
    """A stream in another encoding, from its first bytes on, as UTF-8."""

    def __init__(self, stream: Stream, head: bytes, encoding: str, digest: hashlib._Hash | None) -> None:
        codecs.register_error("nsmc_bert_bad", lambda error: ("\udcff", _end(error)))
        self._stream, self._head, self._digest = stream, head, digest
        self._decoder = codecs.getincrementaldecoder(encoding)("nsmc_bert_bad")
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._ended:
            # a line of UTF-16 ends between the two bytes of its line feed, and as soon as a line is there it is read
            piece, self._head = self._head or self._stream.readline(1 << 16), b""
            if self._digest is not None:
                self._digest.update(piece)
            self._ended = not piece
            self._left = self._decoder.decode(piece, self._ended).encode("utf-8", "surrogateescape")
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def _end(error: UnicodeError) -> int:
    assert isinstance(error, UnicodeDecodeError)
    return error.end


def undecodable(line: bytes, error: UnicodeDecodeError, encoding: str = "") -> tuple[str, str]:
    """(what was found, what was expected) of a line, or of its beginning, that cannot be decoded.

    Args:
        line: as Utf8 gives it.
        error: what decoding it raised.
        encoding: what it was recoded from, if it was.
    """
    if encoding:
        return f"bytes that are no {encoding.upper()}", "text in one encoding; --encoding names it"
    otherwise = "convert with iconv -t utf-8 -f and the encoding it has"
    with contextlib.suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder("cp949")().decode(line, False)
        otherwise = "this line makes sense as CP949: --encoding=cp949"
    return invalid_utf8(error), utf8_expected(line, otherwise)


def check_encoding(encoding: str) -> str:
    """The name of ENCODINGS that a user means, also by another of its names; "" for "".

    What people call EUC-KR is mostly CP949, which has all of it.

    Raises:
        UserError: there is no such encoding.

    >>> check_encoding("EUC_KR"), check_encoding("windows-949"), check_encoding("utf-8-sig")
    ('cp949', 'cp949', 'utf-8')
    """
    if not encoding:
        return ""
    with contextlib.suppress(LookupError, ValueError):
        name = codecs.lookup(re.sub("^windows[-_]", "", encoding.lower())).name.replace("_", "-")
        name = _READ_AS.get(name, name)
        if name in ENCODINGS:
            return name
    raise UserError(f"--encoding={encoding}: expected one of {', '.join(ENCODINGS)}")


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
        if type(error).__name__ not in ("LZMAError", "error", "ReadError", "ZstdError"):
            raise
        raise UserError(f"{path}: cannot be read ({error})") from None


def decompressed(path: str | os.PathLike[str]) -> io.BufferedIOBase:
    """A binary stream of a file's content: of .xz, .gz, .bz2 and .zst what was compressed.

    Raises:
        UserError: this Python cannot unpack .zst. What the system says of the file passes through.
    """
    path = Path(os.path.expanduser(path))
    suffix = path.suffix.lower()
    if suffix == ".xz":
        import lzma

        return lzma.open(path, "rb")
    if suffix == ".gz":
        import gzip

        return gzip.open(path, "rb")
    if suffix == ".bz2":
        import bz2

        return bz2.open(path, "rb")
    if suffix == ".zst":
        return _open_zstandard(path)
    return open(path, "rb")


def _open_zstandard(path: Path) -> io.BufferedIOBase:
    """Python has had it since 3.14; before, a package has it."""
    try:
        module: Any = importlib.import_module("compression.zstd")
        return module.open(path, "rb")
    except ImportError:
        pass
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        raise UserError(
            f"{path}: found zstandard, which this Python cannot unpack: {system.install('zstandard')}, or unpack it "
            "with unzstd"
        ) from None
    return io.BufferedReader(module.open(path, "rb"))


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
    r"""The lines of a text file, plain or compressed (COMPRESSIONS), UTF-8 with or without a byte order mark.

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
