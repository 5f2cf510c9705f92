"""The ssl modules that are compared, and contexts made with each of them."""

from __future__ import annotations

import importlib
import os
import ssl
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import aiotls.ssl
from tests import certificates

OURS = "aiotls"
CONTROL = "stdlib"

MODULES: dict[str, str] = {
    CONTROL: "ssl",
    OURS: "aiotls.ssl",
    "rtls": "rtls",
    "utls": "utls",
}


@cache
def module(name: str) -> ModuleType:
    """The ssl module of an engine; the test is skipped where it is not installed."""
    if name == CONTROL:
        return ssl
    if name == OURS:
        return aiotls.ssl
    try:
        return importlib.import_module(MODULES[name])
    except ImportError:
        if os.environ.get("AIOTLS_REQUIRE_PEERS"):
            raise
        pytest.skip(f"{name} is not installed")


class Files:
    """Certificates on disk, as contexts take them."""

    def __init__(self, directory: Path) -> None:
        authority = certificates.authority()
        stranger = certificates.authority("an authority that nobody knows")
        self.directory = directory
        self.ca = self._write("ca.pem", authority.pem)
        self.stranger = self._write("stranger.pem", stranger.pem)
        self.server = self._leaf("server", "localhost", "127.0.0.1")
        self.other = self._leaf("other", "other.example")
        self.client = self._leaf("client", "client.example", purposes=(certificates.CLIENT,))
        self.expired = self._leaf(
            "expired",
            "localhost",
            begins=certificates.NOW - 30 * certificates.DAY,
            ends=certificates.NOW - 3 * certificates.DAY,
        )

    def _leaf(self, name: str, *names: str, **options: Any) -> str:
        options.setdefault("purposes", (certificates.SERVER,))
        return self._write(f"{name}.pem", certificates.leaf(*names, **options).chain_pem)

    def _write(self, name: str, data: bytes) -> str:
        path = self.directory / name
        path.write_bytes(data)
        return str(path)


def server_context(engine: str, files: Files, *, certfile: str = "", clients: bool = False) -> Any:
    """A server's context; with *clients* it insists on a client's certificate."""
    ssl_module = module(engine)
    context = ssl_module.SSLContext(ssl_module.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile or files.server)
    if clients:
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl_module.CERT_REQUIRED
    return context


def client_context(engine: str, files: Files, *, cafile: str = "", certfile: str = "") -> Any:
    """A client's context."""
    context = module(engine).create_default_context(cafile=cafile or files.ca)
    if certfile:
        context.load_cert_chain(certfile)
    return context


def heed_cuts(context: Any) -> Any:
    """The same context, under which a cut is an error: before 3.11.4, the default was another."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


PAIRINGS = [
    (CONTROL, CONTROL),
    (OURS, CONTROL),
    (CONTROL, OURS),
    (OURS, OURS),
]
"""Client and server; the first is the control."""


def pairing_id(pairing: tuple[str, str]) -> str:
    """``aiotls-to-stdlib``."""
    return f"{pairing[0]}-to-{pairing[1]}"
