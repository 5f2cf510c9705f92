"""A pair of asyncio protocols over TLS: transports and callbacks, no streams.

    python examples/protocols.py

Shows: create_server, create_connection, what a protocol learns about its peer, flow control.
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority


class Upper(asyncio.Protocol):
    """The server: sends everything back in capitals."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def eof_received(self) -> bool:
        return False  # the client has sent all: close


class Asker(asyncio.Protocol):
    """The client: sends one line, and collects the answer."""

    def __init__(self) -> None:
        self.answer = bytearray()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        tls = transport.get_extra_info("tls")
        names = transport.get_extra_info("peercert")["subjectAltName"]
        print(f"{tls['version']} with {tls['group']}; the server is {names}")
        self.transport.write(b"are capitals any louder?")
        self.transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self.answer += data

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self.closed.set_result(None)
        else:  # aiotls.Truncated, for one: someone cut the connection
            self.closed.set_exception(error)


async def main() -> None:
    authority = Authority.create()
    server = await aiotls.create_server(
        Upper,
        "localhost",
        0,
        ssl=aiotls.ServerConfig(identity=authority.identity("localhost")),
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, asker = await aiotls.create_connection(
            Asker, "localhost", port, ssl=aiotls.ClientConfig(trust=authority.trust())
        )
        await asker.closed
        print(asker.answer.decode())


if __name__ == "__main__":
    asyncio.run(main())
