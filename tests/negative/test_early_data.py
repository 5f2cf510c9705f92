"""What a client must not do with 0-RTT data: RFC 8446, sections 4.2.10, 4.5 and 5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from aiotls import ClientConfig, ProtocolError, ServerConfig, TLSConnection
from aiotls.enums import Alert, ContentType
from aiotls.sessions import MemorySessionCache, Session
from aiotls.wire.messages import EndOfEarlyData, Finished
from tests.engine.pair import Mutation, Pair, connect, mutate
from tests.negative.test_server_hello import on

LIMIT = 1000


class Sure:
    """A guard that has seen nothing yet."""

    def first_time(self, token: bytes, lifetime: float) -> bool:
        return True


class Greedy(MemorySessionCache):
    """Remembers a larger limit than the server has given."""

    def take(self, key: bytes) -> Session | None:
        session = super().take(key)
        return None if session is None else replace(session, max_early_data=1 << 20)


@pytest.fixture
def client(client: ClientConfig) -> ClientConfig:
    return client.replace(session_cache=Greedy())


@pytest.fixture
def server(server: ServerConfig) -> ServerConfig:
    return server.replace(max_early_data=LIMIT, replay_guard=Sure())


def early(
    client: ClientConfig, server: ServerConfig, data: bytes, client_sends: Mutation | None = None
) -> Pair:
    connect(client, server).check()
    pair = Pair(TLSConnection(client, "localhost", early_data=data), TLSConnection(server))
    if client_sends is not None:
        mutate(pair.client, client_sends)
    pair.pump()
    return pair


def refused(pair: Pair, alert: Alert, reason: str | None = None) -> None:
    assert isinstance(pair.server_error, ProtocolError), pair.server_error
    assert pair.server_error.alert == alert, pair.server_error
    if reason is not None:
        assert pair.server_error.reason == reason
    assert not pair.server.handshake_complete


def test_a_client_that_keeps_to_it(client: ClientConfig, server: ServerConfig) -> None:
    pair = early(client, server, bytes(LIMIT)).check()
    assert pair.server.early_data_accepted
    assert pair.server.read() == bytes(LIMIT)


def test_a_client_sends_no_more_than_its_ticket_allows(
    client: ClientConfig, server: ServerConfig
) -> None:
    """Section 4.2.10: unexpected_message, which ends the connection."""
    pair = early(client, server, bytes(LIMIT + 1))
    refused(pair, Alert.UNEXPECTED_MESSAGE, "TOO_MUCH_READ_EARLY_DATA")


def test_refused_data_is_dropped_within_limits(client: ClientConfig, server: ServerConfig) -> None:
    connect(client, server).check()
    deaf = server.replace(max_early_data=0, replay_guard=None)
    pair = Pair(TLSConnection(client, "localhost", early_data=bytes(500)), TLSConnection(deaf))
    pair.pump()
    assert not pair.check().server.early_data_accepted
    connect(client, server).check()
    flood = TLSConnection(client, "localhost", early_data=bytes(1 << 19))
    pair = Pair(flood, TLSConnection(deaf))
    pair.pump()
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert in (Alert.BAD_RECORD_MAC, Alert.UNEXPECTED_MESSAGE)


@pytest.mark.parametrize(
    ("change", "alert"),
    [
        (lambda m: None, Alert.BAD_RECORD_MAC),  # what follows is under the next key
        (lambda m: [m, m], Alert.UNEXPECTED_MESSAGE),
        (lambda m: b"\x05\0\0\x01\0", Alert.DECODE_ERROR),
        (lambda m: [Finished(bytes(32)), m], Alert.UNEXPECTED_MESSAGE),
    ],
    ids=["left out", "twice", "not empty", "behind the Finished"],
)
def test_end_of_early_data(
    client: ClientConfig, server: ServerConfig, change: Callable[[object], object], alert: Alert
) -> None:
    """Section 4.5: once, empty, and between the data and the Finished."""
    refused(early(client, server, b"early", on(EndOfEarlyData, change)), alert)


def test_end_of_early_data_where_there_was_none(client: ClientConfig, server: ServerConfig) -> None:
    """Section 4.5: only where the server has taken it."""
    pair = connect(client, server, client_sends=on(Finished, lambda m: [EndOfEarlyData(), m]))
    refused(pair, Alert.UNEXPECTED_MESSAGE)


def test_data_does_not_come_between_the_messages_of_the_second_flight(
    client: ClientConfig, server: ServerConfig
) -> None:
    """Section 2: application data only behind the Finished, but for 0-RTT."""
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))

    def with_data(message: object) -> object:
        pair.client._writer.write(ContentType.APPLICATION_DATA, b"too soon")
        return message

    mutate(pair.client, on(Finished, with_data))
    pair.pump()
    refused(pair, Alert.UNEXPECTED_MESSAGE, "APP_DATA_IN_HANDSHAKE")
