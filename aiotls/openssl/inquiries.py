"""What a connection can be asked: SSL_get_error(3), SSL_want(3), states, what was agreed on."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from ..errors import UsageError
from .arguments import check_int, output_view
from .bio_kinds import (
    BIO,
    BIO_FLAGS_IO_SPECIAL,
    BIO_FLAGS_READ,
    BIO_FLAGS_WRITE,
    BIO_RR_ACCEPT,
    BIO_RR_CONNECT,
    Writable,
)
from .ciphers import SSL_CIPHER, cipher
from .connection import SSL
from .constants import (
    SSL_ASYNC_NO_JOBS,
    SSL_ASYNC_PAUSED,
    SSL_CLIENT_HELLO_CB,
    SSL_ERROR_NONE,
    SSL_ERROR_SSL,
    SSL_ERROR_SYSCALL,
    SSL_ERROR_WANT_ACCEPT,
    SSL_ERROR_WANT_ASYNC,
    SSL_ERROR_WANT_ASYNC_JOB,
    SSL_ERROR_WANT_CLIENT_HELLO_CB,
    SSL_ERROR_WANT_CONNECT,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_RETRY_VERIFY,
    SSL_ERROR_WANT_WRITE,
    SSL_ERROR_WANT_X509_LOOKUP,
    SSL_ERROR_ZERO_RETURN,
    SSL_NOTHING,
    SSL_READING,
    SSL_RECEIVED_SHUTDOWN,
    SSL_RETRY_VERIFY,
    SSL_WRITING,
    SSL_X509_LOOKUP,
    TLSEXT_NAMETYPE_host_name,
)
from .errors import ERR_GET_LIB, ERR_LIB_SYS, ERR_peek_error
from .holders import check_ssl
from .sessions import SSL_SESSION, check_session

# -- what happened ---------------------------------------------------------------------------------

_WANTED = {
    SSL_X509_LOOKUP: SSL_ERROR_WANT_X509_LOOKUP,
    SSL_RETRY_VERIFY: SSL_ERROR_WANT_RETRY_VERIFY,
    SSL_ASYNC_PAUSED: SSL_ERROR_WANT_ASYNC,
    SSL_ASYNC_NO_JOBS: SSL_ERROR_WANT_ASYNC_JOB,
    SSL_CLIENT_HELLO_CB: SSL_ERROR_WANT_CLIENT_HELLO_CB,
}


def SSL_get_error(ssl: SSL, ret: int) -> int:
    """What the return value of the last call means: ``SSL_ERROR_…``.

    It looks at the value, at this thread's error queue, and at what the connection waits for.
    """
    check_ssl(ssl)
    if ret > 0:
        return SSL_ERROR_NONE
    code = ERR_peek_error()
    if code:
        return SSL_ERROR_SYSCALL if ERR_GET_LIB(code) == ERR_LIB_SYS else SSL_ERROR_SSL
    wanted = _wanted_of(ssl)
    if wanted is not None:
        return wanted
    if ssl.shutdown & SSL_RECEIVED_SHUTDOWN and ssl.received_warning == 0:
        return SSL_ERROR_ZERO_RETURN
    return SSL_ERROR_SYSCALL


def _wanted_of(ssl: SSL) -> int | None:
    """What the connection waits for; None where that is nothing."""
    if ssl.rwstate == SSL_READING:
        return _retry_of(ssl.rbio, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE)
    if ssl.rwstate == SSL_WRITING:
        return _retry_of(ssl.wbio, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_READ)
    return _WANTED.get(ssl.rwstate)


def _retry_of(bio: BIO | None, likely: int, unlikely: int) -> int | None:
    flags = bio.flags if bio is not None else 0
    first = BIO_FLAGS_READ if likely == SSL_ERROR_WANT_READ else BIO_FLAGS_WRITE
    if flags & first:
        return likely
    if flags & (BIO_FLAGS_READ | BIO_FLAGS_WRITE):
        return unlikely
    if bio is not None and flags & BIO_FLAGS_IO_SPECIAL:
        special = {
            BIO_RR_CONNECT: SSL_ERROR_WANT_CONNECT,
            BIO_RR_ACCEPT: SSL_ERROR_WANT_ACCEPT,
        }
        return special.get(bio.retry_reason, SSL_ERROR_SYSCALL)
    return None


def SSL_want(ssl: SSL) -> int:
    """What the connection waits for: ``SSL_NOTHING``, ``SSL_READING``, …."""
    return check_ssl(ssl).rwstate


def SSL_want_nothing(ssl: SSL) -> bool:
    """Whether it waits for nothing."""
    return SSL_want(ssl) == SSL_NOTHING


def SSL_want_read(ssl: SSL) -> bool:
    """Whether it waits for something to read."""
    return SSL_want(ssl) == SSL_READING


def SSL_want_write(ssl: SSL) -> bool:
    """Whether it waits for room to write."""
    return SSL_want(ssl) == SSL_WRITING


def SSL_want_x509_lookup(ssl: SSL) -> bool:
    """Whether it waits for the callback that chooses a certificate."""
    return SSL_want(ssl) == SSL_X509_LOOKUP


def SSL_want_retry_verify(ssl: SSL) -> bool:
    """Whether it waits for the callback that verifies a certificate."""
    return SSL_want(ssl) == SSL_RETRY_VERIFY


def SSL_want_async(ssl: SSL) -> bool:
    """Whether it waits for something that is under way elsewhere."""
    return SSL_want(ssl) == SSL_ASYNC_PAUSED


def SSL_want_async_job(ssl: SSL) -> bool:
    """Whether it waits for a job to become free; here it never does."""
    return SSL_want(ssl) == SSL_ASYNC_NO_JOBS


def SSL_want_client_hello_cb(ssl: SSL) -> bool:
    """Whether it waits for the callback that looks at a ClientHello."""
    return SSL_want(ssl) == SSL_CLIENT_HELLO_CB


def SSL_set_retry_verify(ssl: SSL) -> int:
    """Called in a callback that verifies a certificate: it wants to be called again."""
    check_ssl(ssl).hooks.retry_verify = True
    return 1


# -- states ----------------------------------------------------------------------------------------


def SSL_in_init(ssl: SSL) -> int:
    """1 while hands are being shaken, and before; also where a KeyUpdate is due, or it failed."""
    return int(check_ssl(ssl).in_init)


def SSL_in_before(ssl: SSL) -> int:
    """1 where no handshake has begun."""
    return int(check_ssl(ssl).in_before)


def SSL_is_init_finished(ssl: SSL) -> int:
    """1 where the handshake is done."""
    return int(not check_ssl(ssl).in_init and ssl.progress.state == 1)


def SSL_in_connect_init(ssl: SSL) -> int:
    """1 on a client that is shaking hands."""
    return int(SSL_in_init(ssl) and not ssl.server)


def SSL_in_accept_init(ssl: SSL) -> int:
    """1 on a server that is shaking hands."""
    return int(SSL_in_init(ssl) and ssl.server)


def SSL_get_state(ssl: SSL) -> int:
    """The state as a number: ``TLS_ST_…``."""
    return int(check_ssl(ssl).progress.state)


def SSL_state_string(ssl: SSL) -> str:
    """The state in a few letters: ``TWCH``, ``SSLOK``."""
    return check_ssl(ssl).state_text[0]


def SSL_state_string_long(ssl: SSL) -> str:
    """The state in words."""
    return check_ssl(ssl).state_text[1]


# -- what was agreed on ----------------------------------------------------------------------------

_VERSIONS = {0x0304: "TLSv1.3", 0x0303: "TLSv1.2", 0x0302: "TLSv1.1", 0x0301: "TLSv1"}


def SSL_version(ssl: SSL) -> int:
    """The version of TLS as a number."""
    return check_ssl(ssl).version


def SSL_get_version(ssl: SSL) -> str:
    """The version of TLS: ``TLSv1.3``, ``TLSv1.2``. While it is not known, the newest."""
    return _VERSIONS.get(SSL_version(ssl), "unknown")


def SSL_get_current_cipher(ssl: SSL) -> SSL_CIPHER | None:
    """The cipher suite in use; None before there is one."""
    return check_ssl(ssl).current_cipher


def SSL_get_cipher_name(ssl: SSL) -> str:
    """The name of the cipher suite in use."""
    current = SSL_get_current_cipher(ssl)
    return "(NONE)" if current is None else current.suite.openssl_name


def SSL_get_cipher(ssl: SSL) -> str:
    """The name of the cipher suite in use."""
    return SSL_get_cipher_name(ssl)


def SSL_get_pending_cipher(ssl: SSL) -> SSL_CIPHER | None:
    """The cipher suite that was chosen, and is perhaps not in use yet."""
    return cipher(check_ssl(ssl).progress.suite)


def SSL_get_peer_certificate(ssl: SSL) -> x509.Certificate | None:
    """The peer's certificate; None where it showed none."""
    return check_ssl(ssl).peer_certificate


def SSL_get1_peer_certificate(ssl: SSL) -> x509.Certificate | None:
    """The peer's certificate; None where it showed none."""
    return SSL_get_peer_certificate(ssl)


def SSL_get0_peer_certificate(ssl: SSL) -> x509.Certificate | None:
    """The peer's certificate; None where it showed none."""
    return SSL_get_peer_certificate(ssl)


def SSL_get_peer_cert_chain(ssl: SSL) -> list[x509.Certificate] | None:
    """What the peer sent; on a server without the client's own. None where it showed nothing."""
    return check_ssl(ssl).sent_chain


def SSL_get0_verified_chain(ssl: SSL) -> list[x509.Certificate] | None:
    """The path that was found when the peer's certificate was verified."""
    return list(check_ssl(ssl).verified_chain) or None


def SSL_get_certificate(ssl: SSL) -> x509.Certificate | None:
    """The certificate that this side shows, or None. SSL_CTX_use_certificate(3)."""
    credentials = check_ssl(ssl).settings.credentials
    return credentials[-1].chain[0] if credentials and credentials[-1].chain else None


def SSL_get_privatekey(ssl: SSL) -> Any:
    """The key that this side signs with, or None. SSL_CTX_use_PrivateKey(3)."""
    credentials = check_ssl(ssl).settings.credentials
    return credentials[-1].key if credentials else None


def SSL_get_verify_result(ssl: SSL) -> int:
    """What the verification of the peer's certificate found: ``X509_V_…``."""
    return check_ssl(ssl).verify_result


def SSL_set_verify_result(ssl: SSL, result: int) -> None:
    """Overrides what verification has found: X509_V_OK or X509_V_ERR_*."""
    check_ssl(ssl).verify_result = check_int(result, "a result")


def SSL_get0_alpn_selected(ssl: SSL) -> bytes:
    """The application protocol that was agreed on; empty where there was none."""
    return check_ssl(ssl).alpn


def SSL_get_servername(ssl: SSL, name_type: int) -> str | None:
    """The name that the client asks for; *name_type* is TLSEXT_NAMETYPE_host_name."""
    check_ssl(ssl)
    if name_type != TLSEXT_NAMETYPE_host_name:
        return None
    if not ssl.server:
        return ssl.settings.host_name
    return ssl.hooks.hello.server_name if ssl.hooks.hello is not None else None


def SSL_get_servername_type(ssl: SSL) -> int:
    """TLSEXT_NAMETYPE_host_name where the client asks for a name, or -1."""
    return -1 if SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) is None else 0


def SSL_get_client_random(ssl: SSL, out: Writable, outlen: int) -> int:
    """The client's random, at most *outlen* bytes of it to *out*; returns how many.

    With an *outlen* of 0 its length, 32. Before a hello has passed it is all zeros.
    """
    return _take(check_ssl(ssl).progress.client_random, out, outlen)


def SSL_get_server_random(ssl: SSL, out: Writable, outlen: int) -> int:
    """The server's random, as SSL_get_client_random() gives the client's."""
    return _take(check_ssl(ssl).progress.server_random, out, outlen)


def _take(data: bytes, out: Writable, outlen: int) -> int:
    return min(outlen, _give(data, out, outlen)) if outlen else len(data)


def SSL_get_finished(ssl: SSL, buf: Writable, count: int) -> int:
    """One's own latest Finished, at most *count* bytes of it to *buf*; returns its length."""
    return _give(check_ssl(ssl).progress.own_finished, buf, count)


def SSL_get_peer_finished(ssl: SSL, buf: Writable, count: int) -> int:
    """The peer's latest Finished, at most *count* bytes of it to *buf*; returns its length."""
    return _give(check_ssl(ssl).progress.peer_finished, buf, count)


def _give(data: bytes, buf: Writable, count: int) -> int:
    view = output_view(buf, min(count, len(data)))
    view[: min(count, len(data))] = data[:count]
    return len(data)


def SSL_export_keying_material(
    ssl: SSL,
    out: Writable,
    olen: int,
    label: str | bytes,
    llen: int,
    context: bytes | None,
    contextlen: int,
    use_context: int,
) -> int:
    """Writes *olen* bytes that both sides share and no one else knows (RFC 8446, section 7.5)."""
    connection = check_ssl(ssl).connection
    view = output_view(out, olen)
    if connection is None or connection.established is None:
        return -1
    name = (label.encode() if isinstance(label, str) else bytes(label))[:llen]
    used = bytes(context or b"")[:contextlen] if use_context else None
    try:
        view[:olen] = connection.export_keying_material(name, olen, used)
    except UsageError:
        return 0
    return 1


# -- sessions --------------------------------------------------------------------------------------


def SSL_get_session(ssl: SSL) -> SSL_SESSION | None:
    """The session; in TLS 1.3 a client can resume it once a ticket has come."""
    return check_ssl(ssl).current_session


def SSL_get0_session(ssl: SSL) -> SSL_SESSION | None:
    """The session of the connection, or None. SSL_get_session(3)."""
    return SSL_get_session(ssl)


def SSL_get1_session(ssl: SSL) -> SSL_SESSION | None:
    """The session, held once more."""
    session = SSL_get_session(ssl)
    if session is not None:
        session.references += 1
    return session


def SSL_set_session(ssl: SSL, session: SSL_SESSION | None) -> int:
    """On a client: the session to resume."""
    check_ssl(ssl)
    if session is not None:
        check_session(session)
    ssl.resume(session)
    return 1


def SSL_session_reused(ssl: SSL) -> int:
    """1 where a session was resumed."""
    return int(check_ssl(ssl).resumed)
