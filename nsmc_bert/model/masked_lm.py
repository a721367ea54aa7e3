"""Masked language modelling: an encoder learns from text alone, and from star ratings where there are any.

Of each text a share of the pieces, 15 % unless told otherwise, is hidden, and the encoder says what they were (Devlin
et al. 2019, section 3.1): 80 % of them become [MASK], 10 % another piece, 10 % stay. The last layer and the output over
the vocabulary are computed at the hidden places only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model import families, forward
from nsmc_bert.model.families import network
from nsmc_bert.model.hiding import MASKED_SHARE, Hide
from nsmc_bert.model.language_model import Batch, LanguageModel, PieceLoss, PieceOutput, sparse_accuracy

if TYPE_CHECKING:
    from nsmc_bert.model.families.network import Encoder
    from nsmc_bert.model.tokenizers import Tokenizer


class MaskedLanguageModel(LanguageModel):
    """An encoder with the output of masked language modelling and, as an option, one that says a text's rating.

    Args:
        bert, tokenizer, ratings, rating_weight, max_length, seed, precision, fused: see LanguageModel.
        masked_share: of a text's pieces, those to hide.
        predictions: weights of the output to start from, as checkpoints.Loaded has them; empty for new ones.

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
        super().__init__(
            bert,
            tokenizer,
            Hide(tokenizer, masked_share),
            ratings=ratings,
            rating_weight=rating_weight,
            max_length=max_length,
            seed=seed,
            precision=precision,
            fused=fused,
            name="masked_language_model",
        )
        self.predictions = PieceOutput(bert.config, families.of(bert.config).width(bert.config), seed)
        self.predictions.set(predictions or {})
        self.built = True
        # Keras names a single output's figures without it
        self.shown = ("loss", "pieces_accuracy", "rating_accuracy") if ratings else ("loss", "accuracy")

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        dropout = forward.Dropout(self.seed, self.optimizer.iterations) if training else None
        firsts = inputs["firsts"][:, : 0 if self.rating is None else None]
        read = tf.concat([firsts, inputs["read"]], 1)
        hidden = self._encode(self.bert, inputs["input_ids"], inputs, dropout, read)
        width = self.bert.config.hidden_size
        states = tf.gather(tf.reshape(hidden[:, firsts.shape[1] :], [-1, width]), inputs["places"])
        table = network.weights(self.bert).words
        outputs = {"pieces": self.predictions(states, table, self.compute_dtype)}
        if self.rating is not None:
            outputs["rating"] = self._rate(hidden[:, : firsts.shape[1]])
        return outputs

    def _asked(
        self, data: Batch, seed: Sequence[tf.Tensor | int]
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Hides pieces of a batch and adds what is to be said of them."""
        features, ratings, weights = data
        hidden = self.hide(features["input_ids"], features["segments"], seed)
        places = self.hide.places(hidden)
        features = {**features, "input_ids": hidden.input_ids, "read": hidden.read, "places": places.places}
        targets, counts = {"pieces": places.pieces}, {"pieces": places.weights}
        if self.rating is not None:
            targets["rating"], counts["rating"] = ratings, weights
        return features, targets, counts

    def _objectives(self) -> dict[str, tuple[keras.losses.Loss, float, list[keras.metrics.Metric]]]:
        return {"pieces": (PieceLoss(self), 1.0, [sparse_accuracy()])}

    def _figures(self, results: Mapping[str, float]) -> dict[str, float]:
        """{"perplexity": e to the mean loss of a hidden piece, "accuracy": share of hidden pieces said right}."""
        before = "" if self.rating is None else "pieces_"  # Keras names a single output's figures without it
        return {
            "perplexity": math.exp(min(results[before + "loss"], 99.0)),
            "accuracy": results[before + "accuracy"],
        }

    def score(self, figures: Mapping[str, float]) -> float:
        """What the best epoch has most of."""
        return -math.log(figures["perplexity"]) - self.rating_weight * figures.get("rating_loss", 0.0)

    def _saved(self) -> tuple[str, dict[str, np.ndarray]]:
        names = families.of(self.bert.config).names.predictions()
        return "ForMaskedLM", {names[part]: value for part, value in self.predictions.values().items()}
