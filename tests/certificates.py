"""A certification authority in memory, for all tests.

Everything is cached: the same question gives the same certificate and the same key for the length
of a run. ``NOW`` is when the run began; a certificate is valid from ten days before until thirty
days after, unless told otherwise.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from aiotls.identity import Identity
from aiotls.trust import TrustStore

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

GENERATE: dict[str, Callable[[], Any]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa-pss": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "mldsa44": mldsa.MLDSA44PrivateKey.generate,
    "mldsa65": mldsa.MLDSA65PrivateKey.generate,
    "mldsa87": mldsa.MLDSA87PrivateKey.generate,
    "dsa": lambda: dsa.generate_private_key(2048),
}
"""The kinds of keys. ``rsa-pss`` is an RSA key whose certificate carries id-RSASSA-PSS."""


def key(kind: str = "p256", number: int = 0) -> Any:
    """A private key; another one for each *number*."""
    return _key(kind, number)


@cache
def _key(kind: str, number: int) -> Any:
    return GENERATE[kind]()


def key_pem(private_key: Any, password: bytes | None = None) -> bytes:
    """A private key in PKCS #8, encrypted if there is a password."""
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    pem: bytes = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return pem


@dataclass(frozen=True, eq=False)
class Issued:
    """A certificate, its key, and who issued it."""

    certificate: x509.Certificate
    key: Any
    issuer: Issued | None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)

    @property
    def path(self) -> tuple[Issued, ...]:
        """This one, its issuer, and so on to the root."""
        return (self, *(self.issuer.path if self.issuer is not None else ()))

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What belongs into a handshake: the path in DER, without the root."""
        path = self.path
        return tuple(issued.der for issued in path[:-1] or path)

    @property
    def chain_pem(self) -> bytes:
        """The chain and the key in one PEM."""
        path = self.path
        return b"".join(issued.pem for issued in path[:-1] or path) + self.key_pem

    @cached_property
    def identity(self) -> Identity:
        return Identity(self.chain, self.key)

    @cached_property
    def trust(self) -> TrustStore:
        """A store with the root of this certificate and nothing else."""
        return TrustStore([self.path[-1].certificate])


UNKNOWN: tuple[x509.ExtensionType, bool] = (
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"),
    True,
)
"""A critical extension that nobody knows."""

CA_USAGE = ("key_cert_sign", "crl_sign")


def _key_usage(names: tuple[str, ...]) -> x509.KeyUsage:
    fields = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{field: field in names for field in fields})


def general_name(name: str) -> x509.GeneralName:
    """A name for subjectAltName or for a name constraint."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    return x509.IPAddress(ipaddress.ip_network(name)) if "/" in name else x509.DNSName(name)


@cache
def authority(
    name: str = "aiotls test root",
    *,
    key_kind: str = "p256",
    number: int = 0,
    issuer: Issued | None = None,
    path_length: int | None = None,
    ca: bool | None = True,
    usage: tuple[str, ...] | None = CA_USAGE,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
    permitted: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
    identifier: bool = True,
    critical_constraints: bool = True,
    critical_unknown: bool = False,
    begins: datetime.datetime = NOW - 10 * DAY,
    ends: datetime.datetime = NOW + 30 * DAY,
) -> Issued:
    """A root, or with *issuer* an intermediate authority. *ca* None: no basic constraints."""
    private_key = key(key_kind, number or sum(name.encode()))
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if ca is not None:
        extensions.append((x509.BasicConstraints(ca, path_length), critical_constraints))
    if usage is not None:
        extensions.append((_key_usage(usage), True))
    if purposes:
        extensions.append((x509.ExtendedKeyUsage(purposes), False))
    if permitted or excluded:
        constraints = x509.NameConstraints(
            [general_name(n) for n in permitted] or None,
            [general_name(n) for n in excluded] or None,
        )
        extensions.append((constraints, True))
    if identifier:
        public = private_key.public_key()
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(public), False))
        if issuer is not None:
            extensions.append((_authority_key_identifier(issuer), False))
    if critical_unknown:
        extensions.append(UNKNOWN)
    return issue(name, private_key, issuer, extensions, begins, ends)


def intermediate(name: str = "aiotls test intermediate", **options: Any) -> Issued:
    """An authority under the default root, unless *issuer* names another."""
    options.setdefault("issuer", authority())
    return authority(name, **options)


@cache
def leaf(
    *names: str,
    issuer: Issued | None = None,
    self_signed: bool = False,
    key_kind: str = "p256",
    number: int = 0,
    common_name: str | None = None,
    alternative_names: bool = True,
    purposes: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT),
    critical_purposes: bool = False,
    usage: tuple[str, ...] | None = ("digital_signature",),
    ca: bool | None = False,
    identifier: bool = True,
    issuer_url: str | None = None,
    critical_unknown: bool = False,
    begins: datetime.datetime = NOW - 10 * DAY,
    ends: datetime.datetime = NOW + 30 * DAY,
) -> Issued:
    """A certificate for host names and addresses, ``localhost`` if none is given."""
    names = names or ("localhost",)
    if issuer is None and not self_signed:
        issuer = authority()
    private_key = key(key_kind, number)
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if ca is not None:
        extensions.append((x509.BasicConstraints(ca, None), True))
    if usage is not None:
        extensions.append((_key_usage(usage), True))
    if purposes:
        extensions.append((x509.ExtendedKeyUsage(purposes), critical_purposes))
    if alternative_names:
        extensions.append((x509.SubjectAlternativeName([general_name(n) for n in names]), False))
    if identifier:
        extensions.append(
            (x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), False)
        )
        if issuer is not None:
            extensions.append((_authority_key_identifier(issuer), False))
    if issuer_url is not None:
        method = AuthorityInformationAccessOID.CA_ISSUERS
        location = x509.UniformResourceIdentifier(issuer_url)
        access = x509.AuthorityInformationAccess([x509.AccessDescription(method, location)])
        extensions.append((access, False))
    if critical_unknown:
        extensions.append(UNKNOWN)
    issued = issue(common_name or names[0], private_key, issuer, extensions, begins, ends)
    if key_kind == "rsa-pss":
        certificate = _with_pss_key(issued.certificate, issuer.key if issuer else private_key)
        return Issued(certificate, private_key, issuer)
    return issued


def issue(
    name: str,
    private_key: Any,
    issuer: Issued | None,
    extensions: list[tuple[x509.ExtensionType, bool]],
    begins: datetime.datetime = NOW - 10 * DAY,
    ends: datetime.datetime = NOW + 30 * DAY,
) -> Issued:
    """Any certificate at all; without an issuer it signs itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signing_key = private_key if issuer is None else issuer.key
    return Issued(builder.sign(signing_key, _hash_for(signing_key)), private_key, issuer)


def claiming(algorithm: x509.ObjectIdentifier, issued: Issued) -> Issued:
    """A certificate that says to be signed by another algorithm of RSA's than SHA-256's, which it
    is: by some of them no library signs any more.
    """
    der = issued.certificate.public_bytes(Encoding.DER)
    prefix = bytes.fromhex("06092a864886f70d0101")  # pkcs-1, and one of its algorithms
    number = int(algorithm.dotted_string.rpartition(".")[2])
    changed = der.replace(prefix + b"\x0b", prefix + bytes([number]))
    return Issued(x509.load_der_x509_certificate(changed), issued.key, issued.issuer)


def _authority_key_identifier(issuer: Issued) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _hash_for(signing_key: Any) -> Any:
    """The hash that goes with a key; None where the signature has its own."""
    if isinstance(signing_key, ec.EllipticCurvePrivateKey):
        return {384: hashes.SHA384(), 521: hashes.SHA512()}.get(
            signing_key.curve.key_size, hashes.SHA256()
        )
    return (
        hashes.SHA256() if isinstance(signing_key, (rsa.RSAPrivateKey, dsa.DSAPrivateKey)) else None
    )


# -- an RSA-PSS key, which the library reads but does not write ------------------------------------

_RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
_PSS_ALGORITHM = bytes.fromhex("300b06092a864886f70d01010a")


def _with_pss_key(certificate: x509.Certificate, signing_key: Any) -> x509.Certificate:
    """The same certificate with id-RSASSA-PSS, without parameters, as its key's algorithm (RFC
    4055, section 3.1), and signed anew."""
    fields = _children(_content(certificate.tbs_certificate_bytes))
    fields = [
        _sequence(_PSS_ALGORITHM + _content(field)[len(_RSA_ALGORITHM) :])
        if _content(field).startswith(_RSA_ALGORITHM) and len(field) > 200
        else field
        for field in fields
    ]
    signed = _sequence(b"".join(fields))
    algorithm = _children(_content(certificate.public_bytes(Encoding.DER)))[1]
    if isinstance(signing_key, ec.EllipticCurvePrivateKey):
        signature = signing_key.sign(signed, ec.ECDSA(_hash_for(signing_key)))
    else:
        raise NotImplementedError("an RSA-PSS leaf is issued by an ECDSA authority here")
    bits = b"\x03" + _length(len(signature) + 1) + b"\0" + signature
    return x509.load_der_x509_certificate(_sequence(signed + algorithm + bits))


def with_odd_name(
    issued: Issued, signer: Issued, tag: int = 3, start: bytes = b"\0"
) -> x509.Certificate:
    """The same certificate with its subject's common name, the last in it, as something else than
    it was, which begins with other bytes; signed anew by an authority with an ECDSA key. Of a
    string of bits, as which it is left alone, the library reads no name."""
    signed = bytearray(issued.certificate.tbs_certificate_bytes)
    at = signed.rindex(bytes.fromhex("0603550403"))
    signed[at + 5] = tag
    signed[at + 7 : at + 7 + len(start)] = start
    signature = signer.key.sign(bytes(signed), ec.ECDSA(_hash_for(signer.key)))
    algorithm = _children(_content(issued.certificate.public_bytes(Encoding.DER)))[1]
    bits = b"\x03" + _length(len(signature) + 1) + b"\0" + signature
    return x509.load_der_x509_certificate(_sequence(bytes(signed) + algorithm + bits))


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(encoded)]) + encoded


def _sequence(content: bytes) -> bytes:
    return b"\x30" + _length(len(content)) + content


def _header(data: bytes) -> tuple[int, int]:
    """The lengths of the first element's header and of its content."""
    if data[1] < 0x80:
        return 2, data[1]
    count = data[1] & 0x7F
    return 2 + count, int.from_bytes(data[2 : 2 + count], "big")


def _content(data: bytes) -> bytes:
    header, size = _header(data)
    return data[header : header + size]


def _children(data: bytes) -> list[bytes]:
    children = []
    while data:
        header, size = _header(data)
        children.append(data[: header + size])
        data = data[header + size :]
    return children
