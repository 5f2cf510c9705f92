"""Signatures of the handshake: which scheme fits which key, making them, checking them.

In TLS 1.3 an ECDSA scheme names the curve as well as the hash, and an RSA key signs with PSS
only (RFC 8446, section 4.2.3). In TLS 1.2 the same code points leave the curve open, and
PKCS #1 v1.5 is allowed (RFC 8446, section 4.2.3; RFC 8422, section 5.10). An RSA key in a
certificate with the OID id-RSASSA-PSS signs with the ``rsa_pss_pss`` schemes and no others; the
key object does not show the OID, so it is told apart by *pss_only*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa

from ..enums import Alert, NamedGroup, SignatureScheme
from ..errors import ProtocolError, UsageError
from .suites import Suite

PublicKey = (
    ec.EllipticCurvePublicKey
    | rsa.RSAPublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
"""Keys that can check a signature of the handshake."""

PrivateKey = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
"""Keys that can make one."""

DEFAULT_SCHEMES: tuple[SignatureScheme, ...] = (
    SignatureScheme.ecdsa_secp256r1_sha256,
    SignatureScheme.ed25519,
    SignatureScheme.ecdsa_secp384r1_sha384,
    SignatureScheme.ecdsa_secp521r1_sha512,
    SignatureScheme.ed448,
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512,
    SignatureScheme.rsa_pss_pss_sha256,
    SignatureScheme.rsa_pss_pss_sha384,
    SignatureScheme.rsa_pss_pss_sha512,
    SignatureScheme.mldsa44,
    SignatureScheme.mldsa65,
    SignatureScheme.mldsa87,
    SignatureScheme.rsa_pkcs1_sha256,
    SignatureScheme.rsa_pkcs1_sha384,
    SignatureScheme.rsa_pkcs1_sha512,
)
"""What signature_algorithms offers, the preferred first. The PKCS #1 ones stand last: they are
for certificates, and for TLS 1.2 (RFC 8446, section 4.2.3)."""

CERTIFICATE_ONLY: frozenset[int] = frozenset(
    (
        SignatureScheme.rsa_pkcs1_sha256,
        SignatureScheme.rsa_pkcs1_sha384,
        SignatureScheme.rsa_pkcs1_sha512,
    )
)
"""Schemes that TLS 1.3 allows in certificates but not in a CertificateVerify (RFC 8446, 4.4.3)."""


def sign(private_key: PrivateKey, scheme: int, data: bytes) -> bytes:
    """A signature over *data*.

    Raises UsageError for a scheme that this kind of key cannot make. Whether the *version* of
    TLS allows the scheme is a question for :func:`schemes_for` and :func:`schemes12_for`.
    """
    row = _SCHEMES.get(scheme)
    if row is None or not isinstance(private_key, row.private):
        name = type(private_key).__name__
        raise UsageError(f"a key of type {name} cannot sign with {SignatureScheme.label(scheme)}")
    if row.minimum_bits and _bits(private_key) < row.minimum_bits:
        raise UsageError(
            f"an RSA key of {_bits(private_key)} bits is too small for "
            f"{SignatureScheme.label(scheme)}"
        )
    signature: bytes = private_key.sign(data, *row.arguments)
    return signature


def verify(
    public_key: PublicKey, scheme: int, signature: bytes, data: bytes, *, pss_only: bool = False
) -> None:
    """Checks a signature of TLS 1.3 (RFC 8446, section 4.4.3).

    *pss_only* says that the key's certificate carries the OID id-RSASSA-PSS. Raises
    ProtocolError: ``illegal_parameter`` where the scheme does not fit the key or is not one of
    TLS 1.3, ``decrypt_error`` where the signature is wrong.
    """
    row = _SCHEMES.get(scheme)
    if (
        row is None
        or scheme in CERTIFICATE_ONLY
        or not isinstance(public_key, row.public)
        or (row.pss_only is not None and row.pss_only is not pss_only)
        or (row.curve is not None and row.curve != public_key.curve.name)
    ):
        _wrong_type(public_key, scheme, pss_only)
    _check(row, public_key, scheme, signature, data)


def verify12(
    public_key: PublicKey, scheme: int, signature: bytes, data: bytes, *, pss_only: bool = False
) -> None:
    """Checks a signature of TLS 1.2 (RFC 5246, section 4.7; RFC 8422, section 5.10).

    Unlike in TLS 1.3 an ECDSA scheme goes with any curve, PKCS #1 v1.5 is allowed, and ML-DSA
    is not (draft-ietf-tls-mldsa, section 3.3). Raises as :func:`verify` does.
    """
    row = _SCHEMES.get(scheme)
    if (
        row is None
        or row.tls13_only
        or not isinstance(public_key, row.public)
        or (row.pss_only is not None and row.pss_only is not pss_only)
    ):
        _wrong_type(public_key, scheme, pss_only)
    _check(row, public_key, scheme, signature, data)


def schemes_for(
    key: PublicKey | PrivateKey, *, pss_only: bool = False
) -> tuple[SignatureScheme, ...]:
    """What a key can sign with in TLS 1.3, the preferred first; empty for a key of no use."""
    return tuple(
        scheme
        for scheme, row in _PREFERENCE.items()
        if scheme not in CERTIFICATE_ONLY
        and _fits_key(row, key, pss_only)
        and (row.curve is None or row.curve == _curve_name(key))
    )


def schemes12_for(
    key: PublicKey | PrivateKey, *, pss_only: bool = False
) -> tuple[SignatureScheme, ...]:
    """What a key can sign with in TLS 1.2, the preferred first; empty for a key of no use.

    An ECDSA key prefers the hash that TLS 1.3 would pair with its curve.
    """
    schemes = [
        scheme
        for scheme, row in _PREFERENCE.items()
        if not row.tls13_only and _fits_key(row, key, pss_only)
    ]
    curve = _curve_name(key)
    if curve is not None:
        if curve not in _ECDSA_CURVES:  # not a group that supported_groups could name
            return ()
        schemes.sort(key=lambda scheme: _SCHEMES[scheme].curve != curve)
    return tuple(schemes)


def curve_of(key: PublicKey | PrivateKey) -> NamedGroup | None:
    """The group that a certificate's ECDSA key needs the peer to support in TLS 1.2.

    RFC 8422, section 5.3: the curve is no part of the scheme there. None for other keys.
    """
    name = _curve_name(key)
    return _CURVE_GROUPS.get(name) if name is not None else None


def fits_suite(scheme: int, suite: Suite) -> bool:
    """Whether a suite of TLS 1.2 allows a scheme (RFC 8422, section 2).

    EdDSA goes with the ECDSA suites (RFC 8422, section 5.4).
    """
    row = _SCHEMES.get(scheme)
    if row is None or row.tls13_only:
        return False
    return suite.signature == ("RSA" if row.public is rsa.RSAPublicKey else "ECDSA")


def client_certificate_type(scheme: int) -> int:
    """The ClientCertificateType of TLS 1.2 that allows a scheme: rsa_sign or ecdsa_sign.

    RFC 5246, section 7.4.4; RFC 8422, section 5.5, by which the latter goes for EdDSA too.
    """
    row = _SCHEMES.get(scheme)
    return 1 if row is not None and row.public is rsa.RSAPublicKey else 64


# -- the schemes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scheme:
    public: Any
    private: Any
    arguments: tuple[Any, ...] = ()
    """What `cryptography` takes behind the data."""
    curve: str | None = None
    pss_only: bool | None = None
    """Whether an RSA key has to be, or must not be, for PSS alone."""
    minimum_bits: int = 0
    tls13_only: bool = False


def _ecdsa(curve: str, algorithm: hashes.HashAlgorithm) -> _Scheme:
    return _Scheme(
        ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey, (ec.ECDSA(algorithm),), curve
    )


def _pss(algorithm: hashes.HashAlgorithm, *, pss_only: bool) -> _Scheme:
    # RFC 8446, section 4.2.3: MGF1 with the same hash, and a salt as long as the digest.
    size = algorithm.digest_size
    pss = padding.PSS(padding.MGF1(algorithm), size)
    # RFC 8017, section 9.1.1: digest, salt and two more bytes have to fit into the modulus
    # less its highest bit.
    return _Scheme(
        rsa.RSAPublicKey,
        rsa.RSAPrivateKey,
        (pss, algorithm),
        pss_only=pss_only,
        minimum_bits=8 * (2 * size + 2) - 6,
    )


def _pkcs1(algorithm: hashes.HashAlgorithm) -> _Scheme:
    # RFC 8017, section 9.2: 11 bytes of padding and 19 of DigestInfo around the digest.
    return _Scheme(
        rsa.RSAPublicKey,
        rsa.RSAPrivateKey,
        (padding.PKCS1v15(), algorithm),
        pss_only=False,
        minimum_bits=8 * (algorithm.digest_size + 30) - 7,
    )


_S = SignatureScheme

_PREFERENCE: dict[SignatureScheme, _Scheme] = {
    _S.ecdsa_secp256r1_sha256: _ecdsa("secp256r1", hashes.SHA256()),
    _S.ecdsa_secp384r1_sha384: _ecdsa("secp384r1", hashes.SHA384()),
    _S.ecdsa_secp521r1_sha512: _ecdsa("secp521r1", hashes.SHA512()),
    _S.ed25519: _Scheme(ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey),
    _S.ed448: _Scheme(ed448.Ed448PublicKey, ed448.Ed448PrivateKey),
    _S.rsa_pss_rsae_sha256: _pss(hashes.SHA256(), pss_only=False),
    _S.rsa_pss_rsae_sha384: _pss(hashes.SHA384(), pss_only=False),
    _S.rsa_pss_rsae_sha512: _pss(hashes.SHA512(), pss_only=False),
    _S.rsa_pss_pss_sha256: _pss(hashes.SHA256(), pss_only=True),
    _S.rsa_pss_pss_sha384: _pss(hashes.SHA384(), pss_only=True),
    _S.rsa_pss_pss_sha512: _pss(hashes.SHA512(), pss_only=True),
    _S.mldsa44: _Scheme(mldsa.MLDSA44PublicKey, mldsa.MLDSA44PrivateKey, tls13_only=True),
    _S.mldsa65: _Scheme(mldsa.MLDSA65PublicKey, mldsa.MLDSA65PrivateKey, tls13_only=True),
    _S.mldsa87: _Scheme(mldsa.MLDSA87PublicKey, mldsa.MLDSA87PrivateKey, tls13_only=True),
    _S.rsa_pkcs1_sha256: _pkcs1(hashes.SHA256()),
    _S.rsa_pkcs1_sha384: _pkcs1(hashes.SHA384()),
    _S.rsa_pkcs1_sha512: _pkcs1(hashes.SHA512()),
}
_SCHEMES: dict[int, _Scheme] = dict(_PREFERENCE.items())
_CURVE_GROUPS = {
    "secp256r1": NamedGroup.SECP256R1,
    "secp384r1": NamedGroup.SECP384R1,
    "secp521r1": NamedGroup.SECP521R1,
}
_ECDSA_CURVES = frozenset(row.curve for row in _SCHEMES.values() if row.curve)


def _fits_key(row: _Scheme, key: Any, pss_only: bool) -> bool:
    if not isinstance(key, (row.public, row.private)):
        return False
    if row.pss_only is not None and row.pss_only is not pss_only:
        return False
    return not row.minimum_bits or _bits(key) >= row.minimum_bits


def _bits(key: Any) -> int:
    size: int = key.key_size
    return size


def _curve_name(key: Any) -> str | None:
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        return key.curve.name
    return None


def _check(row: _Scheme, public_key: Any, scheme: int, signature: bytes, data: bytes) -> None:
    try:
        public_key.verify(signature, data, *row.arguments)
    except (InvalidSignature, ValueError):  # ValueError: an RSA key too small for the scheme
        raise ProtocolError(
            Alert.DECRYPT_ERROR,
            f"the peer's {SignatureScheme.label(scheme)} signature is wrong",
            reason="BAD_SIGNATURE",
        ) from None


def _wrong_type(public_key: Any, scheme: int, pss_only: bool) -> NoReturn:
    curve = _curve_name(public_key)
    if curve is not None:
        kind = f"an ECDSA key on {curve}"
    elif isinstance(public_key, rsa.RSAPublicKey):
        kind = "an RSA-PSS key" if pss_only else "an RSA key"
    else:
        kind = f"a key of type {type(public_key).__name__.removesuffix('PublicKey')}"
    raise ProtocolError(
        Alert.ILLEGAL_PARAMETER,
        f"the peer signed with {SignatureScheme.label(scheme)}, which does not fit {kind}",
        reason="WRONG_SIGNATURE_TYPE",
    )
