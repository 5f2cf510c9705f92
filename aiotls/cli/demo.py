"""``aiotls demo``: a whole TLS connection in one process, seen from both ends.

It makes an authority and a certificate, starts a server, connects a client that verifies it,
moves data both ways and shows what happened. It needs no network but the loopback interface,
and neither reads nor writes files.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from ..config import ClientConfig, ServerConfig
from ..connection import TLSConnection
from ..streams import open_connection, start_server
from ..trace import Recorder, waterfall_lines
from ..trace.text import milliseconds, size
from . import report
from .authority import Authority
from .main import OK, Failure, run_async
from .terminal import Terminal

AMOUNT = 4 << 20
"""Bytes to move each way."""

CHUNK = 1 << 18
LIMIT = 1 << 20
TIMEOUT = 30.0


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "demo",
        help="a server and a client in one process: what is negotiated, and the flights drawn",
        description=__doc__.partition("\n\n")[2],
    )
    command.add_argument("--json", action="store_true", help="the same facts as one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the demonstration; returns 0 when everything held."""
    return run_async(lambda: demo(options.json))


@dataclass(slots=True)
class Server:
    """The serving end: sends back what it gets, then the digest that both ends compare."""

    exported: bytes = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echoes one client until it has said all."""
        try:
            connection: TLSConnection = writer.transport.connection  # type: ignore[attr-defined]
            self.exported = connection.export_keying_material("EXPORTER-aiotls-demo", 32)
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


async def demo(as_json: bool) -> int:
    """The demonstration itself."""
    before = time.perf_counter()
    authority = Authority.create("aiotls demo CA")
    identity = authority.identity("localhost", "127.0.0.1")
    made = time.perf_counter() - before

    handler = Server()
    server = await start_server(
        handler,
        "127.0.0.1",
        0,
        ssl=ServerConfig(identity=identity, alpn_protocols=["echo"], key_log=None),
        limit=LIMIT,
    )
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        recorder = Recorder()
        config = ClientConfig(
            trust=authority.trust(), alpn_protocols=["echo"], observer=recorder, key_log=None
        )
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await open_connection(
                "127.0.0.1", port, ssl=config, server_hostname="localhost", limit=LIMIT
            )
            recorder.mark("application data may flow")
            connection: TLSConnection = writer.transport.connection  # type: ignore[attr-defined]
            told = report.facts(connection)
            flights = list(recorder.events)  # tickets come later, in the middle of the data
            seconds = await _move(reader, writer)
            exported = connection.export_keying_material("EXPORTER-aiotls-demo", 32)
            await writer.wait_closed()
    if exported != handler.exported:
        raise Failure("the two ends exported different keys")
    rate = 2 * AMOUNT / seconds
    if as_json:
        told |= {
            "ok": True,
            "moved": 2 * AMOUNT,
            "seconds": seconds,
            "bytes_per_second": rate,
            "flights": [
                {"ms": e.at * 1000, "from": "client" if e.sent else "server", "message": e.name,
                 "bytes": e.size, "encrypted": e.protected}
                for e in flights
            ],
        }  # fmt: skip
        print(json.dumps(told, indent=2))
        return OK
    terminal = Terminal.of(sys.stdout)
    terminal.line(report.verdict(terminal, "localhost", told, None))
    for line in report.fact_lines(told):
        terminal.line("    " + line)
    terminal.line()
    recorder.events = flights
    for line in waterfall_lines(
        recorder, width=terminal.width, unicode=terminal.unicode, paint=terminal.paint
    ):
        terminal.line(line)
    terminal.line()
    terminal.line(
        f"  moved {size(AMOUNT)} there and back, intact: {rate / 1e6:.0f} MB/s with both ends "
        "in one thread"
    )
    terminal.line("  both ends exported the same key (RFC 8446, section 7.5), and closed cleanly")
    terminal.line(
        f"  authority and certificate made in {milliseconds(made)}; nothing was written to disk"
    )
    return OK


async def _move(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """Sends random data, half-closes, and checks that the same comes back; seconds it took."""
    data = os.urandom(AMOUNT)
    start = time.perf_counter()

    async def send() -> None:
        for offset in range(0, AMOUNT, CHUNK):
            writer.write(data[offset : offset + CHUNK])
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    received = hashlib.sha256()
    count = 0
    try:
        while chunk := await reader.read(CHUNK):
            received.update(chunk)
            count += len(chunk)
        await sending
    finally:
        sending.cancel()
    seconds = time.perf_counter() - start
    if count != AMOUNT or received.digest() != hashlib.sha256(data).digest():
        raise Failure("the data did not come back as it was sent")
    writer.close()
    return seconds
