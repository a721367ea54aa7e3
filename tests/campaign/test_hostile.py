"""A few hostile inputs for every reader that needs no TensorFlow."""

import sys
import time

import pytest

from tests.campaign import hostile


@pytest.mark.parametrize("name", hostile.READERS)
def test_hostile_input_is_read_right_or_refused_in_one_line(name):
    faults = []
    counts = hostile.attack(name, 60, log=faults.append)
    assert not faults
    assert counts["refused"] and counts["right"] + counts["refused"] == 60


@pytest.mark.parametrize(
    ("reader", "fault"),
    [
        (lambda folder: {}["a"], "fault: KeyError"),
        (lambda folder: sys.exit(), "fault: SystemExit"),
        (lambda folder: time.sleep(9), "fault: more than 1 seconds"),
        (lambda folder: bytearray(b"x" * (300 << 20)), "fault: "),
        (lambda folder: None, "right"),
    ],
)
def test_faults_are_found(monkeypatch, tmp_path, reader, fault):
    """The campaign itself can fail."""
    monkeypatch.setattr(hostile, "SECONDS", 1)
    assert hostile._read(reader, tmp_path, 10).startswith(fault)
