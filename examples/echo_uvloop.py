"""The same on uvloop: only the loop differs.

    pip install 'aiotls[uvloop]'
    python examples/echo_uvloop.py

Shows: loop_factory, which also teaches asyncio's own calls to take this package's configs, so
that a library that calls ``asyncio.open_connection(..., ssl=config)`` needs no change.
"""

from __future__ import annotations

import asyncio

import uvloop

import aiotls
from aiotls.cli.authority import Authority


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.close()


async def main() -> None:
    authority = Authority.create()
    config = aiotls.ServerConfig(identity=authority.identity("localhost"))
    server = await aiotls.start_server(echo, "localhost", 0, ssl=config)
    async with server:
        client = aiotls.ClientConfig(trust=authority.trust())
        port = server.sockets[0].getsockname()[1]
        # asyncio's own function, not ours:
        reader, writer = await asyncio.open_connection("localhost", port, ssl=client)
        writer.write(b"hello from " + type(asyncio.get_running_loop()).__module__.encode())
        writer.write_eof()
        print((await reader.read()).decode())
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=aiotls.loop_factory(uvloop.new_event_loop)) as runner:
        runner.run(main())
