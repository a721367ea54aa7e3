"""nsmc_bert.model.hiding: what is hidden, and of what places something is said."""

import numpy as np
import pytest
import tensorflow as tf

from nsmc_bert.data import reviews
from nsmc_bert.model import packing, tokenizers
from nsmc_bert.model.hiding import MASKED_SHARE, PLACES, ROOM, Hidden, Hide

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
    others = []
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
            others += [seen[row][place] for place in chosen if seen[row][place] not in (MASK, ids[row][place])]
    assert 0.15 < taken / pieces < 0.22  # whole words, at least one a text
    assert abs(masked / taken - 0.8) < 0.04
    assert abs(kept / taken - 0.1) < 0.03
    # the rest are other pieces, each as likely
    tenths = np.bincount(10 * np.array(others) // tokenizer.vocab_size, minlength=10) / len(others)
    assert min(others) > MASK and 0.05 < tenths.min() <= tenths.max() < 0.15


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


def test_what_becomes_of_the_hidden_pieces():
    """Of 85 % [MASK] and the rest as it was, as ELECTRA's generator reads it."""
    tokenizer, texts = tokenizers.bundled(), reviews.sample()[0].texts
    encoded = tokenizer.encode(texts, 64)
    (features,) = packing.dataset(encoded, packing.plan(encoded.lengths, 1 << 20), pad_id=PAD)
    ids, hidden = features["input_ids"], Hide(tokenizer, 0.15, 0.85, 0.0)(*list(features.values())[:2], [1, 2])
    seen, there = np.take_along_axis(hidden.input_ids.numpy(), hidden.read.numpy(), 1), hidden.taken.numpy()
    seen, pieces = seen[there], hidden.pieces.numpy()[there]
    assert set(np.flatnonzero(seen != pieces)) <= set(np.flatnonzero(seen == MASK))
    assert abs((seen == MASK).mean() - 0.85) < 0.03 and len(seen) > 1000
    assert ((hidden.input_ids.numpy() != ids.numpy()).sum()) == (seen == MASK).sum()


def test_the_places_that_something_is_said_of(tiny_tokenizer):
    encoded = tiny_tokenizer.encode(["이 영화 정말 최고 !", "다시는 안 본다 .", "꿀잼", ""] * 9, 16)
    hide = Hide(tiny_tokenizer)
    for features in packing.dataset(encoded, packing.plan(encoded.lengths, 256, seed=0), pad_id=PAD):
        hidden = hide(features["input_ids"], features["segments"], [3, 4])
        said = hide.places(hidden)
        taken = np.flatnonzero(hidden.taken.numpy().ravel())
        real, size = said.weights.numpy() > 0, len(said.weights)
        assert size % PLACES == 0 or size == hidden.taken.numpy().size
        assert real.sum() == min(len(taken), size) > 10
        np.testing.assert_array_equal(said.places.numpy()[real], taken[:size])
        np.testing.assert_array_equal(said.pieces.numpy()[real], hidden.pieces.numpy().ravel()[taken][:size])
        assert said.weights.numpy().mean() == pytest.approx(1.0)
    # 1.35 times 15 % of 2,048 places, and up to a multiple of 64
    zeros = tf.zeros([16, 35], tf.int32)
    full = Hidden(tf.zeros([16, 128], tf.int32), zeros, zeros, tf.ones([16, 35], tf.bool))
    np.testing.assert_array_equal(hide.places(full).places, np.arange(448))


def test_a_tokenizer_without_a_mask_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n영화\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no piece \[MASK\]"):
        Hide(tokenizers.from_vocab(tmp_path / "vocab.txt"))
