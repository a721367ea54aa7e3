"""The control task (Hewitt and Liang 2019), whose labels say nothing about language."""

from __future__ import annotations

import numpy as np

from probing.alignment import Examples


def control_labels(examples: Examples, frequencies: np.ndarray) -> np.ndarray:
    """Labels of the control task: every type of span1 has one of its own, drawn as often as it occurs (Hewitt and Liang
    2019).

    Args:
        examples: alignment.Examples.
        frequencies: float [labels], how often each label occurs in training.

    Returns:
        bool [targets, labels], one label each: the same for the same words of span1 in every split.
    """
    edges = np.cumsum(frequencies / np.sum(frequencies))
    draws = (examples.types.astype(np.uint64) >> np.uint64(11)).astype(np.float64) / 2.0**53
    label = np.minimum(np.searchsorted(edges, draws, side="right"), len(edges) - 1)
    return label[:, None] == np.arange(len(edges))
