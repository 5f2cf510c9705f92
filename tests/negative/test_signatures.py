"""Signatures that verify, and must be refused all the same: RFC 8446, sections 4.2.3 and 4.4.3.

The hostile side signs in earnest, by a scheme that it may not use, so that nothing but the check
of the scheme itself can find it out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TrustStore
from aiotls.enums import Alert, ProtocolVersion, SignatureScheme
from aiotls.errors import ProtocolError
from aiotls.wire import extensions as ext
from aiotls.wire.messages import (
    CertificateRequest,
    CertificateRequest12,
    CertificateVerify,
    ClientHello,
    Message,
)
from tests import certificates
from tests.engine.pair import Mutation, Pair, connect
from tests.negative.test_server_hello import on, with_extensions

P256 = SignatureScheme.ecdsa_secp256r1_sha256
OTHERS = [
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.ed25519,
]
VERSIONS = [ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2]


def refused(pair: Pair, side: str, reason: str = "WRONG_SIGNATURE_TYPE") -> None:
    error = pair.client_error if side == "client" else pair.server_error
    assert isinstance(error, ProtocolError), "it was taken"
    assert (error.alert, error.reason) == (Alert.ILLEGAL_PARAMETER, reason)


def in_addition(kind: type[Message]) -> Mutation:
    """As if the P-256 scheme had been offered too, for who reads the message."""
    return on(
        kind,
        lambda m: with_extensions(
            m,
            (ext.SIGNATURE_ALGORITHMS, (*m.extensions.get(ext.SIGNATURE_ALGORITHMS), P256)),
        ),
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_servers_scheme_was_offered(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 8446, section 4.4.3; RFC 5246, section 7.4.3."""
    choosy = client.replace(
        signature_schemes=OTHERS,
        certificate_signature_schemes=client.signature_schemes,
        max_version=version,
    )
    pair = connect(choosy, server, client_sends=in_addition(ClientHello))
    refused(pair, "client")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_clients_scheme_was_asked_for(
    client: ClientConfig,
    server: ServerConfig,
    client_identity: Identity,
    client_trust: TrustStore,
    version: ProtocolVersion,
) -> None:
    """RFC 8446, section 4.4.3; RFC 5246, section 7.4.8."""
    choosy = server.replace(
        signature_schemes=OTHERS,
        certificate_signature_schemes=server.signature_schemes,
        trust=client_trust,
        client_auth=ClientAuth.REQUIRED,
    )

    def offer(message: Message) -> Message:
        if isinstance(message, CertificateRequest12):
            return replace(message, schemes=(*message.schemes, P256))
        return in_addition(CertificateRequest)(message)  # type: ignore[return-value]

    shown = client.replace(identity=client_identity, max_version=version)
    refused(connect(shown, choosy, server_sends=offer), "server")


class Pkcs1:
    """Signs as TLS 1.2 did, whatever is asked for."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self.key = key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def test_pkcs1_does_not_sign_in_tls_1_3(client: ClientConfig) -> None:
    """RFC 8446, section 4.2.3: these values are for certificates, though both sides list them."""
    issued = certificates.leaf("localhost", key_kind="rsa")
    assert isinstance(issued.key, rsa.RSAPrivateKey)
    server = ServerConfig(identity=Identity(issued.identity.chain, Pkcs1(issued.key)))
    assert SignatureScheme.rsa_pkcs1_sha256 in client.signature_schemes
    say = on(CertificateVerify, lambda m: replace(m, scheme=SignatureScheme.rsa_pkcs1_sha256))
    refused(connect(client, server, server_sends=say), "client")


def test_a_suite_names_the_kind_of_key(client: ClientConfig) -> None:
    """RFC 5246, section 7.4.3: an ECDHE_ECDSA suite is not signed for by an RSA key."""
    rsa_server = ServerConfig(identity=certificates.leaf("localhost", key_kind="rsa").identity)
    old = client.replace(max_version=ProtocolVersion.TLSv1_2)
    swap = {0xC02F: 0xC02B, 0xC030: 0xC02C, 0xCCA8: 0xCCA9}

    def rename(message: Any) -> Any:
        if hasattr(message, "cipher_suite"):
            return replace(message, cipher_suite=swap[message.cipher_suite])
        return message

    pair = connect(old, rsa_server, server_sends=rename)
    refused(pair, "client")
