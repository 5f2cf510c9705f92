"""TLS in TLS: HTTPS through a proxy that is itself reached over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from .engines import Files, client_context, server_context

pytestmark = pytest.mark.interop

BODY = bytes(range(256)) * 512


class Threads:
    """Plain threads that serve, and sockets that are closed at the end."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def run(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._threads.append(thread)

    def listen(self, serve: Any) -> int:
        """Serves each connection in a thread; returns the port."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    self._sockets.append(sock)
                    self.run(quietly, serve, sock)

        self.run(accept)
        port: int = listener.getsockname()[1]
        return port

    def stop(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)


def quietly(serve: Any, sock: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        serve(sock)


def pump(source: Any, target: Any) -> None:
    """Copies until the end, and ends the other side however that came."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(1 << 14):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def tunnel(pairing: tuple[str, str], files: Files) -> Iterator[tuple[int, int]]:
    """The ports of an HTTPS proxy and of an HTTPS server behind it."""
    context = server_context(pairing[1], files)
    threads = Threads()

    def answer(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            head, length = b"", 0
            while b"\r\n\r\n" not in head:
                head += secure.recv(1 << 14)
            head, _, body = head.partition(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            while len(body) < length:
                body += secure.recv(1 << 14)
            secure.sendall(
                b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
                + body
            )
            with contextlib.suppress(OSError):
                secure.unwrap()

    def proxy(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as secure:
            head = b""
            while b"\r\n\r\n" not in head:
                head += secure.recv(1 << 14)
            target = head.split()[1].decode().rpartition(":")[2]
            with socket.create_connection(("127.0.0.1", int(target))) as upstream:
                secure.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                # Both directions at once: one SSLSocket is read and written by two threads.
                back = threading.Thread(target=pump, args=(upstream, secure), daemon=True)
                back.start()
                pump(secure, upstream)
                back.join(10)

    server = threads.listen(answer)
    try:
        yield threads.listen(proxy), server
    finally:
        threads.stop()


def test_urllib3(pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]) -> None:
    urllib3 = pytest.importorskip("urllib3")
    proxy, server = tunnel
    context = client_context(pairing[0], files)
    with urllib3.ProxyManager(
        f"https://localhost:{proxy}/", proxy_ssl_context=context, ssl_context=context, retries=False
    ) as pool:
        response = pool.request("POST", f"https://localhost:{server}/", body=BODY, timeout=20)
        assert response.data == BODY


@pytest.mark.asyncio
async def test_httpx(pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]) -> None:
    httpx = pytest.importorskip("httpx")
    proxy, server = tunnel
    context = client_context(pairing[0], files)
    through = httpx.Proxy(f"https://localhost:{proxy}/", ssl_context=context)
    async with httpx.AsyncClient(proxy=through, verify=context, trust_env=False) as session:
        response = await session.post(f"https://localhost:{server}/", content=BODY)
        assert response.content == BODY


def test_httpx_blocking(pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]) -> None:
    httpx = pytest.importorskip("httpx")
    proxy, server = tunnel
    context = client_context(pairing[0], files)
    through = httpx.Proxy(f"https://localhost:{proxy}/", ssl_context=context)
    with httpx.Client(proxy=through, verify=context, trust_env=False) as session:
        assert session.post(f"https://localhost:{server}/", content=BODY).content == BODY


@pytest.mark.asyncio
async def test_aiohttp(pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    proxy, server = tunnel
    context = client_context(pairing[0], files)
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(
            f"https://localhost:{server}/", data=BODY, proxy=f"https://localhost:{proxy}/"
        ) as response,
    ):
        assert await response.read() == BODY


@pytest.mark.asyncio
async def test_streams(pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]) -> None:
    """asyncio's own: StreamWriter.start_tls on what is TLS already."""
    proxy, server = tunnel
    context = client_context(pairing[0], files)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", proxy, ssl=context, server_hostname="localhost"
        )
        writer.write(f"CONNECT localhost:{server} HTTP/1.1\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await writer.start_tls(context, server_hostname="localhost")
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
        writer.write(head.encode() + BODY)
        await writer.drain()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(len(BODY)) == BODY
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


# -- WebSockets through the proxy ------------------------------------------------------------------


@pytest.mark.asyncio
async def test_websockets(pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]) -> None:
    """Over loop.start_tls."""
    client = pytest.importorskip("websockets.asyncio.client")
    server = pytest.importorskip("websockets.asyncio.server")

    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)

    context = client_context(pairing[0], files)
    behind = server_context(pairing[1], files)
    async with asyncio.timeout(20), server.serve(echo, "127.0.0.1", 0, ssl=behind) as serving:
        port = serving.sockets[0].getsockname()[1]
        async with client.connect(
            f"wss://localhost:{port}/",
            ssl=context,
            proxy=f"https://localhost:{tunnel[0]}/",
            proxy_ssl=context,
        ) as socket:
            for message in ("text", BODY):
                await socket.send(message)
                assert await socket.recv() == message


def test_websockets_blocking(
    pairing: tuple[str, str], files: Files, tunnel: tuple[int, int]
) -> None:
    """Over wrap_bio, on a socket that is an SSLSocket."""
    client = pytest.importorskip("websockets.sync.client")
    server = pytest.importorskip("websockets.sync.server")

    def echo(socket: Any) -> None:
        for message in socket:
            socket.send(message)

    context = client_context(pairing[0], files)
    with server.serve(echo, "127.0.0.1", 0, ssl=server_context(pairing[1], files)) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            with client.connect(
                f"wss://localhost:{serving.socket.getsockname()[1]}/",
                ssl=context,
                proxy=f"https://localhost:{tunnel[0]}/",
                proxy_ssl=context,
            ) as socket:
                for message in ("text", BODY):
                    socket.send(message)
                    assert socket.recv(20) == message
        finally:
            serving.shutdown()
            thread.join()
