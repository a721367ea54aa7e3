"""The forward pass of BERT over a TFBertModel's weights, computing only what is read afterwards.

`encode` returns what TFBertModel returns, to rounding, in less time:

* the query, key and value projections of a layer are one matrix product;
* the last layer computes queries, attention output and feed-forward for the positions that are read, and no others: a
  classifier reads position 0 alone, which saves a fifth of the arithmetic of a four-layer model, forwards and backwards;
* dropout takes one random byte an element from a counter-based generator, a pure function of (seed, step, place): a
  resumed run draws what the uninterrupted one would have drawn.

Matrix products run in `compute_dtype`; layer normalisation and the softmax always run in float32.
"""

import tensorflow as tf

MASKED = -10000.0  # added to the scores of padding, as in TFBertModel


def encode(bert, input_ids, attention_mask, *, read=None, compute_dtype="float32", dropout=None):
    """Runs BERT and returns its last hidden states.

    Args:
        bert: a built TFBertModel with absolute positions.
        input_ids: int32 [batch, positions].
        attention_mask: [batch, positions], 1 on tokens and 0 on padding, any numeric dtype.
        read: None for all positions, or int32 [batch, read]: the positions whose last hidden state is wanted.
        compute_dtype: dtype of the matrix products: float32, bfloat16 or float16.
        dropout: a Dropout for training, or None for inference.

    Returns:
        compute_dtype [batch, positions or read, hidden].
    """
    config = bert.config
    hidden, heads = config.hidden_size, config.num_attention_heads
    batch, positions = tf.shape(input_ids)[0], tf.shape(input_ids)[1]
    mask = ((1.0 - tf.cast(attention_mask, tf.float32)) * MASKED)[:, None, None, :]
    block = _Block(config, tf.as_dtype(compute_dtype), dropout)

    embeddings = bert.bert.embeddings
    x = tf.gather(embeddings.weight, tf.reshape(input_ids, [-1]))
    place = embeddings.position_embeddings[:positions] + embeddings.token_type_embeddings[0]
    x += tf.reshape(tf.broadcast_to(place, [batch, positions, hidden]), [-1, hidden])
    x = tf.cast(block.drop(block.norm(x, embeddings.LayerNorm), config.hidden_dropout_prob), block.dtype)

    layers = bert.bert.encoder.layer
    for layer in layers:
        attention = layer.attention.self_attention
        projections = [attention.query, attention.key, attention.value]
        if read is not None and layer is layers[-1]:
            keys_values = block.project(x, projections[1:])
            x = tf.reshape(x, [batch, positions, hidden])
            x = tf.reshape(tf.gather(x, read, axis=1, batch_dims=1), [-1, hidden])
            parts = [block.project(x, projections[:1]), keys_values]
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
        scores = tf.cast(tf.matmul(query * (hidden // heads) ** -0.5, key, transpose_b=True), tf.float32)
        weights = tf.cast(tf.nn.softmax(scores + mask), block.dtype)
        weights = block.drop(weights, config.attention_probs_dropout_prob)
        context = tf.reshape(tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3]), [-1, hidden])
        x = block.add_norm(context, layer.attention.dense_output, x)
        x = block.add_norm(block.activate(block.project(x, [layer.intermediate.dense])), layer.bert_output, x)
    return tf.reshape(x, [batch, -1, hidden])


def pool(bert, hidden_states):
    """The pooler of BERT on the first position: tanh(dense(hidden_states[:, 0])), float32 [batch, hidden]."""
    dense = bert.bert.pooler.dense
    return tf.tanh(tf.matmul(tf.cast(hidden_states[:, 0], tf.float32), dense.kernel) + dense.bias)


class Dropout:
    """Dropout whose masks are a function of (seed, step, replica, place), drawn in one byte an element.

    The rate is rounded to 1/256 and the survivors are scaled by what was really kept.

    Args:
        seed: int, the run's seed.
        step: int64 scalar tensor, the optimizer's step.
    """

    def __init__(self, seed, step):
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group if context else 0
        step = tf.cast(step, tf.int64) * 1024 + tf.cast(replica, tf.int64)
        self._seed = tf.stack([tf.constant(seed, tf.int64), step * 1024])
        self._place = 0

    def __call__(self, x, rate):
        """Zeroes a share `rate` of `x` (any shape, any float dtype) and scales the rest to keep the mean."""
        dropped = round(rate * 256)
        if not dropped:
            return x
        self._place += 1
        size = tf.size(x)
        words = tf.random.stateless_uniform(
            [(size + 3) // 4], self._seed + [0, self._place], minval=None, maxval=None, dtype=tf.int32
        )
        noise = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size], tf.shape(x))
        keep = tf.cast(noise >= tf.constant(dropped, tf.uint8), x.dtype)
        return x * (keep * tf.cast(256 / (256 - dropped), x.dtype))


class _Block:
    """The pieces of a Transformer layer on flat [rows, hidden] tensors."""

    def __init__(self, config, dtype, dropout):
        self.dtype = dtype
        self.epsilon = config.layer_norm_eps
        self.hidden_dropout = config.hidden_dropout_prob
        self.dropout = dropout
        self.activate = _activation(config.hidden_act)

    def drop(self, x, rate):
        return x if self.dropout is None else self.dropout(x, rate)

    def project(self, x, layers):
        """x through one or several Dense layers side by side: [rows, in] -> [rows, sum of out]."""
        kernels = [tf.cast(layer.kernel, self.dtype) for layer in layers]
        biases = [tf.cast(layer.bias, self.dtype) for layer in layers]
        kernel, bias = (kernels[0], biases[0]) if len(layers) == 1 else (tf.concat(kernels, 1), tf.concat(biases, 0))
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)

    def add_norm(self, x, output, residual):
        """Dense, dropout, residual and layer normalisation: the end of either half of a layer."""
        x = self.drop(self.project(x, [output.dense]), self.hidden_dropout)
        return tf.cast(self.norm(tf.cast(x + residual, tf.float32), output.LayerNorm), self.dtype)

    def norm(self, x, layer_norm):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        centred = x - mean
        variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * layer_norm.gamma + layer_norm.beta


def _activation(name):
    if name == "gelu":
        return tf.nn.gelu
    from transformers.activations_tf import get_tf_activation

    return get_tf_activation(name) if isinstance(name, str) else name
