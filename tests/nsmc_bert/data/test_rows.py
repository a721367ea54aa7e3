"""nsmc_bert.data.rows: cells as text."""

import datetime

from nsmc_bert.data.rows import Row, text_at, text_of


def test_bytes_of_a_binary_column_are_text_in_utf_8_or_none():
    rows = [Row(number, [value]) for number, value in enumerate(("좋다".encode(), "나쁘다".encode("cp949")), 1)]
    wrong = "bytes that are no UTF-8, b'\\xb3\\xaa\\xbb\\xda\\xb4\\xd9', as 'text'"
    assert [text_at(row, 0, "text") for row in rows] == [("좋다", None), ("", (2, wrong, "a text"))]


def test_values_as_text():
    moment = datetime.datetime(2024, 1, 5, 9, 30)
    values = ["a", None, float("nan"), True, 5, 0.5, moment, moment.replace(hour=0, minute=0), b"\xea\xb0\x80", [1]]
    assert [text_of(value) for value in values] == [
        *("a", "", "", "true", "5", "0.5"),
        *("2024-01-05 09:30:00", "2024-01-05", "가", "[1]"),
    ]
