"""Archives that anybody may have packed, and lines of streams that may have no end.

A file inside is read as a stream. Links are not followed, nothing is unpacked onto the disk, and what an archive says
of sizes is not believed.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from nsmc_bert.base.errors import UserError

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
# of the next entry
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def zip_members(path: str | os.PathLike[str], suffix: str) -> list[zipfile.ZipInfo]:
    """The files in a zip file whose names end so.

    Raises:
        UserError: it is no whole zip file.
    """
    with readable_zip(path), _zip(path) as archive:
        return [entry for entry in archive.infolist() if entry.filename.endswith(suffix)]


@contextlib.contextmanager
def open_zip_member(path: str | os.PathLike[str], name: str) -> Iterator[BinaryIO]:
    """A binary stream of a file in a zip file, which ends where the archive says that it does.

    Raises:
        UserError: it is no file, encrypted, packed in another way, or damaged.
    """
    with readable_zip(path), _zip(path) as archive:
        try:
            entry = archive.getinfo(name)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise zipfile.BadZipFile(f"{name} is a link or no file")
            if entry.flag_bits & 1:
                raise UserError(f"{path}: found {name} encrypted, expected it without a password; pack it again")
            if entry.compress_type not in _METHODS:
                raise UserError(
                    f"{path}: found {name} packed by method {entry.compress_type}, expected deflate; pack it again"
                )
            member = archive.open(entry)
        except (NotImplementedError, RuntimeError, KeyError) as error:
            raise zipfile.BadZipFile(str(error)) from None
        with member:
            yield io.BufferedReader(member, 1 << 20)  # type: ignore[type-var]  # an IO[bytes] that has readinto


@contextlib.contextmanager
def readable_zip(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what goes wrong while a zip file is read into a UserError."""
    try:
        yield
    except zlib.error as error:
        raise UserError(f"{path}: found a damaged zip file ({error}); fetch it again") from None
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path}: found no whole zip file ({error}), expected one; fetch it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _zip(path: str | os.PathLike[str]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (NotImplementedError, ValueError, OverflowError) as error:  # of a directory that is damaged
        raise zipfile.BadZipFile(str(error)) from None


@contextlib.contextmanager
def open_tar_member(path: str | os.PathLike[str], name: str) -> Iterator[BinaryIO]:
    """A binary stream of the file of that name, in whatever folder, of a tar file packed by gzip.

    Headers are read one at a time and nothing else is: tarfile reads what a header declares whole, and searches
    extended headers in quadratic time.

    Raises:
        UserError: there is none, it is a link, or the archive is damaged. gzip's own errors pass through.
    """
    with gzip.open(path) as packed:
        while block := packed.read(tarfile.BLOCKSIZE):
            try:
                entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
                break
            except (tarfile.TarError, ValueError) as error:
                raise UserError(f"{path}: cannot be read ({error})") from None
            if entry.size < 0:
                raise UserError(f"{path}: cannot be read (a file of {entry.size} bytes)")
            if entry.name.rpartition("/")[2] == name and entry.type not in _EXTENSIONS:
                if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    raise UserError(f"{path}: found that {name} is a link or no file, expected a file")
                yield io.BufferedReader(_Part(packed, entry.size), 1 << 16)
                return
            _skip(packed, -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
    raise UserError(f"{path}: found no {name} in it, expected the archive that holds it")


def _skip(file: Any, size: int) -> None:
    while size > 0 and (piece := file.read(min(size, 1 << 20))):
        size -= len(piece)


class _Part(io.RawIOBase):
    """The next bytes of a stream, as many as are declared."""

    def __init__(self, file: Any, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(min(len(buffer), self._left))
        if not piece and self._left:
            raise EOFError(f"it ends {self._left:,} bytes too early")
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)
