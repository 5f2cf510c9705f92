"""The standard library's own tests of ssl, and of all that is built on it, on this engine."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SSL = "test.test_ssl"
EVERY = ((3, 11), (4, 0))
UNVERIFIED = "a client that checks names and is given none to check"
OUT_OF_SCOPE: dict[str, tuple[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    f"{SSL}.ContextTests.test_load_dh_params": ("key exchange over finite fields", EVERY),
    f"{SSL}.ThreadedTests.test_dh_params": ("key exchange over finite fields", EVERY),
    f"{SSL}.ContextTests.test_min_max_version": ("sets TLS 1.0 and 1.1", EVERY),
    f"{SSL}.ContextTests.test_verify_flags": ("allows proxy certificates", EVERY),
    f"{SSL}.ContextTests.test_hostname_checks_common_name": ("common names as host names", EVERY),
    f"{SSL}.ThreadedTests.test_hostname_checks_common_name": ("common names as host names", EVERY),
    f"{SSL}.ThreadedTests.test_PROTOCOL_TLS": ("sets SSL 3.0 and TLS 1.0", ((3, 11), (3, 12))),
    f"{SSL}.SimpleBackgroundTests.test_bio_handshake": (
        "tls-unique with TLS 1.3, for which it is not defined (RFC 9266)",
        ((3, 11), (3, 13)),
    ),
    f"{SSL}.ThreadedTests.test_tls_unique_channel_binding": (
        "tls-unique with TLS 1.3",
        ((3, 11), (3, 13)),
    ),
    f"{SSL}.ThreadedTests.test_psk": (
        "pre-shared keys of TLS 1.2",
        ((3, 13), (4, 0)),
    ),
    f"{SSL}.ContextTests.test_options": ("takes a cut for an end", ((3, 11), (3, 11, 3))),
    f"{SSL}.SSLErrorTests.test_bad_server_hostname": (UNVERIFIED, ((3, 11), (3, 11, 3))),
    f"{SSL}.SSLObjectTests.test_check_hostname_requires_server_hostname": (
        UNVERIFIED,
        ((3, 11), (3, 11, 3)),
    ),
    "test.test_asyncio.test_sslproto.SslProtoHandshakeTests."
    "test_check_hostname_requires_server_hostname": (UNVERIFIED, ((3, 11), (3, 11, 3))),
    f"{SSL}.ThreadedTests.test_psk_tls1_3": (
        "a pre-shared key of 4 bytes, and no other cipher suites than those of TLS 1.2 with one",
        ((3, 13), (4, 0)),
    ),
}
"""The tests that do not hold here, what they ask for, and from which Python to before which they
do. This list only ever shrinks: a test in it that holds fails the run."""

SKIPPED = re.compile(
    "Windows (only|specific)|resource 'network' is not enabled"
    "|local time needs .*|locale-specific .*"
    "|(SSLv[23]|TLSv1|TLSv1_1) is not available\\.|Test applies only to Python default ciphers"
)
"""Why tests of ssl may be skipped: the standard library's ssl skips the same."""

SUITES = [
    ("substitute", [SSL], 170),
    ("inject", ["test.test_asyncio.test_ssl", "test.test_asyncio.test_sslproto"], 40),
    *(
        pytest.param(*suite, marks=pytest.mark.slow)
        for suite in (
            (
                "inject",
                ["test.test_httplib", "test.test_urllib2_localnet", "test.test_ftplib"],
                200,
            ),
            ("inject", ["test.test_imaplib", "test.test_poplib", "test.test_smtplib"], 200),
            ("inject", ["test.test_asyncio.test_events"], 200),
            ("inject", ["test.test_asyncio.test_streams", "test.test_asyncio.test_sendfile"], 80),
        )
    ),
]


def out_of_scope(names: list[str]) -> set[str]:
    """The ids that are listed, of these modules and for this Python."""
    return {
        name
        for name, (_, (first, after)) in OUT_OF_SCOPE.items()
        if first <= sys.version_info[:3] < after and name.startswith(tuple(f"{n}." for n in names))
    }


def found(name: str) -> bool:
    """Whether a module of the package test is there; Debian has the package without its tests."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def suite_id(value: object) -> str:
    return value[0] if isinstance(value, list) else str(value)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("how", "names", "least"), SUITES, ids=suite_id)
def test_the_interpreters_own_tests(how: str, names: list[str], least: int, tmp_path: Path) -> None:
    missing = [name for name in names if not found(name)]
    if missing:
        package = "libpython{}.{}-testsuite".format(*sys.version_info)
        reason = f"this Python has no {missing[0]}: in Debian, {package} brings it"
        if os.environ.get("CI") or os.environ.get("AIOTLS_REQUIRE_PEERS"):
            pytest.fail(reason)
        pytest.skip(reason)
    script = Path(__file__).with_name("interpreter.py")
    root = Path(__file__).parents[2]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("SSL", "PYTHON"))},
        "PYTHONPATH": str(root),
    }
    process = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "outcome"), how, *names],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",  # some tests print what came over the wire
        timeout=290,
        check=False,
    )
    try:
        outcome = json.loads((tmp_path / "outcome").read_text())
    except (OSError, ValueError):
        pytest.fail(
            f"the tests came to no end, exit code {process.returncode}:\n{process.stderr[-4000:]}"
        )
    assert outcome["ran"] >= least
    if names[0] in (SSL, "test.test_asyncio.test_ssl"):
        skipped = outcome["skipped"].items()
        assert not [(name, why) for name, why in skipped if not SKIPPED.fullmatch(why)]
    listed, failed = out_of_scope(names), outcome["failed"]
    unlisted = {name: text for name, text in failed.items() if name not in listed}
    assert not unlisted, "\n".join(f"{name}\n{text}" for name, text in unlisted.items())
    assert listed <= set(failed), "these hold: take them off the list"
