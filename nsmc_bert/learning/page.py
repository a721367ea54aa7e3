"""One self-contained page of how good a classifier is: python -m nsmc_bert.evaluate --model=FOLDER --page=FOLDER"""

import csv
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nsmc_bert import bundled
from nsmc_bert.base import html_pages
from nsmc_bert.base.errors import counted
from nsmc_bert.data.find import NSMC
from nsmc_bert.learning.provenance import measured_parts, none_in_training, record_of
from nsmc_bert.model import metrics
from nsmc_bert.model.comparison import relation

PUBLISHED = Path(__file__).parent / "published.csv"
CAVEAT = (
    "Published accuracies on NSMC's test. Most were chosen as the best of several checkpoints on the test itself, "
    "which is worth some 0.1 to 0.4 points; this project's models are chosen on validation. Models that have read star "
    "ratings, or learned from others that have, had more supervision than NSMC's labels: the table says which."
)
BESIDE = "Beside published models"  # the heading of their plot and table
OURS = "nsmc_bert: "  # begins the names of this project's models
FONTS = (  # that spell names of classes: matplotlib's own, and those with Hangul of Windows, macOS and Linux
    "DejaVu Sans",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",  # the first of the file with all of them
    "NanumGothic",
    "NanumBarunGothic",
    "UnDotum",
)
RATED, OFFICIAL = "star ratings read", "official labels"


def write(
    folder: Path,
    figures: Mapping[str, Any],
    record: Mapping[str, Any],
    parameters: int,
    data: str,
    model: str,
    command: str,
) -> list[Path]:
    """Writes the page and its plots.

    Args:
        folder: where to.
        figures: as from evaluation.evaluate.
        record: the model's training.json, or {}.
        parameters: how many the model has.
        data: what the reviews are called; published figures are of NSMC.
        model: what the model is called, "" for the one that ships.
        command: what made this.

    Returns:
        The paths of what was written.

    Raises:
        UserError: matplotlib is missing, or the folder cannot be written.
    """
    rows = _rows(figures, record, parameters, model) if data == NSMC else []
    pictures = html_pages.draw(_plots(figures, record, rows))
    title = f"How good is {model or 'the classifier that ships'}"
    reviews = html.escape(data + metrics.one_class(figures["test"]))
    body = [f"<p>Measured on {counted(figures['test']['n'], 'review')} of {reviews}.</p>", _figures(figures)]
    if "precision" in figures["test"]:
        body.append(_classes(figures["test"]))
    if figures.get("against"):
        body += ["<h2>Beside other models</h2>", _against(figures["against"])]
    for name, (caption, images) in pictures.items():
        body += [f"<h2>{name}</h2>", html_pages.picture(name, caption, images)]
        if name == BESIDE:
            body.append(_published(rows))
    if figures["errors"]:
        lines = [["said", "confidence", "label", "review"]]
        lines += [[e["said"], f"{e['confidence']:.3f}", e["label"], e["text"]] for e in figures["errors"]]
        caption = (
            "Labels are star ratings cut in two: some are wrong." if data == NSMC else f"Labels are those of {data}."
        )
        body += ["<h2>Most confident errors</h2>", html_pages.plain(lines, caption, text=["review"])]
    commands = dict.fromkeys(filter(None, [record.get("command"), command]))
    escaped = "\n".join(map(html.escape, commands))
    body += ["<h2>Commands</h2>", f"<pre>{escaped}</pre>"]
    return html_pages.write(folder, {"classifier.html": html_pages.document(title, body)}, pictures)


def _rows(figures: Mapping[str, Any], record: Mapping[str, Any], parameters: int, model: str) -> "list[Row]":
    """Published models, the one that ships and, last, this one."""
    accuracy = 100 * figures["test"]["accuracy"]
    mine = Row("This model", parameters / 1e6, accuracy, supervision(record), _protocol(record), "this page")
    return [*published(), *([shipped()] if model else []), mine]


def _plots(
    figures: Mapping[str, Any], record: Mapping[str, Any], rows: "Sequence[Row]"
) -> list[tuple[str, str, Any, Callable]]:
    """The plots as html_pages.draw takes them: title, caption, what is drawn, how."""
    history = record["history"] if {"best_epoch", "cross_validation"} & record.keys() else []  # this project's
    return [
        (BESIDE, CAVEAT, rows, _beside),
        (
            "Calibration",
            "How often it is right, by how sure it is; below the diagonal it is too sure. Areas show how many reviews.",
            figures["reliability"],
            _calibration,
        ),
        ("Confusion", f"Reviews by label and by what was said.{_numbered(figures)}", [figures["test"]], _confusion),
        (
            "Accuracy by length",
            "Accuracy by the characters of a review, with 95 % intervals.",
            figures["by_length"],
            _lengths,
        ),
        (
            "Training",
            "Loss in training"
            + " and accuracy on validation" * any("validation" in epoch for epoch in history)
            + " after each pass."
            + " In training it has the distance of ratings beside the log loss." * ("kappa" in figures["test"]),
            history,
            _training,
        ),
    ]


def _published(rows: "Sequence[Row]") -> str:
    """The table of published models."""
    lines = [["model", "parameters, millions", "accuracy, %", "supervision", "how it was chosen", "source"]]
    for row in rows:
        parameters, accuracy = f"{round(row.parameters, 1):g}", f"{row.accuracy:.2f}"
        lines.append([row.model, parameters, accuracy, row.supervision, row.protocol, row.source])
    return html_pages.plain(lines, "With where each figure was read.", text=lines[0][3:])


class Row(NamedTuple):
    """A model beside others: millions of parameters, accuracy on NSMC's test in percent, what it learned from, how it
    was chosen, where that was read, and its encoder's names on the hub, in lower case."""

    model: str
    parameters: float
    accuracy: float
    supervision: str
    protocol: str
    source: str
    hub: tuple[str, ...] = ()


def published() -> list[Row]:
    """Published models, and this project's from official labels alone, the best first."""
    with open(PUBLISHED, encoding="utf-8", newline="") as file:
        rows = [
            Row(
                row["model"],
                float(row["parameters_millions"]),
                float(row["accuracy"]),
                row["supervision"],
                row["protocol"],
                row["source"],
                tuple(row["hub"].split()),
            )
            for row in csv.DictReader(file)
        ]
    return sorted(rows, key=lambda row: -row.accuracy)


def shipped() -> Row:
    """The classifier that ships."""
    record = record_of(bundled.CLASSIFIER)
    return Row(
        OURS + "what ships",
        record["parameters"] / 1e6,
        100 * record["test"]["accuracy"],
        supervision(record),
        _protocol(record),
        "its card",
    )


def supervision(record: Mapping[str, Any]) -> str:
    """What a model learned from, in the words of PUBLISHED, by its training.json; "not recorded" where that does not
    tell.
    """
    before, data = record.get("pretraining"), record.get("data", {})
    if before and before.get("ratings"):
        return RATED
    if data.get("teachers"):
        return "official labels, and teachers, whose own is in their cards"
    if not (before or record.get("encoder", "").startswith("random weights")) or "name" not in data:
        return "not recorded"
    return OFFICIAL if data["name"] == NSMC else f"labels of {data['name']}"


def _protocol(record: Mapping[str, Any]) -> str:
    """How a model was chosen, by its training.json."""
    if "best_epoch" in record:
        return "chosen on validation"
    if "cross_validation" in record:
        return "nothing chosen, calibrated by cross-validation"
    return "calibrated on validation" if record.get("validation") else "not recorded"


def _figures(figures: Mapping[str, Any]) -> str:
    """The table of figures."""
    lines = [["reviews", "n", "accuracy, %", "95 % interval", "macro F1, %", "calibration error", "log loss"]]
    lines[0] += (
        ["within one, %", "kappa", "mean error", "of the median", "squared, expected"]
        if "kappa" in figures["test"]
        else []
    )
    for part, title in measured_parts(figures).items():
        report = figures[part]
        low, high = report["accuracy_interval95"]
        lines.append(
            [
                title,
                f"{report['n']}",
                f"{100 * report['accuracy']:.2f}",
                f"{100 * low:.2f} to {100 * high:.2f}",
                f"{100 * report['macro_f1']:.2f}",
                f"{report['ece']:.3f}",
                f"{report['log_loss']:.3f}",
            ]
        )
        if "kappa" in report:
            lines[-1] += [f"{100 * report['within_one']:.2f}"]
            lines[-1] += [f"{report[name]:.3f}" for name in ("kappa", "mae", "mae_median", "rmse_expected")]
    caption = "No text of the test is in training. " * none_in_training(figures)
    caption += "The interval is Wilson's; the calibration error has 15 bins."
    if "kappa" in figures["test"]:
        caption += (
            " Kappa is weighted by the square of the distance. The mean error is absolute: of the most probable "
            "rating, and of the median of what is said; that of the expected rating is the root of the mean square."
        )
    return html_pages.plain(lines, caption)


def _against(others: Sequence[Mapping[str, Any]]) -> str:
    """The table of what the model is compared with."""
    lines = [["model", "accuracy, %", "difference", "95 % interval", "this alone", "other alone", "p", "supervision"]]
    for other in others:
        low, high = (f"{100 * end:+.2f}" for end in other["interval95"])
        difference = f"{100 * other['difference']:+.2f}"
        p = "".join(relation(other["mcnemar_p"])).removeprefix("=")
        alone = [str(other[name]) for name in ("this_alone", "other_alone")]
        row = [other["model"], f"{100 * other['accuracy']:.2f}", difference, f"{low} to {high}", *alone, p]
        lines.append([*row, other["supervision"][1]])
    caption = (
        "The difference is this model's accuracy less the other's, in points, with Agresti and Min's interval for "
        "matched pairs; reviews that one alone gets right; p by McNemar's exact test; what the other learned from. "
        f"This one: {others[0]['supervision'][0]}."
    )
    return html_pages.plain(lines, caption, text=["supervision"])


def _classes(figures: Mapping[str, Any]) -> str:
    """The table of the figures of each class."""
    lines = [["label", "n", "precision, %", "recall, %", "F1, %"]]
    is_numbered = not _font(figures["f1"])
    for place, (name, counts) in enumerate(zip(figures["f1"], figures["confusion"])):
        shares = [f"{100 * figures[part][name]:.2f}" for part in ("precision", "recall", "f1")]
        lines.append([f"{place} {name}" if is_numbered else name, f"{sum(counts)}", *shares])
    return html_pages.plain(lines, "The test reviews by their labels.", text=["label"])


def _beside(plt: Any, rows: Sequence[Row]) -> Any:
    rows = sorted(rows, key=lambda row: row.accuracy)
    figure, axis = plt.subplots(figsize=(7, 0.6 + 0.26 * len(rows)))
    bars = axis.barh(
        range(len(rows)), [row.accuracy for row in rows], color=["C1" if _is_ours(row) else "C0" for row in rows]
    )
    for place, (bar, row) in enumerate(zip(bars, rows)):
        bar.set_hatch("" if row.supervision == OFFICIAL else "///")
        axis.text(row.accuracy + 0.05, place, f"{row.accuracy:.2f}", va="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [f"{row.model}, {round(row.parameters, 1):g}M" for row in rows])
    axis.set_xlim(min(row.accuracy for row in rows) - 1, max(row.accuracy for row in rows) + 0.7)
    axis.set_xlabel("accuracy, %; hatched: not from official labels alone")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _is_ours(row: Row) -> bool:
    return row.model == "This model" or row.model.startswith(OURS)


def _calibration(plt: Any, bins: Sequence[Mapping[str, float]]) -> Any:
    figure, axis = plt.subplots(figsize=(4.5, 4))
    x, y, n = (np.array([each[key] for each in bins]) for key in ("confidence", "accuracy", "n"))
    lowest = min([0.5, *x])  # of more than two classes the most probable may be less so
    axis.plot([lowest, 1], [lowest, 1], "--", color="gray", linewidth=1)
    axis.plot(x, y, "-", color="C0", linewidth=1)
    axis.scatter(x, y, s=10 + 300 * n / n.max(), alpha=0.6)
    axis.set_xlabel("probability of what was said")
    axis.set_ylabel("share that is right")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _numbered(figures: Mapping[str, Any]) -> str:
    """What is to be said of a plot whose classes are numbers."""
    return "" if _font(figures["test"]["f1"]) else " Classes are numbered as in the table above."


def _font(names: Iterable[str]) -> str:
    """The first of FONTS that is installed and has all letters of names; "" where none has."""
    letters = set("".join(names))
    if all(map(str.isascii, letters)):
        return FONTS[0]
    html_pages.check()
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    # matplotlib remembers files that may be gone
    files = {font.name: font.fname for font in fontManager.ttflist if font.name in FONTS and Path(font.fname).is_file()}
    codes = set(map(ord, letters))
    return next((name for name in FONTS if name in files and codes <= FT2Font(files[name]).get_charmap().keys()), "")


def _confusion(plt: Any, reports: Sequence[Mapping[str, Any]]) -> Any:
    (report,) = reports
    matrix, names = np.array(report["confusion"]), list(report["f1"])
    if font := _font(names):
        plt.rcParams["font.family"] = [*plt.rcParams["font.family"], font]  # html_pages sets it back
    else:
        names = [str(place) for place in range(len(names))]
    more = len(names) - 2
    figure, axis = plt.subplots(figsize=(3.4 + 0.6 * more, 3 + 0.5 * more))
    axis.imshow(matrix, cmap="Blues")
    for (label, predicted), count in np.ndenumerate(matrix):
        colour = "white" if count > matrix.max() / 2 else "black"
        text = f"{count}\n{100 * count / max(matrix[label].sum(), 1):.1f} %"
        axis.text(predicted, label, text, ha="center", va="center", color=colour, fontsize=None if not more else 7)
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names, rotation=0 if more else 90, va="center")
    axis.set_xlabel("said")
    axis.set_ylabel("label")
    return figure


def _lengths(plt: Any, groups: Sequence[Mapping[str, Any]]) -> Any:
    figure, axis = plt.subplots(figsize=(6, 3))
    y = np.array([100 * group["accuracy"] for group in groups])
    around = np.abs(100 * np.array([group["interval95"] for group in groups]).T - y)
    axis.errorbar(range(len(groups)), y, yerr=around, fmt="o-", capsize=3)
    ends = [group["from"] - 1 for group in groups[1:]] + [None]
    names = [f"{g['from']}{'+' if end is None else f'-{end}'}\n{g['n']}" for g, end in zip(groups, ends)]
    axis.set_xticks(range(len(groups)), names)
    axis.set_xlabel("characters; reviews")
    axis.set_ylabel("accuracy, %")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _training(plt: Any, history: Sequence[Mapping[str, Any]]) -> Any:
    from matplotlib.ticker import MaxNLocator

    is_validated = "validation" in history[0]
    figure, axes = plt.subplots(1, 1 + is_validated, figsize=(7 if is_validated else 3.5, 2.8), squeeze=False)
    axes = axes[0]
    passes = [epoch["epoch"] for epoch in history]
    axes[0].plot(passes, [epoch["loss"] for epoch in history], "o-", label="training")
    axes[0].set_ylabel("loss, nats")
    if is_validated:
        axes[0].plot(passes, [epoch["validation"]["log_loss"] for epoch in history], "s--", label="validation")
        axes[0].legend(frameon=False)
        axes[1].plot(passes, [100 * epoch["validation"]["accuracy"] for epoch in history], "s--", color="C1")
        axes[1].set_ylabel("validation accuracy, %")
    for axis in axes:
        axis.set_xlabel("pass")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.spines[["top", "right"]].set_visible(False)
    figure.subplots_adjust(wspace=0.35)
    return figure
