"""What is measured: the server's protocol, and the client's half of each work.

A connection begins with nine bytes that say what the client wants: ``S`` and a number, to send so
many bytes and get one back; ``E`` and a size, to get each message of that size back.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from .stacks import Stack

HEADER = struct.Struct(">cQ")


class Peer(asyncio.Protocol):
    """The server's end of one connection."""

    __slots__ = ("kind", "missing", "size", "transport")

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.kind = b""
        self.size = 0
        self.missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is connected."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Counts, and answers when all is there."""
        if not self.kind:
            self.kind, self.size = HEADER.unpack_from(data)
            self.missing = self.size
            data = data[HEADER.size :]
        self.missing -= len(data)
        if self.missing <= 0 and data:
            self.missing = self.size
            self.transport.write(b"k" if self.kind == b"S" else data)


class End(asyncio.Protocol):
    """The client's end: waits for a number of bytes, and for room to write."""

    __slots__ = ("answer", "lost", "missing", "paused", "room", "transport")

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.missing = 0
        self.answer: asyncio.Future[None] | None = None
        self.room: asyncio.Future[None] | None = None
        self.lost: asyncio.Future[None] | None = None
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server is connected."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Wakes who waits for an answer."""
        self.missing -= len(data)
        if self.missing <= 0 and self.answer is not None:
            self.answer.set_result(None)
            self.answer = None

    def pause_writing(self) -> None:
        """Enough is waiting to be sent."""
        self.paused = True

    def resume_writing(self) -> None:
        """There is room again."""
        self.paused = False
        if self.room is not None:
            self.room.set_result(None)
            self.room = None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self.lost is not None:
            self.lost.set_result(None)
            self.lost = None
        if self.answer is not None:
            self.answer.set_exception(exc or ConnectionResetError("the server hung up"))
            self.answer = None

    async def expect(self, size: int) -> None:
        """Returns when *size* bytes have come back."""
        self.answer = asyncio.get_running_loop().create_future()
        self.missing = size
        await self.answer

    async def drain(self) -> None:
        """Returns when there is room to write."""
        self.room = asyncio.get_running_loop().create_future()
        await self.room

    async def close(self) -> None:
        """Closes, and waits until it is done."""
        self.lost = asyncio.get_running_loop().create_future()
        self.transport.close()
        await self.lost


@dataclass(slots=True)
class Job:
    """One work for one client: made ready, run against the clock, and put away."""

    stack: Stack
    port: int
    count: int
    size: int

    async def prepare(self) -> None:
        """What does not count."""

    async def run(self) -> dict[str, Any]:
        """What counts; returns more that is worth knowing."""
        raise NotImplementedError

    async def finish(self) -> None:
        """Closes what is still open."""


class _OneConnection(Job):
    """A job on a connection that is there already."""

    request = b""
    context: Any = None
    end: End

    async def prepare(self) -> None:
        self.context = self.stack.client_context(resume=False)
        self.end = await self.open()
        await asyncio.sleep(0.01)

    async def open(self) -> End:
        """One more connection, on which the server knows what is to come."""
        end = End()
        await self.stack.connect(lambda: end, self.port, self.context)
        end.transport.write(HEADER.pack(b"E", self.size))
        return end

    async def finish(self) -> None:
        await self.end.close()


class Bulk(_OneConnection):
    """Writes of *size* bytes, as fast as they are taken, and one byte back."""

    async def open(self) -> End:
        end = End()
        await self.stack.connect(lambda: end, self.port, self.context)
        end.transport.write(HEADER.pack(b"S", self.count * self.size))
        return end

    async def run(self) -> dict[str, Any]:
        end, chunk = self.end, bytes(self.size)
        write = end.transport.write
        for _ in range(self.count):
            write(chunk)
            if end.paused:
                await end.drain()
        await end.expect(1)
        return {"agreed": self.stack.agreed(end.transport)}


class Echo(_OneConnection):
    """Requests and responses, one at a time, and how long each took."""

    async def run(self) -> dict[str, Any]:
        end, chunk, size = self.end, bytes(self.size), self.size
        write = end.transport.write
        times = []
        for _ in range(self.count):
            begun = perf_counter()
            write(chunk)
            await end.expect(size)
            times.append(perf_counter() - begun)
        times.sort()
        return {"p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}


class Connect(Job):
    """Handshakes, *size* at a time: connect, one byte there and back, close."""

    context: Any = None

    async def prepare(self) -> None:
        self.context = self.stack.client_context(resume=False)
        await self.one()

    async def one(self) -> End:
        """One connection, from the beginning to the end."""
        end = End()
        await self.stack.connect(lambda: end, self.port, self.context)
        end.transport.write(HEADER.pack(b"E", 1) + b"?")
        await end.expect(1)
        await end.close()
        return end

    async def run(self) -> dict[str, Any]:
        await in_parallel(self.one, self.count, self.size)
        return {}


class Resume(Connect):
    """The same, with sessions that earlier connections have left."""

    resumed = 0

    async def prepare(self) -> None:
        self.context = self.stack.client_context(resume=True)
        await in_parallel(self.one, self.size, self.size)
        self.resumed = 0

    async def one(self) -> End:
        end = End()
        await self.stack.connect(lambda: end, self.port, self.context)
        end.transport.write(HEADER.pack(b"E", 1) + b"?")
        await end.expect(1)
        self.resumed += self.stack.resumed(end.transport)
        self.stack.remember(end.transport, self.context)
        await end.close()
        return end

    async def run(self) -> dict[str, Any]:
        await in_parallel(self.one, self.count, self.size)
        if self.resumed != self.count:
            raise RuntimeError(f"only {self.resumed} of {self.count} sessions were resumed")
        return {}


class Hold(_OneConnection):
    """Opens *count* connections, 20 at a time, and keeps them."""

    ends: list[End]
    visited = 0
    """How many visits there were; the next begins with the connection that comes then."""

    async def prepare(self) -> None:
        self.context = self.stack.client_context(resume=False)
        self.ends = []
        await self.visit(await self.open())

    async def visit(self, end: End) -> None:
        """One request and response on a connection."""
        end.transport.write(bytes(self.size))
        await end.expect(self.size)

    async def run(self) -> dict[str, Any]:
        async def one() -> None:
            end = await self.open()
            await self.visit(end)
            self.ends.append(end)

        await in_parallel(one, self.count, 20)
        return {}

    async def finish(self) -> None:
        await in_parallel(lambda: self.ends.pop().close(), len(self.ends), 100)


class Visit(Job):
    """*count* requests and responses, over all the connections that are held, in turn."""

    hold: Hold

    async def run(self) -> dict[str, Any]:
        hold, ends = self.hold, self.hold.ends
        most = min(20, len(ends), self.count)
        within = len(ends) - len(ends) % most  # no two at once have the same connection

        async def several(first: int) -> None:
            for number in range(first, self.count, most):
                await hold.visit(ends[(hold.visited + number) % within])

        await asyncio.gather(*map(several, range(most)))
        hold.visited += self.count - self.count % most
        return {}


async def in_parallel(one: Callable[[], Awaitable[Any]], count: int, size: int) -> None:
    """Calls *one* so many times, at most *size* at once."""
    left = count

    async def several() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await one()

    await asyncio.gather(*(several() for _ in range(min(size, count))))


JOBS: dict[str, type[Job]] = {
    "bulk": Bulk,
    "echo": Echo,
    "connect": Connect,
    "resume": Resume,
    "hold": Hold,
    "visit": Visit,
}


@dataclass(frozen=True, slots=True)
class Work:
    """One row of the table: a job, how often it is done, and what is to be reached."""

    name: str
    job: str
    count: int
    size: int
    unit: str
    """What one of *count* is."""

    goals: tuple[float | None, float | None, float | None, float | None]
    """The CPU time to stay below, as a ratio: to ssl on asyncio and on uvloop, and to aiofastnet
    on asyncio and on uvloop."""

    goal_drop_in: float | None = None
    """The same for ``aiotls.ssl`` under the loop's own TLS, to ssl on either loop."""


WORKS: tuple[Work, ...] = (
    Work("bulk, writes of 64 KiB", "bulk", 1_000, 65_536, "write", (0.70, 0.90, 1.0, 1.0), 1.0),
    Work("bulk, writes of 16 KiB", "bulk", 3_000, 16_384, "write", (0.55, 0.55, 0.90, 0.90), 1.0),
    Work("bulk, writes of 1 KiB", "bulk", 16_000, 1_024, "write", (0.35, 0.35, 0.5, 0.5), 1.0),
    Work("bulk, writes of 100 B", "bulk", 20_000, 100, "write", (0.35, 0.35, 0.5, 0.5), 1.0),
    Work("request and response, 100 B", "echo", 2_500, 100, "request", (0.90, 0.90, 1.15, 1.25)),
    Work(
        "full handshake, verified", "connect", 200, 20, "handshake", (0.70, 0.90, 0.55, 0.55), 1.0
    ),
    Work("resumed handshake", "resume", 200, 20, "handshake", (0.75, 0.75, None, None)),
)
