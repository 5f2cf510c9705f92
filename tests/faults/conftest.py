"""Configurations, and the count of what is left when all is over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from aiotls import ClientConfig, ServerConfig, TLSConnection
from aiotls.phases import Phase
from aiotls.transport import TLSTransport
from tests import certificates

OURS = (TLSConnection, TLSTransport, Phase)


@pytest.fixture
def client_config() -> ClientConfig:
    return ClientConfig(trust=certificates.authority().trust, session_cache=None)


@pytest.fixture
def server_config() -> ServerConfig:
    return ServerConfig(identity=certificates.leaf("localhost").identity)


def descriptors() -> int:
    """How many files this process has open; 0 where no one can tell."""
    where = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    return len(os.listdir(where)) if os.path.isdir(where) else 0


def ours() -> list[Any]:
    """Connections, transports and phases that are still alive, once the garbage is gone."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, OURS)]


@pytest_asyncio.fixture
async def nothing_left() -> AsyncIterator[Callable[[], Any]]:
    """Holds a test to leaving no task, no socket, no timer and no object of ours behind.

    A timer or a task that is left holds the connection that it is for, so those are counted.
    What reaches the loop's exception handler fails the test as well.
    """
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    tasks = asyncio.all_tasks()
    await _warm_up()
    before, files = len(ours()), descriptors()

    async def settled() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while True:
                    await asyncio.sleep(0.01)
                    extra = asyncio.all_tasks() - tasks - {asyncio.current_task()}
                    if not extra and descriptors() <= files and len(ours()) <= before:
                        break
        extra = asyncio.all_tasks() - tasks - {asyncio.current_task()}
        assert not extra, [task.get_coro() for task in extra]
        left = ours()
        assert len(left) <= before, (left, [_holders(thing) for thing in left])
        assert descriptors() <= files, "a file is still open"
        assert not complaints, [
            (c["message"], "".join(traceback.format_exception(c.get("exception"))))
            for c in complaints
        ]

    yield settled
    await settled()
    loop.set_exception_handler(None)


async def _warm_up() -> None:
    """A plain connection: a loop opens files of its own when it first needs them."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    writer.close()
    await writer.wait_closed()
    server.close()
    await asyncio.sleep(0.05)


def _holders(thing: Any) -> list[str]:
    return [f"{type(holder).__name__}: {holder!r:.200}" for holder in gc.get_referrers(thing)][:6]
