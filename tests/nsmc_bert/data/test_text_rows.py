"""nsmc_bert.data.text_rows: what the csv module, pandas or a person wrote is read back; what is wrong costs its row."""

import csv
import io
import json
import os
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.data import text_rows
from nsmc_bert.data.rows import text_at
from nsmc_bert.data.tables import Layout, Table
from tests.nsmc_bert.data.make import cells, read, rows_of_pandas
from tests.nsmc_bert.data.test_reviews import error_of, write


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_line_ends_of_windows_that_were_written_twice(tmp_path, name):
    rows = [["id", "리뷰"], ["1", "좋다"], ["2", ""]]
    delimiter = "\t" if name == "a.tsv" else ","
    with open(tmp_path / name, "w", encoding="utf-8", newline="\r\n") as file:  # as text files are written there
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert (tmp_path / name).read_bytes().count(b"\r\r\n") == 3
    assert read(tmp_path / name) == (rows[0], rows[1:])


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


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;|"))
@settings(max_examples=150, deadline=None)
def test_any_table_of_the_csv_module(tmp_path_factory, rows, delimiter):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows([("a", "b", "c"), *rows])
    path = write(tmp_path_factory.mktemp("csv"), stream.getvalue(), "a.csv")
    assert read(path, Layout(delimiter=delimiter)) == (["a", "b", "c"], rows)


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
    monkeypatch.setattr(text_rows, "MAX_LINE", 100)
    path = write(tmp_path, 'id,text\n1,"open\n' + "2,closed\n" * 100, "a.csv")
    with Table(path) as table:
        rows = list(table)
    assert rows[0].problem[:2] == (2, "a quotation mark that is never closed")
    assert [row.problem for row in rows[1:]] == [None] * 100


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
    monkeypatch.setattr(text_rows, "MAX_LINE", 20)  # of lines, and of no list
    with Table(path) as table:
        assert len(list(table)) == 4
    monkeypatch.setattr(text_rows, "MAX_LIST", 20)
    assert error_of(Table, path).startswith(
        f"{path}:1: found a list of more than 20 bytes, expected one JSON object a l"
    )


def test_objects_of_other_names(tmp_path):
    path = write(tmp_path, '{"id": 1, "글": "a"}\n{"id": 2}\n{"글": [1], "x": 1, "id": 3}\n{"글": 4}\n', "a.jsonl")
    with Table(path) as table:
        rows = list(table)
    assert [(row.absent, row.strange) for row in rows] == [((), ()), (("글",), ()), ((), ("x",)), (("id",), ())]
    assert [text_at(row, 1, "글") for row in rows] == [
        ("a", None),
        ("", (2, "no '글' in the object", "the names of the first line's object in each")),
        ("", (3, "[1] as '글'", "a text")),
        ("4", None),
    ]
