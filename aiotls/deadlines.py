"""Deadlines, nearly all of which are taken back long before they come due.

Every handshake has one, and every connection that closes. With a timer of the loop's for each,
setting them and taking them back is a tenth of what asyncio does for a short connection. But those
of one length come due in the order in which they were set, so that the loop need only be asked for
the first of them; its timer stays where that one is taken back, and is set again for the one that
is the first when it fires.

And rounds, for what has to be looked at again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol
from weakref import WeakSet, ref

PORTION = 250
"""How many are visited in one turn of the loop."""


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


class Visited(Protocol):
    """What is looked after from time to time."""

    def visit(self) -> None:
        """It is time to."""


class Rounds:
    """Visits those who are there again and again, as long as there are any, and keeps none alive.

    In portions, so that ten thousand connections do not hold up the loop for long.
    """

    __slots__ = ("_running", "_visited")

    def __init__(self) -> None:
        self._visited: WeakSet[Visited] = WeakSet()
        self._running = False

    def join(self, loop: asyncio.AbstractEventLoop, who: Visited, seconds: float) -> None:
        """From now on *who* is visited; the next round begins in at most so many *seconds*."""
        self._visited.add(who)
        if not self._running:
            self._running = True
            loop.call_later(seconds, self._begin, loop, seconds)

    def _begin(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        if self._visited:
            self._go_on(loop, seconds, iter([ref(who) for who in self._visited]))
        else:
            self._running = False

    def _go_on(
        self, loop: asyncio.AbstractEventLoop, seconds: float, left: Iterator[ref[Visited]]
    ) -> None:
        for number, reference in enumerate(left):
            who = reference()
            if who is not None:
                who.visit()
            if number == PORTION:
                loop.call_soon(self._go_on, loop, seconds, left)
                return
        loop.call_later(seconds, self._begin, loop, seconds)
