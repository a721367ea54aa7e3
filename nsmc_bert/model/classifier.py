"""SentimentClassifier: an encoder with a classification head, as a tf.keras.Model that takes text."""

from __future__ import annotations

import collections.abc
import functools
import math
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import ArrayLike

from nsmc_bert import bundled
from nsmc_bert.base import runtime
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.watchdog import alive
from nsmc_bert.model import (
    calibration,
    checkpoints,
    explanation,
    families,
    forward,
    heads,
    keras_metrics,
    metrics,
    ordinal,
    packing,
    text_inputs,
    tokenizers,
)
from nsmc_bert.model.optimizers import adamw
from nsmc_bert.model.packed_model import PackedModel

if TYPE_CHECKING:
    from nsmc_bert.model.families.network import Encoder

if not issubclass(keras.Model, tf.keras.Model):
    raise ImportError(
        "tf.keras is Keras 3, on which TFBertModel cannot run; import nsmc_bert before anything that touches tf.keras; "
        "restart Python, in a notebook its kernel, and import nsmc_bert first"
    )

FEW = packing.LENGTH  # tokens, padding included, of texts that are not packed


class SentimentClassifier(PackedModel):
    """Classifies Korean reviews as negative or positive, or by any other classes: an encoder, its pooler, dropout, a
    dense layer, softmax.

    A Keras model in every respect, but that `fit`, `evaluate`, `predict` and `train_on_batch` with its kin also take
    text: a list, tuple, NumPy array or pandas Series of strings, a generator or a tf.data.Dataset of them. `predict`
    takes a bare string too, from any number of threads. Whatever the form, the same text gives the same probabilities
    (in float32 to 1e-6). Pickled, copied or kept by joblib, it has its weights, tokenizer and settings, and is not
    compiled.

    Args:
        bert: a built TFBertModel, or for another family than BERT's a Network, as `checkpoints.load_encoder` gives it.
        tokenizer: the tokenizers.Tokenizer whose ids the encoder knows.
        labels: what the classes are called, in their order; or a Classes, of ratings for one. Two are negative and
            positive.
        max_length: positions a text may take, [CLS] and [SEP] included; what goes beyond is not read.
        seed: decides the head's first weights and the dropout of every training step.
        precision: the Keras policy of the matrix products: float32, mixed_bfloat16 or mixed_float16. Probabilities are
            float32 in any case.
        fused: whether XLA compiles the pieces of a training step between the matrix products; None: if one CPU trains
            and the encoder is not tiny.

    Call:
        {"input_ids": int32 [batch, positions], "attention_mask": [batch, positions]} -> float32 [batch, classes]; or
        rows packed with several texts each, as packing.dataset has them -> float32 [rows, slots, classes].

    Example:
        >>> import nsmc_bert
        >>> model = nsmc_bert.load()
        >>> model.predict(["이 영화 엄청 재미있네요", "돈이 아깝다"]).round(2)
        array([[0.06, 0.94],
               [0.99, 0.01]], dtype=float32)
        >>> model.compile()
        >>> model.fit(["꿀잼", "노잼"], [1, 0], epochs=3)                           # doctest: +SKIP
    """

    def __init__(
        self,
        bert: Encoder,
        tokenizer: tokenizers.Tokenizer,
        *,
        labels: Sequence[str] | Classes = SENTIMENT,
        max_length: int = 128,
        seed: int = 0,
        precision: str = "float32",
        fused: bool | None = None,
    ) -> None:
        runtime.check_process()
        super().__init__("sentiment_classifier", precision)
        self.classes = labels if isinstance(labels, Classes) else Classes(tuple(labels))
        # === Layers ===
        self.bert = bert
        self.classifier = keras.layers.Dense(
            len(self.classes),
            dtype="float32",
            name="classifier",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=bert.config.initializer_range, seed=seed),
        )
        self.classifier.build((None, bert.config.hidden_size))
        self.built = True  # every variable exists: nothing waits for a first batch
        # === Config ===
        positions = families.of(bert.config).positions(bert.config)
        if not 3 <= max_length <= positions:
            raise UserError(
                f"max_length: found {max_length}, expected 3 to {positions}, the positions that the encoder knows"
            )
        families.check_tokenizer(bert.config, tokenizer.vocab_size, tokenizer.pad_id)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._seed, self._dropout_seed = seed, _NoWeight(tf.Variable(seed, trainable=False, dtype=tf.int64))
        self.fused = fused
        self._passes = 0  # that `fit` has made
        self._weighs_metrics = True
        # === Compiled once, for every shape; for the first text, not at all ===
        ids = tf.TensorSpec([None, None], tf.int32)
        names = ("input_ids", "segments", "positions", "firsts")
        # of each model a function of its own: several models of one method TensorFlow takes for one that it traces anew
        forward, forward_one = functools.partial(self._probabilities), functools.partial(self._probabilities)
        self._forward = tf.function(forward, input_signature=[dict.fromkeys(names, ids)], autograph=False)
        self._forward_one = tf.function(
            forward_one, input_signature=[dict.fromkeys(("input_ids", "attention_mask"), ids)], autograph=False
        )
        self._slopes = tf.function(
            functools.partial(explanation.slopes, self),
            input_signature=[
                tf.TensorSpec([2, None], tf.int32),
                tf.TensorSpec([None], tf.bool),
                tf.TensorSpec([None], tf.float32),
            ],
            autograph=False,
        )
        # to assign an attribute is to delete it first, and other threads may be reading
        self._began, self._explained = threading.Event(), threading.Event()

    @property
    def seed(self) -> int:
        """Of dropout and of the order of reviews. What was compiled with one seed is there for another, too."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seed
        self._dropout_seed.variable.assign(seed)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of `predict`'s columns."""
        return self.classes.names

    def __call__(self, inputs: Mapping[str, tf.Tensor], *others: Any, **options: Any) -> tf.Tensor:
        if not isinstance(inputs, collections.abc.Mapping):  # in `call`, Keras would wrap the error into its own
            raise UserError(
                f'found {shorten(inputs)}, expected token ids, {{"input_ids": …, "attention_mask": …}}; for text: '
                "model.predict(texts)"
            )
        return super().__call__(inputs, *others, **options)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return self._probabilities(inputs, training)

    def _set_save_spec(self, inputs: Mapping[str, tf.Tensor], *others: Any, **options: Any) -> None:
        """Keras' own, of what a SavedModel takes: that without what a batch has for training and figures alone."""
        inputs = {name: value for name, value in inputs.items() if name not in ("step", "scale")}
        super()._set_save_spec(inputs, *others, **options)

    @tf.autograph.experimental.do_not_convert  # its ifs are Python's; rewriting them is half of what tracing takes
    def _probabilities(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        dropout = None
        if training:
            # a training loop of the user's own, which gives no step, draws its masks from TensorFlow's seed
            step = inputs["step"] if "step" in inputs else tf.random.uniform([], maxval=2**31, dtype=tf.int64)
            dropout = forward.Dropout(self._dropout_seed.variable, step)
        ids, packed = inputs["input_ids"], "segments" in inputs
        firsts = inputs["firsts"] if packed else tf.zeros([tf.shape(ids)[0], 1], tf.int32)
        hidden_states = forward.encode(
            self.bert,
            ids,
            inputs["segments"] if packed else inputs["attention_mask"],
            positions=inputs["positions"] if packed else None,
            read=firsts,
            compute_dtype=self.compute_dtype,
            dropout=dropout,
            fused=False if self._jit_compile else self.fused,  # XLA has the whole step then
        )
        pooled = forward.pool(self.bert, tf.reshape(hidden_states, [-1, 1, self.bert.config.hidden_size]), dropout)
        if dropout is not None:
            pooled = dropout(pooled, forward.classifier_dropout(self.bert.config))
        logits = self.classifier(pooled)
        if packed:
            logits = tf.reshape(logits, [-1, firsts.shape[1] or tf.shape(firsts)[1], len(self.classes)])
        return tf.nn.softmax(logits)

    def compile(
        self,
        optimizer: Any = "auto",
        loss: Any = "auto",
        metrics: Any = None,
        *,
        weighted_metrics: Any = None,
        **options: Any,
    ) -> None:
        """Keras' compile with this task's defaults: AdamW at 5e-5 as `optimizers.adamw` makes it, cross-entropy, of
        ratings ordinal.Loss, and, unless metrics are named, accuracy.

        Any metric of Keras' that holds labels against predictions, and any loss, takes the labels as they are, numbers
        of classes: metrics of two classes (AUC, Precision, Recall, …) are of positive, and what expects one-hot labels
        has them.

        Raises:
            UserError: a loss of one's own, or with `jit_compile` or several devices a metric, that would count what is
                empty in packed batches.
        """
        if optimizer == "auto":
            optimizer = adamw(5e-5)
        if loss == "auto":
            loss = ordinal.Loss() if self.classes.is_ordered else keras.losses.SparseCategoricalCrossentropy()
        if metrics is None and weighted_metrics is None:
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        self._weighs_metrics = all(
            keras_metrics.weighable(each, len(self.classes)) for each in (metrics, weighted_metrics)
        )
        adapted = functools.partial(
            keras_metrics.adapted,
            classes=len(self.classes),
            compiled=bool(options.get("jit_compile")) or self._is_on_tpus,
            replicas=self.distribute_strategy.num_replicas_in_sync,
        )
        super().compile(
            optimizer=optimizer,
            loss=keras_metrics.adapted_loss(loss, len(self.classes)),
            metrics=adapted(metrics),
            weighted_metrics=adapted(weighted_metrics or []),
            **options,
        )

    @property
    def _is_on_tpus(self) -> bool:
        return isinstance(self.distribute_strategy, tf.distribute.TPUStrategy)

    @property
    def _is_compiled_whole(self) -> bool:
        """Whether XLA, which knows fixed shapes, compiles the whole step."""
        return bool(self._jit_compile) or self._is_on_tpus

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(x, collections.abc.Mapping):  # dropout is a function of the seed and the step
            x = {**x, "step": tf.convert_to_tensor(self.optimizer.iterations)}
        return super().train_step((x, y, sample_weight))

    def compute_loss(
        self, x: Any = None, y: tf.Tensor = None, y_pred: tf.Tensor = None, sample_weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        if _is_packed(x):
            y, y_pred, sample_weight = _one_a_row(y, y_pred, sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(
        self, x: Any, y: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        if _is_packed(x):
            real = tf.reshape(tf.sequence_mask(tf.reduce_max(x["segments"], 1), y_pred.shape[1]), [-1])
            y, y_pred, sample_weight = _one_a_row(y, y_pred, sample_weight)
            sample_weight = None if sample_weight is None else sample_weight / x["scale"]
            if self._weighs_metrics:  # they are told which are none
                y_pred._keras_mask = tf.cast(real, tf.float32)
            else:
                y, y_pred = tf.boolean_mask(y, real), tf.boolean_mask(y_pred, real)
                sample_weight = None if sample_weight is None else tf.boolean_mask(sample_weight, real)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def fit(
        self,
        x: Any = None,
        y: ArrayLike | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Keras' fit, which also takes text and its labels.

        Args:
            x: text in any of the forms of `predict`, with `y`; or a tf.data.Dataset of (text, label) or (text, label,
                weight), which is read once, its own batches and order notwithstanding; or what Keras takes.
            y: int [n] or [n, 1], numbers of classes: of two 0 negative and 1 positive; or one-hot [n, classes].
            batch_size: reviews a batch; None fills batches up to a token budget, which is faster: that of the train
                command, which on small data is lowered, down to 256, to make 40 steps a pass.
            epochs: passes over the data.
            verbose, callbacks: as in Keras.
            validation_split: the share of the reviews, taken from the end, that is held out for validation.
            validation_data: (texts, labels), (texts, labels, weights), a dataset of either, or what Keras takes.
            shuffle: each pass, of this call and of those before, in an order of its own, which the model's seed
                decides; with `initial_epoch` those from that one on; False: in one order.
            class_weight: {0: weight, 1: weight, …}, what a review of each label counts in training.
            sample_weight: float [n], what each review counts.
            **options: as in Keras.

        Returns:
            The keras.callbacks.History.

        Raises:
            UserError: the data are none of that, or a callback is another Keras' than tf.keras.
        """
        text_inputs.check_callbacks(callbacks)
        options.update(verbose=verbose, callbacks=callbacks)
        self._eval_data_handler = None  # of a `fit` that was interrupted, on whose data Keras would validate this one
        x, is_text = text_inputs.peek(x, y is not None)
        if not is_text:
            return super().fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle,
                class_weight=class_weight,
                sample_weight=sample_weight,
                **options,
            )
        text_inputs.refuse(options, "steps_per_epoch", "validation_steps")
        texts, labels, weights = self._learnable(x, y, sample_weight)
        if validation_split:
            train = text_inputs.training_part(len(texts), validation_split)
            validation_data = texts[train:], labels[train:], weights[train:]
            texts, labels, weights = texts[:train], labels[:train], weights[:train]
        if class_weight is not None:
            weights = weights * text_inputs.weights_of_classes(class_weight, len(self.classes))[labels]
        encoded, seed, epoch = self.encode(texts), self.seed if shuffle else None, options.get("initial_epoch", 0)
        # the passes that one call after the other makes have orders of their own, as those of one call have
        first = epoch if "initial_epoch" in options else self._passes
        budget = packing.training_budget(int(encoded.lengths.sum()))

        @functools.lru_cache(1)
        def plan(number: int) -> packing.Plan:
            return self.plan(encoded, batch_size, token_budget=budget, seed=seed, epoch=number)

        begun, numbers = plan(first), range(first, first + max(epochs - epoch, 1))
        rows = begun.rows if batch_size is None else None
        if rows is None and self._is_compiled_whole:  # for one shape, that of the pass that has most
            rows = max(plan(number).rows for number in numbers)
        held_out = validation_data if isinstance(validation_data, (tuple, list)) else (validation_data,)
        if validation_data is not None and text_inputs.is_text(held_out[0]):
            validation_size = options.pop("validation_batch_size", None) or batch_size
            validation_data, options["validation_steps"] = self._measurable(
                *self._learnable(*held_out), validation_size
            )
        batches = packing.shared(
            self.distribute_strategy,
            encoded,
            plan,
            numbers=numbers,
            pad_id=self.tokenizer.pad_id,
            labels=labels,
            weights=weights,
            rows=rows,
        )
        history = super().fit(
            batches, epochs=epochs, steps_per_epoch=len(begun), validation_data=validation_data, **options
        )
        self._passes = first + len(history.epoch)
        return history

    def evaluate(
        self,
        x: Any = None,
        y: ArrayLike | None = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: ArrayLike | None = None,
        **options: Any,
    ) -> float | list[float] | dict[str, float]:
        """Keras' evaluate, which also takes text and its labels, as `fit` does."""
        options["verbose"] = verbose
        x, is_text = text_inputs.peek(x, y is not None)
        if not is_text:
            return super().evaluate(x, y, batch_size=batch_size, sample_weight=sample_weight, **options)
        text_inputs.refuse(options, "steps")
        batches, steps = self._measurable(*self._learnable(x, y, sample_weight), batch_size)
        return super().evaluate(batches, steps=steps, **options)

    def train_on_batch(
        self, x: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, *others: Any, **options: Any
    ) -> Any:
        """Keras' train_on_batch, which also takes text and its labels, as `fit` does."""
        return super().train_on_batch(*self._batch(x, y, sample_weight), *others, **options)

    def test_on_batch(
        self, x: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, *others: Any, **options: Any
    ) -> Any:
        """Keras' test_on_batch, which also takes text and its labels."""
        return super().test_on_batch(*self._batch(x, y, sample_weight), *others, **options)

    def predict_on_batch(self, x: Any) -> np.ndarray:
        """Keras' predict_on_batch, which also takes text, as `predict` does."""
        return self.predict(x) if text_inputs.is_text(x) else super().predict_on_batch(x)

    def _batch(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """A batch as Keras takes it: of text its token ids, a row each, with labels and weights."""
        if not text_inputs.is_text(x):
            return x, y, sample_weight
        texts, labels, weights = self._learnable(x, y, sample_weight)
        padded = packing.padded(self.encode(texts), self.tokenizer.pad_id, self.max_length)
        return {name: array[: len(texts)] for name, array in padded.items()}, labels, weights

    def _learnable(self, x: Any, y: Any = None, weights: Any = None) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Texts, labels of this model's classes and weights from the forms that `fit` takes."""
        return text_inputs.learnable(x, y, weights, classes=len(self.classes))

    def _measurable(
        self, texts: Sequence[str], labels: np.ndarray, weights: np.ndarray, batch_size: int | None
    ) -> tuple[tf.data.Dataset, int]:
        """Batches of texts of which all count the same, each times its weight, and how many there are."""
        encoded = self.encode(texts)
        plan = self.plan(encoded, batch_size)
        return self.pipeline(encoded, plan, labels, weights=weights, of_all=True), len(plan)

    def predict(self, x: Any, batch_size: int | None = None, verbose: str | int = "auto", **options: Any) -> np.ndarray:
        """Probabilities of text, or Keras' predict for anything else.

        Args:
            x: a string; a list, tuple, NumPy array, pandas Series or generator of strings; a tf.data.Dataset of
                strings,
                batched or not. Any string will do: empty, emoji, jamo, control characters. One longer than `max_length`
                pieces is read up to there, with a warning.
            batch_size: reviews a batch; None fills batches up to a token budget, which is faster.
            verbose, **options: for what Keras predicts; text shows no progress.

        Returns:
            float32 [n, classes]: the probabilities of negative and positive, or of what `labels` names; [1, classes]
            for a bare string.

        Raises:
            UserError: an element is no string, a missing value for one, or bytes that are no UTF-8.
        """
        x, is_text = text_inputs.peek(x, labelled=False)
        if not is_text and x is not None:
            return super().predict(x, batch_size=batch_size, verbose=verbose, **options)
        if options:
            raise TypeError(f"predict of text got unexpected arguments: {', '.join(options)}")
        encoded = self.encode(text_inputs.texts_of(x))
        if encoded.truncated.any():
            warnings.warn(
                f"{encoded.truncated.sum()} of {len(encoded)} texts are longer than {self.max_length - 2} pieces: "
                "only their beginnings are read",
                stacklevel=2,
            )
        return self.predict_encoded(encoded, batch_size)

    def predict_encoded(
        self,
        encoded: tokenizers.Encoded,
        batch_size: int | None = None,
        on_batch: Callable[[int], None] = lambda texts: None,
    ) -> np.ndarray:
        """Probabilities of encoded text, float32 [n, classes], in its order: one pass over packed rows. `on_batch` is
        called behind each batch with its number of texts.
        """
        count, longest = len(encoded), int(encoded.lengths.max(initial=1))
        few = count <= (batch_size or FEW) and math.prod(packing.padded_shape(count, longest, self.max_length)) <= FEW
        if count == 1 or count and few:
            # a text of its own in each row: what is packed has rows of one length, most of which few texts leave empty
            inputs = packing.padded(encoded, self.tokenizer.pad_id, self.max_length)
            # the first answer comes sooner without compiling; all others come sooner with it
            forward = self._forward_one
            if count == 1 and not self._began.is_set():
                forward = self._probabilities
                self._began.set()
            alive()
            answer = forward({name: tf.constant(array) for name, array in inputs.items()}).numpy()[:count]
            on_batch(count)
            return answer
        probabilities = np.zeros((len(encoded), len(self.classes)), np.float32)
        plan = self.plan(encoded, batch_size, token_budget=packing.budget(self.predict_budget))
        # a device that computes by itself has all batches before the first answer is waited for
        answers = []
        batches: Iterable[dict[str, tf.Tensor]]
        if len(plan) == 1:  # a pipeline takes longer to begin than this batch to compute
            batches = [packing.only(encoded, plan, self.tokenizer.pad_id)]
        else:
            batches = packing.dataset(encoded, plan, pad_id=self.tokenizer.pad_id)
        for i, batch in enumerate(batches):
            answers.append(self._forward(batch))
            on_batch(int(plan.splits[i + 1] - plan.splits[i]))
            alive()
        for i, answer in enumerate(answers):
            here = slice(plan.splits[i], plan.splits[i + 1])
            probabilities[plan.texts[here]] = answer.numpy().reshape(-1, len(self.classes))[plan.slots[here]]
            alive()
        return probabilities

    def explain(self, text: str) -> explanation.Explanation:
        """What each word of a text adds to the logit of positive against negative: an explanation.Explanation.

        Example:
            >>> import nsmc_bert
            >>> words = nsmc_bert.load().explain("이 영화 엄청 재미있네요").words
            >>> max(words, key=lambda word: word.added).text
            '재미있네요'
        """
        runtime.check_process()
        return explanation.explain(self, text)

    def slopes(self, ends: tf.Tensor, mask: tf.Tensor, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As explanation.slopes of this model; compiled from the second time on, since that takes as long as once."""
        if self._explained.is_set():
            return self._slopes(ends, mask, points)
        self._explained.set()
        return explanation.slopes(self, ends, mask, points)

    def encode(self, texts: Sequence[str]) -> tokenizers.Encoded:
        """Token ids of a sequence of strings: a tokenizers.Encoded of at most `max_length` positions each."""
        runtime.check_process()
        return self.tokenizer.encode(texts, self.max_length)

    shown = ("loss", "accuracy")  # what progress shows while it trains

    def validate(self, encoded: tokenizers.Encoded, labels: np.ndarray) -> dict[str, Any]:
        """The figures of labelled reviews, as `metrics.report` gives them."""
        return metrics.report(self.predict_encoded(encoded), labels, classes=self.classes)

    @staticmethod
    def score(figures: Mapping[str, Any]) -> float:
        """What the best epoch has most of."""
        return metrics.score(figures)

    def calibrate(self, fitted: calibration.Calibration) -> None:
        """Applies a temperature and a bias to the logit, for good: in the head's weights, so that whoever opens the
        folder has them.
        """
        kernel, bias = self.classifier.get_weights()
        self.classifier.set_weights(calibration.fold(kernel, bias, fitted))

    def round_weights(self, dtype: str) -> None:
        """Rounds every weight to what `dtype` can say, as `save` with that dtype would: figures are then of what is
        saved.
        """
        for variable in self.variables:
            variable.assign(variable.numpy().astype(dtype))

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = False,
        *,
        training: Mapping[str, Any] | None = None,
        card: str | None = None,
        dtype: str = "float32",
        options: Any = None,
    ) -> None:
        """Writes a standard Hugging Face folder, which `nsmc_bert.load` and any transformers pipeline read.

        Args:
            filepath: the folder; it appears when it is complete.
            overwrite: replace what an earlier `save` wrote; other files in the folder stay.
            training: a dict for training.json: what made the model and how good it is.
            card: the text of the model card, README.md.
            dtype: of the weights in the file, float32 or float16.
            options: what keras.callbacks.ModelCheckpoint passes; not used.

        Raises:
            UserError: the folder exists or cannot be written.
        """
        checkpoints.save_classifier(
            filepath,
            bert=self.bert,
            kernel=self.classifier.kernel.numpy(),
            bias=self.classifier.bias.numpy(),
            classes=self.classes,
            tokenizer=self.tokenizer,
            training=training or {},
            card=card or "# A classifier of Korean reviews\n\nWritten by nsmc_bert; no training record was given.\n",
            max_length=self.max_length,
            replace=overwrite,
            dtype=dtype,
        )

    def __reduce__(self) -> tuple[Callable[..., SentimentClassifier], tuple[Any, ...]]:
        with tempfile.TemporaryDirectory() as folder:
            self.save(Path(folder) / "model")
            content = {path.name: path.read_bytes() for path in Path(folder, "model").iterdir()}
        return _unpickled, (content, self.dtype_policy.name, self.max_length, self.seed, self.fused)

    def __deepcopy__(self, memo: dict[int, Any]) -> SentimentClassifier:
        make, arguments = self.__reduce__()
        return memo.setdefault(id(self), make(*arguments))


class _NoWeight(tf.__internal__.tracking.AutoTrackable):
    """Holds a variable that is none of a model's weights, and is saved with it by TensorFlow all the same.

    Args:
        variable: the variable.
    """

    def __init__(self, variable: tf.Variable) -> None:
        self.variable = variable


def _unpickled(
    content: Mapping[str, bytes], precision: str, max_length: int, seed: int, fused: bool | None
) -> SentimentClassifier:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in content.items():
            Path(folder, name).write_bytes(data)
        model = load(folder, precision)
    model.max_length, model.seed, model.fused = max_length, seed, fused
    return model


def load(
    folder: str | os.PathLike[str] | None = None, precision: str = "float32", positive_label: str | Collection[str] = ()
) -> SentimentClassifier:
    """Restores a SentimentClassifier from the folder that training or `save` wrote.

    Where there is a GPU, the whole process takes its memory as it is needed and computes float32 without TF32 from then
    on.

    Args:
        folder: the model folder, or the hub name of an encoder with a classifier's head; None for the one that ships.
        precision: the Keras policy to predict or to go on training with.
        positive_label: which of a head's two labels means positive, where its names do not say so; see heads.order.

    Returns:
        A SentimentClassifier, not compiled.

    Raises:
        UserError: no such folder, a broken one, an encoder without a classifier, or a classifier of something else; or
            see runtime.check_process.
    """
    runtime.check_process()
    runtime.share_gpus()
    loaded = checkpoints.load_encoder(bundled.CLASSIFIER if folder is None else folder)
    outputs = 0 if loaded.classifier is None else len(loaded.classifier[1])
    known = heads.named(loaded.config.id2label, getattr(loaded.config, "rating_values", None), loaded.folder)
    if loaded.classifier is None or outputs != len(known):
        wanted = "a two-class classifier" if known == SENTIMENT else f"a classifier of {len(known)} classes"
        other = f", but one of {outputs}" if outputs else ""
        raise UserError(
            f"{folder}: found an encoder without {wanted}{other}, expected a model that was fine-tuned; "
            f"to fine-tune it: python -m nsmc_bert.train --encoder={folder}"
        )
    kernel, bias = loaded.classifier
    classes, order = heads.classes(loaded.config, outputs, loaded.folder, positive_label)
    tokenizer = tokenizers.load(loaded.folder)
    positions = families.of(loaded.config).positions(loaded.config)
    limit = packing.longest(tokenizer.model_max_length, positions)
    model = SentimentClassifier(loaded.bert, tokenizer, labels=classes, max_length=limit, precision=precision)
    model.classifier.set_weights([kernel[:, order], bias[order]])
    return model


def _is_packed(x: Any) -> bool:
    """Whether a batch has several texts a row."""
    return isinstance(x, collections.abc.Mapping) and "segments" in x


def _one_a_row(
    y: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Labels [rows, slots, …], what `call` says of packed rows [rows, slots, classes] and weights [rows, slots] as of
    texts with a row each, which Keras' losses and metrics know: [rows * slots, …].
    """
    flat = tf.reshape(y_pred, [-1, y_pred.shape[-1]])
    # Keras' cross-entropies look for the softmax before them and compute from its logits, whose gradient never vanishes
    if not tf.executing_eagerly() and y_pred.op.type == "Softmax":
        flat = tf.nn.softmax(tf.reshape(y_pred.op.inputs[0], [-1, y_pred.shape[-1]]))
    weights = None if sample_weight is None else tf.reshape(sample_weight, [-1])
    return tf.reshape(y, [-1, *y.shape[2:]]), flat, weights
