"""nsmc_bert.data.tables: any table that the csv module, pandas or a person wrote is read back; others are one line."""

import bz2
import csv
import datetime
import gzip
import hashlib
import io
import itertools
import json
import lzma
import os
import sys
import tracemalloc
import unicodedata
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base import system
from nsmc_bert.base.errors import Located, UserError
from nsmc_bert.data import tables
from nsmc_bert.data.tables import Layout, Table
from tests.nsmc_bert.data.test_reviews import CP949, error_of, write


def read(path, layout=tables.AS_NAMED):
    """(columns, values of each row) of a table without bad rows."""
    with Table(path, layout) as table:
        rows = list(table)
    assert [row for row in rows if row.problem] == []
    return table.columns, [row.values for row in rows]


# Formats


def test_every_text_format(tmp_path):
    expected = (["id", "리뷰"], [["007", "좋다"], ["008", "나쁘다"]])
    assert read(write(tmp_path, "id,리뷰\r\n007,좋다\r\n\r\n008,나쁘다", "a.csv")) == expected
    assert read(write(tmp_path, "id\t리뷰\n007\t좋다\n008\t나쁘다\n", "a.TSV")) == expected
    assert read(write(tmp_path, "id\t리뷰\n007\t좋다\n008\t나쁘다\n", "a.txt")) == expected
    lines = '{"id": "007", "리뷰": "좋다"}\n\n {"리뷰": "나쁘다", "id": "008"} \n'
    assert read(write(tmp_path, lines, "a.jsonl")) == expected
    assert read(write(tmp_path, "id|리뷰\n007|좋다\n008|나쁘다\n", "a.csv"), Layout(delimiter="|")) == expected
    assert read(write(tmp_path, lines, "a.dat"), Layout(input_format="jsonl")) == expected


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_line_ends_of_windows_that_were_written_twice(tmp_path, name):
    rows = [["id", "리뷰"], ["1", "좋다"], ["2", ""]]
    delimiter = "\t" if name == "a.tsv" else ","
    with open(tmp_path / name, "w", encoding="utf-8", newline="\r\n") as file:  # as text files are written there
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert (tmp_path / name).read_bytes().count(b"\r\r\n") == 3
    assert read(tmp_path / name) == (rows[0], rows[1:])


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


def test_bytes_that_mean_nothing_cost_their_row_alone(tmp_path):
    path = write(tmp_path, "id,리뷰\n1,좋다\n".encode("cp949") + b"2,\xff\xff\n3,a\n", "a.csv")
    with Table(path, Layout(encoding="cp949")) as table:
        rows = list(table)
    assert [row.problem for row in rows] == [
        None,
        (3, "bytes that are no CP949", "text in one encoding; --encoding names it"),
        None,
    ]
    path = write(tmp_path, "id,리뷰\n1,좋다\n".encode("utf-16") + b"\x00\xdc\n\x003\x00,\x00a\x00", "a.csv")
    with Table(path) as table:
        assert [row.problem and row.problem[1] for row in table] == [None, "bytes that are no UTF-16", None]


def test_standard_input_is_a_table_of_a_named_format(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("id,리뷰\n1,좋다\n".encode())))
    assert read("-", Layout(input_format="csv")) == (["id", "리뷰"], [["1", "좋다"]])
    assert error_of(Table, "-").startswith("standard input: found no name that tells its format, expected --input_fo")


# Round trips

cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;|"))
@settings(max_examples=150, deadline=None)
def test_any_table_of_the_csv_module(tmp_path_factory, rows, delimiter):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([("a", "b", "c"), *rows])
    path = write(tmp_path_factory.mktemp("csv"), stream.getvalue(), "a.csv")
    assert read(path, Layout(delimiter=delimiter)) == (["a", "b", "c"], rows)


# pandas puts "\r" into CSV without quotes, and reads it back as the end of a line
cells_of_pandas = cells.filter(lambda text: "\r" not in text)
rows_of_pandas = st.tuples(cells_of_pandas, st.none() | cells_of_pandas, st.integers(), st.booleans())


@given(st.lists(rows_of_pandas, min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_table_of_pandas_as_csv_and_json_lines(tmp_path_factory, rows):
    import pandas as pd

    folder, frame = tmp_path_factory.mktemp("pandas"), pd.DataFrame(rows, columns=list("abcd"), dtype=object)
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_json(folder / "a.jsonl", orient="records", lines=True, force_ascii=False)
    expected = [[a, b or "", str(c), str(d)] for a, b, c, d in rows]
    assert read(folder / "a.csv") == (list("abcd"), expected)
    assert read(folder / "a.jsonl") == (list("abcd"), [list(row) for row in rows])


@given(st.lists(st.tuples(cells, st.none() | cells, st.integers(-(2**60), 2**60)), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_table_of_pandas_as_parquet(tmp_path_factory, rows):
    pytest.importorskip("pyarrow")
    import pandas as pd

    path = tmp_path_factory.mktemp("pandas") / "a.parquet"
    pd.DataFrame(rows, columns=list("abc")).to_parquet(path, row_group_size=3)
    assert read(path) == (list("abc"), [list(row) for row in rows])


# what XML can say
seen = st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs", "Cn"], blacklist_characters="_"), min_size=1)


@given(st.lists(st.tuples(seen, st.none() | seen, st.integers(-1000, 1000)), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_workbook(tmp_path_factory, rows):
    openpyxl = pytest.importorskip("openpyxl")
    path = tmp_path_factory.mktemp("excel") / "a.xlsx"
    book = openpyxl.Workbook()
    for number, row in enumerate([("a", "b", "c"), *rows], 1):
        for at, value in enumerate(row, 1):
            cell = book.active.cell(number, at)
            cell.value = value
            cell.data_type = "s" if isinstance(value, str) else cell.data_type
    book.save(path)
    assert read(path) == (["a", "b", "c"], [list(row) for row in rows])


def test_bytes_of_a_binary_column_are_text_in_utf_8_or_none():
    rows = [tables.Row(number, [value]) for number, value in enumerate(("좋다".encode(), "나쁘다".encode("cp949")), 1)]
    wrong = "bytes that are no UTF-8, b'\\xb3\\xaa\\xbb\\xda\\xb4\\xd9', as 'text'"
    assert [tables.text_at(row, 0, "text") for row in rows] == [("좋다", None), ("", (2, wrong, "a text"))]


def test_a_workbook_as_people_have_it(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["번호", "날짜", "리뷰", None])
    sheet.append([7, datetime.datetime(2024, 1, 5), "좋다", None])
    sheet["A2"].number_format = "00000"
    sheet["A4"] = 8
    sheet["C4"] = '=CONCATENATE("나", "쁘다")'
    sheet["E5"] = "daneben"
    book.create_sheet("other").append(["not", "read"])
    book.save(tmp_path / "a.xlsx")
    with Table(tmp_path / "a.xlsx") as table:
        rows = list(table)
    assert table.columns == ["번호", "날짜", "리뷰"]
    assert [(row.line, row.values) for row in rows[:2]] == [
        (2, ["00007", datetime.datetime(2024, 1, 5), "좋다"]),
        (4, [8, None, None]),  # Excel has not computed it
    ]
    assert rows[2].problem == (5, "5 columns", "3 as in the header line ['번호', '날짜', '리뷰']")
    packed = tmp_path / "a.xlsx.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.xlsx").read_bytes()))
    with Table(packed) as table:
        assert len(list(table)) == 3


@pytest.mark.parametrize(
    "cell",
    [
        "<f>1+1</f><v />",  # as openpyxl writes
        "<f>1+1</f><v></v>",
        "<f>1+1</f>",
        '<f t="array" ref="A4">1+1</f>',
        None,  # <f>1+1</f>, with a prefix
    ],
)
def test_a_formula_without_a_value_is_no_empty_text(tmp_path, cell):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["리뷰", "별점", "기타"], ["좋다", 5, "=2"], ["=3", "=4", None], ["=1+1", 1, None]):
        book.active.append(row)
    book.save(tmp_path / "made.xlsx")
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(tmp_path / "made.xlsx") as made, zipfile.ZipFile(path, "w") as changed:
        for name in made.namelist():
            text = made.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                # what Excel has computed to an empty text, and to a number
                text = text.replace('<c r="A3"><f>3</f><v />', '<c r="A3" t="str"><f>3</f><v></v>')
                text = text.replace("<f>4</f><v />", "<f>4</f><v>8</v>")
                text = text.replace("<f>1+1</f><v />", cell or "<f>1+1</f><v />")
                if cell is None:
                    text = text.replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?")
                    text = text.replace("xmlns=", "xmlns:x=")
            changed.writestr(name, text)
    with Table(path) as table:
        assert [row.values for row in table] == [["좋다", 5, None], [None, 8, None], [None, 1, None]]
    with Table(path) as table:
        assert tables.locate(table, {"--text_column": ("리뷰", "text"), "--label_column": ("별점", "label")}) == [0, 1]
        *good, bad = table
    assert [row.problem for row in good] == [None, None]
    expected = "values; Excel computes them where the file is opened and saved"
    assert bad.problem == (4, "the formula '=1+1' without a value", expected)


def test_an_error_of_excel_is_no_text(tmp_path):
    """As of a text that begins with =, which Excel takes for a formula."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["리뷰", "기타"], ["좋다", "#N/A"], ["#NAME?", 1], ["싫다 #NAME?", "#NAME"]):
        book.active.append(row)
    assert (book.active["A3"].data_type, book.active["A4"].data_type) == ("e", "s")
    book.save(tmp_path / "a.xlsx")
    with Table(tmp_path / "a.xlsx") as table:
        tables.locate(table, {"--text_column": ("리뷰", "text")})
        rows = list(table)
    assert [row.values for row in rows] == [["좋다", "#N/A"], ["#NAME?", 1], ["싫다 #NAME?", "#NAME"]]
    bad = 3, "Excel's error #NAME?", "a value; correct the cell's formula"
    assert [row.problem for row in rows] == [None, bad, None]


@pytest.fixture
def workbook(tmp_path):
    """Makes a workbook of sheets by their names, each with its header and one row; returns its path."""
    openpyxl = pytest.importorskip("openpyxl")

    def make(hidden=(), **sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, header in sheets.items():
            sheet = book.create_sheet(title)
            for row in (header, [title] * len(header)) if header else ():
                sheet.append(row)
            sheet.sheet_state = "hidden" if title in hidden else "visible"
        book.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    return make


def read_sheet(path, sheet="", names=("리뷰", "별점")):
    """(columns, values of the one row, note) of what is read where these columns are wanted."""
    with Table(path, Layout(sheet=sheet)) as table:
        tables.locate(table, {f"--{name}": (name, "text") for name in names})
        (row,) = table
    return table.columns, row.values, table.note


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


def test_what_xml_cannot_say_is_escaped_in_a_workbook(tmp_path):
    """Excel and XlsxWriter write a carriage return inside a cell so; CSV has it as it is."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook(write_only=True)  # which leaves text as it is
    sheet = book.create_sheet()
    for row in (["글_x000D_\n"], ["좋다_x000D_\n추천"], ["_x005F_x000D_ _x00e9_ _x12_"], ["_x000g_ x_x"]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx") == (["글\r\n"], [["좋다\r\n추천"], ["_x000D_ é _x12_"], ["_x000g_ x_x"]])
    assert read(write(tmp_path, '"글\r\n"\n"좋다\r\n추천"\n', "a.csv")) == (["글\r\n"], [["좋다\r\n추천"]])


# In bounded memory


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_long_table_takes_constant_memory(tmp_path, name):
    texts = [f"글 {number} " * 20 for number in range(20_000)]
    if name == "a.jsonl":
        content = "".join(json.dumps({"id": 1, "text": text}) + "\n" for text in texts)
    else:
        content = "id,text\n".replace(",", "," if name == "a.csv" else "\t")
        content += "".join(f"1{',' if name == 'a.csv' else chr(9)}{text}\n" for text in texts)
    path = write(tmp_path, content, name)
    del content, texts
    tracemalloc.start()
    try:
        with Table(path) as table:
            assert sum(row.problem is None for row in table) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_rows_come_as_soon_as_they_are_there(monkeypatch):
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8") as stream, open(writer, "wb", buffering=0) as out:
        monkeypatch.setattr(sys, "stdin", stream)
        out.write('id,리뷰\n1,"좋\n다"\n2'.encode())
        with Table("-", Layout(input_format="csv")) as table:
            assert next(iter(table)).values == ["1", "좋\n다"]


def test_a_quotation_mark_that_is_never_closed_does_not_take_all(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_LINE", 100)
    path = write(tmp_path, 'id,text\n1,"open\n' + "2,closed\n" * 100, "a.csv")
    with Table(path) as table:
        rows = list(table)
    assert rows[0].problem[:2] == (2, "a quotation mark that is never closed")
    assert [row.problem for row in rows[1:]] == [None] * 100


# What is wrong


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[\n", ":1: found no valid JSON (Expecting value: line 1 column 2 (char 1)), expected one JSON object a li"),
        (b"[]\n", ":1: found [], expected one JSON object a line, or one list of objects"),
        (b'["a"]\n', ":1: found 'a', expected an object, as each of the list"),
        (
            b'[{"a": 1}]\n[{"a": 2}]\n',
            ":1: found no valid JSON (Extra data: line 2 column 1 (char 11)), expected one JS",
        ),
        (b"text\n", ":1: found no valid JSON (Expecting value: line 1 column 1 (char 0)), expected one JSON object"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", ":1: found an object nested deeper than 64, expected one JSON"),
        (b'{"a": ' + b"[" * 100_000, ":1: found no valid JSON ("),
        (b'{"a": ' + b"9" * 5000 + b"}", ":1: found no valid JSON ("),
        (b'{"a": "\xc1\xc1"}', ":1: found bytes that are no UTF-8"),
    ],
)
def test_what_is_wrong_with_json_lines(tmp_path, content, message):
    path = write(tmp_path, content, "a.jsonl")
    assert error_of(Table, path).startswith(f"{path}{message}")


def test_a_list_of_objects_is_a_table(tmp_path, monkeypatch):
    """As pandas writes a frame's records, in one line or, indented, in many."""
    rows = [{"글": "좋다", "n": 1}, {"글": "나쁘다", "n": None, "더": "x"}, 3, {"n": 1.5}]
    for indent in (None, 1):
        path = write(tmp_path, "\ufeff" + json.dumps(rows, ensure_ascii=False, indent=indent), "a.json")
        with Table(path) as table:
            assert table.columns == ["글", "n"]
            read = list(table)
        assert [(row.line, row.values) for row in read] == [
            *((1, ["좋다", 1]), (2, ["나쁘다", None])),
            *((3, [3]), (4, [None, 1.5])),
        ]
        assert read[2].problem == (3, "3", "an object, as each of the list")
        assert (read[1].strange, read[3].absent) == (("더",), ("글",))
        assert [json.loads(row.json) for row in read if not row.problem] == [rows[0], rows[1], rows[3]]
    monkeypatch.setattr(tables, "MAX_LINE", 20)  # of lines, and of no list
    with Table(path) as table:
        assert len(list(table)) == 4
    monkeypatch.setattr(tables, "MAX_LIST", 20)
    assert error_of(Table, path).startswith(
        f"{path}:1: found a list of more than 20 bytes, expected one JSON object a l"
    )


def test_columns_of_pandas_are_no_rows(tmp_path):
    with Table(write(tmp_path, '{"글":{"0":"a","1":"b"},"n":{"0":1,"1":0}}', "a.json")) as table:
        (row,) = table
    found = tables.text_at(row, 0, "글")[1]
    assert found[1:] == (
        "{'0': 'a', '1': 'b'} as '글'",
        "a text; an object for each row, as pandas' to_json(orient='records') writes",
    )


def test_objects_of_other_names(tmp_path):
    path = write(tmp_path, '{"id": 1, "글": "a"}\n{"id": 2}\n{"글": [1], "x": 1, "id": 3}\n{"글": 4}\n', "a.jsonl")
    with Table(path) as table:
        rows = list(table)
    assert [(row.absent, row.strange) for row in rows] == [((), ()), (("글",), ()), ((), ("x",)), (("id",), ())]
    assert [tables.text_at(row, 1, "글") for row in rows] == [
        ("a", None),
        ("", (2, "no '글' in the object", "the names of the first line's object in each")),
        ("", (3, "[1] as '글'", "a text")),
        ("4", None),
    ]


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx", "a.xlsx.gz"])
def test_what_is_no_table_at_all(tmp_path, name):
    pytest.importorskip("pyarrow" if "parquet" in name else "openpyxl")
    kind = "Parquet" if "parquet" in name else "an Excel workbook"
    for content in (b"", b"PK\x03\x04", b"PAR1", os.urandom(200)):
        content = gzip.compress(content) if name.endswith(".gz") else content
        path = write(tmp_path, content, name)
        assert error_of(Table, path).startswith(f"{path}: cannot be read as {kind} (")


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx"])
def test_damage_is_one_line(tmp_path, name):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow" if name == "a.parquet" else "openpyxl")
    frame = pd.DataFrame({"글": [f"글 {number}" for number in range(50)], "id": range(50)})
    (frame.to_parquet if name == "a.parquet" else frame.to_excel)(tmp_path / name, index=False)
    content = (tmp_path / name).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 60)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]):
            path = write(tmp_path, damaged, name)
            try:
                with Table(path) as table:
                    list(table)
            except UserError as error:
                assert "\n" not in str(error)


def test_a_workbook_that_unpacks_to_too_much(tmp_path, monkeypatch):
    openpyxl = pytest.importorskip("openpyxl")
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    monkeypatch.setattr(tables, "MAX_UNPACKED", 1000)
    assert "a.xlsx: found more than 0 GiB unpacked, expected less" in error_of(Table, tmp_path / "a.xlsx")
    packed = write(tmp_path, gzip.compress((tmp_path / "a.xlsx").read_bytes()), "a.xlsx.gz")
    assert "a.xlsx.gz: found more than 0 GiB unpacked" in error_of(Table, packed)


def test_an_old_workbook(tmp_path):
    path = write(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "a.xls")
    assert error_of(Table, path) == (
        f"{path}: found an old Excel workbook, or one with a password, expected .xlsx; save it as that"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<html xmlns:x='u'><table><tr><td>글</td></tr></table></html>", "a page of HTML or XML, expected an Excel"),
        (
            "\ufeff\r\n<META http-equiv='x'>",
            "a page of HTML or XML, expected an Excel workbook; open it in Excel and sa",
        ),
        ("글\t별\n좋다\t5\n", "text, expected an Excel workbook; --input_format=tsv reads it, or save it as .xlsx"),
        (
            "글,별\n좋다,5\n".encode("cp949"),
            "text, expected an Excel workbook; --input_format=csv --encoding=cp949 rea",
        ),
        ("글\t별\n".encode("utf-16"), "text, expected an Excel workbook; --input_format=tsv reads it, or save it as"),
    ],
)
def test_what_is_called_a_workbook_and_is_none(tmp_path, content, message):
    for name in ("a.xls", "a.xlsx"):
        path = write(tmp_path, content, name)
        assert error_of(Table, path).startswith(f"{path}: found {message}")


@pytest.mark.parametrize(("name", "package"), [("a.parquet", "pyarrow"), ("a.xlsx", "openpyxl")])
def test_a_package_that_is_missing(tmp_path, monkeypatch, name, package):
    for module in list(sys.modules):
        if module.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    path = write(tmp_path, b"PK\x03\x04", name)
    assert error_of(Table, path) == (f"{path}: needs {package}, which is not installed: {system.install(package)}")


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


# Files and columns


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


def locate(path, text="", label=None, layout=tables.AS_NAMED):
    wanted = {"--text_column": (text, "text")}
    if label is not None:
        wanted["--label_column"] = label, "label"
    with Table(path, layout) as table:
        return tables.locate(table, wanted)


ORDERS = "주문번호,리뷰,작성자,별점\n001,배송이 빨라요,kim,5\n002,별로예요 ㅠㅠ,lee,1\n003,그냥 그래요,park,3\n"


def test_a_proposal_for_each_name_that_is_missing(tmp_path):
    path = write(tmp_path, ORDERS, "mine.csv")
    found = f"{path}:1: found the columns 주문번호, 리뷰, 작성자, 별점"
    assert error_of(locate, path) == f"{found}; which is the text? --text_column=리뷰"
    assert error_of(locate, path, "document", "별점") == (
        f"{found}, none of them 'document'; which is the text? --text_column=리뷰"
    )
    assert error_of(locate, path, "document", "label") == (
        f"{found}, none of them 'document' or 'label'; which is the text and which the label? --text_column=리뷰 "
        "--label_column=별점"
    )
    assert locate(path, "리뷰", "별점") == [1, 3]


def test_a_proposal_that_can_be_typed(tmp_path):
    path = write(tmp_path, "id,it's a review\n1,좋아요\n", "mine.csv")
    assert error_of(locate, path).endswith("--text_column='it'\\''s a review'")
    path = write(tmp_path, "id,n\n1,2\n", "mine.csv")
    assert error_of(locate, path).endswith("--text_column=NAME")


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            "id;리뷰;별점\n",
            "a.csv",
            "found no comma but 2 semicolons in the header line, expected columns; --delimiter=';'",
        ),
        (
            "id;제목, 리뷰;별점\n",
            "a.csv",
            "found 1 comma but 2 semicolons in the header line, expected columns; --delimiter=';'",
        ),
        ("id\t리뷰\n", "a.csv", "found no comma but 1 tab in the header line, expected columns; --delimiter='\\t'"),
        ("id,리뷰\n", "a.tsv", "found no tab but 1 comma in the header line, expected columns; --delimiter=','"),
    ],
)
def test_another_delimiter_is_proposed_and_not_guessed(tmp_path, content, name, message):
    path = write(tmp_path, content, name)
    assert error_of(locate, path, "리뷰") == f"{path}:1: {message}"


def test_a_title_above_the_header_is_found(tmp_path, workbook):
    for name, content in (
        ("a.csv", "2024년 5월 리뷰\n\n번호,리뷰,별점\n1,좋다,5\n"),
        ("a.tsv", "표\n번호\t리뷰\t별점\n"),
    ):
        path, line = write(tmp_path, content, name), 2 + (name == "a.csv")
        expected = (
            f"{path}:{line}: found the header line with '리뷰' and '별점', expected it in the first line; delete the "
        )
        assert error_of(locate, path, "리뷰", "별점").startswith(expected)
    import openpyxl

    path = workbook(주문=["2024년 5월 리뷰"])
    book = openpyxl.load_workbook(path)
    book.active.append(["번호", "리뷰", 5])
    book.save(path)
    assert error_of(locate, path, "리뷰").startswith(f"{path}:3: found the header line with '리뷰', expected it in")


HEADLESS = "5\t배공빠르고 굿\n2\t택배가 엉망이네용\n5\t아주좋아요 바지 정말 좋아서 2개 더 구매했어요\n"


def test_lines_of_text_are_no_labelled_table(tmp_path):
    path = write(tmp_path, "좋은 영화\n별로\n다시는 안 본다 정말로 안 본다\n", "lines.txt")
    assert error_of(locate, path, "document", "label") == (
        f"{path}:1: found one column, 좋은 영화, expected a text and a label; texts without labels are for predict, or "
        "pretrain --data="
    )


def test_a_first_line_of_data_is_no_header(tmp_path):
    path = write(tmp_path, HEADLESS, "naver_shopping.txt")
    found = f"{path}:1: found the columns 5, 배공빠르고 굿"
    assert error_of(locate, path, "document", "label") == (
        f"{found}, none of them 'document' or 'label'; is there no header line? --columns=label,document"
    )
    assert error_of(locate, path) == (f"{found}; is there no header line? --columns=column1,text --text_column=text")
    assert error_of(locate, path, "배공빠르고 굿", "label").endswith("--columns=label,text --text_column=text")
    for content in ("이 영화는 정말로 다시 보고 싶은 영화였어요\n별로\n", "3\n"):
        assert "is there no header line? --columns=" in error_of(locate, write(tmp_path, content), "글")
    path = write(tmp_path, HEADLESS.replace("\t", ","), "a.csv")
    assert error_of(locate, path, "글", "별").endswith("is there no header line? --columns=별,글")
    # a question, or a year above words, may well be a column's name
    path = write(
        tmp_path, "이 영화를 본 뒤 가장 기억에 남는 점,2019\n음악이 좋았다,예\n연기가 좋았다,아니요\n", "b.csv"
    )
    assert error_of(locate, path, "글").endswith(
        "is there no header line? --columns=글,column2; or which is the text? "
        "--text_column='이 영화를 본 뒤 가장 기억에 남는 점'"
    )


@pytest.mark.parametrize(
    "header",
    [
        "타임스탬프,이 영화를 보고 느낀 점을 자유롭게 적어 주세요",  # as forms ask
        "rating,text",
        "0,1",  # as pandas calls columns without a name
    ],
)
def test_a_header_like_data_is_one_where_a_column_shows_it(tmp_path, header):
    path = write(tmp_path, header + "\n2024. 3. 2,좋아요\n2024. 3. 4,별로\n", "a.csv")
    assert "; which is the text? --text_column=" in error_of(locate, path)


def test_a_table_without_a_header_line_is_read_by_names(tmp_path):
    names = Layout(columns=("별점", "글"))
    rows = [line.split("\t") for line in HEADLESS.splitlines()]
    assert read(write(tmp_path, HEADLESS, "a.txt"), names) == (["별점", "글"], rows)
    assert read(write(tmp_path, HEADLESS.replace("\t", ","), "a.csv"), names) == (["별점", "글"], rows)
    path = write(tmp_path, HEADLESS, "a.txt")
    assert locate(path, "글", "별점", names) == [1, 0]
    assert error_of(locate, path, "리뷰", layout=names) == (
        f"{path}:1: found the columns 별점, 글, none of them '리뷰'; which is the text? --text_column=글"
    )
    with Table(write(tmp_path, b"\xff\n1\ta\n", "a.tsv"), Layout(columns=("a", "b", "c"))) as table:
        assert [row.problem[0] for row in table] == [1, 2]
        assert table.columns == ["a", "b", "c"]
    with Table(write(tmp_path, "1\ta\n", "a.tsv"), Layout(columns=("a", "b", "c"))) as table:
        assert next(iter(table)).problem == (1, "2 columns", "3 as --columns names them, ['a', 'b', 'c']")
    for name, form in (("a.json", "jsonl"), ("a.parquet", "parquet")):
        found = error_of(Table, write(tmp_path, "[]", name), names)
        assert f"found --columns=별점,글 for a table of {form}, which names its columns itself, expected CSV, " in found


def test_a_workbook_without_a_header_line_is_read_by_names(workbook):
    path = workbook(주문=["5", "좋다"])
    assert read(path, Layout(columns=("별점", "글"))) == (["별점", "글"], [["5", "좋다"], ["주문", "주문"]])
    found = error_of(read_sheet, workbook(a=["5", "좋다"], b=["1", "싫다"]), names=["글"])
    assert "found 2 sheets" in found


# Quotation marks in tabs

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": found an empty file, expected a header line, then one row a line"),
        ("\n", ":1: found an empty line, expected a header line that names the columns"),
        (",\n", ":1: found an empty line, expected a header line that names the columns"),
    ],
)
def test_files_without_columns(tmp_path, content, message):
    path = write(tmp_path, content, "a.csv")
    assert error_of(locate, path) == f"{path}{message}"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_columns_whose_syllables_macos_has_taken_apart(tmp_path, ending):
    name = unicodedata.normalize("NFD", "리뷰")
    line = json.dumps({"id": "1", name: "글"}, ensure_ascii=False)
    path = write(tmp_path, f"id,{name}\n1,글\n" if ending == "csv" else line + "\n" + '{"id": "2"}\n', f"a.{ending}")
    with Table(path) as table:
        at = tables.locate(table, {"--text_column": ("리뷰", "text")})
        told = [tables.text_at(row, at[0], table.columns[at[0]]) for row in table]
    assert (at, told[0]) == ([1], ("글", None))
    assert all(problem for _, problem in told[1:])  # an object without it


def test_proposals_are_those_of_whole_syllables(tmp_path):
    for content in (
        "리뷰,결과\n참 좋은 영화,긍정\n별로,부정\n",  # labels are known by their words
        "리뷰,라벨\n참 좋은 영화,3\n별로,11\n",  # or a column by its name
        "2024년\n문서,document,label\n1,좋다,1\n",
        "2024년\n번호,리뷰,별점\n1,좋다,1\n",
    ):
        names = ("리뷰", "별점") if "별점" in content else ("document", "label")
        whole = write(tmp_path, content, "whole.csv")
        apart = write(tmp_path, unicodedata.normalize("NFD", content), "apart.csv")
        said = unicodedata.normalize("NFC", error_of(locate, apart, *names)).replace("apart.csv", "whole.csv")
        assert said == error_of(locate, whole, *names)


def test_values_as_text():
    moment = datetime.datetime(2024, 1, 5, 9, 30)
    values = ["a", None, float("nan"), True, 5, 0.5, moment, moment.replace(hour=0, minute=0), b"\xea\xb0\x80", [1]]
    assert [tables.text_of(value) for value in values] == [
        *("a", "", "", "true", "5", "0.5"),
        *("2024-01-05 09:30:00", "2024-01-05", "가", "[1]"),
    ]


def test_one_column_alone(tmp_path):
    """An empty value of it is a row, not an empty line."""
    assert read(write(tmp_path, '글\na\n""\n\nb\n', "a.csv")) == (["글"], [["a"], [""], ["b"]])
    assert read(write(tmp_path, "글\na\n\nb\n", "a.tsv")) == (["글"], [["a"], [""], ["b"]])


def test_rows_are_read_once(tmp_path):
    with Table(write(tmp_path, ORDERS, "a.csv")) as table:
        assert len(list(itertools.islice(table, 1))) == 1
        assert [row.line for row in table] == [3, 4]
