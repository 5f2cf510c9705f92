"""Reading certificates, out of DER and out of PEM, and telling people what is in them."""

from __future__ import annotations

import base64
import binascii
import datetime
import functools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from ..enums import Alert
from ..errors import CertificateError
from .distinguished import issuer_of, subject_of

RSASSA_PSS = x509.ObjectIdentifier("1.2.840.113549.1.1.10")
"""RFC 4055, section 3.1: a key in a certificate with this algorithm signs with PSS alone."""

CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
"""RFC 7468, section 5; the second is an old name for it."""

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


UNREADABLE = (ValueError, x509.InvalidVersion)
"""What the library raises for a certificate that is none: the second is no ValueError."""


def parse_certificate(der: bytes) -> x509.Certificate:
    """A peer's certificate, parsed. The last few hundred are remembered.

    Raises CertificateError with the alert ``bad_certificate`` for what is no certificate. Some
    parts, such as extensions, are only read when they are asked for, and can fail then.
    """
    try:
        return _parse(der)
    except Exception as error:  # what a parser raises on hostile input is not a short list
        raise CertificateError(
            Alert.BAD_CERTIFICATE,
            f"the peer's certificate cannot be parsed: {error}",
            verify_code=1,
        ) from error


@functools.lru_cache(maxsize=256)
def _parse(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


@functools.lru_cache(maxsize=256)
def rsa_bits(der: bytes) -> int | None:
    """The size of the RSA key in a certificate; None for a key of another kind."""
    key = _parse(der).public_key()
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else None


@functools.lru_cache(maxsize=256)
def shared(der: bytes) -> bytes:
    """*der*, as one object for all the connections whose peer shows the same certificate."""
    return der


def is_pss_only(certificate: x509.Certificate) -> bool:
    """Whether the key signs with ``rsa_pss_pss`` schemes alone (RFC 8446, section 4.2.3).

    The key object is an ordinary RSA key; only the certificate tells.
    """
    return certificate.public_key_algorithm_oid == RSASSA_PSS


def to_der(certificate: x509.Certificate) -> bytes:
    """The certificate's DER."""
    return certificate.public_bytes(Encoding.DER)


class PemBlock(NamedTuple):
    """What stands between BEGIN and END (RFC 7468)."""

    label: str
    """``CERTIFICATE``, ``PRIVATE KEY``, …"""

    text: bytes
    """The whole block, with its first and last line."""

    body: bytes
    """The base64 text."""

    def der(self) -> bytes:
        """The decoded body; raises ValueError where it is not base64."""
        try:
            return base64.b64decode(b"".join(self.body.split()), validate=True)
        except binascii.Error as error:
            raise ValueError(f"it is not base64: {error}") from error


def pem_blocks(data: bytes) -> Iterator[PemBlock]:
    """Every block in a PEM text; what stands between them is skipped (RFC 7468, section 2)."""
    for match in _PEM_BLOCK.finditer(data):
        yield PemBlock(match[1].decode("ascii"), match[0], match[2])


_BEGINNINGS = (
    (b"-----begin", "has a line that begins with -----BEGIN, and not the one that ends the block"),
    (b"-----end", "has the end of a block, and not its beginning"),
    (b"\xff\xfe", "is UTF-16, as some editors save text: it has to be ASCII or UTF-8"),
    (b"ssh-", "is a public key of OpenSSH's, which TLS has no use for"),
    (b"<", "looks like HTML or XML, such as a page that was saved in place of the file"),
    (b"{", "looks like JSON"),
    (b"pk\x03\x04", "is a ZIP archive: unpack it first"),
    (b"\xfe\xed\xfe\xed", "is a Java keystore: keytool -importkeystore converts it to PKCS #12"),
)
"""How files begin that are often given by mistake; no more than this is told of one."""


def not_pem_hint(data: bytes) -> str:
    """What *data* seems to be, if it is not the PEM that was expected."""
    if not data.strip():
        return "It is empty."
    if data[:1] == b"\x30":
        return "It looks like DER, the binary form: openssl x509 -inform der -in FILE converts it."
    blocks = sorted({block.label for block in pem_blocks(data)})
    if blocks:
        return f"It holds {', '.join(blocks)}."
    for beginning, what in _BEGINNINGS:
        if data.lstrip()[: len(beginning)].lower() == beginning:
            return f"It {what}."
    # Not a word of what stands in it: it may be a key.
    kind = "text" if data.isascii() else "binary data"
    return f"It has {len(data)} bytes of {kind}, and no line that begins with -----BEGIN."


# -- in words --------------------------------------------------------------------------------------


def printable(text: str, limit: int = 100) -> str:
    """Text from a peer, made harmless for a terminal or a log, and not too long."""
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "…"


def title(certificate: x509.Certificate, *, issuer: bool = False) -> str:
    """What to call a certificate, or its issuer, in a sentence."""
    name = issuer_of(certificate) if issuer else subject_of(certificate)
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return f'"{printable(str(attribute.value))}"'
    text = name.rfc4514_string()
    if text:
        return f'"{printable(text)}"'
    names = [] if issuer else alternative_names(certificate)
    return f'"{printable(names[0])}"' if names else "a certificate without a name"


def alternative_names(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that a certificate is for, as text.

    Empty where the extension is missing or cannot be read.
    """
    extension = find_extension(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if extension is None:
        return []
    names: x509.SubjectAlternativeName = extension.value
    found = names.get_values_for_type(x509.DNSName)
    return found + [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def common_names(certificate: x509.Certificate) -> list[str]:
    """The subject's common names, which no longer count as host names (RFC 9525, section 2)."""
    attributes = subject_of(certificate).get_attributes_for_oid(NameOID.COMMON_NAME)
    return [str(attribute.value) for attribute in attributes]


def find_extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> Any:
    """An extension, or None where it is missing or the extensions cannot be read."""
    try:
        return certificate.extensions.get_extension_for_oid(oid)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


def describe_key(key: Any) -> str:
    """The kind of a public or a private key: ``an ECDSA key on P-256``."""
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        curves = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return f"an ECDSA key on {curves.get(key.curve.name, key.curve.name)}"
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return f"an RSA key of {key.key_size} bits"
    if isinstance(key, (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey)):
        return "an Ed25519 key"
    if isinstance(key, (ed448.Ed448PublicKey, ed448.Ed448PrivateKey)):
        return "an Ed448 key"
    if isinstance(key, (dsa.DSAPublicKey, dsa.DSAPrivateKey)):
        return "a DSA key"
    name = type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")
    if name.startswith("MLDSA"):
        return f"an ML-DSA-{name.removeprefix('MLDSA')} key"
    return f"a key of type {name}"


def describe_time(moment: datetime.datetime) -> str:
    """A moment in UTC, to the minute, in English whatever the locale."""
    moment = moment.astimezone(datetime.UTC)
    month = _MONTHS[moment.month - 1]
    return f"{moment.day} {month} {moment.year} {moment.hour:02}:{moment.minute:02} UTC"


def describe_span(span: datetime.timedelta) -> str:
    """A length of time in its largest sensible unit: ``3 days``."""
    seconds = abs(int(span.total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"
