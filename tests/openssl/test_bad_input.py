"""What C leaves undefined raises with a clear text; everything else is a return code."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

import pytest

from aiotls import openssl as o

from .test_suspension import Link, contexts


def connected() -> Link:
    link = Link(*contexts())
    assert link.drive() == []
    return link


def new() -> Any:
    return o.SSL_new(o.SSL_CTX_new(o.TLS_method()))


CALLS: dict[str, tuple[Any, ...]] = {
    "SSL_do_handshake": (),
    "SSL_connect": (),
    "SSL_accept": (),
    "SSL_shutdown": (),
    "SSL_read": (bytearray(4), 4),
    "SSL_peek": (bytearray(4), 4),
    "SSL_write": (b"data", 4),
    "SSL_read_ex": (bytearray(4), 4),
    "SSL_write_ex": (b"data", 4),
    "SSL_pending": (),
    "SSL_get_error": (-1,),
    "SSL_want": (),
    "SSL_key_update": (0,),
    "SSL_set_fd": (0,),
    "SSL_clear": (),
    "SSL_get_version": (),
    "SSL_free": (),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_freed_object_is_a_reference_error(name: str) -> None:
    ssl = new()
    o.SSL_free(ssl)
    with pytest.raises(ReferenceError, match="freed"):
        getattr(o, name)(ssl, *CALLS[name])


@pytest.mark.parametrize("name", CALLS)
def test_an_object_of_another_kind_is_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match="SSL"):
        getattr(o, name)(object(), *CALLS[name])


def test_a_freed_context_and_a_freed_bio_are_reference_errors() -> None:
    ctx = o.SSL_CTX_new(o.TLS_method())
    o.SSL_CTX_free(ctx)
    with pytest.raises(ReferenceError, match="freed"):
        o.SSL_new(ctx)
    bio = o.BIO_new(o.BIO_s_mem())
    o.BIO_free(bio)
    with pytest.raises(ReferenceError, match="freed"):
        o.SSL_set_bio(new(), bio, bio)


def test_buffers_of_the_wrong_kind_or_length_are_type_errors() -> None:
    link = connected()
    with pytest.raises(TypeError, match="writable"):
        o.SSL_read(link.client, b"bytes", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="room for 2"):
        o.SSL_read(link.client, bytearray(2), 5)
    with pytest.raises(TypeError, match="holds 2"):
        o.SSL_write(link.client, b"ab", 5)
    with pytest.raises(TypeError, match="bytes are expected"):
        o.SSL_write(link.client, 7, 1)  # type: ignore[arg-type]


def reasons() -> list[int]:
    found = []
    while code := o.ERR_get_error():
        found.append(o.ERR_GET_REASON(code))
    return found


def test_no_bio_to_read_from() -> None:
    link = connected()
    o.SSL_set0_rbio(link.client, None)
    o.ERR_clear_error()
    assert o.SSL_read(link.client, bytearray(4), 4) == -1
    assert o.SSL_get_error(link.client, -1) == o.SSL_ERROR_SSL
    assert reasons() == [o.SSL_R_READ_BIO_NOT_SET]


def test_no_bio_to_write_to() -> None:
    link = connected()
    o.SSL_set0_wbio(link.client, None)
    o.ERR_clear_error()
    assert o.SSL_write(link.client, b"data", 4) == -1
    assert reasons() == [o.SSL_R_BIO_NOT_SET]


def test_a_closed_descriptor() -> None:
    ours, theirs = socket.socketpair()
    ssl = new()
    assert o.SSL_set_fd(ssl, ours.fileno()) == 1
    ours.close()
    theirs.close()
    o.ERR_clear_error()
    ret = o.SSL_connect(ssl)
    assert ret == -1
    assert o.SSL_get_error(ssl, ret) == o.SSL_ERROR_SYSCALL


def test_reading_during_the_handshake_shakes_hands() -> None:
    link = Link(*contexts())
    buf = bytearray(4)
    assert o.SSL_read(link.client, buf, 4) == -1
    assert o.SSL_get_error(link.client, -1) == o.SSL_ERROR_WANT_READ
    assert o.SSL_write(link.server, b"data", 4) == -1
    assert link.drive() == []
    assert o.SSL_write(link.server, b"data", 4) == 4
    assert o.SSL_read(link.client, buf, 4) == 4
    assert buf == b"data"


def test_a_write_repeated_with_other_arguments() -> None:
    link = connected()
    ret, inner, outer = o.BIO_new_bio_pair(30, 30)
    assert ret == 1
    o.SSL_set0_wbio(link.client, inner)
    assert o.SSL_write(link.client, b"a" * 100, 100) == -1
    assert o.SSL_get_error(link.client, -1) == o.SSL_ERROR_WANT_WRITE
    assert o.SSL_write(link.client, b"b" * 100, 100) == -1
    assert reasons() == [o.SSL_R_BAD_WRITE_RETRY]
    o.BIO_free(outer)


@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("after", range(6))
def test_a_peer_that_goes_away_at_each_point_is_a_return_code(
    role: str, end: str, after: int
) -> None:
    """After so many calls of the two sides in turn one of the sockets is gone."""
    client_ctx, server_ctx = contexts()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    client, server = o.SSL_new(client_ctx), o.SSL_new(server_ctx)
    assert client is not None
    assert server is not None
    sides = [(client, ours, o.SSL_connect), (server, theirs, o.SSL_accept)]
    for ssl, sock, _ in sides:
        sock.setblocking(False)
        o.SSL_set_fd(ssl, sock.fileno())
    for turn in range(after):
        ssl, _, call = sides[turn % 2]
        call(ssl)
    leaver, stayer = sides if role == "client" else sides[::-1]
    if end == "reset":
        leaver[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    leaver[1].close()

    ssl, sock, call = stayer
    o.ERR_clear_error()
    errors = set()
    for _ in range(500):
        ret = call(ssl)
        if ret == 1:
            ret = o.SSL_read(ssl, bytearray(10), 10)
        errors.add(o.SSL_get_error(ssl, ret))
        if errors & {o.SSL_ERROR_SSL, o.SSL_ERROR_SYSCALL, o.SSL_ERROR_ZERO_RETURN}:
            break
        sock.setblocking(True)
        sock.settimeout(0.01)
        with contextlib.suppress(OSError):  # until the news of the end has come
            sock.recv(1, socket.MSG_PEEK)
        sock.setblocking(False)
    assert errors & {o.SSL_ERROR_SSL, o.SSL_ERROR_SYSCALL}, errors
    o.ERR_clear_error()
    for ssl, sock, _ in sides:
        o.SSL_free(ssl)
        sock.close()


def test_a_callback_that_raises_fails_the_handshake_and_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_value))
    client, server = contexts()

    def fail(ssl: Any, alert: int, arg: Any) -> int:
        raise RuntimeError("a mistake of the application's")

    o.SSL_CTX_set_client_hello_cb(server, fail, None)
    link = Link(client, server)
    o.SSL_do_handshake(link.client)
    assert o.SSL_do_handshake(link.server) == -1
    assert "a mistake" in str(seen)
    assert reasons() == [o.SSL_R_CALLBACK_FAILED]


def test_a_bio_that_says_it_has_read_what_is_not_there_is_at_its_end() -> None:
    link = Link(*contexts())
    incoming = o.SSL_get_rbio(link.client)
    assert incoming is not None
    o.BIO_set_mem_eof_return(incoming, 7)
    o.ERR_clear_error()
    assert o.SSL_do_handshake(link.client) == -1
    assert o.SSL_get_error(link.client, -1) != o.SSL_ERROR_NONE
    o.ERR_clear_error()


def test_a_file_name_ends_at_a_zero() -> None:
    ctx: Any = o.SSL_CTX_new(o.TLS_method())
    o.ERR_clear_error()
    assert o.SSL_CTX_use_certificate_chain_file(ctx, "/nonexistent\0/file") == 0
    assert o.ERR_GET_LIB(o.ERR_get_error()) == o.ERR_LIB_SYS
    o.ERR_clear_error()


def test_der_that_is_no_certificate_is_refused() -> None:
    ctx: Any = o.SSL_CTX_new(o.TLS_method())
    o.ERR_clear_error()
    assert o.SSL_CTX_use_certificate(ctx, b"junk") == 0
    assert reasons() == [o.ERR_R_ASN1_LIB]
    store: Any = o.SSL_CTX_get_cert_store(ctx)
    junk: Any = b"junk"
    assert o.X509_STORE_add_cert(store, junk) == 0
    assert reasons() == [o.ERR_R_ASN1_LIB]
