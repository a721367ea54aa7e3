"""Files inside archives, and archives that are made to harm."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from nsmc_bert.base import archives, text_files
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import readable


def make_zip(path, content=b"a 1\nb 2\n", method=zipfile.ZIP_DEFLATED, change=lambda entry: None):
    entry = zipfile.ZipInfo("x.txt")
    entry.compress_type = method
    change(entry)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, content)
    return path


def read_zip(path):
    [entry] = archives.zip_members(path, ".txt")
    with archives.open_zip_member(path, entry.filename) as file:
        return [line for _, line in text_files.numbered_lines(file, path)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip(tmp_path, method):
    assert read_zip(make_zip(tmp_path / "x.zip", method=method)) == [b"a 1\n", b"b 2\n"]


def encrypted(tmp_path):
    path = make_zip(tmp_path / "x.zip")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def link(tmp_path):
    return make_zip(
        tmp_path / "x.zip", b"/etc/passwd", change=lambda e: setattr(e, "external_attr", (stat.S_IFLNK | 0o777) << 16)
    )


def damaged(tmp_path):
    path = make_zip(tmp_path / "x.zip", b"a 1\n" * 100, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"a 1", b"b 1", 1))
    return path


def strange(tmp_path):
    return make_zip(tmp_path / "x.zip", method=zipfile.ZIP_LZMA)


def cut(tmp_path):
    path = make_zip(tmp_path / "x.zip")
    path.write_bytes(path.read_bytes()[:-30])
    return path


def nothing(tmp_path):
    return tmp_path / "none.zip"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (encrypted, "x.zip: found x.txt encrypted, expected it without a password"),
        (link, "x.zip: found no whole zip file .x.txt is a link or no file"),
        (damaged, "x.zip: found no whole zip file .Bad CRC-32"),
        (strange, "x.zip: found x.txt packed by method 14, expected deflate"),
        (cut, "x.zip: found no whole zip file .File is not a zip file"),
        (nothing, "none.zip: cannot be read .No such file"),
    ],
)
def test_zip_files_that_cannot_be_used(tmp_path, make, message):
    with pytest.raises(UserError, match=message):
        read_zip(make(tmp_path))


def read_tar(path, name="x.tsv"):
    with readable(path), archives.open_tar_member(path, name) as file:
        return file.read()


def make_tar(path, *entries):
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(content) if kind == tarfile.REGTYPE else 0
            entry.linkname = "" if kind == tarfile.REGTYPE else content.decode()
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_tar(tmp_path):
    path = make_tar(
        tmp_path / "x.tar.gz",
        ("f/other", tarfile.REGTYPE, b"no"),
        ("f/x.tsv", tarfile.REGTYPE, b"yes"),
        ("f/z", tarfile.REGTYPE, b""),
    )
    assert read_tar(path) == b"yes"
    with pytest.raises(UserError, match="x.tar.gz: found no y.tsv in it"):
        read_tar(path, "y.tsv")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, b"x.tsv"),
        (tarfile.SYMTYPE, b"/etc/passwd"),
        (tarfile.LNKTYPE, b"nowhere"),
        (tarfile.DIRTYPE, b""),
    ],
)
def test_links_in_a_tar_are_not_followed(tmp_path, kind, target):
    with pytest.raises(UserError, match="x.tar.gz: found that x.tsv is a link or no file"):
        read_tar(make_tar(tmp_path / "x.tar.gz", ("x.tsv", kind, target)))


def test_tar_files_that_are_damaged(tmp_path):
    path = make_tar(tmp_path / "x.tar.gz", ("x.tsv", tarfile.REGTYPE, b"content" * 1000))
    whole, plain = path.read_bytes(), gzip.decompress(path.read_bytes())
    for content in (
        b"",
        b"plain",
        whole[:60],
        gzip.compress(plain[:100]),
        gzip.compress(b"x" * 1024),
        gzip.compress(plain[:600]),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x.tar.gz: (cannot be read|found no x.tsv)"):
            read_tar(path)
    path = make_tar(path, ("x.tsv", tarfile.REGTYPE, b"content" * 1000))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:1000]))
    with pytest.raises(UserError, match=r"x.tar.gz: cannot be read \(it ends 6,512 bytes too early\)"):
        read_tar(path)


def test_a_header_that_declares_gigabytes_is_passed_over(tmp_path):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + b"9" * (1 << 20)))
    with pytest.raises(UserError, match=r"x.tar.gz: found no x.tsv"):
        read_tar(path)
