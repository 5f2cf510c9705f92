"""What rustls does: as a server, inside granian."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiotls.enums import ProtocolVersion

from .. import ours
from ..bench import LINE, Bench
from ..peer import (
    HOST,
    Server,
    listening_process,
)

APPLICATION = b"""
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


@contextlib.contextmanager
def granian(bench: Bench, *more: str) -> Iterator[Server]:
    """The server granian, whose TLS is that of rustls."""
    pytest.importorskip("granian", reason="the package granian is not installed")
    bench.file("application.py", APPLICATION)
    credentials = bench.pki.server()

    def command(port: int) -> list[str | Path]:
        return [
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1"),
            *("--host", HOST, "--port", str(port), "--http", "1", "--working-dir"),
            *(bench.directory, "--ssl-certificate", credentials.chain),
            *("--ssl-keyfile", credentials.key, *more, "application:app"),
        ]

    with listening_process(command) as server:
        yield server


async def _resumes(bench: Bench, *more: str, version: str) -> None:
    with granian(bench, *more) as server:
        config = bench.client(max_version=VERSIONS[version])
        for turn in range(2):
            data, tls = await ours.fetch(server.port, config, LINE, http=True)
            assert data == LINE
            assert tls["version"] == version
            assert tls["resumed"] == bool(turn)


VERSIONS = {version.title: version for version in ProtocolVersion}


async def resumes_tls13(bench: Bench) -> None:
    await _resumes(bench, version="TLS 1.3")


async def resumes_tls12(bench: Bench) -> None:
    await _resumes(bench, "--ssl-protocol-min", "tls1.2", version="TLS 1.2")
