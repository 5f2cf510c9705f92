"""What people install: the distributions' contents, and a program of a user's own with them."""

from __future__ import annotations

import email
import email.message
import importlib.metadata
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import aiotls

from .conftest import ROOT, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def tracked(*paths: str) -> set[str]:
    """The files of the repository below some paths."""
    listed = run("git", "-C", ROOT, "ls-files", "-z", *paths)
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


@pytest.fixture(scope="module")
def repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")


@pytest.mark.usefixtures("repository")
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    information = f"aiotls-{aiotls.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(information)} == tracked("aiotls")
    assert {name.removeprefix(information) for name in names if name.startswith(information)} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    assert "aiotls/py.typed" in names
    assert wheel.name == f"aiotls-{aiotls.__version__}-py3-none-any.whl"


@pytest.mark.usefixtures("repository")
def test_the_sdist_holds_what_is_tracked(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    top = f"aiotls-{aiotls.__version__}/"
    names = {member.name.removeprefix(top) for member in members if member.isfile()}
    shipped = tracked("aiotls", "tests", "examples", ".github", ".ci", "README.md", "LICENSE")
    assert names - {"PKG-INFO", ".gitignore"} == shipped | {"pyproject.toml"}


def metadata_of(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_metadata_says_what_an_inventory_needs(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert metadata["Name"] == "aiotls"
    assert metadata["Version"] == aiotls.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    required = metadata.get_all("Requires-Dist") or []
    assert [line for line in required if "extra" not in line] == ["cryptography>=50"]
    extras = set(metadata.get_all("Provides-Extra") or [])
    assert {"uvloop", "redis", "compress", "test"} <= extras
    assert "Typing :: Typed" in (metadata.get_all("Classifier") or [])


@pytest.mark.parametrize("extra", ["uvloop", "redis", "compress"])
def test_what_an_extra_asks_for_is_there_and_new_enough(extra: str, wheel: Path) -> None:
    from packaging.requirements import Requirement

    lines = [Requirement(line) for line in metadata_of(wheel).get_all("Requires-Dist") or ()]
    wanted = [
        each
        for each in lines
        if each.marker is not None
        and each.marker.evaluate({"extra": extra})
        and not each.marker.evaluate({"extra": ""})
    ]
    assert wanted
    for each in wanted:
        assert each.specifier.contains(importlib.metadata.version(each.name))


def test_the_wheel_runs_with_cryptography_alone(python: Path, tmp_path: Path) -> None:
    shown = run(python, "-m", "aiotls", "demo", cwd=tmp_path)
    assert "localhost is verified" in shown
    assert "X25519MLKEM768" in shown
    command = python.parent / "aiotls"
    assert run(command, "--version", cwd=tmp_path).strip() == f"aiotls {aiotls.__version__}"


def test_every_module_is_imported_with_cryptography_alone(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "walk.py"
    program.write_text(
        "import importlib, pkgutil, aiotls\n"
        "for found in pkgutil.walk_packages(aiotls.__path__, 'aiotls.'):\n"
        "    if found.name not in ('aiotls.__main__', 'aiotls.contrib.redis'):\n"
        "        importlib.import_module(found.name)\n"
        "        print(found.name)\n"
    )
    names = run(python, "-W", "error", program, cwd=tmp_path).split()
    assert {"aiotls.openssl", "aiotls.ssl", "aiotls.cli.connect", "aiotls.trace"} <= set(names)
    assert len(names) > 100


def test_the_tests_come_with_the_sdist_and_run(sdist: Path, tmp_path: Path) -> None:
    run("tar", "-xf", str(sdist), cwd=tmp_path)
    (source,) = tmp_path.iterdir()
    shown = run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/unit/wire",
        cwd=source,
    )
    assert " passed" in shown


PROGRAM = """
from __future__ import annotations

import asyncio

import aiotls
from aiotls import ssl


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    summary = writer.get_extra_info("tls")
    print(summary)
    writer.write(await reader.read(100))
    await writer.drain()
    writer.close()


async def main() -> None:
    identity = aiotls.Identity.from_files("chain.pem", "key.pem")
    config = aiotls.ServerConfig(identity=identity, alpn_protocols=["http/1.1"])
    server = await aiotls.start_server(hello, "localhost", 8443, ssl=config)
    client = aiotls.ClientConfig(trust=aiotls.TrustStore.from_files("root.pem"))
    reader, writer = await aiotls.open_connection("localhost", 8443, ssl=client)
    data: bytes = await reader.read()
    print(data)
    try:
        await aiotls.start_tls(writer, client, server_hostname="localhost")
    except aiotls.TLSError as error:
        text: str | None = error.reason
        print(text)
    server.close()


context: ssl.SSLContext = ssl.create_default_context()
context.load_cert_chain_data(b"")  # what the standard library lacks
context.verify_mode = ssl.CERT_REQUIRED
asyncio.run(main())
"""
WRONG = """
import aiotls

config = aiotls.ClientConfig(min_version="1.2", nonsense=1)
"""


def checker(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found is not None, f"{name} is missing (the extra dev has it)"
    return found


@pytest.mark.parametrize("kind", ["mypy", "basedpyright"])
def test_a_users_program_is_checked_against_the_types(
    kind: str, python: Path, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(PROGRAM)
    wrong.write_text(WRONG)
    if kind == "mypy":
        command = [
            checker(kind),
            "--strict",
            "--no-incremental",
            "--python-executable",
            str(python),
        ]
    else:
        (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
        command = [checker(kind), "--pythonpath", str(python), "--level", "error"]
    run(*command, right, cwd=tmp_path)
    refused = subprocess.run(
        [*command, wrong], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert refused.returncode == 1, refused.stdout
    assert "nonsense" in refused.stdout
