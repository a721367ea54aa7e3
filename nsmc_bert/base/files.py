"""Files: read with errors of one line, plain or compressed; written as a whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import re
import shutil
import sys
import weakref
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError

if TYPE_CHECKING:
    import hashlib


def why_not_written(error: BaseException) -> str | None:
    """What the system said when a file could not be written; None if the error is about something else.

    Libraries in Rust (safetensors, tokenizers) raise exceptions of their own, which quote the system's error.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    quoted = re.search(r"([^:(]+) \(os error \d+\)", str(error))
    return quoted and quoted[1].strip()


def feed(digest: hashlib._Hash, file: BinaryIO | io.BufferedIOBase) -> None:
    """Adds what is left of an open file to a checksum, a piece at a time."""
    while piece := file.read(1 << 20):
        digest.update(piece)


def settle(path: Path) -> None:
    """Waits until a file's bytes are on the disk, and lets everybody read it whom the user's umask allows."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)  # safetensors makes files that only their owner reads


def place(path: str | os.PathLike[str]) -> Path:
    """Where a path leads that is written to: ~ is the user's home, and a link stays a link to what is written."""
    return Path(os.path.realpath(os.path.expanduser(path)))


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Calls write(temporary path), then puts the file in place: at any moment there is the old one or the new one.

    A link stays, and so does what is no file (/dev/null, a pipe): that is written to as it is.

    Raises:
        UserError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    given, path = Path(os.path.expanduser(path)), place(path)
    stream = str(given.parent) in ("/dev", "/dev/fd") or path.exists() and not (path.is_file() or path.is_dir())
    part = given if stream else path.with_name(f"{path.name}.part-{os.getpid()}")
    try:
        write(part)
        if not stream:
            settle(part)
            os.replace(part, path)
    except Exception as error:
        if why := why_not_written(error):
            raise UserError(f"{given}: cannot be written ({why})") from None
        raise
    finally:
        if not stream:
            with contextlib.suppress(OSError):  # a folder that may not be entered has its own error above
                part.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, where there is none.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror})") from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Writes a text file, UTF-8, as a whole or not at all; makes its folder where there is none.

    What UTF-8 cannot say, a lone surrogate, is written as \ud800, which in JSON is the same string.

    Raises:
        UserError: it cannot be written.
    """
    # half of a surrogate pair, of a label or of a path whose name is no UTF-8, as JSON and Python write it
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """The same for bytes."""
    path = Path(os.path.expanduser(path))
    make_folder(path.parent)
    write_atomically(path, lambda part: part.write_bytes(content))


@contextlib.contextmanager
def whole_folder(folder: str | os.PathLike[str], ours: Collection[str] = ()) -> Iterator[Path]:
    """A temporary folder to write into, which takes the folder's place when the block ends well.

    What lies in the folder besides the new files stays, and a link to a folder stays a link. A kill leaves the old
    folder or the new one, each with all that stays; where the system cannot exchange two folders in one step, `restore`
    mends what it may leave.

    Args:
        folder: where to.
        ours: names in the folder that do not stay.

    Raises:
        UserError: the disk is full or the place cannot be written; what was there is untouched.
    """
    given, folder = folder, place(folder)
    restore(folder)
    part = folder.with_name(f".{folder.name}.part-{os.getpid()}")
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        for path in part.rglob("*"):
            if not path.is_dir():
                settle(path)
        if not folder.exists():
            part.rename(folder)
        else:
            for path in folder.iterdir():
                if path.name not in ours and not (part / path.name).exists():
                    _link(path, part / path.name)
            shutil.copymode(folder, part)
            if not system.exchange(part, folder):
                folder.rename(old)
                part.rename(folder)
    except Exception as error:
        if why := why_not_written(error):
            raise UserError(f"{given}: cannot be written ({why})") from None
        raise
    finally:
        restore(folder)
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def restore(folder: Path) -> None:
    """Puts a folder back whose replacement was killed between its two renames."""
    if os.path.lexists(folder):
        return
    with contextlib.suppress(OSError):  # there is no such place, or another process was faster
        for path in folder.parent.iterdir():
            if re.fullmatch(rf"\.{re.escape(folder.name)}\.old-\d+", path.name):
                path.rename(folder)
                return


def _link(path: Path, to: Path) -> None:
    """The same file, or a folder of the same files, under another name: no content is copied, and none can be lost."""
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, to, symlinks=True, copy_function=_link_file)
    else:
        _link_file(path, to)


def _link_file(path: str | os.PathLike[str], to: str | os.PathLike[str]) -> None:
    try:
        os.link(path, to, follow_symlinks=False)
    except OSError:  # the file system has no such links, or the file is somebody else's
        shutil.copy2(path, to, follow_symlinks=False)


class Lock:
    """One process' hold on a folder, until the last reference to it is gone or the process ends, however it ends.

    Args:
        folder: an existing folder; the file `lock` is made in it and stays.

    Raises:
        UserError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = open(folder / "lock", "a+", encoding="utf-8")
        except OSError:  # nobody can write here, so nobody can do harm
            return
        if not system.lock(self._file.fileno()):
            self._file.seek(0)
            holder = self._file.read().strip() or "it does not say which"
            raise UserError(
                f"{folder}: another process is at work in it ({holder}), expected one at a time; wait "
                "for it, or stop it"
            )
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {platform.node()}\n")
        self._file.flush()


_locks: weakref.WeakValueDictionary[Path, Lock] = weakref.WeakValueDictionary()


def lock(folder: Path) -> Lock:
    """The Lock of a folder: of all who ask for it in one process the same."""
    folder = place(folder)
    held = _locks.get(folder)
    if held is None:
        held = _locks[folder] = Lock(folder)
    return held


def cache_folder() -> Path:
    """Where downloads go: $NSMC_BERT_CACHE, or nsmc_bert in the user's cache folder ($XDG_CACHE_HOME or ~/.cache, on
    Windows %LOCALAPPDATA%).

    Raises:
        UserError: the user has no home.
    """
    if folder := os.environ.get("NSMC_BERT_CACHE"):
        return Path(os.path.expanduser(folder))
    folder = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None)
    if not folder:
        folder = os.path.expanduser(os.path.join("~", ".cache"))
        if folder.startswith("~"):
            raise UserError("found no home folder for downloads, expected $NSMC_BERT_CACHE or --cache_dir=FOLDER")
    return Path(folder) / "nsmc_bert"
