"""The textbook's non-blocking client: a call is repeated for as long as it wants to.

    python examples/openssl_select_client.py

Shows: the loop of SSL_do_handshake(3) around select(2), line by line what a C program has: -1,
then SSL_get_error(), then select() for what it says, then the same call with the same arguments.
"""

from __future__ import annotations

import select
import socket
import sys
import threading

from aiotls.cli.authority import Authority
from aiotls.openssl import (
    SSL,
    SSL_CTX,
    SSL_ERROR_SSL,
    SSL_ERROR_SYSCALL,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE,
    SSL_ERROR_ZERO_RETURN,
    SSL_VERIFY_PEER,
    BIO_new_socket,
    ERR_error_string,
    ERR_get_error,
    SSL_accept,
    SSL_connect,
    SSL_CTX_free,
    SSL_CTX_get_cert_store,
    SSL_CTX_new,
    SSL_CTX_set_verify,
    SSL_CTX_use_certificate,
    SSL_CTX_use_PrivateKey,
    SSL_free,
    SSL_get_error,
    SSL_get_fd,
    SSL_get_verify_result,
    SSL_new,
    SSL_read_ex,
    SSL_set1_host,
    SSL_set_bio,
    SSL_set_fd,
    SSL_set_tlsext_host_name,
    SSL_shutdown,
    SSL_write,
    SSL_write_ex,
    TLS_client_method,
    TLS_server_method,
    X509_STORE_add_cert,
    X509_verify_cert_error_string,
)

BIO_NOCLOSE = 0
X509_V_OK = 0


def wait_for_activity(ssl: SSL, write: bool) -> None:
    """Waits until the socket can be read, or written to."""
    sock = SSL_get_fd(ssl)
    if write:
        select.select([], [sock], [], 30)
    else:
        select.select([sock], [], [], 30)


def handle_io_failure(ssl: SSL, res: int) -> int:
    """1: call again; 0: the peer has closed; -1: it has failed."""
    error = SSL_get_error(ssl, res)

    if error == SSL_ERROR_WANT_READ:
        wait_for_activity(ssl, False)
        return 1

    if error == SSL_ERROR_WANT_WRITE:
        wait_for_activity(ssl, True)
        return 1

    if error == SSL_ERROR_ZERO_RETURN:
        return 0

    if error == SSL_ERROR_SYSCALL:
        return -1

    if error == SSL_ERROR_SSL:
        # If the failure is due to a verification error we can get more information about it.
        if SSL_get_verify_result(ssl) != X509_V_OK:
            print(
                "Verify error:",
                X509_verify_cert_error_string(SSL_get_verify_result(ssl)),
                file=sys.stderr,
            )
        return -1

    return -1


def client(ctx: SSL_CTX, sock: socket.socket) -> int:
    """Connects, writes a request, reads the answer to its end, and shuts down."""
    sock.setblocking(False)
    ssl = SSL_new(ctx)
    bio = BIO_new_socket(sock.fileno(), BIO_NOCLOSE)
    SSL_set_bio(ssl, bio, bio)

    # Say whom we want to reach, and whose certificate we expect.
    if not SSL_set_tlsext_host_name(ssl, "localhost"):
        return end(ssl, "Failed to set the SNI hostname")
    if not SSL_set1_host(ssl, "localhost"):
        return end(ssl, "Failed to set the certificate verification hostname")

    # Do the handshake with the server.
    while (ret := SSL_connect(ssl)) != 1:
        if handle_io_failure(ssl, ret) == 1:
            continue  # Retry
        return end(ssl, "Failed to connect to server")

    # Write a request to the peer.
    request = b"hello from a program that waits with select\n"
    ret, _written = SSL_write_ex(ssl, request, len(request))
    while not ret:
        if handle_io_failure(ssl, 0) == 1:
            ret, _written = SSL_write_ex(ssl, request, len(request))
            continue  # Retry
        return end(ssl, "Failed to write a request")

    # Read until the server closes.
    buf = bytearray(160)
    eof = False
    while not eof:
        ret, readbytes = SSL_read_ex(ssl, buf, len(buf))
        while not eof and not ret:
            verdict = handle_io_failure(ssl, 0)
            if verdict == 1:
                ret, readbytes = SSL_read_ex(ssl, buf, len(buf))
                continue  # Retry
            if verdict == 0:
                eof = True
                continue
            return end(ssl, "Failed reading remaining data")
        if not eof:
            sys.stdout.write(bytes(buf[:readbytes]).decode())

    # The peer has already shut down, so that this will not wait for it.
    while (ret := SSL_shutdown(ssl)) != 1:
        if ret < 0 and handle_io_failure(ssl, ret) == 1:
            continue  # Retry
        return end(ssl, "Error shutting down")

    SSL_free(ssl)
    return 0


def end(ssl: SSL, message: str) -> int:
    """Says what went wrong, with all that is in the error queue."""
    print(message, file=sys.stderr)
    while code := ERR_get_error():
        print(ERR_error_string(code, None), file=sys.stderr)
    SSL_free(ssl)
    return 1


def serve(ctx: SSL_CTX, sock: socket.socket) -> None:
    """Answers one client in capitals."""
    ssl = SSL_new(ctx)
    SSL_set_fd(ssl, sock.fileno())
    if SSL_accept(ssl) == 1:
        buf = bytearray(100)
        ret, readbytes = SSL_read_ex(ssl, buf, len(buf))
        if ret:
            SSL_write(ssl, bytes(buf[:readbytes]).upper(), readbytes)
        SSL_shutdown(ssl)
    SSL_free(ssl)
    sock.close()


def main() -> int:
    authority = Authority.create()
    issued = authority.issue("localhost")
    server_ctx = SSL_CTX_new(TLS_server_method())
    SSL_CTX_use_certificate(server_ctx, issued.certificate)
    SSL_CTX_use_PrivateKey(server_ctx, issued.key)

    ctx = SSL_CTX_new(TLS_client_method())
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, None)
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority.certificate)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    server = threading.Thread(target=serve, args=(server_ctx, theirs))
    server.start()
    res = client(ctx, ours)
    ours.close()
    server.join()
    SSL_CTX_free(ctx)
    SSL_CTX_free(server_ctx)
    return res


if __name__ == "__main__":
    sys.exit(main())
