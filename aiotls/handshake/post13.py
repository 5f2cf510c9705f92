"""After a TLS 1.3 handshake: KeyUpdate and what else may still come (RFC 8446, section 4.6).

Plain functions, off the path that application data takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..crypto.aead import Opener13, Sealer13
from ..enums import Alert, ContentType, HandshakeType, KeyUpdateRequest
from ..errors import ProtocolError
from ..record import RecordReader, RecordWriter
from ..wire.messages import KeyUpdate

if TYPE_CHECKING:
    from ..config import Observer
    from ..crypto.aead import Bytes

MAX_KEY_UPDATES = 32
"""KeyUpdate messages in a row, without data between them, before they count as an attack."""


def send_messages(writer: RecordWriter, messages: Bytes, observer: Observer | None) -> None:
    """Writes handshake messages that belong to no handshake, and shows them to the observer."""
    writer.write(ContentType.HANDSHAKE, messages)
    if observer is None:
        return
    start = 0
    while start < len(messages):
        end = start + 4 + int.from_bytes(messages[start + 1 : start + 4], "big")
        observer.message(True, messages[start], bytes(messages[start:end]), True)
        start = end


def update_sending_key(
    writer: RecordWriter, *, request: bool, observer: Observer | None = None
) -> None:
    """Sends a KeyUpdate and moves on to the next key (RFC 8446, section 4.6.3)."""
    wish = KeyUpdateRequest.UPDATE_REQUESTED if request else KeyUpdateRequest.UPDATE_NOT_REQUESTED
    send_messages(writer, KeyUpdate(wish).encode(), observer)
    if isinstance(writer.sealer, Sealer13):
        writer.sealer = writer.sealer.updated()


def update_receiving_key(reader: RecordReader) -> None:
    """The peer moved on to its next key."""
    if isinstance(reader.opener, Opener13):
        reader.opener = reader.opener.updated()


class PostHandshake:
    """Collects and takes the handshake messages that come between application data."""

    __slots__ = ("_messages", "_updates", "limit", "observer", "reader", "response_due")

    def __init__(self, reader: RecordReader, limit: int, observer: Observer | None = None) -> None:
        self.reader = reader
        self.observer = observer
        self.limit = limit
        self.response_due = False
        """Whether the peer has asked for a KeyUpdate that was not sent yet. One answers any
        number of requests, so that a flood of them costs no memory."""
        self._messages = bytearray()
        self._updates = 0

    def data_arrived(self) -> None:
        """Application data between messages: nothing may be half received (section 5.1)."""
        self._updates = 0
        if self._messages:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent application data in the middle of a handshake message",
                reason="UNEXPECTED_RECORD",
            )

    @property
    def idle(self) -> bool:
        """Whether there is nothing here to remember: all is as if no message had ever come."""
        return not (self._messages or self._updates or self.response_due)

    @property
    def interrupted(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._messages)

    def take(self, content: bytes) -> list[tuple[int, bytes]]:
        """The whole messages that *content* completes, but for KeyUpdates, which are obeyed."""
        if not content:
            raise ProtocolError(Alert.UNEXPECTED_MESSAGE, "the peer sent an empty handshake record")
        messages = self._messages
        messages += content
        others = []
        while len(messages) >= 4:
            length = messages[1] << 16 | messages[2] << 8 | messages[3]
            if length > self.limit:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the peer announced a handshake message of {length} bytes; the limit is "
                    f"{self.limit}",
                    reason="EXCESSIVE_MESSAGE_SIZE",
                )
            if len(messages) < 4 + length:
                break
            kind, body = messages[0], bytes(messages[4 : 4 + length])
            del messages[: 4 + length]
            if kind == HandshakeType.KEY_UPDATE and isinstance(self.reader.opener, Opener13):
                if self.observer is not None:
                    self.observer.message(
                        False, kind, bytes([kind, *length.to_bytes(3, "big")]) + body, True
                    )
                self._take_key_update(KeyUpdate.parse(body))
            else:
                others.append((kind, body))
        return others

    def _take_key_update(self, message: KeyUpdate) -> None:
        if self._messages:  # 5.1: no message may span a change of keys
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent handshake data across a change of keys",
                reason="EXCESS_HANDSHAKE_DATA",
            )
        self._updates += 1
        if self._updates > MAX_KEY_UPDATES:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent KeyUpdate messages without end",
                reason="TOO_MANY_KEY_UPDATES",
            )
        update_receiving_key(self.reader)
        if message.request == KeyUpdateRequest.UPDATE_REQUESTED:
            self.response_due = True
