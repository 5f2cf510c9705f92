"""Real servers, started for the tests and stopped after them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .engines import Files


def program(name: str) -> str:
    """The path of a program; the test is skipped where it is not installed."""
    places = [
        shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"),
        *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True),
    ]
    found = next((str(place) for place in places if place), None)
    if found is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Returns when something listens on *port*."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@contextlib.contextmanager
def running(command: list[str], port: int, **options: object) -> Iterator[None]:
    """A server process while the block runs."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(20)


def split(files: Files, name: str, directory: Path) -> tuple[str, str]:
    """A certificate file and a key file, out of the one that has both."""
    text = Path(getattr(files, name)).read_text()
    begin = text.index("-----BEGIN PRIVATE KEY-----")
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_text(text[:begin])
    key.write_text(text[begin:])
    key.chmod(0o600)
    return str(certificate), str(key)


@contextlib.contextmanager
def redis_server(files: Files, directory: Path) -> Iterator[int]:
    """Redis with TLS, which asks for client certificates without insisting."""
    port = free_port()
    certificate, key = split(files, "server", directory)
    options = {
        "port": "0",
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-cert-file": certificate,
        "tls-key-file": key,
        "tls-ca-cert-file": files.ca,
        "tls-auth-clients": "optional",
        "save": "",
        "appendonly": "no",
        "dir": str(directory),
    }
    command = [program("redis-server")]
    for name, value in options.items():
        command += [f"--{name}", value]
    with running(command, port):
        yield port


@contextlib.contextmanager
def postgresql(files: Files) -> Iterator[int]:
    """PostgreSQL with TLS; the role ``strict`` needs a client certificate."""
    initdb, postgres = program("initdb"), program("postgres")
    # It does not run as root, and its user cannot see into root's directories.
    user = "postgres" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="aiotls-postgresql-"))
    try:
        data = directory / "data"
        certificate, key = split(files, "server", directory)
        shutil.copy(files.ca, directory / "ca.pem")
        if user is not None:
            for path in (directory, *directory.iterdir()):
                shutil.chown(path, user)
        subprocess.run(
            [initdb, "-D", str(data), "-U", "tester", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=directory,
        )
        (data / "pg_hba.conf").write_text(
            "hostssl all strict 127.0.0.1/32 trust clientcert=verify-ca\n"
            "hostssl all tester 127.0.0.1/32 trust\n"
        )
        port = free_port()
        command = [postgres, "-D", str(data), "-p", str(port), "-k", "", "-F"]
        for setting in (
            "listen_addresses=127.0.0.1",
            "ssl=on",
            f"ssl_cert_file={certificate}",
            f"ssl_key_file={key}",
            f"ssl_ca_file={directory / 'ca.pem'}",
        ):
            command += ["-c", setting]
        with running(command, port, user=user, cwd=directory, stderr=subprocess.DEVNULL):
            yield port
    finally:
        shutil.rmtree(directory)
