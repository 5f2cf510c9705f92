"""Who a handshake is for: a coroutine that awaits its outcome, or a server that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from .budget import HandshakeBudget, peer_label
from .config import Passthrough
from .errors import PassedThrough
from .phases import Handshake, detach, logger
from .transport import TLSTransport


class Awaited(Handshake):
    """A handshake that a coroutine waits for."""

    __slots__ = ("done", "error", "over", "protocol", "upgrade")

    def __init__(self, transport: TLSTransport, timeout: float, *, upgrade: bool = False) -> None:
        super().__init__(transport, timeout)
        self.upgrade = upgrade
        """Whether the protocol has known its connection since before TLS."""
        self.protocol: asyncio.BaseProtocol | None = None
        self.error: BaseException | None = None
        self.over = False
        """Whether it has failed, and the socket is closed."""
        self.done: asyncio.Future[None] = transport._loop.create_future()

    def serve(self, protocol: asyncio.BaseProtocol) -> Awaited:
        """Sets the application's protocol."""
        self.protocol = protocol
        return self

    async def outcome(self) -> None:
        """Returns when the handshake is complete; raises what ended it, once all is closed."""
        try:
            await self.done
        except asyncio.CancelledError:
            await self._cancelled()
            raise
        error, self.error = self.error, None
        if error is not None:
            # The error's traceback is about to hold this object, and the connection holds the
            # error: no reference may close that circle.
            del self.transport, self.connection
            try:
                raise error
            finally:
                del error

    async def connected(self, connecting: Awaitable[Any]) -> None:
        """:meth:`outcome`, once *connecting* has led to a transport, or not."""
        try:
            await connecting
        except BaseException:
            # uvloop does not tell a protocol of a connection that it closes here.
            self.abandon()
            raise
        del connecting  # it knows this object, and an error's traceback is about to know it
        await self.outcome()

    async def _cancelled(self) -> None:
        if self.complete:
            self.transport.abort()
            return
        if self.over:
            return  # it failed in the same turn, and nobody is left to say that all is closed
        self.done = self.transport._loop.create_future()
        if self.error is not None:  # it has failed already, and lingers
            self.transport.abort()
        else:
            self.give_up(ConnectionAbortedError("the TLS handshake was cancelled"))
        await self.done

    def established(self) -> None:
        """Introduces transport and protocol, and wakes who waits, before the first data."""
        transport = self.transport
        if self.protocol is not None:
            if not self.upgrade:
                transport._introduce(self.protocol)
            else:
                swapped = self.protocol is not transport._protocol
                transport.set_protocol(self.protocol)
                if swapped and transport._protocol_paused:
                    transport._call_protocol("pause_writing")
        self._wake_waiter()
        transport._loop.call_soon(transport._start)

    def failed(self, error: BaseException) -> None:
        """Keeps the error until the socket is closed."""
        self.error = self.transport._translate(error)

    def closed(self) -> None:
        """Nothing is left: the one who waits may know."""
        self.over = True
        self._wake_waiter()

    def _wake_waiter(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Accepted(Handshake):
    """A handshake with a client that has just connected."""

    __slots__ = ("factory",)

    def __init__(
        self,
        transport: TLSTransport,
        timeout: float,
        factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        super().__init__(transport, timeout)
        self.factory = factory

    def opened(self) -> bool:
        """With :attr:`.ServerConfig.half_rtt` the application's protocol may begin to write."""
        self.transport._half_open = self
        self._introduce()
        return True

    def established(self) -> None:
        """Makes the application's protocol, and gives it what has come with the handshake."""
        transport = self.transport
        if not self.half_open:
            self._introduce()
            transport._start()
            return
        transport._deliver_early()  # before it is told that no more will come
        if hasattr(transport._protocol, "handshake_completed") and not transport._closing:
            transport._call_protocol("handshake_completed")
        if not transport._closing:
            transport._flush()
        transport._start()

    def _introduce(self) -> None:
        """Makes the application's protocol, and tells it that it is connected."""
        transport = self.transport
        try:
            protocol = self.factory()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            transport._report(error, "protocol_factory() failed")
            transport.abort()
            return
        transport._introduce(protocol)

    def _fail(self, error: BaseException) -> None:
        below, passed = self.below, error
        if below is None or not isinstance(passed, PassedThrough):
            super()._fail(error)
            return
        transport = self.transport
        self._end()
        self._release()
        self._resume(below)
        self.below = transport._below = None
        transport._closing = transport._write_ended = True
        detach(passed)
        try:
            protocol = cast(Passthrough, passed.passthrough).protocol_factory()
            below.set_protocol(protocol)
            protocol.connection_made(below)
            give(protocol, passed.data)
            if transport._eof_below and not protocol.eof_received():
                below.close()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as failure:
            transport._report(failure, "a connection could not be passed through")
            below.abort()

    def failed(self, error: BaseException) -> None:
        """One line: what comes from strangers is no reason for a traceback."""
        below = self.transport._below
        peer = peer_label(below.get_extra_info("peername")) if below is not None else "a client"
        hint = getattr(error, "hint", None)
        reason = f"{str(error).rstrip('.')}. {hint}" if hint else str(error)
        logger.warning("TLS handshake with %s failed: %s", peer, reason)


class Entrance(asyncio.BufferedProtocol):
    """Where a budget is kept: an accepted connection, before anything was made for it."""

    __slots__ = ("budget", "enter")

    def __init__(self, budget: HandshakeBudget, enter: Callable[[], Accepted]) -> None:
        self.budget = budget
        self.enter = enter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Goes on with a handshake, or closes the connection."""
        below: asyncio.Transport = transport  # type: ignore[assignment]
        slot = self.budget.admit(below.get_extra_info("peername"))
        if slot is None:
            below.abort()
            return
        try:
            handshake = self.enter()
        except BaseException:
            slot.release()
            below.abort()
            raise
        handshake.charge(slot)
        below.set_protocol(handshake)
        handshake.connection_made(below)


def give(protocol: Any, data: bytes) -> None:
    """Delivers *data* as a transport does."""
    if not isinstance(protocol, asyncio.BufferedProtocol):
        protocol.data_received(data)
        return
    rest = memoryview(data)
    while rest:
        buffer = memoryview(protocol.get_buffer(len(rest))).cast("B")
        size = min(len(buffer), len(rest))
        if not size:
            raise RuntimeError("get_buffer() returned an empty buffer")
        buffer[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]
