"""Who is there: choosing an identity, proving it, and checking the peer's.

Shared by both roles and both versions. RFC 8446, sections 4.4.2 and 4.4.3.
"""

from __future__ import annotations

import datetime
import functools
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.x509 import ExtensionNotFound, KeyUsage
from cryptography.x509.oid import ExtensionOID

from ..compression import compress, expand
from ..config import CertificateQuery, ClientConfig, Config, ServerConfig
from ..crypto import signatures
from ..delegation import DelegatedCredential, invalid
from ..enums import (
    GREASE_VALUES,
    Alert,
    CertificateCompressionAlgorithm,
    ExtensionType,
    SignatureScheme,
)
from ..errors import CertificateError, ProtocolError, TLSError
from ..trust import TrustStore, check_staple, is_pss_only, parse_certificate, shared
from ..wire import extensions as ext
from ..wire.extensions import Context, Extensions, Rows
from ..wire.messages import (
    Certificate,
    Certificate12,
    CertificateEntry,
    CertificateVerify,
    CompressedCertificate,
    Finished,
    RawPublicKey12,
)
from .certificate_type import RAW, X509, accepted_types, shown_as, verify_raw
from .channel import Channel, resolve

if TYPE_CHECKING:
    from cryptography import x509

    from ..crypto.suites import Suite
    from ..identity import Identity

SERVER_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
CLIENT_CONTEXT = b" " * 64 + b"TLS 1.3, client CertificateVerify\0"
"""RFC 8446, section 4.4.3: what stands before the transcript hash under a signature."""

WORTHWHILE = 1024
"""Bytes of certificates from which on they are compressed: below, it saves no packet."""

MAX_CHAIN = 100
"""Certificates in a chain. A path is far shorter; more only costs time to parse."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side, as far as its certificate says who it is."""

    chain: tuple[bytes, ...]
    """The certificates it sent, DER, its own first."""

    server_name: str | None
    """On a client: the name that was asked for. On a server: the name the client asked for."""

    verified_chain: tuple[x509.Certificate, ...] = ()
    """The path from its certificate to the anchor; empty when verification was turned off."""

    scheme: int | None = None
    """The signature scheme with which it proved to hold the key."""

    staple: bytes | None = None
    """The OCSP response that came with the certificate, DER."""

    scts: tuple[bytes, ...] = field(default=())
    """The signed certificate timestamps that came with it (RFC 6962)."""

    raw_public_key: bytes | None = None
    """The SubjectPublicKeyInfo that it showed in place of certificates (RFC 7250)."""

    refusal: CertificateError | None = None
    """On a server that leaves the decision to its application: why the certificate is no good."""

    @property
    def certificate(self) -> x509.Certificate:
        """Its own certificate, parsed; ValueError where it showed a raw public key."""
        if not self.chain:
            raise ValueError("the peer showed a raw public key and no certificate")
        return parse_certificate(self.chain[0])


@dataclass(slots=True, eq=False)
class Claim:
    """Who the other side says it is: believed as far as it goes, and still to be proved."""

    key: signatures.PublicKey
    """What its signature has to verify with."""

    pss_only: bool = False
    chain: tuple[bytes, ...] = ()
    verified_chain: tuple[x509.Certificate, ...] = ()
    raw_public_key: bytes | None = None
    refusal: CertificateError | None = None

    def peer(
        self,
        server_name: str | None,
        scheme: int | None,
        staple: bytes | None = None,
        scts: tuple[bytes, ...] = (),
    ) -> Peer:
        """The peer that has proved it, by a signature with *scheme*."""
        return Peer(
            self.chain,
            server_name,
            self.verified_chain,
            scheme,
            staple,
            scts,
            self.raw_public_key,
            self.refusal,
        )


# -- proving one's own identity --------------------------------------------------------------------


async def choose_identity(
    config: ClientConfig, query: CertificateQuery
) -> tuple[Identity | None, SignatureScheme | None]:
    """What a client shows to a server that asks, by its own choice or the application's; nothing
    where it has nothing that fits.
    """
    if config.select_identity is not None:
        chosen = await resolve(config.select_identity(query))
        candidates: Sequence[Identity] = () if chosen is None else (chosen,)
    else:
        wanted = RAW if query.raw_public_key else X509
        candidates = [one for one in config.identities if wanted in shown_as(config, one)]
    for identity in candidates:
        scheme = query.scheme_for(identity)
        if scheme is not None:
            return identity, scheme
    return None, None


def choose_scheme(identity: Identity, offered: Sequence[int]) -> SignatureScheme | None:
    """The first scheme of the identity's that the peer offered, or None."""
    for scheme in identity.schemes:
        if scheme in offered:
            return scheme
    return None


async def sign(
    config: Config, signer: Identity | DelegatedCredential, scheme: SignatureScheme, data: bytes
) -> bytes:
    """A signature by the identity's signer, which may be far away."""
    try:
        return await resolve(signer.sign(data, scheme, config.primitives))
    except TLSError:
        raise
    except Exception as error:
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the signer failed: {error!r}", reason="PRIVATE_KEY_OPERATION"
        ) from error


async def prove(
    channel: Channel,
    identity: Identity,
    scheme: SignatureScheme,
    label: bytes,
    asked: Extensions,
    request_context: bytes = b"",
    *,
    raw: bool = False,
) -> None:
    """Sends Certificate and CertificateVerify (RFC 8446, sections 4.4.2 and 4.4.3).

    *asked* are the extensions of the message that asked for them; with *raw* it is the key alone
    that is shown.
    """
    delegated = None if raw else choose_delegation(channel.config, identity, asked)
    certificate = show(identity, request_context, asked, delegated, raw=raw)
    algorithm = choose_compression(channel.config, asked)
    if algorithm is None or sum(len(entry.data) for entry in certificate.entries) < WORTHWHILE:
        channel.send(certificate)
    else:
        channel.send(compress(algorithm, certificate.encode()[4:]))
    signed = label + channel.transcript.digest()
    if delegated is not None:
        scheme = delegated.scheme
    signature = await sign(channel.config, delegated or identity, scheme, signed)
    channel.send(CertificateVerify(scheme, signature))


def choose_delegation(
    config: Config, identity: Identity, asked: Extensions
) -> DelegatedCredential | None:
    """A credential of the identity's that the client takes (RFC 9345, section 4.1.1)."""
    offered = asked.get(ext.DELEGATED_CREDENTIAL)
    if offered is None or not isinstance(config, ServerConfig):
        return None
    now = datetime.datetime.fromtimestamp(config.clock(), datetime.UTC)
    known = asked.get(ext.SIGNATURE_ALGORITHMS) or ()
    for credential in config.delegations:
        fits = credential.scheme in offered and credential.algorithm in known
        if fits and credential.leaf == identity.chain[0] and not credential.expired(now):
            return credential
    return None


def show(
    identity: Identity,
    request_context: bytes,
    asked: Extensions,
    delegated: DelegatedCredential | None = None,
    *,
    raw: bool = False,
) -> Certificate:
    """The identity's chain, with the staple and the timestamps if the peer asked for them; or,
    with *raw*, its key alone.
    """
    if raw:
        return Certificate(request_context, (CertificateEntry(identity.raw_public_key),))
    rows: Rows = []
    if identity.staple is not None and ExtensionType.STATUS_REQUEST in asked:
        rows.append((ext.CERTIFICATE_STATUS, identity.staple))
    if identity.scts and ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP in asked:
        rows.append((ext.SIGNED_CERTIFICATE_TIMESTAMPS, identity.scts))
    if delegated is not None:
        rows.append((ext.DELEGATED_CREDENTIAL_CERTIFICATE, delegated.encode()))
    leaf = CertificateEntry(identity.chain[0], Extensions.build(rows))
    others = tuple(CertificateEntry(der) for der in identity.chain[1:])
    return Certificate(request_context, (leaf, *others))


def choose_compression(config: Config, asked: Extensions) -> CertificateCompressionAlgorithm | None:
    """The first algorithm that both have (RFC 8879, section 3)."""
    offered = asked.get(ext.COMPRESS_CERTIFICATE) or ()
    return next((a for a in config.certificate_compression if a in offered), None)


# -- checking the peer's ---------------------------------------------------------------------------


async def receive_certificate(channel: Channel) -> Certificate:
    """The peer's Certificate, compressed or not."""
    message = await channel.recv(Certificate, CompressedCertificate)
    return unpack(channel, message)


def unpack(channel: Channel, message: Certificate | CompressedCertificate) -> Certificate:
    """The Certificate in what the peer sent (RFC 8879, section 4)."""
    if isinstance(message, Certificate):
        return message
    config = channel.config
    return expand(message, config.certificate_compression, config.max_handshake_message)


async def examine(
    config: Config, chain: tuple[bytes, ...], server_name: str | None, *, raw: bool
) -> Claim:
    """What the peer's certificates are worth; with *raw* it is one key that they are (RFC 7250).

    Raises CertificateError when it is refused.
    """
    if raw:
        if len(chain) != 1:
            raise ProtocolError(
                Alert.ILLEGAL_PARAMETER, f"the peer shows {len(chain)} raw public keys"
            )
        return Claim(await verify_raw(config, chain[0]), raw_public_key=chain[0])
    key, pss_only = leaf_key(chain[0])
    refusal = None
    try:
        verified = await verify_chain(config, chain, server_name)
    except CertificateError as error:
        if not (isinstance(config, ServerConfig) and config.dangerous_accept_unverified_clients):
            raise
        verified, refusal = (), error
    return Claim(key, pss_only, chain, verified, refusal=refusal)


async def receive_chain12(channel: Channel, *, raw: bool) -> tuple[bytes, ...]:
    """What the peer shows in TLS 1.2, as a chain or, with *raw*, a key alone; empty for nothing."""
    if raw:
        key = (await channel.recv(RawPublicKey12)).key
        return (key,) if key else ()
    return (await channel.recv(Certificate12)).certificates


def show12(identity: Identity | None, *, raw: bool) -> Certificate12 | RawPublicKey12:
    """What is shown of an identity in TLS 1.2, also where there is none."""
    if raw:
        return RawPublicKey12(identity.raw_public_key if identity is not None else b"")
    return Certificate12(identity.chain if identity is not None else ())


async def verify_peer(
    channel: Channel,
    certificate: Certificate,
    label: bytes,
    server_name: str | None,
    asked: Extensions,
    *,
    raw: bool = False,
) -> Peer:
    """Receives the CertificateVerify that belongs to *certificate*, and decides on the peer.

    *asked* are the extensions of the message that asked for it; with *raw* it holds a key alone.
    Raises CertificateError when it is refused, ProtocolError when the signature is wrong.
    """
    claim = await examine(channel.config, read_chain(certificate, asked), server_name, raw=raw)
    signed = label + channel.transcript.digest()
    proof = await channel.recv(CertificateVerify)
    check_scheme(channel.config, proof.scheme)
    key, pss_only = claim.key, claim.pss_only
    extensions = certificate.entries[0].extensions
    delegation = extensions.get(ext.DELEGATED_CREDENTIAL_CERTIFICATE)
    if delegation is not None and not raw:
        key, pss_only = delegated_key(channel.config, claim.chain, delegation, proof.scheme)
    signatures.verify(key, proof.scheme, proof.signature, signed, pss_only=pss_only)

    peer = claim.peer(
        server_name,
        proof.scheme,
        staple=extensions.get(ext.CERTIFICATE_STATUS),
        scts=extensions.get(ext.SIGNED_CERTIFICATE_TIMESTAMPS) or (),
    )
    check_status(channel.config, peer)
    await ask_application(channel.config, peer)
    return peer


def delegated_key(
    config: Config, chain: tuple[bytes, ...], data: bytes, scheme: int
) -> tuple[signatures.PublicKey, bool]:
    """The key that a delegated credential stands for (RFC 9345, section 4.1.3)."""
    credential = DelegatedCredential.parse(data)
    now = datetime.datetime.fromtimestamp(config.clock(), datetime.UTC)
    key: signatures.PublicKey = credential.verify(parse_certificate(chain[0]), chain[0], now)
    if scheme != credential.scheme:
        raise invalid("its key signs with another scheme than it says")
    return key, False


def check_status(config: Config, peer: Peer) -> None:
    """What the staple says of a server's certificate that was verified."""
    if isinstance(config, ClientConfig) and config.request_staple and peer.verified_chain:
        now = datetime.datetime.fromtimestamp(config.clock(), datetime.UTC)
        check_staple(peer.staple, peer.verified_chain, now)


def check_chain(chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """A chain of a length that makes sense, in bytes that connections to one peer share."""
    if not chain:
        raise ProtocolError(
            Alert.DECODE_ERROR,
            "the peer sent an empty certificate chain",
            reason="PEER_DID_NOT_RETURN_A_CERTIFICATE",
        )
    if len(chain) > MAX_CHAIN:
        raise CertificateError(
            Alert.BAD_CERTIFICATE, f"the peer sent a chain of {len(chain)} certificates"
        )
    return tuple(map(shared, chain))


def read_chain(certificate: Certificate, asked: Extensions) -> tuple[bytes, ...]:
    """The DER certificates of a TLS 1.3 message that is not empty."""
    entries = certificate.entries
    for entry in entries:
        entry.extensions.check(Context.CERTIFICATE)
        for kind in entry.extensions.types:
            # RFC 8446, section 4.4.2: only answers to what was asked for; RFC 8701, section 3.1:
            # and never to what was only there to be ignored
            if kind not in asked or kind in GREASE_VALUES:
                raise ProtocolError(
                    Alert.UNSUPPORTED_EXTENSION,
                    f"the peer's certificate carries {ExtensionType.label(kind).lower()}, which "
                    "was not asked for",
                    reason="UNEXPECTED_EXTENSION",
                )
    return check_chain(tuple(entry.data for entry in entries))


@functools.lru_cache(maxsize=256)
def leaf_key(der: bytes) -> tuple[signatures.PublicKey, bool]:
    """The key of a peer's own certificate, and whether it is for RSA-PSS alone."""
    certificate = parse_certificate(der)
    try:
        key, pss_only = certificate.public_key(), is_pss_only(certificate)
        signs = may_sign(certificate)
    except Exception as error:
        raise CertificateError(
            Alert.UNSUPPORTED_CERTIFICATE, f"the peer's certificate is unusable: {error}"
        ) from error
    if not signs:
        raise CertificateError(
            Alert.UNSUPPORTED_CERTIFICATE,
            "the key usage of the peer's certificate does not allow its key to sign a handshake",
            verify_code=39,
            verify_message="key usage does not include digital signature",
        )
    return key, pss_only  # type: ignore[return-value]


def may_sign(certificate: x509.Certificate) -> bool:
    """RFC 8446, section 4.4.2.2; RFC 5280, section 4.2.1.3: digitalSignature, if limited."""
    try:
        usage = certificate.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value
    except ExtensionNotFound:
        return True
    return not isinstance(usage, KeyUsage) or usage.digital_signature


def check_scheme(config: Config, scheme: int) -> None:
    """RFC 8446, section 4.4.3: one that was offered, and never PKCS #1 v1.5 or SHA-1."""
    if scheme not in config.signature_schemes or scheme in signatures.CERTIFICATE_ONLY:
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer signed with {SignatureScheme.label(scheme)}, which was not offered",
            reason="WRONG_SIGNATURE_TYPE",
        )


def check_scheme12(config: Config, suite: Suite | None, scheme: int) -> None:
    """RFC 5246, section 7.4.3: one that was offered, and that fits the cipher suite's name."""
    if scheme not in config.signature_schemes or (
        suite is not None and not signatures.fits_suite(scheme, suite)
    ):
        raise ProtocolError(
            Alert.ILLEGAL_PARAMETER,
            f"the peer signed with {SignatureScheme.label(scheme)}, which was not offered",
            reason="WRONG_SIGNATURE_TYPE",
        )


async def verify_chain(
    config: Config, chain: tuple[bytes, ...], server_name: str | None
) -> tuple[x509.Certificate, ...]:
    """The verified path; empty when the configuration asks for none.

    A store of another kind may take its time: what it returns is awaited if it is awaitable.
    """
    now = datetime.datetime.fromtimestamp(config.clock(), datetime.UTC)
    if not isinstance(config, ClientConfig):
        path = await resolve(anchors(config).verify_client(chain, now=now))
        return check_revocation(config, path, now)
    if config.dangerous_disable_verification:
        return ()
    trust = anchors(config)
    name = None if config.dangerous_ignore_server_name else server_name
    path = await resolve(trust.verify_server(chain, name, now=now))
    return check_revocation(config, path, now)


def anchors(config: Config) -> TrustStore:
    """What certificates are verified by: the system's store for a client that names nothing.

    Who takes raw public keys alone takes no certificate; and a server never takes the system's
    word for its clients.
    """
    if config.trust is not None:
        return config.trust
    if X509 not in accepted_types(config) or not isinstance(config, ClientConfig):
        raise CertificateError(
            Alert.UNSUPPORTED_CERTIFICATE,
            "the peer shows a certificate, and only raw public keys are taken",
        )
    return TrustStore.system()


def check_revocation(
    config: Config, path: Sequence[x509.Certificate], now: datetime.datetime
) -> tuple[x509.Certificate, ...]:
    """The path, if nothing on it was revoked as far as the application knows."""
    if config.revocation is not None:
        config.revocation.check(path, now)
    return tuple(path)


async def ask_application(config: Config, peer: Peer) -> None:
    """The application's own check, which refuses by raising.

    An answer of its own, such as False, would otherwise pass for consent.
    """
    if config.verify is None:
        return
    try:
        answer: object = await resolve(config.verify(peer))
    except TLSError:
        raise
    except Exception as error:
        raise CertificateError(
            Alert.CERTIFICATE_UNKNOWN, f"the application refused the peer: {error}"
        ) from error
    if answer is not None:
        wrong = TypeError(f"verify() returns None or raises; it returned {answer!r}")
        raise ProtocolError(
            Alert.INTERNAL_ERROR, f"the application's check failed: {wrong}"
        ) from wrong


def check_finished(message: Finished, expected: bytes) -> None:
    """RFC 8446, section 4.4.4: both sides have seen the same handshake."""
    if not hmac.compare_digest(message.verify_data, expected):
        raise ProtocolError(
            Alert.DECRYPT_ERROR,
            "the peer's Finished is wrong: the two sides have not seen the same handshake",
            reason="DIGEST_CHECK_FAILED",
        )
