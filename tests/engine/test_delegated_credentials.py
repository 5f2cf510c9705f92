"""Delegated credentials: RFC 9345."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from aiotls import ClientConfig, Identity, ProtocolError, ServerConfig, UsageError
from aiotls.delegation import DELEGATION_USAGE, DelegatedCredential
from aiotls.enums import Alert, ExtensionType, SignatureScheme
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Extensions
from aiotls.wire.messages import Certificate, Message
from tests import certificates
from tests.engine.pair import Pair, connect

DAY = datetime.timedelta(days=1)


def delegating(critical: bool = False) -> Identity:
    """An identity whose certificate may delegate."""
    issuer = certificates.authority()
    plain = certificates.leaf("localhost").certificate
    builder = x509.CertificateBuilder(
        plain.issuer,
        plain.subject,
        plain.public_key(),
        plain.serial_number,
        plain.not_valid_before_utc,
        plain.not_valid_after_utc,
        list(plain.extensions),
    )
    mark = x509.UnrecognizedExtension(DELEGATION_USAGE, b"\x05\x00")
    signed = builder.add_extension(mark, critical=critical).sign(issuer.key, hashes.SHA256())
    return replace(certificates.leaf("localhost"), certificate=signed).identity


IDENTITY = delegating()
KEYS = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.fixture
def taking(client: ClientConfig) -> ClientConfig:
    return client.replace(delegated_credentials=True, certificate_compression=[])


def handshake(client: ClientConfig, *credentials: DelegatedCredential, **options: Any) -> Pair:
    return connect(client, ServerConfig(identity=IDENTITY, delegations=credentials), **options)


@pytest.mark.parametrize("kind", KEYS)
def test_a_delegated_key_signs(taking: ClientConfig, kind: str) -> None:
    credential = DelegatedCredential.issue(IDENTITY, KEYS[kind])
    pair = handshake(taking, credential).check()
    assert pair.client.peer is not None
    assert pair.client.peer.scheme == credential.scheme
    assert pair.client.peer.verified_chain


def test_a_client_that_did_not_ask_gets_none(client: ClientConfig) -> None:
    pair = handshake(client, DelegatedCredential.issue(IDENTITY, KEYS["ed25519"])).check()
    assert pair.client.peer is not None
    assert pair.client.peer.scheme == SignatureScheme.ecdsa_secp256r1_sha256


def test_an_expired_credential_is_not_shown(taking: ClientConfig) -> None:
    past = datetime.datetime.now(datetime.UTC) - 3 * DAY
    old = DelegatedCredential.issue(IDENTITY, KEYS["ed25519"], now=past)
    pair = handshake(taking, old).check()
    assert pair.client.peer is not None
    assert pair.client.peer.scheme == SignatureScheme.ecdsa_secp256r1_sha256


def refuses(client: ClientConfig, change: Any) -> None:
    """The client ends the handshake over a credential with something changed."""
    good = DelegatedCredential.issue(IDENTITY, KEYS["p256"])
    bad = change(good)

    def swap(message: Message) -> Message:
        if not isinstance(message, Certificate):
            return message
        rows = [
            (kind, bad if kind == ExtensionType.DELEGATED_CREDENTIAL else body)
            for kind, body in message.entries[0].extensions.items
        ]
        leaf = replace(message.entries[0], extensions=Extensions.build(rows))
        return replace(message, entries=(leaf, *message.entries[1:]))

    pair = handshake(client, good, server_sends=swap)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER


def reissued(**options: Any) -> bytes:
    return DelegatedCredential.issue(IDENTITY, KEYS["p256"], **options).encode()


NOW = datetime.datetime.now(datetime.UTC)

CHANGES: dict[str, Any] = {
    "it_has_not_expired": lambda c: reissued(now=NOW - 2 * DAY),
    "it_is_valid_for_seven_days_at_most": lambda c: reissued(now=NOW + 8 * DAY),
    "its_signature_verifies": lambda c: replace(c, signature=c.signature[::-1]).encode(),
    "its_validity_is_signed": lambda c: replace(c, valid_time=c.valid_time + 1).encode(),
    "its_key_signs_by_the_scheme_it_names": lambda c: DelegatedCredential.issue(
        IDENTITY, KEYS["ed25519"]
    ).encode(),
    "its_scheme_is_known": lambda c: c.encode()[:4] + b"\x7a\x7a" + c.encode()[6:],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_client_holds_a_credential_to_it(taking: ClientConfig, name: str) -> None:
    refuses(taking, CHANGES[name])


def test_a_credential_for_rsa_encryption_is_refused() -> None:
    """RFC 9345, section 4.1.3: a key of rsaEncryption MUST NOT be delegated to, however signed."""
    key = rsa.generate_private_key(65537, 2048)
    good = DelegatedCredential.issue(IDENTITY, KEYS["p256"])
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bad = replace(good, scheme=SignatureScheme.rsa_pss_rsae_sha256, public_key=spki)
    signer = IDENTITY.signer
    signature = signer.sign(bad.signed(IDENTITY.chain[0]), bad.algorithm)
    assert isinstance(signature, bytes)
    bad = replace(bad, signature=signature)
    with pytest.raises(ProtocolError, match="rsa_pss_rsae_sha256"):
        bad.verify(IDENTITY.certificate, IDENTITY.chain[0], NOW)


def test_a_credential_of_a_certificate_that_does_not_allow_it_is_refused() -> None:
    """RFC 9345, section 4.2: without DelegationUsage nobody may sign in its name."""
    credential = DelegatedCredential.issue(IDENTITY, KEYS["p256"])
    plain = certificates.leaf("localhost").identity
    with pytest.raises(ProtocolError, match="does not allow"):
        credential.verify(plain.certificate, plain.chain[0], NOW)


def test_a_certificate_must_allow_it(taking: ClientConfig) -> None:
    plain = certificates.leaf("localhost").identity
    with pytest.raises(UsageError):
        DelegatedCredential.issue(plain, KEYS["p256"])
    with pytest.raises(UsageError):
        DelegatedCredential.issue(delegating(critical=True), KEYS["p256"])


def test_an_rsa_key_is_not_delegated_to() -> None:
    """Section 4.1.3: never rsaEncryption."""
    with pytest.raises(UsageError):
        DelegatedCredential.issue(IDENTITY, rsa.generate_private_key(65537, 2048))


def test_a_credential_lives_for_days_only() -> None:
    with pytest.raises(UsageError):
        DelegatedCredential.issue(IDENTITY, KEYS["p256"], lifetime=8 * DAY)


def test_it_round_trips() -> None:
    credential = DelegatedCredential.issue(IDENTITY, KEYS["p256"])
    parsed = DelegatedCredential.parse(credential.encode())
    assert parsed == replace(credential, signer=None, leaf=b"")
    assert ext.DELEGATED_CREDENTIAL_CERTIFICATE.type == ExtensionType.DELEGATED_CREDENTIAL


def test_a_credential_from_elsewhere_is_loaded(taking: ClientConfig) -> None:
    key = KEYS["p256"]
    data = DelegatedCredential.issue(IDENTITY, key).encode()
    loaded = DelegatedCredential.load(data, IDENTITY.chain[0], key)
    pair = handshake(taking, loaded).check()
    peer = pair.client.established.peer if pair.client.established else None
    assert peer is not None
    assert peer.scheme == SignatureScheme.ecdsa_secp256r1_sha256


def test_a_credential_with_another_key_is_the_callers_mistake() -> None:
    data = DelegatedCredential.issue(IDENTITY, KEYS["p256"]).encode()
    with pytest.raises(UsageError, match="not the one that was delegated to"):
        DelegatedCredential.load(data, IDENTITY.chain[0], KEYS["ed25519"])


def test_a_credential_for_an_rsae_key_is_not_loaded() -> None:
    """RFC 9345, section 4.1.3: keys of rsaEncryption MUST NOT be delegated to."""
    key = rsa.generate_private_key(65537, 2048)
    credential = DelegatedCredential.issue(IDENTITY, KEYS["p256"])
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forged = replace(credential, scheme=SignatureScheme.rsa_pss_rsae_sha256, public_key=spki)
    with pytest.raises(UsageError, match="rsa_pss_rsae_sha256"):
        DelegatedCredential.load(forged.encode(), IDENTITY.chain[0], key)


@pytest.mark.parametrize("data", [b"", b"\0" * 9, b"junk" * 40])
def test_what_is_no_credential_is_not_loaded(data: bytes) -> None:
    with pytest.raises(UsageError, match="no delegated credential"):
        DelegatedCredential.load(data, IDENTITY.chain[0], KEYS["p256"])
