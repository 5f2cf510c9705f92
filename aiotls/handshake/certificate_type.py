"""Raw public keys in place of certificates: RFC 7250, for TLS 1.3.

Each side says which types it can take from the other and which it can show; the server chooses
both. Nothing is said where only X.509 is meant.
"""

from __future__ import annotations

import hmac
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..config import ClientAuth, ClientConfig, Config, ServerConfig
from ..enums import Alert, CertificateType
from ..errors import CertificateError, ProtocolError
from ..wire import extensions as ext
from ..wire.extensions import Extension, Extensions

Rows = list[tuple[Any, Any]]

X509, RAW = CertificateType.X509, CertificateType.RAW_PUBLIC_KEY


def accepted_types(config: Config) -> tuple[CertificateType, ...]:
    """What this side can take from the other: X.509 too, unless there are keys and no trust."""
    if not config.raw_public_keys:
        return (X509,)
    return (RAW,) if config.trust is None else (RAW, X509)


def shown_types(config: Config) -> tuple[CertificateType, ...]:
    """What this side can show of itself."""
    return (RAW, X509) if config.show_raw_public_key else (X509,)


def offer_types(config: ClientConfig) -> Rows:
    """The client's rows (RFC 7250, section 4.1)."""
    rows: Rows = []
    if config.raw_public_keys:
        rows.append((ext.SERVER_CERTIFICATE_TYPE, accepted_types(config)))
    if config.show_raw_public_key and (config.identity or config.select_identity):
        rows.append((ext.CLIENT_CERTIFICATE_TYPE, shown_types(config)))
    return rows


def choose_types(config: ServerConfig, hello: Extensions) -> tuple[Rows, bool, bool]:
    """The server's rows, and whether it shows a raw key and whether it gets one (section 4.2)."""
    rows: Rows = []
    shows: int = X509
    takes: int = X509
    offered = hello.get(ext.SERVER_CERTIFICATE_TYPE)
    if offered is not None:
        shows = _choose(shown_types(config), offered, "show")
        rows.append((ext.SERVER_CERTIFICATE_TYPE_SELECTED, shows))
    offered = hello.get(ext.CLIENT_CERTIFICATE_TYPE)
    if config.client_auth is not ClientAuth.NONE:
        takes = _choose(accepted_types(config), offered or (X509,), "take")
        if offered is not None:
            rows.append((ext.CLIENT_CERTIFICATE_TYPE_SELECTED, takes))
    return rows, shows == RAW, takes == RAW


def _choose(own: tuple[CertificateType, ...], offered: tuple[int, ...], verb: str) -> int:
    for kind in own:
        if kind in offered:
            return kind
    names = " or ".join(CertificateType.label(kind) for kind in offered)
    raise ProtocolError(
        Alert.UNSUPPORTED_CERTIFICATE,
        f"no common certificate type: the client wants {names}, which this server does not {verb}",
        reason="UNKNOWN_CERTIFICATE_TYPE",
    )


def check_types(config: ClientConfig, answer: Extensions) -> tuple[bool, bool]:
    """Whether the server shows a raw key and whether it wants one (section 4.2)."""
    shown = _answered(answer, ext.SERVER_CERTIFICATE_TYPE_SELECTED, accepted_types(config))
    wanted = _answered(answer, ext.CLIENT_CERTIFICATE_TYPE_SELECTED, shown_types(config))
    if shown == X509 and X509 not in accepted_types(config):
        raise ProtocolError(
            Alert.UNSUPPORTED_CERTIFICATE,
            "the server shows a certificate, and this client takes raw public keys alone",
            reason="UNKNOWN_CERTIFICATE_TYPE",
        )
    return shown == RAW, wanted == RAW


def _answered(answer: Extensions, row: Extension[int], offered: tuple[CertificateType, ...]) -> int:
    selected = answer.get(row)
    if selected is None:
        return X509
    if selected not in offered:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected the certificate type {CertificateType.label(selected)}, which "
            "was not offered",
            reason="UNKNOWN_CERTIFICATE_TYPE",
        )
    return selected


def verify_raw(config: Config, key: bytes) -> Any:
    """The parsed key of a peer, if it is one of those that are believed (section 6)."""
    trusted = isinstance(config, ClientConfig) and config.dangerous_disable_verification
    for known in config.raw_public_keys:
        trusted = hmac.compare_digest(known, key) or trusted
    if not trusted:
        raise CertificateError(
            Alert.CERTIFICATE_UNKNOWN,
            "the peer's raw public key is not one of those that are believed",
            verify_code=20,
            verify_message="raw public key untrusted",
            hint="If the peer has a new key, put its SubjectPublicKeyInfo into raw_public_keys.",
        )
    try:
        return load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            Alert.BAD_CERTIFICATE, f"the peer's raw public key cannot be read: {error}"
        ) from error
