"""DistilBERT (Sanh et al. 2019): BERT without token types, under other names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers import PretrainedConfig
from transformers.models.distilbert.configuration_distilbert import DistilBertConfig

from nsmc_bert.model.families.family import Family, Names

OWN = {  # BERT's names of what DistilBERT's configuration has under another, beside those that transformers maps
    "intermediate_size": "hidden_dim",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "classifier_dropout": "seq_classif_dropout",
    "hidden_act": "activation",
}


class Configuration(DistilBertConfig):
    """DistilBERT's configuration, which also goes by BERT's names."""

    attribute_map = {**DistilBertConfig.attribute_map, **OWN}

    @property
    def layer_norm_eps(self) -> float:
        return 1e-12  # no configuration says otherwise


class DistilBert(Family):
    """DistilBERT's family."""

    def read(self, values: Mapping[str, Any]) -> PretrainedConfig:
        strange = {*OWN, "layer_norm_eps"}  # means nothing in DistilBERT's config.json
        return super().read({key: value for key, value in values.items() if key not in strange})

    def token_types(self, config: PretrainedConfig) -> int:
        return 0

    def fixed_positions(self, config: PretrainedConfig) -> np.ndarray | None:
        """Sines and cosines (Vaswani et al. 2017, section 3.5), side by side in pairs."""
        if not config.sinusoidal_pos_embds:
            return None
        pairs = np.arange(config.dim) // 2
        angles = np.arange(config.max_position_embeddings)[:, None] / 10000 ** (2 * pairs / config.dim)
        return np.where(np.arange(config.dim) % 2, np.cos(angles), np.sin(angles)).astype(np.float32)


DISTILBERT = DistilBert(
    title="DistilBERT",
    model_type="distilbert",
    classes="DistilBert",
    configuration=Configuration,
    names=Names(
        layer="transformer.layer.{}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        output_norm="output_layer_norm",
        pooler="pre_classifier",
        transform="vocab_transform",
        transform_norm="vocab_layer_norm",
        piece_bias="vocab_projector.bias",
    ),
    roots={
        "embeddings": "distilbert.",
        "transformer": "distilbert.",
        "pre_classifier": "",
        "classifier": "",
        "vocab_transform": "",
        "vocab_layer_norm": "",
        "vocab_projector": "",
    },
    activation="relu",
    drops_attention=False,
)
