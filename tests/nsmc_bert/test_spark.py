"""nsmc_bert.spark: what a worker does with rows, and where there are PySpark and Java, Spark itself."""

import os
import pickle
import shutil
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest

from nsmc_bert import spark
from nsmc_bert.base.classes import SENTIMENT, Classes, ratings
from nsmc_bert.base.errors import UserError
from nsmc_bert.model import answers, classifier
from nsmc_bert.spark import Labelling, Source
from tests import forked
from tests.conftest import ROOT

THREADS = """
import types, sys
sys.modules["pyspark"] = types.ModuleType("pyspark")
sys.modules["pyspark"].TaskContext = types.SimpleNamespace(get=lambda: types.SimpleNamespace(cpus=lambda: 1))
from nsmc_bert import spark
model = spark.loaded(spark.Source(sys.argv[1]))
model.predict("꿀잼")
import os, tensorflow as tf
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
print(os.environ["RAYON_NUM_THREADS"])
"""


@pytest.fixture(autouse=True)
def outside_of_spark(monkeypatch):
    """A worker's model is forgotten; the tests' own process computes as it did."""
    spark._loaded.cache_clear()
    monkeypatch.setattr(spark, "_limit_threads", lambda: None)
    yield
    spark._loaded.cache_clear()


def labelling(source, classes=SENTIMENT, at=0):
    return Labelling(source, classes, at, tuple(answers.columns(classes)))


def test_a_text_that_is_none_has_none_everywhere(make_model, tmp_path):
    model = make_model()
    model.save(tmp_path / "model")
    label, negative, positive = labelling(Source(str(tmp_path / "model"))).columns(
        ["꿀잼", None, "", "정말 최악", None]
    )
    assert [label[1], label[4], negative[1], negative[4], positive[1], positive[4]] == [None] * 6
    expected = model.predict(["꿀잼", "", "정말 최악"])
    found = np.array([negative, positive], float)[:, [0, 2, 3]].T
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [label[place] for place in (0, 2, 3)] == [("negative", "positive")[row] for row in expected.argmax(1)]


def test_ratings_have_the_expected_one(make_model, tmp_path):
    stars = ratings([1, 2, 3])
    model = make_model(labels=stars)
    model.save(tmp_path / "model")
    columns = labelling(Source(str(tmp_path / "model")), stars).columns(["꿀잼", None])
    assert [column[1] for column in columns] == [None] * 5
    assert columns[0][0] in stars.names
    np.testing.assert_allclose(columns[-1][0], model.predict("꿀잼")[0] @ [1, 2, 3], rtol=1e-5)


def test_the_model_is_loaded_once_for_all_tasks(make_model, tmp_path, monkeypatch):
    loads, load = [], classifier.load
    monkeypatch.setattr(classifier, "load", lambda *arguments: loads.append(arguments) or load(*arguments))
    folder = tmp_path / "model"
    make_model().save(folder)
    # each task unpickles its own
    tasks = [pickle.loads(pickle.dumps(labelling(Source(str(folder))))) for _ in range(3)]
    before = [task.columns(["꿀잼"])[1][0] for task in tasks]
    np.testing.assert_allclose(before, before[0], atol=1e-6)
    assert loads == [(str(folder), "float32", ())]
    make_model(seed=1).save(folder, overwrite=True)
    assert abs(tasks[0].columns(["꿀잼"])[1][0] - before[0]) > 1e-3 and len(loads) == 2


def test_without_texts_no_model_is_loaded():
    nowhere = labelling(Source("/nowhere"))
    assert nowhere.columns([None, None]) == [[None, None]] * 3
    assert nowhere.columns([]) == [[]] * 3
    with pytest.raises(UserError, match="/nowhere: found no such folder"):
        nowhere.columns(["꿀잼"])


def test_another_machine_with_another_model(make_model, tmp_path):
    make_model().save(tmp_path / "model")
    other = labelling(Source(str(tmp_path / "model")), Classes(("a", "b", "c")))
    with pytest.raises(UserError, match="found a model of negative and positive on this machine, expected 3 classes"):
        other.columns(["꿀잼"])


def test_threads_are_those_of_the_task(make_model, tmp_path):
    make_model().save(tmp_path / "model")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = forked.run(["-c", THREADS, tmp_path / "model"], cwd=tmp_path, env=environment)
    assert result.stdout.split() == ["1", "1", "1"], result.stderr


def test_batches_keep_their_columns(make_model, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    make_model().save(tmp_path / "model")
    own = [
        arrow.array([2**60 + 1, None]),
        arrow.array(["꿀잼", None], arrow.large_string()),
        arrow.array([np.nan, None]),
    ]
    batch = arrow.RecordBatch.from_arrays(own, names=["id", "text", "id"])
    empty = batch.slice(0, 0)
    out, none = labelling(Source(str(tmp_path / "model")), at=1).batches([batch, empty])
    assert out.schema.names == ["id", "text", "id", "label", "negative", "positive"]
    assert [column.type for column in out.columns[3:]] == [arrow.large_string(), arrow.float32(), arrow.float32()]
    assert [a.to_pylist() for a in out.columns[:2]] == [[2**60 + 1, None], ["꿀잼", None]]
    assert np.isnan(out.column(2)[0].as_py()) and out.column(2)[1].as_py() is None
    assert out.column(4)[1].as_py() is None and (none.schema, none.num_rows) == (out.schema, 0)


def test_a_place_that_every_worker_finds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert spark._place("model") == str(tmp_path / "model")
    assert spark._place("owner/model") == "owner/model" and spark._place(None) is None
    with pytest.raises(UserError, match="model: found a Classes, expected a folder that every worker can read"):
        spark._place(SENTIMENT)


def test_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", types.ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UserError, match=r"found no pyspark, expected it .* -m pip install 'nsmc-bert\[spark\]'"):
        spark.predict(None, "text")


# Spark itself


@pytest.fixture(scope="module")
def session():
    pytest.importorskip("pyspark")
    pytest.importorskip("pyarrow")
    if not shutil.which("java") or subprocess.run(["java", "-version"], capture_output=True).returncode:
        pytest.skip("needs Java")
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        made = builder.config("spark.executorEnv.PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path])).getOrCreate()
        made.sparkContext.setLogLevel("OFF")
        yield made
        made.stop()


def test_a_frame_of_spark(session, make_model, tmp_path):
    from pyspark.sql import functions

    model = make_model()
    model.save(tmp_path / "model")
    texts = ["꿀잼", None, "정말 최악", "", "노잼", "이 영화 엄청 재미있네요"]
    rows = [(number, text, float("nan")) for number, text in enumerate(texts)]
    frame = session.createDataFrame(rows, "Label bigint, `리뷰` string, `a.b` double").repartitionByRange(3, "Label")
    frame = frame.selectExpr("*", "timestamp'9999-12-31 00:00:00' as label2", "Label as x", "Label as x")
    out = spark.predict(frame, "리뷰", tmp_path / "model")
    assert out.columns == [*frame.columns, "predicted_label", "predicted_negative", "predicted_positive"]
    assert out.schema.fields[: len(frame.columns)] == frame.schema.fields
    assert [field.dataType.simpleString() for field in out.schema.fields[-3:]] == ["string", "float", "float"]
    part, own = functions.spark_partition_id(), len(frame.columns)
    before, after = ([tuple(row) for row in each.select("*", part).collect()] for each in (frame, out))
    # as text, in which NaN is the same as NaN
    assert [str((*row[:own], row[-1])) for row in after] == list(map(str, before))
    assert len({row[-1] for row in after}) == 3
    found = {row[1]: row[own:-1] for row in after}
    assert found.pop(None) == (None, None, None)
    np.testing.assert_allclose([row[1:] for row in found.values()], model.predict(list(found)), atol=1e-6)
    session.conf.set("spark.sql.caseSensitive", "true")
    assert spark.predict(frame.select("Label", "리뷰"), "리뷰", tmp_path / "model").columns[2] == "label"
    session.conf.unset("spark.sql.caseSensitive")

    def inside(batches):
        import pyarrow as arrow
        import tensorflow as tf

        from nsmc_bert import spark

        for _ in batches:
            values = spark._loaded.cache_info().misses, tf.config.threading.get_intra_op_parallelism_threads()
            yield arrow.RecordBatch.from_arrays([arrow.array([value]) for value in values], names=["loads", "threads"])

    # by the one process that has classified three partitions
    assert session.range(1).mapInArrow(inside, "loads bigint, threads bigint").collect() == [(1, 1)]


def test_frames_that_cannot_be_classified(session):
    frame = session.createDataFrame([(1, "꿀잼")], "id bigint, text string")
    for arguments, message in (
        ((frame, "리뷰"), "text_column: found no single column 리뷰 among id, text, expected the texts' name"),
        ((frame, "id"), r"text_column: found id of type bigint, expected string; frame.withColumn\('id', "),
        ((frame.selectExpr("text", "1 label", "2 predicted_label"), "text"), "found the columns label and predicted_"),
        ((frame, "text", "/nowhere/model"), "/nowhere/model: found no such folder"),
        (
            (pd.DataFrame({"text": ["꿀잼"]}), "text"),
            "frame: found a DataFrame, expected a Spark DataFrame; nsmc_bert.label_frame",
        ),
    ):
        with pytest.raises(UserError, match=message):
            spark.predict(*arguments)
    with pytest.raises(UserError, match="precision: found half, expected one of float32, mixed_bfloat16"):
        spark.predict(frame, "text", precision="half")
