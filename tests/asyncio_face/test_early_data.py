"""0-RTT data and answers to it, for applications of asyncio's: what comes when, and marked as what.

The client is the engine by itself, so that its Finished leaves when the test wants it to.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aiotls import (
    ClientConfig,
    HandshakeBudget,
    MemoryReplayGuard,
    ServerConfig,
    TLSConnection,
    endpoints,
    streams,
)
from aiotls.enums import EarlyData

from .peers import HOST, Recorder, port_of, serving, serving_streams

pytestmark = pytest.mark.asyncio

PATIENCE = 20


class Early(Recorder):
    """Notes 0-RTT data apart."""

    def __init__(self) -> None:
        super().__init__()
        self.early = bytearray()

    def early_data_received(self, data: bytes) -> None:
        self.early += data
        self.note("early")

    def handshake_completed(self) -> None:
        self.note("completed")


class Client:
    """A client that sends and receives only when it is told to."""

    def __init__(self, config: ClientConfig, port: int, early_data: bytes = b"") -> None:
        self.tls = TLSConnection(config, "localhost", early_data=early_data)
        self.port = port
        self.held = b""

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection(HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def send(self) -> None:
        self.hold()
        self.writer.write(self.held)
        self.held = b""
        await self.writer.drain()

    def hold(self) -> None:
        while data := self.tls.data_to_send():
            self.held += data

    async def receive(self) -> None:
        data = await asyncio.wait_for(self.reader.read(1 << 16), PATIENCE)
        assert data, "the server has hung up"
        self.tls.receive_data(data)

    async def half_way(self) -> None:
        """All of the server's flight is here, and this side's Finished is not on its way."""
        await self.send()
        while not self.tls.handshake_complete:
            await self.receive()
            self.hold()

    async def read(self, size: int) -> bytes:
        data = self.tls.read()
        while len(data) < size:
            await self.receive()
            data += self.tls.read()
        return data

    async def finish(self) -> None:
        await self.send()


@pytest.fixture
def server(server_config: ServerConfig) -> ServerConfig:
    now = [0.0]
    guard = MemoryReplayGuard(clock=lambda: now[0])
    now[0] = 60  # it remembers since a minute ago, and so takes what it has not seen
    return server_config.replace(max_early_data=50_000, replay_guard=guard)


async def acquaint(client: ClientConfig, server: ServerConfig) -> None:
    """Gives the client a ticket of the server's."""

    async def bye(reader: streams.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.handshake_completed()  # or there would be no ticket
        writer.write(b"x")
        writer.close()

    async with serving_streams(bye, server) as port:
        reader, writer = await streams.open_connection(
            HOST, port, ssl=client, server_hostname="localhost"
        )
        assert await reader.read() == b"x"
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def recording(
    server: ServerConfig, kind: Any = Early
) -> AsyncIterator[tuple[int, list[Any]]]:
    made: list[Any] = []

    def factory() -> asyncio.Protocol:
        protocol: asyncio.Protocol = kind()
        made.append(protocol)
        return protocol

    async with serving(factory, server) as port:
        yield port, made


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)


async def first(made: list[Any]) -> Any:
    await until(lambda: made)
    return made[0]


# -- marked, after the handshake -------------------------------------------------------------------


async def test_a_protocol_may_tell_early_data_apart(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    await acquaint(client_config, server)
    async with recording(server) as (port, made):
        async with Client(client_config, port, b"early") as client:
            await client.half_way()
            assert not made  # it is no replay when it is delivered: the client's Finished came
            client.tls.write(b"late")
            await client.finish()
            protocol = await first(made)
            assert await protocol.received(4) == b"late"
            assert bytes(protocol.early) == b"early"
            assert protocol.events == ["made", "early", "data"]
            assert protocol.transport.get_extra_info("tls")["early_data"]
            protocol.transport.abort()
            await protocol.lost


async def test_another_protocol_gets_it_first(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    await acquaint(client_config, server)
    async with recording(server, Recorder) as (port, made):
        async with Client(client_config, port, b"early") as client:
            await client.half_way()
            client.tls.write(b" and late")
            await client.finish()
            protocol = await first(made)
            assert await protocol.received(14) == b"early and late"
            protocol.transport.abort()
            await protocol.lost


async def test_a_protocol_that_pauses_gets_all_in_order(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    class Paused(Early):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    for half_rtt in (False, True):
        config = server.replace(half_rtt=half_rtt)
        await acquaint(client_config, config)
        async with recording(config, Paused) as (port, made):
            async with Client(client_config, port, b"early") as client:
                await client.half_way()
                client.tls.write(b"late")
                await client.finish()
                protocol = await first(made)
                connection = protocol.transport.connection
                await until(lambda tls=connection: tls.handshake_complete)  # type: ignore[misc]
                assert not protocol.early
                assert not protocol.data
                protocol.transport.resume_reading()
                assert await protocol.received(4) == b"late"
                assert bytes(protocol.early) == b"early"
                events = [event for event in protocol.events if event != "completed"]
                assert events == ["made", "early", "data"]
                protocol.transport.abort()
                await protocol.lost


async def test_a_reader_tells_early_data_apart(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    heard: list[Any] = []

    async def handle(reader: streams.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read_early_data())
        heard.append(await reader.read_early_data())
        await reader.handshake_completed()
        heard.append(await reader.readexactly(4))
        writer.write(b"ok")
        writer.close()

    await acquaint(client_config, server)
    async with serving_streams(handle, server) as port:
        for _ in range(2):  # the second without: its ticket is of the first, and was used up
            reader, writer = await streams.open_connection(
                HOST, port, ssl=client_config, server_hostname="localhost", early_data=b"early"
            )
            status = writer.transport.connection.early_data_status  # type: ignore[attr-defined]
            assert status is EarlyData.ACCEPTED
            writer.write(b"late")
            assert await reader.read() == b"ok"
            writer.close()
            await writer.wait_closed()
    assert heard == [b"early", b"", b"late"] * 2


@pytest.mark.parametrize("method", ["read", "readexactly", "readline", "readuntil", "iterate"])
async def test_the_usual_methods_give_early_data_first(
    client_config: ClientConfig, server: ServerConfig, method: str
) -> None:
    heard: list[bytes] = []
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert not reader.at_eof()
        if method == "read":
            heard.append(await reader.read(11))
        elif method == "readexactly":
            heard.append(await reader.readexactly(11))
        elif method == "readline":
            heard.append(await reader.readline())
        elif method == "readuntil":
            heard.append(await reader.readuntil(b"\n"))
        else:
            async for line in reader:
                heard.append(line)
                break
        heard.append(await reader.readexactly(4))
        writer.close()
        done.set()

    for half_rtt in (False, True):
        config = server.replace(half_rtt=half_rtt)
        await acquaint(client_config, config)
        heard.clear()
        done.clear()
        async with serving_streams(handle, config) as port:
            async with Client(client_config, port, b"early data\n") as client:
                await client.half_way()
                client.tls.write(b"late")
                await client.finish()
                await asyncio.wait_for(done.wait(), PATIENCE)
        assert heard == [b"early data\n", b"late"]


async def test_a_server_that_awaits_one_client_tells_it_apart_too(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    await acquaint(client_config, server)
    accepted: list[Any] = []
    loop = asyncio.get_running_loop()

    class Plain(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            accepted.append(
                loop.create_task(endpoints.start_tls(transport, Early(), server, server_side=True))
            )

    plain = await loop.create_server(Plain, HOST, 0)
    async with Client(client_config, port_of(plain), b"early") as client:
        await client.half_way()
        await client.finish()
        transport = await asyncio.wait_for(await first(accepted), PATIENCE)
        protocol: Any = transport.get_protocol()
        await protocol.until(lambda: protocol.early == b"early")
        transport.abort()
        await protocol.lost
    plain.close()


# -- before the client's Finished ------------------------------------------------------------------


async def test_early_data_is_answered_before_the_clients_finished(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.4.4, and 8: it is marked as what may be a replay."""
    server = server.replace(half_rtt=True, alpn_protocols=["echo"])
    client_config = client_config.replace(alpn_protocols=["echo"])
    await acquaint(client_config, server)
    async with recording(server) as (port, made):
        async with Client(client_config, port, b"early") as client:
            await client.half_way()
            protocol = await first(made)
            await protocol.until(lambda: protocol.early == b"early")
            transport = protocol.transport
            assert not transport.connection.handshake_complete
            assert transport.connection.alpn_protocol == "echo"
            assert transport.connection.server_name == "localhost"
            assert transport.get_extra_info("tls") is None
            transport.write(b"answer")
            assert await client.read(6) == b"answer"
            assert protocol.events == ["made", "early"]
            client.tls.write(b"late")
            await client.finish()
            assert await protocol.received(4) == b"late"
            assert protocol.events == ["made", "early", "completed", "data"]
            assert transport.get_extra_info("tls")["early_data"]
            transport.write(b"more")
            assert await client.read(4) == b"more"
            protocol.transport.abort()
            await protocol.lost


async def test_a_client_is_greeted_before_its_finished(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    """Without 0-RTT data, and with a hook that makes the handshake a task."""

    async def select(_: object) -> None:
        await asyncio.sleep(0)

    async def greet(reader: streams.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ")
        writer.write(b"ready\r\n")
        await reader.handshake_completed()
        writer.write(await reader.readline())
        writer.close()

    for hook in (None, select):
        async with serving_streams(greet, server.replace(half_rtt=True, select=hook)) as port:
            async with Client(client_config, port) as client:
                await client.half_way()
                assert await client.read(11) == b"220 ready\r\n"
                client.tls.write(b"NOOP\r\n")
                await client.finish()
                assert await client.read(6) == b"NOOP\r\n"


async def test_early_data_that_a_task_receives_is_read_bit_by_bit(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    """What the handshake's task is given arrives at the reader while that waits for more."""
    heard = asyncio.Queue[bytes]()

    async def handle(reader: streams.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read_early_data():
            heard.put_nowait(data)
        heard.put_nowait(b"")
        writer.close()

    async def select(_: object) -> None:
        await asyncio.sleep(0)

    for hook in (None, select):
        config = server.replace(half_rtt=True, select=hook)
        await acquaint(client_config, config)
        async with serving_streams(handle, config) as port:
            async with Client(client_config, port) as client:
                ended = asyncio.Event()

                async def end() -> None:
                    """No more early data, as far as this client is concerned."""

                client.tls = TLSConnection(client_config, "localhost", early_data=b"one")
                client.tls.stream_early_data(end)
                client.writer.write(client.tls.data_to_send())
                assert await asyncio.wait_for(heard.get(), PATIENCE) == b"one"
                client.tls.write_early_data(b"two")
                client.writer.write(client.tls.data_to_send())
                assert await asyncio.wait_for(heard.get(), PATIENCE) == b"two"
                assert not ended.is_set()
                while not client.tls.handshake_complete:
                    await client.receive()
                    client.hold()
                await client.finish()
                assert await asyncio.wait_for(heard.get(), PATIENCE) == b""


async def test_what_is_not_read_early_waits_for_the_clients_finished(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    heard: list[bytes] = []
    begun, done = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        heard.append(await reader.readexactly(9))
        writer.close()
        done.set()

    server = server.replace(half_rtt=True)
    await acquaint(client_config, server)
    async with serving_streams(handle, server) as port:
        async with Client(client_config, port, b"early") as client:
            await client.half_way()
            await asyncio.wait_for(begun.wait(), PATIENCE)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not heard
            client.tls.write(b"late")
            await client.finish()
            await asyncio.wait_for(done.wait(), PATIENCE)
    assert heard == [b"earlylate"]


async def test_a_client_that_never_proves_itself_has_said_nothing(
    client_config: ClientConfig, server: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """0-RTT data that was not asked for as such is dropped where it may have been a replay."""
    outcomes: list[Any] = []
    begun, done = asyncio.Event(), asyncio.Event()

    async def handle(reader: streams.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        for method in (reader.read, reader.handshake_completed, reader.read_early_data):
            try:
                outcomes.append(await method())
            except OSError as error:
                outcomes.append(type(error))
        done.set()

    server = server.replace(half_rtt=True)
    await acquaint(client_config, server)
    async with serving_streams(handle, server) as port:
        async with Client(client_config, port, b"early") as client:
            await client.half_way()
            await asyncio.wait_for(begun.wait(), PATIENCE)
        await asyncio.wait_for(done.wait(), PATIENCE)
    assert outcomes == [ConnectionResetError] * 3
    assert "failed" in caplog.text


async def test_a_forged_finished_ends_what_was_begun(
    client_config: ClientConfig, server: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async with recording(server.replace(half_rtt=True)) as (port, made):
        async with Client(client_config, port) as client:
            await client.half_way()
            protocol = await first(made)
            finished = bytearray(client.held)
            finished[-1] ^= 1
            client.writer.write(finished)
            error = await asyncio.wait_for(protocol.lost, PATIENCE)
            assert error is not None
            assert protocol.events == ["made", "lost"]
            protocol.transport.write(b"to nobody")
    assert "handshake" in caplog.text


async def test_the_handshake_has_its_time_and_no_more(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    made: list[Early] = []

    def factory() -> Early:
        made.append(Early())
        return made[-1]

    config = server.replace(half_rtt=True)
    budget = HandshakeBudget()
    arguments: dict[str, Any] = {"ssl_handshake_timeout": 0.2, "handshake_budget": budget}
    async with serving(factory, config, **arguments) as port:
        async with Client(client_config, port) as client:
            await client.half_way()
            protocol = await first(made)
            protocol.transport.write(b"hello?")
            error = await asyncio.wait_for(protocol.lost, PATIENCE)
            assert isinstance(error, ConnectionAbortedError)


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("how", ["close", "abort", "close at once", "abort at once"])
async def test_a_connection_may_be_ended_before_the_handshake_is(
    client_config: ClientConfig,
    server: ServerConfig,
    how: str,
    hooked: bool,
    complaints: list[dict[str, Any]],
) -> None:
    async def select(_: object) -> None:
        await asyncio.sleep(0)

    class Quick(Early):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if how.endswith("once"):
                self.end()

        def end(self) -> None:
            self.transport.write(b"answer")
            getattr(self.transport, how.split()[0])()

    config = server.replace(half_rtt=True, select=select if hooked else None)
    async with recording(config, Quick) as (port, made):
        async with Client(client_config, port) as client:
            if how.startswith("close"):
                await client.half_way()
                protocol = await first(made)
                if how == "close":
                    protocol.end()
                assert await client.read(6) == b"answer"
                while not client.tls.peer_closed:
                    await client.receive()
                client.tls.send_close_notify()
                await client.finish()
                client.writer.write_eof()
            else:
                await client.send()
                protocol = await first(made)
                if how == "abort":
                    protocol.end()
            assert await asyncio.wait_for(protocol.lost, PATIENCE) is None
            assert protocol.events == ["made", "lost"]
    assert not complaints


async def test_what_was_said_may_be_all_before_the_clients_finished(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    """A half-close in the half round trip: no ticket may follow close_notify (section 6.1)."""
    config = client_config.replace()
    async with recording(server.replace(half_rtt=True)) as (port, made):
        async with Client(config, port) as client:
            await client.half_way()
            protocol = await first(made)
            protocol.transport.write(b"all")
            protocol.transport.write_eof()
            while not client.tls.peer_closed:
                await client.receive()
            assert client.tls.read() == b"all"
            client.tls.write(b"question")
            client.tls.send_close_notify()
            await client.finish()
            assert await protocol.received(8) == b"question"
            assert protocol.events[:2] == ["made", "completed"]
            await asyncio.wait_for(protocol.lost, PATIENCE)
            assert await asyncio.wait_for(client.reader.read(), PATIENCE) == b""


async def test_a_protocol_that_fails_with_early_data_ends_its_connection(
    client_config: ClientConfig, server: ServerConfig, complaints: list[dict[str, Any]]
) -> None:
    class Failing(Early):
        def early_data_received(self, data: bytes) -> None:
            raise RuntimeError("no")

    for half_rtt in (False, True):
        config = server.replace(half_rtt=half_rtt)
        await acquaint(client_config, config)
        async with recording(config, Failing) as (port, made):
            async with Client(client_config, port, b"early") as client:
                await client.half_way()
                await client.finish()
                protocol = await first(made)
                error = await asyncio.wait_for(protocol.lost, PATIENCE)
                assert isinstance(error, RuntimeError)
    assert [str(one["exception"]) for one in complaints] == ["no", "no"]


async def test_a_replay_is_not_early_data(
    client_config: ClientConfig, server: ServerConfig
) -> None:
    """The same first flight twice: the second time it is refused, and dropped."""
    server = server.replace(half_rtt=True)
    await acquaint(client_config, server)
    async with recording(server) as (port, made):
        flight = b""
        for number in range(2):
            async with Client(client_config, port, b"early") as client:
                if number == 0:
                    while data := client.tls.data_to_send():
                        flight += data
                client.writer.write(flight)
                await until(lambda count=number: len(made) > count)  # type: ignore[misc]
                protocol = made[number]
                if number == 0:
                    await protocol.until(lambda: bool(made[0].early))
                    while not client.tls.handshake_complete:
                        await client.receive()
                        client.hold()
                    await client.finish()
                    await protocol.until(lambda: "completed" in made[0].events)
            await asyncio.wait_for(protocol.lost, PATIENCE)
        assert bytes(made[0].early) == b"early"
        assert bytes(made[1].early) == b""
        assert made[1].events == ["made", "lost"]
