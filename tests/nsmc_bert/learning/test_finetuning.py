"""nsmc_bert.learning.finetuning: what is chosen where nobody has, what seeds share, and what each is given."""

import dataclasses
import json
import os
import shutil
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from nsmc_bert.base import runtime
from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import reviews
from nsmc_bert.data.find import Data
from nsmc_bert.learning import cross_validation, distillation, evaluation, finetuning, loop, recalibration
from nsmc_bert.learning.card import model_card
from nsmc_bert.learning.finetuning import FineTuning
from nsmc_bert.learning.provenance import Start
from nsmc_bert.model import checkpoints, classifier, metrics, packing
from tests import forked
from tests.conftest import ROOT

THREE = Classes(("불만", "문의", "칭찬"))


@pytest.mark.parametrize(("steps", "epochs"), [(1, 30), (16, 30), (40, 12), (100, 5), (250, 2), (5000, 2)])
def test_small_data_is_read_more_often(steps, epochs):
    assert finetuning.epoch_count(steps) == epochs


@pytest.mark.parametrize(
    ("width", "pretrained", "rate"),
    [
        (256, True, 3e-4),
        (128, True, 3e-4),
        (768, True, 5e-5),
        (1024, True, 5e-5),
        (256, False, 5e-4),
        (768, False, 1e-4),
        (512, True, 9.7e-5),  # 3e-4 * 2 ** (log(1/6) / log(3))
    ],
)
def test_learning_rates_go_by_the_width(width, pretrained, rate):
    assert finetuning.learning_rate(width, pretrained) == rate


@pytest.fixture(scope="module")
def devices():
    return runtime.configure(precision="float32", xla="off", strategy="one")


@pytest.fixture(scope="module")
def sample():
    return Data("bundled sample", "sample", *reviews.sample())


@pytest.fixture
def prepare(sample, devices, tiny_config):
    """Prepares a run on the sample by an encoder of random weights."""

    def prepare(unlabelled=(), **settings):
        return finetuning.prepare(sample, FineTuning(**settings), Start(tiny_config), devices, unlabelled)

    return prepare


def test_what_is_left_open_is_decided(prepare, sample):
    prepared = prepare(seeds=(4, 5))
    tokens = prepared.encoded.lengths.sum()
    assert prepared.settings == loop.Settings(
        epochs=finetuning.epoch_count(len(prepared.plan)),
        token_budget=packing.training_budget(tokens, "CPU"),
        learning_rate=5e-4,
        warmup=0.1,
        weight_decay=0.01,
        clip_norm=1.0,
        patience=max(2, prepared.settings.epochs // 3),
        seed=4,
    )
    assert prepared.max_length == 64  # the positions of the encoder
    assert str(prepared).startswith(f"594 reviews to train on, 66 to validate on; {tokens} tokens, ")
    assert str(prepared).endswith(f"cut at 64 pieces; {prepared.settings.epochs} epochs of {len(prepared.plan)} steps")
    one = dataclasses.replace(prepared, settings=dataclasses.replace(prepared.settings, epochs=1))
    assert str(one).endswith(f"; 1 epoch of {len(prepared.plan)} steps")
    train_rows, validation_rows = reviews.split(sample.train.texts, 0.1, 0)
    assert prepared.texts == [sample.train.texts[row] for row in train_rows]
    np.testing.assert_array_equal(prepared.labels, sample.train.labels[train_rows])
    np.testing.assert_array_equal(prepared.validation_set[1], sample.train.labels[validation_rows])


def test_what_is_said_is_taken(prepare):
    given = dict(
        epochs=7, token_budget=512, learning_rate=0.25, warmup=0.5, weight_decay=0.0, clip_norm=2.0, patience=9
    )
    assert prepare(**given).settings == loop.Settings(**given, seed=1)


def test_runs_and_their_folders(prepare, tmp_path):
    several = finetuning.runs(prepare(seeds=(4, 5), run_dir=str(tmp_path)))
    assert [run.model for run in several] == [tmp_path / "seed-4" / "model", tmp_path / "seed-5" / "model"]
    assert [(run.settings.seed, run.identity["seed"]) for run in several] == [(4, 4), (5, 5)]
    (run,) = finetuning.runs(prepare(seeds=(4,)))
    assert str(run.folder) == "runs/sample"


def test_what_makes_a_run_another_one(prepare, trained):
    """The keys in their order, as in every run's folder: with others none is resumed."""
    (run,) = finetuning.runs(prepare())
    recorded = json.loads((trained[0] / "run.json").read_text())
    assert list(run.identity) == list(recorded)
    assert list(recorded)[-7:] == ["data", "test", "validation", "max_length", "dropout", "augment", "dtype"]
    for key in ("encoder", "tokenizer", "data", "test", "validation", "max_length", "dropout", "augment", "dtype"):
        assert run.identity[key] == recorded[key], key


def test_a_head_that_is_kept_the_other_way_round_makes_another_run(sample, devices, make_model, tmp_path):
    make_model().save(tmp_path / "model")
    path, heads = tmp_path / "model" / "config.json", []
    for names in (["negative", "positive"], ["positive", "negative"]):
        path.write_text(json.dumps({**json.loads(path.read_text()), "id2label": dict(enumerate(names))}))
        start = Start(tmp_path / "model")
        start.keep_head()
        heads.append(finetuning.prepare(sample, FineTuning(), start, devices).identity["head"])
    assert heads == ["kept", "kept, turned"]


def test_teachers_are_part_of_it_and_label_what_is_new(prepare, sample, monkeypatch):
    monkeypatch.setattr(
        distillation, "fingerprint", lambda teacher, positive_label, classes: f"{teacher} {positive_label}"
    )
    monkeypatch.setattr(checkpoints, "resolve", Path)
    new = ["처음 보는 글", sample.test.texts[0], sample.train.texts[3], "또 다른 글"]
    prepared = prepare(new, teachers=("a", "b"), positive_label=("x",))
    assert prepared.texts[594:] == ["처음 보는 글", "또 다른 글"]
    assert (len(prepared.labels), len(prepared.encoded)) == (594, 596)
    assert list(prepared.identity)[-2:] == ["teachers", "unlabelled"]
    assert prepared.identity["teachers"] == ["a ('x',)", "b ('x',)"]
    asked = []

    def targets(teachers, texts, run_dir, **options):
        asked.append((teachers, len(texts), str(run_dir), options["precision"], options["positive_label"]))
        return np.full((len(texts), 2), 0.5, np.float32)

    monkeypatch.setattr(distillation, "targets", targets)
    probabilities = finetuning.targets_of(prepared, print)
    assert asked == [(("a", "b"), 596, "runs/sample", "float32", ("x",))]
    np.testing.assert_array_equal(probabilities[:594, 1], 0.25 + prepared.labels / 2)
    np.testing.assert_array_equal(probabilities[594:], 0.5)


@pytest.fixture
def learned(monkeypatch):
    """What the loop is given instead of training."""
    calls = []

    def train(model, *arguments, **options):
        calls.append((model, arguments, options))
        return {"history": [], "best": {}, "steps": 0, "seconds": 0.0}

    monkeypatch.setattr(loop, "train", train)
    return calls


def test_the_first_plan_is_made_once(prepare, learned):
    prepared = prepare(seeds=(4, 5), token_budget=512)
    for run in finetuning.runs(prepared):
        finetuning.learn(prepared, run, prepared.labels, print, finetuning.Workbench(prepared, run.settings))
    (model, arguments, options), (_, _, others) = learned
    assert model.predict_budget == 1024  # a card that has no room for more learning has none for it elsewhere
    made = model.plan(prepared.encoded, token_budget=512, seed=4, epoch=0)
    for name in ("texts", "places", "slots", "splits"):
        np.testing.assert_array_equal(getattr(options["first_plan"], name), getattr(made, name))
    assert (arguments[0][0], arguments[2].seed) == (prepared.encoded, 4)
    assert others["first_plan"] is None  # it is the first seed's
    assert len(packing.plan(prepared.encoded.lengths, 512, seed=5)) == len(made)


def test_each_epoch_is_perturbed_anew_and_planned_anew(prepare, learned):
    prepared = prepare(augment=0.5)
    (run,) = finetuning.runs(prepared)
    finetuning.learn(prepared, run, prepared.labels, print, finetuning.Workbench(prepared, run.settings))
    options = learned[0][2]
    assert options["first_plan"] is None
    first, second, again = (options["perturbed"](epoch) for epoch in (0, 1, 0))
    assert len(first) == len(second) == len(prepared.encoded)
    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.ids.shape != second.ids.shape or (first.ids != second.ids).any()


def test_a_run_in_one_process(sample, tiny_config, tmp_path, monkeypatch):
    """As the command does it: two seeds, the second time finished already; what is traced for the one is for the other,
    too, which ends as it would alone.
    """
    lines, compiled, traced = [], [], []

    class Traced(classifier.SentimentClassifier):
        def call(self, inputs, training=False):
            traced.append(self.seed)
            return super().call(inputs, training)

    monkeypatch.setattr(classifier, "SentimentClassifier", Traced)
    monkeypatch.setattr(
        loop,
        "compile_model",
        lambda model, *rest, _made=loop.compile_model, **options: (
            compiled.append(model.seed) or _made(model, *rest, **options)
        ),
    )
    how = FineTuning(
        run_dir=str(tmp_path / "run"),
        encoder=str(tiny_config),
        epochs=1,
        token_budget=2048,
        learning_rate=0.01,
        seeds=(1, 2),
        weights="float16",
        precision="float32",
        xla="off",
        strategy="one",
    )
    results = finetuning.fine_tune(sample, how, log=lines.append)
    assert [result["seed"] for result in results] == [1, 2]
    assert [line for line in lines if line.startswith("seed")] == ["seed 1", "seed 2"]
    assert results[0]["data"]["train"] == 594 and results[0]["settings"]["weights"] == "float16"
    assert compiled == [1] and traced == [1]
    alone = dataclasses.replace(how, run_dir=str(tmp_path / "alone"), seeds=(2,))
    (other,) = finetuning.fine_tune(sample, alone, log=lambda line: None)
    assert compiled == [1, 2]
    one, two, second = (load_file(Path(result["folder"]) / "model.safetensors") for result in (*results, other))
    for name, weight in second.items():
        np.testing.assert_array_equal(weight, two[name], err_msg=name)
    assert (one["classifier.weight"] != two["classifier.weight"]).any()
    again = finetuning.fine_tune(sample, how, log=lines.append)
    assert again == json.loads(json.dumps(results))
    assert lines[-2:] == [f"seed {seed}: finished already, in {tmp_path}/run/seed-{seed}/model" for seed in (1, 2)]
    finetuning.fine_tune(sample, dataclasses.replace(how, perturb=("typo",)), log=lines.append)
    assert lines[-1].startswith("seed 2: was measured without --perturb=typo; python -m nsmc_bert.evaluate --model=")


def own(count, classes=SENTIMENT, **others):
    texts = [f"글 {number}" for number in range(count)]
    labels = np.arange(count, dtype=np.int32) % len(classes)
    return Data("a.csv", "reviews", reviews.Corpus(texts, labels, "a.csv", "", classes=classes), None, **others)


@pytest.mark.parametrize(
    ("count", "how", "expected"),
    [
        (finetuning.FOLDED - 1, {}, 5),
        (finetuning.FOLDED, {}, 0),
        (100, {"folds": "0"}, 0),
        (100_000, {"folds": "3"}, 3),
        (100, {"validation": 0.2}, 0),  # a share was asked for
        (100, {"validation": 0.1}, 0),
        (100, {"patience": 3}, 0),
        (100, {"folds": "0", "validation": 0.2, "patience": 3}, 0),
        (100, {"teachers": ("a",)}, 0),
    ],
)
def test_few_reviews_of_ones_own_are_cross_validated(devices, sample, count, how, expected):
    assert finetuning.fold_count(FineTuning(**how), own(count), devices) == expected
    assert finetuning.fold_count(FineTuning(), sample, devices) == 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"folds": "1"}, "--folds=1: expected auto, 0 for a validation split, or a number from 2 on"),
        ({"folds": "many"}, "--folds=many: expected auto, 0"),
        ({"folds": "5", "teachers": ("a",)}, "--folds=5: found it beside --teachers, which may have learned from"),
        ({"folds": "5", "validation": 0.1}, "--folds=5: found it beside --validation=0.1, the share that is held out"),
        ({"folds": "5", "patience": 4}, "--folds=5: found it beside --patience=4, for which there would have to be"),
    ],
)
def test_folds_that_cannot_be(devices, how, message):
    with pytest.raises(UserError, match=message):
        finetuning.fold_count(FineTuning(**how), own(100), devices)


def test_a_class_of_one_text_cannot_be_cross_validated(devices, tiny_config):
    data = own(10, THREE)
    data.train.labels[:] = [0, 1] * 4 + [2, 0]
    with pytest.raises(UserError, match="a.csv: found one text alone labelled 칭찬, expected of each label two diff"):
        finetuning.prepare(data, FineTuning(folds="2"), Start(tiny_config), devices)
    data.train.labels[-1] = 2
    data.train.texts[-2:] = "칭찬", unicodedata.normalize("NFD", "칭찬")
    with pytest.raises(UserError, match="found one text alone labelled 칭찬"):
        finetuning.prepare(data, FineTuning(folds="2"), Start(tiny_config), devices)


def test_a_cross_validated_run(tiny_config, tmp_path, sample, devices):
    """Two folds: what is measured is what models of the other fold say, and the model that is kept is of all."""
    lines: list[str] = []
    half = dataclasses.replace(sample.train, texts=sample.train.texts[:320], labels=sample.train.labels[:320])
    data = Data("mine.csv", "reviews", half, None)
    how = FineTuning(
        run_dir=str(tmp_path / "run"), encoder=str(tiny_config), folds="2", epochs=2, token_budget=1024,
        learning_rate=0.01, precision="float32", xla="off", strategy="one",
    )  # fmt: skip
    (result,) = finetuning.fine_tune(data, how, log=lines.append)
    assert "cross-validation: 2 trainings on about 160 reviews each measure on the others what this is wor" in lines[3]
    assert [line.split(":")[0] for line in lines if line.startswith(("fold", "epoch"))] == [
        "fold 1 of 2", "fold 2 of 2", "epoch 1", "epoch 2"
    ]  # fmt: skip
    said = np.zeros((320, 2), np.float32)
    fold = reviews.folds(half.texts, 2, 0, half.labels)
    for number in range(2):
        said[fold == number] = np.load(tmp_path / "run" / f"fold-{number + 1}.npy")
    assert result["cross_validation"]["n"] == 320 and "validation" not in result and "best_epoch" not in result
    assert result["calibration"]["reviews"] == 320
    honest = cross_validation.calibrated(said, half.labels, fold)
    wrong = {half.texts[row]: honest[row].max() for row in np.flatnonzero(honest.argmax(1) != half.labels)}
    assert result["errors"][0]["confidence"] == pytest.approx(max(wrong.values()))
    assert result["errors"][0]["text"] in wrong and len(result["errors"]) == min(20, len(wrong))
    assert result["calibration"]["log_loss"] == pytest.approx(metrics.report(said, half.labels)["log_loss"], abs=1e-6)
    assert {key: result["data"][key] for key in ("train", "validation", "folds")} == {
        "train": 320, "validation": 0, "folds": 2
    }  # fmt: skip
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "| cross-validation | 320 |" in card and "320 reviews to train on, none held out." in card
    assert "a model that had learned from the other 1 of 2 folds" in card
    assert not (tmp_path / "run" / "fold-1").exists()
    assert "seed 1, cross-validation: 320 reviews" in evaluation.summary([result])
    # what is trained after others in one process is what another process makes of it
    kept = {name: np.load(tmp_path / "run" / f"{name}.npy") for name in ("fold-1", "fold-2")}
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    again = dataclasses.replace(how, run_dir=str(tmp_path / "again"))
    (tmp_path / "again").mkdir()
    for name in ("fold-1.npy", "run.json"):
        shutil.copy(tmp_path / "run" / name, tmp_path / "again" / name)
    finetuning.fine_tune(data, again, log=lines.append)
    np.testing.assert_array_equal(np.load(tmp_path / "again" / "fold-2.npy"), kept["fold-2"])
    for name, value in load_file(tmp_path / "again" / "model" / "model.safetensors").items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)
    assert finetuning.fine_tune(data, how, log=lines.append) == [json.loads(json.dumps(result))]
    # and so is what is trained after another seed
    seeds = dataclasses.replace(how, run_dir=str(tmp_path / "seeds"), seeds=(2, 1))
    assert [each["seed"] for each in finetuning.fine_tune(data, seeds, log=lines.append)] == [2, 1]
    for name, value in kept.items():
        np.testing.assert_array_equal(np.load(tmp_path / "seeds" / "seed-1" / f"{name}.npy"), value)
    for name, value in load_file(tmp_path / "seeds" / "seed-1" / "model" / "model.safetensors").items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)
    # and what goes on from it has seen all that it measures on
    (seen,) = finetuning.prepare(data, how, Start(tmp_path / "run" / "model"), devices).warnings
    assert seen == (
        f"WARNING: {tmp_path}/run/model, which this starts from, has learned from reviews that are held out here; the "
        "figures of cross-validation are not of unseen ones"
    )
    student = dataclasses.replace(how, folds="0", teachers=(str(tmp_path / "run" / "model"),))
    tested = dataclasses.replace(data, test=half)
    (seen,) = finetuning.prepare(tested, student, Start(tiny_config), devices).warnings
    assert ", a teacher, has learned" in seen and seen.endswith("of validation and the test are not of unseen ones")
    warned = {**result, "warnings": [seen]}
    assert f"**{seen}.**\nIn cross-validation each" in model_card(warned)
    assert evaluation.summary([warned, warned])[-3] == seen
    # what it has learned from says nothing of its confidence
    with pytest.raises(UserError, match="has learned from all its reviews, and is calibrated by cross-validation"):
        recalibration.find("validation", data, result, reviews.AS_PUBLISHED, lines.append, minimum=1)


def test_few_reviews_of_ones_own_start_from_the_classifier():
    def start(folder, count, **how):
        corpus = reviews.Corpus(["x"] * count, np.zeros(count, np.int32), "a.csv", "")
        return finetuning.start_of(FineTuning(**how), Data("a.csv", folder, corpus, None))

    few, why = start("reviews", 100)
    assert few.name == "the classifier that ships" and few.head is not None
    assert why.startswith("; its head is kept, as 100 reviews are few")
    for others in (start("reviews", finetuning.FEW), start("nsmc", 100), start("sample", 100)):
        assert (others[0].name, others[0].head, others[1]) == ("the encoder that ships", None, "")
    asked, why = start("nsmc", 1000, encoder="classifier", head="new")
    assert (asked.name, asked.head, why) == ("the classifier that ships", None, "")


def test_other_classes_start_from_an_encoder_alone():
    def start(count, **how):
        corpus = reviews.Corpus(["x"] * count, np.zeros(count, np.int32), "a.csv", "", classes=THREE)
        return finetuning.start_of(FineTuning(**how), Data("a.csv", "reviews", corpus, None))

    few, why = start(100)
    assert (few.name, few.head, why) == ("the encoder that ships", None, "")
    asked, why = start(1000, encoder="classifier")
    assert (asked.name, asked.head) == ("the classifier that ships", None)
    assert why == (
        ", its encoder alone: its head tells negative and positive apart, and the reviews have 3 classes, 불만, 문의, "
        "칭찬"
    )
    with pytest.raises(
        UserError, match="the classifier that ships has no head of 3 classes, 불만, 문의, 칭찬; --head=new"
    ):
        start(1000, encoder="classifier", head="kept")


def test_a_part_that_lacks_a_class_is_no_part():
    corpus = reviews.Corpus([], np.array([0, 1, 2, 0, 1], np.int32), "a.csv", "", classes=THREE)
    finetuning._check_split(corpus, np.arange(3), np.arange(5))
    with pytest.raises(
        UserError, match="a.csv: found 2 reviews to choose the epoch by, none labelled 칭찬, expected some"
    ):
        finetuning._check_split(corpus, np.arange(3), np.array([3, 4]))
    with pytest.raises(
        UserError, match="found the one review to train on labelled 칭찬, expected some of each label; "
    ):
        finetuning._check_split(corpus, np.array([2]), np.arange(3))
    stars = dataclasses.replace(corpus, classes=ratings([1, 2, 3]))
    finetuning._check_split(stars, np.arange(2), np.arange(5))
    with pytest.raises(UserError, match="labelled 1, expected some of at least two ratings"):
        finetuning._check_split(stars, np.array([0, 3]), np.arange(5))


def test_what_a_run_starts_from_is_found_before_devices_are_chosen():
    """A process that has computed something already can no longer say how its devices are to be used."""
    program = (
        "import numpy as np, tensorflow as tf\n"
        "from nsmc_bert.data import find, reviews\n"
        "from nsmc_bert.learning import finetuning\n"
        "corpus = reviews.Corpus(['x'] * 9, np.zeros(9, np.int32), 'a.csv', '')\n"
        "data = find.Data('a.csv', 'reviews', corpus, None)\n"
        "assert finetuning.start_of(finetuning.FineTuning(), data)[0].head is not None\n"
        "cpu = tf.config.list_physical_devices('CPU')[0]\n"
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)\n"
    )
    result = forked.run(["-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == 0, result.stderr


def test_the_progress_of_a_fold_is_called_by_it(prepare, monkeypatch, tmp_path):
    prepared, titles = prepare(folds="2", run_dir=str(tmp_path)), []
    (run,) = finetuning.runs(prepared)
    monkeypatch.setattr(finetuning, "learn", lambda *others: titles.append(others[-1]))
    loaded = SimpleNamespace(predict_encoded=lambda encoded: np.full((len(encoded), 2), 0.5, np.float32))
    bench = SimpleNamespace(as_loaded=lambda: loaded)
    said = finetuning.cross_validate(prepared, run, lambda line: None, bench)
    assert titles == ["fold 1 of 2", "fold 2 of 2"] and (said == 0.5).all()
