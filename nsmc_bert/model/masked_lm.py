"""Masked language modelling: an encoder learns from text alone, and from star ratings where there are any.

Of each text a share of the pieces, 15 % unless told otherwise, is hidden in whole words, and the encoder says what they
were (Devlin et al. 2019, section 3.1; whole words after Google's later release). They are drawn on the device, within
the step. The last layer and the output over the vocabulary are computed at the hidden places only.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import alive
from nsmc_bert.model import checkpoints, families, forward, packing
from nsmc_bert.model.families import network

if TYPE_CHECKING:
    from nsmc_bert.model.families.network import Encoder
    from nsmc_bert.model.tokenizers import Encoded, Tokenizer

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # features, ratings, what each text counts
VALIDATION_SEED = 1  # of what is hidden where perplexity is measured
MASKED_SHARE = 0.15
# Whole words, and one at least of each text, come to more than the share: of NSMC's reviews to 1.2 times a fifth of all
# places, and 1.28 times 15 %.
ROOM = 1.8  # times the share: the places of each row that are read
SIZE = 1.35  # times the share: the places of a batch that the output over the vocabulary is computed at
PLACES = 64  # and they are a multiple of this


class _Alive(keras.callbacks.Callback):
    """Says at every batch that is validated that work goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True  # Keras then leaves the figures on the device

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        alive()


class MaskedLanguageModel(keras.Model):
    """An encoder with the output of masked language modelling and, as an option, one that says a text's rating.

    Args:
        bert: a built TFBertModel, or for another family a Network.
        tokenizer: the tokenizers.Tokenizer whose ids the encoder knows.
        ratings: classes of the rating, or 0 for none.
        rating_weight: what the rating's loss counts beside the masked pieces'.
        masked_share: of a text's pieces, those to hide.
        max_length: positions a text may take.
        seed: decides what is hidden, dropout, and the first weights of the outputs.
        precision: the Keras policy of the matrix products.
        predictions: weights of the output to start from, as checkpoints.Loaded has them; empty for new ones.
        fused: as in encoder.encode.

    Call:
        {"input_ids", "segments", "positions": int32 [rows, length], "firsts": int32 [rows, slots]: packed rows, as
        packing.dataset has them; "read": int32 [rows, read], places in each row; "places": int32 [n], numbers of places
        in `read`, row after row} -> {"pieces": float32 [n, vocabulary], "rating": float32 [rows, slots, ratings]},
        logits; "rating" only if there are any.
    """

    def __init__(
        self,
        bert: Encoder,
        tokenizer: Tokenizer,
        *,
        ratings: int = 0,
        rating_weight: float = 1.0,
        masked_share: float = MASKED_SHARE,
        max_length: int = 128,
        seed: int = 0,
        precision: str = "float32",
        predictions: Mapping[str, np.ndarray] | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__(name="masked_language_model", dtype=keras.mixed_precision.Policy(precision))
        if tokenizer.mask_id is None:
            raise UserError(f"the tokenizer has no piece {tokenizer.special['mask']}, which hides what is to be said")
        families.check_tokenizer(bert.config, tokenizer.vocab_size, tokenizer.pad_id)
        # === Layers ===
        config, family = bert.config, families.of(bert.config)
        width = family.width(config)
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range, seed=seed)
        self.bert = bert
        self.transform = keras.layers.Dense(width, kernel_initializer=initializer, dtype="float32", name="transform")
        self.norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_eps, dtype="float32", name="LayerNorm")
        self.transform.build((None, config.hidden_size))
        self.norm.build((None, width))
        self.piece_bias = self.add_weight(
            name="predictions/bias",
            shape=[config.vocab_size],
            initializer="zeros",
            dtype=tf.float32,
            experimental_autocast=False,
        )
        self.rating = None
        if ratings:
            self.rating = keras.layers.Dense(ratings, kernel_initializer=initializer, dtype="float32", name="rating")
            self.rating.build((None, config.hidden_size))
        self.distribute_reduction_method = "first"  # of figures that are one on all workers; Keras would add them up
        self.built = True
        # === Config ===
        self.tokenizer, self.max_length, self.seed, self.fused = tokenizer, max_length, seed, fused
        self.rating_weight, self.masked_share = rating_weight, masked_share
        self.hide = Hide(tokenizer, masked_share)
        self.activation = forward.activation(family.transform_activation or config.hidden_act)
        # Keras names a single output's figures without it
        self.shown = ("loss", "pieces_accuracy", "rating_accuracy") if ratings else ("loss", "accuracy")
        for name, value in (predictions or {}).items():
            self._set(name, value)

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        dropout = forward.Dropout(self.seed, self.optimizer.iterations) if training else None
        firsts = inputs["firsts"][:, : 0 if self.rating is None else None]
        hidden = forward.encode(
            self.bert,
            inputs["input_ids"],
            inputs["segments"],
            positions=inputs["positions"],
            read=tf.concat([firsts, inputs["read"]], 1),
            compute_dtype=self.compute_dtype,
            dropout=dropout,
            fused=False if self._jit_compile else self.fused,
        )
        width = self.bert.config.hidden_size
        places = tf.gather(tf.reshape(hidden[:, firsts.shape[1] :], [-1, width]), inputs["places"])
        places = tf.cast(places, tf.float32)
        places = self.norm(self.activation(self.transform(places)))
        table = tf.cast(network.weights(self.bert).words, self.compute_dtype)
        places = tf.cast(places, self.compute_dtype)
        outputs = {"pieces": tf.cast(tf.matmul(places, table, transpose_b=True), tf.float32) + self.piece_bias}
        if self.rating is not None:
            pooled = forward.pool(self.bert, tf.reshape(hidden[:, : firsts.shape[1]], [-1, 1, width]))
            outputs["rating"] = tf.reshape(self.rating(pooled), [-1, firsts.shape[1], self.rating.units])
        return outputs

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return super().train_step(
            self._targets(data, [self.seed, self.optimizer.iterations * 1024 + tf.cast(replica, tf.int64)])
        )

    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        # the same each time, and in every run: a function of the batch
        return super().test_step(
            self._targets(data, [VALIDATION_SEED, tf.reduce_sum(tf.cast(data[0]["input_ids"], tf.int64))])
        )

    def _targets(
        self, data: Batch, seed: Sequence[tf.Tensor | int]
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Hides pieces of a batch and adds what is to be said of them."""
        features, ratings, weights = data
        ids, read, pieces, hidden = self.hide(features["input_ids"], features["segments"], seed)
        # the output over the vocabulary is a good part of all arithmetic: it is computed where there is something
        # to say
        size = min(
            -(-round(SIZE * self.masked_share * ids.shape[0] * ids.shape[1]) // PLACES) * PLACES,
            read.shape[0] * read.shape[1],
        )
        hidden = tf.reshape(hidden, [-1])
        places = tf.argsort(tf.cast(~hidden, tf.int32), stable=True)[:size]
        real = tf.cast(tf.gather(hidden, places), tf.float32)
        features = {**features, "input_ids": ids, "read": read, "places": places}
        targets = {"pieces": tf.gather(tf.reshape(pieces, [-1]), places)}
        sample_weights = {"pieces": real * (size / tf.maximum(tf.reduce_sum(real), 1.0))}
        if self.rating is not None:
            targets["rating"], sample_weights["rating"] = ratings, weights
        return features, targets, sample_weights

    def compile(self, optimizer: Any, **options: Any) -> None:
        """Keras' compile with this task's losses: cross-entropy over pieces and, weighted, over ratings."""
        # without ratings nothing teaches the pooler, and Keras warns of that
        for logger in ("absl", "tensorflow"):
            logging.getLogger(logger).addFilter(_is_no_warning_of_gradients)
        names = ["pieces"] + (["rating"] if self.rating is not None else [])
        super().compile(
            optimizer,
            loss={name: keras.losses.SparseCategoricalCrossentropy(from_logits=True, name=name) for name in names},
            loss_weights={"pieces": 1.0, "rating": self.rating_weight} if len(names) > 1 else None,
            weighted_metrics={name: [keras.metrics.SparseCategoricalAccuracy(name="accuracy")] for name in names},
            **options,
        )

    def plan(
        self, encoded: Encoded, *, token_budget: int | None = None, seed: int | None = None, epoch: int = 0
    ) -> packing.Plan:
        """A packing.Plan for these texts that this model's devices can share."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        return packing.plan(
            encoded.lengths, token_budget or packing.budget(), seed=seed, epoch=epoch, multiple=replicas
        )

    def pipeline(
        self, encoded: Encoded, plan: packing.Plan, ratings: np.ndarray | None, start: int = 0, stop: int | None = None
    ) -> tf.data.Dataset:
        """Batches of a plan, a share for each device."""
        labels = np.zeros(len(encoded), np.int32) if ratings is None else ratings
        return packing.shared(
            self.distribute_strategy, encoded, plan, pad_id=self.tokenizer.pad_id, labels=labels, start=start, stop=stop
        )

    def fit_batches(
        self,
        encoded: Encoded,
        ratings: np.ndarray | None,
        plan: packing.Plan,
        start: int,
        stop: int,
        callbacks: Iterable[keras.callbacks.Callback] = (),
    ) -> keras.callbacks.History:
        """Trains on batches `start` to `stop` of a plan, in their order."""
        return super().fit(
            self.pipeline(encoded, plan, ratings, start, stop),
            steps_per_epoch=stop - start,
            verbose=0,
            callbacks=list(callbacks),
        )

    def validate(self, encoded: Encoded, ratings: np.ndarray | None) -> dict[str, float]:
        """Figures of texts with the same pieces hidden each time, and in every run.

        Returns:
            {"perplexity": e to the mean loss of a hidden piece, "accuracy": share of hidden pieces said right} and,
            with ratings, "rating_loss" and "rating_accuracy".
        """
        plan = self.plan(encoded)
        batches = self.pipeline(encoded, plan, ratings)
        results = super().evaluate(batches, steps=len(plan), verbose=0, return_dict=True, callbacks=[_Alive()])
        if self.rating is None:
            return {"perplexity": math.exp(min(results["loss"], 99.0)), "accuracy": results["accuracy"]}
        return {
            "perplexity": math.exp(min(results["pieces_loss"], 99.0)),
            "accuracy": results["pieces_accuracy"],
            "rating_loss": results["rating_loss"],
            "rating_accuracy": results["rating_accuracy"],
        }

    def score(self, figures: Mapping[str, float]) -> float:
        """What the best epoch has most of."""
        return -math.log(figures["perplexity"]) - self.rating_weight * figures.get("rating_loss", 0.0)

    def save(
        self,
        filepath: str | os.PathLike[str],
        *,
        training: Mapping[str, Any],
        card: str,
        overwrite: bool = False,
        dtype: str = "float32",
    ) -> None:
        """Writes a Hugging Face folder that transformers opens as a masked language model of the family."""
        names = families.of(self.bert.config).names.predictions()
        heads = {names[part]: value for part, value in self._head().items()}
        checkpoints.save(
            filepath,
            task="ForMaskedLM",
            bert=self.bert,
            heads=heads,
            tokenizer=self.tokenizer,
            training=training,
            card=card,
            max_length=self.max_length,
            replace=overwrite,
            dtype=dtype,
        )

    def _head(self) -> dict[str, np.ndarray]:
        return {
            "bias": self.piece_bias.numpy(),
            "transform.dense.weight": self.transform.kernel.numpy().T,
            "transform.dense.bias": self.transform.bias.numpy(),
            "transform.LayerNorm.weight": self.norm.gamma.numpy(),
            "transform.LayerNorm.bias": self.norm.beta.numpy(),
        }

    def _set(self, name: str, value: np.ndarray) -> None:
        variables = {
            "bias": self.piece_bias,
            "transform.dense.weight": self.transform.kernel,
            "transform.dense.bias": self.transform.bias,
            "transform.LayerNorm.weight": self.norm.gamma,
            "transform.LayerNorm.bias": self.norm.beta,
        }
        if name in variables:
            value = value.T if name == "transform.dense.weight" else value
            if value.shape != tuple(variables[name].shape):
                raise UserError(
                    f"the masked language model's {name}: found shape {value.shape}, expected "
                    f"{tuple(variables[name].shape)} by config.json; the encoder's file belongs to another model"
                )
            variables[name].assign(value)


def _is_no_warning_of_gradients(record: logging.LogRecord) -> bool:
    return "Gradients do not exist" not in record.getMessage()


class Hide:
    """Hides pieces of texts, in whole words, as a function of a seed.

    A word begins at a piece with SentencePiece's ▁, or without WordPiece's ##. Words of a text are taken in random
    order until a share of the text's pieces is reached. Of the pieces taken 80 % become [MASK], 10 % another piece, 10
    % stay.

    Args:
        tokenizer: a tokenizers.Tokenizer.
        share: of a text's pieces, those to hide.
    """

    def __init__(self, tokenizer: Tokenizer, share: float = MASKED_SHARE) -> None:
        self._mask_id = tokenizer.mask_id
        special = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id, tokenizer.unk_id}
        self._normal = np.array([i for i in range(tokenizer.vocab_size) if i not in special], np.int32)
        self._hideable = np.isin(np.arange(tokenizer.vocab_size), list(special - {tokenizer.unk_id}), invert=True)
        self._begins = tokenizer.word_beginnings()
        self._share = share

    def __call__(
        self, ids: tf.Tensor, segments: tf.Tensor, seed: Sequence[tf.Tensor | int]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Hides pieces of one batch of packed rows.

        Args:
            ids, segments: int32 [rows, length]; see packing.dataset.
            seed: two int64 scalars.

        Returns:
            (int32 [rows, length], the ids with pieces hidden; int32 [rows, read], places in each row, the hidden ones
            first; int32 [rows, read], the pieces that were there; bool [rows, read], whether they are hidden). What a
            row takes beyond the places that are read stays as it is.
        """
        rows, length = ids.shape
        hideable = tf.logical_and(tf.gather(self._hideable, ids), segments > 0)
        # a word's pieces share a random number and so stand together when sorted
        word = tf.cumsum(tf.cast(tf.logical_and(tf.gather(self._begins, ids), hideable), tf.int32), 1)
        draws = tf.random.stateless_uniform([rows, length, 3], tf.stack([tf.cast(part, tf.int64) for part in seed]))
        key = tf.where(hideable, tf.gather(draws[:, :, 0], word, batch_dims=1), 2.0)
        # a word is taken whole if what its text is to hide is not reached by the words before it
        beside = tf.logical_and(segments[:, :, None] == segments[:, None, :], hideable[:, None, :])
        pieces = tf.reduce_sum(tf.cast(beside, tf.int32), 2)
        before = tf.reduce_sum(tf.cast(tf.logical_and(beside, key[:, None, :] < key[:, :, None]), tf.int32), 2)
        wanted = tf.maximum(
            tf.cast(tf.round(self._share * tf.cast(pieces, tf.float32)), tf.int32), tf.minimum(pieces, 1)
        )
        taken = tf.logical_and(hideable, before < wanted)
        room = min(math.ceil(ROOM * self._share * length), length)
        taken = tf.logical_and(taken, tf.cumsum(tf.cast(taken, tf.int32), 1) <= room)
        read = tf.argsort(tf.cast(~taken, tf.int32), 1, stable=True)[:, :room]
        other = tf.gather(self._normal, tf.cast(draws[:, :, 2] * len(self._normal), tf.int32))
        becomes = tf.where(draws[:, :, 1] < 0.8, self._mask_id, tf.where(draws[:, :, 1] < 0.9, other, ids))
        return (
            tf.where(taken, becomes, ids),
            read,
            tf.gather(ids, read, batch_dims=1),
            tf.gather(taken, read, batch_dims=1),
        )
