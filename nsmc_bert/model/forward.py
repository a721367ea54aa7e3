"""The forward pass of BERT and its kin over an encoder's weights, computing only what is read afterwards.

`encode` returns what transformers' own model of the family returns, to rounding, in less time:

* the query, key and value projections of a layer are one matrix product;
* the last layer computes queries, attention output and feed-forward for the positions that are read, and no others: a
  classifier reads position 0 alone, which saves a fifth of the arithmetic of a four-layer model, forwards and
  backwards;
* in training, what lies between two matrix products (the softmax of attention; GELU; dropout, residual and layer
  normalisation) is one piece with its gradient written out, and on CPUs XLA compiles each piece into one pass over
  memory. Operation by operation these took more than half of a step; compiling the matrix products too would halve
  their speed;
* dropout takes one random byte an element from a counter-based generator, a pure function of (seed, step, place): a
  resumed run draws what the uninterrupted one would have drawn.

Matrix products run in `compute_dtype`; layer normalisation, GELU and the softmax of training always run in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from nsmc_bert.base.runtime import accelerated
from nsmc_bert.model import families
from nsmc_bert.model.families import network
from nsmc_bert.model.tracing import Gradient, custom_gradient, traced_once

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from nsmc_bert.model.families.network import Dense, Encoder, Layer, Norm

MASKED = -10000.0  # added to the scores of padding, as in TFBertModel
TANH_SCALE, TANH_CUBE = (2 / math.pi) ** 0.5, 0.044715  # of the GELU by tanh
WORTH_COMPILING = 256  # hidden units of the feed-forward layer: below, compiling takes longer than it saves


def encode(
    bert: Encoder,
    input_ids: tf.Tensor,
    segments: tf.Tensor,
    *,
    positions: tf.Tensor | None = None,
    read: tf.Tensor | None = None,
    compute_dtype: str = "float32",
    dropout: Dropout | None = None,
    fused: bool | None = None,
    words: tf.Tensor | None = None,
) -> tf.Tensor:
    """Runs an encoder and returns its last hidden states.

    Args:
        bert: a built TFBertModel with absolute positions, or a Network.
        input_ids: int32 [batch, positions].
        segments: [batch, positions], any numeric dtype: an attention mask, 1 on tokens and 0 on padding; or, with
            `positions`, the number of the text in its row that a token belongs to, from 1, and 0 on padding.
        positions: None where a row is one text; or int32 [batch, positions], each token's place in its text, where rows
            are packed with several: attention then stays inside each.
        read: None for all positions, or int32 [batch, read]: the positions whose last hidden state is wanted.
        compute_dtype: dtype of the matrix products: float32, bfloat16 or float16.
        dropout: a Dropout for training, or None for inference.
        fused: whether XLA compiles the pieces between the matrix products in training. None: if one CPU computes, rows
            are packed, so that there is one shape to compile for, and the network is not tiny.
        words: None for the word embeddings of `input_ids`; or float32 [batch, positions, width of the
            embeddings], to take instead.

    Returns:
        compute_dtype [batch, positions or read, hidden].
    """
    last = _states(bert, input_ids, segments, positions, read, compute_dtype, dropout, fused, words)[-1]
    return tf.reshape(last, [_sizes(input_ids)[0], -1, bert.config.hidden_size])


def encode_layers(
    bert: Encoder,
    input_ids: tf.Tensor,
    segments: tf.Tensor,
    *,
    positions: tf.Tensor | None = None,
    compute_dtype: str = "float32",
) -> list[tf.Tensor]:
    """Runs an encoder and returns the output of the embeddings and of every layer.

    Args:
        bert, input_ids, segments, positions, compute_dtype: as in `encode`.

    Returns:
        num_hidden_layers + 1 of compute_dtype [batch, positions, hidden].
    """
    states = _states(bert, input_ids, segments, positions, None, compute_dtype, None, False, None)
    shape = [_sizes(input_ids)[0], -1, bert.config.hidden_size]
    return [tf.reshape(x, shape) for x in states[:: families.of(bert.config).states_every(bert.config)]]


def _states(
    bert: Encoder,
    input_ids: tf.Tensor,
    segments: tf.Tensor,
    positions: tf.Tensor | None,
    read: tf.Tensor | None,
    compute_dtype: str,
    dropout: Dropout | None,
    fused: bool | None,
    words: tf.Tensor | None,
) -> list[tf.Tensor]:
    """The output of the embeddings and of every layer, [batch * positions, hidden], the last of what is read alone."""
    config = bert.config
    family, weights = families.of(config), network.weights(bert)
    hidden, heads = config.hidden_size, config.num_attention_heads
    batch, length = _sizes(input_ids)
    if fused is None:
        fused = config.intermediate_size >= WORTH_COMPILING and positions is not None and _one_cpu()
    if positions is None:
        # padding sees what the text sees
        segments, queries = tf.cast(segments > 0, tf.int32), tf.ones([1, 1], tf.int32)
    else:
        queries = segments
    block = _Block(config, tf.as_dtype(compute_dtype), dropout, fused and dropout is not None)

    x = embed(bert, tf.reshape(input_ids, [-1])) if words is None else tf.reshape(words, [-1, words.shape[-1]])
    first = family.first_position(config)
    place = weights.positions[first:] if first else weights.positions
    place = place if weights.token_types is None else place + weights.token_types[0]
    if positions is None:
        x += tf.reshape(tf.broadcast_to(place[:length], [batch, length, x.shape[1]]), [-1, x.shape[1]])
    else:
        x += _take(place, tf.reshape(positions, [-1]))
    x = tf.cast(block.drop(block.norm(x, weights.norm), config.hidden_dropout_prob), block.dtype)
    x = x if weights.projection is None else block.project(x, [weights.projection])

    states, last = [x], len(weights.layers) - 1
    for number, layer in enumerate(weights.layers):
        projections = [layer.query, layer.key, layer.value]
        if read is not None and number == last:
            keys_values = block.project(x, projections[1:])
            rows = read + (tf.range(batch) * length)[:, None]
            x = _take(x, tf.reshape(rows, [-1]))
            parts = [block.project(x, projections[:1]), keys_values]
            if positions is not None:
                queries = tf.gather(tf.reshape(segments, [-1]), rows)
        else:
            parts = [block.project(x, projections)]
        query, key, value = [
            tensor
            for part in parts
            for tensor in tf.unstack(
                tf.transpose(
                    tf.reshape(part, [batch, -1, part.shape[1] // hidden, heads, hidden // heads]), [2, 0, 3, 1, 4]
                )
            )
        ]
        shares = block.attend(tf.matmul(query, key, transpose_b=True), queries, segments, (hidden // heads) ** -0.5)
        context = tf.reshape(tf.transpose(tf.matmul(shares, value), [0, 2, 1, 3]), [-1, hidden])
        x = block.add_norm(context, layer.attention_output, layer.attention_norm, x, family.drops_attention)
        inner = block.activate(block.project(x, [layer.intermediate]))
        x = block.add_norm(inner, layer.output, layer.output_norm, x, family.drops_output)
        states.append(x)
    return states


def attention(
    layer: Layer, states: tf.Tensor, mask: tf.Tensor, heads: int, *, compute_dtype: str = "float32"
) -> tf.Tensor:
    """What the heads of a layer attend to.

    Args:
        layer: one of network.weights.
        states: [batch, positions, hidden], what the layer reads.
        mask: int32 [batch, positions], 1 on tokens and 0 on padding.
        heads: how many the layer has.
        compute_dtype: dtype of the projections' matrix products.

    Returns:
        float32 [batch, heads, queries, keys]; the keys of each query add up to 1.
    """
    batch, length, hidden = _sizes(states)
    query, key = (
        tf.transpose(tf.reshape(projected, [batch, length, heads, hidden // heads]), [0, 2, 1, 3])
        for projected in (
            tf.cast(tf.cast(states, compute_dtype) @ tf.cast(dense.kernel, compute_dtype), tf.float32) + dense.bias
            for dense in (layer.query, layer.key)
        )
    )
    scores = tf.matmul(query, key, transpose_b=True) * (hidden // heads) ** -0.5
    return tf.nn.softmax(scores + tf.where(mask[:, None, None, :] > 0, 0.0, MASKED))


def embed(bert: Encoder, input_ids: tf.Tensor) -> tf.Tensor:
    """The word embeddings of token ids, without positions: int32 [...] -> float32 [..., width of the embeddings]."""
    return tf.gather(network.weights(bert).words, input_ids)


def _sizes(x: tf.Tensor) -> list[Any]:
    """The sizes of x, whole numbers where they are known: operations that need not be."""
    return [tf.shape(x)[place] if size is None else size for place, size in enumerate(tf.TensorShape(x.shape))]


def _take(table: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Rows of a table of [rows, width]: int32 [...] -> [..., width]. Its gradient is dense, of one operation."""

    @custom_gradient
    def run(table: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        rows = _sizes(table)[0]
        return tf.gather(table, places), lambda upstream: tf.math.unsorted_segment_sum(upstream, places, rows)

    return run(table)


def _one_cpu() -> bool:
    """Whether the code being traced runs on one device, a CPU."""
    context = tf.distribute.get_replica_context()
    single = context is None or context.num_replicas_in_sync == 1
    return single and not accelerated()


def lexical(bert: Encoder, input_ids: tf.Tensor) -> tf.Tensor:
    """The word embeddings without position and token type, normalised and, where the family does so, projected to the
    layers' width: int32 [batch, positions] -> float32 [batch, positions, hidden].
    """
    config, weights = bert.config, network.weights(bert)
    block = _Block(config, tf.float32, None, False)
    x = block.norm(tf.gather(weights.words, tf.reshape(input_ids, [-1])), weights.norm)
    x = x if weights.projection is None else block.project(x, [weights.projection])
    return tf.reshape(x, [*_sizes(input_ids), config.hidden_size])


def pool(bert: Encoder, hidden_states: tf.Tensor, dropout: Dropout | None = None) -> tf.Tensor:
    """The pooler on the first position, activation(dense(hidden_states[:, 0])): float32 [batch, hidden].

    Args:
        bert: as in `encode`.
        hidden_states: [batch, positions, hidden].
        dropout: a Dropout for training, which some families have before the dense layer; or None.
    """
    family, dense = families.of(bert.config), network.weights(bert).pooler
    x = tf.cast(hidden_states[:, 0], tf.float32)
    if dropout is not None and family.drops_before_pooler:
        x = dropout(x, classifier_dropout(bert.config))
    return activation(family.activation)(tf.matmul(x, dense.kernel) + dense.bias)


def classifier_dropout(config: PretrainedConfig) -> float:
    """The rate of the dropout before a classifier's output."""
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, fused: bool | None = None) -> tf.Tensor:
    """The cross-entropy of each row.

    Args:
        logits: float32 [rows, classes].
        labels: integers [rows].
        fused: whether XLA compiles it, which pays for many classes, as the pieces of a vocabulary. None: if one CPU
            computes.

    Returns:
        float32 [rows].
    """
    if not (_one_cpu() if fused is None else fused):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    @custom_gradient
    def run(logits: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        result, total = traced_once(_cross_entropy_forwards, True)(logits, labels)
        return result, lambda upstream: traced_once(_cross_entropy_backwards, True)(upstream, logits, total, labels)

    return run(logits)


def activation(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function of an activation's name in a configuration."""
    if name == "gelu":
        return tf.nn.gelu
    from transformers.activations_tf import get_tf_activation

    return get_tf_activation(name)


class Dropout:
    """Dropout whose masks are a function of (seed, step, replica, place), drawn in one byte an element.

    The rate is rounded to 1/256 and the survivors are scaled by what was really kept.

    Args:
        seed: the run's seed, an integer, or an int64 scalar tensor or variable.
        step: int64 scalar tensor, the optimizer's step.
    """

    def __init__(self, seed: int | tf.Tensor | tf.Variable, step: tf.Tensor) -> None:
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        step = tf.cast(step, tf.int64) * 1024 + tf.cast(replica, tf.int64)
        self._seed = tf.stack([tf.convert_to_tensor(seed, tf.int64), step * 1024])
        self._place = 0

    def __call__(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        """Zeroes a share `rate` of `x` (any shape, any float dtype) and scales the rest to keep the mean."""
        return _drop(x, self.noise(tf.shape(x)), rate) if round(rate * 256) else x

    def skip(self) -> None:
        """Passes over the next place."""
        self._place += 1

    def factors(self, shape: tf.Tensor, rate: float, dtype: tf.DType) -> tf.Tensor:
        """What the next place multiplies with: 0 for a share `rate`, and for the rest what keeps the mean."""
        return _factors(self.noise(shape), rate, dtype)

    def noise(self, shape: tf.Tensor) -> tf.Tensor:
        """The next place's random bytes, uint8 of this shape."""
        self._place += 1
        return traced_once(_random_bytes)(shape, self._seed, tf.constant([0, self._place], tf.int64))


def _random_bytes(shape: tf.Tensor, seed: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    size = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform([(size + 3) // 4], seed + place, minval=None, maxval=None, dtype=tf.int32)
    return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size], shape)


def _factors(noise: tf.Tensor, rate: float, dtype: tf.DType) -> tf.Tensor:
    """Dropout's factors from random bytes; 1 where the rate rounds to 0."""
    dropped = min(round(rate * 256), 255)  # of a rate next to 1 something is left
    kept, zero = tf.constant(256 / (256 - dropped), dtype), tf.constant(0.0, dtype)
    return tf.where(noise >= tf.constant(dropped, tf.uint8), kept, zero)


class _Block:
    """The pieces of a Transformer layer on flat [rows, hidden] tensors."""

    def __init__(self, config: PretrainedConfig, dtype: tf.DType, dropout: Dropout | None, fused: bool) -> None:
        self.dtype = dtype
        self.config = config
        self.dropout = dropout
        self.fused = fused

    def drop(self, x: tf.Tensor, rate: float) -> tf.Tensor:
        return x if self.dropout is None else self.dropout(x, rate)

    def project(self, x: tf.Tensor, layers: Sequence[Dense]) -> tf.Tensor:
        """x through one or several dense layers side by side: [rows, in] -> [rows, sum of out]."""
        kernels = [tf.cast(layer.kernel, self.dtype) for layer in layers]
        biases = [tf.cast(layer.bias, self.dtype) for layer in layers]
        kernel, bias = (kernels[0], biases[0]) if len(layers) == 1 else (tf.concat(kernels, 1), tf.concat(biases, 0))
        return _dense(x, kernel, bias)

    def norm(self, x: tf.Tensor, layer_norm: Norm) -> tf.Tensor:
        """Layer normalisation in float32."""
        return self._normalise(x, None, None, layer_norm, tf.float32)

    def add_norm(self, x: tf.Tensor, dense: Dense, norm: Norm, residual: tf.Tensor, drops: bool) -> tf.Tensor:
        """Dense, dropout if it `drops`, residual and layer normalisation: the end of either half of a layer."""
        x = self.project(x, [dense])
        rate = self.config.hidden_dropout_prob if drops else 0.0
        noise = self.dropout.noise(tf.shape(x)) if self.dropout is not None and round(rate * 256) else None
        return self._normalise(x, residual, noise, norm, self.dtype)

    def attend(self, scores: tf.Tensor, queries: tf.Tensor, keys: tf.Tensor, scale: float) -> tf.Tensor:
        """Attention weights [batch, heads, queries, keys] of scores, with dropout; keys of other segments than a
        query's are masked.
        """
        rate = self.config.attention_probs_dropout_prob
        noise = self.dropout.noise(tf.shape(scores)) if self.dropout is not None and round(rate * 256) else None
        return _attend(scores, queries, keys, noise, scale, rate, self.fused)

    def activate(self, x: tf.Tensor) -> tf.Tensor:
        """The activation of the feed-forward layer."""
        name = self.config.hidden_act
        # without a gradient to take, TensorFlow fuses its own GELU with the matrix product before it
        return _gelu(x, self.fused, name) if name in GELUS and self.dropout is not None else activation(name)(x)

    def _normalise(
        self,
        x: tf.Tensor,
        residual: tf.Tensor | None,
        noise: tf.Tensor | None,
        layer_norm: Norm,
        dtype: tf.DType,
    ) -> tf.Tensor:
        gamma, beta = tf.convert_to_tensor(layer_norm.gamma), tf.convert_to_tensor(layer_norm.beta)
        rate, epsilon = self.config.hidden_dropout_prob, self.config.layer_norm_eps
        return _add_norm(x, residual, noise, gamma, beta, rate, epsilon, dtype, self.fused)


@custom_gradient
def _dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
    """x @ kernel + bias. The gradient of the bias is a matrix product too, which takes a fifth of a sum over rows."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return traced_once(_dense_backwards)(upstream, x, kernel)

    return tf.nn.bias_add(tf.matmul(x, kernel), bias), gradient


def _dense_backwards(upstream: tf.Tensor, x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return (
        tf.matmul(upstream, kernel, transpose_b=True),
        tf.matmul(x, upstream, transpose_a=True),
        _sum_rows(upstream),
    )


def _sum_rows(x: tf.Tensor) -> tf.Tensor:
    """The sum over the rows of [rows, n]: on a CPU as a matrix product, of which a GPU makes a slow one of one row."""
    if accelerated():
        return tf.cast(tf.reduce_sum(tf.cast(x, tf.float32), 0), x.dtype)
    return tf.matmul(tf.ones([1, _sizes(x)[0]], x.dtype), x)[0]


def _gelu(x: tf.Tensor, fused: bool, name: str) -> tf.Tensor:
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016), or what `name` in GELUS stands for."""
    forwards, backwards = GELUS[name]

    @custom_gradient
    def run(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        return traced_once(forwards, fused)(x), lambda upstream: traced_once(backwards, fused)(x, upstream)

    return run(x)


def _gelu_forwards(x: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * (0.5 + 0.5 * tf.math.erf(wide * 2**-0.5)), x.dtype)


def _gelu_backwards(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    share = 0.5 + 0.5 * tf.math.erf(wide * 2**-0.5)
    density = tf.exp(-0.5 * tf.square(wide)) * (2 * math.pi) ** -0.5
    return tf.cast(tf.cast(upstream, tf.float32) * (share + wide * density), x.dtype)


def _gelu_new_forwards(x: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    return tf.cast(wide * (0.5 + 0.5 * tf.tanh(TANH_SCALE * (wide + TANH_CUBE * wide**3))), x.dtype)


def _gelu_new_backwards(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    wide = tf.cast(x, tf.float32)
    tangent = tf.tanh(TANH_SCALE * (wide + TANH_CUBE * wide**3))
    slope = (1 - tf.square(tangent)) * TANH_SCALE * (1 + 3 * TANH_CUBE * tf.square(wide))
    return tf.cast(tf.cast(upstream, tf.float32) * (0.5 + 0.5 * tangent + 0.5 * wide * slope), x.dtype)


GELUS = {  # activations whose gradients are written out
    "gelu": (_gelu_forwards, _gelu_backwards),
    "gelu_new": (_gelu_new_forwards, _gelu_new_backwards),
}


def _cross_entropy_forwards(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    total = tf.reduce_logsumexp(logits, -1)
    return total - tf.gather(logits, labels, batch_dims=1), total


def _cross_entropy_backwards(upstream: tf.Tensor, logits: tf.Tensor, total: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return upstream[:, None] * (tf.exp(logits - total[:, None]) - tf.one_hot(labels, logits.shape[-1]))


def _attend(
    scores: tf.Tensor,
    queries: tf.Tensor,
    keys: tf.Tensor,
    noise: tf.Tensor | None,
    scale: float,
    rate: float,
    fused: bool,
) -> tf.Tensor:
    """dropout(softmax(scores * scale)) over the keys that are of a query's segment.

    Args:
        scores: [batch, heads, queries, keys].
        queries, keys: int32 [batch or 1, queries or 1] and [batch, keys], their segments.
        noise: random bytes of the scores' shape, or None for no dropout.
    """

    @custom_gradient
    def run(scores: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        result, weights = traced_once(_attend_forwards, fused)(scores, queries, keys, noise, scale, rate)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return traced_once(_attend_backwards, fused)(upstream, weights, noise, scale, rate)

        return result, gradient

    return run(scores)


def _attend_forwards(
    scores: tf.Tensor, queries: tf.Tensor, keys: tf.Tensor, noise: tf.Tensor | None, scale: float, rate: float
) -> tuple[tf.Tensor, tf.Tensor]:
    queries, keys = tf.cast(queries, tf.float32), tf.cast(keys, tf.float32)  # a GPU leaves int32 to the host
    apart = tf.expand_dims(tf.expand_dims(queries, 2) != tf.expand_dims(keys, 1), 1)
    weights = tf.nn.softmax(tf.cast(scores, tf.float32) * scale + tf.where(apart, MASKED, 0.0))
    return tf.cast(_drop(weights, noise, rate), scores.dtype), weights


def _attend_backwards(
    upstream: tf.Tensor, weights: tf.Tensor, noise: tf.Tensor | None, scale: float, rate: float
) -> tf.Tensor:
    above = _drop(tf.cast(upstream, tf.float32), noise, rate)
    inner = above * weights
    return tf.cast(scale * (inner - weights * tf.reduce_sum(inner, -1, keepdims=True)), upstream.dtype)


def _add_norm(
    x: tf.Tensor,
    residual: tf.Tensor | None,
    noise: tf.Tensor | None,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    rate: float,
    epsilon: float,
    dtype: tf.DType,
    fused: bool,
) -> tf.Tensor:
    """Layer normalisation (Ba et al. 2016) of residual + dropout(x), both [rows, hidden], as `dtype`.

    `noise` is None for no dropout, `residual` is None for x alone.
    """
    added = [] if residual is None else [residual]

    @custom_gradient
    def run(gamma: tf.Tensor, beta: tf.Tensor, x: tf.Tensor, *added: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        result, normal, scale = traced_once(_add_norm_forwards, fused)(
            x, added, noise, gamma, beta, rate, epsilon, dtype
        )

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            arguments = upstream, normal, scale, noise, gamma, rate, [x.dtype, *(each.dtype for each in added)]
            for_gamma, for_beta, *below = traced_once(_add_norm_backwards, fused)(*arguments)
            return [*traced_once(_sums)(for_gamma, for_beta), *below]

        return result, gradient

    return run(gamma, beta, x, *added)


def _sums(*given: tf.Tensor) -> list[tf.Tensor]:
    return [_sum_rows(x) for x in given]


def _add_norm_forwards(
    x: tf.Tensor,
    added: Sequence[tf.Tensor],
    noise: tf.Tensor | None,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    rate: float,
    epsilon: float,
    dtype: tf.DType,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    total = _drop(tf.cast(x, tf.float32), noise, rate)
    for residual in added:
        total += tf.cast(residual, tf.float32)
    centred = total - tf.reduce_mean(total, -1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)
    normal = centred * scale
    return tf.cast(normal * gamma + beta, dtype), normal, scale


def _add_norm_backwards(
    upstream: tf.Tensor,
    normal: tf.Tensor,
    scale: tf.Tensor,
    noise: tf.Tensor | None,
    gamma: tf.Tensor,
    rate: float,
    dtypes: Sequence[tf.DType],
) -> list[tf.Tensor]:
    upstream = tf.cast(upstream, tf.float32)
    inner = upstream * gamma
    along = tf.reduce_mean(inner * normal, -1, keepdims=True)
    total = scale * (inner - tf.reduce_mean(inner, -1, keepdims=True) - normal * along)
    to_x, to_added = tf.cast(_drop(total, noise, rate), dtypes[0]), [tf.cast(total, dtype) for dtype in dtypes[1:]]
    return [upstream * normal, upstream, to_x, *to_added]


def _drop(x: tf.Tensor, noise: tf.Tensor | None, rate: float) -> tf.Tensor:
    return x if noise is None else x * _factors(noise, rate, x.dtype)
