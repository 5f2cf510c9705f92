"""The transport: reading, writing, flow control, and every way to end."""

from __future__ import annotations

import array
import asyncio
import gc
import logging
import socket
import tempfile
import time
import warnings
import weakref
from typing import Any

import pytest

from aiotls import AlertReceived, ClientConfig, ServerConfig, TLSConnection, Truncated, endpoints
from aiotls.transport import FLUSH_SIZE, TLSTransport

from .peers import HOST, Recorder, blocking_server, closed, connected, serving

pytestmark = pytest.mark.asyncio

MIB = 1 << 20


@pytest.fixture
def configs(
    client_config: ClientConfig, server_config: ServerConfig
) -> tuple[ClientConfig, ServerConfig]:
    return client_config, server_config


Configs = tuple[ClientConfig, ServerConfig]


class Below:
    """Counts what a transport gives to the one below."""

    def __init__(self, transport: Any) -> None:
        self.below = transport._below
        self.sizes: list[int] = []
        transport._below = self

    def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self.below.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)


# -- what is known ---------------------------------------------------------------------------------


async def test_extra_info_has_the_names_of_the_standard_library(configs: Configs) -> None:
    client, server = await connected(*configs)
    info = client.transport.get_extra_info
    assert info("sslcontext") is configs[0]
    assert info("cipher") == ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128)
    assert info("compression") is None
    assert info("tls")["version"] == "TLS 1.3"
    assert ("DNS", "localhost") in info("peercert")["subjectAltName"]
    assert info("peername")[0] == HOST
    assert info("socket").family == socket.AF_INET
    assert info("nothing", 5) == 5
    view = info("ssl_object")
    assert view is info("ssl_object")
    assert view.version() == "TLSv1.3"
    assert view.cipher() == info("cipher")
    assert view.getpeercert(True).startswith(b"\x30")
    assert not view.server_side
    assert view.server_hostname == "localhost"
    assert len(view.get_channel_binding("tls-exporter")) == 32
    theirs = server.transport.get_extra_info("ssl_object")
    assert theirs.get_channel_binding("tls-exporter") == view.get_channel_binding("tls-exporter")
    assert theirs.getpeercert() is None
    assert isinstance(client.transport.connection, TLSConnection)
    assert "open" in repr(client.transport)
    await closed(client, server)
    assert info("peername")[0] == HOST  # servers log it after the end
    assert "closed" in repr(client.transport)


# -- writing ---------------------------------------------------------------------------------------


async def test_the_first_write_of_a_turn_leaves_at_once_and_the_others_together(
    configs: Configs,
) -> None:
    client, server = await connected(*configs)
    await asyncio.sleep(0.01)
    below = Below(client.transport)
    client.transport.write(b"a" * 100)
    assert len(below.sizes) == 1
    for _ in range(99):
        client.transport.write(b"b" * 100)
    assert len(below.sizes) == 1
    assert client.transport.get_write_buffer_size() >= 9900
    assert await server.received(10_000) == b"a" * 100 + b"b" * 9900
    assert len(below.sizes) == 2
    assert below.sizes[1] <= 9900 + 4 * 22  # four records: 1, 2, 3 times the smallest, the rest
    await asyncio.sleep(0.01)
    client.transport.write(b"c")
    assert len(below.sizes) == 3
    await closed(client, server)


async def test_gathered_writes_leave_when_they_are_many(configs: Configs) -> None:
    client, server = await connected(*configs)
    await asyncio.sleep(0.01)
    below = Below(client.transport)
    for _ in range(100):
        client.transport.write(bytes(16384))
    assert sum(below.sizes) > 96 * 16384
    assert max(below.sizes) < 2 * FLUSH_SIZE
    await server.received(100 * 16384)
    await closed(client, server)


async def test_what_a_callback_writes_leaves_when_it_returns(configs: Configs) -> None:
    class Answers(Recorder):
        def data_received(self, data: bytes) -> None:
            below = Below(self.transport)
            for _ in range(10):
                self.transport.write(b"x" * 10)
            self.immediately = len(below.sizes)
            self.below = below

    client, server = await connected(*configs, make_server=Answers)
    client.transport.write(b"?")
    assert await client.received(100) == b"x" * 100
    assert server.immediately == 1
    assert len(server.below.sizes) == 2
    await closed(client, server)


async def test_every_kind_of_buffer_is_written(configs: Configs) -> None:
    client, server = await connected(*configs)
    write = client.transport.write
    changing = bytearray(b"bytearray ")
    write(b"bytes ")
    write(changing)
    changing[:] = b"overwritten"
    write(memoryview(b"view "))
    write(memoryview(array.array("H", [0x2020] * 4)))
    write(memoryview(b"-s-t-e-p-")[1::2])
    write(b"")
    client.transport.writelines([b" lines", bytearray(b" of"), memoryview(b" it")])
    client.transport.writelines([bytes(5000), b"!" * 5000])
    client.transport.writelines([])
    expected = b"bytes bytearray view " + b" " * 8 + b"step lines of it"
    expected += bytes(5000) + b"!" * 5000
    assert await server.received(len(expected)) == expected
    await closed(client, server)


@pytest.mark.parametrize("value", ["text", None, 5, [b"list"]])
async def test_what_is_not_bytes_is_a_type_error(configs: Configs, value: Any) -> None:
    client, server = await connected(*configs)
    with pytest.raises(TypeError, match="bytes-like"):
        client.transport.write(value)
    with pytest.raises(TypeError, match="bytes-like"):
        client.transport.writelines([b"good", value])
    await closed(client, server)


async def test_writing_after_write_eof_is_an_error(configs: Configs) -> None:
    client, server = await connected(*configs, make_server=lambda: Recorder(keep_open=True))
    client.transport.write_eof()
    client.transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        client.transport.write(b"more")
    await server.until(lambda: "eof" in server.events)
    server.transport.write(b"still here")
    assert await client.received(10) == b"still here"
    assert not client.transport.is_closing()
    server.transport.close()
    assert await client.lost is None
    assert await server.lost is None
    assert client.events == ["made", "data", "eof", "lost"]


async def test_writing_after_close_is_ignored_and_noted_once(
    configs: Configs, caplog: pytest.LogCaptureFixture
) -> None:
    client, server = await connected(*configs)
    client.transport.close()
    with caplog.at_level(logging.WARNING, "aiotls"):
        for _ in range(20):
            client.transport.write(b"too late")
    assert len(caplog.records) == 1
    await closed(client, server)
    assert server.data == b""


async def test_keys_can_be_updated_in_the_middle_of_the_data(configs: Configs) -> None:
    client, server = await connected(*configs)
    for i in range(10):
        client.transport.write(b"%d" % i)
        client.transport.key_update(request_peer=i % 2 == 0)
    assert await server.received(10) == b"0123456789"
    server.transport.write(b"and back")
    assert await client.received(8) == b"and back"
    await closed(client, server)


# -- flow control ----------------------------------------------------------------------------------


async def test_a_slow_reader_pauses_the_writer_and_memory_stays_bounded(configs: Configs) -> None:
    client, server = await connected(*configs)
    server.transport.pause_reading()
    assert not server.transport.is_reading()
    written = 0
    largest = 0
    async with asyncio.timeout(20):
        while client.events.count("pause") == client.events.count("resume"):
            client.transport.write(bytes(4096))
            written += 4096
            largest = max(largest, client.transport.get_write_buffer_size())
            if written % FLUSH_SIZE == 0:
                await asyncio.sleep(0)
            assert written < 64 * MIB
    _, high = client.transport.get_write_buffer_limits()
    assert largest <= high + FLUSH_SIZE + 4096 + 1024
    assert "resume" not in client.events
    server.transport.resume_reading()
    assert server.transport.is_reading()
    await client.until(lambda: "resume" in client.events)
    await server.received(written)
    await closed(client, server)


async def test_the_marks_are_set_on_the_transport_below(configs: Configs) -> None:
    client, server = await connected(*configs)
    transport = client.transport
    transport.set_write_buffer_limits(high=1000, low=10)
    assert transport.get_write_buffer_limits() == (10, 1000)
    transport.set_write_buffer_limits(high=0)
    for _ in range(3):
        transport.write(b"not gathered")
        if transport._below.get_write_buffer_size() == 0:
            assert transport.get_write_buffer_size() == 0
    with pytest.raises(ValueError, match="high"):
        transport.set_write_buffer_limits(high=1, low=2)
    await server.received(36)
    await closed(client, server)


async def test_nothing_is_delivered_while_reading_is_paused(configs: Configs) -> None:
    client, server = await connected(*configs)
    server.transport.pause_reading()
    server.transport.pause_reading()
    client.transport.write(b"early")
    client.transport.close()
    await asyncio.sleep(0.05)
    assert server.events == ["made"]
    server.transport.resume_reading()
    server.transport.resume_reading()
    assert await server.lost is None
    assert await client.lost is None
    assert server.events == ["made", "data", "eof", "lost"]


async def test_a_protocol_may_pause_from_its_first_moment(configs: Configs) -> None:
    class Shy(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    client, server = await connected(*configs, make_server=Shy)
    client.transport.write(b"hello")
    await asyncio.sleep(0.02)
    assert not server.data
    server.transport.resume_reading()
    assert await server.received(5) == b"hello"
    await closed(client, server)


# -- BufferedProtocol ------------------------------------------------------------------------------


class Buffered(asyncio.BufferedProtocol):
    """Collects what it is given, in a buffer of whatever kind."""

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self.data = bytearray()
        self.hints: list[int] = []
        self.pauses = False
        self.lost = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> Any:
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += bytes(memoryview(self.buffer).cast("B")[:nbytes])
        if self.pauses:
            self.transport.pause_reading()
        self.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def received(self, size: int) -> bytes:
        async with asyncio.timeout(20):
            while len(self.data) < size:
                self.changed.clear()
                await self.changed.wait()
        return bytes(self.data)


@pytest.mark.parametrize(
    "buffer",
    [bytearray(1), bytearray(100), memoryview(bytearray(70_000)), array.array("I", [0] * 1000)],
    ids=["one byte", "bytearray", "memoryview", "array"],
)
async def test_a_buffered_protocol_gets_the_data_itself(configs: Configs, buffer: Any) -> None:
    client, server = await connected(*configs, make_server=lambda: Buffered(buffer))
    data = bytes(range(256)) * 40
    client.transport.write(data)
    assert await server.received(len(data)) == data
    await closed(client, server)


async def test_a_buffered_protocol_that_pauses_gets_no_more(configs: Configs) -> None:
    client, server = await connected(*configs, make_server=lambda: Buffered(bytearray(10)))
    server.pauses = True
    client.transport.write(b"0123456789abcde")
    assert await server.received(10) == b"0123456789"
    await asyncio.sleep(0.02)
    assert len(server.data) == 10
    server.transport.resume_reading()
    assert await server.received(15) == b"0123456789abcde"
    await closed(client, server)


async def test_an_empty_buffer_is_an_error(
    configs: Configs, complaints: list[dict[str, Any]]
) -> None:
    client, server = await connected(*configs, make_server=lambda: Buffered(bytearray()))
    client.transport.write(b"hello")
    assert isinstance(await server.lost, RuntimeError)
    assert "get_buffer" in complaints[0]["message"]
    await closed(client)


async def test_a_protocol_can_be_exchanged(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport.write(b"first")
    await server.received(5)
    for second in (Buffered(bytearray(3)), Recorder()):
        server.transport.set_protocol(second)
        assert server.transport.get_protocol() is second
        client.transport.write(b"second")
        assert await second.received(6) == b"second"
    assert server.data == b"first"
    client.transport.close()
    assert await second.lost is None
    await closed(client)


# -- protocols that raise --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["data_received", "eof_received", "connection_made"])
async def test_a_protocol_that_raises_loses_its_connection(
    configs: Configs, complaints: list[dict[str, Any]], method: str
) -> None:
    class Broken(Recorder):
        pass

    def broken(self: Any, *args: Any) -> None:
        Recorder.connection_made(self, *args) if method == "connection_made" else None
        raise ZeroDivisionError

    setattr(Broken, method, broken)
    client, server = await connected(*configs, make_server=Broken)
    client.transport.write(b"hello")
    if method == "eof_received":
        client.transport.write_eof()
    assert isinstance(await server.lost, ZeroDivisionError)
    await closed(client)
    assert [type(c["exception"]) for c in complaints] == [ZeroDivisionError]
    assert complaints[0]["transport"] is server.transport
    assert method in complaints[0]["message"]


async def test_a_factory_that_raises_costs_the_connection_only(
    configs: Configs, complaints: list[dict[str, Any]]
) -> None:
    def factory() -> Any:
        raise ZeroDivisionError

    async with serving(factory, configs[1]) as port:
        transport, client = await endpoints.create_connection(
            Recorder, HOST, port, ssl=configs[0], server_hostname="localhost"
        )
        await client.lost
        transport.close()
    assert [type(c["exception"]) for c in complaints] == [ZeroDivisionError]


# -- closing ---------------------------------------------------------------------------------------


async def test_closing_is_orderly_on_both_sides(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport.write(b"last words")
    client.transport.close()
    client.transport.close()
    assert client.transport.is_closing()
    assert await client.lost is None
    assert await server.lost is None
    assert server.events == ["made", "data", "eof", "lost"]
    assert client.events == ["made", "lost"]
    assert client.transport.get_protocol() is None
    for method in ("close", "abort", "pause_reading", "resume_reading", "write_eof"):
        getattr(client.transport, method)()
    assert client.transport.get_write_buffer_size() == 0


async def test_everything_written_arrives_before_the_close(configs: Configs) -> None:
    client, server = await connected(*configs)
    server.transport.pause_reading()
    client.transport.write(bytes(8 * MIB))
    client.transport.close()
    await asyncio.sleep(0.05)
    server.transport.resume_reading()
    assert await server.received(8 * MIB) == bytes(8 * MIB)
    assert await server.lost is None
    assert await client.lost is None


async def test_data_after_close_is_dropped_in_silence(
    configs: Configs, complaints: list[dict[str, Any]]
) -> None:
    client, server = await connected(*configs, make_server=lambda: Recorder(keep_open=True))
    client.transport.close()
    await server.until(lambda: "eof" in server.events)
    server.transport.write(bytes(MIB))
    await closed(server, client)
    assert client.data == b""
    assert client.lost.result() is server.lost.result() is None
    assert not complaints


async def test_closing_unread_input_does_not_destroy_what_was_sent(configs: Configs) -> None:
    client, server = await connected(*configs)
    server.transport.pause_reading()  # so that the client's data stays unread
    client.transport.write(bytes(MIB))
    await asyncio.sleep(0.02)
    server.transport.write(b"goodbye")
    server.transport.close()
    assert await client.received(7) == b"goodbye"
    assert await client.lost is None
    assert await server.lost is None


async def test_close_does_not_wait_for_a_silent_peer(configs: Configs) -> None:
    """The peer neither answers close_notify nor closes its socket."""
    client, server = await connected(
        *configs, make_client=lambda: Recorder(keep_open=True), ssl_shutdown_timeout=0.1
    )
    server.transport._below.pause_reading()
    started = time.monotonic()
    client.transport.close()
    assert await client.lost is None
    assert 0.05 < time.monotonic() - started < 5
    server.transport.abort()
    await server.lost


async def test_close_does_not_wait_for_a_peer_that_takes_nothing(configs: Configs) -> None:
    client, server = await connected(*configs, ssl_shutdown_timeout=0.1)
    server.transport.pause_reading()
    client.transport.write(bytes(32 * MIB))
    client.transport.close()
    async with asyncio.timeout(10):
        assert await client.lost is None
    server.transport.abort()
    await server.lost


async def test_abort_ends_at_once(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport.abort()
    assert await client.lost is None
    assert isinstance(await server.lost, (Truncated, ConnectionResetError))


async def test_a_bare_fin_is_truncation(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport.write(b"half a mess")
    await server.received(11)
    client.transport._below.write_eof()
    error = await server.lost
    assert isinstance(error, Truncated)
    assert isinstance(error, EOFError)
    assert "eof" not in server.events
    client.transport.abort()
    await client.lost


async def test_truncation_can_be_allowed(
    configs: Configs, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log all the same; not as a warning, as many clients end so."""
    caplog.set_level("INFO", "aiotls")
    client, server = await connected(configs[0], configs[1].replace(allow_truncation=True))
    client.transport._below.write_eof()
    assert await server.lost is None
    assert server.events == ["made", "eof", "lost"]
    (line,) = [r for r in caplog.records if "without close_notify" in r.getMessage()]
    assert line.levelname == "INFO"
    client.transport.abort()
    await client.lost


async def test_data_that_was_paused_comes_before_the_truncation(configs: Configs) -> None:
    client, server = await connected(*configs)
    server.transport.pause_reading()
    client.transport.write(b"data")
    client.transport._below.write_eof()
    await asyncio.sleep(0.02)
    server.transport.resume_reading()
    assert isinstance(await server.lost, Truncated)
    assert server.events == ["made", "data", "lost"]
    client.transport.abort()
    await client.lost


async def test_garbage_ends_the_connection_with_an_alert(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport.write(b"good data")
    client.transport._below.write(b"\x17\x03\x03\x00\x20" + bytes(32))
    error = await server.lost
    assert error.alert.name == "BAD_RECORD_MAC"
    assert server.data == b"good data"
    received = await client.lost
    assert isinstance(received, AlertReceived)
    assert received.alert == error.alert
    server.transport.write(b"nothing")
    await closed(client)


async def test_an_alert_is_not_lost_behind_unread_input(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport._below.write(b"\x17\x03\x03\x00\x20" + bytes(32) + bytes(MIB))
    error = await server.lost
    received = await client.lost
    assert isinstance(received, AlertReceived)
    assert received.alert == error.alert


# -- sendfile --------------------------------------------------------------------------------------


async def test_sendfile_falls_back(configs: Configs) -> None:
    """On asyncio's loops; uvloop has no sendfile for any transport."""
    loop = asyncio.get_running_loop()
    client, server = await connected(*configs)
    data = bytes(range(256)) * 1000
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        if type(loop).__module__.startswith("uvloop"):
            with pytest.raises(NotImplementedError):
                await loop.sendfile(client.transport, file)
            await closed(client, server)
            return
        assert await loop.sendfile(client.transport, file) == len(data)
    assert await server.received(len(data)) == data
    assert client.transport.get_protocol() is client
    server.transport.write(b"and back")
    assert await client.received(8) == b"and back"
    await closed(client, server)


# -- what is left ----------------------------------------------------------------------------------


async def test_a_closed_connection_is_freed_without_the_garbage_collector(
    configs: Configs,
) -> None:
    client, server = await connected(*configs)
    client.transport.write(b"hello")
    await server.received(5)
    await closed(client, server)
    references = [
        weakref.ref(thing)
        for protocol in (client, server)
        for thing in (protocol, protocol.transport, protocol.transport.connection)
    ]
    await asyncio.sleep(0.01)
    gc.disable()
    try:
        protocol = None
        del client, server, protocol
        await asyncio.sleep(0)
        left = [reference() for reference in references if reference() is not None]
        assert not left
    finally:
        gc.enable()


async def test_a_transport_that_is_forgotten_warns(configs: Configs) -> None:
    client, server = await connected(*configs)
    client.transport.abort()
    await closed(client, server)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transport = TLSTransport(asyncio.get_running_loop(), client.transport.connection)
        transport._below = client.transport._below
        del transport
        gc.collect()
    assert any("unclosed transport <TLSTransport" in str(w.message) for w in caught)


async def test_connections_share_one_receive_buffer(configs: Configs) -> None:
    first, second = await connected(*configs)
    assert first.transport._view.obj is second.transport._view.obj
    await closed(first, second)


async def test_a_peer_that_resets(configs: Configs) -> None:
    def handle(sock: socket.socket) -> None:
        connection = TLSConnection(configs[1])
        while not connection.handshake_complete:
            connection.receive_data(sock.recv(65536))
            sock.sendall(connection.data_to_send())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with blocking_server(handle) as port:
        transport, client = await endpoints.create_connection(
            Recorder, HOST, port, ssl=configs[0], server_hostname="localhost"
        )
        error = await client.lost
        assert isinstance(error, ConnectionResetError)
        transport.write(b"nothing")
        transport.close()
