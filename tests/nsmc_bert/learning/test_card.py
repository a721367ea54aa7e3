"""The model card says what training.json says, in the form that model hubs read."""

import dataclasses
import json
import re

import numpy as np

from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.learning.card import model_card
from nsmc_bert.model import metrics


def test_the_card_of_a_trained_model(trained):
    folder = trained[0] / "model"
    card = (folder / "README.md").read_text(encoding="utf-8")
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert re.match(r"---\nlanguage: ko\npipeline_tag: text-classification\nlibrary_name: transformers\n---\n# ", card)
    for name in ("validation", "test"):
        figures = record[name]
        low, high = (100 * x for x in figures["accuracy_interval95"])
        row = "| %s | %d | %.2f (%.2f to %.2f) |" % (name, figures["n"], 100 * figures["accuracy"], low, high)
        assert row in card
    assert "No text of the test is in train." in card and "test, text not in train" not in card
    assert "nsmc_bert.train --sample" in card
    assert "learning_rate 0.01" in card
    assert "{" not in card.replace("{'", "")


def card_of(classes, bias):
    labels = np.arange(len(classes)).repeat(2)
    probabilities = np.eye(len(classes))[np.roll(labels, 1)] * 0.8 + 0.2 / len(classes)
    return model_card(
        {
            "encoder": "mine",
            "parameters": 5,
            "max_length": 64,
            "classes": dataclasses.asdict(classes),
            "calibration": {"temperature": 1.5, "bias": bias, "skipped": ""},
            "validation": metrics.report(probabilities, labels, classes=classes),
            "data": {"name": "stars.csv"},
        }
    )


def test_a_card_speaks_of_its_own_classes():
    card = card_of(Classes(("불만", "문의", "칭찬")), [0.5, -0.25, -0.25])
    assert "# 3 classes of Korean reviews: mine\n\nSays how likely a review is 불만 (0), 문의 (1) or 칭찬 (2). " in card
    assert "# float32 [[p_불만, p_문의, p_칭찬]]" in card
    assert "the logits were divided by 1.500 and +0.500, -0.250, -0.250 were added, all fitted by log loss" in card
    assert "| validation, by class | n | precision, % | recall, % | F1, % |\n|---|---|---|---|---|\n" in card
    assert "| 문의 | 2 | 50.00 | 50.00 | 50.00 |" in card
    assert "negative" not in card and "within one" not in card
    stars = card_of(ratings([1, 2, 3, 4, 5, 6]), [0.0] * 6)
    assert "# Ratings of Korean reviews: mine\n\nSays how likely a review is of each rating: 1 (0), 2 (1), " in stars
    assert "divided by 1.500, which was fitted by ranked probability score (it is in the head's weights)." in stars
    two = card_of(SENTIMENT, 0.0)
    assert "calibrated: the logit was divided by 1.500, which was fitted by log loss (it is in the head's wei" in two
    assert "and +0.250 was added, both fitted by log loss (they are in the head's weights)." in card_of(SENTIMENT, 0.25)
    # of each pair one is said right, the other the rating before, and of 1 it is 6: distances 5 1 1 1 1 1
    assert re.search(r"\| validation \| 12 \| 50.00 \([\d.]+ to [\d.]+\) \| 50.00 \| [\d.]+ \| 91.67 \| ", stars)
    assert stars.count("| 0.833 |\n") == 1
