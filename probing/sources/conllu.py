"""CoNLL-U, the format of Universal Dependencies, in any language: parts of speech, dependencies, entities.

Ten columns between tabs, words numbered from 1, an empty line after a sentence. A large treebank's train is several
files (Czech-PDT, German-HDT), which are read one after the other. Lines of multiword tokens (3-4) are passed over,
since their words follow; so are empty nodes (8.1), which are no words. A sentence whose words are all "_" has lost them
to somebody's rights (English-GUMReddit, French-FTB, Arabic-NYUAD) and is left out; a file without any other is refused.

pos: span1 is a word, its label the language's own tag (XPOS) or the universal one (UPOS). Or a morpheme, where LEMMA
    and XPOS have as many of them with + between, as in Korean treebanks (Kaist and GSD, whose auxiliaries have them in
    MISC, OrigLemma=a+b; PUD has them there, MSeg=a-b); see sources.morphemes. What is read then is the text as it is
    written, without spaces where SpaceAfter=No. A split without any XPOS is refused.
dep: span1 is the dependent, span2 its head; the root is its own head (jiant's probing/data/ud_to_json.py).
entities: the mentions in column MISC, as in CorefUD and GUM; see sources.mentions. A file without any is refused.

The published data (UD English-EWT r2.2) lacks every sentence with an empty node, and the last sentence of each file,
which its converter forgot: `as_published` leaves the same out. 12,522, 2,000 and 2,075 sentences are left.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.text_files import lines
from probing.records import Record, Target
from probing.sources import Split, check_task, files_by_split, mentions, morphemes, one_word, split_of

TASKS = ("pos", "dep", "entities")
UNITS = ("words", "morphemes")
WORDLESS = "no words: _ stands for each, since the text may not be published"


class Word(NamedTuple):
    """One word: the line it stands in, and its columns FORM, UPOS, XPOS, HEAD, DEPREL, MISC, LEMMA."""

    line: int
    form: str
    upos: str
    xpos: str
    head: str
    deprel: str
    misc: str
    lemma: str = "_"


class EmptyNode(NamedTuple):
    """An empty node: the line it stands in, how many words stand before it, its column MISC."""

    line: int
    after: int
    misc: str


class Sentence(NamedTuple):
    """One sentence: list of Word, its sent_id or "", the empty nodes among its words, and the document's order of the
    fields of Entity=, "" where it does not say."""

    words: list[Word]
    sent_id: str
    empty_nodes: tuple[EmptyNode, ...] = ()
    entity_fields: str = ""

    @property
    def has_words(self) -> bool:
        """Whether any word is more than the _ that stands for what may not be published."""
        return any(word.form != "_" for word in self.words)

    @property
    def has_entities(self) -> bool:
        """Whether a word or an empty node begins or ends a mention."""
        miscs = (*(word.misc for word in self.words), *(node.misc for node in self.empty_nodes))
        return any("Entity=" in misc for misc in miscs)


def splits(
    path: str | os.PathLike[str],
    task: str,
    *,
    split: str = "",
    files: str = "*",
    tags: str = "xpos",
    units: str = "words",
    as_published: bool = False,
) -> dict[str, Split]:
    """The records of a treebank.

    Args:
        path: a folder of .conllu files with train, dev and test in their names, or one file. Also compressed.
        task: one of TASKS.
        split: the one of a folder's splits that is asked for, or the split that one file is.
        files: a pattern for the names in the folder, where it holds several files of a split.
        tags: "xpos" or "upos", the column that labels parts of speech.
        units: what parts of speech are of, "words" or "morphemes"; the latter have tags in XPOS alone.
        as_published: leave out what the published data leaves out.

    Returns:
        {split: Split}.

    Raises:
        UserError: a file is not found, or morphemes are asked for where there are none. While records are read also
            Located: a line that is none of CoNLL-U.
    """
    check_task(task, TASKS, "CoNLL-U")
    if units != "words" and (task, tags) != ("pos", "xpos"):
        raise UserError(f"units: found {units} for {task} and {tags}, expected them for pos and xpos: UPOS is of words")
    by_split = files_by_split(path, (".conllu",), split, files)
    return {
        name: split_of(_records, files, task, tags=tags, units=units, as_published=as_published)
        for name, files in by_split.items()
    }


def sentences(path: str | os.PathLike[str]) -> Iterator[Sentence]:
    """The sentences of a file.

    Yields:
        Sentence.

    Raises:
        Located: a line has not ten columns, or an id that does not follow.
        UserError: the file cannot be read.
    """
    words: list[Word] = []
    empty_nodes: list[EmptyNode] = []
    sent_id, entity_fields = "", ""
    for number, line in lines(path):
        if not line.strip():
            if words:
                yield Sentence(words, sent_id, tuple(empty_nodes), entity_fields)
                words, sent_id, empty_nodes = [], "", []
            continue
        if line.startswith("#"):
            key, equals, value = line[1:].partition("=")
            if equals and key.strip() == "sent_id":
                sent_id = value.strip()
            elif equals and key.strip() == "global.Entity":
                entity_fields = value.strip()
            continue
        columns = line.split("\t")
        if len(columns) != 10:
            raise Located(
                path,
                number,
                f"{len(columns)} columns: {shorten(line)}",
                "10 with tabs between them, as in CoNLL-U",
            )
        name = columns[0]
        if name == str(len(words) + 1):
            form, lemma, upos, xpos, _, head, deprel, _, misc = columns[1:]
            words.append(Word(number, form, upos, xpos, head, deprel, misc, lemma))
        elif re.fullmatch(r"\d+\.\d+", name):
            empty_nodes.append(EmptyNode(number, len(words), columns[9]))
        elif not re.fullmatch(r"\d+-\d+", name):
            expected = f"{len(words) + 1}, a range such as 3-4, or an empty node such as 8.1"
            raise Located(path, number, f"the id {shorten(name)}", expected)
    if words:
        yield Sentence(words, sent_id, tuple(empty_nodes), entity_fields)


def targets(
    path: str | os.PathLike[str], sentence: Sentence, task: str, tags: str, notes: Counter[str]
) -> tuple[Target, ...]:
    """The targets of a sentence of `path`, tuple of Target; `task`, `tags` and Raises: as `splits`."""
    if task == "entities":
        return mentions.entities(Path(path), sentence, notes)
    out = []
    for i, word in enumerate(sentence.words):
        if task == "pos":
            tag = word.upos if tags == "upos" else word.xpos
            if tag == "_":
                notes[f"word without {tags.upper()}: no target"] += 1
            else:
                out.append(Target((i, i + 1), None, (tag,)))
        elif "_" in (word.head, word.deprel):
            notes["word without a head or relation: no target"] += 1
        else:
            if not re.fullmatch(r"\d{1,9}", word.head, re.ASCII) or int(word.head) > len(sentence.words):
                expected = f"0 or the id of one of the sentence's {len(sentence.words)} words"
                raise Located(path, word.line, f"the head {shorten(word.head)}", expected)
            head = int(word.head) - 1 if int(word.head) else i
            out.append(Target((i, i + 1), (head, head + 1), (word.deprel,)))
    return tuple(out)


def _records(
    files: Sequence[Path], task: str, *, tags: str, units: str, as_published: bool, notes: Counter[str]
) -> Iterator[Record]:
    if len(files) > 1:
        notes["files that are the split together: read one after the other"] = len(files)
    has_xpos = None
    for path in files:
        source, has_entities = Path(os.path.abspath(path)).parent.name, False
        for sentence in _with_words(
            path, _published(sentences(path), notes) if as_published else sentences(path), notes
        ):
            info = {"source": source, **({"sent_id": sentence.sent_id} if sentence.sent_id else {})}
            has_xpos = has_xpos or any(word.xpos != "_" for word in sentence.words)
            if units == "morphemes":
                yield morphemes.record(map(_morphemes, sentence.words), info, notes)
                continue
            text = " ".join(one_word(word.form, notes) for word in sentence.words)
            has_entities = has_entities or task == "entities" and sentence.has_entities
            yield Record(text, targets(path, sentence, task, tags, notes), info)
        if task == "entities" and not has_entities:
            raise Located(path, None, "no Entity= in column MISC", "mentions of entities, as CorefUD and GUM have them")
    if (task, tags, has_xpos) == ("pos", "xpos", False):
        raise Located(files[-1], None, "no XPOS", "the language's own tags; --tags=upos takes the universal ones")


def _morphemes(word: Word) -> morphemes.Word:
    """A word with its morphemes and their tags of XPOS.

    The morphemes are the first that are as many as the tags: those of OrigLemma= in column MISC (Kaist and GSD, whose
    LEMMA is an auxiliary's stem alone), of LEMMA, of MSeg= in MISC (PUD).
    """
    tags, misc = tuple(word.xpos.split("+")), dict(part.partition("=")[::2] for part in word.misc.split("|"))
    choices = [misc.get("OrigLemma", "").split("+"), word.lemma.split("+"), misc.get("MSeg", "").split("-")]
    if len(tags) > 1:
        pieces = next((pieces for pieces in choices if len(pieces) == len(tags)), [])
    else:  # one tag is no tag of several morphemes; a + that is written is none between them
        several = "+" in word.lemma.strip("+") and "+" not in word.form
        pieces = [word.form] if word.xpos != "_" and not several else []
    return morphemes.Word(word.form, tuple(pieces), tags, misc.get("SpaceAfter") != "No")


def _with_words(path: Path, sentences: Iterable[Sentence], notes: Counter[str]) -> Iterator[Sentence]:
    """Those of a file's sentences that have their words; Located where none has."""
    left_out, kept = 0, False
    for sentence in sentences:
        if sentence.has_words:
            kept = True
            yield sentence
        else:
            left_out += 1
    if left_out and not kept:
        raise Located(path, None, WORDLESS, "the treebank with its words; its README says how to get them")
    if left_out:
        notes["sentence without its words (all are _): left out"] += left_out


def _published(sentences: Iterable[Sentence], notes: Counter[str]) -> Iterator[Sentence]:
    """Those of a file's sentences that the published data has."""
    waiting: Sentence | None = None
    for sentence in sentences:
        if waiting and waiting.empty_nodes:
            notes["sentence with an empty node: left out, as in the published data"] += 1
        elif waiting:
            yield waiting
        waiting = sentence
    if waiting:
        notes["last sentence of the file: left out, as in the published data"] += 1
