"""aiotls cert, and serve --cert auto."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from aiotls import CertificateError, TrustStore
from aiotls.cli import report
from aiotls.cli.authority import Authority
from aiotls.cli.cert import draw_chain, failing_link
from aiotls.cli.connect import read_trust
from aiotls.cli.terminal import Terminal
from tests import certificates

from .conftest import Files, Run, Served, environment

Serve = Callable[..., Served]


def test_an_authority_and_a_certificate(aiotls: Run, tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    done = aiotls("cert", "ca", "--ca", str(ca))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((ca / "ca-key.pem").stat().st_mode) == 0o600
    done = aiotls(
        *("cert", "new", "one.example", "*.two.example", "127.0.0.1"),
        *("--ca", str(ca), "--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((tmp_path / "one.example-key.pem").stat().st_mode) == 0o600
    told = json.loads(aiotls("cert", "show", str(tmp_path / "one.example.pem"), "--json").stdout)
    assert told[0]["names"] == ["one.example", "*.two.example", "127.0.0.1"]
    assert told[0]["issuer"] == "aiotls development CA"
    assert told[0]["days_left"] == 89


def test_nothing_is_overwritten(aiotls: Run, tmp_path: Path) -> None:
    aiotls("cert", "ca", "--ca", str(tmp_path))
    before = (tmp_path / "ca-key.pem").read_bytes()
    assert aiotls("cert", "ca", "--ca", str(tmp_path)).returncode == 2
    assert (tmp_path / "ca-key.pem").read_bytes() == before
    new = ("cert", "new", "x.example", "--ca", str(tmp_path), "--out", str(tmp_path))
    assert aiotls(*new).returncode == 0
    done = aiotls(*new)
    assert done.returncode == 2
    assert "exists already" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "a b"], "a b"),
        (["new", "under_score.example"], "under_score"),
        (["new", "x.example", "--days", "0"], "--days"),
        (["new", "x.example", "--ca", "/nowhere"], "/nowhere"),
        (["show", "/etc/hostname"], "no certificate"),
        ([], "ACTION"),
    ],
)
def test_what_is_wrong_is_told(
    aiotls: Run, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = aiotls("cert", *arguments, XDG_DATA_HOME=str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_is_checked(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo")
    target = f"localhost:{served.port}"
    done = aiotls("cert", "check", target, "--cafile", files.ca)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK  localhost is verified")
    assert "`- aiotls development CA" in done.stdout
    done = aiotls("cert", "check", target, "--cafile", files.ca, "--days-left", "30")
    assert done.returncode == 3
    assert done.stdout.startswith("TOO LATE")
    done = aiotls("cert", "check", target)
    assert done.returncode == 3
    assert re.search(r"aiotls development CA: not found  <-- here", done.stdout)
    done = aiotls("cert", "check", target, "--cafile", files.ca, "--servername", "x.example")
    assert done.returncode == 3
    assert re.search(r"localhost: EC .*<-- here", done.stdout)
    told = json.loads(aiotls("cert", "check", target, "--cafile", files.ca, "--json").stdout)
    assert told["ok"] is True
    assert "localhost" in aiotls("cert", "show", target).stdout


def test_the_failing_link() -> None:
    now = time.time()
    authority = Authority.create()
    leaf = authority.issue("x.example").certificate
    old = authority.issue("x.example", days=-1 / 1440).certificate
    assert failing_link([leaf], 20, now) == 1
    assert failing_link([leaf, authority.certificate], 19, now) == 1
    assert failing_link([authority.certificate], 18, now) == 0
    assert failing_link([leaf], 62, now) == 0
    assert failing_link([old, authority.certificate], 10, now) == 0
    assert failing_link([leaf], 99, now) == 0


def test_the_chain_is_drawn() -> None:
    authority = Authority.create()
    chain: list[x509.Certificate] = [
        authority.issue("x.example").certificate,
        authority.certificate,
    ]
    lines = draw_chain(Terminal(sys.stdout), chain, time.time(), None, trusted=True)
    assert lines[0].startswith("  x.example: EC secp256r1")
    assert lines[1].endswith("(trusted)")


def test_a_server_with_a_certificate_of_its_own_making(aiotls: Run, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "aiotls", "serve", "--echo", "--cert", "auto"),
            *("--name", "dev.example", "--port", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(XDG_DATA_HOME=str(tmp_path)),
    )
    try:
        assert process.stdout is not None
        port = None
        while port is None:
            line = process.stdout.readline()
            assert line
            found = re.search(r" on \S+:(\d+)", line)
            port = found and found[1]
        done = aiotls(
            *("connect", f"127.0.0.1:{port}", "--servername", "dev.example", "--json"),
            *("--cafile", str(tmp_path / "aiotls" / "ca.pem")),
        )
    finally:
        process.kill()
        process.communicate()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] is True


def test_what_openssl_makes_an_authority_is_one(tmp_path: Path) -> None:
    """``openssl req -x509`` writes no key usage, which public authorities must have."""
    root = certificates.authority("one's own", usage=None)
    leaf = certificates.leaf("localhost", issuer=root)
    named = tmp_path / "root.pem"
    named.write_bytes(root.pem)
    moment = certificates.NOW
    assert read_trust(str(named)).verify_server(leaf.chain, "localhost", now=moment)
    with pytest.raises(CertificateError, match="key usage"):
        TrustStore.from_files(named).verify_server(leaf.chain, "localhost", now=moment)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (90_000, "1 day left"),
        (3600, "less than a day left"),
        (-3600, "expired less than a day ago"),
        (-90_000, "expired 1 day ago"),
        (-180_000, "expired 2 days ago"),
    ],
)
def test_days_are_counted_from_the_end(seconds: int, said: str) -> None:
    certificate = Authority.create().certificate
    end = certificate.not_valid_after_utc.timestamp()
    assert report.in_days(report.days_left(certificate, end - seconds)) == said


def test_connect_resumes(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo")
    target = ("connect", f"localhost:{served.port}", "--cafile", files.ca, "--json", "--resume")
    for version in ("1.2", "1.3"):
        told = json.loads(aiotls(*target, "--tls", version).stdout)
        assert told["resumed"] is True
        assert told["version"] == f"TLS {version}"


def test_connect_with_groups_and_a_key_log(
    aiotls: Run, serve: Serve, files: Files, tmp_path: Path
) -> None:
    served = serve("--echo")
    log = tmp_path / "keys.log"
    done = aiotls(
        *("connect", f"localhost:{served.port}", "--cafile", files.ca, "--json"),
        *("--groups", "secp384r1,X25519", "--keylog", str(log)),
    )
    assert json.loads(done.stdout)["group"] == "secp384r1"
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
