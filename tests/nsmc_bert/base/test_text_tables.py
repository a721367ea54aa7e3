"""nsmc_bert.base.text_tables: columns stand below each other, and wide tables are parted."""

import io

from nsmc_bert.base import text_tables


def test_hangul_takes_two_columns_of_a_terminal():
    rows = [["", "값"], ["영화", "1"], ["cafe\u0301", "2"], ["a", "3"]]
    assert text_tables.aligned(rows) == "      값\n영화  1\ncafe\u0301  2\na     3"


def test_a_table_that_is_wider_than_the_terminal_is_parted():
    rows = [["", "split", "lex", "cat", "mix"], ["pos", "test", "81.2", "영화", "83.4"]]
    whole = "     split  lex   cat   mix\npos  test   81.2  영화  83.4"
    assert text_tables.aligned(rows, 2) == text_tables.aligned(rows, 2, 28) == whole
    assert text_tables.aligned(rows, 2, 27) == (
        "     split  lex   cat\npos  test   81.2  영화\n\n     split  mix\npos  test   83.4"
    )
    narrow = text_tables.aligned(rows, 2, 1)  # a part has one column at least
    assert [part.split("\n")[0].split()[-1] for part in narrow.split("\n\n")] == ["lex", "cat", "mix"]


def test_markdown():
    assert text_tables.markdown([["", "a|b"], ["x", "1"]]) == "|  | a\\|b |\n|---|---|\n| x | 1 |"


def test_the_width_of_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert text_tables.terminal_width() == 0  # what is piped is as wide as it is
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert text_tables.terminal_width() == 70


def test_one_line():
    assert text_tables.one_line("a\tb\r\nc\u2028d \ud800") == "a b c d ?"
