"""probing.alignment: positions of spans by hand, any text, windows that give every position once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsmc_bert.base.errors import UserError
from nsmc_bert.model import tokenizers
from probing import alignment
from probing.records import Record, Target
from probing.tasks import TASKS


def test_words_and_pieces_by_hand(tiny_tokenizer):
    sentence = read(tiny_tokenizer, "이 영화 재미있네요 !".split())
    # [CLS] 이 영화 재미 ##있 ##네요 ! [SEP]
    assert sentence.payload.tolist() == [2, 5, 6, 8, 9, 11, 17, 3]
    assert sentence.starts.tolist() == [1, 2, 3, 6, 7]


def read(tokenizer, words):
    return alignment.pieces(
        tokenizer.pieces, words, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id, unk_id=tokenizer.unk_id, cache={}
    )


def test_punctuation_inside_a_word_stays_in_its_span(tiny_tokenizer):
    sentence = read(tiny_tokenizer, ["영화!", "이"])
    assert sentence.starts.tolist() == [1, 3, 4]


def test_glued_words_are_the_pieces_that_go_on(tiny_tokenizer):
    """이 | 영화재미있네요 in four parts, beside the same words with spaces; 영화 has no piece that goes on."""
    words = ["이", "재미", "있", "네요", "!", "영화", "는"]

    def cut(glued):
        sentence = alignment.pieces(
            tiny_tokenizer.pieces,
            words,
            cls_id=2,
            sep_id=3,
            unk_id=1,
            cache=cache,
            glued=glued,
            continuations=tiny_tokenizer.continuations,
        )
        assert np.diff(sentence.starts).tolist() == [1] * 7
        return sentence.payload.tolist()[1:-1]

    cache = {}
    assert cut([2, 3, 4, 6]) == [5, 8, 9, 11, 17, 6, 20]
    assert cut([]) == [5, 8, 1, 1, 17, 6, 1]
    # behind a mark a word begins, behind a word 영화 would have to be ##영화
    assert cut([5]) == [5, 8, 1, 1, 17, 6, 1]
    assert cut([1, 2, 3, 4, 5, 6]) == [5, 1, 9, 11, 17, 6, 20]


@given(st.text("이영화재미있네요는!a", min_size=1, max_size=6), st.text("이영화재미있네요는!a", min_size=1, max_size=6))
def test_a_word_cut_in_two_has_pieces_of_its_characters(first, second):
    """With the tokenizer that ships what is cut apart spells what was written, and the second part begins no word."""
    tokenizer = tokenizers.bundled()
    sentence = alignment.pieces(
        tokenizer.pieces,
        [first, second],
        cls_id=None,
        sep_id=None,
        unk_id=tokenizer.unk_id,
        cache={},
        glued=[1],
        continuations=tokenizer.continuations,
    )
    assert "".join(map(tokenizer.backend.id_to_token, sentence.payload)) == "▁" + first + second
    assert sentence.starts[1] == len(tokenizer.pieces([first])[0])


def test_a_word_that_leaves_nothing_is_unknown(tiny_tokenizer):
    sentence = read(tiny_tokenizer, ["영화", "\u200b", "이"])
    assert sentence.payload.tolist() == [2, 6, 1, 5, 3]
    assert (sentence.starts.tolist(), sentence.unknown, sentence.unk) == ([1, 2, 3, 4], 1, 1)


def test_without_special_tokens():
    sentence = alignment.pieces(
        lambda words: [[len(word)] for word in words], ["a", "bbb"], cls_id=None, sep_id=None, unk_id=0, cache={}
    )
    assert (sentence.payload.tolist(), sentence.starts.tolist()) == ([1, 3], [0, 1, 2])


@given(st.lists(st.text(min_size=1).map(lambda text: "".join(text.split())).filter(bool), min_size=1, max_size=8))
def test_any_text_has_spans(words):
    tokenizer = tokenizers.bundled()
    sentence = read(tokenizer, words)
    assert len(sentence.starts) == len(words) + 1
    assert (np.diff(sentence.starts) > 0).all()
    assert (sentence.starts[0], sentence.starts[-1]) == (1, len(sentence.payload) - 1)


@pytest.mark.parametrize(
    "text", ["이 영화 정말 재미있네요", "올해 본 영화 중 최고였다 ㅋㅋ", "배우들의 연기가 좋았어요 !"]
)
def test_sentencepiece_words_are_those_of_the_whole_text(text):
    tokenizer = tokenizers.bundled()
    whole = tokenizer.encode([text], 128).ids
    np.testing.assert_array_equal(read(tokenizer, text.split()).payload, whole)


def test_a_key_is_the_payloads(tiny_tokenizer):
    one, same, other = (read(tiny_tokenizer, words).key for words in (["이", "영화"], ["이", "영화"], ["영화", "이"]))
    assert one == same != other
    assert len(one) == 16


class Spaces:
    """An encoder whose pieces are characters."""

    max_positions = 12

    def read(self, sentences, glued=()):
        return [
            alignment.pieces(
                lambda words: [[ord(c) for c in word] for word in words], words, cls_id=1, sep_id=2, unk_id=0, cache={}
            )
            for words in sentences
        ]


def records():
    return [
        Record("ab c", (Target((0, 1), (1, 2), ("x",)), Target((0, 2), (0, 1), ("y", "x")))),
        Record("none", ()),
        Record("ab c", (Target((1, 2), (1, 2), ()),)),
        Record("defg hijkl mn", (Target((2, 3), (0, 2), ("y",)),)),
    ]


def test_examples_by_hand():
    examples = alignment.align(records(), Spaces(), TASKS["spr2"], ["x", "y"])
    assert examples.sentence.tolist() == [0, 0, 1]
    assert examples.splits.tolist() == [0, 2, 3, 4]
    assert examples.record.tolist() == [0, 0, 1, 2]
    # [CLS] a b c [SEP] and [CLS] d e f g h i j k l m n [SEP]
    assert examples.span1.tolist() == [[1, 3], [1, 4], [3, 4], [10, 12]]
    assert examples.span2.tolist() == [[3, 4], [1, 3], [3, 4], [1, 10]]
    assert examples.gold().tolist() == [[True, False], [True, True], [False, False], [False, True]]
    assert examples.gold(np.array([3, 1])).tolist() == [[False, True], [True, True]]
    assert len(examples.keys) == len(set(examples.keys)) == 2
    assert examples.types[1] != examples.types[0] != examples.types[2]
    assert examples.dropped == {
        "records without targets": 1,
        "sentences beyond the encoder's length, encoded in windows": 1,
    }
    assert examples.named == ["'defg hijkl mn'"]


def test_a_sentence_is_read_anew_where_other_words_are_glued():
    """Two records of one text, and only the glue tells them apart."""

    class Glue(Spaces):
        def read(self, sentences, glued=()):
            return [
                alignment.Sentence(np.array([len(words), *one], np.int32), np.arange(len(words) + 1, dtype=np.int32))
                for words, one in zip(sentences, glued)
            ]

    target = Target((0, 1), (1, 2), ("x",))
    same = [Record("a b", (target,), glued=glued) for glued in ((), (1,), (1,), ())]
    examples = alignment.align(same, Glue(), TASKS["spr2"], ["x"])
    assert examples.sentence.tolist() == [0, 1, 1, 0]
    assert [payload.tolist() for payload in examples.payloads] == [[2], [2, 1]]


def test_the_share_of_unknown_words(tiny_tokenizer, monkeypatch):
    """Words with an unknown piece, once for each sentence that is read; from a tenth on it is said loudly."""

    class Tiny:
        max_positions = 12

        def read(self, sentences, glued=()):
            return [read(tiny_tokenizer, words) for words in sentences]

    texts = ["이 영화 سينما", "이 영화!ق", "이 영화 سينما", "مرحبا"]
    records = [Record(text, (Target((0, 1), None, ("x",)),)) for text in texts]
    examples = alignment.align(records, Tiny(), TASKS["pos"], ["x"])
    assert (examples.words, examples.unk) == (6, 3)
    monkeypatch.setattr(alignment, "_chunks", lambda records, size: ([record] for record in records))
    again = alignment.align(records, Tiny(), TASKS["pos"], ["x"])
    assert (again.words, again.unk, again.sentence.tolist()) == (6, 3, [0, 1, 0, 2])
    assert alignment.unknown_words(3, 6)[0] == "50.0 % of 6 words have [UNK]"
    assert [len(alignment.unknown_words(unk, 1000)) for unk in (0, 99, 100)] == [1, 1, 3]
    assert alignment.unknown_words(100, 1000)[1].startswith("*** 10 % of the words have [UNK]")


def test_one_span():
    examples = alignment.align([Record("ab c", (Target((0, 1), None, ("x",)),))], Spaces(), TASKS["pos"], ["x"])
    assert examples.span2 is None


def test_labels_are_numbered_as_they_come_and_anew():
    """A file is read once: what labels there are is known behind its last line."""
    known = alignment.align(records(), Spaces(), TASKS["spr2"], ["x", "y"])
    found = alignment.align(records(), Spaces(), TASKS["spr2"])
    assert sorted(found.names) == ["x", "y"]
    again = found.renumbered(["w", "x", "y"])
    assert again.names == ["w", "x", "y"]
    np.testing.assert_array_equal(again.gold()[:, 1:], known.gold())
    assert not again.gold()[:, 0].any()


def test_what_cannot_be_aligned_is_named():
    with pytest.raises(UserError, match="a.jsonl: found the label 'y', expected one of 1 known"):
        alignment.align(records(), Spaces(), TASKS["spr2"], ["x"], where="a.jsonl")
    with pytest.raises(UserError, match="a.jsonl: found no target"):
        alignment.align([Record("a", ())], Spaces(), TASKS["pos"], ["x"], where="a.jsonl")
    unlabelled = Record("a b", (Target((0, 1), (1, 2), ()), Target((1, 2), (0, 1), ())))
    with pytest.raises(UserError, match="a.jsonl: found no label in 2 targets, expected some"):
        alignment.align([unlabelled], Spaces(), TASKS["spr2"], where="a.jsonl")


@given(st.integers(1, 400), st.integers(3, 60), st.integers(0, 80))
def test_windows_give_every_position_once(length, limit, margin):
    windows = alignment.windows(length, limit, margin)
    margin = min(margin, limit // 3)
    given_positions = [position for _, _, first, last in windows for position in range(first, last)]
    assert given_positions == list(range(length))
    for begin, end, first, last in windows:
        assert end - begin <= limit
        assert begin <= first < last <= end
        assert first == 0 or first - begin >= margin
        assert last == length or end - last >= margin


def test_some_records_alone(make_records, encoder_folder):
    from probing import encoders

    encoder, task = encoders.load(encoder_folder), TASKS["dep"]
    records = make_records(12, 2)
    whole = alignment.align(records, encoder, task, ["A", "B", "C"])
    some = whole.take(np.array([7, 2]))
    alone = alignment.align([records[7], records[2]], encoder, task, ["A", "B", "C"])
    assert some.records == 2
    for name in ("splits", "span1", "span2", "label_splits", "labels", "types"):
        np.testing.assert_array_equal(getattr(some, name), getattr(alone, name), name)
    assert [some.keys[i] for i in some.sentence] == [alone.keys[i] for i in alone.sentence]
    np.testing.assert_array_equal(some.gold(), alone.gold())
