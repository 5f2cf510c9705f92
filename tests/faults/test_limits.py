"""No more file descriptors, full buffers, and an event loop that ends in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, ServerConfig
from tests.asyncio_face.peers import HOST, Recorder, echo, port_of, until
from tests.faults.conftest import descriptors, ours

Settled = Callable[[], Awaitable[None]]


# -- file descriptors ------------------------------------------------------------------------------


@contextlib.contextmanager
def no_more_files(spare: int) -> Iterator[list[int]]:
    """This process can open *spare* files and not one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    # Low enough that all can be taken, above what any event loop may have open now.
    limit = max(map(int, os.listdir("/dev/fd"))) + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(spare):
            os.close(taken.pop())
        yield taken
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.asyncio
async def test_a_client_without_file_descriptors(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    server = await aiotls.start_server(echo, HOST, 0, ssl=server_config)
    with no_more_files(0):
        for _ in range(10):
            with pytest.raises(OSError, match="Too many open files") as caught:
                await aiotls.open_connection(
                    HOST, port_of(server), ssl=client_config, server_hostname="localhost"
                )
            assert caught.value.errno == errno.EMFILE
            del caught
    await _works(client_config, port_of(server))
    server.close()
    await nothing_left()


@pytest.mark.asyncio
async def test_a_server_without_file_descriptors(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """It turns away or lets wait whom it cannot accept, and goes on when it can."""
    server = await aiotls.start_server(echo, HOST, 0, ssl=server_config)
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda *_: None)  # asyncio's own words on its accept()
    with no_more_files(1):
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (HOST, port_of(server)))
            await asyncio.sleep(0.05)
            sock.send(b"\x16\x03\x01")
    await _works(client_config, port_of(server))
    loop.set_exception_handler(handler)
    server.close()
    await nothing_left()


async def _works(config: ClientConfig, port: int) -> None:
    reader, writer = await aiotls.open_connection(
        HOST, port, ssl=config, server_hostname="localhost"
    )
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    writer.close()
    await writer.wait_closed()


# -- full buffers ----------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["close", "abort", "write_eof", "cancel", "reset"])
async def test_a_peer_that_takes_nothing(
    end: str, client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """What cannot leave does not keep the connection alive."""
    peers: list[Any] = []

    def deaf() -> Recorder:
        peer = Recorder()
        peers.append(peer)
        return peer

    server = await aiotls.create_server(deaf, HOST, 0, ssl=server_config, ssl_shutdown_timeout=0.05)
    reader, writer = await aiotls.open_connection(
        HOST,
        port_of(server),
        ssl=client_config,
        server_hostname="localhost",
        ssl_shutdown_timeout=0.05,
    )
    await until(lambda: peers and "made" in peers[0].events)
    peers[0].transport.pause_reading()
    transport: Any = writer.transport
    while transport.get_write_buffer_size() < 1 << 20:
        writer.write(bytes(1 << 18))
        await asyncio.sleep(0)
    waiting = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    if end == "cancel":
        waiting.cancel()
        writer.close()
    elif end == "reset":
        peers[0].transport.abort()
    else:
        getattr(transport, end)()
        if end == "write_eof":
            writer.close()
    await asyncio.wait([waiting])
    if not waiting.cancelled():
        waiting.exception()  # whether drain() fails or returns is asyncio's to say
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    for peer in peers:
        peer.transport.abort()
        await peer.lost
    with contextlib.suppress(OSError):
        await reader.read()
    server.close()
    peers.clear()
    del reader, writer, transport, waiting, peer
    await nothing_left()


# -- an upgrade that is cancelled, on the server's side --------------------------------------------


@pytest.mark.asyncio
@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["start_tls", "connect_accepted_socket"])
async def test_a_server_s_upgrade_may_be_cancelled_anywhere(
    way: str, client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    finished = False
    for turns in range(1, 200):
        finished = await _cancelled_upgrade(turns, way, client_config, server_config)
        if finished and turns > 3:
            break
    assert finished
    await nothing_left()


async def _cancelled_upgrade(
    turns: int, way: str, client_config: ClientConfig, server_config: ServerConfig
) -> bool:
    """Whether it was done before it was cancelled."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    writer = None
    if way == "start_tls":
        _, writer = await asyncio.open_connection(sock=here)

    async def upgrade() -> None:
        if writer is None:
            transport, _ = await aiotls.connect_accepted_socket(
                Recorder, here, ssl=server_config, ssl_shutdown_timeout=0.05
            )
            transport.abort()
            return
        try:
            await aiotls.start_tls(
                writer, server_config, server_side=True, ssl_shutdown_timeout=0.05
            )
        finally:
            writer.transport.abort()

    task = loop.create_task(upgrade())
    client = loop.create_task(
        aiotls.create_connection(
            Recorder,
            sock=there,
            ssl=client_config,
            server_hostname="localhost",
            ssl_shutdown_timeout=0.05,
        )
    )
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0.0005 if turns > 40 else 0)
    finished = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, OSError):
        await task
    with contextlib.suppress(OSError):
        transport, _ = await asyncio.wait_for(client, 20)
        transport.abort()
    return finished


# -- the end of the loop ---------------------------------------------------------------------------


def _loops() -> dict[str, Any]:
    factories: dict[str, Any] = {"asyncio": asyncio.SelectorEventLoop}
    try:
        import uvloop
    except ImportError:
        return factories
    return {**factories, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", _loops())
@pytest.mark.parametrize("hooks", [False, True], ids=["no hooks", "hooks"])
def test_a_loop_that_ends_in_the_middle_of_handshakes(
    loop: str, hooks: bool, client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """asyncio.run() cancels what still runs; nothing of ours is left over from that."""
    begun: list[int] = []

    async def slowly(*_: Any) -> None:
        begun.append(1)
        await asyncio.sleep(3600)

    if hooks:
        client_config = client_config.replace(verify=slowly)

    async def client(port: int) -> None:
        await aiotls.open_connection(HOST, port, ssl=client_config, server_hostname="localhost")

    async def main() -> None:
        def silent() -> Any:
            begun.append(1)
            return asyncio.Protocol()

        if hooks:  # the server answers, and the client's hook takes its time
            server = await aiotls.create_server(Recorder, HOST, 0, ssl=server_config)
        else:
            server = await asyncio.get_running_loop().create_server(silent, HOST, 0)
        tasks = [asyncio.ensure_future(client(port_of(server))) for _ in range(5)]
        await until(lambda: len(begun) == 5)
        server.close()
        assert not any(task.done() for task in tasks)

    with asyncio.Runner(loop_factory=_loops()[loop]) as runner:
        runner.run(asyncio.sleep(0))  # libuv opens files of its own with its first loop
    before, files = len(ours()), descriptors()
    complaints: list[Any] = []
    with asyncio.Runner(loop_factory=_loops()[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(main())
        runner.run(asyncio.sleep(0.1))
    del runner
    gc.collect()
    assert not complaints
    assert len(ours()) <= before
    assert descriptors() <= files
