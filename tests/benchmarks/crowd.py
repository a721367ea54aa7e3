"""Clients that do a server no good: crowd.py ADDRESS SECONDS CLIENTS.

Of 101 of them 40 say nothing, 30 send a request byte by byte, 30 send all of one but its end, and one sends what is no
request: TLS, noise, heads and bodies that are too long, broken JSON. Whoever is sent away comes again, some 3,000 a
second at most.
"""

import asyncio
import contextlib
import random
import sys
import time
import urllib.parse

from tests.benchmarks.load import request

PATH = "/v1/models/nsmc:predict"
WHOLE = request(PATH, {"instances": ["이 영화 엄청 재미있네요"]})


async def silent(reader, writer):
    await asyncio.wait_for(reader.read(1), 30)


async def slow(reader, writer):
    for byte in WHOLE:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(random.uniform(0.5, 2))


async def half(reader, writer):
    writer.write(WHOLE[:-10])
    await asyncio.wait_for(reader.read(1), 30)


async def broken(reader, writer):
    head = f"POST {PATH} HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n"
    writer.write(
        random.choice(
            [
                b"\x16\x03\x01" + random.randbytes(300),
                random.randbytes(2000),
                b"GET " + b"/a" * 50_000,
                request(PATH, {"a": [1]}),
                (head % 20).encode() + b"\xff" * 20,
                (head % 99_999_999).encode() + b"[" * 100_000,
                (head % 200_000).encode() + b"[" * 200_000,
                request(PATH, {"instances": ["x" * 200_000]}),
            ]
        )
    )
    await asyncio.wait_for(reader.read(1), 15)


async def crowd(address, seconds, count):
    at, until = urllib.parse.urlsplit(address), time.monotonic() + seconds

    async def again(client):
        while time.monotonic() < until:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                reader, writer = await asyncio.open_connection(at.hostname, at.port)
                with contextlib.closing(writer):
                    await client(reader, writer)
            await asyncio.sleep(2 * random.random() * max(1, count / 3000))

    clients = ([silent] * 40 + [slow] * 30 + [half] * 30 + [broken]) * (count // 101)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*map(again, clients)), seconds)


if __name__ == "__main__":
    asyncio.run(crowd(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
