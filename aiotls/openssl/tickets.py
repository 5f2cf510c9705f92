"""Where a server's sessions are: SSL_CTX_set_session_ticket_cb(3), SSL_CTX_sess_set_get_cb(3).

In tickets that its clients keep, or with SSL_OP_NO_TICKET in the SSL_CTX and in whatever keeps them
for the application.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import DecodeError, UsageError
from ..handshake.psk import MAX_IDENTITIES
from ..sessions import Session
from .constants import (
    SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
    SSL_SESS_CACHE_NO_INTERNAL_STORE,
    SSL_TICKET_EMPTY,
    SSL_TICKET_NO_DECRYPT,
    SSL_TICKET_RETURN_ABORT,
    SSL_TICKET_RETURN_IGNORE_RENEW,
    SSL_TICKET_RETURN_USE,
    SSL_TICKET_RETURN_USE_RENEW,
    SSL_TICKET_SUCCESS,
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


class Tickets:
    """The engine's ticket keys for one connection. Each ticket is looked at once."""

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl
        self._opened: dict[bytes, Opened] = {}

    def seal(self, state: bytes) -> bytes:
        """A ticket, if the application has nothing against it."""
        ctx = self._ssl.ctx
        if ctx.generate_ticket_cb is not None and not self._ssl.call(
            ctx.generate_ticket_cb, self._ssl, ctx.ticket_arg, default=0
        ):
            raise UsageError("the ticket callback refused")
        return ctx.ticket_keys.seal(state)

    def open(self, ticket: bytes) -> bytes | None:
        """What is in a ticket, if the application has nothing against it."""
        opened = self.look(ticket)
        if opened.state is not None and opened.session is not None:
            self._ssl.resumes(opened.session)
        return opened.state

    def look(self, ticket: bytes) -> Opened:
        """What will become of a ticket, before the engine asks."""
        if ticket not in self._opened:
            if len(self._opened) > MAX_IDENTITIES:
                self._opened.clear()
            self._opened[ticket] = self._ask(ticket)
        return self._opened[ticket]

    def _ask(self, ticket: bytes) -> Opened:
        ctx = self._ssl.ctx
        state = ctx.ticket_keys.open(ticket) if ticket else None
        session, status = None, SSL_TICKET_NO_DECRYPT if ticket else SSL_TICKET_EMPTY
        if state is not None:
            try:
                session, status = SSL_SESSION(Session.decode(state)), SSL_TICKET_SUCCESS
            except DecodeError:
                state = None
        if ctx.decrypt_ticket_cb is None:
            return Opened(state, session, renews=session is None)
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
            raise UsageError("the ticket callback refused")
        used = answer in (SSL_TICKET_RETURN_USE, SSL_TICKET_RETURN_USE_RENEW)
        renews = answer in (SSL_TICKET_RETURN_IGNORE_RENEW, SSL_TICKET_RETURN_USE_RENEW)
        return Opened(state if used else None, session, renews)


class Store:
    """The engine's session store for one connection: the context's own, and the application's.

    A session from the store is good for one connection; who resumes one is given another.
    """

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl

    def put(self, number: bytes, state: bytes, lifetime: int) -> None:
        """Keeps a session, and shows it to the application."""
        ctx = self._ssl.ctx
        if not ctx.session_cache_mode & SSL_SESS_CACHE_NO_INTERNAL_STORE:
            ctx.session_store.put(number, state, lifetime)
        session = SSL_SESSION(replace(Session.decode(state), session_id=number))
        self._ssl.hooks.keep(session)

    def take(self, number: bytes) -> bytes | None:
        """The state of a session: the context's own, or what the application has kept."""
        ctx = self._ssl.ctx
        state = None
        if not ctx.session_cache_mode & SSL_SESS_CACHE_NO_INTERNAL_LOOKUP:
            state = ctx.session_store.take(number)
        if state is None:
            state = self._ask(number)
        if state is not None:
            self._ssl.resumes(SSL_SESSION(replace(Session.decode(state), session_id=number)))
        return state

    def _ask(self, number: bytes) -> bytes | None:
        callback = self._ssl.ctx.get_session_cb
        if callback is None:
            return None
        answer = self._ssl.call(callback, self._ssl, number, len(number), default=None)
        found = answer[0] if isinstance(answer, tuple) else answer
        if not isinstance(found, SSL_SESSION) or found.session is None or found.removed:
            return None
        return replace(found.session, session_id=b"").encode()
