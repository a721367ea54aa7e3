"""nsmc_bert.base.watchdog: who stands still is ended, who works or sleeps is not."""

import signal
import subprocess
import sys
import time

from nsmc_bert.base.watchdog import Watchdog, alive


def test_a_run_that_stands_still_ends():
    script = (
        "import time\nfrom nsmc_bert.base.watchdog import Watchdog\nwith Watchdog(0.1) as dog:\n    dog.alive()\n"
        "    time.sleep(600)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert result.returncode == 1
    assert result.stderr.startswith("error: nothing has happened for 0 seconds; run the same command again")


def test_a_run_that_ends_is_not_ended():
    script = (
        "from nsmc_bert.base.watchdog import Watchdog\nwith Watchdog(5) as dog:\n    dog.alive()\n"
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
        "import time\nfrom nsmc_bert.base.watchdog import Watchdog\nwith Watchdog(4) as dog:\n    dog.alive()\n"
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
