"""What a context was told to believe: the certificates and revocation lists that were loaded.

``load_verify_locations`` takes files and data at once, directories when they are first needed,
as OpenSSL does. The errors are the standard library's, with the file's name where that leaves
it out.
"""

from __future__ import annotations

import os
import re
import ssl
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ..errors import UsageError
from ..inspection import certificate_dict
from ..trust import TrustStore
from ..trust.certificates import (
    CERTIFICATE_LABELS,
    UNREADABLE,
    find_extension,
    not_pem_hint,
    pem_blocks,
    to_der,
)
from ..trust.distinguished import issuer_of, subject_of
from ..trust.system import SHORTAGES
from .errors import failure, make, refusal

LONGEST_PATH = 8
PEM_LIB = 0x80009
"""OpenSSL 3's number for what its PEM routines refuse, which the standard library has as errno."""

_HASHED = re.compile(r"[0-9a-f]{8}\.r?[0-9]+")
_TRUSTED_LABEL = "TRUSTED CERTIFICATE"
"""OpenSSL's own form: a certificate, followed by what it is trusted for."""


class Anchors:
    """Certificates and revocation lists; what is added is there once."""

    def __init__(self) -> None:
        self.certificates: dict[bytes, x509.Certificate] = {}
        self.revocation_lists: dict[bytes, x509.CertificateRevocationList] = {}
        self.directories: tuple[str, ...] = ()
        self.system = False
        """Whether the system's anchors count as well."""

    def copy(self) -> Anchors:
        """A copy that no longer changes with this one."""
        other = Anchors()
        other.certificates = dict(self.certificates)
        other.revocation_lists = dict(self.revocation_lists)
        other.directories = self.directories
        other.system = self.system
        return other

    # -- loading -------------------------------------------------------------------------------

    def load_file(self, path: str | bytes | os.PathLike[Any]) -> None:
        """A PEM file of certificates, revocation lists or both."""
        data = read(path, "cafile")
        if not self._load_pem(data, os.fsdecode(path)):
            error = make(
                ssl.SSLError,
                136,
                "no certificate or crl found",
                library="X509",
                reason="NO_CERTIFICATE_OR_CRL_FOUND",
                hint=f"{os.fsdecode(path)!r} has neither. {not_pem_hint(data)}",
            )
            raise error

    def load_directory(self, path: str | bytes | os.PathLike[Any]) -> None:
        """A directory as c_rehash(1) makes it, or a list of them; read when they are needed.

        As with OpenSSL, ``os.pathsep`` stands between the directories of a list.
        """
        text = os.fsdecode(path)
        if not text:
            raise make(
                ssl.SSLError,
                113,
                "invalid directory",
                library="X509",
                reason="INVALID_DIRECTORY",
                hint="capath is empty.",
            )
        fresh = [d for d in text.split(os.pathsep) if d and d not in self.directories]
        self.directories = (*self.directories, *fresh)

    def load_data(self, data: str | bytes | bytearray | memoryview) -> None:
        """PEM in text, or DER certificates one after the other in bytes."""
        if not len(data):
            raise ValueError("Empty certificate data")
        if isinstance(data, str):
            try:
                pem = data.encode("ascii")
            except UnicodeEncodeError as error:
                raise TypeError(
                    "cadata should be an ASCII string or a bytes-like object"
                ) from error
            before = len(self.certificates) + len(self.revocation_lists)
            try:
                found = self._load_pem(pem, "cadata")
            except ssl.SSLError as error:
                if len(self.certificates) + len(self.revocation_lists) > before:
                    raise
                raise _nothing_in("no start line") from error
            if not found:
                raise _nothing_in("no start line")
            return
        ders = list(_split_der(bytes(data)))
        for number, der in enumerate(ders):
            try:
                self._add_certificate(der, "cadata")
            except ssl.SSLError as error:
                if number:
                    raise
                raise _nothing_in("not enough data") from error
        if not ders:
            raise _nothing_in("not enough data")
        if sum(map(len, ders)) != len(data):
            raise failure("NOT_ENOUGH_DATA", library="ASN1", number=142)

    def _load_pem(self, data: bytes, source: str) -> bool:
        found = False
        for block in pem_blocks(data):
            if block.label not in (*CERTIFICATE_LABELS, _TRUSTED_LABEL, "X509 CRL"):
                continue
            found = True
            try:
                der = block.der()
            except ValueError as error:
                raise _bad_pem(f"{source}: {error}") from error
            if block.label == "X509 CRL":
                self._add_revocation_list(der, source)
            elif block.label == _TRUSTED_LABEL:
                self._add_certificate(next(_split_der(der), b""), source)
            else:
                self._add_certificate(der, source)
        return found

    def _add_certificate(self, der: bytes, source: str) -> None:
        try:
            with warnings.catch_warnings():
                # An old root's serial number is not the application's to hear about.
                warnings.simplefilter("ignore")
                self.certificates[der] = x509.load_der_x509_certificate(der)
        except UNREADABLE as error:
            raise _bad_pem(f"a certificate in {source} cannot be read: {error}") from error

    def _add_revocation_list(self, der: bytes, source: str) -> None:
        try:
            self.revocation_lists[der] = x509.load_der_x509_crl(der)
        except UNREADABLE as error:
            raise _bad_pem(f"a revocation list in {source} cannot be read: {error}") from error

    # -- using ---------------------------------------------------------------------------------

    def resolve(self) -> Anchors:
        """These anchors with what is in their directories and with the system's."""
        if not self.directories and not self.system:
            return self
        whole = self.copy()
        for directory in self.directories:
            whole._read_directory(directory)
        if self.system:
            try:
                system: Iterable[x509.Certificate] = TrustStore.system().certificates
            except UsageError:  # it has none: then nothing is trusted on its account
                system = ()
            for certificate in system:
                whole.certificates.setdefault(to_der(certificate), certificate)
        return whole

    def stamp(self) -> tuple[int, ...]:
        """Another one when there may be something else in the directories than before."""
        stamps = []
        for directory in self.directories:
            try:
                stamps.append(os.stat(directory).st_mtime_ns)
            except OSError:
                stamps.append(0)
        return tuple(stamps)

    def _read_directory(self, directory: str) -> None:
        try:
            names = sorted(name for name in os.listdir(directory) if _HASHED.fullmatch(name))
        except OSError as error:
            if error.errno in SHORTAGES:
                raise  # what is not read now is not missing: it would be, as long as this is kept
            return  # as with OpenSSL: a directory that is not there has nothing in it
        for name in names:
            try:
                with open(os.path.join(directory, name), "rb") as file:
                    self._load_pem(file.read(), name)
            except OSError as error:  # an SSLError among them
                if error.errno in SHORTAGES and not isinstance(error, ssl.SSLError):
                    raise

    def complete(self, chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """A chain of one certificate with its issuers, as far as they are here.

        OpenSSL completes what has no other certificates with it (SSL_MODE_NO_AUTO_CHAIN says
        how not to), and programs rely on it.
        """
        if len(chain) != 1:
            return chain
        path = [x509.load_der_x509_certificate(chain[0])]
        while not is_self_issued(path[-1]) and len(path) < LONGEST_PATH:
            issuer = self._issuer(path[-1])
            if issuer is None:
                break
            path.append(issuer)
        return tuple(to_der(certificate) for certificate in path)

    def _issuer(self, certificate: x509.Certificate) -> x509.Certificate | None:
        for candidate in self.certificates.values():
            try:
                if subject_of(candidate) == issuer_of(certificate):
                    certificate.verify_directly_issued_by(candidate)
                    return candidate
            except (ValueError, TypeError, InvalidSignature):
                continue
        return None

    # -- telling -------------------------------------------------------------------------------

    def statistics(self) -> dict[str, int]:
        """What SSLContext.cert_store_stats() returns."""
        certificates = self.certificates.values()
        return {
            "x509": len(self.certificates),
            "crl": len(self.revocation_lists),
            "x509_ca": sum(map(is_authority, certificates)),
        }

    def authorities(self, binary_form: bool) -> list[Any]:
        """What SSLContext.get_ca_certs() returns."""
        chosen = [pair for pair in self.certificates.items() if is_authority(pair[1])]
        return [der if binary_form else describe(c) for der, c in chosen]


def describe(certificate: x509.Certificate) -> dict[str, Any]:
    """A certificate as getpeercert() has it; SSLError where its names are none, as there."""
    try:
        return certificate_dict(certificate)
    except ValueError as error:
        raise refusal(f"a certificate cannot be described: {error}") from error


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may issue others, by X509_check_ca(3)."""
    constraints = find_extension(certificate, x509.BasicConstraints.oid)
    if constraints is not None:
        return bool(constraints.value.ca)
    if certificate.version is x509.Version.v1:
        return is_self_issued(certificate)
    usage = find_extension(certificate, x509.KeyUsage.oid)
    return usage is not None and bool(usage.value.key_cert_sign)


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same name (RFC 5280, section 3.2)."""
    return subject_of(certificate) == issuer_of(certificate)


def read(path: str | bytes | os.PathLike[Any], role: str) -> bytes:
    """A file's content. The OSError of one that cannot be read names the file and its *role*."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        error.add_note(f"{role} is {os.fsdecode(path)!r}; the working directory is {os.getcwd()!r}")
        raise


def _bad_pem(why: str) -> ssl.SSLError:
    error = make(ssl.SSLError, PEM_LIB, "PEM lib", library="X509")
    error.add_note(why)
    return error


def _nothing_in(why: str) -> ssl.SSLError:
    return make(ssl.SSLError, 0, f"{why}: cadata does not contain a certificate")


def _split_der(data: bytes) -> Iterator[bytes]:
    """The DER SEQUENCEs that stand one after the other in *data* (X.690, section 8.1)."""
    while len(data) >= 2 and data[0] == 0x30:
        length, header = data[1], 2
        if length & 0x80:
            header = 2 + (length & 0x7F)
            length = int.from_bytes(data[2:header], "big")
        yield data[: header + length]
        data = data[header + length :]
