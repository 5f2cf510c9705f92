"""Records that no peer may send: RFC 8446, sections 5 and 6; RFC 5246, sections 7.1 and 7.2."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig, TLSConnection
from aiotls.enums import Alert, ContentType, NamedGroup, ProtocolVersion
from aiotls.errors import AlertReceived, ProtocolError, Truncated
from aiotls.handshake.channel import MAX_WARNINGS
from aiotls.sessions import MemoryReplayGuard
from tests.engine.pair import Pair, connect

HANDSHAKE, ALERT, CCS, DATA = (
    ContentType.HANDSHAKE,
    ContentType.ALERT,
    ContentType.CHANGE_CIPHER_SPEC,
    ContentType.APPLICATION_DATA,
)
TLS12 = ProtocolVersion.TLSv1_2
WARNING, FATAL = b"\1", b"\2"


def record(kind: int, content: bytes, version: bytes = b"\3\3") -> bytes:
    return bytes([kind]) + version + len(content).to_bytes(2, "big") + content


def split(stream: bytes) -> list[bytes]:
    """The records of a stream, whole."""
    found = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        found.append(stream[:end])
        stream = stream[end:]
    return found


def refusal(connection: TLSConnection, *records: bytes) -> ProtocolError:
    """How the connection ends over these records, given to it one by one."""

    def give() -> None:
        for one in records:
            connection.receive_data(one)

    with pytest.raises(ProtocolError) as caught:
        give()
    return caught.value


FIRST = [
    pytest.param(
        [record(HANDSHAKE, b"")], Alert.UNEXPECTED_MESSAGE, id="an_empty_handshake_record"
    ),
    pytest.param(
        [record(HANDSHAKE, b"\1\0\1"), record(CCS, b"\1")],
        Alert.UNEXPECTED_MESSAGE,
        id="a_change_cipher_spec_within_a_message",
    ),
    pytest.param(
        [record(HANDSHAKE, b"\1\0\1"), record(DATA, bytes(40))],
        Alert.UNEXPECTED_MESSAGE,
        id="data_within_a_message",
    ),
    pytest.param(
        [record(HANDSHAKE, b"\1\0\1"), record(ALERT, FATAL + b"\x28")],
        Alert.UNEXPECTED_MESSAGE,
        id="an_alert_within_a_message",
    ),
    pytest.param([record(ALERT, b"")], Alert.UNEXPECTED_MESSAGE, id="an_empty_alert"),
    pytest.param([record(ALERT, FATAL)], Alert.DECODE_ERROR, id="half_an_alert"),
    pytest.param([record(ALERT, b"\2\x28\2")], Alert.DECODE_ERROR, id="an_alert_and_a_half"),
    pytest.param([record(ALERT, b"\3\x28")], Alert.ILLEGAL_PARAMETER, id="an_alert_of_no_level"),
    pytest.param(
        [record(HANDSHAKE, bytes(16_385))], Alert.RECORD_OVERFLOW, id="more_than_16384_bytes"
    ),
    pytest.param([record(CCS, b"\1")], Alert.UNEXPECTED_MESSAGE, id="a_change_cipher_spec_first"),
    pytest.param([record(DATA, b"data")], Alert.UNEXPECTED_MESSAGE, id="data_first"),
    pytest.param(
        [record(HANDSHAKE, b"\1"), record(HANDSHAKE, b"\0", b"\2\0")],
        Alert.PROTOCOL_VERSION,
        id="a_record_of_version_2",
    ),
]


@pytest.mark.parametrize(("records", "alert"), FIRST)
def test_no_handshake_begins_with(server: ServerConfig, records: list[bytes], alert: Alert) -> None:
    connection = TLSConnection(server)
    assert refusal(connection, *records).alert == alert
    assert split(connection.data_to_send())[-1][5:] == FATAL + bytes([alert])


def greeting(config: ClientConfig) -> TLSConnection:
    """A client that waits for the server's hello."""
    connection = TLSConnection(config, "localhost")
    connection.data_to_send()
    return connection


def test_warnings_do_not_go_on_for_ever(client: ClientConfig) -> None:
    """RFC 5246, section 7.2.2 lets them be ignored; a hello that never comes costs nothing."""
    connection = greeting(client)
    warning = record(ALERT, WARNING + bytes([Alert.UNRECOGNIZED_NAME]))
    for _ in range(MAX_WARNINGS):
        connection.receive_data(warning)
    error = refusal(connection, warning)
    assert (error.alert, error.reason) == (Alert.UNEXPECTED_MESSAGE, "TOO_MANY_WARNING_ALERTS")


def test_no_client_begins_with_a_warning(server: ServerConfig) -> None:
    """RFC 8446, section 6: there is nothing yet to warn of, and nobody to wait for."""
    connection = TLSConnection(server)
    warning = record(ALERT, WARNING + bytes([Alert.UNRECOGNIZED_NAME]))
    assert refusal(connection, warning).alert == Alert.UNEXPECTED_MESSAGE


def test_user_canceled_that_is_fatal(client: ClientConfig) -> None:
    """RFC 5246, section 7.2: a fatal alert ends the connection, whatever it says."""
    connection = greeting(client)
    with pytest.raises(AlertReceived) as caught:
        connection.receive_data(record(ALERT, FATAL + bytes([Alert.USER_CANCELED])))
    assert caught.value.alert == Alert.USER_CANCELED
    connection = greeting(client)
    connection.receive_data(record(ALERT, WARNING + bytes([Alert.USER_CANCELED])))
    assert connection.error is None


def test_no_renegotiation_in_the_handshake(client: ClientConfig) -> None:
    """RFC 5246, section 7.2.2: it answers what nobody has asked for."""
    error = refusal(greeting(client), record(ALERT, WARNING + bytes([Alert.NO_RENEGOTIATION])))
    assert (error.alert, error.reason) == (Alert.HANDSHAKE_FAILURE, "NO_RENEGOTIATION")


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_end_of_a_message_that_is_not_expected_is_not_waited_for(
    client: ClientConfig, server: ServerConfig, role: str
) -> None:
    """RFC 8446, section 4: its type is enough."""
    connection = greeting(client) if role == "client" else TLSConnection(server)
    finished = record(HANDSHAKE, b"\x14\0\0\x20")
    assert refusal(connection, finished).alert == Alert.UNEXPECTED_MESSAGE


def test_a_record_that_cannot_be_taken_is_not_waited_for(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5: under keys, the header of one in the clear is enough."""
    for begun in (b"\x16\3\3\0\4", b"\x15\3\3\0\2\2"):
        pair = connect(client, server).check()
        assert refusal(pair.server, begun).alert == Alert.UNEXPECTED_MESSAGE
        pair = connect(client, server).check()
        begun = b"\x17\3\3\0\x40" + bytes(0x40) + begun
        assert refusal(pair.client, begun).alert == Alert.BAD_RECORD_MAC
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))
    pair.server.receive_data(pair.client.data_to_send())
    first = split(pair.server.data_to_send())[0]
    error = refusal(pair.client, first, b"\x16\3\3\0\4\x08")
    assert error.alert == Alert.UNEXPECTED_MESSAGE


def test_no_hello_request_within_the_handshake(client: ClientConfig, server: ServerConfig) -> None:
    """Not in TLS 1.2 either, where RFC 5246, section 7.4.1.1 would have it ignored."""
    asking = record(HANDSHAKE, bytes(4))
    assert refusal(greeting(client), asking).alert == Alert.UNEXPECTED_MESSAGE
    assert refusal(TLSConnection(server), asking).alert == Alert.UNEXPECTED_MESSAGE


def test_no_hello_request_in_tls13(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 4: there is none."""
    pair = connect(client, server, server_sends=lambda m: [bytes(4), m] if m.type == 8 else m)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNEXPECTED_MESSAGE


def test_a_change_cipher_spec_ahead_of_a_server_hello_of_tls12(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 7.1: dropped while it might be TLS 1.3's (RFC 8446, section 5), and refused
    when it turns out not to be.
    """
    for version, fails in ((TLS12, True), (ProtocolVersion.TLSv1_3, False)):
        pair = Pair(
            TLSConnection(client, "localhost"), TLSConnection(server.replace(max_version=version))
        )
        pair.server.receive_data(pair.client.data_to_send())
        pair.client.receive_data(record(CCS, b"\1"))
        answer = pair.server.data_to_send()
        if fails:
            assert refusal(pair.client, answer).alert == Alert.UNEXPECTED_MESSAGE
        else:
            pair.client.receive_data(answer)
            pair.pump()
            assert pair.client.handshake_complete


@pytest.mark.parametrize("level", [WARNING, FATAL])
def test_a_close_notify_in_the_handshake_is_a_cut(server: ServerConfig, level: bytes) -> None:
    """RFC 8446, section 6.1: the connection ends, and nobody takes it for a success."""
    connection = TLSConnection(server)
    with pytest.raises(Truncated):
        connection.receive_data(record(ALERT, level + b"\0"))
    assert not connection.handshake_complete


def test_early_data_that_is_refused_does_not_go_on_for_ever(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.2.10: it is skipped up to the limit, before a second ClientHello too."""
    server = server.replace(max_early_data=4096, replay_guard=MemoryReplayGuard())
    connect(client, server).check()
    retrying = TLSConnection(server.replace(groups=[NamedGroup.SECP521R1]))
    early = TLSConnection(client, "localhost", early_data=b"early")
    retrying.receive_data(early.data_to_send())
    retrying.data_to_send()
    error = refusal(retrying, *[record(DATA, bytes(16_384))] * 64)
    assert error.reason == "TOO_MUCH_SKIPPED_EARLY_DATA"
    assert not retrying.handshake_complete


def test_early_data_that_cannot_be_opened_does_not_go_on_for_ever(
    client: ClientConfig, server: ServerConfig
) -> None:
    """The same where the handshake goes on at once, and what is skipped fails to be opened."""
    willing = server.replace(max_early_data=4096, replay_guard=MemoryReplayGuard())
    connect(client, willing).check()
    early = TLSConnection(client, "localhost", early_data=b"early")
    refusing = TLSConnection(server.replace(ticket_keys=willing.ticket_keys))
    refusing.receive_data(early.data_to_send())
    refusing.data_to_send()
    assert refusal(refusing, *[record(DATA, bytes(16_384))] * 64).alert == Alert.BAD_RECORD_MAC


def test_a_change_cipher_spec_that_may_come_comes_between_messages(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5.1; where appendix D.4 lets it come, it does not come within one."""
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))
    pair.server.receive_data(pair.client.data_to_send())
    hello = split(pair.server.data_to_send())[0][5:]
    halves = record(HANDSHAKE, hello[:50]), record(HANDSHAKE, hello[50:])
    error = refusal(pair.client, halves[0], record(CCS, b"\1"), halves[1])
    assert (error.alert, error.reason) == (Alert.UNEXPECTED_MESSAGE, "UNEXPECTED_RECORD")


@pytest.mark.parametrize("content", [b"\0", b"\2", b"\1\1"])
def test_a_change_cipher_spec_that_is_dropped_is_the_byte_one_too(
    client: ClientConfig, server: ServerConfig, content: bytes
) -> None:
    """RFC 8446, section 5: any other is unexpected_message, ahead of the keys and behind them."""
    connection = TLSConnection(client, "localhost")
    connection.data_to_send()
    assert refusal(connection, record(CCS, content)).alert == Alert.UNEXPECTED_MESSAGE
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))
    pair.server.receive_data(pair.client.data_to_send())
    hello = split(pair.server.data_to_send())[0]
    error = refusal(pair.client, hello, record(CCS, content))
    assert (error.alert, error.reason) == (Alert.UNEXPECTED_MESSAGE, "INVALID_CCS_MESSAGE")


# -- TLS 1.2: the change of keys -------------------------------------------------------------------


def at_the_change(client: ClientConfig, server: ServerConfig) -> tuple[Pair, list[bytes]]:
    """A server that waits for the client's second flight, and that flight's records."""
    pair = Pair(
        TLSConnection(client.replace(max_version=TLS12), "localhost"), TLSConnection(server)
    )
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.receive_data(pair.server.data_to_send())
    key_exchange, change, finished = split(pair.client.data_to_send())
    assert (key_exchange[0], change[0], finished[0]) == (HANDSHAKE, CCS, HANDSHAKE)
    return pair, [key_exchange, change, finished]


def test_keys_do_not_change_without_a_word(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.1: a Finished is never taken before the change_cipher_spec."""
    pair, (key_exchange, _, finished) = at_the_change(client, server)
    error = refusal(pair.server, key_exchange, finished)
    assert (error.alert, error.reason) == (Alert.UNEXPECTED_MESSAGE, "UNEXPECTED_MESSAGE")


@pytest.mark.parametrize("content", [b"", b"\0", b"\2", b"\1\1"])
def test_a_change_cipher_spec_is_the_byte_one(
    client: ClientConfig, server: ServerConfig, content: bytes
) -> None:
    pair, (key_exchange, _, _) = at_the_change(client, server)
    error = refusal(pair.server, key_exchange, record(CCS, content))
    assert (error.alert, error.reason) == (Alert.ILLEGAL_PARAMETER, "BAD_CHANGE_CIPHER_SPEC")


def test_keys_do_not_change_within_a_message(client: ClientConfig, server: ServerConfig) -> None:
    """What was begun under the old keys must not end under the new ones."""
    pair, (key_exchange, change, _) = at_the_change(client, server)
    error = refusal(pair.server, key_exchange, record(HANDSHAKE, b"\x14\0"), change)
    assert error.alert == Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("code", [Alert.USER_CANCELED, Alert.NO_RENEGOTIATION])
def test_warnings_ahead_of_the_change_are_counted(
    client: ClientConfig, server: ServerConfig, code: Alert
) -> None:
    """RFC 5246, section 7.2.2: a warning need not end it; one that keeps coming does."""
    pair, (key_exchange, _, _) = at_the_change(client, server)
    warning = record(ALERT, WARNING + bytes([code]))
    error = refusal(pair.server, key_exchange, *[warning] * (MAX_WARNINGS + 1))
    assert error.alert in (Alert.UNEXPECTED_MESSAGE, Alert.HANDSHAKE_FAILURE)


def test_a_warning_ahead_of_the_change_passes(client: ClientConfig, server: ServerConfig) -> None:
    pair, (key_exchange, change, finished) = at_the_change(client, server)
    warning = record(ALERT, WARNING + bytes([Alert.USER_CANCELED]))
    pair.server.receive_data(key_exchange + warning + change + finished)
    pair.pump()
    pair.check()


@pytest.mark.parametrize("suite", ["AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256"])
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 23])
def test_a_record_that_is_too_short_for_its_tag(
    client: ClientConfig, server: ServerConfig, suite: str, size: int
) -> None:
    """RFC 5288, section 3, and RFC 7905, section 2: there is no record without a whole tag."""
    old = client.replace(max_version=TLS12, cipher_suites=[f"TLS_ECDHE_ECDSA_WITH_{suite}"])
    pair = connect(old, server).check()
    error = refusal(pair.server, record(DATA, bytes(size)))
    assert error.alert == Alert.BAD_RECORD_MAC


# -- after the handshake ---------------------------------------------------------------------------


def test_a_handshake_message_in_the_clear(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 5: nothing but change_cipher_spec goes unprotected once there are keys."""
    pair = connect(client, server).check()
    error = refusal(pair.server, record(HANDSHAKE, b"\x18\0\0\1\0"))
    assert error.alert == Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("version", [TLS12, ProtocolVersion.TLSv1_3])
def test_no_change_cipher_spec_after_the_handshake(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 8446, section 5: outside the handshake unexpected_message, protected or not."""
    for protected in (False, True):
        pair = connect(client.replace(max_version=version), server).check()
        if protected:
            pair.client._writer.write(CCS, b"\1")
        else:
            pair.client._writer.write_plain(CCS, b"\1")
        error = refusal(pair.server, pair.client.data_to_send())
        plain12 = version == TLS12 and not protected  # it fails to be opened
        assert error.alert == (Alert.BAD_RECORD_MAC if plain12 else Alert.UNEXPECTED_MESSAGE)


def test_a_record_of_another_major_version(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client, server).check()
    error = refusal(pair.server, record(DATA, bytes(40), b"\2\0"))
    assert (error.alert, error.reason) == (Alert.PROTOCOL_VERSION, "WRONG_VERSION_NUMBER")


@pytest.mark.parametrize("kind", [ALERT, DATA])
def test_another_record_within_a_message(
    client: ClientConfig, server: ServerConfig, kind: ContentType
) -> None:
    """RFC 8446, section 5.1: handshake messages are not interleaved with other records."""
    pair = connect(client, server).check()
    pair.client._writer.write(HANDSHAKE, b"\x18\0\0")
    pair.client._writer.write(kind, WARNING + b"\0")
    error = refusal(pair.server, pair.client.data_to_send())
    assert error.alert == Alert.UNEXPECTED_MESSAGE


def test_an_empty_record_of_data_within_a_message(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5.1: nor with records of application data that carry none."""
    pair = connect(client, server).check()
    writer = pair.client._writer
    writer.write(HANDSHAKE, b"\x18\0\0")
    begun = pair.client.data_to_send()
    sealer: Any = writer.sealer
    header = bytes([DATA, 3, 3, 0, 17])
    nonce = (sealer._iv ^ sealer.sequence).to_bytes(12, "big")
    error = refusal(pair.server, begun + header + sealer._cipher(nonce, bytes([DATA]), header))
    assert error.alert == Alert.UNEXPECTED_MESSAGE


def test_an_empty_handshake_record_later(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 5.1, under protection: content of no bytes, and the type behind it."""
    pair = connect(client, server).check()
    sealer: Any = pair.client._writer.sealer
    header = bytes([DATA, 3, 3, 0, 17])
    nonce = (sealer._iv ^ sealer.sequence).to_bytes(12, "big")
    sealed = sealer._cipher(nonce, bytes([HANDSHAKE]), header)
    error = refusal(pair.server, header + sealed)
    assert error.alert == Alert.UNEXPECTED_MESSAGE


def test_a_refusal_is_final(client: ClientConfig, server: ServerConfig) -> None:
    """What comes behind it is not looked at, and gets no answer."""
    connection = TLSConnection(server)
    refusal(connection, record(HANDSHAKE, b""))
    assert connection.data_to_send()
    connection.receive_data(TLSConnection(client, "localhost").data_to_send())
    assert not connection.data_to_send()
    assert not connection.handshake_complete
