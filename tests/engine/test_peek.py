"""Looking at a ClientHello without being its server, and leaving a connection to another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls import (
    ClientConfig,
    PassedThrough,
    Passthrough,
    ProtocolError,
    ServerConfig,
    TLSConnection,
    UsageError,
    peek_client_hello,
)
from aiotls.enums import Alert
from tests import certificates


def hello_of(client: ClientConfig) -> bytes:
    return TLSConnection(client, "localhost").data_to_send()


def in_records(hello: bytes, size: int) -> bytes:
    """The same message in records of *size* bytes."""
    body = hello[5:]
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(p).to_bytes(2, "big") + p for p in pieces)


@pytest.mark.parametrize("size", [1, 3, 4, 100, 16384])
def test_every_beginning_is_too_short_until_it_is_all_there(
    client: ClientConfig, size: int
) -> None:
    data = in_records(hello_of(client.replace(alpn_protocols=["h2"])), size)
    for end in range(0, len(data), 1 if size > 1 else 97):
        assert peek_client_hello(data[:end]) is None
    for tail in (b"", b"whatever comes next"):
        info = peek_client_hello(data + tail)
        assert info is not None
        assert (info.server_name, info.alpn_protocols) == ("localhost", (b"h2",))
        assert 0x0304 in info.versions


@pytest.mark.parametrize(
    ("data", "alert"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", Alert.UNEXPECTED_MESSAGE),
        (b"\x15\x03\x01\x00\x02\x02\x28", Alert.UNEXPECTED_MESSAGE),
        (b"\x17\x03\x03\x00\x01a", Alert.UNEXPECTED_MESSAGE),
        (b"\x16\x03\x01\x00\x00", Alert.UNEXPECTED_MESSAGE),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", Alert.UNEXPECTED_MESSAGE),
        (b"\x16\x03\x01\x00\x04\x01\x01\x00\x01", Alert.ILLEGAL_PARAMETER),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", Alert.DECODE_ERROR),
        (b"\x16\x03\x01\x48\x00", Alert.RECORD_OVERFLOW),
    ],
)
def test_what_is_no_client_hello(data: bytes, alert: Alert) -> None:
    with pytest.raises(ProtocolError) as caught:
        peek_client_hello(data)
    assert caught.value.alert is alert


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_input_raises_anything_but_a_protocol_error(noise: bytes, cut: int) -> None:
    hello = hello_of(ClientConfig(trust=certificates.authority().trust))
    for data in (noise, hello[:cut] + noise + hello[cut + len(noise) :]):
        try:
            peek_client_hello(data)
        except ProtocolError:
            pass


def test_a_server_that_passes_a_client_through_says_nothing(
    client: ClientConfig, server: ServerConfig
) -> None:
    elsewhere = Passthrough(lambda: None)
    connection = TLSConnection(server.replace(select=lambda hello: elsewhere))
    data = hello_of(client)
    for start in range(0, len(data) - 1, 50):
        connection.receive_data(data[start : min(start + 50, len(data) - 1)])
    with pytest.raises(PassedThrough) as caught:
        connection.receive_data(data[-1:] + b"more")
    assert connection.data_to_send() == b""
    assert caught.value.passthrough is elsewhere
    assert caught.value.data == data + b"more"
    with pytest.raises(UsageError):
        connection.do_handshake()


def test_a_retry_cannot_be_passed_through(client: ClientConfig, server: ServerConfig) -> None:
    """The second ClientHello is the answer to what this server has said: it is not asked again."""
    asked = []
    config = server.replace(groups=["secp256r1"], select=lambda hello: asked.append(hello))
    connection = TLSConnection(config)
    peer = TLSConnection(client, "localhost")
    for _ in range(4):
        connection.receive_data(peer.data_to_send())
        peer.receive_data(connection.data_to_send())
    assert connection.handshake_complete
    assert len(asked) == 1
