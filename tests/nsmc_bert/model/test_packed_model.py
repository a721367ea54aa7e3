"""nsmc_bert.model.packed_model: the batches of a plan, of every model that learns from packed texts."""

import numpy as np
import pytest

from nsmc_bert.model import packing
from nsmc_bert.model.masked_lm import MaskedLanguageModel
from nsmc_bert.model.optimizers import adamw

TEXTS = ["이 영화 엄청 재미있네요", "꿀잼", "노잼 최악", "정말 최고"] * 20


@pytest.fixture(params=["classifier", "language model"])
def model(request, make_model, make_bert, tiny_tokenizer):
    if request.param == "classifier":
        return make_model()
    return MaskedLanguageModel(make_bert(), tiny_tokenizer, max_length=16)


def test_it_learns_from_a_piece_of_a_plan(model):
    model.compile(adamw(1e-3))
    encoded = model.tokenizer.encode(TEXTS, 16)
    plan = model.plan(encoded, token_budget=128, seed=1)
    assert len(plan) > 3
    history = model.fit_batches(encoded, np.arange(len(TEXTS)) % 2, model.pack(encoded, plan), 1, 3)
    assert int(model.optimizer.iterations) == 2
    assert set(model.shown) <= history.history.keys()


def test_batches_are_those_of_packing(model):
    encoded, labels = model.tokenizer.encode(TEXTS, 16), np.arange(len(TEXTS), dtype=np.int32)
    plan = model.plan(encoded, token_budget=128, seed=1, epoch=2)
    expected = packing.dataset(
        encoded, packing.plan(encoded.lengths, 128, seed=1, epoch=2), pad_id=0, labels=labels, start=1
    )
    for batch, wanted in zip(model.pipeline(encoded, plan, labels, 1), expected, strict=True):
        for name in wanted[0]:
            np.testing.assert_array_equal(batch[0][name], wanted[0][name])
        np.testing.assert_array_equal(batch[1], wanted[1])
    for _, none, _ in model.pipeline(encoded, plan, None):
        assert not none.numpy().any()
