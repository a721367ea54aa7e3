"""Runs to tables, measured beside published: python -m probing.report runs/probing"""

from pathlib import Path

from absl import flags

from nsmc_bert.base import cli, html_pages, text_tables
from nsmc_bert.base.errors import UserError
from nsmc_bert.base.usage import Usage
from probing import sentence
from probing.results import forms, page, runs, tables
from probing.results.result import Result

flags.DEFINE_enum(
    "format",
    "text",
    ["text", "markdown", "csv", "latex"],
    "Form of the tables on standard output; csv has a line for every figure of the F1 table, and --page writes the "
    "other tables as CSV too.",
)
flags.DEFINE_list(
    "names",
    [],
    "Short names for encoders, as tables and plots show them: NAME=ENCODER, separated by commas; an encoder by its "
    "name or what that ends with.",
)
flags.DEFINE_list("columns", [], "Representations that are shown, separated by commas. Default: all.")
flags.DEFINE_bool(
    "published",
    False,
    "The whole published table, in which what was not run has the published figure alone, and what it would take.",
)
flags.DEFINE_list(
    "compare",
    [],
    "Two encoders, before and after, by their names or what these end with: what changed from one to the other, with "
    "paired intervals.",
)
flags.DEFINE_string(
    "text", "", "A sentence, words separated by spaces: what the probes of every layer say of its words, or of --spans."
)
flags.DEFINE_string(
    "spans",
    "",
    "Its spans, as JSON: [[first, last], …] in words from 0, last exclusive; pairs of these for a task with two spans.",
)
flags.DEFINE_string("records", "", "A file of records instead of --text, whose labels are shown beside.")
flags.DEFINE_integer("line", 1, "Which of its sentences, from 1.", lower_bound=1)
flags.DEFINE_string("sentence_task", "", "Task of that sentence, where the runs have several.")
flags.DEFINE_string(
    "sentence_encoder", "", "Its encoder, where the runs have several, by its name or what that ends with."
)
flags.DEFINE_string(
    "page",
    "",
    "Folder for the page, report.html, the tables as .txt, .md, .tex and .csv, and the plots as .svg and .png; needs "
    "pip install 'nsmc-bert[report]'.",
)
flags.DEFINE_integer("bootstrap", 1000, "Bootstrap samples for the intervals.", lower_bound=100)
FLAGS = flags.FLAGS
USAGE = Usage(
    {
        "Tables": ["published", "compare", "columns", "names", "format", "page"],
        "One sentence": ["text", "spans", "records", "sentence_encoder"],
    },
    takes="RUNS",
)


def main(folders: list[str]) -> None:
    if FLAGS.page:
        html_pages.check()
    if FLAGS.compare and len(FLAGS.compare) != 2:
        raise UserError(f"--compare={','.join(FLAGS.compare)}: expected two encoders, before and after")
    if FLAGS.text and FLAGS.records:
        raise UserError(f"--text={FLAGS.text}: found --records={FLAGS.records} beside it, expected one of them")
    if FLAGS.spans and not FLAGS.text:
        raise UserError(f"--spans={FLAGS.spans}: found no --text, expected the sentence that they are of")
    results = runs.load(folders or ["runs/probing"])
    sentence_table = _sentence(results) if FLAGS.text or FLAGS.records else None
    report = tables.build(
        runs.named(results, _names()),
        samples=FLAGS.bootstrap,
        whole=FLAGS.published,
        columns=FLAGS.columns,
        compare=tuple(FLAGS.compare) or None,
        sentence=sentence_table,
    )
    if FLAGS.page:
        for path in page.write(Path(FLAGS.page).expanduser(), report):
            cli.say(f"wrote {path}")
    print(_asked(report))
    if FLAGS.format != "csv" and not (FLAGS.text or FLAGS.records or FLAGS.compare):
        for line in report.wanting:
            cli.say(line)


def _asked(report: tables.Report) -> str:
    """What the flags ask for, of all that there is: the sentence, the gains, or the tables."""
    if sentence_table := report.table("sentence"):
        return (forms.rows_csv if FLAGS.format == "csv" else forms.FORMS[FLAGS.format])(sentence_table)
    if FLAGS.format == "csv":
        return forms.gains_csv(report.gains) if report.gains else forms.figures_csv(report)
    return forms.draw(report, FLAGS.format, ["gains"] if report.gains else None, text_tables.terminal_width())


def _names() -> dict[str, str]:
    """{short name: encoder} of --names."""
    pairs = [pair.partition("=") for pair in FLAGS.names]
    if wrong := [name + equals + encoder for name, equals, encoder in pairs if not (name.strip() and encoder)]:
        raise UserError(f"--names={wrong[0]}: expected NAME=ENCODER, separated by commas")
    names = {name.strip(): encoder for name, _, encoder in pairs}
    if len(names) < len(pairs):
        raise UserError(f"--names={','.join(FLAGS.names)}: found a name for two encoders, expected one for each")
    return names


def _sentence(results: list[Result]) -> tables.Table:
    """The table of the sentence that the flags name."""
    if FLAGS.sentence_encoder:
        name = runs.encoder_named(results, FLAGS.sentence_encoder)
        results = [result for result in results if result.encoder == name]
    asked = sentence.probes(results, FLAGS.sentence_task)
    record = sentence.record(asked[0].task, text=FLAGS.text, spans=FLAGS.spans, path=FLAGS.records, line=FLAGS.line)
    cli.import_tensorflow()
    return sentence.table(asked, record, sentence.ask(asked, record))


def command() -> None:
    """The console script nsmc-bert-report."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
