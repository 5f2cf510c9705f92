"""Raw public keys: RFC 7250."""

from __future__ import annotations

import pytest

from aiotls import (
    CertificateError,
    ClientAuth,
    ClientConfig,
    Identity,
    ProtocolError,
    ServerConfig,
    UsageError,
)
from aiotls.enums import Alert, ExtensionType, ProtocolVersion
from aiotls.wire.messages import EncryptedExtensions
from tests import certificates
from tests.engine.pair import connect
from tests.negative.test_server_hello import on, with_extensions


@pytest.fixture
def identity() -> Identity:
    return certificates.leaf("localhost").identity


@pytest.fixture
def raw_server(identity: Identity) -> ServerConfig:
    return ServerConfig(identity=identity, show_raw_public_key=True)


@pytest.fixture
def raw_client(identity: Identity) -> ClientConfig:
    return ClientConfig(raw_public_keys=[identity.raw_public_key])


@pytest.mark.parametrize("kind", ["p256", "rsa", "ed25519", "mldsa44"])
def test_a_known_key_is_enough(kind: str) -> None:
    identity = certificates.leaf("localhost", key_kind=kind).identity
    client = ClientConfig(raw_public_keys=[identity.raw_public_key])
    server = ServerConfig(identity=identity, show_raw_public_key=True)
    for _ in range(2):  # and it is resumed
        pair = connect(client, server).check()
        assert pair.client.peer is not None
        assert pair.client.peer.raw_public_key == identity.raw_public_key
        assert pair.client.peer.chain == ()


def test_an_unknown_key_is_refused(raw_server: ServerConfig) -> None:
    other = certificates.leaf("localhost", number=5).identity.raw_public_key
    pair = connect(ClientConfig(raw_public_keys=[other]), raw_server)
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.alert == Alert.CERTIFICATE_UNKNOWN


def test_a_certificate_will_do_where_there_is_trust(
    client: ClientConfig, server: ServerConfig, identity: Identity
) -> None:
    client = client.replace(raw_public_keys=[identity.raw_public_key])
    pair = connect(client, server).check()
    assert pair.client.peer is not None
    assert pair.client.peer.verified_chain


def test_without_trust_a_certificate_is_refused(
    raw_client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 7250, section 4.2: unsupported_certificate."""
    pair = connect(raw_client, server)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.UNSUPPORTED_CERTIFICATE


def test_a_server_that_does_not_answer_is_refused(
    raw_client: ClientConfig, raw_server: ServerConfig
) -> None:
    pair = connect(
        raw_client,
        raw_server,
        server_sends=on(
            EncryptedExtensions,
            lambda m: with_extensions(m, drop=(ExtensionType.SERVER_CERTIFICATE_TYPE,)),
        ),
    )
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNSUPPORTED_CERTIFICATE


def test_a_type_that_was_not_offered_is_refused(
    raw_client: ClientConfig, raw_server: ServerConfig
) -> None:
    pair = connect(
        raw_client,
        raw_server,
        server_sends=on(
            EncryptedExtensions,
            lambda m: with_extensions(m, (ExtensionType.SERVER_CERTIFICATE_TYPE, b"\1")),
        ),
    )
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER


def test_clients_show_raw_keys_too(client: ClientConfig, server: ServerConfig) -> None:
    own = certificates.leaf("client", number=3).identity
    client = client.replace(identity=own, show_raw_public_key=True)
    server = server.replace(client_auth=ClientAuth.REQUIRED, raw_public_keys=[own.raw_public_key])
    pair = connect(client, server).check()
    assert pair.server.peer is not None
    assert pair.server.peer.raw_public_key == own.raw_public_key
    other = certificates.leaf("client", number=4).identity
    pair = connect(client.replace(identity=other), server)
    assert isinstance(pair.server_error, CertificateError)


def test_tls12_knows_no_raw_keys(raw_client: ClientConfig, raw_server: ServerConfig) -> None:
    pair = connect(raw_client.replace(max_version=ProtocolVersion.TLSv1_2), raw_server)
    assert isinstance(pair.client_error, ProtocolError)


def test_what_is_no_key_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        ClientConfig(raw_public_keys=[b"not a key"])
