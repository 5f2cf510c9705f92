"""How far a handshake is, in OpenSSL's words: SSL_state_string(3), SSL_CTX_set_info_callback(3).

The engine's state is the place in its coroutine. OpenSSL's is the message that was sent or received
last, which the engine's observer is told of; what OpenSSL makes a state of and the engine does not
(change_cipher_spec, and the pause in which early data could come) is added here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from ..enums import ExtensionType, HandshakeType, ProtocolVersion
from ..wire import extensions as ext
from ..wire.messages import HELLO_RETRY_REQUEST_RANDOM, EncryptedExtensions, ServerHello
from .constants import SSL3_RT_CHANGE_CIPHER_SPEC, SSL3_RT_HANDSHAKE


class State(enum.IntEnum):
    """OSSL_HANDSHAKE_STATE: C is for client, S for server, R for read, W for written."""

    BEFORE = 0
    OK = 1
    CR_SRVR_HELLO = 3
    CR_CERT = 4
    CR_CERT_STATUS = 5
    CR_KEY_EXCH = 6
    CR_CERT_REQ = 7
    CR_SRVR_DONE = 8
    CR_SESSION_TICKET = 9
    CR_CHANGE = 10
    CR_FINISHED = 11
    CW_CLNT_HELLO = 12
    CW_CERT = 13
    CW_KEY_EXCH = 14
    CW_CERT_VRFY = 15
    CW_CHANGE = 16
    CW_FINISHED = 18
    SR_CLNT_HELLO = 20
    SW_SRVR_HELLO = 22
    SW_CERT = 23
    SW_KEY_EXCH = 24
    SW_CERT_REQ = 25
    SW_SRVR_DONE = 26
    SR_CERT = 27
    SR_KEY_EXCH = 28
    SR_CERT_VRFY = 29
    SR_CHANGE = 31
    SR_FINISHED = 32
    SW_SESSION_TICKET = 33
    SW_CERT_STATUS = 34
    SW_CHANGE = 35
    SW_FINISHED = 36
    SW_ENCRYPTED_EXTENSIONS = 37
    CR_ENCRYPTED_EXTENSIONS = 38
    CR_CERT_VRFY = 39
    SW_CERT_VRFY = 40
    SW_KEY_UPDATE = 42
    CW_KEY_UPDATE = 43
    SR_KEY_UPDATE = 44
    CR_KEY_UPDATE = 45
    EARLY_DATA = 46
    PENDING_EARLY_DATA_END = 47
    CW_END_OF_EARLY_DATA = 48
    SR_END_OF_EARLY_DATA = 49


class Early(enum.Enum):
    """How far early data is: SSL_write_early_data(3) on a client, SSL_read_early_data(3)."""

    NONE = enum.auto()
    CONNECT_RETRY = enum.auto()
    CONNECTING = enum.auto()
    WRITE_RETRY = enum.auto()
    WRITING = enum.auto()
    UNAUTH_WRITING = enum.auto()
    FINISHED_WRITING = enum.auto()
    ACCEPT_RETRY = enum.auto()
    ACCEPTING = enum.auto()
    READ_RETRY = enum.auto()
    READING = enum.auto()
    FINISHED_READING = enum.auto()


TEXTS: dict[State, tuple[str, str]] = {
    State.BEFORE: ("PINIT", "before SSL initialization"),
    State.OK: ("SSLOK", "SSL negotiation finished successfully"),
    State.CR_SRVR_HELLO: ("TRSH", "SSLv3/TLS read server hello"),
    State.CR_CERT: ("TRSC", "SSLv3/TLS read server certificate"),
    State.CR_CERT_STATUS: ("TRCS", "SSLv3/TLS read certificate status"),
    State.CR_KEY_EXCH: ("TRSKE", "SSLv3/TLS read server key exchange"),
    State.CR_CERT_REQ: ("TRCR", "SSLv3/TLS read server certificate request"),
    State.CR_SRVR_DONE: ("TRSD", "SSLv3/TLS read server done"),
    State.CR_SESSION_TICKET: ("TRST", "SSLv3/TLS read server session ticket"),
    State.CR_CHANGE: ("TRCCS", "SSLv3/TLS read change cipher spec"),
    State.CR_FINISHED: ("TRFIN", "SSLv3/TLS read finished"),
    State.CW_CLNT_HELLO: ("TWCH", "SSLv3/TLS write client hello"),
    State.CW_CERT: ("TWCC", "SSLv3/TLS write client certificate"),
    State.CW_KEY_EXCH: ("TWCKE", "SSLv3/TLS write client key exchange"),
    State.CW_CERT_VRFY: ("TWCV", "SSLv3/TLS write certificate verify"),
    State.CW_CHANGE: ("TWCCS", "SSLv3/TLS write change cipher spec"),
    State.CW_FINISHED: ("TWFIN", "SSLv3/TLS write finished"),
    State.SR_CLNT_HELLO: ("TRCH", "SSLv3/TLS read client hello"),
    State.SW_SRVR_HELLO: ("TWSH", "SSLv3/TLS write server hello"),
    State.SW_CERT: ("TWSC", "SSLv3/TLS write certificate"),
    State.SW_KEY_EXCH: ("TWSKE", "SSLv3/TLS write key exchange"),
    State.SW_CERT_REQ: ("TWCR", "SSLv3/TLS write certificate request"),
    State.SW_SRVR_DONE: ("TWSD", "SSLv3/TLS write server done"),
    State.SR_CERT: ("TRCC", "SSLv3/TLS read client certificate"),
    State.SR_KEY_EXCH: ("TRCKE", "SSLv3/TLS read client key exchange"),
    State.SR_CERT_VRFY: ("TRCV", "SSLv3/TLS read certificate verify"),
    State.SR_CHANGE: ("TRCCS", "SSLv3/TLS read change cipher spec"),
    State.SR_FINISHED: ("TRFIN", "SSLv3/TLS read finished"),
    State.SW_SESSION_TICKET: ("TWST", "SSLv3/TLS write session ticket"),
    State.SW_CERT_STATUS: ("TWCS", "SSLv3/TLS write certificate status"),
    State.SW_CHANGE: ("TWCCS", "SSLv3/TLS write change cipher spec"),
    State.SW_FINISHED: ("TWFIN", "SSLv3/TLS write finished"),
    State.SW_ENCRYPTED_EXTENSIONS: ("TWEE", "TLSv1.3 write encrypted extensions"),
    State.CR_ENCRYPTED_EXTENSIONS: ("TREE", "TLSv1.3 read encrypted extensions"),
    State.CR_CERT_VRFY: ("TRSCV", "TLSv1.3 read server certificate verify"),
    State.SW_CERT_VRFY: ("TWSCV", "TLSv1.3 write server certificate verify"),
    State.SW_KEY_UPDATE: ("TWSKU", "TLSv1.3 write server key update"),
    State.CW_KEY_UPDATE: ("TWCKU", "TLSv1.3 write client key update"),
    State.SR_KEY_UPDATE: ("TRCKU", "TLSv1.3 read client key update"),
    State.CR_KEY_UPDATE: ("TRSKU", "TLSv1.3 read server key update"),
    State.EARLY_DATA: ("TED", "TLSv1.3 early data"),
    State.PENDING_EARLY_DATA_END: ("TPEDE", "TLSv1.3 pending early data end"),
    State.CW_END_OF_EARLY_DATA: ("TWEOED", "TLSv1.3 write end of early data"),
    State.SR_END_OF_EARLY_DATA: ("TWEOED", "TLSv1.3 read end of early data"),
}
"""The short and the long name of each state."""

ERROR_TEXTS = ("SSLERR", "error")

_T = HandshakeType
_CLIENT_WRITES: dict[int, State] = {
    _T.CLIENT_HELLO: State.CW_CLNT_HELLO,
    _T.CERTIFICATE: State.CW_CERT,
    _T.COMPRESSED_CERTIFICATE: State.CW_CERT,
    _T.CLIENT_KEY_EXCHANGE: State.CW_KEY_EXCH,
    _T.CERTIFICATE_VERIFY: State.CW_CERT_VRFY,
    _T.END_OF_EARLY_DATA: State.CW_END_OF_EARLY_DATA,
    _T.FINISHED: State.CW_FINISHED,
    _T.KEY_UPDATE: State.CW_KEY_UPDATE,
}
_CLIENT_READS: dict[int, State] = {
    _T.SERVER_HELLO: State.CR_SRVR_HELLO,
    _T.ENCRYPTED_EXTENSIONS: State.CR_ENCRYPTED_EXTENSIONS,
    _T.CERTIFICATE_REQUEST: State.CR_CERT_REQ,
    _T.CERTIFICATE: State.CR_CERT,
    _T.COMPRESSED_CERTIFICATE: State.CR_CERT,
    _T.CERTIFICATE_STATUS: State.CR_CERT_STATUS,
    _T.SERVER_KEY_EXCHANGE: State.CR_KEY_EXCH,
    _T.SERVER_HELLO_DONE: State.CR_SRVR_DONE,
    _T.CERTIFICATE_VERIFY: State.CR_CERT_VRFY,
    _T.NEW_SESSION_TICKET: State.CR_SESSION_TICKET,
    _T.FINISHED: State.CR_FINISHED,
    _T.KEY_UPDATE: State.CR_KEY_UPDATE,
}
_SERVER_WRITES: dict[int, State] = {
    _T.SERVER_HELLO: State.SW_SRVR_HELLO,
    _T.ENCRYPTED_EXTENSIONS: State.SW_ENCRYPTED_EXTENSIONS,
    _T.CERTIFICATE_REQUEST: State.SW_CERT_REQ,
    _T.CERTIFICATE: State.SW_CERT,
    _T.COMPRESSED_CERTIFICATE: State.SW_CERT,
    _T.CERTIFICATE_STATUS: State.SW_CERT_STATUS,
    _T.SERVER_KEY_EXCHANGE: State.SW_KEY_EXCH,
    _T.SERVER_HELLO_DONE: State.SW_SRVR_DONE,
    _T.CERTIFICATE_VERIFY: State.SW_CERT_VRFY,
    _T.NEW_SESSION_TICKET: State.SW_SESSION_TICKET,
    _T.FINISHED: State.SW_FINISHED,
    _T.KEY_UPDATE: State.SW_KEY_UPDATE,
}
_SERVER_READS: dict[int, State] = {
    _T.CLIENT_HELLO: State.SR_CLNT_HELLO,
    _T.CERTIFICATE: State.SR_CERT,
    _T.COMPRESSED_CERTIFICATE: State.SR_CERT,
    _T.CLIENT_KEY_EXCHANGE: State.SR_KEY_EXCH,
    _T.CERTIFICATE_VERIFY: State.SR_CERT_VRFY,
    _T.END_OF_EARLY_DATA: State.SR_END_OF_EARLY_DATA,
    _T.FINISHED: State.SR_FINISHED,
    _T.KEY_UPDATE: State.SR_KEY_UPDATE,
}


class Progress:
    """The state of one handshake, and the callbacks that are told of its changes.

    *loop* is called where OpenSSL calls the info callback with SSL_CB_LOOP: before each change.
    *show* is called where OpenSSL calls the message callback: with whether it was sent, the content
    type, and the message. A change_cipher_spec that was received is not shown.
    """

    def __init__(
        self, server: bool, loop: Callable[[], None], show: Callable[[bool, int, bytes], None]
    ) -> None:
        self.state = State.BEFORE
        self.server = server
        self.version: int | None = None
        """As far as the ServerHello has told."""
        self.suite: int | None = None
        self.resumes = False
        """On a client: whether the ServerHello goes on with the session that was offered."""
        self.answers_another = False
        """On a client: whether the ServerHello is for another ClientHello than the last."""
        self.alpn = b""
        self.takes_early_data = False
        """Whether the server has accepted early data."""
        self.retrying = False
        """Whether a HelloRetryRequest was the last ServerHello."""
        self.finished = self.peer_finished = b""
        """What the Finished messages said."""
        self.flight: State | None = None
        """Of the flight that is being written, the first state."""
        self.held: State | None = None
        """Where OpenSSL stays while there is no BIO to write to: it writes message by message."""
        self._loop = loop
        self._show = show
        self._writing = True
        self._ccs_done = False
        self._session_id = b""
        self.client_random = self.server_random = bytes(32)

    @property
    def shown(self) -> State:
        """The state, for the application."""
        return self.state if self.held is None else self.held

    def begin_flight(self, state: State) -> None:
        """The first message of a flight is due, and cannot be written yet."""
        self._loop()
        self.held = self.flight = state

    @property
    def tls13(self) -> bool:
        """Whether TLS 1.3 was chosen."""
        return self.version == ProtocolVersion.TLSv1_3

    @property
    def cipher_in_use(self) -> bool:
        """Whether the cipher suite is in use: in TLS 1.2 not before one's own change of it."""
        if self.suite is None or self.retrying or self.held is State.SW_SRVR_HELLO:
            return False
        return self.tls13 or (self._ccs_done and (self.server or self.held is None))

    @property
    def writes_protected(self) -> bool:
        """In TLS 1.2: whether one's own change of the cipher suite has been."""
        return self._ccs_done

    @property
    def own_finished(self) -> bytes:
        """What the Finished message said that has left."""
        return self.finished if self.held is None else b""

    def message(self, sent: bool, kind: int, data: bytes) -> None:
        """A handshake message was sent or received."""
        if sent:
            self._wrote(kind, data)
        else:
            self._read(kind, data)
        self._show(sent, SSL3_RT_HANDSHAKE, data)
        if kind == HandshakeType.CLIENT_HELLO:
            self.client_random = data[6:38]
            self._session_id = data[39 : 39 + data[38]]
        elif kind == HandshakeType.SERVER_HELLO:
            self.server_random = data[6:38]
            self._server_hello(data)
        elif kind == HandshakeType.ENCRYPTED_EXTENSIONS:
            extensions = EncryptedExtensions.parse(data[4:]).extensions
            self.takes_early_data = ExtensionType.EARLY_DATA in extensions
            self.alpn = extensions.get(ext.ALPN_SELECTED) or b""
        elif kind == HandshakeType.FINISHED:
            if sent:
                self.finished = data[4:]
            else:
                self.peer_finished = data[4:]

    def _server_hello(self, data: bytes) -> None:
        hello = ServerHello.parse(data[4:])
        self.version = hello.version
        self.suite = hello.cipher_suite
        echoed = hello.session_id == self._session_id
        if self.tls13:
            self.answers_another = not echoed
            self.resumes = echoed and ext.PRE_SHARED_KEY_SELECTED.type in hello.extensions
        else:  # RFC 5077, section 3.4
            self.resumes = echoed and self._session_id != b""
            self.alpn = hello.extensions.get(ext.ALPN_SELECTED) or b""
        self.retrying = hello.random == HELLO_RETRY_REQUEST_RANDOM
        if self.server and self.tls13 and not self._ccs_done:
            self._change(State.SW_CHANGE)

    def _wrote(self, kind: int, data: bytes) -> None:
        self._writing = True
        self.held = None
        if not self.server and self.version is not None and not self._ccs_done:
            # TLS 1.3: before the second flight. TLS 1.2: before the Finished.
            if self.tls13 or kind == HandshakeType.FINISHED:
                self._change(State.CW_CHANGE)
        elif self.server and kind == HandshakeType.FINISHED and not self.tls13:
            self._change(State.SW_CHANGE)
        states = _SERVER_WRITES if self.server else _CLIENT_WRITES
        self.move(states.get(kind, self.state))

    def _change(self, state: State) -> None:
        self._ccs_done = True
        self.move(state)
        self._show(True, SSL3_RT_CHANGE_CIPHER_SPEC, b"\x01")

    def _read(self, kind: int, data: bytes) -> None:
        self.reading()
        states = _SERVER_READS if self.server else _CLIENT_READS
        if kind == HandshakeType.FINISHED:
            self.expect_finished()
        self.move(states.get(kind, self.state))

    @property
    def flight_is_over(self) -> bool:
        """On a TLS 1.3 server: whether it has written all that comes before the client's answer."""
        done = self.state is State.SW_FINISHED or self.retrying
        return self.server and self.tls13 and self._writing and done

    def begin_early_data(self) -> None:
        """The handshake stops, and early data may flow."""
        if not self.server:
            self._change(State.CW_CHANGE)
        self.move(State.EARLY_DATA)
        self._writing = False
        self.flight = None

    def expect_finished(self) -> None:
        """Nothing but the Finished is waited for: in TLS 1.2 change_cipher_spec has come."""
        change = State.SR_CHANGE if self.server else State.CR_CHANGE
        if not self.tls13 and self.state is not change:
            self.move(change)

    def reading(self) -> None:
        """The flight has left, and what comes next is to be read."""
        if not self._writing:
            return
        self._writing = False
        self.flight = None
        if self.server and self.tls13 and (self.state is State.SW_FINISHED or self.retrying):
            self.move(State.EARLY_DATA)
        self._loop()

    def finish(self) -> None:
        """The handshake is over."""
        self.move(State.OK)
        self._writing = False

    def move(self, state: State) -> None:
        """The next state."""
        if self._writing and self.flight is None:
            self.flight = state
        self._loop()
        self.state = state
