"""What a headless Chromium does when it loads a page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from cryptography.x509.ocsp import OCSPCertStatus

import aiotls
from aiotls.enums import ExtensionType, HandshakeType, ProtocolVersion
from aiotls.sessions import MemorySessionStore
from tests import certificates
from tests.certificates import SERVER
from tests.engine.test_certificates import staple

from .. import ours
from ..bench import Bench, Hellos, Messages, RefusingGuard, ready_guard
from ..doh import resolving
from ..peer import HOST, Outcome
from .every import is_grease

NAME = "secret.example"
PUBLIC_NAME = "front.example"
SCRIPTS = b"".join(b"<script src=/more%d></script>" % number for number in range(4))
PAGE = b"<!doctype html><title>a page</title><p id=said>nothing" + SCRIPTS
"""Each script is fetched when the one before it has come: a browser connects ahead, but not so far
ahead that the last would not have a session to resume."""

MORE = b"document.getElementById('said').firstChild.data = 'more of it came'"
"""What the page says in the end."""


def identity() -> aiotls.Identity:
    """Longer than a packet, so that it is worth compressing."""
    names = (NAME, PUBLIC_NAME, HOST)
    issuer = certificates.intermediate()
    return certificates.leaf(*names, key_kind="rsa", issuer=issuer, purposes=(SERVER,)).identity


@contextlib.asynccontextmanager
async def pages(**options: Any) -> AsyncIterator[tuple[int, list[dict[str, Any]]]]:
    """A server of two pages, the first of which loads the second; its port and connections."""
    connections = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            connections.append(writer.get_extra_info("tls"))
            more = head.startswith(b"GET /more")
            body, kind = (MORE, b"text/javascript") if more else (PAGE, b"text/html")
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %b\r\n"
                b"Content-Length: %d\r\n\r\n" % (kind, len(body)) + body
            )
        await ours.close(writer)

    options = {"identity": identity(), "alpn_protocols": ["http/1.1"], **options}
    server = await aiotls.start_server(handle, HOST, 0, ssl=aiotls.ServerConfig(**options))
    async with server:
        yield server.sockets[0].getsockname()[1], connections


async def load(
    bench: Bench, port: int, *options: str, ech: bytes | None = None, shown: bool = True
) -> Outcome:
    """Both pages, with an ECHConfigList in DNS where there is one."""
    browser: Any = bench.peer
    async with resolving(identity(), NAME, ech) as resolver:
        url = f"https://{NAME}:{port}/"
        outcome: Outcome = await asyncio.to_thread(
            browser.load, url, bench.pki.trust_file, resolver.port, *options
        )
    assert (b"more of it came" in outcome.data) == shown, (outcome, resolver.asked)
    return outcome


async def loads_a_page(bench: Bench) -> None:
    """By its own ClientHello: GREASE, X25519MLKEM768, compression; the second time resumed."""
    hellos, seen = Hellos(), Messages()
    observer = Both(hellos, seen)
    async with pages(observer=observer) as (port, connections):
        await load(bench, port)
    for connection in connections:
        assert connection["version"] == "TLS 1.3"
        assert connection["group"] == "X25519MLKEM768"
        assert connection["alpn"] == "http/1.1"
    assert HandshakeType.COMPRESSED_CERTIFICATE in seen.sent
    assert any(map(is_grease, hellos.client.cipher_suites))
    assert any(map(is_grease, hellos.client.extensions.types))
    assert ExtensionType.ENCRYPTED_CLIENT_HELLO in hellos.client.extensions.types
    assert any(connection["resumed"] for connection in connections)
    assert not any(connection["ech"] for connection in connections)


class Both:
    """Two observers as one."""

    def __init__(self, *observers: Any) -> None:
        self._observers = observers

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        for observer in self._observers:
            observer.message(sent, kind, data, protected)


async def speaks_tls12(bench: Bench) -> None:
    seen = Hellos()
    options = {"max_version": ProtocolVersion.TLSv1_2, "observer": seen}
    async with pages(**options) as (port, connections):
        await load(bench, port)
    assert {connection["version"] for connection in connections} == {"TLS 1.2"}
    assert any(connection["resumed"] for connection in connections)
    assert ExtensionType.EXTENDED_MASTER_SECRET in seen.answered


async def takes_padded_records(bench: Bench) -> None:
    async with pages(record_padding=512) as (port, _):
        await load(bench, port)


async def sends_early_data(bench: Bench) -> None:
    options = {"max_early_data": 16384, "replay_guard": ready_guard()}
    async with pages(**options) as (port, connections):
        await load(bench, port, "--enable-features=EnableTLS13EarlyData")
    assert any(connection["early_data"] for connection in connections)


async def sends_an_encrypted_hello(bench: Bench) -> None:
    """Its keys come from DNS, RFC 9848: from an HTTPS record, over HTTPS."""
    keys = aiotls.ECHKeys.generate(PUBLIC_NAME)
    async with pages(ech_keys=keys) as (port, connections):
        await load(bench, port, ech=keys.config_list)
    assert all(connection["ech"] for connection in connections)


async def is_told_our_newer_keys(bench: Bench) -> None:
    """RFC 9849, section 6.1.6: it connects again by itself, with what the server has sent."""
    keys, old = (aiotls.ECHKeys.generate(PUBLIC_NAME) for _ in range(2))
    async with pages(ech_keys=keys) as (port, connections):
        await load(bench, port, ech=old.config_list)
    assert connections
    assert all(connection["ech"] for connection in connections)


async def sends_early_data_again(bench: Bench) -> None:
    seen = Hellos()
    options = {"max_early_data": 16384, "replay_guard": RefusingGuard(), "observer": seen}
    async with pages(**options) as (port, connections):
        await load(bench, port, "--enable-features=EnableTLS13EarlyData")
    assert ExtensionType.EARLY_DATA in seen.offered
    assert not any(connection["early_data"] for connection in connections)


async def is_resumed_from_a_store(bench: Bench) -> None:
    options = {"session_store": MemorySessionStore(), "ticket_keys": None}
    async with pages(**options) as (port, connections):
        await load(bench, port)
    assert any(connection["resumed"] for connection in connections)


async def is_resumed_by_session_id(bench: Bench) -> None:
    options = {"session_store": MemorySessionStore(), "ticket_keys": None}
    async with pages(max_version=ProtocolVersion.TLSv1_2, **options) as (port, connections):
        await load(bench, port)
    assert any(connection["resumed"] for connection in connections)


async def believes_a_staple(bench: Bench) -> None:
    """RFC 6960: a good one goes with the page, a revoked one goes before it."""
    leaf = certificates.leaf(NAME, purposes=(SERVER,))
    for status in (OCSPCertStatus.GOOD, OCSPCertStatus.REVOKED):
        stapled = leaf.identity.with_staple(staple(of=leaf, status=status))
        async with pages(identity=stapled) as (port, _):
            await load(bench, port, shown=status is OCSPCertStatus.GOOD)
