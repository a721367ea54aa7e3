"""nsmc_bert.tokenizers against sentencepiece, against transformers' own tokenizers, and against ids known by heart."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsmc_bert import tokenizers
from nsmc_bert.errors import UserError

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
    converted = tokenizers.from_sentencepiece(tokenizers.BUNDLED / "spiece.model")
    assert tokenizer.fingerprint == converted.fingerprint
    ids = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    assert (ids, tokenizer.vocab_size) == ((0, 1, 2, 3, 4), 8000)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("이영화재미있네요 ㅋㅠㅈㅐ.!?~aB1가힣"), max_size=30))
def test_conversion_gives_sentencepieces_pieces(text):
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tokenizers.BUNDLED / "spiece.model"))
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


def test_wordpiece_equals_transformers_on_real_vocabularies(data_dir):
    from transformers.models.bert.tokenization_bert import BertTokenizer

    lines = (data_dir / "nsmc" / "ratings_train.txt").read_text(encoding="utf-8").split("\n")[1:301]
    texts = [line.split("\t")[1] for line in lines] + REVIEWS
    for name in ("kcbert", "koelectra"):
        path = data_dir / "tokenizers" / name / "vocab.txt"
        theirs = BertTokenizer(str(path), do_lower_case=False)
        assert rows(tokenizers.from_vocab(path).encode(texts, 512)) == [theirs.encode(text) for text in texts]


def test_a_vocabulary_without_capitals_is_lower_cased_and_hangul_stays_whole(tmp_path):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "영화", "good"]
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, pieces))
    assert rows(tokenizer.encode(["영화 GOOD"], 9)) == [[2, 5, 6, 3]]
    cased = tokenizers.from_vocab(write_vocab(tmp_path, [*pieces, "Good"]))
    assert rows(cased.encode(["영화 GOOD"], 9)) == [[2, 5, 1, 3]]
    # what the configuration says goes before the guess: BERT's lower-casing takes syllables apart
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert rows(tokenizers.load(tmp_path).encode(["영화 good"], 9)) == [[2, 1, 6, 3]]


def test_ids_can_come_from_a_vocabulary_of_their_own(tmp_path):
    shutil.copy(tokenizers.BUNDLED / "spiece.model", tmp_path)
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
        ({"vocab.txt": "a\n", "tokenizer_config.json": "[1]"}, r"tokenizer_config.json: found \[1\], expected a JSON object"),
    ],
)
def test_broken_folders_are_named(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        tokenizers.load(tmp_path)
