"""The extensions of TLS: one table row for each, with its syntax and where it is allowed.

Where an extension's syntax depends on the message that carries it, each form is a row of
its own: ``KEY_SHARE`` is what a client offers, ``KEY_SHARE_SERVER`` what a server answers,
``KEY_SHARE_RETRY`` what a HelloRetryRequest asks for. The names are those of the RFCs.

A row reads and writes the extension's *value*, never its type and length. Lower bounds of
vectors are checked here, as are the rules that need nothing but the extension itself; what
depends on the rest of the handshake is checked by the handshake.

:class:`Extensions` is a block of them. It keeps the bytes as they came, so that an unknown
extension (RFC 8701) survives untouched, and decodes a value the first time it is asked for.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from ..enums import Alert, ExtensionType
from ..errors import DecodeError, ProtocolError, UsageError
from .codec import Reader, Writer

T = TypeVar("T")


class Context(enum.Flag):
    """The messages that carry extensions (RFC 8446, section 4.2, the table)."""

    CLIENT_HELLO = enum.auto()
    SERVER_HELLO = enum.auto()
    """The ServerHello of TLS 1.3."""
    HELLO_RETRY_REQUEST = enum.auto()
    ENCRYPTED_EXTENSIONS = enum.auto()
    CERTIFICATE = enum.auto()
    """One entry of a TLS 1.3 Certificate."""
    CERTIFICATE_REQUEST = enum.auto()
    NEW_SESSION_TICKET = enum.auto()
    SERVER_HELLO_12 = enum.auto()
    """The ServerHello of TLS 1.2, which carries what later moved to EncryptedExtensions."""


@dataclass(frozen=True, eq=False)
class Extension(Generic[T]):
    """One form of one extension: a row of :data:`EXTENSIONS`."""

    type: ExtensionType
    """Its code point."""

    contexts: Context
    """The messages in which it may stand in this form."""

    parse: Callable[[Reader], T]
    """Reads the value. What the peer got wrong is a ProtocolError, mostly a DecodeError."""

    write: Callable[[Writer, T], None]
    """Appends the value's encoding."""

    @property
    def name(self) -> str:
        """The extension's name as the RFCs write it: ``server_name``."""
        return self.type.name.lower()

    def decode(self, body: bytes) -> T:
        """The value that *body*, the extension_data, encodes.

        Raises DecodeError unless *body* is exactly one value; ProtocolError for a value that the
        RFC forbids.
        """
        reader = Reader(body)
        try:
            value = self.parse(reader)
            reader.finish()
        except DecodeError as exc:
            raise DecodeError(
                f"the extension {self.name} is malformed: {exc.message}", reason="BAD_EXTENSION"
            ) from exc
        return value

    def encode(self, value: T) -> bytes:
        """The extension_data that carries *value*."""
        writer = Writer()
        self.write(writer, value)
        return bytes(writer.data)


# -- values ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """RFC 8446, section 4.2.8: a public key, as bytes, of a named group."""

    group: int
    key_exchange: bytes


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """RFC 8446, section 4.2.11: a ticket or an external key's name; the age in ms, obfuscated."""

    identity: bytes
    obfuscated_ticket_age: int = 0


@dataclass(frozen=True, slots=True)
class OfferedPsks:
    """RFC 8446, section 4.2.11: the keys a client offers, and for each a binder."""

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @property
    def binders_length(self) -> int:
        """The size in bytes of the binders list with its length, the end of a ClientHello."""
        return 2 + sum([1 + len(binder) for binder in self.binders])


OCSP = 1
"""CertificateStatusType ocsp (RFC 6066, section 8), the only one in use."""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """RFC 6066, section 8: a client's wish for a certificate status.

    For a *status_type* other than :data:`OCSP`, whose syntax nobody knows, *unknown* holds what
    followed it.
    """

    responder_ids: tuple[bytes, ...] = ()
    request_extensions: bytes = b""
    status_type: int = OCSP
    unknown: bytes = b""


@dataclass(frozen=True, slots=True)
class OidFilter:
    """RFC 8446, section 4.2.5: a certificate extension and the values it has to have, in DER."""

    oid: bytes
    values: bytes


# -- syntax that several extensions share ----------------------------------------------------------


def _parse_empty(reader: Reader) -> bool:
    # finish() refuses whatever is there; the value only says that the extension is present.
    return True


def _write_empty(writer: Writer, value: bool) -> None:
    pass


def _parse_opaque(reader: Reader) -> bytes:
    return reader.rest()


def _write_opaque(writer: Writer, value: bytes) -> None:
    writer.data += value


def _parse_u16(reader: Reader) -> int:
    return reader.u16()


def _write_u16(writer: Writer, value: int) -> None:
    writer.u16(value)


def _parse_u8(reader: Reader) -> int:
    return reader.u8()


def _write_u8(writer: Writer, value: int) -> None:
    writer.u8(value)


def _parse_u16s_in_u16(reader: Reader) -> tuple[int, ...]:
    return reader.u16_list(2)


def _write_u16s_in_u16(writer: Writer, value: tuple[int, ...]) -> None:
    writer.u16_list(2, value)


def _parse_u16s_in_u8(reader: Reader) -> tuple[int, ...]:
    return reader.u16_list(1)


def _write_u16s_in_u8(writer: Writer, value: tuple[int, ...]) -> None:
    writer.u16_list(1, value)


def _parse_u8s(reader: Reader) -> tuple[int, ...]:
    return tuple(reader.vector(1, 1))


def _write_u8s(writer: Writer, value: tuple[int, ...]) -> None:
    writer.vector(1, bytes(value))


# -- names and addresses: RFC 6066, RFC 7301 -------------------------------------------------------


def _parse_server_name(reader: Reader) -> str:
    """RFC 6066, section 3: exactly one name, of the type host_name.

    The syntax has room for more, but no other type was ever defined, and a second name of a type
    is forbidden.
    """
    names = reader.block(2, 1)
    if names.u8() != 0:
        raise DecodeError("its name is not of the type host_name")
    name = names.vector(2, 1, 255)  # RFC 1035, section 2.3.4: 255 octets or less
    names.finish()
    # Section 3: ASCII without a trailing dot; IDNs as A-labels. The dot and literal addresses
    # are seen in the field and harm nothing, but what is not printable could end up in a log.
    if not all(0x21 <= byte <= 0x7E for byte in name):
        raise DecodeError("its name is not printable ASCII")
    return name.decode("ascii")


def _write_server_name(writer: Writer, value: str) -> None:
    name = value.encode("ascii")
    writer.u16(3 + len(name))
    writer.u8(0)
    writer.vector(2, name)


def _parse_protocol_names(reader: Reader) -> tuple[bytes, ...]:
    """RFC 7301, section 3.1: ``ProtocolName protocol_name_list<2..2^16-1>``, none empty."""
    return reader.vectors(2, 1, 2)


def _write_protocol_names(writer: Writer, value: tuple[bytes, ...]) -> None:
    writer.vectors(2, 1, value)


def _parse_protocol_name(reader: Reader) -> bytes:
    """RFC 7301, section 3.1: a server's list MUST contain exactly one name."""
    names = _parse_protocol_names(reader)
    if len(names) != 1:
        raise DecodeError(f"{len(names)} protocols selected instead of one")
    return names[0]


def _write_protocol_name(writer: Writer, value: bytes) -> None:
    writer.vectors(2, 1, (value,))


# -- key exchange: RFC 8446, sections 4.2.8 and 4.2.11 ---------------------------------------------


def _parse_key_share_entry(reader: Reader) -> KeyShareEntry:
    return KeyShareEntry(reader.u16(), reader.vector(2, 1))


def _write_key_share_entry(writer: Writer, value: KeyShareEntry) -> None:
    writer.u16(value.group)
    writer.vector(2, value.key_exchange)


def _parse_key_shares(reader: Reader) -> tuple[KeyShareEntry, ...]:
    """Section 4.2.8: an empty list is legal, and asks for a HelloRetryRequest."""
    block = reader.block(2)
    entries: dict[int, KeyShareEntry] = {}
    while block.remaining:
        entry = _parse_key_share_entry(block)
        if entry.group in entries:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the client sent two key shares for the same group",
                reason="DUPLICATE_KEY_SHARE",
            )
        entries[entry.group] = entry
    return tuple(entries.values())


def _write_key_shares(writer: Writer, value: tuple[KeyShareEntry, ...]) -> None:
    writer.u16(sum([4 + len(entry.key_exchange) for entry in value]))
    for entry in value:
        _write_key_share_entry(writer, entry)


def _parse_offered_psks(reader: Reader) -> OfferedPsks:
    block = reader.block(2, 7)
    identities = []
    while block.remaining:
        identities.append(PskIdentity(block.vector(2, 1), block.u32()))
    block = reader.block(2, 33)
    binders = []
    while block.remaining:
        binders.append(block.vector(1, 32))
    if len(identities) != len(binders):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the client offered {len(identities)} PSKs with {len(binders)} binders",
            reason="PSK_IDENTITY_BINDER_COUNT_MISMATCH",
        )
    return OfferedPsks(tuple(identities), tuple(binders))


def _write_offered_psks(writer: Writer, value: OfferedPsks) -> None:
    writer.u16(sum([6 + len(psk.identity) for psk in value.identities]))
    for psk in value.identities:
        writer.vector(2, psk.identity)
        writer.u32(psk.obfuscated_ticket_age)
    writer.vectors(2, 1, value.binders)


def _parse_u32(reader: Reader) -> int:
    return reader.u32()


def _write_u32(writer: Writer, value: int) -> None:
    writer.u32(value)


def _parse_cookie(reader: Reader) -> bytes:
    return reader.vector(2, 1)


def _write_cookie(writer: Writer, value: bytes) -> None:
    writer.vector(2, value)


# -- certificates ----------------------------------------------------------------------------------


def _parse_authorities(reader: Reader) -> tuple[bytes, ...]:
    """RFC 8446, section 4.2.4: ``DistinguishedName authorities<3..2^16-1>``."""
    return reader.vectors(2, 2, 3)


def _parse_timestamps(reader: Reader) -> tuple[bytes, ...]:
    """RFC 6962, section 3.3: ``SerializedSCT sct_list<1..2^16-1>``."""
    return reader.vectors(2, 2, 1)


def _write_opaques(writer: Writer, value: tuple[bytes, ...]) -> None:
    writer.vectors(2, 2, value)


def _parse_oid_filters(reader: Reader) -> tuple[OidFilter, ...]:
    block = reader.block(2)
    filters: dict[bytes, OidFilter] = {}
    while block.remaining:
        entry = OidFilter(block.vector(1, 1), block.vector(2))
        if entry.oid in filters:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the server sent two filters for the same certificate extension",
                reason="BAD_EXTENSION",
            )
        filters[entry.oid] = entry
    return tuple(filters.values())


def _write_oid_filters(writer: Writer, value: tuple[OidFilter, ...]) -> None:
    with writer.block(2):
        for entry in value:
            writer.vector(1, entry.oid)
            writer.vector(2, entry.values)


def _parse_status_request(reader: Reader) -> StatusRequest:
    status_type = reader.u8()
    if status_type != OCSP:
        return StatusRequest(status_type=status_type, unknown=reader.rest())
    return StatusRequest(reader.vectors(2, 2), reader.vector(2))


def _write_status_request(writer: Writer, value: StatusRequest) -> None:
    writer.u8(value.status_type)
    if value.status_type != OCSP:
        writer.put(value.unknown)
        return
    writer.vectors(2, 2, value.responder_ids)
    writer.vector(2, value.request_extensions)


def parse_certificate_status(reader: Reader) -> bytes:
    """RFC 6066, section 8: CertificateStatus, which carries one OCSP response in DER."""
    status_type = reader.u8()
    if status_type != OCSP:
        raise DecodeError(f"a certificate status of the unknown type {status_type}")
    return reader.vector(3, 1)


def write_certificate_status(writer: Writer, value: bytes) -> None:
    """RFC 6066, section 8."""
    writer.u8(OCSP)
    writer.vector(3, value)


# -- limits and renegotiation ----------------------------------------------------------------------


def _parse_record_size_limit(reader: Reader) -> int:
    """RFC 8449, section 4: a value below 64 MUST be refused with illegal_parameter."""
    limit = reader.u16()
    if limit < 64:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer set a record_size_limit of {limit} bytes, below the least of 64",
            reason="BAD_EXTENSION",
        )
    return limit


def _parse_max_fragment_length(reader: Reader) -> int:
    """RFC 6066, section 4: 2^9 to 2^12; any other value MUST end in illegal_parameter."""
    code = reader.u8()
    if not 1 <= code <= 4:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer sent the undefined max_fragment_length {code}",
            reason="SSL3_EXT_INVALID_MAX_FRAGMENT_LENGTH",
        )
    return code


def _parse_renegotiation_info(reader: Reader) -> bytes:
    return reader.vector(1)


def _write_renegotiation_info(writer: Writer, value: bytes) -> None:
    writer.vector(1, value)


# -- the table -------------------------------------------------------------------------------------

_CH = Context.CLIENT_HELLO
_SH = Context.SERVER_HELLO
_HRR = Context.HELLO_RETRY_REQUEST
_EE = Context.ENCRYPTED_EXTENSIONS
_CT = Context.CERTIFICATE
_CR = Context.CERTIFICATE_REQUEST
_NST = Context.NEW_SESSION_TICKET
_SH12 = Context.SERVER_HELLO_12

# RFC 6066, section 3: the client names the host, the server says that it used the name.
SERVER_NAME: Extension[str] = Extension(
    ExtensionType.SERVER_NAME, _CH, _parse_server_name, _write_server_name
)
SERVER_NAME_ACK: Extension[bool] = Extension(
    ExtensionType.SERVER_NAME, _EE | _SH12, _parse_empty, _write_empty
)

# RFC 6066, section 4: a code of 1 to 4, for 2^(8 + code) bytes.
MAX_FRAGMENT_LENGTH: Extension[int] = Extension(
    ExtensionType.MAX_FRAGMENT_LENGTH, _CH | _EE | _SH12, _parse_max_fragment_length, _write_u8
)

# RFC 6066, section 8; RFC 8446, section 4.4.2.1: a CertificateRequest's is empty, and so is the
# answer of a TLS 1.2 server, which sends the response in a message of its own.
STATUS_REQUEST: Extension[StatusRequest] = Extension(
    ExtensionType.STATUS_REQUEST, _CH, _parse_status_request, _write_status_request
)
STATUS_REQUEST_EMPTY: Extension[bool] = Extension(
    ExtensionType.STATUS_REQUEST, _CR | _SH12, _parse_empty, _write_empty
)
CERTIFICATE_STATUS: Extension[bytes] = Extension(
    ExtensionType.STATUS_REQUEST, _CT, parse_certificate_status, write_certificate_status
)

# RFC 8446, section 4.2.7. Never in a TLS 1.2 ServerHello (RFC 8422, section 4), where some
# load balancers nevertheless echo it; it is accepted there and not used.
SUPPORTED_GROUPS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SUPPORTED_GROUPS, _CH | _EE | _SH12, _parse_u16s_in_u16, _write_u16s_in_u16
)

# RFC 8422, section 5.1.2.
EC_POINT_FORMATS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.EC_POINT_FORMATS, _CH | _SH12, _parse_u8s, _write_u8s
)

# RFC 8446, section 4.2.3.
SIGNATURE_ALGORITHMS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SIGNATURE_ALGORITHMS, _CH | _CR, _parse_u16s_in_u16, _write_u16s_in_u16
)
SIGNATURE_ALGORITHMS_CERT: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SIGNATURE_ALGORITHMS_CERT, _CH | _CR, _parse_u16s_in_u16, _write_u16s_in_u16
)

# RFC 7301, section 3.1: a list from the client, exactly one name from the server.
ALPN: Extension[tuple[bytes, ...]] = Extension(
    ExtensionType.ALPN, _CH, _parse_protocol_names, _write_protocol_names
)
ALPN_SELECTED: Extension[bytes] = Extension(
    ExtensionType.ALPN, _EE | _SH12, _parse_protocol_name, _write_protocol_name
)

# RFC 6962, section 3.3.1; RFC 8446, section 4.2, the table.
SIGNED_CERTIFICATE_TIMESTAMP_REQUEST: Extension[bool] = Extension(
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP, _CH | _CR, _parse_empty, _write_empty
)
SIGNED_CERTIFICATE_TIMESTAMPS: Extension[tuple[bytes, ...]] = Extension(
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP, _CT | _SH12, _parse_timestamps, _write_opaques
)

# RFC 7250, section 3: a list from the client, one selected by the server.
CLIENT_CERTIFICATE_TYPE: Extension[tuple[int, ...]] = Extension(
    ExtensionType.CLIENT_CERTIFICATE_TYPE, _CH, _parse_u8s, _write_u8s
)
CLIENT_CERTIFICATE_TYPE_SELECTED: Extension[int] = Extension(
    ExtensionType.CLIENT_CERTIFICATE_TYPE, _EE | _SH12, _parse_u8, _write_u8
)
SERVER_CERTIFICATE_TYPE: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SERVER_CERTIFICATE_TYPE, _CH, _parse_u8s, _write_u8s
)
SERVER_CERTIFICATE_TYPE_SELECTED: Extension[int] = Extension(
    ExtensionType.SERVER_CERTIFICATE_TYPE, _EE | _SH12, _parse_u8, _write_u8
)

# RFC 7685, section 3. Its bytes have to be zero, but a server gains nothing by looking.
PADDING: Extension[bytes] = Extension(ExtensionType.PADDING, _CH, _parse_opaque, _write_opaque)

# RFC 7627, section 5.1.
EXTENDED_MASTER_SECRET: Extension[bool] = Extension(
    ExtensionType.EXTENDED_MASTER_SECRET, _CH | _SH12, _parse_empty, _write_empty
)

# RFC 8879, section 3.
COMPRESS_CERTIFICATE: Extension[tuple[int, ...]] = Extension(
    ExtensionType.COMPRESS_CERTIFICATE, _CH | _CR, _parse_u16s_in_u8, _write_u16s_in_u8
)

# RFC 8449, section 4.
RECORD_SIZE_LIMIT: Extension[int] = Extension(
    ExtensionType.RECORD_SIZE_LIMIT, _CH | _EE | _SH12, _parse_record_size_limit, _write_u16
)

# RFC 9345, section 4.1: schemes from the asking side, the credential with the certificate.
DELEGATED_CREDENTIAL: Extension[tuple[int, ...]] = Extension(
    ExtensionType.DELEGATED_CREDENTIAL, _CH | _CR, _parse_u16s_in_u16, _write_u16s_in_u16
)
DELEGATED_CREDENTIAL_CERTIFICATE: Extension[bytes] = Extension(
    ExtensionType.DELEGATED_CREDENTIAL, _CT, _parse_opaque, _write_opaque
)

# RFC 5077, section 3.2: the ticket is the whole extension_data, without a length of its own.
SESSION_TICKET: Extension[bytes] = Extension(
    ExtensionType.SESSION_TICKET, _CH | _SH12, _parse_opaque, _write_opaque
)

# RFC 8446, section 4.2.11: what the client offers, and the index of what the server took.
PRE_SHARED_KEY: Extension[OfferedPsks] = Extension(
    ExtensionType.PRE_SHARED_KEY, _CH, _parse_offered_psks, _write_offered_psks
)
PRE_SHARED_KEY_SELECTED: Extension[int] = Extension(
    ExtensionType.PRE_SHARED_KEY, _SH, _parse_u16, _write_u16
)

# RFC 8446, section 4.2.10: a ticket says how many bytes of early data it is good for.
EARLY_DATA: Extension[bool] = Extension(
    ExtensionType.EARLY_DATA, _CH | _EE, _parse_empty, _write_empty
)
EARLY_DATA_LIMIT: Extension[int] = Extension(ExtensionType.EARLY_DATA, _NST, _parse_u32, _write_u32)

# RFC 8446, section 4.2.1.
SUPPORTED_VERSIONS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SUPPORTED_VERSIONS, _CH, _parse_u16s_in_u8, _write_u16s_in_u8
)
SELECTED_VERSION: Extension[int] = Extension(
    ExtensionType.SUPPORTED_VERSIONS, _SH | _HRR, _parse_u16, _write_u16
)

# RFC 8446, section 4.2.2.
COOKIE: Extension[bytes] = Extension(ExtensionType.COOKIE, _CH | _HRR, _parse_cookie, _write_cookie)

# RFC 8446, section 4.2.9.
PSK_KEY_EXCHANGE_MODES: Extension[tuple[int, ...]] = Extension(
    ExtensionType.PSK_KEY_EXCHANGE_MODES, _CH, _parse_u8s, _write_u8s
)

# RFC 8446, section 4.2.4.
CERTIFICATE_AUTHORITIES: Extension[tuple[bytes, ...]] = Extension(
    ExtensionType.CERTIFICATE_AUTHORITIES, _CH | _CR, _parse_authorities, _write_opaques
)

# RFC 8446, section 4.2.5.
OID_FILTERS: Extension[tuple[OidFilter, ...]] = Extension(
    ExtensionType.OID_FILTERS, _CR, _parse_oid_filters, _write_oid_filters
)

# RFC 8446, section 4.2.6.
POST_HANDSHAKE_AUTH: Extension[bool] = Extension(
    ExtensionType.POST_HANDSHAKE_AUTH, _CH, _parse_empty, _write_empty
)

# RFC 8446, section 4.2.8.
KEY_SHARE: Extension[tuple[KeyShareEntry, ...]] = Extension(
    ExtensionType.KEY_SHARE, _CH, _parse_key_shares, _write_key_shares
)
KEY_SHARE_SERVER: Extension[KeyShareEntry] = Extension(
    ExtensionType.KEY_SHARE, _SH, _parse_key_share_entry, _write_key_share_entry
)
KEY_SHARE_RETRY: Extension[int] = Extension(ExtensionType.KEY_SHARE, _HRR, _parse_u16, _write_u16)

# RFC 9849, section 5: read by the code that holds the ECH keys, opaque to everyone else.
ENCRYPTED_CLIENT_HELLO: Extension[bytes] = Extension(
    ExtensionType.ENCRYPTED_CLIENT_HELLO, _CH | _EE | _HRR, _parse_opaque, _write_opaque
)

# RFC 5746, section 3.2.
RENEGOTIATION_INFO: Extension[bytes] = Extension(
    ExtensionType.RENEGOTIATION_INFO,
    _CH | _SH12,
    _parse_renegotiation_info,
    _write_renegotiation_info,
)

EXTENSIONS: tuple[Extension[Any], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Extension)
)
"""Every row, in the order of this file."""

KNOWN_TYPES: frozenset[int] = frozenset(row.type for row in EXTENSIONS)
"""The extensions that have a row, in whatever message."""

_ROWS: dict[Context, dict[int, Extension[Any]]] = {
    context: {row.type: row for row in EXTENSIONS if context in row.contexts} for context in Context
}


def row_for(type: int, context: Context) -> Extension[Any] | None:
    """The form that the extension *type* takes in the message *context*; None if it has none."""
    return _ROWS[context].get(type)


# -- a block of extensions -------------------------------------------------------------------------


class Extensions:
    """The extensions of one message, in their order. Nothing about it changes once it is made."""

    __slots__ = ("_bodies", "_checked", "_values")

    def __init__(self, bodies: dict[int, bytes] | None = None) -> None:
        """From each extension's type and extension_data; :meth:`build` takes values."""
        self._bodies = {} if bodies is None else bodies
        self._values: dict[Extension[Any], Any] = {}
        self._checked: Context | None = None

    @classmethod
    def parse(cls, reader: Reader) -> Extensions:
        """Reads ``Extension extensions<0..2^16-1>`` (RFC 8446, section 4.2).

        Raises ProtocolError (illegal_parameter) where a type stands twice.
        """
        data = reader.vector(2)
        bodies: dict[int, bytes] = {}
        pos, end = 0, len(data)
        while pos < end:
            start = pos + 4
            if start > end:
                raise DecodeError("an extension ends before its data", reason="BAD_EXTENSION")
            kind = data[pos] << 8 | data[pos + 1]
            pos = start + (data[pos + 2] << 8 | data[pos + 3])
            if pos > end:
                raise DecodeError(
                    f"the extension {ExtensionType.label(kind).lower()} is longer than what is "
                    "left of the block",
                    reason="BAD_EXTENSION",
                )
            if kind in bodies:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the peer sent the extension {ExtensionType.label(kind).lower()} twice",
                    reason="DUPLICATE_EXTENSION",
                )
            bodies[kind] = data[start:pos]
        return cls(bodies)

    @classmethod
    def build(cls, rows: Iterable[tuple[Extension[Any] | int, Any]]) -> Extensions:
        """From pairs of a row and its value, or of a type and its extension_data, in order.

        Raises UsageError where a type stands twice.
        """
        bodies: dict[int, bytes] = {}
        for row, value in rows:
            if isinstance(row, Extension):
                kind: int = row.type
                body = row.encode(value)
            else:
                kind, body = row, value
            if kind in bodies:
                raise UsageError(f"the extension {ExtensionType.label(kind).lower()} stands twice")
            bodies[kind] = body
        return cls(bodies)

    @classmethod
    def of(cls, *rows: tuple[Extension[Any] | int, Any]) -> Extensions:
        """:meth:`build`, with the pairs as arguments."""
        return cls.build(rows)

    def get(self, row: Extension[T]) -> T | None:
        """The value of an extension in the form of *row*; None if it is absent.

        Raises ProtocolError, mostly DecodeError, if it does not have that form.
        """
        body = self._bodies.get(row.type)
        if body is None:
            return None
        values = self._values
        if row in values:
            return cast("T", values[row])
        value = values[row] = row.decode(body)
        return value

    def raw(self, type: int) -> bytes | None:
        """The extension_data of an extension, known or not; None if it is absent."""
        return self._bodies.get(type)

    @property
    def types(self) -> tuple[int, ...]:
        """The types, in order."""
        return tuple(self._bodies)

    @property
    def items(self) -> tuple[tuple[int, bytes], ...]:
        """Each type with its extension_data, in order."""
        return tuple(self._bodies.items())

    def without(self, *types: int) -> Extensions:
        """The same block without the extensions of these types."""
        return Extensions({kind: body for kind, body in self._bodies.items() if kind not in types})

    def encode(self) -> bytes:
        """The block as it stands in a message, its length first."""
        pack = struct.pack
        parts = [pack(">HH", kind, len(body)) + body for kind, body in self._bodies.items()]
        data = b"".join(parts)
        return len(data).to_bytes(2, "big") + data

    def write(self, writer: Writer) -> None:
        """Appends the block as it stands in a message."""
        writer.data += self.encode()

    def check(self, context: Context) -> None:
        """Holds the block against the message it stands in.

        Raises ProtocolError (illegal_parameter) for a known extension that has no place in
        *context* (RFC 8446, section 4.2), and whatever :meth:`get` raises for one that is
        malformed. Unknown extensions pass: whether they were asked for is not known here.
        """
        if self._checked is context:
            return
        rows = _ROWS[context]
        values = self._values
        for kind, body in self._bodies.items():
            row = rows.get(kind)
            if row is not None:
                if row not in values:
                    values[row] = row.decode(body)
            elif kind in KNOWN_TYPES:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the peer sent the extension {ExtensionType.label(kind).lower()} in "
                    f"{_context_name(context)}, where it has no place",
                    reason="UNEXPECTED_EXTENSION",
                )
        self._checked = context

    def __contains__(self, type: int) -> bool:
        return type in self._bodies

    def __len__(self) -> int:
        return len(self._bodies)

    def __eq__(self, other: object) -> bool:
        # The order counts: a transcript is made of bytes.
        if not isinstance(other, Extensions):
            return NotImplemented
        return self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        pairs = ", ".join(
            f"{ExtensionType.label(kind).lower()}={body.hex()}" for kind, body in self.items
        )
        return f"Extensions({pairs})"


def _context_name(context: Context) -> str:
    if context is Context.SERVER_HELLO_12:
        return "a TLS 1.2 server_hello"
    return f"its {(context.name or '').lower()}"
