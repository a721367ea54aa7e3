"""nsmc_bert.data.find: whose reviews are read, what stands in for them, and which texts pretraining may not see."""

import dataclasses

import numpy as np
import pytest

from nsmc_bert.base.classes import SENTIMENT
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import find, nsmc, reviews
from nsmc_bert.data.find import ReviewSources, TextSources
from nsmc_bert.data.labels import ALL, Labelling
from nsmc_bert.data.reviews import Reading
from nsmc_bert.data.tables import Layout

TRAIN = [f"글 {i}" for i in range(20)]
STARS = Reading(labelling=Labelling(positive_from=4, negative_to=2), skip_empty=True)
EVERY = Reading(labelling=Labelling((ALL,)))  # label is a class


@pytest.fixture
def lines():
    return []


@pytest.fixture
def files(tmp_path):
    """Makes a file of reviews of a name, from texts and labels; returns its path."""

    def make(name, texts, labels=None, header="document\tlabel"):
        labels = [i % 2 for i in range(len(texts))] if labels is None else labels
        rows = "".join(f"{text}\t{label}\n" for text, label in zip(texts, labels))
        (tmp_path / name).write_text(f"{header}\n{rows}", encoding="utf-8")
        return str(tmp_path / name)

    return make


@pytest.fixture
def nsmc_dir(files, tmp_path):
    """A folder with NSMC's two files, smaller."""
    files("ratings_train.txt", TRAIN)
    files("ratings_test.txt", ["시험 1", "시험 2"])
    return str(tmp_path)


def test_own_files(files, lines):
    sources = ReviewSources(train_file=files("mine.tsv", TRAIN), test_file=files("test.tsv", ["좋다", "싫다"]))
    data = find.find_data(sources, log=lines.append)
    assert (data.name, data.folder, data.measured) == ("mine.tsv", "reviews", "test.tsv")
    assert (data.train.texts, data.test.texts) == (TRAIN, ["좋다", "싫다"])
    assert lines == [
        f"mine.tsv, train: {sources.train_file} (20 reviews)",
        f"mine.tsv, test: {sources.test_file} (2 reviews)",
    ]


def test_several_files_are_called_by_the_first(files, lines):
    train = f"{files('a.tsv', TRAIN)},{files('b.tsv', ['좋다', ' '])}"
    data = find.find_data(
        ReviewSources(train_file=train, test_file=f"{files('c.tsv', ['새'], [1])},{train}"),
        log=lines.append,
        to_train=False,
    )
    assert (data.name, data.measured) == ("a.tsv and 1 more", "c.tsv and 2 more")
    assert lines[:2] == [f"a.tsv and 1 more, train: {train} (21 reviews)", "  1 review without text left out"]


def test_stars_without_a_word_are_left_out_of_own_tables_and_not_of_nsmc(files, lines, nsmc_dir):
    path = files("mine.tsv", ["좋다", "", "싫다", " ", "\u3000"], [5, 5, 1, 1, ""])
    sources = ReviewSources(train_file=path, test_file=path, reading=STARS)
    data = find.find_data(sources, log=lines.append)
    assert (data.train.texts, data.test.labels.tolist(), data.train.skipped) == (["좋다", "싫다"], [1, 0], 0)
    assert "  3 reviews without text left out" in lines and not any("stand" in line for line in lines)
    files("ratings_test.txt", ["", "시험"])
    assert find.find_data(ReviewSources(nsmc_dir=nsmc_dir), log=lines.append).test.texts == ["", "시험"]


def test_what_is_proposed_to_measure_by_is_what_two_classes_can_answer(files, lines):
    path = files("mine.tsv", ["좋다", "그냥", "싫다"], ["칭찬", "보통", "불만"])
    with pytest.raises(UserError, match="--labels=all takes each as a class"):
        find.find_data(ReviewSources(train_file=path), log=lines.append)
    with pytest.raises(UserError, match="--labels=불만,칭찬 --skip_bad_rows$"):
        sources = ReviewSources(test_file=path, reading=Reading(two_classes=True))
        find.find_data(sources, log=lines.append, to_train=False)


def test_a_table_without_a_header_line(files, lines):
    path = files("mine.txt", ["좋다", "싫다"], header="최고\t1")
    named = Reading(layout=Layout(columns=("document", "label")))
    data = find.find_data(ReviewSources(train_file=path, reading=named), log=lines.append)
    assert (data.train.texts, data.train.labels.tolist()) == (["최고", "좋다", "싫다"], [1, 0, 1])


def test_test_reviews_that_are_all_learned_from_are_said(files, lines):
    train = files("mine.tsv", TRAIN)
    find.find_data(ReviewSources(train_file=train, test_file=files("test.tsv", TRAIN[:4])), log=lines.append)
    assert lines[-1] == "mine.tsv: WARNING: all test reviews are training reviews too; figures are not of unseen ones"
    find.find_data(ReviewSources(train_file=train, test_file=files("test.tsv", [*TRAIN[:4], "새"])), log=lines.append)
    assert "WARNING" not in lines[-1]


def test_a_test_is_told_by_the_classes_that_are_learned(files, lines):
    train = files("mine.tsv", TRAIN, ["나", "다", "가", "라"] * 5)
    test = files("test.tsv", ["a", "b", "a", "c", "d"], ["다", "가", "가", "나", "라"])
    data = find.find_data(ReviewSources(train_file=train, test_file=test, reading=EVERY), log=lines.append)
    assert data.classes.names == data.test.classes.names == ("가", "나", "다", "라")
    assert data.test.labels.tolist() == [2, 0, 0, 1, 3]
    assert lines[-1] == "  1 text stands there with several labels, in 2 reviews"
    other = files("other.tsv", ["a"], ["마"])
    with pytest.raises(
        UserError, match="other.tsv:2: found the label '마', expected one of 가, 나, 다, 라, as --labels or"
    ):
        find.find_data(ReviewSources(train_file=train, test_file=other, reading=EVERY), log=lines.append)
    few = files("few.tsv", ["a", "b", "c"], ["나", "다", "다"])
    with pytest.raises(
        UserError, match="found 3 reviews, none labelled 가, 라, expected some of each label to measure"
    ):
        find.find_data(ReviewSources(train_file=train, test_file=few, reading=EVERY), log=lines.append)
    two = ReviewSources(
        train_file=files("two.tsv", ["a", "b"], [1, 0]), test_file=files("t.tsv", ["a", "b"], [0, "1.0"])
    )
    data = find.find_data(dataclasses.replace(two, reading=EVERY), log=lines.append)
    assert (data.classes, data.test.labels.tolist()) == (SENTIMENT, [0, 1])


def test_own_columns_and_bad_rows(files, lines):
    path = files("mine.txt", ["좋다", "싫다", "글"], [1, 0, 70], "리뷰;별".replace(";", "\t"))
    own = Reading("리뷰", "별", Layout(delimiter="\t"), skip_bad_rows=True)
    data = find.find_data(ReviewSources(train_file=path, reading=own), log=lines.append)
    assert (data.train.texts, data.test) == (["좋다", "싫다"], None)
    assert lines == [f"mine.txt, train: {path} (2 reviews)", "  1 bad row skipped"]


def test_one_label_teaches_nothing_but_can_be_measured_on(files, lines):
    path = files("one.tsv", ["좋다", "최고"], [1, 1])
    with pytest.raises(UserError, match=r"one.tsv: found 2 reviews, all labelled 1, expected some of either label"):
        find.find_data(ReviewSources(train_file=path), log=lines.append)
    data = find.find_data(ReviewSources(test_file=path), log=lines.append, to_train=False)
    assert (data.name, data.train, len(data.test)) == ("one.tsv", None, 2)


def test_what_is_said_of_own_labels(files, lines):
    path = files("mine.tsv", ["좋다", "싫다", "좋다", "글", "글"], [5, 1, 2, 3, 4])
    data = find.find_data(ReviewSources(train_file=path, reading=STARS), log=lines.append)
    assert data.train.labels.tolist() == [1, 0, 0, 1]
    assert lines[1:] == [
        "  2 rated 4 or more: positive; 2 rated 2 or less: negative; 1 between them left out",
        "  1 text stands there with both labels, in 2 reviews",
    ]


def test_a_test_of_one_label_measures_no_training(files, lines):
    sources = ReviewSources(train_file=files("a.tsv", ["좋다", "싫다"]), test_file=files("b.tsv", ["좋다"], [1]))
    with pytest.raises(UserError, match=r"b.tsv: found 1 review, all labelled 1, expected some of either label to mea"):
        find.find_data(sources, log=lines.append)


def test_standard_input_is_read_once(lines):
    with pytest.raises(UserError, match="expected one of them to be standard input"):
        find.find_data(ReviewSources(train_file="-", test_file="-"), log=lines.append)


def test_test_reviews_alone_teach_nothing(files, lines):
    path = files("test.tsv", ["좋다", "싫다"])
    with pytest.raises(UserError, match=r"--test_file=.*test.tsv: found no --train_file beside it, expected both"):
        find.find_data(ReviewSources(test_file=path), log=lines.append)


def test_the_sample_comes_before_nsmc(nsmc_dir, lines):
    data = find.find_data(ReviewSources(sample=True, nsmc_dir=nsmc_dir), log=lines.append)
    assert (data.name, data.folder, data.measured) == ("bundled sample", "sample", "bundled sample")
    assert (len(data.train), len(data.test)) == (660, 224)


def test_nsmc(nsmc_dir, lines):
    data = find.find_data(ReviewSources(nsmc_dir=nsmc_dir), log=lines.append)
    assert (data.name, data.folder, data.measured) == ("NSMC", "nsmc", "NSMC")
    assert data.train.texts == TRAIN
    assert [line for line in lines if line.startswith("NSMC, ")] == [
        f"NSMC, train: {nsmc_dir}/ratings_train.txt (20 reviews)",
        f"NSMC, test: {nsmc_dir}/ratings_test.txt (2 reviews)",
    ]


def test_the_sample_stands_in_for_nsmc_to_train_and_loudly(tmp_path, lines):
    sources = ReviewSources(cache_dir=str(tmp_path), download=False)
    data = find.find_data(sources, log=lines.append)
    assert data.name == "bundled sample"
    assert lines[0].startswith("NSMC cannot be had: ") and "downloading is turned off" in lines[0]
    assert lines[1].startswith("*** Training on the bundled SAMPLE") and lines[2].startswith("*** makes a poor")
    with pytest.raises(nsmc.NsmcUnavailable):
        find.find_data(sources, log=lines.append, to_train=False)


def test_nothing_stands_in_for_a_folder_that_was_named(tmp_path, lines):
    with pytest.raises(nsmc.NsmcUnavailable, match="found no ratings_train.txt and no ratings_test.txt"):
        find.find_data(ReviewSources(nsmc_dir=str(tmp_path)), log=lines.append)


def test_what_nsmc_measures_on_is_kept_from_pretraining(nsmc_dir, tmp_path, lines):
    rows = [("다른 글", 3), *((text, i % 5 + 1) for i, text in enumerate(TRAIN)), ("시험 2", 1)]
    path = str(tmp_path / "texts.tsv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("text\tstars\n" + "".join(f"{text}\t{stars}\n" for text, stars in rows))
    sources = TextSources(data=(path,), text_column="text", rating_column="stars", nsmc_dir=nsmc_dir)
    texts, ratings = find.find_texts(sources, log=lines.append)
    _, held_out = reviews.split(TRAIN, 0.1, 0)  # as fine-tuning splits unless told otherwise
    gone = {"시험 2", *(TRAIN[row] for row in held_out)}
    assert len(gone) == 3
    assert texts == [text for text, _ in rows if text not in gone]
    np.testing.assert_array_equal(ratings, [stars - 1 for text, stars in rows if text not in gone])
    assert lines[0] == f"{path}: 22 different texts"
    assert lines[-1] == "  3 of them are NSMC's to test or to validate on: left out"


def test_texts_are_read_as_the_sources_say(files, tmp_path, lines):
    path = files("mine.txt", ["좋다", "싫다"], header="최고\t1")
    with open(path, "a", encoding="utf-8") as file:
        file.write("한 열\n")
    sources = TextSources(data=(path,), text_column="글", layout=Layout(columns=("글", "별")), skip_bad_rows=True)
    texts, _ = find.find_texts(sources, log=lines.append)
    assert (texts, lines) == (["최고", "좋다", "싫다"], ["1 bad row skipped", f"{path}: 3 different texts"])


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (TextSources(), "found no --data, expected a file of texts, one a line"),
        (
            TextSources(data=("a",), rating_column="stars"),
            "--rating_column=stars: found no --text_column beside it, expected both",
        ),
    ],
)
def test_texts_that_are_not_named(sources, message, lines):
    with pytest.raises(UserError) as caught:
        find.find_texts(sources, log=lines.append)
    assert (str(caught.value), lines) == (message, [])
