"""SSL: one connection, stepped call by call over its BIOs.

The engine shakes hands, opens and seals. What is done here is OpenSSL's part of the bargain: to
read no more from the BIO than the record that is needed, to keep what a BIO would not take, to
remember what the last call waited for, and to put into the queue why something failed.

Four layers: what is known of a connection (books.py), what leaves it (outgoing.py), its handshake
(handshake.py), and here its data and its end.
"""

from __future__ import annotations

from ..connection import TLSConnection
from ..enums import Alert
from ..errors import AlertReceived, ProtocolError, TLSError
from ..wire import extensions as ext
from .bio_kinds import Readable
from .books import CLOSE_NOTIFY, Write
from .constants import (
    SSL3_AL_FATAL,
    SSL3_AL_WARNING,
    SSL3_RT_APPLICATION_DATA,
    SSL_CB_EXIT,
    SSL_KEY_UPDATE_NONE,
    SSL_MAX_RECORD,
    SSL_MODE_AUTO_RETRY,
    SSL_MODE_ENABLE_PARTIAL_WRITE,
    SSL_NOTHING,
    SSL_OP_IGNORE_UNEXPECTED_EOF,
    SSL_READING,
    SSL_RECEIVED_SHUTDOWN,
    SSL_SENT_SHUTDOWN,
    SSL_VERIFY_PEER,
)
from .context import SSL_CTX
from .errors import (
    ERR_R_INTERNAL_ERROR,
    ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED,
    raise_ssl,
    set_errno,
)
from .failures import (
    UNREAD_LATER,
)
from .handshake import Handshake
from .hooks import Hooks
from .reasons import (
    SSL_AD_REASON_OFFSET,
    SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY,
    SSL_R_BAD_LENGTH,
    SSL_R_EXTENSION_NOT_RECEIVED,
    SSL_R_INVALID_CONFIG,
    SSL_R_NOT_SERVER,
    SSL_R_PROTOCOL_IS_SHUTDOWN,
    SSL_R_READ_BIO_NOT_SET,
    SSL_R_REQUEST_SENT,
    SSL_R_SHUTDOWN_WHILE_IN_INIT,
    SSL_R_STILL_IN_INIT,
    SSL_R_TOO_MUCH_EARLY_DATA,
    SSL_R_UNEXPECTED_EOF_WHILE_READING,
    SSL_R_UNINITIALIZED,
    SSL_R_WRONG_SSL_VERSION,
)
from .sessions import SessionSlot
from .states import Early


class SSL(Handshake):
    """One connection."""

    def __init__(self, ctx: SSL_CTX) -> None:
        self.hooks = Hooks(self)
        self._early_written = 0
        self.peer_authorities: tuple[bytes, ...] | None = None
        """On a client: the names of authorities in the server's request, DER."""

        super().__init__(ctx)

    def slot(self) -> SessionSlot:
        """Where the engine finds the session to resume, and puts those that it is given."""
        slot = SessionSlot(self)
        self._early_written = 0
        chosen = self.session_to_resume
        if chosen is not None and not chosen.removed:
            slot.offered = chosen.session
        return slot

    @property
    def early_limit(self) -> int:
        """On a client: how many bytes of early data the session allows."""
        chosen = self.session_to_resume
        session = chosen.session if chosen is not None else None
        return session.max_early_data if session is not None else 0

    # -- reading -------------------------------------------------------------------------------

    def read(self, size: int, peek: bool) -> tuple[int, bytes]:
        """SSL_read(3) and SSL_peek: the code, and the data where it is 1."""
        if not self.role_chosen:
            raise_ssl(SSL_R_UNINITIALIZED)
            return -1, b""
        if self.shutdown & SSL_RECEIVED_SHUTDOWN:
            if not peek:
                self.rwstate = SSL_NOTHING
            return 0, b""
        set_errno(0)
        if self.early in (Early.CONNECT_RETRY, Early.ACCEPT_RETRY):
            raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
            return 0, b""
        self.resume_handshake(0)
        if self.in_init:
            ret = self.shake_hands()
            if ret <= 0:
                return -1, b""
        self.rwstate = SSL_NOTHING
        if not self.plaintext and self._stopped:
            ret = self._read_early() if self.server else self._read_ahead()
            if ret <= 0:
                return -1, b""
        if not self.plaintext:
            ret = self._receive()
            if ret <= 0:
                return ret, b""
        if not size:
            return 0, b""
        data = self.plaintext[:size]
        if not peek:
            self.plaintext = self.plaintext[len(data) :]
        return 1, data

    def _read_early(self) -> int:
        """Takes records until there is early data: 1. Less: none has come, or all of it has."""
        before, self.early = self.early, Early.READING
        ret = self._go_on()
        if self.early is not Early.READING:
            self.tell(self._role | SSL_CB_EXIT, ret)
            return -1
        self.early = before
        return ret if ret <= 0 or self.plaintext else -1

    def _read_ahead(self) -> int:
        """On a client that may still write early data, the server's Finished in hand.

        What the server sends now can be read once early data has ended: with its first bytes the
        handshake goes on.
        """
        connection = self.connection
        if connection is None or self.rbio is None:
            self.fatal(SSL_R_READ_BIO_NOT_SET, Alert.INTERNAL_ERROR)
            return -1
        self.rwstate = SSL_READING
        set_errno(0)
        ret, data = self.read_bio(self.rbio, connection.missing)
        if ret <= 0:
            return self._nothing_read(ret)
        try:
            self._read_header(data)
            connection.feed(data)
        except TLSError as error:
            self.rwstate = SSL_NOTHING
            return self._refuse(error)
        self.early = Early.FINISHED_WRITING
        return self.shake_hands()

    def _receive(self) -> int:
        """Takes records until there is application data: 1. Less: what the call returns."""
        connection = self.connection
        if connection is None:
            return -1
        while True:
            self._post_message = False
            ret = self._receive_record(connection)
            if ret <= 0:
                return ret
            if connection.readable:
                self.plaintext = connection.read()
                return 1
            if connection.peer_closed:
                self.received_warning = CLOSE_NOTIFY
                self._saw_alert(SSL3_AL_WARNING, CLOSE_NOTIFY)
                self.shutdown |= SSL_RECEIVED_SHUTDOWN
                return 0
            if connection.chores:
                self.in_init = True
                ret = self.shake_hands()
                if ret <= 0:
                    return -1
            if self._post_message and not self.settings.mode & SSL_MODE_AUTO_RETRY:
                self.rwstate = SSL_READING
                if self.rbio is not None:
                    self.rbio.clear_retry()
                    self.rbio.retry_read()
                return -1

    def _receive_record(self, connection: TLSConnection) -> int:
        """One whole record, from the BIO into the engine."""
        while True:
            missing = connection.missing
            ret = 0
            while missing:
                if self.rbio is None:
                    self.fatal(SSL_R_READ_BIO_NOT_SET, Alert.INTERNAL_ERROR)
                    return -1
                self.rwstate = SSL_READING
                set_errno(0)
                ret, data = self.read_bio(self.rbio, missing)
                if ret <= 0:
                    return self._nothing_read(ret)
                try:
                    self._read_header(data)
                    connection.receive_data(data)
                except TLSError as error:
                    self.rwstate = SSL_NOTHING
                    return self._refuse(error)
                missing -= ret
            self.rwstate = SSL_NOTHING
            if not connection.buffered:
                return 1

    def _nothing_read(self, ret: int) -> int:
        """The BIO had nothing: later perhaps, or never again."""
        if self.rbio is not None and not self.rbio.flags & 8 and self.rbio.at_eof:
            if self.settings.options & SSL_OP_IGNORE_UNEXPECTED_EOF:
                self.shutdown |= SSL_RECEIVED_SHUTDOWN
                self.received_warning = CLOSE_NOTIFY
            else:
                self.fatal(SSL_R_UNEXPECTED_EOF_WHILE_READING, Alert.DECODE_ERROR)
        return ret

    def _refuse(self, error: TLSError) -> int:
        """What the engine found wrong with what came after the handshake."""
        if isinstance(error, AlertReceived):
            self._saw_alert(SSL3_AL_FATAL, error.alert)
            raise_ssl(SSL_AD_REASON_OFFSET + error.alert, f"SSL alert number {error.alert}")
            self.failed = self.in_init = True
            self.shutdown |= SSL_RECEIVED_SHUTDOWN
            self.forget_session()
            return 0
        reason, data = self._reason_of(error)
        self._unread = True if error.reason in UNREAD_LATER else None
        raise_ssl(reason, data)
        if not self.failed and self.connection is not None:
            self.failed = self.in_init = True
            if isinstance(error, ProtocolError):
                self._send_alert(SSL3_AL_FATAL, error.alert, self.connection.data_to_send())
        return -1

    # -- writing -------------------------------------------------------------------------------

    def write(self, source: object, view: Readable, size: int) -> tuple[int, int]:
        """SSL_write(3): the code, and how many bytes where it is 1."""
        if not self.role_chosen:
            raise_ssl(SSL_R_UNINITIALIZED)
            return -1, 0
        sent = self.connection is not None and self.connection.close_notify_sent
        if self.shutdown & SSL_SENT_SHUTDOWN or sent:  # SSL_set_shutdown() cannot take it back
            self.rwstate = SSL_NOTHING
            raise_ssl(SSL_R_PROTOCOL_IS_SHUTDOWN)
            return -1, 0
        if self.early in (Early.CONNECT_RETRY, Early.ACCEPT_RETRY, Early.READ_RETRY):
            raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
            return 0, 0
        self.resume_handshake(1)
        set_errno(0)
        done, pending = self._written, self._write
        total = pending.total if pending is not None else self._stuck
        self.rwstate = SSL_NOTHING
        if size < done or size < done + total:
            self.fatal(SSL_R_BAD_LENGTH, Alert.INTERNAL_ERROR)
            return -1, 0
        self._written = 0
        if pending is None and self._key_update_due():
            self.in_init = True
        if self.in_init and self.early is not Early.UNAUTH_WRITING:
            ret = self.shake_hands()
            if ret <= 0:
                return -1, 0
        if pending is None and self.early is Early.WRITING:
            self._early_written += size
            if self._early_written > self.early_limit:
                self.fatal(SSL_R_TOO_MUCH_EARLY_DATA, Alert.INTERNAL_ERROR)
                return -1, 0
        if self._write is not None:
            total = self._write.total
            ret, written = self._write_pending(SSL3_RT_APPLICATION_DATA, source, done, total)
            if ret <= 0:
                self._written = done
                return ret, 0
            done += written
        return self._write_records(source, view, size, done)

    def request_key_update(self, kind: int) -> None:
        """SSL_key_update(3)."""
        self.in_init = True
        self.key_update, self._answered = kind, False

    def refusal_to_ask(self) -> int:
        """Why the client cannot be asked for its certificate: a reason, or 0."""
        if not self.progress.tls13:
            return SSL_R_WRONG_SSL_VERSION
        if not self.server:
            return SSL_R_NOT_SERVER
        connection = self.connection
        if connection is None or not self.established or self.in_init:
            return SSL_R_STILL_IN_INIT
        if connection.requests_certificate:
            return SSL_R_REQUEST_SENT
        hello = self.hooks.hello
        if hello is None or ext.POST_HANDSHAKE_AUTH.type not in hello.hello.extensions:
            return SSL_R_EXTENSION_NOT_RECEIVED
        if not self.settings.verify_mode & SSL_VERIFY_PEER:
            return SSL_R_INVALID_CONFIG
        return 0

    def _key_update_due(self) -> bool:
        """Whether a KeyUpdate goes first; one that answers the peer's is fetched for it."""
        if self.connection is None or not self.established:
            return False
        if self.key_update != SSL_KEY_UPDATE_NONE:
            return True
        self._output += self.connection.data_to_send()
        return bool(self._output)

    def _write_records(
        self, source: object, view: Readable, size: int, done: int
    ) -> tuple[int, int]:
        partial = self.settings.mode & SSL_MODE_ENABLE_PARTIAL_WRITE
        partial = partial and self.early is not Early.WRITING
        while done < size:
            ret, written = self._write_record(source, view, done, min(size - done, SSL_MAX_RECORD))
            if ret <= 0:
                self._written = done
                return ret, 0
            done += written
            if partial:
                break
        return 1, done

    def _write_record(
        self, source: object, view: Readable, start: int, size: int
    ) -> tuple[int, int]:
        if self._write is not None:
            return self._write_pending(SSL3_RT_APPLICATION_DATA, source, start, size)
        if self._alert is not None:
            ret = self._dispatch_alert()
            if ret <= 0:
                return ret, 0
        connection = self.connection
        if connection is None:
            raise_ssl(ERR_R_INTERNAL_ERROR)
            return -1, 0
        data = view[start : start + size]
        if self.early is Early.WRITING:
            connection.write_early_data(data)
        elif connection.can_write:
            connection.write(data)
        else:
            raise_ssl(ERR_R_INTERNAL_ERROR)
            return -1, 0
        self._write = Write(
            SSL3_RT_APPLICATION_DATA, source, start, size, connection.data_to_send()
        )
        return self._write_pending(SSL3_RT_APPLICATION_DATA, source, start, size)

    # -- closing -------------------------------------------------------------------------------

    def close_down(self) -> int:
        """SSL_shutdown(3)."""
        if not self.role_chosen:
            raise_ssl(SSL_R_UNINITIALIZED)
            return -1
        if self.in_init:
            raise_ssl(SSL_R_SHUTDOWN_WHILE_IN_INIT)
            return -1
        both = SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN
        if self.settings.quiet_shutdown:
            self.shutdown = both
            return 1
        connection = self.connection
        if not self.shutdown & SSL_SENT_SHUTDOWN and connection is not None:
            self.shutdown |= SSL_SENT_SHUTDOWN
            connection.send_close_notify()
            self._send_alert(SSL3_AL_WARNING, CLOSE_NOTIFY, connection.data_to_send())
            if self._alert is not None:
                return -1
        elif self._alert is not None:
            if self._dispatch_alert() == -1:
                return -1
        elif not self.shutdown & SSL_RECEIVED_SHUTDOWN:
            self._await_close()
            if not self.shutdown & SSL_RECEIVED_SHUTDOWN:
                return -1
        return int(self.shutdown == both and self._alert is None)

    def _await_close(self) -> None:
        """Waits for the peer's close_notify; application data has no place any more."""
        self.rwstate = SSL_NOTHING
        if self.plaintext or self._receive() > 0:
            self.plaintext = b""
            self.fatal(SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY, None)
