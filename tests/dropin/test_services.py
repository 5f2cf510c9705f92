"""Databases and mail: PostgreSQL, Redis and SMTP servers of others, over TLS."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import aiotls.ssl

from . import services
from .engines import OURS, Files, client_context, server_context

pytestmark = pytest.mark.interop


@pytest.fixture
def injected(engine: str) -> Iterator[str]:
    """The process's contexts are this package's, for libraries that make their own."""
    if engine != OURS:
        yield engine
        return
    with warnings.catch_warnings():
        # Other tests of this process have imported aiohttp, which made its contexts then.
        warnings.simplefilter("ignore", RuntimeWarning)
        aiotls.ssl.inject()
    try:
        yield engine
    finally:
        aiotls.ssl.extract()


def test_injecting_too_late_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where that is an error, nothing has changed."""
    module = types.ModuleType("early_bird")
    module.context = ssl.create_default_context()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "early_bird", module)
    with pytest.raises(RuntimeWarning, match="early_bird"):
        aiotls.ssl.inject()
    assert type(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) is ssl.SSLContext


# -- PostgreSQL ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgresql(files: Files) -> Iterator[int]:
    with services.postgresql(files) as port:
        yield port


@pytest.mark.asyncio
async def test_asyncpg(engine: str, files: Files, postgresql: int) -> None:
    asyncpg = pytest.importorskip("asyncpg")
    connection = await asyncpg.connect(
        host="localhost",
        port=postgresql,
        user="tester",
        database="postgres",
        ssl=client_context(engine, files),
    )
    row = await connection.fetchrow(
        "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
    )
    assert (row["ssl"], row["version"]) == (True, "TLSv1.3")
    blob = bytes(range(256)) * 8192
    assert await connection.fetchval("select $1::bytea", blob) == blob
    await connection.close()


@pytest.mark.asyncio
async def test_asyncpg_client_certificate(engine: str, files: Files, postgresql: int) -> None:
    asyncpg = pytest.importorskip("asyncpg")
    owner = await asyncpg.connect(
        host="localhost",
        port=postgresql,
        user="tester",
        database="postgres",
        ssl=client_context(engine, files),
    )
    await owner.execute("drop role if exists strict; create role strict login")
    await owner.close()
    arguments: dict[str, Any] = {
        "host": "localhost",
        "port": postgresql,
        "user": "strict",
        "database": "postgres",
    }
    connection = await asyncpg.connect(
        **arguments, ssl=client_context(engine, files, certfile=files.client)
    )
    subject = await connection.fetchval(
        "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"
    )
    assert subject == "/CN=client.example"
    await connection.close()
    with pytest.raises((asyncpg.InvalidAuthorizationSpecificationError, ConnectionError, OSError)):
        await asyncpg.connect(**arguments, ssl=client_context(engine, files))


@pytest.mark.asyncio
async def test_asyncpg_makes_its_own_context(injected: str, files: Files, postgresql: int) -> None:
    """``sslmode=verify-full`` in the address, with the authority in ``sslrootcert``."""
    asyncpg = pytest.importorskip("asyncpg")
    address = f"postgresql://tester@localhost:{postgresql}/postgres?sslmode=verify-full"
    connection = await asyncpg.connect(f"{address}&sslrootcert={files.ca}")
    assert await connection.fetchval("select 6 * 7") == 42
    view = connection._transport.get_extra_info("ssl_object")
    assert isinstance(view, aiotls.ssl.SSLObject) == (injected == OURS)
    await connection.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(f"{address}&sslrootcert={files.stranger}")


# -- Redis -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_port(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with services.redis_server(files, tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.mark.asyncio
async def test_redis_asyncio(injected: str, files: Files, redis_port: int) -> None:
    redis = pytest.importorskip("redis.asyncio")
    client = redis.Redis(host="localhost", port=redis_port, ssl=True, ssl_ca_certs=files.ca)
    blob = bytes(range(256)) * 1024
    await client.set("key", blob)
    assert await client.get("key") == blob
    async with client.pipeline() as pipeline:
        for number in range(100):
            pipeline.rpush("list", number)
        await pipeline.execute()
    assert await client.llen("list") == 100
    await client.delete("key", "list")
    await client.aclose()


def test_redis_blocking(injected: str, files: Files, redis_port: int) -> None:
    redis = pytest.importorskip("redis")
    client = redis.Redis(
        host="localhost",
        port=redis_port,
        ssl=True,
        ssl_ca_certs=files.ca,
        ssl_certfile=files.client,
        ssl_keyfile=files.client,
        ssl_check_hostname=True,
    )
    client.set("key", b"value")
    assert client.get("key") == b"value"
    client.close()


# -- mail ------------------------------------------------------------------------------------------


class Keep:
    """Keeps the messages that were sent."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(envelope.content)
        return "250 OK"


@pytest.fixture
def smtp(pairing: tuple[str, str], files: Files) -> Iterator[tuple[int, Keep]]:
    """aiosmtpd, which asks for STARTTLS."""
    controllers = pytest.importorskip("aiosmtpd.controller")
    keep = Keep()

    controller = controllers.Controller(
        keep,
        hostname="127.0.0.1",
        port=services.free_port(),
        tls_context=server_context(pairing[1], files),
        require_starttls=True,
    )
    controller.start()
    try:
        yield controller.port, keep
    finally:
        controller.stop()


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_aiosmtplib_starttls(
    pairing: tuple[str, str], files: Files, smtp: tuple[int, Keep]
) -> None:
    aiosmtplib = pytest.importorskip("aiosmtplib")
    port, keep = smtp
    text = "Subject: hello\r\n\r\n" + "x" * 70 + "\r\n"
    client = aiosmtplib.SMTP(
        hostname="localhost",
        port=port,
        tls_context=client_context(pairing[0], files),
        start_tls=True,
        timeout=20,
    )
    async with client:
        await client.sendmail("a@example.com", ["b@example.com"], text)
    assert keep.messages == [text.encode()]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_smtplib_starttls(pairing: tuple[str, str], files: Files, smtp: tuple[int, Keep]) -> None:
    port, keep = smtp
    with smtplib.SMTP("localhost", port, timeout=20) as client:
        client.starttls(context=client_context(pairing[0], files))
        client.sendmail("a@example.com", ["b@example.com"], "Subject: hi\r\n\r\nhi\r\n")
    assert len(keep.messages) == 1


def test_imaplib(pairing: tuple[str, str], files: Files) -> None:
    """imaplib reads through makefile()."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = server_context(pairing[1], files)

    def serve() -> None:
        sock, _ = listener.accept()
        with context.wrap_socket(sock, server_side=True) as secure, secure.makefile("rwb") as file:
            file.write(b"* OK ready\r\n")
            file.flush()
            while line := file.readline():
                tag, command = line.split()[:2]
                if command == b"CAPABILITY":
                    file.write(b"* CAPABILITY IMAP4REV1\r\n")
                if command == b"LOGOUT":
                    file.write(b"* BYE\r\n")
                file.write(tag + b" OK done\r\n")
                file.flush()
                if command == b"LOGOUT":
                    break

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    client = imaplib.IMAP4_SSL(
        "localhost", port, ssl_context=client_context(pairing[0], files), timeout=20
    )
    assert client.noop()[0] == "OK"
    client.logout()
    thread.join()
    listener.close()
