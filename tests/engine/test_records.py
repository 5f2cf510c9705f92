"""The record layer: sizes, padding, floods, key changes, and the end of the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls import ClientConfig, ProtocolError, ServerConfig, TLSConnection, Truncated, UsageError
from aiotls.crypto.aead import Bytes, Opener13, Sealer13
from aiotls.enums import Alert, ContentType, ProtocolVersion
from aiotls.errors import AlertReceived
from aiotls.record import RecordReader
from aiotls.wire.messages import Finished, KeyUpdate, Message
from tests.engine.pair import Pair, connect

VERSIONS = [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3]


@pytest.fixture(params=VERSIONS, ids=["tls12", "tls13"])
def pair(request: pytest.FixtureRequest, client: ClientConfig, server: ServerConfig) -> Pair:
    return connect(client.replace(max_version=request.param), server).check()


@pytest.fixture
def pair13(client: ClientConfig, server: ServerConfig) -> Pair:
    return connect(client, server).check()


def lengths(stream: bytes) -> list[int]:
    """The lengths of the records in a stream, headers not counted."""
    found = []
    while stream:
        length = int.from_bytes(stream[3:5], "big")
        found.append(length)
        stream = stream[5 + length :]
    return found


def client_dies(pair: Pair, data: bytes, alert: Alert) -> None:
    """The client ends the connection with *alert* over *data*."""
    with pytest.raises(ProtocolError) as caught:
        pair.client.receive_data(data)
    assert caught.value.alert == alert
    with pytest.raises(AlertReceived) as told:
        pair.server.receive_data(pair.client.data_to_send())
    assert told.value.alert == alert


def test_data_comes_in_any_pieces(pair: Pair) -> None:
    @given(st.lists(st.binary(max_size=40_000), max_size=6), st.integers(1, 20_000))
    def check(chunks: list[bytes], size: int) -> None:
        for chunk in chunks:
            pair.client.write(chunk)
        stream = pair.client.data_to_send()
        for start in range(0, len(stream), size):
            pair.server.receive_data(memoryview(stream)[start : start + size])
        assert pair.server.read() == b"".join(chunks)

    check()


def test_one_byte_at_a_time(pair: Pair) -> None:
    pair.client.write(b"slowly" * 100)
    for byte in pair.client.data_to_send():
        pair.server.receive_data(bytes([byte]))
    assert pair.server.read() == b"slowly" * 100


def test_data_is_read_in_any_portions(pair: Pair) -> None:
    data = bytes(range(256)) * 300
    pair.client.write(data)
    pair.server.receive_data(pair.client.data_to_send())
    assert pair.server.readable == len(data)
    taken = b""
    for size in (0, 1, 16_384, 5, 30_000):
        taken += pair.server.read(size)
    buffer = bytearray(10)
    assert pair.server.read_into(buffer) == 10
    taken += bytes(buffer) + pair.server.read()
    assert taken == data
    assert pair.server.readable == 0
    pair.client.write(b"x")
    pair.server.receive_data(pair.client.data_to_send())
    with pytest.raises(UsageError):
        pair.server.read(-1)


@pytest.mark.parametrize("padding", [64, 1000, 16_384])
def test_records_are_padded(client: ClientConfig, server: ServerConfig, padding: int) -> None:
    pair = connect(client.replace(record_padding=padding), server).check()
    for size in (0, 1, 63, 64, 999, 1000, 16_383, 16_384, 40_000):
        pair.client.write(bytes(size))
        stream = pair.client.data_to_send()
        for length in lengths(stream):
            inner = length - 16
            assert inner % padding == 0 or inner == 16_385
        pair.server.receive_data(stream)
        assert pair.server.read() == bytes(size)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("limit", [64, 100, 5000])
def test_the_peers_record_size_limit_is_honoured(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion, limit: int
) -> None:
    """RFC 8449, section 4."""
    client = client.replace(max_version=version, record_size_limit=limit, record_padding=48)
    pair = connect(client, server.replace(record_size_limit=512)).check()
    overhead = 16 if version == ProtocolVersion.TLSv1_3 else 24
    pair.server.write(bytes(20_000))
    stream = pair.server.data_to_send()
    assert max(lengths(stream)) <= limit + overhead
    pair.client.receive_data(stream)
    assert pair.client.read() == bytes(20_000)
    pair.client.write(bytes(20_000))
    stream = pair.client.data_to_send()
    assert max(lengths(stream)) <= 512 + overhead
    pair.server.receive_data(stream)
    assert pair.server.read() == bytes(20_000)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_record_over_ones_own_limit_is_refused(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 8449, section 4: record_overflow."""
    client = client.replace(max_version=version, record_size_limit=100)
    pair = connect(client, server).check()
    pair.server._writer.max_plaintext = 1000
    pair.server.write(bytes(200))
    client_dies(pair, pair.server.data_to_send(), Alert.RECORD_OVERFLOW)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_sent_in_larger_pieces_than_max_fragment(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """Handshake messages in the clear as well as data, on both sides; the peer's limit, too."""
    overhead = 24
    client = client.replace(max_version=version, max_fragment=700, record_size_limit=5000)
    pair = connect(client, server.replace(max_fragment=512)).check()
    for side, peer, limit in ((pair.server, pair.client, 512), (pair.client, pair.server, 700)):
        side.write(bytes(20_000))
        stream = side.data_to_send()
        peer.receive_data(stream)
        assert peer.read() == bytes(20_000)
        assert max(lengths(stream)) in range(limit, limit + overhead + 1)
    assert max(lengths(bytes(pair.to_client))) in range(512, 512 + overhead + 1)
    assert max(lengths(bytes(pair.to_server))) <= 700 + overhead


def test_the_selected_configuration_decides_on_the_pieces(
    client: ClientConfig, server: ServerConfig
) -> None:
    small = server.replace(max_fragment=512)
    pair = connect(client, server.replace(select=lambda hello: small)).check()
    assert max(lengths(bytes(pair.to_client))) in range(512, 512 + 25)


@pytest.mark.parametrize("version", VERSIONS)
def test_records_start_small_and_grow(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """By one more step with each record that a longer write was cut into, up to the limit."""
    client = client.replace(max_version=version, initial_fragment=1000, max_fragment=3500)
    pair = connect(client, server).check()
    sizes = []
    for data in (bytes(800), bytes(900), bytes(12_000), bytes(100), bytes(8000)):
        pair.client.write(data)
        stream = pair.client.data_to_send()
        sizes.append(lengths(stream))
        pair.server.receive_data(stream)
        assert pair.server.read() == data
    overhead = sizes[0][0] - 800
    contents = [[size - overhead for size in row] for row in sizes]
    assert contents == [
        [800],
        [900],
        [1000, 2000, 3000, 3500, 2500],
        [100],
        [3500, 3500, 1000],
    ]


@pytest.mark.parametrize("change", [{"initial_fragment": 16_384}, {"record_padding": 2}])
def test_records_are_large_from_the_beginning_where_that_is_wanted(
    client: ClientConfig, server: ServerConfig, change: dict[str, int]
) -> None:
    pair = connect(client.replace(**change), server).check()
    pair.client.write(bytes(40_000))
    assert [size // 1000 for size in lengths(pair.client.data_to_send())] == [16, 16, 7]


@pytest.mark.parametrize("size", [0, 511, 16_385])
def test_a_first_fragment_of_no_possible_size_is_the_callers_mistake(size: int) -> None:
    with pytest.raises(UsageError, match="initial_fragment"):
        ClientConfig(initial_fragment=size)


@pytest.mark.parametrize("size", [0, 511, 16_385])
def test_a_fragment_of_no_possible_size_is_the_callers_mistake(size: int) -> None:
    with pytest.raises(UsageError, match="max_fragment"):
        ClientConfig(max_fragment=size)


def test_peeking_leaves_the_data_where_it_is(pair: Pair) -> None:
    assert pair.server.peek(10) == b""
    for chunk in (b"one", b"two", b"three"):
        pair.client.write(chunk)
    pair.server.receive_data(pair.client.data_to_send())
    assert [pair.server.peek(size) for size in (0, 2, 3, 5, 99)] == [
        b"",
        b"on",
        b"one",
        b"onetw",
        b"onetwothree",
    ]
    assert pair.server.readable == 11
    assert pair.server.read() == b"onetwothree"
    with pytest.raises(UsageError):
        pair.server.peek(-1)


def test_tampering_is_noticed(pair: Pair) -> None:
    pair.server.write(b"the answer")
    stream = bytearray(pair.server.data_to_send())
    stream[-1] ^= 1
    client_dies(pair, bytes(stream), Alert.BAD_RECORD_MAC)
    assert pair.client.read() == b""
    pair.client.receive_data(b"more")  # what comes after the end is dropped
    with pytest.raises(UsageError):
        pair.client.write(b"x")


def test_a_record_that_is_left_out_is_noticed(pair: Pair) -> None:
    pair.server.write(b"one")
    pair.server.data_to_send()
    pair.server.write(b"two")
    client_dies(pair, pair.server.data_to_send(), Alert.BAD_RECORD_MAC)


def test_a_record_that_comes_twice_is_noticed(pair: Pair) -> None:
    pair.server.write(b"one")
    stream = pair.server.data_to_send()
    pair.client.receive_data(stream)
    client_dies(pair, stream, Alert.BAD_RECORD_MAC)


def test_a_record_too_long_is_refused_by_its_header(pair: Pair) -> None:
    client_dies(pair, b"\x17\x03\x03\x41\x01", Alert.RECORD_OVERFLOW)


def test_a_content_too_long_is_refused(pair: Pair) -> None:
    sealer = pair.server._writer.sealer
    pair.server._writer.pending.append(sealer.seal(ContentType.APPLICATION_DATA, bytes(16_385)))
    client_dies(pair, pair.server.data_to_send(), Alert.RECORD_OVERFLOW)


def test_a_record_of_an_unknown_type_is_refused(pair: Pair) -> None:
    client_dies(pair, b"\x18\x03\x03\x00\x01\x00", Alert.UNEXPECTED_MESSAGE)


def test_nothing_but_padding_is_refused(pair13: Pair) -> None:
    """RFC 8446, section 5.4: no non-zero octet."""
    opener = pair13.client._reader.opener
    assert isinstance(opener, Opener13)
    sealer = pair13.server._writer.sealer
    assert isinstance(sealer, Sealer13)
    header = b"\x17\x03\x03\x00\x1a"
    nonce = (
        sealer._iv.to_bytes(12, "big")
        if not sealer.sequence
        else (sealer._iv ^ sealer.sequence).to_bytes(12, "big")
    )
    record = header + sealer._cipher(nonce, bytes(10), header)
    client_dies(pair13, record, Alert.UNEXPECTED_MESSAGE)


def test_an_unprotected_record_is_refused(pair13: Pair) -> None:
    for kind, body in ((22, b"\x18\0\0\1\0"), (21, b"\2\50")):
        fresh = RecordReader()
        fresh.opener = pair13.client._reader.opener
        with pytest.raises(ProtocolError):
            list(fresh.records(bytes([kind, 3, 3, 0, len(body)]) + body))


def test_a_forged_close_notify_is_refused(pair13: Pair) -> None:
    """A truncation attack: the first thing under the application keys is not protected."""
    assert pair13.server._reader.opener.sequence == 0
    with pytest.raises(ProtocolError):
        pair13.server.receive_data(b"\x15\x03\x03\x00\x02\x01\x00")
    assert not pair13.server.peer_closed


def test_empty_records_are_taken_but_not_without_end(pair: Pair) -> None:
    pair.server._writer.write(ContentType.APPLICATION_DATA, b"")
    pair.server.write(b"data")
    pair.client.receive_data(pair.server.data_to_send())
    assert pair.client.read() == b"data"
    for _ in range(40):
        pair.server._writer.write(ContentType.APPLICATION_DATA, b"")
    client_dies(pair, pair.server.data_to_send(), Alert.UNEXPECTED_MESSAGE)


def test_a_flood_of_key_updates_is_refused(pair13: Pair) -> None:
    for _ in range(40):
        pair13.server.key_update()
    client_dies(pair13, pair13.server.data_to_send(), Alert.UNEXPECTED_MESSAGE)


def test_one_request_for_a_key_update_at_a_time(pair13: Pair) -> None:
    """RFC 9846, section 4.7.3: only the first asks, until the peer has updated its key."""
    client, server = pair13.client, pair13.server
    asked = []
    for _ in range(2):
        for _ in range(3):
            server.key_update(request_peer=True)
            client.receive_data(server.data_to_send())
            assert client._post is not None
            asked.append(client._post.response_due)
            client._post.response_due = False
        client.key_update()
        server.receive_data(client.data_to_send())
    assert asked == [True, False, False] * 2


def test_many_requests_for_a_key_update_get_one_answer(pair13: Pair) -> None:
    for _ in range(20):
        pair13.server.key_update(request_peer=True)
    pair13.client.receive_data(pair13.server.data_to_send())
    answer = pair13.client.data_to_send()
    assert len(lengths(answer)) == 1
    pair13.server.receive_data(answer)
    pair13.client.write(b"go on")
    pair13.server.receive_data(pair13.client.data_to_send())
    assert pair13.server.read() == b"go on"


def test_keys_are_replaced_before_they_wear_out(pair13: Pair) -> None:
    """RFC 8446, section 5.5."""
    sealer = pair13.client._writer.sealer
    sealer.limit = sealer.sequence + 3
    for number in range(10):
        pair13.client.write(bytes([number]))
        pair13.server.receive_data(pair13.client.data_to_send())
        assert pair13.server.read() == bytes([number])
    assert pair13.client._writer.sealer is not sealer


def test_the_peer_is_asked_to_replace_its_key(pair13: Pair) -> None:
    """What a peer sends wears out its key as well, and it may not know (section 5.5)."""
    pair13.server._reader.opener.limit = pair13.server._reader.opener.sequence + 2
    before = pair13.client._writer.sealer
    for _ in range(5):
        pair13.client.write(b"x")
        pair13.server.receive_data(pair13.client.data_to_send())
    requests = pair13.server.data_to_send()
    assert len(lengths(requests)) == 1  # however many records came
    pair13.client.receive_data(requests)
    pair13.client.write(b"y")
    pair13.server.receive_data(pair13.client.data_to_send())
    assert pair13.client._writer.sealer is not before
    assert pair13.server.read() == b"xxxxxy"


def test_a_worn_key_is_no_trouble_after_close_notify(pair13: Pair) -> None:
    pair13.server.send_close_notify()
    pair13.server._reader.opener.limit = pair13.server._reader.opener.sequence
    pair13.client.write(b"x")
    pair13.server.receive_data(pair13.client.data_to_send())
    assert pair13.server.read() == b"x"


def test_a_key_update_must_end_its_record(pair13: Pair) -> None:
    """RFC 8446, section 5.1: no handshake data across a change of keys."""
    update = KeyUpdate(0).encode()
    pair13.server._writer.write(ContentType.HANDSHAKE, update + update)
    with pytest.raises(ProtocolError) as caught:
        pair13.client.receive_data(pair13.server.data_to_send())
    assert caught.value.alert == Alert.UNEXPECTED_MESSAGE


def test_messages_are_not_interleaved_with_data(pair13: Pair) -> None:
    """RFC 8446, section 5.1."""
    pair13.server._writer.write(ContentType.HANDSHAKE, KeyUpdate(0).encode()[:3])
    pair13.server.write(b"data")
    client_dies(pair13, pair13.server.data_to_send(), Alert.UNEXPECTED_MESSAGE)


def test_a_message_too_long_is_refused(pair13: Pair) -> None:
    pair13.server._writer.write(ContentType.HANDSHAKE, b"\x04\xff\xff\xff")
    client_dies(pair13, pair13.server.data_to_send(), Alert.ILLEGAL_PARAMETER)


def test_renegotiation_is_declined(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.2.2: a warning, and the connection goes on."""
    pair = connect(client.replace(max_version=ProtocolVersion.TLSv1_2), server).check()
    pair.server._writer.write(ContentType.HANDSHAKE, b"\0\0\0\0")
    pair.client.receive_data(pair.server.data_to_send())
    pair.server.receive_data(pair.client.data_to_send())
    pair.client.write(b"still here")
    pair.server.receive_data(pair.client.data_to_send())
    assert pair.server.read() == b"still here"
    for _ in range(10):
        pair.server._writer.write(ContentType.HANDSHAKE, b"\0\0\0\0")
    with pytest.raises(ProtocolError):
        pair.client.receive_data(pair.server.data_to_send())


def test_each_direction_closes_by_itself(pair13: Pair) -> None:
    """RFC 8446, section 6.1."""
    pair13.client.send_close_notify()
    pair13.client.send_close_notify()
    pair13.server.receive_data(pair13.client.data_to_send())
    assert pair13.server.peer_closed
    pair13.server.receive_eof()
    pair13.server.write(b"I still talk")
    pair13.client.receive_data(pair13.server.data_to_send())
    assert pair13.client.read() == b"I still talk"
    with pytest.raises(UsageError):
        pair13.client.write(b"no more")


def test_what_follows_close_notify_is_ignored(pair: Pair) -> None:
    pair.client.send_close_notify()
    pair.server.receive_data(pair.client.data_to_send() + b"anything at all")
    assert pair.server.read() == b""
    pair.server.receive_data(b"and more")


def test_a_stream_that_is_cut_is_reported(pair: Pair) -> None:
    pair.client.write(b"half a")
    pair.server.receive_data(pair.client.data_to_send()[:-3])
    with pytest.raises(Truncated):
        pair.server.receive_eof()


def test_a_cut_may_be_allowed(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client, server.replace(allow_truncation=True)).check()
    pair.server.receive_eof()
    assert pair.server.peer_closed


def test_a_cut_in_the_handshake_is_reported(client: ClientConfig) -> None:
    connection = TLSConnection(client, "localhost")
    connection.data_to_send()
    with pytest.raises(Truncated, match="server_hello"):
        connection.receive_eof()


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "WRONG_VERSION_NUMBER"),
        (b"220 mail.example ESMTP\r\n", "WRONG_VERSION_NUMBER"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "WRONG_VERSION_NUMBER"),
        (b"\x16\x05\x01\x00\x05hello", "WRONG_VERSION_NUMBER"),
    ],
)
def test_a_server_that_speaks_no_tls(client: ClientConfig, stream: bytes, reason: str) -> None:
    connection = TLSConnection(client, "localhost")
    connection.data_to_send()
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(stream)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP_REQUEST"),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", "HTTPS_PROXY_REQUEST"),
        (bytes(100), "WRONG_VERSION_NUMBER"),
    ],
)
def test_a_client_that_speaks_no_tls(server: ServerConfig, stream: bytes, reason: str) -> None:
    connection = TLSConnection(server)
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(stream)
    assert caught.value.reason == reason


@pytest.mark.parametrize("kind", [19, 20, 24, 255])
def test_a_protected_record_of_a_kind_that_is_never_protected_ends_the_handshake(
    kind: int, client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5: a protected change_cipher_spec MUST be answered so."""
    pair = Pair(TLSConnection(client, "localhost"), TLSConnection(server))
    channel = pair.server._channel
    assert channel is not None
    send = channel.send

    def hostile(message: Message) -> None:
        if isinstance(message, Finished):
            channel._write_flight()
            sealer = channel.writer.sealer
            assert isinstance(sealer, Sealer13)
            header = bytes([23, 3, 3, 0, 18])
            nonce = (sealer._iv ^ sealer.sequence).to_bytes(12, "big")
            channel.writer.put_back(
                channel.writer.take() + header + sealer._cipher(nonce, bytes([1, kind]), header)
            )
            sealer.sequence += 1
        send(message)

    channel.send = hostile  # type: ignore[method-assign]
    pair.pump()
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNEXPECTED_MESSAGE
    assert isinstance(pair.server_error, AlertReceived)


def test_the_version_in_a_record_of_tls12_is_authenticated(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 6.2.3.3: the additional data carries the version as it came."""
    pair = connect(client.replace(max_version=ProtocolVersion.TLSv1_2), server).check()
    pair.server.write(b"data")
    stream = bytearray(pair.server.data_to_send())
    stream[2] = 1
    client_dies(pair, bytes(stream), Alert.BAD_RECORD_MAC)


# -- the quick ways in and out ---------------------------------------------------------------------


def test_the_quick_ways_do_what_the_others_do(pair: Pair) -> None:
    @given(st.lists(st.binary(max_size=40_000), max_size=6), st.integers(1, 60_000))
    def check(chunks: list[bytes], size: int) -> None:
        stream = b"".join(pair.client.seal(chunk) for chunk in chunks)
        got = []
        for start in range(0, len(stream), size):
            content = pair.server.take_data(memoryview(stream)[start : start + size])
            got.append(pair.server.read() if content is None else content)
        assert b"".join(got) == b"".join(chunks)

    check()


def test_whole_records_of_data_are_all_that_the_quick_way_returns(pair13: Pair) -> None:
    client, server = pair13.client, pair13.server
    client.write(b"one")
    assert server.take_data(client.data_to_send()) == b"one"
    client.write(b"two")
    client.write(b"three")
    assert server.take_data(client.data_to_send()) == b"twothree"
    assert not server.readable
    client.write(b"four")
    client.write(b"five")
    sealed = client.data_to_send()
    assert server.take_data(sealed[:-1]) is None
    assert server.read() == b"four"
    assert server.take_data(sealed[-1:]) is None
    assert server.read() == b"five"
    client.key_update(request_peer=True)
    assert server.take_data(client.data_to_send()) is None
    assert client.take_data(server.seal(b"four")) is None  # behind the answering KeyUpdate
    assert client.read() == b"four"
    client.send_close_notify()
    assert server.take_data(client.data_to_send()) is None
    assert server.peer_closed


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [1, 5, 100, 4_000, 5_000])
def test_records_of_one_length_are_opened_in_order(
    pair: Pair, size: int, kind: Callable[[bytes], Bytes]
) -> None:
    pair.server.receive_data(pair.client.seal(bytes(100_000)))  # which makes room for large ones
    assert len(pair.server.read()) == 100_000
    contents = [bytes([number]) * size for number in range(100)]
    records = list(map(pair.client.seal, contents))
    assert len({len(record) for record in records}) == 1
    stream = b"".join(records)
    pair.server.receive_data(kind(stream[:50]))
    pair.server.receive_data(kind(stream[50:]))
    assert pair.server.read() == b"".join(contents)


@pytest.mark.parametrize("place", [0, 1, 15, 31, 32, 63])
def test_among_records_of_one_length_each_may_be_wrong(pair13: Pair, place: int) -> None:
    records = [pair13.client.seal(b"data") for _ in range(64)]
    records[place] = records[place][:-1] + bytes([records[place][-1] ^ 1])
    with pytest.raises(ProtocolError) as caught:
        pair13.server.take_data(b"".join(records))
    assert caught.value.alert == Alert.BAD_RECORD_MAC
    assert pair13.server.read() == b"data" * place


@pytest.mark.parametrize("place", [0, 1, 15, 31, 32, 63])
def test_among_records_of_one_length_each_may_be_a_key_update(pair13: Pair, place: int) -> None:
    client, server = pair13.client, pair13.server
    contents = [b"%05d" % number for number in range(64)]  # as long as a KeyUpdate
    records = []
    for number, content in enumerate(contents):
        if number == place:
            client.key_update()
            records.append(client.data_to_send())
        records.append(client.seal(content))
    assert len({len(record) for record in records}) == 1
    assert server.take_data(b"".join(records)) is None
    assert server.read() == b"".join(contents)


def test_among_records_of_one_length_some_may_be_padded(pair13: Pair) -> None:
    sealer: Any = pair13.client._writer.sealer
    sealer._padding = 64
    contents = [b"x" * (number % 60 + 1) for number in range(100)]
    records = list(map(pair13.client.seal, contents))
    assert len({len(record) for record in records}) == 1
    pair13.server.receive_data(b"".join(records))
    assert pair13.server.read() == b"".join(contents)


def test_the_quick_way_keeps_data_in_order(pair13: Pair) -> None:
    client, server = pair13.client, pair13.server
    client.write(b"unread")
    server.receive_data(client.data_to_send())
    assert server.take_data(client.seal(b" and after")) is None
    assert server.read() == b"unread and after"
    sealed = client.seal(b"cut")
    assert server.take_data(sealed[:10]) is None
    assert server.take_data(sealed[10:]) is None
    assert server.read() == b"cut"


def test_the_quick_way_refuses_what_was_changed_on_the_way(pair13: Pair) -> None:
    sealed = bytearray(pair13.client.seal(b"data"))
    sealed[-1] ^= 1
    with pytest.raises(ProtocolError) as caught:
        pair13.server.take_data(sealed)
    assert caught.value.alert == Alert.BAD_RECORD_MAC
    assert pair13.server.take_data(pair13.client.seal(b"data")) is None


def test_sealing_after_the_end_is_refused(pair13: Pair) -> None:
    pair13.client.send_close_notify()
    with pytest.raises(UsageError):
        pair13.client.seal(b"data")


def test_sealing_moves_on_to_the_next_key_in_time(pair13: Pair) -> None:
    client, server = pair13.client, pair13.server
    before: Any = client._writer.sealer
    before.limit = before.sequence + 1
    stream = client.seal(b"last under the old key") + client.seal(b", first under the new")
    after: Any = client._writer.sealer
    assert after.secret != before.secret
    server.receive_data(stream)
    assert server.read() == b"last under the old key, first under the new"


def test_the_quick_way_asks_for_another_key_in_time(pair13: Pair) -> None:
    client, server = pair13.client, pair13.server
    server._reader.opener.limit = server._reader.opener.sequence + 1
    assert server.take_data(client.seal(b"data")) is None
    assert server.read() == b"data"
    client.receive_data(server.data_to_send())
    before = client._writer.sealer
    assert server.take_data(client.seal(b"more")) is None
    assert client._writer.sealer is not before
    assert server.read() == b"more"


@pytest.mark.parametrize("side", ["client", "server"])
def test_an_end_before_the_beginning(client: ClientConfig, server: ServerConfig, side: str) -> None:
    """There is no handshake to cancel yet (RFC 8446, section 6.1): close_notify alone."""
    ends = {"client": TLSConnection(client, "localhost"), "server": TLSConnection(server)}
    ends[side].send_close_notify()
    other = ends["server" if side == "client" else "client"]
    other.data_to_send()
    with pytest.raises(Truncated, match="close_notify"):
        other.receive_data(ends[side].data_to_send())
