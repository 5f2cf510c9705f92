"""The standard library's own tests of ssl, and of all that is built on it, on this engine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OUT_OF_SCOPE = {
    "test.test_ssl.ContextTests.test_load_dh_params": "key exchange over finite fields",
    "test.test_ssl.ThreadedTests.test_dh_params": "key exchange over finite fields",
    "test.test_ssl.ContextTests.test_min_max_version": "sets TLS 1.0 and 1.1",
    "test.test_ssl.ThreadedTests.test_PROTOCOL_TLS": "sets SSL 3.0 and TLS 1.0",
    "test.test_ssl.ContextTests.test_verify_flags": "allows proxy certificates",
    "test.test_ssl.ContextTests.test_hostname_checks_common_name": "common names as host names",
    "test.test_ssl.ThreadedTests.test_hostname_checks_common_name": "common names as host names",
    "test.test_ssl.SimpleBackgroundTests.test_bio_handshake": "tls-unique with TLS 1.3, "
    "for which it is not defined (RFC 9266)",
    "test.test_ssl.ThreadedTests.test_tls_unique_channel_binding": "tls-unique with TLS 1.3",
    "test.test_ssl.ThreadedTests.test_psk": "pre-shared keys of TLS 1.2, and of 3 bytes",
    "test.test_ssl.ThreadedTests.test_psk_tls1_3": "a pre-shared key of 4 bytes",
}
"""The tests that do not hold here, and what they ask for. This list only ever shrinks."""

SUITES = [
    ("substitute", ["test.test_ssl"], 170),
    ("inject", ["test.test_asyncio.test_ssl", "test.test_asyncio.test_sslproto"], 40),
    (
        "inject",
        ["test.test_httplib", "test.test_urllib2_localnet", "test.test_ftplib"],
        200,
    ),
    ("inject", ["test.test_imaplib", "test.test_poplib", "test.test_smtplib"], 200),
    ("inject", ["test.test_asyncio.test_events"], 200),
    ("inject", ["test.test_asyncio.test_streams", "test.test_asyncio.test_sendfile"], 80),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("how", "names", "least"), SUITES, ids=lambda value: str(value)[-40:])
def test_the_interpreters_own_tests(how: str, names: list[str], least: int) -> None:
    if importlib.util.find_spec("test.test_ssl") is None:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail("the interpreter has no package test (libpython3.11-testsuite in Debian)")
        pytest.skip("the interpreter has no package test")
    script = Path(__file__).with_name("interpreter.py")
    root = Path(__file__).parents[2]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("SSL", "PYTHON"))},
        "PYTHONPATH": str(root),
    }
    process = subprocess.run(
        [sys.executable, str(script), how, *names],
        env=environment,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    try:
        outcome = json.loads(process.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        pytest.fail(f"the tests came to no end:\n{process.stderr[-4000:]}")
    assert outcome["ran"] >= least
    failed = {name: text for name, text in outcome["failed"].items() if name not in OUT_OF_SCOPE}
    assert not failed, "\n".join(f"{name}\n{text}" for name, text in failed.items())
