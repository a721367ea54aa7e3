"""Labelled reviews: NSMC and the user's own TSV or CSV found, downloaded, verified, read, split; the bundled sample.

NSMC, the Naver sentiment movie corpus (https://github.com/e9t/nsmc, CC0), is 150,000 reviews to train on and 50,000 to
test on, half of them positive.
"""

import collections
import contextlib
import dataclasses
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nsmc_bert import files
from nsmc_bert.errors import Located, UserError, shorten
from nsmc_bert.progress import Progress

if TYPE_CHECKING:  # imported where it is used: predicting from a pipe starts without it
    import numpy

NSMC_URL = "https://raw.githubusercontent.com/e9t/nsmc/cc0670e872d4ac27bfe36c87456783004b39ef6c/"
NSMC_FILES = {  # name: (bytes, sha256), train first
    "ratings_train.txt": (14628807, "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940"),
    "ratings_test.txt": (4893335, "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda"),
}
TIMEOUT_SECONDS = 20.0  # without a byte, after which a connection counts as stalled
PAUSE_SECONDS = 1.0  # before a connection is tried again; longer each time
CONNECTIONS = 4  # that one file may take
LINE_BYTES = 1 << 20  # of a line that are kept by `lines`
BUNDLED = Path(__file__).parent / "bundled"

_BOM = b"\xef\xbb\xbf"
_LABELS = {"0": 0, "1": 1}
_CONVERT = "convert with iconv -f cp949 -t utf-8"
_AT_HAND = "where NSMC is at hand, name its folder with --nsmc_dir=FOLDER"


class NsmcUnavailable(UserError):
    """NSMC is neither at hand nor can it be downloaded."""


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled texts in the order of their file; its len() is their number.

    Attributes:
        texts: list of str.
        labels: int32 [n], 0 negative and 1 positive.
        path: the file they were read from.
        sha1: the checksum of that file's bytes, in hex.
        skipped: how many bad rows were passed over.
    """

    texts: list
    labels: "numpy.ndarray"
    path: Path
    sha1: str
    skipped: int = 0

    def __len__(self):
        return len(self.texts)


def read(path, *, text_column="document", label_column="label", delimiter=None, skip_bad_rows=False):
    r"""Reads labelled texts from a table with a header line, UTF-8 with or without a byte order mark.

    With a tab between the columns, every line is one row and a quotation mark is a character like any other, as in
    NSMC. With another delimiter, columns may be quoted as in CSV and then hold line ends. Only "\n" or "\r\n" ends a
    line. A text may be empty; a line that is empty altogether is no row.

    Args:
        path: the file.
        text_column, label_column: names of the columns that are read; labels are 0 and 1.
        delimiter: the character between two columns. Default: a comma for .csv, a tab otherwise.
        skip_bad_rows: pass over rows with another number of columns than the header, another label, broken quoting or
            invalid UTF-8, and count them, instead of raising.

    Returns:
        Corpus.

    Raises:
        Located: what is wrong with the file, and on which line. A row of several lines is known by its first.
        UserError: the file cannot be opened, or `delimiter` is not one character.

    Example:
        >>> corpus = read("ratings_test.txt")
        >>> corpus.texts[0], corpus.labels[0]
        ('굳 ㅋ', np.int32(1))
    """
    import numpy as np

    path = Path(os.path.expanduser(path))
    delimiter = _delimiter(path, delimiter)
    texts, labels, skipped, first = [], [], 0, None
    with files.readable(path), open(path, "rb") as file, _unlimited_csv_fields():
        source = _Lines(file)
        rows = _plain_rows(source) if delimiter == "\t" else _quoted_rows(source, delimiter)
        header = _header(path, source, rows, text_column, label_column)
        text_at, label_at = header.index(text_column), header.index(label_column)
        for number, row in rows:
            problem, source.problem = source.problem, None
            if problem is None:
                if len(row) == len(header) and row[label_at] in _LABELS:
                    texts.append(row[text_at])
                    labels.append(_LABELS[row[label_at]])
                    continue
                if row in ([], [""]):
                    continue
                if len(row) != len(header):
                    found = "1 column" if len(row) == 1 else "%d columns" % len(row)
                    problem = number, found, "%d as in the header line %s" % (len(header), shorten(header, 200))
                else:
                    problem = number, f"the label {shorten(row[label_at])}", "0 (negative) or 1 (positive)"
            if not skip_bad_rows:
                raise Located(path, *problem)
            skipped += 1
            first = first or problem
    if first and not texts:
        number, found, expected = first
        raise Located(path, number, "%s, and no good row in %d" % (found, skipped), expected)
    if not texts:
        raise Located(path, None, "a header line and no rows", "one row a line below it")
    return Corpus(texts, np.array(labels, np.int32), path, source.sha1.hexdigest(), skipped)


def split(texts, share, seed):
    """Parts texts at random into those to train on and those to validate on.

    A text that comes several times falls on one side with all its copies, so that no validation text was trained on.

    Args:
        texts: sequence of str.
        share: of the texts that are held out for validation, between 0 and 1.
        seed: of the random choice; the same texts, share and seed give the same parts.

    Returns:
        Row numbers to train on and to validate on, two int64 arrays, ascending. round(share * n) rows are held out, at
        least 1 and at most n - 1; where copies do not add up to that, fewer by less than one more text with its copies
        would be, or the rarest text alone where each has too many.

    Raises:
        UserError: `share` is not between 0 and 1, `seed` is negative, or there are no two different texts.
    """
    import numpy as np

    if not 0 < share < 1:
        raise UserError(f"found {share} as the share of reviews to validate on, expected more than 0 and less than 1")
    if seed < 0:
        raise UserError("found %d as the seed of the split, expected 0 or more" % seed)
    numbers = {}
    text_of = np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int64)
    if len(numbers) < 2:
        found = "the same text %d times" % len(texts) if len(texts) > 1 else "%d reviews" % len(texts)
        raise UserError(f"found {found}, expected at least 2 different ones, one to train on and one to validate on")
    copies = np.bincount(text_of)
    left = min(max(round(share * len(texts)), 1), len(texts) - 1)
    chosen = np.zeros(len(copies), bool)
    for text in np.random.Generator(np.random.PCG64(seed)).permutation(len(copies)):
        if copies[text] <= left:
            chosen[text] = True
            left -= copies[text]
            if not left:
                break
    if not chosen.any():
        chosen[copies.argmin()] = True
    held_out = chosen[text_of]
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def unseen(texts, known):
    """Which of n texts do not stand word for word in `known`: bool [n]."""
    import numpy as np

    known = set(known)
    return np.array([text not in known for text in texts], bool)


def sample():
    """The bundled sample, a few hundred reviews written for this project: (train Corpus, test Corpus)."""
    return tuple(read(BUNDLED / (f"sample_{part}.tsv")) for part in ("train", "test"))


def lines(stream, name):
    r"""Reviews from a stream, one a line, in constant memory.

    Args:
        stream: binary, such as sys.stdin.buffer. Only "\n" or "\r\n" ends a line; the last line needs no end.
        name: what errors call the stream.

    Yields:
        str, "" for an empty line. Of a line longer than LINE_BYTES, a megabyte, the beginning is kept and the rest
        dropped unread: a classifier reads less.

    Raises:
        Located: a line is not UTF-8.
        UserError: the stream cannot be read.
    """
    import codecs

    number = 0
    with files.readable(name):
        while piece := stream.readline(LINE_BYTES + 2):
            if not number:
                files.check_text(name, piece)
            cut = len(piece) > LINE_BYTES and not piece.endswith(b"\n")
            line = piece[:LINE_BYTES] if cut else piece.removesuffix(b"\n").removesuffix(b"\r")
            if not number and piece.startswith(_BOM):
                line = line.removeprefix(_BOM)
                if piece == _BOM:
                    return
            number += 1
            try:
                # a character that the cut parts in two is no error
                text, _ = codecs.utf_8_decode(line, "strict", not cut)
            except UnicodeDecodeError as error:
                raise Located(name, number, _invalid(error), files.utf8_expected(line, _CONVERT)) from None
            yield text
            while cut and not piece.endswith(b"\n") and piece:
                piece = stream.readline(1 << 16)


def documents(paths, *, text_column="", rating_column=""):
    r"""Texts to pretrain on, one a line, from any files; of a text that comes several times the first is kept.

    Args:
        paths: plain text, or compressed by xz or gzip (.xz, .gz), UTF-8.
        text_column: where the files are tables with a header line and tabs between the columns, the name of the text's.
        rating_column: the name of a column of whole numbers from 1, or "".

    Returns:
        (list of str, int32 [n] ratings less 1, or None without `rating_column`). Empty texts are left out.

    Raises:
        Located: a line that is no row, a rating that is no whole number from 1, invalid UTF-8.
        UserError: a file cannot be read, or there is no text in any.
    """
    import numpy as np

    texts, ratings, seen = [], [], set()
    for path in paths:
        with files.readable(path), files.decompressed(path) as stream:
            rows = lines(stream, path)
            at = rating_at = None
            if text_column:
                header = next(rows, "").split("\t")
                for column in filter(None, (text_column, rating_column)):
                    if header.count(column) != 1:
                        found = f"the columns {shorten(header, 200)}"
                        raise Located(path, 1, found, f"a header line with one column {column!r}")
                at, rating_at = header.index(text_column), header.index(rating_column) if rating_column else None
            for number, line in enumerate(rows, 2 if text_column else 1):
                if at is not None:
                    row = line.split("\t")
                    if len(row) != len(header):
                        raise Located(path, number, "%d columns" % len(row), "%d as in the header line" % len(header))
                    line = row[at]
                    if rating_at is not None and not re.fullmatch(r"[1-9]\d?|100", row[rating_at], re.ASCII):
                        raise Located(
                            path, number, f"the rating {shorten(row[rating_at])}", "a whole number from 1 to 100"
                        )
                if not line or line in seen:
                    continue
                seen.add(line)
                texts.append(line)
                if rating_at is not None:
                    ratings.append(int(row[rating_at]) - 1)
    if not texts:
        raise UserError("{}: found no text, expected one text a line".format(", ".join(map(str, paths))))
    return texts, np.array(ratings, np.int32) if rating_column else None


def cache_folder():
    """Where downloads go: $NSMC_BERT_CACHE, or nsmc_bert in the user's cache folder ($XDG_CACHE_HOME or ~/.cache, on
    Windows %LOCALAPPDATA%).

    Raises:
        NsmcUnavailable: the user has no home.
    """
    if folder := os.environ.get("NSMC_BERT_CACHE"):
        return Path(os.path.expanduser(folder))
    folder = os.environ.get("XDG_CACHE_HOME") or sys.platform == "win32" and os.environ.get("LOCALAPPDATA")
    if not folder:
        folder = os.path.expanduser(os.path.join("~", ".cache"))
        if folder.startswith("~"):
            raise NsmcUnavailable("found no home folder for downloads, expected $NSMC_BERT_CACHE or --cache_dir=FOLDER")
    return Path(folder) / "nsmc_bert"


def _say(line):
    print(line, file=sys.stderr, flush=True)


def find_nsmc(nsmc_dir=None, cache_dir=None, *, url=NSMC_URL, download=True, log=_say):
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
        return tuple(paths)
    folder = Path(os.path.expanduser(cache_dir)) if cache_dir else cache_folder()
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
    return tuple(paths)


class _Lines:
    """Decodes a file's lines, ends included, and hashes its bytes on the way.

    Attributes:
        sha1: hash object of the bytes so far.
        problem: (line, found, expected) of the first bad line since the attribute was last set to None. A bad line is
            yielded too, so that the rows around it are still told apart.
    """

    def __init__(self, file):
        import hashlib

        self._file = file
        self.sha1 = hashlib.sha1(usedforsecurity=False)
        self.problem = None

    def __iter__(self):
        for number, line in enumerate(self._file, 1):
            self.sha1.update(line)
            if number == 1:
                files.check_text(self._file.name, line)
                line = line.removeprefix(_BOM)
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                expected = files.utf8_expected(line, _CONVERT)
                self.problem = self.problem or (number, _invalid(error), expected)
                text = line.decode(errors="surrogateescape")
            yield text


def _plain_rows(source):
    """(line, columns) of each row without quoting."""
    for number, line in enumerate(source, 1):
        yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


def _quoted_rows(source, delimiter):
    """(first line, columns) of each row of a CSV; where it is a bad one by its quoting, `source.problem` says so.

    A stray quotation mark opens a column that takes in the lines up to the next one. Of such a row the first line alone
    is bad; the others are read again.
    """
    import csv

    numbered, again, width = _numbered(source), collections.deque(), 0

    def take(taken):
        while one := again.popleft() if again else next(numbered, None):
            taken.append(one)
            yield one[1]

    while True:
        taken, row, found = [], [], ""
        try:
            row = next(csv.reader(take(taken), delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            # what follows the dash is advice to programmers
            found = "broken CSV ({})".format(str(error).partition(" - ")[0])
            expected = 'a column that holds " or a line end to stand in "…", with each " in it doubled'
            if "unexpected end of data" in str(error):
                found, expected = "a quotation mark that is never closed", 'a second " at the end of the column'
        number = taken[0][0]
        width = width or len(row)
        if not found and len(taken) > 1 and len(row) != width:
            found = "%d columns in %d lines" % (len(row), len(taken))
            expected = "%d as in the header line; is there a stray quotation mark?" % width
        if found:
            again.extendleft(reversed(taken[1:]))
            del taken[1:]
        problems = [problem for _, _, problem in taken if problem]
        source.problem = problems[0] if problems else (number, found, expected) if found else None
        yield number, row


def _numbered(source):
    """(number, line, what is wrong with it) of each line."""
    for number, line in enumerate(source, 1):
        problem, source.problem = source.problem, None
        yield number, line, problem


@contextlib.contextmanager
def _unlimited_csv_fields():
    """Lifts the csv module's limit of 131,072 characters a column, which is global."""
    import csv

    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _header(path, source, rows, *columns):
    """The first row, which has to hold each of `columns` once."""
    _, header = next(rows, (1, None))
    if header is None:
        expected = "a header line with the columns {}, then one row a line".format(" and ".join(map(repr, columns)))
        raise Located(path, None, "an empty file", expected)
    if source.problem:
        raise Located(path, *source.problem)
    for column in columns:
        if header.count(column) != 1:
            found = f"the columns {shorten(header, 200)}" if any(header) else "an empty line"
            advice = "text_column, label_column and delimiter say how a file is read"
            raise Located(path, 1, found, f"a header line with one column {column!r}; {advice}")
    return header


def _delimiter(path, delimiter):
    if delimiter is None:
        return "," if path.suffix.lower() == ".csv" else "\t"
    if delimiter == "\\t":  # a tab as it is written on command lines
        return "\t"
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise UserError(f"found {shorten(delimiter)} as the delimiter, expected one character, such as , or ;")
    return delimiter


def _invalid(error):
    return f"bytes that are no UTF-8: {shorten(error.object[error.start : error.start + 12])}"


def _difference(path):
    """How a file differs from the published one of that name; "" where it does not."""
    import hashlib

    size, checksum = NSMC_FILES[path.name]
    with files.readable(path), open(path, "rb") as file:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            return "%d bytes instead of %d" % (found, size)
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    found = digest.hexdigest()
    return "" if found == checksum else f"sha256 {found} instead of {checksum}"


def _download(url, path, log):
    """Downloads and verifies one file of NSMC: afterwards it is there as a whole, or an error says why not.

    Raises:
        NsmcUnavailable: it cannot be had from `url`.
        UserError: it cannot be written, or `url` is no address.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise UserError(f"found {shorten(url, 200)} as the address of NSMC, expected https://… or http://…")
    url = "{}/{}".format(url.rstrip("/"), path.name)
    size, checksum = NSMC_FILES[path.name]

    def write(part):
        with open(part, "wb") as file, Progress(size // 1000, "kB", title=path.name) as bar:
            received = _Received(file, bar, size)
            for _ in range(2):
                received.clear()
                _receive(url, received)
                found = received.sha256.hexdigest()
                if found == checksum:
                    return
        if received.size > size:
            found = "more than %d bytes" % size
        else:
            found = "%d bytes with sha256 %s" % (received.size, found)
        raise NsmcUnavailable("%s: found %s, expected %d with sha256 %s; %s" % (url, found, size, checksum, _AT_HAND))

    log(f"downloading {url} to {path.parent}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be made ({error.strerror})") from None
    files.write_atomically(path, write)


class _Received:
    """What has come of a file.

    Attributes:
        size: its bytes.
        full: the bytes of the whole file.
        sha256: hash object of its bytes.
    """

    def __init__(self, file, bar, full):
        self._file, self._bar, self._shown = file, bar, 0
        self.size, self.full = 0, full

    def clear(self):
        """Forgets what has come."""
        import hashlib

        if self.size:
            self._file.seek(0)
            self._file.truncate()
        self.size, self.sha256 = 0, hashlib.sha256()
        self._show()

    def add(self, chunk):
        """Writes the next bytes."""
        self._file.write(chunk)
        self.sha256.update(chunk)
        self.size += len(chunk)
        self._show()

    def _show(self):
        self._bar.update(self.size // 1000 - self._shown)
        self._shown = self.size // 1000


class _Broken(Exception):
    """A connection that may be better the next time."""


def _receive(url, received):
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
        "%s: the connection broke %d times (the last time: %s); try again later, or %s"
        % (url, CONNECTIONS, broken, _AT_HAND)
    )


def _chunks(url, start, full):
    """(position, bytes) of what a server sends, from `start` on where it can, else from 0.

    Raises:
        _Broken: the connection broke.
        NsmcUnavailable: there is no connection, or the server does not have the file.
        UserError: `url` is no address.
    """
    import http.client
    import urllib.error
    import urllib.request

    headers = {"User-Agent": "nsmc_bert", **({"Range": "bytes=%d-" % start} if start else {})}
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
                raise _Broken("it ended after %d of %d bytes" % (position, end))
    except urllib.error.HTTPError as error:
        error.close()
        answer = "it answered %d %s" % (error.code, error.reason)
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
