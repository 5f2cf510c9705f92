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
from typing import Any

import pytest
from cryptography.x509.ocsp import OCSPCertStatus

from tests import certificates
from tests.engine.test_certificates import HOUR, NOW, staple

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


@pytest.fixture
def stapling(start: Start, tmp_path: Path) -> Callable[[bytes, str], list[str]]:
    """A server with an OCSP response; gives the arguments that say where it is, whom to trust."""
    chain, ca, response = (tmp_path / name for name in ("chain.pem", "ca.pem", "response.der"))

    def begin(staple: bytes, version: str = "1.3") -> list[str]:
        chain.write_bytes(certificates.leaf("localhost").chain_pem)
        ca.write_bytes(certificates.authority().pem)
        response.write_bytes(staple)
        port = start(
            *(needs("openssl"), "s_server", "-accept", "127.0.0.1:{}", "-www", "-quiet"),
            *("-cert", str(chain), "-key", str(chain), "-status_file", str(response)),
            "-tls1_3" if version == "1.3" else "-tls1_2",
        )
        return [f"localhost:{port}", "--cafile", str(ca)]

    return begin


def test_a_good_staple(aiotls: Run, stapling: Callable[..., list[str]]) -> None:
    where = stapling(staple())
    told = json.loads(aiotls("check", *where, "--json").stdout)
    findings = {finding["topic"]: finding for finding in told["findings"]}
    assert findings["staple"]["text"] == "an OCSP response comes along"
    assert told["ok"] is True
    for command in (["connect"], ["cert", "check"], ["trace"]):
        assert aiotls(*command, *where).returncode == 0


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"status": OCSPCertStatus.REVOKED}, "the certificate was revoked on"),
        ({"begins": NOW - 9 * HOUR, "ends": NOW - HOUR}, "the OCSP response is out of date"),
    ],
)
def test_a_staple_that_does_not_hold(
    aiotls: Run,
    stapling: Callable[..., list[str]],
    options: dict[str, Any],
    said: str,
    version: str,
) -> None:
    """Every command that judges a server says so, and with --insecure connect still does."""
    where = stapling(staple(**options), version)
    for command in (["connect"], ["connect", "--insecure"], ["check"], ["cert", "check"]):
        done = aiotls(*command, *where)
        assert done.returncode == 3, done.stderr
        assert said in (done.stderr if command[0] == "connect" else done.stdout)
    drawn = aiotls("cert", "check", *where).stdout
    assert "localhost: EC secp256r1, 29 days left  <-- here" in drawn


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("given", [False, True], ids=["none", "one"])
def test_json_tells_of_a_client_certificate_that_is_refused(
    aiotls: Run, files: Files, start: Start, version: str, given: bool
) -> None:
    """In TLS 1.3 the refusal comes after the handshake; with a ticket, it will not come."""
    port = start(
        *(needs("openssl"), "s_server", "-accept", "127.0.0.1:{}", "-www", "-quiet"),
        *("-cert", files.cert, "-key", files.key, "-CAfile", files.ca),
        *("-Verify", "1", "-verify_return_error", f"-tls{version.replace('.', '_')}"),
    )
    where = [f"localhost:{port}", "--cafile", files.ca, *(["--cert", files.client] * given)]
    for command in ("connect", "trace"):
        done = aiotls(command, *where, "--json", *(["--linger", "20"] * (command == "connect")))
        told = json.loads(done.stdout)
        assert told["ok"] is given
        assert done.returncode == (0 if given else 1)
        assert given or "alert" in told["error"]
        assert given or "--cert" in told["hint"]
    shown = aiotls("cert", "show", *where)
    assert shown.returncode == 0, shown.stderr
    assert "localhost" in shown.stdout
