"""GUM, the Georgetown University Multilayer corpus: parts of speech, dependencies, constituents, entities, coreference.

A folder with dep/ (CoNLL-U, which has the words and sentences of all tasks), const/ (bracketed trees),
coref/ontogum/conll/ or ontogum/ (coreference in the manner of OntoNotes), and splits.md, which names the documents of
each split; where there are lists of one's own, train.txt, dev.txt, test.txt, with a name a line, they count instead.
The documents of reddit are published without their words and are left out until get_text.py, which comes with the
corpus, has brought these.

pos, dep: as in CoNLL-U.
constituents: the inner nodes of the trees, as in OntoNotes; the outermost, ROOT here, is called TOP as there.
entities: the mentions in column MISC of dep/, nested ones too. The types are GUM's (person, place, organization,
    object, event, time, substance, animal, plant, abstract).
coref: all pairs of OntoGUM's mentions in the same sentence, as in OntoNotes. Its file has no sentences: they are those
of dep/, word by word.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import lines
from probing.records import Record, Target
from probing.sources import Split, brackets, check_task, conll2012, conllu, mentions, one_word, split_of
from probing.tasks import SPLITS

TASKS = ("pos", "dep", "constituents", "entities", "coref")


def splits(
    path: str | os.PathLike[str], task: str, *, tags: str = "xpos", dev_as_test: bool = False
) -> dict[str, Split]:
    """The records of GUM.

    Args:
        path: the corpus' folder.
        task: one of TASKS.
        tags: "xpos" or "upos", the column that labels parts of speech.
        dev_as_test: where the test documents are not at hand, test on those of dev.txt, and take every tenth document
            of train.txt for dev.

    Returns:
        {split: Split} for each list of documents that is there; splits.md's test2, of other genres, is none.

    Raises:
        UserError: there are no lists, or with `dev_as_test` not those two. While records are read also: a document is
            missing; Located: a line that cannot be read, or layers that do not have the same words.
    """
    check_task(task, TASKS, "GUM")
    folder = Path(path).expanduser()
    lists = {name: folder / (name + ".txt") for name in SPLITS}
    listed = {name: file for name, file in lists.items() if file.is_file()}
    if not listed and (table := folder / "splits.md").is_file():
        listed = {name: table for name in lists if any(_documents(table, name))}
    if not listed:
        expected = "GUM's folder, with dep/ and splits.md or lists of documents, one name a line"
        raise UserError(f"{folder}: found no splits.md, train.txt, dev.txt or test.txt, expected {expected}")
    if not dev_as_test:
        return {name: split_of(_records, folder, file, name, task, tags=tags) for name, file in listed.items()}
    if sorted(listed) != ["dev", "train"]:
        raise UserError(
            f"{folder}: found lists for {' and '.join(listed)}, expected train and dev alone for --dev_as_test"
        )
    parts = {
        "train": ("train", lambda number: number % 10 != 9),
        "dev": ("train", lambda number: number % 10 == 9),
        "test": ("dev", lambda number: True),
    }
    return {
        name: split_of(_records, folder, listed[of], of, task, tags=tags, keep=keep)
        for name, (of, keep) in parts.items()
    }


def _documents(path: Path, split: str) -> Iterator[tuple[int, str]]:
    """(line number, name) of each document of a split, from a list of its own or from splits.md."""
    markdown, section = path.suffix == ".md", None
    for number, line in lines(path):
        if markdown and line.startswith("#"):
            section = line.lstrip("#").strip().lower()
        elif not markdown and line.strip():
            yield number, line.strip()
        elif section == split and (item := re.match(r"\s*[*-]\s+(\S+)", line)):
            yield number, item[1]


def _records(
    folder: Path,
    names: Path,
    split: str,
    task: str,
    *,
    tags: str,
    notes: Counter[str],
    keep: Callable[[int], bool] = lambda number: True,
) -> Iterator[Record]:
    for position, (number, name) in enumerate(_documents(names, split)):
        if not keep(position):
            continue
        dep = _layer(folder, names, number, name, ".conllu", "dep")
        sentences = list(conllu.sentences(dep))
        if not any(sentence.has_words for sentence in sentences):
            notes[
                "document without its words (all are _; get_text.py, which comes with GUM, brings them): left out"
            ] += 1
            continue
        if task in ("pos", "dep"):
            per_sentence: Iterator[tuple[Target, ...]] = (
                conllu.targets(dep, sentence, task, tags, notes) for sentence in sentences
            )
        elif task == "entities":
            per_sentence = (mentions.entities(dep, sentence, notes) for sentence in sentences)
        elif task == "constituents":
            per_sentence = _constituents(_layer(folder, names, number, name, ".ptb", "const"), sentences)
        else:
            path = _layer(folder, names, number, name, ".conll", "coref/ontogum/conll", "ontogum")
            per_sentence = _coreferences(path, sentences)
        for sentence, targets in zip(sentences, per_sentence):
            text = " ".join(one_word(word.form, notes) for word in sentence.words)
            yield Record(text, targets, {"source": "GUM", "sent_id": sentence.sent_id})


def _layer(folder: Path, names: Path, number: int, name: str, ending: str, *places: str) -> Path:
    for place in places:
        if os.path.isfile(
            path := folder / place / (name + ending)
        ):  # not pathlib's, which raises for a name that is too long
            return path
    where = " or ".join(f"{place}/{name}{ending}" for place in places)
    raise Located(names, number, f"the document {shorten(name)} and no file for it", f"{where} in {folder}")


def _constituents(path: Path, sentences: Sequence[conllu.Sentence]) -> Iterator[tuple[Target, ...]]:
    """The targets of each sentence, from as many trees."""
    trees = list(_trees(path))
    if len(trees) != len(sentences):
        raise Located(path, None, f"{len(trees)} trees", f"{len(sentences)}, one for each sentence in dep/")
    for (line, events), sentence in zip(trees, sentences):
        words = events.count("*")
        if words != len(sentence.words):
            found = f"a tree of {words} words"
            raise Located(path, line, found, f"the {len(sentence.words)} of sentence {sentence.sent_id} in dep/")
        try:
            spans = brackets.nest(events)
        except brackets.Unbalanced as error:
            raise Located(path, line, error, "words in all brackets of the tree that begins here") from None
        yield tuple(brackets.constituent(span._replace(tag="TOP") if span.tag == "ROOT" else span) for span in spans)


def _trees(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(first line, events for brackets.nest) of each tree of a file; a tree may have any line ends and indentation."""
    events, depth, first, before = [], 0, None, ""
    for number, line in lines(path):
        for piece in re.findall(r"\([^\s()]*|\)|[^\s()]+", line):
            opens, closes = piece.startswith("("), piece == ")"
            in_leaf = before and before not in "()"
            if in_leaf and not closes or not opens and not (depth if closes else before == "("):
                raise Located(path, number, shorten(piece), "a tree, such as (ROOT (NP (NN water)))")
            first = first or number
            if opens:
                events.append(piece)
            elif not closes:
                events[-1] = "*"  # the bracket was a word's
            elif not in_leaf:
                events.append(")")
            depth += opens - closes
            before = "(" if opens else piece
            if not depth:
                yield first, events
                events, first, before = [], None, ""
    if depth:
        raise Located(path, first, "a tree that is never closed", "as many closing brackets as opening ones")


def _coreferences(path: Path, sentences: Sequence[conllu.Sentence]) -> Iterator[tuple[Target, ...]]:
    """The targets of each sentence, from its words' rows."""
    rows = [(number, line.split("\t")) for number, line in lines(path) if line.strip() and not line.startswith("#")]
    words = sum(len(sentence.words) for sentence in sentences)
    if len(rows) != words:
        raise Located(path, None, f"{len(rows)} words", f"the {words} that dep/ has")
    at = 0
    for sentence in sentences:
        here = rows[at : at + len(sentence.words)]
        at += len(sentence.words)
        try:
            yield conll2012.coreferences(conll2012.mentions([columns[-1] for _, columns in here]))
        except brackets.Unbalanced as error:
            raise Located(path, here[0][0], error, f"brackets that match in the {len(here)} lines from here") from None
