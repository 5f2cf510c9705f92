"""A TCP proxy between two sides, which lets so many bytes pass and then does its worst."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

UP, DOWN = 0, 1
"""From client to server, and back."""


@dataclass
class Wire:
    """What passed, and what is done when *limit* bytes have passed in one *direction*."""

    direction: int = UP
    limit: int | None = None
    fault: str = "none"
    passed: list[bytearray] = field(default_factory=lambda: [bytearray(), bytearray()])
    transports: list[asyncio.Transport] = field(default_factory=list)
    struck: bool = False


class _Half(asyncio.Protocol):
    """One of the two connections of a proxy."""

    def __init__(self, wire: Wire, direction: int) -> None:
        self.wire = wire
        self.direction = direction
        self.transport: Any = None
        self.other: _Half | None = None
        self.early = bytearray()
        self.ended = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.wire.transports.append(transport)

    def data_received(self, data: bytes) -> None:
        wire = self.wire
        if wire.struck:
            return
        passed = wire.passed[self.direction]
        if wire.limit is not None and self.direction == wire.direction:
            data, rest = data[: wire.limit - len(passed)], data[wire.limit - len(passed) :]
            strikes = bool(rest) or len(passed) + len(data) >= wire.limit
        else:
            strikes = False
        passed += data
        if self.other is None or self.other.transport is None:
            self.early += data
        else:
            self.other.transport.write(data)
        if strikes:
            asyncio.get_running_loop().call_later(0.002, self.strike)

    def strike(self) -> None:
        wire = self.wire
        if wire.struck:
            return
        wire.struck = True
        for transport in wire.transports:
            if wire.fault == "reset":
                transport.abort()
            elif wire.fault == "close":
                transport.close()
            elif wire.fault == "half" and not transport.is_closing():
                with contextlib.suppress(OSError):
                    transport.write_eof()
            # "stall": nothing passes any more, and nothing is closed

    def eof_received(self) -> bool:
        if not self.wire.struck and self.other is not None and self.other.transport is not None:
            with contextlib.suppress(OSError):
                self.other.transport.write_eof()
        self.ended = True
        if self.other is not None and self.other.ended:
            for transport in self.wire.transports:
                transport.close()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.other is not None and self.other.transport is not None:
            if self.wire.struck and self.wire.fault == "stall":
                return
            self.other.transport.close()


@contextlib.asynccontextmanager
async def between(port: int, wire: Wire) -> AsyncIterator[int]:
    """A port that leads to *port* over *wire*, for one connection."""
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def accept() -> _Half:
        up = _Half(wire, UP)

        async def connect() -> None:
            down = _Half(wire, DOWN)
            down.other = up
            try:
                await loop.create_connection(lambda: down, "127.0.0.1", port)
            except OSError:
                up.transport.abort()
                return
            up.other = down
            if not wire.struck:
                down.transport.write(bytes(up.early))
            if up.transport.is_closing():
                down.transport.close()

        task = loop.create_task(connect())
        pending.add(task)
        task.add_done_callback(pending.discard)
        return up

    server = await loop.create_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for transport in wire.transports:
            transport.abort()
        if pending:
            await asyncio.wait(pending)
        wire.transports.clear()
        await asyncio.sleep(0.01)
