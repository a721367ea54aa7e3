"""nsmc_bert.data.reviews: tables by hand and by the csv module; splits; the sample, and NSMC as published."""

import csv
import hashlib
import io
import os
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base.classes import SENTIMENT
from nsmc_bert.base.errors import Located, UserError
from nsmc_bert.data import nsmc, reviews
from nsmc_bert.data.labels import ALL, Labelling
from nsmc_bert.data.reviews import Reading
from nsmc_bert.data.tables import Layout

HEADER = "id\tdocument\tlabel\n"
SKIP = Reading(skip_bad_rows=True)


def write(folder, content, name="reviews.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def error_of(call, *arguments, kind=UserError, **keywords):
    with pytest.raises(kind) as caught:
        call(*arguments, **keywords)
    return str(caught.value)


# Tables


def test_reads_tabs_without_quoting(tmp_path):
    path = write(tmp_path, HEADER + '1\t"굳" ㅋ\t1\n2\t""\t0\n3\t\t1\n4\t"열린\t0')
    data = reviews.read(path)
    assert data.texts == ['"굳" ㅋ', '""', "", '"열린']
    assert data.labels.dtype == np.int32 and data.labels.tolist() == [1, 0, 1, 0]
    assert (len(data), data.path, data.skipped) == (4, path, 0)
    assert data.sha1 == hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("inside", ["\u2028", "\x0b", "\x0c", "\x1c", "\x85", "\r", "\x00", "\ufeff"])
def test_only_a_line_feed_ends_a_line(tmp_path, inside):
    text = f"앞{inside}뒤"
    assert reviews.read(write(tmp_path, HEADER + f"1\t{text}\t1\n")).texts == [text]


def test_windows_line_ends_a_byte_order_mark_and_empty_lines(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + "label\tdocument\r\n1\t좋다\r\n\r\n0\t나쁘다\r\n\n".encode())
    data = reviews.read(path)
    assert (data.texts, data.labels.tolist()) == (["좋다", "나쁘다"], [1, 0])
    assert data.sha1 == hashlib.sha1(path.read_bytes()).hexdigest()


def test_other_columns_and_delimiters(tmp_path):
    def texts(delimiter, content, name="reviews.tsv"):
        return reviews.read(write(tmp_path, content, name), Reading("평", "점", Layout(delimiter=delimiter))).texts

    assert texts(";", "점;평\n1;'a'\n") == ["'a'"]
    assert texts(";", '점;평\n1;"a;\n""b"""\n') == ['a;\n"b"']
    assert texts("\t", '점\t평\n1\t"a"\n', "x.csv") == ['"a"']
    assert texts("\\t", "점\t평\n1\ta\n", "x.csv") == ["a"]
    assert texts("", '점,평\r\n1,"a, b"\r\n', "X.CSV") == ["a, b"]
    for bad in (",,", '"', "\n"):
        assert "as the delimiter, expected one character" in error_of(Layout, delimiter=bad)


table_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\t\n"))
rows = st.lists(st.tuples(table_texts, st.integers(0, 1)), min_size=1, max_size=20)


@given(rows, st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_text_in_tabs(tmp_path_factory, rows, end, last_end):
    table = end.join(["document\tlabel"] + ["%s\t%d" % row for row in rows]) + end * last_end
    data = reviews.read(write(tmp_path_factory.mktemp("tabs"), table))
    assert list(zip(data.texts, data.labels.tolist())) == rows


# Python 3.10's csv module refuses "\0"
csv_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


@given(
    st.lists(st.tuples(csv_texts, st.integers(0, 1)), min_size=1, max_size=20),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(",;|"),
)
@settings(max_examples=100, deadline=None)
def test_any_text_that_the_csv_module_wrote(tmp_path_factory, rows, quoting, delimiter):
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=quoting, delimiter=delimiter).writerows([("document", "label"), *rows])
    path = write(tmp_path_factory.mktemp("csv"), stream.getvalue(), "reviews.csv")
    data = reviews.read(path, Reading(layout=Layout(delimiter=delimiter)))
    assert list(zip(data.texts, data.labels.tolist())) == rows


def test_a_csv_column_may_be_long(tmp_path):
    text = "가" * 200_000
    limit = csv.field_size_limit()
    assert reviews.read(write(tmp_path, f'document,label\n"{text}",1\n', "x.csv")).texts == [text]
    assert csv.field_size_limit() == limit


CP949 = "좋다".encode("cp949")
BAD_TABS = {
    "column twice": (
        b"label\tdocument\tlabel\n1\ta\t1\n",
        ":1: found the columns ['label', 'document', 'label'], expected a header line with one column 'label'",
    ),
    "empty first line": (b"\nid\tdocument\tlabel\n", ":1: found an empty line, expected a header line"),
    "too few": (
        HEADER.encode() + b"1\ta\t1\n2\tb\n",
        ":3: found 2 columns, expected 3 as in the header line ['id', 'document', 'label']",
    ),
    "one": (HEADER.encode() + b"1\n", ":2: found 1 column, expected 3"),
    "too many": (HEADER.encode() + b"1\ta\tb\t1\n", ":2: found 4 columns, expected 3"),
    "label": (HEADER.encode() + b"\n1\ta\t2\n", ":3: found the label '2', expected 0 (negative) or 1 (positive)"),
    "no label": (
        HEADER.encode() + b"1\ta\t\n",
        ":2: found the label '', expected 0 (negative) or 1 (positive); --skip_bad_rows leaves out what has no label",
    ),
    "encoding": (
        HEADER.encode() + b"1\ta\t1\n2\t" + CP949 + b"\t1\n",
        ":3: found bytes that are no UTF-8: b'\\xc1\\xc1\\xb4\\xd9\\t1\\n', expected UTF-8 text; this line makes ",
    ),
    "surrogate": (HEADER.encode() + b"1\t\xed\xa0\x80\t1\n", ":2: found bytes that are no UTF-8: b'\\xed\\xa0\\x80"),
    "encoding of the header": (CP949 + b"\tdocument\tlabel\n1\ta\t1\n", ":1: found bytes that are no UTF-8"),
    "empty file": (b"", ": found an empty file, expected a header line with the columns 'document' and 'label'"),
    "header only": (HEADER.encode(), ": found a header line and no rows, expected one row a line below it"),
    "header and empty lines": (HEADER.encode() + b"\n\r\n", ": found a header line and no rows"),
}


@pytest.mark.parametrize("content, message", BAD_TABS.values(), ids=BAD_TABS)
def test_what_is_wrong_with_a_table(tmp_path, content, message):
    path = write(tmp_path, content)
    assert error_of(reviews.read, path, kind=Located).startswith(str(path) + message)


BAD_CSV = {
    "line of the row": ('document,label\n"a\nb\n",1\n"c\n",3\n', ":5: found the label '3'"),
    "columns": ('document,label\n"a\n\n",1\n\nb,1,2\n', ":6: found 3 columns, expected 2"),
    "unclosed": ('document,label\na,1\n"b,1\nc,1\n', ":3: found a quotation mark that is never closed"),
    "unclosed header": ('document,"label\na,1\n', ":1: found a quotation mark that is never closed"),
    "after a quote": ('document,label\n"a"b,1\n', ":2: found broken CSV (',' expected after '\"'), expected"),
    "closed too late": ('document,label\n"a,1\n"b",1\n', ":2: found broken CSV (',' expected after '\"'), expected"),
    "return without quotes": ("document,label\na\rb,1\n", ":2: found broken CSV (new-line character seen in unquoted"),
    "broken header": ('"document"s,label\na,1\n', ":1: found broken CSV"),
    "encoding in a quote": (b'document,label\n"a\n\xff\nb",1\n', ":3: found bytes that are no UTF-8: b'\\xff\\n'"),
    "empty file": ("", ": found an empty file"),
    "mark alone": ("\ufeff", ":1: found an empty line, expected a header line"),
    "header only": ("document,label\n", ": found a header line and no rows"),
    "tabs": (
        "document\tlabel\n",
        ":1: found no comma but 1 tab in the header line, expected columns; --delimiter='\\t'",
    ),
    "semicolons": (
        "id;document;label\n",
        ":1: found no comma but 2 semicolons in the header line, expected columns; --delimiter=';'",
    ),
}


@pytest.mark.parametrize("content, message", BAD_CSV.values(), ids=BAD_CSV)
def test_what_is_wrong_with_a_csv(tmp_path, content, message):
    path = write(tmp_path, content, "reviews.csv")
    limit = csv.field_size_limit()
    assert error_of(reviews.read, path, kind=Located).startswith(str(path) + message)
    assert csv.field_size_limit() == limit


def test_bad_rows_are_skipped_and_counted(tmp_path):
    content = HEADER.encode() + b"1\ta\t1\n2\t\xff\t1\n3\n4\tb\t\n5\tc\td\t0\n\n6\te\t0\n7\tf\t0\n8\tg\t0\n"
    data = reviews.read(write(tmp_path, content), SKIP)
    assert (data.texts, data.labels.tolist(), data.skipped) == (["a", "e", "f", "g"], [1, 0, 0, 0], 4)
    assert data.notes == ("1 of them without a label",)
    content = b'document,label\n"a\n\xff",1\nb,1\n"c"d,1\n\xff"e",x\nf,21\n"g\n",0\nh,1\ni,0\n'
    data = reviews.read(write(tmp_path, content, "x.csv"), SKIP)
    assert (data.texts, data.labels.tolist(), data.skipped) == (["b", "g\n", "h", "i"], [1, 0, 1, 0], 4)


ROWS = "".join("good %d,1\n" % i for i in range(60))


@pytest.mark.parametrize(
    ("bad", "skipped"),
    [
        ('"stray,1\n%sx,"y,1\n', 2),  # the next quotation mark closes the column inside a word
        ('"stray,1\n%s', 1),  # none does
        ('a,"stray\n%sb",c,1\n', 2),  # one does, and the row has four columns
        ('"stray,1\n%s"stray",1"\n', 2),
    ],
)
def test_a_stray_quotation_mark_costs_its_own_line_alone(tmp_path, bad, skipped):
    path = write(tmp_path, "document,label\nfirst,1\n" + bad % ROWS + 'last,0\n"two\nlines",1\n', "x.csv")
    data = reviews.read(path, SKIP)
    assert data.texts == ["first", *("good %d" % i for i in range(60)), "last", "two\nlines"]
    assert data.skipped == skipped
    assert error_of(reviews.read, path).startswith(f"{path}:3: found ")


def test_bad_bytes_behind_a_stray_quotation_mark_are_bad_all_the_same(tmp_path):
    path = write(tmp_path, b'document,label\n"a,1\n\xff,1\nb,1\nb,1\nb,1\n"c"d,1\n', "x.csv")
    data = reviews.read(path, SKIP)
    assert (data.texts, data.skipped) == (["b", "b", "b"], 3)


def test_what_cannot_be_skipped(tmp_path):
    path = write(tmp_path, HEADER + "1\n2\n")
    message = error_of(reviews.read, path, SKIP)
    assert message.startswith(f"{path}:2: found 1 column, and no good row in 2, expected 3")
    assert ":1: found bytes" in error_of(reviews.read, write(tmp_path, b"\xff\tlabel\n"), SKIP)


def test_files_that_cannot_be_opened(tmp_path):
    path = tmp_path / "none.tsv"
    assert error_of(reviews.read, path) == f"{path}: cannot be read (No such file or directory)"
    if os.name == "posix":
        assert error_of(reviews.read, tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = write(tmp_path, HEADER)
    path.chmod(0)
    assert error_of(reviews.read, path) == f"{path}: cannot be read (Permission denied)"


def test_a_folder_below_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path, HEADER + "1\ta\t1\n")
    assert reviews.read("~/reviews.tsv").texts == ["a"]


# Labels


def told_by(skip_bad_rows=False, **labelling):
    return Reading(labelling=Labelling(**labelling), skip_bad_rows=skip_bad_rows)


def table_of(folder, labels, name="mine.csv"):
    rows = "".join(f"글 {number},{label}\n" for number, label in enumerate(labels))
    return write(folder, "document,label\n" + rows, name)


def test_words_and_floats_are_labels(tmp_path):
    labels = ["1.0", "0.", "Negative", " POS ", "긍정", "부정", "neg", "positive"]
    assert reviews.read(table_of(tmp_path, labels)).labels.tolist() == [1, 0, 0, 1, 1, 0, 0, 1]
    how = told_by(labels=("나쁨", "좋음"))
    own = reviews.read(table_of(tmp_path, ["좋음", "나쁨", " 좋음"]), how)
    assert own.labels.tolist() == [1, 0, 1]
    assert own.notes == ("1 labelled 나쁨: negative; 2 labelled 좋음: positive",)
    found = error_of(reviews.read, table_of(tmp_path, ["좋음", "1"]), how)
    assert ":3: found the label '1', expected 나쁨 (negative) or 좋음 (positive), by --labels" in found


def test_ratings_by_a_rule(tmp_path):
    path = table_of(tmp_path, [5, 4, 3, 2, 1, "4.5", "3.0"])
    how = told_by(positive_from=4, negative_to=2)
    data = reviews.read(path, how)
    assert (data.texts, data.labels.tolist()) == (["글 0", "글 1", "글 3", "글 4", "글 5"], [1, 1, 0, 0, 1])
    assert data.notes == ("3 rated 4 or more: positive; 2 rated 2 or less: negative; 2 between them left out",)
    found = error_of(reviews.read, table_of(tmp_path, [5, "별 둘"]), how)
    assert ":3: found the label '별 둘', expected a number, by --positive_from and --negative_to" in found
    found = error_of(reviews.read, table_of(tmp_path, [3, 3]), how)
    assert "found all 2 ratings between the two, expected some of either" in found


@pytest.mark.parametrize("skip_bad_rows", [False, True])
@pytest.mark.parametrize(
    ("labels", "advice"),
    [
        ([1, 1, 1, 5, 3], "are these ratings? --positive_from=4 --negative_to=2 takes"),
        (["1.0"] * 50 + ["2.0"] + ["4.5"], "--positive_from=4 --negative_to=2 takes"),
        ([0, 1] * 30 + [9], "--positive_from=8 --negative_to=4 takes"),
        ([1, -1, 0], "--positive_from=1 --negative_to=-1 takes"),
        ([1, 2, 2, 1], "--labels=1,2 takes 1 as negative and 2 as positive"),
    ],
)
def test_ratings_without_a_rule_stop(tmp_path, labels, advice, skip_bad_rows):
    """Those of one star are no positive reviews, whatever is skipped."""
    found = error_of(reviews.read, table_of(tmp_path, labels), told_by(skip_bad_rows))
    assert ", expected 0 (negative) or 1 (positive); " in found and advice in found


@pytest.mark.parametrize(
    ("labels", "advice"),
    [
        (["별로", "최고", "별로"], ":2: found the label '별로', .*; which is which\\? --labels=별로,최고 takes"),
        (["positive", "별로"], ":3: found the label '별로', .*; which is which\\? --labels=별로,positive takes"),
    ],
)
def test_words_of_ones_own_stop_with_all_that_the_column_holds(tmp_path, labels, advice):
    assert re.search(advice, error_of(reviews.read, table_of(tmp_path, labels)))


def test_a_file_of_which_most_is_bad_stops(tmp_path):
    found = error_of(reviews.read, table_of(tmp_path, [1, 0, "", "x", "x", "y"]), SKIP)
    assert "mine.csv:5: found the label 'x', and 3 bad rows of 5, expected 0 (negative) or 1 (positive)" in found
    assert found.endswith("; most rows have to be good, even with --skip_bad_rows")
    assert reviews.read(table_of(tmp_path, [1, 0, "x", "y"]), SKIP).skipped == 2
    found = error_of(reviews.read, table_of(tmp_path, ["good", "bad", "good"]), SKIP)
    assert "and no good row in 3, expected 0 (negative) or 1 (positive); which is which? --labels=bad,good" in found


def test_a_table_may_be_labelled_in_part(tmp_path):
    data = reviews.read(table_of(tmp_path, ["", 1, 0, *[""] * 20, "x"]), SKIP)
    assert (data.texts, data.skipped, data.notes) == (["글 1", "글 2"], 22, ("21 of them without a label",))
    found = error_of(reviews.read, table_of(tmp_path, ["", ""]), SKIP)
    assert found.endswith("mine.csv:2: found the label '', and no good row in 2, expected 0 (negative) or 1 (positive)")


def test_a_table_of_which_no_row_has_a_text_stops(tmp_path):
    path = write(tmp_path, HEADER + "1\t\t1\n2\t \t0\n")
    assert reviews.read(path).texts == ["", " "]
    assert error_of(reviews.read, path, Reading(skip_empty=True)).endswith(
        ": found 2 rows, none with a text, expected texts; see --text_column"
    )


def test_more_classes_and_ratings(tmp_path):
    path = table_of(tmp_path, ["중립", "불만", "칭찬 ", "", "불만"])
    own = reviews.read(path, told_by(True, labels=("불만", "중립", "칭찬")))
    assert (own.labels.tolist(), own.classes.names) == ([1, 0, 2, 0], ("불만", "중립", "칭찬"))
    assert own.notes == ("1 of them without a label", "reviews of each class: 불만 2, 중립 1, 칭찬 1")
    found = error_of(reviews.read, path, told_by(labels=("불만", "중립", "문의")))
    assert ":4: found the label '칭찬 ', expected one of 불만, 중립, 문의, as --labels or the model names them" in found
    every = reviews.read(path, told_by(True, labels=(ALL,)))
    assert (every.labels.tolist(), every.classes) == (own.labels.tolist(), own.classes)
    found = error_of(reviews.read, path, told_by(labels=(ALL,)))
    assert ":5: found the label '', expected a label; --skip_bad_rows" in found
    stars = reviews.read(table_of(tmp_path, [5, 1, "3.0"]), told_by(ratings="1:5"))
    assert (stars.labels.tolist(), stars.classes.values) == ([4, 0, 2], (1, 2, 3, 4, 5))
    assert stars.notes == ("reviews of each rating: 1 1, 2 0, 3 1, 4 0, 5 1",)
    found = error_of(reviews.read, table_of(tmp_path, [5, 7]), told_by(ratings="1:5"))
    assert ":3: found the label '7', expected one of the ratings from 1 to 5, by --ratings" in found


def test_labels_found_are_those_of_0_and_1_where_they_are_those(tmp_path):
    data = reviews.read(table_of(tmp_path, ["1", "0.0", "1.0"]), told_by(labels=(ALL,)))
    assert (data.labels.tolist(), data.classes, data.notes) == ([1, 0, 1], SENTIMENT, ())
    path = table_of(tmp_path, [f"{number}번" for number in range(101)])
    found = error_of(reviews.read, path, told_by(labels=(ALL,)))
    assert ":102: found a label more than 100 different ones, expected one of few classes; see --label_column" in found


def test_the_middle_of_a_rule_may_be_a_class(tmp_path):
    path = table_of(tmp_path, [5, 4, 3, 2, 1, "4.5", "3.0"])
    data = reviews.read(path, told_by(positive_from=4, negative_to=2, middle="class"))
    assert (len(data), data.labels.tolist()) == (7, [2, 2, 1, 0, 0, 2, 1])
    assert data.notes == ("3 rated 4 or more: positive; 2 rated 2 or less: negative; 2 between them: neutral",)


def test_contradictions(tmp_path):
    path = write(tmp_path, "document,label\na,1\nb,0\na,0\na,1\nb,0\nc,0\nc,1\n", "mine.csv")
    assert reviews.contradictions(reviews.read(path)) == (2, 5)


def test_a_text_whose_syllables_are_taken_apart_is_the_same_text(tmp_path):
    """macOS writes them so, and the tokenizer that ships puts them together."""
    texts = [f"좋다 {number}" for number in range(10)]
    apart = [unicodedata.normalize("NFD", text) for text in texts]
    rows = "".join(f"{text},1\n{other},0\n" for text, other in zip(texts, apart))
    both = reviews.read(write(tmp_path, f"document,label\n{rows}", "mine.csv"))
    assert both.texts[1::2] == apart and len(set(both.texts)) == 20
    assert reviews.contradictions(both) == (10, 20)
    assert not reviews.unseen(apart, texts).any() and not reviews.unseen(texts, apart).any()
    for labels in (None, both.labels):
        train, validation = reviews.split(both.texts, 0.3, 0, labels)
        assert set(train // 2).isdisjoint(validation // 2)
    fold = reviews.folds(both.texts, 3, 0, both.labels)
    assert (fold[::2] == fold[1::2]).all()


def test_the_sheet_that_was_chosen_is_said(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (("document", "label"), ("좋다", 1), ("싫다", 0)):
        book.active.append(row)
    book.create_sheet("지난달").append(["text"])
    book.save(tmp_path / "mine.xlsx")
    data = reviews.read(tmp_path / "mine.xlsx")
    assert (data.texts, data.labels.tolist()) == (["좋다", "싫다"], [1, 0])
    assert data.notes == ("the sheet Sheet is read, which alone has the columns; not read: 지난달",)
    named = reviews.read(tmp_path / "mine.xlsx", Reading(layout=Layout(sheet="1")))
    assert (named.notes, named.sha1) == ((), data.sha1)
    assert "found one column, text, expected a text and a label; " in error_of(
        reviews.read, tmp_path / "mine.xlsx", Reading(layout=Layout(sheet="2"))
    )


def test_several_files_are_read_as_one(tmp_path):
    parts = [table_of(tmp_path, labels, f"part-{number}.csv") for number, labels in enumerate(([1, 0], [0]))]
    for path in (f"{tmp_path}/part-*.csv", ",".join(map(str, parts))):
        data = reviews.read(path)
        assert (data.texts, data.labels.tolist()) == (["글 0", "글 1", "글 0"], [1, 0, 0])
        assert data.sha1 == hashlib.sha1(parts[0].read_bytes() + parts[1].read_bytes()).hexdigest()


def test_quotation_marks_between_tabs_are_said(tmp_path):
    path = write(tmp_path, 'document\tlabel\n"a ""b"""\t1\n"c"\t0\n' + '"d ""e"""\t1\n' * 3)
    data = reviews.read(path)
    assert data.texts[0] == '"a ""b"""' and data.notes == (
        "quotation marks around columns, as in 5 of the first 5 rows, are taken as text; --input_format=csv "
        "--delimiter='\\t' reads them as quoting",
    )
    data = reviews.read(path, Reading(layout=Layout("csv", "\t")))
    assert (data.texts, data.notes) == (['a "b"', "c", *['d "e"'] * 3], ())
    path = write(tmp_path, 'document\tlabel\n"그는 ""최고""라 했다"\t1\n"두\n줄"\t1\n보통\t0\n좋다\t1\n')
    assert "--input_format=csv" in "".join(reviews.read(path, SKIP).notes)


# Splits


def test_split_holds_out_the_share_and_only_that():
    train, validation = reviews.split(["review %d" % i for i in range(30)], 0.1, seed=0)
    assert (train.dtype, validation.dtype, len(validation)) == (np.int64, np.int64, 3)
    assert sorted([*train, *validation]) == list(range(30))
    assert train.tolist() == sorted(train) and validation.tolist() == sorted(validation)


def test_split_depends_on_the_seed_alone():
    texts = ["review %d" % i for i in range(100)]
    first, again, other = (reviews.split(texts, 0.2, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


@given(
    st.lists(st.sampled_from("가나다라마바사아자차"), min_size=2, max_size=40), st.floats(0.01, 0.99), st.integers(0, 9)
)
@settings(max_examples=200, deadline=None)
def test_copies_of_a_text_stay_together(texts, share, seed):
    if len(set(texts)) < 2:
        with pytest.raises(UserError):
            reviews.split(texts, share, seed)
        return
    train, validation = reviews.split(texts, share, seed)
    assert sorted([*train, *validation]) == list(range(len(texts))) and len(train) and len(validation)
    train_texts, validation_texts = ({texts[i] for i in rows} for rows in (train, validation))
    assert not train_texts & validation_texts
    target = min(max(round(share * len(texts)), 1), len(texts) - 1)
    rarest = min(map(texts.count, train_texts | validation_texts))
    if rarest > target:
        assert len(validation) == rarest
    else:
        # no other text would have fitted
        assert len(validation) <= target < len(validation) + min(map(texts.count, train_texts))


def test_a_split_by_labels_keeps_their_shares():
    labels = [0] * 70 + [1] * 25 + [2] * 4 + [3]
    texts = [f"글 {number}" for number in range(100)]
    for seed in range(20):
        train, validation = reviews.split(texts, 0.1, seed, labels)
        assert sorted([*train, *validation]) == list(range(100))
        # a tenth of 70; of 25 two or three; of four one, where rounding would leave it out; of one text none
        held_out = np.bincount([labels[row] for row in validation], minlength=4).tolist()
        assert held_out in ([7, 2, 1, 0], [7, 3, 1, 0])
    assert (
        reviews.split(texts, 0.1, 3, labels)[1].tolist() == reviews.split(texts, 0.1, 3, np.array(labels))[1].tolist()
    )


def test_what_rounding_leaves_over_goes_where_it_took_most():
    """Of 14, 13 and 3 a quarter is 3.5, 3.25 and 0.75, together 7.5; and rows are counted, not texts."""
    labels = [0] * 14 + [1] * 13 + [2] * 3
    held_out = reviews.split([f"글 {number}" for number in range(30)], 0.25, 0, labels)[1]
    assert np.bincount(np.array(labels)[held_out]).tolist() == [4, 3, 1]
    copied = [f"글 {number // 5 if number < 20 else number}" for number in range(40)]
    held_out = reviews.split(copied, 0.5, 0, [0] * 20 + [1] * 20)[1]
    assert (np.sum(held_out < 20), np.sum(held_out >= 20)) == (10, 10)


labelled = st.lists(st.tuples(st.sampled_from("가나다라마바사아자차"), st.integers(0, 2)), min_size=2, max_size=40)


@given(labelled, st.floats(0.01, 0.99), st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_of_every_class_some_is_held_out_and_some_is_not(rows, share, seed):
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    if len(set(texts)) < 2:
        return
    train, validation = reviews.split(texts, share, seed, labels)
    assert sorted([*train, *validation]) == list(range(len(texts))) and len(train) and len(validation)
    assert not {texts[row] for row in train} & {texts[row] for row in validation}
    first = dict(reversed(rows))  # of each text
    for label in range(3):
        if sum(of == label for of in first.values()) > 1:
            for part in (train, validation):
                assert any(first[texts[row]] == label for row in part)


@given(labelled, st.integers(2, 6), st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_folds_share_out_every_class(rows, count, seed):
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    if len(set(texts)) < max(count, 2):
        assert "different" in error_of(reviews.folds, texts, count, seed, labels)
        return
    fold = reviews.folds(texts, count, seed, labels)
    assert fold.shape == (len(texts),) and set(fold.tolist()) <= set(range(count))
    assert all(len(set(fold[np.array(texts) == text].tolist())) == 1 for text in texts)
    first = dict(reversed(rows))
    for label in range(3):
        of_class = [text for text in first if first[text] == label]
        where = [fold[texts.index(text)] for text in of_class]
        assert len(of_class) < 2 or len(set(where)) > 1
        if len(of_class) == sum(first[text] == label for text in texts):  # no copies
            counts = np.bincount(where, minlength=count)
            assert counts.max() - counts.min() <= 1


def test_folds_of_a_table_are_alike_and_depend_on_the_seed():
    labels = np.arange(1250) % 2
    texts = [f"글 {number}" for number in range(1250)]
    fold = reviews.folds(texts, 5, 0, labels)
    assert [np.bincount(labels[fold == number]).tolist() for number in range(5)] == [[125, 125]] * 5
    assert (fold == reviews.folds(texts, 5, 0, labels)).all() and (fold != reviews.folds(texts, 5, 1, labels)).any()
    assert "found 1 folds, expected 2 or more" in error_of(reviews.folds, texts, 1, 0, labels)


def test_split_at_the_edges():
    assert [len(rows) for rows in reviews.split(["a", "b", "c"], 0.01, 0)] == [2, 1]
    assert [len(rows) for rows in reviews.split(["a", "b", "c"], 0.99, 0)] == [1, 2]
    train, validation = reviews.split(["a"] * 9 + ["b"] * 7, 0.1, 0)
    assert (train.tolist(), validation.tolist()) == (list(range(9)), list(range(9, 16)))


def test_splits_that_cannot_be():
    for share in (0, 1, -0.5, 1.5, float("nan")):
        assert f"found {share} as the share" in error_of(reviews.split, ["a", "b"], share, 0)
    assert "found 1 review, expected at least 2" in error_of(reviews.split, ["a"], 0.5, 0)
    assert "found 0 reviews, expected at least 2" in error_of(reviews.split, [], 0.5, 0)
    assert "found the same text 3 times" in error_of(reviews.split, ["a"] * 3, 0.5, 0)
    assert "found -1 as the seed" in error_of(reviews.split, ["a", "b"], 0.5, -1)


def test_unseen():
    found = reviews.unseen(["굿", "굿 ", "", "최고"], ["최고", "굿", "굿"])
    assert found.dtype == bool and found.tolist() == [False, True, True, False]
    assert reviews.unseen([], ["a"]).shape == (0,)


# The bundled sample, and NSMC itself


def test_the_bundled_sample():
    train, test = reviews.sample()
    assert len(train) >= 600 and len(test) >= 200
    texts = train.texts + test.texts
    assert len(set(texts)) == len(texts), "a text comes twice"
    assert all(text.strip() for text in texts)
    for part in (train, test):
        assert abs(part.labels.mean() - 0.5) <= 0.05


@pytest.fixture(scope="module")
def real_nsmc(data_dir):
    return [reviews.read(data_dir / "nsmc" / name) for name in nsmc.NSMC_FILES]


def test_nsmc_as_published(real_nsmc, data_dir):
    train, test = real_nsmc
    assert (len(train), len(test)) == (150_000, 50_000)
    assert train.notes == test.notes == ()
    assert (train.texts.count(""), test.texts.count("")) == (5, 3)
    assert (train.labels.sum(), test.labels.sum()) == (74_827, 25_173)
    assert train.sha1 == "d2333f3cd62d72e6e0a954d7c1a714d9875bc488"
    assert test.sha1 == "65563ba0dabbf739dfc48eb22280fd4f1fcb7108"
    lines = []
    assert nsmc.find_nsmc(data_dir / "nsmc", log=lines.append) == (train.path, test.path) and not lines


def test_nsmc_test_reviews_that_stand_in_train(real_nsmc):
    train, test = real_nsmc
    seen = [text for text, new in zip(test.texts, reviews.unseen(test.texts, train.texts)) if not new]
    # the 1,568 that are counted elsewhere have words
    assert (len(seen), len([text for text in seen if text])) == (1_571, 1_568)


def test_the_split_of_nsmc_stays_what_it_was(real_nsmc):
    # figures in the documentation are of this split
    train, validation = reviews.split(real_nsmc[0].texts, 0.1, seed=0)
    assert (len(train), len(validation)) == (135_000, 15_000)
    assert hashlib.sha256(validation.astype("<i8").tobytes()).hexdigest()[:16] == "d0f5996f2d422e1e"
