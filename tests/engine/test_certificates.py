"""What comes with a certificate: compression, staples, timestamps."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from aiotls import CertificateError, ClientConfig, ProtocolError, ServerConfig
from aiotls.compression import ALGORITHMS, COMPRESS, expand
from aiotls.enums import Alert, CertificateCompressionAlgorithm, ProtocolVersion
from aiotls.wire.messages import Certificate, CertificateEntry, CompressedCertificate
from tests import certificates
from tests.engine.pair import connect

NOW = datetime.datetime.now(datetime.UTC)
HOUR = datetime.timedelta(hours=1)
VERSIONS = [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3]


def staple(
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    of: certificates.Issued | None = None,
    by: certificates.Issued | None = None,
    algorithm: Any = None,
    begins: datetime.datetime = NOW - HOUR,
    ends: datetime.datetime | None = NOW + HOUR,
    responder: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.HASH,
) -> bytes:
    issuer = certificates.authority()
    signer = by or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=(of or certificates.leaf("localhost")).certificate,
            issuer=issuer.certificate,
            algorithm=algorithm or hashes.SHA1(),
            cert_status=status,
            this_update=begins,
            next_update=ends,
            revocation_time=begins if revoked else None,
            revocation_reason=None,
        )
        .responder_id(responder, signer.certificate)
        .sign(signer.key, hashes.SHA256())
    )
    return response.public_bytes(Encoding.DER)


def stapling(server: ServerConfig, response: bytes, **more: Any) -> ServerConfig:
    identity = certificates.leaf("localhost").identity.with_staple(response, **more)
    return server.replace(identity=identity, identities=())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=["sha1", "sha256"])
def test_a_good_staple_is_handed_to_the_application(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, algorithm: Any
) -> None:
    response = staple(algorithm=algorithm)
    server = stapling(server, response, scts=[b"one timestamp", b"another"])
    pair = connect(client.replace(max_version=version), server).check()
    assert pair.client.peer is not None
    assert pair.client.peer.staple == response
    assert pair.client.peer.scts == (b"one timestamp", b"another")


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_stapled_unasked(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    server = stapling(server, staple(), scts=[b"x"])
    pair = connect(client.replace(max_version=version, request_staple=False), server).check()
    assert pair.client.peer is not None
    assert pair.client.peer.staple is None
    assert pair.client.peer.scts == ()


BAD: dict[str, tuple[dict[str, Any], Alert]] = {
    "revoked": ({"status": ocsp.OCSPCertStatus.REVOKED}, Alert.CERTIFICATE_REVOKED),
    "unknown": (
        {"status": ocsp.OCSPCertStatus.UNKNOWN},
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    ),
    "out_of_date": (
        {"begins": NOW - 5 * HOUR, "ends": NOW - 2 * HOUR},
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    ),
    "from_the_future": (
        {"begins": NOW + HOUR, "ends": NOW + 2 * HOUR},
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    ),
    "of_another_certificate": (
        {"of": certificates.leaf("elsewhere")},
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    ),
    "signed_by_another": (
        {"by": certificates.authority("another root")},
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    ),
    "signed_by_the_leaf": (
        {"by": certificates.leaf("localhost")},
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_staple_ends_the_handshake(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, name: str
) -> None:
    options, alert = BAD[name]
    pair = connect(client.replace(max_version=version), stapling(server, staple(**options)))
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.alert == alert


def test_a_staple_that_does_not_end_is_good_for_a_day(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 6960, section 4.2.2.1: newer information is always there, so old information is none."""
    client = client.replace(session_cache=None)
    connect(client, stapling(server, staple(ends=None))).check()
    pair = connect(client, stapling(server, staple(begins=NOW - 25 * HOUR, ends=None)))
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE


def test_a_staple_that_is_no_staple(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client, stapling(server, b"\x30\x03\x0a\x01\x00"))
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE


@pytest.mark.parametrize("version", VERSIONS)
def test_must_staple_is_honoured(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
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
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    signed = builder.add_extension(feature, critical=False).sign(issuer.key, hashes.SHA256())
    leaf = replace(certificates.leaf("localhost"), certificate=signed)
    client = client.replace(max_version=version)
    pair = connect(client, server.replace(identity=leaf.identity, identities=()))
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.alert == Alert.BAD_CERTIFICATE_STATUS_RESPONSE
    good = leaf.identity.with_staple(staple(of=leaf))
    connect(client, server.replace(identity=good, identities=())).check()


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("names", [1, 40])
def test_certificates_are_compressed_where_it_saves_a_packet(
    client: ClientConfig,
    server: ServerConfig,
    algorithm: CertificateCompressionAlgorithm,
    names: int,
) -> None:
    seen = []

    class Watcher:
        def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
            seen.append(kind)

    shown = certificates.leaf("localhost", *(f"{n}.example.com" for n in range(1, names)))
    pair = connect(
        client.replace(certificate_compression=[algorithm], observer=Watcher()),
        server.replace(identity=shown.identity, identities=()),
    ).check()
    assert pair.client.peer is not None
    assert (CompressedCertificate.type in seen) is (names > 1)
    assert (Certificate.type in seen) is (names == 1)


def compressed(body: bytes, **changes: Any) -> CompressedCertificate:
    algorithm = CertificateCompressionAlgorithm.ZLIB
    message = CompressedCertificate(algorithm, len(body), COMPRESS[algorithm](body))
    return replace(message, **changes)


BODY = Certificate(b"", (CertificateEntry(bytes(5000)),)).encode()[4:]


@pytest.mark.parametrize(
    ("message", "alert"),
    [
        (compressed(BODY, algorithm=77), Alert.ILLEGAL_PARAMETER),
        (compressed(BODY, uncompressed_length=len(BODY) - 1), Alert.BAD_CERTIFICATE),
        (compressed(BODY, uncompressed_length=len(BODY) + 1), Alert.BAD_CERTIFICATE),
        (compressed(BODY, uncompressed_length=(1 << 24) - 1), Alert.BAD_CERTIFICATE),
        (compressed(bytes(1 << 20), uncompressed_length=100), Alert.BAD_CERTIFICATE),
        (compressed(BODY * 40), Alert.BAD_CERTIFICATE),  # which is what it says, and too long
        (compressed(BODY, data=b"not compressed at all"), Alert.BAD_CERTIFICATE),
        (compressed(BODY, data=compressed(BODY).data[:-4]), Alert.BAD_CERTIFICATE),
        (compressed(BODY + b"x"), Alert.DECODE_ERROR),
    ],
)
def test_a_compressed_certificate_is_what_it_says(
    message: CompressedCertificate, alert: Alert
) -> None:
    with pytest.raises(ProtocolError) as caught:
        expand(message, ALGORITHMS, 1 << 17)
    assert caught.value.alert == alert


@pytest.mark.parametrize("version", VERSIONS)
def test_a_staple_is_asked_for_when_it_is_needed(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    asked = []

    def provide(identity: Any) -> bytes:
        asked.append(identity)
        return staple()

    server = server.replace(staple=provide)
    pair = connect(client.replace(max_version=version), server).check()
    assert pair.client.peer is not None
    assert pair.client.peer.staple is not None
    connect(client.replace(max_version=version, request_staple=False, session_cache=None), server)
    assert len(asked) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_staple_that_cannot_be_had_ends_the_handshake(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    def fail(identity: Any) -> bytes:
        raise OSError("the responder is down")

    pair = connect(client.replace(max_version=version), server.replace(staple=fail))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.INTERNAL_ERROR
    assert isinstance(pair.server_error.__cause__, OSError)


@pytest.mark.parametrize("version", [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3])
def test_connections_to_one_peer_keep_one_copy_of_its_certificates(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    config = client.replace(max_version=version, session_cache=None)
    one, other = (connect(config, server).check().client.peer for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.chain == other.chain
    assert all(a is b for a, b in zip(one.chain, other.chain, strict=True))
