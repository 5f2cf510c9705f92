"""A private key that lives in another process, and signs over a socket.

    python examples/remote_key.py

Shows: an Identity with a signer of one's own. Its ``sign`` may be a coroutine, so a KMS, an HSM
or a colleague over the network takes part in a handshake as plainly as a local key; OpenSSL
needs an engine and a thread for that.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

import aiotls
from aiotls.cli.authority import Authority
from aiotls.crypto import signatures
from aiotls.enums import SignatureScheme


def keeper(sock: socket.socket, pem: bytes) -> None:
    """The other process: the only one that ever holds the key."""
    key: Any = load_pem_private_key(pem, None)
    with sock:
        while request := sock.recv(1024):
            scheme, data = SignatureScheme(int.from_bytes(request[:2], "big")), request[2:]
            sock.send(signatures.sign(key, scheme, data))


class RemoteSigner:
    """Sends what is to be signed, and awaits the signature."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.lock = asyncio.Lock()

    async def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        loop = asyncio.get_running_loop()
        async with self.lock:
            await loop.sock_sendall(self.sock, scheme.to_bytes(2, "big") + data)
            return await loop.sock_recv(self.sock, 1024)


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"signed from afar")
    writer.close()


async def main(certificate: bytes, trust: aiotls.TrustStore, sock: socket.socket) -> None:
    identity = aiotls.Identity([certificate], RemoteSigner(sock))
    config = aiotls.ServerConfig(identity=identity)
    server = await aiotls.start_server(hello, "localhost", 0, ssl=config)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await aiotls.open_connection(
            "localhost", port, ssl=aiotls.ClientConfig(trust=trust)
        )
        print((await reader.read()).decode())
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    authority = Authority.create()
    issued = authority.issue("localhost")
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)  # keeps requests apart
    process = multiprocessing.get_context("spawn").Process(
        target=keeper, args=(theirs, issued.key_pem)
    )
    process.start()
    theirs.close()
    try:
        asyncio.run(main(issued.certificate_der, authority.trust(), ours))
    finally:
        ours.send(b"")
        ours.close()
        process.join()
