"""nsmc_bert.model.tokenizers.folder: published layouts against transformers' own tokenizers, and broken ones."""

import json
import shutil

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import tokenizers
from tests.nsmc_bert.model.tokenizers.make import (
    REVIEWS,
    SPECIAL,
    TEXTS,
    rows,
    some_reviews,
    write_byte_level,
    write_vocab,
)


def test_kobert_folders(data_dir, tmp_path):
    source = data_dir / "tokenizers" / "kobert"
    vocabulary = json.loads((source / "kobertvocab_f38b8a4d6d.json").read_text(encoding="utf-8"))["idx_to_token"]
    for name in ("skt", "monologg"):
        (tmp_path / name).mkdir()
    shutil.copy(source / "kobert_news_wiki_ko_cased-1087f8699e.spiece", tmp_path / "skt" / "spiece.model")
    (tmp_path / "skt" / "tokenizer_config.json").write_text('{"cls_token": "[CLS]", "model_max_length": 512}')
    shutil.copy(source / "tokenizer_78b3253a26.model", tmp_path / "monologg")
    write_vocab(tmp_path / "monologg", vocabulary)
    skt, monologg = tokenizers.load(tmp_path / "skt"), tokenizers.load(tmp_path / "monologg")
    assert skt.model_max_length == 512
    np.testing.assert_array_equal(skt.encode(REVIEWS, 128).ids, monologg.encode(REVIEWS, 128).ids)


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("vocabulary", "family", "settings"),
    [
        ("koelectra", "electra", {"do_lower_case": False, "model_max_length": 512}),  # KoELECTRA's own folder
        ("kcbert", "bert", {"do_lower_case": False, "max_len": 300}),  # KcBERT's
        ("koelectra", "roberta", {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}),  # klue/roberta's layout
        ("kcbert", "electra", {"do_lower_case": False, "tokenizer_class": "ElectraTokenizer"}),  # KcELECTRA's layout
    ],
)
def test_published_layouts_cut_10_000_reviews_as_transformers_does(data_dir, tmp_path, vocabulary, family, settings):
    from transformers import AutoTokenizer

    shutil.copy(data_dir / "tokenizers" / vocabulary / "vocab.txt", tmp_path)
    (tmp_path / CONFIG).write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    texts = some_reviews(data_dir, 10_000)
    theirs, tokenizer = AutoTokenizer.from_pretrained(tmp_path), tokenizers.load(tmp_path)
    assert tokenizer.model_max_length == settings.get("model_max_length", settings.get("max_len"))
    expected = theirs(texts, truncation=True, max_length=512)["input_ids"]
    assert rows(tokenizer.encode(texts, 512)) == expected


@pytest.mark.corpora
def test_distilkoberts_folder_cuts_10_000_reviews_as_sentencepiece_does(data_dir, tmp_path):
    """monologg's: KoBERT's model, and the vocabulary that its ids come from."""
    import sentencepiece

    source = data_dir / "tokenizers" / "kobert"
    vocabulary = json.loads((source / "kobertvocab_f38b8a4d6d.json").read_text(encoding="utf-8"))["idx_to_token"]
    shutil.copy(source / "tokenizer_78b3253a26.model", tmp_path)
    write_vocab(tmp_path, vocabulary)
    (tmp_path / "config.json").write_text('{"model_type": "distilbert"}')
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer_78b3253a26.model"))
    number, texts = {piece: i for i, piece in enumerate(vocabulary)}, some_reviews(data_dir, 10_000)
    expected = [[2, *(number.get(piece, 0) for piece in pieces.encode(text, out_type=str)), 3] for text in texts]
    actual = rows(tokenizers.load(tmp_path).encode(texts, 512))
    # of cuts that are equally likely, .... as ... and . or as . and ..., each takes one
    assert sum(one != other for one, other in zip(actual, expected, strict=True)) < 30
    assert [sorted(ids) for ids in actual] == [sorted(ids) for ids in expected]


# Folders as other people publish them, and the classes of transformers whose ids they have to give. A list is a
# vocabulary.
CONFIG = "tokenizer_config.json"
ENGLISH = [*SPECIAL, *"the cafe ##s ! a ##b ##c 中 國 中國 good <e1>".split()]
KOREAN = [*SPECIAL, *"영화 재미 ##있 ##다 ㅋㅋ ㅋ Good good ! 中國 [USER]".split()]
JAMO = [*SPECIAL, *"\u1100 ##\u1161 ##\u11a8 \u110b ##\u1167 ##\u11bc ##\u1112 ##\u116a a good".split()]
BOTH, FAST, AUTO = ("BertTokenizer", "BertTokenizerFast"), ("BertTokenizerFast",), ("AutoTokenizer",)
CASED = {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}
GENERIC = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    **{role + "_token": token for role, token in tokenizers.SPECIAL.items()},
}
NEW = dict(content="ㅠㅠ", lstrip=False, rstrip=False, single_word=False, normalized=True, special=False)
KNOWN = {i: {**NEW, "content": token, "normalized": False, "special": True} for i, token in enumerate(SPECIAL)}
KLUE = {**CASED, "bos_token": "[CLS]", "eos_token": "[SEP]", "do_basic_tokenize": True, "model_max_length": 512}
ROBERTA, ALBERT, ELECTRA = ({"model_type": name} for name in ("roberta", "albert", "electra"))
FOLDERS = {
    "uncased vocabulary alone": ({"vocab.txt": ENGLISH}, BOTH),
    "sub-characters alone": ({"vocab.txt": JAMO}, BOTH),
    "class in config.json": (
        {"vocab.txt": ENGLISH, "config.json": {"model_type": "bert", "tokenizer_class": "BertTokenizer"}},
        AUTO,
    ),
    "cased": ({"vocab.txt": KOREAN, CONFIG: CASED}, BOTH),
    "lower-cased": ({"vocab.txt": KOREAN, CONFIG: {"do_lower_case": True}}, BOTH),
    "with accents": ({"vocab.txt": KOREAN, CONFIG: {"do_lower_case": True, "strip_accents": False}}, BOTH),
    "without accents": ({"vocab.txt": JAMO, CONFIG: {"do_lower_case": False, "strip_accents": True}}, BOTH),
    "Chinese words": ({"vocab.txt": KOREAN, CONFIG: {**CASED, "tokenize_chinese_chars": False}}, BOTH),
    "ELECTRA's": ({"vocab.txt": KOREAN, CONFIG: {**CASED, "tokenizer_class": "ElectraTokenizer"}}, AUTO),
    "added_tokens.json": ({"vocab.txt": KOREAN, CONFIG: CASED, "added_tokens.json": {"ㅠㅠ": 16, "<ENT>": 17}}, BOTH),
    "added_tokens_decoder": (
        {"vocab.txt": KOREAN, CONFIG: {**CASED, "added_tokens_decoder": {**KNOWN, 16: NEW}}},
        BOTH,
    ),
    "nothing added": ({"vocab.txt": KOREAN, CONFIG: {**CASED, "added_tokens_decoder": KNOWN}}, BOTH),
    "more special tokens": (
        {"vocab.txt": KOREAN, CONFIG: {**CASED, "additional_special_tokens": ["[USER]", "<ENT>"]}},
        BOTH,
    ),
    "more in the older file": (
        {"vocab.txt": KOREAN, CONFIG: CASED, "special_tokens_map.json": {"additional_special_tokens": ["[USER]"]}},
        BOTH,
    ),
    "the older file wins": (
        {
            "vocab.txt": ["<u>", *KOREAN],
            CONFIG: {**CASED, "unk_token": "[UNK]"},
            "special_tokens_map.json": {"unk_token": "<u>"},
        },
        BOTH,
    ),
    "a special token that is an object": (
        {"vocab.txt": KOREAN, CONFIG: {**CASED, "unk_token": {"__type": "AddedToken", **NEW, "content": "[UNK]"}}},
        FAST,
    ),
    "tokenizer.json": ({"tokenizer.json": False, CONFIG: CASED}, FAST),
    "tokenizer.json lower-cases": ({"tokenizer.json": True, CONFIG: CASED}, FAST),
    "tokenizer.json does not": ({"tokenizer.json": False, CONFIG: {"do_lower_case": True}}, FAST),
    "ELECTRA's tokenizer.json": (
        {"tokenizer.json": True, CONFIG: {**CASED, "tokenizer_class": "ElectraTokenizer"}},
        AUTO,
    ),
    "tokenizer.json and added_tokens.json": (
        {"tokenizer.json": False, CONFIG: CASED, "added_tokens.json": {"ㅠㅠ": 16}},
        FAST,
    ),
    "tokenizer.json and added_tokens_decoder": (
        {"tokenizer.json": False, CONFIG: {**CASED, "added_tokens_decoder": {16: NEW}}},
        FAST,
    ),
    "generic": ({"tokenizer.json": True, CONFIG: GENERIC}, AUTO),
    "generic and more": ({"tokenizer.json": False, CONFIG: {**GENERIC, "additional_special_tokens": ["[USER]"]}}, AUTO),
    "KoELECTRA's": (
        {"vocab.txt": KOREAN, CONFIG: {"do_lower_case": False, "model_max_length": 512}, "config.json": ELECTRA},
        AUTO,
    ),
    "KcELECTRA's": ({"vocab.txt": KOREAN, CONFIG: {**KLUE, "tokenizer_class": "ElectraTokenizer"}}, AUTO),
    "klue/roberta's": (
        {"tokenizer.json": False, "vocab.txt": KOREAN, CONFIG: KLUE, "config.json": ROBERTA},
        (*FAST, *AUTO),
    ),
    "klue/roberta's vocabulary": ({"vocab.txt": KOREAN, CONFIG: KLUE, "config.json": ROBERTA}, (*BOTH, *AUTO)),
    "kykim's ALBERT's": ({"vocab.txt": KOREAN, CONFIG: {"do_lower_case": False}, "config.json": ALBERT}, BOTH),
    "DistilBERT's": ({"vocab.txt": KOREAN, CONFIG: {**CASED, "tokenizer_class": "DistilBertTokenizer"}}, AUTO),
    "RoBERTa's": ({"merges.txt": "byte-level", "config.json": ROBERTA}, ("RobertaTokenizer", *AUTO)),
    "RoBERTa's with spaces": (
        {"merges.txt": "byte-level", CONFIG: {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}},
        AUTO,  # the slow one puts a space before the text alone, and none behind special tokens
    ),
    "RoBERTa's tokenizer.json": ({"tokenizer.json": "byte-level", "config.json": ROBERTA}, AUTO),
}


def write_folder(folder, files):
    """Writes made-up files; of a tokenizer.json, BERT's for KOREAN, it is said whether it lower-cases."""
    from transformers.models.bert.tokenization_bert_fast import BertTokenizerFast

    for name, content in files.items():
        if content == "byte-level":
            write_byte_level(folder, name)
        elif isinstance(content, bool):
            path = write_vocab(folder, KOREAN)
            BertTokenizerFast(str(path), do_lower_case=content).backend_tokenizer.save(str(folder / name))
            path.unlink()
        elif isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif isinstance(content, list):
            write_vocab(folder, content)
        else:
            (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


@pytest.mark.parametrize("name", FOLDERS)
def test_ids_are_transformers_own(tmp_path, name):
    import transformers

    files, classes = FOLDERS[name]
    write_folder(tmp_path, files)
    tokenizer = tokenizers.load(tmp_path)
    for kind in classes:
        theirs = getattr(transformers, kind).from_pretrained(tmp_path)
        assert rows(tokenizer.encode(TEXTS, 64)) == [theirs(text)["input_ids"] for text in TEXTS], kind
    (tmp_path / "saved").mkdir()  # and what the project writes gives them too
    tokenizer.save(tmp_path / "saved", 64)
    assert rows(tokenizers.load(tmp_path / "saved").encode(TEXTS, 64)) == rows(tokenizer.encode(TEXTS, 64))


@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("uncased vocabulary alone", "Café!", [6, 8]),
        ("sub-characters alone", "각", [5, 6, 7]),
        ("tokenizer.json lower-cases", "Good", [11]),
        ("tokenizer.json does not", "Good", [12]),
        ("added_tokens.json", "ㅠㅠ영화<ENT>", [16, 5, 17]),
        ("added_tokens_decoder", "ㅠㅠ", [16]),
        ("more special tokens", "영화[USER]", [5, 15]),
    ],
)
def test_ids_of_such_folders_by_hand(tmp_path, name, text, ids):
    write_folder(tmp_path, FOLDERS[name][0])
    assert rows(tokenizers.load(tmp_path).encode([text], 64)) == [[2, *ids, 3]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"vocab.txt": KOREAN, CONFIG: {"tokenizer_class": "BertJapaneseTokenizer"}},
            "found tokenizer_class BertJapanese",
        ),
        ({"vocab.txt": KOREAN, "config.json": {"tokenizer_class": "BertJapaneseTokenizer"}}, "BertJapaneseTokenizer"),
        (
            {"vocab.txt": KOREAN, CONFIG: {**CASED, "subword_tokenizer_type": "character"}},
            "subword_tokenizer_type 'char",
        ),
        ({"vocab.txt": KOREAN, CONFIG: {**CASED, "word_tokenizer_type": "mecab"}}, "word_tokenizer_type 'mecab'"),
        ({"vocab.txt": KOREAN, CONFIG: {**CASED, "do_basic_tokenize": False}}, "do_basic_tokenize False"),
        ({"vocab.txt": KOREAN, CONFIG: {**CASED, "split_special_tokens": True}}, "split_special_tokens True"),
        (
            {"vocab.txt": KOREAN, CONFIG: {"tokenizer_class": "RobertaTokenizer"}},
            "'RobertaTokenizer' and no tokenizer.json",
        ),
        ({"vocab.txt": KOREAN}, 'vocab.txt: found pieces .*: {"do_lower_case": false}'),
        ({"vocab.txt": [*SPECIAL, "영화", "good"]}, '{"do_lower_case": true, "strip_accents": false}'),
        ({"vocab.txt": [*JAMO, "A"]}, '{"do_lower_case": false, "strip_accents": true}'),
        ({"tokenizer.json": False}, "lowercase false in tokenizer.json and no do_lower_case in tokenizer_config.json"),
        (
            {"tokenizer.json": False, CONFIG: {"tokenizer_class": "KoBERTTokenizer"}},
            "transformers cannot read its tokenizer",
        ),
        ({"tokenizer.json": False, CONFIG: {**GENERIC, "cls_token": "[X]"}}, r"lacks the special tokens \[X\]"),
        ({"vocab.txt": b"[PAD]\n\xbf\xb5\xc8\xad\n"}, "vocab.txt:2: found bytes that are no UTF-8"),
        ({"vocab.json": {"a": 0}}, "found no tokenizer"),
        (
            {"vocab.json": {"a": 0}, "merges.txt": b"a b\n"},
            "found tokenizer_class '' and no tokenizer.json, expected Rob",
        ),
        (
            {"vocab.json": {"a": 0}, "merges.txt": b"#version\na b\n\n", "config.json": ROBERTA},
            "transformers cannot read its tokenizer",
        ),
        (
            {"vocab.json": {"a": "b"}, "merges.txt": b"", "config.json": ROBERTA},
            "vocab.json: found a 'b', expected a wh",
        ),
        ({"vocab.json": {"a": 0}, "merges.txt": b"", "config.json": ROBERTA}, "lacks the special tokens <pad>, <unk>"),
    ],
)
def test_what_cannot_be_read_as_transformers_does_is_refused(tmp_path, files, message):
    write_folder(tmp_path, files)
    with pytest.raises(UserError, match=message):
        tokenizers.load(tmp_path)


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("cls", r"makes \['\[CLS\]', '\[SEP\]'\] of '', expected \[MASK\] before a text and \[SEP\] behind it"),
        ("sep", r"expected \[CLS\] before a text and \[MASK\] behind it"),
        ("unk", r"makes \[UNK\] of what it does not know, expected its unk_token, \[MASK\]"),
    ],
)
def test_a_saved_folder_whose_two_files_name_other_special_tokens(tmp_path, role, message):
    tokenizers.bundled().save(tmp_path, 64)
    settings = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    (tmp_path / CONFIG).write_text(json.dumps({**settings, f"{role}_token": "[MASK]"}))
    with pytest.raises(UserError, match=message):
        tokenizers.load(tmp_path)


def test_what_stands_around_a_text_has_to_be_berts(tmp_path):
    write_folder(tmp_path, {"tokenizer.json": False, CONFIG: CASED})
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "post_processor": None}))
    with pytest.raises(UserError, match=r"makes \[\] of '', expected \[CLS\] before a text and \[SEP\] behind it"):
        tokenizers.load(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "found no tokenizer, expected one of tokenizer.json"),
        ({"vocab.txt": "[PAD]\n[UNK]\n[CLS]\n영화\n영화\n"}, r"vocab.txt:5?.*found '영화' twice"),
        ({"vocab.txt": "[PAD]\n[UNK]\n[CLS]\n영화\n"}, r"lacks the special tokens \[SEP\]"),
        ({"tokenizer.json": '{"model": 1}'}, "tokenizer.json: found no valid tokenizer"),
        ({"spiece.model": "not a model"}, "spiece.model: found no SentencePiece unigram model"),
        ({"vocab.txt": "a\n", "tokenizer_config.json": "{"}, "tokenizer_config.json: found no valid JSON"),
        (
            {"vocab.txt": "a\n", "tokenizer_config.json": '{"pad_token": 5}'},
            "tokenizer_config.json: found pad_token 5, expected a string or",
        ),
        (
            {"vocab.txt": "a\n", "tokenizer_config.json": '{"do_lower_case": 0}'},
            "found do_lower_case 0, expected true or false or null",
        ),
        ({"vocab.txt": "a\n", "tokenizer_config.json": '{"pad_token": "\\ud800"}'}, "lacks the special tokens \ufffd"),
        (
            {"vocab.txt": "a\n", "special_tokens_map.json": '{"cls_token": {}}'},
            "found no cls_token.content, expected a string",
        ),
        (
            {"tokenizer.json": '{"model": {"type": "BPE", "vocab": {}, "merges": [5]}}'},
            "tokenizer.json: found no valid tokenizer",
        ),
        (
            {"vocab.txt": "a\n", "tokenizer_config.json": "[1]"},
            r"tokenizer_config.json: found \[1\], expected a JSON object",
        ),
    ],
)
def test_broken_folders_are_named(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        tokenizers.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("special_tokens_map.json", {"bos_token": 5}, "found the special token 5, expected a string"),
        (
            "special_tokens_map.json",
            {"bos_token": {"lstrip": True}},
            "found the special token {'lstrip': True}, expected a string",
        ),
        (CONFIG, {"added_tokens_decoder": {"5": "x"}}, "found added_tokens_decoder.5 'x', expected a JSON object"),
        (CONFIG, {"tokenizer_class": 5}, "found tokenizer_class 5, expected a string or null"),
        (
            "tokenizer.json",
            {"post_processor": {"special_tokens": {}}},
            "parts do not fit together|cannot read its tokenizer|no valid tok",
        ),
        (
            "tokenizer.json",
            {"model": {"unk_token": "[NONE]"}},
            r"parts do not fit together \(WordPiece error: Missing \[UNK\] token|lacks the special|cannot read its tok",
        ),
    ],
)
def test_a_saved_folder_that_was_changed(tmp_path, tiny_tokenizer, file, change, message):
    tiny_tokenizer.save(tmp_path, 64)
    (tmp_path / "special_tokens_map.json").write_text("{}", encoding="utf-8")
    values = json.loads((tmp_path / file).read_text(encoding="utf-8"))
    for key, value in change.items():
        values[key] = (
            {**values.get(key, {}), **value} if isinstance(value, dict) and isinstance(values.get(key), dict) else value
        )
    (tmp_path / file).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        tokenizers.load(tmp_path)
