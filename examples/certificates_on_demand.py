"""Many certificates, looked up when a client asks for a name.

    python examples/certificates_on_demand.py

Shows: ServerConfig(select=...), a hook that may await: a database, a secret store, or as here
an authority that issues the certificate while the handshake waits. No other connection does.
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority
from aiotls.config import ClientHelloInfo

OURS = {"one.example", "two.example"}
"""Who asks for another name is refused: strangers are not to fill the table below."""


class Certificates:
    """Knows an identity for each of our names, or makes one."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.known: dict[str, aiotls.Identity] = {}

    async def __call__(self, hello: ClientHelloInfo) -> aiotls.Identity:
        name = hello.server_name
        if name not in OURS:
            raise aiotls.ProtocolError(
                aiotls.Alert.UNRECOGNIZED_NAME, f"{name} is not one of our names"
            )
        if name not in self.known:
            await asyncio.sleep(0.01)  # the look-up
            self.known[name] = self.authority.identity(name)
        return self.known[name]


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"this is {writer.get_extra_info('tls')['server_name']}".encode())
    writer.close()


async def main() -> None:
    authority = Authority.create()
    config = aiotls.ServerConfig(select=Certificates(authority))
    server = await aiotls.start_server(hello, "localhost", 0, ssl=config)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = aiotls.ClientConfig(trust=authority.trust())
        for name in (*sorted(OURS), "three.example"):
            try:
                reader, writer = await aiotls.open_connection(
                    "localhost", port, ssl=client, server_hostname=name
                )
            except aiotls.TLSError as error:
                print(f"{name}: {error}")
                continue
            print((await reader.read()).decode())
            writer.close()
            await writer.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
