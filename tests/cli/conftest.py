"""Commands run as a person runs them, with certificates made for the occasion."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aiotls.cli.authority import Authority

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("SSLKEYLOGFILE", "COLUMNS")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | changes


@pytest.fixture
def aiotls() -> Run:
    """Runs a command to its end."""

    def run(*arguments: str, given: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "aiotls", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=50,
            env=environment(**changes),
            check=False,
        )

    return run


@dataclass(frozen=True)
class Files:
    """PEM files in a directory of their own."""

    directory: Path
    authority: Authority

    @property
    def ca(self) -> str:
        return str(self.directory / "ca.pem")

    @property
    def cert(self) -> str:
        return str(self.directory / "cert.pem")

    @property
    def key(self) -> str:
        return str(self.directory / "key.pem")

    @property
    def client(self) -> str:
        return str(self.directory / "client.pem")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    directory = tmp_path_factory.mktemp("pki")
    authority = Authority.create()
    found = Files(directory, authority)
    issued = authority.issue("localhost", "127.0.0.1")
    Path(found.ca).write_bytes(authority.certificate_pem)
    Path(found.cert).write_bytes(issued.chain_pem)
    Path(found.key).write_bytes(issued.key_pem)
    client = authority.issue("ada@example.com", client=True)
    Path(found.client).write_bytes(client.chain_pem + client.key_pem)
    return found


@dataclass
class Served:
    """A running ``aiotls serve``."""

    process: subprocess.Popen[str]
    port: int
    first: str

    def stop(self) -> tuple[int, str]:
        """Ends it as Ctrl-C does; its exit code, and what it said."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, output


@pytest.fixture
def serve(files: Files) -> Iterator[Callable[..., Served]]:
    """Starts ``aiotls serve`` on any port; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> Served:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "aiotls", "serve", *arguments),
                    *("--cert", files.cert, "--key", files.key, "--port", "0"),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                env=environment(),
            )
            stack.callback(_end, process)
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r" on \S+:(\d+)|\"port\": (\d+)", first)
            assert found, first + process.stdout.read()
            return Served(process, int(found[1] or found[2]), first)

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
