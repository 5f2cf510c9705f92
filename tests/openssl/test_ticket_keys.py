"""Ticket keys of the application's, session id contexts, and the sessions that a context keeps."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import openssl as o

from .test_serialization import shake
from .test_sessions import again, first
from .test_suspension import Link, contexts
from .world import OURS, THEIRS, Setup, context

VERSIONS = pytest.mark.parametrize("version", [o.TLS1_2_VERSION, o.TLS1_3_VERSION])
KEY, SECRET = bytes(range(32)), bytes(range(32, 64))


def pair(version: int) -> tuple[Any, Any]:
    client, server = contexts()
    o.SSL_CTX_set_max_proto_version(client, version)
    return client, server


class Keys:
    """A program's callback, as SSL_CTX_set_tlsext_ticket_key_cb(3) shows it."""

    def __init__(self, *, evp: bool, known: int = 1, given: int = 1) -> None:
        self.evp = evp
        self.known = known
        self.given = given
        self.calls: list[int] = []

    def __call__(
        self, ssl: Any, name: bytearray, iv: bytearray, ctx: Any, mac: Any, enc: int
    ) -> int:
        self.calls.append(enc)
        if enc:
            if self.given != 1:
                return self.given
            assert o.RAND_bytes(iv, o.EVP_MAX_IV_LENGTH) == 1
            name[:] = b"the name of keys"
            assert o.EVP_EncryptInit_ex(ctx, o.EVP_aes_256_cbc(), None, KEY, iv) == 1
        else:
            assert name == b"the name of keys"
            if self.known not in (1, 2):
                return self.known
            assert o.EVP_DecryptInit_ex(ctx, o.EVP_aes_256_cbc(), None, KEY, iv) == 1
        if self.evp:
            params = [
                o.OSSL_PARAM_construct_octet_string(o.OSSL_MAC_PARAM_KEY, SECRET, 32),
                o.OSSL_PARAM_construct_utf8_string(o.OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
                o.OSSL_PARAM_construct_end(),
            ]
            assert o.EVP_MAC_CTX_set_params(mac, params) == 1
        else:
            assert o.HMAC_Init_ex(mac, SECRET, 32, o.EVP_sha256(), None) == 1
        return 1 if enc else self.known


def install(server: Any, keys: Keys) -> None:
    name = "SSL_CTX_set_tlsext_ticket_key_" + ("evp_cb" if keys.evp else "cb")
    assert getattr(o, name)(server, keys) == 1


@VERSIONS
@pytest.mark.parametrize("evp", [False, True], ids=["hmac", "evp"])
@pytest.mark.parametrize("known", [1, 2])
def test_sessions_are_resumed_under_the_applications_keys(
    version: int, evp: bool, known: int
) -> None:
    client, server = pair(version)
    keys = Keys(evp=evp, known=known)
    install(server, keys)
    session = first(client, server)
    assert keys.calls == [1] * (2 if version == o.TLS1_3_VERSION else 1)
    ticket = o.SSL_SESSION_get0_ticket(session)
    assert ticket.startswith(b"the name of keys")
    assert (len(ticket) - 16 - 16 - 32) % 16 == 0  # RFC 5077, section 4
    keys.calls.clear()
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.client) == o.SSL_session_reused(link.server) == 1
    assert keys.calls[0] == 0
    assert (1 in keys.calls) == (known == 2 or version == o.TLS1_3_VERSION)


@VERSIONS
def test_another_server_with_the_same_keys_resumes(version: int) -> None:
    client, server = pair(version)
    install(server, Keys(evp=True))
    session = first(client, server)
    _, other = pair(version)
    install(other, Keys(evp=False))
    link = again(client, other, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 1


@VERSIONS
def test_a_key_that_is_not_known_is_a_full_handshake(version: int) -> None:
    client, server = pair(version)
    keys = Keys(evp=True)
    install(server, keys)
    session = first(client, server)
    keys.known = 0
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 0


@VERSIONS
@pytest.mark.parametrize("damage", [3, 20, 40, -1], ids=["name", "iv", "state", "mac"])
def test_a_damaged_ticket_is_a_full_handshake(version: int, damage: int) -> None:
    client, server = pair(version)
    keys = Keys(evp=True)

    def lenient(ssl: Any, name: bytearray, *rest: Any) -> int:
        if not rest[-1]:
            name[:] = b"the name of keys"
        return keys(ssl, name, *rest)

    assert o.SSL_CTX_set_tlsext_ticket_key_evp_cb(server, lenient) == 1
    session = first(client, server)
    ticket = bytearray(o.SSL_SESSION_get0_ticket(session))
    ticket[damage] ^= 1
    session.change(ticket=bytes(ticket))
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 0


@VERSIONS
@pytest.mark.parametrize("when", ["making", "opening"])
def test_a_callback_that_fails_ends_the_handshake(version: int, when: str) -> None:
    client, server = pair(version)
    keys = Keys(evp=True)
    install(server, keys)
    session = first(client, server)
    if when == "making":
        keys.given = -1
        link = Link(client, server)
    else:
        keys.known = -1
        link = again(client, server, session)
    errors = []
    for _ in range(3):
        o.SSL_do_handshake(link.client)
        o.ERR_clear_error()
        ret = o.SSL_do_handshake(link.server)
        if o.SSL_get_error(link.server, ret) == o.SSL_ERROR_SSL:
            errors.append(o.ERR_GET_REASON(o.ERR_get_error()))
            break
    assert errors == [o.SSL_R_CALLBACK_FAILED if when == "making" else o.ERR_R_INTERNAL_ERROR]
    o.ERR_clear_error()


@VERSIONS
def test_no_ticket_if_the_application_wants_none(version: int) -> None:
    client, server = pair(version)
    install(server, Keys(evp=True, given=0))
    link = Link(client, server)
    assert link.drive() == []
    o.SSL_read(link.client, bytearray(1), 0)
    session = o.SSL_get1_session(link.client)
    assert session is not None
    assert o.SSL_SESSION_has_ticket(session) == 0


# -- session id contexts ---------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize("stateful", [False, True], ids=["tickets", "cache"])
def test_a_session_of_another_context_is_not_resumed(version: int, stateful: bool) -> None:
    client, server = pair(version)
    if stateful:
        o.SSL_CTX_set_options(server, o.SSL_OP_NO_TICKET)
    o.SSL_CTX_set_session_id_context(server, b"one", 3)
    session = first(client, server)
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 1
    session = first(client, server)
    o.SSL_CTX_set_session_id_context(server, b"two", 3)
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 0


@VERSIONS
def test_who_verifies_clients_needs_a_context_to_resume(version: int) -> None:
    client, server = pair(version)
    session = first(client, server)
    o.SSL_CTX_set_verify(server, o.SSL_VERIFY_PEER, None)
    link = again(client, server, session)
    o.SSL_do_handshake(link.client)
    o.ERR_clear_error()
    assert o.SSL_do_handshake(link.server) == -1
    assert o.ERR_GET_REASON(o.ERR_get_error()) == o.SSL_R_SESSION_ID_CONTEXT_UNINITIALIZED
    o.ERR_clear_error()


@VERSIONS
def test_what_the_application_puts_into_a_ticket_comes_back(version: int) -> None:
    client, server = pair(version)
    seen: list[Any] = []

    def generate(ssl: Any, arg: Any) -> int:
        session = o.SSL_get_session(ssl)
        assert session is not None
        return o.SSL_SESSION_set1_ticket_appdata(session, b"note", 4)

    def decrypt(ssl: Any, session: Any, *rest: Any) -> int:
        if session is not None:
            seen.append(o.SSL_SESSION_get0_ticket_appdata(session))
        return o.SSL_TICKET_RETURN_USE

    assert o.SSL_CTX_set_session_ticket_cb(server, generate, decrypt, None) == 1
    link = again(client, server, first(client, server))
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 1
    assert seen == [(1, b"note")]


# -- what a context keeps --------------------------------------------------------------------------


@VERSIONS
def test_a_context_counts(version: int) -> None:
    client, server = pair(version)
    o.SSL_CTX_set_options(server, o.SSL_OP_NO_TICKET)
    session = first(client, server)
    kept = o.SSL_CTX_sess_number(server)
    assert kept == (2 if version == o.TLS1_3_VERSION else 1)
    link = again(client, server, session)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 1
    for name, number in (("connect", 2), ("connect_good", 2), ("hits", 1)):
        assert getattr(o, f"SSL_CTX_sess_{name}")(client) == number, name
    for name, number in (("accept", 2), ("accept_good", 2), ("hits", 1), ("misses", 0)):
        assert getattr(o, f"SSL_CTX_sess_{name}")(server) == number, name
    assert o.SSL_CTX_sess_connect_renegotiate(client) == 0
    assert o.SSL_CTX_sess_accept_renegotiate(server) == 0
    o.SSL_CTX_flush_sessions(server, 1)
    assert o.SSL_CTX_sess_number(server) >= kept
    o.SSL_CTX_flush_sessions(server, 0)
    assert o.SSL_CTX_sess_number(server) == 0
    link = again(client, server, first(client, server))
    o.SSL_CTX_flush_sessions(server, 0)
    assert link.drive() == []
    assert o.SSL_session_reused(link.server) == 0
    assert o.SSL_CTX_sess_misses(server) == 1


def test_a_full_cache_forgets_the_oldest() -> None:
    client, server = pair(o.TLS1_2_VERSION)
    o.SSL_CTX_set_options(server, o.SSL_OP_NO_TICKET)
    assert o.SSL_CTX_sess_set_cache_size(server, 2) == 20480
    assert o.SSL_CTX_sess_get_cache_size(server) == 2
    sessions = [first(client, server) for _ in range(3)]
    assert o.SSL_CTX_sess_number(server) == 2
    assert o.SSL_CTX_sess_cache_full(server) == 1
    for session, reused in ((sessions[1], 1), (sessions[2], 1), (sessions[0], 0)):
        link = again(client, server, session)
        assert link.drive() == []
        assert o.SSL_session_reused(link.server) == reused
    assert o.SSL_CTX_sess_misses(server) == 1


@pytest.mark.parametrize("api", [OURS, THEIRS], ids=["aiotls", "libssl"])
def test_a_client_without_tickets_resumes_by_number(api: Any) -> None:
    """A number is good for as long as the context keeps it."""
    other = THEIRS if api is OURS else OURS
    setup = Setup(tls12=True)
    client, _ = context(api, False, setup)
    api.SSL_CTX_set_options(client, o.SSL_OP_NO_TICKET)
    session = None
    try:
        for reused in (0, 1, 1):
            sides = shake(api, other, setup, session)
            for side in sides:
                assert side.api.SSL_session_reused(side.ssl) == reused
            session = session or api.SSL_get1_session(sides[0].ssl)
            assert api.SSL_SESSION_has_ticket(session) == 0
            for side in sides:
                side.api.SSL_set_shutdown(side.ssl, 3)  # else freeing it would spoil its session
                side.close()
    finally:
        api.SSL_CTX_clear_options(client, o.SSL_OP_NO_TICKET)


@VERSIONS
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("api", [OURS, THEIRS], ids=["aiotls", "libssl"])
def test_a_connection_that_is_freed_before_its_end_spoils_its_session(
    api: Any, version: int, closed: bool
) -> None:
    sides = shake(api, THEIRS, Setup(tls12=version == o.TLS1_2_VERSION))
    session = api.SSL_get1_session(sides[0].ssl)
    assert api.SSL_SESSION_is_resumable(session) == 1
    if closed:
        api.SSL_shutdown(sides[0].ssl)
    for side in sides:
        side.close()
    assert api.SSL_SESSION_is_resumable(session) == closed


@VERSIONS
def test_a_client_keeps_its_sessions_too(version: int) -> None:
    client, server = pair(version)
    o.SSL_CTX_set_session_cache_mode(client, o.SSL_SESS_CACHE_CLIENT)
    session = first(client, server)
    kept = o.SSL_CTX_sess_number(client)
    assert kept == (2 if version == o.TLS1_3_VERSION else 1)
    link = again(client, server, session)
    assert link.drive() == []
    # RFC 8446, appendix C.4: a TLS 1.3 session is used once.
    used = version == o.TLS1_3_VERSION
    assert o.SSL_CTX_sess_number(client) == kept - used
    assert o.SSL_SESSION_is_resumable(session) == 1 - used


def test_wrong_types_are_type_errors() -> None:
    with pytest.raises(TypeError, match="EVP_CIPHER_CTX"):
        o.EVP_EncryptInit_ex(None, o.EVP_aes_128_cbc(), None, KEY, KEY)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="HMAC_CTX"):
        o.HMAC_Init_ex(None, KEY, 32, o.EVP_sha256(), None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="EVP_MAC_CTX"):
        o.EVP_MAC_CTX_set_params(None, [])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="holds 16"):
        o.EVP_EncryptInit_ex(o.EVP_CIPHER_CTX(), o.EVP_aes_256_cbc(), None, KEY[:16], KEY)
    assert o.EVP_MAC_CTX_set_params(o.EVP_MAC_CTX(), [o.OSSL_PARAM("digest", "MD5")]) == 0
