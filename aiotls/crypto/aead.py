"""Record protection: how one record is sealed and opened under one key.

A Sealer or Opener is replaced as a whole when the keys change, so that no record is
ever looked at under the wrong ones and no branch per record asks which version this is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Protocol
from weakref import ref

from cryptography.exceptions import InvalidTag

from ..enums import Alert, ContentType
from ..errors import ProtocolError
from .schedule13 import next_traffic_secret, traffic_keys
from .suites import Suite

Bytes = bytes | bytearray | memoryview

MAX_PLAINTEXT = 1 << 14
"""RFC 8446, section 5.1: a record carries at most this many bytes."""

MAX_FRAGMENT = MAX_PLAINTEXT + 256
"""RFC 8446, section 5.2: what protection may add is at most 256 bytes."""

TAG_SIZE = 16
"""Bytes that each AEAD here adds (RFC 8446, section 5.2; RFC 5116)."""

OVERHEAD = 1 + TAG_SIZE
"""What a record of TLS 1.3 has beyond its content: its type, and the tag."""

SHORT_FRAGMENT = 1 << 12
"""Up to this length records are opened many at a time: beyond, copying them costs more."""

MIN_ALIKE, MAX_ALIKE = 6, 32
"""How many of one length are opened at a time."""

HEADER = struct.Struct(">BBxH")
"""Content type, the first byte of the version, and the length."""

HEADER13 = struct.Struct(">BHH")
"""Content type, version and length. In TLS 1.3 the version is always 0x0303 (RFC 8446, section
5.2); what is on the quick ways insists on that, as the others must not."""


class Opener(Protocol):
    """Opens the records of one direction."""

    sequence: int
    limit: int
    """Records after which the key has to be replaced."""

    def open(self, header: Bytes, fragment: Bytes) -> tuple[int, bytes]:
        """The content type and the content of one record; raises ProtocolError."""

    def open_one(self, data: Bytes) -> bytes | None:
        """The content of *data* if it is one record of application data, as where messages are
        short, and nothing else; None for everything else, of which nothing was taken. The last
        record before the *limit* is not opened like this.
        """

    def open_run(self, data: Bytes, position: int, into: list[bytes]) -> int:
        """Opens the records of application data that follow each other from *position* on.

        Their contents are put at the end of *into*. Returns where it stopped: in front of the
        first record that is incomplete, wrong, or anything else than application data, all of
        which is for :meth:`open` to say. It raises nothing.
        """

    def rest(self) -> None:
        """Gives back what can be made again when the next record comes."""


class Sealer(Protocol):
    """Seals the records of one direction."""

    sequence: int
    limit: int

    def seal(self, content_type: int, content: Bytes) -> bytes:
        """One whole record, header included, of at most :data:`MAX_PLAINTEXT` bytes."""

    def rest(self) -> None:
        """Gives back what can be made again when the next record leaves."""


class _Restless:
    """What keeps nothing ready, or could not make it again."""

    __slots__ = ()

    def rest(self) -> None:
        """Nothing to give back."""


class PlainOpener(_Restless):
    """Before there are keys: TLSPlaintext of RFC 8446, section 5.1."""

    sequence = 0
    limit = 1 << 62

    def open(self, header: Bytes, fragment: Bytes) -> tuple[int, bytes]:
        """The record as it stands."""
        # What claims to be application data is refused early data, which is protected, and longer
        # for that (RFC 8446, section 4.2.10): the handshake drops it, or has no place for it.
        if len(fragment) > MAX_PLAINTEXT and header[0] != ContentType.APPLICATION_DATA:
            raise ProtocolError(
                Alert.RECORD_OVERFLOW,
                f"the peer sent a record of {len(fragment)} bytes; 16384 is the limit",
                reason="DATA_LENGTH_TOO_LONG",
            )
        return header[0], bytes(fragment)

    def open_one(self, data: Bytes) -> bytes | None:
        """None, likewise."""
        return None

    def open_run(self, data: Bytes, position: int, into: list[bytes]) -> int:
        """None: there is no application data before there are keys."""
        return position


class PlainSealer(_Restless):
    """Before there are keys: TLSPlaintext of RFC 8446, section 5.1."""

    sequence = 0
    limit = 1 << 62

    def __init__(self, version: int = 0x0303) -> None:
        self.version = version

    def seal(self, content_type: int, content: Bytes) -> bytes:
        """The content behind a record header."""
        header = content_type << 32 | self.version << 16 | len(content)
        return header.to_bytes(5, "big") + content


class _Direction13:
    """What protects one direction: a traffic secret, and what is derived of it.

    The AEAD is most of what an idle connection holds: two contexts of OpenSSL's, 2.4 KiB. It can
    be given back, as the secret, which a KeyUpdate asks for anyway, makes it again in 3 µs.
    """

    __slots__ = (
        "__weakref__",
        "_cipher",
        "_iv",
        "limit",
        "max_plaintext",
        "secret",
        "sequence",
        "suite",
    )

    _operation: str
    """The method of the AEAD."""

    def __init__(self, suite: Suite, secret: bytes) -> None:
        key, iv = traffic_keys(suite, secret)
        self.suite = suite
        self.secret = secret
        self._cipher: Callable[[bytes, Bytes, Bytes], bytes] = getattr(
            suite.aead(key), self._operation
        )
        self._iv = int.from_bytes(iv, "big")
        self.sequence = 0
        self.limit = suite.record_limit
        self.max_plaintext = MAX_PLAINTEXT
        """What the content of a record may come to, with its padding (RFC 8449, section 4)."""

    @property
    def resting(self) -> bool:
        """Whether the AEAD was given back."""
        return type(self._cipher) is partial

    def rest(self) -> None:
        """Gives the AEAD back until the next record."""
        if not self.resting:
            # In its own place, so that those who call it need not ask. The reference is a weak one
            # for this not to be a circle, which only the garbage collector would free.
            self._cipher = partial(_wake, ref(self))

    def wake(self) -> Callable[[bytes, Bytes, Bytes], bytes]:
        """The AEAD, made again if it was given back."""
        if self.resting:
            key, _ = traffic_keys(self.suite, self.secret)
            self._cipher = getattr(self.suite.aead(key), self._operation)
        return self._cipher


def _wake(sleeper: ref[_Direction13], nonce: bytes, data: Bytes, header: Bytes) -> bytes:
    """Stands for the AEAD of one that rests, and ends that."""
    direction = sleeper()
    if direction is None:
        raise ReferenceError("there is no connection to this key any more")
    return direction.wake()(nonce, data, header)


class Opener13(_Direction13):
    """RFC 8446, section 5.2: TLSCiphertext, the type and the padding inside."""

    __slots__ = ("plain_alerts",)

    _operation = "decrypt"

    def __init__(self, suite: Suite, secret: bytes) -> None:
        super().__init__(suite, secret)
        self.plain_alerts = False
        """Whether the peer may still send an alert in the clear: one that failed before it had
        these keys. Never for application data, where a forged close_notify would cut it short."""

    def open(self, header: Bytes, fragment: Bytes) -> tuple[int, bytes]:
        """Decrypts, checks, and takes the padding off."""
        if header[0] != _APPLICATION_DATA:
            self.check_unprotected(header[0])
            return header[0], bytes(fragment)
        sequence = self.sequence
        try:
            inner = self._cipher((self._iv ^ sequence).to_bytes(12, "big"), fragment, header)
        except InvalidTag:
            raise _bad_record() from None
        self.sequence = sequence + 1
        if len(inner) > self.max_plaintext + 1:
            raise ProtocolError(
                Alert.RECORD_OVERFLOW,
                f"the peer sent a record of {len(inner) - 1} bytes; the limit is "
                f"{self.max_plaintext}",
                reason="DATA_LENGTH_TOO_LONG",
            )
        if inner and inner[-1] > _CHANGE_CIPHER_SPEC:
            return inner[-1], inner[:-1]
        content = inner.rstrip(b"\0")
        if not content:  # 5.4: no non-zero octet in the cleartext
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent a record that holds nothing but padding",
                reason="BAD_RECORD_TYPE",
            )
        if content[-1] <= ContentType.CHANGE_CIPHER_SPEC:  # 5: it is never protected
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the peer sent a protected {ContentType.label(content[-1]).lower()} record",
                reason="UNEXPECTED_RECORD",
            )
        return content[-1], content[:-1]

    def open_run(self, data: Bytes, position: int, into: list[bytes]) -> int:
        """The loop that most bytes pass through: :meth:`open` without a call per record."""
        decrypt, iv, longest, end = self._cipher, self._iv, self.max_plaintext + OVERHEAD, len(data)
        sequence, unpack, append = self.sequence, HEADER13.unpack_from, into.append
        view = memoryview(data)  # for what is long: short pieces are cut quicker out of bytes
        header, known, alike = b"", -1, True
        while (start := position + 5) <= end:
            kind, version, length = unpack(data, position)
            following = start + length
            if kind != _APPLICATION_DATA or version != 0x0303 or following > end:
                break
            if length != known:  # of records of one length the header is made once
                if not OVERHEAD < length <= longest:  # no content, or too much
                    break
                header, known = HEADER13.pack(kind, version, length), length
            if length > SHORT_FRAGMENT:
                fragment: Bytes = view[start:following]
            else:
                # A guess that saves much where it is right, as with one that writes the same
                # again and again, and that is not made again where it was wrong.
                if alike and (count := (end - position) // (5 + length)) >= MIN_ALIKE:
                    count = min(count, MAX_ALIKE)
                    stop = position + count * (5 + length)
                    self.sequence = sequence
                    alike = self._open_alike(view[position:stop], header, into)
                    if alike:
                        sequence += count
                        position = stop
                        continue
                fragment = data[start:following]
            try:
                inner = decrypt((iv ^ sequence).to_bytes(12), fragment, header)
            except InvalidTag:
                break
            if inner[-1] != _APPLICATION_DATA:
                break
            append(inner[:-1])
            sequence += 1
            position = following
        self.sequence = sequence
        return position

    def _open_alike(self, data: memoryview, header: bytes, into: list[bytes]) -> bool:
        """Opens records that all begin with *header* in C's loops. False where one of them does
        not, is wrong, or is not application data and nothing else: none counts as opened then.
        """
        size = 5 + int.from_bytes(header[3:])
        headers, fragments = zip(*struct.iter_unpack(f"5s{size - 5}s", data), strict=True)
        count, iv, sequence = len(headers), self._iv, self.sequence
        if headers.count(header) != count:
            return False
        nonces = [(iv ^ number).to_bytes(12) for number in range(sequence, sequence + count)]
        try:
            contents = bytearray().join(map(self._cipher, nonces, fragments, repeat(header)))
        except InvalidTag:
            return False
        inner = size - 5 - TAG_SIZE
        types = slice(inner - 1, None, inner)  # each stands behind its content
        if contents[types] != _TYPE[_APPLICATION_DATA] * count:
            return False
        del contents[types]
        into.append(bytes(contents))
        return True

    def open_one(self, data: Bytes) -> bytes | None:
        """The content of *data* if it is one record of application data, and is right."""
        header, sequence = data[:5], self.sequence
        if header != (_LENGTH13 + len(data)).to_bytes(5) or sequence + 1 >= self.limit:
            return None
        try:
            inner = self._cipher((self._iv ^ sequence).to_bytes(12), data[5:], header)
        except InvalidTag:
            return None
        if not 1 < len(inner) <= self.max_plaintext + 1 or inner[-1] != _APPLICATION_DATA:
            return None
        self.sequence = sequence + 1
        return inner[:-1]

    def check_unprotected(self, kind: int) -> None:
        """Raises ProtocolError where a record of this type must not come in the clear."""
        if kind in (_APPLICATION_DATA, ContentType.CHANGE_CIPHER_SPEC):
            return  # RFC 8446, section 5: the latter is never protected
        if kind == ContentType.ALERT and self.plain_alerts and not self.sequence:
            return
        raise ProtocolError(
            Alert.UNEXPECTED_MESSAGE,
            f"the peer sent an unprotected {ContentType.label(kind).lower()} record "
            "after the keys were agreed on",
            reason="BAD_RECORD_TYPE",
        )

    def updated(self) -> Opener13:
        """The opener for what follows a KeyUpdate (RFC 8446, section 7.2)."""
        opener = Opener13(self.suite, next_traffic_secret(self.suite, self.secret))
        opener.max_plaintext = self.max_plaintext
        return opener


class Sealer13(_Direction13):
    """RFC 8446, section 5.2, with padding to a multiple of *padding* bytes (section 5.4)."""

    __slots__ = ("_header", "_length", "_padding")

    _operation = "encrypt"

    def __init__(self, suite: Suite, secret: bytes, padding: int = 0) -> None:
        super().__init__(suite, secret)
        self._padding = padding
        self._length, self._header = 0, b""
        """Of the last record: the next one is often as long."""

    def seal(self, content_type: int, content: Bytes) -> bytes:
        """Encrypts one record."""
        if type(content) is bytes:
            inner = content + _TYPE[content_type]
        else:
            inner = b"".join((content, _TYPE[content_type]))
        if self._padding > 1:
            inner += bytes(min(-len(inner) % self._padding, self.max_plaintext + 1 - len(inner)))
        if (length := len(inner)) == self._length:
            header = self._header
        else:
            header = (_HEADER13 + length).to_bytes(5)  # big-endian, if nothing is said
            self._length, self._header = length, header
        sequence = self.sequence
        self.sequence = sequence + 1
        return header + self._cipher((self._iv ^ sequence).to_bytes(12), inner, header)

    def updated(self) -> Sealer13:
        """The sealer for what follows a KeyUpdate (RFC 8446, section 7.2)."""
        secret = next_traffic_secret(self.suite, self.secret)
        sealer = Sealer13(self.suite, secret, self._padding)
        sealer.max_plaintext = self.max_plaintext
        return sealer


class Opener12(_Restless):
    """RFC 5246, section 6.2.3.3: the type outside, the nonce in the record or implied.

    With GCM (RFC 5288, section 3) eight bytes of the nonce stand in the record; with ChaCha20
    (RFC 7905, section 2) the nonce is made as in TLS 1.3.
    """

    __slots__ = ("_decrypt", "_explicit", "_iv", "limit", "max_plaintext", "sequence", "suite")

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        self.suite = suite
        self._decrypt = suite.aead(key).decrypt
        self._explicit = 12 - suite.fixed_iv_length
        self._iv = int.from_bytes(iv + bytes(self._explicit), "big")
        self.sequence = 0
        self.limit = 1 << 62  # there is no KeyUpdate; the sequence number never wraps
        self.max_plaintext = MAX_PLAINTEXT

    def open(self, header: Bytes, fragment: Bytes) -> tuple[int, bytes]:
        """Decrypts and checks."""
        explicit = self._explicit
        sequence = self.sequence
        nonce = self._iv ^ (int.from_bytes(fragment[:explicit], "big") if explicit else sequence)
        length = len(fragment) - explicit - TAG_SIZE
        if length < 0:
            raise _bad_record()
        kind_and_version = header[0] << 16 | header[1] << 8 | header[2]
        extra = (sequence << 40 | kind_and_version << 16 | length).to_bytes(13, "big")
        try:
            content = self._decrypt(nonce.to_bytes(12, "big"), fragment[explicit:], extra)
        except InvalidTag:
            raise _bad_record() from None
        if length > self.max_plaintext:
            raise ProtocolError(
                Alert.RECORD_OVERFLOW,
                f"the peer sent a record of {length} bytes; the limit is {self.max_plaintext}",
                reason="DATA_LENGTH_TOO_LONG",
            )
        self.sequence = sequence + 1
        return header[0], content

    def open_one(self, data: Bytes) -> bytes | None:
        """The content of *data* if it is one record of application data, and is right."""
        length = len(data) - 5
        if length <= self._explicit + TAG_SIZE:  # no content, or none that is whole
            return None
        if HEADER.unpack_from(data) != (_APPLICATION_DATA, 3, length):
            return None
        try:
            return self.open(data[:5], data[5:])[1]
        except ProtocolError:  # the number of the record is still the same
            return None

    def open_run(self, data: Bytes, position: int, into: list[bytes]) -> int:
        """None: each record is opened by itself."""
        return position


class Sealer12(_Restless):
    """RFC 5246, section 6.2.3.3; the explicit nonce is the sequence number (RFC 5288, 3)."""

    __slots__ = ("_encrypt", "_explicit", "_iv", "limit", "sequence", "suite")

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        self.suite = suite
        self._encrypt = suite.aead(key).encrypt
        self._explicit = 12 - suite.fixed_iv_length
        self._iv = int.from_bytes(iv + bytes(self._explicit), "big")
        self.sequence = 0
        self.limit = 1 << 62

    def seal(self, content_type: int, content: Bytes) -> bytes:
        """Encrypts one record."""
        sequence, length = self.sequence, len(content)
        extra = (sequence << 40 | content_type << 32 | 0x0303 << 16 | length).to_bytes(13, "big")
        nonce = (self._iv ^ sequence).to_bytes(12, "big")
        self.sequence = sequence + 1
        explicit = nonce[12 - self._explicit :]
        total = length + self._explicit + TAG_SIZE
        header = (content_type << 32 | 0x0303 << 16 | total).to_bytes(5, "big")
        return b"".join((header, explicit, self._encrypt(nonce, content, extra)))


def _bad_record() -> ProtocolError:
    return ProtocolError(
        Alert.BAD_RECORD_MAC,
        "a record from the peer does not decrypt under the keys agreed on",
        reason="DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    )


# A member is looked up in its enumeration more slowly than a name in a module.
_APPLICATION_DATA = int(ContentType.APPLICATION_DATA)
_CHANGE_CIPHER_SPEC = int(ContentType.CHANGE_CIPHER_SPEC)
_TYPE: dict[int, bytes] = {kind: bytes([kind]) for kind in ContentType}
_HEADER13 = (ContentType.APPLICATION_DATA << 32 | 0x0303 << 16) + TAG_SIZE
_LENGTH13 = (ContentType.APPLICATION_DATA << 32 | 0x0303 << 16) - 5
