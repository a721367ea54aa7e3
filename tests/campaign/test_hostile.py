"""A few hostile inputs for every reader that needs no TensorFlow."""

import sys
import time
from types import SimpleNamespace

import pytest

from tests.campaign import hostile


@pytest.mark.parametrize("name", hostile.READERS)
def test_hostile_input_is_read_right_or_refused_in_one_line(name):
    if name == "parquet":
        pytest.importorskip("pyarrow")  # too large for the tests' environment
    faults = []
    counts = hostile.attack(name, 60, log=faults.append)
    assert not faults
    assert counts["refused"] and counts["right"] + counts["refused"] == 60


@pytest.mark.parametrize(
    ("reader", "fault"),
    [
        (lambda folder: {}["a"], "fault: KeyError"),
        (lambda folder: sys.exit(), "fault: SystemExit"),
        (lambda folder: None, "right"),
    ],
)
def test_faults_are_found(tmp_path, reader, fault):
    """The campaign itself can fail."""
    assert hostile._read(reader, tmp_path, 10).startswith(fault)


def compute(folder):
    """Never ends."""
    while True:
        pass


@pytest.mark.parametrize(("limit", "hang"), [("SECONDS", compute), ("STILL", lambda folder: time.sleep(60))])
def test_hangs_are_found(monkeypatch, tmp_path, limit, hang):
    monkeypatch.setattr(hostile, limit, 0.1)
    assert hostile._read(hang, tmp_path, 10).startswith("fault: more than ")


def test_memory_is_found(monkeypatch, tmp_path):
    peaks = iter((1 << 20, 2 << 20))  # KiB before and after
    monkeypatch.setattr(hostile.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=next(peaks)))
    assert hostile._read(lambda folder: None, tmp_path, 10).startswith("fault: 1024 MiB of memory for 10 bytes")
