"""aiotls trace."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

from .conftest import Files, Run, Served

Serve = Callable[..., Served]


def test_a_handshake_is_drawn_and_written(
    aiotls: Run, serve: Serve, files: Files, tmp_path: Path
) -> None:
    served = serve("--echo")
    page, capture = tmp_path / "page.html", tmp_path / "capture.pcapng"
    done = aiotls(
        *("trace", f"localhost:{served.port}", "--cafile", files.ca),
        *("--html", str(page), "--pcapng", str(capture)),
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("OK  localhost is verified")
    assert "CertificateVerify" in done.stdout
    assert "NewSessionTicket" in done.stdout
    assert "key generation" in done.stdout
    assert max(map(len, lines[:-2])) <= 80
    assert "CertificateVerify" in page.read_text()
    assert capture.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert stat.S_IMODE(capture.stat().st_mode) == 0o600


def test_a_failure_is_drawn_where_it_happened(aiotls: Run, serve: Serve, tmp_path: Path) -> None:
    served = serve("--echo")
    page = tmp_path / "page.html"
    done = aiotls("trace", f"localhost:{served.port}", "--html", str(page))
    assert done.returncode == 3
    assert done.stdout.startswith("NOT VERIFIED")
    assert "\n  failed " in done.stdout
    assert "NOT VERIFIED" in page.read_text()


def test_json(aiotls: Run, serve: Serve, files: Files) -> None:
    served = serve("--echo")
    told = json.loads(
        aiotls("trace", f"localhost:{served.port}", "--cafile", files.ca, "--json").stdout
    )
    assert told["ok"] is True
    assert told["messages"][0]["message"] == "ClientHello"
    assert told["marks"][0]["text"] == "TCP connected"


def test_what_cannot_be_written_is_found_out_first(aiotls: Run) -> None:
    done = aiotls("trace", "localhost:1", "--html", "/nowhere/page.html")
    assert done.returncode == 2
    assert "/nowhere" in done.stderr
