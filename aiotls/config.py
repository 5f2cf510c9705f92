"""What a client or a server is asked to be: frozen, validated when built, safe by default.

A configuration is built once and shared by any number of connections, threads and
loops. Whatever weakens the protocol has to be asked for by a name that begins with
``dangerous_``.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from . import keylog
from .compression import ALGORITHMS
from .crypto.aead import MAX_PLAINTEXT
from .crypto.groups import GROUPS
from .crypto.primitives import PRIMITIVES, Primitives
from .crypto.schedule13 import import_psk
from .crypto.signatures import DEFAULT_SCHEMES, client_certificate_type
from .crypto.suites import SUITES, TLS12_SUITES, TLS13_SUITES
from .delegation import DelegatedCredential
from .ech import ECHConfig, ECHKeys, choose_config
from .enums import (
    CertificateCompressionAlgorithm,
    CertificateType,
    CipherSuite,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from .errors import DecodeError, UsageError
from .identity import Identity, LocalSigner
from .sessions import (
    MAX_LIFETIME,
    MemoryReplayGuard,
    MemorySessionCache,
    ReplayGuard,
    SessionCache,
    SessionStore,
    TicketKeyRing,
    TicketKeys,
)
from .trust import RevocationLists, TrustStore

if TYPE_CHECKING:
    from .handshake.auth import Peer
    from .wire.messages import ClientHello

_serials = itertools.count(1)

DEFAULT_GROUPS = (
    NamedGroup.X25519MLKEM768,
    NamedGroup.X25519,
    NamedGroup.SECP256R1,
    NamedGroup.SECP384R1,
    NamedGroup.SECP521R1,
)
DEFAULT_SUITES = tuple(suite.code for suite in TLS13_SUITES + TLS12_SUITES)
SUPPORTED_VERSIONS = (ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2)


MAX_AUTHORITIES = 8192
"""Bytes of anchors' names in a request for a client certificate."""


class ClientAuth(enum.Enum):
    """Whether a server asks its clients for a certificate (RFC 8446, section 4.3.2)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Observer(Protocol):
    """Is told of each handshake message as it passes, a server's tickets among them; it changes
    nothing.
    """

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """One whole handshake message, with its header of four bytes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Config:
    """What clients and servers have in common."""

    min_version: ProtocolVersion = ProtocolVersion.TLSv1_2
    """The oldest version to speak."""

    max_version: ProtocolVersion = ProtocolVersion.TLSv1_3
    """The newest version to speak."""

    cipher_suites: Sequence[CipherSuite] = DEFAULT_SUITES
    """In order of preference. All are AEADs with forward secrecy."""

    groups: Sequence[NamedGroup] = DEFAULT_GROUPS
    """Key exchanges, in order of preference. The first default is post-quantum."""

    signature_schemes: Sequence[SignatureScheme] = DEFAULT_SCHEMES
    """What the peer may sign its handshake with, in order of preference."""

    certificate_signature_schemes: Sequence[SignatureScheme] | None = None
    """What the peer's certificates may be signed with; None: the same, and the extension
    signature_algorithms_cert is not sent (RFC 8446, section 4.2.3)."""

    alpn_protocols: Sequence[str | bytes] = ()
    """Application protocols (RFC 7301), in order of preference: ``("h2", "http/1.1")``."""

    raw_public_keys: Sequence[bytes] = ()
    """Keys that the peer may show in place of a certificate (RFC 7250), each a
    SubjectPublicKeyInfo in DER. Without :attr:`trust` nothing but these is taken."""

    verify_raw_public_key: Callable[[bytes], Awaitable[bool] | bool] | None = None
    """Decides on a key that the peer shows in place of a certificate and that is not among
    :attr:`raw_public_keys`, by its SubjectPublicKeyInfo in DER: True takes it, False is
    ``certificate_unknown``. Without it only those keys are taken."""

    peer_certificate_types: Sequence[CertificateType] | None = None
    """What is taken from the peer, certificates or raw public keys, in order of preference (RFC
    7250). None: the keys where :attr:`raw_public_keys` or :attr:`verify_raw_public_key` is given,
    and after them certificates where :attr:`trust` is; or else certificates."""

    show_raw_public_key: bool = False
    """Whether to show the key of one's own certificate in place of it, to a peer that takes it.
    An identity made by :meth:`.Identity.from_raw_key` is never shown in another way."""

    trust: TrustStore | None = None
    """The anchors for the peer's certificate. None: a client uses :meth:`TrustStore.system`;
    a server that asks for client certificates must name its own."""

    revocation: RevocationLists | None = None
    """Revocation lists that the peer's whole chain is held against (RFC 5280, section 6.3); a
    certificate whose issuer has none among them is refused."""

    verify: Callable[[Peer], Awaitable[None] | None] | None = None
    """Called with the peer, after its certificate was accepted, for checks of one's own. It
    refuses by raising: a CertificateError with the alert to send, or anything else, which
    becomes ``certificate_unknown``."""

    key_log: Callable[[str], None] | None = field(default_factory=keylog.from_environment)
    """Is given each line in the NSS key log format. The default writes to the file that
    SSLKEYLOGFILE names when that is set."""

    record_padding: int = 0
    """Protected records are padded to a multiple of this many bytes (RFC 8446, section 5.4);
    0 and 1 do not pad. At most 16384."""

    record_size_limit: int | None = None
    """The largest record that this side will take, in bytes, 64 to 16385 (RFC 8449); for those
    with little memory. None: as large as TLS allows. The peer's limit is always honoured."""

    max_fragment: int = MAX_PLAINTEXT
    """The largest piece that goes into one record, in bytes, 512 to 16384, as with OpenSSL's
    SSL_CTX_set_max_send_fragment(3). A peer can use the beginning of a small one sooner; large
    ones cost less."""

    initial_fragment: int = 1186
    """The largest piece of application data in a connection's first record, in bytes, 512 to
    16384: by default what fits into one packet, so that the first bytes can be read when they
    arrive. Each piece of a longer write may then be that much larger than the one before it, up to
    :attr:`max_fragment`. 16384: records are as large as they can be from the beginning, as with
    OpenSSL; so it is too where :attr:`record_padding` is set."""

    allow_truncation: bool = False
    """Whether a stream that ends without close_notify counts as a clean end. An attacker who
    cuts the connection can then pass for the peer; only for protocols that mark their own end."""

    certificate_compression: Sequence[CertificateCompressionAlgorithm] = ALGORITHMS
    """How certificates may be compressed (RFC 8879), in order of preference: zlib, and brotli and
    zstd where they are installed. Empty: not at all."""

    max_handshake_message: int = 131_072
    """The longest handshake message that is accepted, in bytes. Certificates are the long ones."""

    middlebox_compatibility: bool = True
    """RFC 8446, appendix D.4: look like a resumed TLS 1.2 session to what stands in between."""

    observer: Observer | None = None
    """Is told of each handshake message; costs nothing when absent."""

    clock: Callable[[], float] = time.time
    """Seconds since the epoch; replaced when a handshake is replayed."""

    random: Callable[[int], bytes] = os.urandom
    """Random bytes; replaced when a handshake is replayed."""

    primitives: Primitives = PRIMITIVES
    """Key generation, key agreement and signing; replaced when a handshake is replayed."""

    def __post_init__(self) -> None:
        self._set("cipher_suites", _known(CipherSuite, self.cipher_suites, SUITES, "cipher suite"))
        self._set("groups", _known(NamedGroup, self.groups, GROUPS, "group"))
        self._set(
            "signature_schemes",
            _known(SignatureScheme, self.signature_schemes, SCHEMES, "signature scheme"),
        )
        if self.certificate_signature_schemes is not None:
            schemes = _known(
                SignatureScheme, self.certificate_signature_schemes, SCHEMES, "signature scheme"
            )
            self._set("certificate_signature_schemes", schemes)
        compression = _known(
            CertificateCompressionAlgorithm,
            self.certificate_compression,
            ALGORITHMS,
            "compression algorithm",
            empty=True,
        )
        self._set("certificate_compression", compression)
        for key in self.raw_public_keys:
            check_raw_key(key)
        self._set("raw_public_keys", tuple(self.raw_public_keys))
        self._check_types()
        self._set("alpn_protocols", tuple(_alpn_name(name) for name in self._alpn_sequence()))
        for name in ("min_version", "max_version"):
            version = getattr(self, name)
            if version not in SUPPORTED_VERSIONS:
                supported = " and ".join(v.title for v in SUPPORTED_VERSIONS)
                raise UsageError(f"{name}={version!r} is not spoken here: {supported}")
            self._set(name, ProtocolVersion(version))
        if self.min_version > self.max_version:
            raise UsageError(
                f"min_version {self.min_version.title} is above max_version "
                f"{self.max_version.title}"
            )
        if not self.versions:
            raise UsageError(
                "none of cipher_suites belongs to a version from min_version to max_version"
            )
        if not 0 <= self.record_padding <= 1 << 14:
            raise UsageError(f"record_padding={self.record_padding} is not within 0 to 16384")
        limit = self.record_size_limit
        if limit is not None and not 64 <= limit <= (1 << 14) + 1:
            raise UsageError(f"record_size_limit={limit} is not within 64 to 16385")
        if not 512 <= self.max_fragment <= MAX_PLAINTEXT:
            raise UsageError(f"max_fragment={self.max_fragment} is not within 512 to 16384")
        if not 512 <= self.initial_fragment <= MAX_PLAINTEXT:
            raise UsageError(f"initial_fragment={self.initial_fragment} is not within 512 to 16384")
        if self.revocation is not None and not isinstance(self.revocation, RevocationLists):
            raise UsageError("revocation must be RevocationLists")
        if self.trust is not None and not isinstance(self.trust, TrustStore):
            raise UsageError(f"trust must be a TrustStore, not {type(self.trust).__name__}")
        if not 1 << 14 <= self.max_handshake_message < 1 << 24:
            raise UsageError("max_handshake_message is not within 16384 to 16777215")

    def _check_types(self) -> None:
        if self.peer_certificate_types is None:
            return
        types = _known_types(self.peer_certificate_types)
        self._set("peer_certificate_types", types)
        anyone = getattr(self, "dangerous_disable_verification", False)
        if CertificateType.RAW_PUBLIC_KEY in types and not (self.takes_raw_keys or anyone):
            raise UsageError(
                "peer_certificate_types has raw public keys, and none would be taken",
                hint="Name them in raw_public_keys, or decide on them in verify_raw_public_key.",
            )

    @property
    def takes_raw_keys(self) -> bool:
        """Whether there is any raw public key that would be taken from the peer."""
        return bool(self.raw_public_keys) or self.verify_raw_public_key is not None

    def _alpn_sequence(self) -> Sequence[str | bytes]:
        if isinstance(self.alpn_protocols, (str, bytes)):
            raise UsageError(
                f"alpn_protocols={self.alpn_protocols!r} is one name; give a list of names"
            )
        return self.alpn_protocols

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen for everyone else

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated anew; of ``identity`` and ``identities`` the
        one that is given takes the other's place.
        """
        if "identity" in changes:
            changes.setdefault("identities", ())
        elif "identities" in changes:
            changes["identity"] = None
        return replace(self, **changes)

    @cached_property
    def suites(self) -> tuple[CipherSuite, ...]:
        """The cipher suites of the versions that are spoken."""
        return tuple(c for c in self.cipher_suites if self.speaks(SUITES[c].version))

    def speaks(self, version: int) -> bool:
        """Whether the version lies within :attr:`min_version` and :attr:`max_version`."""
        return self.min_version <= version <= self.max_version

    @cached_property
    def versions(self) -> tuple[ProtocolVersion, ...]:
        """The versions that are spoken, newest first: those that there are suites for."""
        return tuple(
            version
            for version in SUPPORTED_VERSIONS
            if self.speaks(version) and any(SUITES[c].version == version for c in self.suites)
        )

    @cached_property
    def alpn(self) -> tuple[bytes, ...]:
        """The application protocols as they stand on the wire."""
        return tuple(n if isinstance(n, bytes) else n.encode() for n in self.alpn_protocols)

    @cached_property
    def serial(self) -> int:
        """A number that no other configuration of this process ever has."""
        return next(_serials)

    @property
    def has_hooks(self) -> bool:
        """Whether a handshake may await something of the application's."""
        return self.verify is not None or self.verify_raw_public_key is not None


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
        self._set("identities", _identities(self.identity, self.identities))
        if self.certificate_types is not None:
            self._set("certificate_types", _known_types(self.certificate_types))
        if self.key_shares is not None:
            shares = _known(NamedGroup, self.key_shares, GROUPS, "group", empty=True)
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

    @property
    def has_hooks(self) -> bool:
        return (
            super().has_hooks
            or self.select_identity is not None
            or any(_suspends(identity) for identity in self.identities)
            or not isinstance(self.session_cache, (MemorySessionCache, type(None)))
        )


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
    """Keeps the sessions' state here instead of in the tickets."""

    ticket_lifetime: int = 7200
    """Seconds, up to seven days (RFC 8446, section 4.6.1)."""

    max_early_data: int = 0
    """How many bytes of 0-RTT data a client may send, per connection (RFC 8446, section 2.3);
    0: none. Who records it can replay it, so :attr:`replay_guard` has to be named."""

    replay_guard: ReplayGuard | None = None
    """What keeps 0-RTT data from being taken twice (RFC 8446, section 8)."""

    half_rtt: bool = False
    """Whether :meth:`.TLSConnection.write` may be called as soon as this side's Finished is on its
    way in TLS 1.3, half a round trip before the client's has come (RFC 8446, section 4.4.4). Until
    then nothing says that the client is there: its ClientHello may be a replay. So it goes with
    no :attr:`client_auth`, and is for greetings and answers to 0-RTT data. It is the engine's own:
    asyncio's calls hand a connection over when its handshake is complete."""

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
            name = certificate.subject.public_bytes()
            room -= len(name) + 2
            if room >= 0 and name not in names:
                names.append(name)
        return tuple(names)

    def __post_init__(self) -> None:
        super().__post_init__()
        identities = _identities(self.identity, self.identities)
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
        if not 0 <= self.tickets <= 16:
            raise UsageError(f"tickets={self.tickets} is not within 0 to 16")
        if not 0 <= self.max_early_data <= 1 << 20:
            raise UsageError(f"max_early_data={self.max_early_data} is not within 0 to 1048576")
        if self.max_early_data and self.replay_guard is None:
            raise UsageError(
                "0-RTT data can be replayed: max_early_data needs a replay_guard",
                hint="ServerConfig(max_early_data=16384, replay_guard=aiotls.MemoryReplayGuard())",
            )
        if self.half_rtt and ClientAuth(self.client_auth) is not ClientAuth.NONE:
            raise UsageError(
                "half_rtt and client_auth do not go together: data would leave before it is known "
                "who the client is"
            )
        if not 0 < self.ticket_lifetime <= MAX_LIFETIME:
            raise UsageError(f"ticket_lifetime={self.ticket_lifetime} is not within 1 to 604800")
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

    @property
    def has_hooks(self) -> bool:
        return (
            super().has_hooks
            or self.select is not None
            or self.psk is not None
            or self.staple is not None
            or any(not isinstance(d.signer, LocalSigner) for d in self.delegations)
            or self.session_store is not None
            or not isinstance(self.replay_guard, (MemoryReplayGuard, type(None)))
            or not isinstance(self.ticket_keys, (TicketKeyRing, type(None)))
            or any(_suspends(identity) for identity in self.identities)
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
    they have. A change is validated first: when it fails, everything stays as it was.
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
        self._config = self._config.replace(**changes)
        return self._config

    def _aiotls_config(self, server_side: bool) -> Config:
        if not server_side:
            raise UsageError("a LiveServerConfig is for servers")
        return self._config


@dataclass(frozen=True, slots=True)
class ExternalPsk:
    """A key that both sides were given by other means (RFC 8446, section 4.2.11).

    *secret* needs the strength of a key, not of a password (RFC 9257, section 6).
    """

    identity: bytes
    """What the client sends in the clear to name it; 1 to 65,535 bytes."""

    secret: bytes = field(repr=False)
    """At least 16 bytes."""

    hash_name: str = "sha256"
    """``sha256`` or ``sha384``: the hash of the cipher suites that it can be used with."""

    imported: bool = False
    """Whether it was made by RFC 9258's importer."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.identity) <= 65_535:
            raise UsageError("a pre-shared key's identity has 1 to 65535 bytes")
        if len(self.secret) < 16:
            raise UsageError("a pre-shared key of less than 16 bytes can be guessed (RFC 9257)")
        if self.hash_name not in ("sha256", "sha384"):
            raise UsageError(f"hash_name is sha256 or sha384, not {self.hash_name!r}")

    def derive(self, context: bytes = b"", target: str = "sha256") -> ExternalPsk:
        """The key that RFC 9258's importer makes of this one, for suites with the hash *target*.

        Both sides have to do it, with the same *context*; a key made this way can be used with
        TLS 1.3 alone, and with no other hash.
        """
        if target not in ("sha256", "sha384"):
            raise UsageError(f"target is sha256 or sha384, not {target!r}")
        identity, secret = import_psk(self.identity, self.secret, self.hash_name, context, target)
        return ExternalPsk(identity, secret, target, imported=True)


@dataclass(frozen=True, slots=True)
class ClientHelloInfo:
    """What a server can know of a client before it answers."""

    server_name: str | None
    """The name asked for, as an A-label in lower case."""

    alpn_protocols: tuple[bytes, ...]
    """The application protocols offered."""

    signature_schemes: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    groups: tuple[int, ...]
    versions: tuple[int, ...]

    hello: ClientHello
    """The message itself."""


@dataclass(frozen=True, slots=True)
class CertificateQuery:
    """What a server said when it asked the client for a certificate (RFC 8446, section 4.3.2)."""

    server_name: str | None
    signature_schemes: tuple[int, ...]
    authorities: tuple[bytes, ...]
    """DER names of the authorities that the server accepts; empty: any."""

    certificate_types: tuple[int, ...] | None = None
    """In TLS 1.2 also the kinds of keys that it takes (RFC 5246, section 7.4.4), 1 for RSA and 64
    for ECDSA and EdDSA. None in TLS 1.3, where the schemes say it all."""

    raw_public_key: bool = False
    """Whether it wants the key alone, and no certificate (RFC 7250)."""

    def scheme_for(self, identity: Identity) -> SignatureScheme | None:
        """What *identity* would sign with; None where the server could not verify it."""
        if not (identity.chain or self.raw_public_key):
            return None
        able = identity.schemes
        if self.certificate_types is not None:
            types = self.certificate_types
            able = tuple(s for s in identity.schemes12 if client_certificate_type(s) in types)
        return next((scheme for scheme in able if scheme in self.signature_schemes), None)


SCHEMES = frozenset(DEFAULT_SCHEMES)


def check_raw_key(key: bytes) -> None:
    """Raises UsageError for what is no SubjectPublicKeyInfo."""
    try:
        load_der_public_key(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"a raw public key is a SubjectPublicKeyInfo in DER: {error}",
            hint="key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)",
        ) from error


def _identities(identity: Identity | None, identities: Sequence[Identity]) -> tuple[Identity, ...]:
    """All that are given, in either way."""
    if isinstance(identities, Identity):
        raise UsageError("identities is a list; a single one is given as identity=")
    found = tuple(identities)
    if identity is not None:
        if found not in ((), (identity,)):  # replace() passes on both
            raise UsageError("give either identity or identities, not both")
        found = (identity,)
    for one in found:
        if not isinstance(one, Identity):
            raise UsageError(f"an Identity is expected, not {type(one).__name__}")
    return found


def _known_types(types: Sequence[CertificateType]) -> tuple[CertificateType, ...]:
    return _known(CertificateType, types, tuple(CertificateType), "certificate type")


def _suspends(identity: Identity | None) -> bool:
    return identity is not None and not isinstance(identity.signer, LocalSigner)


def _known(
    kind: type[Any], values: Sequence[Any], known: Any, what: str, *, empty: bool = False
) -> tuple[Any, ...]:
    """The values as members of *kind*; raises UsageError for one that is not implemented."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise UsageError(f"a list of {what}s is expected, not {values!r}")
    members = []
    for value in values:
        if isinstance(value, str):
            named = {member.name.lower(): member for member in kind}
            value = named.get(value.lower(), value)
        if value not in known:
            shown = kind.label(value) if isinstance(value, int) else repr(value)
            raise UsageError(f"{shown} is not a {what} that is spoken here")
        members.append(kind(value))
    if not members and not empty:
        raise UsageError(f"at least one {what} is needed")
    if len(set(members)) != len(members):
        raise UsageError(f"a {what} stands twice in the list")
    return tuple(members)


def _alpn_name(name: str | bytes) -> str | bytes:
    if not isinstance(name, (str, bytes)):
        raise UsageError(f"an ALPN name is text or bytes, not {type(name).__name__}")
    length = len(name.encode() if isinstance(name, str) else name)
    if not 1 <= length <= 255:
        raise UsageError(f"the ALPN name {name!r} has {length} bytes, not 1 to 255 (RFC 7301)")
    return name
