"""Streams: what asyncio's tutorial shows, over TLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from aiotls import (
    ClientConfig,
    Identity,
    LiveServerConfig,
    ServerConfig,
    UsageError,
    endpoints,
    streams,
)
from aiotls.sessions import MemoryReplayGuard, TicketKeyRing

from . import pki
from .peers import HOST, echo, serving_streams

pytestmark = pytest.mark.asyncio

MIB = 1 << 20


async def test_what_is_written_comes_back(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async with serving_streams(echo, server_config) as port:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client_config, server_hostname="localhost"
        )
        for size in (1, 100, 16384, 16385, 300_000):
            data = bytes(i % 251 for i in range(size))
            writer.write(data)
            await writer.drain()
            assert await reader.readexactly(size) == data
        writer.close()
        await writer.wait_closed()


async def test_a_client_verifies_an_address(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async with serving_streams(echo, server_config) as port:
        reader, writer = await streams.open_connection(HOST, port, ssl=client_config)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()


async def test_half_close_and_a_mebibyte_back(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.read()
        writer.write(question * (MIB // len(question)))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with serving_streams(answer, server_config) as port:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client_config, server_hostname="localhost"
        )
        assert writer.can_write_eof()
        writer.write(b"0123456789abcdef")
        writer.write_eof()
        assert await reader.read() == b"0123456789abcdef" * (MIB // 16)
        writer.close()
        await writer.wait_closed()


async def test_unix_sockets(
    client_config: ClientConfig, server_config: ServerConfig, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    server = await streams.start_unix_server(echo, path, ssl=server_config)
    reader, writer = await streams.open_unix_connection(
        path, ssl=client_config, server_hostname="localhost"
    )
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_handler_that_raises_is_reported_and_its_connection_closed(
    client_config: ClientConfig,
    server_config: ServerConfig,
    complaints: list[dict[str, Any]],
) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ZeroDivisionError

    async with serving_streams(broken, server_config) as port:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client_config, server_hostname="localhost"
        )
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await writer.wait_closed()
    assert [type(c["exception"]) for c in complaints] == [ZeroDivisionError]


@pytest.mark.parametrize("size", [0, 5, MIB])
async def test_a_client_of_the_standard_library(
    server_config: ServerConfig, tmp_path: Path, size: int
) -> None:
    context = ssl.create_default_context(cadata=pki.authority_pem().decode())
    async with serving_streams(echo, server_config) as port:
        reader, writer = await asyncio.open_connection(
            HOST, port, ssl=context, server_hostname="localhost"
        )
        writer.write(bytes(size))
        assert await reader.readexactly(size) == bytes(size)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("size", [0, 5, MIB])
async def test_a_server_of_the_standard_library(
    client_config: ClientConfig, tmp_path: Path, size: int
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pki.leaf("localhost").write(tmp_path))
    server = await asyncio.start_server(echo, HOST, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await streams.open_connection(
        HOST, port, ssl=client_config, server_hostname="localhost"
    )
    writer.write(bytes(size))
    assert await reader.readexactly(size) == bytes(size)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


# -- the ssl argument ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, False])
async def test_without_tls_is_a_type_error_that_names_asyncio(value: Any) -> None:
    with pytest.raises(TypeError, match=r"asyncio\.create_connection"):
        await streams.open_connection(HOST, 1, ssl=value)


async def test_a_server_has_to_have_a_configuration(server_config: ServerConfig) -> None:
    with pytest.raises(TypeError, match="ssl"):
        await streams.start_server(echo, HOST, 0)  # type: ignore[call-arg]
    for value in (None, False, True):
        with pytest.raises(TypeError):
            await streams.start_server(echo, HOST, 0, ssl=value)


async def test_a_context_of_the_standard_library_is_told_the_way_over() -> None:
    with pytest.raises(TypeError, match=r"aiotls\.ClientConfig.*aiotls\.ssl\.SSLContext"):
        await streams.open_connection(HOST, 1, ssl=ssl.create_default_context())
    with pytest.raises(TypeError, match=r"aiotls\.ServerConfig"):
        await streams.start_server(echo, HOST, 0, ssl=ssl.create_default_context())


async def test_the_other_role_is_a_type_error(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    with pytest.raises(TypeError, match="ClientConfig"):
        await streams.open_connection(HOST, 1, ssl=server_config)
    with pytest.raises(TypeError, match="ServerConfig"):
        await streams.start_server(echo, HOST, 0, ssl=client_config)


async def test_true_stands_for_the_default_configuration() -> None:
    config, context = endpoints.config_of(True, False, "open_connection")
    assert isinstance(config, ClientConfig)
    assert context is config


@pytest.mark.parametrize("value", [0, -1, float("nan")])
async def test_a_time_out_is_a_positive_number(client_config: ClientConfig, value: float) -> None:
    for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
        arguments: dict[str, Any] = {name: value}
        with pytest.raises(ValueError, match=name):
            await streams.open_connection(HOST, 1, ssl=client_config, **arguments)


async def test_a_bad_server_name_is_found_before_connecting(client_config: ClientConfig) -> None:
    with pytest.raises(ValueError, match="name"):
        await streams.open_connection(HOST, 1, ssl=client_config, server_hostname="not a name")
    with pytest.raises(ValueError, match="server_hostname"):
        await streams.open_unix_connection("/nowhere", ssl=client_config)


async def test_early_data_goes_ahead_of_the_handshake(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    now = [0.0]
    guard = MemoryReplayGuard(clock=lambda: now[0])
    now[0] = 60  # it remembers since a minute ago, and so takes what it has not seen
    server = server_config.replace(max_early_data=1000, replay_guard=guard)
    taken = []
    async with serving_streams(echo, server) as port:
        for _ in range(2):
            reader, writer = await streams.open_connection(
                HOST,
                port,
                ssl=client_config,
                server_hostname="localhost",
                early_data=b"early",
                replay=True,
            )
            writer.write(b" and late")
            assert await reader.readexactly(14) == b"early and late"
            taken.append(writer.get_extra_info("tls")["early_data"])
            writer.close()
            await writer.wait_closed()
    assert taken == [False, True]


async def test_a_live_listener_changes_its_certificate_or_keeps_it(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """New connections see the new one, old ones go on, and what is wrong changes nothing."""
    live = LiveServerConfig(server_config)
    client = client_config.replace(session_cache=None)
    second = Identity.from_pem(pki.leaf("localhost", "127.0.0.1", "other").pem)
    stranger = pki.leaf("elsewhere")
    opened = []

    async def shown(port: int) -> bytes:
        reader, writer = await streams.open_connection(HOST, port, ssl=client)
        opened.append((reader, writer))
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
        return found

    server = await streams.start_server(echo, HOST, 0, ssl=live)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await shown(port) == server_config.identities[0].chain[0]
        live.update(identity=second)
        assert await shown(port) == second.chain[0]
        with pytest.raises(UsageError):
            live.update(identity=Identity([stranger.certificate], pki.leaf("localhost").key))
        with pytest.raises(UsageError):
            live.update(identity=server_config.identities[0], ticket_lifetime=0)
        with pytest.raises(UsageError):
            live.update(identity=second.with_staple(b""), ticket_keys=TicketKeyRing(overlap=1))
        assert await shown(port) == second.chain[0]
        for reader, writer in opened:
            writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
            writer.close()
            await writer.wait_closed()


async def test_a_client_is_asked_for_its_certificate_later(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """RFC 8446, section 4.6.2."""
    client = client_config.replace(identity=server_config.identities[0], post_handshake_auth=True)
    server = server_config.replace(trust=client_config.trust)
    learned = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        before = transport.connection.peer
        peer = await transport.request_certificate()
        assert peer is transport.connection.peer
        writer.write(b"hello")
        learned.set_result((before, peer))
        writer.close()
        await writer.wait_closed()

    async with serving_streams(handle, server) as port:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client, server_hostname="localhost"
        )
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
    before, after = await learned
    assert before is None
    assert after.chain == server_config.identities[0].chain
