"""What not every operating system has, and what the others get instead.

                        Linux, macOS                            elsewhere
locks on folders        held until the process ends             none: two runs in one folder are not told apart
reads and writes at     of several threads at once              one thread at a time
an offset
exchange of folders     in one step, Linux and macOS            two renames, between which a kill leaves one name free
freed memory            given back by two arenas, with glibc    as the C library does it
open files              as many as the user may have            as many as there are: nobody says how many
"""

import contextlib
import ctypes
import importlib
import os
import shlex
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nsmc_bert.base.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_M_ARENA_MAX = -8  # of glibc's malloc.h
_turn = threading.Lock()


def lock(descriptor: int, wait: bool = False) -> bool:
    """Locks an open file or folder against other processes until it is closed.

    Args:
        descriptor: of the open file or folder.
        wait: until the process that has the lock lets it go.

    Returns:
        Whether no other process has it. Where the file system has no locks, nobody can tell: True.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def read_at(descriptor: int, view: memoryview, offset: int) -> int:
    """Reads from an offset of a file into memory; returns how many bytes there were."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [view], offset)
    with _turn:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(view))
    view[: len(data)] = data
    return len(data)


def write_at(descriptor: int, view: memoryview, offset: int) -> None:
    """Writes all bytes to an offset of a file."""
    while view:
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, view, offset)
        else:
            with _turn:
                os.lseek(descriptor, offset, os.SEEK_SET)
                written = os.write(descriptor, view)
        view, offset = view[written:], offset + written


def exchange(path: Path, other: Path) -> bool:
    """Exchanges two folders in one step; False where the system or the file system cannot."""
    library, here, swap = _c_library(), -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
    first, second = os.fsencode(path), os.fsencode(other)
    if hasattr(library, "renameat2"):
        return library.renameat2(here, first, here, second, swap) == 0
    return hasattr(library, "renamex_np") and library.renamex_np(first, second, swap) == 0


def open_files() -> int | None:
    """Lets this process open as many files as its user may have, connections among them; how many, or None."""
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says that there is no limit, and means another
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def interpreter() -> str:
    """This interpreter as one would type it here: relative to the working directory where it lies below it."""
    path = Path(sys.executable)
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def install(what: str) -> str:
    """The command that installs a package, or an extra of this project's, for this interpreter."""
    return f"{interpreter()} -m pip install {shlex.quote(what)}"


def check_installed(packages: Iterable[str], extra: str, purpose: str) -> None:
    """Imports packages that only those have who asked for them.

    Args:
        packages: their names.
        extra: the one of this project's that has them.
        purpose: what they are there for, in words, such as "to serve".

    Raises:
        UserError: one is not installed.
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:  # of a package that is there and broken, without a name
            command = install(f"nsmc-bert[{extra}]")
            raise UserError(f"found no {error.name or package}, expected it {purpose}: {command}") from None


def share_freed_memory() -> None:
    """Has glibc keep freed memory in few arenas, not eight for every processor, where batches of many sizes pile up."""
    library = _c_library()
    if hasattr(library, "mallopt") and "MALLOC_ARENA_MAX" not in os.environ:
        library.mallopt(_M_ARENA_MAX, max(2, (os.cpu_count() or 1) // 2))


def _c_library() -> Any:
    with contextlib.suppress(OSError, TypeError):  # Windows wants a name
        return ctypes.CDLL(None)
    return None
