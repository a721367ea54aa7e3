"""NSMC, the Naver sentiment movie corpus (https://github.com/e9t/nsmc, CC0): found, or downloaded and verified.

150,000 reviews to train on and 50,000 to test on, half of them positive.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO

from nsmc_bert.base import files, text_files
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.files import cache_folder
from nsmc_bert.base.progress import Progress

NSMC_URL = "https://raw.githubusercontent.com/e9t/nsmc/cc0670e872d4ac27bfe36c87456783004b39ef6c/"
NSMC_FILES = {  # name: (bytes, sha256), train first
    "ratings_train.txt": (14628807, "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940"),
    "ratings_test.txt": (4893335, "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda"),
}
TIMEOUT_SECONDS = 20.0  # without a byte, after which a connection counts as stalled
PAUSE_SECONDS = 1.0  # before a connection is tried again; longer each time
CONNECTIONS = 4  # that one file may take
_AT_HAND = "where NSMC is at hand, name its folder with --nsmc_dir=FOLDER"


class NsmcUnavailable(UserError):
    """NSMC is neither at hand nor can it be downloaded."""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def find_nsmc(
    nsmc_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    url: str = NSMC_URL,
    download: bool = True,
    log: Callable[[str], None] = _say,
) -> tuple[Path, Path]:
    """NSMC's two files: in the user's folder, else in the cache, else downloaded into it.

    Args:
        nsmc_dir: folder that holds both files. They are taken as they are; a line is logged if they are not the
            published ones.
        cache_dir: folder for downloads; default: cache_folder(). What is there is verified, and downloaded again if it
            is not what was published.
        url: the address below which the two files are, http or https.
        download: whether they may be downloaded.
        log: called with each line to show; default: standard error.

    Returns:
        The paths of ratings_train.txt and ratings_test.txt.

    Raises:
        NsmcUnavailable: a file is missing in `nsmc_dir`, or neither in the cache nor to be downloaded.
        UserError: a file or folder cannot be read or written, or `url` is no address.
    """
    if nsmc_dir:
        paths = [Path(os.path.expanduser(nsmc_dir)) / name for name in NSMC_FILES]
        missing = [path.name for path in paths if not os.path.isfile(path)]
        if missing:
            found, expected = " and no ".join(missing), " and ".join(NSMC_FILES)
            raise NsmcUnavailable(f"{paths[0].parent}: found no {found}, expected NSMC's {expected}")
        for path in paths:
            if difference := _difference(path):
                log(f"{path}: not the official file ({difference}), taken as it is")
        return paths[0], paths[1]
    try:
        folder = Path(os.path.expanduser(cache_dir)) if cache_dir else cache_folder()
    except UserError as error:  # a user without a home
        raise NsmcUnavailable(str(error)) from None
    paths = [folder / name for name in NSMC_FILES]
    for path in paths:
        difference = _difference(path) if os.path.isfile(path) else "missing"
        if not difference:
            continue
        if not download:
            raise NsmcUnavailable(f"{path}: {difference}, and downloading is turned off; {_AT_HAND}")
        if difference != "missing":
            log(f"{path}: not the official file ({difference}), downloaded again")
        _download(url, path, log)
    return paths[0], paths[1]


def _difference(path: Path) -> str:
    """How a file differs from the published one of that name; "" where it does not."""
    import hashlib

    size, checksum = NSMC_FILES[path.name]
    with text_files.readable(path), open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        if length != size:
            return f"{length} bytes instead of {size}"
        digest = hashlib.sha256()
        files.feed(digest, file)
    actual = digest.hexdigest()
    return "" if actual == checksum else f"sha256 {actual} instead of {checksum}"


def _download(url: str, path: Path, log: Callable[[str], None]) -> None:
    """Downloads and verifies one file of NSMC: afterwards it is there as a whole, or an error says why not.

    Raises:
        NsmcUnavailable: it cannot be had from `url`.
        UserError: it cannot be written, or `url` is no address.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise UserError(f"found {shorten(url, 200)} as the address of NSMC, expected https://… or http://…")
    url = f"{url.rstrip('/')}/{path.name}"
    size, checksum = NSMC_FILES[path.name]

    def write(part: Path) -> None:
        with open(part, "wb") as file, Progress(size // 1000, "kB", title=path.name) as bar:
            received = _Received(file, bar, size)
            for _ in range(2):
                received.clear()
                _receive(url, received)
                found = received.sha256.hexdigest()
                if found == checksum:
                    return
        if received.size > size:
            found = f"more than {size} bytes"
        else:
            found = f"{received.size} bytes with sha256 {found}"
        raise NsmcUnavailable(f"{url}: found {found}, expected {size} with sha256 {checksum}; {_AT_HAND}")

    log(f"downloading {url} to {path.parent}")
    files.make_folder(path.parent)
    files.write_atomically(path, write)


class _Received:
    """What has come of a file.

    Attributes:
        size: its bytes.
        full: the bytes of the whole file.
        sha256: hash object of its bytes.
    """

    def __init__(self, file: BinaryIO, bar: Progress, full: int) -> None:
        self._file, self._bar, self._shown = file, bar, 0
        self.size, self.full = 0, full

    def clear(self) -> None:
        """Forgets what has come."""
        import hashlib

        if self.size:
            self._file.seek(0)
            self._file.truncate()
        self.size, self.sha256 = 0, hashlib.sha256()
        self._show()

    def add(self, chunk: bytes) -> None:
        """Writes the next bytes."""
        self._file.write(chunk)
        self.sha256.update(chunk)
        self.size += len(chunk)
        self._show()

    def _show(self) -> None:
        self._bar.update(self.size // 1000 - self._shown)
        self._shown = self.size // 1000


class _Broken(Exception):
    """A connection that may be better the next time."""


def _receive(url: str, received: _Received) -> None:
    """Fills `received`; a connection that breaks or stalls is opened again and goes on where the last one ended.

    Raises:
        NsmcUnavailable: no connection can be had, or one after the other breaks.
    """
    for attempt in range(CONNECTIONS):
        time.sleep(PAUSE_SECONDS * attempt)
        try:
            with contextlib.closing(_chunks(url, received.size, received.full)) as chunks:
                for position, chunk in chunks:
                    if position != received.size:
                        received.clear()
                        if position:
                            raise _Broken("it sent another part than was asked for")
                    received.add(chunk)
                    if received.size > received.full:
                        break
            return
        except _Broken as error:
            broken = error
    raise NsmcUnavailable(
        f"{url}: the connection broke {CONNECTIONS} times (the last time: {broken}); try again later, or {_AT_HAND}"
    )


def _chunks(url: str, start: int, full: int) -> Generator[tuple[int, bytes], None, None]:
    """(position, bytes) of what a server sends, from `start` on where it can, else from 0.

    Raises:
        _Broken: the connection broke.
        NsmcUnavailable: there is no connection, or the server does not have the file.
        UserError: `url` is no address.
    """
    import http.client
    import urllib.error
    import urllib.request

    headers = {"User-Agent": "nsmc_bert", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as response:
            part = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            position = int(part[1]) if part and response.status == 206 else 0
            length = response.length if response.length is not None else 0 if response.chunked else full - position
            end = position + length
            while chunk := response.read1(1 << 16):
                yield position, chunk
                position += len(chunk)
            if position < end:
                raise _Broken(f"it ended after {position} of {end} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"it answered {error.code} {error.reason}"
        if error.code == 416:  # the server's file ends here
            return
        if error.code >= 500 or error.code in (408, 429):
            raise _Broken(answer) from None
        raise NsmcUnavailable(f"{url}: {answer}; {_AT_HAND}") from None
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        # once bytes have come, the network is there, and a new connection may well succeed
        if start or isinstance(error.reason, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
            raise _Broken(reason) from None
        raise NsmcUnavailable(f"{url}: cannot be reached ({reason}); {_AT_HAND}") from None
    except (http.client.InvalidURL, ValueError) as error:
        raise UserError(f"{shorten(url, 200)}: found no address that can be opened ({error})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from None
