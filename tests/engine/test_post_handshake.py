"""Authentication after the handshake: RFC 8446, section 4.6.2."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TrustStore, UsageError
from aiotls.enums import Alert, ContentType
from aiotls.errors import ProtocolError
from aiotls.handshake.post_auth import MAX_REQUESTS
from aiotls.wire.messages import Certificate, Finished
from tests.engine.pair import Pair, connect


@pytest.fixture
def asking(server: ServerConfig, client_trust: TrustStore) -> ServerConfig:
    return server.replace(trust=client_trust)


@pytest.fixture
def willing(client: ClientConfig, client_identity: Identity) -> ClientConfig:
    return client.replace(post_handshake_auth=True, identity=client_identity)


def test_a_client_shows_its_certificate_later(
    willing: ClientConfig, asking: ServerConfig, client_identity: Identity
) -> None:
    pair = connect(willing, asking).check()
    assert pair.server.peer is None
    for _ in range(2):
        pair.server.request_certificate()
        pair.server.write(b"who are you?")
        pair.pump()
        pair.check()
        assert pair.client.read() == b"who are you?"
        assert pair.server.peer is not None
        assert pair.server.peer.chain == client_identity.chain
        assert pair.server.peer.verified_chain


def test_a_key_update_may_come_before_the_answer(
    willing: ClientConfig, asking: ServerConfig
) -> None:
    pair = connect(willing, asking).check()
    pair.client.key_update(request_peer=True)
    pair.server.request_certificate()
    pair.pump()
    assert pair.check().server.peer is not None


def test_a_client_without_a_certificate_says_so(
    willing: ClientConfig, asking: ServerConfig
) -> None:
    pair = connect(willing.replace(identity=None), asking).check()
    pair.server.request_certificate()
    pair.pump()
    assert pair.check().server.peer is None


def test_a_client_that_did_not_agree_is_not_asked(
    client: ClientConfig, asking: ServerConfig
) -> None:
    pair = connect(client, asking).check()
    with pytest.raises(UsageError):
        pair.server.request_certificate()


def test_a_client_that_did_not_agree_refuses(willing: ClientConfig, asking: ServerConfig) -> None:
    pair = connect(willing, asking).check()
    assert pair.client._result is not None
    pair.client._result = replace(pair.client._result, transcript=None)
    pair.server.request_certificate()
    pair.pump()
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(
    ("message", "alert"),
    [
        (Certificate(b"another", ()).encode() + Finished(bytes(32)).encode(), 47),
        (Finished(bytes(32)).encode(), Alert.UNEXPECTED_MESSAGE),
    ],
)
def test_a_server_refuses_a_wrong_answer(
    willing: ClientConfig, asking: ServerConfig, message: bytes, alert: int
) -> None:
    pair = connect(willing, asking).check()
    pair.server.request_certificate()
    pair.server.data_to_send()
    pair.client._writer.write(ContentType.HANDSHAKE, message)
    pair.pump()
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == alert


def test_a_forged_finished_is_refused(willing: ClientConfig, asking: ServerConfig) -> None:
    pair = connect(willing, asking).check()
    pair.server.request_certificate()
    assert pair.server._late is not None
    context = next(iter(pair.server._late.requests))
    pair.server.data_to_send()
    flight = Certificate(context, ()).encode() + Finished(bytes(32)).encode()
    pair.client._writer.write(ContentType.HANDSHAKE, flight)
    pair.pump()
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.DECRYPT_ERROR


def test_an_answer_to_nothing_is_refused(willing: ClientConfig, asking: ServerConfig) -> None:
    pair: Pair = connect(willing, asking).check()
    pair.client._writer.write(ContentType.HANDSHAKE, Certificate(b"", ()).encode())
    pair.pump()
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.UNEXPECTED_MESSAGE


def test_a_client_that_must_show_a_certificate_later(
    willing: ClientConfig, asking: ServerConfig
) -> None:
    """RFC 8446, section 4.4.2.4: where it is required, certificate_required."""
    server = asking.replace(client_auth=ClientAuth.REQUIRED)
    pair = connect(willing, server).check()
    assert pair.client._result is not None
    pair.client.config = willing.replace(identity=None)
    assert pair.client._late is None
    pair.server.request_certificate()
    pair.pump()
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.CERTIFICATE_REQUIRED


def test_a_server_does_not_ask_without_end(willing: ClientConfig, asking: ServerConfig) -> None:
    pair = connect(willing, asking).check()
    for _ in range(MAX_REQUESTS):
        pair.server.request_certificate()
    with pytest.raises(UsageError, match="unanswered"):
        pair.server.request_certificate()


def test_a_server_without_trust_does_not_ask(willing: ClientConfig, server: ServerConfig) -> None:
    pair = connect(willing, server).check()
    with pytest.raises(UsageError, match="trust"):
        pair.server.request_certificate()
    with pytest.raises(UsageError):
        pair.client.request_certificate()
