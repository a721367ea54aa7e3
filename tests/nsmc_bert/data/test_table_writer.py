"""nsmc_bert.data.table_writer: what is written is read back equal, and nothing of what was read is changed."""

import codecs
import csv
import datetime
import decimal
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.data import table_writer
from nsmc_bert.data.rows import Row, text_of
from nsmc_bert.data.tables import AS_NAMED, Layout, Table
from tests.nsmc_bert.data.make import cells, read
from tests.nsmc_bert.data.test_reviews import error_of, write

ADDED = ["label", "negative", "positive"]
SAID = ["positive", 0.25, 0.75]


def convert(path, target, layout=AS_NAMED, form=""):
    """Writes a table with columns added; returns the target."""
    with Table(path, layout) as table, open(target, "wb") as file:
        form = form or table_writer.format_to_write(str(target))
        with table_writer.writer(file, target.name, form, table, ADDED) as writer:
            for row in table:
                writer.write(row, SAID)
                writer.flush()
    return target


ORDERS = 'id,글,빈\n007,"a, ""b""\n두 줄",\n008,=1+1,x\n'


def test_csv_stays_as_it_was_and_has_columns_more(tmp_path):
    out = convert(write(tmp_path, ORDERS, "a.csv"), tmp_path / "b.csv")
    assert out.read_text(encoding="utf-8") == (
        'id,글,빈,label,negative,positive\n007,"a, ""b""\n두 줄",,positive,0.25,0.75\n008,=1+1,x,positive,0.25,0.75\n'
    )


def test_delimiter_and_mark_stay(tmp_path):
    path = write(tmp_path, "id;글\n1;a,b\n".encode("utf-8-sig"), "a.csv")
    out = convert(path, tmp_path / "b.csv", Layout(delimiter=";"))
    assert out.read_bytes().decode() == "\ufeffid;글;label;negative;positive\n1;a,b;positive;0.25;0.75\n"


@pytest.mark.parametrize(
    ("content", "name", "encoding"),
    [
        ("id\t글\n1\ta\n".encode("utf-16"), "a.tsv", ""),
        ("id,글\n1,a\n".encode("cp949"), "a.csv", "cp949"),
        ('\ufeff{"id": "1", "글": "a"}\n', "a.jsonl", ""),
    ],
)
def test_the_mark_that_excel_wants_comes_with_what_came_from_there(tmp_path, content, name, encoding):
    path = write(tmp_path, content, name)
    for target in ("b.csv", "b.tsv"):
        out = convert(path, tmp_path / target, Layout(encoding=encoding)).read_bytes()
        assert out.startswith(codecs.BOM_UTF8 + b"id") and out.count(codecs.BOM_UTF8) == 1
    assert not convert(path, tmp_path / "b.jsonl", Layout(encoding=encoding)).read_bytes().startswith(codecs.BOM_UTF8)


def test_a_file_made_of_a_workbook_has_the_mark(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["글"])
    book.save(tmp_path / "a.xlsx")
    assert convert(tmp_path / "a.xlsx", tmp_path / "b.csv").read_bytes().startswith(codecs.BOM_UTF8)
    printed = convert(tmp_path / "a.xlsx", tmp_path / "standard output", form="csv")
    assert printed.read_bytes().startswith("글".encode())


def test_quoted_columns_between_tabs_stay_so_but_in_what_is_called_csv(tmp_path):
    path = write(tmp_path, 'id\t글\n1\t"a\tb"\n', "a.tsv")
    layout = Layout(input_format="csv", delimiter="\t")
    row = "positive 0.25 0.75\n".split(" ")
    printed = convert(path, tmp_path / "out", layout, form="csv").read_text(encoding="utf-8")
    assert printed.split("\n", 1)[1] == "\t".join(["1", '"a\tb"', *row])
    out = convert(path, tmp_path / "b.csv", layout).read_text(encoding="utf-8")
    assert out.split("\n", 1)[1] == ",".join(["1", "a\tb", *row])


def test_tsv_is_without_quoting(tmp_path):
    out = convert(write(tmp_path, ORDERS, "a.csv"), tmp_path / "b.tsv")
    assert out.read_text(encoding="utf-8").split("\n")[1] == '007\ta, "b" 두 줄\t\tpositive\t0.25\t0.75'


def test_json_lines_stay_as_they_were_written(tmp_path):
    lines = '{"id": 1.50, "글":"\\ud55c", "n": 12345678901234567890123}\n{}\n{"id":1,"more":[1, 2] }\n'
    out = convert(write(tmp_path, lines, "a.jsonl"), tmp_path / "b.jsonl")
    said = '"label": "positive", "negative": 0.25, "positive": 0.75}\n'
    assert out.read_text(encoding="utf-8") == (
        '{"id": 1.50, "글":"\\ud55c", "n": 12345678901234567890123, '
        + said
        + "{"
        + said
        + '{"id":1,"more":[1, 2], '
        + said
    )


def test_a_column_twice(tmp_path):
    path = write(tmp_path, "a,a\n1,2\n", "a.csv")
    assert read(convert(path, tmp_path / "b.csv"))[1] == [["1", "2", "positive", "0.25", "0.75"]]
    assert error_of(convert, path, tmp_path / "b.jsonl").startswith("b.jsonl: found the column a twice, expected it on")


names = st.lists(cells.filter(bool), min_size=2, max_size=4, unique=True).filter(
    lambda some: not set(some) & set(ADDED)
)


@given(st.data(), names)
@settings(max_examples=100, deadline=None)
def test_any_csv_as_csv_and_json_lines(tmp_path_factory, data, columns):
    rows = data.draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=6))
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([columns, *rows])
    folder = tmp_path_factory.mktemp("any")
    path = write(folder, stream.getvalue(), "a.csv")
    found = read(convert(path, folder / "b.csv"))
    assert found == ([*columns, *ADDED], [[*row, "positive", "0.25", "0.75"] for row in rows])
    with open(folder / "b.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [found[0], *found[1]]  # as another reader has it
    lines = convert(path, folder / "b.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == [dict(zip(found[0], [*row, *SAID])) for row in rows]


tab_cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\t\n\r\ufeff"), max_size=8)


@given(st.lists(st.tuples(tab_cells, tab_cells), max_size=6))
@settings(max_examples=50, deadline=None)
def test_any_tsv(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    path = write(folder, "".join("\t".join(row) + "\n" for row in [("a", "b"), *rows]), "a.tsv")
    found = read(convert(path, folder / "b.tsv"))
    assert found == (["a", "b", *ADDED], [[*row, "positive", "0.25", "0.75"] for row in rows])


# an empty cell is none in a workbook
full = cells.filter(bool) | st.sampled_from(["_x000D_", "_x005F_x000D_", "\r\n", "=1", "_"])


@pytest.mark.parametrize(("package", "name"), [("openpyxl", "b.xlsx"), ("pyarrow", "b.parquet")])
@given(st.lists(st.tuples(full, full), max_size=6))
@settings(max_examples=25, deadline=None)
def test_any_csv_as_a_workbook_or_as_parquet(tmp_path_factory, package, name, rows):
    pytest.importorskip(package)
    stream, folder = io.StringIO(newline=""), tmp_path_factory.mktemp("any")
    csv.writer(stream).writerows([("a", "b"), *rows])
    path = write(folder, stream.getvalue(), "a.csv")
    found = read(convert(path, folder / name))
    assert found == (["a", "b", *ADDED], [[*row, *SAID] for row in rows])


def test_types_of_parquet_stay(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pandas as pd
    import pyarrow.parquet as parquet

    frame = pd.DataFrame(
        {
            "글": ["가", None],
            "때": pd.to_datetime(["2024-01-05 01:02:03.123456789", None]),
            "종류": pd.Categorical(["x", "y"]),
            "n": pd.array([1, None], "Int64"),
            "돈": [decimal.Decimal("1.10"), None],
            "ja": [True, False],
            "목록": [[1, 2], []],
        },
        index=[5, 7],
    )
    frame.to_parquet(tmp_path / "a.parquet")
    out = convert(tmp_path / "a.parquet", tmp_path / "b.parquet")
    before, after = parquet.read_table(tmp_path / "a.parquet"), parquet.read_table(out)
    assert after.select(before.column_names).equals(before)
    assert after.schema.field("negative").type == arrow.float64()
    again = pd.read_parquet(out)
    assert again.index.tolist() == [5, 7] and again["label"].tolist() == ["positive"] * 2
    lines = convert(tmp_path / "a.parquet", tmp_path / "b.jsonl").read_text(encoding="utf-8")
    assert json.loads(lines.split("\n")[1])["돈"] is None


def test_types_of_what_is_added_go_by_the_place(tmp_path):
    """Classes may be called anything."""
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    names = ["label", "no label", "mislabel", "text"]
    with (
        open(tmp_path / "a.parquet", "wb") as file,
        table_writer.writer(file, "a.parquet", "parquet", None, names) as writer,
    ):
        writer.write(Row(0, []), ["no label", 0.75, 0.25, "글"])
    assert parquet.read_schema(tmp_path / "a.parquet").types == [arrow.string(), *[arrow.float64()] * 2, arrow.string()]


def test_parquet_that_is_not_ended_is_let_go(tmp_path):
    pytest.importorskip("pyarrow")
    path = write(tmp_path, "a\n1\n", "a.csv")
    with Table(path) as table, open(tmp_path / "b.parquet", "wb") as file:
        writer = table_writer.writer(file, "b.parquet", "parquet", table, ADDED)
        with pytest.raises(KeyboardInterrupt), writer:
            raise KeyboardInterrupt
        assert not writer._out.is_open


def test_types_of_a_workbook_stay(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    values = ["007", 8, 1.5, True, datetime.datetime(2024, 1, 5, 3), "=text", "#N/A"]
    book.active.append(list("abcdefg"))
    book.active.append(values)
    for cell in book.active[2]:
        cell.data_type = "s" if isinstance(cell.value, str) else cell.data_type
    book.save(tmp_path / "a.xlsx")
    out = convert(tmp_path / "a.xlsx", tmp_path / "b.xlsx")
    assert read(out)[1] == [[*values, *SAID]]
    cells = next(openpyxl.load_workbook(out).active.iter_rows(min_row=2))
    assert [cell.data_type for cell in cells] == ["s", "n", "n", "b", "d", "s", "s", "s", "n", "n"]
    assert read(convert(tmp_path / "a.xlsx", tmp_path / "b.csv"))[1] == [
        [*map(text_of, values), "positive", "0.25", "0.75"]
    ]


def test_what_no_sheet_holds(tmp_path):
    pytest.importorskip("openpyxl")
    path = write(tmp_path, f"a,b\n1,{'가' * 32768}\n", "a.csv")
    message = "b.xlsx: found in row 2 a value of 32,768 characters, which no sheet holds"
    assert error_of(convert, path, tmp_path / "b.xlsx").startswith(message)


def test_what_xml_cannot_say_is_written_as_excel_does(tmp_path):
    pytest.importorskip("openpyxl")
    import zipfile

    out = convert(write(tmp_path, "a,b\n1,좋다\v추천 _x000D_\n", "a.csv"), tmp_path / "b.xlsx")
    with zipfile.ZipFile(out) as archive:
        assert "좋다_x000B_추천 _x005F_x000D_<" in archive.read("xl/worksheets/sheet1.xml").decode()


def test_more_rows_than_a_sheet_has(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(table_writer, "SHEET_ROWS", 2)
    path = write(tmp_path, "a,b\n1,2\n3,4\n", "a.csv")
    assert (
        error_of(convert, path, tmp_path / "b.xlsx")
        == "b.xlsx: found more than 2 rows, which no sheet holds; write .csv"
    )


def test_columns_without_a_table(tmp_path):
    with open(tmp_path / "a.csv", "wb") as file:
        writer = table_writer.writer(file, "a.csv", "csv", None, ["label", "text"])
        writer.write(Row(0, []), ["positive", "\ud800 a,b"])
        writer.close()
    assert (tmp_path / "a.csv").read_text() == 'label,text\npositive,"? a,b"\n'


def test_formats_that_can_be_written():
    forms = [
        table_writer.format_to_write(name)
        for name in ("a.CSV", "a.tsv", "b.jsonl", "c.parquet", "d.xlsx", "e.xls", "f")
    ]
    assert forms == ["csv", "tsv", "jsonl", "parquet", "xlsx", "", ""]
