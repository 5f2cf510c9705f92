"""What a client must not accept from a TLS 1.3 server: RFC 8446, sections 4.1.3 to 4.4.4.

Each test is a MUST. The hostile server is this package's own, with one message changed on
its way out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aiotls import ClientConfig, ServerConfig
from aiotls.enums import (
    Alert,
    CipherSuite,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from aiotls.errors import ProtocolError
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Extensions
from aiotls.wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    Message,
    ServerHello,
)
from tests.engine.pair import Mutation, Pair, connect


def on(kind: type[Message], change: Callable[[Any], Any]) -> Mutation:
    """Changes the messages of one kind, and lets the others pass."""
    return lambda message: change(message) if isinstance(message, kind) else message


def with_extensions(message: Any, *rows: tuple[Any, Any], drop: tuple[int, ...] = ()) -> Any:
    kinds = {row if isinstance(row, int) else int(row.type) for row, _ in rows} | set(drop)
    kept = [pair for pair in message.extensions.items if pair[0] not in kinds]
    return replace(message, extensions=Extensions.build([*kept, *rows]))


def rejected(pair: Pair, alert: Alert, reason: str | None = None) -> None:
    """The client ended the connection with *alert*, and the server was told."""
    error = pair.client_error
    assert isinstance(error, ProtocolError), f"the client accepted it: {error!r}"
    assert error.alert == alert, error
    if reason is not None:
        assert error.reason == reason
    assert not pair.client.handshake_complete
    assert pair.server_error is not None  # the alert arrived, or was unreadable: either ends it


CASES: list[tuple[str, Mutation, Alert]] = [
    (
        "legacy_version_is_that_of_tls_1_2",
        on(ServerHello, lambda m: replace(m, legacy_version=0x0304)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_session_id_is_echoed",
        on(ServerHello, lambda m: replace(m, session_id=bytes(32))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_session_id_is_not_emptied",
        on(ServerHello, lambda m: replace(m, session_id=b"")),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "no_compression_method_is_selected",
        on(ServerHello, lambda m: replace(m, compression_method=1)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_cipher_suite_is_one_that_is_known",
        on(ServerHello, lambda m: replace(m, cipher_suite=0x1399)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_cipher_suite_is_not_a_grease_value",
        on(ServerHello, lambda m: replace(m, cipher_suite=0x0A0A)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_cipher_suite_is_of_the_selected_version",
        on(
            ServerHello,
            lambda m: replace(m, cipher_suite=CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_selected_version_was_offered",
        on(ServerHello, lambda m: with_extensions(m, (ext.SELECTED_VERSION, 0x0305))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_selected_version_is_not_a_grease_value",
        on(ServerHello, lambda m: with_extensions(m, (ext.SELECTED_VERSION, 0x1A1A))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "supported_versions_does_not_select_tls_1_2",
        on(ServerHello, lambda m: with_extensions(m, (ext.SELECTED_VERSION, 0x0303))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_server_sends_a_key_share",
        on(ServerHello, lambda m: with_extensions(m, drop=(ExtensionType.KEY_SHARE,))),
        Alert.MISSING_EXTENSION,
    ),
    (
        "the_key_share_is_for_a_group_with_a_share",
        on(
            ServerHello,
            lambda m: with_extensions(
                m, (ext.KEY_SHARE_SERVER, ext.KeyShareEntry(NamedGroup.SECP256R1, b"\4" * 65))
            ),
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_key_share_has_its_groups_length",
        on(
            ServerHello,
            lambda m: with_extensions(
                m, (ext.KEY_SHARE_SERVER, ext.KeyShareEntry(NamedGroup.X25519, b"\1" * 31))
            ),
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_shared_secret_is_not_all_zero",
        on(
            ServerHello,
            lambda m: with_extensions(
                m, (ext.KEY_SHARE_SERVER, ext.KeyShareEntry(NamedGroup.X25519, bytes(32)))
            ),
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_server_hello_carries_only_what_depends_on_the_keys",
        on(ServerHello, lambda m: with_extensions(m, (ext.ALPN_SELECTED, b"h2"))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "an_unknown_extension_is_not_answered_unasked",
        on(ServerHello, lambda m: with_extensions(m, (0x7777, b""))),
        Alert.UNSUPPORTED_EXTENSION,
    ),
    (
        "the_selected_psk_was_offered",
        on(ServerHello, lambda m: with_extensions(m, (ext.PRE_SHARED_KEY_SELECTED, 0))),
        Alert.UNSUPPORTED_EXTENSION,
    ),
    (
        "an_extension_is_not_answered_unasked_in_encrypted_extensions",
        on(EncryptedExtensions, lambda m: with_extensions(m, (ext.ALPN_SELECTED, b"h2"))),
        Alert.UNSUPPORTED_EXTENSION,
    ),
    (
        "early_data_is_not_accepted_unasked",
        on(EncryptedExtensions, lambda m: with_extensions(m, (ext.EARLY_DATA, True))),
        Alert.UNSUPPORTED_EXTENSION,
    ),
    (
        "encrypted_extensions_carries_no_key_share",
        on(
            EncryptedExtensions,
            lambda m: with_extensions(m, (ExtensionType.KEY_SHARE, b"\0\x1d\0\0")),
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "encrypted_extensions_is_not_left_out",
        on(EncryptedExtensions, lambda m: None),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "encrypted_extensions_comes_once",
        on(EncryptedExtensions, lambda m: [m, m]),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "the_certificate_is_not_left_out",
        on(Certificate, lambda m: None),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "the_servers_certificate_is_not_empty",
        on(Certificate, lambda m: replace(m, entries=())),
        Alert.DECODE_ERROR,
    ),
    (
        "the_servers_certificate_carries_no_request_context",
        on(Certificate, lambda m: replace(m, context=b"x")),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_certificate_answers_only_what_was_asked",
        on(
            Certificate,
            lambda m: replace(
                m,
                entries=(
                    replace(m.entries[0], extensions=Extensions.build([(0x7777, b"")])),
                    *m.entries[1:],
                ),
            ),
        ),
        Alert.UNSUPPORTED_EXTENSION,
    ),
    (
        "a_certificate_that_is_no_certificate",
        on(
            Certificate,
            lambda m: replace(m, entries=(replace(m.entries[0], data=b"\x30\x03\x02\x01\x01"),)),
        ),
        Alert.BAD_CERTIFICATE,
    ),
    (
        "a_chain_without_end",
        on(Certificate, lambda m: replace(m, entries=m.entries[:1] * 101)),
        Alert.BAD_CERTIFICATE,
    ),
    (
        "the_certificate_verify_is_not_left_out",
        on(CertificateVerify, lambda m: None),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "the_signature_verifies",
        on(
            CertificateVerify,
            lambda m: replace(m, signature=m.signature[:-1] + bytes([m.signature[-1] ^ 1])),
        ),
        Alert.DECRYPT_ERROR,
    ),
    (
        "the_signature_is_not_empty",
        on(CertificateVerify, lambda m: replace(m, signature=b"")),
        Alert.DECRYPT_ERROR,
    ),
    (
        "the_signature_scheme_is_not_pkcs1",
        on(CertificateVerify, lambda m: replace(m, scheme=SignatureScheme.rsa_pkcs1_sha256)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_signature_scheme_was_offered",
        on(CertificateVerify, lambda m: replace(m, scheme=SignatureScheme.ecdsa_sha1)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_signature_scheme_fits_the_key",
        on(CertificateVerify, lambda m: replace(m, scheme=SignatureScheme.ed25519)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_curve_of_the_scheme_is_the_keys",
        on(CertificateVerify, lambda m: replace(m, scheme=SignatureScheme.ecdsa_secp384r1_sha384)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_finished_verifies",
        on(
            Finished,
            lambda m: replace(m, verify_data=m.verify_data[:-1] + bytes([m.verify_data[-1] ^ 1])),
        ),
        Alert.DECRYPT_ERROR,
    ),
    (
        "the_finished_has_the_hashs_length",
        on(Finished, lambda m: replace(m, verify_data=m.verify_data[:-1])),
        Alert.DECODE_ERROR,
    ),
    (
        "a_certificate_request_carries_signature_algorithms",
        on(
            EncryptedExtensions,
            lambda m: [m, CertificateRequest(b"", Extensions())],
        ),
        Alert.MISSING_EXTENSION,
    ),
    (
        "a_certificate_request_in_the_handshake_has_no_context",
        on(
            EncryptedExtensions,
            lambda m: [
                m,
                CertificateRequest(
                    b"x",
                    Extensions.build(
                        [(ext.SIGNATURE_ALGORITHMS, (SignatureScheme.ecdsa_secp256r1_sha256,))]
                    ),
                ),
            ],
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_handshake_message_has_a_sane_length",
        on(EncryptedExtensions, lambda m: b"\x08\xff\xff\xff"),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_handshake_message_ends_where_it_says",
        on(EncryptedExtensions, lambda m: b"\x08\x00\x00\x03\x00\x00\x00"),
        Alert.DECODE_ERROR,
    ),
    (
        "handshake_data_does_not_span_a_change_of_keys",
        on(ServerHello, lambda m: [m, b"\x08\x00\x00\x02\x00\x00"]),
        Alert.UNEXPECTED_MESSAGE,
    ),
    (
        "handshake_data_does_not_follow_the_servers_finished",
        on(Finished, lambda m: [m, b"\x04\x00\x00\x00"]),
        Alert.UNEXPECTED_MESSAGE,
    ),
]


@pytest.mark.parametrize(
    ("mutation", "alert"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_client_holds_the_server_to_it(
    client: ClientConfig, server: ServerConfig, mutation: Mutation, alert: Alert
) -> None:
    rejected(connect(client, server, server_sends=mutation), alert)


def test_alpn_selects_one_of_the_protocols_offered(
    client: ClientConfig, server: ServerConfig
) -> None:
    pair = connect(
        client.replace(alpn_protocols=["h2"]),
        server.replace(alpn_protocols=["h2"]),
        server_sends=on(
            EncryptedExtensions, lambda m: with_extensions(m, (ext.ALPN_SELECTED, b"h3"))
        ),
    )
    rejected(pair, Alert.ILLEGAL_PARAMETER)


def test_alpn_selects_exactly_one_protocol(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(
        client.replace(alpn_protocols=["h2", "h3"]),
        server.replace(alpn_protocols=["h2"]),
        server_sends=on(
            EncryptedExtensions,
            lambda m: with_extensions(m, (ExtensionType.ALPN, b"\0\6\2h2\2h3")),
        ),
    )
    rejected(pair, Alert.DECODE_ERROR)


@pytest.mark.parametrize("sentinel", [b"DOWNGRD\x00", b"DOWNGRD\x01"])
def test_a_downgrade_sentinel_ends_the_handshake(
    client: ClientConfig, server: ServerConfig, sentinel: bytes
) -> None:
    def downgrade(message: ServerHello) -> ServerHello:
        return replace(
            message,
            random=message.random[:24] + sentinel,
            cipher_suite=CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            extensions=Extensions(),
        )

    pair = connect(client, server, server_sends=on(ServerHello, downgrade))
    rejected(pair, Alert.ILLEGAL_PARAMETER, "TLS13_DOWNGRADE")


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_older_versions_are_refused(
    client: ClientConfig, server: ServerConfig, version: int
) -> None:
    def older(message: ServerHello) -> ServerHello:
        return replace(message, legacy_version=version, extensions=Extensions())

    pair = connect(client, server, server_sends=on(ServerHello, older))
    rejected(pair, Alert.PROTOCOL_VERSION, "UNSUPPORTED_PROTOCOL")


# -- HelloRetryRequest: section 4.1.4 --------------------------------------------------------------


def retry(change: Callable[[ServerHello], Any]) -> Mutation:
    return lambda m: change(m) if isinstance(m, ServerHello) and m.is_retry else m


def second(change: Callable[[ServerHello], Any]) -> Mutation:
    return lambda m: change(m) if isinstance(m, ServerHello) and not m.is_retry else m


RETRY_CASES: list[tuple[str, Mutation, Alert]] = [
    (
        "a_retry_asks_for_a_group_that_was_offered",
        retry(lambda m: with_extensions(m, (ext.KEY_SHARE_RETRY, NamedGroup.X448))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_retry_does_not_ask_for_a_share_that_was_sent",
        retry(lambda m: with_extensions(m, (ext.KEY_SHARE_RETRY, NamedGroup.X25519))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_retry_asks_for_a_change",
        retry(lambda m: with_extensions(m, drop=(ExtensionType.KEY_SHARE,))),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_retry_echoes_the_session_id",
        retry(lambda m: replace(m, session_id=b"")),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_retry_selects_a_suite_that_was_offered",
        retry(lambda m: replace(m, cipher_suite=0x1399)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "a_retry_carries_no_other_extension",
        retry(lambda m: with_extensions(m, (0x7777, b""))),
        Alert.UNSUPPORTED_EXTENSION,
    ),
    (
        "the_suite_does_not_change_after_a_retry",
        second(lambda m: replace(m, cipher_suite=CipherSuite.TLS_CHACHA20_POLY1305_SHA256)),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_version_does_not_change_after_a_retry",
        second(
            lambda m: replace(m, extensions=Extensions(), legacy_version=ProtocolVersion.TLSv1_2)
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "neither_does_the_version_where_all_else_fits_it",
        second(
            lambda m: replace(
                m,
                extensions=Extensions(),
                legacy_version=ProtocolVersion.TLSv1_2,
                cipher_suite=CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "the_share_is_of_the_group_that_was_asked_for",
        second(
            lambda m: with_extensions(
                m, (ext.KEY_SHARE_SERVER, ext.KeyShareEntry(NamedGroup.X25519, b"\1" * 32))
            )
        ),
        Alert.ILLEGAL_PARAMETER,
    ),
    (
        "there_is_no_second_retry",
        second(lambda m: retry_hello(m)),
        Alert.UNEXPECTED_MESSAGE,
    ),
]


def retry_hello(message: ServerHello) -> ServerHello:
    from aiotls.wire.messages import HELLO_RETRY_REQUEST_RANDOM

    rows: list[Any] = [(ext.SELECTED_VERSION, 0x0304), (ext.KEY_SHARE_RETRY, NamedGroup.SECP384R1)]
    return replace(message, random=HELLO_RETRY_REQUEST_RANDOM, extensions=Extensions.build(rows))


@pytest.mark.parametrize(
    ("mutation", "alert"), [case[1:] for case in RETRY_CASES], ids=[c[0] for c in RETRY_CASES]
)
def test_a_client_holds_the_retry_to_it(
    client: ClientConfig, server: ServerConfig, mutation: Mutation, alert: Alert
) -> None:
    pair = connect(
        client.replace(key_shares=["x25519"]),
        server.replace(groups=["secp256r1"]),
        server_sends=mutation,
    )
    rejected(pair, alert)
