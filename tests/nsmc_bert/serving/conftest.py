"""A server of a tiny model in a thread, and a client of it."""

import dataclasses
import http.client
import json
import threading
import urllib.parse

import pytest

from nsmc_bert.serving import server
from nsmc_bert.serving.server import Serving


@dataclasses.dataclass
class Served:
    """A running server.

    Attributes:
        address: its host and port.
        model: what it serves.
    """

    address: tuple[str, int]
    model: object

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body) of a request; a body that is not bytes is sent, and one of JSON comes, as a value."""
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        if body is not None and not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content, found = response.read(), response.headers
        connection.close()
        return response.status, found, json.loads(content) if found["content-type"] == "application/json" else content

    def predict(self, body, **headers):
        return self.ask("POST", "/v1/models/nsmc:predict", body, headers)


def run(built, taken):
    """Runs a uvicorn.Server in a thread; returns what stops it."""
    thread = threading.Thread(target=built.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()

    def stop():
        built.should_exit = True
        thread.join(20)
        assert not thread.is_alive()

    return stop


def start(model, **settings):
    """(a Served, what stops it); without what serves, the test is skipped."""
    for package in ("starlette", "uvicorn", "httptools", "prometheus_client"):
        pytest.importorskip(package)
    ready, taken = threading.Event(), server.bind("127.0.0.1", 0)
    built = server.make(model, Serving(**settings), ready.set)
    stop = run(built, taken)
    assert ready.wait(20)
    at = urllib.parse.urlsplit(server.address(taken))
    return Served((at.hostname, at.port), model), stop


@pytest.fixture(scope="session")
def tiny_model(make_bert, tiny_tokenizer):
    from nsmc_bert import SentimentClassifier

    return SentimentClassifier(make_bert(0, initializer_range=0.5), tiny_tokenizer, max_length=16)


@pytest.fixture(scope="session")
def served(tiny_model):
    """A server of a tiny model with small limits, which other pages may ask from https://one.example."""
    limits = dict(body_limit=10_000, texts_limit=100, characters_limit=500, queue=150)
    found, stop = start(tiny_model, allow_origin=("https://one.example",), **limits)
    yield found
    stop()
