"""probing.report: figures of runs in the published table's rows, compared only with what may be compared."""

import csv
import io
import json
import re

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing import report, scoring, study
from probing.tasks import TASKS

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
        "figures": {split: {**figures, "labels": {}}},
        "identity": {"corpus": corpus, **dict(identity)},
        "layer0": layer0 + ": in words",
        "weights": weights,
        "mix": {"layers": [0, 1], "shares": [0.25, 0.75], "gamma": 1.5} if representation.startswith("mix") else None,
    }
    path = folder / task / encoder.replace("/", "-")
    path.mkdir(parents=True, exist_ok=True)
    (path / (name + ".json")).write_text(json.dumps(result), encoding="utf-8")
    np.savez(path / (name + ".npz"), **{split + "_counts": by_row})


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
    (one,) = report.by_layer(report.load([tmp_path]))
    assert (one.task, one.encoder, one.gamma) == ("dep", "bert-base", 2.0)
    np.testing.assert_allclose(one.cumulative, [0.5, 0.7, 0.7, 0.9])
    np.testing.assert_allclose(one.single, [0.25, 0.35, 0.35, 0.45])
    np.testing.assert_allclose(one.shares, [0.25] * 4)
    header, line = report.layer_table([one])
    # rises of .2, 0 and .2; published for BERT-base: 2.52 and 1.18
    assert line[2:4] == ["2.00 [2.52]", f"{np.log2(3 / 2):.2f} [1.18]"]
    assert line[4:] == ["1.50", "0.00", "2.00"]
    assert report.notes([], [one]) == []
    # the published study of layers began with the embeddings' whole output
    for path in tmp_path.glob("dep/*/*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace("positions: ", "lexical: "), encoding="utf-8")
    (one,) = report.by_layer(report.load([tmp_path]))
    assert report.layer_table([one])[1][2] == "2.00"
    assert report.notes([], [one]) == [
        "layers of bert-base, Dependencies: other layer 0: lexical, published positions; not compared"
    ]


def test_single_layers_begin_with_lex_and_may_have_gaps(tmp_path):
    for name, share in (("lex", 0.2), ("top_2", 0.6), ("top_3", 0.4)):
        write(tmp_path, "dep", "mine", name, share)
        (path,) = tmp_path.glob(f"dep/*/{name}-seed1.json")
        result = json.loads(path.read_text(encoding="utf-8"))
        result["figures"]["dev"] = {"Dependencies": {"f1": share}}
        path.write_text(json.dumps(result), encoding="utf-8")
    (one,) = report.by_layer(report.load([tmp_path]))
    np.testing.assert_array_equal(one.single, [0.2, np.nan, 0.6, 0.4])
    assert (one.cumulative, one.shares, one.gamma) == (None, None, None)


def test_what_elmo_mixes_is_full(tmp_path):
    write(tmp_path, "dep", "elmo:folder", "full", 0.9)
    (path,) = tmp_path.glob("dep/*/full-seed1.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    mix = {"layers": [0, 1, 2], "shares": [0.5, 0.25, 0.25], "gamma": 1.2}
    path.write_text(json.dumps({**result, "mix": mix}), encoding="utf-8")
    (one,) = report.by_layer(report.load([tmp_path]))
    assert (one.encoder, one.shares.tolist(), one.gamma, one.cumulative) == ("elmo", mix["shares"], 1.2, None)


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
    assert report.by_layer(report.load([tmp_path])) == []


def test_gains_are_paired(tmp_path):
    for name, share in (("lex", 0.6), ("mix", 0.8)):
        for encoder, more in (("runs/before", 0.0), ("runs/after/model", 0.05)):
            write(tmp_path, "dep", encoder, name, share + more, records=200)
    results = report.load([tmp_path])
    cells = report.gains(results, "before", "runs/after/model", samples=200)
    assert [(cell.row, cell.representation) for cell in cells] == [("Dependencies", "lex"), ("Dependencies", "mix")]
    for cell in cells:
        assert cell.encoder == "runs/after/model - runs/before"
        # the same random numbers decide both sides: what is right before is right after
        assert 0 < cell.interval[0] < cell.value < cell.interval[1] < 0.09
    lines = report.gain_table(cells)
    assert lines[0] == ["after - before", "split", "lex", "mix"]
    assert lines[1][:2] == ["Dependencies", "test"] and all(text.endswith("§") for text in lines[1][2:])
    assert report.legend(lines) == ["§ the interval leaves 0 out"]
    with pytest.raises(
        UserError, match="nothing: found 0 encoders of that name, expected one of runs/after/model, runs/before"
    ):
        report.gains(results, "nothing", "before")
    write(tmp_path, "pos", "elsewhere", "mix", 0.5)
    with pytest.raises(UserError, match="found no probe of both runs/before and elsewhere"):
        report.gains(report.load([tmp_path]), "before", "elsewhere")


def test_gains_on_other_records_are_refused(tmp_path):
    write(tmp_path, "dep", "a", "mix", 0.5)
    write(tmp_path, "dep", "b", "mix", 0.5, corpus="other")
    with pytest.raises(
        UserError,
        match="^dep, mix: found probes of a and b that differ in corpus too, expected the same but for the enc",
    ):
        report.gains(report.load([tmp_path]), "a", "b")


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
    results = report.load([tmp_path])
    with pytest.raises(UserError, match=f"^dep, mix: found probes of a and b that differ in {re.escape(said)} too"):
        report.gains(results, "a", "b")
    if "another" in said:  # of other families layer 0 has other words
        return
    # side by side it is marked, and said
    cells = report.cells(results, 100)
    (header, line), notes = report.wide(cells), report.notes(cells)
    assert header[1:] == ["split", "a mix", "b mix"]
    assert line[1] == ("test, dev" if "split" in said else "test")
    assert line[2].endswith(")") and line[3].endswith(")‡")
    turned = re.sub(r"(\w+) and (\w+)$", r"\2 and \1", said)  # that of b first
    assert notes == [f"‡ Dependencies, b mix: unlike a mix in {turned}"]
    assert report.as_csv(cells).split("\n")[2].endswith(f"no published encoder; unlike a mix in {turned}")
    # nor may they stand in one column, or in one expected layer
    if change.keys() == {"identity"}:
        write(tmp_path, "dep", "a", "mix_1", 0.5, **change)
        with pytest.raises(
            UserError, match=f"found probes of dep, mix-seed1 and mix_1-seed1, that differ in {said}, expected"
        ):
            report.load([tmp_path])


def test_what_one_does_not_say_is_marked_beside_what_does(tmp_path):
    for encoder, identity in (("a", ()), ("b", passes(2)), ("c", passes(2))):
        write(tmp_path, "dep", encoder, "mix", 0.5, identity=identity)
    results = report.load([tmp_path])
    (cell,) = [cell for cell in report.cells(results, 100) if cell.unlike]
    assert (cell.encoder, cell.unlike) == (
        "a",
        "unlike b mix in precision and schedule, which one of them does not say",
    )
    (gain,) = gains = report.gains(results, "a", "b", 100)
    assert report.gain_table(gains)[1][2].endswith("‡") and gain.unlike
    assert not report.gains(results, "b", "c", 100)[0].unlike


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
        result["figures"]["dev"] = result["figures"]["test"]
        path.write_text(json.dumps(result), encoding="utf-8")
    results = report.load([tmp_path / "old", tmp_path / "new"])
    newer = next(result for result in results if result["representation"] == "mix_1")
    assert len(results) == 3 and "/new/" in newer["folder"]
    cells = {cell.representation: cell for cell in report.cells(results, 100)}
    assert [bool(cells[name].unlike) for name in ("mix_0", "mix_1", "mix_2")] == [False, True, False]
    assert "configuration of the encoder, which one of them does not say" in cells["mix_1"].unlike
    (layers,) = report.by_layer(results)
    assert report.layer_table([layers])[1][1] == "a‡" and layers.unlike
    write(tmp_path / "other", "dep", "a", "mix_2", 0.9, identity=passes(2, encoder=now["encoder"].replace("4", "8")))
    with pytest.raises(UserError, match="mix_1-seed1 and mix_2-seed1, that differ in encoder, expected"):
        report.load([tmp_path / "old", tmp_path / "new", tmp_path / "other"])


def test_a_difference_of_unlike_sides_is_not_compared(tmp_path):
    for name, share, epochs in (("bert-base-uncased", 0.90, 2), ("bert-large-uncased", 0.95, 20)):
        write(tmp_path, "pos", name, "mix", share, identity=passes(epochs))
    cell = found(tmp_path)[("Part-of-Speech", "bert-large", "delta_base")]
    assert (cell.published, cell.why_not) == (None, "its two sides are unlike")
    assert cell.unlike == "its two sides differ in epochs 20 and 2"


def test_a_row_on_two_corpora_is_marked(tmp_path):
    for encoder, corpus in (("a", "one"), ("b", "two"), ("c", "two")):
        write(tmp_path, "pos", encoder, "lex", 0.9, corpus=corpus)
    cells = report.cells(report.load([tmp_path]), 100)
    assert [text[-1] for text in report.wide(cells)[1][2:]] == ["‡", ")", ")"]
    assert report.notes(cells) == ["‡ Part-of-Speech, a lex: unlike b lex in corpus"]


def found(folder, **options):
    return {
        (c.row, c.encoder, c.representation): c for c in report.cells(report.load([folder]), samples=100, **options)
    }


def test_a_figure_beside_the_published_one(tmp_path):
    for seed in (1, 2):
        write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, seed=seed)
    cell = found(tmp_path)[("Part-of-Speech", "bert-base", "mix")]
    assert (cell.seeds, cell.split, cell.corpus) == (2, "test", "corpus of pos")
    assert cell.published == pytest.approx(report.published()[("Part-of-Speech", "bert-base", "mix")])
    assert cell.interval[0] < cell.value < cell.interval[1]
    assert cell.inside is (cell.interval[0] <= cell.published <= cell.interval[1])


def test_the_mean_over_seeds_and_no_control(tmp_path):
    for seed, share in ((1, 0.8), (2, 0.9)):
        write(tmp_path, "pos", "mine", "mix", share, seed=seed)
    write(tmp_path, "pos", "mine", "mix", 0.1, seed=1, control="random_labels")
    results = [result for result in report.load([tmp_path]) if not result["control"]]
    cell = found(tmp_path)[("Part-of-Speech", "mine", "mix")]
    assert cell.value == pytest.approx(np.mean([r["figures"]["test"]["Part-of-Speech"]["f1"] for r in results]))
    assert (cell.published, cell.why_not) == (None, "no published encoder")


def test_other_data_is_never_compared(tmp_path):
    write(tmp_path, "dep", "bert-base-uncased", "mix", 0.9, counts={split: {"targets": 7} for split in study.SPLITS})
    cell = found(tmp_path)[("Dependencies", "bert-base", "mix")]
    assert cell.published is None
    assert cell.why_not == "other data: 7 targets in train, published 203919"
    assert report.wide([cell])[1][2].endswith(")†")
    (note,) = report.notes([cell])
    assert (
        note
        == "† Dependencies, bert-base, on corpus of dep: other data: 7 targets in train, published 203919; not compared"
    )


def test_another_layer_0_is_never_compared(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, layer0="positions")
    cell = found(tmp_path)[("Part-of-Speech", "bert-base", "mix")]
    assert (cell.published, cell.why_not) == (None, "other layer 0: positions, published lexical")
    assert report.wide([cell])[1][2].endswith(")†")


def test_a_published_encoder_goes_by_its_name_and_shape(tmp_path):
    hub, folder, published = {"hub": True, "sha256": "0"}, {"hub": False, "sha256": "0"}, {"hub": False, "sha256": BASE}
    for name, weights, expected in (
        ("google-bert/bert-base-uncased", hub, "bert-base"),
        ("bert-base-uncased", None, "bert-base"),  # of before it was noted where weights came from
        ("/models/downloaded", published, "bert-base"),
        ("/models/bert-base-uncased/", folder, None),
        ("bert-base-uncased", folder, None),  # a folder here
        ("/models/bert-base-uncased", None, None),
        ("somebody/bert-base-uncased", hub, None),
        ("/models/mine-bert-base-uncased", folder, None),
        ("elmo:folder", {"hub": False, "sha256": None}, "elmo"),
    ):
        assert report.encoder_of({"encoder": name, "weights": weights}) == (expected or name)
    write(tmp_path, "pos", "elmo:folder", "lex", 0.9)
    (path,) = tmp_path.glob("pos/*/*.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    for widths, published in ((report.WIDTHS["elmo"], True), ([16, 32, 32], False)):
        path.write_text(json.dumps({**result, "widths": widths}), encoding="utf-8")
        (cell,) = report.cells(report.load([tmp_path]), 100)
        assert (cell.published is not None) is published
    assert cell.why_not == "other encoder: layers of 1 × 16 and 2 × 32, published 1 × 512 and 2 × 1024"


def test_copies_count_once_and_what_differs_is_refused(tmp_path):
    for seed in (1, 2):
        write(tmp_path / "runs", "pos", "mine", "mix", 0.9, seed=seed)
    assert len(report.load([tmp_path / "runs", tmp_path / "runs"])) == 2
    write(tmp_path / "other", "pos", "mine", "mix", 0.9, seed=3, corpus="two", records=70)
    with pytest.raises(
        UserError,
        match="runs/pos/mine and .*other/pos/mine: found probes of pos, mix-seed1 and mix-seed3, that differ in",
    ):
        report.load([tmp_path / "runs", tmp_path / "other"])
    write(tmp_path / "another", "pos", "mine", "lex", 0.9, corpus="two")
    with pytest.raises(UserError, match="mix-seed1 and lex-seed1, that differ in corpus, expected the same"):
        report.load([tmp_path / "runs", tmp_path / "another"])


def test_an_encoder_tuned_in_a_folder_of_a_published_name_has_a_column_of_its_own(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9, weights={"hub": True, "sha256": BASE})
    write(tmp_path, "pos", "runs/bert-base-uncased", "mix", 0.9, weights={"hub": False, "sha256": "0"})
    cells = report.cells(report.load([tmp_path]), 100)
    assert [(cell.encoder, cell.published is not None) for cell in cells] == [
        ("bert-base", True),
        ("runs/bert-base-uncased", False),
    ]
    assert report.wide(cells)[1][3].endswith(")†")
    (note,) = report.notes(cells)
    assert "runs/bert-base-uncased, on corpus of pos: other weights than bert-base's, or not known to be these" in note


def test_roles_have_rows_of_their_own(tmp_path):
    write(tmp_path, "srl", "bert-base-uncased", "lex", 0.7)
    cells = found(tmp_path)
    assert [row for row, *_ in cells] == ["SRL (all)", "Core roles", "Non-core roles"]
    assert all(cell.published is not None for cell in cells.values())


def test_the_macro_average_is_of_ten_rows(tmp_path):
    for i, task in enumerate(TASKS):
        write(tmp_path, task, "bert-base-uncased", "mix", 0.5 + 0.04 * i)
        if task != "rel":
            write(tmp_path, task, "bert-base-uncased", "lex", 0.5)
    cells = found(tmp_path)
    average = cells[(report.MACRO, "bert-base", "mix")]
    assert average.value == pytest.approx(np.mean([cells[(row, "bert-base", "mix")].value for row in report.AVERAGED]))
    assert average.published == pytest.approx(report.published()[(report.MACRO, "bert-base", "mix")])
    assert (report.MACRO, "bert-base", "lex") not in cells  # one of its rows is missing


def test_published_differences(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.90)
    write(tmp_path, "pos", "bert-large-uncased", "mix", 0.95)
    cells = found(tmp_path)
    difference = cells[("Part-of-Speech", "bert-large", "delta_base")]
    assert difference.value == pytest.approx(
        cells[("Part-of-Speech", "bert-large", "mix")].value - cells[("Part-of-Speech", "bert-base", "mix")].value
    )
    assert difference.published == pytest.approx(report.published()[("Part-of-Speech", "bert-large", "delta_base")])
    assert ("Part-of-Speech", "bert-large", "delta_elmo") not in cells


def test_published_macro_averages_and_differences_are_those_of_the_published_cells():
    known = report.published()
    for encoder, representation in {key[1:] for key in known}:
        if not representation.startswith("delta"):
            mean = np.mean([known[(row, encoder, representation)] for row in report.AVERAGED])
            assert known[(report.MACRO, encoder, representation)] == pytest.approx(mean, abs=0.0011)
    for (encoder, name), (one, other) in report.DIFFERENCES.items():
        for row in report.ROWS:
            assert known[(row, encoder, name)] == pytest.approx(known[(row, *one)] - known[(row, *other)], abs=0.0016)


def test_every_form_has_every_figure(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "mix", 0.9)
    write(tmp_path, "dep", "my_bert & co", "lex", 0.8, split="dev")
    cells = report.cells(report.load([tmp_path]), samples=100)
    wide = report.wide(cells)
    assert wide[0] == ["", "split", "bert-base mix", "my_bert & co lex"]
    assert [line[:2] for line in wide[1:]] == [["Part-of-Speech", "test"], ["Dependencies", "dev"]]
    assert wide[1][3] == wide[2][2] == ""
    published = 100 * report.published()[("Part-of-Speech", "bert-base", "mix")]
    assert f" [{published:.1f}]" in wide[1][2]
    text, markdown, latex = (form(wide) for form in (report.as_text, report.as_markdown, report.as_latex))
    for out in (text, markdown, latex):
        assert wide[1][2] in out and "dev" in out
    assert len({line.count("|") for line in markdown.split("\n")}) == 1
    assert "my\\_bert \\& co lex" in latex and latex.count("\\\\") == 3
    rows = list(csv.DictReader(io.StringIO(report.as_csv(cells))))
    assert len(rows) == len(cells) == 2
    assert float(rows[0]["f1"]) == pytest.approx(100 * cells[0].value, abs=0.005)
    assert (rows[0]["published"], rows[1]["published"]) == (f"{published:.2f}", "")
    assert rows[1]["note"] == "no published encoder"


def test_the_whole_published_table_says_what_is_wanting(tmp_path):
    write(tmp_path, "pos", "bert-base-uncased", "lex", 0.9)
    write(tmp_path, "rel", "bert-base-uncased", "lex", 0.9, counts={"train": {"targets": 5}, "test": {"targets": 5}})
    found = report.cells(report.load([tmp_path]), 100)
    lines = report.wide(found, whole=True)
    assert [line[0] for line in lines[1:]] == list(report.ROWS)
    table = {(line[0], name): cell for line in lines[1:] for name, cell in zip(lines[0], line)}
    assert re.fullmatch(r"\d+\.\d \(\d+\.\d to \d+\.\d\) \[\d+\.\d\]\*?", table["Part-of-Speech", "bert-base lex"])
    assert re.search(r"\)† \[\d+\.\d\]$", table["Rel. (SemEval)", "bert-base lex"])  # other data: not compared
    assert table["Part-of-Speech", "cove lex"] == "[85.7]"
    assert len(lines[0]) == 2 + len({key[1:] for key in report.published()})
    said = report.wanting(found)
    assert "not run: gpt; openai-gpt: flags/probe_gpt.flags" in said
    assert not any(line.startswith(("not run: bert-base", "Part-of-Speech")) for line in said)
    (rel,) = [line for line in said if line.startswith("Rel.")]
    assert (
        rel == "Rel. (SemEval): run on corpus of rel alone; the published data is SemEval 2010 task 8: probing.convert "
        "--source=semeval"
    )
    assert any(line.startswith("Entities: not run; the published data is OntoNotes 5.0") for line in said)


def test_controls_and_description_length_stand_beside(tmp_path):
    for control, right, bits in (("", 90, 2000.0), ("random_labels", 60, 8000.0)):
        for representation in ("lex", "mix"):
            write(tmp_path, "pos", "mine", representation, 0.9, control=control)
            (path,) = tmp_path.glob("pos/*/{}-seed1{}.json".format(representation, "-" + control if control else ""))
            result = json.loads(path.read_text(encoding="utf-8"))
            result["figures"]["test"]["labels"] = {"NN": [right, 100 - right, 100 - right]}
            if representation == "mix":
                result["description_length"] = {"bits": bits, "compression": 10000 / bits}
            path.write_text(json.dumps(result), encoding="utf-8")
    head, *lines = report.beside(report.load([tmp_path]))
    assert head[3:7] == ["split", "F1, all labels", "control task", "selectivity"]
    assert lines == [
        ["Part-of-Speech", "mine", "lex", "test", "90.0", "60.0", "30.0", "", "", "", ""],
        ["Part-of-Speech", "mine", "mix", "test", "90.0", "60.0", "30.0", "2.00", "5.00", "8.00", "1.25"],
    ]
    assert report.beside([]) == []


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere: found no results, expected a run folder of probing.run$"):
        report.load([tmp_path / "nowhere"])
    # a folder above: a store of activations is no result, and is not advised to be deleted
    write(tmp_path / "above" / "probing", "pos", "mine", "mix", 0.9)
    store = tmp_path / "above" / "activations" / "weights-tokenizer" / "store.json"
    store.parent.mkdir(parents=True)
    store.write_text('{"settled": 3}', encoding="utf-8")
    with pytest.raises(
        UserError, match="above: found no results, expected a run folder of probing.run, such as .*/above/probing$"
    ):
        report.load([tmp_path / "above"])
    write(tmp_path, "pos", "mine", "mix", 0.9)
    (tmp_path / "pos" / "mine" / "mix-seed1.npz").unlink()
    with pytest.raises(UserError, match="mix-seed1.npz: missing, expected the predictions"):
        report.load([tmp_path])
    (tmp_path / "pos" / "mine" / "mix-seed1.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="mix-seed1.json: found no task, expected a string"):
        report.load([tmp_path])
    write(tmp_path, "pos", "mine", "mix", 0.9)
    path = tmp_path / "pos" / "mine" / "mix-seed1.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    rows = whole["figures"]["test"]
    for figures, message in (
        ({}, "found no figures, expected a result; delete it"),
        ({"train": rows}, "found no figures, expected a result; delete it"),
        ([], r"found figures \[\], expected a JSON object"),
        ({"test": {"labels": {}}}, "found no figures.test.Part-of-Speech, expected a JSON object"),
        ({"test": {**rows, "Part-of-Speech": {}}}, "found no figures.test.Part-of-Speech.f1, expected a number"),
        ({"test": {**rows, "labels": {"NN": "x"}}}, "found figures.test.labels.NN 'x', expected a list"),
    ):
        path.write_text(json.dumps({**whole, "figures": figures}), encoding="utf-8")
        with pytest.raises(UserError, match="mix-seed1.json: " + message):
            report.load([tmp_path])
    path.write_text(json.dumps(whole), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace('"task": "pos"', '"task": "foo"'), encoding="utf-8")
    with pytest.raises(UserError, match="mix-seed1.json: found the task 'foo', expected one of"):
        report.load([tmp_path])
    write(tmp_path, "pos", "mine", "mix", 0.9)
    broken = path.with_suffix(".npz")
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(UserError, match="mix-seed1.npz: found no whole file of predictions"):
        report.cells(report.load([tmp_path]), 100)


def test_the_command(command, tmp_path):
    write(tmp_path / "runs", "pos", "mine", "mix", 0.9)
    result = command("probing.report", "runs", "--format=markdown", "--bootstrap=100", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("|  | split | mine mix |\n|---|---|---|\n| Part-of-Speech | test | ")
    assert "| Part-of-Speech | mine |  |  | 0.75 | 0.19 | 1.50 |" in result.stdout
    result = command("probing.report", "nowhere", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (
        1,
        "error: nowhere: found no results, expected a run folder of probing.run\n",
    )
