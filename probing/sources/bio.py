"""Entities in columns, a word and its tag a line: CoNLL-2003, WikiANN, and what else has BIO tags.

Columns between tabs, or white space where a line has no tab; the first is the word and the last the tag, O or B-TYPE,
I-TYPE and so on; an empty line after a sentence. WikiANN's words begin with their language, "ko:한국"; if all words of
a file begin with the same one, it is taken off. CoNLL-2003's lines of -DOCSTART- are passed over, and so are comments
above a sentence, "# id …", that end in no tag (MultiCoNER). A file whose first column numbers the words (GermEval) is
refused. The types are the corpus' own.

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

_LANGUAGE = re.compile(r"[a-z]{2,8}(-[a-z]+)*:")
_NEARLY = 0.9  # the share of words with one language from which on those without it are noted
_WHITE = re.compile(r"[^\S\u00a0\u202f]+")
_TAG = re.compile(r"O|([BIESLU])-(.+)")
_DOCUMENT = "-DOCSTART-"

Row = tuple[int, str, str]  # line, word, tag


def splits(path: str | os.PathLike[str], task: str, *, split: str = "", files: str = "*") -> dict[str, Split]:
    """The records of a corpus.

    Args:
        path: a folder of files with train, dev (or valid, testa) and test (or testb) in their names, or one file. Also
            compressed.
        task: "entities".
        split: the one of a folder's splits that is asked for, or the split that one file is.
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
        match = _TAG.fullmatch(tag)
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
        language = _language(path, notes)
        source = Path(os.path.abspath(path)).parent.name
        for sentence in _sentences(path):
            words = [one_word(word.removeprefix(language), notes) for _, word, _ in sentence]
            mentions = spans(path, ((line, tag) for line, _, tag in sentence))
            targets = tuple(Target((start, end), None, (kind,)) for start, end, kind in mentions)
            yield Record(" ".join(words), targets, {"source": source})


def _language(path: Path, notes: Counter[str]) -> str:
    """What all words of a file begin with, such as "ko:"; "" if they do not. Located where words are numbers alone."""
    languages: Counter[str] = Counter()
    numbered, longest, first = True, 0, 0
    for sentence in _sentences(path):
        first = first or sentence[0][0]
        longest = max(longest, len(sentence))
        numbered = numbered and all(word == str(place) for place, (_, word, _) in enumerate(sentence, 1))
        languages.update(match[0] if (match := _LANGUAGE.match(word)) else "" for _, word, _ in sentence)
    if numbered and longest > 1:
        expected = "the word in the first column and its tag in the last; cut the numbers off"
        raise Located(path, first, "the words 1, 2, … in each sentence, numbers as in GermEval", expected)
    most, times = max(languages.items(), key=lambda item: item[1], default=("", 0))
    others = languages.total() - times
    if most and others and times >= _NEARLY * languages.total():
        notes[f"word without {most}, which nearly all begin with: it is left on the others"] += others
    return "" if others else most


def _sentences(path: Path) -> Iterator[list[Row]]:
    sentence: list[Row] = []
    for number, line in lines(path):
        columns = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
        if len(columns) == 1:  # beside blanks, white space of other kinds is of a word, such as a no-break space
            columns = _WHITE.split(line.strip(" "))
        tag = columns[-1].strip()
        if not line.strip():
            if sentence:
                yield sentence
                sentence = []
        elif columns[0] == _DOCUMENT or not sentence and re.match("#[ \t]", line) and not _TAG.fullmatch(tag):
            continue
        elif len(columns) < 2:
            raise Located(path, number, f"one column: {shorten(line)}", "a word and its tag, such as 경찰<tab>B-OG")
        else:
            sentence.append((number, columns[0], tag))
    if sentence:
        yield sentence
