"""The transcript of RFC 8446, section 4.4.1: a running hash over all handshake messages."""

from __future__ import annotations

import hashlib

from ..enums import HandshakeType


class Transcript:
    """Keeps the messages until the hash is known, and then only the hash."""

    __slots__ = ("_hash", "_keeping", "_messages")

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._keeping = False
        self._hash: hashlib._Hash | None = None

    def add(self, message: bytes) -> None:
        """Appends one message, its header of four bytes included."""
        if self._hash is not None:
            self._hash.update(message)
            if not self._keeping:
                return
        self._messages.append(message)

    def start(self, hash_name: str, keep: bool = False) -> None:
        """The cipher suite is chosen, and with it the hash. A second call changes nothing.

        TLS 1.2 signs the messages themselves, not their hash: there they are kept until
        :meth:`forget`.
        """
        if self._hash is None:
            self._hash = hashlib.new(hash_name, b"".join(self._messages))
            if not keep:
                self._messages.clear()
            self._keeping = keep

    def condense(self, hash_name: str) -> None:
        """Puts message_hash in the place of the first ClientHello (4.4.1, HelloRetryRequest)."""
        digest = hashlib.new(hash_name, self._messages[0]).digest()
        self._messages[0] = bytes([HandshakeType.MESSAGE_HASH, 0, 0, len(digest)]) + digest

    def substitute(self, message: bytes) -> None:
        """Puts another message in the place of the last one, while the suite is still open."""
        self._messages[-1] = message

    def digest(self, more: bytes = b"") -> bytes:
        """The hash of everything until now, and of *more* behind it."""
        if self._hash is None:
            raise RuntimeError("the transcript's hash is asked for before a suite was chosen")
        if not more:
            return self._hash.digest()  # which leaves it as it is
        state = self._hash.copy()
        state.update(more)
        return state.digest()

    def hash_of(self, hash_name: str, more: bytes) -> bytes:
        """The hash under any function, while the suite is still open (PSK binders, 4.2.11.2)."""
        if self._hash is not None and self._hash.name == hash_name:
            return self.digest(more)
        return hashlib.new(hash_name, b"".join((*self._messages, more))).digest()

    def hash_without(self, hash_name: str, length: int) -> bytes:
        """The hash without the last *length* bytes, while the suite is still open (4.2.11.2)."""
        return hashlib.new(hash_name, b"".join(self._messages)[:-length]).digest()

    def messages(self) -> bytes:
        """All messages, where they are kept (RFC 5246, section 7.4.8)."""
        return b"".join(self._messages)

    def forget(self) -> None:
        """From now on only the hash is kept."""
        self._messages.clear()
        self._keeping = False

    def copy(self) -> Transcript:
        """An independent continuation (post-handshake authentication, 4.4.1)."""
        other = Transcript()
        other._messages = list(self._messages)
        other._hash = self._hash.copy() if self._hash is not None else None
        return other
