"""nsmc_bert.learning.leaderboard: one protocol for all, finished work kept, figures by hand."""

import csv
import json
from pathlib import Path

import pytest

from nsmc_bert import bundled
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import reviews
from nsmc_bert.data.find import Data
from nsmc_bert.learning import leaderboard, page, provenance
from nsmc_bert.learning.finetuning import FineTuning


def result(accuracy, seed=1, ece=0.01, folder="", **more):
    """What training.json has, as far as a leaderboard reads it."""
    report = {"n": 100, "accuracy": accuracy, "ece": ece}
    return {"test": report, "test_unseen": None, "parameters": 5_250_000, "seed": seed, "folder": folder, **more}


def test_a_line_by_hand():
    entry = leaderboard.Entry(
        "klue/bert-base",
        [result(0.90, ece=0.02, test_spaces={"accuracy": 0.8}), result(0.92, 2, ece=0.04)],
        812.4,
        page.Row("KLUE-BERT-base", 110, 90.2, "official labels", "mean of three runs", "a page"),
        "BERT",
    )
    # the spread of 0.90 and 0.92 is 0.0141; Wilson's interval of 91 of 100 is 0.8377 to 0.9519
    assert dict(zip(leaderboard.HEADER, entry.cells())) == {
        "encoder": "klue/bert-base",
        "family": "BERT",
        "parameters, M": "5.2",
        "seeds": "2",
        "accuracy, %": "91.00 ± 1.41",
        "95 % interval": "83.77 to 95.19",
        "unseen, %": "",
        "no spaces, %": "80.00",
        "a typo each, %": "",
        "calibration error": "0.030",
        "reviews/s": "812",
        "learned from": "not recorded",
        "published, %": "90.20",
        "how that was chosen": "mean of three runs",
    }
    head, line = leaderboard.rows([entry])
    assert len(head) == len(line) == len(leaderboard.HEADER) - 2  # columns in which something stands
    assert leaderboard.Entry("x", [result(0.9)], 1.0, None, "BERT").cells()[4] == "90.00"  # one seed has no spread


def test_figures_of_unseen_reviews_stand_there_where_they_are_of_others(data):
    apart = leaderboard.Entry("x", [result(0.9, test_unseen={"n": 100, "accuracy": 0.9})], 1.0, None, "BERT")
    shared = leaderboard.Entry("x", [result(0.9, test_unseen={"n": 80, "accuracy": 0.85})], 1.0, None, "BERT")
    at = leaderboard.HEADER.index("unseen, %")
    assert (apart.cells()[at], shared.cells()[at]) == ("", "85.00")
    assert leaderboard.notes([apart], data)[0] == "bundled sample: 224 test reviews, none of them in training."
    assert leaderboard.notes([shared], data)[0] == "bundled sample: 224 test reviews."


@pytest.fixture
def data():
    return Data("bundled sample", "sample", *reviews.sample())


def test_every_encoder_is_trained_in_one_way(monkeypatch, tmp_path, data):
    seen = []

    def fine_tune(data, how, log, command):
        assert command == "leaderboard"  # which the card says
        seen.append(how)
        shares = {"first": 0.8, "klue/bert-base": 0.9, "bundled": 0.85}
        return [result(shares[how.encoder], seed) for seed in how.seeds]

    monkeypatch.setattr(leaderboard, "fine_tune", fine_tune)
    monkeypatch.setattr(leaderboard, "_speed", lambda *_: 10.0)
    monkeypatch.setattr(leaderboard, "_family", lambda folder: "BERT")
    monkeypatch.setattr(provenance, "Start", lambda encoder: None)
    how = FineTuning(seeds=(1, 2), epochs=3, run_dir=str(tmp_path / "board"))
    own = leaderboard.compare(data, how, ["first", "klue/bert-base"], log=lambda line: None)
    assert not any(entry.published for entry in own)  # which are of NSMC's test
    seen.clear()
    nsmc, so_far = Data("NSMC", "nsmc", data.train, data.test), []
    entries = leaderboard.compare(
        nsmc,
        how,
        ["first", "klue/bert-base", "bundled"],
        log=lambda line: None,
        on_entry=lambda entries: so_far.append([entry.encoder for entry in entries]),
    )
    assert [entry.encoder for entry in entries] == ["klue/bert-base", "bundled", "first"]  # the best first
    assert so_far == [["first"], ["klue/bert-base", "first"], ["klue/bert-base", "bundled", "first"]]
    assert [entry.published and entry.published.model for entry in entries] == ["KLUE-BERT-base", None, None]
    assert [Path(each.run_dir).name for each in seen] == ["first", "klue-bert-base", "bundled"]
    assert {(each.seeds, each.epochs) for each in seen} == {((1, 2), 3)}
    paths = leaderboard.write(tmp_path / "board", entries, data, "the <command>")
    assert [path.name for path in paths] == ["leaderboard.html", "leaderboard.md", "leaderboard.csv"]
    with open(paths[2], encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == leaderboard.rows(entries)
    assert "the &lt;command&gt;" in paths[0].read_text(encoding="utf-8")
    assert leaderboard.BESIDE in paths[1].read_text(encoding="utf-8")
    # a folder whose name is no UTF-8 is written about too, after all that was trained
    strange = [leaderboard.Entry("caf\udce9", entries[0].results, 1.0, None, "BERT")]
    for path in leaderboard.write(tmp_path / "strange", strange, data, "leaderboard caf\udce9"):
        assert "caf\\udce9" in path.read_text(encoding="utf-8")


def test_all_encoders_are_looked_at_before_the_first_is_trained(monkeypatch, tmp_path, data):
    monkeypatch.setattr(leaderboard, "fine_tune", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(UserError, match="nowhere.json: found no such file"):
        leaderboard.compare(data, FineTuning(), [str(bundled.ENCODER), str(tmp_path / "nowhere.json")])
    with pytest.raises(UserError, match="found no test reviews"):
        leaderboard.compare(Data("mine", "reviews", data.train, None), FineTuning(), ["x"])
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    with pytest.raises(UserError, match="TF_CONFIG: found 2 workers, expected one process"):
        leaderboard.compare(data, FineTuning(), [str(bundled.ENCODER)])


def test_encoders_that_would_share_a_folder():
    assert leaderboard.folders_of(["klue/bert-base", "../models/a b/"]) == {
        "klue/bert-base": "klue-bert-base",
        "../models/a b/": "models-a-b",
    }
    for encoders, message in (
        (["a/b", "a-b"], "a-b: found a/b beside it, expected different encoders"),
        (["a/b", "a/b"], "a/b: found a/b beside it"),
        ([], "found no encoder"),
    ):
        with pytest.raises(UserError, match=message):
            leaderboard.folders_of(encoders)


def test_a_speed_is_measured_once_a_model(make_model, tmp_path, data):
    make_model().save(tmp_path / "model")
    made = {"folder": str(tmp_path / "model")}
    path = tmp_path / leaderboard.SPEED
    assert leaderboard._speed(tmp_path, made, data.test) > 0
    measured = json.loads(path.read_text())
    path.write_text(json.dumps({**measured, "reviews_a_second": 7.0}))
    assert leaderboard._speed(tmp_path, made, data.test) == 7.0
    for other in ({"model": "another"}, {"made_in": 5.0}, {"test_sha1": "0"}, {"processor": "another"}):
        path.write_text(json.dumps({**measured, "reviews_a_second": 7.0, **other}))
        assert leaderboard._speed(tmp_path, made, data.test) != 7.0
    path.write_text("[]")
    with pytest.raises(UserError, match=r"speed.json: found \[\], expected a JSON object"):
        leaderboard._speed(tmp_path, made, data.test)


def test_a_folder_has_no_published_figure(monkeypatch, tmp_path):
    assert leaderboard._published("klue/BERT-base").accuracy == 90.2
    monkeypatch.chdir(tmp_path)
    Path("klue/bert-base").mkdir(parents=True)
    assert leaderboard._published("klue/bert-base") is None
