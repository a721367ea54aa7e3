"""PropBank over the English Web Treebank: trees and predicates, in columns as `conll2012` reads them.

One file a split, named train, dev and test; or the release (https://github.com/propbank/propbank-release): one document
a file, *.xml.gold_conll or, without the words, *.xml.gold_skel, in data/google/ewt, with the lists
docs/evaluation/ewt.*.txt, which say what is train, dev and test. The words of skeletons are those of UD English-EWT,
en_ewt-ud-train.conllu and so on,
which has to stand, or be linked, in the same folder: its documents and sentences have the same names and numbers.
Sentences that it cuts into other words are left out, 29 of 16,579 with UD 2.16.
"""

import fnmatch
import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from nsmc_bert.base.errors import UserError
from nsmc_bert.base.text_files import lines
from probing.records import Record
from probing.sources import Split, check_task, conllu, files_below, files_by_split, select, sentence_of, split_of
from probing.sources.conll2012 import Sentence, all_records

TASKS = ("pos", "constituents", "srl")


def splits(path: str | os.PathLike[str], task: str, *, split: str = "", files: str = "*") -> dict[str, Split]:
    """The records of PropBank EWT.

    Args:
        path: a folder with en_ewt-pb-train.gold_conll and so on, or the release with UD English-EWT; or one file.
        task: one of TASKS.
        split: the one of a folder's splits that is asked for; or the split that one file is, or that a folder of
            documents without lists is.
        files: a pattern for the names in the folder, where it holds several files of a split.

    Returns:
        {split: sources.Split}.

    Raises:
        UserError: no file is found, or skeletons and no words. While records are read also Located: a line of another
            form.
    """
    check_task(task, TASKS, "PropBank EWT")
    group = sentence_of if task == "srl" else None
    path = Path(path).expanduser()
    listed = files_below(path) if not path.is_file() else []
    documents: dict[str, Path] = {}
    for file in listed:
        if (match := _DOCUMENT.fullmatch(file.name)) and fnmatch.fnmatchcase(file.name, files):
            name = "/".join((*file.parts[-3:-1], match[1]))
            if name not in documents or match[2] == "conll":
                documents[name] = file
    if not documents:
        by_split = files_by_split(path, ("gold_conll",), split, files)
        return {name: split_of(all_records, files, task, group=group, ewt=True) for name, files in by_split.items()}
    treebank = [file for file in listed if re.fullmatch(r"en_ewt-ud-(train|dev|test)\.conllu(\.gz|\.xz)?", file.name)]
    if not treebank and any(".gold_skel" in file.name for file in documents.values()):
        expected = "UD English-EWT's en_ewt-ud-train.conllu, dev and test in the same folder, for the words"
        raise UserError(f"{path}: found skeletons without words (gold_skel), expected {expected}")
    words = _Words(treebank)
    lists = {file.name[4:-4]: file for file in listed if re.fullmatch(r"ewt\.(train|dev|test)\.txt", file.name)}
    if not lists and split:
        files_of_split = sorted(documents.values())
        return {split: split_of(all_records, files_of_split, task, group=group, ewt=True, words=words)}
    if not lists:
        expected = (
            "the lists docs/evaluation/ewt.train.txt, dev and test, or --split, the one split that all of these are"
        )
        raise UserError(f"{path}: found {len(documents)} documents, expected {expected}")
    wanted = select(path, lists, split)
    return {name: split_of(_listed, names, documents, task, group=group, words=words) for name, names in wanted.items()}


_DOCUMENT = re.compile(r"(.+)\.xml\.gold_(conll|skel)(?:\.gz|\.xz)?")


def _listed(
    names: Path,
    documents: Mapping[str, Path],
    task: str,
    *,
    notes: Counter[str],
    words: Callable[[Sentence], list[str] | None],
) -> Iterator[Record]:
    files = []
    for _, line in lines(names):
        name = re.sub(r"(\.xml)?(\.conllu)?$", "", line.strip())
        if name in documents:
            files.append(documents[name])
        elif name:
            notes["document of the list without a file: left out"] += 1
    yield from all_records(files, task, notes=notes, ewt=True, words=words)


class _Words:
    """The words of UD English-EWT for a skeleton's sentence; None where it has others. Read when first asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    @functools.cached_property
    def _sentences(self) -> dict[str, list[tuple[str, str]]]:
        return {
            sentence.sent_id: [(word.form, word.xpos) for word in sentence.words]
            for file in self._files
            for sentence in conllu.sentences(file)
        }

    def __call__(self, sentence: Sentence) -> list[str] | None:
        *_, genre, _, name = sentence.document.split("/")
        number = int(sentence.part) + 1 if re.fullmatch(r"\d{1,9}", sentence.part) else 0
        ud_words = self._sentences.get(f"{genre}-{name.removesuffix('.xml')}-{number:04d}", ())
        same = sum(tag == xpos for tag, (_, xpos) in zip(sentence.tags, ud_words))
        # tags were mended here and there; a sentence that has hardly one in common is another one
        if len(ud_words) != len(sentence.tags) or len(ud_words) > 3 and same < len(ud_words) / 2:
            return None
        return [form for form, _ in ud_words]
