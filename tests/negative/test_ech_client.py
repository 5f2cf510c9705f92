"""What RFC 9849, section 6, has a client send, and refuse, when its ClientHello is encrypted."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import (
    CertificateError,
    ClientConfig,
    ECHKeys,
    ECHRejected,
    ServerConfig,
    TLSConnection,
    peek_client_hello,
)
from aiotls.enums import Alert, CipherSuite, ExtensionType, ProtocolVersion
from aiotls.errors import ProtocolError
from aiotls.handshake.ech import Sealed
from aiotls.sessions import MemoryReplayGuard, MemorySessionCache
from aiotls.wire import extensions as ext
from aiotls.wire.messages import ClientHello, EncryptedExtensions, Message, ServerHello
from tests.conftest import identity
from tests.engine.pair import Pair, connect, mutate
from tests.negative.test_server_hello import on, rejected, with_extensions

ECH = int(ExtensionType.ENCRYPTED_CLIENT_HELLO)
PUBLIC = "front.example"
BEFORE_TLS13 = (
    ExtensionType.EXTENDED_MASTER_SECRET,
    ExtensionType.RENEGOTIATION_INFO,
    ExtensionType.EC_POINT_FORMATS,
    ExtensionType.SESSION_TICKET,
)


@pytest.fixture(scope="module")
def keys() -> ECHKeys:
    return ECHKeys.generate(PUBLIC)


@pytest.fixture
def hiding(client: ClientConfig, keys: ECHKeys) -> ClientConfig:
    return client.replace(
        ech=keys.config_list,
        groups=["x25519", "secp256r1"],
        key_shares=["x25519"],
        session_cache=MemorySessionCache(),
    )


@pytest.fixture
def opening(server: ServerConfig, keys: ECHKeys) -> ServerConfig:
    return server.replace(
        identities=[identity("localhost"), identity(PUBLIC)],
        ech_keys=keys,
        max_early_data=1024,
        replay_guard=MemoryReplayGuard(),
    )


@pytest.fixture
def refusing(opening: ServerConfig) -> ServerConfig:
    """The same server, with another key by now."""
    return opening.replace(ech_keys=ECHKeys.generate(PUBLIC))


def hellos(client: ClientConfig, server: ServerConfig) -> tuple[list[ClientHello], Any]:
    """The outer ClientHellos of a handshake, and the inner one that the server went by."""
    outer: list[ClientHello] = []
    inner: list[Any] = []

    def note(message: Message) -> Message:
        if isinstance(message, ClientHello):
            outer.append(message)
        return message

    def select(info: Any) -> None:
        inner.append(info.hello)

    pair = connect(client, server.replace(select=select), client_sends=note).check()
    assert pair.client.summary()["ech"]
    return outer, inner[0]


def test_the_outer_hello_hides_the_inner_one(hiding: ClientConfig, opening: ServerConfig) -> None:
    """Section 6.1: a random of its own, the session id of the inner one, the public name."""
    (outer,), inner = hellos(hiding, opening)
    assert outer.random != inner.random
    assert outer.session_id == inner.session_id
    assert outer.extensions.get(ext.SERVER_NAME) == PUBLIC
    assert inner.extensions.get(ext.SERVER_NAME) == "localhost"
    assert inner.extensions.raw(ECH) == b"\1"
    assert ProtocolVersion.TLSv1_3 in (outer.extensions.get(ext.SUPPORTED_VERSIONS) or ())


def test_the_inner_hello_offers_nothing_older(hiding: ClientConfig, opening: ServerConfig) -> None:
    """Section 6.1: neither a version below TLS 1.3 nor a session of one, though the outer does."""
    connect(hiding.replace(ech=None), opening.replace(max_version=ProtocolVersion.TLSv1_2)).check()
    (outer,), inner = hellos(hiding, opening)
    offered = set(inner.extensions.get(ext.SUPPORTED_VERSIONS) or ())
    assert ProtocolVersion.TLSv1_3 in offered
    assert not any(0x0300 <= version <= ProtocolVersion.TLSv1_2 for version in offered)
    assert not set(BEFORE_TLS13) & set(inner.extensions.types)
    assert ExtensionType.SESSION_TICKET not in outer.extensions
    old = CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    assert old in outer.cipher_suites
    assert old not in inner.cipher_suites


def test_what_both_hellos_have_stands_in_one_order(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.1: what is compressed is the same in both, in the same order."""
    for _ in range(10):
        (outer,), inner = hellos(hiding.replace(permute_extensions=True), opening)
        shared = [p for p in inner.extensions.items if p in outer.extensions.items]
        assert len(shared) > 4
        assert [p for p in outer.extensions.items if p in shared] == shared


def test_a_key_that_is_offered_outside_is_made_up(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.1.2: it never advertises a pre-shared key; but the modes go with it."""
    connect(hiding, opening).check()
    (outer,), inner = hellos(hiding, opening)
    real, made_up = (h.extensions.get(ext.PRE_SHARED_KEY) for h in (inner, outer))
    assert real is not None
    assert made_up is not None
    assert len(made_up.identities) == len(real.identities)
    for one, other in zip(real.identities, made_up.identities, strict=True):
        assert one.identity != other.identity
        assert len(one.identity) == len(other.identity)
    assert not set(real.binders) & set(made_up.binders)
    modes = int(ExtensionType.PSK_KEY_EXCHANGE_MODES)
    assert outer.extensions.raw(modes) == inner.extensions.raw(modes) != None  # noqa: E711
    assert outer.extensions.types[-1] == ExtensionType.PRE_SHARED_KEY


def test_the_sealing_goes_by_the_config(hiding: ClientConfig, opening: ServerConfig) -> None:
    """Sections 6.1 and 6.1.5: its suite and identifier, and the same ones in the second hello."""
    (first, second), _ = hellos(hiding, opening.replace(groups=["secp256r1"]))
    config = hiding.ech_config
    assert config is not None
    assert config.suite is not None
    both = [Sealed.parse(h.extensions.raw(ECH) or b"") for h in (first, second)]
    for sealed in both:
        assert sealed is not None
        assert sealed.config_id == config.config_id
        assert (sealed.kdf, sealed.aead) == (config.suite.kdf, config.suite.aead)
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].enc
    assert both[1].enc == b""
    assert first.random == second.random


def test_early_data_is_announced_by_both_hellos(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.1: or the server that cannot decrypt would stumble over it."""
    connect(hiding, opening).check()
    inner: list[Any] = []
    server = opening.replace(select=lambda info: inner.append(info.hello))
    pair = Pair(TLSConnection(hiding, "localhost", early_data=b"early"), TLSConnection(server))
    pair.pump()
    pair.check()
    assert ExtensionType.EARLY_DATA in inner[0].extensions
    outer = peek_client_hello(pair.to_server)
    assert outer is not None
    assert ExtensionType.EARLY_DATA in outer.hello.extensions


# -- when the server could not decrypt -------------------------------------------------------------


def test_the_key_that_was_made_up_is_not_selected(
    hiding: ClientConfig, opening: ServerConfig, refusing: ServerConfig
) -> None:
    """Section 6.1.2: pre_shared_key from a server that rejected is illegal_parameter."""
    connect(hiding, opening).check()
    answer = (ext.PRE_SHARED_KEY_SELECTED, 0)
    change = on(ServerHello, lambda m: with_extensions(m, answer))
    rejected(connect(hiding, refusing, server_sends=change), Alert.ILLEGAL_PARAMETER)


def test_early_data_is_not_accepted_with_it(
    hiding: ClientConfig, opening: ServerConfig, refusing: ServerConfig
) -> None:
    """RFC 8446, section 4.2.10: not without the session, which the outer hello had not."""
    connect(hiding, opening).check()
    change = on(EncryptedExtensions, lambda m: with_extensions(m, (ExtensionType.EARLY_DATA, b"")))
    pair = Pair(TLSConnection(hiding, "localhost", early_data=b"early"), TLSConnection(refusing))
    mutate(pair.server, change)
    pair.pump()
    error = pair.client_error  # its alert is lost among the early data that the server drops
    assert isinstance(error, ProtocolError)
    assert error.alert is Alert.ILLEGAL_PARAMETER
    assert not pair.client.handshake_complete
    assert not pair.server.handshake_complete


def test_nothing_is_kept_of_a_rejection(hiding: ClientConfig, refusing: ServerConfig) -> None:
    """Section 6.1.7: all tickets of the connection are ignored."""
    cache = MemorySessionCache()
    pair = connect(hiding.replace(session_cache=cache), refusing)
    assert isinstance(pair.client_error, ECHRejected)
    assert len(cache) == 0


def test_configs_from_a_stranger_are_not_handed_on(
    hiding: ClientConfig, refusing: ServerConfig
) -> None:
    """Section 6.1.6: where authentication failed the retry configs MUST NOT be used."""
    pair = connect(hiding, refusing.replace(identities=[identity("attacker.example")]))
    assert isinstance(pair.client_error, CertificateError)
    established = pair.client.established
    assert established is None or established.retry_configs is None


# -- GREASE ----------------------------------------------------------------------------------------


def test_configs_are_not_kept_by_a_client_without_any(
    client: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.2.1: MUST NOT save them."""
    pair = connect(client.replace(grease_ech=True), opening).check()
    assert pair.client.established is not None
    assert pair.client.established.retry_configs is None


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_confirmation_that_is_malformed_is_seen_without_ech(
    client: ClientConfig, opening: ServerConfig, size: int
) -> None:
    """Section 6.2.1: decode_error in a HelloRetryRequest, though nothing was encrypted."""

    def hostile(message: Message) -> Any:
        if isinstance(message, ServerHello) and message.is_retry:
            return with_extensions(message, (ECH, bytes(size)))
        return message

    config = client.replace(grease_ech=True, groups=["x25519", "secp256r1"], key_shares=["x25519"])
    pair = connect(config, opening.replace(groups=["secp256r1"]), server_sends=hostile)
    rejected(pair, Alert.DECODE_ERROR)
