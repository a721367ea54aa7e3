"""The weights of an encoder as the forward pass reads them, whatever its family: TFBertModel's for a BERT, a Network's
for all others.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model import families

if TYPE_CHECKING:
    from typing import TypeAlias

    from transformers import PretrainedConfig, TFBertModel

    Encoder: TypeAlias = "TFBertModel | Network"


class Dense(NamedTuple):
    """A dense layer: kernel [in, out] and bias [out]."""

    kernel: tf.Variable
    bias: tf.Variable


class Norm(NamedTuple):
    """A layer normalisation: gamma and beta [width]."""

    gamma: tf.Variable
    beta: tf.Variable


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """A Transformer layer's weights, in the order that they are computed with."""

    query: Dense
    key: Dense
    value: Dense
    attention_output: Dense
    attention_norm: Norm
    intermediate: Dense
    output: Dense
    output_norm: Norm


@dataclasses.dataclass(frozen=True, eq=False)
class Weights:
    """An encoder's weights.

    Attributes:
        words: [vocabulary, width].
        positions: [positions, width], of which the first that is read is the family's first_position.
        token_types: [token types, width], or None.
        norm: of the embeddings.
        projection: from their width to that of the layers; None where they are one.
        layers: one for each that is computed; those that share their weights are one object.
        pooler: of the first position.
    """

    words: tf.Variable
    positions: tf.Variable
    token_types: tf.Variable | None
    norm: Norm
    projection: Dense | None
    layers: tuple[Layer, ...]
    pooler: Dense


def weights(encoder: Encoder) -> Weights:
    """The Weights of a built TFBertModel or of a Network."""
    if isinstance(encoder, Network):
        return encoder.parts
    embeddings, pooler = encoder.bert.embeddings, encoder.bert.pooler
    assert pooler is not None  # TFBertModel makes one unless it is told not to

    def dense(layer: keras.layers.Dense) -> Dense:
        return Dense(layer.kernel, layer.bias)

    def norm(layer: keras.layers.LayerNormalization) -> Norm:
        return Norm(layer.gamma, layer.beta)

    layers = [
        Layer(
            dense(layer.attention.self_attention.query),
            dense(layer.attention.self_attention.key),
            dense(layer.attention.self_attention.value),
            dense(layer.attention.dense_output.dense),
            norm(layer.attention.dense_output.LayerNorm),
            dense(layer.intermediate.dense),
            dense(layer.bert_output.dense),
            norm(layer.bert_output.LayerNorm),
        )
        for layer in encoder.bert.encoder.layer
    ]
    return Weights(
        embeddings.weight,
        embeddings.position_embeddings,
        embeddings.token_type_embeddings,
        norm(embeddings.LayerNorm),
        None,
        tuple(layers),
        dense(pooler.dense),
    )


class Network(keras.layers.Layer):
    """Holds the weights of an encoder that is no BERT; forward.encode computes with them.

    Args:
        config: of any family.

    Attributes:
        config: the same.
        parts: the Weights.
        named: {name in PyTorch: variable}, as families.Family.shapes orders them.
    """

    def __init__(self, config: PretrainedConfig) -> None:
        family = families.of(config)
        super().__init__(name=family.classes.lower(), dtype="float32")
        self.config = config
        shapes, names = family.shapes(config), family.names
        variables: dict[str, tf.Variable] = {}

        def table(kind: str, trainable: bool = True) -> tf.Variable:
            name = names.table(kind)
            variables[name] = self._variable(name, shapes[name], trainable)
            return variables[name]

        def dense(name: str) -> Dense:
            kernel = self._variable(name + "/kernel", shapes[name + ".weight"][::-1])
            bias = self._variable(name + "/bias", shapes[name + ".bias"])
            variables[name + ".weight"], variables[name + ".bias"] = kernel, bias
            return Dense(kernel, bias)

        def norm(name: str) -> Norm:
            shape = shapes[name + ".weight"]
            # the optimizer knows by this word what has no weight decay
            gamma, beta = (self._variable(f"{name}/LayerNorm/{part}", shape) for part in ("gamma", "beta"))
            variables[name + ".weight"], variables[name + ".bias"] = gamma, beta
            return Norm(gamma, beta)

        words = table("word")
        positions = table("position", trainable=family.fixed_positions(config) is None)
        token_types = table("token_type") if family.token_types(config) else None
        embeddings_norm = norm(names.norm)
        projection = dense(names.projection) if names.projection + ".weight" in shapes else None
        layers = [
            Layer(
                dense(layer + names.query),
                dense(layer + names.key),
                dense(layer + names.value),
                dense(layer + names.attention_output),
                norm(layer + names.attention_norm),
                dense(layer + names.intermediate),
                dense(layer + names.output),
                norm(layer + names.output_norm),
            )
            for layer in family.layers(config)
        ]
        computed = tuple(layers[number] for number in family.order(config))
        self.parts = Weights(words, positions, token_types, embeddings_norm, projection, computed, dense(names.pooler))
        self.named = {name: variables[name] for name in shapes}
        self.built = True

    def _variable(self, name: str, shape: tuple[int, ...], trainable: bool = True) -> tf.Variable:
        return self.add_weight(
            name=name, shape=shape, initializer="zeros", trainable=trainable, experimental_autocast=False
        )
