"""What a scenario has to work with: programs that talk, our own ends, what was said."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.x509.ocsp import OCSPResponderEncoding

import aiotls
from aiotls.enums import HandshakeType
from aiotls.wire.messages import ClientHello, EncryptedExtensions, ServerHello
from tests.engine.test_certificates import staple

from . import ours
from .peer import (
    HOST,
    PATIENCE,
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    listening_process,
)
from .pki import PKI, _server

LABEL = "EXPERIMENTAL-aiotls"
LINE = b"line of the payload\n"
EARLY = b"line of early data\n"
PSK = aiotls.ExternalPsk(b"device", bytes(range(32)))


@dataclasses.dataclass
class Bench:
    """What a scenario has to work with."""

    peer: Peer
    pki: PKI
    directory: Path

    def client(self, **more: Any) -> aiotls.ClientConfig:
        return aiotls.ClientConfig(trust=self.pki.trust, **more)

    def server(self, **more: Any) -> aiotls.ServerConfig:
        return aiotls.ServerConfig(identity=self.pki.server_identity(), **more)

    def file(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(data)
        return path

    def staple(self, key: str = "p256") -> bytes:
        # GnuTLS finds a responder by its name alone.
        return staple(of=_server(key), responder=OCSPResponderEncoding.NAME)

    async def visit(self, port: int, settings: Settings, payload: bytes = LINE) -> Outcome:
        return await asyncio.to_thread(self.peer.connect, port, settings, payload)


class Messages:
    """An observer that keeps the kinds of handshake messages."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        (self.sent if sent else self.received).append(kind)


def ready_guard() -> aiotls.MemoryReplayGuard:
    """A guard that has been there for long enough to know what is new."""
    moments = [0.0]
    guard = aiotls.MemoryReplayGuard(clock=lambda: moments[0])
    moments[0] = 3600.0
    return guard


class RefusingGuard:
    """A guard that takes every hello for a replay."""

    window = 10.0

    def first_time(self, token: bytes, lifetime: float) -> bool:
        return False


# --- programs, with what they print


def talk(*command: str | Path, payload: bytes = LINE) -> str:
    """A client that prints what it thinks: all of that, once *payload* has come back."""
    with Process(*command) as process:
        process.hurry()
        process.write(payload)
        printed = bytearray()
        while payload not in printed:
            chunk = process.stdout.read(1 << 16)
            if not chunk:
                break
            printed += chunk
        process.finish()
        printed += process.stdout.read(1 << 20) or b""
        return printed.decode(errors="replace") + process.log()


@contextlib.contextmanager
def running(
    command: list[str | Path], *, before_answer: bytes = b"", until: str = ""
) -> Iterator[tuple[Server, list[bytes]]]:
    """A server that prints what it thinks, and whose input is what it sends; the lines printed.

    *before_answer* is a command of its own, given before the first line is sent back, which waits
    for *until* to be printed to standard error.
    """
    printed: list[bytes] = []

    def echo(process: Process) -> None:
        pending = before_answer
        with contextlib.suppress(OSError, ValueError):
            for line in iter(process.stdout.readline, b""):
                printed.append(line)
                if line == LINE or line == EARLY:
                    if pending:
                        process.write(pending)
                        pending = b""
                        while until not in process.log() and not process.ended:
                            time.sleep(0.01)  # between two looks
                    process.write(line)

    def with_port(port: int) -> list[str | Path]:
        return [str(word).replace("{port}", str(port)) for word in command]

    with listening_process(with_port, echo) as server:
        yield server, printed


@contextlib.asynccontextmanager
async def connected(
    port: int, config: aiotls.ClientConfig, **more: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, Any]]:
    """Our client, its streams, and the engine below."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await aiotls.open_connection(
            HOST, port, ssl=config, server_hostname="localhost", **more
        )
    try:
        yield reader, writer, writer.transport.connection  # type: ignore[attr-defined]
    finally:
        await ours.close(writer)


async def echoed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = LINE
) -> None:
    """One line there and back; what was sent early comes back before it."""
    writer.write(LINE)
    async with asyncio.timeout(PATIENCE):
        assert await reader.readexactly(len(answer)) == answer


@contextlib.asynccontextmanager
async def watched(
    config: aiotls.ServerConfig,
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Our server: its port, and the engine of each connection."""
    engines: list[Any] = []
    ends: list[asyncio.Task[Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(asyncio.current_task())  # type: ignore[arg-type]
        engines.append(writer.transport.connection)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        await ours.close(writer)

    server = await aiotls.start_server(handle, HOST, 0, ssl=config)
    try:
        yield server.sockets[0].getsockname()[1], engines
    finally:
        server.close()
        await server.wait_closed()
        if ends:
            await asyncio.wait(ends, timeout=PATIENCE)


async def said(what: str, text: Callable[[], str]) -> None:
    """Wait until a program has written it: what it prints may come after what it sends."""
    try:
        async with asyncio.timeout(PATIENCE):
            while what not in text():  # noqa: ASYNC110 - there is nothing to wait on
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what!r} is not in {text()}") from None


def hexadecimal(text: str) -> str:
    """Letters without case, for keys that each program prints in its own way."""
    return text.replace(":", "").lower()


# --- what was said in the hellos


class Hellos:
    """An observer that keeps the ClientHello, and the extensions that the server answered with."""

    client: Any = None

    def __init__(self) -> None:
        self.offered: set[int] = set()
        self.answered: set[int] = set()

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        if kind == HandshakeType.CLIENT_HELLO:
            self.client = ClientHello.parse(data[4:])
            self.offered.update(self.client.extensions.types)
        elif kind == HandshakeType.SERVER_HELLO:
            self.answered.update(ServerHello.parse(data[4:]).extensions.types)
        elif kind == HandshakeType.ENCRYPTED_EXTENSIONS:
            self.answered.update(EncryptedExtensions.parse(data[4:]).extensions.types)
