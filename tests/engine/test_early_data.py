"""0-RTT and half-RTT data: RFC 8446, sections 2.3, 4.2.10, 4.4.4 and 8."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import (
    ClientAuth,
    ClientConfig,
    ExternalPsk,
    ProtocolError,
    ServerConfig,
    TicketKeyRing,
    TLSConnection,
    UsageError,
)
from aiotls.enums import Alert, EarlyData, ExtensionType, NamedGroup, ProtocolVersion
from aiotls.handshake.early import AGE_TOLERANCE
from aiotls.sessions import MemorySessionStore, SingleUseTickets
from aiotls.wire.messages import EncryptedExtensions, Finished, Message, NewSessionTicket
from tests import certificates
from tests.engine.pair import Mutation, Pair, connect, mutate
from tests.negative.test_server_hello import on, with_extensions

TLS12 = ProtocolVersion.TLSv1_2


class Guard:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.answer: Any = True

    def first_time(self, token: bytes, lifetime: float) -> Any:
        return self.answer


@pytest.fixture
def guard() -> Guard:
    return Guard()


@pytest.fixture
def server(server: ServerConfig, guard: Guard) -> ServerConfig:
    return server.replace(max_early_data=1000, replay_guard=guard)


def early(
    client: ClientConfig,
    server: ServerConfig,
    data: bytes = b"early",
    server_sends: Mutation | None = None,
) -> Pair:
    """A connection of a client that has something to say at once, and says it in any case."""
    pair = Pair(
        TLSConnection(client, "localhost", early_data=data, replay=True), TLSConnection(server)
    )
    if server_sends is not None:
        mutate(pair.server, server_sends)
    pair.pump()
    return pair


def told(pair: Pair) -> tuple[EarlyData | None, EarlyData | None]:
    """What the client and the server are told, where the handshake has come through."""
    pair.check()
    accepted = EarlyData.ACCEPTED
    assert pair.client.early_data_accepted is (pair.client.early_data_status is accepted)
    assert pair.server.early_data_accepted is (pair.server.early_data_status is accepted)
    assert pair.client.early_data_accepted is pair.server.early_data_accepted
    assert pair.server.read() == b"early"
    return pair.client.early_data_status, pair.server.early_data_status


# -- why it was refused ----------------------------------------------------------------------------


def test_what_became_of_it_is_not_told_too_soon(client: ClientConfig, server: ServerConfig) -> None:
    assert TLSConnection(client, "localhost", early_data=b"early").early_data_status is None
    assert TLSConnection(server).early_data_status is None


def test_it_is_taken_with_a_session(client: ClientConfig, server: ServerConfig) -> None:
    assert told(early(client, server)) == (
        EarlyData.NO_SESSION_OFFERED,
        EarlyData.NO_SESSION_OFFERED,
    )
    assert told(early(client, server)) == (EarlyData.ACCEPTED, EarlyData.ACCEPTED)


def test_who_does_not_want_it_is_not_told_why(client: ClientConfig, server: ServerConfig) -> None:
    for _ in range(2):
        pair = connect(client, server.replace(max_early_data=0)).check()
        assert pair.client.early_data_status is EarlyData.DISABLED
        assert pair.server.early_data_status is EarlyData.DISABLED


def test_a_client_that_sends_none(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    pair = connect(client, server).check()
    assert pair.client.early_data_status is EarlyData.DISABLED
    assert pair.server.early_data_status is EarlyData.PEER_DECLINED


@pytest.mark.parametrize("older", ["client", "server"])
def test_tls12_has_none(client: ClientConfig, server: ServerConfig, older: str) -> None:
    if older == "client":
        pair = early(client.replace(max_version=TLS12), server)
        assert told(pair) == (EarlyData.PROTOCOL_VERSION, EarlyData.PROTOCOL_VERSION)
    else:  # without a session the client did not come to it
        pair = early(client, server.replace(max_version=TLS12))
        assert told(pair) == (EarlyData.NO_SESSION_OFFERED, EarlyData.PROTOCOL_VERSION)


def test_a_session_that_promised_none(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server.replace(max_early_data=0, replay_guard=None)).check()
    assert told(early(client, server)) == (
        EarlyData.UNSUPPORTED_FOR_SESSION,
        EarlyData.UNSUPPORTED_FOR_SESSION,
    )


def test_a_session_that_promised_too_much(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    assert told(early(client, server.replace(max_early_data=999))) == (
        EarlyData.PEER_DECLINED,
        EarlyData.UNSUPPORTED_FOR_SESSION,
    )


def test_a_session_of_another_suite(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server.replace(cipher_suites=["TLS_AES_128_GCM_SHA256"])).check()
    other = server.replace(cipher_suites=["TLS_CHACHA20_POLY1305_SHA256"])
    assert told(early(client, other)) == (
        EarlyData.PEER_DECLINED,
        EarlyData.UNSUPPORTED_FOR_SESSION,
    )


def test_a_session_that_is_not_resumed(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    other = server.replace(ticket_keys=type(server.ticket_keys)())  # type: ignore[misc]
    assert told(early(client, other)) == (
        EarlyData.SESSION_NOT_RESUMED,
        EarlyData.SESSION_NOT_RESUMED,
    )


def test_a_retry(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    other = server.replace(groups=[NamedGroup.SECP521R1])
    assert told(early(client, other)) == (
        EarlyData.HELLO_RETRY_REQUEST,
        EarlyData.HELLO_RETRY_REQUEST,
    )


def test_another_application_protocol(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 4.2.10: the server looks, and a client that knows does not offer it."""
    client = client.replace(alpn_protocols=["h2", "http/1.1"])
    connect(client, server.replace(alpn_protocols=["h2"])).check()
    pair = Pair(
        TLSConnection(client, "localhost", early_data=b"early"),
        TLSConnection(server.replace(alpn_protocols=["http/1.1"])),
    )
    pair.pump()
    assert pair.check().client.early_data_status is EarlyData.ALPN_MISMATCH
    assert pair.server.early_data_status is EarlyData.ALPN_MISMATCH
    connect(client, server.replace(alpn_protocols=["h2"])).check()
    seen: list[Any] = []
    server = server.replace(select=lambda info: seen.append(info))
    pair = early(client.replace(alpn_protocols=["http/1.1"]), server)
    assert told(pair) == (EarlyData.ALPN_MISMATCH, EarlyData.PEER_DECLINED)
    assert ExtensionType.EARLY_DATA not in seen[0].hello.extensions


@pytest.mark.parametrize("ticket", ["good", "lost"])
@pytest.mark.parametrize("protocols", [["http/1.1"], []])
def test_early_data_is_not_sent_again_to_another_application_protocol(
    client: ClientConfig, server: ServerConfig, protocols: list[str], ticket: str
) -> None:
    """RFC 8446, section 4.2.10: MUST NOT, unless the same one is selected."""
    client = client.replace(alpn_protocols=["h2", "http/1.1"])
    connect(client, server.replace(alpn_protocols=["h2"])).check()
    other = server.replace(alpn_protocols=protocols)
    if ticket == "lost":
        other = other.replace(ticket_keys=TicketKeyRing())
    pair = Pair(
        TLSConnection(client, "localhost", early_data=b"hello", replay=True), TLSConnection(other)
    )
    pair.pump()
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.reason == "ALPN_MISMATCH_ON_EARLY_DATA"
    assert pair.client_error.hint is not None
    assert pair.server.read() == b""


@pytest.mark.parametrize("skew", [-AGE_TOLERANCE - 1, AGE_TOLERANCE + 1])
def test_a_hello_that_was_under_way_for_too_long(
    client: ClientConfig, server: ServerConfig, skew: float
) -> None:
    """RFC 8446, section 8.3."""
    now = client.clock()
    client = client.replace(clock=lambda: now)
    connect(client, server.replace(clock=lambda: now)).check()
    assert told(early(client, server.replace(clock=lambda: now + skew))) == (
        EarlyData.PEER_DECLINED,
        EarlyData.TICKET_AGE_SKEW,
    )


def test_a_replay(client: ClientConfig, server: ServerConfig, guard: Guard) -> None:
    connect(client, server).check()
    guard.answer = False
    assert told(early(client, server)) == (EarlyData.PEER_DECLINED, EarlyData.REPLAYED)


def test_a_ticket_that_is_good_once_is_a_guard(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 8.1: who sends it again finds it used up."""
    with pytest.raises(UsageError, match="session_store"):
        server.replace(replay_guard=SingleUseTickets())
    server = server.replace(replay_guard=SingleUseTickets(), session_store=MemorySessionStore())
    connect(client, server).check()
    sent = TLSConnection(client, "localhost", early_data=b"early")
    flight = sent.data_to_send() + sent.data_to_send()
    outcomes = []
    for _ in range(2):
        accepting = TLSConnection(server.replace(half_rtt=True))
        accepting.receive_data(flight)
        accepting.data_to_send()
        outcomes.append(accepting.read_early_data())
    assert outcomes == [b"early", b""]


def test_a_key_agreed_on_elsewhere(client: ClientConfig, server: ServerConfig) -> None:
    key = ExternalPsk(b"a key", bytes(32))
    client = client.replace(psks=[key], session_cache=None)
    assert told(early(client, server.replace(psk=lambda identity: key))) == (
        EarlyData.NO_SESSION_OFFERED,
        EarlyData.UNSUPPORTED_FOR_SESSION,
    )


def test_which_key_was_taken_is_told(client: ClientConfig, server: ServerConfig) -> None:
    first, second = (ExternalPsk(name, bytes(32)) for name in (b"first", b"second"))
    client = client.replace(psks=[first, second], session_cache=None)
    server = server.replace(psk={b"second": second}.get)
    pair = connect(client, server).check()
    assert pair.client.psk_identity == b"second"
    assert pair.server.psk_identity == b"second"
    pair = connect(client.replace(psks=()), server).check()
    assert pair.client.psk_identity is None
    assert pair.server.psk_identity is None


@pytest.mark.parametrize("answer", [None, 1, b"yes"])
def test_a_guard_that_makes_no_sense_ends_the_handshake(
    client: ClientConfig, server: ServerConfig, guard: Guard, answer: Any
) -> None:
    connect(client, server).check()
    guard.answer = answer
    pair = early(client, server)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.INTERNAL_ERROR
    assert isinstance(pair.server_error.__cause__, TypeError)


# -- what a server must not answer -----------------------------------------------------------------


def with_early_data(message: Any) -> Any:
    return with_extensions(message, (ExtensionType.EARLY_DATA, b""))


def test_a_server_does_not_take_what_was_not_offered(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.2."""
    pair = connect(client, server, server_sends=on(EncryptedExtensions, with_early_data))
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNSUPPORTED_EXTENSION


def test_a_server_does_not_take_it_without_the_session(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.2.10: it verifies that pre_shared_key selects the first identity."""
    connect(client, server).check()
    other = server.replace(ticket_keys=None)
    pair = early(client, other, server_sends=on(EncryptedExtensions, with_early_data))
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER


def test_a_server_does_not_take_it_for_another_protocol(
    client: ClientConfig, server: ServerConfig
) -> None:
    client = client.replace(alpn_protocols=["h2", "http/1.1"])
    connect(client, server.replace(alpn_protocols=["h2"])).check()
    other = server.replace(alpn_protocols=["http/1.1"])
    pair = early(client, other, server_sends=on(EncryptedExtensions, with_early_data))
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER
    assert pair.client_error.reason == "ALPN_MISMATCH_ON_EARLY_DATA"


def test_a_ticket_says_in_four_bytes_how_much(client: ClientConfig, server: ServerConfig) -> None:
    for data in (b"", b"\0\0\1", b"\0\0\0\1\0"):

        def change(message: Message, data: bytes = data) -> Message:
            return with_extensions(message, (ExtensionType.EARLY_DATA, data))  # type: ignore[no-any-return]

        pair = connect(client, server).check()
        hostile = change(NewSessionTicket(60, 0, b"", b"ticket"))
        pair.server._writer.write(22, hostile.encode())
        pair.pump()
        assert isinstance(pair.client_error, ProtocolError)
        assert pair.client_error.alert == Alert.DECODE_ERROR


# -- half a round trip before the end --------------------------------------------------------------


def half_way(client: ClientConfig, server: ServerConfig) -> Pair:
    """The client's first flight has arrived, and nothing after it."""
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))
    assert not pair.server.can_write
    pair.server.receive_data(pair.client.data_to_send())
    return pair


def test_a_server_may_write_before_the_clients_finished(
    client: ClientConfig, server: ServerConfig
) -> None:
    pair = half_way(client, server.replace(half_rtt=True))
    assert pair.server.can_write
    pair.server.write(b"220 ready\r\n")
    pair.client.receive_data(pair.server.data_to_send())
    finished = pair.client.data_to_send()
    assert pair.client.handshake_complete
    assert pair.client.read() == b"220 ready\r\n"
    assert not pair.server.handshake_complete
    pair.server.write(b"and more")
    pair.client.receive_data(pair.server.data_to_send())
    assert pair.client.read() == b"and more"
    pair.server.receive_data(finished)
    pair.pump()
    assert pair.check().server.can_write
    pair.server.write(b"bye")
    pair.pump()
    assert pair.client.read() == b"bye"


def test_it_answers_early_data_at_once(client: ClientConfig, server: ServerConfig) -> None:
    server = server.replace(half_rtt=True)
    connect(client, server).check()
    pair = Pair(TLSConnection(client, "localhost", early_data=b"hello"), TLSConnection(server))
    while data := pair.client.data_to_send():
        pair.server.receive_data(data)
    flight = pair.server.data_to_send()
    assert pair.server.read_early_data() == b"hello"
    pair.server.write(b"world")
    pair.client.receive_data(flight + pair.server.data_to_send())
    finished = pair.client.data_to_send()
    assert pair.client.read() == b"world"
    assert not pair.server.handshake_complete
    pair.server.receive_data(finished)
    pair.pump()
    assert pair.check().server.read() == b""


def test_it_has_to_be_asked_for(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 4.4.4: there is no assurance of the client's liveness yet."""
    pair = half_way(client, server)
    assert not pair.server.can_write
    with pytest.raises(UsageError):
        pair.server.write(b"too soon")
    pair.pump()
    pair.check()


def test_tls12_has_no_such_moment(client: ClientConfig, server: ServerConfig) -> None:
    pair = half_way(client.replace(max_version=TLS12), server.replace(half_rtt=True))
    assert not pair.server.can_write
    with pytest.raises(UsageError):
        pair.server.write(b"too soon")


def test_a_client_has_no_such_moment(client: ClientConfig, server: ServerConfig) -> None:
    pair = half_way(client, server.replace(half_rtt=True))
    assert not pair.client.can_write
    with pytest.raises(UsageError):
        pair.client.write(b"too soon")


def test_it_does_not_go_with_a_question_who_the_client_is(server: ServerConfig) -> None:
    trust = certificates.authority().trust
    for client_auth in (ClientAuth.OPTIONAL, ClientAuth.REQUIRED):
        with pytest.raises(UsageError):
            server.replace(half_rtt=True, client_auth=client_auth, trust=trust)


def test_nothing_is_written_after_the_clients_finished_was_wrong(
    client: ClientConfig, server: ServerConfig
) -> None:
    pair = half_way(client, server.replace(half_rtt=True))
    pair.server.write(b"ready")
    mutate(pair.client, on(Finished, lambda m: Finished(bytes(len(m.verify_data)))))
    pair.pump()
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.DECRYPT_ERROR
    assert not pair.server.can_write
    with pytest.raises(UsageError):
        pair.server.write(b"more")
