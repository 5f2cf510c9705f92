"""What an asyncio application can do to a connection, with each engine on each loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from .engines import CONTROL, OURS, Files, client_context, server_context

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SECONDS = 20.0


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: Any, **options: Any) -> AsyncIterator[int]:
    """A server of streams; a handler that fails fails the test."""
    failures: list[BaseException] = []
    running: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await handler(reader, writer)
        except Exception as error:
            failures.append(error)
        finally:
            running.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if running:
            await asyncio.wait(list(running), timeout=SECONDS)
    if failures:
        raise failures[0]


async def connect(
    context: Any, port: int, **options: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    options.setdefault("server_hostname", "localhost")
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, **options)


async def leave(writer: asyncio.StreamWriter) -> None:
    """Closes, and waits until the socket is closed."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def test_echo(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with (
        asyncio.timeout(SECONDS),
        serving(echo, server_context(server, files)) as port,
    ):
        reader, writer = await connect(client_context(client, files), port)
        for size in (1, 100, 16384, 16385, 200_000):
            data = bytes(size)
            writer.write(data)
            await writer.drain()
            assert await reader.readexactly(size) == data
        view = writer.get_extra_info("ssl_object")
        assert isinstance(view, ssl.SSLObject)
        assert view.version() in ("TLSv1.2", "TLSv1.3")
        assert writer.get_extra_info("cipher")[1] == view.version()
        await leave(writer)


async def test_a_clean_end_is_an_end(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(b"the last words")

    async with (
        asyncio.timeout(SECONDS),
        serving(answer, server_context(server, files)) as port,
    ):
        reader, writer = await connect(client_context(client, files), port)
        writer.write(b"ping")
        assert await reader.read() == b"the last words"
        assert reader.at_eof()
        await leave(writer)


async def test_the_client_ends(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())

    async with (
        asyncio.timeout(SECONDS),
        serving(listen, server_context(server, files)) as port,
    ):
        _, writer = await connect(client_context(client, files), port)
        writer.write(b"x" * 100_000)
        await leave(writer)
        assert await heard == b"x" * 100_000


def is_native(view: Any) -> bool:
    """Whether a TLS object describes a transport of this package's own."""
    return type(view._sslobj).__name__ == "Described"


async def cut(pairing: tuple[str, str], files: Files) -> tuple[Any, Any]:
    """How reading ends where the stream below ends without close_notify, and the TLS object."""
    client, server = pairing
    read = asyncio.Event()

    async def end_below(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"data")
        await read.wait()
        # What a loop gives for a socket can only be looked at.
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as below:
            below.shutdown(socket.SHUT_RDWR)

    async with serving(end_below, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        assert await reader.readexactly(4) == b"data"
        read.set()
        outcome: Any
        try:
            outcome = await reader.read()
        except OSError as error:
            outcome = type(error)
        view = writer.get_extra_info("ssl_object")
        await leave(writer)
    return outcome, view


async def test_a_cut_is_what_it_is_with_the_control(pairing: tuple[str, str], files: Files) -> None:
    """asyncio takes a connection that ends without close_notify for one that has ended."""
    async with asyncio.timeout(SECONDS):
        expected, _ = await cut((CONTROL, CONTROL), files)
        outcome, view = await cut(pairing, files)
    assert outcome == expected
    if pairing[0] == OURS and is_native(view):
        assert view.truncated


class Reverse(asyncio.Protocol):
    """Answers when the other side has ended, with what it said, backwards."""

    def __init__(self) -> None:
        self.data = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        asyncio.get_running_loop().call_soon(self.answer)
        return True

    def answer(self) -> None:
        self.transport.write(self.data[::-1])
        self.transport.close()


async def test_half_close(pairing: tuple[str, str], files: Files) -> None:
    """The standard library's transport cannot; this package's can."""
    client, server = pairing
    loop = asyncio.get_running_loop()
    context = server_context(server, files)
    async with asyncio.timeout(SECONDS):
        listening = await loop.create_server(Reverse, "127.0.0.1", 0, ssl=context)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await connect(client_context(client, files), port)
            writer.write(b"abc")
            assert writer.can_write_eof() == is_native(writer.get_extra_info("ssl_object"))
            if writer.can_write_eof():
                writer.write_eof()
                # Its own transport leaves a server of the standard library's no time to answer.
                assert await reader.read() == (b"cba" if server == OURS else b"")
            await leave(writer)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_64_mebibytes_each_way(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    total = 1 << 26
    block = bytes(range(256)) * 1024

    async with asyncio.timeout(160), serving(echo, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)

        async def send() -> None:
            for _ in range(total // len(block)):
                writer.write(block)
                await writer.drain()

        sending = asyncio.ensure_future(send())
        for _ in range(total // len(block)):
            assert await reader.readexactly(len(block)) == block
        await sending
        await leave(writer)


async def test_cancelled_in_the_handshake(engine: str, files: Files) -> None:
    accepted = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()

    async with asyncio.timeout(SECONDS), serving(say_nothing, None) as port:
        connecting = asyncio.ensure_future(connect(client_context(engine, files), port))
        await accepted.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_the_handshake_takes_too_long(engine: str, files: Files) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with asyncio.timeout(SECONDS), serving(say_nothing, None) as port:
        with pytest.raises(ConnectionAbortedError):
            await connect(client_context(engine, files), port, ssl_handshake_timeout=0.2)


async def test_the_server_hangs_up_in_the_handshake(engine: str, files: Files) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with asyncio.timeout(SECONDS), serving(hang_up, None) as port:
        with pytest.raises(ConnectionResetError):
            await connect(client_context(engine, files), port)


async def test_cancelled_in_a_transfer(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    lost = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio's and uvloop's own TLS transports say that they are open until their loop has
        # turned again, and drain() then does not yield: a task that only writes stops the loop.
        rests = not is_native(writer.get_extra_info("ssl_object"))
        with contextlib.suppress(OSError):
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                if rests:
                    await asyncio.sleep(0)
        lost.set()

    async with asyncio.timeout(SECONDS), serving(pour, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        await reader.readexactly(1 << 16)
        reading = asyncio.ensure_future(reader.readexactly(1 << 30))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        writer.transport.abort()
        await leave(writer)
        await lost.wait()


async def test_a_stranger_is_refused(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with asyncio.timeout(SECONDS), serving(echo, server_context(server, files)) as port:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await connect(client_context(client, files, cafile=files.stranger), port)
    error = caught.value
    assert (error.verify_code, error.reason) == (20, "CERTIFICATE_VERIFY_FAILED")
    assert (error.errno, error.library) == (ssl.SSL_ERROR_SSL, "SSL")
    assert error.verify_message == "unable to get local issuer certificate"


async def test_another_name_is_refused(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    context = server_context(server, files, certfile=files.other)
    async with asyncio.timeout(SECONDS), serving(echo, context) as port:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await connect(client_context(client, files), port)
    assert caught.value.verify_code == 62
    assert "Hostname mismatch, certificate is not valid for 'localhost'" in str(caught.value)


async def test_client_certificate(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    seen: list[Any] = []

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert"))
        await echo(reader, writer)

    context = server_context(server, files, clients=True)
    async with asyncio.timeout(SECONDS), serving(look, context) as port:
        reader, writer = await connect(client_context(client, files, certfile=files.client), port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await leave(writer)
    assert seen[0]["subject"] == ((("commonName", "client.example"),),)


REFUSED = "TLSV13_ALERT_CERTIFICATE_REQUIRED|reset|closed"


async def request(context: Any, port: int) -> None:
    """Writes and reads once; raises what comes of it, and ConnectionResetError for an end."""
    reader, writer = await connect(context, port)
    try:
        writer.write(b"x")
        if not await reader.read():
            raise ConnectionResetError("closed by the server")
    finally:
        await leave(writer)


async def test_a_client_without_a_certificate_is_refused(
    pairing: tuple[str, str], files: Files
) -> None:
    client, server = pairing
    context = server_context(server, files, clients=True)
    async with asyncio.timeout(SECONDS), serving(echo, context) as port:
        with pytest.raises(OSError, match=REFUSED) as caught:
            await request(client_context(client, files), port)
    if isinstance(caught.value, ssl.SSLError):
        assert caught.value.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
