"""Replaced-token detection: an encoder learns to tell which pieces of a text are not those that were written (ELECTRA,
Clark et al. 2020, section 2).

Of each text a share of the pieces is hidden. A narrow generator, which shares the encoder's embeddings, learns to say
what they were, as a masked language model does; pieces drawn from its probabilities are put in their place. The
encoder, the discriminator, then says of every piece whether it is another one than the text's. As in the authors' code
85 % of the hidden pieces become [MASK] and the rest stay, and drawing the right piece counts as nothing replaced; other
than there, whole words are hidden.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model import checkpoints, families, forward
from nsmc_bert.model.families import network
from nsmc_bert.model.hiding import MASKED_SHARE, Hidden, Hide, Places
from nsmc_bert.model.language_model import Batch, Head, LanguageModel, PieceLoss, PieceOutput, sparse_accuracy

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from nsmc_bert.model.families.network import Encoder
    from nsmc_bert.model.tokenizers import Tokenizer

MASKED = 0.85  # of the hidden pieces
GENERATOR_SHARE = 0.25
DETECTION_WEIGHT = 50.0  # of the discriminator's loss beside the generator's (Clark et al. 2020, appendix A)
DRAWING = 1 << 40  # added to a step's seed where pieces are drawn, so that these are others than what hides


class DetectionHead(Head):
    """Says of each state how likely its piece was replaced: a dense layer, the encoder's activation, and an output.

    Args:
        config: the encoder's.
        seed: of the first weights.
    """

    title = "discriminator"

    def __init__(self, config: PretrainedConfig, seed: int) -> None:
        super().__init__(name="detection", dtype="float32", autocast=False)  # `call` has its products in its input's
        self.named = {}
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range, seed=seed)
        self.dense("dense", (config.hidden_size, config.hidden_size), initializer)
        self.dense("dense_prediction", (config.hidden_size, 1), initializer)
        self.activation = forward.activation(config.hidden_act)
        self.built = True

    def call(self, states: tf.Tensor) -> tf.Tensor:
        """Logits of having been replaced: [n, hidden], of any float dtype -> float32 [n, 1]."""
        x = self.activation(tf.cast(self.apply_dense("dense", states), tf.float32))
        return self.apply_dense("dense_prediction", x)


def narrow(config: PretrainedConfig, share: float) -> PretrainedConfig:
    """The configuration of a generator: as many layers, of a share of the heads, each as wide as before.

    Args:
        config: the discriminator's.
        share: of the heads, and so of the width, above 0 and up to 1; at least one head remains.

    Example:
        >>> from transformers import ElectraConfig
        >>> small = narrow(ElectraConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072), 0.25)
        >>> small.hidden_size, small.num_attention_heads, small.intermediate_size
        (192, 3, 768)
    """
    small, heads = copy.deepcopy(config), max(1, round(share * config.num_attention_heads))
    small.hidden_size = config.hidden_size // config.num_attention_heads * heads
    small.intermediate_size = config.intermediate_size * heads // config.num_attention_heads
    small.num_attention_heads = heads
    return small


def draw_pieces(logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws from softmax(logits) by Gumbel's noise: the largest of logits - log(-log(u)), u uniform in 0 to 1, is each
    with its probability (Maddison et al. 2014, section 2).

    Args:
        logits: float32 [n, vocabulary].
        seed: int64 [2].

    Returns:
        int32 [n].
    """
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed)
    return tf.argmax(logits - tf.math.log(-tf.math.log(uniform)), -1, output_type=tf.int32)


def put(ids: tf.Tensor, hidden: Hidden, places: Places, drawn: tf.Tensor) -> tf.Tensor:
    """Puts drawn pieces in the place of those that are hidden.

    Args:
        ids: int32 [rows, length], as they were before anything was hidden.
        hidden, places: what is hidden of them.
        drawn: int32 [n], a piece for each of `places`.

    Returns:
        int32 [rows, length].
    """
    room = hidden.read.shape[1]
    flat = places.places // room * ids.shape[1] + tf.gather(tf.reshape(hidden.read, [-1]), places.places)
    pieces = tf.where(places.weights > 0, drawn, places.pieces)
    return tf.reshape(tf.tensor_scatter_nd_update(tf.reshape(ids, [-1]), flat[:, None], pieces), tf.shape(ids))


class ReplacedTokenDetector(LanguageModel):
    """An encoder that learns which pieces a generator, learned beside it, has replaced and, as an option, a text's
    rating.

    Args:
        bert, tokenizer, ratings, rating_weight, max_length, seed, precision, fused: see LanguageModel.
        masked_share: of a text's pieces, those to hide.
        generator_share: of the encoder's width, that of the generator; see `narrow`.
        detection: weights of the encoder's output to start from, as checkpoints.Loaded has them; empty for new ones.

    Attributes:
        generator: a Network over the encoder's own embeddings.

    Call:
        {"input_ids", "segments", "positions": int32 [rows, length], "firsts": int32 [rows, slots]: packed rows, as
        packing.dataset has them; "hidden": a Hidden of them; "places": its Places; "seed": int64 [2], of what is drawn}
        -> {"pieces": float32 [n, vocabulary], the generator's logits; "replaced": float32 [rows * length, 1], those of
        having been replaced; "was_replaced": float32 [rows * length, 1], whether it was; "rating": float32 [rows,
        slots, ratings]}; the last only if there are any.
    """

    def __init__(
        self,
        bert: Encoder,
        tokenizer: Tokenizer,
        *,
        ratings: int = 0,
        rating_weight: float = 1.0,
        masked_share: float = MASKED_SHARE,
        generator_share: float = GENERATOR_SHARE,
        max_length: int = 128,
        seed: int = 0,
        precision: str = "float32",
        detection: Mapping[str, np.ndarray] | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            bert,
            tokenizer,
            Hide(tokenizer, masked_share, MASKED, 0.0),
            ratings=ratings,
            rating_weight=rating_weight,
            max_length=max_length,
            seed=seed,
            precision=precision,
            fused=fused,
            name="replaced_token_detector",
        )
        config, weights = bert.config, network.weights(bert)
        self.generator = network.Network(narrow(config, generator_share), weights, name="generator")
        checkpoints.draw(self.generator, [seed, 1])  # of another stream than the encoder's own
        self.predictions = PieceOutput(self.generator.config, weights.words.shape[1], seed)
        self.detection = DetectionHead(config, seed)
        self.detection.set(detection or {})
        self.built = True
        self.shown = ("loss", "pieces_accuracy", "replaced_accuracy", *(["rating_accuracy"] if ratings else []))

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, tf.Tensor]:
        dropout = forward.Dropout(self.seed, self.optimizer.iterations) if training else None
        hidden, places, ids = inputs["hidden"], inputs["places"], inputs["input_ids"]
        states = self._encode(self.generator, hidden.input_ids, inputs, dropout, hidden.read)
        states = tf.gather(tf.reshape(states, [-1, states.shape[-1]]), places.places)
        pieces = self.predictions(states, network.weights(self.bert).words, self.compute_dtype)
        corrupted = put(ids, hidden, places, draw_pieces(pieces, inputs["seed"]))
        states = self._encode(self.bert, corrupted, inputs, dropout, None)
        outputs = {
            "pieces": pieces,
            "replaced": self.detection(tf.reshape(states, [-1, states.shape[-1]])),
            "was_replaced": tf.cast(tf.reshape(corrupted != ids, [-1, 1]), tf.float32),
        }
        if self.rating is not None:
            outputs["rating"] = self._rate(tf.gather(states, inputs["firsts"], axis=1, batch_dims=1))
        return outputs

    def _asked(
        self, data: Batch, seed: Sequence[tf.Tensor | int]
    ) -> tuple[dict[str, Any], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Hides pieces of a batch and adds what is to be said of them; what is replaced, `call` says."""
        features, ratings, weights = data
        hidden = self.hide(features["input_ids"], features["segments"], seed)
        places = self.hide.places(hidden)
        real = tf.cast(tf.reshape(features["segments"], [-1]) > 0, tf.float32)
        first, second = (tf.cast(part, tf.int64) for part in seed)
        drawing = tf.stack([first, tf.reduce_sum(second) + DRAWING])
        features = {**features, "hidden": hidden, "places": places, "seed": drawing}
        targets = {"pieces": places.pieces}
        counts = {"pieces": places.weights, "replaced": real * (real.shape[0] / tf.maximum(tf.reduce_sum(real), 1.0))}
        if self.rating is not None:
            targets["rating"], counts["rating"] = ratings, weights
        return features, targets, counts

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **options: Any
    ) -> tf.Tensor:
        """Keras', with what was replaced among the targets."""
        return super().compute_loss(x, *_complete(y, y_pred), sample_weight, **options)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, tf.Tensor]:
        """Likewise."""
        return super().compute_metrics(x, *_complete(y, y_pred), sample_weight)

    def _objectives(self) -> dict[str, tuple[keras.losses.Loss, float, list[keras.metrics.Metric]]]:
        figures = [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0), _Share(name="share")]
        detection = keras.losses.BinaryCrossentropy(from_logits=True, name="replaced")
        return {
            "pieces": (PieceLoss(self), 1.0, [sparse_accuracy()]),
            "replaced": (detection, DETECTION_WEIGHT, figures),
        }

    def _figures(self, results: Mapping[str, float]) -> dict[str, float]:
        """{"detection_loss" of a piece, "detection_accuracy", "replaced_share" of all pieces, which to call none
        replaced gets wrong, "generator_perplexity", "generator_accuracy" of the hidden pieces}.
        """
        return {
            "detection_loss": results["replaced_loss"],
            "detection_accuracy": results["replaced_accuracy"],
            "replaced_share": results["replaced_share"],
            "generator_perplexity": math.exp(min(results["pieces_loss"], 99.0)),
            "generator_accuracy": results["pieces_accuracy"],
        }

    def score(self, figures: Mapping[str, float]) -> float:
        """What the best epoch has most of. The better the generator, the harder the discriminator's task: of the two
        losses the generator's alone is the same thing in every epoch.
        """
        return -math.log(figures["generator_perplexity"]) - self.rating_weight * figures.get("rating_loss", 0.0)

    def _saved(self) -> tuple[str, dict[str, np.ndarray]]:
        name = families.of(self.bert.config).names.detection
        if not name:  # a family of which transformers has no discriminator
            return "Model", {}
        return "ForPreTraining", {f"{name}.{part}": value for part, value in self.detection.values().items()}


def _complete(y: Mapping[str, tf.Tensor], y_pred: Mapping[str, tf.Tensor]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Targets and outputs, once what was replaced is known."""
    outputs = dict(y_pred)
    return {**y, "replaced": outputs.pop("was_replaced")}, outputs


class _Share(keras.metrics.Mean):
    """The mean of the targets."""

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> Any:
        return super().update_state(y_true, sample_weight)
