"""probing.scoring: counts by hand, the published rows' rules, bootstrap intervals that cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probing import scoring
from probing.scoring import PRF
from probing.tasks import TASKS


def test_prf_by_hand():
    prf = PRF(6, 2, 4)
    assert (prf.precision, prf.recall) == (0.75, 0.6)
    assert prf.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    assert PRF(1, 2, 3) + PRF(10, 20, 30) == PRF(11, 22, 33)


def test_nothing_right_is_zero():
    for prf in (PRF(), PRF(0, 5, 0), PRF(0, 0, 5)):
        assert (prf.precision, prf.recall, prf.f1) == (0, 0, 0)


def test_rounded_probabilities_score_as_they_do():
    probabilities = np.float32([0.0, 0.3, 0.4999, 0.49999997, 0.5, 0.50001, 0.9999, 1.0])
    out = scoring.rounded(probabilities)
    assert out.dtype == np.float16
    assert (out >= scoring.THRESHOLD).tolist() == [False] * 4 + [True] * 4
    np.testing.assert_array_equal(out[[0, 2, 3, 4, 5, 7]], np.float16([0, 0.49976, 0.49976, 0.5, 0.5, 1]))
    np.testing.assert_allclose(out, probabilities, atol=3e-4)


def test_counts_by_hand():
    predicted = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)
    gold = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]], bool)
    counts = scoring.count(predicted, gold, [0, 0, 2], 3)
    assert counts.shape == (3, 3, 3)
    assert counts[0].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert counts[1].sum() == 0
    assert counts[2].tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert scoring.total(counts) == PRF(2, 1, 2)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 1000))
def test_counts_add_up(targets, labels, seed):
    random = np.random.default_rng(seed)
    predicted, gold = (random.uniform(size=(2, targets, labels)) < 0.4).astype(bool)
    record = np.sort(random.integers(0, 4, targets))
    prf = scoring.total(scoring.count(predicted, gold, record, 4))
    assert prf == PRF((predicted & gold).sum(), (predicted & ~gold).sum(), (gold & ~predicted).sum())


def chosen(task, labels):
    return {
        row: [label for label, there in zip(labels, mask) if there]
        for row, mask in scoring.columns(TASKS[task], labels).items()
    }


def test_roles():
    rows = chosen("srl", list(TASKS["srl"].labels))
    assert rows["Core roles"] == ["ARG0", "ARG1", "ARG2", "ARG3", "ARG4", "ARG5", "ARGA"]
    assert len(rows["Non-core roles"]) == 21
    assert sorted(rows["Core roles"] + rows["Non-core roles"]) == sorted(rows["SRL (all)"])
    assert not any(label.startswith(("R-", "C-")) for label in rows["SRL (all)"])


def test_other_rows():
    assert chosen("coref", ["0", "1"]) == {"OntoNotes coref.": ["1"]}
    assert chosen("dpr", ["entailed", "not-entailed"]) == {"Winograd coref.": ["entailed", "not-entailed"]}
    assert len(chosen("rel", list(TASKS["rel"].labels))["Rel. (SemEval)"]) == 18
    assert chosen("pos", ["NN", "VB"]) == {"Part-of-Speech": ["NN", "VB"]}


def test_a_left_out_label_leaves_its_targets():
    """An R-ARG0 that is taken for an ARG0 is a false positive of ARG0."""
    labels = ["ARG0", "R-ARG0"]
    counts = scoring.count(np.array([[1, 0]], bool), np.array([[0, 1]], bool), [0], 1)
    row = scoring.columns(TASKS["srl"], labels)["SRL (all)"]
    assert scoring.total(counts[:, row]) == PRF(0, 1, 0)


def test_f1_of_arrays():
    counts = np.array([[[6, 2, 4], [0, 1, 1]], [[0, 0, 0], [1, 0, 0]]])
    np.testing.assert_allclose(scoring.f1(counts), [[PRF(6, 2, 4).f1, 0], [0, 1]])


def test_bootstrap_is_centred_and_covers():
    """Of many corpora drawn from one distribution, about 95 % have the true figure in their interval."""
    covered, truth = 0, PRF(7, 3, 3).f1
    for seed in range(200):
        random = np.random.default_rng(seed)
        size = random.integers(1, 6, 300)
        right = random.binomial(size, 0.7)
        counts = np.stack([right, size - right, size - right], 1)[None]
        low, high = scoring.interval(scoring.bootstrap(counts, samples=200, seed=seed))
        covered += low <= truth <= high
    assert 0.89 < covered / 200 <= 1.0


def test_records_of_one_sentence_are_drawn_together():
    """Four predicates a sentence, alike: the interval is the sentences', twice as wide as the records'."""
    random = np.random.default_rng(0)
    right = random.binomial(5, 0.7, 200)
    counts = np.stack([right, 5 - right, 5 - right], 1)[None]
    repeated, of = np.repeat(counts, 4, 1), np.repeat(np.arange(200) + 7, 4)
    whole = scoring.bootstrap(counts, samples=300)
    np.testing.assert_array_equal(scoring.bootstrap(repeated, of, samples=300), whole)
    order = random.permutation(800)
    np.testing.assert_array_equal(scoring.bootstrap(repeated[:, order], of[order], samples=300), whole)
    width, narrow = (
        np.diff(scoring.interval(values))[0] for values in (whole, scoring.bootstrap(repeated, samples=300))
    )
    assert 1.7 < width / narrow < 2.3


def test_differences_are_paired():
    """Two figures that rise and fall together differ by less than their intervals say."""
    random = np.random.default_rng(0)
    size = random.integers(1, 9, 400)
    right = random.binomial(size, 0.6)
    better = np.minimum(right + (random.uniform(size=400) < 0.2), size)
    a, b = (scoring.bootstrap(np.stack([x, size - x, size - x], 1)[None], samples=400) for x in (right, better))
    low, high = scoring.interval(b - a)
    assert 0 < low < high < 0.08
    assert high - low < 0.5 * np.subtract(*scoring.interval(a)[::-1])


def test_seeds_widen_the_interval():
    random = np.random.default_rng(0)
    counts = []
    for rate in (0.5, 0.6, 0.7, 0.8, 0.9):
        right = random.binomial(5, rate, 500)
        counts.append(np.stack([right, 5 - right, 5 - right], 1))
    alone = scoring.bootstrap(np.stack(counts[2:3]), samples=300)
    one = scoring.interval(alone)
    np.testing.assert_allclose(scoring.bootstrap(np.stack(counts[2:3] * 3), samples=300), alone)  # a mean over seeds
    all_seeds = scoring.interval(scoring.bootstrap(np.stack(counts), samples=300))
    assert all_seeds[1] - all_seeds[0] > 3 * (one[1] - one[0])


def test_published_interval_by_hand():
    p, r = 0.75, 0.6
    halves = [1.959963984540054 * (p * (1 - p) / 8) ** 0.5, 1.959963984540054 * (r * (1 - r) / 10) ** 0.5]
    assert scoring.published_half_width(PRF(6, 2, 4)) == pytest.approx(2 * halves[0] * halves[1] / sum(halves))
    assert scoring.published_half_width(PRF()) == 0
