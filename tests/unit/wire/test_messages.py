"""Each handshake message: the bytes it is, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.enums import Alert, HandshakeType
from aiotls.errors import DecodeError, ProtocolError
from aiotls.wire import extensions as ext
from aiotls.wire import messages as msg
from aiotls.wire.extensions import Extensions, KeyShareEntry, OfferedPsks, PskIdentity
from tests.unit.wire.strategies import MESSAGES

every_message = pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


# -- properties of all -----------------------------------------------------------------------------


def test_every_message_is_in_a_table_and_in_these_tests() -> None:
    negotiated = {msg.RawPublicKey12}  # what a Certificate can be instead (RFC 7250, section 3)
    assert {*msg.MESSAGES13.values(), *msg.MESSAGES12.values()} == set(MESSAGES) - negotiated
    for table in (msg.MESSAGES13, msg.MESSAGES12):
        for code, message in table.items():
            assert message.type == code
    # message_hash only ever stands in a transcript (RFC 8446, section 4.4.1).
    assert {m.type for m in MESSAGES} == set(HandshakeType) - {HandshakeType.MESSAGE_HASH}


@every_message
@given(data=st.data())
def test_a_message_survives_being_encoded_and_parsed(
    kind: type[msg.Message], data: st.DataObject
) -> None:
    message = data.draw(MESSAGES[kind])
    encoded = message.encode()
    assert encoded[0] == kind.type
    assert int.from_bytes(encoded[1:4], "big") == len(encoded) - 4
    parsed = kind.parse(encoded[4:])
    assert parsed == message
    assert parsed.encode() == encoded


@every_message
@given(data=st.data())
def test_no_proper_prefix_of_a_message_parses(kind: type[msg.Message], data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    body = message.encode()[4:]
    whole = {len(body)}
    if isinstance(message, msg.ClientHello | msg.ServerHello):
        # RFC 5246, sections 7.4.1.2 and 7.4.1.3: a hello without extensions is a hello.
        bare = dataclasses.replace(message, extensions=Extensions())
        whole.add(len(bare.encode()) - 4)
    elif isinstance(message, msg.Finished):
        whole |= {12, 32}
    for end in range(len(body)):
        if end not in whole:
            with pytest.raises(ProtocolError) as caught:
                kind.parse(body[:end])
            assert caught.value.alert is Alert.DECODE_ERROR


@every_message
@given(data=st.data())
def test_bytes_after_a_message_are_refused(kind: type[msg.Message], data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    body = message.encode()[4:]
    with pytest.raises(DecodeError):
        kind.parse(body + b"\0")


@every_message
@given(body=st.binary(max_size=120))
def test_random_bytes_are_a_message_or_a_protocol_error(
    kind: type[msg.Message], body: bytes
) -> None:
    try:
        kind.parse(body)
    except ProtocolError:
        pass


@every_message
@given(data=st.data())
def test_damaged_bytes_are_a_message_or_a_protocol_error(
    kind: type[msg.Message], data: st.DataObject
) -> None:
    body = bytearray(data.draw(MESSAGES[kind]).encode()[4:])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        message = kind.parse(bytes(body))
    except ProtocolError:
        return
    again = kind.parse(message.encode()[4:])
    assert again == message


@every_message
@given(data=st.data())
def test_a_message_does_not_change(kind: type[msg.Message], data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    assert not hasattr(message, "__dict__")
    for field in dataclasses.fields(message):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, field.name, None)


# -- the traces of RFC 8448, section 3 -------------------------------------------------------------

CLIENT_HELLO = raw(
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece700000613011303"
    "1302010000910000000b0009000006736572766572ff01000100000a00140012001d0017001800190100010101"
    "020103010400230000003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413"
    "691e529aaf2c002b0003020304000d0020001e0403050306030203080408050806040105010601020104020502"
    "06020202002d00020101001c00024001"
)
SERVER_HELLO = raw(
    "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00"
    "330024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304"
)
ENCRYPTED_EXTENSIONS = raw(
    "080000240022000a00140012001d00170018001901000101010201030104001c0002400100000000"
)


def test_the_client_hello_of_rfc8448() -> None:
    hello = msg.ClientHello.parse(CLIENT_HELLO[4:])
    assert hello.encode() == CLIENT_HELLO
    assert hello.cipher_suites == (0x1301, 0x1303, 0x1302)
    assert hello.session_id == b""
    assert hello.extensions.get(ext.SERVER_NAME) == "server"
    assert hello.extensions.get(ext.SUPPORTED_VERSIONS) == (0x0304,)
    assert hello.extensions.get(ext.RECORD_SIZE_LIMIT) == 0x4001
    assert hello.extensions.get(ext.PSK_KEY_EXCHANGE_MODES) == (1,)
    shares = hello.extensions.get(ext.KEY_SHARE)
    assert shares is not None
    assert [(entry.group, len(entry.key_exchange)) for entry in shares] == [(0x1D, 32)]
    rebuilt = Extensions.of(
        (ext.SERVER_NAME, "server"),
        (ext.RENEGOTIATION_INFO, b""),
        (ext.SUPPORTED_GROUPS, (0x1D, 0x17, 0x18, 0x19, 0x100, 0x101, 0x102, 0x103, 0x104)),
        (ext.SESSION_TICKET, b""),
        (ext.KEY_SHARE, shares),
        (ext.SUPPORTED_VERSIONS, (0x0304,)),
        (ext.SIGNATURE_ALGORITHMS, hello.extensions.get(ext.SIGNATURE_ALGORITHMS)),
        (ext.PSK_KEY_EXCHANGE_MODES, (1,)),
        (ext.RECORD_SIZE_LIMIT, 0x4001),
    )
    assert dataclasses.replace(hello, extensions=rebuilt).encode() == CLIENT_HELLO


def test_the_server_hello_of_rfc8448() -> None:
    hello = msg.ServerHello.parse(SERVER_HELLO[4:])
    assert hello.encode() == SERVER_HELLO
    assert hello.version == 0x0304
    assert hello.legacy_version == 0x0303
    assert not hello.is_retry
    assert hello.cipher_suite == 0x1301
    share = hello.extensions.get(ext.KEY_SHARE_SERVER)
    assert share is not None
    assert share.group == 0x1D


def test_the_encrypted_extensions_of_rfc8448() -> None:
    message = msg.EncryptedExtensions.parse(ENCRYPTED_EXTENSIONS[4:])
    assert message.encode() == ENCRYPTED_EXTENSIONS
    assert message.extensions.get(ext.SERVER_NAME_ACK) is True


# -- the hellos ------------------------------------------------------------------------------------

PSK = (ext.PRE_SHARED_KEY, OfferedPsks((PskIdentity(b"ticket", 7),), (b"b" * 32,)))


def client_hello(*rows: tuple[Any, Any], **fields: Any) -> msg.ClientHello:
    return msg.ClientHello(
        **{
            "random": b"r" * 32,
            "session_id": b"",
            "cipher_suites": (0x1301,),
            "extensions": Extensions.build(rows),
            **fields,
        }
    )


def server_hello(*rows: tuple[Any, Any], **fields: Any) -> msg.ServerHello:
    return msg.ServerHello(
        **{
            "random": b"r" * 32,
            "session_id": b"",
            "cipher_suite": 0x1301,
            "extensions": Extensions.build(rows),
            **fields,
        }
    )


def reparse(message: msg.Message) -> msg.Message:
    return type(message).parse(message.encode()[4:])


def refusal(message: msg.Message) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        reparse(message)
    return caught.value


def test_a_hello_may_lack_extensions_altogether_rfc5246_7_4_1_2() -> None:
    hello = msg.ClientHello.parse(raw("0303" + "11" * 32 + "00 0002c02f 0100"))
    assert hello.extensions == Extensions()
    with_block = msg.ClientHello.parse(raw("0303" + "11" * 32 + "00 0002c02f 0100 0000"))
    assert with_block == hello
    server = msg.ServerHello.parse(raw("0303" + "11" * 32 + "00 c02f 00"))
    assert server.version == 0x0303
    assert server.extensions.types == ()


def test_pre_shared_key_must_be_the_last_extension_rfc8446_4_2_11() -> None:
    hello = client_hello((0x7777, b""), PSK)
    assert reparse(hello) == hello
    error = refusal(client_hello(PSK, (0x7777, b"")))
    assert error.alert is Alert.ILLEGAL_PARAMETER
    assert error.reason == "PRE_SHARED_KEY_MUST_BE_LAST"


def test_binders_cover_the_hello_up_to_their_list_rfc8446_4_2_11_2() -> None:
    hello = client_hello((ext.SUPPORTED_VERSIONS, (0x0304,)), PSK)
    encoded = hello.encode()
    assert hello.binders_length == 2 + 33
    assert hello.binders_offset == len(encoded) - 35
    assert encoded[hello.binders_offset :] == b"\0\x21\x20" + b"b" * 32
    assert hello.truncated() == encoded[:-35]
    # The lengths that are covered are those of the whole message.
    assert hello.truncated()[1:4] == encoded[1:4]
    parsed = msg.ClientHello.parse(encoded[4:])
    assert parsed.truncated() == hello.truncated()


def test_a_hello_without_binders_is_not_truncated() -> None:
    hello = client_hello()
    assert hello.binders_length == 0
    assert hello.binders_offset == len(hello.encode())
    assert hello.truncated() == hello.encode()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"session_id": b"s" * 33}, id="session_id_at_most_32_bytes_rfc8446_4_1_2"),
        pytest.param({"cipher_suites": ()}, id="cipher_suites_at_least_one_rfc8446_4_1_2"),
        pytest.param({"compression_methods": b""}, id="compression_at_least_one_rfc8446_4_1_2"),
        pytest.param({"random": b"r" * 31}, id="random_is_32_bytes_rfc8446_4_1_2"),
    ],
)
def test_client_hello_decode_error(fields: dict[str, Any]) -> None:
    assert isinstance(refusal(client_hello(**fields)), DecodeError)


def test_an_odd_list_of_cipher_suites_is_refused() -> None:
    with pytest.raises(DecodeError):
        msg.ClientHello.parse(raw("0303" + "11" * 32 + "00 0003c02f00 0100"))


def test_a_server_session_id_is_at_most_32_bytes_rfc8446_4_1_3() -> None:
    error = refusal(server_hello((ext.SELECTED_VERSION, 0x0304), session_id=b"s" * 33))
    assert isinstance(error, DecodeError)


def test_a_known_extension_out_of_place_must_be_refused_rfc8446_4_2() -> None:
    misplaced = [
        client_hello((ext.OID_FILTERS, ())),
        server_hello((ext.SELECTED_VERSION, 0x0304), (ext.ALPN_SELECTED, b"h2")),
        server_hello((ext.COOKIE, b"c"), (ext.SELECTED_VERSION, 0x0304)),
        server_hello((ext.KEY_SHARE_SERVER, KeyShareEntry(0x1D, b"k"))),
        msg.EncryptedExtensions(Extensions.of((ext.KEY_SHARE_RETRY, 0x1D))),
        msg.CertificateRequest(b"", Extensions.of((ext.SERVER_NAME_ACK, True))),
        msg.Certificate(b"", (msg.CertificateEntry(b"c", Extensions.of((ext.COOKIE, b"c"))),)),
        msg.NewSessionTicket(1, 2, b"", b"t", Extensions.of((ext.SERVER_NAME, "a"))),
    ]
    for message in misplaced:
        error = refusal(message)
        assert error.alert is Alert.ILLEGAL_PARAMETER, message
        assert error.reason == "UNEXPECTED_EXTENSION"


def test_a_malformed_extension_is_found_when_its_message_is_parsed() -> None:
    broken: list[msg.Message] = [
        client_hello((ext.COOKIE.type, b"\0")),
        server_hello((ext.SELECTED_VERSION.type, b"\3")),
        msg.EncryptedExtensions(Extensions.of((ext.ALPN.type, b"\0\0"))),
        msg.CertificateRequest(b"", Extensions.of((ext.SIGNATURE_ALGORITHMS.type, b"\0\0"))),
        msg.NewSessionTicket(1, 2, b"", b"t", Extensions.of((ext.EARLY_DATA.type, b"\0"))),
    ]
    for message in broken:
        assert refusal(message).reason == "BAD_EXTENSION"


@pytest.mark.parametrize("version", [0x0300, 0x0302, 0x0303])
def test_supported_versions_must_not_select_a_version_before_tls13_rfc8446_4_2_1(
    version: int,
) -> None:
    error = refusal(server_hello((ext.SELECTED_VERSION, version)))
    assert error.alert is Alert.ILLEGAL_PARAMETER


def test_a_hello_retry_request_is_known_by_its_random_rfc8446_4_1_3() -> None:
    rows = [(ext.SELECTED_VERSION, 0x0304), (ext.KEY_SHARE_RETRY, 0x17), (ext.COOKIE, b"c")]
    retry = server_hello(*rows, random=msg.HELLO_RETRY_REQUEST_RANDOM)
    parsed = reparse(retry)
    assert isinstance(parsed, msg.ServerHello)
    assert parsed.is_retry
    assert parsed.extensions.get(ext.KEY_SHARE_RETRY) == 0x17
    # The same extensions do not make a ServerHello.
    assert isinstance(refusal(server_hello(*rows)), ProtocolError)


def test_a_hello_retry_request_must_have_supported_versions_rfc8446_9_2() -> None:
    error = refusal(server_hello((ext.COOKIE, b"c"), random=msg.HELLO_RETRY_REQUEST_RANDOM))
    assert error.alert is Alert.MISSING_EXTENSION


def test_a_tls12_server_hello_carries_what_encrypted_extensions_carry_later() -> None:
    hello = server_hello(
        (ext.ALPN_SELECTED, b"h2"),
        (ext.RENEGOTIATION_INFO, b""),
        (ext.EXTENDED_MASTER_SECRET, True),
        (ext.EC_POINT_FORMATS, (0,)),
        cipher_suite=0xC02F,
    )
    assert reparse(hello) == hello
    assert hello.version == 0x0303


# -- the others ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(
            msg.Certificate, "00 000005 000000 0000", id="cert_data_not_empty_rfc8446_4_4_2"
        ),
        pytest.param(
            msg.Certificate, "00 000004 000001 61", id="entry_has_extensions_rfc8446_4_4_2"
        ),
        pytest.param(msg.NewSessionTicket, "00" * 8 + "00 0000 0000", id="ticket_rfc8446_4_6_1"),
        pytest.param(msg.KeyUpdate, "", id="key_update_has_a_request_rfc8446_4_6_3"),
        pytest.param(msg.KeyUpdate, "0000", id="key_update_is_one_byte_rfc8446_4_6_3"),
        pytest.param(msg.KeyUpdate, "0200", id="key_update_of_two_bytes_is_a_decode_error"),
        pytest.param(msg.EndOfEarlyData, "00", id="end_of_early_data_is_empty_rfc8446_4_5"),
        pytest.param(msg.Finished, "", id="finished_not_empty_rfc8446_4_4_4"),
        pytest.param(msg.Finished, "00" * 31, id="finished_is_a_hash_rfc8446_4_4_4"),
        pytest.param(msg.CompressedCertificate, "0001 000010 000000", id="not_empty_rfc8879_4"),
        pytest.param(msg.HelloRequest, "00", id="hello_request_is_empty_rfc5246_7_4_1_1"),
        pytest.param(msg.Certificate12, "000003 000000", id="certificate_not_empty_rfc5246_7_4_2"),
        pytest.param(msg.CertificateRequest12, "00 0002 0403 0000", id="types_rfc5246_7_4_4"),
        pytest.param(msg.CertificateRequest12, "01 40 0000 0000", id="schemes_rfc5246_7_4_4"),
        pytest.param(msg.CertificateRequest12, "01 40 0002 0403 0002 0000", id="dn_rfc5246_7_4_4"),
        pytest.param(msg.ServerKeyExchange, "03 001d 00 0403 0000", id="point_rfc8422_5_4"),
        pytest.param(msg.ServerHelloDone, "00", id="server_hello_done_is_empty_rfc5246_7_4_5"),
        pytest.param(msg.ClientKeyExchange, "00", id="point_rfc8422_5_7"),
        pytest.param(msg.CertificateStatus, "01 000000", id="response_not_empty_rfc6066_8"),
        pytest.param(msg.CertificateStatus, "02 000001 61", id="status_type_rfc6066_8"),
    ],
)
def test_decode_error(kind: type[msg.Message], body: str) -> None:
    with pytest.raises(DecodeError) as caught:
        kind.parse(raw(body))
    assert caught.value.alert is Alert.DECODE_ERROR


@pytest.mark.parametrize("request_update", [2, 255])
def test_an_undefined_key_update_request_must_be_refused_rfc8446_4_6_3(request_update: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        msg.KeyUpdate.parse(bytes([request_update]))
    assert caught.value.alert is Alert.ILLEGAL_PARAMETER


@pytest.mark.parametrize("curve_type", [0, 1, 2, 4])
def test_only_named_curves_are_understood_rfc8422_5_4(curve_type: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        msg.ServerKeyExchange.parse(bytes([curve_type]) + raw("001d 01 61 0403 0000"))
    assert caught.value.alert is Alert.ILLEGAL_PARAMETER


def test_what_a_server_signs_of_its_key_exchange_rfc8422_5_4() -> None:
    message = msg.ServerKeyExchange(0x1D, b"k" * 32, 0x0403, b"sig")
    assert message.params == b"\x03\x00\x1d\x20" + b"k" * 32
    assert message.encode()[4:] == message.params + b"\x04\x03\x00\x03sig"


def test_a_client_may_send_no_certificate_rfc8446_4_4_2() -> None:
    assert msg.Certificate.parse(raw("00 000000")) == msg.Certificate(b"", ())
    assert msg.Certificate12.parse(raw("000000")) == msg.Certificate12(())


def test_a_tls12_server_may_change_its_mind_about_a_ticket_rfc5077_3_3() -> None:
    assert msg.NewSessionTicket12.parse(raw("00000000 0000")).ticket == b""


def test_a_request_asks_for_staples_with_empty_extensions_rfc8446_4_4_2_1() -> None:
    request = msg.CertificateRequest.parse(
        raw("00 0012 0005 0000 0012 0000 000d 0006 0004 0403 0804")
    )
    assert request.extensions.get(ext.STATUS_REQUEST_EMPTY) is True
    assert request.extensions.get(ext.SIGNED_CERTIFICATE_TIMESTAMP_REQUEST) is True
