"""probing.results.published: whose figures may be held beside the published ones, and what these say."""

import json

import numpy as np
import pytest

from probing.results import published, runs, tables
from tests.probing.results.test_result import made
from tests.probing.results.test_tables import BASE, write


def test_a_published_encoder_goes_by_its_name_and_shape(tmp_path):
    hub, folder, authors = {"hub": True, "sha256": "0"}, {"hub": False, "sha256": "0"}, {"hub": False, "sha256": BASE}
    for name, weights, expected in (
        ("google-bert/bert-base-uncased", hub, "bert-base"),
        ("bert-base-uncased", None, "bert-base"),  # of before it was noted where weights came from
        ("/models/downloaded", authors, "bert-base"),
        ("/models/bert-base-uncased/", folder, None),
        ("bert-base-uncased", folder, None),  # a folder here
        ("/models/bert-base-uncased", None, None),
        ("somebody/bert-base-uncased", hub, None),
        ("/models/mine-bert-base-uncased", folder, None),
        ("elmo:folder", {"hub": False, "sha256": None}, "elmo"),
    ):
        assert published.encoder_of(made(encoder=name, weights=weights)) == (expected or name)
    write(tmp_path, "pos", "elmo:folder", "lex", 0.9)
    (path,) = tmp_path.glob("pos/*/*.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    for widths, compared in ((list(published.ENCODERS["elmo"].widths), True), ([16, 32, 32], False)):
        path.write_text(json.dumps({**result, "widths": widths}), encoding="utf-8")
        (cell,) = tables.figures(runs.load([tmp_path]), 100)
        assert (cell.published is not None) is compared
    assert cell.why_not == "other encoder: layers of 1 × 16 and 2 × 32, published 1 × 512 and 2 × 1024"


def test_published_curves_and_weights_are_of_as_many_layers_as_their_encoders_have():
    layers = {name: len(encoder.widths) for name, encoder in published.ENCODERS.items()}
    for (_, encoder), scores in published.scores().items():
        assert len(scores) == layers[encoder]
    for mix in published.mixes():
        assert len(mix.shares) == layers[mix.encoder]


def test_published_macro_averages_and_differences_are_those_of_the_published_cells():
    known = published.f1()
    for encoder, representation in {key[1:] for key in known}:
        if not representation.startswith("delta"):
            mean = np.mean([known[(row, encoder, representation)] for row in published.AVERAGED])
            assert known[(published.MACRO, encoder, representation)] == pytest.approx(mean, abs=0.0011)
    for (encoder, name), (one, other) in published.DIFFERENCES.items():
        for row in tables.ROWS:
            assert known[(row, encoder, name)] == pytest.approx(known[(row, *one)] - known[(row, *other)], abs=0.0016)
