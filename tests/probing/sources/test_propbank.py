"""probing.sources.propbank: sentences by hand, the release's skeletons filled with UD's words, and the counts."""

import gzip
import itertools

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.sources import propbank
from probing.tasks import TASKS
from tests.probing.sources.test_conll2012 import BRAND, conll, save, spans


def tabs(rows):
    lines = []
    for i, line in enumerate(rows.strip().split("\n")):
        word, tag, tree, *frames = line.split()
        rolesets = ["x.01"] if any(cell.startswith("(V*") for cell in frames) else ["-"]
        lines.append("\t".join(["google/ewt/a.xml", "4", str(i), word, tag, tree, "-", *rolesets, *frames]))
    return "\n".join(lines) + "\n"


def test_propbank_ewt_by_hand(tmp_path):
    text = tabs(
        "He PRP (TOP(S(NP*) (ARG0*) *\nwill MD (VP* (ARGM-MOD*) *\nmake VB (VP* (V*) *\nit PRP (NP*)))) * (V*)\n. XX "
        "*) * *"
    )
    path = save(tmp_path / "en_ewt-pb-dev.gold_conll", text)
    found = {task: list(propbank.splits(tmp_path, task)["dev"].records) for task in propbank.TASKS}
    assert [spans(record) for record in found["srl"]] == [[(2, 3, 0, 1, "ARG0"), (2, 3, 1, 2, "ARGM-MOD")], []]
    assert spans(found["constituents"][0]) == [
        (0, 5, "TOP"),
        (0, 4, "S"),
        (0, 1, "NP"),
        (1, 4, "VP"),
        (2, 4, "VP"),
        (3, 4, "NP"),
    ]
    assert [target.labels[0] for target in found["pos"][0].targets] == ["PRP", "MD", "VB", "PRP", "XX"]
    assert found["pos"][0].info == {"document_id": "google/ewt/a.xml", "sentence_id": 4}
    save(path, text.replace("make", "make up"))
    [split] = propbank.splits(path, "pos", split="dev").values()
    assert next(split.records).words == ["He", "will", "make_up", "it", "."]


def test_what_is_wrong_with_propbank_ewt(tmp_path):
    path = tmp_path / "en_ewt-pb-dev.gold_conll"
    for text, message in (
        (
            conll(BRAND),
            "dev.gold_conll:1: found 6 columns behind the eighth and 0 rolesets in it, expected one column for each",
        ),
        ("a\tb\tc\n", "dev.gold_conll:1: found 3 columns: 'a\\tb\\tc', expected 8 or more, as in PropBank EWT"),
        (tabs("a X *\nb X * *"), "dev.gold_conll:2: found 9 columns after lines of 8, expected as many in every line"),
        (
            tabs("a X * (V*)\nb X * *)"),
            "dev.gold_conll:1: found a closing bracket too many after word 2, expected brackets",
        ),
    ):
        save(path, text)
        with pytest.raises(Located) as caught:
            list(propbank.splits(tmp_path, "srl")["dev"].records)
        assert message in str(caught.value)


ROWS = ["PRP (TOP(S(NP*) (ARG0*)", "MD (VP* (ARGM-MOD*)", "VB (VP* (V*)", "PRP (NP*))))) (ARG1*)"]
HERE = "weblog/00/b-x_ENG.xml"


def treebank(folder, words, tags="PRP MD VB PRP"):
    """UD English-EWT with the one sentence."""
    rows = [
        f"{i}\t{word}\t_\tX\t{tag}\t_\t0\troot\t_\t_\n"
        for i, (word, tag) in enumerate(zip(words.split(), tags.split()), 1)
    ]
    save(folder / "en_ewt-ud-dev.conllu", "# sent_id = weblog-b-x_ENG-0005\n" + "".join(rows))


def test_skeletons_take_the_words_of_the_treebank(tmp_path):
    folder = tmp_path / "propbank-release"
    skeleton = tabs("\n".join("[WORD] " + row for row in ROWS)).replace("\t", "    ").replace("a.xml", HERE)
    save(folder / "data" / "google" / "ewt" / (HERE + ".gold_skel"), skeleton)
    save(folder / "docs" / "evaluation" / "ewt.dev.txt", HERE + ".conllu\nweblog/00/none.xml.conllu\n")
    treebank(tmp_path / "UD", "He will make it")
    with pytest.raises(
        UserError, match="found skeletons without words .* expected UD English-EWT's en_ewt-ud-train.conllu"
    ):
        propbank.splits(folder, "srl")
    (folder / "UD").symlink_to(tmp_path / "UD")
    [(name, split)] = propbank.splits(folder, "srl").items()
    [record] = split.records
    assert (name, record.text, spans(record)) == (
        "dev",
        "He will make it",
        [(2, 3, 0, 1, "ARG0"), (2, 3, 1, 2, "ARGM-MOD"), (2, 3, 3, 4, "ARG1")],
    )
    assert record.info == {"document_id": "google/ewt/weblog/00/b-x_ENG.xml", "sentence_id": 4}
    assert split.notes == {"document of the list without a file: left out": 1}
    with pytest.raises(UserError, match="found dev, expected test among them, as --split says"):
        propbank.splits(folder, "srl", split="test")
    # other words, or hardly a tag in common: another sentence
    for words, tags in (("He will make", "PRP MD VB"), ("He will make it", "X X X PRP")):
        treebank(tmp_path / "UD", words, tags)
        [split] = propbank.splits(folder, "pos").values()
        assert not list(split.records)
        assert split.notes["sentence that UD English-EWT has not, or cuts into other words: left out"] == 1
    # without lists the split is that of all documents
    (folder / "data" / "UD").symlink_to(tmp_path / "UD")
    with pytest.raises(
        UserError, match="found 1 documents, expected the lists docs/evaluation/ewt.train.txt, dev and test"
    ):
        propbank.splits(folder / "data", "srl")
    # a file that has its words goes before the skeleton
    save(folder / "data" / "google" / "ewt" / (HERE + ".gold_conll"), skeleton.replace("[WORD]", "it"))
    assert [record.text for record in propbank.splits(folder, "pos")["dev"].records] == ["it it it it"]


def test_real_words_fill_the_skeletons_again(data_dir, tmp_path):
    """The dev file without its words, cut into documents, gives the same sentences with UD's."""
    (tmp_path / "docs").mkdir()
    name = "en_ewt-ud-dev.conllu"
    (tmp_path / "docs" / name).symlink_to(data_dir / "probing" / "UD_English-EWT" / name)
    with gzip.open(
        data_dir / "probing" / "PropBank_EWT" / "en_ewt-pb-dev.gold_conll.gz", "rt", encoding="utf-8"
    ) as file:
        sentences = file.read().rstrip("\n").split("\n\n")[:400]
    documents = {}
    for sentence in sentences:
        lines = [line.split("\t") for line in sentence.split("\n")]
        documents.setdefault(lines[0][0], []).append(
            "\n".join("  ".join([*line[:3], "[WORD]", *line[4:]]) for line in lines) + "\n"
        )
    for name, skeletons in documents.items():
        save(tmp_path / "data" / (name + ".gold_skel"), "\n".join(skeletons))
    names = [name.removeprefix("google/ewt/") + ".conllu" for name in documents]
    (tmp_path / "docs" / "ewt.dev.txt").write_text("\n".join(names))
    [split] = propbank.splits(tmp_path, "constituents").values()
    found = list(split.records)
    published = propbank.splits(data_dir / "probing" / "PropBank_EWT", "constituents", split="dev")["dev"].records
    known = [record for record in itertools.islice(published, 400) if record in found]
    assert (len(found), len(known)) == (399, 399)


@pytest.mark.corpora
def test_the_counts_of_propbank_ewt(data_dir):
    counts, labels = {}, {}
    for task in propbank.TASKS:
        labels[task] = set()
        for name, split in propbank.splits(data_dir / "probing" / "PropBank_EWT", task).items():
            number = targets = 0
            for record in split.records:
                number += 1
                targets += len(record.targets)
                labels[task].update(target.labels[0] for target in record.targets)
            counts[task, name] = number, targets
            assert not split.notes
    sentences = {name: number for (task, name), (number, _) in counts.items() if task == "pos"}
    assert sentences == {"train": 12542, "dev": 1974, "test": 2062}
    assert {name: number for (task, name), (number, _) in counts.items() if task == "constituents"} == sentences
    predicates = {name: number for (task, name), (number, _) in counts.items() if task == "srl"}
    assert predicates == {"train": 40482, "dev": 4977, "test": 4799}
    assert [counts[task, "train"][1] for task in propbank.TASKS] == [204550, 190037, 81537]
    assert labels["constituents"] - set(TASKS["constituents"].labels) == {"EDITED"}
    assert labels["pos"] - set(TASKS["pos"].labels) == {"GW", "XX"}


def test_every_bracket_of_propbank_ewt_is_a_target(data_dir):
    folder = data_dir / "probing" / "PropBank_EWT"
    with gzip.open(folder / "en_ewt-pb-dev.gold_conll.gz", "rt", encoding="utf-8", newline="\n") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line != "\n"]
    roles = sum(cell.count("(") for row in rows for cell in row[8:]) - sum(row[7] != "-" for row in rows)
    for task, brackets_there in (("constituents", sum(row[5].count("(") for row in rows)), ("srl", roles)):
        split = propbank.splits(folder, task, split="dev")["dev"]
        assert sum(len(record.targets) for record in split.records) == brackets_there
