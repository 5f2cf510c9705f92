"""What pyOpenSSL does, and the OpenSSL below it by its binding.

For what OpenSSL has and pyOpenSSL has no method for, the scenarios call OpenSSL's own functions
in ``OpenSSL.SSL._lib``, as its manual has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import aiotls

from .. import ours
from ..bench import (
    EARLY,
    LABEL,
    LINE,
    PSK,
    Bench,
    RefusingGuard,
    connected,
    echoed,
    ready_guard,
    watched,
)
from ..peer import HOST, PATIENCE, Server, Settings, listening_thread
from ..pyopenssl import Complaints

Work = Callable[[Any], Any]
"""What is done with a connection of pyOpenSSL's; its handshake too."""


def visiting(context: Any, port: int, work: Work) -> Any:
    """Connect, and do something with the connection."""
    from OpenSSL import SSL

    with socket.create_connection((HOST, port), PATIENCE) as plain:
        plain.settimeout(None)
        tls = SSL.Connection(context, plain)
        tls.set_connect_state()
        tls.set_tlsext_host_name(b"localhost")
        result = work(tls)
        with contextlib.suppress(SSL.Error):
            tls.shutdown()
        return result


@contextlib.contextmanager
def serving(context: Any, work: Work) -> Iterator[Server]:
    """Do something with each connection that comes."""
    from OpenSSL import SSL

    def serve(plain: socket.socket) -> None:
        plain.settimeout(None)
        tls = SSL.Connection(context, plain)
        tls.set_accept_state()
        work(tls)
        with contextlib.suppress(SSL.Error):
            tls.shutdown()

    with listening_thread(serve) as server:
        yield server


def one_line(tls: Any) -> None:
    """There and back, as a client."""
    tls.do_handshake()
    tls.sendall(LINE)
    assert tls.recv(1000) == LINE


def echo(tls: Any) -> None:
    """Back, as a server, until the client ends it."""
    from OpenSSL import SSL

    with contextlib.suppress(SSL.ZeroReturnError):
        while True:
            tls.sendall(tls.recv(1 << 16))


def context_of(bench: Bench, settings: Settings, *, server_side: bool) -> Any:
    peer: Any = bench.peer
    return peer.context(settings, Complaints(), server_side=server_side)


async def staples(bench: Bench) -> None:
    response = bench.staple()
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12)
        context = context_of(bench, settings, server_side=True)
        context.set_ocsp_server_callback(lambda tls, data: response)

        def work(tls: Any) -> None:
            tls.do_handshake()
            echo(tls)

        with serving(context, work) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response


async def takes_a_staple(bench: Bench) -> None:
    response = bench.staple()
    identity = bench.pki.server_identity().with_staple(response)
    async with watched(aiotls.ServerConfig(identity=identity)) as (port, _):
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            context = context_of(bench, settings, server_side=False)
            found: list[bytes] = []

            def take(tls: Any, staple: bytes, data: Any, found: list[bytes] = found) -> bool:
                found.append(staple)
                return True

            context.set_ocsp_client_callback(take)

            def work(tls: Any) -> None:
                tls.request_ocsp()
                one_line(tls)

            await asyncio.to_thread(visiting, context, port, work)
            assert found == [response]


async def asks_later(bench: Bench) -> None:
    from OpenSSL import SSL

    binding: Any = SSL
    settings = Settings(credentials=bench.pki.server())
    context = context_of(bench, settings, server_side=True)
    context.load_verify_locations(str(bench.pki.trust_file))
    names: list[str] = []

    def work(tls: Any) -> None:
        tls.do_handshake()
        line = tls.recv(1000)
        tls.set_verify(SSL.VERIFY_PEER | binding._lib.SSL_VERIFY_POST_HANDSHAKE, None)
        assert binding._lib.SSL_verify_client_post_handshake(tls._ssl) == 1
        tls.do_handshake()
        tls.sendall(line)
        assert tls.recv(1000) == LINE
        names.append(tls.get_peer_certificate(as_cryptography=True).subject.rfc4514_string())
        tls.sendall(line)

    config = bench.client(identity=bench.pki.client_identity(), post_handshake_auth=True)
    with serving(context, work) as server:
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
            await echoed(reader, writer)
        assert names, server.log()
    assert "client.example" in names[0]


async def answers_later(bench: Bench) -> None:
    from OpenSSL import SSL

    binding: Any = SSL
    settings = Settings(trust=bench.pki.trust_file, credentials=bench.pki.client())
    context = context_of(bench, settings, server_side=False)
    binding._lib.SSL_CTX_set_post_handshake_auth(context._context, 1)
    transports: list[Any] = []

    def ask(transport: Any) -> None:
        if not transports:
            transports.append(transport)
            transport.request_certificate()

    def work(tls: Any) -> None:
        one_line(tls)
        tls.sendall(LINE)  # it has answered the request when it read
        assert tls.recv(1000) == LINE

    async with ours.serve(bench.server(trust=bench.pki.trust), before_answer=ask) as server:
        await asyncio.to_thread(visiting, context, server.port, work)
    assert transports[0].connection.peer.verified_chain


async def takes_early_data(bench: Bench) -> None:
    from OpenSSL import SSL

    lib: Any = SSL._lib  # type: ignore[attr-defined]
    ffi: Any = SSL._ffi  # type: ignore[attr-defined]
    error, success, finish = range(3)  # SSL_READ_EARLY_DATA_...
    context = context_of(bench, Settings(credentials=bench.pki.server()), server_side=True)
    assert lib.SSL_CTX_set_max_early_data(context._context, 1000) == 1

    def work(tls: Any) -> None:
        early = b""
        buffer, size = ffi.new("char[]", 1000), ffi.new("size_t *")
        while (outcome := lib.SSL_read_early_data(tls._ssl, buffer, 1000, size)) == success:
            early += ffi.buffer(buffer, size[0])[:]
        assert outcome == finish, (error, outcome)
        tls.do_handshake()
        tls.sendall(early)
        echo(tls)

    config = bench.client()
    with serving(context, work) as server:
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        async with connected(server.port, config, early_data=EARLY) as (reader, writer, engine):
            await echoed(reader, writer, EARLY + LINE)
            assert engine.early_data_accepted


async def refuses_early_data(bench: Bench) -> None:
    """A server that does not call SSL_read_early_data passes over what is sent early."""
    from OpenSSL import SSL

    lib: Any = SSL._lib  # type: ignore[attr-defined]
    context = context_of(bench, Settings(credentials=bench.pki.server()), server_side=True)
    assert lib.SSL_CTX_set_max_early_data(context._context, 1000) == 1

    def work(tls: Any) -> None:
        tls.do_handshake()
        echo(tls)

    config = bench.client()
    with serving(context, work) as server:
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        async with connected(server.port, config, early_data=EARLY, replay=True) as (
            reader,
            writer,
            engine,
        ):
            await echoed(reader, writer, EARLY + LINE)
            assert engine.established.resumed
            assert not engine.early_data_accepted


async def sends_early_data(bench: Bench) -> None:
    config = bench.server(max_early_data=1000, replay_guard=ready_guard())
    assert await _early(bench, config, EARLY) == [False, True]


async def sends_early_data_again(bench: Bench) -> None:
    """What the server has passed over, the application sends once more."""
    config = bench.server(max_early_data=1000, replay_guard=RefusingGuard())
    assert await _early(bench, config, b"", again=True) == [False, False]


async def _early(
    bench: Bench, config: aiotls.ServerConfig, answer: bytes, *, again: bool = False
) -> list[bool]:
    from OpenSSL import SSL

    lib: Any = SSL._lib  # type: ignore[attr-defined]
    ffi: Any = SSL._ffi  # type: ignore[attr-defined]
    context = context_of(bench, Settings(trust=bench.pki.trust_file), server_side=False)

    def first(tls: Any) -> Any:
        one_line(tls)
        return tls.get_session()

    def second(tls: Any) -> None:
        tls.set_session(session)
        size = ffi.new("size_t *")
        assert lib.SSL_write_early_data(tls._ssl, EARLY, len(EARLY), size) == 1
        if again:
            one_line(tls)
            return
        tls.do_handshake()
        assert tls.recv(1000) == answer

    async with ours.serve(config) as server:
        session = await asyncio.to_thread(visiting, context, server.port, first)
        await asyncio.to_thread(visiting, context, server.port, second)
    assert [tls["resumed"] for tls in server.connections] == [False, True]
    return [tls["early_data"] for tls in server.connections]


async def server_knows_a_key(bench: Bench) -> None:
    from OpenSSL import SSL

    lib: Any = SSL._lib  # type: ignore[attr-defined]
    ffi: Any = SSL._ffi  # type: ignore[attr-defined]
    context = context_of(bench, Settings(), server_side=True)

    @ffi.callback("unsigned int(SSL *, char *, unsigned char *, unsigned int)")  # type: ignore[untyped-decorator]
    def find(ssl: Any, identity: Any, secret: Any, size: int) -> int:
        if ffi.string(identity) != PSK.identity:
            return 0
        ffi.memmove(secret, PSK.secret, len(PSK.secret))
        return len(PSK.secret)

    lib.SSL_CTX_set_psk_server_callback(context._context, find)

    def work(tls: Any) -> None:
        tls.do_handshake()
        echo(tls)

    config = aiotls.ClientConfig(psks=[PSK], session_cache=None)
    with serving(context, work) as server:
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer is None


async def client_knows_a_key(bench: Bench) -> None:
    from OpenSSL import SSL

    lib: Any = SSL._lib  # type: ignore[attr-defined]
    ffi: Any = SSL._ffi  # type: ignore[attr-defined]
    context = context_of(bench, Settings(), server_side=False)

    @ffi.callback(  # type: ignore[untyped-decorator]
        "unsigned int(SSL *, char *, char *, unsigned int, unsigned char *, unsigned int)"
    )
    def name(ssl: Any, hint: Any, identity: Any, most: int, secret: Any, size: int) -> int:
        ffi.memmove(identity, PSK.identity + b"\0", len(PSK.identity) + 1)
        ffi.memmove(secret, PSK.secret, len(PSK.secret))
        return len(PSK.secret)

    lib.SSL_CTX_set_psk_client_callback(context._context, name)
    async with watched(aiotls.ServerConfig(psk={PSK.identity: PSK}.get)) as (port, engines):
        await asyncio.to_thread(visiting, context, port, one_line)
    assert engines[0].peer is None
    assert engines[0].established.identity is None


async def binds_as_server(bench: Bench) -> None:
    """RFC 5929, section 3.1: in a full handshake the client's Finished is the first."""
    settings = Settings(credentials=bench.pki.server(), tls12=True)
    context = context_of(bench, settings, server_side=True)

    def work(tls: Any) -> None:
        tls.do_handshake()
        tls.sendall(tls.get_peer_finished())

    with serving(context, work) as server:
        async with connected(server.port, bench.client()) as (reader, _, engine):
            async with asyncio.timeout(PATIENCE):
                found = await reader.readexactly(12)
            assert found == engine.channel_binding("tls-unique")


async def binds_as_client(bench: Bench) -> None:
    context = context_of(bench, Settings(trust=bench.pki.trust_file, tls12=True), server_side=False)

    def work(tls: Any) -> Any:
        one_line(tls)
        return tls.get_finished()

    async with watched(bench.server()) as (port, engines):
        found = await asyncio.to_thread(visiting, context, port, work)
        assert found == engines[0].channel_binding("tls-unique")


async def exports_as_server(bench: Bench) -> None:
    def work(tls: Any) -> None:
        tls.do_handshake()
        tls.sendall(tls.export_keying_material(LABEL.encode(), 20))

    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12)
        context = context_of(bench, settings, server_side=True)
        with serving(context, work) as server:
            async with connected(server.port, bench.client()) as (reader, _, engine):
                async with asyncio.timeout(PATIENCE):
                    found = await reader.readexactly(20)
                assert found == engine.export_keying_material(LABEL, 20)


async def exports_as_client(bench: Bench) -> None:
    def work(tls: Any) -> Any:
        one_line(tls)
        return tls.export_keying_material(LABEL.encode(), 20)

    async with watched(bench.server()) as (port, engines):
        for tls12 in (False, True):
            context = context_of(bench, Settings(tls12=tls12), server_side=False)
            found = await asyncio.to_thread(visiting, context, port, work)
            assert found == engines[-1].export_keying_material(LABEL, 20)


async def asks_for_renegotiation(bench: Bench) -> None:
    """RFC 5746, section 4.5: a warning says no, which OpenSSL takes for an error."""
    from OpenSSL import SSL

    settings = Settings(credentials=bench.pki.server(), tls12=True)
    context = context_of(bench, settings, server_side=True)

    def work(tls: Any) -> None:
        tls.do_handshake()
        assert tls.renegotiate()
        tls.do_handshake()
        with pytest.raises(SSL.Error, match="no renegotiation"):
            tls.recv(1000)
        refused.set()

    refused = threading.Event()
    with serving(context, work) as server:
        async with connected(server.port, bench.client()):
            assert await asyncio.to_thread(refused.wait, PATIENCE), server.log()


async def renegotiates(bench: Bench) -> None:
    from OpenSSL import SSL

    context = context_of(bench, Settings(tls12=True), server_side=False)

    def work(tls: Any) -> None:
        one_line(tls)
        assert tls.renegotiate()
        with pytest.raises(SSL.Error, match="no renegotiation"):
            tls.do_handshake()

    async with watched(bench.server()) as (port, _):
        await asyncio.to_thread(visiting, context, port, work)
