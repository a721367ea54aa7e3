"""nsmc_bert.data.tables: any table is read by its name and its first bytes, and what nobody can tell is asked."""

import bz2
import gzip
import hashlib
import io
import itertools
import lzma
import sys

import pytest

from nsmc_bert.base import system
from nsmc_bert.base.errors import Located
from nsmc_bert.data import tables
from nsmc_bert.data.rows import text_at
from nsmc_bert.data.tables import Layout, Table
from tests.nsmc_bert.data.make import ORDERS, locate, read, read_sheet
from tests.nsmc_bert.data.test_reviews import CP949, error_of, write


def test_every_text_format(tmp_path):
    expected = (["id", "리뷰"], [["007", "좋다"], ["008", "나쁘다"]])
    assert read(write(tmp_path, "id,리뷰\r\n007,좋다\r\n\r\n008,나쁘다", "a.csv")) == expected
    assert read(write(tmp_path, "id\t리뷰\n007\t좋다\n008\t나쁘다\n", "a.TSV")) == expected
    assert read(write(tmp_path, "id\t리뷰\n007\t좋다\n008\t나쁘다\n", "a.txt")) == expected
    lines = '{"id": "007", "리뷰": "좋다"}\n\n {"리뷰": "나쁘다", "id": "008"} \n'
    assert read(write(tmp_path, lines, "a.jsonl")) == expected
    assert read(write(tmp_path, "id|리뷰\n007|좋다\n008|나쁘다\n", "a.csv"), Layout(delimiter="|")) == expected
    assert read(write(tmp_path, lines, "a.dat"), Layout(input_format="jsonl")) == expected


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress), ("GZ", gzip.compress)]
)
def test_packed(tmp_path, ending, pack):
    path = write(tmp_path, pack("id,리뷰\n1,좋다\n".encode()), f"a.csv.{ending}")
    assert read(path) == (["id", "리뷰"], [["1", "좋다"]])


def test_zstandard(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = write(tmp_path, zstandard.compress("id,리뷰\n1,좋다\n".encode()), "a.csv.zst")
    assert read(path) == (["id", "리뷰"], [["1", "좋다"]])


def test_zstandard_that_this_python_has_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    path = write(tmp_path, b"", "a.csv.zst")
    expected = (
        f"{path}: found zstandard, which this Python cannot unpack: {system.install('zstandard')}, or unpack it with"
    )
    assert error_of(Table, path).startswith(expected)


@pytest.mark.parametrize(
    ("content", "encoding", "marked"),
    [
        ("id,리뷰\n1,좋다\n".encode(), "", False),
        ("id,리뷰\n1,좋다\n".encode("utf-8-sig"), "", True),
        ("id,리뷰\n1,좋다\n".encode("utf-8-sig"), "cp949", True),  # a mark counts more
        ("id,리뷰\n1,좋다\n".encode("utf-16"), "", True),
        (b"\xfe\xff" + "id,리뷰\n1,좋다\n".encode("utf-16-be"), "", True),
        ("id,리뷰\n1,좋다\n".encode("utf-16-le"), "utf-16-le", True),
        ("id,리뷰\n1,좋다\n".encode("cp949"), "CP949", True),
        ("id,리뷰\n1,좋다\n".encode("euc-kr"), "euc_kr", True),
    ],
)
def test_encodings(tmp_path, content, encoding, marked):
    digest = hashlib.sha1()
    with Table(write(tmp_path, content, "a.csv"), Layout(encoding=encoding), digest=digest) as table:
        assert (table.columns, [row.values for row in table], table.marked) == (["id", "리뷰"], [["1", "좋다"]], marked)
    assert digest.digest() == hashlib.sha1(content).digest()


def test_an_encoding_is_named_and_never_guessed(tmp_path):
    path = write(tmp_path, b"id,text\n1," + CP949 + b"\n", "a.csv")
    with Table(path) as table:
        (row,) = table
    assert row.problem[0] == 2 and row.problem[2].endswith("--encoding=cp949")
    found = error_of(Table, write(tmp_path, "id,리뷰\n".encode("cp949"), "a.csv"), kind=Located)
    assert found.startswith(f"{path}:1: found bytes that are no UTF-8: ") and found.endswith("--encoding=cp949")


def test_standard_input_is_a_table_of_a_named_format(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("id,리뷰\n1,좋다\n".encode())))
    assert read("-", Layout(input_format="csv")) == (["id", "리뷰"], [["1", "좋다"]])
    assert error_of(Table, "-").startswith("standard input: found no name that tells its format, expected --input_fo")


def test_the_sheet_that_has_the_columns_is_read_and_said(workbook):
    path = workbook(설명=["안내"], 빈=[], 주문=["id", "리뷰", "별점"], 반품=["id", "리뷰"])
    columns, values, note = read_sheet(path)
    assert (columns, values) == (["id", "리뷰", "별점"], ["주문"] * 3)
    assert note == "the sheet 주문 is read, which alone has the columns; not read: 설명, 반품"
    assert read_sheet(path, "반품", ["리뷰"]) == (["id", "리뷰"], ["반품"] * 2, "")
    assert read_sheet(path, "4", ["리뷰"])[1] == ["반품"] * 2  # an empty one has its number too


def test_what_is_hidden_or_empty_is_no_choice_but_can_be_named(workbook):
    path = workbook(hidden=["옛것"], 옛것=["리뷰", "별점"], 빈=[], 주문=["리뷰", "별점", "2"])
    assert read_sheet(path) == (["리뷰", "별점", "2"], ["주문"] * 3, "")
    assert read_sheet(path, "2")[1] == ["주문"] * 3  # of those that are seen
    assert read_sheet(path, "옛것")[1] == ["옛것"] * 2
    assert read_sheet(workbook(**{"3": ["리뷰", "별점"], "나": ["리뷰", "별점"]}), "3")[1] == ["3", "3"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["리뷰"], ", 2 of them with '리뷰'; which is to be read? --sheet='5월 말'"),
        (["글", "별점"], ", none of them with '글' and '별점'; which is to be read? --sheet=설명"),
        ([""], "; which is to be read? --sheet=설명"),
    ],
)
def test_sheets_among_which_nobody_can_choose(workbook, names, found):
    path = workbook(**{"설명": ["안내"], "5월 말": ["리뷰", "별점"], "6월": ["리뷰"]})
    each = f"{path}: found 3 sheets, 설명 with 안내; 5월 말 with 리뷰, 별점; 6월 with 리뷰"
    assert error_of(read_sheet, path, names=names) == each + found


@pytest.mark.parametrize("sheet", ["0", "3", "7월", "-1"])
def test_a_sheet_that_is_not_there(workbook, sheet):
    path = workbook(**{"5월": ["리뷰", "별점"], "6월": []})
    expected = f"{path}: found the sheets 5월, 6월, expected one of them or its number in --sheet"
    assert error_of(read_sheet, path, sheet) == expected


def test_columns_of_pandas_are_no_rows(tmp_path):
    with Table(write(tmp_path, '{"글":{"0":"a","1":"b"},"n":{"0":1,"1":0}}', "a.json")) as table:
        (row,) = table
    found = text_at(row, 0, "글")[1]
    assert found[1:] == (
        "{'0': 'a', '1': 'b'} as '글'",
        "a text; an object for each row, as pandas' to_json(orient='records') writes",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(input_format="xml"), "--input_format=xml: expected one of auto, csv, tsv, jsonl, parquet, xlsx"),
        (dict(delimiter=";;"), "found ';;' as the delimiter, expected one character"),
        (dict(encoding="klingon"), "--encoding=klingon: expected one of utf-8, utf-16, "),
        (dict(encoding="unicode_escape"), "--encoding=unicode_escape: expected one of"),
        (dict(encoding="a\0"), "expected one of utf-8, utf-16, "),
    ],
)
def test_layouts_that_are_none(arguments, message):
    assert message in error_of(Layout, **arguments)


def test_files_that_names_stand_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a1.csv", "a2.csv", "a[1].csv", "x,y.csv"):
        write(tmp_path, "", name)
    (tmp_path / "a3.csv").mkdir()
    assert tables.expand("a?.csv") == ["a1.csv", "a2.csv"]
    assert tables.expand("a[1].csv") == ["a[1].csv"]  # there is such a file
    assert tables.expand("x,y.csv") == ["x,y.csv"]
    assert tables.expand("a1.csv,a2.csv") == ["a1.csv", "a2.csv"]
    assert tables.expand(["a2.csv", "-", "a*.csv"]) == ["a2.csv", "-", "a1.csv", "a2.csv", "a[1].csv"]
    assert tables.expand(tmp_path / "none.csv") == [f"{tmp_path}/none.csv"]
    assert error_of(tables.expand, "b*.csv") == "b*.csv: found no file that fits, expected one or more"
    assert error_of(tables.expand, ["-", "-"]) == "found standard input twice, expected it once"


QUOTED = '"글"\t"별"\n"좋\t다"\t"1"\n"그는 ""최고""라 했다"\t"0"\n'


def test_quoted_columns_between_tabs(tmp_path):
    path = write(tmp_path, QUOTED, "a.tsv")
    quoted = Layout(input_format="csv", delimiter="\\t")
    assert read(path, quoted) == (["글", "별"], [["좋\t다", "1"], ['그는 "최고"라 했다', "0"]])
    flags = "--input_format=csv --delimiter='\\t'"
    assert error_of(locate, path, "글") == (
        f'{path}:1: found the columns "글", "별", none of them \'글\'; are they quoted? {flags}'
    )
    with Table(path) as table:
        bad, good = table
    assert bad.problem[2] == f"""2 as in the header line ['"글"', '"별"']; are columns in quotation marks? {flags}"""
    assert good.problem is None and flags in table.quoting
    with Table(write(tmp_path, '글\t별\n"좋\n다"\t1\n', "a.tsv")) as table:
        first, second = table
    assert first.problem[2].endswith(f"; are columns in quotation marks? {flags}") and second.problem is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            ['"그는 ""최고""라 했다"'] * 40 + ["x"] * 1000,
            "40 of the first 1000 rows, are taken as text; --input_format",
        ),
        (['"a"'] * 100, "100 of the first 100 rows, are taken as text"),
        (['"굳" ㅋ', '""', '"""', '"열린', "x"] + ["x"] * 95, ""),
        (['"굳"'] * 4, ""),
    ],
)
def test_columns_in_quotation_marks_are_said(tmp_path, rows, said):
    with Table(write(tmp_path, "글\n" + "".join(f"{row}\n" for row in rows), "a.tsv")) as table:
        assert table.quoting == "" and [row.values[0] for row in table] == rows
        assert said in table.quoting and bool(said) == bool(table.quoting)


def test_one_column_alone(tmp_path):
    """An empty value of it is a row, not an empty line."""
    assert read(write(tmp_path, '글\na\n""\n\nb\n', "a.csv")) == (["글"], [["a"], [""], ["b"]])
    assert read(write(tmp_path, "글\na\n\nb\n", "a.tsv")) == (["글"], [["a"], [""], ["b"]])


def test_rows_are_read_once(tmp_path):
    with Table(write(tmp_path, ORDERS, "a.csv")) as table:
        assert len(list(itertools.islice(table, 1))) == 1
        assert [row.line for row in table] == [3, 4]
