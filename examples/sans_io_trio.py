"""The same engine under trio, which knows nothing of asyncio.

    pip install trio
    python examples/sans_io_trio.py

Shows: do_handshake over any stream, and the few lines that carry data afterwards.
"""

from __future__ import annotations

import trio

import aiotls
from aiotls.cli.authority import Authority


class TLSStream:
    """What a face needs: a connection, a stream, and where they meet."""

    def __init__(self, connection: aiotls.TLSConnection, stream: trio.SocketStream) -> None:
        self.connection = connection
        self.stream = stream

    async def do_handshake(self) -> None:
        await aiotls.do_handshake(self.connection, self.stream)

    async def send_all(self, data: bytes) -> None:
        self.connection.write(data)
        await self.stream.send_all(self.connection.data_to_send())

    async def receive_some(self) -> bytes:
        connection = self.connection
        while not connection.readable and not connection.peer_closed:
            data = await self.stream.receive_some()
            try:
                if data:
                    connection.receive_data(data)
                else:
                    connection.receive_eof()  # raises Truncated without the peer's close_notify
            finally:
                if answer := connection.data_to_send():  # an alert, or to a KeyUpdate
                    await self.stream.send_all(answer)
        return connection.read()

    async def aclose(self) -> None:
        self.connection.send_close_notify()
        await self.stream.send_all(self.connection.data_to_send())
        await self.stream.aclose()


async def main() -> None:
    authority = Authority.create()
    server_config = aiotls.ServerConfig(identity=authority.identity("localhost"))
    client_config = aiotls.ClientConfig(trust=authority.trust())

    async def serve(stream: trio.SocketStream) -> None:
        tls = TLSStream(aiotls.TLSConnection(server_config), stream)
        await tls.do_handshake()
        await tls.send_all((await tls.receive_some()).upper())
        await tls.aclose()

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        port = listener.socket.getsockname()[1]
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        tls = TLSStream(aiotls.TLSConnection(client_config, "localhost"), stream)
        await tls.do_handshake()
        await tls.send_all(b"structured concurrency")
        print((await tls.receive_some()).decode())
        await tls.aclose()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
