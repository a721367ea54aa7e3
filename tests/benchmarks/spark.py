"""Spark on a local cluster of two workers beside one of predict: python -m tests.benchmarks.spark NSMC_DIR [ROWS]

NSMC's reviews, again and again, stand in as many files as predict gets parts of: it classifies one of them before
Spark has all, and one behind. Needs Java and pip install 'nsmc-bert[spark]'; machines that resolve no name of their own
want SPARK_LOCAL_IP=127.0.0.1.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nsmc_bert
from nsmc_bert import spark
from nsmc_bert.data import nsmc, reviews
from tests.conftest import ROOT

PARTS = 10
COMPARED = 5000  # rows


def main(nsmc_dir, rows=1_000_000):
    import pyarrow as pa
    from pyarrow import parquet

    texts = [text for path in nsmc.find_nsmc(nsmc_dir, log=print) for text in reviews.read(path).texts]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "reviews").mkdir()
        for part in range(PARTS):
            numbers = range(part * rows // PARTS, (part + 1) * rows // PARTS)
            table = pa.table({"id": list(numbers), "review": [texts[number % len(texts)] for number in numbers]})
            parquet.write_table(table, folder / "reviews" / f"{part}.parquet")
        alone = [_alone(folder, 0, rows // PARTS)]
        start, session = time.monotonic(), _session(folder)
        started = time.monotonic() - start
        start = time.monotonic()
        spark.predict(session.read.parquet(str(folder / "reviews")), "review").write.parquet(str(folder / "labelled"))
        seconds = time.monotonic() - start
        session.stop()
        alone.append(_alone(folder, PARTS - 1, rows // PARTS))
        print(f"{rows:,} rows, Spark: {rows / seconds:.0f} a second ({seconds:.0f} s, and {started:.0f} s to begin)")
        print(f"one process, {rows // PARTS:,} rows each: {' and '.join(f'{rate:.0f}' for rate in alone)} a second")
        labelled = parquet.read_table(folder / "labelled").sort_by("id")
        assert labelled["id"].to_pylist() == list(range(rows))
        first = labelled.slice(0, COMPARED)
        expected = nsmc_bert.load().predict(first["review"].to_pylist())
        found = np.column_stack([first[name].to_numpy() for name in ("negative", "positive")])
        print(f"largest difference from model.predict, {len(first):,} rows: {np.abs(found - expected).max():.1e}")


def _session(folder):
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local-cluster[2,1,2048]").config("spark.ui.enabled", "false")
    session = builder.config("spark.executorEnv.PYTHONPATH", os.pathsep.join(sys.path)).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _alone(folder, part, rows):
    """Rows a second of one process of predict, its start included."""
    start = time.monotonic()
    where = [f"--input={folder}/reviews/{part}.parquet", "--text_column=review", f"--output={folder}/{part}.parquet"]
    subprocess.run([sys.executable, "-m", "nsmc_bert.predict", *where], check=True, cwd=ROOT)
    return rows / (time.monotonic() - start)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
