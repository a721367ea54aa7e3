"""KLUE's dependencies (KLUE-DP) and named entities (KLUE-NER), as published: parts of speech, dependencies, entities.

Lines that begin with ## are comments; the one above a sentence has its name. An empty line stands after a sentence.
KLUE publishes no test; where its train is not at hand either, dev can be cut (probing.convert --in_tenths).

KLUE-DP has words, which white space parts, in six columns between tabs: INDEX from 1, WORD_FORM, LEMMA, the morphemes
with spaces between, POS, their tags with + between, HEAD, DEPREL.

pos: span1 is a word, its label the tags as they stand there (xpos), or a universal part of speech made of them (upos):
    that of the word's stem, not of what is added to it. Or a morpheme; see sources.morphemes.
dep: span1 is the dependent, span2 its head; the root is its own head. The labels are KLUE's (NP_SBJ, VP_MOD, …).

KLUE-NER has a character and its BIO tag a line, spaces too. Its guideline leaves out particles, so that a mention ends
inside a word more often than not: <경찰:OG>은.

entities: span1 is the words of a mention, its label KLUE's type (DT, LC, OG, PS, QT, TI). A word is cut where a
    mention begins or ends in it, and its parts are glued words: 경찰 and 은; of 김모(33)씨, where 김 and 33 are
    mentions, 김, 모(, 33 and )씨. Nowhere else are words cut.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import lines
from probing.records import Record, Target
from probing.sources import Split, bio, check_task, conllu, files_by_split, morphemes, one_word, split_of

TASKS = ("pos", "dep", "entities")

_UPOS = {  # of one tag of the Sejong corpus; those that are not here have their first letters' below
    "NNP": "PROPN",
    "NP": "PRON",
    "NR": "NUM",
    "VA": "ADJ",
    "VX": "AUX",
    "VCP": "AUX",
    "VCN": "ADJ",
    "MMN": "NUM",
    "MAJ": "CCONJ",
    "IC": "INTJ",
    "JC": "CCONJ",
    "EC": "SCONJ",
    "ETM": "SCONJ",
    "ETN": "SCONJ",
    "XSV": "VERB",
    "XSA": "ADJ",
    "XR": "NOUN",
    "SN": "NUM",
    "SL": "X",
    "SH": "X",
    "SW": "SYM",
    "NA": "X",
    "NF": "X",
    "NV": "X",
}
_UPOS_BY_LETTER = {
    "N": "NOUN",
    "V": "VERB",
    "MM": "DET",
    "MA": "ADV",
    "J": "ADP",
    "E": "PART",
    "X": "PART",
    "S": "PUNCT",
}
# what a word is, by the first of these kinds of tags that it has: the stem of a predicate, a noun, the rest
_PREDICATES, _NOUNS = ("VV", "VA", "VX", "VCN", "XSV", "XSA"), ("NNG", "NNP", "NNB", "XR")
_STEMS = ("NP", "NR", "SN", "MM", "MA", "IC", "SL", "SH", "N", "V", "X", "J", "E", "SW", "S")


def splits(
    path: str | os.PathLike[str],
    task: str,
    *,
    split: str = "",
    files: str = "*",
    tags: str = "xpos",
    units: str = "words",
) -> dict[str, Split]:
    """The records of KLUE-DP or KLUE-NER.

    Args:
        path: a folder with klue-dp-*.tsv (pos, dep) or klue-ner-*.tsv (entities), train and dev in their names; or one
            such file. Also compressed.
        task: one of TASKS.
        split: the one of a folder's splits that is asked for, or the split that one file is.
        files: a pattern for the names in the folder, where it holds several files of a split.
        tags: "xpos" or "upos", what labels parts of speech.
        units: what parts of speech are of, "words" or "morphemes".

    Returns:
        {split: Split}.

    Raises:
        UserError: a file is not found, or morphemes are asked for where there are none. While records are read also
            Located: a line of another form.
    """
    check_task(task, TASKS, "KLUE")
    if units != "words" and task != "pos":
        raise UserError(f"units: found {units} for {task}, expected them for pos")
    corpus = "klue-ner" if task == "entities" else "klue-dp"
    by_split = files_by_split(path, (".tsv",), split, f"{corpus}*" if files == "*" else files)
    if task == "entities":
        return {name: split_of(_entities, paths) for name, paths in by_split.items()}
    return {name: split_of(_words, paths, task, tags=tags, units=units) for name, paths in by_split.items()}


def upos(tags: str) -> str:
    """The universal part of speech of a word, by its tags.

    Verbs and adjectives go by their stem, and a suffix that makes one of a noun counts; other words go by their last
    noun, and then by the first tag that is no particle, ending or mark. A noun with the copula is a noun.

    Args:
        tags: of the Sejong corpus with + between, or one of them.

    Returns:
        One of UD's 17; X for what has no place there.

    Example:
        >>> upos("NNG+XSV+EP+EF+SF"), upos("NNG+JKS"), upos("NNG+VCP+EF"), upos("JKS")
        ('VERB', 'NOUN', 'NOUN', 'ADP')
    """
    parts = tags.split("+")
    if predicate := next((tag for tag in parts if tag in _PREDICATES), ""):
        return _upos(predicate)
    if nouns := [tag for tag in parts if tag in _NOUNS]:
        return _upos(nouns[-1])
    return _upos(next((tag for kind in _STEMS for tag in parts if tag.startswith(kind)), parts[0]))


def _upos(tag: str) -> str:
    return _UPOS.get(tag) or next((kind for start, kind in _UPOS_BY_LETTER.items() if tag.startswith(start)), "X")


def _blocks(path: Path) -> Iterator[tuple[str, list[tuple[int, list[str]]]]]:
    """(name, [(line, columns)]) of each sentence."""
    name = ""
    rows: list[tuple[int, list[str]]] = []
    for number, line in lines(path):
        if re.match("##[^\t]*", line) and not rows:
            name = line[2:].partition("\t")[0].strip()
        elif line.strip():
            rows.append((number, line.split("\t")))
        elif rows:
            yield name, rows
            name, rows = "", []
    if rows:
        yield name, rows


def _words(files: Sequence[Path], task: str, *, tags: str, units: str, notes: Counter[str]) -> Iterator[Record]:
    for path in files:
        for name, rows in _blocks(path):
            words = [_word(path, number, row, place) for place, (number, row) in enumerate(rows, 1)]
            info = {"source": "KLUE-DP", **({"sent_id": name} if name else {})}
            if units == "morphemes":
                yield morphemes.record((_morphemes(word, tags) for word in words), info, notes)
                continue
            targets = conllu.targets(path, conllu.Sentence(words, name), task, tags, notes)
            yield Record(" ".join(one_word(word.form, notes) for word in words), targets, info)


def _word(path: Path, number: int, row: list[str], place: int) -> conllu.Word:
    if len(row) != 6:
        found = f"{len(row)} columns: {shorten(chr(9).join(row))}"
        raise Located(path, number, found, "6 with tabs between them, INDEX, WORD_FORM, LEMMA, POS, HEAD, DEPREL")
    index, form, lemma, pos, head, relation = row
    if index != str(place):
        raise Located(path, number, f"the index {shorten(index)}", f"{place}, or an empty line before a sentence")
    return conllu.Word(number, form, upos(pos) if pos != "_" else pos, pos, head, relation, "_", lemma)


def _morphemes(word: conllu.Word, tags: str) -> morphemes.Word:
    if word.xpos == "_":
        return morphemes.Word(word.form, (), ())
    labels = tuple(word.xpos.split("+"))
    return morphemes.Word(
        word.form, tuple(word.lemma.split(" ")), tuple(map(upos, labels)) if tags == "upos" else labels
    )


def _entities(files: Sequence[Path], *, notes: Counter[str]) -> Iterator[Record]:
    for path in files:
        for name, rows in _blocks(path):
            for number, row in rows:
                if len(row) != 2 or len(row[0]) != 1:
                    expected = "a character and its tag with a tab between them, such as 경<tab>B-OG"
                    raise Located(path, number, shorten("\t".join(row)), expected)
            characters = [row[0] for _, row in rows]
            mentions = list(bio.spans(path, ((number, row[1]) for number, row in rows)))
            yield _record(characters, mentions, {"source": "KLUE-NER", **({"sent_id": name} if name else {})}, notes)


def _record(
    characters: Sequence[str], mentions: Sequence[tuple[int, int, str]], info: dict[str, str], notes: Counter[str]
) -> Record:
    """A sentence of characters with mentions of some, as words."""
    edges = {edge for start, end, _ in mentions for edge in (start, end)}
    words: list[str] = []
    glued: list[int] = []
    word_of: list[int | None] = []  # of each character
    for place, (before, character) in enumerate(itertools.pairwise([" ", *characters])):
        if character.isspace():
            word_of.append(None)
            continue
        if before.isspace():
            words.append("")
        elif place in edges:
            glued.append(len(words))
            words.append("")
        words[-1] += character
        word_of.append(len(words) - 1)
    if glued:
        notes["word cut where a mention begins or ends in it: its parts are words, glued"] += len(glued)
    targets = []
    for start, end, kind in mentions:
        inside = [word for word in word_of[start:end] if word is not None]
        if inside:
            targets.append(Target((inside[0], inside[-1] + 1), None, (kind,)))
        else:
            notes["mention of spaces alone: left out"] += 1
    return Record(" ".join(words), tuple(targets), info, glued=tuple(glued))
