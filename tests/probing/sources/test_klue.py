"""probing.sources.klue: sentences by hand, and the published dev beside a plain parse."""

import re
from collections import Counter

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.records import Record, Target
from probing.sources import klue

DP = (
    "## 칼럼명 : INDEX\tWORD_FORM\tLEMMA\tPOS\tHEAD\tDEPREL\n"
    "## klue-dp-v1_dev_00000_wikitree\t홍정희의 탈락에 했다.\n"
    "1\t홍정희의\t홍정희 의\tNNP+JKG\t2\tNP_MOD\n2\t탈락에\t탈락 에\tNNG+JKB\t3\tNP_AJT\n"
    "3\t했다.\t하 었 다 .\tVV+EP+EF+SF\t0\tVP\n\n1\t네\t네\tIC\t0\tIP\n"
)
NER = (
    "## 칼럼명 : CHAR\tNE_TAG\n## klue-ner-v1_dev_00000-wikitree\t<경찰:OG>은 <김:PS>모(<33:QT>)씨 <5월 1일:DT>#\n"
    + "".join(
        f"{character}\t{tag}\n"
        for character, tag in zip(
            "경찰은 김모(33)씨 5월 1일#",
            "B-OG I-OG O O B-PS O O B-QT I-QT O O O B-DT I-DT I-DT I-DT I-DT O".split(),
        )
    )
)


def save(folder, dp=DP, ner=NER):
    (folder / "klue-dp-v1.1_dev.tsv").write_text(dp, encoding="utf-8")
    (folder / "klue-ner-v1.1_dev.tsv").write_text(ner, encoding="utf-8")
    return folder


def read(folder, task, **options):
    [(name, split)] = klue.splits(folder, task, **options).items()
    assert name == "dev"
    return list(split.records), dict(split.notes)


def spans(record):
    return [(*target.span1, *(target.span2 or ()), *target.labels) for target in record.targets]


def test_dependencies_and_tags_by_hand(tmp_path):
    (first, second), notes = read(save(tmp_path), "dep")
    assert first == Record(
        "홍정희의 탈락에 했다.",
        (
            Target((0, 1), (1, 2), ("NP_MOD",)),
            Target((1, 2), (2, 3), ("NP_AJT",)),
            Target((2, 3), (2, 3), ("VP",)),
        ),
        {"source": "KLUE-DP", "sent_id": "klue-dp-v1_dev_00000_wikitree"},
    )
    assert (second.info, spans(second), notes) == ({"source": "KLUE-DP"}, [(0, 1, 0, 1, "IP")], {})
    for tags, expected in (("xpos", ["NNP+JKG", "NNG+JKB", "VV+EP+EF+SF"]), ("upos", ["PROPN", "NOUN", "VERB"])):
        (first, _), _ = read(tmp_path, "pos", tags=tags)
        assert [label for _, _, label in spans(first)] == expected


def test_morphemes_by_hand(tmp_path):
    (first, second), notes = read(save(tmp_path), "pos", units="morphemes")
    assert (first.text, first.glued) == ("홍정희 의 탈락 에 했 다 .", (1, 3, 5, 6))
    assert spans(first) == [
        (0, 1, "NNP"),
        (1, 2, "JKG"),
        (2, 3, "NNG"),
        (3, 4, "JKB"),
        (5, 6, "EF"),
        (6, 7, "SF"),
    ]
    assert (second.text, second.glued) == ("네", ())
    assert notes == {"morpheme that has grown together with the next one: no target": 2}
    (first, _), _ = read(tmp_path, "pos", units="morphemes", tags="upos")
    assert [label for _, _, label in spans(first)] == ["PROPN", "ADP", "NOUN", "ADP", "PART", "PUNCT"]
    save(tmp_path, dp=DP.replace("IC", "_"))
    (_, second), notes = read(tmp_path, "pos", units="morphemes")
    assert (second.text, second.targets) == ("네", ())
    assert notes["word without morphemes, or with another number of tags: no target"] == 1
    with pytest.raises(UserError, match="units: found morphemes for dep, expected them for pos"):
        klue.splits(tmp_path, "dep", units="morphemes")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("SS+SL+NNP+SN+SS", "PROPN"),  # 'K팝스타3’
        ("NNG+XSA+ETM", "ADJ"),  # 공정한
        ("NNG+XSV+EC+VX+EF", "VERB"),  # 정리해주다
        ("VX+EC", "AUX"),
        ("NNB+VCP+EF+SF", "NOUN"),  # 것이다.
        ("VCN+EF", "ADJ"),
        ("NP+JX", "PRON"),
        ("MMD", "DET"),
        ("MMN", "NUM"),
        ("SN+NNB", "NOUN"),  # 16명
        ("SN+SP", "NUM"),
        ("SS+SN", "NUM"),
        ("MAG+JX", "ADV"),
        ("MAJ", "CCONJ"),
        ("SL+JX", "X"),
        ("SF", "PUNCT"),
        ("SW+SF", "SYM"),
        ("XSN+JKO", "PART"),
        ("VCP+EF", "AUX"),
        ("JKQ", "ADP"),
        ("??", "X"),
    ],
)
def test_universal_parts_of_speech(tags, expected):
    assert klue.upos(tags) == expected


def test_entities_by_hand(tmp_path):
    [record], notes = read(save(tmp_path), "entities")
    assert record == Record(
        "경찰 은 김 모( 33 )씨 5월 1일 #",
        (
            Target((0, 1), None, ("OG",)),
            Target((2, 3), None, ("PS",)),
            Target((4, 5), None, ("QT",)),
            Target((6, 8), None, ("DT",)),
        ),
        {"source": "KLUE-NER", "sent_id": "klue-ner-v1_dev_00000-wikitree"},
        glued=(1, 3, 4, 5, 8),
    )
    assert notes == {"word cut where a mention begins or ends in it: its parts are words, glued": 5}


def test_spaces_at_the_edges_of_mentions_are_none_of_them(tmp_path):
    save(tmp_path, ner="가\tO\n \tB-LC\n나\tI-LC\n \tI-LC\n다\tO\n \tB-PS\n라\tO\n")
    [record], notes = read(tmp_path, "entities")
    assert (record.text, spans(record), record.glued) == ("가 나 다 라", [(1, 2, "LC")], ())
    assert notes == {"mention of spaces alone: left out": 1}


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        (
            "dep",
            DP.replace("2\t탈락에", "5\t탈락에"),
            "dp-v1.1_dev.tsv:4: found the index '5', expected 2, or an empty li",
        ),
        (
            "dep",
            DP.replace("\t2\tNP_MOD", "\t2"),
            "dp-v1.1_dev.tsv:3: found 5 columns: '1\\t홍정희의\\t홍정희 의\\tNNP+JKG\\t2",
        ),
        (
            "dep",
            DP.replace("2\tNP_MOD", "4\tNP_MOD"),
            "dp-v1.1_dev.tsv:3: found the head '4', expected 0 or the id of on",
        ),
        (
            "entities",
            NER.replace("찰\tI", "찰이\tI"),
            "ner-v1.1_dev.tsv:4: found '찰이\\tI-OG', expected a character and ",
        ),
        (
            "entities",
            NER.replace("찰\tI-OG", "찰"),
            "ner-v1.1_dev.tsv:4: found '찰', expected a character and its tag wit",
        ),
        (
            "entities",
            NER.replace("I-OG", "OG"),
            "ner-v1.1_dev.tsv:4: found the tag 'OG', expected O, or a type after B-",
        ),
    ],
)
def test_what_is_wrong(tmp_path, task, text, message):
    save(tmp_path, **{"ner" if task == "entities" else "dp": text})
    with pytest.raises(Located) as caught:
        read(tmp_path, task)
    assert str(caught.value).startswith(str(tmp_path / "klue-") + message)


# The published files


def test_the_published_dependencies(data_dir):
    """Beside a plain parse."""
    folder = data_dir / "probing" / "KLUE"
    rows = re.findall(
        r"^(\d+)\t([^\t\n]+)\t([^\t\n]+)\t(\S+)\t(\d+)\t(\S+)$",
        (folder / "klue-dp-v1.1_dev.head.tsv").read_text(),
        re.M,
    )
    records, notes = read(folder, "dep")
    assert (len(records), sum(len(record.targets) for record in records)) == (1000, 15469) and len(rows) == 15469
    assert Counter(row[5] for row in rows) == Counter(label for record in records for *_, label in spans(record))
    assert [row[1] for row in rows] == [word for record in records for word in record.words]
    heads = [int(row[4]) - 1 if row[4] != "0" else int(row[0]) - 1 for row in rows]
    assert heads == [target.span2[0] for record in records for target in record.targets]
    records, notes = read(folder, "pos", units="morphemes")
    untold = sum(len(row[2].split(" ")) != len(row[3].split("+")) for row in rows)
    morphemes = sum(row[3].count("+") + 1 for row in rows if len(row[2].split(" ")) == len(row[3].split("+")))
    found = sum(len(record.targets) for record in records)
    assert notes["word without morphemes, or with another number of tags: no target"] == untold == 5
    assert found + notes["morpheme that has grown together with the next one: no target"] == morphemes == 35008
    records, _ = read(folder, "pos", tags="upos")
    assert {label for record in records for *_, label in spans(record)} <= set(
        "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
    )


def test_the_published_entities(data_dir):
    """The mentions are those that the comment above each sentence marks, <경찰:OG>은."""
    folder = data_dir / "probing" / "KLUE"
    records, _ = read(folder, "entities")
    text = (folder / "klue-ner-v1.1_dev.head.tsv").read_text()
    comments = re.findall(r"^## klue-ner\S+\t(.*)$", text, re.M)
    assert len(records) == len(comments) == 2500
    assert sum(len(record.targets) for record in records) == len(re.findall(r"^.\tB-", text, re.M)) == 7132
    differing = 0
    for record, comment in zip(records, comments):
        words = ["" if i in record.glued else " " for i in range(len(record.words))]
        written = [space + word for space, word in zip(words, record.words)]
        found = [("".join(written[slice(*target.span1)]).strip(), *target.labels) for target in record.targets]
        marked = [(text.strip(), kind) for text, kind in re.findall(r"<(<?[^<>]*):([A-Z]{2})>", comment)]
        differing += found != marked
    assert differing == 0
