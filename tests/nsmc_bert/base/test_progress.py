"""nsmc_bert.base.progress: plain lines where there is no terminal."""

import re

from nsmc_bert.base import progress
from nsmc_bert.base.progress import FirstStep, Progress, clock


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


def test_work_whose_end_nobody_knows(capsys):
    with Progress(None, "reviews", title="predict", every=0.0) as bar:
        bar.update(4096)
    assert re.fullmatch(r"predict 4096 reviews, \d+ reviews/s\n", capsys.readouterr().err)


def test_a_bar_waits_for_work_that_takes_long(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for delay, shown in ((60.0, False), (0.0, True)):
        with Progress(10, "reviews", delay=delay) as bar:
            bar.update(10)
        assert ("10/10" in capsys.readouterr().err) == shown


def test_the_first_step_is_said_once(monkeypatch):
    times, said = iter((100.0, 107.6)), []
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    first = FirstStep(said.append)
    for _ in range(3):
        first.done()
    assert said == ["first step done after 8 s, tracing and compiling included"]
