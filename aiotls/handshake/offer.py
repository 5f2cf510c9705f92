"""What a client offers, and what the server may make of it: RFC 8446, sections 4.1.2 to 4.1.4.

What the ClientHello offered is kept in an :class:`Offer`; every later message of the
server's is held against it.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass, replace

from .. import delegation
from ..config import ClientConfig
from ..crypto.groups import TLS12_GROUPS, HybridKeyExchange, KeyExchange
from ..crypto.suites import SUITES
from ..enums import (
    GREASE_VALUES,
    Alert,
    CipherSuite,
    EarlyData,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
)
from ..errors import ProtocolError
from ..sessions import Session
from ..wire import extensions as ext
from ..wire.extensions import Extensions, KeyShareEntry, Rows, StatusRequest
from ..wire.messages import ClientHello, ServerHello
from .certificate_type import offer_types
from .channel import Channel
from .early import unsendable
from .ech_client import Envelope, grease
from .psk import PreSharedKey, bind, offered_keys
from .record_size import offer_limit

DOWNGRADE_TLS12 = b"DOWNGRD\x01"
DOWNGRADE_TLS11 = b"DOWNGRD\x00"
"""RFC 8446, section 4.1.3: how a server that could do better ends its random."""

MAX_COOKIE = 1 << 12
"""Bytes. The syntax has room for more, but all extensions together have 65,535 bytes, and a
session's ticket has to go with them; with ECH, twice."""


@dataclass(slots=True, eq=False)
class Offer:
    """A ClientHello and what was kept to go with it; it is replaced, not changed."""

    config: ClientConfig
    hello: ClientHello
    key_exchanges: dict[int, KeyExchange]
    server_name: str | None
    keys: tuple[PreSharedKey, ...] = ()
    """The pre-shared keys that were offered, in order."""

    session12: Session | None = None
    """The TLS 1.2 session that was offered."""

    retried: bool = False

    unsent: EarlyData | None = EarlyData.DISABLED
    """Why no 0-RTT data was announced in the first ClientHello; None where it was."""

    ech: Envelope | None = None
    """What the hello is sealed in, where it is (RFC 9849)."""

    rejected: bool = False
    """Whether this is what the server saw in place of an offer that it could not decrypt."""

    @property
    def early_data(self) -> bool:
        """Whether 0-RTT data was announced."""
        return ExtensionType.EARLY_DATA in self.hello.extensions

    @property
    def sent(self) -> tuple[int, ...]:
        """The extensions that the server may answer."""
        return self.hello.extensions.types


def make_offer(
    channel: Channel, config: ClientConfig, server_name: str | None, session: Session | None
) -> Offer:
    """A fresh ClientHello (RFC 8446, section 4.1.2), its key shares, and its pre-shared keys."""
    random = config.random
    exchanges = make_key_exchanges(config)
    shares = [KeyShareEntry(group, exchange.share) for group, exchange in exchanges.items()]
    rows = hello_extensions(config, server_name)
    session12 = None
    if session is not None and session.version not in config.versions:
        session = None
    if session is not None and session.version == ProtocolVersion.TLSv1_2:
        session12 = session if config.session_tickets or not session.ticket else None
    if ProtocolVersion.TLSv1_2 in config.versions:
        rows += hello12_extensions(config, session12)
    suites: tuple[int, ...] = config.suites
    spice = Grease(random(5)) if config.grease else None
    if spice is not None:
        suites = (spice.suite, *suites)
        shares.insert(0, KeyShareEntry(spice.group, b"\0"))
    if ProtocolVersion.TLSv1_3 in config.versions:
        rows.append((ext.KEY_SHARE, tuple(shares)))
        rows += grease(config, server_name, rows)
    if config.permute_extensions:
        rows = permute(rows, random(2 * len(rows)))
    if spice is not None:
        rows = spice.season(rows)
    hello = ClientHello(
        random=random(32),
        session_id=make_session_id(config, session12),
        cipher_suites=suites,
        extensions=Extensions.build(rows),
    )
    keys = offered_keys(config, session)
    wanted = bool(channel.early_output) or channel.end_early_data is not None
    unsent = unsendable(config, session, wanted)
    if unsent is None:
        hello = replace(
            hello, extensions=Extensions.build([*hello.extensions.items, (ext.EARLY_DATA, True)])
        )
    hello = bind(channel, hello, keys, config.clock())
    return Offer(config, hello, exchanges, server_name, keys, session12, unsent=unsent)


def make_session_id(config: ClientConfig, session: Session | None) -> bytes:
    """A session's number, or any number where an echo tells something.

    RFC 8446, appendix D.4: middleboxes want one; RFC 5077, section 3.4: a server that takes a
    ticket says so by echoing it.
    """
    if session is not None and session.session_id:
        return session.session_id
    tls13 = ProtocolVersion.TLSv1_3 in config.versions
    if session is not None or (tls13 and config.middlebox_compatibility):
        return config.random(32)
    return b""


def hello12_extensions(config: ClientConfig, session: Session | None) -> Rows:
    """What only a TLS 1.2 server answers."""
    rows: Rows = [
        (ext.EXTENDED_MASTER_SECRET, True),
        (ext.RENEGOTIATION_INFO, b""),
        (ext.EC_POINT_FORMATS, (0,)),
    ]
    if config.session_cache is not None and config.session_tickets:
        rows.append((ext.SESSION_TICKET, session.ticket if session is not None else b""))
    return rows


def make_key_exchanges(config: ClientConfig) -> dict[int, KeyExchange]:
    """The key shares to send at once, by group.

    With a hybrid group its classical half is offered as a group of its own as well: the same
    key pair serves both (draft-ietf-tls-hybrid-design, section 3.2), so it costs no computation.
    """
    primitives = config.primitives
    if ProtocolVersion.TLSv1_3 not in config.versions:
        wanted: tuple[NamedGroup, ...] = ()
    elif config.key_shares is not None:
        wanted = tuple(config.key_shares)
    else:
        wanted = (config.groups[0],)
        if wanted[0] == NamedGroup.X25519MLKEM768 and NamedGroup.X25519 in config.groups:
            wanted += (NamedGroup.X25519,)
    exchanges: dict[int, KeyExchange] = {}
    for group in wanted:
        hybrid = exchanges.get(NamedGroup.X25519MLKEM768)
        if group == NamedGroup.X25519 and isinstance(hybrid, HybridKeyExchange):
            exchanges[group] = hybrid.classical
        else:
            exchanges[group] = primitives.generate(group)
    return exchanges


def hello_extensions(config: ClientConfig, server_name: str | None) -> Rows:
    """The extensions that depend on the configuration and the name alone."""
    rows: Rows = []
    if server_name is not None and config.send_server_name and not is_address(server_name):
        rows.append((ext.SERVER_NAME, server_name))
    rows.append((ext.SUPPORTED_VERSIONS, config.versions))
    groups = config.groups
    tls13 = ProtocolVersion.TLSv1_3 in config.versions
    if not tls13:  # draft-ietf-tls-ecdhe-mlkem, section 2: ML-KEM is for TLS 1.3
        groups = tuple(group for group in groups if group in TLS12_GROUPS)
    rows.append((ext.SUPPORTED_GROUPS, groups))
    rows.append((ext.SIGNATURE_ALGORITHMS, config.signature_schemes))
    if config.certificate_signature_schemes is not None:
        rows.append((ext.SIGNATURE_ALGORITHMS_CERT, config.certificate_signature_schemes))
    if config.alpn:
        rows.append((ext.ALPN, config.alpn))
    if config.request_staple:
        rows.append((ext.STATUS_REQUEST, StatusRequest()))
        rows.append((ext.SIGNED_CERTIFICATE_TIMESTAMP_REQUEST, True))
    if tls13 and config.certificate_compression:
        rows.append((ext.COMPRESS_CERTIFICATE, config.certificate_compression))
    if tls13 and (config.session_cache is not None or config.psks):
        rows.append((ext.PSK_KEY_EXCHANGE_MODES, (PskKeyExchangeMode.PSK_DHE_KE,)))
    if tls13 and config.post_handshake_auth:
        rows.append((ext.POST_HANDSHAKE_AUTH, True))
    if tls13 and config.delegated_credentials:
        rows.append((ext.DELEGATED_CREDENTIAL, delegation.SCHEMES))
    rows += offer_limit(config)
    rows += offer_types(config)
    if config.certificate_authorities:
        rows.append((ext.CERTIFICATE_AUTHORITIES, tuple(config.certificate_authorities)))
    return rows


@functools.lru_cache(maxsize=256)
def is_address(name: str) -> bool:
    """RFC 6066, section 3: literal addresses are not allowed in server_name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Grease:
    """The reserved values of one ClientHello (RFC 8701, section 3.1)."""

    def __init__(self, random: bytes) -> None:
        suite, group, version, first, last = [0x0A0A + 0x1010 * (byte & 15) for byte in random]
        self.suite = suite
        self.group = group
        self.version = version
        self.first_extension = first
        # No extension may stand twice in a message.
        self.last_extension = (
            last if last != first else 0x0A0A + (first - 0x0A0A + 0x1010) % 0x10100
        )

    def season(self, rows: Rows) -> Rows:
        """The rows between reserved ones, with reserved values in what the server chooses from."""
        seasoned: Rows = [(self.first_extension, b"")]
        for row, value in rows:
            if row is ext.SUPPORTED_VERSIONS:
                value = (self.version, *value)
            elif row is ext.SUPPORTED_GROUPS:
                value = (self.group, *value)
            seasoned.append((row, value))
        seasoned.append((self.last_extension, b"\0"))
        return seasoned


def permute(rows: Rows, random: bytes) -> Rows:
    """The rows in another order each time, so that no one comes to depend on one.

    RFC 8446, section 4.2: extensions may stand in any order, but for pre_shared_key.
    """
    keys = memoryview(random).cast("H")
    return [rows[i] for i in sorted(range(len(rows)), key=keys.__getitem__)]


# -- what the server answered ----------------------------------------------------------------------


def check_version(offer: Offer, hello: ServerHello) -> None:
    """RFC 8446, sections 4.1.3 and 4.2.1: a version that was offered, and no downgrade."""
    version = hello.version
    selected = hello.extensions.get(ext.SELECTED_VERSION)
    if selected is not None and hello.legacy_version != ProtocolVersion.TLSv1_2:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER, "the server's legacy_version is not that of TLS 1.2"
        )
    downgraded = version <= ProtocolVersion.TLSv1_2 < offer.config.versions[0] and hello.random[
        -8:
    ] in (DOWNGRADE_TLS12, DOWNGRADE_TLS11)
    if version in offer.config.versions and not downgraded:
        return
    if selected is not None:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected the version {ProtocolVersion.label(version)}, which was not "
            "offered",
            reason="WRONG_SSL_VERSION",
        )
    if downgraded:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server speaks TLS 1.3, but the connection was tampered with to go below it",
            reason="TLS13_DOWNGRADE",
        )
    offered = " and ".join(v.title for v in offer.config.versions)
    known = version in list(ProtocolVersion)
    found = ProtocolVersion(version).title if known else ProtocolVersion.label(version)
    raise ProtocolError(
        Alert.PROTOCOL_VERSION,
        f"the server answered with {found}; this client offers {offered}",
        reason="UNSUPPORTED_PROTOCOL",
        hint="The server has to be upgraded to a newer version of TLS.",
    )


def check_server_hello(offer: Offer, hello: ServerHello) -> None:
    """RFC 8446, section 4.1.3: each field is an echo, or a choice from what was offered."""
    tls13 = hello.version == ProtocolVersion.TLSv1_3
    if tls13 and hello.session_id != offer.hello.session_id:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server did not echo the session id",
            reason="SERVER_ECHOED_INVALID_SESSION_ID",
        )
    if hello.compression_method != 0:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server selected a compression method",
            reason="INVALID_COMPRESSION_ALGORITHM",
        )
    suite = SUITES.get(hello.cipher_suite)
    if suite is None or hello.cipher_suite not in offer.config.suites:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected {CipherSuite.label(hello.cipher_suite)}, which was not offered",
            reason="WRONG_CIPHER_RETURNED",
        )
    if suite.version != hello.version:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the server selected {suite.code.name}, which is not of the version it selected",
            reason="WRONG_CIPHER_RETURNED",
        )
    check_unsolicited(
        offer, hello.extensions, also=(ExtensionType.COOKIE,) if hello.is_retry else ()
    )


def check_unsolicited(
    offer: Offer, extensions: Extensions, also: tuple[ExtensionType, ...] = ()
) -> None:
    """RFC 8446, section 4.2: a server only answers extensions that the client sent; and never
    the reserved ones among them (RFC 8701, section 3.1).
    """
    for kind in extensions.types:
        if kind in GREASE_VALUES or (kind not in offer.sent and kind not in also):
            raise ProtocolError(
                Alert.UNSUPPORTED_EXTENSION,
                f"the server sent {ExtensionType.label(kind).lower()}, which this client did not",
                reason="UNEXPECTED_EXTENSION",
            )


def retry_offer(channel: Channel, offer: Offer, retry: ServerHello) -> Offer:
    """The second ClientHello, as a HelloRetryRequest asks for it (RFC 8446, section 4.1.2)."""
    config = offer.config
    group = retry.extensions.get(ext.KEY_SHARE_RETRY)
    cookie = retry.extensions.get(ext.COOKIE)
    exchanges = offer.key_exchanges
    rows: Rows = []
    for kind in offer.hello.extensions.types:
        if kind == ExtensionType.KEY_SHARE and group is not None:
            if group not in config.groups:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the server asked for a key share of {NamedGroup.label(group)}, which was "
                    "not offered",
                    reason="WRONG_CURVE",
                )
            if group in exchanges:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the server asked again for the key share of {NamedGroup.label(group)}",
                    reason="WRONG_CURVE",
                )
            exchanges = {group: config.primitives.generate(group)}
            rows.append((ext.KEY_SHARE, (KeyShareEntry(group, exchanges[group].share),)))
        elif kind not in (ExtensionType.PRE_SHARED_KEY, ExtensionType.EARLY_DATA):
            rows.append((kind, offer.hello.extensions.raw(kind)))
    if cookie is not None:
        if len(cookie) > MAX_COOKIE:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the server wants a cookie of {len(cookie)} bytes back; {MAX_COOKIE} is the limit",
            )
        rows.append((ext.COOKIE, cookie))
    elif group is None:  # 4.1.4: a retry that would change nothing
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            "the server asked for another ClientHello that would be the same",
            reason="EMPTY_HELLO_RETRY_REQUEST",
        )
    hello = replace(offer.hello, extensions=Extensions.build(rows))
    keys = tuple(key for key in offer.keys if key.hash_name == channel.suite.hash_name)
    hello = bind(channel, hello, keys, config.clock())
    return replace(offer, hello=hello, key_exchanges=exchanges, keys=keys, retried=True)
