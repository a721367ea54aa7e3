"""nsmc_bert.base.text_files: lines of any text file, and what is said of files that are none."""

import bz2
import gzip
import io
import lzma

import pytest

from nsmc_bert.base import text_files
from nsmc_bert.base.errors import Located, UserError


def test_lines_have_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_LINE", 9)
    assert list(text_files.numbered_lines(io.BytesIO(b"12345678\n\nx"), "f")) == [
        (1, b"12345678\n"),
        (2, b"\n"),
        (3, b"x"),
    ]
    with pytest.raises(Located, match="f:2: found more than 9 bytes without an end of line, expected text in lines"):
        list(text_files.numbered_lines(io.BytesIO(b"x\n" + b"0" * 100), "f"))


def whole(content, encoding="", limit=-1):
    stream = text_files.Utf8(io.BytesIO(content), encoding)
    lines = list(iter(lambda: stream.readline(limit), b""))
    return b"".join(lines), stream.encoding, stream.marked


@pytest.mark.parametrize("limit", [-1, 7])
@pytest.mark.parametrize("encoding", text_files.ENCODINGS)
def test_any_encoding_is_read_as_utf8(encoding, limit):
    text = "좋다\r\n나쁘다 \u0a0a\n\n끝" if "utf" in encoding else "좋다\r\n나쁘다\n\n끝"
    found = whole(text.encode(encoding), encoding, limit)
    assert found[0].decode() == text
    marked = encoding == "utf-16"
    assert found[1:] == ("" if encoding == "utf-8" else encoding, marked)
    long = "가나다 " * 50_000
    assert whole(long.encode(encoding), encoding)[0].decode() == long


def test_marks_count_more_than_names():
    assert whole("좋다".encode("utf-16"), "cp949") == ("좋다".encode(), "utf-16", True)
    assert whole(b"\xfe\xff" + "좋다".encode("utf-16-be")) == ("좋다".encode(), "utf-16", True)
    assert whole("좋다".encode("utf-8-sig"), "cp949") == (text_files.BOM + "좋다".encode(), "", True)
    assert whole(b"") == (b"", "", False)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(b"a\xffb", "cp949"), (b"a\xb0", "cp949"), (b"\xff\xfea\0\0\xdcb\0", ""), (b"\xff\xfea\0b", "")],
)
def test_bytes_that_mean_nothing_stay_without_meaning(content, encoding):
    found, name, _ = whole(content, encoding)
    with pytest.raises(UnicodeDecodeError) as caught:
        found.decode()
    said = text_files.undecodable(found, caught.value, name)
    assert said == (f"bytes that are no {name.upper()}", "text in one encoding; --encoding names it")


def test_what_is_compressed(tmp_path):
    for name, pack in (("a.gz", gzip.compress), ("a.XZ", lzma.compress), ("a.bz2", bz2.compress), ("a.txt", bytes)):
        (tmp_path / name).write_bytes(pack("좋다\n".encode()))
        assert list(text_files.lines(tmp_path / name)) == [(1, "좋다")]
    for name in ("b.bz2", "b.gz", "b.xz"):
        (tmp_path / name).write_bytes(b"no such thing")
        with pytest.raises(UserError, match=f"{name}: cannot be read"):
            list(text_files.lines(tmp_path / name))


def test_names_of_encodings():
    for name in ("euc-kr", "EUC_KR", "ks_c_5601-1987", "windows-949", "MS949", "cp949"):
        assert text_files.check_encoding(name) == "cp949"
    assert [text_files.check_encoding(name) for name in ("", "utf8", "UTF-8-SIG", "utf_16_le")] == [
        *("", "utf-8"),
        *("utf-8", "utf-16-le"),
    ]
    for name in ("windows-1252", "latin1", "johab", "windows-"):
        with pytest.raises(UserError, match=f"--encoding={name}: expected one of utf-8, utf-16, "):
            text_files.check_encoding(name)
    assert whole("뷁".encode("cp949"), text_files.check_encoding("euc-kr"))[0].decode() == "뷁"  # which EUC-KR has not
