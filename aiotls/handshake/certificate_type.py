"""Raw public keys in place of certificates: RFC 7250.

Each side says which types it can take from the other and which it can show; the server chooses
both. Nothing is said where only X.509 is meant.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..config import ClientAuth, ClientConfig, Config, ServerConfig
from ..enums import Alert, CertificateType, SignatureScheme
from ..errors import CertificateError, ProtocolError, TLSError
from ..wire import extensions as ext
from ..wire.extensions import Extension, Extensions, Rows
from .channel import resolve

if TYPE_CHECKING:
    from ..crypto.signatures import PublicKey
    from ..identity import Identity

Types = tuple[CertificateType, ...]

X509, RAW = CertificateType.X509, CertificateType.RAW_PUBLIC_KEY


def accepted_types(config: Config) -> Types:
    """What this side can take from the other: X.509 too, unless there are keys and no trust."""
    if config.peer_certificate_types is not None:
        return tuple(config.peer_certificate_types)
    if not config.takes_raw_keys:
        return (X509,)
    return (RAW,) if config.trust is None else (RAW, X509)


def shown_as(config: Config, identity: Identity) -> Types:
    """What an identity can be shown as: a certificate's key alone only where that is asked for.

    A key for RSA-PSS alone would lose that on the way: the library writes it as any RSA key.
    """
    if not identity.chain:
        return (RAW,)
    pss_only = SignatureScheme.rsa_pss_pss_sha256 in identity.schemes
    return (RAW, X509) if config.show_raw_public_key and not pss_only else (X509,)


def shown_types(config: ClientConfig) -> Types:
    """What a client offers to show of itself."""
    if config.certificate_types is not None:
        return tuple(config.certificate_types)
    shown = [kind for identity in config.identities for kind in shown_as(config, identity)]
    if not shown:
        asked = config.select_identity is not None and config.show_raw_public_key
        shown = [RAW, X509] if asked else [X509]
    return tuple(dict.fromkeys(shown))


# -- the client's half -----------------------------------------------------------------------------


def offer_types(config: ClientConfig) -> Rows:
    """The client's rows; X.509 alone is not worth one (RFC 7250, section 4.1)."""
    rows: Rows = []
    for row, types in (
        (ext.SERVER_CERTIFICATE_TYPE, accepted_types(config)),
        (ext.CLIENT_CERTIFICATE_TYPE, shown_types(config)),
    ):
        if types != (X509,):
            rows.append((row, types))
    return rows


def check_types(
    config: ClientConfig, answer: Extensions, *, resumed: bool = False
) -> tuple[bool, bool]:
    """Whether the server shows a raw key and whether it wants one (section 4.2).

    Where a session is *resumed* it shows nothing, and need not say so.
    """
    shown = _answered(answer, ext.SERVER_CERTIFICATE_TYPE_SELECTED, accepted_types(config))
    wanted = _answered(answer, ext.CLIENT_CERTIFICATE_TYPE_SELECTED, shown_types(config))
    if shown not in accepted_types(config) and not resumed:
        raise ProtocolError(
            Alert.UNSUPPORTED_CERTIFICATE,
            "the server shows a certificate, and this client takes raw public keys alone",
            reason="UNKNOWN_CERTIFICATE_TYPE",
        )
    return shown == RAW, wanted == RAW


def _answered(answer: Extensions, row: Extension[int], offered: Types) -> int:
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


# -- the server's half -----------------------------------------------------------------------------


def showable(
    config: ServerConfig, identities: Sequence[Identity], hello: Extensions
) -> list[tuple[Identity, bool]]:
    """The identities that the client takes, each with whether as a raw key, preferred first."""
    offered = hello.get(ext.SERVER_CERTIFICATE_TYPE) or (X509,)
    return [
        (identity, kind == RAW)
        for identity in identities
        for kind in shown_as(config, identity)
        if kind in offered
    ]


def no_common_type(offered: tuple[int, ...], verb: str) -> ProtocolError:
    """RFC 7250, section 4.2: unsupported_certificate."""
    names = " or ".join(CertificateType.label(kind) for kind in offered[:8])
    return ProtocolError(
        Alert.UNSUPPORTED_CERTIFICATE,
        f"no common certificate type: the client wants {names}, which this server does not {verb}",
        reason="UNKNOWN_CERTIFICATE_TYPE",
    )


def takes_raw_later(config: ServerConfig, hello: Extensions) -> bool:
    """The same for a client that is not asked now, and may be after the handshake (RFC 8446,
    section 4.6.2). RFC 7250 has the type named where a CertificateRequest follows; this one may.
    """
    if config.client_auth is not ClientAuth.NONE or ext.POST_HANDSHAKE_AUTH.type not in hello:
        return False
    offered = hello.get(ext.CLIENT_CERTIFICATE_TYPE) or ()
    chosen = next((kind for kind in accepted_types(config) if kind in offered), None)
    return config.takes_raw_keys and chosen == RAW


def takes_raw(config: ServerConfig, hello: Extensions) -> bool:
    """Whether the client, if it is asked, is to show a raw public key."""
    if config.client_auth is ClientAuth.NONE:
        return False
    offered = hello.get(ext.CLIENT_CERTIFICATE_TYPE) or (X509,)
    for kind in accepted_types(config):
        if kind in offered:
            return kind == RAW
    raise no_common_type(offered, "take")


def answer_types(config: ServerConfig, hello: Extensions, shows: bool, takes: bool) -> Rows:
    """The server's rows (section 4.2): the second only where it asks for a certificate, or may
    later.
    """
    rows: Rows = []
    if ext.SERVER_CERTIFICATE_TYPE.type in hello:
        rows.append((ext.SERVER_CERTIFICATE_TYPE_SELECTED, RAW if shows else X509))
    asks = config.client_auth is not ClientAuth.NONE
    if (asks or takes) and ext.CLIENT_CERTIFICATE_TYPE.type in hello:
        rows.append((ext.CLIENT_CERTIFICATE_TYPE_SELECTED, RAW if takes else X509))
    return rows


def answer_types_again(config: ServerConfig, chosen: Identity | None, hello: Extensions) -> Rows:
    """The first of these rows where a session is resumed: no certificate is shown, but OpenSSL and
    BoringSSL name the type in each handshake, and a client may count on it.
    """
    identities = config.identities if chosen is None else (chosen,)
    candidates = showable(config, identities, hello)
    rows: Rows = []
    if ext.SERVER_CERTIFICATE_TYPE.type in hello and candidates:
        rows.append((ext.SERVER_CERTIFICATE_TYPE_SELECTED, RAW if candidates[0][1] else X509))
    return rows


# -- keys ------------------------------------------------------------------------------------------


async def verify_raw(config: Config, data: bytes) -> PublicKey:
    """The parsed key of a peer, if it is one of those that are believed (section 6)."""
    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            Alert.BAD_CERTIFICATE, f"the peer's raw public key cannot be read: {error}"
        ) from error
    if not await is_trusted(config, data):
        raise CertificateError(
            Alert.CERTIFICATE_UNKNOWN,
            "the peer's raw public key is not one of those that are believed",
            verify_code=20,
            verify_message="raw public key untrusted",
            hint="If the peer has a new key, put its SubjectPublicKeyInfo into raw_public_keys.",
        )
    return cast("PublicKey", key)


async def is_trusted(config: Config, data: bytes) -> bool:
    """Whether a key is among those that are known, or the application takes it."""
    trusted = isinstance(config, ClientConfig) and config.dangerous_disable_verification
    for known in config.raw_public_keys:
        trusted = hmac.compare_digest(known, data) or trusted
    if trusted or config.verify_raw_public_key is None:
        return trusted
    try:
        answer = await resolve(config.verify_raw_public_key(data))
        if not isinstance(answer, bool):  # what is merely true may be anything: a mistake, a mock
            raise TypeError(f"verify_raw_public_key() gives a bool, not {type(answer).__name__}")
        return answer
    except TLSError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the look-up of a raw public key failed: {error!r}"
        ) from error
