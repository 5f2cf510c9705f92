"""Early data, ahead of the handshake: SSL_read_early_data(3).

It may be a replay of what another connection has sent (RFC 8446, section 8). A server takes none
unless it asks with SSL_read_early_data(). A session is good once then, as the SSL_CTX keeps it and
forgets it when it is used (section 8.1); with SSL_OP_NO_ANTI_REPLAY that is left to the
application.
"""

from __future__ import annotations

from ..enums import ExtensionType
from .arguments import input_view, output_view
from .bio_kinds import Readable, Writable
from .connection import SSL
from .constants import (
    SSL_EARLY_DATA_ACCEPTED,
    SSL_EARLY_DATA_NOT_SENT,
    SSL_EARLY_DATA_REJECTED,
    SSL_READ_EARLY_DATA_ERROR,
    SSL_READ_EARLY_DATA_FINISH,
    SSL_READ_EARLY_DATA_SUCCESS,
)
from .errors import ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, raise_ssl
from .holders import check_ssl
from .states import Early


def SSL_write_early_data(ssl: SSL, buf: Readable | str, num: int) -> tuple[int, int]:
    """On a client with a session that allows it: sends *num* bytes ahead of the handshake.

    ``(1, written)``, or ``(0, 0)`` where SSL_get_error() tells why. It may be called any number of
    times, until SSL_do_handshake() or SSL_write() goes on with the handshake. Then
    SSL_get_early_data_status() tells what became of the data: what was not accepted, the
    application sends again if it likes.

    A server that has called SSL_read_early_data() writes with it to a client that has not shown
    yet who it is.
    """
    view = input_view(buf, num)
    check_ssl(ssl)
    if ssl.early in (Early.FINISHED_READING, Early.READ_RETRY):
        before, ssl.early = ssl.early, Early.UNAUTH_WRITING
        ret, size = ssl.write(buf, view, num)
        ssl.early = before
        return (1, size) if ret > 0 else (0, 0)
    if ssl.early is Early.NONE and (ssl.server or not ssl.in_before or not ssl.early_limit):
        return _out_of_place()
    if ssl.early in (Early.NONE, Early.CONNECT_RETRY):
        if not ssl.role_chosen:
            ssl.set_role(False)
        ssl.early = Early.CONNECTING
        if ssl.do_handshake() <= 0:
            ssl.early = Early.CONNECT_RETRY
            return 0, 0
        ssl.early = Early.WRITE_RETRY
    if ssl.early is not Early.WRITE_RETRY:
        return _out_of_place()
    ssl.early = Early.WRITING
    ret, _ = ssl.write(buf, view, num)
    ssl.early = Early.WRITE_RETRY
    return (1, num) if ret > 0 else (0, 0)


def _out_of_place() -> tuple[int, int]:
    raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
    return 0, 0


def SSL_read_early_data(ssl: SSL, buf: Writable, num: int) -> tuple[int, int]:
    """On a server, in place of the first SSL_accept(): reads what the client has sent ahead.

    ``(SSL_READ_EARLY_DATA_SUCCESS, readbytes)``: there may be more, so it is called again.
    ``(SSL_READ_EARLY_DATA_FINISH, 0)``: there is none, or no more, and SSL_do_handshake() goes on
    from there. ``(SSL_READ_EARLY_DATA_ERROR, 0)``: SSL_get_error() tells why.
    """
    view = output_view(buf, num)
    check_ssl(ssl)
    if not ssl.server or (ssl.early is Early.NONE and not ssl.in_before):
        return _out_of_place()
    if ssl.early in (Early.NONE, Early.ACCEPT_RETRY):
        if not ssl.role_chosen:
            ssl.set_role(True)
        ssl.early = Early.ACCEPTING
        if ssl.do_handshake() <= 0:
            ssl.early = Early.ACCEPT_RETRY
            return SSL_READ_EARLY_DATA_ERROR, 0
        ssl.early = Early.READ_RETRY
    if ssl.early is not Early.READ_RETRY:
        return _out_of_place()
    if not ssl.early_accepted:
        ssl.early = Early.FINISHED_READING
        return SSL_READ_EARLY_DATA_FINISH, 0
    ssl.early = Early.READING
    ret, data = ssl.read(num, False)
    if ret <= 0 and ssl.early is Early.FINISHED_READING:
        return SSL_READ_EARLY_DATA_FINISH, 0
    ssl.early = Early.READ_RETRY
    if ret <= 0:
        return SSL_READ_EARLY_DATA_ERROR, 0
    view[: len(data)] = data
    return SSL_READ_EARLY_DATA_SUCCESS, len(data)


def SSL_get_early_data_status(ssl: SSL) -> int:
    """What became of the early data: ``SSL_EARLY_DATA_…``. A client's counts as rejected until the
    server has accepted it.
    """
    check_ssl(ssl)
    if ssl.server:
        info = ssl.hooks.hello
        if ssl.early_accepted:
            return SSL_EARLY_DATA_ACCEPTED
        offered = info is not None and ExtensionType.EARLY_DATA in info.hello.extensions
        return SSL_EARLY_DATA_REJECTED if offered else SSL_EARLY_DATA_NOT_SENT
    if ssl.early is Early.NONE:
        return SSL_EARLY_DATA_NOT_SENT
    return SSL_EARLY_DATA_ACCEPTED if ssl.progress.takes_early_data else SSL_EARLY_DATA_REJECTED
