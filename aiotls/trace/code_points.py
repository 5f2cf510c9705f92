"""The code points that are chosen from, in plain words: suites, groups, schemes, versions, ….

Each has a sentence of its own, and the specification that defines it.
"""

from __future__ import annotations

from ..enums import (
    AlertLevel,
    CertificateCompressionAlgorithm,
    CertificateType,
    CipherSuite,
    CodePoint,
    ContentType,
    KeyUpdateRequest,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
)

_TLS13 = "RFC 8446"
_AEAD = f"{_TLS13}, appendix B.4"
_AEAD12 = "RFC 5289"
_CHACHA12 = "RFC 7905"
_CURVES = f"{_TLS13}, section 4.2.7"
_SCHEMES = f"{_TLS13}, section 4.2.3"
_HYBRIDS = "draft-ietf-tls-ecdhe-mlkem"
_PURE = "draft-ietf-tls-mlkem"
_ML_DSA = "draft-ietf-tls-mldsa"
_TYPES = f"{_TLS13}, section 5.1"

Texts = dict[CodePoint, tuple[str, str]]

SUITES: Texts = {
    CipherSuite.TLS_AES_128_GCM_SHA256: (
        "TLS 1.3: AES-GCM with a key of 128 bits. Every implementation has it, and processors with "
        "instructions for AES do it fastest.",
        _AEAD,
    ),
    CipherSuite.TLS_AES_256_GCM_SHA384: (
        "TLS 1.3: AES-GCM with a key of 256 bits, and SHA-384 for the key schedule; somewhat "
        "slower, for those whose rules ask for 256.",
        _AEAD,
    ),
    CipherSuite.TLS_CHACHA20_POLY1305_SHA256: (
        "TLS 1.3: ChaCha20-Poly1305, which is fast and free of timing leaks in software, where a "
        "processor has no instructions for AES.",
        _AEAD,
    ),
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: (
        "TLS 1.2: ephemeral elliptic-curve keys, signed by an ECDSA or EdDSA certificate; AES-GCM "
        "with a key of 128 bits.",
        _AEAD12,
    ),
    CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: (
        "TLS 1.2: ephemeral elliptic-curve keys, signed by an ECDSA or EdDSA certificate; AES-GCM "
        "with a key of 256 bits.",
        _AEAD12,
    ),
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: (
        "TLS 1.2: ephemeral elliptic-curve keys, signed by an RSA certificate; AES-GCM with a key "
        "of 128 bits.",
        _AEAD12,
    ),
    CipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: (
        "TLS 1.2: ephemeral elliptic-curve keys, signed by an RSA certificate; AES-GCM with a key "
        "of 256 bits.",
        _AEAD12,
    ),
    CipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: (
        "TLS 1.2: ephemeral elliptic-curve keys, signed by an RSA certificate; ChaCha20-Poly1305.",
        _CHACHA12,
    ),
    CipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: (
        "TLS 1.2: ephemeral elliptic-curve keys, signed by an ECDSA or EdDSA certificate; "
        "ChaCha20-Poly1305.",
        _CHACHA12,
    ),
    CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV: (
        "No cipher suite but a signal among them, where old servers ignore it: the client "
        "understands renegotiation_info.",
        "RFC 5746, section 3.3",
    ),
    CipherSuite.TLS_FALLBACK_SCSV: (
        "No cipher suite but a signal among them: the client has tried a newer version and failed. "
        "A server that speaks the newer one answers inappropriate_fallback, for then somebody in "
        "between has meddled.",
        "RFC 7507",
    ),
}

GROUPS: Texts = {
    NamedGroup.SECP256R1: (
        "NIST's curve P-256. Every implementation has it; not safe from quantum computers that may "
        "come.",
        _CURVES,
    ),
    NamedGroup.SECP384R1: (
        "NIST's curve P-384: larger and several times slower than P-256, and no safer from quantum "
        "computers.",
        _CURVES,
    ),
    NamedGroup.SECP521R1: (
        "NIST's curve P-521, the largest and slowest; no safer from quantum computers.",
        _CURVES,
    ),
    NamedGroup.X25519: (
        "Curve25519: fast, short keys, simple to implement well; the usual classical choice. Not "
        "safe from quantum computers that may come.",
        _CURVES,
    ),
    NamedGroup.X448: (
        "Curve448, X25519's larger sister; slower, and no safer from quantum computers.",
        _CURVES,
    ),
    NamedGroup.MLKEM768: (
        "ML-KEM-768 alone, which withstands quantum computers. No classical curve beside it would "
        "hold if ML-KEM did not.",
        _PURE,
    ),
    NamedGroup.MLKEM1024: (
        "ML-KEM-1024 alone, the largest of them; no classical curve beside it would hold if ML-KEM "
        "did not.",
        _PURE,
    ),
    NamedGroup.SECP256R1MLKEM768: (
        "A hybrid of ML-KEM-768, which withstands quantum computers, and P-256, for those whose "
        "rules ask for a curve of NIST's. Both would have to be broken.",
        _HYBRIDS,
    ),
    NamedGroup.X25519MLKEM768: (
        "A hybrid of ML-KEM-768, which withstands quantum computers, and X25519: what browsers and "
        "large sites use. Both would have to be broken. A share has 1,216 bytes.",
        _HYBRIDS,
    ),
    NamedGroup.SECP384R1MLKEM1024: (
        "A hybrid of ML-KEM-1024, which withstands quantum computers, and P-384: the strongest, "
        "and the slowest, of the hybrids. Both would have to be broken.",
        _HYBRIDS,
    ),
}

SCHEMES: Texts = {
    SignatureScheme.rsa_pkcs1_sha1: (
        "RSA with the old padding and SHA-1, which is broken: never accepted here.",
        _SCHEMES,
    ),
    SignatureScheme.ecdsa_sha1: (
        "ECDSA with SHA-1, which is broken: never accepted here.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pkcs1_sha256: (
        "RSA with the old padding and SHA-256: on certificates, where it is the most common of "
        "all, and for handshakes in TLS 1.2 alone.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pkcs1_sha384: (
        "RSA with the old padding and SHA-384: on certificates, and for handshakes in TLS 1.2 "
        "alone.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pkcs1_sha512: (
        "RSA with the old padding and SHA-512: on certificates, and for handshakes in TLS 1.2 "
        "alone.",
        _SCHEMES,
    ),
    SignatureScheme.ecdsa_secp256r1_sha256: (
        "ECDSA on P-256 with SHA-256: short and fast, the usual choice. In TLS 1.2 it goes with "
        "any curve.",
        _SCHEMES,
    ),
    SignatureScheme.ecdsa_secp384r1_sha384: (
        "ECDSA on P-384 with SHA-384; slower than P-256. In TLS 1.2 it goes with any curve.",
        _SCHEMES,
    ),
    SignatureScheme.ecdsa_secp521r1_sha512: (
        "ECDSA on P-521 with SHA-512; browsers do not take it. In TLS 1.2 it goes with any curve.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pss_rsae_sha256: (
        "RSA-PSS with SHA-256 and an ordinary RSA key: how RSA certificates sign handshakes since "
        "TLS 1.3.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pss_rsae_sha384: (
        "RSA-PSS with SHA-384 and an ordinary RSA key.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pss_rsae_sha512: (
        "RSA-PSS with SHA-512 and an ordinary RSA key, of 1,040 bits or more.",
        _SCHEMES,
    ),
    SignatureScheme.ed25519: (
        "Ed25519: fast, short and deterministic. Browsers and public authorities do not take it.",
        _SCHEMES,
    ),
    SignatureScheme.ed448: (
        "Ed448, Ed25519's larger sister; few speak it.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pss_pss_sha256: (
        "RSA-PSS with SHA-256 and a key that its certificate marks for RSA-PSS alone.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pss_pss_sha384: (
        "RSA-PSS with SHA-384 and a key that its certificate marks for RSA-PSS alone.",
        _SCHEMES,
    ),
    SignatureScheme.rsa_pss_pss_sha512: (
        "RSA-PSS with SHA-512 and a key that its certificate marks for RSA-PSS alone.",
        _SCHEMES,
    ),
    SignatureScheme.mldsa44: (
        "ML-DSA-44, the smallest signature of its kind that withstands quantum computers: 2,420 "
        "bytes. For TLS 1.3 alone.",
        _ML_DSA,
    ),
    SignatureScheme.mldsa65: (
        "ML-DSA-65, which withstands quantum computers; a signature has 3,309 bytes. For TLS 1.3 "
        "alone.",
        _ML_DSA,
    ),
    SignatureScheme.mldsa87: (
        "ML-DSA-87, the strongest of its kind; a signature has 4,627 bytes. For TLS 1.3 alone.",
        _ML_DSA,
    ),
}

VERSIONS: Texts = {
    ProtocolVersion.SSLv3: (
        "Obsolete and broken (POODLE); never spoken here. Its number stands in records to this "
        "day, for what has replaced it counts on from there.",
        "RFC 7568",
    ),
    ProtocolVersion.TLSv1: (
        "Obsolete and insecure; never spoken here. The record of a first ClientHello bears its "
        "number, as old boxes on the way expect it.",
        "RFC 8996",
    ),
    ProtocolVersion.TLSv1_1: ("Obsolete and insecure; never spoken here.", "RFC 8996"),
    ProtocolVersion.TLSv1_2: (
        "Still in order with AEAD suites and ephemeral keys, which is all that is spoken here.",
        "RFC 5246",
    ),
    ProtocolVersion.TLSv1_3: (
        "The current version: one round trip, and all but the hellos encrypted.",
        _TLS13,
    ),
}

CONTENT_TYPES: Texts = {
    ContentType.CHANGE_CIPHER_SPEC: (
        "A record of TLS 1.2 that says: what follows is under the new keys. In TLS 1.3 it means "
        "nothing, and is sent for boxes on the way that miss it.",
        f"{_TLS13}, section 5",
    ),
    ContentType.ALERT: ("A record with an alert: its level, and what it is about.", _TYPES),
    ContentType.HANDSHAKE: ("A record with handshake messages, or parts of them.", _TYPES),
    ContentType.APPLICATION_DATA: (
        "A record with the application's data; in TLS 1.3 every encrypted record says so, whatever "
        "it holds.",
        _TYPES,
    ),
}

PSK_MODES: Texts = {
    PskKeyExchangeMode.PSK_KE: (
        "A pre-shared key alone: no forward secrecy. Not offered here, and not taken.",
        f"{_TLS13}, section 4.2.9",
    ),
    PskKeyExchangeMode.PSK_DHE_KE: (
        "A pre-shared key together with a fresh key exchange, which keeps forward secrecy.",
        f"{_TLS13}, section 4.2.9",
    ),
}

KEY_UPDATES: Texts = {
    KeyUpdateRequest.UPDATE_NOT_REQUESTED: (
        "The sender has moved on to its next key, and asks for nothing.",
        f"{_TLS13}, section 4.6.3",
    ),
    KeyUpdateRequest.UPDATE_REQUESTED: (
        "The sender has moved on to its next key, and asks the other side to do the same.",
        f"{_TLS13}, section 4.6.3",
    ),
}

ALERT_LEVELS: Texts = {
    AlertLevel.WARNING: (
        "The connection may go on. In TLS 1.3 only close_notify and user_canceled are warnings; "
        "everything else ends the connection, whatever its level says.",
        f"{_TLS13}, section 6",
    ),
    AlertLevel.FATAL: ("The connection is over.", f"{_TLS13}, section 6"),
}

COMPRESSIONS: Texts = {
    CertificateCompressionAlgorithm.ZLIB: (
        "Certificates compressed with zlib, which every Python has.",
        "RFC 8879",
    ),
    CertificateCompressionAlgorithm.BROTLI: (
        "Certificates compressed with Brotli, which Chromium asks for: aiotls[compress].",
        "RFC 8879",
    ),
    CertificateCompressionAlgorithm.ZSTD: (
        "Certificates compressed with Zstandard: aiotls[compress], or Python 3.14.",
        "RFC 8879",
    ),
}

CERTIFICATE_TYPES: Texts = {
    CertificateType.X509: ("An X.509 certificate, as ever.", "RFC 7250"),
    CertificateType.RAW_PUBLIC_KEY: (
        "A public key and nothing around it: the other side has to know it already.",
        "RFC 7250",
    ),
}

KINDS: dict[str, Texts] = {
    "cipher suite": SUITES,
    "group": GROUPS,
    "signature scheme": SCHEMES,
    "version": VERSIONS,
    "record type": CONTENT_TYPES,
    "PSK mode": PSK_MODES,
    "KeyUpdate": KEY_UPDATES,
    "alert level": ALERT_LEVELS,
    "compression": COMPRESSIONS,
    "certificate type": CERTIFICATE_TYPES,
}
"""By what they are."""
