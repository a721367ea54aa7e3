"""probing.sources.morphemes: words cut by hand, and that nothing of a word is lost, whatever its morphemes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing.records import Record, Target
from probing.sources import conllu, morphemes
from probing.sources.morphemes import Part, Word, parts

WORDS = {
    # as in the dictionary
    "고향+은": "고향[고향] 은[은]",
    "서울+에+는": "서울[서울] 에[에] 는[는]",
    # several in a syllable, or a syllable of several
    "서울+이+ㅂ니다=서울입니다": "서울[서울] 입니다[이 ㅂ니다]",
    "공정+하+ㄴ=공정한": "공정[공정] 한[하 ㄴ]",
    "하+었+다=했다": "했[하 었] 다[다]",
    "흘리+었+다+.=흘렸다.": "흘렸[흘리 었] 다[다] .[.]",
    "시즌+에+ㄴ=시즌엔": "시즌[시즌] 엔[에 ㄴ]",
    "새롭+ㄴ=새로운": "새로운[새롭 ㄴ]",
    # one that is not written at all takes the one before with it
    "태어나+아=태어나": "태어나[태어나 아]",
    "만들+ㄹ=만들": "만들[만들 ㄹ]",
    # one that is written otherwise stands between those that are not
    "걷+어=걸어": "걸[걷] 어[어]",
    "하+여+야+하+ㄴ다=하여야한다": "하[하] 여[여] 야[야] 한다[하 ㄴ다]",
    "시작+하+었+다=시작하였다": "시작[시작] 하[하] 였[었] 다[다]",
    "나가+아서=나가서": "나가[나가] 서[아서]",
    # the 이 of 아이 is no copula: more of the word is told by 아이
    "아이+이+었+다=아이였다": "아이[아이] 였[이 었] 다[다]",
    # the 가 that is written may be either of two
    "가+가+ㄹ=갈가": "갈가[가 가 ㄹ]",
    "가+ㄴ+가=간가": "간[가 ㄴ] 가[가]",
    # nothing is as in the dictionary
    "이것+을=요걸": "요걸[이것 을]",
}


def shown(form, found):
    return [f"{form[part.start : part.end]}[{' '.join(cut[part.first : part.last])}]" for part, cut in found]


@pytest.mark.parametrize(("word", "expected"), WORDS.items(), ids=WORDS)
def test_words_by_hand(word, expected):
    lemma, _, form = word.partition("=")
    cut = tuple(lemma.split("+"))
    form = form or "".join(cut)
    assert " ".join(shown(form, [(part, cut) for part in parts(form, cut)])) == expected


@given(
    st.text("가나다ㄴ", min_size=1, max_size=8),
    st.lists(st.text("가나다ㄴ", min_size=1, max_size=3), min_size=1, max_size=6),
)
def test_parts_are_the_whole_word_and_all_of_its_morphemes(form, cut):
    found = parts(form, tuple(cut))
    assert [part.start for part in found] == [0, *(part.end for part in found[:-1])]
    assert [part.first for part in found] == [0, *(part.last for part in found[:-1])]
    assert (found[-1].end, found[-1].last) == (len(form), len(cut))
    assert all(part.start < part.end and part.first < part.last for part in found)
    # never two that have grown together side by side: they would be one
    changed = [form[part.start : part.end] != "".join(cut[part.first : part.last]) for part in found]
    assert not any(one and other for one, other in zip(changed, changed[1:]))


def test_places_that_several_ways_of_reading_do_not_share_are_none():
    """나 may be the first that is written or the second; 다 is beyond doubt."""
    assert parts("라나라나라다", ("ㄱ", "나", "ㄴ", "다")) == [Part(0, 5, 0, 3), Part(5, 6, 3, 4)]
    # 나 or 다: as many characters either way
    assert parts("마나마다", ("나", "ㅁ", "나", "다")) == [Part(0, 4, 0, 4)]


def test_a_word_beyond_the_limits_is_whole_unless_its_morphemes_add_up():
    long = ("가",) * 200
    assert len(parts("가" * 200, long)) == 200
    assert parts("가" * 199 + "나", long) == [Part(0, 200, 0, 200)]


def test_a_record_by_hand():
    notes = Counter()
    words = [
        Word("고향은", ("고향", "은"), ("ncn", "jxt")),
        Word("서울입니다", ("서울", "이", "ㅂ니다"), ("nq", "jp", "ef"), space_after=False),
        Word(".", (".",), ("sf",)),
        Word("걸어", ("걷", "어"), ("pvg", "ecs")),
        Word("몰라", ("모르", "아"), ("pvg",)),
        Word("없음", (), ("ncn",)),
        Word("", ("a",), ("f",)),
    ]
    assert morphemes.record(words, {"source": "x"}, notes) == Record(
        "고향 은 서울 입니다 . 걸 어 몰라 없음 _",
        (
            Target((0, 1), None, ("ncn",)),
            Target((1, 2), None, ("jxt",)),
            Target((2, 3), None, ("nq",)),
            Target((4, 5), None, ("sf",)),
            Target((5, 6), None, ("pvg",)),
            Target((6, 7), None, ("ecs",)),
        ),
        {"source": "x"},
        glued=(1, 3, 4, 6),
    )
    assert notes == {
        morphemes.GROWN: 2,
        morphemes.OTHERWISE: 1,
        morphemes.UNTOLD: 3,
        "word with white space inside, or empty: written with _": 1,
    }


def test_kaist_has_each_of_its_morphemes_once(data_dir):
    """Beside a plain parse: each morpheme is a target, or is counted; those of words that add up are all targets."""
    path = data_dir / "probing" / "UD_Korean-Kaist-r2.2" / "emorynlp_kaist-dev.conllu.gz"
    rows = [word for sentence in conllu.sentences(path) for word in sentence.words]
    tags = Counter(tag for word in rows for tag in word.xpos.split("+"))
    plain = Counter(tag for word in rows if word.lemma.replace("+", "") == word.form for tag in word.xpos.split("+"))
    [split] = conllu.splits(path, "pos", split="dev", units="morphemes").values()
    records = list(split.records)
    found = Counter(label for record in records for target in record.targets for label in target.labels)
    assert sum(found.values()) + split.notes[morphemes.GROWN] == sum(tags.values()) == 51208
    assert split.notes[morphemes.GROWN] == 7465
    assert all(plain[tag] <= found[tag] <= tags[tag] for tag in tags)
    for record, sentence in zip(records, conllu.sentences(path), strict=True):
        written = "".join(word if i in record.glued else " " + word for i, word in enumerate(record.words))
        assert written.split() == [word.form for word in sentence.words]
