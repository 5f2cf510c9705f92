"""How to be a client."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from ..crypto.groups import GROUPS
from ..ech import ECHConfig, choose_config
from ..enums import CertificateType, NamedGroup, ProtocolVersion
from ..errors import DecodeError, UsageError
from ..identity import Identity
from ..sessions import MemorySessionCache, SessionCache
from .base import Config, suspends
from .psk import ExternalPsk
from .queries import CertificateQuery
from .validation import known, known_identities, known_types


@dataclass(frozen=True, kw_only=True, eq=False)
class ClientConfig(Config):
    """How to be a client. ``ClientConfig()`` verifies the server by the system's roots.

    Raises :exc:`UsageError`, a ValueError, for a field that cannot be right.
    """

    identity: Identity | None = None
    """The certificate and key for servers that ask for one. Short for ``identities=[identity]``."""

    identities: Sequence[Identity] = ()
    """Several of them: the first that the server takes is shown."""

    certificate_types: Sequence[CertificateType] | None = None
    """What to offer to show the server, certificates or raw public keys, in order of preference
    (RFC 7250, section 4.1). None: what :attr:`identities` are, in their order."""

    select_identity: Callable[[CertificateQuery], Awaitable[Identity | None] | Identity | None] | (
        None
    ) = None
    """Chooses the identity when the server has asked for one, by what it accepts."""

    post_handshake_auth: bool = False
    """Whether the server may ask for the certificate after the handshake as well (RFC 8446,
    section 4.2.6)."""

    key_shares: Sequence[NamedGroup] | None = None
    """The groups to send key shares for at once; None: the first of :attr:`groups`, and X25519
    if that is its classical half. The others cost a HelloRetryRequest."""

    delegated_credentials: bool = False
    """Whether the server may sign with a key that its certificate vouches for (RFC 9345)."""

    request_staple: bool = True
    """Whether to ask for an OCSP response and for certificate timestamps. A response that came is
    checked, and one that says revoked ends the handshake; a certificate that must have one (RFC
    7633) is refused without."""

    send_server_name: bool = True
    """Whether the server's name goes into the ClientHello (RFC 6066, section 3)."""

    grease: bool = True
    """Whether reserved values are offered so that peers stay tolerant (RFC 8701)."""

    session_cache: SessionCache | None = field(default_factory=MemorySessionCache)
    """Where sessions are kept to be resumed; None: they are not. The default is in memory, for
    the connections that share this configuration."""

    session_tickets: bool = True
    """Whether a TLS 1.2 server is asked for tickets (RFC 5077), as it is by OpenSSL's clients
    without SSL_OP_NO_TICKET. Without, sessions that the server itself keeps are resumed there.
    Servers of TLS 1.3 are not asked."""

    verify_on_resumption: bool = False
    """Whether a server is verified again before its session is offered: its certificates by
    :attr:`Config.trust`, :attr:`Config.revocation` and the clock as they are by then, its OCSP
    response, its raw key, and :attr:`Config.verify`. When it would be refused now, the session is
    dropped, 0-RTT data with it, and the handshake is a full one. By default a session is used
    until one of the certificates that it stands on expires. A server always verifies its clients
    again."""

    psks: Sequence[ExternalPsk] = ()
    """Keys agreed on elsewhere, to be offered to the server (RFC 8446, section 4.2.11)."""

    permute_extensions: bool = True
    """Whether the extensions stand in another order in each ClientHello, as browsers have them."""

    certificate_authorities: Sequence[bytes] = ()
    """DER names of authorities to ask the server for (RFC 8446, section 4.2.4)."""

    ech: bytes | None = None
    """The server's ECHConfigList, from DNS: the ClientHello is encrypted to it, so that nobody on
    the way sees the name and the application protocols (RFC 9849). A server that has no such key
    any more is an :exc:`.ECHRejected`, which carries those to use. A list that holds nothing
    usable counts as none. Lengths in later messages are hidden by :attr:`Config.record_padding`."""

    grease_ech: bool = False
    """Whether a ClientHello that is not encrypted looks as if it were (RFC 9849, section 6.2), so
    that those which are do not stand out."""

    dangerous_disable_verification: bool = False
    """Takes any certificate of any server: whoever stands in between can read everything. The
    possession of the key is still checked, and :attr:`Config.verify` still called."""

    dangerous_allow_legacy_servers: bool = False
    """Takes TLS 1.2 servers that know nothing of RFC 5746. Where such a server renegotiates, an
    attacker can put bytes of its own in front of what this client sends."""

    dangerous_ignore_server_name: bool = False
    """Takes any certificate that chains to :attr:`Config.trust`, whatever names are in it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("identities", known_identities(self.identity, self.identities))
        if self.certificate_types is not None:
            self._set("certificate_types", known_types(self.certificate_types))
        if self.key_shares is not None:
            shares = known(NamedGroup, self.key_shares, GROUPS, "group", empty=True)
            for group in shares:
                if group not in self.groups:
                    raise UsageError(f"the key share {group.name} is not among groups")
            self._set("key_shares", shares)
        self._set("psks", tuple(self.psks))
        for psk in self.psks:
            if not isinstance(psk, ExternalPsk):
                raise UsageError(f"psks holds ExternalPsk, not {type(psk).__name__}")
        if self.ech is not None:
            if not isinstance(self.ech, bytes):
                raise UsageError(f"ech is an ECHConfigList in bytes, not {type(self.ech).__name__}")
            if ProtocolVersion.TLSv1_3 not in self.versions:
                raise UsageError("Encrypted Client Hello needs TLS 1.3")
            try:
                self.ech_config  # noqa: B018  # which is kept
            except DecodeError as error:
                raise UsageError(f"ech is no ECHConfigList: {error}") from error

    @cached_property
    def ech_config(self) -> ECHConfig | None:
        """What the ClientHello is encrypted to: the first of :attr:`ech` that can be used."""
        return choose_config(self.ech) if self.ech is not None else None

    @cached_property
    def hidden(self) -> Self:
        """The same for a ClientHello that is encrypted, which offers TLS 1.3 alone."""
        return self.replace(min_version=ProtocolVersion.TLSv1_3)

    @cached_property
    def public(self) -> Self:
        """The same towards a server that could not decrypt it, which gets to know nothing."""
        return self.replace(
            identity=None,
            identities=(),
            certificate_types=None,
            select_identity=None,
            show_raw_public_key=False,
            post_handshake_auth=False,
            session_cache=None,
            psks=(),
            ech=None,
        )

    @cached_property
    def session_scope(self) -> bytes:
        """A hash of what decides, besides the server's name, whether a session may be resumed.

        What cannot be compared, because it decides by itself, is shared with no one.
        """
        hooks = (self.verify, self.verify_raw_public_key, self.select_identity, self.revocation)
        serial = self.serial if any(hook is not None for hook in hooks) else 0
        digest = hashlib.sha256()
        for part in (
            self.trust.fingerprint if self.trust is not None else b"system",
            b"".join(one.chain[0] if one.chain else one.raw_public_key for one in self.identities),
            b"".join(self.raw_public_keys),
            bytes(self.peer_certificate_types or ()),
            serial.to_bytes(8, "big"),
            bytes([self.dangerous_disable_verification, self.dangerous_ignore_server_name]),
        ):
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.digest()

    @cached_property
    def has_hooks(self) -> bool:
        """Whether a handshake may await something of the application's."""
        return (
            super().has_hooks
            or self.select_identity is not None
            or any(suspends(identity) for identity in self.identities)
            or not isinstance(self.session_cache, (MemorySessionCache, type(None)))
        )
