"""aiotls cert, and serve --cert auto."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from aiotls import CertificateError, TrustStore
from aiotls.cli import report
from aiotls.cli.authority import Authority
from aiotls.cli.cert import Shown, draw_chain, judge
from aiotls.cli.connect import read_trust
from aiotls.cli.terminal import Terminal
from tests import certificates
from tests.certificates import Issued, authority, intermediate, leaf

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


def drawn(peer: Issued, *sent: Issued, name: str = "localhost", days: int = 0) -> list[str]:
    """The chain of a server that sent these certificates as well, to who trusts *peer*'s root."""
    chain = tuple(issued.der for issued in (peer, *sent))
    judged = judge(Shown(chain), peer.trust, name, certificates.NOW + days * certificates.DAY)
    return draw_chain(Terminal(sys.stdout), judged)


def test_the_chain_is_drawn() -> None:
    between = intermediate("between")
    lines = drawn(leaf(issuer=between), between)
    assert len(lines) == 3
    assert lines[0].startswith("  localhost: EC secp256r1")
    assert lines[1].startswith("  `- between: EC")
    assert lines[2].startswith("     `- aiotls test root: EC")
    assert lines[2].endswith("(trusted)")
    assert not any("here" in line for line in lines)


@pytest.mark.parametrize(
    "flaw",
    [
        {"usage": None},
        {"ca": None},
        {"critical_constraints": False},
        {"critical_unknown": True},
        {"key_kind": "ed25519"},
        {"purposes": (certificates.CLIENT,)},
    ],
    ids=str,
)
def test_the_link_that_is_marked_is_the_authority_with_the_flaw(flaw: dict[str, Any]) -> None:
    between = intermediate("between", **flaw)
    marks = [line.endswith("<-- here") for line in drawn(leaf(issuer=between), between)]
    assert marks == [False, True, False]
    root = authority("the top", **flaw)
    between = intermediate("between", issuer=root)
    marks = [line.endswith("<-- here") for line in drawn(leaf(issuer=between), between)]
    assert marks == [False, False, True]


def test_the_link_that_is_marked_is_the_leaf_with_the_wrong_name_or_date() -> None:
    for lines in (drawn(leaf(), name="x.example"), drawn(leaf(), days=31)):
        assert lines[0].endswith("<-- here")
        assert not lines[1].endswith("<-- here")


def test_a_missing_issuer_is_marked_where_it_would_stand() -> None:
    between = intermediate("between")
    lines = drawn(leaf(issuer=between))
    assert lines[1] == "  `- between: not found  <-- here"


def test_a_chain_out_of_order_is_drawn_in_order_and_what_is_not_of_it_is_told() -> None:
    stranger, between = leaf("stranger.example"), intermediate("between")
    root = between.path[-1]
    lines = drawn(leaf(issuer=between), stranger, root, between, name="x.example")
    assert [line.split(":")[0].strip(" `-") for line in lines] == [
        *("localhost", "between", "aiotls test root"),
        *("sent as well, and no part of it", "stranger.example"),
    ]


def test_a_root_that_is_not_trusted_is_marked() -> None:
    elsewhere = authority("elsewhere")
    peer = leaf(issuer=elsewhere)
    judged = judge(Shown((peer.der, elsewhere.der)), leaf().trust, "localhost", certificates.NOW)
    lines = draw_chain(Terminal(sys.stdout), judged)
    assert lines[1].endswith("<-- here")
    assert "(trusted)" not in lines[1]


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


def test_a_name_that_the_library_does_not_read(
    aiotls: Run, serve: Serve, files: Files, tmp_path: Path
) -> None:
    """It is shown as OpenSSL shows it, by whatever looks at certificates."""
    issued = leaf("localhost", common_name="localhost.")
    odd = certificates.with_odd_name(issued, authority())
    chain, ca = tmp_path / "odd.pem", tmp_path / "ca.pem"
    chain.write_bytes(odd.public_bytes(Encoding.PEM) + issued.key_pem)
    ca.write_bytes(authority().pem)
    name = "#" + b"ocalhost.".hex()
    assert name in aiotls("cert", "show", str(chain)).stdout
    server = serve("--echo", "--cert", str(chain), "--key", str(chain))
    target = f"localhost:{server.port}"
    for command in ("connect", "trace", "check"):
        done = aiotls(command, target, "--cafile", str(ca))
        assert done.returncode == 0, done.stderr
        assert name in done.stdout + done.stderr or command == "check"
    done = aiotls("cert", "check", target, "--cafile", files.ca)
    assert done.returncode == 3
    assert name in done.stdout
