"""The tests' certificates as the files that peers read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

import aiotls
from tests import certificates
from tests.certificates import CLIENT, DAY, NOW, SERVER, Issued

from .peer import Credentials


class PKI:
    """One authority that everybody trusts, and another that nobody has heard of."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = authority = certificates.authority()
        stranger = certificates.authority("an authority that nobody knows")
        self.trust: aiotls.TrustStore = authority.trust
        self.other_trust: aiotls.TrustStore = stranger.trust
        self.trust_file = self._write("trust.pem", authority.pem)
        self.other_trust_file = self._write("stranger.pem", stranger.pem)

    def server(self, kind: str = "p256") -> Credentials:
        return self._credentials(_server(kind), f"server-{kind}")

    def credentials(self, *names: str) -> Credentials:
        """A server's certificate for other names."""
        return self._credentials(certificates.leaf(*names, purposes=(SERVER,)), "-".join(names))

    def must_staple(self) -> Credentials:
        """A server's certificate that counts with a staple alone."""
        return self._credentials(_must_staple(), "must-staple")

    def client(self, kind: str = "p256") -> Credentials:
        return self._credentials(_client(kind), f"client-{kind}")

    def expired(self) -> Credentials:
        return self._credentials(_expired(), "expired")

    def server_identity(self, kind: str = "p256") -> aiotls.Identity:
        return _server(kind).identity

    def client_identity(self, kind: str = "p256") -> aiotls.Identity:
        return _client(kind).identity

    def expired_identity(self) -> aiotls.Identity:
        return _expired().identity

    def _credentials(self, issued: Issued, name: str) -> Credentials:
        chain = self._write(f"{name}.pem", b"".join(link.pem for link in issued.path[:-1]))
        return Credentials(chain, self._write(f"{name}.key", issued.key_pem))

    def _write(self, name: str, data: bytes) -> Path:
        path = self._directory / name
        path.write_bytes(data)
        return path


def _server(kind: str) -> Issued:
    return certificates.leaf("localhost", "127.0.0.1", key_kind=kind, purposes=(SERVER,))


def _client(kind: str) -> Issued:
    return certificates.leaf("client.example", key_kind=kind, number=1, purposes=(CLIENT,))


def _expired() -> Issued:
    """A server's certificate that ended three days ago."""
    return certificates.leaf("localhost", purposes=(SERVER,), ends=NOW - 3 * DAY)


def _must_staple() -> Issued:
    """RFC 7633."""
    plain = _server("p256")
    old = plain.certificate
    builder = x509.CertificateBuilder(
        old.issuer,
        old.subject,
        old.public_key(),
        old.serial_number,
        old.not_valid_before_utc,
        old.not_valid_after_utc,
        list(old.extensions),
    )
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    marked = builder.add_extension(feature, critical=False)
    signed = marked.sign(certificates.authority().key, hashes.SHA256())
    return replace(plain, certificate=signed)
