"""Sessions over several server processes, by a real Redis."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aiotls
from tests import certificates

redis = pytest.importorskip("redis.asyncio", reason="the package redis is not installed")

pytestmark = [pytest.mark.interop]

SERVER = """
import asyncio, sys
import aiotls, redis.asyncio
from aiotls.contrib.redis import RedisReplayGuard, RedisSessionStore, RedisTicketKeys

async def handle(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()

async def main(port, pem, kind):
    client = redis.asyncio.Redis(port=port)
    more = {"ticket_keys": RedisTicketKeys(client)}
    if kind == "store":
        more = {"session_store": RedisSessionStore(client)}
    config = aiotls.ServerConfig(
        identity=aiotls.Identity.from_files(pem),
        max_early_data=1000,
        replay_guard=RedisReplayGuard(client),
        **more,
    )
    server = await aiotls.start_server(handle, "127.0.0.1", 0, ssl=config)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        cwd=tmp_path_factory.mktemp("redis"),
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def servers(
    request: pytest.FixtureRequest, redis_port: int, tmp_path: Path
) -> Iterator[tuple[int, int]]:
    issued = certificates.leaf("localhost")
    pem = tmp_path / "server.pem"
    pem.write_bytes(issued.chain_pem)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SERVER, str(redis_port), str(pem), request.param],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        ports = []
        for process in processes:
            assert process.stdout is not None
            ports.append(int(process.stdout.readline()))
        yield ports[0], ports[1]
    finally:
        for process in processes:
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("servers", ["tickets", "store"], indirect=True)
async def test_two_processes_resume_each_others_sessions(servers: tuple[int, int]) -> None:
    config = aiotls.ClientConfig(trust=certificates.authority().trust)
    resumed = []
    for port in (servers[0], servers[1], servers[0], servers[1]):
        reader, writer = await aiotls.open_connection(
            "127.0.0.1", port, ssl=config, server_hostname="localhost"
        )
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        connection = writer.transport.connection  # type: ignore[attr-defined]
        resumed.append(connection.established.resumed)
        writer.close()
        await writer.wait_closed()
    assert resumed == [False, True, True, True]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("servers", ["tickets", "store"], indirect=True)
def test_openssl_resumes_at_the_other_process(
    servers: tuple[int, int], version: str, tmp_path: Path
) -> None:
    session = tmp_path / "session.pem"
    printed = [
        s_client(servers[0], version, "-sess_out", str(session)),
        s_client(servers[1], version, "-sess_in", str(session)),
    ]
    assert "New, TLSv1" in printed[0]
    assert "Reused, TLSv1" in printed[1]


def s_client(port: int, *options: str) -> str:
    """What s_client prints, which ends when one line has come back."""
    with subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("there and back\n")
        process.stdin.flush()
        printed = ""
        for line in process.stdout:
            printed += line
            if line == "there and back\n":
                break
        process.stdin.close()
        return printed + process.stdout.read()


@pytest.mark.asyncio
async def test_a_hello_is_new_once(redis_port: int) -> None:
    from aiotls.contrib.redis import RedisReplayGuard

    async with redis.Redis(port=redis_port) as client:
        guards = [RedisReplayGuard(client), RedisReplayGuard(client)]
        token = os.urandom(32)
        answers = await asyncio.gather(*[guard.first_time(token, 20) for guard in guards * 5])
        assert sorted(answers) == [False] * 9 + [True]


@pytest.mark.asyncio
async def test_a_session_is_taken_once(redis_port: int) -> None:
    from aiotls.contrib.redis import RedisSessionStore

    async with redis.Redis(port=redis_port) as client:
        store = RedisSessionStore(client)
        await store.put(b"number", b"state", 60)
        answers = await asyncio.gather(*[store.take(b"number") for _ in range(5)])
        assert sorted(filter(None, answers)) == [b"state"]


@pytest.mark.asyncio
async def test_no_ticket_dies_at_a_rotation(redis_port: int) -> None:
    from aiotls.contrib.redis import RedisTicketKeys

    async with redis.Redis(port=redis_port) as client:
        options: dict[str, Any] = {
            "prefix": "rotating",
            "rotation": 0.6,
            "overlap": 60,
            "spread": 0.05,
        }
        rings = [RedisTicketKeys(client, **options) for _ in range(2)]
        tickets = []
        for number in range(6):
            ring = rings[number % 2]
            tickets.append((await ring.seal(b"%d" % number), b"%d" % number))
            await asyncio.sleep(0.3)
        for ticket, state in tickets:
            for ring in rings:
                assert await ring.open(ticket) == state
        assert len({ticket[:16] for ticket, _ in tickets}) > 1
        assert await rings[0].open(b"forged" * 20) is None


@pytest.mark.asyncio
async def test_a_client_that_decodes_is_refused(redis_port: int) -> None:
    from aiotls.contrib.redis import RedisTicketKeys

    async with redis.Redis(port=redis_port, decode_responses=True) as client:
        with pytest.raises(aiotls.UsageError):
            RedisTicketKeys(client)
