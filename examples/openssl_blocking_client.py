"""The handshake as C programs write it: SSL_connect() over a socket that blocks.

    python examples/openssl_blocking_client.py

Shows: aiotls.openssl, OpenSSL's calls by name, with their return codes. Over a blocking BIO a call
returns when it is done or has failed: there is nothing to be repeated.
"""

from __future__ import annotations

import socket
import sys
import threading

from aiotls.cli.authority import Authority
from aiotls.openssl import (
    SSL_CTX,
    SSL_ERROR_ZERO_RETURN,
    SSL_VERIFY_PEER,
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
    SSL_get_version,
    SSL_new,
    SSL_read,
    SSL_set1_host,
    SSL_set_fd,
    SSL_set_tlsext_host_name,
    SSL_shutdown,
    SSL_write,
    TLS_client_method,
    TLS_server_method,
    X509_STORE_add_cert,
)


def contexts() -> tuple[SSL_CTX, SSL_CTX]:
    """One for the client and one for the server, with a certificate that the client believes."""
    authority = Authority.create()
    issued = authority.issue("localhost")
    server_ctx = SSL_CTX_new(TLS_server_method())
    SSL_CTX_use_certificate(server_ctx, issued.certificate)
    SSL_CTX_use_PrivateKey(server_ctx, issued.key)
    client_ctx = SSL_CTX_new(TLS_client_method())
    X509_STORE_add_cert(SSL_CTX_get_cert_store(client_ctx), authority.certificate)
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, None)
    return client_ctx, server_ctx


def serve(ctx: SSL_CTX, sock: socket.socket) -> None:
    """Answers one client in capitals."""
    ssl = SSL_new(ctx)
    SSL_set_fd(ssl, sock.fileno())
    if SSL_accept(ssl) == 1:
        buf = bytearray(100)
        ret = SSL_read(ssl, buf, len(buf))
        if ret > 0:
            SSL_write(ssl, bytes(buf[:ret]).upper(), ret)
        SSL_shutdown(ssl)
    SSL_free(ssl)
    sock.close()


def client(ctx: SSL_CTX, sock: socket.socket) -> int:
    """Sends one line, prints the answer, and closes in both directions."""
    ssl = SSL_new(ctx)
    SSL_set_fd(ssl, sock.fileno())
    SSL_set_tlsext_host_name(ssl, "localhost")
    SSL_set1_host(ssl, "localhost")
    try:
        if SSL_connect(ssl) != 1:
            print("SSL_connect failed:", ERR_error_string(ERR_get_error(), None), file=sys.stderr)
            return 1
        print("connected with", SSL_get_version(ssl))

        request = b"hello from a program that blocks"
        if SSL_write(ssl, request, len(request)) <= 0:
            print("SSL_write failed", file=sys.stderr)
            return 1

        buf = bytearray(100)
        while (ret := SSL_read(ssl, buf, len(buf))) > 0:
            print(bytes(buf[:ret]).decode())
        if SSL_get_error(ssl, ret) != SSL_ERROR_ZERO_RETURN:
            print("SSL_read failed", file=sys.stderr)
            return 1

        ret = SSL_shutdown(ssl)  # the server's close_notify has come, so once is enough
        return 0 if ret == 1 else 1
    finally:
        SSL_free(ssl)
        sock.close()


def main() -> int:
    client_ctx, server_ctx = contexts()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    server = threading.Thread(target=serve, args=(server_ctx, theirs))
    server.start()
    ret = client(client_ctx, ours)
    server.join()
    SSL_CTX_free(client_ctx)
    SSL_CTX_free(server_ctx)
    return ret


if __name__ == "__main__":
    sys.exit(main())
