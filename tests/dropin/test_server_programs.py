"""Servers as programs start them: with their own runners, options and event loops."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

import aiotls.ssl
from tests import certificates

from .engines import OURS, Files, client_context, server_context

aiohttp = pytest.importorskip("aiohttp")
httpx = pytest.importorskip("httpx")
uvicorn = pytest.importorskip("uvicorn")
trio = pytest.importorskip("trio")
hypercorn_config = pytest.importorskip("hypercorn.config")
hypercorn_trio = pytest.importorskip("hypercorn.trio")

from aiohttp import web  # noqa: E402

pytestmark = pytest.mark.interop

BODY = bytes(range(256)) * 1024
SECONDS = 20.0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that echoes."""
    while scope["type"] == "lifespan":
        step = (await receive())["type"]
        await send({"type": f"{step}.complete"})
        if step == "lifespan.shutdown":
            return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def post(context: Any, port: int, **options: Any) -> Any:
    """A POST by httpx; the response."""
    with httpx.Client(verify=context, trust_env=False, timeout=SECONDS, **options) as session:
        return session.post(f"https://localhost:{port}/", content=BODY)


# -- aiohttp: web.run_app(ssl_context=) ------------------------------------------------------------


@pytest.fixture
def run_app(pairing: tuple[str, str], files: Files) -> Iterator[int]:
    """web.run_app in a thread of its own, on a loop of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()

    async def echo(request: web.Request) -> web.Response:
        context = request.transport.get_extra_info("sslcontext")  # type: ignore[union-attr]
        known = isinstance(context, aiotls.ssl.SSLContext)
        return web.Response(body=await request.read(), headers={"x-ours": str(known)})

    app = web.Application(client_max_size=1 << 22)
    app.router.add_post("/", echo)
    started = threading.Event()

    async def tell(app: web.Application) -> None:
        started.set()

    app.on_startup.append(tell)
    run = functools.partial(
        web.run_app,
        app,
        sock=listener,
        ssl_context=server_context(pairing[1], files),
        handle_signals=False,
        print=None,
        access_log=None,
        shutdown_timeout=1,
        loop=loop,
    )
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(SECONDS)
    yield listener.getsockname()[1]

    def leave() -> None:
        raise web.GracefulExit

    loop.call_soon_threadsafe(leave)
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_aiohttp_run_app(pairing: tuple[str, str], files: Files, run_app: int) -> None:
    response = post(client_context(pairing[0], files), run_app)
    assert response.content == BODY
    assert response.headers["x-ours"] == str(pairing[1] == OURS)


# -- uvicorn: --ssl-keyfile-password ---------------------------------------------------------------


@contextlib.asynccontextmanager
async def uvicorn_server(**options: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
        **options,
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
        assert isinstance(config.ssl, aiotls.ssl.SSLContext) == aiotls.ssl.is_injected()
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.mark.asyncio
async def test_uvicorn_with_a_password_for_its_key(
    injected: str, files: Files, tmp_path: Path
) -> None:
    """It builds its own context, and gives the password as a function."""
    leaf = certificates.leaf("localhost", purposes=(certificates.SERVER,))
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    key.write_bytes(
        leaf.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password")
        )
    )
    chain.write_bytes(leaf.chain_pem.partition(b"-----BEGIN PRIVATE")[0])
    options = {
        "ssl_certfile": str(chain),
        "ssl_keyfile": str(key),
        "ssl_keyfile_password": "a password",
        "ssl_ciphers": "ECDHE+AESGCM:!aNULL",
        "ssl_ca_certs": files.ca,
    }
    async with uvicorn_server(**options) as port:
        context = client_context(injected, files)
        async with httpx.AsyncClient(verify=context, trust_env=False) as session:
            response = await session.post(f"https://localhost:{port}/", content=BODY)
            assert response.content == BODY


# -- hypercorn on trio -----------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
def test_hypercorn_on_trio(pairing: tuple[str, str], files: Files, http2: bool) -> None:
    """trio's SSLStream on the server's side, and the protocol by ALPN."""
    context = server_context(pairing[1], files)

    class Config(hypercorn_config.Config):  # type: ignore[misc, name-defined]
        ssl_enabled = True

        def create_ssl_context(self) -> Any:
            context.set_alpn_protocols(self.alpn_protocols)
            return context

    listener = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.graceful_timeout = config.shutdown_timeout = 1
    config.errorlog = None
    answers: list[Any] = []

    async def main() -> None:
        ended = trio.Event()
        with trio.fail_after(SECONDS):
            async with trio.open_nursery() as nursery:
                serve = functools.partial(
                    hypercorn_trio.serve, application, config, shutdown_trigger=ended.wait
                )
                await nursery.start(
                    lambda task_status: serve(task_status=task_status)  # its first is positional
                )
                ask = functools.partial(post, client_context(pairing[0], files), port, http2=http2)
                answers.append(await trio.to_thread.run_sync(ask))
                ended.set()

    port = listener.getsockname()[1]
    trio.run(main)
    listener.detach()
    assert answers[0].content == BODY
    assert answers[0].http_version == ("HTTP/2" if http2 else "HTTP/1.1")
