"""nsmc_bert.data.nsmc: found, or downloaded from a server that misbehaves."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nsmc_bert.base import files
from nsmc_bert.base.errors import UserError
from nsmc_bert.data import nsmc
from tests.conftest import ROOT
from tests.nsmc_bert.data.test_reviews import error_of

TRAIN, TEST = "ratings_train.txt", "ratings_test.txt"
CONTENT = {TRAIN: bytes(range(256)) * 1200, TEST: b"id\tdocument\tlabel\n1\ta\t1\n"}
FILES = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENT.items()}


@pytest.fixture(autouse=True)
def small_nsmc(monkeypatch):
    """NSMC in a few bytes and no pauses; no proxy."""
    monkeypatch.setattr(nsmc, "NSMC_FILES", FILES)
    monkeypatch.setattr(nsmc, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def short_timeout(monkeypatch):
    monkeypatch.setattr(nsmc, "TIMEOUT_SECONDS", 0.6)


class Server:
    """Serves CONTENT on 127.0.0.1, a little differently for each request.

    Attributes:
        answers: the ways of the answers to come, see `answer`; after the last, files are served as they are.
        requests: (file, Range header or None) of each request.
        ranges: whether Range is supported.
    """

    def __init__(self):
        self.answers, self.requests, self.ranges = [], [], True
        self.ended = threading.Event()
        self.together = threading.Barrier(2)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler):
                self.answer(handler)

            def log_message(handler, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d/" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler):
        name, range_ = handler.path.rpartition("/")[2], handler.headers["Range"]
        self.requests.append((name, range_))
        how = self.answers.pop(0) if self.answers else "whole"
        handler.close_connection = True
        if how.isdigit():
            return handler.send_error(int(how))
        if how == "hang up":
            return None
        if how == "silence":
            return self.ended.wait(5)
        content = CONTENT[name]
        if how == "wrong":
            content = content[::-1]
        if how == "longer":
            content += b"x" * 1000
        if how == "shorter":
            content = content[:-1000]
        start = int(range_[len("bytes=") :].rstrip("-")) if range_ and self.ranges else 0
        if start >= len(content):
            return handler.send_error(416)
        handler.send_response(206 if start else 200)
        if start:
            begin = start + (1 if how == "shifted" else 0)
            handler.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(content) - 1, len(content)))
        body = content[start:]
        if how == "chunked":
            handler.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif how == "half chunked":
            handler.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n" % (len(body) // 2, body[: len(body) // 2])
        elif how not in ("unsized", "half unsized"):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if how == "half the last":
            self.server.shutdown()
            self.server.server_close()
        if how in ("half", "half the last", "half unsized", "stall"):
            body = body[: len(body) // 2]
        if how == "together":
            handler.wfile.write(body[: len(body) // 2])
            self.together.wait(20)
            body = body[len(body) // 2 :]
        handler.wfile.write(body)
        if how == "stall":
            handler.wfile.flush()
            self.ended.wait(5)
        return None


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def find(tmp_path, server):
    """Finds NSMC with an empty cache, tmp_path/cache, and the server; `find.lines` is what it logged."""

    def find(**keywords):
        return nsmc.find_nsmc(**{"cache_dir": find.cache, "url": server.url, "log": find.lines.append, **keywords})

    find.lines = []
    find.cache = tmp_path / "cache"
    return find


def fill(folder, **changed):
    folder.mkdir(exist_ok=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(changed.get(name.partition(".")[0], content))
    return folder


def check(find, *names):
    """Just these files are in the cache, and they are right."""
    assert {path.name: path.read_bytes() for path in find.cache.iterdir()} == {name: CONTENT[name] for name in names}


def half(name=TRAIN):
    return "bytes=%d-" % (len(CONTENT[name]) // 2)


def test_downloads_once(find, server):
    assert find() == (find.cache / TRAIN, find.cache / TEST)
    assert server.requests == [(TRAIN, None), (TEST, None)]
    assert find.lines == [f"downloading {server.url}{name} to {find.cache}" for name in (TRAIN, TEST)]
    check(find, TRAIN, TEST)
    assert find(download=False) == (find.cache / TRAIN, find.cache / TEST)
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["half", "half unsized", "half chunked", "stall"])
def test_a_broken_download_goes_on_where_it_was(find, server, short_timeout, how):
    server.answers = [how]
    find()
    assert server.requests == [(TRAIN, None), (TRAIN, half()), (TEST, None)]
    check(find, TRAIN, TEST)


@pytest.mark.parametrize("how", ["half", "stall"])
def test_a_server_without_ranges_starts_over(find, server, short_timeout, how):
    server.answers, server.ranges = [how], False
    find()
    assert server.requests == [(TRAIN, None), (TRAIN, half()), (TEST, None)]
    check(find, TRAIN, TEST)


def test_a_server_that_sends_another_part_starts_over(find, server):
    server.answers = ["half", "shifted"]
    find()
    assert server.requests == [(TRAIN, None), (TRAIN, half()), (TRAIN, None), (TEST, None)]
    check(find, TRAIN, TEST)


@pytest.mark.parametrize("how", ["chunked", "unsized"])
def test_a_server_that_does_not_tell_the_size(find, server, how):
    server.answers = [how, how]
    find()
    assert len(server.requests) == 2
    check(find, TRAIN, TEST)


@pytest.mark.parametrize("how", ["hang up", "silence", "503", "429"])
def test_a_server_that_answers_the_second_time(find, server, short_timeout, how):
    server.answers = [how]
    find()
    assert server.requests == [(TRAIN, None), (TRAIN, None), (TEST, None)]


@pytest.mark.parametrize(
    "how, reason",
    [
        ("hang up", "Remote end closed connection without response"),
        ("500", "it answered 500 Internal Server Error"),
        ("half unsized", "it ended after "),
    ],
)
def test_a_server_that_never_gets_better(find, server, how, reason):
    server.answers = [how] * 99
    message = error_of(find, kind=nsmc.NsmcUnavailable)
    assert message.startswith(f"{server.url}{TRAIN}: the connection broke 4 times (the last time: {reason}")
    assert message.endswith("--nsmc_dir=FOLDER")
    assert len(server.requests) == nsmc.CONNECTIONS
    check(find)


def test_a_server_that_goes_away_midway(find, server):
    server.answers = ["half the last"]
    message = error_of(find, kind=nsmc.NsmcUnavailable)
    assert ": the connection broke 4 times (the last time: Connection refused); " in message
    check(find)


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_has_no_such_file(find, server, status):
    server.answers = ["whole", str(status)]
    message = error_of(find, kind=nsmc.NsmcUnavailable)
    assert message.startswith("%s%s: it answered %d " % (server.url, TEST, status))
    assert message.endswith("where NSMC is at hand, name its folder with --nsmc_dir=FOLDER")
    assert len(server.requests) == 2
    check(find, TRAIN)


def test_wrong_bytes_are_downloaded_once_more(find, server):
    server.answers = ["wrong"]
    find()
    assert server.requests == [(TRAIN, None), (TRAIN, None), (TEST, None)]
    check(find, TRAIN, TEST)


@pytest.mark.parametrize("how", ["wrong", "longer", "shorter"])
def test_wrong_bytes_are_never_taken(find, server, how):
    server.answers = [how] * 99
    message = error_of(find, kind=nsmc.NsmcUnavailable)
    size, checksum = FILES[TRAIN]
    found = "more than %d bytes" % size
    if how != "longer":
        wrong = {"wrong": CONTENT[TRAIN][::-1], "shorter": CONTENT[TRAIN][:-1000]}[how]
        found = "%d bytes with sha256 %s" % (len(wrong), hashlib.sha256(wrong).hexdigest())
    start = "%s%s: found %s, expected %d with sha256 %s; "
    assert message.startswith(start % (server.url, TRAIN, found, size, checksum))
    assert len(server.requests) == 2
    check(find)


def test_a_shorter_file_whose_end_is_not_told(find, server, monkeypatch):
    whole = CONTENT[TRAIN]
    monkeypatch.setitem(CONTENT, TRAIN, whole[:-1000])
    server.answers = ["unsized", "whole"] * 2  # the second request asks for what is behind the end
    message = error_of(find, kind=nsmc.NsmcUnavailable)
    assert "found %d bytes with sha256" % (len(whole) - 1000) in message
    assert [range_ for _, range_ in server.requests] == [None, "bytes=%d-" % (len(whole) - 1000)] * 2
    check(find)


def test_a_wrong_file_in_the_cache_is_downloaded_again(find, server):
    fill(find.cache, ratings_train=b"x", ratings_test=CONTENT[TEST][::-1])
    find()
    size, checksum = FILES[TRAIN][0], hashlib.sha256(CONTENT[TEST][::-1]).hexdigest()
    assert find.lines[::2] == [
        "%s: not the official file (1 bytes instead of %d), downloaded again" % (find.cache / TRAIN, size),
        f"{find.cache / TEST}: not the official file (sha256 {checksum} instead of {FILES[TEST][1]}), downloaded again",
    ]
    check(find, TRAIN, TEST)


def test_without_downloads(find, server):
    message = error_of(find, download=False, kind=nsmc.NsmcUnavailable)
    assert message.startswith("%s: missing, and downloading is turned off; " % (find.cache / TRAIN))
    fill(find.cache, ratings_test=b"x")
    message = error_of(find, download=False, kind=nsmc.NsmcUnavailable)
    assert message.startswith("%s: 1 bytes instead of %d, and downloading" % (find.cache / TEST, FILES[TEST][0]))
    assert not server.requests


def test_offline(find, server):
    server.close()
    message = error_of(find, kind=nsmc.NsmcUnavailable)
    assert message.startswith(f"{server.url}{TRAIN}: cannot be reached (Connection refused); ")
    assert message.endswith("--nsmc_dir=FOLDER")
    check(find)


def test_a_name_that_does_not_resolve(find, monkeypatch):
    import socket

    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    message = error_of(find, url="https://nsmc.invalid", kind=nsmc.NsmcUnavailable)
    assert message.startswith(f"https://nsmc.invalid/{TRAIN}: cannot be reached (Name or service not known)")
    assert len(calls) == 1


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "file:///tmp/", "/tmp", "", "http://[bad/", "http://a b/", "http://x:y/"]
)
def test_addresses_that_are_none(find, url):
    with pytest.raises(UserError, match="address") as caught:
        find(url=url)
    # a wrong flag is no reason to train on something else
    assert not isinstance(caught.value, nsmc.NsmcUnavailable)


def test_a_folder_of_the_user(find, server, tmp_path):
    folder = fill(tmp_path / "mine")
    assert find(nsmc_dir=folder) == (folder / TRAIN, folder / TEST)
    assert not find.lines
    variant = CONTENT[TEST] + b"2\tb\t0\n"
    fill(folder, ratings_test=variant)
    assert find(nsmc_dir=str(folder)) == (folder / TRAIN, folder / TEST)
    line = "%s: not the official file (%d bytes instead of %d), taken as it is"
    assert find.lines == [line % (folder / TEST, len(variant), FILES[TEST][0])]
    assert (folder / TEST).read_bytes() == variant
    (folder / TEST).unlink()
    message = error_of(find, nsmc_dir=folder, kind=nsmc.NsmcUnavailable)
    assert message == f"{folder}: found no {TEST}, expected NSMC's {TRAIN} and {TEST}"
    message = error_of(find, nsmc_dir=tmp_path / "none", kind=nsmc.NsmcUnavailable)
    assert message.startswith("{}: found no {} and no {}, ".format(tmp_path / "none", TRAIN, TEST))
    assert not server.requests


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' device that is always full")
def test_a_full_disk(find):
    find.cache.mkdir()
    (find.cache / ("%s.part-%d" % (TRAIN, os.getpid()))).symlink_to("/dev/full")
    message = error_of(find)
    assert message == "%s: cannot be written (No space left on device)" % (find.cache / TRAIN)
    check(find)


def test_a_cache_that_cannot_be_made(find, tmp_path):
    (tmp_path / "file").write_text("")
    message = error_of(find, cache_dir=tmp_path / "file" / "cache")
    assert message.startswith("%s: cannot be made (" % (tmp_path / "file" / "cache"))


def test_an_interrupted_download_leaves_nothing(find, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(nsmc._Received, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        find()
    check(find)


def test_two_processes_at_a_time(find, server):
    server.answers = ["together"] * 4
    script = "from nsmc_bert.data import nsmc; nsmc.NSMC_FILES = %r; nsmc.find_nsmc(None, %r, url=%r)"
    command = [sys.executable, "-c", script % (FILES, str(find.cache), server.url)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert sorted(server.requests) == [(TEST, None)] * 2 + [(TRAIN, None)] * 2
    check(find, TRAIN, TEST)


def test_a_user_without_home(monkeypatch):
    for name in ("NSMC_BERT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert "--cache_dir=FOLDER" in error_of(files.cache_folder)


def test_the_default_cache_and_log(find, server, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NSMC_BERT_CACHE", str(tmp_path / "default"))
    assert nsmc.find_nsmc(url=server.url.rstrip("/")) == (tmp_path / "default" / TRAIN, tmp_path / "default" / TEST)
    output = capsys.readouterr()
    assert (output.out, output.err.count("downloading ")) == ("", 2)


def test_importing_is_cheap():
    script = (
        "import sys, nsmc_bert.data.nsmc, nsmc_bert.data.reviews; "
        "print(*{'tensorflow', 'pandas', 'requests', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True).stdout == "\n"
