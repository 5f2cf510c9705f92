"""TLS streams of other libraries: websockets, anyio, trio, and asyncio's own upgrade."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .engines import Files, client_context, server_context

for package in ("anyio", "trio", "websockets"):
    pytest.importorskip(package)

import anyio  # noqa: E402
import anyio.abc  # noqa: E402
import anyio.streams.tls  # noqa: E402
import trio  # noqa: E402
import trio.testing  # noqa: E402
import websockets.asyncio.client  # noqa: E402
import websockets.asyncio.server  # noqa: E402
import websockets.sync.client  # noqa: E402
import websockets.sync.server  # noqa: E402

pytestmark = pytest.mark.interop

BODY = bytes(range(256)) * 2048


# -- websockets ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_websockets(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing

    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)

    context = server_context(server, files)
    async with websockets.asyncio.server.serve(echo, "127.0.0.1", 0, ssl=context) as serving:
        port = serving.sockets[0].getsockname()[1]
        url = f"wss://localhost:{port}/"
        async with websockets.asyncio.client.connect(
            url, ssl=client_context(client, files), proxy=None
        ) as socket:
            for message in ("text", BODY):
                await socket.send(message)
                assert await socket.recv() == message


def test_websockets_blocking(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing

    def echo(socket: Any) -> None:
        for message in socket:
            socket.send(message)

    context = server_context(server, files)
    with websockets.sync.server.serve(echo, "127.0.0.1", 0, ssl=context) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        port = serving.socket.getsockname()[1]
        with websockets.sync.client.connect(
            f"wss://localhost:{port}/", ssl=client_context(client, files), proxy=None
        ) as socket:
            for message in ("text", BODY):
                socket.send(message)
                assert socket.recv() == message
        serving.shutdown()
        thread.join()


# -- anyio -----------------------------------------------------------------------------------------


async def anyio_echo(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing

    async def echo(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            with contextlib.suppress(anyio.EndOfStream):
                while True:
                    await stream.send(await stream.receive())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    secure = anyio.streams.tls.TLSListener(listener, server_context(server, files))
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(secure.serve, echo)
        stream = await anyio.connect_tcp(
            "127.0.0.1",
            port,
            tls=True,
            ssl_context=client_context(client, files),
            tls_hostname="localhost",
        )
        async with stream:
            attribute = anyio.streams.tls.TLSAttribute
            assert stream.extra(attribute.tls_version) == "TLSv1.3"
            assert stream.extra(attribute.cipher)[1] == "TLSv1.3"
            certificate: Any = stream.extra(attribute.peer_certificate)
            assert certificate["version"] == 3
            assert stream.extra(attribute.peer_certificate_binary)
            assert stream.extra(attribute.server_side) is False
            await stream.send(BODY)
            received = b""
            while len(received) < len(BODY):
                received += await stream.receive()
            assert received == BODY
        # Its other way to connect insists on an ssl.SSLContext.
        connectable = anyio.streams.tls.TLSConnectable(
            anyio.TCPConnectable("127.0.0.1", port),
            hostname="localhost",
            ssl_context=client_context(client, files),
        )
        async with await connectable.connect() as stream:
            await stream.send(b"again")
            assert await stream.receive() == b"again"
        group.cancel_scope.cancel()


@pytest.mark.asyncio
async def test_anyio(pairing: tuple[str, str], files: Files) -> None:
    await anyio_echo(pairing, files)


def test_anyio_on_trio(pairing: tuple[str, str], files: Files) -> None:
    anyio.run(anyio_echo, pairing, files, backend="trio")


@pytest.mark.asyncio
async def test_anyio_tells_a_cut_from_an_end(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    await _anyio_cut(client_context(client, files), server_context(server, files))


IGNORE_UNEXPECTED_EOF = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


async def _anyio_cut(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:

        async def handle(stream: Any) -> None:
            secure = await anyio.streams.tls.TLSStream.wrap(
                stream, server_side=True, ssl_context=server
            )
            await secure.send(b"x")
            await stream.aclose()  # below TLS: no close_notify

        group.start_soon(listener.serve, handle)
        stream = await anyio.connect_tcp(
            "127.0.0.1", port, tls=True, ssl_context=client, tls_hostname="localhost"
        )
        assert await stream.receive() == b"x"
        # Some builds of the standard library take a cut for an end unless they are told not to.
        lenient = type(client) is ssl.SSLContext and client.options & IGNORE_UNEXPECTED_EOF
        with pytest.raises(anyio.EndOfStream if lenient else anyio.BrokenResourceError):
            await stream.receive()
        await anyio.aclose_forcefully(stream)
        group.cancel_scope.cancel()


# -- trio ------------------------------------------------------------------------------------------


def test_trio(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing

    async def echo(stream: Any) -> None:
        async with stream:
            async for data in stream:
                await stream.send_all(data)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                functools.partial(
                    trio.serve_ssl_over_tcp,
                    echo,
                    0,
                    server_context(server, files),
                    host="127.0.0.1",
                )
            )
            port = listeners[0].transport_listener.socket.getsockname()[1]
            stream = await trio.open_ssl_over_tcp_stream(
                "localhost", port, ssl_context=client_context(client, files)
            )
            async with trio.open_nursery() as pair:
                pair.start_soon(stream.send_all, BODY)
                received = b""
                while len(received) < len(BODY):
                    received += await stream.receive_some()
            assert received == BODY
            await stream.aclose()
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_trio_refuses_a_stranger(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing

    async def main() -> None:
        left, right = trio.testing.memory_stream_pair()
        secure = trio.SSLStream(
            left,
            client_context(client, files, cafile=files.stranger),
            server_hostname="localhost",
        )
        serving = trio.SSLStream(right, server_context(server, files), server_side=True)

        async def serve() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await serving.do_handshake()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(trio.BrokenResourceError) as caught:
                await secure.do_handshake()
            await left.aclose()
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)

    trio.run(main)


# -- StreamWriter.start_tls ------------------------------------------------------------------------


async def upgrade(writer: Any, context: Any) -> None:
    """A server's StreamWriter.start_tls(): before Python 3.12 that upgrades as a client."""
    if sys.version_info >= (3, 12):
        await writer.start_tls(context)
        return
    protocol = writer.transport.get_protocol()
    writer._transport = await asyncio.get_running_loop().start_tls(
        writer.transport, protocol, context, server_side=True
    )
    protocol._replace_writer(writer)


@contextlib.asynccontextmanager
async def upgrading_server(context: Any) -> AsyncIterator[int]:
    """A server that says READY, upgrades, and echoes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"READY\n")
        await writer.drain()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await upgrade(writer, context)
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.asyncio
async def test_stream_writer_start_tls(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with upgrading_server(server_context(server, files)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"READY\n"
        await writer.start_tls(client_context(client, files), server_hostname="localhost")
        sending = asyncio.ensure_future(_send(writer))
        assert await reader.readexactly(len(BODY)) == BODY
        await sending
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter) -> None:
    writer.write(BODY)
    await writer.drain()


class Upgraded(asyncio.Protocol):
    """Collects what comes, and lets one wait for it."""

    def __init__(self) -> None:
        self.data = b""
        self.more = asyncio.Event()
        self.lost = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.more.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.more.set()
        self.lost.set()

    async def take(self, size: int) -> bytes:
        while len(self.data) < size:
            self.more.clear()
            await self.more.wait()
        data, self.data = self.data[:size], self.data[size:]
        return data


@pytest.mark.asyncio
async def test_loop_start_tls(pairing: tuple[str, str], files: Files) -> None:
    """Both ends upgraded by ``loop.start_tls``, as database drivers do it."""
    client, server = pairing
    context = server_context(server, files)
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    class Server(Upgraded):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if not tasks:
                tasks.append(loop.create_task(self.serve()))

        async def serve(self) -> None:
            assert await self.take(1) == b"?"
            self.transport.write(b"S")
            upper = await loop.start_tls(self.transport, self, context, server_side=True)
            assert upper is not None
            upper.write(await self.take(5))
            await self.lost.wait()

    serving = await loop.create_server(Server, "127.0.0.1", 0)
    async with serving:
        port = serving.sockets[0].getsockname()[1]
        transport, protocol = await loop.create_connection(Upgraded, "127.0.0.1", port)
        transport.write(b"?")
        assert await protocol.take(1) == b"S"
        upper = await loop.start_tls(
            transport, protocol, client_context(client, files), server_hostname="localhost"
        )
        assert upper is not None
        upper.write(b"hello")
        assert await protocol.take(5) == b"hello"
        assert upper.get_extra_info("ssl_object").version() == "TLSv1.3"
        upper.close()
        await protocol.lost.wait()
        await tasks[0]
