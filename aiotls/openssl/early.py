"""Early data, ahead of the handshake: SSL_read_early_data(3).

It may be a replay of what another connection has sent (RFC 8446, section 8). A server takes none
unless it asks with SSL_read_early_data(), and then only what this SSL_CTX has not seen before; in
the first seconds of its life an SSL_CTX takes none, since it cannot know what was before it.
"""

from __future__ import annotations

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
    SSL_READING,
)
from .errors import ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, ERR_peek_error, raise_ssl
from .holders import check_ssl
from .reasons import SSL_R_TOO_MUCH_EARLY_DATA
from .states import State


def SSL_write_early_data(ssl: SSL, buf: Readable | str, num: int) -> tuple[int, int]:
    """On a client with a session that allows it: sends *num* bytes ahead of the handshake.

    ``(1, written)`` once they have left with the ClientHello, else ``(0, 0)``. Here it is called
    once for a connection, but for repetitions of a call that wanted to write; then
    SSL_do_handshake(), and SSL_get_early_data_status() tells what became of it: what was not
    accepted, the application sends again if it likes.
    """
    data = bytes(input_view(buf, num))
    check_ssl(ssl)
    if not ssl.role_chosen:
        ssl.set_role(False)
    repeated = ssl.begun and ssl.early_output == data and not ssl.established
    if ssl.server or not (ssl.in_before or repeated):
        raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
        return 0, 0
    chosen = ssl.session_to_resume
    session = chosen.session if chosen is not None else None
    if session is None or not session.max_early_data:
        raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
        return 0, 0
    if num > session.max_early_data:
        raise_ssl(SSL_R_TOO_MUCH_EARLY_DATA)
        return 0, 0
    ssl.early_output = data
    ret = ssl.shake_hands()
    if ret > 0 or (ssl.rwstate == SSL_READING and not ssl.failed):
        return 1, num
    return 0, 0


def SSL_read_early_data(ssl: SSL, buf: Writable, num: int) -> tuple[int, int]:
    """On a server, in place of the first SSL_accept(): reads what the client has sent ahead.

    ``(SSL_READ_EARLY_DATA_SUCCESS, readbytes)``: there may be more, so it is called again.
    ``(SSL_READ_EARLY_DATA_FINISH, 0)``: there is none, or no more, and SSL_do_handshake() goes on
    from there. ``(SSL_READ_EARLY_DATA_ERROR, 0)``: SSL_get_error() tells why.
    """
    view = output_view(buf, num)
    check_ssl(ssl)
    if not ssl.role_chosen:
        ssl.set_role(True)
    if not ssl.server or (ssl.early_input is None and not ssl.in_before):
        raise_ssl(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED)
        return SSL_READ_EARLY_DATA_ERROR, 0
    if ssl.early_input is None:
        ssl.early_input = bytearray()
    waiting = ssl.early_input
    ret = 1
    if not waiting and not ssl.established:
        ret = ssl.shake_hands()
        if ssl.connection is not None and not ssl.failed:
            waiting += ssl.connection.read_early_data()
    if waiting:
        size = min(num, len(waiting))
        view[:size] = waiting[:size]
        del waiting[:size]
        return SSL_READ_EARLY_DATA_SUCCESS, size
    if ret > 0 or _comes_to_nothing(ssl):
        return SSL_READ_EARLY_DATA_FINISH, 0
    return SSL_READ_EARLY_DATA_ERROR, 0


def _comes_to_nothing(ssl: SSL) -> bool:
    """Whether the server's flight has left, and no early data is to come before the client's."""
    connection = ssl.connection
    if connection is None or ssl.failed or ERR_peek_error():
        return False
    sent = ssl.progress.state is State.EARLY_DATA and not ssl.progress.retrying
    return sent and connection.expecting != "end_of_early_data"


def SSL_get_early_data_status(ssl: SSL) -> int:
    """What became of the early data: ``SSL_EARLY_DATA_…``."""
    connection = check_ssl(ssl).connection
    if connection is None or not connection.handshake_complete:
        return SSL_EARLY_DATA_NOT_SENT
    if connection.early_data_accepted:
        return SSL_EARLY_DATA_ACCEPTED
    return SSL_EARLY_DATA_REJECTED if ssl.early_output else SSL_EARLY_DATA_NOT_SENT
