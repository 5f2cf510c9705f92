"""What things cost, by counting: sends, calls and bytes held, never the time that passes."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig
from aiotls.callers import Accepted, Awaited
from aiotls.connection import TLSConnection
from aiotls.transport import FLUSH_SIZE, TLSTransport

from .peers import Recorder

pytestmark = pytest.mark.asyncio


class Pipe(asyncio.Transport):
    """One end of a connection in memory; what is written waits until someone moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: deque[bytes] = deque()
        self.sends = 0
        self.protocol: Any = None
        self.reading = True
        self.marks = (1 << 16, 1 << 14)
        self.paused = False
        self.most = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol  # type: ignore[no-any-return]

    def write(self, data: Any) -> None:
        self.sends += 1
        self.sent.append(bytes(data))
        size = self.get_write_buffer_size()
        self.most = max(self.most, size)
        if size > self.marks[0] and not self.paused:
            self.paused = True
            self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.sent))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.marks = (high or 0, low or 0)

    def take(self, size: int | None = None) -> bytes:
        data = b"".join(self.sent)
        self.sent.clear()
        if size is not None and data[size:]:
            self.sent.append(data[size:])
            data = data[:size]
        if self.paused and self.get_write_buffer_size() <= self.marks[1]:
            self.paused = False
            self.protocol.resume_writing()
        return data

    def receive(self, data: bytes) -> None:
        view = memoryview(self.protocol.get_buffer(len(data)))
        assert len(data) <= len(view)
        view[: len(data)] = data
        self.protocol.buffer_updated(len(data))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def abort(self) -> None:
        self.protocol.connection_lost(None)

    close = abort

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Ends:
    """A client and a server over two pipes, with nothing moved yet."""

    def __init__(self, client: ClientConfig, server: ServerConfig) -> None:
        loop = asyncio.get_running_loop()
        self.client, self.server = Recorder(), Recorder()
        self.near, self.far = Pipe(), Pipe()
        connection = TLSConnection(client, "localhost")
        self.handshake = Awaited(TLSTransport(loop, connection), 60).serve(self.client)
        accepted = Accepted(TLSTransport(loop, TLSConnection(server)), 60, lambda: self.server)
        for pipe, phase in ((self.far, accepted), (self.near, self.handshake)):
            pipe.protocol = phase
            phase.connection_made(pipe)

    def move(self) -> None:
        """Once there and back, all that was sent."""
        if self.near.sent:
            self.far.receive(self.near.take())
        if self.far.sent:
            self.near.receive(self.far.take())

    async def connected(self) -> Ends:
        while not (self.handshake.done.done() and self.server.events):
            self.move()
            await asyncio.sleep(0)
        await self.handshake.outcome()
        await asyncio.sleep(0)
        self.move()
        return self

    def end(self) -> None:
        self.near.abort()
        self.far.abort()


def calls_of(work: Callable[[], object]) -> int:
    """How many calls, of Python and of C, *work* makes."""
    count = 0

    def see(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


async def test_a_request_leaves_with_finished_and_the_response_with_the_tickets(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    ends = Ends(client_config, server_config)

    async def ask() -> None:
        await ends.handshake.outcome()
        ends.handshake.transport.write(b"request")

    asking = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    ends.move()
    assert (ends.near.sends, ends.far.sends) == (1, 1)
    await asking
    await asyncio.sleep(0)
    assert ends.near.sends == 2
    ends.far.receive(ends.near.take())
    assert ends.server.data == b"request"
    assert ends.far.sends == 2  # the tickets, as nothing was written when the request came
    ends.end()


async def test_a_server_answers_in_one_send_what_came_with_finished(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    class Answering(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"response")

    ends = Ends(client_config, server_config)
    answering = ends.server = Answering()
    ends.move()
    await ends.handshake.outcome()
    ends.handshake.transport.write(b"request")
    ends.far.receive(ends.near.take())
    assert answering.data == b"request"
    assert ends.far.sends == 2  # the flight; the tickets and the response
    ends.near.receive(ends.far.take())
    await asyncio.sleep(0)
    assert ends.client.data == b"response"
    ends.end()


async def test_finished_leaves_by_itself_when_there_is_nothing_to_say(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    ends = Ends(client_config, server_config)
    ends.move()
    await ends.handshake.outcome()
    await asyncio.sleep(0)
    assert ends.near.sends == 2
    ends.far.receive(ends.near.take())
    assert ends.server.events == ["made"]
    ends.end()


async def test_a_writer_that_obeys_holds_no_more_than_the_mark_and_one_flush(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    ends = await Ends(client_config, server_config).connected()
    transport, events = ends.handshake.transport, ends.client.events
    for size in (1, 1_000, 16_384, 100_000):
        chunk = bytes(size)
        for _ in range(4):
            written = 0
            while events[-1] != "pause" and written < 1 << 22:
                transport.write(chunk)
                written += size
                high = ends.near.marks[0]
                held = transport.get_write_buffer_size()
                assert held <= high + FLUSH_SIZE + size + 4_096
            assert events[-1] == "pause"
            while ends.near.sent:
                ends.far.receive(ends.near.take(100_000))
            assert events[-1] == "resume"
    await asyncio.sleep(0)
    ends.move()
    assert ends.near.most <= ends.near.marks[0] + FLUSH_SIZE + 100_000 + 4_096
    ends.end()


async def test_many_small_writes_in_one_turn_are_few_records(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    ends = await Ends(client_config, server_config).connected()
    sealer = ends.handshake.connection._writer.sealer
    before, sends = sealer.sequence, ends.near.sends
    for _ in range(10_000):
        ends.handshake.transport.write(b"x")
    await asyncio.sleep(0)
    assert sealer.sequence - before <= 20
    assert ends.near.sends - sends <= 20
    ends.far.receive(ends.near.take())
    assert ends.server.data == b"x" * 10_000
    ends.end()


@pytest.mark.parametrize("record", [1, 100, 16_384])
async def test_one_byte_at_a_time_costs_in_proportion_to_the_bytes(
    client_config: ClientConfig, server_config: ServerConfig, record: int
) -> None:
    ends = await Ends(client_config, server_config).connected()
    costs = []
    for size in (16_384, 65_536):
        connection, stream = ends.handshake.connection, b""
        while len(stream) < size:
            stream += connection.seal(bytes(record))

        def trickle(stream: bytes = stream) -> None:
            for position in range(len(stream)):
                ends.far.receive(stream[position : position + 1])

        costs.append(calls_of(trickle) / len(stream))
    assert costs[1] <= 1.1 * costs[0]
    ends.end()


async def test_one_byte_records_cost_in_proportion_to_their_number(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    ends = await Ends(client_config, server_config).connected()
    costs = []
    for count in (1_000, 5_000):
        connection = ends.handshake.connection
        stream = b"".join(connection.seal(b"x") for _ in range(count))
        costs.append(calls_of(lambda stream=stream: ends.far.receive(stream)) / count)  # type: ignore[misc]
        assert len(ends.server.data) == sum((1_000, 5_000)[: len(costs)])
    assert costs[1] <= 1.1 * costs[0]
    ends.end()


async def test_what_is_kept_of_an_incomplete_record_is_that_record(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    ends = await Ends(client_config, server_config).connected()
    connection = ends.server.transport.connection
    stream = ends.handshake.connection.seal(bytes(16_384))
    for _ in range(6):
        stream += ends.handshake.connection.seal(bytes(16_384))
    ends.far.receive(stream[:-1])
    assert connection.buffered == 16_384 + 17 + 5 - 1
    ends.far.receive(stream[-1:])
    assert connection.buffered == 0
    ends.end()
