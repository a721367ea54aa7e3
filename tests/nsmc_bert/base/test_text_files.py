"""nsmc_bert.base.text_files: lines of any text file, and what is said of files that are none."""

import io

import pytest

from nsmc_bert.base import text_files
from nsmc_bert.base.errors import Located


def test_lines_have_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_LINE", 9)
    assert list(text_files.numbered_lines(io.BytesIO(b"12345678\n\nx"), "f")) == [
        (1, b"12345678\n"),
        (2, b"\n"),
        (3, b"x"),
    ]
    with pytest.raises(Located, match="f:2: found more than 9 bytes without an end of line, expected text in lines"):
        list(text_files.numbered_lines(io.BytesIO(b"x\n" + b"0" * 100), "f"))
