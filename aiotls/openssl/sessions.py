"""Sessions: SSL_get_session(3), SSL_set_session(3), SSL_CTX_sess_set_get_cb(3).

A server keeps the state of its sessions in tickets, or with SSL_OP_NO_TICKET in its SSL_CTX. A
client is given sessions, in TLS 1.3 after the handshake, and resumes the one that it is told to.
"""

from __future__ import annotations

import copy
import hashlib
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..sessions import MAX_LIFETIME, Session
from ..trust import parse_certificate
from .arguments import check_int, input_view
from .ciphers import SSL_CIPHER, cipher
from .constants import SSL_MAX_SID_CTX_LENGTH, TLS1_2_VERSION
from .errors import raise_ssl
from .reasons import SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG, SSL_R_SSL_SESSION_ID_TOO_LONG

if TYPE_CHECKING:
    from ..handshake.auth import Peer
    from ..handshake.established import Established
    from .connection import SSL


SSL_MAX_SSL_SESSION_ID_LENGTH = 32
_MAX_MASTER_KEY = 256


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
        self.id_context = b""
        """What it belongs to: SSL_set_session_id_context(3)."""
        self.ticket_appdata = b""
        """What the application has put into the ticket."""
        self.data: dict[int, Any] = {}
        self._id: bytes | None = None

    def __repr__(self) -> str:
        return f"<SSL_SESSION {'resumable' if self.session is not None else 'not resumable'}>"

    @property
    def id(self) -> bytes:
        """What tells it from others; empty while it cannot be resumed."""
        kept = self.session
        if self._id is not None or kept is None:
            return self._id or b""
        return kept.session_id or hashlib.sha256(kept.ticket or kept.secret).digest()

    @id.setter
    def id(self, value: bytes) -> None:
        self._id = value

    def over(self, now: float) -> bool:
        """Whether it can no longer be resumed at a time."""
        return self.session is None or self.session.expired(now)

    def change(self, **changes: Any) -> None:
        """Changes what is kept, if there is anything yet."""
        if self.session is not None:
            self.session = replace(self.session, **changes)

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


class SessionCache:
    """The sessions that an SSL_CTX keeps, by version and id; any number of threads may use it."""

    def __init__(self) -> None:
        self.size = 20_480
        """How many it keeps at most; 0: any number."""
        self.counts: Counter[str] = Counter()
        self._sessions: OrderedDict[tuple[int, bytes], SSL_SESSION] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: SSL_SESSION) -> bool:
        """Keeps one, and forgets the oldest where there are too many; False if it is there yet."""
        key = session.version, session.id
        with self._lock:
            if self._sessions.get(key) is session:
                return False
            self._sessions[key] = session
            self._sessions.move_to_end(key)
            while self.size > 0 and len(self._sessions) > self.size:
                self._sessions.popitem(last=False)
                self.counts["cache_full"] += 1
        return True

    def discard(self, session: SSL_SESSION) -> bool:
        """Forgets the session of that id; whether there was one."""
        with self._lock:
            return self._sessions.pop((session.version, session.id), None) is not None

    def find(self, version: int, number: bytes) -> SSL_SESSION | None:
        """The session with an id."""
        with self._lock:
            return self._sessions.get((version, number))

    def over(self, now: float) -> list[SSL_SESSION]:
        """Those that are over at a time; at 0 all."""
        with self._lock:
            return [
                each
                for each in self._sessions.values()
                if not now or each.session is None or each.session.ends < now
            ]


class SessionSlot:
    """The sessions of one client's connection: the one to resume, and those that it is given."""

    def __init__(self, ssl: SSL) -> None:
        self._ssl = ssl
        self.offered: Session | None = None

    def take(self, key: bytes) -> Session | None:
        """The one to resume."""
        return self.offered

    def put(self, key: bytes, session: Session) -> None:
        """Takes one that the server has given. SSL_SESSION knows what has become of its connection,
        by rules that are libssl's.
        """
        self._ssl.take_session(replace(session, kin=None))


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


def SSL_SESSION_new() -> SSL_SESSION:
    """An empty one, to be filled by ``SSL_SESSION_set…``; it cannot be resumed as it is."""
    session = SSL_SESSION(
        Session(version=0, suite=0, secret=b"", created=float(int(time.time())), lifetime=304)
    )
    session.id, session.verify_result = b"", 1
    return session


def SSL_SESSION_dup(session: SSL_SESSION) -> SSL_SESSION:
    """Another one with the same content."""
    copied = copy.copy(check_session(session))
    copied.references, copied.data = 1, dict(session.data)
    return copied


def SSL_SESSION_is_resumable(session: SSL_SESSION) -> int:
    """1 where it can be resumed: in TLS 1.3 not before a ticket has come."""
    kept = check_session(session).session
    return int(kept is not None and not session.removed and bool(session.id or kept.ticket))


def SSL_SESSION_has_ticket(session: SSL_SESSION) -> int:
    """1 for a session that has a ticket, else 0."""
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
    return check_session(session).id


def SSL_SESSION_set1_id(session: SSL_SESSION, sid: bytes, sid_len: int) -> int:
    """What tells it from others: at most 32 bytes."""
    check_session(session)
    if sid_len > SSL_MAX_SSL_SESSION_ID_LENGTH:
        raise_ssl(SSL_R_SSL_SESSION_ID_TOO_LONG)
        return 0
    session.id = bytes(input_view(sid, sid_len))
    return 1


def SSL_SESSION_get0_id_context(session: SSL_SESSION) -> bytes:
    """What it belongs to: SSL_set_session_id_context(3)."""
    return check_session(session).id_context


def SSL_SESSION_set1_id_context(session: SSL_SESSION, sid_ctx: bytes, sid_ctx_len: int) -> int:
    """What it belongs to: at most 32 bytes."""
    check_session(session)
    if sid_ctx_len > SSL_MAX_SID_CTX_LENGTH:
        raise_ssl(SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG)
        return 0
    session.id_context = bytes(input_view(sid_ctx, sid_ctx_len))
    return 1


def SSL_SESSION_get_ex_data(session: SSL_SESSION, index: int) -> Any:
    """What SSL_SESSION_set_ex_data() has kept under an index."""
    return check_session(session).data.get(index)


def SSL_SESSION_set_ex_data(session: SSL_SESSION, index: int, data: Any) -> int:
    """Keeps something of the application's."""
    check_session(session).data[index] = data
    return 1


def SSL_SESSION_get0_ticket_appdata(session: SSL_SESSION) -> tuple[int, bytes]:
    """``(1, data)``: what the application has put into the ticket."""
    return 1, check_session(session).ticket_appdata


def SSL_SESSION_set1_ticket_appdata(session: SSL_SESSION, data: bytes | None, length: int) -> int:
    """What goes into the ticket besides: called by ``generate`` of SSL_CTX_set_session_ticket_cb().

    With None what there was is taken away.
    """
    check_session(session).ticket_appdata = b"" if data is None else bytes(input_view(data, length))
    return 1


def SSL_SESSION_get_compress_id(session: SSL_SESSION) -> int:
    """0: nothing is compressed (RFC 8446, section 4.1.2)."""
    check_session(session)
    return 0


def SSL_SESSION_get_max_fragment_length(session: SSL_SESSION) -> int:
    """0: no other length was agreed on."""
    check_session(session)
    return 0


def SSL_SESSION_get_time(session: SSL_SESSION) -> int:
    """When it began, in seconds since the epoch; 0 where it cannot be resumed."""
    kept = check_session(session).session
    return int(kept.created) if kept is not None else 0


def SSL_SESSION_get_timeout(session: SSL_SESSION) -> int:
    """For how many seconds it can be resumed."""
    kept = check_session(session).session
    return min(kept.lifetime, MAX_LIFETIME) if kept is not None else 7200


def SSL_SESSION_set_time(session: SSL_SESSION, seconds: int) -> int:
    """Changes when it began; returns that."""
    check_session(session).change(created=float(check_int(seconds, "a time")))
    return seconds


def SSL_SESSION_set_timeout(session: SSL_SESSION, seconds: int) -> int:
    """Changes for how many seconds it can be resumed."""
    check_session(session).change(lifetime=check_int(seconds, "a number of seconds"))
    return 1


def SSL_SESSION_get_protocol_version(session: SSL_SESSION) -> int:
    """The version of TLS that it is of."""
    return int(check_session(session).version)


def SSL_SESSION_set_protocol_version(session: SSL_SESSION, version: int) -> int:
    """Changes the version of TLS that it is of."""
    check_session(session).change(version=check_int(version, "a version"))
    return 1


def SSL_SESSION_set_cipher(session: SSL_SESSION, chosen: SSL_CIPHER) -> int:
    """Changes the cipher suite that it is of."""
    if not isinstance(chosen, SSL_CIPHER):
        raise TypeError(f"an SSL_CIPHER is expected, not {type(chosen).__name__}")
    check_session(session).change(suite=int(chosen.suite.code))
    return 1


def SSL_SESSION_set1_hostname(session: SSL_SESSION, hostname: str | None) -> int:
    """Changes the name that the server was asked for."""
    check_session(session).change(server_name=hostname)
    return 1


def SSL_SESSION_set1_alpn_selected(session: SSL_SESSION, alpn: bytes | None, length: int) -> int:
    """Changes the application protocol."""
    chosen = bytes(input_view(alpn, length)) if alpn is not None else None
    check_session(session).change(alpn=chosen or None)
    return 1


def SSL_SESSION_set_max_early_data(session: SSL_SESSION, size: int) -> int:
    """Changes how many bytes of early data the server takes with it."""
    check_session(session).change(max_early_data=check_int(size, "a size"))
    return 1


def SSL_SESSION_set1_master_key(session: SSL_SESSION, key: bytes, length: int) -> int:
    """Changes the secret that resumption starts from; at most 256 bytes."""
    check_session(session)
    if length > _MAX_MASTER_KEY:
        return 0
    session.change(secret=bytes(input_view(key, length)))
    return 1


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
    """The peer's certificate of the session's full handshake, or None."""
    peer = check_session(session).peer
    return peer.certificate if peer is not None and peer.chain else None


def SSL_SESSION_get_master_key(session: SSL_SESSION) -> bytes:
    """The secret that resumption starts from; it has to be kept one."""
    kept = check_session(session).session
    return kept.secret if kept is not None else b""
