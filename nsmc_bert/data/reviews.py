"""Labelled reviews: read from tables, split; the bundled sample."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nsmc_bert import bundled
from nsmc_bert.base.classes import SENTIMENT, Classes
from nsmc_bert.base.errors import Located, UserError, counted, shorten
from nsmc_bert.data import tables
from nsmc_bert.data.columns import locate
from nsmc_bert.data.labels import LEFT_OUT, MOST, Labelling, classes_of, plain
from nsmc_bert.data.rows import Problem, composed, text_at, text_of

if TYPE_CHECKING:  # imported where it is used: predicting from a pipe starts without it
    import numpy as np

DIFFERENT = 1000  # labels that a proposal is made from


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled texts in the order of their file; its len() is their number.

    Attributes:
        texts: list of str.
        labels: int32 [n], the numbers of their classes: of two 0 negative and 1 positive.
        path: the file they were read from, or the pattern of several.
        sha1: the checksum of the bytes of that file, unpacked, or of those files one after the other, in hex; of a
            workbook of several sheets with the name of the one that was read behind them.
        skipped: how many bad rows were passed over.
        notes: what else there is to say of how they were read, in lines.
        classes: what the labels are of.
    """

    texts: list[str]
    labels: np.ndarray
    path: Path
    sha1: str
    skipped: int = 0
    notes: tuple[str, ...] = ()
    classes: Classes = SENTIMENT

    def __len__(self) -> int:
        return len(self.texts)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How labelled reviews are read from tables.

    Attributes:
        text_column, label_column: names of the columns that are read.
        layout: how the tables are written.
        labelling: how labels are told.
        skip_bad_rows: pass over rows with another number of columns than the header, no label or another one, broken
            quoting or bytes that cannot be decoded, and count them, instead of raising.
        skip_empty: leave out rows whose text is empty or white space, whatever their label: stars that came without a
            word teach nothing and measure nothing.
        two_classes: whether a model that knows negative and positive alone is to answer; see Labelling.advice.
    """

    text_column: str = "document"
    label_column: str = "label"
    layout: tables.Layout = tables.AS_NAMED
    labelling: Labelling = Labelling()
    skip_bad_rows: bool = False
    skip_empty: bool = False
    two_classes: bool = False

    def told_by(self, classes: Classes) -> Reading:
        """The same, with the names of classes as labels; of negative and positive 0 and 1."""
        return dataclasses.replace(self, labelling=Labelling(() if classes == SENTIMENT else classes.names))


AS_PUBLISHED = Reading()  # as NSMC is


def read(path: str | os.PathLike[str], how: Reading = AS_PUBLISHED) -> Corpus:
    r"""Reads labelled texts from tables of any kind that tables.Table reads.

    A text may be empty, as some of NSMC's are, unless `how` leaves these out.

    Args:
        path: the file, several with commas between them, a pattern of their names, or tables.STDIN.
        how: which columns are read, and how.

    Returns:
        Corpus.

    Raises:
        Located: what is wrong with the file, and on which line. A row of several lines is known by its first. Even
            where bad rows are skipped: more than half of the rows are bad, or labels are ratings and there is no rule
            for them.
        UserError: the file cannot be opened.

    Example:
        >>> corpus = read("nsmc_bert/bundled/sample_test.tsv")
        >>> corpus.texts[0], corpus.labels[0]
        ('왜 칭찬받는지 1도 모르겠음 나만 이상해?', np.int32(0))
    """
    import hashlib

    import numpy as np

    digest = hashlib.sha1(usedforsecurity=False)
    reader = _Reader(how)
    paths = tables.expand(path)
    for each in paths:
        with tables.Table(each, how.layout, digest=digest) as table:
            reader.read(table)
            digest.update(table.sheet.encode())
    name = tables.STDIN_NAME if paths == [tables.STDIN] else os.path.expanduser(path)
    reader.check(name)
    told, sha1 = np.array(reader.labels, np.int32), digest.hexdigest()
    return Corpus(reader.texts, told, Path(name), sha1, reader.skipped, reader.notes(), reader.classes)


class _Reader:
    """What has been read of labelled tables.

    Args:
        how: which columns are read, and how.

    Attributes:
        texts, labels: of the good rows; a label is the number of its class.
        classes: what the labels are of; once all are read, where the column says it.
        missing: how many rows have no label, and are not bad otherwise.
        left_out: how many rows have a rating between negative and positive.
        empty: how many rows without text were left out.
    """

    def __init__(self, how: Reading) -> None:
        self._how, self._labelling, self._skip = how, how.labelling, how.skip_bad_rows
        self.texts: list[str] = []
        self.labels: list[int] = []
        self.classes = how.labelling.classes
        self.missing = self.left_out = self.empty = self._bad_rows = 0
        # the first of either kind: the table's name, and what is wrong
        self._bad: tuple[str, Problem] | None = None
        self._unlabelled: tuple[str, Problem] | None = None
        self._others: set[str] = set()
        self._of_tables: list[str] = []  # notes
        self._found: dict[str, tuple[int, str]] = {}  # by its plain form a label's place among those met, and itself

    def read(self, table: tables.Table) -> None:
        """Reads one table."""
        wanted = {
            "--text_column": (self._how.text_column, "text"),
            "--label_column": (self._how.label_column, "label"),
        }
        text_place, label_place = locate(table, wanted)
        self._note(table.note)
        numbers: dict[str, int | None] = {}  # of the labels lately met
        for row in table:
            text, problem = text_at(row, text_place, table.columns[text_place])
            if problem is None and self._how.skip_empty and not text.strip():
                self.empty += 1
                continue
            if problem is None:
                spelt = text_of(row.values[label_place])
                if spelt not in numbers:
                    if len(numbers) == DIFFERENT:
                        numbers.clear()
                    numbers[spelt] = self._number(spelt)
                label = numbers[spelt]
                if len(self._found) > MOST:
                    found = f"a label more than {MOST} different ones"
                    raise Located(table.name, row.line, found, "one of few classes; see --label_column")
                if label == LEFT_OUT:
                    self.left_out += 1
                    continue
                if label is not None:
                    self.texts.append(text)
                    self.labels.append(label)
                    continue
                problem = row.line, f"the label {shorten(spelt)}", self._labelling.expected
                if self._labelling.is_rating(spelt) or spelt.strip() and not self._skip:
                    self._others |= {spelt, *(known for known, number in numbers.items() if number is not None)}
                    raise Located(table.name, *self._advised(problem, table, label_place))
                if not spelt.strip():
                    if not self._skip:
                        expected = f"{self._labelling.expected}; --skip_bad_rows leaves out what has no label"
                        raise Located(table.name, *problem[:2], expected)
                    self.missing += 1
                    self._unlabelled = self._unlabelled or (table.name, problem)
                    continue
                if len(self._others) < DIFFERENT:
                    self._others.add(spelt)
            if not self._skip:
                raise Located(table.name, *problem)
            self._bad_rows += 1
            self._bad = self._bad or (table.name, problem)
        self._note(table.quoting)

    def _note(self, note: str) -> None:
        if note and note not in self._of_tables:
            self._of_tables.append(note)

    @property
    def skipped(self) -> int:
        """How many rows were passed over: bad ones, and those without a label."""
        return self._bad_rows + self.missing

    def _number(self, label: str) -> int | None:
        """The number of a label's class or, where the column says what classes there are, its place among those met."""
        if not self._labelling.finds:
            return self._labelling.of(label)
        key = plain(label)
        return self._found.setdefault(key, (len(self._found), label))[0] if key else None

    def _advised(self, problem: Problem, table: tables.Table, label_at: int) -> Problem:
        """A label's problem with what to do, which the labels below it tell."""
        for row in table:
            if row.problem is None and len(self._others) < DIFFERENT:
                self._others.add(text_of(row.values[label_at]))
        line, found, expected = problem
        return line, found, expected + self._advice({other for other in self._others if other.strip()})

    def _advice(self, others: set[str]) -> str:
        return self._labelling.advice(others, self._how.two_classes)

    def check(self, name: str) -> None:
        """Whether enough rows are good, of those that have a label: a table may be labelled in part."""
        good, bad = len(self.texts) + self.left_out + self.empty, self._bad_rows
        first = self._bad or self._unlabelled
        if first and (bad > good or not good):
            path, (line, found, expected) = first
            expected += self._advice({*self._others, *map(str, set(self.labels))}) if self._others else ""
            if not good:
                raise Located(path, line, f"{found}, and no good row in {self.skipped}", expected)
            found += f", and {counted(bad, 'bad row')} of {bad + good}"
            raise Located(path, line, found, f"{expected}; most rows have to be good, even with --skip_bad_rows")
        if not self.texts and self.left_out:
            raise Located(
                name,
                None,
                f"all {counted(self.left_out, 'rating')} between the two",
                "some of either; see --negative_to",
            )
        if not self.texts and self.empty:
            raise Located(name, None, f"{counted(self.empty, 'row')}, none with a text", "texts; see --text_column")
        if not self.texts:
            raise Located(name, None, "a header line and no rows", "one row a line below it")
        if self._labelling.finds:
            self.classes, numbers = classes_of([label for _, label in self._found.values()])
            self.labels = [numbers[label] for label in self.labels]

    def notes(self) -> tuple[str, ...]:
        """What there is to say beside the number of bad rows."""
        notes = list(self._of_tables)
        if self.missing:
            notes.insert(0, f"{self.missing} of them without a label")
        if self.empty:
            notes.append(f"{counted(self.empty, 'review')} without text left out")
        counts = [0] * len(self.classes)
        for label in self.labels:
            counts[label] += 1
        if self._labelling.by_rule:
            between = (
                f"{counts[1]} between them: neutral" if len(counts) > 2 else f"{self.left_out} between them left out"
            )
            notes.append(
                f"{counts[-1]} rated {self._labelling.positive_from:g} or more: positive; {counts[0]} "
                f"rated {self._labelling.negative_to:g} or less: negative; {between}"
            )
        elif len(self._labelling.labels) == 2:
            negative, positive = self._labelling.labels
            notes.append(f"{counts[0]} labelled {negative}: negative; {counts[1]} labelled {positive}: positive")
        elif self.classes != SENTIMENT:
            each = ", ".join(f"{name} {count}" for name, count in zip(self.classes.names, counts))
            notes.append(f"reviews of each {'rating' if self.classes.is_ordered else 'class'}: {each}")
        return tuple(notes)


def contradictions(corpus: Corpus) -> tuple[int, int]:
    """(texts that stand in a corpus with more labels than one, the reviews that these are)."""
    labels_of: dict[str, list[int]] = {}
    for text, label in zip(corpus.texts, corpus.labels.tolist()):
        labels_of.setdefault(composed(text), []).append(label)
    both = [labels for labels in labels_of.values() if len(set(labels)) > 1]
    return len(both), sum(map(len, both))


def split(
    texts: Sequence[str], share: float, seed: int, labels: Sequence[int] | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Parts texts at random into those to train on and those to validate on.

    A text that comes several times falls on one side with all its copies, so that no validation text was trained on.

    Args:
        texts: sequence of str.
        share: of the texts that are held out for validation, between 0 and 1.
        seed: of the random choice; the same texts, share, seed and labels give the same parts.
        labels: int [n], numbers of classes, to hold out the same share of each, and of one with two different texts or
            more at least one; a text with several labels counts with its first. None: whatever comes.

    Returns:
        Row numbers to train on and to validate on, two int64 arrays, ascending. round(share * n) rows are held out, at
        least 1 and at most n - 1; where copies do not add up to that, fewer by less than one more text with its copies
        would be, or the rarest text alone where each has too many. With labels that holds for each class, the rows that
        rounding leaves over given to those that it took most from.

    Raises:
        UserError: `share` is not between 0 and 1, `seed` is negative, or there are no two different texts.
    """
    import numpy as np

    if not 0 < share < 1:
        raise UserError(f"found {share} as the share of reviews to validate on, expected more than 0 and less than 1")
    text_of, copies, order = _shuffled(texts, seed)
    label_of = np.zeros(len(copies), np.int64) if labels is None else _first_labels(text_of, labels)
    left = np.array([min(max(round(share * len(texts)), 1), len(texts) - 1)])
    if labels is not None:
        left = _shares(np.bincount(label_of, copies).astype(np.int64), np.bincount(label_of), share)
    least = (left > 0).astype(np.int64)  # of the classes that none is held out of yet
    chosen = np.zeros(len(copies), bool)
    for text in order:
        label = label_of[text]
        if copies[text] <= left[label]:
            chosen[text] = True
            left[label] -= copies[text]
            least[label] = 0
            if not left.any():
                break
    for label in np.flatnonzero(least):
        chosen[min(np.flatnonzero(label_of == label), key=lambda text: copies[text])] = True
    if not chosen.any():
        chosen[copies.argmin()] = True
    held_out = chosen[text_of]
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def folds(texts: Sequence[str], count: int, seed: int, labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """Parts texts at random into `count` folds, with the same share of each class in each, and copies together.

    Args:
        texts: sequence of str.
        count: of the folds, 2 or more.
        seed: of the random choice.
        labels: int [n], numbers of classes; a text with several counts with its first.

    Returns:
        int64 [n], the number of each text's fold, from 0. No fold is empty, and texts of a class that has several
        different ones do not all stand in one.

    Raises:
        UserError: there are fewer folds than two, or fewer different texts than folds.
    """
    import numpy as np

    if count < 2:
        raise UserError(f"found {count} folds, expected 2 or more")
    text_of, copies, order = _shuffled(texts, seed)
    if len(copies) < count:
        raise UserError(f"found {len(copies)} different texts, expected at least {count}, one for each fold")
    label_of = _first_labels(text_of, labels)
    rows = np.zeros((label_of.max() + 1, count), np.int64)  # of each class in each fold
    fold_of = np.zeros(len(copies), np.int64)
    # texts with many copies first, while there is room for them everywhere
    for text in order[np.argsort(-copies[order], kind="stable")]:
        here = rows[label_of[text]]
        fold = min(range(count), key=lambda fold: (here[fold], rows[:, fold].sum()))
        fold_of[text] = fold
        here[fold] += copies[text]
    return fold_of[text_of]


def _shuffled(texts: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of n texts the number of each among the m different ones, int64 [n], how often each of these comes, [m], and the
    different ones in a random order, [m].
    """
    import numpy as np

    if seed < 0:
        raise UserError(f"found {seed} as the seed of the split, expected 0 or more")
    numbers: dict[str, int] = {}
    text_of = np.array([numbers.setdefault(composed(text), len(numbers)) for text in texts], np.int64)
    if len(numbers) < 2:
        found = f"the same text {len(texts)} times" if len(texts) > 1 else counted(len(texts), "review")
        raise UserError(f"found {found}, expected at least 2 different ones, one to train on and one to validate on")
    return text_of, np.bincount(text_of), np.random.Generator(np.random.PCG64(seed)).permutation(len(numbers))


def _first_labels(text_of: np.ndarray, labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """The label, int64, with which each different text comes first."""
    import numpy as np

    return np.asarray(labels, np.int64)[np.unique(text_of, return_index=True)[1]]


def _shares(rows: np.ndarray, texts: np.ndarray, share: float) -> np.ndarray:
    """How many rows of each class are held out, int64 [classes], given its rows and its different texts."""
    import numpy as np

    wanted = rows * share
    left = np.floor(wanted).astype(np.int64)
    over = min(max(round(share * int(rows.sum())), 1), int(rows.sum()) - 1) - int(left.sum())
    left[np.argsort(left - wanted, kind="stable")[:over]] += 1
    return np.where(texts > 1, np.clip(left, 1, rows - 1), 0)


def unseen(texts: Iterable[str], known: Iterable[str]) -> np.ndarray:
    """Which of n texts do not stand word for word in `known`, as syllables or taken apart: bool [n]."""
    import numpy as np

    seen = set(map(composed, known))
    return np.array([composed(text) not in seen for text in texts], bool)


def sample() -> tuple[Corpus, Corpus]:
    """The bundled sample, a few hundred reviews written for this project: (train Corpus, test Corpus)."""
    return read(bundled.SAMPLE["train"]), read(bundled.SAMPLE["test"])
