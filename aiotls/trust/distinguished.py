"""Distinguished names read out of a certificate's DER, where `cryptography` refuses to.

Its reader holds names to RFC 5280, section 4.1.2.4. Certificates that were made long before, or by
hand, have letters in strings that are not for them, such as Latin-1 in a TeletexString, and are
good all the same: no trust hangs on how their names are spelt. What OpenSSL shows of such a name is
shown here too.
"""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.x509.oid import NameOID

UNREADABLE_NAME = (ValueError, TypeError, KeyError)
"""What the library raises for a name, which is only read when it is asked for: TypeError for a
string of bits in an attribute that has none, and the other way round; KeyError for what is no
string."""

Attributes = list[list[tuple[x509.ObjectIdentifier, str | bytes]]]
"""A name's relative names, each the attributes that stand together in it."""

SEQUENCE, SET, OBJECT_IDENTIFIER, BIT_STRING = 0x30, 0x31, 0x06, 0x03
VERSION = b"\xa0"
MAX_IDENTIFIER = 64
"""Bytes of an object identifier; those in use have a dozen."""

ENCODINGS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "latin-1",  # NumericString
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # TeletexString: T.61 by its name, Latin-1 by use
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
"""How the strings of X.680, section 8.6, are read, by their tags."""


def subject_of(certificate: x509.Certificate) -> x509.Name:
    """The subject's name, of any certificate: what the library does not read is put in its words,
    and what cannot be read at all is told apart by its hash.
    """
    try:
        return certificate.subject
    except UNREADABLE_NAME:
        return _in_words(certificate, issuer=False)


def issuer_of(certificate: x509.Certificate) -> x509.Name:
    """The issuer's name, as :func:`subject_of` has the subject's."""
    try:
        return certificate.issuer
    except UNREADABLE_NAME:
        return _in_words(certificate, issuer=True)


def _in_words(certificate: x509.Certificate, *, issuer: bool) -> x509.Name:
    try:
        return x509.Name(
            x509.RelativeDistinguishedName(
                x509.NameAttribute(kind, value if isinstance(value, str) else "#" + value.hex())
                for kind, value in relative
            )
            for relative in read_name(certificate, issuer=issuer)
        )
    except (ValueError, TypeError):
        digest = hashlib.sha256(name_der(certificate, issuer=issuer)).hexdigest()
        text = f"unreadable name {digest[:32]}"
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def name_der(certificate: x509.Certificate, *, issuer: bool = False) -> memoryview:
    """The name of the certificate's subject, or of its issuer, as it stands there."""
    _, fields, _ = _take(memoryview(certificate.tbs_certificate_bytes), SEQUENCE)
    if fields[:1] == VERSION:
        _, _, fields = _take(fields)
    for _ in range(2 if issuer else 4):  # the serial number, the signature's algorithm, …
        _, _, fields = _take(fields)
    _, _, rest = _take(fields)
    return fields[: len(fields) - len(rest)]


def read_name(certificate: x509.Certificate, *, issuer: bool = False) -> Attributes:
    """The name of the certificate's subject, or of its issuer, with the attributes in their order.

    A string of bits is given as bytes. Raises ValueError for a name that has other things in it
    than strings, or is no name at all.
    """
    return parse_name(name_der(certificate, issuer=issuer))


def parse_name(der: bytes | memoryview) -> Attributes:
    """The Name that *der* begins with (RFC 5280, section 4.1.2.4), as :func:`read_name` has it."""
    _, name, _ = _take(memoryview(der), SEQUENCE)
    attributes: Attributes = []
    while name:
        _, relative, name = _take(name, SET)
        attributes.append([])
        while relative:
            _, attribute, relative = _take(relative, SEQUENCE)
            _, kind, attribute = _take(attribute, OBJECT_IDENTIFIER)
            tag, value, rest = _take(attribute)
            if rest:
                raise ValueError("an attribute of a name has more than a value")
            attributes[-1].append((_identifier(kind), _text(tag, value)))
    return attributes


def _take(data: memoryview, expected: int | None = None) -> tuple[int, memoryview, memoryview]:
    """The first element's tag and content, and what follows it (X.690, section 8.1)."""
    if len(data) < 2:
        raise ValueError("a name ends too early")
    tag, size, start = data[0], data[1], 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    end = start + size
    if end > len(data):
        raise ValueError("a name ends too early")
    if expected is not None and tag != expected:
        raise ValueError(f"a name has an element {tag:#04x} in place of {expected:#04x}")
    return tag, data[start:end], data[end:]


def _text(tag: int, value: memoryview) -> str | bytes:
    if tag == BIT_STRING:
        return bytes(value[1:])  # after the number of bits that are not used
    if tag not in ENCODINGS:
        raise ValueError(f"a name has an element {tag:#04x} in place of a string")
    return str(value, ENCODINGS[tag])


def _identifier(content: memoryview) -> x509.ObjectIdentifier:
    """X.690, section 8.19: seven bits a byte; the first two numbers share one."""
    if not 1 <= len(content) <= MAX_IDENTIFIER or content[-1] & 0x80:
        raise ValueError("a name has an object identifier that is none")
    arcs, arc = [], 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return x509.ObjectIdentifier(".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]])))
