"""A program of its own for what no test may do to its process: fork, and be struck by signals.

python -m tests.faults.program WHAT LOOP
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from typing import Any

import aiotls
from aiotls import ClientConfig, ServerConfig
from tests import certificates
from tests.asyncio_face.peers import HOST, echo, port_of

logging.getLogger("aiotls").setLevel(logging.ERROR)  # lines for handshakes that fail are meant
CLIENT = ClientConfig(trust=certificates.authority().trust)
SERVER = ServerConfig(identity=certificates.leaf("localhost").identity)


async def _exchange(port: int, size: int) -> None:
    reader, writer = await aiotls.open_connection(
        HOST, port, ssl=CLIENT, server_hostname="localhost"
    )
    try:
        writer.write(bytes(size))
        assert await reader.readexactly(size) == bytes(size)
    finally:
        writer.close()
    await writer.wait_closed()


async def interrupted() -> None:
    """A handshake with a server that says nothing, in which SIGINT arrives."""
    with socket.create_server((HOST, 0)) as silent:  # the kernel accepts, and no one else
        connecting = asyncio.create_task(_exchange(silent.getsockname()[1], 1))
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await connecting
        finally:
            print("the handshake was cancelled:", connecting.cancelled(), flush=True)


async def terminated() -> None:
    """SIGTERM, which the application turns into the end of everything, in many handshakes."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    server = await aiotls.start_server(echo, HOST, 0, ssl=SERVER)
    tasks = [asyncio.create_task(_exchange(port_of(server), 10_000)) for _ in range(20)]
    await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await ending.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    server.close()
    await asyncio.sleep(0.3)
    print("left:", len(asyncio.all_tasks()) - 1, flush=True)


async def showered() -> None:
    """Signals without end, with handlers in Python, while connections come and go."""
    caught = []
    signal.signal(signal.SIGALRM, lambda *_: caught.append(1))
    server = await aiotls.start_server(echo, HOST, 0, ssl=SERVER)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    for _ in range(20):
        await asyncio.gather(*(_exchange(port_of(server), 100_000) for _ in range(3)))
    signal.setitimer(signal.ITIMER_REAL, 0)
    server.close()
    print("signals:", len(caught) > 10, flush=True)


async def forked() -> None:
    """A child that is forked in the middle of a connection, and another that makes its own."""
    server = await aiotls.start_server(echo, HOST, 0, ssl=SERVER)
    reader, writer = await aiotls.open_connection(
        HOST, port_of(server), ssl=CLIENT, server_hostname="localhost"
    )
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    child = os.fork()
    if not child:
        os._exit(0)  # as subprocess does when it cannot exec: no word on the parent's sockets
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222
    writer.write(b"after")
    assert await reader.readexactly(5) == b"after"
    writer.close()
    await writer.wait_closed()
    server.close()
    print("the connection outlived the fork", flush=True)


async def serving() -> None:
    """A server and a client in one child, from configurations that the parent made and used."""
    server = await aiotls.start_server(echo, HOST, 0, ssl=SERVER)
    await _exchange(port_of(server), 1000)
    await _exchange(port_of(server), 1000)
    server.close()


def factory(loop: str) -> Any:
    if loop == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.SelectorEventLoop


def main(what: str, loop: str) -> None:
    if what == "prefork":  # the workers of a server, as uvicorn and hypercorn have them
        with asyncio.Runner(loop_factory=factory(loop)) as runner:
            runner.run(serving())
        children = []
        for _ in range(3):
            child = os.fork()
            if not child:
                code = 1
                with (
                    contextlib.suppress(Exception),
                    asyncio.Runner(loop_factory=factory(loop)) as runner,
                ):
                    runner.run(serving())
                    code = 0
                os._exit(code)
            children.append(child)
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
        return
    life = {
        "interrupted": interrupted,
        "terminated": terminated,
        "showered": showered,
        "forked": forked,
    }[what]
    with asyncio.Runner(loop_factory=factory(loop)) as runner:
        runner.run(life())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("KeyboardInterrupt", flush=True)
