"""probing.records: JSON lines in and out, and what is wrong with them."""

import gzip
import json
import lzma
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base.errors import Located, UserError
from probing import records
from probing.records import Record, Target

TEXT = "The important thing about Disney is that it is a global brand ."
# the examples of the published paper: task, text, span1, span2, label
EXAMPLES = [
    ("pos", TEXT, [11, 12], None, "NN"),
    ("constituents", TEXT, [8, 12], None, "VP"),
    ("dep", "Atmosphere is always fun", [0, 1], [3, 4], "nsubj"),
    ("entities", TEXT, [4, 5], None, "ORG"),
    ("srl", TEXT, [5, 6], [0, 5], "ARG1"),
    ("spr1", "It endorsed the White House strategy", [1, 2], [0, 1], ["awareness", "existed_after"]),
    ("coref", TEXT, [4, 5], [7, 8], "1"),
    ("dpr", "Characters entertain audiences because they want people to be happy .", [4, 5], [0, 1], "entailed"),
    ("rel", "The burst has been caused by water hammer pressure.", [1, 2], [8, 9], "Cause-Effect(e2,e1)"),
]


def save(folder, *entries, name="x.jsonl"):
    path = folder / name
    text = "".join(
        (entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)) + "\n" for entry in entries
    )
    path.write_bytes(text.encode())
    return path


def read(folder, *entries, spans=1, labels=None):
    return list(records.read(save(folder, *entries), spans, labels))


def error_of(folder, *entries, spans=1, labels=None):
    with pytest.raises(Located) as caught:
        read(folder, *entries, spans=spans, labels=labels)
    return str(caught.value)[len(str(folder)) + 1 :]


def one(text="a b c", **target):
    return {"text": text, "info": {}, "targets": [target]}


# Reading


@pytest.mark.parametrize(
    ("task", "text", "span1", "span2", "label"), EXAMPLES, ids=[example[0] for example in EXAMPLES]
)
def test_the_published_examples(tmp_path, task, text, span1, span2, label):
    from probing.tasks import TASKS

    target = {"span1": span1, "label": label} if span2 is None else {"span1": span1, "span2": span2, "label": label}
    [record] = read(tmp_path, one(text, **target), spans=TASKS[task].spans, labels=TASKS[task].labels)
    labels = (label,) if isinstance(label, str) else tuple(label)
    assert record == Record(text, (Target(tuple(span1), span2 and tuple(span2), labels),))
    assert record.words == text.split()
    records.write(tmp_path / "y.jsonl", [record], TASKS[task].multi_label)
    assert json.loads((tmp_path / "y.jsonl").read_text()) == one(text, **target)


def test_every_key_is_kept(tmp_path):
    entry = {
        "text": "Johnny Cage won because he could",
        "info": {"split": "dev", "source": "recast-dpr", "n": [1, {"a": None}]},
        "targets": [
            {"span1": [4, 5], "span2": [0, 2], "label": "entailed", "span1_text": "he", "preds": {"proba": [0.5]}}
        ],
        "preds": {},
    }
    [record] = read(tmp_path, entry, spans=2)
    assert record.info == entry["info"]
    assert record.rest == {"preds": {}}
    assert record.targets[0].rest == {"span1_text": "he", "preds": {"proba": [0.5]}}
    records.write(tmp_path / "y.jsonl", [record])
    assert json.loads((tmp_path / "y.jsonl").read_text()) == entry


def test_the_order_of_keys_is_the_published_one(tmp_path):
    target = Target((0, 1), (1, 2), ("x",), {"height": 1}, {"more": 2})
    records.write(tmp_path / "y.jsonl", [Record("a b", (target,), {"source": "s"}, {"z": 1})])
    assert (tmp_path / "y.jsonl").read_text() == (
        '{"text": "a b", "info": {"source": "s"}, "targets": [{"span1": [0, 1], "span2": [1, 2], "label": "x", '
        '"info": {"height": 1}, "more": 2}], "z": 1}\n'
    )


def test_words_that_continue_the_one_before(tmp_path):
    entry = {"text": "고향 은 좋 다", "glued": [1, 3], "info": {}, "targets": [{"span1": [1, 2], "label": "ADP"}]}
    [record] = read(tmp_path, entry)
    assert record == Record("고향 은 좋 다", (Target((1, 2), None, ("ADP",)),), glued=(1, 3))
    records.write(tmp_path / "y.jsonl", [record])
    assert (tmp_path / "y.jsonl").read_text() == json.dumps(entry, ensure_ascii=False) + "\n"
    for glued in (None, []):
        assert read(tmp_path, {"text": "a", "targets": [], "glued": glued}) == [Record("a", ())]


def test_labels_are_a_string_or_a_list(tmp_path):
    entries = [one(span1=[0, 1], label=label) for label in ("x", ["x"], [], ["y", "x"])]
    found = read(tmp_path, *entries)
    assert [record.targets[0].labels for record in found] == [("x",), ("x",), (), ("y", "x")]
    for multi_label, expected in ((False, ["x", "x", [], ["y", "x"]]), (True, [["x"], ["x"], [], ["y", "x"]])):
        records.write(tmp_path / "y.jsonl", found, multi_label)
        lines = (tmp_path / "y.jsonl").read_text().splitlines()
        assert [json.loads(line)["targets"][0]["label"] for line in lines] == expected


def test_marks_line_ends_empty_lines_and_nulls(tmp_path):
    lines = b'\xef\xbb\xbf{"text": "\xea\xb0\x80", "targets": []}\r\n\n  \n'
    lines += b'{"text": "a\xe2\x80\xa8b", "targets": [{"span1": [1, 2], "span2": null, "label": "x", "info": null}], '
    lines += b'"info": null}'
    (tmp_path / "x.jsonl").write_bytes(lines)
    first, second = records.read(tmp_path / "x.jsonl", 1)
    assert first == Record("가", ())
    assert second == Record("a\u2028b", (Target((1, 2), None, ("x",)),))


def test_compressed_files(tmp_path):
    content = json.dumps(one(span1=[0, 1], label="x")).encode() + b"\n"
    for name, pack, unpack in (("a.gz", gzip.compress, gzip.decompress), ("a.xz", lzma.compress, lzma.decompress)):
        (tmp_path / name).write_bytes(pack(content))
        found = list(records.read(tmp_path / name, 1))
        assert found[0].targets[0].labels == ("x",)
        records.write(tmp_path / ("new_" + name), found)
        records.write(tmp_path / ("again_" + name), found)
        assert unpack((tmp_path / ("new_" + name)).read_bytes()) == content
        assert (tmp_path / ("new_" + name)).read_bytes() == (tmp_path / ("again_" + name)).read_bytes()


def test_reading_is_lazy(tmp_path):
    path = save(tmp_path, one(span1=[0, 1], label="x"), "no JSON")
    stream = records.read(path, 1)
    assert next(stream).text == "a b c"
    with pytest.raises(Located):
        next(stream)


# What is wrong


SPAN = {"span1": [0, 1], "label": "x"}
WRONG = {
    "no JSON": (
        '{"text": "a"',
        1,
        "x.jsonl:2: found no JSON (Expecting ',' delimiter: line 1 column 13 (char 12)): '{\"text\":",
    ),
    "deep": ("[" * 200_000, 1, "x.jsonl:2: found no JSON (maximum recursion depth"),
    "deep info": (
        '{"text": "a", "targets": [], "info": {"a": %s}}' % ("[" * 70 + "]" * 70),
        1,
        "x.jsonl:2: found the info of the sentence, nested deeper than 64, expected an object",
    ),
    "infinite": ('{"text": Infinity}', 1, "x.jsonl:2: found no JSON (Infinity, which is no number in JSON): '{"),
    "digits": (
        one(span1=[0, 10**4000], label="x"),
        1,
        "x.jsonl:2: found span1 [0, 1000000000000000000000000000000000000000",
    ),
    "no object": ("[1]", 1, 'x.jsonl:2: found [1], expected one JSON object a line, such as {"text": '),
    "no text": ({"targets": []}, 1, 'x.jsonl:2: found no text, expected a sentence as "text"'),
    "text": ({"text": ["a"], "targets": []}, 1, "x.jsonl:2: found the text ['a'], expected a sentence"),
    "no targets": (
        {"text": "a"},
        1,
        'x.jsonl:2: found no targets, expected a list as "targets", [] where the sentence has none',
    ),
    "BERT's pieces": (
        {"text": "em ##bed", "targets": []},
        1,
        "x.jsonl:2: found the word piece '##bed', and 1 such of 5 words, expected words: this",
    ),
    "GPT's pieces": (
        {"text": "it</w> works</w> at</w> last</w>", "targets": []},
        1,
        "x.jsonl:2: found the word piece 'works</w>', and 3 such of 7 words, expected",
    ),
    "RoBERTa's pieces": (
        {"text": "It Ġworks Ġat Ġlast", "targets": []},
        1,
        "x.jsonl:2: found the word piece 'Ġworks', and 3",
    ),
    "XLNet's pieces": (
        {"text": "▁It ▁works ▁at ▁last", "targets": []},
        1,
        "x.jsonl:2: found the word piece '▁works', and 3 such of 7 words, expected",
    ),
    "targets": ({"text": "a", "targets": {}}, 1, "x.jsonl:2: found the targets {}, expected a list"),
    "target": ({"text": "a", "targets": [SPAN, 3]}, 1, "x.jsonl:2: found target 2: 3, expected an object"),
    "info": (
        {"text": "a", "targets": [], "info": 3},
        1,
        "x.jsonl:2: found the info 3 of the sentence, expected an object",
    ),
    "target's info": (one(info=[], **SPAN), 1, "x.jsonl:2: found the info [] of target 1, expected an object"),
    "glued": (
        {"text": "a b", "targets": [], "glued": True},
        1,
        "x.jsonl:2: found glued True, expected ascending numbers of words from 1 to 1, those that continue the one",
    ),
    "glued to nothing": (
        {"text": "a b", "targets": [], "glued": [0]},
        1,
        "x.jsonl:2: found glued [0], expected ascend",
    ),
    "glued outside": (
        {"text": "a b", "targets": [], "glued": [1, 2]},
        1,
        "x.jsonl:2: found glued [1, 2], expected asc",
    ),
    "glued twice": (
        {"text": "a b c", "targets": [], "glued": [1, 1]},
        1,
        "x.jsonl:2: found glued [1, 1], expected asc",
    ),
    "no span": (one(label="x"), 1, "x.jsonl:2: found no span1 in target 1, expected two whole numbers, [first word, "),
    "one number": (one(span1=[1], label="x"), 1, "x.jsonl:2: found span1 [1] in target 1, expected two whole numbers"),
    "a fraction": (
        one(span1=[0, 1.0], label="x"),
        1,
        "x.jsonl:2: found span1 [0, 1.0] in target 1, expected two whole",
    ),
    "a truth": (
        one(span1=[False, True], label="x"),
        1,
        "x.jsonl:2: found span1 [False, True] in target 1, expected two",
    ),
    "outside": (
        one(span1=[2, 4], label="x"),
        1,
        "x.jsonl:2: found span1 [2, 4] in target 1, expected a span of the sentence's 3 words, from 0 to 3",
    ),
    "before": (one(span1=[-1, 1], label="x"), 1, "x.jsonl:2: found span1 [-1, 1] in target 1, expected a span of"),
    "empty": (
        one(span1=[2, 2], label="x"),
        1,
        "x.jsonl:2: found the empty span1 [2, 2] in target 1, expected a start below",
    ),
    "reversed": (
        one(span1=[0, 1], span2=[2, 1], label="x"),
        2,
        "x.jsonl:2: found the reversed span2 [2, 1] in target 1",
    ),
    "no second span": (
        one(**SPAN),
        2,
        "x.jsonl:2: found no span2 in target 1, expected span1 and span2: the task has two",
    ),
    "null": (one(span2=None, **SPAN), 2, "x.jsonl:2: found no span2 in target 1"),
    "a second span": (
        one(span2=[0, 1], **SPAN),
        1,
        "x.jsonl:2: found a span2 in target 1, expected span1 alone: the task has",
    ),
    "no label": (
        one(span1=[0, 1]),
        1,
        "x.jsonl:2: found no label in target 1, expected a string, or a list of strings",
    ),
    "label": (one(span1=[0, 1], label=1), 1, "x.jsonl:2: found the label 1 in target 1, expected a string"),
    "labels": (
        one(span1=[0, 1], label=["x", None]),
        1,
        "x.jsonl:2: found the label ['x', None] in target 1, expected a",
    ),
    "unknown": (
        one(span1=[0, 1], label="NNX"),
        1,
        "x.jsonl:2: found the label 'NNX' in target 1, expected one of the 2 labels ",
    ),
}


@pytest.mark.parametrize(("entry", "spans", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong(tmp_path, entry, spans, message):
    good = one(**SPAN) if spans == 1 else one(span2=[1, 2], **SPAN)
    labels = ("y", "x") if "NNX" in message else None
    assert error_of(tmp_path, good, entry, spans=spans, labels=labels).startswith(message)


def test_words_that_look_like_pieces_and_are_none(tmp_path):
    for text in ("## A heading ##", "##tag first", "a▁b </w>", "5## ###"):
        [record] = read(tmp_path, json.dumps({"text": text, "targets": []}))
        assert record.text == text
    # a hash tag here and there is no file of pieces
    lines = [
        json.dumps({"text": text, "targets": []}) for text in ("오늘 영화 봄 ##영화스타그램", *["a b c d e f g"] * 3)
    ]
    assert len(list(read(tmp_path, *lines))) == 4


def test_many_pieces_are_found_early_and_at_the_end(tmp_path):
    good, bad = (json.dumps({"text": text, "targets": []}) for text in ("a " * 100, "em ##bed ##ding " * 40))
    with pytest.raises(Located, match="x.jsonl:11: found the word piece '##bed', and 80 such of 1120 words"):
        list(read(tmp_path, *[good] * 10, bad, *[good] * 1000))
    with pytest.raises(Located, match="x.jsonl:2: found the word piece '##bed', and 80 such of 220 words"):
        list(read(tmp_path, good, bad))
    # of English cut by BERT's vocabulary one word in twenty-five is a piece, and Maltese has words with Ġ
    english, maltese = "a " * 96 + "##b " * 4, "Il- Prim Ministru Ġorġ Borg Olivier iltaqa' ma' Ġwanni"
    with pytest.raises(Located, match="x.jsonl:1: found the word piece '##b', and 40 such of 1000 words"):
        list(read(tmp_path, *[json.dumps({"text": english, "targets": []})] * 20))
    assert len(list(read(tmp_path, *[json.dumps({"text": maltese, "targets": []})] * 300))) == 300


def test_a_file_that_says_that_it_was_retokenized(tmp_path):
    path = tmp_path / "pos.train.jsonl.retokenized.roberta-base"
    path.write_text('{"text": "a", "targets": []}\n', encoding="utf-8")
    with pytest.raises(UserError, match="roberta-base: found the name of a file that was retokenized, expected words"):
        list(records.read(path, 1))


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "a", "targets": []}\n"\xb0\xa1"\n')
    with pytest.raises(
        Located, match=r"x\.jsonl:2: found bytes that are no UTF-8: b'\\xb0\\xa1\"', expected UTF-8 text"
    ):
        list(records.read(tmp_path / "x.jsonl", 1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "none.jsonl: cannot be read (No such file or directory)"),
        ("x.gz", b"plain", "x.gz: cannot be read (Not a gzipped file (b'pl'))"),
        ("x.gz", gzip.compress(b"{}" * 100, mtime=0)[:-9], "x.gz: cannot be read (Compressed file ended before"),
        ("x.xz", b"plain", "x.xz: cannot be read (Input format not supported by decoder)"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        list(records.read(tmp_path / name, 1))
    assert str(caught.value).startswith(str(tmp_path / message))


# Writing


def test_an_error_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "folder" / "y.jsonl"
    assert records.write(path, [Record("old", ())]) == 1

    def stream():
        yield Record("new", ())
        raise UserError("the source is broken")

    with pytest.raises(UserError, match="the source is broken"):
        records.write(path, stream())
    assert [record.text for record in records.read(path, 1)] == ["old"]
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be made"):
        records.write(tmp_path / "file" / "y.jsonl", [])


def test_a_number_that_is_none_is_null(tmp_path):
    """As pandas wrote it into the published records of SPR2, and as no other reader would take it back."""
    [record] = read(tmp_path, '{"text": "a", "targets": [], "info": {"grammatical": NaN}}')
    assert record.info == {"grammatical": None}


def test_half_a_surrogate_pair_survives(tmp_path):
    [record] = read(tmp_path, '{"text": "a \\ud83d", "targets": []}')
    records.write(tmp_path / "y.jsonl", [record])
    assert list(records.read(tmp_path / "y.jsonl", 1)) == [record]


def test_records_are_small_and_frozen():
    record = Record("a", ())
    with pytest.raises(AttributeError):
        record.text = "b"
    assert not hasattr(record, "__dict__") and sys.getsizeof(record) < 80


# Any record

text = st.text(st.characters(blacklist_categories=["Cs"]))
infos = st.dictionaries(text, st.none() | st.booleans() | st.integers() | text | st.lists(text), max_size=3)


@st.composite
def any_record(draw, spans, multi_label):
    words = draw(st.lists(text.filter(lambda word: word.split() == [word]), min_size=1, max_size=6))

    def span():
        start = draw(st.integers(0, len(words) - 1))
        return [start, draw(st.integers(start + 1, len(words)))]

    entry = {"text": " ".join(words), "info": draw(infos), "targets": []}
    for _ in range(draw(st.integers(0, 3))):
        target = {"span1": span()}
        if spans == 2:
            target["span2"] = span()
        target["label"] = draw(st.lists(text, max_size=3) if multi_label else text)
        if info := draw(infos):
            target["info"] = info
        entry["targets"].append(target)
    return entry


@given(st.data(), st.sampled_from([1, 2]), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_record_comes_back(tmp_path_factory, data, spans, multi_label, end, escaped):
    entries = data.draw(st.lists(any_record(spans, multi_label), max_size=4))
    folder = tmp_path_factory.mktemp("any")
    content = "".join(json.dumps(entry, ensure_ascii=escaped) + end for entry in entries)
    (folder / "x.jsonl").write_bytes(content.encode())
    found = list(records.read(folder / "x.jsonl", spans))
    assert records.write(folder / "y.jsonl", found, multi_label) == len(entries)
    assert [json.loads(line) for line in (folder / "y.jsonl").read_bytes().splitlines()] == entries
    assert list(records.read(folder / "y.jsonl", spans)) == found
    assert all(record.words == entry["text"].split(" ") for record, entry in zip(found, entries))
