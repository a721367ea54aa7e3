"""Files: read with errors of one line, plain or compressed; written as a whole or not at all."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from nsmc_bert.errors import Located, UserError, shorten


_NO_TEXT = {  # how files begin that are no text in UTF-8: what they are, and what to do
    rb"\x1f\x8b": "gzip; unpack it with gunzip",
    rb"\xfd7zXZ\x00": "xz; unpack it with unxz",
    rb"BZh[1-9]1AY&SY": "bzip2; unpack it with bunzip2",
    rb"\x28\xb5\x2f\xfd": "zstandard; unpack it with unzstd",
    rb"PK\x03\x04": "an Excel workbook (.xlsx) or a ZIP archive; save the sheet as CSV in UTF-8, or unpack it",
    rb"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls); save the sheet as CSV in UTF-8",
    rb"\xff\xfe|\xfe\xff": "UTF-16; convert with iconv -f utf-16 -t utf-8",
}


def check_text(path, line: bytes) -> None:
    """Raises Located where the first line of a file shows that it is something else than text in UTF-8."""
    for begin, kind in _NO_TEXT.items():
        if re.match(begin, line):
            raise Located(path, 1, "bytes that are no UTF-8: %s" % shorten(line[:12]), f"UTF-8 text; this is {kind}")


def utf8_expected(line: bytes, otherwise: str) -> str:
    """What was expected of a line that is no UTF-8; `otherwise`: what to do where it is text in another encoding."""
    utf16 = "this is no text, or UTF-16: then convert with iconv -f utf-16le -t utf-8"
    return "UTF-8 text; %s" % (utf16 if b"\0" in line else otherwise)


@contextlib.contextmanager
def readable(path):
    """Turns what goes wrong while a file is read, or decompressed, into a UserError."""
    try:
        yield
    except EOFError as error:
        raise UserError("%s: cannot be read (%s)" % (path, error)) from None
    except OSError as error:
        raise UserError("%s: cannot be read (%s)" % (path, error.strerror or error)) from None
    except Exception as error:
        # of lzma, zlib and tarfile, which are imported where they are used
        if type(error).__name__ not in ("LZMAError", "error", "ReadError"):
            raise
        raise UserError("%s: cannot be read (%s)" % (path, error)) from None


def decompressed(path):
    """A binary stream of a file's content: of .xz and .gz what was compressed."""
    path = Path(os.path.expanduser(path))
    if path.suffix == ".xz":
        import lzma

        return lzma.open(path, "rb")
    if path.suffix == ".gz":
        import gzip

        return gzip.open(path, "rb")
    return open(path, "rb")


def why_not_written(error):
    """What the system said when a file could not be written; None if the error is about something else.

    Libraries in Rust (safetensors, tokenizers) raise exceptions of their own, which quote the system's error.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    quoted = re.search(r"([^:(]+) \(os error \d+\)", str(error))
    return quoted and quoted[1].strip()


def settle(path):
    """Waits until a file's bytes are on the disk, and lets everybody read it whom the user's umask allows."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)  # safetensors makes files that only their owner reads


def write_atomically(path, write):
    """Calls write(temporary path), then puts the file in place: at any moment there is the old one or the new one.

    Raises:
        UserError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    part = path.with_name("%s.part-%d" % (path.name, os.getpid()))
    try:
        write(part)
        settle(part)
        os.replace(part, path)
    except Exception as error:
        if why := why_not_written(error):
            raise UserError("%s: cannot be written (%s)" % (path, why)) from None
        raise
    finally:
        with contextlib.suppress(OSError):  # a folder that may not be entered has its own error above
            part.unlink(missing_ok=True)


def write_text(path, text):
    r"""Writes a text file, UTF-8, as a whole or not at all; makes its folder where there is none.

    What UTF-8 cannot say, a lone surrogate, is written as \ud800, which in JSON is the same string.

    Raises:
        UserError: it cannot be written.
    """
    # half of a surrogate pair, of a label or of a path whose name is no UTF-8, as JSON and Python write it
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path, content):
    """The same for bytes."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError("%s: cannot be made (%s)" % (path.parent, error.strerror)) from None
    write_atomically(path, lambda part: part.write_bytes(content))


@contextlib.contextmanager
def whole_folder(folder):
    """A temporary folder to write into, which takes the folder's place when the block ends well.

    Raises:
        UserError: the disk is full or the place cannot be written; what was there is untouched.
    """
    part = folder.with_name(".%s.part-%d" % (folder.name, os.getpid()))
    old = folder.with_name(".%s.old-%d" % (folder.name, os.getpid()))
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        for path in part.iterdir():
            settle(path)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    except Exception as error:
        if why := why_not_written(error):
            raise UserError("%s: cannot be written (%s)" % (folder, why)) from None
        raise
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for rest in (part, old):
            shutil.rmtree(rest, ignore_errors=True)
