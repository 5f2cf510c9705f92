"""A connection between two ``ssl.MemoryBIO``, as the event loops' own TLS has it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from ..crypto.aead import MAX_PLAINTEXT
from ..errors import TLSError, UsageError
from . import errors
from .engine import Engine, as_bytes, check_shutdown, fitting, refuse_write

if TYPE_CHECKING:
    from .context import SSLContext


class BufferEngine(Engine):
    """A connection between two ``ssl.MemoryBIO``: ``SSLContext.wrap_bio``."""

    __slots__ = ("_end_told", "_open", "incoming", "outgoing")

    def __init__(
        self,
        context: SSLContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: object,
    ) -> None:
        super().__init__(context, server_side, server_hostname, owner, session)
        self.incoming = incoming
        self.outgoing = outgoing
        self._end_told = False
        self._open = False
        """Whether the handshake is complete, as reading asks each time."""

    def do_handshake(self) -> None:
        """Goes on with the handshake; raises SSLWantReadError where the peer has to speak."""
        connection = self.connection
        if connection.established is not None:
            return
        self._exchange()
        if connection.error is not None:
            raise errors.translate(connection.error) from None
        if not connection.handshake_complete:
            raise errors.want_read()
        self._open = True
        self._established()

    def _exchange(self) -> None:
        """Takes what has come, puts out what has to go. What fails is in connection.error."""
        connection = self.connection
        incoming = self.incoming
        try:
            if incoming.pending:
                connection.receive_data(incoming.read())
            if incoming.eof and not connection.readable:
                connection.receive_eof()
        except TLSError:
            pass
        if connection.chores:
            self._run_chores()
        self._send()

    def _send(self) -> None:
        try:
            data = self.connection.data_to_send()
        except TLSError:  # the handshake's own first step
            data = self.connection.data_to_send()
        if data:
            self.outgoing.write(data)

    def read(self, size: int = 1024, buffer: Any = None) -> bytes | int:
        """All that has come, up to *size* bytes, or into *buffer*; b"" or 0 at the end.

        Raises SSLWantReadError where nothing has come, SSLEOFError where nothing will.
        """
        connection = self.connection
        view = None if buffer is None else fitting(buffer, size)
        room = size if view is None else len(view)
        incoming = self.incoming
        if self._open and room > 0 and (room >= MAX_PLAINTEXT or incoming.pending <= room):
            # As the event loops' own TLS asks: for all that there is, then if there is more.
            if arrived := incoming.read(room):  # which is more than its content
                try:
                    data = connection.take_data(arrived)
                except TLSError:  # it is in connection.error
                    data = None
                if data is not None:
                    if view is None:
                        return data
                    view[: len(data)] = data
                    return len(data)
                self._exchange()  # what it led to besides
            elif not (
                connection.readable or incoming.eof or connection.peer_closed or connection.error
            ):
                raise errors.want_read()
        elif room < 0:
            raise ValueError("size should not be negative")
        if not connection.readable:
            if not self._open:
                self.do_handshake()
            self._exchange()
            if not connection.readable:
                if size == 0 and view is None:
                    return b""
                end = self._tell_end()
                return end if view is None else 0
        return connection.read(size) if view is None else connection.read_into(view)

    def pending(self) -> int:
        """How many bytes can be read now; not 0 either where the end has come behind the data.

        uvloop reads on only as long as there is something here or in the incoming buffer. OpenSSL
        leaves a close_notify in the latter until it is asked for it.
        """
        connection = self.connection
        if connection.readable or self._end_told:
            return connection.readable
        return int(connection.peer_closed or connection.error is not None)

    def _tell_end(self) -> bytes:
        """What reading comes to when nothing is left; SSLWantReadError where more may come."""
        ended = self.connection.peer_closed or self.connection.error is not None
        if not ended:
            raise errors.want_read()
        self._end_told = True
        return self._end() or b""

    def write(self, data: Any) -> int:
        """Seals *data* into the outgoing buffer, all of it."""
        # The event loops' own TLS calls this for every small write: what is usual comes first,
        # and is all that there is to it.
        if type(data) is not bytes:
            data = as_bytes(data)
        try:
            sealed = self.connection.seal(data)
        except UsageError:
            sealed = self._seal_unusual(data)
        self.outgoing.write(sealed)
        return len(data)

    def _seal_unusual(self, data: bytes | bytearray | memoryview) -> bytes:
        """Before the handshake is complete, which it is made first, or after the end."""
        connection = self.connection
        if not connection.handshake_complete:
            self.do_handshake()
        try:
            return connection.seal(data)
        except UsageError as error:
            raise refuse_write(connection) from error

    def shutdown(self) -> None:
        """Sends close_notify, and waits for the peer's: SSLWantReadError until it has come."""
        connection = self.connection
        check_shutdown(connection)
        connection.send_close_notify()
        self._exchange()
        if connection.readable:
            raise errors.failure("APPLICATION_DATA_AFTER_CLOSE_NOTIFY")
        if connection.error is not None:
            raise errors.translate(connection.error) from None
        if not connection.peer_closed:
            raise errors.want_read()
