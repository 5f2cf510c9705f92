"""Signatures: which scheme fits which key and version, made and checked, and every wrong one."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    mldsa,
    padding,
    rsa,
    x25519,
)
from hypothesis import given
from hypothesis import strategies as st

from aiotls.crypto import signatures
from aiotls.crypto.primitives import PRIMITIVES
from aiotls.crypto.signatures import CERTIFICATE_ONLY, DEFAULT_SCHEMES
from aiotls.crypto.suites import TLS12_SUITES, TLS13_SUITES
from aiotls.enums import Alert, SignatureScheme
from aiotls.errors import ProtocolError, UsageError
from tests.vectors import rfc8448, rfc8448_rsa_key

S = SignatureScheme
SHA1 = {S.rsa_pkcs1_sha1, S.ecdsa_sha1}
IMPLEMENTED = [scheme for scheme in S if scheme not in SHA1]
ECDSA = (S.ecdsa_secp256r1_sha256, S.ecdsa_secp384r1_sha384, S.ecdsa_secp521r1_sha512)
RSAE = (S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512)
PSS = (S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512)
PKCS1 = (S.rsa_pkcs1_sha256, S.rsa_pkcs1_sha384, S.rsa_pkcs1_sha512)
MLDSA = (S.mldsa44, S.mldsa65, S.mldsa87)

DATA = b"what both sides have seen"


@functools.cache
def key(name: str) -> Any:
    """A private key of a kind; the slow ones are made once."""
    match name:
        case "secp256r1":
            return ec.generate_private_key(ec.SECP256R1())
        case "secp384r1":
            return ec.generate_private_key(ec.SECP384R1())
        case "secp521r1":
            return ec.generate_private_key(ec.SECP521R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ed448":
            return ed448.Ed448PrivateKey.generate()
        case "mldsa44":
            return mldsa.MLDSA44PrivateKey.generate()
        case "mldsa65":
            return mldsa.MLDSA65PrivateKey.generate()
        case "mldsa87":
            return mldsa.MLDSA87PrivateKey.generate()
        case "rsa1024":
            return rfc8448_rsa_key()
        case _:
            return rsa.generate_private_key(65537, 2048)


def kind_for(scheme: SignatureScheme) -> tuple[str, bool]:
    """The kind of key that a scheme needs, and whether it is one for PSS alone."""
    if scheme in ECDSA:
        return scheme.name.split("_")[1], False
    if scheme.name.startswith("rsa_"):
        return "rsa2048", scheme in PSS
    return scheme.name, False


def wrong_type(verify: Any, *arguments: Any, pss_only: bool = False) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        verify(*arguments, pss_only=pss_only)
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER
    assert caught.value.reason == "WRONG_SIGNATURE_TYPE"
    return caught.value


def bad_signature(verify: Any, *arguments: Any, pss_only: bool = False) -> None:
    with pytest.raises(ProtocolError) as caught:
        verify(*arguments, pss_only=pss_only)
    assert caught.value.alert == Alert.DECRYPT_ERROR
    assert caught.value.reason == "BAD_SIGNATURE"


every_scheme = pytest.mark.parametrize("scheme", IMPLEMENTED, ids=lambda scheme: scheme.name)
every_scheme13 = pytest.mark.parametrize(
    "scheme", [s for s in IMPLEMENTED if s not in CERTIFICATE_ONLY], ids=lambda scheme: scheme.name
)
every_scheme12 = pytest.mark.parametrize(
    "scheme", [s for s in IMPLEMENTED if s not in MLDSA], ids=lambda scheme: scheme.name
)


# -- made and checked ------------------------------------------------------------------------------


@every_scheme13
def test_a_signature_of_tls_1_3(scheme: SignatureScheme) -> None:
    name, pss_only = kind_for(scheme)
    private = key(name)
    public = private.public_key()
    signature = PRIMITIVES.sign(private, scheme, DATA)
    signatures.verify(public, scheme, signature, DATA, pss_only=pss_only)
    bad_signature(signatures.verify, public, scheme, signature, DATA + b"!", pss_only=pss_only)
    changed = bytearray(signature)
    changed[-1] ^= 1
    for wrong in (bytes(changed), b"", signature[:-1], signature + b"\0", bytes(len(signature))):
        bad_signature(signatures.verify, public, scheme, wrong, DATA, pss_only=pss_only)


@every_scheme12
def test_a_signature_of_tls_1_2(scheme: SignatureScheme) -> None:
    name, pss_only = kind_for(scheme)
    private = key(name)
    public = private.public_key()
    signature = signatures.sign(private, scheme, DATA)
    signatures.verify12(public, scheme, signature, DATA, pss_only=pss_only)
    bad_signature(signatures.verify12, public, scheme, signature, b"", pss_only=pss_only)
    bad_signature(signatures.verify12, public, scheme, b"\0", DATA, pss_only=pss_only)


@every_scheme13
def test_a_signature_by_another_key_is_refused(scheme: SignatureScheme) -> None:
    name, pss_only = kind_for(scheme)
    if name.startswith("rsa"):
        other = rsa.generate_private_key(65537, 2048)
    else:
        other = key.__wrapped__(name)
    signature = signatures.sign(other, scheme, DATA)
    public = key(name).public_key()
    bad_signature(signatures.verify, public, scheme, signature, DATA, pss_only=pss_only)


@pytest.mark.parametrize("name", ["simple_1rtt", "client_authentication"])
def test_the_server_s_signature_in_rfc_8448(name: str) -> None:
    trace = rfc8448(name)
    messages = trace.messages()
    (verify,) = (m for m in trace.messages("server") if m[0] == 15)
    (certificate,) = (m for m in trace.messages("server") if m[0] == 11)
    length = int.from_bytes(certificate[8:11], "big")
    public = x509.load_der_x509_certificate(certificate[11 : 11 + length]).public_key()
    before = hashes.Hash(hashes.SHA256())
    before.update(b"".join(messages[: messages.index(verify)]))
    content = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + before.finalize()
    scheme = int.from_bytes(verify[4:6], "big")
    key: Any = public
    signatures.verify(key, scheme, verify[8:], content)
    bad_signature(signatures.verify, key, scheme, verify[8:], content[1:])


def test_the_salt_is_as_long_as_the_digest() -> None:
    """RFC 8446, section 4.2.3: MUST; other lengths do not verify."""
    private = key("rsa2048")
    algorithm = hashes.SHA256()
    for salt in (0, 20, 222):
        pss = padding.PSS(padding.MGF1(algorithm), salt)
        signature = private.sign(DATA, pss, algorithm)
        bad_signature(
            signatures.verify, private.public_key(), S.rsa_pss_rsae_sha256, signature, DATA
        )


def test_mgf1_has_the_same_hash() -> None:
    """RFC 8446, section 4.2.3."""
    private = key("rsa2048")
    pss = padding.PSS(padding.MGF1(hashes.SHA1()), 32)
    signature = private.sign(DATA, pss, hashes.SHA256())
    bad_signature(signatures.verify, private.public_key(), S.rsa_pss_rsae_sha256, signature, DATA)


@given(data=st.data())
def test_no_signature_whatever_raises_anything_else(data: st.DataObject) -> None:
    scheme = data.draw(st.sampled_from([s for s in IMPLEMENTED if s not in CERTIFICATE_ONLY]))
    name, pss_only = kind_for(scheme)
    signature = data.draw(st.binary(max_size=300))
    public = key(name).public_key()
    bad_signature(signatures.verify, public, scheme, signature, DATA, pss_only=pss_only)


# -- a scheme that does not fit --------------------------------------------------------------------


KINDS = sorted({kind_for(scheme) for scheme in IMPLEMENTED})


@every_scheme
@pytest.mark.parametrize(("name", "pss_only"), KINDS)
def test_every_scheme_with_every_key_in_tls_1_3(
    scheme: SignatureScheme, name: str, pss_only: bool
) -> None:
    """RFC 8446, section 4.4.3: it MUST fit the key; and ECDSA schemes name their curve."""
    private = key(name)
    fits = scheme in signatures.schemes_for(private, pss_only=pss_only)
    assert fits == ((name, pss_only) == kind_for(scheme) and scheme not in CERTIFICATE_ONLY)
    if not fits:
        public = private.public_key()
        error = wrong_type(signatures.verify, public, scheme, b"", DATA, pss_only=pss_only)
        assert scheme.name in str(error)


def test_pkcs1_signatures_are_not_for_tls_1_3() -> None:
    """RFC 8446, section 4.2.3: they refer to signatures in certificates alone."""
    private = key("rsa2048")
    for scheme in PKCS1:
        signature = signatures.sign(private, scheme, DATA)
        wrong_type(signatures.verify, private.public_key(), scheme, signature, DATA)


def test_an_ecdsa_scheme_of_tls_1_3_is_bound_to_its_curve() -> None:
    """RFC 8446, section 4.2.3, even where the signature itself is right."""
    private = key("secp384r1")
    signature = signatures.sign(private, S.ecdsa_secp256r1_sha256, DATA)
    public = private.public_key()
    error = wrong_type(signatures.verify, public, S.ecdsa_secp256r1_sha256, signature, DATA)
    assert "an ECDSA key on secp384r1" in str(error)


def test_an_ecdsa_scheme_of_tls_1_2_goes_with_any_curve() -> None:
    """RFC 8446, section 4.2.3 on TLS 1.2; RFC 8422, section 5.10."""
    for name in ("secp256r1", "secp384r1", "secp521r1"):
        private = key(name)
        for scheme in ECDSA:
            signature = signatures.sign(private, scheme, DATA)
            signatures.verify12(private.public_key(), scheme, signature, DATA)


def test_ml_dsa_is_not_for_tls_1_2() -> None:
    """draft-ietf-tls-mldsa, section 3.3: MUST NOT, with illegal_parameter."""
    for scheme in MLDSA:
        private = key(scheme.name)
        assert signatures.schemes12_for(private) == ()
        signature = signatures.sign(private, scheme, DATA)
        wrong_type(signatures.verify12, private.public_key(), scheme, signature, DATA)


def test_the_oid_of_an_rsa_key_decides_between_rsae_and_pss() -> None:
    """RFC 8446, section 4.2.3."""
    private = key("rsa2048")
    public = private.public_key()
    for scheme, pss_only in [*((s, True) for s in RSAE), *((s, False) for s in PSS)]:
        signature = signatures.sign(private, scheme, DATA)
        for verify in (signatures.verify, signatures.verify12):
            error = wrong_type(verify, public, scheme, signature, DATA, pss_only=pss_only)
            assert ("an RSA-PSS key" if pss_only else "an RSA key") in str(error)
    for scheme in PKCS1:
        signature = signatures.sign(private, scheme, DATA)
        wrong_type(signatures.verify12, public, scheme, signature, DATA, pss_only=True)


@pytest.mark.parametrize("scheme", [0x0201, 0x0203, 0x0A0A, 0x0000, 0xFFFF])
def test_sha1_and_unknown_schemes_are_refused(scheme: int) -> None:
    for name in ("rsa2048", "secp256r1"):
        public = key(name).public_key()
        wrong_type(signatures.verify, public, scheme, b"", DATA)
        wrong_type(signatures.verify12, public, scheme, b"", DATA)
        with pytest.raises(UsageError, match="cannot sign"):
            signatures.sign(key(name), scheme, DATA)


def test_a_key_that_cannot_sign_at_all_is_refused() -> None:
    keys: list[Any] = [x25519.X25519PrivateKey.generate(), dsa.generate_private_key(1024)]
    for private in keys:
        assert signatures.schemes_for(private) == ()
        assert signatures.schemes12_for(private.public_key()) == ()
        for scheme in IMPLEMENTED:
            wrong_type(signatures.verify, private.public_key(), scheme, b"", DATA)
            with pytest.raises(UsageError):
                signatures.sign(private, scheme, DATA)


def test_signing_with_a_key_of_another_kind_is_the_caller_s_mistake() -> None:
    with pytest.raises(UsageError, match="cannot sign with ed25519"):
        signatures.sign(key("secp256r1"), S.ed25519, DATA)
    with pytest.raises(UsageError, match="cannot sign with mldsa65"):
        signatures.sign(key("mldsa44"), S.mldsa65, DATA)


# -- keys and what they can do ---------------------------------------------------------------------


def test_what_keys_sign_with_in_tls_1_3() -> None:
    for name, expected in {
        "secp256r1": ECDSA[:1],
        "secp384r1": ECDSA[1:2],
        "secp521r1": ECDSA[2:],
        "secp256k1": (),
        "ed25519": (S.ed25519,),
        "ed448": (S.ed448,),
        "mldsa65": (S.mldsa65,),
        "rsa2048": RSAE,
    }.items():
        assert signatures.schemes_for(key(name)) == expected
        assert signatures.schemes_for(key(name).public_key()) == expected
    assert signatures.schemes_for(key("rsa2048"), pss_only=True) == PSS


def test_what_keys_sign_with_in_tls_1_2() -> None:
    for name, expected in {
        "secp256r1": ECDSA,
        "secp384r1": (ECDSA[1], ECDSA[0], ECDSA[2]),
        "secp521r1": (ECDSA[2], ECDSA[0], ECDSA[1]),
        "secp256k1": (),
        "ed25519": (S.ed25519,),
        "ed448": (S.ed448,),
        "mldsa65": (),
        "rsa2048": RSAE + PKCS1,
    }.items():
        assert signatures.schemes12_for(key(name)) == expected
        assert signatures.schemes12_for(key(name).public_key()) == expected
    assert signatures.schemes12_for(key("rsa2048"), pss_only=True) == PSS


def test_an_rsa_key_of_1024_bits_is_too_small_for_pss_with_sha512() -> None:
    """RFC 8017, section 9.1.1: the encoded message has to hold digest and salt."""
    private = key("rsa1024")
    assert signatures.schemes_for(private) == RSAE[:2]
    assert signatures.schemes12_for(private) == RSAE[:2] + PKCS1
    with pytest.raises(UsageError, match="1024 bits is too small"):
        signatures.sign(private, S.rsa_pss_rsae_sha512, DATA)
    bad_signature(signatures.verify, private.public_key(), S.rsa_pss_rsae_sha512, bytes(128), DATA)


@pytest.mark.parametrize("bits", [1032, 1033, 1034, 1035])
def test_the_smallest_key_for_a_scheme_is_where_cryptography_has_it(bits: int) -> None:
    private = rsa.generate_private_key(65537, bits)
    algorithm = hashes.SHA512()
    offered = S.rsa_pss_rsae_sha512 in signatures.schemes_for(private)
    assert offered == (bits >= 1034)
    if offered:
        signature = signatures.sign(private, S.rsa_pss_rsae_sha512, DATA)
        signatures.verify(private.public_key(), S.rsa_pss_rsae_sha512, signature, DATA)
    else:
        with pytest.raises(ValueError, match="too long"):
            private.sign(DATA, padding.PSS(padding.MGF1(algorithm), 64), algorithm)


# -- tables ----------------------------------------------------------------------------------------


def test_every_scheme_but_sha1_is_offered() -> None:
    assert set(DEFAULT_SCHEMES) == set(IMPLEMENTED)
    assert len(DEFAULT_SCHEMES) == len(IMPLEMENTED)


def test_pkcs1_stands_last() -> None:
    assert set(PKCS1) == CERTIFICATE_ONLY
    assert DEFAULT_SCHEMES[-3:] == PKCS1


@every_scheme
def test_which_suites_of_tls_1_2_a_scheme_fits(scheme: SignatureScheme) -> None:
    """RFC 8422, sections 2 and 5.4: EdDSA goes with the ECDSA suites."""
    for suite in TLS12_SUITES:
        rsa_suite = suite.signature == "RSA"
        expected = scheme not in MLDSA and rsa_suite == scheme.name.startswith("rsa_")
        assert signatures.fits_suite(scheme, suite) == expected


def test_what_fits_no_suite() -> None:
    assert not any(signatures.fits_suite(0x0201, suite) for suite in TLS12_SUITES)
    assert not any(signatures.fits_suite(S.ed25519, suite) for suite in TLS13_SUITES)
