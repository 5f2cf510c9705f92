"""Connecting, serving and upgrading, with asyncio's own signatures.

Each call has the loop make a plain transport, and puts TLS on top of it. That works the same
on every loop, and on transports that no loop knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .budget import HandshakeBudget, Slot, peer_label
from .callers import Accepted, Awaited, Entrance
from .config import ClientConfig, Config, ServerConfig
from .connection import TLSConnection
from .phases import HANDSHAKE_TIMEOUT
from .transport import SHUTDOWN_TIMEOUT, TLSTransport, check_timeout

P = TypeVar("P", bound=asyncio.BaseProtocol)


def config_of(ssl: Any, server_side: bool, call: str) -> tuple[Config, Any]:
    """The configuration that an ``ssl=`` argument stands for, and what the user knows it as.

    *call* is asyncio's function of the same name, for the message to those who want no TLS.
    Raises TypeError for what is neither a configuration nor a context of this package.
    """
    role, wanted = ("server", "ServerConfig") if server_side else ("client", "ClientConfig")
    if ssl is True and not server_side:
        ssl = ClientConfig()
    if isinstance(ssl, (ClientConfig, ServerConfig)):
        if isinstance(ssl, ServerConfig) is not server_side:
            raise TypeError(f"a {role} needs an aiotls.{wanted}, not a {type(ssl).__name__}")
        return ssl, ssl
    make = getattr(ssl, "_aiotls_config", None)
    if make is not None and not isinstance(ssl, type):
        return make(server_side), ssl
    if ssl is None or ssl is False:
        raise TypeError(
            f"ssl={ssl!r}: aiotls always speaks TLS; for a plain connection use asyncio.{call}"
        )
    if any(kind.__module__ == "ssl" and kind.__name__ == "SSLContext" for kind in type(ssl).mro()):
        raise TypeError(
            "an ssl.SSLContext belongs to OpenSSL and cannot be read by aiotls: give an "
            f"aiotls.{wanted}, or build the same context from aiotls.ssl.SSLContext"
        )
    raise TypeError(f"a {role} needs an aiotls.{wanted}, not {ssl!r}")


# -- clients ---------------------------------------------------------------------------------------


async def create_connection(
    protocol_factory: Callable[[], P],
    host: str | None = None,
    port: int | str | None = None,
    *,
    ssl: Any = True,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    early_data: bytes = b"",
    replay: bool = False,
    **kwds: Any,
) -> tuple[TLSTransport, P]:
    """Connects to a server, verified; returns the transport and the protocol.

    As ``loop.create_connection``, whose other keywords it takes (``sock``, ``family``,
    ``local_addr``, …). *ssl* is a :class:`ClientConfig`; True stands for the default one.
    *server_hostname* defaults to *host*. Both time-outs are in seconds.

    *early_data* goes ahead of the handshake (0-RTT, RFC 8446, section 2.3) when a session that
    *ssl* remembers allows it: only what may arrive twice, for who records it can send it again.
    With *replay* what did not go that way, or was not accepted, is sent after the handshake;
    without, ``connection.early_data_status`` of the transport tells what became of it.

    Raises what connecting raises; :exc:`TLSError` for a server that is refused or refuses;
    ConnectionAbortedError when *ssl_handshake_timeout* (60) is over, ConnectionResetError when
    the server hangs up in the handshake.
    """
    loop: Any = asyncio.get_running_loop()
    if server_hostname is None:
        if host is None and ssl is True:
            raise ValueError("server_hostname is needed when the server is not given as host")
        server_hostname = host
    handshake = _prepare(
        ssl,
        server_hostname,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
        early_data=early_data,
        replay=replay,
        call="create_connection",
    )
    await handshake.connected(
        loop.create_connection(lambda: handshake.serve(protocol_factory()), host, port, **kwds)
    )
    return handshake.transport, cast(P, handshake.protocol)


async def create_unix_connection(
    protocol_factory: Callable[[], P],
    path: str | None = None,
    *,
    ssl: Any = True,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    early_data: bytes = b"",
    replay: bool = False,
    **kwds: Any,
) -> tuple[TLSTransport, P]:
    """As :func:`create_connection`, to a Unix socket. *server_hostname* has no default here."""
    loop = asyncio.get_running_loop()
    handshake = _prepare(
        ssl,
        server_hostname,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
        early_data=early_data,
        replay=replay,
        call="create_unix_connection",
    )
    await handshake.connected(
        loop.create_unix_connection(lambda: handshake.serve(protocol_factory()), path, **kwds)
    )
    return handshake.transport, cast(P, handshake.protocol)


def _prepare(
    ssl: Any,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
    *,
    server_side: bool = False,
    upgrade: bool = False,
    early_data: bytes = b"",
    replay: bool = False,
    call: str,
) -> Awaited:
    """All that can be wrong with the arguments is found here, before anything is touched."""
    config, context = config_of(ssl, server_side, call)
    timeout, linger = _timeouts(handshake_timeout, shutdown_timeout)
    connection = TLSConnection(
        config, server_hostname or None, early_data=early_data, replay=replay
    )
    transport = TLSTransport(asyncio.get_running_loop(), connection, context, linger)
    return Awaited(transport, timeout, upgrade=upgrade)


def _timeouts(handshake: float | None, shutdown: float | None) -> tuple[float, float]:
    return (
        check_timeout("ssl_handshake_timeout", handshake, HANDSHAKE_TIMEOUT),
        check_timeout("ssl_shutdown_timeout", shutdown, SHUTDOWN_TIMEOUT),
    )


# -- servers ---------------------------------------------------------------------------------------


async def create_server(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    host: Any = None,
    port: int | str | None = None,
    *,
    ssl: Any,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    handshake_budget: HandshakeBudget | None = None,
    **kwds: Any,
) -> asyncio.Server:
    """Serves TLS; returns asyncio's server object.

    As ``loop.create_server``, whose other keywords it takes. *ssl* is a
    :class:`ServerConfig`. A client whose handshake fails costs one line in the log
    ``aiotls``; *protocol_factory* is called when a handshake is complete, or half a round trip
    sooner (:attr:`.ServerConfig.half_rtt`). *handshake_budget*
    bounds what clients may cost before that: ``HandshakeBudget()`` has limits for the open
    internet, and without one there are none but the time-out.
    """
    accept = _acceptor(
        protocol_factory,
        ssl,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
        handshake_budget,
        "create_server",
    )
    loop: Any = asyncio.get_running_loop()
    return cast(asyncio.Server, await loop.create_server(accept, host, port, **kwds))


async def create_unix_server(
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    path: str | None = None,
    *,
    ssl: Any,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    handshake_budget: HandshakeBudget | None = None,
    **kwds: Any,
) -> asyncio.Server:
    """As :func:`create_server`, on a Unix socket."""
    accept = _acceptor(
        protocol_factory,
        ssl,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
        handshake_budget,
        "create_unix_server",
    )
    return await asyncio.get_running_loop().create_unix_server(accept, path, **kwds)


async def connect_accepted_socket(
    protocol_factory: Callable[[], P],
    sock: Any,
    *,
    ssl: Any,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    handshake_budget: HandshakeBudget | None = None,
) -> tuple[TLSTransport, P]:
    """The server's side on a socket that was accepted elsewhere; as asyncio's.

    Raises ConnectionAbortedError, after closing *sock*, when *handshake_budget* has no room.
    """
    _check_budget(handshake_budget)
    loop = asyncio.get_running_loop()
    handshake = _prepare(
        ssl,
        None,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
        server_side=True,
        call="connect_accepted_socket",
    )
    if handshake_budget is not None:
        try:
            handshake.charge(_admit(handshake_budget, sock.getpeername()))
        except OSError:
            sock.close()
            raise
    await handshake.connected(
        loop.connect_accepted_socket(lambda: handshake.serve(protocol_factory()), sock)
    )
    return handshake.transport, cast(P, handshake.protocol)


def _acceptor(
    factory: Callable[[], asyncio.BaseProtocol],
    ssl: Any,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
    budget: HandshakeBudget | None,
    call: str,
) -> Callable[[], asyncio.BaseProtocol]:
    loop = asyncio.get_running_loop()
    config, context = config_of(ssl, True, call)
    timeout, linger = _timeouts(handshake_timeout, shutdown_timeout)

    def accept() -> Accepted:
        now = config if context is config else config_of(context, True, call)[0]
        return Accepted(TLSTransport(loop, TLSConnection(now), context, linger), timeout, factory)

    _check_budget(budget)
    return accept if budget is None else lambda: Entrance(budget, accept)


def _check_budget(budget: Any) -> None:
    if budget is not None and not isinstance(budget, HandshakeBudget):
        raise TypeError(f"handshake_budget is an aiotls.HandshakeBudget or None, not {budget!r}")


def _admit(budget: HandshakeBudget, peername: Any) -> Slot:
    """A part of *budget*. Raises ConnectionAbortedError if nothing is left of it."""
    slot = budget.admit(peername)
    if slot is None:
        raise ConnectionAbortedError(
            f"over the handshake budget, the connection with {peer_label(peername)} was closed"
        )
    return slot


# -- upgrading -------------------------------------------------------------------------------------


async def start_tls(
    transport: Any,
    protocol: Any = None,
    sslcontext: Any = None,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    handshake_budget: HandshakeBudget | None = None,
    early_data: bytes = b"",
    replay: bool = False,
) -> TLSTransport:
    """Upgrades a live connection to TLS; returns the transport to use from then on.

    As ``loop.start_tls``, for transports of any loop and for those of this package (TLS in
    TLS). *protocol* gets the data that comes over TLS; it is not told of a new connection.

    Bytes that a StreamReader had already buffered are moved to the handshake: they are its
    beginning if the peer was quick, and if an attacker put a command there they end it.

    *transport* may also be an asyncio.StreamWriter, ``await start_tls(writer, config)``: its
    reader and the writer itself then speak TLS. When the handshake fails the connection is
    closed, and its protocol learns that from ``connection_lost``.

    A server may give a *handshake_budget*: where it has no room the connection is closed, and
    ConnectionAbortedError raised. A client may give *early_data* and *replay*, as to
    :func:`create_connection`.
    """
    writer = transport if isinstance(transport, asyncio.StreamWriter) else None
    if writer is not None:
        if sslcontext is None:
            protocol, sslcontext = None, protocol
        await writer.drain()
        transport = writer.transport
        protocol = writer._protocol if protocol is None else protocol  # type: ignore[attr-defined]
    if protocol is None:
        raise TypeError("start_tls() needs the protocol that is to get the data")
    for method in ("set_protocol", "get_protocol", "pause_reading", "write"):
        if not hasattr(transport, method):
            raise TypeError(f"start_tls() needs a two-way transport, not {transport!r}")
    _check_budget(handshake_budget)
    if handshake_budget is not None and not server_side:
        raise ValueError("handshake_budget is for servers: it needs server_side=True")
    handshake = _prepare(
        sslcontext,
        server_hostname,
        ssl_handshake_timeout,
        ssl_shutdown_timeout,
        server_side=server_side,
        upgrade=True,
        early_data=early_data,
        replay=replay,
        call="start_server" if server_side else "open_connection",
    ).serve(protocol)
    if transport.is_closing():
        raise ConnectionResetError("the transport is closing: too late for TLS")
    if handshake_budget is not None:
        try:
            handshake.charge(_admit(handshake_budget, transport.get_extra_info("peername")))
        except ConnectionAbortedError:
            transport.abort()
            raise
    _take_over(transport, handshake)
    await handshake.outcome()
    if writer is not None:
        _reseat(writer, handshake.transport)
    return handshake.transport


def _take_over(below: Any, handshake: Awaited) -> None:
    """Puts *handshake* where the plaintext protocol was, and gives it what that had not read."""
    upper = handshake.transport
    before = below.get_protocol()
    # Until the handshake is complete the old protocol is the one that knows this connection.
    upper._protocol = before
    upper._protocol_paused = _is_paused(below, before)
    readers = [_reader_of(before)]
    if handshake.protocol is not before:
        readers.append(_reader_of(handshake.protocol))
    # uvloop looks at the kind of protocol only when it begins to read.
    below.pause_reading()
    below.set_protocol(handshake)
    ended = False
    data = b""
    for reader in readers:
        if reader is not None:
            data += bytes(reader._buffer)
            reader._buffer.clear()
            reader._paused = False
            ended = ended or reader._eof
    handshake.connection_made(below)
    if data:
        handshake.take(data)
    if handshake.below is not None and not handshake.complete:
        if ended:
            handshake.eof_received()
        else:
            below.resume_reading()


def _reader_of(protocol: Any) -> Any:
    """The StreamReader that a protocol fills, if it does."""
    reader = getattr(protocol, "_stream_reader", None)
    return reader if isinstance(reader, asyncio.StreamReader) else None


def _is_paused(below: Any, protocol: Any) -> bool:
    """Whether *protocol* was told to pause writing; not every transport says."""
    for owner, name in ((below, "_protocol_paused"), (protocol, "_paused")):
        paused = getattr(owner, name, None)
        if paused is not None:
            return bool(paused)
    return bool(below.get_write_buffer_size() > below.get_write_buffer_limits()[0])


def _reseat(writer: Any, transport: TLSTransport) -> None:
    """A stream keeps its transport in three places."""
    writer._transport = transport
    writer._protocol._transport = transport
    reader = _reader_of(writer._protocol)
    if reader is not None:
        reader._transport = transport
