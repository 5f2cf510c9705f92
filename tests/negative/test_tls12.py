"""What belongs to TLS 1.2 and its time: RFC 7627, section 5; RFC 6066, section 4; old suites."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aiotls import ClientAuth, ClientConfig, ServerConfig, TrustStore, UsageError
from aiotls.enums import Alert, CipherSuite, ExtensionType, ProtocolVersion
from aiotls.errors import ProtocolError
from aiotls.sessions import MemorySessionStore
from aiotls.wire import extensions as ext
from aiotls.wire.messages import ClientHello, EncryptedExtensions, Message, ServerHello
from tests.engine.pair import Mutation, connect
from tests.negative.test_client_hello import hello
from tests.negative.test_client_hello import rejected as rejected_by_server
from tests.negative.test_server_hello import on, with_extensions
from tests.negative.test_server_hello import rejected as rejected_by_client

EMS = ExtensionType.EXTENDED_MASTER_SECRET
TLS12 = ProtocolVersion.TLSv1_2


def without_ems(kind: type) -> Mutation:
    return on(kind, lambda message: with_extensions(message, drop=(EMS,)))


@pytest.fixture
def client12(client: ClientConfig) -> ClientConfig:
    return client.replace(max_version=TLS12)


@pytest.fixture(params=["tickets", "numbers"])
def kept(request: pytest.FixtureRequest, server: ServerConfig) -> ServerConfig:
    if request.param == "tickets":
        return server
    return server.replace(session_store=MemorySessionStore(), ticket_keys=None)


def test_a_session_with_the_extended_secret_is_not_resumed_without(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 7627, section 5.3: the server MUST abort."""
    connect(client12, kept).check()
    pair = connect(client12, kept, client_sends=without_ems(ClientHello))
    rejected_by_server(pair, Alert.HANDSHAKE_FAILURE, "RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION")


def test_a_client_does_not_resume_where_the_server_forgets_the_extended_secret(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 7627, section 5.3: the client MUST abort."""
    connect(client12, kept).check()
    pair = connect(client12, kept, server_sends=without_ems(ServerHello))
    rejected_by_client(pair, Alert.HANDSHAKE_FAILURE, "RESUMED_EMS_SESSION_WITHOUT_EMS_EXTENSION")


def test_without_the_extended_secret_the_two_sides_do_not_agree(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """Whoever strikes the extension from a hello changes the keys, and is found out."""
    pair = connect(client12, server, server_sends=without_ems(ServerHello))
    assert not pair.client.handshake_complete
    assert not pair.server.handshake_complete


without_rfc5746 = on(
    ServerHello, lambda m: with_extensions(m, drop=(ExtensionType.RENEGOTIATION_INFO,))
)


def test_a_server_that_may_renegotiate_insecurely_is_refused(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5746, section 4.1: it may be continuing a connection that an attacker has begun."""
    pair = connect(client12, server, server_sends=without_rfc5746)
    rejected_by_client(pair, Alert.HANDSHAKE_FAILURE, "UNSAFE_LEGACY_RENEGOTIATION_DISABLED")
    allowed = client12.replace(dangerous_allow_legacy_servers=True)
    connect(allowed, server, server_sends=without_rfc5746).check()


def test_a_server_that_resumes_insecurely_is_refused(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5746, section 3.5: a resumed session is a connection of its own."""
    connect(client12, server).check()
    pair = connect(client12, server, server_sends=without_rfc5746)
    rejected_by_client(pair, Alert.HANDSHAKE_FAILURE, "UNSAFE_LEGACY_RENEGOTIATION_DISABLED")


def test_a_client_of_long_ago_gets_no_session(client12: ClientConfig, kept: ServerConfig) -> None:
    """RFC 7627, section 5.4: what could not be resumed safely is not kept at all."""
    answers: list[ServerHello] = []

    def look(message: Message) -> Message:
        if isinstance(message, ServerHello):
            answers.append(message)
        return message

    connect(client12, kept, client_sends=without_ems(ClientHello), server_sends=look)
    assert answers[0].session_id == b""
    assert ExtensionType.SESSION_TICKET not in answers[0].extensions


@pytest.mark.parametrize("version", [TLS12, ProtocolVersion.TLSv1_3])
def test_max_fragment_length_is_not_taken_up(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 6066, section 4: a server may pass over it; record_size_limit has taken its place."""
    answered: list[int] = []

    def look(message: Message) -> Message:
        if isinstance(message, (ServerHello, EncryptedExtensions)):
            answered.extend(message.extensions.types)
        return message

    connect(
        client.replace(max_version=version),
        server,
        client_sends=hello(lambda m: with_extensions(m, (ext.MAX_FRAGMENT_LENGTH, 1))),
        server_sends=look,
    )
    assert ExtensionType.MAX_FRAGMENT_LENGTH not in answered
    assert answered


@pytest.mark.parametrize("body", [b"\0", b"\5", b"", b"\1\1"])
def test_a_max_fragment_length_that_is_none_is_refused(
    client: ClientConfig, server: ServerConfig, body: bytes
) -> None:
    """RFC 6066, section 4: illegal_parameter for a value that is not defined."""
    kind = int(ExtensionType.MAX_FRAGMENT_LENGTH)
    pair = connect(client, server, client_sends=hello(lambda m: with_extensions(m, (kind, body))))
    rejected_by_server(pair, Alert.ILLEGAL_PARAMETER if len(body) == 1 else Alert.DECODE_ERROR)


@pytest.mark.parametrize(
    "suites",
    [
        pytest.param((0xC013, 0xC014, 0xC027), id="cbc"),
        pytest.param((0x002F, 0x009C), id="static-rsa"),
        pytest.param((0x009E, 0x0033), id="finite-field-dhe"),
    ],
)
def test_a_client_of_old_suites_is_told_what_to_do(
    client12: ClientConfig, server: ServerConfig, suites: tuple[int, ...]
) -> None:
    pair = connect(client12, server, client_sends=hello(lambda m: replace(m, cipher_suites=suites)))
    rejected_by_server(pair, Alert.HANDSHAKE_FAILURE, "NO_SHARED_CIPHER")
    error = pair.server_error
    assert isinstance(error, ProtocolError)
    assert CipherSuite.listing(suites) in (error.hint or "")
    assert "AES-GCM or ChaCha20-Poly1305" in (error.hint or "")


def test_a_client_hello_that_renegotiates_is_refused(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5746, section 3.6: in the first handshake of a connection the field MUST be empty."""
    change = hello(lambda m: with_extensions(m, (ext.RENEGOTIATION_INFO, bytes(12))))
    pair = connect(client12, server, client_sends=on(ClientHello, change))
    rejected_by_server(pair, Alert.HANDSHAKE_FAILURE, "RENEGOTIATION_MISMATCH")


def test_a_client_takes_uncompressed_points(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 8422, section 5.1.2: the list MUST contain them."""
    change = hello(lambda m: with_extensions(m, (ext.EC_POINT_FORMATS, (1, 2))))
    pair = connect(client12, server, client_sends=on(ClientHello, change))
    rejected_by_server(pair, Alert.ILLEGAL_PARAMETER)


def test_a_client_that_fell_back_is_told(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 7507, section 3: inappropriate_fallback where the server speaks a newer version."""
    fallback = (CipherSuite.TLS_FALLBACK_SCSV,)
    change = hello(lambda m: replace(m, cipher_suites=m.cipher_suites + fallback))
    pair = connect(client12, server, client_sends=on(ClientHello, change))
    rejected_by_server(pair, Alert.INAPPROPRIATE_FALLBACK, "INAPPROPRIATE_FALLBACK")
    connect(client12, server.replace(max_version=TLS12), client_sends=change).check()


def test_a_client_without_signature_algorithms_means_sha1(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 7.4.1.4.1; which is not spoken here (RFC 9155)."""
    change = hello(lambda m: with_extensions(m, drop=(ExtensionType.SIGNATURE_ALGORITHMS,)))
    pair = connect(client12, server, client_sends=on(ClientHello, change))
    rejected_by_server(pair, Alert.HANDSHAKE_FAILURE, "NO_COMMON_SIGNATURE_ALGORITHMS")


def test_a_client_without_a_certificate_is_refused_where_one_is_required(
    client12: ClientConfig, server: ServerConfig, client_trust: TrustStore
) -> None:
    """RFC 5246, section 7.4.6: the server MAY respond with a fatal handshake_failure."""
    server = server.replace(trust=client_trust, client_auth=ClientAuth.REQUIRED)
    pair = connect(client12, server)
    rejected_by_server(pair, Alert.HANDSHAKE_FAILURE, "PEER_DID_NOT_RETURN_A_CERTIFICATE")


def test_a_session_is_resumed_with_its_own_suite(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 5246, section 7.4.1.3."""
    connect(client12, kept).check()
    other = CipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    change = on(ServerHello, lambda m: replace(m, cipher_suite=other))
    pair = connect(client12, kept, server_sends=change)
    rejected_by_client(pair, Alert.ILLEGAL_PARAMETER, "OLD_SESSION_CIPHER_NOT_RETURNED")


def test_without_the_extended_secret_nothing_is_exported(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 7627, sections 1 and 5.4: keys and bindings would not be this connection's alone."""
    pair = connect(client12, server, client_sends=without_ems(ClientHello))
    # Both sides go on without; the client, which was tampered with, still believes in it.
    assert pair.server.established is not None
    assert not pair.server.established.extended_master_secret
    with pytest.raises(UsageError, match="extended master secret"):
        pair.server.export_keying_material("EXPORTER-test", 32)
    with pytest.raises(UsageError, match="extended master secret"):
        pair.server.channel_binding("tls-unique")
    with pytest.raises(UsageError, match="extended master secret"):
        pair.server.channel_binding("tls-exporter")


REMEDIES: dict[str, tuple[int, dict[str, Any], str]] = {
    "suites_of_cbc_and_rsa": (0x0303, {"cipher_suites": (0x002F, 0xC013)}, "CBC"),
    "ccm_in_tls13": (0x0304, {"cipher_suites": (0x1304,)}, "AES-GCM"),
    "suites_of_a_server_that_chose_others": (
        0x0304,
        {"cipher_suites": (0x1303,)},
        "ServerConfig(cipher_suites=)",
    ),
    "finite_fields": (0x0304, {"groups": (0x0100,)}, "X25519"),
    "finite_fields_in_tls12": (0x0303, {"groups": (0x0100,)}, "X25519"),
    "groups_of_a_server_that_chose_others": (
        0x0304,
        {"groups": (0x0018,)},
        "ServerConfig(groups=)",
    ),
    "sha1": (0x0303, {"schemes": (0x0201, 0x0203)}, "SHA-1"),
}


@pytest.mark.parametrize("name", REMEDIES)
def test_a_refusal_says_who_can_mend_it(
    client: ClientConfig, server: ServerConfig, name: str
) -> None:
    """What no setting of the server's would let in is for the client's owner to change."""
    version, wanted, remedy = REMEDIES[name]
    server = server.replace(
        cipher_suites=["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        groups=["X25519", "secp256r1"],
    )

    def change(message: ClientHello) -> Message:
        rows: list[Any] = []
        if "groups" in wanted:
            rows = [(ext.SUPPORTED_GROUPS, wanted["groups"])]
            if version == 0x0304:
                rows.append((ext.KEY_SHARE, ()))
        if "schemes" in wanted:
            rows = [(ext.SIGNATURE_ALGORITHMS, wanted["schemes"])]
        suites = wanted.get("cipher_suites", message.cipher_suites)
        drop = tuple(row.type for row, _ in rows)
        changed: Message = with_extensions(replace(message, cipher_suites=suites), *rows, drop=drop)
        return changed

    pair = connect(
        client.replace(max_version=version), server, client_sends=on(ClientHello, change)
    )
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.HANDSHAKE_FAILURE
    assert remedy in (pair.server_error.hint or "")
