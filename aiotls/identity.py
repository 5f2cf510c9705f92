"""Who we are: a certificate chain and something that signs with its key."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from .crypto import signatures
from .crypto.primitives import PRIMITIVES, Primitives
from .enums import SignatureScheme
from .errors import UsageError
from .trust import is_pss_only, parse_certificate

Password = str | bytes | Callable[[], str | bytes] | None


class Signer(Protocol):
    """Anything that signs with the key of a certificate: a KMS, an HSM, another process."""

    def sign(self, data: bytes, scheme: SignatureScheme) -> Awaitable[bytes] | bytes:
        """A signature over *data* by *scheme*."""


class LocalSigner:
    """A private key in this process."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        """A signature over *data* by *scheme*."""
        return PRIMITIVES.sign(self.key, scheme, data)


class Identity:
    """A certificate chain (DER, leaf first) and its signer. Raises UsageError for a mismatch."""

    def __init__(self, chain: Sequence[bytes | x509.Certificate], key: Any, *, staple: bytes | None = None, scts: Sequence[bytes] = ()) -> None:
        ders = [c if isinstance(c, bytes) else c.public_bytes(Encoding.DER) for c in chain]
        if not ders:
            raise UsageError("an identity needs at least one certificate")
        self.chain: tuple[bytes, ...] = tuple(ders)
        try:
            self.certificate = parse_certificate(self.chain[0])
            for der in self.chain[1:]:
                parse_certificate(der)
        except Exception as error:
            raise UsageError(f"not a certificate: {error}") from error
        public = self.certificate.public_key()
        pss = is_pss_only(self.certificate)
        self.schemes = signatures.schemes_for(public, pss_only=pss)
        self.schemes12 = signatures.schemes12_for(public, pss_only=pss)
        if not self.schemes:
            raise UsageError("the certificate's key is of a kind that TLS has no signature scheme for")
        self.signer: Signer
        if hasattr(key, "public_key"):
            ours = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            theirs = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            if ours != theirs:
                raise UsageError("key values mismatch: the private key does not belong to the certificate")
            self.signer = LocalSigner(key)
        elif hasattr(key, "sign"):
            self.signer = key
        else:
            raise UsageError(f"a private key or a signer is expected, not {type(key).__name__}")
        self.staple = staple
        self.scts = tuple(scts)
        self.names = _names(self.certificate)

    @classmethod
    def from_pem(cls, data: bytes | str, password: Password = None, *, key: bytes | str | None = None) -> Identity:
        """From PEM: the chain, and the key in the same bytes or in *key*."""
        data = data.encode() if isinstance(data, str) else data
        keydata = data if key is None else key.encode() if isinstance(key, str) else key
        try:
            chain = x509.load_pem_x509_certificates(data)
        except ValueError as error:
            raise UsageError(f"no certificate in the PEM data: {error}") from error
        try:
            private = load_pem_private_key(keydata, _password(password))
        except (ValueError, TypeError) as error:
            raise UsageError(f"no usable private key in the PEM data: {error}") from error
        return cls(chain, private)

    @classmethod
    def from_der(cls, chain: Sequence[bytes], key: bytes, password: Password = None) -> Identity:
        """From DER."""
        return cls(chain, load_der_private_key(key, _password(password)))

    @classmethod
    def from_files(cls, certfile: str | os.PathLike[str], keyfile: str | os.PathLike[str] | None = None, password: Password = None) -> Identity:
        """From PEM files."""
        with open(certfile, "rb") as file:
            data = file.read()
        key = None
        if keyfile is not None:
            with open(keyfile, "rb") as file:
                key = file.read()
        return cls.from_pem(data, password, key=key)

    @classmethod
    def from_pkcs12(cls, data: bytes, password: Password = None) -> Identity:
        """From PKCS #12."""
        key, leaf, others = pkcs12.load_key_and_certificates(data, _password(password))
        if key is None or leaf is None:
            raise UsageError("the PKCS #12 data lacks a key or a certificate")
        return cls([leaf, *others], key)

    def matches(self, server_name: str) -> bool:
        """Whether the certificate carries the name, or a wildcard over it."""
        name = server_name.lower()
        return name in self.names or "*." + name.partition(".")[2] in self.names

    def sign(self, data: bytes, scheme: SignatureScheme, primitives: Primitives = PRIMITIVES) -> Awaitable[bytes] | bytes:
        """A signature by the signer."""
        if isinstance(self.signer, LocalSigner):
            return primitives.sign(self.signer.key, scheme, data)
        return self.signer.sign(data, scheme)


def _password(password: Password) -> bytes | None:
    value = password() if callable(password) else password
    return value.encode() if isinstance(value, str) else value


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset(n.lower() for n in san.get_values_for_type(x509.DNSName)) | {str(a) for a in san.get_values_for_type(x509.IPAddress)}
