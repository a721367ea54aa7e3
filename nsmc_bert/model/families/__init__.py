"""The families of encoders that are read, trained and saved: BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT and ALBERT.

One file a family says how its config.json and its weights are called and what it computes otherwise than BERT. The
arithmetic itself is one for all, forward.py's, over the weights that network.py holds.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nsmc_bert.base.errors import UserError, shorten

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from nsmc_bert.model.families.family import Family


@functools.cache
def known() -> dict[str, Family]:
    """Every family by its model_type in config.json."""
    # their configurations are transformers', which takes its time to import
    from nsmc_bert.model.families import albert, bert, distilbert, electra, roberta

    families = (
        bert.BERT,
        roberta.ROBERTA,
        roberta.XLM_ROBERTA,
        electra.ELECTRA,
        distilbert.DISTILBERT,
        albert.ALBERT,
    )
    return {family.model_type: family for family in families}


def of(config: PretrainedConfig) -> Family:
    """The family of a configuration that was made by one."""
    return known()[config.model_type]


def check_tokenizer(config: PretrainedConfig, vocab_size: int, pad_id: int) -> None:
    """Checks that a tokenizer's ids are an encoder's.

    Args:
        config: the encoder's.
        vocab_size: one more than the tokenizer's largest id.
        pad_id: its id of padding.

    Raises:
        UserError: they are not.
    """
    if vocab_size > config.vocab_size:
        raise UserError(
            f"the tokenizer has {vocab_size} pieces and the encoder's config.json a vocab_size of "
            f"{config.vocab_size}: they do not belong together"
        )
    if of(config).padding(config) not in (None, pad_id):
        raise UserError(
            f"the tokenizer pads with {pad_id} and the encoder's config.json has a pad_token_id of "
            f"{config.pad_token_id}, which its positions begin behind: they do not belong together"
        )


def find(values: Mapping[str, Any], where: object) -> Family:
    """The family that a config.json names; BERT where it names none, as the oldest do.

    Args:
        values: what stands in the file.
        where: the file, for messages.

    Raises:
        UserError: it is none of those that are known.
    """
    name = values.get("model_type", "bert")
    if name not in known():
        raise UserError(f"{where}: found model_type {shorten(name)}, expected one of {', '.join(known())}")
    return known()[name]
