"""Clients that are slow, broken or hostile, on sockets, and that they keep nobody else from an answer."""

import functools
import json
import socket
import threading
import time

import pytest

pytest.importorskip("httptools")
uvicorn = pytest.importorskip("uvicorn")
from nsmc_bert.serving import server  # noqa: E402
from nsmc_bert.serving.connections import GONE, HEAD, LINGER, Connection, Gate  # noqa: E402
from tests.nsmc_bert.serving.conftest import run  # noqa: E402

WHOLE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
HALF = WHOLE[:-2]
OFFERING = WHOLE.replace(b"Host", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nHost")
SECONDS = 0.4


@pytest.fixture(scope="module")
def gone():
    return threading.Event()


@pytest.fixture(scope="module")
def gate():
    return Gate(most=20, body=1000, request=SECONDS, idle=2 * SECONDS)


@pytest.fixture(scope="module")
def open_socket(gate, gone):
    """Makes a socket that is connected to a server which answers each request with its body."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/never":
            scope[GONE] = gone.set
            await receive()
            return
        body = body * 4_000_000 if scope["path"] == "/large" else body
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    protocol = functools.partial(Connection, gate)
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, log_level="critical")
    taken = server.bind("127.0.0.1", 0)
    taken.listen()
    stop, sockets = run(uvicorn.Server(config), taken), []

    def connect():
        sockets.append(socket.create_connection(taken.getsockname(), timeout=10))
        return sockets[-1]

    yield connect
    for each in sockets:
        each.close()
    stop()


def read_all(one):
    """All that comes until the server closes, and after how many seconds that is."""
    began, parts = time.monotonic(), []
    while True:
        try:
            part = one.recv(1 << 16)
        except ConnectionError:
            part = b""
        if not part:
            return b"".join(parts), time.monotonic() - began
        parts.append(part)


def wait_until(condition):
    """Whether it holds in time."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def answer(one, request=WHOLE):
    """The body of a 200."""
    one.sendall(request)
    found = b""
    while b"\r\n\r\nbody" not in found:
        part = one.recv(1 << 16)
        assert part, found
        found += part
    assert found.startswith(b"HTTP/1.1 200")


def error(found, status):
    """The error in a response of this status."""
    head, _, body = found.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status), found
    assert b"connection: close" in head
    return json.loads(body)["error"]


@pytest.mark.parametrize("begun", [b"POST / HT", WHOLE.partition(b"\r\n\r\n")[0], HALF])
def test_a_request_that_is_never_whole_ends(open_socket, begun):
    one = open_socket()
    one.sendall(begun)
    found, seconds = read_all(one)
    assert error(found, 408) == f"found no whole request in {SECONDS:g} seconds"
    assert SECONDS * 0.8 < seconds < SECONDS + 5


def test_a_byte_now_and_then_gains_no_time(open_socket):
    one, began = open_socket(), time.monotonic()
    with pytest.raises(ConnectionError):
        for byte in WHOLE * 10:
            one.sendall(bytes([byte]))
            time.sleep(SECONDS / 10)
    assert time.monotonic() - began < SECONDS + 5


@pytest.mark.parametrize("before", [b"", WHOLE])
def test_silence_ends(open_socket, before):
    one = open_socket()
    if before:
        answer(one, before)
    found, seconds = read_all(one)
    assert found == b"" and SECONDS * 0.8 < seconds < 2 * SECONDS + 5


def test_a_connection_takes_one_request_after_the_other(open_socket):
    one = open_socket()
    for _ in range(4):
        answer(one)
        time.sleep(SECONDS * 0.7)  # longer, in all, than one request may take
    one.sendall(WHOLE + HALF)  # the second begun behind the first
    found, _ = read_all(one)
    assert found.startswith(b"HTTP/1.1 200") and found.count(b"HTTP/1.1") == 2 and b"HTTP/1.1 408" in found


@pytest.mark.parametrize(
    "sent, status",
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"GET / HTTP/1.1\r\nHost a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (2 * HEAD), 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (HEAD // 3), 431),
        (b"GET /" + b"a" * (2 * HEAD), 431),
    ],
)
def test_what_is_no_request_is_said_so(open_socket, sent, status):
    one = open_socket()
    for first in range(0, len(sent), HEAD // 2):
        one.sendall(sent[first : first + HEAD // 2])
    found, seconds = read_all(one)
    assert error(found, status)
    assert seconds < 5


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * (2 * HEAD),
        b"GET / HTTP/1.1\r\na: " + b"b" * (HEAD + 4000) + b"\r\nno header\r\n\r\n",
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
    ids=["no head", "a long head", "no chunk"],
)
def test_what_is_refused_is_refused_once(open_socket, gate, monkeypatch, caplog, sent):
    counted = []
    monkeypatch.setattr(gate, "refused", counted.append)
    one = open_socket()
    one.sendall(sent)
    found, _ = read_all(one)
    assert found.startswith(b"HTTP/1.1 4") and found.count(b"HTTP/1.1 ") == len(counted) == 1
    assert not caplog.records


def test_what_it_refuses_is_counted(open_socket, gate, monkeypatch):
    counted = []
    monkeypatch.setattr(gate, "refused", counted.append)
    for sent, status in ((b"no HTTP\r\n\r\n", 400), (HALF, 408), (b"GET /" + b"a" * (2 * HEAD), 431)):
        one = open_socket()
        one.sendall(sent)
        assert b"HTTP/1.1 %d" % status in read_all(one)[0]
        assert counted.pop() == status and not counted


@pytest.mark.parametrize(
    "requests",
    [
        [OFFERING],
        [OFFERING[:60], OFFERING[60:-2], OFFERING[-2:]],
        [OFFERING[index : index + 1] for index in range(len(OFFERING))],
        [OFFERING + WHOLE + OFFERING + HALF, HALF[-2:]],
        [OFFERING.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked")[:-4], b"4\r\nbody\r\n0\r\n\r\n", WHOLE],
        [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", OFFERING],
    ],
    ids=["whole", "in three", "byte by byte", "behind one another", "in chunks", "without a body"],
)
def test_an_offer_of_another_protocol_is_not_taken_up(open_socket, requests):
    one = open_socket()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in requests:
        one.sendall(part)
        time.sleep(0.05 / len(requests))
    one.sendall(WHOLE.replace(b"Host", b"Connection: close\r\nHost"))
    found, _ = read_all(one)
    asked = b"".join(requests).count(b"HTTP/1.1") + 1
    assert found.count(b"HTTP/1.1 200") == asked
    assert found.count(b"body") == b"".join(requests).count(b"body") + 1


def test_a_proxy_is_not_what_this_is(open_socket):
    for target in (b"a:80", b"/"):
        one = open_socket()
        one.sendall(b"CONNECT %s HTTP/1.1\r\nHost: a:80\r\n\r\n" % target)
        assert error(read_all(one)[0], 400) == "no HTTP request"


def test_a_body_without_end_is_not_read(open_socket):
    one, began = open_socket(), time.monotonic()
    one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(ConnectionError):
        while time.monotonic() < began + LINGER + 10:
            one.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n")


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("path, status", [(b"/", 413), (b"/early", 200)])
def test_who_sends_far_too_much_reads_why(open_socket, header, path, status):
    one, size = open_socket(), 10_000_000
    one.sendall(b"POST %s HTTP/1.1\r\n%sHost: a\r\nContent-Length: %d\r\n\r\n" % (path, header, size))
    if status == 200:
        one.recv(1, socket.MSG_PEEK)  # it has begun to answer
    one.sendall(b"a" * size)
    found, seconds = read_all(one)
    assert found.startswith(b"HTTP/1.1 %d" % status) and found.count(b"HTTP/1.1") == 1
    assert seconds < 5


def test_a_request_is_answered_once(open_socket):
    one = open_socket()
    one.sendall(HALF.replace(b"/", b"/early", 1))
    found, seconds = read_all(one)
    assert found.startswith(b"HTTP/1.1 200") and found.count(b"HTTP/1.1") == 1
    assert seconds < SECONDS + 5


def test_who_is_silent_for_a_minute_may_ask_again():
    assert Gate(most=1, body=1).idle > 60  # that proxies keep a connection: nginx, and load balancers


def test_requests_behind_one_another_are_answered_if_they_are_few(open_socket, gate):
    one = open_socket()
    one.sendall(10 * WHOLE + WHOLE.replace(b"Host", b"Connection: close\r\nHost"))
    assert read_all(one)[0].count(b"HTTP/1.1 200") == 11
    assert wait_until(lambda: not gate.open)
    one = open_socket()
    one.sendall(2000 * WHOLE)
    found, seconds = read_all(one)
    assert found.count(b"HTTP/1.1 200") < 100 and seconds < SECONDS + 5


def test_who_goes_is_not_worked_for(open_socket, gone):
    one = open_socket()
    one.sendall(WHOLE.replace(b"/", b"/never", 1))
    assert not gone.wait(0.1)
    one.close()
    assert gone.wait(10)


def test_who_does_not_read_is_not_waited_for(open_socket, gate):
    assert wait_until(lambda: not gate.open)
    one = open_socket()
    one.sendall(WHOLE.replace(b"/", b"/large", 1))
    assert wait_until(lambda: gate.open == 1)
    assert wait_until(lambda: not gate.open)


def test_a_crowd_keeps_nobody_out(open_socket, gate):
    idle = [open_socket() for _ in range(4 * gate.most)]
    for one in idle[::2]:
        one.sendall(HALF)
    for _ in range(5):
        answer(open_socket())
    assert gate.open <= gate.most + 5
    closed = sum(read_all(one)[1] < 10 for one in idle)
    assert closed == len(idle)


def test_where_all_are_served_another_is_told_to_come_again(open_socket, gate):
    busy = [open_socket() for _ in range(gate.most)]
    for one in busy:
        one.sendall(WHOLE.replace(b"/", b"/never", 1))
    assert wait_until(lambda: gate.open == gate.most and not gate.waiting)
    found, _ = read_all(open_socket())
    assert "try again" in error(found, 503) and b"retry-after: 1" in found
    for one in busy:
        one.close()
    assert wait_until(lambda: not gate.open)
    answer(open_socket())
