"""What every peer does, where it has the thing at all."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import aiotls
from aiotls.enums import Alert, ExtensionType, HandshakeType
from aiotls.sessions import MemorySessionStore
from tests.certificates import Issued
from tests.unit.test_revocation import revocation_list

from .. import ours
from ..bench import LINE, Bench, Hellos, Messages, connected, said, watched
from ..peer import (
    HOST,
    PATIENCE,
    Settings,
    lines,
)
from ..pki import _client, _server


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


WITHOUT_TICKETS: dict[str, dict[str, Any]] = {
    "nginx": {"extra": ("ssl_session_tickets off", "ssl_session_cache builtin")},
    "node": {"options": {"secureOptions": 0x4000}},  # SSL_OP_NO_TICKET
    "java": {"options": {"jdk.tls.server.enableSessionTicketExtension": "false"}},
    "stdlib": {"tickets": False},
    "pyopenssl": {"tickets": False},
    "nss": {"tickets": False},
}
"""How each peer is told to keep its sessions itself."""


async def resumes_by_session_id(bench: Bench) -> None:
    """RFC 5246, section 7.3: the server has the state, and the client a number."""
    config = bench.client(observer=(seen := Messages()))
    settings = Settings(credentials=bench.pki.server(), tls12=True)
    with bench.peer.serve(settings.but(**WITHOUT_TICKETS[bench.peer.name])) as server:
        for turn in range(2):
            data, tls = await ours.fetch(server.port, config, LINE, http=bench.peer.speaks_http)
            assert data == LINE
            assert tls["resumed"] == bool(turn)
    assert HandshakeType.NEW_SESSION_TICKET not in seen.received


async def is_resumed_by_session_id(bench: Bench) -> None:
    """RFC 5246, section 7.3: the state stays with the server."""
    await _is_resumed(bench, tls12=True, session_store=MemorySessionStore(), ticket_keys=None)


async def is_resumed_from_a_store(bench: Bench) -> None:
    """TLS 1.3 with tickets that are numbers alone."""
    await _is_resumed(bench, tls12=False, session_store=MemorySessionStore(), ticket_keys=None)


async def answers_later_in_http(bench: Bench, *extra: str) -> None:
    """RFC 8446, section 4.6.2: the server asks once it has read the request."""
    engines = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        await reader.readuntil(b"\r\n\r\n")
        transport.request_certificate()
        while transport.connection.peer is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        engines.append(transport.connection)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LINE)
        await ours.close(writer)

    config = bench.server(trust=bench.pki.trust)
    credentials = bench.pki.client()
    settings = Settings(trust=bench.pki.trust_file, credentials=credentials, extra=extra)
    server = await aiotls.start_server(handle, HOST, 0, ssl=config)
    async with server:
        outcome = await bench.visit(server.sockets[0].getsockname()[1], settings)
    assert outcome.data == LINE, outcome.error
    assert engines[0].peer.verified_chain


async def is_answered_with_the_extended_secret(bench: Bench) -> None:
    """RFC 7627, in the peer's ServerHello."""
    config = bench.client(observer=(seen := Hellos()))
    settings = Settings(credentials=bench.pki.server(), tls12=True)
    with bench.peer.serve(settings) as server:
        data, _ = await ours.fetch(server.port, config, LINE, http=bench.peer.speaks_http)
    assert data == LINE
    assert ExtensionType.EXTENDED_MASTER_SECRET in seen.answered


async def answers_with_the_extended_secret(bench: Bench) -> None:
    config = bench.server(observer=(seen := Hellos()))
    settings = Settings(trust=bench.pki.trust_file, tls12=True)
    async with ours.serve(config, http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings)
    assert outcome.data == LINE, outcome.error
    assert ExtensionType.EXTENDED_MASTER_SECRET in seen.client.extensions.types
    assert ExtensionType.EXTENDED_MASTER_SECRET in seen.answered


def revocations(bench: Bench, *revoked: Issued) -> aiotls.RevocationLists:
    return aiotls.RevocationLists([revocation_list(bench.pki.authority, *revoked)])


async def refuses_a_revoked_server(bench: Bench) -> None:
    """RFC 5280, section 6.3; who is not on the list is talked to."""
    http = bench.peer.speaks_http
    with bench.peer.serve(Settings(credentials=bench.pki.server())) as server:
        config = bench.client(revocation=revocations(bench, _server("p256")))
        with pytest.raises(aiotls.CertificateError, match="revoked") as caught:
            await ours.fetch(server.port, config, LINE, http=http)
        assert caught.value.alert == Alert.CERTIFICATE_REVOKED
        config = bench.client(revocation=revocations(bench))
        data, _ = await ours.fetch(server.port, config, LINE, http=http)
        assert data == LINE


async def refuses_a_revoked_client(bench: Bench) -> None:
    config = bench.server(trust=bench.pki.trust, client_auth=aiotls.ClientAuth.REQUIRED)
    settings = Settings(trust=bench.pki.trust_file, credentials=bench.pki.client())
    refusing = config.replace(revocation=revocations(bench, _client("p256")))
    taking = config.replace(revocation=revocations(bench))
    async with ours.serve(refusing, http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings)
        assert outcome.data == b""
        assert not server.connections
    async with ours.serve(taking, http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings)
        assert outcome.data == LINE, outcome.error


async def is_sent_padded_records(bench: Bench) -> None:
    """RFC 8446, section 5.4: what is padded arrives as what it was."""
    payload = lines(bench.peer.server_bytes)
    with bench.peer.serve(Settings(credentials=bench.pki.server())) as server:
        config = bench.client(record_padding=512)
        data, _ = await ours.fetch(server.port, config, payload, http=bench.peer.speaks_http)
    assert data == payload


async def takes_padded_records(bench: Bench) -> None:
    settings = Settings(trust=bench.pki.trust_file)
    config = bench.server(record_padding=512)
    async with ours.serve(config, http=bench.peer.speaks_http) as server:
        outcome = await bench.visit(server.port, settings, lines(20_000))
    assert outcome.data == lines(20_000), outcome.error


async def passes_over_our_grease(bench: Bench) -> None:
    """RFC 8701: values that nobody knows, everywhere; and a made-up encrypted_client_hello."""
    config = bench.client(observer=(seen := Hellos()), grease=True, grease_ech=True)
    with bench.peer.serve(Settings(credentials=bench.pki.server())) as server:
        data, _ = await ours.fetch(server.port, config, LINE, http=bench.peer.speaks_http)
    assert data == LINE
    assert any(map(is_grease, seen.client.cipher_suites))
    assert any(map(is_grease, seen.client.extensions.types))
    assert ExtensionType.ENCRYPTED_CLIENT_HELLO in seen.client.extensions.types


def is_grease(value: int) -> bool:
    """Section 2: 0x0A0A, 0x1A1A, and so on."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


async def reads_half_rtt_data(bench: Bench) -> None:
    """RFC 8446, section 4.4.4: what the server writes before it has the client's Finished."""
    early: list[bool] = []

    async def handle(reader: aiotls.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport: Any = writer.transport
        early.append(not transport.connection.handshake_complete)
        writer.write(LINE)
        with contextlib.suppress(OSError):
            await reader.handshake_completed()
            await reader.read()
        await ours.close(writer)

    server = await aiotls.start_server(handle, HOST, 0, ssl=bench.server(half_rtt=True))
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await bench.visit(port, Settings(trust=bench.pki.trust_file))
    assert outcome.data == LINE, outcome.error
    assert early == [True]


async def asks_for_renegotiation(bench: Bench) -> None:
    """RFC 5746, section 4.5: a warning says no, which these peers take for the end."""
    config = bench.client(observer=(seen := Messages()))
    settings = Settings(credentials=bench.pki.server(), tls12=True).but(**RENEGOTIATE)
    with bench.peer.serve(settings) as server:
        async with connected(server.port, config) as (reader, _, _):
            with pytest.raises(aiotls.AlertReceived):
                async with asyncio.timeout(PATIENCE):
                    await reader.read(1)
        await said("error: ", server.log)
    assert HandshakeType.HELLO_REQUEST in seen.received


async def renegotiates(bench: Bench) -> None:
    config = bench.server(observer=(seen := Messages()))
    settings = Settings(trust=bench.pki.trust_file, tls12=True).but(**RENEGOTIATE)
    async with watched(config) as (port, _):
        outcome = await bench.visit(port, settings)
    assert "error: " in outcome.error
    assert seen.received.count(HandshakeType.CLIENT_HELLO) == 2


RENEGOTIATE: dict[str, Any] = {"options": {"renegotiate": "yes"}, "extra": ("renegotiate=yes",)}
"""Each of the two programs that have a scenario for it takes one of these."""


async def refuses_a_missing_staple(bench: Bench) -> None:
    """RFC 7633: the certificate says that a staple comes along, and none does."""
    http = bench.peer.speaks_http
    with bench.peer.serve(Settings(credentials=bench.pki.must_staple())) as server:
        with pytest.raises(aiotls.CertificateError) as caught:
            await ours.fetch(server.port, bench.client(), LINE, http=http)
    assert caught.value.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE
