"""What OpenSSL's programs do, which print what they think."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import aiotls
from aiotls.enums import ExtensionType, ProtocolVersion
from tests.engine.test_certificates import staple

from .. import ours
from ..bench import (
    EARLY,
    LABEL,
    LINE,
    PSK,
    Bench,
    Hellos,
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
from ..peer import HOST, Process
from ..pki import _must_staple
from . import every


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


async def resumes_by_session_id(bench: Bench) -> None:
    config = bench.client(max_version=ProtocolVersion.TLSv1_2)
    with running(s_server(bench, "-tls1_2", "-no_ticket")) as (server, _):
        for turn in range(2):
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.established.resumed == bool(turn)


async def takes_early_data(bench: Bench) -> None:
    config = bench.client()
    with running(s_server(bench, "-early_data", "-tls1_3")) as (server, printed):
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        async with connected(server.port, config, early_data=EARLY) as (reader, writer, engine):
            await echoed(reader, writer, EARLY + LINE)
            assert engine.early_data_accepted
    assert EARLY in printed


async def refuses_early_data(bench: Bench) -> None:
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


async def sends_early_data(bench: Bench) -> None:
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


async def early_data_is_passed_over(bench: Bench) -> None:
    """What s_client sent early is lost on a server that refuses it, and the rest is not."""
    config = bench.server(max_early_data=1000, replay_guard=RefusingGuard())
    session = bench.directory / "session.pem"
    early = bench.file("early", EARLY)
    async with ours.serve(config) as server:
        first = s_client(server.port, bench, "-sess_out", session)
        assert LINE.decode() in await asyncio.to_thread(talk, *first)
        second = s_client(server.port, bench, "-sess_in", session, "-early_data", early)
        printed = await asyncio.to_thread(talk, *second)
    assert "Early data was rejected" in printed, printed
    assert LINE.decode() in printed
    assert EARLY.decode() not in printed
    assert [tls["resumed"] for tls in server.connections] == [False, True]


async def server_knows_a_key(bench: Bench) -> None:
    config = aiotls.ClientConfig(psks=[PSK], session_cache=None)
    options = ("-psk", PSK.secret.hex(), "-psk_identity", PSK.identity.decode(), "-tls1_3")
    command: list[str | Path] = ["openssl", "s_server", "-accept", HOST + ":{port}", "-nocert"]
    with running([*command, *options]) as (server, _):
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer is None


async def client_knows_a_key(bench: Bench) -> None:
    config = aiotls.ServerConfig(psk={PSK.identity: PSK}.get)
    options = ("-psk", PSK.secret.hex(), "-psk_identity", PSK.identity.decode(), "-tls1_3")
    async with watched(config) as (port, engines):
        printed = await asyncio.to_thread(talk, *s_client(port, bench, *options))
    assert LINE.decode() in printed, printed
    assert engines[0].peer is None
    assert engines[0].established.identity is None


async def asks_later(bench: Bench) -> None:
    """RFC 8446, section 4.6.2; ``c`` has s_server ask."""
    config = bench.client(identity=bench.pki.client_identity(), post_handshake_auth=True)
    command = s_server(bench, "-tls1_3", "-CAfile", bench.pki.trust_file)
    with running(command, before_answer=b"c\n", until="verify return:1") as (server, _):
        async with connected(server.port, config) as (reader, writer, _):
            await echoed(reader, writer)
        await said("client.example", server.log)


async def answers_later(bench: Bench) -> None:
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


async def staples(bench: Bench) -> None:
    response = bench.staple()
    file = bench.file("staple", response)
    for version in ("-tls1_2", "-tls1_3"):
        with running(s_server(bench, version, "-status_file", file)) as (server, _):
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response


async def takes_a_staple(bench: Bench) -> None:
    identity = bench.pki.server_identity().with_staple(bench.staple())
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for version in ("-tls1_2", "-tls1_3"):
            command = s_client(server.port, bench, "-status", version)
            printed = await asyncio.to_thread(talk, *command)
            assert "OCSP Response Status: successful" in printed
            assert "Cert Status: good" in printed


async def exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for version in ("-tls1_2", "-tls1_3"):
            command = s_client(port, bench, version, "-keymatexport", LABEL)
            printed = hexadecimal(await asyncio.to_thread(talk, *command))
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert f"keying material {expected}" in printed


async def exports_as_server(bench: Bench) -> None:
    for version in ("-tls1_2", "-tls1_3"):
        with running(s_server(bench, version, "-keymatexport", LABEL)) as (server, printed):
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                expected = engine.export_keying_material(LABEL, 20).hex()
            await said(
                f"keying material {expected}",
                lambda: hexadecimal(b"".join(printed).decode(errors="replace")),
            )


async def asks_for_short_fragments(bench: Bench) -> None:
    """RFC 6066, section 4: what is not taken up is not answered, and all goes on at full size."""
    config = bench.server(observer=(seen := Hellos()))
    async with watched(config) as (port, _):
        for version in ("-tls1_2", "-tls1_3"):
            printed = await asyncio.to_thread(
                talk, *s_client(port, bench, version, "-maxfraglen", "512")
            )
            assert LINE.decode() in printed
            assert ExtensionType.MAX_FRAGMENT_LENGTH in seen.client.extensions.types
            assert ExtensionType.MAX_FRAGMENT_LENGTH not in seen.answered


async def asks_for_renegotiation(bench: Bench) -> None:
    """RFC 5746, section 4.5 and RFC 5246, section 7.2.2: a warning says that there is none."""
    config = bench.client(max_version=ProtocolVersion.TLSv1_2)
    with running(s_server(bench, "-tls1_2"), before_answer=b"r\n", until="no reneg") as (
        server,
        _,
    ):
        async with connected(server.port, config) as (reader, writer, _):
            with pytest.raises(aiotls.AlertReceived):  # OpenSSL takes no for an error
                await echoed(reader, writer)
        await said("no renegotiation", server.log)


async def renegotiates(bench: Bench) -> None:
    """The same, when the client starts it with a ClientHello of its own."""

    def visit(port: int) -> str:
        with Process(*s_client(port, bench, "-tls1_2")) as process:
            process.hurry()
            process.write(LINE)
            for line in iter(process.stdout.readline, b""):
                if line == LINE:
                    process.write(b"R\n")  # it takes a command at the start of a read alone
                    break
            while process.stdout.read(1 << 16):
                pass
            process.finish()
            return process.log()

    async with watched(bench.server()) as (port, _):
        assert "no renegotiation" in await asyncio.to_thread(visit, port)


async def pads_records(bench: Bench) -> None:
    """RFC 8446, section 5.4: zeros that nobody but the receiver can tell from data."""
    async with watched(bench.server()) as (port, _):
        printed = await asyncio.to_thread(
            talk, *s_client(port, bench, "-tls1_3", "-record_padding", "512")
        )
    assert LINE.decode() in printed


async def pads_records_as_server(bench: Bench) -> None:
    with running(s_server(bench, "-tls1_3", "-record_padding", "512")) as (server, _):
        async with connected(server.port, bench.client()) as (reader, writer, _):
            await echoed(reader, writer)


async def takes_a_timestamp(bench: Bench) -> None:
    """One of RFC 6962, section 3.2, of a log that nobody knows: s_client shows it all the same."""
    log, moment, signature = bytes(range(32)), 1_700_000_000_000, bytes(8)
    signed = b"\x04\x03" + len(signature).to_bytes(2, "big") + signature
    timestamp = b"\0" + log + moment.to_bytes(8, "big") + b"\0\0" + signed
    identity = bench.pki.server_identity().with_staple(bench.staple(), scts=[timestamp])
    logs = bench.file("logs.cnf", b"enabled_logs=\n")
    async with watched(aiotls.ServerConfig(identity=identity)) as (port, _):
        for version in ("-tls1_2", "-tls1_3"):
            command = s_client(port, bench, version, "-ct", "-ctlogfile", logs)
            printed = await asyncio.to_thread(talk, *command)
            assert "Signed Certificate Timestamp" in printed, printed
            assert "00:01:02:03:04:05:06:07" in printed


async def staples_as_it_must(bench: Bench) -> None:
    await every.refuses_a_missing_staple(bench)
    credentials = bench.pki.must_staple()
    file = bench.file("staple", staple(of=_must_staple()))
    options = ("-cert", credentials.chain, "-key", credentials.key, "-status_file", file)
    with running(s_server(bench, *options)) as (server, _):
        async with connected(server.port, bench.client()) as (reader, writer, _):
            await echoed(reader, writer)
