"""OpenSSL's calls over a BIO pair of a fixed size, between a program and its network.

    python examples/openssl_bio_pair.py

Shows: BIO_new_bio_pair(). The buffers are small, so that calls say SSL_ERROR_WANT_WRITE too, and
BIO_ctrl_get_write_guarantee() tells how much may be handed in.
"""

from __future__ import annotations

import socket

from aiotls.cli.authority import Authority
from aiotls.openssl import (
    SSL,
    SSL_ERROR_NONE,
    SSL_ERROR_WANT_READ,
    SSL_ERROR_WANT_WRITE,
    SSL_VERIFY_PEER,
    BIO_ctrl_get_write_guarantee,
    BIO_ctrl_pending,
    BIO_free,
    BIO_new_bio_pair,
    BIO_read,
    BIO_write,
    SSL_CTX_get_cert_store,
    SSL_CTX_new,
    SSL_CTX_set_verify,
    SSL_CTX_use_certificate,
    SSL_CTX_use_PrivateKey,
    SSL_do_handshake,
    SSL_free,
    SSL_get_error,
    SSL_new,
    SSL_read,
    SSL_set1_host,
    SSL_set_accept_state,
    SSL_set_bio,
    SSL_set_connect_state,
    SSL_write,
    TLS_method,
    X509_STORE_add_cert,
)

SIZE = 512


class Side:
    """An SSL over one end of a pair; the other end is pumped to and from a socket."""

    def __init__(self, ssl: SSL, sock: socket.socket) -> None:
        ret, internal, network = BIO_new_bio_pair(SIZE, SIZE)
        if not ret or internal is None or network is None:
            raise SystemExit("no BIO pair")
        self.network = network
        SSL_set_bio(ssl, internal, internal)
        self.ssl = ssl
        self.sock = sock
        self.wishes: dict[int, int] = {}

    def pump(self) -> None:
        """What waits in the pair goes to the socket, and back what there is room for."""
        network = self.network
        if (size := BIO_ctrl_pending(network)) > 0:
            buf = bytearray(size)
            BIO_read(network, buf, size)
            self.sock.sendall(buf)
        if (room := BIO_ctrl_get_write_guarantee(network)) > 0:
            try:
                data = self.sock.recv(room)
            except BlockingIOError:
                return
            BIO_write(network, data, len(data))

    def tried(self, ret: int) -> bool:
        """Whether a call is done; if it is not, the pair was pumped for it to be repeated."""
        error = SSL_get_error(self.ssl, ret)
        self.wishes[error] = self.wishes.get(error, 0) + 1
        if error not in (SSL_ERROR_NONE, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE):
            raise SystemExit(f"it has failed: {error}")
        self.pump()
        return error == SSL_ERROR_NONE

    def close(self) -> None:
        """Frees what is there."""
        SSL_free(self.ssl)
        BIO_free(self.network)
        self.sock.close()


def main() -> None:
    authority = Authority.create()
    issued = authority.issue("localhost")
    server_ctx, client_ctx = SSL_CTX_new(TLS_method()), SSL_CTX_new(TLS_method())
    SSL_CTX_use_certificate(server_ctx, issued.certificate)
    SSL_CTX_use_PrivateKey(server_ctx, issued.key)
    X509_STORE_add_cert(SSL_CTX_get_cert_store(client_ctx), authority.certificate)
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, None)

    sockets = socket.socketpair()
    for sock in sockets:
        sock.setblocking(False)
    client, server = Side(SSL_new(client_ctx), sockets[0]), Side(SSL_new(server_ctx), sockets[1])
    SSL_set1_host(client.ssl, "localhost")
    SSL_set_connect_state(client.ssl)
    SSL_set_accept_state(server.ssl)

    done = [False, False]
    while not all(done):
        done = [side.tried(SSL_do_handshake(side.ssl)) for side in (client, server)]
    reads, writes = (server.wishes.get(w, 0) for w in (SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE))
    print(f"over {SIZE} bytes the server wanted to read {reads} times, to write {writes} times")

    message = b"drop by drop, " * 200
    received, buf = b"", bytearray(1000)
    written = False
    while len(received) < len(message):
        if not written:
            written = client.tried(SSL_write(client.ssl, message, len(message)))
        client.pump()
        if server.tried(ret := SSL_read(server.ssl, buf, len(buf))):
            received += buf[:ret]
    print(len(received), "bytes arrived:", received[:14].decode() + "...")

    client.close()
    server.close()


if __name__ == "__main__":
    main()
