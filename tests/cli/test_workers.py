"""serve --workers: several processes, one port, common ticket keys."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import aiotls as package
from aiotls.cli.authority import Authority
from aiotls.sessions import MemorySessionCache, Session

from .conftest import Files, Run, Served

Serve = Callable[..., Served]

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or not hasattr(socket, "SO_REUSEPORT"), reason="POSIX"
)

WORKERS = 3


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve("--echo", "--workers", str(WORKERS))


def workers_of(served: Served) -> set[int]:
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(served.process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return {int(word) for word in done.stdout.split()}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.05)


async def connect(port: int, config: package.ClientConfig) -> bool:
    """Whether a connection that echoes was resumed."""
    reader, writer = await package.open_connection("127.0.0.1", port, ssl=config)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    resumed: bool = writer.get_extra_info("tls")["resumed"]
    writer.close()
    await writer.wait_closed()
    return resumed


def answering(said: str) -> set[str]:
    return set(re.findall(r"^\[(\d+)\] 127\.0\.0\.1:", said, re.MULTILINE))


@pytest.mark.asyncio
async def test_sessions_go_on_at_any_of_them(served: Served, files: Files) -> None:
    assert f"by {WORKERS} workers" in served.first
    config = package.ClientConfig(trust=files.authority.trust())
    assert [await connect(served.port, config) for _ in range(30)] == [False] + [True] * 29
    code, said = await asyncio.to_thread(served.stop)
    assert code == 0
    assert len(answering(said)) > 1, "one worker had all connections"
    assert "Traceback" not in said


@pytest.mark.asyncio
async def test_a_reload_reaches_all_of_them(served: Served, files: Files) -> None:
    other = Authority.create("another CA")
    issued = other.issue("127.0.0.1")
    paths = [Path(files.cert), Path(files.key)]
    before = [path.read_bytes() for path in paths]
    old = package.ClientConfig(trust=files.authority.trust(), session_cache=None)
    new = package.ClientConfig(trust=other.trust(), session_cache=None)
    reader, writer = await package.open_connection("127.0.0.1", served.port, ssl=old)
    try:
        for path, data in zip(paths, (issued.chain_pem, issued.key_pem), strict=True):
            path.write_bytes(data)
        served.process.send_signal(signal.SIGHUP)
        in_a_row = 0
        async with asyncio.timeout(30):
            while in_a_row < 25:
                try:
                    await connect(served.port, new)
                except package.CertificateError:
                    in_a_row = 0
                else:
                    in_a_row += 1
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
    finally:
        for path, data in zip(paths, before, strict=True):
            path.write_bytes(data)
        writer.close()
    code, said = await asyncio.to_thread(served.stop)
    assert code == 0
    assert set(re.findall(r"\[(\d)\] certificates reloaded", said)) == {"1", "2", "3"}


@pytest.mark.asyncio
async def test_one_that_dies_is_noticed_and_replaced(served: Served, files: Files) -> None:
    config = package.ClientConfig(trust=files.authority.trust())
    assert not await connect(served.port, config)
    before = workers_of(served)
    assert len(before) == WORKERS
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(workers_of(served) - before) == 1)
    # The session of before is known to the new one, too.
    assert all([await connect(served.port, config) for _ in range(10)])
    code, said = await asyncio.to_thread(served.stop)
    assert code == 0
    assert f"(process {victim}) ended by SIGKILL" in said
    assert "is started again" in said


class Noting(MemorySessionCache):
    """Keeps in mind under which keys the tickets were sealed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[bytes] = []

    def put(self, key: bytes, session: Session) -> None:
        self.names.append(session.ticket[:16])
        super().put(key, session)


@pytest.mark.asyncio
async def test_the_ticket_keys_turn_for_all_of_them(served: Served, files: Files) -> None:
    """By the parent's timer, whose signal comes early here; and no session dies of it."""
    cache = Noting()
    config = package.ClientConfig(trust=files.authority.trust(), session_cache=cache)
    assert [await connect(served.port, config) for _ in range(10)] == [False] + [True] * 9
    assert len(set(cache.names)) == 1, "one key for all workers"
    old = cache.names[0]
    served.process.send_signal(signal.SIGALRM)
    in_a_row = 0
    async with asyncio.timeout(30):
        while in_a_row < 25:  # each of the workers has been met by then
            assert await connect(served.port, config)
            in_a_row = 0 if cache.names[-1] == old else in_a_row + 1
    assert len(set(cache.names)) == 2, "one new key for all workers"


@pytest.mark.asyncio
async def test_one_that_does_not_end_is_made_to(served: Served) -> None:
    workers = workers_of(served)
    os.kill(min(workers), signal.SIGSTOP)  # it hears no SIGTERM any more
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(served.process.wait, 30) == 0
    assert not any(alive(pid) for pid in workers)


@pytest.mark.asyncio
async def test_they_share_a_port_of_ipv6(serve: Serve, files: Files) -> None:
    served = serve("--echo", "--workers", "2", "--host", "::1")
    assert "[::1]:" in served.first
    config = package.ClientConfig(trust=files.authority.trust())
    for _ in range(6):
        reader, writer = await package.open_connection(
            "::1", served.port, ssl=config, server_hostname="localhost"
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()


@pytest.mark.asyncio
async def test_sigterm_ends_them_all(served: Served) -> None:
    workers = workers_of(served)
    assert len(workers) == WORKERS
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(served.process.wait, 20) == 0
    assert not any(alive(pid) for pid in workers)


@pytest.mark.asyncio
async def test_none_outlives_its_parent(served: Served) -> None:
    workers = workers_of(served)
    assert len(workers) == WORKERS
    served.process.kill()
    await until(lambda: not any(alive(pid) for pid in workers))


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has collected does not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(done.stdout.strip()) and not done.stdout.lstrip().startswith("Z")


@pytest.mark.parametrize("count", ["0", "-1", "1000"])
def test_a_number_that_cannot_be(aiotls: Run, files: Files, count: str) -> None:
    done = aiotls("serve", "--echo", "--cert", files.cert, "--key", files.key, "--workers", count)
    assert done.returncode == 2
    assert "--workers is 1 to 256" in done.stderr


def test_a_port_that_is_in_use(aiotls: Run, files: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = aiotls(
            *("serve", "--echo", "--cert", files.cert, "--key", files.key),
            *("--workers", "2", "--port", port),
        )
    assert done.returncode == 2
    assert "the port is in use" in done.stderr


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]], ids=["one", "two"])
def test_a_port_that_other_workers_share_is_in_use(
    aiotls: Run, served: Served, files: Files, workers: list[str]
) -> None:
    """SO_REUSEPORT would let another server in, and deal out the clients to both."""
    done = aiotls(
        *("serve", "--echo", "--cert", files.cert, "--key", files.key),
        *("--port", str(served.port), *workers),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("aiotls: the port is in use")
    assert done.stdout == ""
