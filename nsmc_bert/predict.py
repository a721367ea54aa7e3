"""Classifies reviews: python -m nsmc_bert.predict --text "이 영화 엄청 재미있네요" """

import itertools
import json
import os
import sys

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


def main():
    chunks = _chunks(_reviews())
    folder = FLAGS.model or bundled.CLASSIFIER
    first = next(chunks, None)
    if FLAGS.output != "text":
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    if not FLAGS.model:
        say(f"model: {folder}")
    cli.import_tensorflow()
    from nsmc_bert.model.classifier import load

    model = load(folder, FLAGS.precision, FLAGS.positive_label)
    if FLAGS.output == "tsv":
        print("label\tnegative\tpositive\ttext")
    truncated = 0
    while first:
        encoded = model.encode(first)
        truncated += int(encoded.truncated.sum())
        for review, probabilities in zip(first, model.predict_encoded(encoded)):
            print(_line(review, probabilities.tolist()))
        sys.stdout.flush()
        first = next(chunks, None)
    if truncated:
        say("%d reviews longer than %d pieces: only their beginnings were read" % (truncated, model.max_length - 2))


def _chunks(reviews):
    """Lists of reviews: as many as --chunk says, fewer where they are very long."""
    chunk, characters = [], 0
    for review in reviews:
        chunk.append(review)
        characters += len(review)
        if len(chunk) == FLAGS.chunk or characters > CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _reviews():
    if FLAGS.text and FLAGS.input:
        raise UserError("found both --text and --input, expected one of them")
    if FLAGS.text:
        return iter(FLAGS.text)
    paths = FLAGS.input or ["-"]
    if not FLAGS.input and sys.stdin.isatty():
        raise UserError('found no review: expected --text="…", --input=FILE, or reviews on standard input')
    return itertools.chain.from_iterable([_file(path) for path in paths])  # all are opened before any is classified


def _file(path):
    if path in ("", "-"):
        return texts.lines(sys.stdin.buffer, "standard input")
    try:
        stream = open(os.path.expanduser(path), "rb")
    except OSError as error:
        raise UserError(f"--input={path}: cannot be read ({error.strerror})") from None
    return _closed_behind(texts.lines(stream, path), stream)


def _closed_behind(reviews, stream):
    with stream:
        yield from reviews


def _line(review, probabilities):
    label = max(WORDS, key=dict(zip(WORDS, probabilities)).get)
    # a lone surrogate is a valid review and no valid output
    review = review.encode("utf-8", "replace").decode("utf-8")
    if FLAGS.output == "jsonl":
        values = dict(zip(WORDS, (round(p, 6) for p in probabilities)))
        return json.dumps({"label": label, "probabilities": values, "text": review}, ensure_ascii=False)
    review = " ".join(review.splitlines()).replace("\t", " ")
    if FLAGS.output == "tsv":
        return "{}\t{:.6f}\t{:.6f}\t{}".format(label, *probabilities, review)
    return "[[{:.3f}, {:.3f}]]  {} {}  {}".format(*probabilities, label, WORDS[label], review)


def command():
    """The console script nsmc-bert-predict."""
    cli.run(main)


if __name__ == "__main__":
    command()
