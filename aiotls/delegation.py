"""Delegated credentials: RFC 9345. A certificate's key vouches for another, for a few days.

So the certificate's key can stay where it is safe, and what stands on the servers dies by itself.
The certificate has to allow it (the extension DelegationUsage).
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from .crypto import signatures
from .crypto.primitives import PRIMITIVES, Primitives
from .enums import Alert, SignatureScheme
from .errors import DecodeError, ProtocolError, UsageError
from .identity import Identity, LocalSigner, Signer
from .trust import parse_certificate
from .wire.codec import Reader, Writer

DELEGATION_USAGE = x509.ObjectIdentifier("1.3.6.1.4.1.44363.44")
"""RFC 9345, section 4.2: marks the certificates that may delegate."""

MAX_VALIDITY = datetime.timedelta(days=7)
"""RFC 9345, section 4.1.3: a credential with more than this to live is refused."""

SCHEMES: tuple[SignatureScheme, ...] = tuple(
    scheme
    for scheme in signatures.DEFAULT_SCHEMES
    if scheme not in signatures.CERTIFICATE_ONLY and "rsae" not in scheme.name
)
"""What a delegated key may sign with: never as rsaEncryption (section 4.1.3)."""

_LABEL = b" " * 64 + b"TLS, server delegated credentials\0"


@dataclass(frozen=True, slots=True)
class DelegatedCredential:
    """One credential (section 4.1)."""

    valid_time: int
    """Seconds after the certificate's notBefore at which it ends."""

    scheme: SignatureScheme
    """The only one that its key signs with."""

    public_key: bytes
    """The delegated key, a SubjectPublicKeyInfo in DER."""

    algorithm: SignatureScheme
    """What the certificate's key has signed it with."""

    signature: bytes
    signer: Signer | None = field(default=None, repr=False)
    """On a server: what signs with the delegated key."""

    leaf: bytes = field(default=b"", repr=False)
    """On a server: the certificate that it belongs to, DER."""

    @classmethod
    def issue(
        cls,
        identity: Identity,
        key: Any,
        *,
        lifetime: datetime.timedelta = datetime.timedelta(days=1),
        now: datetime.datetime | None = None,
    ) -> DelegatedCredential:
        """A credential for the private key *key*, from an identity whose own key is at hand.

        *lifetime* is at most seven days. Raises UsageError where the certificate does not allow
        it, or the key is of a kind that cannot be delegated to.
        """
        if not may_delegate(identity.certificate):
            raise UsageError("the certificate lacks DelegationUsage, so it cannot delegate")
        if not isinstance(identity.signer, LocalSigner):
            raise UsageError("a credential can only be issued where the certificate's key is")
        if not datetime.timedelta(0) < lifetime <= MAX_VALIDITY:
            raise UsageError("a delegated credential lives for at most seven days")
        able = [s for s in signatures.schemes_for(key.public_key()) if s in SCHEMES]
        if not able:
            raise UsageError("a key of this kind cannot be delegated to")
        end = (now or datetime.datetime.now(datetime.UTC)) + lifetime
        valid_time = int((end - identity.certificate.not_valid_before_utc).total_seconds())
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        unsigned = cls(valid_time, able[0], spki, identity.schemes[0], b"")
        signature = identity.signer.sign(unsigned.signed(identity.chain[0]), identity.schemes[0])
        return cls(
            valid_time,
            able[0],
            spki,
            identity.schemes[0],
            signature,
            LocalSigner(key),
            identity.chain[0],
        )

    @classmethod
    def load(cls, data: bytes, leaf: bytes, key: Any) -> DelegatedCredential:
        """A credential that was issued where the certificate's key is, for a server to use.

        *data* is what :meth:`encode` gave there, *leaf* the certificate, DER, and *key* the
        delegated private key or a signer that has it. Raises UsageError where they do not go
        together, or where the key is of a kind that cannot be delegated to.
        """
        try:
            credential = cls.parse(data)
            public_key = load_der_public_key(credential.public_key)
        except (DecodeError, ProtocolError, ValueError, UnsupportedAlgorithm) as error:
            raise UsageError(f"this is no delegated credential: {error}") from error
        if credential.scheme not in SCHEMES:
            raise UsageError(
                f"a delegated key cannot sign with {credential.scheme.name} (RFC 9345, 4.1.3)",
                reason="INVALID_SIGNATURE_ALGORITHM",
            )
        signer = key if hasattr(key, "sign") and not hasattr(key, "public_key") else None
        if signer is None:
            if key.public_key() != public_key:
                raise UsageError(
                    "the private key is not the one that was delegated to",
                    reason="KEY_VALUES_MISMATCH",
                )
            signer = LocalSigner(key)
        return replace(credential, signer=signer, leaf=leaf)

    def expired(self, now: datetime.datetime) -> bool:
        """On a server: whether it has ended."""
        begin = parse_certificate(self.leaf).not_valid_before_utc
        return now >= begin + datetime.timedelta(seconds=self.valid_time)

    def sign(
        self, data: bytes, scheme: SignatureScheme, primitives: Primitives = PRIMITIVES
    ) -> bytes | Awaitable[bytes]:
        """A signature with the delegated key, or an awaitable of one."""
        signer = self.signer
        if isinstance(signer, LocalSigner):
            return primitives.sign(signer.key, scheme, data)
        if signer is None:
            raise UsageError("this delegated credential has no key")
        return signer.sign(data, scheme)

    def signed(self, leaf: bytes) -> bytes:
        """What the certificate's key signs (section 4.1.3)."""
        return b"".join((_LABEL, leaf, self._credential(), self.algorithm.to_bytes(2, "big")))

    def _credential(self) -> bytes:
        writer = Writer()
        writer.u32(self.valid_time)
        writer.u16(self.scheme)
        writer.vector(3, self.public_key)
        return bytes(writer.data)

    def encode(self) -> bytes:
        """The credential as it stands in the extension."""
        writer = Writer()
        writer.put(self._credential())
        writer.u16(self.algorithm)
        writer.vector(2, self.signature)
        return bytes(writer.data)

    @classmethod
    def parse(cls, data: bytes) -> DelegatedCredential:
        """The inverse of :meth:`encode`. Raises DecodeError or ProtocolError."""
        reader = Reader(data)
        valid_time, scheme, key = reader.u32(), reader.u16(), reader.vector(3, 1)
        algorithm, signature = reader.u16(), reader.vector(2)
        reader.finish()
        try:
            return cls(
                valid_time, SignatureScheme(scheme), key, SignatureScheme(algorithm), signature
            )
        except ValueError:
            raise invalid("it names an unknown signature scheme") from None

    def verify(self, leaf: x509.Certificate, der: bytes, now: datetime.datetime) -> Any:
        """The delegated key, if the certificate vouches for it now; raises ProtocolError."""
        try:
            end = leaf.not_valid_before_utc + datetime.timedelta(seconds=self.valid_time)
        except OverflowError:
            raise invalid("it ends after the last year that there is") from None
        if now >= end:
            raise invalid("it has expired")
        if end - now > MAX_VALIDITY:
            raise invalid("it is valid for more than seven days")
        if self.scheme not in SCHEMES:
            raise invalid(f"its key signs with {self.scheme.name}, which was not offered")
        if not may_delegate(leaf):
            raise invalid("the certificate does not allow to delegate")
        key: Any = leaf.public_key()
        try:
            signatures.verify(key, self.algorithm, self.signature, self.signed(der))
            return load_der_public_key(self.public_key)
        except (ProtocolError, ValueError, TypeError, UnsupportedAlgorithm):
            raise invalid("the certificate's key did not sign it") from None


def invalid(why: str) -> ProtocolError:
    """RFC 9345, section 4.1.3: whatever is wrong with a credential is illegal_parameter."""
    return ProtocolError(
        Alert.ILLEGAL_PARAMETER,
        f"the server's delegated credential is no good: {why}",
        reason="INVALID_DELEGATED_CREDENTIAL",
    )


def may_delegate(leaf: x509.Certificate) -> bool:
    """RFC 9345, section 4.2: DelegationUsage, not critical, and digitalSignature."""
    try:
        extensions = leaf.extensions
        usage = extensions.get_extension_for_oid(DELEGATION_USAGE)
        key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return not usage.critical and key_usage.digital_signature
