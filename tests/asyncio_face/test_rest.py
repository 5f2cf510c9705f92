"""Connections that have fallen silent give memory back, and take it again when they are used."""

from __future__ import annotations

import asyncio
import gc
from typing import Any
from weakref import ref

import pytest

from aiotls import ClientConfig, ServerConfig, phases
from aiotls.crypto.aead import Opener12, Opener13, Sealer13
from aiotls.deadlines import PORTION, Rounds
from aiotls.enums import ProtocolVersion

from .peers import closed, connected, until

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "REST_SECONDS", 0.02)


def resting(protocol: Any) -> bool:
    """Whether both directions of a connection are at rest."""
    connection = protocol.transport.connection
    opener, sealer = connection._reader.opener, connection._writer.sealer
    assert isinstance(opener, Opener13)
    assert isinstance(sealer, Sealer13)
    return opener.resting and sealer.resting


@pytest.mark.parametrize("size", [100, 100_000])
async def test_a_silent_connection_rests_and_wakes(
    client_config: ClientConfig, server_config: ServerConfig, size: int
) -> None:
    client, server = await connected(client_config, server_config)
    for number in range(1, 4):
        await until(lambda: resting(client) and resting(server))
        client.transport.write(b"c" * size)
        assert await server.received(number * size) == b"c" * number * size
        server.transport.write(b"s" * size)
        assert await client.received(number * size) == b"s" * number * size
    await closed(client, server)


async def test_keys_can_be_updated_at_rest(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await connected(client_config, server_config)
    await until(lambda: resting(client) and resting(server))
    client.transport.key_update(request_peer=True)
    client.transport.write(b"after")
    assert await server.received(5) == b"after"
    server.transport.write(b"and back")
    assert await client.received(8) == b"and back"
    await closed(client, server)


async def test_closing_at_rest(client_config: ClientConfig, server_config: ServerConfig) -> None:
    client, server = await connected(client_config, server_config)
    await until(lambda: resting(client) and resting(server))
    client.transport.close()
    async with asyncio.timeout(20):
        assert await client.lost is None
        assert await server.lost is None


async def test_a_connection_at_rest_is_freed_without_the_garbage_collector(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await connected(client_config, server_config)
    await until(lambda: resting(client) and resting(server))
    opener = ref(client.transport.connection._reader.opener)
    gc.disable()
    try:
        await closed(client, server)
        client = server = None
        await until(lambda: opener() is None)
    finally:
        gc.enable()


async def test_tls12_has_nothing_to_make_its_keys_from_again(
    client_config: ClientConfig, server_config: ServerConfig
) -> None:
    client, server = await connected(
        client_config.replace(max_version=ProtocolVersion.TLSv1_2), server_config
    )
    connection = client.transport.connection
    assert isinstance(connection._reader.opener, Opener12)
    connection.rest()
    client.transport.write(b"data")
    assert await server.received(4) == b"data"
    await closed(client, server)


class Patient:
    """Counts its visits."""

    visits = 0

    def visit(self) -> None:
        self.visits += 1


async def test_rounds_come_to_everyone_and_end_with_the_last() -> None:
    loop, rounds = asyncio.get_running_loop(), Rounds()
    patients = [Patient() for _ in range(2 * PORTION + 2)]
    for patient in patients:
        rounds.join(loop, patient, 0.001)
    await until(lambda: all(patient.visits >= 3 for patient in patients))
    patients.clear()
    del patient
    await until(lambda: not rounds._running)
    late = Patient()
    rounds.join(loop, late, 0.001)
    await until(lambda: late.visits)
