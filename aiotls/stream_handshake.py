"""The handshake over any stream, on any event loop: ``await do_handshake(connection, stream)``.

The call is SSL_do_handshake(3), which is repeated for as long as it wants to read or to write;
here those wishes are awaited. It needs no event loop of its own kind: what it awaits are the
stream's own methods.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from .enums import Want
from .errors import TLSError, UsageError

if TYPE_CHECKING:
    from .connection import TLSConnection

CHUNK = 1 << 16

Receive = Callable[[], Awaitable[bytes]]
Send = Callable[[bytes], Awaitable[Any]]


async def do_handshake(connection: TLSConnection, stream: Any) -> None:
    """Runs the handshake of *connection* to its end over *stream*.

    *stream* is an object with ``receive()`` and ``send(data)`` (anyio) or ``receive_some()``
    and ``send_all(data)`` (trio), a ``(StreamReader, StreamWriter)`` pair, or a non-blocking
    socket. Application data that came with the end of the handshake is in
    ``connection.read()``; from then on the caller moves the bytes.

    Raises the TLSError that ended the handshake, after its alert was sent; the stream is left
    open, for the caller to close. TypeError for another kind of stream.
    """
    receive, send = _methods(stream)

    async def flush() -> None:
        data = connection.data_to_send()
        if data:
            await send(data)

    async def wait(want: Want) -> None:
        await flush()
        if want is Want.READ:
            data = await receive()
            if data:
                connection.feed(data)
            else:
                connection.feed_eof()

    try:
        await connection.run_handshake(wait)
    except TLSError:
        try:
            await flush()
        except Exception:
            pass  # the alert was the last word, and it is the first error that counts
        raise
    await flush()


def _methods(stream: Any) -> tuple[Receive, Send]:
    """How to receive and how to send; receiving gives b"" at the end."""
    if isinstance(stream, socket.socket):
        return _of_socket(stream)
    if isinstance(stream, tuple):
        reader, writer = stream
        return _of_pair(reader, writer)
    for receive, send in (("receive", "send"), ("receive_some", "send_all")):
        if hasattr(stream, receive) and hasattr(stream, send):
            return _until_end(getattr(stream, receive)), getattr(stream, send)
    raise TypeError(
        "a stream has receive() and send(data), or receive_some() and send_all(data), or is a "
        f"(StreamReader, StreamWriter) pair or a non-blocking socket; this is {stream!r}"
    )


def _until_end(receive: Callable[[], Awaitable[bytes]]) -> Receive:
    async def until_end() -> bytes:
        try:
            return await receive()
        except Exception as error:
            # anyio's word for the end of a stream, known by its name: anyio need not be there
            if type(error).__name__ == "EndOfStream":
                return b""
            raise

    return until_end


def _of_pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[Receive, Send]:
    async def send(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return lambda: reader.read(CHUNK), send


def _of_socket(sock: socket.socket) -> tuple[Receive, Send]:
    if sock.gettimeout() != 0:
        raise UsageError("the socket blocks: call setblocking(False) on it first")
    loop = asyncio.get_running_loop()
    return lambda: loop.sock_recv(sock, CHUNK), lambda data: loop.sock_sendall(sock, data)
