"""Who may sign an OCSP response: the issuer, or whom it delegated that to (RFC 6960, 4.2.2.2)."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from aiotls import CertificateError, ClientConfig, ServerConfig
from aiotls.enums import Alert
from aiotls.trust.staple import MAX_RESPONDERS
from tests import certificates
from tests.engine.pair import Pair, connect

NOW = datetime.datetime.now(datetime.UTC)
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
SIGNS = (ExtendedKeyUsageOID.OCSP_SIGNING,)


def responder(**options: Any) -> certificates.Issued:
    return certificates.leaf("the responder", **{"purposes": SIGNS, "number": 7, **options})


def staple(
    signer: certificates.Issued,
    *shown: certificates.Issued,
    issuer: certificates.Issued | None = None,
    leaf: certificates.Issued | None = None,
) -> bytes:
    """A response that *signer* signed, with the certificates *shown*, its own by default."""
    issuer = issuer or certificates.authority()
    public = signer.certificate.public_key()
    alone = isinstance(public, ed25519.Ed25519PublicKey)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=(leaf or certificates.leaf("localhost")).certificate,
            issuer=issuer.certificate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=NOW - HOUR,
            next_update=NOW + HOUR,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, signer.certificate)
        .certificates([one.certificate for one in shown or (signer,)])
    )
    response = builder.sign(signer.key, None if alone else hashes.SHA256())
    return response.public_bytes(Encoding.DER)


def stapled(client: ClientConfig, server: ServerConfig, response: bytes) -> Pair:
    identity = certificates.leaf("localhost").identity.with_staple(response)
    return connect(client, server.replace(identity=identity, identities=()))


@pytest.mark.parametrize("key_kind", ["p256", "rsa", "ed25519"])
def test_a_responder_that_the_issuer_delegates_to(
    client: ClientConfig, server: ServerConfig, key_kind: str
) -> None:
    stapled(client, server, staple(responder(key_kind=key_kind))).check()


def test_a_responder_among_other_certificates(client: ClientConfig, server: ServerConfig) -> None:
    signer = responder()
    response = staple(signer, certificates.leaf("localhost"), signer)
    stapled(client, server, response).check()


NOBODY: dict[str, tuple[certificates.Issued, ...]] = {
    "without_the_purpose": (responder(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)),),
    "with_any_purpose_only": (responder(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),),
    "without_purposes": (responder(purposes=()),),
    "of_another_authority": (responder(issuer=certificates.authority("another root")),),
    "of_an_authority_of_the_same_name": (responder(issuer=certificates.authority(number=99)),),
    "of_an_authority_below": (responder(issuer=certificates.intermediate()),),
    "that_issued_itself": (responder(self_signed=True),),
    "out_of_date": (responder(ends=NOW - HOUR),),
    "of_the_future": (responder(begins=NOW + DAY),),
    "with_a_key_of_no_use": (responder(key_kind="dsa"),),
    "that_shows_another": (responder(), responder(number=8)),
    "behind_too_many": (
        responder(),
        *(certificates.leaf("localhost", number=n) for n in range(MAX_RESPONDERS)),
        responder(),
    ),
}


@pytest.mark.parametrize("name", NOBODY)
def test_a_responder_that_nobody_delegated_to(
    client: ClientConfig, server: ServerConfig, name: str
) -> None:
    signer, *shown = NOBODY[name]
    error = stapled(client, server, staple(signer, *shown)).client_error
    assert isinstance(error, CertificateError)
    assert error.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE
    assert "not signed by the certificate's issuer" in str(error)


def test_a_response_that_was_changed(client: ClientConfig, server: ServerConfig) -> None:
    response = bytearray(staple(responder()))
    serial = certificates.leaf("localhost").certificate.serial_number
    number = serial.to_bytes((serial.bit_length() + 8) // 8, "big")
    response[response.index(number) - 3] ^= 1  # in the issuer's key hash
    error = stapled(client, server, bytes(response)).client_error
    assert isinstance(error, CertificateError)
    assert error.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE


def test_an_issuer_whose_key_is_described_at_length(server: ServerConfig) -> None:
    """The hash is over the key's bits, whatever the lengths around them look like."""
    issuer = certificates.authority("a root of RSA", key_kind="rsa")
    leaf = certificates.leaf("localhost", issuer=issuer)
    identity = leaf.identity.with_staple(staple(issuer, issuer=issuer, leaf=leaf))
    client = ClientConfig(trust=issuer.trust)
    pair = connect(client, server.replace(identity=identity, identities=())).check()
    assert pair.client.peer is not None
    assert pair.client.peer.staple == identity.staple
