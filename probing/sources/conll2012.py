"""CoNLL-2012, the format of OntoNotes 5.0, and PropBank EWT's kindred one: trees, entities, predicates, coreference.

A word per line, an empty line after a sentence; brackets run down the columns. OntoNotes has columns between white
space: 0 document, 1 part, 2 index, 3 word, 4 tag, 5 tree, 6 lemma, 7 frameset, 8 sense, 9 speaker, 10 entities, then
one per predicate, and coreference last. PropBank EWT (`propbank` finds its files) has columns between tabs or white
space: 0 document, 1 sentence, 2 index, 3 word, 4 tag, 5 tree, 6 frame file, 7 roleset, then one per predicate.

The rules are the published ones (jiant's probing/data/extract_ontonotes_all.py):

pos, constituents: the leaves and the inner nodes of the trees, tags cut to their category (`brackets.category`). TOP is
a constituent, and of several constituents over the same words each is a target. The words are the trees': "(" is
    written -LRB-. An OntoNotes sentence with a word or tag XX has no tree, and no targets.
entities: every span of column 10.
srl: one record per predicate; span1 is the predicate's span V, span2 every other span of its column.
coref: all pairs of mentions in the same sentence, the earlier one first; 1 where they are of one chain, else 0.

Sentences without targets are records all the same. The published test data is the folder test, not conll-2012-test. A
document that is there in several versions (x.v4_gold_conll, x.v9_gold_conll, x.gold_conll) is read in the newest.
"""

import collections
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import lines
from probing.records import Record, Target
from probing.sources import (
    Split,
    brackets,
    check_task,
    files_below,
    named_split,
    one_word,
    select,
    sentence_of,
    split_name,
    split_of,
)

SKELETON = "[WORD]"
TASKS = ("pos", "constituents", "entities", "srl", "coref")
FOLDERS = ("train", "development", "dev", "test")  # which tell a split before any that have such a word in their names
LANGUAGE = "english"
Mention = tuple[int, int, int]  # first word, the one after the last, chain

_TREE_WORDS = {"(": "-LRB-", ")": "-RRB-"}


class Sentence(NamedTuple):
    """One sentence: where its first line is, document and part, and the columns of its words, a list of str each.

    entities and coreference are None where the format has none.
    """

    line: int
    document: str
    part: str
    words: list[str]
    tags: list[str]
    tree: list[str]
    entities: list[str] | None
    frames: list[list[str]]
    coreference: list[str] | None


def splits(path: str | os.PathLike[str], task: str, *, split: str = "", language: str = LANGUAGE) -> dict[str, Split]:
    """The records of OntoNotes.

    Args:
        path: the folder of the release (conll-formatted-ontonotes-5.0, or its data), which has folders train,
            development and test with files *gold_conll in them; or of files that have these in their names; or, with
            `split`, any folder or file.
        task: one of TASKS.
        split: where names tell splits, the one that is asked for; else the split that all files of the folder, or the
            file, are.
        language: of data/LANGUAGE/annotations, which the release has three of.

    Returns:
        {split: Split}.

    Raises:
        UserError: no file is found. While records are read also Located: a line that is none of CoNLL-2012.
    """
    check_task(task, TASKS, "CoNLL-2012")
    by_split = _gold_files(path, split, language)
    group = sentence_of if task == "srl" else None
    return {name: split_of(_documents, files, task, group=group) for name, files in by_split.items()}


def sentences(path: str | os.PathLike[str], ewt: bool = False) -> Iterator[Sentence]:
    """The sentences of a file.

    Args:
        path: the file; compressed where it ends in .gz or .xz.
        ewt: whether it is PropBank EWT's or OntoNotes'.

    Yields:
        Sentence.

    Raises:
        Located: a line has too few columns, or not as many as the one above it, or an index that does not go on.
        UserError: the file cannot be read.
    """
    least = 8 if ewt else 12
    rows: list[list[str]] = []
    first = 0
    for number, line in itertools.chain(lines(path), [(0, "")]):
        if line.strip() and not line.startswith("#"):
            columns = line.split("\t") if ewt and "\t" in line else line.split()
            if len(columns) < least:
                kind = "PropBank EWT" if ewt else "CoNLL-2012"
                found = f"{len(columns)} columns: {shorten(line)}"
                raise Located(path, number, found, f"{least} or more, as in {kind}")
            if rows and len(columns) != len(rows[0]):
                found = f"{len(columns)} columns after lines of {len(rows[0])}"
                raise Located(path, number, found, "as many in every line of a sentence, and an empty line between two")
            _check_index(path, number, columns[2], rows)
            first = first or number
            rows.append(columns)
        elif rows:
            by_column = [list(column) for column in zip(*rows)]
            if ewt and len(by_column) - 8 != (rolesets := sum(roleset != "-" for roleset in by_column[7])):
                found = f"{len(by_column) - 8} columns behind the eighth and {rolesets} rolesets in it"
                raise Located(path, first, found, "one column for each, as in PropBank EWT")
            words, tags, tree = by_column[3:6]
            if ewt:
                yield Sentence(first, rows[0][0], rows[0][1], words, tags, tree, None, by_column[8:], None)
            else:
                entities, frames, coreference = by_column[10], by_column[11:-1], by_column[-1]
                yield Sentence(first, rows[0][0], rows[0][1], words, tags, tree, entities, frames, coreference)
            rows, first = [], 0


def _check_index(path: str | os.PathLike[str], number: int, index: str, rows: Sequence[Sequence[str]]) -> None:
    """Raises Located unless a word's index goes on from the sentence's words above it; some files leave numbers out."""
    if not re.fullmatch(r"\d{1,9}", index, re.ASCII):
        expected = "a number in the third column; is there a blank in the document's name?"
        raise Located(path, number, f"the word index {shorten(index)}", expected)
    if not rows and int(index):
        raise Located(path, number, f"the word index {index} in a sentence's first line", "0")
    if rows and int(index) <= int(rows[-1][2]):
        expected = "a greater one, or an empty line between two sentences; is there a blank in the document's name?"
        raise Located(path, number, f"the word index {index} after {rows[-1][2]}", expected)


def mentions(cells: Iterable[str]) -> list[Mention]:
    """The mentions of a sentence from its coreference column.

    Args:
        cells: one str per word: "(3" opens a mention of chain 3, "3)" closes the one opened last, "(3)" is one word;
            "(1|(3" and "(1(3" are several. Anything without a bracket is none.

    Returns:
        list of (start, end, chain) in the order of the text, each once.

    Raises:
        brackets.Unbalanced: a cell of another form, a mention that is closed and not opened or the reverse.
    """
    spans: set[Mention] = set()
    open_: dict[str, list[int]] = collections.defaultdict(list)
    for i, cell in enumerate(cells):
        if "(" not in cell and ")" not in cell:
            continue
        pieces = re.findall(r"(\(?)(\d{1,18})(\)?)(\|?)", cell)
        if "".join(map("".join, pieces)) != cell or any(not opens and not closes for opens, _, closes, _ in pieces):
            raise brackets.Unbalanced(f"the cell {shorten(cell)} where (1, 1) or (1) was expected")
        for opens, chain, closes, _ in pieces:
            if opens:
                open_[chain].append(i)
            if closes:
                if not open_[chain]:
                    raise brackets.Unbalanced(
                        f"a mention of chain {chain} that is closed at word {i + 1} and not opened"
                    )
                spans.add((open_[chain].pop(), i + 1, int(chain)))
    if left := [chain for chain, starts in open_.items() if starts]:
        raise brackets.Unbalanced(f"a mention of chain {left[0]} that is never closed")
    return sorted(spans)


def coreferences(mentions: Iterable[Mention]) -> tuple[Target, ...]:
    """Targets of all pairs of mentions of one sentence: label 1 where they are of one chain, else 0."""
    return tuple(
        Target(first[:2], second[:2], (str(int(first[2] == second[2])),))
        for first, second in itertools.combinations(mentions, 2)
    )


def _gold_files(path: str | os.PathLike[str], split: str, language: str) -> dict[str, list[Path]]:
    """{split: list of files}."""
    path = Path(path).expanduser()
    if path.is_file():
        return {named_split(path, split): [path]}
    listed = files_below(path)
    gold = [file for file in listed if re.search(r"gold_conll(\.gz|\.xz)?$", file.name)]
    if not gold:
        skeletons = any(file.name.endswith("gold_skel") for file in listed)
        what = "skeletons without words (gold_skel)" if skeletons else "no file *gold_conll"
        raise UserError(f"{path}: found {what}, expected CoNLL-2012 files with their words")
    languages = {file: _language(file) for file in gold}
    gold = [file for file in gold if languages[file] in ("", language)]
    if not gold:
        others = ", ".join(sorted(set(languages.values())))
        raise UserError(f"{path}: found files in {others}, expected {language}; choose with --language")
    by_split: dict[str, list[Path]] = collections.defaultdict(list)
    for file in gold:
        names = file.relative_to(path).parts
        if match := re.fullmatch(r".*/data/\w+/annotations/(.+)", file.as_posix()):
            names = names[: -len(Path(match[1]).parts)]  # without the document's, such as nw/dev_09_c2e/00/…
        names = names[: names.index("annotations")] if "annotations" in names else names
        folders = [name for name in names if name in FOLDERS]
        told = next(filter(None, map(split_name, reversed(folders or names))), None)
        if told and "conll-2012-test" not in names:
            by_split[told].append(file)
    if by_split:
        return select(path, by_split, split)
    if split:
        return {split: gold}
    expected = (
        "train, development and test in folders' or files' names, or --split, the one split that all of these are"
    )
    raise UserError(f"{path}: found {len(gold)} files *gold_conll, expected {expected}")


def _language(file: Path) -> str:
    """The language that a file of the release, or train.english.v4_gold_conll, is in; "" where its path says none."""
    match = re.search(r"/data/(\w+)/annotations/", file.as_posix()) or re.search(
        r"\.(arabic|chinese|english)\.", file.name
    )
    return match[1] if match else ""


def _documents(files: Iterable[Path], task: str, *, notes: collections.Counter[str]) -> Iterator[Record]:
    """The records of files, each document once: of its versions the newest."""
    newest: dict[str, tuple[int, Path]] = {}
    for path in sorted(files):
        document = re.sub(r".*/annotations/", "", path.as_posix())
        name = re.search(r"\.(?:v(\d{1,4})_)?gold_conll(\.gz|\.xz)?$", document)
        document = document[: name.start()] if name else document
        rank = int(name[1]) if name and name[1] else 1 << 20  # the releases after v4 and v9 have no number
        if document in newest:
            notes["file of a document that another file has, in a newer version or the same: left out"] += 1
        if document not in newest or rank > newest[document][0]:
            newest[document] = rank, path
    yield from all_records(sorted(path for _, path in newest.values()), task, notes=notes)


def all_records(
    files: Iterable[Path],
    task: str,
    *,
    notes: collections.Counter[str],
    ewt: bool = False,
    words: Callable[[Sentence], list[str] | None] | None = None,
) -> Iterator[Record]:
    """The records of files.

    Args:
        files: list of Path.
        task: one of TASKS.
        notes: Counter of what was left out.
        ewt: whether they are PropBank EWT's.
        words: for skeletons, a function from a Sentence to its words, or None where they are not known.

    Yields:
        Record.

    Raises:
        Located: a line is none of CoNLL-2012, or has no word.
    """
    for path in files:
        for sentence in sentences(path, ewt):
            if SKELETON in sentence.words:
                if not words:
                    expected = "words: fill the skeletons with the licensed text's, as their README says"
                    raise Located(path, sentence.line, SKELETON, expected)
                filled = words(sentence)
                if not filled:
                    notes["sentence that UD English-EWT has not, or cuts into other words: left out"] += 1
                    continue
                sentence = sentence._replace(words=filled)
            try:
                yield from _records(sentence, task, notes, ewt)
            except brackets.Unbalanced as error:
                expected = f"brackets that match in the {len(sentence.words)} lines from here"
                raise Located(path, sentence.line, error, expected) from None


def _records(sentence: Sentence, task: str, notes: collections.Counter[str], ewt: bool) -> Iterator[Record]:
    part = int(sentence.part) if re.fullmatch(r"\d{1,18}", sentence.part) else sentence.part
    info = {"document_id": sentence.document, "sentence_id": part}
    words = [one_word(word, notes) for word in sentence.words]
    text = " ".join(words)
    targets: tuple[Target, ...]
    if task in ("pos", "constituents"):
        if ewt:
            targets = _tree(sentence, task)
        elif "XX" in sentence.tags or "XX" in words:
            notes["sentence without a tree (a word or tag XX): no targets"] += 1
            targets = ()
        else:
            text = " ".join(_TREE_WORDS.get(word, word) for word in words)
            targets = _tree(sentence, task)
        yield Record(text, targets, info)
    elif task == "entities":
        assert sentence.entities is not None  # PropBank EWT has no such task
        targets = tuple(Target((span.start, span.end), None, (span.tag,)) for span in brackets.spans(sentence.entities))
        yield Record(text, targets, info)
    elif task == "coref":
        assert sentence.coreference is not None  # likewise
        yield Record(text, coreferences(mentions(sentence.coreference)), info)
    else:
        for cells in sentence.frames:
            arguments = brackets.spans(cells)
            predicates = [(span.start, span.end) for span in arguments if span.tag == "V"]
            if predicates:
                others = [Target(predicates[-1], (s.start, s.end), (s.tag,)) for s in arguments if s.tag != "V"]
                yield Record(text, tuple(others), info)
            elif arguments:
                notes["frame without a predicate (V): left out"] += 1


def _tree(sentence: Sentence, task: str) -> tuple[Target, ...]:
    if task == "constituents":
        return tuple(map(brackets.constituent, brackets.spans(sentence.tree)))
    return tuple(
        Target((i, i + 1), None, (brackets.category(_TREE_WORDS.get(tag, tag)),)) for i, tag in enumerate(sentence.tags)
    )
