"""The run command: what it says, what it leaves, controls, going on, and how it fails."""

import json
import os
import re

import numpy as np
import pytest

from probing import corpora, records, scoring
from probing.tasks import SPLITS


@pytest.fixture(scope="module")
def data(tmp_path_factory, make_records):
    """A folder with dep and pos in three splits."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (split, count) in enumerate((("train", 40), ("dev", 15), ("test", 15))):
        for task, spans in (("pos", 1), ("dep", 2)):
            records.write(folder / (f"{task}.{split}.jsonl"), make_records(count, spans, seed))
    return folder


@pytest.fixture(scope="module")
def arguments(data, encoder_folder):
    return [
        "--task=pos,dep",
        f"--data={data}",
        f"--encoder={encoder_folder}",
        "--epochs=20",
        "--learning_rate=5e-3",
        "--batch_records=8",
        "--representations=lex,mix",
        "--seeds=1,2",
        "--bootstrap=100",
        "--precision=float32",
        "--least_steps=1",
    ]


@pytest.fixture(scope="module")
def finished(command, arguments, tmp_path_factory):
    """(folder in which the command ran, its result)."""
    folder = tmp_path_factory.mktemp("run")
    result = command("probing.run", *arguments, "--control=random_labels,random_encoder", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder, result


def cells(folder):
    return {
        (path.parts[-3], path.stem, json.loads(path.read_text(encoding="utf-8"))["control"]): path
        for path in sorted(folder.glob("runs/probing/*/*/*.json"))
    }


def test_the_table(finished):
    folder, result = finished
    lines = result.stdout.rstrip("\n").split("\n")
    header = re.split(r"  +", lines[0].strip())
    assert header[0] == "split" and [name.partition("bert ")[2] for name in header[1:]] == ["lex", "mix", "mix - lex"]
    number = r"\d+\.\d \(\d+\.\d to \d+\.\d\)"
    for title in ("Part-of-Speech", "Dependencies"):
        line, *others = [line for line in lines if line.startswith(title)]
        assert len(others) == 1 + 2  # of the layers that mix takes, and of the controls of lex and mix
        assert re.fullmatch(
            rf"{title} +test, 2 seeds +{number} +{number} +[+-]\d+\.\d \(-?\d+\.\d to -?\d+\.\d\)", line
        )
    (header,) = [re.split(r"  +", line.strip()) for line in lines if "control task" in line]
    assert header[-5:] == ["F1, all labels", "control task", "selectivity", "random encoder", "gain over it"]
    assert lines[-1] == "results: runs/probing"


def test_what_it_says(finished):
    said = finished[1].stderr
    assert re.search(r"^encoder: .*bert, 3 layers of 16; layer 0 is lexical: LayerNorm\(word embedding\)$", said, re.M)
    assert re.search(r"^pos, train: 40 records, \d+ targets, \d+ different sentences$", said, re.M)
    assert re.search(r"^  \d+\.\d % of \d+ words have \[UNK\]$", said, re.M)
    assert re.search(
        r"^activations: \d+ sentences, 0 of them in the store already; [\d.]+ [kM]B to write to runs/activations/",
        said,
        re.M,
    )
    # both tasks have other sentences here; a second task of the same ones would find them all
    assert re.search(r"^pos: 8 probes of \d+/\d+ parameters, 100 steps of 8 records$", said, re.M)


def test_what_it_leaves(finished):
    folder, _ = finished
    found = cells(folder)
    assert len(found) == 2 * 3 * 2 * 2
    record = json.loads(found[("dep", "mix-seed2", "")].read_text(encoding="utf-8"))
    assert (record["task"], record["representation"], record["seed"], record["labels"]) == (
        "dep",
        "mix",
        2,
        ["A", "B", "C"],
    )
    assert sum(record["mix"]["shares"]) == pytest.approx(1, abs=1e-5)
    assert record["mix"]["layers"] == [0, 1, 2, 3]
    assert len(record["history"]) == 20
    assert not list(folder.glob("runs/probing/**/state*"))
    with np.load(found[("dep", "mix-seed2", "")].with_suffix(".npz")) as arrays:
        targets = record["data"]["splits"]["test"]["targets"]
        assert arrays["test_probabilities"].shape == (targets, 3)
        figures = record["figures"]["test"]["Dependencies"]
        assert scoring.total(arrays["test_counts"]) == scoring.PRF(figures["tp"], figures["fp"], figures["fn"])


def test_probabilities_give_the_figures(finished, data):
    path = cells(finished[0])[("pos", "lex-seed1", "")]
    record = json.loads(path.read_text(encoding="utf-8"))
    gold = [
        [label in target.labels for label in record["labels"]]
        for part in records.read(data / "pos.test.jsonl", 1)
        for target in part.targets
    ]
    with np.load(path.with_suffix(".npz")) as arrays:
        said = arrays["test_probabilities"] >= 0.5
    gold = np.array(gold)
    f1 = 2 * (said & gold).sum() / (said.sum() + gold.sum())
    assert record["figures"]["test"]["Part-of-Speech"]["f1"] == f1
    assert f1 > 0.6  # the label is the first word's, and this layer knows no order


def test_run_again_it_trains_nothing_and_says_the_same(finished, command, arguments):
    folder, result = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != "lock"}
    again = command("probing.run", *arguments, "--control=random_labels,random_encoder", cwd=folder)
    assert (again.returncode, again.stdout) == (0, result.stdout)
    assert "pos: 8 probes finished already" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_missing_is_trained(finished, command, arguments):
    folder, _ = finished
    removed = cells(folder)[("dep", "mix-seed1", "")]
    before = json.loads(removed.read_text(encoding="utf-8"))["figures"]
    removed.unlink()
    again = command("probing.run", *arguments, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "dep: 3 probes finished already" in again.stderr
    assert "in the store already; 0 bytes to write" in again.stderr
    assert json.loads(removed.read_text(encoding="utf-8"))["figures"] == before


def test_description_length_is_added_to_what_is_there(finished, command, arguments):
    folder, _ = finished
    path = cells(folder)[("pos", "mix-seed1", "")]
    before = json.loads(path.read_text(encoding="utf-8"))
    few = ["--task=pos", "--representations=mix", "--seeds=1", "--control=random_labels", "--description_length"]
    again = command("probing.run", *arguments, *few, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "pos: description length, from 20 records to 40" in again.stderr
    (table,) = [table for table in again.stdout.split("\n\n") if "description length" in table]
    header, line = (re.split(r"  +", line.strip()) for line in table.split("\n")[:2])
    assert re.fullmatch(r"\d+\.\d\d", line[1 + header.index("description length, kbit")])
    after = json.loads(path.read_text(encoding="utf-8"))
    length = after.pop("description_length")
    assert after == before
    assert length["blocks"][-1]["records"] == 40
    assert length["compression"] == pytest.approx(length["uniform_bits"] / length["bits"])
    control = json.loads(cells(folder)[("pos", "mix-seed1-random_labels", "random_labels")].read_text(encoding="utf-8"))
    assert control["description_length"]["bits"] > length["bits"]
    assert not list((folder / "runs/probing/pos").glob("*/online.*"))


def test_one_sentence_through_the_layers(finished, command, data):
    folder, _ = finished
    result = command("probing.report", "--sentence_task=pos", "--text=꿀잼 영화", cwd=folder)
    assert result.returncode == 0, result.stderr
    header, *lines = [re.split(r"  +", line) for line in result.stdout.rstrip("\n").split("\n")]
    assert header == ["pos", "mix", "lex"]
    assert [line[0] for line in lines] == ["꿀잼", "영화"]
    assert all(re.fullmatch(r"[ABC] [01]\.\d\d", cell) for line in lines for cell in line[1:])
    # what was saved of the test's first record is what the saved weights say of it
    result = command(
        "probing.report", "--sentence_task=dep", "--records=%s" % (data / "dep.test.jsonl"), "--format=csv", cwd=folder
    )
    assert result.returncode == 0, result.stderr
    said = [line.split(",")[3] for line in result.stdout.split("\n")[1:-1]]
    path = cells(folder)[("dep", "lex-seed1", "")]
    with np.load(path.with_suffix(".npz")) as arrays:
        saved = arrays["test_probabilities"][: len(said)]
    names = json.loads(path.read_text(encoding="utf-8"))["labels"]
    assert len(said) >= 2
    for text, values in zip(said, saved):
        label, value = text.split()
        assert float(value) == pytest.approx(values.max(), abs=0.01)
        assert values[names.index(label)] == pytest.approx(values.max(), abs=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sentence_task=dep", "--text=꿀잼 영화"], r"error: dep: found no --spans, expected them as JSON"),
        (["--text=꿀잼 영화"], r"error: found probes of dep and pos, expected one task: choose with --sentence_task"),
        (
            ["--sentence_task=pos", "--text=꿀잼 영화", "--spans=[[0,3]]"],
            r"error: --spans=\[\[0,3\]\]: expected some from 0 to 2",
        ),
        (
            ["--sentence_task=pos", "--text=꿀잼 영화", "--spans=0,1"],
            r"error: --spans='0,1': expected JSON, a list of \[first, last\]",
        ),
        (
            ["--sentence_task=pos", "--text=꿀잼 영화", "--spans=[[0.0,1.0]]"],
            r"error: --spans=.*: expected JSON, a list of \[first, last\]",
        ),
        (
            ["--sentence_task=dep", "--text=꿀잼 영화", "--spans=[[[0,1],null]]"],
            r"error: --spans=.*: expected JSON, a list of \[\[first, last\]",
        ),
        (["--sentence_task=pos", "--spans=[[0,1]]"], r"error: --spans=.*: found no --text"),
        (["--sentence_task=pos", "--text= "], r"error: --text=.*: found no word, expected a sentence"),
    ],
)
def test_a_sentence_that_cannot_be_asked_about(finished, command, options, message):
    result = command("probing.report", *options, cwd=finished[0])
    assert result.returncode == 1
    assert re.match(message, result.stderr.rstrip("\n").split("\n")[-1])
    assert "Traceback" not in result.stderr


def test_another_setting_is_another_run(finished, command, arguments):
    folder, _ = finished
    result = command("probing.run", *arguments, "--epochs=21", cwd=folder)
    assert result.returncode == 1
    assert re.search(
        r"^error: runs/probing/pos/\w+/lex-seed1\S*.json: holds a probe with another schedule: epochs, 20; ",
        result.stderr,
        re.M,
    )
    assert "Traceback" not in result.stderr


def test_recompute_gives_the_same_and_stores_nothing(finished, command, arguments, tmp_path):
    few = ["--task=dep", "--representations=mix", "--seeds=1", "--activations=recompute"]
    result = command("probing.run", *arguments, *few, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(tmp_path / "runs")) == ["probing"]
    (path,) = cells(tmp_path).values()
    there, here = (
        json.loads(p.read_text(encoding="utf-8")) for p in (cells(finished[0])[("dep", "mix-seed1", "")], path)
    )
    assert here["figures"]["test"]["Dependencies"]["f1"] == pytest.approx(
        there["figures"]["test"]["Dependencies"]["f1"], abs=0.02
    )


def test_files_named_one_by_one_and_no_test(command, data, encoder_folder, tmp_path):
    (tmp_path / "train.json").write_bytes((data / "pos.train.jsonl").read_bytes())
    (tmp_path / "val.json").write_bytes((data / "pos.dev.jsonl").read_bytes())
    result = command(
        "probing.run",
        "--task=pos",
        "--train_file=train.json",
        "--dev_file=val.json",
        f"--encoder={encoder_folder}",
        "--epochs=1",
        "--least_steps=1",
        "--representations=lex",
        "--bootstrap=100",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"^Part-of-Speech +dev, 1 seed +\d", result.stdout, re.M)


def test_the_published_schedule(command, data, encoder_folder, tmp_path):
    result = command(
        "probing.run",
        "--task=pos",
        f"--data={data}",
        f"--encoder={encoder_folder}",
        "--schedule=plateau",
        "--steps=6",
        "--interval=3",
        "--representations=lex",
        "--bootstrap=100",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    (path,) = cells(tmp_path).values()
    record = json.loads(path.read_text(encoding="utf-8"))
    assert [point["step"] for point in record["history"]] == [3, 6]
    schedule = record["identity"]["schedule"]
    assert (schedule["learning_rate"], schedule["batch_records"]) == (1e-4, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["--task=pos,parsing"],
            r"error: --task=pos,parsing: found parsing, expected different ones of pos, constituents, .*, rel, all",
        ),
        (["--task=pos,pos"], r"error: --task=pos,pos: found one of them twice, expected different ones"),
        (
            ["--control=shuffle"],
            r"error: --control=shuffle: found shuffle, expected different ones of random_labels, random_encoder",
        ),
        (
            ["--representations=lex,full"],
            r"error: --representations=full: expected some of lex, cat, mix, top_0 to top_3",
        ),
        (["--encoder=classifier", "--representations=full"], r"error: --representations=full: .* top_0 to top_4"),
        (["--representations=lex,lex"], r"error: --representations=lex,lex: expected different names"),
        (["--seeds=1,1"], r"error: --seeds=1,1: expected distinct whole numbers"),
        (
            ["--data=nowhere"],
            r"error: nowhere: found no pos.train.jsonl, expected one; make it with python -m probing.convert",
        ),
        (["--encoder=nowhere/at/all"], r"error: nowhere/at/all: found no such folder"),
        (["--train_file=a.jsonl"], r"error: --task=pos,dep: found several tasks and --train_file, expected one task"),
        (["--task=pos", "--data=", "--train_file=a.jsonl"], r"error: --dev_file: found no pos.dev.jsonl, expected one"),
        (["--task=pos", "--data=", "--train_file=no.jsonl", "--dev_file=no.jsonl"], r"error: no.jsonl: cannot be read"),
        (
            ["--task=pos", "--train_file=a.jsonl"],
            r"error: --data=.*: found --train_file=a.jsonl beside it, expected one",
        ),
        (["--task=srl"], r"error: .*: found no srl.train.jsonl"),
        (
            ["--steps=3"],
            r"error: --steps=3: found --schedule=linear, which does not read it, expected --schedule=plateau or no",
        ),
        (["--schedule=plateau", "--warmup=0"], r"error: --\w+=.*: found --schedule=plateau, which does not read it"),
    ],
)
def test_bad_input_is_one_line(command, arguments, tmp_path, changes, message):
    result = command("probing.run", *arguments, *changes, cwd=tmp_path)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert re.match(message, result.stderr.rstrip("\n").split("\n")[-1])
    assert not (tmp_path / "runs" / "probing").exists()


def test_a_broken_record_is_named_with_its_line(command, arguments, data, tmp_path):
    for path in data.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with open(tmp_path / "pos.dev.jsonl", "a", encoding="utf-8") as file:
        file.write('{"text": "꿀잼", "targets": [{"span1": [0, 2], "label": "A"}]}\n')
    result = command("probing.run", *arguments, "--task=pos", f"--data={tmp_path}", cwd=tmp_path)
    assert result.returncode == 1
    line = result.stderr.rstrip("\n").split("\n")[-1]
    assert re.match(
        r"error: .*pos.dev.jsonl:16: found span1 \[0, 2\] in target 1, expected a span of the sentence's 1 words", line
    )


def test_labels_that_the_figure_does_not_count_are_refused(command, tmp_path):
    for split in SPLITS:
        text = (corpora.BUNDLED / f"coref.{split}.jsonl").read_text(encoding="utf-8")
        changed = text.replace('"label":"1"', '"label":"yes"').replace('"label":"0"', '"label":"no"')
        (tmp_path / f"coref.{split}.jsonl").write_text(changed, encoding="utf-8")
    result = command("probing.run", "--task=coref", "--data=.", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.endswith(
        "error: coref.train.jsonl: found the labels 'no', 'yes', none of which F1 of OntoNotes coref. counts, "
        "expected '1'; rename them in all splits\n"
    )
