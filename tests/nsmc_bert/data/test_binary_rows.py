"""nsmc_bert.data.binary_rows: what pandas, openpyxl and Excel wrote is read back, what is none is one line."""

import datetime
import gzip
import os
import sys
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base import system
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import binary_rows, columns
from nsmc_bert.data.tables import Table
from tests.nsmc_bert.data.make import cells, read, seen
from tests.nsmc_bert.data.test_reviews import error_of, write


@given(st.lists(st.tuples(cells, st.none() | cells, st.integers(-(2**60), 2**60)), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_table_of_pandas_as_parquet(tmp_path_factory, rows):
    pytest.importorskip("pyarrow")
    import pandas as pd

    path = tmp_path_factory.mktemp("pandas") / "a.parquet"
    pd.DataFrame(rows, columns=list("abc")).to_parquet(path, row_group_size=3)
    assert read(path) == (list("abc"), [list(row) for row in rows])


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
        assert columns.locate(table, {"--text_column": ("리뷰", "text"), "--label_column": ("별점", "label")}) == [0, 1]
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
        columns.locate(table, {"--text_column": ("리뷰", "text")})
        rows = list(table)
    assert [row.values for row in rows] == [["좋다", "#N/A"], ["#NAME?", 1], ["싫다 #NAME?", "#NAME"]]
    bad = 3, "Excel's error #NAME?", "a value; correct the cell's formula"
    assert [row.problem for row in rows] == [None, bad, None]


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
    monkeypatch.setattr(binary_rows, "MAX_UNPACKED", 1000)
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
