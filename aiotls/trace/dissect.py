"""A handshake message taken apart: every byte belongs to a field with a name and a meaning.

Where a message does not keep to its syntax, what cannot be read becomes a field of its own; no
input raises anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..enums import (
    CertificateCompressionAlgorithm,
    CipherSuite,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
)
from ..errors import TLSError
from ..trust import parse_certificate
from ..trust.distinguished import issuer_of, subject_of
from ..wire.messages import HELLO_RETRY_REQUEST_RANDOM
from .glossary import EXTENSIONS
from .notes import is_raw_key
from .recorder import message_name
from .text import clean, clean_bytes

MAX_SHOWN = 24
"""Bytes of an opaque value that are shown in its description."""


@dataclass(slots=True)
class Field:
    """A stretch of bytes and what it means."""

    name: str
    start: int
    """Where it begins, counted from the message's first byte."""
    end: int
    value: str = ""
    """The content in words; empty where the fields inside say it."""
    note: str = ""
    """Why it is there."""
    inner: list[Field] = field(default_factory=list)

    def leaves(self) -> Iterator[Field]:
        """The fields that have none inside, in order; together they are all bytes."""
        if not self.inner:
            yield self
        for inner in self.inner:
            yield from inner.leaves()


class _Short(Exception):
    """The bytes end before the field does."""


def dissect(data: bytes, protected: bool = True) -> Field:
    """The fields of a whole handshake message, its header of four bytes included.

    *protected* tells TLS 1.3's messages from those of TLS 1.2 that share their types.
    """
    kind = data[0] if data else 0
    root = Field(message_name(kind), 0, len(data))
    cursor = _Cursor(data, root, protected)
    try:
        cursor.u8("type", lambda value: message_name(value))
        cursor.number("length", 3, note="of what follows, in bytes")
        _BODIES.get(kind, _opaque_body)(cursor)
    except _Short:
        pass
    if cursor.position < len(data):
        cursor.take("not understood", len(data) - cursor.position)
    return root


Label = Callable[[int], str]


class _Cursor:
    """Walks over a message, and appends a field for all that it passes."""

    def __init__(self, data: bytes, root: Field, protected: bool) -> None:
        self.data = data
        self.position = 0
        self.end = len(data)
        self.parent = root
        self.protected = protected
        self.retry = False
        self.client = False

    @property
    def left(self) -> int:
        return self.end - self.position

    def more(self) -> bool:
        """Whether anything is left in this block."""
        return self.position < self.end

    def take(self, name: str, length: int, value: str | None = None, note: str = "") -> bytes:
        """*length* bytes as one field; without a *value* it is shown in hexadecimal."""
        if length > self.left:
            raise _Short
        start, self.position = self.position, self.position + length
        content = self.data[start : self.position]
        if length:
            shown = _hex(content) if value is None else value
            self.parent.inner.append(Field(name, start, self.position, shown, note))
        return content

    def number(self, name: str, size: int, label: Label | None = None, note: str = "") -> int:
        """An integer of *size* bytes."""
        content = self.take(name, size, "", note)
        value = int.from_bytes(content, "big")
        code = f"0x{value:0{2 * size}x}"
        shown = str(value) if label is None else label(value)
        if label is not None and code not in shown.lower():
            shown = f"{shown} ({code})"
        self.parent.inner[-1].value = shown
        return value

    def u8(self, name: str, label: Label | None = None, note: str = "") -> int:
        return self.number(name, 1, label, note)

    def u16(self, name: str, label: Label | None = None, note: str = "") -> int:
        return self.number(name, 2, label, note)

    def opaque(self, name: str, size: int, note: str = "") -> bytes:
        """A length of *size* bytes, and as many bytes as it says."""
        length = self.number(f"length of {name}", size)
        return self.take(name, length, note=note)

    @contextmanager
    def group(self, name: str, value: str = "", note: str = "") -> Iterator[Field]:
        """What is read inside becomes the inside of one field."""
        parent = self.parent
        made = Field(name, self.position, self.position, value, note)
        self.parent = made
        try:
            yield made
        finally:
            made.end = self.position
            self.parent = parent
            if made.end > made.start:
                parent.inner.append(made)

    @contextmanager
    def block(self, name: str, size: int, note: str = "") -> Iterator[Field]:
        """A vector: its length, and inside whatever is read until it ends."""
        with self.group(name, note=note) as made:
            length = self.number("length", size)
            if length > self.left:
                raise _Short
            outer, self.end = self.end, self.position + length
            try:
                yield made
            except _Short:
                pass
            finally:
                if self.left:
                    self.take("not understood", self.left)
                self.end = outer

    def each(self, name: str, size: int, label: Label) -> None:
        """Code points of *size* bytes until the block ends."""
        while self.more():
            self.number(name, size, label)


def _hex(content: bytes) -> str:
    shown = content[:MAX_SHOWN].hex(" ")
    return shown + (f" ... ({len(content)} bytes)" if len(content) > MAX_SHOWN else "")


def _opaque_body(cursor: _Cursor) -> None:
    cursor.take("content", cursor.left)


# -- messages --------------------------------------------------------------------------------------


def _client_hello(cursor: _Cursor) -> None:
    cursor.client = True
    cursor.u16(
        "legacy_version",
        ProtocolVersion.label,
        "frozen at TLS 1.2; the real offer is in supported_versions",
    )
    cursor.take("random", 32, note="fresh for each connection: no handshake is like another")
    cursor.opaque("legacy_session_id", 1, "in TLS 1.3 only there to look like TLS 1.2")
    with cursor.block("cipher_suites", 2, "in order of preference"):
        cursor.each("cipher suite", 2, CipherSuite.label)
    with cursor.block("legacy_compression_methods", 1, "none: compression leaks secrets"):
        cursor.each("method", 1, lambda value: "null" if value == 0 else "unknown")
    _extensions(cursor)


def _server_hello(cursor: _Cursor) -> None:
    cursor.u16("legacy_version", ProtocolVersion.label)
    cursor.retry = cursor.data[6:38] == HELLO_RETRY_REQUEST_RANDOM
    note = "fresh for each connection; its last 8 bytes would tell of a downgrade"
    if cursor.retry:
        note = "a fixed value: this is a HelloRetryRequest"
    cursor.take("random", 32, note=note)
    cursor.opaque("legacy_session_id_echo", 1, "the client's, sent back")
    cursor.u16("cipher_suite", CipherSuite.label, "the server's choice")
    cursor.u8("legacy_compression_method", lambda value: "null" if value == 0 else "unknown")
    _extensions(cursor)


def _encrypted_extensions(cursor: _Cursor) -> None:
    _extensions(cursor)


def _certificate(cursor: _Cursor) -> None:
    if cursor.protected:
        cursor.opaque("certificate_request_context", 1, "empty in the handshake itself")
    elif is_raw_key(cursor.data[cursor.position + 3 :]):
        cursor.opaque("ASN.1_subjectPublicKeyInfo", 3, "RFC 7250: a key, and no certificate")
        return
    with cursor.block("certificate_list", 3, "the sender's own first, the root not at all"):
        number = 0
        while cursor.more():
            number += 1
            with cursor.group(f"certificate {number}"):
                length = cursor.number("length", 3)
                if length > cursor.left:
                    raise _Short
                content = cursor.data[cursor.position : cursor.position + length]
                if is_raw_key(content):
                    note = "RFC 7250: a key, and no certificate"
                    cursor.take("ASN.1_subjectPublicKeyInfo", length, _hex(content), note)
                else:
                    cursor.take("cert_data", length, _about(content), "X.509, in DER")
                if cursor.protected:
                    _extensions(cursor)


def _about(der: bytes) -> str:
    try:
        certificate = parse_certificate(der)
        subject, issuer = subject_of(certificate), issuer_of(certificate)
        return clean(
            f"{subject.rfc4514_string() or '(no subject)'}; issued by {issuer.rfc4514_string()}; "
            f"valid {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        )
    except (TLSError, ValueError):
        return _hex(der)


def _certificate_verify(cursor: _Cursor) -> None:
    cursor.u16("algorithm", SignatureScheme.label)
    cursor.opaque("signature", 2, "over all messages before this one")


def _certificate_request(cursor: _Cursor) -> None:
    if cursor.protected:
        cursor.opaque("certificate_request_context", 1)
        cursor.client = True  # its extensions have a ClientHello's syntax
        _extensions(cursor)
        return
    cursor.opaque("certificate_types", 1)
    with cursor.block("supported_signature_algorithms", 2):
        cursor.each("scheme", 2, SignatureScheme.label)
    cursor.opaque("certificate_authorities", 2)


def _compressed_certificate(cursor: _Cursor) -> None:
    cursor.u16("algorithm", CertificateCompressionAlgorithm.label)
    cursor.number("uncompressed_length", 3)
    cursor.opaque("compressed_certificate_message", 3)


def _finished(cursor: _Cursor) -> None:
    cursor.take(
        "verify_data", cursor.left, note="a MAC over the whole handshake under a key made from it"
    )


def _new_session_ticket(cursor: _Cursor) -> None:
    cursor.number("ticket_lifetime", 4, note="in seconds")
    if not cursor.protected:
        cursor.opaque("ticket", 2)
        return
    cursor.take("ticket_age_add", 4, note="hides the ticket's age when it is used")
    cursor.opaque("ticket_nonce", 1, "makes each ticket's key another")
    cursor.opaque("ticket", 2, "sealed by the server, for its own eyes")
    _extensions(cursor)


def _key_update(cursor: _Cursor) -> None:
    cursor.u8("request_update", lambda value: "update_requested" if value else "not_requested")


def _server_key_exchange(cursor: _Cursor) -> None:
    cursor.u8("curve_type", lambda value: "named_curve" if value == 3 else "unknown")
    cursor.u16("named_curve", NamedGroup.label)
    cursor.opaque("public", 1)
    cursor.u16("algorithm", SignatureScheme.label)
    cursor.opaque("signature", 2)


def _client_key_exchange(cursor: _Cursor) -> None:
    cursor.opaque("public", 1)


_BODIES: dict[int, Callable[[_Cursor], None]] = {
    HandshakeType.CLIENT_HELLO: _client_hello,
    HandshakeType.SERVER_HELLO: _server_hello,
    HandshakeType.NEW_SESSION_TICKET: _new_session_ticket,
    HandshakeType.ENCRYPTED_EXTENSIONS: _encrypted_extensions,
    HandshakeType.CERTIFICATE: _certificate,
    HandshakeType.SERVER_KEY_EXCHANGE: _server_key_exchange,
    HandshakeType.CERTIFICATE_REQUEST: _certificate_request,
    HandshakeType.CERTIFICATE_VERIFY: _certificate_verify,
    HandshakeType.CLIENT_KEY_EXCHANGE: _client_key_exchange,
    HandshakeType.FINISHED: _finished,
    HandshakeType.KEY_UPDATE: _key_update,
    HandshakeType.COMPRESSED_CERTIFICATE: _compressed_certificate,
}


# -- extensions ------------------------------------------------------------------------------------


def _extensions(cursor: _Cursor) -> None:
    if not cursor.left:  # TLS 1.2 may go without
        return
    with cursor.block("extensions", 2):
        while cursor.more():
            start = cursor.position
            kind = int.from_bytes(cursor.data[start : start + 2], "big")
            label = ExtensionType.label(kind)
            name = label if label.startswith(("GREASE", "0x")) else label.lower()
            with cursor.group(name) as made:
                cursor.u16("extension_type", ExtensionType.label)
                length = cursor.u16("length")
                if length > cursor.left:
                    raise _Short
                made.note = _PURPOSES.get(kind, "")
                _extension(cursor, kind, length)


def _extension(cursor: _Cursor, kind: int, length: int) -> None:
    outer, cursor.end = cursor.end, cursor.position + length
    try:
        _EXTENSIONS.get(kind, _opaque_extension)(cursor)
    except _Short:
        pass
    finally:
        if cursor.left:
            cursor.take("not understood", cursor.left)
        cursor.end = outer


def _opaque_extension(cursor: _Cursor) -> None:
    cursor.take("content", cursor.left)


def _server_name(cursor: _Cursor) -> None:
    if not cursor.left:
        return
    with cursor.block("server_name_list", 2):
        while cursor.more():
            cursor.u8("name_type", lambda value: "host_name" if value == 0 else "unknown")
            _text(cursor, "host_name", 2)


def _text(cursor: _Cursor, name: str, size: int) -> None:
    length = cursor.number(f"length of {name}", size)
    if length > cursor.left:
        raise _Short
    content = cursor.data[cursor.position : cursor.position + length]
    cursor.take(name, length, clean_bytes(content, 255))


def _alpn(cursor: _Cursor) -> None:
    with cursor.block("protocol_name_list", 2):
        while cursor.more():
            _text(cursor, "protocol", 1)


def _groups(cursor: _Cursor) -> None:
    with cursor.block("named_group_list", 2):
        cursor.each("group", 2, NamedGroup.label)


def _schemes(cursor: _Cursor) -> None:
    with cursor.block("supported_signature_algorithms", 2):
        cursor.each("scheme", 2, SignatureScheme.label)


def _versions(cursor: _Cursor) -> None:
    if not cursor.client:
        cursor.u16("selected_version", ProtocolVersion.label)
        return
    with cursor.block("versions", 1):
        cursor.each("version", 2, ProtocolVersion.label)


def _key_share(cursor: _Cursor) -> None:
    if cursor.retry:
        cursor.u16("selected_group", NamedGroup.label, "the client is to send a share of this")
    elif cursor.client:
        with cursor.block("client_shares", 2):
            while cursor.more():
                _share(cursor)
    else:
        _share(cursor)


def _share(cursor: _Cursor) -> None:
    code = int.from_bytes(cursor.data[cursor.position : cursor.position + 2], "big")
    with cursor.group("share", NamedGroup.label(code)):
        cursor.u16("group", NamedGroup.label)
        cursor.opaque("key_exchange", 2, "an ephemeral public key")


def _modes(cursor: _Cursor) -> None:
    with cursor.block("ke_modes", 1):
        cursor.each("mode", 1, PskKeyExchangeMode.label)


def _cookie(cursor: _Cursor) -> None:
    cursor.opaque("cookie", 2)


def _pre_shared_key(cursor: _Cursor) -> None:
    if not cursor.client:
        cursor.u16("selected_identity")
        return
    with cursor.block("identities", 2):
        while cursor.more():
            cursor.opaque("identity", 2, "a ticket, or the name of a key")
            cursor.take("obfuscated_ticket_age", 4)
    with cursor.block("binders", 2):
        while cursor.more():
            cursor.opaque("binder", 1, "proves the key, and seals all that stands before")


def _early_data(cursor: _Cursor) -> None:
    if cursor.left:
        cursor.number("max_early_data_size", 4)


def _compression(cursor: _Cursor) -> None:
    with cursor.block("algorithms", 1):
        cursor.each("algorithm", 2, CertificateCompressionAlgorithm.label)


def _point_formats(cursor: _Cursor) -> None:
    with cursor.block("ec_point_format_list", 1):
        cursor.each("format", 1, lambda value: "uncompressed" if value == 0 else "obsolete")


def _record_size_limit(cursor: _Cursor) -> None:
    cursor.u16("record_size_limit")


def _status_request(cursor: _Cursor) -> None:
    if not cursor.left:
        return
    cursor.u8("status_type", lambda value: "ocsp" if value == 1 else "unknown")
    if cursor.client:
        cursor.opaque("responder_id_list", 2)
        cursor.opaque("request_extensions", 2)
    else:
        cursor.opaque("response", 3, "the authority's word that the certificate is not revoked")


_EXTENSIONS: dict[int, Callable[[_Cursor], None]] = {
    ExtensionType.SERVER_NAME: _server_name,
    ExtensionType.ALPN: _alpn,
    ExtensionType.SUPPORTED_GROUPS: _groups,
    ExtensionType.SIGNATURE_ALGORITHMS: _schemes,
    ExtensionType.SIGNATURE_ALGORITHMS_CERT: _schemes,
    ExtensionType.SUPPORTED_VERSIONS: _versions,
    ExtensionType.KEY_SHARE: _key_share,
    ExtensionType.PSK_KEY_EXCHANGE_MODES: _modes,
    ExtensionType.COOKIE: _cookie,
    ExtensionType.PRE_SHARED_KEY: _pre_shared_key,
    ExtensionType.EARLY_DATA: _early_data,
    ExtensionType.COMPRESS_CERTIFICATE: _compression,
    ExtensionType.EC_POINT_FORMATS: _point_formats,
    ExtensionType.RECORD_SIZE_LIMIT: _record_size_limit,
    ExtensionType.STATUS_REQUEST: _status_request,
}

_PURPOSES: dict[int, str] = {int(kind): text for kind, (text, _) in EXTENSIONS.items()}
