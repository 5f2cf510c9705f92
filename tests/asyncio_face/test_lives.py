"""Connections that live through a random life, and what must hold in every one of them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig, TLSError
from aiotls.enums import ProtocolVersion

from .peers import Recorder, connected

pytestmark = pytest.mark.asyncio


class Subject(Recorder):
    """A protocol that does at random what protocols do, also from within its callbacks."""

    random: random.Random
    written = b""
    others: Subject
    ended = False

    def act(self) -> None:
        transport = self.transport
        deed = self.random.choice(self.deeds)
        if deed == "write":
            data = self.random.randbytes(self.random.choice((0, 1, 50, 5000, 20_000, 70_000)))
            self.put(data, transport.write)
        elif deed == "writelines":
            data = self.random.randbytes(self.random.choice((3, 9000)))
            self.put(data, lambda data: transport.writelines([data[:2], data[2:]]))
        elif deed == "limits":
            transport.set_write_buffer_limits(self.random.choice((0, 1000, None)))
        elif deed == "key_update":
            if not self.ended and not transport.is_closing():
                transport.key_update(self.random.random() < 0.5)
        else:
            if deed in ("close", "abort", "write_eof"):
                self.ended = True
            getattr(transport, deed)()
        assert transport.get_write_buffer_size() >= 0

    def put(self, data: bytes, write: Any) -> None:
        if self.ended and not self.transport.is_closing():
            return  # after write_eof it is an error
        write(data)
        if not self.ended and not self.transport.is_closing():
            self.written += data

    deeds: tuple[str, ...] = ()

    def data_received(self, data: bytes) -> None:
        assert data
        assert self.transport.is_reading()
        assert "eof" not in self.events
        super().data_received(data)
        if self.random.random() < 0.2:
            self.act()

    def eof_received(self) -> bool:
        assert "eof" not in self.events
        super().eof_received()
        self.keep_open = self.random.random() < 0.5
        self.ended = self.ended or not self.keep_open
        return self.keep_open

    def pause_writing(self) -> None:
        super().pause_writing()
        assert self.events.count("pause") == self.events.count("resume") + 1

    def resume_writing(self) -> None:
        super().resume_writing()
        assert self.events.count("pause") == self.events.count("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        assert "lost" not in self.events
        assert self.transport.is_closing()
        super().connection_lost(exc)


GENTLE = (
    *("write",) * 8,
    *("pause_reading", "resume_reading") * 2,
    *("writelines", "limits", "key_update", "is_closing"),
)
FATAL = ("write_eof", "write_eof", "close", "abort")


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_happens_the_protocol_is_told_in_order(
    client_config: ClientConfig,
    server_config: ServerConfig,
    complaints: list[dict[str, Any]],
    seed: int,
) -> None:
    chance = random.Random(seed)
    Subject.random = chance
    if seed % 4 == 3:
        client_config = client_config.replace(verify=lambda peer: None)
    client, server = await connected(
        client_config, server_config, Subject, Subject, ssl_shutdown_timeout=0.1
    )
    gentle = seed % 2 == 0
    for subject in (client, server):
        subject.deeds = GENTLE if gentle else GENTLE + FATAL
    for _ in range(chance.randrange(5, 60)):
        chance.choice((client, server)).act()
        if chance.random() < 0.5:
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.003)))
    for subject in (client, server):
        subject.deeds = ("is_closing",)
        subject.transport.resume_reading()
    if gentle:
        await client.until(lambda: len(client.data) == len(server.written))
        await server.until(lambda: len(server.data) == len(client.written))
    for subject in (client, server):
        subject.transport.close()
    async with asyncio.timeout(20):
        for subject in (client, server):
            error = await subject.lost
            assert error is None or isinstance(error, (TLSError, ConnectionError))
    assert server.written.startswith(bytes(client.data))
    assert client.written.startswith(bytes(server.data))
    assert not complaints


async def test_tls_1_2_closes_both_directions_at_once(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    older = ProtocolVersion.TLSv1_2
    client, server = await connected(
        client_config.replace(min_version=older, max_version=older),
        server_config.replace(min_version=older),
        make_server=lambda: Recorder(keep_open=True),
    )
    assert client.transport.get_extra_info("tls")["version"] == "TLS 1.2"
    assert client.transport.get_extra_info("cipher")[1] == "TLSv1.2"
    assert client.transport.get_extra_info("ssl_object").version() == "TLSv1.2"
    client.transport.write(b"question")
    assert await server.received(8) == b"question"
    server.transport.write(bytes(1 << 20))
    assert await client.received(1 << 20) == bytes(1 << 20)
    assert not client.transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        client.transport.write_eof()
    with pytest.raises(TLSError):
        client.transport.key_update()
    client.transport.close()
    # RFC 5246, section 7.2.1: close_notify is answered, whatever the protocol says.
    assert await server.lost is None
    assert await client.lost is None
    assert server.events == ["made", "data", "eof", "lost"]
