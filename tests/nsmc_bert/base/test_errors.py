"""nsmc_bert.base.errors: one line, whatever is quoted."""

from nsmc_bert.base.errors import Located, UserError, counted, shorten


def test_an_error_is_one_line():
    assert str(UserError("a\nb\r\nc\u2028d\x0be\x85f")) == "a b c d e f"
    assert isinstance(UserError("a"), ValueError)


def test_an_error_says_where():
    assert str(Located("a.tsv", 3, "'x'", "0 or 1")) == "a.tsv:3: found 'x', expected 0 or 1"
    assert str(Located("a.tsv", None, "an empty file", "a header line")) == (
        "a.tsv: found an empty file, expected a header line"
    )


def test_one_is_counted_in_the_singular():
    assert [counted(number, "bad row") for number in (0, 1, 2)] == ["0 bad rows", "1 bad row", "2 bad rows"]
    assert counted(1234, "record", ",") == "1,234 records"


def test_what_is_quoted_is_short():
    assert shorten("좋다") == "'좋다'"
    assert shorten("x" * 100, 10) == "'xxxxxxxx…" and len(shorten(["y"] * 100)) == 60
