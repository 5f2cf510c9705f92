"""Every way to speak TLS over a socket: a server that echoes, and one client's life with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiotls
import aiotls.ssl
from aiotls import ClientConfig, ServerConfig
from aiotls.enums import ProtocolVersion
from tests import certificates
from tests.asyncio_face.peers import HOST, Recorder, port_of

PATIENCE: dict[str, Any] = {"ssl_handshake_timeout": 0.25, "ssl_shutdown_timeout": 0.05}
SIZES = (10, 40_000)

Serving = Callable[["Sides"], contextlib.AbstractAsyncContextManager[int]]
Life = Callable[["Sides", int], Awaitable[None]]


class Sides:
    """Configurations of both kinds for one version of TLS."""

    def __init__(self, version: str) -> None:
        highest = ProtocolVersion[version]
        issued = certificates.leaf("localhost")
        self.client = ClientConfig(
            trust=certificates.authority().trust, session_cache=None, max_version=highest
        )
        self.server = ServerConfig(identity=issued.identity)
        self.client_context = aiotls.ssl.create_default_context(
            cadata=certificates.authority().pem.decode()
        )
        self.client_context.maximum_version = ssl.TLSVersion[version]
        self.server_context = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain_data(issued.chain_pem)


@dataclass(frozen=True)
class Face:
    """*life* raises what ends the connection before its time."""

    serving: Serving
    life: Life


# -- streams ---------------------------------------------------------------------------------------


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(0.5):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        for size in SIZES:
            writer.write(bytes(size))
            assert await reader.readexactly(size) == bytes(size)
        writer.close()
        await writer.wait_closed()
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def _until_closed(server: asyncio.Server) -> AsyncIterator[int]:
    try:
        yield port_of(server)
    finally:
        server.close()


@contextlib.asynccontextmanager
async def _serving_streams(sides: Sides) -> AsyncIterator[int]:
    server = await aiotls.start_server(_echo, HOST, 0, ssl=sides.server, **PATIENCE)
    async with _until_closed(server) as port:
        yield port


async def _streams(sides: Sides, port: int) -> None:
    reader, writer = await aiotls.open_connection(
        HOST, port, ssl=sides.client, server_hostname="localhost", **PATIENCE
    )
    await _exchange(reader, writer)


# -- protocols -------------------------------------------------------------------------------------


class _Echoing(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@contextlib.asynccontextmanager
async def _serving_protocols(sides: Sides) -> AsyncIterator[int]:
    made: list[_Echoing] = []

    def accept() -> _Echoing:
        made.append(_Echoing())
        return made[-1]

    server = await aiotls.create_server(accept, HOST, 0, ssl=sides.server, **PATIENCE)
    async with _until_closed(server) as port:
        try:
            yield port
        finally:  # a protocol has no time-out of its own for a peer that says nothing more
            for protocol in made:
                if hasattr(protocol, "transport"):
                    protocol.transport.abort()


async def _protocols(sides: Sides, port: int) -> None:
    transport, protocol = await aiotls.create_connection(
        Recorder, HOST, port, ssl=sides.client, server_hostname="localhost", **PATIENCE
    )
    try:
        transport.write(bytes(sum(SIZES)))
        await protocol.until(lambda: len(protocol.data) == sum(SIZES) or protocol.lost.done())
        transport.close()
        if error := await asyncio.shield(protocol.lost):
            raise error
        if len(protocol.data) < sum(SIZES):
            raise ConnectionResetError("an end before its time")
    finally:
        transport.abort()
        await asyncio.shield(protocol.lost)


# -- plain connections that are upgraded -----------------------------------------------------------


@contextlib.asynccontextmanager
async def _serving_upgrades(sides: Sides) -> AsyncIterator[int]:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await aiotls.start_tls(writer, sides.server, server_side=True, **PATIENCE)
        except OSError:
            writer.close()
        else:
            await _echo(reader, writer)

    async with _until_closed(await asyncio.start_server(upgrade, HOST, 0)) as port:
        yield port


async def _upgrade(sides: Sides, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        await aiotls.start_tls(writer, sides.client, server_hostname="localhost", **PATIENCE)
        await _exchange(reader, writer)
    finally:
        writer.transport.abort()


# -- the loop's own transports, with contexts of aiotls.ssl ----------------------------------------


@contextlib.asynccontextmanager
async def _serving_drop_in(sides: Sides) -> AsyncIterator[int]:
    server = await asyncio.start_server(_echo, HOST, 0, ssl=sides.server_context, **PATIENCE)
    async with _until_closed(server) as port:
        yield port


async def _drop_in(sides: Sides, port: int) -> None:
    reader, writer = await asyncio.open_connection(
        HOST, port, ssl=sides.client_context, server_hostname="localhost", **PATIENCE
    )
    await _exchange(reader, writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    # asyncio's own transport, once it is closed, has none to pass it on to before Python 3.11.4.
    with contextlib.suppress(AttributeError):
        writer.transport.abort()


@contextlib.asynccontextmanager
async def _serving_drop_in_upgrades(sides: Sides) -> AsyncIterator[int]:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(sides.server_context, ssl_handshake_timeout=0.25)
        except OSError:
            pass
        else:
            # The time-out of its shutdown can be set since Python 3.12 only.
            with contextlib.suppress(OSError):
                async with asyncio.timeout(1):
                    await _echo(reader, writer)
        finally:
            _abort(writer)

    async with _until_closed(await asyncio.start_server(upgrade, HOST, 0)) as port:
        yield port


async def _drop_in_upgrade(sides: Sides, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        await writer.start_tls(
            sides.client_context, server_hostname="localhost", ssl_handshake_timeout=0.25
        )
        await _exchange(reader, writer)
    finally:
        _abort(writer)


# -- blocking sockets, in threads ------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _serving_sockets(sides: Sides) -> AsyncIterator[int]:
    threads: list[threading.Thread] = []

    def echo(plain: socket.socket) -> None:
        plain.settimeout(0.5)
        with contextlib.suppress(OSError), plain:
            with sides.server_context.wrap_socket(plain, server_side=True) as sock:
                while data := sock.recv(1 << 16):
                    sock.sendall(data)
                sock.unwrap()

    def accept(listener: socket.socket) -> None:
        while True:
            plain, _ = listener.accept()
            if ending.is_set():
                plain.close()
                return
            threads.append(threading.Thread(target=echo, args=(plain,)))
            threads[-1].start()

    ending = threading.Event()
    with socket.create_server((HOST, 0)) as listener:
        accepting = threading.Thread(target=accept, args=(listener,))
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ending.set()
            socket.create_connection(listener.getsockname()).close()
            await asyncio.to_thread(accepting.join)
            for thread in threads:
                await asyncio.to_thread(thread.join)


async def _sockets(sides: Sides, port: int) -> None:
    error = await asyncio.to_thread(_blocking, sides, port)
    if error is not None:
        raise error


def _blocking(sides: Sides, port: int) -> OSError | None:
    try:
        with socket.create_connection((HOST, port), timeout=0.25) as plain:
            context = sides.client_context
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                for size in SIZES:
                    sock.sendall(bytes(size))
                    left = size
                    while left:
                        data = sock.recv(left)
                        if not data:
                            return ConnectionResetError("an end before its time")
                        left -= len(data)
                sock.unwrap().close()
    except OSError as error:
        return error.with_traceback(None)
    return None


FACES = {
    "streams": Face(_serving_streams, _streams),
    "protocols": Face(_serving_protocols, _protocols),
    "start_tls": Face(_serving_upgrades, _upgrade),
    "drop-in": Face(_serving_drop_in, _drop_in),
    "drop-in start_tls": Face(_serving_drop_in_upgrades, _drop_in_upgrade),
    "sockets": Face(_serving_sockets, _sockets),
}
