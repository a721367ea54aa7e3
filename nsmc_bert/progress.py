"""Progress of long work: a bar in a terminal, a plain line now and then elsewhere; rate and time left in both."""

import os
import sys
import threading
import time

STALLED = 1800.0  # seconds without any step after which a run has hung
LOOKS = 10


class Watchdog:
    """Ends the process when long work stands still, so that whoever started it can start it again from its checkpoint.

    TensorFlow's matrix products on CPUs have been seen to wait for each other for ever, once in hours. Time in which
    the process itself is
    stopped, or the machine sleeps, does not count: the watchdog looks LOOKS times in `seconds`, and only while it runs.

    Args:
        seconds: how long nothing may happen, counted from the first sign of life.
    """

    on_duty: "list[Watchdog]" = []  # those whose blocks are running

    def __init__(self, seconds: float = STALLED):
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

    def __enter__(self):
        self.on_duty.append(self)
        return self

    def __exit__(self, *_):
        self.on_duty.remove(self)
        self._done.set()

    def _watch(self):
        while not self._done.wait(self._seconds / LOOKS):
            if self.look():
                print(
                    f"error: nothing has happened for {self._seconds:.0f} seconds; run the same command again, it "
                    f"goes on from its last checkpoint",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(1)


def alive():
    """Says to every watchdog that something has happened: for what computes batch after batch and does not know who
    watches.
    """
    for watchdog in Watchdog.on_duty:
        watchdog.alive()


class Progress:
    """Counts units of work towards a total.

    Args:
        total: the units of the whole work.
        unit: their name, in the plural: reviews, sentences, bytes.
        done: units that an earlier run has done already; they do not count for the rate.
        title: what is being done.
        every: seconds between two lines where the output is no terminal.
    """

    def __init__(self, total, unit, *, done=0, title="", every=20.0):
        self._total, self._unit, self._title, self._every = total, unit, title, every
        self._first, self._done, self._start = done, done, time.monotonic()
        self._spoken = self._start
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, initial=done, unit=" " + unit, desc=title or None, dynamic_ncols=True, smoothing=0.05
            )

    @property
    def rate(self):
        """Units a second since the start of this process' share."""
        return (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)

    def update(self, units, **figures):
        """Adds `units` done and shows `figures`, already formatted strings, beside."""
        self._done += units
        if self._bar is not None:
            self._bar.set_postfix(figures, refresh=False)
            self._bar.update(units)
        elif time.monotonic() - self._spoken >= self._every:
            self._spoken = time.monotonic()
            print(self._line(figures), file=sys.stderr, flush=True)

    def close(self):
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _line(self, figures):
        rate = self.rate
        left = (self._total - self._done) / rate if rate else float("inf")
        shown = "".join(", {} {}".format(*item) for item in figures.items())
        return "%s %d of %d %s (%.0f %%)%s, %.0f %s/s, %s left" % (
            self._title,
            self._done,
            self._total,
            self._unit,
            100 * self._done / max(self._total, 1),
            shown,
            rate,
            self._unit,
            clock(left),
        )


def clock(seconds):
    """Seconds in words of a clock: 75 -> '1:15', 3700 -> '1:01:40'."""
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "%d:%02d:%02d" % (hours, minutes, seconds) if hours else "%d:%02d" % (minutes, seconds)
