"""Semantic proto-roles: what is true of an argument of a predicate, any number of twenty properties.

spr2 (White et al. 2016, http://decomp.io): a table with one annotator's answer, from 1 to 5, about one property a row,
over the sentences of UD English 1.2. span1 is the predicate's word, span2 the argument's, whose last word the table
counts in. Rows that are not applicable are passed over; a property is true where the mean of its answers is 4 or more
(jiant's probing/data/convert-spr2.py), and as there false where one of them is no number, as of three answer lists
[5, nan]. All protocols and pilots count, as published. A target whose properties are all false has no label.

spr1 (Teichert et al. 2017) is a JSON object a line, as Rachel Rudinger's, since its sentences are the Penn Treebank's:
{"tokens": […], "spr1": [{"pred_idx": 8, "arg_idx": 11, "responses": [{"spr_property": "awareness", "response": 1.0},
…]}, …], "split": "dev", "sent_id": "1940_1"}. Both spans are one word; a property is true where its answer is more than
3, and of several answers the last one counts, as published (jiant's probing/data/convert-spr1-rudinger.py).
"""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsmc_bert.base import archives
from nsmc_bert.base.errors import Located, UserError, shorten
from nsmc_bert.base.json_files import parse_line
from nsmc_bert.base.text_files import decode, lines, readable
from probing.records import Record, Target
from probing.sources import Split, check_task, conllu, files_below, files_by_split, one_word, split_of
from probing.tasks import SPLITS

SPR2_TABLE = "protoroles_eng_ud1.2_11082016.tsv"

Pair = tuple[int, tuple[int, int], tuple[int, int]]  # number of the sentence, span1, span2

_COLUMNS = (
    "Is.Pilot",
    "Sentence.ID",
    "Pred.Token",
    "Pred.Lemma",
    "Arg.Phrase",
    "Arg.Tokens.Begin",
    "Arg.Tokens.End",
    "Property",
    "Response",
    "Applicable",
    "Sent.Grammatical",
)


def spr1_splits(
    path: str | os.PathLike[str], task: str = "spr1", *, split: str = "", files: str = "*"
) -> dict[str, Split]:
    """The records of SPR1.

    Args:
        path: a folder with files *.json, which have train, dev and test in their names, or one file.
        task: "spr1".
        split: the one of a folder's splits that is asked for, or the split that one file is.
        files: a pattern for the names in the folder, where it holds several files of a split.

    Returns:
        {split: Split}.

    Raises:
        UserError: no file is found. While records are read also Located: a line of another form.
    """
    check_task(task, ("spr1",), "SPR1")
    by_split = files_by_split(path, (".json", ".jsonl"), split, files)
    return {name: split_of(_spr1_records, file) for name, [file] in by_split.items()}


def spr2_splits(path: str | os.PathLike[str], task: str = "spr2") -> dict[str, Split]:
    """The records of SPR2.

    Args:
        path: a folder with the table, or the archive protoroles_eng_udewt.tar.gz it comes in, and with UD English 1.2's
            sentences, en-ud-train.conllu and so on, or en-ud-train.words.txt with one sentence a line.
        task: "spr2".

    Returns:
        {split: Split}.

    Raises:
        UserError: a file is not found. While records are read also Located: a row of another form, or that points at no
            word.
    """
    check_task(task, ("spr2",), "SPR2")
    path = Path(path).expanduser()
    if path.is_file():
        raise UserError(f"{path}: one file, expected the folder that has the table and the sentences of UD English 1.2")
    files = files_below(path)
    table = next((file for file in files if file.name == SPR2_TABLE), None) or next(
        (file for file in files if re.fullmatch(r"protoroles_eng_ud.*\.tar\.gz", file.name)), None
    )
    if not table:
        raise UserError(f"{path}: found neither {SPR2_TABLE} nor protoroles_eng_udewt.tar.gz, expected one of them")
    texts: dict[str, Path] = {}
    for file in files:
        if match := re.fullmatch(r"en-ud-(train|dev|test)(\.words\.txt|\.conllu(\.gz|\.xz)?)", file.name):
            texts.setdefault(match[1], file)
    missing = [name for name in SPLITS if name not in texts]
    if missing:
        names = ", ".join(f"en-ud-{name}.conllu" for name in missing)
        raise UserError(f"{path}: found no {names}, expected the sentences of UD English 1.2, which the table counts")
    return {name: split_of(_spr2_records, table, name, texts[name]) for name in SPLITS}


def _spr2_records(table: Path, split: str, text_file: Path, *, notes: Counter[str]) -> Iterator[Record]:
    sentences = _sentences(text_file, notes)
    wanted = f"en-ud-{split}.conllu "
    answers: dict[Pair, dict[str, list[float]]] = {}
    first: dict[Pair, dict[str, str]] = {}
    grammatical: dict[int, str] = {}
    for number, row in _rows(table, wanted):
        if row["Applicable"] == "no":
            notes["answer about a property that is not applicable: left out"] += 1
            continue
        try:
            sentence = int(row["Sentence.ID"].removeprefix(wanted))
            predicate, start, end = (int(row[name]) for name in ("Pred.Token", "Arg.Tokens.Begin", "Arg.Tokens.End"))
            answer = float(row["Response"])
        except ValueError:
            expected = "whole numbers as sentence and tokens, and a number as answer"
            raise Located(table, number, shorten(list(row.values()), 200), expected) from None
        length = len(sentences[sentence - 1].split()) if 0 < sentence <= len(sentences) else 0
        if not (0 <= predicate < length and 0 <= start <= end < length):
            found = f"sentence {sentence}, predicate {predicate}, argument {start} to {end}"
            expected = f"words of {text_file}, which has {length} in that sentence; is it UD English 1.2?"
            raise Located(table, number, found, expected)
        pair = (sentence, (predicate, predicate + 1), (start, end + 1))
        answers.setdefault(pair, {}).setdefault(row["Property"], []).append(answer)
        first.setdefault(pair, row)
        grammatical.setdefault(sentence, row["Sent.Grammatical"])
    targets: dict[int, list[Target]] = {sentence: [] for sentence in grammatical}
    for (sentence, span1, span2), properties in answers.items():
        row = first[sentence, span1, span2]
        true = tuple(name for name, values in properties.items() if sum(values) / len(values) >= 4)
        info = {
            "span2_txt": row["Arg.Phrase"],
            "span1_text": sentences[sentence - 1].split()[span1[0]],
            "is_pilot": row["Is.Pilot"] == "True",
            "pred_lemma": row["Pred.Lemma"],
        }
        targets[sentence].append(Target(span1, span2, true, info))
    for sentence, pairs in targets.items():
        score = grammatical[sentence]
        info = {
            "source": "SPR2",
            "sent-id": str(sentence),
            "split": split,
            "grammatical": float(score) if re.fullmatch(r"\d+(\.\d+)?", score) else None,
            "sent_id": str(sentence),
        }
        yield Record(sentences[sentence - 1], tuple(pairs), info)


def _sentences(path: Path, notes: Counter[str]) -> list[str]:
    """The texts of a file, in its order."""
    if path.name.endswith(".txt"):
        return [line for _, line in lines(path)]
    parsed = list(conllu.sentences(path))
    if parsed and not any(sentence.has_words for sentence in parsed):
        raise Located(path, None, conllu.WORDLESS, "the sentences of UD English 1.2")
    return [" ".join(one_word(word.form, notes) for word in sentence.words) for sentence in parsed]


def _rows(path: Path, wanted: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, {column: value}) of each row of the table whose sentence is of the wanted file."""
    with _table(path) as rows:
        header = None
        for number, line in rows:
            values = line.split("\t")
            if header is None:
                header = values
                if missing := [name for name in _COLUMNS if name not in header]:
                    raise Located(path, number, f"no column {', '.join(missing)}", "SPR2's header line")
                sentence_at = header.index("Sentence.ID")
            elif line:
                if len(values) != len(header):
                    raise Located(path, number, f"{len(values)} columns", f"{len(header)} as in the header line")
                if values[sentence_at].startswith(wanted):
                    yield number, dict(zip(header, values))


@contextlib.contextmanager
def _table(path: Path) -> Iterator[Iterator[tuple[int, str]]]:
    """The lines of the table, from the archive if it is in one."""
    if path.suffix != ".gz":
        yield lines(path)
        return
    with readable(path), archives.open_tar_member(path, SPR2_TABLE) as file:
        yield decode(file, path)


def _spr1_records(path: Path, *, notes: Counter[str]) -> Iterator[Record]:
    for number, line in lines(path):
        if line.strip():
            try:
                yield _spr1_record(parse_line(line), notes)
            except (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
                why = f"no {error}" if isinstance(error, KeyError) else error
                expected = 'an object with "tokens" and "spr1": pred_idx, arg_idx and responses, each spr_property and '
                expected += "response"
                raise Located(path, number, f"{shorten(line)} ({why})", expected) from None


def _spr1_record(entry: Mapping[str, Any], notes: Counter[str]) -> Record:
    words = [one_word(word, notes) for word in entry["tokens"]]
    targets = []
    for pair in entry["spr1"]:
        predicate, argument = int(pair["pred_idx"]), int(pair["arg_idx"])
        if not (0 <= predicate < len(words) and 0 <= argument < len(words)):
            raise IndexError(f"pred_idx {predicate}, arg_idx {argument} of {len(words)} tokens")
        answers = {answer["spr_property"]: float(answer["response"]) for answer in pair["responses"]}
        true = tuple(sorted(name for name, value in answers.items() if value > 3))
        targets.append(Target((predicate, predicate + 1), (argument, argument + 1), true))
    info = {key: entry[key] for key in ("split", "sent_id") if key in entry}
    return Record(" ".join(words), tuple(targets), info)
