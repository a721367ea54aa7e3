"""probing.study: what a change of the list of probes keeps, and results whatever the strings that were read."""

import dataclasses
import gzip
import json
import types

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing import corpora, encoders, records, study
from probing.learning import fit, resume
from probing.learning.schedule import Schedule
from probing.results import runs, tables
from probing.results.result import Result
from probing.tasks import SPLITS, TASKS
from tests.probing.test_activations import Counting

RUNTIME = types.SimpleNamespace(precision="float32", xla=False, kind="CPU")
LONE = "\ud83d"  # half of a surrogate pair, which JSON can say and UTF-8 cannot
SCHEDULE = Schedule(epochs=6, batch_records=8, learning_rate=5e-3, least_steps=1)


class Light(Counting):
    """Three layers of 4, of which representations can be made."""

    widths = (4, 4, 4)

    def representation(self, name):
        return encoders.transformer_representation(name, len(self.widths))


@pytest.fixture
def probe(tmp_path, make_records, monkeypatch):
    """Makes a study of pos: probe(seeds) -> (results, lines); probe.steps counts each probe's steps by its name."""
    for seed, (split, count) in enumerate((("train", 24), ("dev", 8))):
        made = [
            records.Record(
                record.text,
                tuple(records.Target(t.span1, None, (t.labels[0] + LONE,)) for t in record.targets),
                record.info,
            )
            for record in make_records(count, 1, seed)
        ]
        records.write(tmp_path / "data" / (f"pos.{split}.jsonl"), made)
    monkeypatch.setattr(encoders, "load", lambda *_, **__: Light())
    monkeypatch.setattr(fit, "PIECE", 1)
    step, steps = fit.Probes.train_step, {}

    def train_step(self, batch, rates, number, active):
        for cell in active:
            steps[cell.name] = steps.get(cell.name, 0) + 1
        return step(self, batch, rates, number, active)

    monkeypatch.setattr(fit.Probes, "train_step", train_step)

    def run(seeds, schedule=SCHEDULE, run_dir="runs", activations="recompute", runtime=RUNTIME, **options):
        said = []
        steps.clear()
        asked = study.Study(
            encoder="",
            representations=["lex"],
            seeds=seeds,
            schedule=lambda task: schedule,
            run_dir=tmp_path / run_dir,
            store=tmp_path / "store",
            activations=activations,
            checkpoint_seconds=0.0,
            **options,
        )
        corpus = corpora.find(TASKS["pos"], tmp_path / "data", dict.fromkeys(SPLITS, ""))
        results = study.run([corpus], asked, runtime, said.append)
        return {result.seed: result for result in results}, said

    run.steps = steps
    return run


def kill_at(monkeypatch, place, name, call):
    """Has a function raise KeyboardInterrupt when it is called for the `call`th time."""
    real, calls = getattr(place, name), []

    def killed(*arguments, **options):
        calls.append(0)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(place, name, killed)
    return lambda: monkeypatch.setattr(place, name, real)


def files(tmp_path, run_dir="runs"):
    return sorted(path.name for path in (tmp_path / run_dir / "pos").glob("*/*"))


def finished(*seeds):
    return sorted(
        ["lock", *("lex-seed%d.%s" % (seed, ending) for seed in seeds for ending in ("json", "npz", "safetensors"))]
    )


def same(one, other):
    """Whether two results say the same: steps that were compiled for other probes beside round otherwise."""
    for a, b in zip(one.record["history"], other.record["history"], strict=True):
        assert (a["step"], a["loss"]) == (b["step"], pytest.approx(b["loss"], rel=1e-4))
        assert a["dev_f1"] == pytest.approx(b["dev_f1"], abs=0.02)


def test_what_is_finished_or_half_finished_is_kept(probe, tmp_path, monkeypatch):
    revive = kill_at(monkeypatch, Result, "save", 2)  # killed while results are saved: nothing is trained again
    with pytest.raises(KeyboardInterrupt):
        probe([1, 2])
    revive()
    (folder,) = (tmp_path / "runs" / "pos").iterdir()
    (folder / "lex-seed2.npz.part-7").write_text("{")
    found, said = probe([1, 2])
    assert not probe.steps and f"pos: 1 probes finished already, in {folder}" in said
    assert f"pos: going on with the state of 1 probes in {folder}/state.safetensors" in said
    for seed in (1, 2):
        assert [point["step"] for point in found[seed].record["history"]] == [3, 6, 9, 12, 15, 18]
    assert files(tmp_path) == finished(1, 2)
    # killed before its state is deleted: the next one does, whatever it finds finished
    (folder / "lex-seed2.npz.part-7").write_text("{")
    (folder / "online.state").write_text(json.dumps({"identity": {}, "blocks": {"3": {}}}))
    assert sorted(probe([1, 2])[0]) == [1, 2] and not probe.steps
    assert files(tmp_path) == finished(1, 2)


def test_a_state_goes_on_whatever_is_asked_for_beside(probe, tmp_path, monkeypatch):
    whole, _ = probe([1, 2, 3], run_dir="whole")
    revive = kill_at(monkeypatch, resume, "save", 11)  # of 18 steps, each saved
    with pytest.raises(KeyboardInterrupt):
        probe([1, 2])
    revive()
    found, _ = probe([1])  # fewer
    assert probe.steps == {"lex-seed1": 8}
    assert files(tmp_path) == sorted([*finished(1), "state.safetensors"])
    found, said = probe([1, 2, 3])  # and more
    assert probe.steps == {"lex-seed2": 8, "lex-seed3": 18}
    assert files(tmp_path) == finished(1, 2, 3)
    for seed in (1, 2, 3):
        same(found[seed], whole[seed])


def test_another_settings_state_is_refused_and_kept(probe, tmp_path, monkeypatch):
    revive = kill_at(monkeypatch, resume, "save", 3)
    with pytest.raises(KeyboardInterrupt):
        probe([1])
    revive()
    before = files(tmp_path)
    with pytest.raises(
        UserError,
        match="state.safetensors: holds a probe with another schedule: epochs, 6; expected 7; choose another --run_dir",
    ):
        probe([1], Schedule(epochs=7, batch_records=8, learning_rate=5e-3, least_steps=1))
    assert files(tmp_path) == before and "state.safetensors" in before


def test_a_folder_is_of_one_kind_of_probe(probe, tmp_path):
    """What could not stand in one table is refused before it is trained; a setting that does not act is no matter."""
    probe([1], dataclasses.replace(SCHEDULE, epochs=1))
    with pytest.raises(UserError, match="lex-seed1.json: holds a probe with another schedule: epochs, 1; expected 2"):
        probe([2], dataclasses.replace(SCHEDULE, epochs=2))
    assert not probe.steps
    (path,) = (tmp_path / "runs" / "pos").glob("*/lex-seed1.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert "steps" not in content["identity"]["schedule"]
    content["identity"]["schedule"]["steps"] = 7  # as an older file says
    path.write_text(json.dumps(content), encoding="utf-8")
    found, _ = probe([1], dataclasses.replace(SCHEDULE, epochs=1, steps=9))
    assert sorted(found) == [1] and not probe.steps
    # compressed, it is the corpus that it was
    for plain in (tmp_path / "data").glob("*.jsonl"):
        plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    probe([1], dataclasses.replace(SCHEDULE, epochs=1))
    assert not probe.steps
    # and so it is where it was converted from a folder of another name
    for packed in (tmp_path / "data").glob("*.gz"):
        read = [dataclasses.replace(record, info={"source": "renamed"}) for record in records.read(packed, 1)]
        records.write(packed, read)
    probe([1], dataclasses.replace(SCHEDULE, epochs=1))
    assert not probe.steps
    records.write(packed, read[1:])
    with pytest.raises(UserError, match="lex-seed1.json: holds a probe with another corpus"):
        probe([1], dataclasses.replace(SCHEDULE, epochs=1))


def test_sentences_that_train_has_too_are_counted(probe, tmp_path):
    data = tmp_path / "data"
    *_, known = (data / "pos.train.jsonl").read_text(encoding="utf-8").splitlines()
    others = (data / "pos.dev.jsonl").read_text(encoding="utf-8")
    (data / "pos.test.jsonl").write_text(f"{others}{known}\n{known}\n", encoding="utf-8")
    found, said = probe([1], dataclasses.replace(SCHEDULE, epochs=1))
    splits = found[1].splits
    before = splits["dev"]["in_train"]
    assert (splits["test"]["in_train"], splits["test"]["records"]) == (before + 1, 10)
    assert f"  {before + 1} of the sentences are in train too" in said and "in_train" not in splits["train"]
    np.testing.assert_array_equal(np.unique(found[1].sentences(), return_counts=True)[1].max(), 2)


def test_labels_that_train_has_not_are_named(probe, tmp_path):
    data = tmp_path / "data"
    test = (data / "pos.dev.jsonl").read_text(encoding="utf-8")
    once, often = json.dumps("C" + LONE), json.dumps("A" + LONE)
    (data / "pos.test.jsonl").write_text(test.replace(often, '" A"').replace(once, '"c"', 1), encoding="utf-8")
    _, said = probe([1], dataclasses.replace(SCHEDULE, epochs=1))
    named = [line for line in said if "that train has not" in line]
    assert len(named) == 1 and named[0].startswith(f"  {test.count(often) + 1} targets with labels that train has not:")
    assert sorted(named[0].partition(": ")[2].split(", ")) == ["' A'", "'c'"]


def test_labels_that_utf8_cannot_say_have_results(probe, tmp_path):
    found, _ = probe([1], run_dir="caf\udce9")
    assert list(found[1].labels) == ["A" + LONE, "B" + LONE, "C" + LONE]
    (path,) = (tmp_path / "caf\udce9").glob("*/*/*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["labels"] == list(found[1].labels) and content["figures"]["dev"]["labels"].keys() == set(
        content["labels"]
    )
    again, _ = probe([1], run_dir="caf\udce9")
    assert not probe.steps and again[1].to_json()["figures"] == content["figures"]


def test_packages_by_another_name_cost_no_result(probe, monkeypatch):
    from nsmc_bert.base import runtime

    def version(name):
        raise runtime.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(runtime.metadata, "version", version)
    found, _ = probe([1])
    assert found[1].record["versions"]["numpy"] == np.__version__


def test_an_encoder_that_was_moved_is_the_same_one(probe, tmp_path, monkeypatch):
    """Its results have its last name; and of two encoders of one shape each has its own control of random weights."""

    def call(name):
        def load(*_, random_weights=None, **__):
            encoder = Light()
            encoder.name = name if random_weights is None else f"{name}, random weights (seed {random_weights})"
            encoder.fingerprint = f"{'random' if random_weights is not None else name[-3:]}-tokenizer"
            return encoder

        monkeypatch.setattr(encoders, "load", load)

    def by_encoder(results):
        return sorted((result.encoder, result.seed, result.control) for result in results)

    once, options = dataclasses.replace(SCHEDULE, epochs=1), {"controls": ["random_encoder"]}
    call("a/one")
    probe([1], once, **options)
    call("b/one")
    found, _ = probe([1, 2], once)
    assert {result.encoder for result in found.values()} == {"b/one"}
    one = [
        ("b/one", 1, ""),
        ("b/one", 2, ""),
        ("b/one, random weights (seed 0)", 1, "random_encoder"),
    ]
    assert by_encoder(runs.load([tmp_path / "runs"])) == one
    call("b/two")
    probe([1], once, **options)
    two = [("b/two", 1, ""), ("b/two, random weights (seed 0)", 1, "random_encoder")]
    assert by_encoder(runs.load([tmp_path / "runs"])) == one + two
    table = tables.beside(runs.load([tmp_path / "runs"]), 100)
    assert [line[1] for line in table.lines if line[-1]] == ["b/one", "b/two"]
    # a folder of before each had its own, which all encoders of that shape had in common
    (own,) = (path.parent for path in tmp_path.glob("runs/pos/*/*.json") if "two, random" in path.read_text("utf-8"))
    older = own.rename(own.with_name(study._folder_of("random-tokenizer")))
    _, said = probe([1], once, **options)
    assert probe.steps and own.is_dir()
    assert [line for line in said if "told apart" in line] == [
        f"{older}: of before encoders were told apart as now; made anew beside it, and may be deleted"
    ]


def test_the_same_file_as_two_splits_is_said(probe, tmp_path):
    (tmp_path / "data" / "pos.test.jsonl").write_bytes((tmp_path / "data" / "pos.dev.jsonl").read_bytes())
    _, said = probe([1])
    assert "pos: WARNING: dev and test are the same file; figures on it are not of unseen records" in said


def test_prices_of_blocks_are_kept_too(probe, tmp_path, monkeypatch):
    from probing.learning import online

    monkeypatch.setattr(online, "SHARES", (0.25, 0.5, 1.0))
    whole, _ = probe([1, 2], run_dir="whole", description_length=True)
    probe([1])
    revive = kill_at(monkeypatch, online, "write_text", 2)  # at the end of the second block
    with pytest.raises(KeyboardInterrupt):
        probe([1], description_length=True)
    revive()
    assert "online.state" in files(tmp_path) and "online.safetensors" in files(tmp_path)
    found, said = probe([1, 2], description_length=True)
    assert probe.steps == {"lex-seed2": 18 + 6 + 12}
    assert files(tmp_path) == finished(1, 2)
    for seed in (1, 2):
        for one, other in zip(
            found[seed].description_length["blocks"], whole[seed].description_length["blocks"], strict=True
        ):
            assert (one["records"], one["bits"]) == (other["records"], pytest.approx(other["bits"], rel=1e-3))


@pytest.fixture
def uncompiled(monkeypatch):
    """Has probes learn without XLA, which takes seconds and is tests/test_xla.py's, whatever they are asked for."""

    class Probes(fit.Probes):
        def __init__(self, keys, task, encoder, labels, schedule, precision, jit, on_device):
            super().__init__(keys, task, encoder, labels, schedule, precision, False, on_device)

    monkeypatch.setattr(fit, "Probes", Probes)


@pytest.mark.parametrize(("kind", "activations"), [("GPU", "auto"), ("GPU", "store"), ("CPU", "auto")])
def test_states_are_where_they_are_learned_from(probe, uncompiled, tmp_path, kind, activations):
    """What a GPU has in its memory needs no disk; elsewhere, or if it is asked for, the store has it."""
    compiled = types.SimpleNamespace(precision="float32", xla=True, kind=kind)
    found, said = probe([1], activations=activations, runtime=compiled)
    assert bool(list((tmp_path / "store").glob("*/layer-*.f16"))) == (kind == "CPU" or activations == "store")
    assert any("kept in the device's memory" in line for line in said) == (activations == "auto")
    plain, said = probe([1], run_dir="plain")
    assert not any("device" in line for line in said)
    same(found[1], plain[1])


def test_states_that_the_device_has_no_room_for_are_read_batch_by_batch(probe, uncompiled, monkeypatch):
    from probing.learning import on_device

    monkeypatch.setattr(on_device, "WITHOUT_GPU", 0)
    compiled = types.SimpleNamespace(precision="float32", xla=True, kind="GPU")
    _, said = probe([1], activations="auto", runtime=compiled)
    assert any("the device has no room: read batch by batch" in line for line in said)
    assert any("to write to" in line for line in said)
