"""Whom we believe."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import warnings
from collections.abc import Sequence
from functools import cached_property, lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification as v

from .enums import Alert
from .errors import CertificateError, UsageError


@lru_cache(maxsize=1024)
def parse_certificate(der: bytes) -> x509.Certificate:
    """The certificate in *der*."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise CertificateError(Alert.BAD_CERTIFICATE, f"not a certificate: {error}") from error


def is_pss_only(certificate: x509.Certificate) -> bool:
    """Whether the key is id-RSASSA-PSS."""
    return certificate.public_key_algorithm_oid.dotted_string == "1.2.840.113549.1.1.10"


def check_name(name: str) -> str:
    """A normalised name."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        name = name.rstrip(".").encode("idna").decode().lower() if not name.isascii() else name.lower().removesuffix(".")
    except UnicodeError as error:
        raise UsageError(f"{name!r} is neither a host name nor an address") from error
    if not name or name.startswith(".") or any(not (c.isalnum() or c in "-.") for c in name):
        raise UsageError(f"{name!r} is neither a host name nor an address")
    return name


class TrustStore:
    """Anchors."""

    def __init__(self, certificates: Sequence[x509.Certificate], profile: str = "webpki") -> None:
        if not certificates:
            raise UsageError("an empty trust store trusts no one")
        self.certificates = tuple(certificates)
        self.profile = profile

    @cached_property
    def _store(self) -> v.Store:
        return v.Store(list(self.certificates))

    @cached_property
    def fingerprint(self) -> bytes:
        """Its hash."""
        h = hashlib.sha256(self.profile.encode())
        for c in self.certificates:
            h.update(c.public_bytes(Encoding.DER))
        return h.digest()

    def __len__(self) -> int:
        return len(self.certificates)

    @classmethod
    @lru_cache(maxsize=1)
    def system(cls) -> TrustStore:
        """The system's."""
        import ssl

        paths = ssl.get_default_verify_paths()
        return cls.from_files(cafile=paths.cafile, capath=None)

    @classmethod
    def from_pem(cls, data: bytes | str, profile: str = "webpki") -> TrustStore:
        """From PEM."""
        data = data.encode() if isinstance(data, str) else data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return cls(x509.load_pem_x509_certificates(data), profile)

    @classmethod
    def from_der(cls, certs: Sequence[bytes], profile: str = "webpki") -> TrustStore:
        """From DER."""
        return cls([parse_certificate(d) for d in certs], profile)

    @classmethod
    def from_files(cls, cafile: str | os.PathLike[str] | None = None, capath: str | None = None, profile: str = "webpki") -> TrustStore:
        """From files."""
        with open(cafile, "rb") as f:  # type: ignore[arg-type]
            return cls.from_pem(f.read(), profile)

    def verify_server(self, chain: Sequence[bytes], name: str | None, *, now: datetime.datetime) -> list[x509.Certificate]:
        """Verify."""
        certs = [parse_certificate(d) for d in chain]
        subject: v.Subject
        try:
            subject = x509.IPAddress(ipaddress.ip_address(name or ""))
        except ValueError:
            subject = x509.DNSName(name or "")
        builder = v.PolicyBuilder().store(self._store).time(now.replace(tzinfo=None))
        try:
            return builder.build_server_verifier(subject).verify(certs[0], certs[1:])
        except v.VerificationError as error:
            raise CertificateError(Alert.UNKNOWN_CA, f"certificate verify failed: {error}", verify_code=20) from error

    def verify_client(self, chain: Sequence[bytes], *, now: datetime.datetime) -> list[x509.Certificate]:
        """Verify."""
        certs = [parse_certificate(d) for d in chain]
        builder = v.PolicyBuilder().store(self._store).time(now.replace(tzinfo=None))
        try:
            return builder.build_client_verifier().verify(certs[0], certs[1:]).chain
        except v.VerificationError as error:
            raise CertificateError(Alert.UNKNOWN_CA, f"certificate verify failed: {error}", verify_code=20) from error
