"""nsmc_bert.progress: plain lines where there is no terminal."""

import re
import signal
import subprocess
import sys
import time

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
    script = (
        "import time\nfrom nsmc_bert.progress import Watchdog\nwith Watchdog(0.1) as dog:\n    dog.alive()\n"
        "    time.sleep(600)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert result.returncode == 1
    assert result.stderr.startswith("error: nothing has happened for 0 seconds; run the same command again")


def test_a_run_that_ends_is_not_ended():
    script = (
        "from nsmc_bert.progress import Watchdog\nwith Watchdog(5) as dog:\n    dog.alive()\n"
        "dog._thread.join()\nprint('fine')"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (0, "fine\n")


def test_whoever_computes_batches_keeps_every_watchdog_quiet():
    with Watchdog(3600.0) as outer, Watchdog(3600.0) as inner:
        assert (outer._looks, inner._looks) == (None, None)
        alive()
        assert (outer._looks, inner._looks) == (0, 0)
    outer._looks = None
    alive()  # off duty
    assert outer._looks is None


def test_looks_count_from_the_last_sign_of_life():
    with Watchdog(36000.0) as dog:
        assert not any(dog.look() for _ in range(50))  # not begun yet
        for _ in range(2):
            dog.alive()
            assert [dog.look() for _ in range(11)] == [False] * 10 + [True]


def test_a_process_that_was_stopped_has_not_hung():
    script = (
        "import time\nfrom nsmc_bert.progress import Watchdog\nwith Watchdog(4) as dog:\n    dog.alive()\n"
        "    print('begun', flush=True)\n    input()\n    dog.alive()\n    print('fine')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(6)  # longer than the watchdog has patience
        process.send_signal(signal.SIGCONT)
        assert process.communicate("\n", timeout=300)[0] == "fine\n"
