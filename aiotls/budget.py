"""What strangers may cost a server before they have proved anything: :class:`HandshakeBudget`.

A handshake costs a server a millisecond of computing and some twenty kilobytes, and a client that
opens a connection and says nothing costs it a socket. A budget bounds all of that. What is
over it is turned away when it connects, before a byte is read and anything is made for it.
"""

from __future__ import annotations

import ipaddress
import logging
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from .errors import UsageError

logger = logging.getLogger("aiotls")

REPORT_SECONDS = 10.0
"""At most one line is logged in so many seconds about connections that were turned away."""


class Ledger:
    """What the servers that share a budget have given out of it."""

    __slots__ = ("by_address", "ended", "last", "refused", "reported_at", "running", "unreported")

    def __init__(self) -> None:
        self.running = 0
        self.by_address: dict[str, int] = {}
        self.refused = 0
        self.ended = 0
        self.unreported: Counter[str] = Counter()
        self.last = ""
        self.reported_at = float("-inf")

    def refuse(self, limit: str, peer: str) -> None:
        """Counts a connection that was turned away; the first is logged, and then not each one."""
        self.refused += 1
        self.unreported[limit] += 1
        self.last = peer
        self.report()

    def report(self) -> None:
        """Logs what has been turned away since the last such line, unless that was just now."""
        now = monotonic()
        if now - self.reported_at < REPORT_SECONDS:
            return
        self.reported_at = now
        reasons = ", ".join(f"{limit}: {count}" for limit, count in self.unreported.items())
        self.unreported.clear()
        logger.warning(
            "over the handshake budget, connections were turned away (%s), the last from %s; "
            "%d handshakes are in progress",
            reasons,
            self.last,
            self.running,
        )


class Slot:
    """The part of a budget that one handshake has, until it gives it back."""

    __slots__ = ("_key", "_ledger", "max_bytes", "max_seconds", "taken")

    def __init__(
        self, ledger: Ledger, key: str | None, max_bytes: float, max_seconds: float
    ) -> None:
        self._ledger: Ledger | None = ledger
        self._key = key
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds
        self.taken = 0
        """Bytes that have arrived in this handshake."""
        ledger.running += 1
        if key is not None:
            ledger.by_address[key] = ledger.by_address.get(key, 0) + 1

    def count_ended(self) -> None:
        """The handshake is ended because it took too long, or too many bytes."""
        if self._ledger is not None:
            self._ledger.ended += 1

    def release(self) -> None:
        """The handshake is over. A second call does nothing."""
        ledger, self._ledger = self._ledger, None
        if ledger is None:
            return
        ledger.running -= 1
        key = self._key
        if key is not None:
            left = ledger.by_address[key] - 1
            if left:
                ledger.by_address[key] = left
            else:
                del ledger.by_address[key]
        if ledger.unreported:
            ledger.report()


@dataclass(frozen=True, kw_only=True, slots=True)
class HandshakeBudget:
    """Limits on the handshakes of a server; ``handshake_budget=`` of the calls that serve.

        budget = aiotls.HandshakeBudget(concurrent=500, per_address=20)
        await aiotls.start_server(handler, host, port, ssl=config, handshake_budget=budget)

    The limits hold until a handshake is complete, and say nothing of connections after that.
    None lifts a limit. What is over *concurrent* or *per_address* is closed as soon as it is
    accepted, without a word; it is counted in :attr:`refused`, and the log ``aiotls`` gets one line
    for many. A handshake that is over *bytes* or *seconds* fails as others do, with its own line.

    Servers of one event loop that are given the same budget share it. Equal limits alone do not
    make two budgets one.

    Raises UsageError for a limit that is not a positive number.
    """

    concurrent: int | None = 1000
    """Handshakes in progress at the same time; a failed one counts until its socket is closed."""

    per_address: int | None = 100
    """The same, for each address of a peer: an IPv4 address, or the first 64 bits of an IPv6
    address, which one machine usually has to itself. Clients behind one NAT are one address. Behind
    a proxy that forwards TCP all are: None there. Unix sockets have none, and are not limited."""

    bytes: int | None = 65_536
    """Bytes that a client may send before its handshake is complete. A handshake takes 2,000, and
    with a client's certificates up to some 20,000; the early data that the server's configuration
    allows comes on top."""

    seconds: float | None = 10.0
    """Seconds from the connection to the end of the handshake, hooks included. The smaller of this
    and *ssl_handshake_timeout* holds."""

    _ledger: Ledger = field(default_factory=Ledger, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("concurrent", "per_address", "bytes", "seconds"):
            value = getattr(self, name)
            kinds = (int, float) if name == "seconds" else int
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
                raise UsageError(
                    f"HandshakeBudget({name}={value!r}): a limit is a positive number, or None"
                )

    @property
    def running(self) -> int:
        """How many handshakes are in progress."""
        return self._ledger.running

    @property
    def refused(self) -> int:
        """How many connections have been turned away, since the budget was made."""
        return self._ledger.refused

    @property
    def ended(self) -> int:
        """How many handshakes have been ended because they took too long, or too many bytes."""
        return self._ledger.ended

    def admit(self, peername: Any) -> Slot | None:
        """A part of the budget for a handshake with *peername*, or None: turn it away.

        For transports of one's own; *peername* is what ``get_extra_info("peername")`` gives. The
        caller calls ``release()`` of what is returned when the handshake is over.
        """
        ledger = self._ledger
        if self.concurrent is not None and ledger.running >= self.concurrent:
            ledger.refuse(f"concurrent={self.concurrent}", peer_label(peername))
            return None
        key = None
        if self.per_address is not None:
            key = _address_of(peername)
            if key is not None and ledger.by_address.get(key, 0) >= self.per_address:
                ledger.refuse(f"per_address={self.per_address}", peer_label(peername))
                return None
        return Slot(
            ledger,
            key,
            float("inf") if self.bytes is None else self.bytes,
            float("inf") if self.seconds is None else self.seconds,
        )


def peer_label(peername: Any) -> str:
    """The address at the other end, for a log."""
    if isinstance(peername, tuple) and len(peername) >= 2:
        host, port = peername[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(peername) if peername else "a local client"


def _address_of(peername: Any) -> str | None:
    """What counts as one peer; None where there is no address."""
    if not isinstance(peername, tuple) or not peername:
        return None
    host = str(peername[0])
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else address.packed[:8].hex()
