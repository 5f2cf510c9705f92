"""What Node.js does, by the program in the folder node."""

from __future__ import annotations

import re

import aiotls
from aiotls.enums import HandshakeType
from tests import certificates

from .. import ours
from ..bench import LABEL, LINE, PSK, Bench, Messages, connected, echoed, said, watched
from ..peer import Settings


async def staples(bench: Bench) -> None:
    response = bench.staple()
    options = {"staple": str(bench.file("staple", response))}
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12, options=options)
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response


async def takes_a_staple(bench: Bench) -> None:
    response = bench.staple()
    identity = bench.pki.server_identity().with_staple(response)
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for tls12 in (False, True):
            settings = Settings(
                trust=bench.pki.trust_file, tls12=tls12, options={"requestOCSP": True}
            )
            outcome = await bench.visit(server.port, settings)
            assert outcome.data == LINE, outcome.error
            assert f"staple={response.hex()}" in outcome.error


async def exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12, options={"label": LABEL})
            outcome = await bench.visit(port, settings)
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert f"exported={expected}" in outcome.error


async def exports_as_server(bench: Bench) -> None:
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12, options={"label": LABEL})
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                expected = engine.export_keying_material(LABEL, 20).hex()
            await said(f"exported={expected}", server.log)


async def binds_as_client(bench: Bench) -> None:
    """RFC 5929, section 3.1: in a full handshake the client's Finished is the first."""
    async with watched(bench.server()) as (port, engines):
        outcome = await bench.visit(port, Settings(trust=bench.pki.trust_file, tls12=True))
        found = re.search(" finished=([0-9a-f]+)", outcome.error)
        assert found, outcome.error
        assert bytes.fromhex(found[1]) == engines[0].channel_binding("tls-unique")


async def binds_as_server(bench: Bench) -> None:
    with bench.peer.serve(Settings(credentials=bench.pki.server(), tls12=True)) as server:
        async with connected(server.port, bench.client()) as (reader, writer, engine):
            await echoed(reader, writer)
            found = re.search(" peer_finished=([0-9a-f]+)", server.log())
            assert found, server.log()
            assert bytes.fromhex(found[1]) == engine.channel_binding("tls-unique")


ALGORITHMS = ("zlib", "brotli", "zstd")


async def compresses_certificates(bench: Bench) -> None:
    """RFC 8879, with each algorithm by itself."""
    for algorithm in ALGORITHMS:
        seen = Messages()
        options = {"certificateCompression": [algorithm]}
        settings = Settings(credentials=bench.pki.server("rsa"), options=options)
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client(observer=seen)) as (
                reader,
                writer,
                engine,
            ):
                await echoed(reader, writer)
                assert engine.peer.verified_chain
        assert HandshakeType.COMPRESSED_CERTIFICATE in seen.received, algorithm


async def takes_compressed_certificates(bench: Bench) -> None:
    # What is shorter than a packet is not compressed.
    issuer = certificates.intermediate()
    long = certificates.leaf("localhost", issuer=issuer, key_kind="rsa").identity
    for algorithm in ALGORITHMS:
        config = aiotls.ServerConfig(identity=long, observer=(seen := Messages()))
        settings = Settings(
            trust=bench.pki.trust_file, options={"certificateCompression": [algorithm]}
        )
        async with ours.serve(config) as server:
            outcome = await bench.visit(server.port, settings)
        assert outcome.data == LINE, outcome.error
        assert HandshakeType.COMPRESSED_CERTIFICATE in seen.sent, algorithm


KEY = {"psk": {"identity": PSK.identity.decode(), "secret": PSK.secret.hex()}}


async def server_knows_a_key(bench: Bench) -> None:
    config = aiotls.ClientConfig(psks=[PSK], session_cache=None)
    with bench.peer.serve(Settings(options=KEY)) as server:
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.peer is None


async def client_knows_a_key(bench: Bench) -> None:
    async with watched(aiotls.ServerConfig(psk={PSK.identity: PSK}.get)) as (port, engines):
        outcome = await bench.visit(port, Settings(options=KEY))
    assert outcome.data == LINE, outcome.error
    assert engines[0].established.identity is None
