"""Mentions of entities in column MISC of CoNLL-U: Entity=(id-type-… opens one, id) closes it, (id-type-…) does both.

What a mention's label says stands in an order that "# global.Entity" gives for the document: eid-etype-head-… in
CorefUD and in newer releases of GUM, entity-GRP-… in GUM up to version 7; releases that do not say have (id-type-… or
(type-id-…. The types are the corpus' own, and some corpora of CorefUD have none. What a mention says after them, which
may hold further hyphens, is not read.

Empty nodes (8.1) may have mentions, begin them and end them; spans are of the words between.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nsmc_bert.base.errors import Located, shorten
from probing.records import Target

if TYPE_CHECKING:
    from probing.sources.conllu import Sentence

_IDS, _TYPES = ("GRP", "eid"), ("etype", "entity")  # what "# global.Entity" calls a mention's cluster and its type
_PART = re.compile(r"\[\d+/\d+\]$")  # of a mention with a gap, after its id


class _Label(NamedTuple):
    id: str
    kind: str


class _Open(NamedTuple):
    id: str
    kind: str
    start: int  # its first word


def entities(path: Path, sentence: Sentence, notes: Counter[str]) -> tuple[Target, ...]:
    """One target per mention of a sentence, in the order of their first words.

    Args:
        path: the file, for errors.
        sentence: a conllu.Sentence.
        notes: what is left out is counted here.

    Raises:
        Located: a value of Entity= that is none.
    """
    targets: list[Target] = []
    opened: list[_Open] = []
    for line, value, start, end in _values(sentence):
        pieces = re.findall(r"(\(?)([^()]+)(\)?)", value)
        if "".join(map("".join, pieces)) != value or any(not opens and not closes for opens, _, closes in pieces):
            raise Located(path, line, shorten("Entity=" + value), "(id-type-…), (id-type-… or id)")
        for opens, text, closes in pieces:
            if opens:
                opened.append(_Open(*_label(path, line, text, sentence.entity_fields), start))
            if not closes:
                continue
            # the innermost one of that id; the oldest releases close with the whole label
            last = len(opened) - 1 if opens else _innermost(opened, text)
            if last is None and "-" in text:
                last = _innermost(opened, _label(path, line, text, sentence.entity_fields).id)
            if last is None:
                notes["mention that begins in another sentence: left out"] += 1
                continue
            mention = opened.pop(last)
            if _PART.search(mention.id):
                notes["part of a mention with a gap: left out"] += 1
            elif not mention.kind:
                notes["mention without a type: left out"] += 1
            elif mention.start >= end:
                notes["mention of empty nodes alone: left out"] += 1
            else:
                targets.append(Target((mention.start, end), None, (mention.kind,)))
    if opened:
        notes["mention that ends in another sentence: left out"] += len(opened)
    return tuple(sorted(targets, key=lambda target: target.span1))


def _values(sentence: Sentence) -> Iterator[tuple[int, str, int, int]]:
    """(line, the value of Entity=, the first word of what it opens, the one after the last of what it closes)."""
    words = ((i + 0.5, word.line, word.misc, i, i + 1) for i, word in enumerate(sentence.words))
    nodes = ((float(node.after), node.line, node.misc, node.after, node.after) for node in sentence.empty_nodes)
    for _, line, misc, start, end in sorted((*words, *nodes), key=lambda each: each[:2]):
        value = next((part[7:] for part in misc.split("|") if part.startswith("Entity=")), "")
        if value:
            yield line, value, start, end


def _innermost(mentions: Sequence[_Open], name: str) -> int | None:
    return next((k for k in reversed(range(len(mentions))) if mentions[k].id == name), None)


def _label(path: Path, line: int, text: str, fields: str) -> _Label:
    """What a mention says of itself, in the order of the document's "# global.Entity"."""
    parts, order = text.split("-"), fields.split("-")
    ids, types = ([place for place, field in enumerate(order) if field in names] for names in (_IDS, _TYPES))
    if not fields:  # the oldest releases do not say
        ids, types = ([0], [1]) if parts[0].isdecimal() else ([1], [0])
    numbered = not fields or ids and order[ids[0]] == "GRP"  # CorefUD's clusters have names, such as e12
    if (
        not ids
        or not types
        or len(parts) <= max(ids[0], types[0])
        or not (parts[ids[0]].isdecimal() if numbered else parts[ids[0]])
    ):
        cluster = "a number" if numbered else "a name"
        expected = f"{cluster} that is its cluster, and a type" + (
            f", in the order {shorten(fields)}" if fields else ""
        )
        raise Located(path, line, f"the entity {shorten(text)}", expected)
    return _Label(parts[ids[0]], parts[types[0]])
