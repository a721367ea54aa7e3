"""The published tables, and which results may be held beside them.

Tenney et al. (ICLR 2019), table 2, and Tenney, Das and Pavlick (ACL 2019), figures 1 and 2.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from probing.results.result import Result
from probing.tasks import TASKS

FOLDER = Path(__file__).parent / "published"
MACRO = "Macro Average"


@dataclasses.dataclass(frozen=True)
class PublishedEncoder:
    """An encoder of the published table.

    Attributes:
        names: those that it is known by; one with a colon at its end begins the name of a folder.
        widths: of its layers.
        takes: what its column takes, where it was not run.
        checksums: SHA-256 of the published files of its weights; without any it goes by its family and widths.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    takes: str
    checksums: tuple[str, ...] = ()


ENCODERS = {
    "cove": PublishedEncoder(("cove:",), (300, 600), "GloVe and the MT-LSTM: flags/probe_cove.flags"),
    "elmo": PublishedEncoder(("elmo:",), (512, 1024, 1024), "the authors' options and weights: flags/probe_elmo.flags"),
    "gpt": PublishedEncoder(
        ("openai-gpt", "openai-community/openai-gpt"),
        (768,) * 13,
        "openai-gpt: flags/probe_gpt.flags",
        (
            "25c82cdf1844d2d93e9120b3b628fc6c2b4fcc7801a1297f58465ba67d45deb3",
            "8bf5488d77b1221af74cad303845855e0d9e094f1b8563066a28eb74b104f8d4",
        ),
    ),
    "bert-base": PublishedEncoder(
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        (768,) * 13,
        "bert-base-uncased: flags/probe_bert_base.flags",
        ("68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",),
    ),
    "bert-large": PublishedEncoder(
        ("bert-large-uncased", "google-bert/bert-large-uncased"),
        (1024,) * 25,
        "bert-large-uncased: flags/probe_bert_large.flags",
        ("28349a5c57338d0dca591bb95de533897c2399095c69d61e09604b46f444a4c4",),
    ),
}
NAMES = {name for column, encoder in ENCODERS.items() for name in (column, *encoder.names)}
BY_CHECKSUM = {checksum: name for name, encoder in ENCODERS.items() for checksum in encoder.checksums}
AVERAGED = tuple(task.title for task in TASKS.values() if task.published)  # the rows of the macro average
DIFFERENCES = {  # published ones: (encoder, name): ((encoder, representation), (encoder, representation))
    ("cove", "delta"): (("cove", "full"), ("cove", "lex")),
    ("elmo", "delta"): (("elmo", "full"), ("elmo", "lex")),
    ("bert-base", "delta_elmo"): (("bert-base", "mix"), ("elmo", "full")),
    ("bert-large", "delta_elmo"): (("bert-large", "mix"), ("elmo", "full")),
    ("bert-large", "delta_base"): (("bert-large", "mix"), ("bert-base", "mix")),
}


@functools.cache
def f1() -> Mapping[tuple[str, str, str], float]:
    """{(row, encoder, representation or name of a difference): F1 on test, a share}."""
    return {
        (row["task"], row["encoder"], row["representation"]): float(row["value"]) / 100 for row in _rows("test_f1.csv")
    }


def scores() -> dict[tuple[str, str], np.ndarray]:
    """{(task, encoder): float64 [layers + 1]}, F1 on dev in percent of probes that mix layers 0 to k."""
    out: dict[tuple[str, str], list[float]] = {}
    for row in _rows("cumulative_dev_f1.csv"):
        out.setdefault((row["task"], row["encoder"]), []).append(float(row["f1"]))
    return {key: np.array(values) for key, values in out.items()}


@dataclasses.dataclass(frozen=True)
class PublishedMix:
    """Mixing weights of a task's probe: shares float64 [layers + 1], gamma, and what was computed of them."""

    task: str
    encoder: str
    shares: np.ndarray
    gamma: float
    kl_bits: float
    centre_of_gravity: float


def mixes() -> list[PublishedMix]:
    """The mixing weights of every task and encoder; of one there are two, and the first is the published figure's."""
    return [
        PublishedMix(
            row["task"],
            row["encoder"],
            np.array([float(share) for share in row["shares"].split()]),
            *(float(row[name]) for name in ("gamma", "kl_bits", "centre_of_gravity")),
        )
        for row in _rows("mixing_weights.csv")
    ]


def encoder_of(result: Result) -> str:
    """The published encoder that a result is of, or the name of its own.

    Weights are known by the checksum of their file, or by the hub name they were fetched by; a folder's name, or the
    last part of another hub name, says nothing of them. ELMo and CoVe, of which no checksums are known here, go by
    their family and shape. Of the heads of an encoder nothing is published.
    """
    if result.layer0_kind == "none":
        return result.encoder
    weights = result.weights or {}
    if weights.get("sha256") in BY_CHECKSUM:
        return BY_CHECKSUM[weights["sha256"]]
    named = _named(result.encoder)
    if named and not ENCODERS[named].checksums:
        return named
    # of before that was noted, what has the form of the hub name counts as fetched
    return named if named and result.encoder in ENCODERS[named].names and weights.get("hub", True) else result.encoder


def why_not(result: Result, layer0: str = "lexical") -> str:
    """Why a result may not be held beside the published one, whose layer 0 is `layer0`; "" if it may."""
    encoder = ENCODERS.get(encoder_of(result))
    if encoder is None:
        if result.layer0_kind == "none":
            return "no published encoder"
        named = _named(result.encoder)
        if not named:
            return "no published encoder"
        return f"other weights than {named}'s, or not known to be these; its hub name would say so"
    if result.widths not in (None, encoder.widths):
        return f"other encoder: layers of {_shape(result.widths)}, published {_shape(encoder.widths)}"
    if other := other_data(result):
        return "other data: " + other
    if result.layer0_kind != layer0:
        return f"other layer 0: {result.layer0_kind}, published {layer0}"
    return ""


def other_data(result: Result) -> str:
    """How a result's data differs from the published, by its counts; "" if it does not."""
    for split, (_, targets) in result.task.counts.items():
        counted = result.splits.get(split, {"targets": 0})["targets"]
        if counted != targets:
            return f"{counted} targets in {split}, published {targets}"
    return "" if result.task.published else "the task was not published"


def _named(name: str) -> str | None:
    """The published encoder that a name, or the folder at its end, is called after; None for none."""
    last = name.rstrip("/").rpartition("/")[2]
    for encoder, known in ENCODERS.items():
        if name in known.names or last in known.names:
            return encoder
        if any(prefix.endswith(":") and name.startswith(prefix) for prefix in known.names):
            return encoder
    return None


def _shape(widths: Sequence[int] | None) -> str:
    widths = list(widths or ())
    return " and ".join(f"{widths.count(width)} × {width}" for width in dict.fromkeys(widths))


def _rows(name: str) -> Iterator[dict[str, str]]:
    with open(FOLDER / name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
