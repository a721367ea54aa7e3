"""A few kills of what needs no process of its own."""

import pytest

from tests.campaign import kills


@pytest.mark.parametrize("name", kills.QUICK)
def test_what_is_killed_and_run_again_is_as_without_the_kill(name):
    faults = []
    met, _ = kills.campaign(name, 6, log=faults.append)
    assert met == 6 and not faults


def test_half_a_folder_and_other_content_are_found(tmp_path):
    """The campaign itself can fail."""
    kills.old_model(tmp_path)
    kills.saved(tmp_path)
    (tmp_path / "model" / "3").write_bytes(b"new")
    with pytest.raises(AssertionError, match="new"):
        kills.saved(tmp_path)
    for found, message in (({}, "missing"), ({"a": 1, "b": 2}, "left over"), ({"a": 2}, "other content")):
        with pytest.raises(AssertionError, match=message):
            kills.compare(found, {"a": 1})
