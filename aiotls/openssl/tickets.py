"""Tickets on a server: the keys, and the callbacks of SSL_CTX_set_session_ticket_cb(3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import DecodeError, UsageError
from ..handshake.psk import MAX_IDENTITIES
from ..sessions import Session
from .constants import (
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
