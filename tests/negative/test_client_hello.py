"""What a server must not accept from a TLS 1.3 client: RFC 8446, sections 4.1.2 to 4.4.4.

Each test is a MUST. The hostile client is this package's own, with one message changed on
its way out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aiotls import ClientAuth, ClientConfig, Identity, ServerConfig, TrustStore
from aiotls.enums import Alert, ExtensionType, NamedGroup, SignatureScheme
from aiotls.errors import AlertReceived, ProtocolError
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Extensions
from aiotls.wire.messages import Certificate, CertificateVerify, ClientHello, Finished
from tests.engine.pair import Mutation, Pair, connect
from tests.negative.test_server_hello import on, with_extensions


def rejected(pair: Pair, alert: Alert, reason: str | None = None) -> None:
    """The server ended the connection with *alert*, and the client was told."""
    error = pair.server_error
    assert isinstance(error, ProtocolError), f"the server accepted it: {error!r}"
    assert error.alert == alert, error
    if reason is not None:
        assert error.reason == reason
    assert not pair.server.handshake_complete
    assert pair.client_error is not None
    if isinstance(pair.client_error, AlertReceived):
        assert pair.client_error.alert == alert


def hello(change: Any) -> Mutation:
    return on(ClientHello, change)


X25519 = NamedGroup.X25519
X25519_SHARE = ext.KeyShareEntry(NamedGroup.X25519, b"\1" * 32)
OTHER_SHARE = ext.KeyShareEntry(NamedGroup.SECP256R1, b"\4" + bytes(64))

CASES: list[tuple[str, Mutation, Alert]] = [
    (
        "the_client_offers_the_null_compression_alone",
        hello(lambda m: replace(m, compression_methods=b"\1\0")),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_client_offers_the_null_compression",
        hello(lambda m: replace(m, compression_methods=b"\1")),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "there_is_a_common_version",
        hello(lambda m: with_extensions(m, (ext.SUPPORTED_VERSIONS, (0x0301, 0x0302)))),
        Alert.PROTOCOL_VERSION,
    ),
    (
        "a_client_without_supported_versions_is_older",
        hello(lambda m: replace(m, extensions=Extensions(), legacy_version=0x0302)),
        Alert.PROTOCOL_VERSION,
    ),
    (
        "there_is_a_common_suite",
        hello(lambda m: replace(m, cipher_suites=(0x00FF, 0x0A0A, 0x002F))),
        Alert.HANDSHAKE_FAILURE,
    ),
    (
        "there_is_a_common_group",
        hello(
            lambda m: with_extensions(
                m, (ext.SUPPORTED_GROUPS, (NamedGroup.X448,)), (ext.KEY_SHARE, ())
            )
        ),
        Alert.HANDSHAKE_FAILURE,
    ),
    (
        "there_is_a_common_signature_scheme",
        hello(lambda m: with_extensions(m, (ext.SIGNATURE_ALGORITHMS, (0x0203,)))),
        Alert.HANDSHAKE_FAILURE,
    ),
    (
        "signature_algorithms_is_sent",
        hello(lambda m: with_extensions(m, drop=(ExtensionType.SIGNATURE_ALGORITHMS,))),
        Alert.MISSING_EXTENSION,
    ),
    (
        "supported_groups_is_sent",
        hello(lambda m: with_extensions(m, drop=(ExtensionType.SUPPORTED_GROUPS,))),
        Alert.MISSING_EXTENSION,
    ),
    (
        "key_share_is_sent",
        hello(lambda m: with_extensions(m, drop=(ExtensionType.KEY_SHARE,))),
        Alert.MISSING_EXTENSION,
    ),
    (
        "no_group_has_two_shares",
        hello(lambda m: with_extensions(m, (ext.KEY_SHARE, (X25519_SHARE, X25519_SHARE)))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_share_is_of_a_group_that_is_supported",
        hello(
            lambda m: with_extensions(
                m,
                (ext.SUPPORTED_GROUPS, (NamedGroup.SECP256R1,)),
                (ext.KEY_SHARE, (X25519_SHARE,)),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_share_that_nobody_needs_is_of_a_group_that_is_supported",
        hello(
            lambda m: with_extensions(
                m,
                (
                    ext.SUPPORTED_GROUPS,
                    tuple(g for g in m.extensions.get(ext.SUPPORTED_GROUPS) if g != X25519),
                ),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_share_has_its_groups_length",
        hello(
            lambda m: with_extensions(
                m,
                (ext.SUPPORTED_GROUPS, (NamedGroup.X25519,)),
                (ext.KEY_SHARE, (ext.KeyShareEntry(NamedGroup.X25519, b"\1" * 33),)),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_shared_secret_is_not_all_zero",
        hello(
            lambda m: with_extensions(
                m,
                (ext.SUPPORTED_GROUPS, (NamedGroup.X25519,)),
                (ext.KEY_SHARE, (ext.KeyShareEntry(NamedGroup.X25519, bytes(32)),)),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_point_lies_on_its_curve",
        hello(
            lambda m: with_extensions(
                m,
                (ext.SUPPORTED_GROUPS, (NamedGroup.SECP256R1,)),
                (ext.KEY_SHARE, (ext.KeyShareEntry(NamedGroup.SECP256R1, b"\4" + b"\1" * 64),)),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "psk_key_exchange_modes_goes_with_pre_shared_key",
        hello(
            lambda m: with_extensions(
                m,
                (
                    ext.PRE_SHARED_KEY,
                    ext.OfferedPsks((ext.PskIdentity(b"x", 0),), (bytes(32),)),
                ),
                drop=(ExtensionType.PSK_KEY_EXCHANGE_MODES,),
            )
        ),
        Alert.MISSING_EXTENSION,
    ),
    (
        "pre_shared_key_comes_last",
        hello(
            lambda m: replace(
                m,
                extensions=Extensions.build(
                    [
                        (
                            ext.PRE_SHARED_KEY,
                            ext.OfferedPsks((ext.PskIdentity(b"x", 0),), (bytes(32),)),
                        ),
                        *m.extensions.items,
                    ]
                ),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "there_are_as_many_binders_as_identities",
        hello(
            lambda m: with_extensions(
                m,
                (
                    ext.PRE_SHARED_KEY,
                    ext.OfferedPsks((ext.PskIdentity(b"x", 0),), (bytes(32), bytes(32))),
                ),
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "an_extension_of_another_message_is_refused",
        hello(lambda m: with_extensions(m, (ExtensionType.OID_FILTERS, b"\0\0"))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_client_hello_comes_first",
        hello(lambda m: Finished(bytes(32))),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "a_client_hello_ends_where_it_says",
        hello(lambda m: b"\1" + (len(m.encode()) - 3).to_bytes(3, "big") + m.encode()[4:] + b"x"),
        Alert.DECODE_ERROR,
    ),
    (
        "the_finished_verifies",
        on(Finished, lambda m: replace(m, verify_data=bytes(len(m.verify_data)))),
        Alert.DECRYPT_ERROR,
    ),
    (
        "no_certificate_is_sent_unasked",
        on(Finished, lambda m: [Certificate(b"", ()), m]),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "handshake_data_does_not_follow_the_clients_finished",
        on(Finished, lambda m: [m, b"\x18\x00\x00\x01\x00"]),
        Alert.UNEXPECTED_MESSAGE,
    ),
]


@pytest.mark.parametrize(
    ("mutation", "alert"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_server_holds_the_client_to_it(
    client: ClientConfig, server: ServerConfig, mutation: Mutation, alert: Alert
) -> None:
    rejected(connect(client, server, client_sends=mutation), alert)


# -- the second ClientHello: section 4.1.2 ---------------------------------------------------------


def again(change: Any) -> Mutation:
    """Changes the second ClientHello only."""
    seen = []

    def mutation(message: Any) -> Any:
        if isinstance(message, ClientHello):
            seen.append(message)
            if len(seen) == 2:
                return change(message)
        return message

    return mutation


SECOND_CASES: list[tuple[str, Any]] = [
    ("the_random_stays", lambda m: replace(m, random=bytes(32))),
    ("the_session_id_stays", lambda m: replace(m, session_id=bytes(32))),
    ("the_suites_stay", lambda m: replace(m, cipher_suites=m.cipher_suites[:-1])),
    ("no_extension_is_added", lambda m: with_extensions(m, (0x7777, b""))),
    (
        "no_extension_is_removed",
        lambda m: with_extensions(m, drop=(ExtensionType.SERVER_NAME,)),
    ),
    (
        "no_extension_is_changed",
        lambda m: with_extensions(
            m, (ext.SIGNATURE_ALGORITHMS, (SignatureScheme.ecdsa_secp256r1_sha256,))
        ),
    ),
    ("the_cookie_is_echoed", lambda m: with_extensions(m, (ext.COOKIE, b"another"))),
    ("the_cookie_is_not_left_out", lambda m: with_extensions(m, drop=(ExtensionType.COOKIE,))),
    (
        "the_share_is_of_the_group_that_was_asked_for",
        lambda m: with_extensions(m, (ext.KEY_SHARE, (X25519_SHARE,))),
    ),
    (
        "there_is_one_share",
        lambda m: with_extensions(
            m,
            (
                ext.KEY_SHARE,
                (*(m.extensions.get(ext.KEY_SHARE) or ()), X25519_SHARE),
            ),
        ),
    ),
    ("there_is_no_early_data", lambda m: with_extensions(m, (ext.EARLY_DATA, True))),
]


@pytest.mark.parametrize(
    "change", [case[1] for case in SECOND_CASES], ids=[case[0] for case in SECOND_CASES]
)
def test_a_server_holds_the_second_hello_to_it(
    client: ClientConfig, server: ServerConfig, change: Any
) -> None:
    pair = connect(
        client.replace(key_shares=["x25519"]),
        server.replace(groups=["secp256r1"], retry_cookie=True),
        client_sends=again(change),
    )
    rejected(pair, Alert.ILLEGAL_PARAMETER)


@pytest.mark.parametrize("shares", [(), (("other",),)], ids=["none", "of_another_group"])
def test_the_share_is_there_after_a_cookie_alone(
    client: ClientConfig, server: ServerConfig, shares: tuple[Any, ...]
) -> None:
    """Section 4.2.8: where the first hello's share was good, the second has it as well."""
    entries = tuple(OTHER_SHARE for _ in shares)
    change = again(lambda m: with_extensions(m, (ext.KEY_SHARE, entries)))
    pair = connect(
        client.replace(key_shares=["x25519"]),
        server.replace(groups=["x25519"], retry_cookie=True),
        client_sends=change,
    )
    rejected(pair, Alert.ILLEGAL_PARAMETER)


# -- client certificates: section 4.4.2 ------------------------------------------------------------


@pytest.fixture
def mutual(server: ServerConfig, client_trust: TrustStore) -> ServerConfig:
    return server.replace(client_auth=ClientAuth.REQUIRED, trust=client_trust)


def test_a_required_certificate_is_shown(client: ClientConfig, mutual: ServerConfig) -> None:
    rejected(connect(client, mutual), Alert.CERTIFICATE_REQUIRED)


CERTIFICATE_CASES: list[tuple[str, Mutation, Alert]] = [
    (
        "the_request_context_is_echoed",
        on(Certificate, lambda m: replace(m, context=b"x")),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_certificate_is_not_left_out",
        on(Certificate, lambda m: None),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "the_certificate_verify_is_not_left_out",
        on(CertificateVerify, lambda m: None),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "the_signature_verifies",
        on(CertificateVerify, lambda m: replace(m, signature=m.signature[::-1])),
        Alert.DECRYPT_ERROR,
    ),
    (
        "a_certificate_verify_does_not_follow_an_empty_certificate",
        on(Certificate, lambda m: replace(m, entries=())),
        Alert.CERTIFICATE_REQUIRED,
    ),
]


@pytest.mark.parametrize(
    ("mutation", "alert"),
    [case[1:] for case in CERTIFICATE_CASES],
    ids=[case[0] for case in CERTIFICATE_CASES],
)
def test_a_server_holds_the_clients_certificate_to_it(
    client: ClientConfig,
    mutual: ServerConfig,
    client_identity: Identity,
    mutation: Mutation,
    alert: Alert,
) -> None:
    pair = connect(client.replace(identity=client_identity), mutual, client_sends=mutation)
    rejected(pair, alert)
