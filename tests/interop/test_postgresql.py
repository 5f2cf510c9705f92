"""PostgreSQL, which asks for TLS in its own words first, with each version."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import aiotls
from aiotls.enums import ProtocolVersion
from tests.dropin.engines import Files
from tests.dropin.services import postgresql

from . import ours
from .peer import HOST, PATIENCE, missing_programs
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


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("version", [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3])
async def test_its_client_verifies_a_server_of_ours(version: ProtocolVersion, pki: PKI) -> None:
    """psql, with libpq: what it says in the end has come through TLS."""
    if reason := missing_programs("psql"):
        refuse = pytest.fail if os.environ.get("AIOTLS_REQUIRE_PEERS") else pytest.skip
        refuse(reason)
    config = aiotls.ServerConfig(identity=pki.server_identity())
    told: list[Any] = []
    refusal = b"SFATAL\0VFATAL\0C28000\0Mnobody is at home\0\0"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == SSL_REQUEST
        writer.write(b"S")
        await aiotls.start_tls(writer, config, server_side=True)
        told.append(writer.get_extra_info("tls")["version"])
        size = int.from_bytes(await reader.readexactly(4), "big")
        told.append(await reader.readexactly(size - 4))
        writer.write(b"E" + struct.pack(">i", len(refusal) + 4) + refusal)
        await ours.close(writer)

    server = await asyncio.start_server(handle, HOST, 0)
    async with server:
        number = version.title.replace("TLS ", "TLSv")
        target = (
            f"host=localhost hostaddr={HOST} port={server.sockets[0].getsockname()[1]} "
            f"user=tester dbname=postgres sslmode=verify-full sslrootcert={pki.trust_file} "
            f"ssl_min_protocol_version={number} ssl_max_protocol_version={number} "
            "gssencmode=disable"
        )
        done = await asyncio.to_thread(
            subprocess.run,
            ["psql", "--no-password", "--command", "select 1", target],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert b"nobody is at home" in done.stderr
    assert told[0] == version.title
    assert b"user\0tester\0" in told[1]


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
