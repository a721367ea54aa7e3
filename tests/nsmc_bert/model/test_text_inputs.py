"""nsmc_bert.model.text_inputs: every form of text, labels and weights is the same lists; what is none is named."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import text_inputs

TEXTS, LABELS, WEIGHTS = ["꿀잼", "노잼", "다시는 안 본다"], [1, 0, 0], np.float32([1, 0.5, 2])
ONE_HOT = np.eye(2, dtype=np.float32)[LABELS]
slices = tf.data.Dataset.from_tensor_slices


@pytest.mark.parametrize(
    "given",
    [
        (TEXTS, LABELS, WEIGHTS),
        (iter(TEXTS), tuple(LABELS), list(WEIGHTS)),
        (np.array([text.encode() for text in TEXTS]), np.array(LABELS, float), WEIGHTS),
        (pd.Series(TEXTS, index=[5, 3, 1]), pd.Series(LABELS), pd.Series(WEIGHTS)),
        (tf.constant(TEXTS), tf.constant(LABELS), tf.constant(WEIGHTS)),
        (TEXTS, np.array(LABELS)[:, None], WEIGHTS),
        (TEXTS, ONE_HOT, WEIGHTS),
        (slices((TEXTS, LABELS, WEIGHTS)), None, None),
        (slices((TEXTS, LABELS, WEIGHTS)).batch(2), None, None),
        (slices((TEXTS, ONE_HOT, WEIGHTS)), None, None),
        (slices((TEXTS, ONE_HOT, WEIGHTS)).batch(2), None, None),
    ],
)
def test_every_form_of_what_is_learned_is_the_same(given):
    texts, labels, weights = text_inputs.learnable(*given, classes=2)
    assert (texts, labels.tolist(), labels.dtype) == (TEXTS, LABELS, np.int32)
    np.testing.assert_array_equal(weights, WEIGHTS)


def test_without_weights_all_count_the_same():
    for given in ((TEXTS, LABELS), (slices((TEXTS, LABELS)), None)):
        np.testing.assert_array_equal(text_inputs.learnable(*given, None, classes=2)[2], [1, 1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((TEXTS, [0, 1]), r"labels: found shape \(2,\), values \[0, 1\]; expected one 0 or 1 for each of 3 texts"),
        ((TEXTS, [0, 1, 2]), "expected one 0 or 1"),
        ((TEXTS, np.full([3, 2], 0.5)), r"labels: found shape \(3, 2\)"),
        ((TEXTS, LABELS, [1, -1, 1]), "weights: found shape .* a number from 0 for each of 3 texts"),
        ((slices(TEXTS), None), r"expected elements \(text, label\)"),
        ((slices((TEXTS, LABELS)).repeat(), None), "without end"),
        (([], []), "found no text to learn from"),
        ((["꿀잼", None], [0, 1]), "text 1: found None, expected a string"),
    ],
)
def test_what_cannot_be_learned_is_named(given, message):
    with pytest.raises(UserError, match=message):
        text_inputs.learnable(*given, *[None] * (3 - len(given)), classes=2)


def test_what_devices_share_is_no_text():
    """As fit's own validation is, which Keras hands to evaluate."""
    batches = slices(["꿀잼"]).batch(1)
    shared = tf.distribute.MirroredStrategy(["/cpu:0"]).experimental_distribute_dataset(batches)
    assert text_inputs.peek(batches, True)[1] and not text_inputs.peek(shared, False)[1]


def test_looking_at_an_iterator_takes_nothing_from_it():
    for values, is_text in ((TEXTS, True), ([{"input_ids": 1}], False), ([], True)):
        given, found = text_inputs.peek(iter(values), labelled=False)
        assert (list(given), found) == (values, is_text)


def test_callbacks_of_another_keras_are_told():
    early = type("EarlyStopping", (), {"__module__": "keras.src.callbacks.early_stopping"})
    own = type("Mine", (early,), {"__module__": "mine"})
    expected = "callbacks: found keras.callbacks.EarlyStopping of Keras 3, expected tf.keras.callbacks.EarlyStopping$"
    for callbacks in (early(), [early()], [[tf.keras.callbacks.History(), early()]]):
        with pytest.raises(UserError, match=expected):
            text_inputs.check_callbacks(callbacks)
    with pytest.raises(UserError, match="found mine.Mine of Keras 3, expected tf.keras.callbacks.Callback or a sub"):
        text_inputs.check_callbacks([own()])
    with pytest.raises(UserError, match="found 5, expected tf.keras.callbacks.Callback or a subclass"):
        text_inputs.check_callbacks([5])
    alike = SimpleNamespace(_implements_train_batch_hooks=lambda: False)
    for callbacks in (None, [], tf.keras.callbacks.History(), tf.keras.callbacks.CallbackList(), [alike]):
        text_inputs.check_callbacks(callbacks)


def test_splits_and_weights_by_hand():
    assert text_inputs.training_part(10, 0.25) == 8
    for split in (0.0, 1.0, -0.5, 0.001):
        with pytest.raises(UserError, match=f"validation_split: found {split} of 10 texts"):
            text_inputs.training_part(10, split)
    np.testing.assert_array_equal(text_inputs.weights_of_classes({1: 3, 0: 0.5}, 2), [0.5, 3])
    with pytest.raises(UserError, match=r"class_weight: found {0: 1}, expected {0: weight, 1: weight}"):
        text_inputs.weights_of_classes({0: 1}, 2)
