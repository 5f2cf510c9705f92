"""Clients in a process of their own: nine of ten behave, the tenth does what strangers do.

    python -m tests.load.clients PORT AUTHORITY CONNECTIONS SECONDS SEED

Each keeps one connection at a time, and opens another when it has had enough of it. The seconds
count from when all have had one. A line of JSON at the end says how it went.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import aiotls
from aiotls.sessions import MemorySessionCache

HOST = "127.0.0.1"
AT_ONCE = 24
"""Handshakes of one process at the same time."""
LIFETIME = 40.0
"""Seconds that a connection is kept, on average."""
THINKING = 5.0
"""Seconds between two requests, on average."""


class Crowd:
    """The clients of one process."""

    def __init__(self, port: int, authority: str, count: int, seed: int) -> None:
        self.port = port
        self.count = count
        self.random = random.Random(seed)
        self.config = aiotls.ClientConfig(
            trust=aiotls.TrustStore.from_files(authority), session_cache=MemorySessionCache(4096)
        )
        self.gate = asyncio.Semaphore(AT_ONCE)
        self.arrived = 0
        self.all_here = asyncio.Event()
        self.over = asyncio.Event()
        self.told: Counter[str] = Counter()
        self.errors: list[str] = []

    async def pause(self, seconds: float) -> None:
        """Waits, but not beyond the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)

    def arrive(self) -> None:
        self.arrived += 1
        if self.arrived == self.count:
            self.all_here.set()

    async def live(self, number: int) -> None:
        """One client, until the end."""
        behave = self.misbehave if number % 10 == 9 else self.behave
        first = True
        while not self.over.is_set():
            try:
                await behave(first)
            except Exception as error:
                self.told["errors"] += 1
                if len(self.errors) < 5:
                    self.errors.append(f"{behave.__name__}: {error!r}")
            if first:
                first = False
                if behave == self.misbehave:
                    self.arrive()

    # -- the nine ------------------------------------------------------------------------------

    async def behave(self, first: bool) -> None:
        async with self.gate:
            reader, writer = await aiotls.open_connection(
                HOST,
                self.port,
                ssl=self.config,
                server_hostname="localhost",
                ssl_handshake_timeout=120,
                ssl_shutdown_timeout=30,
            )
        self.told["good"] += 1
        self.told["resumed"] += bool(writer.get_extra_info("tls")["resumed"])
        if first:
            self.arrive()
        try:
            loop = asyncio.get_running_loop()
            end = loop.time() + self.random.expovariate(1 / LIFETIME)
            while True:
                size = int(2 ** self.random.uniform(0, 16))
                data = self.random.randbytes(size)
                writer.write(data)
                await writer.drain()
                if await reader.readexactly(size) != data:
                    raise AssertionError("what came back is not what was sent")
                self.told["echoed"] += 1
                if loop.time() >= end or self.over.is_set():
                    break
                await self.pause(self.random.expovariate(1 / THINKING))
            writer.write_eof()
            if await reader.read():
                raise AssertionError("more came back than was sent")
        finally:
            writer.close()
        await writer.wait_closed()

    # -- the tenth -----------------------------------------------------------------------------

    async def misbehave(self, first: bool) -> None:
        way: Callable[[], Awaitable[None]] = self.random.choice(
            [self.silent, self.garbage, self.half, self.stranger, self.cut, self.deaf]
        )
        async with self.gate:
            pass
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await way()
        self.told[way.__name__] += 1
        await self.pause(self.random.uniform(0, 2))

    async def _say(self, data: bytes, reset: bool = False) -> None:
        _, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(data)
            await self.pause(self.random.uniform(0, 3))
        finally:
            if reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
            writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def silent(self) -> None:
        await self._say(b"")

    async def garbage(self) -> None:
        await self._say(self.random.choice([b"GET / HTTP/1.0\r\n\r\n", self.random.randbytes(600)]))

    async def half(self) -> None:
        """A part of a ClientHello, and then a reset."""
        hello = aiotls.TLSConnection(self.config, "localhost").data_to_send()
        await self._say(hello[: self.random.randrange(1, len(hello))], reset=True)

    async def stranger(self) -> None:
        """Refuses the server's certificate."""
        config = self.config.replace(session_cache=None)
        with contextlib.suppress(aiotls.CertificateError):
            await aiotls.open_connection(
                HOST, self.port, ssl=config, server_hostname="other.example"
            )

    async def _connect(self) -> Any:
        return await aiotls.open_connection(
            HOST, self.port, ssl=self.config, server_hostname="localhost", limit=1024
        )

    async def cut(self) -> None:
        """Goes away in the middle of a record."""
        _, writer = await self._connect()
        writer.write(self.random.randbytes(5000))
        writer.transport.abort()

    async def deaf(self) -> None:
        """Sends, and never reads what comes back."""
        _, writer = await self._connect()
        writer.transport.pause_reading()
        try:
            for _ in range(20):
                writer.write(bytes(1 << 16))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(writer.drain(), 0.2)
        finally:
            writer.transport.abort()


async def main(port: int, authority: str, count: int, seconds: float, seed: int) -> None:
    crowd = Crowd(port, authority, count, seed)
    tasks = [asyncio.create_task(crowd.live(number)) for number in range(count)]
    await crowd.all_here.wait()
    print("all here", flush=True)
    await asyncio.sleep(seconds)
    crowd.over.set()
    await asyncio.wait(tasks)
    await asyncio.gather(*tasks)
    print(json.dumps({**crowd.told, "first_errors": crowd.errors}), flush=True)


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    where, ca, how_many, how_long, start = sys.argv[1:]
    asyncio.run(main(int(where), ca, int(how_many), float(how_long), int(start)))
