"""Configurations: what a copy with changes is."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from aiotls import (
    ClientAuth,
    ClientConfig,
    ECHKeys,
    ExternalPsk,
    HandshakeBudget,
    LiveServerConfig,
    ServerConfig,
    UsageError,
)
from aiotls.enums import CertificateType, CipherSuite, NamedGroup, ProtocolVersion
from aiotls.sessions import (
    MemorySessionCache,
    MemorySessionStore,
    TicketKey,
    TicketKeyRing,
)
from tests import certificates


def test_another_identity_takes_the_place_of_the_first() -> None:
    """As when a certificate is renewed: what was derived from the old one goes with it."""
    first, second = certificates.leaf("localhost").identity, certificates.leaf("other").identity
    config = ServerConfig(identity=first)
    assert config.replace(identity=second).identities == (second,)
    several = config.replace(identities=(second, first))
    assert several.identities == (second, first)
    assert several.replace(identity=first).identities == (first,)
    with pytest.raises(UsageError):
        ServerConfig(identity=first, identities=(second,))


EITHER: list[tuple[str, dict[str, Any]]] = [
    ("is above max_version", {"min_version": 0x0304, "max_version": 0x0303}),
    ("is not spoken here", {"min_version": 0x0301}),
    ("is not spoken here", {"max_version": 0x0305}),
    (
        "none of cipher_suites",
        {
            "min_version": ProtocolVersion.TLSv1_3,
            "cipher_suites": [CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256],
        },
    ),
    ("a list of cipher suites", {"cipher_suites": "TLS_AES_128_GCM_SHA256"}),
    ("a list of groups", {"groups": 29}),
    ("at least one group", {"groups": []}),
    ("stands twice", {"groups": ["x25519", "x25519"]}),
    ("is not a group that is spoken", {"groups": ["ffdhe2048"]}),
    ("is not a cipher suite that is spoken", {"cipher_suites": [0x002F]}),
    ("is not a signature scheme", {"certificate_signature_schemes": [0x0201]}),
    ("is one name; give a list", {"alpn_protocols": "h2"}),
    ("an ALPN name is text or bytes", {"alpn_protocols": [2]}),
    ("has 0 bytes, not 1 to 255", {"alpn_protocols": [""]}),
    ("has 256 bytes, not 1 to 255", {"alpn_protocols": ["x" * 256]}),
    ("not within 0 to 16384", {"record_padding": -1}),
    ("not within 64 to 16385", {"record_size_limit": 63}),
    ("not within 512 to 16384", {"max_fragment": 511}),
    ("not within 512 to 16384", {"initial_fragment": 16_385}),
    ("not within 16384 to 16777215", {"max_handshake_message": 1 << 24}),
    ("must be RevocationLists", {"revocation": []}),
    ("must be a TrustStore, not str", {"trust": "/etc/ssl/certs"}),
    ("a raw public key is a SubjectPublicKeyInfo", {"raw_public_keys": [b"key"]}),
    ("none would be taken", {"peer_certificate_types": [CertificateType.RAW_PUBLIC_KEY]}),
]


@pytest.mark.parametrize(("text", "fields"), EITHER)
def test_no_configuration_has(text: str, fields: dict[str, Any]) -> None:
    identity = certificates.leaf("localhost").identity
    for build in (ClientConfig, lambda **changes: ServerConfig(identity=identity, **changes)):
        with pytest.raises(UsageError, match=text):
            build(**fields)


CLIENTS: list[tuple[str, dict[str, Any]]] = [
    ("not among groups", {"groups": ["x25519"], "key_shares": [NamedGroup.SECP256R1]}),
    ("psks holds ExternalPsk, not bytes", {"psks": [b"key"]}),
    ("an ECHConfigList in bytes, not str", {"ech": "AEX+DQBB"}),
    ("is no ECHConfigList", {"ech": b"\0\1\2"}),
    ("needs TLS 1.3", {"ech": b"\0\0", "max_version": ProtocolVersion.TLSv1_2}),
    ("an Identity is expected", {"identity": "cert.pem"}),
]


@pytest.mark.parametrize(("text", "fields"), CLIENTS)
def test_no_clients_configuration_has(text: str, fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=text):
        ClientConfig(**fields)


SERVERS: list[tuple[str, dict[str, Any]]] = [
    ("needs an identity", {"identity": None}),
    ("identities is a list", {"identities": certificates.leaf("localhost").identity}),
    ("ech_keys must be ECHKeys, not bytes", {"ech_keys": b""}),
    ("not within 0 to 16", {"tickets": 17}),
    ("not within 0 to 1048576", {"max_early_data": 1 << 21}),
    ("needs a replay_guard", {"max_early_data": 1}),
    ("not within 1 to 604800", {"ticket_lifetime": 604_801}),
    ("needs trust", {"client_auth": ClientAuth.REQUIRED}),
    ("names in DER", {"certificate_authorities": ["CN=a"]}),
    ("more than 8192 bytes", {"certificate_authorities": [bytes(9000)]}),
]


@pytest.mark.parametrize(("text", "fields"), SERVERS)
def test_no_servers_configuration_has(text: str, fields: dict[str, Any]) -> None:
    if "identities" not in fields:
        fields = {"identity": certificates.leaf("localhost").identity} | fields
    with pytest.raises(UsageError, match=text):
        ServerConfig(**fields)


def key(name: bytes = bytes(16)) -> TicketKey:
    return TicketKey(name, secrets.token_bytes(32))


OTHERS: list[tuple[str, Any]] = [
    ("1 to 65535 bytes", lambda: ExternalPsk(b"", bytes(32))),
    ("can be guessed", lambda: ExternalPsk(b"key", bytes(15))),
    ("sha256 or sha384", lambda: ExternalPsk(b"key", bytes(32), "md5")),
    ("sha256 or sha384", lambda: ExternalPsk(b"key", bytes(32)).derive(target="sha1")),
    ("a ServerConfig is expected", lambda: LiveServerConfig(ClientConfig())),  # type: ignore[arg-type]
    ("no host name", lambda: ECHKeys.generate("no host")),
    ("within 0 to 255", lambda: ECHKeys.generate("example.com", maximum_name_length=256)),
    ("has to be published", lambda: ECHKeys.generate("example.com").replace([])),
    ("no PRIVATE KEY", lambda: ECHKeys.from_pem("")),
    ("16", lambda: TicketKey(b"short", bytes(32))),
    ("at least one", lambda: TicketKeyRing().replace(())),
    ("name", lambda: TicketKeyRing((key(), key()))),
    ("rotation", lambda: TicketKeyRing(rotation=0)),
    ("at least one", lambda: MemorySessionStore(0)),
    ("at least one", lambda: MemorySessionCache(0)),
    ("concurrent", lambda: HandshakeBudget(concurrent=0)),
    ("concurrent", lambda: HandshakeBudget(concurrent=True)),
]


@pytest.mark.parametrize(("text", "make"), OTHERS)
def test_what_goes_with_them_is_checked_as_early(text: str, make: Any) -> None:
    with pytest.raises(UsageError, match=text):
        make()
