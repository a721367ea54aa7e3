"""nsmc_bert.model.masked_lm: what is hidden, that it is learned, and what transformers makes of the folder."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import Watchdog
from nsmc_bert.data import reviews
from nsmc_bert.model import checkpoints, families, packing, tokenizers
from nsmc_bert.model.masked_lm import MASKED_SHARE, PLACES, ROOM, Hide, MaskedLanguageModel

PAD, MASK = 0, 4


def hidden(tokenizer, texts, seed=1, budget=4096, share=MASKED_SHARE):
    """Every batch of some texts: (ids, segments, ids with pieces hidden, read, what was there, whether it is hidden),
    NumPy.
    """
    encoded = tokenizer.encode(texts, 64)
    hide = Hide(tokenizer, share)
    for number, features in enumerate(
        packing.dataset(encoded, packing.plan(encoded.lengths, budget, seed=0), pad_id=PAD)
    ):
        ids, segments = features["input_ids"], features["segments"]
        yield [x.numpy() for x in (ids, segments, *hide(ids, segments, [seed, number]))]


def test_what_is_hidden():
    tokenizer = tokenizers.bundled()
    texts = reviews.sample()[0].texts + ["", "굿", "😂"]
    begins = tokenizer.word_beginnings()
    taken = pieces = masked = kept = 0
    for ids, segments, seen, read, targets, there in hidden(tokenizer, texts, budget=2048):
        assert read.shape[1] == int(np.ceil(ROOM * MASKED_SHARE * ids.shape[1]))
        np.testing.assert_array_equal(np.take_along_axis(ids, read, 1), targets)
        for row in range(len(ids)):
            places = set(read[row][there[row]].tolist())
            real = ids[row] > MASK  # no special piece
            assert set(np.flatnonzero(ids[row] != seen[row])) <= places
            assert all(real[place] or ids[row][place] == tokenizer.unk_id for place in places)
            for segment in range(1, segments[row].max() + 1):
                own = set(np.flatnonzero(segments[row] == segment).tolist())
                length, here = len(own) - 2, places & own
                if len(places) < read.shape[1]:
                    assert len(here) >= min(max(round(MASKED_SHARE * length), 1), length)
                assert length or not here
                # whole words: where one piece of a word is taken, all are, unless the row's last word found no place
                word = np.cumsum(begins[ids[row]] & (ids[row] > PAD))
                for place in here:
                    whole = {at for at in own if word[at] == word[place] and ids[row][at] not in (2, 3)}
                    assert whole <= places or len(places) == read.shape[1]
                taken, pieces = taken + len(here), pieces + length
            chosen = sorted(places)
            masked += (seen[row][chosen] == MASK).sum()
            kept += (seen[row][chosen] == ids[row][chosen]).sum()
    assert 0.15 < taken / pieces < 0.22  # whole words, at least one a text
    assert abs(masked / taken - 0.8) < 0.04
    assert abs(kept / taken - 0.1) < 0.03


def test_what_stands_beside_a_text_does_not_decide_what_it_hides():
    """As many pieces of each as its own length asks for."""
    tokenizer, texts = tokenizers.bundled(), reviews.sample()[0].texts[:60]
    (ids, segments, _, read, _, there), *rest = hidden(tokenizer, texts, budget=4096, share=0.3)
    assert not rest
    for row in range(len(ids)):
        for segment in range(1, segments[row].max() + 1):
            own = np.flatnonzero(segments[row] == segment)
            count = np.isin(own, read[row][there[row]]).sum()
            assert max(round(0.3 * (len(own) - 2)), 1) <= count < 0.3 * len(own) + 8 or there[row].all()


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_share_that_is_hidden(share):
    tokenizer = tokenizers.bundled()
    taken = pieces = 0
    for _ids, segments, _, _, _, there in hidden(tokenizer, reviews.sample()[0].texts, share=share):
        taken, pieces = taken + there.sum(), pieces + ((segments > 0).sum() - 2 * segments.max(1).sum())
    assert share < taken / pieces < share + 0.07  # whole words: the last one goes beyond


def test_hiding_is_a_function_of_seed_and_step():
    texts = reviews.sample()[0].texts[:200]

    def all_of(seed):
        return [batch[2] for batch in hidden(tokenizers.bundled(), texts, seed)]

    for one, same in zip(all_of(1), all_of(1), strict=True):
        np.testing.assert_array_equal(one, same)
    assert any((one != other).any() for one, other in zip(all_of(1), all_of(2), strict=True))
    features = next(
        iter(
            packing.dataset(
                encoded := tokenizers.bundled().encode(texts, 64), packing.plan(encoded.lengths, 1024), pad_id=0
            )
        )
    )
    draws = [
        Hide(tokenizers.bundled())(features["input_ids"], features["segments"], [1, step])[0].numpy() for step in (0, 1)
    ]
    assert (draws[0] != draws[1]).any()


def test_wordpiece_words(tiny_tokenizer):
    begins = dict(
        zip("[PAD] [UNK] [CLS] [SEP] [MASK] 이 영화 엄청 재미 ##있 ##없".split(), tiny_tokenizer.word_beginnings())
    )
    assert begins["재미"] and begins["영화"]
    assert not begins["##있"] and not begins["##없"]


@pytest.fixture
def make(make_bert, tiny_tokenizer):
    def make(seed=0, **options):
        bert = make_bert(seed, initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        return MaskedLanguageModel(bert, tiny_tokenizer, max_length=16, seed=seed, **options)

    return make


def test_logits_are_those_of_transformers(make):
    """The output equals that of TFBertForMaskedLM with the same weights."""
    from transformers.models.bert.modeling_tf_bert import TFBertForMaskedLM

    model = make()
    random = np.random.default_rng(0)
    for variable in (model.piece_bias, model.transform.bias, model.norm.beta):
        variable.assign(random.normal(size=variable.shape))
    theirs = TFBertForMaskedLM(model.bert.config)
    theirs.build_in_name_scope()
    ours = list(checkpoints.parameters(model.bert).items())
    named = {families.known()["bert"].name(variable.name): variable for variable in theirs.weights}
    for name, variable in ours:
        if "pooler" not in name:
            named[name].assign(variable)
    for name, value in model._head().items():
        key = "predictions." + name
        named[key].assign(value.T if name == "transform.dense.weight" else value)
    ids = np.array([[2, 5, 6, 4, 8, 3]], np.int32)
    expected = theirs(input_ids=ids, attention_mask=np.ones_like(ids)).logits.numpy()
    read, positions = np.array([[3, 1]], np.int32), np.arange(6, dtype=np.int32)[None]
    inputs = {
        "input_ids": ids,
        "segments": np.ones_like(ids),
        "positions": positions,
        "firsts": np.zeros((1, 1), np.int32),
        "read": read,
    }
    actual = model({**inputs, "places": np.array([0, 1], np.int32)})["pieces"].numpy()
    np.testing.assert_allclose(actual, expected[0, [3, 1]], atol=1e-4)
    actual = model({**inputs, "places": np.array([1], np.int32)})["pieces"].numpy()
    np.testing.assert_allclose(actual, expected[0, [1]], atol=1e-4)


def test_the_loss_is_the_mean_over_hidden_places(make, tiny_tokenizer):
    texts = ["이 영화 정말 최고 !", "다시는 안 본다 .", "꿀잼", ""] * 9
    model, encoded = make(), tiny_tokenizer.encode(texts, 16)
    for features, labels, weights in model.pipeline(encoded, model.plan(encoded), None):
        ids, read, pieces, there = model.hide(features["input_ids"], features["segments"], [3, 4])
        changed, targets, counts = model._targets((features, labels, weights), [3, 4])
        taken = np.flatnonzero(there.numpy().ravel())
        real, size = counts["pieces"].numpy() > 0, len(counts["pieces"])
        assert size % PLACES == 0 or size == there.numpy().size
        assert real.sum() == min(len(taken), size) > 20
        np.testing.assert_array_equal(changed["places"].numpy()[real], taken[:size])
        np.testing.assert_array_equal(targets["pieces"].numpy()[real], pieces.numpy().ravel()[taken][:size])
        assert counts["pieces"].numpy().mean() == pytest.approx(1.0)
        np.testing.assert_array_equal(changed["input_ids"], ids)
        np.testing.assert_array_equal(changed["read"], read)


@pytest.mark.parametrize("ratings", [0, 2])
def test_learns_what_is_hidden(make, tiny_tokenizer, ratings):
    texts = ["이 영화 정말 최고 !", "다시는 안 본다 ."] * 40
    model = make(ratings=ratings)
    model.compile(tf.keras.optimizers.Adam(0.01))
    encoded = tiny_tokenizer.encode(texts, 16)
    stars = np.array([1, 0] * 40, np.int32) if ratings else None
    with Watchdog() as watchdog:
        before = model.validate(encoded, stars)
        assert watchdog._looks is not None  # a long validation is no run that stands still
    for epoch in range(12):
        plan = model.plan(encoded, token_budget=128, seed=1, epoch=epoch)
        model.fit_batches(encoded, stars, plan, 0, len(plan))
    after = model.validate(encoded, stars)
    assert after["perplexity"] < 4 < 20 < before["perplexity"]
    assert model.validate(encoded, stars) == after  # the same pieces each time
    assert model.score(after) > model.score(before)
    assert ("rating_accuracy" in after) == bool(ratings)
    if ratings:
        assert after["rating_accuracy"] == 1.0


def test_an_output_of_another_model_is_refused(make_bert, tiny_tokenizer):
    with pytest.raises(UserError, match=r"model's bias: found shape \(29,\), expected \(30,\) by config.json"):
        MaskedLanguageModel(make_bert(), tiny_tokenizer, predictions={"bias": np.zeros(29, np.float32)})


def test_a_tokenizer_without_a_mask_is_refused(make_bert, tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n영화\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no piece \[MASK\]"):
        MaskedLanguageModel(make_bert(), tokenizers.from_vocab(tmp_path / "vocab.txt"), max_length=16)
