"""The handshake of a connection, stepped call by call, and how it fails.

A handshake is one coroutine. Where it needs the BIO it asks :meth:`Handshake._wait`; where the BIO
cannot serve, or a callback asks to be called again, it yields, the call returns -1, and the next
call goes on from there.
"""

from __future__ import annotations

from ..connection import TLSConnection
from ..enums import Alert, AlertLevel, HandshakeType, Want
from ..errors import AlertReceived, ProtocolError, TLSError, Truncated, UsageError
from ..record import RecordReader
from .books import CLOSE_NOTIFY
from .constants import (
    SSL3_AL_FATAL,
    SSL3_AL_WARNING,
    SSL3_RT_ALERT,
    SSL3_RT_APPLICATION_DATA,
    SSL3_RT_CHANGE_CIPHER_SPEC,
    SSL3_RT_HANDSHAKE,
    SSL_CB_EXIT,
    SSL_CB_HANDSHAKE_DONE,
    SSL_CB_HANDSHAKE_START,
    SSL_CB_WRITE_ALERT,
    SSL_KEY_UPDATE_NONE,
    SSL_KEY_UPDATE_REQUESTED,
    SSL_MAX_RECORD,
    SSL_NOTHING,
    SSL_OP_IGNORE_UNEXPECTED_EOF,
    SSL_READING,
    SSL_RECEIVED_SHUTDOWN,
    SSL_SENT_SHUTDOWN,
    SSL_WRITING,
    TLS1_2_VERSION,
)
from .errors import (
    ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED,
    ERR_clear_error,
    get_errno,
    raise_ssl,
    set_errno,
)
from .failures import (
    HANDSHAKE_READS,
    NOT_EVEN_A_HELLO,
    NOT_TLS,
    UNREAD,
    reason_of,
)
from .outgoing import Outgoing
from .reasons import (
    SSL_R_CONNECTION_TYPE_NOT_SET,
    SSL_R_NO_CIPHERS_AVAILABLE,
    SSL_R_NO_PROTOCOLS_AVAILABLE,
    SSL_R_READ_BIO_NOT_SET,
    SSL_R_UNEXPECTED_EOF_WHILE_READING,
    SSL_R_UNEXPECTED_MESSAGE,
    SSL_R_UNEXPECTED_RECORD,
)
from .sessions import SSL_SESSION
from .settings import attach
from .states import Early, State
from .suspension import Pause, detach, is_future, pause

_CONNECTION_LOST = (32, 104)  # EPIPE, ECONNRESET


class Handshake(Outgoing):
    """A connection as far as its handshake goes."""

    def do_handshake(self) -> int:
        """SSL_do_handshake(3)."""
        if not self.role_chosen:
            raise_ssl(SSL_R_CONNECTION_TYPE_NOT_SET)
            return -1
        self.resume_handshake(-1)
        if self.in_init or self.in_before:
            return self.shake_hands()
        return 1

    def shake_hands(self) -> int:
        """Goes on with whatever keeps the connection in init."""
        method = self.ctx.method
        if not (method.server if self.server else method.client):
            raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
            return 0
        if self.failed:
            return -1
        ERR_clear_error()
        set_errno(0)
        if self._stopped:
            self._restart()
        if self._activity is None and not self._closed_early and not self._begin():
            ret = -1
        else:
            ret = self._go_on()
        self.tell(self._role | SSL_CB_EXIT, ret)
        return ret

    def _begin(self) -> bool:
        """Starts the handshake, or what comes after it; False where it failed at once."""
        if self.established:
            self._activity = self._after_handshake()
            return True
        kept = self._kept if self.server or self.session_to_resume is not None else None
        self._reset()
        self._kept = kept
        self.begun = True
        if not self.server and (self.session is None or self.session.session is None):
            self.session = SSL_SESSION(None)  # one that cannot be resumed is not gone on with
        self.ctx.sessions.counts["accept" if self.server else "connect"] += 1
        self.tell(SSL_CB_HANDSHAKE_START, 1)
        if self.settings.versions is None and self.settings.native is None:
            self.fatal(SSL_R_NO_PROTOCOLS_AVAILABLE, None)
            return False
        try:
            self.connection = TLSConnection(self.hooks.configure(), self.hooks.server_name)
            if self.early is Early.CONNECTING:
                self.connection.stream_early_data(self._before_end_of_early_data)
        except UsageError as error:
            self.fatal(SSL_R_NO_CIPHERS_AVAILABLE, None, str(error))
            return False
        self._activity = self._first_handshake(self.connection)
        return True

    def _go_on(self) -> int:
        """Steps the activity: 1 when it is done, -1 when it has failed or waits."""
        if self._closed_early:
            self._discard_record()
            return -1
        activity, waiting = self._activity, self._waiting_for
        if activity is None:
            return 1
        if waiting is not None and not waiting.done():
            self.rwstate = self.hooks.kind
            return -1
        self._waiting_for = None
        try:
            yielded = activity.send(None)
            while not isinstance(yielded, Pause):
                if is_future(yielded):
                    detach(yielded)
                    self._waiting_for = yielded
                    break
                yielded = activity.throw(
                    UsageError(
                        "a callback awaits something that needs a running event loop; await "
                        "aiotls.openssl.pending() or a future"
                    )
                )
        except StopIteration:
            self._activity = None
            return 1
        except TLSError as error:
            self._activity = None
            self._fail(error)
            return -1
        except BaseException:
            self._activity = None
            self.failed = self.in_init = True
            raise
        want = yielded.want if isinstance(yielded, Pause) else None
        if want == SSL_NOTHING:
            self.rwstate = SSL_NOTHING
            return 1  # for now: early data may flow
        self.rwstate = want if want is not None else self.hooks.kind
        return -1

    async def _first_handshake(self, connection: TLSConnection) -> None:
        await connection.run_handshake(self._wait)
        established = connection.established
        if established is None:
            raise UsageError("the handshake is over, and nothing is established")
        self.resumed = established.resumed
        self._kept = None
        self.hooks.finished(established)
        self._output += connection.data_to_send()
        if self._tickets:
            await self._send_tickets()
        else:
            await self._flush()
            self._done()
        self.in_init = False

    async def _send_tickets(self) -> None:
        """A TLS 1.3 server's tickets belong to its handshake; a client that is gone is no error."""
        for number, ticket in enumerate(self._tickets):
            self.progress.move(State.SW_SESSION_TICKET)
            if not number:
                self.in_init = False
                self.tell(SSL_CB_HANDSHAKE_DONE, 1)
                self.in_init = True
            self.show(True, SSL3_RT_HANDSHAKE, ticket)
        self._tickets.clear()
        await self._flush(forgive=True)
        self.progress.finish()

    def _done(self) -> None:
        self.progress.finish()
        self.in_init = False
        self.tell(SSL_CB_HANDSHAKE_DONE, 1)

    async def _after_handshake(self) -> None:
        """A KeyUpdate that is due, or a request for the client's certificate, or its answer."""
        connection = self.connection
        if connection is None:
            return
        answers = bool(connection.chores)
        while connection.chores:
            await connection.chores.pop(0)
        if self.request_due:
            self.request_due = False
            self.progress.move(State.SW_CERT_REQ)
            if self.settings.native is None:
                auth = self.settings.server.client_auth
                connection.reconfigure(attach(connection.config, client_auth=auth))
            connection.request_certificate()
        elif self.key_update != SSL_KEY_UPDATE_NONE or not answers:
            self.progress.move(State.SW_KEY_UPDATE if self.server else State.CW_KEY_UPDATE)
        if self.key_update != SSL_KEY_UPDATE_NONE:
            if not self._answered and not connection.close_notify_sent:
                connection.key_update(self.key_update == SSL_KEY_UPDATE_REQUESTED)
            self.key_update, self._answered = SSL_KEY_UPDATE_NONE, False
        await self._flush()
        self.progress.finish()
        self.in_init = False

    async def _wait(self, want: Want) -> None:
        """What the engine awaits where bytes are missing or have to leave."""
        if want is Want.READ:
            await self._fill()
        else:
            await self._flush()

    async def _fill(self) -> None:
        """Reads what is missing of one record, first its header and then its body."""
        connection = self.connection
        if connection is None:
            return
        await self._let_early_data_flow(connection)
        self.progress.reading()
        if connection.expecting == "finished" and not self.progress.tls13:
            self.progress.expect_finished()
        missing = connection.missing
        while missing:
            if self.shutdown & SSL_RECEIVED_SHUTDOWN:
                self._discard_record()
                await pause(SSL_READING)
                continue
            self._unread, self._discarded = None, None
            if self.rbio is None:
                raise ProtocolError(
                    Alert.INTERNAL_ERROR, "there is no BIO to read from", reason="READ_BIO_NOT_SET"
                )
            self.rwstate = SSL_READING
            set_errno(0)
            ret, data = self.read_bio(self.rbio, missing)
            if ret > 0:
                self._read_header(data)
                connection.feed(data)
                missing -= ret
                continue
            if not self.rbio.flags & 8 and self.rbio.at_eof:
                if self.settings.options & SSL_OP_IGNORE_UNEXPECTED_EOF:
                    self.shutdown |= SSL_RECEIVED_SHUTDOWN
                    self.received_warning = CLOSE_NOTIFY
                else:
                    raise ProtocolError(
                        Alert.DECODE_ERROR,
                        "the peer closed the connection during the handshake",
                        reason="UNEXPECTED_EOF_WHILE_READING",
                    )
            await pause(SSL_READING)
        self.rwstate = SSL_NOTHING
        if self.progress.version is None and not connection.missing:
            self._expect_hello()

    async def _let_early_data_flow(self, connection: TLSConnection) -> None:
        """Stops where early data may be written, or has come to be read."""
        if self.early is Early.READING:
            self.plaintext += connection.read_early_data()
            if self.plaintext:
                await pause(SSL_NOTHING)
        done = self.early_accepted and self.early is not Early.READING
        if done and (self.plaintext or connection.read_early_data()):
            self.plaintext = b""
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the client sent early data, and the application does not read any more of it",
                reason="UNEXPECTED_RECORD",
            )
        elif self.early is Early.CONNECTING and self.progress.state is State.CW_CLNT_HELLO:
            self.progress.begin_early_data()
            await self._stop()
        elif self.early is Early.ACCEPTING and self.progress.flight_is_over:
            self.early_accepted = connection.expecting == "end_of_early_data"
            self.progress.begin_early_data()
            await self._stop()

    async def _before_end_of_early_data(self) -> None:
        """On a client: the server's answer is here, and early data may flow for as long as it
        takes the application to go on with the handshake.
        """
        self.progress.move(State.PENDING_EARLY_DATA_END)
        if self.early is not Early.FINISHED_WRITING:
            await self._stop()

    async def _stop(self) -> None:
        self.in_init, self._stopped = False, True
        self.tell(SSL_CB_HANDSHAKE_DONE, 1)
        await pause(SSL_NOTHING)

    def _read_header(self, data: bytes) -> None:
        """Keeps the header of the record that *data* belongs to."""
        buffered = self.connection.buffered if self.connection is not None else 0
        if buffered >= 5:
            return
        self._header = self._header[:buffered] + data[: 5 - buffered]
        if len(self._header) < 5:
            return
        if self._header[1] == 3 and 20 <= self._header[0] <= 23:
            self._spoke_tls = True
        if self._has_spoken(TLS1_2_VERSION):
            version = int.from_bytes(self._header[1:3], "big")
            if version >> 8 == 3 and version != TLS1_2_VERSION:
                if not self.progress.writes_protected and self._header[0] != SSL3_RT_ALERT:
                    self.progress.version = version  # so that it can be told in its own words
                raise ProtocolError(
                    Alert.PROTOCOL_VERSION,
                    "the peer sent a record of another version than the one that was agreed on",
                    reason="WRONG_VERSION_NUMBER",
                )

    def _has_spoken(self, version: int) -> bool:
        """Whether a version has been agreed on, and this is it."""
        return self.progress.version == version and self.hooks.last_read is not None

    @property
    def _record_size(self) -> int:
        """How long the record that is being read says it is."""
        return int.from_bytes(self._header[3:5], "big")

    def _expect_hello(self) -> None:
        """A server takes not even an alert for an answer before it has seen a hello."""
        kind = self._header[0]
        if kind == SSL3_RT_APPLICATION_DATA and self._record_size > SSL_MAX_RECORD:
            raise ProtocolError(
                Alert.RECORD_OVERFLOW,
                f"the peer sent a record of {self._record_size} bytes where a hello should be",
                reason="DATA_LENGTH_TOO_LONG",
            )
        if kind == SSL3_RT_ALERT and self.server:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the client sent an alert where its hello should be",
                reason="UNEXPECTED_RECORD",
            )

    async def hold(self) -> None:
        """On a server: without a BIO to write to, there is not even a ServerHello."""
        if self.wbio is None:
            self.progress.begin_flight(State.SW_SRVR_HELLO)
            self._stuck = 122 if self.progress.tls13 else 60  # as long as a ServerHello
            while self.wbio is None:
                await pause(SSL_WRITING)

    async def _flush(self, *, forgive: bool = False) -> None:
        """Writes what the engine has for the peer. With *forgive* a lost connection is none."""
        connection = self.connection
        if connection is None:
            return
        self._output += connection.data_to_send()
        while self._output:
            self.rwstate = SSL_WRITING
            set_errno(0)
            if self.wbio is None:
                if not self.established:
                    self.progress.held = self.progress.flight
                    self._stuck = int.from_bytes(self._output[3:5], "big")
                await pause(SSL_WRITING)
                continue
            self.progress.held, self._stuck = None, 0
            ret = self.wbio.write(self._output)
            if ret > 0:
                del self._output[:ret]
                continue
            lost = not self.wbio.flags & 8
            if forgive and lost and get_errno() in _CONNECTION_LOST:
                self._output.clear()
                break
            await pause(SSL_WRITING)
        self.rwstate = SSL_NOTHING

    def _discard_record(self) -> None:
        """The peer has closed, in the middle of the handshake: what comes now is thrown away.

        OpenSSL opens one record more and stays with that, however often it is called.
        """
        if self._unread:
            self.rwstate = SSL_READING
            return
        reader = self._discarded
        if reader is None:
            reader = self._discarded = RecordReader()
            begun = self.connection.buffered if self.connection is not None else 0
            reader.feed(self._header[:begun] + bytes(max(0, begun - 5)))
        try:
            while missing := reader.missing:
                if self.rbio is None:
                    self.fatal(SSL_R_READ_BIO_NOT_SET, Alert.INTERNAL_ERROR)
                    break
                ret, data = self.read_bio(self.rbio, missing)
                if ret <= 0:
                    if not self.rbio.flags & 8 and self.rbio.at_eof:
                        if self.settings.options & SSL_OP_IGNORE_UNEXPECTED_EOF:
                            self.shutdown |= SSL_RECEIVED_SHUTDOWN
                            self.received_warning = CLOSE_NOTIFY
                        else:
                            self.fatal(SSL_R_UNEXPECTED_EOF_WHILE_READING, Alert.DECODE_ERROR)
                    break
                self._header = (self._header[: reader.buffered] + data)[:5]
                reader.feed(data)
                if reader.buffered == 5:
                    reader.next()  # looks at the header
            else:
                self._unread, self._discarded = True, None
        except TLSError as error:
            reason, text = self._reason_of(error)
            self.fatal(reason, None, text)
        self.rwstate = SSL_READING

    # -- failing -------------------------------------------------------------------------------

    def _fail(self, error: TLSError) -> None:
        """The handshake has failed: the queue says why, and the alert leaves if it can."""
        connection = self.connection
        alert = connection.data_to_send() if connection is not None else b""
        if isinstance(error, Truncated):  # close_notify: no error, but no handshake either
            self.shutdown |= SSL_RECEIVED_SHUTDOWN
            self.received_warning = CLOSE_NOTIFY
            self._closed_early = True
            self.rwstate = SSL_NOTHING if self._stopped else SSL_READING
            self._saw_alert(SSL3_AL_WARNING, CLOSE_NOTIFY)
            return
        if isinstance(error, AlertReceived):
            self._saw_alert(SSL3_AL_FATAL, error.alert)
            self.shutdown |= SSL_RECEIVED_SHUTDOWN
            self.forget_session()
        reason, data = self._reason_of(error)
        progress = self.progress
        no_version = progress.version is None or (not self.server and progress.retrying)
        stray = no_version and (
            error.reason in NOT_EVEN_A_HELLO
            or (error.reason == "UNEXPECTED_MESSAGE" and self._header[0] != SSL3_RT_HANDSHAKE)
        )
        early_ccs = stray and self._header[0] == SSL3_RT_CHANGE_CIPHER_SPEC
        self._unread = None
        if error.reason in UNREAD and not early_ccs:
            self._unread = True
        elif error.reason == "DATA_LENGTH_TOO_LONG":
            self._unread = False
        if stray:
            reason = SSL_R_UNEXPECTED_MESSAGE
            if self._unread:
                progress.version = int.from_bytes(self._header[1:3], "big")
        if self.hooks.last_read == HandshakeType.SERVER_HELLO and not (
            error.reason in HANDSHAKE_READS or isinstance(error, AlertReceived)
        ):
            progress.suite = None  # there was something wrong with the ServerHello
        if early_ccs or (error.reason == "UNEXPECTED_MESSAGE" and not stray):
            self._loop()
        raise_ssl(reason, data)
        self.failed = self.in_init = True
        self.rwstate = SSL_NOTHING
        if error.reason == "UNSUPPORTED_PROTOCOL" and self.server:
            self.progress.version = TLS1_2_VERSION
        if self._unread and self._header[0] == SSL3_RT_APPLICATION_DATA:
            self.plaintext = bytes(self._record_size)  # what SSL_pending() tells of it
        if error.reason in NOT_TLS:
            # Who does not speak TLS is not told; nor is an alert answered with another.
            alert_came = self._header[:2] == b"\x15\x03" and not progress.writes_protected
            no_tls = not self._spoke_tls or alert_came
        else:
            no_tls = False
        if isinstance(error, ProtocolError) and not (no_tls or self.shutdown & SSL_SENT_SHUTDOWN):
            self.forget_session()
        if self.wbio is None:
            self.rwstate = SSL_WRITING
            if isinstance(error, ProtocolError):
                self._stuck = self._stuck or 2  # the length of an alert
        elif self.shutdown & SSL_SENT_SHUTDOWN:
            self._output.clear()
        elif isinstance(error, ProtocolError) and not no_tls:
            self._output += alert
            self._send_what_goes()
            description = bytes([AlertLevel.FATAL, error.alert])
            self.show(True, SSL3_RT_ALERT, description)
            self.tell(SSL_CB_WRITE_ALERT, SSL3_AL_FATAL << 8 | error.alert)
        reading = (stray or error.reason in HANDSHAKE_READS) and not early_ccs
        if (isinstance(error, AlertReceived) or reading) and not self._stopped:
            self.rwstate = SSL_READING

    def _reason_of(self, error: TLSError) -> tuple[int, str | None]:
        """The reason of an error, and what it says of itself."""
        if error.reason == "APP_DATA_IN_HANDSHAKE" and self.server and self.progress.retrying:
            # OpenSSL goes by the last byte then, although nothing can be encrypted yet.
            return SSL_R_UNEXPECTED_RECORD, str(error)
        return reason_of(error)
