"""probing.sentence: which probes are asked, of which sentence, and how the answers stand in a table."""

import dataclasses

import numpy as np
import pytest

from nsmc_bert.base.errors import UserError
from probing import records, sentence
from probing.tasks import TASKS
from tests.probing.results.test_result import made


def test_words_are_asked_one_by_one_or_by_spans():
    whole = sentence.record(TASKS["pos"], text=" 꿀잼  영화 ")
    assert whole.text == "꿀잼 영화" and [target.span1 for target in whole.targets] == [(0, 1), (1, 2)]
    (target,) = sentence.record(TASKS["dep"], text="꿀잼 영화", spans="[[[0, 1], [1, 2]]]").targets
    assert (target.span1, target.span2, target.labels) == ((0, 1), (1, 2), ())


def test_a_sentence_of_a_file(tmp_path):
    path = tmp_path / "a.jsonl"
    made_of = [records.Record(f"꿀잼 {i}", (records.Target((0, 1), None, ("NN",)),)) for i in range(2)]
    records.write(path, made_of)
    assert sentence.record(TASKS["pos"], path=str(path), line=2).text == "꿀잼 1"
    with pytest.raises(UserError, match="a.jsonl:3: found no sentence, expected one of the file's"):
        sentence.record(TASKS["pos"], path=str(path), line=3)


def test_probes_by_layer_and_of_the_first_seed(tmp_path):
    def saved(name, seed=1, **fields):
        return dataclasses.replace(made(representation=name, seed=seed, **fields), path=tmp_path / f"{name}.json")

    results = [saved(name) for name in ("lex", "top_10", "top_2", "mix", "mix_1", "mix_0")]
    results += [saved("mix", seed=2), saved("cat", control="random_labels")]
    asked = sentence.probes(results, "")
    assert [result.representation for result in asked] == ["mix_0", "mix_1", "mix", "top_2", "top_10", "lex"]
    # whichever way to its folder the corpus was named by
    assert len(sentence.probes([*results, saved("top_1", corpus="./some")], "")) == 7
    # a layer that has another seed alone is shown too
    alone = saved("top_1", seed=2)
    assert [result.seed for result in sentence.probes([*results, alone], "")] == [1, 1, 1, 2, 1, 1, 1]
    with pytest.raises(UserError, match="found probes of mine and other, expected one encoder: choose with --sent"):
        sentence.probes([*results, saved("lex", encoder="other")], "")
    with pytest.raises(UserError, match="--sentence_task=dep: found no probes of it, expected one of pos"):
        sentence.probes(results, "dep")
    heads = saved("heads", encoder="attention:mine", layer0="none: heads alone")
    assert sentence.probes([*results, heads], "") == asked
    with pytest.raises(UserError, match="attention:mine: found probes of heads alone, expected probes of states"):
        sentence.probes([heads], "")


def test_the_most_likely_label_and_of_properties_all_that_hold():
    record = records.Record("꿀잼 영화", (records.Target((0, 2), None, ("VB",)),))
    asked = [made(labels=("NN", "VB"), representation=name) for name in ("lex", "mix")]
    table = sentence.table(asked, record, np.float32([[[0.2, 0.7]], [[0.9, 0.6]]]))
    assert table.rows == [["pos", "label", "lex", "mix"], ["꿀잼 영화", "VB", "VB 0.70", "NN 0.90"]]
    asked = [dataclasses.replace(result, task=TASKS["spr1"]) for result in asked]
    unlabelled = records.Record("꿀잼 영화", (records.Target((0, 1), (1, 2), ()),))
    table = sentence.table(asked, unlabelled, np.float32([[[0.2, 0.4]], [[0.6, 0.9]]]))
    assert table.rows == [["spr1", "lex", "mix"], ["꿀잼 · 영화", "-", "VB 0.90, NN 0.60"]]
