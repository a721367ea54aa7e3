"""A family of encoders: how its files call things, and what it computes otherwise than BERT."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclasses.dataclass(frozen=True)
class Names:
    """What a family's weights are called in PyTorch, without the model's own prefix; the defaults are BERT's.

    Of a dense layer or a layer normalisation it is what stands before .weight and .bias.

    Attributes:
        embeddings: that of the word embeddings, and with `word` replaced of the positions and the token types.
        norm: the layer normalisation of the embeddings.
        projection: from the embeddings' width to the layers', where they differ.
        layer: before all that is in a layer, with its number, or ALBERT's two.
        query, key, value, attention_output, attention_norm, intermediate, output, output_norm: in a layer.
        pooler: of the first position, before the classifier.
        classifier: the output of a classifier.
        transform, transform_norm: before the output over the vocabulary.
        piece_bias: the whole name of the bias of that output.
        detection: of what says which pieces were replaced; "" where transformers has no such model.
    """

    embeddings: str = "embeddings.word_embeddings"
    norm: str = "embeddings.LayerNorm"
    projection: str = ""
    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    intermediate: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    pooler: str = "pooler.dense"
    classifier: str = "classifier"
    transform: str = "predictions.transform.dense"
    transform_norm: str = "predictions.transform.LayerNorm"
    piece_bias: str = "predictions.bias"
    detection: str = ""

    def table(self, kind: str) -> str:
        """The whole name of the embeddings of a kind: word, position or token_type."""
        return self.embeddings.replace("word", kind) + ".weight"

    def predictions(self) -> dict[str, str]:
        """The output over the vocabulary: {BERT's name below cls.predictions: the family's own}."""
        dense = {"transform.dense": self.transform, "transform.LayerNorm": self.transform_norm}
        whole = {f"{name}.{end}": f"{own}.{end}" for name, own in dense.items() for end in ("weight", "bias")}
        return {**whole, "bias": self.piece_bias}


@dataclasses.dataclass(frozen=True)
class Family:
    """The encoders of one model_type.

    Attributes:
        title: what it is called in messages.
        model_type: in config.json.
        classes: what its classes in transformers begin with, as in BertForMaskedLM.
        configuration: the class of its configuration, which whatever the file calls them has BertConfig's attributes.
        names: of its weights.
        roots: {the first part of a name in `names`: what the file has before it}.
        activation: of the pooler: tanh, gelu or relu.
        drops_before_pooler: whether the classifier's dropout comes before the pooler, too.
        drops_attention, drops_output: whether there is dropout behind the attention, and behind the feed-forward
            layers.
        transform_activation: of the output over the vocabulary; "" for that of the layers.
        always_projects: whether embeddings go through a projection even where the layers are as wide.
    """

    title: str
    model_type: str
    classes: str
    configuration: type[PretrainedConfig]
    names: Names
    roots: Mapping[str, str]
    activation: str = "tanh"
    drops_before_pooler: bool = False
    drops_attention: bool = True
    drops_output: bool = True
    transform_activation: str = ""
    always_projects: bool = False

    def read(self, values: Mapping[str, Any]) -> PretrainedConfig:
        """The configuration of what stands in a config.json."""
        return self.configuration(**values)

    def own_key(self, key: str) -> str:
        """What the family's config.json calls what BERT's calls `key`."""
        return self.configuration.attribute_map.get(key, key)

    def problem(self, config: PretrainedConfig) -> str:
        """What of a configuration cannot be computed, and what is expected; or ""."""
        return ""

    def first_position(self, config: PretrainedConfig) -> int:
        """The row of the position embeddings that belongs to a text's first token."""
        return 0

    def layers(self, config: PretrainedConfig) -> list[str]:
        """The names, before all that is in them, of the layers that have weights of their own."""
        return [self.names.layer.format(number) for number in range(config.num_hidden_layers)]

    def order(self, config: PretrainedConfig) -> list[int]:
        """Which of `layers` are computed, one after the other."""
        return list(range(config.num_hidden_layers))

    def states_every(self, config: PretrainedConfig) -> int:
        """How many of `order` make what transformers counts as a layer."""
        return 1

    def fixed_positions(self, config: PretrainedConfig) -> np.ndarray | None:
        """The position embeddings, float32 [positions, width], of a configuration that does not learn them."""
        return None

    def decides(self, config: PretrainedConfig) -> str:
        """What of a configuration decides the states beside its weights and what every family has; or ""."""
        return ""

    def padding(self, config: PretrainedConfig) -> int | None:
        """The token id that positions count as none; None where they count every token."""
        return None

    def positions(self, config: PretrainedConfig) -> int:
        """Positions that a text may take, special tokens included."""
        return config.max_position_embeddings - self.first_position(config)

    def token_types(self, config: PretrainedConfig) -> int:
        """How many token types it tells apart."""
        return config.type_vocab_size

    def width(self, config: PretrainedConfig) -> int:
        """That of the embeddings."""
        return config.embedding_size if self.names.projection else config.hidden_size

    def shapes(self, config: PretrainedConfig) -> dict[str, tuple[int, ...]]:
        """The tensors of an encoder, pooler included: {name: shape in PyTorch's layout}, ordered by their names."""
        names, hidden, wide, width = self.names, config.hidden_size, config.intermediate_size, self.width(config)
        tables = {"word": config.vocab_size, "position": config.max_position_embeddings}
        if self.token_types(config):
            tables["token_type"] = self.token_types(config)
        out: dict[str, tuple[int, ...]] = {names.table(kind): (rows, width) for kind, rows in tables.items()}
        dense, norms = {names.pooler: (hidden, hidden)}, {names.norm: width}
        if width != hidden or self.always_projects:
            dense[names.projection] = hidden, width
        for layer in self.layers(config):
            for part in (names.query, names.key, names.value, names.attention_output):
                dense[layer + part] = hidden, hidden
            dense[layer + names.intermediate], dense[layer + names.output] = (wide, hidden), (hidden, wide)
            norms |= {layer + part: hidden for part in (names.attention_norm, names.output_norm)}
        for name, shape in dense.items():
            out[name + ".weight"], out[name + ".bias"] = shape, shape[:1]
        out.update({name + end: (size,) for name, size in norms.items() for end in (".weight", ".bias")})
        return {name: out[name] for name in sorted(out)}

    def name(self, name: str) -> str:
        """A weight's name in any file of any framework, as PyTorch has it, without the model's own prefix.

        >>> from nsmc_bert.model import families
        >>> families.known()["bert"].name("tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0")
        'encoder.layer.0.attention.self.query.weight'
        """
        name = re.sub(r"_\._(\d+)", r".\1", re.sub(r":\d+$", "", name).replace("/", "."))
        name = re.sub(rf"^.*?\b(?=({'|'.join(self.roots)})\.)", "", name)
        name = re.sub(r"(kernel|gamma)$", "weight", re.sub(r"beta$", "bias", name))
        return re.sub(r"(word|position|token_type)_embeddings\.(weight|embeddings)$", r"\1_embeddings.weight", name)

    def stored(self, name: str) -> str:
        """A weight's name as it stands in a file: the other way round."""
        return self.roots[name.partition(".")[0]] + name
