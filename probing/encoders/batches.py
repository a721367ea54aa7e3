"""Payloads of any lengths through an encoder: batches of about one length, and windows where a sentence is too long."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from probing import alignment

LONGEST = 512  # positions that an encoder sees at once, if it can


def encode(
    payloads: Sequence[np.ndarray],
    widths: Sequence[int],
    run: Callable[[list[np.ndarray], int], Sequence[Any]],
    *,
    tokens: int,
    limit: int | None = None,
    margin: int = 0,
    around: int = 0,
) -> list[list[np.ndarray]]:
    """The states of sentences.

    Args:
        payloads: list of arrays, [positions] or [positions, …].
        widths: of the encoder's layers.
        run: a function from a list of payloads and the number of positions they are filled up to, to the states of
            every layer, each float16 [payloads, positions, width]; those of what fills up are not read.
        tokens: of a batch, what fills up included.
        limit: positions that are encoded at once; None for any number.
        margin: see alignment.windows; at most a third of the limit, so that a window gives something.
        around: special tokens at either end, which every window has.

    Returns:
        For each payload a list with an array for each layer, float16 [positions, width].
    """
    jobs = []  # (sentence, first position, payload of a window, first and last of what it gives)
    for number, payload in enumerate(payloads):
        if limit is None or len(payload) <= limit:
            jobs.append((number, 0, payload, 0, len(payload)))
            continue
        before, inner, after = np.split(payload, [around, len(payload) - around])
        room = limit - 2 * around
        for begin, end, first, last in alignment.windows(len(inner), room, min(margin, room // 3)):
            window = np.concatenate([before, inner[begin:end], after])
            low = 0 if first == 0 else first - begin + around
            high = len(window) if last == len(inner) else last - begin + around
            jobs.append((number, 0 if first == 0 else first + around, window, low, high))
    out = [[np.empty((len(payload), width), np.float16) for width in widths] for payload in payloads]
    lengths = np.array([len(job[2]) for job in jobs], int)
    for rows, length in by_length(lengths, lambda length: tokens // length):
        for layer, states in enumerate(run([jobs[row][2] for row in rows], length)):
            for line, row in zip(np.asarray(states), rows):
                number, place, _, low, high = jobs[row]
                out[number][layer][place : place + high - low] = line[low:high]
    return out


def by_length(lengths: np.ndarray, most: Callable[[int], int]) -> Iterator[tuple[np.ndarray, int]]:
    """(row numbers, positions) of batches of about one length, the longest first: the peak of memory comes at once.

    Args:
        lengths: int [rows].
        most: how many rows so many positions long a batch has at most, unless it is one.
    """
    order, first = np.argsort(-lengths, kind="stable"), 0
    while first < len(order):
        length = int(lengths[order[first]])
        rows = order[first : first + max(most(length), 1)]
        yield rows, length
        first += len(rows)


def fill(payloads: Sequence[np.ndarray], length: int, value: int, dtype: DTypeLike = np.int32) -> np.ndarray:
    """Payloads of token ids as one array, dtype [payloads, length], filled up with `value`."""
    out = np.full((len(payloads), length), value, dtype)
    for line, payload in zip(out, payloads):
        line[: len(payload)] = payload
    return out
