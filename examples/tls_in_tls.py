"""TLS inside TLS: a verified connection to a server through a proxy that speaks TLS itself.

    python examples/tls_in_tls.py

Shows: start_tls on a connection that is TLS already. The proxy sees the name and nothing else.
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority


class Proxy:
    """Takes ``CONNECT host:port``, then carries bytes both ways."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        print(f"the proxy is asked for {target.partition(':')[0]}")
        host, _, port = target.rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self.carry(reader, up_writer), self.carry(up_reader, writer))
        self.idle.set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


async def secret(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"for your eyes only")
    writer.close()


async def main() -> None:
    proxies, servers = Authority.create("proxy CA"), Authority.create("server CA")
    handler = Proxy()
    proxy = await aiotls.start_server(
        handler,
        "localhost",
        0,
        ssl=aiotls.ServerConfig(identity=proxies.identity("localhost")),
    )
    server = await aiotls.start_server(
        secret,
        "localhost",
        0,
        ssl=aiotls.ServerConfig(identity=servers.identity("inner.example")),
    )
    async with proxy, server:
        reader, writer = await aiotls.open_connection(
            "localhost",
            proxy.sockets[0].getsockname()[1],
            ssl=aiotls.ClientConfig(trust=proxies.trust()),
        )
        port = server.sockets[0].getsockname()[1]
        writer.write(f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")

        inner = aiotls.ClientConfig(trust=servers.trust())
        await aiotls.start_tls(writer, inner, server_hostname="inner.example")
        print((await reader.read()).decode())
        writer.close()
        await writer.wait_closed()
        await handler.idle.wait()


if __name__ == "__main__":
    asyncio.run(main())
