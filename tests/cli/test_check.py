"""``aiotls check``: what it finds out of 0-RTT and of Encrypted Client Hello."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiotls import ClientAuth, ECHKeys, Identity, MemoryReplayGuard, ServerConfig, start_server
from aiotls.enums import ProtocolVersion

from .conftest import Files, Run

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

KEYS = ECHKeys.generate("localhost")


@contextlib.asynccontextmanager
async def serving(files: Files, **options: Any) -> AsyncIterator[str]:
    """A server that waits for the client to go; gives its address."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    config = ServerConfig(identity=Identity.from_files(files.cert, files.key), **options)
    server = await start_server(handle, "127.0.0.1", 0, ssl=config)
    try:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def found(aiotls: Run, files: Files, target: str, *more: str) -> dict[str, tuple[str, str]]:
    """The findings by their topics: the grade, and the text."""
    done = await asyncio.to_thread(aiotls, "check", target, "--cafile", files.ca, "--json", *more)
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] == all(finding["grade"] != "bad" for finding in told["findings"])
    assert done.returncode == (0 if told["ok"] else 1)
    return {f["topic"]: (f["grade"], f["text"]) for f in told["findings"]}


async def test_a_ticket_allows_early_data(aiotls: Run, files: Files) -> None:
    options = {"max_early_data": 1234, "replay_guard": MemoryReplayGuard()}
    async with serving(files, **options) as target:
        findings = await found(aiotls, files, target)
        assert findings["0-RTT"] == ("note", "its tickets allow 1234 bytes of early data")
        done = await asyncio.to_thread(aiotls, "check", target, "--cafile", files.ca)
    assert "note 0-RTT" in done.stdout
    assert "can send it again" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("version", [ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3])
async def test_a_server_wants_a_client_certificate(
    aiotls: Run, files: Files, version: ProtocolVersion
) -> None:
    """Without one its handshakes fail, but only after all that is looked for was agreed on."""
    options: dict[str, Any] = {"client_auth": ClientAuth.REQUIRED, "trust": files.authority.trust()}
    async with serving(files, max_version=version, **options) as target:
        without = await found(aiotls, files, target)
        given = await found(aiotls, files, target, "--cert", files.client)
        refused = await asyncio.to_thread(aiotls, "check", target, "--json")
    assert without["client"] == (
        "note",
        "the server asks for a client certificate, and none was given",
    )
    assert given["client"] == ("good", "the server asks for a client certificate")
    newest = version is ProtocolVersion.TLSv1_3
    for findings in (without, given):
        assert findings["certificate"][0] != "bad"
        assert findings["certificate"][1].startswith("verified")
        assert findings["versions"][1] == ("TLS 1.3, TLS 1.2" if newest else "TLS 1.2 only")
        assert "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" in findings["TLS 1.2"][1]
        assert "ECDSA" in findings["signatures"][1]
    assert given["resumption"] == ("good", "sessions are resumed")
    assert refused.returncode == 3  # who it is remains unknown, whatever it asks for
    assert "--cafile ca.pem" in refused.stdout


async def test_a_ticket_allows_none(aiotls: Run, files: Files) -> None:
    async with serving(files) as target:
        findings = await found(aiotls, files, target)
    assert findings["0-RTT"] == ("good", "not offered: its tickets allow no early data")


async def test_no_ticket_comes(aiotls: Run, files: Files) -> None:
    async with serving(files, tickets=0) as target:
        findings = await found(aiotls, files, target)
    assert findings["0-RTT"] == ("good", "not offered: no ticket came")


async def test_a_server_has_keys(aiotls: Run, files: Files) -> None:
    async with serving(files, ech_keys=KEYS) as target:
        grade, text = (await found(aiotls, files, target))["ECH"]
    assert grade == "good"
    assert "the server has keys: 1 in its answer" in text
    assert "public name localhost" in text


async def test_a_server_shows_no_keys(aiotls: Run, files: Files) -> None:
    async with serving(files) as target:
        grade, text = (await found(aiotls, files, target))["ECH"]
    assert grade == "good"
    assert "no keys for Encrypted Client Hello were shown" in text


@pytest.mark.parametrize("keys", [KEYS, None])
async def test_keys_that_are_given(aiotls: Run, files: Files, keys: ECHKeys | None) -> None:
    old = ECHKeys.generate("localhost")
    async with serving(files, ech_keys=keys) as target:
        given = base64.b64encode(KEYS.config_list).decode()
        findings = await found(aiotls, files, target, "--ech", given)
        if keys is None:
            assert findings["ECH"][0] == "bad"
            assert findings["ECH"][1].endswith("has none to offer")
            return
        assert findings["ECH"] == ("good", "the server decrypts with the keys of --ech")
        given = base64.b64encode(old.config_list).decode()
        findings = await found(aiotls, files, target, "--ech", given)
        assert findings["ECH"][0] == "bad"
        assert findings["ECH"][1].endswith("sent newer ones")


async def test_tls12_has_neither(aiotls: Run, files: Files) -> None:
    async with serving(files, max_version=0x0303) as target:
        findings = await found(aiotls, files, target)
    assert "0-RTT" not in findings
    assert "ECH" not in findings
