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
from typing import Any

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


@contextlib.contextmanager
def mosquitto(files: Files, directory: Path) -> Iterator[int]:
    """An MQTT broker with TLS."""
    port = free_port()
    certificate, key = split(files, "server", directory)
    settings = directory / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        f"cafile {files.ca}\ncertfile {certificate}\nkeyfile {key}\n"
    )
    with running([program("mosquitto"), "-c", str(settings)], port, stderr=subprocess.DEVNULL):
        yield port


@contextlib.contextmanager
def nats_server(files: Files, directory: Path) -> Iterator[int]:
    """A NATS server, which is Go's TLS: its clients start it behind the server's first line."""
    port = free_port()
    certificate, key = split(files, "server", directory)
    command = [program("nats-server"), "-a", "127.0.0.1", "-p", str(port), "--tls"]
    command += ["--tlscert", certificate, "--tlskey", key]
    with running(command, port, stderr=subprocess.DEVNULL):
        yield port


@contextlib.contextmanager
def mariadb(files: Files) -> Iterator[int]:
    """MariaDB with TLS, which starts in the middle of its protocol's handshake."""
    install, server = program("mariadb-install-db"), program("mariadbd")
    user = "mysql" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="aiotls-mariadb-"))
    environment = {**os.environ, "TMPDIR": str(directory)}  # it has to be its user's
    try:
        certificate, key = split(files, "server", directory)
        if user is not None:
            for path in (directory, *directory.iterdir()):
                shutil.chown(path, user)
        data = [f"--datadir={directory / 'data'}"]
        subprocess.run(
            [
                install,
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *data,
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            cwd=directory,
            env=environment,
        )
        port = free_port()
        command = [server, "--no-defaults", *data, f"--port={port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={directory / 'socket'}", f"--pid-file={directory / 'pid'}"]
        command += [f"--ssl-cert={certificate}", f"--ssl-key={key}", "--skip-name-resolve"]
        command += ["--require-secure-transport=ON", "--innodb-flush-log-at-trx-commit=0"]
        options: dict[str, Any] = {"user": user, "cwd": directory, "env": environment}
        with running(command, port, stderr=subprocess.DEVNULL, **options):
            yield port
    finally:
        shutil.rmtree(directory)


@contextlib.contextmanager
def dovecot(files: Files, directory: Path) -> Iterator[int]:
    """An IMAP server with TLS; any user, any password."""
    port = free_port()
    certificate, key = split(files, "server", directory)
    for path in (directory, *directory.parents):
        if path.owner() == "root" and path.stat().st_mode & 0o11 != 0o11:
            path.chmod(path.stat().st_mode | 0o11)
    mail = directory / "mail"
    mail.mkdir(mode=0o777)
    mail.chmod(0o777)
    settings = directory / "dovecot.conf"
    settings.write_text(
        f"""protocols = imap
listen = 127.0.0.1
base_dir = {directory}/run
log_path = {directory}/log
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{mail}/%u
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={mail}
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""
    )
    with running([program("dovecot"), "-F", "-c", str(settings)], port, stderr=subprocess.DEVNULL):
        yield port


@contextlib.contextmanager
def rabbitmq(files: Files, directory: Path) -> Iterator[int]:
    """RabbitMQ, which is Erlang's TLS. Nothing but this directory and these ports is its own."""
    server = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if not server.exists():
        program("rabbitmq-server")  # which fails, or skips
    port = free_port()
    certificate, key = split(files, "server", directory)
    settings = directory / "rabbitmq.conf"
    settings.write_text(
        f"""listeners.tcp = none
listeners.ssl.default = 127.0.0.1:{port}
ssl_options.cacertfile = {files.ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {key}
ssl_options.verify = verify_none
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
"""
    )
    plugins = directory / "enabled_plugins"
    plugins.write_text("[].")
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(directory),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONFIG_FILE": str(settings),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_NODENAME": "aiotls@localhost",
        "RABBITMQ_PID_FILE": str(directory / "pid"),
    }
    try:
        with running([str(server)], port, env=environment, stderr=subprocess.DEVNULL):
            yield port
    finally:
        subprocess.run(["epmd", "-kill"], env=environment, check=False, capture_output=True)
