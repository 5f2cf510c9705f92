"""Limits on what clients may cost a server before their handshake is complete."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, HandshakeBudget, ServerConfig, TLSConnection, UsageError, budget
from aiotls.config import ClientAuth

from . import pki
from .peers import HOST, Recorder, closed, echo, serving, serving_streams, until

ENDED = (ConnectionError, asyncio.IncompleteReadError)


@contextlib.asynccontextmanager
async def silent(port: int, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Clients that connect and say nothing."""
    pairs = [await asyncio.open_connection(HOST, port) for _ in range(count)]
    try:
        yield [reader for reader, _ in pairs]
    finally:
        for _, writer in pairs:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def is_closed(reader: asyncio.StreamReader) -> bytes:
    """What came before the end, which has to come."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def good(config: ClientConfig, port: int) -> None:
    reader, writer = await aiotls.open_connection(
        HOST, port, ssl=config, server_hostname="localhost"
    )
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    writer.close()
    await writer.wait_closed()


# -- how many at once ------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", ["concurrent", "per_address"])
async def test_the_excess_is_turned_away_and_the_rest_is_served(
    limit: str,
    client_config: ClientConfig,
    server_config: ServerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = HandshakeBudget(**{limit: 3})
    async with serving_streams(echo, server_config, handshake_budget=limits) as port:
        async with silent(port, 3):
            await until(lambda: limits.running == 3)
            async with silent(port, 5) as turned_away:
                for reader in turned_away:
                    assert await is_closed(reader) == b"", "it costs a server no word"
            assert (limits.running, limits.refused, limits.ended) == (3, 5, 0)
            with pytest.raises(ENDED):
                await good(client_config, port)
            assert limits.refused == 6
            (line,) = [record.getMessage() for record in caplog.records]
            assert line.startswith(
                f"over the handshake budget, connections were turned away ({limit}=3: 1), "
                f"the last from {HOST}:"
            )
        await until(lambda: limits.running == 0)
        await good(client_config, port)


@pytest.mark.asyncio
async def test_what_was_turned_away_is_logged_together(
    client_config: ClientConfig,
    server_config: ServerConfig,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(budget, "monotonic", lambda: now)
    limits = HandshakeBudget(concurrent=1)
    async with serving_streams(echo, server_config, handshake_budget=limits) as port:
        async with silent(port, 1):
            await until(lambda: limits.running == 1)
            async with silent(port, 10) as turned_away:
                for reader in turned_away:
                    await is_closed(reader)
        await until(lambda: limits.running == 0)
        lines = [record for record in caplog.records if "turned away" in record.getMessage()]
        assert len(lines) == 1, "the first at once, the others not by themselves"
        now += budget.REPORT_SECONDS
        await good(client_config, port)
    lines = [record for record in caplog.records if "turned away" in record.getMessage()]
    assert len(lines) == 2
    assert "(concurrent=1: 9)" in lines[1].getMessage()
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.asyncio
async def test_nothing_is_made_for_who_is_turned_away(
    server_config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    before = TLSConnection.__init__

    def counted(self: Any, *args: Any, **kwds: Any) -> None:
        made.append(1)
        before(self, *args, **kwds)

    limits = HandshakeBudget(concurrent=2)
    async with serving(Recorder, server_config, handshake_budget=limits) as port:
        monkeypatch.setattr(TLSConnection, "__init__", counted)
        async with silent(port, 2):
            await until(lambda: limits.running == 2)
            async with silent(port, 20) as turned_away:
                for reader in turned_away:
                    await is_closed(reader)
    assert len(made) == 2
    assert limits.refused == 20


@pytest.mark.asyncio
async def test_a_complete_handshake_gives_its_part_back(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    limits = HandshakeBudget(concurrent=1, per_address=1)
    async with serving_streams(echo, server_config, handshake_budget=limits) as port:
        open_ = []
        for _ in range(5):
            await until(lambda: limits.running == 0)
            open_.append(
                await aiotls.open_connection(
                    HOST, port, ssl=client_config, server_hostname="localhost"
                )
            )
        for reader, writer in open_:
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            writer.close()
            await writer.wait_closed()
    assert limits.refused == 0


@pytest.mark.asyncio
async def test_a_failed_handshake_counts_until_its_socket_is_closed(
    server_config: ServerConfig,
) -> None:
    limits = HandshakeBudget(concurrent=1)
    async with serving_streams(
        echo, server_config, handshake_budget=limits, ssl_shutdown_timeout=10
    ) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"this is not TLS\r\n")
        assert (await reader.readexactly(7))[:1] == b"\x15"
        assert limits.running == 1, "the server waits for the client's FIN"
        async with silent(port, 1) as (other,):
            assert await is_closed(other) == b""
        writer.close()
        await writer.wait_closed()
        await until(lambda: limits.running == 0)


@pytest.mark.asyncio
async def test_a_connection_that_is_passed_through_gives_its_part_back(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    limits = HandshakeBudget(concurrent=1)
    config = server_config.replace(select=lambda _: aiotls.Passthrough(Recorder))
    async with serving(Recorder, config, handshake_budget=limits) as port:
        for _ in range(3):
            _, writer = await asyncio.open_connection(HOST, port)
            await until(lambda: limits.running == 1)
            writer.write(TLSConnection(client_config, "localhost").data_to_send())
            await until(lambda: limits.running == 0)
            writer.close()
            await writer.wait_closed()
    assert limits.refused == 0


@pytest.mark.asyncio
async def test_servers_share_a_budget(server_config: ServerConfig, tmp_path: Path) -> None:
    limits = HandshakeBudget(concurrent=1, per_address=1)
    async with (
        serving(Recorder, server_config, handshake_budget=limits) as port,
        serving(Recorder, server_config, handshake_budget=limits) as other,
        silent(port, 1),
    ):
        await until(lambda: limits.running == 1)
        async with silent(other, 1) as (reader,):
            assert await is_closed(reader) == b""
    assert limits.refused == 1


@pytest.mark.asyncio
async def test_unix_sockets_have_no_address(server_config: ServerConfig, tmp_path: Path) -> None:
    limits = HandshakeBudget(concurrent=3, per_address=1)
    path = str(tmp_path / "socket")
    server = await aiotls.start_unix_server(echo, path, ssl=server_config, handshake_budget=limits)
    pairs = [await asyncio.open_unix_connection(path) for _ in range(4)]
    await until(lambda: limits.running + limits.refused == 4)
    assert limits.running == 3
    for _, writer in pairs:
        writer.close()
    await until(lambda: limits.running == 0)
    server.close()


# -- bytes and time --------------------------------------------------------------------------------


def endless_hello(size: int) -> bytes:
    """A handshake message that is announced as a large one, in records of 1,000 bytes."""
    body = b"\x01" + (100_000).to_bytes(3, "big") + bytes(size)
    return b"".join(
        b"\x16\x03\x01" + len(body[i : i + 1000]).to_bytes(2, "big") + body[i : i + 1000]
        for i in range(0, len(body), 1000)
    )


def _verify(*_: Any) -> None:
    """A hook, so that the handshake is a task."""


@pytest.mark.asyncio
@pytest.mark.parametrize("hooks", [False, True])
async def test_too_many_bytes_end_a_handshake(
    hooks: bool, server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    if hooks:
        server_config = server_config.replace(verify=_verify)
    limits = HandshakeBudget(bytes=20_000)
    async with serving(Recorder, server_config, handshake_budget=limits) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(endless_hello(15_000))
        await writer.drain()
        await until(lambda: limits.running == 1)
        assert not caplog.records
        writer.write(bytes([22, 3, 1, 0x20, 0]) + bytes(8192))
        await is_closed(reader)
        await until(lambda: limits.running == 0)
        assert limits.ended == 1
        (record,) = caplog.records
        assert f"TLS handshake with {HOST}:" in record.getMessage()
        assert "its budget is 20000" in record.getMessage()
        assert record.exc_info is None
        writer.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("hooks", [False, True])
async def test_data_behind_the_handshake_is_not_counted(
    hooks: bool, client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """A client need not wait before it sends, and a server's hook may still be looking."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> None:
        asked.set()
        await release.wait()

    if hooks:
        server_config = server_config.replace(
            verify=slow, trust=client_config.trust, client_auth=ClientAuth.REQUIRED
        )
        identity = aiotls.Identity.from_pem(pki.leaf("client").pem)
        client_config = client_config.replace(identity=identity)
    limits = HandshakeBudget(bytes=10_000)
    async with serving(Recorder, server_config, handshake_budget=limits) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        connection = TLSConnection(client_config, "localhost")
        writer.write(connection.data_to_send())
        finished = b""
        while not connection.handshake_complete:
            connection.receive_data(await reader.read(65536))
            finished += connection.data_to_send()
        connection.write(bytes(60_000))
        writer.write(finished + connection.data_to_send())
        if hooks:
            await asked.wait()
            release.set()
        await until(lambda: limits.running == 0)
        assert limits.ended == 0
        connection.send_close_notify()
        writer.write(connection.data_to_send())
        while not connection.peer_closed:
            data = await reader.read(65536)
            assert data, "it was cut"
            connection.receive_data(data)
        writer.close()
        await writer.wait_closed()


@pytest.mark.asyncio
async def test_time_is_bounded_by_the_smaller_of_two(
    server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    for seconds, timeout in ((0.1, 30.0), (30.0, 0.1)):
        limits = HandshakeBudget(seconds=seconds)
        async with serving(
            Recorder, server_config, handshake_budget=limits, ssl_handshake_timeout=timeout
        ) as port:
            async with silent(port, 1) as (reader,):
                await is_closed(reader)
            await until(lambda: limits.running == 0)  # noqa: B023
            assert limits.ended == 1
        assert "0.1 seconds" in caplog.records[-1].getMessage()
    assert len(caplog.records) == 2


# -- upgrading -------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_upgrades_have_budgets_too(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    limits = HandshakeBudget(concurrent=1)
    errors: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await aiotls.start_tls(writer, server_config, server_side=True, handshake_budget=limits)
        except OSError as error:
            errors.append(error.with_traceback(None))
            return
        await echo(reader, writer)

    server = await asyncio.start_server(serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with silent(port, 1):
        await until(lambda: limits.running == 1)
        async with silent(port, 1) as (reader,):
            assert await is_closed(reader) == b""
        assert "over the handshake budget" in str(errors.pop())
    await until(lambda: limits.running == 0)
    errors.clear()
    reader, writer = await asyncio.open_connection(HOST, port)
    await aiotls.start_tls(writer, client_config, server_hostname="localhost")
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    assert limits.running == 0
    writer.close()
    await writer.wait_closed()
    server.close()
    assert not errors


@pytest.mark.asyncio
async def test_sockets_that_were_accepted_elsewhere(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    limits = HandshakeBudget(concurrent=1)
    loop = asyncio.get_running_loop()

    async def accept(sock: socket.socket) -> Any:
        sock.setblocking(False)
        return await aiotls.connect_accepted_socket(
            Recorder, sock, ssl=server_config, handshake_budget=limits
        )

    ours, theirs = socket.socketpair()
    waiting = loop.create_task(accept(ours))
    await until(lambda: limits.running == 1)
    turned_away, other = socket.socketpair()
    with other, pytest.raises(ConnectionAbortedError, match="over the handshake budget"):
        await accept(turned_away)
    assert turned_away.fileno() == -1
    theirs.setblocking(False)
    _, client = await aiotls.create_connection(
        Recorder, sock=theirs, ssl=client_config, server_hostname="localhost"
    )
    _, server = await waiting
    assert limits.running == 0
    await closed(client, server)


@pytest.mark.asyncio
async def test_what_is_no_budget_is_a_type_error(server_config: ServerConfig) -> None:
    for call in (aiotls.create_server, aiotls.start_server):
        with pytest.raises(TypeError, match=r"handshake_budget is an aiotls\.HandshakeBudget"):
            await call(
                Recorder,  # type: ignore[arg-type]
                HOST,
                0,
                ssl=server_config,
                handshake_budget=100,  # type: ignore[arg-type]
            )
    async with serving_streams(echo, server_config) as port:
        _, writer = await asyncio.open_connection(HOST, port)
        with pytest.raises(ValueError, match="for servers"):
            await aiotls.start_tls(
                writer,
                ClientConfig(),
                server_hostname="localhost",
                handshake_budget=HandshakeBudget(),
            )
        writer.close()
        await writer.wait_closed()


# -- the object itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["concurrent", "per_address", "bytes", "seconds"])
@pytest.mark.parametrize("value", [0, -1, True, "10", float("nan")])
def test_a_limit_is_a_positive_number(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"HandshakeBudget\({name}="):
        HandshakeBudget(**{name: value})


def test_a_budget_is_frozen_and_compares_by_its_limits() -> None:
    one = HandshakeBudget(concurrent=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.concurrent = 6  # type: ignore[misc]
    assert one == HandshakeBudget(concurrent=5)
    slot = one.admit(("192.0.2.1", 1))
    assert slot is not None
    copy = dataclasses.replace(one, per_address=2)
    assert (one.running, copy.running) == (1, 0)
    slot.release()
    slot.release()
    assert one.running == 0
    assert repr(one) == "HandshakeBudget(concurrent=5, per_address=100, bytes=65536, seconds=10.0)"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)
def test_what_counts_as_one_address(first: str, second: str, same: bool) -> None:
    limits = HandshakeBudget(per_address=1, concurrent=None)
    assert limits.admit((first, 1, 0, 0)) is not None
    assert (limits.admit((second, 2, 0, 0)) is None) is same


def test_without_limits_everyone_is_let_in_and_nothing_is_kept_of_addresses() -> None:
    limits = HandshakeBudget(concurrent=None, per_address=None, bytes=None, seconds=None)
    slots = [limits.admit(("192.0.2.1", number)) for number in range(5000)]
    assert all(slots)
    assert limits.running == 5000
    limited = HandshakeBudget(concurrent=None)
    for number in range(3000):
        slot = limited.admit((f"192.0.{number >> 8}.{number & 255}", 1))
        assert slot is not None
        slot.release()
    assert not limited._ledger.by_address
    assert limited.running == 0


def test_an_unreported_rest_waits_for_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aiotls")
    limits = HandshakeBudget(concurrent=1)
    slot = limits.admit(("2001:db8::1", 1, 0, 0))
    assert slot is not None
    for _ in range(1000):
        assert limits.admit(("2001:db8::2", 443, 0, 0)) is None
    slot.release()
    assert limits.refused == 1000
    (record,) = caplog.records
    assert "[2001:db8::2]:443" in record.getMessage()
