"""This package's own client and server, as the interop tests use them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiotls

from .peer import HOST, PATIENCE, http_body, http_request

CHUNK = 1 << 16

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Listening:
    """A server of ours."""

    port: int
    connections: list[dict[str, Any]] = field(default_factory=list)
    """What was agreed on with each client whose handshake was completed."""

    errors: list[BaseException] = field(default_factory=list)
    """What ended connections after their handshake."""

    finished: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether a connection has come to its end."""


@contextlib.asynccontextmanager
async def serve(
    config: aiotls.ServerConfig,
    *,
    http: bool = False,
    before_answer: Callable[[Any], None] | None = None,
) -> AsyncIterator[Listening]:
    """An echo, in plain bytes or as the answer to an HTTP request, as long as the block lasts.

    *before_answer* is called with the transport before anything is sent back.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        listening.connections.append(writer.get_extra_info("tls"))
        try:
            if http:
                await _answer(reader, writer, before_answer)
            else:
                while chunk := await reader.read(CHUNK):
                    if before_answer is not None:
                        before_answer(writer.transport)
                    writer.write(chunk)
                    await writer.drain()
        except OSError as error:
            listening.errors.append(error)
        finally:
            await close(writer)
            listening.finished.set()

    handlers: set[asyncio.Task[Any] | None] = set()
    server = await aiotls.start_server(handle, HOST, 0, ssl=config)
    listening = Listening(server.sockets[0].getsockname()[1])
    try:
        yield listening
    finally:
        server.close()
        await server.wait_closed()
        tasks = [task for task in handlers if task is not None and not task.done()]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=PATIENCE)
            assert not pending, "a connection goes on although its client has left"


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    before_answer: Callable[[Any], None] | None,
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
    length = next((int(value) for name, _, value in fields if name == b"content-length"), 0)
    body = await reader.readexactly(length)
    if before_answer is not None:
        before_answer(writer.transport)
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length)
    writer.write(body)
    await writer.drain()


async def connect(port: int, config: aiotls.ClientConfig, name: str = "localhost") -> Connection:
    async with asyncio.timeout(PATIENCE):
        return await aiotls.open_connection(HOST, port, ssl=config, server_hostname=name)


def renew_keys(transport: Any) -> None:
    """Change the keys of what we send, and ask the peer to do the same (section 4.6.3)."""
    transport.key_update(request_peer=True)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close without minding how the peer takes it."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def exchange(connection: Connection, payload: bytes, *, http: bool = False) -> bytes:
    """Send *payload* to a server that echoes; gives what came back."""
    reader, writer = connection

    async def send() -> None:
        # In pieces, so that the other direction flows at the same time.
        data = memoryview(http_request(payload) if http else payload)
        for start in range(0, len(data), CHUNK):
            writer.write(data[start : start + CHUNK])
            await writer.drain()

    async with asyncio.timeout(PATIENCE * 4), asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        if http:
            received = tasks.create_task(reader.read(-1))
        else:
            received = tasks.create_task(reader.readexactly(len(payload)))
    data = received.result()
    return http_body(data) if http else data


async def fetch(
    port: int, config: aiotls.ClientConfig, payload: bytes, *, http: bool = False
) -> tuple[bytes, dict[str, Any]]:
    """One connection from beginning to end: what came back, and what was agreed on."""
    connection = await connect(port, config)
    _, writer = connection
    try:
        return await exchange(connection, payload, http=http), writer.get_extra_info("tls")
    finally:
        await close(writer)
