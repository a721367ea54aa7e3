"""nsmc_bert.model.tokenizers.unigram against sentencepiece and transformers' own tokenizers."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert import bundled
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import tokenizers
from nsmc_bert.model.tokenizers import unigram
from tests.nsmc_bert.model.tokenizers.make import (
    REVIEWS,
    rows,
    write_vocab,
)


def test_bundled_is_its_sentencepiece_model_converted():
    tokenizer = tokenizers.bundled()
    converted = tokenizers.from_sentencepiece(bundled.ENCODER / "spiece.model")
    assert tokenizer.fingerprint == converted.fingerprint
    ids = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    assert (ids, tokenizer.vocab_size) == ((0, 1, 2, 3, 4), 8000)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("이영화재미있네요 ㅋㅠㅈㅐ.!?~aB1가힣"), max_size=30))
def test_conversion_gives_sentencepieces_pieces(text):
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(bundled.ENCODER / "spiece.model"))
    tokenizer, expected = tokenizers.bundled(), pieces.encode(text)
    actual = rows(tokenizer.encode([text], 128))[0][1:-1]
    if actual != expected:  # of cuts that are equally likely, each takes one
        score = lambda ids: sum(map(pieces.get_score, ids))  # noqa: E731
        assert score(actual) == pytest.approx(score(expected), abs=1e-4)
        spell = lambda ids: "".join(map(pieces.id_to_piece, ids))  # noqa: E731
        assert spell(actual) == spell(expected)


def test_kobert_ids(data_dir):
    """Known ids of a known sentence, in the layouts of skt/kobert-base-v1 and of monologg/kobert."""
    folder = data_dir / "tokenizers" / "kobert"
    skt = tokenizers.from_sentencepiece(folder / "kobert_news_wiki_ko_cased-1087f8699e.spiece")
    monologg = tokenizers.from_sentencepiece(
        folder / "tokenizer_78b3253a26.model", folder / "kobertvocab_f38b8a4d6d.json"
    )
    for tokenizer in (skt, monologg):
        encoded = tokenizer.encode(["한국어 모델을 공유합니다."], 128)
        assert encoded.ids.tolist() == [2, 4958, 6855, 2046, 7088, 1050, 7843, 54, 3]
        assert (tokenizer.vocab_size, tokenizer.pad_id, tokenizer.unk_id) == (8002, 1, 0)


CORPUS = [
    "영화가 정말 재미있다",
    "이 영화 최고 good",
    "노잼 bad movie 9,5 1,2",
    "the cafe is good",
    "zoe naive 500 won",
    "ha_ha haha 굿",
] * 20
PIECES = [
    "",
    "  ",
    "영화가 정말 재미있다",
    "Café olé NAÏVE zoë",
    "movie 9,500 won 1, 2,",
    "``good'' said",
    " 영화  a   b ",
    "각 ㅈㅐ밌다",
    "❤️ ok",
    "e\u0301te\u0301",
    "good영화good goodgood",
    "ha_ha haha_ha ha_haha_ha_ha_영화",
    "영화ha_굿 good가",
    "movie\u3000good",
    " 영화\tgood\x1c \n영화",
]
ROLES = {role + "_token": token for role, token in tokenizers.SPECIAL.items()}


def write_sentencepiece(folder, **options):
    import sentencepiece

    settings = {**unigram.TRAINER, "vocab_size": 120, "hard_vocab_limit": False, "character_coverage": 1.0}
    with open(folder / "spiece.model", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=file, **{**settings, **options}
        )
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))


@pytest.mark.parametrize(
    ("options", "config"),
    [
        ({}, {}),
        (dict(user_defined_symbols=["ha_", "good", "영화"]), {}),
        (dict(normalization_rule_name="identity"), {}),
        (dict(split_by_whitespace=False), {}),
        (dict(add_dummy_prefix=False), {}),
        (dict(remove_extra_whitespaces=False), {}),
        (dict(byte_fallback=True, vocab_size=400), {}),
        ({}, {"tokenizer_class": "XLNetTokenizer"}),
        ({}, {"tokenizer_class": "XLNetTokenizerFast", "keep_accents": True, "do_lower_case": True}),
        ({}, {"tokenizer_class": "AlbertTokenizer"}),
        (dict(normalization_rule_name="identity"), {"tokenizer_class": "XLNetTokenizer"}),
        (dict(normalization_rule_name="identity"), {"tokenizer_class": "AlbertTokenizer", "keep_accents": True}),
        (dict(remove_extra_whitespaces=False), {"tokenizer_class": "XLNetTokenizer", "remove_space": False}),
    ],
)
def test_sentencepiece_is_cut_as_its_library_or_transformers_cuts_it(tmp_path, options, config):
    import transformers

    pieces = write_sentencepiece(tmp_path, **options)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**ROLES, **config}))
    kind = config.get("tokenizer_class", "").removesuffix("Fast")
    theirs = getattr(transformers, kind).from_pretrained(tmp_path) if kind else None
    actual = rows(tokenizers.load(tmp_path).encode(PIECES, 128))
    for text, ids in zip(PIECES, actual):
        expected = theirs(text, add_special_tokens=False)["input_ids"] if theirs else pieces.encode(text)
        assert ids == [2, *expected, 3], text


XLM = dict(pad_id=-1, unk_id=0, bos_id=1, eos_id=2, unk_piece="<unk>", control_symbols=[])
LITE = dict(pad_piece="<pad>", unk_piece="<unk>")


@pytest.mark.parametrize(
    ("file", "options", "config", "kind"),
    [
        ("sentencepiece.bpe.model", XLM, {"model_type": "xlm-roberta"}, "XLMRobertaTokenizer"),
        ("spiece.model", LITE, {"model_type": "albert"}, "AlbertTokenizer"),
    ],
)
def test_sentencepiece_of_a_family_that_its_configuration_alone_names(tmp_path, file, options, config, kind):
    import transformers

    write_sentencepiece(tmp_path, **options)
    (tmp_path / "spiece.model").rename(tmp_path / file)
    (tmp_path / "config.json").write_text(json.dumps(config))
    tokenizer, texts = tokenizers.load(tmp_path), [*PIECES, "영화 <mask>good<s> [MASK]", "<pad></s>"]
    theirs = getattr(transformers, kind).from_pretrained(tmp_path)
    assert rows(tokenizer.encode(texts, 128)) == [theirs(text)["input_ids"] for text in texts]
    (tmp_path / "saved").mkdir()
    tokenizer.save(tmp_path / "saved", 64)
    again = tokenizers.load(tmp_path / "saved")
    assert rows(again.encode(texts, 128)) == rows(tokenizer.encode(texts, 128))
    ids = (again.cls_id, again.pad_id, again.sep_id, again.unk_id, again.mask_id)
    assert ids == ((0, 1, 2, 3, again.vocab_size - 1) if "xlm" in config["model_type"] else (2, 0, 3, 1, 4))


@pytest.mark.parametrize(
    ("options", "config", "message"),
    [
        (dict(user_defined_symbols=["ㅋㅋ"]), {}, "a user-defined symbol that normalisation changes, 'ㅋㅋ'"),
        (dict(treat_whitespace_as_suffix=True), {}, "marks the ends of words"),
        (dict(model_type="bpe"), {}, "found no SentencePiece unigram model"),
        ({}, {"tokenizer_class": "XLMRobertaTokenizer"}, r"pieces that begin with .*, expected <unk>, <s> and </s>"),
        (LITE, {"mask_token": {"content": "[MASK]", "single_word": True}}, "the mask_token .* without single_word"),
        ({}, {"tokenizer_class": "T5Tokenizer"}, "found tokenizer_class 'T5Tokenizer' and no tokenizer.json"),
        ({}, {"additional_special_tokens": ["<ENT>"]}, "found the added tokens .*'<ENT>'.*no pieces of the model"),
    ],
)
def test_sentencepiece_that_cannot_be_converted_is_refused(tmp_path, options, config, message):
    write_sentencepiece(tmp_path, **options)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=message):
        tokenizers.load(tmp_path)


def test_a_piece_that_is_no_text(tmp_path):
    content = (bundled.ENCODER / "spiece.model").read_bytes()
    assert content.count("▁영화".encode()) >= 1
    (tmp_path / "spiece.model").write_bytes(content.replace("▁영화".encode(), "▁영".encode() + b"\xff\xff\xff", 1))
    with pytest.raises(UserError, match=r"spiece.model: found the piece b'.*\\xff', which is no UTF-8; the file is da"):
        tokenizers.load(tmp_path)


def test_ids_can_come_from_a_vocabulary_of_their_own(tmp_path):
    shutil.copy(bundled.ENCODER / "spiece.model", tmp_path)
    own = tokenizers.bundled()
    pieces = sorted(own.backend.get_vocab(), key=own.backend.get_vocab().get)
    turned = pieces[::-1]
    write_vocab(tmp_path, turned)
    tokenizer = tokenizers.load(tmp_path)
    assert tokenizer.cls_id == 7999 - own.cls_id
    np.testing.assert_array_equal(tokenizer.encode(REVIEWS, 128).ids, 7999 - own.encode(REVIEWS, 128).ids)
    write_vocab(tmp_path, turned[:-100] + turned[-5:])
    with pytest.raises(UserError, match="found 95 pieces of .* missing"):
        tokenizers.load(tmp_path)
