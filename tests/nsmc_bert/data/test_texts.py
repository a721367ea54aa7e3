"""nsmc_bert.data.texts: streams of reviews and documents against values by hand."""

import bz2
import gzip
import io
import lzma
import os
import tracemalloc
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base import text_files
from nsmc_bert.base.errors import Located
from nsmc_bert.data import reviews, tables, texts
from tests.nsmc_bert.data.test_reviews import CP949, error_of, write


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress("좋다".encode(), mtime=0), "this is gzip; unpack it with gunzip"),
        (lzma.compress(b"a"), "this is xz; unpack it with unxz"),
        (bz2.compress(b"a"), "this is bzip2; unpack it with bunzip2"),
        (
            b"PK\x03\x04\n",
            "this is an Excel workbook (.xlsx) or a ZIP archive; save the sheet as CSV in UTF-8, or unpack it",
        ),
        (b"\x89PNG\r\n", "this is a picture; expected are reviews as text or a table"),
        (b"%PDF-1.7\n\xe2\xe3\n", "this is a PDF; save its text, a review a line"),
        ("좋다\t1\n".encode("utf-16-le"), "this is no text, or UTF-16: then convert with iconv -f utf-16le -t utf-8"),
        (
            CP949 + b"\t1\n",
            "this line makes sense as CP949: --encoding=cp949",
        ),
        (b"\xff\xe0\t1\n", "convert with iconv -t utf-8 -f and the encoding it has"),
    ],
)
def test_what_is_advised_for_bytes_that_are_no_text(tmp_path, content, advice):
    expected = "expected UTF-8 text; " + advice
    with pytest.raises(Located) as caught:
        stream_lines(content)
    assert str(caught.value).endswith(expected)
    path = write(tmp_path, content)
    assert error_of(reviews.read, path).endswith(expected)
    if "cp949" not in advice:
        with pytest.raises(Located) as caught:
            list(text_files.lines(path))
        assert str(caught.value).endswith(expected)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_lines_without_a_line_feed_are_no_lines(tmp_path, name):
    """Excel writes them as CSV for the Macintosh; all of it would be one text, or one header."""
    path = write(tmp_path, "document,label\r좋다,1\r싫다,0\r".encode(), name)
    expected = f"{path}:1: found carriage returns and no line feed, expected lines that end in a line feed; tr "
    assert error_of(reviews.read, path).startswith(expected)
    assert error_of(texts.documents, [path], text_column="" if name == "a.txt" else "document").startswith(expected)
    with pytest.raises(Located, match="found carriage returns and no line feed"):
        list(text_files.lines(path))
    assert stream_lines("좋다\r".encode()) == ["좋다"]
    assert stream_lines("좋\r다\n싫다".encode()) == ["좋\r다", "싫다"]


def test_a_text_whose_syllables_are_taken_apart_is_kept_once(tmp_path):
    apart = unicodedata.normalize("NFD", "좋다")
    path = write(tmp_path, f"{apart}\n싫다\n좋다\n", "a.txt")
    assert texts.documents([path])[0] == [apart, "싫다"]


def stream_lines(data):
    return list(texts.lines(io.BytesIO(data), "standard input"))


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\r\r\n", ["a\rb\r"]),
        ("가\u2028나\x85다\x0b\n".encode(), ["가\u2028나\x85다\x0b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\n", [""]),
    ],
)
def test_reviews_of_a_stream(data, expected):
    assert stream_lines(data) == expected


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r\ufeff"))))
@settings(max_examples=100, deadline=None)
def test_any_reviews_of_a_stream(reviews):
    assert stream_lines("".join(review + "\n" for review in reviews).encode()) == reviews


def test_a_stream_that_is_not_utf_8():
    reviews = texts.lines(io.BytesIO("좋다\n".encode() + CP949 + b"\n"), "standard input")
    assert next(reviews) == "좋다"
    message = error_of(next, reviews, kind=Located)
    assert message.startswith("standard input:2: found bytes that are no UTF-8: b'\\xc1\\xc1\\xb4\\xd9', expected ")
    assert message.endswith("this line makes sense as CP949: --encoding=cp949")
    assert ":1: found bytes" in error_of(stream_lines, "가".encode()[:2])


def test_bad_lines_are_passed_over_where_that_is_wanted(monkeypatch):
    monkeypatch.setattr(texts, "LINE_BYTES", 8)
    bad = []
    stream = io.BytesIO(b"a\n\xff\n\xff" + b"x" * 20 + b"\nb\n")
    assert list(texts.lines(stream, "x", on_bad=bad.append)) == ["a", "b"]
    assert [str(error)[:16] for error in bad] == ["x:2: found bytes", "x:3: found bytes"]


TABS = ["1\t좋다\t1", "2\t싫다\t0"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (TABS, "2 tabs in each of the first 2 lines"),
        (["a\tb", "", "c\td", ""], "1 tab in each of the first 2 lines"),
        (["a\tb"] * 20 + ["c"], "1 tab in each of the first 20 lines"),
        (TABS[:1], ""),
        (["a", "b"], ""),
        (["a\tb", "c"], ""),
        (["a\tb"] * 19 + ["c"] * 5, ""),
        ([], ""),
    ],
)
def test_lines_that_are_a_tables_are_said(content, found):
    said = []
    assert list(texts.look_for_tabs(iter(content), "a.txt", "--column", said.append)) == content
    expected = (
        "expected one text a line; --column=NAME names a table's column of the text, blanks for tabs make lines of it"
    )
    assert [str(error) for error in said] == ([f"a.txt: found {found}, {expected}"] if found else [])


def test_lines_are_looked_at_as_they_come():
    lines = texts.look_for_tabs(iter(TABS), "a.txt", "--text_column", lambda error: None)
    assert next(lines) == TABS[0]
    lines = texts.look_for_tabs(iter(["id\tdocument\tlabel", *TABS]), "a.txt", "--text_column", lambda error: None)
    assert error_of(next, lines, kind=Located) == (
        "a.txt:1: found the line 'id\\tdocument\\tlabel', expected one text a line; it heads a table: "
        "--text_column=document"
    )


def test_a_long_line_is_cut_between_two_characters(monkeypatch):
    monkeypatch.setattr(texts, "LINE_BYTES", 8)
    assert stream_lines("가나다라마바사아자차\n가나\r\n12345678\n".encode()) == ["가나", "가나", "12345678"]
    assert stream_lines(b"1234567890") == ["12345678"]
    assert stream_lines(b"\xef\xbb\xbf12345678\nb") == ["12345", "b"]
    assert ":2: found bytes" in error_of(stream_lines, b"1\n2\xff345678901234567\n")


class Endless(io.RawIOBase):
    """A line of 64 MB."""

    left = 1 << 26

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(len(buffer), self.left)
        buffer[:size] = b"a" * size
        self.left -= size
        return size


def test_a_line_without_end_takes_constant_memory():
    stream = io.BufferedReader(Endless())
    tracemalloc.start()
    try:
        assert [len(review) for review in texts.lines(stream, "x")] == [1 << 20]
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_reviews_come_as_soon_as_their_line_ends():
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, open(writer, "wb", buffering=0) as out:
        reviews = texts.lines(stream, "x")
        out.write("좋다\n나".encode())
        assert next(reviews) == "좋다"
        out.write("쁘다\n".encode())
        assert next(reviews) == "나쁘다"


def test_a_stream_that_cannot_be_read():
    class Failing(io.BytesIO):
        def readline(self, size=-1):
            raise IsADirectoryError(21, "Is a directory")

    message = error_of(list, texts.lines(Failing(), "standard input"))
    assert message == "standard input: cannot be read (Is a directory)"


def test_documents_of_every_kind(tmp_path):
    import gzip
    import lzma

    text = "하나\n둘 둘\r\n\n하나\n셋"
    packs = (("a.txt", bytes), ("a.txt.xz", lzma.compress), ("a.gz", gzip.compress), ("a.BZ2", bz2.compress))
    for name, pack in packs:
        (tmp_path / name).write_bytes(pack(text.encode()))
        assert texts.documents([tmp_path / name]) == (["하나", "둘 둘", "셋"], None)
    table = write(tmp_path, "rating\tdocument\n10\t하나\n1\t넷\n3\t\n")
    read, ratings = texts.documents([table], text_column="document", rating_column="rating")
    assert (read, ratings.tolist(), ratings.dtype) == (["하나", "넷"], [9, 0], np.int32)
    assert texts.documents([tmp_path / "a.txt", tmp_path / "a.gz"])[0] == ["하나", "둘 둘", "셋"]


def test_documents_of_tables(tmp_path):
    write(tmp_path, '글,별\n좋다,5.0\n"나쁘다, 정말",1\n좋다,3\n', "a.csv")
    write(tmp_path, '{"글": "최고", "별": 4}\n{"글": null, "별": 1}\n', "b.jsonl")
    read, ratings = texts.documents([f"{tmp_path}/*"], text_column="글", rating_column="별")
    assert (read, ratings.tolist()) == (["좋다", "나쁘다, 정말", "최고"], [4, 0, 3])
    message = error_of(texts.documents, [tmp_path / "a.csv"], flag="--unlabelled_column")
    assert message == f"{tmp_path}/a.csv:1: found the columns 글, 별; which is the text? --unlabelled_column=글"


def test_a_table_is_no_text_to_learn_from(tmp_path):
    for header in ("id\tdocument\tlabel", "번호\t글\t별"):
        path = write(tmp_path, "\n".join([header, *TABS]), "ratings_test.txt")
        found = error_of(texts.documents, [path], flag="--unlabelled_column")
        assert "one text a line" in found and "--unlabelled_column=" in found
        assert texts.documents([path], text_column=header.split("\t")[1])[0] == ["좋다", "싫다"]
    names = tables.Layout(columns=("번호", "글", "별"))
    assert texts.documents([write(tmp_path, "\n".join(TABS))], text_column="글", layout=names)[0] == ["좋다", "싫다"]


def test_bad_rows_of_documents_are_counted(tmp_path):
    said = []
    arguments = dict(skip_bad_rows=True, log=said.append)
    path = write(tmp_path, "좋다\n".encode() + CP949 + b"\n" + "싫다\n".encode(), "a.txt")
    assert texts.documents([path], **arguments)[0] == ["좋다", "싫다"]
    path = write(tmp_path, "글,별\n좋다,1\n싫다\n그냥,0\n최고,5\n", "a.csv")
    read, ratings = texts.documents([path], text_column="글", rating_column="별", **arguments)
    assert (read, ratings.tolist()) == (["좋다", "최고"], [0, 4])
    assert said == ["1 bad row skipped", "2 bad rows skipped"]


def test_quotation_marks_of_documents_are_said(tmp_path):
    said = []
    path = write(tmp_path, "글\n" + '"a ""b"""\n' * 5, "a.tsv")
    assert texts.documents([path], text_column="글", log=said.append)[0] == ['"a ""b"""']
    assert len(said) == 1 and said[0].startswith(
        f"{path}: quotation marks around columns, as in 5 of the first 5 rows, are taken as "
    )


def test_documents_in_other_encodings(tmp_path):
    write(tmp_path, CP949 + b"\n" + CP949 * 2, "a.txt")
    assert texts.documents([tmp_path / "a.txt"], layout=tables.Layout(encoding="cp949"))[0] == ["좋다", "좋다좋다"]
    write(tmp_path, "좋다\n나쁘다\r\n".encode("utf-16"), "b.txt")
    assert texts.documents([tmp_path / "b.txt"])[0] == ["좋다", "나쁘다"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("rating\tdocument\n0\ta\n", "a.tsv", "a.tsv:2: found the rating '0', expected a whole number from 1 to 100"),
        ("rating\tdocument\n1\ta\n1\n", "a.tsv", "a.tsv:3: found 1 column, expected 2 as in the header line"),
        (
            "rating\ttext\n",
            "a.tsv",
            "a.tsv:1: found the columns rating, text, none of them 'document'; which is the text? --text_column=NAME",
        ),
        ("rating\tdocument\n", "a.tsv", "found no text, expected one text a line"),
        (b"rating\tdocument\n1\t\xff\n", "a.tsv", "a.tsv:2: found bytes that are no UTF-8"),
        ("rating", "a.xz", "a.xz: cannot be read (Input format not supported by decoder)"),
        ("rating", "a.gz", "a.gz: cannot be read (Not a gzipped file (b'ra'))"),
    ],
)
def test_documents_that_cannot_be_read(tmp_path, content, name, message):
    path = write(tmp_path, content, name)
    assert message in error_of(texts.documents, [path], text_column="document", rating_column="rating")
