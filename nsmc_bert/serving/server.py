"""The server: a model, a socket, and one process that answers until it is told to stop."""

from __future__ import annotations

import dataclasses
import errno
import functools
import gc
import ipaddress
import math
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from nsmc_bert import bundled
from nsmc_bert.base import system
from nsmc_bert.base.classes import SENTIMENT
from nsmc_bert.base.errors import UserError
from nsmc_bert.serving.bodies import Limits

if TYPE_CHECKING:
    import numpy as np

    from nsmc_bert.model.classifier import SentimentClassifier

BACKLOG = 1024  # connections that may wait to be accepted,
ACCEPTED = 32  # and those that are, before those that are open get a turn again
FILES = 128  # that are open beside connections, at most
STOP = 30  # seconds that running requests have once the server is told to stop
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+")  # as browsers say it, which is compared letter by letter
WARM = ["이 영화 엄청 재미있네요", "돈이 아깝다"]


@dataclasses.dataclass(frozen=True)
class Serving:
    """What to serve and how, as the flags of nsmc_bert.serve say it.

    Attributes:
        model: folder or hub name of the model; "" for the classifier that ships.
        positive_label: which label of somebody else's classifier means positive; see heads.order.
        precision: the Keras policy of the matrix products: float32, mixed_bfloat16 or mixed_float16.
        host: name or address that the server is reached by.
        port: its port; 0 for any that is free.
        allow_origin: other origins whose pages may ask, each scheme://host or scheme://host:port; "*" for all.
        batch_wait: milliseconds that texts wait for others at most, to be computed with them.
        queue: texts that may wait or be computed at a time.
        connections: that may be open at a time.
        body_limit: bytes of a request's body at most.
        texts_limit: texts of a request at most.
        characters_limit: characters of a text at most.

    Raises:
        UserError: a number is out of its range, or an origin is none.
    """

    model: str = ""
    positive_label: tuple[str, ...] = ()
    precision: str = "float32"
    host: str = "127.0.0.1"
    port: int = 8501
    allow_origin: tuple[str, ...] = ()
    batch_wait: float = 2.0
    queue: int = 2048
    connections: int = 1000
    body_limit: int = Limits.body
    texts_limit: int = Limits.texts
    characters_limit: int = Limits.characters

    def __post_init__(self) -> None:
        least = {"port": 0, "batch_wait": 0, "queue": 1, "connections": 1, "body_limit": 1, "texts_limit": 1}
        for name, value in {**least, "characters_limit": 1}.items():
            if not value <= getattr(self, name) < math.inf:
                raise UserError(f"--{name}={getattr(self, name)}: expected {value} or more")
        if self.port > 65535:
            raise UserError(f"--port={self.port}: expected 65535 at most")
        for origin in self.allow_origin:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise UserError(
                    f"--allow_origin={origin}: expected scheme://host or scheme://host:port, in small letters and with "
                    "nothing behind it, such as https://example.org; or * for all"
                )

    @property
    def limits(self) -> Limits:
        """How much one request may ask."""
        return Limits(self.body_limit, self.texts_limit, self.characters_limit)


def check() -> None:
    """Says whether there is what serves.

    Raises:
        UserError: a package is not installed.
    """
    system.check_installed(("httptools", "prometheus_client", "starlette", "uvicorn"), "serve", "to serve")


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address, not listening yet: who connects too early is refused, not kept waiting.

    Raises:
        UserError: there is no such address here, or another process has it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
        if sys.platform != "win32":  # there it lets two processes share a port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except UnicodeError:
        raise _no_host(host, "a part of it is empty or too long") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _in_use(port) from None
        if error.errno == errno.EACCES:
            raise UserError(f"--port={port}: only the administrator may take it; expected 1024 to 65535") from None
        raise _no_host(host, error.strerror) from None
    return taken


def _no_host(host: str, why: str | None) -> UserError:
    return UserError(f"--host={host}: expected a name or address of this machine ({why})")


def _in_use(port: int) -> UserError:
    return UserError(f"--port={port}: another process has it; expected one that is free, or 0 for any")


def address(taken: socket.socket) -> str:
    """The URL of a socket's server."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(how: Serving, log: Callable[[str], None], ready: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then lets running requests end.

    Args:
        how: what to serve and how.
        log: called with what is to be known beside.
        ready: called with the URL once requests are answered.

    Raises:
        UserError: the model cannot be read, or the address cannot be had.
    """
    check()
    most = system.open_files()
    if most is not None and how.connections + FILES > most:
        log(f"this system lets {most} files be open: connections limited to {max(1, most - FILES)}")
        how = dataclasses.replace(how, connections=max(1, most - FILES))
    taken = bind(how.host, how.port)
    with taken:
        if not _is_local(taken):
            log(
                f"{address(taken)} is open to the network: whoever reaches it may ask, without password or encryption; "
                "put a proxy with both before it, or leave --host at 127.0.0.1"
            )
        from nsmc_bert.model.classifier import load

        folder = how.model or bundled.CLASSIFIER
        log(f"model: {folder}")
        model = load(folder, how.precision, how.positive_label)
        server = make(model, how, lambda: ready(address(taken)))
        gc.collect()
        gc.freeze()  # else each full collection looks at all that TensorFlow has, and nobody is answered meanwhile
        with _handling_signals():
            server.run(sockets=[taken])


def make(model: SentimentClassifier, how: Serving, ready: Callable[[], None]) -> Any:
    """A uvicorn.Server for a model, not running yet; it calls `ready` once requests are answered."""
    import uvicorn

    from nsmc_bert.serving.app import App
    from nsmc_bert.serving.batcher import Batcher
    from nsmc_bert.serving.connections import Connection, Gate
    from nsmc_bert.serving.counters import Counters

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            try:
                await super().startup(sockets)
                for each in sockets or ():
                    each.listen(BACKLOG)  # asyncio takes one number for both
            except OSError as error:
                await self.lifespan.shutdown()
                if error.errno == errno.EADDRINUSE:  # of two that had bound it the other one listens already
                    raise _in_use(how.port) from None
                raise
            ready()

    def compute(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        encoded = model.encode(texts)
        return model.predict_encoded(encoded), encoded.truncated

    for texts in (WARM[:1], WARM[:1], WARM, 32 * WARM):  # what is compiled is compiled before the first request
        compute(texts)
    for text in WARM:
        model.explain(text)
    from nsmc_bert.model import packing

    counters = Counters()
    gate = Gate(
        how.connections, how.body_limit, refused=lambda status: counters.requests.labels("connection", status).inc()
    )
    batcher = Batcher(
        compute,
        cost=lambda text: min(len(text) // 2 + 3, model.max_length),  # tokens, about
        budget=packing.budget(),
        wait=how.batch_wait / 1000,
        limit=how.queue,
        observe=counters.rounds.observe,
    )
    counters.watch(lambda: batcher.waiting, lambda: gate.open)
    app = App(batcher, model.explain, getattr(model, "classes", SENTIMENT), how.limits, counters, how.allow_origin)
    config = uvicorn.Config(
        app.asgi,
        http=functools.partial(Connection, gate),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        headers=[("x-content-type-options", "nosniff")],
        backlog=ACCEPTED,
        timeout_graceful_shutdown=STOP,
    )
    return Server(config)


def _is_local(taken: socket.socket) -> bool:
    return ipaddress.ip_address(taken.getsockname()[0].partition("%")[0]).is_loopback


class _handling_signals:
    """Lets SIGTERM and SIGINT end the server and nothing else: uvicorn raises them again when it has ended."""

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, lambda *_: None) for number in _signals()}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _signals() -> Iterator[signal.Signals]:
    yield signal.SIGINT
    yield signal.SIGTERM
    if sys.platform == "win32":
        yield signal.SIGBREAK
