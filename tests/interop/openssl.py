"""OpenSSL's own programs, s_client(1) and s_server(1)."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

from aiotls.enums import CipherSuite, NamedGroup

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

PAUSE = 0.05
"""Seconds between a command and data: s_client and s_server look for a command letter at the
start of what one read of their standard input gave."""


class OpenSSL(Peer):
    name = "openssl"
    groups = {
        NamedGroup.X25519: "X25519",
        NamedGroup.SECP256R1: "P-256",
        NamedGroup.SECP384R1: "P-384",
        NamedGroup.SECP521R1: "P-521",
    }
    accepts = tuple(groups)
    suites = {
        CipherSuite.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
        CipherSuite.TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
    }
    keys = (*Peer.keys, "p521", "rsa3072", "ed448")
    also_accepts_keys = ("rsa-pss",)
    client_updates_keys = True
    server_updates_keys = True

    def missing(self) -> str | None:
        return missing_programs("openssl")

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        command: list[str | Path] = [
            *("openssl", "s_client", "-connect", f"{HOST}:{port}"),
            *("-servername", settings.server_name, "-verify_hostname", settings.server_name),
            *("-verify_return_error", *self._common(settings)),
        ]
        if settings.trust:
            command += ["-CAfile", settings.trust]
        if settings.alpn:
            command += ["-alpn", ",".join(settings.alpn)]
        if settings.key_update:
            with Process(*command) as process:
                return _converse_with_commands(process, payload)
        command += ["-quiet", "-no_ign_eof", "-nocommands"]
        if settings.resume:
            with tempfile.TemporaryDirectory() as directory:
                session = Path(directory) / "session.pem"
                with Process(*command, "-sess_out", session) as process:
                    first = converse(process, payload)
                if first.data != payload or not session.exists():
                    return Outcome(b"", f"no session: {first.error}")
                with Process(*command, "-sess_in", session) as process:
                    return converse(process, payload)
        with Process(*command) as process:
            return converse(process, payload)

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        def command(port: int) -> list[str | Path]:
            command: list[str | Path] = [
                *("openssl", "s_server", "-accept", f"{HOST}:{port}"),
                *self._common(settings),
            ]
            if settings.trust:
                command += ["-CAfile", settings.trust, "-Verify", "3", "-verify_return_error"]
            if settings.alpn:
                command += ["-alpn", ",".join(settings.alpn)]
            if not settings.key_update:
                command += ["-quiet"]
            return command

        return listening_process(command, _echo_with_commands if settings.key_update else _echo)

    def _common(self, settings: Settings) -> list[str | Path]:
        options: list[str | Path] = ["-tls1_2" if settings.tls12 else "-tls1_3"]
        if settings.credentials:
            # The chain twice: s_client and s_server take but the leaf from -cert.
            chain = settings.credentials.chain
            options += ["-cert", chain, "-cert_chain", chain, "-key", settings.credentials.key]
        if settings.groups:
            options += ["-groups", ":".join(self.groups[group] for group in settings.groups)]
        if settings.suites:
            options += ["-ciphersuites", ":".join(self.suites[suite] for suite in settings.suites)]
        return options


def _echo(process: Process) -> None:
    with contextlib.suppress(OSError, ValueError):
        while chunk := process.stdout.read(1 << 18):
            process.write(chunk)


def _echo_with_commands(process: Process) -> None:
    """Echo the lines among all else that s_server prints, with new keys before each of them."""
    with contextlib.suppress(OSError, ValueError):
        for line in iter(process.stdout.readline, b""):
            if line.startswith(b"line"):
                process.write(b"K\n")
                time.sleep(PAUSE)
                process.write(line)


def _converse_with_commands(process: Process, payload: bytes) -> Outcome:
    process.hurry()
    data = b""
    for line in payload.splitlines(keepends=True):
        process.write(line)
        for printed in iter(process.stdout.readline, b""):
            if printed == line:
                data += printed
                break
        process.write(b"K\n")
        time.sleep(PAUSE)
    process.finish()
    return Outcome(data, process.log())
