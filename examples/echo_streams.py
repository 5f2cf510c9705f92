"""An echo server and its client, with asyncio's streams.

    python examples/echo_streams.py

Shows: start_server, open_connection, and a half-close: the client says that it has sent all,
and still reads what is on its way back (RFC 8446, section 6.1).
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The server's side of one connection."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()  # waits while the client is slow to read
    except OSError as error:  # reset, or cut off: aiotls.Truncated
        print(f"a client is gone: {error}")
    finally:
        writer.close()


async def main() -> None:
    # In real life the identity is aiotls.Identity.from_files("chain.pem", "key.pem").
    authority = Authority.create()
    config = aiotls.ServerConfig(identity=authority.identity("localhost"))
    server = await aiotls.start_server(echo, "localhost", 0, ssl=config)
    async with server:
        port = server.sockets[0].getsockname()[1]

        reader, writer = await aiotls.open_connection(
            "localhost", port, ssl=aiotls.ClientConfig(trust=authority.trust())
        )
        writer.write(b"over TLS, ")
        writer.write(b"there and back")
        writer.write_eof()
        print((await reader.read()).decode())
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
