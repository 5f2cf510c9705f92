"""What two implementations do together, one coroutine for each thing; table.py says with whom.

Each raises where what it is about did not happen: that a connection came about is not enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.ocsp import OCSPResponderEncoding

import aiotls
from aiotls.enums import ExtensionType, HandshakeType, NamedGroup, ProtocolVersion
from aiotls.sessions import MemorySessionStore
from aiotls.wire.messages import ClientHello, EncryptedExtensions, ServerHello
from tests import certificates
from tests.engine.test_certificates import staple

from . import ours
from .peer import (
    HOST,
    PATIENCE,
    Credentials,
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    http_body,
    http_request,
    lines,
    listening_process,
    listening_thread,
)
from .pki import PKI, _server

LABEL = "EXPERIMENTAL-aiotls"
LINE = b"line of the payload\n"
EARLY = b"line of early data\n"
PSK = aiotls.ExternalPsk(b"device", bytes(range(32)))


@dataclasses.dataclass
class Bench:
    """What a scenario has to work with."""

    peer: Peer
    pki: PKI
    directory: Path

    def client(self, **more: Any) -> aiotls.ClientConfig:
        return aiotls.ClientConfig(trust=self.pki.trust, **more)

    def server(self, **more: Any) -> aiotls.ServerConfig:
        return aiotls.ServerConfig(identity=self.pki.server_identity(), **more)

    def file(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(data)
        return path

    def staple(self, key: str = "p256") -> bytes:
        # GnuTLS finds a responder by its name alone.
        return staple(of=_server(key), responder=OCSPResponderEncoding.NAME)

    async def visit(self, port: int, settings: Settings, payload: bytes = LINE) -> Outcome:
        return await asyncio.to_thread(self.peer.connect, port, settings, payload)


class Messages:
    """An observer that keeps the kinds of handshake messages."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        (self.sent if sent else self.received).append(kind)


def ready_guard() -> aiotls.MemoryReplayGuard:
    """A guard that has been there for long enough to know what is new."""
    moments = [0.0]
    guard = aiotls.MemoryReplayGuard(clock=lambda: moments[0])
    moments[0] = 3600.0
    return guard


# --- programs, with what they print


def talk(*command: str | Path, payload: bytes = LINE) -> str:
    """A client that prints what it thinks: all of that, once *payload* has come back."""
    with Process(*command) as process:
        process.hurry()
        process.write(payload)
        printed = bytearray()
        while payload not in printed:
            chunk = process.stdout.read(1 << 16)
            if not chunk:
                break
            printed += chunk
        process.finish()
        printed += process.stdout.read(1 << 20) or b""
        return printed.decode(errors="replace") + process.log()


@contextlib.contextmanager
def running(
    command: list[str | Path], *, before_answer: bytes = b"", until: str = ""
) -> Iterator[tuple[Server, list[bytes]]]:
    """A server that prints what it thinks, and whose input is what it sends; the lines printed.

    *before_answer* is a command of its own, given before the first line is sent back, which waits
    for *until* to be printed to standard error.
    """
    printed: list[bytes] = []

    def echo(process: Process) -> None:
        pending = before_answer
        with contextlib.suppress(OSError, ValueError):
            for line in iter(process.stdout.readline, b""):
                printed.append(line)
                if line == LINE or line == EARLY:
                    if pending:
                        process.write(pending)
                        pending = b""
                        while until not in process.log() and not process.ended:
                            time.sleep(0.01)  # between two looks
                    process.write(line)

    def with_port(port: int) -> list[str | Path]:
        return [str(word).replace("{port}", str(port)) for word in command]

    with listening_process(with_port, echo) as server:
        yield server, printed


@contextlib.asynccontextmanager
async def connected(
    port: int, config: aiotls.ClientConfig, **more: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Any]]:
    """Our client, its streams, and the engine below."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await aiotls.open_connection(
            HOST, port, ssl=config, server_hostname="localhost", **more
        )
    try:
        yield reader, writer, writer.transport.connection  # type: ignore[attr-defined]
    finally:
        await ours.close(writer)


async def echoed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = LINE
) -> None:
    """One line there and back; what was sent early comes back before it."""
    writer.write(LINE)
    async with asyncio.timeout(PATIENCE):
        assert await reader.readexactly(len(answer)) == answer


@contextlib.asynccontextmanager
async def watched(
    config: aiotls.ServerConfig,
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Our server: its port, and the engine of each connection."""
    engines: list[Any] = []
    ends: list[asyncio.Task[Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(asyncio.current_task())  # type: ignore[arg-type]
        engines.append(writer.transport.connection)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        await ours.close(writer)

    server = await aiotls.start_server(handle, HOST, 0, ssl=config)
    try:
        yield server.sockets[0].getsockname()[1], engines
    finally:
        server.close()
        await server.wait_closed()
        if ends:
            await asyncio.wait(ends, timeout=PATIENCE)


def hexadecimal(text: str) -> str:
    """Letters without case, for keys that each program prints in its own way."""
    return text.replace(":", "").lower()


# --- every peer can do these, where it has the thing at all


async def speaks_tls12_as_client(bench: Bench) -> None:
    settings = Settings(credentials=bench.pki.server(), tls12=True)
    with bench.peer.serve(settings) as server:
        data, tls = await ours.fetch(
            server.port, bench.client(), lines(100_000), http=bench.peer.speaks_http
        )
    assert data == lines(100_000)
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


# --- OpenSSL's programs


def s_client(port: int, bench: Bench, *more: str | Path) -> list[str | Path]:
    return [
        *("openssl", "s_client", "-connect", f"{HOST}:{port}", "-servername", "localhost"),
        *("-CAfile", bench.pki.trust_file, "-verify_return_error", *more),
    ]


def s_server(bench: Bench, *more: str | Path, key: str = "p256") -> list[str | Path]:
    credentials = bench.pki.server(key)
    return [
        *("openssl", "s_server", "-accept", HOST + ":{port}"),
        *("-cert", credentials.chain, "-key", credentials.key, *more),
    ]


async def openssl_resumes_by_session_id(bench: Bench) -> None:
    config = bench.client(max_version=ProtocolVersion.TLSv1_2)
    with running(s_server(bench, "-tls1_2", "-no_ticket")) as (server, _):
        for turn in range(2):
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.established.resumed == bool(turn)


async def openssl_takes_early_data(bench: Bench) -> None:
    config = bench.client()
    with running(s_server(bench, "-early_data", "-tls1_3")) as (server, printed):
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        async with connected(server.port, config, early_data=EARLY) as (reader, writer, engine):
            await echoed(reader, writer, EARLY + LINE)
            assert engine.early_data_accepted
    assert EARLY in printed


async def openssl_refuses_early_data(bench: Bench) -> None:
    """Its anti-replay is told to know nothing: what was sent early is sent again."""
    config = bench.client(session_cache=KeptSessions())
    with running(s_server(bench, "-early_data", "-tls1_3")) as (server, _):
        for taken in (False, True, False):  # the third shows a ticket for the second time
            async with connected(server.port, config, early_data=EARLY, replay=True) as (
                reader,
                writer,
                engine,
            ):
                await echoed(reader, writer, EARLY + LINE)
                assert engine.early_data_accepted == taken


class KeptSessions:
    """A cache that shows its first session again and again, as no good one does."""

    def __init__(self) -> None:
        self.first: Any = None

    def put(self, key: bytes, session: Any) -> None:
        self.first = self.first or session

    def take(self, key: bytes) -> Any:
        return self.first


async def openssl_sends_early_data(bench: Bench) -> None:
    config = bench.server(max_early_data=1000, replay_guard=ready_guard())
    session = bench.directory / "session.pem"
    early = bench.file("early", EARLY)
    async with ours.serve(config) as server:
        first = s_client(server.port, bench, "-sess_out", session)
        assert LINE.decode() in await asyncio.to_thread(talk, *first)
        second = s_client(server.port, bench, "-sess_in", session, "-early_data", early)
        printed = await asyncio.to_thread(talk, *second)
        replayed = await asyncio.to_thread(talk, *second)  # the same ticket, another hello
    assert "Early data was accepted" in printed, printed
    assert EARLY.decode() in printed, printed
    assert LINE.decode() in replayed
    assert [tls["early_data"] for tls in server.connections][:2] == [False, True]


async def openssl_server_knows_a_key(bench: Bench) -> None:
    config = aiotls.ClientConfig(psks=[PSK], session_cache=None)
    options = ("-psk", PSK.secret.hex(), "-psk_identity", PSK.identity.decode(), "-tls1_3")
    command: list[str | Path] = ["openssl", "s_server", "-accept", HOST + ":{port}", "-nocert"]
    with running([*command, *options]) as (server, _):
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer is None


async def openssl_client_knows_a_key(bench: Bench) -> None:
    config = aiotls.ServerConfig(psk={PSK.identity: PSK}.get)
    options = ("-psk", PSK.secret.hex(), "-psk_identity", PSK.identity.decode(), "-tls1_3")
    async with watched(config) as (port, engines):
        printed = await asyncio.to_thread(talk, *s_client(port, bench, *options))
    assert LINE.decode() in printed, printed
    assert engines[0].peer is None
    assert engines[0].established.identity is None


async def openssl_asks_later(bench: Bench) -> None:
    """RFC 8446, section 4.6.2; ``c`` has s_server ask."""
    config = bench.client(identity=bench.pki.client_identity(), post_handshake_auth=True)
    command = s_server(bench, "-tls1_3", "-CAfile", bench.pki.trust_file)
    with running(command, before_answer=b"c\n", until="verify return:1") as (server, _):
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        assert "client.example" in server.log()


async def openssl_answers_later(bench: Bench) -> None:
    config = bench.server(trust=bench.pki.trust)
    credentials = bench.pki.client()
    options = ("-enable_pha", "-cert", credentials.chain, "-key", credentials.key, "-tls1_3")

    def ask(transport: Any) -> None:
        transports.append(transport)
        transport.request_certificate()

    transports: list[Any] = []
    async with ours.serve(config, before_answer=ask) as server:
        command = s_client(server.port, bench, *options)
        printed = await asyncio.to_thread(talk, *command)
    assert LINE.decode() in printed, printed
    assert transports[0].connection.peer.verified_chain


async def openssl_staples(bench: Bench) -> None:
    response = bench.staple()
    file = bench.file("staple", response)
    for version in ("-tls1_2", "-tls1_3"):
        with running(s_server(bench, version, "-status_file", file)) as (server, _):
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response


async def openssl_takes_a_staple(bench: Bench) -> None:
    identity = bench.pki.server_identity().with_staple(bench.staple())
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for version in ("-tls1_2", "-tls1_3"):
            command = s_client(server.port, bench, "-status", version)
            printed = await asyncio.to_thread(talk, *command)
            assert "OCSP Response Status: successful" in printed
            assert "Cert Status: good" in printed


async def openssl_exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for version in ("-tls1_2", "-tls1_3"):
            command = s_client(port, bench, version, "-keymatexport", LABEL)
            printed = hexadecimal(await asyncio.to_thread(talk, *command))
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert f"keying material {expected}" in printed


async def openssl_exports_as_server(bench: Bench) -> None:
    for version in ("-tls1_2", "-tls1_3"):
        with running(s_server(bench, version, "-keymatexport", LABEL)) as (server, printed):
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                expected = engine.export_keying_material(LABEL, 20).hex()
        said = hexadecimal(b"".join(printed).decode(errors="replace"))
        assert f"keying material {expected}" in said


# --- GnuTLS's programs


def gnutls_cli(port: int, bench: Bench, *more: str | Path, trust: bool = True) -> list[str | Path]:
    return [
        *("gnutls-cli", "--port", str(port), "--sni-hostname", "localhost"),
        *(("--x509cafile", bench.pki.trust_file) if trust else ()),
        *("--verify-hostname", "localhost", *more, HOST),
    ]


def gnutls_serv(bench: Bench, *more: str | Path, certificate: bool = True) -> list[str | Path]:
    credentials = bench.pki.server()
    options: tuple[str | Path, ...] = ()
    if certificate:
        options = ("--x509certfile", credentials.chain, "--x509keyfile", credentials.key)
    return ["gnutls-serv", "--port", "{port}", "--echo", "--crlf", *options, *more]


TLS13 = "NORMAL:-VERS-ALL:+VERS-TLS1.3"


async def gnutls_takes_early_data(bench: Bench) -> None:
    config = bench.client()
    command = gnutls_serv(bench, "--earlydata", "--disable-client-cert")
    with running(command) as (server, _):
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        async with connected(server.port, config, early_data=EARLY) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.early_data_accepted


async def gnutls_sends_early_data(bench: Bench) -> None:
    config = bench.server(max_early_data=1000, replay_guard=ready_guard())
    early = bench.file("early", EARLY)
    async with ours.serve(config) as server:
        command = gnutls_cli(
            server.port, bench, "--resume", "--waitresumption", "--earlydata", early
        )
        printed = await asyncio.to_thread(talk, *command)
    assert LINE.decode() in printed, printed
    assert EARLY.decode() in printed
    assert [tls["early_data"] for tls in server.connections] == [False, True]


KEYS_ALONE = f"{TLS13}:-KX-ALL:+ECDHE-PSK"


async def gnutls_server_knows_a_key(bench: Bench) -> None:
    table = bench.file("keys", PSK.identity + b":" + PSK.secret.hex().encode() + b"\n")
    options = ("--pskpasswd", table, "--priority", KEYS_ALONE)
    config = aiotls.ClientConfig(psks=[PSK], session_cache=None)
    with running(gnutls_serv(bench, *options, certificate=False)) as (server, _):
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer is None


async def gnutls_client_knows_a_key(bench: Bench) -> None:
    options = ("--pskusername", PSK.identity.decode(), "--pskkey", PSK.secret.hex())
    config = aiotls.ServerConfig(psk={PSK.identity: PSK}.get)
    async with watched(config) as (port, engines):
        command = gnutls_cli(port, bench, *options, "--priority", KEYS_ALONE, trust=False)
        printed = await asyncio.to_thread(talk, *command)
    assert LINE.decode() in printed, printed
    assert engines[0].established.identity is None


async def gnutls_answers_later(bench: Bench) -> None:
    config = bench.server(trust=bench.pki.trust)
    credentials = bench.pki.client()
    transports: list[Any] = []

    def ask(transport: Any) -> None:
        transports.append(transport)
        transport.request_certificate()

    async with ours.serve(config, before_answer=ask) as server:
        options = ("--x509certfile", credentials.chain, "--x509keyfile", credentials.key)
        command = gnutls_cli(server.port, bench, "--post-handshake-auth", *options)
        printed = await asyncio.to_thread(talk, *command)
        assert LINE.decode() in printed, printed
    assert transports[0].connection.peer.verified_chain


async def gnutls_staples(bench: Bench) -> None:
    response = bench.staple()
    file = bench.file("staple", response)
    options = ("--ocsp-response", file, "--disable-client-cert")
    for version in (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3):
        with running(gnutls_serv(bench, *options)) as (server, _):
            config = bench.client(max_version=version)
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response


async def gnutls_takes_a_staple(bench: Bench) -> None:
    response = bench.staple()
    identity = bench.pki.server_identity().with_staple(response)
    saved = bench.directory / "saved"
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for version in ("TLS1.2", "TLS1.3"):
            saved.unlink(missing_ok=True)
            priority = f"NORMAL:-VERS-ALL:+VERS-{version}"
            options = ("--save-ocsp", saved, "--priority", priority)
            printed = await asyncio.to_thread(talk, *gnutls_cli(server.port, bench, *options))
            assert LINE.decode() in printed, printed
            assert saved.read_bytes() == response


async def gnutls_shows_a_raw_key(bench: Bench) -> None:
    identity = bench.pki.server_identity()
    key, public = raw_key_files(bench, identity, bench.pki.server())
    options = ("--rawpkkeyfile", key, "--rawpkfile", public, "--disable-client-cert")
    priority = f"{TLS13}:-CTYPE-SRV-ALL:+CTYPE-SRV-RAWPK"
    config = aiotls.ClientConfig(raw_public_keys=[identity.raw_public_key])
    command = gnutls_serv(bench, *options, "--priority", priority, certificate=False)
    with running(command) as (server, _):
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer.raw_public_key == identity.raw_public_key


async def gnutls_client_shows_a_raw_key(bench: Bench) -> None:
    """Both sides at once: the server shows its key alone too."""
    identity = bench.pki.client_identity()
    key, public = raw_key_files(bench, identity, bench.pki.client())
    config = bench.server(
        client_auth=aiotls.ClientAuth.REQUIRED,
        raw_public_keys=[identity.raw_public_key],
        show_raw_public_key=True,
    )
    priority = f"{TLS13}:-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK"
    options = ("--rawpkkeyfile", key, "--rawpkfile", public, "--insecure", "--priority", priority)
    async with watched(config) as (port, engines):
        printed = await asyncio.to_thread(talk, *gnutls_cli(port, bench, *options, trust=False))
    assert LINE.decode() in printed, printed
    assert engines[0].peer.raw_public_key == identity.raw_public_key


def raw_key_files(
    bench: Bench, identity: aiotls.Identity, credentials: Credentials
) -> tuple[Path, Path]:
    """The private key, and the public one in PEM."""
    public = load_der_public_key(identity.raw_public_key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return credentials.key, bench.file("public.pem", pem)


async def gnutls_keeps_to_our_limit(bench: Bench) -> None:
    """RFC 8449, section 4: a longer record than asked for would end the connection."""
    payload = lines(60_000)
    for version in (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3):
        seen = Hellos()
        config = bench.client(record_size_limit=600, max_version=version, observer=seen)
        settings = Settings(
            credentials=bench.pki.server(), tls12=version == ProtocolVersion.TLSv1_2
        )
        with bench.peer.serve(settings) as server:
            data, _ = await ours.fetch(server.port, config, payload)
        assert data == payload
        assert ExtensionType.RECORD_SIZE_LIMIT in seen.answered


async def gnutls_client_keeps_to_our_limit(bench: Bench) -> None:
    """The line fits: gnutls-cli loses what one record does not hold of what it has read."""
    payload = b"line %0580d\n" % 1
    for tls12 in (True, False):
        config = bench.server(record_size_limit=600, observer=(seen := Hellos()))
        async with ours.serve(config) as server:
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(server.port, settings, payload)
        assert outcome.data == payload, outcome.error
        assert ExtensionType.RECORD_SIZE_LIMIT in seen.answered


async def gnutls_exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for version in ("TLS1.2", "TLS1.3"):
            priority = f"NORMAL:-VERS-ALL:+VERS-{version}"
            options = ("--priority", priority, "--keymatexport", LABEL, "--keymatexportsize", "20")
            printed = await asyncio.to_thread(talk, *gnutls_cli(port, bench, *options))
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert expected in hexadecimal(printed), printed


# --- and of the others what they have


async def go_staples(bench: Bench) -> None:
    response = bench.staple()
    extra = ("-staple", bench.file("staple", response), "-timestamp", "a timestamp")
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), extra=extra, tls12=tls12)
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response
                assert engine.peer.scts == (b"a timestamp",)


async def go_takes_a_staple(bench: Bench) -> None:
    response = bench.staple()
    identity = bench.pki.server_identity().with_staple(response, scts=[b"a timestamp"])
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(server.port, settings)
            assert outcome.data == LINE
            assert f"staple={response.hex()}" in outcome.error
            assert 'timestamps=["a timestamp"]' in outcome.error


async def go_exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(port, settings)
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert f"exported={expected}" in outcome.error


async def go_exports_as_server(bench: Bench) -> None:
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12)
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                expected = engine.export_keying_material(LABEL, 20).hex()
                assert f"exported={expected}" in server.log()


def go_keys(keys: aiotls.ECHKeys) -> tuple[str, ...]:
    """A server's key for Encrypted Client Hello, as the program takes it."""
    key = keys.keys[0]
    private = key.private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return ("-ech-config", key.config.encoded.hex(), "-ech-key", private.hex())


async def go_takes_an_encrypted_hello(bench: Bench) -> None:
    keys, old = aiotls.ECHKeys.generate("localhost"), aiotls.ECHKeys.generate("localhost")
    settings = Settings(credentials=bench.pki.server(), extra=go_keys(keys))
    with bench.peer.serve(settings) as server:
        for groups in (("x25519",), ("secp521r1", "x25519")):
            config = bench.client(ech=keys.config_list, groups=groups)
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.established.ech
                assert "ech=true" in server.log()
        with pytest.raises(aiotls.ECHRejected) as caught:
            async with connected(server.port, bench.client(ech=old.config_list)):
                pass
        config = bench.client(ech=caught.value.retry_configs)
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.established.ech


async def go_sends_an_encrypted_hello(bench: Bench) -> None:
    keys = aiotls.ECHKeys.generate("front.example")  # Go takes no public name without a dot
    async with watched(bench.server(ech_keys=keys)) as (port, engines):
        settings = Settings(trust=bench.pki.trust_file)
        for groups in ((), (NamedGroup.SECP256R1,)):
            extra = ("-ech-list", keys.config_list.hex())
            outcome = await bench.visit(port, settings.but(extra=extra, groups=groups))
            assert outcome.data == LINE, outcome.error
            assert "ech=true" in outcome.error
            assert engines[-1].established.ech


APPLICATION = b"""
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


@contextlib.contextmanager
def granian(bench: Bench, *more: str) -> Iterator[Server]:
    """The server granian, whose TLS is that of rustls."""
    pytest.importorskip("granian", reason="the package granian is not installed")
    bench.file("application.py", APPLICATION)
    credentials = bench.pki.server()

    def command(port: int) -> list[str | Path]:
        return [
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1"),
            *("--host", HOST, "--port", str(port), "--http", "1", "--working-dir"),
            *(bench.directory, "--ssl-certificate", credentials.chain),
            *("--ssl-keyfile", credentials.key, *more, "application:app"),
        ]

    with listening_process(command) as server:
        yield server


async def _granian_resumes(bench: Bench, *more: str, version: str) -> None:
    with granian(bench, *more) as server:
        config = bench.client(max_version=VERSIONS[version])
        for turn in range(2):
            data, tls = await ours.fetch(server.port, config, LINE, http=True)
            assert data == LINE
            assert tls["version"] == version
            assert tls["resumed"] == bool(turn)


VERSIONS = {version.title: version for version in ProtocolVersion}


async def granian_resumes_tls13(bench: Bench) -> None:
    await _granian_resumes(bench, version="TLS 1.3")


async def granian_resumes_tls12(bench: Bench) -> None:
    await _granian_resumes(bench, "--ssl-protocol-min", "tls1.2", version="TLS 1.2")


async def nginx_staples(bench: Bench) -> None:
    response = bench.staple()
    file = bench.file("staple", response)
    extra = ("ssl_stapling on", f"ssl_stapling_file {file}")
    settings = Settings(credentials=bench.pki.server(), extra=extra)
    with bench.peer.serve(settings) as server:
        async with connected(server.port, bench.client()) as (reader, writer, engine):
            assert await ours.exchange((reader, writer), LINE, http=True) == LINE
            assert engine.peer.staple == response


async def nginx_takes_early_data(bench: Bench) -> None:
    settings = Settings(credentials=bench.pki.server(), extra=("ssl_early_data on",))
    config = bench.client()
    with bench.peer.serve(settings) as server:
        async with connected(server.port, config) as (reader, writer, _):
            assert await ours.exchange((reader, writer), LINE, http=True) == LINE
        early = http_request(LINE)
        async with connected(server.port, config, early_data=early) as (reader, _, engine):
            async with asyncio.timeout(PATIENCE):
                assert http_body(await reader.read(-1)) == LINE
            assert engine.early_data_accepted


async def stdlib_asks_later(bench: Bench) -> None:
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


async def stdlib_answers_later(bench: Bench) -> None:
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


async def stdlib_binds_as_client(bench: Bench) -> None:
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


async def stdlib_binds_as_server(bench: Bench) -> None:
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


async def browsers_take_compressed_certificates(bench: Bench) -> None:
    """RFC 8879: Chrome's ClientHello asks for brotli, Safari's for zlib."""
    requests = pytest.importorskip(
        "curl_cffi.requests", reason="the package curl_cffi is not installed"
    )
    # What is shorter than a packet is not compressed.
    issuer = certificates.intermediate()
    long = certificates.leaf("localhost", issuer=issuer, key_kind="rsa").identity
    for browser in ("chrome131", "safari184"):
        seen = Messages()
        config = aiotls.ServerConfig(identity=long, observer=seen, alpn_protocols=["http/1.1"])
        async with ours.serve(config, http=True) as server:
            response = await asyncio.to_thread(
                requests.post,
                f"https://localhost:{server.port}/echo",
                data=LINE,
                impersonate=browser,
                http_version="v1",
                verify=str(bench.pki.trust_file),
                timeout=PATIENCE,
            )
        assert response.content == LINE
        assert HandshakeType.COMPRESSED_CERTIFICATE in seen.sent, browser


# --- what was said in the hellos


class Hellos:
    """An observer that keeps the ClientHello, and the extensions that the server answered with."""

    client: Any = None

    def __init__(self) -> None:
        self.answered: set[int] = set()

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        if kind == HandshakeType.CLIENT_HELLO:
            self.client = ClientHello.parse(data[4:])
        elif kind == HandshakeType.SERVER_HELLO:
            self.answered.update(ServerHello.parse(data[4:]).extensions.types)
        elif kind == HandshakeType.ENCRYPTED_EXTENSIONS:
            self.answered.update(EncryptedExtensions.parse(data[4:]).extensions.types)


async def pyopenssl_exports_as_server(bench: Bench) -> None:
    from OpenSSL import SSL

    pyopenssl: Any = bench.peer
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12)
        context = pyopenssl.context(settings, None, server_side=True)

        def serve(plain: socket.socket, context: Any = context) -> None:
            plain.settimeout(None)
            tls = SSL.Connection(context, plain)
            tls.set_accept_state()
            tls.do_handshake()
            tls.sendall(tls.export_keying_material(LABEL.encode(), 20))
            tls.shutdown()

        with listening_thread(serve) as server:
            async with connected(server.port, bench.client()) as (reader, _, engine):
                async with asyncio.timeout(PATIENCE):
                    found = await reader.readexactly(20)
                assert found == engine.export_keying_material(LABEL, 20)


async def pyopenssl_exports_as_client(bench: Bench) -> None:
    from OpenSSL import SSL

    pyopenssl: Any = bench.peer

    def export(port: int, tls12: bool) -> bytes:
        settings = Settings(tls12=tls12)
        context = pyopenssl.context(settings, None, server_side=False)
        with socket.create_connection((HOST, port), PATIENCE) as plain:
            plain.settimeout(None)
            tls = SSL.Connection(context, plain)
            tls.set_connect_state()
            tls.do_handshake()
            tls.sendall(LINE)
            assert tls.recv(1000) == LINE
            material: bytes = tls.export_keying_material(LABEL.encode(), 20)
            tls.shutdown()
            return material

    async with watched(bench.server()) as (port, engines):
        for tls12 in (False, True):
            found = await asyncio.to_thread(export, port, tls12)
            assert found == engines[-1].export_keying_material(LABEL, 20)
