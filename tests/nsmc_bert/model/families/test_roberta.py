"""nsmc_bert.model.families.roberta: positions that begin behind padding, and a pooler that is the classifier's."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import nsmc_bert
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import checkpoints, families, tokenizers
from nsmc_bert.model.classifier import SentimentClassifier
from nsmc_bert.model.masked_lm import MaskedLanguageModel


@pytest.mark.parametrize(("name", "first"), [("roberta", 2), ("xlm-roberta", 4)])
def test_a_text_takes_as_many_positions_as_there_are_behind_padding(folders, name, first):
    loaded, tokenizer = checkpoints.load_encoder(folders[name]), tokenizers.load(folders[name])
    family = families.of(loaded.config)
    assert (family.first_position(loaded.config), family.positions(loaded.config)) == (first, 20 - first)
    with pytest.raises(UserError, match=f"max_length: found 20, expected 3 to {20 - first}, the positions that the"):
        SentimentClassifier(loaded.bert, tokenizer, max_length=20)
    model = SentimentClassifier(loaded.bert, tokenizer, max_length=20 - first)
    with pytest.warns(UserWarning, match=f"1 of 2 texts are longer than {18 - first} pieces"):
        assert np.isfinite(model.predict(["꿀잼 " * 30, "노잼"])).all()


def test_the_models_own_pooler_is_nobodys(folders, tmp_path):
    """As XLM-R has one, which transformers' classifier does without."""
    weights = load_file(folders["roberta"] / "model.safetensors")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text((folders["roberta"] / "config.json").read_text())
    names = {name for name in weights if name.startswith("classifier.")}
    for name, shape in (("weight", (8, 8)), ("bias", (8,))):
        weights["roberta.pooler.dense." + name] = np.full(shape, 7.0, np.float32)
    save_file({name: weights[name] for name in weights if name not in names}, tmp_path / "folder" / "model.safetensors")
    loaded = checkpoints.load_encoder(tmp_path / "folder", seed=1)
    assert loaded.fresh == ("classifier.dense.bias", "classifier.dense.weight")
    assert np.abs(checkpoints.parameters(loaded.bert)["classifier.dense.weight"]).max() < 0.05
    with pytest.raises(UserError, match="found an encoder without a two-class classifier"):
        nsmc_bert.load(tmp_path / "folder")


@pytest.mark.parametrize("kind", [SentimentClassifier, MaskedLanguageModel])
def test_a_tokenizer_of_other_padding_is_refused(folders, tiny_tokenizer, kind):
    """By which PyTorch's model would count positions otherwise than this one."""
    bert = checkpoints.load_encoder(folders["xlm-roberta"]).bert
    with pytest.raises(
        UserError, match="the tokenizer pads with 0 and the encoder's .* a pad_token_id of 3, which its"
    ):
        kind(bert, tiny_tokenizer, max_length=16)


def test_where_positions_begin_makes_another_classifier(folders):
    one, other = (checkpoints.read_config(folders[name]) for name in ("roberta", "xlm-roberta"))
    assert checkpoints.unusual(one) != checkpoints.unusual(other)
