"""The handshake messages: a frozen dataclass for each (RFC 8446, section 4; RFC 5246, 7.4).

``parse`` takes a message's body, without the four bytes of type and length before it, and
``encode`` gives the whole message. Code points stay plain integers, as anyone may send any
number; random values, keys and signatures stay bytes. Parsing holds the extensions against
the message as well (:meth:`.Extensions.check`), so that a message that exists is well-formed
throughout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Self

from ..enums import Alert, ExtensionType, HandshakeType, KeyUpdateRequest, ProtocolVersion
from ..errors import DecodeError, ProtocolError
from .codec import Reader, Writer
from .extensions import (
    PRE_SHARED_KEY,
    SELECTED_VERSION,
    Context,
    Extensions,
)
from .syntax import parse_certificate_status, write_certificate_status

HELLO_RETRY_REQUEST_RANDOM = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
"""RFC 8446, section 4.1.3: SHA-256 of "HelloRetryRequest", in place of a server's random."""

_BEGINNING = struct.Struct(">H32s")
"""Of both hellos: legacy_version and random."""

_CHOICES = struct.Struct(">HB")
"""Of a ServerHello: cipher_suite and legacy_compression_method."""


class Message:
    """What all handshake messages have in common."""

    __slots__ = ()

    type: ClassVar[HandshakeType]
    """The message's code point."""

    def encode(self) -> bytes:
        """The message as it is sent: type, length, body (RFC 8446, section 4)."""
        writer = Writer()
        self.write(writer)
        body = writer.data
        return (self.type << 24 | len(body)).to_bytes(4, "big") + body

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The message that *body* is.

        Raises DecodeError unless *body* is exactly one such message, and ProtocolError for one
        that is well-formed and still forbidden.
        """
        reader = Reader(body)
        message = cls.read(reader)
        reader.finish()
        return message

    def write(self, writer: Writer) -> None:
        """Appends the body."""
        raise NotImplementedError

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads the body; what is left over afterwards is :meth:`parse`'s concern."""
        raise NotImplementedError


class _Empty(Message):
    """A message without content."""

    __slots__ = ()

    def write(self, writer: Writer) -> None:
        pass

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls()


# -- both versions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientHello(Message):
    """RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.2."""

    type = HandshakeType.CLIENT_HELLO

    random: bytes
    """32 bytes."""
    session_id: bytes
    """At most 32 bytes; in TLS 1.3 only there for middleboxes."""
    cipher_suites: tuple[int, ...]
    compression_methods: bytes = b"\0"
    extensions: Extensions = field(default_factory=Extensions)
    legacy_version: int = ProtocolVersion.TLSv1_2

    def write(self, writer: Writer) -> None:
        writer.u16(self.legacy_version)
        writer.put(self.random)
        writer.vector(1, self.session_id)
        writer.u16_list(2, self.cipher_suites)
        writer.vector(1, self.compression_methods)
        if self.extensions:
            self.extensions.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        version, random = _BEGINNING.unpack(reader.take(34))
        session_id = reader.vector(1, 0, 32)
        cipher_suites = reader.u16_list(2)
        compression_methods = reader.vector(1, 1)
        # RFC 5246, section 7.4.1.2: the block may be absent altogether.
        extensions = Extensions.parse(reader) if reader.remaining else Extensions()
        types = extensions.types
        # RFC 8446, section 4.2.11: its binders cover all that stands before them.
        if ExtensionType.PRE_SHARED_KEY in types[:-1]:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the client sent pre_shared_key before other extensions; it has to be the last",
                reason="PRE_SHARED_KEY_MUST_BE_LAST",
            )
        extensions.check(Context.CLIENT_HELLO)
        return cls(random, session_id, cipher_suites, compression_methods, extensions, version)

    def with_extensions(self, extensions: Extensions) -> ClientHello:
        """The same hello with other extensions."""
        return ClientHello(
            self.random,
            self.session_id,
            self.cipher_suites,
            self.compression_methods,
            extensions,
            self.legacy_version,
        )

    @property
    def binders_length(self) -> int:
        """How many bytes at the end of the message are PSK binders and their length; 0 if none."""
        offered = self.extensions.get(PRE_SHARED_KEY)
        return 0 if offered is None else offered.binders_length

    @property
    def binders_offset(self) -> int:
        """Where in the encoded message the list of PSK binders begins; its end, if it has none."""
        return len(self.encode()) - self.binders_length

    def truncated(self) -> bytes:
        """What the PSK binders cover: the encoded message without them (RFC 8446, 4.2.11.2)."""
        encoded = self.encode()
        return encoded[: len(encoded) - self.binders_length]


@dataclass(frozen=True, slots=True)
class ServerHello(Message):
    """RFC 8446, sections 4.1.3 and 4.1.4; RFC 5246, section 7.4.1.3."""

    type = HandshakeType.SERVER_HELLO

    random: bytes
    """32 bytes."""
    session_id: bytes
    """At most 32 bytes; in TLS 1.3 the client's, echoed."""
    cipher_suite: int
    extensions: Extensions = field(default_factory=Extensions)
    legacy_version: int = ProtocolVersion.TLSv1_2
    compression_method: int = 0

    @property
    def is_retry(self) -> bool:
        """Whether this is a HelloRetryRequest, which only its random tells apart."""
        return self.random == HELLO_RETRY_REQUEST_RANDOM

    @property
    def version(self) -> int:
        """The version that the server selected (RFC 8446, section 4.2.1)."""
        selected = self.extensions.get(SELECTED_VERSION)
        return self.legacy_version if selected is None else selected

    def write(self, writer: Writer) -> None:
        writer.u16(self.legacy_version)
        writer.put(self.random)
        writer.vector(1, self.session_id)
        writer.u16(self.cipher_suite)
        writer.u8(self.compression_method)
        if self.extensions:
            self.extensions.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        version, random = _BEGINNING.unpack(reader.take(34))
        session_id = reader.vector(1, 0, 32)
        cipher_suite, compression_method = _CHOICES.unpack(reader.take(3))
        # RFC 5246, section 7.4.1.3: the block may be absent altogether.
        extensions = Extensions.parse(reader) if reader.remaining else Extensions()
        hello = cls(random, session_id, cipher_suite, extensions, version, compression_method)
        hello._check()
        return hello

    def _check(self) -> None:
        selected = self.extensions.get(SELECTED_VERSION)
        # RFC 8446, section 4.2.1: the extension must not select a version before TLS 1.3.
        if selected is not None and selected < ProtocolVersion.TLSv1_3:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the server selected {ProtocolVersion.label(selected)} in supported_versions, "
                "which is for TLS 1.3 and later",
                reason="WRONG_SSL_VERSION",
            )
        if self.is_retry:
            if selected is None:  # RFC 8446, section 9.2: required in every HelloRetryRequest
                raise ProtocolError(
                    Alert.MISSING_EXTENSION,
                    "the server sent a hello_retry_request without supported_versions",
                    reason="MISSING_SUPPORTED_VERSIONS_EXTENSION",
                )
            self.extensions.check(Context.HELLO_RETRY_REQUEST)
        elif selected is not None:
            self.extensions.check(Context.SERVER_HELLO)
        else:
            self.extensions.check(Context.SERVER_HELLO_12)


@dataclass(frozen=True, slots=True)
class Finished(Message):
    """RFC 8446, section 4.4.4; RFC 5246, section 7.4.9."""

    type = HandshakeType.FINISHED

    verify_data: bytes

    def write(self, writer: Writer) -> None:
        writer.put(self.verify_data)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        verify_data = reader.rest()
        # 12 bytes in TLS 1.2, a hash of SHA-256 or SHA-384 in TLS 1.3. Which of them it has to
        # be, the handshake knows, as it compares the whole.
        if len(verify_data) not in (12, 32, 48):
            raise DecodeError(
                f"the peer sent a finished of {len(verify_data)} bytes", reason="BAD_DIGEST_LENGTH"
            )
        return cls(verify_data)


# -- TLS 1.3 ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EncryptedExtensions(Message):
    """RFC 8446, section 4.3.1."""

    type = HandshakeType.ENCRYPTED_EXTENSIONS

    extensions: Extensions = field(default_factory=Extensions)

    def write(self, writer: Writer) -> None:
        self.extensions.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        extensions = Extensions.parse(reader)
        extensions.check(Context.ENCRYPTED_EXTENSIONS)
        return cls(extensions)


@dataclass(frozen=True, slots=True)
class CertificateRequest(Message):
    """RFC 8446, section 4.3.2."""

    type = HandshakeType.CERTIFICATE_REQUEST

    context: bytes
    """Empty in the handshake; after it, what tells this request from others."""
    extensions: Extensions

    def write(self, writer: Writer) -> None:
        writer.vector(1, self.context)
        self.extensions.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        context = reader.vector(1)
        extensions = Extensions.parse(reader)
        extensions.check(Context.CERTIFICATE_REQUEST)
        return cls(context, extensions)


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """RFC 8446, section 4.4.2: one certificate of a chain, and what belongs to it."""

    data: bytes
    """The certificate in DER, or a raw public key (RFC 7250)."""
    extensions: Extensions = field(default_factory=Extensions)


@dataclass(frozen=True, slots=True)
class Certificate(Message):
    """RFC 8446, section 4.4.2. A client without one sends no entries."""

    type = HandshakeType.CERTIFICATE

    context: bytes
    entries: tuple[CertificateEntry, ...]

    def write(self, writer: Writer) -> None:
        writer.vector(1, self.context)
        with writer.block(3):
            for entry in self.entries:
                writer.vector(3, entry.data)
                entry.extensions.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        context = reader.vector(1)
        block = reader.block(3)
        entries = []
        while block.remaining:
            data = block.vector(3, 1)
            extensions = Extensions.parse(block)
            extensions.check(Context.CERTIFICATE)
            entries.append(CertificateEntry(data, extensions))
        return cls(context, tuple(entries))


@dataclass(frozen=True, slots=True)
class CompressedCertificate(Message):
    """RFC 8879, section 4: a Certificate's body, compressed."""

    type = HandshakeType.COMPRESSED_CERTIFICATE

    algorithm: int
    uncompressed_length: int
    data: bytes

    def write(self, writer: Writer) -> None:
        writer.u16(self.algorithm)
        writer.u24(self.uncompressed_length)
        writer.vector(3, self.data)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.u16(), reader.u24(), reader.vector(3, 1))


@dataclass(frozen=True, slots=True)
class CertificateVerify(Message):
    """RFC 8446, section 4.4.3; the same bytes in TLS 1.2 (RFC 5246, section 7.4.8)."""

    type = HandshakeType.CERTIFICATE_VERIFY

    scheme: int
    signature: bytes

    def write(self, writer: Writer) -> None:
        writer.u16(self.scheme)
        writer.vector(2, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.u16(), reader.vector(2))


@dataclass(frozen=True, slots=True)
class EndOfEarlyData(_Empty):
    """RFC 8446, section 4.5."""

    type = HandshakeType.END_OF_EARLY_DATA


@dataclass(frozen=True, slots=True)
class NewSessionTicket(Message):
    """RFC 8446, section 4.6.1."""

    type = HandshakeType.NEW_SESSION_TICKET

    lifetime: int
    """In seconds."""
    age_add: int
    """What obfuscates the ticket's age, 32 bits."""
    nonce: bytes
    ticket: bytes
    extensions: Extensions = field(default_factory=Extensions)

    def write(self, writer: Writer) -> None:
        writer.u32(self.lifetime)
        writer.u32(self.age_add)
        writer.vector(1, self.nonce)
        writer.vector(2, self.ticket)
        self.extensions.write(writer)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        lifetime = reader.u32()
        age_add = reader.u32()
        nonce = reader.vector(1)
        ticket = reader.vector(2, 1)
        extensions = Extensions.parse(reader)
        extensions.check(Context.NEW_SESSION_TICKET)
        return cls(lifetime, age_add, nonce, ticket, extensions)


@dataclass(frozen=True, slots=True)
class KeyUpdate(Message):
    """RFC 8446, section 4.6.3."""

    type = HandshakeType.KEY_UPDATE

    request: int
    """Whether the other side is to change its keys as well: a KeyUpdateRequest."""

    def write(self, writer: Writer) -> None:
        writer.u8(self.request)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        request = reader.u8()
        reader.finish()
        # Section 4.6.3: any other value MUST end in illegal_parameter.
        if request > KeyUpdateRequest.UPDATE_REQUESTED:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the peer sent a key_update with the undefined request {request}",
                reason="BAD_KEY_UPDATE",
            )
        return cls(request)


# -- TLS 1.2 ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HelloRequest(_Empty):
    """RFC 5246, section 7.4.1.1."""

    type = HandshakeType.HELLO_REQUEST


@dataclass(frozen=True, slots=True)
class Certificate12(Message):
    """RFC 5246, sections 7.4.2 and 7.4.6: a chain in DER, the sender's own certificate first."""

    type = HandshakeType.CERTIFICATE

    certificates: tuple[bytes, ...]

    def write(self, writer: Writer) -> None:
        writer.vectors(3, 3, self.certificates)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.vectors(3, 3))


@dataclass(frozen=True, slots=True)
class RawPublicKey12(Message):
    """RFC 7250, section 3: a Certificate that is one SubjectPublicKeyInfo in DER.

    Empty where a client has nothing to show, as the list that stands here otherwise can be.
    """

    type = HandshakeType.CERTIFICATE

    key: bytes

    def write(self, writer: Writer) -> None:
        writer.vector(3, self.key)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.vector(3))


@dataclass(frozen=True, slots=True)
class CertificateStatus(Message):
    """RFC 6066, section 8: the OCSP response that a TLS 1.2 server staples, in DER."""

    type = HandshakeType.CERTIFICATE_STATUS

    response: bytes

    def write(self, writer: Writer) -> None:
        write_certificate_status(writer, self.response)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(parse_certificate_status(reader))


NAMED_CURVE = 3
"""ECCurveType named_curve (RFC 8422, section 5.4); the others are gone."""


@dataclass(frozen=True, slots=True)
class ServerKeyExchange(Message):
    """RFC 8422, section 5.4: an ephemeral public key of a named group, signed."""

    type = HandshakeType.SERVER_KEY_EXCHANGE

    group: int
    public: bytes
    scheme: int
    signature: bytes

    @property
    def params(self) -> bytes:
        """ServerECDHParams: what is signed, behind the two randoms."""
        return b"%c%b%c%b" % (
            NAMED_CURVE,
            self.group.to_bytes(2, "big"),
            len(self.public),
            self.public,
        )

    def write(self, writer: Writer) -> None:
        writer.put(self.params)
        writer.u16(self.scheme)
        writer.vector(2, self.signature)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        if reader.u8() != NAMED_CURVE:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the server described a curve of its own instead of naming one",
                reason="WRONG_CURVE",
            )
        return cls(reader.u16(), reader.vector(1, 1), reader.u16(), reader.vector(2))


@dataclass(frozen=True, slots=True)
class CertificateRequest12(Message):
    """RFC 5246, section 7.4.4."""

    type = HandshakeType.CERTIFICATE_REQUEST

    types: bytes
    """ClientCertificateTypes, a byte each."""
    schemes: tuple[int, ...]
    authorities: tuple[bytes, ...] = ()
    """Distinguished names in DER; none means any."""

    def write(self, writer: Writer) -> None:
        writer.vector(1, self.types)
        writer.u16_list(2, self.schemes)
        writer.vectors(2, 2, self.authorities)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.vector(1, 1), reader.u16_list(2), reader.vectors(2, 2))


@dataclass(frozen=True, slots=True)
class ServerHelloDone(_Empty):
    """RFC 5246, section 7.4.5."""

    type = HandshakeType.SERVER_HELLO_DONE


@dataclass(frozen=True, slots=True)
class ClientKeyExchange(Message):
    """RFC 8422, section 5.7: the client's ephemeral public key."""

    type = HandshakeType.CLIENT_KEY_EXCHANGE

    public: bytes

    def write(self, writer: Writer) -> None:
        writer.vector(1, self.public)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.vector(1, 1))


@dataclass(frozen=True, slots=True)
class NewSessionTicket12(Message):
    """RFC 5077, section 3.3. An empty ticket means that the server changed its mind."""

    type = HandshakeType.NEW_SESSION_TICKET

    lifetime: int
    """In seconds, a hint; 0 leaves it to the client."""
    ticket: bytes

    def write(self, writer: Writer) -> None:
        writer.u32(self.lifetime)
        writer.vector(2, self.ticket)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.u32(), reader.vector(2))


def _by_type(*messages: type[Message]) -> dict[int, type[Message]]:
    return {message.type: message for message in messages}


MESSAGES13 = _by_type(
    ClientHello,
    ServerHello,
    NewSessionTicket,
    EndOfEarlyData,
    EncryptedExtensions,
    Certificate,
    CertificateRequest,
    CertificateVerify,
    Finished,
    KeyUpdate,
    CompressedCertificate,
)
"""The messages of TLS 1.3 by their HandshakeType (RFC 8446, section 4; RFC 8879)."""

MESSAGES12 = _by_type(
    HelloRequest,
    ClientHello,
    ServerHello,
    NewSessionTicket12,
    Certificate12,
    ServerKeyExchange,
    CertificateRequest12,
    ServerHelloDone,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
    CertificateStatus,
)
"""The messages of TLS 1.2 by their HandshakeType (RFC 5246, section 7.4; RFC 5077; RFC 6066)."""
