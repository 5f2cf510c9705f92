"""Every file in examples/ runs as it stands, and says what it should."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

SAYS = {
    "aiohttp_on_aiotls": "hello over TLSv1.3",
    "certificates_on_demand": "this is two.example",
    "echo_streams": "over TLS, there and back",
    "echo_uvloop": "hello from uvloop",
    "https_client": "Hello, world!",
    "mutual_tls": "hello, ada@example.com",
    "openssl_bio_pair": "2800 bytes arrived",
    "openssl_blocking_client": "HELLO FROM A PROGRAM THAT BLOCKS",
    "openssl_memory_bio": "carried by hand",
    "openssl_select_client": "HELLO FROM A PROGRAM THAT WAITS WITH SELECT",
    "pinning": "raw: it is me",
    "protocols": "ARE CAPITALS ANY LOUDER?",
    "remote_key": "signed from afar",
    "resumption": "early: GET / at once",
    "resumption_redis": "process 2: resumed",
    "sans_io": "the client read b'pong' and the end",
    "sans_io_trio": "STRUCTURED CONCURRENCY",
    "starttls": "221 bye, in private",
    "tls_in_tls": "for your eyes only",
    "trace_handshake": "HelloRetryRequest",
    "uvicorn_on_aiotls": "https it is",
}

NEEDS = {
    "aiohttp_on_aiotls": "aiohttp",
    "echo_uvloop": "uvloop",
    "resumption_redis": "redis",
    "sans_io_trio": "trio",
    "uvicorn_on_aiotls": "uvicorn",
}
PROGRAMS = {"resumption_redis": "redis-server"}


def run(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("SSLKEYLOGFILE", None)
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs_as_it_stands(path: Path) -> None:
    needed = NEEDS.get(path.stem)
    program = PROGRAMS.get(path.stem)
    missing = None
    if needed is not None and importlib.util.find_spec(needed) is None:
        missing = needed
    elif program is not None and shutil.which(program) is None:
        missing = program
    if missing is not None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail(f"{missing} is not installed")
        pytest.skip(f"{missing} is not installed")
    done = run(path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert SAYS[path.stem] in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_says_at_its_top_what_it_shows_and_how_to_run_it(path: Path) -> None:
    text = path.read_text().partition('"""')[2].partition('"""')[0]
    assert f"python examples/{path.name}" in text
    assert "Shows:" in text


def test_each_is_in_the_list() -> None:
    readme = (ROOT / "examples" / "README.md").read_text()
    for path in EXAMPLES:
        assert f"`{path.name}`" in readme
