"""OpenSSL's language for choosing cipher suites, as far as this engine has suites to choose from.

ciphers(1) describes it. As there, a name that is not known chooses nothing, the string is about
TLS 1.2, and the suites of TLS 1.3 stay what they are.
"""

from __future__ import annotations

import re
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from ..crypto.suites import SUITES, TLS12_SUITES, Suite
from ..enums import CipherSuite, ProtocolVersion
from .errors import refusal

SECURITY_LEVEL = 2
"""What this engine does is at least what OpenSSL calls level 2: 112 bits (ciphers(1))."""

# OpenSSL's order: the strongest first, ECDSA before RSA.
_ORDER = sorted(
    TLS12_SUITES, key=lambda s: (-s.bits, s.aead is ChaCha20Poly1305, s.signature != "ECDSA")
)


def _keywords(suite: Suite) -> frozenset[str]:
    words = {"ALL", "HIGH", "TLSv1.2", "ECDH", "ECDHE", "EECDH", "kECDHE", "kEECDH"}
    words |= {"ECDSA", "aECDSA"} if suite.signature == "ECDSA" else {"aRSA"}
    if suite.aead is ChaCha20Poly1305:
        words |= {"CHACHA20"}
    else:
        words |= {"AES", f"AES{suite.bits}", "AESGCM", "FIPS"}
    return frozenset({*words, suite.openssl_name, suite.code.name})


_KEYWORDS = {suite.code: _keywords(suite) for suite in TLS12_SUITES}
_SUITE_B = {
    "SUITEB128": ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "SUITEB128ONLY": ("ECDHE-ECDSA-AES128-GCM-SHA256",),
    "SUITEB128C2": ("ECDHE-ECDSA-AES256-GCM-SHA384",),
    "SUITEB192": ("ECDHE-ECDSA-AES256-GCM-SHA384",),
}


def parse(string: str) -> tuple[CipherSuite, ...]:
    """The TLS 1.2 suites that an OpenSSL cipher string chooses, in its order.

    Raises ``ssl.SSLError`` where it chooses none that this engine has.
    """
    chosen: list[Suite] = []
    killed: set[CipherSuite] = set()
    for element in re.split(r"[:,; ]+|(?=@)", string):  # DEFAULT@SECLEVEL=1 is two of them
        if element in _SUITE_B:
            names = _SUITE_B[element]
            chosen = [s for name in names for s in _ORDER if s.openssl_name == name]
        elif element.startswith("@"):
            chosen = _command(element, chosen)
        elif element:
            chosen = _apply(element, chosen, killed)
    if not chosen:
        raise refusal(
            "No cipher can be selected.",
            f"Of {string!r} this engine has none. It has AEAD suites with forward secrecy: "
            f"{':'.join(s.openssl_name for s in TLS12_SUITES)}. "
            "The suites of TLS 1.3 are always there.",
        )
    return tuple(suite.code for suite in chosen)


def _apply(element: str, chosen: list[Suite], killed: set[CipherSuite]) -> list[Suite]:
    """One element of the string: adds, removes (-), removes for good (!) or moves back (+)."""
    operator = element[0] if element[0] in "!-+" else ""
    words = element[len(operator) :].split("+")
    if words == ["DEFAULT"] or words[0] == "COMPLEMENTOFDEFAULT":
        matching = _ORDER if words == ["DEFAULT"] else []
    else:
        matching = [s for s in _ORDER if all(word in _KEYWORDS[s.code] for word in words)]
    if operator == "!":
        killed.update(suite.code for suite in matching)
    if operator in ("!", "-"):
        return [suite for suite in chosen if suite not in matching]
    if operator == "+":
        return [s for s in chosen if s not in matching] + [s for s in chosen if s in matching]
    fresh = [s for s in matching if s not in chosen and s.code not in killed]
    return chosen + fresh


def _command(element: str, chosen: list[Suite]) -> list[Suite]:
    if element == "@STRENGTH":
        return sorted(chosen, key=lambda suite: -suite.bits)
    level = re.fullmatch(r"@SECLEVEL=([0-5])", element)
    if level is None:
        raise refusal("No cipher can be selected.", f"{element!r} is no command of ciphers(1).")
    if int(level[1]) > SECURITY_LEVEL:
        raise refusal(
            f"{element} cannot be honoured: this engine enforces level {SECURITY_LEVEL}",
            "Choose the suites and groups by name instead: set_ciphers(), set_groups().",
        )
    return chosen


def describe(code: CipherSuite) -> dict[str, Any]:
    """A suite as SSLContext.get_ciphers() describes it."""
    suite = SUITES[code]
    tls13 = suite.version == ProtocolVersion.TLSv1_3
    chacha = suite.aead is ChaCha20Poly1305
    protocol = "TLSv1.3" if tls13 else "TLSv1.2"
    exchange = "any" if tls13 else "ECDH"
    authentication = "any" if tls13 else str(suite.signature)
    encryption = f"{'CHACHA20/POLY1305' if chacha else 'AESGCM'}({suite.bits})"
    return {
        "id": 0x03000000 | code,
        "name": suite.openssl_name,
        "protocol": protocol,
        "description": f"{suite.openssl_name:30} {protocol} Kx={exchange:8} Au={authentication:5} "
        f"Enc={encryption:22} Mac=AEAD",
        "strength_bits": suite.bits,
        "alg_bits": suite.bits,
        "aead": True,
        "symmetric": "chacha20-poly1305" if chacha else f"aes-{suite.bits}-gcm",
        "digest": None,
        "kea": "kx-any" if tls13 else "kx-ecdhe",
        "auth": "auth-any" if tls13 else f"auth-{authentication.lower()}",
    }


def shared(offered: tuple[int, ...], ours: tuple[CipherSuite, ...]) -> list[tuple[str, str, int]]:
    """What SSLObject.shared_ciphers() returns: those of the client's that the server has."""
    common = [SUITES[code] for code in offered if code in ours]
    return [
        (
            suite.openssl_name,
            "TLSv1.3" if suite.version == ProtocolVersion.TLSv1_3 else "TLSv1.2",
            suite.bits,
        )
        for suite in common
    ]
