"""What the configurations of clients and servers have in common."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self

from .. import keylog
from ..compression import ALGORITHMS
from ..crypto.aead import MAX_PLAINTEXT
from ..crypto.groups import GROUPS
from ..crypto.primitives import PRIMITIVES, Primitives
from ..crypto.signatures import DEFAULT_SCHEMES
from ..crypto.suites import SUITES, TLS12_SUITES, TLS13_SUITES
from ..enums import (
    CertificateCompressionAlgorithm,
    CertificateType,
    CipherSuite,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from ..errors import UsageError
from ..identity import Identity, LocalSigner
from ..trust import RevocationLists, TrustStore
from .validation import check_raw_key, known, known_alpn_name, known_types

if TYPE_CHECKING:
    from ..handshake.auth import Peer

DEFAULT_GROUPS = (
    NamedGroup.X25519MLKEM768,
    NamedGroup.X25519,
    NamedGroup.SECP256R1,
    NamedGroup.SECP384R1,
    NamedGroup.SECP521R1,
)
DEFAULT_SUITES = tuple(suite.code for suite in TLS13_SUITES + TLS12_SUITES)
SUPPORTED_VERSIONS = (ProtocolVersion.TLSv1_3, ProtocolVersion.TLSv1_2)
SCHEMES = frozenset(DEFAULT_SCHEMES)

_serials = itertools.count(1)


class Observer(Protocol):
    """Is told of each handshake message as it passes, a server's tickets among them; it changes
    nothing.
    """

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """One whole handshake message, with its header of four bytes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Config:
    """What clients and servers have in common."""

    min_version: ProtocolVersion = ProtocolVersion.TLSv1_2
    """The oldest version to speak."""

    max_version: ProtocolVersion = ProtocolVersion.TLSv1_3
    """The newest version to speak."""

    cipher_suites: Sequence[CipherSuite] = DEFAULT_SUITES
    """In order of preference. All are AEADs with forward secrecy."""

    groups: Sequence[NamedGroup] = DEFAULT_GROUPS
    """Key exchanges, in order of preference. The first default is post-quantum."""

    signature_schemes: Sequence[SignatureScheme] = DEFAULT_SCHEMES
    """What the peer may sign its handshake with, in order of preference."""

    certificate_signature_schemes: Sequence[SignatureScheme] | None = None
    """What the peer's certificates may be signed with; None: the same, and the extension
    signature_algorithms_cert is not sent (RFC 8446, section 4.2.3)."""

    alpn_protocols: Sequence[str | bytes] = ()
    """Application protocols (RFC 7301), in order of preference: ``("h2", "http/1.1")``."""

    raw_public_keys: Sequence[bytes] = ()
    """Keys that the peer may show in place of a certificate (RFC 7250), each a
    SubjectPublicKeyInfo in DER. Without :attr:`trust` nothing but these is taken."""

    verify_raw_public_key: Callable[[bytes], Awaitable[bool] | bool] | None = None
    """Decides on a key that the peer shows in place of a certificate and that is not among
    :attr:`raw_public_keys`, by its SubjectPublicKeyInfo in DER: True takes it, False is
    ``certificate_unknown``. Without it only those keys are taken."""

    peer_certificate_types: Sequence[CertificateType] | None = None
    """What is taken from the peer, certificates or raw public keys, in order of preference (RFC
    7250). None: the keys where :attr:`raw_public_keys` or :attr:`verify_raw_public_key` is given,
    and after them certificates where :attr:`trust` is; or else certificates."""

    show_raw_public_key: bool = False
    """Whether to show the key of one's own certificate in place of it, to a peer that takes it.
    An identity made by :meth:`.Identity.from_raw_key` is never shown in another way."""

    trust: TrustStore | None = None
    """The anchors for the peer's certificate. None: a client uses :meth:`TrustStore.system`;
    a server that asks for client certificates must name its own."""

    revocation: RevocationLists | None = None
    """Revocation lists that the peer's whole chain is held against (RFC 5280, section 6.3); a
    certificate whose issuer has none among them is refused."""

    verify: Callable[[Peer], Awaitable[None] | None] | None = None
    """Called with the peer, after its certificate was accepted, for checks of one's own. It
    refuses by raising: a CertificateError with the alert to send, or anything else, which
    becomes ``certificate_unknown``. It returns None; any other answer is ``internal_error``."""

    key_log: Callable[[str], None] | None = field(default_factory=keylog.from_environment)
    """Is given each line in the NSS key log format. The default writes to the file that
    SSLKEYLOGFILE names when that is set."""

    record_padding: int = 0
    """Protected records are padded to a multiple of this many bytes (RFC 8446, section 5.4);
    0 and 1 do not pad. At most 16384."""

    record_size_limit: int | None = None
    """The largest record that this side will take, in bytes, 64 to 16385 (RFC 8449); for those
    with little memory. None: as large as TLS allows. The peer's limit is always honoured."""

    max_fragment: int = MAX_PLAINTEXT
    """The largest piece that goes into one record, in bytes, 512 to 16384, as with OpenSSL's
    SSL_CTX_set_max_send_fragment(3). A peer can use the beginning of a small one sooner; large
    ones cost less."""

    initial_fragment: int = 1186
    """The largest piece of application data in a connection's first record, in bytes, 512 to
    16384: by default what fits into one packet, so that the first bytes can be read when they
    arrive. Each piece of a longer write may then be that much larger than the one before it, up to
    :attr:`max_fragment`. 16384: records are as large as they can be from the beginning, as with
    OpenSSL; so it is too where :attr:`record_padding` is set."""

    allow_truncation: bool = False
    """Whether a stream that ends without close_notify counts as a clean end. An attacker who
    cuts the connection can then pass for the peer; only for protocols that mark their own end."""

    certificate_compression: Sequence[CertificateCompressionAlgorithm] = ALGORITHMS
    """How certificates may be compressed (RFC 8879), in order of preference: zlib, and brotli and
    zstd where they are installed. Empty: not at all."""

    max_handshake_message: int = 131_072
    """The longest handshake message that is accepted, in bytes. Certificates are the long ones."""

    middlebox_compatibility: bool = True
    """RFC 8446, appendix D.4: look like a resumed TLS 1.2 session to what stands in between."""

    observer: Observer | None = None
    """Is told of each handshake message; costs nothing when absent."""

    clock: Callable[[], float] = time.time
    """Seconds since the epoch; replaced when a handshake is replayed."""

    random: Callable[[int], bytes] = os.urandom
    """Random bytes; replaced when a handshake is replayed."""

    primitives: Primitives = PRIMITIVES
    """Key generation, key agreement and signing; replaced when a handshake is replayed."""

    def __post_init__(self) -> None:
        self._set("cipher_suites", known(CipherSuite, self.cipher_suites, SUITES, "cipher suite"))
        self._set("groups", known(NamedGroup, self.groups, GROUPS, "group"))
        self._set(
            "signature_schemes",
            known(SignatureScheme, self.signature_schemes, SCHEMES, "signature scheme"),
        )
        if self.certificate_signature_schemes is not None:
            schemes = known(
                SignatureScheme, self.certificate_signature_schemes, SCHEMES, "signature scheme"
            )
            self._set("certificate_signature_schemes", schemes)
        compression = known(
            CertificateCompressionAlgorithm,
            self.certificate_compression,
            ALGORITHMS,
            "compression algorithm",
            empty=True,
        )
        self._set("certificate_compression", compression)
        for key in self.raw_public_keys:
            check_raw_key(key)
        self._set("raw_public_keys", tuple(self.raw_public_keys))
        self._check_types()
        self._set("alpn_protocols", tuple(known_alpn_name(name) for name in self._alpn_sequence()))
        for name in ("min_version", "max_version"):
            version = getattr(self, name)
            if version not in SUPPORTED_VERSIONS:
                supported = " and ".join(v.title for v in SUPPORTED_VERSIONS)
                raise UsageError(f"{name}={version!r} is not spoken here: {supported}")
            self._set(name, ProtocolVersion(version))
        if self.min_version > self.max_version:
            raise UsageError(
                f"min_version {self.min_version.title} is above max_version "
                f"{self.max_version.title}"
            )
        if not self.versions:
            raise UsageError(
                "none of cipher_suites belongs to a version from min_version to max_version"
            )
        self._check_within("record_padding", 0, MAX_PLAINTEXT)
        if self.record_size_limit is not None:
            self._check_within("record_size_limit", 64, MAX_PLAINTEXT + 1)
        self._check_within("max_fragment", 512, MAX_PLAINTEXT)
        self._check_within("initial_fragment", 512, MAX_PLAINTEXT)
        self._check_within("max_handshake_message", 1 << 14, (1 << 24) - 1)
        if self.revocation is not None and not isinstance(self.revocation, RevocationLists):
            raise UsageError("revocation must be RevocationLists")
        if self.trust is not None and not isinstance(self.trust, TrustStore):
            raise UsageError(f"trust must be a TrustStore, not {type(self.trust).__name__}")

    def _check_types(self) -> None:
        if self.peer_certificate_types is None:
            return
        types = known_types(self.peer_certificate_types)
        self._set("peer_certificate_types", types)
        anyone = getattr(self, "dangerous_disable_verification", False)
        if CertificateType.RAW_PUBLIC_KEY in types and not (self.takes_raw_keys or anyone):
            raise UsageError(
                "peer_certificate_types has raw public keys, and none would be taken",
                hint="Name them in raw_public_keys, or decide on them in verify_raw_public_key.",
            )

    @property
    def takes_raw_keys(self) -> bool:
        """Whether there is any raw public key that would be taken from the peer."""
        return bool(self.raw_public_keys) or self.verify_raw_public_key is not None

    def _alpn_sequence(self) -> Sequence[str | bytes]:
        if isinstance(self.alpn_protocols, (str, bytes)):
            raise UsageError(
                f"alpn_protocols={self.alpn_protocols!r} is one name; give a list of names"
            )
        return self.alpn_protocols

    def _check_within(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if not least <= value <= most:
            raise UsageError(f"{name}={value} is not within {least} to {most}")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen for everyone else

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated anew; of ``identity`` and ``identities`` the
        one that is given takes the other's place.
        """
        if "identity" in changes:
            changes.setdefault("identities", ())
        elif "identities" in changes:
            changes["identity"] = None
        return replace(self, **changes)

    @cached_property
    def suites(self) -> tuple[CipherSuite, ...]:
        """The cipher suites of the versions that are spoken."""
        return tuple(c for c in self.cipher_suites if self.speaks(SUITES[c].version))

    def speaks(self, version: int) -> bool:
        """Whether the version lies within :attr:`min_version` and :attr:`max_version`."""
        return self.min_version <= version <= self.max_version

    @cached_property
    def versions(self) -> tuple[ProtocolVersion, ...]:
        """The versions that are spoken, newest first: those that there are suites for."""
        return tuple(
            version
            for version in SUPPORTED_VERSIONS
            if self.speaks(version) and any(SUITES[c].version == version for c in self.suites)
        )

    @cached_property
    def alpn(self) -> tuple[bytes, ...]:
        """The application protocols as they stand on the wire."""
        return tuple(n if isinstance(n, bytes) else n.encode() for n in self.alpn_protocols)

    @cached_property
    def serial(self) -> int:
        """A number that no other configuration of this process ever has."""
        return next(_serials)

    @property
    def has_hooks(self) -> bool:
        """Whether a handshake may await something of the application's."""
        return self.verify is not None or self.verify_raw_public_key is not None


def suspends(identity: Identity | None) -> bool:
    """Whether to sign with this identity may take an await."""
    return identity is not None and not isinstance(identity.signer, LocalSigner)
