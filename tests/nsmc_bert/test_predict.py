"""The predict command: every form of input and output gives the library's probabilities."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

REVIEWS = ["이 영화 엄청 재미있네요", "", '쓰레기\t같은 "영화"', "ㅋㅋㅋ 😂"]


@pytest.fixture(scope="module")
def model(trained):
    return trained[0] / "model"


@pytest.fixture(scope="module")
def expected(model):
    import nsmc_bert

    return nsmc_bert.load(model).predict(REVIEWS)


def test_text_is_shown_as_on_the_slide(command, model, expected):
    result = command("predict", f"--model={model}", "--text", REVIEWS[0], "--text=" + REVIEWS[3])
    assert (result.returncode, result.stderr) == (0, "")
    for line, row, text in zip(result.stdout.split("\n"), expected[[0, 3]], (REVIEWS[0], REVIEWS[3])):
        words = ["negative 부정", "positive 긍정"][row.argmax()]
        assert line == "[[{:.3f}, {:.3f}]]  {}  {}".format(*row, words, text)


def test_each_word_is_shown_with_what_it_adds(command, model, expected):
    import nsmc_bert

    result = command("predict", f"--model={model}", "--explain", "--output=jsonl", "--text", REVIEWS[0])
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    words = nsmc_bert.load(model).explain(REVIEWS[0]).words
    assert [word["text"] for word in row["explanation"]["words"]] == REVIEWS[0].split()
    added = [word["added"] for word in row["explanation"]["words"]]
    np.testing.assert_allclose(added, [word.added for word in words], atol=1e-3)
    result = command("predict", f"--model={model}", "--explain", "--text", REVIEWS[0])
    line, explained = result.stdout.splitlines()
    assert REVIEWS[0] in line
    shown = re.findall(r"  (\S+) ([-+]\d+\.\d\d)(?=  |$)", explained.partition("(all hidden)")[2])
    assert [word for word, _ in shown] == REVIEWS[0].split()
    np.testing.assert_allclose([float(value) for _, value in shown], added, atol=0.011)
    result = command("predict", f"--model={model}", "--explain", "--output=csv", "--text=a")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr == "error: --explain: expected --output=text, which prints, or --output=jsonl\n"


def test_each_word_of_a_table_is_explained_where_there_is_room(command, model, tmp_path):
    (tmp_path / "in.csv").write_text(f"explanation,리뷰\n없음,{REVIEWS[0]}\n", encoding="utf-8")
    arguments = (f"--model={model}", "--explain", "--input=in.csv", "--text_column=리뷰")
    result = command("predict", *arguments, "--output=jsonl", cwd=tmp_path)
    row = json.loads(result.stdout)
    assert list(row)[:3] == ["explanation", "리뷰", "predicted_label"] and row["explanation"] == "없음"
    assert [word["text"] for word in row["predicted_explanation"]["words"]] == REVIEWS[0].split()
    result = command("predict", *arguments, cwd=tmp_path)
    assert result.stderr == "error: --explain: of a table expected --output=text, which prints, or --output=jsonl\n"


def test_json_lines_from_a_pipe(command, model, expected):
    result = command("predict", f"--model={model}", "--output=jsonl", input="\n".join(REVIEWS) + "\n")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["text"] for row in rows] == REVIEWS
    actual = [[row["probabilities"]["negative"], row["probabilities"]["positive"]] for row in rows]
    np.testing.assert_allclose(actual, expected, atol=2e-6)
    assert [row["label"] for row in rows] == [("negative", "positive")[i] for i in expected.argmax(1)]
    assert result.stderr.startswith("1 review holds nothing that the model knows, ")
    assert result.stderr.endswith(": what it says of it means nothing\n")


def test_columns_from_two_files_chunk_by_chunk(command, model, expected, tmp_path):
    for name, reviews in (("in.txt", REVIEWS[:1]), ("more.txt", REVIEWS[1:])):
        (tmp_path / name).write_text("\r\n".join(reviews), encoding="utf-8")
    arguments = ("--input=in.txt", "--input=more.txt", "--output=tsv", "--chunk=3")
    result = command("predict", f"--model={model}", *arguments, cwd=tmp_path)
    header, *rows = [line.split("\t") for line in result.stdout.rstrip("\n").split("\n")]
    assert header == ["label", "negative", "positive", "text"]
    np.testing.assert_allclose([[float(row[1]), float(row[2])] for row in rows], expected, atol=2e-6)
    assert rows[2][3] == '쓰레기 같은 "영화"'


def test_a_long_review_is_cut_and_said_so(command, model):
    result = command("predict", f"--model={model}", input="영화 " * 100_000 + "\n\ud800 짧다\n")
    assert result.returncode == 1  # a lone surrogate is no UTF-8 in a file
    assert re.match(r"error: standard input:2: found bytes that are no UTF-8", result.stderr)
    result = command("predict", f"--model={model}", input="영화 " * 100_000 + "\n짧다\n")
    assert result.returncode == 0
    assert result.stderr == "1 review longer than 62 pieces: only its beginning was read\n"
    assert len(result.stdout.split("\n")) == 3


def test_a_reader_that_has_seen_enough_ends_it_quietly(model, tmp_path):
    (tmp_path / "in.txt").write_text("재미있다\n" * 20_000, encoding="utf-8")
    script = f"{sys.executable} -m nsmc_bert.predict --model={model} --input=in.txt --chunk=64 | head -1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1


def test_a_terminal_that_cannot_say_it(command, model):
    result = command("predict", f"--model={model}", "--text=ㅋㅋ 😂", env={"PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("\\u314b\\u314b \\U0001f602\n")


def test_nothing_in_nothing_out(command, model):
    result = command("predict", f"--model={model}", input="")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "found no review\n")


def test_reviews_in_which_nothing_is_known_are_counted(command, model):
    result = command("predict", f"--model={model}", input="좋아요\n\n💩\n \n")
    assert len(result.stdout.splitlines()) == 4
    assert (
        result.stderr
        == "3 reviews hold nothing that the model knows, such as no text: what it says of them means nothing\n"
    )


def test_what_is_read_is_not_written_over(command, model, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text\n좋아요\n", encoding="utf-8")
    result = command(
        "predict",
        f"--model={model}",
        "--input=reviews.csv",
        "--text_column=text",
        "--output=./reviews.csv",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (
        1,
        "error: --output=./reviews.csv: found one of the files that are read, expected another name\n",
    )
    assert path.read_text(encoding="utf-8") == "text\n좋아요\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text=a", "--input=b"], "error: found both --text and --input, expected one of them"),
        (
            ["--input=/dev/null", "--input=nowhere.txt"],
            "error: --input=nowhere.txt: cannot be read (No such file or directory)",
        ),
        (
            ["--model=nowhere/at/all", "--text=a"],
            "error: nowhere/at/all: found no such folder, expected a Hugging Face folder or hub name",
        ),
        (
            ["--text=a", "--output=xml"],
            "error: --output=xml: expected text, tsv, csv or jsonl to print, or a file that ends in .csv, .tsv, "
            ".jsonl, .parquet or .xlsx",
        ),
        (["--text=a", "--text_column=b"], "error: found both --text and --text_column, expected one of them"),
        (
            ["--text_column=b"],
            "error: standard input: found no name that tells its format, expected --input_format=csv, tsv or jsonl",
        ),
        (["--encoding=x"], "error: --encoding=x: expected one of utf-8, utf-16, utf-16-le, utf-16-be, cp949, euc-kr"),
        (["--input=*.none"], "error: *.none: found no file that fits, expected one or more"),
        (
            ["a"],
            "error: a: found an argument without a flag, expected --flag=value (did you mean --text=a?); see --help",
        ),
    ],
)
def test_bad_input_is_one_line(command, model, arguments, message):
    result = command("predict", *(argument.replace("MODEL", str(model)) for argument in arguments))
    assert (result.returncode, result.stderr, result.stdout) == (1, message + "\n", "")


# Tables

ORDERS = 'id,리뷰,빈\r\n007,"이 영화 엄청, ""재미있네요""",\r\n008,"쓰레기\n같은",x\r\n'


def rows_of(text, delimiter=","):
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.fixture
def orders(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8", newline="")
    return tmp_path


def test_a_table_keeps_its_columns(command, model, orders):
    import nsmc_bert

    result = command("predict", f"--model={model}", "--input=orders.csv", "--text_column=리뷰", cwd=orders)
    assert (result.returncode, result.stderr) == (0, "")
    header, *rows = rows_of(result.stdout)
    assert header == ["id", "리뷰", "빈", "label", "negative", "positive"]
    assert [row[:3] for row in rows] == rows_of(ORDERS)[1:]
    expected = nsmc_bert.load(model).predict([row[1] for row in rows])
    np.testing.assert_allclose([[float(value) for value in row[4:]] for row in rows], expected, atol=2e-6)
    assert [row[3] for row in rows] == [("negative", "positive")[i] for i in expected.argmax(1)]


def test_a_table_without_a_named_column_is_not_read_as_lines(command, model, orders):
    result = command("predict", f"--model={model}", "--input=orders.csv", cwd=orders)
    message = "error: orders.csv:1: found the columns id, 리뷰, 빈; which is the text? --text_column=리뷰\n"
    assert (result.returncode, result.stderr, result.stdout) == (1, message, "")
    os.rename(orders / "orders.csv", orders / "orders.txt")
    (orders / "bad.txt").write_bytes("좋다\n".encode() + b"\xff\n")
    (orders / "tabs.txt").write_text("5\t좋다\n1\t싫다\n", encoding="utf-8")
    arguments = ["--input=orders.txt", "--input=tabs.txt", "--input=bad.txt"]
    result = command("predict", f"--model={model}", *arguments, "--skip_bad_rows", cwd=orders)
    assert (result.returncode, result.stdout.count("\n")) == (0, ORDERS.count("\n") + 2 + 1)
    # lines with tabs are read, but it is said that they are rather a table's; of bad ones how many there were
    assert result.stderr == (
        "WARNING: tabs.txt: found 1 tab in each of the first 2 lines, expected one text a line; "
        "--text_column=NAME names a table's column of the text, blanks for tabs make lines of it\n1 bad row skipped\n"
    )
    result = command("predict", f"--model={model}", input="id\tdocument\tlabel\n1\t좋다\t1\n")
    assert (result.returncode, result.stdout) == (1, "")
    assert "standard input:1: found the line 'id\\tdocument\\tlabel', expected one text a line" in result.stderr


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_what_is_written_is_a_table_again_and_can_be_trained_on(command, model, orders, tiny_config, ending):
    if ending in ("parquet", "xlsx"):
        pytest.importorskip("pyarrow" if ending == "parquet" else "openpyxl")
    from nsmc_bert.data import reviews

    reviews_of = [f"영화 {number} 엄청 {'재미' if number % 3 else '쓰레기'}" for number in range(40)]
    table = "id,리뷰\n" + "".join(f"{number:03},{text}\n" for number, text in enumerate(reviews_of))
    (orders / "many.csv").write_text(table, encoding="utf-8")
    arguments = ["--input=many.csv", "--text_column=리뷰", f"--output=out/result.{ending}", "--chunk=7"]
    result = command("predict", f"--model={model}", *arguments, cwd=orders)
    assert (result.returncode, result.stderr, result.stdout) == (0, f"wrote out/result.{ending}\n", "")
    assert os.listdir(orders / "out") == [f"result.{ending}"]
    again = reviews.read(orders / "out" / f"result.{ending}", reviews.Reading("리뷰"))
    assert again.texts == reviews_of
    # and what was written is a table to predict on, whose own columns stay
    arguments = [f"--input=out/result.{ending}", "--text_column=리뷰", "--output=csv"]
    result = command("predict", f"--model={model}", *arguments, cwd=orders)
    header, *rows = rows_of(result.stdout)
    assert header[2:] == [
        *("label", "negative", "positive"),
        *("predicted_label", "predicted_negative", "predicted_positive"),
    ]
    assert [[row[2], float(row[3]), float(row[4])] for row in rows] == [
        [row[5], float(row[6]), float(row[7])] for row in rows
    ]
    assert [row[0] for row in rows] == [f"{number:03}" for number in range(40)]
    assert "has a column label: added are predicted_label, predicted_negative, predicted_positive" in result.stderr


def test_tables_from_a_pattern_and_a_pipe(command, model, orders):
    (orders / "more.csv").write_text("id,리뷰,빈\n009,최고,y\n", encoding="utf-8")
    result = command("predict", f"--model={model}", "--input=*.csv", "--text_column=리뷰", "--output=jsonl", cwd=orders)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["009", "007", "008"]
    piped = ["--input_format=jsonl", "--text_column=리뷰", "--output=tsv"]
    result = command("predict", f"--model={model}", *piped, input='{"리뷰": "최고", "n": 1.50}\n')
    assert result.stdout.split("\n")[0] == "리뷰\tn\tlabel\tnegative\tpositive"
    (orders / "more.csv").write_text("id,글\n009,최고\n", encoding="utf-8")
    arguments = ["--input=orders.csv", "--input=more.csv", "--text_column=리뷰"]
    result = command("predict", f"--model={model}", *arguments, cwd=orders)
    assert "more.csv:1: found the columns id, 글, none of them '리뷰'; which is the text?" in result.stderr


def test_json_lines_of_several_shapes_stay(command, model, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"글": "최고", "n": 1.50}\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"x": [1], "글": "최악"}\n', encoding="utf-8")
    result = command("predict", f"--model={model}", "--input=?.jsonl", "--text_column=글", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith('{"글": "최고", "n": 1.50, "label": "')
    assert second.startswith('{"x": [1], "글": "최악", "label": "')


def test_json_lines_that_no_columns_hold(command, model, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"글": "최고"}\n', encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(
        '{"글": "최악"}\n{"글": "좋다", "n": 1}\n{"글": "", "label": 2}\n', encoding="utf-8"
    )
    arguments = ["--input=?.jsonl", "--text_column=글"]
    result = command("predict", f"--model={model}", *arguments, "--output=csv", cwd=tmp_path)
    assert result.stderr == (
        "error: b.jsonl:2: found n, which the first line's object has not, expected the same names in each; "
        "--output=jsonl keeps what each has\n"
    )
    result = command("predict", f"--model={model}", *arguments, cwd=tmp_path)
    assert result.stderr == (
        "error: b.jsonl:3: found label, which the first line's object has not, expected no such name; name it anew\n"
    )
    result = command("predict", f"--model={model}", *arguments, "--output=csv", "--skip_bad_rows", cwd=tmp_path)
    assert (len(rows_of(result.stdout)), result.stderr) == (3, "2 bad rows skipped\n")


def test_a_bad_row_leaves_the_old_file(command, model, orders):
    (orders / "orders.csv").write_text(ORDERS + "009\n", encoding="utf-8", newline="")
    (orders / "result.xlsx").write_text("old")
    for name in ("result.csv", "result.xlsx"):
        if name == "result.xlsx":
            pytest.importorskip("openpyxl")
        arguments = ["--input=orders.csv", "--text_column=리뷰", f"--output={name}", "--chunk=1"]
        result = command("predict", f"--model={model}", *arguments, cwd=orders)
        message = "error: orders.csv:5: found 1 column, expected 3 as in the header line ['id', '리뷰', '빈']\n"
        assert (result.returncode, result.stderr) == (1, message)
        assert sorted(os.listdir(orders)) == ["orders.csv", "result.xlsx"]
    assert (orders / "result.xlsx").read_text() == "old"
    arguments = ["--input=orders.csv", "--text_column=리뷰", "--skip_bad_rows"]
    result = command("predict", f"--model={model}", *arguments, cwd=orders)
    assert (result.returncode, result.stderr, len(rows_of(result.stdout))) == (0, "1 bad row skipped\n", 3)


def test_reviews_without_a_table_as_csv(command, model, tmp_path):
    result = command("predict", f"--model={model}", "--output=csv", input='a, "b"\n')
    header, row = rows_of(result.stdout)
    assert (header, row[3]) == (["label", "negative", "positive", "text"], 'a, "b"')
    result = command("predict", f"--model={model}", "--output=r.csv", input='a, "b"\n', cwd=tmp_path)
    assert rows_of((tmp_path / "r.csv").read_text(encoding="utf-8")) == [header, row]
    result = command("predict", f"--model={model}", "--output=jsonl", input="a\n")
    command("predict", f"--model={model}", "--output=r.jsonl", input="a\n", cwd=tmp_path)
    assert (tmp_path / "r.jsonl").read_text(encoding="utf-8") == result.stdout


def test_reviews_in_other_encodings(command, model, tmp_path):
    (tmp_path / "a.txt").write_bytes("재미있다\r\n".encode("utf-16"))
    (tmp_path / "b.txt").write_bytes("재미있다\n".encode("cp949"))
    (tmp_path / "c.csv").write_bytes("id,글\r\n1,재미있다\r\n".encode("cp949"))
    for arguments in (["--input=a.txt"], ["--input=b.txt", "--encoding=cp949"]):
        result = command("predict", f"--model={model}", *arguments, cwd=tmp_path)
        assert result.stdout.endswith("재미있다\n"), result.stderr
    result = command("predict", f"--model={model}", "--input=b.txt", cwd=tmp_path)
    assert result.stderr.endswith("this line makes sense as CP949: --encoding=cp949\n")
    result = command(
        "predict", f"--model={model}", "--input=c.csv", "--text_column=글", "--encoding=cp949", cwd=tmp_path
    )
    assert result.stdout.startswith("\ufeffid,글,label,negative,positive\n1,재미있다,"), result.stderr


@pytest.mark.parametrize(
    ("header", "arguments", "message"),
    [
        (
            "id,글",
            ["--text_column=리뷰"],
            "in.csv:1: found the columns id, 글, none of them '리뷰'; which is the text? ",
        ),
        (
            "label,글,predicted_label",
            ["--text_column=글"],
            "in.csv:1: found the columns label and predicted_label, exp",
        ),
        (
            "id,글",
            ["--text_column=글", "--output=r.pdf"],
            "--output=r.pdf: expected text, tsv, csv or jsonl to print, ",
        ),
        ("id,글", ["--text_column=글", "--output=.csv"], "--output=.csv: expected text, tsv, csv or jsonl to print, "),
        (
            "id;글",
            ["--text_column=글"],
            "in.csv:1: found no comma but 1 semicolon in the header line, expected columns;",
        ),
    ],
)
def test_what_is_wrong_with_a_table(command, model, tmp_path, header, arguments, message):
    (tmp_path / "in.csv").write_text(header + "\n", encoding="utf-8")
    result = command("predict", f"--model={model}", "--input=in.csv", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: " + message) and result.stderr.count("\n") == 1


def test_a_workbook_is_not_printed(command, model, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["글"])
    book.save(tmp_path / "주문.xlsx")
    result = command("predict", f"--model={model}", "--input=주문.xlsx", "--text_column=글", cwd=tmp_path)
    assert result.stderr == (
        "error: 주문.xlsx: found a format that cannot be printed, expected a file to write: "
        "--output=주문.labelled.xlsx, or --output=csv\n"
    )
    book.active.append(["좋다"])
    book.create_sheet("설정").append(["값"])
    book.save(tmp_path / "주문.xlsx")
    arguments = [f"--model={model}", "--input=주문.xlsx", "--text_column=글", "--output=csv"]
    result = command("predict", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout.split(",")[:1]) == (0, ["글"])
    assert "주문.xlsx: the sheet Sheet is read, which alone has the columns; not read: 설정\n" in result.stderr
    result = command("predict", *arguments, "--sheet=설정", cwd=tmp_path)
    assert "found the columns 값, none of them '글'" in result.stderr


def test_an_encoder_without_a_classifier_is_refused(command, model, tmp_path):
    from safetensors.numpy import load_file, save_file

    weights = load_file(model / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "classifier" not in k}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((model / "config.json").read_text())
    result = command("predict", f"--model={tmp_path}", "--text=a")
    assert result.returncode == 1
    assert "found an encoder without a two-class classifier" in result.stderr
