"""probing.results.result: what decides a figure is compared, and nothing else; files keep all that they had."""

import dataclasses
import json

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing.results.result import ALL_LABELS, Difference, Identity, Mix, Result, Score, draws, mean_f1, paired
from probing.scoring import PRF
from probing.tasks import TASKS

LINEAR = {"kind": "linear", "learning_rate": 4e-3, "epochs": 20, "steps": 250_000, "patience": 20}


def made(*, test=True, identity=(), **fields):
    """A Result of pos with some figure on dev, and on test."""
    score = {"Part-of-Speech": Score.of(PRF(6, 2, 4))}
    splits = ["dev", *["test"] * test]
    common = {"corpus": "c", "precision": "float32", "schedule": LINEAR, "encoder": "w-t", "data": "d"}
    return Result(
        **{
            "task": TASKS["pos"],
            "representation": "mix",
            "seed": 1,
            "control": "",
            "encoder": "mine",
            "layer0": "lexical: in words",
            "corpus": "some",
            "splits": {},
            "figures": dict.fromkeys(splits, score),
            "by_label": {split: {"NN": PRF(6, 2, 4), "VB": PRF(1, 0, 0)} for split in splits},
            **fields,
        },
        identity=Identity(**{**common, **dict(identity)}),
    )


def result(*, test=True, layer0="lexical: in words", **identity):
    return made(test=test, layer0=layer0, identity=identity)


@pytest.mark.parametrize(
    ("changes", "different", "unknown"),
    [
        ({}, [], []),
        ({"corpus": "d", "data": "e"}, ["corpus"], []),
        ({"corpus": "d"}, [], []),  # whose files say the same but for where it is from
        ({"test": False}, ["split test and dev"], []),
        ({"layer0": "lexical: in other words"}, [], []),
        ({"layer0": "positions: in words"}, ["layer 0 lexical and positions"], []),
        ({"precision": None}, [], ["precision"]),
        ({"schedule": {**LINEAR, "epochs": 2}}, ["epochs 20 and 2"], []),
        ({"schedule": {**LINEAR, "steps": 9, "patience": 1}}, [], []),  # which a linear schedule does not read
        ({"schedule": {**LINEAR, "new": 1}}, [], ["new"]),  # of before there was such a setting
        (
            {"schedule": {**LINEAR, "kind": "plateau", "learning_rate": 1e-4}},
            ["schedule linear and plateau", "learning_rate 0.004 and 0.0001"],
            [],
        ),
        ({"schedule": None}, [], ["schedule"]),
    ],
)
def test_differences(changes, different, unknown):
    assert result().differences(result(**changes)) == (different, unknown)
    assert [len(names) for names in result(**changes).differences(result())] == [len(different), len(unknown)]


def test_what_is_counted_is_compared_on_one_corpus():
    """Encoders that leave other records out, as too long for their attention, are not of the same records."""
    train, some, fewer = ({"records": records, "targets": 9} for records in (7, 5, 4))
    of = [made(splits={"train": train, "test": test}) for test in (some, fewer)]
    assert of[0].differences(of[1]) == (["records 5 and 4"], [])
    other = made(splits={"train": fewer, "test": fewer}, identity={"corpus": "other", "data": "other"})
    assert of[0].differences(other) == (["corpus"], [])


@pytest.mark.parametrize(
    ("changes", "different", "unknown"),
    [
        ({}, [], []),
        ({"encoder": "w-t-gelu-4"}, [], ["configuration of the encoder"]),
        ({"encoder": "w-tt"}, ["encoder"], []),
        ({"encoder": None, "data": "other"}, ["data"], ["encoder"]),
    ],
)
def test_encoders(changes, different, unknown):
    for one, other in ((result(), result(**changes)), (result(**changes), result())):
        assert one.encoder_differences(other) == (different, unknown)
        said = one.unlike(other, True)
        assert all(name in said for name in different + unknown) and bool(said) == bool(different or unknown)
        assert one.unlike(other) == ""


def test_a_file_has_all_of_it(tmp_path):
    original = made(
        control="random_labels",
        labels=("NN", "VB"),
        mix=Mix((0, 1), (0.25, 0.75), 1.5),
        weights={"sha256": "0", "hub": True},
        widths=(8, 8),
        description_length={"bits": 5.0, "compression": 2.0, "blocks": []},
        record={"history": [{"step": 1}], "command": "python -m probing.run", "of later": 1},
        splits={"test": {"records": 1, "targets": 2, "dropped": {}}},
    )
    counts = np.array([[[6, 2, 4]], [[0, 0, 0]]], np.int32)
    saved = original.save(tmp_path / "mix-seed1-random_labels.json", {"test_counts": counts})
    loaded = Result.load(saved.path)
    assert loaded == saved and loaded.command == "python -m probing.run"
    assert (loaded.split, loaded.rows, loaded.f1()) == ("test", ["Part-of-Speech"], PRF(6, 2, 4).f1)
    assert loaded.f1(ALL_LABELS) == PRF(7, 2, 4).f1
    for row in ("", "Part-of-Speech", ALL_LABELS):  # the control task's own row is of all labels
        np.testing.assert_array_equal(loaded.counts(row), counts[:, 0])
    assert loaded.sentences() is None
    assert mean_f1([loaded, loaded]) == loaded.f1()
    # precision, recall and the published interval are there to read, and are computed anew
    content = json.loads(saved.path.read_text(encoding="utf-8"))
    assert content["figures"]["test"]["Part-of-Speech"]["precision"] == 0.75
    assert content["figures"]["test"]["labels"]["NN"] == [6, 2, 4]
    assert content["of later"] == 1
    assert (draws([loaded], "Part-of-Speech", 100) <= 1).all()


def test_a_row_that_nothing_is_counted_of_has_no_figure():
    """Of roles without modifiers F1 of these is 0 of 0; a result of before counts were kept says nothing of that."""
    of = {"SRL (all)": Score.of(PRF()), "Core roles": Score.of(PRF(fn=1)), "Non-core roles": Score.of(PRF())}
    assert made(task=TASKS["srl"], figures={"test": of}).rows == ["SRL (all)", "Core roles"]
    assert made(task=TASKS["srl"], figures={"test": dict.fromkeys(of, Score(0.0))}).rows == list(of)


def test_counts_of_all_labels_and_the_sentences_of_records(tmp_path):
    """Of relations, whose own row leaves the label Other out."""
    other = made(
        task=TASKS["rel"], labels=("Other", "Cause-Effect(e1,e2)"), figures={"test": {"Rel. (SemEval)": Score(0.5)}}
    )
    counts = np.array([[[1, 0, 0]], [[0, 1, 1]]], np.int32)
    arrays = {"test_counts": counts, "test_all_counts": 2 * counts[:, 0], "test_sentences": np.array([3, 3])}
    saved = other.save(tmp_path / "of_now.json", arrays)
    np.testing.assert_array_equal(saved.counts(ALL_LABELS), 2 * counts[:, 0])
    np.testing.assert_array_equal(saved.sentences(), [3, 3])
    # both records are of one sentence, without which there is nothing to draw
    assert set(draws([saved], samples=20)) == {0.5}
    before = other.save(tmp_path / "of_before.json", {"test_counts": counts})
    longer = np.concatenate([counts, counts])  # of other records, to which these sentences say nothing
    unlike = other.save(tmp_path / "unlike.json", {"test_counts": longer})
    assert len(draws([unlike], samples=20, beside=[saved])) == 20
    assert before.counts(ALL_LABELS) is None and before.sentences() is None
    assert draws([before], ALL_LABELS) is None
    assert len(set(draws([before], samples=20))) > 1
    assert set(draws([before], samples=20, beside=[saved])) == {0.5}
    # one side of sentences and one that does not say: both are drawn as the sentences are
    drawn = draws([saved], samples=20), draws([before], samples=20)
    np.testing.assert_array_equal(Difference.of([saved], [before], "", 20, drawn).drawn, 0)
    # of all labels 9 of 9 against 7 of 9 with 2 and 4 wrong, where the task's own row says 0.5 of both
    sure = dataclasses.replace(other, by_label={"test": {"Other": PRF(9, 0, 0)}}).save(tmp_path / "sure.json", arrays)
    assert Difference.of([sure], [saved], ALL_LABELS, 20).value == pytest.approx(1 - 14 / 20)
    (tmp_path / "of_before.npz").write_bytes(b"PK")
    for read in (before.counts, before.sentences):
        with pytest.raises(UserError, match="of_before.npz: found no whole file of predictions"):
            read()


def test_a_difference_is_of_the_seeds_that_both_sides_have(tmp_path):
    """Seeds 1 and 2 beside 2 and 1: whatever their order, what is paired is of one seed, and seed 3 has no pair."""

    def of(encoder, seed, right):
        figures = {"test": {"Part-of-Speech": Score.of(PRF(right, 10 - right, 10 - right))}}
        counts = np.array([[[right, 10 - right, 10 - right]]], np.int32)
        path = tmp_path / f"{encoder}-{seed}.json"
        return made(encoder=encoder, seed=seed, figures=figures).save(path, {"test_counts": counts})

    first = [of("a", seed, right) for seed, right in ((1, 9), (2, 3), (3, 1))]
    second = [of("b", seed, right) for seed, right in ((2, 1), (1, 7))]
    assert [[result.seed for result in side] for side in paired(first, second)] == [[1, 2], [1, 2]]
    for sides in ((first, second), (first[::-1], second[::-1])):
        less = Difference.of(*sides, samples=50)
        assert (less.value, less.seeds, less.unpaired) == (pytest.approx(0.2), 2, "")
        np.testing.assert_allclose(less.drawn, 0.2)  # each seed is 0.2 better, whichever are drawn
    less = Difference.of(first[2:], second, samples=50)
    assert (less.value, less.seeds, less.unpaired) == (pytest.approx(-0.3), 1, "seeds 3 and 1, 2")


def test_heads_are_named_as_before_and_now(tmp_path):
    for before, now in (
        ("a, attention", "attention:a"),
        ("a, attention, random weights (seed 0)", "attention:a, random weights (seed 0)"),
    ):
        assert (
            Result.load(made(encoder=before, layer0="none: heads alone").save(tmp_path / "a.json").path).encoder == now
        )
    assert Result.load(made(encoder="a, attention").save(tmp_path / "a.json").path).encoder == "a, attention"


@pytest.mark.parametrize(
    ("dev", "said"),
    [
        (
            {"Part-of-Speech": {"f1": 0.5}, "labels": {"NN": [1, 2]}},
            "counts of labels in figures.dev that are not three",
        ),
        ({"Dependencies": {"f1": 0.5}}, "figures.dev"),
        (None, "no figures"),
    ],
)
def test_figures_that_are_not_whole_are_refused(tmp_path, dev, said):
    path = made().save(tmp_path / "a.json").path
    content = json.loads(path.read_text(encoding="utf-8"))
    content["figures"] = {"dev": dev} if dev else {}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=f"a.json: found .*{said}"):
        Result.load(path)
