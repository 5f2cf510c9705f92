"""Connections that a server leaves to another protocol, by what the client asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiotls import (
    ClientConfig,
    ClientHelloInfo,
    Identity,
    Passthrough,
    ServerConfig,
    TLSConnection,
    TrustStore,
    open_connection,
    peek_client_hello,
)

from . import pki
from .peers import HOST, Recorder, closed, connected, echo, serving, serving_streams, until

pytestmark = pytest.mark.asyncio


open_relays: set[Relay] = set()


class Relay(asyncio.Protocol):
    """One half of a router: what it receives goes to the other half."""

    def __init__(self, other: Relay | None = None) -> None:
        self.other = other
        self.transport: Any = None
        self.early = b""
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        open_relays.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early += data
        else:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.other is not None and not self.other.ended:
            self.other.transport.write_eof()
            return True
        return False  # both have said all: this half closes, and the other one with it

    def connection_lost(self, exc: Exception | None) -> None:
        open_relays.discard(self)
        if self.other is not None:
            self.other.transport.close()


class Front(Relay):
    """The half that is handed the client; it connects to the *port* where the client belongs."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.task = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, back = await loop.create_connection(lambda: Relay(self), HOST, self.port)
        back.transport.write(self.early)
        self.other = back


class BufferedFront(asyncio.BufferedProtocol):
    """The same as a BufferedProtocol, with a buffer that is small."""

    def __init__(self, port: int) -> None:
        self.front = Front(port)
        self.buffer = bytearray(100)
        self.connection_made = self.front.connection_made  # type: ignore[method-assign]
        self.connection_lost = self.front.connection_lost  # type: ignore[method-assign]
        self.eof_received = self.front.eof_received  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.front.data_received(bytes(self.buffer[:nbytes]))


@pytest.mark.parametrize("front", [Front, BufferedFront])
async def test_a_router_by_server_name(client_config: ClientConfig, front: Any) -> None:
    """One port, two names: one is served here, the other one's TLS ends at another server."""
    here, there = (
        ServerConfig(identity=Identity.from_pem(pki.leaf(name).pem))
        for name in ("localhost", "other.example")
    )
    async with serving_streams(echo, there) as port:

        async def select(hello: ClientHelloInfo) -> Passthrough | None:
            await asyncio.sleep(0)
            if hello.server_name != "other.example":
                return None
            return Passthrough(lambda: front(port))

        async with serving_streams(echo, here.replace(select=select)) as router:
            for name in ("localhost", "other.example"):
                reader, writer = await open_connection(
                    HOST, router, ssl=client_config, server_hostname=name
                )
                writer.write(b"ping" * 50_000)
                writer.write_eof()
                assert await reader.read() == b"ping" * 50_000
                writer.close()
                await writer.wait_closed()
            await until(lambda: not open_relays)


async def test_what_was_sent_before_is_handed_over(server_config: ServerConfig) -> None:
    """From the first byte on, and nothing was answered."""
    got: list[Recorder] = []

    def factory() -> Recorder:
        got.append(Recorder())
        return got[-1]

    hello = _client_hello()
    config = server_config.replace(select=lambda info: Passthrough(factory))
    async with serving(Recorder, config) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(hello + b"and more")
        await until(lambda: bool(got) and len(got[0].data) == len(hello) + 8)
        assert bytes(got[0].data) == hello + b"and more"
        got[0].transport.write(b"plain")
        assert await reader.readexactly(5) == b"plain"
        writer.close()
        await writer.wait_closed()
        await until(lambda: got[0].lost.done())


async def test_a_factory_that_fails_closes_the_connection(server_config: ServerConfig) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))

    def factory() -> Any:
        raise RuntimeError("no")

    async with serving(
        Recorder, server_config.replace(select=lambda _: Passthrough(factory))
    ) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(_client_hello())
        with pytest.raises((ConnectionError, EOFError)):
            await reader.readexactly(1)
        writer.close()
        await until(lambda: writer.transport.is_closing())
        await asyncio.sleep(0)
    assert "passed through" in reports[0]["message"]


async def test_a_connection_that_is_kept_remembers_nothing_of_the_hello(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await connected(client_config, server_config.replace(select=lambda info: None))
    assert server.transport.connection._seen is None
    await closed(client, server)


def _client_hello() -> bytes:
    config = ClientConfig(trust=TrustStore.from_pem(pki.authority_pem()))
    hello = TLSConnection(config, "localhost").data_to_send()
    info = peek_client_hello(hello)
    assert info is not None
    assert info.server_name == "localhost"
    return hello
