"""OCSP responses that come with a certificate: RFC 6066, section 8; RFC 8446, section 4.4.2.1."""

from __future__ import annotations

import datetime
import functools
import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..enums import Alert
from ..errors import CertificateError

TOLERANCE = datetime.timedelta(minutes=5)
"""By how much clocks may differ."""

UNDATED = datetime.timedelta(days=1)
"""How old a response may be that does not say when the next one is due, and so could be shown for
ever after the certificate was revoked."""

MAX_RESPONDERS = 4
"""Certificates in a response that are looked at; each may cost two verifications."""


def check_staple(
    staple: bytes | None, path: Sequence[x509.Certificate], now: datetime.datetime
) -> None:
    """Raises CertificateError for a certificate that is revoked, or that must have a staple.

    *path* is the verified path, leaf first. A staple that is out of date, or of another
    certificate, or badly signed, is as bad as none; whether none is good enough the certificate
    itself says (must-staple, RFC 7633).
    """
    if len(path) < 2:
        return
    leaf, issuer = path[0], path[1]
    problem = "the server sent no OCSP response" if staple is None else None
    if staple is not None:
        problem = _examine(staple, leaf, issuer, now)
    if problem is not None and (staple is not None or must_staple(leaf)):
        raise CertificateError(
            Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
            f"certificate status: {problem}",
            verify_code=91 if staple is None else 94,
            verify_message="OCSP verification needed"
            if staple is None
            else "OCSP response invalid",
            hint="The server's owner has to renew its OCSP response (stapling).",
        )


@functools.lru_cache(maxsize=256)
def must_staple(leaf: x509.Certificate) -> bool:
    """RFC 7633: whether the certificate asks for a staple."""
    try:
        feature = leaf.extensions.get_extension_for_class(x509.TLSFeature).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return x509.TLSFeatureType.status_request in feature


def _examine(
    staple: bytes, leaf: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime
) -> str | None:
    """What is wrong with the response; None if it says that the certificate is good."""
    try:
        response = ocsp.load_der_ocsp_response(staple)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return f"the responder answered {response.response_status.name.lower()}"
        if not _is_signed_by(response, issuer, now):
            return "the OCSP response is not signed by the certificate's issuer"
        single = next((one for one in response.responses if _is_about(one, leaf, issuer)), None)
        return _judge(single, now)
    except CertificateError:
        raise
    except Exception as error:  # what a parser raises on hostile input is not a short list
        return f"the OCSP response cannot be read ({error})"


def _judge(single: ocsp.OCSPSingleResponse | None, now: datetime.datetime) -> str | None:
    """What a signed answer says of the certificate; None if it is good."""
    if single is None:
        return "the OCSP response is about another certificate"
    if single.this_update_utc - TOLERANCE > now:
        return "the OCSP response is from the future"
    if (single.next_update_utc or single.this_update_utc + UNDATED) + TOLERANCE < now:
        return "the OCSP response is out of date"
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        raise CertificateError(
            Alert.CERTIFICATE_REVOKED,
            f"the certificate was revoked on {single.revocation_time_utc:%d %b %Y}",
            verify_code=23,
            verify_message="certificate revoked",
            hint="The server's owner has to replace the certificate.",
        )
    if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        return "the responder does not know the certificate"
    return None


def _is_about(
    single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """RFC 6960, section 4.1.1: serial number, and the issuer by the hashes of name and key."""
    name = single.hash_algorithm.name
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bits = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    if name == "sha1":
        key_matches = single.issuer_key_hash == bits
    else:
        key_matches = single.issuer_key_hash == hashlib.new(name, _key_bits(key)).digest()
    return (
        single.serial_number == leaf.serial_number
        and single.issuer_name_hash == hashlib.new(name, issuer.subject.public_bytes()).digest()
        and key_matches
    )


def _key_bits(spki: bytes) -> bytes:
    """The BIT STRING's content of a SubjectPublicKeyInfo, which its issuerKeyHash is over."""

    def content(data: bytes) -> tuple[bytes, bytes]:
        length, start = data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        return data[start : start + length], data[start + length :]

    sequence, _ = content(spki)
    _, rest = content(sequence)
    bits, _ = content(rest)
    return bits[1:]


def _is_signed_by(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime.datetime
) -> bool:
    """RFC 6960, section 4.2.2.2: by the issuer, or by one it has delegated that to."""
    for signer in (issuer, *response.certificates[:MAX_RESPONDERS]):
        if signer is not issuer and not _is_delegated(signer, issuer, now):
            continue
        if _verifies(response, signer):
            return True
    return False


def _is_delegated(
    signer: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime
) -> bool:
    try:
        signer.verify_directly_issued_by(issuer)
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, InvalidSignature, TypeError, ValueError):
        return False
    within = signer.not_valid_before_utc <= now <= signer.not_valid_after_utc
    return within and ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    data, signature = response.tbs_response_bytes, response.signature
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(signature, data, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, data)
        else:
            return False
    except InvalidSignature:
        return False
    return True
