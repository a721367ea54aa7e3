"""Masked language modelling: BERT learns from text alone, and from star ratings where there are any.

Of each text a share of the pieces, 15 % unless told otherwise, is hidden in whole words, and the encoder says what they were
(Devlin et al. 2019, section 3.1; whole words after Google's later release). The last layer and the output over the vocabulary
are computed at the hidden places only.
"""

import logging
import math

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert import batching, checkpoints, encoder
from nsmc_bert.errors import UserError

VALIDATION_SEED = 1  # of what is hidden where perplexity is measured
MASKED_SHARE = 0.15
SPARE = 3  # places beyond that share that a text's last whole word may take
PLACES = 256  # what the output over the vocabulary sees is padded to a multiple of this


class MaskedLanguageModel(keras.Model):
    """BERT with the output of masked language modelling and, as an option, one that says a text's rating.

    Args:
        bert: a built TFBertModel.
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
        {"input_ids", "attention_mask": int32 [batch, positions], "read": int32 [batch, read], "places": int32 [n], numbers of
        places in `read`, row after row} -> {"pieces": float32 [n, vocabulary], "rating": float32 [batch, ratings]}, logits;
        "rating" only if there are any.
    """

    def __init__(
        self, bert, tokenizer, *, ratings=0, rating_weight=1.0, masked_share=MASKED_SHARE, max_length=128, seed=0,
        precision="float32", predictions=None, fused=None,
    ):  # fmt: skip
        super().__init__(name="masked_language_model", dtype=keras.mixed_precision.Policy(precision))
        if tokenizer.mask_id is None:
            raise UserError("the tokenizer has no piece %s, which hides what is to be said" % tokenizer.special["mask"])
        # === Layers ===
        config = bert.config
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range, seed=seed)
        self.bert = bert
        self.transform = keras.layers.Dense(config.hidden_size, kernel_initializer=initializer, dtype="float32", name="transform")
        self.norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_eps, dtype="float32", name="LayerNorm")
        for layer in (self.transform, self.norm):
            layer.build((None, config.hidden_size))
        self.piece_bias = self.add_weight(
            name="predictions/bias", shape=[config.vocab_size], initializer="zeros", dtype=tf.float32, experimental_autocast=False
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
        # Keras names a single output's figures without it
        self.shown = ("loss", "pieces_accuracy", "rating_accuracy") if ratings else ("loss", "accuracy")
        for name, value in (predictions or {}).items():
            self._set(name, value)

    def call(self, inputs, training=False):
        dropout = encoder.Dropout(self.seed, self.optimizer.iterations) if training else None
        first = tf.zeros([tf.shape(inputs["read"])[0], 1], tf.int32)
        read = tf.concat([first, inputs["read"]], 1)
        hidden = encoder.encode(
            self.bert, inputs["input_ids"], inputs["attention_mask"], read=read, compute_dtype=self.compute_dtype,
            dropout=dropout, fused=False if self._jit_compile else self.fused,
        )  # fmt: skip
        places = tf.gather(tf.reshape(hidden[:, 1:], [-1, self.bert.config.hidden_size]), inputs["places"])
        places = tf.cast(places, tf.float32)
        places = self.norm(tf.nn.gelu(self.transform(places)))
        table = tf.cast(self.bert.bert.embeddings.weight, self.compute_dtype)
        places = tf.cast(places, self.compute_dtype)
        outputs = {"pieces": tf.cast(tf.matmul(places, table, transpose_b=True), tf.float32) + self.piece_bias}
        if self.rating is not None:
            outputs["rating"] = self.rating(encoder.pool(self.bert, hidden))
        return outputs

    def compile(self, optimizer, **options):
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

    def plan(self, encoded, *, token_budget=batching.TOKEN_BUDGET, seed=None, epoch=0):
        """A batching.Plan for these texts that this model's devices can share."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        static = bool(getattr(self, "_jit_compile", False))
        return batching.plan(encoded.lengths, token_budget, seed=seed, epoch=epoch, multiple=replicas, static=static)

    def pipeline(self, encoded, plan, ratings, start=0, stop=None, seed=None):
        """Batches of a plan with pieces hidden, as `fit` takes them, a share for each device; `seed` instead of the model's own."""
        seed = self.seed if seed is None else seed
        if ratings is None:
            ratings = np.zeros(len(encoded), np.int32)
        strategy = self.distribute_strategy
        replicas = strategy.num_replicas_in_sync

        def make(shares=(0,)):
            data = batching.dataset(
                encoded, plan, pad_id=self.tokenizer.pad_id, labels=ratings, start=start, stop=stop, replicas=replicas,
                shares=shares,
            )  # fmt: skip
            hide = Hide(self.tokenizer, [seed, plan.epoch * replicas + shares[0]], self.masked_share)
            first = start * len(shares)
            return data.enumerate(first).map(
                lambda number, batch: self._targets(hide(number, batch[0]), batch[1], batch[2]), num_parallel_calls=2,
                deterministic=True,
            ).prefetch(4)  # fmt: skip

        if replicas == 1:
            return make()

        def shares(context):
            here = context.num_replicas_in_sync // context.num_input_pipelines
            return make(range(context.input_pipeline_id * here, (context.input_pipeline_id + 1) * here))

        return strategy.distribute_datasets_from_function(shares)

    def _targets(self, hidden, ratings, weights):
        features, pieces, counts = hidden
        # the output over the vocabulary is a good part of all arithmetic: it is computed where there is something to say
        taken = tf.where(tf.reshape(counts, [-1]) > 0)[:, 0]
        size = -(-tf.size(taken) // PLACES) * PLACES
        places = tf.pad(taken, [[0, size - tf.size(taken)]])
        scale = tf.cast(size, tf.float32) / tf.cast(tf.maximum(tf.size(taken), 1), tf.float32)
        features = {**features, "places": tf.cast(places, tf.int32)}
        targets = {"pieces": tf.gather(tf.reshape(pieces, [-1]), places)}
        sample_weights = {"pieces": tf.cast(tf.range(size) < tf.size(taken), tf.float32) * scale}
        if self.rating is not None:
            targets["rating"], sample_weights["rating"] = ratings, weights
        return features, targets, sample_weights

    def fit_batches(self, encoded, ratings, plan, start, stop, callbacks=()):
        """Trains on batches `start` to `stop` of a plan, in their order."""
        return super().fit(
            self.pipeline(encoded, plan, ratings, start, stop), steps_per_epoch=stop - start, verbose=0, callbacks=list(callbacks)
        )

    def validate(self, encoded, ratings):
        """Figures of texts with the same pieces hidden each time, and in every run.

        Returns:
            {"perplexity": e to the mean loss of a hidden piece, "accuracy": share of hidden pieces said right} and, with ratings,
            "rating_loss" and "rating_accuracy".
        """
        plan = self.plan(encoded)
        batches = self.pipeline(encoded, plan, ratings, seed=VALIDATION_SEED)
        results = super().evaluate(batches, steps=len(plan), verbose=0, return_dict=True)
        if self.rating is None:
            return {"perplexity": math.exp(min(results["loss"], 99.0)), "accuracy": results["accuracy"]}
        return {
            "perplexity": math.exp(min(results["pieces_loss"], 99.0)),
            "accuracy": results["pieces_accuracy"],
            "rating_loss": results["rating_loss"],
            "rating_accuracy": results["rating_accuracy"],
        }

    def score(self, figures):
        """What the best epoch has most of."""
        return -math.log(figures["perplexity"]) - self.rating_weight * figures.get("rating_loss", 0.0)

    def save(self, filepath, *, training, card, overwrite=False, dtype="float32"):
        """Writes a Hugging Face folder that transformers opens as BertForMaskedLM."""
        heads = {"cls.predictions." + name: value for name, value in self._head().items()}
        checkpoints.save(
            filepath, architecture="BertForMaskedLM", bert=self.bert, heads=heads, tokenizer=self.tokenizer, training=training,
            card=card, max_length=self.max_length, replace=overwrite, dtype=dtype,
        )  # fmt: skip

    def _head(self):
        return {
            "bias": self.piece_bias.numpy(),
            "transform.dense.weight": self.transform.kernel.numpy().T,
            "transform.dense.bias": self.transform.bias.numpy(),
            "transform.LayerNorm.weight": self.norm.gamma.numpy(),
            "transform.LayerNorm.bias": self.norm.beta.numpy(),
        }

    def _set(self, name, value):
        variables = {
            "bias": self.piece_bias,
            "transform.dense.weight": self.transform.kernel,
            "transform.dense.bias": self.transform.bias,
            "transform.LayerNorm.weight": self.norm.gamma,
            "transform.LayerNorm.bias": self.norm.beta,
        }
        if name in variables:
            variables[name].assign(value.T if name == "transform.dense.weight" else value)


def _is_no_warning_of_gradients(record):
    return "Gradients do not exist" not in record.getMessage()


class Hide:
    """Hides pieces of a batch, in whole words, as a function of (seeds, the batch's number).

    A word begins at a piece with SentencePiece's ▁, or without WordPiece's ##. Words are taken in random order until a share
    of the text's pieces is reached. Of the pieces taken 80 % become [MASK], 10 % another piece, 10 % stay.

    Args:
        tokenizer: a tokenizers.Tokenizer.
        seeds: two ints.
        share: of a text's pieces, those to hide.
    """

    def __init__(self, tokenizer, seeds, share=MASKED_SHARE):
        self._mask_id = tokenizer.mask_id
        special = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id, tokenizer.unk_id}
        self._normal = np.array([i for i in range(tokenizer.vocab_size) if i not in special], np.int32)
        self._hideable = np.isin(np.arange(tokenizer.vocab_size), list(special - {tokenizer.unk_id}), invert=True)
        self._begins = tokenizer.word_beginnings()
        self._seeds, self._share = seeds, share

    def __call__(self, number, features):
        """Hides pieces of one batch.

        Args:
            number: int64 scalar, the batch's.
            features: {"input_ids", "attention_mask": int32 [rows, positions]}.

        Returns:
            (features with pieces hidden and "read", int32 [rows, read]: places that are read, the hidden ones first;
            int32 [rows, read], the pieces that were there; float32 [rows, read], 0 where nothing is to be said, and otherwise
            what makes the mean over all places the mean over hidden ones).
        """
        ids, real = features["input_ids"], features["attention_mask"]
        shape = tf.shape(ids)
        hideable = tf.logical_and(tf.gather(self._hideable, ids), real > 0)
        pieces = tf.reduce_sum(tf.cast(hideable, tf.int32), 1, keepdims=True)
        # a word's pieces share a random number and so stand together when sorted
        word = tf.cumsum(tf.cast(tf.logical_and(tf.gather(self._begins, ids), hideable), tf.int32), 1)
        draws = tf.random.stateless_uniform(tf.concat([shape, [3]], 0), [self._seeds[0], self._seeds[1] * 1_000_003 + number])
        key = tf.where(hideable, tf.gather(draws[:, :, 0], word, batch_dims=1), 2.0)
        # a word is taken whole if what is wanted is not reached by the words before it
        before = tf.reduce_sum(tf.cast(key[:, None, :] < key[:, :, None], tf.int32), 2)
        wanted = tf.maximum(tf.cast(tf.round(self._share * tf.cast(pieces, tf.float32)), tf.int32), tf.minimum(pieces, 1))
        read = tf.minimum(tf.cast(tf.math.ceil(self._share * tf.cast(shape[1], tf.float32)), tf.int32) + SPARE, shape[1])
        order = tf.argsort(key, 1, stable=True)[:, :read]
        taken = tf.gather(tf.logical_and(before < wanted, hideable), order, batch_dims=1)
        targets = tf.gather(ids, order, batch_dims=1)
        fate = tf.gather(draws[:, :, 1], order, batch_dims=1)
        other = tf.gather(self._normal, tf.cast(tf.gather(draws[:, :, 2], order, batch_dims=1) * len(self._normal), tf.int32))
        becomes = tf.where(fate < 0.8, self._mask_id, tf.where(fate < 0.9, other, targets))
        row = tf.broadcast_to(tf.range(shape[0])[:, None], tf.shape(order))
        spots = tf.boolean_mask(tf.stack([row, order], -1), taken)
        hidden = tf.tensor_scatter_nd_update(ids, spots, tf.boolean_mask(becomes, taken))
        weights = tf.cast(taken, tf.float32)
        weights *= tf.cast(tf.size(weights), tf.float32) / tf.maximum(tf.reduce_sum(weights), 1.0)
        return {"input_ids": hidden, "attention_mask": real, "read": order}, targets, weights
