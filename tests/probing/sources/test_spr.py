"""probing.sources.spr: tables by hand, and the published counts of SPR2."""

import io
import json
import re
import tarfile

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.records import Record, Target
from probing.sources import spr
from probing.tasks import TASKS

HEADER = (
    "Dataset\tIs.Pilot\tPasses.Filters\tProtocol\tSplit\tAnnotator.ID\tSentence.ID\tPred.Token\tPred.Lemma\tGram.Func\t"
    "Arg.Phrase\tArg.Tokens.Begin\tArg.Tokens.End\tProperty\tResponse\tApplicable\tSent.Grammatical"
)
TEXTS = {"train": "One .\nIt endorsed the White House strategy .\n", "dev": "They ran\n", "test": "No one did\n"}


def row(
    property,
    response,
    applicable="yes",
    sentence="train.conllu 2",
    predicate=1,
    begin=0,
    end=0,
    grammatical="5",
    pilot="False",
):
    values = ["x", pilot, "True", "spr2", "train", "1", "en-ud-" + sentence, str(predicate), "endorse", "nsubj", "it"]
    return "\t".join([*values, str(begin), str(end), property, str(response), applicable, grammatical])


def save(folder, *rows, archive=False, ending=".words.txt"):
    table = ("\n".join([HEADER, *rows]) + "\n").encode()
    if archive:
        with tarfile.open(folder / "protoroles_eng_udewt.tar.gz", "w:gz") as file:
            entry = tarfile.TarInfo("some/" + spr.SPR2_TABLE)
            entry.size = len(table)
            file.addfile(entry, io.BytesIO(table))
    else:
        (folder / spr.SPR2_TABLE).write_bytes(table)
    for name, text in TEXTS.items():
        if ending == ".conllu":
            lines = []
            for line in text.splitlines():
                lines += ["%d\t%s%s" % (i, word, "\t_" * 8) for i, word in enumerate(line.split(), 1)] + [""]
            text = "\n".join(lines) + "\n"
        (folder / (f"en-ud-{name}{ending}")).write_text(text)
    return folder


def read(folder, name="train"):
    split = spr.spr2_splits(folder)[name]
    return list(split.records), dict(split.notes)


ENDORSED = (
    row("awareness", 5),
    row("existed_after", 3),
    row("awareness", 3, pilot="True"),
    row("existed_after", 5),
    row("volition", 4),
    row("volition", 3),
    row("was_used", "nan"),
    row("created", 5, "no"),
    row("sentient", 4, sentence="dev.conllu 1"),
    row("change_of_state", 1, begin=2, end=5),
    row("sentient", 5, sentence="train.conllu 1", predicate=0, grammatical="nan"),
)


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("ending", [".words.txt", ".conllu"])
def test_the_paper_s_example(tmp_path, archive, ending):
    found, notes = read(save(tmp_path, *ENDORSED, archive=archive, ending=ending))
    info = {"span1_text": "endorsed", "is_pilot": False, "pred_lemma": "endorse"}
    assert found[0] == Record(
        "It endorsed the White House strategy .",
        (
            Target((1, 2), (0, 1), ("awareness", "existed_after"), {"span2_txt": "it", **info}),
            Target((1, 2), (2, 6), (), {"span2_txt": "it", **info}),
        ),
        {"source": "SPR2", "sent-id": "2", "split": "train", "grammatical": 5.0, "sent_id": "2"},
    )
    assert (found[1].text, found[1].targets[0].labels, found[1].info["grammatical"]) == ("One .", ("sentient",), None)
    assert len(found) == 2
    assert notes == {"answer about a property that is not applicable: left out": 1}
    [record], _ = read(tmp_path, "dev")
    assert record.text == "They ran"
    assert read(tmp_path, "test") == ([], {})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            row("a", "five"),
            ":3: found ['x', 'False', 'True', 'spr2', 'train', '1', 'en-ud-train.conllu 2', '1', 'endorse'",
        ),
        (row("a", 5, end=7), ":3: found sentence 2, predicate 1, argument 0 to 7, expected words of"),
        (row("a", 5, begin=2, end=1), ":3: found sentence 2, predicate 1, argument 2 to 1, expected words of"),
        (
            row("a", 5, sentence="train.conllu 3"),
            ":3: found sentence 3, predicate 1, argument 0 to 0, expected words of",
        ),
        (row("a", 5, sentence="train.conllu 0"), ":3: found sentence 0"),
        ("a\tb", ":3: found 2 columns, expected 17 as in the header line"),
    ],
)
def test_what_is_wrong_with_the_table(tmp_path, wrong, message):
    with pytest.raises(Located) as caught:
        read(save(tmp_path, ENDORSED[0], wrong))
    assert str(caught.value).startswith(f"{tmp_path / spr.SPR2_TABLE}{message}")


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(
        UserError, match="found neither protoroles_eng_ud1.2_11082016.tsv nor protoroles_eng_udewt.tar.gz"
    ):
        spr.spr2_splits(tmp_path)
    path = save(tmp_path, *ENDORSED) / spr.SPR2_TABLE
    with pytest.raises(UserError, match="one file, expected the folder that has the table and the sentences"):
        spr.spr2_splits(path)
    path.write_text(HEADER.replace("Property", "Properties") + "\n")
    with pytest.raises(Located, match=r"tsv:1: found no column Property, expected SPR2's header line"):
        read(tmp_path)
    (tmp_path / "en-ud-dev.words.txt").unlink()
    with pytest.raises(UserError, match="found no en-ud-dev.conllu, expected the sentences of UD English 1.2"):
        spr.spr2_splits(tmp_path)


def test_sentences_without_their_words(tmp_path):
    path = save(tmp_path, *ENDORSED, ending=".conllu") / "en-ud-train.conllu"
    path.write_text(re.sub(r"(?m)^(\d+\t)[^\t\n]+", r"\1_", path.read_text()))
    with pytest.raises(
        Located, match="en-ud-train.conllu: found no words: _ stands for each.* expected the sentences of UD"
    ):
        read(tmp_path)


def test_a_property_with_an_answer_that_is_no_number_is_false(tmp_path):
    found, _ = read(save(tmp_path, row("awareness", 5), row("awareness", "nan"), row("volition", 5)))
    assert found[0].targets[0].labels == ("volition",)


@pytest.mark.parametrize("content", [b"", b"plain", None])
def test_archives_that_cannot_be_used(tmp_path, content):
    path = save(tmp_path, *ENDORSED, archive=True) / "protoroles_eng_udewt.tar.gz"
    if content is None:
        with tarfile.open(path, "w:gz"):
            pass
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read|found no protoroles_eng_ud1.2_11082016.tsv in it"):
        read(tmp_path)


@pytest.mark.corpora
def test_the_published_counts_of_spr2(data_dir):
    found = {name: list(split.records) for name, split in spr.spr2_splits(data_dir / "probing" / "SPR2").items()}
    assert {
        name: (len(records), sum(len(record.targets) for record in records)) for name, records in found.items()
    } == (TASKS["spr2"].counts)
    labels = [target.labels for records in found.values() for record in records for target in record.targets]
    assert {label for several in labels for label in several} == set(TASKS["spr2"].labels)
    empty = [sum(not target.labels for record in records for target in record.targets) for records in found.values()]
    assert empty == [40, 3, 2]
    # the second line of the published development data
    assert found["dev"][1] == Record(
        "I feel great in it .",
        (
            Target(
                (1, 2),
                (0, 1),
                (
                    "awareness",
                    "change_of_state_continuous",
                    "existed_after",
                    "existed_before",
                    "existed_during",
                    "sentient",
                    "volition",
                    "was_for_benefit",
                    "was_used",
                ),
                {"span2_txt": "i", "span1_text": "feel", "is_pilot": False, "pred_lemma": "feel"},
            ),
        ),
        {"source": "SPR2", "sent-id": "893", "split": "dev", "grammatical": 5.0, "sent_id": "893"},
    )


# SPR1


def spr1_line(**changes):
    answers = {"sentient": 3.0, "awareness": 5.0, "volition": 3.5}
    pair = {"pred_idx": 1, "arg_idx": 0, "responses": [{"spr_property": k, "response": v} for k, v in answers.items()]}
    pair["responses"].append({"spr_property": "volition", "response": 1})
    entry = {
        "tokens": ["It", "endorsed", "them"],
        "spr1": [pair, {**pair, "arg_idx": 2}],
        "split": "dev",
        "sent_id": "1_1",
        "pb": [],
    }
    return json.dumps({**entry, **changes}) + "\n"


def test_spr1_by_hand(tmp_path):
    for name in ("train", "dev", "test"):
        (tmp_path / (f"spr1.{name}.json")).write_text(spr1_line() + "\n" + spr1_line(spr1=[]))
    (tmp_path / "old.dev.json").write_text("")
    with pytest.raises(UserError, match=r"expected one; choose with --files=PATTERN, such as --files='spr1\*'"):
        spr.spr1_splits(tmp_path)
    splits = spr.spr1_splits(tmp_path, files="spr1*")
    assert list(splits) == ["train", "dev", "test"]
    assert list(splits["dev"].records) == [
        Record(
            "It endorsed them",
            (Target((1, 2), (0, 1), ("awareness",)), Target((1, 2), (2, 3), ("awareness",))),
            {"split": "dev", "sent_id": "1_1"},
        ),
        Record("It endorsed them", (), {"split": "dev", "sent_id": "1_1"}),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[", "Expecting value"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        (spr1_line().replace('"pred_idx": ', '"pred_idx": 1e999, "x": '), "the number '1e999', which is not finite"),
        ("[]\n", "list indices must be integers or slices, not str"),
        ("{}\n", "no 'tokens'"),
        (spr1_line(tokens=["It"]), "pred_idx 1, arg_idx 0 of 1 tokens"),
        (spr1_line(spr1=[{"pred_idx": 0}]), "no 'arg_idx'"),
        (spr1_line(tokens=[1, 2]), ""),
    ],
)
def test_what_is_wrong_with_spr1(tmp_path, line, why):
    (tmp_path / "x.json").write_text(spr1_line() + line)
    with pytest.raises(Located) as caught:
        list(spr.spr1_splits(tmp_path / "x.json", split="dev")["dev"].records)
    assert str(caught.value).startswith("%s:2: found " % (tmp_path / "x.json")) and why in str(caught.value)
