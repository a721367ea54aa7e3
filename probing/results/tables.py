"""Tables of results, built in one place for every command that shows them.

Rows are those of the published table, columns encoders and representations. A figure is held beside a published one
only if it is of the same encoder and layer 0 and of data with the published counts; one that is not, in a published
encoder's column, is marked. So is one that was not measured as what it stands beside.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nsmc_bert.base import html_pages
from nsmc_bert.base.errors import UserError
from probing import scoring
from probing.results import published
from probing.results.layers import Layers, bits_from_uniform, by_layer, centre_of_gravity, expected_layer
from probing.results.published import AVERAGED, MACRO
from probing.results.result import ALL_LABELS, Difference, Result, draws, mean_f1, paired
from probing.results.runs import encoder_named
from probing.tasks import SPLITS, TASKS

NOT_COMPARED, UNLIKE, OUTSIDE, CHANGED = "†", "‡", "*", "§"
LAYERS = {  # what columns of layers have, by how their heads begin
    "expected layer": "where F1 rises, on average over its rises, - where it ends no higher than it begins, "
    "-inf to inf where its rise may be chance",
    "centre of gravity": "the mean layer by the mixing weights",
    "K": "how far that is from no preference, in bits",
    "gamma": "what the mix is scaled by",
}
LEGEND = {  # what stands behind a figure
    OUTSIDE: "the published figure, in brackets, lies outside the interval",
    CHANGED: "the interval leaves 0 out",
    NOT_COMPARED: "not compared with the published figure, see below",
    UNLIKE: "not measured as what it stands beside, see below",
}
NOT_PUBLISHED = "not in the published table"
MAIN = ("lex", "cat", "mix", "full")  # the representations of the published table
ROWS = (*(row for task in TASKS.values() for row in task.rows), MACRO)

Key = tuple[str, str, str]  # row, encoder, representation


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a table.

    Attributes:
        row, encoder, representation: where it stands; `representation` is a difference's name for a difference.
        value: F1, a share, or a difference of two.
        interval: (low, high), 95 % by the bootstrap over sentences and seeds.
        seeds: how many runs it is the mean of; of a difference, how many both sides have.
        split: dev or test, or both of an average.
        corpus: what the data is called.
        published: the published figure it may be compared with, a share, or None.
        why_not: why there is none, in words.
        other_data: how the data differs from the published, in words; "" where it has the same counts.
        unlike: what it, or a part of it, differs in from what it stands beside, in words; "" for nothing.
        command: what made it, or one of its parts.
        signed: whether it is a difference.
    """

    row: str
    encoder: str
    representation: str
    value: float
    interval: tuple[float, float]
    seeds: int
    split: str
    corpus: str
    published: float | None = None
    why_not: str = ""
    other_data: str = ""
    unlike: str = ""
    command: str = ""
    signed: bool = False

    @property
    def key(self) -> Key:
        return self.row, self.encoder, self.representation

    @property
    def inside(self) -> bool | None:
        """Whether the published figure, which has one decimal, lies in the interval, rounded alike; None where there is
        none.
        """
        if self.published is None:
            return None
        low, value, high = (round(100 * share, 1) for share in (self.interval[0], self.published, self.interval[1]))
        return low <= value <= high

    @property
    def marked(self) -> bool:
        """Whether it stands in a published encoder's column and may not be compared."""
        return self.why_not.startswith("other ")


@dataclasses.dataclass(frozen=True)
class Table:
    """Lines of words under a header, as forms draw them.

    Attributes:
        name: what a page heads it by.
        header, lines: its cells.
        notes: lines of text below, what its marked cells are not compared with.
        keys: how many of the first columns say what a line is of.
    """

    name: str
    header: list[str]
    lines: list[list[str]]
    notes: list[str] = dataclasses.field(default_factory=list)
    keys: int = 1

    @property
    def rows(self) -> list[list[str]]:
        """The header and the lines."""
        return [self.header, *self.lines]


@dataclasses.dataclass(frozen=True)
class Report:
    """All that is shown of some results.

    Attributes:
        results: what it is of.
        figures, layers, gains: what its tables and plots are made of.
        tables: those that have lines.
        wanting: what it would take to run the rest of the published table, lines of text.
        whole: whether the tables have all of the published table.
    """

    results: list[Result]
    figures: list[Figure]
    layers: list[Layers]
    gains: list[Figure]
    tables: list[Table]
    wanting: list[str]
    whole: bool

    def table(self, name: str) -> Table | None:
        """The table of a name, if there is one."""
        return next((table for table in self.tables if table.name == name), None)

    def notes(self, names: Collection[str] | None = None) -> list[str]:
        """What the marks mean, and what was not compared, in some tables or in all: lines of text."""
        tables = [table for table in self.tables if table.name != "sentence" and (not names or table.name in names)]
        return [*legend(*tables), *dict.fromkeys(note for table in tables for note in table.notes)]


def build(
    results: Sequence[Result],
    *,
    samples: int = 1000,
    whole: bool = False,
    differences: bool = False,
    columns: Collection[str] = (),
    compare: tuple[str, str] | None = None,
    sentence: Table | None = None,
) -> Report:
    """The tables of results.

    Args:
        results: as from runs.load, or of one study.
        samples: bootstrap samples.
        whole: every row and column of the published table besides, and what those not run would take.
        differences: columns besides of what a representation has more than the first one.
        columns: the representations that are shown; none for all.
        compare: two encoders, before and after: what changed from one to the other; see `gains`.
        sentence: a table of one sentence, see sentence.table.
    """
    results = list(results)
    _check_columns(results, columns)
    every, layers = figures(results, samples, differences), by_layer(results, samples)
    gained = gains(results, *compare, samples) if compare else []
    if columns:
        every, gained = ([figure for figure in of if figure.representation in columns] for of in (every, gained))
        results = [result for result in results if result.representation in columns]
    tables = [f1_table(every, whole), layer_table(layers), beside(results, samples), gain_table(gained)]
    shown = [table for table in tables if table.lines] + ([sentence] if sentence else [])
    return Report(results, every, layers, gained, shown, wanting(every) if whole else [], whole)


def _check_columns(results: Sequence[Result], columns: Collection[str]) -> None:
    known = sorted({result.representation for result in results}, key=_place)
    if unknown := [name for name in columns if name not in known]:
        raise UserError(f"--columns={','.join(unknown)}: expected some of {', '.join(known)}")


# Figures


@dataclasses.dataclass
class _Measured:
    """Figures on their way: each with its bootstrap values, float64 [samples], and the results it is of, seed by seed;
    averages are of none.
    """

    figures: dict[Key, Figure] = dataclasses.field(default_factory=dict)
    drawn: dict[Key, np.ndarray] = dataclasses.field(default_factory=dict)
    of: dict[Key, list[Result]] = dataclasses.field(default_factory=dict)

    def combine(
        self, key: Key, parts: Sequence[Key], drawn: np.ndarray, *, value: float, seeds: int, unlike: str, signed: bool
    ) -> None:
        """Adds a mean or a difference of figures that are there."""
        of = [self.figures[part] for part in parts]
        why_not = next((figure.why_not for figure in of if figure.why_not not in ("", NOT_PUBLISHED)), "")
        if not why_not and unlike and signed:
            why_not = "its two sides are unlike"
        corpora = list(dict.fromkeys(figure.corpus for figure in of))
        known = published.f1()
        self.drawn[key] = drawn
        self.figures[key] = Figure(
            *key,
            value=value,
            interval=scoring.interval(drawn),
            seeds=seeds,
            split=" and ".join(split for split in SPLITS if any(split in figure.split for figure in of)),
            corpus=corpora[0] if len(corpora) == 1 else f"{len(corpora)} corpora",
            published=None if why_not else known.get(key),
            why_not=why_not or ("" if key in known else NOT_PUBLISHED),
            other_data=next((figure.other_data for figure in of if figure.other_data), ""),
            unlike=unlike,
            command=of[0].command,
            signed=signed,
        )


def figures(results: Iterable[Result], samples: int = 1000, differences: bool = False) -> list[Figure]:
    """Every figure that results have, averages and published differences included.

    Args:
        results: as from runs.load; controls are left out.
        samples: bootstrap samples.
        differences: whether to add what a representation has more than the first of its encoder.

    Returns:
        In the order of ROWS, encoders as they come.
    """
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if not result.control:
            key = result.task.name, published.encoder_of(result), result.representation
            groups.setdefault(key, []).append(result)
    measured, known, odd = _Measured(), published.f1(), _odd(groups)
    for (task, encoder, representation), group in groups.items():
        first = group[0]
        why_not = published.why_not(first)
        for row in first.rows:
            key = row, encoder, representation
            drawn = draws(group, row, samples)
            assert drawn is not None  # rows of a table are counted
            measured.drawn[key], measured.of[key] = drawn, group
            measured.figures[key] = Figure(
                *key,
                value=mean_f1(group, row),
                interval=scoring.interval(drawn),
                seeds=len(group),
                split=first.split,
                corpus=first.corpus,
                published=None if why_not else known.get(key),
                why_not=why_not or ("" if key in known else NOT_PUBLISHED),
                other_data=published.other_data(first),
                unlike=odd.get((task, encoder, representation), ""),
                command=first.command,
            )
    columns = list(dict.fromkeys((encoder, representation) for _, encoder, representation in groups))
    for column in columns:
        _average(measured, *column)
    pairs = dict(published.DIFFERENCES)
    if differences:
        pairs.update(_beyond_the_first(columns))
    for (encoder, name), sides in pairs.items():
        for row in ROWS:
            _difference(measured, (row, encoder, name), (row, *sides[0]), (row, *sides[1]), samples)
        _average(measured, encoder, name)
    return sorted(
        measured.figures.values(),
        key=lambda figure: (ROWS.index(figure.row), figure.encoder, _place(figure.representation)),
    )


def _average(measured: _Measured, encoder: str, representation: str) -> None:
    """Adds the macro average of a column that has all of its rows."""
    parts = [(row, encoder, representation) for row in AVERAGED]
    if all(part in measured.figures for part in parts):
        of = [measured.figures[part] for part in parts]
        marked = [figure.row for figure in of if figure.unlike]
        measured.combine(
            (MACRO, encoder, representation),
            parts,
            np.mean([measured.drawn[part] for part in parts], 0),
            value=float(np.mean([figure.value for figure in of])),
            seeds=min(figure.seeds for figure in of),
            unlike=f"{', '.join(marked)} is marked" if marked else "",
            signed=of[0].signed,
        )


def _beyond_the_first(
    columns: Iterable[tuple[str, str]],
) -> dict[tuple[str, str], tuple[tuple[str, str], tuple[str, str]]]:
    """What is not in published.DIFFERENCES and of its form: each main representation less the first of its encoder."""
    first: dict[str, str] = {}
    out, in_published = {}, set(published.DIFFERENCES.values())
    for encoder, representation in columns:
        against = first.setdefault(encoder, representation)
        sides = ((encoder, representation), (encoder, against))
        if representation != against and sides not in in_published:
            out[encoder, f"{representation} - {against}"] = sides
    return out


def _difference(measured: _Measured, key: Key, minuend: Key, subtrahend: Key, samples: int) -> None:
    """Adds one figure less another, of the same draws and seeds, where there are both."""
    if minuend not in measured.of or subtrahend not in measured.of:
        return
    one, other = measured.of[minuend], measured.of[subtrahend]
    less = Difference.of(one, other, key[0], samples, (measured.drawn[minuend], measured.drawn[subtrahend]))
    apart = ", ".join(filter(None, (one[0].unlike(other[0]), less.unpaired)))
    assert less.drawn is not None
    unlike = f"its two sides differ in {apart}" if apart else ""
    measured.combine(
        key, [minuend, subtrahend], less.drawn, value=less.value, seeds=less.seeds, unlike=unlike, signed=True
    )


def _odd(groups: Mapping[tuple[str, str, str], list[Result]]) -> dict[tuple[str, str, str], str]:
    """What is not measured as most of its row: {(task, encoder, representation): what it differs in, in words}."""
    out = {}
    for task in dict.fromkeys(key[0] for key in groups):
        keys = [key for key in groups if key[0] == task]
        apart = {(a, b): groups[a][0].unlike(groups[b][0], a[1] == b[1]) for a in keys for b in keys}
        most = max(keys, key=lambda key: sum(not apart[key, other] for other in keys))
        for key in keys:
            seeds = next(filter(None, (groups[key][0].unlike(result, True) for result in groups[key])), "")
            if apart[key, most]:
                out[key] = f"unlike {html_pages.short(most[1])} {most[2]} in {apart[key, most]}"
            elif seeds:
                out[key] = f"its seeds differ in {seeds}"
    return out


def gains(results: Sequence[Result], before: str, after: str, samples: int = 1000) -> list[Figure]:
    """What changed from one encoder to another of the same shape: what fine-tuning did, task by task and layer by
    layer.

    Args:
        results: as from runs.load.
        before, after: the encoders' names, or what they end with.
        samples: bootstrap samples, of the same sentences and seeds on both sides.

    Returns:
        A Figure for each row and representation that both encoders have; `value` is after - before.

    Raises:
        UserError: a name fits no encoder or several, or nothing is there of both.
    """
    names = [encoder_named(results, name) for name in (before, after)]
    sides: list[dict[tuple[str, str], list[Result]]] = [{}, {}]
    for side, name in zip(sides, names):
        for result in results:
            if result.encoder == name and not result.control:
                side.setdefault((result.task.name, result.representation), []).append(result)
    out = []
    for key, results_before in sides[0].items():
        if key in sides[1]:
            out += _gained(results_before, sides[1][key], samples)
    if not out:
        raise UserError(
            f"found no probe of both {names[0]} and {names[1]}, expected some with the same task, representation and "
            f"seed"
        )
    return sorted(out, key=lambda figure: (ROWS.index(figure.row), _place(figure.representation)))


def _gained(before: list[Result], after: list[Result], samples: int) -> list[Figure]:
    """The differences of one probe's rows over the seeds that both sides have."""
    first, other = before[0], after[0]
    different = first.differences(other)[0]
    if first.layer0 != other.layer0 and not different:
        different = [f"layer 0: {first.layer0} and {other.layer0}"]
    if different:
        raise UserError(
            f"{first.task.name}, {first.representation}: found probes of {first.encoder} and {other.encoder} that "
            f"differ in {', '.join(different)} too, expected the same but for the encoder"
        )
    out = []
    for row in first.rows if paired(before, after)[0] else []:
        less = Difference.of(after, before, row, samples)
        assert less.drawn is not None  # rows of a table are counted
        out.append(
            Figure(
                row,
                f"{other.encoder} - {first.encoder}",
                first.representation,
                value=less.value,
                interval=scoring.interval(less.drawn),
                seeds=less.seeds,
                split=first.split,
                corpus=first.corpus,
                unlike=first.unlike(other),
                signed=True,
            )
        )
    return out


# Tables


def f1_table(every: Sequence[Figure], whole: bool = False) -> Table:
    """Rows of ROWS that occur, a column for each encoder and representation that does.

    Args:
        every: what `figures` returned.
        whole: every row and column of the published table besides; what was not run is "[96.7]".

    Returns:
        A cell is "96.5 (96.3 to 96.7)", with " [96.7]", the published figure, where it may be compared, and then
        OUTSIDE if that lies outside the interval. NOT_COMPARED is behind one that may not be, UNLIKE behind one that
        was not measured as the rest of its row. The split and the number of seeds stand behind the row.
    """
    columns = list(dict.fromkeys((figure.encoder, figure.representation) for figure in every))
    of = {figure.key: figure for figure in every}
    known = published.f1() if whole else {}
    if whole:
        columns += [key for key in dict.fromkeys((encoder, name) for _, encoder, name in known) if key not in columns]
    encoders = list(dict.fromkeys(encoder for encoder, _ in columns))
    columns.sort(key=lambda column: (encoders.index(column[0]), _place(column[1])))
    header = ["", "split", *(f"{html_pages.short(encoder)} {name}" for encoder, name in columns)]
    lines = []
    for row in ROWS:
        if whole or any(figure.row == row for figure in every):
            keys = [(row, *column) for column in columns]
            cells = [_cell(of[key], known) if key in of else _alone(key, known) for key in keys]
            lines.append([row, _measured_on(of[key] for key in keys if key in of), *cells])
    return Table("table", header, lines, _figure_notes(every), keys=2)


def layer_table(every: Sequence[Layers]) -> Table:
    """Expected layer, centre of gravity and how far each is from no preference, the published ones in brackets."""
    scores = published.scores()
    mixes = {(mix.task, mix.encoder): mix for mix in reversed(published.mixes())}  # the first of each counts
    header = ["", "", "expected layer (dev)", "K(rises), bits (dev)", "centre of gravity", "K(weights), bits", "gamma"]
    lines = []
    for layers in every:
        key = layers.task.name, layers.encoder
        score, mix = (None, None) if layers.why_not else (scores.get(key), mixes.get(key))
        lines.append(
            [
                layers.task.title,
                html_pages.short(layers.encoder) + UNLIKE * bool(layers.unlike),
                _computed(layers.whole, expected_layer, score, layers.interval),
                _computed(layers.whole, lambda values: bits_from_uniform(np.diff(values)), score),
                _computed(layers.shares, centre_of_gravity, mix and mix.shares),
                _computed(layers.shares, bits_from_uniform, mix and mix.shares),
                _computed(layers.gamma, float, mix and mix.gamma),
            ]
        )
    header, lines = _used(header, [line for line in lines if any(line[2:])], 2)
    shown = [f"{name}: {what}" for name, what in LAYERS.items() if any(head.startswith(name) for head in header)]
    legend = [f"{'; '.join(shown)} (Tenney, Das and Pavlick 2019)"] * bool(shown)
    return Table("layers", header, lines, [*_layer_notes(every), *legend], keys=2)


def beside(results: Iterable[Result], samples: int = 1000) -> Table:
    """What stands beside F1: control task and selectivity, description length, the random encoder.

    F1 is over all labels, as the control task's is; selectivity is the difference of the two (Hewitt and Liang 2019).
    Description length and compression are of the online code (Voita and Titov 2020), over the seeds that have it. The
    last column is what the task's own figure has more than that of the same encoder with random weights. Both
    differences are over the seeds that their sides share, with paired intervals of so many bootstrap samples;
    selectivity has none where older results have not counted all labels together. Notes say where not all seeds count.
    """
    groups: dict[tuple[str, str, str], dict[str, list[Result]]] = {}
    for result in results:
        key = result.task.name, result.shape_of, result.representation
        groups.setdefault(key, {}).setdefault(result.control, []).append(result)
    lines, notes = [], []
    for (_, encoder, representation), by_control in groups.items():
        real = by_control.get("", [])
        control, random = by_control.get("random_labels", []), by_control.get("random_encoder", [])
        lengths = [_description_length(group) for group in (real, control)]
        if not real or not (control or random or lengths[0]):
            continue
        selectivity, note = _less(real, control, ALL_LABELS, samples, True)
        gain, of_random = _less(real, random, "", samples, False)
        title, name = real[0].task.title, html_pages.short(encoder)
        lines.append(
            [
                title,
                name,
                representation,
                real[0].split,
                f"{100 * mean_f1(real, ALL_LABELS):.1f}",
                *selectivity,
                *(f"{value:.2f}" if length else "" for length in lengths for value in (length or ("", ""))),
                *gain,
            ]
        )
        for what, why in (("control task", note), ("random encoder", of_random)):
            notes += [f"{UNLIKE} {title}, {name} {representation}, beside the {what}: differ in {why}"] * bool(why)
        for what, side in (("selectivity", control), ("gain", random)):
            both, most = len(paired(real, side)[0]), max(len(real), len(side))
            if 0 < both < most:
                notes.append(
                    f"{title}, {name} {representation}: {what} over {both} of {most} seeds, which both sides have"
                )
        if random and mean_f1(real) != mean_f1(real, ALL_LABELS):
            own = f"{100 * mean_f1(real):.1f}"
            notes.append(f"{title}, {name} {representation}: gain over random weights by the task's own row, {own}")
        for what, side in (("description length", real), ("control task's length", control)):
            measured = sum(bool(result.description_length) for result in side)
            if 0 < measured < len(side):
                notes.append(f"{title}, {name} {representation}: {what} over {measured} of {len(side)} seeds")
    header = ["", "encoder", "representation", "split", "F1, all labels", "control task", "selectivity"]
    header += ["description length, kbit", "compression", "control task's length, kbit", "its compression"]
    header += ["random encoder", "gain over it"]
    lines.sort(key=lambda line: (ROWS.index(line[0]), line[1], _place(line[2])))
    return Table("controls", *_used(header, lines, 5), notes, keys=4)


def _used(header: list[str], lines: list[list[str]], first: int) -> tuple[list[str], list[list[str]]]:
    """A table's header and lines without columns in which nothing stands; the first ones stay."""
    places = [place for place in range(len(header)) if place < first or any(line[place] for line in lines)]
    return [header[place] for place in places], [[line[place] for place in places] for line in lines]


def gain_table(every: Sequence[Figure]) -> Table:
    """Rows by representations, each with its interval; CHANGED where it leaves 0 out.

    Args:
        every: what `gains` returned.
    """
    names = sorted({figure.representation for figure in every}, key=_place)
    of = {(figure.row, figure.representation): figure for figure in every}
    lines = []
    for row in dict.fromkeys(figure.row for figure in every):
        line = [row, _measured_on(of[row, name] for name in names if (row, name) in of)]
        for name in names:
            if (row, name) not in of:
                line.append("")
                continue
            figure = of[row, name]
            low, high = figure.interval
            marks = CHANGED * (low > 0 or high < 0) + UNLIKE * bool(figure.unlike)
            line.append(f"{100 * figure.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}){marks}")
        lines.append(line)
    notes = [f"{UNLIKE} {figure.row}: differ in {figure.unlike}" for figure in every if figure.unlike]
    return Table("gains", ["after - before", "split", *names], lines, list(dict.fromkeys(notes)), keys=2)


def legend(*tables: Table) -> list[str]:
    """What the marks in tables stand for: lines of text."""
    cells = "".join(cell for table in tables for line in table.lines for cell in line[1:])
    return [f"{mark} {meaning}" for mark, meaning in LEGEND.items() if mark in cells]


def _figure_notes(every: Iterable[Figure]) -> list[str]:
    """Why marked figures are not compared, with published ones or with others: lines of text."""
    reasons: dict[tuple[str, str, str], str] = {}
    unlike: dict[tuple[str, str, str], list[str]] = {}
    for figure in every:
        if figure.unlike and figure.row in (*(task.title for task in TASKS.values()), MACRO):
            unlike.setdefault((figure.row, figure.encoder, figure.unlike), []).append(figure.representation)
        if figure.marked and figure.row != MACRO and not figure.signed:
            reasons.setdefault((figure.encoder, figure.row, figure.why_not), figure.corpus)
    out = [
        f"{NOT_COMPARED} {row}, {name}, on {corpus}: {why}; not compared"
        for (name, row, why), corpus in reasons.items()
    ]
    return out + [f"{UNLIKE} {row}, {name} {', '.join(which)}: {why}" for (row, name, why), which in unlike.items()]


def _layer_notes(every: Iterable[Layers]) -> list[str]:
    """The same of layers."""
    out = []
    for layers in every:
        if layers.unlike:
            out.append(f"{UNLIKE} layers of {layers.encoder}, {layers.task.title}: probes differ in {layers.unlike}")
        if layers.why_not.startswith("other "):
            out.append(f"layers of {layers.encoder}, {layers.task.title}: {layers.why_not}; not compared")
        if layers.seeds:
            out.append(f"expected layer of {layers.encoder}, {layers.task.title}: {layers.seeds}")
    return out


def wanting(every: Iterable[Figure]) -> list[str]:
    """What the published table's columns and rows that were not run would take, a line each."""
    every = list(every)
    run = {figure.encoder for figure in every}
    same = {figure.row for figure in every if not figure.other_data}
    out = [f"not run: {name}; {encoder.takes}" for name, encoder in published.ENCODERS.items() if name not in run]
    for task in TASKS.values():
        if task.published and task.title not in same:
            others = sorted({figure.corpus for figure in every if figure.row == task.title})
            run_on = f"run on {', '.join(others)} alone" if others else "not run"
            out.append(f"{task.title}: {run_on}; the published data is {task.source}")
    return out


# Cells


def _place(name: str) -> tuple[int, int]:
    """Where a representation stands among others: as in the published table, then by layer, then differences."""
    (kind, _, layer), kinds = name.partition("_"), ("mix", "top", "heads")
    if name in MAIN:
        return MAIN.index(name), 0
    if name == "heads":
        return 9, 0
    # a difference may end like a layer: mix - mix_0
    return (10 + kinds.index(kind), int(layer)) if kind in kinds and layer.isdigit() else (20, 0)


def _measured_on(every: Iterable[Figure]) -> str:
    """The splits that a row's figures are of, and the number of seeds."""
    every = list(every)
    if not every:
        return ""
    splits = ", ".join(dict.fromkeys(figure.split for figure in every))
    fewest, most = (choose(figure.seeds for figure in every) for choose in (min, max))
    return f"{splits}, {fewest if fewest == most else f'{fewest} to {most}'} seed{'s' * (most > 1)}"


def _cell(figure: Figure, known: Mapping[Key, float]) -> str:
    form = "+.1f" if figure.signed else ".1f"
    low, high = (100 * edge for edge in figure.interval)
    text = f"{100 * figure.value:{form}} ({low:.1f} to {high:.1f})"
    if figure.published is not None:
        text += f" [{100 * figure.published:{form}}]{'' if figure.inside else OUTSIDE}"
    if figure.marked:
        text += NOT_COMPARED + (f" [{100 * known[figure.key]:{form}}]" if figure.key in known else "")
    return text + UNLIKE * bool(figure.unlike)


def _alone(key: Key, known: Mapping[Key, float]) -> str:
    """A published figure beside which nothing was measured."""
    if key not in known:
        return ""
    return f"[{100 * known[key]:+.1f}]" if key[2].startswith("delta") else f"[{100 * known[key]:.1f}]"


def _computed(
    values: Any, compute: Callable[[Any], float], beside: Any, interval: tuple[float, float] | None = None
) -> str:
    if values is None:
        return ""
    value, known = compute(values), np.nan if beside is None else compute(beside)
    if np.isnan(value):
        return "-"
    around = "" if interval is None else " ({:.2f} to {:.2f})".format(*interval)
    return f"{value:.2f}{around}" + ("" if np.isnan(known) else f" [{known:.2f}]")


def _less(
    real: list[Result], control: list[Result], row: str, samples: int, one_encoder: bool
) -> tuple[tuple[str, str], str]:
    """A control's figure of a row and what the real one has more; and what the two differ in, in words, or "". Nothing
    where there is no control.
    """
    if not control:
        return ("", ""), ""
    less = Difference.of(real, control, row, samples)
    unlike = ", ".join(filter(None, (real[0].unlike(control[0], one_encoder), less.unpaired)))
    more = f"{100 * less.value:.1f}"
    if less.drawn is not None:
        more += " ({:.1f} to {:.1f})".format(*(100 * edge for edge in scoring.interval(less.drawn)))
    return (f"{100 * mean_f1(control, row):.1f}", more + UNLIKE * bool(unlike)), unlike


def _description_length(results: Iterable[Result]) -> tuple[float, float] | None:
    """(thousands of bits, compression) of the online code, means over seeds; None where it was not measured."""
    lengths = [result.description_length for result in results if result.description_length]
    if not lengths:
        return None
    bits, compression = (float(np.mean([length[name] for length in lengths])) for name in ("bits", "compression"))
    return bits / 1000, compression
