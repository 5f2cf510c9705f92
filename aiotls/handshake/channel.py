"""All that a handshake can do: receive, send, flush, change keys, look at the transcript.

A handshake is a coroutine over a Channel. Where bytes are missing or have to leave, the
channel awaits :func:`wait`, the one primitive that the faces of this package interpret,
each in its own way; it knows no event loop and no socket. Anything else that is awaited
inside a handshake is awaited by an application's hook, and passes through untouched.

Three rules are kept here so that no flight can forget them:

- a message is only taken when the handshake asked for its type (:meth:`Channel.recv`);
- nothing may be left over of what was protected under the old keys when the keys change
  (:meth:`Channel.install_read`; RFC 8446, section 5.1);
- handshake messages are not interleaved with other records (the same section).
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, TypeVar, overload

from ..config import ClientConfig
from ..crypto.aead import (
    MAX_PLAINTEXT,
    Opener12,
    Opener13,
    PlainOpener,
    PlainSealer,
    Sealer12,
    Sealer13,
)
from ..enums import Alert, AlertLevel, ContentType, HandshakeType, ProtocolVersion, Want
from ..errors import AlertReceived, DecodeError, ProtocolError, Truncated
from ..record import HANDSHAKE, RecordReader, RecordWriter
from ..sessions import Kin
from ..wire.messages import Message
from .transcript import Transcript

if TYPE_CHECKING:
    from ..config import Config, ServerConfig
    from ..crypto.suites import Suite

M = TypeVar("M", bound=Message)
N = TypeVar("N", bound=Message)
P = TypeVar("P", bound=Message)
T = TypeVar("T")

MAX_IGNORED_RECORDS = 32
"""change_cipher_spec and empty records that are dropped before they count as an attack."""

MAX_WARNINGS = 4
"""Warning alerts in a row that are dropped before they count as an attack."""


@types.coroutine
def wait(want: Want) -> Generator[Want, None, None]:
    """Suspends the handshake until its face has done what *want* says."""
    yield want


async def resolve(value: Awaitable[T] | T) -> T:
    """What a hook returned, awaited if it is awaitable: hooks are plain functions or coroutines."""
    if hasattr(value, "__await__"):
        return await value
    return value


class Channel:
    """One side's view of a handshake in progress."""

    def __init__(self, config: Config, reader: RecordReader, writer: RecordWriter) -> None:
        self.config = config
        self.reader = reader
        self.writer = writer
        self.transcript = Transcript()
        self.client_random = b""
        self._suite: Suite | None = None
        self.expecting: tuple[type[Message], ...] = ()
        """What the handshake waits for; the state, as far as anyone outside can see one."""
        self.input_ended = False
        self.taken = False
        """On a server: whether it has taken the client, and not left it to another protocol."""
        self.early_data: Callable[[bytes], None] | None = None
        """Takes records of 0-RTT data, as long as they may come."""
        self.skip_early_data = 0
        """How many bytes of a refused 0-RTT flight may still be dropped (RFC 8446, 4.2.10)."""
        self.accept_ccs = False
        """Whether a change_cipher_spec may come now (RFC 8446, section 5)."""
        self.early_output = b""
        """What a client's application wants to send ahead of the handshake."""
        self.end_early_data: Callable[[], Awaitable[None]] | None = None
        """On a client that writes early data bit by bit: awaited before it ends."""
        self.early_room = 0
        """How many bytes of early data a client may still write."""
        self.may_write = False
        """Whether a server's application may write ahead of the client's Finished (4.4.4)."""
        self.write_ended = False
        """Whether that application has sent its close_notify, after which nothing may follow."""
        self.alpn: bytes | None = None
        self.server_name: str | None = None
        """What such an application may want to know of the client."""
        self.early_sink: Callable[[bytes], None] = _drop
        """Takes early data that a server has accepted."""
        self.kin = Kin()
        """The sessions that come of this connection."""
        self._messages = bytearray()
        self._flight = bytearray()
        self._receive_limit = MAX_PLAINTEXT
        self._send_limit = writer.max_plaintext = config.max_fragment
        self._ccs_sent = False
        self._ccs_due = False
        self._heard = False
        """Whether a handshake message of the peer's was taken."""
        self._ccs_before_hello = False
        self._ignored = 0
        self._warnings = 0

    def take_client(self, config: ServerConfig) -> None:
        """On a server: it serves this client, with the configuration chosen for it."""
        self.config, self.taken = config, True
        self._send_limit = self.writer.max_plaintext = config.max_fragment

    # -- receiving -----------------------------------------------------------------------------

    @overload
    async def recv(self, first: type[M], /) -> M: ...
    @overload
    async def recv(self, first: type[M], second: type[N], /) -> M | N: ...
    @overload
    async def recv(self, first: type[M], second: type[N], third: type[P], /) -> M | N | P: ...
    async def recv(self, *expected: type[Message]) -> Message:
        """The next handshake message, which has to be one of the *expected* types.

        It is added to the transcript. Raises ProtocolError (unexpected_message) for another
        message, AlertReceived for an alert, Truncated at the end of the stream.
        """
        self.expecting = expected
        while (message := self._next_message()) is None:
            record = self.reader.next() if not self.skip_early_data else self._next_record()
            if record is None:
                self._check_input()
                await wait(Want.READ)
            else:
                self._take_record(*record)
        kind, raw = message
        try:
            parsed = kind.parse(raw[4:])
        except DecodeError as error:
            name = HandshakeType.label(raw[0]).lower()
            raise DecodeError(
                f"the peer's {name} cannot be read: {error.message}", reason=error.reason
            ) from None
        self._heard = True
        self.transcript.add(raw)
        if self.config.observer is not None:
            self.config.observer.message(False, raw[0], raw, self.protected_read)
        return parsed

    def _not_expected(self, kind: int) -> ProtocolError:
        return ProtocolError(
            Alert.UNEXPECTED_MESSAGE,
            f"the peer sent {HandshakeType.label(kind).lower()} where "
            f"{self.expected_names()} was expected",
        )

    def _next_record(self) -> tuple[int, bytes] | None:
        """The next record, without those of a refused 0-RTT flight (RFC 8446, section 4.2.10).

        They are under keys that this side never had. The first record that does decrypt ends
        the tolerance.
        """
        while True:
            buffered = self.reader.buffered
            try:
                record = self.reader.next()
            except ProtocolError as error:
                self.skip_early_data -= buffered - self.reader.buffered
                if error.alert != Alert.BAD_RECORD_MAC or self.skip_early_data < 0:
                    raise
                continue
            if record is None or not self.skip_early_data:
                return record
            if record[0] == ContentType.APPLICATION_DATA and not self.protected_read:
                self.skip_early_data -= buffered - self.reader.buffered  # before a second hello
                if self.skip_early_data < 0:
                    raise ProtocolError(
                        Alert.UNEXPECTED_MESSAGE,
                        "the client sent early data without end",
                        reason="TOO_MUCH_SKIPPED_EARLY_DATA",
                    )
                continue
            if self.protected_read and record[0] == ContentType.HANDSHAKE:
                self.skip_early_data = 0
            return record

    def expected_names(self) -> str:
        """The names of the messages that are expected, for people."""
        names = " or ".join(message.type.name.lower() for message in self.expecting)
        return names or "change_cipher_spec"

    @property
    def protected_read(self) -> bool:
        """Whether what arrives now is encrypted."""
        return not isinstance(self.reader.opener, PlainOpener)

    def _next_message(self) -> tuple[type[Message], bytes] | None:
        """Which of those that are expected the next handshake message is, and the message with its
        header; or None if it is not complete.
        """
        messages = self._messages
        if len(messages) < 4:
            return None
        code = messages[0]
        for kind in self.expecting:
            if kind.type == code:
                return self._whole(kind)
        # Its end is not waited for. A HelloRequest too: RFC 5246, section 7.4.1.1 would have it
        # ignored, but no server has a reason for one now, and it would stand in no transcript.
        raise self._not_expected(code)

    def _whole(self, kind: type[Message]) -> tuple[type[Message], bytes] | None:
        """The message that has begun, if all of it has come."""
        messages = self._messages
        end = 4 + (messages[1] << 16 | messages[2] << 8 | messages[3])
        if end - 4 > self.config.max_handshake_message:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                f"the peer announced a handshake message of {end - 4} bytes; the limit is "
                f"{self.config.max_handshake_message}",
                reason="EXCESSIVE_MESSAGE_SIZE",
            )
        if len(messages) < end:
            return None
        raw = bytes(messages[:end])
        del messages[:end]
        return kind, raw

    def _take_record(self, kind: int, content: bytes) -> None:
        """One record that was pulled while a handshake message is awaited."""
        if kind == HANDSHAKE:
            if not content:  # RFC 8446, section 5.1: no zero-length fragments of handshake types
                raise ProtocolError(
                    Alert.UNEXPECTED_MESSAGE, "the peer sent an empty handshake record"
                )
            self._messages += content
            return
        if self._messages and kind != ContentType.ALERT:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent another record in the middle of a handshake message",
                reason="UNEXPECTED_RECORD",
            )
        if kind == ContentType.ALERT:
            self._take_alert(content)
        elif kind == ContentType.CHANGE_CIPHER_SPEC:
            self._take_ccs(content)
        elif kind != ContentType.APPLICATION_DATA:  # inside a protected record anything can stand
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the peer sent a record of the unknown type {kind}",
                reason="UNEXPECTED_RECORD",
            )
        elif self.early_data is not None:
            if not content:
                self._ignore("empty records")
            self.early_data(content)
        else:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the peer sent application data while {self.expected_names()} was expected",
                reason="APP_DATA_IN_HANDSHAKE" if self._heard else "UNEXPECTED_MESSAGE",
            )

    def _take_alert(self, content: bytes) -> None:
        if self._messages:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent an alert in the middle of a handshake message",
                reason="UNEXPECTED_RECORD",
            )
        warning, alert = read_alert(content)
        version = self._suite.version if self._suite is not None else ProtocolVersion.TLSv1_2
        if alert != Alert.CLOSE_NOTIFY and is_ignorable(warning, alert, version):
            self._check_warning(alert, version)
            self._warnings += 1
            if self._warnings > MAX_WARNINGS:
                raise ProtocolError(
                    Alert.UNEXPECTED_MESSAGE,
                    "the peer sent warning alerts without end",
                    reason="TOO_MANY_WARNING_ALERTS",
                )
            return
        if alert == Alert.CLOSE_NOTIFY:
            raise Truncated(
                "the peer closed the connection (close_notify) during the handshake, while "
                f"{self.expected_names()} was expected",
                reason="UNEXPECTED_EOF_WHILE_READING",
                close_notify=True,
            )
        raise AlertReceived(alert)

    def _check_warning(self, alert: int, version: int) -> None:
        """A warning that the handshake goes on after, or would wait for nothing after."""
        if not self._heard and not isinstance(self.config, ClientConfig):
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE, "the client sent a warning alert before its client_hello"
            )
        if alert == Alert.NO_RENEGOTIATION and version < ProtocolVersion.TLSv1_3:
            # RFC 5246, section 7.2.2: an answer to what this side has not asked for.
            raise ProtocolError(
                Alert.HANDSHAKE_FAILURE,
                "the peer refused a renegotiation in the middle of the handshake",
                reason="NO_RENEGOTIATION",
            )

    def _take_ccs(self, content: bytes) -> None:
        """RFC 8446, section 5: one byte, 0x01, dropped without a further look."""
        if content != b"\x01":
            tls13 = self._suite is not None and self._suite.version >= ProtocolVersion.TLSv1_3
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent a change_cipher_spec that is not the byte 1",
                reason="INVALID_CCS_MESSAGE" if tls13 else "BAD_CHANGE_CIPHER_SPEC",
            )
        if not self.accept_ccs:
            raise _misplaced_ccs()
        self._ccs_before_hello |= not self._heard
        self._ignore("change_cipher_spec records", "UNEXPECTED_CCS_MESSAGE")

    def refuse_ccs(self) -> None:
        """TLS 1.2: from here on none is ignored, nor could one be ahead of the ServerHello.

        There it is a step of the handshake, in one place (RFC 5246, section 7.1).
        """
        self.accept_ccs = False
        if self._ccs_before_hello:
            raise _misplaced_ccs()

    def _ignore(self, what: str, reason: str = "TOO_MANY_EMPTY_FRAGMENTS") -> None:
        self._ignored += 1
        if self._ignored > MAX_IGNORED_RECORDS:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE, f"the peer sent {what} without end", reason=reason
            )

    async def recv_ccs(self, keys: tuple[bytes, bytes]) -> None:
        """TLS 1.2: the peer's change_cipher_spec, after which *keys* hold (RFC 5246, 7.1)."""
        self.expecting = ()
        while (record := self.reader.next()) is None:
            self._check_input()
            await wait(Want.READ)
        kind, content = record
        self.check_aligned()
        if kind == ContentType.ALERT:
            self._take_alert(content)
            return await self.recv_ccs(keys)
        if kind != ContentType.CHANGE_CIPHER_SPEC:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the peer sent a {ContentType.label(kind).lower()} record where "
                "change_cipher_spec was expected",
                reason="UNEXPECTED_MESSAGE"
                if kind == ContentType.HANDSHAKE
                else "UNEXPECTED_RECORD",
            )
        if content != b"\x01":
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER,
                "the peer sent a change_cipher_spec that is not the byte 1",
                reason="BAD_CHANGE_CIPHER_SPEC",
            )
        opener = self.reader.opener = Opener12(self.suite, *keys)
        opener.max_plaintext = self._receive_limit

    def _check_input(self) -> None:
        """There is something to wait for, as long as the stream has not ended."""
        if self.input_ended:
            raise Truncated(
                "the peer closed the connection during the handshake, while "
                f"{self.expected_names()} was expected",
                reason="UNEXPECTED_EOF_WHILE_READING",
            )

    # -- sending -------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Appends a message to the flight and to the transcript."""
        raw = message.encode()
        self.transcript.add(raw)
        self._flight += raw
        if self.config.observer is not None:
            protected = not isinstance(self.writer.sealer, PlainSealer)
            self.config.observer.message(True, raw[0], raw, protected)

    def send_ccs(self) -> None:
        """RFC 8446, appendix D.4: what a middlebox wants to see."""
        if self.config.middlebox_compatibility and not self._ccs_sent:
            self._ccs_sent = True
            self._write_flight()
            self.writer.write_plain(ContentType.CHANGE_CIPHER_SPEC, b"\x01")

    def owe_ccs(self) -> None:
        """The same, before the next flight, or before the alert that takes its place."""
        self._ccs_due = self.config.middlebox_compatibility and not self._ccs_sent

    def settle(self) -> None:
        """Writes what has to stand before whatever is sent next."""
        if self._ccs_due:
            self._ccs_due, self._ccs_sent = False, True
            self.writer.write_plain(ContentType.CHANGE_CIPHER_SPEC, b"\x01")

    def _write_flight(self) -> None:
        if self._flight:
            self.settle()
            self.writer.write(HANDSHAKE, bytes(self._flight))
            self._flight.clear()

    async def flush(self) -> None:
        """Lets the flight leave, and returns when the transport has taken it."""
        self._write_flight()
        while self.writer.pending:
            await wait(Want.WRITE)

    # -- keys ----------------------------------------------------------------------------------

    def check_aligned(self) -> None:
        """RFC 8446, section 5.1: no handshake message may span a change of keys."""
        if self._messages:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent handshake data across a change of keys",
                reason="EXCESS_HANDSHAKE_DATA",
            )

    def limit_records(self, send: int, receive: int) -> None:
        """RFC 8449: protected records carry at most this many bytes from now on."""
        self._send_limit = min(send, self.config.max_fragment)
        self._receive_limit = min(receive, MAX_PLAINTEXT)
        opener, sealer = self.reader.opener, self.writer.sealer
        if isinstance(opener, Opener13):
            opener.max_plaintext = self._receive_limit
        if isinstance(sealer, Sealer13):
            sealer.max_plaintext = self.writer.max_plaintext = self._send_limit

    def install_read(self, secret: bytes, *, plain_alerts: bool = False) -> None:
        """What arrives from now on is protected by keys from *secret* (RFC 8446, section 7.3).

        With *plain_alerts* an alert may still come in the clear, from a peer that failed before
        it had these keys.
        """
        self.check_aligned()
        opener = self.reader.opener = Opener13(self.suite, secret)
        opener.max_plaintext = self._receive_limit
        opener.plain_alerts = plain_alerts

    def install_write(self, secret: bytes) -> None:
        """What is sent from now on is protected by keys from *secret*."""
        self._write_flight()
        sealer = Sealer13(self.suite, secret, self.config.record_padding)
        sealer.max_plaintext = self._send_limit
        self.writer.sealer = sealer
        self.writer.max_plaintext = self._send_limit

    def install_write12(self, keys: tuple[bytes, bytes]) -> None:
        """TLS 1.2: change_cipher_spec, and *keys* for what follows it (RFC 5246, section 7.1)."""
        self._write_flight()
        self.writer.write(ContentType.CHANGE_CIPHER_SPEC, b"\x01")
        self.writer.sealer = Sealer12(self.suite, *keys)
        self.writer.max_plaintext = self._send_limit

    def log_secret(self, label: str, secret: bytes) -> None:
        """One line for the key log, if one is kept."""
        if self.config.key_log is not None:
            self.config.key_log(f"{label} {self.client_random.hex()} {secret.hex()}")

    @property
    def suite(self) -> Suite:
        """The cipher suite, once it is agreed on."""
        if self._suite is None:
            raise RuntimeError("no cipher suite has been chosen")
        return self._suite

    def choose_suite(self, suite: Suite) -> None:
        """The suite is agreed on: the transcript's hash is known."""
        self._suite = suite
        self.transcript.start(suite.hash_name, keep=suite.version < ProtocolVersion.TLSv1_3)


def _drop(_: bytes) -> None:
    """Nobody has asked for early data."""


def read_alert(content: bytes) -> tuple[bool, int]:
    """Whether an alert record says that it is only a warning, and its description."""
    if len(content) != 2:
        raise ProtocolError(
            Alert.DECODE_ERROR if content else Alert.UNEXPECTED_MESSAGE,
            f"the peer sent an alert record of {len(content)} bytes",
            reason="BAD_ALERT",
        )
    level, description = content
    if level not in (AlertLevel.WARNING, AlertLevel.FATAL):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer sent an alert of the unknown level {level}",
            reason="UNKNOWN_ALERT_TYPE",
        )
    return level == AlertLevel.WARNING, description


def _misplaced_ccs() -> ProtocolError:
    return ProtocolError(
        Alert.UNEXPECTED_MESSAGE, "the peer sent a change_cipher_spec that has no place here"
    )


def is_ignorable(warning: bool, alert: int, version: int) -> bool:
    """Whether a connection goes on after this alert.

    RFC 8446, section 6: in TLS 1.3 the level means nothing, and only user_canceled does not end
    the connection; RFC 5246, section 7.2.2: before, every warning may be ignored, and what is
    fatal ends it.
    """
    return warning if version < ProtocolVersion.TLSv1_3 else alert == Alert.USER_CANCELED
