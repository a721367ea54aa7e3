"""BERT (Devlin et al. 2019): what the other families are told by."""

from transformers.models.bert.configuration_bert import BertConfig

from nsmc_bert.model.families.family import Family, Names

BERT = Family(
    title="BERT",
    model_type="bert",
    classes="Bert",
    configuration=BertConfig,
    names=Names(),
    roots={"embeddings": "bert.", "encoder": "bert.", "pooler": "bert.", "classifier": "", "predictions": "cls."},
)
