"""Small programs as textbooks have them, run on either implementation against either.

Each program writes down what every call returned and what SSL_get_error() said of it. The books of
aiotls.openssl have to read as libssl's do.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from .world import OURS, THEIRS, Setup, Trace, context

Program = Callable[[Any, Any, socket.socket, Trace], None]
NAMES = {id(OURS): "aiotls", id(THEIRS): "libssl"}


def blocking(api: Any, ssl: Any, sock: socket.socket, book: Trace) -> None:
    """Connect or accept, send a line, read one, close in both directions."""
    sock.setblocking(True)
    sock.settimeout(None)
    api.SSL_set_fd(ssl, sock.fileno())
    server = bool(api.SSL_is_server(ssl))
    ret = api.SSL_accept(ssl) if server else api.SSL_connect(ssl)
    book.append(("handshake", ret, api.SSL_get_error(ssl, ret), api.SSL_get_version(ssl)))
    if ret != 1:
        return
    line = b"a line of text\n"
    buf = bytearray(len(line))
    if server:
        ret = api.SSL_read(ssl, buf, len(buf))
        book.append(("read", ret, api.SSL_get_error(ssl, ret), bytes(buf)))
    ret = api.SSL_write(ssl, line, len(line))
    book.append(("write", ret, api.SSL_get_error(ssl, ret)))
    if not server:
        ret = api.SSL_read(ssl, buf, len(buf))
        book.append(("read", ret, api.SSL_get_error(ssl, ret), bytes(buf)))
        ret = api.SSL_shutdown(ssl)
        book.append(("shutdown", ret))
    ret = api.SSL_read(ssl, buf, len(buf))
    book.append(("last read", ret, api.SSL_get_error(ssl, ret), api.SSL_get_shutdown(ssl)))
    ret = api.SSL_shutdown(ssl)
    book.append(("last shutdown", ret, api.SSL_get_shutdown(ssl)))


def selecting(api: Any, ssl: Any, sock: socket.socket, book: Trace) -> None:
    """The same over a socket that does not block: each call is repeated as SSL_get_error() says."""
    sock.setblocking(False)
    api.SSL_set_fd(ssl, sock.fileno())

    def until_done(name: str, call: Callable[[], int]) -> int:
        while True:
            api.ERR_clear_error()
            ret = call()
            error = api.SSL_get_error(ssl, ret)
            if error == 2:
                select.select([sock], [], [], 30)
            elif error == 3:
                select.select([], [sock], [], 30)
            else:
                book.append((name, ret, error))
                return ret

    server = bool(api.SSL_is_server(ssl))
    buf = bytearray(100)
    if until_done("handshake", lambda: int(api.SSL_do_handshake(ssl))) != 1:
        return
    if not server:
        until_done("write", lambda: int(api.SSL_write(ssl, LINE, len(LINE))))
    until_done("read", lambda: int(api.SSL_read(ssl, buf, len(buf))))
    if server:
        until_done("write", lambda: int(api.SSL_write(ssl, LINE, len(LINE))))
        until_done("read", lambda: int(api.SSL_read(ssl, buf, len(buf))))
    until_done("shutdown", lambda: int(api.SSL_shutdown(ssl)))
    if not server:
        until_done("shutdown", lambda: int(api.SSL_shutdown(ssl)))
    book.append(("state", api.SSL_get_shutdown(ssl), api.SSL_state_string_long(ssl)))


LINE = b"another line of text\n"


def run(program: Program, client: Any, server: Any, setup: Setup) -> tuple[Trace, Trace]:
    """Both sides' books; the server has a thread of its own."""
    books: tuple[Trace, Trace] = ([], [])
    sockets = socket.socketpair()
    sides = []
    for api, serves in ((client, False), (server, True)):
        ctx, _ = context(api, serves, setup)
        ssl = api.SSL_new(ctx)
        if serves:
            api.SSL_set_accept_state(ssl)
        else:
            api.SSL_set_connect_state(ssl)
        sides.append((api, ssl))
    thread = threading.Thread(target=program, args=(*sides[1], sockets[1], books[1]))
    thread.start()
    program(*sides[0], sockets[0], books[0])
    if len(books[0]) == 1:  # no handshake: let go of the other one
        sockets[0].close()
    thread.join(60)
    assert not thread.is_alive()
    for (api, ssl), sock in zip(sides, sockets, strict=True):
        api.SSL_free(ssl)
        api.ERR_clear_error()
        sock.close()
    return books


SETUPS = {
    "tls13": Setup(verify="root"),
    "tls12": Setup(tls12=True, verify="root"),
    "mutual": Setup(client_auth="required", client_certificate=True),
    "nobody believes the server": Setup(verify="none"),
    "no version in common": Setup(disjoint="version"),
}


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("program", [blocking, selecting], ids=lambda each: each.__name__)
def test_the_books_of_a_textbook_program_are_libssl_s(program: Program, setup: str) -> None:
    expected = run(program, THEIRS, THEIRS, SETUPS[setup])
    for client, server in ((OURS, THEIRS), (THEIRS, OURS), (OURS, OURS)):
        found = run(program, client, server, SETUPS[setup])
        assert found == expected, (NAMES[id(client)], NAMES[id(server)])
