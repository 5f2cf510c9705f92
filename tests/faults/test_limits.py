"""No more file descriptors, full buffers, and an event loop that ends in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import hashlib
import os
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import aiotls
import aiotls.ssl
from aiotls import ClientConfig, Identity, ServerConfig, TrustStore
from aiotls.errors import UsageError
from aiotls.keylog import KeyLogFile
from tests import certificates
from tests.asyncio_face.peers import HOST, Recorder, echo, port_of, until
from tests.faults.conftest import descriptors, ours

Settled = Callable[[], Awaitable[None]]


# -- file descriptors ------------------------------------------------------------------------------


@contextlib.contextmanager
def no_more_files(spare: int) -> Iterator[list[int]]:
    """This process can open *spare* files and not one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    # Low enough that all can be taken, above what any event loop may have open now.
    limit = max(map(int, os.listdir("/dev/fd"))) + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(spare):
            os.close(taken.pop())
        yield taken
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.asyncio
async def test_a_client_without_file_descriptors(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    server = await aiotls.start_server(echo, HOST, 0, ssl=server_config)
    with no_more_files(0):
        for _ in range(10):
            with pytest.raises(OSError, match="Too many open files") as caught:
                await aiotls.open_connection(
                    HOST, port_of(server), ssl=client_config, server_hostname="localhost"
                )
            assert caught.value.errno == errno.EMFILE
            del caught
    await _works(client_config, port_of(server))
    server.close()
    await nothing_left()


@pytest.mark.asyncio
async def test_a_server_without_file_descriptors(
    client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """It turns away or lets wait whom it cannot accept, and goes on when it can."""
    server = await aiotls.start_server(echo, HOST, 0, ssl=server_config)
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda *_: None)  # asyncio's own words on its accept()
    with no_more_files(1):
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (HOST, port_of(server)))
            await asyncio.sleep(0.05)
            sock.send(b"\x16\x03\x01")
    await _works(client_config, port_of(server))
    loop.set_exception_handler(handler)
    server.close()
    await nothing_left()


@pytest.mark.parametrize("kind", ["bundle", "directory"])
def test_authorities_that_could_not_be_read_are_not_forgotten(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's store is made once: half of it would be half of it for good."""
    issued = [certificates.authority(name) for name in ("one", "two")]
    if kind == "bundle":
        path = tmp_path / "ca.pem"
        path.write_bytes(b"".join(one.pem for one in issued))
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    else:
        for number, one in enumerate(issued):
            (tmp_path / f"0123456{number}.0").write_bytes(one.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    for spare in (0, 1):  # one is enough to list a directory, and then to read what is in it
        with no_more_files(spare):
            error = _refusal(lambda: TrustStore.system())
        assert (error is None) == bool(spare), error
        if error is not None:
            assert isinstance(error, OSError)
            assert error.errno == errno.EMFILE
    assert len(TrustStore.system()) == 2


@pytest.mark.parametrize("what", ["identity", "authorities", "directory", "key log"])
def test_files_that_cannot_be_opened_now(what: str, tmp_path: Path) -> None:
    """The error has its errno, by which a caller tells a shortage from a file that is wrong."""
    path = tmp_path / "both.pem"
    path.write_bytes(certificates.leaf("localhost").pem)
    calls: dict[str, Callable[[], object]] = {
        "identity": lambda: Identity.from_files(path),
        "authorities": lambda: TrustStore.from_files(path),
        "directory": lambda: TrustStore.from_files(capath=tmp_path),
        "key log": lambda: KeyLogFile(tmp_path / "keys"),
    }
    with no_more_files(0):
        error = _refusal(calls[what])
    assert isinstance(error, UsageError)
    assert error.errno == errno.EMFILE
    assert "Too many open files" in str(error)


def test_a_context_reads_its_directories_again_after_a_shortage(tmp_path: Path) -> None:
    """They are read in a first handshake, and what was found is kept."""
    root = certificates.authority()
    bundle = tmp_path / "server.pem"
    bundle.write_bytes(certificates.leaf("localhost").chain_pem)
    directory = tmp_path / "authorities"
    directory.mkdir()
    (directory / f"{_name_hash(root.certificate):08x}.0").write_bytes(root.pem)
    server = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(bundle)
    client = aiotls.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(capath=directory)
    other = aiotls.ssl.create_default_context(cadata=root.pem.decode())
    _shake_hands(other, server)  # which has the interpreter load all that it does when first asked
    with no_more_files(0):
        error = _refusal(lambda: _shake_hands(client, server))
    assert isinstance(error, OSError)
    assert error.errno == errno.EMFILE
    assert str(directory) in str(error)
    _shake_hands(client, server)


def _name_hash(certificate: x509.Certificate) -> int:
    """X509_NAME_hash_ex(3): SHA-1 of the name's canonical form, here of one lower-case UTF8String,
    without the SEQUENCE around all of it.
    """
    name = x509.Name(
        [
            x509.NameAttribute(one.oid, " ".join(str(one.value).lower().split()))
            for one in certificate.subject
        ]
    )
    encoded = name.public_bytes()
    assert encoded[1] < 0x80
    return int.from_bytes(hashlib.sha1(encoded[2:]).digest()[:4], "little")


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(down, up, server_hostname="localhost"),
        server.wrap_bio(up, down, server_side=True),
    )
    for _ in range(3):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert sides[0].version() == "TLSv1.3"


def _refusal(call: Callable[[], object]) -> Exception | None:
    """What *call* raises: pytest.raises would need files of its own."""
    try:
        call()
    except Exception as error:
        return error
    return None


async def _works(config: ClientConfig, port: int) -> None:
    reader, writer = await aiotls.open_connection(
        HOST, port, ssl=config, server_hostname="localhost"
    )
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    writer.close()
    await writer.wait_closed()


# -- full buffers ----------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["close", "abort", "write_eof", "cancel", "reset"])
async def test_a_peer_that_takes_nothing(
    end: str, client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    """What cannot leave does not keep the connection alive."""
    peers: list[Any] = []

    def deaf() -> Recorder:
        peer = Recorder()
        peers.append(peer)
        return peer

    server = await aiotls.create_server(deaf, HOST, 0, ssl=server_config, ssl_shutdown_timeout=0.05)
    reader, writer = await aiotls.open_connection(
        HOST,
        port_of(server),
        ssl=client_config,
        server_hostname="localhost",
        ssl_shutdown_timeout=0.05,
    )
    await until(lambda: peers and "made" in peers[0].events)
    peers[0].transport.pause_reading()
    transport: Any = writer.transport
    while transport.get_write_buffer_size() < 1 << 20:
        writer.write(bytes(1 << 18))
        await asyncio.sleep(0)
    waiting = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    if end == "cancel":
        waiting.cancel()
        writer.close()
    elif end == "reset":
        peers[0].transport.abort()
    else:
        getattr(transport, end)()
        if end == "write_eof":
            writer.close()
    await asyncio.wait([waiting])
    if not waiting.cancelled():
        waiting.exception()  # whether drain() fails or returns is asyncio's to say
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    for peer in peers:
        peer.transport.abort()
        await peer.lost
    with contextlib.suppress(OSError):
        await reader.read()
    server.close()
    peers.clear()
    del reader, writer, transport, waiting, peer
    await nothing_left()


# -- an upgrade that is cancelled, on the server's side --------------------------------------------


@pytest.mark.asyncio
@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["start_tls", "connect_accepted_socket"])
async def test_a_server_s_upgrade_may_be_cancelled_anywhere(
    way: str, client_config: ClientConfig, server_config: ServerConfig, nothing_left: Settled
) -> None:
    finished = False
    for turns in range(1, 200):
        finished = await _cancelled_upgrade(turns, way, client_config, server_config)
        if finished and turns > 3:
            break
    assert finished
    await nothing_left()


async def _cancelled_upgrade(
    turns: int, way: str, client_config: ClientConfig, server_config: ServerConfig
) -> bool:
    """Whether it was done before it was cancelled."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    writer = None
    if way == "start_tls":
        _, writer = await asyncio.open_connection(sock=here)

    async def upgrade() -> None:
        if writer is None:
            transport, _ = await aiotls.connect_accepted_socket(
                Recorder, here, ssl=server_config, ssl_shutdown_timeout=0.05
            )
            transport.abort()
            return
        try:
            await aiotls.start_tls(
                writer, server_config, server_side=True, ssl_shutdown_timeout=0.05
            )
        finally:
            writer.transport.abort()

    task = loop.create_task(upgrade())
    client = loop.create_task(
        aiotls.create_connection(
            Recorder,
            sock=there,
            ssl=client_config,
            server_hostname="localhost",
            ssl_shutdown_timeout=0.05,
        )
    )
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0.0005 if turns > 40 else 0)
    finished = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, OSError):
        await task
    with contextlib.suppress(OSError):
        transport, _ = await asyncio.wait_for(client, 20)
        transport.abort()
    return finished


# -- the end of the loop ---------------------------------------------------------------------------


def _loops() -> dict[str, Any]:
    factories: dict[str, Any] = {"asyncio": asyncio.SelectorEventLoop}
    try:
        import uvloop
    except ImportError:
        return factories
    return {**factories, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("loop", _loops())
@pytest.mark.parametrize("hooks", [False, True], ids=["no hooks", "hooks"])
def test_a_loop_that_ends_in_the_middle_of_handshakes(
    loop: str, hooks: bool, client_config: ClientConfig, server_config: ServerConfig
) -> None:
    """asyncio.run() cancels what still runs; nothing of ours is left over from that."""
    begun: list[int] = []

    async def slowly(*_: Any) -> None:
        begun.append(1)
        await asyncio.sleep(3600)

    if hooks:
        client_config = client_config.replace(verify=slowly)

    async def client(port: int) -> None:
        await aiotls.open_connection(HOST, port, ssl=client_config, server_hostname="localhost")

    async def main() -> None:
        def silent() -> Any:
            begun.append(1)
            return asyncio.Protocol()

        if hooks:  # the server answers, and the client's hook takes its time
            server = await aiotls.create_server(Recorder, HOST, 0, ssl=server_config)
        else:
            server = await asyncio.get_running_loop().create_server(silent, HOST, 0)
        tasks = [asyncio.ensure_future(client(port_of(server))) for _ in range(5)]
        await until(lambda: len(begun) == 5)
        server.close()
        assert not any(task.done() for task in tasks)

    with asyncio.Runner(loop_factory=_loops()[loop]) as runner:
        runner.run(asyncio.sleep(0))  # libuv opens files of its own with its first loop
    before, files = len(ours()), descriptors()
    complaints: list[Any] = []
    with asyncio.Runner(loop_factory=_loops()[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(main())
        runner.run(asyncio.sleep(0.1))
    del runner
    gc.collect()
    assert not complaints
    assert len(ours()) <= before
    assert descriptors() <= files
