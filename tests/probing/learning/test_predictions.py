"""probing.learning.predictions: what probes say, whole and in order."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.watchdog import Watchdog
from probing.learning import fit, predictions
from probing.learning.batches import Batches
from probing.learning.schedule import ProbeKey
from tests.probing.learning.conftest import SCHEDULE


def test_what_is_validated_keeps_the_watchdog_quiet(corpus, encoder):
    task, parts, store = corpus
    probes = fit.Probes([ProbeKey("lex", 1)], task, encoder, 3, SCHEDULE)
    with Watchdog() as watchdog:
        predictions.dev_scores(probes, Batches(store, parts["dev"], probes.layers))
        assert watchdog._looks is not None


def test_logits_lie_in_files_until_they_are_asked_for(tmp_path):
    keys = [ProbeKey("lex", 1), ProbeKey("mix", 1)]
    logits = predictions.Logits(keys, 3, tmp_path)
    whole = np.arange(30, dtype=np.float32).reshape(10, 3)
    for part in (whole[:4], whole[4:]):
        logits.append(keys[0], part)
        logits.append(keys[1], -part.astype(np.float64))
    np.testing.assert_array_equal(logits[keys[0]], whole)
    np.testing.assert_array_equal(logits[keys[1]], -whole)
    assert not list(tmp_path.iterdir())  # their files have no name, and none is left by a kill


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' device that is always full")
def test_a_full_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: open("/dev/full", "r+b", buffering=0))
    logits = predictions.Logits([ProbeKey("lex", 1)], 3, tmp_path)
    with pytest.raises(UserError, match=f"{tmp_path}: what the probes say cannot be written .*No space left on device"):
        logits.append(ProbeKey("lex", 1), np.zeros((2, 3)))


def test_probabilities_by_hand():
    logits = np.float32([[0.0, np.log(3), -1e9], [1e9, -np.log(3), 5]])
    expected = [[0.5, 0.75, 0], [1, 0.25, 1 / (1 + np.exp(-5))]]
    np.testing.assert_allclose(predictions.probabilities(logits), expected, atol=1e-6)
