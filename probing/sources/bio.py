"""Entities in columns, a word and its tag a line: CoNLL-2003, WikiANN, and what else has BIO tags.

Columns between tabs, or white space where a line has no tab; the first is the word and the last the tag, O or B-TYPE,
I-TYPE and so on; an empty line after a sentence. WikiANN's words begin with their language, "ko:한국"; if all words of
a file begin with the same one, it is taken off. CoNLL-2003's lines of -DOCSTART- are passed over. The types are the
corpus' own.

Tags are read as conlleval reads them, so that IOB1, BIO and BIOES (or BILOU) all mean what they say: a mention begins
with B, or S or U, and with any tag after O, after another type, or after E or L.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nsmc_bert.base.errors import Located, shorten
from nsmc_bert.base.text_files import lines
from probing.records import Record, Target
from probing.sources import Split, check_task, files_by_split, one_word, split_of

TASKS = ("entities",)

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*:")
_DOCUMENT = "-DOCSTART-"

Row = tuple[int, str, str]  # line, word, tag


def splits(path: str | os.PathLike[str], task: str, *, split: str = "", files: str = "*") -> dict[str, Split]:
    """The records of a corpus.

    Args:
        path: a folder of files with train, dev (or valid, testa) and test (or testb) in their names, or one file. Also
            compressed.
        task: "entities".
        split: the split that one file is.
        files: a pattern for the names in the folder, where it holds several files of a split.

    Returns:
        {split: Split}.

    Raises:
        UserError: a file is not found. While records are read also Located: a line without word and tag.
    """
    check_task(task, TASKS, "a file of BIO tags")
    return {name: split_of(_records, paths) for name, paths in files_by_split(path, ("",), split, files).items()}


def spans(path: str | os.PathLike[str], tags: Iterable[tuple[int, str]]) -> Iterator[tuple[int, int, str]]:
    """The mentions of a sentence, (first, one after the last, type), in their order.

    Args:
        path: the file, for errors.
        tags: (line, tag) of each word, or of each character.

    Raises:
        Located: a tag of another form.
    """
    start, kind, last = 0, "", -1
    for last, (line, tag) in enumerate(tags):
        match = re.fullmatch(r"O|([BIESLU])-(.+)", tag)
        if not match:
            raise Located(path, line, f"the tag {shorten(tag)}", "O, or a type after B-, I-, E-, S-, L- or U-")
        place, new = match[1] or "", match[2] or ""
        if kind and (new != kind or place in "BSU"):
            yield start, last, kind
            kind = ""
        if new and not kind:
            start, kind = last, new
        if kind and place in "ESLU":
            yield start, last + 1, kind
            kind = ""
    if kind:
        yield start, last + 1, kind


def _records(files: Sequence[Path], *, notes: Counter[str]) -> Iterator[Record]:
    for path in files:
        language = _language(path)
        source = Path(os.path.abspath(path)).parent.name
        for sentence in _sentences(path):
            words = [one_word(word.removeprefix(language), notes) for _, word, _ in sentence]
            mentions = spans(path, ((line, tag) for line, _, tag in sentence))
            targets = tuple(Target((start, end), None, (kind,)) for start, end, kind in mentions)
            yield Record(" ".join(words), targets, {"source": source})


def _language(path: Path) -> str:
    """What all words of a file begin with, such as "ko:"; "" if they do not."""
    languages = set()
    for sentence in _sentences(path):
        for _, word, _ in sentence:
            match = _LANGUAGE.match(word)
            languages.add(match[0] if match else "")
            if len(languages) > 1 or "" in languages:
                return ""
    return languages.pop() if languages else ""


def _sentences(path: Path) -> Iterator[list[Row]]:
    sentence: list[Row] = []
    for number, line in lines(path):
        columns = line.split("\t") if "\t" in line else line.split()
        if not line.strip():
            if sentence:
                yield sentence
                sentence = []
        elif columns[0] == _DOCUMENT:
            continue
        elif len(columns) < 2:
            raise Located(path, number, f"one column: {shorten(line)}", "a word and its tag, such as 경찰<tab>B-OG")
        else:
            sentence.append((number, columns[0], columns[-1].strip()))
    if sentence:
        yield sentence
