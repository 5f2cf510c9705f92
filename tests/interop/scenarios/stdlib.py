"""What Python's own ssl does."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from .. import ours
from ..bench import LINE, Bench, connected, echoed, watched
from ..peer import (
    HOST,
    PATIENCE,
    Settings,
    listening_thread,
)


async def asks_later(bench: Bench) -> None:
    stdlib: Any = bench.peer
    context = stdlib.context(Settings(credentials=bench.pki.server()), server_side=True)
    context.load_verify_locations(bench.pki.trust_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.post_handshake_auth = True
    names: list[Any] = []

    def serve(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            line = tls.recv(1000)
            tls.verify_client_post_handshake()
            tls.sendall(line)
            assert tls.recv(1000) == LINE
            names.append(tls.getpeercert())
            tls.sendall(line)

    config = bench.client(identity=bench.pki.client_identity(), post_handshake_auth=True)
    with listening_thread(serve) as server:
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
            await echoed(reader, writer)
        assert names, server.log()
    assert names[0]["subjectAltName"] == (("DNS", "client.example"),)


async def answers_later(bench: Bench) -> None:
    stdlib: Any = bench.peer
    settings = Settings(trust=bench.pki.trust_file, credentials=bench.pki.client())
    context = stdlib.context(settings, server_side=False)
    context.post_handshake_auth = True
    transports: list[Any] = []

    def ask(transport: Any) -> None:
        if not transports:
            transports.append(transport)
            transport.request_certificate()

    config = bench.server(trust=bench.pki.trust)
    async with ours.serve(config, before_answer=ask) as server:
        await asyncio.to_thread(_two_lines, context, server.port)
    assert transports[0].connection.peer.verified_chain


def _two_lines(context: Any, port: int) -> None:
    with (
        socket.create_connection((HOST, port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        for _ in range(2):  # it answers the request when it reads
            tls.sendall(LINE)
            assert tls.recv(1000) == LINE


async def binds_as_client(bench: Bench) -> None:
    """RFC 5929, section 3.1: tls-unique, which the extended master secret makes safe."""
    stdlib: Any = bench.peer
    settings = Settings(trust=bench.pki.trust_file, tls12=True)
    context = stdlib.context(settings, server_side=False)

    def bind(port: int) -> Any:
        with (
            socket.create_connection((HOST, port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            tls.sendall(LINE)
            assert tls.recv(1000) == LINE
            return tls.get_channel_binding("tls-unique")

    async with watched(bench.server()) as (port, engines):
        found = await asyncio.to_thread(bind, port)
    assert found == engines[0].channel_binding("tls-unique")


async def binds_as_server(bench: Bench) -> None:
    stdlib: Any = bench.peer
    settings = Settings(credentials=bench.pki.server(), tls12=True)
    context = stdlib.context(settings, server_side=True)

    def serve(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as tls:
            tls.sendall(tls.get_channel_binding("tls-unique"))

    with listening_thread(serve) as server:
        async with connected(server.port, bench.client()) as (reader, _, engine):
            async with asyncio.timeout(PATIENCE):
                found = await reader.readexactly(12)
            assert found == engine.channel_binding("tls-unique")
