"""ALBERT (Lan et al. 2020): BERT with narrow embeddings and with layers that share their weights."""

from transformers import PretrainedConfig
from transformers.models.albert.configuration_albert import AlbertConfig

from nsmc_bert.model.families.family import Family, Names


class Configuration(AlbertConfig):
    """ALBERT's configuration, which also goes by BERT's names."""

    attribute_map = {"classifier_dropout": "classifier_dropout_prob"}


class Albert(Family):
    """ALBERT's family.

    The layers are parted into num_hidden_groups, next to each other; all layers of a group have the same weights, those
    of inner_group_num Transformer layers that are computed one after the other.
    """

    def problem(self, config: PretrainedConfig) -> str:
        groups, layers = config.num_hidden_groups, config.num_hidden_layers
        return "" if groups <= layers else f"found num_hidden_groups {groups}, expected at most {layers}, one a layer"

    def layers(self, config: PretrainedConfig) -> list[str]:
        inner = range(config.inner_group_num)
        return [self.names.layer.format(group, i) for group in range(config.num_hidden_groups) for i in inner]

    def order(self, config: PretrainedConfig) -> list[int]:
        inner, share = config.inner_group_num, config.num_hidden_layers / config.num_hidden_groups
        return [int(layer / share) * inner + i for layer in range(config.num_hidden_layers) for i in range(inner)]

    def states_every(self, config: PretrainedConfig) -> int:
        return config.inner_group_num

    def decides(self, config: PretrainedConfig) -> str:
        return "layers=" + ",".join(map(str, self.order(config)))


ALBERT = Albert(
    title="ALBERT",
    model_type="albert",
    classes="Albert",
    configuration=Configuration,
    names=Names(
        projection="encoder.embedding_hidden_mapping_in",
        layer="encoder.albert_layer_groups.{}.albert_layers.{}.",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention_output="attention.dense",
        attention_norm="attention.LayerNorm",
        intermediate="ffn",
        output="ffn_output",
        output_norm="full_layer_layer_norm",
        pooler="pooler",
        transform="predictions.dense",
        transform_norm="predictions.LayerNorm",
        piece_bias="predictions.bias",
    ),
    roots={"embeddings": "albert.", "encoder": "albert.", "pooler": "albert.", "classifier": "", "predictions": ""},
    drops_output=False,
    always_projects=True,
)
