"""Certificates as the standard library shows them."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from aiotls.inspection import certificate_dict
from aiotls.ssl.engine import Certificate
from aiotls.trust.distinguished import parse_name
from tests import certificates

from . import pki

decode = getattr(ssl, "_ssl")._test_decode_cert  # noqa: B009 - private, but the only oracle


def shown_by_openssl(certificate: x509.Certificate, directory: Path) -> dict[str, Any]:
    path = directory / "certificate.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    shown: dict[str, Any] = decode(str(path))
    return shown


def certificate(
    *extensions: x509.ExtensionType, name: x509.Name | None = None, **fields: Any
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = name or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plain")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(fields.get("serial", 0xABC))
        .not_valid_before(datetime.datetime(2026, 1, 2, 3, 4, 5))
        .not_valid_after(datetime.datetime(2049, 11, 30, 23, 59, 59))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


def uri(value: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(value)


EVERYTHING = certificate(
    x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.DNSName("*.example.com"),
            x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
            x509.IPAddress(ipaddress.ip_address("2001:db8::a:1")),
            x509.RFC822Name("someone@example.com"),
            uri("https://example.com/"),
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dir")])),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        ]
    ),
    x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, uri("http://ocsp.example/")),
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, uri("http://ca.example/")
            ),
        ]
    ),
    x509.CRLDistributionPoints(
        [x509.DistributionPoint([uri("http://crl.example/1")], None, None, None)]
    ),
    name=x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Some"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "Place"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Füße & Söhne"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Unit"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.com"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "17"),
            x509.NameAttribute(NameOID.USER_ID, "user"),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
            x509.NameAttribute(NameOID.STREET_ADDRESS, "Street 1"),
            x509.NameAttribute(NameOID.POSTAL_CODE, "12345"),
            x509.NameAttribute(NameOID.TITLE, "Dr"),
            x509.NameAttribute(NameOID.GIVEN_NAME, "Given"),
            x509.NameAttribute(NameOID.SURNAME, "Sur"),
            x509.NameAttribute(NameOID.PSEUDONYM, "pseudo"),
            x509.NameAttribute(NameOID.BUSINESS_CATEGORY, "Private"),
            x509.NameAttribute(NameOID.JURISDICTION_COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "id"),
        ]
    ),
)


@pytest.mark.parametrize(
    "shown",
    [
        certificate(),
        certificate(serial=1),
        certificate(serial=2**152 - 1),
        pki.leaf("localhost", "::1").certificate,
        pki.authority().certificate,
        EVERYTHING,
    ],
    ids=["plain", "short serial", "long serial", "leaf", "authority", "everything"],
)
def test_a_certificate_is_shown_as_openssl_shows_it(
    shown: x509.Certificate, tmp_path: Path
) -> None:
    assert certificate_dict(shown) == shown_by_openssl(shown, tmp_path)


ODD_NAMES = {
    "bits": (0x03, b"\0"),
    "Latin-1 in a TeletexString": (0x14, "Füße".encode("latin-1")),
    "UTF-16": (0x1E, "Füße".encode("utf-16-be")),
    "NumericString": (0x12, b"letters"),
}


@pytest.mark.parametrize("odd", ODD_NAMES.values(), ids=ODD_NAMES)
def test_names_that_the_library_does_not_read(odd: tuple[int, bytes], tmp_path: Path) -> None:
    issued = certificates.leaf("localhost", common_name="localhost.")
    shown = certificates.with_odd_name(issued, certificates.authority(), *odd)
    assert certificate_dict(shown) == shown_by_openssl(shown, tmp_path)
    assert repr(Certificate(shown.public_bytes(Encoding.DER))).startswith("<Certificate ")


def test_a_name_that_is_none(tmp_path: Path) -> None:
    """SSLError in both: a list is no string."""
    issued = certificates.leaf("localhost", common_name="localhost.")
    shown = certificates.with_odd_name(issued, certificates.authority(), 0x30, b"\x02\x08")
    with pytest.raises(ssl.SSLError):
        shown_by_openssl(shown, tmp_path)
    with pytest.raises(ssl.SSLError, match=r"cannot be described: .* in place of a string"):
        Certificate(shown.public_bytes(Encoding.DER)).get_info()


NAMES = st.lists(
    st.tuples(
        st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.USER_ID]),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    ).map(lambda pair: x509.NameAttribute(*pair)),
    max_size=5,
).map(x509.Name)


@given(NAMES)
def test_names_are_read_as_the_library_reads_them(name: x509.Name) -> None:
    read = [[(a.oid, a.value) for a in relative] for relative in name.rdns]
    assert parse_name(name.public_bytes()) == read


@given(NAMES, st.data())
def test_a_damaged_name_is_a_value_error(name: x509.Name, data: st.DataObject) -> None:
    der = bytearray(name.public_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        parse_name(bytes(der[: data.draw(st.integers(0, len(der)))]))


def test_a_long_name_is_read_in_linear_time() -> None:
    """A certificate may be a hundred kilobytes of name."""
    relative = bytes.fromhex("310a30080603550403 0c0161")
    content = relative * 10_000
    name = b"\x30\x83" + len(content).to_bytes(3, "big") + content
    assert parse_name(name) == [[(NameOID.COMMON_NAME, "a")]] * 10_000
