"""Classifies reviews: python -m nsmc_bert.predict --text "이 영화 엄청 재미있네요" """

import contextlib
import itertools
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from absl import flags

from nsmc_bert import bundled, options
from nsmc_bert.base import cli, files, runtime
from nsmc_bert.base.classes import Classes
from nsmc_bert.base.cli import say
from nsmc_bert.base.errors import Located, UserError, counted
from nsmc_bert.base.progress import DELAY, Progress
from nsmc_bert.base.text_files import decompressed
from nsmc_bert.base.text_tables import one_line
from nsmc_bert.base.usage import Usage
from nsmc_bert.data import table_writer, tables, texts
from nsmc_bert.data.binary_rows import package
from nsmc_bert.data.columns import locate, shorten_names
from nsmc_bert.data.rows import Problem, Row, text_at
from nsmc_bert.data.tables import STDIN, Table
from nsmc_bert.model import answers

if TYPE_CHECKING:
    from nsmc_bert.model.classifier import SentimentClassifier
    from nsmc_bert.model.explanation import Explanation

flags.DEFINE_string("model", "", "Model folder. Default: the classifier that ships.")
options.define_positive_label_flag()
flags.DEFINE_multi_string("text", [], "A review to classify; may be given several times.")
flags.DEFINE_multi_string(
    "input",
    [],
    "File of reviews, one a line, or a table, of which --text_column names the column; plain or compressed. A pattern "
    "in quotes, such as 'orders-*.csv', stands for all files that fit; - for standard input, which is also read when "
    "there is neither --text nor --input. May be given several times.",
)
flags.DEFINE_string(
    "text_column",
    "",
    "Name of the column of the text. All of --input is then read as tables, and every column is kept. Without it a "
    "file that is a table by its ending is refused, with the column that it might be.",
)
options.define_table_flags()
options.define_skip_flag()
flags.DEFINE_string(
    "output",
    "",
    "Where results go: text, lines to read; tsv, csv or jsonl, a table on standard output; or a file that ends in "
    ".csv, .tsv, .jsonl, .parquet or .xlsx, which is there whole or not at all. Default: text, and for a table the "
    "format that it has. To a table's columns are added label, negative and positive or, where one of these is there, "
    "predicted_label, predicted_negative and predicted_positive; of a model of other classes a column for each, and of "
    "one of ratings expected_rating too.",
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
    runtime.POLICIES,
    "Number format of the matrix products. mixed_bfloat16 is faster where the processor has it and moves "
    "probabilities, by up to 0.03 on 3,000 of NSMC's test reviews.",
)
flags.DEFINE_bool(
    "explain",
    False,
    "Say what each word adds to the logit of positive against negative, in nats, by integrated gradients: with "
    "--output=text or jsonl, or a file that ends in .jsonl.",
)
FLAGS = flags.FLAGS

CHARACTERS = 1 << 21  # of a chunk, about, whatever --chunk says
WORDS = {"negative": "부정", "neutral": "중립", "positive": "긍정"}
EXPLANATION = "explanation"  # what it is called in JSON
PRINTED = ("text", "tsv", "csv", "jsonl")
Review = tuple[Row, str]
USAGE = Usage(
    {
        "Reviews": ["text", "input", "text_column", "encoding", "skip_bad_rows"],
        "The model": ["model"],
        "Results": ["output"],
    },
    file="input",
    text="text",
)


def main() -> None:
    """Classifies reviews chunk by chunk, and prints or writes a line for each."""
    from nsmc_bert.model.checkpoints import read_classes

    source = _source()
    form, target = _output(FLAGS.output, source)
    if FLAGS.explain and form not in ("text", "jsonl"):
        of = "of a table " if source.table else ""
        raise UserError(f"--explain: {of}expected --output=text, which prints, or --output=jsonl")
    folder = FLAGS.model or bundled.CLASSIFIER
    source.form, source.added = form, answers.columns(read_classes(folder))
    if not source.table:
        source.added.append(answers.TEXT)
    elif form != "text":
        source.added = _added(source.table, [*source.added, *([EXPLANATION] if FLAGS.explain else [])])
    chunks = _chunks(source.reviews, FLAGS.chunk)
    first = next(chunks, None)
    chunks = itertools.chain([first] if first else [], chunks)
    if not FLAGS.model:
        say(f"model: {folder}")
    cli.import_tensorflow()
    from nsmc_bert.model.classifier import load

    model = load(folder, FLAGS.precision, FLAGS.positive_label)
    if target:
        files.make_folder(target.parent)
        files.write_atomically(target, lambda part: _write(model, chunks, part, form, source))
        say(f"wrote {target}")
    else:
        _classify(model, chunks, _printer(form, source, model.classes), shown=_prints_to_a_file())
    if source.skipped:
        say(f"{counted(source.skipped, 'bad row')} skipped")


def _write(
    model: "SentimentClassifier", chunks: Iterator[list[Review]], part: Path, form: str, source: "_Source"
) -> None:
    with open(part, "wb") as file:
        _classify(model, chunks, _sink(file, FLAGS.output, form, source, model.classes))


def _prints_to_a_file() -> bool:
    """Whether nobody reads standard output as it comes, so that a bar stands between no lines."""
    with contextlib.suppress(OSError, ValueError):  # a stream that is no file of the system's
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    return False


def _classify(model: "SentimentClassifier", chunks: Iterator[list[Review]], sink: "_Sink", shown: bool = True) -> None:
    """Hands all reviews with their probabilities to the sink; says how many there are so far where that is `shown`."""
    truncated = unread = count = 0
    bar = Progress(None, "reviews", title="predict", delay=DELAY) if shown else None
    with sink, bar or contextlib.nullcontext():
        for chunk in chunks:
            encoded = model.encode([text for _, text in chunk])
            truncated += int(encoded.truncated.sum())
            unread += len(chunk) - int(model.tokenizer.reads(encoded).sum())
            count += len(chunk)
            for (row, text), probabilities in zip(chunk, model.predict_encoded(encoded)):
                sink.put(row, text, probabilities.tolist(), model.explain(text) if FLAGS.explain else None)
            sink.flush()
            if bar:
                bar.update(len(chunk))
    if truncated:
        read = "its beginning was read" if truncated == 1 else "their beginnings were read"
        say(f"{counted(truncated, 'review')} longer than {model.max_length - 2} pieces: only {read}")
    if unread:
        hold = "1 review holds" if unread == 1 else f"{unread} reviews hold"
        of = "it" if unread == 1 else "them"
        say(f"{hold} nothing that the model knows, such as no text: what it says of {of} means nothing")
    if not count:
        say("found no review")


def _chunks(reviews: Iterable[Review], size: int) -> Iterator[list[Review]]:
    """Lists of so many reviews, of fewer where they are very long."""
    chunk: list[Review] = []
    characters = 0
    for row, text in reviews:
        chunk.append((row, text))
        characters += len(text) + sum(len(value) for value in row.values if isinstance(value, str))
        if len(chunk) == size or characters > CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


# What is read


class _Source:
    """The reviews: those of the command line, of lines, or of tables.

    Attributes:
        table: the first table, or None.
        reviews: each with its row; without a table the row is empty.
        form: what the results are written as.
        added: names of the columns that come to the table's or, without one, of all.
        skipped: how many bad rows, or lines, were passed over.
        files: the files that are read.
    """

    def __init__(self, given: Iterable[str] = (), paths: Sequence[str] = (), layout: tables.Layout = tables.AS_NAMED):
        self.table: Table | None = None
        self.form = ""
        self.added: list[str] = []
        self.skipped = 0
        self.files = list(paths)
        self._layout = layout
        as_tables = [path for path in paths if tables.format_of(path)]
        if paths and (FLAGS.text_column or layout.input_format != tables.AUTO or layout.columns or as_tables):
            # without a column's name the first of them says what it might be
            paths = paths if FLAGS.text_column else as_tables or paths
            # the columns of all are looked at before any is classified
            self.table, at = self._open(paths[0])
            for path in paths[1:]:
                if path != STDIN:
                    with self._open(path)[0]:
                        pass
            self.reviews: Iterator[Review] = self._rows(self.table, at, paths[1:])
        else:
            # all are opened before any is classified
            lines = [given, *map(self._lines, paths)]
            self.reviews = ((Row(0, []), line) for line in itertools.chain.from_iterable(lines))

    def _lines(self, path: str) -> Iterator[str]:
        name, encoding = tables.STDIN_NAME if path == STDIN else path, self._layout.encoding
        try:
            stream = sys.stdin.buffer if path == STDIN else decompressed(path)
        except OSError as error:
            raise UserError(f"--input={path}: cannot be read ({error.strerror})") from None
        lines = texts.lines(stream, name, encoding, self._on_bad)
        lines = texts.look_for_tabs(lines, name, "--text_column", lambda error: say(f"WARNING: {error}"))
        return lines if path == STDIN else _closed_behind(lines, stream)

    def _on_bad(self, error: Located) -> None:
        if not FLAGS.skip_bad_rows:
            raise error from None
        self.skipped += 1

    def _open(self, path: str) -> tuple[Table, int]:
        table = Table(path, self._layout)
        if self.table and self.table.format == table.format == "jsonl" and table.columns:
            table.columns = self.table.columns  # what its objects have beside is strange, as in the first file
        (at,) = locate(table, {"--text_column": (FLAGS.text_column, "text")})
        if self.table and table.columns != self.table.columns:
            expected = f"those of {self.table.name}, {shorten_names(self.table.columns)}"
            raise Located(table.name, 1, f"the columns {shorten_names(table.columns)}", expected)
        return table, at

    def _rows(self, table: Table, at: int, paths: Sequence[str]) -> Iterator[Review]:
        for path in (None, *paths):
            if path is not None:
                table, at = self._open(path)
            if table.note:
                say(f"{table.name}: {table.note}")
            with table:
                for row in table:
                    text, problem = text_at(row, at, table.columns[at])
                    if row.strange:
                        problem = problem or self._problem(row)
                    if problem is None:
                        yield row, text
                    else:
                        self._on_bad(Located(table.name, *problem))
            if table.quoting:
                say(f"{table.name}: {table.quoting}")

    def _problem(self, row: Row) -> Problem | None:
        """What keeps an object with names that are no columns from being written."""
        found = "which the first line's object has not"
        if self.form == "jsonl":
            again = [name for name in self.added if name in row.strange]
            return (row.line, f"{again[0]}, {found}", "no such name; name it anew") if again else None
        if self.form == "text":
            return None
        expected = "the same names in each; --output=jsonl keeps what each has"
        return row.line, f"{shorten_names(sorted(row.strange))}, {found}", expected


def _source() -> _Source:
    """The reviews given on the command line or, where there are none, those of files or of standard input."""
    given, paths = FLAGS.text, [path or STDIN for path in FLAGS.input]
    if given and paths:
        raise UserError("found both --text and --input, expected one of them")
    if given and FLAGS.text_column:
        raise UserError("found both --text and --text_column, expected one of them")
    if given:
        return _Source(given)
    if not paths and sys.stdin.isatty():
        raise UserError('found no review: expected --text="…", --input=FILE, or reviews on standard input')
    return _Source(paths=tables.expand(paths or [STDIN]), layout=options.from_flags(tables.Layout))


def _closed_behind(reviews: Iterable[str], stream: contextlib.AbstractContextManager) -> Iterator[str]:
    with stream:
        yield from reviews


# What is written


def _output(output: str, source: _Source) -> tuple[str, Path | None]:
    """(form, the file or None for standard output) that --output says for this source."""
    if not output:
        form = source.table.format if source.table else "text"
        if source.table and form not in PRINTED:
            example = f"{Path(source.table.name).name.partition('.')[0]}.labelled.{form}"
            raise UserError(
                f"{source.table.name}: found a format that cannot be printed, expected a file to write: "
                f"--output={example}, or --output=csv"
            )
        return form, None
    if output in PRINTED:
        return output, None
    form = table_writer.format_to_write(output)
    if not form or os.path.basename(output).startswith("."):
        raise UserError(
            f"--output={output}: expected text, tsv, csv or jsonl to print, or a file that ends in .csv, .tsv, .jsonl, "
            ".parquet or .xlsx"
        )
    target = os.path.expanduser(output)
    if os.path.exists(target) and any(os.path.samefile(path, target) for path in source.files if path != STDIN):
        raise UserError(f"--output={output}: found one of the files that are read, expected another name")
    if form in ("parquet", "xlsx"):
        package("pyarrow" if form == "parquet" else "openpyxl", output)  # before reviews are read
    return form, Path(target)


def _added(table: Table, names: Sequence[str]) -> list[str]:
    """The names of the columns that come to a table's."""
    try:
        added = answers.beside(names, table.columns)
    except UserError as error:
        raise UserError(f"{table.name}:1: {error}") from None
    if added != names:
        taken = next(name for name in names if name in table.columns)
        say(f"{table.name}: has a column {taken}: added are {', '.join(added)}")
    return added


def _printer(form: str, source: _Source, classes: Classes) -> "_Sink":
    """What prints."""
    if form == "text":
        return _Readable(classes)
    sys.stdout.flush()
    return _sink(sys.stdout.buffer, "standard output", form, source, classes)


def _sink(file: BinaryIO, name: str | os.PathLike[str], form: str, source: _Source, classes: Classes) -> "_Sink":
    """What writes a table."""
    if not source.table and form in ("tsv", "jsonl"):
        return _Lines(file, form, source.added, classes)
    return _Table(file, name, form, source, classes)


class _Sink(contextlib.AbstractContextManager):
    """Takes reviews and what the model says of them; a context from the first to the last."""

    def put(self, row: Row, text: str, probabilities: list[float], explanation: "Explanation | None" = None) -> None:
        """Takes one review."""
        raise NotImplementedError

    def flush(self) -> None:
        """Lets be seen what was taken."""

    def __exit__(self, *_: object) -> None:
        """Ends what was begun."""


class _Readable(_Sink):
    """Prints lines for people."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes

    def put(self, row: Row, text: str, probabilities: list[float], explanation: "Explanation | None" = None) -> None:
        label = answers.label(self._classes, probabilities)
        word = f" {WORDS[label]}" if label in WORDS else ""
        if self._classes.is_ordered:
            word = f", expected {self._classes.expected(probabilities):.2f}"
        print(f"[[{', '.join(f'{value:.3f}' for value in probabilities)}]]  {label}{word}  {one_line(text)}")
        if explanation is not None:
            print("    " + _explained(explanation))

    def flush(self) -> None:
        sys.stdout.flush()


class _Lines(_Sink):
    """Writes reviews that came without a table as tab-separated columns or as JSON objects."""

    def __init__(self, file: BinaryIO, form: str, columns: Sequence[str], classes: Classes) -> None:
        self._file, self._form, self._columns, self._classes = file, form, columns, classes

    def __enter__(self) -> "_Lines":
        if self._form == "tsv":
            self._print("\t".join(map(one_line, self._columns)))
        return self

    def put(self, row: Row, text: str, probabilities: list[float], explanation: "Explanation | None" = None) -> None:
        label, values = answers.label(self._classes, probabilities), answers.values(self._classes, probabilities)
        if self._form == "jsonl":
            each = {name: round(probability, 6) for name, probability in zip(self._classes.names, probabilities)}
            rating = {answers.EXPECTED: round(values[-1], 6)} if self._classes.is_ordered else {}
            text = text.encode("utf-8", "replace").decode("utf-8")
            record: dict[str, object] = {"label": label, "probabilities": each, **rating, "text": text}
            if explanation is not None:
                record[EXPLANATION] = explanation.record()
            self._print(json.dumps(record, ensure_ascii=False))
        else:
            self._print("\t".join((one_line(label), *(f"{value:.6f}" for value in values), one_line(text))))

    def flush(self) -> None:
        self._file.flush()

    def _print(self, line: str) -> None:
        self._file.write((line + "\n").encode("utf-8", "replace"))


class _Table(_Sink):
    """Writes a table with what it had, or, of reviews that came without one, with the text."""

    def __init__(
        self, file: BinaryIO, name: str | os.PathLike[str], form: str, source: _Source, classes: Classes
    ) -> None:
        self._names, self._classes = source.added, classes
        self._open = lambda: table_writer.writer(file, name, form, source.table, source.added)
        self._numbers = form in ("jsonl", "parquet", "xlsx")

    def __enter__(self) -> "_Table":
        self._writer = self._open()
        return self

    def put(self, row: Row, text: str, probabilities: list[float], explanation: "Explanation | None" = None) -> None:
        values = answers.values(self._classes, probabilities)
        cells = [round(value, 6) if self._numbers else f"{value:.6f}" for value in values]
        last = text if explanation is None else explanation.record()
        self._writer.write(row, [answers.label(self._classes, probabilities), *cells, last][: len(self._names)])

    def flush(self) -> None:
        self._writer.flush()

    def __exit__(self, *error: object) -> None:
        self._writer.__exit__(*error)


def _explained(explanation: "Explanation") -> str:
    """What each word adds, in one line."""
    words = [
        f"{one_line(word.text)} {'not read' if word.added is None else format(word.added, '+.2f')}"
        for word in explanation.words
    ]
    if abs(explanation.rest) >= 0.005:
        words.append(f"(rest {explanation.rest:+.2f})")
    return "  ".join(
        [f"{explanation.label} {explanation.logit:+.2f} = (all hidden) {explanation.baseline:+.2f}", *words]
    )


def command() -> None:
    """The console script nsmc-bert-predict."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
