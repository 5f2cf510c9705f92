"""What neither side may take from the other in TLS 1.2: RFC 5246, section 7; RFC 8422, section 5.

Each test is a MUST, or an order of messages that the figure of section 7.3 does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from aiotls import ClientAuth, ClientConfig, ProtocolError, ServerConfig
from aiotls.enums import Alert, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme
from aiotls.wire import extensions as ext
from aiotls.wire.messages import (
    Certificate12,
    CertificateRequest12,
    CertificateStatus,
    CertificateVerify,
    ClientHello,
    ClientKeyExchange,
    Finished,
    Message,
    NewSessionTicket12,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from tests import certificates
from tests.engine.pair import Mutation, connect
from tests.negative.test_server_hello import on, with_extensions

ILLEGAL, UNEXPECTED, DECODE = (
    Alert.ILLEGAL_PARAMETER,
    Alert.UNEXPECTED_MESSAGE,
    Alert.DECODE_ERROR,
)


@pytest.fixture
def client(client: ClientConfig) -> ClientConfig:
    return client.replace(
        max_version=ProtocolVersion.TLSv1_2,
        identity=certificates.leaf("client").identity,
        groups=["x25519", "secp256r1"],
    )


@pytest.fixture
def server(server: ServerConfig) -> ServerConfig:
    return server.replace(
        client_auth=ClientAuth.OPTIONAL, trust=certificates.authority().trust, groups=["x25519"]
    )


def raw(kind: int, body: bytes) -> bytes:
    """A handshake message of any content."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def body_of(message: Any) -> bytes:
    encoded: bytes = message.encode()
    return encoded[4:]


def left_out(kind: type[Message]) -> Mutation:
    return on(kind, lambda m: None)


def doubled(kind: type[Message]) -> Mutation:
    return on(kind, lambda m: [m, m])


def preceded(kind: type[Message], by: Message) -> Mutation:
    return on(kind, lambda m: [by, m])


def longer(kind: type[Message]) -> Mutation:
    return on(kind, lambda m: raw(kind.type, body_of(m) + b"\0"))


def shorter(kind: type[Message]) -> Mutation:
    return on(kind, lambda m: raw(kind.type, body_of(m)[:-1]))


def altered(kind: type[Message], **fields: Any) -> Mutation:
    return on(kind, lambda m: replace(m, **fields))


def answered(row: Any, value: Any) -> Mutation:
    return on(ServerHello, lambda m: with_extensions(m, (row, value)))


Case = tuple[str, Mutation, Alert]

BY_THE_SERVER: list[Case] = [
    ("the_suite_was_offered", altered(ServerHello, cipher_suite=0xC014), ILLEGAL),
    ("the_suite_is_of_the_version", altered(ServerHello, cipher_suite=0x1301), ILLEGAL),
    ("no_compression_is_selected", altered(ServerHello, compression_method=1), ILLEGAL),
    ("renegotiation_info_is_empty", answered(ext.RENEGOTIATION_INFO, b"x"), Alert(40)),
    ("points_are_not_compressed", answered(ext.EC_POINT_FORMATS, (1,)), ILLEGAL),
    ("nothing_is_answered_unasked", answered(0x1234, b""), Alert.UNSUPPORTED_EXTENSION),
    ("alpn_is_not_answered_unasked", answered(ext.ALPN_SELECTED, b"h2"), Alert(110)),
    ("the_certificate_is_not_empty", altered(Certificate12, certificates=()), DECODE),
    ("the_certificate_is_not_left_out", left_out(Certificate12), UNEXPECTED),
    ("the_certificate_comes_once", doubled(Certificate12), UNEXPECTED),
    ("the_certificate_ends_where_it_says", longer(Certificate12), DECODE),
    ("the_certificate_is_whole", shorter(Certificate12), DECODE),
    (
        "no_staple_comes_unannounced",
        preceded(ServerKeyExchange, CertificateStatus(b"staple")),
        UNEXPECTED,
    ),
    ("the_key_exchange_is_not_left_out", left_out(ServerKeyExchange), UNEXPECTED),
    ("the_key_exchange_comes_once", doubled(ServerKeyExchange), UNEXPECTED),
    ("the_key_exchange_is_whole", shorter(ServerKeyExchange), DECODE),
    ("the_key_exchange_ends_where_it_says", longer(ServerKeyExchange), DECODE),
    (
        "the_curve_is_a_named_one",
        on(ServerKeyExchange, lambda m: raw(12, b"\1" + body_of(m)[1:])),
        ILLEGAL,
    ),
    ("the_share_is_not_empty", altered(ServerKeyExchange, public=b""), DECODE),
    (
        "the_signature_verifies",
        on(ServerKeyExchange, lambda m: replace(m, signature=m.signature[::-1])),
        Alert.DECRYPT_ERROR,
    ),
    ("the_signature_is_not_empty", altered(ServerKeyExchange, signature=b""), Alert(51)),
    (
        "the_scheme_was_offered",
        altered(ServerKeyExchange, scheme=0x0203),  # ECDSA with SHA-1
        ILLEGAL,
    ),
    (
        "the_scheme_fits_the_suite",
        altered(ServerKeyExchange, scheme=SignatureScheme.rsa_pss_rsae_sha256),
        ILLEGAL,
    ),
    ("a_request_comes_once", doubled(CertificateRequest12), UNEXPECTED),
    ("a_request_is_whole", shorter(CertificateRequest12), DECODE),
    ("a_request_names_types_of_keys", altered(CertificateRequest12, types=b""), DECODE),
    ("a_request_names_schemes", altered(CertificateRequest12, schemes=()), DECODE),
    ("done_is_empty", longer(ServerHelloDone), DECODE),
    ("nothing_follows_done", doubled(ServerHelloDone), UNEXPECTED),
    ("a_ticket_that_was_announced_comes", left_out(NewSessionTicket12), UNEXPECTED),
    ("a_ticket_comes_once", doubled(NewSessionTicket12), UNEXPECTED),
    ("a_ticket_is_whole", shorter(NewSessionTicket12), DECODE),
    ("the_finished_verifies", altered(Finished, verify_data=bytes(12)), Alert.DECRYPT_ERROR),
    ("the_finished_has_twelve_bytes", altered(Finished, verify_data=bytes(11)), DECODE),
    ("nothing_follows_the_finished", doubled(Finished), UNEXPECTED),
]

BY_THE_CLIENT: list[Case] = [
    ("the_certificate_is_not_left_out", left_out(Certificate12), UNEXPECTED),
    ("the_certificate_comes_once", doubled(Certificate12), UNEXPECTED),
    ("the_certificate_is_whole", shorter(Certificate12), DECODE),
    ("a_certificate_can_be_read", altered(Certificate12, certificates=(b"no",)), Alert(42)),
    ("the_key_exchange_is_not_left_out", left_out(ClientKeyExchange), UNEXPECTED),
    ("the_key_exchange_comes_once", doubled(ClientKeyExchange), UNEXPECTED),
    ("the_key_exchange_is_whole", shorter(ClientKeyExchange), DECODE),
    ("the_key_exchange_ends_where_it_says", longer(ClientKeyExchange), DECODE),
    ("the_share_is_not_empty", altered(ClientKeyExchange, public=b""), DECODE),
    ("the_share_has_its_groups_length", altered(ClientKeyExchange, public=bytes(33)), ILLEGAL),
    ("the_shared_secret_is_not_zero", altered(ClientKeyExchange, public=bytes(32)), ILLEGAL),
    ("the_proof_is_not_left_out", left_out(CertificateVerify), UNEXPECTED),
    ("the_proof_comes_once", doubled(CertificateVerify), UNEXPECTED),
    ("the_proof_comes_behind_the_keys", preceded(ClientKeyExchange, Finished(b"")), UNEXPECTED),
    (
        "the_signature_verifies",
        on(CertificateVerify, lambda m: replace(m, signature=m.signature[::-1])),
        Alert.DECRYPT_ERROR,
    ),
    ("the_scheme_was_offered", altered(CertificateVerify, scheme=0x0203), ILLEGAL),
    (
        "the_scheme_fits_the_key",
        altered(CertificateVerify, scheme=SignatureScheme.rsa_pss_rsae_sha256),
        ILLEGAL,
    ),
    (
        "no_proof_follows_an_empty_certificate",
        altered(Certificate12, certificates=()),
        UNEXPECTED,
    ),
    ("the_finished_verifies", altered(Finished, verify_data=bytes(12)), Alert.DECRYPT_ERROR),
    ("the_finished_is_not_empty", altered(Finished, verify_data=b""), DECODE),
    ("the_finished_comes_once", doubled(Finished), UNEXPECTED),
    ("no_ticket_is_the_clients", preceded(Finished, NewSessionTicket12(1, b"t")), UNEXPECTED),
]


def cases(rows: list[Case]) -> Callable[[Any], Any]:
    return pytest.mark.parametrize(
        ("mutation", "alert"), [row[1:] for row in rows], ids=[row[0] for row in rows]
    )


@cases(BY_THE_SERVER)
def test_a_client_holds_the_server_to_it(
    client: ClientConfig, server: ServerConfig, mutation: Mutation, alert: Alert
) -> None:
    pair = connect(client, server, server_sends=mutation)
    assert isinstance(pair.client_error, ProtocolError), pair.client_error
    assert pair.client_error.alert == alert, pair.client_error
    assert pair.server_error is not None


@cases(BY_THE_CLIENT)
def test_a_server_holds_the_client_to_it(
    client: ClientConfig, server: ServerConfig, mutation: Mutation, alert: Alert
) -> None:
    pair = connect(client, server, client_sends=mutation)
    assert isinstance(pair.server_error, ProtocolError), pair.server_error
    assert pair.server_error.alert == alert, pair.server_error
    assert pair.client_error is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"group": NamedGroup.SECP521R1},
        {"group": NamedGroup.X25519MLKEM768},
        {"group": 0x0A0A},
        {"public": bytes(31)},
        {"public": bytes(33)},
        {"public": bytes(32)},  # the shared secret would be zero
        {"group": NamedGroup.SECP256R1, "public": b"\4" + bytes(64)},  # not on the curve
        {"group": NamedGroup.SECP256R1, "public": b"\2" + bytes(32)},  # compressed
    ],
)
def test_a_key_exchange_is_looked_at_although_it_is_signed(
    client: ClientConfig, server: ServerConfig, fields: dict[str, Any]
) -> None:
    """RFC 8422, sections 5.4 and 5.11; RFC 7748, section 6.1."""
    randoms = []

    def note(message: Any) -> Any:
        if isinstance(message, (ClientHello, ServerHello)):
            randoms.append(message.random)
        return message

    def sign(message: ServerKeyExchange) -> ServerKeyExchange:
        message = replace(message, **fields)
        signed = b"".join(randoms) + message.params
        scheme = SignatureScheme(message.scheme)
        signature = cast(bytes, server.identities[0].sign(signed, scheme))
        return replace(message, signature=signature)

    resigned = on(ServerKeyExchange, sign)
    pair = connect(client, server, client_sends=note, server_sends=lambda m: resigned(note(m)))
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == ILLEGAL, pair.client_error


def test_without_these_it_works(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client, server).check()
    assert pair.server.peer is not None
    assert pair.client.established is not None
    assert pair.client.established.version is ProtocolVersion.TLSv1_2


def test_a_client_without_a_certificate_proves_none(
    client: ClientConfig, server: ServerConfig
) -> None:
    unasked = on(ClientKeyExchange, lambda m: [m, CertificateVerify(0x0403, b"signature")])
    pair = connect(client.replace(identity=None), server, client_sends=unasked)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == UNEXPECTED


def test_a_certificate_is_not_sent_unasked(client: ClientConfig, server: ServerConfig) -> None:
    own = certificates.leaf("client").identity
    server = server.replace(client_auth=ClientAuth.NONE)
    unasked = preceded(ClientKeyExchange, Certificate12(own.chain))
    pair = connect(client, server, client_sends=unasked)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == UNEXPECTED


def test_a_ticket_does_not_come_unannounced(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 5077, section 3.2."""
    client = client.replace(session_cache=None)
    unasked = preceded(Finished, NewSessionTicket12(100, b"ticket"))
    pair = connect(client, server, server_sends=unasked)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == UNEXPECTED
    answer = on(ServerHello, lambda m: with_extensions(m, (ExtensionType.SESSION_TICKET, b"")))
    pair = connect(client, server, server_sends=answer)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNSUPPORTED_EXTENSION


def test_a_session_that_was_not_offered_is_not_resumed(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 7.4.1.3: an echo of the session id says that it is."""
    sent: list[bytes] = []

    def note(message: Any) -> Any:
        sent.append(getattr(message, "session_id", b""))
        return message

    client = client.replace(max_version=ProtocolVersion.TLSv1_3)  # which sends one anyway
    pair = connect(
        client,
        server.replace(max_version=ProtocolVersion.TLSv1_2),
        client_sends=note,
        server_sends=on(ServerHello, lambda m: replace(m, session_id=sent[0])),
    )
    assert sent[0]
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == ILLEGAL
