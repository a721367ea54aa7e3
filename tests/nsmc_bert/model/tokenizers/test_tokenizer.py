"""nsmc_bert.model.tokenizers.tokenizer: ids by hand, and whatever text comes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.model import tokenizers
from tests.nsmc_bert.model.tokenizers.make import (
    REVIEWS,
    WORDPIECE,
    rows,
    write_byte_level,
    write_vocab,
)


def test_parts_that_go_on_by_hand(tmp_path):
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    pairs = [("미", "있네요!"), ("a", "bb"), ("A", "Bb a"), ("!", "영화"), ("a", "재미"), ("a", ""), ("a", "b\ud800")]
    # a mark parts what goes on too; 재미 has no piece that goes on; half of a surrogate pair is no text, and deleted
    assert tokenizer.continuations(pairs) == [[6, 7, 9], [11, 11], [11, 11, 10], [8], [1], [], [11]]


def test_what_follows_a_chinese_character_begins_a_word(tmp_path):
    """As in the whole: 中의 is the words 中 and 의."""
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, "[PAD] [UNK] [CLS] [SEP] [MASK] 中 의 ##의 그".split()))
    assert tokenizer.pieces(["中의", "그中의", "그의"]) == [[5, 6], [8, 5, 6], [8, 7]]
    assert tokenizer.continuations([("中", "의"), ("그", "中의"), ("그", "의"), ("中", "中")]) == [
        [6],
        [5, 6],
        [7],
        [5],
    ]


@pytest.mark.parametrize("kind", ["SentencePiece", "byte-level BPE"])
@pytest.mark.parametrize("word", ["고향은", "재미있네요", "(웃음)근데", "ㅋㅋㅋ", "Ｋ팝스타"])
def test_parts_that_go_on_are_spelled_as_in_the_whole(tmp_path, word, kind):
    """Wherever a word is cut, its parts spell it, and only the first one begins a word."""
    if kind == "SentencePiece":
        tokenizer = tokenizers.bundled()
    else:
        write_byte_level(tmp_path, "merges.txt")
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta"}))
        tokenizer = tokenizers.load(tmp_path)
    name = tokenizer.backend.id_to_token
    whole = "".join(map(name, tokenizer.pieces([word])[0]))
    for cut in range(1, len(word)):
        [first], [second] = tokenizer.pieces([word[:cut]]), tokenizer.continuations([(word[cut - 1], word[cut:])])
        assert "".join(map(name, [*first, *second])) == whole


def test_truncation_keeps_the_beginning_and_the_ends(tmp_path):
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    encoded = tokenizer.encode(["영화 " * 3, "영화 " * 4, "영화 " * 100_000], 5)
    assert rows(encoded) == [[2, 8, 8, 8, 3]] * 3
    assert encoded.truncated.tolist() == [False, True, True]


def test_rows_can_be_picked_in_any_order(tmp_path):
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    encoded = tokenizer.encode(["영화", "재미있네요", "", "!! !"], 4)
    picked = encoded[np.array([3, 0, 0])]
    assert rows(picked) == [[2, 9, 9, 3], [2, 8, 3], [2, 8, 3]]
    assert picked.truncated.tolist() == [True, False, False]
    assert len(encoded[np.array([], int)]) == 0


def test_some_rows_can_be_replaced():
    tokenizer = tokenizers.bundled()
    texts = ["꿀잼", "이 영화 엄청 재미있네요", "노잼", "다시는 안 본다"]
    others = ["이영화엄청재미있네요", "다시 본다"]
    replaced = tokenizer.encode(texts, 6).replaced([1, 3], tokenizer.encode(others, 6))
    wanted = tokenizer.encode([texts[0], others[0], texts[2], others[1]], 6)
    for name in ("ids", "row_splits", "truncated"):
        np.testing.assert_array_equal(getattr(replaced, name), getattr(wanted, name))
    same = wanted.replaced(np.zeros(0, int), tokenizer.encode([], 6))
    np.testing.assert_array_equal(same.ids, wanted.ids)


def test_chunks_change_nothing(monkeypatch):
    tokenizer = tokenizers.bundled()
    whole = tokenizer.encode(REVIEWS * 3, 64)
    monkeypatch.setattr(tokenizers.tokenizer, "CHUNK", 5)
    np.testing.assert_array_equal(tokenizer.encode(REVIEWS * 3, 64).ids, whole.ids)
    assert len(tokenizer.encode([], 64)) == 0


def test_other_tools_cut_a_saved_folder_the_same_way(tmp_path):
    from transformers import PreTrainedTokenizerFast

    wordpiece = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    for name, tokenizer in (("sentencepiece", tokenizers.bundled()), ("wordpiece", wordpiece)):
        (tmp_path / name).mkdir()
        tokenizer.save(tmp_path / name, model_max_length=12)
        theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path / name)
        expected = theirs(REVIEWS + ["영화 " * 50, "[SEP]"], truncation=True)
        assert theirs.model_max_length == 12
        assert rows(tokenizer.encode(REVIEWS + ["영화 " * 50, "[SEP]"], 12)) == expected["input_ids"]
        assert not any(map(any, expected["token_type_ids"]))
        again = tokenizers.load(tmp_path / name)
        assert (again.fingerprint, again.model_max_length) == (tokenizer.fingerprint, 12)
        assert again.sentencepiece_model == tokenizer.sentencepiece_model


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=30), max_size=5))
def test_any_text(texts):
    encoded = tokenizers.bundled().encode(texts, 16)
    assert len(encoded) == len(texts)
    assert ((encoded.lengths >= 2) & (encoded.lengths <= 16)).all()
    assert (encoded.ids < 8000).all()


def test_lone_surrogates_are_replacement_characters():
    tokenizer = tokenizers.bundled()
    assert rows(tokenizer.encode(["굿\ud83d", "굿\ufffd"], 9))[0] == rows(tokenizer.encode(["굿\ufffd"], 9))[0]


def test_texts_in_which_nothing_is_known(tmp_path):
    def reads(tokenizer, texts):
        return tokenizer.reads(tokenizer.encode(texts, 16)).tolist()

    assert reads(tokenizers.bundled(), ["좋아요", "", "💩", " ", "👎👎", "좋"]) == [True, *[False] * 4, True]
    assert reads(tokenizers.bundled(), []) == []
    wordpiece = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    assert reads(wordpiece, ["영화", "재미없네요", "", "재미없네요!"]) == [True, False, False, True]
    folder = tmp_path / "byte-level"
    folder.mkdir()
    write_byte_level(folder, "merges.txt")
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    assert reads(tokenizers.load(folder), ["  ", "💩", ""]) == [False, True, False]  # bytes are all known
