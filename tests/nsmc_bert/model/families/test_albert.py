"""nsmc_bert.model.families.albert: which layers share their weights."""

import pytest

from nsmc_bert.model import checkpoints, families
from tests.nsmc_bert.model.families import make


@pytest.mark.parametrize(
    ("layers", "groups", "inner", "order"),
    [
        (3, 1, 1, [0, 0, 0]),
        (3, 3, 1, [0, 1, 2]),
        (5, 2, 1, [0, 0, 0, 1, 1]),
        (2, 1, 2, [0, 1, 0, 1]),
        (4, 2, 2, [0, 1, 0, 1, 2, 3, 2, 3]),
    ],
)
def test_order_by_hand(layers, groups, inner, order):
    shape = dict(num_hidden_layers=layers, num_hidden_groups=groups, inner_group_num=inner)
    config = families.known()["albert"].read({**make.CONFIGS["albert"], **shape})
    assert families.of(config).order(config) == order
    assert len(families.of(config).layers(config)) == groups * inner == max(order) + 1


def test_how_often_a_layer_is_computed_makes_another_encoder(folders, tmp_path):
    """Which the weights do not say."""
    one = checkpoints.read_config(folders["albert"])
    other = checkpoints.read_config(make.write(tmp_path / "more", "albert", num_hidden_layers=3))
    assert families.of(one).shapes(one) == families.of(other).shapes(other)
    assert checkpoints.unusual(one) != checkpoints.unusual(other)


def test_a_classifiers_dropout_goes_by_berts_name(folders, tmp_path):
    folder = make.write(tmp_path / "folder", "albert", classifier_dropout_prob=0.25)
    assert checkpoints.read_config(folder).classifier_dropout == 0.25
    assert checkpoints.read_config(folders["albert"]).classifier_dropout == 0.1  # AlbertConfig's own
