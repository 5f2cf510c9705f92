"""OpenSSL's calls over memory BIOs: the program carries the bytes.

    python examples/openssl_memory_bio.py

Shows: SSL_do_handshake() on a buffering BIO. It says SSL_ERROR_WANT_READ, data is moved out of one
BIO and into the other, and the call is repeated.
"""

from __future__ import annotations

from aiotls.cli.authority import Authority
from aiotls.openssl import (
    SSL,
    SSL_ERROR_WANT_READ,
    SSL_VERIFY_PEER,
    BIO_new,
    BIO_pending,
    BIO_read,
    BIO_s_mem,
    BIO_write,
    SSL_CTX_get_cert_store,
    SSL_CTX_new,
    SSL_CTX_set_verify,
    SSL_CTX_use_certificate,
    SSL_CTX_use_PrivateKey,
    SSL_do_handshake,
    SSL_free,
    SSL_get_error,
    SSL_get_rbio,
    SSL_get_wbio,
    SSL_new,
    SSL_read,
    SSL_set1_host,
    SSL_set_accept_state,
    SSL_set_bio,
    SSL_set_connect_state,
    SSL_state_string_long,
    SSL_write,
    TLS_method,
    X509_STORE_add_cert,
)


def pair() -> tuple[SSL, SSL]:
    """A client and a server, each over two memory BIOs."""
    authority = Authority.create()
    issued = authority.issue("localhost")

    ctx = SSL_CTX_new(TLS_method())
    SSL_CTX_use_certificate(ctx, issued.certificate)
    SSL_CTX_use_PrivateKey(ctx, issued.key)
    server = SSL_new(ctx)
    SSL_set_accept_state(server)

    ctx = SSL_CTX_new(TLS_method())
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority.certificate)
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, None)
    client = SSL_new(ctx)
    SSL_set1_host(client, "localhost")
    SSL_set_connect_state(client)

    for ssl in (client, server):
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
    return client, server


def move(source: SSL, target: SSL) -> int:
    """Carries what one side has written to where the other reads."""
    size = BIO_pending(SSL_get_wbio(source))
    if size > 0:
        buf = bytearray(size)
        BIO_read(SSL_get_wbio(source), buf, size)
        BIO_write(SSL_get_rbio(target), buf, size)
    return size


def shake_hands(client: SSL, server: SSL) -> None:
    """Both sides in turn, until both return 1."""
    done = {client: 0, server: 0}
    while min(done.values()) < 1:
        for ssl, peer in ((client, server), (server, client)):
            done[ssl] = ret = SSL_do_handshake(ssl)
            print(f"{'client' if ssl is client else 'server'} {ret:2} {SSL_state_string_long(ssl)}")
            if ret < 0 and SSL_get_error(ssl, ret) != SSL_ERROR_WANT_READ:
                raise SystemExit("the handshake has failed")
            move(ssl, peer)


def main() -> None:
    client, server = pair()
    shake_hands(client, server)

    message = b"carried by hand"
    SSL_write(client, message, len(message))
    move(client, server)
    buf = bytearray(100)
    ret = SSL_read(server, buf, len(buf))
    print(bytes(buf[:ret]).decode())

    SSL_free(client)
    SSL_free(server)


if __name__ == "__main__":
    main()
