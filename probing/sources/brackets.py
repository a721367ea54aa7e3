"""Bracketed trees: the spans, heights and categories of their constituents."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from nsmc_bert.base.errors import shorten
from probing.records import Target

_BRACKETS = ("-LRB-", "-RRB-", "-LCB-", "-RCB-", "-LSB-", "-RSB-")
_FUNCTIONS = {
    "form_function_discrepancies": {"ADV", "NOM"},
    "grammatical_rule": {"DTV", "LGS", "PRD", "PUT", "SBJ", "TPC", "VOC"},
    "adverbials": {"BNF", "DIR", "EXT", "LOC", "MNR", "PRP", "TMP"},
    "miscellaneous": {"CLR", "CLF", "HLN", "TTL"},
}


class Unbalanced(ValueError):
    """Brackets that do not match; the message says which."""


class Span(NamedTuple):
    """What one pair of brackets holds: tag, words [start, end), and height: 1 for brackets that hold words alone."""

    tag: str
    start: int
    end: int
    height: int


def spans(cells: Iterable[str]) -> list[Span]:
    """The spans of one column of a CoNLL file: a cell per word, such as "(S(NP*", "*", "*))" or "(GPE)", which is
    "(GPE*)".

    Returns:
        list of Span in the order in which they open.

    Raises:
        Unbalanced: a cell of another form, a bracket that is never closed or never opened.
    """
    events: list[str] = []
    for cell in cells:
        if cell == "*":
            events.append(cell)
            continue
        if not re.fullmatch(r"(\([^()*\s]+)*\*?\)*", cell) or not cell:
            raise Unbalanced(f"the cell {shorten(cell)} where (LABEL*) was expected")
        opened, closed = cell.replace("*", "").rstrip(")"), cell.count(")")
        events += ["(" + tag for tag in opened.split("(")[1:]] + ["*"] + [")"] * closed
    return nest(events)


def nest(events: Iterable[str]) -> list[Span]:
    """Spans from a sequence of "(TAG", "*" for a word, and ")"."""
    tags: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    heights: list[int] = []
    open_: list[int] = []  # their numbers, the innermost last
    position = 0
    for event in events:
        if event == "*":
            position += 1
        elif event != ")":
            open_.append(len(tags))
            tags.append(event[1:])
            starts.append(position)
            ends.append(position)
            heights.append(1)
        else:
            if not open_:
                raise Unbalanced(f"a closing bracket too many after word {position}")
            number = open_.pop()
            ends[number] = position
            if starts[number] == position:
                raise Unbalanced(f"brackets without a word after word {position}")
            if open_:
                heights[open_[-1]] = max(heights[open_[-1]], heights[number] + 1)
    if open_:
        raise Unbalanced(f"{len(open_)} brackets that are never closed")
    return list(map(Span, tags, starts, ends, heights))


def category(tag: str) -> str:
    """The category of a tag: NP of NP-SBJ-1, ADVP of ADVP|PRT, -LRB- of -LRB-.

    What stands before the first of - = | counts, as in the published data (jiant's
    probing/data/extract_ontonotes_all.py), which keeps the names of brackets, and -S after them (PRP-S for PRP$).
    """
    if tag in _BRACKETS:
        return tag
    parts = re.split("[-=|]", tag)
    if not parts[0]:
        return tag
    return "-".join(parts[:2]) if parts[1:2] == ["S"] else parts[0]


def constituent(span: Span) -> Target:
    """The target of a constituent. Its info has its height, 2 where it holds words alone (1 is a word's), and, by their
    published names, the functions that its tag tells, such as SBJ of NP-SBJ."""
    info: dict[str, Any] = {"height": span.height + 1}
    functions = set(re.split("[-=|]", span.tag)[1:])
    for kind, names in _FUNCTIONS.items():
        if functions & names:
            info[kind] = sorted(functions & names)
    return Target((span.start, span.end), None, (category(span.tag),), info)
