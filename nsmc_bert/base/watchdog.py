"""Ends a process whose long work stands still, so that whoever started it can start it again."""

from __future__ import annotations

import os
import sys
import threading

STALLED = 1800.0  # seconds without any step after which a run has hung
LOOKS = 10


class Watchdog:
    """Ends the process when long work stands still, so that whoever started it can start it again from its checkpoint.

    TensorFlow's matrix products on CPUs have been seen to wait for each other for ever, once in hours. Time in which
    the process itself is stopped, or the machine sleeps, does not count: the watchdog looks LOOKS times in `seconds`,
    and only while it runs.

    Args:
        seconds: how long nothing may happen, counted from the first sign of life.
    """

    on_duty: list[Watchdog] = []  # those whose blocks are running

    def __init__(self, seconds: float = STALLED) -> None:
        self._seconds, self._done = seconds, threading.Event()
        self._looks: int | None = None  # since the last sign of life
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def alive(self) -> None:
        """Says that something has happened."""
        self._looks = 0

    def look(self) -> bool:
        """Whether nothing has happened for too long, asked LOOKS times in `seconds`."""
        if self._looks is None:
            return False
        self._looks += 1
        return self._looks > LOOKS

    def __enter__(self) -> Watchdog:
        self.on_duty.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.on_duty.remove(self)
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(self._seconds / LOOKS):
            if self.look():
                print(
                    f"error: nothing has happened for {self._seconds:.0f} seconds; run the same command again, it "
                    f"goes on from its last checkpoint",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)


def alive() -> None:
    """Says to every watchdog that something has happened: for what computes batch after batch and does not know who
    watches.
    """
    for watchdog in Watchdog.on_duty:
        watchdog.alive()
