"""nsmc_bert.data.columns: the columns that are meant, and what is proposed where none has the name."""

import json
import unicodedata

import pytest

from nsmc_bert.data import columns
from nsmc_bert.data.rows import text_at
from nsmc_bert.data.tables import Layout, Table
from tests.nsmc_bert.data.make import ORDERS, locate, read, read_sheet
from tests.nsmc_bert.data.test_reviews import error_of, write


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
        at = columns.locate(table, {"--text_column": ("리뷰", "text")})
        told = [text_at(row, at[0], table.columns[at[0]]) for row in table]
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
