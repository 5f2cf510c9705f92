"""NSS, the library of Firefox, by its own programs tstclnt and selfserv.

Both find certificates and keys in a database alone, which is made for each of them.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)

from aiotls.enums import NamedGroup

from .peer import (
    HOST,
    Credentials,
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    describe,
    http_body,
    http_request,
    listening_process,
    missing_programs,
)

NICKNAME = "self"
PASSWORD = "password"


class NSS(Peer):
    """A server takes one request, not longer than its buffer, and answers with all of it."""

    name = "nss"
    groups = {
        NamedGroup.X25519: "x25519",
        NamedGroup.SECP256R1: "P256",
        NamedGroup.SECP384R1: "P384",
        NamedGroup.SECP521R1: "P521",
    }
    accepts = tuple(groups)
    suites = {}
    keys = ("p256", "p384", "rsa")
    speaks_http = True
    has_alpn = False
    server_bytes = 1024

    def missing(self) -> str | None:
        return missing_programs("tstclnt", "selfserv", "certutil", "pk12util")

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        """Who trusts nobody takes every certificate."""
        with database(settings) as directory:
            request = directory / "request"
            request.write_bytes(http_request(payload))
            command: list[str | Path] = [
                *("tstclnt", "-h", HOST, "-p", str(port), "-a", settings.server_name),
                *("-A", request, "-u", *self._common(directory, settings)),
            ]
            if settings.credentials:
                command += ["-n", NICKNAME]
            if not settings.trust:
                command += ["-o"]
            if settings.resume:
                command += ["-L", "2"]
            with Process(*command) as process:
                process.hurry()
                printed = b""
                while chunk := process.stdout.read(1 << 16):
                    printed += chunk
                status = process.finish()
                log = process.log()
        # What it thinks of the peer stands among the data, before it.
        notes, mark, response = printed.rpartition(b"HTTP/1.1 ")
        log = f"{notes.decode(errors='replace')}\n{log}\nexit status {status}"
        try:
            body = http_body(mark + response)
            return Outcome(body[: len(payload)], body[len(payload) :].decode() + log)
        except ValueError as error:
            return Outcome(b"", f"{describe(error)} {log}")

    @contextlib.contextmanager
    def serve(self, settings: Settings) -> Iterator[Server]:
        """What it prints stands in the log."""
        with database(settings) as directory:

            def command(port: int) -> list[str | Path]:
                named = "-e" if self._has_curve(settings) else "-n"
                command: list[str | Path] = ["selfserv", "-p", str(port), named, NICKNAME]
                if settings.tickets:
                    command += ["-u"]
                if settings.trust:
                    command += ["-r", "-r"]
                return [*command, *self._common(directory, settings)]

            printed = bytearray()

            def keep(process: Process) -> None:
                with contextlib.suppress(OSError, ValueError):
                    while chunk := process.stdout.read(1 << 16):
                        printed.extend(chunk)

            with listening_process(command, keep) as server:
                yield Server(server.port, lambda: printed.decode(errors="replace") + server.log())

    def _common(self, directory: Path, settings: Settings) -> list[str | Path]:
        version = "tls1.2" if settings.tls12 else "tls1.3"
        options: list[str | Path] = ["-d", f"sql:{directory}", "-V", f"{version}:{version}"]
        if settings.groups:
            options += ["-I", ",".join(self.groups[group] for group in settings.groups)]
        return [*options, *settings.extra]

    @staticmethod
    def _has_curve(settings: Settings) -> bool:
        if settings.credentials is None:
            return False
        key = load_pem_private_key(settings.credentials.key.read_bytes(), None)
        return hasattr(key, "curve")


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Path]:
    """Certificates and keys as NSS keeps them; it trusts nobody unless it is told to."""
    with tempfile.TemporaryDirectory(prefix="nss-") as name:
        directory = Path(name)
        place = f"sql:{directory}"
        run("certutil", "-N", "--empty-password", "-d", place)
        if settings.trust:
            add_authority(directory, settings.trust)
        if settings.credentials:
            add_credentials(directory, settings.credentials, NICKNAME)
        if settings.packed:
            add_packed(directory, settings.packed)
        yield directory


def add_authority(directory: Path, certificate: Path) -> None:
    """Trust it for servers and for clients."""
    place = f"sql:{directory}"
    run("certutil", "-A", "-d", place, "-t", "CT,,", "-n", "authority", "-i", certificate)


def add_credentials(directory: Path, credentials: Credentials, nickname: str) -> None:
    """A chain and its key, under a name."""
    chain = x509.load_pem_x509_certificates(credentials.chain.read_bytes())
    key = load_pem_private_key(credentials.key.read_bytes(), None)
    packed = directory / f"{nickname}.p12"
    packed.write_bytes(
        pkcs12.serialize_key_and_certificates(
            nickname.encode(),
            key,  # type: ignore[arg-type]
            chain[0],
            chain[1:],
            BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    add_packed(directory, packed)


def add_packed(directory: Path, file: Path) -> None:
    """What a PKCS #12 file holds, which has a name of its own."""
    run("pk12util", "-i", file, "-d", f"sql:{directory}", "-W", PASSWORD, "-K", "")


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)
