"""Libraries that make their own contexts, after ``aiotls.ssl.inject()``: nothing is handed to them
but paths and settings."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import aiotls.ssl

from . import services
from .engines import CONTROL, OURS, Files, server_context
from .web import BODY, Echo, QuietServer

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def the_engine_is_the_one_asked_for(
    injected: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """This one in every connection of a client's after inject(), and in none without."""
    begun: list[str] = []
    count = aiotls.ssl.SSLContext._count

    def note(context: aiotls.ssl.SSLContext, what: str) -> None:
        begun.append(what)
        count(context, what)

    monkeypatch.setattr(aiotls.ssl.SSLContext, "_count", note)
    yield
    assert ("connect" in begun) == (injected == OURS)


@pytest.fixture
def url(files: Files) -> Iterator[str]:
    """An HTTPS server of OpenSSL's, on a thread."""
    server = QuietServer(("127.0.0.1", 0), Echo)
    server.socket = server_context(CONTROL, files).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def system_roots(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The roots of the system are those of the tests (SSL_CERT_FILE)."""
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


# -- HTTP ------------------------------------------------------------------------------------------


def test_requests(url: str, files: Files, system_roots: None) -> None:
    """Its roots are certifi's, unless it is given a path; one context is made when it is imported,
    and another for each path."""
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        session.verify = files.ca
        for _ in range(2):
            assert session.post(url, BODY, timeout=20).content == BODY
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            requests.post(url, BODY, timeout=20, verify=files.stranger)


def test_requests_with_a_client_certificate(url: str, files: Files) -> None:
    requests = pytest.importorskip("requests")
    answer = requests.post(
        url, BODY, timeout=20, verify=files.ca, cert=(files.client, files.client)
    )
    assert answer.content == BODY


def test_urllib3(url: str, files: Files) -> None:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(
        ca_certs=files.ca, ssl_minimum_version=ssl.TLSVersion.TLSv1_2, retries=False
    ) as pool:
        assert pool.request("POST", url, body=BODY).data == BODY
    with (
        urllib3.PoolManager(ca_cert_data=Path(files.stranger).read_text(), retries=False) as pool,
        pytest.raises(urllib3.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        pool.request("POST", url, body=BODY)


def test_urllib3_with_the_roots_of_the_system(url: str, system_roots: None) -> None:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(retries=False) as pool:
        assert pool.request("POST", url, body=BODY).data == BODY


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_urllib3_that_verifies_nothing(url: str) -> None:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False) as pool:
        assert pool.request("POST", url, body=BODY).data == BODY


def test_httpx(url: str, system_roots: None) -> None:
    httpx = pytest.importorskip("httpx")
    with httpx.Client(verify=True) as session:
        assert session.post(url, content=BODY).content == BODY


def test_httpx_refuses_a_stranger(url: str, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    httpx = pytest.importorskip("httpx")
    monkeypatch.setenv("SSL_CERT_FILE", files.stranger)
    with (
        httpx.Client() as session,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        session.get(url)


@pytest.mark.asyncio
async def test_httpx_asyncio(url: str, system_roots: None) -> None:
    httpx = pytest.importorskip("httpx")
    async with httpx.AsyncClient() as session:
        assert (await session.post(url, content=BODY)).content == BODY


def test_http_client(url: str, system_roots: None) -> None:
    port = urlsplit(url).port
    connection = http.client.HTTPSConnection("localhost", port, timeout=20)
    connection.request("POST", "/", BODY)
    assert connection.getresponse().read() == BODY
    connection.close()


def test_urllib_request(url: str, system_roots: None) -> None:
    with urllib.request.urlopen(url, BODY, timeout=20) as response:
        assert response.read() == BODY


# -- others ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_asyncio(url: str, system_roots: None) -> None:
    """``ssl=True``."""
    port = urlsplit(url).port
    reader, writer = await asyncio.open_connection("localhost", port, ssl=True)
    writer.write(b"POST / HTTP/1.0\r\ncontent-length: 4\r\n\r\nping")
    assert (await reader.read()).endswith(b"ping")
    writer.close()
    await writer.wait_closed()


@pytest.mark.asyncio
async def test_anyio(url: str, system_roots: None) -> None:
    anyio = pytest.importorskip("anyio")
    port = urlsplit(url).port
    async with await anyio.connect_tcp(
        "localhost", port, tls=True, tls_standard_compatible=False
    ) as stream:
        await stream.send(b"POST / HTTP/1.0\r\ncontent-length: 4\r\n\r\nping")
        received = b""
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                received += await stream.receive()
        assert received.endswith(b"ping")


@pytest.mark.asyncio
async def test_websockets(files: Files, system_roots: None) -> None:
    client = pytest.importorskip("websockets.asyncio.client")
    server = pytest.importorskip("websockets.asyncio.server")

    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message)

    context = server_context(CONTROL, files)
    async with server.serve(echo, "127.0.0.1", 0, ssl=context) as serving:
        port = serving.sockets[0].getsockname()[1]
        async with client.connect(f"wss://localhost:{port}/", proxy=None) as socket:
            await socket.send(BODY)
            assert await socket.recv() == BODY


@pytest.mark.parametrize("option", ["ssl_min_version", "ssl_ciphers"])
def test_redis(option: str, files: Files, tmp_path: Path) -> None:
    redis = pytest.importorskip("redis")
    value = {"ssl_min_version": ssl.TLSVersion.TLSv1_3, "ssl_ciphers": "ECDHE+AESGCM"}[option]
    with services.redis_server(files, tmp_path) as port:
        client = redis.Redis(
            host="localhost",
            port=port,
            ssl=True,
            ssl_ca_certs=files.ca,
            ssl_certfile=files.client,
            ssl_keyfile=files.client,
            **{option: value},
        )
        assert client.ping()
        client.close()
