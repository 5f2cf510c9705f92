"""The cells of the matrix: what an application does to a connection, with any engine.

Each is a coroutine that returns where all was right, and raises :class:`Wrong` with a word for
what was not. They stand by themselves, so that each can run in a process of its own (rivals.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from .engines import Files, client_context, heed_cuts, server_context
from .test_matrix import Handler, Reverse, connect, echo, is_native

T = TypeVar("T")

BLOCK = bytes(range(256)) * 1024
TOTAL = 1 << 26
SOON = 0.2
"""Seconds, for a time-out that is meant to come."""

patience = 15.0
"""Seconds for a step of a cell."""

Cell = Callable[[str, str, Files], Awaitable[None]]


class Wrong(Exception):
    """What a cell found; its text is one for the table."""


def expect(holds: object, otherwise: str) -> None:
    """Raises Wrong with the word *otherwise* where *holds* is false."""
    if not holds:
        raise Wrong(otherwise)


async def within(awaited: Awaitable[T], otherwise: str) -> T:
    """Waits; raises Wrong with the word *otherwise* where nothing comes."""
    try:
        async with asyncio.timeout(patience):
            return await awaited
    except TimeoutError:
        raise Wrong(otherwise) from None


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: Any, **options: Any) -> AsyncIterator[int]:
    """A server of streams. What its handlers have not done at the end is wrong, too."""
    running: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.ensure_future(handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context, **options)
    try:
        yield server.sockets[0].getsockname()[1]
        server.close()
        if running:
            _, left = await asyncio.wait(running, timeout=patience)
            expect(not left, "server loses EOF")
    finally:
        server.close()
        for task in running:
            task.cancel()
        ends = await asyncio.gather(*running, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, OSError):
            raise end


async def leave(writer: asyncio.StreamWriter) -> None:
    """Closes, and waits until the socket is closed."""

    async def closed() -> None:
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    writer.close()
    await within(closed(), "does not close")


async def echoes(client: str, server: str, files: Files) -> None:
    """Data of several sizes, there and back."""
    async with serving(echo, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        for size in (1, 100, 16384, 16385, 200_000):
            data = BLOCK[:size]
            writer.write(data)
            await writer.drain()
            expect(await reader.readexactly(len(data)) == data, "other data")
        await leave(writer)


async def server_ends(client: str, server: str, files: Files) -> None:
    """The client reads to the end, which the server makes with close_notify."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"the last words")

    async with serving(answer, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        writer.write(b"x")
        expect(await within(reader.read(), "loses EOF") == b"the last words", "loses data")
        await leave(writer)


async def client_ends(client: str, server: str, files: Files) -> None:
    """The server reads to the end, which the client makes with close_notify."""
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())

    async with serving(listen, server_context(server, files)) as port:
        _, writer = await connect(client_context(client, files), port)
        writer.write(BLOCK[:100_000])
        writer.close()
        expect(await within(heard, "loses EOF") == BLOCK[:100_000], "loses data")
        await leave(writer)


async def cut_off(client: str, server: str, files: Files) -> None:
    """The stream below ends without close_notify: for the loops' own transports, an end."""
    read = asyncio.Event()

    async def end_below(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"data")
        await read.wait()
        # What a loop gives for a socket can only be looked at.
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as below:
            below.shutdown(socket.SHUT_RDWR)

    async with serving(end_below, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        expect(await within(reader.readexactly(4), "loses data") == b"data", "other data")
        read.set()
        expect(await within(reader.read(), "loses EOF") == b"", "other data")
        await leave(writer)


class Ends:
    """An SSLObject at each end of a pair of sockets, after the handshake."""

    def __init__(self, client: str, server: str, files: Files) -> None:
        self.sockets = socket.socketpair()
        self.incoming = (ssl.MemoryBIO(), ssl.MemoryBIO())
        self.outgoing = (ssl.MemoryBIO(), ssl.MemoryBIO())
        for end in self.sockets:
            end.setblocking(False)
        self.objects: tuple[Any, Any] = (
            heed_cuts(client_context(client, files)).wrap_bio(
                self.incoming[0], self.outgoing[0], server_hostname="localhost"
            ),
            server_context(server, files).wrap_bio(
                self.incoming[1], self.outgoing[1], server_side=True
            ),
        )

    async def call(self, which: int, method: str, *args: Any) -> Any:
        """Calls the object's *method* until it needs no more from the socket."""
        loop = asyncio.get_running_loop()
        while True:
            wanting = None
            try:
                return getattr(self.objects[which], method)(*args)
            except ssl.SSLWantReadError as error:
                wanting = error
            finally:
                if self.outgoing[which].pending:
                    await loop.sock_sendall(self.sockets[which], self.outgoing[which].read())
            if wanting is not None:
                await self.fill(which)

    async def fill(self, which: int) -> None:
        """Waits for bytes, or for their end."""
        data = await asyncio.get_running_loop().sock_recv(self.sockets[which], 1 << 16)
        if data:
            self.incoming[which].write(data)
        else:
            self.incoming[which].write_eof()

    async def handshake(self) -> None:
        await asyncio.gather(self.call(0, "do_handshake"), self.call(1, "do_handshake"))

    def close(self) -> None:
        for end in self.sockets:
            end.close()


async def cut_is_told(client: str, server: str, files: Files) -> None:
    """Below the loops' transports, an SSLObject tells a cut from an end: SSLEOFError."""
    ends = Ends(client, server, files)
    try:
        await ends.handshake()
        await ends.call(1, "write", b"data")
        expect(await ends.call(0, "read", 100) == b"data", "other data")
        ends.sockets[1].shutdown(socket.SHUT_WR)
        try:
            data = await ends.call(0, "read", 100)
        except ssl.SSLEOFError as error:
            expect(error.errno == ssl.SSL_ERROR_EOF, "another errno")
            expect(error.reason == "UNEXPECTED_EOF_WHILE_READING", "no reason")
        except ssl.SSLError as error:
            # Before 3.11.4, this was not among the reasons that have a class.
            named = error.reason == "UNEXPECTED_EOF_WHILE_READING"
            expect(named and sys.version_info < (3, 11, 4), type(error).__name__)
        else:
            raise Wrong("takes it for an end" if data == b"" else "other data")
    finally:
        ends.close()


async def half_closes(client: str, server: str, files: Files) -> None:
    """The client says that it has ended, and goes on reading (RFC 8446, section 6.1).

    The loops' own transports cannot; there the SSLObjects below do it.
    """
    ends = Ends(client, server, files)
    try:
        await ends.handshake()
        await ends.call(1, "write", b"a word")  # with it, tickets
        expect(await ends.call(0, "read", 100) == b"a word", "other data")
        try:
            ends.objects[0].unwrap()
        except ssl.SSLWantReadError:
            pass
        else:
            raise Wrong("does not wait")
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ends.sockets[0], ends.outgoing[0].read())
        try:
            heard = await within(ends.call(1, "read", 100), "loses EOF")
            expect(heard == b"", "other data")
        except ssl.SSLZeroReturnError:
            pass
        await ends.call(1, "write", b"an answer")
        expect(await ends.call(0, "read", 100) == b"an answer", "loses data")
    finally:
        ends.close()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(Reverse, "127.0.0.1", 0, ssl=server_context(server, files))
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await connect(client_context(client, files), port)
        native = is_native(writer.get_extra_info("ssl_object"))
        expect(writer.can_write_eof() == native, "another transport")
        if native:
            writer.write(b"abc")
            writer.write_eof()
            # Its own transport leaves a server of the standard library's no time to answer.
            expect(await reader.read() == (b"cba" if server == client else b""), "loses data")
        await leave(writer)


async def much_each_way(client: str, server: str, files: Files) -> None:
    """64 MiB each way, at the same time."""
    async with serving(echo, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)

        async def send() -> None:
            for _ in range(TOTAL // len(BLOCK)):
                writer.write(BLOCK)
                await writer.drain()

        sending = asyncio.ensure_future(send())
        for _ in range(TOTAL // len(BLOCK)):
            expect(await reader.readexactly(len(BLOCK)) == BLOCK, "other data")
        await sending
        await leave(writer)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A peer that reads and says nothing."""
    await reader.read()


async def cancelled_in_the_handshake(client: str, server: str, files: Files) -> None:
    """The client's task is; then a client of the server's goes; then all is as before."""
    accepted = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        while await reader.read(1 << 16):
            pass

    context = client_context(client, files)
    async with serving(accept, None) as port:
        connecting = asyncio.ensure_future(connect(context, port))
        await accepted.wait()
        connecting.cancel()
        try:
            await connecting
        except asyncio.CancelledError:
            pass
        else:
            raise Wrong("is not cancelled")
    async with serving(echo, server_context(server, files)) as port:
        _, leaving = await asyncio.open_connection("127.0.0.1", port)
        leaving.write(b"\x16\x03\x01")
        await leave(leaving)
        reader, writer = await connect(context, port)
        writer.write(b"x")
        expect(await reader.readexactly(1) == b"x", "other data")
        await leave(writer)


async def cancelled_in_a_transfer(client: str, server: str, files: Files) -> None:
    """A read is cancelled; the next goes on where it was. An abort is noticed."""
    lost = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio's and uvloop's own TLS transports say that they are open until their loop has
        # turned again, and drain() then does not yield: a task that only writes stops the loop.
        try:
            while True:
                writer.write(BLOCK)
                await writer.drain()
                await asyncio.sleep(0)
        except OSError:
            lost.set()

    async with serving(pour, server_context(server, files)) as port:
        reader, writer = await connect(client_context(client, files), port)
        expect(await reader.readexactly(256) == BLOCK[:256], "other data")
        reading = asyncio.ensure_future(reader.readexactly(1 << 30))
        await asyncio.sleep(0)
        reading.cancel()
        try:
            await reading
        except asyncio.CancelledError:
            pass
        else:
            raise Wrong("is not cancelled")
        # What the cancelled read had gathered is still there, and comes first.
        expect(await reader.readexactly(1 << 20) == (BLOCK * 5)[: 1 << 20], "loses data")
        writer.transport.abort()
        await leave(writer)
        await lost.wait()


async def tls_in_tls(client: str, server: str, files: Files) -> None:
    """A server behind a proxy that is itself spoken to over TLS."""
    async with serving(echo, server_context(server, files)) as inner:

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\n")
            there, back = await asyncio.open_connection("127.0.0.1", inner)
            writer.write(b"ok\n")

            async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                try:
                    while data := await source.read(1 << 16):
                        sink.write(data)
                        await sink.drain()
                except OSError:
                    pass
                sink.close()

            await asyncio.gather(carry(reader, back), carry(there, writer))
            await leave(back)

        async with serving(relay, server_context(server, files)) as port:
            reader, writer = await connect(client_context(client, files), port)
            writer.write(b"connect\n")
            expect(await reader.readline() == b"ok\n", "other data")
            await writer.start_tls(client_context(client, files), server_hostname="localhost")
            for size in (1, 200_000):
                writer.write(BLOCK[:size])
                await writer.drain()
                expect(await reader.readexactly(size) == BLOCK[:size], "other data")
            await leave(writer)


async def time_outs(client: str, server: str, files: Files) -> None:
    """Of the handshake on either side, and of the end."""
    context = client_context(client, files)
    async with serving(silent, None) as port:
        try:
            connecting = connect(context, port, ssl_handshake_timeout=SOON)
            await within(connecting, "does not time out")
        except ConnectionAbortedError:
            pass
        else:
            raise Wrong("does not time out")
    options = {"ssl_handshake_timeout": SOON}
    async with serving(echo, server_context(server, files), **options) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            expect((await reader.read())[:1] in (b"", b"\x15"), "other data")  # or an alert
        except ConnectionError:
            pass
        await leave(writer)
    deaf = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def answer() -> None:
            try:
                while data := await there.read(1 << 16):
                    writer.write(data)
            except OSError:
                pass

        answering = asyncio.ensure_future(answer())
        while data := await reader.read(1 << 16):
            if not deaf.is_set():
                back.write(data)
        await leave(back)
        await answering

    async with serving(echo, server_context(server, files)) as port, serving(relay, None) as front:
        reader, writer = await connect(context, front, ssl_shutdown_timeout=SOON)
        writer.write(b"x")
        expect(await reader.readexactly(1) == b"x", "other data")
        deaf.set()
        await leave(writer)


async def wrong_authority(client: str, server: str, files: Files) -> None:
    """A certificate of an unknown authority: the error's class and attributes."""
    async with serving(echo, server_context(server, files)) as port:
        try:
            await connect(client_context(client, files, cafile=files.stranger), port)
        except ssl.SSLCertVerificationError as error:
            found = [
                getattr(error, name, None) for name in ("verify_code", "reason", "library", "errno")
            ]
            expect(found == [20, "CERTIFICATE_VERIFY_FAILED", "SSL", 1], "error without attributes")
        except OSError as error:
            raise Wrong(type(error).__name__) from error
        else:
            raise Wrong("is let pass")


async def wrong_name(client: str, server: str, files: Files) -> None:
    """A certificate for another name."""
    context = server_context(server, files, certfile=files.other)
    async with serving(echo, context) as port:
        try:
            await connect(client_context(client, files), port)
        except ssl.SSLCertVerificationError as error:
            expect(getattr(error, "verify_code", None) == 62, "error without attributes")
        except OSError as error:
            raise Wrong(type(error).__name__) from error
        else:
            raise Wrong("is let pass")


async def client_certificate(client: str, server: str, files: Files) -> None:
    """It is asked for and seen; who has none is refused, and the server's handler never called."""
    seen: list[Any] = []

    async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert"))
        await echo(reader, writer)

    context = server_context(server, files, clients=True)
    async with serving(look, context) as port:
        reader, writer = await connect(client_context(client, files, certfile=files.client), port)
        writer.write(b"x")
        expect(await reader.readexactly(1) == b"x", "other data")
        await leave(writer)
        subject = ((("commonName", "client.example"),),)
        expect(seen and (seen[0] or {}).get("subject") == subject, "is not seen")
        try:
            reader, writer = await connect(client_context(client, files), port)
            writer.write(b"x")
            expect(await reader.read() == b"", "none is let pass")
            await leave(writer)
        except OSError:  # with TLS 1.3 the client may hear of it before, after or not at all
            pass
    expect(len(seen) == 1, "none is let pass")


async def what_it_tells(client: str, server: str, files: Files) -> None:
    """version(), cipher() and getpeercert() of the client, as programs log them."""
    async with serving(echo, server_context(server, files)) as port:
        _, writer = await connect(client_context(client, files), port)
        view = writer.get_extra_info("ssl_object")
        expect(view.version() in ("TLSv1.2", "TLSv1.3"), "no version")
        expect(view.cipher()[1] == view.version(), "no cipher")
        subject = ((("commonName", "localhost"),),)
        expect(view.getpeercert()["subject"] == subject, "no certificate")
        await leave(writer)


CELLS: dict[str, Cell] = {
    "echo": echoes,
    "clean end, by the server": server_ends,
    "clean end, by the client": client_ends,
    "cut off": cut_off,
    "cut off, told by SSLObject": cut_is_told,
    "half-close": half_closes,
    "64 MiB each way": much_each_way,
    "cancelled in the handshake": cancelled_in_the_handshake,
    "cancelled in a transfer": cancelled_in_a_transfer,
    "TLS in TLS": tls_in_tls,
    "time-outs": time_outs,
    "unknown authority": wrong_authority,
    "wrong name": wrong_name,
    "client certificate": client_certificate,
    "what it tells": what_it_tells,
}
