"""What learns from texts alone, and from star ratings where there are any: an encoder with packed batches of which
pieces are hidden. What is learned of them, masked_lm and replaced say.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import alive
from nsmc_bert.model import checkpoints, families, forward, packing
from nsmc_bert.model.packed_model import PackedModel

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from nsmc_bert.model.families.network import Encoder
    from nsmc_bert.model.hiding import Hide
    from nsmc_bert.model.tokenizers import Encoded, Tokenizer

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # features, ratings, what each text counts
VALIDATION_SEED = 1  # of what is hidden where figures are measured


class _Alive(keras.callbacks.Callback):
    """Says at every batch that is validated that work goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True  # Keras then leaves the figures on the device

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        alive()


class Head(keras.layers.Layer):
    """Layers beside an encoder, whose weights have names in PyTorch.

    Attributes:
        named: {name in PyTorch: variable}, without what stands before it in a file.
        title: what the model that they make of an encoder is called in messages.
    """

    named: dict[str, tf.Variable]
    title: str

    def dense(self, name: str, sizes: tuple[int, int], initializer: Any) -> None:
        """Adds a dense layer from the first size to the second."""
        self.named[name + ".weight"] = self._variable(name + "/kernel", sizes, initializer)
        self.named[name + ".bias"] = self._variable(name + "/bias", sizes[1:], "zeros")

    def _variable(self, name: str, shape: Sequence[int], initializer: Any) -> tf.Variable:
        return self.add_weight(name=name, shape=shape, initializer=initializer, experimental_autocast=False)

    def apply_dense(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """x through a dense layer: [rows, in] -> [rows, out], of x's dtype."""
        kernel, bias = self.named[name + ".weight"], self.named[name + ".bias"]
        return tf.matmul(x, tf.cast(kernel, x.dtype)) + tf.cast(bias, x.dtype)

    def values(self) -> dict[str, np.ndarray]:
        """The weights in PyTorch's layout: {name: array}."""
        return {name: _turned(name, variable.numpy()) for name, variable in self.named.items()}

    def set(self, values: Mapping[str, np.ndarray]) -> None:
        """Takes weights in PyTorch's layout, as `values` gives them; those of other names are not looked at.

        Raises:
            UserError: one of them has another shape.
        """
        for name in sorted(self.named.keys() & values.keys()):
            value, variable = _turned(name, values[name]), self.named[name]
            if value.shape != tuple(variable.shape):
                raise UserError(
                    f"the {self.title}'s {name}: found shape {value.shape}, expected {tuple(variable.shape)} by "
                    f"config.json; the encoder's file belongs to another model"
                )
            variable.assign(value)


def _turned(name: str, value: np.ndarray) -> np.ndarray:
    """A value in PyTorch's layout in ours, and the other way round."""
    return value.T if value.ndim == 2 and name.endswith("weight") else value


class PieceOutput(Head):
    """The output over the vocabulary of a masked language model, over an encoder's own table of word embeddings.

    Args:
        config: the encoder's.
        width: of the word embeddings.
        seed: of the first weights.
    """

    title = "masked language model"

    def __init__(self, config: PretrainedConfig, width: int, seed: int) -> None:
        super().__init__(name="predictions", dtype="float32")
        self.named = {}
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range, seed=seed)
        self.dense("transform.dense", (config.hidden_size, width), initializer)
        # the optimizer knows by this word what has no weight decay
        for part, name, value in (("weight", "gamma", "ones"), ("bias", "beta", "zeros")):
            self.named[f"transform.LayerNorm.{part}"] = self._variable(f"LayerNorm/{name}", [width], value)
        self.named["bias"] = self._variable("bias", [config.vocab_size], "zeros")
        self.epsilon = config.layer_norm_eps
        self.activation = forward.activation(families.of(config).transform_activation or config.hidden_act)
        self.built = True

    def call(self, states: tf.Tensor, table: tf.Tensor, compute_dtype: str = "float32") -> tf.Tensor:
        """Logits of pieces.

        Args:
            states: [n, hidden], the encoder's last.
            table: [vocabulary, width], its word embeddings.
            compute_dtype: of the product with them.

        Returns:
            float32 [n, vocabulary].
        """
        x = self.activation(self.apply_dense("transform.dense", tf.cast(states, tf.float32)))
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        scale = tf.math.rsqrt(variance + self.epsilon) * self.named["transform.LayerNorm.weight"]
        x = tf.cast((x - mean) * scale + self.named["transform.LayerNorm.bias"], compute_dtype)
        logits = tf.matmul(x, tf.cast(table, compute_dtype), transpose_b=True)
        return tf.cast(logits, tf.float32) + self.named["bias"]


class LanguageModel(PackedModel):
    """An encoder that learns from packed texts, and from ratings as an option.

    A subclass says what is hidden (`hide`), what is to be said of a batch (`_asked`) and by what losses
    (`_objectives`), what `validate` gives (`_figures`), and how it is saved (`_saved`).

    Args:
        bert: a built TFBertModel, or for another family a Network.
        tokenizer: the tokenizers.Tokenizer whose ids the encoder knows.
        hide: what hides pieces.
        ratings: classes of the rating, or 0 for none.
        rating_weight: what the rating's loss counts beside that of the hidden pieces.
        max_length: positions a text may take.
        seed: decides what is hidden, dropout, and the first weights of the outputs.
        precision: the Keras policy of the matrix products.
        fused: as in forward.encode.
        name: Keras' name.
    """

    shown: tuple[str, ...]  # figures of training that progress shows

    def __init__(
        self,
        bert: Encoder,
        tokenizer: Tokenizer,
        hide: Hide,
        *,
        ratings: int,
        rating_weight: float,
        max_length: int,
        seed: int,
        precision: str,
        fused: bool | None,
        name: str,
    ) -> None:
        super().__init__(name, precision)
        families.check_tokenizer(bert.config, tokenizer.vocab_size, tokenizer.pad_id)
        self.bert = bert
        self.rating = None
        if ratings:
            initializer = keras.initializers.TruncatedNormal(stddev=bert.config.initializer_range, seed=seed)
            self.rating = keras.layers.Dense(ratings, kernel_initializer=initializer, dtype="float32", name="rating")
            self.rating.build((None, bert.config.hidden_size))
        self.tokenizer, self.hide, self.max_length, self.seed, self.fused = tokenizer, hide, max_length, seed, fused
        self.rating_weight = rating_weight

    # === For subclasses ===

    def _asked(self, data: Batch, seed: Sequence[tf.Tensor | int]) -> tuple[dict[str, tf.Tensor], Any, Any]:
        """What `call` takes, its targets and what each of them counts, of a batch and a seed as Hide takes it."""
        raise NotImplementedError

    def _objectives(self) -> dict[str, tuple[keras.losses.Loss, float, list[keras.metrics.Metric]]]:
        """{output: its loss, what that counts, further figures of it}."""
        raise NotImplementedError

    def _encode(
        self, bert: Encoder, ids: tf.Tensor, inputs: Mapping[str, tf.Tensor], dropout: forward.Dropout | None, read: Any
    ) -> tf.Tensor:
        """Last hidden states of a packed batch at the places `read`, None for all."""
        return forward.encode(
            bert,
            ids,
            inputs["segments"],
            positions=inputs["positions"],
            read=read,
            compute_dtype=self.compute_dtype,
            dropout=dropout,
            fused=False if self._jit_compile else self.fused,
        )

    def _rate(self, firsts: tf.Tensor) -> tf.Tensor:
        """Logits of ratings, float32 [rows, slots, ratings], of the states [rows, slots, hidden] of texts' firsts."""
        assert self.rating is not None
        pooled = forward.pool(self.bert, tf.reshape(firsts, [-1, 1, firsts.shape[-1]]))
        return tf.reshape(self.rating(pooled), [-1, firsts.shape[1], self.rating.units])

    # === Keras', of whose ifs none is a tensor's: AutoGraph's rewriting is half of what tracing takes ===

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return super().train_step(
            self._asked(data, [self.seed, self.optimizer.iterations * 1024 + tf.cast(replica, tf.int64)])
        )

    @tf.autograph.experimental.do_not_convert
    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        # what is hidden is the same each time, and in every run: a function of each row, whatever rows stand beside it
        seed = [VALIDATION_SEED, tf.reduce_sum(tf.cast(data[0]["input_ids"], tf.int64), 1)]
        features, targets, counts = self._asked(data, seed)
        # each piece counts the same, however many its batch has; of ratings `validate` has it so
        pieces = {name: tf.cast(weights > 0, tf.float32) for name, weights in counts.items() if name != "rating"}
        return super().test_step((features, targets, {**counts, **pieces}))

    def compile(self, optimizer: Any, **options: Any) -> None:
        """Keras' compile with this task's losses, those of ratings among them."""
        # without ratings nothing teaches the pooler, and Keras warns of that
        for logger in ("absl", "tensorflow"):
            logging.getLogger(logger).addFilter(_is_no_warning_of_gradients)
        losses = {
            name: (loss, weight, [*figures, _Told(name="told")])
            for name, (loss, weight, figures) in self._objectives().items()
        }
        if self.rating is not None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="rating")
            losses["rating"] = loss, self.rating_weight, [sparse_accuracy()]
        super().compile(
            optimizer,
            loss={name: loss for name, (loss, _, _) in losses.items()},
            loss_weights={name: weight for name, (_, weight, _) in losses.items()} if len(losses) > 1 else None,
            weighted_metrics={name: figures for name, (_, _, figures) in losses.items()},
            **options,
        )

    # === The loop's ===

    def validate(self, encoded: Encoded, ratings: np.ndarray | None) -> dict[str, float]:
        """Figures of texts with the same pieces hidden each time, and in every run: means over all pieces and all
        texts, whatever batches they stand in.

        Returns:
            What the subclass says and, with ratings, "rating_loss" and "rating_accuracy".
        """
        plan = self.plan(encoded, token_budget=packing.budget(self.predict_budget))
        batches = self.pipeline(encoded, plan, ratings, of_all=True)
        results = super().evaluate(batches, steps=len(plan), verbose=0, return_dict=True, callbacks=[_Alive()])
        for name in [name for name in results if name.endswith("told")]:
            results[name.removesuffix("told") + "loss"] /= max(results[name], 1e-9)
        rated = {} if self.rating is None else {name: results[name] for name in ("rating_loss", "rating_accuracy")}
        return {**self._figures(results), **rated}

    def _figures(self, results: Mapping[str, float]) -> dict[str, float]:
        """What `validate` gives beside the ratings' figures, of Keras' results."""
        raise NotImplementedError

    def save(
        self,
        filepath: str | os.PathLike[str],
        *,
        training: Mapping[str, Any],
        card: str,
        overwrite: bool = False,
        dtype: str = "float32",
    ) -> None:
        """Writes a Hugging Face folder that transformers opens as the family's model of this task.

        Args:
            filepath: where to.
            training: what goes into training.json.
            card: the text of README.md.
            overwrite: put it in place of what an earlier save wrote.
            dtype: of the weights in the file, float32 or float16.

        Raises:
            UserError: the folder exists and may not be replaced, or cannot be written.
        """
        task, heads = self._saved()
        checkpoints.save(
            filepath,
            task=task,
            bert=self.bert,
            heads=heads,
            tokenizer=self.tokenizer,
            training=training,
            card=card,
            max_length=self.max_length,
            replace=overwrite,
            dtype=dtype,
        )

    def _saved(self) -> tuple[str, dict[str, np.ndarray]]:
        """How the class in transformers ends, and the weights beside the encoder by their names in PyTorch."""
        raise NotImplementedError


class PieceLoss(keras.losses.Loss):
    """The cross-entropy of logits of pieces: see forward.cross_entropy.

    Args:
        model: the LanguageModel whose step it is part of.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__(name="pieces")
        self._model = model

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        labels = tf.reshape(y_true, [-1])  # Keras gives them y_pred's rank
        return forward.cross_entropy(y_pred, labels, False if self._model._jit_compile else self._model.fused)


class _Told(keras.metrics.Mean):
    """Of the places of a batch, the share that something is said of where these have a weight of 1: what makes the mean
    of a loss over places the mean over those.
    """

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> Any:
        return super().update_state(sample_weight)


def sparse_accuracy() -> keras.metrics.Metric:
    """How many of these are right."""
    return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def _is_no_warning_of_gradients(record: logging.LogRecord) -> bool:
    return "Gradients do not exist" not in record.getMessage()
