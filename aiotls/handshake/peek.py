"""A ClientHello read by someone who may not be its server: routers, proxies, mixed ports."""

from __future__ import annotations

from ..config import ClientHelloInfo
from ..enums import Alert, ContentType, HandshakeType
from ..errors import ProtocolError
from ..record import RecordReader
from ..wire.messages import ClientHello
from .selection import describe_hello

MAX_CLIENT_HELLO = 1 << 16
"""Bytes; what clients send has at most a few thousand."""


def peek_client_hello(data: bytes | bytearray | memoryview) -> ClientHelloInfo | None:
    """What the client whose first bytes are *data* asks for; None while there are too few.

    *data* begins with the connection and may end anywhere; it is only looked at, so that it can
    still be given to a :class:`TLSConnection`, to :func:`start_tls`, or to another server. Raises
    :exc:`ProtocolError` for what is no TLS, or no ClientHello (RFC 8446, section 4.1.2), with the
    alert that a server would answer.
    """
    reader = RecordReader()
    reader.feed(data)
    message = bytearray()
    while (record := reader.next()) is not None:
        kind, content = record
        if kind != ContentType.HANDSHAKE or not content:
            raise _unexpected(f"a record of {ContentType.label(kind)}")
        message += content
        if message[0] != HandshakeType.CLIENT_HELLO:
            raise _unexpected(HandshakeType.label(message[0]))
        length = int.from_bytes(message[1:4], "big") if len(message) >= 4 else 0
        if length > MAX_CLIENT_HELLO:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the client announced a ClientHello of {length} bytes",
                reason="EXCESSIVE_MESSAGE_SIZE",
            )
        if len(message) >= 4 + length and len(message) >= 4:
            return describe_hello(ClientHello.parse(bytes(message[4 : 4 + length])))
    return None


def _unexpected(what: str) -> ProtocolError:
    return ProtocolError(
        Alert.UNEXPECTED_MESSAGE, f"the client began with {what}, not with a ClientHello"
    )
