"""Classifies a column of a Spark DataFrame, on as many machines as Spark has.

    >>> from nsmc_bert import spark
    >>> reviews = session.read.parquet("reviews")                                           # doctest: +SKIP
    >>> labelled = spark.predict(reviews, "리뷰", model="/shared/runs/nsmc/model")            # doctest: +SKIP
    >>> labelled.write.parquet("labelled")                                                  # doctest: +SKIP

Rows come back as Arrow has them, for which Spark has mapInArrow. Its mapInPandas would turn a table's own NaN into null
and end at a time before 1678 or after 2262.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsmc_bert import bundled
from nsmc_bert.base import runtime, system
from nsmc_bert.base.classes import Classes
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.quiet import import_tensorflow
from nsmc_bert.model import answers

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from nsmc_bert.model.classifier import SentimentClassifier


def predict(
    frame: DataFrame,
    text_column: str,
    model: str | os.PathLike[str] | None = None,
    *,
    precision: str = "float32",
    positive_label: str | Collection[str] = (),
) -> DataFrame:
    """A Spark DataFrame with what a classifier says of each row's text in columns of its own.

    Nothing is computed before Spark is asked for rows; then each Python worker process loads the model once, for all
    its tasks, and computes with as many threads as a task has cores, `spark.task.cpus`. The package is installed on
    every machine, in the same version.

    Args:
        frame: with the texts, strings, in one column. A null gets null in every column that is added.
        text_column: the name of that column.
        model: a model folder which this machine and every worker can read by this path, or the hub name of an encoder
            with a classifier's head; None for the classifier that ships in each machine's package.
        precision: the Keras policy to predict with: float32, mixed_bfloat16 or mixed_float16.
        positive_label: which of a head's two labels means positive, where its names do not say so; see heads.order.

    Returns:
        The frame, its columns, order and partitions, and behind them label, a string, and a float column for each
        class: negative and positive. Of a model of ratings expected_rating too. They are called predicted_… where the
        frame has one of them, in capitals or not if Spark takes these for the same.

    Raises:
        UserError: a package is missing, there is no such model, no such column or one of something else than text, or
            the frame has predictions already.
    """
    system.check_installed(("pyarrow", "pyspark"), "spark", "to compute with Spark")
    if not hasattr(frame, "mapInArrow"):
        raise UserError(
            f"frame: found a {type(frame).__name__}, expected a Spark DataFrame; "
            "nsmc_bert.label_frame takes one of pandas"
        )
    if precision not in runtime.POLICIES:
        raise UserError(f"precision: found {precision}, expected one of {', '.join(runtime.POLICIES)}")
    from nsmc_bert.model.checkpoints import read_classes

    positive = [positive_label] if isinstance(positive_label, str) and positive_label else positive_label
    source = Source(_place(model), precision, tuple(positive))
    classes = read_classes(source.folder or bundled.CLASSIFIER)
    at = _text_at(frame.schema, text_column)
    # Spark takes Label for label unless told otherwise
    fold = str if frame.sparkSession.conf.get("spark.sql.caseSensitive") == "true" else str.lower
    names = answers.beside(answers.columns(classes), frame.columns, fold)
    labelling = Labelling(source, classes, at, tuple(names))
    # by names of their own: mapInArrow asks for each column by its name, and stops at two of one name, and at a dot
    numbered = frame.toDF(*(f"column{place}" for place in range(len(frame.columns))))
    return numbered.mapInArrow(lambda batches: labelling.batches(batches), _with_answers(frame.schema, names))


def _place(model: str | os.PathLike[str] | None) -> str | None:
    """What every worker finds a model by: a folder's whole path, for a worker runs in a folder of its own."""
    if model is None:
        return None
    if not isinstance(model, (str, os.PathLike)):
        raise UserError(
            f"model: found a {type(model).__name__}, expected a folder that every worker can read; "
            "save writes one: model.save(FOLDER)"
        )
    path = Path(model).expanduser()
    return str(path.absolute()) if path.is_dir() else os.fspath(model)


def _text_at(schema: StructType, text_column: str) -> int:
    """The place of the column of the texts."""
    from pyspark.sql.types import CharType, StringType, VarcharType

    if schema.names.count(text_column) != 1:
        named = ", ".join(schema.names)
        raise UserError(f"text_column: found no single column {text_column} among {named}, expected the texts' name")
    at = schema.names.index(text_column)
    kind = schema.fields[at].dataType
    if not isinstance(kind, (StringType, CharType, VarcharType)):
        raise UserError(
            f"text_column: found {text_column} of type {kind.simpleString()}, expected string; "
            f"frame.withColumn({text_column!r}, frame[{text_column!r}].cast('string')) makes it one"
        )
    return at


def _with_answers(schema: StructType, names: Sequence[str]) -> StructType:
    """The columns of a frame, and behind them the label and the numbers."""
    from pyspark.sql.types import FloatType, StringType, StructField, StructType

    kinds = [StringType(), *(FloatType() for _ in names[1:])]
    return StructType([*schema.fields, *(StructField(name, kind, True) for name, kind in zip(names, kinds))])


# In a worker


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a worker has its model from: the arguments of `nsmc_bert.model.classifier.load`."""

    folder: str | None = None
    precision: str = "float32"
    positive_label: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Labelling:
    """What a worker does with the rows of a task.

    Attributes:
        source: where the model is.
        classes: those of the model as the driver knows it, of which the columns are.
        at: the place of the column of the texts.
        names: of the columns that are added.
    """

    source: Source
    classes: Classes
    at: int
    names: tuple[str, ...]

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches with the columns added."""
        import pyarrow as pa

        for batch in batches:
            texts = batch.column(self.at)
            labels, *numbers = self.columns(texts.to_pylist())
            added = [pa.array(labels, texts.type), *(pa.array(column, pa.float32()) for column in numbers)]
            yield pa.RecordBatch.from_arrays([*batch.columns, *added], names=[*batch.schema.names, *self.names])

    def columns(self, texts: Sequence[str | None]) -> list[list[Any]]:
        """The values of each column that is added, a list for each of `names`; of a text that is None they are None.

        Raises:
            UserError: this machine's model has other classes than the driver's.
        """
        out: list[list[Any]] = [[None] * len(texts) for _ in self.names]
        places = [place for place, text in enumerate(texts) if text is not None]
        if not places:
            return out  # a partition without texts needs no model
        model = loaded(self.source)
        if model.classes != self.classes:
            raise UserError(
                f"{self.source.folder or bundled.CLASSIFIER}: found a model of {model.classes} on this machine, "
                f"expected {self.classes} as the driver has it; every machine needs the same folder and nsmc-bert"
            )
        probabilities = model.predict_encoded(model.encode([text for text in texts if text is not None]))
        for place, row in zip(places, probabilities.tolist()):
            cells = [answers.label(self.classes, row), *answers.values(self.classes, row)]
            for column, cell in zip(out, cells):
                column[place] = cell
        return out


def loaded(source: Source) -> SentimentClassifier:
    """The model, loaded once by this process; anew only if another is asked for or another stands in the folder."""
    stamp: tuple[int, ...] = ()
    with contextlib.suppress(OSError):  # a hub's name is no folder; what else is wrong, `load` says
        status = os.stat(source.folder or bundled.CLASSIFIER)
        stamp = status.st_dev, status.st_ino, status.st_mtime_ns
    return _loaded(source, stamp)


@functools.lru_cache(maxsize=1)
def _loaded(source: Source, stamp: tuple[int, ...]) -> SentimentClassifier:
    _limit_threads()
    from nsmc_bert.model.classifier import load

    return load(source.folder, source.precision, source.positive_label)


def _limit_threads() -> None:
    """Has the tokenizer and TensorFlow compute with as many threads as the task has cores: workers on one machine would
    otherwise each take all of it.
    """
    from pyspark import TaskContext

    task = TaskContext.get()
    cores = task.cpus() if task else 0
    if cores:
        os.environ.setdefault("RAYON_NUM_THREADS", str(cores))  # read when tokenizers begins
    import_tensorflow()
    import tensorflow as tf

    if cores:
        with contextlib.suppress(RuntimeError):  # something else in this process has had TensorFlow compute already
            tf.config.threading.set_intra_op_parallelism_threads(cores)
            tf.config.threading.set_inter_op_parallelism_threads(cores)
