"""``connect --ech``: the name is encrypted, or the connection is not made."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aiotls import ECHKeys, Identity, ServerConfig, start_server

from .conftest import Files, Run

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

KEYS = ECHKeys.generate("localhost")


@pytest_asyncio.fixture
async def port(files: Files) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    config = ServerConfig(identity=Identity.from_files(files.cert, files.key), ech_keys=KEYS)
    server = await start_server(handle, "127.0.0.1", 0, ssl=config)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("form", ["text", "file", "pem"])
async def test_the_hello_is_encrypted(
    aiotls: Run, files: Files, port: int, tmp_path: Path, form: str
) -> None:
    text = base64.b64encode(KEYS.config_list).decode()
    if form != "text":
        path = tmp_path / "ech"
        path.write_bytes(KEYS.to_pem() if form == "pem" else text.encode())
        text = str(path)
    target = ("connect", f"localhost:{port}", "--cafile", files.ca, "--ech", text)
    done = await asyncio.to_thread(aiotls, *target)
    assert done.returncode == 0, done.stderr
    assert "ClientHello encrypted" in done.stderr
    told = json.loads((await asyncio.to_thread(aiotls, *target, "--json")).stdout)
    assert told["ech"] is True


async def test_a_server_with_another_key_is_not_talked_to(
    aiotls: Run, files: Files, port: int
) -> None:
    other = base64.b64encode(ECHKeys.generate("localhost").config_list).decode()
    done = await asyncio.to_thread(
        aiotls, "connect", f"localhost:{port}", "--cafile", files.ca, "--ech", other
    )
    assert done.returncode == 1
    assert "did not decrypt the ClientHello" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["no base64!", "AAAA"])
async def test_what_is_no_list(aiotls: Run, text: str) -> None:
    done = await asyncio.to_thread(aiotls, "connect", "localhost:1", "--ech", text)
    assert done.returncode == 2
    assert "ECHConfigList" in done.stderr
    assert "Traceback" not in done.stderr
