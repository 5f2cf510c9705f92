"""The record layer: a stream of bytes cut into records, and records put into a stream.

Two ways to read, and a reason for each. While shaking hands a record is *pulled*
(:meth:`RecordReader.next`), one at a time and on demand, because the next one may be
protected under keys that do not exist yet. Once established, records are *pushed*:
:meth:`RecordReader.records` runs straight through what has arrived, opens each record where
it lies, and keeps nothing but an incomplete last one.
"""

from __future__ import annotations

from collections.abc import Iterator

from .crypto.aead import (
    HEADER,
    MAX_FRAGMENT,
    MAX_PLAINTEXT,
    Opener,
    Opener13,
    PlainOpener,
    PlainSealer,
    Sealer,
)
from .enums import Alert, ContentType
from .errors import ProtocolError

APPLICATION_DATA = int(ContentType.APPLICATION_DATA)
HANDSHAKE = int(ContentType.HANDSHAKE)
OPENSSL_BUFFER = 16_384 + 320 + 7
"""Above this length OpenSSL has another name for a record that is too long."""


class RecordReader:
    """Cuts what arrives into records and opens them."""

    __slots__ = ("established", "kept", "opener")

    def __init__(self) -> None:
        self.kept = bytearray()
        """What has arrived and was not opened; in the data phase, an incomplete record."""
        self.opener: Opener = PlainOpener()
        self.established = False
        """Whether any record was accepted yet: before that, this may not be TLS at all."""

    @property
    def buffered(self) -> int:
        """Bytes that have arrived and not been opened."""
        return len(self.kept)

    @property
    def missing(self) -> int:
        """How many bytes the next record still lacks: of its header first, then of its body.

        For those who must not take more from a stream than the record that they are after.
        """
        buffer = self.kept
        if len(buffer) < 5:
            return 5 - len(buffer)
        return max(0, 5 + (buffer[3] << 8 | buffer[4]) - len(buffer))

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Keeps bytes for :meth:`next`."""
        self.kept += data

    def next(self) -> tuple[int, bytes] | None:
        """The next record's content type and content, or None if it is not complete."""
        buffer = self.kept
        if len(buffer) < 5:
            if buffer and not self.established:
                self._measure(buffer, 0)
            return None
        end = 5 + self._measure(buffer, 0)
        if len(buffer) < end:
            self._foresee(buffer[0])
            return None
        if len(buffer) == end:  # handed over as it is: a large record is not copied once more
            self.kept = bytearray()
            return self.opener.open(bytes(buffer[:5]), memoryview(buffer)[5:])
        record = bytes(buffer[:end])
        del buffer[:end]
        return self.opener.open(record[:5], record[5:])

    def complete(self, data: memoryview) -> tuple[tuple[int, bytes] | None, memoryview]:
        """The record that has begun to arrive, completed out of *data*; and what is behind it.

        None for the record means that all of *data* was kept, and is not enough.
        """
        buffer = self.kept  # not replaced before there is a record
        while True:
            need = 5 if len(buffer) < 5 else 5 + self._measure(buffer, 0)
            missing = need - len(buffer)
            if missing > 0:
                buffer += data[:missing]
                data = data[missing:]
                if len(buffer) < need:
                    if need > 5:
                        self._foresee(buffer[0])
                    return None, data
            if need > 5 or missing <= 0:
                return self.next(), data

    def run(self, data: memoryview, into: list[bytes]) -> memoryview:
        """Puts the contents of the records of application data that *data* begins with at the end
        of *into*, and returns the rest, which may be anything. Only with nothing buffered.
        """
        position = self.opener.open_run(data, 0, into)
        return data[position:] if position else data

    def records(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[int, bytes]]:
        """The records that *data* completes, opened one by one as they are asked for.

        *data* is only looked at while this runs; what is left of it is copied. When the one who
        iterates stops early, the rest is lost: only a dead connection does that.
        """
        view = memoryview(data)
        while self.kept:
            record, view = self.complete(view)
            if record is None:
                return
            yield record
        position, end = 0, len(view)
        while end - position >= 5:
            length = self._measure(view, position)
            start = position + 5
            if end - start < length:
                self._foresee(view[position])
                break
            position_next = start + length
            yield self.opener.open(bytes(view[position:start]), view[start:position_next])
            position = position_next
        if position < end:
            self.kept += view[position:]

    def _foresee(self, kind: int) -> None:
        """What will not be accepted is not waited for: raises what :meth:`Opener13.open` would."""
        if kind != APPLICATION_DATA and isinstance(self.opener, Opener13):
            self.opener.check_unprotected(kind)

    def refuses(self, header: bytes | bytearray) -> bool:
        """Whether a record that begins with these five bytes ends the connection.

        For those who take a record from a stream in two steps, and must not wait for the second
        of such a one.
        """
        kind, version, length = HEADER.unpack_from(header)
        if version != 3 or not 20 <= kind <= 23 or not 0 < length <= MAX_FRAGMENT:
            return True
        try:
            self._foresee(kind)
        except ProtocolError:
            return True
        return False

    def _measure(self, data: bytes | bytearray | memoryview, position: int) -> int:
        """The length of the fragment whose header begins at *position*, checked."""
        if len(data) >= position + 5:
            kind, version, length = HEADER.unpack_from(data, position)
            if version == 3 and 20 <= kind <= 23 and length <= MAX_FRAGMENT:
                self.established = True
                return length  # type: ignore[no-any-return]
        return self._judge(data, position)

    def _stray(self) -> str:
        """OpenSSL's reason for a record of no known type: it depends on whether it is the first."""
        return "UNEXPECTED_RECORD" if self.established else "UNEXPECTED_MESSAGE"

    def _judge(self, data: bytes | bytearray | memoryview, position: int) -> int:
        """The same for a header that is not complete, or wrong: says why."""
        kind = data[position]
        if len(data) > position + 1 and data[position + 1] != 3:
            if not self.established:
                raise not_tls(bytes(data[position : position + 64]))
            raise ProtocolError(
                Alert.PROTOCOL_VERSION,
                f"the peer sent a record of the version {data[position + 1]}.x",
                reason="WRONG_VERSION_NUMBER",
            )
        if not 20 <= kind <= 23:
            if not self.established and len(data) < position + 2:
                raise not_tls(bytes(data[position : position + 64]))
            tls13 = isinstance(self.opener, Opener13)
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the peer sent a record of the unknown type {kind}",
                reason="BAD_RECORD_TYPE" if tls13 else self._stray(),
            )
        if len(data) < position + 5:
            return 0
        self.established = True
        length = data[position + 3] << 8 | data[position + 4]
        if kind == ContentType.HANDSHAKE and isinstance(self.opener, Opener13):
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent an unprotected handshake record after the keys were agreed on",
                reason="BAD_RECORD_TYPE",
            )
        raise ProtocolError(
            Alert.RECORD_OVERFLOW,
            f"the peer announced a record of {length} bytes; {MAX_FRAGMENT} is the limit",
            reason="PACKET_LENGTH_TOO_LONG"
            if length > OPENSSL_BUFFER
            else "ENCRYPTED_LENGTH_TOO_LONG",
        )


class RecordWriter:
    """Cuts content into records, seals them, and keeps them until they are taken."""

    __slots__ = ("_largest", "_step", "max_plaintext", "pending", "sealer")

    def __init__(self) -> None:
        self.pending: list[bytes] = []
        """What was sealed and not taken yet."""
        self.sealer: Sealer = PlainSealer()
        self.max_plaintext = MAX_PLAINTEXT
        self._largest = 0
        self._step = 0

    def start_small(self, size: int) -> None:
        """The next record has at most *size* bytes, and each that is cut off a longer piece is
        followed by one of *size* bytes more, up to what was the largest before.

        Nothing of a record can be read before all of it has arrived, and a new connection brings
        little at a time (TCP's slow start).
        """
        if size < self.max_plaintext:
            self._largest, self._step, self.max_plaintext = self.max_plaintext, size, size

    def write(self, content_type: int, content: bytes | bytearray | memoryview) -> None:
        """Seals *content* in as many records as it needs."""
        seal, pending, size = self.sealer.seal, self.pending, self.max_plaintext
        if len(content) <= size:
            pending.append(seal(content_type, content))
            return
        view = memoryview(content)
        start, end = 0, len(view)
        while start < end:
            pending.append(seal(content_type, view[start : start + size]))
            start += size
            if size < self._largest:  # what is more than a record is what records grow by
                size = self.max_plaintext = min(size + self._step, self._largest)

    def write_plain(self, content_type: int, content: bytes) -> None:
        """One record without protection (change_cipher_spec in TLS 1.3)."""
        self.pending.append(PlainSealer().seal(content_type, content))

    def take(self) -> bytes:
        """All that was written, in order."""
        pending = self.pending
        if len(pending) == 1:
            return pending.pop()
        data = b"".join(pending)
        pending.clear()
        return data

    def put_back(self, data: bytes) -> None:
        """What was taken and could not be sent, in front of everything else."""
        if data:
            self.pending.insert(0, data)


_HTTP = "That port speaks HTTP", "use http://, or the port on which TLS is served"
_SMTP = "That client speaks SMTP", "it has to wait for STARTTLS, or to use the port for plain SMTP"
_PROXY = "That client speaks the PROXY protocol", "the proxy in front has to be told not to"
_BEGINNINGS = {
    b"HTTP/": _HTTP,
    b"<!DO": _HTTP,
    b"<htm": _HTTP,
    b"220": (
        "That port speaks SMTP or FTP",
        "upgrade first with STARTTLS (aiotls connect --starttls smtp, or ftp)",
    ),
    b"* OK": (
        "That port speaks IMAP",
        "upgrade first with STARTTLS (aiotls connect --starttls imap)",
    ),
    b"+OK": ("That port speaks POP3", "upgrade first with STLS (aiotls connect --starttls pop3)"),
    b"-ERR": ("That port speaks Redis or POP3", "use the port on which TLS is served"),
    b"RFB ": ("That port speaks VNC", "this is the port of a VNC server"),
    b"<?xml": (
        "That port speaks XMPP",
        "upgrade first with STARTTLS (aiotls connect --starttls xmpp)",
    ),
    b"E\0\0\0": (
        "That port speaks PostgreSQL",
        "send an SSLRequest first (aiotls connect --starttls postgres)",
    ),
    b"SSH-": ("The peer speaks SSH", "one of the two has the wrong port"),
    b"EHLO": _SMTP,
    b"HELO": _SMTP,
    b"PRI *": ("That client speaks HTTP/2", "it has to use https:// for this port"),
    b"PROXY": _PROXY,
    b"\r\n\r\n\0\r\n": _PROXY,
}
"""How servers and clients begin that speak something else; what it is, and what may be done."""
_METHODS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI", b"PATC", b"TRAC")


def not_tls(data: bytes) -> ProtocolError:
    """The error for a stream that does not begin as TLS does, saying what it looks like."""
    if data.startswith(_METHODS):
        line = data.split(b"\r")[0].decode("ascii", "backslashreplace")
        if "?" in line:  # what is asked there may be a password, and errors go into logs
            line = line.partition("?")[0] + "?..."
        return ProtocolError(
            Alert.UNEXPECTED_MESSAGE,
            f"http request: the peer spoke plain HTTP ({line!r}) on a TLS port",
            reason="HTTP_REQUEST",
            hint="The client has to use https:// for this port.",
        )
    if data.startswith(b"CONNE"):
        return ProtocolError(
            Alert.UNEXPECTED_MESSAGE,
            "https proxy request: the peer sent CONNECT, as to an HTTP proxy, on a TLS port",
            reason="HTTPS_PROXY_REQUEST",
            hint="This is a TLS server, not a proxy.",
        )
    hint, shown = None, data[:16].partition(b" ")[0]  # a word: what follows may be a password
    for start, (what, advice) in _BEGINNINGS.items():
        if data.startswith(start):
            shown = data[:16]
            hint = f"{what}, not TLS: it said {data[:40]!r}. Maybe {advice}."
    if data[3:5] == b"\0\n":  # the packet number 0, the protocol version 10
        hint = "That port speaks MySQL, not TLS. Maybe upgrade first: its clients know how."
    return ProtocolError(
        Alert.PROTOCOL_VERSION,
        f"wrong version number: the peer does not speak TLS (it sent {shown!r})",
        reason="WRONG_VERSION_NUMBER",
        hint=hint,
    )
