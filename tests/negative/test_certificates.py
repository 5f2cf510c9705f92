"""Certificates that no one may accept, whatever the path to the anchor says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TrustStore
from aiotls.config import CertificateQuery
from aiotls.enums import Alert, ExtensionType, NamedGroup, ProtocolVersion
from aiotls.errors import AlertReceived, CertificateError, ProtocolError
from aiotls.wire.messages import Certificate12, CertificateRequest12, ClientHello
from tests import certificates
from tests.engine.pair import connect
from tests.negative.test_server_hello import on, with_extensions

VERSIONS = [ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2]
FOR_ENCRYPTION = ("key_encipherment",)


def fine() -> certificates.Issued:
    return certificates.leaf("localhost")


def test_authorities_that_issue_each_other_are_no_maze() -> None:
    """Every way through them is a path to try, and there are more than anybody can count: the
    search is given up after a few signatures.
    """
    first, second = (certificates.authority(n, number=n_) for n, n_ in (("a", 901), ("b", 902)))
    maze = [
        certificates.authority(name, number=number, issuer=issuer, path_length=100 + index).der
        for index in range(49)
        for name, number, issuer in (("a", 901, second), ("b", 902, first))
    ]
    victim = certificates.leaf("localhost", issuer=first)
    for role in (fine().trust, TrustStore([certificates.authority().certificate])):
        with pytest.raises(CertificateError):
            role.verify_server([victim.der, *maze], "localhost", now=certificates.NOW)
        with pytest.raises(CertificateError):
            role.verify_client([victim.der, *maze], now=certificates.NOW)


def not_for_signing() -> certificates.Issued:
    return certificates.leaf("localhost", usage=FOR_ENCRYPTION)


@pytest.mark.parametrize("version", VERSIONS)
def test_servers_key_usage_includes_digital_signature(version: ProtocolVersion) -> None:
    """RFC 8446, section 4.4.2.2; RFC 5246, section 7.4.2."""
    pair = connect(
        ClientConfig(trust=not_for_signing().trust, max_version=version),
        ServerConfig(identity=not_for_signing().identity),
    )
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.verify_code == 39
    assert isinstance(pair.server_error, AlertReceived)
    assert pair.server_error.alert == Alert.UNSUPPORTED_CERTIFICATE


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_key_usage_includes_digital_signature(version: ProtocolVersion) -> None:
    """RFC 8446, section 4.4.2.3; RFC 5246, section 7.4.6."""
    pair = connect(
        ClientConfig(trust=fine().trust, identity=not_for_signing().identity, max_version=version),
        ServerConfig(
            identity=fine().identity,
            client_auth=ClientAuth.REQUIRED,
            trust=not_for_signing().trust,
        ),
    )
    assert isinstance(pair.server_error, CertificateError)
    assert isinstance(pair.client_error, AlertReceived)
    assert pair.client_error.alert == Alert.UNSUPPORTED_CERTIFICATE


@pytest.mark.parametrize("version", VERSIONS)
def test_key_usage_may_be_absent(version: ProtocolVersion) -> None:
    leaf = certificates.leaf("localhost", usage=None)
    client = ClientConfig(trust=leaf.trust, max_version=version)
    connect(client, ServerConfig(identity=leaf.identity)).check()


def test_servers_key_is_on_a_curve_that_the_client_knows_in_tls_1_2() -> None:
    """RFC 8422, section 5.3, held by the client."""
    leaf = certificates.leaf("localhost", key_kind="p384")
    other = certificates.leaf("localhost", key_kind="p256")
    client = ClientConfig(
        trust=leaf.trust, max_version=ProtocolVersion.TLSv1_2, groups=[NamedGroup.SECP256R1]
    )
    # The server would not choose this certificate, so it is put in on the way.
    pair = connect(
        client,
        ServerConfig(identity=other.identity),
        server_sends=on(Certificate12, lambda message: Certificate12(leaf.chain)),
    )
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER
    assert pair.client_error.reason == "BAD_ECC_CERT"


def test_server_chooses_a_key_on_a_curve_that_the_client_knows_in_tls_1_2() -> None:
    """RFC 8422, section 5.3, held by the server."""
    wrong = certificates.leaf("localhost", key_kind="p384")
    right = certificates.leaf("localhost", key_kind="p256")
    client = ClientConfig(
        trust=right.trust, max_version=ProtocolVersion.TLSv1_2, groups=[NamedGroup.SECP256R1]
    )
    pair = connect(client, ServerConfig(identities=[wrong.identity, right.identity])).check()
    assert pair.client.peer is not None
    assert pair.client.peer.chain == right.chain
    pair = connect(client, ServerConfig(identity=wrong.identity))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.HANDSHAKE_FAILURE


@pytest.mark.parametrize("version", VERSIONS)
def test_who_takes_raw_public_keys_alone_takes_no_certificate(
    version: ProtocolVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that the system trusts, from a server that knows no raw public keys."""
    leaf = certificates.leaf("localhost")
    known = certificates.leaf("localhost", number=1).identity.raw_public_key
    monkeypatch.setattr(TrustStore, "system", lambda: leaf.trust)
    client = ClientConfig(raw_public_keys=[known], max_version=version)
    drop = (ExtensionType.SERVER_CERTIFICATE_TYPE,)
    unheard = on(ClientHello, lambda m: with_extensions(m, drop=drop))
    pair = connect(client, ServerConfig(identity=leaf.identity), client_sends=unheard)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNSUPPORTED_CERTIFICATE
    assert not pair.client.handshake_complete


def test_server_takes_no_certificate_of_a_client_by_the_systems_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaf = certificates.leaf("localhost")
    known = certificates.leaf("localhost", number=1).identity.raw_public_key
    monkeypatch.setattr(TrustStore, "system", lambda: leaf.trust)
    server = ServerConfig(
        identity=leaf.identity, client_auth=ClientAuth.REQUIRED, raw_public_keys=[known]
    )
    client = ClientConfig(
        trust=leaf.trust, identity=leaf.identity, max_version=ProtocolVersion.TLSv1_2
    )
    pair = connect(client, server)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.UNSUPPORTED_CERTIFICATE


@pytest.mark.parametrize(
    ("kind", "types"), [("p256", b"\x01"), ("ed25519", b"\x01"), ("rsa", b"\x40")]
)
def test_client_shows_no_key_of_a_kind_that_the_server_did_not_ask_for_in_tls_1_2(
    kind: str, types: bytes
) -> None:
    """RFC 5246, section 7.4.6; RFC 8422, section 5.5."""
    server_leaf = certificates.leaf("localhost")
    own = certificates.leaf("client", key_kind=kind)
    queries: list[CertificateQuery] = []

    def select(query: CertificateQuery) -> Identity:
        queries.append(query)
        return own.identity

    client = ClientConfig(
        trust=server_leaf.trust,
        select_identity=select,
        max_version=ProtocolVersion.TLSv1_2,
        session_cache=None,
    )
    server = ServerConfig(
        identity=server_leaf.identity, client_auth=ClientAuth.OPTIONAL, trust=own.trust
    )
    pair = connect(
        client,
        server,
        server_sends=on(CertificateRequest12, lambda message: replace(message, types=types)),
    ).check()
    assert pair.server.peer is None
    assert queries[0].certificate_types == tuple(types)
    assert queries[0].scheme_for(own.identity) is None
    pair = connect(client, server).check()
    assert pair.server.peer is not None
    assert queries[1].scheme_for(own.identity) == pair.server.peer.scheme
