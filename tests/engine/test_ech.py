"""Encrypted Client Hello, both roles: RFC 9849."""

from __future__ import annotations

import pytest

from aiotls import (
    AlertReceived,
    CertificateError,
    ClientConfig,
    ECHKeys,
    ECHRejected,
    ServerConfig,
    UsageError,
)
from aiotls.crypto.hpke import Aead, Kdf, Kem
from aiotls.ech import ECHConfig, ECHKey, choose_config, parse_config_list
from aiotls.enums import Alert, ExtensionType, ProtocolVersion
from aiotls.errors import DecodeError
from aiotls.handshake.peek import peek_client_hello
from aiotls.sessions import MemorySessionCache
from tests.conftest import identity

from .pair import connect

PUBLIC = "front.example"


@pytest.fixture(scope="module")
def keys() -> ECHKeys:
    return ECHKeys.generate(PUBLIC)


@pytest.fixture
def hiding(client: ClientConfig, keys: ECHKeys) -> ClientConfig:
    return client.replace(ech=keys.config_list, alpn_protocols=["h2"])


@pytest.fixture
def opening(server: ServerConfig, keys: ECHKeys) -> ServerConfig:
    return server.replace(
        identities=[identity("localhost"), identity(PUBLIC)],
        ech_keys=keys,
        alpn_protocols=["h2"],
    )


@pytest.mark.parametrize("size", [None, 1, 7])
def test_the_name_is_seen_by_nobody_on_the_way(
    hiding: ClientConfig, opening: ServerConfig, size: int | None
) -> None:
    pair = connect(hiding, opening, size=size).check()
    for end in (pair.client, pair.server):
        assert end.summary()["ech"]
        assert end.server_name == "localhost"
        assert end.alpn_protocol == "h2"
    assert b"localhost" not in pair.to_server
    assert PUBLIC.encode() in pair.to_server
    seen = peek_client_hello(pair.to_server)
    assert seen is not None
    assert (seen.server_name, seen.alpn_protocols) == (PUBLIC, ())


def test_the_server_proves_the_name_that_was_hidden(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Not the public one: section 6.1.7 is for rejection alone."""
    pair = connect(hiding, opening.replace(identities=[identity(PUBLIC)]))
    assert isinstance(pair.client_error, CertificateError)
    assert "localhost" in str(pair.client_error)


def test_names_of_different_lengths_make_hellos_of_one_length(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.1.3."""
    lengths = set()
    for name in ("a.example", "a-rather-long-name.of-someone.example"):
        config = opening.replace(identities=[identity(name), identity(PUBLIC)])
        pair = connect(hiding, config, name=name).check()
        seen = peek_client_hello(pair.to_server)
        assert seen is not None
        lengths.add(len(seen.hello.extensions.raw(ExtensionType.ENCRYPTED_CLIENT_HELLO) or b""))
    assert len(lengths) == 1


@pytest.mark.parametrize("cookie", [False, True])
def test_a_retry_is_encrypted_as_well(
    hiding: ClientConfig, opening: ServerConfig, cookie: bool
) -> None:
    pair = connect(
        hiding.replace(groups=["x25519", "secp256r1"]),
        opening.replace(groups=["secp256r1"], retry_cookie=cookie),
    ).check()
    assert pair.client.summary()["retried"]
    assert pair.client.summary()["ech"]
    assert pair.server.summary()["ech"]
    assert b"localhost" not in pair.to_server


def test_a_session_is_resumed_inside(hiding: ClientConfig, opening: ServerConfig) -> None:
    config = hiding.replace(session_cache=MemorySessionCache())
    assert not connect(config, opening).check().client.summary()["resumed"]
    pair = connect(config, opening).check()
    assert pair.client.summary()["resumed"]
    assert pair.client.summary()["ech"]


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("grease", [False, True])
def test_shapes_of_the_hello(
    hiding: ClientConfig, opening: ServerConfig, permuted: bool, grease: bool
) -> None:
    config = hiding.replace(permute_extensions=permuted, grease=grease)
    for _ in range(20):
        assert connect(config, opening).check().client.summary()["ech"]


@pytest.mark.parametrize("kem", [Kem.DHKEM_X25519_HKDF_SHA256, Kem.DHKEM_P256_HKDF_SHA256])
@pytest.mark.parametrize("aead", [Aead.AES_128_GCM, Aead.AES_256_GCM, Aead.CHACHA20_POLY1305])
def test_suites_of_hpke(client: ClientConfig, opening: ServerConfig, kem: Kem, aead: Aead) -> None:
    keys = ECHKeys.generate(PUBLIC, kem=kem, suites=[(Kdf.HKDF_SHA256, aead)])
    pair = connect(client.replace(ech=keys.config_list), opening.replace(ech_keys=keys)).check()
    assert pair.client.summary()["ech"]


# -- rejection -------------------------------------------------------------------------------------


def test_an_old_key_leads_to_the_new_one(hiding: ClientConfig, opening: ServerConfig) -> None:
    """Section 6.1.6: authenticated by the public name, and the connection is not used."""
    new = ECHKeys.generate(PUBLIC)
    pair = connect(hiding, opening.replace(ech_keys=new))
    error = pair.client_error
    assert isinstance(error, ECHRejected)
    assert error.alert is Alert.ECH_REQUIRED
    assert error.retry_configs == new.config_list
    assert isinstance(pair.server_error, AlertReceived)
    assert pair.server_error.alert == Alert.ECH_REQUIRED
    assert not pair.client.handshake_complete
    again = connect(hiding.replace(ech=error.retry_configs), opening.replace(ech_keys=new)).check()
    assert again.client.summary()["ech"]


@pytest.mark.parametrize("version", [ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2])
def test_a_server_without_keys_is_no_server_for_the_hidden_name(
    hiding: ClientConfig, opening: ServerConfig, version: ProtocolVersion
) -> None:
    pair = connect(hiding, opening.replace(ech_keys=None, max_version=version))
    assert isinstance(pair.client_error, ECHRejected)
    assert pair.client_error.retry_configs is None
    assert not pair.client.handshake_complete


def test_a_rejection_by_someone_else_is_no_rejection(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Whoever has no certificate for the public name cannot say that there are other keys."""
    attacker = opening.replace(
        identities=[identity("attacker.example")], ech_keys=ECHKeys.generate(PUBLIC)
    )
    pair = connect(hiding, attacker)
    assert isinstance(pair.client_error, CertificateError)


def test_a_client_that_was_rejected_shows_no_certificate(
    hiding: ClientConfig, opening: ServerConfig
) -> None:
    """Section 6.1.6: MUST NOT."""
    shown = identity("client")
    asking = opening.replace(
        client_auth="optional", trust=hiding.trust, ech_keys=ECHKeys.generate(PUBLIC)
    )
    pair = connect(hiding.replace(identity=shown), asking)
    assert isinstance(pair.client_error, ECHRejected)
    assert pair.server.peer is None


def test_a_rejection_after_a_retry(hiding: ClientConfig, opening: ServerConfig) -> None:
    other = opening.replace(groups=["secp256r1"], ech_keys=ECHKeys.generate(PUBLIC))
    pair = connect(hiding.replace(groups=["x25519", "secp256r1"]), other)
    assert isinstance(pair.client_error, ECHRejected)


# -- GREASE ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_keys", [False, True])
def test_grease_changes_nothing(
    client: ClientConfig, opening: ServerConfig, with_keys: bool, keys: ECHKeys
) -> None:
    config = opening.replace(ech_keys=keys if with_keys else None)
    pair = connect(client.replace(grease_ech=True), config).check()
    assert not pair.client.summary()["ech"]
    assert not pair.server.summary()["ech"]
    seen = peek_client_hello(pair.to_server)
    assert seen is not None
    assert ExtensionType.ENCRYPTED_CLIENT_HELLO in seen.hello.extensions


def test_grease_is_repeated_in_a_second_hello(client: ClientConfig, opening: ServerConfig) -> None:
    """Section 6.2.1: with the same value."""
    pair = connect(
        client.replace(grease_ech=True, groups=["x25519", "secp256r1"]),
        opening.replace(groups=["secp256r1"]),
    ).check()
    assert pair.client.summary()["retried"]


# -- keys ------------------------------------------------------------------------------------------


def test_old_keys_go_on_decrypting_when_new_ones_are_made(
    client: ClientConfig, opening: ServerConfig
) -> None:
    keys = ECHKeys.generate(PUBLIC)
    lists = [keys.config_list]
    for _ in range(3):
        keys.rotate(keep=2)
        lists.append(keys.config_list)
    assert len(set(lists)) == 4
    server = opening.replace(ech_keys=keys)
    for config_list in lists[1:]:
        assert connect(client.replace(ech=config_list), server).check().client.summary()["ech"]
    pair = connect(client.replace(ech=lists[0]), server)
    assert isinstance(pair.client_error, ECHRejected)
    assert pair.client_error.retry_configs == keys.config_list


def test_two_keys_may_have_one_identifier(client: ClientConfig, opening: ServerConfig) -> None:
    """Section 7.1: each of them is tried."""
    some = ECHKeys.generate(PUBLIC)
    while (other := ECHKeys.generate(PUBLIC)).keys[0].config.config_id != (
        some.keys[0].config.config_id
    ):
        pass
    both = ECHKeys([*some.keys, *other.keys])
    for keys in (some, other):
        pair = connect(client.replace(ech=keys.config_list), opening.replace(ech_keys=both))
        assert pair.check().client.summary()["ech"]


def test_keys_survive_a_file(client: ClientConfig, opening: ServerConfig) -> None:
    keys = ECHKeys.generate(PUBLIC)
    keys.rotate()
    loaded = ECHKeys.from_pem(keys.to_pem())
    assert loaded.config_list == keys.config_list
    assert [key.config for key in loaded.keys] == [key.config for key in keys.keys]
    assert "PRIVATE" not in repr(loaded.keys)


def test_there_are_no_more_keys_than_identifiers() -> None:
    """RFC 9849, section 4.1: config_id is one byte, and keys in use at a time differ in it."""
    keys = ECHKeys.generate(public_name="front.example")
    for keep in (-1, 256):
        with pytest.raises(UsageError, match="not within 0 to 255"):
            keys.rotate(keep)
    for _ in range(257):
        keys.rotate(255)
    assert {key.config.config_id for key in keys.keys} == set(range(256))


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN ECHCONFIG-----\nAAAA\n-----END ECHCONFIG-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        # a key of the kind 1.3.69.110, which nobody knows
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK0VuBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        b"AAAAAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_file_without_keys(pem: bytes) -> None:
    with pytest.raises(UsageError):
        ECHKeys.from_pem(pem)


def test_a_key_that_does_not_belong_to_its_config() -> None:
    one, other = ECHKeys.generate(PUBLIC), ECHKeys.generate(PUBLIC)
    with pytest.raises(UsageError, match="does not belong"):
        ECHKey(one.keys[0].config, other.keys[0].private_key)


# -- config lists ----------------------------------------------------------------------------------


def config(
    name: str = PUBLIC,
    *,
    kem: int = Kem.DHKEM_X25519_HKDF_SHA256,
    suites: tuple[tuple[int, int], ...] = ((1, 1),),
    extensions: tuple[tuple[int, bytes], ...] = (),
    public_key: bytes | None = None,
) -> ECHConfig:
    key = ECHKeys.generate(PUBLIC).keys[0].config.public_key if public_key is None else public_key
    return ECHConfig.build(7, kem, key, suites, name, 0, extensions)


def list_of(*encoded: bytes) -> bytes:
    body = b"".join(encoded)
    return len(body).to_bytes(2, "big") + body


def test_what_a_client_cannot_use_is_passed_over() -> None:
    """Sections 4.2 and 6.1: other versions, KEMs, suites, and mandatory extensions."""
    other_version = b"\xfe\x0a\x00\x03abc"
    good = config()
    unusable = [
        config(kem=0x7777),
        config(suites=((9, 9),)),
        config(extensions=((0x8001, b""),)),
        config(extensions=((1, b""), (1, b""))),
        config(public_key=bytes(5)),
    ]
    assert all(not c.usable for c in unusable)
    encoded = list_of(other_version, *(c.encoded for c in unusable), good.encoded)
    assert choose_config(encoded) == good
    assert choose_config(list_of(other_version)) is None
    assert config(extensions=((1, b"unknown, and not mandatory"),)).usable


@pytest.mark.parametrize(
    "name", ["", "127.0.0.1", "a_b.example", ".example", "a..b", "0x7f", "-a.example", "a" * 300]
)
def test_a_public_name_that_is_none(name: str) -> None:
    """Section 6.1.7: clients pass such a config over, so none is made."""
    with pytest.raises(UsageError):
        ECHKeys.generate(name)


def test_a_list_that_is_malformed(client: ClientConfig) -> None:
    good = ECHKeys.generate(PUBLIC).config_list
    for end in range(len(good)):
        with pytest.raises(DecodeError):
            parse_config_list(good[:end])
        with pytest.raises(UsageError):
            client.replace(ech=good[:end])
    with pytest.raises(DecodeError):
        parse_config_list(good + b"\0")


def test_a_list_without_a_usable_config_counts_as_none(
    client: ClientConfig, opening: ServerConfig
) -> None:
    unusable = list_of(config(suites=((9, 9),)).encoded)
    pair = connect(client.replace(ech=unusable), opening).check()
    assert not pair.client.summary()["ech"]


def test_ech_needs_tls13(client: ClientConfig, keys: ECHKeys) -> None:
    with pytest.raises(UsageError, match="needs TLS"):
        client.replace(ech=keys.config_list, max_version=ProtocolVersion.TLSv1_2)
