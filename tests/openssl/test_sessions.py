"""Sessions, the callbacks around them, and early data."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import openssl as o

from .test_suspension import Link, contexts


def settle(link: Link) -> None:
    """The client takes the tickets that have come."""
    o.SSL_read(link.client, bytearray(1), 0)
    o.ERR_clear_error()


def first(client: Any, server: Any) -> Any:
    """A connection that is made and left, and its session."""
    link = Link(client, server)
    assert link.drive() == []
    settle(link)
    session = o.SSL_get1_session(link.client)
    assert session is not None
    assert o.SSL_SESSION_is_resumable(session) == 1
    return session


def again(client: Any, server: Any, session: Any) -> Link:
    link = Link(client, server)
    assert o.SSL_set_session(link.client, session) == 1
    return link


@pytest.fixture(params=[o.TLS1_2_VERSION, o.TLS1_3_VERSION], ids=["tls12", "tls13"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    client, server = contexts()
    o.SSL_CTX_set_max_proto_version(client, request.param)
    return client, server


def test_a_session_is_resumed(pair: tuple[Any, Any]) -> None:
    link = again(*pair, first(*pair))
    assert link.drive() == []
    assert o.SSL_session_reused(link.client) == o.SSL_session_reused(link.server) == 1


def test_the_application_is_given_new_sessions(pair: tuple[Any, Any]) -> None:
    client, server = pair
    kept: list[Any] = []

    def keep(ssl: Any, session: Any) -> int:
        kept.append(session)
        return 1

    o.SSL_CTX_set_session_cache_mode(client, o.SSL_SESS_CACHE_CLIENT)
    o.SSL_CTX_sess_set_new_cb(client, keep)
    first(client, server)
    assert kept
    link = again(client, server, kept[-1])
    assert link.drive() == []
    assert o.SSL_session_reused(link.client) == 1


@pytest.mark.parametrize(
    ("answer", "reused"),
    [
        (o.SSL_TICKET_RETURN_USE, 1),
        (o.SSL_TICKET_RETURN_USE_RENEW, 1),
        (o.SSL_TICKET_RETURN_IGNORE, 0),
        (o.SSL_TICKET_RETURN_IGNORE_RENEW, 0),
    ],
)
def test_the_application_decides_on_tickets(
    pair: tuple[Any, Any], answer: int, reused: int
) -> None:
    client, server = pair
    seen: list[tuple[Any, ...]] = []

    def decide(ssl: Any, session: Any, name: bytes, length: int, status: int, arg: Any) -> int:
        seen.append((session is not None, length, status, arg))
        return answer

    o.SSL_CTX_set_session_ticket_cb(server, lambda ssl, arg: 1, decide, "argument")
    session = first(client, server)
    seen.clear()
    link = again(client, server, session)
    assert link.drive() == []
    assert seen == [(True, 16, o.SSL_TICKET_SUCCESS, "argument")]
    assert o.SSL_session_reused(link.client) == reused


def test_a_ticket_callback_may_end_the_handshake(pair: tuple[Any, Any]) -> None:
    client, server = pair
    session = first(client, server)
    o.SSL_CTX_set_session_ticket_cb(
        server, lambda ssl, arg: 1, lambda *arguments: o.SSL_TICKET_RETURN_ABORT, None
    )
    link = again(client, server, session)
    o.SSL_do_handshake(link.client)
    assert o.SSL_do_handshake(link.server) == -1
    assert o.SSL_get_error(link.server, -1) == o.SSL_ERROR_SSL
    o.ERR_clear_error()


def test_a_session_that_failed_is_taken_back() -> None:
    client, server = contexts()
    removed: list[Any] = []
    o.SSL_CTX_sess_set_remove_cb(client, lambda ctx, session: removed.append(session))
    link = Link(client, server)
    assert link.drive() == []
    settle(link)
    o.SSL_clear(link.client)  # in use, and nobody has closed it
    assert len(removed) == 1


# -- early data ------------------------------------------------------------------------------------


def early_pair() -> tuple[Any, Any, Any]:
    client, server = contexts()
    o.SSL_CTX_set_max_early_data(server, 100)
    return client, server, first(client, server)


def test_early_data_arrives_before_the_handshake_is_done() -> None:
    link = again(*early_pair())
    assert o.SSL_write_early_data(link.client, b"early", 5) == (1, 5)
    buf = bytearray(3)
    assert o.SSL_read_early_data(link.server, buf, 3) == (o.SSL_READ_EARLY_DATA_SUCCESS, 3)
    assert buf == b"ear"
    assert o.SSL_is_init_finished(link.server) == 0
    assert o.SSL_read_early_data(link.server, buf, 3) == (o.SSL_READ_EARLY_DATA_SUCCESS, 2)
    assert buf[:2] == b"ly"
    assert o.SSL_read_early_data(link.server, buf, 3) == (o.SSL_READ_EARLY_DATA_ERROR, 0)
    assert o.SSL_get_error(link.server, 0) == o.SSL_ERROR_WANT_READ
    assert o.SSL_do_handshake(link.client) == 1
    assert o.SSL_read_early_data(link.server, buf, 3) == (o.SSL_READ_EARLY_DATA_FINISH, 0)
    assert link.drive() == []
    for ssl in (link.client, link.server):
        assert o.SSL_get_early_data_status(ssl) == o.SSL_EARLY_DATA_ACCEPTED
    assert o.SSL_write(link.client, b"late", 4) == 4
    late = bytearray(4)
    assert o.SSL_read(link.server, late, 4) == 4
    assert late == b"late"


def test_a_server_that_does_not_ask_takes_none() -> None:
    link = again(*early_pair())
    assert o.SSL_write_early_data(link.client, b"early", 5) == (1, 5)
    assert link.drive() == []
    assert o.SSL_get_early_data_status(link.client) == o.SSL_EARLY_DATA_REJECTED
    assert o.SSL_read(link.server, bytearray(5), 5) == -1
    assert o.SSL_get_error(link.server, -1) == o.SSL_ERROR_WANT_READ


def test_early_data_is_not_taken_twice() -> None:
    client, server, session = early_pair()
    link = again(client, server, session)
    assert o.SSL_write_early_data(link.client, b"early", 5) == (1, 5)
    bio = o.SSL_get_wbio(link.client)
    size = o.BIO_pending(bio)
    recorded = bytearray(size)
    assert o.BIO_read(bio, recorded, size) == size
    results = []
    for _ in range(2):
        replayed = Link(client, server)
        o.BIO_write(o.SSL_get_rbio(replayed.server), recorded, size)
        results.append(o.SSL_read_early_data(replayed.server, bytearray(5), 5))
    assert results == [(o.SSL_READ_EARLY_DATA_SUCCESS, 5), (o.SSL_READ_EARLY_DATA_FINISH, 0)]


def test_a_client_that_sends_none() -> None:
    link = again(*early_pair())
    assert o.SSL_read_early_data(link.server, bytearray(5), 5) == (o.SSL_READ_EARLY_DATA_ERROR, 0)
    assert o.SSL_get_error(link.server, 0) == o.SSL_ERROR_WANT_READ
    o.SSL_do_handshake(link.client)
    assert o.SSL_read_early_data(link.server, bytearray(5), 5) == (o.SSL_READ_EARLY_DATA_FINISH, 0)
    assert link.drive() == []
    assert o.SSL_get_early_data_status(link.client) == o.SSL_EARLY_DATA_NOT_SENT


def test_early_data_out_of_place() -> None:
    client, server, session = early_pair()
    buf = bytearray(4)
    fresh = Link(client, server)
    assert o.SSL_write_early_data(fresh.client, b"data", 4) == (0, 0)
    assert o.SSL_read_early_data(fresh.client, buf, 4) == (0, 0)
    assert o.SSL_write_early_data(fresh.server, b"data", 4) == (0, 0)
    link = again(client, server, session)
    o.ERR_clear_error()
    assert o.SSL_write_early_data(link.client, bytes(101), 101) == (0, 0)
    assert o.ERR_GET_REASON(o.ERR_get_error()) == o.SSL_R_TOO_MUCH_EARLY_DATA
    assert o.SSL_state_string(link.client) == "SSLERR"
    link = Link(client, server)
    assert link.drive() == []
    o.ERR_clear_error()
    assert o.SSL_write_early_data(link.client, b"data", 4) == (0, 0)
    assert o.SSL_read_early_data(link.server, buf, 4) == (0, 0)
    o.ERR_clear_error()
