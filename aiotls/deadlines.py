"""Deadlines, nearly all of which are taken back long before they come due.

Every handshake has one, and every connection that closes. With a timer of the loop's for each,
setting them and taking them back is a tenth of what asyncio does for a short connection. But those
of one length come due in the order in which they were set, so that the loop need only be asked for
the first of them; its timer stays where that one is taken back, and is set again for the one that
is the first when it fires.
"""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import ref


class Expiring(Protocol):
    """What may have a deadline."""

    def expire(self) -> None:
        """The time is up."""


class Deadlines:
    """The deadlines of one loop's connections. Who is waited for is not kept alive by that."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[float, dict[ref[Expiring], float]] = {}
        """By their length in seconds: whose, and the loop's time at which each comes due."""

    def set(self, loop: asyncio.AbstractEventLoop, whose: Expiring, seconds: float) -> None:
        """Calls ``whose.expire()`` in so many *seconds*, unless it is taken back."""
        waiting = self._waiting.get(seconds)
        if waiting is None:
            waiting = self._waiting[seconds] = {}
            loop.call_later(seconds, self._look, loop, seconds)
        waiting[ref(whose)] = loop.time() + seconds

    def take_back(self, whose: Expiring, seconds: float) -> None:
        """The deadline of that length does not hold any more; nothing where there is none."""
        waiting = self._waiting.get(seconds)
        if waiting is not None:
            waiting.pop(ref(whose), None)

    def _look(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """The first of those of one length may be due."""
        waiting, now = self._waiting[seconds], loop.time()
        try:
            while waiting:
                first = next(iter(waiting))
                if waiting[first] > now:
                    break
                del waiting[first]
                whose = first()
                if whose is not None:
                    whose.expire()
        finally:
            if waiting:
                loop.call_at(next(iter(waiting.values())), self._look, loop, seconds)
            else:
                del self._waiting[seconds]
