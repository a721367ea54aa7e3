"""Text cut in a graph: the ids of the tokenizers themselves."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tokenizers as hf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import tokenizers
from nsmc_bert.serving import graph_tokenizer
from nsmc_bert.serving.graph_tokenizer import GraphTokenizer

TEXTS = [
    "이 영화 엄청 재미있네요",
    "",
    " ",
    "꿀잼 [SEP] 노잼",
    "[CLS][MASK]최고[PAD]!",
    "정말 최고!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!...................",  # cuts that are equally likely
    "㉠ ﬁ Ａ 재미　있네요",  # changed by NFKC
    "다시는 안 본다😀😀 \u200b\t끝\n",
    "Über-Öl ÉTÉ 中文영화 𠀀",
    "ㅋㅋㅋㅋㅋㅠㅠ",
    "안 본다\x00\ufffd봤다 [S\x00EP] 최고",
    "가" * 99 + "나" * 9 + " 최고",  # a word of more than a hundred characters is unknown
    "이 영화 " * 40,
    "[UNK] 영화는 [unk]",
    "\u3000 안\t 본다 \n",
]
WORDS = st.sampled_from(
    ["영화", "재미있네요", "최악", "안", "[SEP]", "[MASK]", " ", "  ", "!", ".", "(", "a", "Z", "7"]
)


@pytest.fixture(scope="module", params=["bundled", "cased", "uncased", "ids of a vocabulary"])
def tokenizer(request, tiny_tokenizer, tmp_path_factory):
    pytest.importorskip("tensorflow_text")
    if request.param == "bundled":
        return tokenizers.bundled()
    if request.param == "cased":
        return tiny_tokenizer
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    if request.param == "uncased":
        path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nuber\nete\n-\nol\nᄋ\n中\n##ᅵ\n.\n!\n")
        return tokenizers.from_vocab(path, do_lower_case=True, strip_accents=True)
    model = path.with_name("spiece.model")
    model.write_bytes(tokenizers.bundled().sentencepiece_model)
    pieces = [piece for piece, _ in tokenizers.bundled().rules()["model"]["vocab"]]
    path.write_text("\n".join(pieces[:5] + pieces[:4:-1]))
    cleaning = {"do_lower_case": True, "keep_accents": False, "remove_space": True}
    return tokenizers.from_sentencepiece(model, path, cleaning=cleaning)


@pytest.fixture(scope="module")
def graph(tokenizer):
    return GraphTokenizer(tokenizer, 24)


def rows(graph, texts):
    """The ids of each text that a graph gives."""
    ids, mask = (each.numpy() for each in graph(tf.constant(texts, tf.string)))
    assert ids.shape == mask.shape and ids.dtype == mask.dtype == np.int32
    assert (np.diff(mask, axis=1) <= 0).all() and mask.any(0).all()  # tokens first, and no column of padding alone
    assert (ids[mask == 0] == graph._pad).all()
    return [row[real > 0].tolist() for row, real in zip(ids, mask)]


def expected(tokenizer, texts):
    encoded = tokenizer.encode(texts, 24)
    return [encoded.ids[start:stop].tolist() for start, stop in zip(encoded.row_splits, encoded.row_splits[1:])]


def test_ids_are_those_of_the_tokenizer(tokenizer, graph):
    for text, here, there in zip(TEXTS, rows(graph, TEXTS), expected(tokenizer, TEXTS)):
        assert here == there, text


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.lists(WORDS, max_size=8).map("".join), min_size=1, max_size=8))
def test_ids_of_any_words(tokenizer, graph, texts):
    assert rows(graph, texts) == expected(tokenizer, texts)


def test_bytes_that_are_no_utf_8_are_unknown(tokenizer, graph):
    assert rows(graph, [b"\xff", b"\xc3\x28 "]) == expected(tokenizer, ["\ufffd", "\ufffd( "])


def test_no_texts(graph):
    ids, mask = graph(tf.constant([], tf.string))
    assert ids.shape[0] == mask.shape[0] == 0


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_an_expression_matches_its_text_alone(text):
    assert tf.strings.regex_full_match(text, graph_tokenizer.re2(text))
    assert not tf.strings.regex_full_match(text + "a", graph_tokenizer.re2(text))


def test_what_has_no_operation_is_refused(monkeypatch):
    pytest.importorskip("tensorflow_text")
    special = {role: role for role in tokenizers.SPECIAL}
    vocabulary = {name: number for number, name in enumerate(special)}
    bpe = tokenizers.Tokenizer(hf.Tokenizer(hf.models.BPE(vocabulary, [])), special)
    with pytest.raises(UserError, match="found byte-level BPE, .* --signature=tokens"):
        GraphTokenizer(bpe, 16)
    shipped = tokenizers.bundled()
    without_file = tokenizers.Tokenizer(hf.Tokenizer.from_str(json.dumps(shipped.rules())))
    with pytest.raises(UserError, match="found a Unigram model without its SentencePiece file"):
        GraphTokenizer(without_file, 16)
    for flag in ("normalized", "single_word"):
        changed = hf.Tokenizer.from_str(json.dumps(shipped.rules()))
        changed.add_tokens([hf.AddedToken("ㅠㅠ", **{"normalized": False, flag: True})])
        marked = tokenizers.Tokenizer(changed, sentencepiece_model=shipped.sentencepiece_model)
        with pytest.raises(
            UserError, match="found the added token 'ㅠㅠ', which is looked for in changed text or as a"
        ):
            GraphTokenizer(marked, 16)
    words = hf.Tokenizer(hf.models.WordPiece(vocabulary, unk_token="unk"))
    words.pre_tokenizer = hf.pre_tokenizers.Whitespace()
    words.normalizer = hf.normalizers.BertNormalizer()
    with pytest.raises(UserError, match="found WordPiece with the pre_tokenizer Whitespace"):
        GraphTokenizer(tokenizers.Tokenizer(words, special), 16)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(UserError, match=r"found no tensorflow_text, .*pip install 'nsmc-bert\[export\]'"):
        graph_tokenizer.check()
