"""The three lives of a connection, each a protocol that the transport below talks to.

:class:`Handshake` becomes :class:`Records`, and that becomes :class:`Linger`; a handshake that
fails goes straight to the last. See transport.py for why they are swapped rather than told
apart by a flag.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .budget import Slot
from .enums import Alert, Want
from .errors import AlertReceived, TLSError, Truncated
from .handshake.advice import advise

if TYPE_CHECKING:
    from .transport import TLSTransport

logger = logging.getLogger("aiotls")

HANDSHAKE_TIMEOUT = 60.0
"""Seconds until a handshake that does not come to an end is given up."""

REST_SECONDS = 5.0
"""Who has sent and received nothing for so long, or up to twice as long, gives memory back."""

SHORT = 1 << 11
"""Up to so many bytes, what has arrived is copied out of the buffer before it is looked at."""

MAX_FED = 1 << 18
"""Bytes that are taken from a peer while a hook of the application's is awaited."""


class Phase(asyncio.BufferedProtocol):
    """One of the lives of a connection, as the transport below sees it."""

    __slots__ = ("__weakref__", "transport", "view")

    def __init__(self, transport: TLSTransport) -> None:
        self.transport = transport
        self.view = transport._view

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lends the loop's buffer."""
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        """*nbytes* have arrived in the buffer."""
        self.take(self.view[:nbytes])

    def take(self, data: bytes | memoryview) -> None:
        """Bytes from the peer; *data* may be overwritten when this has returned."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        """The transport below has more than it can send now."""
        self.transport._pause_writing()

    def resume_writing(self) -> None:
        """The transport below has room again."""
        self.transport._resume_writing()


class Records(Phase):
    """The data phase: records in, application data out."""

    __slots__ = ("connection", "records")

    def __init__(self, transport: TLSTransport) -> None:
        super().__init__(transport)
        self.connection = transport._connection
        self.records = 0
        """How many there were when it was last visited."""

    def visit(self) -> None:
        """A connection that has been silent since the last visit is put to rest."""
        records = self.connection.records
        if records == self.records:
            self.connection.rest()
        self.records = records

    def buffer_updated(self, nbytes: int) -> None:
        """*nbytes* have arrived in the buffer."""
        data = self.view[:nbytes]
        # Parts of a short message are cut out of bytes faster than out of a view.
        self.take(bytes(data) if nbytes <= SHORT else data)

    def take(self, data: bytes | memoryview) -> None:
        """Opens the records, and gives their content to the application in one call."""
        transport = self.transport
        connection = self.connection
        transport._wrote_at = 0.0  # something arrived: what is written now goes at once
        data_received = transport._direct
        try:
            if data_received is None:
                connection.receive_data(data)
                plaintext = None
            else:
                plaintext = connection.take_data(data)
        except TLSError as error:
            transport._received(error)
            return
        if data_received is None or plaintext is None:
            transport._received(None)
            return
        transport._in_callback = True
        try:
            data_received(plaintext)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            transport._protocol_failed(error, "data_received()")
        finally:
            transport._in_callback = False
        if transport._gathering:
            transport._end_of_turn()

    def eof_received(self) -> bool:
        """The peer's FIN, which is an error unless its close_notify came before."""
        transport = self.transport
        transport._eof_below = True
        error = None
        try:
            self.connection.receive_eof()
        except TLSError as truncated:
            error = truncated
        if self.connection.truncated:
            logger.info("%r was cut: it ended without close_notify", transport)
        transport._received(error)
        return True  # this side closes when it has said all; RFC 8446, section 6.1

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport below was closed from elsewhere, or the network failed."""
        self.transport._connection_lost(self.transport._error or exc)


class CopiedRecords(Records, asyncio.Protocol):
    """The same over a transport that is quicker with a copy of what it has read than with a buffer
    that is lent to it. uvloop takes whatever is an ``asyncio.Protocol`` for that alone.
    """

    __slots__ = ()

    data_received = Records.take


def records(transport: TLSTransport) -> Records:
    """The data phase, in the form that suits the loop. asyncio's own would have to make room
    for 256 KiB at each read, which costs it more than all the rest.
    """
    loop = transport._loop
    own = isinstance(loop, asyncio.BaseEventLoop)
    phase = Records(transport) if own else CopiedRecords(transport)
    transport._shared.rounds.join(loop, phase, REST_SECONDS)
    return phase


class Linger(Phase):
    """After the last word: discards what still arrives, until the peer closes or time is up."""

    __slots__ = ("below", "error", "finished", "unsent")

    def __init__(
        self,
        transport: TLSTransport,
        error: BaseException | None,
        finished: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(transport)
        self.error = error
        self.finished = finished
        self.below: asyncio.Transport | None = None
        """As long as there is a deadline for it to close."""
        self.unsent = 0

    def begin(self, below: asyncio.Transport) -> None:
        """Takes the place of the phase before, and sends FIN."""
        transport = self.transport
        below.set_protocol(self)
        if below.is_closing():
            return
        try:
            if (
                transport._eof_below
                or transport._connection.peer_closed
                or isinstance(self.error, AlertReceived)
                or not below.can_write_eof()
            ):
                below.close()  # the peer has said its last word: nothing unread can cause a reset
            else:
                below.write_eof()
                below.resume_reading()
        except OSError:  # the connection is gone already (ENOTCONN)
            below.abort()
            return
        self.unsent = below.get_write_buffer_size()
        if self.unsent or not below.is_closing():
            self.below = below
            transport._shared.deadlines.set(transport._loop, self, transport._shutdown_timeout)

    def expire(self) -> None:
        """Time is up, unless the peer is still taking what was written before the end."""
        below, self.below = self.below, None
        if below is None:
            return
        unsent = below.get_write_buffer_size()
        if 0 < unsent < self.unsent:
            transport = self.transport
            self.unsent, self.below = unsent, below
            transport._shared.deadlines.set(transport._loop, self, transport._shutdown_timeout)
        elif unsent:
            below.abort()
        else:
            below.close()

    def take(self, data: bytes | memoryview) -> None:
        """Dropped in silence."""

    def eof_received(self) -> None:
        """The peer has closed: the transport below closes in return."""
        self.transport._eof_below = True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over. How the last moments went is no concern of the application's."""
        transport = self.transport
        if self.below is not None:
            self.below = None
            transport._shared.deadlines.take_back(self, transport._shutdown_timeout)
        transport._connection_lost(self.error)
        if self.finished is not None:
            finished, self.finished = self.finished, None
            finished()


class Handshake(Phase):
    """The first phase: ends in :meth:`established` or in :meth:`failed`.

    Without hooks of the application's the handshake is stepped straight from the read
    callback. With them it is one task, so that they can await whatever they like.
    """

    __slots__ = (
        "below",
        "complete",
        "connection",
        "fed",
        "half_open",
        "reader",
        "slot",
        "task",
        "timed",
        "timeout",
    )

    def __init__(self, transport: TLSTransport, timeout: float = HANDSHAKE_TIMEOUT) -> None:
        super().__init__(transport)
        self.connection = transport._connection
        self.connection.early_data_apart = True
        self.timeout = timeout
        self.slot: Slot | None = None
        self.below: asyncio.Transport | None = None
        self.timed = False
        """Whether there is a deadline for it."""
        self.task: asyncio.Task[None] | None = None
        self.reader: asyncio.Future[None] | None = None
        self.fed = 0
        self.complete = False
        self.half_open = False
        """Whether the application has its connection before the handshake is complete."""

    def charge(self, slot: Slot) -> None:
        """Holds the handshake to its part of a budget, which it gives back when it is over."""
        self.slot = slot
        slot.max_bytes += getattr(self.connection.config, "max_early_data", 0)
        self.timeout = min(self.timeout, slot.max_seconds)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport below is connected: the handshake begins."""
        below: asyncio.Transport = transport  # type: ignore[assignment]
        upper = self.transport
        if upper._closing:  # abandoned before it began, and uvloop goes on connecting
            below.abort()
            return
        self.below = upper._below = below
        loop = upper._loop
        self.timed = True
        upper._shared.deadlines.set(loop, self, self.timeout)
        if self.connection.config.has_hooks:
            self.task = loop.create_task(self._run())
        elif not self.connection.server_side:  # a server has nothing to say yet
            self._step(None)

    # -- without hooks -------------------------------------------------------------------------

    def take(self, data: bytes | memoryview) -> None:
        """The next bytes of the handshake."""
        if self.slot is not None:
            self.slot.taken += len(data)
        if self.task is None:
            self._step(data)
            return
        self.connection.feed(data)
        self.fed += len(data)
        if self.reader is not None:
            self._wake()
        elif self.fed > MAX_FED and self.below is not None:
            self.below.pause_reading()  # a hook takes its time: the peer has to wait as well

    def eof_received(self) -> bool:
        """The peer's FIN in the middle of the handshake."""
        self.transport._eof_below = True
        if self.task is not None:
            self.connection.feed_eof()
            self.fed += 1
            self._wake()
        else:
            try:
                self.connection.receive_eof()
            except TLSError as error:
                self._fail(error)
        return True

    def _step(self, data: bytes | memoryview | None) -> None:
        connection = self.connection
        error = None
        try:
            if data is not None:
                connection.receive_data(data)
            if not connection.handshake_complete:
                flight = connection.data_to_send()
                if connection.want is None:  # it was the last one
                    connection.put_back(flight)
                else:
                    self.transport._send(flight)
        except TLSError as failure:
            error = failure
        self._advance(error)

    def _advance(self, error: BaseException | None) -> None:
        if not self.connection.handshake_complete:
            if error is not None:
                self._fail(error)
                return
            self._look_for_half()
            self._check_bytes()
        elif not self.complete:
            self._end()
            self._release()
            self.complete = True
            transport = self.transport
            count = getattr(transport._context, "_aiotls_complete", None)
            if count is not None:
                count(self.connection)
            if isinstance(error, TLSError):  # records behind the handshake that were wrong
                transport._received(error)
            if self.below is not None:
                self._resume(self.below)
                self.below.set_protocol(records(transport))
                if not transport.is_reading() and self.half_open:
                    self.below.pause_reading()
            # What is still to be sent, a client's Finished or a server's tickets, leaves in one
            # send with what the application writes at once, or else by itself when it has had
            # its turn: TLSTransport._start() sees to that.
            self.established()
            if not transport._closing and self.connection.chores:
                run_chores(transport)

    # -- half a round trip before the end: RFC 8446, section 4.4.4 -----------------------------

    def _look_for_half(self) -> None:
        """Hands the connection over where all but the client's Finished has been said."""
        if self.below is None:
            return
        if not self.half_open and self.connection.can_write:
            self.half_open = self.opened()
        if self.half_open and self.below is not None:
            self.transport._deliver_early()

    def opened(self) -> bool:
        """Data may flow before the handshake is complete; whether someone took the transport."""
        return False

    def leave(self) -> asyncio.Transport | None:
        """The application has ended its connection before that; returns the transport below."""
        self._end()
        self._release()
        self.connection.close()
        below, self.below = self.below, None
        return below

    def _check_bytes(self) -> None:
        """All that has arrived was taken, and more is wanted: not if it was too much already.

        What comes behind the last message of a handshake is the application's, and not counted.
        """
        slot = self.slot
        if slot is not None and slot.taken > slot.max_bytes:
            slot.count_ended()
            self.give_up(
                ConnectionAbortedError(
                    f"the TLS handshake was not complete after {slot.taken} bytes; its budget is "
                    f"{slot.max_bytes:g}"
                )
            )

    # -- with hooks ----------------------------------------------------------------------------

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self.connection.run_handshake(self._wait)
        except asyncio.CancelledError:
            if self.task is not None:  # cancelled from outside, as a loop does when it ends
                self.task = None
                self.give_up(ConnectionAbortedError("the TLS handshake was cancelled"))
            raise
        except Exception as failure:
            error = failure
        if self.task is not None:
            self.task = None
            self._advance(error)

    async def _wait(self, want: Want) -> None:
        below = self.below
        if below is None:
            return
        # Sent at once in either case: the transport below keeps what the network cannot take,
        # and a handshake is too short to need flow control.
        self.transport._send(self.connection.data_to_send())
        if want is not Want.READ:
            return
        if not self.fed:
            self._look_for_half()
            self._check_bytes()
            self.reader = self.transport._loop.create_future()
            try:
                await self.reader
            finally:
                self.reader = None
        self._resume(below)

    def _resume(self, below: asyncio.Transport) -> None:
        if self.fed > MAX_FED and not self.transport._eof_below:
            below.resume_reading()
        self.fed = 0

    def _wake(self) -> None:
        if self.reader is not None and not self.reader.done():
            self.reader.set_result(None)

    # -- the end -------------------------------------------------------------------------------

    def established(self) -> None:
        """The handshake is complete: gives the transport to the application, and starts it."""
        raise NotImplementedError

    def failed(self, error: BaseException) -> None:
        """The handshake has failed with *error*, and the socket is closed or lingers."""

    def closed(self) -> None:
        """After :meth:`failed`: the socket is closed."""

    def _release(self) -> None:
        """The handshake costs nothing any more."""
        slot, self.slot = self.slot, None
        if slot is not None:
            slot.release()

    def _over(self) -> None:
        """The socket of a failed handshake is closed."""
        self._release()
        self.closed()

    def _end(self) -> None:
        """The deadline and the task are not needed any more."""
        transport = self.transport
        transport._half_open = None
        if self.timed:
            self.timed = False
            transport._shared.deadlines.take_back(self, self.timeout)
        task, self.task = self.task, None
        if task is not None:
            task.cancel()

    def _fail(self, error: BaseException) -> None:
        """The handshake is over; the alert leaves, and the socket closes behind it."""
        self._end()
        detach(error)
        if isinstance(error, Truncated):
            reset = ConnectionResetError(str(error))
            reset.__cause__ = error
            explain(reset, error.hint)
            error = reset
        transport = self.transport
        transport._closing = transport._write_ended = True
        transport._drop_gathered()
        below, self.below = self.below, None
        if below is None:
            return
        transport._send(self.connection.data_to_send())
        self.failed(error)
        Linger(transport, error, self._over).begin(below)

    def give_up(self, error: BaseException, alert: Alert | None = None) -> None:
        """Ends an unfinished handshake, with a last word to the peer, but without lingering.

        That is *alert*, or else what RFC 8446, section 6.1 has for a handshake that is not
        wanted any more: user_canceled and close_notify.
        """
        self._end()
        transport = self.transport
        transport._closing = transport._write_ended = True
        transport._drop_gathered()
        below, self.below = self.below, None
        if below is None:
            return
        if alert is None:
            self.connection.send_close_notify()
        else:
            self.connection.abort(alert)
        transport._send(self.connection.data_to_send())
        self.connection.close()
        self.failed(error)
        below.set_protocol(Linger(transport, error, self._over))
        # uvloop sends at the end of the turn: the abort has to wait until then.
        transport._loop.call_soon(below.abort)

    def abandon(self) -> None:
        """Drops an unfinished handshake whose connection no one will ever see."""
        self._end()
        self._release()
        self.connection.close()
        transport = self.transport
        transport._closing = transport._write_ended = True
        below, self.below = self.below, None
        if below is not None:
            below.abort()

    def expire(self) -> None:
        """The time for the handshake is up."""
        self.timed = False
        if self.slot is not None:
            self.slot.count_ended()
        late = f"the TLS handshake was not complete after {self.timeout:g} seconds"
        if self.task is not None and self.reader is None:  # the peer has done its part
            error = ConnectionAbortedError(f"{late}: a hook of the application's did not return")
            error.__cause__ = TimeoutError("a hook of the application's did not return in time")
            self.give_up(error, Alert.INTERNAL_ERROR)
            return
        waiting = self.connection.expecting
        self.give_up(
            ConnectionAbortedError(late + (f": {waiting} did not come" if waiting else ""))
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport below was closed in the middle of the handshake."""
        self._end()
        connection = self.connection
        if isinstance(exc, ConnectionError):  # a reset says as little as a FIN
            name, expecting = connection.server_hostname, connection.expecting
            explain(exc, advise(Truncated(str(exc)), connection.config, name, expecting))
        connection.close()
        self.below = None
        error = exc or ConnectionResetError("the connection was closed during the TLS handshake")
        self.failed(error)
        self.transport._connection_lost(error)
        self._over()


def explain(error: Exception, hint: str | None) -> None:
    """Gives an error of Python's own the hint that those of this package have."""
    if hint:
        error.hint = hint  # type: ignore[attr-defined]
        error.add_note(hint)


def detach(error: BaseException) -> None:
    """Frees the frames that led to *error*: they hold the connection, which holds the error.

    What went wrong is in its words. The cause of an internal error keeps its traceback.
    """
    error.__traceback__ = None
    if error.__suppress_context__:
        error.__context__ = None


def run_chores(transport: TLSTransport) -> None:
    """Awaits what hooks have to do for a connection after its handshake."""
    connection = transport._connection
    chores, connection.chores = connection.chores, []
    for chore in chores:
        task = transport._loop.create_task(_finish_chore(transport, chore))
        _chores.add(task)
        task.add_done_callback(_chores.discard)


_chores: set[asyncio.Task[None]] = set()


async def _finish_chore(transport: TLSTransport, chore: Awaitable[object]) -> None:
    connection = transport._connection
    alive = connection.error is None
    try:
        await chore
    except Exception as error:
        if connection.error is None:  # a session cache failed, and nothing but it
            logger.warning("a session could not be kept: %r", error)
    if alive and connection.error is not None:
        transport._received(connection.error)
        return
    transport._settle_answers()
    if not transport._closing:
        transport._send(connection.data_to_send())
