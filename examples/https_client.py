"""An HTTPS client: one verified request with asyncio's streams.

    python examples/https_client.py example.com        # from the web, verified by system roots
    python examples/https_client.py                    # from a server that it starts itself

Shows: open_connection, what to trust, what was negotiated, and the errors worth catching.
"""

from __future__ import annotations

import asyncio
import sys

import aiotls
from aiotls.cli.authority import Authority


async def fetch(host: str, port: int, config: aiotls.ClientConfig) -> bytes:
    """The answer to GET /, header and all."""
    reader, writer = await aiotls.open_connection(host, port, ssl=config)
    try:
        tls = writer.get_extra_info("tls")
        print(f"{host}: {tls['version']}, {tls['cipher_suite']}, {tls['group']}, {tls['alpn']}")
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return await reader.read()  # raises aiotls.Truncated if the end is not authentic
    finally:
        writer.close()
        await writer.wait_closed()


async def main() -> None:
    if len(sys.argv) > 1:
        config = aiotls.ClientConfig(alpn_protocols=["http/1.1"])  # trusts the system's roots
        try:
            answer = await fetch(sys.argv[1], 443, config)
        except aiotls.CertificateError as error:
            sys.exit(f"not who it should be: {error}\n{error.hint or ''}")
        except (aiotls.TLSError, OSError) as error:
            sys.exit(f"no answer: {error}")
        print(answer.partition(b"\r\n")[0].decode("latin-1"))
        return

    # No host was given: a server of our own, with a certificate of our own authority.
    authority = Authority.create()
    server_config = aiotls.ServerConfig(
        identity=authority.identity("localhost"), alpn_protocols=["http/1.1"]
    )
    server = await aiotls.start_server(hello, "localhost", 0, ssl=server_config)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = aiotls.ClientConfig(trust=authority.trust(), alpn_protocols=["http/1.1"])
        answer = await fetch("localhost", port, config)
        print(answer.decode())


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, world!")
    writer.close()


if __name__ == "__main__":
    asyncio.run(main())
