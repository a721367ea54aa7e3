"""The model cards that a trained classifier and a pretrained encoder carry."""


def model_card(training):
    """Markdown for README.md of a model folder.

    Args:
        training: what goes into training.json: keys `data`, `encoder`, `pretraining` (or None), `parameters`, `settings`, `seed`,
            `temperature`,
            `validation`, `test` (or None), `test_unseen` (or None), perhaps `test_spaces` and `test_typo`, `hardware`,
            `seconds`, `versions`, `command`.

    Returns:
        The card, with the front matter that model hubs read.
    """
    data, settings, before = training["data"], training["settings"], training.get("pretraining")
    supervision = ""
    if before:
        rated, plain = "with their star ratings: that is more supervision than the labels", "without any label or rating"
        supervision = "\n* The encoder was pretrained on {:,} texts, {} passes, {}.".format(
            before["texts"], before["epochs"], rated if before["ratings"] else plain
        )
    if data.get("teachers"):
        supervision += (
            "\n* It learned the mean probabilities of {} classifiers, averaged with the label where there is one; {:,} more texts had"
            " none.".format(data["teachers"], data["unlabelled"])
        )
    names = {
        "validation": "validation",
        "test": "test",
        "test_unseen": "test, text not in train",
        "test_spaces": "test, all spaces taken out",
        "test_typo": "test, one jamo mistyped in each",
    }
    rows = [(name, training.get(part)) for part, name in names.items()]
    table = "\n".join(
        "| %s | %s | %.2f (%.2f to %.2f) | %.2f | %.3f |"
        % (name, f"{r['n']:,}", 100 * r["accuracy"], *(100 * x for x in r["accuracy_interval95"]), 100 * r["macro_f1"], r["ece"])
        for name, r in rows
        if r
    )
    return """---
language: ko
pipeline_tag: text-classification
library_name: transformers
---
# Sentiment of Korean reviews: {encoder}

Says how likely a review is negative (0) or positive (1). {parameters:,} parameters, at most {max_length} pieces of text.

```python
import nsmc_bert
nsmc_bert.load("FOLDER").predict("이 영화 엄청 재미있네요")       # float32 [[p_negative, p_positive]]
```

Without nsmc_bert, on PyTorch:

```python
from transformers import pipeline
pipeline("text-classification", model="FOLDER")("이 영화 엄청 재미있네요")
```

## Figures

| reviews | n | accuracy, % (95 % interval) | macro F1, % | calibration error |
|---|---|---|---|---|
{table}

The epoch was chosen on the validation reviews, which were cut from the training file, and so was the temperature, {temperature:.3f},
that the logits were divided by to make confidence honest (it is in the head's weights). The test reviews were read once, at the
end.

## Training

* Data: {data_name}, {train:,} reviews to train on, {validation:,} to validate on.
* Encoder: {encoder}.{supervision}
* Settings: {settings}.
* Seed {seed}, {seconds:.0f} seconds on {hardware}.
* Versions: {versions}.

Command: `{command}`

## Limits

It has seen short, informal Korean written about films. Star ratings stood for sentiment in the labels, so some are wrong and
irony is often missed. Other languages, other subjects and longer texts are outside what the figures say.
""".format(
        encoder=training["encoder"],
        supervision=supervision,
        parameters=training["parameters"],
        max_length=training["max_length"],
        table=table,
        temperature=training["temperature"],
        data_name=data["name"],
        train=data["train"],
        validation=data["validation"],
        settings=", ".join("%s %s" % item for item in settings.items()),
        seed=training["seed"],
        seconds=training["seconds"],
        hardware=training["hardware"],
        versions=", ".join("%s %s" % item for item in training["versions"].items()),
        command=training["command"],
    )


def encoder_card(training):
    """Markdown for README.md of a pretrained encoder's folder.

    Args:
        training: what goes into training.json: keys `encoder`, `parameters`, `data`, `settings`, `validation`, `steps`, `hardware`,
            `seconds`, `versions`, `command`.
    """
    data = training["data"]
    figures = "\n".join("| %s | %.3f |" % (name.replace("_", " "), value) for name, value in training["validation"].items())
    ratings = " Their star ratings were learned beside: that is more supervision than text." if data["ratings"] else ""
    return """---
language: ko
pipeline_tag: fill-mask
library_name: transformers
---
# A BERT pretrained on Korean text

{parameters:,} parameters, {max_length} pieces of text at most. To be fine-tuned: `python -m nsmc_bert.train --encoder=FOLDER`.

| on {validation:,} texts held out | |
|---|---|
{figures}

* Data: {texts:,} texts, {tokens:,} tokens a pass, {epochs} passes, {steps:,} steps.{ratings}
* Objective: masked language modelling, whole words.
* Started from: {encoder}.
* Settings: {settings}.
* {hours:.1f} hours on {hardware}.
* Versions: {versions}.

Command: `{command}`

It knows what its texts are about and how they are written, and little else.
""".format(
        parameters=training["parameters"],
        max_length=training["max_length"],
        validation=data["validation"],
        figures=figures,
        texts=data["texts"],
        tokens=data["tokens"],
        epochs=training["settings"]["epochs"],
        steps=training["steps"],
        ratings=ratings,
        encoder=training["encoder"],
        settings=", ".join("%s %s" % item for item in training["settings"].items()),
        hours=training["seconds"] / 3600,
        hardware=training["hardware"],
        versions=", ".join("%s %s" % item for item in training["versions"].items()),
        command=training["command"],
    )
