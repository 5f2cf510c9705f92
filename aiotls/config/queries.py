"""What the hooks of a configuration are asked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..crypto.signatures import client_certificate_type
from ..enums import SignatureScheme
from ..identity import Identity

if TYPE_CHECKING:
    from ..wire.messages import ClientHello


@dataclass(frozen=True, slots=True)
class ClientHelloInfo:
    """What a server can know of a client before it answers."""

    server_name: str | None
    """The name asked for, as an A-label in lower case."""

    alpn_protocols: tuple[bytes, ...]
    """The application protocols offered."""

    signature_schemes: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    groups: tuple[int, ...]
    versions: tuple[int, ...]

    hello: ClientHello
    """The message itself."""


@dataclass(frozen=True, slots=True)
class CertificateQuery:
    """What a server said when it asked the client for a certificate (RFC 8446, section 4.3.2)."""

    server_name: str | None
    signature_schemes: tuple[int, ...]
    authorities: tuple[bytes, ...]
    """DER names of the authorities that the server accepts; empty: any."""

    certificate_types: tuple[int, ...] | None = None
    """In TLS 1.2 also the kinds of keys that it takes (RFC 5246, section 7.4.4), 1 for RSA and 64
    for ECDSA and EdDSA. None in TLS 1.3, where the schemes say it all."""

    raw_public_key: bool = False
    """Whether it wants the key alone, and no certificate (RFC 7250)."""

    def scheme_for(self, identity: Identity) -> SignatureScheme | None:
        """What *identity* would sign with; None where the server could not verify it."""
        if not (identity.chain or self.raw_public_key):
            return None
        able = identity.schemes
        if self.certificate_types is not None:
            types = self.certificate_types
            able = tuple(s for s in identity.schemes12 if client_certificate_type(s) in types)
        return next((scheme for scheme in able if scheme in self.signature_schemes), None)
