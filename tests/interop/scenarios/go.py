"""What Go's crypto/tls does, by the program in the folder go."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

import aiotls
from aiotls.enums import NamedGroup
from tests import certificates

from .. import ours
from ..bench import LABEL, LINE, Bench, connected, echoed, said, watched
from ..peer import Settings


async def staples(bench: Bench) -> None:
    response = bench.staple()
    extra = ("-staple", bench.file("staple", response), "-timestamp", "a timestamp")
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), extra=extra, tls12=tls12)
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.peer.staple == response
                assert engine.peer.scts == (b"a timestamp",)


async def takes_a_staple(bench: Bench) -> None:
    response = bench.staple()
    identity = bench.pki.server_identity().with_staple(response, scts=[b"a timestamp"])
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(server.port, settings)
            assert outcome.data == LINE
            assert f"staple={response.hex()}" in outcome.error
            assert 'timestamps=["a timestamp"]' in outcome.error


async def exports_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(port, settings)
            expected = engines[-1].export_keying_material(LABEL, 20).hex()
            assert f"exported={expected}" in outcome.error


async def exports_as_server(bench: Bench) -> None:
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12)
        with bench.peer.serve(settings) as server:
            async with connected(server.port, bench.client()) as (reader, writer, engine):
                await echoed(reader, writer)
                expected = engine.export_keying_material(LABEL, 20).hex()
                await said(f"exported={expected}", server.log)


def go_keys(keys: aiotls.ECHKeys) -> tuple[str, ...]:
    """A server's key for Encrypted Client Hello, as the program takes it."""
    key = keys.keys[0]
    private = key.private_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return ("-ech-config", key.config.encoded.hex(), "-ech-key", private.hex())


async def takes_an_encrypted_hello(bench: Bench) -> None:
    keys, old = aiotls.ECHKeys.generate("localhost"), aiotls.ECHKeys.generate("localhost")
    settings = Settings(credentials=bench.pki.server(), extra=go_keys(keys))
    with bench.peer.serve(settings) as server:
        for groups in (("x25519",), ("secp521r1", "x25519")):
            config = bench.client(ech=keys.config_list, groups=groups)
            async with connected(server.port, config) as (reader, writer, engine):
                await echoed(reader, writer)
                assert engine.established.ech
                await said("ech=true", server.log)
        with pytest.raises(aiotls.ECHRejected) as caught:
            async with connected(server.port, bench.client(ech=old.config_list)):
                pass
        config = bench.client(ech=caught.value.retry_configs)
        async with connected(server.port, config) as (reader, writer, engine):
            await echoed(reader, writer)
            assert engine.established.ech


async def sends_an_encrypted_hello(bench: Bench) -> None:
    keys = aiotls.ECHKeys.generate("front.example")  # Go takes no public name without a dot
    async with watched(bench.server(ech_keys=keys)) as (port, engines):
        settings = Settings(trust=bench.pki.trust_file)
        for groups in ((), (NamedGroup.SECP256R1,)):
            extra = ("-ech-list", keys.config_list.hex())
            outcome = await bench.visit(port, settings.but(extra=extra, groups=groups))
            assert outcome.data == LINE, outcome.error
            assert "ech=true" in outcome.error
            assert engines[-1].established.ech


async def is_told_our_newer_keys(bench: Bench) -> None:
    """Its program prints the retry configs of tls.ECHRejectionError."""
    old, keys = (aiotls.ECHKeys.generate("front.example") for _ in range(2))
    identity = certificates.leaf("localhost", "front.example").identity
    settings = Settings(trust=bench.pki.trust_file, extra=("-ech-list", old.config_list.hex()))
    async with watched(aiotls.ServerConfig(identity=identity, ech_keys=keys)) as (port, _):
        outcome = await bench.visit(port, settings)
    assert outcome.data == b""
    assert f"retry={keys.config_list.hex()}" in outcome.error


async def binds_as_client(bench: Bench) -> None:
    async with watched(bench.server()) as (port, engines):
        outcome = await bench.visit(port, Settings(trust=bench.pki.trust_file, tls12=True))
    assert f"unique={engines[0].channel_binding('tls-unique').hex()}" in outcome.error


async def binds_as_server(bench: Bench) -> None:
    with bench.peer.serve(Settings(credentials=bench.pki.server(), tls12=True)) as server:
        async with connected(server.port, bench.client()) as (reader, writer, engine):
            await echoed(reader, writer)
            await said(f"unique={engine.channel_binding('tls-unique').hex()}", server.log)
