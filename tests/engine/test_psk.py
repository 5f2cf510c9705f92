"""Keys agreed on elsewhere: RFC 8446, section 4.2.11; RFC 9258."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.x509 import ocsp

from aiotls import ClientConfig, ExternalPsk, Identity, ProtocolError, ServerConfig, UsageError
from aiotls.config import LiveServerConfig
from aiotls.enums import Alert, CipherSuite
from aiotls.wire.messages import ClientHello, Message
from tests import certificates
from tests.engine.pair import connect
from tests.engine.test_certificates import staple

KEY = ExternalPsk(b"device 17", b"0123456789abcdef0123456789abcdef")


def known(*keys: ExternalPsk) -> ServerConfig:
    table = {key.identity: key for key in keys}
    return ServerConfig(psk=table.get, tickets=0)


SUITES = {
    "sha256": CipherSuite.TLS_AES_128_GCM_SHA256,
    "sha384": CipherSuite.TLS_AES_256_GCM_SHA384,
}


@pytest.mark.parametrize("hash_name", ["sha256", "sha384"])
def test_a_key_is_enough_for_both(hash_name: str) -> None:
    key = replace(KEY, hash_name=hash_name)
    suite = SUITES[hash_name]
    client = ClientConfig(psks=[key], cipher_suites=[suite], session_cache=None)
    pair = connect(client, known(key)).check()
    assert pair.client.peer is None
    assert pair.server.peer is None
    pair.client.write(b"hello")
    pair.pump()
    assert pair.server.read() == b"hello"


@pytest.mark.parametrize("target", ["sha256", "sha384"])
def test_an_imported_key(target: str) -> None:
    key = KEY.derive(b"context", target)
    suite = SUITES[target]
    client = ClientConfig(psks=[key], cipher_suites=[suite], session_cache=None)
    connect(client, known(key)).check()
    assert KEY.derive(b"other", target) != key


def test_an_imported_key_is_bound_as_one() -> None:
    """RFC 9258, section 4.2: its own binder label."""
    key = KEY.derive()
    client = ClientConfig(psks=[replace(key, imported=False)], session_cache=None)
    pair = connect(client, known(key))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.DECRYPT_ERROR


def test_a_wrong_key_is_refused() -> None:
    client = ClientConfig(psks=[replace(KEY, secret=bytes(32))], session_cache=None)
    pair = connect(client, known(KEY))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.DECRYPT_ERROR


def test_an_unknown_key_falls_back_to_a_certificate(
    client: ClientConfig, server: ServerConfig
) -> None:
    pair = connect(client.replace(psks=[KEY]), server.replace(psk=lambda identity: None)).check()
    assert pair.client.peer is not None


def test_an_unknown_key_without_a_certificate_is_refused() -> None:
    pair = connect(ClientConfig(psks=[KEY], session_cache=None), known())
    assert isinstance(pair.server_error, ProtocolError)
    assert not pair.client.handshake_complete


def test_a_look_up_that_fails_ends_the_handshake() -> None:
    def fail(identity: bytes) -> ExternalPsk:
        raise RuntimeError("the database is gone")

    pair = connect(ClientConfig(psks=[KEY], session_cache=None), ServerConfig(psk=fail))
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.INTERNAL_ERROR
    assert isinstance(pair.server_error.__cause__, RuntimeError)


def test_keys_over_a_retry() -> None:
    client = ClientConfig(psks=[KEY], session_cache=None)
    pair = connect(client, known(KEY).replace(groups=["secp384r1"])).check()
    assert pair.server.established is not None
    assert pair.server.established.retried


def test_a_tampered_hello_breaks_its_binder() -> None:
    def tamper(message: Message) -> Message:
        return replace(message, random=bytes(32)) if isinstance(message, ClientHello) else message

    client = ClientConfig(psks=[KEY], session_cache=None)
    pair = connect(client, known(KEY), client_sends=tamper)
    assert isinstance(pair.server_error, ProtocolError)
    assert pair.server_error.alert == Alert.DECRYPT_ERROR


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(UsageError):
        ExternalPsk(b"id", b"password")
    with pytest.raises(UsageError):
        ExternalPsk(b"", bytes(16))


def test_a_live_configuration_changes_at_once_or_not_at_all(
    client: ClientConfig, server: ServerConfig
) -> None:
    live = LiveServerConfig(server)
    other = certificates.leaf("localhost", number=7).identity
    live.update(identity=other, tickets=0)
    pair = connect(client, live.config).check()
    assert pair.client.peer is not None
    assert pair.client.peer.chain == other.chain
    before = live.config
    with pytest.raises(UsageError):
        live.update(identity=server.identity, tickets=99)
    assert live.config is before


def test_what_clients_would_not_take_does_not_replace_what_they_do(server: ServerConfig) -> None:
    """A certificate whose time is over, or has not come, and a staple that is none, or is old."""
    live = LiveServerConfig(server)
    day, now = certificates.DAY, certificates.NOW
    over = certificates.leaf("localhost", begins=now - 9 * day, ends=now - day).identity
    early = certificates.leaf("localhost", begins=now + day, ends=now + 9 * day).identity
    good = certificates.leaf("localhost")
    chained = Identity([good.der, certificates.authority().der], good.key)
    hour = certificates.DAY / 24
    wrong = [
        over,
        early,
        chained.with_staple(b"nonsense"),
        chained.with_staple(staple(begins=now - 5 * hour, ends=now - 2 * hour)),
        chained.with_staple(staple(of=certificates.leaf("elsewhere"))),
        chained.with_staple(staple(status=ocsp.OCSPCertStatus.REVOKED)),
    ]
    for identity in wrong:
        with pytest.raises(UsageError):
            live.update(identity=identity)
        assert live.config is server
    live.update(identity=chained.with_staple(staple()))
    assert live.config.identities[0].staple is not None


@pytest.mark.parametrize("version", [0x0303, 0x0304])
def test_a_refused_client_may_be_left_to_the_application(
    client: ClientConfig, server: ServerConfig, version: int
) -> None:
    stranger = certificates.leaf("client", issuer=certificates.authority("a stranger")).identity
    server = server.replace(client_auth="required", trust=certificates.authority().trust)
    client = client.replace(identity=stranger, max_version=version)
    assert connect(client, server).server_error is not None
    server = server.replace(dangerous_accept_unverified_clients=True)
    for _ in range(2):  # it is not resumed without a word either
        pair = connect(client, server).check()
        peer = pair.server.peer
        assert peer is not None
        assert peer.verified_chain == ()
        assert peer.refusal is not None
        assert peer.chain == stranger.chain
