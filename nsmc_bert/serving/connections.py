"""Connections: uvicorn's protocol with a time and a size that a client may take for a request, and room for a number of
clients.

uvicorn itself waits for ever for a client that has begun a request, or none, and takes heads of any size.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD = 1 << 16  # bytes that a request's first line and headers may take
BEHIND = 32  # requests that may wait behind the one that is answered
GONE = "nsmc_bert.gone"  # of a scope: a function that is called when the client has gone before its answer
REFUSED = "nsmc_bert.refused"  # of a scope: the connection has said why its request is not answered, and counted it
LINGER = 1.0  # seconds that a client has to read the last that is said to it


@dataclasses.dataclass
class Gate:
    """What all connections share.

    Attributes:
        most: connections at a time. One more takes the place of the one that has kept the server waiting longest.
        request: seconds from a request's first byte, or from the connection, to the request's last byte; also what a
            client has to read an answer that no buffer holds.
        idle: seconds that a connection stays open without a request: more than the minute after which proxies close
            one, else they send requests into those that are closing.
        body: bytes of a body that is answered; what goes far beyond is read for a moment, and dropped.
        refused: called with the status of each request that the connection itself refuses.
        open: connections now.
        waiting: those whose request is not there yet, the longest first.
    """

    most: int
    body: int
    request: float = 10.0
    idle: float = 75.0
    refused: Callable[[int], None] = lambda status: None
    open: int = 0
    waiting: collections.OrderedDict[Connection, None] = dataclasses.field(default_factory=collections.OrderedDict)

    def make_room(self) -> bool:
        """Whether there is a place for a connection, if need be that of another one."""
        if self.open < self.most:
            return True
        if self.waiting:
            oldest, _ = self.waiting.popitem(last=False)
            oldest.end()
            return True
        return False


class Connection(HttpToolsProtocol):
    """One client's connection.

    Args:
        gate: what it shares with the others.
        **options: what uvicorn gives its protocols.
    """

    def __init__(self, gate: Gate, **options: Any) -> None:
        super().__init__(**options)
        self.parser = self._make_parser()
        self._gate = gate
        self._deadline: asyncio.TimerHandle | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._reading = False  # a request has begun and is not there yet
        self._in_head = True
        self._size = 0  # bytes of it, its head included
        self._lingers = False  # all is said: what still comes is dropped

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        room = self._gate.make_room()
        self._gate.open += 1
        if room:
            self._wait(self._gate.request)
        else:
            self.refuse(503, "too many connections; try again in a second", b"retry-after: 1\r\n")
            self.end()  # at once: it stands in nobody's place

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.open -= 1
        self._wait_no_more()
        for timer in (self._slow, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        unanswered = self.cycle is not None and not self.cycle.response_complete
        super().connection_lost(exc)
        if self.cycle is not None:
            self.cycle.transport = self.transport  # else each keeps the other in memory
        scope: dict[str, Any] = {**self.cycle.scope} if unanswered else {}
        if GONE in scope:
            scope[GONE]()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing() or self._lingers:
            return
        if not self._reading and self._deadline is not None:  # the first byte ends the time of idleness
            self._reading = True
            self._wait(self._gate.request)
        self._size += len(data)
        self._parse(data)
        if self._lingers:  # it was refused
            return
        if self._in_head and self._size > HEAD:
            self.refuse(431, f"found a head of more than {HEAD} bytes")
        elif self._size > HEAD + 2 * self._gate.body:
            if self.cycle.response_complete:  # the answer did not wait for all of the request
                self.linger()
            else:
                self.refuse(413, f"found {self._size} bytes or more, expected a body of at most {self._gate.body}")

    def _parse(self, data: bytes) -> None:
        """Feeds the parser. A request that offers another protocol is taken as if it did not (RFC 9110, 7.8), where
        httptools takes what stands behind its head for that protocol's: another parser reads the head once more,
        without the offer, and on from there.
        """
        while True:
            try:
                return self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                head = [
                    b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
                ]
                head += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
                data = b"\r\n".join([*head, b"", data[upgrade.args[0] :]])
                self.parser = self._make_parser()
            except httptools.HttpParserError:
                return self.refuse(400, "no HTTP request")

    def _make_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # of what is sent behind a last request, that request is answered all the same
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = self._in_head = True

    def on_headers_complete(self) -> None:
        if self.parser.get_method() == b"CONNECT" or len(self.pipeline) >= BEHIND:
            raise ValueError  # which ends the connection, as what is no HTTP does
        if self.parser.should_upgrade():
            return  # this head is parsed once more
        super().on_headers_complete()
        self.cycle.transport = _Transport(self)  # type: ignore[assignment]
        self._in_head = False

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._reading, self._in_head, self._size = False, True, 0
        if self.cycle.response_complete:  # it was refused before it was there
            self._wait(self._gate.idle)
        else:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        if self._lingers:
            return
        super().on_response_complete()
        self._unset_keepalive_if_required()  # the gate has a time of its own
        if self.transport.is_closing():
            self._abort_later()
        elif self._reading:
            if self._deadline is None:  # of a request that was sent behind the one that is answered
                self._wait(self._gate.request)
        elif self.cycle.response_complete:
            self._wait(self._gate.idle)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow = self.loop.call_later(self._gate.request, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def refuse(self, status: int, error: str, headers: bytes = b"") -> None:
        """Says what is wrong, unless an answer is on its way, and ends the connection."""
        if self._lingers:
            return
        if self.transport.is_closing() or not self._silent():
            self.end()
            return
        body = json.dumps({"error": error}).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + headers + b"\r\n" + body)
        self._gate.refused(status)
        if self.cycle is not None and not self.cycle.response_complete:  # whoever reads the request is told
            self.cycle.scope[REFUSED] = True  # type: ignore[literal-required]
            self.cycle.disconnected, self.cycle.waiting_for_100_continue = True, False
            self.cycle.message_event.set()
        self.linger()

    def _silent(self) -> bool:
        """Whether nothing is being said, nor will be before the request that is being read is there."""
        if self._in_head:
            return self.cycle is None or self.cycle.response_complete
        return not (self.pipeline or self.cycle.response_started)

    def linger(self) -> None:
        """Says no more, and reads a moment longer: who is still sending when a connection is closed may not see what
        was said before.
        """
        self._lingers, self._reading = True, False
        self.transport.write_eof()
        self.flow.resume_reading()
        self._wait(LINGER)

    def close(self) -> None:
        """Ends the connection after a last answer, which may not have waited for all of its request."""
        if self._reading:
            self.linger()
        else:
            self.transport.close()

    def end(self) -> None:
        """Ends the connection, when what was said has been read or a moment later."""
        self._wait_no_more()
        if not self.transport.is_closing():
            self.transport.close()
        self._abort_later()

    def _abort_later(self) -> None:
        if self.transport.get_write_buffer_size():
            self.loop.call_later(LINGER, self.transport.abort)

    def _late(self) -> None:
        self._deadline = None
        if self._reading:
            self.refuse(408, f"found no whole request in {self._gate.request:g} seconds")
        else:
            self.end()

    def _wait(self, seconds: float) -> None:
        """Gives the client some time."""
        self._wait_no_more()
        self._deadline = self.loop.call_later(seconds, self._late)
        self._gate.waiting[self] = None

    def _wait_no_more(self) -> None:
        self._gate.waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Transport:
    """A connection's transport as what answers a request sees it."""

    def __init__(self, connection: Connection) -> None:
        self.close = connection.close
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection.transport, name)
