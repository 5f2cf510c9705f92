"""A handshake recorded and drawn: who sent what, how large, and when.

    python examples/trace_handshake.py

Shows: aiotls.trace.Recorder, an observer that a configuration takes. The same recorder serves
tests ("the server did not resume") and telemetry.
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority
from aiotls.enums import NamedGroup
from aiotls.trace import Recorder, waterfall


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def main() -> None:
    authority = Authority.create()
    # The client sends no key share for this group, so that the server has to ask for one.
    config = aiotls.ServerConfig(
        identity=authority.identity("localhost"), groups=[NamedGroup.SECP384R1]
    )
    server = await aiotls.start_server(nothing, "localhost", 0, ssl=config)
    async with server:
        recorder = Recorder()
        _, writer = await aiotls.open_connection(
            "localhost",
            server.sockets[0].getsockname()[1],
            ssl=aiotls.ClientConfig(trust=authority.trust(), observer=recorder),
        )
        writer.close()
        await writer.wait_closed()
    print(waterfall(recorder))
    assert [event.name for event in recorder.events if event.sent] == [
        "ClientHello",
        "ClientHello",
        "Finished",
    ]


if __name__ == "__main__":
    asyncio.run(main())
