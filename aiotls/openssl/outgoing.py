"""What leaves a connection: records that a BIO has not taken yet, and alerts; and how it dies."""

from __future__ import annotations

from ..enums import Alert
from .books import CLOSE_NOTIFY, Books, Write
from .constants import (
    SSL3_AL_FATAL,
    SSL3_RT_ALERT,
    SSL_CB_READ_ALERT,
    SSL_CB_WRITE_ALERT,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    SSL_NOTHING,
    SSL_SENT_SHUTDOWN,
    SSL_WRITING,
)
from .errors import raise_ssl, set_errno
from .reasons import SSL_R_BAD_WRITE_RETRY, SSL_R_BIO_NOT_SET


class Outgoing(Books):
    """A connection as far as what it sends goes."""

    def _send_what_goes(self) -> None:
        """Writes as much as the BIO takes, and leaves it at that."""
        while self._output and self.wbio is not None:
            ret = self.wbio.write(self._output)
            if ret <= 0:
                return
            del self._output[:ret]

    def _saw_alert(self, level: int, alert: int) -> None:
        self.show(False, SSL3_RT_ALERT, bytes([level, alert]))
        self.tell(SSL_CB_READ_ALERT, level << 8 | alert)

    def fatal(self, reason: int, alert: Alert | None, data: str | None = None) -> None:
        """The connection is dead: the queue says why, and the peer is told if there is an alert."""
        raise_ssl(reason, data)
        if self.failed:
            return
        self.failed = self.in_init = True
        if alert is None or self.connection is None:
            return
        self.connection.abort(alert)
        self._send_alert(SSL3_AL_FATAL, alert, self.connection.data_to_send())

    # -- alerts --------------------------------------------------------------------------------

    def _send_alert(self, level: int, alert: int, record: bytes) -> int:
        if self.shutdown & SSL_SENT_SHUTDOWN and alert != CLOSE_NOTIFY:
            return -1
        if level == SSL3_AL_FATAL:
            self.forget_session()
        if self.wbio is None and not self.established:
            return -1  # behind the flight that has no way out
        self._alert = (level, alert, record)
        if self._write is None:
            return self._dispatch_alert()
        return -1  # behind the record that is still being written

    def _dispatch_alert(self) -> int:
        """Writes the alert that is due."""
        if self._alert is None:
            return 1
        level, alert, record = self._alert
        self._alert = None
        if self._write is None:
            self._write = Write(SSL3_RT_ALERT, SSL3_RT_ALERT, 0, 2, record)
        ret, _ = self._write_pending(SSL3_RT_ALERT, SSL3_RT_ALERT, 0, 2)
        if ret <= 0:
            self._alert = (level, alert, record)
            return ret
        self.show(True, SSL3_RT_ALERT, bytes([level, alert]))
        self.tell(SSL_CB_WRITE_ALERT, level << 8 | alert)
        return ret

    def _write_pending(
        self, content_type: int, source: object, start: int, size: int
    ) -> tuple[int, int]:
        """Writes the record that is under way; the caller has to come with the same again."""
        pending = self._write
        if pending is None:
            return 1, 0
        moving = self.settings.mode & SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        same = pending.same_source(source) and pending.start == start
        if (
            pending.total > size
            or (not same and not (moving and content_type == pending.content_type))
            or pending.content_type != content_type
        ):
            self.fatal(SSL_R_BAD_WRITE_RETRY, Alert.INTERNAL_ERROR)
            return -1, 0
        while pending.data:
            set_errno(0)
            if self.wbio is None:
                self.fatal(SSL_R_BIO_NOT_SET, Alert.INTERNAL_ERROR)
                return -1, 0
            self.rwstate = SSL_WRITING
            ret = self.wbio.write(pending.data)
            if ret <= 0:
                return ret, 0
            pending.data = pending.data[ret:]
        self._write = None
        self.rwstate = SSL_NOTHING
        return 1, pending.total
