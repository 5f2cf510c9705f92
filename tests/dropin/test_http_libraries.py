"""HTTP over TLS with the libraries that people use, client and server."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import ssl
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from .engines import OURS, Files, client_context, module, server_context
from .web import BODY, Echo, QuietServer

aiohttp = pytest.importorskip("aiohttp")
httpx = pytest.importorskip("httpx")
uvicorn = pytest.importorskip("uvicorn")
requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")

from aiohttp import web  # noqa: E402

pytestmark = pytest.mark.interop

# -- aiohttp ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def aiohttp_server(context: Any) -> AsyncIterator[int]:
    """A server that echoes the body of a request, and tells about its connection."""

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read())

    async def peer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert")
        return web.json_response({"peer": certificate, "scheme": request.scheme})

    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/echo", echo)
    application.router.add_get("/peer", peer)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        assert site._server is not None
        yield site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        await runner.cleanup()


@pytest.mark.asyncio
async def test_aiohttp_client_and_server(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with (
        aiohttp_server(server_context(server, files)) as port,
        aiohttp.ClientSession() as session,
    ):
        context = client_context(client, files)
        for _ in range(3):
            async with session.post(
                f"https://localhost:{port}/echo", data=BODY, ssl=context
            ) as response:
                assert response.status == 200
                assert await response.read() == BODY


@pytest.mark.asyncio
async def test_aiohttp_client_certificate(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with (
        aiohttp_server(server_context(server, files, clients=True)) as port,
        aiohttp.ClientSession() as session,
    ):
        context = client_context(client, files, certfile=files.client)
        async with session.get(f"https://localhost:{port}/peer", ssl=context) as response:
            answer = await response.json()
    assert answer["scheme"] == "https"
    assert answer["peer"]["subject"] == [[["commonName", "client.example"]]]


@pytest.mark.asyncio
async def test_aiohttp_refuses_a_stranger(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with (
        aiohttp_server(server_context(server, files)) as port,
        aiohttp.ClientSession() as session,
    ):
        context = client_context(client, files, cafile=files.stranger)
        with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
            await session.get(f"https://localhost:{port}/peer", ssl=context)
    error = caught.value.certificate_error
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert error.verify_code == 20
    assert "unable to get local issuer certificate" in str(error)


@pytest.mark.asyncio
async def test_aiohttp_fingerprint(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with (
        aiohttp_server(server_context(server, files)) as port,
        aiohttp.ClientSession() as session,
    ):
        fingerprint = aiohttp.Fingerprint(b"\0" * 32)
        connector = aiohttp.TCPConnector(ssl=client_context(client, files))
        async with aiohttp.ClientSession(connector=connector) as checking:
            with pytest.raises(aiohttp.ServerFingerprintMismatch):
                await checking.get(f"https://localhost:{port}/peer", ssl=fingerprint)
        assert not session.closed


# -- uvicorn and httpx -----------------------------------------------------------------------------


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that echoes."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"application/octet-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body or b"hello"})


@contextlib.asynccontextmanager
async def uvicorn_server(context: Any) -> AsyncIterator[int]:
    """uvicorn in this loop, with a context made by its factory."""
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        ssl_context_factory=lambda config, default: context,
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    server.capture_signals = contextlib.nullcontext
    task = asyncio.ensure_future(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
            if task.done():
                task.result()
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.mark.asyncio
async def test_uvicorn_and_httpx(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with uvicorn_server(server_context(server, files)) as port:
        context = client_context(client, files)
        async with httpx.AsyncClient(verify=context, trust_env=False) as session:
            for _ in range(2):
                response = await session.post(f"https://localhost:{port}/", content=BODY)
                assert response.status_code == 200
                assert response.content == BODY
                assert response.http_version == "HTTP/1.1"


@pytest.mark.asyncio
async def test_httpx_refuses_a_stranger(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with uvicorn_server(server_context(server, files)) as port:
        context = client_context(client, files, cafile=files.stranger)
        async with httpx.AsyncClient(verify=context, trust_env=False) as session:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await session.get(f"https://localhost:{port}/")


# -- hypercorn and HTTP/2 --------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def hypercorn_server(context: Any) -> AsyncIterator[int]:
    """hypercorn in this loop, whose configuration makes the context."""
    hypercorn_config = pytest.importorskip("hypercorn.config")
    hypercorn_asyncio = pytest.importorskip("hypercorn.asyncio")

    class Config(hypercorn_config.Config):  # type: ignore[misc, name-defined]
        def create_ssl_context(self) -> Any:
            context.set_alpn_protocols(self.alpn_protocols)
            return context

        @property
        def ssl_enabled(self) -> bool:
            return True

    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.graceful_timeout = 0.5
    config.shutdown_timeout = 1
    config.errorlog = None
    ended = asyncio.Event()
    task = asyncio.ensure_future(
        hypercorn_asyncio.serve(application, config, shutdown_trigger=ended.wait)
    )
    try:
        yield listener.getsockname()[1]  # it listens: who comes before hypercorn waits for it
    finally:
        ended.set()
        await task
        listener.detach()


@pytest.mark.asyncio
async def test_http2_by_alpn(pairing: tuple[str, str], files: Files) -> None:
    client, server = pairing
    async with hypercorn_server(server_context(server, files)) as port:
        context = client_context(client, files)
        async with httpx.AsyncClient(http2=True, verify=context, trust_env=False) as session:
            response = await session.post(f"https://localhost:{port}/", content=BODY)
            assert response.http_version == "HTTP/2"
            assert response.content == BODY
            many = [session.get(f"https://localhost:{port}/") for _ in range(5)]
            assert [r.content for r in await asyncio.gather(*many)] == [b"hello"] * 5


# -- blocking clients ------------------------------------------------------------------------------


@pytest.fixture
def http_server(pairing: tuple[str, str], files: Files) -> Iterator[int]:
    """http.server on an SSLSocket."""
    server = QuietServer(("127.0.0.1", 0), Echo)
    server.socket = server_context(pairing[1], files).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_http_client(pairing: tuple[str, str], files: Files, http_server: int) -> None:
    context = client_context(pairing[0], files)
    connection = http.client.HTTPSConnection("localhost", http_server, context=context, timeout=20)
    for _ in range(2):
        connection.request("POST", "/", BODY)
        assert connection.getresponse().read() == BODY
    connection.close()


def test_urllib_request(pairing: tuple[str, str], files: Files, http_server: int) -> None:
    context = client_context(pairing[0], files)
    url = f"https://localhost:{http_server}/"
    with urllib.request.urlopen(url, BODY, context=context, timeout=20) as response:
        assert response.read() == BODY


def test_urllib3(pairing: tuple[str, str], files: Files, http_server: int) -> None:
    context = client_context(pairing[0], files)
    with urllib3.PoolManager(ssl_context=context, retries=False) as pool:
        for _ in range(2):
            response = pool.request("POST", f"https://localhost:{http_server}/", body=BODY)
            assert response.data == BODY


def test_urllib3_pins_a_fingerprint(
    pairing: tuple[str, str], files: Files, http_server: int
) -> None:
    context = client_context(pairing[0], files)
    with (
        urllib3.PoolManager(
            ssl_context=context, assert_fingerprint="00" * 32, retries=False
        ) as pool,
        pytest.raises(urllib3.exceptions.SSLError, match="Fingerprints did not match"),
    ):
        pool.request("POST", f"https://localhost:{http_server}/", body=BODY)


def test_requests(pairing: tuple[str, str], files: Files, http_server: int) -> None:
    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc, name-defined]
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            context = client_context(pairing[0], files)
            super().init_poolmanager(*args, ssl_context=context, **kwargs)

    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter())
        session.verify = files.ca
        response = session.post(f"https://localhost:{http_server}/", data=BODY)
        assert response.content == BODY


def test_a_blocking_client_refuses_another_name(
    pairing: tuple[str, str], files: Files, http_server: int
) -> None:
    context = client_context(pairing[0], files, cafile=files.stranger)
    with (
        urllib3.PoolManager(ssl_context=context, retries=False) as pool,
        pytest.raises(urllib3.exceptions.SSLError, match="certificate verify failed"),
    ):
        pool.request("POST", f"https://localhost:{http_server}/", body=BODY)


def test_the_engine_is_the_one_that_was_asked_for(files: Files) -> None:
    assert isinstance(client_context(OURS, files), module(OURS).SSLContext)
    assert isinstance(client_context(OURS, files), ssl.SSLContext)
