"""What must not happen when a session is resumed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiotls import ClientConfig, ServerConfig, TLSConnection, UsageError
from aiotls.config import ExternalPsk
from aiotls.enums import (
    Alert,
    CipherSuite,
    ContentType,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
)
from aiotls.errors import ProtocolError
from aiotls.sessions import MemoryReplayGuard, MemorySessionCache
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Extensions
from aiotls.wire.messages import ClientHello, EncryptedExtensions, NewSessionTicket, ServerHello
from tests.engine.pair import Mutation, Pair, connect
from tests.negative.test_alerts import records
from tests.negative.test_server_hello import on, rejected, with_extensions


def twice(client: ClientConfig, server: ServerConfig) -> tuple[Pair, list[EncryptedExtensions]]:
    """A full handshake, a resumed one, and the EncryptedExtensions of both."""
    seen: list[EncryptedExtensions] = []

    def look(message: object) -> object:
        if isinstance(message, EncryptedExtensions):
            seen.append(message)
        return message

    connect(client, server, server_sends=look).check()  # type: ignore[arg-type]
    return connect(client, server, server_sends=look).check(), seen  # type: ignore[arg-type]


def test_server_name_is_not_acknowledged_on_resumption(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 6066, section 3."""
    pair, (full, resumed) = twice(client, server)
    assert pair.server.established is not None
    assert pair.server.established.resumed
    assert ExtensionType.SERVER_NAME in full.extensions
    assert ExtensionType.SERVER_NAME not in resumed.extensions


def test_server_does_not_go_back_to_tls_1_2_after_early_data(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, appendix D.3."""
    server = server.replace(max_early_data=1024, replay_guard=MemoryReplayGuard())
    connect(client, server).check()
    connection = TLSConnection(client, "localhost", early_data=b"early")
    old = TLSConnection(server.replace(max_version=ProtocolVersion.TLSv1_2))
    hello = connection.data_to_send()
    assert ContentType.APPLICATION_DATA in records(hello)
    old.receive_data(hello[: 5 + int.from_bytes(hello[3:5], "big")])  # but for the early data
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(old.data_to_send())
    assert caught.value.alert == Alert.PROTOCOL_VERSION
    assert caught.value.reason == "WRONG_VERSION_ON_EARLY_DATA"


def test_refused_early_data_may_come_in_records_of_full_size(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.2.10: after a HelloRetryRequest they are not opened, and longer."""
    server = server.replace(max_early_data=1 << 15, replay_guard=MemoryReplayGuard())
    connect(client, server).check()
    other = server.replace(groups=[NamedGroup.SECP521R1])  # for which there is no share
    pair = Pair(TLSConnection(client, "localhost", early_data=bytes(1 << 14)), TLSConnection(other))
    pair.pump()
    pair.check()
    assert pair.server.established is not None
    assert pair.server.established.retried
    assert not pair.server.early_data_accepted


@pytest.mark.parametrize("index", [1, 5, 0xFFFF])
def test_a_server_selects_one_of_the_keys(
    client: ClientConfig, server: ServerConfig, index: int
) -> None:
    """RFC 8446, section 4.2.11: an index that is out of range is an illegal_parameter."""
    connect(client, server).check()
    change = on(ServerHello, lambda m: with_extensions(m, (ext.PRE_SHARED_KEY_SELECTED, index)))
    pair = connect(client, server, server_sends=change)
    rejected(pair, Alert.ILLEGAL_PARAMETER, "PSK_IDENTITY_NOT_FOUND")


def test_a_key_goes_with_its_hash(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 4.2.11: the suite's hash is the one that the key was made for."""
    connect(client, server).check()
    other = server.replace(cipher_suites=[CipherSuite.TLS_AES_256_GCM_SHA384])
    change = on(ServerHello, lambda m: with_extensions(m, (ext.PRE_SHARED_KEY_SELECTED, 0)))
    pair = connect(client, other, server_sends=change)
    rejected(pair, Alert.ILLEGAL_PARAMETER, "OLD_SESSION_PRF_HASH_MISMATCH")


def test_a_ticket_lives_for_seven_days_at_most(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 4.6.1: servers MUST NOT use any value greater than 604800 seconds."""
    pair = connect(client, server.replace(tickets=0)).check()
    ticket = NewSessionTicket(lifetime=604_801, age_add=1, nonce=b"\0", ticket=b"ticket")
    pair.server._writer.write(ContentType.HANDSHAKE, ticket.encode())
    with pytest.raises(ProtocolError) as caught:
        pair.client.receive_data(pair.server.data_to_send())
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER
    assert caught.value.reason == "BAD_TICKET_LIFETIME"


def test_a_connection_of_keys_alone_is_bound_to_no_certificate(client: ClientConfig) -> None:
    """RFC 5929, section 4: tls-server-end-point is the hash of one."""
    key = ExternalPsk(b"a key", bytes(32))
    server = ServerConfig(psk=lambda identity: key)
    pair = connect(client.replace(session_cache=None, psks=[key]), server).check()
    for end in (pair.client, pair.server):
        with pytest.raises(UsageError, match="certificate"):
            end.channel_binding("tls-server-end-point")


def test_a_server_that_chooses_nothing_has_nothing_to_show(client: ClientConfig) -> None:
    """Its own fault, and told as such."""
    pair = connect(client, ServerConfig(select=lambda hello: None))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.INTERNAL_ERROR
    assert pair.server_error.reason == "NO_CERTIFICATE_SET"


def test_server_of_keys_alone_refuses_a_client_without_one(client: ClientConfig) -> None:
    """RFC 8446, section 4.1.1: handshake_failure, and not the server's own fault."""
    key = ExternalPsk(b"a key", bytes(32))
    server = ServerConfig(psk=lambda identity: key if identity == key.identity else None)
    client = client.replace(session_cache=None)
    pair = connect(client.replace(psks=[key]), server).check()
    assert pair.client.peer is None
    pair = connect(client, server)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.HANDSHAKE_FAILURE
    assert pair.server_error.reason == "PSK_IDENTITY_NOT_FOUND"


MODES = ExtensionType.PSK_KEY_EXCHANGE_MODES


def with_modes(*modes: int) -> Mutation:
    """ClientHellos that name other modes, all else in its place."""
    content = bytes([len(modes), *modes])

    def change(hello: ClientHello) -> ClientHello:
        rows = [(kind, content if kind == MODES else raw) for kind, raw in hello.extensions.items]
        return replace(hello, extensions=Extensions.build(rows))

    return on(ClientHello, change)


@pytest.mark.parametrize("modes", [(0,), (0x0B, 0x2A)], ids=["without_agreement", "unknown"])
def test_a_server_keeps_to_the_modes_that_the_client_names(
    client: ClientConfig, server: ServerConfig, modes: tuple[int, ...]
) -> None:
    """RFC 8446, section 4.2.9: it selects no other, and sends no ticket that is of no use."""
    connect(client, server).check()
    pair = connect(client, server, client_sends=with_modes(*modes)).check()
    assert pair.client.established is not None
    assert not pair.client.established.resumed  # though it offered the session of before

    fresh = client.replace(session_cache=MemorySessionCache())
    connect(fresh, server, client_sends=with_modes(*modes)).check()
    pair = connect(fresh, server).check()
    assert pair.client.established is not None
    assert not pair.client.established.resumed


def test_a_mode_among_others_is_found(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 4.2.9, the same where the server may: it is not the change that hinders."""
    fresh = client.replace(session_cache=MemorySessionCache())
    connect(fresh, server, client_sends=with_modes(0x0B, 1, 0)).check()
    pair = connect(fresh, server).check()
    assert pair.client.established is not None
    assert pair.client.established.resumed
