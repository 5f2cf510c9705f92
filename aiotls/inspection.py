"""A connection described in the standard library's words.

Libraries ask a transport for ``ssl_object``, ``peercert`` and ``cipher``, and expect what
Python's ssl module gives them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from .enums import ProtocolVersion
from .trust.distinguished import UNREADABLE_NAME, read_name

if TYPE_CHECKING:
    from .connection import TLSConnection

RelativeNames = tuple[tuple[tuple[str, str | bytes], ...], ...]

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_LONG_NAMES = {
    # OpenSSL's long names, where they are not those of cryptography.
    NameOID.USER_ID: "userId",
    NameOID.X500_UNIQUE_IDENTIFIER: "x500UniqueIdentifier",
    NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier",
}


def version_of(connection: TLSConnection) -> str | None:
    """``TLSv1.3`` or ``TLSv1.2``; None before the handshake is complete."""
    established = connection.established
    if established is None:
        return None
    return "TLSv1.3" if established.version == ProtocolVersion.TLSv1_3 else "TLSv1.2"


def cipher_of(connection: TLSConnection) -> tuple[str, str, int] | None:
    """The suite's name in OpenSSL's words, the version it belongs to, and its key's bits."""
    established = connection.established
    if established is None:
        return None
    suite = established.suite
    return suite.openssl_name, version_of(connection) or "", suite.bits


def peer_certificate(connection: TLSConnection) -> dict[str, Any] | None:
    """The peer's certificate as SSLSocket.getpeercert() has it.

    None when the peer showed none; empty when it was not verified, so that no one takes the
    names in it for the truth.
    """
    peer = connection.peer
    if peer is None:
        return None
    return certificate_dict(peer.certificate) if peer.verified_chain else {}


class SSLView:
    """What ``get_extra_info("ssl_object")`` returns: the questions that ssl.SSLObject answers.

    Reading and writing are the transport's business, and not among them.
    """

    __slots__ = ("_connection", "context")

    def __init__(self, connection: TLSConnection, context: Any) -> None:
        self._connection = connection
        self.context = context
        """The configuration, or the context, that the connection was made with."""

    @property
    def server_side(self) -> bool:
        """Whether this is the server's end."""
        return self._connection.server_side

    @property
    def server_hostname(self) -> str | None:
        """The name that the server was verified by; None on a server."""
        return self._connection.server_hostname

    @property
    def session_reused(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        established = self._connection.established
        return established is not None and established.resumed

    def version(self) -> str | None:
        """``TLSv1.3`` or ``TLSv1.2``."""
        return version_of(self._connection)

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, version and key size of the cipher suite."""
        return cipher_of(self._connection)

    def compression(self) -> None:
        """None: TLS 1.3 has no compression (RFC 8446, section 4.1.2)."""
        return

    def selected_alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on (RFC 7301)."""
        return self._connection.alpn_protocol

    def selected_npn_protocol(self) -> None:
        """None: NPN was replaced by ALPN."""
        return

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The peer's certificate: as a dict if it was verified, or in DER in any case."""
        if not binary_form:
            return peer_certificate(self._connection)
        peer = self._connection.peer
        return peer.chain[0] if peer is not None and peer.chain else None

    def get_channel_binding(self, cb_type: str = "tls-exporter") -> bytes:
        """The channel binding of a type (RFC 9266, RFC 5929); ValueError for an unknown one."""
        return self._connection.channel_binding(cb_type)

    def pending(self) -> int:
        """How many bytes of application data were opened and not delivered."""
        return self._connection.readable


# -- a certificate as the ssl module shows it ------------------------------------------------------


def certificate_dict(certificate: x509.Certificate) -> dict[str, Any]:
    """*certificate* in the form that SSLSocket.getpeercert() documents.

    Raises ValueError where its names are none, or the extensions cannot be taken apart.
    """
    return dict(_described(certificate))  # its values are tuples and strings


@lru_cache(maxsize=64)
def _described(certificate: x509.Certificate) -> dict[str, Any]:
    """The event loops ask for this in each connection, whoever may want to know."""
    serial = f"{certificate.serial_number:X}"
    result: dict[str, Any] = {
        "subject": _distinguished(certificate),
        "issuer": _distinguished(certificate, issuer=True),
        "version": certificate.version.value + 1,
        "serialNumber": serial if len(serial) % 2 == 0 else "0" + serial,
        "notBefore": _time(certificate.not_valid_before_utc),
        "notAfter": _time(certificate.not_valid_after_utc),
    }
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is not None:
        result["subjectAltName"] = tuple(_general_name(name) for name in names)
    access = _extension(certificate, x509.AuthorityInformationAccess)
    for key, method in (
        ("OCSP", AuthorityInformationAccessOID.OCSP),
        ("caIssuers", AuthorityInformationAccessOID.CA_ISSUERS),
    ):
        places = [d.access_location for d in access or () if d.access_method == method]
        if uris := _uris(places):
            result[key] = uris
    points = _extension(certificate, x509.CRLDistributionPoints)
    if points is not None and (
        uris := _uris(name for point in points for name in point.full_name or ())
    ):
        result["crlDistributionPoints"] = uris
    return result


def _extension(certificate: x509.Certificate, kind: type[Any]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, *UNREADABLE_NAME):
        return None


def _name(name: x509.Name) -> RelativeNames:
    return tuple(
        tuple((_label(attribute.oid), str(attribute.value)) for attribute in relative)
        for relative in name.rdns
    )


def _distinguished(certificate: x509.Certificate, *, issuer: bool = False) -> RelativeNames:
    try:
        return _name(certificate.issuer if issuer else certificate.subject)
    except UNREADABLE_NAME:
        return tuple(
            tuple((_label(kind), value) for kind, value in relative)
            for relative in read_name(certificate, issuer=issuer)
        )


def _label(oid: x509.ObjectIdentifier) -> str:
    known = _LONG_NAMES.get(oid) or str(oid._name)
    return oid.dotted_string if known == "Unknown OID" else known


def _time(moment: Any) -> str:
    return f"{_MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S %Y} GMT"


def _uris(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    return tuple(n.value for n in names if isinstance(n, x509.UniformResourceIdentifier))


def _general_name(name: x509.GeneralName) -> tuple[str, Any]:
    if isinstance(name, x509.DNSName):
        return "DNS", name.value
    if isinstance(name, x509.IPAddress):
        return "IP Address", _address(name.value)
    if isinstance(name, x509.RFC822Name):
        return "email", name.value
    if isinstance(name, x509.UniformResourceIdentifier):
        return "URI", name.value
    if isinstance(name, x509.DirectoryName):
        return "DirName", _name(name.value)
    if isinstance(name, x509.RegisteredID):
        return "Registered ID", name.value.dotted_string
    return "othername", "<unsupported>"


def _address(address: Any) -> str:
    if isinstance(address, ipaddress.IPv6Address):  # OpenSSL's form: in full, no leading zeros
        return ":".join(f"{int(part, 16):X}" for part in address.exploded.split(":"))
    return str(address)
