"""ELECTRA (Clark et al. 2020), discriminator or generator: BERT, whose embeddings may be narrower than its layers."""

from transformers.models.electra.configuration_electra import ElectraConfig

from nsmc_bert.model.families.family import Family, Names

ELECTRA = Family(
    title="ELECTRA",
    model_type="electra",
    classes="Electra",
    configuration=ElectraConfig,
    names=Names(
        projection="embeddings_project",
        pooler="classifier.dense",
        classifier="classifier.out_proj",
        transform="generator_predictions.dense",
        transform_norm="generator_predictions.LayerNorm",
        piece_bias="generator_lm_head.bias",
        detection="discriminator_predictions",
    ),
    roots={
        "embeddings": "electra.",
        "embeddings_project": "electra.",
        "encoder": "electra.",
        "classifier": "",
        "generator_predictions": "",
        "generator_lm_head": "",
        "discriminator_predictions": "",
    },
    activation="gelu",
    drops_before_pooler=True,
    transform_activation="gelu",
)
