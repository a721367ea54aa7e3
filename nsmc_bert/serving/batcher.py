"""Texts of many requests, answered together: what waits is computed in rounds, one at a time, in one thread."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

Answers = tuple[np.ndarray, np.ndarray]  # float32 [n, labels] probabilities, bool [n] whether a text was cut
Result = TypeVar("Result")


class Busy(Exception):
    """More waits already than may wait."""


class Gone(Exception):
    """Whoever asked has gone before the answer."""


@dataclasses.dataclass(eq=False)
class Pending:
    """The texts of one request on their way.

    Attributes:
        texts: what is asked.
        answers: the future of the answers to all of them, in their order.
        taken: how many of them a round has taken.
    """

    texts: Sequence[str]
    answers: asyncio.Future[Answers]
    taken: int = 0
    _parts: list[Answers] = dataclasses.field(default_factory=list)

    @property
    def left(self) -> int:
        """How many no round has taken."""
        return len(self.texts) - self.taken

    def answer(self, part: Answers) -> None:
        """Takes the answers to the next of its texts."""
        self._parts.append(part)
        if sum(len(cut) for _, cut in self._parts) == len(self.texts):
            probabilities, cut = (np.concatenate(parts) for parts in zip(*self._parts))
            self.answers.set_result((probabilities, cut))


class Batcher:
    """Answers texts of many requests in rounds.

    A round takes what waits, of each request in turn, until its budget is full: so a request of a thousand texts does
    not keep one of a single text waiting for more than a round. It begins as soon as as many texts wait as the round
    before took, or `wait` after the first of them came. Whoever asks alone, for as many texts each time, therefore does
    not wait, and those who ask together are together again in the next round.

    Args:
        compute: texts to Answers, called in the batcher's thread.
        cost: what a text takes of a round's budget.
        budget: what a round takes at most, unless it is one text.
        wait: seconds that a round that could begin waits for more texts at most.
        limit: texts that may wait or be computed at a time.
        observe: called with the number of texts of each round.

    Attributes:
        waiting: texts that wait or are computed.

    Example:
        >>> def compute(texts):
        ...     return np.array([[len(text)] for text in texts], np.float32), np.zeros(len(texts), bool)
        >>> async def ask():
        ...     batcher = Batcher(compute, cost=len, budget=100, wait=0.001, limit=10)
        ...     pending = [batcher.submit(["꿀잼"]), batcher.submit(["노잼", "돈이 아깝다"])]
        ...     return [(await each.answers)[0].tolist() for each in pending]
        >>> asyncio.run(ask())
        [[[2.0]], [[2.0], [6.0]]]
    """

    def __init__(
        self,
        compute: Callable[[list[str]], Answers],
        *,
        cost: Callable[[str], int],
        budget: int,
        wait: float,
        limit: int,
        observe: Callable[[int], None] = lambda texts: None,
    ) -> None:
        self._compute, self._cost, self._observe = compute, cost, observe
        self._budget, self._wait, self._limit = budget, wait, limit
        self._queue: collections.deque[Pending] = collections.deque()
        self._thread = ThreadPoolExecutor(1, "batcher")
        self._turn = asyncio.Lock()  # of what is computed beside the rounds
        self._others = 0
        self._running = False
        self._since = 0.0  # when the round that is running began
        self._begin: asyncio.Handle | None = None
        self._previous = 1  # texts of the last round
        self._closed = False
        self.waiting = 0

    def submit(self, texts: Sequence[str]) -> Pending:
        """Lets texts, at least one, wait for the next rounds.

        Raises:
            Busy: with these, more than `limit` would wait, and others do already.
        """
        if self.waiting and self.waiting + len(texts) > self._limit:
            raise Busy
        pending = Pending(texts, asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self.waiting += len(texts)
        if not self._running:
            self._schedule()
        return pending

    def drop(self, pending: Pending) -> None:
        """Takes texts out for whose answers nobody waits; these are then Gone."""
        if not pending.answers.done():
            self._give_up(pending, Gone())

    def running_for(self) -> float:
        """Seconds for which a round has been computed; 0 where none is."""
        return asyncio.get_running_loop().time() - self._since if self._running else 0.0

    async def run(self, function: Callable[[], Result], limit: int) -> Result:
        """Computes something else between two rounds, one such thing at a time.

        Args:
            function: called in the batcher's thread.
            limit: how many such things may wait or be computed at a time.

        Raises:
            Busy: with this one, more than `limit` would.
        """
        if self._others >= limit:
            raise Busy
        self._others += 1
        try:
            async with self._turn:
                return await asyncio.get_running_loop().run_in_executor(self._thread, function)
        finally:
            self._others -= 1

    def close(self) -> None:
        """Gives up what waits, whose futures are cancelled, and ends the thread when what it computes is done."""
        self._closed = True
        for pending in self._queue:
            self.waiting -= pending.left
            pending.answers.cancel()
        self._queue.clear()
        self._thread.shutdown(wait=True)

    def _give_up(self, pending: Pending, error: BaseException) -> None:
        self.waiting -= pending.left
        pending.taken = len(pending.texts)
        pending.answers.set_exception(error)

    def _schedule(self) -> None:
        """Lets a round begin: at once if as many texts wait as the last one had, else when the wait is over."""
        loop = asyncio.get_running_loop()
        if self.waiting >= self._previous or not self._wait:
            if isinstance(self._begin, asyncio.TimerHandle):
                self._begin.cancel()
                self._begin = None
            # after what else arrived in this turn of the loop
            self._begin = self._begin or loop.call_soon(self._start)
        elif self._begin is None:
            self._begin = loop.call_later(self._wait, self._start)

    def _start(self) -> None:
        self._begin = None
        if self._closed:
            return
        taken = self._take()
        texts = [text for pending, first, end in taken for text in pending.texts[first:end]]
        if not texts:
            return
        self._running, self._previous = True, len(texts)
        self._since = asyncio.get_running_loop().time()
        self._observe(len(texts))
        computed = asyncio.get_running_loop().run_in_executor(self._thread, self._compute, texts)
        computed.add_done_callback(lambda computed: self._finish(taken, computed))

    def _take(self) -> list[tuple[Pending, int, int]]:
        """The texts of a round: (whose, from, to)."""
        ranges: dict[Pending, tuple[int, int]] = {}
        budget = self._budget
        while self._queue:
            pending = self._queue.popleft()
            if not pending.left:
                continue
            budget -= self._cost(pending.texts[pending.taken])
            if budget < 0 and ranges:
                self._queue.appendleft(pending)
                break
            first, _ = ranges.get(pending, (pending.taken, 0))
            pending.taken += 1
            ranges[pending] = first, pending.taken
            if pending.left:
                self._queue.append(pending)  # behind the others
        return [(pending, *range) for pending, range in ranges.items()]

    def _finish(self, taken: Sequence[tuple[Pending, int, int]], computed: asyncio.Future[Answers]) -> None:
        self._running = False
        error, place = computed.exception(), 0
        for pending, first, end in taken:
            self.waiting -= end - first
            here, place = slice(place, place + end - first), place + end - first
            if pending.answers.done():
                continue  # dropped, or given up
            if error is not None:
                self._give_up(pending, error)
            else:
                probabilities, cut = computed.result()
                pending.answer((probabilities[here], cut[here]))
        if self._queue and not self._begin:
            self._begin = asyncio.get_running_loop().call_soon(self._start)
