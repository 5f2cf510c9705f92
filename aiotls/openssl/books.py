"""The books that OpenSSL keeps of a connection: states, callbacks, what was agreed on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..connection import TLSConnection
from ..enums import HandshakeType
from ..record import RecordReader
from ..trust import parse_certificate
from .bio_kinds import BIO
from .ciphers import SSL_CIPHER, cipher
from .constants import (
    SSL3_RT_HANDSHAKE,
    SSL_CB_EXIT,
    SSL_CB_HANDSHAKE_START,
    SSL_CB_LOOP,
    SSL_KEY_UPDATE_NONE,
    SSL_KEY_UPDATE_NOT_REQUESTED,
    SSL_MODE_NO_AUTO_CHAIN,
    SSL_NOTHING,
    SSL_ST_ACCEPT,
    SSL_ST_CONNECT,
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    TLS1_3_VERSION,
)
from .context import SSL_CTX, report
from .errors import (
    ERR_clear_error,
)
from .findings import X509_V_OK
from .hooks import Hooks
from .sessions import SSL_SESSION
from .states import ERROR_TEXTS, TEXTS, Early, Progress, State

if TYPE_CHECKING:
    from ..identity import Identity
    from ..sessions import Session

CLOSE_NOTIFY = 0


class Write:
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


_ANSWER = (
    HandshakeType.CERTIFICATE,
    HandshakeType.COMPRESSED_CERTIFICATE,
    HandshakeType.CERTIFICATE_VERIFY,
    HandshakeType.FINISHED,
)
"""What a client answers a CertificateRequest with after the handshake."""


class Books:
    """What is known of one connection; nothing is read or written here."""

    hooks: Hooks

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
        self.early = Early.NONE
        self._spoke_tls = False
        """Whether the peer has ever sent anything that looked like a record."""
        self._reset()

    def __repr__(self) -> str:
        return f"<SSL {self.state_text[1]}{'' if self.references > 0 else ', freed'}>"

    def _reset(self) -> None:
        """What a new handshake starts from: SSL_clear(3)."""
        activity = getattr(self, "_activity", None)
        if activity is not None:
            activity.close()
        self.connection: TLSConnection | None = None
        self.progress = Progress(self.server, self._loop, self.show)
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
        self._write: Write | None = None
        self._written = 0
        self._alert: tuple[int, int, bytes] | None = None
        self._closed_early = False
        self._discarded: RecordReader | None = None
        self._kept: (
            tuple[SSL_CIPHER | None, x509.Certificate | None, list[x509.Certificate] | None] | None
        ) = None
        """Of the session that is to be resumed, or that SSL_clear() has left: its cipher suite, and
        the peer's chain, until the peer's hello says otherwise."""
        self._unread: bool | None = None
        """Whether a record was taken from the BIO that nobody wanted; SSL_has_pending() tells.

        None where that depends on what has arrived.
        """
        self._stuck = 0
        """How long the message is that cannot leave since there is no BIO to write to."""
        self._header = b""
        """Of the record that is being read."""
        self.request_due = False
        """On a server: whether the client is to be asked for its certificate now."""
        self._answered = False
        """Whether the engine has made the KeyUpdate that is due, in answer to the peer's."""
        self._post_message = False
        self._tickets: list[bytes] = []
        self._stopped = False
        """Whether the handshake has stopped for early data."""
        self.early_accepted = False
        """On a server: whether it takes early data."""
        """On a server: the NewSessionTickets of TLS 1.3 that are to leave after the handshake."""

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
        self.early = Early.NONE
        kept = self._kept
        self._reset()
        self._kept = kept

    def clear(self) -> None:
        """Makes it ready for another connection with the same settings.

        The session stays, unless the connection was in use and nobody has closed it; a client
        resumes it.
        """
        self.early = Early.NONE
        kept = None
        if not (self.shutdown or self.in_init or self.in_before):
            self.forget_session()
            self.session = self.session_to_resume = None
        if self.shutdown or self.in_init or self.in_before:
            kept = self.current_cipher, self.peer_certificate, self.sent_chain
            session = self.current_session
            if not self.server and session is not None and session.session is not None:
                self.session_to_resume = session
        self._reset()
        self._kept = kept

    def close(self) -> None:
        """Lets go of everything. Who has not closed the connection loses the session as well."""
        if not (self.shutdown or self.in_init or self.in_before):
            self.forget_session()
        if self._activity is not None:
            self._activity.close()
            self._activity = None
        if self.connection is not None:
            self.connection.close()
        for bio in (self.rbio, self.wbio):
            if bio is not None:
                bio.release()
        self.rbio = self.wbio = None

    @staticmethod
    def read_bio(bio: BIO, size: int) -> tuple[int, bytes]:
        """Reads from a BIO. One that says it has read more than there is has come to its end, as
        BIO_set_mem_eof_return() can make it.
        """
        ret, data = bio.read(size)
        return min(ret, len(data)), data

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
            int(self.version),
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

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """The engine's observer: a handshake message has passed."""
        if not sent:
            if kind == HandshakeType.END_OF_EARLY_DATA:
                self.end_early_data()
            self.hooks.last_read = kind
            if kind == HandshakeType.CERTIFICATE:
                required = self.settings.verify_mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                self.hooks.asked_in_vain = self.server and not required
        if self.established:
            self._post_handshake_message(sent, kind, data)
            return
        if sent and kind == HandshakeType.NEW_SESSION_TICKET and self.progress.tls13:
            self._tickets.append(data)  # they belong to OpenSSL's handshake, after its last flight
            return
        self.progress.message(sent, kind, data)
        if kind == HandshakeType.SERVER_HELLO and self.progress.retrying:
            if sent:
                self.resumed, self._kept = False, None
        elif self.progress.answers_another:
            pass  # the session stands until a ServerHello is accepted
        elif not sent and kind in (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO):
            self._kept = None
            if self.progress.resumes and self.session_to_resume is not None:
                self.resumed, self._kept = True, self.session_to_resume.shown

    def end_early_data(self) -> None:
        """On a server: the client has sent all of its early data, and the handshake goes on."""
        if self._stopped:
            self._restart()
        self.early = Early.FINISHED_READING

    def _restart(self) -> None:
        """The handshake goes on where it has stopped for early data."""
        self._stopped, self.in_init = False, True
        ERR_clear_error()
        self.tell(SSL_CB_HANDSHAKE_START, 1)
        if self.progress.state is State.EARLY_DATA:
            self._loop()

    def resume_handshake(self, sending: int) -> None:
        """A call goes on with a handshake that has stopped for early data, and may end that.

        *sending* is -1 for SSL_do_handshake(), 0 for a call that reads, 1 for one that writes.
        """
        state = self.progress.state
        if state not in (State.EARLY_DATA, State.PENDING_EARLY_DATA_END) or self.failed:
            return
        goes_on = sending < 0
        if sending >= 0 and self.server:
            goes_on = self.early is Early.FINISHED_READING
        elif sending > 0:
            goes_on = self.early is not Early.WRITING
        elif not sending:
            goes_on = state is State.EARLY_DATA
        self.in_init = self.in_init or goes_on
        if goes_on and sending and self.early is Early.WRITE_RETRY:
            self.early = Early.FINISHED_WRITING

    def _post_handshake_message(self, sent: bool, kind: int, data: bytes) -> None:
        """OpenSSL takes it for a small handshake of its own."""
        if sent:
            if kind in _ANSWER:
                self.progress.message(True, kind, data)
            else:
                self.show(True, SSL3_RT_HANDSHAKE, data)
            return
        self._post_message = True
        ERR_clear_error()
        self.in_init = True
        self._loop()
        self.progress.message(False, kind, data)
        if kind == HandshakeType.KEY_UPDATE and data[4:] == b"\x01":
            self.key_update = SSL_KEY_UPDATE_NOT_REQUESTED
            self._answered = True
        if kind == HandshakeType.CERTIFICATE_REQUEST:
            return  # the answer belongs to it
        self.progress.finish()
        self.in_init = False
        self.tell(self._role | SSL_CB_EXIT, 1)

    # -- sessions ------------------------------------------------------------------------------

    def take_session(self, session: Session) -> None:
        """On a client: the server has given a session."""
        established = self.connection.established if self.connection is not None else None
        self.session = SSL_SESSION(session, established)
        self.session.verify_result = self.verify_result
        self.hooks.keep(self.session)

    @property
    def current_session(self) -> SSL_SESSION | None:
        """The session, be it of a handshake that goes on."""
        session = self.session
        going = session is not None and session.session is None and session.established is None
        if session is not None and going and not self.in_before:
            version = self.progress.version or self.version
            settled = self.progress.cipher_in_use and not self.progress.answers_another
            suite = self.progress.suite if settled else None
            session.so_far = version, suite, self.alpn
        return session

    def resume(self, session: SSL_SESSION | None) -> None:
        """On a client: the session to resume, or none. What is known of the peer is the session's
        until the server's hello says otherwise.
        """
        if not (self.shutdown or self.in_init or self.in_before):
            self.forget_session()
        if session is not None:
            session.references += 1
            self.verify_result = session.verify_result
        self.session_to_resume = self.session = session
        self._kept = session.shown if session is not None else None

    def resumes(self, session: SSL_SESSION) -> None:
        """On a server: the client's session is there, and goes on."""
        self.session, self.resumed = session, True
        self.verify_result = session.verify_result
        suite, peer, _ = session.shown
        self._kept = suite, peer, None

    def forget_session(self) -> None:
        """The session has failed: the application must not use it again."""
        if self.session is not None:
            self.ctx.remove(self.session)

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
        if self.resumed:
            return None  # a ticket keeps the client's own certificate alone
        if self.peer_certificate is not None:
            return list(chain[1:])
        return [] if self.hooks.asked_in_vain and not chain else None
