"""The README's code runs, and what it says of the package's rooms is so."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import ssl
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

import aiotls
import aiotls.ssl
from aiotls.cli.authority import Authority
from aiotls.cli.main import parser

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.removeprefix("$ ")
    for language, code in BLOCKS
    if language == "console"
    for line in code.splitlines()
    if line.startswith("$ ")
]


async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
    writer.close()


@pytest.mark.asyncio
async def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of one block answers the client of the other."""
    authority = Authority.create()
    issued = authority.issue("example.com")
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(aiotls.TrustStore, "system", classmethod(lambda cls: authority.trust()))
    client, server = PYTHON[:2]
    server = server.replace("8443", "0")
    found = await execute(server, handler=handler)
    async with found["server"]:
        port = found["server"].sockets[0].getsockname()[1]
        client = client.replace(
            '"example.com", 443', f'"localhost", {port}, server_hostname="example.com"'
        )
        found = await execute(client)
        assert found["answer"].startswith(b"HTTP/1.1 204")
        found["writer"].close()
        await found["writer"].wait_closed()


@pytest.mark.asyncio
async def test_the_code_in_place_of_ssl_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each kind of user, against one server."""
    streams, blocking, inject, runner = PYTHON[2:]
    authority = Authority.create()
    issued = authority.issue("localhost")
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    monkeypatch.setattr(aiotls.TrustStore, "system", classmethod(lambda cls: authority.trust()))
    context = aiotls.ssl.create_default_context(aiotls.ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    async with await asyncio.start_server(handler, "localhost", 0, ssl=context) as server:
        address = f'"localhost", {server.sockets[0].getsockname()[1]}'
        streams = streams.replace('"example.com", 443', address)
        blocking = blocking.replace("example.com", address.replace('", ', ":").strip('"'))

        async def main() -> None:
            found = await execute(streams)
            assert found["answer"].startswith(b"HTTP/1.1 204")
            found["writer"].close()
            await found["writer"].wait_closed()

        def block(code: str, **names: Any) -> dict[str, Any]:
            return asyncio.run(execute(code, **names))

        await main()
        assert (await asyncio.to_thread(block, blocking))["status"] == 204
        await asyncio.to_thread(exec, runner, {"asyncio": asyncio, "aiotls": aiotls, "main": main})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # other tests have imported much
        try:
            await execute(inject)
            assert isinstance(ssl.create_default_context(), aiotls.ssl.SSLContext)
        finally:
            aiotls.ssl.extract()
    assert type(ssl.create_default_context()) is ssl.SSLContext


async def execute(code: str, **names: Any) -> dict[str, Any]:
    """Runs code that awaits; returns its variables."""
    body = textwrap.indent(code, "    ")
    exec(f"async def block():\n{body}\n    return locals()", names)  # noqa: S102
    result: dict[str, Any] = await names["block"]()
    return result


def test_the_first_command_is_the_demo() -> None:
    assert COMMANDS[0] == "python -m aiotls demo"


@pytest.mark.parametrize("line", [line for line in COMMANDS if "aiotls " in line])
def test_the_commands_exist_with_their_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    parser().parse_args(words[words.index("aiotls") + 1 :])


def test_the_picture_of_the_rooms_is_complete() -> None:
    picture = next(c for lang, c in BLOCKS if lang == "text" and c.startswith("aiotls/"))
    for path in sorted((ROOT / "aiotls").iterdir()):
        if path.name.startswith("_") or path.name in ("py.typed", "inspection.py", "phases.py"):
            continue
        name = path.name + "/" if path.is_dir() else path.name
        assert name in picture, f"{name} is missing from the README's picture"


def test_what_it_names_is_there() -> None:
    for name in re.findall(r"`(?:await )?aiotls\.(\w+)", TEXT):
        assert hasattr(aiotls, name), name
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / path).exists(), path


FEATURES = re.findall(r"^\| ([^|]+) \| [^|]* \| `(tests/[^`]+)` \|$", TEXT, re.MULTILINE)


def test_the_table_of_features_has_no_row_without_a_test() -> None:
    section = TEXT[TEXT.index("\n## Features") :]
    section = section[: section.index("\n## ", 1)]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) - 2 == len(FEATURES) > 30


@pytest.mark.parametrize(("feature", "test"), FEATURES)
def test_a_feature_has_its_test(feature: str, test: str) -> None:
    path, _, name = test.partition("::")
    code = ast.parse((ROOT / path).read_text())
    functions = {
        node.name
        for node in code.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    }
    assert name in functions if name else functions, feature
