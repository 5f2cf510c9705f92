"""How a refusal reaches the peer: RFC 8446, sections 6 and 6.2, and appendix D.4."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiotls import ClientConfig, ServerConfig, TLSConnection
from aiotls.enums import Alert, ContentType
from aiotls.errors import AlertReceived, ProtocolError
from aiotls.wire.messages import (
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    Message,
    ServerHello,
)
from tests.engine.pair import Mutation, Pair, connect
from tests.negative.test_server_hello import on


def records(data: bytes) -> list[int]:
    """The content types of the records in *data*."""
    kinds = []
    while data:
        kinds.append(data[0])
        data = data[5 + int.from_bytes(data[3:5], "big") :]
    return kinds


def flip(message: CertificateVerify) -> Message:
    return replace(message, signature=message.signature[:-1] + bytes([message.signature[-1] ^ 1]))


LATE: list[tuple[str, Mutation]] = [
    ("a_certificate_verify", on(CertificateVerify, flip)),
    ("a_finished", on(Finished, lambda m: Finished(bytes(32)))),
    ("encrypted_extensions", on(EncryptedExtensions, lambda m: m.encode() + b"x")),
]


@pytest.mark.parametrize("mutation", [m for _, m in LATE], ids=[name for name, _ in LATE])
@pytest.mark.parametrize("compatible", [True, False])
def test_clients_alert_after_the_server_hello_is_protected(
    client: ClientConfig, server: ServerConfig, mutation: Mutation, compatible: bool
) -> None:
    pair = connect(
        client.replace(middlebox_compatibility=compatible),
        server,
        server_sends=mutation,
    )
    assert isinstance(pair.client_error, ProtocolError)
    assert isinstance(pair.server_error, AlertReceived)
    assert pair.server_error.alert == pair.client_error.alert
    hello, *rest = records(bytes(pair.to_server))
    assert hello == ContentType.HANDSHAKE
    if compatible:  # D.4: the change_cipher_spec comes before the first protected record
        assert rest.pop(0) == ContentType.CHANGE_CIPHER_SPEC
    assert rest == [ContentType.APPLICATION_DATA]


def test_clients_alert_on_the_server_hello_is_not_protected(
    client: ClientConfig, server: ServerConfig
) -> None:
    pair = connect(
        client,
        server,
        server_sends=on(ServerHello, lambda m: replace(m, session_id=b"")),
    )
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.ILLEGAL_PARAMETER
    assert records(bytes(pair.to_server)) == [ContentType.HANDSHAKE, ContentType.ALERT]


def test_flight_leaves_before_the_alert_on_what_comes_after_it(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 6.2: the alert comes under the keys that the peer expects it under."""
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))
    pair.server.receive_data(pair.client.data_to_send())
    broken = bytes.fromhex("1703030020") + bytes(32)
    error = None
    try:
        pair.client.receive_data(pair.server.data_to_send() + broken)
        pair.client.data_to_send()
    except ProtocolError as caught:
        error = caught
    assert error is not None
    assert error.alert == Alert.BAD_RECORD_MAC
    answer = pair.client.data_to_send()
    assert records(answer) == [
        ContentType.CHANGE_CIPHER_SPEC,
        ContentType.APPLICATION_DATA,
        ContentType.APPLICATION_DATA,
    ]
    with pytest.raises(AlertReceived, match="bad_record_mac"):
        pair.server.receive_data(answer)
    assert pair.server.handshake_complete


def test_data_in_the_middle_of_a_handshake_message_is_not_delivered(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5.1."""
    pair = connect(client, server).check()
    pair.server._writer.write(ContentType.HANDSHAKE, b"\x18\0\0")
    pair.server.write(b"data")
    with pytest.raises(ProtocolError) as caught:
        pair.client.receive_data(pair.server.data_to_send())
    assert caught.value.alert == Alert.UNEXPECTED_MESSAGE
    assert pair.client.read() == b""
