"""nsmc_bert.model.tokenizers against sentencepiece, transformers' own tokenizers, and ids known by heart."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert import bundled
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import tokenizers

REVIEWS = [
    "이 영화 엄청 재미있네요",
    "이 영화 엄청 재미없네요",
    "",
    "   ",
    "ㅋㅋㅋ 진짜ㅠㅠ 최고 😂 10점!!",
    "굿",
    "ＡＢＣ ① ﷺ e\u0301 ㅈㅐ밌다",
    "a\tb\u3000c\u200bd\x00e",
]


def rows(encoded):
    return [encoded.ids[a:b].tolist() for a, b in zip(encoded.row_splits, encoded.row_splits[1:])]


def write_vocab(folder, pieces):
    path = folder / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


WORDPIECE = "[PAD] [UNK] [CLS] [SEP] [MASK] 재미 ##있 ##네요 영화 ! a ##b".split()


def test_wordpiece_by_hand(tmp_path):
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    encoded = tokenizer.encode(["영화 재미있네요!", "", "재미없네요 ab", "영화[MASK]"], 128)
    assert rows(encoded) == [[2, 8, 5, 6, 7, 9, 3], [2, 3], [2, 1, 10, 11, 3], [2, 8, 4, 3]]
    assert encoded.lengths.tolist() == [7, 2, 5, 4]
    assert (tokenizer.vocab_size, tokenizer.pad_id, tokenizer.mask_id) == (12, 0, 4)


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
        (tmp_path / "config.json").write_text(json.dumps(ROBERTA))
        tokenizer = tokenizers.load(tmp_path)
    name = tokenizer._backend.id_to_token
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
    monkeypatch.setattr(tokenizers, "CHUNK", 5)
    np.testing.assert_array_equal(tokenizer.encode(REVIEWS * 3, 64).ids, whole.ids)
    assert len(tokenizer.encode([], 64)) == 0


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


def some_reviews(data_dir, count):
    lines = (data_dir / "nsmc" / "ratings_train.txt").read_text(encoding="utf-8").split("\n")[1 : count + 1]
    return [line.split("\t")[1] for line in lines] + REVIEWS


def test_wordpiece_equals_transformers_on_real_vocabularies(data_dir):
    from transformers.models.bert.tokenization_bert import BertTokenizer

    texts = some_reviews(data_dir, 300)
    for name in ("kcbert", "koelectra"):
        path = data_dir / "tokenizers" / name / "vocab.txt"
        theirs = BertTokenizer(str(path), do_lower_case=False)
        assert rows(tokenizers.from_vocab(path).encode(texts, 512)) == [theirs.encode(text) for text in texts]


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


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.mark.parametrize(
    ("pieces", "text", "ids"),
    [
        (["영화", "good"], "영화 GOOD", [5, 6]),  # syllables stay whole, as NFD would not leave them
        (["영화", "good", "Good"], "영화 GOOD", [5, 1]),
        (["cafe", "good"], "Café GOOD", [5, 6]),  # BERT's own rule
        (["café", "good"], "Café GOOD", [5, 6]),
        (["cafe", *map(str, range(2000)), "&lt;T&gt;"], "Café", [5]),  # one piece in two thousand is a slip
        (["\u1100", "##\u1161", "##\u11a8"], "가 각", [5, 6, 5, 6, 7]),  # sub-characters
        (["\u1100", "##\u1161", "A"], "가 A a", [5, 6, 7, 1]),
    ],
)
def test_how_text_is_changed_is_guessed_from_the_vocabulary(tmp_path, pieces, text, ids):
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, [*SPECIAL, *pieces]))
    assert rows(tokenizer.encode([text], 16)) == [[2, *ids, 3]]


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
TEXTS = [
    "",
    "영화 재미있다!",
    "Café cafés The GOOD good Good",
    "中國 abc",
    "영화ㅋㅋㅋ ㅋㅋ",
    "각 가각 영화",
    "[MASK] [USER] 영화[USER]영화",
    "ㅠㅠ영화ㅠㅠ good",
    "<e1> the <e1>the",
    "e\u0301 a\u200bb \x00 good\tgood",
    "<ENT> 영화<ENT>",
    " 영화  good <mask> 영화<mask>good</s>",
    "İstanbul ẞ ß",
    "[UNK]영화 [unk]",
]
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


def write_byte_level(folder, name):
    """Writes vocab.json and merges.txt of RoBERTa's kind, or a tokenizer.json made of them."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers.models.roberta.tokenization_roberta_fast import RobertaTokenizerFast

    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(TEXTS, 300, show_progress=False, special_tokens=list(tokenizers.FAIRSEQ.values()))
    files = learned.save_model(str(folder))
    if name == "tokenizer.json":
        RobertaTokenizerFast(*files).backend_tokenizer.save(str(folder / name))
        for file in files:
            (folder / Path(file).name).unlink()


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

    settings = dict(
        model_type="unigram",
        vocab_size=120,
        hard_vocab_limit=False,
        character_coverage=1.0,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        pad_piece="[PAD]",
        unk_piece="[UNK]",
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        minloglevel=2,
    )
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
    pieces = sorted(own._backend.get_vocab(), key=own._backend.get_vocab().get)
    turned = pieces[::-1]
    write_vocab(tmp_path, turned)
    tokenizer = tokenizers.load(tmp_path)
    assert tokenizer.cls_id == 7999 - own.cls_id
    np.testing.assert_array_equal(tokenizer.encode(REVIEWS, 128).ids, 7999 - own.encode(REVIEWS, 128).ids)
    write_vocab(tmp_path, turned[:-100] + turned[-5:])
    with pytest.raises(UserError, match="found 95 pieces of .* missing"):
        tokenizers.load(tmp_path)


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
    (folder / "config.json").write_text(json.dumps(ROBERTA))
    assert reads(tokenizers.load(folder), ["  ", "💩", ""]) == [False, True, False]  # bytes are all known
