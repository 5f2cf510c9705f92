"""Hooks of the application's that raise, at once or later, or that never return."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, ServerConfig
from aiotls.config import ClientAuth
from aiotls.sessions import MemorySessionCache, TicketKeyRing
from tests import certificates
from tests.asyncio_face.peers import HOST, echo, port_of, until

pytestmark = pytest.mark.asyncio
Settled = Callable[[], Awaitable[None]]


class Broken(Exception):
    """What a hook raises."""


def raises(*_: Any) -> Any:
    raise Broken("a hook failed")


async def raises_later(*_: Any) -> Any:
    await asyncio.sleep(0.001)
    raise Broken("a hook failed later")


async def never(*_: Any) -> Any:
    await asyncio.get_running_loop().create_future()


def nonsense(*_: Any) -> Any:
    return 42


class _Any:
    """An object whose every method is the one hook."""

    def __init__(self, hook: Any) -> None:
        self.put = self.take = self.seal = self.open = self.first_time = hook


def _signer(hook: Any) -> Any:
    issued = certificates.leaf("localhost")

    class Signer:
        schemes = issued.identity.schemes
        sign = staticmethod(hook)

    return aiotls.Identity(issued.chain, Signer())


SERVER_HOOKS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "select": lambda hook: {"select": hook},
    "staple": lambda hook: {"staple": hook},
    "verify": lambda hook: {
        "verify": hook,
        "trust": certificates.authority().trust,
        "client_auth": ClientAuth.REQUIRED,
    },
    "tickets": lambda hook: {"ticket_keys": _Any(hook)},
    "store": lambda hook: {"session_store": _Any(hook), "ticket_keys": None},
    "psk": lambda hook: {"psk": hook},
}
CLIENT_HOOKS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "verify": lambda hook: {"verify": hook},
    "select_identity": lambda hook: {"select_identity": hook},
    "cache": lambda hook: {"session_cache": _Any(hook)},
}


async def _try(client: ClientConfig, server: ServerConfig) -> BaseException | None:
    listener = await aiotls.start_server(
        echo, HOST, 0, ssl=server, ssl_handshake_timeout=0.2, ssl_shutdown_timeout=0.05
    )
    writer = None
    try:
        async with asyncio.timeout(2):
            reader, writer = await aiotls.open_connection(
                HOST,
                port_of(listener),
                ssl=client,
                server_hostname="localhost",
                ssl_handshake_timeout=0.2,
                ssl_shutdown_timeout=0.05,
            )
            writer.write(b"x")
            await reader.readexactly(1)
    except (OSError, asyncio.IncompleteReadError) as error:
        return error.with_traceback(None)
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        listener.close()
    return None


HOOKS = pytest.mark.parametrize("hook", [raises, raises_later, never, nonsense])


@HOOKS
@pytest.mark.parametrize("kind", SERVER_HOOKS)
async def test_a_server_outlives_its_hooks(
    kind: str,
    hook: Any,
    client_config: ClientConfig,
    server_config: ServerConfig,
    nothing_left: Settled,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "aiotls")
    client = client_config.replace(identity=certificates.leaf("client").identity)
    cache = MemorySessionCache()
    if kind in ("tickets", "store"):
        client = client.replace(session_cache=cache)
        good = server_config.replace(ticket_keys=TicketKeyRing())
        assert await _try(client, good) is None
    await _try(client, server_config.replace(**SERVER_HOOKS[kind](hook)))
    assert await _try(client_config, server_config) is None
    traces = [record.getMessage() for record in caplog.records if record.exc_info]
    assert not traces, "a traceback for what a handshake came to"
    caplog.clear()
    del cache, client
    await nothing_left()


@HOOKS
async def test_a_server_outlives_its_signer(
    hook: Any, client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    server = server_config.replace(identity=_signer(hook))
    assert await _try(client_config, server) is not None


@HOOKS
@pytest.mark.parametrize("kind", CLIENT_HOOKS)
async def test_a_client_outlives_its_hooks(
    kind: str,
    hook: Any,
    client_config: ClientConfig,
    server_config: ServerConfig,
    nothing_left: Settled,
) -> None:
    server = server_config.replace(
        trust=certificates.authority().trust, client_auth=ClientAuth.OPTIONAL
    )
    error = await _try(client_config.replace(**CLIENT_HOOKS[kind](hook)), server)
    if kind == "verify" and hook is not nonsense:
        assert error is not None


async def _hang(client: ClientConfig, server: ServerConfig, patient: str) -> BaseException | None:
    """What a client comes to where the side that is not *patient* has a hook that hangs."""
    waits = {"client": 0.3, "server": 0.3} | {patient: 30.0}
    listener = await aiotls.start_server(
        echo, HOST, 0, ssl=server, ssl_handshake_timeout=waits["server"]
    )
    writer = None
    try:
        reader, writer = await aiotls.open_connection(
            HOST,
            port_of(listener),
            ssl=client,
            server_hostname="localhost",
            ssl_handshake_timeout=waits["client"],
        )
        async with asyncio.timeout(30):
            await reader.read()  # in TLS 1.3 a server may refuse a client that is done already
    except OSError as error:
        return error.with_traceback(None)
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        listener.close()
    return None


@pytest.mark.parametrize("kind", SERVER_HOOKS)
async def test_a_client_is_told_of_a_servers_hook_that_hangs(
    kind: str, client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """internal_error, and no silence: the client has done its part."""
    client = client_config.replace(
        identity=certificates.leaf("client").identity, session_cache=MemorySessionCache()
    )
    if kind == "psk":
        client = client.replace(psks=[aiotls.ExternalPsk(b"a key", bytes(32))])
    server = server_config.replace(**SERVER_HOOKS[kind](never))
    error = await _hang(client, server, "client")
    assert isinstance(error, aiotls.AlertReceived), error
    assert error.alert == aiotls.Alert.INTERNAL_ERROR


@pytest.mark.parametrize("kind", CLIENT_HOOKS)
async def test_a_server_is_told_of_a_clients_hook_that_hangs(
    kind: str,
    client_config: ClientConfig,
    server_config: ServerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "aiotls")
    server = server_config.replace(
        trust=certificates.authority().trust, client_auth=ClientAuth.OPTIONAL
    )
    error = await _hang(client_config.replace(**CLIENT_HOOKS[kind](never)), server, "server")
    assert isinstance(error, ConnectionAbortedError), error
    assert "hook" in str(error)
    assert isinstance(error.__cause__, TimeoutError)
    await until(lambda: any("internal_error" in r.getMessage() for r in caplog.records))


@pytest.mark.parametrize("kind", ["select", "verify", "psk"])
async def test_a_hook_that_never_returns_ends_with_the_handshake_s_time(
    kind: str,
    client_config: ClientConfig,
    server_config: ServerConfig,
    nothing_left: Settled,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ssl_handshake_timeout holds for what the application awaits, too."""
    caplog.set_level(logging.WARNING, "aiotls")
    client = client_config.replace(
        identity=certificates.leaf("client").identity,
        psks=[aiotls.ExternalPsk(b"device 17", bytes(range(32)))] if kind == "psk" else [],
    )
    error = await _try(client, server_config.replace(**SERVER_HOOKS[kind](never)))
    assert isinstance(error, (OSError, asyncio.IncompleteReadError))
    del error
    async with asyncio.timeout(20):
        while not any("not complete after 0.2 seconds" in line for line in caplog.messages):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await nothing_left()


@pytest.mark.parametrize("kind", ["server's select", "server's verify", "client's verify"])
async def test_a_hook_that_never_returns_ends_with_the_time_of_who_drives_the_handshake(
    kind: str, client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """do_handshake has no time limit of its own: its caller's ends it, and the peer is not kept."""
    side, _, hook = kind.partition("'s ")
    client = client_config.replace(identity=certificates.leaf("client").identity)
    server = server_config
    if side == "server":
        server = server.replace(**SERVER_HOOKS[hook](never))
    else:
        client = client.replace(**CLIENT_HOOKS[hook](never))
    ends = {
        "client": aiotls.TLSConnection(client, "localhost"),
        "server": aiotls.TLSConnection(server),
    }
    other = "client" if side == "server" else "server"
    socks = dict(zip(("client", "server"), socket.socketpair(), strict=True))
    for sock in socks.values():
        sock.setblocking(False)

    async def patient() -> None:
        await aiotls.do_handshake(ends[other], socks[other])
        # In TLS 1.3 a client is done before a server has judged it: its end is told later.
        data = await asyncio.get_running_loop().sock_recv(socks[other], 1)
        assert not data, "a server that is not done has sent something"
        ends[other].receive_eof()

    waiting = asyncio.create_task(patient())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await aiotls.do_handshake(ends[side], socks[side])
    assert not ends[side].handshake_complete
    assert not waiting.done()
    socks[side].close()
    with pytest.raises(OSError):  # noqa: PT011
        await asyncio.wait_for(waiting, 30)
    socks[other].close()
    del waiting
    ends.clear()
    await nothing_left()


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("kind", ["select", "verify"])
async def test_a_hook_that_blocks_is_told_of_by_the_loop(
    kind: str,
    client_config: ClientConfig,
    server_config: ServerConfig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A plain function has the event loop for itself: asyncio's debug mode says which took long."""

    def blocks(*_: Any) -> None:
        time.sleep(0.05)

    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.04
    try:
        client = client_config.replace(identity=certificates.leaf("client").identity)
        await _try(client, server_config.replace(**SERVER_HOOKS[kind](blocks)))
    finally:
        loop.set_debug(False)
    slow = [r.getMessage() for r in caplog.records if r.name == "asyncio" and "took" in r.msg]
    assert any("phases.py" in line for line in slow), slow
