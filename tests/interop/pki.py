"""Certificates as the files that peers read, and as this package's own values."""

from __future__ import annotations

import datetime
import ipaddress
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import aiotls

from .peer import Credentials

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)

GENERATE = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "mldsa44": mldsa.MLDSA44PrivateKey.generate,
    "mldsa65": mldsa.MLDSA65PrivateKey.generate,
    "mldsa87": mldsa.MLDSA87PrivateKey.generate,
}


class Authority:
    """A root of P-256, from which everything is issued."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        self.certificate = (
            self._builder(self.name, self.key.public_key(), NOW + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _builder(self, subject, public_key, until):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 10 * DAY)
            .not_valid_after(until)
        )

    def issue(self, kind, purpose, until=NOW + 10 * DAY):
        key = GENERATE[kind]()
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            self._builder(_name(f"{kind} leaf"), key.public_key(), until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate, key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class PKI:
    """One authority that everybody trusts, and another that nobody has heard of."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._authority = Authority("interop root")
        self.trust_file = self._write(
            "trust.pem", self._authority.certificate.public_bytes(Encoding.PEM)
        )
        self.other_trust_file = self._write(
            "other.pem", Authority("another root").certificate.public_bytes(Encoding.PEM)
        )

    def _write(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(data)
        return path

    @cached_property
    def trust(self) -> aiotls.TrustStore:
        return aiotls.TrustStore.from_files(cafile=self.trust_file)

    @cached_property
    def other_trust(self) -> aiotls.TrustStore:
        return aiotls.TrustStore.from_files(cafile=self.other_trust_file)

    def server(self, kind: str = "ecdsa") -> Credentials:
        return self._credentials("server", kind, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, kind: str = "ecdsa") -> Credentials:
        return self._credentials("client", kind, ExtendedKeyUsageOID.CLIENT_AUTH)

    def expired(self) -> Credentials:
        """A server's certificate that ended three days ago."""
        return self._credentials(
            "expired", "ecdsa", ExtendedKeyUsageOID.SERVER_AUTH, until=NOW - 3 * DAY
        )

    def _credentials(self, name, kind, purpose, **options) -> Credentials:
        chain = self.directory / f"{name}-{kind}.pem"
        key = chain.with_suffix(".key")
        if not chain.exists():
            certificate, private_key = self._authority.issue(kind, purpose, **options)
            key.write_bytes(
                private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        return Credentials(chain, key)

    def identity(self, credentials: Credentials) -> aiotls.Identity:
        return aiotls.Identity.from_files(credentials.chain, credentials.key)

    def server_identity(self, kind: str = "ecdsa") -> aiotls.Identity:
        return self.identity(self.server(kind))

    def client_identity(self, kind: str = "ecdsa") -> aiotls.Identity:
        return self.identity(self.client(kind))
