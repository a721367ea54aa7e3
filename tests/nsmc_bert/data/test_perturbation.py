"""nsmc_bert.perturbation: one slip a text, of a kind that fingers make."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsmc_bert.data import perturbation


def test_spaces():
    assert perturbation.without_spaces(["이 영화\t정말 ", "", "\u3000 굿"]) == ["이영화정말", "", "굿"]


@pytest.mark.parametrize(
    ("syllable", "slips"),
    [
        # ㄱ stands between ㄷ and ㅅ; ㅏ between ㅓ and ㅣ
        ("가", "다 사 거 기"),
        # ㄲ is ㄱ with shift
        ("꺼", "더 서 거 꼬 까"),
        # finals: left out, or ㄹ's neighbours ㅇ and ㅎ
        ("말", "날 멀 밀 마 망 맣"),
        # ㅘ and ㅄ take two keys: ㅘ stays, ㅄ can only be left out
        ("괎", "돲 솺 과"),
    ],
)
def test_slips_by_hand(syllable, slips):
    assert sorted(perturbation._slips(syllable)) == sorted(slips.split())


def test_what_has_no_syllable_stays():
    assert perturbation.with_typo(["ㅋㅋ ok 1!", ""]) == ["ㅋㅋ ok 1!", ""]
    first, last = perturbation.with_typo(["가", "힣"])  # of all syllables
    assert first != "가" and last != "힣"


def test_syllables_that_are_taken_apart_are_mistyped_too():
    text = "재미있다"
    assert perturbation.with_typo([unicodedata.normalize("NFD", text)]) == perturbation.with_typo([text]) != [text]


def test_every_syllable_has_a_slip():
    for code in range(perturbation.FIRST, perturbation.LAST + 1):
        slips = perturbation._slips(chr(code))
        assert slips and chr(code) not in slips


@given(st.lists(st.text(st.sampled_from("이영화재미있네요쒟 ㅋab1!"), max_size=12), max_size=4), st.integers(0, 5))
def test_one_jamo_of_one_syllable(texts, seed):
    typos = perturbation.with_typo(texts, seed)
    assert typos == perturbation.with_typo(texts, seed)
    for text, typo in zip(texts, typos, strict=True):
        differing = [(a, b) for a, b in zip(text, typo, strict=True) if a != b]
        assert len(differing) == any("가" <= character <= "힣" for character in text)
        for a, b in differing:
            parts = [unicodedata.normalize("NFD", syllable).ljust(3) for syllable in (a, b)]
            assert sum(x != y for x, y in zip(*parts, strict=True)) == 1


def test_the_example_of_the_docstring():
    import doctest

    assert doctest.testmod(perturbation).failed == 0


def test_augment_changes_a_share_in_equal_parts():
    rows, changed = perturbation.augment(["이 영화 정말 재미있다"] * 4000, 0.2, 1, 0)
    assert (
        len(rows) == len(changed) == len(set(rows))
        and sorted(rows) == list(rows)
        and rows.min() >= 0
        and rows.max() < 4000
    )
    assert abs(len(rows) - 800) < 120
    assert abs(sum(text == "이영화정말재미있다" for text in changed) - 400) < 90
    assert "이 영화 정말 재미있다" not in changed


def test_augment_draws_anew_for_each_epoch_and_the_same_again():
    texts = ["이 영화 %d 재미있다" % i for i in range(200)]
    draw = lambda *arguments: [
        part if isinstance(part, list) else part.tolist() for part in perturbation.augment(texts, *arguments)
    ]  # noqa: E731
    first = draw(0.5, 1, 0)
    assert first == draw(0.5, 1, 0)
    assert first != draw(0.5, 1, 1)
    assert first != draw(0.5, 2, 0)
    assert draw(0.0, 1, 0) == [[], []]
    rows, changed = draw(1.0, 1, 0)
    assert rows == list(range(200)) and all(a != b for a, b in zip(changed, texts))
