"""Sessions: SSL_get_session(3), SSL_set_session(3), SSL_CTX_sess_set_get_cb(3).

A server keeps the state of its sessions in tickets, or with SSL_OP_NO_TICKET in its SSL_CTX. A
client is given sessions, in TLS 1.3 after the handshake, and resumes the one that it is told to.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509

from ..sessions import MAX_LIFETIME, Session
from ..trust import parse_certificate
from .ciphers import SSL_CIPHER, cipher
from .constants import TLS1_2_VERSION

if TYPE_CHECKING:
    from ..handshake.auth import Peer
    from ..handshake.established import Established
    from .connection import SSL


class SSL_SESSION:
    """What was agreed on, and what is needed to go on with it another time."""

    def __init__(self, session: Session | None, established: Established | None = None) -> None:
        self.session = session
        """None where it cannot be resumed, or not yet."""
        self.established = established
        self.references = 1
        self.verify_result = 0
        self.removed = False
        """Whether it must not be resumed any more, as its connection has failed."""
        self.so_far: tuple[int, int | None, bytes] = (TLS1_2_VERSION, None, b"")
        """Of a handshake that goes on: version, cipher suite, application protocol."""

    def __repr__(self) -> str:
        return f"<SSL_SESSION {'resumable' if self.session is not None else 'not resumable'}>"

    @property
    def version(self) -> int:
        """The version of TLS that it is of."""
        if self.session is not None:
            return self.session.version
        return int(self.established.version) if self.established is not None else self.so_far[0]

    @property
    def suite(self) -> int | None:
        """The cipher suite that it is of."""
        if self.session is not None:
            return self.session.suite
        return int(self.established.suite.code) if self.established is not None else self.so_far[1]

    @property
    def alpn(self) -> bytes:
        """The application protocol that was agreed on."""
        if self.session is not None:
            return self.session.alpn or b""
        return (self.established.alpn or b"") if self.established is not None else self.so_far[2]

    @property
    def peer(self) -> Peer | None:
        """What the peer has shown."""
        if self.established is not None and self.established.peer is not None:
            return self.established.peer
        return self.session.peer if self.session is not None else None

    @property
    def shown(
        self,
    ) -> tuple[SSL_CIPHER | None, x509.Certificate | None, list[x509.Certificate] | None]:
        """The cipher suite, the peer's certificate, and the chain that it has sent."""
        peer = self.peer
        ders = peer.chain if peer is not None else ()
        if not ders and self.session is not None:
            ders = self.session.chain
        chain = [parse_certificate(der) for der in ders]
        return cipher(self.suite), chain[0] if chain else None, chain or None


class SessionSlot:
    """The sessions of one client's connection: the one to resume, and those that it is given."""

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl
        self.offered: Session | None = None

    def take(self, key: bytes) -> Session | None:
        """The one to resume."""
        return self.offered

    def put(self, key: bytes, session: Session) -> None:
        """Takes one that the server has given."""
        self._ssl.take_session(session)


def check_session(session: SSL_SESSION | None) -> SSL_SESSION:
    """The session, alive; raises TypeError or ReferenceError where C would be undefined."""
    if not isinstance(session, SSL_SESSION):
        raise TypeError(f"an SSL_SESSION is expected, not {type(session).__name__}")
    if session.references <= 0:
        raise ReferenceError("the SSL_SESSION has been freed")
    return session


def SSL_SESSION_up_ref(session: SSL_SESSION) -> int:
    """One more holds it, and has to free it."""
    check_session(session).references += 1
    return 1


def SSL_SESSION_free(session: SSL_SESSION | None) -> None:
    """Lets go of it; nothing happens for None."""
    if session is not None:
        check_session(session).references -= 1


def SSL_SESSION_dup(session: SSL_SESSION) -> SSL_SESSION:
    """Another one with the same content."""
    copied = SSL_SESSION(check_session(session).session, session.established)
    copied.verify_result = session.verify_result
    return copied


def SSL_SESSION_is_resumable(session: SSL_SESSION) -> int:
    """1 where it can be resumed: in TLS 1.3 not before a ticket has come."""
    return int(check_session(session).session is not None and not session.removed)


def SSL_SESSION_has_ticket(session: SSL_SESSION) -> int:
    """1 where it has a ticket."""
    kept = check_session(session).session
    return int(kept is not None and bool(kept.ticket))


def SSL_SESSION_get_ticket_lifetime_hint(session: SSL_SESSION) -> int:
    """For how many seconds the server says that the ticket is good."""
    kept = check_session(session).session
    return kept.lifetime if kept is not None and kept.ticket else 0


def SSL_SESSION_get0_ticket(session: SSL_SESSION) -> bytes:
    """The ticket; empty where there is none."""
    kept = check_session(session).session
    return kept.ticket if kept is not None else b""


def SSL_SESSION_get_id(session: SSL_SESSION) -> bytes:
    """What tells it from others."""
    kept = check_session(session).session
    if kept is None:
        return b""
    return kept.session_id or hashlib.sha256(kept.ticket or kept.secret).digest()


def SSL_SESSION_get_time(session: SSL_SESSION) -> int:
    """When it began, in seconds since the epoch; 0 where it cannot be resumed."""
    kept = check_session(session).session
    return int(kept.created) if kept is not None else 0


def SSL_SESSION_get_timeout(session: SSL_SESSION) -> int:
    """For how many seconds it can be resumed."""
    kept = check_session(session).session
    return min(kept.lifetime, MAX_LIFETIME) if kept is not None else 7200


def SSL_SESSION_set_timeout(session: SSL_SESSION, seconds: int) -> int:
    """Changes for how many seconds it can be resumed."""
    kept = check_session(session).session
    if kept is not None:
        session.session = replace(kept, lifetime=seconds)
    return 1


def SSL_SESSION_get_protocol_version(session: SSL_SESSION) -> int:
    """The version of TLS that it is of."""
    return int(check_session(session).version)


def SSL_SESSION_get0_cipher(session: SSL_SESSION) -> SSL_CIPHER | None:
    """The cipher suite that it is of."""
    return cipher(check_session(session).suite)


def SSL_SESSION_get0_hostname(session: SSL_SESSION) -> str | None:
    """The name that the server was asked for."""
    kept = check_session(session).session
    return kept.server_name if kept is not None else None


def SSL_SESSION_get0_alpn_selected(session: SSL_SESSION) -> bytes:
    """The application protocol that was agreed on; empty where there was none."""
    return check_session(session).alpn


def SSL_SESSION_get_max_early_data(session: SSL_SESSION) -> int:
    """How many bytes of early data the server takes with it."""
    kept = check_session(session).session
    return kept.max_early_data if kept is not None else 0


def SSL_SESSION_get0_peer(session: SSL_SESSION) -> x509.Certificate | None:
    """The peer's certificate."""
    peer = check_session(session).peer
    return peer.certificate if peer is not None and peer.chain else None


def SSL_SESSION_get_master_key(session: SSL_SESSION) -> bytes:
    """The secret that resumption starts from; it has to be kept one."""
    kept = check_session(session).session
    return kept.secret if kept is not None else b""
