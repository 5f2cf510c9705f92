"""Handshakes over asyncio that do not come to a good end, and those with hooks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import socket
import time
import weakref
from typing import Any

import pytest

from aiotls import (
    AlertReceived,
    CertificateError,
    ClientConfig,
    ServerConfig,
    TLSConnection,
    TLSError,
    endpoints,
    streams,
)
from aiotls.enums import Alert

from .peers import HOST, Recorder, blocking_server, closed, connected, echo, serving, until

pytestmark = pytest.mark.asyncio


def open_sockets() -> int:
    """How many file descriptors of this process are sockets."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return count


async def tcp(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(HOST, port)


async def until_logged(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    await until(lambda: bool(caplog.records))
    (record,) = caplog.records
    assert record.exc_info is None
    assert "\n" not in record.getMessage()
    assert f"{HOST}:" in record.getMessage()
    return record


# -- the peer goes wrong ---------------------------------------------------------------------------


async def test_a_server_that_says_nothing_runs_into_the_time_out(
    client_config: ClientConfig,
) -> None:
    before = open_sockets()
    silent = socket.create_server((HOST, 0))
    with silent, pytest.raises(ConnectionAbortedError, match=r"0\.1 seconds"):
        await streams.open_connection(
            HOST, silent.getsockname()[1], ssl=client_config, ssl_handshake_timeout=0.1
        )
    await until(lambda: open_sockets() == before)


async def test_a_client_that_says_nothing_runs_into_the_time_out(
    server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Recorder, server_config, ssl_handshake_timeout=0.1) as port:
        reader, writer = await tcp(port)
        record = await until_logged(caplog)
        assert "0.1 seconds" in record.getMessage()
        farewell = await reader.read()
        # No handshake had begun that could be cancelled: close_notify alone (RFC 8446, 6.1).
        assert farewell[:1] == b"\x15"
        assert farewell[3:] == bytes([0, 2, 1, Alert.CLOSE_NOTIFY])
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_hangs_up(client_config: ClientConfig) -> None:
    with blocking_server(lambda sock: None) as port:
        with pytest.raises(ConnectionResetError):
            await streams.open_connection(HOST, port, ssl=client_config)


async def test_a_server_that_hangs_up_in_the_middle(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    def handle(sock: socket.socket) -> None:
        connection = TLSConnection(server_config)
        connection.receive_data(sock.recv(65536))
        sock.sendall(connection.data_to_send()[:500])
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    with blocking_server(handle) as port:
        with pytest.raises(ConnectionResetError, match="closed the connection"):
            await streams.open_connection(HOST, port, ssl=client_config)


@pytest.mark.parametrize("data", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_a_client_that_hangs_up_costs_one_line(
    server_config: ServerConfig, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async with serving(Recorder, server_config) as port:
        _, writer = await tcp(port)
        writer.write(data)
        writer.close()
        await writer.wait_closed()
        await until_logged(caplog)


async def test_plain_http_is_answered_with_an_alert_and_one_line(
    server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Recorder, server_config) as port:
        reader, writer = await tcp(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + bytes(100_000))
        answer = await reader.read()
        assert answer[:5] == b"\x15\x03\x03\0\2" or answer[:5] == b"\x15\x03\x01\0\2"
        record = await until_logged(caplog)
        assert "plain HTTP" in record.getMessage()
        writer.close()
        await writer.wait_closed()


async def test_a_plain_server_is_explained(client_config: ClientConfig) -> None:
    def handle(sock: socket.socket) -> None:
        sock.sendall(b"220 mail.example ESMTP\r\n")
        while sock.recv(65536):
            pass

    with blocking_server(handle) as port:
        with pytest.raises(TLSError, match="does not speak TLS") as caught:
            await streams.open_connection(HOST, port, ssl=client_config)
    assert "SMTP" in (caught.value.hint or "")


async def test_the_wrong_name_is_refused_and_the_server_learns_why(
    client_config: ClientConfig, server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_sockets()
    async with serving(Recorder, server_config) as port:
        with pytest.raises(CertificateError) as caught:
            await streams.open_connection(
                HOST, port, ssl=client_config, server_hostname="other.example"
            )
        record = await until_logged(caplog)
        assert Alert.label(caught.value.alert).lower() in record.getMessage()
    await until(lambda: open_sockets() == before)


async def test_an_alert_of_the_server_is_raised(
    client_config: ClientConfig, server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Recorder, server_config.replace(alpn_protocols=["h2"])) as port:
        with pytest.raises(AlertReceived, match="no_application_protocol"):
            await streams.open_connection(
                HOST,
                port,
                ssl=client_config.replace(alpn_protocols=["http/1.1"]),
                server_hostname="localhost",
            )
        await until_logged(caplog)


async def test_a_refused_peer_that_stays_is_left_after_the_shutdown_time_out(
    client_config: ClientConfig,
) -> None:
    released: list[bytes] = []

    def handle(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"garbage, not TLS")
        while data := sock.recv(65536):
            released.append(data)
        time.sleep(0.5)

    with blocking_server(handle) as port:
        started = time.monotonic()
        with pytest.raises(TLSError):
            await streams.open_connection(HOST, port, ssl=client_config, ssl_shutdown_timeout=0.1)
        assert time.monotonic() - started < 0.45
    assert b"".join(released)[:1] == b"\x15"


# -- the caller goes away --------------------------------------------------------------------------


@pytest.mark.parametrize("hooked", [False, True])
async def test_a_cancelled_handshake_closes_the_socket(
    client_config: ClientConfig, hooked: bool
) -> None:
    before = open_sockets()
    if hooked:
        client_config = client_config.replace(verify=lambda peer: None)
    arrived = asyncio.Event()
    ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        arrived.set()
        try:
            ended.set_result(await reader.read())
        finally:
            writer.close()

    server = await asyncio.start_server(silent, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    task = asyncio.create_task(streams.open_connection(HOST, port, ssl=client_config))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    data = await asyncio.wait_for(ended, 5)
    assert data.endswith(b"\0\2\1\0")  # close_notify
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.01)
    await until(lambda: open_sockets() == before)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_time_out_of_the_callers_own(client_config: ClientConfig) -> None:
    before = open_sockets()
    silent = socket.create_server((HOST, 0))
    with silent, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await streams.open_connection(HOST, silent.getsockname()[1], ssl=client_config)
    await until(lambda: open_sockets() == before)


async def test_a_failed_handshake_is_freed_without_the_garbage_collector(
    client_config: ClientConfig, server_config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    references: list[weakref.ref[Any]] = []

    class Watched(TLSConnection):
        def __init__(self, *args: Any, **kwds: Any) -> None:
            super().__init__(*args, **kwds)
            references.append(weakref.ref(self))

    monkeypatch.setattr(endpoints, "TLSConnection", Watched)
    gc.collect()
    gc.disable()
    try:
        async with serving(Recorder, server_config) as port:
            for _ in range(3):
                try:
                    await streams.open_connection(
                        HOST, port, ssl=client_config, server_hostname="other.example"
                    )
                except CertificateError:
                    pass
            await asyncio.sleep(0.05)
        assert len(references) == 6
        assert [reference() for reference in references if reference() is not None] == []
    finally:
        gc.enable()


# -- hooks -----------------------------------------------------------------------------------------

purpose: contextvars.ContextVar[str] = contextvars.ContextVar("purpose")


async def test_a_hook_may_await_and_sees_its_callers_context(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    seen: list[str] = []

    async def verify(peer: Any) -> None:
        await asyncio.sleep(0.01)
        seen.append(purpose.get())

    async def select(hello: Any) -> None:
        await asyncio.sleep(0.01)
        seen.append(hello.server_name)

    purpose.set("testing")
    client, server = await connected(
        client_config.replace(verify=verify), server_config.replace(select=select)
    )
    client.transport.write(b"hello")
    assert await server.received(5) == b"hello"
    await closed(client, server)
    assert seen == ["localhost", "testing"]


async def test_a_hook_that_refuses(
    client_config: ClientConfig, server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async def verify(peer: Any) -> None:
        await asyncio.sleep(0)
        raise CertificateError(Alert.CERTIFICATE_REVOKED, "revoked this morning")

    async with serving(Recorder, server_config) as port:
        with pytest.raises(CertificateError, match="revoked this morning"):
            await streams.open_connection(
                HOST, port, ssl=client_config.replace(verify=verify), server_hostname="localhost"
            )
        record = await until_logged(caplog)
        assert "certificate_revoked" in record.getMessage()


async def test_a_hook_that_takes_too_long(
    client_config: ClientConfig, server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = asyncio.Event()

    async def verify(peer: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    before = open_sockets()
    async with serving(Recorder, server_config) as port:
        with pytest.raises(ConnectionAbortedError):
            await streams.open_connection(
                HOST,
                port,
                ssl=client_config.replace(verify=verify),
                server_hostname="localhost",
                ssl_handshake_timeout=0.1,
            )
        await asyncio.wait_for(cancelled.wait(), 5)
        await until_logged(caplog)
    await until(lambda: open_sockets() == before)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_cannot_fill_the_memory_while_a_hook_waits(
    server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_sockets()
    waiting = asyncio.Event()
    go_on = asyncio.Event()

    async def select(hello: Any) -> None:
        waiting.set()
        await go_on.wait()

    client = TLSConnection(ClientConfig(dangerous_disable_verification=True), "localhost")
    async with serving(Recorder, server_config.replace(select=select)) as port:
        _, writer = await tcp(port)
        writer.write(client.data_to_send())
        await waiting.wait()
        total = 0
        while total < 64 << 20:
            writer.write(bytes(1 << 16))
            total += 1 << 16
            try:
                await asyncio.wait_for(writer.drain(), 0.2)
            except TimeoutError:
                break
        assert total < 64 << 20
        go_on.set()
        await until_logged(caplog)
        writer.transport.abort()
    await until(lambda: open_sockets() == before)


async def test_a_hook_and_a_client_that_hangs_up_meanwhile(
    server_config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = asyncio.Event()

    async def select(hello: Any) -> None:
        waiting.set()
        await asyncio.sleep(0.05)

    client = TLSConnection(ClientConfig(dangerous_disable_verification=True), "localhost")
    async with serving(Recorder, server_config.replace(select=select)) as port:
        _, writer = await tcp(port)
        writer.write(client.data_to_send())
        await waiting.wait()
        writer.close()
        await writer.wait_closed()
        await until_logged(caplog)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# -- a good end ------------------------------------------------------------------------------------


async def test_the_waiter_is_woken_before_the_first_data(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    class Greets(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"hello")

    async with serving(Greets, server_config) as port:
        _, client = await endpoints.create_connection(
            Recorder, HOST, port, ssl=client_config, server_hostname="localhost"
        )
        assert client.events == ["made"]
        assert await client.received(5) == b"hello"
        await closed(client)


async def test_many_at_once(client_config: ClientConfig, server_config: ServerConfig) -> None:
    server = await streams.start_server(echo, HOST, 0, ssl=server_config)
    port = server.sockets[0].getsockname()[1]

    async def one(number: int) -> None:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client_config, server_hostname="localhost"
        )
        data = b"%d" % number * 10_000
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == data
        writer.close()
        await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one(number))
    server.close()
    await server.wait_closed()


async def test_the_server_may_speak_in_its_first_turn(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """Tickets, the greeting and the closing all leave in the turn that ends the handshake."""

    class Brief(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"go ")
            transport.write(b"away")
            transport.close()

    client, server = await connected(client_config, server_config, make_server=Brief)
    assert await client.received(7) == b"go away"
    assert await client.lost is None
    assert await server.lost is None
    assert client.events[-2:] == ["eof", "lost"]


async def test_what_comes_behind_the_handshake_in_one_piece(
    client_config: ClientConfig, server_config: ServerConfig, complaints: list[dict[str, Any]]
) -> None:
    """Finished, data, and a record that does not decrypt: each has its effect, in order."""
    made: list[Recorder] = []

    def factory() -> Recorder:
        made.append(Recorder())
        return made[0]

    for select in (None, lambda hello: None):
        made.clear()
        async with serving(factory, server_config.replace(select=select)) as port:
            reader, writer = await tcp(port)
            client = TLSConnection(client_config, "localhost")
            farewell = client.data_to_send()
            while not client.handshake_complete:
                writer.write(farewell)
                client.receive_data(await reader.read(65536))
                farewell = client.data_to_send()
            client.write(b"data")
            writer.write(farewell + client.data_to_send() + b"\x17\x03\x03\0\x20" + bytes(32))
            answer = await reader.read()
            with pytest.raises(AlertReceived, match="bad_record_mac"):
                client.receive_data(answer)
            writer.close()
            await writer.wait_closed()
            (server,) = made
            assert isinstance(await server.lost, TLSError)
            assert server.events == ["made", "data", "lost"]
    assert not complaints
