"""What must not happen when a session is resumed."""

from __future__ import annotations

import pytest

from aiotls import ClientConfig, ServerConfig, TLSConnection
from aiotls.config import ExternalPsk
from aiotls.enums import Alert, ContentType, ExtensionType, NamedGroup, ProtocolVersion
from aiotls.errors import ProtocolError
from aiotls.sessions import MemoryReplayGuard
from aiotls.wire.messages import EncryptedExtensions
from tests.engine.pair import Pair, connect
from tests.negative.test_alerts import records


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
