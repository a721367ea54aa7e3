"""Classifies reviews: python -m nsmc_bert.predict --text "이 영화 엄청 재미있네요" """

import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from absl import flags

from nsmc_bert import bundled, options
from nsmc_bert.base import cli
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import texts

flags.DEFINE_string("model", "", "Model folder. Default: the classifier that ships.")
options.define_positive_label_flag()
flags.DEFINE_multi_string("text", [], "A review to classify; may be given several times.")
flags.DEFINE_multi_string(
    "input",
    [],
    "File of reviews, one a line, or - for standard input, which is also read when there is neither --text nor "
    "--input. May be given several times.",
)
flags.DEFINE_enum(
    "output",
    "text",
    ["text", "tsv", "jsonl"],
    "Form of the results on standard output: lines to read, tab-separated columns with a header, or one JSON object a "
    "line.",
)
flags.DEFINE_integer(
    "chunk",
    4096,
    "Reviews that are read before they are classified together. Memory depends on this and not on the input; 1 "
    "answers line by line. Very long reviews are read fewer at a time.",
    lower_bound=1,
)
flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "mixed_bfloat16", "mixed_float16"],
    "Number format of the matrix products. mixed_bfloat16 is faster where the processor has it and moves "
    "probabilities, by at most 0.006 on 20,000 of NSMC's test reviews.",
)
FLAGS = flags.FLAGS

CHARACTERS = 1 << 21  # of a chunk, about, whatever --chunk says
WORDS = {"negative": "부정", "positive": "긍정"}


def main() -> None:
    """Classifies reviews chunk by chunk, and prints a line for each."""
    form, chunks = FLAGS.output, _chunks(_reviews(FLAGS.text, FLAGS.input), FLAGS.chunk)
    folder = FLAGS.model or bundled.CLASSIFIER
    chunk = next(chunks, None)
    if form != "text":
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    if not FLAGS.model:
        say(f"model: {folder}")
    cli.import_tensorflow()
    from nsmc_bert.model.classifier import load

    model = load(folder, FLAGS.precision, FLAGS.positive_label)
    if form == "tsv":
        print("label\tnegative\tpositive\ttext")
    truncated = 0
    while chunk:
        encoded = model.encode(chunk)
        truncated += int(encoded.truncated.sum())
        for review, probabilities in zip(chunk, model.predict_encoded(encoded)):
            print(_line(review, probabilities.tolist(), form))
        sys.stdout.flush()
        chunk = next(chunks, None)
    if truncated:
        say(f"{truncated} reviews longer than {model.max_length - 2} pieces: only their beginnings were read")


def _chunks(reviews: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of so many reviews, of fewer where they are very long."""
    chunk: list[str] = []
    characters = 0
    for review in reviews:
        chunk.append(review)
        characters += len(review)
        if len(chunk) == size or characters > CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _reviews(given: Sequence[str], paths: Sequence[str]) -> Iterator[str]:
    """The reviews given on the command line or, where there are none, those of files or of standard input."""
    if given and paths:
        raise UserError("found both --text and --input, expected one of them")
    if given:
        return iter(given)
    if not paths and sys.stdin.isatty():
        raise UserError('found no review: expected --text="…", --input=FILE, or reviews on standard input')
    # all are opened before any is classified
    return itertools.chain.from_iterable([_file(path) for path in paths or ["-"]])


def _file(path: str) -> Iterator[str]:
    if path in ("", "-"):
        return texts.lines(sys.stdin.buffer, "standard input")
    try:
        stream = open(os.path.expanduser(path), "rb")
    except OSError as error:
        raise UserError(f"--input={path}: cannot be read ({error.strerror})") from None
    return _closed_behind(texts.lines(stream, path), stream)


def _closed_behind(reviews: Iterable[str], stream: BinaryIO) -> Iterator[str]:
    with stream:
        yield from reviews


def _line(review: str, probabilities: list[float], form: str) -> str:
    """A review and what the model says of it, as text, tsv or jsonl."""
    by_label = dict(zip(WORDS, probabilities))
    label = max(WORDS, key=lambda name: by_label[name])
    # a lone surrogate is a valid review and no valid output
    review = review.encode("utf-8", "replace").decode("utf-8")
    if form == "jsonl":
        values = {name: round(probability, 6) for name, probability in by_label.items()}
        return json.dumps({"label": label, "probabilities": values, "text": review}, ensure_ascii=False)
    review = " ".join(review.splitlines()).replace("\t", " ")
    negative, positive = probabilities
    if form == "tsv":
        return f"{label}\t{negative:.6f}\t{positive:.6f}\t{review}"
    return f"[[{negative:.3f}, {positive:.3f}]]  {label} {WORDS[label]}  {review}"


def command() -> None:
    """The console script nsmc-bert-predict."""
    cli.run(main)


if __name__ == "__main__":
    command()
