"""probing.convert: every source through the command, one-line errors, all files or none."""

import fcntl
import json
import os
from unittest import mock

import pytest

from nsmc_bert.base.errors import UserError
from probing import convert, corpora, records
from probing.sources import Split, bio, in_tenths, split_of
from probing.tasks import SPLITS, TASKS
from tests import forked
from tests.conftest import ROOT
from tests.probing.sources.test_conll2012 import BRAND, conll
from tests.probing.sources.test_conllu import FUN, row
from tests.probing.sources.test_dpr import HAPPY
from tests.probing.sources.test_gum import corpus as gum_corpus  # noqa: F401  a fixture
from tests.probing.sources.test_klue import save as save_klue
from tests.probing.sources.test_mentions import COREFUD
from tests.probing.sources.test_propbank import tabs
from tests.probing.sources.test_semeval import BURST
from tests.probing.sources.test_spr import ENDORSED, save, spr1_line


@pytest.fixture
def command(tmp_path):
    """Runs the command in a folder of its own."""

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        return forked.run(["-m", "probing.convert", *map(str, arguments)], cwd=tmp_path, env=environment)

    return run


def treebank(folder, **texts):
    folder.mkdir(exist_ok=True)
    for name in ("train", "dev", "test"):
        (folder / (f"x-ud-{name}.conllu")).write_text(texts.get(name, FUN), encoding="utf-8")
    return folder


def test_a_treebank(command, tmp_path):
    treebank(tmp_path / "UD", dev=FUN + "\n" + row("1", "Hà Nội", deprel="nope"))
    result = command("--source=conllu", "--task=dep", "--input=UD", "--output=data/new")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split("\n") == [
        "dep.train.jsonl: 1 record, 4 targets, 4 labels",
        "dep.dev.jsonl: 2 records, 5 targets, 5 labels",
        "  word with white space inside, or empty: written with _ (1)",
        "dep.test.jsonl: 1 record, 4 targets, 4 labels",
        "labels: 5 in all, 4 of the 49 published; others: nope; missing: acl, acl:relcl, advcl, amod, appos, aux, "
        "aux:pass, "
        "case, cc, cc:preconj and 35 more",
        "wrote data/new/dep.train.jsonl, data/new/dep.dev.jsonl, data/new/dep.test.jsonl",
        "",
    ]
    folder = tmp_path / "data" / "new"
    assert sorted(path.name for path in folder.iterdir()) == [
        "dep.conversion.json",
        "dep.dev.jsonl",
        "dep.test.jsonl",
        "dep.train.jsonl",
    ]
    found = list(records.read(folder / "dep.train.jsonl", 2, TASKS["dep"].labels))
    assert found[0].targets[0].labels == ("nsubj",)
    assert list(records.read(folder / "dep.dev.jsonl", 2))[1].words == ["Hà_Nội"]


def test_the_published_counts_stand_beside(command, tmp_path):
    treebank(tmp_path / "UD", train=FUN + "\n" + FUN)
    arguments = ["--source=conllu", "--task=dep", "--input=UD", "--output=."]
    result = command(*arguments, "--as_published", "--split=train")
    assert result.stdout.startswith(
        "dep.train.jsonl: 1 record, 4 targets, 4 labels\n  last sentence of the file: left out"
    )
    treebank(tmp_path / "UD", train=FUN + "\n" + FUN, dev=FUN + "\n" + FUN, test=FUN + "\n" + FUN)
    lines = command(*arguments, "--as_published").stdout.split("\n")
    assert lines[0] == "dep.train.jsonl: 1 record, 4 targets, 4 labels"  # another treebank than that of the published
    path = tmp_path / "onto" / "train" / "data" / "chinese" / "annotations" / "x.gold_conll"
    path.parent.mkdir(parents=True)
    path.write_text(conll(BRAND))
    arguments = ["--source=conll2012", "--task=pos", "--input=onto"]
    lines = command(*arguments, "--language=chinese", "--output=c").stdout.split("\n")
    assert lines[0] == "pos.train.jsonl: 1 record, 13 targets, 8 labels"
    path.rename(tmp_path / "onto" / "train" / "x.gold_conll")
    lines = command(*arguments, "--output=e").stdout.split("\n")
    assert lines[0].startswith("pos.train.jsonl: 1 record, 13 targets, 8 labels; published: 115,812 records, ")


BAD = {
    "none": ([], "error: found no --source, --input, --output, expected --source=FORMAT --task=TASK --input=CORPUS"),
    "no task": (
        ["--source=conllu", "--input=UD", "--output=o"],
        "error: found no --task, expected one that --source=conllu has",
    ),
    "task": (
        ["--source=dpr", "--task=srl", "--input=UD", "--output=o"],
        "error: found --task='srl', expected one that --source",
    ),
    "source": (["--source=ptb"], "error: flag --source=ptb: value should be one of <conllu|conll2012|"),
    "option": (
        ["--source=dpr", "--tags=upos", "--input=UD", "--output=o"],
        "error: found --tags with --source=dpr, expected it",
    ),
    "nowhere": (
        ["--source=conllu", "--task=dep", "--input=no", "--output=o"],
        "error: no: found no such file or folder, expect",
    ),
    "line": (
        ["--source=conllu", "--task=dep", "--input=UD", "--output=o"],
        "error: UD/x-ud-test.conllu:7: found 2 columns: '5",
    ),
    "empty": (
        ["--source=conllu", "--task=dep", "--input=empty-dev.conllu", "--split=dev", "--output=n"],
        "error: {folder}/empty-dev.conllu: found no sentence for dev, expected at least one",
    ),
    "no XPOS": (
        ["--source=conllu", "--task=pos", "--input=bare-dev.conllu", "--split=dev", "--output=o"],
        "error: bare-dev.conllu: found no XPOS, expected the language's own tags; --tags=upos takes the universal ones",
    ),
    "no target": (
        ["--source=conllu", "--task=dep", "--input=bare-dev.conllu", "--split=dev", "--output=n"],
        "error: {folder}/bare-dev.conllu: found 1 sentence and no target in them for dev, expected at least one; word "
        "without a head or relation: no target (1)",
    ),
    "output": (
        ["--source=conllu", "--task=dep", "--input=UD", "--output=file"],
        "error: file: cannot be made (File exists)",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_errors_are_one_line_and_lose_nothing(command, tmp_path, arguments, message):
    treebank(tmp_path / "UD", test=FUN + "5\tx\n")
    (tmp_path / "bare-dev.conllu").write_text(row("1", "a", "_", "_"))
    for name in ("empty-dev.conllu", "file"):
        (tmp_path / name).write_text("")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "dep.train.jsonl").write_text("old")
    result = command(*arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith(message.format(folder=tmp_path))
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["dep.train.jsonl"]
    assert (tmp_path / "o" / "dep.train.jsonl").read_text() == "old"


# The sources, in this process


def run(folder, name, task, path, **options):
    source = convert.SOURCES[name]
    assert set(options) <= set(source.options)
    done = convert.convert(source.splits(path, task, **options), TASKS[task], folder / "out" / name)
    for summary in done.values():
        again = list(records.read(summary.path, TASKS[task].spans))
        assert (len(again), sum(len(record.targets) for record in again)) == (summary.records, summary.targets)
    return {split: (summary.records, summary.targets) for split, summary in done.items()}


def test_every_source_makes_all_its_tasks(tmp_path, gum_corpus):  # noqa: F811
    for name in ("train", "development", "test"):
        path = tmp_path / "ontonotes" / name / "x.gold_conll"
        path.parent.mkdir(parents=True)
        path.write_text(conll(BRAND))
    (tmp_path / "x-train.gold_conll").write_text(tabs("Go VB (TOP(S* (V*)\non RP *)) (ARG1*)"))
    (tmp_path / "train.c.txt").write_text(HAPPY)
    (tmp_path / "TEST_FILE_FULL.TXT").write_text(BURST)
    (tmp_path / "spr1.json").write_text(spr1_line())
    spr2 = tmp_path / "spr2"
    spr2.mkdir()
    save(spr2, *ENDORSED, ENDORSED[0].replace("train.conllu 2", "test.conllu 1"))
    (tmp_path / "bio").mkdir()
    (tmp_path / "bio" / "valid.txt").write_text("EU B-ORG\nrejects O\n")
    (tmp_path / "klue").mkdir()
    texts = dict.fromkeys(("train", "dev", "test"), COREFUD.replace("PROPN\t_", "PROPN\tNNP"))
    paths = {
        "conllu": (treebank(tmp_path / "UD", **texts), {}),
        "klue": (save_klue(tmp_path / "klue"), {"tags": "upos"}),
        "bio": (tmp_path / "bio", {}),
        "conll2012": (tmp_path / "ontonotes", {}),
        "propbank_ewt": (tmp_path, {}),
        "gum": (gum_corpus, {}),
        "semeval": (tmp_path, {}),
        "dpr": (tmp_path / "train.c.txt", {"split": "test"}),
        "spr1": (tmp_path / "spr1.json", {"split": "dev"}),
        "spr2": (spr2, {}),
    }
    assert set(paths) == set(convert.SOURCES)
    found = {
        (name, task): run(tmp_path, name, task, path, **options)
        for name, (path, options) in paths.items()
        for task in convert.SOURCES[name].tasks
    }
    # counted by hand in the sources' own tests
    three = ("train", "dev", "test")
    assert found["conllu", "pos"] == dict.fromkeys(three, (1, 2))
    assert found["conllu", "dep"] == dict.fromkeys(three, (1, 8))
    assert found["conllu", "entities"] == dict.fromkeys(three, (1, 4))
    assert [found["klue", task] for task in ("pos", "dep", "entities")] == [{"dev": (2, 4)}] * 2 + [{"dev": (1, 4)}]
    assert found["bio", "entities"] == {"dev": (1, 1)}
    assert found["conll2012", "constituents"] == dict.fromkeys(three, (1, 12))
    assert found["conll2012", "srl"] == dict.fromkeys(three, (2, 4))
    assert found["propbank_ewt", "srl"] == {"train": (1, 1)}
    assert found["gum", "entities"] == {"train": (2, 3)}
    assert found["semeval", "rel"] == {"test": (1, 1)}
    assert found["dpr", "dpr"] == {"test": (2, 4)}
    assert found["spr1", "spr1"] == {"dev": (1, 2)}
    assert found["spr2", "spr2"] == {"train": (2, 3), "dev": (1, 1), "test": (1, 1)}
    assert {task for _, task in found} == set(TASKS)


def test_only_properties_are_lists_of_labels(tmp_path):
    run(tmp_path, "conllu", "dep", treebank(tmp_path / "UD"))
    (tmp_path / "spr1.json").write_text(spr1_line())
    run(tmp_path, "spr1", "spr1", tmp_path / "spr1.json", split="dev")
    for name, label in (("dep.dev.jsonl", "nsubj"), ("spr1.dev.jsonl", ["awareness"])):
        (path,) = (tmp_path / "out").glob("*/" + name)
        assert json.loads(path.read_text().split("\n")[0])["targets"][0]["label"] == label


def test_all_files_or_none(tmp_path):
    def generate(notes, fail):
        yield records.Record("a", (records.Target((0, 1), None, ("X",)),))
        if fail:
            raise UserError("broken")

    (tmp_path / "pos.train.jsonl").write_text("old")
    splits = {"train": split_of(generate, fail=False), "dev": split_of(generate, fail=True)}
    with pytest.raises(UserError, match="broken"):
        convert.convert(splits, TASKS["pos"], tmp_path)
    assert (tmp_path / "pos.train.jsonl").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "new" / "pos.dev.jsonl").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"):
        convert.convert({"dev": split_of(generate, fail=False)}, TASKS["pos"], tmp_path / "new")
    assert not list(tmp_path.glob("new/.convert-*"))


def splits_of(**texts):
    return {
        name: Split(iter([records.Record(text, (records.Target((0, 1), None, ("X",)),))]), {})
        for name, text in texts.items()
    }


def test_splits_that_are_converted_one_by_one(tmp_path):
    def make(split, text, **options):
        made_with = {"source": "conllu", "split": split, "tags": "xpos", **options}
        done = convert.convert(splits_of(**{split: text}), TASKS["pos"], tmp_path, made_with, f"{text}.conllu")
        return list(convert.beside(done, TASKS["pos"], tmp_path))

    assert make("train", "a") == []
    assert make("dev", "b") == ["pos.train.jsonl: stays beside, as it was converted before, of a.conllu"]
    with pytest.raises(UserError, match="pos.train.jsonl: found the records of another conversion"):
        make("test", "c", tags="upos")
    make("test", "c")
    assert [line.partition(":")[0] for line in make("dev", "d")] == ["pos.train.jsonl", "pos.test.jsonl"]
    assert sorted(corpora.find(TASKS["pos"], tmp_path, dict.fromkeys(SPLITS, "")).paths) == ["dev", "test", "train"]


def test_a_conversion_that_was_killed_leaves_nothing_for_good(tmp_path):
    dead, alive = tmp_path / ".convert-dead", tmp_path / ".convert-alive"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "pos.dev.jsonl").write_text("{")
    lock = os.open(alive, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    convert.convert(splits_of(dev="a"), TASKS["pos"], tmp_path)
    os.close(lock)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".convert-alive",
        "pos.conversion.json",
        "pos.dev.jsonl",
    ]
    # killed between two files, a folder is of no conversion
    convert.convert(splits_of(train="a", dev="b"), TASKS["pos"], tmp_path)
    real = os.replace

    def kill(source, target):
        if target == tmp_path / "pos.dev.jsonl":
            raise KeyboardInterrupt
        real(source, target)

    with mock.patch.object(convert.os, "replace", kill), pytest.raises(KeyboardInterrupt):
        convert.convert(splits_of(train="c", dev="d"), TASKS["pos"], tmp_path)
    with pytest.raises(UserError, match="found other records than those of the conversion"):
        corpora.find(TASKS["pos"], tmp_path, dict.fromkeys(SPLITS, ""))


def test_what_is_said_of_labels_of_another_kind(tmp_path):
    record = records.Record("가", (records.Target((0, 1), None, ("NOUN",)), records.Target((0, 1), None, ("X",))))
    done = convert.convert({"dev": Split(iter([record]), {})}, TASKS["pos"], tmp_path)
    assert list(convert.describe(done, TASKS["pos"], False))[-1] == "labels: 2 in all, 0 of the 48 published: NOUN, X"


def test_the_labels_of_each_split_are_said(tmp_path):
    def make(split, text, label):
        record = records.Record(text, (records.Target((0, 1), None, (label,)),))
        made_with = {"source": "bio", "split": split}
        convert.convert({split: Split(iter([record]), {})}, TASKS["entities"], tmp_path, made_with)
        return json.loads((tmp_path / "entities.conversion.json").read_text())["labels"]

    make("train", "a", "OG")
    assert make("dev", "b", "PS") == {"train": ["OG"], "dev": ["PS"]}
    assert make("dev", "b", "LC") == {"train": ["OG"], "dev": ["LC"]}


def test_one_split_in_tenths(tmp_path):
    def generate(notes):
        for number in range(23):
            notes["odd"] += number % 2
            if number != 9:
                yield records.Record(str(number), ())
        notes["at the end"] += 1

    splits = in_tenths(split_of(generate))
    found = {name: [int(record.text) for record in split.records] for name, split in splits.items()}
    rest = [*range(9), *range(10, 23)]
    assert found == {"train": rest[:17], "dev": rest[17:19], "test": rest[19:]}
    assert [+split.notes for split in splits.values()] == [{"odd": 9}, {"odd": 1}, {"odd": 1, "at the end": 1}]


def test_in_tenths_of_one_file_or_split(command, tmp_path):
    treebank(tmp_path / "UD", dev="\n".join([FUN] * 20))
    arguments = ["--source=conllu", "--task=dep", "--in_tenths", "--output=o"]
    result = command(*arguments, "--input=UD")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr == "error: UD: found train and dev and test, expected one split to cut; choose with --split\n"
    for choice in (["--input=UD", "--split=dev"], ["--input=UD/x-ud-dev.conllu"]):
        result = command(*arguments, *choice)
        counts = [line.partition(",")[0] for line in result.stdout.split("\n")[:3]]
        assert counts == ["dep.train.jsonl: 16 records", "dep.dev.jsonl: 2 records", "dep.test.jsonl: 2 records"]
    made_with = json.loads((tmp_path / "o" / "dep.conversion.json").read_text())["made_with"]
    assert (made_with["in_tenths"], made_with["split"]) == (True, "")


def test_what_was_written_into_the_corpus_is_not_read(tmp_path):
    """Of the corpus' folder, with what a killed conversion left in it, in tenths and again."""
    (tmp_path / "data-train.txt").write_text("EU B-ORG\n\n" * 10)
    (tmp_path / ".convert-x").mkdir()
    (tmp_path / ".convert-x" / "entities.dev.jsonl").write_text("{")
    for _ in range(2):
        [split] = bio.splits(tmp_path, "entities").values()
        convert.convert(in_tenths(split), TASKS["entities"], tmp_path)
    (tmp_path / "entities.conversion.json").unlink()  # what no conversion tells of is a corpus
    assert list(bio.splits(tmp_path, "entities", split="test")) == ["test"]


def test_a_split_of_the_release_is_as_published(command, data_dir):
    """The counts tell it, whether its folder or one file was named; what is cut in tenths is another split."""
    folder = data_dir / "probing" / "UD_English-EWT-r2.2"
    arguments = ["--source=conllu", "--task=dep", "--as_published"]
    first = "dep.dev.jsonl: 2,000 records, 25,110 targets, 46 labels; as published\n"
    assert command(*arguments, f"--input={folder}", "--split=dev", "--output=a").stdout.startswith(first)
    file = folder / "en_ewt-ud-dev.conllu.gz"
    assert command(*arguments, f"--input={file}", "--split=dev", "--output=b").stdout.startswith(first)
    assert "published\n" not in command(*arguments, f"--input={file}", "--in_tenths", "--output=c").stdout


def test_the_published_files_have_as_many_bytes(data_dir, tmp_path):
    """The published SPR2 and SemEval development files hold 244,313 and 297,383 bytes; keys stand in another order
    there.
    """
    for name, task, folder, size in (("spr2", "spr2", "SPR2", 244313), ("semeval", "rel", "SemEval2010_task8", 297383)):
        splits = convert.SOURCES[name].splits(data_dir / "probing" / folder, task)
        done = convert.convert({"dev": splits["dev"]}, TASKS[task], tmp_path)
        assert done["dev"].path.stat().st_size == size
        assert next(convert.describe(done, TASKS[task], True)).endswith("; as published")
