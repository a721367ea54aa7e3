"""probing.sources.mentions: what GUM does not have, CorefUD's names, gaps, empty nodes, mentions without a type."""

import re
from collections import Counter

import pytest

from nsmc_bert.base.errors import Located
from probing.sources import conllu, gum

COREFUD = """\
# global.Entity = eid-etype-head-other
# sent_id = 1
1	Eve	_	PROPN	_	_	2	nsubj	_	Entity=(e12-person-1-)
2	came	_	VERB	_	_	0	root	_	_
3	home	_	NOUN	_	_	2	obl	_	Entity=(e2-place-1-a-b(e3--1-
4	and	_	CCONJ	_	_	6	cc	_	Entity=e3)e2)|SpaceAfter=No
5	Peter	_	PROPN	_	_	6	nsubj	_	Entity=(e4[1/2]-person-1-)
6	greeted	_	VERB	_	_	2	conj	_	_
6.1	_	_	PRON	_	_	_	_	6:obj	Entity=(e12-person-1-)(e5-object-1-
7	her	_	PRON	_	_	6	obj	_	Entity=(e4[2/2]-person-1-)
7.1	_	_	PRON	_	_	_	_	6:obj	Entity=e5)(e6-object-1-
8	there	_	ADV	_	_	6	advmod	_	Entity=e6)

"""


def read(folder, text, **options):
    path = folder / "x-train.conllu"
    path.write_text(text, encoding="utf-8")
    [split] = conllu.splits(path, "entities", split="train", **options).values()
    return list(split.records), dict(split.notes)


def spans(record):
    return [(*target.span1, *target.labels) for target in record.targets]


def test_corefud_by_hand(tmp_path):
    [record], notes = read(tmp_path, COREFUD)
    assert record.text == "Eve came home and Peter greeted her there"
    assert spans(record) == [(0, 1, "person"), (2, 4, "place"), (6, 7, "object"), (7, 8, "object")]
    assert notes == {
        "mention without a type: left out": 1,
        "part of a mention with a gap: left out": 2,
        "mention of empty nodes alone: left out": 1,
    }


def test_the_fields_of_the_document_are_those_of_all_its_sentences(tmp_path):
    found, notes = read(tmp_path, COREFUD + COREFUD.partition("\n")[2])
    assert spans(found[0]) == spans(found[1])
    assert notes["part of a mention with a gap: left out"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("(e12-person-1-)\n2", "(-person-1-)\n2"),
            ":3: found the entity '-person-1-', expected a name that is its clu",
        ),
        (
            ("eid-etype", "GRP-etype"),
            ":3: found the entity 'e12-person-1-', expected a number that is its cluster, and ",
        ),
        (
            ("(e12-person-1-)\n2", "(e12)\n2"),
            ":3: found the entity 'e12', expected a name that is its cluster, and a ty",
        ),
        (("(e12-person-1-)\n2", "((e12\n2"), ":3: found 'Entity=((e12', expected (id-type-…), (id-type-… or id)"),
        (("(e12-person-1-)(", "e12("), ":9: found 'Entity=e12(e5-object-1-', expected (id-type-…), (id-type-… or id)"),
    ],
)
def test_what_is_wrong(tmp_path, change, message):
    with pytest.raises(Located) as caught:
        read(tmp_path, COREFUD.replace(*change))
    assert str(caught.value).startswith("{}{}".format(tmp_path / "x-train.conllu", message))


def test_a_file_without_entities_is_refused(tmp_path):
    with pytest.raises(Located, match="x-train.conllu: found no Entity= in column MISC, expected mentions of entities"):
        read(tmp_path, "1\ta\t_\tX\t_\t_\t0\troot\t_\tSpaceAfter=No\n")


def test_gum_read_as_any_conllu_has_the_same_mentions(data_dir, tmp_path):
    """As many as a plain count of opening brackets has, document by document, and those that the source of GUM has."""
    (tmp_path / "dep").symlink_to(data_dir / "probing" / "GUM" / "dep")
    folder, opened, closed = data_dir / "probing" / "GUM", Counter(), Counter()
    names = ("GUM_academic_art", "GUM_conversation_gossip", "GUM_voyage_athens")
    (tmp_path / "dev.txt").write_text("\n".join(names))
    of_gum = [record.targets for record in gum.splits(tmp_path, "entities")["dev"].records]
    of_conllu = []
    for name in names:
        path = folder / "dep" / f"{name}.conllu"
        opened[name] = sum(value.count("(") for value in re.findall(r"[\t|]Entity=([^|\n]*)", path.read_text()))
        [split] = conllu.splits(path, "entities", split="dev").values()
        of_document = [record.targets for record in split.records]
        closed[name] = sum(map(len, of_document)) + sum(split.notes.values())
        of_conllu += of_document
    assert opened == closed and min(opened.values()) > 200
    assert of_gum == of_conllu
