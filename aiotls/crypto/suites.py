"""The cipher suites: which AEAD, which hash, how long everything is.

Suites with an AEAD and forward secrecy, and no others (RFC 9325, section 4.2): the attacks on
CBC, on RC4 and on static RSA have nothing here to work on.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from ..enums import CipherSuite, ProtocolVersion

AEAD = AESGCM | ChaCha20Poly1305
"""What protects records; both take a nonce of 12 bytes and add a tag of 16."""

GCM_RECORD_LIMIT = 1 << 23
"""Records under one AES-GCM key. RFC 8446, section 5.5 ends its margin at 2^24.5 records of full
size; the keys change well before that, so that a peer which is slow to follow does no harm."""

CHACHA20_RECORD_LIMIT = 1 << 36
"""Records under one ChaCha20-Poly1305 key. RFC 8446, section 5.5 sets no limit short of the
sequence number's own."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One cipher suite. Lengths are in bytes."""

    code: CipherSuite
    """Its code point."""

    version: ProtocolVersion
    """The one version of TLS that it belongs to."""

    aead: type[AESGCM | ChaCha20Poly1305]
    """Makes the AEAD from a key."""

    key_length: int
    """Of the AEAD's key."""

    fixed_iv_length: int
    """Of the part of the nonce that comes from the key schedule. In TLS 1.2 with GCM that is
    the salt (RFC 5288, section 3); everywhere else it is the whole nonce."""

    hash_name: str
    """The hash of the key schedule and the transcript, by hashlib's name."""

    hash_length: int
    """Of that hash's digest."""

    record_limit: int
    """Records that one key may protect before a KeyUpdate is due (RFC 8446, section 5.5)."""

    openssl_name: str
    """OpenSSL's name for it: ciphers(1)."""

    signature: str | None = None
    """TLS 1.2 only: ``ECDSA`` or ``RSA``, what the server's key has to be (RFC 8422, section
    2). In TLS 1.3 the signature is negotiated by itself."""

    @property
    def bits(self) -> int:
        """The strength of the AEAD's key in bits."""
        return 8 * self.key_length

    def __repr__(self) -> str:
        return f"<Suite {self.code.name}>"


_HASH_LENGTHS = {"sha256": 32, "sha384": 48}


def _suite13(
    code: CipherSuite, aead: type[AESGCM | ChaCha20Poly1305], key: int, hash_name: str
) -> Suite:
    return Suite(
        code=code,
        version=ProtocolVersion.TLSv1_3,
        aead=aead,
        key_length=key,
        fixed_iv_length=12,
        hash_name=hash_name,
        hash_length=_HASH_LENGTHS[hash_name],
        record_limit=_record_limit(aead),
        openssl_name=code.name,
    )


def _suite12(
    code: CipherSuite,
    aead: type[AESGCM | ChaCha20Poly1305],
    key: int,
    hash_name: str,
    openssl_name: str,
) -> Suite:
    return Suite(
        code=code,
        version=ProtocolVersion.TLSv1_2,
        aead=aead,
        key_length=key,
        fixed_iv_length=4 if aead is AESGCM else 12,
        hash_name=hash_name,
        hash_length=_HASH_LENGTHS[hash_name],
        record_limit=_record_limit(aead),
        openssl_name=openssl_name,
        signature="ECDSA" if "_ECDSA_" in code.name else "RSA",
    )


def _record_limit(aead: type[AESGCM | ChaCha20Poly1305]) -> int:
    return GCM_RECORD_LIMIT if aead is AESGCM else CHACHA20_RECORD_LIMIT


_C = CipherSuite

TLS13_SUITES: tuple[Suite, ...] = (
    _suite13(_C.TLS_AES_128_GCM_SHA256, AESGCM, 16, "sha256"),
    _suite13(_C.TLS_AES_256_GCM_SHA384, AESGCM, 32, "sha384"),
    _suite13(_C.TLS_CHACHA20_POLY1305_SHA256, ChaCha20Poly1305, 32, "sha256"),
)
"""The suites of TLS 1.3 (RFC 8446, section B.4), the preferred first."""

TLS12_SUITES: tuple[Suite, ...] = (
    _suite12(
        _C.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        AESGCM,
        16,
        "sha256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    _suite12(
        _C.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        AESGCM,
        16,
        "sha256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    _suite12(
        _C.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        AESGCM,
        32,
        "sha384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    _suite12(
        _C.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        AESGCM,
        32,
        "sha384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    _suite12(
        _C.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ChaCha20Poly1305,
        32,
        "sha256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    _suite12(
        _C.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ChaCha20Poly1305,
        32,
        "sha256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
)
"""The suites of TLS 1.2 (RFC 5289, RFC 7905), the preferred first."""

SUITES: dict[int, Suite] = {suite.code: suite for suite in TLS13_SUITES + TLS12_SUITES}
"""Every suite by its code point."""


def suite_for(code: int) -> Suite | None:
    """The suite with a code point, or None where it is not implemented."""
    return SUITES.get(code)
