"""The operating system's trust anchors, found where OpenSSL would look for them."""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from typing import NamedTuple

from cryptography import x509

from .certificates import CERTIFICATE_LABELS, UNREADABLE, pem_blocks

SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of the file that could not be read."""

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")

# Where distributions keep a bundle, for interpreters that were built with another place in mind.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Anchors(NamedTuple):
    """What was found."""

    certificates: list[x509.Certificate]
    skipped: int
    """How many could not be read."""

    source: str
    """Where they are from, for people."""


def environment() -> tuple[str | None, str | None]:
    """What decides on the places to look at: SSL_CERT_FILE and SSL_CERT_DIR."""
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


def load() -> Anchors:
    """The system's anchors; empty where there are none."""
    import ssl  # only it knows where the OpenSSL of this interpreter looks

    paths = ssl.get_default_verify_paths()
    found = from_paths([paths.cafile] if paths.cafile else [], _directories(paths.capath))
    if found.certificates or any(environment()):
        return found
    if sys.platform == "win32":
        return _from_windows()
    for bundle in _BUNDLES:
        if os.path.isfile(bundle):
            return from_paths([bundle], [])
    return found


def _directories(capath: str | None) -> list[str]:
    named = os.environ.get("SSL_CERT_DIR")
    if named:  # OpenSSL takes a list here; the ssl module hides one from us
        return [path for path in named.split(os.pathsep) if os.path.isdir(path)]
    return [capath] if capath else []


def from_paths(files: list[str], directories: list[str]) -> Anchors:
    """Anchors from bundles and from directories, each by itself: one bad file costs one anchor.

    A shortage says nothing of a file, and what is found meanwhile would be kept for as long as the
    process lives: that is raised, as the OSError that it is.
    """
    names = list(files)
    for directory in directories:
        entries = sorted(os.listdir(directory))
        # c_rehash(1): OpenSSL finds certificates by the hash of their subject alone. A directory
        # without such names is one that nobody prepared for it.
        hashed = [entry for entry in entries if _HASHED.fullmatch(entry)]
        chosen = hashed or [entry for entry in entries if entry.endswith((".pem", ".crt", ".cer"))]
        names += [os.path.join(directory, entry) for entry in chosen]
    encoded: dict[bytes, None] = {}
    skipped = 0
    for name in names:
        try:
            with open(name, "rb") as file:
                data = file.read()
        except OSError as error:
            if error.errno in SHORTAGES:
                raise
            skipped += 1
            continue
        for block in pem_blocks(data):
            if block.label in CERTIFICATE_LABELS:
                try:
                    encoded[block.der()] = None
                except ValueError:
                    skipped += 1
    certificates, refused = _parse_each(list(encoded))
    return Anchors(certificates, skipped + refused, ", ".join([*files, *directories]))


if sys.platform == "win32":

    def _from_windows() -> Anchors:
        import ssl

        encoded = [
            der
            for der, encoding, purposes in ssl.enum_certificates("ROOT")
            if encoding == "x509_asn"
            and (purposes is True or ssl.Purpose.SERVER_AUTH.oid in purposes)
        ]
        certificates, skipped = _parse_each(encoded)
        return Anchors(certificates, skipped, "the Windows certificate store")


def _parse_each(encoded: list[bytes]) -> tuple[list[x509.Certificate], int]:
    certificates = []
    with warnings.catch_warnings():
        # An old root's serial number is not the application's to hear about.
        warnings.simplefilter("ignore")
        for der in encoded:
            try:
                certificates.append(x509.load_der_x509_certificate(der))
            except UNREADABLE:
                continue
    return certificates, len(encoded) - len(certificates)
