"""The peer's certificate, judged as a context of the standard library's judges it.

Paths and names are the trust store's to check. What is added here is what OpenSSL does besides:
a certificate that is itself among those that were loaded needs no path; without
VERIFY_X509_PARTIAL_CHAIN only self-issued certificates are anchors; revocation lists are looked
at where VERIFY_CRL_CHECK_LEAF or VERIFY_CRL_CHECK_CHAIN asks for it.
"""

from __future__ import annotations

import datetime
import hashlib
import ssl
from collections.abc import Callable, Sequence
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy

from ..enums import Alert
from ..errors import CertificateError
from ..trust import TrustStore, parse_certificate
from ..trust.certificates import alternative_names, find_extension, to_der
from ..trust.distinguished import subject_of
from ..trust.names import covers, parse_address
from ..trust.revocation import RevocationLists, refuse
from ..trust.store import MINIMUM_RSA_BITS
from .anchors import Anchors, is_self_issued

Path = list[x509.Certificate]
Verify = Callable[[TrustStore], Path]


class ContextTrust(TrustStore):
    """The anchors of a context, as they were when the connection was made."""

    def __init__(self, anchors: Anchors, flags: int, used: Anchors) -> None:
        # Not TrustStore.__init__: that refuses to trust no one, which is what a context that
        # nothing was loaded into does.
        self._anchors = anchors
        self._flags = flags
        self._used = used
        """Where an anchor out of a directory is added when a path has led to it."""
        self._stamp = anchors.stamp()

    def __len__(self) -> int:
        return len(self._resolved.certificates)

    def __contains__(self, certificate: object) -> bool:
        return self._store is not None and certificate in self._store

    def __repr__(self) -> str:
        return f"<ContextTrust of {len(self)} certificates>"

    @cached_property
    def _resolved(self) -> Anchors:
        return self._anchors.resolve()

    @cached_property
    def _store(self) -> TrustStore | None:
        certificates = list(self._resolved.certificates.values())
        if not self._flags & ssl.VERIFY_X509_PARTIAL_CHAIN:
            certificates = [c for c in certificates if is_self_issued(c)]
        if not certificates:
            return None
        if self._flags & ssl.VERIFY_X509_STRICT:
            return TrustStore(certificates, source="the context")
        return _LenientStore(certificates, profile="private-pki", source="the context")

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that tell what is trusted here from what is trusted elsewhere."""
        digest = hashlib.sha256(self._flags.to_bytes(8, "big"))
        for der in sorted(self._resolved.certificates):
            digest.update(hashlib.sha256(der).digest())
        digest.update(b"revocation lists")
        for der in sorted(self._resolved.revocation_lists):
            digest.update(hashlib.sha256(der).digest())
        return digest.digest()

    def verify_server(
        self, chain: Sequence[bytes], name: str | None, *, now: datetime.datetime
    ) -> Path:
        """The path from a server's certificate to an anchor; raises CertificateError."""
        leaf = self._pinned(chain)
        if leaf is not None:
            check_dates(leaf, now)
            check_purpose(leaf, x509.oid.ExtendedKeyUsageOID.SERVER_AUTH)
            if name is not None:
                check_names(leaf, name)
            return self._check_revocation([leaf], now)
        if name is None or not _has_critical_names(parse_certificate(chain[0])):
            return self._verify(chain, lambda store: store.verify_server(chain, name, now=now), now)
        # RFC 5280, section 4.2.1.6 has names critical only in certificates without a subject, and
        # the library insists on it. OpenSSL does not, and neither do widespread test authorities.
        path = self._verify(chain, lambda store: store.verify_server(chain, None, now=now), now)
        check_names(path[0], name)
        return path

    def verify_client(self, chain: Sequence[bytes], *, now: datetime.datetime) -> Path:
        """The path from a client's certificate to an anchor; raises CertificateError."""
        leaf = self._pinned(chain)
        if leaf is not None:
            check_dates(leaf, now)
            check_purpose(leaf, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH)
            return self._check_revocation([leaf], now)
        return self._verify(chain, lambda store: store.verify_client(chain, now=now), now)

    def _pinned(self, chain: Sequence[bytes]) -> x509.Certificate | None:
        """The peer's certificate, if it is itself an anchor: then there is no path to check."""
        if chain[0] not in self._resolved.certificates:
            return None
        leaf = parse_certificate(chain[0])
        if not is_self_issued(leaf) and not self._flags & ssl.VERIFY_X509_PARTIAL_CHAIN:
            return None
        return leaf

    def _verify(self, chain: Sequence[bytes], verify: Verify, now: datetime.datetime) -> Path:
        try:
            path = self._find_path(chain, verify)
        except CertificateError:
            if not self._read_again():
                raise
            path = self._find_path(chain, verify)
        self._used.certificates.setdefault(to_der(path[-1]), path[-1])
        return self._check_revocation(path, now)

    def _find_path(self, chain: Sequence[bytes], verify: Verify) -> Path:
        if self._store is None:
            raise _no_anchor([parse_certificate(der) for der in chain])
        return verify(self._store)

    def _read_again(self) -> bool:
        """Whether the directories have changed since they were read, and were read again.

        OpenSSL looks for an issuer when it needs one: what is put into a directory later counts.
        """
        stamp = self._anchors.stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        for name in ("_resolved", "_store", "fingerprint"):
            self.__dict__.pop(name, None)
        return True

    # -- revocation (RFC 5280, section 6.3) ----------------------------------------------------

    def _check_revocation(self, path: Path, now: datetime.datetime) -> Path:
        whole = self._flags & ssl.VERIFY_CRL_CHECK_CHAIN & ~ssl.VERIFY_CRL_CHECK_LEAF
        if whole:
            checked = path
        elif self._flags & ssl.VERIFY_CRL_CHECK_LEAF:
            checked = path[:1]
        else:
            return path
        lists = RevocationLists(self._resolved.revocation_lists.values())
        for position, certificate in enumerate(checked):
            issuer = path[min(position + 1, len(path) - 1)]
            lists.check_certificate(certificate, issuer, now)
        return path


class _LenientStore(TrustStore):
    """OpenSSL's idea of a certificate without VERIFY_X509_STRICT.

    What it has to say, an authority's basicConstraints must say here too; but they need not be
    marked critical, which RFC 5280, section 4.2.1.9 asks for and older authorities lack.
    """

    @property
    def _authorities(self) -> ExtensionPolicy:
        return super()._authorities.require_present(
            x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority
        )


def _is_authority(
    policy: Policy, certificate: x509.Certificate, constraints: x509.BasicConstraints
) -> None:
    """RFC 5280, section 6.1.4 (k). How long a path may be is the library's to check (m)."""
    if not constraints.ca:
        raise ValueError("an issuer's basicConstraints do not say that it is an authority")


# -- a certificate that is its own anchor ----------------------------------------------------------


def check_dates(leaf: x509.Certificate, now: datetime.datetime) -> None:
    """RFC 5280, section 6.1.3 (a) (2); and the smallest key that is taken of anyone."""
    if now < leaf.not_valid_before_utc:
        raise refuse(9, "certificate is not yet valid", Alert.CERTIFICATE_EXPIRED)
    if now > leaf.not_valid_after_utc:
        raise refuse(10, "certificate has expired", Alert.CERTIFICATE_EXPIRED)
    key = leaf.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MINIMUM_RSA_BITS:
        raise refuse(66, "EE certificate key too weak")


def check_purpose(leaf: x509.Certificate, purpose: x509.ObjectIdentifier) -> None:
    """RFC 5280, section 4.2.1.12: absent, any purpose; present, the one that is asked for."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    except ValueError as error:
        raise refuse(41, f"certificate extensions cannot be read: {error}") from error
    if purpose not in usage and x509.oid.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
        raise refuse(26, "unsuitable certificate purpose", Alert.UNSUPPORTED_CERTIFICATE)


def check_names(leaf: x509.Certificate, name: str) -> None:
    """RFC 9525, section 6.3: one of the subjectAltNames is, or covers, the name."""
    address = parse_address(name)
    extension = find_extension(leaf, x509.SubjectAlternativeName.oid)
    names = extension.value if extension is not None else x509.SubjectAlternativeName([])
    hint = f"The certificate is for: {', '.join(alternative_names(leaf)) or 'no name at all'}."
    if address is not None:
        if address not in names.get_values_for_type(x509.IPAddress):
            raise refuse(
                64, f"IP address mismatch, certificate is not valid for '{name}'.", hint=hint
            )
    elif not any(
        # A wildcard over a whole top-level domain is no name of one's own.
        covers(pattern.lower(), name) and (pattern[:1] != "*" or pattern.count(".") > 1)
        for pattern in names.get_values_for_type(x509.DNSName)
    ):
        raise refuse(62, f"Hostname mismatch, certificate is not valid for '{name}'.", hint=hint)


def _has_critical_names(leaf: x509.Certificate) -> bool:
    """Whether the names are marked critical where there is a subject as well."""
    extension = find_extension(leaf, x509.SubjectAlternativeName.oid)
    return extension is not None and extension.critical and bool(subject_of(leaf).rdns)


def _no_anchor(chain: list[x509.Certificate]) -> CertificateError:
    """The error where nothing is trusted."""
    hint = "No anchors were loaded: load_verify_locations() or load_default_certs()."
    if is_self_issued(chain[-1]):
        if len(chain) == 1:
            return refuse(18, "self-signed certificate", Alert.UNKNOWN_CA, hint)
        return refuse(19, "self-signed certificate in certificate chain", Alert.UNKNOWN_CA, hint)
    return refuse(20, "unable to get local issuer certificate", Alert.UNKNOWN_CA, hint)
