"""Sessions as the standard library shows them: taken from one connection, given to the next."""

from __future__ import annotations

import hashlib
import time
import weakref
from typing import TYPE_CHECKING

from ..enums import ProtocolVersion
from ..sessions import MAX_LIFETIME, MemorySessionCache, MemorySessionStore, Session

if TYPE_CHECKING:
    from .context import SSLContext


DEFAULT_TIMEOUT = 7200
"""Seconds; what OpenSSL has for a session of TLS 1.2, whatever its ticket's lifetime."""


class SSLSession:
    """What a client can resume: ``session = sock.session``, ``wrap_socket(…, session=session)``.

    It belongs to the context that it was made with. In TLS 1.3 tickets come after the handshake,
    with the first data: before that there is a session without a ticket.
    """

    __slots__ = (
        "_context",
        "_scope",
        "_session",
        "has_ticket",
        "id",
        "ticket_lifetime_hint",
        "time",
        "timeout",
    )
    id: bytes

    def __init__(
        self,
        context: SSLContext,
        session: Session | None,
        begun: float = 0.0,
        scope: bytes = b"",
    ) -> None:
        self._context = weakref.ref(context)
        self._scope = scope
        self._session = session
        if session is None:  # with which nothing can be resumed; programs ask it whether it can
            self.id, self.time, self.timeout = b"", int(begun), DEFAULT_TIMEOUT
            self.ticket_lifetime_hint, self.has_ticket = 0, False
            return
        # In TLS 1.2 a session stays the same when it is resumed and its ticket renewed, and so
        # does its secret; in TLS 1.3 every ticket is a session (RFC 8446, section 4.6.1).
        tls13 = session.version == ProtocolVersion.TLSv1_3
        mark = session.ticket if tls13 else session.secret
        self.id = hashlib.sha256(b"session id" + mark).digest()
        """What tells it from others; it is not secret."""
        self.time = int(session.created)
        """When it was made, in seconds since the epoch."""
        self.timeout = min(session.lifetime, MAX_LIFETIME) if tls13 else DEFAULT_TIMEOUT
        """For how many seconds it can be resumed."""
        self.ticket_lifetime_hint = session.lifetime if session.ticket else 0
        """What the server said about that, in seconds; 0 without a ticket."""
        self.has_ticket = bool(session.ticket)
        """Whether it has a ticket, without which TLS 1.3 does not resume."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SSLSession):
            return NotImplemented
        return self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<SSLSession {self.id.hex()[:16]}{' with a ticket' if self.has_ticket else ''}>"

    def offer(self, scope: bytes) -> Session | None:
        """What to offer the server, if peers are still verified as they were when it was made.

        *scope* says how (:attr:`.ClientConfig.session_scope`). A session that was made without
        verification must not stand for a certificate that nobody has looked at.
        """
        return self._session if scope == self._scope else None

    def belongs_to(self, context: object) -> bool:
        """Whether it was made with *context*."""
        return self._context() is context


class ServerSessions(MemorySessionStore):
    """The sessions that a server keeps itself, as OP_NO_TICKET asks for.

    A number is good for one connection in TLS 1.3 alone, as with OpenSSL: a client of TLS 1.2 gets
    no new one when it resumes (RFC 5246, section 7.3).
    """

    def take(self, number: bytes) -> bytes | None:
        """The state; in TLS 1.3 it is removed."""
        with self._lock:
            until, state = self._states.get(number, (0.0, b""))
        if until > self._clock() and Session.decode(state).version == ProtocolVersion.TLSv1_2:
            return state
        return super().take(number)

    def discard(self, number: bytes) -> None:
        """Forgets a session whose connection has failed."""
        super().take(number)


class SessionSlot(MemorySessionCache):
    """The sessions of one client connection: the one to resume, and the newest it was given.

    The standard library never resumes by itself, so there is nothing to look up.
    """

    def __init__(self) -> None:
        self.begun = time.time()
        self.offered: Session | None = None
        self.received: Session | None = None

    def put(self, key: bytes, session: Session) -> None:
        """Keeps the newest."""
        self.received = session

    def take(self, key: bytes) -> Session | None:
        """The one to resume."""
        return self.offered
