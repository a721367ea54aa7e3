"""Runs to tables, measured beside published: python -m probing.report runs/probing

Rows are those of the published table, columns encoders and representations. A cell is compared with a published one
only if it is of the same encoder and layer 0 and of data with the published counts; a cell that is not, in a published
encoder's column, is marked.
"""

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from absl import flags

from nsmc_bert.base import cli, html_pages
from nsmc_bert.base.errors import UserError
from probing import scoring, sentence, study
from probing.results import layers, likeness, page
from probing.tasks import TASKS

flags.DEFINE_enum(
    "format",
    "text",
    ["text", "markdown", "csv", "latex"],
    "Form of the table on standard output; csv has a line for every cell.",
)
flags.DEFINE_bool(
    "published",
    False,
    "The whole published table, in which what was not run has the published figure alone, and what it would take.",
)
flags.DEFINE_list(
    "compare",
    [],
    "Two encoders, before and after, by their names or what these end with: what changed from one to the other, with "
    "paired intervals.",
)
flags.DEFINE_string(
    "text", "", "A sentence, words separated by spaces: what the probes of every layer say of its words, or of --spans."
)
flags.DEFINE_string(
    "spans",
    "",
    "Its spans, as JSON: [[first, last], …] in words from 0, last exclusive; pairs of these for a task with two spans.",
)
flags.DEFINE_string("records", "", "A file of records instead of --text, whose labels are shown beside.")
flags.DEFINE_integer("line", 1, "Which of its sentences, from 1.", lower_bound=1)
flags.DEFINE_string("sentence_task", "", "Task of that sentence, where the runs have several.")
flags.DEFINE_string(
    "sentence_encoder", "", "Its encoder, where the runs have several, by its name or what that ends with."
)
flags.DEFINE_string(
    "page",
    "",
    "Folder for the page, report.html, the tables as .txt, .md, .tex and .csv, and the plots as .svg and .png; needs "
    "pip install '.[report]'.",
)
flags.DEFINE_integer("bootstrap", 1000, "Bootstrap samples for the intervals.", lower_bound=100)
FLAGS = flags.FLAGS

MARK, UNLIKE, OUTSIDE, CHANGED = "†", "‡", "*", "§"
LEGEND = {  # what stands behind a figure
    OUTSIDE: "the published figure, in brackets, lies outside the interval",
    CHANGED: "the interval leaves 0 out",
    MARK: "not compared with the published figure, see below",
    UNLIKE: "not measured as what it stands beside, see below",
}
MACRO = "Macro Average"
ROWS = (
    "Part-of-Speech",
    "Constituents",
    "Dependencies",
    "Entities",
    "SRL (all)",
    "Core roles",
    "Non-core roles",
    "OntoNotes coref.",
    "SPR1",
    "SPR2",
    "Winograd coref.",
    "Rel. (SemEval)",
    MACRO,
)
AVERAGED = tuple(task.title for task in TASKS.values())  # the ten rows of the macro average
ENCODERS = {  # published encoders, and the names that theirs are known by, folders of such a name included
    "cove": ("cove:",),
    "elmo": ("elmo:",),
    "gpt": ("openai-gpt", "openai-community/openai-gpt"),
    "bert-base": ("bert-base-uncased", "google-bert/bert-base-uncased"),
    "bert-large": ("bert-large-uncased", "google-bert/bert-large-uncased"),
}
FAMILIES = ("cove", "elmo")  # of which a folder is read, and no hub name
CHECKSUMS = {  # SHA-256 of the published files of weights
    "25c82cdf1844d2d93e9120b3b628fc6c2b4fcc7801a1297f58465ba67d45deb3": "gpt",
    "8bf5488d77b1221af74cad303845855e0d9e094f1b8563066a28eb74b104f8d4": "gpt",
    "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3": "bert-base",
    "28349a5c57338d0dca591bb95de533897c2399095c69d61e09604b46f444a4c4": "bert-large",
}
WIDTHS = {  # of their layers
    "cove": [300, 600],
    "elmo": [512, 1024, 1024],
    "gpt": [768] * 13,
    "bert-base": [768] * 13,
    "bert-large": [1024] * 25,
}
DIFFERENCES = {  # published ones: (encoder, name): ((encoder, representation), (encoder, representation))
    ("cove", "delta"): (("cove", "full"), ("cove", "lex")),
    ("elmo", "delta"): (("elmo", "full"), ("elmo", "lex")),
    ("bert-base", "delta_elmo"): (("bert-base", "mix"), ("elmo", "full")),
    ("bert-large", "delta_elmo"): (("bert-large", "mix"), ("elmo", "full")),
    ("bert-large", "delta_base"): (("bert-large", "mix"), ("bert-base", "mix")),
}


WEIGHTS = {  # what a published column takes
    "cove": "GloVe and the MT-LSTM: flags/probe_cove.flags",
    "elmo": "the authors' options and weights: flags/probe_elmo.flags",
    "gpt": "openai-gpt: flags/probe_gpt.flags",
    "bert-base": "bert-base-uncased: flags/probe_bert_base.flags",
    "bert-large": "bert-large-uncased: flags/probe_bert_large.flags",
}
ONTONOTES = "OntoNotes 5.0 (LDC2013T19) as CoNLL-2012 files: probing.convert --source=conll2012"
DATA = {  # what a published row takes
    "pos": ONTONOTES,
    "constituents": ONTONOTES,
    "entities": ONTONOTES,
    "srl": ONTONOTES,
    "coref": ONTONOTES,
    "dep": "UD English EWT r2.2: probing.convert --source=conllu --as_published",
    "spr1": "SPR1 and the Penn Treebank (LDC99T42): probing.convert --source=spr1",
    "spr2": "SPR2: probing.convert --source=spr2",
    "dpr": "Rahman and Ng's problems as recast: the published file, --train_file, --dev_file, --test_file",
    "rel": "SemEval 2010 task 8: probing.convert --source=semeval",
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
        other_data: how the data differs from the published, in words; "" where it has the same counts.
        unlike: what it, or a part of it, differs in from what it stands beside, in words; "" for nothing.
        command: what made it, or one of its parts.
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
    other_data: str = ""
    command: str = ""
    unlike: str = ""

    @property
    def inside(self):
        """Whether the published figure lies in the interval; None where there is none."""
        return None if self.published is None else self.interval[0] <= self.published <= self.interval[1]

    @property
    def marked(self):
        """Whether it stands in a published encoder's column and may not be compared."""
        return self.why_not.startswith("other ")


def load(folders):
    """The results below some run folders, as study.study returns them.

    Raises:
        UserError: a folder has none, a file is broken, or what would stand in one cell differs in more than its seed.
    """
    out = []
    for folder in folders:
        paths = _paths(folder)
        if not paths:
            inside = sorted(
                {str(path.parents[2]) for below in Path(folder).expanduser().glob("*/") for path in _paths(below)}
            )
            such = f", such as {inside[0]}" if inside else ""
            raise UserError(f"{folder}: found no results, expected a run folder of probing.run{such}")
        for path in paths:
            result = study.read_result(path, "a result; delete it")
            if not path.with_suffix(".npz").exists():
                raise UserError(
                    "{}: missing, expected the predictions beside {}".format(path.with_suffix(".npz"), path.name)
                )
            out.append({**result, "folder": str(path.parent), "cell": path.stem})
    return _of_one_kind(out)


def _paths(folder):
    """The files of results in a run folder; a store of activations beside it has files of the same depth."""
    return sorted(path for path in Path(folder).expanduser().glob("*/*/*.json") if path.parts[-3] in TASKS)


def _of_one_kind(results):
    """The results without copies; of two of one probe the one whose encoder's configuration is known: see
    likeness.encoders.

    Raises:
        UserError: those of a task and encoder differ in more than representation, seed and control.
    """
    columns, chosen = {}, {}
    for result in results:
        column = result["task"], encoder_of(result), result["control"] == "random_encoder"
        kinds = columns.setdefault(column, {})
        kind = json.dumps(
            [likeness.conditions(result), result["identity"].get("encoder"), result["identity"].get("data")]
        )
        if kinds.setdefault(kind, result) is result:
            for other in kinds.values():
                _alike(other, result)
        probe = (*column, result["representation"], result["control"], result["seed"])
        if probe not in chosen or len(result["identity"].get("encoder", "")) > len(
            chosen[probe]["identity"].get("encoder", "")
        ):
            chosen[probe] = result
    return list(chosen.values())


def _unlike(one, other, encoder=False):
    """What two results differ in, or may differ in, in words; with `encoder` they are to be of one."""
    different, unknown = likeness.differences(one, other)
    if encoder:
        different, unknown = (a + b for a, b in zip((different, unknown), likeness.encoders(one, other)))
    return ", ".join(different + ["{}, which one of them does not say".format(" and ".join(unknown))] * bool(unknown))


def _alike(one, other):
    different = likeness.differences(one, other)[0] + likeness.encoders(one, other)[0]
    if different:
        raise UserError(
            "{} and {}: found probes of {}, {} and {}, that differ in {}, expected the same, seeds aside; name runs "
            "of one kind".format(
                one["folder"], other["folder"], one["task"], one["cell"], other["cell"], " and ".join(different)
            )
        )


def published():
    """{(row, encoder, representation or difference): figure, a share}."""
    with open(layers.PUBLISHED / "test_f1.csv", encoding="utf-8", newline="") as file:
        return {
            (r["task"], r["encoder"], r["representation"]): float(r["value"]) / 100
            for r in csv.DictReader(file)
            if r["value"]
        }


def encoder_of(result):
    """The published encoder that a result is of, or the name of its own.

    Weights are known by the checksum of their file, or by the hub name they were fetched by; a folder's name, or the
    last part of another hub name, says nothing of them. ELMo and CoVe, of which no checksums are known here, go by
    their family and shape.
    """
    name, weights = result["encoder"], result.get("weights") or {}
    named = _named(name)
    if weights.get("sha256") in CHECKSUMS:
        return CHECKSUMS[weights["sha256"]]
    # of before that was noted, what has the form of the hub name counts as fetched
    return named if named in FAMILIES or named and name in ENCODERS[named] and weights.get("hub", True) else name


def _named(name):
    """The published encoder that a name, or the folder at its end, is called after; None for none."""
    for encoder, names in ENCODERS.items():
        last = name.rstrip("/").rpartition("/")[2]
        if name in names or last in names or any(known.endswith(":") and name.startswith(known) for known in names):
            return encoder
    return None


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
            groups.setdefault((result["task"], encoder_of(result), result["representation"]), []).append(result)
    known, drawn, out, measured, odd = published(), {}, {}, {}, _odd(groups)
    for (task, encoder, representation), group in groups.items():
        split = study.split_of(group[0])
        why_not = _why_not(TASKS[task], group[0], encoder)
        for row in (row for row in group[0]["figures"][split] if row != "labels"):
            key = (row, encoder, representation)
            drawn[key], measured[key] = study.draws(group, row, samples), [group[0]]
            out[key] = Cell(
                *key,
                study.mean_f1(group, row),
                scoring.interval(drawn[key]),
                len(group),
                split,
                group[0]["data"]["name"],
                None if why_not else known.get(key),
                why_not or ("" if key in known else "not in the published table"),
                _other_data(TASKS[task], group[0]),
                group[0].get("command", ""),
                odd.get((task, encoder, representation), ""),
            )
    for encoder, representation in dict.fromkeys((encoder, representation) for _, encoder, representation in groups):
        parts = [(row, encoder, representation) for row in AVERAGED]
        if all(part in out for part in parts):
            key = (MACRO, encoder, representation)
            drawn[key], measured[key] = (
                np.mean([drawn[part] for part in parts], 0),
                [measured[part][0] for part in parts],
            )
            marked = "{} is marked".format(", ".join(part[0] for part in parts if out[part].unlike))
            unlike = marked if any(out[part].unlike for part in parts) else ""
            _combine(out, drawn, key, parts, float(np.mean([out[part].value for part in parts])), known, unlike)
    for (encoder, name), (one, other) in DIFFERENCES.items():
        for row in ROWS:
            parts = [(row, *one), (row, *other)]
            if all(part in out for part in parts):
                key = (row, encoder, name)
                drawn[key] = drawn[parts[0]] - drawn[parts[1]]
                apart = (_unlike(*pair) for pair in zip(measured[parts[0]], measured[parts[1]]))
                unlike = next((f"its two sides differ in {text}" for text in apart if text), "")
                _combine(out, drawn, key, parts, out[parts[0]].value - out[parts[1]].value, known, unlike)
    return sorted(out.values(), key=lambda cell: (ROWS.index(cell.row), cell.encoder, _place(cell.representation)))


def _odd(groups):
    """What is not measured as most of its row: {(task, encoder, representation): what it differs in, in words}.

    Args:
        groups: {(task, encoder, representation): its results}.
    """
    out = {}
    for task in dict.fromkeys(key[0] for key in groups):
        keys = [key for key in groups if key[0] == task]
        apart = {
            (one, other): _unlike(groups[one][0], groups[other][0], one[1] == other[1])
            for one in keys
            for other in keys
        }
        most = max(keys, key=lambda one: sum(not apart[one, other] for other in keys))
        for key in keys:
            seeds = next(filter(None, (_unlike(groups[key][0], result, True) for result in groups[key])), "")
            if apart[key, most] or seeds:
                where = f"unlike {html_pages.short(most[1])} {most[2]} in {apart[key, most]}"
                out[key] = where if apart[key, most] else f"its seeds differ in {seeds}"
    return out


def _combine(out, drawn, key, parts, value, known, unlike):
    why_not = next((out[part].why_not for part in parts if out[part].why_not), "")
    if not why_not and unlike and key[2].startswith("delta"):
        why_not = "its two sides are unlike"
    splits = [split for split in study.SPLITS if any(split in out[part].split for part in parts)]
    corpora = list(dict.fromkeys(out[part].corpus for part in parts))
    out[key] = Cell(
        *key,
        value,
        scoring.interval(drawn[key]),
        min(out[part].seeds for part in parts),
        " and ".join(splits),
        corpora[0] if len(corpora) == 1 else "%d corpora" % len(corpora),
        None if why_not else known.get(key),
        why_not,
        next((out[part].other_data for part in parts if out[part].other_data), ""),
        out[parts[0]].command,
        unlike,
    )


def _why_not(task, result, encoder, layer0="lexical"):
    """Why a result may not be held beside the published one, whose layer 0 is `layer0`; "" if it may."""
    if encoder not in ENCODERS:
        named = _named(result["encoder"])
        return (
            f"other weights than {named}'s, or not known to be these; its hub name would say so"
            if named
            else "no published encoder"
        )
    widths = result.get("widths", WIDTHS[encoder])
    if widths != WIDTHS[encoder]:
        return f"other encoder: layers of {_shape(widths)}, published {_shape(WIDTHS[encoder])}"
    if other := _other_data(task, result):
        return "other data: " + other
    found = result["layer0"].partition(":")[0]
    return "" if found == layer0 else f"other layer 0: {found}, published {layer0}"


def _shape(widths):
    return " and ".join("%d × %d" % (widths.count(width), width) for width in dict.fromkeys(widths))


def _other_data(task, result):
    """How a result's data differs from the published, by its counts; "" if it does not."""
    for split, (_, targets) in task.counts.items():
        found = result["data"]["splits"].get(split, {"targets": 0})["targets"]
        if found != targets:
            return "%d targets in %s, published %d" % (found, split, targets)
    return ""


def gains(results, before, after, samples=1000):
    """What changed from one encoder to another of the same shape: what fine-tuning did, task by task and layer by
    layer.

    Args:
        results: as from `load`.
        before, after: the encoders' names, or what they end with.
        samples: bootstrap samples, of the same records and seeds on both sides.

    Returns:
        list of Cell, one for each row and representation that both encoders have; `value` is after - before.

    Raises:
        UserError: a name fits no encoder or several, or nothing is there of both.
    """
    names = [_encoder(results, name) for name in (before, after)]
    sides = [{}, {}]
    for side, name in zip(sides, names):
        for result in results:
            if result["encoder"] == name and not result["control"]:
                side.setdefault((result["task"], result["representation"]), []).append(result)
    out = []
    for (task, representation), one in sides[0].items():
        other = sides[1].get((task, representation))
        if not other:
            continue
        split = study.split_of(one[0])
        different, unlike = likeness.differences(one[0], other[0])[0], _unlike(one[0], other[0])
        if one[0]["layer0"] != other[0]["layer0"] and not different:
            different = ["layer 0: {} and {}".format(one[0]["layer0"], other[0]["layer0"])]
        if different:
            raise UserError(
                "{}, {}: found probes of {} and {} that differ in {} too, expected the same but for the encoder".format(
                    task, representation, *names, ", ".join(different)
                )
            )
        seeds = {result["seed"] for result in one} & {result["seed"] for result in other}
        one, other = ([result for result in group if result["seed"] in seeds] for group in (one, other))
        if not seeds:
            continue
        for row in (row for row in one[0]["figures"][split] if row != "labels"):
            drawn = study.draws(other, row, samples) - study.draws(one, row, samples)
            value = study.mean_f1(other, row) - study.mean_f1(one, row)
            out.append(
                Cell(
                    row,
                    f"{names[1]} - {names[0]}",
                    representation,
                    value,
                    scoring.interval(drawn),
                    len(seeds),
                    split,
                    one[0]["data"]["name"],
                    unlike=unlike,
                )
            )
    if not out:
        raise UserError(
            "found no probe of both {} and {}, expected some with the same task, representation and seed".format(
                *tuple(names)
            )
        )
    return sorted(out, key=lambda cell: (ROWS.index(cell.row), _place(cell.representation)))


def _encoder(results, name):
    found = {result["encoder"] for result in results if not result["control"]}
    fitting = [name] if name in found else sorted(one for one in found if one.rstrip("/").endswith(name.rstrip("/")))
    if len(fitting) != 1:
        raise UserError(
            "%s: found %d encoders of that name, expected one of %s" % (name, len(fitting), ", ".join(sorted(found)))
        )
    return fitting[0]


def gain_table(found):
    """Header and lines: rows by representations, each with its interval; CHANGED where it leaves 0 out.

    Args:
        found: what `gains` returned.
    """
    names = sorted({cell.representation for cell in found}, key=_place)
    there = {(cell.row, cell.representation): cell for cell in found}
    lines = [["after - before", "split", *names]]
    for row in dict.fromkeys(cell.row for cell in found):
        line = [row, _splits(there.get((row, name)) for name in names)]
        for name in names:
            cell = there.get((row, name))
            if cell is None:
                line.append("")
                continue
            low, high = cell.interval
            marks = CHANGED * (low > 0 or high < 0) + UNLIKE * bool(cell.unlike)
            line.append(f"{100 * cell.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}){marks}")
        lines.append(line)
    return lines


@dataclasses.dataclass
class Layers:
    """What the layers of one encoder know of one task.

    Attributes:
        task, encoder: names.
        cumulative: float64 [layers + 1], F1 of mix_0, mix_1, …, or None where one of them was not run.
        single: float64 [layers + 1], F1 of top_0 (or lex, which is the same), top_1, …, NaN where one was not run; or
            None.
        shares: float64 [layers + 1], mixing weights of mix (of ELMo, full), the mean over seeds, or None; gamma:
            likewise a float.
        why_not: why the published ones are not held beside, in words, or "".
        unlike: what only some of the probes say of how they were measured, in words, or "".
    """

    task: str
    encoder: str
    cumulative: np.ndarray | None
    single: np.ndarray | None
    shares: np.ndarray | None
    gamma: float | None
    why_not: str = ""
    unlike: str = ""


def by_layer(results):
    """A Layers for each task and encoder that have anything to say about layers; F1 is that of dev, as in the published
    study.
    """
    groups = {}
    for result in results:
        if not result["control"]:
            group = groups.setdefault((result["task"], encoder_of(result)), {})
            group.setdefault(result["representation"], []).append(result)
    out = []
    for (task, encoder), named in groups.items():
        mixes = [result for result in named.get("mix", named.get("full", [])) if result["mix"]]
        single = {int(name[4:]): name for name in named if name.startswith("top_")}
        if single and "lex" in named:
            single.setdefault(0, "lex")
        steps = sorted(int(name[4:]) for name in named if name.startswith("mix_"))
        names = ["mix_%d" % k for k in steps]
        if mixes and steps == list(range(max(mixes[0]["mix"]["layers"]))):
            names.append(mixes[0]["representation"])  # which mixes all layers
        elif steps != list(range(len(steps))):
            names = []
        cumulative = np.array([_dev_f1(named[name]) for name in names]) if len(names) > 1 else None
        alone = np.full(max(single, default=0) + 1, np.nan)
        for layer, name in single.items():
            alone[layer] = _dev_f1(named[name])
        shares = np.mean([result["mix"]["shares"] for result in mixes], 0) if mixes else None
        gamma = float(np.mean([result["mix"]["gamma"] for result in mixes])) if mixes else None
        if mixes or cumulative is not None or len(single) > 1:
            every = [result for group in named.values() for result in group]
            why_not = _why_not(TASKS[task], every[0], encoder, "positions")
            unlike = next(filter(None, (_unlike(every[0], result, True) for result in every)), "")
            out.append(
                Layers(task, encoder, cumulative, alone if len(single) > 1 else None, shares, gamma, why_not, unlike)
            )
    return sorted(out, key=lambda one: list(TASKS).index(one.task))


def _dev_f1(results):
    return float(np.mean([result["figures"]["dev"][TASKS[result["task"]].title]["f1"] for result in results]))


def layer_table(found):
    """Header and lines: expected layer, centre of gravity and how far each is from no preference, the published ones in
    brackets.

    Args:
        found: list of Layers.
    """
    scores, mixes = layers.published_scores(), layers.published_mixes()
    lines = [["", "", "expected layer (dev)", "K(rises), bits (dev)", "centre of gravity", "K(weights), bits", "gamma"]]
    for one in found:
        beside = None if one.why_not else scores.get((one.task, one.encoder))
        mix = next((m for m in mixes if (m["task"], m["encoder"], one.why_not) == (one.task, one.encoder, "")), None)
        lines.append(
            [
                TASKS[one.task].title,
                html_pages.short(one.encoder) + UNLIKE * bool(one.unlike),
                _figure(one.cumulative, layers.expected_layer, beside),
                _figure(one.cumulative, lambda values: layers.bits_from_uniform(np.diff(values)), beside),
                _figure(one.shares, layers.centre_of_gravity, mix and mix["shares"]),
                _figure(one.shares, layers.bits_from_uniform, mix and mix["shares"]),
                _figure(one.gamma, float, mix and mix["gamma"]),
            ]
        )
    return lines


def _figure(values, compute, published):
    if values is None:
        return ""
    return f"{compute(values):.2f}" + (f" [{compute(published):.2f}]" if published is not None else "")


def wide(found, whole=False):
    """Header and lines of a table: rows of ROWS that occur, a column for each encoder and representation that does.

    Args:
        found: list of Cell.
        whole: every row and column of the published table besides; a cell that was not run is "[96.7]".

    Returns:
        list of lists of str; the first is the header. A cell is "96.5 (96.3 to 96.7)", with " [96.7]", the published
        figure, where it may be compared, and then OUTSIDE if that lies outside the interval. MARK is behind one that
        may not be, UNLIKE behind one
        that was not measured as the rest of its row: see `notes`. The split stands behind the row.
    """
    columns = list(dict.fromkeys((cell.encoder, cell.representation) for cell in found))
    there = {(cell.row, cell.encoder, cell.representation): cell for cell in found}
    known = published() if whole else {}
    columns += [
        column for column in dict.fromkeys((encoder, name) for _, encoder, name in known) if column not in columns
    ]
    encoders = list(dict.fromkeys(encoder for encoder, _ in columns))
    columns.sort(key=lambda column: (encoders.index(column[0]), _place(column[1])))
    lines = [["", "split", *(f"{html_pages.short(encoder)} {name}" for encoder, name in columns)]]
    for row in ROWS:
        if whole or any(cell.row == row for cell in found):
            keys = [(row, *column) for column in columns]
            shown = (_shown(there[key], known) if key in there else _alone(key, known) for key in keys)
            lines.append([row, _splits(map(there.get, keys)), *shown])
    return lines


def _splits(found):
    """The splits that a row's cells are of; a cell is None where there is none."""
    return ", ".join(dict.fromkeys(cell.split for cell in found if cell))


def legend(*tables):
    """What the marks in tables stand for: lines of text."""
    said = "".join(cell for lines in tables for line in lines[1:] for cell in line[1:])
    return [f"{mark} {meaning}" for mark, meaning in LEGEND.items() if mark in said]


def notes(found, of_layers=()):
    """Why marked cells are not compared, with published ones or with others, and layers likewise: lines of text."""
    reasons, unlike = {}, {}
    for cell in found:
        if cell.unlike and cell.row in (*AVERAGED, MACRO):
            unlike.setdefault((cell.row, cell.encoder, cell.unlike), []).append(cell.representation)
    for cell in found:
        if cell.marked and cell.row != MACRO and not cell.representation.startswith("delta"):
            reasons.setdefault((cell.encoder, cell.row, cell.why_not), cell.corpus)
    out = [f"{MARK} {row}, {name}, on {corpus}: {why}; not compared" for (name, row, why), corpus in reasons.items()]
    out += [
        "{} {}, {} {}: {}".format(UNLIKE, row, name, ", ".join(which), why)
        for (row, name, why), which in unlike.items()
    ]
    for one in of_layers:
        if one.unlike:
            out.append(f"{UNLIKE} layers of {one.encoder}, {TASKS[one.task].title}: probes differ in {one.unlike}")
        if one.why_not.startswith("other "):
            out.append(f"layers of {one.encoder}, {TASKS[one.task].title}: {one.why_not}; not compared")
    return out


def _gain_notes(gained):
    """The same of what `gains` returned."""
    return list(dict.fromkeys(f"{UNLIKE} {cell.row}: differ in {cell.unlike}" for cell in gained if cell.unlike))


def _place(name):
    """Where a representation stands among others: as in the published table, then by layer, then differences."""
    kind, _, layer = name.partition("_")
    return (
        (page.MAIN.index(name), 0)
        if name in page.MAIN
        else (10 + ("mix", "top").index(kind), int(layer))
        if layer.isdigit()
        else (20, 0)
    )


def _alone(key, known):
    """A published figure beside which nothing was measured."""
    return "" if key not in known else ("[%+.1f]" if key[2].startswith("delta") else "[%.1f]") % (100 * known[key])


def wanting(found):
    """What the published table's columns and rows that were not run would take, a line each."""
    same = {cell.row for cell in found if not cell.other_data}
    out = []
    for encoder, weights in WEIGHTS.items():
        if not any(cell.encoder == encoder for cell in found):
            out.append(f"not run: {encoder}; {weights}")
    for name, data in DATA.items():
        if TASKS[name].title not in same:
            other = sorted({cell.corpus for cell in found if cell.row == TASKS[name].title})
            out.append(
                "{}: {}; the published data is {}".format(
                    TASKS[name].title, "run on {} alone".format(", ".join(other)) if other else "not run", data
                )
            )
    return out


def beside(results):
    """Header and lines of what stands beside F1: the control task, selectivity, description length; nothing where
    neither was run.

    F1 is over all labels, as the control task's is; selectivity is the difference of the two (Hewitt and Liang 2019).
    Description length and compression are of the online code (Voita and Titov 2020).
    """
    groups = {}
    for result in results:
        if result["control"] != "random_encoder":
            key = result["task"], result["encoder"], result["representation"]
            groups.setdefault(key, {}).setdefault(result["control"], []).append(result)
    lines = []
    for (task, encoder, representation), by_control in groups.items():
        real, control = by_control.get("", []), by_control.get("random_labels", [])
        lengths = [study.code(group) for group in (real, control)]
        if not real or not control and not lengths[0]:
            continue
        f1 = [study.micro(group) if group else None for group in (real, control)]
        mark = UNLIKE * bool(control and _unlike(real[0], control[0], True))
        lines.append(
            [
                TASKS[task].title,
                html_pages.short(encoder),
                representation,
                study.split_of(real[0]),
                "%.1f" % (100 * f1[0]),
                *(("%.1f" % (100 * f1[1]), f"{100 * (f1[0] - f1[1]):.1f}{mark}") if control else ("", "")),
                *(f"{value:.2f}" if length else "" for length in lengths for value in (length or ("", ""))),
            ]
        )
    head = ["", "encoder", "representation", "split", "F1, all labels", "control task", "selectivity"]
    head += ["description length, kbit", "compression", "control task's length, kbit", "its compression"]
    return [head, *sorted(lines, key=lambda line: (ROWS.index(line[0]), line[1], _place(line[2])))] if lines else []


def _shown(cell, known):
    form = "%+.1f" if cell.representation.startswith("delta") else "%.1f"
    text = (form + " (%.1f to %.1f)") % (100 * cell.value, *(100 * edge for edge in cell.interval))
    if cell.published is not None:
        text += (" [" + form + "]%s") % (100 * cell.published, "" if cell.inside else OUTSIDE)
    if cell.marked:
        key = cell.row, cell.encoder, cell.representation
        text += MARK + ((" [" + form + "]") % (100 * known[key]) if key in known else "")
    return text + UNLIKE * bool(cell.unlike)


def as_text(lines):
    """A table in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def as_markdown(lines):
    """A table in Markdown."""
    body = ["| {} |".format(" | ".join(cell.replace("|", "\\|") for cell in line)) for line in lines]
    return "\n".join([body[0], "|---" * len(lines[0]) + "|", *body[1:]])


def as_latex(lines):
    """A table in LaTeX, with booktabs."""
    body = [" & ".join(_escaped(cell) for cell in line) + r" \\" for line in lines]
    head = [r"\begin{tabular}{l%s}" % ("r" * (len(lines[0]) - 1)), r"\toprule", body[0], r"\midrule"]
    return "\n".join([*head, *body[1:], r"\bottomrule", r"\end{tabular}"])


def _escaped(text):
    return "".join(
        "\\" + c if c in "&%$#_{}" else {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}.get(c, c) for c in text
    )


def as_csv(found, whole=False):
    """Every cell on a line of its own, figures in percent; with `whole` also the published ones beside which there is
    none.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "row",
            "encoder",
            "representation",
            "f1",
            "low",
            "high",
            "published",
            "inside",
            "seeds",
            "split",
            "corpus",
            "note",
        ]
    )
    for cell in found:
        figures = [cell.value, *cell.interval, cell.published]
        writer.writerow(
            [
                cell.row,
                cell.encoder,
                cell.representation,
                *("" if f is None else "%.2f" % (100 * f) for f in figures),
                {None: "", True: "yes", False: "no"}[cell.inside],
                cell.seeds,
                cell.split,
                cell.corpus,
                "; ".join(filter(None, (cell.why_not, cell.unlike))),
            ]
        )
    if whole:
        there = {(cell.row, cell.encoder, cell.representation) for cell in found}
        for key, value in published().items():
            if key not in there:
                writer.writerow([*key, "", "", "", "%.2f" % (100 * value), "", "", "", "", "not run"])
    return out.getvalue().rstrip("\n")


def as_rows(lines):
    """A table as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().rstrip("\n")


def as_gains(gained):
    """What `gains` returned as CSV, in percent."""
    lines = [["row", "representation", "after - before", "low", "high", "seeds", "split", "corpus", "note"]]
    for cell in gained:
        figures = ["%.2f" % (100 * value) for value in (cell.value, *cell.interval)]
        lines.append([cell.row, cell.representation, *figures, cell.seeds, cell.split, cell.corpus, cell.unlike])
    return as_rows(lines)


def write(folder, found, of_layers, results, said=(), gained=(), whole=False):
    """Writes the page, the tables and the plots; returns their paths.

    Args:
        folder: where to.
        found, of_layers, results: what `cells`, `by_layer` and `load` returned.
        said: a sentence.table, or nothing.
        gained: what `gains` returned, or nothing.
        whole: as in `wide`; then also what was not run.

    Raises:
        UserError: matplotlib is missing, or the folder cannot be written.
    """
    pictures = page.draw(found, of_layers, gained)
    tables = {
        "table": wide(found, whole),
        "layers": layer_table(of_layers) if of_layers else [],
        "controls": beside(results),
        "gains": gain_table(gained) if gained else [],
        "said": said,
    }
    below = legend(*(lines for name, lines in tables.items() if name != "said")) + notes(found, of_layers)
    below += _gain_notes(gained) + (wanting(found) if whole else [])
    files = {"report.html": page.page(found, tables, below, results, pictures).encode()}
    for ending, form in (("txt", as_text), ("md", as_markdown), ("tex", as_latex)):
        text = [_escaped(line) for line in below] if ending == "tex" else below
        parts = [*(form(lines) for lines in tables.values() if lines), *(["\n".join(text)] if text else [])]
        files["table." + ending] = ("\n\n".join(parts) + "\n").encode()
    files["table.csv"] = (as_csv(found, whole) + "\n").encode()
    if gained:
        files["gains.csv"] = (as_gains(gained) + "\n").encode()
    return html_pages.write(folder, files, pictures)


def main(folders):
    if FLAGS.page:
        html_pages.check()
    if FLAGS.compare and len(FLAGS.compare) != 2:
        raise UserError("--compare={}: expected two encoders, before and after".format(",".join(FLAGS.compare)))
    if FLAGS.text and FLAGS.records:
        raise UserError(f"--text={FLAGS.text}: found --records={FLAGS.records} beside it, expected one of them")
    if FLAGS.spans and not FLAGS.text:
        raise UserError(f"--spans={FLAGS.spans}: found no --text, expected the sentence that they are of")
    results = load(folders or ["runs/probing"])
    form = {"text": as_text, "markdown": as_markdown, "latex": as_latex, "csv": as_rows}[FLAGS.format]
    said = _sentence(results) if FLAGS.text or FLAGS.records else []
    gained = gains(results, *FLAGS.compare, FLAGS.bootstrap) if FLAGS.compare else []
    found, of_layers = cells(results, FLAGS.bootstrap), by_layer(results)
    if FLAGS.page:
        for path in write(Path(FLAGS.page).expanduser(), found, of_layers, results, said, gained, FLAGS.published):
            cli.say(f"wrote {path}")
    if said:
        print(form(said))
    elif gained and FLAGS.format == "csv":
        print(as_gains(gained))
    elif gained:
        table = gain_table(gained)
        print("\n\n".join([form(table), *_below(legend(table) + _gain_notes(gained))]))
    elif FLAGS.format == "csv":
        print(as_csv(found, FLAGS.published))
    else:
        tables = [wide(found, FLAGS.published), layer_table(of_layers) if of_layers else [], beside(results)]
        tables = [lines for lines in tables if lines]
        print("\n\n".join([*map(form, tables), *_below(legend(*tables) + notes(found, of_layers))]))
        for line in wanting(found) if FLAGS.published else []:
            cli.say(line)


def _below(lines):
    """A list with the lines as one text in the form that the flags name, or with nothing."""
    return ["\n".join(map(_escaped, lines) if FLAGS.format == "latex" else lines)] if lines else []


def _sentence(results):
    """Header and lines of the sentence that the flags name."""
    if FLAGS.sentence_encoder:
        name = _encoder(results, FLAGS.sentence_encoder)
        results = [result for result in results if result["encoder"] == name]
    found = sentence.cells(results, FLAGS.sentence_task)
    one = sentence.record(
        TASKS[found[0]["task"]], text=FLAGS.text, spans=FLAGS.spans, path=FLAGS.records, line=FLAGS.line
    )
    cli.import_tensorflow()
    return sentence.table(found, one, sentence.through(found, one))


def command():
    """The console script nsmc-bert-report."""
    cli.run(main, takes="RUNS")


if __name__ == "__main__":
    command()
