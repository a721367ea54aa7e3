"""The weights of an encoder as the forward pass reads them, whatever its family: TFBertModel's for a BERT, a Network's
for all others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf
import tf_keras as keras

from nsmc_bert.model import families

if TYPE_CHECKING:
    from typing import TypeAlias

    from transformers import PretrainedConfig, TFBertModel

    from nsmc_bert.model.families.family import Names

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


PROJECTION = "embeddings_project"  # from shared embeddings, in families whose own are as wide as the layers


def _beside(
    shapes: Mapping[str, tuple[int, ...]], names: Names, projection: str, width: int, hidden: int
) -> dict[str, tuple[int, ...]]:
    """Of the shapes of an encoder those of its own where it shares embeddings of this width, its projection among
    them.
    """
    apart = (names.table("word").partition(".")[0] + ".", names.pooler + ".", projection + ".")
    own = {name: shape for name, shape in shapes.items() if not name.startswith(apart)}
    if width != hidden or projection + ".weight" in shapes:
        own |= {projection + ".weight": (hidden, width), projection + ".bias": (hidden,)}
    return {name: own[name] for name in sorted(own)}


class Network(keras.layers.Layer):
    """Holds the weights of an encoder that is no BERT, or of any that shares the embeddings of another one;
    forward.encode computes with them.

    Args:
        config: of any family.
        shared: the Weights of an encoder of the same family: its embeddings and their normalisation are read here too,
            projected to this one's width, and its pooler, which is none of this one's, stands for it. None: all weights
            are its own.
        name: Keras' name; None for the family's.

    Attributes:
        config: the same.
        parts: the Weights.
        named: {name in PyTorch: variable}, those of its own, as families.Family.shapes orders them.
    """

    def __init__(self, config: PretrainedConfig, shared: Weights | None = None, name: str | None = None) -> None:
        family = families.of(config)
        super().__init__(name=name or family.classes.lower(), dtype="float32")
        self.config = config
        shapes, names = family.shapes(config), family.names
        projection = names.projection
        if shared is not None:
            projection = projection or PROJECTION
            shapes = _beside(shapes, names, projection, shared.words.shape[1], config.hidden_size)
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

        if shared is None:
            words = table("word")
            positions = table("position", trainable=family.fixed_positions(config) is None)
            token_types = table("token_type") if family.token_types(config) else None
            embeddings_norm = norm(names.norm)
        else:
            words, positions, token_types = shared.words, shared.positions, shared.token_types
            embeddings_norm = shared.norm
        projected = dense(projection) if projection + ".weight" in shapes else None
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
        pooler = dense(names.pooler) if shared is None else shared.pooler
        self.parts = Weights(words, positions, token_types, embeddings_norm, projected, computed, pooler)
        self.named = {name: variables[name] for name in shapes}
        self.built = True

    def _variable(self, name: str, shape: tuple[int, ...], trainable: bool = True) -> tf.Variable:
        return self.add_weight(
            name=name, shape=shape, initializer="zeros", trainable=trainable, experimental_autocast=False
        )
