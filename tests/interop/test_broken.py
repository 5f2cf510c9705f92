"""Peers that are not there, do not speak TLS, or leave in the middle of the handshake."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import aiotls

from . import ours
from .peer import HOST, Settings
from .pki import PKI
from .sslmodule import StandardLibrary

pytestmark = pytest.mark.asyncio

TLS = StandardLibrary()

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def plain_server(handle: Handler) -> AsyncIterator[int]:
    """A server of TCP alone."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handle(reader, writer)
        await ours.close(writer)

    server = await asyncio.start_server(run, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_record(reader: asyncio.StreamReader) -> bytes:
    """One TLS record (RFC 8446, section 5.1)."""
    header = await reader.readexactly(5)
    return header + await reader.readexactly(int.from_bytes(header[3:], "big"))


@contextlib.asynccontextmanager
async def cut(
    port: int, *, from_client: int | None = None, from_server: int | None = None, by_reset: bool
) -> AsyncIterator[int]:
    """A relay to *port* that ends both connections after so many records from one side."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, port)

        async def relay(
            source: asyncio.StreamReader, sink: asyncio.StreamWriter, limit: int | None
        ) -> None:
            passed = 0
            while limit is None or passed < limit:
                sink.write(await read_record(source))
                passed += 1
                await sink.drain()

        directions = {
            asyncio.ensure_future(relay(reader, far_writer, from_client)),
            asyncio.ensure_future(relay(far_reader, writer, from_server)),
        }
        _, pending = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        for end in (writer, far_writer):
            if by_reset:
                reset(end)
            await ours.close(end)

    async with plain_server(handle) as relay_port:
        yield relay_port


async def nothing_is_left() -> None:
    """No task goes on for long after its connection."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=5)
        assert not pending


BANNERS = {
    "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "smtp": b"220 mail.example ESMTP\r\n",
    "imap": b"* OK IMAP4rev1 ready\r\n",
    "ssh": b"SSH-2.0-example\r\n",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("banner", list(BANNERS))
async def test_client_meets_a_server_that_does_not_speak_tls(banner: str, pki: PKI) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNERS[banner])
        await writer.drain()
        await reader.read()

    async with plain_server(handle) as port:
        with pytest.raises(aiotls.TLSError) as caught:
            await ours.connect(port, aiotls.ClientConfig(trust=pki.trust))
    assert isinstance(caught.value, aiotls.ProtocolError)
    await nothing_is_left()


@pytest.mark.parametrize("by_reset", [False, True], ids=["fin", "reset"])
async def test_client_meets_a_server_that_hangs_up_at_once(by_reset: bool, pki: PKI) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if by_reset:
            reset(writer)

    async with plain_server(handle) as port:
        with pytest.raises(ConnectionResetError):
            await ours.connect(port, aiotls.ClientConfig(trust=pki.trust))
    await nothing_is_left()


async def test_client_meets_nobody(pki: PKI) -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        with pytest.raises(ConnectionRefusedError):
            await ours.connect(unused.getsockname()[1], aiotls.ClientConfig(trust=pki.trust))


async def test_client_gives_up_on_a_server_that_says_nothing(pki: PKI) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with plain_server(handle) as port:
        with pytest.raises(ConnectionAbortedError):
            await aiotls.open_connection(
                HOST,
                port,
                ssl=aiotls.ClientConfig(trust=pki.trust),
                server_hostname="localhost",
                ssl_handshake_timeout=0.2,
            )
    await nothing_is_left()


@pytest.mark.parametrize("by_reset", [False, True], ids=["fin", "reset"])
@pytest.mark.parametrize("records", range(6))
async def test_client_loses_the_server_in_the_handshake(
    records: int, by_reset: bool, pki: PKI
) -> None:
    """OpenSSL sends ServerHello, change_cipher_spec and one record for each message after them."""
    config = aiotls.ClientConfig(trust=pki.trust)
    with TLS.serve(Settings(credentials=pki.server())) as server:
        async with cut(server.port, from_server=records, by_reset=by_reset) as port:
            with pytest.raises(ConnectionResetError):
                await ours.connect(port, config)
    await nothing_is_left()


async def test_client_loses_the_server_in_the_middle_of_a_record(pki: PKI) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_record(reader)
        writer.write(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
        await writer.drain()

    async with plain_server(handle) as port:
        with pytest.raises(ConnectionResetError):
            await ours.connect(port, aiotls.ClientConfig(trust=pki.trust))
    await nothing_is_left()


async def test_client_is_told_when_data_is_cut_off(pki: PKI) -> None:
    """RFC 8446, section 6.1: an end without close_notify is a truncation."""
    config = aiotls.ClientConfig(trust=pki.trust)
    with TLS.serve(Settings(credentials=pki.server())) as server:
        # ServerHello to Finished are six records, the tickets two, and the echo one.
        async with cut(server.port, from_server=9, by_reset=False) as port:
            reader, writer = await ours.connect(port, config)
            writer.write(b"echo")
            assert await reader.readexactly(4) == b"echo"
            with pytest.raises(aiotls.Truncated):
                await reader.read()
            await ours.close(writer)


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-example\r\n",
        bytes(64),
        b"\xff" * 64,
        b"\x16\x03\x01\xff\xff" + bytes(64),
        b"\x80\x2e\x01\x00\x02" + bytes(41),
    ],
    ids=["http", "ssh", "zeros", "ones", "oversized", "ssl2"],
)
async def test_server_meets_a_client_that_does_not_speak_tls(
    greeting: bytes, pki: PKI, caplog: pytest.LogCaptureFixture
) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    async with ours.serve(config) as server:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(greeting)
        answer = await asyncio.wait_for(reader.read(), 10)
        await ours.close(writer)
        await still_serves(server.port, pki)
    assert answer[:1] == b"\x15", "a fatal alert is the answer"
    assert answer[5:6] == b"\x02"
    assert len(failures(caplog)) == 1
    assert HOST in failures(caplog)[0]


@pytest.mark.parametrize("by_reset", [False, True], ids=["fin", "reset"])
@pytest.mark.parametrize("records", range(3))
async def test_server_loses_the_client_in_the_handshake(
    records: int, by_reset: bool, pki: PKI
) -> None:
    """OpenSSL sends ClientHello, change_cipher_spec and Finished."""
    config = aiotls.ServerConfig(identity=pki.server_identity())
    async with ours.serve(config) as server:
        async with cut(server.port, from_client=records, by_reset=by_reset) as port:
            settings = Settings(trust=pki.trust_file)
            outcome = await asyncio.to_thread(TLS.connect, port, settings, b"line\n")
            assert outcome.data == b""
        assert server.connections == []
        await still_serves(server.port, pki)
    await nothing_is_left()


async def test_server_is_told_when_data_is_cut_off(pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    async with ours.serve(config) as server:
        # ClientHello, change_cipher_spec, Finished, and the data.
        async with cut(server.port, from_client=4, by_reset=False) as port:
            settings = Settings(trust=pki.trust_file)
            await asyncio.to_thread(TLS.connect, port, settings, b"line\n")
        await asyncio.wait_for(server.finished.wait(), 10)
    assert [type(error) for error in server.errors] == [aiotls.Truncated]


async def test_server_gives_up_on_a_client_that_says_nothing(pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    server = await aiotls.start_server(
        _never_called, HOST, 0, ssl=config, ssl_handshake_timeout=0.2
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    await ours.close(writer)
    server.close()
    await server.wait_closed()
    await nothing_is_left()


async def _never_called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("there was no handshake")


async def still_serves(port: int, pki: PKI) -> None:
    """One connection's failure is nobody else's."""
    outcome = await asyncio.to_thread(TLS.connect, port, Settings(trust=pki.trust_file), b"line\n")
    assert outcome.data == b"line\n", outcome.error


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our server has logged, one line for each handshake that failed."""
    return [r.getMessage() for r in caplog.records if r.name.startswith("aiotls")]
