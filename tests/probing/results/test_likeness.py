"""probing.results.likeness: what decides a figure is compared, and nothing else; what is not known is no difference."""

import pytest

from probing.results import likeness

LINEAR = {"kind": "linear", "learning_rate": 4e-3, "epochs": 20, "steps": 250_000, "patience": 20}


def result(*, test=True, layer0="lexical: in words", **identity):
    identity = {"corpus": "c", "precision": "float32", "schedule": LINEAR, "encoder": "w-t", "data": "d", **identity}
    return {"figures": {"dev": {}, **({"test": {}} if test else {})}, "layer0": layer0, "identity": identity}


@pytest.mark.parametrize(
    ("changes", "different", "unknown"),
    [
        ({}, [], []),
        ({"corpus": "d"}, ["corpus"], []),
        ({"test": False}, ["split test and dev"], []),
        ({"layer0": "lexical: in other words"}, [], []),
        ({"layer0": "positions: in words"}, ["layer 0 lexical and positions"], []),
        ({"precision": None}, [], ["precision"]),
        ({"schedule": {**LINEAR, "epochs": 2}}, ["epochs 20 and 2"], []),
        ({"schedule": {**LINEAR, "steps": 9, "patience": 1}}, [], []),  # which a linear schedule does not read
        ({"schedule": {**LINEAR, "new": 1}}, [], ["new"]),  # of before there was such a setting
        (
            {"schedule": {**LINEAR, "kind": "plateau", "learning_rate": 1e-4}},
            ["schedule linear and plateau", "learning_rate 0.004 and 0.0001"],
            [],
        ),
        ({"schedule": None}, [], ["schedule"]),
    ],
)
def test_differences(changes, different, unknown):
    assert likeness.differences(result(), result(**changes)) == (different, unknown)
    assert [len(names) for names in likeness.differences(result(**changes), result())] == [len(different), len(unknown)]


@pytest.mark.parametrize(
    ("changes", "different", "unknown"),
    [
        ({}, [], []),
        ({"encoder": "w-t-gelu-4"}, [], ["configuration of the encoder"]),
        ({"encoder": "w-tt"}, ["encoder"], []),
        ({"encoder": None, "data": "other"}, ["data"], ["encoder"]),
    ],
)
def test_encoders(changes, different, unknown):
    for pair in ((result(), result(**changes)), (result(**changes), result())):
        assert likeness.encoders(*pair) == (different, unknown)
