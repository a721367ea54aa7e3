"""A model as a SavedModel: versions, what is written, and that nothing is written that says something else."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model.tokenizers import load
from nsmc_bert.serving import litert, saved_model
from nsmc_bert.serving.saved_model import Comparison, Export

TEXTS = ["이 영화 엄청 재미있네요", "노잼", "안 본다 . . .", "최고 최고 !"]


@pytest.fixture
def how(make_model, tmp_path):
    """Exports token ids of a tiny model, without TensorFlow Text."""
    make_model().save(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return Export(
        model=str(tmp_path / "model"),
        output=str(tmp_path / "export"),
        signature="tokens",
        compare_on=str(tmp_path / "texts.txt"),
    )


def test_versions_follow_each_other(how, tmp_path, make_model):
    (tmp_path / "export" / "7").mkdir(parents=True)
    (tmp_path / "export" / "notes").touch()
    lines = []
    folder = saved_model.export(how, lines.append)
    assert folder == tmp_path / "export" / "8"
    assert {path.name for path in folder.parent.iterdir()} == {"7", "8", "notes", "lock"}
    assert (folder / "assets" / "labels.txt").read_text() == "negative\npositive\n"
    assert lines[0] == f"model: {how.model}"
    assert lines[1].startswith("4 texts: probabilities differ from predict's by at most ")
    warmups = tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests"))
    assert sum(1 for _ in warmups) == 3
    loaded, model = tf.saved_model.load(str(folder)), make_model()
    ids, mask = saved_model._padded(model.encode(TEXTS), 0)
    found = loaded.signatures["serving_default"](input_ids=tf.constant(ids), attention_mask=tf.constant(mask))
    np.testing.assert_allclose(found["probabilities"].numpy(), model.predict(TEXTS), atol=1e-6)


def test_what_says_something_else_is_not_written(how, tmp_path, monkeypatch):
    apart = Comparison(100, 1, 2e-5, 0)
    assert str(Comparison(884, None, 0.2149, 3)) == (
        "884 texts: probabilities differ from predict's by at most 0.21; 3 texts get another class"
    )
    monkeypatch.setattr(saved_model, "compare", lambda *arguments: apart)
    with pytest.raises(UserError, match="found probabilities 2.0e-05 apart from predict's, expected 1e-05 at most"):
        saved_model.export(how, lambda line: None)
    assert [path.name for path in (tmp_path / "export").iterdir()] == ["lock"]


def test_what_is_cut_otherwise_is_counted(make_model):
    """A graph that reads other pieces of a text, and gives the other class."""
    model = make_model()
    cut = lambda strings: tuple(map(tf.constant, saved_model._padded(model.encode(["노잼", "!"]), 0)))
    known = model.predict("노잼")[0]
    found = saved_model.compare(lambda text: {"probabilities": [known[::-1]] * 2}, model, ["노잼", "이 영화"], cut)
    assert (found.texts, found.otherwise, found.labelled) == (2, 1, 1)
    assert found.apart == pytest.approx(abs(known[1] - known[0]), abs=1e-6)


@pytest.mark.parametrize(
    "comparison, message", [((1000, 10, 0.0, 0), None), ((1000, 11, 0.0, 0), "cuts 11 of 1000 texts")]
)
def test_one_of_a_hundred_may_be_cut_otherwise(comparison, message):
    if message is None:
        saved_model._check(Comparison(*comparison))
    else:
        with pytest.raises(UserError, match=message):
            saved_model._check(Comparison(*comparison))
    with pytest.raises(UserError, match="found probabilities nan apart"):
        saved_model._check(Comparison(1000, 0, float("nan"), 0))


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize(
    "form, file, package", [("litert", "model.tflite", "tensorflow"), ("onnx", "model.onnx", "tf2onnx")]
)
def test_files_of_other_runtimes(how, form, file, package, weights):
    pytest.importorskip(package)
    lines = []
    folder = saved_model.export(dataclasses.replace(how, format=form, weights=weights), lines.append)
    names = {file, "labels.txt", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert lines[1].startswith("4 texts: probabilities differ from predict's by at most ")


def test_the_tokenizer_beside_cuts_at_the_models_positions(how, make_model):
    import tokenizers
    import transformers

    folder = saved_model.export(dataclasses.replace(how, format="litert"), lambda line: None)
    model, text = make_model(), "최악 . " * 100
    cut = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text)
    assert cut.ids == model.encode([text]).ids.tolist() and len(cut.ids) == model.max_length
    answer = litert.load((folder / litert.FILE).read_bytes())
    found = answer(input_ids=np.int32([cut.ids]), attention_mask=np.int32([cut.attention_mask]))["probabilities"]
    with pytest.warns(UserWarning, match="1 of 1 texts"):
        np.testing.assert_allclose(found, model.predict([text]), atol=1e-6)
    # who reads it with its settings decides as before
    whole = model.tokenizer.encode([text], max_length=1000).ids.tolist()
    assert load(folder).encode([text], max_length=1000).ids.tolist() == whole
    other = transformers.AutoTokenizer.from_pretrained(folder)
    assert other(text)["input_ids"] == whole and other(text, truncation=True)["input_ids"] == cut.ids
    assert other.model_max_length == model.max_length


def test_a_saved_model_has_no_other_weights():
    with pytest.raises(UserError, match="--weights=int8: for --format=litert and onnx alone"):
        Export(weights="int8")
