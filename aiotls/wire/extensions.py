"""The extensions of TLS: one table row for each, with its syntax and where it is allowed.

Where an extension's syntax depends on the message that carries it, each form is a row of
its own: ``KEY_SHARE`` is what a client offers, ``KEY_SHARE_SERVER`` what a server answers,
``KEY_SHARE_RETRY`` what a HelloRetryRequest asks for. The names are those of the RFCs.

A row reads and writes the extension's *value*, never its type and length; how, is in
``syntax``. What depends on the rest of the handshake is checked by the handshake.

:class:`Extensions` is a block of them. It keeps the bytes as they came, so that an unknown
extension (RFC 8701) survives untouched, and decodes a value the first time it is asked for.
"""

from __future__ import annotations

import enum
import functools
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..enums import Alert, ExtensionType
from ..errors import DecodeError, ProtocolError, UsageError
from . import syntax
from .codec import Reader, Writer
from .syntax import OCSP, KeyShareEntry, OfferedPsks, OidFilter, PskIdentity, StatusRequest

__all__ = [
    "OCSP",
    "KeyShareEntry",
    "OfferedPsks",
    "OidFilter",
    "PskIdentity",
    "StatusRequest",
    "Context",
    "Extension",
    "Extensions",
    "EXTENSIONS",
    "KNOWN_TYPES",
    "row_for",
]

T = TypeVar("T")

_HEADER = struct.Struct(">HH")
"""An extension's type and the length of its data."""

MAX_REMEMBERED = 128
"""Bytes of an extension_data whose value is remembered."""


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

    fresh: bool = False
    """Whether it is another one in each connection. The others say the same again and again, so
    that what they mean is remembered."""

    @property
    def name(self) -> str:
        """The extension's name as the RFCs write it: ``server_name``."""
        return self.type.name.lower()

    def decode(self, body: bytes) -> T:
        """The value that *body*, the extension_data, encodes.

        Raises DecodeError unless *body* is exactly one value; ProtocolError for a value that the
        RFC forbids.
        """
        if self.fresh or len(body) > MAX_REMEMBERED:
            return self._decode(body)
        value: T = _remembered_value(self, body)
        return value

    def _decode(self, body: bytes) -> T:
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
        return self._encode(value) if self.fresh else _remembered_body(self, value)

    def _encode(self, value: T) -> bytes:
        writer = Writer()
        self.write(writer, value)
        return bytes(writer.data)


@functools.lru_cache(maxsize=1024)
def _remembered_value(row: Extension[Any], body: bytes) -> Any:
    return row._decode(body)


@functools.lru_cache(maxsize=256)
def _remembered_body(row: Extension[Any], value: Any) -> bytes:
    return row._encode(value)


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
    ExtensionType.SERVER_NAME, _CH, syntax.parse_server_name, syntax.write_server_name
)
SERVER_NAME_ACK: Extension[bool] = Extension(
    ExtensionType.SERVER_NAME, _EE | _SH12, syntax.parse_empty, syntax.write_empty
)

# RFC 6066, section 4: a code of 1 to 4, for 2^(8 + code) bytes.
MAX_FRAGMENT_LENGTH: Extension[int] = Extension(
    ExtensionType.MAX_FRAGMENT_LENGTH,
    _CH | _EE | _SH12,
    syntax.parse_max_fragment_length,
    Writer.u8,
)

# RFC 6066, section 8; RFC 8446, section 4.4.2.1: a CertificateRequest's is empty, and so is the
# answer of a TLS 1.2 server, which sends the response in a message of its own.
STATUS_REQUEST: Extension[StatusRequest] = Extension(
    ExtensionType.STATUS_REQUEST, _CH, syntax.parse_status_request, syntax.write_status_request
)
STATUS_REQUEST_EMPTY: Extension[bool] = Extension(
    ExtensionType.STATUS_REQUEST, _CR | _SH12, syntax.parse_empty, syntax.write_empty
)
CERTIFICATE_STATUS: Extension[bytes] = Extension(
    ExtensionType.STATUS_REQUEST,
    _CT,
    syntax.parse_certificate_status,
    syntax.write_certificate_status,
    fresh=True,
)

# RFC 8446, section 4.2.7. Never in a TLS 1.2 ServerHello (RFC 8422, section 4), where some
# load balancers nevertheless echo it; it is accepted there and not used.
SUPPORTED_GROUPS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SUPPORTED_GROUPS, _CH | _EE | _SH12, syntax.parse_u16s, syntax.write_u16s
)

# RFC 8422, section 5.1.2.
EC_POINT_FORMATS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.EC_POINT_FORMATS, _CH | _SH12, syntax.parse_u8s, syntax.write_u8s
)

# RFC 8446, section 4.2.3.
SIGNATURE_ALGORITHMS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SIGNATURE_ALGORITHMS, _CH | _CR, syntax.parse_u16s, syntax.write_u16s
)
SIGNATURE_ALGORITHMS_CERT: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SIGNATURE_ALGORITHMS_CERT, _CH | _CR, syntax.parse_u16s, syntax.write_u16s
)

# RFC 7301, section 3.1: a list from the client, exactly one name from the server.
ALPN: Extension[tuple[bytes, ...]] = Extension(
    ExtensionType.ALPN, _CH, syntax.parse_protocol_names, syntax.write_protocol_names
)
ALPN_SELECTED: Extension[bytes] = Extension(
    ExtensionType.ALPN, _EE | _SH12, syntax.parse_protocol_name, syntax.write_protocol_name
)

# RFC 6962, section 3.3.1; RFC 8446, section 4.2, the table.
SIGNED_CERTIFICATE_TIMESTAMP_REQUEST: Extension[bool] = Extension(
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP, _CH | _CR, syntax.parse_empty, syntax.write_empty
)
SIGNED_CERTIFICATE_TIMESTAMPS: Extension[tuple[bytes, ...]] = Extension(
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP,
    _CT | _SH12,
    syntax.parse_timestamps,
    syntax.write_opaques,
    fresh=True,
)

# RFC 7250, section 3: a list from the client, one selected by the server.
CLIENT_CERTIFICATE_TYPE: Extension[tuple[int, ...]] = Extension(
    ExtensionType.CLIENT_CERTIFICATE_TYPE, _CH, syntax.parse_u8s, syntax.write_u8s
)
CLIENT_CERTIFICATE_TYPE_SELECTED: Extension[int] = Extension(
    ExtensionType.CLIENT_CERTIFICATE_TYPE, _EE | _SH12, Reader.u8, Writer.u8
)
SERVER_CERTIFICATE_TYPE: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SERVER_CERTIFICATE_TYPE, _CH, syntax.parse_u8s, syntax.write_u8s
)
SERVER_CERTIFICATE_TYPE_SELECTED: Extension[int] = Extension(
    ExtensionType.SERVER_CERTIFICATE_TYPE, _EE | _SH12, Reader.u8, Writer.u8
)

# RFC 7685, section 3. Its bytes have to be zero, but a server gains nothing by looking.
PADDING: Extension[bytes] = Extension(
    ExtensionType.PADDING, _CH, Reader.rest, Writer.put, fresh=True
)

# RFC 7627, section 5.1.
EXTENDED_MASTER_SECRET: Extension[bool] = Extension(
    ExtensionType.EXTENDED_MASTER_SECRET, _CH | _SH12, syntax.parse_empty, syntax.write_empty
)

# RFC 8879, section 3.
COMPRESS_CERTIFICATE: Extension[tuple[int, ...]] = Extension(
    ExtensionType.COMPRESS_CERTIFICATE, _CH | _CR, syntax.parse_u16s_in_u8, syntax.write_u16s_in_u8
)

# RFC 8449, section 4.
RECORD_SIZE_LIMIT: Extension[int] = Extension(
    ExtensionType.RECORD_SIZE_LIMIT, _CH | _EE | _SH12, syntax.parse_record_size_limit, Writer.u16
)

# RFC 9345, section 4.1: schemes from the asking side, the credential with the certificate.
DELEGATED_CREDENTIAL: Extension[tuple[int, ...]] = Extension(
    ExtensionType.DELEGATED_CREDENTIAL, _CH | _CR, syntax.parse_u16s, syntax.write_u16s
)
DELEGATED_CREDENTIAL_CERTIFICATE: Extension[bytes] = Extension(
    ExtensionType.DELEGATED_CREDENTIAL, _CT, Reader.rest, Writer.put, fresh=True
)

# RFC 5077, section 3.2: the ticket is the whole extension_data, without a length of its own.
SESSION_TICKET: Extension[bytes] = Extension(
    ExtensionType.SESSION_TICKET, _CH | _SH12, Reader.rest, Writer.put, fresh=True
)

# RFC 8446, section 4.2.11: what the client offers, and the index of what the server took.
PRE_SHARED_KEY: Extension[OfferedPsks] = Extension(
    ExtensionType.PRE_SHARED_KEY,
    _CH,
    syntax.parse_offered_psks,
    syntax.write_offered_psks,
    fresh=True,
)
PRE_SHARED_KEY_SELECTED: Extension[int] = Extension(
    ExtensionType.PRE_SHARED_KEY, _SH, Reader.u16, Writer.u16
)

# RFC 8446, section 4.2.10: a ticket says how many bytes of early data it is good for.
EARLY_DATA: Extension[bool] = Extension(
    ExtensionType.EARLY_DATA, _CH | _EE, syntax.parse_empty, syntax.write_empty
)
EARLY_DATA_LIMIT: Extension[int] = Extension(ExtensionType.EARLY_DATA, _NST, Reader.u32, Writer.u32)

# RFC 8446, section 4.2.1.
SUPPORTED_VERSIONS: Extension[tuple[int, ...]] = Extension(
    ExtensionType.SUPPORTED_VERSIONS, _CH, syntax.parse_u16s_in_u8, syntax.write_u16s_in_u8
)
SELECTED_VERSION: Extension[int] = Extension(
    ExtensionType.SUPPORTED_VERSIONS, _SH | _HRR, Reader.u16, Writer.u16
)

# RFC 8446, section 4.2.2.
COOKIE: Extension[bytes] = Extension(
    ExtensionType.COOKIE, _CH | _HRR, syntax.parse_cookie, syntax.write_cookie, fresh=True
)

# RFC 8446, section 4.2.9.
PSK_KEY_EXCHANGE_MODES: Extension[tuple[int, ...]] = Extension(
    ExtensionType.PSK_KEY_EXCHANGE_MODES, _CH, syntax.parse_u8s, syntax.write_u8s
)

# RFC 8446, section 4.2.4.
CERTIFICATE_AUTHORITIES: Extension[tuple[bytes, ...]] = Extension(
    ExtensionType.CERTIFICATE_AUTHORITIES, _CH | _CR, syntax.parse_authorities, syntax.write_opaques
)

# RFC 8446, section 4.2.5.
OID_FILTERS: Extension[tuple[OidFilter, ...]] = Extension(
    ExtensionType.OID_FILTERS, _CR, syntax.parse_oid_filters, syntax.write_oid_filters
)

# RFC 8446, section 4.2.6.
POST_HANDSHAKE_AUTH: Extension[bool] = Extension(
    ExtensionType.POST_HANDSHAKE_AUTH, _CH, syntax.parse_empty, syntax.write_empty
)

# RFC 8446, section 4.2.8.
KEY_SHARE: Extension[tuple[KeyShareEntry, ...]] = Extension(
    ExtensionType.KEY_SHARE, _CH, syntax.parse_key_shares, syntax.write_key_shares, fresh=True
)
KEY_SHARE_SERVER: Extension[KeyShareEntry] = Extension(
    ExtensionType.KEY_SHARE,
    _SH,
    syntax.parse_key_share_entry,
    syntax.write_key_share_entry,
    fresh=True,
)
KEY_SHARE_RETRY: Extension[int] = Extension(ExtensionType.KEY_SHARE, _HRR, Reader.u16, Writer.u16)

# RFC 9849, section 5: read by the code that holds the ECH keys, opaque to everyone else.
ENCRYPTED_CLIENT_HELLO: Extension[bytes] = Extension(
    ExtensionType.ENCRYPTED_CLIENT_HELLO, _CH | _EE | _HRR, Reader.rest, Writer.put, fresh=True
)

# RFC 5746, section 3.2.
RENEGOTIATION_INFO: Extension[bytes] = Extension(
    ExtensionType.RENEGOTIATION_INFO,
    _CH | _SH12,
    syntax.parse_renegotiation_info,
    syntax.write_renegotiation_info,
    fresh=True,
)

EXTENSIONS: tuple[Extension[Any], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Extension)
)
"""Every row, in the order of this file."""

KNOWN_TYPES: frozenset[int] = frozenset(row.type for row in EXTENSIONS)
"""The extensions that have a row, in whatever message."""

# By the number of the context, as a member of an enumeration is slow to hash.
_ROWS: dict[int, dict[int, Extension[Any]]] = {
    context._value_: {row.type: row for row in EXTENSIONS if context in row.contexts}
    for context in Context
}


def row_for(type: int, context: Context) -> Extension[Any] | None:
    """The form that the extension *type* takes in the message *context*; None if it has none."""
    return _ROWS[context._value_].get(type)


# -- a block of extensions -------------------------------------------------------------------------

Rows = list[tuple[Extension[Any] | int, Any]]
"""What a block is built from: pairs of a row and its value, or of a type and its extension_data."""


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
            kind, length = _HEADER.unpack_from(data, pos)
            pos = start + length
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
                body = row._encode(value) if row.fresh else _remembered_body(row, value)
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
        try:
            value: T = self._values[row]
        except KeyError:
            value = self._values[row] = row.decode(body)
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

    def ending(self, row: Extension[T], value: T) -> Extensions:
        """The same block with *value* for an extension that comes last."""
        bodies = self._bodies.copy()
        bodies.pop(row.type, None)
        bodies[row.type] = row.encode(value)
        return Extensions(bodies)

    def encode(self) -> bytes:
        """The block as it stands in a message, its length first."""
        pack = _HEADER.pack
        parts = [pack(kind, len(body)) + body for kind, body in self._bodies.items()]
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
        rows = _ROWS[context._value_]
        values = self._values
        for kind, body in self._bodies.items():
            row = rows.get(kind)
            if row is not None:
                if row in values:
                    continue
                if row.fresh or len(body) > MAX_REMEMBERED:
                    values[row] = row._decode(body)
                else:
                    values[row] = _remembered_value(row, body)
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
