"""Loops on which asyncio's own functions take our configurations."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig, loop
from aiotls.transport import TLSTransport
from tests import loops

from . import pki
from .peers import HOST, Recorder, closed, echo, port_of

BASES: list[Callable[[], asyncio.AbstractEventLoop]] = [loops.SelectorLoop]
with contextlib.suppress(ImportError):
    BASES.append(loops.uvloop_factory())


def run(base: Callable[[], asyncio.AbstractEventLoop], main: Any) -> None:
    with asyncio.Runner(loop_factory=loop.loop_factory(base)) as runner:
        runner.run(main)


bases = pytest.mark.parametrize("base", BASES, ids=lambda base: base.__module__.split(".")[0])


@bases
def test_streams_of_asyncio(
    base: Any, client_config: ClientConfig, server_config: ServerConfig, tmp_path: Path
) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, HOST, 0, ssl=server_config)
        reader, writer = await asyncio.open_connection(
            HOST,
            port_of(server),
            ssl=client_config,
            server_hostname="localhost",
        )
        assert isinstance(writer.transport, TLSTransport)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

        path = str(tmp_path / "s")
        server = await asyncio.start_unix_server(echo, path, ssl=server_config)
        reader, writer = await asyncio.open_unix_connection(
            path,
            ssl=client_config,
            server_hostname="localhost",
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(base, main())


@bases
def test_upgrading_by_the_stream_writers_own_method(
    base: Any, client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: Any) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"go\n")
            await writer.start_tls(server_config)
            writer.write(await reader.readline())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, HOST, 0)
        streams: Any = await asyncio.open_connection(HOST, port_of(server))
        reader, writer = streams
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(client_config, server_hostname="localhost")
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(base, main())


@bases
def test_everything_else_goes_to_the_loop_itself(base: Any, tmp_path: Path) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(*pki.leaf("localhost").write(tmp_path))
    context = ssl.create_default_context(cadata=pki.authority_pem().decode())

    async def main() -> None:
        server = await asyncio.start_server(echo, HOST, 0, ssl=serving)
        reader, writer = await asyncio.open_connection(
            HOST, port_of(server), ssl=context, server_hostname="localhost"
        )
        assert isinstance(writer.get_extra_info("ssl_object"), ssl.SSLObject)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(base, main())


@bases
def test_an_accepted_socket(
    base: Any, client_config: ClientConfig, server_config: ServerConfig
) -> None:
    async def main() -> None:
        running: Any = asyncio.get_running_loop()
        listener = socket.create_server((HOST, 0))
        connecting = asyncio.create_task(
            running.create_connection(
                Recorder,
                HOST,
                listener.getsockname()[1],
                ssl=client_config,
                server_hostname="localhost",
            )
        )
        listener.setblocking(False)
        sock, _ = await running.sock_accept(listener)
        listener.close()
        _, server = await running.connect_accepted_socket(
            Recorder,
            sock,
            ssl=server_config,
        )
        _, client = await connecting
        client.transport.write(b"hello")
        assert await server.received(5) == b"hello"
        await closed(client, server)

    run(base, main())


def test_a_new_event_loop() -> None:
    made = loop.new_event_loop()
    assert isinstance(made, asyncio.AbstractEventLoop)
    made.close()
