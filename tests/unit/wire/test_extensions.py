"""Each extension in each form: what it encodes to, where it may stand, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.enums import GREASE_VALUES, Alert, ExtensionType
from aiotls.errors import DecodeError, ProtocolError, UsageError
from aiotls.wire import extensions as ext
from aiotls.wire.codec import Reader, Writer
from aiotls.wire.extensions import EXTENSIONS, Context, Extension, Extensions, row_for
from tests.unit.wire.strategies import OPAQUE, ROW_NAMES, ROWS, VALUES, opaque, unknown_types

every_row = pytest.mark.parametrize("row", ROWS, ids=ROW_NAMES.__getitem__)


def body_of(text: str) -> bytes:
    return bytes.fromhex(text)


# -- the table -------------------------------------------------------------------------------------

CH, SH, HRR, EE, CT, CR, NST, SH12 = Context

ALLOWED = {
    # RFC 8446, section 4.2; the registry's column "TLS 1.3"; TLS 1.2 from each one's own RFC.
    ExtensionType.SERVER_NAME: CH | EE | SH12,
    ExtensionType.MAX_FRAGMENT_LENGTH: CH | EE | SH12,
    ExtensionType.STATUS_REQUEST: CH | CR | CT | SH12,
    ExtensionType.SUPPORTED_GROUPS: CH | EE | SH12,
    ExtensionType.EC_POINT_FORMATS: CH | SH12,
    ExtensionType.SIGNATURE_ALGORITHMS: CH | CR,
    ExtensionType.ALPN: CH | EE | SH12,
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP: CH | CR | CT | SH12,
    ExtensionType.CLIENT_CERTIFICATE_TYPE: CH | EE | SH12,
    ExtensionType.SERVER_CERTIFICATE_TYPE: CH | EE | SH12,
    ExtensionType.PADDING: CH,
    ExtensionType.EXTENDED_MASTER_SECRET: CH | SH12,
    ExtensionType.COMPRESS_CERTIFICATE: CH | CR,
    ExtensionType.RECORD_SIZE_LIMIT: CH | EE | SH12,
    ExtensionType.DELEGATED_CREDENTIAL: CH | CR | CT,
    ExtensionType.SESSION_TICKET: CH | SH12,
    ExtensionType.PRE_SHARED_KEY: CH | SH,
    ExtensionType.EARLY_DATA: CH | EE | NST,
    ExtensionType.SUPPORTED_VERSIONS: CH | SH | HRR,
    ExtensionType.COOKIE: CH | HRR,
    ExtensionType.PSK_KEY_EXCHANGE_MODES: CH,
    ExtensionType.CERTIFICATE_AUTHORITIES: CH | CR,
    ExtensionType.OID_FILTERS: CR,
    ExtensionType.POST_HANDSHAKE_AUTH: CH,
    ExtensionType.SIGNATURE_ALGORITHMS_CERT: CH | CR,
    ExtensionType.KEY_SHARE: CH | SH | HRR,
    ExtensionType.ENCRYPTED_CLIENT_HELLO: CH | EE | HRR,
    ExtensionType.RENEGOTIATION_INFO: CH | SH12,
}

BODIES = {
    # One well-formed extension_data for each row, written out by hand from its RFC.
    ext.SERVER_NAME: "000e 00 000b 6578616d706c652e636f6d",
    ext.SERVER_NAME_ACK: "",
    ext.MAX_FRAGMENT_LENGTH: "01",
    ext.STATUS_REQUEST: "01 0000 0000",
    ext.STATUS_REQUEST_EMPTY: "",
    ext.CERTIFICATE_STATUS: "01 000003 300100",
    ext.SUPPORTED_GROUPS: "0004 11ec 001d",
    ext.EC_POINT_FORMATS: "01 00",
    ext.SIGNATURE_ALGORITHMS: "0004 0403 0804",
    ext.SIGNATURE_ALGORITHMS_CERT: "0002 0403",
    ext.ALPN: "000c 02 6832 08 687474702f312e31",
    ext.ALPN_SELECTED: "0003 02 6832",
    ext.SIGNED_CERTIFICATE_TIMESTAMP_REQUEST: "",
    ext.SIGNED_CERTIFICATE_TIMESTAMPS: "0004 0002 0001",
    ext.CLIENT_CERTIFICATE_TYPE: "02 02 00",
    ext.CLIENT_CERTIFICATE_TYPE_SELECTED: "02",
    ext.SERVER_CERTIFICATE_TYPE: "01 02",
    ext.SERVER_CERTIFICATE_TYPE_SELECTED: "00",
    ext.PADDING: "0000",
    ext.EXTENDED_MASTER_SECRET: "",
    ext.COMPRESS_CERTIFICATE: "04 0002 0001",
    ext.RECORD_SIZE_LIMIT: "4001",
    ext.DELEGATED_CREDENTIAL: "0002 0403",
    ext.DELEGATED_CREDENTIAL_CERTIFICATE: "00",
    ext.SESSION_TICKET: "",
    ext.PRE_SHARED_KEY: "0007 0001 74 00000005 0021 20" + "bb" * 32,
    ext.PRE_SHARED_KEY_SELECTED: "0000",
    ext.EARLY_DATA: "",
    ext.EARLY_DATA_LIMIT: "00004000",
    ext.SUPPORTED_VERSIONS: "04 0304 0303",
    ext.SELECTED_VERSION: "0304",
    ext.COOKIE: "0001 63",
    ext.PSK_KEY_EXCHANGE_MODES: "01 01",
    ext.CERTIFICATE_AUTHORITIES: "0004 0002 3000",
    ext.OID_FILTERS: "0007 02 0603 0002 3000",
    ext.POST_HANDSHAKE_AUTH: "",
    ext.KEY_SHARE: "0006 001d 0002 aabb",
    ext.KEY_SHARE_SERVER: "001d 0002 aabb",
    ext.KEY_SHARE_RETRY: "0017",
    ext.ENCRYPTED_CLIENT_HELLO: "01",
    ext.RENEGOTIATION_INFO: "00",
}

VALUES_OF_BODIES: dict[Extension[Any], Any] = {
    ext.SERVER_NAME: "example.com",
    ext.STATUS_REQUEST: ext.StatusRequest(),
    ext.CERTIFICATE_STATUS: b"0\x01\x00",
    ext.SUPPORTED_GROUPS: (0x11EC, 0x1D),
    ext.ALPN: (b"h2", b"http/1.1"),
    ext.ALPN_SELECTED: b"h2",
    ext.SIGNED_CERTIFICATE_TIMESTAMPS: (b"\0\x01",),
    ext.CLIENT_CERTIFICATE_TYPE: (2, 0),
    ext.COMPRESS_CERTIFICATE: (2, 1),
    ext.RECORD_SIZE_LIMIT: 0x4001,
    ext.PRE_SHARED_KEY: ext.OfferedPsks((ext.PskIdentity(b"t", 5),), (b"\xbb" * 32,)),
    ext.PRE_SHARED_KEY_SELECTED: 0,
    ext.EARLY_DATA: True,
    ext.EARLY_DATA_LIMIT: 0x4000,
    ext.SUPPORTED_VERSIONS: (0x0304, 0x0303),
    ext.SELECTED_VERSION: 0x0304,
    ext.COOKIE: b"c",
    ext.CERTIFICATE_AUTHORITIES: (b"0\0",),
    ext.OID_FILTERS: (ext.OidFilter(b"\x06\x03", b"0\0"),),
    ext.KEY_SHARE: (ext.KeyShareEntry(0x1D, b"\xaa\xbb"),),
    ext.KEY_SHARE_SERVER: ext.KeyShareEntry(0x1D, b"\xaa\xbb"),
    ext.KEY_SHARE_RETRY: 0x17,
    ext.RENEGOTIATION_INFO: b"",
}


def test_every_row_is_in_the_table_and_in_these_tests() -> None:
    assert set(EXTENSIONS) == set(ROW_NAMES) == set(VALUES) == set(BODIES)
    assert len(EXTENSIONS) == len(set(EXTENSIONS))


def test_no_message_has_two_forms_of_an_extension() -> None:
    for context in Context:
        types = [row.type for row in EXTENSIONS if context in row.contexts]
        assert len(types) == len(set(types)), context


@pytest.mark.parametrize("context", Context, ids=lambda context: context.name)
@pytest.mark.parametrize("kind", ALLOWED, ids=lambda kind: kind.name)
def test_every_extension_is_refused_or_permitted_in_every_message(
    kind: ExtensionType, context: Context
) -> None:
    """RFC 8446, section 4.2: one that is known and out of place MUST end in illegal_parameter."""
    row = row_for(kind, context)
    if context in ALLOWED[kind]:
        assert row is not None
        Extensions.of((kind, body_of(BODIES[row]))).check(context)
    else:
        assert row is None
        with pytest.raises(ProtocolError) as caught:
            Extensions.of((kind, b"")).check(context)
        assert caught.value.alert is Alert.ILLEGAL_PARAMETER
        assert caught.value.reason == "UNEXPECTED_EXTENSION"
        assert kind.name.lower() in str(caught.value)


def test_the_table_covers_what_these_tests_expect() -> None:
    assert set(ALLOWED) == ext.KNOWN_TYPES
    # ech_outer_extensions exists only inside an encrypted ClientHello (RFC 9849, section 5.1).
    assert set(ExtensionType) - set(ALLOWED) == {ExtensionType.ECH_OUTER_EXTENSIONS}


# -- values ----------------------------------------------------------------------------------------


@every_row
def test_the_bytes_written_by_hand_are_what_the_row_reads_and_writes(row: Extension[Any]) -> None:
    body = body_of(BODIES[row])
    value = row.decode(body)
    assert row.encode(value) == body
    if row in VALUES_OF_BODIES:
        assert value == VALUES_OF_BODIES[row]


@every_row
@given(data=st.data())
def test_a_value_survives_being_written_and_read(row: Extension[Any], data: st.DataObject) -> None:
    value = data.draw(VALUES[row])
    assert row.decode(row.encode(value)) == value


@every_row
@given(data=st.data())
def test_no_proper_prefix_of_an_extension_parses(row: Extension[Any], data: st.DataObject) -> None:
    value = data.draw(VALUES[row])
    if row in OPAQUE or (isinstance(value, ext.StatusRequest) and value.status_type != ext.OCSP):
        return
    body = row.encode(value)
    for end in range(len(body)):
        with pytest.raises(ProtocolError) as caught:
            row.decode(body[:end])
        assert caught.value.alert is Alert.DECODE_ERROR


@every_row
@given(data=st.data())
def test_bytes_after_an_extension_are_refused(row: Extension[Any], data: st.DataObject) -> None:
    value = data.draw(VALUES[row])
    if row in OPAQUE or (isinstance(value, ext.StatusRequest) and value.status_type != ext.OCSP):
        return
    with pytest.raises(DecodeError):
        row.decode(row.encode(value) + b"\0")


@every_row
@given(body=st.binary(max_size=60))
def test_random_bytes_are_a_value_or_a_protocol_error(row: Extension[Any], body: bytes) -> None:
    try:
        value = row.decode(body)
    except ProtocolError:
        return
    assert row.encode(value) == body


@every_row
@given(data=st.data())
def test_damaged_bytes_are_a_value_or_a_protocol_error(
    row: Extension[Any], data: st.DataObject
) -> None:
    body = bytearray(row.encode(data.draw(VALUES[row])))
    if body:
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = row.decode(bytes(body))
    except ProtocolError:
        return
    assert row.encode(value) == body


# -- what an RFC forbids ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "body"),
    [
        pytest.param(ext.SERVER_NAME, "0000", id="server_name_list_must_not_be_empty_rfc6066_3"),
        pytest.param(ext.SERVER_NAME, "0003 00 0000", id="host_name_must_not_be_empty_rfc6066_3"),
        pytest.param(
            ext.SERVER_NAME, "0004 01 0001 61", id="name_type_must_be_host_name_rfc6066_3"
        ),
        pytest.param(
            ext.SERVER_NAME,
            "0008 00 0001 61 00 0001 62",
            id="must_not_contain_two_names_of_a_type_rfc6066_3",
        ),
        pytest.param(ext.SERVER_NAME, "0004 00 0001 e9", id="host_name_is_ascii_rfc6066_3"),
        pytest.param(ext.SERVER_NAME, "0004 00 0001 00", id="host_name_has_no_nul_rfc6066_3"),
        pytest.param(ext.SERVER_NAME, "0004 00 0001 0a", id="host_name_has_no_newline_rfc6066_3"),
        pytest.param(
            ext.SERVER_NAME,
            "0103 00 0100" + "61" * 256,
            id="host_name_is_at_most_255_bytes_rfc1035_2_3_4",
        ),
        pytest.param(ext.SERVER_NAME_ACK, "00", id="server_name_ack_shall_be_empty_rfc6066_3"),
        pytest.param(ext.ALPN, "0000", id="protocol_name_list_must_not_be_empty_rfc7301_3_1"),
        pytest.param(ext.ALPN, "0001 00", id="protocol_names_must_not_be_empty_rfc7301_3_1"),
        pytest.param(
            ext.ALPN, "0003 01 61 00", id="empty_protocol_must_not_be_included_rfc7301_3_1"
        ),
        pytest.param(
            ext.ALPN_SELECTED,
            "0004 01 61 01 62",
            id="must_contain_exactly_one_protocol_rfc7301_3_1",
        ),
        pytest.param(ext.SUPPORTED_VERSIONS, "00", id="versions_at_least_one_rfc8446_4_2_1"),
        pytest.param(ext.SUPPORTED_VERSIONS, "03 030403", id="versions_are_16_bits_rfc8446_4_2_1"),
        pytest.param(ext.COOKIE, "0000", id="cookie_must_not_be_empty_rfc8446_4_2_2"),
        pytest.param(ext.SIGNATURE_ALGORITHMS, "0000", id="schemes_at_least_one_rfc8446_4_2_3"),
        pytest.param(
            ext.SIGNATURE_ALGORITHMS_CERT,
            "0000",
            id="certificate_schemes_at_least_one_rfc8446_4_2_3",
        ),
        pytest.param(
            ext.CERTIFICATE_AUTHORITIES, "0000", id="authorities_at_least_one_rfc8446_4_2_4"
        ),
        pytest.param(ext.CERTIFICATE_AUTHORITIES, "0002 0000", id="names_not_empty_rfc8446_4_2_4"),
        pytest.param(
            ext.CERTIFICATE_AUTHORITIES, "0005 0001 61 0000", id="no_name_empty_rfc8446_4_2_4"
        ),
        pytest.param(ext.OID_FILTERS, "0004 00 0001 61", id="filter_oid_not_empty_rfc8446_4_2_5"),
        pytest.param(ext.SUPPORTED_GROUPS, "0000", id="groups_at_least_one_rfc8446_4_2_7"),
        pytest.param(ext.KEY_SHARE, "0004 001d 0000", id="key_exchange_not_empty_rfc8446_4_2_8"),
        pytest.param(ext.KEY_SHARE_SERVER, "001d 0000", id="server_share_not_empty_rfc8446_4_2_8"),
        pytest.param(ext.PSK_KEY_EXCHANGE_MODES, "00", id="modes_at_least_one_rfc8446_4_2_9"),
        pytest.param(ext.EARLY_DATA, "00", id="early_data_is_empty_rfc8446_4_2_10"),
        pytest.param(ext.PRE_SHARED_KEY, "0000 0000", id="identities_at_least_one_rfc8446_4_2_11"),
        pytest.param(
            ext.PRE_SHARED_KEY,
            "0007 0000 00000000 ff 0021 20" + "00" * 32,
            id="identity_not_empty_rfc8446_4_2_11",
        ),
        pytest.param(
            ext.PRE_SHARED_KEY,
            "0007 0001 74 00000005 0020 1f" + "00" * 31,
            id="binders_at_least_33_bytes_rfc8446_4_2_11",
        ),
        pytest.param(
            ext.PRE_SHARED_KEY,
            "0007 0001 74 00000005 0022 1f" + "00" * 33,
            id="binder_at_least_32_bytes_rfc8446_4_2_11",
        ),
        pytest.param(
            ext.POST_HANDSHAKE_AUTH, "00", id="post_handshake_auth_is_empty_rfc8446_4_2_6"
        ),
        pytest.param(ext.CERTIFICATE_STATUS, "02 000001 61", id="status_type_is_ocsp_rfc6066_8"),
        pytest.param(ext.CERTIFICATE_STATUS, "01 000000", id="response_not_empty_rfc6066_8"),
        pytest.param(
            ext.STATUS_REQUEST, "01 0002 0000 0000", id="responder_id_not_empty_rfc6066_8"
        ),
        pytest.param(
            ext.STATUS_REQUEST_EMPTY, "01 0000 0000", id="request_is_empty_rfc8446_4_4_2_1"
        ),
        pytest.param(
            ext.SIGNED_CERTIFICATE_TIMESTAMPS, "0000", id="sct_list_not_empty_rfc6962_3_3"
        ),
        pytest.param(
            ext.SIGNED_CERTIFICATE_TIMESTAMPS, "0002 0000", id="sct_not_empty_rfc6962_3_3"
        ),
        pytest.param(
            ext.SIGNED_CERTIFICATE_TIMESTAMP_REQUEST, "0000", id="request_is_empty_rfc6962_3_3_1"
        ),
        pytest.param(ext.COMPRESS_CERTIFICATE, "00", id="algorithms_at_least_one_rfc8879_3"),
        pytest.param(ext.DELEGATED_CREDENTIAL, "0000", id="schemes_at_least_one_rfc9345_4_1_1"),
        pytest.param(ext.EXTENDED_MASTER_SECRET, "00", id="must_be_empty_rfc7627_5_1"),
        pytest.param(ext.EC_POINT_FORMATS, "00", id="formats_at_least_one_rfc8422_5_1_2"),
        pytest.param(ext.CLIENT_CERTIFICATE_TYPE, "00", id="client_types_at_least_one_rfc7250_3"),
        pytest.param(ext.SERVER_CERTIFICATE_TYPE, "00", id="server_types_at_least_one_rfc7250_3"),
        pytest.param(ext.RENEGOTIATION_INFO, "", id="has_a_length_rfc5746_3_2"),
    ],
)
def test_decode_error(row: Extension[Any], body: str) -> None:
    with pytest.raises(DecodeError) as caught:
        row.decode(body_of(body))
    assert caught.value.alert is Alert.DECODE_ERROR
    assert caught.value.reason == "BAD_EXTENSION"
    assert row.name in str(caught.value)


@pytest.mark.parametrize(
    ("row", "body", "reason"),
    [
        pytest.param(
            ext.KEY_SHARE,
            "000a 001d 0001 aa 001d 0001 bb",
            "DUPLICATE_KEY_SHARE",
            id="must_not_offer_two_key_shares_for_a_group_rfc8446_4_2_8",
        ),
        pytest.param(
            ext.PRE_SHARED_KEY,
            "000e 0001 74 00000005 0001 75 00000005 0021 20" + "00" * 32,
            "PSK_IDENTITY_BINDER_COUNT_MISMATCH",
            id="each_identity_has_a_binder_rfc8446_4_2_11",
        ),
        pytest.param(
            ext.OID_FILTERS,
            "000a 02 0603 0000 02 0603 0000",
            "BAD_EXTENSION",
            id="must_not_contain_an_oid_twice_rfc8446_4_2_5",
        ),
        pytest.param(
            ext.RECORD_SIZE_LIMIT, "003f", "BAD_EXTENSION", id="must_not_be_below_64_rfc8449_4"
        ),
        pytest.param(
            ext.MAX_FRAGMENT_LENGTH,
            "00",
            "SSL3_EXT_INVALID_MAX_FRAGMENT_LENGTH",
            id="must_be_an_allowed_length_rfc6066_4_below",
        ),
        pytest.param(
            ext.MAX_FRAGMENT_LENGTH,
            "05",
            "SSL3_EXT_INVALID_MAX_FRAGMENT_LENGTH",
            id="must_be_an_allowed_length_rfc6066_4_above",
        ),
    ],
)
def test_illegal_parameter(row: Extension[Any], body: str, reason: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        row.decode(body_of(body))
    assert caught.value.alert is Alert.ILLEGAL_PARAMETER
    assert caught.value.reason == reason


def test_no_key_share_at_all_is_an_offer_too() -> None:
    """RFC 8446, section 4.2.8: an empty vector asks for a HelloRetryRequest."""
    assert ext.KEY_SHARE.decode(b"\0\0") == ()


def test_an_unknown_status_type_is_no_error() -> None:
    value = ext.STATUS_REQUEST.decode(b"\x02whatever")
    assert (value.status_type, value.unknown) == (2, b"whatever")


# -- the block -------------------------------------------------------------------------------------


def parse(block: bytes) -> Extensions:
    reader = Reader(block)
    extensions = Extensions.parse(reader)
    reader.finish()
    return extensions


blocks = st.dictionaries(st.integers(0, 0xFFFF), opaque, max_size=8)


@given(blocks)
def test_a_block_keeps_order_and_bytes(bodies: dict[int, bytes]) -> None:
    built = Extensions.build(bodies.items())
    parsed = parse(built.encode())
    assert parsed == built
    assert hash(parsed) == hash(built)
    assert parsed.encode() == built.encode()
    assert parsed.types == tuple(bodies)
    assert parsed.items == tuple(bodies.items())
    assert len(parsed) == len(bodies)
    for kind, body in bodies.items():
        assert kind in parsed
        assert parsed.raw(kind) == body


@given(blocks)
def test_no_proper_prefix_of_a_block_parses(bodies: dict[int, bytes]) -> None:
    block = Extensions.build(bodies.items()).encode()
    for end in range(len(block)):
        with pytest.raises(DecodeError):
            parse(block[:end])


@given(blocks, st.sampled_from(list(Context)))
def test_any_block_is_permitted_or_a_protocol_error(
    bodies: dict[int, bytes], context: Context
) -> None:
    try:
        Extensions.build(bodies.items()).check(context)
    except ProtocolError:
        pass


@given(st.binary(max_size=80))
def test_random_bytes_are_a_block_or_a_protocol_error(block: bytes) -> None:
    try:
        extensions = parse(len(block).to_bytes(2, "big") + block)
    except ProtocolError:
        return
    assert extensions.encode()[2:] == block


@pytest.mark.parametrize("kind", [*ALLOWED, 0x0A0A, 0x1234])
def test_there_must_not_be_two_extensions_of_a_type_rfc8446_4_2(kind: int) -> None:
    one = kind.to_bytes(2, "big") + b"\0\0"
    with pytest.raises(ProtocolError) as caught:
        parse(b"\0\x0c" + one + b"\x12\x35\0\0" + one)
    assert caught.value.alert is Alert.ILLEGAL_PARAMETER
    assert caught.value.reason == "DUPLICATE_EXTENSION"
    assert ExtensionType.label(kind).lower() in str(caught.value)


def test_an_extension_must_not_reach_past_its_block() -> None:
    with pytest.raises(DecodeError, match="cookie"):
        parse(body_of("0006 002c 0003 0001"))
    with pytest.raises(DecodeError):
        parse(body_of("0003 002c00"))


@given(unknown_types, opaque, st.sampled_from(list(Context)))
def test_unknown_extensions_pass_through(kind: int, body: bytes, context: Context) -> None:
    extensions = Extensions.of((kind, body))
    extensions.check(context)
    assert extensions.raw(kind) == body


def test_reserved_values_are_unknown_extensions() -> None:
    assert not GREASE_VALUES & ext.KNOWN_TYPES


def test_a_value_is_decoded_once_and_only_when_asked_for() -> None:
    malformed = parse(body_of("0005 002c 0001 00"))
    assert ext.COOKIE.type in malformed
    with pytest.raises(DecodeError):
        malformed.get(ext.COOKIE)
    with pytest.raises(DecodeError):
        malformed.check(Context.CLIENT_HELLO)
    extensions = Extensions.of((ext.KEY_SHARE, (ext.KeyShareEntry(0x1D, b"k"),)))
    assert extensions.get(ext.KEY_SHARE) is extensions.get(ext.KEY_SHARE)


def test_each_form_of_an_extension_is_asked_for_by_its_row() -> None:
    extensions = Extensions.of((ext.ALPN_SELECTED, b"h2"))
    assert extensions.get(ext.ALPN) == (b"h2",)
    assert extensions.get(ext.ALPN_SELECTED) == b"h2"
    assert extensions.get(ext.COOKIE) is None
    assert extensions.raw(ext.COOKIE.type) is None


def test_checking_for_one_message_does_not_vouch_for_another() -> None:
    extensions = Extensions.of((ext.KEY_SHARE_RETRY, 0x1D))
    extensions.check(Context.HELLO_RETRY_REQUEST)
    with pytest.raises(DecodeError):
        extensions.check(Context.SERVER_HELLO)
    with pytest.raises(ProtocolError, match=r"a TLS 1\.2 server_hello"):
        extensions.check(Context.SERVER_HELLO_12)


def test_building_the_same_type_twice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cookie"):
        Extensions.of((ext.COOKIE, b"a"), (ExtensionType.COOKIE, b"\0\x01b"))


def test_without_leaves_the_others_in_order() -> None:
    extensions = Extensions.of((0x1111, b"1"), (ext.COOKIE, b"c"), (0x2222, b"2"))
    assert extensions.without(ext.COOKIE.type).items == ((0x1111, b"1"), (0x2222, b"2"))
    assert len(extensions) == 3


def test_writing_is_encoding() -> None:
    extensions = Extensions.of((ext.COOKIE, b"c"))
    writer = Writer()
    extensions.write(writer)
    assert writer.bytes() == extensions.encode() == body_of("0007 002c 0003 0001 63")
    assert repr(extensions) == "Extensions(cookie=000163)"


def test_order_counts_when_blocks_are_compared() -> None:
    one, two = (0x1111, b""), (0x2222, b"")
    assert Extensions.of(one, two) != Extensions.of(two, one)
    assert Extensions.of(one) != "Extensions"
