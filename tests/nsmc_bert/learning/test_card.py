"""The model card says what training.json says, in the form that model hubs read."""

import json
import re


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
    assert "nsmc_bert.train --sample" in card
    assert "learning_rate 0.01" in card
    assert "{" not in card.replace("{'", "")
