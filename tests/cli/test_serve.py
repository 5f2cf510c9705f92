"""serve: in front of another server, and with certificates that change while it runs; check."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import aiotls as package
from aiotls.cli.authority import Authority

from .conftest import Files, Run, Served

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
    aiotls(
        *("connect", f"localhost:{served.port}", "--cafile", files.ca, "--linger", "0.3"),
        given="anyone?",
    )
    code, said = served.stop()
    assert code == 0
    assert "the backend cannot be reached" in said
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
