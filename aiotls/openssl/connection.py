"""SSL: one connection, stepped call by call over its BIOs.

The engine shakes hands, opens and seals. What is done here is OpenSSL's part of the bargain: to
read no more from the BIO than the record that is needed, to keep what a BIO would not take, to
remember what the last call waited for, and to put into the queue why something failed.

A handshake is one coroutine. Where it needs the BIO it asks :meth:`SSL._wait`; where the BIO cannot
serve, or a callback asks to be called again, it yields, the call returns -1, and the next call goes
on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..connection import TLSConnection
from ..enums import Alert, AlertLevel, HandshakeType, Want
from ..errors import AlertReceived, ProtocolError, TLSError, Truncated, UsageError
from ..record import RecordReader
from ..trust import parse_certificate
from .bio_kinds import BIO, Readable
from .ciphers import SSL_CIPHER, cipher
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
    SSL_CB_LOOP,
    SSL_CB_READ_ALERT,
    SSL_CB_WRITE_ALERT,
    SSL_KEY_UPDATE_NONE,
    SSL_KEY_UPDATE_NOT_REQUESTED,
    SSL_KEY_UPDATE_REQUESTED,
    SSL_MAX_RECORD,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    SSL_MODE_AUTO_RETRY,
    SSL_MODE_ENABLE_PARTIAL_WRITE,
    SSL_MODE_NO_AUTO_CHAIN,
    SSL_NOTHING,
    SSL_OP_IGNORE_UNEXPECTED_EOF,
    SSL_READING,
    SSL_RECEIVED_SHUTDOWN,
    SSL_SENT_SHUTDOWN,
    SSL_ST_ACCEPT,
    SSL_ST_CONNECT,
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    SSL_WRITING,
    TLS1_2_VERSION,
    TLS1_3_VERSION,
)
from .context import SSL_CTX, report
from .errors import (
    ERR_R_INTERNAL_ERROR,
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
    UNREAD_LATER,
    reason_of,
)
from .findings import X509_V_OK
from .hooks import Hooks
from .reasons import (
    SSL_AD_REASON_OFFSET,
    SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY,
    SSL_R_BAD_LENGTH,
    SSL_R_BAD_WRITE_RETRY,
    SSL_R_BIO_NOT_SET,
    SSL_R_CONNECTION_TYPE_NOT_SET,
    SSL_R_NO_CIPHERS_AVAILABLE,
    SSL_R_NO_PROTOCOLS_AVAILABLE,
    SSL_R_PACKET_LENGTH_TOO_LONG,
    SSL_R_PROTOCOL_IS_SHUTDOWN,
    SSL_R_READ_BIO_NOT_SET,
    SSL_R_SHUTDOWN_WHILE_IN_INIT,
    SSL_R_UNEXPECTED_EOF_WHILE_READING,
    SSL_R_UNEXPECTED_MESSAGE,
    SSL_R_UNEXPECTED_RECORD,
    SSL_R_UNINITIALIZED,
)
from .sessions import SSL_SESSION, SessionSlot
from .states import ERROR_TEXTS, TEXTS, Progress, State
from .suspension import Pause, detach, is_future, pause

if TYPE_CHECKING:
    from ..identity import Identity
    from ..sessions import Session

_CONNECTION_LOST = (32, 104)  # EPIPE, ECONNRESET
CLOSE_NOTIFY = 0

READ_BUFFER = 16_384 + 320 + 7
"""The longest body of a record that OpenSSL has room for, be it allowed or not."""


class _Write:
    """A record that a BIO has not taken as a whole yet, and what it was made from."""

    __slots__ = ("content_type", "data", "source", "start", "total")

    def __init__(
        self, content_type: int, source: object, start: int, total: int, data: bytes
    ) -> None:
        self.content_type = content_type
        self.source = source
        """The caller's buffer: the same one has to be given again."""
        self.start = start
        """Where in it the record begins."""
        self.total = total
        """How many bytes of it the record carries."""
        self.data = data
        """What is left to be written."""

    def same_source(self, source: object) -> bool:
        """Whether a buffer is the one that the record was made from."""
        if source is self.source:
            return True
        if isinstance(source, memoryview) and isinstance(self.source, memoryview):
            return source.obj is self.source.obj and source.nbytes == self.source.nbytes
        return False


class SSL:
    """One connection."""

    def __init__(self, ctx: SSL_CTX) -> None:
        self.ctx = ctx
        self.references = 1
        self.settings = ctx.settings
        self.rbio: BIO | None = None
        self.wbio: BIO | None = None
        self.server = ctx.method.server
        self.role_chosen = False
        self.data: dict[int, Any] = {}
        self.info_callback: Callable[..., Any] | None = None
        self.msg_callback: Callable[..., Any] | None = None
        self.msg_argument: Any = None
        self.session: SSL_SESSION | None = None
        self.session_to_resume: SSL_SESSION | None = None
        self.verify_result = X509_V_OK
        self.early_output = b""
        """On a client: what goes ahead of the handshake."""
        self.early_input: bytearray | None = None
        """On a server that reads early data: what has come of it and was not read."""
        self._spoke_tls = False
        """Whether the peer has ever sent anything that looked like a record."""
        self.hooks = Hooks(self)
        self._reset()

    def __repr__(self) -> str:
        return f"<SSL {self.state_text[1]}{'' if self.references > 0 else ', freed'}>"

    def _reset(self) -> None:
        """What a new handshake starts from: SSL_clear(3)."""
        activity = getattr(self, "_activity", None)
        if activity is not None:
            activity.close()
        self.connection: TLSConnection | None = None
        self.progress = Progress(self.server, self._loop, self._change_cipher_spec)
        self.shutdown = 0
        self.rwstate = SSL_NOTHING
        self.in_init = True
        self.failed = False
        self.begun = False
        """Whether the handshake has begun, or is over."""
        self.resumed = False
        self.key_update = SSL_KEY_UPDATE_NONE
        self.peer_accepted = False
        self.peer_chain: tuple[x509.Certificate, ...] = ()
        self.verified_chain: tuple[x509.Certificate, ...] = ()
        self.plaintext = b""
        self.received_warning = CLOSE_NOTIFY  # as OpenSSL has it even before one came
        self.hooks.reset()
        self._activity: Coroutine[Any, Any, None] | None = None
        self._waiting_for: Any = None
        self._output = bytearray()
        self._write: _Write | None = None
        self._written = 0
        self._alert: tuple[int, int, bytes] | None = None
        self._closed_early = False
        self._discarded: RecordReader | None = None
        self._kept: (
            tuple[SSL_CIPHER | None, x509.Certificate | None, list[x509.Certificate] | None] | None
        ) = None
        """Of the session that SSL_clear() has left: the cipher suite, and the peer's chain."""
        self._unread: bool | None = None
        """Whether a record was taken from the BIO that nobody wanted; SSL_has_pending() tells.

        None where that depends on what has arrived.
        """
        self._stuck = 0
        """How long the message is that cannot leave since there is no BIO to write to."""
        self._header = b""
        """Of the record that is being read."""
        self._answered = False
        """Whether the engine has made the KeyUpdate that is due, in answer to the peer's."""
        self._post_message = False

    # -- what the state is ---------------------------------------------------------------------

    @property
    def in_before(self) -> bool:
        """Whether no handshake has begun."""
        return not self.begun and not self.failed

    @property
    def established(self) -> bool:
        """Whether the handshake is done, and application data may flow."""
        return self.connection is not None and self.connection.handshake_complete

    @property
    def state_text(self) -> tuple[str, str]:
        """The short and the long name of the state."""
        return ERROR_TEXTS if self.failed else TEXTS[self.progress.shown]

    @property
    def resuming(self) -> bool:
        """Whether a certificate is looked at that was verified in a session before."""
        return self.hooks.last_read in (None, HandshakeType.CLIENT_HELLO)

    @property
    def version(self) -> int:
        """The version of TLS; the newest while it is not known."""
        if self.progress.version is not None:
            return self.progress.version
        versions = self.settings.versions
        if self.server or self.progress.state is State.BEFORE or versions is None:
            return TLS1_3_VERSION
        return versions[1]

    def set_role(self, server: bool) -> None:
        """SSL_set_connect_state(3) and SSL_set_accept_state(3)."""
        self.server = server
        self.role_chosen = True
        self._reset()

    def clear(self) -> None:
        """Makes it ready for another connection with the same settings.

        The session stays, unless the connection was in use and nobody has closed it; a client
        resumes it.
        """
        self.early_output, self.early_input = b"", None
        kept = None
        if not (self.shutdown or self.in_init or self.in_before):
            self.forget_session()
        if self.shutdown or self.in_init or self.in_before:
            kept = self.current_cipher, self.peer_certificate, self.sent_chain
            session = self.session
            if not self.server and session is not None and session.session is not None:
                self.session_to_resume = session
        self._reset()
        self._kept = kept

    def close(self) -> None:
        """Lets go of everything."""
        if self._activity is not None:
            self._activity.close()
            self._activity = None
        if self.connection is not None:
            self.connection.close()
        for bio in (self.rbio, self.wbio):
            if bio is not None:
                bio.release()
        self.rbio = self.wbio = None

    # -- callbacks -----------------------------------------------------------------------------

    def call(self, callback: Callable[..., Any], *arguments: Any, default: Any) -> Any:
        """Calls back; an exception is reported, and *default* stands for the answer."""
        try:
            return callback(*arguments)
        except Exception as error:
            report(callback, error)
            return default

    def tell(self, where: int, value: int) -> None:
        """Tells the info callback."""
        callback = self.info_callback or self.ctx.info_callback
        if callback is not None:
            self.call(callback, self, where, value, default=None)

    def show(self, written: bool, content_type: int, data: bytes) -> None:
        """Shows a message to the message callback."""
        callback = self.msg_callback or self.ctx.msg_callback
        if callback is None:
            return
        argument = self.msg_argument if self.msg_callback is not None else self.ctx.msg_argument
        self.call(
            callback,
            int(written),
            self.version,
            content_type,
            data,
            len(data),
            self,
            argument,
            default=None,
        )

    @property
    def _role(self) -> int:
        return SSL_ST_ACCEPT if self.server else SSL_ST_CONNECT

    def _loop(self) -> None:
        self.tell(self._role | SSL_CB_LOOP, 1)

    def _change_cipher_spec(self, written: bool) -> None:
        self.show(written, SSL3_RT_CHANGE_CIPHER_SPEC, b"\x01")

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """The engine's observer: a handshake message has passed."""
        if not sent:
            self.hooks.last_read = kind
            if kind in (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO):
                self._kept = None
            if kind == HandshakeType.CERTIFICATE:
                required = self.settings.verify_mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                self.hooks.asked_in_vain = self.server and not required
        if self.established:
            self._post_handshake_message(sent, kind, data)
            return
        self.progress.message(sent, kind, data)
        self.show(sent, SSL3_RT_HANDSHAKE, data)

    def _post_handshake_message(self, sent: bool, kind: int, data: bytes) -> None:
        """OpenSSL takes it for a small handshake of its own."""
        if sent:
            return
        self._post_message = True
        ERR_clear_error()
        self.in_init = True
        self._loop()
        self.progress.message(False, kind, data)
        self.show(False, SSL3_RT_HANDSHAKE, data)
        if kind == HandshakeType.KEY_UPDATE and data[4:] == b"\x01":
            self.key_update = SSL_KEY_UPDATE_NOT_REQUESTED
            self._answered = True
        self.progress.finish()
        self.in_init = False
        self.tell(self._role | SSL_CB_EXIT, 1)

    # -- the handshake -------------------------------------------------------------------------

    def do_handshake(self) -> int:
        """SSL_do_handshake(3)."""
        if not self.role_chosen:
            raise_ssl(SSL_R_CONNECTION_TYPE_NOT_SET)
            return -1
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
        self.tell(SSL_CB_HANDSHAKE_START, 1)
        if self.settings.versions is None and self.settings.native is None:
            self.fatal(SSL_R_NO_PROTOCOLS_AVAILABLE, None)
            return False
        try:
            self.connection = TLSConnection(
                self.hooks.configure(), self.hooks.server_name, early_data=self.early_output
            )
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
        self.rwstate = want if want is not None else self.hooks.kind
        return -1

    async def _first_handshake(self, connection: TLSConnection) -> None:
        await connection.run_handshake(self._wait)
        established = connection.established
        if established is None:
            raise UsageError("the handshake is over, and nothing is established")
        self.resumed = established.resumed
        self.hooks.finished(established)
        self._output += connection.data_to_send()
        if self._output and self.server and self.progress.tls13:
            await self._send_tickets()
        else:
            await self._flush()
            self._done()
        self.in_init = False

    async def _send_tickets(self) -> None:
        """A TLS 1.3 server's tickets belong to its handshake; a client that is gone is no error."""
        for number in range(1 if self.resumed else self.settings.num_tickets):
            self.progress.move(State.SW_SESSION_TICKET)
            if not number:
                self.in_init = False
                self.tell(SSL_CB_HANDSHAKE_DONE, 1)
                self.in_init = True
        await self._flush(forgive=True)
        self.progress.finish()

    def _done(self) -> None:
        self.progress.finish()
        self.in_init = False
        self.tell(SSL_CB_HANDSHAKE_DONE, 1)

    async def _after_handshake(self) -> None:
        """A KeyUpdate that is due, or an answer to the server's request for a certificate."""
        connection = self.connection
        if connection is None:
            return
        while connection.chores:
            await connection.chores.pop(0)
        if self.key_update != SSL_KEY_UPDATE_NONE:
            if not self._answered and not connection.close_notify_sent:
                connection.key_update(self.key_update == SSL_KEY_UPDATE_REQUESTED)
            self.key_update, self._answered = SSL_KEY_UPDATE_NONE, False
        update = State.SW_KEY_UPDATE if self.server else State.CW_KEY_UPDATE
        self.progress.move(update)
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
            ret, data = self.rbio.read(missing)
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
                ret, data = self.rbio.read(missing)
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
            self.rwstate = SSL_READING
            self._saw_alert(SSL3_AL_WARNING, CLOSE_NOTIFY)
            return
        if isinstance(error, AlertReceived):
            self._saw_alert(SSL3_AL_FATAL, error.alert)
            self.shutdown |= SSL_RECEIVED_SHUTDOWN
            self.forget_session()
        reason, data = self._reason_of(error)
        progress = self.progress
        no_version = progress.version is None or (not self.server and progress.retrying)
        stray = no_version and error.reason in NOT_EVEN_A_HELLO
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
        if early_ccs or error.reason == "UNEXPECTED_MESSAGE":
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
            no_tls = not self._spoke_tls or self._header[:2] == b"\x15\x03"
        else:
            no_tls = False
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
        if isinstance(error, AlertReceived) or (error.reason in HANDSHAKE_READS and not early_ccs):
            self.rwstate = SSL_READING

    def _reason_of(self, error: TLSError) -> tuple[int, str | None]:
        """The reason of an error, and what it says of itself."""
        if error.reason == "ENCRYPTED_LENGTH_TOO_LONG" and self._record_size > READ_BUFFER:
            return SSL_R_PACKET_LENGTH_TOO_LONG, str(error)
        if error.reason == "APP_DATA_IN_HANDSHAKE" and self.server and self.progress.retrying:
            # OpenSSL goes by the last byte then, although nothing can be encrypted yet.
            return SSL_R_UNEXPECTED_RECORD, str(error)
        return reason_of(error)

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
            self._write = _Write(SSL3_RT_ALERT, SSL3_RT_ALERT, 0, 2, record)
        ret, _ = self._write_pending(SSL3_RT_ALERT, SSL3_RT_ALERT, 0, 2)
        if ret <= 0:
            self._alert = (level, alert, record)
            return ret
        self.show(True, SSL3_RT_ALERT, bytes([level, alert]))
        self.tell(SSL_CB_WRITE_ALERT, level << 8 | alert)
        return ret

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
        if self.in_init:
            ret = self.shake_hands()
            if ret <= 0:
                return -1, b""
        self.rwstate = SSL_NOTHING
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
                ret, data = self.rbio.read(missing)
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
        if self.in_init:
            ret = self.shake_hands()
            if ret <= 0:
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

    def _key_update_due(self) -> bool:
        """Whether a KeyUpdate goes first; one that answers the peer's is fetched for it."""
        if self.connection is None or not self.established:
            return False
        self._output += self.connection.data_to_send()
        return bool(self._output) or self.key_update != SSL_KEY_UPDATE_NONE

    def _write_records(
        self, source: object, view: Readable, size: int, done: int
    ) -> tuple[int, int]:
        partial = self.settings.mode & SSL_MODE_ENABLE_PARTIAL_WRITE
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
        connection.write(view[start : start + size])
        self._write = _Write(
            SSL3_RT_APPLICATION_DATA, source, start, size, connection.data_to_send()
        )
        return self._write_pending(SSL3_RT_APPLICATION_DATA, source, start, size)

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

    # -- sessions ------------------------------------------------------------------------------

    def take_session(self, session: Session) -> None:
        """On a client: the server has given a session."""
        established = self.connection.established if self.connection is not None else None
        self.session = SSL_SESSION(session, established)
        self.session.verify_result = self.verify_result
        self.hooks.keep(self.session)

    def forget_session(self) -> None:
        """The session has failed: the application must not use it again."""
        callback, session = self.ctx.remove_session_cb, self.session
        if callback is not None and session is not None and session.session is not None:
            self.call(callback, self.ctx, session, default=None)

    def slot(self) -> SessionSlot:
        """Where the engine finds the session to resume, and puts those that it is given."""
        slot = SessionSlot(self)
        chosen = self.session_to_resume
        if chosen is not None:
            slot.offered = chosen.session
        return slot

    def change(self, **changes: Any) -> None:
        """Other settings for this connection alone."""
        self.settings = replace(self.settings, **changes)

    async def ask_verifier(self, store: Any) -> int:
        """Lets the application's verifier decide, or the rules."""
        return await self.hooks.verify(store)

    # -- what was agreed on --------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Bytes of a record that was opened and not read."""
        return len(self.plaintext)

    @property
    def has_pending(self) -> bool:
        """Whether anything was taken from the BIO and not given to the application."""
        if self.plaintext or self._unread is not None:
            return bool(self.plaintext or self._unread)
        buffered = self.connection.buffered if self.connection is not None else 0
        if self._discarded is not None:
            buffered = self._discarded.buffered
        return buffered not in (0, 5)  # after a whole header nothing is left over

    @property
    def write_pending(self) -> bool:
        """Whether a record has not left as a whole."""
        return self._write is not None

    @property
    def current_cipher(self) -> SSL_CIPHER | None:
        """The cipher suite in use."""
        connection = self.connection
        if connection is not None and connection.established is not None:
            return cipher(connection.established.suite.code)
        if self._kept is not None:
            return self._kept[0]
        return cipher(self.progress.suite) if self.progress.cipher_in_use else None

    @property
    def alpn(self) -> bytes:
        """The application protocol that was chosen."""
        connection = self.connection
        if connection is not None and connection.established is not None:
            return connection.established.alpn or b""
        return self.hooks.protocol or self.progress.alpn

    @property
    def identities(self) -> tuple[Identity, ...]:
        """What can be shown. A certificate alone is shown with its issuers, if they are known."""
        if self.settings.mode & SSL_MODE_NO_AUTO_CHAIN:
            return self.settings.identities
        return tuple(self.ctx.with_issuers(identity) for identity in self.settings.identities)

    @property
    def peer_certificates(self) -> tuple[x509.Certificate, ...]:
        """What the peer has shown, its own certificate first."""
        connection = self.connection
        peer = connection.peer if connection is not None else None
        if peer is not None and peer.chain:
            return tuple(parse_certificate(der) for der in peer.chain)
        return self.peer_chain

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """The peer's own certificate, once it was accepted."""
        if self._kept is not None:
            return self._kept[1]
        chain = self.peer_certificates
        return chain[0] if chain and (self.peer_accepted or self.established) else None

    @property
    def sent_chain(self) -> list[x509.Certificate] | None:
        """What SSL_get_peer_cert_chain(3) tells: on a server without the client's own."""
        if self._kept is not None:
            return self._kept[2]
        chain = self.peer_certificates
        if not self.server:
            return list(chain) or None
        if self.peer_certificate is not None:
            return list(chain[1:])
        return [] if self.hooks.asked_in_vain and not chain else None
