"""The model cards that a trained classifier and a pretrained encoder carry."""

from collections.abc import Iterator, Mapping
from typing import Any

from nsmc_bert.data.find import SAMPLE

PARTS = {  # of a record, and what its row is called
    "validation": "validation",
    "calibrated_on": "reviews calibrated on",
    "test": "test",
    "test_unseen": "test, text not in train",
    "test_spaces": "test, all spaces taken out",
    "test_typo": "test, one jamo mistyped in each",
}

CLASSIFIER = """---
language: ko
pipeline_tag: text-classification
library_name: transformers
---
# Sentiment of Korean reviews: {name}

Says how likely a review is negative (0) or positive (1). {parameters:,} parameters, at most {max_length} pieces of text.

```python
import nsmc_bert
nsmc_bert.load("FOLDER").predict("이 영화 엄청 재미있네요")       # float32 [[p_negative, p_positive]]
```

Without nsmc_bert, on PyTorch:

```python
from transformers import pipeline
pipeline("text-classification", model="FOLDER", truncation=True)("이 영화 엄청 재미있네요")
```

## Figures

| reviews | n | accuracy, % (95 % interval) | macro F1, % | calibration error |
|---|---|---|---|---|
{table}

{chosen}

## Training

{training}

## Limits

{limits}
"""  # noqa: E501


def model_card(training: Mapping[str, Any]) -> str:
    """Markdown for README.md of a classifier's folder.

    Args:
        training: what goes into training.json: `parameters`, `max_length`, `calibration`, the figures, and what is
            known of `data`, `encoder`, `pretraining`, `notes` (sentences), `settings`, `seed`, `seconds`, `hardware`,
            `versions`, `command`, `calibrated_by`, `tested_on`; what is not known is left out.

    Returns:
        The card, with the front matter that model hubs read.
    """
    table = "\n".join(_row(name, training[part]) for part, name in PARTS.items() if training.get(part))
    films = training.get("data", {}).get("name") in ("NSMC", SAMPLE)
    return CLASSIFIER.format(
        name=training.get("encoder", "a fine-tuned encoder"),
        parameters=training["parameters"],
        max_length=training["max_length"],
        table=table,
        chosen=_chosen(training),
        training="\n".join(f"* {line}" for line in _training(training)),
        limits=(
            "It has seen short, informal Korean written about films. Star ratings stood for sentiment in the labels, "
            "so some are wrong and\n"
            "irony is often missed. Other languages, other subjects and longer texts are outside what the figures say."
            if films
            else "Reviews of other kinds than those that it was trained and measured on are outside what the "
            "figures say."
        ),
    )


def _row(name: str, figures: Mapping[str, Any]) -> str:
    """A row of the table of figures."""
    low, high = figures["accuracy_interval95"]
    accuracy = f"{100 * figures['accuracy']:.2f} ({100 * low:.2f} to {100 * high:.2f})"
    return f"| {name} | {figures['n']:,} | {accuracy} | {100 * figures['macro_f1']:.2f} | {figures['ece']:.3f} |"


def _chosen(training: Mapping[str, Any]) -> str:
    """What was chosen on which reviews, in sentences."""
    calibration = training["calibration"]
    lines = []
    if "best_epoch" in training:
        lines.append("The epoch was chosen on the validation reviews, which were cut from the training file.")
    if calibration["skipped"]:
        lines.append(f"Its confidence was not calibrated: {calibration['skipped']}.")
    else:
        where = (
            "the validation reviews"
            if training.get("validation")
            else f"{calibration['reviews']:,} reviews of {calibration['name']}"
        )
        lines.append(
            f"On {where} its confidence was calibrated: the logit was divided by {calibration['temperature']:.3f} and "
            f"{calibration['bias']:+.3f} was added, both fitted by log loss (they are in the head's weights)."
        )
    if tested := training.get("tested_on"):
        lines.append(f"The test reviews, {tested['name']}, were read with the model as it is here.")
    elif training.get("test"):
        lines.append("The test reviews were read once, at the end.")
    return "\n".join(lines)


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    """How it was made, in sentences."""
    data, before, settings = training.get("data") or {}, training.get("pretraining"), training.get("settings")
    if "train" in data:
        yield f"Data: {data['name']}, {data['train']:,} reviews to train on, {data['validation']:,} to validate on."
    if "encoder" in training:
        yield f"Encoder: {training['encoder']}."
    if before:
        rated, plain = (
            "with their star ratings: that is more supervision than the labels",
            "without any label or rating",
        )
        yield (
            f"The encoder was pretrained on {before['texts']:,} texts, {before['epochs']} passes, "
            f"{rated if before['ratings'] else plain}."
        )
    if data.get("teachers"):
        yield (
            f"It learned the mean probabilities of {data['teachers']} classifiers, averaged with the label where there "
            f"is one; {data['unlabelled']:,} more texts had none."
        )
    yield from training.get("notes", ())
    if settings:
        yield f"Settings: {', '.join(f'{name} {value}' for name, value in settings.items())}."
    if "seed" in training:
        yield f"Seed {training['seed']}, {training['seconds']:.0f} seconds on {training['hardware']}."
    if "versions" in training:
        yield f"Versions: {', '.join(f'{name} {value}' for name, value in training['versions'].items())}."
    if "command" in training:
        yield f"Command: `{training['command']}`"
    if "calibrated_by" in training:
        yield f"Calibrated by: `{training['calibrated_by']}`"


def encoder_card(training: Mapping[str, Any]) -> str:
    """Markdown for README.md of a pretrained encoder's folder.

    Args:
        training: what goes into training.json: keys `encoder`, `parameters`, `data`, `settings`, `validation`, `steps`,
            `hardware`, `seconds`, `command`, and perhaps `versions` and `notes` (sentences).
    """
    data, seconds = training["data"], training["seconds"]
    figures = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in training["validation"].items())
    versions = ", ".join(f"{name} {value}" for name, value in training.get("versions", {}).items())
    ratings = " Their star ratings were learned beside: that is more supervision than text." if data["ratings"] else ""
    return """---
language: ko
pipeline_tag: fill-mask
library_name: transformers
---
# An encoder pretrained on Korean text

{parameters:,} parameters, {max_length} pieces of text at most. To be fine-tuned: `python -m nsmc_bert.train --encoder=FOLDER`.

| on {validation:,} texts held out | |
|---|---|
{figures}

* Data: {texts:,} texts, {tokens:,} tokens a pass, {epochs} passes, {steps:,} steps.{ratings}
* Objective: masked language modelling, whole words.
* Started from: {encoder}.
{notes}* Settings: {settings}.
* {took} on {hardware}.
{versions}
Command: `{command}`

It knows what its texts are about and how they are written, and little else.
""".format(  # noqa: E501
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
        settings=", ".join(f"{name} {value}" for name, value in training["settings"].items()),
        took=f"{seconds / 3600:.1f} hours" if seconds >= 1800 else f"{seconds:.0f} seconds",
        notes="".join(f"* {note}\n" for note in training.get("notes", ())),
        hardware=training["hardware"],
        versions=f"* Versions: {versions}.\n" if "versions" in training else "",
        command=training["command"],
    )
