"""The README's code runs, and what it says of the package's rooms is so."""

from __future__ import annotations

import ast
import asyncio
import builtins
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
COMMANDS = [
    line.removeprefix("$ ")
    for language, code in BLOCKS
    if language == "console"
    for line in code.splitlines()
    if line.startswith("$ ")
]


def code(section: str) -> list[str]:
    """The blocks of Python below a heading, without those of the headings below that."""
    text = TEXT[TEXT.index(f"\n{section}\n") + len(section) + 1 :]
    text = re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_every_block_of_python_is_run_here() -> None:
    sections = [code(heading) for heading in re.findall(r"^##+ .*$", TEXT, re.MULTILINE)]
    run = set(re.findall(r'code\("(##+ [^"]+)"\)', Path(__file__).read_text()))
    assert sum(map(len, sections)) == sum(language == "python" for language, _ in BLOCKS)
    assert sum(len(code(heading)) for heading in run) == sum(map(len, sections))


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
    client, server = code("### Streams")
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


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page's configurations name."""
    authority = Authority.create()
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    server, client = authority.issue("example.com"), authority.issue("me", client=True)
    for name, issued in (("chain", server), ("me", client)):
        (tmp_path / f"{name}.pem").write_bytes(issued.chain_pem)
    for name, issued in (("key", server), ("me-key", client)):
        (tmp_path / f"{name}.pem").write_bytes(issued.key_pem)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def configurations() -> dict[str, Any]:
    (block,) = code("### Configurations")
    return await execute(block)


async def greet(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, config: aiotls.ServerConfig
) -> list[bytes]:
    """A server that upgrades when it is told to, and answers when it has heard the end."""
    heard = [await reader.readline()]
    writer.write(b"220 go ahead\r\n")
    await aiotls.start_tls(writer, config, server_side=True)
    heard.append(await reader.read())
    writer.write(b"farewell")
    writer.close()
    await writer.wait_closed()
    return heard


@pytest.mark.asyncio
async def test_the_code_that_upgrades_and_looks_runs(directory: Path) -> None:
    """With a client's certificate, in a half-closed connection."""
    (upgrade,), (look,) = code("### Upgrading, closing, ending"), code("### What was agreed on")
    configs = await configurations()
    heard: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await greet(reader, writer, configs["server_config"]))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        names = {"reader": reader, "writer": writer} | configs
        found = await execute(upgrade, **names)
        assert found["farewell"] == b"farewell"
        assert await heard == [b"STARTTLS\r\n", b"over TLS now\r\n"]
        seen = await execute(look, **names)
        assert seen["tls"]["verified"]
        assert len(seen["token"]) == len(seen["binding"]) == 32
        assert "example.com" in seen["subject"].rfc4514_string()
        writer.close()
        await writer.wait_closed()


@pytest.mark.asyncio
async def test_the_code_that_fails_says_why(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = code("### Errors")
    configs = await configurations()
    async with await aiotls.start_server(
        handler, "localhost", 0, ssl=configs["server_config"]
    ) as server:
        port = server.sockets[0].getsockname()[1]
        await execute(block, aiotls=aiotls, port=port, client_config=configs["client_config"])
    said, hint = capsys.readouterr().out.split("\n", maxsplit=1)
    assert said.endswith("Hostname mismatch, certificate is not valid for 'localhost'.")
    assert "example.com" in hint


def test_the_table_of_errors_is_true() -> None:
    section = TEXT[TEXT.index("\n### Errors") :]
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", section, re.MULTILINE)
    carried = {
        aiotls.CertificateError(aiotls.Alert.BAD_CERTIFICATE, "no"),
        aiotls.ProtocolError(aiotls.Alert.ILLEGAL_PARAMETER, "no"),
        aiotls.AlertReceived(40),
        aiotls.Truncated("no"),
        aiotls.ECHRejected(None, "example.com"),
        aiotls.UsageError("no"),
    }
    errors = {type(error).__name__: error for error in carried}
    assert len(rows) == len(errors)
    for name, carries in rows:
        error = errors[name]
        assert isinstance(error, aiotls.TLSError)
        for word in re.findall(r"`(\w+)`", carries):
            base = getattr(builtins, word, None)
            assert isinstance(error, base) if base is not None else hasattr(error, word), word


@pytest.mark.asyncio
async def test_the_code_that_shares_sessions_runs(directory: Path) -> None:
    redis = pytest.importorskip("redis.asyncio")
    (block,) = code("### Coming back")
    configs = await configurations()
    client = redis.Redis()
    found = await execute(block, redis=client, config=configs["server_config"])
    assert found["config"].max_early_data
    await client.aclose()


@pytest.mark.asyncio
async def test_the_code_without_io_runs(directory: Path) -> None:
    (block,) = code("### Other loops, and none")
    configs = await configurations()
    block = block.replace('"localhost"', '"example.com"')
    found = await execute(block, **configs)
    assert found["heard"] == b"hello"


@pytest.mark.asyncio
async def test_the_code_in_place_of_ssl_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each kind of user, against one server."""
    streams, blocking, inject, runner = code("## In place of the standard library's `ssl`")
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

        def block(text: str, **names: Any) -> dict[str, Any]:
            return asyncio.run(execute(text, **names))

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


async def execute(block: str, **names: Any) -> dict[str, Any]:
    """Runs code that awaits; returns its variables."""
    body = textwrap.indent(block, "    ")
    given = ", ".join(f"{name}={name}" for name in names)
    exec(f"async def block({given}):\n{body}\n    return locals()", names)  # noqa: S102
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
