"""The server beside a model in the same process, a loop of single predictions, and a FastAPI app around a pipeline."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from nsmc_bert import bundled

HERE, THERE = "/v1/models/nsmc:predict", "/predict"
CLIENTS = 64
SECONDS = 10
OURS = [sys.executable, "-m", "nsmc_bert.serve", "--port=0"]
CROWDS = (3030, 10_100)  # clients of crowd.py
PIECE, PIECES = 300, 5  # seconds that a line of `saturation` is of, at most; and how many there are, at least


def rows(reviews, rounds, peers):
    """Rows of the benchmarks' table.

    Args:
        reviews: NSMC's test file.
        rounds: how often each side is measured.
        peers: the file of what it is compared with.
    """
    theirs = [sys.executable, str(peers), "serve", str(bundled.CLASSIFIER)]
    worker = [sys.executable, "-m", "tests.benchmarks.workers"]
    alone, one, many, peer = [], [], [], []
    for _ in range(rounds):
        alone.append(_read([*worker, "one", bundled.CLASSIFIER, reviews, 2000]))
        with _started(OURS) as (address, _):
            one.append(_load(address, HERE, 1, SECONDS, reviews))
            many.append(_load(address, HERE, CLIENTS, SECONDS, reviews))
        with _started(theirs) as (address, _):
            peer.append(address and _load(address, THERE, CLIENTS, SECONDS, reviews))
    found = [
        (f"one sentence over HTTP, ms, {name} (peer: predict in process)", *_pair(one, alone, name, "%.2f"))
        for name in ("p50", "p99")
    ]
    plain = [{"explain": figures["p50"]} for figures in alone]
    found.append(("explaining one sentence, ms, mean (peer: predict, p50)", *_pair(alone, plain, "explain", "%.1f")))
    within = statistics.median(figures["within"] for figures in alone)
    found.append(("  of these the sum within 1 % of the logits' difference, %", f"{within:.1f}", "", ""))
    title = f"{CLIENTS} clients, sentences/s (peer: %s)"
    found.append((title % "a loop of single predictions", *_pair(many, alone, "rate", "%.0f")))
    found.append((title % "FastAPI around a transformers pipeline, PyTorch", *_pair(many, peer, "rate", "%.0f")))
    found.append(("  ms, p99", *_pair(many, peer, "p99", "%.0f")))
    for clients in CROWDS:
        found += crowded(reviews, clients)
    return found


def crowded(reviews, clients):
    """Rows of a client beside so many that are silent, slow or broken, and without them."""
    with _started(OURS) as (address, _):
        quiet = _load(address, HERE, 1, SECONDS, reviews)
        crowd = [sys.executable, "-m", "tests.benchmarks.crowd", address, str(3 * SECONDS), str(clients)]
        with subprocess.Popen(crowd):
            time.sleep(SECONDS / 2)
            beside = _load(address, HERE, 1, SECONDS, reviews)
    title = f"one sentence beside {clients:,} slow and broken clients, ms, %s (peer: without them)"
    found = [(title % name, *_pair([beside], [quiet], name, "%.1f")) for name in ("p50", "p99")]
    return [*found, ("  requests that failed", str(beside["failed"]), "", "")]


def saturation(reviews, minutes, log):
    """Rows of a server that many clients keep at its limit; each five minutes, or fifth of all, are logged as they end.

    Args:
        reviews: NSMC's test file.
        minutes: for how long.
        log: called with a line.
    """
    pieces, left = [], 60 * minutes
    piece = min(PIECE, left / PIECES)
    with _started(OURS) as (address, process):
        _load(address, HERE, CLIENTS, SECONDS, reviews)
        before, own = _memory(process)
        log(f"at the limit, {CLIENTS} clients; after {SECONDS + 2} s of them {before:.0f} MB, {own:.0f} its own")
        while left > 1:
            seconds = min(piece, left)
            left -= seconds
            figures = _load(address, HERE, CLIENTS, seconds, reviews, lead=0)
            pieces.append({**figures, **dict(zip(("memory", "own"), _memory(process)))})
            log(
                "to minute {:.1f}: {count:,} requests, {failed} failed; p50 {p50:.0f}, p99 {p99:.0f} ms; "
                "{memory:.0f} MB, {own:.0f} its own".format(minutes - left / 60, **pieces[-1])
            )
    listed = {name: ", ".join(f"{piece[name]:.0f}" for piece in pieces) for name in ("p50", "p99", "own")}
    requests, failed = (sum(piece[name] for piece in pieces) for name in ("count", "failed"))
    title = f"{minutes:g} minutes at the limit, {CLIENTS} clients: "
    return [
        (f"{title}requests (peer: that failed)", f"{requests:,}", str(failed), ""),
        (f"  ms, p50 of each {piece:.0f} s", listed["p50"], "", ""),
        (f"  ms, p99 of each {piece:.0f} s", listed["p99"], "", ""),
        ("  its own memory at their ends, MB (peer: before)", listed["own"], f"{own:.0f}", ""),
    ]


def _pair(here, peer, name, form):
    """The cells of a row: medians, and the first by the second."""
    here = statistics.median(figures[name] for figures in here)
    if None in peer:
        return form % here, "not installed", ""
    peer = statistics.median(figures[name] for figures in peer)
    return form % here, form % peer, f"{here / peer:.2f}"


@contextlib.contextmanager
def _started(command):
    """(address, process id) of a server while it runs; (None, …) of one that does not."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = process.stdout.readline().strip() or None
    if address:
        _until_it_answers(address)
    try:
        yield address, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def _until_it_answers(address):
    import urllib.error
    import urllib.request

    for _ in range(200):
        try:
            urllib.request.urlopen(address + "docs").close()
            return
        except urllib.error.HTTPError:
            return
        except urllib.error.URLError:
            time.sleep(0.1)


def _load(address, path, clients, seconds, reviews, lead=2):
    """The figures of clients, after `lead` seconds of the same that are not counted."""
    command = [sys.executable, "-m", "tests.benchmarks.load", address, path, clients]
    if lead:
        _read([*command, lead, reviews])
    return _read([*command, seconds, reviews])


def _read(command):
    result = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, env={**os.environ})
    return json.loads(result.stdout.splitlines()[-1])


def _memory(process):
    """(MB that a process has in memory, MB of these that are its own), on Linux.

    What is not its own are files, TensorFlow's libraries for one, of which the system drops and reads again what it
    will: whether a process grows is said by its own memory.
    """
    lines = [line.split() for line in Path(f"/proc/{process}/status").read_text().splitlines()]
    sizes = {line[0]: int(line[1]) / 1024 for line in lines if line[0] in ("VmRSS:", "RssAnon:")}
    return sizes["VmRSS:"], sizes["RssAnon:"]
