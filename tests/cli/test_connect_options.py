"""connect's options, at servers of other implementations."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Files, Run

pytestmark = pytest.mark.interop


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return found


Start = Callable[..., int]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server whose arguments name the port as {}; returns the port it listens on."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str) -> int:
            port = free_port()
            process = subprocess.Popen(
                [argument.replace("{}", str(port)) for argument in arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            for _ in range(300):
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        return port
                time.sleep(0.05)
            pytest.fail(f"{arguments[0]} does not listen")

        yield begin


@pytest.fixture(params=["openssl", "gnutls"])
def port(request: pytest.FixtureRequest, start: Start, files: Files) -> int:
    if request.param == "openssl":
        return start(
            *(needs("openssl"), "s_server", "-accept", "127.0.0.1:{}", "-www", "-quiet"),
            *("-cert", files.cert, "-key", files.key),
        )
    return start(
        *(needs("gnutls-serv"), "--http", "--port", "{}", "--quiet"),
        *("--x509certfile", files.cert, "--x509keyfile", files.key),
    )


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls(aiotls: Run, files: Files, port: int, version: str) -> None:
    done = aiotls("connect", f"127.0.0.1:{port}", "--cafile", files.ca, "--tls", version, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout)["version"] == f"TLS {version}"


@pytest.mark.parametrize("group", ["secp384r1", "X25519"])
def test_groups(aiotls: Run, files: Files, port: int, group: str) -> None:
    done = aiotls("connect", f"127.0.0.1:{port}", "--cafile", files.ca, "--groups", group, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout)["group"].lower() == group.lower()


def test_resume(aiotls: Run, files: Files, port: int) -> None:
    done = aiotls("connect", f"127.0.0.1:{port}", "--cafile", files.ca, "--resume", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout)["resumed"] is True


def test_keylog(aiotls: Run, files: Files, port: int, tmp_path: Path) -> None:
    log = tmp_path / "keys"
    done = aiotls("connect", f"127.0.0.1:{port}", "--cafile", files.ca, "--keylog", str(log))
    assert done.returncode == 0, done.stderr + done.stdout
    labels = {line.split()[0] for line in log.read_text().splitlines()}
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"} <= labels
    assert log.stat().st_mode & 0o077 == 0


def test_early_data(aiotls: Run, files: Files, start: Start, tmp_path: Path) -> None:
    port = start(
        *(needs("openssl"), "s_server", "-accept", "127.0.0.1:{}", "-tls1_3", "-early_data"),
        *("-no_anti_replay", "-cert", files.cert, "-key", files.key, "-quiet"),
    )
    request = tmp_path / "request"
    request.write_bytes(b"GET / HTTP/1.0\r\n\r\n")
    arguments = ("connect", f"127.0.0.1:{port}", "--cafile", files.ca, "--linger", "0.2")
    done = aiotls(*arguments, "--early-data", str(request))
    assert done.returncode == 0, done.stderr
    assert "0-RTT data was taken" in done.stderr
    told = aiotls(*arguments, "--early-data", str(request), "--json")
    assert json.loads(told.stdout)["early_data"] is True


def test_early_data_that_is_not_taken_is_sent_afterwards(
    aiotls: Run, files: Files, port: int, tmp_path: Path
) -> None:
    request = tmp_path / "request"
    request.write_bytes(b"GET / HTTP/1.0\r\n\r\n")
    done = aiotls(
        *("connect", f"127.0.0.1:{port}", "--cafile", files.ca, "--early-data", str(request))
    )
    assert done.returncode == 0, done.stderr
    assert "not taken, and sent after the handshake" in done.stderr
    assert "HTTP/1.0 200" in done.stdout


def test_early_data_from_a_file_that_is_not_there(aiotls: Run, tmp_path: Path) -> None:
    done = aiotls("connect", "127.0.0.1:1", "--early-data", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    done = aiotls("connect", "127.0.0.1:1", "--early-data", "x", "--starttls", "smtp")
    assert done.returncode == 2
    assert "do not go together" in done.stderr
