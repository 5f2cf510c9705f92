"""Protocols and servers that the tests of this directory share."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiotls
from aiotls import ClientConfig, ServerConfig, endpoints, streams
from aiotls.transport import TLSTransport

HOST = "127.0.0.1"


class Recorder(asyncio.Protocol):
    """Notes everything that happens to it."""

    def __init__(self, keep_open: bool = False) -> None:
        self.keep_open = keep_open
        self.events: list[str] = []
        self.data = bytearray()
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport: TLSTransport = transport
        self.note("made")

    def note(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.note("data")

    def eof_received(self) -> bool:
        self.note("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("lost")
        self.lost.set_result(exc)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def received(self, size: int) -> bytes:
        await self.until(lambda: len(self.data) >= size)
        return bytes(self.data)


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def serving(
    factory: Callable[[], asyncio.BaseProtocol], config: ServerConfig, **kwds: Any
) -> AsyncIterator[int]:
    server = await endpoints.create_server(factory, HOST, 0, ssl=config, **kwds)
    try:
        yield port_of(server)
    finally:
        server.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def serving_streams(handler: Any, config: ServerConfig, **kwds: Any) -> AsyncIterator[int]:
    server = await streams.start_server(handler, HOST, 0, ssl=config, **kwds)
    try:
        yield port_of(server)
    finally:
        server.close()
        await server.wait_closed()


async def connected(
    client: ClientConfig,
    server: ServerConfig,
    make_client: Callable[[], Any] = Recorder,
    make_server: Callable[[], Any] = Recorder,
    **kwds: Any,
) -> tuple[Any, Any]:
    """Two protocols that are connected over TLS, the client's first."""
    made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def factory() -> Any:
        protocol = make_server()
        asyncio.get_running_loop().call_soon(made.set_result, protocol)
        return protocol

    listener = await endpoints.create_server(factory, HOST, 0, ssl=server)
    _, protocol = await endpoints.create_connection(
        make_client, HOST, port_of(listener), ssl=client, server_hostname="localhost", **kwds
    )
    accepted = await made
    listener.close()  # and no wait_closed(), which waits for the connections since Python 3.12
    return protocol, accepted


async def closed(*protocols: Any) -> None:
    """Closes connections and waits for their end."""
    for protocol in protocols:
        protocol.transport.close()
    async with asyncio.timeout(20):
        for protocol in protocols:
            await protocol.lost


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back all that comes, until the end."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except aiotls.TLSError:
        pass
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.contextmanager
def blocking_server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server in a thread, which is at the mercy of *handle*."""
    listener = socket.create_server((HOST, 0))
    listener.settimeout(20)

    def run() -> None:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(20)
                handle(sock)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(20)
        listener.close()


async def until(condition: Callable[[], Any]) -> None:
    """Waits for what no event tells of."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
