"""This package's server against the clients of others."""

from __future__ import annotations

import asyncio
import re

import pytest

import aiotls
from aiotls.config import DEFAULT_GROUPS
from aiotls.crypto.suites import TLS13_SUITES
from aiotls.enums import CipherSuite, NamedGroup

from . import ours
from .peer import Outcome, Peer, Settings, lines
from .peers import CLIENTS, each, that
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


# What becomes of the alert handshake_failure; BoringSSL's package has one text for all of them.
HANDSHAKE_FAILURE = r"(?i)handshake.?fail|certificate verification failed"


async def visit(peer: Peer, port: int, settings: Settings, payload: bytes = b"line\n") -> Outcome:
    return await asyncio.to_thread(peer.connect, port, settings, payload)


@every_loop
@pytest.mark.parametrize(
    ("peer", "key"), each(CLIENTS, lambda p: (*p.keys, *p.also_accepts_keys)), indirect=["peer"]
)
async def test_shows_certificates_of_every_kind(
    peer: Peer, key: str, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity(key))
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file), payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["version"] == "TLS 1.3"


@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_chooses_among_identities_by_what_the_client_knows(
    peer: Peer, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ServerConfig(
        identities=[pki.server_identity(key) for key in ("ed448", "ed25519", "rsa", "p256")]
    )
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file), payload)
    assert outcome.data == payload, outcome.error


@pytest.mark.parametrize(("peer", "suite"), each(CLIENTS, lambda _: SUITES), indirect=["peer"])
async def test_speaks_each_cipher_suite(
    peer: Peer, suite: CipherSuite, pki: PKI, payload: bytes
) -> None:
    """The choice is left to the peer where it can be told, and is ours where it cannot."""
    settings = Settings(trust=pki.trust_file)
    if suite in peer.suites:
        config = aiotls.ServerConfig(identity=pki.server_identity())
        settings = settings.but(suites=(suite,))
    else:
        config = aiotls.ServerConfig(identity=pki.server_identity(), cipher_suites=[suite])
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings, payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["cipher_suite"] == suite.name


@pytest.mark.parametrize(("peer", "group"), each(CLIENTS, lambda p: p.accepts), indirect=["peer"])
async def test_insists_on_each_group(
    peer: Peer, group: NamedGroup, pki: PKI, payload: bytes
) -> None:
    """By a HelloRetryRequest where the client has sent no key share for it."""
    config = aiotls.ServerConfig(identity=pki.server_identity(), groups=[group])
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file), payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["group"] == NamedGroup.label(group)


@pytest.mark.parametrize(("peer", "group"), each(CLIENTS, lambda p: p.groups), indirect=["peer"])
async def test_takes_the_group_that_the_client_has(
    peer: Peer, group: NamedGroup, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity(), groups=GROUPS)
    settings = Settings(trust=pki.trust_file, groups=(group,))
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings, payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["group"] == NamedGroup.label(group)
    assert not server.connections[0]["retried"]


@pytest.mark.parametrize("cookie", [False, True], ids=["no-cookie", "cookie"])
@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_asks_the_client_to_try_again(
    peer: Peer, cookie: bool, pki: PKI, payload: bytes
) -> None:
    """RFC 8446, section 4.1.4. No client sends a key share for this group unasked."""
    config = aiotls.ServerConfig(
        identity=pki.server_identity(), groups=[NamedGroup.SECP384R1], retry_cookie=cookie
    )
    settings = Settings(trust=pki.trust_file)
    if peer.groups and peer.takes_several_groups:
        # The share is for the first of them. Java sends one for the first curve of each kind.
        settings = settings.but(groups=(NamedGroup.SECP256R1, NamedGroup.SECP384R1))
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings, payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["group"] == "secp384r1"
    assert server.connections[0]["retried"]


@pytest.mark.parametrize(("peer", "key"), each(CLIENTS, lambda p: p.keys), indirect=["peer"])
async def test_asks_for_a_client_certificate(
    peer: Peer, key: str, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ServerConfig(
        identity=pki.server_identity(),
        trust=pki.trust,
        client_auth=aiotls.ClientAuth.REQUIRED,
    )
    settings = Settings(trust=pki.trust_file, credentials=pki.client(key))
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings, payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["verified"]


@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_refuses_a_client_without_a_certificate(
    peer: Peer, pki: PKI, caplog: pytest.LogCaptureFixture
) -> None:
    config = aiotls.ServerConfig(
        identity=pki.server_identity(),
        trust=pki.trust,
        client_auth=aiotls.ClientAuth.REQUIRED,
    )
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file))
    assert outcome.data == b""
    assert server.connections == []
    assert "certificate" in failures(caplog)


@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_does_without_a_client_certificate_where_it_may(
    peer: Peer, pki: PKI, payload: bytes
) -> None:
    config = aiotls.ServerConfig(
        identity=pki.server_identity(),
        trust=pki.trust,
        client_auth=aiotls.ClientAuth.OPTIONAL,
    )
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file), payload)
    assert outcome.data == payload, outcome.error
    assert not server.connections[0]["verified"]


@pytest.mark.parametrize("peer", each(that(CLIENTS, "has_alpn")), indirect=True)
async def test_agrees_on_an_application_protocol(peer: Peer, pki: PKI, payload: bytes) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity(), alpn_protocols=["two", "three"])
    settings = Settings(trust=pki.trust_file, alpn=("one", "two"))
    async with ours.serve(config) as server:
        outcome = await visit(peer, server.port, settings, payload)
    assert outcome.data == payload, outcome.error
    assert server.connections[0]["alpn"] == "two"


@every_loop
@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_renews_the_keys_of_both_directions(peer: Peer, pki: PKI, payload: bytes) -> None:
    """RFC 8446, section 4.6.3."""
    config = aiotls.ServerConfig(identity=pki.server_identity())
    async with ours.serve(config, http=peer.speaks_http, before_answer=ours.renew_keys) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file), payload)
    assert outcome.data == payload, outcome.error


@pytest.mark.parametrize("peer", each(that(CLIENTS, "client_updates_keys")), indirect=True)
async def test_follows_when_the_client_renews_its_keys(peer: Peer, pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    settings = Settings(trust=pki.trust_file, key_update=True)
    async with ours.serve(config) as server:
        outcome = await visit(peer, server.port, settings, lines(3 << 10))
    assert outcome.data == lines(3 << 10), outcome.error


@every_loop
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_moves_much_data_each_way(peer: Peer, pki: PKI, large_payload: bytes) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    payload = large_payload[: peer.client_mebibytes << 20]
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file), payload)
    assert outcome.data == payload, outcome.error


# --- failures


def failures(caplog: pytest.LogCaptureFixture) -> str:
    """What our server has logged, one line for each handshake that failed."""
    return "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("aiotls")
    )


@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_survives_a_client_that_finds_its_certificate_expired(peer: Peer, pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.expired_identity())
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file))
    assert outcome.data == b""
    assert re.search(r"(?i)expired|NotAfter", outcome.error)


@pytest.mark.parametrize("peer", each(that(CLIENTS, "checks_names")), indirect=True)
async def test_survives_a_client_that_looks_for_another_name(peer: Peer, pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    settings = Settings(trust=pki.trust_file, server_name="elsewhere.example")
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings)
    assert outcome.data == b""
    assert outcome.error


@pytest.mark.parametrize("peer", each(CLIENTS), indirect=True)
async def test_survives_a_client_that_does_not_know_its_authority(peer: Peer, pki: PKI) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity())
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, Settings(trust=pki.other_trust_file))
        assert outcome.data == b""
        assert outcome.error
        outcome = await visit(peer, server.port, Settings(trust=pki.trust_file))
    assert outcome.data == b"line\n", outcome.error


@pytest.mark.parametrize("peer", each(that(CLIENTS, "suites")), indirect=True)
async def test_refuses_a_client_with_no_shared_cipher_suite(
    peer: Peer, pki: PKI, caplog: pytest.LogCaptureFixture
) -> None:
    config = aiotls.ServerConfig(
        identity=pki.server_identity(), cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256]
    )
    settings = Settings(trust=pki.trust_file, suites=(CipherSuite.TLS_CHACHA20_POLY1305_SHA256,))
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings)
    assert outcome.data == b""
    assert re.search(HANDSHAKE_FAILURE, outcome.error)
    assert "cipher suite" in failures(caplog)


@pytest.mark.parametrize("peer", each(that(CLIENTS, "groups")), indirect=True)
async def test_refuses_a_client_with_no_shared_group(
    peer: Peer, pki: PKI, caplog: pytest.LogCaptureFixture
) -> None:
    config = aiotls.ServerConfig(identity=pki.server_identity(), groups=[NamedGroup.SECP384R1])
    settings = Settings(trust=pki.trust_file, groups=(NamedGroup.SECP256R1,))
    async with ours.serve(config, http=peer.speaks_http) as server:
        outcome = await visit(peer, server.port, settings)
    assert outcome.data == b""
    assert re.search(HANDSHAKE_FAILURE, outcome.error)
    assert "group" in failures(caplog)
