"""Coming back to a server: resumption, and data that does not wait for the handshake (0-RTT).

    python examples/resumption.py

Shows: the session cache of a ClientConfig, which serves all connections that share it, and
``early_data``. Who records 0-RTT data can send it again, so a server takes it only with a guard
against replays, and a client should send only what may arrive twice (RFC 8446, section 8). The
server gets it apart from other data, and, with ``half_rtt``, answers before the client's Finished.
"""

from __future__ import annotations

import asyncio
import time

import aiotls
from aiotls.cli.authority import Authority
from aiotls.sessions import MemoryReplayGuard
from aiotls.streams import StreamReader


async def answer(reader: StreamReader, writer: asyncio.StreamWriter) -> None:
    request = await reader.read_early_data()  # which may be a replay, in spite of the guard
    if request:
        writer.write(b"early: " + request)  # half a round trip before the handshake is complete
        await reader.handshake_completed()
    else:
        request = await reader.readline()
        kind = b"resumed: " if writer.get_extra_info("tls")["resumed"] else b"full: "
        writer.write(kind + request)
    writer.close()


async def ask(port: int, config: aiotls.ClientConfig, early: bytes = b"", late: bytes = b"") -> str:
    reader, writer = await aiotls.open_connection(
        "localhost",
        port,
        ssl=config,
        early_data=early,
        replay=True,  # what the server does not take early, it gets after the handshake
    )
    writer.write(late)
    told = (await reader.read()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return told


async def main() -> None:
    authority = Authority.create()
    # A guard refuses everything for its first seconds, as it cannot know what a server before it
    # has seen. There was none before this one: its guard believes that it started long ago.
    start = iter([0.0])
    server_config = aiotls.ServerConfig(
        identity=authority.identity("localhost"),
        max_early_data=16_384,
        half_rtt=True,
        replay_guard=MemoryReplayGuard(clock=lambda: next(start, time.time())),
    )
    server = await aiotls.start_server(answer, "localhost", 0, ssl=server_config)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = aiotls.ClientConfig(trust=authority.trust())
        print(await ask(port, config, late=b"GET /\n"))
        print(await ask(port, config, late=b"GET /\n"))
        print(await ask(port, config, early=b"GET / at once\n"))


if __name__ == "__main__":
    asyncio.run(main())
