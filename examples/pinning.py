"""A server known by its key, whoever signed its certificate.

    python examples/pinning.py

Shows: a pin in ``verify``, a hook that runs after the path and the name have been checked; and a
raw public key (RFC 7250), where no certificate is shown at all and the key alone is the name.
"""

from __future__ import annotations

import asyncio
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import aiotls
from aiotls.cli.authority import Authority
from aiotls.handshake.auth import Peer


class Pins:
    """Refuses every key but those whose SHA-256 it was given. Pin a spare one as well."""

    def __init__(self, *pins: str) -> None:
        self.pins = pins

    def __call__(self, peer: Peer) -> None:
        key = peer.certificate.public_key()
        found = pin(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        if found not in self.pins:
            raise aiotls.CertificateError(
                aiotls.Alert.BAD_CERTIFICATE, f"the key {found[:8]}... is not a pinned one"
            )


def pin(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"it is me")
    writer.close()


async def ask(server: aiotls.ServerConfig, client: aiotls.ClientConfig) -> str:
    listening = await aiotls.start_server(greet, "localhost", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        try:
            reader, writer = await aiotls.open_connection("localhost", port, ssl=client)
        except aiotls.CertificateError as error:
            return f"refused: {error}"
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.decode()


async def main() -> None:
    authority = Authority.create()
    ours, theirs = authority.identity("localhost"), authority.identity("localhost")

    pinned = aiotls.ClientConfig(
        trust=authority.trust(), verify=Pins(pin(ours.raw_public_key), "the spare one's")
    )
    print("pinned:", await ask(aiotls.ServerConfig(identity=ours), pinned))
    print("same authority, other key:", await ask(aiotls.ServerConfig(identity=theirs), pinned))

    # No trust, no certificate: only who holds this key is taken.
    mine, other = (
        aiotls.Identity.from_raw_key(ec.generate_private_key(ec.SECP256R1())) for _ in range(2)
    )
    raw = aiotls.ClientConfig(raw_public_keys=[mine.raw_public_key])
    for name, identity in (("raw", mine), ("raw, other key", other)):
        print(f"{name}:", await ask(aiotls.ServerConfig(identity=identity), raw))


if __name__ == "__main__":
    asyncio.run(main())
