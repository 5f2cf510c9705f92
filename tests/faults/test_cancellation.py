"""Cancelled at the n-th turn of the event loop, for every n until nothing is left to cancel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, ServerConfig
from tests.asyncio_face.peers import HOST, echo, port_of, until

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
@pytest.mark.parametrize("life", [streams, upgrade, by_hand], ids=lambda life: life.__name__)
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
