"""Rounds: what is computed together, what waits, what is refused; over a computation that can be held up."""

import asyncio
import threading

import numpy as np
import pytest

from nsmc_bert.serving.batcher import Batcher, Busy, Gone


class Computation:
    """The length of each text, once it may."""

    def __init__(self):
        self.rounds, self.may = [], threading.Event()
        self.may.set()

    def __call__(self, texts):
        self.rounds.append(list(texts))
        assert self.may.wait(10)
        if "bad" in texts:
            raise ValueError("bad")
        return np.array([[len(text), 0] for text in texts], np.float32), np.array([len(text) > 3 for text in texts])


def make(computation, **changes):
    settings = {**dict(cost=lambda text: 1, budget=4, wait=0.0, limit=10), **changes}
    return Batcher(computation, **settings)


def lengths(answers):
    return answers[0][:, 0].astype(int).tolist()


async def held(batcher, computation):
    """Lets a round of one text begin that does not end before it may."""
    computation.may.clear()
    first = batcher.submit(["held"])
    while not computation.rounds:
        await asyncio.sleep(0.001)
    return first


def test_answers_come_in_order_and_what_comes_together_is_computed_together():
    computation = Computation()

    async def ask():
        batcher = make(computation)
        pending = [batcher.submit(texts) for texts in (["a"], ["bb", "cccc"])]
        answers = [await each.answers for each in pending]
        batcher.close()
        assert batcher.waiting == batcher.running_for() == 0
        return answers

    one, two = asyncio.run(ask())
    assert (lengths(one), lengths(two), two[1].tolist()) == ([1], [2, 4], [False, True])
    assert computation.rounds == [["a", "bb", "cccc"]]


def test_a_large_request_shares_its_rounds():
    computation = Computation()

    async def ask():
        batcher = make(computation, limit=100)
        first = await held(batcher, computation)
        large, small = batcher.submit(["x" * n for n in range(1, 8)]), batcher.submit(["yy"])
        computation.may.set()
        await first.answers
        assert lengths(await small.answers) == [2]
        assert not large.answers.done()
        assert lengths(await large.answers) == list(range(1, 8))

    asyncio.run(ask())
    assert [len(texts) for texts in computation.rounds] == [1, 4, 4]
    assert "yy" in computation.rounds[1]


def test_a_round_is_cut_by_its_budget_and_has_one_text_at_least():
    computation = Computation()

    async def ask():
        batcher = make(computation, cost=len, budget=5)
        return await batcher.submit(["aaa", "bb", "cc", "ddddddddd", "e"]).answers

    assert lengths(asyncio.run(ask())) == [3, 2, 2, 9, 1]
    assert computation.rounds == [["aaa", "bb"], ["cc"], ["ddddddddd"], ["e"]]


def test_who_comes_alone_never_waits_and_who_came_together_is_waited_for():
    computation, seen = Computation(), []

    async def ask():
        batcher = make(computation, wait=30.0, limit=100, observe=seen.append)
        await batcher.submit(["a"]).answers  # a wait of 30 seconds would be noticed
        await batcher.submit(["a", "b", "c"]).answers
        first = batcher.submit(["a", "b"])
        await asyncio.sleep(0.05)
        assert not first.answers.done()
        await batcher.submit(["c"]).answers
        return await first.answers

    asyncio.run(ask())
    assert seen == [1, 3, 3]


def test_the_wait_ends():
    computation = Computation()

    async def ask():
        batcher = make(computation, wait=0.05)
        await batcher.submit(["a", "b"]).answers
        loop = asyncio.get_running_loop()
        began = loop.time()
        await batcher.submit(["c"]).answers
        return loop.time() - began

    assert 0.045 < asyncio.run(ask()) < 5


def test_what_is_too_much_is_refused_and_one_alone_never():
    computation = Computation()

    async def ask():
        batcher = make(computation, limit=3)
        assert len((await batcher.submit(list("abcdef")).answers)[1]) == 6
        computation.rounds.clear()
        first = await held(batcher, computation)
        second = batcher.submit(["a", "b"])
        with pytest.raises(Busy):
            batcher.submit(["c"])
        await asyncio.sleep(0.02)
        assert 0.015 < batcher.running_for() < 10
        computation.may.set()
        await first.answers
        await second.answers
        assert batcher.waiting == 0
        await batcher.submit(["c"]).answers

    asyncio.run(ask())


def test_what_nobody_waits_for_is_not_computed():
    computation = Computation()

    async def ask():
        batcher = make(computation, limit=4)
        first = await held(batcher, computation)
        second, third = batcher.submit(["a", "b"]), batcher.submit(["c"])
        batcher.drop(second)
        batcher.drop(first)
        assert batcher.waiting == 2  # the one that is being computed, and the third
        batcher.submit(["d", "e"])
        computation.may.set()
        assert lengths(await third.answers) == [1]
        batcher.drop(third)  # too late, and no harm
        for dropped in (first, second):
            with pytest.raises(Gone):
                await dropped.answers

    asyncio.run(ask())
    assert computation.rounds == [["held"], ["c", "d", "e"]]


def test_a_failure_is_of_its_round_alone():
    computation = Computation()

    async def ask():
        batcher = make(computation, budget=2)
        first = await held(batcher, computation)
        bad, good = batcher.submit(["bad", "x", "y", "z"]), batcher.submit(["o"])
        other = batcher.submit(["p"])
        computation.may.set()
        await first.answers
        for failed in (bad, good):
            with pytest.raises(ValueError, match="bad"):
                await failed.answers
        assert lengths(await other.answers) == [1]
        assert batcher.waiting == 0

    asyncio.run(ask())
    assert computation.rounds[1:] == [["bad", "o"], ["p"]]


def test_what_waits_at_the_end_is_given_up():
    computation = Computation()

    async def ask():
        batcher = make(computation)
        first = await held(batcher, computation)
        second = batcher.submit(["a", "b"])
        threading.Timer(0.05, computation.may.set).start()
        batcher.close()
        assert second.answers.cancelled()
        assert lengths(await first.answers) == [4]
        await asyncio.sleep(0.01)
        assert batcher.waiting == 0

    asyncio.run(ask())
    assert computation.rounds == [["held"]]


def test_other_work_is_done_between_rounds_one_at_a_time():
    computation = Computation()

    async def ask():
        batcher = make(computation)
        first = await held(batcher, computation)
        others = [asyncio.ensure_future(batcher.run(threading.current_thread, 2)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.run(list, 2)
        assert not any(other.done() for other in others)
        computation.may.set()
        await first.answers
        threads = {(await other).name for other in others}
        assert threads == {"batcher_0"}
        assert await batcher.run(list, 2) == []

    asyncio.run(ask())
