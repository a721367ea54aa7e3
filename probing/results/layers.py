"""Where in an encoder a task is solved: expected layer, centre of gravity, and how far either is from no preference.

As Tenney et al. ("BERT Rediscovers the Classical NLP Pipeline", ACL 2019, section 3) define them, and as their notebook
computes them; the published figures of BERT-base, BERT-large and ELMo are in `published`.
"""

import csv
from pathlib import Path

import numpy as np

PUBLISHED = Path(__file__).parent / "published"


def expected_layer(scores):
    """The layer at which the score rises, on average over its rises.

    Args:
        scores: float [layers + 1], the figure of a probe that mixes layers 0 to k, for each k.

    Returns:
        Sum over k from 1 of k times the rise from k - 1 to k, divided by the whole rise; a fall counts as a negative
        rise. NaN where the last score is the first.
    """
    rises = np.diff(np.asarray(scores, np.float64))
    whole = rises.sum()
    return float((np.arange(1, len(rises) + 1) * rises).sum() / whole) if whole else float("nan")


def centre_of_gravity(shares):
    """The mean layer, weighted by the mixing weights softmax(w), float [layers + 1]; gamma has no part in it."""
    shares = np.asarray(shares, np.float64)
    return float((np.arange(len(shares)) * shares).sum() / shares.sum())


def bits_from_uniform(values):
    """The Kullback-Leibler divergence in bits of a distribution over layers from the uniform one.

    Args:
        values: float [n], mixing weights, or the rises of a score from layer to layer: what is negative counts as 0,
            and the rest is made to sum to 1.

    Returns:
        0 for no preference, log2(n) where one layer has everything; NaN where no value is positive.
    """
    values = np.maximum(np.asarray(values, np.float64), 0.0)
    if not values.sum():
        return float("nan")
    shares = values / values.sum()
    there = shares > 0
    return float((shares[there] * np.log2(shares[there] * len(shares))).sum())


def published_scores():
    """{(task, encoder): float64 [layers + 1]}, F1 on dev in percent of probes that mix layers 0 to k."""
    out = {}
    for row in _rows("cumulative_dev_f1.csv"):
        out.setdefault((row["task"], row["encoder"]), []).append(float(row["f1"]))
    return {key: np.array(values) for key, values in out.items()}


def published_mixes():
    """A list of dicts: task, encoder, gamma, kl_bits, centre_of_gravity, shares (float64 [layers + 1])."""
    return [
        {
            "task": row["task"],
            "encoder": row["encoder"],
            **{name: float(row[name]) for name in ("gamma", "kl_bits", "centre_of_gravity")},
            "shares": np.array([float(share) for share in row["shares"].split()]),
        }
        for row in _rows("mixing_weights.csv")
    ]


def _rows(name):
    with open(PUBLISHED / name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
