"""What ships: an encoder and a classifier, small, honest about themselves, and right about what a user tries first."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import nsmc_bert
from nsmc_bert import bundled
from nsmc_bert.data import reviews
from nsmc_bert.learning.card import encoder_card, model_card
from nsmc_bert.model import checkpoints
from tests.conftest import ROOT

PAIRS = Path(__file__).parent / "minimal_pairs.tsv"


@pytest.fixture(scope="module")
def model():
    return nsmc_bert.load()


@pytest.mark.parametrize("folder", [bundled.ENCODER, bundled.CLASSIFIER], ids=lambda path: path.name)
def test_the_folder(folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 15e6
    with safe_open(str(folder / "model.safetensors"), "numpy") as file:
        assert {file.get_tensor(name).dtype.name for name in file.keys()} == {"float16"}
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    for what in (record["hardware"], record["command"], "%d" % record["settings"]["epochs"]):
        assert what in card
    assert "/root" not in card and "/work" not in card and "/tmp" not in card


def test_the_slide(model):
    """As sure as such reviews of NSMC's test are right: 94.3 % of those that the model gives about the first one's
    odds.
    """
    np.testing.assert_allclose(model.predict("이 영화 엄청 재미있네요"), [[0.059, 0.941]], atol=0.001)
    np.testing.assert_allclose(model.predict("이 영화 엄청 재미없네요"), [[0.995, 0.005]], atol=0.001)


@pytest.fixture(scope="module")
def wrong_pairs(model):
    """The pairs that differ by a negation or a word and are not both right."""
    pairs = reviews.read(PAIRS)
    assert len(pairs) == 40
    right = (model.predict(pairs.texts).argmax(1) == pairs.labels).reshape(-1, 2).all(1)
    return [pairs.texts[2 * i : 2 * i + 2] for i in np.flatnonzero(~right)]


def test_all_of_twenty_pairs(wrong_pairs):
    assert not wrong_pairs


def test_its_figures_are_what_the_pages_say():
    record = json.loads((bundled.CLASSIFIER / "training.json").read_text(encoding="utf-8"))
    readme, results = ((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/results.md"))
    for part, least in (("test", 0.91), ("test_unseen", 0.91), ("test_spaces", 0.905), ("test_typo", 0.9)):
        assert record[part]["accuracy"] >= least
        assert f"| {100 * record[part]['accuracy']:.2f} (" in results
    assert record["test"]["n"] == 50_000
    assert record["test"]["ece"] <= 0.012
    assert "[0.059, 0.941]" in readme and f"| {100 * record['test']['accuracy']:.2f} |" in readme


def test_their_cards_are_their_records():
    for folder, card in ((bundled.CLASSIFIER, model_card), (bundled.ENCODER, encoder_card)):
        record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        assert (folder / "README.md").read_text(encoding="utf-8") == card(record)
    assert record["data"]["ratings"] is False  # the encoder has read none


def test_its_figures_are_its_own(model, data_dir):
    """On the first 2,000 test reviews, as far as chance allows."""
    record = json.loads((bundled.CLASSIFIER / "training.json").read_text(encoding="utf-8"))
    test = reviews.read(data_dir / "nsmc" / "ratings_test.txt")
    assert test.sha1 == record["data"]["test_sha1"]
    accuracy = (model.predict(test.texts[:2000]).argmax(1) == test.labels[:2000]).mean()
    assert accuracy == pytest.approx(record["test"]["accuracy"], abs=0.025)


def test_the_encoder_has_a_masked_language_model_to_go_on_with():
    loaded = checkpoints.load_encoder(bundled.ENCODER)
    assert loaded.classifier is None
    assert loaded.predictions["bias"].shape == (loaded.config.vocab_size,)


def test_no_model_need_be_named(command):
    result = command("predict", "--text=이 영화 엄청 재미있네요")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("[[0.0")
    assert "positive 긍정" in result.stdout
    assert result.stderr == f"model: {bundled.CLASSIFIER}\n"
