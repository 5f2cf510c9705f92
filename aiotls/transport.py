"""The TLS transport: an asyncio.Transport above, an asyncio protocol below.

Above stands the application's protocol, below any other transport: a socket of asyncio's or
of uvloop's, or another TLS transport. Between them is a TLSConnection, which turns bytes into
bytes and does no I/O. What is hard here is not the cryptography but the edges:

*A connection has three lives*, and each is a protocol of its own that the transport below
talks to (phases.py): Handshake, then Records, then Linger. They are swapped by
``set_protocol``, so that no byte of application data passes a test for "which state is this?"
(and because uvloop keeps the methods of a protocol once it is set).

*Receiving*. The transport below reads into one large buffer that all connections of a loop
share (:class:`Shared`). It is lent for one ``buffer_updated`` at a time: records are
opened out of it at once, and a connection keeps only an incomplete last one. All that was
opened goes up in one ``data_received``.

*Sending*. The first write of a turn of the loop is sealed and sent at once. Those that follow
in the same turn are gathered: they share records, and leave in one send when the turn ends or
64 KiB have come together. A turn is told by what is at hand, not by a callback per write:
something has arrived, a flush has happened, or a millisecond has passed.

*Closing*. ``close`` sends close_notify and FIN, then reads and discards until the peer's own
FIN, or until the shutdown time-out (one second). Whoever closes a socket with unread input at
once makes TCP reset the connection, and the reset destroys what the peer has not read yet: the
last answer, or the alert that says what was wrong. It never hangs: a peer that takes nothing
for that long is dropped. Only ``abort`` skips all this.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from asyncio.constants import LOG_THRESHOLD_FOR_CONNLOST_WRITES, _SendfileMode
from asyncio.transports import _FlowControlMixin
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from .deadlines import Deadlines, Rounds
from .enums import ProtocolVersion
from .errors import TLSError
from .inspection import SSLView, cipher_of, peer_certificate
from .phases import Handshake, Linger, Phase, detach, run_chores

if TYPE_CHECKING:
    from .config import Config
    from .connection import TLSConnection
    from .handshake.auth import Peer

logger = logging.getLogger("aiotls")

Bytes = bytes | bytearray | memoryview

SHUTDOWN_TIMEOUT = 1.0
"""Seconds that a closed connection lingers for the peer's FIN."""

RECEIVE_SIZE = 1 << 17
"""Bytes that are read at once."""

LARGEST_BLOCK = 1 << 20
"""Bytes of a block that is taken from the system and given back before anything else. From then on
glibc keeps what is smaller for the next time (mallopt(3), M_MMAP_THRESHOLD), where it would give
back what one read has brought and ask for it again, page by page, at the next: as long as that
lasts a transfer takes twice the time."""

FLUSH_SIZE = 1 << 16
"""Gathered writes leave when there are this many bytes, even before the turn ends."""

WHOLE_SIZE = 1 << 12
"""A gathered write of at least this size is sealed from where it lies, not copied together."""

SAME_TURN = 0.001
"""Seconds after which a write is taken to be in a new turn of the loop, whatever else is known."""

_PAUSED, _UNSTARTED, _EARLY = 1, 2, 4
"""Why opened data is held back: the application paused reading; its caller was not woken yet, or
the handshake is not complete; 0-RTT data has to go first."""


class Context(Protocol):
    """What stands for a configuration with an API of its own (``aiotls.ssl.SSLContext``)."""

    def _aiotls_config(self, server_side: bool) -> Config:
        """The configuration as it is now; a connection keeps it."""

    def _aiotls_error(self, error: TLSError) -> Exception:
        """The exception that users of this context expect in place of *error*."""

    def _aiotls_begin(self, connection: TLSConnection) -> Any:
        """A connection begins; the same as _aiotls_object if it is needed that early, or None."""

    def _aiotls_complete(self, connection: TLSConnection) -> None:
        """The handshake of a connection is complete."""

    def _aiotls_object(self, connection: TLSConnection) -> Any:
        """What ``get_extra_info("ssl_object")`` returns."""


class Shared:
    """What the connections of one loop share."""

    __slots__ = ("buffer", "deadlines", "rounds")

    def __init__(self) -> None:
        bytes(LARGEST_BLOCK)
        self.buffer = memoryview(bytearray(RECEIVE_SIZE))
        """What they read into, one at a time."""
        self.deadlines = Deadlines()
        self.rounds = Rounds()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


def shared_by(loop: asyncio.AbstractEventLoop) -> Shared:
    """What the connections of *loop* share."""
    shared = _shared.get(loop)
    if shared is None:
        shared = _shared[loop] = Shared()
    return shared


def keeps_reads_pending(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether many connections of *loop* read at a time: on a proactor, each has its own buffer."""
    proactor = getattr(asyncio, "ProactorEventLoop", None)
    return proactor is not None and isinstance(loop, proactor)


def check_timeout(name: str, value: float | None, default: float) -> float:
    """*value*, or *default* for None; raises ValueError for what is not a positive number."""
    if value is None:
        return default
    if not value > 0:
        raise ValueError(f"{name} is a positive number of seconds, not {value!r}")
    return value


class TLSTransport(_FlowControlMixin):
    """An ``asyncio.Transport`` that speaks TLS over another transport.

    Made by :func:`aiotls.create_connection` and its kin, never by hand. Besides asyncio's
    methods it has :attr:`connection`, :meth:`key_update` and :meth:`request_certificate`, and
    answers these names in :meth:`get_extra_info`: ``tls`` (what was agreed on, as a dict),
    ``peercert``, ``cipher``,
    ``compression``, ``ssl_object``, ``sslcontext`` (as the standard library's transport does),
    and everything that the transport below knows (``peername``, ``socket``, …).
    """

    __slots__ = (
        "__weakref__",
        "_answers",
        "_below",
        "_closing",
        "_connection",
        "_context",
        "_data_received",
        "_direct",
        "_dropped",
        "_eof_below",
        "_eof_delivered",
        "_eof_sent",
        "_error",
        "_flush_size",
        "_gathering",
        "_half_open",
        "_held",
        "_hold",
        "_in_callback",
        "_lost",
        "_protocol",
        "_shared",
        "_shutdown_timeout",
        "_small",
        "_view",
        "_write_ended",
        "_wrote_at",
    )

    # asyncio and others ask for these marks before they stack TLS on a transport, or send a
    # file over one.
    _start_tls_compatible = True
    _sendfile_compatible = _SendfileMode.FALLBACK

    # asyncio's loop.sendfile() insists on this base, which it does not document.
    _protocol_paused: bool
    _loop: asyncio.AbstractEventLoop
    _high_water: int
    _low_water: int
    _extra: dict[str, Any]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: TLSConnection,
        context: Context | Config | None = None,
        shutdown_timeout: float = SHUTDOWN_TIMEOUT,
    ) -> None:
        super().__init__(None, loop)
        self._connection = connection
        self._context = context
        begin = getattr(context, "_aiotls_begin", None)
        if begin is not None and (view := begin(connection)) is not None:
            self._extra["ssl_object"] = view
        self._shutdown_timeout = shutdown_timeout
        self._below: asyncio.Transport | None = None
        self._protocol: asyncio.BaseProtocol | None = None
        self._data_received: Callable[[bytes], None] | None = None
        # The same, if nothing stands between what is opened and the protocol.
        self._direct: Callable[[bytes], None] | None = None
        self._shared = shared = shared_by(loop)
        self._view = shared.buffer
        if keeps_reads_pending(loop):
            self._view = memoryview(bytearray(1 << 16))
        self._hold = _UNSTARTED
        # The handshake, where the application has its transport before that is complete.
        self._half_open: Handshake | None = None
        self._error: BaseException | None = None
        self._closing = False
        self._lost = False
        self._eof_below = False
        self._eof_delivered = False
        self._eof_sent = False
        self._write_ended = False
        self._dropped = 0
        self._small: list[bytes] = []
        self._held = 0
        self._flush_size = FLUSH_SIZE
        self._gathering = False
        self._in_callback = False
        self._wrote_at = 0.0
        # Who waits for answers to requests for a certificate, in the order of the requests.
        self._answers: list[asyncio.Future[Peer | None]] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._lost else "closing" if self._closing else "open"
        return f"<{type(self).__name__} {state} {self._connection!r} over {self._below!r}>"

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if self._below is not None and not self._closing:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    # -- what is known of the connection -------------------------------------------------------

    @property
    def connection(self) -> TLSConnection:
        """The TLS engine: peer, exporters, channel bindings. Read from it, do not drive it."""
        return self._connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What *name* says about this connection, or *default*; see the class for the names."""
        connection = self._connection
        if name == "sslcontext":
            return self._context
        if name in ("ssl_object", "tls", "peercert", "cipher", "compression"):
            if not connection.handshake_complete:
                return default
            if name == "tls":
                return connection.summary()
            if name == "cipher":
                return cipher_of(connection)
            if name == "compression":
                return default  # TLS 1.3 has none (RFC 8446, section 4.1.2)
            if name == "peercert":
                return peer_certificate(connection)
            view = self._extra.get("ssl_object")
            if view is None:
                make = getattr(self._context, "_aiotls_object", None)
                view = SSLView(connection, self._context) if make is None else make(connection)
                self._extra["ssl_object"] = view
            return view
        return default if self._below is None else self._below.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on *protocol* gets the data and the events."""
        self._protocol = protocol
        if isinstance(protocol, Phase):
            # TLS in TLS: what was opened here is given on as it is, through no buffer.
            self._data_received = protocol.take
        elif isinstance(protocol, asyncio.BufferedProtocol):
            self._data_received = None
        else:
            self._data_received = protocol.data_received  # type: ignore[attr-defined]
        self._set_hold(self._hold)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that gets the data and the events; None after the end."""
        return self._protocol  # type: ignore[return-value]

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be.

        It is too when that below has failed, which is heard of in a later turn of the loop:
        StreamWriter.drain() yields to the loop only where it sees this, and a task that does
        nothing but write would otherwise never let it turn.
        """
        below = self._below
        return self._closing or (below is not None and below.is_closing())

    # -- reading -------------------------------------------------------------------------------

    def is_reading(self) -> bool:
        """Whether the protocol gets what arrives."""
        return not self._closing and not self._hold & _PAUSED

    def pause_reading(self) -> None:
        """No data for the protocol, and none taken from the network, until it is resumed."""
        if self._closing or self._hold & _PAUSED:
            return
        self._set_hold(self._hold | _PAUSED)
        if self._below is not None and self._half_open is None:  # the handshake is not held up
            self._below.pause_reading()

    def resume_reading(self) -> None:
        """Undoes :meth:`pause_reading`."""
        if self._closing or not self._hold & _PAUSED:
            return
        self._set_hold(self._hold & ~_PAUSED)
        if self._below is not None and not self._eof_below and self._half_open is None:
            self._below.resume_reading()
        connection = self._connection
        if self._hold & _EARLY or connection.readable or connection.peer_closed or self._error:
            self._loop.call_soon(self._deliver)

    def _set_hold(self, hold: int) -> None:
        self._hold = hold
        self._direct = None if hold else self._data_received

    def _start(self) -> None:
        """The application knows its transport; what has arrived meanwhile may go to it."""
        if self._hold & _UNSTARTED:
            if self._connection.early_readable:
                self._deliver_early()
            self._set_hold(self._hold & ~_UNSTARTED)
            self._deliver()

    def _deliver_early(self) -> None:
        """Gives 0-RTT data to a protocol that can tell it apart (``early_data_received``); others
        get it as the first of their data, when the handshake has shown that it is no replay.
        """
        connection = self._connection
        if not connection.early_readable or self._closing:
            return
        received = getattr(self._protocol, "early_data_received", None)
        if received is None:
            if connection.handshake_complete:
                connection.join_early_data()
            return
        if self._hold & _PAUSED:
            self._set_hold(self._hold | _EARLY)
            return
        self._set_hold(self._hold & ~_EARLY)
        self._in_callback = True
        try:
            received(connection.read_early_data())
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._protocol_failed(error, "early_data_received()")
        finally:
            self._in_callback = False
        self._settle()

    def _deliver(self) -> None:
        """Gives the protocol what has been opened, then the end of the data if it has come."""
        if self._hold & _EARLY:
            self._deliver_early()
        connection = self._connection
        self._in_callback = True
        try:
            while connection.readable and not self._hold and not self._closing:
                if self._data_received is None:
                    self._fill_buffer()
                    continue
                try:
                    self._data_received(connection.read())
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self._protocol_failed(error, "data_received()")
        finally:
            self._in_callback = False
        self._settle()
        if self._hold or self._closing:
            return
        if self._error is not None:
            self._finish(self._error)
        elif connection.peer_closed and not self._eof_delivered:
            self._deliver_eof()

    def _settle(self) -> None:
        """After a callback of the protocol's: what it wrote leaves, and what the peer asked for."""
        if self._gathering:
            self._end_of_turn()
        elif not self._wrote_at and not self._closing:  # nothing was sent since it was asked for
            self._send(self._connection.data_to_send())

    def _introduce(self, protocol: asyncio.BaseProtocol) -> None:
        """Tells the application's protocol that it is connected."""
        self.set_protocol(protocol)
        try:
            protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._protocol_failed(error, "connection_made()")

    def _fill_buffer(self) -> None:
        """One step for a BufferedProtocol, into the buffer that it gives."""
        protocol = self._protocol
        connection = self._connection
        what = "get_buffer()"
        try:
            # A bytearray or an array is as good as a memoryview, but only the view has a
            # length in bytes and takes a slice without a copy.
            buffer = protocol.get_buffer(connection.readable)  # type: ignore[union-attr]
            view = memoryview(buffer).cast("B")
            if not len(view):
                raise RuntimeError("get_buffer() returned an empty buffer")
            size = connection.read_into(view)
            what = "buffer_updated()"
            protocol.buffer_updated(size)  # type: ignore[union-attr]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._protocol_failed(error, what)

    def _deliver_eof(self) -> None:
        """The peer has sent close_notify, and all data before it has been delivered."""
        self._eof_delivered = True
        keep_open: bool | None = False
        try:
            keep_open = self._protocol.eof_received()  # type: ignore[union-attr]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._protocol_failed(error, "eof_received()")
            return
        # RFC 5246, section 7.2.1: in TLS 1.2 a close_notify ends both directions.
        if not keep_open or not self.can_write_eof():
            self.close()

    def _received(self, error: TLSError | None) -> None:
        """Off the fast path: what a read has led to besides plain data."""
        if error is not None:
            detach(error)
            self._error = error
            self._write_ended = True
            self._drop_gathered()
            self._send(self._connection.data_to_send())  # the alert
        if self._connection.chores:
            run_chores(self)
        if self._answers is not None:
            self._settle_answers()
        self._deliver()

    # -- writing -------------------------------------------------------------------------------

    def write(self, data: Bytes) -> None:
        """Sends *data*; returns at once, and never raises for a connection that is gone."""
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(f"data must be a bytes-like object, not {type(data).__name__!r}")
            if isinstance(data, memoryview) and (data.format != "B" or data.ndim != 1):
                data = data.cast("B") if data.c_contiguous else data.tobytes()
        if self._write_ended:
            self._refuse()
            return
        if not data:
            return
        if self._gathering:
            self._gather(data)
            return
        now = monotonic()
        if now - self._wrote_at < SAME_TURN:
            self._gathering = True
            if not self._in_callback:
                self._loop.call_soon(self._end_of_turn)
            self._gather(data)
            return
        self._wrote_at = now
        self._below.write(self._connection.seal(data))  # type: ignore[union-attr]

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        """Sends all of *list_of_data*, gathered."""
        chunks = list(list_of_data)
        for chunk in chunks:
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise TypeError(f"data must be a bytes-like object, not {type(chunk).__name__!r}")
        if sum(map(len, chunks)) < WHOLE_SIZE:
            chunks = [b"".join(chunks)]
        for chunk in chunks:
            self.write(chunk)

    def _gather(self, data: Bytes) -> None:
        if len(data) >= WHOLE_SIZE:
            self._seal_small()
            self._connection.write(data)
        else:
            # The caller may change a buffer once write() has returned.
            self._small.append(data if type(data) is bytes else bytes(data))
        self._held += len(data)
        if self._held >= self._flush_size:
            self._flush()

    def _seal_small(self) -> None:
        small = self._small
        if small:
            self._connection.write(small[0] if len(small) == 1 else b"".join(small))
            small.clear()

    def _flush(self) -> None:
        """Seals what was gathered and gives all that is due to the transport below."""
        self._seal_small()
        self._held = 0
        self._send(self._connection.data_to_send())

    def _send(self, data: bytes) -> None:
        if data and self._below is not None:
            self._below.write(data)

    def _end_of_turn(self) -> None:
        self._gathering = False
        self._wrote_at = 0.0
        if self._held:
            self._flush()

    def _drop_gathered(self) -> None:
        self._small.clear()
        self._held = 0

    def _refuse(self) -> None:
        """A write that comes too late."""
        if self._eof_sent and not self.is_closing():
            raise RuntimeError("Cannot call write() after write_eof()")
        self._dropped += 1
        if self._dropped == LOG_THRESHOLD_FOR_CONNLOST_WRITES:
            logger.warning("data is being written to a connection that is closed: %r", self)

    def can_write_eof(self) -> bool:
        """Whether sending can end while reading goes on: in TLS 1.3, not in TLS 1.2."""
        established = self._connection.established
        return established is None or established.version >= ProtocolVersion.TLSv1_3

    def write_eof(self) -> None:
        """Sends close_notify: no more data will follow. Reading goes on (RFC 8446, 6.1).

        Raises NotImplementedError on TLS 1.2, where close_notify ends both directions.
        """
        if self._closing or self._eof_sent:
            return
        if not self.can_write_eof():
            raise NotImplementedError("TLS 1.2 cannot close one direction only: use close()")
        self._eof_sent = True
        if not self._write_ended:
            self._write_ended = True
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self._seal_small()
        self._connection.send_close_notify()
        self._flush()

    def key_update(self, request_peer: bool = False) -> None:
        """Moves on to the next sending key; with *request_peer* asks the peer to do the same.

        RFC 8446, section 4.6.3. It happens by itself long before a key is worn out. Raises
        UsageError on TLS 1.2, which has none, and after close_notify was sent.
        """
        self._seal_small()
        self._connection.key_update(request_peer)
        self._flush()

    def request_certificate(self) -> asyncio.Future[Peer | None]:
        """On a server: asks the client for its certificate now (RFC 8446, section 4.6.2).

        Returns a future of the client as it was verified, which is ``connection.peer`` from then
        on; None where it showed nothing. Whether it is awaited is the caller's choice: data flows
        meanwhile. A client may take its time, since it may ask a person: bound it with
        ``asyncio.timeout()``. Eight requests may be without an answer.

        Raises UsageError where the client did not say that it would answer, on TLS 1.2, and
        where the configuration has no trust to verify clients by. The future raises what ended the
        connection, where that comes first: a certificate that is refused ends it.
        """
        self._seal_small()
        self._connection.request_certificate()
        self._flush()
        answer: asyncio.Future[Peer | None] = self._loop.create_future()
        if self._answers is None:
            self._answers = []
        self._answers.append(answer)
        return answer

    def _settle_answers(self) -> None:
        """Tells those who wait for certificates that have come."""
        answers, connection = self._answers, self._connection
        while answers and connection.error is None:
            if len(answers) <= connection.unanswered_requests:
                return
            answer = answers.pop(0)
            if not answer.done():
                answer.set_result(connection.peer)
        self._answers = answers or None

    def _drop_answers(self, error: BaseException) -> None:
        """The connection is gone, and no certificate comes any more."""
        answers, self._answers = self._answers, None
        for answer in answers or ():
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # nobody has to have awaited it

    def get_write_buffer_size(self) -> int:
        """Bytes that have been written and that the kernel has not taken yet."""
        return self._held + (self._below.get_write_buffer_size() if self._below is not None else 0)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the marks for ``pause_writing`` and ``resume_writing``, in bytes."""
        self._set_write_buffer_limits(high, low)  # type: ignore[attr-defined]
        self._flush_size = min(FLUSH_SIZE, self._high_water)
        if self._held >= self._flush_size:
            self._flush()
        # What waits, waits below: there is one buffer to measure, and it is there.
        if self._below is not None and not self._lost:
            self._below.set_write_buffer_limits(self._high_water, self._low_water)

    def _pause_writing(self) -> None:
        if self._protocol_paused:
            return
        self._protocol_paused = True
        self._call_protocol("pause_writing")

    def _resume_writing(self) -> None:
        if not self._protocol_paused:
            return
        self._protocol_paused = False
        self._call_protocol("resume_writing")

    def _call_protocol(self, name: str) -> None:
        if self._protocol is None:
            return
        try:
            getattr(self._protocol, name)()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report(error, f"protocol.{name}() failed")

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Closes the connection: what was written is sent, then close_notify.

        ``connection_lost(None)`` follows when the peer has closed too, or after the shutdown
        time-out. What arrives meanwhile is dropped in silence.
        """
        if self._closing:
            return
        self._closing = True
        if not self._write_ended:
            self._write_ended = True
            self._say_goodbye()
        self._finish(None)

    def abort(self) -> None:
        """Closes the connection at once; what was not sent yet is lost."""
        self._closing = self._write_ended = True
        self._drop_gathered()
        if self._half_open is not None:
            below = self._half_open.leave()
            if below is not None:
                below.set_protocol(Linger(self, self._error))
        if self._below is not None:
            self._below.abort()

    def _finish(self, error: BaseException | None) -> None:
        """Nothing more will be said: lingers for the peer's FIN, then ends with *error*."""
        self._closing = self._write_ended = True
        if self._half_open is not None:
            self._half_open.leave()
        if self._below is not None:
            Linger(self, error).begin(self._below)

    def _protocol_failed(self, error: BaseException, what: str) -> None:
        """The application's protocol raised: as in asyncio, that ends the connection."""
        self._report(error, f"Fatal error: protocol.{what} call failed.")
        self._error = error
        self.abort()

    def _report(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )

    def _translate(self, error: BaseException) -> BaseException:
        """*error* as the users of the context that was given expect it."""
        translate: Callable[[TLSError], Exception] | None
        translate = getattr(self._context, "_aiotls_error", None)
        return error if translate is None or not isinstance(error, TLSError) else translate(error)

    def _connection_lost(self, error: BaseException | None) -> None:
        """The transport below is gone, and with it everything here."""
        if self._lost:
            return
        self._lost = self._closing = self._write_ended = True
        self._drop_gathered()
        protocol, self._protocol = self._protocol, None
        self._data_received = self._direct = self._error = None
        if self._answers is not None:
            self._drop_answers(
                ConnectionResetError("the connection was closed, and the certificate did not come")
                if error is None
                else self._translate(error)
            )
        if protocol is not None:
            lost: Callable[[Any], None] = protocol.connection_lost
            lost(None if error is None else self._translate(error))
