"""Which data a command reads: labelled reviews to learn from or to measure on, and texts to pretrain on."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import UserError, counted
from nsmc_bert.data import nsmc, reviews, tables
from nsmc_bert.data.texts import documents

if TYPE_CHECKING:
    import numpy as np

NSMC, SAMPLE = "NSMC", "bundled sample"  # what they are called
VALIDATION, SPLIT_SEED = 0.1, 0  # the split of the training reviews that the epoch is chosen on


@dataclasses.dataclass(frozen=True)
class ReviewSources:
    """Where reviews are looked for: the user's own files, the bundled sample, or NSMC, the first of these that is
    named; NSMC where none is.

    Attributes:
        nsmc_dir: folder that holds NSMC's two files; "" for the cache, then a download.
        cache_dir: folder for downloads; "" for the user's cache folder.
        nsmc_url: address that NSMC's two files are downloaded from; "" for the published one.
        download: whether NSMC may be downloaded.
        sample: take the bundled sample.
        train_file: the user's own reviews to learn from, or "": a file, several with commas between them, a pattern of
            their names, or tables.STDIN.
        test_file: the user's own reviews to measure on, likewise.
        reading: how the user's own files are read.
    """

    nsmc_dir: str = ""
    cache_dir: str = ""
    nsmc_url: str = ""
    download: bool = True
    sample: bool = False
    train_file: str = ""
    test_file: str = ""
    reading: reviews.Reading = reviews.Reading(skip_empty=True)


@dataclasses.dataclass(frozen=True)
class Data:
    """The reviews of a run.

    Attributes:
        name: what they are called.
        folder: the name of the folder that a run on them has where none is given: nsmc, reviews or sample.
        train: the reviews to learn from, or None.
        test: the reviews to measure on, or None.
    """

    name: str
    folder: str
    train: reviews.Corpus | None
    test: reviews.Corpus | None

    @property
    def classes(self) -> Classes:
        """What the labels are of."""
        return next((part.classes for part in (self.train, self.test) if part is not None), SENTIMENT)

    @property
    def measured(self) -> str:
        """What the test reviews are called: of the user's own files the test's own name."""
        return _called(Path(self.test.path)) if self.test is not None and self.folder == "reviews" else self.name


def find_data(sources: ReviewSources, *, log: Callable[[str], None], to_train: bool = True) -> Data:
    """The reviews to train on or to measure on: the user's own files, the bundled sample, or NSMC.

    Args:
        sources: where they are looked for.
        log: called with each line to show.
        to_train: whether training reviews are needed; then the bundled sample stands in where NSMC cannot be had.

    Returns:
        The reviews; without `to_train`, either part may be missing.

    Raises:
        UserError: a file cannot be read, or `sources.nsmc_dir` does not hold NSMC; to train, there are test reviews
            alone or reviews of one label alone; not to train, NSMC cannot be had.
    """
    if sources.test_file and not sources.train_file and to_train:
        raise UserError(f"--test_file={sources.test_file}: found no --train_file beside it, expected both")
    if sources.train_file or sources.test_file:
        data = _own(sources, to_train)
    elif sources.sample:
        data = _sample()
    else:
        data = _nsmc(sources, to_train, log)
    for name, part in (("train", data.train), ("test", data.test)):
        if part is not None:
            log(f"{data.name}, {name}: {part.path} ({counted(len(part), 'review')})")
            if part.skipped:
                log(f"  {counted(part.skipped, 'bad row')} skipped")
            for note in part.notes:
                log(f"  {note}")
            if data.folder == "reviews":
                texts, rows = reviews.contradictions(part)
                if texts:
                    stand = "1 text stands" if texts == 1 else f"{texts} texts stand"
                    log(f"  {stand} there with {data.classes.several}, in {rows} reviews")
    train, test = (data.train, data.test) if data.folder == "reviews" else (None, None)
    if train is not None and test is not None and not reviews.unseen(test.texts, train.texts).any():
        log(f"{data.name}: WARNING: all test reviews are training reviews too; figures are not of unseen ones")
    return data


def _own(sources: ReviewSources, to_train: bool) -> Data:
    """The user's own files."""
    if sources.train_file == sources.test_file == tables.STDIN:
        raise UserError("found --train_file=- and --test_file=-, expected one of them to be standard input")
    how = sources.reading
    train = reviews.read(sources.train_file, how) if sources.train_file else None
    if train is not None and how.labelling.finds:  # what the reviews to learn from have is what all are told by
        how = how.told_by(train.classes)
    test = reviews.read(sources.test_file, how) if sources.test_file else None
    for part, of in ((train, "learn from"), (test, "measure on")):
        if to_train and part is not None and (lacking := part.classes.lacking(part.labels.tolist())):
            raise UserError(
                f"{part.path}: found {counted(len(part), 'review')}, {lacking}, expected {part.classes.some} "
                f"to {of}; --label_column, --labels and --positive_from say what labels are"
            )
    named = train or test
    assert named is not None  # one of them is named, or nobody asks
    return Data(_called(named.path), "reviews", train, test)


def _called(path: Path) -> str:
    """What the reviews of a file are called, or of several with commas between them."""
    first, *others = tables.listed(str(path))
    return Path(first).name + (f" and {len(others)} more" if others else "")


def _sample() -> Data:
    return Data(SAMPLE, "sample", *reviews.sample())


def _nsmc(sources: ReviewSources, to_train: bool, log: Callable[[str], None]) -> Data:
    """NSMC or, to train where it can neither be found nor downloaded and no folder was named, the bundled sample."""
    try:
        train, test = nsmc.find_nsmc(
            sources.nsmc_dir or None,
            sources.cache_dir or None,
            url=sources.nsmc_url or nsmc.NSMC_URL,
            download=sources.download,
            log=log,
        )
        how = reviews.Reading(skip_bad_rows=sources.reading.skip_bad_rows)
        return Data(NSMC, "nsmc", reviews.read(train, how), reviews.read(test, how))
    except nsmc.NsmcUnavailable as error:
        if sources.nsmc_dir or not to_train:
            raise
        log(f"NSMC cannot be had: {error}")
        log("*** Training on the bundled SAMPLE of a few hundred reviews instead: it shows that everything works, and")
        log("*** makes a poor classifier. With NSMC at hand: --nsmc_dir=FOLDER (make train NSMC_DIR=FOLDER).")
        return _sample()


@dataclasses.dataclass(frozen=True)
class TextSources:
    """Where texts to pretrain on are read from.

    Attributes:
        data: files of texts, one a line, or tables; plain or compressed.
        text_column: name of the column of the text, where the files are tables; or "".
        rating_column: name of a column of star ratings, whole numbers from 1, to learn beside the text; or "".
        nsmc_dir: folder that holds NSMC, whose test reviews and validation split are left out; or "".
        layout: how the files are written.
        skip_bad_rows: go on at a line or a row that cannot be read, and count it.
    """

    data: tuple[str, ...] = ()
    text_column: str = ""
    rating_column: str = ""
    nsmc_dir: str = ""
    layout: tables.Layout = tables.AS_NAMED
    skip_bad_rows: bool = False


def find_texts(sources: TextSources, *, log: Callable[[str], None]) -> "tuple[list[str], np.ndarray | None]":
    """The texts to pretrain on, each once.

    Args:
        sources: where they are read from.
        log: called with each line to show.

    Returns:
        n texts and their ratings, int32 [n] from 0, or None where there are none.

    Raises:
        UserError: there is no file, or one cannot be read.
    """
    if not sources.data:
        raise UserError("found no --data, expected a file of texts, one a line")
    if sources.rating_column and not sources.text_column:
        raise UserError(f"--rating_column={sources.rating_column}: found no --text_column beside it, expected both")
    texts, ratings = documents(
        sources.data,
        text_column=sources.text_column,
        rating_column=sources.rating_column,
        layout=sources.layout,
        skip_bad_rows=sources.skip_bad_rows,
        log=log,
    )
    log(f"{', '.join(sources.data)}: {len(texts)} different texts")
    if sources.nsmc_dir:
        train, test = (reviews.read(path) for path in nsmc.find_nsmc(sources.nsmc_dir, log=log))
        _, held_out = reviews.split(train.texts, VALIDATION, SPLIT_SEED)
        keep = reviews.unseen(texts, test.texts + [train.texts[i] for i in held_out])
        log(f"  {len(texts) - keep.sum()} of them are NSMC's to test or to validate on: left out")
        texts = [text for text, wanted in zip(texts, keep) if wanted]
        ratings = None if ratings is None else ratings[keep]
    return texts, ratings
