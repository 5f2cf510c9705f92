"""Sessions as bytes: what aiotls.openssl writes libssl reads and resumes, and conversely."""

from __future__ import annotations

import dataclasses
import random
from types import ModuleType
from typing import Any

import pytest

from aiotls import openssl as o

from . import libssl
from .world import OURS, THEIRS, Memory, Setup, Side

CASES = [(OURS, THEIRS), (THEIRS, OURS), (OURS, OURS), (THEIRS, THEIRS)]
NAMES = {id(OURS): "aiotls", id(THEIRS): "libssl"}


def shake(client: Any, server: Any, setup: Setup, resumed: Any = None) -> tuple[Side, Side]:
    sides = Side(client, False, setup), Side(server, True, setup)
    wire = Memory(sides)
    for side in sides:
        if side.server:
            side.api.SSL_set_accept_state(side.ssl)
        else:
            side.api.SSL_set_connect_state(side.ssl)
            side.api.SSL_set_tlsext_host_name(side.ssl, "localhost")
            if resumed is not None:
                assert side.api.SSL_set_session(side.ssl, resumed) == 1
    rets: list[int] = []
    for _ in range(8):
        rets = []
        for who, side in enumerate(sides):
            rets.append(side.api.SSL_do_handshake(side.ssl))
            wire.move(who, None)
        if rets == [1, 1]:
            break
    assert rets == [1, 1], [side.errors() for side in sides]
    client.SSL_read(sides[0].ssl, bytearray(1), 0)
    for side in sides:
        side.api.ERR_clear_error()
    return sides


def moved(session: Any, source: ModuleType, target: ModuleType, pem: bool) -> Any:
    """The session of one implementation as the other's."""
    if not pem:
        size, der = source.i2d_SSL_SESSION(session)
        assert size == len(der) > 0
        found, used = target.d2i_SSL_SESSION(None, der, size)
        assert used == size
        return found
    one, other = source.BIO_new(source.BIO_s_mem()), target.BIO_new(target.BIO_s_mem())
    assert source.PEM_write_bio_SSL_SESSION(one, session) == 1
    data = bytearray(source.BIO_pending(one))
    source.BIO_read(one, data, len(data))
    assert target.BIO_write(other, bytes(data), len(data)) == len(data)
    return target.PEM_read_bio_SSL_SESSION(other)


@pytest.mark.parametrize("pem", [False, True], ids=["der", "pem"])
@pytest.mark.parametrize("tls12", [False, True], ids=["tls13", "tls12"])
@pytest.mark.parametrize(
    ("first", "second"), CASES, ids=lambda api: NAMES[id(api)] if api in (OURS, THEIRS) else None
)
def test_a_session_that_one_has_written_is_resumed_by_the_other(
    first: Any, second: Any, tls12: bool, pem: bool
) -> None:
    setup = Setup(tls12=tls12, verify="root", host="localhost")
    client, server = shake(first, THEIRS, setup)
    session = first.SSL_get1_session(client.ssl)
    again, served = shake(second, THEIRS, setup, moved(session, first, second, pem))
    assert second.SSL_session_reused(again.ssl) == 1
    assert THEIRS.SSL_session_reused(served.ssl) == 1
    assert second.SSL_get_verify_result(again.ssl) == 0
    assert again.agreed()[6] == client.agreed()[6]  # the server's certificate
    for side in (client, server, again, served):
        side.close()


@pytest.mark.parametrize("tls12", [False, True], ids=["tls13", "tls12"])
def test_what_is_written_is_what_libssl_writes(tls12: bool) -> None:
    client, server = shake(THEIRS, THEIRS, Setup(tls12=tls12, verify="root"))
    size, der = libssl.i2d_SSL_SESSION(libssl.SSL_get1_session(client.ssl))
    session, _ = o.d2i_SSL_SESSION(None, der, size)
    assert session is not None
    _, written = o.i2d_SSL_SESSION(session)
    # The group of the key exchange, [19], is of no use to a session, and is left out.
    if der.endswith(b"\xb3\x03\x02\x01\x1d"):
        der = b"\x30\x82" + (int.from_bytes(der[2:4], "big") - 5).to_bytes(2, "big") + der[4:-5]
    assert written == der
    client.close()
    server.close()


def test_fields_are_what_libssl_reads() -> None:
    session = o.SSL_SESSION_new()
    assert o.SSL_SESSION_is_resumable(session) == 0
    assert o.SSL_SESSION_set1_id(session, b"i" * 32, 32) == 1
    assert o.SSL_SESSION_set1_id_context(session, b"context", 7) == 1
    assert o.SSL_SESSION_set_protocol_version(session, o.TLS1_3_VERSION) == 1
    ctx = o.SSL_CTX_new(o.TLS_method())
    assert ctx is not None
    suite = o.SSL_CTX_get_ciphers(ctx)[0]
    assert o.SSL_SESSION_set_cipher(session, suite) == 1
    assert o.SSL_SESSION_set1_master_key(session, b"k" * 48, 48) == 1
    assert o.SSL_SESSION_set_time(session, 1_700_000_000) == 1_700_000_000
    assert o.SSL_SESSION_set_timeout(session, 600) == 1
    assert o.SSL_SESSION_set1_hostname(session, "host.example") == 1
    assert o.SSL_SESSION_set1_alpn_selected(session, b"h2", 2) == 1
    assert o.SSL_SESSION_set_max_early_data(session, 1 << 31) == 1
    assert o.SSL_SESSION_set1_ticket_appdata(session, b"data", 4) == 1
    assert o.SSL_SESSION_is_resumable(session) == 1
    theirs = moved(session, OURS, THEIRS, pem=False)
    assert theirs
    back = moved(theirs, THEIRS, OURS, pem=True)
    kept = session.session
    assert kept is not None
    assert back.session == dataclasses.replace(kept, session_id=b"i" * 32)
    assert o.SSL_SESSION_get_id(back) == b"i" * 32
    assert o.SSL_SESSION_get0_id_context(back) == b"context"
    assert o.SSL_SESSION_get0_ticket_appdata(back) == (1, b"data")


def test_what_is_too_long_is_refused() -> None:
    session = o.SSL_SESSION_new()
    o.ERR_clear_error()
    assert o.SSL_SESSION_set1_id(session, bytes(33), 33) == 0
    assert o.ERR_GET_REASON(o.ERR_get_error()) == o.SSL_R_SSL_SESSION_ID_TOO_LONG
    assert o.SSL_SESSION_set1_id_context(session, bytes(33), 33) == 0
    assert o.ERR_GET_REASON(o.ERR_get_error()) == o.SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG
    assert o.SSL_SESSION_set1_master_key(session, bytes(257), 257) == 0


def test_a_session_that_nothing_was_agreed_on_in_has_no_bytes() -> None:
    client = o.SSL_new(o.SSL_CTX_new(o.TLS_method()))
    assert client is not None
    assert o.SSL_get_session(client) is None


def codes(api: Any) -> list[tuple[int, int]]:
    found = []
    while code := api.ERR_get_error():
        found.append((o.ERR_GET_LIB(code), o.ERR_GET_REASON(code)))
    return found


def changed(der: bytes, chance: random.Random) -> bytes:
    data = bytearray(der)
    roll = chance.random()
    if roll < 0.6:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif roll < 0.8:
        del data[chance.randrange(len(data)) :]
    else:
        place = chance.randrange(len(data))
        del data[place : place + chance.randrange(1, 5)]
    return bytes(data)


def test_damaged_bytes_are_no_session_and_no_exception() -> None:
    client, server = shake(THEIRS, THEIRS, Setup(verify="root"))
    _, der = libssl.i2d_SSL_SESSION(libssl.SSL_get1_session(client.ssl))
    chance = random.Random(5)
    o.ERR_clear_error()
    refused = 0
    for _ in range(3000):
        data = changed(der, chance)
        session, used = o.d2i_SSL_SESSION(None, data, len(data))
        assert (session is None) == (used == 0)
        assert (session is None) == bool(codes(o))
        refused += session is None
        if session is not None:
            o.i2d_SSL_SESSION(session)
    assert refused > 500
    client.close()
    server.close()


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (6, b"\x02", o.SSL_R_UNKNOWN_SSL_VERSION),
        (9, b"\x04", o.SSL_R_UNSUPPORTED_SSL_VERSION),
    ],
)
def test_a_session_of_another_form_or_version(place: int, value: bytes, reason: int) -> None:
    client, server = shake(THEIRS, THEIRS, Setup(verify="root"))
    size, der = libssl.i2d_SSL_SESSION(libssl.SSL_get1_session(client.ssl))
    data = der[:place] + value + der[place + 1 :]
    for api in (OURS, THEIRS):
        api.ERR_clear_error()
        assert api.d2i_SSL_SESSION(None, data, size) == (None, 0)
        assert codes(api) == [(o.ERR_LIB_SSL, reason)]
    client.close()
    server.close()


def test_no_session_in_a_bio() -> None:
    for api in (OURS, THEIRS):
        bio = api.BIO_new(api.BIO_s_mem())
        api.BIO_write(bio, b"nothing\n", 8)
        api.ERR_clear_error()
        assert not api.PEM_read_bio_SSL_SESSION(bio)
        assert codes(api)[0] == (o.ERR_LIB_PEM, 108)
        api.BIO_free(bio)


def test_a_type_error_for_what_is_no_session() -> None:
    with pytest.raises(TypeError, match="SSL_SESSION"):
        o.i2d_SSL_SESSION(b"session")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="holds 1"):
        o.d2i_SSL_SESSION(None, b"0", 5)
