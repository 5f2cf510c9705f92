"""Resets, hang-ups, half-open connections and black holes at every step of a connection's life."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import aiotls
from aiotls import ClientConfig, ServerConfig
from aiotls.enums import ProtocolVersion
from tests.asyncio_face.peers import HOST, port_of
from tests.faults.proxy import DOWN, UP, Wire, between

pytestmark = pytest.mark.asyncio
Settled = Callable[[], Awaitable[None]]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(0.5):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def _serving(config: ServerConfig) -> AsyncIterator[int]:
    server = await aiotls.start_server(
        _echo, HOST, 0, ssl=config, ssl_handshake_timeout=0.25, ssl_shutdown_timeout=0.05
    )
    try:
        yield port_of(server)
    finally:
        server.close()


async def _life(config: ClientConfig, port: int) -> str:
    """One connection from beginning to end; what ended it, or an empty string."""
    writer = None
    try:
        async with asyncio.timeout(0.6):
            reader, writer = await aiotls.open_connection(
                HOST,
                port,
                ssl=config,
                server_hostname="localhost",
                ssl_handshake_timeout=0.25,
                ssl_shutdown_timeout=0.05,
            )
            for size in (10, 40_000):
                writer.write(bytes(size))
                assert await reader.readexactly(size) == bytes(size)
            writer.close()
            await writer.wait_closed()
    except (OSError, asyncio.IncompleteReadError) as error:
        return type(error).__name__
    finally:
        if writer is not None:
            writer.transport.abort()
    return ""


def _places(stream: bytes) -> list[int]:
    """Where records end, and a byte of each header and each body."""
    places, start = [1], 0
    while start < len(stream):
        end = start + 5 + int.from_bytes(stream[start + 3 : start + 5], "big")
        places += [start + 3, (start + end) // 2, end]
        start = end
    return sorted({place for place in places if place <= len(stream)})


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("fault", ["reset", "close", "half", "stall"])
async def test_a_fault_at_every_step(
    fault: str,
    version: str,
    client_config: ClientConfig,
    server_config: ServerConfig,
    nothing_left: Settled,
) -> None:
    client = client_config.replace(max_version=ProtocolVersion[version])
    async with _serving(server_config) as port:
        honest = Wire()
        async with between(port, honest) as way:
            assert await _life(client, way) == ""
        survived = 0
        for direction in (UP, DOWN):
            places = _places(bytes(honest.passed[direction]))
            # every step of the handshake and of the shutdown; a few of the data in between
            places = places if len(places) < 36 else places[:24] + places[-12:]
            wires = [Wire(direction, place, fault) for place in places]

            async def one(wire: Wire) -> str:
                async with between(port, wire) as way:
                    return await _life(client, way)

            for start in range(0, len(wires), 6):
                ends = await asyncio.gather(*(one(wire) for wire in wires[start : start + 6]))
                # Only where the last bytes have passed can it all have been well.
                for wire, end in zip(wires[start : start + 6], ends, strict=True):
                    handshake = wire.limit is not None and wire.limit < 200
                    assert end or not handshake, (wire.direction, wire.limit)
                survived += len(ends)
        assert survived > 30
    await nothing_left()
