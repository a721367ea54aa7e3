"""The model cards that a trained classifier and a pretrained encoder carry."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nsmc_bert.base import text_tables
from nsmc_bert.base.classes import SENTIMENT, Classes, of_record
from nsmc_bert.data.find import NSMC, SAMPLE
from nsmc_bert.learning.provenance import none_in_training
from nsmc_bert.model.calibration import shown

OBJECTIVES = {  # of pretraining, and what they are called
    "masked": "masked language modelling",
    "replaced": "replaced-token detection (ELECTRA)",
}
PARTS = {  # of a record, and what its row is called
    "validation": "validation",
    "cross_validation": "cross-validation",
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
# {title}: {name}

Says how likely a review is {said}. {parameters:,} parameters, at most {max_length} pieces of text.

```python
import nsmc_bert
nsmc_bert.load("FOLDER").predict("이 영화 엄청 재미있네요")       # float32 {shape}
```

Without nsmc_bert, on PyTorch:

```python
from transformers import pipeline
pipeline("text-classification", model="FOLDER", truncation=True)("이 영화 엄청 재미있네요")
```

## Figures

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
            known of `data`, `encoder`, `pretraining`, `notes` (sentences), `warnings` (likewise), `settings`, `seed`,
            `seconds`, `hardware`, `versions`, `command`, `calibrated_by`, `tested_on`; what is not known is left out.

    Returns:
        The card, with the front matter that model hubs read.
    """
    classes = of_record(training)
    films = training.get("data", {}).get("name") in (NSMC, SAMPLE)
    return CLASSIFIER.format(
        title=_title(classes),
        said=_said(classes),
        shape=_shape(classes),
        name=training.get("encoder", "a fine-tuned encoder"),
        parameters=training["parameters"],
        max_length=training["max_length"],
        table="\n\n".join(_table(training, classes)),
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


def _title(classes: Classes) -> str:
    if classes == SENTIMENT:
        return "Sentiment of Korean reviews"
    return "Ratings of Korean reviews" if classes.is_ordered else f"{len(classes)} classes of Korean reviews"


def _said(classes: Classes) -> str:
    """What is said of a review, with the number of each class."""
    each = [f"{name} ({place})" for place, name in enumerate(classes.names)]
    rated = "of each rating: " if classes.is_ordered else ""
    return f"{rated}{', '.join(each[:-1])} or {each[-1]}"


def _shape(classes: Classes) -> str:
    """What `predict` gives for one review."""
    if len(classes) > 5:
        return f"[1, {len(classes)}], in the order above"
    return f"[[{', '.join(f'p_{name}' for name in classes.names)}]]"


def _table(training: Mapping[str, Any], classes: Classes) -> Iterator[str]:
    """The table of figures and, with more than two classes, one of each class."""
    further = {"within one, %": "within_one", "kappa": "kappa", "mean error": "mae"} if classes.is_ordered else {}
    rows = [["reviews", "n", "accuracy, % (95 % interval)", "macro F1, %", "calibration error", *further]]
    parts = {name: training[part] for part, name in PARTS.items() if training.get(part)}
    if none_in_training(training):
        parts.pop(PARTS["test_unseen"])
    for name, figures in parts.items():
        low, high = figures["accuracy_interval95"]
        accuracy = f"{100 * figures['accuracy']:.2f} ({100 * low:.2f} to {100 * high:.2f})"
        row = [name, f"{figures['n']:,}", accuracy, f"{100 * figures['macro_f1']:.2f}", f"{figures['ece']:.3f}"]
        row += [
            f"{100 * figures[key]:.2f}" if key == "within_one" else f"{figures[key]:.3f}" for key in further.values()
        ]
        rows.append(row)
    yield text_tables.markdown(rows)
    if none_in_training(training):
        yield "No text of the test is in train."
    if further:
        yield "Kappa is weighted by the square of the distance; the mean error is absolute, of the rating that is said."
    name = "test" if "test" in parts else next(iter(parts), "")
    if name and classes != SENTIMENT:
        rows = [[f"{name}, by class", "n", "precision, %", "recall, %", "F1, %"]]
        for each, counts in zip(classes.names, parts[name]["confusion"]):
            shares = [f"{100 * parts[name][share][each]:.2f}" for share in ("precision", "recall", "f1")]
            rows.append([each, f"{sum(counts):,}", *shares])
        yield text_tables.markdown(rows)


def _chosen(training: Mapping[str, Any]) -> str:
    """What was chosen on which reviews, in sentences."""
    calibration = training["calibration"]
    lines = [f"**{warning}.**" for warning in training.get("warnings", ())]
    folds = training.get("data", {}).get("folds", 0)
    if "best_epoch" in training:
        lines.append("The epoch was chosen on the validation reviews, which were cut from the training file.")
    if training.get("cross_validation"):
        lines.append(
            f"In cross-validation each training review was classified by a model that had learned from the other "
            f"{folds - 1} of {folds} folds, and was\ncalibrated by them. This model has learned from all folds, for as "
            "many epochs; nothing was chosen."
        )
    if calibration["skipped"]:
        lines.append(f"Its confidence was not calibrated: {calibration['skipped']}.")
    else:
        if training.get("validation"):
            where = "the validation reviews"
        elif "name" in calibration:
            where = f"{calibration['reviews']:,} reviews of {calibration['name']}"
        else:
            where = "what cross-validation said"
        by = "ranked probability score" if of_record(training).is_ordered else "log loss"  # see calibration.fit
        lines.append(
            f"On {where} its confidence was calibrated: {_calibrated(calibration, by)} in the head's weights)."
        )
    if tested := training.get("tested_on"):
        lines.append(f"The test reviews, {tested['name']}, were read with the model as it is here.")
    elif training.get("test"):
        lines.append("The test reviews were read once, at the end.")
    return "\n".join(lines)


def _calibrated(calibration: Mapping[str, Any], by: str) -> str:
    """What became of the logits, by what it was fitted, and where it is."""
    temperature, bias = f"{calibration['temperature']:.3f}", calibration["bias"]
    divided = f"the logit{' was' if isinstance(bias, float) else 's were'} divided by {temperature}"
    if not np.any(bias):
        return f"{divided}, which was fitted by {by} (it is"
    if isinstance(bias, float):
        return f"{divided} and {shown(bias)} was added, both fitted by {by} (they are"
    return f"{divided} and {shown(bias)} were added, all fitted by {by} (they are"


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    """How it was made, in sentences."""
    data, before, settings = training.get("data") or {}, training.get("pretraining"), training.get("settings")
    if "train" in data:
        held_out = f"{data['validation']:,} to validate on" if data["validation"] else "none held out"
        yield f"Data: {data['name']}, {data['train']:,} reviews to train on, {held_out}."
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
    objective = training["settings"].get("objective", "masked")
    figures = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in training["validation"].items())
    versions = ", ".join(f"{name} {value}" for name, value in training.get("versions", {}).items())
    ratings = " Their star ratings were learned beside: that is more supervision than text." if data["ratings"] else ""
    return """---
language: ko
pipeline_tag: {pipeline}
library_name: transformers
---
# An encoder pretrained on Korean text

{parameters:,} parameters, {max_length} pieces of text at most. To be fine-tuned: `python -m nsmc_bert.train --encoder=FOLDER`.

| on {validation:,} texts held out | |
|---|---|
{figures}

* Data: {texts:,} texts, {tokens:,} tokens a pass, {epochs} passes, {steps:,} steps.{ratings}
* Objective: {objective}, whole words.
* Started from: {encoder}.
{notes}* Settings: {settings}.
* {took} on {hardware}.
{versions}
Command: `{command}`

It knows what its texts are about and how they are written, and little else.
""".format(  # noqa: E501
        pipeline="fill-mask" if objective == "masked" else "feature-extraction",
        objective=OBJECTIVES[objective],
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
