"""Databases and mail: PostgreSQL, Redis and SMTP servers of others, over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import importlib
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import aiotls
import aiotls.ssl
from tests import certificates
from tests.unit.test_revocation import revocation_list

from . import services
from .engines import CONTROL, OURS, Files, client_context, server_context

pytestmark = pytest.mark.interop


EARLY_BIRD = """
import functools
import ssl

context = ssl.create_default_context()


class Pool:
    context = ssl.create_default_context()

    def __init__(self, other=ssl.create_default_context()):
        self.other = other

    @staticmethod
    def made(other=ssl.create_default_context()):
        return other


def connect(*, context=ssl.create_default_context()):
    return context


prepared = functools.partial(connect, context=ssl.create_default_context())
hidden = [ssl.create_default_context()]
"""


def test_injecting_too_late_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And where that is an error, nothing has changed."""
    (tmp_path / "early_bird.py").write_text(EARLY_BIRD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "early_bird", importlib.import_module("early_bird"))
    with pytest.raises(RuntimeWarning, match=r"made already: .*[1-9]\d* elsewhere") as caught:
        aiotls.ssl.inject()
    for place in (
        *("context", "Pool.context", "Pool.__init__()", "Pool.made()", "connect()", "prepared()"),
    ):
        assert f"early_bird.{place}" in str(caught.value)
    assert type(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) is ssl.SSLContext


def test_heirs_are_named() -> None:
    """Of a class that inherits from ssl.SSLContext, contexts are what it makes of them."""
    program = """
import ssl, warnings, aiotls.ssl

class Heir(ssl.SSLContext):
    pass

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    kept = Heir(ssl.PROTOCOL_TLS_CLIENT) if %r else None
    aiotls.ssl.inject()
print(*[str(warning.message) for warning in caught], sep="\\n")
assert not isinstance(Heir(ssl.PROTOCOL_TLS_CLIENT), aiotls.ssl.SSLContext)
"""
    repository = Path(aiotls.__file__).parents[1]
    for kept in (True, False):
        command = [sys.executable, "-c", program % kept]
        output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=repository)
        lines = output.stdout.strip().split("\n")
        assert len(lines) == 1 + kept
        assert lines[-1].endswith("stay as they are: __main__.Heir.")
        assert not kept or "__main__.kept" in lines[0]


def test_injecting_in_time_says_nothing() -> None:
    """What a program has made and dropped before is no one's."""
    program = (
        "import ssl, aiotls.ssl; ssl.create_default_context(); aiotls.ssl.inject();"
        "print(type(ssl.create_default_context()).__module__)"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    repository = Path(aiotls.__file__).parents[1]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=repository)
    assert output.stdout.startswith("aiotls.ssl")


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


@pytest.mark.asyncio
async def test_asyncpg_checks_for_revocation(
    injected: str,
    files: Files,
    postgresql: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``sslcrl``, and the keys in a log."""
    asyncpg = pytest.importorskip("asyncpg")
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    issuer = certificates.authority()
    server = certificates.leaf("localhost", "127.0.0.1", purposes=(certificates.SERVER,))
    address = (
        f"postgresql://tester@localhost:{postgresql}/postgres?sslmode=verify-full"
        f"&sslrootcert={files.ca}&sslcrl={tmp_path / 'crl'}"
    )
    (tmp_path / "crl").write_bytes(revocation_list(issuer).public_bytes(Encoding.PEM))
    connection = await asyncpg.connect(address)
    await connection.close()
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()
    (tmp_path / "crl").write_bytes(revocation_list(issuer, server).public_bytes(Encoding.PEM))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        await asyncpg.connect(address)


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


# -- MariaDB ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mariadb(files: Files) -> Iterator[int]:
    with services.mariadb(files) as port:
        yield port


@pytest.mark.asyncio
async def test_aiomysql(engine: str, files: Files, mariadb: int) -> None:
    """The client takes its socket out of a transport in mid-protocol, and begins TLS on it."""
    aiomysql = pytest.importorskip("aiomysql")
    connection = await aiomysql.connect(
        host="localhost", port=mariadb, user="root", ssl=client_context(engine, files)
    )
    async with connection.cursor() as cursor:
        await cursor.execute("show session status like 'Ssl_version'")
        assert await cursor.fetchone() == ("Ssl_version", "TLSv1.3")
        text = "x" * 4_000_000
        await cursor.execute("select %s", (text,))
        assert await cursor.fetchone() == (text,)
    await connection.ensure_closed()


@pytest.mark.asyncio
async def test_aiomysql_refuses_a_stranger(engine: str, files: Files, mariadb: int) -> None:
    aiomysql = pytest.importorskip("aiomysql")
    context = client_context(engine, files, cafile=files.stranger)
    with pytest.raises(aiomysql.OperationalError) as caught:
        await aiomysql.connect(host="localhost", port=mariadb, user="root", ssl=context)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


# -- MongoDB ---------------------------------------------------------------------------------------


class Mongo(threading.Thread):
    """As much of MongoDB as its client needs for a ping: answers in OP_MSG, by the wire protocol.

    There is no server in Debian.
    """

    def __init__(self, context: Any) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.commands: list[str] = []
        self._context = context
        self._sockets: list[socket.socket] = []

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=[sock], daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        bson = importlib.import_module("bson")
        with (
            contextlib.suppress(OSError, ValueError),
            self._context.wrap_socket(sock, server_side=True) as secure,
            secure.makefile("rwb") as file,
        ):
            self._sockets.append(secure)
            while header := file.read(16):
                length, request, _, operation = struct.unpack("<iiii", header)
                body = file.read(length - 16)
                old = operation == 2004  # OP_QUERY, which a client begins with
                document = body[body.index(b"\0", 4) + 9 :] if old else body[5:]
                command = next(iter(bson.decode_all(document)[0]))
                self.commands.append(command.lower())
                answer = bson.encode(self._answer())
                kind, head = (1, struct.pack("<iqii", 8, 0, 0, 1)) if old else (2013, bytes(5))
                message = head + answer
                file.write(struct.pack("<iiii", 16 + len(message), 0, request, kind) + message)
                file.flush()

    def _answer(self) -> dict[str, Any]:
        return {
            "ok": 1.0,
            "ismaster": True,
            "helloOk": True,
            "maxBsonObjectSize": 16777216,
            "maxMessageSizeBytes": 48000000,
            "maxWriteBatchSize": 100000,
            "minWireVersion": 0,
            "maxWireVersion": 21,
            "readOnly": False,
        }

    def stop(self) -> None:
        self.listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def mongo(files: Files) -> Iterator[Mongo]:
    server = Mongo(server_context(CONTROL, files))
    server.start()
    yield server
    server.stop()


def test_pymongo(injected: str, files: Files, mongo: Mongo) -> None:
    """It makes its own context, and asks what kind of socket it has."""
    pymongo = pytest.importorskip("pymongo")
    with pymongo.MongoClient(
        "localhost", mongo.port, tls=True, tlsCAFile=files.ca, serverSelectionTimeoutMS=20_000
    ) as client:
        assert client.admin.command("ping")["ok"] == 1.0
    assert "ping" in mongo.commands


def test_pymongo_refuses_a_stranger(injected: str, files: Files, mongo: Mongo) -> None:
    pymongo = pytest.importorskip("pymongo")
    with (
        pymongo.MongoClient(
            "localhost",
            mongo.port,
            tls=True,
            tlsCAFile=files.stranger,
            serverSelectionTimeoutMS=1_000,
        ) as client,
        pytest.raises(pymongo.errors.ServerSelectionTimeoutError, match="certificate verify"),
    ):
        client.admin.command("ping")


@pytest.mark.asyncio
async def test_pymongo_asyncio(injected: str, files: Files, mongo: Mongo) -> None:
    pymongo = pytest.importorskip("pymongo")
    async with pymongo.AsyncMongoClient(
        "localhost", mongo.port, tls=True, tlsCAFile=files.ca, serverSelectionTimeoutMS=20_000
    ) as client:
        assert (await client.admin.command("ping"))["ok"] == 1.0


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


@pytest.fixture(scope="module")
def imaps(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with services.dovecot(files, tmp_path_factory.mktemp("dovecot")) as port:
        yield port


LETTER = b"Subject: hello\r\n\r\n" + b"y" * 70_000 + b"\r\n"


@pytest.mark.asyncio
async def test_aioimaplib(engine: str, files: Files, imaps: int) -> None:
    aioimaplib = pytest.importorskip("aioimaplib")
    client = aioimaplib.IMAP4_SSL("localhost", imaps, ssl_context=client_context(engine, files))
    await client.wait_hello_from_server()
    await client.login("someone", "secret")
    assert (await client.select()).result == "OK"
    assert (await client.append(LETTER)).result == "OK"
    response = await client.fetch("1", "(BODY[])")
    assert LETTER in [bytes(line) for line in response.lines]
    await client.store("1", "+FLAGS", "(\\Deleted)")
    await client.expunge()
    await client.logout()


@pytest.mark.asyncio
async def test_aioimaplib_refuses_a_stranger(engine: str, files: Files, imaps: int) -> None:
    """It connects in a task of its own, which ends with what the handshake raised."""
    aioimaplib = pytest.importorskip("aioimaplib")
    context = client_context(engine, files, cafile=files.stranger)
    client = aioimaplib.IMAP4_SSL("localhost", imaps, ssl_context=context)
    with pytest.raises(ssl.SSLCertVerificationError, match="CERTIFICATE_VERIFY_FAILED"):
        async with asyncio.timeout(20):
            await asyncio.shield(client._client_task)


def test_imaplib_with_dovecot(engine: str, files: Files, imaps: int) -> None:
    client = imaplib.IMAP4_SSL(
        "localhost", imaps, ssl_context=client_context(engine, files), timeout=20
    )
    client.login("another", "secret")
    client.select()
    client.append("INBOX", "", None, LETTER)
    assert client.fetch("1", "(BODY[])")[1][0][1] == LETTER  # type: ignore[index]
    client.store("1", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()
