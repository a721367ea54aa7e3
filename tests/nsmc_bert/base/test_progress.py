"""nsmc_bert.base.progress: plain lines where there is no terminal."""

import re

from nsmc_bert.base.progress import Progress, clock


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
