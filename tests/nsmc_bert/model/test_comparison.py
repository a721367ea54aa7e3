"""nsmc_bert.model.comparison against values by hand, published ones, and other ways to compute them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsmc_bert.base.classes import ratings
from nsmc_bert.model.comparison import Comparison, compare, relation


def test_counts_by_hand():
    first = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.6, 0.4]]
    second = [[0.8, 0.2], [0.1, 0.9], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7]]
    comparison = compare(first, second, [0, 0, 1, 0, 1])
    assert comparison == Comparison(both=1, first=2, second=1, neither=1)
    assert comparison.n == 5
    assert comparison.difference == pytest.approx(0.2)
    assert compare(second, first, [0, 0, 1, 0, 1]) == Comparison(both=1, first=1, second=2, neither=1)


def test_an_interval_by_hand():
    # Agresti and Min 2005, table I, approval of a prime minister: 794 and 86 that stayed, 150 and 570
    comparison = Comparison(both=794, first=150, second=86, neither=570)
    p12, p21, n = 150.5 / 1602, 86.5 / 1602, 1602
    half = 1.959964 * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / n)
    assert comparison.interval95 == pytest.approx([p12 - p21 - half, p12 - p21 + half], abs=1e-7)
    assert comparison.interval95 == pytest.approx([0.0212, 0.0587], abs=1e-4)


def test_a_difference_is_a_share():
    assert Comparison(0, 1, 0, 0).difference == 1.0
    assert (Comparison(0, 5, 0, 0).interval95[1], Comparison(0, 0, 5, 0).interval95[0]) == (1.0, -1.0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_is_the_binomial_sum(first, second):
    apart = first + second
    coins = [math.comb(apart, k) / 2**apart for k in range(apart + 1)]
    expected = sum(each for each in coins if each <= coins[first] * (1 + 1e-9))
    assert Comparison(5, first, second, 5).p == pytest.approx(min(1, expected), rel=1e-9)


def test_p_of_many_reviews():
    # the normal approximation with its correction, where it is good: z = (|b - c| - 1) / sqrt(b + c)
    z = (51_000 - 50_000 - 1) / math.sqrt(101_000)
    assert Comparison(0, 51_000, 50_000, 0).p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)


def test_no_reviews():
    comparison = compare(np.zeros((0, 2)), np.zeros((0, 2)), [])
    assert (comparison.n, comparison.difference, comparison.p) == (0, 0.0, 1.0)
    low, high = comparison.interval95
    assert -1 <= low < 0 < high <= 1


def test_ratings_differ_by_their_distance_too():
    first = np.eye(3)[[0, 1, 2, 2]]
    second = np.eye(3)[[2, 1, 1, 2]]
    comparison = compare(first, second, [0, 1, 2, 0], classes=ratings([1, 2, 3]))
    # distances 0 0 0 2 and 2 0 1 2, so differences -2 0 -1 0, of standard deviation sqrt(11 / 12)
    half = 1.959964 * math.sqrt(11 / 12) / 2
    assert comparison.error == pytest.approx((-0.75, -0.75 - half, -0.75 + half), abs=1e-6)
    assert comparison.figures["mae_difference"] == pytest.approx(-0.75)
    assert "mae_difference" not in compare(first, second, [0, 1, 2, 0]).figures
    for few in (0, 1):  # an interval without ends is no JSON
        assert compare(first[:few], second[:few], [0, 1, 2][:few], classes=ratings([1, 2, 3])).error is None


@pytest.mark.parametrize(
    ("p", "written"), [(1.0, "= 1.0000"), (0.0001, "= 0.0001"), (9.9e-5, "< 0.0001"), (0.0, "< 0.0001")]
)
def test_a_small_p_is_no_zero(p, written):
    assert " ".join(relation(p)) == written
