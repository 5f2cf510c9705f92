"""A small certificate authority, for demonstrations, tests and development.

authority = Authority.create()
ServerConfig(identity=authority.identity("localhost"))
ClientConfig(trust=authority.trust())
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import UsageError
from ..identity import Identity
from ..trust import TrustStore, check_name

SKEW = datetime.timedelta(minutes=10)
"""How far back a certificate is valid, for clocks that run late."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, the authority's below it, and the key."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def identity(self) -> Identity:
        """What a configuration takes."""
        # A client that trusts the authority has its certificate; only the leaf is sent.
        return Identity.from_pem(self.chain_pem, key=self.key_pem)

    @property
    def certificate_der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def chain_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM (PKCS #8), not encrypted."""
        return _key_pem(self.key)


@dataclass(frozen=True, slots=True)
class Authority:
    """A root certificate and its key, on NIST P-256."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str = "aiotls development CA", days: float = 1.0) -> Authority:
        """A new authority, which nobody trusts yet. It can issue leaves, not other authorities."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = (
            _builder(days)
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Authority:
        """An authority that was kept in files. Raises UsageError for what is not one of ours."""
        try:
            loaded = serialization.load_pem_private_key(key, None)
            parsed = x509.load_pem_x509_certificate(certificate)
        except (ValueError, TypeError) as error:
            raise UsageError(f"the authority's files cannot be read: {error}") from error
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise UsageError("the authority's key is not on an elliptic curve")
        if parsed.public_key() != loaded.public_key():
            raise UsageError("the authority's key and certificate do not belong together")
        return cls(parsed, loaded)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM: what others are to trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM (PKCS #8), not encrypted."""
        return _key_pem(self.key)

    def trust(self) -> TrustStore:
        """A trust store with this authority and no other."""
        return TrustStore.from_pem(self.certificate_pem)

    def issue(self, *names: str, days: float = 1.0, client: bool = False) -> Issued:
        """A certificate and a new key for host *names* and IP addresses.

        With *client* it is for the client's side of mutual TLS, and the names are any words.
        Raises UsageError for a name that is not a host's.
        """
        alternatives = alternative_names(names, client)
        key = ec.generate_private_key(ec.SECP256R1())
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            _builder(days)
            .subject_name(_name(names[0]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName(alternatives),
                critical=False,
            )
            .add_extension(authority_id, critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        return Issued(builder.sign(self.key, hashes.SHA256()), self.certificate, key)

    def identity(self, *names: str, days: float = 1.0, client: bool = False) -> Identity:
        """As :meth:`issue`, in the form that a configuration takes."""
        return self.issue(*names, days=days, client=client).identity


def alternative_names(names: Sequence[str], client: bool) -> list[x509.GeneralName]:
    """What stands in the certificate for these names; UsageError for one that cannot."""
    if not names:
        raise UsageError("a certificate needs at least one name")
    return [_alternative(name, client) for name in names]


def _builder(days: float) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    if not text:
        raise UsageError("a name is empty")
    # RFC 5280, appendix A.1: a common name has at most 64 characters.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _alternative(name: str, client: bool) -> x509.GeneralName:
    if not name:
        raise UsageError("a name is empty")
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if client:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)
    wildcard = name.startswith("*.")
    host = check_name(name[2:] if wildcard else name)
    return x509.DNSName(f"*.{host}" if wildcard else host)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
