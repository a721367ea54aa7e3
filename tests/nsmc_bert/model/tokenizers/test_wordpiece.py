"""nsmc_bert.model.tokenizers.wordpiece by hand and against transformers' own."""

import pytest

from nsmc_bert.model import tokenizers
from tests.nsmc_bert.model.tokenizers.make import SPECIAL, WORDPIECE, rows, some_reviews, write_vocab


def test_wordpiece_by_hand(tmp_path):
    tokenizer = tokenizers.from_vocab(write_vocab(tmp_path, WORDPIECE))
    encoded = tokenizer.encode(["영화 재미있네요!", "", "재미없네요 ab", "영화[MASK]"], 128)
    assert rows(encoded) == [[2, 8, 5, 6, 7, 9, 3], [2, 3], [2, 1, 10, 11, 3], [2, 8, 4, 3]]
    assert encoded.lengths.tolist() == [7, 2, 5, 4]
    assert (tokenizer.vocab_size, tokenizer.pad_id, tokenizer.mask_id) == (12, 0, 4)


def test_wordpiece_equals_transformers_on_real_vocabularies(data_dir):
    from transformers.models.bert.tokenization_bert import BertTokenizer

    texts = some_reviews(data_dir, 300)
    for name in ("kcbert", "koelectra"):
        path = data_dir / "tokenizers" / name / "vocab.txt"
        theirs = BertTokenizer(str(path), do_lower_case=False)
        assert rows(tokenizers.from_vocab(path).encode(texts, 512)) == [theirs.encode(text) for text in texts]


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
