"""Bracketed trees: the spans, heights and categories of their constituents."""

import re
from typing import NamedTuple

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


def spans(cells):
    """The spans of one column of a CoNLL file: a cell per word, such as "(S(NP*", "*", "*))" or "(GPE)", which is
    "(GPE*)".

    Returns:
        list of Span in the order in which they open.

    Raises:
        Unbalanced: a cell of another form, a bracket that is never closed or never opened.
    """
    events = []
    for cell in cells:
        if cell == "*":
            events.append(cell)
            continue
        if not re.fullmatch(r"(\([^()*\s]+)*\*?\)*", cell) or not cell:
            raise Unbalanced(f"the cell {shorten(cell)} where (LABEL*) was expected")
        opened, closed = cell.replace("*", "").rstrip(")"), cell.count(")")
        events += ["(" + tag for tag in opened.split("(")[1:]] + ["*"] + [")"] * closed
    return nest(events)


def nest(events):
    """Spans from a sequence of "(TAG", "*" for a word, and ")"."""
    found, open_, position = [], [], 0
    for event in events:
        if event == "*":
            position += 1
        elif event != ")":
            open_.append(len(found))
            found.append([event[1:], position, None, 1])
        else:
            if not open_:
                raise Unbalanced("a closing bracket too many after word %d" % position)
            node = found[open_.pop()]
            node[2] = position
            if node[1] == position:
                raise Unbalanced("brackets without a word after word %d" % position)
            if open_:
                above = found[open_[-1]]
                above[3] = max(above[3], node[3] + 1)
    if open_:
        raise Unbalanced("%d brackets that are never closed" % len(open_))
    return [Span(*node) for node in found]


def category(tag):
    """The category of a tag: NP of NP-SBJ-1, ADVP of ADVP|PRT, -LRB- of -LRB-.

    What stands before the first of - = | counts, as in the published data (spec A.6, extract_ontonotes_all.py), which
    keeps the names of brackets, and -S after them (PRP-S for PRP$).
    """
    if tag in _BRACKETS:
        return tag
    parts = re.split("[-=|]", tag)
    if not parts[0]:
        return tag
    return "-".join(parts[:2]) if parts[1:2] == ["S"] else parts[0]


def constituent(span):
    """The target of a constituent. Its info has its height, 2 where it holds words alone (1 is a word's), and, by their
    published names, the functions that its tag tells, such as SBJ of NP-SBJ."""
    info = {"height": span.height + 1}
    functions = set(re.split("[-=|]", span.tag)[1:])
    for kind, names in _FUNCTIONS.items():
        if functions & names:
            info[kind] = sorted(functions & names)
    return Target((span.start, span.end), None, (category(span.tag),), info)
