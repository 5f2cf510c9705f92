"""What GnuTLS's programs do, which print what they think."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.ocsp import OCSPResponderEncoding

import aiotls
from aiotls.enums import ExtensionType, HandshakeType, ProtocolVersion
from aiotls.sessions import MemorySessionCache
from tests.engine.test_certificates import staple

from .. import ours
from ..bench import (
    EARLY,
    LABEL,
    LINE,
    PSK,
    Bench,
    Hellos,
    Messages,
    RefusingGuard,
    connected,
    echoed,
    hexadecimal,
    ready_guard,
    running,
    said,
    talk,
    watched,
)
from ..peer import (
    HOST,
    PATIENCE,
    Credentials,
    Process,
    Settings,
    lines,
)
from ..pki import _must_staple


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
BOTH = (TLS13, "NORMAL:-VERS-ALL:+VERS-TLS1.2")


async def takes_early_data(bench: Bench) -> None:
    config = bench.client()
    command = gnutls_serv(bench, "--earlydata", "--disable-client-cert")
    with running(command) as (server, _):
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        async with connected(server.port, config, early_data=EARLY) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.early_data_accepted


async def sends_early_data(bench: Bench) -> None:
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


async def server_knows_a_key(bench: Bench) -> None:
    table = bench.file("keys", PSK.identity + b":" + PSK.secret.hex().encode() + b"\n")
    options = ("--pskpasswd", table, "--priority", KEYS_ALONE)
    config = aiotls.ClientConfig(psks=[PSK], session_cache=None)
    with running(gnutls_serv(bench, *options, certificate=False)) as (server, _):
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer is None


async def client_knows_a_key(bench: Bench) -> None:
    options = ("--pskusername", PSK.identity.decode(), "--pskkey", PSK.secret.hex())
    config = aiotls.ServerConfig(psk={PSK.identity: PSK}.get)
    async with watched(config) as (port, engines):
        command = gnutls_cli(port, bench, *options, "--priority", KEYS_ALONE, trust=False)
        printed = await asyncio.to_thread(talk, *command)
    assert LINE.decode() in printed, printed
    assert engines[0].established.identity is None


async def answers_later(bench: Bench) -> None:
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


async def staples(bench: Bench) -> None:
    response = bench.staple()
    file = bench.file("staple", response)
    options = ("--ocsp-response", file, "--disable-client-cert")
    for version in (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3):
        with running(gnutls_serv(bench, *options)) as (server, _):
            config = bench.client(max_version=version)
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response


async def takes_a_staple(bench: Bench) -> None:
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


async def shows_a_raw_key(bench: Bench) -> None:
    identity = bench.pki.server_identity()
    key, public = raw_key_files(bench, identity, bench.pki.server())
    options = ("--rawpkkeyfile", key, "--rawpkfile", public, "--disable-client-cert")
    for version in BOTH:
        priority = f"{version}:-CTYPE-SRV-ALL:+CTYPE-SRV-RAWPK"
        config = aiotls.ClientConfig(raw_public_keys=[identity.raw_public_key])
        command = gnutls_serv(bench, *options, "--priority", priority, certificate=False)
        with running(command) as (server, _):
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.raw_public_key == identity.raw_public_key


async def client_shows_a_raw_key(bench: Bench) -> None:
    """Both sides at once: the server shows its key alone too, where it has no certificate."""
    identity = bench.pki.client_identity()
    key, public = raw_key_files(bench, identity, bench.pki.client())
    alone = aiotls.Identity.from_raw_key(bench.pki.server_identity().signer)
    options = ("--rawpkkeyfile", key, "--rawpkfile", public, "--insecure")
    for version in BOTH:
        for changes in ({"show_raw_public_key": True}, {"identity": alone}):
            config = bench.server(
                client_auth=aiotls.ClientAuth.REQUIRED,
                raw_public_keys=[identity.raw_public_key],
            ).replace(**changes)
            priority = f"{version}:-CTYPE-ALL:+CTYPE-SRV-RAWPK:+CTYPE-CLI-RAWPK"
            async with watched(config) as (port, engines):
                command = gnutls_cli(port, bench, *options, "--priority", priority, trust=False)
                printed = await asyncio.to_thread(talk, *command)
            assert LINE.decode() in printed, printed
            assert engines[0].peer.raw_public_key == identity.raw_public_key


def raw_key_files(
    bench: Bench, identity: aiotls.Identity, credentials: Credentials
) -> tuple[Path, Path]:
    """The private key, and the public one in PEM."""
    public = load_der_public_key(identity.raw_public_key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return credentials.key, bench.file("public.pem", pem)


async def keeps_to_our_limit(bench: Bench) -> None:
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


async def client_keeps_to_our_limit(bench: Bench) -> None:
    """The line fits: gnutls-cli loses what one record does not hold of what it has read."""
    payload = b"line %0580d\n" % 1
    for tls12 in (True, False):
        config = bench.server(record_size_limit=600, observer=(seen := Hellos()))
        async with ours.serve(config) as server:
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(server.port, settings, payload)
        assert outcome.data == payload, outcome.error
        assert ExtensionType.RECORD_SIZE_LIMIT in seen.answered


async def exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for version in ("TLS1.2", "TLS1.3"):
            priority = f"NORMAL:-VERS-ALL:+VERS-{version}"
            options = ("--priority", priority, "--keymatexport", LABEL, "--keymatexportsize", "20")
            printed = await asyncio.to_thread(talk, *gnutls_cli(port, bench, *options))
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert expected in hexadecimal(printed), printed


async def exports_as_server(bench: Bench) -> None:
    options = ("--keymatexport", LABEL, "--keymatexportsize", "20", "--disable-client-cert")
    with running(gnutls_serv(bench, *options)) as (server, printed):
        for version in (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3):
            config = bench.client(max_version=version)
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                expected = engine.export_keying_material(LABEL, 20).hex()
            await said(expected, lambda: hexadecimal(b"".join(printed).decode(errors="replace")))


async def binds_as_server(bench: Bench) -> None:
    """RFC 5929 and RFC 9266: every binding that it prints is ours too."""
    options = ("--disable-client-cert", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    with running(gnutls_serv(bench, *options)) as (server, printed):
        async with connected(server.port, bench.client()) as (reader, writer, engine):
            await echoed(reader, writer)
        await said("tls-exporter", lambda: b"".join(printed).decode(errors="replace"))
        _same_bindings(b"".join(printed).decode(errors="replace"), engine)


async def binds_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        options = ("--verbose", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
        printed = await asyncio.to_thread(talk, *gnutls_cli(port, bench, *options))
        _same_bindings(printed, engines[0])


def _same_bindings(printed: str, engine: Any) -> None:
    found = dict(re.findall(r"'(tls-[a-z-]+)': ([0-9a-f]+)", printed))
    assert set(found) == {"tls-unique", "tls-server-end-point", "tls-exporter"}, printed
    for kind, value in found.items():
        assert engine.channel_binding(kind).hex() == value, kind


async def asks_later(bench: Bench) -> None:
    """In its echo mode a line of the client's has it ask."""
    seen = Messages()
    identity = bench.pki.client_identity()
    config = bench.client(identity=identity, post_handshake_auth=True, observer=seen)
    options = ("--disable-client-cert", "--x509cafile", bench.pki.trust_file)
    with running(gnutls_serv(bench, *options)) as (server, _):
        async with connected(server.port, config) as (reader, writer, _):
            writer.write(b"**REAUTH**\n")
            async with asyncio.timeout(PATIENCE):
                assert await reader.readline() == b"Successfully executed command\n"
            await echoed(reader, writer)
    assert HandshakeType.CERTIFICATE_REQUEST in seen.received
    assert HandshakeType.CERTIFICATE in seen.sent


async def refuses_early_data(bench: Bench) -> None:
    """Whose ticket is older than gnutls-serv, or looks so, is not believed."""
    config = bench.client(session_cache=OlderSessions())
    with running(gnutls_serv(bench, "--earlydata", "--disable-client-cert")) as (server, _):
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


class OlderSessions(MemorySessionCache):
    """What it gives back was made, it says, a minute before."""

    def take(self, key: bytes) -> Any:
        session = super().take(key)
        return session and dataclasses.replace(session, created=session.created - 60)


async def early_data_is_passed_over(bench: Bench) -> None:
    config = bench.server(max_early_data=1000, replay_guard=RefusingGuard())
    early = bench.file("early", EARLY)
    async with ours.serve(config) as server:
        options = ("--resume", "--waitresumption", "--earlydata", early)
        printed = await asyncio.to_thread(talk, *gnutls_cli(server.port, bench, *options))
    assert LINE.decode() in printed, printed
    assert EARLY.decode() not in printed
    assert [tls["resumed"] for tls in server.connections] == [False, True]


async def asks_for_short_fragments(bench: Bench) -> None:
    """RFC 8449, section 5: who asks for both is answered to record_size_limit alone."""
    async with watched(bench.server(observer=(seen := Hellos()))) as (port, _):
        printed = await asyncio.to_thread(talk, *gnutls_cli(port, bench, "--recordsize", "1024"))
    assert LINE.decode() in printed
    assert ExtensionType.MAX_FRAGMENT_LENGTH in seen.client.extensions.types
    assert ExtensionType.MAX_FRAGMENT_LENGTH not in seen.answered


async def asks_for_renegotiation(bench: Bench) -> None:
    """RFC 5746, section 4.5: a HelloRequest is answered with a warning. It asks five times."""
    config = bench.client(max_version=ProtocolVersion.TLSv1_2, observer=(seen := Messages()))
    with running(gnutls_serv(bench, "--disable-client-cert")) as (server, _):
        async with connected(server.port, config) as (_, writer, _):
            writer.write(b"**REHANDSHAKE**\n")
            await said("A TLS warning alert has been received", server.log)
    assert HandshakeType.HELLO_REQUEST in seen.received


async def renegotiates(bench: Bench) -> None:
    options = ("--rehandshake", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2")
    async with watched(bench.server()) as (port, _):
        command = gnutls_cli(port, bench, *options)
        with Process(*command) as process:
            process.hurry()
            await said("ReHandshake has failed", process.log)


async def resumes_by_session_id(bench: Bench) -> None:
    config = bench.client(max_version=ProtocolVersion.TLSv1_2, observer=(seen := Messages()))
    with running(gnutls_serv(bench, "--noticket", "--disable-client-cert")) as (server, _):
        for turn in range(2):
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.established.resumed == bool(turn)
    assert HandshakeType.NEW_SESSION_TICKET not in seen.received


async def insists_on_a_staple(bench: Bench) -> None:
    """RFC 7633: gnutls-cli honours it too."""
    issued = _must_staple()
    response = staple(of=issued, responder=OCSPResponderEncoding.NAME)
    for identity, good in ((issued.identity, False), (issued.identity.with_staple(response), True)):
        async with watched(aiotls.ServerConfig(identity=identity)) as (port, _):
            printed = await asyncio.to_thread(talk, *gnutls_cli(port, bench))
        assert (LINE.decode() in printed) == good, printed
        assert ("the OCSP status is missing" in printed) == (not good), printed
