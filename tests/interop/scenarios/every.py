"""What every peer does, where it has the thing at all."""

from __future__ import annotations

from typing import Any

import aiotls
from aiotls.sessions import MemorySessionStore

from .. import ours
from ..bench import LINE, Bench
from ..peer import (
    Settings,
    lines,
)


async def speaks_tls12_as_client(bench: Bench) -> None:
    settings = Settings(credentials=bench.pki.server(), tls12=True)
    payload = lines(bench.peer.server_bytes)
    with bench.peer.serve(settings) as server:
        data, tls = await ours.fetch(
            server.port, bench.client(), payload, http=bench.peer.speaks_http
        )
    assert data == payload
    assert tls["version"] == "TLS 1.2"


async def speaks_tls12_as_server(bench: Bench) -> None:
    settings = Settings(trust=bench.pki.trust_file, tls12=True)
    async with ours.serve(bench.server(), http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings, lines(100_000))
    assert outcome.data == lines(100_000), outcome.error
    assert server.connections[0]["version"] == "TLS 1.2"


async def shows_a_certificate_in_tls12(bench: Bench) -> None:
    client = bench.client(identity=bench.pki.client_identity(), min_version=0x0303)
    settings = Settings(credentials=bench.pki.server(), trust=bench.pki.trust_file, tls12=True)
    with bench.peer.serve(settings) as server:
        data, tls = await ours.fetch(server.port, client, LINE, http=bench.peer.speaks_http)
    assert data == LINE
    assert tls["version"] == "TLS 1.2"


async def asks_for_a_certificate_in_tls12(bench: Bench) -> None:
    config = bench.server(trust=bench.pki.trust, client_auth=aiotls.ClientAuth.REQUIRED)
    settings = Settings(trust=bench.pki.trust_file, credentials=bench.pki.client(), tls12=True)
    async with ours.serve(config, http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert server.connections[0]["verified"]
    assert server.connections[0]["version"] == "TLS 1.2"


async def _resumes(bench: Bench, *, tls12: bool) -> None:
    config = bench.client()
    settings = Settings(credentials=bench.pki.server(), tls12=tls12)
    with bench.peer.serve(settings) as server:
        for turn in range(2):
            data, tls = await ours.fetch(server.port, config, LINE, http=bench.peer.speaks_http)
            assert data == LINE
            assert tls["resumed"] == bool(turn)
            assert tls["version"] == ("TLS 1.2" if tls12 else "TLS 1.3")


async def _is_resumed(bench: Bench, *, tls12: bool, **more: Any) -> None:
    settings = Settings(trust=bench.pki.trust_file, tls12=tls12, resume=True)
    async with ours.serve(bench.server(**more), http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings)
        assert outcome.data == LINE, outcome.error
    assert [tls["resumed"] for tls in server.connections] == [False, True]


async def resumes_tls13(bench: Bench) -> None:
    await _resumes(bench, tls12=False)


async def resumes_tls12(bench: Bench) -> None:
    await _resumes(bench, tls12=True)


async def is_resumed_in_tls13(bench: Bench) -> None:
    await _is_resumed(bench, tls12=False)


async def is_resumed_in_tls12(bench: Bench) -> None:
    await _is_resumed(bench, tls12=True)


async def is_resumed_by_session_id(bench: Bench) -> None:
    """RFC 5246, section 7.3: the state stays with the server."""
    await _is_resumed(bench, tls12=True, session_store=MemorySessionStore(), ticket_keys=None)


async def is_resumed_from_a_store(bench: Bench) -> None:
    """TLS 1.3 with tickets that are numbers alone."""
    await _is_resumed(bench, tls12=False, session_store=MemorySessionStore(), ticket_keys=None)
