"""Upgrading a connection that is already in use."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aiotls import (
    ClientConfig,
    MemoryReplayGuard,
    ServerConfig,
    TLSError,
    endpoints,
    streams,
)
from aiotls.enums import EarlyData
from aiotls.transport import TLSTransport

from . import pki
from .peers import HOST, Recorder, closed, connected, port_of, until

pytestmark = pytest.mark.asyncio

MIB = 1 << 20


@contextlib.asynccontextmanager
async def plain_streams(
    **kwds: Any,
) -> AsyncIterator[tuple[Any, Any, Any, Any]]:
    """Reader and writer of a client, then of its server, without TLS."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result((reader, writer))
        await done.wait()

    server = await asyncio.start_server(accept, HOST, 0, **kwds)
    reader, writer = await asyncio.open_connection(HOST, port_of(server))
    try:
        yield (reader, writer, *await accepted)
    finally:
        done.set()
        server.close()
        await server.wait_closed()


async def plain_protocols() -> tuple[Recorder, Recorder]:
    """Two connected protocols without TLS, the client's first."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Recorder] = loop.create_future()

    def factory() -> Recorder:
        protocol = Recorder()
        loop.call_soon(accepted.set_result, protocol)
        return protocol

    server = await loop.create_server(factory, HOST, 0)
    _, client = await loop.create_connection(Recorder, HOST, port_of(server))
    protocol = await accepted
    server.close()
    await protocol.until(lambda: "made" in protocol.events)
    return client, protocol


async def close_all(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
    for writer in writers:
        with contextlib.suppress(OSError):
            await asyncio.wait_for(writer.wait_closed(), 10)


async def upgrade(
    client: Any, server: Any, client_config: ClientConfig, server_config: ServerConfig
) -> tuple[TLSTransport, TLSTransport]:
    """Both ends at once."""
    return await asyncio.gather(
        endpoints.start_tls(client.transport, client, client_config, server_hostname="localhost"),
        endpoints.start_tls(server.transport, server, server_config, server_side=True),
    )


async def test_protocols_of_the_loop(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await plain_protocols()
    client.transport.write(b"STARTTLS\n")
    assert await server.received(9) == b"STARTTLS\n"
    client.transport, server.transport = await upgrade(client, server, client_config, server_config)
    client.transport.write(b"secret")
    assert await server.received(15) == b"STARTTLS\nsecret"
    server.transport.write(bytes(MIB))
    assert await client.received(MIB) == bytes(MIB)
    assert client.events[0] == "made"
    assert client.events.count("made") == 1
    await closed(client, server)


async def test_a_stream_writer_and_its_reader(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async with plain_streams() as (reader, writer, server_reader, server_writer):
        writer.write(b"STARTTLS\n")
        assert await server_reader.readline() == b"STARTTLS\n"
        server_writer.write(b"go ahead\n")
        assert await reader.readline() == b"go ahead\n"
        transport, _ = await asyncio.gather(
            endpoints.start_tls(writer, client_config, server_hostname="localhost"),
            endpoints.start_tls(server_writer, server_config, server_side=True),
        )
        assert writer.transport is transport
        assert writer.get_extra_info("tls")["version"] == "TLS 1.3"
        writer.write(bytes(MIB))
        writer.write_eof()
        assert await server_reader.read() == bytes(MIB)
        server_writer.write(bytes(MIB))
        await server_writer.drain()
        server_writer.close()
        assert await reader.read() == bytes(MIB)
        await close_all(writer, server_writer)


async def test_early_data_goes_ahead_of_an_upgrade_too(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    now = [0.0]
    guard = MemoryReplayGuard(clock=lambda: now[0])
    now[0] = 60  # it remembers since a minute ago, and so takes what it has not seen
    server_config = server_config.replace(max_early_data=1000, replay_guard=guard)
    outcomes = []
    for _ in range(2):
        async with plain_streams() as (reader, writer, server_reader, server_writer):
            transport, _ = await asyncio.gather(
                endpoints.start_tls(
                    writer,
                    client_config,
                    server_hostname="localhost",
                    early_data=b"early\n",
                    replay=True,
                ),
                endpoints.start_tls(server_writer, server_config, server_side=True),
            )
            assert await server_reader.readline() == b"early\n"
            server_writer.write(b"answer\n")
            assert await reader.readline() == b"answer\n"
            outcomes.append(transport.connection.early_data_status)
            await close_all(writer, server_writer)
    assert outcomes == [EarlyData.NO_SESSION_OFFERED, EarlyData.ACCEPTED]


async def test_early_data_is_not_for_servers(server_config: ServerConfig) -> None:
    async with plain_streams() as (_, writer, __, server_writer):
        with pytest.raises(ValueError, match="half_rtt"):
            await endpoints.start_tls(
                server_writer, server_config, server_side=True, early_data=b"early"
            )
        await close_all(writer, server_writer)


async def test_the_arguments_of_asyncio_with_a_stream_writer(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async with plain_streams() as (_, writer, server_reader, server_writer):
        await asyncio.gather(
            endpoints.start_tls(writer, None, client_config, server_hostname="localhost"),
            endpoints.start_tls(
                transport=server_writer,
                protocol=server_writer.transport.get_protocol(),
                sslcontext=server_config,
                server_side=True,
            ),
        )
        writer.write(b"hello\n")
        assert await server_reader.readline() == b"hello\n"
        await close_all(writer, server_writer)


async def test_bytes_that_a_reader_had_buffered_are_moved(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """The client does not wait: its ClientHello is in the server's StreamReader already."""
    async with plain_streams() as (reader, writer, server_reader, server_writer):
        writer.write(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
        upgrading = asyncio.create_task(
            endpoints.start_tls(writer, client_config, server_hostname="localhost")
        )
        await server_reader.readline()
        await until(lambda: server_reader._buffer)
        await endpoints.start_tls(server_writer, server_config, server_side=True)
        await upgrading
        assert not server_reader._buffer
        server_writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        await close_all(writer, server_writer)


@pytest.mark.parametrize("fresh", [False, True])
async def test_buffered_bytes_are_found_through_transport_and_protocol(
    client_config: ClientConfig, server_config: ServerConfig, fresh: bool
) -> None:
    """Some give a new protocol around the same reader, or around a new one."""
    loop = asyncio.get_running_loop()
    async with plain_streams() as (_, writer, server_reader, server_writer):
        upgrading = asyncio.create_task(
            endpoints.start_tls(writer, client_config, server_hostname="localhost")
        )
        await until(lambda: server_reader._buffer)
        new_reader = asyncio.StreamReader() if fresh else server_reader
        protocol = streams.StreamReaderProtocol(new_reader, loop=loop)
        transport = await endpoints.start_tls(
            server_writer.transport, protocol, server_config, server_side=True
        )
        await upgrading
        writer.write(b"hello\n")
        assert await new_reader.readline() == b"hello\n"
        transport.close()
        await close_all(writer)
        server_writer._transport = transport


async def test_an_injected_command_ends_in_a_tls_error(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """CVE-2011-0411 and its kin: plaintext behind STARTTLS is never taken for protected data."""
    async with plain_streams() as (_, writer, server_reader, server_writer):
        writer.write(b"STARTTLS\r\nRCPT TO:<victim@example.com>\r\n")
        assert await server_reader.readline() == b"STARTTLS\r\n"
        await until(lambda: server_reader._buffer)
        with pytest.raises(TLSError):
            await endpoints.start_tls(server_writer, server_config, server_side=True)
        with pytest.raises(TLSError):
            await server_reader.readline()
        await close_all(writer, server_writer)


async def test_an_injected_answer_ends_in_a_tls_error(client_config: ClientConfig) -> None:
    async with plain_streams() as (reader, writer, _, server_writer):
        server_writer.write(b"220 go ahead\r\n* PREAUTH you are in\r\n")
        assert await reader.readline() == b"220 go ahead\r\n"
        await until(lambda: reader._buffer)
        with pytest.raises(TLSError):
            await endpoints.start_tls(writer, client_config, server_hostname="localhost")
        await close_all(writer, server_writer)


async def test_a_reader_that_had_paused_its_transport(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async with plain_streams(limit=16) as (_, writer, server_reader, server_writer):
        upgrading = asyncio.create_task(
            endpoints.start_tls(writer, client_config, server_hostname="localhost")
        )
        await until(lambda: server_reader._paused)
        await endpoints.start_tls(server_writer, server_config, server_side=True)
        await upgrading
        writer.write(b"x" * 1000)
        assert await server_reader.readexactly(1000) == b"x" * 1000
        await close_all(writer, server_writer)


async def test_the_end_of_the_stream_was_already_read(server_config: ServerConfig) -> None:
    async with plain_streams() as (_, writer, server_reader, server_writer):
        writer.write_eof()
        assert await server_reader.read() == b""
        with pytest.raises(ConnectionResetError):
            await endpoints.start_tls(server_writer, server_config, server_side=True)
        await close_all(writer, server_writer)


async def test_a_failure_closes_the_connection_and_no_one_waits_for_ever(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async with plain_streams() as (_, writer, _, server_writer):
        results = await asyncio.gather(
            endpoints.start_tls(writer, client_config, server_hostname="other.example"),
            endpoints.start_tls(server_writer, server_config, server_side=True),
            return_exceptions=True,
        )
        assert all(isinstance(result, TLSError) for result in results)
        assert writer.is_closing()
        assert server_writer.is_closing()
        for each in (writer, server_writer):
            each.close()
            with pytest.raises(TLSError):
                await asyncio.wait_for(each.wait_closed(), 5)


async def test_a_time_out(client_config: ClientConfig) -> None:
    async with plain_streams() as (_, writer, server_reader, server_writer):
        with pytest.raises(ConnectionAbortedError):
            await endpoints.start_tls(
                writer, client_config, server_hostname="localhost", ssl_handshake_timeout=0.05
            )
        assert writer.is_closing()
        assert (await server_reader.read())[:1] == b"\x16"
        await close_all(writer, server_writer)


async def test_cancelling(client_config: ClientConfig) -> None:
    async with plain_streams() as (_, writer, server_reader, server_writer):
        task = asyncio.create_task(
            endpoints.start_tls(writer, client_config, server_hostname="localhost")
        )
        await server_reader.readexactly(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert writer.is_closing()
        await server_reader.read()
        await close_all(writer, server_writer)


async def test_the_caller_is_woken_before_the_first_data(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """The server speaks first, in the same segment as the end of its handshake."""

    client, server = await plain_protocols()

    async def serve() -> None:
        transport = await endpoints.start_tls(
            server.transport, server, server_config, server_side=True
        )
        transport.write(b"hello")
        server.transport = transport

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)  # a protocol cannot give back what comes too early; a stream can
    client.transport = await endpoints.start_tls(
        client.transport, client, client_config, server_hostname="localhost"
    )
    assert "data" not in client.events
    assert await client.received(5) == b"hello"
    await serving
    await closed(client, server)


async def test_a_writer_that_was_paused_is_resumed(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await plain_protocols()
    server.transport.pause_reading()
    size = 0
    while "pause" not in client.events:
        client.transport.write(bytes(MIB))
        size += MIB
    upgrading = asyncio.create_task(
        endpoints.start_tls(client.transport, client, client_config, server_hostname="localhost")
    )
    await asyncio.sleep(0.01)
    server.transport.resume_reading()
    await server.received(size)
    rest = bytes(server.data[size:])
    server.data.clear()
    assert not rest or rest[:1] == b"\x16"
    tls = endpoints.start_tls(server.transport, server, server_config, server_side=True)
    if rest:
        upgrading.cancel()
        tls.close()
        with pytest.raises(asyncio.CancelledError):
            await upgrading
        server.transport.close()
        return
    server.transport = await tls
    client.transport = await upgrading
    await client.until(lambda: "resume" in client.events)
    assert client.events.count("pause") == client.events.count("resume")
    await closed(client, server)


# -- over other transports -------------------------------------------------------------------------


async def test_tls_in_tls(client_config: ClientConfig, server_config: ServerConfig) -> None:
    client, server = await connected(client_config, server_config)
    outer = client.transport
    client.transport, server.transport = await upgrade(client, server, client_config, server_config)
    assert client.transport is not outer
    client.transport.write(b"doubly secret")
    assert await server.received(13) == b"doubly secret"
    server.transport.write(bytes(MIB))
    assert await client.received(MIB) == bytes(MIB)
    assert client.transport.get_extra_info("peername")[0] == HOST
    inner = client.transport.get_extra_info("ssl_object")
    assert inner.get_channel_binding() != outer.get_extra_info("ssl_object").get_channel_binding()
    await closed(client, server)
    assert outer.is_closing()
    assert server.lost.result() is None
    assert client.lost.result() is None


async def test_three_layers_and_a_half_close(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await connected(
        client_config, server_config, make_server=lambda: Recorder(keep_open=True)
    )
    for _ in range(2):
        client.transport, server.transport = await upgrade(
            client, server, client_config, server_config
        )
    client.transport.write(b"question")
    client.transport.write_eof()
    await server.until(lambda: "eof" in server.events)
    assert server.data == b"question"
    server.transport.write(bytes(MIB))
    server.transport.close()
    assert await client.received(MIB) == bytes(MIB)
    await client.lost
    await server.lost


async def test_flow_control_reaches_through_two_layers(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await connected(client_config, server_config)
    client.transport, server.transport = await upgrade(client, server, client_config, server_config)
    server.transport.pause_reading()
    written = 0
    while "pause" not in client.events:
        client.transport.write(bytes(1 << 16))
        written += 1 << 16
        await asyncio.sleep(0)
        assert written < 64 * MIB
    server.transport.resume_reading()
    await server.received(written)
    await client.until(lambda: "resume" in client.events)
    await closed(client, server)


async def test_over_the_tls_of_the_standard_library(
    client_config: ClientConfig, server_config: ServerConfig, tmp_path: Path
) -> None:
    """Ours inside OpenSSL's."""
    loop = asyncio.get_running_loop()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(*pki.leaf("localhost").write(tmp_path))
    context = ssl.create_default_context(cadata=pki.authority_pem().decode())
    accepted: asyncio.Future[Recorder] = loop.create_future()

    class Accepts(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            accepted.set_result(self)

    listener = await loop.create_server(Accepts, HOST, 0, ssl=serving)
    _, client = await loop.create_connection(
        Recorder, HOST, port_of(listener), ssl=context, server_hostname="localhost"
    )
    server = await accepted
    client.transport, server.transport = await upgrade(client, server, client_config, server_config)
    client.transport.write(bytes(MIB))
    assert await server.received(MIB) == bytes(MIB)
    await closed(client, server)
    listener.close()
    await listener.wait_closed()


async def test_the_standard_librarys_tls_over_ours(
    client_config: ClientConfig, server_config: ServerConfig, tmp_path: Path
) -> None:
    """OpenSSL's inside ours, by the loop's start_tls; uvloop's takes only its own transports."""
    loop = asyncio.get_running_loop()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(*pki.leaf("localhost").write(tmp_path))
    context = ssl.create_default_context(cadata=pki.authority_pem().decode())
    client, server = await connected(client_config, server_config)
    if type(loop).__module__.startswith("uvloop"):
        with pytest.raises(TypeError):
            await loop.start_tls(client.transport, client, context, server_hostname="localhost")
        await closed(client, server)
        return
    client.transport, server.transport = await asyncio.gather(
        loop.start_tls(client.transport, client, context, server_hostname="localhost"),
        loop.start_tls(server.transport, server, serving, server_side=True),
    )
    client.transport.write(bytes(MIB))
    assert await server.received(MIB) == bytes(MIB)
    await closed(client, server)


# -- bad arguments ---------------------------------------------------------------------------------


async def test_bad_arguments_leave_the_connection_alone(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await plain_protocols()
    transport = client.transport
    for bad, protocol, config, kwds in (
        (object(), client, client_config, {"server_hostname": "localhost"}),
        (transport, None, client_config, {"server_hostname": "localhost"}),
        (transport, client, server_config, {}),
        (transport, client, client_config, {"server_side": True}),
        (transport, client, ssl.create_default_context(), {"server_hostname": "localhost"}),
        (transport, client, None, {"server_hostname": "localhost"}),
    ):
        with pytest.raises(TypeError):
            await endpoints.start_tls(bad, protocol, config, **kwds)
    with pytest.raises(ValueError, match="server_hostname"):
        await endpoints.start_tls(transport, client, client_config)
    transport.write(b"still plain")
    assert await server.received(11) == b"still plain"
    transport.close()
    with pytest.raises(ConnectionResetError):
        await endpoints.start_tls(transport, client, client_config, server_hostname="localhost")
    await closed(client, server)
