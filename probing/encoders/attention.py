"""The attention between two spans in place of their states: what the heads of a BERT, or of its kin, say of an edge.

    >>> from probing import encoders
    >>> heads = Attention(encoders.load("nsmc_bert/bundled/encoder"))
    >>> heads.widths                                       # two numbers of each of four heads, layer by layer
    (8, 8, 8, 8)

An edge of a sentence is read as two numbers of each head: how much the first span attends to the second one, and the
second to the first. Of a span of several positions that is the mean over those that attend of the sum over those that
are attended to (Clark et al. 2019, "What does BERT look at?", section 4.1). Each stands as the logarithm of how many
times that is what even attention to all positions would give: 0 where a head does not care. A probe of these numbers
knows no word and no place: what it can tell, attention has.

To whatever stores states and trains probes this is an encoder whose positions are the edges of a record
(alignment.edges) and whose layers are BERT's, each as wide as twice its heads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import families, forward
from nsmc_bert.model.families import network
from probing import alignment, encoders
from probing.encoders import batches
from probing.encoders.bert import Bert

if TYPE_CHECKING:
    from nsmc_bert.model.families.network import Encoder as Network

WEIGHTS = 1 << 24  # weights of attention that are in memory at a time
FLOOR = 1e-4  # attention below it counts as so much


class Attention(encoders.Encoder):
    """The heads of an encoder.

    Args:
        encoder: encoders.Encoder; a Bert.

    Raises:
        UserError: it is of another family.
    """

    published = ("heads",)

    def __init__(self, encoder: encoders.Encoder) -> None:
        if not isinstance(encoder, Bert):
            raise UserError(f"{encoder.name}: found an encoder that is no BERT, expected one, whose heads can be read")
        self._encoder = encoder
        config = encoder.weights().config
        if families.of(config).states_every(config) != 1:
            raise UserError(
                f"{encoder.name}: found layers of several parts, expected an encoder that shows what each reads"
            )
        self.name = f"attention:{encoder.name}"
        self.fingerprint = f"{encoder.fingerprint}-attention"
        self.layer0 = "none: heads alone"
        self.widths = (2 * config.num_attention_heads,) * config.num_hidden_layers
        self.max_positions, self.source = encoder.max_positions, encoder.source
        self._bert: Network | None = None
        self._of_batch: Callable | None = None

    def read(
        self, sentences: Sequence[Sequence[str]], glued: Sequence[Collection[int]] = ()
    ) -> list[alignment.Sentence]:
        return self._encoder.read(sentences, glued)

    def encode(self, payloads: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The attention of edges: for each payload of alignment.edges and each layer float16 [edges, 2 heads], that of
        the first span to the second by every head, and then that of the second to the first.
        """
        bert, of_batch = self._encoder.weights(), self._of_batch
        if of_batch is None or bert is not self._bert:  # released and loaded again since
            ids, edge = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None, 4], tf.int32)
            self._bert = bert
            of_edges = functools.partial(self._of_edges)  # see Bert
            of_batch = tf.function(of_edges, input_signature=[ids, ids, edge], autograph=False)
            self._of_batch = of_batch
        out: list[list[np.ndarray]] = [[] for _ in payloads]
        lengths = np.array([payload.shape[1] - 4 for payload in payloads], int)
        heads = self.widths[0] // 2
        for rows, length in batches.by_length(lengths, lambda length: WEIGHTS // (heads * length**2)):
            ids = np.full((len(rows), length), self._encoder.tokenizer.pad_id, np.int32)
            mask = np.zeros((len(rows), length), np.int32)
            edges = np.zeros((len(rows), max(len(payloads[row]) for row in rows), 4), np.int32)
            for line, row in enumerate(rows):
                ids[line, : lengths[row]], mask[line, : lengths[row]] = payloads[row][0, 4:], 1
                edges[line, : len(payloads[row])] = payloads[row][:, :4]
            for layer in of_batch(ids, mask, edges):
                for line, row in zip(np.asarray(layer), rows):
                    out[row].append(line[: len(payloads[row])])
        return out

    def release(self) -> None:
        self._bert = self._of_batch = None
        self._encoder.release()

    def representation(self, name: str) -> encoders.Representation:
        """heads: all of them, side by side; heads_k: those of layer k, from 1."""
        layers = len(self.widths)
        named = {"heads": tuple(range(layers)), **{f"heads_{k + 1}": (k,) for k in range(layers)}}
        return encoders.representation(name, named)

    def _of_edges(self, input_ids: tf.Tensor, mask: tf.Tensor, edges: tf.Tensor) -> list[tf.Tensor]:
        """float16 [batch, edges, 2 heads] of each layer; `edges` int32 [batch, edges, 4], the ends of both spans."""
        bert, dtype = self._bert, self._encoder.dtype
        assert bert is not None  # `encode` has loaded it
        states = forward.encode_layers(bert, input_ids, mask, compute_dtype=dtype)
        places = tf.range(tf.shape(input_ids)[1])
        first, second = (
            tf.cast((edges[..., i, None] <= places) & (places < edges[..., i + 1, None]), tf.float32) for i in (0, 2)
        )
        positions = tf.cast(tf.reduce_sum(mask, 1), tf.float32)[:, None, None]
        out = []
        for layer, x in zip(network.weights(bert).layers, states):
            weights = forward.attention(layer, x, mask, bert.config.num_attention_heads, compute_dtype=dtype)
            forth, back = _between(weights, first, second, positions), _between(weights, second, first, positions)
            out.append(encoders.to_float16(tf.concat([forth, back], 2)))
        return out


def _between(weights: tf.Tensor, queries: tf.Tensor, keys: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """What queries attend to keys, as a logarithm beside even attention.

    Args:
        weights: attention, float32 [batch, heads, n, n].
        queries, keys: float32 [batch, edges, n], 1 in the spans; a row that only fills up has none.
        positions: float32 [batch, 1, 1], those of the sentence.

    Returns:
        float32 [batch, edges, heads].
    """
    many, wide = (tf.maximum(tf.reduce_sum(span, -1, keepdims=True), 1.0) for span in (queries, keys))
    given = tf.einsum("bei,bhij,bej->beh", queries / many, weights, keys)
    return tf.math.log(tf.maximum(given, FLOOR) * positions / wide)
