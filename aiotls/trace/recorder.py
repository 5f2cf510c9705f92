"""Recorder: an observer that keeps each handshake message with the time it passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..enums import HandshakeType


@dataclass(frozen=True, slots=True)
class Event:
    """One handshake message."""

    at: float
    """Seconds since the recorder's start."""

    sent: bool
    """Whether it went from the recording side to the other."""

    kind: int
    """The handshake type (RFC 8446, section 4)."""

    data: bytes = field(repr=False)
    """The whole message, with its header of four bytes."""

    protected: bool
    """Whether its record was encrypted."""

    @property
    def name(self) -> str:
        """The message's name as RFC 8446 writes it: ``ClientHello``."""
        return message_name(self.kind)

    @property
    def size(self) -> int:
        """The message's length in bytes, header included, record header not."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that the caller found worth noting: ``TCP connect``, ``application data``."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that passed between the two sides, as they were sent or arrived."""

    at: float
    sent: bool
    data: bytes = field(repr=False)


class Recorder:
    """Keeps what an :attr:`.Config.observer` is told. One recorder records one connection.

    *clock* gives seconds; the time of the first event or :meth:`mark` counts from the moment
    the recorder was made.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.started = clock()
        """The clock's reading when the recorder was made."""
        self.events: list[Event] = []
        self.marks: list[Mark] = []
        self.epoch = time.time()
        """The same moment, in seconds since 1970."""
        self.chunks: list[Chunk] = []
        """What passed on the wire, if someone told :meth:`wire`; only pcapng needs it."""
        self.secrets: list[str] = []
        """Lines of the NSS key log format, if :meth:`secret` is the configuration's key_log."""
        self.failure: str | None = None
        """Why the handshake ended early, once :meth:`fail` was told."""

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """Called by the engine for each handshake message (:class:`.config.Observer`)."""
        self.events.append(Event(self.elapsed(), sent, kind, bytes(data), protected))

    def wire(self, sent: bool, data: bytes) -> None:
        """Notes that bytes were sent or have arrived."""
        self.chunks.append(Chunk(self.elapsed(), sent, bytes(data)))

    def secret(self, line: str) -> None:
        """Takes a line of the key log: give it as :attr:`.Config.key_log`."""
        self.secrets.append(line)

    def mark(self, text: str) -> None:
        """Notes that *text* happened now."""
        self.marks.append(Mark(self.elapsed(), text))

    def fail(self, reason: str) -> None:
        """Notes that the handshake failed now."""
        self.mark("failed")
        self.failure = reason

    def elapsed(self) -> float:
        """Seconds since the recorder was made."""
        return self._clock() - self.started

    @property
    def bytes_sent(self) -> int:
        """Bytes of handshake messages that this side sent."""
        return sum(event.size for event in self.events if event.sent)

    @property
    def bytes_received(self) -> int:
        """Bytes of handshake messages that this side got."""
        return sum(event.size for event in self.events if not event.sent)


def message_name(kind: int) -> str:
    """A handshake type as RFC 8446 writes it: ``EncryptedExtensions``; ``0x63`` if unknown."""
    label = HandshakeType.label(kind)
    if label.startswith("0x"):
        return label
    return "".join(part.capitalize() for part in label.split("_"))
