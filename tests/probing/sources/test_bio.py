"""probing.sources.bio: CoNLL-2003, WikiANN and other schemes by hand, and conlleval's rule beside another reading."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsmc_bert.base.errors import Located, UserError
from probing.records import Record, Target
from probing.sources import bio

CONLL2003 = (
    "-DOCSTART- -X- -X- O\n\nEU NNP B-NP I-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP I-MISC\ncall NN I-NP O\n. . O O\n\n"
    "Peter NNP B-NP I-PER\nBlackburn NNP I-NP I-PER\nJohn NNP B-NP B-PER\n"
)
WIKIANN = "ko:이\tO\nko:영화\tB-ORG\nko:1 2\tI-ORG\nko:ko:x\tI-LOC\n\nko:\tO\n"


def read(folder, text, name="x.txt"):
    path = folder / name
    path.write_bytes(text.encode())
    [split] = bio.splits(path, "entities", split="train").values()
    return list(split.records), dict(split.notes)


def spans(record):
    return [(*target.span1, *target.labels) for target in record.targets]


def test_conll2003_by_hand(tmp_path):
    folder = tmp_path / "conll2003"
    folder.mkdir()
    (first, second), notes = read(folder, CONLL2003)
    assert first == Record(
        "EU rejects German call .",
        (Target((0, 1), None, ("ORG",)), Target((2, 3), None, ("MISC",))),
        {"source": "conll2003"},
    )
    assert spans(second) == [(0, 2, "PER"), (2, 3, "PER")]
    assert not notes


def test_wikiann_by_hand(tmp_path):
    (first, second), notes = read(tmp_path, WIKIANN)
    assert (first.text, second.text) == ("이 영화 1_2 ko:x", "_")
    assert spans(first) == [(1, 3, "ORG"), (3, 4, "LOC")]
    assert notes == {"word with white space inside, or empty: written with _": 2}


def test_white_space_that_is_no_blank_is_of_a_word(tmp_path):
    [record], _ = read(tmp_path, "10\u00a0000 B-QT\n\u3000  O\n a I-A \n부산\u3000O\n")
    assert record.words == ["10_000", "_", "a", "부산"]
    assert spans(record) == [(0, 1, "QT"), (2, 3, "A")]


def test_comments_above_a_sentence(tmp_path):
    multiconer = "# id 52-a\tdomain=train\nthe _ _ O\n# _ _ B-X\n\n# _ _ O\n1 _ _ O\n"
    (first, second), _ = read(tmp_path, multiconer)
    assert (first.text, spans(first), second.text) == ("the #", [(1, 2, "X")], "# 1")


def test_the_longest_language_of_wikiann(tmp_path):
    [record], _ = read(tmp_path, "simple:It\tO\nsimple:is\tO\n")
    assert record.text == "It is"


def test_a_language_that_nearly_all_words_have_is_noted(tmp_path):
    found, notes = read(tmp_path, "ko:이\tO\n" * 19 + "x\tO\n")
    assert found[0].words == ["ko:이"] * 19 + ["x"]
    assert notes == {"word without ko:, which nearly all begin with: it is left on the others": 1}


def test_a_language_is_taken_off_where_all_words_have_it(tmp_path):
    for text in ("re:invent\tB-ORG\nnow\tO\n", "ko:이\tO\n\nen:it\tO\n"):
        found, _ = read(tmp_path, text)
        assert [word for record in found for word in record.words] == [
            row.split("\t")[0] for row in text.split("\n") if row
        ]


SCHEMES = {
    "O B-A I-A O": [(1, 3, "A")],
    "I-A I-A B-A I-B": [(0, 2, "A"), (2, 3, "A"), (3, 4, "B")],
    "B-A I-A E-A E-A": [(0, 3, "A"), (3, 4, "A")],
    "S-A U-A B-A L-A": [(0, 1, "A"), (1, 2, "A"), (2, 4, "A")],
    "B-A-B I-A-B": [(0, 2, "A-B")],
    "S-A I-A": [(0, 1, "A"), (1, 2, "A")],
    "": [],
}


@pytest.mark.parametrize(("tags", "expected"), SCHEMES.items(), ids=SCHEMES)
def test_schemes_by_hand(tags, expected):
    assert list(bio.spans("x", enumerate(tags.split(), 1))) == expected


def conlleval(tags):
    """startOfChunk and endOfChunk of conlleval.pl for B, I, E, S and O, written down as its table of cases."""
    chunks, start, before, kind_before = [], None, "O", ""
    for place, tag in enumerate([*tags, "O"]):
        now, _, kind = tag.partition("-")
        ends = before in "ES" or (before in "BI" and now in "BSO") or (before != "O" and kind != kind_before)
        begins = now in "BS" or (before in "ESO" and now in "EI") or (now != "O" and kind != kind_before)
        if start is not None and ends:
            chunks.append((start, place, kind_before))
            start = None
        if now != "O" and begins:
            start = place
        before, kind_before = now, kind
    return chunks


@given(st.lists(st.sampled_from("O B-A I-A E-A S-A B-B I-B E-B".split()), max_size=8))
def test_mentions_are_conlleval_s(tags):
    assert list(bio.spans("x", enumerate(tags, 1))) == conlleval(tags)


def test_the_files_of_a_folder(tmp_path):
    for name in ("eng.train", "eng.testa", "eng.testb", "README"):
        (tmp_path / name).write_text("EU I-ORG\n")
    assert list(bio.splits(tmp_path, "entities")) == ["train", "dev", "test"]
    (tmp_path / "eng.testb").unlink()
    (tmp_path / "test.gz").write_bytes(gzip.compress(b"EU B-ORG\n"))
    assert len(list(bio.splits(tmp_path, "entities")["test"].records)) == 1
    with pytest.raises(UserError, match="found the task pos, expected one that a file of BIO tags has: entities"):
        bio.splits(tmp_path, "pos")
    with pytest.raises(
        UserError, match="found 1 such files that match README, expected one file with train, dev or te"
    ):
        bio.splits(tmp_path, "entities", files="README")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a B-X\nb\n", "x.txt:2: found one column: 'b', expected a word and its tag, such as 경찰<tab>B-OG"),
        ("a B-X\nb X\n", "x.txt:2: found the tag 'X', expected O, or a type after B-, I-, E-, S-, L- or U-"),
        (
            "#\thttp://x [2009-10-17]\n1\tIn\tO\tO\n2\tUlm\tB-LOC\tO\n\n1\tJa\tO\tO\n",
            "x.txt:2: found the words 1, 2, … in each sentence, numbers as in GermEval, expected the word in the first",
        ),
        ("a O\n# x\n", "x.txt:2: found the tag 'x', expected O, or"),
        ("a\t\n", "x.txt:1: found the tag '', expected O, or"),
        ("a B-\n", "x.txt:1: found the tag 'B-', expected O, or"),
    ],
)
def test_what_is_wrong(tmp_path, text, message):
    with pytest.raises(Located) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / message))
