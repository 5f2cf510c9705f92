"""Where a server's sessions are: SSL_CTX_set_session_ticket_cb(3), SSL_CTX_sess_set_get_cb(3).

In tickets that its clients keep; or in the SSL_CTX, and in whatever keeps them for the application:
with SSL_OP_NO_TICKET, for clients of TLS 1.2 that take no tickets, and where early data is taken,
as a session must be good for one connection then (RFC 8446, section 8.1).
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..enums import Alert
from ..errors import DecodeError, ProtocolError
from ..handshake.psk import MAX_IDENTITIES
from ..sessions import Session
from ..wire.codec import Reader
from . import ticket_keys
from .constants import (
    SSL_OP_NO_ANTI_REPLAY,
    SSL_OP_NO_TICKET,
    SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
    SSL_SESS_CACHE_NO_INTERNAL_STORE,
    SSL_TICKET_EMPTY,
    SSL_TICKET_NO_DECRYPT,
    SSL_TICKET_RETURN_ABORT,
    SSL_TICKET_RETURN_IGNORE_RENEW,
    SSL_TICKET_RETURN_USE,
    SSL_TICKET_RETURN_USE_RENEW,
    SSL_TICKET_SUCCESS,
    SSL_TICKET_SUCCESS_RENEW,
    TLS1_3_VERSION,
)
from .sessions import SSL_SESSION

if TYPE_CHECKING:
    from .connection import SSL


class Opened(NamedTuple):
    """What has become of a ticket that a client showed."""

    state: bytes | None
    """What the engine resumes; None where it is not to be used."""

    session: SSL_SESSION | None
    renews: bool
    """Whether the client is given another one."""


def anti_replay(ssl: SSL) -> bool:
    """Whether a session is good for one connection only, as early data may come with it."""
    settings = ssl.settings
    return settings.max_early_data > 0 and not settings.options & SSL_OP_NO_ANTI_REPLAY


def keeps_state(ssl: SSL, version: int, takes_tickets: bool) -> bool:
    """Whether the server keeps the sessions of a client itself."""
    if ssl.settings.options & SSL_OP_NO_TICKET:
        return True
    return anti_replay(ssl) if version == TLS1_3_VERSION else not takes_tickets


def new_session(ssl: SSL, state: bytes, number: bytes) -> SSL_SESSION:
    """The session that a client is about to be given; the application may add to it."""
    session = SSL_SESSION(Session.decode(state))
    session.id = number
    session.id_context = ssl.settings.session_id_context
    session.verify_result = ssl.verify_result
    ctx = ssl.ctx
    if ctx.generate_ticket_cb is not None:
        ssl.session = session
        if not ssl.call(ctx.generate_ticket_cb, ssl, ctx.ticket_arg, default=0):
            raise refusal("the ticket callback refused")
    return session


def refusal(message: str) -> ProtocolError:
    """The application's callback ends the handshake."""
    return ProtocolError(Alert.INTERNAL_ERROR, message)


class Tickets:
    """The engine's ticket keys for one connection. Each ticket is looked at once."""

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl
        self._opened: dict[bytes, Opened] = {}

    def seal(self, state: bytes) -> bytes:
        """A ticket, if the application has nothing against it."""
        ssl = self._ssl
        tls13 = ssl.progress.tls13
        session = new_session(ssl, state, os.urandom(32) if tls13 else b"")
        context, data = session.id_context, session.ticket_appdata
        sealed = b"".join(
            (bytes([len(context)]), context, len(data).to_bytes(2, "big"), data, state)
        )
        if ssl.ctx.ticket_key_cb is not None:
            ticket = ticket_keys.seal(ssl, sealed)
        else:
            ticket = ssl.ctx.ticket_keys.seal(sealed)
        ssl.hooks.keep(session)
        return ticket

    def open(self, ticket: bytes) -> bytes | None:
        """What is in a ticket, if the application has nothing against it."""
        opened = self.look(ticket)
        if opened.state is not None and opened.session is not None:
            self._ssl.resumes(opened.session)
        return opened.state

    def look(self, ticket: bytes) -> Opened:
        """What will become of a ticket, before the engine asks. Raises ProtocolError."""
        if ticket not in self._opened:
            if len(self._opened) > MAX_IDENTITIES:
                self._opened.clear()
            self._opened[ticket] = self._ask(ticket)
        return self._opened[ticket]

    def _unseal(self, ticket: bytes) -> tuple[SSL_SESSION | None, bytes, bool]:
        """The session in a ticket, its state, and whether the key says to renew it."""
        renews = False
        if self._ssl.ctx.ticket_key_cb is not None:
            sealed, renews = ticket_keys.unseal(self._ssl, ticket)
        else:
            sealed = self._ssl.ctx.ticket_keys.open(ticket)
        if sealed is None:
            return None, b"", False
        try:
            reader = Reader(sealed)
            context, data = reader.vector(1), reader.vector(2)
            state = reader.take(reader.remaining)
            session = SSL_SESSION(Session.decode(state))
        except DecodeError:
            return None, b"", False
        session.id = os.urandom(32)
        session.id_context, session.ticket_appdata = context, data
        return session, state, renews

    def _ask(self, ticket: bytes) -> Opened:
        ctx = self._ssl.ctx
        session, state, renewed = self._unseal(ticket) if ticket else (None, b"", False)
        status = SSL_TICKET_NO_DECRYPT if ticket else SSL_TICKET_EMPTY
        if session is not None:
            status = SSL_TICKET_SUCCESS_RENEW if renewed else SSL_TICKET_SUCCESS
        used, renews = session is not None, session is None or renewed
        if ctx.decrypt_ticket_cb is not None:
            name = ticket[:16]
            answer = self._ssl.call(
                ctx.decrypt_ticket_cb,
                self._ssl,
                session,
                name,
                len(name),
                status,
                ctx.ticket_arg,
                default=SSL_TICKET_RETURN_ABORT,
            )
            if answer == SSL_TICKET_RETURN_ABORT:
                raise refusal("the ticket callback refused")
            used = answer in (SSL_TICKET_RETURN_USE, SSL_TICKET_RETURN_USE_RENEW)
            renews = answer in (SSL_TICKET_RETURN_IGNORE_RENEW, SSL_TICKET_RETURN_USE_RENEW)
        if session is None or not used or not belongs(self._ssl, session):
            return Opened(None, session, renews)
        if session.over(time.time()):
            ctx.sessions.counts["timeouts"] += 1
            return Opened(None, session, renews=True)
        return Opened(state, session, renews)


def belongs(ssl: SSL, session: SSL_SESSION) -> bool:
    """Whether a session is of the connection's context: SSL_CTX_set_session_id_context(3)."""
    return session.id_context == ssl.settings.session_id_context


class Store:
    """The engine's session store for one connection: the context's own, and the application's."""

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl
        self._found: dict[bytes, SSL_SESSION | None] = {}

    def put(self, number: bytes, state: bytes, lifetime: int) -> None:
        """Keeps a session, and shows it to the application."""
        self._ssl.hooks.keep(new_session(self._ssl, state, number))

    def take(self, number: bytes) -> bytes | None:
        """The state of a session: the context's own, or what the application has kept."""
        session = self.look(number)
        if session is None or session.session is None:
            return None
        self._ssl.resumes(session)
        return replace(session.session, session_id=b"", ticket=b"").encode()

    def discard(self, number: bytes) -> None:
        """Nothing: the connection itself tells its context where libssl would (forget_session)."""

    def look(self, number: bytes) -> SSL_SESSION | None:
        """The session with an id, looked for once."""
        if number not in self._found:
            if len(self._found) > MAX_IDENTITIES:
                self._found.clear()
            self._found[number] = self._look(number)
        return self._found[number]

    def _look(self, number: bytes) -> SSL_SESSION | None:
        ssl, ctx = self._ssl, self._ssl.ctx
        session = None
        if not number or len(number) > 32:
            return None
        if not ctx.session_cache_mode & SSL_SESS_CACHE_NO_INTERNAL_LOOKUP:
            session = ctx.sessions.find(ssl.version, number)
            if session is None:
                ctx.sessions.counts["misses"] += 1
        if session is None:
            session = self._ask(number)
        if session is None or session.session is None or session.removed:
            return None
        if ssl.progress.tls13 and anti_replay(ssl) and not ctx.remove(session):
            return None
        if not belongs(ssl, session):
            return None
        if session.over(time.time()):
            ctx.sessions.counts["timeouts"] += 1
            ctx.remove(session)
            return None
        return session

    def _ask(self, number: bytes) -> SSL_SESSION | None:
        """What the application has kept; the context keeps it too from then on."""
        ctx = self._ssl.ctx
        callback = ctx.get_session_cb
        if callback is None:
            return None
        answer = self._ssl.call(callback, self._ssl, number, len(number), default=None)
        found = answer[0] if isinstance(answer, tuple) else answer
        if not isinstance(found, SSL_SESSION) or found.session is None:
            return None
        ctx.sessions.counts["cb_hits"] += 1
        if not ctx.session_cache_mode & SSL_SESS_CACHE_NO_INTERNAL_STORE:
            ctx.sessions.add(found)
        return found
