"""A classifier as a SavedModel that takes strings, for TensorFlow Serving and whatever else runs a graph of
TensorFlow's, or as a LiteRT or ONNX model: nothing of this project is needed to load them.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsmc_bert import bundled
from nsmc_bert.base import files
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.data import reviews, texts
from nsmc_bert.serving.server import WARM

if TYPE_CHECKING:  # the command starts without them
    import numpy as np

    from nsmc_bert.model.classifier import SentimentClassifier
    from nsmc_bert.model.tokenizers import Encoded
    from nsmc_bert.serving.graph_tokenizer import GraphTokenizer

MODEL = "nsmc"  # the name that the docs serve it by
BATCH = 256  # texts that are compared at a time
MOST_CUT = 0.01  # the share of the texts that may be cut otherwise in the graph,
MOST_APART = 1e-5  # and what a probability of the others may differ by
IDS_ALONE = "--signature=tokens exports a model that takes token ids"


@dataclasses.dataclass(frozen=True)
class Export:
    """What to export and where to, as the flags of nsmc_bert.export say it.

    Attributes:
        model: folder or hub name of the model; "" for the classifier that ships.
        positive_label: which label of somebody else's classifier means positive; see heads.order.
        output: the folder that the versions are in.
        signature: "text" for strings and token ids, "tokens" for token ids alone.
        format: "saved_model", or "litert" or "onnx", which take token ids alone.
        weights: of these two: "float32", or "int8", a quarter of it.
        compare_on: a file of texts that the export is held against the model on; "" for the bundled sample.
        text_column: where that is a table, the column of the text.
    """

    model: str = ""
    positive_label: tuple[str, ...] = ()
    output: str = "export"
    signature: str = "text"
    compare_on: str = ""
    text_column: str = ""
    format: str = "saved_model"
    weights: str = "float32"

    def __post_init__(self) -> None:
        if self.weights != "float32" and self.format == "saved_model":
            raise UserError(f"--weights={self.weights}: for --format=litert and onnx alone, expected float32")

    @property
    def takes_text(self) -> bool:
        """Whether what is exported takes strings."""
        return self.signature == "text" and self.format == "saved_model"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """An export held against the model that it was made of.

    Attributes:
        texts: how many were compared.
        otherwise: how many of them the graph cuts into other pieces; None if it takes token ids alone.
        apart: the largest difference of a probability of the others.
        labelled: how many of the others get another class.
    """

    texts: int
    otherwise: int | None
    apart: float
    labelled: int

    def __str__(self) -> str:
        cut = "" if self.otherwise is None else f"the graph cuts {self.otherwise} of them otherwise; the others' "
        moved = "1 text gets" if self.labelled == 1 else f"{self.labelled} texts get"
        apart = f"probabilities differ from predict's by at most {self.apart:.2g}"
        return f"{counted(self.texts, 'text')}: {cut}{apart}; {moved} another class"


def export(how: Export, log: Callable[[str], None]) -> Path:
    """Writes a model as the next version in a folder, as a whole or not at all, and holds it against the model.

    Args:
        how: what to export, and where to.
        log: called with what is to be known beside.

    Returns:
        The folder of the version.

    Raises:
        UserError: the model cannot be read or its tokenizer not be computed in a graph, the folder cannot be written,
            or what was written says something else than the model.
    """
    import tensorflow as tf

    from nsmc_bert.model.classifier import load
    from nsmc_bert.serving import graph_tokenizer, litert, onnx, warmup
    from nsmc_bert.serving.servable import Servable

    if how.takes_text:
        graph_tokenizer.check()
    if how.format == "onnx":
        onnx.check()
    log(f"model: {how.model or bundled.CLASSIFIER}")
    model, sample = load(how.model or None, positive_label=how.positive_label), _sample(how)
    output = files.place(how.output)
    files.make_folder(output)
    lock = files.lock(output)
    folder = output / str(_next_version(output))
    with files.whole_folder(folder) as part, tempfile.TemporaryDirectory() as beside:
        labels = Path(beside, "labels.txt")
        labels.write_text("".join(f"{name}\n" for name in model.labels), encoding="utf-8")
        servable = Servable(model, labels, how.takes_text)
        if how.format == "saved_model":
            tf.saved_model.save(servable, str(part), servable.signatures())
            warmup.write(part, _requests(model, how.takes_text), MODEL)
            loaded = tf.saved_model.load(str(part))  # kept: its variables go with it
            answer = loaded.signatures["serving_default"]
        else:
            file = {"litert": litert, "onnx": onnx}[how.format]
            content = file.convert(servable, how.weights)
            (part / file.FILE).write_bytes(content)
            shutil.copy(labels, part)
            model.tokenizer.save(part, model.max_length)
            _let_truncate(part / "tokenizer.json", model.max_length)
            answer = file.load(content)
        comparison = compare(answer, model, sample, servable.tokenizer)
        log(str(comparison))
        _check(comparison, rounded=how.weights == "int8")
    del lock
    return Path(how.output).expanduser() / folder.name


def _let_truncate(path: Path, positions: int) -> None:
    """Has who reads a tokenizer's file alone cut texts at the model's positions, more of which it does not take."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(positions)
    tokenizer.save(str(path), pretty=False)


def compare(
    answer: Callable[..., Mapping[str, Any]],
    model: SentimentClassifier,
    sample: Sequence[str],
    tokenizer: GraphTokenizer | None,
) -> Comparison:
    """Holds an export's answers against the model's own.

    Args:
        answer: called with text=, string [n], or input_ids= and attention_mask=, int32 [n, positions], it gives
            {"probabilities": float32 [n, classes]}.
        model: what it was made of.
        sample: texts, any str.
        tokenizer: what cuts text in its graph, or None if it takes token ids alone.
    """
    import numpy as np
    import tensorflow as tf

    encoded = model.encode(sample)
    expected = model.predict_encoded(encoded)
    order = np.argsort(encoded.lengths, kind="stable")
    otherwise, apart, labelled = 0, 0.0, 0
    for rows in (order[start : start + BATCH] for start in range(0, len(order), BATCH)):
        ids, mask = _padded(encoded[rows], model.tokenizer.pad_id)
        if tokenizer is None:
            alike = np.ones(len(rows), bool)
            answers = answer(input_ids=tf.constant(ids), attention_mask=tf.constant(mask))
        else:
            strings = tf.constant([sample[row].encode("utf-8", "surrogatepass") for row in rows])
            alike = _equal_rows(ids, mask, *(each.numpy() for each in tokenizer(strings)))
            answers = answer(text=strings)
        exported, predicted = np.asarray(answers["probabilities"])[alike], expected[rows][alike]
        otherwise += int((~alike).sum())
        apart = max(apart, float(np.abs(exported - predicted).max(initial=0.0)))
        labelled += int((exported.argmax(1) != predicted.argmax(1)).sum())
    return Comparison(len(sample), None if tokenizer is None else otherwise, apart, labelled)


def _padded(encoded: Encoded, pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """input_ids and attention_mask of texts, int32 [n, positions of the longest]."""
    from nsmc_bert.model import packing

    inputs = packing.filled(encoded, pad_id, len(encoded), int(encoded.lengths.max()))
    return inputs["input_ids"], inputs["attention_mask"]


def _equal_rows(ids: np.ndarray, mask: np.ndarray, others: np.ndarray, other_mask: np.ndarray) -> np.ndarray:
    """bool [n]: which rows hold the same tokens, however far they are filled up."""
    import numpy as np

    width = max(ids.shape[1], others.shape[1])
    first, second = (
        np.pad(np.where(real > 0, values, -1), ((0, 0), (0, width - values.shape[1])), constant_values=-1)
        for values, real in ((ids, mask), (others, other_mask))
    )
    return (first == second).all(1)


def _check(comparison: Comparison, rounded: bool = False) -> None:
    """Raises UserError if what was written is not what the model says, of weights that are not `rounded`."""
    if (comparison.otherwise or 0) > MOST_CUT * comparison.texts:
        raise UserError(
            f"found that the graph cuts {comparison.otherwise} of {comparison.texts} texts otherwise than the model's "
            f"tokenizer, expected one of a hundred at most; nothing was written. {IDS_ALONE}"
        )
    if not rounded and not comparison.apart <= MOST_APART:
        raise UserError(
            f"found probabilities {comparison.apart:.1e} apart from predict's, expected {MOST_APART:.0e} at most; "
            "nothing was written"
        )


def _sample(how: Export) -> list[str]:
    """The texts that the export is held against the model on."""
    if how.compare_on:
        return texts.documents([how.compare_on], text_column=how.text_column)[0]
    return [text for corpus in reviews.sample() for text in corpus.texts]


def _next_version(output: Path) -> int:
    """The number behind the largest that names something in a folder, from 1."""
    numbers = [int(path.name) for path in output.iterdir() if path.name.isascii() and path.name.isdigit()]
    return max(numbers, default=0) + 1


def _requests(model: SentimentClassifier, takes_text: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests of one text and of many."""
    for batch in (WARM[:1], WARM, 16 * WARM):
        if takes_text:
            yield "serving_default", {"text": [text.encode() for text in batch]}
        ids, mask = _padded(model.encode(batch), model.tokenizer.pad_id)
        yield "tokens", {"input_ids": ids, "attention_mask": mask}
