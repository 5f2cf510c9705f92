"""What rustls does: as a server, inside granian."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aiotls
from aiotls.enums import ProtocolVersion

from .. import ours
from ..bench import LINE, Bench
from ..peer import (
    HOST,
    Server,
    listening_process,
)
from .boringssl import one_line

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
        options: tuple[str | Path, ...] = (
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "1"),
            *("--host", HOST, "--port", str(port), "--http", "1", "--working-dir"),
            bench.directory,
            "--ssl-certificate",
            credentials.chain,
            "--ssl-keyfile",
            credentials.key,
            *more,
            "application:app",
        )
        return list(options)

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


async def sends_an_encrypted_hello(bench: Bench) -> None:
    peer: Any = bench.peer
    keys = aiotls.ECHKeys.generate("front.example")
    async with ours.serve(bench.server(ech_keys=keys)) as server:
        await asyncio.to_thread(one_line, peer, server.port, bench, keys.config_list)
    assert [tls["ech"] for tls in server.connections] == [True]


async def is_told_our_newer_keys(bench: Bench) -> None:
    """Its exception shows the retry configs as it has parsed them."""
    peer: Any = bench.peer
    old, keys = (aiotls.ECHKeys.generate("localhost") for _ in range(2))
    async with ours.serve(bench.server(ech_keys=keys)) as server:
        with pytest.raises(OSError, match="ServerRejectedEncryptedClientHello") as caught:
            await asyncio.to_thread(one_line, peer, server.port, bench, old.config_list)
    assert f"config_id: {keys.keys[0].config.config_id}," in str(caught.value)
    assert keys.keys[0].config.public_key.hex() in str(caught.value)
