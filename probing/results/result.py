"""What one probe scored, with all that identifies it: a file of JSON, and beside it what it said and its weights.

A run's folder holds for each task and encoder three files a probe:

    TASK/ENCODER/PROBE.json           a Result
    TASK/ENCODER/PROBE.npz            of dev and test: probabilities float16 [targets, labels]; the counts of every
                                      record, int32 [records, rows, 3], and of all labels together, int32 [records, 3];
                                      the number of every record's sentence, int32 [records]
    TASK/ENCODER/PROBE.safetensors    the probe's weights
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nsmc_bert.base import tensors
from nsmc_bert.base.errors import UserError, shorten
from nsmc_bert.base.files import write_atomically, write_text
from nsmc_bert.base.json_files import mismatch, read_json
from probing import scoring
from probing.scoring import PRF
from probing.tasks import TASKS, Task

COUNTED = ("records", "targets")  # of a split
ALL_LABELS = "all labels"  # a row that every result has, though no table shows it
SHAPE = {  # of the JSON file, as far as anything reads it
    "task": str,
    "representation": str,
    "seed": int,
    "control": str,
    "encoder": str,
    "layer0": str,
    "identity": dict,
    "data": {"name": str, "splits?": {str: dict}},
    "labels?": [str],
    "mix?": ({"layers": [int], "shares": [float], "gamma": float}, None),
    "figures": {"dev?": {str: dict}, "test?": {str: dict}},
    "description_length?": {"bits": float, "compression": float},
}
ACTING = {  # settings of a schedule that act in one kind of it alone
    "linear": ("epochs", "warmup", "least_steps"),
    "plateau": ("steps", "interval", "halve_after", "patience"),
}


def acting(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a schedule that act in its kind."""
    idle = {name for kind, names in ACTING.items() if kind != schedule.get("kind") for name in names}
    return {name: value for name, value in schedule.items() if name not in idle}


@dataclasses.dataclass(frozen=True)
class Identity:
    """All that decides a figure beside representation, seed and control; None for what an older file does not say.

    Attributes:
        corpus: checksum of the corpus' files, the same for every encoder.
        data: checksum of what the probes learn and are measured on, as the encoder reads it. Where it is the same, so
            is the corpus, whatever else its files say.
        encoder: fingerprint of weights, configuration, tokenizer and layer 0.
        precision: the Keras policy of the matrix products.
        schedule: the fields of a schedule.Schedule that act; an older file has the others, too.
    """

    corpus: str | None = None
    data: str | None = None
    encoder: str | None = None
    precision: str | None = None
    schedule: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As a dict of what is known."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Identity:
        """From such a dict; other keys are passed over."""
        return cls(**{field.name: content.get(field.name) for field in dataclasses.fields(cls)})


@dataclasses.dataclass(frozen=True)
class Score:
    """F1 of one row on one split, a share, and the counts that it is of where they are known."""

    f1: float
    counts: PRF | None = None

    @classmethod
    def of(cls, counts: PRF) -> Score:
        return cls(counts.f1, counts)

    def to_json(self) -> dict[str, Any]:
        """With precision, recall and the half width of the interval as the published table has it."""
        if self.counts is None:
            return {"f1": self.f1}
        return {
            **dataclasses.asdict(self.counts),
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "f1": self.f1,
            "published_half_width": scoring.published_half_width(self.counts),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Score:
        known = all(isinstance(content.get(name), int) for name in ("tp", "fp", "fn"))
        return cls(content["f1"], PRF(content["tp"], content["fp"], content["fn"]) if known else None)


@dataclasses.dataclass(frozen=True)
class Mix:
    """A learned mean of layers: which, their shares softmax(w), and the scale gamma (Tenney et al. 2019)."""

    layers: tuple[int, ...]
    shares: tuple[float, ...]
    gamma: float


@dataclasses.dataclass(frozen=True)
class Result:
    """What one probe scored.

    Attributes:
        task: what it was trained on.
        representation, seed, control: what tells it apart from other probes of this task and encoder; `control` is "",
            "random_labels" or "random_encoder".
        encoder: the encoder's name.
        layer0: what layer 0 is: its kind, a colon, and what that means.
        identity: all else that decides the figures.
        corpus: what the data is called.
        splits: {split: {"records", "targets", "dropped", "in_train": sentences that train has too}}.
        figures: {split: {row: Score}} of dev and test, or of one of them.
        by_label: {split: {label: PRF}}, likewise.
        labels: in the order of the probabilities' columns.
        mix: the learned mean that it reads, or None.
        weights: how the encoder's weights are known: {"sha256", "hub"}, or None.
        widths: the encoder's layers', or None where an older file does not say.
        description_length: of the online code, see online.code; or None.
        record: how it was made, which no figure depends on: "history", "seconds", "parameters", "versions", "command",
            and whatever else its file has.
        path: the JSON file; None before it is saved.
    """

    task: Task
    representation: str
    seed: int
    control: str
    encoder: str
    layer0: str
    identity: Identity
    corpus: str
    splits: Mapping[str, Mapping[str, Any]]
    figures: Mapping[str, Mapping[str, Score]]
    by_label: Mapping[str, Mapping[str, PRF]]
    labels: tuple[str, ...] = ()
    mix: Mix | None = None
    weights: Mapping[str, Any] | None = None
    widths: tuple[int, ...] | None = None
    description_length: Mapping[str, Any] | None = None
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    path: Path | None = None

    @property
    def split(self) -> str:
        """The split that it is reported on."""
        return "test" if "test" in self.figures else "dev"

    @property
    def rows(self) -> list[str]:
        """The rows of a table that it has figures for: the task's own, and those that count any target or mistake."""
        return [
            row for row, score in self.figures[self.split].items() if row == self.task.title or score.counts != PRF()
        ]

    @property
    def layer0_kind(self) -> str:
        """lexical or positions."""
        return self.layer0.partition(":")[0]

    @property
    def shape_of(self) -> str:
        """The encoder, or of one with random weights that whose shape it has."""
        return (
            self.encoder.partition(", random weights (seed ")[0] if self.control == "random_encoder" else self.encoder
        )

    @property
    def command(self) -> str:
        """What made it, or ""."""
        return self.record.get("command", "")

    def f1(self, row: str = "", split: str = "") -> float:
        """F1 of a row, the task's own if none is named, on a split, the reported one if none is named. ALL_LABELS is a
        row too: what the control task is measured by.
        """
        if row == ALL_LABELS:
            return sum(self.by_label[split or self.split].values(), PRF()).f1
        return self.figures[split or self.split][row or self.task.title].f1

    def counts(self, row: str = "", split: str = "") -> np.ndarray | None:
        """Counts of every record: int32 [records, 3], true positives, false positives, false negatives.

        Args:
            row, split: as in `f1`.

        Returns:
            The counts; None of ALL_LABELS where an older file has not added them up.

        Raises:
            UserError: the file of predictions is missing or broken.
        """
        split, row = split or self.split, row or self.task.title
        if row == ALL_LABELS and not self._is_of_all_labels():
            return self._predictions(f"{split}_all_counts", optional=True)
        row = self.task.title if row == ALL_LABELS else row
        counts = self._predictions(f"{split}_counts")
        place = list(self.figures[split]).index(row)
        if counts is None or counts.ndim != 3 or place >= counts.shape[1]:
            raise self._broken(f"{split}_counts has not the rows of {self.path and self.path.name}")
        return counts[:, place]

    def sentences(self, split: str = "") -> np.ndarray | None:
        """The number of every record's sentence, int32 [records]; None where an older file does not say."""
        return self._predictions(f"{split or self.split}_sentences", optional=True)

    def _is_of_all_labels(self) -> bool:
        """Whether the task's own row adds up all labels."""
        return self.control == "random_labels" or bool(scoring.columns(self.task, self.labels)[self.task.title].all())

    def _predictions(self, name: str, optional: bool = False) -> np.ndarray | None:
        """An array of the file of predictions; None where that is whole and has none of an `optional` name."""
        assert self.path, "a result that is not saved has no predictions"
        try:
            return tensors.read_member(self.path.with_suffix(".npz"), name, optional)
        except (OSError, ValueError) as error:
            raise self._broken(str(error)) from None

    def _broken(self, what: str) -> UserError:
        path = self.path and self.path.with_suffix(".npz")
        return UserError(
            f"{path}: found no whole file of predictions ({what}), expected one; delete it and the .json of the same "
            f"name to train the probe anew"
        )

    # Files

    def save(self, path: Path, arrays: Mapping[str, np.ndarray] | None = None) -> Result:
        """Writes the JSON file, and before it `arrays` as the file of predictions; returns the result with its path."""
        if arrays is not None:
            write_atomically(path.with_suffix(".npz"), lambda part: _save_arrays(part, arrays))
        write_text(path, json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n")
        return dataclasses.replace(self, path=path)

    def to_json(self) -> dict[str, Any]:
        """The content of its file."""
        return {
            "task": self.task.name,
            "representation": self.representation,
            "seed": self.seed,
            "control": self.control,
            "encoder": self.encoder,
            "weights": self.weights,
            "layer0": self.layer0,
            "widths": self.widths and list(self.widths),
            "data": {"name": self.corpus, "splits": self.splits},
            "labels": list(self.labels),
            **self.record,
            "mix": self.mix and dataclasses.asdict(self.mix),
            "identity": self.identity.to_json(),
            "figures": {
                split: {
                    **{row: score.to_json() for row, score in rows.items()},
                    "labels": {name: list(dataclasses.astuple(prf)) for name, prf in self.by_label[split].items()},
                }
                for split, rows in self.figures.items()
            },
            **({"description_length": self.description_length} if self.description_length else {}),
        }

    @classmethod
    def load(cls, path: Path, expected: str = "a result; delete it") -> Result:
        """Reads a file.

        Args:
            path: the JSON file.
            expected: what an error says was expected, and what to do.

        Raises:
            UserError: it is no result.
        """
        content = read_json(path, SHAPE, expected)
        if content["task"] not in TASKS:
            name, known = shorten(content["task"]), ", ".join(TASKS)
            raise UserError(f"{path}: found the task {name}, expected one of {known}")
        task = TASKS[content["task"]]
        if not {"dev", "test"} & set(content["figures"]):
            raise UserError(f"{path}: found no figures, expected {expected}")
        for split, rows in content["figures"].items():
            shape = {**dict.fromkeys({*rows, task.title} - {"labels"}, {"f1": float}), "labels?": {str: [int]}}
            if wrong := mismatch(rows, shape, f"figures.{split}"):
                raise UserError(f"{path}: found {' '.join(filter(None, wrong[:2]))}, expected {wrong[2]}")
            if any(len(counts) != 3 for counts in rows.get("labels", {}).values()):
                raise UserError(
                    f"{path}: found counts of labels in figures.{split} that are not three, expected {expected}"
                )
        figures = {split: dict(rows) for split, rows in content.pop("figures").items()}
        by_label = {split: rows.pop("labels", {}) for split, rows in figures.items()}
        if content["layer0"].startswith("none:"):  # as an older file names the heads of an encoder
            content["encoder"] = re.sub(r"^(.*), attention(?=$|, random)", r"attention:\1", content["encoder"])
        data, mix, widths = content.pop("data"), content.pop("mix", None), content.pop("widths", None)
        typed = ("representation", "seed", "control", "encoder", "layer0", "weights", "description_length")
        return cls(
            task=task,
            **{name: content.pop(name, None) for name in typed},
            identity=Identity.from_json(content.pop("identity")),
            corpus=data["name"],
            splits=data.get("splits", {}),
            figures={
                split: {row: Score.from_json(score) for row, score in rows.items()} for split, rows in figures.items()
            },
            by_label={
                split: {name: PRF(*counts) for name, counts in labels.items()} for split, labels in by_label.items()
            },
            labels=tuple(content.pop("labels", ())),
            mix=mix and Mix(tuple(mix["layers"]), tuple(mix["shares"]), mix["gamma"]),
            widths=widths and tuple(widths),
            record={name: value for name, value in content.items() if name != "task"},
            path=path,
        )

    # What two results must have in common before one is held against the other

    def conditions(self) -> dict[str, Any]:
        """All that decides a figure but encoder, representation, seed and control, by name; None for the unknown."""
        schedule = acting(self.identity.schedule or {})
        return {
            "corpus": self.identity.corpus,
            "split": self.split,
            **{f"{what} of train": self.splits.get("train", {}).get(what) for what in COUNTED},
            **{what: self.splits.get(self.split, {}).get(what) for what in COUNTED},
            "layer 0": self.layer0_kind,
            "precision": self.identity.precision,
            "schedule": schedule.pop("kind", None),
            **schedule,
        }

    def differences(self, other: Result) -> tuple[list[str], list[str]]:
        """What two results differ in beside what they are of, in words, and what only one of them says.

        Probes of 2 and of 20 passes: (["epochs 2 and 20"], []).
        """
        mine, others = self.conditions(), other.conditions()
        if self.identity.data and self.identity.data == other.identity.data:
            others["corpus"] = mine["corpus"]  # but for what its files say beside, such as the name of their source
        names = list(dict.fromkeys([*mine, *others]))
        if mine["schedule"] != others["schedule"]:  # of another kind, whose other settings mean something else
            names = [name for name in names if name in mine and name in others]
        if any(mine[name] != others[name] for name in ("corpus", "split")):  # which say why
            names = [name for name in names if not name.startswith(COUNTED)]
        different, unknown = [], []
        for name in names:
            a, b = mine.get(name), others.get(name)
            if a != b and None in (a, b):
                unknown.append(name)
            elif a != b:
                different.append(name if name == "corpus" else f"{name} {a} and {b}")
        return different, unknown

    def encoder_differences(self, other: Result) -> tuple[list[str], list[str]]:
        """The same of the encoders of two results that are to be of one, and of how it reads the corpus."""
        different, unknown = [], []
        for name in ("encoder", "data"):
            a, b = getattr(self.identity, name), getattr(other.identity, name)
            if a == b:
                continue
            if None in (a, b):
                unknown.append(name)
            # before the configuration was part of a fingerprint, it was the first part of today's
            elif a.startswith(b + "-") or b.startswith(a + "-"):
                unknown.append("configuration of the encoder")
            else:
                different.append(name)
        return different, unknown

    def unlike(self, other: Result, one_encoder: bool = False) -> str:
        """What two results differ in, or may differ in, in words; "" for nothing. With `one_encoder` they are to be of
        one.
        """
        different, unknown = self.differences(other)
        if one_encoder:
            more = self.encoder_differences(other)
            different, unknown = different + more[0], unknown + more[1]
        return ", ".join(different + [f"{' and '.join(unknown)}, which one of them does not say"] * bool(unknown))


def _save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stubs mistake names for options


# Figures of one probe over seeds


def mean_f1(results: Sequence[Result], row: str = "", split: str = "") -> float:
    """The mean F1 over seeds: see Result.f1."""
    return float(np.mean([result.f1(row, split) for result in results]))


def draws(
    results: Sequence[Result], row: str = "", samples: int = 1000, *, split: str = "", beside: Sequence[Result] = ()
) -> np.ndarray | None:
    """Bootstrap values of a row over seeds and sentences, float64 [samples]: see scoring.bootstrap.

    Args:
        results: of one probe but for the seed.
        row, split: see Result.f1.
        samples: how many test sets are drawn.
        beside: results on the same records, of the same seeds, whose values are held against these: the draws are
            the same.

    Returns:
        None where one of the results has no counts of that row.
    """
    results, split = sorted(results, key=lambda result: result.seed), split or results[0].split
    counts = [result.counts(row, split) for result in results]
    if any(each is None for each in counts):
        return None
    stacked = np.stack([each for each in counts if each is not None])
    # of as many records: those of others say nothing of these
    known = (result.sentences(split) for result in [*results, *beside])
    sentences = next((each for each in known if each is not None and len(each) == stacked.shape[1]), None)
    return scoring.bootstrap(stacked, sentences, samples=samples)


def paired(first: Sequence[Result], second: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Those of two probes' results whose seeds both have, in the order of the seeds: only they can be paired."""
    seeds = {result.seed for result in first} & {result.seed for result in second}
    chosen = [
        sorted((each for each in side if each.seed in seeds), key=lambda each: each.seed) for side in (first, second)
    ]
    return chosen[0], chosen[1]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One probe's figure less another's.

    Attributes:
        value: the difference of the means over the seeds that both have; over all seeds where they share none.
        drawn: bootstrap values of the same sentences and seeds on both sides, float64 [samples]; None where counts are
            missing.
        seeds: how many seeds it is over.
        unpaired: how the seeds differ, in words, where they share none; else "".
    """

    value: float
    drawn: np.ndarray | None
    seeds: int
    unpaired: str = ""

    @classmethod
    def of(
        cls,
        first: Sequence[Result],
        second: Sequence[Result],
        row: str = "",
        samples: int = 1000,
        drawn: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Difference:
        """Of two probes' results over seeds.

        Args:
            first, second: the results.
            row: as in Result.f1.
            samples: bootstrap samples.
            drawn: `draws` of either side alone, which are taken where they would be the same beside the other.
        """
        one, other = paired(first, second)
        unpaired = ""
        if not one:
            one, other = list(first), list(second)
            seeds = (", ".join(map(str, sorted(result.seed for result in side))) for side in (one, other))
            unpaired = "seeds {} and {}".format(*seeds)
        sides: tuple[np.ndarray | None, np.ndarray | None]
        if drawn and len(one) == len(first) == len(second) and _have_sentences(one) == _have_sentences(other):
            sides = drawn
        else:
            sides = draws(one, row, samples, beside=other), draws(other, row, samples, beside=one)
        less = None if sides[0] is None or sides[1] is None else sides[0] - sides[1]
        return cls(mean_f1(one, row) - mean_f1(other, row), less, min(len(one), len(other)), unpaired)


def _have_sentences(results: Sequence[Result]) -> bool:
    return any(result.sentences() is not None for result in results)
