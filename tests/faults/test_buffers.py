"""Full send buffers on a server's side: a client that stops to read, on every face with streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import aiotls
from tests.asyncio_face.peers import HOST, port_of
from tests.faults.faces import PATIENCE, Sides

pytestmark = pytest.mark.asyncio
Settled = Callable[[], Awaitable[None]]


@pytest.mark.parametrize("face", ["streams", "start_tls", "drop-in"])
@pytest.mark.parametrize("end", ["close", "abort", "cancel", "reset"])
async def test_a_client_that_takes_nothing(end: str, face: str, nothing_left: Settled) -> None:
    """A server that writes on is paused, and its connection ends all the same."""
    sides = Sides("TLSv1_3")
    full, gone = asyncio.Event(), asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if face == "start_tls":
            await aiotls.start_tls(writer, sides.server, server_side=True, **PATIENCE)
        transport: Any = writer.transport
        try:
            while transport.get_write_buffer_size() < 1 << 20:
                writer.write(bytes(1 << 18))
                await asyncio.sleep(0)
            draining = asyncio.ensure_future(writer.drain())
            await asyncio.sleep(0)
            assert not draining.done()
            full.set()
            if end == "cancel":
                draining.cancel()
            elif end != "reset":
                getattr(transport, end)()
            await asyncio.wait([draining])
            if not draining.cancelled():
                draining.exception()  # whether drain() fails or returns is asyncio's to say
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            gone.set()

    if face == "streams":
        server = await aiotls.start_server(pour, HOST, 0, ssl=sides.server, **PATIENCE)
    elif face == "start_tls":
        server = await asyncio.start_server(pour, HOST, 0)
    else:
        server = await asyncio.start_server(pour, HOST, 0, ssl=sides.server_context, **PATIENCE)
    reader, writer = await asyncio.open_connection(HOST, port_of(server))
    await aiotls.start_tls(writer, sides.client, server_hostname="localhost", **PATIENCE)
    transport = writer.transport
    transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.wait_for(full.wait(), 30)
    if end == "reset":
        transport.abort()
    await asyncio.wait_for(gone.wait(), 30)
    transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    server.close()
    del reader, writer, transport
    await nothing_left()
