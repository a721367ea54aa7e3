"""Draws docs/before_and_after.png from the table of "Before and after fine-tuning" in docs/results.md:

python docs/before_and_after.py
"""

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

FOLDER = Path(__file__).parent
TITLE = "## Before and after fine-tuning"
COLOURS = {"Part-of-Speech": "#2563a8", "Dependencies": "#b4531a"}


def read(text):
    """The table: ([column], {row: ([before], [change], [(low, high) of the change])})."""
    lines = text.split(TITLE, 1)[1].split("\n## ", 1)[0].split("\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    figures = {}
    for before, change in zip(rows[2::2], rows[3::2]):
        matches = [re.fullmatch(r"([+-][\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)", cell) for cell in change[1:]]
        numbers = [tuple(map(float, match.groups())) for match in matches]
        figures[before[0].removesuffix(", before")] = (
            [float(cell) for cell in before[1:]],
            [number[0] for number in numbers],
            [number[1:] for number in numbers],
        )
    return rows[0][1:], figures


def draw(columns, figures, path):
    """F1 of every column before, as hollow circles, and after, as filled ones with the interval of the change."""
    plt.rcParams.update({"font.size": 9})
    figure, axes = plt.subplots(figsize=(6.4, 3.0), dpi=100, layout="constrained")
    last = len(columns) - 1  # mix, which is no layer, and so no line leads there
    for row, (before, change, intervals) in figures.items():
        after = [value + moved for value, moved in zip(before, change)]
        bars = [[moved - low for moved, (low, _) in zip(change, intervals)]]
        bars.append([high - moved for moved, (_, high) in zip(change, intervals)])
        colour = COLOURS[row]
        axes.errorbar(range(last + 1), after, bars, fmt="none", ecolor=colour, capsize=2)
        for values, style, fill, when in ((before, "o--", "white", "before"), (after, "o-", colour, "after")):
            axes.plot(range(last), values[:last], style, color=colour, mfc=fill, label=f"{row}, {when}")
            axes.plot(last, values[last], style[0], color=colour, mfc=fill)
    axes.set_xticks(range(last + 1), columns)
    axes.set_ylabel("F1 on test, %")
    axes.set_title("F1 by layer on UD Korean Kaist, before and after fine-tuning on film reviews", fontsize=9)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    draw(*read((FOLDER / "results.md").read_text(encoding="utf-8")), FOLDER / "before_and_after.png")
