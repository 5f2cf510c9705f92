"""Authentication after the handshake: RFC 8446, section 4.6.2."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TrustStore, UsageError
from aiotls.crypto.aead import Sealer13
from aiotls.enums import Alert, ContentType, KeyUpdateRequest, SignatureScheme
from aiotls.errors import ProtocolError
from aiotls.handshake.post_auth import MAX_REQUESTS
from aiotls.handshake.server13 import certificate_request
from aiotls.wire.messages import Certificate, Finished, KeyUpdate
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
    for number in range(2):
        assert (pair.server.peer is None) == (number == 0)
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


def test_a_key_update_may_end_the_record_of_the_answer(
    willing: ClientConfig, asking: ServerConfig
) -> None:
    """The Finished is of the key that it came under, not of the one announced behind it."""
    pair = connect(willing, asking).check()
    pair.server.request_certificate()
    post, client = pair.client._post, pair.client
    assert post is not None  # there were tickets
    assert pair.server._post is not None
    (request,) = pair.server._post.authentication.requests.values()
    with pytest.raises(StopIteration) as stop:
        post.authentication.answer(request).send(None)
    flight = stop.value.value + KeyUpdate(KeyUpdateRequest.UPDATE_NOT_REQUESTED).encode()
    client._writer.write(ContentType.HANDSHAKE, flight)
    sealer = client._writer.sealer
    assert isinstance(sealer, Sealer13)
    client._writer.sealer = sealer.updated()
    client.write(b"under the next key")
    pair.server.receive_data(client.data_to_send())
    assert pair.check().server.peer is not None
    assert pair.server.read() == b"under the next key"


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
    assert pair.client._post is not None  # there were tickets
    pair.client._post.established = replace(pair.client._post.established, transcript=None)
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
    assert pair.server._post is not None
    context = next(iter(pair.server._post.authentication.requests))
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
    pair.client.reconfigure(willing.replace(identity=None))
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


def test_a_server_does_not_ask_what_is_being_answered_without_end(
    willing: ClientConfig, asking: ServerConfig, client_identity: Identity
) -> None:
    """Answers that wait for a signer are counted, and what waits is bounded."""

    class Waiting:
        schemes = client_identity.schemes

        def __await__(self) -> Generator[None, None, bytes]:
            yield
            return b""

        def sign(self, data: bytes, scheme: SignatureScheme) -> Waiting:
            return self

    slow = willing.replace(identity=Identity(client_identity.chain, Waiting()))
    pair = connect(slow, asking).check()
    request = certificate_request(asking)
    for number in range(MAX_REQUESTS + 1):
        message = replace(request, context=bytes([number]))
        pair.server._writer.write(ContentType.HANDSHAKE, message.encode())
    pair.pump()
    started = [answer.__await__() for answer in pair.client.chores]
    assert len(started) == MAX_REQUESTS + 1
    for answer in started[:-1]:
        next(answer)
    with pytest.raises(ProtocolError, match="without end") as caught:
        next(started[-1])
    assert caught.value.alert == Alert.UNEXPECTED_MESSAGE
    for answer in started:
        answer.close()
