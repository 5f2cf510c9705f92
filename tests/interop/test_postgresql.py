"""PostgreSQL, which asks for TLS in its own words first, with each version."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator

import pytest

import aiotls
from aiotls.enums import ProtocolVersion
from tests.dropin.engines import Files
from tests.dropin.services import postgresql

from . import ours
from .peer import HOST, PATIENCE
from .pki import PKI

SSL_REQUEST = struct.pack(">ii", 8, 80877103)
STARTUP = b"user\0tester\0database\0postgres\0\0"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgresql(Files(tmp_path_factory.mktemp("postgresql"))) as number:
        yield number


STARTING = b"C57P03\0"
"""cannot_connect_now: it listens a moment before it takes anybody in."""


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.timeout(240)
@pytest.mark.parametrize("version", [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3])
async def test_a_session_of_the_database(port: int, version: ProtocolVersion, pki: PKI) -> None:
    config = aiotls.ClientConfig(trust=pki.trust, max_version=version)
    async with asyncio.timeout(PATIENCE):
        answer = await log_in(port, config, version)
        for _ in range(600):
            if STARTING not in answer:
                break
            await asyncio.sleep(0.05)
            answer = await log_in(port, config, version)
    assert answer == b"R" + struct.pack(">ii", 8, 0)  # AuthenticationOk


async def log_in(port: int, config: aiotls.ClientConfig, version: ProtocolVersion) -> bytes:
    """The database's first message over TLS."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(SSL_REQUEST)
        assert await reader.readexactly(1) == b"S"
        await aiotls.start_tls(writer, config, server_hostname="localhost")
        assert writer.get_extra_info("tls")["version"] == version.title
        writer.write(struct.pack(">ii", len(STARTUP) + 8, 3 << 16) + STARTUP)
        head = await reader.readexactly(5)
        return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
    finally:
        await ours.close(writer)
