#!/usr/bin/env python3
"""The shim: aiotls as the other side of BoringSSL's protocol test runner.

One case is one call. The shim connects to the runner over TCP, also where it is the TLS
server, says which case it belongs to, shakes hands, echoes every byte XOR 0xFF until the end,
and tells by its exit status how that went:

    0   as it should
    1   an error of the protocol, found here or reported by the peer; its reason on stderr
    89  the case asks for what aiotls does not have
    90  anything else: an expectation that was not met, an exception that is no protocol error

It drives the sans-IO engine over a blocking socket. With ``-async`` every hook suspends, and
bytes arrive one by one.
"""

from __future__ import annotations

import hashlib
import pathlib
import socket
import struct
import sys
import traceback
import types
from collections.abc import Awaitable, Coroutine, Generator, Sequence
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[2])

from aiotls.config import ClientConfig, Config
from aiotls.connection import TLSConnection
from aiotls.enums import Alert, Want
from aiotls.errors import (
    AlertReceived,
    DecodeError,
    ECHRejected,
    ProtocolError,
    TLSError,
    Truncated,
    UsageError,
)
from aiotls.handshake.established import Established
from tests.bogo import configuration
from tests.bogo.flags import Options, Unimplemented, parse

OK, FAILED, UNIMPLEMENTED, WRONG = 0, 1, 89, 90

TIMEOUT = 25.0
"""Seconds without a byte; the runner gives up well before."""


class Refused(Exception):
    """What the case asks for is refused here, as it may expect."""


class Unmet(Exception):
    """Something is not as the case expects it; never to be taken for an error it waits for."""


@types.coroutine
def suspend() -> Generator[None, None, None]:
    """Gives control to whoever drives the handshake, once."""
    yield None


class Wire:
    """The TCP connection to the runner."""

    def __init__(self, options: Options) -> None:
        self._socket = socket.create_connection(
            ("::1" if options.ipv6 else "127.0.0.1", options.port), TIMEOUT
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(struct.pack("<Q", options.shim_id))
        self._size = 1 if options.use_async else 65_536
        self._records = bytearray()
        self.held: bytes | None = None
        """Where not None, nothing more leaves: bytes that wait until :meth:`release`."""
        self.hold_early_data = False
        """Whether the early data behind the ClientHello has to wait."""
        self._hello_sent = False

    def flush(self, connection: TLSConnection) -> None:
        """Sends what the engine has to send."""
        data = connection.data_to_send()
        if data and self.hold_early_data:
            hello, self._hello_sent = not self._hello_sent, True
            if not hello:
                # change_cipher_spec, and one byte of the record that is not written to its end
                self._send(data[:7])
                self.held, self.hold_early_data = data[7:], False
                return
        if self.held is not None:
            self.held += data
        elif data:
            self._send(data)

    def hold(self, connection: TLSConnection) -> None:
        """Lets one byte of what the engine has to send leave, and keeps the rest."""
        data = connection.data_to_send()
        self._send(data[:1])
        self.held = data[1:]

    def release(self) -> None:
        """Sends what was held back."""
        data, self.held = self.held, None
        if data:
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except ConnectionError:
            pass  # the runner has gone; what it has sent may still say why

    def receive(self) -> bytes:
        """What has arrived; empty at the end of the stream."""
        if self._records:
            data = bytes(self._records)
            self._records.clear()
            return data
        try:
            return self._socket.recv(self._size)
        except ConnectionError:
            return b""

    def receive_record(self) -> bytes:
        """One whole record, or less of it with ``-async``, or the rest before the end.

        One at a time, so that an error in one does not stand in the way of the answer to the
        one before.
        """
        if self._size == 1:
            return self.receive()
        records = self._records
        while True:
            if len(records) >= 5:
                length = min(5 + (records[3] << 8 | records[4]), 5 + 16_640)
                if len(records) >= length:
                    data = bytes(records[:length])
                    del records[:length]
                    return data
            try:
                more = self._socket.recv(self._size)
            except ConnectionError:
                more = b""
            if not more:
                return self.receive() if records else b""
            records += more

    def close(self) -> None:
        """Half-closes, and reads to the end, so that nothing that was sent gets lost."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(65_536):
                pass
        except OSError:
            pass
        self._socket.close()


class Exchange:
    """One connection."""

    def __init__(self, shim: Shim, options: Options, resumed: bool) -> None:
        self.options = options
        self.resumed = resumed
        self.state = configuration.State(
            options, shim.retry, shim.sessions, suspend, resumed=resumed
        )
        try:
            self.config: Config = self.state.config()
        except UsageError as error:
            if options.ech_config_list and isinstance(error.__cause__, DecodeError):
                raise Refused(":INVALID_ECH_CONFIG_LIST:") from error
            if error.reason and any(c.kind == "delegated" for c in options.credentials):
                raise Refused(f":{error.reason}:") from error
            if options.ech_config_list and options.reject_unusable_ech_config:
                raise Refused(":UNUSABLE_ECH_CONFIG_LIST:") from error
            raise
        if options.reject_unusable_ech_config and isinstance(self.config, ClientConfig):
            if self.config.ech_config is None:
                raise Refused(":UNUSABLE_ECH_CONFIG_LIST:")
        name = options.host_name or None
        self.retry = shim.retry
        self.early_data = offered = b""
        session = shim.sessions.client
        if options.enable_early_data and not options.server:
            if session is None or not session.max_early_data or options.expect_no_offer_early_data:
                offered = b"what there is no way to send"
            elif options.shim_writes_first and resumed:
                self.early_data = offered = self._first_write()
        self.connection = TLSConnection(
            self.config, None if options.server else name, early_data=offered
        )
        self.wire = Wire(options)
        if options.read_with_unfinished_write and self.early_data:
            self.wire.hold_early_data = True
        self._late: TLSError | None = None

    def run(self) -> None:
        try:
            self._run()
        except TLSError as error:
            self.wire.flush(self.connection)  # the alert
            self.check_rejection(error)
            raise
        finally:
            self.wire.close()

    def _run(self) -> None:
        options = self.options
        self.shake_hands()
        if options.handshake_never_done:
            raise Unmet("the handshake was to fail, and was completed")
        self.take_early_data()
        self.check_handshake()
        options = self.options
        if options.handshake_twice or options.no_op_extra_handshake:
            if self.connection.do_handshake() is not None:
                raise Unmet("a second do_handshake() was not a no-op")
        self.export()
        if options.send_alert:
            self.connection.abort(Alert.DECOMPRESSION_FAILURE)
            self.wire.flush(self.connection)
            return
        self.transfer()
        self.check_session()
        self.check_messages()
        self.shut_down()

    # -- the handshake -----------------------------------------------------------------------------

    def shake_hands(self) -> None:
        connection, wire = self.connection, self.wire
        if self.options.use_async:
            drive(connection.run_handshake(self._wait))
            return
        while not connection.handshake_complete:
            self.answer_early_data()
            if self.options.implicit_handshake:
                wire.flush(connection)
                want = connection.want
            else:
                want = connection.do_handshake()
                wire.flush(connection)
            if want is Want.READ and not connection.handshake_complete:
                self._take(wire.receive())
        wire.flush(connection)

    def answer_early_data(self) -> None:
        """A server's echo of what came ahead of the handshake, half a round trip before its end."""
        if self.connection.can_write:
            if data := self.connection.read_early_data():
                self.write(bytes(byte ^ 0xFF for byte in data))

    async def _wait(self, want: Want) -> None:
        await suspend()
        self.answer_early_data()
        if want is Want.WRITE:
            self.wire.flush(self.connection)
        elif data := self.wire.receive():
            self.connection.feed(data)
        else:
            self.connection.feed_eof()

    def _take(self, data: bytes) -> None:
        """Gives the engine what arrived; an error after the handshake waits for :meth:`read`."""
        try:
            if data:
                self.connection.receive_data(data)
            else:
                self.connection.receive_eof()
        except TLSError as error:
            if not self.connection.handshake_complete:
                raise
            self._late = error

    # -- the data ----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self.connection.write(data)
        self.wire.flush(self.connection)

    def read(self, size: int) -> bytes:
        """Application data, or nothing at the end of it."""
        connection = self.connection
        while not connection.readable:
            if self._late is not None:
                if isinstance(self._late, Truncated) and not self.options.check_close_notify:
                    return b""
                raise self._late
            if connection.peer_closed:
                return b""
            # What that leads to, an answer to a KeyUpdate, leaves with what is written next.
            self._take(self.wire.receive_record())
            self._do_chores()
        if self.options.peek_then_read:
            peeked = connection.peek(size)
            if (data := connection.read(size)) != peeked:
                raise Unmet(f"what was peeked at is not what was read: {peeked!r}, {data!r}")
            return data
        return connection.read(size)

    def _do_chores(self) -> None:
        chores = getattr(self.connection, "chores", [])
        while chores:
            drive(_await(chores.pop(0)))

    def transfer(self) -> None:
        options, connection = self.options, self.connection
        if options.write_different_record_sizes:
            for size in (0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769):
                self.write(b"\x42" * size)
            return
        if options.read_with_unfinished_write and not self.early_data:
            if not options.use_async:
                raise Unmet("-read-with-unfinished-write goes with -async only")
            connection.write(options.shim_initial_write.encode())
            self.wire.hold(connection)
        elif options.shim_writes_first and not self.early_data:
            self.write(self._first_write())
        if options.shim_shuts_down:
            return
        while True:
            if options.key_update_before_read:
                connection.key_update()
                self.wire.flush(connection)
            data = self.read(options.read_size)
            if options.use_exporter_between_reads:
                connection.export_keying_material(b"some label", 1)
            if not data:
                return
            if self.wire.held is not None:
                self.wire.release()
            if options.key_update:
                connection.key_update()
            self.write(bytes(byte ^ 0xFF for byte in data))

    def _first_write(self) -> bytes:
        options = self.options
        return options.shim_initial_write.encode() * options.repeat_shim_initial_write

    def take_early_data(self) -> None:
        """What became of 0-RTT data; where it was refused, what follows counts as a retry."""
        self.wire.release()
        accepted = self.connection.early_data_accepted
        if self.options.expect_reject_early_data and not self.options.server:
            if not self.early_data or accepted:
                raise Unmet("early data was to be sent and refused")
            self.options = self.retry
            self.early_data = b""

    def export(self) -> None:
        options, connection = self.options, self.connection
        if options.export_keying_material:
            self.write(
                connection.export_keying_material(
                    options.export_label.encode(),
                    options.export_keying_material,
                    options.export_context.encode() if options.use_export_context else None,
                )
            )
        if options.export_traffic_secrets:
            ours, theirs = "SERVER", "CLIENT"
            if not options.server:
                ours, theirs = theirs, ours
            read, written = (
                self.state.secrets[f"{who}_TRAFFIC_SECRET_0"] for who in (theirs, ours)
            )
            self.write(struct.pack("<H", len(read)) + read + written)
        if options.tls_unique:
            try:
                binding = connection.channel_binding("tls-unique")
            except UsageError as error:
                raise Refused("failed to get tls-unique") from error
            self.write(binding)

    def shut_down(self) -> None:
        options, connection = self.options, self.connection
        if not options.check_close_notify:
            self.wire.flush(connection)
            return
        if options.shim_shuts_down:
            connection.send_close_notify()
            self.wire.flush(connection)
            while not connection.peer_closed:
                if self.read(1):
                    raise Unmet("application data arrived while shutting down")
        elif not connection.peer_closed:
            raise Unmet("the peer's close_notify was to come, and did not")
        connection.send_close_notify()
        self.wire.flush(connection)

    # -- what is expected --------------------------------------------------------------------------

    def check_handshake(self) -> None:
        """Each expectation that can be held against what the handshake agreed on."""
        options, connection = self.options, self.connection
        result = connection.established
        if result is None:
            raise Unmet("the handshake is complete and has no result")

        def check(what: str, got: object, wanted: object) -> None:
            if got != wanted:
                raise Unmet(f"{what} is {got!r}, and {wanted!r} was expected")

        if options.expect_version:
            check("the version", int(result.version), options.expect_version)
        if options.expect_cipher:
            check("the cipher suite", int(result.suite.code), options.expect_cipher)
        if options.expect_curve_id:
            check("the group", result.group, options.expect_curve_id)
        if options.expect_hrr or options.expect_no_hrr:
            check("whether there was a HelloRetryRequest", result.retried, options.expect_hrr)
        if options.expect_peer_signature_algorithm and not result.resumed:
            scheme = result.peer.scheme if result.peer is not None else None
            check("the peer's scheme", scheme, options.expect_peer_signature_algorithm)
        if options.expect_server_name:
            check("the server name", connection.server_name, options.expect_server_name)
        if options.expect_cipher_aes:
            check("the cipher suite", int(result.suite.code), options.expect_cipher_aes)
        if options.expect_extended_master_secret:
            check("the extended master secret", result.extended_master_secret, True)
        if options.expect_accept_early_data:
            check("whether early data was accepted", connection.early_data_accepted, True)
        if options.expect_reject_early_data:
            check("whether early data was accepted", connection.early_data_accepted, False)
        check("whether ECH was accepted", result.ech, options.expect_ech_accept)
        if options.expect_no_offer_early_data:
            check("the early data", self.early_data, b"")
        if options.expect_early_data_reason:
            self._check_early_data_reason(options.expect_early_data_reason)
        if not options.server and result.version < 0x0304:
            # Without the extended master secret there is nothing to resume (RFC 7627, 5.3).
            wanted = not options.expect_no_session and result.extended_master_secret
            wanted = wanted and (not result.resumed or options.expect_ticket_renewal)
            check("whether there is a session", self.state.new_session is not None, wanted)
        alpn = options.select_alpn if options.server else options.expect_alpn
        check("the application protocol", connection.alpn_protocol, alpn or None)
        if options.expect_peer_cert_file:
            chain = result.peer.chain if result.peer is not None else ()
            check("the peer's chain", chain, configuration.chain_of(options.expect_peer_cert_file))
        if options.expect_ocsp_response:
            staple = result.peer.staple if result.peer is not None else None
            check("the staple", staple, options.expect_ocsp_response)
        if options.expect_signed_cert_timestamps:
            scts = result.peer.scts if result.peer is not None else ()
            expected = configuration.timestamps(options.expect_signed_cert_timestamps)
            check("the timestamps", scts, expected)
        if options.expect_peer_certificate_type is not None and result.peer is not None:
            kind = 0 if result.peer.raw_public_key is None else 2
            check("the type of the peer's certificate", kind, options.expect_peer_certificate_type)
        if options.expect_peer_rpk_sha256:
            key = result.peer.raw_public_key if result.peer is not None else None
            digest = hashlib.sha256(key or b"").digest()
            check("the peer's raw key", digest, options.expect_peer_rpk_sha256)
        if options.expect_no_peer_cert:
            check("the peer", result.peer, None)
        elif not self._has_shared_key(result) and (
            not options.server or options.require_any_client_certificate
        ):
            check("whether there is a peer", result.peer is not None, True)
        if options.expect_verify_result:
            verified = self.state.verified > 0 or result.resumed or result.peer is None
            check("whether the peer was verified", verified, True)
            if not result.resumed:
                failed = self.state.verification_failed
                check("whether verification failed", failed, options.verify_fail)
        if options.expect_certificate_types:
            check("whether the server asked for a certificate", self.state.asked, True)
        wanted = self.resumed and not options.expect_session_miss
        check("whether the session was resumed", result.resumed, wanted)
        if options.expect_selected_credential is not None:
            used = self.state.number_of(result.identity, result.psk_identity)
            if used is None and result.identity is None and not options.credential.given:
                used = -1  # none at all
            check("the credential", used, options.expect_selected_credential)
        if options.expect_session_id and not len(self.state.sessions.store):
            raise Unmet("the session was to be kept by its number")
        if options.expect_no_session_id and getattr(self.config, "session_store", None):
            raise Unmet("a server that keeps no sessions by number has a store for them")
        if options.server and not self.state.selected:
            raise Unmet("the selection by ClientHello was not called")

    def check_rejection(self, error: TLSError) -> None:
        """What a server said that could not decrypt the ClientHello."""
        options = self.options
        wanted = options.expect_ech_retry_configs or None
        if wanted is not None or options.expect_no_ech_retry_configs:
            if not isinstance(error, ECHRejected):
                raise Unmet(f"the server was to reject ECH: {error!r}") from error
            if error.retry_configs != wanted:
                raise Unmet(f"the retry configs are {error.retry_configs!r}") from error
        override = options.expect_ech_name_override
        if override and isinstance(error, ECHRejected) and error.public_name != override:
            raise Unmet(f"the public name is {error.public_name!r}") from error

    def _has_shared_key(self, result: Established) -> bool:
        """Whether a key that both sides had took the place of certificates."""
        given = any(credential.kind == "psk" for credential in self.options.credentials)
        return given and not result.resumed and result.identity is None and result.peer is None

    def _check_early_data_reason(self, reason: str) -> None:
        status = self.connection.early_data_status
        told = status.value if status is not None else None
        expected = {"accept": "accepted"}.get(reason, reason)
        if told == "alpn_mismatch" and expected == "peer_declined" and not self.options.server:
            return  # BoringSSL's client does not tell one from the other
        if told != expected:
            raise Unmet(f"what became of early data is {told!r}, and {reason!r} was expected")

    def check_messages(self) -> None:
        """What has passed: an observer is told of handshake messages, and of nothing else."""
        expected = self.options.expect_msg_callback
        if expected:
            wanted = [line for line in expected.splitlines() if " hs " in line]
            if self.state.messages != wanted:
                raise Unmet(f"the messages are {self.state.messages}, not {wanted}")

    def check_session(self) -> None:
        """What tickets a client has got by now."""
        options = self.options
        result = self.connection.established
        if options.server or options.shim_shuts_down or result is None:
            return
        session = self.state.new_session
        if result.version >= 0x0304:
            if (session is None) is not options.expect_no_session:
                raise Unmet(f"whether there is a new session is not as expected: {session!r}")
            if session is not None:
                early = bool(session.max_early_data)
                if early is not options.expect_ticket_supports_early_data:
                    raise Unmet(f"whether the new session takes early data is {early}")


async def _await(what: Awaitable[Any]) -> Any:
    return await what


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end: a small event loop, in which everything is ready at once."""
    while True:
        try:
            yielded = coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        if yielded is not None:
            raise TypeError(f"a hook suspended on {yielded!r}")


class Shim:
    """One call: the first connection and those that resume it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.initial, self.resume, self.retry = parse(arguments)
        self.sessions = configuration.Sessions()

    def run(self) -> None:
        for number in range(self.initial.resume_count + 1):
            options = self.resume if number else self.initial
            if number and not options.server and self.sessions.client is None:
                raise Unmet("there is no session to offer")
            Exchange(self, options, bool(number)).run()
            self.sessions.now += options.resumption_delay


def main(arguments: Sequence[str]) -> tuple[int, str]:
    """One call: the exit status, and what goes to stderr."""
    try:
        Shim(arguments).run()
    except Unimplemented as error:
        return UNIMPLEMENTED, f"not implemented: {error}\n"
    except (ProtocolError, AlertReceived, Truncated) as error:
        return FAILED, f"{type(error).__name__} :{error.reason}: {error}\n"
    except Refused as error:
        return FAILED, f"{error}\n"
    except BaseException:
        return WRONG, traceback.format_exc()
    return OK, ""


if __name__ == "__main__":
    if sys.argv[1:] == ["-is-handshaker-supported"]:
        print("No")
        sys.exit(0)
    status, text = main(sys.argv[1:])
    sys.stderr.write(text)
    sys.exit(status)
