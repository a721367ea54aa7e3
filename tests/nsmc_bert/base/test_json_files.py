"""JSON within limits and of the shape that is expected."""

import json

import pytest

from nsmc_bert.base import json_files
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.json_files import mismatch, parse_line, read_json


def error_of(tmp_path, content, shape=dict, expected=""):
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        read_json(path, shape, expected)
    return str(caught.value).replace(str(tmp_path) + "/", "")


def test_what_is_right_is_read(tmp_path):
    value = {"a": [1, 2.5, True, None, "가"], "b": {"c": -(10**30)}}
    for mark in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "x.json").write_bytes(mark + json.dumps(value).encode())
        assert read_json(tmp_path / "x.json") == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "{",
            "x.json: found no valid JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        ),
        ("", "x.json: found no valid JSON (Expecting value: line 1 column 1 (char 0))"),
        (b"\xb0\xa1", "x.json: found no valid JSON (bytes that are no UTF-8)"),
        ('{"a": NaN}', "x.json: found no valid JSON (NaN, which is no number in JSON)"),
        ('{"a": -Infinity}', "x.json: found no valid JSON (-Infinity, which is no number in JSON)"),
        ('{"a": 1e999}', "x.json: found no valid JSON (the number '1e999', which is not finite)"),
        ('{"a": %s}' % ("9" * 5000), "x.json: found no valid JSON (a number of 5,000 digits)"),
        ("[" * 100_000, "x.json: found no valid JSON (nested deeper than 64)"),
        ('{"a":' * 65 + "1" + "}" * 65, "x.json: found no valid JSON (nested deeper than 64)"),
        ("[]", "x.json: found [], expected a JSON object"),
        ('"%s"' % ("x" * 1000), "x.json: found 'xxxxxxxxxxxx...xxxxxxxxxxxxx', expected a JSON object"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, content, message):
    assert error_of(tmp_path, content) == message
    whole = error_of(tmp_path, content, expected="a tokenizer")
    assert whole == message + ("" if message.endswith("a JSON object") else ", expected a tokenizer")


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"none.json: cannot be read \(No such file or directory\)"):
        read_json(tmp_path / "none.json")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        read_json(tmp_path)
    monkeypatch.setattr(json_files, "MAX_BYTES", 1 << 20)
    assert error_of(tmp_path, b" " * ((1 << 20) + 1), expected="a config.json") == (
        "x.json: found more than 1 MiB, expected a config.json"
    )
    with pytest.raises(UserError, match="/dev/zero: found more than 1 MiB, expected JSON"):
        read_json("/dev/zero")


def test_the_deepest_that_is_read(tmp_path):
    text = "[" * 64 + "]" * 64
    (tmp_path / "x.json").write_text(text)
    assert json.dumps(read_json(tmp_path / "x.json", list)) == text


SHAPE = {"weight_map": {str: str}, "size?": (int, None), "parts?": [{"name": str, "share": float}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"weight_map": {}}, None),
        ({"weight_map": {"a": "b"}, "size": None, "parts": [{"name": "x", "share": 1}], "more": 5}, None),
        ([], ("", "[]", "a JSON object")),
        ({}, ("", "no weight_map", "a JSON object")),
        ({"weight_map": {"a": 5}}, ("weight_map.a", "5", "a string")),
        ({"weight_map": {}, "size": True}, ("size", "True", "a whole number or null")),
        ({"weight_map": {}, "size": 1.0}, ("size", "1.0", "a whole number or null")),
        ({"weight_map": {}, "parts": {}}, ("parts", "{}", "a list")),
        ({"weight_map": {}, "parts": [{"name": "x", "share": "1"}]}, ("parts[0].share", "'1'", "a number")),
        (
            {"weight_map": {}, "parts": [{"name": "x", "share": 0.5}, {"name": "x"}]},
            ("", "no parts[1].share", "a number"),
        ),
    ],
)
def test_shapes(value, expected):
    assert mismatch(value, SHAPE) == expected


def test_one_of_two_shapes():
    shape = ([int], {"a": str})
    assert mismatch([1], shape) is None and mismatch({"a": "x"}, shape) is None
    assert mismatch("x", shape, "p") == ("p", "'x'", "a list or a JSON object")
    assert mismatch({"a": 1}, shape, "p") == ("p.a", "1", "a string")  # what is nearly right is named


def test_lines():
    assert parse_line('{"info": {"grammatical": NaN}}') == {"info": {"grammatical": None}}
    for line in ("Infinity", "1e999", "[" * 100_000, "9" * 5000):
        with pytest.raises((ValueError, RecursionError)):
            parse_line(line)
