"""A server that asks for the client's certificate after the handshake: RFC 8446, section 4.6.2."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig, streams
from aiotls.errors import AlertReceived, CertificateError
from aiotls.transport import TLSTransport
from tests.certificates import authority, leaf

from .peers import HOST, serving_streams

pytestmark = pytest.mark.asyncio

Served = Callable[[TLSTransport], Awaitable[Any]]


@pytest.fixture
def client(client_config: ClientConfig, server_config: ServerConfig) -> ClientConfig:
    """One with a certificate, that may be asked for it later."""
    return client_config.replace(identity=server_config.identities[0], post_handshake_auth=True)


@pytest.fixture
def server(client_config: ClientConfig, server_config: ServerConfig) -> ServerConfig:
    return server_config.replace(trust=client_config.trust)


@contextlib.asynccontextmanager
async def asked(
    client: ClientConfig, server: ServerConfig, serve: Served
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Future[Any]]]:
    """A client's streams, and what *serve* comes to on the server."""
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        try:
            outcome.set_result(await serve(transport))
        except Exception as error:
            outcome.set_result(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async with serving_streams(handle, server) as port:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client, server_hostname="localhost"
        )
        try:
            yield reader, writer, outcome
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize("hook", [False, True])
async def test_the_answer_is_awaited(
    client: ClientConfig, server: ServerConfig, hook: bool
) -> None:
    async def verify(info: Any) -> None:
        await asyncio.sleep(0)

    server = server.replace(verify=verify) if hook else server

    async def serve(transport: TLSTransport) -> Any:
        first, second = transport.request_certificate(), transport.request_certificate()
        return await first, await second, transport.connection.peer

    async with asked(client, server, serve) as (reader, _, outcome):
        assert await reader.read() == b""
        first, second, peer = await outcome
    assert first.chain == second.chain == client.identities[0].chain
    assert second is peer


async def test_a_client_that_has_none(client: ClientConfig, server: ServerConfig) -> None:
    client = client.replace(identities=[])

    async def serve(transport: TLSTransport) -> Any:
        return await transport.request_certificate()

    async with asked(client, server, serve) as (_, _, outcome):
        assert await outcome is None


async def test_a_certificate_that_is_refused(client: ClientConfig, server: ServerConfig) -> None:
    """It ends the connection, and whoever waits is told."""
    client = client.replace(identities=[leaf("client", issuer=authority("another")).identity])

    async def serve(transport: TLSTransport) -> Any:
        return await transport.request_certificate()

    async with asked(client, server, serve) as (reader, _, outcome):
        error = await outcome
        assert isinstance(error, CertificateError)
        with pytest.raises(AlertReceived):
            await reader.read()


async def test_a_client_that_leaves(client: ClientConfig, server: ServerConfig) -> None:
    """While a person is still asked there."""
    never = asyncio.Event()

    async def select(query: Any) -> Any:
        await never.wait()

    client = client.replace(identities=[], select_identity=select)

    async def serve(transport: TLSTransport) -> Any:
        return await transport.request_certificate()

    async with asked(client, server, serve) as (_, writer, outcome):
        writer.transport.abort()
        assert isinstance(await outcome, ConnectionResetError)


async def test_a_time_out(client: ClientConfig, server: ServerConfig) -> None:
    """The connection goes on; an answer that comes after all is nobody's any more."""
    answering = asyncio.Event()

    async def select(query: Any) -> Any:
        await answering.wait()
        return server.identities[0]

    client = client.replace(identities=[], select_identity=select)

    async def serve(transport: TLSTransport) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await transport.request_certificate()
        second = transport.request_certificate()
        answering.set()
        return await second

    async with asked(client, server, serve) as (_, _, outcome):
        assert (await outcome).chain == server.identities[0].chain


async def test_nobody_has_to_wait(client: ClientConfig, server: ServerConfig) -> None:
    async def serve(transport: TLSTransport) -> Any:
        transport.request_certificate()
        return transport.connection.peer

    async with asked(client, server, serve) as (_, _, outcome):
        assert await outcome is None
