"""A connection over a socket: ``SSLContext.wrap_socket``.

Three things are hard here.

*Nothing may be read ahead.* Programs wait with select() and read a little, and they go back to
plain text after unwrap(): so a record is taken from the socket at a time, header first, as
OpenSSL does it, and the rest stays where select() sees it.

*Modes.* Blocking, non-blocking and with a time-out are the socket's own; a time-out is for the
whole of a call, however often that has to wait. On a non-blocking socket a record that was
sealed and not taken is remembered, and the caller has to come back with the same data.

*Threads.* One may read while another writes. Waiting for the peer holds a lock of the readers
alone; the connection's state has a lock that is never held while waiting.
"""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import select
import socket
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..enums import ProtocolVersion
from ..errors import TLSError, UsageError
from . import errors
from .engine import Engine, as_bytes, check_shutdown, fitting, refuse_write

if TYPE_CHECKING:
    from .context import SSLContext

HEADER = 5
BATCH = 1 << 18
"""Bytes that a write seals at once."""

_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)


class Deadline:
    """The time that a call on a socket may take, by the socket's own setting."""

    __slots__ = ("_until", "timeout", "what")

    def __init__(self, sock: socket.socket, what: str) -> None:
        self.timeout = sock.gettimeout()
        self.what = what
        self._until = monotonic() + self.timeout if self.timeout else None

    def wait(self, sock: socket.socket, writing: bool) -> None:
        """Returns when the socket is ready, as far as its mode lets this wait.

        Without a time-out the socket's own call waits.
        """
        if self._until is None:
            return
        if sock.fileno() < 0:  # closed or detached by another thread
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        left = self._until - monotonic()
        if left <= 0 or not _is_ready(sock, writing, left):
            raise self.over()

    def over(self) -> TimeoutError:
        """The error for a call that took too long."""
        return TimeoutError(f"The {self.what} operation timed out")


def _is_ready(sock: socket.socket, writing: bool, timeout: float) -> bool:
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLOUT if writing else select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    socks = [sock]
    readable, writable, failed = select.select(
        [] if writing else socks, socks if writing else [], socks, timeout
    )
    return bool(readable or writable or failed)


class SocketEngine(Engine):
    """A connection over a socket, which it refers to weakly."""

    __slots__ = (
        "_have",
        "_sealed",
        "_reading",
        "_record",
        "_shaken",
        "_socket",
        "_state",
        "_unsent",
        "_writing",
    )

    def __init__(
        self,
        context: SSLContext,
        sock: socket.socket,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: object,
    ) -> None:
        super().__init__(context, server_side, server_hostname, owner, session)
        self._socket = weakref.ref(sock)
        self._reading = threading.RLock()
        self._writing = threading.RLock()
        self._state = threading.RLock()
        self._record = bytearray(HEADER)
        self._have = 0
        self._unsent = memoryview(b"")
        self._shaken = False
        """Whether the handshake is over, and its last message with the peer, or on its way."""
        self._sealed = 0
        """How much of the data of an unfinished write has been sealed."""

    def _sock(self) -> socket.socket:
        sock = self._socket()
        if sock is None:
            raise errors.refusal("Underlying socket connection gone")
        return sock

    # -- bytes from the peer -------------------------------------------------------------------

    def _receive(self, sock: socket.socket, deadline: Deadline) -> None:
        """Takes one record from the socket and gives it to the connection.

        What the connection makes of it is in its ``error``. On a non-blocking socket an
        incomplete record is kept, and this raises SSLWantReadError.
        """
        record = self._record
        while True:
            if self._have >= HEADER:
                need = HEADER + int.from_bytes(record[3:HEADER], "big")
                if len(record) < need:
                    record.extend(bytes(need - len(record)))
            else:
                need = HEADER
            if self._have == need and need > HEADER:
                break
            deadline.wait(sock, writing=False)
            try:
                with memoryview(record) as view:
                    size = socket.socket.recv_into(sock, view[self._have : need])
            except BlockingIOError:
                raise errors.want_read() from None
            except TimeoutError:
                raise deadline.over() from None
            if not size:
                self._step(None)
                return
            self._have += size
            if self._have == HEADER and self.connection.refuses(record[:HEADER]):
                break  # no TLS, empty, or nothing that may come: there is nothing to wait for
        have, self._have = self._have, 0
        with memoryview(record) as view:
            self._step(view[:have])

    def _step(self, data: memoryview | None) -> None:
        with self._state:
            with contextlib.suppress(TLSError):
                if data is None:
                    self.connection.receive_eof()
                else:
                    self.connection.receive_data(data)
            if self.connection.chores:
                self._run_chores()

    # -- bytes to the peer ---------------------------------------------------------------------

    def _collect(self) -> None:
        """Adds what the connection has to say to what is not sent yet; holds the writers' lock."""
        with self._state:
            try:
                data = self.connection.data_to_send()
            except TLSError:  # the handshake's own first step
                data = self.connection.data_to_send()
        if data:
            self._unsent = memoryview(bytes(self._unsent) + data if self._unsent else data)

    def _send(self, sock: socket.socket, deadline: Deadline) -> None:
        """Sends what is not sent yet, all of it, as the socket's mode allows."""
        while self._unsent:
            deadline.wait(sock, writing=True)
            try:
                size = socket.socket.send(sock, self._unsent)
            except BlockingIOError:
                raise errors.want_write() from None
            except TimeoutError:
                raise deadline.over() from None
            self._unsent = self._unsent[size:]

    def _reply(self, sock: socket.socket) -> None:
        """Sends what reading has led to, if that needs no waiting; else the next write does."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            self._collect()
            if self._unsent:
                sent = socket.socket.send(sock, self._unsent, _AT_ONCE)
                self._unsent = self._unsent[sent:]
        except OSError:
            pass  # the peer is gone, or takes nothing now
        finally:
            self._writing.release()

    # -- the calls -----------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """The handshake, as far as the socket's mode lets it wait."""
        if self._shaken:
            return
        sock = self._sock()
        self._handshake(sock, Deadline(sock, "handshake"))

    def _handshake(self, sock: socket.socket, deadline: Deadline) -> None:
        connection = self.connection
        with self._reading:
            while not self._shaken:
                with self._writing:
                    self._collect()
                    if connection.error is not None:
                        with contextlib.suppress(OSError):
                            self._send(sock, deadline)
                        raise errors.translate(connection.error) from None
                    if self._owes_only_tickets():
                        break
                    self._send(sock, deadline)
                if connection.handshake_complete:
                    break
                self._receive(sock, deadline)
            if not self._shaken:
                self._shaken = True
                self._established()

    def _owes_only_tickets(self) -> bool:
        """Whether all that is left to send is a server's tickets.

        They leave with the first data. A client that closes at once would answer them with a
        reset, and what it sent before would be lost with it.
        """
        established = self.connection.established
        return (
            self.server_side
            and established is not None
            and established.version == ProtocolVersion.TLSv1_3
        )

    def read(self, size: int = 1024, buffer: Any = None) -> bytes | int:
        """Up to *size* bytes, or into *buffer*, as soon as there are any; b"" or 0 at the end."""
        if buffer is None:
            size = operator.index(size)
            if size < 0:
                raise ValueError("size should not be negative")
            if size == 0:
                return b""
        else:
            buffer = fitting(buffer, size)
            if not len(buffer):
                return 0
        connection = self.connection
        deadline = None
        while True:
            with self._state:
                if connection.readable:
                    return connection.read(size) if buffer is None else connection.read_into(buffer)
            sock = self._sock()
            deadline = deadline or Deadline(sock, "read")
            if not self._shaken:
                self._handshake(sock, deadline)
            with self._reading:
                while not connection.readable:
                    end = self._end()
                    if end is not None:
                        return end if buffer is None else 0
                    self._receive(sock, deadline)
                    self._reply(sock)
            # Another thread that reads may be faster.

    def verify_client_post_handshake(self) -> None:
        """Asks the client for its certificate; the request leaves with what is written next."""
        with self._state:
            super().verify_client_post_handshake()

    def write(self, data: Any) -> int:
        """Sends *data*, all of it; returns its length.

        Where the socket takes no more now (SSLWantWriteError) or in time (TimeoutError), the
        next call has to bring the same data again: part of it has been sealed.
        """
        view = memoryview(as_bytes(data))
        sock = self._sock()
        deadline = Deadline(sock, "write")
        if not self._shaken:
            self._handshake(sock, deadline)
        with self._writing:
            if len(view) < self._sealed:
                raise errors.failure("BAD_WRITE_RETRY")
            while True:
                self._send(sock, deadline)
                part = view[self._sealed : self._sealed + BATCH]
                with self._state:
                    try:
                        self.connection.write(part)
                    except UsageError as error:
                        raise refuse_write(self.connection) from error
                if not part:
                    break
                self._sealed += len(part)
                self._collect()
            self._sealed = 0
        return len(view)

    def shutdown(self) -> socket.socket:
        """Sends close_notify and waits for the peer's; returns the socket, for plain text."""
        connection = self.connection
        sock = self._sock()
        deadline = Deadline(sock, "read")
        check_shutdown(connection)
        with self._writing:
            with self._state:
                connection.send_close_notify()
            self._collect()
            self._send(sock, deadline)
        with self._reading:
            while not connection.peer_closed:
                self._receive(sock, deadline)
                if connection.readable:
                    raise errors.failure("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
                if connection.error is not None:
                    raise errors.translate(connection.error) from None
        return sock
