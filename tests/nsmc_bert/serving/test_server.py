"""The server as a whole: its settings, its address, and how it ends."""

import concurrent.futures
import socket
import sys
import threading
import time

import pytest

from nsmc_bert.base.errors import UserError
from nsmc_bert.serving import server
from nsmc_bert.serving.server import Serving
from tests.nsmc_bert.serving.conftest import start


@pytest.mark.parametrize(
    "name, value",
    [
        ("port", -1),
        ("port", 70_000),
        ("batch_wait", -0.5),
        ("batch_wait", float("nan")),
        ("queue", 0),
        ("texts_limit", 0),
    ],
)
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=f"^--{name}={value}: expected"):
        Serving(**{name: value})


@pytest.mark.parametrize(
    "origin", ["*", "https://example.org", "http://localhost:8080", "http://[::1]:3000", "app://x"]
)
def test_origins(origin):
    assert Serving(allow_origin=(origin,)).allow_origin == (origin,)


@pytest.mark.parametrize(
    "origin", ["https://example.org/", "example.org", "https://Example.org", "https://", "", "null"]
)
def test_what_no_browser_says_is_no_origin(origin):
    with pytest.raises(UserError, match=f"^--allow_origin={origin}: expected .* such as https://example.org; or "):
        Serving(allow_origin=("https://example.org", origin))


def test_a_taken_port_and_a_strange_host_are_said():
    with server.bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        assert server.address(taken) == f"http://127.0.0.1:{port}/"
        with pytest.raises(UserError, match=f"^--port={port}: another process has it; expected one that is free"):
            server.bind("127.0.0.1", port)
    for host in ("203.0.113.1", "no host", "a..b"):
        with pytest.raises(UserError, match=f"^--host={host}: expected a name or address of this machine"):
            server.bind(host, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there the second cannot even bind")
def test_of_two_servers_that_start_together_one_says_that_the_port_is_taken(tiny_model, caplog):
    with server.bind("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with server.bind("127.0.0.1", port) as other:
            one.listen()
            built = server.make(tiny_model, Serving(port=port), lambda: None)
            with pytest.raises(UserError, match=f"^--port={port}: another process has it; expected one that is free"):
                built.run(sockets=[other])
    assert not caplog.records


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_address_of_the_sixth_version_has_brackets():
    try:
        taken = server.bind("::1", 0)
    except UserError:
        pytest.skip("needs IPv6")
    with taken:
        assert server.address(taken).startswith("http://[::1]:")


def test_what_is_not_installed_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(
        UserError, match=r"^found no \w+, expected it to serve: .* -m pip install 'nsmc-bert\[serve\]'$"
    ):
        server.check()


class Slow:
    """A model that can be held up."""

    def __init__(self, model):
        self.max_length, self.encode, self.explain = model.max_length, model.encode, model.explain
        self._predict = model.predict_encoded
        self.begun, self.may = threading.Event(), threading.Event()
        self.may.set()

    def predict_encoded(self, encoded):
        self.begun.set()
        assert self.may.wait(10)
        return self._predict(encoded)

    def hold(self):
        self.may.clear()
        self.begun.clear()


def test_running_requests_end_before_the_server_does(tiny_model):
    model = Slow(tiny_model)
    served, stop = start(model)
    model.hold()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = pool.submit(served.predict, {"instances": ["꿀잼"]})
        assert model.begun.wait(10)
        stopped = pool.submit(stop)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(served.address).close()
            except ConnectionError:
                break
        assert not stopped.done() and not asked.done()
        model.may.set()
        assert asked.result()[0] == 200
        stopped.result()


def test_what_is_not_answered_when_the_time_is_over_is_told_so(tiny_model, caplog, monkeypatch):
    monkeypatch.setattr(server, "STOP", 0.1)
    model = Slow(tiny_model)
    served, stop = start(model)
    model.hold()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(served.predict, {"instances": ["꿀잼"] * 100})]
        assert model.begun.wait(10)
        asked.append(pool.submit(served.predict, {"instances": ["노잼"]}))
        while b"nsmc_waiting_texts 101.0" not in served.ask("GET", "/metrics")[2]:
            time.sleep(0.01)
        stopped = pool.submit(stop)
        for each in asked:
            status, headers, answer = each.result()
            assert (status, headers["retry-after"]) == (503, "1") and "is being stopped" in answer["error"]
        model.may.set()
        stopped.result()
    assert [record.getMessage()[:6] for record in caplog.records] == ["Cancel"]


def test_a_model_that_fails_is_said_and_no_end(tiny_model, caplog):
    class Failing:
        """The model, until it is told to fail."""

        max_length, fails = tiny_model.max_length, False
        encode, explain = staticmethod(tiny_model.encode), staticmethod(tiny_model.explain)

        def predict_encoded(self, encoded):
            if self.fails:
                raise RuntimeError("out of memory")
            return tiny_model.predict_encoded(encoded)

    model = Failing()
    served, stop = start(model)
    model.fails = True
    status, _, answer = served.predict({"instances": ["꿀잼"]})
    assert (status, answer) == (500, {"error": "the server failed; its log says why"})
    model.fails = False
    assert served.predict({"instances": ["꿀잼"]})[0] == 200
    stop()
    assert "out of memory" in caplog.text
