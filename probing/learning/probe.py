"""The probing model of Tenney et al. (2019) in Keras: a span of frozen states in, the probability of every label out.

    H   [positions, hidden]    scalar mix of the layers, or layers side by side; dropout 0.2
    r_i [targets, 256]         for each span of a target: projection, attention pooling inside the span
    z   [targets, 256 or 512]  r_1, or r_1 and r_2 side by side
    logits                     Dense(256), tanh, layer normalisation, dropout 0.3, Dense(labels); a sigmoid for each
    label

Positions of all sentences of a batch stand end to end, and only those that lie in some span are there. First weights
are PyTorch's, uniform on +-1/sqrt(inputs), as in the published study.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.runtime import accelerated
from nsmc_bert.model.forward import Dropout
from nsmc_bert.model.optimizers import OneOperation
from nsmc_bert.model.tracing import custom_gradient, traced_once
from probing.encoders import Representation

PROJECTION = 256  # of a span, and of the hidden layer of the classifier
INPUT_DROPOUT, DROPOUT = 0.2, 0.3


def dense(inputs: int, units: int, seed: int, **options: Any) -> keras.layers.Dense:
    """A Dense layer on `inputs` features with PyTorch's first weights."""
    limit = 1 / math.sqrt(inputs)
    layer = keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.RandomUniform(-limit, limit, seed=seed),
        bias_initializer=keras.initializers.RandomUniform(-limit, limit, seed=seed + 1),
        **options,
    )
    layer.build((None, inputs))
    return layer


class ScalarMix(keras.layers.Layer):
    """gamma times the mean of layers weighted by softmax(w); w begins at 0, gamma at 1 (Peters et al. 2018, equation
    1).

    A layer narrower than the widest is repeated to its width, as ELMo's character layer is.

    Call:
        blocks: list of float32 [layers, positions, width], their layers in order -> compute dtype [positions, largest
            width].
    """

    def __init__(self, layers: int, **options: Any):
        super().__init__(autocast=False, **options)
        self.w = self.add_weight(
            name="w", shape=[layers], initializer="zeros", dtype=tf.float32, experimental_autocast=False
        )
        self.gamma = self.add_weight(
            name="gamma", shape=[], initializer="ones", dtype=tf.float32, experimental_autocast=False
        )
        self.built = True

    def call(self, blocks: list[tf.Tensor]) -> tf.Tensor:
        weights = tf.convert_to_tensor(self.w), tf.convert_to_tensor(self.gamma)
        return tf.cast(traced_once(_mix, differentiated=True)(blocks, *weights, accelerated()), self.compute_dtype)

    def shares(self) -> np.ndarray:
        """softmax(w) as NumPy, float32 [layers]."""
        return tf.nn.softmax(self.w).numpy()


def _mix(blocks: list[tf.Tensor], w: tf.Tensor, gamma: tf.Tensor, on_gpu: bool) -> tf.Tensor:
    shares, widest = gamma * tf.nn.softmax(w), max(block.shape[-1] for block in blocks)
    blocks = [tf.tile(block, [1, 1, widest // block.shape[-1]]) for block in blocks] if len(blocks) > 1 else blocks
    layers = tf.concat(blocks, 0)
    if on_gpu:  # a compiler makes one loop of it, which reads float16 as it stands in the batch
        return tf.reduce_sum(shares[:, None, None] * layers, 0)
    # one matrix product passes over the layers once, and so does its gradient
    return tf.reshape(shares[None] @ tf.reshape(layers, [w.shape[0], -1]), [-1, widest])


class SpanAttention(keras.layers.Layer):
    """Projects positions, and averages each span's with weights that a learned vector gives (Lee et al. 2017, section
    3.3).

    Args:
        inputs: width of the states.
        seed: of the first weights.

    Call:
        hidden [positions, inputs]; rows int32 [n], the position of every member of every span; segments int32 [n],
        ascending, the span it is a member of; spans, how many there are -> [spans, PROJECTION].
    """

    def __init__(self, inputs: int, seed: int, **options: Any):
        super().__init__(**options)
        self.projection = dense(inputs, PROJECTION, seed, name="projection", dtype=self._dtype_policy)
        self.attention = dense(PROJECTION, 1, seed + 2, name="attention", dtype="float32")
        self.built = True

    def call(self, hidden: tf.Tensor, rows: tf.Tensor, segments: tf.Tensor, spans: tf.Tensor) -> tf.Tensor:
        weights = [tf.convert_to_tensor(weight) for weight in (*self.projection.weights, *self.attention.weights)]
        return traced_once(_pool, differentiated=True)(hidden, rows, segments, spans, *weights)


def _pool(
    hidden: tf.Tensor,
    rows: tf.Tensor,
    segments: tf.Tensor,
    spans: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    attention: tf.Tensor,
    attention_bias: tf.Tensor,
) -> tf.Tensor:
    projected = _product(hidden, kernel, bias)
    logits = tf.gather(_product(tf.cast(projected, tf.float32), attention, attention_bias)[:, 0], rows)
    largest = tf.math.unsorted_segment_max(tf.stop_gradient(logits), segments, spans)
    weights = tf.exp(logits - tf.gather(largest, segments))
    weights /= tf.gather(tf.math.unsorted_segment_sum(weights, segments, spans), segments)
    members = tf.gather(projected, rows) * tf.cast(weights, projected.dtype)[:, None]
    return tf.math.unsorted_segment_sum(members, segments, spans)


def _product(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """A dense layer, in the dtype of x."""
    return tf.nn.bias_add(tf.matmul(x, tf.cast(kernel, x.dtype)), tf.cast(bias, x.dtype))


class EdgeProbe(keras.Model):
    """One probe: a representation of frozen layers, one or two spans a target, independent labels.

    Args:
        representation: encoders.Representation.
        widths: of the encoder's layers.
        spans: 1 or 2; two spans have projections of their own.
        labels: how many.
        seed: of the first weights and of dropout.
        precision: the Keras policy of the matrix products.

    Call:
        {"states": list of float32 [layers, positions, width], which together are representation.layers; "rows1",
        "segments1", and
        for two spans "rows2", "segments2": see SpanAttention; "targets": int32 scalar} -> float32 [targets, labels]
            logits.
        masks: Masks of the step, for training; None for no dropout.
    """

    def __init__(
        self,
        representation: Representation,
        widths: Sequence[int],
        spans: int,
        labels: int,
        *,
        seed: int = 0,
        precision: str = "float32",
    ):
        super().__init__(name="edge_probe", dtype=keras.mixed_precision.Policy(precision), autocast=False)
        # === Layers ===
        policy = keras.mixed_precision.Policy(precision)
        read = [widths[layer] for layer in representation.layers]
        inputs = max(read) if representation.mixed else sum(read)
        base = seed * 1000
        self.mix = ScalarMix(len(read), name="mix", dtype=policy) if representation.mixed else None
        self.pool = [
            SpanAttention(inputs, base + 10 * (i + 1), name=f"span{i + 1}", dtype=policy) for i in range(spans)
        ]
        self.hidden = dense(spans * PROJECTION, PROJECTION, base + 100, name="hidden", dtype=policy)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype="float32", name="norm")
        self.norm.build((None, PROJECTION))
        self.output_layer = dense(PROJECTION, labels, base + 110, name="output", dtype="float32")
        self.built = True
        # === Config ===
        self.representation, self.spans, self.seed = representation, spans, seed

    def call(self, inputs: dict[str, Any], masks: Masks | None = None) -> tf.Tensor:
        if self.mix is not None:
            hidden = self.mix(inputs["states"])
        else:
            layers = [layer for block in inputs["states"] for layer in tf.unstack(block)]
            hidden = tf.cast(tf.concat(layers, 1), self.compute_dtype)
        factors = None if masks is None else masks.of(self.seed)
        if factors is not None:
            hidden *= factors(tf.shape(hidden)[0], hidden.shape[1], INPUT_DROPOUT, hidden.dtype)
        pooled = [
            pool(hidden, inputs[f"rows{number}"], inputs[f"segments{number}"], inputs["targets"])
            for number, pool in enumerate(self.pool, 1)
        ]
        mask = None if factors is None else factors(inputs["targets"], PROJECTION, DROPOUT, tf.float32)
        above = [*self.hidden.weights, *self.norm.weights, *self.output_layer.weights]
        weights = [tf.convert_to_tensor(weight) for weight in above]
        return traced_once(_classify, differentiated=True)(tf.concat(pooled, 1), mask, *weights, self.norm.epsilon)

    def write(self, path: Path) -> None:
        """Writes the weights, as safetensors."""
        from safetensors.numpy import save_file

        save_file({f"{i:02d}": np.asarray(weight) for i, weight in enumerate(self.get_weights())}, str(path))

    def read(self, path: Path) -> None:
        """Takes the weights that `write` wrote.

        Raises:
            UserError: there is no such file, or it is another probe's.
        """
        advice = "delete the .json of the same name to train the probe anew"
        file = tensors.Safetensors(path, "probe's weights", advice)
        try:
            self.set_weights([file[name] for name in sorted(file)])
        except ValueError as error:
            raise UserError(f"{path}: not this probe's weights ({error}); {advice}") from None


class Masks:
    """Dropout of one step of many probes: probes of one seed that want the same mask have it made once.

    Args:
        step: int64 scalar tensor, the optimizer's step.
    """

    def __init__(self, step: tf.Tensor):
        self._step = step
        self._made: dict[tuple, tf.Tensor] = {}

    def of(self, seed: int) -> Callable[[tf.Tensor, int, float, tf.DType], tf.Tensor]:
        """What one probe of this seed multiplies with: a function, at every call of another mask, of rows, width, the
        rate and the dtype.
        """
        noise, places = Dropout(seed, self._step), itertools.count()

        def factors(rows: tf.Tensor, width: int, rate: float, dtype: tf.DType) -> tf.Tensor:
            key = seed, next(places), width, rate, dtype
            if key in self._made:
                noise.skip()
            else:
                self._made[key] = noise.factors(tf.stack([rows, width]), rate, dtype)
            return self._made[key]

        return factors


def _classify(
    pooled: tf.Tensor,
    mask: tf.Tensor | None,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    output: tf.Tensor,
    output_bias: tf.Tensor,
    epsilon: float,
) -> tf.Tensor:
    """The logits of [targets, spans * PROJECTION], `mask` being the factors of dropout."""
    features = normalise(tf.cast(tf.tanh(_product(pooled, kernel, bias)), tf.float32), gamma, beta, epsilon)
    return _product(features if mask is None else features * mask, output, output_bias)


def normalise(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Layer normalisation of float32 [n, width], its gradient written out: fewer passes over memory than Keras'."""

    @custom_gradient
    def run(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        centred = x - tf.reduce_mean(x, 1, keepdims=True)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), 1, keepdims=True) + epsilon)
        y = centred * scale

        def back(d: tf.Tensor) -> tuple[tf.Tensor, ...]:
            dy, along = d * gamma, d * y
            each, ones = gamma[:, None] / tf.cast(tf.shape(x)[1], tf.float32), tf.ones([1, tf.shape(x)[0]])
            # sums over rows and columns as matrix products, which are faster; d @ each is the mean of dy, along @ each
            # of dy * y
            dx = scale * (dy - d @ each - y * (along @ each))
            return dx, (ones @ along)[0], (ones @ d)[0]

        return y * gamma + beta, back

    return run(x, gamma, beta)


def loss(logits: tf.Tensor, gold: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The mean binary cross-entropy over the labels of the targets that count.

    Args:
        logits: float32 [targets, labels].
        gold: [targets, labels], 1 for the labels a target has.
        weights: float32 [targets], 1, or 0 for a row that only fills up the batch.
    """
    return traced_once(_loss, differentiated=True)(logits, gold, weights)


def _loss(logits: tf.Tensor, gold: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    each = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(gold, tf.float32), logits=logits)
    return tf.reduce_sum(tf.reduce_mean(each, 1) * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)


class AMSGrad(OneOperation, keras.optimizers.Adam):
    """Keras' Adam with AMSGrad (Reddi et al. 2018) by one operation.

    Args:
        clip_norm: the global norm that gradients are scaled down to.
        fused: whether to use that; XLA does not know the operation, and has a function that is traced once for all
            variables of a shape: by Keras' own, 500 of the 650 operations of a probe's step are its update's.
    """

    def __init__(self, clip_norm: float, fused: bool = True):
        # wherever it finds a GPU, Keras would compile the update by XLA of its own accord
        super().__init__(1.0, amsgrad=True, epsilon=1e-8, global_clipnorm=clip_norm, jit_compile=False)
        self._fused = fused

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        if self._fused:
            self.apply_adam(tf.raw_ops.ResourceApplyAdamWithAmsgrad, gradient, variable, vhat=self._velocity_hats)
            return
        place = self._index_dict[self._var_key(variable)]
        updated = variable, self._momentums[place], self._velocities[place], self._velocity_hats[place]
        values = traced_once(_amsgrad)(gradient, *map(tf.convert_to_tensor, updated), self._terms)
        for each, value in zip(updated, values):
            each.assign(value)


def _amsgrad(
    gradient: tf.Tensor,
    variable: tf.Tensor,
    momentum: tf.Tensor,
    velocity: tf.Tensor,
    largest: tf.Tensor,
    terms: Mapping[str, tf.Tensor],
) -> tuple[tf.Tensor, ...]:
    """The variable and its three slots after a step; `terms` as OneOperation has them."""
    momentum += (gradient - momentum) * (1.0 - terms["beta1"])
    velocity += (tf.square(gradient) - velocity) * (1.0 - terms["beta2"])
    largest = tf.maximum(largest, velocity)
    rate = terms["lr"] * tf.sqrt(1.0 - terms["beta2_power"]) / (1.0 - terms["beta1_power"])
    return variable - momentum * rate / (tf.sqrt(largest) + terms["epsilon"]), momentum, velocity, largest
