"""nsmc_bert.model.families.bert: a BERT is what it has been."""

from transformers.models.bert.modeling_tf_bert import TFBertModel

from nsmc_bert.model import checkpoints, families
from tests.nsmc_bert.model.families import make


def test_a_bert_is_wrapped_in_tfbertmodel(folders):
    loaded = checkpoints.load_encoder(folders["bert"])
    assert isinstance(loaded.bert, TFBertModel)
    family = families.of(loaded.config)
    assert (family.positions(loaded.config), family.first_position(loaded.config)) == (20, 0)
    assert checkpoints.unusual(loaded.config) == "-hidden_act=relu-num_attention_heads=2-layer_norm_eps=1e-05"


def test_a_configuration_that_names_no_family_is_a_berts(tmp_path):
    folder = make.write(tmp_path / "old", "bert")
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"model_type": "bert", ', ""))
    assert checkpoints.read_config(folder).model_type == "bert"
