"""Sessions that can be taken up again: what is remembered, by whom, and for how long.

A client remembers in a :class:`SessionCache`. A server either lets its clients remember, in
tickets under the keys of a :class:`TicketKeys`, or keeps the state itself in a
:class:`SessionStore` and hands out its number. All three are small protocols; each method may
be a plain function or a coroutine, so that any of them may live on another machine.

RFC 8446, sections 2.2, 4.2.11 and 4.6.1; RFC 5077 and RFC 7627 for TLS 1.2.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import DecodeError, UsageError
from .wire.codec import Reader

if TYPE_CHECKING:
    from .handshake.auth import Peer

MAX_LIFETIME = 604_800
"""Seconds; RFC 8446, section 4.6.1: no ticket lives longer than seven days."""

LAYOUT = 3
"""The layout of a session as bytes: every ticket says which one it has."""

_LAYOUT = struct.Struct(">BHHQQIII??BBB")
"""Layout, version, suite, created and began (ms), lifetime, age_add, max_early_data, extended
master secret, whether a raw public key stands in place of the chain, and the lengths of secret,
application protocol and server name, which follow; then the chain."""

_LAST_MOMENT = 1 << 48
"""Milliseconds. A float of seconds is exact to the millisecond up to here (the year 10889), so
that a session that is read is written back as it was."""

MAX_CHAIN_IN_TICKET = 16_384
"""Bytes of client certificates that a ticket may carry; a longer chain is not resumed."""


class Kin:
    """The sessions of one connection. Where it ends in a fatal alert, none of them may be resumed
    (RFC 5246, section 7.2.2; RFC 8446, section 6), as far as they can be called back: a ticket that
    is in the peer's hands cannot, a client's own sessions and what is in a server's store can.
    """

    __slots__ = ("numbers", "void")

    def __init__(self) -> None:
        self.void = False
        """Whether the connection has failed."""
        self.numbers: tuple[bytes, ...] = ()
        """On a server: those under which its store has them."""

    def disown(self, store: SessionStore | None) -> list[Awaitable[object]]:
        """The connection has failed. Returns what is to be awaited, where the store wants that."""
        self.void = True
        waiting: list[Awaitable[object]] = []
        if store is None:
            return waiting
        numbers, self.numbers = self.numbers, ()
        discard = getattr(store, "discard", store.take)
        for number in numbers:
            try:
                taken = discard(number)
            except Exception:  # as if it had it no more; the connection's own error is what counts
                continue
            if taken is not None and not isinstance(taken, bytes):
                waiting.append(taken)
        return waiting


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Session:
    """What two sides need in order to go on with a session. Its secret does not show.

    It is a value that connections share and none changes; ``dataclasses.replace`` makes another.
    """

    version: int
    suite: int
    secret: bytes = field(repr=False)
    """The resumption PSK of TLS 1.3 (32 or 48 bytes), or the master secret of TLS 1.2 (48)."""

    created: float
    """Seconds since the epoch."""

    lifetime: int
    """Seconds, counted from :attr:`created`."""

    began: float | None = None
    """When the full handshake was that the session goes back to, in which the peers were verified;
    None: at :attr:`created`. A session that was made by resuming another keeps it, so that a chain
    of them ends (RFC 8446, section 4.6.1)."""

    age_add: int = 0
    """What hides the ticket's age from those who listen (RFC 8446, section 4.2.11.1)."""

    max_early_data: int = 0
    """Bytes of 0-RTT data that the server will take."""

    alpn: bytes | None = None
    server_name: str | None = None
    extended_master_secret: bool = True
    """RFC 7627; always so in TLS 1.3."""

    chain: tuple[bytes, ...] = ()
    """On a server: the client's certificates, DER."""

    raw_public_key: bytes | None = None
    """On a server: the key that the client showed in place of certificates (RFC 7250)."""

    ticket: bytes = field(default=b"", repr=False)
    """On a client: what the server is to be shown."""

    session_id: bytes = field(default=b"", repr=False)
    """On a client, TLS 1.2: the session's number, where the server keeps the state."""

    peer: Peer | None = field(default=None, repr=False)
    """On a client: the server, as it was verified."""

    kin: Kin | None = field(default=None, repr=False, compare=False)
    """On a client: the sessions of the same connection, which fall with it."""

    @property
    def void(self) -> bool:
        """Whether the connection that it came from has failed."""
        return self.kin is not None and self.kin.void

    @property
    def origin(self) -> float:
        """When the full handshake was that it goes back to."""
        return self.created if self.began is None else self.began

    @property
    def ends(self) -> float:
        """When it dies: after its lifetime, and at the latest seven days after :attr:`origin`."""
        return min(self.created + self.lifetime, self.origin + MAX_LIFETIME)

    def expired(self, now: float) -> bool:
        """Whether it may no longer be used. A clock that went back counts as expired, and so does
        the failure of the connection that it came from.
        """
        return self.void or not self.created - 60 <= now < self.ends

    def encode(self) -> bytes:
        """The server's state as bytes, for a ticket or a store."""
        alpn, name = self.alpn or b"", (self.server_name or "").encode()
        numbers = _LAYOUT.pack(
            LAYOUT,
            self.version,
            self.suite,
            round(self.created * 1000),
            round((self.began or 0) * 1000),
            self.lifetime,
            self.age_add,
            self.max_early_data,
            self.extended_master_secret,
            self.raw_public_key is not None,
            len(self.secret),
            len(alpn),
            len(name),
        )
        shown = self.chain if self.raw_public_key is None else (self.raw_public_key,)
        chain = [len(der).to_bytes(3, "big") + der for der in shown]
        return b"".join((numbers, self.secret, alpn, name, *chain))

    @classmethod
    def decode(cls, data: bytes) -> Session:
        """The inverse of :meth:`encode`; raises DecodeError."""
        reader = Reader(data)
        (
            layout,
            version,
            suite,
            created,
            began,
            lifetime,
            age_add,
            max_early_data,
            extended,
            raw,
            *lengths,
        ) = _LAYOUT.unpack(reader.take(_LAYOUT.size))
        if layout != LAYOUT:
            raise DecodeError("a session of an unknown layout")
        secret, alpn, text = map(reader.take, lengths)
        if not secret:
            raise DecodeError("a session without a secret")
        if max(created, began) > _LAST_MOMENT:
            raise DecodeError("a session from a time that no clock shows")
        try:
            name = text.decode()
        except UnicodeDecodeError as error:
            raise DecodeError("a session whose server name is not text") from error
        chain = []
        while reader.remaining:
            chain.append(reader.vector(3, 1))
        if raw and len(chain) != 1:
            raise DecodeError("a session with a raw public key that is not one")
        return cls(
            version=version,
            suite=suite,
            secret=secret,
            created=created / 1000,
            began=began / 1000 if began else None,
            lifetime=lifetime,
            age_add=age_add,
            max_early_data=max_early_data,
            extended_master_secret=bool(extended),
            alpn=alpn or None,
            server_name=name or None,
            chain=() if raw else tuple(chain),
            raw_public_key=chain[0] if raw else None,
        )


class SessionCache(Protocol):
    """Where a client keeps its sessions, by a key that names server, configuration and trust."""

    def put(self, key: bytes, session: Session) -> Awaitable[None] | None:
        """Keeps a session; older ones of the same key may be forgotten. What it raises for a ticket
        that came after a handshake costs the session, and one line in the log.
        """

    def take(self, key: bytes) -> Awaitable[Session | None] | Session | None:
        """A session to try, if there is one. A TLS 1.3 session is removed by this: it is used
        once only, so that no one can tell two connections by it (RFC 8446, appendix C.4).
        """


class SessionStore(Protocol):
    """Where a server keeps the state of sessions, by their number."""

    def put(self, number: bytes, state: bytes, lifetime: int) -> Awaitable[None] | None:
        """Keeps *state* for *lifetime* seconds."""

    def take(self, number: bytes) -> Awaitable[bytes | None] | bytes | None:
        """The state, which is removed at once: a number is good for one connection.

        It is called for the sessions of connections that have failed, too, and what it returns is
        then dropped. A store that keeps what it gives has a method ``discard(number)`` for them.
        """


class TicketKeys(Protocol):
    """What protects the state that a server gives its clients to keep."""

    def seal(self, state: bytes) -> Awaitable[bytes] | bytes:
        """A ticket of at most 65,535 bytes that only :meth:`open` can read; empty: the client
        gets none.
        """

    def open(self, ticket: bytes) -> Awaitable[bytes | None] | bytes | None:
        """The state in a ticket; None for one that is foreign, forged or under a key long gone."""


class ReplayGuard(Protocol):
    """What keeps 0-RTT data from being taken twice (RFC 8446, section 8)."""

    def first_time(self, token: bytes, lifetime: float) -> Awaitable[bool] | bool:
        """Whether *token* is seen for the first time within *lifetime* seconds. When in doubt,
        False: the data is then taken after the handshake instead.
        """


class MemoryReplayGuard:
    """Remembers ClientHellos in one process (RFC 8446, section 8.2), at most *size* of them.

    ``ServerConfig(max_early_data=16384, replay_guard=aiotls.MemoryReplayGuard())``

    Whenever it cannot know it says no, and the data is then taken after the handshake:

    - When it is full, so that no flood makes it forget.
    - In the first 20 seconds of its life, the time for which it is asked to remember: what was
      accepted before the process was started could be sent to it again.

    It knows of its own process alone. Servers that share tickets have to share the guard too, such
    as :class:`aiotls.contrib.redis.RedisReplayGuard`.
    """

    def __init__(self, size: int = 100_000, clock: Callable[[], float] = time.time) -> None:
        if size < 1:
            raise UsageError("a replay guard remembers at least one ClientHello")
        self._size = size
        self._clock = clock
        self._seen: OrderedDict[bytes, float] = OrderedDict()
        self._start = clock()
        self._lock = threading.Lock()

    def first_time(self, token: bytes, lifetime: float) -> bool:
        """Whether *token* is new."""
        now = self._clock()
        if now < self._start + lifetime:
            return False  # 8.2: what was seen before a restart is not known
        with self._lock:
            while self._seen and next(iter(self._seen.values())) <= now:
                self._seen.popitem(last=False)
            if token in self._seen or len(self._seen) >= self._size:
                return False
            self._seen[token] = now + lifetime
            return True


class SingleUseTickets:
    """Takes 0-RTT data once because tickets are good once (RFC 8446, section 8.1).

    ``ServerConfig(max_early_data=16384, session_store=store, replay_guard=SingleUseTickets())``

    For servers with a :attr:`.ServerConfig.session_store`: who sends a ClientHello again finds its
    session gone. All servers that a client's 0-RTT data could be sent to have to share the store,
    and its ``take`` has to find and remove in one step, as those of this package do.
    """

    def first_time(self, token: bytes, lifetime: float) -> bool:
        """True: the session was still in the store, which gives each once."""
        return True


class MemorySessionCache:
    """A bounded cache in memory; may be used by any number of threads.

    At most *servers* keys are kept, the least recently used forgotten first, with at most
    *each* sessions of each.
    """

    def __init__(self, servers: int = 256, each: int = 4) -> None:
        if servers < 1 or each < 1:
            raise UsageError("a session cache holds at least one session of one server")
        self._servers = servers
        self._each = each
        self._sessions: OrderedDict[bytes, list[Session]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(len(sessions) for sessions in self._sessions.values())

    def put(self, key: bytes, session: Session) -> None:
        """Keeps a session, and forgets the oldest where there are too many."""
        with self._lock:
            sessions = self._sessions.setdefault(key, [])
            self._sessions.move_to_end(key)
            sessions.append(session)
            del sessions[: -self._each]
            while len(self._sessions) > self._servers:
                self._sessions.popitem(last=False)

    def take(self, key: bytes) -> Session | None:
        """The newest session of this key whose connection has not failed."""
        with self._lock:
            sessions = self._sessions.pop(key, None)
            found = None
            while sessions and (found is None or found.void):
                found = sessions.pop()
            if sessions:
                self._sessions[key] = sessions  # the most recently used, now
            return None if found is None or found.void else found

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._sessions.clear()


class MemorySessionStore:
    """A bounded store in memory; may be used by any number of threads."""

    def __init__(self, size: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        if size < 1:
            raise UsageError("a session store holds at least one session")
        self._size = size
        self._clock = clock
        self._states: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, number: object) -> bool:
        return number in self._states

    def put(self, number: bytes, state: bytes, lifetime: int) -> None:
        """Keeps *state* for *lifetime* seconds, and forgets the oldest where there are too many."""
        with self._lock:
            self._states[number] = (self._clock() + lifetime, state)
            self._states.move_to_end(number)
            while len(self._states) > self._size:
                self._states.popitem(last=False)

    def take(self, number: bytes) -> bytes | None:
        """The state, removed."""
        with self._lock:
            until, state = self._states.pop(number, (0.0, b""))
        return state if until > self._clock() else None


@dataclass(frozen=True)
class TicketKey:
    """One key of a ring: a name of 16 bytes that tickets carry, and an AES-256-GCM key."""

    name: bytes
    key: bytes = field(repr=False)
    created: float = 0.0

    def __post_init__(self) -> None:
        if len(self.name) != 16 or len(self.key) != 32:
            raise UsageError("a ticket key has a name of 16 bytes and a key of 32")

    @cached_property
    def cipher(self) -> AESGCM:
        """AES-256-GCM under this key."""
        return AESGCM(self.key)


DAY = 86_400.0


def covering(given: float | None, overlap: float, lifetime: float) -> float:
    """How long old keys have to open, for tickets that live *lifetime* seconds."""
    if given is not None and given < lifetime:
        raise UsageError(
            f"tickets live {lifetime:g} seconds, and with an overlap of {given:g} some would die "
            "when their key does",
            hint=f"Give overlap={lifetime:g} to the ticket keys, or none.",
        )
    return max(overlap, lifetime)


class TicketKeyRing:
    """Ticket keys that take turns.

    The newest key seals. After *rotation* seconds another takes its place, and the old one still
    opens until *overlap* seconds later, when the last ticket that it sealed has died: so no
    ticket dies at a rotation. None, the default, is a day, or as long as the tickets of the
    configurations that use this ring live (:meth:`cover`). Give *keys* (newest first) to share a
    ring between processes; with *rotation* None the keys only change by :meth:`replace`.
    """

    def __init__(
        self,
        keys: tuple[TicketKey, ...] = (),
        *,
        rotation: float | None = 43_200,
        overlap: float | None = None,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if rotation is not None and rotation <= 0:
            raise UsageError("rotation is a number of seconds above 0, or None")
        self._rotation = rotation
        self._given = overlap
        self._overlap = DAY if overlap is None else overlap
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._keys: tuple[TicketKey, ...] = ()
        self.replace(keys or (self._fresh(),))

    def cover(self, lifetime: float) -> None:
        """Has old keys open for *lifetime* seconds after their turn, which tickets live. A
        :class:`.ServerConfig` calls it. Raises UsageError where a shorter overlap was given.
        """
        if self._rotation is not None:
            self._overlap = covering(self._given, self._overlap, lifetime)

    def _fresh(self) -> TicketKey:
        return TicketKey(self._random(16), self._random(32), self._clock())

    @property
    def keys(self) -> tuple[TicketKey, ...]:
        """The keys in use, the one that seals first."""
        return self._keys

    def replace(self, keys: tuple[TicketKey, ...]) -> None:
        """Takes other keys, newest first, at once for everyone who uses this ring."""
        if not keys:
            raise UsageError("a key ring needs at least one key")
        if len({key.name for key in keys}) != len(keys):
            raise UsageError("two ticket keys have the same name")
        with self._lock:
            self._keys = tuple(keys)

    def rotate(self) -> None:
        """Puts a fresh key in front, and drops those that no live ticket needs."""
        with self._lock:
            self._rotate()

    def _rotate(self) -> None:
        now = self._clock()
        age = (self._rotation or 0) + self._overlap
        kept = tuple(key for key in self._keys if now - key.created < age)
        self._keys = (self._fresh(), *kept)

    def _current(self) -> TicketKey:
        with self._lock:
            key = self._keys[0]
            if self._rotation is not None and self._clock() - key.created >= self._rotation:
                self._rotate()
            return self._keys[0]

    def seal(self, state: bytes) -> bytes:
        """The key's name, a nonce, and the state under AES-256-GCM."""
        key = self._current()
        nonce = self._random(12)
        return key.name + nonce + key.cipher.encrypt(nonce, state, key.name)

    def open(self, ticket: bytes) -> bytes | None:
        """The state, or None where no key of this ring sealed it."""
        name, nonce, sealed = ticket[:16], ticket[16:28], ticket[28:]
        now = self._clock()
        for key in self._keys:
            if key.name == name:
                age = now - key.created
                if self._rotation is not None and age >= self._rotation + self._overlap:
                    return None
                try:
                    return key.cipher.decrypt(nonce, sealed, name)
                except (InvalidTag, ValueError):
                    return None
        return None
