"""RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2020): BERT whose positions begin behind that of padding."""

import dataclasses
import json

from transformers import PretrainedConfig
from transformers.models.roberta.configuration_roberta import RobertaConfig
from transformers.models.xlm_roberta.configuration_xlm_roberta import XLMRobertaConfig

from nsmc_bert.model.families.family import Family, Names


class Roberta(Family):
    """RoBERTa's family.

    fairseq numbers positions from padding_idx + 1 on, so that many rows of the position embeddings are never read: of
    514 a text may take 512.
    """

    def problem(self, config: PretrainedConfig) -> str:
        pad, rows = config.pad_token_id, config.max_position_embeddings
        if pad is None or not 0 <= pad <= rows - 4:  # the shortest text has three tokens
            return f"found pad_token_id {json.dumps(pad)}, expected 0 to {rows - 4}: positions begin behind it"
        return ""

    def first_position(self, config: PretrainedConfig) -> int:
        assert config.pad_token_id is not None  # as `problem` has seen
        return config.pad_token_id + 1

    def padding(self, config: PretrainedConfig) -> int | None:
        return config.pad_token_id

    def decides(self, config: PretrainedConfig) -> str:
        return f"first_position={self.first_position(config)}"


ROBERTA = Roberta(
    title="RoBERTa",
    model_type="roberta",
    classes="Roberta",
    configuration=RobertaConfig,
    names=Names(
        pooler="classifier.dense",  # the model's own pooler is one that no classifier reads
        classifier="classifier.out_proj",
        transform="lm_head.dense",
        transform_norm="lm_head.layer_norm",
        piece_bias="lm_head.bias",
    ),
    roots={"embeddings": "roberta.", "encoder": "roberta.", "classifier": "", "lm_head": ""},
    drops_before_pooler=True,
    transform_activation="gelu",
)
XLM_ROBERTA = dataclasses.replace(
    ROBERTA, title="XLM-R", model_type="xlm-roberta", classes="XLMRoberta", configuration=XLMRobertaConfig
)
