"""probing.sources.conll2012: the published examples as OntoNotes has them, and real files' counts."""

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.sources import brackets, conll2012, in_tenths
from probing.tasks import TASKS

# word, tag, tree, entity, two frames, coreference
BRAND = """
The DT (TOP(S(NP(NP* * (ARG1* * -
important JJ * * * * -
thing NN *) * * * -
about IN (PP* * * * -
Disney NNP (NP*))) (ORG) *) * (7)
is VBZ (VP* * (V*) * -
that IN (SBAR* * (ARG2* * -
it PRP (S(NP*) * * (ARG1*) (7)
is VBZ (VP* * * (V*) -
a DT (NP* * * (ARG2* (9
global JJ * * * * -
brand NN *))))) * *) *) 9)
. . *)) * * * -
"""
TEXT = "The important thing about Disney is that it is a global brand ."


def conll(rows, document="bc/x/00/x_0000", part=0):
    """The lines of a sentence as OntoNotes has them: columns padded with blanks."""
    lines = []
    for i, line in enumerate(rows.strip().split("\n")):
        word, tag, tree, *rest = line.split()
        lines.append("   ".join([document, str(part), str(i), word, tag, tree, "-", "-", "-", "A", *rest]))
    return "\n".join(lines) + "\n"


def save(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def read(folder, text, task):
    [split] = conll2012.splits(save(folder / "x.gold_conll", text), task, split="dev").values()
    return list(split.records), dict(split.notes)


def spans(record):
    return [(*target.span1, *(target.span2 or ()), *target.labels) for target in record.targets]


FILE = f"#begin document (bc/x/00/x_0000); part 000\n{conll(BRAND)} \n\n#end document\n"


def test_parts_of_speech(tmp_path):
    [record], notes = read(tmp_path, FILE, "pos")
    assert record.text == TEXT
    assert record.info == {"document_id": "bc/x/00/x_0000", "sentence_id": 0}
    assert spans(record) == [
        (i, i + 1, tag) for i, tag in enumerate("DT JJ NN IN NNP VBZ IN PRP VBZ DT JJ NN .".split())
    ]
    assert (11, 12, "NN") in spans(record) and record.words[11] == "brand"
    assert not notes


def test_constituents(tmp_path):
    [record], _ = read(tmp_path, FILE, "constituents")
    assert [(*span, target.info["height"]) for span, target in zip(spans(record), record.targets)] == [
        (0, 13, "TOP", 8),
        (0, 13, "S", 7),
        (0, 5, "NP", 4),
        (0, 3, "NP", 2),
        (3, 5, "PP", 3),
        (4, 5, "NP", 2),
        (5, 12, "VP", 6),
        (6, 12, "SBAR", 5),
        (7, 12, "S", 4),
        (7, 8, "NP", 2),
        (8, 12, "VP", 3),
        (9, 12, "NP", 2),
    ]
    assert " ".join(record.words[8:12]) == "is a global brand"


def test_entities(tmp_path):
    [record], _ = read(tmp_path, FILE, "entities")
    assert spans(record) == [(4, 5, "ORG")]


def test_roles_are_one_record_per_predicate(tmp_path):
    first, second = read(tmp_path, FILE, "srl")[0]
    assert first.text == second.text == TEXT
    assert spans(first) == [(5, 6, 0, 5, "ARG1"), (5, 6, 6, 12, "ARG2")]
    assert spans(second) == [(8, 9, 7, 8, "ARG1"), (8, 9, 9, 12, "ARG2")]


def test_coreference_of_all_pairs(tmp_path):
    [record], _ = read(tmp_path, FILE, "coref")
    assert spans(record) == [(4, 5, 7, 8, "1"), (4, 5, 9, 12, "0"), (7, 8, 9, 12, "0")]


def test_sentences_without_targets_are_records(tmp_path):
    text = conll("Yes UH (TOP(INTJ*)) * -") + "\n" + conll("No UH (TOP(INTJ*)) * * -", part=3)
    for task in ("entities", "coref"):
        found, _ = read(tmp_path, text, task)
        assert [(record.text, record.targets, record.info["sentence_id"]) for record in found] == [
            ("Yes", (), 0),
            ("No", (), 3),
        ]
    assert read(tmp_path, text, "srl") == ([], {})


def test_a_frame_without_a_predicate(tmp_path):
    assert read(tmp_path, conll("Yes UH (TOP*) * (ARG0*) -"), "srl") == (
        [],
        {"frame without a predicate (V): left out": 1},
    )


def test_sentences_without_a_tree(tmp_path):
    for text in ("a XX (TOP* * -\nb VERB *) * -", "XX NN (TOP* * -\nb NN *) * -"):
        for task in ("pos", "constituents"):
            [record], notes = read(tmp_path, conll(text), task)
            assert (len(record.words), record.targets) == (2, ())
            assert notes == {"sentence without a tree (a word or tag XX): no targets": 1}
        assert read(tmp_path, conll(text), "entities")[1] == {}


def test_brackets_as_words(tmp_path):
    text = conll("( ( (TOP(PRN* * -\nx NN * * -\n) ) *)) * -")
    assert read(tmp_path, text, "entities")[0][0].text == "( x )"
    [record], _ = read(tmp_path, text, "pos")
    assert record.text == "-LRB- x -RRB-"
    assert [target.labels[0] for target in record.targets] == ["-LRB-", "NN", "-RRB-"]


def test_continued_and_referring_arguments_and_wide_predicates(tmp_path):
    rows = "a X * * (ARG1*) -\nb X * * (R-ARG1*) -\nc X * * (V* -\nd X * * *) -\ne X * * (C-ARG1* -\nf X * * *) -"
    [record], _ = read(tmp_path, conll(rows), "srl")
    assert spans(record) == [(2, 4, 0, 1, "ARG1"), (2, 4, 1, 2, "R-ARG1"), (2, 4, 4, 6, "C-ARG1")]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["(1|(3", "1)", "3)"], [(0, 2, 1), (0, 3, 3)]),
        (["(1(2)", "_", "1)"], [(0, 1, 2), (0, 3, 1)]),
        (["(1", "(1)|(1", "1)|1)"], [(0, 3, 1), (1, 2, 1), (1, 3, 1)]),
        (["(4)|(4)", "-"], [(0, 1, 4)]),
        (["(4)|(5)", "-"], [(0, 1, 4), (0, 1, 5)]),
        (["(2)(3", "3)(12)"], [(0, 1, 2), (0, 2, 3), (1, 2, 12)]),
    ],
)
def test_mentions(cells, expected):
    assert conll2012.mentions(cells) == expected


@pytest.mark.parametrize(
    "cells", [["(1"], ["1)"], ["(1", "2)"], ["(x)"], ["()"], ["(1)2"], ["(12)" * 5000 + "x"], ["(%s)" % ("1" * 5000)]]
)
def test_mentions_that_do_not_match(cells):
    with pytest.raises(brackets.Unbalanced):
        conll2012.mentions(cells)


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("pos", "bc 0 0 The\n", ":1: found 4 columns: 'bc 0 0 The', expected 12 or more, as in CoNLL-2012"),
        (
            "pos",
            conll("a X * * -") + conll("b X * * * -"),
            ":2: found 13 columns after lines of 12, expected as many in every",
        ),
        (
            "constituents",
            "\n" + conll("a X (TOP(S* * -\nb X *) * -"),
            ":2: found 1 brackets that are never closed, expected brackets that match in the 2 lines from here",
        ),
        ("srl", conll("a X * * (V* -"), ":1: found 1 brackets that are never closed"),
        (
            "pos",
            conll("a X * * -\nb X * * -", "bc x/00"),
            ":2: found the word index 0 after 0, expected a greater one, or",
        ),
        (
            "pos",
            conll("a X * * -", "bc a x"),
            ":1: found the word index 'x', expected a number in the third column; is",
        ),
        ("pos", conll("a X * * -\nb X * * -") * 2, ":3: found the word index 0 after 1, expected a greater one, or"),
        (
            "pos",
            conll("a X * * -\nb X * * -").split("\n", 1)[1],
            ":1: found the word index 1 in a sentence's first line",
        ),
        (
            "pos",
            conll("[WORD] X * * -"),
            ":1: found [WORD], expected words: fill the skeletons with the licensed text's",
        ),
        (
            "coref",
            conll("a X * * (3\nb X * * 4)"),
            ":1: found a mention of chain 4 that is closed at word 2 and not opened",
        ),
    ],
)
def test_what_is_wrong(tmp_path, task, text, message):
    with pytest.raises(Located) as caught:
        read(tmp_path, text, task)
    assert str(caught.value).startswith("{}{}".format(tmp_path / "x.gold_conll", message))


# Which files


def test_the_folders_of_the_release(tmp_path):
    for place in (
        "data/train/data/english/annotations/bc/x/01/x_0001.gold_conll",
        "data/train/data/english/annotations/bc/x/00/x_0000.v3_gold_conll.gz",
        "v3/data/train/data/english/annotations/bc/x/00/x_0000.v3_gold_conll",
        "data/train/data/english/annotations/bc/x/00/x_0000.v4_gold_conll",
        "data/train/data/chinese/annotations/bc/x/00/x_0000.gold_conll",
        "data/development/data/english/annotations/bc/x/00/x_0000.gold_conll",
        "data/test/data/english/annotations/bc/x/00/x_0000.gold_conll",
        "data/conll-2012-test/data/english/annotations/bc/x/00/x_0000.gold_conll",
    ):
        save(tmp_path / place, conll(f"{place} X (TOP*) * -"))
    splits = conll2012.splits(tmp_path, "pos")
    found = {name: [record.text for record in split.records] for name, split in splits.items()}
    # a document is read once, in its newest version
    assert dict(splits["train"].notes) == {
        "file of a document that another file has, in a newer version or the same: left out": 2
    }
    assert list(found) == ["train", "dev", "test"]
    assert [text[36:] for text in found["train"]] == ["bc/x/00/x_0000.v4_gold_conll", "bc/x/01/x_0001.gold_conll"]
    assert [text[:24] for text in found["dev"] + found["test"]] == [
        "data/development/data/en",
        "data/test/data/english/a",
    ]
    [split] = conll2012.splits(tmp_path / "data", "pos", language="chinese").values()
    assert "chinese" in next(split.records).text


@pytest.mark.parametrize(
    "places",
    [
        "train.english.v4_gold_conll dev.english.v4_gold_conll test.english.v4_gold_conll",
        "x-test/data/train/x.gold_conll x-test/data/development/x.gold_conll x-test/data/test/x.gold_conll",
        "train/data/english/annotations/nw/dev_09_c2e/00/dev_09_c2e_0001.gold_conll "
        "dev/data/english/annotations/nw/test/00/x_0001.gold_conll "
        "test/data/english/annotations/nw/dev_09_c2e/00/dev_09_c2e_0002.gold_conll",
        "train/nw/dev_09_c2e/00/x.gold_conll development/english/annotations/nw/test/x.gold_conll test/y.gold_conll",
    ],
)
def test_what_tells_a_split(tmp_path, places):
    """Files' names, and the innermost folder that does; never what documents are called."""
    for place in places.split():
        save(tmp_path / place, conll(f"{place} X (TOP*) * -"))
    splits = conll2012.splits(tmp_path, "pos")
    assert {name: next(split.records).text for name, split in splits.items()} == dict(zip(splits, places.split()))
    assert list(splits) == ["train", "dev", "test"]
    [(name, split)] = conll2012.splits(tmp_path, "pos", split="dev").items()
    assert (name, [record.text for record in split.records]) == ("dev", [places.split()[1]])


def test_a_split_that_no_name_tells(tmp_path):
    for folder in ("train", "a", "b"):
        save(tmp_path / folder / "x.gold_conll", conll("a X (TOP*) * -"))
    with pytest.raises(UserError, match="found train, expected test among them, as --split says"):
        conll2012.splits(tmp_path, "pos", split="test")
    document = tmp_path / "a" / "data" / "english" / "annotations" / "nw" / "dev_09_c2e" / "x.gold_conll"
    save(document, conll("a X (TOP*) * -"))
    assert list(conll2012.splits(document.parents[1], "pos", split="test")) == ["test"]
    document.unlink()
    [split] = conll2012.splits(tmp_path / "a", "pos", split="test").values()
    assert len(list(split.records)) == 1


def test_files_in_another_language(tmp_path):
    save(tmp_path / "test/data/chinese/annotations/bc/x.gold_conll", "")
    save(tmp_path / "train.arabic.v4_gold_conll", "")
    with pytest.raises(UserError, match="found files in arabic, chinese, expected english; choose with --language"):
        conll2012.splits(tmp_path, "pos")
    assert list(conll2012.splits(tmp_path, "pos", language="arabic")) == ["train"]


def test_the_records_of_a_sentence_stay_together_in_tenths(tmp_path):
    """Ten sentences, the eighth with two predicates."""
    one, two = "a X (TOP* * (V*) -\n%s X *) * (ARG1*) -", "a X (TOP* * (V*) (ARG1*) -\n%s X *) * (ARG1*) (V*) -"
    text = "\n".join(conll((two if word == "h" else one) % word) for word in "abcdefghij")
    [split] = conll2012.splits(save(tmp_path / "x.gold_conll", text), "srl", split="train").values()
    found = {name: "".join(record.words[1] for record in part.records) for name, part in in_tenths(split).items()}
    assert found == {"train": "abcdefghh", "dev": "i", "test": "j"}


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="found no such file or folder"):
        conll2012.splits(tmp_path / "none", "pos")
    save(tmp_path / "train" / "x.gold_skel", "")
    with pytest.raises(
        UserError, match=r"found skeletons without words \(gold_skel\), expected CoNLL-2012 files with their"
    ):
        conll2012.splits(tmp_path, "pos")
    path = save(tmp_path / "other" / "x.gold_conll", "")
    with pytest.raises(
        UserError, match="found 1 files .gold_conll, expected train, development and test in folders' or files' names"
    ):
        conll2012.splits(tmp_path, "pos")
    with pytest.raises(UserError, match="one file, expected the split it is to be"):
        conll2012.splits(path, "pos")
    with pytest.raises(UserError, match="found the task dep, expected one that CoNLL-2012 has"):
        conll2012.splits(path, "dep")


# Real files


def test_the_samples(data_dir):
    folder = data_dir / "probing" / "conll2012_samples"
    counts = {}
    for task in conll2012.TASKS:
        [split] = conll2012.splits(folder, task, split="train").values()
        found = list(split.records)
        counts[task] = len(found), sum(len(record.targets) for record in found)
        assert {label for record in found for target in record.targets for label in target.labels} <= set(
            TASKS[task].labels
        )
        assert not split.notes
    assert counts == {
        "pos": (58, 757),
        "constituents": (58, 742),
        "entities": (58, 27),
        "srl": (126, 320),
        "coref": (58, 110),
    }


def test_a_sample_by_hand(data_dir):
    path = data_dir / "probing" / "conll2012_samples" / "conll_2012" / "subdomain" / "example.gold_conll"
    found = {task: list(conll2012.splits(path, task, split="test")["test"].records) for task in conll2012.TASKS}
    assert found["coref"][0].text == "Mali government officials say the woman 's confession was forced ."
    assert spans(found["coref"][0]) == [(4, 7, 4, 8, "0")]
    assert spans(found["coref"][1]) == [(0, 2, 3, 4, "1")]
    assert spans(found["entities"][0]) == [(0, 1, "GPE")]
    assert spans(found["entities"][2]) == [(0, 2, "PERSON"), (2, 4, "WORK_OF_ART")]
    assert spans(found["srl"][0]) == [(3, 4, 0, 3, "ARG0"), (3, 4, 4, 10, "ARG1")]
    assert spans(found["srl"][1]) == [(8, 9, 4, 8, "ARG1"), (8, 9, 9, 10, "ARG2")]
    # words may be numbered with gaps: a span counts the words that are there
    assert spans(found["constituents"][2]) == [
        (0, 5, "TOP"),
        (0, 5, "FRAG"),
        (0, 2, "NP"),
        (2, 4, "NP"),
    ]
