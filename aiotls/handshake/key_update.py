"""KeyUpdate: the next traffic key of one direction (RFC 8446, sections 4.6.3 and 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..crypto.aead import Opener13, Sealer13
from ..enums import ContentType, KeyUpdateRequest
from ..record import RecordReader, RecordWriter
from ..wire.messages import KeyUpdate

if TYPE_CHECKING:
    from ..config import Observer
    from ..crypto.aead import Bytes


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
