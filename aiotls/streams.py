"""asyncio's streams over TLS: ``open_connection`` and ``start_server``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from .endpoints import create_connection, create_server, create_unix_connection, create_unix_server

LIMIT = 1 << 16
"""How long a line may be, and half of what a reader buffers, in bytes: asyncio's default."""

ClientConnected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    """asyncio's, but for the end of the peer's data, which leaves this side free to write.

    Over TLS asyncio's closes the connection there, because its own TLS knows no half-close.
    """

    def eof_received(self) -> bool:
        """The reader sees the end of the data; the writer goes on."""
        super().eof_received()
        return True


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
    :func:`create_server`.
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
        handling = client_connected_cb(reader, writer)
        return _watch(handling, writer) if asyncio.iscoroutine(handling) else handling

    def factory() -> StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
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
