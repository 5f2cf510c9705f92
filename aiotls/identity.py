"""Who one is: a chain of certificates, or a key alone, and whoever can sign for it.

The signer is a local key, or any object with a method ``sign``, plain or async: a key in a
hardware module, an agent, a service at the other end of a network.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast, runtime_checkable

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    pkcs12,
)

from .crypto import signatures
from .crypto.primitives import PRIMITIVES, Primitives
from .crypto.signatures import PrivateKey, PublicKey
from .enums import SignatureScheme
from .errors import UsageError
from .trust.certificates import (
    CERTIFICATE_LABELS,
    UNREADABLE,
    PemBlock,
    alternative_names,
    describe_key,
    is_pss_only,
    not_pem_hint,
    pem_blocks,
    title,
    to_der,
)
from .trust.distinguished import issuer_of, subject_of
from .trust.names import covers, parse_address
from .trust.store import read_file

Password = str | bytes | Callable[[], str | bytes] | None
"""What a private key is encrypted with, or a function that asks for it when it is needed."""

Path = str | os.PathLike[str]


@runtime_checkable
class Signer(Protocol):
    """Makes the signatures of a handshake.

    An attribute ``schemes`` may say which signature schemes it can make, the preferred first;
    without one it is all those that the certificate's key allows.
    """

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes | Awaitable[bytes]:
        """A signature over *data*, which is not hashed yet, as *scheme* has it (RFC 8446, section
        4.2.3). A coroutine is awaited; any exception ends the handshake with internal_error.
        """


class LocalSigner:
    """Signs with a private key in memory."""

    __slots__ = ("key", "primitives")

    def __init__(self, key: PrivateKey, primitives: Primitives = PRIMITIVES) -> None:
        self.key = key
        self.primitives = primitives

    def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        """A signature over *data*; raises UsageError where the key cannot make one of *scheme*."""
        return self.primitives.sign(self.key, scheme, data)


@dataclass(frozen=True, eq=False, init=False)
class Identity:
    """A chain of certificates and the key of its first.

    *chain* is in DER or parsed, one's own certificate first, each of the others the issuer of the
    one before it. *key* is a private key of ``cryptography``'s or a :class:`Signer`. Raises
    UsageError, a ValueError, where the key does not belong to the certificate, or where either is
    of a kind that TLS cannot use. A key without a certificate: :meth:`from_raw_key`.
    """

    chain: tuple[bytes, ...]
    """The certificates, DER, one's own first; empty for a key alone."""

    signer: Signer
    """Who signs."""

    schemes: tuple[SignatureScheme, ...]
    """What can be signed with in TLS 1.3, the preferred first."""

    schemes12: tuple[SignatureScheme, ...]
    """What can be signed with in TLS 1.2, the preferred first; empty for keys it does not know."""

    staple: bytes | None
    """An OCSP response about the certificate, DER, for peers that ask (RFC 8446, section
    4.4.2.1)."""

    scts: tuple[bytes, ...]
    """Signed certificate timestamps for peers that ask (RFC 6962, section 3.3)."""

    public_key: PublicKey
    """The key that the signatures verify with."""

    def __init__(
        self,
        chain: Sequence[bytes | x509.Certificate],
        key: PrivateKey | Signer,
        *,
        staple: bytes | None = None,
        scts: Iterable[bytes] = (),
    ) -> None:
        encoded, parsed = _read_chain(chain)
        leaf = parsed[0]
        public_key = _public_key(leaf)
        signer = _signer(key)
        if isinstance(signer, LocalSigner):
            _check_pair(parsed, signer.key)
        self._fill(encoded, signer, public_key, is_pss_only(leaf), staple, tuple(scts))
        self.__dict__["certificate"] = leaf  # which is at hand

    def _fill(
        self,
        chain: tuple[bytes, ...],
        signer: Signer,
        public_key: PublicKey,
        pss_only: bool,
        staple: bytes | None,
        scts: tuple[bytes, ...],
    ) -> None:
        schemes = signatures.schemes_for(public_key, pss_only=pss_only)
        schemes12 = signatures.schemes12_for(public_key, pss_only=pss_only)
        able = getattr(signer, "schemes", None)
        if able is not None:
            schemes = tuple(SignatureScheme(scheme) for scheme in able if scheme in schemes)
            schemes12 = tuple(SignatureScheme(scheme) for scheme in able if scheme in schemes12)
        if not schemes and not schemes12:
            raise UsageError(
                f"TLS has no signature scheme for {describe_key(public_key)}"
                + ("" if able is None else " among the signer's schemes"),
                hint="Use ECDSA on P-256, P-384 or P-521, RSA of 2048 bits or more, Ed25519, Ed448 "
                "or ML-DSA.",
            )
        for name, value in (
            ("chain", chain),
            ("signer", signer),
            ("public_key", public_key),
            ("schemes", schemes),
            ("schemes12", schemes12),
            ("staple", staple),
            ("scts", scts),
        ):
            object.__setattr__(self, name, value)  # the dataclass is frozen for everyone else

    # -- making one --------------------------------------------------------------------------------

    @classmethod
    def from_pem(
        cls, data: bytes | str, password: Password = None, *, key: bytes | str | None = None
    ) -> Identity:
        """The certificates and the key in a PEM text, in any order; *key* is another PEM text, if
        the key stands apart.

        The certificates are put in order: the one that belongs to the key, its issuer, and so on.
        Raises UsageError where something is missing, broken, or does not belong together.
        """
        key_data = None if key is None else _bytes(key)
        return _from_pem(cls, _bytes(data), "the PEM", key_data, "the key", password)

    @classmethod
    def from_der(
        cls, chain: Sequence[bytes] | bytes, key: bytes, password: Password = None
    ) -> Identity:
        """Certificates in DER, one's own first, and a private key in DER: PKCS #8, or the older
        forms for RSA and ECDSA.
        """
        if isinstance(chain, bytes):
            chain = (chain,)
        return cls(chain, _load_key(load_der_private_key, key, password, "the key"))

    @classmethod
    def from_files(
        cls, certfile: Path, keyfile: Path | None = None, password: Password = None
    ) -> Identity:
        """Certificates and key from PEM files; without *keyfile* the key stands in *certfile*.

        Raises UsageError, which names the file, for what is missing or broken.
        """
        data = read_file(certfile, "certfile")
        key = None if keyfile is None else read_file(keyfile, "keyfile")
        where = "certfile" if keyfile is None else "keyfile"
        key_role = f"{where} {os.fspath(keyfile or certfile)!r}"
        return _from_pem(cls, data, f"certfile {os.fspath(certfile)!r}", key, key_role, password)

    @classmethod
    def from_pkcs12(cls, data: bytes, password: Password = None) -> Identity:
        """Certificate, issuers and key from a PKCS #12 archive (``.p12``, ``.pfx``; RFC 7292).

        Raises UsageError for a wrong password, or where the archive has no key or no certificate.
        """
        secret = _password(password)
        try:
            archive = pkcs12.load_pkcs12(data, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UsageError(
                f"the PKCS #12 archive cannot be read: {error}",
                hint="It may be encrypted: give password=." if secret is None else None,
            ) from error
        if archive.key is None or archive.cert is None:
            missing = "private key" if archive.key is None else "certificate that fits its key"
            raise UsageError(f"the PKCS #12 archive has no {missing}")
        leaf = archive.cert.certificate
        issuers = [entry.certificate for entry in archive.additional_certs]
        chain = _in_order([leaf, *issuers], leaf)
        return cls(chain, cast(PrivateKey, archive.key))

    @classmethod
    def from_raw_key(
        cls, key: PrivateKey | Signer, public_key: PublicKey | bytes | None = None
    ) -> Identity:
        """A key alone, for peers that know it and want no certificate (RFC 7250).

        *public_key* is needed for a :class:`Signer`, which does not tell its own: a key of
        ``cryptography``'s, or its SubjectPublicKeyInfo in DER. Raises UsageError for a key of a
        kind that TLS cannot use, and for two keys that are not a pair.
        """
        signer = _signer(key)
        if isinstance(public_key, bytes):
            public_key = _read_public_key(public_key)
        if isinstance(signer, LocalSigner):
            own = signer.key.public_key()
            if public_key is not None and _encoded(public_key) != _encoded(own):
                raise UsageError("the public key given and the private key are not a pair")
            public_key = own
        if public_key is None:
            raise UsageError("a signer's public key has to be given: from_raw_key(signer, public)")
        identity = object.__new__(cls)
        identity._fill((), signer, public_key, False, None, ())
        return identity

    def with_staple(self, staple: bytes | None, scts: Iterable[bytes] | None = None) -> Identity:
        """The same identity with another OCSP response, and with other timestamps if given."""
        chosen = self.scts if scts is None else scts
        return Identity(self.chain, self.signer, staple=staple, scts=chosen)

    # -- using it ----------------------------------------------------------------------------------

    @cached_property
    def certificate(self) -> x509.Certificate:
        """One's own certificate, parsed. Raises UsageError for a key alone."""
        if not self.chain:
            raise UsageError("this identity is a key alone, without a certificate")
        return x509.load_der_x509_certificate(self.chain[0])

    @cached_property
    def raw_public_key(self) -> bytes:
        """The key's SubjectPublicKeyInfo in DER, for peers that take that (RFC 7250)."""
        return _encoded(self.public_key)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The host names and addresses that the certificate is for, in lower case; a key alone is
        for none.
        """
        if not self.chain:
            return ()
        return tuple(name.lower() for name in alternative_names(self.certificate))

    def matches(self, server_name: str) -> bool:
        """Whether the certificate is for a name, as a client sends it in server_name (RFC 6066,
        section 3): for choosing between identities.
        """
        name = server_name.lower().removesuffix(".")
        address = parse_address(name)
        if address is not None:
            return str(address) in self.names
        return any(covers(pattern, name) for pattern in self.names)

    def sign(
        self, data: bytes, scheme: SignatureScheme, primitives: Primitives = PRIMITIVES
    ) -> bytes | Awaitable[bytes]:
        """A signature over *data*, or an awaitable of one. A local key signs by *primitives*."""
        signer = self.signer
        if type(signer) is LocalSigner and signer.primitives is PRIMITIVES:
            return primitives.sign(signer.key, scheme, data)
        return signer.sign(data, scheme)

    def __repr__(self) -> str:
        if not self.chain:
            return f"<Identity {describe_key(self.public_key)}>"
        names = ", ".join(self.names[:3]) or title(self.certificate)
        return f"<Identity {names}{', …' if len(self.names) > 3 else ''}>"


# -- certificates ----------------------------------------------------------------------------------


def _read_chain(
    chain: Sequence[bytes | x509.Certificate],
) -> tuple[tuple[bytes, ...], list[x509.Certificate]]:
    if isinstance(chain, (bytes, x509.Certificate)):
        raise UsageError("the chain is a list of certificates; put the one you have into one")
    parsed = []
    for number, certificate in enumerate(chain, 1):
        if isinstance(certificate, x509.Certificate):
            parsed.append(certificate)
            continue
        try:
            parsed.append(x509.load_der_x509_certificate(certificate))
        except (*UNREADABLE, TypeError) as error:
            raise UsageError(
                f"certificate {number} of the chain is not DER: {error}",
                hint="For PEM there is Identity.from_pem().",
            ) from error
    if not parsed:
        raise UsageError(
            "an identity needs at least one certificate",
            hint="For a key alone there is Identity.from_raw_key().",
        )
    return tuple(to_der(certificate) for certificate in parsed), parsed


def _signer(key: PrivateKey | Signer) -> Signer:
    """Who signs with *key*."""
    # A key of the library's has sign() too, but with arguments of its own.
    if hasattr(key, "private_bytes"):
        return LocalSigner(cast(PrivateKey, key))
    if isinstance(key, Signer):
        return key
    raise UsageError(
        f"a private key, or an object with sign(data, scheme), is expected, not "
        f"{type(key).__name__}"
    )


def _read_public_key(data: bytes) -> PublicKey:
    try:
        return cast(PublicKey, load_der_public_key(data))
    except (ValueError, UnsupportedAlgorithm, InternalError) as error:
        raise UsageError(
            f"the public key is not a SubjectPublicKeyInfo in DER: {error}",
            hint="key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)",
        ) from error


def _public_key(leaf: x509.Certificate) -> PublicKey:
    try:
        return cast(PublicKey, leaf.public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"the certificate's key cannot be used: {error}") from error


def _encoded(public_key: Any) -> bytes:
    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _belongs(certificate: x509.Certificate, key: Any) -> bool:
    try:
        return _encoded(certificate.public_key()) == _encoded(key.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return False


def _check_pair(chain: Sequence[x509.Certificate], key: PrivateKey) -> None:
    if _belongs(chain[0], key):
        return
    theirs = describe_key(_public_key(chain[0]))
    ours = describe_key(key)
    if any(_belongs(certificate, key) for certificate in chain[1:]):
        hint = "The key belongs to another certificate of the chain, which has to stand first."
    elif theirs == ours:
        hint = "Was the certificate reissued with a new key?"
    else:
        hint = "Was the certificate reissued with a new key, or is this the key of another one?"
    raise UsageError(
        f"the certificate's key is {theirs}, and the key given is {ours}: not a pair"
        if theirs != ours
        else f"the certificate's key is {theirs}, and the key given is another one: not a pair",
        hint=hint,
    )


def _in_order(
    certificates: Sequence[x509.Certificate], leaf: x509.Certificate
) -> list[x509.Certificate]:
    """The leaf, its issuer and so on (RFC 8446, section 4.4.2); what is left over stands last."""
    rest = [certificate for certificate in certificates if certificate != leaf]
    ordered = [leaf]
    while rest:
        last = ordered[-1]
        following = next((c for c in rest if _issued(c, last)), None)
        if following is None:
            break
        rest.remove(following)
        ordered.append(following)
    return ordered + rest


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        if subject_of(issuer) != issuer_of(certificate):
            return False
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # any reason at all: then it is not the issuer
        return False
    return True


# -- PEM and keys ----------------------------------------------------------------------------------


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data)


def _from_pem(
    cls: type[Identity],
    data: bytes,
    role: str,
    key_data: bytes | None,
    key_role: str,
    password: Password,
) -> Identity:
    certificates = _certificates_in(data, role)
    if key_data is None:
        key_data, key_role = data, role
    key = _key_in(key_data, key_role, password)
    leaf = next((c for c in certificates if _belongs(c, key)), None)
    if leaf is None:
        return cls(certificates, key)  # which says what does not fit
    return cls(_in_order(certificates, leaf), key)


def _certificates_in(data: bytes, role: str) -> list[x509.Certificate]:
    certificates: list[x509.Certificate] = []
    for block in pem_blocks(data):
        if block.label not in CERTIFICATE_LABELS:
            continue
        try:
            certificates.append(x509.load_der_x509_certificate(block.der()))
        except UNREADABLE as error:
            raise UsageError(
                f"certificate {len(certificates) + 1} in {role} cannot be read: {error}"
            ) from error
    if not certificates:
        raise UsageError(
            f"{role} has no certificate (-----BEGIN CERTIFICATE-----)", hint=not_pem_hint(data)
        )
    return certificates


def _key_in(data: bytes, role: str, password: Password) -> PrivateKey:
    blocks = [block for block in pem_blocks(data) if block.label.endswith("PRIVATE KEY")]
    if not blocks:
        raise UsageError(
            f"{role} has no private key (-----BEGIN PRIVATE KEY-----)", hint=not_pem_hint(data)
        )
    if len(blocks) > 1:
        raise UsageError(f"{role} has {len(blocks)} private keys; leave the one that is meant")
    (block,) = blocks
    return _load_key(load_pem_private_key, block, password, role)


def _load_key(
    load: Callable[[bytes, bytes | None], Any],
    data: bytes | PemBlock,
    password: Password,
    role: str,
) -> PrivateKey:
    text = data.text + b"\n" if isinstance(data, PemBlock) else data
    try:
        try:
            key = load(text, None)
        except TypeError:  # the library's word for "it is encrypted"
            secret = _password(password)
            if secret is None:
                raise UsageError(
                    f"the private key in {role} is encrypted", hint="Give password=."
                ) from None
            key = load(text, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"the private key in {role} cannot be read: {error}",
            hint="The password may be wrong." if password is not None else None,
        ) from error
    return cast(PrivateKey, key)


def _password(password: Password) -> bytes | None:
    value = password() if callable(password) else password
    return value.encode() if isinstance(value, str) else value
