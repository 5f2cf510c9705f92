"""TLSConnection: one side of one connection, as bytes in and bytes out.

It owns the record layer and the handshake's coroutine, and it is the one place where an
error becomes an alert. It does no input or output, knows no clock but the configured one,
and never blocks: a face moves the bytes.

    connection = TLSConnection(ClientConfig(), server_hostname="example.com")
    send(connection.data_to_send())            # the ClientHello
    while not connection.handshake_complete:
        connection.receive_data(receive())
        send(connection.data_to_send())

Three phases: the handshake (records are pulled by the coroutine), the data phase (records are
pushed through as they come), and after the end (everything is dropped in silence).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from .config import ClientConfig, Config, ServerConfig
from .crypto.aead import PlainOpener, PlainSealer
from .enums import (
    Alert,
    AlertLevel,
    ContentType,
    EarlyData,
    NamedGroup,
    ProtocolVersion,
    Want,
)
from .errors import (
    AlertReceived,
    PassedThrough,
    ProtocolError,
    TLSError,
    Truncated,
    UsageError,
    clear_frames,
)
from .handshake import client, exporter, server
from .handshake.advice import advise
from .handshake.channel import (
    MAX_IGNORED_RECORDS,
    Channel,
)
from .handshake.drive import Drive
from .handshake.established import Established
from .handshake.key_update import update_sending_key
from .handshake.post import PostHandshake
from .record import APPLICATION_DATA, RecordReader, RecordWriter
from .trust import check_name

if TYPE_CHECKING:
    from .handshake.auth import Peer

Bytes = bytes | bytearray | memoryview


class TLSConnection:
    """One side of a TLS connection: a client with a ClientConfig, a server with a ServerConfig.

    *server_hostname* is the name or address that a client verifies the server by; it is
    required unless the configuration gives up on names.

    *early_data* is sent by a client ahead of the handshake if a session allows it (0-RTT, RFC
    8446, section 2.3): only what may arrive twice. :attr:`early_data_status` tells what became
    of it; with *replay* what did not go that way is sent after the handshake as ordinary data, but
    for early data that the server refused together with the session's ALPN protocol: that is an
    error, for it was not written for another one (section 4.2.10).
    """

    def __init__(
        self,
        config: Config,
        server_hostname: str | None = None,
        *,
        early_data: bytes = b"",
        replay: bool = False,
    ) -> None:
        if isinstance(config, ClientConfig):
            self.server_side = False
            verified = not (
                config.dangerous_ignore_server_name or config.dangerous_disable_verification
            )
            if server_hostname is not None:
                server_hostname = check_name(server_hostname, verified=verified)
            elif verified:
                raise UsageError("a client needs server_hostname, the name to verify the server by")
        elif isinstance(config, ServerConfig):
            self.server_side = True
            if server_hostname is not None:
                raise UsageError("server_hostname is a client's; a server is told by its clients")
            if early_data:
                raise UsageError("early_data is a client's; a server has half_rtt")
        else:
            raise TypeError(
                f"a ClientConfig or a ServerConfig is expected, not {type(config).__name__}"
            )
        self.config: Config = config
        self.server_hostname = server_hostname
        self.want: Want | None = Want.READ if self.server_side else Want.WRITE
        self.peer_closed = False
        self.close_notify_sent = False
        self.truncated = False
        """Whether the stream ended without close_notify, and allow_truncation let that pass."""
        self.error: TLSError | None = None
        self.chores: list[Awaitable[object]] = []
        """What hooks want to be awaited after the handshake; a face takes it from here, and looks
        afterwards at :attr:`error` and :meth:`data_to_send`."""
        self._seen: bytearray | None = None
        """What a client has sent, as long as the application may still leave it to another."""
        if isinstance(config, ServerConfig) and config.select is not None:
            self._seen = bytearray()
        self._reader = RecordReader()
        self._writer = RecordWriter()
        self._channel: Channel | None = Channel(config, self._reader, self._writer)
        self._kin = self._channel.kin
        self._channel.early_output = bytes(early_data)
        self._channel.early_sink = self._take_early_data
        self._early_output = bytes(early_data)
        self._replay = replay
        self._early_input: list[bytes] = []
        self.early_data_apart = False
        """On a server: whether 0-RTT data stays where :meth:`read_early_data` gives it, also once
        the handshake is complete, until :meth:`join_early_data` is called."""
        self._coroutine: Coroutine[Any, None, Established] | None = None
        self._driven = False
        self._result: Established | None = None
        self._post: PostHandshake | None = None
        self._plaintext: list[bytes] = []
        self._readable = 0
        self._empty_records = 0

    def __repr__(self) -> str:
        role = "server" if self.server_side else "client"
        if self.error is not None:
            state = f"failed: {self.error}"
        elif self._result is None:
            state = "shaking hands"
        else:
            state = f"{self._result.version.title} {self._result.suite.code.name}"
        return f"<TLSConnection {role} {state}>"

    # -- the handshake -------------------------------------------------------------------------

    def do_handshake(self) -> Want | None:
        """Goes on with the handshake as far as the bytes at hand allow.

        Returns what it waits for, or None when it is complete. Raises the TLSError that ended
        it; the alert is then in :meth:`data_to_send`. SSL_do_handshake(3) is the same call with
        numbers.
        """
        if self._result is not None:
            return None
        self._check_alive()
        if self._driven:
            raise UsageError("the handshake is being run by run_handshake()")
        coroutine = self._coroutine
        if coroutine is None:
            coroutine = self._coroutine = self._start()
        try:
            want = coroutine.send(None)
        except StopIteration as stop:
            self._establish(stop.value)
            return None
        except BaseException as error:
            failure = self._fail(error)
            raise failure from failure.__cause__
        if not isinstance(want, Want):
            coroutine.close()
            raise self._fail(
                UsageError(
                    "a hook suspended on something that needs a running event loop; use "
                    "run_handshake() or one of the asynchronous faces"
                )
            )
        self.want = want
        return want

    async def run_handshake(self, wait: Callable[[Want], Awaitable[None]]) -> None:
        """The whole handshake as one awaitable, for the asynchronous faces.

        *wait* is awaited where bytes are missing or have to leave: for READ it gives what has
        arrived to :meth:`feed` or :meth:`feed_eof`; for WRITE it sends :meth:`data_to_send`.
        Whatever else a hook awaits goes to the running event loop. Raises the TLSError that
        ended the handshake; when cancelled, the connection is dead.
        """
        if self._result is not None:
            return
        self._check_alive()
        if self._driven or self._coroutine is not None:
            raise UsageError("the handshake has already begun")
        self._driven = True
        coroutine = self._coroutine = self._start()

        def waiting(want: Want) -> Awaitable[None]:
            self.want = want
            return wait(want)

        try:
            result = await Drive(coroutine, waiting)
        except BaseException as error:
            failure = self._fail(error)
            if failure is error:
                raise
            raise failure from failure.__cause__
        self._establish(result)

    @property
    def handshake_complete(self) -> bool:
        """Whether application data may flow."""
        return self._result is not None

    @property
    def expecting(self) -> str:
        """The messages that the handshake waits for; empty when it is over."""
        if self.server_side and self._coroutine is None and self._channel is not None:
            return "client_hello"
        return self._channel.expected_names() if self._channel is not None else ""

    def _start(self) -> Coroutine[Any, None, Established]:
        channel = self._channel
        if channel is None:
            raise UsageError("the handshake is over")
        if self.server_side:
            return server.handshake(channel)
        return client.handshake(channel, self.server_hostname)

    def _establish(self, result: Established) -> None:
        if self._replay:
            self._check_replay(result)
        self._result = result
        if self._channel is not None:
            self.config = self._channel.config  # the server may have chosen another
        if self.config.record_padding <= 1:  # which is about sizes that tell nothing
            self._writer.start_small(self.config.initial_fragment)
        self._channel = None
        self._coroutine = None
        self.want = None
        if not self.early_data_apart:  # the Finished has shown that it was no replay
            self.join_early_data()
        if self._early_output and not self.server_side:
            self._send_late(result)
        if self._reader.buffered:
            self._receive(b"")

    def _check_replay(self, result: Established) -> None:
        """RFC 8446, section 4.2.10: early data is sent again for the same application protocol
        alone. Whoever waits for the answer to it is told.
        """
        if result.early_data_status is EarlyData.ALPN_MISMATCH and result.early_data_sent:
            chosen = result.alpn or "no application protocol"
            error = ProtocolError(
                Alert.NO_APPLICATION_PROTOCOL,
                f"the server has chosen {chosen!r}; the early data was written for the session's "
                "protocol, and is not sent again",
                reason="ALPN_MISMATCH_ON_EARLY_DATA",
                hint="Connect again: the new session is of the protocol that the server chooses "
                "now. Or leave out replay, and send what fits.",
            )
            raise self._fail(error)

    def _send_late(self, result: Established) -> None:
        """What was meant to go ahead of the handshake, and did not."""
        data, self._early_output = self._early_output, b""
        if result.early_data:
            self.write(data[result.early_data_sent :])
        elif self._replay:
            self.write(data)

    @property
    def early_data_accepted(self) -> bool:
        """Whether the server took the 0-RTT data; on a server, whether it took any."""
        return self._result is not None and self._result.early_data

    @property
    def early_data_status(self) -> EarlyData | None:
        """What became of 0-RTT data, and why; None until the handshake is complete."""
        return self._result.early_data_status if self._result is not None else None

    def stream_early_data(self, end: Callable[[], Awaitable[None]]) -> None:
        """On a client, before the handshake: early data is given to :meth:`write_early_data` bit by
        bit. *end* is awaited before the handshake ends it (RFC 8446, section 4.5), the server's
        answer in hand. Raises UsageError where the handshake has begun.
        """
        if self.server_side or self._channel is None or self._driven or self._coroutine is not None:
            raise UsageError("early data is a client's, and is announced before the handshake")
        self._channel.end_early_data = end

    def write_early_data(self, data: Bytes) -> int:
        """On a client that has announced it: sends data ahead of the handshake; how many bytes.

        Raises UsageError where none may be sent (any more), or the session allows less.
        """
        self._check_alive()
        room = self._channel.early_room if self._channel is not None else 0
        if len(data) > room or self.close_notify_sent:
            raise UsageError(f"{len(data)} bytes of early data; {room} may go")
        if self._channel is not None and len(data):
            sealer = self._writer.sealer
            if sealer.sequence + len(data) >= sealer.limit:
                # RFC 9846, section 5.5: its key cannot be updated
                raise UsageError("the key of early data is worn out; go on after the handshake")
            self._channel.early_room -= len(data)
            self._writer.write(APPLICATION_DATA, data)
        return len(data)

    def read_early_data(self) -> bytes:
        """On a server: 0-RTT data that has arrived and was not read, before the handshake is done.

        It may be a replay of what another connection has sent. What is not read this way is
        returned by :meth:`read` once the client's Finished has shown that it is none.
        """
        data = b"".join(self._early_input)
        self._early_input.clear()
        return data

    @property
    def early_readable(self) -> int:
        """How many bytes :meth:`read_early_data` can return now."""
        return sum(map(len, self._early_input))

    def join_early_data(self) -> None:
        """What was not read of 0-RTT data is the first that :meth:`read` returns, from now on."""
        if self._early_input:
            self._plaintext[:0] = self._early_input
            self._readable += self.early_readable
            self._early_input.clear()

    def _take_early_data(self, data: bytes) -> None:
        self._early_input.append(data)

    def _fail(self, error: BaseException) -> BaseException:
        """The one place where errors become alerts. The connection is dead from here on."""
        if isinstance(error, ProtocolError):
            self._send_alert(AlertLevel.FATAL, error.alert)
        elif isinstance(error, (AlertReceived, Truncated)):
            # 6.2: whoever got a fatal alert does not answer it
            hint = advise(error, self.config, self.server_hostname, self.expecting)
            if hint is not None and error.hint is None:
                error.advise(hint)
        elif isinstance(error, PassedThrough):
            error.data = bytes(self._seen or b"")
        elif isinstance(error, Exception) and not isinstance(error, TLSError):
            self._send_alert(AlertLevel.FATAL, Alert.INTERNAL_ERROR)
            cause = error
            error = TLSError(f"internal error: {cause!r}", reason="INTERNAL_ERROR")
            error.__cause__ = cause
        else:  # cancelled, or the caller's own mistake
            self._send_alert(AlertLevel.FATAL, Alert.INTERNAL_ERROR)
        if not isinstance(error, (Truncated, PassedThrough)):
            self._disown_sessions()
        if isinstance(error, TLSError):
            self.error = error
        else:
            self.error = TLSError("the handshake was cancelled", reason="CANCELLED")
        if self._post is not None:
            self._post.write_ended = True
        self._channel = None
        self._coroutine = None
        self.want = None
        self._seen = None
        self._reader.opener, self._writer.sealer = PlainOpener(), PlainSealer()  # no more keys
        clear_frames(error)
        return error

    def _disown_sessions(self) -> None:
        """A fatal alert takes the connection's sessions with it: RFC 5246, section 7.2.2."""
        config = self.config if self._channel is None else self._channel.config
        store = config.session_store if isinstance(config, ServerConfig) else None
        self.chores += self._kin.disown(store)

    def _check_alive(self) -> None:
        if self.error is not None:
            raise UsageError(f"the connection has failed: {self.error}") from self.error

    # -- bytes in ------------------------------------------------------------------------------

    def receive_data(self, data: Bytes) -> None:
        """Takes bytes from the peer, as they arrived; nothing of *data* is kept but by copy.

        Goes on with the handshake, or opens the records into what :meth:`read` returns. Raises
        the TLSError that this leads to; the alert is then in :meth:`data_to_send`. After the
        end of the connection everything is dropped.
        """
        if self._result is not None:
            self._receive(data)
        elif self.error is None:
            self.feed(data)
            self._step()

    @property
    def missing(self) -> int:
        """How many bytes the record that is being received still lacks, as far as is known yet.

        First of its header, then of its body: a face that reads no more at a time leaves on the
        transport whatever comes after the last record it has asked for.
        """
        return self._reader.missing

    def refuses(self, header: bytes | bytearray) -> bool:
        """Whether a record that begins with these five bytes ends the connection, whatever follows.

        Who has given them to :meth:`receive_data` need not wait for the rest.
        """
        return self._reader.refuses(header)

    @property
    def buffered(self) -> int:
        """How many bytes of a record that is not complete have arrived."""
        return self._reader.buffered

    def receive_eof(self) -> None:
        """The peer closed the stream. Without its close_notify that is Truncated (section 6.1)."""
        if self.peer_closed or self.error is not None:
            return
        if self._result is None:
            self.feed_eof()
            if not self._driven:
                self.do_handshake()
            return
        if self.config.allow_truncation:
            self.peer_closed = self.truncated = True
            return
        self.error = Truncated(
            "the connection was cut: it ended without close_notify, so data may be missing",
            reason="UNEXPECTED_EOF_WHILE_READING",
        )
        raise self.error

    def feed(self, data: Bytes) -> None:
        """Keeps bytes for the handshake that :meth:`run_handshake` is running."""
        if self._seen is not None:
            if self._channel is None or self._channel.taken:
                self._seen = None
            else:
                self._seen += data
        self._reader.feed(data)

    def feed_eof(self) -> None:
        """Tells the handshake that :meth:`run_handshake` is running that there is no more."""
        if self._channel is not None:
            self._channel.input_ended = True

    def _step(self) -> None:
        """Goes on with a handshake that waits for what is now there."""
        if self._driven:
            return
        want = self.want
        while want is not None:
            want = self.do_handshake()
            if want is Want.READ or self._writer.pending:
                return

    def take_data(self, data: Bytes) -> bytes | None:
        """The content of *data* where that is whole records of application data and nothing else.

        So it is as long as the network keeps up, and then there is nothing more to be done for
        it: the quick way for a face that hands data on at once. None means that *data* was taken
        in as by :meth:`receive_data`, with all that this may lead to.
        """
        reader, post = self._reader, self._post
        if (
            self._result is None
            or self._readable
            or self.peer_closed
            or self.error is not None
            or (post is not None and post.pending)
            or reader.kept
        ):
            self.receive_data(data)
            return None
        opener = reader.opener
        content = opener.open_one(data)
        if content is None:
            contents: list[bytes] = []
            position = opener.open_run(data, 0, contents)
            content = b"".join(contents)
            if position != len(data) or not content or opener.sequence >= opener.limit:
                if content:
                    self._plaintext.append(content)
                    self._readable = len(content)
                    self._empty_records = 0
                self._receive(memoryview(data)[position:])
                return None
        if self._empty_records:
            self._empty_records = 0
        return content

    def _receive(self, data: Bytes) -> None:
        """The data phase: every record that *data* completes."""
        if self.peer_closed or self.error is not None:
            return  # 6.1: what comes after close_notify is ignored
        reader, rest = self._reader, memoryview(data)
        try:
            while reader.buffered:
                record, rest = reader.complete(rest)
                if record is None:
                    return
                if not self._take_records((record,)):
                    return
            post = self._post
            if post is None or not post.interrupted:
                rest = self._take_run(rest)
            self._take_records(reader.records(rest) if rest else ())
        except Exception as error:
            failure = self._fail(error)
            raise failure from failure.__cause__

    def _take_run(self, data: memoryview) -> memoryview:
        """What is plain application data is opened in one go; returns what comes behind it."""
        plaintext = self._plaintext
        known = len(plaintext)
        rest = self._reader.run(data, plaintext)
        if len(plaintext) > known:
            self._readable += sum(map(len, plaintext[known:] if known else plaintext))
            self._empty_records = 0
            post = self._post
            if post is not None and post.pending:
                post.data_arrived()
        return rest

    def _take_records(self, records: Iterable[tuple[int, bytes]]) -> bool:
        """Each record by its type. False when nothing after these counts."""
        plaintext, post = self._plaintext, self._post
        for kind, content in records:
            if kind == APPLICATION_DATA:
                if content:
                    if post is not None and post.pending:
                        post.data_arrived()
                    plaintext.append(content)
                    self._readable += len(content)
                    self._empty_records = 0
                else:
                    self._take_empty_record()
            elif self._take_control(kind, content):
                post = self._post
            else:
                break
        opener = self._reader.opener
        if opener.sequence >= opener.limit and not self.close_notify_sent:
            opener.limit = 1 << 62  # one request is enough: the answer brings another opener
            self.key_update(request_peer=True)
        return not self.peer_closed

    def _take_empty_record(self) -> None:
        """RFC 8446, section 5.4 allows them; without end they only cost time."""
        if self._post is not None and self._post.interrupted:
            self._post.data_arrived()  # which is an error, without data as well
        self._empty_records += 1
        if self._empty_records > MAX_IGNORED_RECORDS:
            raise ProtocolError(
                Alert.UNEXPECTED_MESSAGE,
                "the peer sent empty records without end",
                reason="TOO_MANY_EMPTY_FRAGMENTS",
            )

    def _take_control(self, kind: int, content: bytes) -> bool:
        """Anything that is not application data. False when nothing after it counts."""
        post = self._post_handshake()
        for work in post.take(kind, content, self.chores):
            self._do(work)
        self.peer_closed = post.peer_closed
        return not self.peer_closed

    def _post_handshake(self) -> PostHandshake:
        if self._post is None:
            self._post = PostHandshake(
                self.config,
                self._established(),
                self._reader,
                self._writer,
                self.server_hostname,
                self._kin,
            )
            self._post.write_ended = self.close_notify_sent
        return self._post

    def reconfigure(self, config: Config) -> None:
        """Goes on with another configuration, which counts for what is still to come after the
        handshake: how a client is verified that is asked for its certificate then.
        """
        self.config = config
        if self._post is not None:
            self._post.reconfigure(config)

    def request_certificate(self) -> None:
        """On a server: asks the client for its certificate; :attr:`peer` is set when it came
        (RFC 8446, section 4.6.2).

        Raises UsageError on a client, on TLS 1.2, where the configuration has no trust to verify
        clients by, and where the client did not say that it would answer.
        """
        self._check_alive()
        self._post_handshake().request_certificate()

    @property
    def requests_certificate(self) -> bool:
        """On a server: whether an answer to :meth:`request_certificate` is still to come."""
        return self._post is not None and self._post.awaits_certificate

    @property
    def unanswered_requests(self) -> int:
        """On a server: how many times it has asked without an answer that was found good."""
        return self._post.unanswered if self._post is not None else 0

    def _do(self, work: Coroutine[Any, Any, Established]) -> None:
        """Work that may await a hook: at once where there is none, or else by the face."""
        if self.config.has_hooks:
            self.chores.append(self._guard(work))
            return
        try:
            work.send(None)
        except StopIteration as stop:
            self._result = stop.value
            return
        work.close()
        raise UsageError("a hook suspended that was not known to")

    async def _guard(self, work: Coroutine[Any, Any, Established]) -> None:
        try:
            self._result = await work
        except BaseException as error:
            if self.error is None:
                self._fail(error)
            raise

    # -- bytes out -----------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """What has to go to the peer now; empty when there is nothing."""
        if self._result is None and self.error is None and not self._driven:
            if self._coroutine is None:
                self._step()
            data = self._writer.take()
            try:
                while self.want is Want.WRITE and self.error is None:
                    self._step()  # what waited for its flight to leave may go on
                    data += self._writer.take()
            except BaseException:
                self._writer.put_back(data)  # it goes before the alert, at the next call
                raise
            return data
        if self._post is not None and self._post.response_due:
            self._post.update_sending_key()
        return self._writer.take()

    def put_back(self, data: bytes) -> None:
        """What :meth:`data_to_send` returned and was not sent goes in front of what is next."""
        self._writer.put_back(data)

    @property
    def can_write(self) -> bool:
        """Whether application data may be written: the handshake is complete, or, on a server with
        :attr:`.ServerConfig.half_rtt`, has come to the client's half; and no end was announced.
        """
        if self.error is not None or self.close_notify_sent:
            return False
        channel = self._channel
        return self._result is not None or (channel is not None and channel.may_write)

    def write(self, data: Bytes) -> int:
        """Seals application data; it is then in :meth:`data_to_send`. Returns its length.

        Raises UsageError where :attr:`can_write` is not so: before the handshake is complete and
        after close_notify was sent.
        """
        if self._result is None or self.close_notify_sent or self.error is not None:
            self._check_alive()
            if self.close_notify_sent:
                raise UsageError("data cannot be written after close_notify was sent")
            if not self.can_write:
                raise UsageError("data cannot be written before the handshake is complete")
        if self._post is not None and self._post.response_due:
            self._post.update_sending_key()
        if len(data):
            writer = self._writer
            writer.write(APPLICATION_DATA, data)
            if writer.sealer.sequence >= writer.sealer.limit:
                # RFC 8446, section 5.5; RFC 9846 makes it a MUST
                update_sending_key(writer, request=False, observer=self.config.observer)
        return len(data)

    def seal(self, data: Bytes) -> bytes:
        """:meth:`write` and :meth:`data_to_send` in one call, for what is sent at once."""
        writer, post = self._writer, self._post
        sealer = writer.sealer
        if (
            self._result is None
            or self.close_notify_sent
            or self.error is not None
            or writer.pending
            or not 0 < len(data) <= writer.max_plaintext
            or sealer.sequence + 1 >= sealer.limit
            or (post is not None and post.pending)
        ):
            self.write(data)
            return self.data_to_send()
        return sealer.seal(APPLICATION_DATA, data)

    def key_update(self, request_peer: bool = False) -> None:
        """Moves on to the next sending key; with *request_peer* asks the peer to do the same.

        RFC 8446, section 4.6.3. It happens by itself long before a key is worn out.
        """
        self._check_alive()
        result = self._established()
        if result.version is not ProtocolVersion.TLSv1_3:
            raise UsageError("only TLS 1.3 has KeyUpdate")
        if self.close_notify_sent:
            raise UsageError("keys cannot be updated after close_notify was sent")
        self._post_handshake().update_sending_key(request=request_peer)

    @property
    def records(self) -> int:
        """How many records have come and gone under the present keys."""
        return self._reader.opener.sequence + self._writer.sealer.sequence

    def rest(self) -> None:
        """Gives back the larger part of the memory until the next record comes or leaves, which
        then takes some 3 µs more. For connections that have fallen silent; TLS 1.2 keeps it all.
        """
        self._reader.opener.rest()
        self._writer.sealer.rest()

    def send_close_notify(self) -> None:
        """Says that no more data will follow (RFC 8446, section 6.1). A second call does nothing.

        Reading goes on. In the middle of a handshake, before data may flow, it is user_canceled and
        close_notify; before it has begun there is nothing to cancel.
        """
        if self.close_notify_sent or self.error is not None:
            return
        channel = self._channel
        flows = channel is not None and (channel.may_write or channel.early_room > 0)
        begun = self._driven or self._coroutine is not None
        if self._result is None and not flows and begun:
            self._send_alert(AlertLevel.WARNING, Alert.USER_CANCELED)
        self._send_alert(AlertLevel.WARNING, Alert.CLOSE_NOTIFY)
        self.close_notify_sent = True
        for writing in (channel, self._post):
            if writing is not None:
                writing.write_ended = True

    def abort(self, alert: Alert = Alert.INTERNAL_ERROR) -> None:
        """Ends the connection with a fatal alert, which is then in :meth:`data_to_send`."""
        if self.error is None:
            coroutine, self._coroutine = self._coroutine, None
            if coroutine is not None and not self._driven:
                coroutine.close()
            self._fail(ProtocolError(alert, "the connection was aborted by this side"))

    def close(self) -> None:
        """Drops a handshake, or chores, that will not be finished, without a word to the peer."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is not None and not self._driven:
            coroutine.close()
        self._channel = None
        chores, self.chores = self.chores, []
        for chore in chores:
            if isinstance(chore, Coroutine):
                chore.close()  # nobody will await it any more
        if self._result is None and self.error is None:
            self.error = TLSError("the connection was closed during the handshake")
            self.want = None

    def _send_alert(self, level: AlertLevel, alert: Alert) -> None:
        if not self.close_notify_sent:
            if self._channel is not None:
                self._channel.settle()
            self._writer.write(ContentType.ALERT, bytes([level, alert]))

    # -- plaintext out -------------------------------------------------------------------------

    @property
    def readable(self) -> int:
        """How many bytes of application data :meth:`read` can return now."""
        return self._readable

    def read(self, max_bytes: int | None = None) -> bytes:
        """Application data from the peer, at most *max_bytes*; empty if there is none now.

        Whether more can come is told by :attr:`peer_closed`.
        """
        chunks = self._plaintext
        if not chunks:
            return b""
        if max_bytes is not None and max_bytes < self._readable:
            if max_bytes < 0:
                raise UsageError(f"max_bytes={max_bytes} is negative")
            return self._read_part(max_bytes)
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._readable = 0
        return data

    def peek(self, max_bytes: int) -> bytes:
        """The beginning of what :meth:`read` would return, which stays there (SSL_peek(3))."""
        if max_bytes < 0:
            raise UsageError(f"max_bytes={max_bytes} is negative")
        data = bytearray()
        for chunk in self._plaintext:
            data += chunk[: max_bytes - len(data)]
            if len(data) == max_bytes:
                break
        return bytes(data)

    def _read_part(self, size: int) -> bytes:
        taken = []
        missing = size
        chunks = self._plaintext
        used = 0
        for chunk in chunks:
            if len(chunk) > missing:
                break
            taken.append(chunk)
            missing -= len(chunk)
            used += 1
        del chunks[:used]
        if missing:
            taken.append(chunks[0][:missing])
            chunks[0] = chunks[0][missing:]
        self._readable -= size
        return b"".join(taken)

    def read_into(self, buffer: bytearray | memoryview) -> int:
        """Like :meth:`read`, into a writable buffer; returns the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    # -- what was agreed on --------------------------------------------------------------------

    def _established(self) -> Established:
        if self._result is None:
            raise UsageError("the handshake is not complete")
        return self._result

    @property
    def established(self) -> Established | None:
        """Everything that was agreed on; None until the handshake is complete."""
        return self._result

    @property
    def peer(self) -> Peer | None:
        """The other side's certificate and what was verified of it; None where it showed none."""
        return self._result.peer if self._result is not None else None

    @property
    def psk_identity(self) -> bytes | None:
        """The identity of the :class:`.ExternalPsk` that was taken; None where there was none."""
        return self._result.psk_identity if self._result is not None else None

    @property
    def alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on (RFC 7301); on a server with
        :attr:`.ServerConfig.half_rtt` it is known before the handshake is complete.
        """
        known = self._result or self._channel
        alpn = known.alpn if known is not None else None
        return alpn.decode("ascii", "backslashreplace") if alpn is not None else None

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for."""
        known = self._result or self._channel
        name = known.server_name if known is not None else None
        return name if self._result is not None or self.server_side else self.server_hostname

    def export_keying_material(
        self, label: str | bytes, length: int, context: bytes | None = None
    ) -> bytes:
        """*length* bytes that both sides share and no one else knows (RFC 8446, section 7.5).

        Raises UsageError before the handshake is complete, and for a length that is not
        within 1 to 255 times the hash's.
        """
        return exporter.export_keying_material(self._established(), label, length, context)

    def channel_binding(self, kind: str = "tls-exporter") -> bytes:
        """The channel binding ``tls-exporter`` (RFC 9266), ``tls-server-end-point`` or, for TLS 1.2
        only, ``tls-unique`` (RFC 5929). Raises UsageError for another type.
        """
        return exporter.channel_binding(self._established(), kind, self.server_side)

    def summary(self) -> dict[str, Any]:
        """What was agreed on, in words, for people and logs."""
        result = self._established()
        return {
            "version": result.version.title,
            "cipher_suite": result.suite.code.name,
            "group": NamedGroup.label(result.group) if result.group is not None else None,
            "alpn": self.alpn_protocol,
            "server_name": result.server_name,
            "server_side": self.server_side,
            "retried": result.retried,
            "ech": result.ech,
            "resumed": result.resumed,
            "early_data": result.early_data,
            "peer_signature_scheme": result.peer.scheme if result.peer is not None else None,
            "verified": bool(result.peer is not None and result.peer.verified_chain),
        }
