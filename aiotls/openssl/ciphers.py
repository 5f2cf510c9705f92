"""Names to choose by: ciphers(1), SSL_CTX_set1_groups_list(3), SSL_CIPHER_get_name(3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from ..crypto.suites import SUITES, TLS12_SUITES, TLS13_SUITES, Suite
from ..enums import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme


@dataclass(frozen=True)
class SSL_CIPHER:
    """One cipher suite."""

    suite: Suite

    def __repr__(self) -> str:
        return f"<SSL_CIPHER {self.suite.openssl_name}>"


_CIPHERS = {code: SSL_CIPHER(suite) for code, suite in SUITES.items()}


def cipher(code: int | None) -> SSL_CIPHER | None:
    """The cipher with a code point."""
    return _CIPHERS.get(code) if code is not None else None


def _check(cipher: SSL_CIPHER) -> SSL_CIPHER:
    if not isinstance(cipher, SSL_CIPHER):
        raise TypeError(f"an SSL_CIPHER is expected, not {type(cipher).__name__}")
    return cipher


def SSL_CIPHER_get_name(cipher: SSL_CIPHER | None) -> str:
    """OpenSSL's name for it; ``(NONE)`` for None."""
    return "(NONE)" if cipher is None else _check(cipher).suite.openssl_name


def SSL_CIPHER_standard_name(cipher: SSL_CIPHER | None) -> str:
    """The RFCs' name for it; ``(NONE)`` for None."""
    return "(NONE)" if cipher is None else _check(cipher).suite.code.name


def SSL_CIPHER_get_bits(cipher: SSL_CIPHER | None) -> tuple[int, int]:
    """``(bits, alg_bits)``: of the secret, and of the algorithm."""
    return (0, 0) if cipher is None else (_check(cipher).suite.bits, cipher.suite.bits)


def SSL_CIPHER_get_version(cipher: SSL_CIPHER | None) -> str:
    """The version that it belongs to: ``TLSv1.3``, ``TLSv1.2``."""
    if cipher is None:
        return "(NONE)"
    return "TLSv1.3" if _check(cipher).suite.version == ProtocolVersion.TLSv1_3 else "TLSv1.2"


def SSL_CIPHER_get_id(cipher: SSL_CIPHER) -> int:
    """OpenSSL's number for a suite: its code point, with 0x03000000 above it."""
    return 0x03000000 | _check(cipher).suite.code


def SSL_CIPHER_get_protocol_id(cipher: SSL_CIPHER) -> int:
    """The number that stands on the wire."""
    return int(_check(cipher).suite.code)


def SSL_CIPHER_is_aead(cipher: SSL_CIPHER) -> int:
    """Whether a suite is an AEAD: 1, as there are no others here."""
    _check(cipher)
    return 1


# -- choosing --------------------------------------------------------------------------------------

_ORDER = sorted(
    TLS12_SUITES, key=lambda s: (-s.bits, s.aead is ChaCha20Poly1305, s.signature != "ECDSA")
)


def _keywords(suite: Suite) -> frozenset[str]:
    words = {"ALL", "DEFAULT", "HIGH", "TLSv1.2", "ECDH", "ECDHE", "EECDH", "kECDHE", "kEECDH"}
    words |= {"ECDSA", "aECDSA"} if suite.signature == "ECDSA" else {"aRSA"}
    if suite.aead is ChaCha20Poly1305:
        words |= {"CHACHA20"}
    else:
        words |= {"AES", f"AES{suite.bits}", "AESGCM", "FIPS"}
    return frozenset({*words, suite.openssl_name, suite.code.name})


_KEYWORDS = {suite.code: _keywords(suite) for suite in TLS12_SUITES}


def cipher_list(string: str) -> tuple[CipherSuite, ...] | None:
    """The TLS 1.2 suites that a string of ciphers(1) chooses; None for a command that is none.

    Names that are not known choose nothing.
    """
    chosen: list[Suite] = []
    killed: set[CipherSuite] = set()
    for element in re.split(r"[:,; ]+", string):
        if element.startswith("@"):
            if element == "@STRENGTH":
                chosen.sort(key=lambda suite: -suite.bits)
            elif not re.fullmatch(r"@SECLEVEL=[0-5]", element):
                return None
            continue
        if not element:
            continue
        operator = element[0] if element[0] in "!-+" else ""
        words = element[len(operator) :].split("+")
        matching = [s for s in _ORDER if all(word in _KEYWORDS[s.code] for word in words)]
        if operator == "!":
            killed.update(suite.code for suite in matching)
        if operator in ("!", "-"):
            chosen = [suite for suite in chosen if suite not in matching]
        elif operator == "+":
            moved = [suite for suite in chosen if suite in matching]
            chosen = [suite for suite in chosen if suite not in matching] + moved
        else:
            chosen += [s for s in matching if s not in chosen and s.code not in killed]
    return tuple(suite.code for suite in chosen)


def ciphersuites(string: str) -> tuple[CipherSuite, ...] | None:
    """The TLS 1.3 suites of a list of names; None where there are names and none is known."""
    names = {suite.openssl_name: suite.code for suite in TLS13_SUITES}
    if not string:
        return ()
    found = [names[name] for name in string.split(":") if name in names]
    return tuple(dict.fromkeys(found)) or None


_GROUPS = {
    "X25519": NamedGroup.X25519,
    "x25519": NamedGroup.X25519,
    "P-256": NamedGroup.SECP256R1,
    "prime256v1": NamedGroup.SECP256R1,
    "secp256r1": NamedGroup.SECP256R1,
    "P-384": NamedGroup.SECP384R1,
    "secp384r1": NamedGroup.SECP384R1,
    "P-521": NamedGroup.SECP521R1,
    "secp521r1": NamedGroup.SECP521R1,
    "MLKEM768": NamedGroup.MLKEM768,
    "MLKEM1024": NamedGroup.MLKEM1024,
    "X25519MLKEM768": NamedGroup.X25519MLKEM768,
    "SecP256r1MLKEM768": NamedGroup.SECP256R1MLKEM768,
    "SecP384r1MLKEM1024": NamedGroup.SECP384R1MLKEM1024,
}


def groups(string: str) -> tuple[NamedGroup, ...] | None:
    """The groups of a list of names; None where one is not known."""
    names = string.split(":")
    if any(name not in _GROUPS for name in names):
        return None
    return tuple(_GROUPS[name] for name in names)


_SCHEMES: dict[str, SignatureScheme] = {
    **{scheme.name: scheme for scheme in SignatureScheme},
    "ECDSA+SHA256": SignatureScheme.ecdsa_secp256r1_sha256,
    "ECDSA+SHA384": SignatureScheme.ecdsa_secp384r1_sha384,
    "ECDSA+SHA512": SignatureScheme.ecdsa_secp521r1_sha512,
    "RSA+SHA256": SignatureScheme.rsa_pkcs1_sha256,
    "RSA+SHA384": SignatureScheme.rsa_pkcs1_sha384,
    "RSA+SHA512": SignatureScheme.rsa_pkcs1_sha512,
    "RSA-PSS+SHA256": SignatureScheme.rsa_pss_rsae_sha256,
    "RSA-PSS+SHA384": SignatureScheme.rsa_pss_rsae_sha384,
    "RSA-PSS+SHA512": SignatureScheme.rsa_pss_rsae_sha512,
    "PSS+SHA256": SignatureScheme.rsa_pss_rsae_sha256,
    "PSS+SHA384": SignatureScheme.rsa_pss_rsae_sha384,
    "PSS+SHA512": SignatureScheme.rsa_pss_rsae_sha512,
}


def schemes(string: str) -> tuple[SignatureScheme, ...] | None:
    """The signature schemes of a list of names; None where one is not known or twice."""
    names = string.split(":")
    if any(name not in _SCHEMES for name in names):
        return None
    found = tuple(_SCHEMES[name] for name in names)
    return found if len(set(found)) == len(found) else None


def in_order_of(preference: Sequence[int], codes: Sequence[CipherSuite]) -> list[CipherSuite]:
    """The suites sorted by another side's preference; what it does not know stands last."""
    place = {code: number for number, code in enumerate(preference)}
    return sorted(codes, key=lambda code: place.get(code, len(place)))
