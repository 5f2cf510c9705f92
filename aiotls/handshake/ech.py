"""Encrypted Client Hello in the handshake, what both roles share: RFC 9849.

The client writes its ClientHello, the inner one, and seals it into another, the outer one,
that names nothing but the server's public name. A server that has the key goes on with the
inner one and says so in eight bytes that only it can compute; any other goes on with the outer
one, and all that comes of it is an authenticated word on what keys to use.

The main lines of both roles know nothing of this but where a hello is sent, received and
confirmed. What they hold is an :class:`.Offer` or a ClientHello, whichever of the two it is.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..crypto.schedule13 import expand_label
from ..crypto.suites import Suite
from ..enums import Alert, ExtensionType
from ..errors import DecodeError, ProtocolError
from ..wire.codec import Reader, Writer
from ..wire.extensions import Extensions
from ..wire.messages import ClientHello, ServerHello

if TYPE_CHECKING:
    from .transcript import Transcript

ECH = ExtensionType.ENCRYPTED_CLIENT_HELLO
OUTER, INNER = 0, 1
"""ECHClientHelloType (section 5)."""

INNER_VALUE = bytes([INNER])
"""The extension as it stands in an inner ClientHello."""

CONFIRMATION = 8
"""Bytes in which a server says that it took the inner ClientHello (section 7.2)."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The outer variant of the extension (section 5)."""

    kdf: int
    aead: int
    config_id: int
    enc: bytes
    payload: bytes

    def encode(self) -> bytes:
        writer = Writer()
        writer.u8(OUTER)
        writer.u16(self.kdf)
        writer.u16(self.aead)
        writer.u8(self.config_id)
        writer.vector(2, self.enc)
        writer.vector(2, self.payload)
        return bytes(writer.data)

    @classmethod
    def parse(cls, data: bytes) -> Sealed | None:
        """None for the inner variant. Raises ProtocolError for what is neither."""
        try:
            return cls._read(Reader(data))
        except DecodeError as error:
            raise DecodeError(
                f"the client's encrypted_client_hello is malformed: {error}",
                reason="BAD_EXTENSION",
            ) from error

    @classmethod
    def _read(cls, reader: Reader) -> Sealed | None:
        kind = reader.u8()
        if kind not in (OUTER, INNER):  # section 7
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the client sent encrypted_client_hello of the unknown type {kind}",
            )
        sealed = None
        if kind == OUTER:
            sealed = cls(
                reader.u16(), reader.u16(), reader.u8(), reader.vector(2), reader.vector(2, 1)
            )
        reader.finish()
        return sealed


def with_value(hello: ClientHello, value: bytes) -> ClientHello:
    """The hello with another value in its encrypted_client_hello, where that stands."""
    return replace(hello, extensions=Extensions({**dict(hello.extensions.items), int(ECH): value}))


def confirmation(before: Transcript, suite: Suite, random: bytes, hello: ServerHello) -> bytes:
    """accept_confirmation of section 7.2; *before* is the transcript to the inner ClientHello."""
    blank = replace(hello, random=hello.random[:-CONFIRMATION] + bytes(CONFIRMATION))
    digest = before.hash_of(suite.hash_name, blank.encode())
    return _expand(suite, random, b"ech accept confirmation", digest)


def retry_confirmation(
    before: Transcript, suite: Suite, random: bytes, hello: ServerHello
) -> bytes:
    """hrr_accept_confirmation of section 7.2.1; *before* ends in the first inner ClientHello."""
    bodies = {**dict(hello.extensions.items), int(ECH): bytes(CONFIRMATION)}
    blank = replace(hello, extensions=Extensions(bodies))
    condensed = before.copy()
    condensed.condense(suite.hash_name)
    digest = condensed.hash_of(suite.hash_name, blank.encode())
    return _expand(suite, random, b"hrr ech accept confirmation", digest)


def _expand(suite: Suite, random: bytes, label: bytes, digest: bytes) -> bytes:
    secret = hmac.digest(bytes(suite.hash_length), random, suite.hash_name)
    return expand_label(suite.hash_name, secret, label, digest, CONFIRMATION)
