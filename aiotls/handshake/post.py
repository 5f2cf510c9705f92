"""After the handshake: what may still come between application data (RFC 8446, section 4.6).

KeyUpdate, tickets, requests for a certificate and their answers, in TLS 1.2 the wish for another
handshake, which is refused; and alerts. Off the path that application data takes: a connection
has none of this until the peer sends the first of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config import ClientConfig
from ..enums import (
    Alert,
    AlertLevel,
    ContentType,
    HandshakeType,
    KeyUpdateRequest,
    ProtocolVersion,
)
from ..errors import AlertReceived, ProtocolError
from ..wire.extensions import Context
from ..wire.messages import CertificateRequest, KeyUpdate, NewSessionTicket
from .channel import MAX_WARNINGS, is_ignorable, read_alert
from .key_update import send_messages, update_receiving_key, update_sending_key
from .post_auth import Answer, LateAuthentication
from .psk import keep_ticket
from .tickets import receive_ticket

if TYPE_CHECKING:
    from ..config import Config
    from ..record import RecordReader, RecordWriter
    from ..sessions import Kin
    from .established import Established

    Work = Coroutine[Any, Any, Established]

MAX_KEY_UPDATES = 32
"""KeyUpdate messages in a row, without data between them, before they count as an attack."""

MAX_TICKETS = 256
"""Tickets that a client takes on one connection; what comes after them is dropped. Each costs a
derivation of keys, and a call to the cache, which may be a task that is not soon done."""


class PostHandshake:
    """Takes what the peer sends between application data, and answers it.

    :meth:`take` hands over what may await a hook: work, which gives what is established from
    then on, and ends the connection where it fails; and chores, which do neither.
    """

    __slots__ = (
        "_authentication",
        "_messages",
        "_tickets",
        "_update_asked_for",
        "_updates",
        "_warnings",
        "config",
        "established",
        "kin",
        "peer_closed",
        "pending",
        "reader",
        "response_due",
        "server_hostname",
        "write_ended",
        "writer",
    )

    def __init__(
        self,
        config: Config,
        established: Established,
        reader: RecordReader,
        writer: RecordWriter,
        server_hostname: str | None,
        kin: Kin,
    ) -> None:
        self.config = config
        self.established = established
        self.reader = reader
        self.writer = writer
        self.server_hostname = server_hostname
        self.kin = kin
        self.peer_closed = False
        """Whether the peer's close_notify has come."""
        self.write_ended = False
        """Whether this side says no more: its close_notify has gone, or the connection failed."""
        self.response_due = False
        """Whether the peer has asked for a KeyUpdate that was not sent yet. One answers any
        number of requests, so that a flood of them costs no memory."""
        self.pending = False
        """Whether anything here concerns the application data that comes or goes next."""
        self._authentication: LateAuthentication | None = None
        self._messages = bytearray()
        self._update_asked_for = False
        self._updates = 0
        self._warnings = 0
        self._tickets = 0

    def reconfigure(self, config: Config) -> None:
        """Another configuration counts from here on."""
        self.config = config
        if self._authentication is not None:
            self._authentication.config = config

    def take(self, kind: int, content: bytes, chores: list[Awaitable[object]]) -> Iterator[Work]:
        """One record that is not application data. Yields work, and adds to *chores*.

        Raises ProtocolError for what must not come now, AlertReceived for a fatal alert.
        """
        if kind == ContentType.HANDSHAKE:
            for message, body in self._whole_messages(content):
                work = self._take_message(message, body, chores)
                if work is not None:
                    yield work
        elif self._messages:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent another record in the middle of a handshake message",
                reason="UNEXPECTED_RECORD",
            )
        elif kind == ContentType.ALERT:
            self._take_alert(*read_alert(content))
        else:  # 5: a change_cipher_spec after the handshake
            tls13 = self.established.version is ProtocolVersion.TLSv1_3
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                f"the peer sent a {ContentType.label(kind).lower()} record after the handshake",
                reason="BAD_RECORD_TYPE" if tls13 else "UNEXPECTED_RECORD",
            )
        self._settle()

    def data_arrived(self) -> None:
        """Application data between messages: nothing may be half received (section 5.1)."""
        if self._messages:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent application data in the middle of a handshake message",
                reason="UNEXPECTED_RECORD",
            )
        self._updates = 0
        self._settle()

    def _settle(self) -> None:
        self.pending = bool(self._messages or self._updates or self.response_due)

    @property
    def interrupted(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._messages)

    # -- messages ------------------------------------------------------------------------------

    def _whole_messages(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """The messages that *content* completes; what is left over waits for the next record."""
        if not content:
            raise ProtocolError(Alert.UNEXPECTED_MESSAGE, "the peer sent an empty handshake record")
        messages, limit = self._messages, self.config.max_handshake_message
        messages += content
        while len(messages) >= 4:
            length = int.from_bytes(messages[1:4], "big")
            if length > limit:
                raise ProtocolError(
                    Alert.ILLEGAL_PARAMETER,
                    f"the peer announced a handshake message of {length} bytes; the limit is "
                    f"{limit}",
                    reason="EXCESSIVE_MESSAGE_SIZE",
                )
            if len(messages) < 4 + length:
                break
            message = bytes(messages[: 4 + length])
            del messages[: 4 + length]
            if self.config.observer is not None:
                self.config.observer.message(False, message[0], message, True)
            yield message[0], message[4:]

    def _take_message(self, kind: int, body: bytes, chores: list[Awaitable[object]]) -> Work | None:
        client = isinstance(self.config, ClientConfig)
        if self.established.version is not ProtocolVersion.TLSv1_3:
            if kind == (HandshakeType.HELLO_REQUEST if client else HandshakeType.CLIENT_HELLO):
                self._refuse_renegotiation()
                return None
        elif kind == HandshakeType.KEY_UPDATE:
            self._take_key_update(KeyUpdate.parse(body))
            return None
        elif kind == HandshakeType.NEW_SESSION_TICKET and client:
            self._take_ticket(NewSessionTicket.parse(body), chores)
            return None
        elif kind == HandshakeType.CERTIFICATE_REQUEST and client:
            self.authentication.admit()
            return self._answer(CertificateRequest.parse(body))
        elif self.awaits_certificate:
            answer = self.authentication.collect(kind, body)
            return self._learn(answer) if answer is not None else None
        raise ProtocolError(
            Alert.UNEXPECTED_MESSAGE,
            f"the peer sent {HandshakeType.label(kind).lower()} after the handshake",
        )

    def _refuse_renegotiation(self) -> None:
        """RFC 5246, section 7.2.2: no is a warning; the peer decides whether it goes on."""
        self._count_warning()
        if not self.write_ended:
            refusal = bytes([AlertLevel.WARNING, Alert.NO_RENEGOTIATION])
            self.writer.write(ContentType.ALERT, refusal)

    # -- alerts: RFC 8446, section 6 -----------------------------------------------------------

    def _take_alert(self, warning: bool, alert: int) -> None:
        if alert == Alert.CLOSE_NOTIFY:
            self.peer_closed = True
        elif is_ignorable(warning, alert, self.established.version):
            self._count_warning()
        else:
            raise AlertReceived(alert)

    def _count_warning(self) -> None:
        self._warnings += 1
        if self._warnings > MAX_WARNINGS:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent warning alerts without end",
                reason="TOO_MANY_WARNING_ALERTS",
            )

    # -- keys: section 4.6.3 -------------------------------------------------------------------

    def _take_key_update(self, message: KeyUpdate) -> None:
        if self._messages:  # 5.1: no message may span a change of keys
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent handshake data across a change of keys",
                reason="EXCESS_HANDSHAKE_DATA",
            )
        self._updates += 1
        if self._updates > MAX_KEY_UPDATES:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent KeyUpdate messages without end",
                reason="TOO_MANY_KEY_UPDATES",
            )
        update_receiving_key(self.reader)
        self._update_asked_for = False
        if message.request == KeyUpdateRequest.UPDATE_REQUESTED:
            self.response_due = True

    def update_sending_key(self, *, request: bool = False) -> None:
        """Moves on to the next sending key, which answers what the peer has asked for as well."""
        self.response_due = False
        self._settle()
        if self.write_ended:
            return
        # RFC 9846, section 4.7.3: one request at a time
        request = request and not self._update_asked_for
        self._update_asked_for |= request
        update_sending_key(self.writer, request=request, observer=self.config.observer)

    # -- tickets: section 4.6.1 ----------------------------------------------------------------

    def _take_ticket(self, message: NewSessionTicket, chores: list[Awaitable[object]]) -> None:
        message.extensions.check(Context.NEW_SESSION_TICKET)
        self._tickets += 1
        config = self.config
        if self._tickets > MAX_TICKETS or not isinstance(config, ClientConfig):
            return
        session = receive_ticket(self.established, message, config.clock(), self.kin)
        kept = keep_ticket(config, self.server_hostname, session) if session is not None else None
        if kept is not None:
            chores.append(kept)

    # -- authentication: section 4.6.2 ---------------------------------------------------------

    @property
    def authentication(self) -> LateAuthentication:
        """What is known of requests for a certificate, and of answers."""
        if self._authentication is None:
            self._authentication = LateAuthentication(
                self.config, self.established, self.reader, self.writer
            )
        return self._authentication

    @property
    def awaits_certificate(self) -> bool:
        """On a server: whether it has asked for a certificate that is still to come."""
        return self._authentication is not None and bool(self._authentication.requests)

    @property
    def unanswered(self) -> int:
        """On a server: how many requests have no answer yet that was found good."""
        return self._authentication.unanswered if self._authentication is not None else 0

    def request_certificate(self) -> None:
        """On a server: asks for the client's certificate; UsageError where that cannot be."""
        request = self.authentication.request()
        send_messages(self.writer, request.encode(), self.config.observer)

    async def _answer(self, request: CertificateRequest) -> Established:
        flight = await self.authentication.answer(request)
        if not self.write_ended:
            send_messages(self.writer, flight, self.config.observer)
        return self.established

    async def _learn(self, answer: Answer) -> Established:
        peer = await self.authentication.verify(answer)
        self.established = replace(self.established, peer=peer)
        return self.established
