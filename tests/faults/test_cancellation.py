"""Cancelled at the n-th turn of the event loop, for every n until nothing is left to cancel."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import aiotls
import aiotls.ssl
from aiotls import ClientConfig, HandshakeBudget, ServerConfig
from tests import certificates
from tests.asyncio_face.peers import HOST, Recorder, echo, port_of, until

pytestmark = pytest.mark.asyncio
Settled = Callable[[], Awaitable[None]]
Life = Callable[[ClientConfig, int], Awaitable[None]]


async def streams(config: ClientConfig, port: int) -> None:
    reader, writer = await aiotls.open_connection(
        HOST, port, ssl=config, server_hostname="localhost"
    )
    try:
        writer.write(b"ping" * 5000)
        await writer.drain()
        assert await reader.readexactly(20_000) == b"ping" * 5000
        writer.write_eof()
        assert await reader.read() == b""
    finally:
        writer.close()
    await writer.wait_closed()


async def upgrade(config: ClientConfig, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        await aiotls.start_tls(writer, config, server_hostname="localhost")
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
    finally:
        writer.close()
    await writer.wait_closed()


async def by_hand(config: ClientConfig, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        connection = aiotls.TLSConnection(config, "localhost")
        await aiotls.do_handshake(connection, (reader, writer))
    finally:
        writer.transport.abort()


async def by_hand_on_a_socket(config: ClientConfig, port: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as stream:
        stream.setblocking(False)
        await loop.sock_connect(stream, (HOST, port))
        connection = aiotls.TLSConnection(config, "localhost")
        await aiotls.do_handshake(connection, stream)


async def transports(config: ClientConfig, port: int) -> None:
    _, protocol = await aiotls.create_connection(
        Recorder, HOST, port, ssl=config, server_hostname="localhost"
    )
    try:
        protocol.transport.write(b"ping" * 5000)
        await protocol.received(20_000)
    finally:
        protocol.transport.close()
    await asyncio.shield(protocol.lost)  # which the protocol is going to set all the same


async def drop_in(config: ClientConfig, port: int) -> None:
    """asyncio's own calls and transport, with a context of aiotls.ssl."""
    context = aiotls.ssl.create_default_context(cadata=certificates.authority().pem.decode())
    reader, writer = await asyncio.open_connection(
        HOST, port, ssl=context, server_hostname="localhost"
    )
    try:
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
    finally:
        writer.close()
    await writer.wait_closed()


async def _slowly(*_: Any) -> None:
    for _turn in range(5):
        await asyncio.sleep(0)


async def _survives_all(
    life: Life, client: ClientConfig, server: ServerConfig, settled: Settled
) -> int:
    """How many times it had to be cancelled until it was done before that."""
    listener = await aiotls.start_server(echo, HOST, 0, ssl=server, ssl_shutdown_timeout=0.05)
    port = port_of(listener)
    for turns in range(400):
        task = asyncio.ensure_future(life(client, port))
        for _ in range(turns):
            if task.done():
                break
            await asyncio.sleep(0.0005 if turns > 60 else 0)
        finished = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task
        if finished and turns > 10:
            assert not task.cancelled()
            assert task.exception() is None
            break
    else:
        raise AssertionError("it is never done")
    listener.close()
    await settled()
    return turns


@pytest.mark.timeout(120)
@pytest.mark.parametrize("hooks", [False, True], ids=["no hooks", "hooks"])
@pytest.mark.parametrize(
    "life",
    [streams, upgrade, by_hand, by_hand_on_a_socket, transports],
    ids=lambda life: life.__name__,
)
async def test_a_client_may_be_cancelled_anywhere(
    life: Life,
    hooks: bool,
    client_config: ClientConfig,
    server_config: ServerConfig,
    nothing_left: Settled,
) -> None:
    if hooks:
        client_config = client_config.replace(verify=_slowly)
    assert await _survives_all(life, client_config, server_config, nothing_left) > 10


@pytest.mark.timeout(120)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_drop_in_client_may_be_cancelled_anywhere(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """uvloop's own transport keeps an abandoned handshake until its time is out, over any ssl."""
    assert await _survives_all(drop_in, client_config, server_config, nothing_left) > 10


async def _accepted(server: ServerConfig, budget: HandshakeBudget, sock: socket.socket) -> None:
    transport, protocol = await aiotls.connect_accepted_socket(
        Recorder, sock, ssl=server, handshake_budget=budget
    )
    try:
        await protocol.received(4)
    finally:
        transport.close()
    await asyncio.shield(protocol.lost)  # which the protocol is going to set all the same


async def _upgraded(server: ServerConfig, budget: HandshakeBudget, sock: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        await aiotls.start_tls(writer, server, server_side=True, handshake_budget=budget)
        assert await reader.readexactly(4) == b"ping"
    finally:
        writer.close()
    await writer.wait_closed()


async def _in_tls(server: ServerConfig, budget: HandshakeBudget, sock: socket.socket) -> None:
    """TLS within TLS, of which the inner one has a hook that takes its time."""
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        await aiotls.start_tls(writer, server, server_side=True)
        slow = server.replace(select=_slowly)
        await aiotls.start_tls(writer, slow, server_side=True, handshake_budget=budget)
        assert await reader.readexactly(4) == b"ping"
    finally:
        writer.close()
    await writer.wait_closed()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "life", [_accepted, _upgraded, _in_tls], ids=lambda life: life.__name__.strip("_")
)
async def test_a_server_may_be_cancelled_anywhere(
    life: Callable[[ServerConfig, HandshakeBudget, socket.socket], Awaitable[None]],
    client_config: ClientConfig,
    server_config: ServerConfig,
    nothing_left: Settled,
) -> None:
    """And gives back its part of the handshake budget."""
    budget = HandshakeBudget(per_address=None)
    layers = 2 if life is _in_tls else 1
    for turns in range(1, 400):  # the first of which gives the sockets to the loop
        near, far = socket.socketpair()
        client = asyncio.ensure_future(_visit(client_config, near, layers))
        task = asyncio.ensure_future(life(server_config, budget, far))
        for _ in range(turns):
            if task.done():
                break
            await asyncio.sleep(0.0005 if turns > 60 else 0)
        finished = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task
        client.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            await client
        if finished and turns > 5:
            assert not task.cancelled()
            assert task.exception() is None
            break
    else:
        raise AssertionError("it is never done")
    await until(lambda: budget.running == 0)
    await nothing_left()


async def _visit(config: ClientConfig, sock: socket.socket, layers: int) -> None:
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        for _ in range(layers):
            await aiotls.start_tls(
                writer, config, server_hostname="localhost", ssl_shutdown_timeout=0.05
            )
        writer.write(b"ping")
        await reader.read()
    finally:
        writer.close()


@pytest.mark.timeout(120)
async def test_serving_may_be_cancelled_anywhere(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """With a handshake on its way, which ends by itself or with its client."""
    for turns in range(25):
        await _cancelled_serving(turns, client_config, server_config)
    await nothing_left()


async def _cancelled_serving(turns: int, client: ClientConfig, server: ServerConfig) -> None:
    budget, begun = HandshakeBudget(), asyncio.Event()

    async def select(_: object) -> None:
        begun.set()
        await _slowly()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # its client has gone
            await echo(reader, writer)

    listener = await aiotls.start_server(
        serve,
        HOST,
        0,
        ssl=server.replace(select=select),
        ssl_shutdown_timeout=0.05,
        handshake_budget=budget,
    )
    serving = asyncio.ensure_future(listener.serve_forever())
    life = asyncio.ensure_future(streams(client, port_of(listener)))
    await begun.wait()  # asyncio itself loses a connection that comes just as it stops to accept
    for _ in range(turns):
        await asyncio.sleep(0)
    serving.cancel()
    life.cancel()
    for task in (life, serving):
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await task
    listener.close()
    await until(lambda: budget.running == 0)


@pytest.mark.timeout(120)
async def test_a_server_s_handler_may_be_cancelled_anywhere(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    for turns in range(25):
        await _cancelled_handler(turns, client_config, server_config)
    await nothing_left()


async def _cancelled_handler(turns: int, client: ClientConfig, server: ServerConfig) -> None:
    handlers: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        try:
            await echo(reader, writer)
        except asyncio.CancelledError:
            pass  # before Python 3.12, asyncio's streams complain of a handler that was cancelled
        finally:
            writer.close()

    listener = await aiotls.start_server(serve, HOST, 0, ssl=server, ssl_shutdown_timeout=0.05)
    life = asyncio.ensure_future(streams(client, port_of(listener)))
    await until(lambda: handlers)
    for _ in range(turns):
        await asyncio.sleep(0)
    handlers.pop().cancel()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await asyncio.wait_for(life, 10)
    listener.close()
