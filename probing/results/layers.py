"""Where in an encoder a task is solved: expected layer, centre of gravity, and how far either is from no preference.

As Tenney et al. ("BERT Rediscovers the Classical NLP Pipeline", ACL 2019, section 3) define them, and as their notebook
computes them; the published figures of BERT-base, BERT-large and ELMo are in `published`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from probing import scoring
from probing.results import published
from probing.results.result import Result, draws, mean_f1
from probing.tasks import TASKS, Task

TAIL = 0.025  # the share of bootstrap values that an end of an interval leaves out


def expected_layer(scores: ArrayLike) -> float:
    """The layer at which the score rises, on average over its rises.

    Args:
        scores: float [layers + 1], the figure of a probe that mixes layers 0 to k, for each k.

    Returns:
        Sum over k from 1 of k times the rise from k - 1 to k, divided by the whole rise; a fall counts as a negative
        rise. NaN where the last score is not above the first: of a whole fall this is the layer at which it falls.
    """
    rises = np.diff(np.asarray(scores, np.float64))
    whole = rises.sum()
    return float((np.arange(1, len(rises) + 1) * rises).sum() / whole) if whole > 0 else float("nan")


def centre_of_gravity(shares: ArrayLike) -> float:
    """The mean layer, weighted by the mixing weights softmax(w), float [layers + 1]; gamma has no part in it."""
    shares = np.asarray(shares, np.float64)
    return float((np.arange(len(shares)) * shares).sum() / shares.sum())


def bits_from_uniform(values: ArrayLike) -> float:
    """The Kullback-Leibler divergence in bits of a distribution over layers from the uniform one.

    Args:
        values: float [n], mixing weights, or the rises of a score from layer to layer: what is negative counts as 0,
            and the rest is made to sum to 1.

    Returns:
        0 for no preference, log2(n) where one layer has everything; NaN where no value is positive.
    """
    values = np.maximum(np.asarray(values, np.float64), 0.0)
    if not values.sum():
        return float("nan")
    shares = values / values.sum()
    positive = shares[shares > 0]
    return float((positive * np.log2(positive * len(shares))).sum())


@dataclasses.dataclass(frozen=True, eq=False)
class Layers:
    """What the layers of one encoder know of one task.

    Attributes:
        task: tasks.Task.
        encoder: its name.
        cumulative: float64 [n], F1 of mix_0, mix_1, … as far as none is missing, the mixture of all layers last; or
            None where there are less than two.
        whole: float64 [layers + 1], F1 of the same over the seeds that all of its probes have, where it goes to the
            last layer; what expected layer and K are of. None where it does not.
        interval: of the expected layer, 95 % by the bootstrap over sentences and seeds, without ends, (-inf, inf),
            where the rise may be chance, see `_interval`; None where it is not whole, or its probes share no seed.
        single: float64 [layers + 1], F1 of top_0 (or lex, which is the same), top_1, …, NaN where one was not run; or
            None.
        shares: float64 [layers + 1], mixing weights of mix (of ELMo, full), the mean over seeds, or None.
        gamma: likewise a float.
        why_not: why the published ones are not held beside, in words, or "".
        unlike: what only some of the probes say of how they were measured, in words, or "".
        seeds: of how many of the probes' seeds `whole` is, in words; "" for all.
    """

    task: Task
    encoder: str
    cumulative: np.ndarray | None
    single: np.ndarray | None
    shares: np.ndarray | None
    gamma: float | None
    why_not: str = ""
    unlike: str = ""
    whole: np.ndarray | None = None
    interval: tuple[float, float] | None = None
    seeds: str = ""


def by_layer(results: Iterable[Result], samples: int = 1000) -> list[Layers]:
    """A Layers for each task and encoder that have anything to say about layers; F1 is that of dev, as in the published
    study, and intervals are of so many bootstrap samples.
    """
    groups: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in results:
        if not result.control:
            group = groups.setdefault((result.task.name, published.encoder_of(result)), {})
            group.setdefault(result.representation, []).append(result)
    out = [_of_one(encoder, named, samples) for (_, encoder), named in groups.items()]
    return sorted(filter(None, out), key=lambda layers: list(TASKS).index(layers.task.name))


def _of_one(encoder: str, named: Mapping[str, list[Result]], samples: int) -> Layers | None:
    """The Layers of one task and encoder from its results by representation; None where they say nothing of layers."""
    every = [result for group in named.values() for result in group]
    mixed = [result for result in named.get("mix", named.get("full", [])) if result.mix]
    mixes = [result.mix for result in mixed if result.mix]
    on_dev = {name: group for name, group in named.items() if all("dev" in result.figures for result in group)}
    steps, single = _cumulative(on_dev, mixed), _single(on_dev)
    cumulative = np.array([mean_f1(group, split="dev") for group in steps]) if steps else None
    if not mixes and cumulative is None and single is None:
        return None
    widths = next((result.widths for result in every if result.widths), None)
    layers = len(widths) if widths else max(mixes[0].layers) + 1 if mixes else 0
    whole, interval, seeds = _whole(steps, samples) if len(steps) == layers > 1 else (None, None, "")
    return Layers(
        every[0].task,
        encoder,
        cumulative=cumulative,
        single=single,
        shares=np.mean([mix.shares for mix in mixes], 0) if mixes else None,
        gamma=float(np.mean([mix.gamma for mix in mixes])) if mixes else None,
        why_not=published.why_not(every[0], "positions"),
        unlike=next(filter(None, (every[0].unlike(result, True) for result in every)), ""),
        whole=whole,
        interval=interval,
        seeds=seeds,
    )


def _cumulative(named: Mapping[str, list[Result]], mixed: list[Result]) -> list[list[Result]]:
    """The probes that mix layers 0 to k, for each k; the last is the one that mixes all. [] where one is missing."""
    steps = sorted(int(name[4:]) for name in named if name.startswith("mix_"))
    names = [f"mix_{k}" for k in steps]
    if mixed and mixed[0].mix and steps == list(range(max(mixed[0].mix.layers))):
        names += [name for name in [mixed[0].representation] if name in named]
    elif steps != list(range(len(steps))):
        names = []
    return [named[name] for name in names] if len(names) > 1 else []


def _whole(steps: list[list[Result]], samples: int) -> tuple[np.ndarray, tuple[float, float] | None, str]:
    """F1 on dev of each step, and the interval of their expected layer, over the seeds that all of them have; where
    there are none F1 over all, and no interval. And of how many seeds that is, in words; "" for all.
    """
    of_steps = [{result.seed for result in group} for group in steps]
    seeds, every = set.intersection(*of_steps), set.union(*of_steps)
    shared = [[result for result in group if result.seed in seeds or not seeds] for group in steps]
    scores = np.array([mean_f1(group, split="dev") for group in shared])
    if not seeds:
        return scores, None, "no interval, since its probes share no seed"
    beside = [result for group in shared for result in group]
    drawn = [draws(group, samples=samples, split="dev", beside=beside) for group in shared]
    assert all(each is not None for each in drawn)  # rows of a table are counted
    values = np.array([expected_layer(each) for each in np.transpose(drawn)])  # type: ignore[arg-type]
    some = f"over {len(seeds)} of {len(every)} seeds, which all of its probes have" if seeds < every else ""
    return scores, _interval(values), some


def _interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of bootstrap values of an expected layer, float64 [samples].

    A NaN is of a draw without a rise, which fits any layer: it counts among the lowest for the lower end, and among the
    highest for the upper one. Where there are more than an end leaves out the rise may be chance, and there are no
    ends, as of every ratio whose denominator may be 0 (Fieller 1954).
    """
    flat = np.isnan(values)
    if flat.mean() > TAIL:
        return -np.inf, np.inf
    low, _ = scoring.interval(np.where(flat, np.nanmin(values), values))
    _, high = scoring.interval(np.where(flat, np.nanmax(values), values))
    return low, high


def _single(named: Mapping[str, list[Result]]) -> np.ndarray | None:
    """F1 on dev of probes of one layer each."""
    layers = {int(name[4:]): name for name in named if name.startswith("top_")}
    if layers and "lex" in named:
        layers.setdefault(0, "lex")
    if len(layers) < 2:
        return None
    out = np.full(max(layers) + 1, np.nan)
    for layer, name in layers.items():
        out[layer] = mean_f1(named[name], split="dev")
    return out
