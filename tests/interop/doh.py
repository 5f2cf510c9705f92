"""A small resolver for one browser: DNS over HTTPS (RFC 8484), which knows one name.

Browsers take the keys of Encrypted Client Hello from HTTPS records (RFC 9848), and ask for them
where the question is encrypted alone. This resolver is served by this package itself.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiotls

from . import ours
from .peer import HOST

A, HTTPS = 1, 65
POINTER_TO_QUESTION = b"\xc0\x0c"


@dataclass
class Resolver:
    """What it answers, and what it was asked."""

    name: str
    ech: bytes | None = None
    """An ECHConfigList to publish."""

    port: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)

    def answer(self, query: bytes) -> bytes:
        """The response to one query: an address, an HTTPS record, or nothing."""
        labels, place = [], 12
        while size := query[place]:
            labels.append(query[place + 1 : place + 1 + size].decode())
            place += 1 + size
        question = query[12 : place + 5]
        kind = int.from_bytes(query[place + 1 : place + 3], "big")
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        data = b""
        if kind == A and name == self.name:
            data = bytes(map(int, HOST.split(".")))
        elif kind == HTTPS and name.endswith(self.name) and self.ech is not None:
            data = self._https_record(self.ech)
        record = b""
        if data:
            record = POINTER_TO_QUESTION + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
        flags = b"\x81\x80"  # a response, recursion available, no error
        return query[:2] + flags + struct.pack(">HHHH", 1, bool(data), 0, 0) + question + record

    def _https_record(self, ech: bytes) -> bytes:
        """RFC 9460, section 2.2: priority, the name whose address counts, alpn (1) and ech (5)."""
        target = b"".join(bytes([len(part)]) + part.encode() for part in self.name.split("."))
        alpn = b"\x08http/1.1"
        parameters = struct.pack(">HH", 1, len(alpn)) + alpn
        parameters += struct.pack(">HH", 5, len(ech)) + ech
        return b"\0\1" + target + b"\0" + parameters


@contextlib.asynccontextmanager
async def resolving(
    identity: aiotls.Identity, name: str, ech: bytes | None
) -> AsyncIterator[Resolver]:
    """The resolver, as long as the block lasts."""
    resolver = Resolver(name, ech)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                answer = resolver.answer(await _query(head, reader))
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(answer) + answer
                )
                await writer.drain()
        await ours.close(writer)

    config = aiotls.ServerConfig(identity=identity, alpn_protocols=["http/1.1"])
    server = await aiotls.start_server(handle, HOST, 0, ssl=config)
    async with server:
        resolver.port = server.sockets[0].getsockname()[1]
        yield resolver


async def _query(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """RFC 8484, section 4.1: in the path of a GET, or the body of a POST."""
    line, *rows = head.split(b"\r\n")
    if line.startswith(b"GET "):
        text = line.partition(b"dns=")[2].split(b" ")[0]
        return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    fields = (row.lower().partition(b":") for row in rows)
    size = next(int(value) for name, _, value in fields if name == b"content-length")
    return await reader.readexactly(size)
