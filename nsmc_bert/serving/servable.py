"""What a SavedModel of a classifier holds: weights, names, and functions of tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from nsmc_bert.model.classifier import SentimentClassifier
from nsmc_bert.serving.graph_tokenizer import GraphTokenizer


class Servable(tf.Module):
    """What is saved: the weights, the classes' names, and functions of tensors.

    Args:
        model: the SentimentClassifier.
        labels: a file with the names of its classes, one a line.
        takes_text: whether it takes strings, too.

    Raises:
        UserError: its tokenizer cannot be computed in a graph.
    """

    def __init__(self, model: SentimentClassifier, labels: Path, takes_text: bool) -> None:
        super().__init__()
        self._compute = model.call  # of the model nothing is saved but its weights: Keras would add its own functions
        self.parameters = list(model.weights)
        self.labels = tf.saved_model.Asset(str(labels))
        self.tokenizer = GraphTokenizer(model.tokenizer, model.max_length) if takes_text else None

    def tokens(self, input_ids: tf.Tensor, attention_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities of token ids: int32 [n, positions], twice -> float32 [n, classes]."""
        return {"probabilities": self._compute({"input_ids": input_ids, "attention_mask": attention_mask})}

    def text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities of texts: string [n] -> float32 [n, classes]."""
        assert self.tokenizer is not None
        return self.tokens(*self.tokenizer(text))

    def signatures(self) -> dict[str, Any]:
        """The functions by the names that they are asked by."""
        ids = [tf.TensorSpec([None, None], tf.int32, name) for name in ("input_ids", "attention_mask")]
        tokens = tf.function(self.tokens, input_signature=ids, autograph=False)
        if self.tokenizer is None:
            return {"serving_default": tokens, "tokens": tokens}
        strings = [tf.TensorSpec([None], tf.string, "text")]
        return {"serving_default": tf.function(self.text, input_signature=strings, autograph=False), "tokens": tokens}
