"""What a handshake message says, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..enums import (
    CipherSuite,
    HandshakeType,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from ..errors import TLSError
from ..wire import extensions as ext
from ..wire.messages import (
    Certificate,
    Certificate12,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    NewSessionTicket,
    RawPublicKey12,
    ServerHello,
    ServerKeyExchange,
)
from .text import clean, clean_bytes


def describe(kind: int, data: bytes, protected: bool = True) -> str:
    """The most telling facts of a handshake message; empty where there are none to tell.

    *data* is the whole message, with its header. *protected* tells TLS 1.3's Certificate from
    TLS 1.2's, which is sent in the clear. A message that does not parse is called malformed.
    """
    note = _NOTES.get(kind)
    if note is None:
        return ""
    try:
        return note(data[4:], protected)
    except TLSError as error:
        return f"malformed: {clean(str(error))}"


def _client_hello(body: bytes, protected: bool) -> str:
    hello = ClientHello.parse(body)
    values = hello.extensions
    facts = []
    name = values.get(ext.SERVER_NAME)
    facts.append(f"sni={clean(name)}" if name is not None else "no sni")
    alpn = values.get(ext.ALPN)
    if alpn:
        facts.append("alpn=" + ",".join(clean_bytes(protocol) for protocol in alpn))
    shares = values.get(ext.KEY_SHARE)
    if shares is not None:
        names = _labels(NamedGroup.label, (share.group for share in shares))
        facts.append("shares=" + (names or "none"))
    versions = values.get(ext.SUPPORTED_VERSIONS)
    if versions:
        facts.append("versions=" + ",".join(_version(v) for v in versions if not _is_grease(v)))
    offered = values.get(ext.PRE_SHARED_KEY)
    if offered is not None:
        facts.append(f"psk={len(offered.identities)}")
    if values.get(ext.EARLY_DATA):
        facts.append("early data")
    return " ".join(facts)


def _server_hello(body: bytes, protected: bool) -> str:
    hello = ServerHello.parse(body)
    values = hello.extensions
    facts = [_version(hello.version), CipherSuite.label(hello.cipher_suite)]
    if hello.is_retry:
        facts.insert(0, "HelloRetryRequest:")
        group = values.get(ext.KEY_SHARE_RETRY)
        if group is not None:
            facts.append("wants " + NamedGroup.label(group))
        if values.get(ext.COOKIE) is not None:
            facts.append("cookie")
        return " ".join(facts)
    share = values.get(ext.KEY_SHARE_SERVER)
    if share is not None:
        facts.append(NamedGroup.label(share.group))
    if values.get(ext.PRE_SHARED_KEY_SELECTED) is not None:
        facts.append("resumed")
    return " ".join(facts)


def _encrypted_extensions(body: bytes, protected: bool) -> str:
    values = EncryptedExtensions.parse(body).extensions
    facts = []
    protocol = values.get(ext.ALPN_SELECTED)
    if protocol is not None:
        facts.append("alpn=" + clean_bytes(protocol))
    if values.get(ext.EARLY_DATA):
        facts.append("early data accepted")
    return " ".join(facts)


def _certificate(body: bytes, protected: bool) -> str:
    if protected:
        shown = [entry.data for entry in Certificate.parse(body).entries]
    elif is_raw_key(body[3:]):
        shown = [RawPublicKey12.parse(body).key]
    else:
        shown = list(Certificate12.parse(body).certificates)
    if not shown:
        return "no certificate"
    if is_raw_key(shown[0]):
        return f"raw public key: {len(shown[0])} B"
    return f"{len(shown)} certificate{'s' * (len(shown) > 1)}: " + " + ".join(
        f"{len(data)} B" for data in shown
    )


def is_raw_key(data: bytes) -> bool:
    """Whether a SubjectPublicKeyInfo stands here (RFC 7250), by how it begins: with an algorithm's
    identifier, where a certificate has its version, and a list of them the length of the first.
    """
    outer = _inside(data, 0)
    inner = None if outer is None else _inside(data, outer)
    return inner is not None and data[inner : inner + 1] == b"\x06"


def _inside(data: bytes, at: int) -> int | None:
    """Where the content of a DER SEQUENCE begins; None where there is none."""
    if len(data) < at + 2 or data[at] != 0x30:
        return None
    size = data[at + 1]
    return at + 2 + (size & 0x7F if size & 0x80 else 0)


def _compressed_certificate(body: bytes, protected: bool) -> str:
    message = CompressedCertificate.parse(body)
    return f"compressed from {message.uncompressed_length} B"


def _certificate_request(body: bytes, protected: bool) -> str:
    if not protected:
        return ""
    authorities = CertificateRequest.parse(body).extensions.get(ext.CERTIFICATE_AUTHORITIES)
    if not authorities:
        return "from any authority"
    return "from 1 authority" if len(authorities) == 1 else f"from {len(authorities)} authorities"


def _certificate_verify(body: bytes, protected: bool) -> str:
    return SignatureScheme.label(CertificateVerify.parse(body).scheme)


def _server_key_exchange(body: bytes, protected: bool) -> str:
    message = ServerKeyExchange.parse(body)
    return f"{NamedGroup.label(message.group)} {SignatureScheme.label(message.scheme)}"


def _new_session_ticket(body: bytes, protected: bool) -> str:
    if not protected:
        return ""
    message = NewSessionTicket.parse(body)
    early = message.extensions.get(ext.EARLY_DATA_LIMIT)
    limit = f", early data up to {early} B" if early else ""
    return f"good for {message.lifetime} s{limit}"


_NOTES: dict[int, Callable[[bytes, bool], str]] = {
    HandshakeType.CLIENT_HELLO: _client_hello,
    HandshakeType.SERVER_HELLO: _server_hello,
    HandshakeType.ENCRYPTED_EXTENSIONS: _encrypted_extensions,
    HandshakeType.CERTIFICATE: _certificate,
    HandshakeType.COMPRESSED_CERTIFICATE: _compressed_certificate,
    HandshakeType.CERTIFICATE_REQUEST: _certificate_request,
    HandshakeType.CERTIFICATE_VERIFY: _certificate_verify,
    HandshakeType.SERVER_KEY_EXCHANGE: _server_key_exchange,
    HandshakeType.NEW_SESSION_TICKET: _new_session_ticket,
}


def _is_grease(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def _labels(label: Callable[[int], str], values: Iterable[int]) -> str:
    return ",".join(label(value) for value in values if not _is_grease(value))


def _version(value: int) -> str:
    try:
        return ProtocolVersion(value).title
    except ValueError:
        return f"0x{value:04x}"
