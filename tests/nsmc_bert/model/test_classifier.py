"""SentimentClassifier: one answer whatever the form of the text, and Keras' habits kept."""

import copy
import importlib.util
import itertools
import json
import os
import pickle
import sys
import threading
import types
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import nsmc_bert
from nsmc_bert.base.classes import ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import Watchdog
from nsmc_bert.model import calibration, checkpoints, forward, metrics, ordinal, packing, tokenizers
from tests.conftest import logit
from tests.nsmc_bert.model import test_keras_metrics

TEXTS = ["이 영화 엄청 재미있네요", "이 영화 엄청 재미없네요", "", "꿀잼!", "정말 최악 . 다시는 안 본다", "ㅋㅋㅋ 😂"]
GOOD, BAD = ["꿀잼", "정말 최고!", "엄청 재미있네요", "다시 봤다"], ["노잼", "최악", "재미없네요", "안 본다"]


@pytest.fixture(scope="module")
def model(make_bert, tiny_tokenizer):
    return nsmc_bert.SentimentClassifier(make_bert(initializer_range=0.5), tiny_tokenizer, max_length=16)


def test_is_a_keras_model_around_tfbertmodel(model):
    from transformers.models.bert.modeling_tf_bert import TFBertModel

    assert isinstance(model, tf.keras.Model)
    assert isinstance(model.bert, TFBertModel)
    assert model.count_params() == model.bert.count_params() + 8 * 2 + 2


def test_equals_bert_and_head_computed_apart(model):
    encoded = model.encode(TEXTS[:2])
    for i, text in enumerate(TEXTS[:2]):
        ids = encoded.ids[encoded.row_splits[i] : encoded.row_splits[i + 1]][None]
        pooled = model.bert(input_ids=ids, attention_mask=np.ones_like(ids)).pooler_output.numpy()
        logits = pooled @ model.classifier.kernel.numpy() + model.classifier.bias.numpy()
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(model.predict(text), expected, atol=1e-5)


def test_one_string_gives_one_row(model):
    result = model.predict(TEXTS[0])
    assert (result.shape, result.dtype) == ((1, 2), np.float32)
    np.testing.assert_allclose(result.sum(1), 1, atol=1e-6)
    assert abs(result - model.predict(TEXTS[1])).max() > 1e-3


def test_every_form_of_text_gives_the_same_rows(model):
    expected = np.concatenate([model.predict(text) for text in TEXTS])
    assert len({row.tobytes() for row in expected}) == len(TEXTS)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    forms = {
        "list": TEXTS,
        "tuple": tuple(TEXTS),
        "array": np.array(TEXTS),
        "array of objects": np.array(TEXTS, object),
        "array of bytes": np.array([text.encode() for text in TEXTS]),
        "series": pd.Series(TEXTS),
        "series with an index": pd.Series(TEXTS, index=range(10, 16)),
        "tensor": tf.constant(TEXTS),
        "dataset": dataset,
        "batched dataset": dataset.batch(4),
        "generator": (text for text in TEXTS),
        "labelled dataset": tf.data.Dataset.from_tensor_slices((TEXTS, [0] * 6)).batch(4),
    }
    for name, form in forms.items():
        result = model.predict(form)
        assert (result.shape, result.dtype) == ((6, 2), np.float32), name
        np.testing.assert_allclose(result, expected, atol=1e-6, err_msg=name)
    with Watchdog() as watchdog:
        np.testing.assert_allclose(model.predict(TEXTS, batch_size=2), expected, atol=1e-6)
        assert watchdog._looks is not None  # a long validation is no run that stands still


def test_nothing_gives_no_rows(model):
    for nothing in ([], np.array([]), np.array([], str), pd.Series([], dtype=str), pd.Series([], dtype=object)):
        result = model.predict(nothing)
        assert (result.shape, result.dtype) == ((0, 2), np.float32)


@pytest.mark.parametrize("text", [["좋아요"], "좋아요", np.array(["좋아요"]), tf.constant(["좋아요"])])
def test_a_call_takes_no_text(model, text):
    with pytest.raises(UserError, match=r"^found .*좋|^found <tf.Tensor") as refused:
        model(text)
    assert str(refused.value).endswith("for text: model.predict(texts)")


def test_callbacks_of_another_keras_are_told_before_they_fail(model):
    early = type("EarlyStopping", (), {"__module__": "keras.src.callbacks.early_stopping"})
    with pytest.raises(UserError, match="callbacks: found keras.callbacks.EarlyStopping of Keras 3"):
        model.fit(["꿀잼"], [1], callbacks=[early()])


def test_keras_3_that_came_first_is_told_with_the_way_out(monkeypatch):
    spec = importlib.util.find_spec("nsmc_bert.model.classifier")
    monkeypatch.setitem(sys.modules, "tf_keras", SimpleNamespace(Model=int))
    with pytest.raises(ImportError, match="restart Python, in a notebook its kernel, and import nsmc_bert first"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_encoded_features_go_keras_way(model):
    encoded = model.encode(TEXTS[:1])
    features = {"input_ids": encoded.ids[None], "attention_mask": np.ones_like(encoded.ids[None])}
    np.testing.assert_allclose(model.predict(features, verbose=0), model.predict(TEXTS[0]), atol=1e-6)


def test_several_models_are_not_taken_for_one_that_is_traced_anew(make_model, monkeypatch):
    """TensorFlow would warn of expensive tracing from the fifth on."""
    from tensorflow.python.eager.polymorphic_function import polymorphic_function

    warned = []
    monkeypatch.setattr(polymorphic_function.logging, "warning", warned.append)
    for seed in range(5):
        make_model(seed).predict(TEXTS)
    assert not warned


@pytest.mark.parametrize("use", ["predict", "evaluate", "explain", "load"])
def test_a_model_in_a_forked_process_is_refused(model, monkeypatch, use):
    """There TensorFlow would wait for threads that are not."""
    parent, act = os.getpid(), nsmc_bert.load if use == "load" else getattr(model, use)
    arguments = [] if use == "load" else [TEXTS, [0] * len(TEXTS)] if use == "evaluate" else [TEXTS[0]]
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    with pytest.raises(UserError, match=f"found process {parent + 1} forked from one with a model, {parent}, in which"):
        act(*arguments)


def test_long_text_is_read_to_its_limit_with_a_warning(model):
    long = "영화 " * 50_000
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than 14 pieces"):
        result = model.predict([long, "꿀잼"])
    np.testing.assert_allclose(result[0], model.predict("영화 " * 14)[0], atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict("영화 " * 14)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=40), min_size=1, max_size=4))
def test_any_text_is_valid(model, texts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = model.predict(texts)
    assert result.shape == (len(texts), 2)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u200b", "ㄱㅏㅇ", "👍🏻👨‍👩‍👧", "\x1b[31m", "한" * 2000])
def test_odd_text(model, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(model.predict(text)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        ["꿀잼", None],
        ["꿀잼", 3.5],
        pd.Series(["꿀잼", float("nan")], dtype=object),
        ["꿀잼", ["노잼"]],
        {"꿀잼": 1}.values(),
        None,
    ],
)
def test_what_is_no_text_is_named(model, wrong):
    with pytest.raises(
        UserError,
        match="text [01]: found (None|3.5|nan|.*노잼|1|.*dict_values).*dropna\\(\\) leaves missing values out",
    ):
        model.predict(wrong)


def test_bytes_that_are_no_utf8_are_refused_in_every_form(model, make_model, tmp_path):
    path = tmp_path / "cp949.txt"
    path.write_text("good\n노잼\n", encoding="cp949")
    dataset, row = tf.data.TextLineDataset(str(path)), "노잼".encode("cp949")
    forms = [dataset, dataset.batch(2), [b"good", row], np.array([b"good", row]), tf.constant([b"good", row])]
    for form in forms:
        with pytest.raises(
            UserError, match=r"text 1: found bytes that are no UTF-8, b'.xb3.xeb.xc0.xeb', .*decode\('cp949'\)"
        ):
            model.predict(form)
    learner = make_model()
    learner.compile()
    with pytest.raises(UserError, match="text 1: found bytes that are no UTF-8"):
        learner.fit(tf.data.Dataset.zip((dataset, tf.data.Dataset.from_tensor_slices([1, 0]))), verbose=0)


def test_unknown_arguments_are_not_swallowed(model):
    with pytest.raises(TypeError, match="vebose"):
        model.predict(["꿀잼"], vebose=0)


def test_two_dimensions_are_refused(model):
    with pytest.raises(UserError, match=r"shape \(1, 2\)"):
        model.predict(np.array([["꿀잼", "노잼"]]))


def test_fit_evaluate_predict_as_keras_does(make_model, tmp_path):
    model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model.compile(tf.keras.optimizers.AdamW(0.02))
    texts, labels = GOOD + BAD, [1] * 4 + [0] * 4
    history = model.fit(texts, labels, epochs=40, verbose=0, validation_data=(texts, labels)).history
    assert history["loss"][-1] < 0.2 < history["loss"][0]
    assert history["val_accuracy"][-1] == 1.0
    loss, accuracy = model.evaluate(texts, labels, verbose=0)
    assert accuracy == 1.0
    picked = model.predict(texts)[np.arange(8), labels]
    assert loss == pytest.approx(-np.log(picked).mean(), abs=1e-5)
    assert model.seed == 0 and len(model.weights) == len(model.bert.weights) + 2
    tf.saved_model.save(model, str(tmp_path))  # TensorFlow's own way, which traces the training step's graph, too
    weights = tf.saved_model.load(str(tmp_path)).variables
    assert {w.name for w in model.weights} <= {w.name for w in weights}


def test_fit_takes_datasets_and_validation_split(make_model):
    texts, labels = GOOD + BAD, [1] * 4 + [0] * 4
    model = make_model()
    model.compile()
    model.fit(tf.data.Dataset.from_tensor_slices((texts, labels)).batch(3), epochs=1, verbose=0)
    history = model.fit(texts, labels, epochs=2, validation_split=0.25, batch_size=2, verbose=0).history
    assert len(history["val_loss"]) == 2
    for count, share in ((2, 0.9), (8, 1.0), (8, 1.5), (8, -0.5), (8, 0.01)):
        with pytest.raises(UserError, match=f"validation_split: found {share} of {count} texts, expected a share from"):
            model.fit(texts[:count], labels[:count], validation_split=share)


def test_one_batch_of_text_is_what_fit_evaluate_and_predict_make_of_it(make_model):
    texts, labels, weights = [*GOOD, *BAD, "최고 " * 6], [1] * 4 + [0] * 5, [1, 2, 0, 1, 1, 3, 1, 1, 2]
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    one, other = make_model(**still), make_model(**still)
    for model in (one, other):
        model.compile(tf.keras.optimizers.SGD(0.1))
    loss = one.fit(texts, labels, batch_size=9, sample_weight=weights, verbose=0).history["loss"][0]
    assert other.train_on_batch(np.array(texts), labels, weights)[0] == pytest.approx(loss, abs=1e-5)
    for mine, theirs in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    figures = one.test_on_batch(tuple(texts), labels, sample_weight=weights, return_dict=True)
    expected = one.evaluate(texts, labels, sample_weight=weights, return_dict=True, verbose=0)
    assert figures == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(one.predict_on_batch(texts), one.predict(texts), atol=1e-6)
    assert one.predict_on_batch(texts[0]).shape == (1, 2)
    with pytest.raises(UserError, match="expected one 0 or 1 for each of 9 texts"):
        one.train_on_batch(texts, labels[1:])


def test_a_fit_that_xla_compiles_has_one_shape(make_model, monkeypatch):
    """That of the pass with most rows, of batches of three: others have a few, which do no harm."""
    model, given = make_model(), {}

    def stop(*_, **options):
        given.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "shared", stop)
    texts = ["정말 최고 " * (1 + i % 9) for i in range(40)]
    monkeypatch.setattr(model, "plan", lambda *_, epoch, **__: types.SimpleNamespace(rows=5 + epoch % 3, splits=[0]))
    for jit, expected in ((True, 7), (False, None)):
        model.compile(jit_compile=jit)
        with pytest.raises(KeyboardInterrupt):
            model.fit(texts, [0, 1] * 20, batch_size=3, epochs=6, verbose=0)
        assert given["rows"] == expected


def test_every_pass_has_an_order_of_its_own_and_some_steps(make_model, monkeypatch):
    texts, labels = (GOOD + BAD) * 100, ([1] * 4 + [0] * 4) * 100
    model, plans, made = make_model(), [], packing.plan
    model.compile()
    monkeypatch.setattr(packing, "plan", lambda *given, **named: plans.append(named["epoch"]) or made(*given, **named))
    model.fit(texts, labels, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 2 * len(model.plan(model.encode(texts), token_budget=256)) > 2 * 20
    del plans[-1]  # which was asked for just now
    for _ in range(2):
        model.fit(texts, labels, verbose=0)
    model.fit(texts, labels, epochs=2, initial_epoch=1, verbose=0)
    model.fit(texts, labels, verbose=0)
    assert plans == [0, 1, 2, 3, 1, 2]


def test_keras_habits(make_model, tmp_path):
    texts, labels = GOOD + BAD, [1] * 4 + [0] * 4
    model = make_model()
    model.compile()
    dataset = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(4)
    keep = tf.keras.callbacks.ModelCheckpoint(str(tmp_path / "best"), monitor="val_loss")
    history = model.fit(texts, labels, 4, 1, 0, [keep], validation_data=dataset).history
    assert len(history["val_loss"]) == 1
    assert nsmc_bert.load(tmp_path / "best").predict(texts).shape == (8, 2)
    assert model.fit(texts, labels, epochs=2, initial_epoch=2, verbose=0).history == {}
    with pytest.raises(UserError, match="found no text to learn from"):
        model.fit([], [])
    with pytest.raises(UserError, match=r"expected elements \(text, label\)"):
        model.fit(tf.data.Dataset.from_tensor_slices(texts))
    with pytest.raises(UserError, match="without end"):
        model.fit(dataset.repeat())
    with pytest.raises(UserError, match="steps_per_epoch: not for text"):
        model.fit(texts, labels, steps_per_epoch=2)


def test_metrics_and_losses_of_ones_own_know_no_empty_places(make_model):
    """Batches of four texts, four and one, in rows of sixteen places: by hand, from the probabilities."""
    (texts, labels, weights), model = MEASURED, make_model()
    y, p = np.array(labels), model.predict(texts)
    said = p.argmax(1)
    batches = model.plan(model.encode(texts), 4)
    parts = [batches.texts[start:stop] for start, stop in itertools.pairwise(batches.splits)]
    f1 = [2 * (said * y)[part].sum() / (said[part].sum() + y[part].sum() + 1e-7) for part in parts]
    entropy = -(p * np.log(p)).sum(1)
    own = [
        test_keras_metrics.f1,
        test_keras_metrics.Count(),
        lambda y, p: -tf.reduce_sum(p * tf.math.log(p), -1),
        "kld",
    ]
    model.compile(loss="binary_crossentropy", metrics=own)
    found = model.evaluate(texts, labels, 4, verbose=0)
    chosen = -np.log(p[np.arange(9), y]).mean()
    np.testing.assert_allclose(found, [chosen, np.mean(f1), 9, entropy.mean(), chosen], rtol=1e-4)
    assert np.isfinite(model.fit(texts, labels, verbose=0, sample_weight=weights).history["loss"][0])
    with pytest.raises(UserError, match="metrics: found f1, which would count what is empty"):
        model.compile(metrics=[test_keras_metrics.f1], jit_compile=True)
    model.compile(metrics=own[2:], jit_compile=True)
    found = model.evaluate(texts, labels, 4, verbose=0)
    p = model.predict(texts)
    np.testing.assert_allclose(
        found[1:], [-(p * np.log(p)).sum(1).mean(), -np.log(p[np.arange(9), y]).mean()], rtol=1e-4
    )


MEASURED = GOOD + BAD + ["영화"], [1, 1, 0, 1, 0, 0, 1, 0, 1], np.float32([1, 2, 0, 1, 1, 3, 1, 0.5, 1])


def test_figures_are_those_of_all_texts_however_they_are_batched(make_model):
    """By hand, from the probabilities: batches have four texts, four and one, and rows have empty places."""
    (texts, labels, weights), model, keras = MEASURED, make_model(num_hidden_layers=2), tf.keras.metrics
    y, p = np.array(labels), model.predict(texts)
    right, loss = p.argmax(1) == y, -np.log(p[np.arange(9), y])
    counts = [np.sum((p.argmax(1) == c) & (y == c)) * 2 / (np.sum(p.argmax(1) == c) + np.sum(y == c)) for c in (0, 1)]
    ahead = p[y == 1, 1][:, None] - p[y == 0, 1][None]
    model.compile(metrics=["accuracy"])
    assert model.evaluate(texts, labels, 4, verbose=0) == pytest.approx([loss.mean(), right.mean()], abs=1e-5)
    model.compile()
    found = model.evaluate(texts, labels, 4, verbose=0, sample_weight=weights)
    assert found == pytest.approx([(weights * loss).sum() / 9, right.mean()], abs=1e-5)  # as Keras weighs neither
    dataset = tf.data.Dataset.from_tensor_slices((texts, labels, weights)).batch(2)
    assert model.evaluate(dataset, batch_size=4, verbose=0) == pytest.approx(found, abs=1e-6)
    metrics = [
        "acc",
        keras.F1Score(name="f1"),
        keras.AUC(num_thresholds=5000, name="auc"),
        "Precision",
        "binary_accuracy",
        "mse",
    ]
    model.compile(metrics=metrics, weighted_metrics=["AUC", "Recall", "TruePositives", "accuracy"])
    found = model.evaluate(texts, labels, 4, verbose=0, sample_weight=weights, return_dict=True)
    said = p[:, 1] > 0.5
    assert found["acc"] == found["binary_accuracy"] == pytest.approx(right.mean())
    np.testing.assert_allclose(found["f1"], counts, atol=1e-6)
    assert found["auc"] == pytest.approx((ahead > 0).mean(), abs=2e-3)
    assert found["precision"] == pytest.approx(y[said].mean())
    assert found["recall"] == pytest.approx((weights * said * y).sum() / (weights * y).sum())
    assert found["true_positives"] == pytest.approx((weights * said * y).sum())
    assert found["accuracy"] == pytest.approx((weights * right).sum() / weights.sum())
    assert found["mse"] == pytest.approx(((p - np.eye(2)[y]) ** 2).mean(), abs=1e-6)


@pytest.mark.parametrize("optimizer", ["auto", "sgd"])
def test_a_training_step_is_traced_once_as_it_is(make_model, monkeypatch, optimizer):
    """AutoGraph does not rewrite the encoder's code first, which would take as long again."""
    traced = []
    encode = forward.encode

    def seen(*given, **named):
        traced.append(tf.__internal__.autograph.control_status_ctx().status.name)
        return encode(*given, **named)

    monkeypatch.setattr(forward, "encode", seen)
    model = make_model()
    model.compile(optimizer)
    model.fit(["꿀잼", "노잼"], [1, 0], epochs=2, verbose=0)
    assert traced == ["DISABLED"]


def test_a_loss_of_ones_own_may_branch_on_tensors(make_model):
    def loss(y, p):
        if tf.reduce_sum(p) > 0:  # which AutoGraph makes a tf.cond
            p = p + 1.0
        return tf.reduce_mean(p, -1)

    model = make_model()
    model.compile(loss=loss)
    assert model.fit(["꿀잼", "노잼"], [1, 0], verbose=0).history["loss"] == [pytest.approx(1.5)]


def focal(y, p):
    """Written for labels [n, 1] and probabilities [n, classes], as Keras gives them."""
    chosen = tf.gather(p, tf.cast(tf.reshape(y, [-1, 1]), tf.int32), batch_dims=1)[:, 0]
    return -((1 - chosen) ** 2) * tf.math.log(chosen)


@pytest.mark.parametrize("jit", [False, True], ids=["", "xla"])
def test_a_loss_of_ones_own_sees_one_text_a_row(make_model, jit):
    """By hand, and as of a batch that was packed by nobody."""
    texts, labels, weights = MEASURED
    model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model.compile("sgd", loss=focal, jit_compile=jit)
    chosen = model.predict(texts)[np.arange(9), labels]
    expected = (weights * -((1 - chosen) ** 2) * np.log(chosen)).sum() / 9
    for batch_size in (4, None):
        found = model.evaluate(texts, labels, batch_size, verbose=0, sample_weight=weights)[0]
        assert found == pytest.approx(expected, rel=1e-5)
    padded = packing.padded(model.encode(texts), model.tokenizer.pad_id, 16)
    padded = {name: array[:9] for name, array in padded.items()}
    assert model.test_on_batch(padded, np.array(labels), weights)[0] == pytest.approx(expected, rel=1e-5)
    assert model.fit(texts, labels, verbose=0, sample_weight=weights).history["loss"] == [
        pytest.approx(expected, rel=1e-5)
    ]


def test_a_text_that_is_wholly_wrong_is_learned_from(make_model):
    """A probability that float32 rounds to 1 leaves a gradient: softmax less label."""
    model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model.classifier.set_weights([np.zeros([8, 2], np.float32), np.float32([0.0, 20.0])])
    model.compile(tf.keras.optimizers.SGD(1.0))
    assert model.fit(["꿀잼"] * 2, [0, 0], verbose=0).history["loss"] == [pytest.approx(20.0, rel=1e-5)]
    np.testing.assert_allclose(model.classifier.bias, [1.0, 19.0], rtol=1e-5)


def test_a_loop_of_ones_own_draws_a_mask_each_time(make_model):
    model = make_model(hidden_dropout_prob=0.5)
    model.compile()
    padded = packing.padded(model.encode(["이 영화 엄청 재미있네요"]), model.tokenizer.pad_id, 16)
    first, second = (model({name: tf.constant(array) for name, array in padded.items()}, training=True) for _ in "12")
    assert (first != second).numpy().any()


def test_a_fit_that_was_interrupted_leaves_no_validation_behind(make_model):
    class Stop(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    (texts, labels, _), model = MEASURED, make_model()
    model.compile(tf.keras.optimizers.SGD(0.0))
    said = model.predict(texts).argmax(1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(texts, labels, validation_data=(texts, said), callbacks=[Stop()], verbose=0)
    assert model.fit(texts, labels, validation_data=(texts, 1 - said), verbose=0).history["val_accuracy"] == [0.0]


def test_labels_in_the_forms_that_keras_takes(make_model):
    (texts, labels, _), model = MEASURED, make_model()
    model.compile()
    expected = model.evaluate(texts, labels, verbose=0)
    for form in (np.array(labels)[:, None], np.eye(2)[labels], np.eye(2, dtype=bool)[labels]):
        assert model.evaluate(texts, form, verbose=0) == expected
    for wrong in (np.full([9, 2], 0.5), np.zeros([9, 2]), np.eye(3)[labels]):
        with pytest.raises(UserError, match="labels: found shape"):
            model.evaluate(texts, wrong)


def test_a_global_policy_is_for_layers_of_ones_own(make_model):
    policy = tf.keras.mixed_precision
    policy.set_global_policy("mixed_bfloat16")
    try:
        model = make_model(precision="mixed_bfloat16")
        model.compile()
        assert model.fit(["꿀잼", "노잼"], [1, 0], verbose=0).history["loss"]
        assert policy.global_policy().name == "mixed_bfloat16"
    finally:
        policy.set_global_policy("float32")


def test_classes_and_reviews_are_weighed_in_training(make_model):
    """The first step of gradient descent on the head's bias: softmax less label, weighed, over the reviews."""
    (texts, labels, weights), classes = MEASURED, {0: 0.5, 1: 3.0}
    model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model.compile(tf.keras.optimizers.SGD(1.0))
    each, start = model.predict(texts) - np.eye(2)[labels], model.get_weights()
    of_class = np.where(np.array(labels) == 1, 3.0, 0.5)
    for arguments, expected in (
        ({}, np.ones(9)),
        ({"sample_weight": weights}, weights),
        ({"class_weight": classes}, of_class),
        ({"class_weight": classes, "sample_weight": weights}, of_class * weights),
    ):
        model.set_weights(start)
        model.fit(texts, labels, verbose=0, **arguments)
        np.testing.assert_allclose(
            model.classifier.bias, -(expected[:, None] * each).mean(0), atol=1e-5, err_msg=str(arguments)
        )
    history = model.fit(
        texts, labels, 3, verbose=0, validation_data=(texts, labels, weights), validation_batch_size=4
    ).history
    assert [history["val_loss"][0], history["val_accuracy"][0]] == model.evaluate(
        texts, labels, 4, verbose=0, sample_weight=weights
    )
    for wrong in ({1: 2.0}, {"pos": 1}, 3):
        with pytest.raises(UserError, match="class_weight: found"):
            model.fit(texts, labels, class_weight=wrong)
    for wrong in ([1.0], np.full(9, np.nan)):
        with pytest.raises(UserError, match="weights: found"):
            model.evaluate(texts, labels, sample_weight=wrong)


def test_generators(make_model):
    texts, labels, _ = MEASURED
    model = make_model()
    model.compile()
    expected = model.evaluate(texts, labels, verbose=0)
    assert model.evaluate((text for text in texts), labels, verbose=0) == expected
    assert model.evaluate(map(str, texts), labels, verbose=0) == expected
    model.fit(iter(texts), labels, verbose=0)
    encoded = model.encode(texts[:1])
    features = {"input_ids": encoded.ids[None], "attention_mask": np.ones_like(encoded.ids[None])}
    np.testing.assert_allclose(
        model.predict(iter([features]), verbose=0), model.predict(texts[0]), atol=1e-6
    )  # Keras' own batches


def test_one_text_from_several_threads(make_model):
    model, before = make_model(), sys.getswitchinterval()
    expected, results, errors = {text: make_model().predict(text) for text in TEXTS}, [], []

    def ask():
        try:
            results.extend((text, model.predict(text)) for text in TEXTS * 10)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not errors and len(results) == 240
    for text, result in results:
        np.testing.assert_allclose(result, expected[text], atol=1e-6)


def test_few_shapes_are_computed_whatever_the_texts(make_model, monkeypatch):
    """Each shape that is new leaves something in memory: a server that computed all that occur grew by 200 MB."""
    model, random, shapes = make_model(max_length=128, max_position_embeddings=128), np.random.default_rng(0), set()

    def record(inputs):
        shapes.add((len(inputs), *inputs["input_ids"].shape))
        rows, places = inputs.get("firsts", inputs["input_ids"]).shape
        return tf.zeros([rows, places, 2] if "firsts" in inputs else [rows, 2])

    for name in ("_forward", "_forward_one", "_probabilities"):
        monkeypatch.setattr(model, name, record)
    for texts in [*range(1, 65), *range(1, 9), *range(1, 9), *range(1, 9)] * 4:
        lengths = random.integers(2, random.integers(3, 129), texts)
        splits = np.concatenate([[0], np.cumsum(lengths)])
        encoded = tokenizers.Encoded(np.full(splits[-1], 5, np.int32), splits, np.zeros(texts, bool))
        assert model.predict_encoded(encoded).shape == (texts, 2)
    alone, packed = ({shape for shape in shapes if shape[0] == inputs} for inputs in (2, 4))
    assert 1 < len(alone) <= 31  # 1, 2, 4, 8 or 16 rows of a multiple of 8 places, of 128 places together
    assert 1 < len(packed) <= 24  # as many rows of 128 places as the budget has


def test_no_attribute_is_assigned_in_a_call(make_model, monkeypatch):
    """Keras deletes an attribute before it assigns it, and other threads may be reading."""
    model, assigned = make_model(), []
    assign = type(model).__setattr__
    monkeypatch.setattr(
        type(model), "__setattr__", lambda self, name, value: (assigned.append(name), assign(self, name, value))[1]
    )
    for form in (TEXTS[0], TEXTS[0], TEXTS, tuple(TEXTS), np.array(TEXTS), (text for text in TEXTS)):
        model.predict(form)
    assert assigned == []


def test_pickle_joblib_and_copies(make_model, tmp_path):
    joblib = pytest.importorskip("joblib")
    model = make_model(max_length=12, seed=3)
    model.compile()
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), joblib.load(tmp_path / "model.joblib")):
        assert other is not model and other.bert is not model.bert
        assert (other.max_length, other.seed, other.compute_dtype) == (12, 3, "float32")
        np.testing.assert_array_equal(other.predict(TEXTS), model.predict(TEXTS))
    assert pickle.loads(pickle.dumps(make_model(precision="mixed_bfloat16"))).compute_dtype == "bfloat16"


def test_saving_again_keeps_what_it_did_not_write(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model.save("~/model")
    (tmp_path / "model" / ".git").mkdir()
    for name in (".git/HEAD", "LICENSE"):
        (tmp_path / "model" / name).write_text("mine")
    (tmp_path / "link").symlink_to("model")
    model.save(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "model" / ".git" / "HEAD").read_text() == (tmp_path / "model" / "LICENSE").read_text() == "mine"
    np.testing.assert_allclose(nsmc_bert.load("~/link").predict(TEXTS), model.predict(TEXTS), atol=1e-7)


def test_a_lower_budget_gives_the_same_probabilities_in_more_batches(make_model, monkeypatch):
    model, computed = make_model(), []
    encoded, forward_ = model.encode((GOOD + BAD) * 40), model._forward
    monkeypatch.setattr(model, "_forward", lambda batch: computed.append(batch["input_ids"].shape) or forward_(batch))
    expected, at_once = model.predict_encoded(encoded), len(computed)
    model.predict_budget = 256
    told = []
    np.testing.assert_allclose(model.predict_encoded(encoded, on_batch=told.append), expected, atol=1e-6)
    assert len(told) > 1 and sum(told) == len(encoded)
    assert len(computed) - at_once > 3 * at_once and set(computed[at_once:]) == {(2, 128)}


def test_a_training_loop_of_ones_own(make_model):
    model = make_model(hidden_dropout_prob=0.5)
    encoded = model.encode(["꿀잼"])
    features = {"input_ids": encoded.ids[None], "attention_mask": np.ones_like(encoded.ids[None])}
    draws = [model(features, training=True).numpy() for _ in range(3)]
    assert (draws[0] != draws[1]).any() and (draws[1] != draws[2]).any()


def test_a_savedmodel_takes_what_was_learned_from_and_no_more(make_model, tmp_path):
    model = make_model()
    model.compile()
    features = packing.filled(model.encode(TEXTS[:2]), model.tokenizer.pad_id, 2, 8)
    model.fit(features, np.array([1, 0]), verbose=0)
    tf.saved_model.save(model, str(tmp_path / "ids"))
    (found,) = tf.saved_model.load(str(tmp_path / "ids")).signatures["serving_default"](**features).values()
    np.testing.assert_allclose(found, model.predict(TEXTS[:2]), atol=1e-6)
    model = make_model()
    model.compile()
    model.evaluate(TEXTS[:2], [1, 0], verbose=0)
    assert set(model.save_spec()[0][0]) == {"input_ids", "segments", "positions", "firsts"}


@pytest.mark.parametrize("labels", [None, [0], [0, 2], ["0", "1"]])
def test_labels_that_do_not_fit_are_refused(model, labels):
    model.compile()
    with pytest.raises(UserError, match="labels: found"):
        model.fit(["꿀잼", "노잼"], labels)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_gives_float32(make_model, precision):
    model = make_model(precision=precision, initializer_range=0.1)
    model.compile(tf.keras.optimizers.AdamW(0.01))
    history = model.fit(GOOD + BAD, [1] * 4 + [0] * 4, epochs=20, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(GOOD).dtype == np.float32
    assert all(weight.dtype == tf.float32 for weight in model.weights)


def test_xla_compiles_the_step(make_model):
    losses = []
    for jit in (False, True):
        # wide enough that without `jit_compile` pieces of the step would be compiled
        model = make_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, intermediate_size=256)
        model.compile(tf.keras.optimizers.SGD(0.1), jit_compile=jit)
        losses.append(model.fit(GOOD + BAD, [1] * 4 + [0] * 4, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_saved_and_loaded_it_says_the_same(model, tmp_path):
    model.save(tmp_path / "model", training={"note": "한국어"})
    loaded = nsmc_bert.load(tmp_path / "model")
    assert loaded.max_length == 16
    np.testing.assert_allclose(loaded.predict(TEXTS), model.predict(TEXTS), atol=1e-7)
    with pytest.raises(UserError, match="model"):
        model.save(tmp_path / "model")
    model.save(tmp_path / "model", overwrite=True)


def test_somebody_elses_head_is_read_the_right_way_round(model, tmp_path):
    """What transformers says of the class that is called positive is what `predict` says of positive."""
    model.save(tmp_path / "model")
    path, expected = tmp_path / "model" / "config.json", model.predict(TEXTS)
    values = json.loads(path.read_text())
    for names, positive_label in ((("긍정", "부정"), ()), (("노잼", "꿀잼"), "노잼")):
        path.write_text(json.dumps({**values, "id2label": dict(enumerate(names)), "label2id": None}))
        loaded = nsmc_bert.load(tmp_path / "model", positive_label=positive_label)
        np.testing.assert_allclose(loaded.predict(TEXTS), expected[:, ::-1], atol=1e-6)
    loaded.save(tmp_path / "saved")  # from then on the folder says so itself
    np.testing.assert_allclose(nsmc_bert.load(tmp_path / "saved").predict(TEXTS), expected[:, ::-1], atol=1e-6)
    path.write_text(json.dumps({**values, "id2label": {"0": "노잼", "1": "꿀잼"}}))
    with pytest.raises(UserError, match="labels 노잼 and 꿀잼, expected names such as negative and positive"):
        nsmc_bert.load(tmp_path / "model")
    path.write_text(json.dumps({**values, "architectures": ["BertForTokenClassification"]}))
    with pytest.raises(UserError, match="the head of BertForTokenClassification"):
        nsmc_bert.load(tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["classifier.weight"], weights["classifier.bias"] = np.zeros((3, 8), np.float32), np.zeros(3, np.float32)
    save_file(weights, tmp_path / "model" / "model.safetensors")
    with pytest.raises(UserError, match="without a two-class classifier, but one of 3"):
        nsmc_bert.load(tmp_path / "model")


def test_calibrated_it_says_so_wherever_it_is_opened(model, tmp_path, make_model):
    texts = ["이 영화 엄청 재미있네요", "노잼", "다시는 안 본다"]
    before, changed = model.predict(texts), make_model(num_hidden_layers=2)
    changed.calibrate(calibration.Calibration(2.0, -0.3, 1000, 0.5, 0.4))
    positive = 1 / (1 + np.exp(-(logit(before) / 2 - 0.3)))
    expected = np.stack([1 - positive, positive], 1)
    np.testing.assert_allclose(changed.predict(texts), expected, atol=1e-6)
    changed.save(tmp_path / "saved")
    np.testing.assert_allclose(nsmc_bert.load(tmp_path / "saved").predict(texts), expected, atol=1e-6)


def test_saved_in_float16_it_takes_half_and_is_loaded_in_float32(model, tmp_path):
    texts = ["이 영화 엄청 재미있네요", "노잼", "다시는 안 본다"]
    for dtype in ("float32", "float16"):
        model.save(tmp_path / dtype, dtype=dtype)
    tensors = {dtype: load_file(tmp_path / dtype / "model.safetensors") for dtype in ("float32", "float16")}
    for name, expected in tensors["float32"].items():
        assert tensors["float16"][name].dtype == np.float16
        np.testing.assert_array_equal(tensors["float16"][name], expected.astype(np.float16))
    loaded = nsmc_bert.load(tmp_path / "float16")
    assert {variable.dtype.name for variable in loaded.variables} == {"float32"}
    np.testing.assert_allclose(loaded.predict(texts), model.predict(texts), atol=2e-3)


def test_max_length_has_to_fit_the_encoder(make_model):
    with pytest.raises(UserError, match="found 33, expected 3 to 32"):
        make_model(max_length=33)


@pytest.mark.parametrize("positions", [37, 300, 700])
def test_an_encoder_may_know_any_number_of_positions(make_bert, tiny_tokenizer, tmp_path, positions):
    """KcBERT's 300 among them: a text of the full length gets the answer of transformers' own model, alone and beside
    others.
    """
    bert = make_bert(initializer_range=0.5, max_position_embeddings=positions)
    model = nsmc_bert.SentimentClassifier(bert, tiny_tokenizer, max_length=positions)
    texts = ["영화 " * (positions - 3) + "꿀잼", "노잼", "최고 " * (positions - 11)]
    encoded = model.encode(texts)
    assert encoded.lengths.tolist() == [positions, 3, positions - 9] and not encoded.truncated.any()
    expected = []
    for first, last in zip(encoded.row_splits, encoded.row_splits[1:]):
        ids = encoded.ids[None, first:last]
        logits = model.classifier(bert(input_ids=ids, attention_mask=np.ones_like(ids)).pooler_output).numpy()
        expected.append(np.exp(logits[0]) / np.exp(logits[0]).sum())
    np.testing.assert_allclose(model.predict(texts), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict(texts[0]), expected[:1], atol=1e-5)
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer_config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "model_max_length": int(1e30)})
    )  # transformers' no limit
    assert nsmc_bert.load(tmp_path / "model").max_length == positions


def test_the_tokenizer_has_to_fit_the_encoder(make_model):
    with pytest.raises(UserError, match="24 pieces.*vocab_size of 20"):
        make_model(vocab_size=20)


THREE, STARS = ("불만", "문의", "칭찬"), ratings([1, 2, 3, 4])


def test_three_classes_learn_and_are_kept(make_model, tmp_path):
    texts, labels = GOOD + BAD + ["영화", "이 영화", "영화 .", "이"], [2] * 4 + [0] * 4 + [1] * 4
    model = make_model(labels=THREE, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    assert model.labels == THREE and isinstance(model.labels, tuple)
    model.compile(tf.keras.optimizers.AdamW(0.02), metrics=["accuracy", tf.keras.metrics.F1Score(name="f1")])
    model.fit(texts, labels, epochs=30, verbose=0, class_weight={0: 1.0, 1: 2.0, 2: 1.0})
    loss, accuracy, f1 = model.evaluate(texts, labels, 4, verbose=0)
    probabilities = model.predict(texts)
    assert (probabilities.shape, probabilities.dtype) == ((12, 3), np.float32)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(12), labels]).mean(), abs=1e-5)
    report = metrics.report(probabilities, labels, classes=model.classes)
    assert (accuracy, *f1) == pytest.approx((report["accuracy"], *report["f1"].values())) and accuracy > 0.8
    np.testing.assert_allclose(
        np.concatenate([model.predict(text) for text in texts[:3]]), probabilities[:3], atol=1e-6
    )
    model.save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == dict(zip("012", THREE)) and config["label2id"] == dict(zip(THREE, range(3)))
    for other in (nsmc_bert.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert other.labels == THREE and not other.classes.is_ordered
        np.testing.assert_allclose(other.predict(texts), probabilities, atol=1e-6)
    with pytest.raises(UserError, match="expected one of 0 to 2 for each of 2 texts"):
        model.fit(["꿀잼", "노잼"], [0, 3])
    with pytest.raises(UserError, match="class_weight: found {0: 1.0}, expected {0: weight, 1: weight, 2: weight}"):
        model.fit(texts, labels, class_weight={0: 1.0})
    with pytest.raises(UserError, match="found a head of 3 classes, expected one of two beside --positive_label"):
        nsmc_bert.load(tmp_path / "model", positive_label="칭찬")


def test_ratings_are_learned_by_their_order_and_kept(make_model, tmp_path):
    texts, labels = GOOD + BAD, [3, 3, 2, 2, 0, 0, 1, 1]
    model = make_model(labels=STARS, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model.compile(tf.keras.optimizers.SGD(0.0))
    p = model.predict(texts)
    distance = ((p.cumsum(1) - (np.array(labels)[:, None] <= np.arange(4))) ** 2)[:, :3].mean(1)
    expected = (ordinal.WEIGHT * distance - np.log(p[np.arange(8), labels])).mean()
    assert model.fit(texts, labels, 3, verbose=0).history["loss"][0] == pytest.approx(expected, abs=0.3)
    assert model.evaluate(texts, labels, 3, verbose=0)[0] == pytest.approx(expected, abs=1e-5)
    model.calibrate(calibration.Calibration(2.0, (0.3, -0.1, 0.0, -0.2), 1000, 0.5, 0.4))
    logits = np.log(p) / 2 + [0.3, -0.1, 0.0, -0.2]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict(texts), p, atol=1e-6)
    model.save(tmp_path / "model")
    loaded = nsmc_bert.load(tmp_path / "model")
    assert loaded.classes == STARS and checkpoints.read_classes(tmp_path / "model") == STARS
    np.testing.assert_allclose(loaded.predict(texts), p, atol=1e-6)
    plain = nsmc_bert.SentimentClassifier(loaded.bert, loaded.tokenizer, labels=THREE, max_length=16)
    plain.save(tmp_path / "plain")  # a head of other classes on an encoder that has rated
    assert not nsmc_bert.load(tmp_path / "plain").classes.is_ordered


def test_somebody_elses_head_of_more_classes(make_model, tmp_path):
    model = make_model(labels=THREE)
    model.save(tmp_path / "model")
    path, expected = tmp_path / "model" / "config.json", model.predict(TEXTS)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "id2label": None, "label2id": {"b": 1, "c": 2, "a": 0}}))
    loaded = nsmc_bert.load(tmp_path / "model")
    assert loaded.labels == ("a", "b", "c")
    np.testing.assert_allclose(loaded.predict(TEXTS), expected, atol=1e-6)
    assert checkpoints.read_classes(tmp_path / "model").names == ("a", "b", "c")
    path.write_text(json.dumps({**values, "id2label": None, "label2id": None, "num_labels": 3}))
    for names in (nsmc_bert.load(tmp_path / "model").labels, checkpoints.read_classes(tmp_path / "model").names):
        assert names == ("LABEL_0", "LABEL_1", "LABEL_2")
    path.write_text(json.dumps({**values, "id2label": dict(enumerate("abcd")), "label2id": None}))
    with pytest.raises(UserError, match="without a classifier of 4 classes, but one of 3"):
        nsmc_bert.load(tmp_path / "model")
