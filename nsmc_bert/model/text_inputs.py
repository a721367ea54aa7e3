"""What a classifier's `fit`, `evaluate` and `predict` take: text, labels and weights in any form people have them."""

from __future__ import annotations

import collections.abc
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base.errors import UserError, shorten


def is_text(x: Any) -> bool:
    """Whether x is text in one of the forms that `predict` takes."""
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
        return getattr(spec, "dtype", None) == tf.string
    if isinstance(x, (dict, keras.utils.Sequence, tf.distribute.DistributedDataset)):
        return False
    dtype = getattr(x, "dtype", None)
    if isinstance(dtype, tf.DType):
        return dtype == tf.string
    return dtype is None or getattr(dtype, "kind", "O") in "OUST" or not len(x)


def peek(x: Any, labelled: bool) -> tuple[Any, bool]:
    """x, and whether it is text. An iterator is text if its first element is, or if there are labels beside it."""
    if x is None or isinstance(x, tf.data.Iterator) or not isinstance(x, collections.abc.Iterator):
        return x, x is not None and is_text(x)
    if labelled:
        return x, True
    first = list(itertools.islice(x, 1))
    return itertools.chain(first, x), not first or isinstance(first[0], (str, bytes))


def check_callbacks(callbacks: Any) -> None:
    """Raises UserError where Keras would fail within: what is imported from `keras` or `tensorflow.keras` may be Keras
    3's, whose callbacks lack methods of Keras 2's.
    """
    for callback in tf.nest.flatten(callbacks) if callbacks else ():
        if isinstance(callback, keras.callbacks.CallbackList) or hasattr(callback, "_implements_train_batch_hooks"):
            continue
        kind, found, expected = type(callback), shorten(callback), "Callback or a subclass"
        if any(base.__module__.split(".")[0] == "keras" for base in kind.__mro__):
            own = kind.__module__.split(".")[0] != "keras"
            found = f"{kind.__module__ if own else 'keras.callbacks'}.{kind.__name__} of Keras 3"
            expected = expected if own else kind.__name__
        raise UserError(f"callbacks: found {found}, expected tf.keras.callbacks.{expected}")


def refuse(options: Mapping[str, Any], *names: str) -> None:
    """Raises UserError where one of these options of Keras' is given, which text cannot follow."""
    for name in names:
        if options.get(name) is not None:
            raise UserError(f"{name}: not for text, of which each pass reads all; leave it out")


def texts_of(x: Any) -> list[str]:
    """A list of str from any of the forms of text.

    Raises:
        UserError: something is no string, or bytes that are no UTF-8; see SentimentClassifier.predict.
    """
    if isinstance(x, (str, bytes)) or x is None:
        x = [x]
    elif isinstance(x, collections.abc.Iterator):
        x = list(x)
    elif isinstance(x, tf.data.Dataset):
        elements = (element[0] if isinstance(element, tuple) else element for element in x.as_numpy_iterator())
        x = [text for element in elements for text in np.ravel(element)]
    elif not isinstance(x, (list, tuple)):
        x = np.asarray(x, object)
        if x.ndim > 1:
            raise UserError(f"text: found an array of shape {x.shape}, expected one dimension")
        x = np.atleast_1d(x).tolist()
    texts = list(x)
    for i, text in enumerate(texts):
        if isinstance(text, bytes):
            try:
                text = texts[i] = text.decode("utf-8")
            except UnicodeDecodeError:
                raise UserError(
                    f"text {i}: found bytes that are no UTF-8, {shorten(bytes(text))}, expected UTF-8; decode them "
                    "first: text.decode('cp949')"
                ) from None
        if not isinstance(text, str):
            advice = "of a pandas Series dropna() leaves missing values out, fillna('') keeps them"
            raise UserError(f"text {i}: found {shorten(text)}, expected a string; {advice}")
    return texts


def learnable(x: Any, y: Any, weights: Any, *, classes: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """What is to be learned or measured, from the forms that SentimentClassifier.fit takes.

    Args:
        x, y, weights: text, labels and what each text counts; or a tf.data.Dataset of two of them or three as x.
        classes: how many there are.

    Returns:
        Texts, a list of str; labels, int32 [n]; weights, float32 [n].

    Raises:
        UserError: they are none of these forms, or do not fit each other.
    """
    if isinstance(x, tf.data.Dataset):
        if (
            y is not None
            or weights is not None
            or not isinstance(x.element_spec, tuple)
            or len(x.element_spec) not in (2, 3)
        ):
            raise UserError(
                "a dataset of text to learn from: expected elements (text, label), or (text, label, weight), and no y "
                "beside it"
            )
        if x.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise UserError(
                "a dataset of text to learn from: found one without end, expected it without repeat(); `epochs` says "
                "how often"
            )
        columns = list(zip(*x.as_numpy_iterator())) or [()] * len(x.element_spec)
        x, y, *further = ([each for part in column for each in np.ravel(part)] for column in columns)
        weights = further[0] if further else None
        if x and len(y) % len(x) == 0:  # one-hot labels, batched or not
            y = np.reshape(y, [len(x), -1])
    texts = texts_of(x)
    if not texts:
        raise UserError("found no text to learn from or to measure on, expected at least one")
    labels = np.asarray(y if y is not None else ())
    if labels.shape == (len(texts), classes) and (np.sort(labels, 1) == [*[0] * (classes - 1), 1]).all():
        labels = labels.argmax(1)
    if labels.shape == (len(texts), 1):
        labels = labels[:, 0]
    if labels.shape != (len(texts),) or not np.isin(labels, range(classes)).all():
        raise UserError(
            f"labels: found shape {labels.shape}, values {shorten(np.unique(labels)[:5].tolist())}; expected "
            f"one {'0 or 1' if classes == 2 else f'of 0 to {classes - 1}'} for each of {len(texts)} texts"
        )
    weights = np.ones(len(texts), np.float32) if weights is None else np.asarray(weights, np.float32)
    if weights.shape != labels.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise UserError(
            f"weights: found shape {weights.shape}; expected a number from 0 for each of {len(texts)} texts"
        )
    return texts, labels.astype(np.int32), weights


def training_part(texts: int, validation_split: float) -> int:
    """How many texts, from the first, are learned from; the others are held out.

    Raises:
        UserError: a split that leaves none for one of the two.
    """
    if 0 < validation_split < 1 and 0 < (train := round(texts * (1 - validation_split))) < texts:
        return train
    raise UserError(
        f"validation_split: found {validation_split} of {texts} texts, expected a share from 0 to below 1 that leaves "
        "some to learn from and some to validate on"
    )


def weights_of_classes(class_weight: Mapping[int, float], classes: int) -> np.ndarray:
    """float32 [classes], the weight of each.

    Raises:
        UserError: a class has none.
    """
    try:
        return np.array([class_weight[label] for label in range(classes)], np.float32)
    except (KeyError, IndexError, TypeError, ValueError):
        wanted = ", ".join(f"{label}: weight" for label in range(classes))
        raise UserError(f"class_weight: found {shorten(class_weight)}, expected {{{wanted}}}") from None
