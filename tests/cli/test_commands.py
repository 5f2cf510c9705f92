"""demo, connect and serve, as a person meets them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aiotls.cli.authority import Authority

from .conftest import Files, Run, Served, environment

Serve = Callable[..., Served]


# -- demo ------------------------------------------------------------------------------------------


def test_demo_shows_a_verified_connection_on_one_screen(aiotls: Run) -> None:
    done = aiotls("demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("OK  localhost is verified, by aiotls demo CA")
    assert "X25519MLKEM768 (post-quantum)" in done.stdout
    for message in ("ClientHello", "ServerHello", "CertificateVerify", "Finished"):
        assert message in done.stdout
    assert "intact" in done.stdout
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_demo_writes_no_files(aiotls: Run, tmp_path: Path) -> None:
    done = aiotls("demo", HOME=str(tmp_path), TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_demo_fits_a_narrow_terminal(aiotls: Run) -> None:
    done = aiotls("demo", COLUMNS="40")
    picture = [line for line in done.stdout.splitlines() if "--" in line or "==" in line]
    assert picture
    assert max(map(len, picture)) <= 40


def test_demo_as_json(aiotls: Run) -> None:
    told = json.loads(aiotls("demo", "--json").stdout)
    assert told["ok"] is True
    assert told["verified"] is True
    assert told["version"] == "TLS 1.3"
    assert [flight["message"] for flight in told["flights"]][:2] == ["ClientHello", "ServerHello"]


# -- serve and connect -----------------------------------------------------------------------------


def test_connect_says_the_verdict_first_and_then_pipes(
    aiotls: Run, serve: Serve, files: Files
) -> None:
    served = serve("--echo")
    done = aiotls(
        *("connect", f"localhost:{served.port}", "--cafile", files.ca, "--linger", "0.3"),
        given="there and back\n",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "there and back\n"
    assert done.stderr.splitlines()[0].startswith("OK  localhost is verified")
    code, said = served.stop()
    assert code == 0
    assert "Traceback" not in said
    assert "TLS 1.3" in said


def test_connect_as_json(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo", "--alpn", "toy")
    done = aiotls(
        "connect", f"127.0.0.1:{served.port}", "--cafile", files.ca, "--alpn", "toy", "--json"
    )
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["ok"] is True
    assert told["alpn"] == "toy"
    assert told["certificates"][0]["names"] == ["localhost", "127.0.0.1"]


def test_an_unverified_server_is_refused_with_an_exit_code_of_its_own(
    aiotls: Run, serve: Serve
) -> None:
    served = serve("--echo")
    # Without --cafile: no system trusts the authority that was made a moment ago.
    done = aiotls("connect", f"localhost:{served.port}", given="secret")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("aiotls: NOT VERIFIED")
    assert "Traceback" not in done.stderr
    time.sleep(0.2)
    assert "failed" in served.stop()[1]


def test_insecure_goes_on_and_the_exit_code_remembers(aiotls: Run, serve: Serve) -> None:
    served = serve("--echo")
    done = aiotls(
        "connect", f"localhost:{served.port}", "--insecure", "--linger", "0.3", given="hi"
    )
    assert done.returncode == 3
    assert done.stdout == "hi"
    assert done.stderr.startswith("NOT VERIFIED  localhost:")


def test_the_wrong_name_is_named(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo")
    done = aiotls(
        *("connect", f"localhost:{served.port}", "--cafile", files.ca),
        *("--servername", "other.example"),
    )
    assert done.returncode == 3
    assert "NOT VERIFIED" in done.stderr


def test_client_certificates(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo", "--client-ca", files.ca)
    target = ("connect", f"localhost:{served.port}", "--cafile", files.ca, "--linger", "0.3")
    done = aiotls(*target, "--cert", files.client, given="me")
    assert (done.returncode, done.stdout) == (0, "me")
    done = aiotls(*target, given="me")
    assert done.returncode == 1
    assert "certificate_required" in done.stderr
    assert "--cert" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["connect", "localhost:1"], 1, "connection refused"),
        (["connect", "nowhere.invalid"], 1, "cannot be found"),
        (["connect", "localhost:99999"], 2, "port"),
        (["connect", "localhost:"], 2, "port"),
        (["connect", "http://localhost"], 2, "not TLS"),
        (["connect", "a_b..c"], 2, "a_b..c"),
        (["connect", ""], 2, "host"),
        (["connect", "localhost", "--cafile", "/nowhere.pem"], 2, "/nowhere.pem"),
        (["connect", "localhost", "--cert", "/nowhere.pem"], 2, "/nowhere.pem"),
        (["connect", "localhost", "--key", "/nowhere.pem"], 2, "--cert"),
        (["connect", "localhost", "--starttls", "gopher"], 2, "gopher"),
        (["connect", "localhost", "--alpn", ""], 2, "ALPN"),
        (["connect"], 2, "HOST"),
        (["serve"], 2, "--cert"),
        (["serve", "/nowhere", "--cert", "x"], 2, "/nowhere"),
        (["serve", "--cert", "/nowhere.pem"], 2, "/nowhere.pem"),
        (["frobnicate"], 2, "frobnicate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_ends_in_one_clear_line(
    aiotls: Run, arguments: list[str], code: int, said: str
) -> None:
    done = aiotls(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("aiotls: ")
    assert len(done.stderr.splitlines()) <= 2
    assert done.stdout == ""


def test_no_command_shows_what_there_is(aiotls: Run) -> None:
    done = aiotls()
    assert done.returncode == 2
    assert "demo" in done.stdout


def test_a_port_that_does_not_speak_tls_is_named(aiotls: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=answer)
        thread.start()
        done = aiotls("connect", f"localhost:{listener.getsockname()[1]}", "--timeout", "10")
        thread.join()
    assert done.returncode == 1
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_silent_server_is_given_up(aiotls: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        started = time.monotonic()
        done = aiotls("connect", f"127.0.0.1:{port}", "--timeout", "0.5")
    assert done.returncode == 1
    assert time.monotonic() - started < 10
    assert "Traceback" not in done.stderr


def test_a_closed_stdout_is_no_reason_for_noise(serve: Serve, files: Files) -> None:
    served = serve("--echo")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "aiotls", "connect", f"localhost:{served.port}"),
            *("--cafile", files.ca, "--linger", "1"),
        ],
        input=b"to no one",
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=30,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="shells as POSIX has them")
@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_files(serve: Serve, files: Files, closed: str) -> None:
    served = serve("--echo")
    command = (
        f'"{sys.executable}" -m aiotls connect localhost:{served.port} '
        f'--cafile "{files.ca}" --linger 0.3 {closed}'
    )
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=environment(), timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_ctrl_c_leaves_no_noise(serve: Serve, files: Files) -> None:
    served = serve("--echo")
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "aiotls", "connect", f"localhost:{served.port}"),
            *("--cafile", files.ca),
        ],
        stdin=reading,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("OK")
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
        os.close(reading)
        os.close(writing)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_large_file_through_both_pipes(serve: Serve, files: Files, tmp_path: Path) -> None:
    data = os.urandom(8 << 20)
    (tmp_path / "in").write_bytes(data)
    served = serve("--echo")
    with open(tmp_path / "in", "rb") as given:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "aiotls", "connect", f"localhost:{served.port}"),
                *("--cafile", files.ca, "--linger", "0.5"),
            ],
            stdin=given,
            capture_output=True,
            env=environment(),
            timeout=50,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


# -- others' clients and servers -------------------------------------------------------------------


def needs(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return path


@pytest.mark.interop
def test_curl_fetches_a_page(serve: Serve, files: Files, tmp_path: Path) -> None:
    curl = needs("curl")
    (tmp_path / "index.html").write_text("<h1>over TLS</h1>")
    (tmp_path / "large").write_bytes(data := os.urandom(3 << 20))
    served = serve(str(tmp_path))

    def fetch(path: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        url = f"https://localhost:{served.port}{path}"
        return subprocess.run(
            [curl, "-sS", "--path-as-is", "--cacert", files.ca, *options, url],
            capture_output=True,
            timeout=30,
            check=False,
        )

    assert fetch("/").stdout == b"<h1>over TLS</h1>"
    assert fetch("/large").stdout == data
    assert fetch("/../../../etc/passwd", "-w", "%{http_code}").stdout.endswith(b"404")
    head = fetch("/large", "-I").stdout
    assert b"200 OK" in head
    assert b"Content-Length: 3145728" in head
    code, said = served.stop()
    assert code == 0
    assert "GET /large 200" in said


@pytest.mark.interop
def test_connect_verifies_a_server_of_openssl(aiotls: Run, files: Files) -> None:
    openssl = needs("openssl")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-www", "-quiet"),
            *("-cert", files.cert, "-key", files.key),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        done = aiotls(
            *("connect", f"127.0.0.1:{port}", "--cafile", files.ca),
            given="GET / HTTP/1.0\r\n\r\n",
        )
    finally:
        server.kill()
        server.wait()
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("OK  127.0.0.1 is verified, by aiotls development CA")
    assert "HTTP/1.0 200 ok" in done.stdout


def test_the_authority_keeps_what_it_was_read_from() -> None:
    authority = Authority.create()
    again = Authority.from_pem(authority.certificate_pem, authority.key_pem)
    assert again.certificate == authority.certificate
    assert again.identity("localhost", "::1", "*.example.com").names
