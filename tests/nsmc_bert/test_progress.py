"""nsmc_bert.progress: plain lines where there is no terminal."""

import re
import subprocess
import sys

from nsmc_bert import progress
from nsmc_bert.progress import Progress, Watchdog, alive, clock


def test_clock():
    assert [clock(s) for s in (0, 75, 3700, float("inf"))] == ["0:00", "1:15", "1:01:40", "?"]


def test_a_line_says_how_far_how_fast_and_how_long_still(capsys):
    with Progress(200, "reviews", title="train", done=100, every=0.0) as bar:
        bar.update(50, loss="0.5000")
    line = capsys.readouterr().err
    assert re.fullmatch(r"train 150 of 200 reviews \(75 %\), loss 0.5000, \d+ reviews/s, 0:00 left\n", line)
    assert bar.rate > 0


def test_lines_come_now_and_then(capsys):
    with Progress(10, "reviews", every=60.0) as bar:
        for _ in range(10):
            bar.update(1)
    assert capsys.readouterr().err == ""


def test_a_run_that_stands_still_ends():
    script = "import time\nfrom nsmc_bert.progress import Watchdog\nwith Watchdog(0.1) as dog:\n    dog.alive()\n    time.sleep(600)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert result.returncode == 1
    assert result.stderr.startswith("error: nothing has happened for 0 seconds; run the same command again")


def test_a_run_that_ends_is_not_ended():
    script = "from nsmc_bert.progress import Watchdog\nwith Watchdog(5) as dog:\n    dog.alive()\ndog._thread.join()\nprint('fine')"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, "fine\n")


def test_whoever_computes_batches_keeps_every_watchdog_quiet():
    with Watchdog(3600.0) as outer, Watchdog(3600.0) as inner:
        assert (outer._last, inner._last) == (None, None)
        alive()
        assert outer._last is not None and inner._last is not None
    outer._last = None
    alive()  # off duty
    assert outer._last is None


def test_time_counts_from_the_last_sign_of_life(monkeypatch):
    with progress.Watchdog(1000) as dog:
        assert not dog.stalled(1e12)  # not begun yet
        for moment in (50.0, 70.0):
            monkeypatch.setattr(progress.time, "monotonic", lambda moment=moment: moment)
            dog.alive()
        monkeypatch.undo()
        assert not dog.stalled(1070.0) and dog.stalled(1070.5)
