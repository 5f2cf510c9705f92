"""GnuTLS's own programs, gnutls-cli(1) and gnutls-serv(1)."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from aiotls.enums import CipherSuite, NamedGroup

from .peer import (
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    converse,
    listening_process,
    missing_programs,
    read_exactly,
)

PAUSE = 0.05
"""Seconds between an inline command and data: gnutls-cli takes one read for one command."""


class GnuTLS(Peer):
    name = "gnutls"
    groups = {
        NamedGroup.X25519: "GROUP-X25519",
        NamedGroup.SECP256R1: "GROUP-SECP256R1",
        NamedGroup.SECP384R1: "GROUP-SECP384R1",
        NamedGroup.SECP521R1: "GROUP-SECP521R1",
    }
    accepts = tuple(groups)
    suites = {
        CipherSuite.TLS_AES_128_GCM_SHA256: "AES-128-GCM",
        CipherSuite.TLS_AES_256_GCM_SHA384: "AES-256-GCM",
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256: "CHACHA20-POLY1305",
    }
    keys = (*Peer.keys, "p521", "ed448")
    also_accepts_keys = ("rsa-pss",)
    client_updates_keys = True
    client_mebibytes = 16  # gnutls-cli takes half a minute for 64, whatever the server

    def missing(self) -> str | None:
        return missing_programs("gnutls-cli", "gnutls-serv")

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        command: list[str | Path] = [
            *("gnutls-cli", "--port", str(port), "--logfile", "/dev/stderr", "--single-key-share"),
            *("--sni-hostname", settings.server_name, "--verify-hostname", settings.server_name),
            *self._common(settings),
        ]
        for name in settings.alpn:
            command += ["--alpn", name]
        if settings.resume:
            command += ["--resume", "--waitresumption"]
        if settings.key_update:
            with Process(*command, "--inline-commands", "127.0.0.1") as process:
                return _converse_with_commands(process, payload)
        with Process(*command, "127.0.0.1") as process:
            return converse(process, payload)

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        def command(port: int) -> list[str | Path]:
            command: list[str | Path] = [
                *("gnutls-serv", "--echo", "--crlf", "--nodb", "--quiet", "--port", str(port)),
                *self._common(settings),
            ]
            for name in settings.alpn:
                command += ["--alpn", name, "--alpn-fatal"]
            if settings.trust:
                command += ["--require-client-cert", "--verify-client-cert"]
            else:
                command += ["--disable-client-cert"]
            return command

        return listening_process(command)

    def _common(self, settings: Settings) -> list[str | Path]:
        version = "TLS1.2" if settings.tls12 else "TLS1.3"
        priority = f"NORMAL:-VERS-ALL:+VERS-{version}"
        if settings.groups:
            names = (self.groups[group] for group in settings.groups)
            priority += ":-GROUP-ALL" + "".join(f":+{name}" for name in names)
        if settings.suites:
            names = (self.suites[suite] for suite in settings.suites)
            priority += ":-CIPHER-ALL" + "".join(f":+{name}" for name in names)
        options: list[str | Path] = ["--priority", priority]
        if settings.trust:
            options += ["--x509cafile", settings.trust]
        if settings.credentials:
            options += ["--x509certfile", settings.credentials.chain]
            options += ["--x509keyfile", settings.credentials.key]
        return options


def _converse_with_commands(process: Process, payload: bytes) -> Outcome:
    process.hurry()
    data = b""
    for line in payload.splitlines(keepends=True):
        process.write(line)
        data += read_exactly(process.stdout, len(line))
        time.sleep(PAUSE)
        process.write(b"^rekey^\n")
        time.sleep(PAUSE)
    process.finish()
    return Outcome(data, process.log())
