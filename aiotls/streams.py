"""asyncio's streams over TLS: ``open_connection`` and ``start_server``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from .endpoints import create_connection, create_server, create_unix_connection, create_unix_server

if TYPE_CHECKING:
    from .connection import TLSConnection

LIMIT = 1 << 16
"""How long a line may be, and half of what a reader buffers, in bytes: asyncio's default."""


class StreamReader(asyncio.StreamReader):
    """asyncio's, which on a server can also tell 0-RTT data from what comes after the handshake.

    Data of both kinds comes out of the usual methods, 0-RTT data not before the client's Finished
    has shown that it is no replay. :meth:`read_early_data` is for who wants it apart, and sooner.
    """

    def __init__(self, limit: int = LIMIT, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(limit=limit, loop=loop)
        self._early = bytearray()
        self._half_open = False
        self._gone = False
        self._news: asyncio.Event | None = None

    async def read_early_data(self) -> bytes:
        """0-RTT data of the client's (RFC 8446, section 2.3), as it comes; ``b""`` when there is
        no more of it, and the handshake is complete.

        With :attr:`.ServerConfig.half_rtt` it is here before the client's Finished. **Until then
        it may be a replay**, as far as :attr:`.ServerConfig.replay_guard` does not know better: do
        nothing that does harm when it is done twice, or await :meth:`handshake_completed` first.
        What is not read this way is what the other methods return first. Raises what ended the
        handshake.
        """
        while not self._early and self._half_open:
            await self._hear()
        data = bytes(self._early)
        self._early.clear()
        if not data:
            self._check()
        return data

    async def handshake_completed(self) -> None:
        """Returns when the client's Finished is there: whoever is there is no replay.

        At once without :attr:`.ServerConfig.half_rtt`. Raises what ended the handshake.
        """
        while self._half_open:
            await self._hear()
        self._check()

    def read(self, n: int = -1) -> Coroutine[Any, Any, bytes]:
        """As asyncio's."""
        if self._early or self._half_open:
            return self._later(super().read, n)
        return super().read(n)

    def readexactly(self, n: int) -> Coroutine[Any, Any, bytes]:
        """As asyncio's."""
        if self._early or self._half_open:
            return self._later(super().readexactly, n)
        return super().readexactly(n)

    def readuntil(self, separator: Any = b"\n") -> Coroutine[Any, Any, bytes]:
        """As asyncio's, which ``readline()`` and ``async for`` stand on."""
        if self._early or self._half_open:
            return self._later(super().readuntil, separator)
        return super().readuntil(separator)

    async def _later(self, method: Callable[[Any], Awaitable[bytes]], argument: Any) -> bytes:
        """*method*, once it is known that 0-RTT data is as good as any other."""
        while self._half_open:
            await self._hear()
        if self._early:
            buffered = bytes(self._buffer)  # type: ignore[attr-defined]
            self._buffer[:] = self._early + buffered  # type: ignore[attr-defined]
            self._early.clear()
        return await method(argument)

    async def _hear(self) -> None:
        if self._news is None:
            self._news = asyncio.Event()
        self._news.clear()
        await self._news.wait()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()

    def _check(self) -> None:
        error = self.exception()
        if error is not None:
            raise error
        if self._gone:
            raise ConnectionResetError("the connection was closed during the TLS handshake")

    def at_eof(self) -> bool:
        """Whether all data was read, and no more will come."""
        return super().at_eof() and not self._early

    def feed_eof(self) -> None:
        """No more data will come."""
        self._give_up()
        super().feed_eof()
        self._tell()

    def set_exception(self, exc: Any) -> None:
        """The connection has failed."""
        self._give_up()
        super().set_exception(exc)
        self._tell()

    def _give_up(self) -> None:
        """Before the client's Finished: whether its 0-RTT data was a replay will never be known."""
        if self._half_open:
            self._half_open = False
            self._gone = True
            self._early.clear()


class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    """asyncio's, but for the end of the peer's data, which leaves this side free to write.

    Over TLS asyncio's closes the connection there, because its own TLS knows no half-close.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, on a server perhaps half a round trip before its handshake is
        complete (:attr:`.ServerConfig.half_rtt`).
        """
        reader = self._reader
        if reader is not None:
            connection: TLSConnection = transport.connection  # type: ignore[attr-defined]
            reader._half_open = not connection.handshake_complete
        super().connection_made(transport)

    @property
    def _reader(self) -> StreamReader | None:
        """That of a server; a client's is asyncio's own."""
        reader = self._stream_reader  # type: ignore[attr-defined]
        return reader if isinstance(reader, StreamReader) else None

    def early_data_received(self, data: bytes) -> None:
        """0-RTT data, for :meth:`StreamReader.read_early_data`."""
        if self._reader is not None:
            self._reader._early += data
            self._reader._tell()

    def handshake_completed(self) -> None:
        """The client's Finished has come."""
        if self._reader is not None:
            self._reader._half_open = False
            self._reader._tell()

    def eof_received(self) -> bool:
        """The reader sees the end of the data; the writer goes on."""
        super().eof_received()
        return True


ClientConnected = Callable[[StreamReader, asyncio.StreamWriter], Awaitable[None] | None]
"""What a server calls for each connection; one that takes asyncio's own StreamReader does."""


async def open_connection(
    host: str | None = None,
    port: int | str | None = None,
    *,
    limit: int = LIMIT,
    ssl: Any = True,
    **kwds: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to a server, verified; returns a reader and a writer.

    As ``asyncio.open_connection``. *ssl* is a :class:`ClientConfig`; True, or nothing, stands
    for the default one, which trusts the system's roots. Other keywords, and the errors, are
    those of :func:`create_connection`.
    """
    reader, protocol = _stream(limit)
    transport, _ = await create_connection(lambda: protocol, host, port, ssl=ssl, **kwds)
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    return reader, writer


async def open_unix_connection(
    path: str | None = None, *, limit: int = LIMIT, ssl: Any = True, **kwds: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As :func:`open_connection`, to a Unix socket; *server_hostname* has no default here."""
    reader, protocol = _stream(limit)
    transport, _ = await create_unix_connection(lambda: protocol, path, ssl=ssl, **kwds)
    writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    return reader, writer


def _stream(limit: int) -> tuple[asyncio.StreamReader, StreamReaderProtocol]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    return reader, StreamReaderProtocol(reader, loop=loop)


async def start_server(
    client_connected_cb: ClientConnected,
    host: Any = None,
    port: int | str | None = None,
    *,
    ssl: Any,
    limit: int = LIMIT,
    **kwds: Any,
) -> asyncio.Server:
    """Serves TLS with streams: *client_connected_cb(reader, writer)* for each client.

    As ``asyncio.start_server``. *ssl* is a :class:`ServerConfig`. Other keywords are those of
    :func:`create_server`. The reader is a :class:`StreamReader`, which knows 0-RTT data.
    """
    factory = _server_factory(client_connected_cb, limit)
    return await create_server(factory, host, port, ssl=ssl, **kwds)


async def start_unix_server(
    client_connected_cb: ClientConnected,
    path: str | None = None,
    *,
    ssl: Any,
    limit: int = LIMIT,
    **kwds: Any,
) -> asyncio.Server:
    """As :func:`start_server`, on a Unix socket."""
    factory = _server_factory(client_connected_cb, limit)
    return await create_unix_server(factory, path, ssl=ssl, **kwds)


def _server_factory(
    client_connected_cb: ClientConnected, limit: int
) -> Callable[[], StreamReaderProtocol]:
    loop = asyncio.get_running_loop()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        handling = client_connected_cb(cast(StreamReader, reader), writer)
        return _watch(handling, writer) if asyncio.iscoroutine(handling) else handling

    def factory() -> StreamReaderProtocol:
        reader = StreamReader(limit=limit, loop=loop)
        return StreamReaderProtocol(reader, connected, loop=loop)

    return factory


async def _watch(handling: Coroutine[Any, Any, Any], writer: asyncio.StreamWriter) -> None:
    """A handler that fails is reported, and its connection closed: asyncio's own, before Python
    3.11.3, leave both to chance.
    """
    try:
        await handling
    except asyncio.CancelledError:
        writer.transport.close()
        raise
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler(
            {
                "message": "Unhandled exception in client_connected_cb",
                "exception": error,
                "transport": writer.transport,
            }
        )
        writer.transport.close()
