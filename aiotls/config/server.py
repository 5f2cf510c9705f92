"""How to be a server, and how to change that while it serves."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..delegation import DelegatedCredential
from ..ech import ECHKeys
from ..enums import CertificateType
from ..errors import CertificateError, UsageError
from ..identity import Identity, LocalSigner
from ..sessions import (
    MAX_LIFETIME,
    MemoryReplayGuard,
    ReplayGuard,
    SessionStore,
    SingleUseTickets,
    TicketKeyRing,
    TicketKeys,
)
from ..trust import TrustStore, check_staple, parse_certificate
from ..trust.distinguished import name_der, subject_of
from .base import Config, suspends
from .psk import ExternalPsk
from .queries import ClientHelloInfo
from .validation import known_identities

MAX_AUTHORITIES = 8192
"""Bytes of anchors' names in a request for a client certificate."""


class ClientAuth(enum.Enum):
    """Whether a server asks its clients for a certificate (RFC 8446, section 4.3.2)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True, eq=False)
class ServerConfig(Config):
    """How to be a server: ``ServerConfig(identity=Identity.from_files("chain.pem", "key.pem"))``.

    Raises :exc:`UsageError`, a ValueError, for a field that cannot be right.
    """

    identity: Identity | None = None
    """The certificate and key. Short for ``identities=[identity]``."""

    identities: Sequence[Identity] = ()
    """Several, in order of preference: one is chosen by what the client takes, certificates or raw
    public keys, by the name that it asks for and by the signature schemes that it knows; the first
    is the default. A key alone goes with any name."""

    select: Callable[[ClientHelloInfo], Awaitable[Selection] | Selection] | None = None
    """Chooses by ClientHello: an Identity, another ServerConfig, None for the default, or a
    :class:`Passthrough` for a connection that is to be served elsewhere."""

    delegations: Sequence[DelegatedCredential] = ()
    """Credentials to sign with in place of the certificates' own keys, for clients that take them
    (RFC 9345)."""

    staple: Callable[[Identity], Awaitable[bytes | None] | bytes | None] | None = None
    """Gives the OCSP response for an identity, DER, as it is now; None: :attr:`Identity.staple`."""

    client_auth: ClientAuth = ClientAuth.NONE
    """Whether to ask the client for a certificate, and whether to insist."""

    send_authorities: bool = True
    """Whether a request for a client certificate names the anchors of :attr:`Config.trust`, by
    which clients choose among their certificates (RFC 8446, section 4.2.4)."""

    certificate_authorities: Sequence[bytes] | None = None
    """DER names of the authorities to name there in place of the anchors' own, as with OpenSSL's
    SSL_CTX_set_client_CA_list(3)."""

    dangerous_accept_unverified_clients: bool = False
    """Takes clients whose certificate cannot be verified, and leaves it to the application to look
    at :attr:`.Peer.refusal` before it believes anything. That they hold the key is checked."""

    alpn_optional: bool = False
    """Whether to go on without an application protocol when client and server name some but have
    none in common. RFC 7301, section 3.2 asks for the alert no_application_protocol."""

    require_known_name: bool = False
    """Whether a server name that no identity carries ends in the alert unrecognized_name (RFC
    6066, section 3) instead of the default identity."""

    retry_cookie: bool = False
    """Whether a HelloRetryRequest carries a cookie (RFC 8446, section 4.2.2)."""

    tickets: int = 2
    """How many TLS 1.3 tickets a client gets after the handshake, 0 to 16. A client uses each
    once, and gets one more when it has."""

    ticket_keys: TicketKeys | None = field(default_factory=TicketKeyRing)
    """What protects tickets; None: none are given. Share one between the processes and machines
    that are to resume each other's sessions. The default is in memory."""

    session_store: SessionStore | None = None
    """Keeps the sessions' state here instead of in the tickets: those hold its number then, in TLS
    1.2 as in TLS 1.3, :attr:`ticket_keys` is not used, and a session is good for one connection. A
    TLS 1.2 client that takes no tickets gets the number as a session id (RFC 5246, section 7.3),
    and with ``tickets=0`` they all do."""

    ticket_lifetime: int = 7200
    """Seconds, up to seven days (RFC 8446, section 4.6.1)."""

    max_early_data: int = 0
    """How many bytes of 0-RTT data a client may send, per connection (RFC 8446, section 2.3);
    0: none. Who records it can replay it, so :attr:`replay_guard` has to be named. A protocol that
    has a method ``early_data_received(data)`` gets it there, apart from all other data, and the
    others as the first of their data, once the client's Finished has shown that it is no replay;
    sooner with :attr:`half_rtt`."""

    replay_guard: ReplayGuard | None = None
    """What keeps 0-RTT data from being taken twice (RFC 8446, section 8): a
    :class:`.MemoryReplayGuard`, one of one's own, or, with a store, :class:`.SingleUseTickets`."""

    half_rtt: bool = False
    """Whether the application may write as soon as this side's Finished is on its way in TLS 1.3,
    half a round trip before the client's has come (RFC 8446, section 4.4.4). Until then nothing
    says that the client is there: its ClientHello may be a replay. So it goes with no
    :attr:`client_auth`, and is for greetings and answers to 0-RTT data.

    With asyncio, ``create_server`` and ``start_server`` then hand a connection over at that
    moment. 0-RTT data goes to the protocol's ``early_data_received(data)``, or waits for the
    client's Finished where the protocol has no such method; ``handshake_completed()`` tells of
    that, and ``get_extra_info("tls")`` answers from then on. A server's stream has
    :meth:`~aiotls.streams.StreamReader.read_early_data`. A handshake that fails after all is told
    by ``connection_lost``. A connection that is closed before it is complete leaves its client
    without tickets. In the engine it is :meth:`.TLSConnection.write` and
    :meth:`.TLSConnection.read_early_data`."""

    psk: Callable[[bytes], Awaitable[ExternalPsk | None] | ExternalPsk | None] | None = None
    """Looks up a key agreed on elsewhere by the identity that a client offers."""

    ech_keys: ECHKeys | None = None
    """What encrypted ClientHellos are decrypted with (RFC 9849); None: they are not. The server
    needs a certificate for the public name as well, for clients that come with an old key."""

    @cached_property
    def authorities(self) -> tuple[bytes, ...]:
        """The names of the anchors, DER, as far as they fit into a reasonable message."""
        if self.certificate_authorities is not None:
            return tuple(self.certificate_authorities)
        if not self.send_authorities or type(self.trust) is not TrustStore:
            return ()
        names, room = [], MAX_AUTHORITIES
        for certificate in self.trust.certificates:
            name = bytes(name_der(certificate))
            room -= len(name) + 2
            if room >= 0 and name not in names:
                names.append(name)
        return tuple(names)

    def __post_init__(self) -> None:
        super().__post_init__()
        identities = known_identities(self.identity, self.identities)
        self._set("delegations", tuple(self.delegations))
        if self.certificate_authorities is not None:
            names = tuple(self.certificate_authorities)
            if not all(type(name) is bytes and len(name) > 2 for name in names):
                raise UsageError("certificate_authorities are names in DER, as bytes")
            if sum(len(name) + 2 for name in names) > MAX_AUTHORITIES:
                raise UsageError(
                    f"certificate_authorities have more than {MAX_AUTHORITIES} bytes in all"
                )
            self._set("certificate_authorities", names)
        if any(d.signer is None for d in self.delegations):
            raise UsageError("a delegated credential needs its key: DelegatedCredential.issue()")
        if self.ech_keys is not None and not isinstance(self.ech_keys, ECHKeys):
            raise UsageError(f"ech_keys must be ECHKeys, not {type(self.ech_keys).__name__}")
        self._check_within("tickets", 0, 16)
        self._check_within("max_early_data", 0, 1 << 20)
        self._check_within("ticket_lifetime", 1, MAX_LIFETIME)
        if self.max_early_data and self.replay_guard is None:
            raise UsageError(
                "0-RTT data can be replayed: max_early_data needs a replay_guard",
                hint="ServerConfig(max_early_data=16384, replay_guard=aiotls.MemoryReplayGuard())",
            )
        if isinstance(self.replay_guard, SingleUseTickets) and self.session_store is None:
            raise UsageError(
                "tickets are good once only where the server keeps their state: SingleUseTickets "
                "needs a session_store"
            )
        cover = getattr(self.ticket_keys, "cover", None)
        if cover is not None and self.session_store is None:
            cover(self.ticket_lifetime)
        if self.half_rtt and ClientAuth(self.client_auth) is not ClientAuth.NONE:
            raise UsageError(
                "half_rtt and client_auth do not go together: data would leave before it is known "
                "who the client is"
            )
        if not identities and self.select is None and self.psk is None:
            raise UsageError(
                "a server needs an identity",
                hint='ServerConfig(identity=Identity.from_files("chain.pem", "key.pem"))',
            )
        self._set("identities", identities)
        self._set("client_auth", ClientAuth(self.client_auth))
        asks = self.client_auth is not ClientAuth.NONE
        types = self.peer_certificate_types
        keys_alone = self.takes_raw_keys if types is None else CertificateType.X509 not in types
        if asks and self.trust is None and not keys_alone:
            raise UsageError(
                "a server that asks for client certificates needs trust, the authorities that "
                "issue them"
            )

    @cached_property
    def has_hooks(self) -> bool:
        """Whether a handshake may await something of the application's."""
        return (
            super().has_hooks
            or self.select is not None
            or self.psk is not None
            or self.staple is not None
            or any(not isinstance(d.signer, LocalSigner) for d in self.delegations)
            or self.session_store is not None
            or not isinstance(self.replay_guard, (MemoryReplayGuard, SingleUseTickets, type(None)))
            or not isinstance(self.ticket_keys, (TicketKeyRing, type(None)))
            or any(suspends(identity) for identity in self.identities)
        )


@dataclass(frozen=True, slots=True)
class Passthrough:
    """What :attr:`ServerConfig.select` returns for a client whose TLS is not to end here.

    ``create_server`` and ``start_server`` then give the connection as it is to the protocol that
    *protocol_factory* makes: the transport below, with all that the client has sent so far, the
    ClientHello first. A router by server name forwards both ways from there. Elsewhere, and in
    the engine without I/O, the handshake ends in :exc:`~aiotls.errors.PassedThrough`, whose
    ``data`` are those bytes. Nothing has been answered to the client.
    """

    protocol_factory: Callable[[], Any]
    """Without arguments, as ``loop.create_connection`` has it; returns an asyncio protocol."""


Selection = Identity | ServerConfig | Passthrough | None


class LiveServerConfig:
    """A server's configuration that may change while it serves: give it as ``ssl=``.

    Connections that begin after an :meth:`update` use the new one; those that are there keep what
    they have. A change is validated first: when it fails, everything stays as it was. Beyond what
    any configuration has to be, new identities have to have certificates that are valid now, and
    staples that clients will take.
    """

    def __init__(self, config: ServerConfig) -> None:
        if not isinstance(config, ServerConfig):
            raise UsageError(f"a ServerConfig is expected, not {type(config).__name__}")
        self._config = config

    @property
    def config(self) -> ServerConfig:
        """The configuration of the next connection."""
        return self._config

    def update(self, **changes: Any) -> ServerConfig:
        """Changes some fields, all at once: ``live.update(identity=...)``. Raises UsageError."""
        config = self._config.replace(**changes)
        now = datetime.datetime.fromtimestamp(config.clock(), datetime.UTC)
        for identity in config.identities:
            if identity not in self._config.identities:
                check_presentable(identity, now)
        self._config = config
        return config

    def _aiotls_config(self, server_side: bool) -> Config:
        if not server_side:
            raise UsageError("a LiveServerConfig is for servers")
        return self._config


def check_presentable(identity: Identity, now: datetime.datetime) -> None:
    """Raises UsageError for an identity that clients would refuse by its dates, or its staple."""
    if not identity.chain:
        return
    chain = [parse_certificate(der) for der in identity.chain]
    begins, ends = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
    if not begins <= now <= ends:
        raise UsageError(
            f"the certificate of {subject_of(chain[0]).rfc4514_string()!r} is valid from "
            f"{begins:%d %b %Y %H:%M} to {ends:%d %b %Y %H:%M} UTC, which is not now"
        )
    if identity.staple is not None and len(chain) > 1:
        try:
            check_staple(identity.staple, chain, now)
        except CertificateError as error:
            raise UsageError(f"clients would not take the staple: {error}") from error
