"""Turns a corpus in its native format into records:

    python -m probing.convert --source=conllu --task=dep --input=UD_English-EWT --output=data

writes data/dep.train.jsonl, data/dep.dev.jsonl and data/dep.test.jsonl, all of them or none, and prints what is in
them, what was left out and why, and the published counts where the published data was made of the same release.

Beside them data/dep.conversion.json says what they were made with and has a checksum of each, so that nobody takes
files of two conversions for one corpus: another conversion's splits are not written over in part, and corpora.find
refuses what is not listed.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from nsmc_bert.base import cli, system
from nsmc_bert.base.errors import UserError, counted, shorten
from nsmc_bert.base.files import make_folder, write_text
from nsmc_bert.base.usage import Usage
from probing import conversion, records
from probing.records import Record
from probing.sources import Split, bio, conll2012, conllu, dpr, gum, in_tenths, klue, propbank, semeval, spr
from probing.tasks import SPLITS, TASKS, Task


@dataclasses.dataclass(frozen=True)
class Source:
    """One native format.

    Attributes:
        splits: the function that finds its files.
        tasks: the tasks it has.
        options: the further flags that `splits` takes.
        published: whether the published data of its tasks was made of it.
    """

    splits: Callable[..., dict[str, Split]]
    tasks: tuple[str, ...]
    options: tuple[str, ...] = ("split",)
    published: bool = False


SOURCES = {
    "conllu": Source(conllu.splits, conllu.TASKS, ("split", "files", "tags", "units", "as_published")),
    "conll2012": Source(conll2012.splits, conll2012.TASKS, ("split", "language"), published=True),
    "propbank_ewt": Source(propbank.splits, propbank.TASKS, ("split", "files")),
    "klue": Source(klue.splits, klue.TASKS, ("split", "files", "tags", "units")),
    "bio": Source(bio.splits, bio.TASKS, ("split", "files")),
    "gum": Source(gum.splits, gum.TASKS, ("tags", "dev_as_test")),
    "semeval": Source(semeval.splits, semeval.TASKS, published=True),
    "dpr": Source(dpr.splits, dpr.TASKS),
    "spr1": Source(spr.spr1_splits, ("spr1",), ("split", "files"), published=True),
    "spr2": Source(spr.spr2_splits, ("spr2",), (), published=True),
}

flags.DEFINE_enum(
    "source",
    None,
    list(SOURCES),
    "Format of the corpus: conllu, Universal Dependencies and CorefUD in any language; conll2012, OntoNotes 5.0; "
    "propbank_ewt; klue, KLUE-DP and KLUE-NER; bio, entities as a word and its tag a line, such as CoNLL-2003 and "
    "WikiANN; gum; semeval, SemEval 2010 task 8; dpr; spr1; spr2.",
)
flags.DEFINE_string(
    "task", "", f"Task to make records for: {', '.join(TASKS)}. May be left out where the source has one task."
)
flags.DEFINE_string("input", "", "Folder of the corpus, as its owner publishes it; or one file, with --split.")
flags.DEFINE_string(
    "output", "", "Folder to write TASK.train.jsonl, TASK.dev.jsonl and TASK.test.jsonl into, or as many as there are."
)
flags.DEFINE_enum(
    "split",
    "",
    ["", *SPLITS],
    "The one split to take of a folder in which names tell splits; or the split that a single file is to be, or a "
    "folder in which no name tells one.",
)
flags.DEFINE_string(
    "files",
    "*",
    "Pattern for the names of the folder's files, such as ko_*, where there are several for one split; conllu, "
    "propbank_ewt, klue, bio and spr1.",
)
flags.DEFINE_enum(
    "tags",
    "xpos",
    ["xpos", "upos"],
    "Column of CoNLL-U that labels parts of speech: xpos, the language's own tags; upos, the universal ones; conllu "
    "and gum. Of klue, whose tags are xpos, upos is made of them.",
)
flags.DEFINE_enum(
    "units",
    "words",
    list(conllu.UNITS),
    "What parts of speech are of: words; or morphemes, where a treebank has them, as the Korean ones do, whose words "
    "are cut where a morpheme ends in them. conllu and klue.",
)
flags.DEFINE_bool(
    "in_tenths",
    False,
    "Cut the one file or split that is there: the first 80 % of its sentences are train, the next 10 % dev, the rest "
    "test. What is several records of a sentence (srl), or twins (dpr), stays together.",
)
flags.DEFINE_bool(
    "as_published",
    False,
    "Leave out what the published data leaves out, sentences with an empty node and the last one of each file; conllu.",
)
flags.DEFINE_bool(
    "dev_as_test",
    False,
    "Where a release has no test documents at hand: test on dev's, and take every tenth training document for "
    "dev; gum.",
)
flags.DEFINE_string("language", conll2012.LANGUAGE, "Language of OntoNotes, a folder in its data; conll2012.")
FLAGS = flags.FLAGS


@dataclasses.dataclass
class Summary:
    """What was written of one split: the file, its records, those without targets, targets, how often each label,
    notes.
    """

    path: Path
    notes: Counter[str]
    records: int = 0
    empty: int = 0
    targets: int = 0
    labels: Counter[str] = dataclasses.field(default_factory=Counter)

    def count(self, stream: Iterable[Record]) -> Iterator[Record]:
        """Passes records on and counts them."""
        for record in stream:
            self.records += 1
            self.empty += not record.targets
            self.targets += len(record.targets)
            for target in record.targets:
                self.labels.update(target.labels)
            yield record


def convert(
    splits: Mapping[str, Split],
    task: Task,
    output: str | os.PathLike[str],
    made_with: Mapping[str, Any] | None = None,
    made_of: str = "",
) -> dict[str, Summary]:
    """Writes each split to OUTPUT/TASK.SPLIT.jsonl, all of them or none.

    Args:
        splits: {name: sources.Split}.
        task: tasks.Task.
        output: the folder; it is made where there is none.
        made_with: the source and its options, a dict. Splits that are there and not written stay if they are of the
            same, with "split" among them; a release has all of its splits written at once.
        made_of: the corpus.

    Returns:
        {name: Summary}.

    Raises:
        UserError: what is wrong with the corpus, that a split has no sentence or no target, that the folder cannot be
            written, or that a split of another conversion would stay in it; the files there are the old ones.
    """
    output = Path(os.path.expanduser(output))
    make_folder(output)
    made_with = json.loads(json.dumps(made_with or {}))
    before = conversion.read(output, task.name) or {}
    kept, done = _kept(output, task, splits, made_with, before), {}
    labels, inputs = (
        {name: value for name, value in before.get(key, {}).items() if name in kept} for key in ("labels", "inputs")
    )
    try:
        with _temporary(output) as part:
            for name, split in splits.items():
                done[name] = summary = Summary(output / f"{task.name}.{name}.jsonl", split.notes)
                records.write(Path(part) / summary.path.name, summary.count(split.records), task.multi_label)
                _check_not_empty(summary, name, made_of)
            kept.update({name: conversion.checksum(Path(part) / summary.path.name) for name, summary in done.items()})
            labels.update({name: sorted(summary.labels) for name, summary in done.items()})
            inputs.update(dict.fromkeys(done, made_of))
            content = {"made_with": {**made_with, "split": ""}, "sha1": kept, "labels": labels, "inputs": inputs}
            described = conversion.path_in(output, task.name)
            write_text(Path(part) / described.name, json.dumps(content, indent=1) + "\n")
            os.replace(Path(part) / described.name, described)
            for summary in done.values():
                os.replace(Path(part) / summary.path.name, summary.path)
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error.strerror})") from None
    return done


def _check_not_empty(summary: Summary, split: str, made_of: str) -> None:
    """Raises a UserError if a split has no sentence, or no target in any."""
    where = f"{made_of}: " if made_of else ""
    if not summary.records:
        raise UserError(f"{where}found no sentence for {split}, expected at least one")
    if not summary.targets:
        reasons = "; ".join(f"{reason} ({_number(times)})" for reason, times in sorted(summary.notes.items()))
        found = f"{counted(summary.records, 'sentence', ',')} and no target in them for {split}"
        raise UserError(f"{where}found {found}, expected at least one{reasons and f'; {reasons}'}")


def _kept(
    output: Path, task: Task, splits: Mapping[str, Split], made_with: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, str]:
    """{split: checksum} of the splits in a folder that are not written and may stay, by its description of before."""
    checksums, kept = before.get("sha1", {}), {}
    for name in SPLITS:
        for path in conversion.split_paths(output, task.name, name) if name not in splits else []:
            same = made_with.get("split") and before.get("made_with") == {**made_with, "split": ""}
            if not same or checksums.get(name) != conversion.checksum(path):
                raise UserError(
                    f"{path}: found the records of another conversion, which has no place beside "
                    f"{', '.join(splits)} of this one; choose another --output, or delete it"
                )
            kept[name] = checksums[name]
    return kept


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[str]:
    """A folder to write into, and the end of those that killed processes left."""
    for path in folder.glob(".convert-*"):
        if lock := _lock(path):
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=folder) as part:
        lock = _lock(part)  # says to other processes that this one is at work
        try:
            yield part
        finally:
            if lock:
                os.close(lock)


def _lock(folder: str | os.PathLike[str]) -> int | None:
    """A descriptor that locks a folder as long as it is open; None if another process has it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        if system.lock(descriptor):
            return descriptor
        os.close(descriptor)
    return None


def describe(done: Mapping[str, Summary], task: Task, published: bool) -> Iterator[str]:
    """The lines that say what was written: a dict of Summary, a Task, whether to set the published counts beside."""
    for name, summary in done.items():
        counts = summary.records, summary.targets
        line = f"{summary.path.name}: {_counts(*counts)}, {counted(len(summary.labels), 'label')}"
        if published and name in task.counts:
            line += "; as published" if counts == task.counts[name] else f"; published: {_counts(*task.counts[name])}"
        yield line
        if summary.empty:
            yield f"  {counted(summary.empty, 'record', ',')} without targets, which training and scoring pass over"
        for reason, times in sorted(summary.notes.items()):
            yield f"  {reason} ({_number(times)})"
    labels = sum((summary.labels for summary in done.values()), Counter())
    other = sorted(set(labels) - set(task.labels))
    missing = sorted(set(task.labels) - set(labels))
    line = f"labels: {len(labels)} in all, {len(labels) - len(other)} of the {len(task.labels)} published"
    kindred = 2 * len(other) < len(labels)  # another language's labels are not worth comparing
    yield line + (_some("; others: %s", other) + _some("; missing: %s", missing) if kindred else _some(": %s", other))


def beside(done: Mapping[str, Summary], task: Task, output: Path) -> Iterator[str]:
    """The lines that say which splits of earlier calls stay beside those that were written, and what they are of."""
    description = conversion.read(output, task.name) or {}
    for name in description.get("sha1", {}):
        if name not in done:
            made_of = description.get("inputs", {}).get(name, "a corpus that was not recorded")
            yield f"{task.name}.{name}.jsonl: stays beside, as it was converted before, of {made_of}"


def _counts(number: int, targets: int) -> str:
    return f"{counted(number, 'record', ',')}, {counted(targets, 'target', ',')}"


def _number(number: int) -> str:
    return format(number, ",")


def _some(text: str, names: Sequence[str]) -> str:
    return text % (", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")) if names else ""


USAGE = Usage(
    {
        "The corpus": ["source", "task", "input", "split"],
        "Records": ["output"],
    },
    file="input",
)


def main() -> None:
    if not FLAGS.source or not FLAGS.input or not FLAGS.output:
        missing = ", ".join("--" + name for name in ("source", "input", "output") if not FLAGS[name].value)
        raise UserError(
            f"found no {missing}, expected --source=FORMAT --task=TASK --input=CORPUS --output=FOLDER; see --help"
        )
    source = SOURCES[FLAGS.source]
    name = FLAGS.task or source.tasks[0]
    if not FLAGS.task and len(source.tasks) > 1 or name not in source.tasks:
        given = f"--task={shorten(FLAGS.task)}" if FLAGS.task else "no --task"
        raise UserError(f"found {given}, expected one that --source={FLAGS.source} has: {', '.join(source.tasks)}")
    for option in ("split", "files", "tags", "units", "as_published", "dev_as_test", "language"):
        if FLAGS[option].present and option not in source.options:
            takers = ", ".join(name for name, other in SOURCES.items() if option in other.options)
            raise UserError(f"found --{option} with --source={FLAGS.source}, expected it with {takers}")
    task = TASKS[name]
    options = {option: FLAGS[option].value for option in source.options}
    if FLAGS.in_tenths:
        splits = in_tenths(_only(source, name, options))
        made_with = {"source": FLAGS.source, **options, "split": "", "in_tenths": True}
    else:
        splits = source.splits(FLAGS.input, name, **options)
        made_with = {"source": FLAGS.source, **options}
    done = convert(splits, task, FLAGS.output, made_with, os.path.abspath(os.path.expanduser(FLAGS.input)))
    published = _is_release(done, task)
    print("\n".join([*describe(done, task, published), *beside(done, task, Path(FLAGS.output).expanduser())]))
    print(f"wrote {', '.join(str(summary.path) for summary in done.values())}")


def _is_release(done: Mapping[str, Summary], task: Task) -> bool:
    """Whether what was converted is of the release that the published data was made of."""
    of_it = SOURCES[FLAGS.source].published and FLAGS.language == conll2012.LANGUAGE
    if FLAGS.source == "conllu":
        of_it = FLAGS.as_published and task.name == "dep"
    if of_it and (FLAGS.source == "conllu" or FLAGS.split or FLAGS.in_tenths):
        # a treebank, one file, or a folder that is a split as a whole, may be of another: the counts tell
        counts = {name: (summary.records, summary.targets) for name, summary in done.items()}
        return counts.items() <= task.counts.items()
    return of_it


def _only(source: Source, task: str, options: Mapping[str, Any]) -> Split:
    """The one split that there is."""
    if "split" in options and os.path.isfile(os.path.expanduser(FLAGS.input)):
        options = {**options, "split": options["split"] or "train"}
    splits = source.splits(FLAGS.input, task, **options)
    if len(splits) > 1:
        raise UserError(f"{FLAGS.input}: found {' and '.join(splits)}, expected one split to cut; choose with --split")
    return next(iter(splits.values()))


def command() -> None:
    """The console script nsmc-bert-convert."""
    cli.run(main, USAGE)


if __name__ == "__main__":
    command()
