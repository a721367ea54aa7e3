"""probing.sources.brackets: spans, heights and categories against trees that are counted another way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probing.records import Target
from probing.sources import brackets
from probing.sources.brackets import Span


def test_a_column_by_hand():
    cells = ["(TOP(S(NP*", "*)", "(VP*", "(NP*)))", "*)"]
    assert brackets.spans(cells) == [
        Span("TOP", 0, 5, 4),
        Span("S", 0, 4, 3),
        Span("NP", 0, 2, 1),
        Span("VP", 2, 4, 2),
        Span("NP", 3, 4, 1),
    ]


def test_cells_without_a_star_and_columns_without_a_span():
    assert brackets.spans(["*", "(GPE)", "(DATE*", "*)"]) == [Span("GPE", 1, 2, 1), Span("DATE", 2, 4, 1)]
    assert brackets.spans(["*", "*"]) == brackets.spans([]) == []


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["(A*"], "1 brackets that are never closed"),
        (["*)"], "a closing bracket too many after word 1"),
        (["*(A"], "the cell '*(A' where (LABEL*) was expected"),
        (["(A*", ")*"], "the cell ')*' where"),
        (["**"], "the cell '**' where"),
        ([""], "the cell '' where"),
        (["-"], "the cell '-' where"),
    ],
)
def test_brackets_that_do_not_match(cells, message):
    with pytest.raises(brackets.Unbalanced) as caught:
        brackets.spans(cells)
    assert str(caught.value).startswith(message)


def test_brackets_without_a_word():
    with pytest.raises(brackets.Unbalanced, match="brackets without a word after word 1"):
        brackets.nest(["(A", "*", "(B", ")", ")"])


@pytest.mark.parametrize(
    ("tag", "category"),
    [
        ("NP", "NP"),
        ("NP-SBJ-1", "NP"),
        ("ADVP|PRT", "ADVP"),
        ("NP=2", "NP"),
        ("WHNP-TPC=3|X", "WHNP"),
        ("PRP-S", "PRP-S"),
        ("PRP$", "PRP$"),
        ("-LRB-", "-LRB-"),
        ("-RCB-", "-RCB-"),
        ("``", "``"),
        (":", ":"),
        ("-", "-"),
        ("=", "="),
    ],
)
def test_categories(tag, category):
    assert brackets.category(tag) == category


def test_the_target_of_a_constituent():
    assert brackets.constituent(Span("NP", 2, 4, 1)) == Target((2, 4), None, ("NP",), {"height": 2})
    target = brackets.constituent(Span("PP-PRD-LOC-DIR-2", 0, 3, 4))
    assert target.labels == ("PP",)
    assert target.info == {"height": 5, "grammatical_rule": ["PRD"], "adverbials": ["DIR", "LOC"]}


trees = st.recursive(
    st.just("*"), lambda below: st.tuples(st.sampled_from("ABC"), st.lists(below, min_size=1, max_size=4))
)


def count(tree, start=0):
    """(spans in the order of their opening, end, height) of a nested tree."""
    if tree == "*":
        return [], start + 1, 0
    tag, below = tree
    found, end, height = [], start, 0
    for part in below:
        spans, end, part_height = count(part, end)
        found += spans
        height = max(height, part_height)
    return [Span(tag, start, end, height + 1), *found], end, height + 1


def cells_of(tree):
    if tree == "*":
        return ["*"]
    cells = [cell for part in tree[1] for cell in cells_of(part)]
    cells[0] = "(" + tree[0] + cells[0]
    cells[-1] += ")"
    return cells


@given(trees)
@settings(max_examples=100, deadline=None)
def test_any_tree(tree):
    assert brackets.spans(cells_of(tree)) == count(tree)[0]
