"""The calls on a connection: SSL_do_handshake(3), SSL_read(3), SSL_write(3), SSL_shutdown(3), ….

SSL_do_handshake() and its kin return 1 when it is done, 0 when it was shut down in a controlled
way, and less for a failure or a wish to be called again: SSL_get_error() tells which.
"""

from __future__ import annotations

from typing import Any, overload

from .arguments import check_bio, check_int, input_view, output_view
from .bio import BIO_new, BIO_set_fd
from .bio_kinds import (
    BIO,
    BIO_C_GET_FD,
    BIO_NOCLOSE,
    SOCKET,
    Readable,
    Writable,
)
from .connection import SSL
from .constants import (
    SSL_KEY_UPDATE_NOT_REQUESTED,
    SSL_KEY_UPDATE_REQUESTED,
)
from .context import SSL_CTX, check_ctx
from .errors import raise_ssl
from .holders import check_ssl
from .reasons import (
    SSL_R_BAD_LENGTH,
    SSL_R_BAD_WRITE_RETRY,
    SSL_R_INVALID_KEY_UPDATE_TYPE,
    SSL_R_NO_RENEGOTIATION,
    SSL_R_NULL_SSL_CTX,
    SSL_R_STILL_IN_INIT,
    SSL_R_WRONG_SSL_VERSION,
)

# -- making and freeing ----------------------------------------------------------------------------


@overload
def SSL_new(ctx: SSL_CTX) -> SSL: ...
@overload
def SSL_new(ctx: None) -> None: ...
def SSL_new(ctx: SSL_CTX | None) -> SSL | None:
    """A connection with the settings of a context; None for None."""
    if ctx is None:
        raise_ssl(SSL_R_NULL_SSL_CTX)
        return None
    return SSL(check_ctx(ctx))


def SSL_up_ref(ssl: SSL) -> int:
    """One more holds it, and has to free it."""
    check_ssl(ssl).references += 1
    return 1


def SSL_free(ssl: SSL | None) -> None:
    """Lets go of it; the last one frees it, and its BIOs. Nothing happens for None."""
    if ssl is None:
        return
    check_ssl(ssl).references -= 1
    if not ssl.references:
        ssl.close()


def SSL_clear(ssl: SSL) -> int:
    """Makes it ready for another connection, with the same settings and in the same role."""
    check_ssl(ssl).clear()
    return 1


def SSL_set_connect_state(ssl: SSL) -> None:
    """It is going to be a client."""
    check_ssl(ssl).set_role(False)


def SSL_set_accept_state(ssl: SSL) -> None:
    """It is going to be a server."""
    check_ssl(ssl).set_role(True)


def SSL_is_server(ssl: SSL) -> int:
    """1 on a server."""
    return int(check_ssl(ssl).server)


def SSL_get_ex_data(ssl: SSL, index: int) -> Any:
    """What SSL_set_ex_data() has kept under an index."""
    return check_ssl(ssl).data.get(index)


def SSL_set_ex_data(ssl: SSL, index: int, data: Any) -> int:
    """Keeps something of the application's."""
    check_ssl(ssl).data[index] = data
    return 1


def SSL_get_app_data(ssl: SSL) -> Any:
    """What SSL_set_app_data() has kept."""
    return SSL_get_ex_data(ssl, 0)


def SSL_set_app_data(ssl: SSL, data: Any) -> int:
    """Keeps something of the application's."""
    return SSL_set_ex_data(ssl, 0, data)


# -- BIOs and descriptors --------------------------------------------------------------------------


def _optional(bio: BIO | None) -> BIO | None:
    return None if bio is None else check_bio(bio)


def SSL_set0_rbio(ssl: SSL, rbio: BIO | None) -> None:
    """What is read from. The connection takes over the caller's hold on it."""
    check_ssl(ssl)
    old, ssl.rbio = ssl.rbio, _optional(rbio)
    if old is not None:
        old.release()


def SSL_set0_wbio(ssl: SSL, wbio: BIO | None) -> None:
    """What is written to. The connection takes over the caller's hold on it."""
    check_ssl(ssl)
    old, ssl.wbio = ssl.wbio, _optional(wbio)
    if old is not None:
        old.release()


def SSL_set_bio(ssl: SSL, rbio: BIO | None, wbio: BIO | None) -> None:
    """What is read from and written to; the same for both is held once, not twice.

    Which holds are taken over where only one of the two changes, SSL_set_bio(3) describes.
    """
    check_ssl(ssl)
    _optional(rbio)
    _optional(wbio)
    if rbio is ssl.rbio and wbio is ssl.wbio:
        return
    if rbio is not None and rbio is wbio:
        rbio.references += 1
    if rbio is ssl.rbio:
        SSL_set0_wbio(ssl, wbio)
        return
    if wbio is ssl.wbio and ssl.rbio is not ssl.wbio:
        SSL_set0_rbio(ssl, rbio)
        return
    SSL_set0_rbio(ssl, rbio)
    SSL_set0_wbio(ssl, wbio)


def SSL_get_rbio(ssl: SSL) -> BIO | None:
    """The BIO that records are read from, or None."""
    return check_ssl(ssl).rbio


def SSL_get_wbio(ssl: SSL) -> BIO | None:
    """The BIO that records are written to, or None. SSL_get_rbio(3)."""
    return check_ssl(ssl).wbio


def _socket_bio(fd: int) -> BIO:
    bio = BIO_new(SOCKET)
    BIO_set_fd(bio, fd, BIO_NOCLOSE)
    return bio


def SSL_set_fd(ssl: SSL, fd: int) -> int:
    """The descriptor of a socket to read from and write to; it is not closed with it."""
    check_ssl(ssl)
    bio = _socket_bio(check_int(fd, "a descriptor"))
    SSL_set_bio(ssl, bio, bio)
    return 1


def SSL_set_rfd(ssl: SSL, fd: int) -> int:
    """The descriptor of a socket to read from."""
    other = check_ssl(ssl).wbio
    if other is not None and _fd(other) == check_int(fd, "a descriptor"):
        other.references += 1
        SSL_set0_rbio(ssl, other)
    else:
        SSL_set0_rbio(ssl, _socket_bio(fd))
    return 1


def SSL_set_wfd(ssl: SSL, fd: int) -> int:
    """The descriptor of a socket to write to."""
    other = check_ssl(ssl).rbio
    if other is not None and _fd(other) == check_int(fd, "a descriptor"):
        other.references += 1
        SSL_set0_wbio(ssl, other)
    else:
        SSL_set0_wbio(ssl, _socket_bio(fd))
    return 1


def _fd(bio: BIO | None) -> int:
    if bio is None or bio.method is not SOCKET:
        return -1
    return bio.control(BIO_C_GET_FD)


def SSL_get_fd(ssl: SSL) -> int:
    """The descriptor that is read from; -1 where it is no socket."""
    return SSL_get_rfd(ssl)


def SSL_get_rfd(ssl: SSL) -> int:
    """The descriptor that is read from; -1 where it is no socket."""
    return _fd(check_ssl(ssl).rbio)


def SSL_get_wfd(ssl: SSL) -> int:
    """The descriptor that is written to; -1 where it is no socket."""
    return _fd(check_ssl(ssl).wbio)


# -- shaking hands ---------------------------------------------------------------------------------


def SSL_do_handshake(ssl: SSL) -> int:
    """Shakes hands, or goes on with it: 1 when it is done.

    Over a blocking BIO it returns when it is done or has failed. Over another it also returns where
    the BIO cannot serve: -1, and SSL_get_error() says SSL_ERROR_WANT_READ or
    SSL_ERROR_WANT_WRITE. Then the same call is repeated, once a socket is ready, or data was
    moved into or out of a buffering BIO.
    """
    return check_ssl(ssl).do_handshake()


def SSL_connect(ssl: SSL) -> int:
    """SSL_do_handshake(), as a client unless the role was chosen."""
    if not check_ssl(ssl).role_chosen:
        ssl.set_role(False)
    return ssl.do_handshake()


def SSL_accept(ssl: SSL) -> int:
    """SSL_do_handshake(), as a server unless the role was chosen."""
    if not check_ssl(ssl).role_chosen:
        ssl.set_role(True)
    return ssl.do_handshake()


# -- data ------------------------------------------------------------------------------------------


def _read(ssl: SSL, buf: Writable, num: int, peek: bool) -> tuple[int, int]:
    view = output_view(buf, num)
    ret, data = ssl.read(num, peek)
    if ret > 0:
        view[: len(data)] = data
    return ret, len(data)


def SSL_read(ssl: SSL, buf: Writable, num: int) -> int:
    """Reads at most *num* bytes, of one record, to *buf*: how many, or 0 and less for none."""
    check_ssl(ssl)
    if num < 0:
        raise_ssl(SSL_R_BAD_LENGTH)
        return -1
    ret, size = _read(ssl, buf, num, False)
    return size if ret > 0 else ret


def SSL_read_ex(ssl: SSL, buf: Writable, num: int) -> tuple[int, int]:
    """``(1, readbytes)``, or ``(0, 0)``."""
    ret, size = _read(check_ssl(ssl), buf, num, False)
    return (1, size) if ret > 0 else (0, 0)


def SSL_peek(ssl: SSL, buf: Writable, num: int) -> int:
    """SSL_read() that leaves the data where it is."""
    check_ssl(ssl)
    if num < 0:
        raise_ssl(SSL_R_BAD_LENGTH)
        return -1
    ret, size = _read(ssl, buf, num, True)
    return size if ret > 0 else ret


def SSL_peek_ex(ssl: SSL, buf: Writable, num: int) -> tuple[int, int]:
    """SSL_read_ex() that leaves the data where it is."""
    ret, size = _read(check_ssl(ssl), buf, num, True)
    return (1, size) if ret > 0 else (0, 0)


def SSL_write(ssl: SSL, buf: Readable | str, num: int) -> int:
    """Writes *num* bytes: how many, or 0 and less where they have not all left.

    Then the call is repeated with the same arguments: the very same *buf*, unless the mode
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER is set.
    """
    check_ssl(ssl)
    if num < 0:
        raise_ssl(SSL_R_BAD_LENGTH)
        return -1
    ret, size = ssl.write(buf, input_view(buf, num), num)
    return size if ret > 0 else ret


def SSL_write_ex(ssl: SSL, buf: Readable | str, num: int) -> tuple[int, int]:
    """``(1, written)``, or ``(0, 0)``."""
    ret, size = check_ssl(ssl).write(buf, input_view(buf, num), num)
    return (1, size) if ret > 0 else (0, 0)


def SSL_pending(ssl: SSL) -> int:
    """How many bytes of a record that was opened are left to be read."""
    return check_ssl(ssl).pending


def SSL_has_pending(ssl: SSL) -> int:
    """1 where there is data, opened or not, that is no longer in the BIO."""
    return int(check_ssl(ssl).has_pending)


# -- closing ---------------------------------------------------------------------------------------


def SSL_shutdown(ssl: SSL) -> int:
    """Sends close_notify, and called again waits for the peer's.

    0: sent, and the peer's has not come; 1: both; less: a failure, or SSL_ERROR_WANT_….
    """
    return check_ssl(ssl).close_down()


def SSL_get_shutdown(ssl: SSL) -> int:
    """Which of SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN hold."""
    return check_ssl(ssl).shutdown


def SSL_set_shutdown(ssl: SSL, mode: int) -> None:
    """Says which hold; nothing is sent."""
    check_ssl(ssl).shutdown = check_int(mode, "a mode")


def SSL_key_update(ssl: SSL, updatetype: int) -> int:
    """Another sending key with the next call that writes, and perhaps the peer's as well."""
    check_ssl(ssl)
    if not ssl.progress.tls13 or (ssl.progress.retrying and not ssl.server):
        raise_ssl(SSL_R_WRONG_SSL_VERSION)
    elif updatetype not in (SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED):
        raise_ssl(SSL_R_INVALID_KEY_UPDATE_TYPE)
    elif ssl.in_init:
        raise_ssl(SSL_R_STILL_IN_INIT)
    elif ssl.write_pending:
        raise_ssl(SSL_R_BAD_WRITE_RETRY)
    else:
        ssl.request_key_update(updatetype)
        return 1
    return 0


def SSL_verify_client_post_handshake(ssl: SSL) -> int:
    """On a server: asks the client for its certificate with the next call that writes.

    1, or 0 with the reason in the queue: in TLS 1.3 only, by a server whose SSL_set_verify() asks
    for certificates, of a client that has said that it would answer, and one request at a time.
    """
    reason = check_ssl(ssl).refusal_to_ask()
    if reason:
        raise_ssl(reason)
        return 0
    ssl.request_due = ssl.in_init = True
    return 1


def SSL_get_key_update_type(ssl: SSL) -> int:
    """The KeyUpdate that is due, or SSL_KEY_UPDATE_NONE."""
    return check_ssl(ssl).key_update


# -- what older programs call ----------------------------------------------------------------------


def OPENSSL_init_ssl(opts: int, settings: object) -> int:
    """1: there is nothing to be made ready."""
    return 1


def SSL_library_init() -> int:
    """1: there is nothing to be made ready."""
    return 1


def SSL_load_error_strings() -> None:
    """Nothing: the texts are there."""


def SSL_renegotiate(ssl: SSL) -> int:
    """0, with the reason in the queue: nothing is negotiated again."""
    check_ssl(ssl)
    raise_ssl(SSL_R_WRONG_SSL_VERSION if ssl.progress.tls13 else SSL_R_NO_RENEGOTIATION)
    return 0


def SSL_renegotiate_pending(ssl: SSL) -> int:
    """0: nothing is negotiated again."""
    check_ssl(ssl)
    return 0
