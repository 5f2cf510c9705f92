"""A connection in words: the verdict first, then the facts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

from ..enums import NamedGroup, SignatureScheme
from ..errors import TLSError
from ..trace.text import clean, milliseconds
from ..trust import parse_certificate
from ..trust.distinguished import issuer_of, subject_of
from .terminal import Terminal

if TYPE_CHECKING:
    from ..connection import TLSConnection
    from ..trust import TrustStore

SOON = 14
"""Days before its end at which a certificate is worth a warning."""


def short_name(name: x509.Name) -> str:
    """A subject or issuer in a word or two: its common name, organisation, or all of it."""
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return clean(str(attribute.value), 64)
    return clean(name.rfc4514_string(), 64) or "(no name)"


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that a certificate is for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    names = [clean(name, 255) for name in extension.value.get_values_for_type(x509.DNSName)]
    return names + [str(a) for a in extension.value.get_values_for_type(x509.IPAddress)]


def key_of(certificate: x509.Certificate) -> str:
    """The kind of a certificate's key: ``EC secp256r1``, ``RSA 2048``."""
    try:
        key = certificate.public_key()
    except Exception:  # whatever kind it is, cryptography does not know it
        return "a key of unknown kind"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, ed448.Ed448PublicKey):
        return "Ed448"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    return type(key).__name__.removesuffix("PublicKey").replace("MLDSA", "ML-DSA-")


def days_left(certificate: x509.Certificate, now: float) -> int:
    """Whole days until a certificate expires; when it has, -1 on the first day since, and so on."""
    end = certificate.not_valid_after_utc.timestamp()
    return int((end - now) // 86_400)


def in_days(days: int) -> str:
    """``61 days left``, ``expired 3 days ago``; *days* as :func:`days_left` counts them."""
    if days == -1:
        return "expired less than a day ago"
    if days < 0:
        return f"expired {-days - 1} day{'s' * (days != -2)} ago"
    if days == 0:
        return "less than a day left"
    return f"{days} day{'s' * (days != 1)} left"


def certificate_facts(certificate: x509.Certificate, now: float) -> dict[str, Any]:
    """One certificate as JSON has it."""
    return {
        "subject": short_name(subject_of(certificate)),
        "issuer": short_name(issuer_of(certificate)),
        "names": names_of(certificate),
        "key": key_of(certificate),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "days_left": days_left(certificate, now),
        "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def facts(connection: TLSConnection) -> dict[str, Any]:
    """Everything worth telling about an established connection, ready for JSON."""
    result = dict(connection.summary())
    scheme = result.get("peer_signature_scheme")
    if isinstance(scheme, int):
        result["peer_signature_scheme"] = SignatureScheme.label(scheme)
    established = connection.established
    result["post_quantum"] = established is not None and is_post_quantum(established.group)
    result["resumed"] = established is not None and established.resumed
    peer = connection.peer
    now = connection.config.clock()
    chain = [] if peer is None else [parse_certificate(der) for der in peer.chain]
    result["certificates"] = [certificate_facts(certificate, now) for certificate in chain]
    anchor = peer.verified_chain[-1] if peer is not None and peer.verified_chain else None
    result["anchor"] = short_name(subject_of(anchor)) if anchor is not None else None
    return result


def is_post_quantum(group: int | None) -> bool:
    """Whether a key exchange withstands a quantum computer."""
    return group is not None and "MLKEM" in NamedGroup.label(group)


def why_unverified(
    chain: Sequence[bytes],
    name: str | None,
    trust: TrustStore | None,
    now: float,
    staple: bytes | None = None,
) -> str | None:
    """What verification says of a chain that was taken without; None if it is in order."""
    from ..trust import TrustStore, check_staple

    if not chain:
        return "it showed no certificate"
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    try:
        store = trust if trust is not None else TrustStore.system()
        check_staple(staple, store.verify_server(chain, name or "", now=moment), moment)
    except TLSError as error:
        return str(error)
    return None


def verdict(terminal: Terminal, host: str, told: dict[str, Any], reason: str | None) -> str:
    """The first line: whether the peer is who it should be.

    *reason* says why it was not verified; None if it was.
    """
    if reason is not None:
        return terminal.paint("NOT VERIFIED", "red", "bold") + f"  {clean(host)}: {clean(reason)}"
    left = told["certificates"][0]["days_left"] if told["certificates"] else None
    text = f"  {clean(host)} is verified"
    if told["anchor"] is not None:
        text += f", by {told['anchor']}"
    if left is not None:
        text += f"; {in_days(left)}"
        if left < SOON:
            text = terminal.paint(text, "yellow")
    elif told["resumed"]:
        text += " (resumed)"
    return terminal.paint("OK", "green", "bold") + text


def fact_lines(told: dict[str, Any]) -> list[str]:
    """What was agreed on, and who the peer is, a line each."""
    agreed = [told["version"], told["cipher_suite"]]
    if told["group"]:
        agreed.append(told["group"] + (" (post-quantum)" if told["post_quantum"] else ""))
    lines = [", ".join(agreed)]
    extra = []
    if told["peer_signature_scheme"] and not told["resumed"]:
        extra.append(f"signed with {told['peer_signature_scheme']}")
    extra.append(f"ALPN {clean(told['alpn'])}" if told["alpn"] else "no ALPN")
    if told["ech"]:
        extra.append("ClientHello encrypted")
    if told["retried"]:
        extra.append("after a HelloRetryRequest")
    if told["resumed"]:
        extra.append("resumed")
    lines.append(", ".join(extra))
    certificates = told["certificates"]
    if certificates:
        lines += _certificate_lines(certificates)
    return lines


def _certificate_lines(certificates: list[dict[str, Any]]) -> list[str]:
    leaf = certificates[0]
    names = leaf["names"]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    lines = [
        f"certificate of {shown or leaf['subject']}: {leaf['key']}, until {leaf['not_after'][:10]}",
    ]
    path = [certificate["subject"] for certificate in certificates]
    path.append(certificates[-1]["issuer"])
    if path[-1] == path[-2]:
        path.pop()
    lines.append("chain " + " <- ".join(path))
    return lines


def timing_line(tcp: float, handshake: float) -> str:
    """How long it took."""
    return f"TCP {milliseconds(tcp)}, TLS handshake {milliseconds(handshake)}"
