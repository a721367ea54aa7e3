"""probing.results.tables: figures of runs in the published table's rows, compared only with what may be compared."""

import dataclasses
import json
import re

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing import scoring
from probing.results import forms, published, runs, tables
from probing.results.layers import Layers, by_layer
from probing.results.result import Difference
from probing.tasks import SPLITS, TASKS

# SHA-256 of bert-base-uncased's model.safetensors
BASE = "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3"


def write(
    folder,
    task,
    encoder,
    representation,
    share,
    *,
    seed=1,
    control="",
    counts=None,
    records=50,
    corpus="one",
    layer0="lexical",
    split="test",
    identity=(),
    weights=None,
):
    """A result as the run command leaves it, of records that are right to a share."""
    labels = sorted(TASKS[task].labels)
    random = np.random.default_rng(seed)
    rows = scoring.columns(TASKS[task], labels)
    right = random.uniform(size=(records, 10)) < share
    one = np.stack([right.sum(1), (~right).sum(1), (~right).sum(1)], 1)
    by_row = np.repeat(one[:, None], len(rows), 1)
    name = "%s-seed%d%s" % (representation, seed, "-" + control if control else "")
    splits = counts or {split: {"targets": targets} for split, (_, targets) in TASKS[task].counts.items()}
    figures = {row: {"f1": scoring.total(by_row[:, i]).f1} for i, row in enumerate(rows)}
    result = {
        "task": task,
        "representation": representation,
        "seed": seed,
        "control": control,
        "encoder": encoder,
        "data": {"name": f"corpus of {task}", "splits": splits},
        "figures": {split: {**figures, "labels": {labels[0]: list(dataclasses.astuple(scoring.total(one)))}}},
        "labels": labels,
        "identity": {"corpus": corpus, **dict(identity)},
        "layer0": layer0 + ": in words",
        "weights": weights,
        "mix": {"layers": [0, 1], "shares": [0.25, 0.75], "gamma": 1.5} if representation.startswith("mix") else None,
    }
    path = folder / task / encoder.replace("/", "-")
    path.mkdir(parents=True, exist_ok=True)
    (path / (name + ".json")).write_text(json.dumps(result), encoding="utf-8")
    np.savez(path / (name + ".npz"), dev_counts=by_row, test_counts=by_row)


def passes(epochs, **other):
    """What identifies a result of so many passes."""
    schedule = {"kind": "linear", "epochs": epochs, "steps": 250000 + epochs}  # steps is the other schedule's
    return {"schedule": schedule, "precision": "float32", "encoder": "weights-tokenizer", "data": "read", **other}


def test_layers_by_hand(tmp_path):
    for k, share in enumerate((0.5, 0.7, 0.7, 0.9)):
        name = "mix_%d" % k if k < 3 else "mix"
        write(tmp_path, "dep", "bert-base-uncased", name, share, layer0="positions")
        write(tmp_path, "dep", "bert-base-uncased", "top_%d" % k, share, layer0="positions")
        for path in tmp_path.glob(f"dep/*/{name}-seed1.json"):
            result = json.loads(path.read_text(encoding="utf-8"))
            result["figures"]["dev"] = {"Dependencies": {"f1": share}}
            result["mix"] = {"layers": list(range(k + 1)), "shares": [1 / (k + 1)] * (k + 1), "gamma": 2.0}
            path.write_text(json.dumps(result), encoding="utf-8")
        for path in tmp_path.glob("dep/*/top_%d-seed1.json" % k):
            result = json.loads(path.read_text(encoding="utf-8"))
            result["figures"]["dev"] = {"Dependencies": {"f1": share / 2}}
            path.write_text(json.dumps({**result, "mix": None}), encoding="utf-8")
    (one,) = by_layer(runs.load([tmp_path]))
    assert (one.task.name, one.encoder, one.gamma) == ("dep", "bert-base", 2.0)
    np.testing.assert_allclose(one.cumulative, [0.5, 0.7, 0.7, 0.9])
    np.testing.assert_allclose(one.single, [0.25, 0.35, 0.35, 0.45])
    np.testing.assert_allclose(one.shares, [0.25] * 4)
    (line,) = tables.layer_table([one]).lines
    # rises of .2, 0 and .2; published for BERT-base: 2.52 and 1.18
    low, high = one.interval
    assert line[2:4] == [f"2.00 ({low:.2f} to {high:.2f}) [2.52]", f"{np.log2(3 / 2):.2f} [1.18]"]
    assert line[4:] == ["1.50", "0.00", "2.00"]
    (legend,) = tables.layer_table([one]).notes
    assert legend.startswith("expected layer: where F1 rises") and legend.endswith("2019)") and "gamma" in legend
    # the published study of layers began with the embeddings' whole output
    for path in tmp_path.glob("dep/*/*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace("positions: ", "lexical: "), encoding="utf-8")
    (one,) = by_layer(runs.load([tmp_path]))
    assert (
        tables.layer_table([one]).lines[0][2].startswith("2.00 (") and "[" not in tables.layer_table([one]).lines[0][2]
    )
    assert tables.layer_table([one]).notes[:-1] == [
        "layers of bert-base, Dependencies: other layer 0: lexical, published positions; not compared"
    ]


def test_a_published_curve_that_does_not_rise_has_no_expected_layer_either():
    """BERT-base's of Winograd coreference ends below where it begins."""
    rising = Layers(TASKS["dpr"], "bert-base", None, None, None, None, whole=np.linspace(0.5, 0.8, 13))
    line = tables.layer_table([rising]).lines[0]
    assert line[2] == "6.50" and re.fullmatch(r"0\.00 \[\d\.\d\d\]", line[3])


def test_single_layers_begin_with_lex_and_may_have_gaps(tmp_path):
    for name, share in (("lex", 0.2), ("top_2", 0.6), ("top_3", 0.4)):
        write(tmp_path, "dep", "mine", name, share)
        (path,) = tmp_path.glob(f"dep/*/{name}-seed1.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        result["figures"]["dev"] = {"Dependencies": {"f1": share}}
        path.write_text(json.dumps(result), encoding="utf-8")
    (one,) = by_layer(runs.load([tmp_path]))
    np.testing.assert_array_equal(one.single, [0.2, np.nan, 0.6, 0.4])
    for path in tmp_path.glob("dep/*/lex-*"):
        path.unlink()
    np.testing.assert_array_equal(by_layer(runs.load([tmp_path]))[0].single, [np.nan, np.nan, 0.6, 0.4])
    assert (one.cumulative, one.shares, one.gamma) == (None, None, None)


def test_what_elmo_mixes_is_full(tmp_path):
    for seed, shares, gamma in ((1, [0.5, 0.25, 0.25], 1.0), (2, [0.25, 0.25, 0.5], 1.5)):
        write(tmp_path, "dep", "elmo:folder", "full", 0.9, seed=seed)
        (path,) = tmp_path.glob(f"dep/*/full-seed{seed}.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        mix = {"layers": [0, 1, 2], "shares": shares, "gamma": gamma}
        path.write_text(json.dumps({**result, "mix": mix}), encoding="utf-8")
    (one,) = by_layer(runs.load([tmp_path]))
    assert (one.encoder, one.shares.tolist(), one.gamma, one.cumulative) == ("elmo", [0.375, 0.25, 0.375], 1.25, None)


def test_layers_that_are_missing_are_not_made_up(tmp_path):
    for name in ("mix_0", "mix_2"):
        write(tmp_path, "dep", "mine", name, 0.5)
        for path in tmp_path.glob(f"dep/*/{name}-seed1.json"):
            result = json.loads(path.read_text(encoding="utf-8"))
            result["figures"]["dev"], result["mix"] = (
                {"Dependencies": {"f1": 0.5}},
                {"layers": [0], "shares": [1.0], "gamma": 1.0},
            )
            path.write_text(json.dumps(result), encoding="utf-8")
    assert by_layer(runs.load([tmp_path])) == []


def of_dev(folder, name, scores, **changes):
    """A probe of so much F1 on dev for each of its seeds, of two records that are right to the same share."""
    for seed, right in enumerate(scores, 1):
        write(folder, "dep", "mine", name, 0.5, seed=seed)
        (path,) = folder.glob(f"dep/mine/{name}-seed{seed}.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        result["figures"]["dev"] = {"Dependencies": {"f1": right / 10}}
        path.write_text(json.dumps({**result, "mix": None, **changes}), encoding="utf-8")
        counts = np.broadcast_to(np.array([right, 10 - right, 10 - right], np.int32), (2, 1, 3))
        np.savez(path.with_suffix(".npz"), dev_counts=counts, test_counts=0 * counts)


def test_an_expected_layer_is_of_all_layers(tmp_path):
    """Of an encoder of three layers, mixtures of the first two are a curve, and no expected layer."""
    for k, scores in enumerate(([2, 4], [4, 6], [6, 6])):
        of_dev(tmp_path, f"mix_{k}", scores, widths=[8, 8, 8, 8])
    (one,) = by_layer(runs.load([tmp_path]))
    np.testing.assert_allclose(one.cumulative, [0.3, 0.5, 0.6])
    assert (one.whole, one.interval) == (None, None)
    assert tables.layer_table([one]).lines == tables.layer_table([one]).notes == []
    of_dev(tmp_path, "mix", [8], mix={"layers": [0, 1, 2, 3], "shares": [0.25] * 4, "gamma": 1.0}, widths=[8, 8, 8, 8])
    (one,) = by_layer(runs.load([tmp_path]))
    np.testing.assert_allclose(one.cumulative, [0.3, 0.5, 0.6, 0.8])
    # all records are alike, and one seed is shared: rises of 2, 2 and 2 there, whatever is drawn
    np.testing.assert_allclose(one.whole, [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(one.interval, [2, 2])
    table = tables.layer_table([one])
    assert table.lines[0][2] == "2.00 (2.00 to 2.00)"
    assert table.notes[0] == "expected layer of mine, Dependencies: over 1 of 2 seeds, which all of its probes have"
    falling = dataclasses.replace(one, whole=one.whole[::-1])
    assert tables.layer_table([falling]).lines[0][2:4] == ["-", "-"]
    for path in tmp_path.glob("dep/mine/mix-seed1.*"):
        path.rename(path.with_name(path.name.replace("seed1", "seed3")))
    (path,) = tmp_path.glob("dep/mine/mix-seed3.json")
    path.write_text(path.read_text(encoding="utf-8").replace('"seed": 1', '"seed": 3'), encoding="utf-8")
    (one,) = by_layer(runs.load([tmp_path]))
    assert one.whole is not None and one.interval is None
    note = "expected layer of mine, Dependencies: no interval, since its probes share no seed"
    assert tables.layer_table([one]).notes[0] == note


@pytest.mark.parametrize(("rising", "interval"), [(1, (-np.inf, np.inf)), (3, (2, 2))])
def test_a_draw_without_a_rise_fits_any_layer(tmp_path, rising, interval):
    """Seed 1 stays where it was, the others rise by 2, 2 and 2. Of two seeds every fourth draw has the first one alone,
    and the rise may be chance; of four every 256th.
    """
    mix = {"layers": [0, 1, 2, 3], "shares": [0.25] * 4, "gamma": 1.0}
    for name, right in (("mix_0", 2), ("mix_1", 4), ("mix_2", 6), ("mix", 8)):
        of_dev(tmp_path, name, [2] + rising * [right], widths=[8, 8, 8, 8], mix=mix if name == "mix" else None)
    (one,) = by_layer(runs.load([tmp_path]))
    np.testing.assert_allclose(one.interval, interval)
    assert tables.layer_table([one]).lines[0][2] == "2.00 ({:.2f} to {:.2f})".format(*interval)


def test_gains_are_paired(tmp_path):
    for name, share in (("lex", 0.6), ("mix", 0.8)):
        for encoder, more in (("runs/before", 0.0), ("runs/after/model", 0.05)):
            write(tmp_path, "dep", encoder, name, share + more, records=200)
    results = runs.load([tmp_path])
    cells = tables.gains(results, "before", "runs/after/model", samples=200)
    assert [(cell.row, cell.representation) for cell in cells] == [("Dependencies", "lex"), ("Dependencies", "mix")]
    for cell in cells:
        assert cell.encoder == "runs/after/model - runs/before"
        # the same random numbers decide both sides: what is right before is right after
        assert 0 < cell.interval[0] < cell.value < cell.interval[1] < 0.09
    table = tables.gain_table(cells)
    assert (table.header, table.keys) == (["after - before", "split", "lex", "mix"], 2)
    (line,) = table.lines
    assert line[:2] == ["Dependencies", "test, 1 seed"] and all(text.endswith("§") for text in line[2:])
    assert tables.legend(table) == ["§ the interval leaves 0 out"]
    for encoder in ("runs/before", "runs/after/model"):
        write(tmp_path, "pos", encoder, "lex", 0.5)
    lines = tables.gain_table(tables.gains(runs.load([tmp_path]), "before", "after/model", samples=20)).lines
    assert [(line[0], [bool(cell) for cell in line[2:]]) for line in lines] == [
        ("Part-of-Speech", [True, False]),
        ("Dependencies", [True, True]),
    ]
    with pytest.raises(
        UserError, match="nothing: found 0 encoders of that name, expected one of runs/after/model, runs/before"
    ):
        tables.gains(results, "nothing", "before")
    write(tmp_path, "pos", "elsewhere", "mix", 0.5)
    with pytest.raises(UserError, match="found no probe of both runs/before and elsewhere"):
        tables.gains(runs.load([tmp_path]), "before", "elsewhere")


def test_gains_on_other_records_are_refused(tmp_path):
    write(tmp_path, "dep", "a", "mix", 0.5)
    write(tmp_path, "dep", "b", "mix", 0.5, corpus="other")
    with pytest.raises(
        UserError,
        match="^dep, mix: found probes of a and b that differ in corpus too, expected the same but for the enc",
    ):
        tables.gains(runs.load([tmp_path]), "a", "b")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"identity": passes(20)}, "epochs 2 and 20"),
        ({"identity": passes(2, precision="mixed_bfloat16")}, "precision float32 and mixed_bfloat16"),
        ({"identity": passes(2, schedule={"kind": "plateau", "steps": 9})}, "schedule linear and plateau"),
        ({"layer0": "positions"}, "layer 0 lexical and positions"),
        ({"layer0": "lexical: cut by another"}, "layer 0: lexical: in words and lexical: cut by another: in words"),
        ({"split": "dev"}, "split test and dev"),
    ],
)
def test_what_is_not_measured_alike_is_not_compared(tmp_path, change, said):
    one = {"identity": passes(2)}
    write(tmp_path, "dep", "a", "mix", 0.5, **one)
    write(tmp_path, "dep", "b", "mix", 0.9, **{**one, **change})
    results = runs.load([tmp_path])
    with pytest.raises(UserError, match=f"^dep, mix: found probes of a and b that differ in {re.escape(said)} too"):
        tables.gains(results, "a", "b")
    if "another" in said:  # of other families layer 0 has other words
        return
    # side by side it is marked, and said
    cells = tables.figures(results, 100)
    table = tables.f1_table(cells)
    (line,) = table.lines
    assert table.header[1:] == ["split", "a mix", "b mix"]
    assert line[1] == ("test, dev, 1 seed" if "split" in said else "test, 1 seed")
    assert line[2].endswith(")") and line[3].endswith(")‡")
    turned = re.sub(r"(\w+) and (\w+)$", r"\2 and \1", said)  # that of b first
    assert table.notes == [f"‡ Dependencies, b mix: unlike a mix in {turned}"]
    assert (
        forms.figures_csv(tables.build(results, samples=100))
        .split("\n")[2]
        .endswith(f"no published encoder; unlike a mix in {turned}")
    )
    # nor may they stand in one column, or in one expected layer
    if change.keys() == {"identity"}:
        write(tmp_path, "dep", "a", "mix_1", 0.5, **change)
        with pytest.raises(
            UserError, match=f"found probes of dep, mix-seed1 and mix_1-seed1, that differ in {said}, expected"
        ):
            runs.load([tmp_path])


def test_what_one_does_not_say_is_marked_beside_what_does(tmp_path):
    for encoder, identity in (("a", ()), ("b", passes(2)), ("c", passes(2))):
        write(tmp_path, "dep", encoder, "mix", 0.5, identity=identity)
    results = runs.load([tmp_path])
    (cell,) = [cell for cell in tables.figures(results, 100) if cell.unlike]
    assert (cell.encoder, cell.unlike) == (
        "a",
        "unlike b mix in precision and schedule, which one of them does not say",
    )
    (gain,) = gains = tables.gains(results, "a", "b", 100)
    assert tables.gain_table(gains).lines[0][2].endswith("‡") and gain.unlike
    assert not tables.gains(results, "b", "c", 100)[0].unlike


def test_what_was_made_before_the_configuration_was_told_apart(tmp_path):
    """Runs of before may be of another configuration: they give way to newer ones of the same probe, and are marked
    beside others.
    """
    earlier = dict(encoder="weights-tokenizer-lexical-float32")
    now = dict(encoder="weights-tokenizer-lexical-float32-gelu-4-1e-12")
    for k in range(3):
        write(tmp_path / "old", "dep", "a", "mix_%d" % k, 0.4 + 0.2 * k, identity=passes(2, **earlier))
    write(tmp_path / "new", "dep", "a", "mix_1", 0.9, identity=passes(2, **now))
    for path in tmp_path.glob("*/dep/*/*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        result["figures"]["dev"], result["widths"] = result["figures"]["test"], [8, 8, 8]
        path.write_text(json.dumps(result), encoding="utf-8")
    results = runs.load([tmp_path / "old", tmp_path / "new"])
    newer = next(result for result in results if result.representation == "mix_1")
    assert len(results) == 3 and "/new/" in str(newer.path)
    cells = {cell.representation: cell for cell in tables.figures(results, 100)}
    assert [bool(cells[name].unlike) for name in ("mix_0", "mix_1", "mix_2")] == [False, True, False]
    assert "configuration of the encoder, which one of them does not say" in cells["mix_1"].unlike
    (layers,) = by_layer(results)
    assert tables.layer_table([layers]).lines[0][1] == "a‡" and layers.unlike
    write(tmp_path / "other", "dep", "a", "mix_2", 0.9, identity=passes(2, encoder=now["encoder"].replace("4", "8")))
    with pytest.raises(UserError, match="mix_1-seed1 and mix_2-seed1, that differ in encoder, expected"):
        runs.load([tmp_path / "old", tmp_path / "new", tmp_path / "other"])


def test_a_difference_of_unlike_sides_is_not_compared(tmp_path):
    for name, share, epochs in (("bert-base-uncased", 0.90, 2), ("bert-large-uncased", 0.95, 20)):
        write(tmp_path, "pos", name, "mix", share, identity=passes(epochs))
    cell = found(tmp_path)[("Part-of-Speech", "bert-large", "delta_base")]
    assert (cell.published, cell.why_not) == (None, "its two sides are unlike")
    assert cell.unlike == "its two sides differ in epochs 20 and 2"


def test_a_row_on_two_corpora_is_marked(tmp_path):
    for encoder, corpus in (("a", "one"), ("b", "two"), ("c", "two")):
        write(tmp_path, "pos", encoder, "lex", 0.9, corpus=corpus)
    cells = tables.figures(runs.load([tmp_path]), 100)
    assert [text[-1] for text in tables.f1_table(cells).lines[0][2:]] == ["‡", ")", ")"]
    assert tables.f1_table(cells).notes == ["‡ Part-of-Speech, a lex: unlike b lex in corpus"]


def found(folder, **options):
    return {
        (c.row, c.encoder, c.representation): c for c in tables.figures(runs.load([folder]), samples=100, **options)
    }


def test_a_figure_beside_the_published_one(tmp_path):
    for seed in (1, 2):
        write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, seed=seed)
    cell = found(tmp_path)[("Part-of-Speech", "bert-base", "mix")]
    assert (cell.seeds, cell.split, cell.corpus) == (2, "test", "corpus of pos")
    assert cell.published == pytest.approx(published.f1()[("Part-of-Speech", "bert-base", "mix")])
    assert cell.interval[0] < cell.value < cell.interval[1]
    assert cell.inside is (cell.interval[0] <= cell.published <= cell.interval[1])


@pytest.mark.parametrize(("low", "high", "inside"), [(0.9674, 0.97, True), (0.9676, 0.97, False), (0.96, 0.9666, True)])
def test_a_published_figure_has_one_decimal(low, high, inside):
    """Where the interval begins at 96.7, as it is printed, 96.7 lies in it."""
    cell = tables.Figure("Part-of-Speech", "bert-base", "mix", 0.967, (low, high), 1, "test", "corpus", published=0.967)
    assert cell.inside is inside


def test_the_mean_over_seeds_and_no_control(tmp_path):
    for seed, share in ((1, 0.8), (2, 0.9)):
        write(tmp_path, "pos", "mine", "mix", share, seed=seed)
    write(tmp_path, "pos", "mine", "mix", 0.1, seed=1, control="random_labels")
    results = [result for result in runs.load([tmp_path]) if not result.control]
    cell = found(tmp_path)[("Part-of-Speech", "mine", "mix")]
    assert cell.value == pytest.approx(np.mean([result.f1("Part-of-Speech", "test") for result in results]))
    assert (cell.published, cell.why_not) == (None, "no published encoder")


def test_other_data_is_never_compared(tmp_path):
    write(tmp_path, "dep", "bert-base-uncased", "mix", 0.9, counts={split: {"targets": 7} for split in SPLITS})
    cell = found(tmp_path)[("Dependencies", "bert-base", "mix")]
    assert cell.published is None
    assert cell.why_not == "other data: 7 targets in train, published 203919"
    assert tables.f1_table([cell]).lines[0][2].endswith(")†")
    (note,) = tables.f1_table([cell]).notes
    assert (
        note
        == "† Dependencies, bert-base, on corpus of dep: other data: 7 targets in train, published 203919; not compared"
    )


def test_another_layer_0_is_never_compared(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, layer0="positions")
    cell = found(tmp_path)[("Part-of-Speech", "bert-base", "mix")]
    assert (cell.published, cell.why_not) == (None, "other layer 0: positions, published lexical")
    assert tables.f1_table([cell]).lines[0][2].endswith(")†")


def test_an_encoder_tuned_in_a_folder_of_a_published_name_has_a_column_of_its_own(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, weights={"hub": True, "sha256": BASE})
    write(tmp_path, "pos", "runs/bert-base-uncased", "mix", 0.9, weights={"hub": False, "sha256": "0"})
    cells = tables.figures(runs.load([tmp_path]), 100)
    assert [(cell.encoder, cell.published is not None) for cell in cells] == [
        ("bert-base", True),
        ("runs/bert-base-uncased", False),
    ]
    assert tables.f1_table(cells).lines[0][3].endswith(")†")
    (note,) = tables.f1_table(cells).notes
    assert "runs/bert-base-uncased, on corpus of pos: other weights than bert-base's, or not known to be these" in note


def test_heads_of_a_published_encoder_have_a_column_of_their_own(tmp_path):
    known = {"hub": True, "sha256": BASE}
    write(tmp_path, "dep", "bert-base-uncased", "mix", 0.9, weights=known)
    write(tmp_path, "dep", "attention:google-bert/bert-base-uncased", "heads", 0.8, weights=known, layer0="none")
    cells = tables.figures(runs.load([tmp_path]), 100)
    assert [(cell.encoder, cell.representation) for cell in cells] == [
        ("attention:google-bert/bert-base-uncased", "heads"),
        ("bert-base", "mix"),
    ]
    assert cells[0].why_not == "no published encoder"


def test_roles_have_rows_of_their_own(tmp_path):
    write(tmp_path, "srl", "bert-base-uncased", "lex", 0.7)
    cells = found(tmp_path)
    assert [row for row, *_ in cells] == ["SRL (all)", "Core roles", "Non-core roles"]
    assert all(cell.published is not None for cell in cells.values())


def test_the_macro_average_is_of_ten_rows(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.5, seed=2)
    for i, task in enumerate(TASKS):
        write(tmp_path, task, "bert-base-uncased", "mix", 0.5 + 0.04 * i)
        if task != "rel":
            write(tmp_path, task, "bert-base-uncased", "lex", 0.5)
    cells = found(tmp_path)
    average = cells[(published.MACRO, "bert-base", "mix")]
    assert average.value == pytest.approx(
        np.mean([cells[(row, "bert-base", "mix")].value for row in published.AVERAGED])
    )
    assert average.published == pytest.approx(published.f1()[(published.MACRO, "bert-base", "mix")])
    assert (average.seeds, average.split, average.corpus) == (1, "test", "10 corpora")
    assert (published.MACRO, "bert-base", "lex") not in cells  # one of its rows is missing


def test_published_differences(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.90)
    write(tmp_path, "pos", "bert-large-uncased", "mix", 0.95)
    cells = found(tmp_path)
    difference = cells[("Part-of-Speech", "bert-large", "delta_base")]
    assert difference.value == pytest.approx(
        cells[("Part-of-Speech", "bert-large", "mix")].value - cells[("Part-of-Speech", "bert-base", "mix")].value
    )
    assert difference.published == pytest.approx(published.f1()[("Part-of-Speech", "bert-large", "delta_base")])
    assert ("Part-of-Speech", "bert-large", "delta_elmo") not in cells


def test_a_published_difference_is_paired_by_seeds(tmp_path):
    """At seed 1 both are equal: the seeds that one of them has beside are no part of the difference."""
    for name, seeds in (("lex", (1, 2, 3)), ("mix", (1,))):
        for seed in seeds:
            write(tmp_path, "pos", "mine", name, 0.5, seed=seed)
    cell = found(tmp_path, differences=True)["Part-of-Speech", "mine", "mix - lex"]
    assert (cell.value, cell.interval, cell.seeds, cell.unlike) == (0, (0, 0), 1, "")
    for path in tmp_path.glob("pos/mine/lex-seed1.*"):
        path.unlink()
    cell = found(tmp_path, differences=True)["Part-of-Speech", "mine", "mix - lex"]
    assert cell.unlike == "its two sides differ in seeds 1 and 2, 3"


def test_the_whole_published_table_says_what_is_wanting(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "lex", 0.9)
    write(tmp_path, "rel", "bert-base-uncased", "lex", 0.9, counts={"train": {"targets": 5}, "test": {"targets": 5}})
    found = tables.figures(runs.load([tmp_path]), 100)
    lines = tables.f1_table(found, whole=True).rows
    assert [line[0] for line in lines[1:]] == list(tables.ROWS)
    table = {(line[0], name): cell for line in lines[1:] for name, cell in zip(lines[0], line)}
    assert re.fullmatch(r"\d+\.\d \(\d+\.\d to \d+\.\d\) \[\d+\.\d\]\*?", table["Part-of-Speech", "bert-base lex"])
    assert re.search(r"\)† \[\d+\.\d\]$", table["Rel. (SemEval)", "bert-base lex"])  # other data: not compared
    assert table["Part-of-Speech", "cove lex"] == "[85.7]"
    assert len(lines[0]) == 2 + len({key[1:] for key in published.f1()})
    assert lines[0][2:5] == ["bert-base lex", "bert-base cat", "bert-base mix"]  # of which lex alone was run
    said = tables.wanting(found)
    assert "not run: gpt; openai-gpt: flags/probe_gpt.flags" in said
    assert not any(line.startswith(("not run: bert-base", "Part-of-Speech")) for line in said)
    (rel,) = [line for line in said if line.startswith("Rel.")]
    assert (
        rel == "Rel. (SemEval): run on corpus of rel alone; the published data is SemEval 2010 task 8: probing.convert "
        "--source=semeval"
    )
    assert any(line.startswith("Entities: not run; the published data is OntoNotes 5.0") for line in said)


def test_controls_and_description_length_stand_beside(tmp_path):
    for control, share, bits in (("", 0.9, 2000.0), ("random_labels", 0.6, 8000.0)):
        for representation in ("lex", "mix"):
            write(tmp_path, "pos", "mine", representation, share, control=control)
            (path,) = tmp_path.glob("pos/*/{}-seed1{}.json".format(representation, "-" + control if control else ""))
            result = json.loads(path.read_text(encoding="utf-8"))
            if representation == "mix":
                result["description_length"] = {"bits": bits, "compression": 10000 / bits}
            path.write_text(json.dumps(result), encoding="utf-8")
    write(tmp_path, "pos", "mine", "cat", 0.8)  # beside which nothing stands
    write(tmp_path, "pos", "mine", "top_1", 0.8)  # beside which description length alone does
    (path,) = tmp_path.glob("pos/*/top_1-seed1.json")
    result = {
        **json.loads(path.read_text(encoding="utf-8")),
        "description_length": {"bits": 3000.0, "compression": 3.0},
    }
    path.write_text(json.dumps(result), encoding="utf-8")
    results = runs.load([tmp_path])
    of_lex = [result for result in results if result.representation == "lex"]
    real, control = (next(result for result in of_lex if result.control == name) for name in ("", "random_labels"))
    less = Difference.of([real], [control], samples=100)
    low, high = scoring.interval(less.drawn)
    assert low < less.value < high
    selectivity = f"{100 * less.value:.1f} ({100 * low:.1f} to {100 * high:.1f})"
    figures = ["test", f"{100 * real.f1():.1f}", f"{100 * control.f1():.1f}", selectivity]
    table = tables.beside(results, 100)
    assert table.header[3:7] == ["split", "F1, all labels", "control task", "selectivity"]
    assert table.lines == [
        ["Part-of-Speech", "mine", "lex", *figures, "", "", "", ""],
        ["Part-of-Speech", "mine", "mix", *figures, "2.00", "5.00", "8.00", "1.25"],
        ["Part-of-Speech", "mine", "top_1", "test", table.lines[2][4], "", "", "3.00", "3.00", "", ""],
    ]
    assert table.notes == [] == tables.beside([]).lines
    # measured of some seeds alone
    for seed in (2, 3):
        write(tmp_path, "pos", "mine", "top_1", 0.8, seed=seed)
    table = tables.beside(runs.load([tmp_path]), 100)
    assert table.lines[2][7:9] == ["3.00", "3.00"]
    assert table.notes == ["Part-of-Speech, mine top_1: description length over 1 of 3 seeds"]
    for path in tmp_path.glob("pos/*/top_1-seed[23].*"):
        path.unlink()
    # seeds that only one side has are no part of the difference; where none is shared that is marked, and said
    write(tmp_path, "pos", "mine", "lex", 0.2, seed=2)
    table = tables.beside(runs.load([tmp_path]), 100)
    assert table.lines[0][6] == selectivity
    assert table.notes == ["Part-of-Speech, mine lex: selectivity over 1 of 2 seeds, which both sides have"]
    for path in tmp_path.glob("pos/*/lex-seed1.*"):
        path.unlink()
    table = tables.beside(runs.load([tmp_path]), 100)
    assert table.lines[0][6].endswith("‡") and table.lines[1][6] == selectivity
    assert table.notes == ["‡ Part-of-Speech, mine lex, beside the control task: differ in seeds 2 and 1"]


def test_a_control_of_before_the_configuration_was_told_apart_is_marked(tmp_path):
    for control, encoder in (("", "weights-tokenizer-gelu"), ("random_labels", "weights-tokenizer")):
        write(tmp_path, "pos", "mine", "lex", 0.6, control=control, identity=passes(2, encoder=encoder))
    table = tables.beside(runs.load([tmp_path]), 100)
    assert table.lines[0][6].endswith("‡")
    assert table.notes[0].endswith(
        "the control task: differ in configuration of the encoder, which one of them does not say"
    )


def test_notes_are_those_of_the_tables_that_are_shown():
    of = [
        tables.Table(name, ["", ""], [["a", "1†"]], [f"of {name}", "of all"])
        for name in ("table", "layers", "sentence")
    ]
    report = tables.Report([], [], [], [], of, [], False)
    meaning = "† not compared with the published figure, see below"
    assert report.notes() == [meaning, "of table", "of all", "of layers"]
    assert report.notes(["layers"]) == [meaning, "of layers", "of all"]


def test_columns_are_chosen(tmp_path):
    for name in ("lex", "mix", "top_1"):
        write(tmp_path, "pos", "mine", name, 0.9)
    whole = tables.build(runs.load([tmp_path]), samples=20, whole=True, differences=True)
    assert "mix - lex" in {figure.representation for figure in whole.figures} and whole.wanting
    report = tables.build(runs.load([tmp_path]), samples=100, columns=["mix", "lex"])
    assert report.wanting == []
    assert report.tables[0].header == ["", "split", "mine lex", "mine mix"]
    assert {figure.representation for figure in report.figures} == {"lex", "mix"}
    assert [layers.single for layers in report.layers] == [None]  # of dev, which these have no figures of
    with pytest.raises(UserError, match="--columns=cat: expected some of lex, mix, top_1"):
        tables.build(runs.load([tmp_path]), samples=100, columns=["lex", "cat"])


def test_differences_stand_behind_what_they_are_of(tmp_path):
    for name in ("mix_0", "mix_10", "mix"):
        write(tmp_path, "pos", "mine", name, 0.9)
    results = sorted(runs.load([tmp_path]), key=lambda result: result.representation != "mix_0")  # asked for first
    (table, *_) = tables.build(results, samples=20, differences=True).tables
    names = ["mix", "mix_0", "mix_10", "mix - mix_0", "mix_10 - mix_0"]
    assert table.header[2:] == [f"mine {name}" for name in names]


def test_what_the_same_shape_with_random_weights_has(tmp_path):
    write(tmp_path, "pos", "mine", "mix", 0.9)
    write(tmp_path, "pos", "mine, random weights (seed 0)", "mix", 0.6, control="random_encoder")
    results = runs.load([tmp_path])
    real, random = (
        next(result for result in results if result.control == control) for control in ("", "random_encoder")
    )
    less = Difference.of([real], [random], samples=1000)
    low, high = scoring.interval(less.drawn)
    gain = f"{100 * less.value:.1f} ({100 * low:.1f} to {100 * high:.1f})"
    table = tables.beside(results)
    assert table.header[3:] == ["split", "F1, all labels", "random encoder", "gain over it"] and table.keys == 4
    assert [line[:3] + line[-2:] for line in table.lines] == [
        ["Part-of-Speech", "mine", "mix", f"{100 * random.f1():.1f}", gain]
    ]
    assert table.notes == []
    # F1 of relations is of all labels but one, and stands beside F1 of all of them
    for name, share, control in (("mine", 0.9, ""), ("mine, random weights (seed 0)", 0.6, "random_encoder")):
        write(tmp_path, "rel", name, "mix", share, control=control)
    (path,) = tmp_path.glob("rel/mine/mix-seed1.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    result["figures"]["test"]["labels"]["Other"] = [0, 7, 7]
    path.write_text(json.dumps(result), encoding="utf-8")
    (real,) = (each for each in runs.load([tmp_path]) if each.task.name == "rel" and not each.control)
    assert tables.beside(runs.load([tmp_path])).notes == [
        f"Rel. (SemEval), mine mix: gain over random weights by the task's own row, {100 * real.f1():.1f}"
    ]
