"""``do_handshake`` over streams that have nothing in common but that they can be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from aiotls import CertificateError, ClientConfig, ServerConfig, TLSConnection, TLSError
from aiotls.stream_handshake import do_handshake

anyio = pytest.importorskip("anyio")
trio = pytest.importorskip("trio")


class Pipe:
    """One end of a pair of queues, with the methods of anyio's streams."""

    def __init__(self, incoming: asyncio.Queue[bytes], outgoing: asyncio.Queue[bytes]) -> None:
        self.incoming = incoming
        self.outgoing = outgoing

    async def receive(self) -> bytes:
        return await self.incoming.get()

    async def send(self, data: bytes) -> None:
        self.outgoing.put_nowait(data)


def pipes() -> tuple[Pipe, Pipe]:
    one: asyncio.Queue[bytes] = asyncio.Queue()
    other: asyncio.Queue[bytes] = asyncio.Queue()
    return Pipe(one, other), Pipe(other, one)


@pytest.fixture
def connections(
    client_config: ClientConfig, server_config: ServerConfig
) -> tuple[TLSConnection, TLSConnection]:
    return TLSConnection(client_config, "localhost"), TLSConnection(server_config)


Connections = tuple[TLSConnection, TLSConnection]


@pytest.mark.asyncio
async def test_an_object_with_receive_and_send(connections: Connections) -> None:
    client, server = connections
    here, there = pipes()
    await asyncio.gather(do_handshake(client, here), do_handshake(server, there))
    assert client.handshake_complete
    assert server.handshake_complete
    await do_handshake(client, here)  # complete: nothing to do
    client.write(b"hello")
    server.receive_data(client.data_to_send())
    assert server.read() == b"hello"


@pytest.mark.asyncio
async def test_a_hook_is_awaited(client_config: ClientConfig, server_config: ServerConfig) -> None:
    async def verify(peer: Any) -> None:
        await asyncio.sleep(0.01)

    here, there = pipes()
    client = TLSConnection(client_config.replace(verify=verify), "localhost")
    server = TLSConnection(server_config)
    await asyncio.gather(do_handshake(client, here), do_handshake(server, there))
    assert server.handshake_complete


@pytest.mark.asyncio
async def test_data_that_came_with_the_end_is_read_from_the_connection(
    connections: Connections,
) -> None:
    client, server = connections
    here, there = pipes()

    serving = asyncio.create_task(do_handshake(server, there))
    finished = b""
    await here.send(client.data_to_send())
    while not client.handshake_complete:
        client.receive_data(await here.receive())
        finished = client.data_to_send()
    client.write(b"at once")
    await here.send(finished + client.data_to_send())
    await serving
    assert server.read() == b"at once"


@pytest.mark.asyncio
async def test_stream_reader_and_writer(connections: Connections) -> None:
    client, server = connections
    done = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await do_handshake(server, (reader, writer))
        done.set()
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    await do_handshake(client, (reader, writer))
    await done.wait()
    writer.close()
    await writer.wait_closed()
    listener.close()
    await listener.wait_closed()


@pytest.mark.asyncio
async def test_sockets(connections: Connections) -> None:
    client, server = connections
    here, there = socket.socketpair()
    with here, there:
        with pytest.raises(TLSError, match="setblocking"):
            await do_handshake(client, here)
        here.setblocking(False)
        there.setblocking(False)
        await asyncio.gather(do_handshake(client, here), do_handshake(server, there))
    assert client.handshake_complete
    assert server.handshake_complete


@pytest.mark.asyncio
async def test_the_alert_is_sent_before_the_error_is_raised(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    here, there = pipes()
    client = TLSConnection(client_config, "other.example")
    results = await asyncio.gather(
        do_handshake(client, here),
        do_handshake(TLSConnection(server_config), there),
        return_exceptions=True,
    )
    assert isinstance(results[0], CertificateError)
    assert isinstance(results[1], TLSError)
    assert results[0].alert == results[1].alert  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_the_end_of_the_stream_and_a_stream_that_fails(
    connections: Connections,
) -> None:
    here, there = pipes()
    await there.send(b"")
    with pytest.raises(TLSError, match="closed"):
        await do_handshake(connections[0], here)

    class Broken:
        async def receive(self) -> bytes:
            raise BrokenPipeError

        async def send(self, data: bytes) -> None:
            raise BrokenPipeError

    with pytest.raises((BrokenPipeError, TLSError)):
        await do_handshake(connections[1], Broken())


@pytest.mark.asyncio
async def test_another_kind_of_stream_is_a_type_error(connections: Connections) -> None:
    with pytest.raises(TypeError, match="receive"):
        await do_handshake(connections[0], object())


def test_streams_of_anyio(connections: Connections) -> None:
    client, server = connections

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as group:

            async def accept(stream: Any) -> None:
                async with stream:
                    await do_handshake(server, stream)
                group.cancel_scope.cancel()

            group.start_soon(listener.serve, accept)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await do_handshake(client, stream)
                with contextlib.suppress(anyio.EndOfStream):
                    while True:
                        await stream.receive()
        await listener.aclose()

    anyio.run(main)
    assert client.handshake_complete
    assert server.handshake_complete


def test_streams_of_anyio_on_trio_that_end(connections: Connections) -> None:
    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, lambda stream: stream.aclose())
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                with pytest.raises((TLSError, anyio.BrokenResourceError)):
                    await do_handshake(connections[0], stream)
            group.cancel_scope.cancel()
        await listener.aclose()

    anyio.run(main, backend="trio")


def test_streams_of_trio(connections: Connections) -> None:
    from trio.testing import memory_stream_pair

    client, server = connections

    async def main() -> None:
        here, there = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(do_handshake, client, here)
            nursery.start_soon(do_handshake, server, there)

    trio.run(main)
    assert client.handshake_complete
    assert server.handshake_complete
