"""Java's own TLS, JSSE, through a small program."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from pathlib import Path

from aiotls.enums import Alert, CipherSuite, NamedGroup

from .peer import (
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    converse,
    listening_process,
    missing_programs,
)

SOURCE = Path(__file__).with_name("java") / "Peer.java"

# As a Java program starts it is idle for most of the time: no compiling, no parallel collector.
QUICKLY = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m")


class Java(Peer):
    name = "java"
    groups = {
        NamedGroup.X25519: "x25519",
        NamedGroup.SECP256R1: "secp256r1",
        NamedGroup.SECP384R1: "secp384r1",
        NamedGroup.SECP521R1: "secp521r1",
    }
    accepts = tuple(groups)
    suites = {
        CipherSuite.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
        CipherSuite.TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
    }
    keys = (*Peer.keys, "p521", "ed448")
    also_accepts_keys = ("rsa-pss",)
    alert_without_certificate = Alert.BAD_CERTIFICATE
    alert_without_group = Alert.UNEXPECTED_MESSAGE
    is_slow_to_start = True

    _classes: Path

    def missing(self) -> str | None:
        return missing_programs("java", "javac")

    def prepare(self, directory: Path) -> None:
        self._classes = directory / "java-peer"
        with (directory / "java-peer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the tests may run in several processes
            if not self._classes.exists():
                subprocess.run(["javac", "-d", str(self._classes), str(SOURCE)], check=True)

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        with Process(*self._command(port, settings)) as process:
            return converse(process, payload)

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        return listening_process(lambda port: [*self._command(port, settings), "listen=yes"])

    def _command(self, port: int, settings: Settings) -> list[str | Path]:
        command: list[str | Path] = ["java", *QUICKLY, "-cp", self._classes]
        command += [f"-D{name}={value}" for name, value in settings.options.items()]
        if settings.groups:
            groups = ",".join(self.groups[group] for group in settings.groups)
            command += [f"-Djdk.tls.namedGroups={groups}"]
        command += ["Peer", f"port={port}", f"name={settings.server_name}"]
        if settings.credentials:
            command += [f"chain={settings.credentials.chain}", f"key={settings.credentials.key}"]
        if settings.trust:
            command += [f"trust={settings.trust}"]
        if settings.suites:
            command += ["suites=" + ",".join(self.suites[suite] for suite in settings.suites)]
        if settings.tls12:
            command += ["version=TLSv1.2"]
        if settings.resume:
            command += ["resume=yes"]
        command += settings.extra
        if settings.alpn:
            command += ["alpn=" + ",".join(settings.alpn)]
        return command
