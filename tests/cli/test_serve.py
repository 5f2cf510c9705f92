"""serve: in front of another server, and with certificates that change while it runs; check."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import aiotls as package
from aiotls.cli.authority import Authority

from .conftest import Files, Run, Served, environment

Serve = Callable[..., Served]


def get(path: str) -> bytes:
    return Path(path).read_bytes()


def put(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)


def test_a_proxy_carries_bytes_both_ways(aiotls: Run, serve: Serve, files: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:

        def answer() -> None:
            connection, _ = backend.accept()
            with connection:
                data = b""
                while chunk := connection.recv(65536):
                    data += chunk
                connection.sendall(data.upper())

        thread = threading.Thread(target=answer)
        thread.start()
        served = serve("--proxy", f"127.0.0.1:{backend.getsockname()[1]}")
        done = aiotls(
            *("connect", f"localhost:{served.port}", "--cafile", files.ca, "--linger", "0.3"),
            given="to the backend",
        )
        thread.join()
    assert done.stdout == "TO THE BACKEND"
    assert served.stop()[0] == 0


def test_a_backend_that_is_not_there_costs_a_line(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--proxy", "127.0.0.1:1")
    done = aiotls(
        *("connect", f"localhost:{served.port}", "--cafile", files.ca, "--linger", "0.3"),
        given="anyone?",
    )
    code, said = served.stop()
    assert code == 0
    assert "the backend cannot be reached" in said
    assert done.returncode == 1  # an end in order would look like an empty answer
    assert "Traceback" not in said


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX signals")
@pytest.mark.asyncio
async def test_certificates_change_and_connections_stay(serve: Serve, files: Files) -> None:
    served = await asyncio.to_thread(serve, "--echo")
    other = Authority.create("another CA")
    issued = other.issue("localhost")
    config = package.ClientConfig(trust=files.authority.trust(), session_cache=None)
    before = [get(files.cert), get(files.key)]
    reader, writer = await package.open_connection("localhost", served.port, ssl=config)
    try:
        put(files.cert, issued.chain_pem)
        put(files.key, issued.key_pem)
        served.process.send_signal(signal.SIGHUP)
        trusting = config.replace(trust=other.trust())
        for _ in range(50):
            try:
                _, second = await package.open_connection("localhost", served.port, ssl=trusting)
            except package.CertificateError:
                await asyncio.sleep(0.1)
            else:
                break
        else:
            pytest.fail("the new certificate is never shown")
        second.close()
        put(files.key, b"damaged")
        served.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.3)
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
    finally:
        put(files.cert, before[0])
        put(files.key, before[1])
        writer.close()
    code, said = await asyncio.to_thread(served.stop)
    assert code == 0
    assert "certificates reloaded" in said
    assert "not reloaded" in said


def test_check_tells_what_a_server_offers(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo")
    target = ("check", f"localhost:{served.port}")
    done = aiotls(*target, "--cafile", files.ca)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("TLS 1.3, TLS 1.2", "X25519MLKEM768", "sessions are resumed", "ECDSA"):
        assert said in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    done = aiotls(*target, "--json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert told["findings"][0]["topic"] == "certificate"
    assert told["findings"][0]["grade"] == "bad"


def test_check_of_what_speaks_no_tls(aiotls: Run) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)

        def refuse() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.sendall(b"220 mail.example ready\r\n")
                    time.sleep(0.05)

        thread = threading.Thread(target=refuse)
        thread.start()
        done = aiotls("check", f"localhost:{listener.getsockname()[1]}")
        stop.set()
        thread.join()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert os.linesep in done.stderr


def abrupt_backend(hears: bytes, says: bytes) -> tuple[socket.socket, threading.Thread]:
    """A server that answers *hears* with *says*, and then resets the connection."""
    backend = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = backend.accept()
        with connection:
            data = b""
            while len(data) < len(hears):
                data += connection.recv(65536)
            connection.sendall(says)
            connection.recv(1)  # the client has it, and says so
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    thread = threading.Thread(target=answer)
    thread.start()
    return backend, thread


@pytest.mark.asyncio
async def test_what_a_backend_cuts_off_does_not_look_complete(serve: Serve, files: Files) -> None:
    """No close_notify goes out for an answer that the backend has not ended (RFC 8446, 6.1)."""
    backend, thread = abrupt_backend(b"question", b"half of the ans")
    with backend:
        served = await asyncio.to_thread(serve, "--proxy", f"127.0.0.1:{backend.getsockname()[1]}")
        config = package.ClientConfig(trust=files.authority.trust())
        reader, writer = await package.open_connection("localhost", served.port, ssl=config)
        writer.write(b"question")
        assert await reader.readexactly(15) == b"half of the ans"
        writer.write(b"?")
        with pytest.raises((package.Truncated, ConnectionResetError)):
            await reader.read()
        writer.close()
        await asyncio.to_thread(thread.join)
    code, said = await asyncio.to_thread(served.stop)
    assert code == 0
    assert "ended: " in said
    assert "Traceback" not in said


@pytest.mark.asyncio
async def test_what_a_client_cuts_off_does_not_look_complete(serve: Serve, files: Files) -> None:
    heard: list[BaseException | bytes] = []
    came = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as backend:

        def listen() -> None:
            connection, _ = backend.accept()
            with connection:
                connection.settimeout(40)
                try:
                    while data := connection.recv(65536):
                        heard.append(data)
                        came.set()
                    heard.append(b"")
                except OSError as error:
                    heard.append(error)

        thread = threading.Thread(target=listen)
        thread.start()
        served = await asyncio.to_thread(serve, "--proxy", f"127.0.0.1:{backend.getsockname()[1]}")
        config = package.ClientConfig(trust=files.authority.trust())
        with socket.create_connection(("127.0.0.1", served.port)) as raw:
            raw.setblocking(False)
            connection = package.TLSConnection(config, "localhost")
            await package.do_handshake(connection, raw)
            connection.write(b"half of a quest")
            raw.sendall(connection.data_to_send())
            assert await asyncio.to_thread(came.wait, 40)
        await asyncio.to_thread(thread.join)
    assert heard[0] == b"half of a quest"
    assert isinstance(heard[-1], ConnectionResetError), heard
    assert (await asyncio.to_thread(served.stop))[0] == 0


def test_a_development_certificate_says_each_time_how_to_trust_it(
    aiotls: Run, tmp_path: Path
) -> None:
    for made in (True, False):
        with subprocess.Popen(
            [sys.executable, "-m", "aiotls", "serve", "--cert", "auto", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path)),
        ) as process:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("serving "):
                    break
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=50) == 0
        assert ("made a development authority" in said[0]) == made
        pem = tmp_path / "aiotls" / "ca.pem"
        assert any(f"SSL_CERT_FILE={pem}" in line for line in said)
        assert any("update-ca-certificates" in line for line in said) == made
