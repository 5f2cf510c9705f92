"""Calls that ask, beside libssl's: alerts in words, hellos, cipher suites, randoms, stores."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from aiotls import openssl as o
from tests import certificates

from . import libssl
from .test_sessions import again, first, settle
from .test_suspension import Link, contexts


def words(name: str, value: int) -> str:
    function = getattr(libssl.ssl, name)
    function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_int]
    return str(function(value).decode())


@pytest.mark.parametrize(
    "name",
    [
        "SSL_alert_type_string",
        "SSL_alert_type_string_long",
        "SSL_alert_desc_string",
        "SSL_alert_desc_string_long",
    ],
)
def test_alerts_in_libssls_words(name: str) -> None:
    for level in range(4):
        for description in range(256):
            value = level << 8 | description
            assert getattr(o, name)(value) == words(name, value)


def test_what_stands_in_a_hello() -> None:
    client, server = contexts()
    seen: dict[str, Any] = {}

    def look(ssl: Any, alert: int, arg: Any) -> int:
        seen["version"] = o.SSL_client_hello_get0_legacy_version(ssl)
        seen["random"] = o.SSL_client_hello_get0_random(ssl)
        seen["id"] = o.SSL_client_hello_get0_session_id(ssl)
        seen["ciphers"] = o.SSL_client_hello_get0_ciphers(ssl)
        seen["compression"] = o.SSL_client_hello_get0_compression_methods(ssl)
        seen["present"] = o.SSL_client_hello_get1_extensions_present(ssl)
        seen["name"] = o.SSL_client_hello_get0_ext(ssl, 0)
        seen["none"] = o.SSL_client_hello_get0_ext(ssl, 0x1234)
        seen["v2"] = o.SSL_client_hello_isv2(ssl)
        return o.SSL_CLIENT_HELLO_SUCCESS

    o.SSL_CTX_set_client_hello_cb(server, look, None)
    o.SSL_CTX_set_ciphersuites(client, "TLS_AES_128_GCM_SHA256")
    o.SSL_CTX_set_min_proto_version(client, o.TLS1_3_VERSION)
    link = Link(client, server)
    assert o.SSL_client_hello_get0_random(link.server) == b""
    assert o.SSL_client_hello_get0_ext(link.server, 0) == (0, b"")
    o.SSL_set_tlsext_host_name(link.client, "localhost")
    assert link.drive() == []
    random = bytearray(32)
    assert o.SSL_get_client_random(link.client, random, 32) == 32
    assert seen["random"] == random
    assert (seen["version"], seen["v2"], seen["compression"]) == (0x0303, 0, b"\0")
    assert len(seen["id"]) == 32
    assert seen["ciphers"].endswith(b"\x13\x01")
    ret, types = seen["present"]
    assert ret == 1
    assert {0, 10, 13, 43, 51} <= set(types)
    assert seen["name"] == (1, b"\x00\x0c\x00\x00\x09localhost")
    assert seen["none"] == (0, b"")


@pytest.mark.parametrize("version", [o.TLS1_2_VERSION, o.TLS1_3_VERSION])
def test_both_sides_know_both_randoms(version: int) -> None:
    client, server = contexts()
    o.SSL_CTX_set_max_proto_version(client, version)
    link = Link(client, server)
    before = bytearray(b"\xff" * 32)
    assert o.SSL_get_server_random(link.client, before, 32) == 32
    assert before == bytes(32)
    assert link.drive() == []
    for call in (o.SSL_get_client_random, o.SSL_get_server_random):
        one, other = bytearray(32), bytearray(8)
        assert call(link.client, one, 32) == 32
        assert call(link.server, other, 8) == 8
        assert one[:8] == other
        assert any(one)
        assert call(link.server, bytearray(0), 0) == 32


def test_cipher_suites_are_listed_as_libssl_lists_them() -> None:
    names = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
    theirs = libssl.SSL_CTX_new(libssl.TLS_method())
    assert libssl.SSL_CTX_set_cipher_list(theirs, names) == 1
    assert libssl.SSL_CTX_set_ciphersuites(theirs, "TLS_AES_128_GCM_SHA256") == 1
    connection = libssl.SSL_new(theirs)
    entry = libssl.ssl.SSL_get_cipher_list
    entry.restype, entry.argtypes = ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int]
    expected = [entry(connection, place).decode() for place in range(3)]
    assert entry(connection, 3) is None
    libssl.SSL_free(connection)
    libssl.SSL_CTX_free(theirs)

    ctx: Any = o.SSL_CTX_new(o.TLS_method())
    assert o.SSL_CTX_set_cipher_list(ctx, names) == 1
    assert o.SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1
    ssl: Any = o.SSL_new(ctx)
    assert [o.SSL_get_cipher_list(ssl, place) for place in range(3)] == expected
    assert o.SSL_get_cipher_list(ssl, 3) is None
    assert o.SSL_get_cipher_list(ssl, -1) is None
    for listed in (o.SSL_get_ciphers(ssl), o.SSL_CTX_get_ciphers(ctx)):
        assert [o.SSL_CIPHER_get_name(cipher) for cipher in listed] == expected


# -- sessions that a server keeps ------------------------------------------------------------------


def keeping(mode: int, version: int) -> tuple[Any, Any]:
    client, server = contexts()
    o.SSL_CTX_set_max_proto_version(client, version)
    o.SSL_CTX_set_options(server, o.SSL_OP_NO_TICKET)
    o.SSL_CTX_set_session_cache_mode(server, mode)
    return client, server


versions = pytest.mark.parametrize("version", [o.TLS1_2_VERSION, o.TLS1_3_VERSION])


@versions
def test_the_application_may_be_the_cache(version: int) -> None:
    mode = o.SSL_SESS_CACHE_SERVER | o.SSL_SESS_CACHE_NO_INTERNAL
    client, server = keeping(mode, version)
    kept: dict[bytes, Any] = {}
    asked: list[bytes] = []

    def keep(ssl: Any, session: Any) -> int:
        kept[o.SSL_SESSION_get_id(session)] = session
        return 1

    def find(ssl: Any, number: bytes, length: int) -> Any:
        assert len(number) == length
        asked.append(number)
        return kept.get(number), 1

    o.SSL_CTX_sess_set_new_cb(server, keep)
    o.SSL_CTX_sess_set_get_cb(server, find)
    session = first(client, server)
    assert kept
    assert o.SSL_CTX_sess_number(server) == 0
    link = again(client, server, session)
    assert link.drive() == []
    assert asked
    assert o.SSL_session_reused(link.client) == o.SSL_session_reused(link.server) == 1
    assert o.SSL_CTX_sess_get_get_cb(server) is find
    assert o.SSL_CTX_sess_get_new_cb(server) is keep


@versions
def test_a_session_that_the_application_does_not_find(version: int) -> None:
    client, server = keeping(o.SSL_SESS_CACHE_SERVER | o.SSL_SESS_CACHE_NO_INTERNAL, version)
    session = first(client, server)
    o.SSL_CTX_sess_set_get_cb(server, lambda ssl, number, length: None)
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.client) == o.SSL_session_reused(link.server) == 0


@versions
def test_sessions_are_added_and_removed(version: int) -> None:
    client, server = keeping(o.SSL_SESS_CACHE_SERVER | o.SSL_SESS_CACHE_NO_INTERNAL_STORE, version)
    kept: list[Any] = []
    removed: list[Any] = []

    def keep(ssl: Any, session: Any) -> int:
        if o.SSL_SESSION_is_resumable(session):
            kept.append(session)
        return 1

    o.SSL_CTX_sess_set_new_cb(server, keep)
    o.SSL_CTX_sess_set_remove_cb(server, lambda ctx, session: removed.append(session))
    session = first(client, server)
    for each in kept:
        assert o.SSL_CTX_add_session(server, each) == 1
        assert o.SSL_CTX_add_session(server, each) == 0
    assert o.SSL_CTX_sess_number(server) == len(kept) > 0
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 1
    last = first(client, server)
    assert o.SSL_CTX_add_session(server, kept[-1]) == 1
    assert o.SSL_CTX_remove_session(server, kept[-1]) == 1
    assert o.SSL_CTX_remove_session(server, kept[-1]) == 0
    assert removed == [kept[-1], kept[-1]]
    assert o.SSL_SESSION_is_resumable(kept[-1]) == 0
    assert o.SSL_CTX_add_session(server, kept[-1]) == 1  # kept, as libssl does, and not resumed
    link = again(client, server, last)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 0


# -- authentication after the handshake ------------------------------------------------------------


def late_pair(*, willing: bool = True) -> Link:
    client, server = contexts()
    issued = certificates.leaf("client", number=1)
    o.SSL_CTX_use_certificate(client, issued.certificate)
    o.SSL_CTX_use_PrivateKey(client, issued.key)
    o.SSL_CTX_set_post_handshake_auth(client, int(willing))
    o.X509_STORE_add_cert(o.SSL_CTX_get_cert_store(server), certificates.authority().certificate)
    o.SSL_CTX_set_verify(server, o.SSL_VERIFY_PEER | o.SSL_VERIFY_POST_HANDSHAKE, None)
    return Link(client, server)


def reason() -> int:
    code = o.ERR_get_error()
    o.ERR_clear_error()
    return o.ERR_GET_REASON(code)


def test_a_client_shows_its_certificate_later() -> None:
    link = late_pair()
    assert link.drive() == []
    settle(link)
    assert o.SSL_get0_peer_certificate(link.server) is None
    assert o.SSL_verify_client_post_handshake(link.server) == 1
    assert o.SSL_in_init(link.server) == 1
    assert o.SSL_verify_client_post_handshake(link.server) == 0
    assert reason() == o.SSL_R_STILL_IN_INIT
    assert o.SSL_do_handshake(link.server) == 1
    assert o.SSL_verify_client_post_handshake(link.server) == 0
    assert reason() == o.SSL_R_REQUEST_SENT
    buffer = bytearray(4)
    assert o.SSL_read(link.client, buffer, 4) == -1  # it answers while it reads
    assert o.SSL_write(link.client, b"data", 4) == 4
    assert o.SSL_read(link.server, buffer, 4) == 4
    assert buffer == b"data"
    shown = o.SSL_get0_peer_certificate(link.server)
    assert shown == certificates.leaf("client", number=1).certificate
    assert o.SSL_get_verify_result(link.server) == 0
    assert o.SSL_verify_client_post_handshake(link.server) == 1


def test_clients_that_cannot_be_asked() -> None:
    link = late_pair(willing=False)
    assert o.SSL_verify_client_post_handshake(link.server) == 0
    assert reason() == o.SSL_R_WRONG_SSL_VERSION
    assert link.drive() == []
    assert o.SSL_verify_client_post_handshake(link.server) == 0
    assert reason() == o.SSL_R_EXTENSION_NOT_RECEIVED
    assert o.SSL_verify_client_post_handshake(link.client) == 0
    assert reason() == o.SSL_R_NOT_SERVER
    link = late_pair()
    o.SSL_set_verify(link.server, o.SSL_VERIFY_NONE, None)
    assert link.drive() == []
    assert o.SSL_verify_client_post_handshake(link.server) == 0
    assert reason() == o.SSL_R_INVALID_CONFIG


def test_nothing_is_negotiated_again() -> None:
    client, server = contexts()
    link = Link(client, server)
    assert link.drive() == []
    assert o.SSL_renegotiate(link.client) == 0
    assert reason() == o.SSL_R_WRONG_SSL_VERSION
    assert o.SSL_renegotiate_pending(link.client) == 0
    o.SSL_CTX_set_max_proto_version(client, o.TLS1_2_VERSION)
    link = Link(client, server)
    assert link.drive() == []
    assert o.SSL_renegotiate(link.server) == 0
    assert reason() == o.SSL_R_NO_RENEGOTIATION
