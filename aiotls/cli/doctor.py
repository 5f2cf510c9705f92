"""``aiotls doctor``: what is installed, what is trusted, and what might get in the way."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import ssl
import sys
import time
from typing import Any

import cryptography
from cryptography.hazmat.backends.openssl import backend

from .. import __version__
from ..config import ClientConfig, ServerConfig
from ..connection import TLSConnection
from ..errors import TLSError
from ..trace.text import milliseconds
from ..trust import TrustStore
from . import report
from .authority import Authority
from .main import FAILED, OK
from .terminal import Terminal

ROUNDS = 20


def register(commands: Any) -> None:
    """Declares the command's arguments."""
    command = commands.add_parser(
        "doctor",
        help="what is installed, what is trusted, what might get in the way",
        description="Looks at this installation and does a handshake with itself. The output is "
        "made to be pasted into a report: it holds no secrets.",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the command; 1 when something is broken."""
    told: dict[str, str] = {
        "aiotls": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}), "
        f"{platform.system()} {platform.machine()}",
        "cryptography": f"{cryptography.__version__} over {backend.openssl_version_text()}",
        "ssl module": f"{ssl.OPENSSL_VERSION} (not used here, except to find the roots)",
    }
    findings: list[str] = []
    broken = False
    for package in ("uvloop", "brotli", "backports.zstd", "redis"):
        told[package] = _version_of(package)
    try:
        started = time.perf_counter()
        store = TrustStore.system()
        took = milliseconds(time.perf_counter() - started)
        told["roots"] = f"{len(store)} ({took})"
    except TLSError as error:
        told["roots"] = "none"
        findings.append(f"no roots: {error}. Install ca-certificates, or set SSL_CERT_FILE.")
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if os.environ.get(variable):
            told[variable] = os.environ[variable]
    if os.environ.get("SSLKEYLOGFILE"):
        told["SSLKEYLOGFILE"] = "set"
        findings.append("SSLKEYLOGFILE is set: whoever reads that file reads the connections.")
    findings += _bypasses()
    try:
        told["handshake"] = _handshake()
    except Exception as error:  # whatever it is, it is what this command is for
        broken = True
        told["handshake"] = "FAILED"
        findings.append(f"a handshake with itself failed: {type(error).__name__}: {error}")
    if options.json:
        print(json.dumps({"ok": not broken, "facts": told, "findings": findings}, indent=2))
    else:
        terminal = Terminal.of(sys.stdout)
        for name, value in told.items():
            terminal.line(f"{name + ':':15} {value}")
        for finding in findings:
            terminal.line(terminal.paint("note:", "yellow") + " " + finding)
        if not findings:
            terminal.line(terminal.paint("nothing is in the way", "green"))
    return FAILED if broken else OK


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _bypasses() -> list[str]:
    """What would have connections run on another engine than the one that was asked for."""
    findings = []
    if importlib.util.find_spec("aiofastnet") is not None:
        findings.append(
            "aiofastnet is installed: its loops read OpenSSL's context out of an ssl.SSLContext "
            "by memory layout. Contexts of aiotls.ssl make it fall back; native configs are not "
            "affected."
        )
    for name in ("SSLContext", "SSLSocket", "SSLObject"):
        module = getattr(ssl, name).__module__
        if module not in ("ssl", "aiotls.ssl") and not module.startswith("aiotls."):
            findings.append(f"ssl.{name} was replaced by {module}.")
    return findings


def _handshake() -> str:
    """Handshakes in memory, and what one costs."""
    authority = Authority.create()
    server_config = ServerConfig(identity=authority.identity("localhost"), key_log=None, tickets=0)
    client_config = ClientConfig(trust=authority.trust(), key_log=None, session_cache=None)
    spent: list[float] = []
    told: dict[str, Any] = {}
    for _ in range(ROUNDS):
        client = TLSConnection(client_config, "localhost")
        server = TLSConnection(server_config)
        started = time.perf_counter()
        while not (client.handshake_complete and server.handshake_complete):
            server.receive_data(client.data_to_send())
            client.receive_data(server.data_to_send())
        spent.append(time.perf_counter() - started)
        told = report.facts(client)
    median = sorted(spent)[len(spent) // 2]
    return (
        f"{told['version']}, {told['cipher_suite']}, {told['group']}: both ends together in "
        f"{milliseconds(median)}"
    )
