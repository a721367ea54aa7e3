"""probing.results.layers: by hand, and on the published scores and weights, which give the published figures."""

import math

import numpy as np
import pytest

from probing.results import layers, published
from probing.tasks import TASKS


def test_expected_layer_by_hand():
    assert layers.expected_layer([10, 20, 20, 50]) == pytest.approx((1 * 10 + 2 * 0 + 3 * 30) / 40)
    assert layers.expected_layer([10, 30, 20]) == pytest.approx((1 * 20 - 2 * 10) / 10)  # a fall is a negative rise
    assert math.isnan(layers.expected_layer([5, 6, 5]))
    assert math.isnan(layers.expected_layer([66, 69, 67, 63, 55]))  # it would be layer 4.25 of four


def test_an_interval_by_hand():
    """A draw without a rise counts at both ends, and where there are more than an end leaves out there is none."""
    values = np.arange(1000.0)
    assert layers._interval(values) == pytest.approx((24.975, 974.025))
    values[-20:] = np.nan
    assert layers._interval(values) == pytest.approx((4.975, 974.025))
    values[-25:] = np.nan
    assert layers._interval(values) == pytest.approx((0, 974))
    values[-26:] = np.nan
    assert layers._interval(values) == (-np.inf, np.inf)


def test_centre_of_gravity_by_hand():
    assert layers.centre_of_gravity([0.5, 0.25, 0.25]) == pytest.approx(0.75)
    assert layers.centre_of_gravity([1, 1, 1]) == pytest.approx(1)


def test_bits_by_hand():
    assert layers.bits_from_uniform([0.25] * 4) == pytest.approx(0)
    assert layers.bits_from_uniform([0, 3, 0, 0]) == pytest.approx(2)
    assert layers.bits_from_uniform([0.5, 0.5, -7, 0]) == pytest.approx(1)
    assert math.isnan(layers.bits_from_uniform([0, -1]))


# Tenney et al. (ACL 2019), figures 1 and 2, BERT-large: expected layer, its divergence, centre of gravity, its
# divergence, gamma
LARGE = {
    "pos": (3.39, 1.60, 11.68, 0.19, 0.82),
    "constituents": (3.79, 1.57, 13.06, 0.83, 1.98),
    "dep": (5.69, 1.15, 13.75, 0.87, 2.48),
    "entities": (4.64, 1.61, 13.16, 0.06, 1.48),
    "srl": (6.54, 1.31, 13.63, 0.46, 2.05),
    "coref": (9.47, 0.60, 15.80, 0.50, 1.66),
    "spr1": (9.93, 0.33, 12.72, 0.01, 1.09),
    "rel": (9.40, 0.50, 12.83, 0.01, 1.09),
}


@pytest.mark.parametrize("task", LARGE)
def test_published_figures_of_bert_large(task):
    expected, bits, centre, centre_bits, gamma = LARGE[task]
    scores = published.scores()[(task, "bert-large")]
    assert len(scores) == 25
    assert layers.expected_layer(scores) == pytest.approx(expected, abs=0.006)
    assert layers.bits_from_uniform(np.diff(scores)) == pytest.approx(bits, abs=0.006)
    mixes = [mix for mix in published.mixes() if (mix.task, mix.encoder) == (task, "bert-large")]
    assert any(
        layers.centre_of_gravity(mix.shares) == pytest.approx(centre, abs=0.006)
        and layers.bits_from_uniform(mix.shares) == pytest.approx(centre_bits, abs=0.006)
        and mix.gamma == pytest.approx(gamma, abs=0.006)
        for mix in mixes
    )


def test_published_weights_give_their_own_figures():
    mixes = published.mixes()
    assert {mix.task for mix in mixes} <= set(TASKS)
    for mix in mixes:
        assert layers.centre_of_gravity(mix.shares) == pytest.approx(mix.centre_of_gravity, abs=2e-3)
        assert layers.bits_from_uniform(mix.shares) == pytest.approx(mix.kl_bits, abs=2e-3)


@pytest.mark.parametrize(
    ("task", "expected", "bits"),
    [("pos", 1.76, 1.72), ("dep", 2.52, 1.18), ("coref", 3.62, 0.63), ("spr2", 4.18, 0.85), ("rel", 4.16, 0.50)],
)
def test_bert_base(task, expected, bits):
    scores = published.scores()[(task, "bert-base")]
    assert layers.expected_layer(scores) == pytest.approx(expected, abs=0.006)
    assert layers.bits_from_uniform(np.diff(scores)) == pytest.approx(bits, abs=0.006)
