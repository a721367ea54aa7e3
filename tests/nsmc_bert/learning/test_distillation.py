"""Learning from other classifiers: their mean, where a label counts, and that each is asked once."""

import json

import numpy as np
import pytest

from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError
from nsmc_bert.learning import distillation
from nsmc_bert.model import calibration

TEXTS = ["꿀잼", "노잼", "정말 최고 !", "다시는 안 본다"]


def test_a_label_counts_as_much_as_the_teachers():
    got = distillation.blend(np.float32([[0.75, 0.25], [0.4, 0.6], [0.9, 0.1]]), [0, 0])
    np.testing.assert_allclose(got, [[0.875, 0.125], [0.7, 0.3], [0.9, 0.1]], rtol=1e-6)


def test_targets_are_the_mean_and_each_teacher_is_asked_once(make_model, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "PIECE", 3)
    models = [make_model(seed) for seed in (1, 2)]
    folders = [tmp_path / str(seed) for seed in (1, 2)]
    for model, folder in zip(models, folders):
        model.save(folder)
    said = []
    run = tmp_path / "runs" / "small"
    got = distillation.targets(folders, TEXTS, run, precision="float32", log=said.append)
    np.testing.assert_allclose(got, np.mean([model.predict(TEXTS) for model in models], 0), atol=1e-6)
    kept = sorted((tmp_path / "runs" / "small-teachers").iterdir())
    assert len(kept) == 4  # two pieces of texts, two teachers
    before = [path.stat().st_mtime_ns for path in kept]
    again = distillation.targets(folders, TEXTS, run, precision="float32", log=said.append)
    np.testing.assert_array_equal(got, again)
    assert [path.stat().st_mtime_ns for path in kept] == before
    kept[0].write_bytes(b"")  # what cannot be read is asked anew, and so are other texts
    np.testing.assert_array_equal(got, distillation.targets(folders, TEXTS, run, precision="float32", log=said.append))
    distillation.targets(folders, TEXTS[:2], run, precision="float32", log=said.append)
    assert len(list((tmp_path / "runs" / "small-teachers").iterdir())) == 6


def test_a_teacher_with_another_head_is_another_teacher(make_model, tmp_path):
    model = make_model(1)
    model.save(tmp_path / "a")
    model.calibrate(calibration.Calibration(2.0, 0.0, 1000, 0.5, 0.4))
    model.save(tmp_path / "b")
    assert distillation.fingerprint(tmp_path / "a") != distillation.fingerprint(tmp_path / "b")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("config.json", '"hidden_act": "gelu"', '"hidden_act": "relu"'),
        ("tokenizer.json", '"꿀잼"', '"노노"'),
        ("tokenizer_config.json", '"model_max_length": 16', '"model_max_length": 8'),
    ],
)
def test_a_teacher_that_computes_otherwise_is_another_teacher(make_model, tmp_path, file, old, new):
    make_model(1).save(tmp_path / "a")
    before, path = distillation.fingerprint(tmp_path / "a"), tmp_path / "a" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert distillation.fingerprint(tmp_path / "a") != before


def test_a_teacher_is_read_the_right_way_round(make_model, tmp_path):
    model, paths = make_model(1), [tmp_path / name / "config.json" for name in ("a", "b")]
    for path in paths:
        model.save(path.parent)
    values = json.loads(paths[1].read_text())
    paths[1].write_text(json.dumps({**values, "id2label": {"0": "꿀잼", "1": "노잼"}, "label2id": None}))
    ask = lambda **options: distillation.targets(  # noqa: E731
        [tmp_path / "a", tmp_path / "b"], TEXTS, tmp_path / "run", precision="float32", log=print, **options
    )
    with pytest.raises(UserError, match="b: found a head with the labels 꿀잼 and 노잼"):
        ask()
    np.testing.assert_allclose(ask(positive_label=["positive", "꿀잼"]), np.full((len(TEXTS), 2), 0.5), atol=1e-6)
    np.testing.assert_allclose(ask(positive_label=["positive", "노잼"]), model.predict(TEXTS), atol=1e-6)


def test_a_teacher_of_other_classes_is_refused(make_model, tmp_path):
    classes = Classes(("불만", "문의", "칭찬"))
    models = {"a": make_model(1, labels=classes), "b": make_model(2, labels=classes), "two": make_model(3)}
    for name, model in models.items():
        model.save(tmp_path / name)
    ask = lambda names, classes: distillation.targets(  # noqa: E731
        [tmp_path / name for name in names], TEXTS, tmp_path / "run", precision="float32", log=print, classes=classes
    )
    np.testing.assert_allclose(
        ask(("a", "b"), classes), (models["a"].predict(TEXTS) + models["b"].predict(TEXTS)) / 2, atol=1e-6
    )
    with pytest.raises(
        UserError, match="two: found a classifier of negative and positive, expected one of 3 classes, 불만"
    ):
        ask(("a", "two"), classes)
    with pytest.raises(
        UserError, match="a: found a classifier of 3 classes, 불만, 문의, 칭찬, expected one of negative and"
    ):
        ask(("a",), SENTIMENT)
    with pytest.raises(
        UserError, match="a: found a classifier of 3 classes, 불만, 문의, 칭찬, expected one of 3 classes, 칭찬"
    ):
        ask(("a",), Classes(classes.names[::-1]))
    got = distillation.blend(np.float32([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]), [2])
    np.testing.assert_allclose(got, [[0.25, 0.125, 0.625], [0.2, 0.2, 0.6]], rtol=1e-6)


def test_a_teacher_that_is_none(make_bert, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        distillation.targets([tmp_path / "nowhere"], TEXTS, tmp_path / "run", precision="float32", log=print)


def test_the_command_learns_from_teachers_and_texts_without_labels(trained, command, tmp_path):
    teacher, arguments, _ = trained
    texts = tmp_path / "texts.txt"
    texts.write_text(
        "".join("정말 재미있는 영화 %d\n정말 지루한 영화 %d\n" % (i, i) for i in range(30)), encoding="utf-8"
    )
    result = command(
        "train",
        *[a for a in arguments if not a.startswith("--run_dir")],
        "--teachers=%s" % (teacher / "model"),
        f"--unlabelled={texts}",
        "--run_dir=%s" % (tmp_path / "student"),
    )
    assert result.returncode == 0, result.stderr
    assert "asking %s about 654 texts" % (teacher / "model") in result.stderr
    record = json.loads((tmp_path / "student" / "model" / "training.json").read_text(encoding="utf-8"))
    assert (record["data"]["train"], record["data"]["unlabelled"], record["data"]["teachers"]) == (594, 60, 1)
    assert "60 more texts" in (tmp_path / "student" / "model" / "README.md").read_text(encoding="utf-8")
    refused = command(  # another run is in that folder: nobody is asked
        "train",
        *arguments,
        "--teachers=%s" % (teacher / "model"),
    )
    assert refused.returncode == 1 and "holds another run" in refused.stderr and "asking" not in refused.stderr
    alone = command("train", *arguments, f"--unlabelled={texts}")
    assert (alone.returncode, alone.stderr.rstrip("\n").split("\n")[-1]) == (
        1,
        f"error: --unlabelled={texts}: found no --teachers beside it, expected both",
    )
