"""This package's client against the servers of others."""

from __future__ import annotations

import asyncio

import pytest

import aiotls
from aiotls.config import DEFAULT_GROUPS
from aiotls.crypto.suites import TLS13_SUITES
from aiotls.enums import Alert, CipherSuite, NamedGroup

from . import ours
from .peer import Peer, Settings, lines
from .peers import SERVERS, each, that
from .pki import PKI

# What flows through a loop is tested on all of them; what was agreed on is the same on each.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])
every_loop = pytest.mark.asyncio

SUITES = tuple(suite.code for suite in TLS13_SUITES)
GROUPS = (
    *DEFAULT_GROUPS,
    NamedGroup.SECP256R1MLKEM768,
    NamedGroup.SECP384R1MLKEM1024,
    NamedGroup.MLKEM768,
    NamedGroup.MLKEM1024,
)


@every_loop
@pytest.mark.parametrize(("peer", "key"), each(SERVERS, lambda p: p.keys), indirect=["peer"])
async def test_accepts_certificates_of_every_kind(
    peer: Peer, key: str, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ClientConfig(trust=pki.trust)
    with peer.serve(Settings(credentials=pki.server(key))) as server:
        data, tls = await ours.fetch(server.port, config, payload, http=peer.speaks_http)
    assert data == payload
    assert tls["version"] == "TLS 1.3"
    assert tls["verified"]


@pytest.mark.parametrize(("peer", "suite"), each(SERVERS, lambda _: SUITES), indirect=["peer"])
async def test_speaks_each_cipher_suite(
    peer: Peer, suite: CipherSuite, pki: PKI, payload: bytes
) -> None:
    """The choice is left to the peer where it can be told, and is ours where it cannot."""
    if suite in peer.suites:
        config = aiotls.ClientConfig(trust=pki.trust)
        settings = Settings(credentials=pki.server(), suites=(suite,))
    else:
        config = aiotls.ClientConfig(trust=pki.trust, cipher_suites=[suite])
        settings = Settings(credentials=pki.server())
    with peer.serve(settings) as server:
        data, tls = await ours.fetch(server.port, config, payload, http=peer.speaks_http)
    assert data == payload
    assert tls["cipher_suite"] == suite.name


@pytest.mark.parametrize(("peer", "group"), each(SERVERS, lambda p: p.accepts), indirect=["peer"])
async def test_agrees_on_keys_in_each_group(
    peer: Peer, group: NamedGroup, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ClientConfig(trust=pki.trust, groups=[group])
    with peer.serve(Settings(credentials=pki.server())) as server:
        data, tls = await ours.fetch(server.port, config, payload, http=peer.speaks_http)
    assert data == payload
    assert tls["group"] == NamedGroup.label(group)
    assert not tls["retried"]


@pytest.mark.parametrize(
    ("peer", "group"),
    each(SERVERS, lambda p: p.accepts),
    indirect=["peer"],
)
async def test_answers_a_retry_request(
    peer: Peer, group: NamedGroup, pki: PKI, payload: bytes
) -> None:
    """RFC 8446, section 4.1.4. No key share at all: every group then has to be asked for."""
    config = aiotls.ClientConfig(trust=pki.trust, groups=[group], key_shares=[])
    with peer.serve(Settings(credentials=pki.server())) as server:
        data, tls = await ours.fetch(server.port, config, payload, http=peer.speaks_http)
    assert data == payload
    assert tls["group"] == NamedGroup.label(group)
    assert tls["retried"]


@pytest.mark.parametrize(("peer", "group"), each(SERVERS, lambda p: p.groups), indirect=["peer"])
async def test_takes_the_group_that_the_server_insists_on(
    peer: Peer, group: NamedGroup, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ClientConfig(trust=pki.trust, groups=GROUPS)
    with peer.serve(Settings(credentials=pki.server(), groups=(group,))) as server:
        data, tls = await ours.fetch(server.port, config, payload, http=peer.speaks_http)
    assert data == payload
    assert tls["group"] == NamedGroup.label(group)
    offered = (NamedGroup.X25519MLKEM768, NamedGroup.X25519)
    assert tls["retried"] == (group not in offered)


@pytest.mark.parametrize(
    ("peer", "key"),
    each(that(SERVERS, "server_asks_for_certificates"), lambda p: p.keys),
    indirect=["peer"],
)
async def test_shows_a_client_certificate(peer: Peer, key: str, pki: PKI, payload: bytes) -> None:
    config = aiotls.ClientConfig(trust=pki.trust, identity=pki.client_identity(key))
    settings = Settings(credentials=pki.server(), trust=pki.trust_file)
    with peer.serve(settings) as server:
        data, _ = await ours.fetch(server.port, config, payload, http=peer.speaks_http)
    assert data == payload


@pytest.mark.parametrize("peer", each(that(SERVERS, "server_asks_for_certificates")), indirect=True)
async def test_is_told_when_a_client_certificate_is_missing(
    peer: Peer, pki: PKI, payload: bytes
) -> None:
    """The server's refusal comes after the client's handshake is complete (section 4.4.2.4)."""
    config = aiotls.ClientConfig(trust=pki.trust)
    settings = Settings(credentials=pki.server(), trust=pki.trust_file)
    with peer.serve(settings) as server:
        if peer.refuses_in_http:
            with pytest.raises(ValueError, match=r"HTTP/1\.1 400"):
                await ours.fetch(server.port, config, payload, http=True)
            return
        reader, writer = await ours.connect(server.port, config)
        try:
            with pytest.raises(aiotls.AlertReceived) as caught:
                await asyncio.wait_for(reader.read(), 10)
        finally:
            await ours.close(writer)
    assert caught.value.alert == peer.alert_without_certificate


@pytest.mark.parametrize("peer", each(that(SERVERS, "has_alpn")), indirect=True)
async def test_agrees_on_an_application_protocol(peer: Peer, pki: PKI, payload: bytes) -> None:
    config = aiotls.ClientConfig(trust=pki.trust, alpn_protocols=["one", "two"])
    with peer.serve(Settings(credentials=pki.server(), alpn=("two", "three"))) as server:
        data, tls = await ours.fetch(server.port, config, payload)
    assert data == payload
    assert tls["alpn"] == "two"


@every_loop
@pytest.mark.parametrize("peer", each(SERVERS), indirect=True)
async def test_renews_the_keys_of_both_directions(peer: Peer, pki: PKI) -> None:
    """RFC 8446, section 4.6.3."""
    config = aiotls.ClientConfig(trust=pki.trust)
    with peer.serve(Settings(credentials=pki.server())) as server:
        connection = await ours.connect(server.port, config)
        _, writer = connection
        if peer.speaks_http:
            ours.renew_keys(writer.transport)
            assert await ours.exchange(connection, lines(100_000), http=True) == lines(100_000)
        else:
            for _ in range(3):
                ours.renew_keys(writer.transport)
                assert await ours.exchange(connection, lines(100_000)) == lines(100_000)
        await ours.close(writer)


@pytest.mark.parametrize("peer", each(that(SERVERS, "server_updates_keys")), indirect=True)
async def test_follows_when_the_server_renews_its_keys(peer: Peer, pki: PKI) -> None:
    config = aiotls.ClientConfig(trust=pki.trust)
    with peer.serve(Settings(credentials=pki.server(), key_update=True)) as server:
        connection = await ours.connect(server.port, config)
        for _ in range(3):
            assert await ours.exchange(connection, b"line\n") == b"line\n"
        await ours.close(connection[1])


@every_loop
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("peer", each(SERVERS), indirect=True)
async def test_moves_much_data_each_way(peer: Peer, pki: PKI, large_payload: bytes) -> None:
    config = aiotls.ClientConfig(trust=pki.trust)
    with peer.serve(Settings(credentials=pki.server())) as server:
        data, _ = await ours.fetch(server.port, config, large_payload, http=peer.speaks_http)
    assert data == large_payload


# --- failures


@pytest.mark.parametrize("peer", each(SERVERS), indirect=True)
async def test_refuses_an_expired_certificate(peer: Peer, pki: PKI) -> None:
    config = aiotls.ClientConfig(trust=pki.trust)
    with (
        peer.serve(Settings(credentials=pki.expired())) as server,
        pytest.raises(aiotls.CertificateError, match="expired") as caught,
    ):
        await ours.connect(server.port, config)
    assert caught.value.alert == Alert.CERTIFICATE_EXPIRED
    assert caught.value.verify_code == 10  # X509_V_ERR_CERT_HAS_EXPIRED


@pytest.mark.parametrize("peer", each(SERVERS), indirect=True)
async def test_refuses_a_certificate_for_another_name(peer: Peer, pki: PKI) -> None:
    config = aiotls.ClientConfig(trust=pki.trust)
    with (
        peer.serve(Settings(credentials=pki.server())) as server,
        pytest.raises(aiotls.CertificateError) as caught,
    ):
        await ours.connect(server.port, config, "elsewhere.example")
    assert caught.value.verify_code == 62  # X509_V_ERR_HOSTNAME_MISMATCH


@pytest.mark.parametrize("peer", each(SERVERS), indirect=True)
async def test_refuses_an_unknown_authority(peer: Peer, pki: PKI) -> None:
    config = aiotls.ClientConfig(trust=pki.other_trust)
    with (
        peer.serve(Settings(credentials=pki.server())) as server,
        pytest.raises(aiotls.CertificateError) as caught,
    ):
        await ours.connect(server.port, config)
    assert caught.value.alert == Alert.UNKNOWN_CA


@pytest.mark.parametrize("peer", each(that(SERVERS, "suites")), indirect=True)
async def test_is_told_that_no_cipher_suite_is_shared(peer: Peer, pki: PKI) -> None:
    config = aiotls.ClientConfig(
        trust=pki.trust, cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256]
    )
    settings = Settings(
        credentials=pki.server(), suites=(CipherSuite.TLS_CHACHA20_POLY1305_SHA256,)
    )
    with peer.serve(settings) as server, pytest.raises(aiotls.AlertReceived) as caught:
        await ours.connect(server.port, config)
    assert caught.value.alert == Alert.HANDSHAKE_FAILURE


@pytest.mark.parametrize("peer", each(that(SERVERS, "groups")), indirect=True)
async def test_is_told_that_no_group_is_shared(peer: Peer, pki: PKI) -> None:
    config = aiotls.ClientConfig(trust=pki.trust, groups=[NamedGroup.SECP384R1])
    settings = Settings(credentials=pki.server(), groups=(NamedGroup.SECP256R1,))
    with peer.serve(settings) as server, pytest.raises(aiotls.AlertReceived) as caught:
        await ours.connect(server.port, config)
    assert caught.value.alert == peer.alert_without_group
