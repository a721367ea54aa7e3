"""The passes of a training over its texts, each made while the one before it is learned."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from nsmc_bert.model.packing import Plan
from nsmc_bert.model.tokenizers import Encoded


class Passes:
    """Every pass's token ids and batches. At most two are in memory: the one that is learned, and the next.

    Args:
        encoded: the texts of every pass, or a function that makes those of a pass from its number, from 0: the same
            each time it is called, and as many texts in each.
        plan: makes a pass's batches, packed where that is to be done in the background, from its texts and its number.
        count: passes.
    """

    def __init__(self, encoded: Encoded | Callable[[int], Encoded], plan: Callable[[Encoded, int], Plan], count: int):
        self._encoded, self._plan, self._count = encoded, plan, count
        self._worker = ThreadPoolExecutor(1)
        self._made: dict[int, Future] = {}

    def __call__(self, epoch: int) -> tuple[Encoded, Plan]:
        """A pass; the one after it is begun in the background."""
        wanted = range(epoch, min(epoch + 2, self._count))
        self._made = {number: self._made.get(number) or self._worker.submit(self._make, number) for number in wanted}
        return self._made[epoch].result()

    def _make(self, epoch: int) -> tuple[Encoded, Plan]:
        encoded = self._encoded(epoch) if callable(self._encoded) else self._encoded
        return encoded, self._plan(encoded, epoch)
