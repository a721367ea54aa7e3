"""Clients that ask a server over HTTP as fast as it answers.

They write bytes that are made beforehand and read no more of an answer than its end, so that on a shared machine next
to all of the time is the server's.
"""

import asyncio
import itertools
import json
import sys
import time
import urllib.parse


class Client(asyncio.Protocol):
    """Asks again and again, one request at a time.

    Args:
        requests: an iterator of requests, bytes, without end.
        until: when to stop asking, by time.perf_counter.
        done: a future that is set at the end.
    """

    def __init__(self, requests, until, done):
        self.requests, self.until, self.done = requests, until, done
        self.seconds, self.failed, self.left, self.head = [], 0, 0, b""

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        if time.perf_counter() > self.until:
            self.transport.close()
            return
        self.began = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data):
        if not self.left:
            self.head += data
            head, end, body = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self.failed += b" 200 " not in head[:16]
            self.left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            self.head, data = b"", body
        self.left -= len(data)
        if not self.left:
            self.seconds.append(time.perf_counter() - self.began)
            self.ask()

    def connection_lost(self, error):
        self.failed += error is not None or time.perf_counter() < self.until
        if not self.done.done():
            self.done.set_result(None)


def request(path, value):
    """The bytes of a POST of JSON."""
    body = json.dumps(value).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(address, requests, clients, seconds):
    """{"count": requests, "failed": how many of them, "rate": requests a second, "p50", "p99": milliseconds} of clients
    that ask for some time.
    """
    at, loop = urllib.parse.urlsplit(address), asyncio.get_running_loop()
    began, asked = time.perf_counter(), []
    endless = itertools.cycle(requests)
    for _ in range(clients):
        client = Client(endless, began + seconds, loop.create_future())
        await loop.create_connection(lambda client=client: client, at.hostname, at.port)
        asked.append(client)
    await asyncio.gather(*(client.done for client in asked))
    took = sorted(each for client in asked for each in client.seconds)
    return {
        "count": len(took),
        "rate": len(took) / (time.perf_counter() - began),
        "p50": 1000 * took[len(took) // 2],
        "p99": 1000 * took[int(0.99 * len(took))],
        "failed": sum(client.failed for client in asked),
    }


def main(address, path, clients, seconds, texts):
    """Prints the figures of clients that ask for the reviews of a file of NSMC's, one a request, as JSON."""
    rows = [line.split("\t") for line in open(texts, encoding="utf-8").read().split("\n")[1:5001]]
    requests = [request(path, {"instances": [row[1]]}) for row in rows]
    print(json.dumps(asyncio.run(measure(address, requests, int(clients), float(seconds)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
