"""Progress of long work: a bar in a terminal, a plain line now and then elsewhere; rate and time left in both."""

import sys
import time


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
