"""What the two hellos of TLS 1.2 settle: RFC 5077, 5246, 5746, 6066, 7301, 7627 and 8422."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig, TLSConnection
from aiotls.enums import Alert, CipherSuite, ExtensionType, ProtocolVersion
from aiotls.errors import ProtocolError
from aiotls.sessions import MemorySessionCache, MemorySessionStore, Session
from aiotls.wire import extensions as ext
from aiotls.wire.messages import (
    Certificate12,
    ClientHello,
    ClientKeyExchange,
    EncryptedExtensions,
    Message,
    NewSessionTicket12,
    ServerHello,
)
from tests import certificates
from tests.conftest import identity
from tests.engine.pair import Pair, connect
from tests.negative.test_client_hello import hello
from tests.negative.test_client_hello import rejected as rejected_by_server
from tests.negative.test_server_hello import on, with_extensions
from tests.negative.test_server_hello import rejected as rejected_by_client

EMS = ExtensionType.EXTENDED_MASTER_SECRET
TLS12 = ProtocolVersion.TLSv1_2


@pytest.fixture
def client12(client: ClientConfig) -> ClientConfig:
    return client.replace(max_version=TLS12)


@pytest.fixture(params=["tickets", "numbers"])
def kept(request: pytest.FixtureRequest, server: ServerConfig) -> ServerConfig:
    server = server.replace(identities=[identity("localhost"), identity("other.example")])
    if request.param == "tickets":
        return server
    return server.replace(session_store=MemorySessionStore(), ticket_keys=None, tickets=0)


class Seen:
    """The messages of one handshake, as they left."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, message: Message) -> Message:
        self.messages.append(message)
        return message

    def one(self, kind: type[Message]) -> Any:
        found = [message for message in self.messages if isinstance(message, kind)]
        assert len(found) == 1
        return found[0]


def watched(client: ClientConfig, server: ServerConfig, **options: Any) -> tuple[Pair, Seen]:
    seen = Seen()
    change = options.pop("client_sends", None)

    def client_sends(message: Message) -> Any:
        result = message if change is None else change(message)
        return seen(result) if isinstance(result, Message) else result

    pair = connect(client, server, client_sends=client_sends, server_sends=seen, **options)
    return pair, seen


def resumed(pair: Pair) -> bool:
    pair.check()
    assert pair.client.established is not None
    assert pair.server.established is not None
    assert pair.client.established.resumed is pair.server.established.resumed
    return pair.client.established.resumed


# -- the name --------------------------------------------------------------------------------------


def test_the_name_is_acknowledged_in_a_full_handshake_alone(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 6066, section 3: SHALL, and MUST NOT where a session is resumed."""
    for again in (False, True):
        pair, seen = watched(client12, kept)
        assert resumed(pair) is again
        acknowledged = ExtensionType.SERVER_NAME in seen.one(ServerHello).extensions
        assert acknowledged is not again


def test_a_session_is_not_resumed_for_another_name(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 6066, section 3: the server MUST NOT accept the request; a full handshake follows."""
    assert not resumed(connect(client12, kept))
    change = hello(lambda m: with_extensions(m, (ext.SERVER_NAME, "other.example")))
    pair, seen = watched(client12, kept, client_sends=change)
    seen.one(Certificate12)  # it is for the other name, so this client goes no further
    assert pair.client_error is not None
    assert not pair.client.handshake_complete


# -- the extended master secret --------------------------------------------------------------------


def test_the_extended_secret_is_answered_where_it_was_offered(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 7627, sections 5.2 and 5.3: in each ClientHello, and then in each ServerHello."""
    for again in (False, True):
        pair, seen = watched(client12, kept)
        assert resumed(pair) is again
        assert EMS in seen.one(ClientHello).extensions
        assert EMS in seen.one(ServerHello).extensions
    change = hello(lambda m: with_extensions(m, drop=(EMS,)))
    _, seen = watched(client12.replace(session_cache=None), kept, client_sends=change)
    assert EMS not in seen.one(ServerHello).extensions


class OldSessions(MemorySessionCache):
    """A cache of sessions that come from a time before the extended master secret."""

    def put(self, key: bytes, session: Session) -> None:
        super().put(key, replace(session, extended_master_secret=False))


def test_a_session_without_the_extended_secret_is_not_resumed_with_it(
    client12: ClientConfig, kept: ServerConfig
) -> None:
    """RFC 7627, section 5.3: the client would have to abort; so it does not offer one."""
    old = client12.replace(session_cache=OldSessions())
    assert not resumed(connect(old, kept))
    pair, seen = watched(old, kept)
    offered = seen.one(ClientHello)
    assert offered.session_id == b""
    assert not offered.extensions.get(ext.SESSION_TICKET)
    assert not resumed(pair)


# -- tickets and numbers ---------------------------------------------------------------------------


def test_the_number_that_goes_with_a_ticket_is_echoed(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5077, section 3.4: it tells the client that its ticket was taken."""
    assert not resumed(connect(client12, server))
    pair, seen = watched(client12, server)
    assert resumed(pair)
    assert seen.one(ClientHello).session_id
    assert seen.one(ServerHello).session_id == seen.one(ClientHello).session_id


def test_a_number_counts_for_nothing_beside_a_ticket(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5077, section 3.4: the server MUST NOT look it up."""
    store = MemorySessionStore()
    by_number = server.replace(session_store=store, tickets=0)
    assert not resumed(connect(client12, by_number))
    both = server.replace(session_store=store)
    change = hello(lambda m: with_extensions(m, (ext.SESSION_TICKET, b"not one of these")))
    _, seen = watched(client12, both, client_sends=change)
    assert seen.one(ClientHello).session_id in store
    seen.one(Certificate12)  # a full handshake
    assert seen.one(ServerHello).session_id != seen.one(ClientHello).session_id


def test_a_ticket_is_announced_to_those_who_take_one(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5077, sections 3.2 and 3.3: an empty extension asks for one, and nothing else does."""
    pair, seen = watched(client12, server)
    pair.check()
    assert seen.one(ClientHello).extensions.get(ext.SESSION_TICKET) == b""
    assert ExtensionType.SESSION_TICKET in seen.one(ServerHello).extensions
    seen.one(NewSessionTicket12)
    pair, seen = watched(client12.replace(session_cache=None), server)
    pair.check()
    assert ExtensionType.SESSION_TICKET not in seen.one(ClientHello).extensions
    assert ExtensionType.SESSION_TICKET not in seen.one(ServerHello).extensions


# -- what is offered -------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", ["scsv", "extension"])
def test_secure_renegotiation_is_signalled(
    client12: ClientConfig, server: ServerConfig, signal: str
) -> None:
    """RFC 5746, sections 3.4 and 3.6: the client by either sign, the server by the extension."""
    drop = (int(ExtensionType.RENEGOTIATION_INFO),)
    scsv = int(CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV)

    def change(message: Any) -> Any:
        suites = tuple(suite for suite in message.cipher_suites if suite != scsv)
        assert suites != message.cipher_suites or drop[0] in message.extensions
        message = with_extensions(message, drop=drop)
        if signal == "scsv":
            return replace(message, cipher_suites=(*suites, scsv))
        message = replace(message, cipher_suites=suites)
        return with_extensions(message, (ext.RENEGOTIATION_INFO, b""))

    _, seen = watched(client12, server, client_sends=hello(change))
    assert seen.one(ServerHello).extensions.get(ext.RENEGOTIATION_INFO) == b""


def test_unknown_suites_are_passed_over(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.4.1.2: the server MUST ignore them."""
    change = hello(lambda m: replace(m, cipher_suites=(0xFFFE, 0x0A0A, *m.cipher_suites)))
    connect(client12, server, client_sends=change).check()


def test_the_null_compression_is_offered(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.4.1.2: the list MUST contain it."""
    change = hello(lambda m: replace(m, compression_methods=b"\1"))
    pair = connect(client12, server, client_sends=change)
    rejected_by_server(pair, Alert.ILLEGAL_PARAMETER)
    old = (ExtensionType.SUPPORTED_VERSIONS,)
    change = hello(lambda m: with_extensions(replace(m, compression_methods=b"\1\0"), drop=old))
    connect(client12, server.replace(max_version=TLS12), client_sends=change).check()


@pytest.mark.parametrize(("version", "alert"), [(0x0301, 70), (0x0302, 70), (0x0305, None)])
def test_the_version_is_the_highest_that_both_have(
    client12: ClientConfig, server: ServerConfig, version: int, alert: int | None
) -> None:
    """RFC 5246, appendix E.1: an unknown newer version is answered by one's own highest."""
    drop = (ExtensionType.SUPPORTED_VERSIONS,)
    change = hello(lambda m: with_extensions(replace(m, legacy_version=version), drop=drop))
    server = server.replace(max_version=TLS12)
    pair = connect(client12, server, client_sends=change)
    if alert is None:
        pair.check()
    else:
        rejected_by_server(pair, Alert(alert))


@pytest.mark.parametrize("minor", [0, 1, 3, 4, 0x7F])
def test_the_version_of_the_first_record_is_not_looked_at(
    client12: ClientConfig, server: ServerConfig, minor: int
) -> None:
    """RFC 5246, appendix E.1: servers MUST accept any value {03,XX}."""
    pair = Pair(TLSConnection(client12, "localhost"), TLSConnection(server))
    first = bytearray(pair.client.data_to_send())
    assert first[0] == 22
    first[2] = minor
    pair.server.receive_data(bytes(first))
    pair.pump()
    pair.check()


def test_schemes_are_not_the_servers_to_send(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.4.1.4.1: servers MUST NOT send signature_algorithms."""
    answer = (ext.SIGNATURE_ALGORITHMS, (0x0403,))
    change = on(ServerHello, lambda m: with_extensions(m, answer))
    rejected_by_client(connect(client12, server, server_sends=change), Alert.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("version", [TLS12, ProtocolVersion.TLSv1_3])
def test_max_fragment_length_is_not_answered_unasked(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 6066, section 4, and RFC 8449, section 5: nor beside record_size_limit."""
    kind: type[Message] = ServerHello if version == TLS12 else EncryptedExtensions
    change = on(kind, lambda m: with_extensions(m, (ext.MAX_FRAGMENT_LENGTH, 1)))
    pair = connect(client.replace(max_version=version), server, server_sends=change)
    rejected_by_client(pair, Alert.UNSUPPORTED_EXTENSION)


@pytest.mark.parametrize("version", [TLS12, ProtocolVersion.TLSv1_3])
def test_a_limit_beyond_the_protocols_is_the_protocols(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 8449, section 4: a server MUST NOT enforce it, and sends no longer records for it."""
    change = hello(lambda m: with_extensions(m, (ext.RECORD_SIZE_LIMIT, 0xFFFF)))
    client = client.replace(max_version=version, record_size_limit=1000)
    pair = connect(client, server, client_sends=change).check()
    pair.server.write(bytes(100_000))
    data, lengths = pair.server.data_to_send(), []
    while data:
        length = int.from_bytes(data[3:5], "big")
        lengths.append(length)
        data = data[5 + length :]
    assert max(lengths) <= 2**14 + 256


@pytest.mark.parametrize("version", [TLS12, ProtocolVersion.TLSv1_3])
def test_no_common_protocol_ends_the_handshake(
    client: ClientConfig, server: ServerConfig, version: ProtocolVersion
) -> None:
    """RFC 7301, section 3.2: no_application_protocol."""
    pair = connect(
        client.replace(max_version=version, alpn_protocols=["spdy/3"]),
        server.replace(alpn_protocols=["h2"]),
    )
    rejected_by_server(pair, Alert.NO_APPLICATION_PROTOCOL)


def test_no_common_curve_leaves_no_suite(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 8422, section 5.1: the server MUST NOT negotiate ECDHE."""
    pair = connect(client12.replace(groups=["x25519"]), server.replace(groups=["secp256r1"]))
    rejected_by_server(pair, Alert.HANDSHAKE_FAILURE)


def test_the_certificate_goes_with_the_suite(client12: ClientConfig, server: ServerConfig) -> None:
    """RFC 5246, section 7.4.2; RFC 8422, section 5.3: a key of another kind is refused."""
    rsa = certificates.leaf("localhost", key_kind="rsa").identity
    change = on(Certificate12, lambda m: replace(m, certificates=rsa.chain))
    pair = connect(client12, server, server_sends=change)
    error = pair.client_error
    assert isinstance(error, ProtocolError), error
    assert error.alert in (Alert.ILLEGAL_PARAMETER, Alert.UNSUPPORTED_CERTIFICATE, 42), error
    assert not pair.client.handshake_complete


def test_a_key_that_must_not_sign_proves_nothing(client12: ClientConfig) -> None:
    """RFC 5246, section 7.4.2: digitalSignature MUST be set where there is a key usage."""
    shown = certificates.leaf("localhost", usage=("key_agreement",)).identity
    pair = connect(client12, ServerConfig(identity=shown))
    assert pair.client_error is not None
    assert not pair.client.handshake_complete


def test_data_does_not_come_before_the_finished(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 7.3: application data MUST NOT be sent in the first handshake."""
    taking = TLSConnection(server)
    first = TLSConnection(client12, "localhost").data_to_send()
    taking.receive_data(first)
    assert taking.data_to_send()
    with pytest.raises(ProtocolError) as caught:
        taking.receive_data(b"\x17\x03\x03\x00\x05early")
    assert caught.value.alert == Alert.UNEXPECTED_MESSAGE


def test_the_share_comes_in_the_clients_flight(
    client12: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 7.4.7: the ClientKeyExchange is the first message, without another."""
    change = on(ClientKeyExchange, lambda m: [NewSessionTicket12(1, b"t"), m])
    rejected_by_server(connect(client12, server, client_sends=change), Alert.UNEXPECTED_MESSAGE)
