"""Progress of long work: a bar in a terminal, a plain line now and then elsewhere; rate and time left in both."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

DELAY = 5.0  # seconds that a bar waits for work that is mostly short


class Progress:
    """Counts units of work towards a total.

    Args:
        total: the units of the whole work; None where nobody knows it before the end.
        unit: their name, in the plural: reviews, sentences, bytes.
        done: units that an earlier run has done already; they do not count for the rate.
        title: what is being done.
        every: seconds between two lines where the output is no terminal.
        delay: seconds that a bar waits for: work that is done before needs none.
    """

    def __init__(
        self,
        total: int | None,
        unit: str,
        *,
        done: int = 0,
        title: str = "",
        every: float = 20.0,
        delay: float = 0.0,
    ) -> None:
        self._total, self._unit, self._title, self._every = total, unit, title, every
        self._first, self._done, self._start = done, done, time.monotonic()
        self._spoken = self._start
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                initial=done,
                unit=" " + unit,
                desc=title or None,
                dynamic_ncols=True,
                smoothing=0.05,
                delay=delay,
                leave=not delay,
            )

    @property
    def rate(self) -> float:
        """Units a second since the start of this process' share."""
        return (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)

    def update(self, units: int, **figures: str) -> None:
        """Adds `units` done and shows `figures`, already formatted strings, beside."""
        self._done += units
        if self._bar is not None:
            self._bar.set_postfix(figures, refresh=False)
            self._bar.update(units)
        elif time.monotonic() - self._spoken >= self._every:
            self._spoken = time.monotonic()
            print(self._line(figures), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self, figures: Mapping[str, str]) -> str:
        rate = self.rate
        shown = "".join(f", {name} {value}" for name, value in figures.items())
        if self._total is None:
            return f"{self._title} {self._done} {self._unit}{shown}, {rate:.0f} {self._unit}/s"
        left = (self._total - self._done) / rate if rate else float("inf")
        percent = 100 * self._done / max(self._total, 1)
        return (
            f"{self._title} {self._done} of {self._total} {self._unit} ({percent:.0f} %){shown}, "
            f"{rate:.0f} {self._unit}/s, {clock(left)} left"
        )


class FirstStep:
    """Says how long it took until the first step of a training was done, which is when it was traced and compiled.

    Args:
        log: called with the line.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log, self._start, self._is_done = log, time.monotonic(), False

    def done(self) -> None:
        """To be called behind every step."""
        if not self._is_done:
            self._is_done = True
            seconds = time.monotonic() - self._start
            self._log(f"first step done after {seconds:.0f} s, tracing and compiling included")


def clock(seconds: float) -> str:
    """Seconds in words of a clock: 75 -> '1:15', 3700 -> '1:01:40'."""
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
