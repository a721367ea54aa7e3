"""Runs to tables, measured beside published: python -m probing.report runs/probing

Rows are those of the published table, columns encoders and representations. A cell is compared with a published one only if it is
of the same encoder and of data with the published counts; otherwise its corpus is named.
"""

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from absl import flags

from nsmc_bert import commands
from nsmc_bert.errors import UserError
from probing import scoring, study
from probing.layers import PUBLISHED
from probing.tasks import TASKS

flags.DEFINE_enum("format", "text", ["text", "markdown", "csv", "latex"], "Form of the table on standard output; csv has a line for every cell.")
flags.DEFINE_integer("bootstrap", 1000, "Bootstrap samples for the intervals.", lower_bound=100)
FLAGS = flags.FLAGS

MACRO = "Macro Average"
ROWS = (
    "Part-of-Speech", "Constituents", "Dependencies", "Entities", "SRL (all)", "Core roles", "Non-core roles", "OntoNotes coref.",
    "SPR1", "SPR2", "Winograd coref.", "Rel. (SemEval)", MACRO,
)  # fmt: skip
AVERAGED = tuple(task.title for task in TASKS.values())  # the ten rows of the macro average
ENCODERS = {  # published encoders, and the names that theirs are known by
    "cove": ("cove:",),
    "elmo": ("elmo:",),
    "gpt": ("openai-gpt", "openai-community/openai-gpt"),
    "bert-base": ("bert-base-uncased", "google-bert/bert-base-uncased"),
    "bert-large": ("bert-large-uncased", "google-bert/bert-large-uncased"),
}
DIFFERENCES = {  # published ones: (encoder, name): ((encoder, representation), (encoder, representation))
    ("cove", "delta"): (("cove", "full"), ("cove", "lex")),
    ("elmo", "delta"): (("elmo", "full"), ("elmo", "lex")),
    ("bert-base", "delta_elmo"): (("bert-base", "mix"), ("elmo", "full")),
    ("bert-large", "delta_elmo"): (("bert-large", "mix"), ("elmo", "full")),
    ("bert-large", "delta_base"): (("bert-large", "mix"), ("bert-base", "mix")),
}


@dataclasses.dataclass
class Cell:
    """One figure of a table.

    Attributes:
        row, encoder, representation: where it stands; `representation` is a difference's name for a difference.
        value: F1, a share, or a difference of two.
        interval: (low, high), 95 % by the bootstrap over records and seeds.
        seeds: how many runs it is the mean of.
        split: dev or test.
        corpus: what the data is called.
        published: the published figure it may be compared with, a share, or None.
        why_not: why there is none, in words.
    """

    row: str
    encoder: str
    representation: str
    value: float
    interval: tuple
    seeds: int
    split: str
    corpus: str
    published: float | None = None
    why_not: str = ""

    @property
    def inside(self):
        """Whether the published figure lies in the interval; None where there is none."""
        return None if self.published is None else self.interval[0] <= self.published <= self.interval[1]


def load(folders):
    """The results below some run folders, as study.study returns them.

    Raises:
        UserError: a folder has none, or a file is broken.
    """
    out = []
    for folder in folders:
        paths = sorted(Path(folder).expanduser().glob("*/*/*.json"))
        if not paths:
            raise UserError("%s: found no results, expected a run folder of probing.run" % folder)
        for path in paths:
            try:
                result = json.loads(path.read_text(encoding="utf-8"))
                result["figures"], result["task"], result["representation"]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError("%s: found no valid result (%s), expected one; delete it" % (path, error)) from None
            if not path.with_suffix(".npz").exists():
                raise UserError("%s: missing, expected the predictions beside %s" % (path.with_suffix(".npz"), path.name))
            out.append({**result, "folder": str(path.parent), "cell": path.stem})
    return out


def published():
    """{(row, encoder, representation or difference): figure, a share}."""
    with open(PUBLISHED / "test_f1.csv", encoding="utf-8", newline="") as file:
        return {(r["task"], r["encoder"], r["representation"]): float(r["value"]) / 100 for r in csv.DictReader(file) if r["value"]}


def encoder_of(name):
    """The published encoder of a name, or the name itself."""
    for encoder, names in ENCODERS.items():
        if any(name == known or known.endswith(":") and name.startswith(known) for known in names):
            return encoder
    return name


def cells(results, samples=1000):
    """Every figure that results have, averages and published differences included.

    Args:
        results: as from `load`; controls are left out.
        samples: bootstrap samples.

    Returns:
        list of Cell, in the order of ROWS, encoders as they come.
    """
    groups = {}
    for result in results:
        if not result["control"]:
            groups.setdefault((result["task"], encoder_of(result["encoder"]), result["representation"]), []).append(result)
    known, drawn, out = published(), {}, {}
    for (task, encoder, representation), group in groups.items():
        split = study.split_of(group[0])
        why_not = _why_not(TASKS[task], group[0], encoder)
        for row in (row for row in group[0]["figures"][split] if row != "labels"):
            key = (row, encoder, representation)
            drawn[key] = study.draws(group, row, samples)
            out[key] = Cell(
                *key, study.mean_f1(group, row), scoring.interval(drawn[key]), len(group), split, group[0]["data"]["name"],
                None if why_not else known.get(key), why_not or ("" if key in known else "not in the published table"),
            )  # fmt: skip
    for encoder, representation in dict.fromkeys((encoder, representation) for _, encoder, representation in groups):
        parts = [(row, encoder, representation) for row in AVERAGED]
        if all(part in out for part in parts):
            key = (MACRO, encoder, representation)
            drawn[key] = np.mean([drawn[part] for part in parts], 0)
            _combine(out, drawn, key, parts, float(np.mean([out[part].value for part in parts])), known)
    for (encoder, name), (one, other) in DIFFERENCES.items():
        for row in ROWS:
            parts = [(row, *one), (row, *other)]
            if all(part in out for part in parts):
                key = (row, encoder, name)
                drawn[key] = drawn[parts[0]] - drawn[parts[1]]
                _combine(out, drawn, key, parts, out[parts[0]].value - out[parts[1]].value, known)
    return sorted(out.values(), key=lambda cell: ROWS.index(cell.row))


def _combine(out, drawn, key, parts, value, known):
    why_not = next((out[part].why_not for part in parts if out[part].why_not), "")
    corpora = list(dict.fromkeys(out[part].corpus for part in parts))
    out[key] = Cell(
        *key, value, scoring.interval(drawn[key]), min(out[part].seeds for part in parts), out[parts[0]].split,
        corpora[0] if len(corpora) == 1 else "%d corpora" % len(corpora), None if why_not else known.get(key), why_not,
    )  # fmt: skip


def _why_not(task, result, encoder):
    """Why a result may not be held beside the published one; "" if it may."""
    if encoder not in ENCODERS:
        return "no published encoder"
    for split, (_, targets) in task.counts.items():
        found = result["data"]["splits"].get(split, {"targets": 0})["targets"]
        if found != targets:
            return "other data: %d targets in %s, published %d" % (found, split, targets)
    return ""


def wide(found):
    """Header and lines of a table: rows of ROWS that occur, a column for each encoder and representation that does.

    Returns:
        list of lists of str; the first is the header. A cell is "96.5 (96.3 to 96.7)", with " [96.7]", the published figure, where it
        may be compared, and then "*" if that lies outside the interval.
    """
    columns = list(dict.fromkeys((cell.encoder, cell.representation) for cell in found))
    there = {(cell.row, cell.encoder, cell.representation): cell for cell in found}
    lines = [["", *("%s %s" % column for column in columns)]]
    for row in ROWS:
        if any(cell.row == row for cell in found):
            lines.append([row, *(_shown(there.get((row, *column))) for column in columns)])
    return lines


def _shown(cell):
    if cell is None:
        return ""
    form = "%+.1f" if cell.representation.startswith("delta") else "%.1f"
    text = (form + " (%.1f to %.1f)") % (100 * cell.value, *(100 * edge for edge in cell.interval))
    if cell.published is not None:
        text += (" [" + form + "]%s") % (100 * cell.published, "" if cell.inside else "*")
    return text


def as_text(lines):
    """A table in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def as_markdown(lines):
    """A table in Markdown."""
    body = ["| %s |" % " | ".join(cell.replace("|", "\\|") for cell in line) for line in lines]
    return "\n".join([body[0], "|---" * len(lines[0]) + "|", *body[1:]])


def as_latex(lines):
    """A table in LaTeX, with booktabs."""
    body = [" & ".join(_escaped(cell) for cell in line) + r" \\" for line in lines]
    head = [r"\begin{tabular}{l%s}" % ("r" * (len(lines[0]) - 1)), r"\toprule", body[0], r"\midrule"]
    return "\n".join([*head, *body[1:], r"\bottomrule", r"\end{tabular}"])


def _escaped(text):
    return "".join("\\" + c if c in "&%$#_{}" else {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}.get(c, c) for c in text)


def as_csv(found):
    """Every cell on a line of its own, figures in percent."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", "encoder", "representation", "f1", "low", "high", "published", "inside", "seeds", "split", "corpus", "note"])
    for cell in found:
        figures = [cell.value, *cell.interval, cell.published]
        writer.writerow([
            cell.row, cell.encoder, cell.representation, *("" if f is None else "%.2f" % (100 * f) for f in figures),
            {None: "", True: "yes", False: "no"}[cell.inside], cell.seeds, cell.split, cell.corpus, cell.why_not,
        ])  # fmt: skip
    return out.getvalue().rstrip("\n")


def main(folders):
    found = cells(load(folders or ["runs/probing"]), FLAGS.bootstrap)
    print({"text": as_text, "markdown": as_markdown, "latex": as_latex, "csv": as_csv}[FLAGS.format](
        found if FLAGS.format == "csv" else wide(found)
    ))  # fmt: skip


def cli():
    """The console script nsmc-bert-report."""
    commands.run(main, takes="RUNS")


if __name__ == "__main__":
    cli()
