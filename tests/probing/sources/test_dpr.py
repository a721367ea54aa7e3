"""probing.sources.dpr: sentences by hand, twins that stay together, and the release's counts."""

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.records import Target
from probing.sources import dpr, in_tenths

HAPPY = (
    "Characters entertain audiences because they want people to be happy.\nthey\nCharacters,audiences\nCharacters\n\n"
    "Characters entertain audiences because they are bored.\nthey\nCharacters,audiences\naudiences\n\n"
)


def read(folder, text):
    (folder / "x.txt").write_text(text)
    [split] = dpr.splits(folder / "x.txt", "dpr", split="test").values()
    return list(split.records), dict(split.notes)


def test_the_paper_s_example(tmp_path):
    (first, second), notes = read(tmp_path, HAPPY)
    assert first.text == "Characters entertain audiences because they want people to be happy ."
    assert first.targets == (
        Target((4, 5), (0, 1), ("entailed",), {"span1_text": "they", "span2_text": "Characters"}),
        Target((4, 5), (2, 3), ("not-entailed",), {"span1_text": "they", "span2_text": "audiences"}),
    )
    assert [target.labels for target in second.targets] == [("not-entailed",), ("entailed",)]
    assert not notes


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("The bee landed, didn't it?", "The bee landed , didn 't it ?"),
        (
            "Mr. Bob's U.S. team (the players') won 1,000.50 at 5:30.",
            "Mr. Bob 's U.S. team ( the players ' ) won 1,000.50 at 5:30 .",
        ),
        ("Bob hit Sam. He cried.", "Bob hit Sam . He cried ."),
        ("Bob met Dr. Who vs. J. R. Smith, Jr.", "Bob met Dr. Who vs. J. R. Smith , Jr ."),
        ('He said "no!" ...', 'He said " no ! " ...'),
        ("well-known and/or AT&T", "well-known and/or AT&T"),
        ("", ""),
    ],
)
def test_words(sentence, words):
    assert " ".join(sentence[start:end] for start, end in dpr.tokenize(sentence)) == words


def test_a_long_line_takes_no_time():
    assert len(dpr.tokenize("-. " * 50_000)) == 100_000
    assert len(dpr.tokenize("b-. A " * 20_000)) == 60_000
    assert len(dpr.tokenize("1" * 100_000)) == 1


def test_mentions_are_found_in_any_case_and_as_whole_words(tmp_path):
    text = "The ant's antics hit ants because it hit the anteater.\nit\nthe ant,the anteater\nThe anteater\n"
    [record], notes = read(tmp_path, text)
    assert record.text == "The ant 's antics hit ants because it hit the anteater ."
    assert [(target.span2, target.labels) for target in record.targets] == [
        ((0, 2), ("not-entailed",)),
        ((9, 11), ("entailed",)),
    ]
    assert not notes


def test_what_is_left_out_is_counted(tmp_path):
    text = (
        HAPPY
        + "They said they go.\nthey\nA,B\nA\n\nWe go.\nthey\nA,B\nA\n\nAnn-B met C because she ran.\nshe\nAnn,C\nC\n"
    )
    found, notes = read(tmp_path, text)
    assert [len(record.targets) for record in found] == [2, 2, 1]
    assert notes == {
        "sentence with the pronoun twice or more: left out": 1,
        "sentence with the pronoun nowhere: left out": 1,
        "candidate or pronoun that is not in the sentence as whole words: left out": 1,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a\nb\nc\n",
            ":11: found 3 lines together, expected 4, a sentence, a pronoun, two candidates and the right one",
        ),
        (
            "It is.\nit\nA\nA\n",
            ":13: found the candidates ['A'] with the answer 'A', expected two with a comma between them",
        ),
        ("It is.\nit\nA,B\nC\n", ":13: found the candidates ['A', 'B'] with the answer 'C'"),
        ("It is.\nit\nA,a\na\n", ":13: found the candidates ['A', 'a'] with the answer 'a'"),
    ],
)
def test_what_is_wrong(tmp_path, text, message):
    with pytest.raises(Located) as caught:
        read(tmp_path, HAPPY + text)
    assert str(caught.value).startswith("{}{}".format(tmp_path / "x.txt", message))


def test_one_split_of_a_folder(tmp_path):
    (tmp_path / "test.c.txt").write_text(HAPPY)
    assert list(dpr.splits(tmp_path, "dpr", split="test")) == ["test"]
    with pytest.raises(UserError, match="found test, expected train among them, as --split says"):
        dpr.splits(tmp_path, "dpr", split="train")


def test_twins_stay_together_in_tenths(tmp_path):
    """Of 13 pairs, of which one has lost a twin."""
    (tmp_path / "x.txt").write_text(HAPPY.replace("they are", "they say they are") + HAPPY * 12)
    [split] = dpr.splits(tmp_path / "x.txt", "dpr", split="train").values()
    found = {name: [record.info["id"] for record in part.records] for name, part in in_tenths(split).items()}
    assert found == {"train": [1, *range(3, 21)], "dev": [21, 22], "test": [23, 24, 25, 26]}


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="found no train.c.txt and no test.c.txt, expected DPR's"):
        dpr.splits(tmp_path, "dpr")


def test_the_release(data_dir):
    splits = dpr.splits(data_dir / "probing" / "DPR", "dpr")
    found = {name: list(split.records) for name, split in splits.items()}
    assert {name: len(records) for name, records in found.items()} == {"train": 1088, "dev": 197, "test": 550}
    dropped = {name: dict(split.notes) for name, split in splits.items()}
    reason = "sentence with the pronoun twice or more: left out"
    assert dropped == {"train": {reason: 32}, "dev": {reason: 5}, "test": {reason: 14}}
    assert 1088 + 197 + 32 + 5 == 1322 and 550 + 14 == 564
    for records in found.values():
        assert all([target.labels[0] for target in record.targets].count("entailed") == 1 for record in records)
        assert all(len(record.targets) == 2 for record in records)
        for record in records:
            for target in record.targets:
                for span, name in ((target.span1, "span1_text"), (target.span2, "span2_text")):
                    there = "".join(record.words[slice(*span)]).lower()
                    assert there == target.info[name].replace(" ", "").lower()


def test_twins_stay_together(data_dir):
    splits = dpr.splits(data_dir / "probing" / "DPR", "dpr")
    pairs = {name: {(record.info["id"] - 1) // 2 for record in splits[name].records} for name in ("train", "dev")}
    assert not pairs["train"] & pairs["dev"]
    assert len(pairs["train"] | pairs["dev"]) <= 661


def test_what_the_published_data_has_too(data_dir):
    """A record of the published development data (recast), whose twin has the answers the other way round."""
    splits = dpr.splits(data_dir / "probing" / "DPR", "dpr")
    text = (
        "Chase Freedom provides quarterly bonuses as incentives for accounts , since they want them to use their card ."
    )
    [record] = [record for split in splits.values() for record in split.records if record.text == text]
    assert [(target.span1, target.span2, target.labels[0]) for target in record.targets] == [
        ((11, 12), (0, 2), "entailed"),
        ((11, 12), (8, 9), "not-entailed"),
    ]
