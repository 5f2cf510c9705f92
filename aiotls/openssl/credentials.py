"""One's own certificates and keys, and the files that they and the anchors come from.

SSL_CTX_use_certificate(3), SSL_CTX_load_verify_locations(3).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from ..errors import UsageError
from ..identity import Identity
from .constants import SSL_FILETYPE_ASN1, SSL_FILETYPE_PEM
from .errors import (
    ERR_LIB_ASN1,
    ERR_LIB_BIO,
    ERR_LIB_PEM,
    ERR_LIB_SSL,
    ERR_LIB_SYS,
    ERR_LIB_X509,
    ERR_R_ASN1_LIB,
    ERR_R_PEM_LIB,
    ERR_R_SYS_LIB,
    ERR_R_UNSUPPORTED,
    ERR_raise,
    ERR_raise_data,
    raise_ssl,
)
from .reasons import (
    BIO_R_NO_SUCH_FILE,
    SSL_R_BAD_SSL_FILETYPE,
    SSL_R_NO_CERTIFICATE_ASSIGNED,
    SSL_R_NO_PRIVATE_KEY_ASSIGNED,
    SSL_R_UNKNOWN_CERTIFICATE_TYPE,
)

ASN1_R_WRONG_TAG = 168
PEM_R_BAD_PASSWORD_READ = 104
PEM_R_NO_START_LINE = 108
X509_R_KEY_VALUES_MISMATCH = 116
X509_R_NO_CERTIFICATE_OR_CRL_FOUND = 136

T = TypeVar("T")

Certificates = tuple[x509.Certificate, ...]
PasswordCallback = Callable[[int, int, Any], Any]
"""Returns the password; is given the longest length, 0 (to decrypt), and the user data."""


class _NoData(ValueError):
    """The file has nothing of what was looked for."""


@dataclass(frozen=True)
class Credential:
    """What is shown for one kind of key: certificates, a key, or so far only one of the two."""

    chain: Certificates = ()
    """One's own certificate first."""

    key: Any = None
    """A private key of ``cryptography``'s, or an object with ``sign(data, scheme)``."""

    identity: Identity | None = None
    """Both, once they are there and belong together."""

    def complete(self) -> Credential:
        """The same with an identity, if there can be one."""
        if not self.chain or self.key is None:
            return replace(self, identity=None)
        return replace(self, identity=Identity(self.chain, self.key))


Credentials = tuple[Credential, ...]
"""At most one for each kind of key; the one that was touched last stands last."""


_KINDS: dict[str, type] = {
    "RSA": rsa.RSAPublicKey,
    "EC": ec.EllipticCurvePublicKey,
    "Ed25519": ed25519.Ed25519PublicKey,
    "Ed448": ed448.Ed448PublicKey,
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}


def kind_of(public_key: object) -> str:
    """The kind of a key: what OpenSSL has a slot for. Empty where TLS has no use for it."""
    return next((name for name, kind in _KINDS.items() if isinstance(public_key, kind)), "")


def _slot(credential: Credential) -> str:
    if credential.chain:
        return kind_of(credential.chain[0].public_key())
    key = credential.key
    return kind_of(key.public_key()) if hasattr(key, "public_key") else "signer"


def _split(credentials: Credentials, kind: str) -> tuple[list[Credential], Credential]:
    others = [credential for credential in credentials if _slot(credential) != kind]
    same = [credential for credential in credentials if _slot(credential) == kind]
    return others, same[0] if same else Credential()


def matches(certificate: x509.Certificate, key: Any) -> bool:
    """Whether a private key is the certificate's; a signer that cannot say is believed."""
    if not hasattr(key, "public_key"):
        return True
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    theirs = certificate.public_key().public_bytes(*form)
    ours: bytes = key.public_key().public_bytes(*form)
    return ours == theirs


def with_chain(credentials: Credentials, chain: Certificates) -> Credentials | None:
    """The credentials with other certificates; a key that does not belong to them goes.

    None where the key is of no kind that TLS knows; the queue says so.
    """
    kind = kind_of(chain[0].public_key())
    if not kind:
        raise_ssl(SSL_R_UNKNOWN_CERTIFICATE_TYPE)
        return None
    others, old = _split(credentials, kind)
    key = old.key
    if key is None and (signer := [c for c in others if _slot(c) == "signer"]):
        key = signer[0].key
        others = [c for c in others if c is not signer[0]]
    if key is not None and not matches(chain[0], key):
        key = None
    return _completed(others, Credential(chain, key))


def with_key(credentials: Credentials, key: Any) -> Credentials | None:
    """The credentials with another key; None where it is not the certificate's."""
    if hasattr(key, "public_key"):
        kind = kind_of(key.public_key())
        others, old = _split(credentials, kind)
    elif credentials:
        others, old = list(credentials[:-1]), credentials[-1]
    else:
        others, old = [], Credential()
    if old.chain and not matches(old.chain[0], key):
        ERR_raise(ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH)
        return None
    return _completed(others, Credential(old.chain, key))


def _completed(others: list[Credential], changed: Credential) -> Credentials | None:
    try:
        return (*others, changed.complete())
    except UsageError as error:
        ERR_raise_data(ERR_LIB_SSL, SSL_R_UNKNOWN_CERTIFICATE_TYPE, str(error))
        return None


def check_key(credentials: Credentials) -> int:
    """SSL_CTX_check_private_key(3): 1 where the certificate touched last has its key."""
    if not credentials or not credentials[-1].chain:
        raise_ssl(SSL_R_NO_CERTIFICATE_ASSIGNED)
        return 0
    if credentials[-1].key is None:
        raise_ssl(SSL_R_NO_PRIVATE_KEY_ASSIGNED)
        return 0
    return 1


# -- files -----------------------------------------------------------------------------------------


def _content(path: str | bytes) -> bytes:
    """What is in a file. Raises OSError; a path ends at a zero, as C's strings do."""
    if not isinstance(path, (str, bytes)):
        raise TypeError(f"the name of a file is expected, not {type(path).__name__}")
    with open(os.fsencode(path).split(b"\0")[0], "rb") as file:
        return file.read()


def _read(path: str | bytes) -> bytes | None:
    try:
        return _content(path)
    except OSError as error:
        ERR_raise_data(ERR_LIB_SYS, error.errno or 0, f"calling fopen({os.fsdecode(path)}, r)")
        ERR_raise(ERR_LIB_BIO, ERR_R_SYS_LIB)
        raise_ssl(ERR_R_SYS_LIB)
        return None


def read_chain(path: str | bytes) -> Certificates | None:
    """All certificates of a PEM file; None where there are none, and the queue says why."""
    data = _read(path)
    if data is None:
        return None
    return _parsed(lambda: tuple(_certificates(data)), ERR_R_PEM_LIB)


def read_certificate(path: str | bytes, filetype: int) -> Certificates | None:
    """The first certificate of a file, alone."""
    data = _read(path)
    if data is None:
        return None
    if filetype == SSL_FILETYPE_PEM:
        return _parsed(lambda: tuple(_certificates(data))[:1], ERR_R_PEM_LIB)
    if filetype == SSL_FILETYPE_ASN1:
        return _parsed(lambda: (x509.load_der_x509_certificate(data),), ERR_R_ASN1_LIB)
    raise_ssl(SSL_R_BAD_SSL_FILETYPE)
    return None


def read_key(path: str | bytes, filetype: int, callback: PasswordCallback | None, user: Any) -> Any:
    """The private key of a file; None where there is none, and the queue says why."""
    data = _read(path)
    if data is None:
        return None
    if filetype == SSL_FILETYPE_PEM:
        return _parsed(lambda: _pem_key(data, callback, user), ERR_R_PEM_LIB)
    if filetype == SSL_FILETYPE_ASN1:
        return _parsed(lambda: load_der_private_key(data, None), ERR_R_ASN1_LIB)
    raise_ssl(SSL_R_BAD_SSL_FILETYPE)
    return None


def _certificates(data: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN " not in data or b"CERTIFICATE-----" not in data:
        raise _NoData
    return x509.load_pem_x509_certificates(data)


def _pem_key(data: bytes, callback: PasswordCallback | None, user: Any) -> Any:
    if b"PRIVATE KEY-----" not in data:
        ERR_raise(60, ERR_R_UNSUPPORTED)  # ERR_LIB_OSSL_DECODER
        raise_ssl(ERR_R_PEM_LIB)
        return None
    start = data.index(b"-----BEGIN", 0)
    while not data[start:].split(b"\n", 1)[0].rstrip().endswith(b"PRIVATE KEY-----"):
        start = data.index(b"-----BEGIN", start + 1)
    password: bytes | None = None
    if b"ENCRYPTED" in data[start:]:
        answer = callback(1024, 0, user) if callback is not None else user
        password = answer.encode() if isinstance(answer, str) else answer
        if password is None:
            ERR_raise(ERR_LIB_PEM, PEM_R_BAD_PASSWORD_READ)
            raise_ssl(ERR_R_PEM_LIB)
            return None
    return load_pem_private_key(data[start:], password)


def _parsed(load: Callable[[], T], reason: int) -> T | None:
    """What *load* returns; None where it cannot be read, and the queue says so."""
    try:
        return load()
    except _NoData:
        ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE)
    except (ValueError, x509.InvalidVersion, TypeError, UnsupportedAlgorithm) as error:
        ERR_raise_data(ERR_LIB_ASN1, ASN1_R_WRONG_TAG, str(error))
    raise_ssl(reason)
    return None


def read_anchors(file: str | bytes | None, directory: str | bytes | None) -> Certificates | None:
    """The certificates of a PEM file and of a directory; None where the file has none."""
    found: list[x509.Certificate] = []
    if file is not None:
        try:
            data = _content(file)
        except OSError as error:
            ERR_raise_data(ERR_LIB_SYS, error.errno or 0, f"calling fopen({os.fsdecode(file)}, r)")
            ERR_raise(ERR_LIB_BIO, BIO_R_NO_SUCH_FILE)
            ERR_raise(ERR_LIB_X509, ERR_R_SYS_LIB)
            return None
        if b"CERTIFICATE-----" not in data:
            ERR_raise(ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND)
            return None
        try:
            found += x509.load_pem_x509_certificates(data)
        except ValueError as error:
            ERR_raise_data(ERR_LIB_ASN1, ASN1_R_WRONG_TAG, str(error))
            ERR_raise(ERR_LIB_X509, ERR_R_PEM_LIB)
            return None
    if directory is not None:
        found += _in_directory(os.fsdecode(directory))
    return tuple(found)


def _in_directory(directory: str) -> list[x509.Certificate]:
    """What c_rehash(1) has named there. A directory that is missing holds nothing."""
    found: list[x509.Certificate] = []
    directory = directory.split("\0")[0]
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return found
    for name in names:
        head, dot, tail = name.rpartition(".")
        if not (dot and len(head) == 8 and tail.isdigit()):
            continue
        try:
            with open(os.path.join(directory, name), "rb") as stream:
                found += x509.load_pem_x509_certificates(stream.read())
        except (OSError, ValueError):
            continue
    return found
