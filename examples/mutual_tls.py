"""Mutual TLS: the server asks for the client's certificate, and knows who is calling.

    python examples/mutual_tls.py

Shows: client_auth, a client's identity, reading the verified peer on the server, and what
happens to a client that has none: in TLS 1.3 it learns that with its first read.
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    names = writer.get_extra_info("peercert")["subjectAltName"]
    writer.write(f"hello, {names[0][1]}".encode())
    writer.close()


async def ask(port: int, config: aiotls.ClientConfig) -> str:
    reader, writer = await aiotls.open_connection("localhost", port, ssl=config)
    try:
        return (await reader.read()).decode()
    except aiotls.AlertReceived as error:
        return f"refused: {error}"
    finally:
        writer.close()


async def main() -> None:
    servers, people = Authority.create("server CA"), Authority.create("people CA")
    server = await aiotls.start_server(
        greet,
        "localhost",
        0,
        ssl=aiotls.ServerConfig(
            identity=servers.identity("localhost"),
            client_auth=aiotls.ClientAuth.REQUIRED,
            trust=people.trust(),
        ),
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = aiotls.ClientConfig(
            trust=servers.trust(), identity=people.identity("ada@example.com", client=True)
        )
        print(await ask(port, config))
        print(await ask(port, config.replace(identity=None)))


if __name__ == "__main__":
    asyncio.run(main())
