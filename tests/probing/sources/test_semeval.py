"""probing.sources.semeval: sentences by hand, and the published cut."""

import random

import pytest

from nsmc_bert.base.errors import Located, UserError
from probing.records import Record, Target
from probing.sources import semeval
from probing.tasks import TASKS

BURST = '14\t"The <e1>burst</e1> has been caused by water hammer <e2>pressure</e2>."\r\n'
BURST += "Cause-Effect(e2,e1)\r\nComment:\r\n\r\n"


def read(folder, text):
    (folder / "x.txt").write_bytes(text.encode())
    [split] = semeval.splits(folder / "x.txt", "rel", split="test").values()
    return list(split.records)


def test_the_paper_s_example(tmp_path):
    assert read(tmp_path, BURST) == [
        Record(
            "The burst has been caused by water hammer pressure.",
            (Target((1, 2), (8, 9), ("Cause-Effect(e2,e1)",), {"comment": ""}),),
            {"id": 14},
        )
    ]


def test_spans_of_several_words_second_before_first_and_two_in_one_word(tmp_path):
    text = '1\t"<e2>One two</e2>, <e1>three four five</e1>"\nOther\nComment: why\n\n'
    text += '2\t"a <e1>b</e1>-<e2>c</e2>!"\nOther\nComment:\n'
    first, second = read(tmp_path, text)
    assert first.text == "One two, three four five"
    assert first.targets == (Target((2, 5), (0, 2), ("Other",), {"comment": "why"}),)
    assert (second.text, second.targets[0].span1, second.targets[0].span2) == ("a b-c!", (1, 2), (1, 2))


def test_tags_that_stand_alone(tmp_path):
    [record] = read(tmp_path, '1\t"a <e1> b c </e1> d <e2>e </e2> f"\nOther\nComment:\n')
    assert record.text == "a b c d e f"
    assert (record.targets[0].span1, record.targets[0].span2) == ((1, 3), (4, 5))


def test_tags_beside_white_space_belong_to_the_words_inside(tmp_path):
    [record] = read(tmp_path, '1\t"a-<e1> b</e1> (<e2>c </e2>d) e"\nOther\nComment:\n')
    assert record.text == "a- b (c d) e"
    assert (record.targets[0].span1, record.targets[0].span2) == ((1, 2), (2, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("The burst\nOther\nComment:\n", ":5: found 'The burst', expected a numbered sentence: 1<tab>"),
        ("1" * 5000 + '\t"<e1>a</e1> <e2>b</e2>"\nOther\nComment:\n', ":5: found '1111"),
        (
            '1\t"<e1>a</e1> <e2>b</e2>"\nOther\n',
            ":5: found 1 lines below the sentence, expected 2, its relation and its comment",
        ),
        ('1\t"<e1>a</e1> <e2>b</e2>"\nComment: x\nOther\n', ":5: found 2 lines below the sentence"),
        (
            '1\t"<e1>a</e1> <e2>b"\nOther\nComment:\n',
            ":5: found '1\\t\"<e1>a</e1> <e2>b\"', expected <e1> and </e1>, <e2> and",
        ),
        ('1\t"<e1></e1> <e2>b</e2>"\nOther\nComment:\n', ":5: found"),
    ],
)
def test_what_is_wrong(tmp_path, text, message):
    with pytest.raises(Located) as caught:
        read(tmp_path, BURST + text)
    assert str(caught.value).startswith("{}{}".format(tmp_path / "x.txt", message))


def test_the_cut(tmp_path):
    (tmp_path / "TRAIN_FILE.TXT").write_text("".join(BURST.replace("14", str(i)) for i in range(100)).replace("\r", ""))
    random.seed(42)
    train = [i for i in range(100) if random.random() <= 0.85]
    splits = semeval.splits(tmp_path, "rel")
    assert list(splits) == ["train", "dev"]
    assert [record.info["id"] for record in splits["train"].records] == train
    assert [record.info["id"] for record in splits["dev"].records] == sorted(set(range(100)) - set(train))


def test_one_split_of_a_folder(tmp_path):
    (tmp_path / "TEST_FILE_FULL.TXT").write_text(BURST)
    with pytest.raises(UserError, match="found test, expected dev among them, as --split says"):
        semeval.splits(tmp_path, "rel", split="dev")
    (tmp_path / "TRAIN_FILE.TXT").write_text(BURST)
    assert list(semeval.splits(tmp_path, "rel", split="dev")) == ["dev"]


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(
        UserError, match="found no TRAIN_FILE.TXT and no TEST_FILE_FULL.TXT, expected SemEval 2010 task 8's"
    ):
        semeval.splits(tmp_path, "rel")


def test_the_published_counts_and_labels(data_dir):
    splits = semeval.splits(data_dir / "probing" / "SemEval2010_task8", "rel")
    found = {name: list(split.records) for name, split in splits.items()}
    assert {
        name: (len(records), sum(len(record.targets) for record in records)) for name, records in found.items()
    } == (TASKS["rel"].counts)
    assert {record.targets[0].labels[0] for records in found.values() for record in records} == set(TASKS["rel"].labels)
    assert [sum(record.targets[0].labels == ("Other",) for record in records) for records in found.values()] == [
        1222,
        188,
        454,
    ]
    # the first lines of the published development data
    assert [record.info["id"] for record in found["dev"][:5]] == [7, 25, 34, 39, 54]
    assert found["dev"][2].targets == (
        Target((8, 9), (13, 14), ("Entity-Destination(e1,e2)",), {"comment": "the carton holds the containers"}),
    )
