"""Trust anchors, and the checking of a peer's certificate by them."""

from __future__ import annotations

import copy
import datetime
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder

from ..errors import UsageError
from . import refusal, system
from .certificates import (
    CERTIFICATE_LABELS,
    UNREADABLE,
    not_pem_hint,
    parse_certificate,
    pem_blocks,
    rsa_bits,
    to_der,
)
from .distinguished import subject_of
from .memory import PathMemory
from .names import parse_address

PROFILES = ("webpki", "private-pki")
MINIMUM_RSA_BITS = 2048

Path = str | os.PathLike[str]
N = TypeVar("N", str | None, None)
PurposeCheck = Callable[[verification.Policy, x509.Certificate, x509.ExtendedKeyUsage | None], None]


class TrustStore:
    """Certificates of authorities that are believed, and how strictly others are judged by them.

    *profile* is ``webpki``, which asks of certificates what the CA/Browser Forum asks of public
    authorities, or ``private-pki`` for a company's own: there an authority key identifier may be
    missing, an anchor needs no key usage, and purposes may be marked critical. Everything else is
    checked alike: dates, signatures, names, purposes, constraints.

    *intermediates* are certificates that servers tend to forget to send: they help to build a path
    to an anchor, and are not believed themselves.

    A store does not change once it is made; any number of configurations may share one. Raises
    UsageError, a ValueError, where there is no certificate.
    """

    certificates: tuple[x509.Certificate, ...]
    """The anchors."""

    profile: str
    """``webpki`` or ``private-pki``."""

    skipped: int
    """How many of the system's certificates could not be read, and are not in the store."""

    source: str
    """Where the anchors are from, for people: a path, or ``memory``."""

    intermediates: tuple[x509.Certificate, ...]
    """Certificates to build paths with that are not believed themselves."""

    def __init__(
        self,
        certificates: Iterable[x509.Certificate | bytes] | x509.Certificate | bytes,
        *,
        profile: str = "webpki",
        intermediates: Iterable[x509.Certificate | bytes] = (),
        source: str = "memory",
        skipped: int = 0,
    ) -> None:
        if isinstance(certificates, (bytes, x509.Certificate)):
            certificates = (certificates,)
        anchors: dict[bytes, x509.Certificate] = {}
        for number, certificate in enumerate(certificates, 1):
            if not isinstance(certificate, x509.Certificate):
                certificate = _load_anchor(certificate, f"certificate {number} of {source}")
            anchors.setdefault(to_der(certificate), certificate)
        if not anchors:
            raise UsageError(
                f"a trust store needs certificates, and there are none in {source}",
                hint="TrustStore.system() has those of the operating system.",
            )
        if profile not in PROFILES:
            raise UsageError(f"profile={profile!r} is not one of: {', '.join(PROFILES)}")
        self.certificates = tuple(anchors.values())
        self.profile = profile
        self.source = source
        self.skipped = skipped
        self.intermediates = tuple(
            c if isinstance(c, x509.Certificate) else _load_anchor(c, "an intermediate")
            for c in intermediates
        )
        self._encoded = frozenset(anchors)
        self._memory: PathMemory | None = None

    # -- making one --------------------------------------------------------------------------------

    @classmethod
    def system(cls, *, profile: str = "webpki") -> TrustStore:
        """The operating system's anchors, from where this interpreter's OpenSSL looks for them.

        The environment's SSL_CERT_FILE and SSL_CERT_DIR are honoured. The store is made once and
        shared. Raises UsageError where the system has none, and OSError where they cannot be
        read now, for want of file descriptors or memory; nothing is kept of that.
        """
        key = (*system.environment(), profile)
        with _system_lock:
            store = _system_stores.get(key)
            if store is None:
                found = system.load()
                if not found.certificates:
                    raise UsageError(
                        "the system has no certificates of authorities"
                        + (f" in {found.source}" if found.source else ""),
                        hint="Install them (on Debian the package ca-certificates), or name a file "
                        "of them in SSL_CERT_FILE, or give trust=TrustStore.from_files(...).",
                    )
                store = cls(
                    found.certificates,
                    profile=profile,
                    source=found.source,
                    skipped=found.skipped,
                )
                _system_stores[key] = store
        return store

    @classmethod
    def from_pem(
        cls, data: bytes | str, *, profile: str = "webpki", source: str = "the PEM"
    ) -> TrustStore:
        """The anchors in a PEM text. Raises UsageError where there are none, or one is broken."""
        if isinstance(data, str):
            data = data.encode()
        return cls(_anchors_in(data, source), profile=profile, source=source)

    @classmethod
    def from_der(
        cls, certificates: Iterable[bytes] | bytes, *, profile: str = "webpki"
    ) -> TrustStore:
        """Anchors in DER, one or several. Raises UsageError for what is no certificate."""
        return cls(certificates, profile=profile)

    @classmethod
    def from_files(
        cls,
        cafile: Path | None = None,
        capath: Path | None = None,
        *,
        profile: str = "webpki",
    ) -> TrustStore:
        """The anchors in a PEM file, in a directory of them, or in both.

        In a directory files named by c_rehash(1) count; where there are none, all that end in
        ``.pem``, ``.crt`` or ``.cer``, and those that cannot be read are skipped. Raises
        UsageError where a file is missing or has no certificate.
        """
        if cafile is None and capath is None:
            raise UsageError("from_files needs cafile, capath or both")
        found: list[x509.Certificate] = []
        skipped = 0
        sources = [os.fspath(path) for path in (cafile, capath) if path is not None]
        if cafile is not None:
            found += _anchors_in(read_file(cafile, "cafile"), os.fspath(cafile))
        if capath is not None:
            try:
                directory = system.from_paths([], [os.fspath(capath)])
            except OSError as error:
                raise cannot_read(capath, "capath", error) from error
            found += directory.certificates
            skipped = directory.skipped
        return cls(found, profile=profile, source=", ".join(sources), skipped=skipped)

    def remembering(self, paths: int = 256) -> TrustStore:
        """The same store, one that keeps the last *paths* paths it has verified.

        A peer that shows the same chain again costs no signatures of authorities until a
        certificate on its path ends. Each answer is the one that verifying again would give:
        names, purposes and dates count as before, and staples, revocation lists and hooks are
        asked in every connection. Raises UsageError for a number below 1.
        """
        if paths < 1:
            raise UsageError(f"paths={paths!r} is not a positive number")
        store = copy.copy(self)
        store._memory = PathMemory(paths)
        return store

    # -- looking at it -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.certificates)

    def __contains__(self, certificate: object) -> bool:
        """Whether a certificate, parsed or in DER, is an anchor."""
        if isinstance(certificate, x509.Certificate):
            certificate = to_der(certificate)
        return certificate in self._encoded

    def __repr__(self) -> str:
        return f"<TrustStore of {len(self)} from {self.source}, {self.profile}>"

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that tell stores of different content apart."""
        digest = hashlib.sha256(self.profile.encode())
        for der in sorted(self._encoded):
            digest.update(hashlib.sha256(der).digest())
        for certificate in self.intermediates:
            digest.update(b"intermediate" + certificate.fingerprint(hashes.SHA256()))
        return digest.digest()

    @cached_property
    def by_subject(self) -> dict[x509.Name, list[x509.Certificate]]:
        """The anchors by their subjects' names."""
        index: dict[x509.Name, list[x509.Certificate]] = {}
        for certificate in self.certificates:
            index.setdefault(subject_of(certificate), []).append(certificate)
        return index

    # -- judging others ----------------------------------------------------------------------------

    def verify_server(
        self, chain: Sequence[bytes], name: str | None, *, now: datetime.datetime
    ) -> list[x509.Certificate]:
        """The path from a server's certificate to an anchor.

        *chain* is what the server sent, DER, its own certificate first. *name* is what
        :func:`check_name` returned for it, or None to take whatever names the certificate has.
        Raises CertificateError, with the reason and what to do about it.
        """
        return self._remembered("server", name, chain, now, self._verify_server)

    def _verify_server(
        self, chain: Sequence[bytes], name: str | None, now: datetime.datetime
    ) -> list[x509.Certificate]:
        certificates = [parse_certificate(der) for der in chain]
        question = refusal.Question(self, certificates, name, now, client=False)
        if name is None:
            verifier: Any = self._at(self._any_server, now).build_client_verifier()
            return _ask(
                question, chain[0], lambda leaf, others: verifier.verify(leaf, others).chain
            )
        address = parse_address(name)
        try:
            subject = x509.DNSName(name) if address is None else x509.IPAddress(address)
            verifier = self._at(self._server, now).build_server_verifier(subject)
        except ValueError as error:
            raise UsageError(f"{name!r} is not a server name: {error}") from error
        return _ask(question, chain[0], verifier.verify)

    def verify_client(
        self, chain: Sequence[bytes], *, now: datetime.datetime
    ) -> list[x509.Certificate]:
        """The path from a client's certificate to an anchor.

        The certificate needs no subjectAltName: what it is called is for the application to
        judge. Raises CertificateError as :meth:`verify_server` does.
        """
        return self._remembered("client", None, chain, now, self._verify_client)

    def _verify_client(
        self, chain: Sequence[bytes], name: None, now: datetime.datetime
    ) -> list[x509.Certificate]:
        certificates = [parse_certificate(der) for der in chain]
        question = refusal.Question(self, certificates, name, now, client=True)
        verifier = self._at(self._client, now).build_client_verifier()
        return _ask(question, chain[0], lambda leaf, others: verifier.verify(leaf, others).chain)

    def _remembered(
        self,
        role: str,
        name: N,
        chain: Sequence[bytes],
        now: datetime.datetime,
        verify: Callable[[Sequence[bytes], N, datetime.datetime], list[x509.Certificate]],
    ) -> list[x509.Certificate]:
        memory = self._memory
        if memory is None:
            return verify(chain, name, now)
        key = memory.key(role, name, chain)
        path = memory.recall(key, now)
        if path is None:
            path = verify(chain, name, now)
            memory.keep(key, path)
        return path

    @staticmethod
    def _at(policy: PolicyBuilder, now: datetime.datetime) -> PolicyBuilder:
        return policy.time(now.astimezone(datetime.UTC).replace(tzinfo=None))

    @cached_property
    def _base(self) -> PolicyBuilder:
        return PolicyBuilder().store(verification.Store(list(self.certificates)))

    @cached_property
    def _server(self) -> PolicyBuilder:
        if self.profile == "webpki":
            return self._base  # the defaults, without a call into Python
        return self._policies(self._end_entities, _is_for_servers)

    @cached_property
    def _client(self) -> PolicyBuilder:
        if self.profile == "webpki":
            return self._base.extension_policies(
                ca_policy=self._authorities, ee_policy=_without_names(self._end_entities)
            )
        return self._policies(_without_names(self._end_entities), _is_for_clients)

    @cached_property
    def _any_server(self) -> PolicyBuilder:
        """Servers of any name. The library checks servers by name only, so this asks about a
        client and changes what a client's certificate has to be good for.
        """
        return self._policies(_without_names(self._end_entities), _is_for_servers)

    def _policies(self, end_entities: ExtensionPolicy, purpose: PurposeCheck) -> PolicyBuilder:
        """With extendedKeyUsage checked by *purpose*, critical or not: RFC 5280, section 4.2.1.12
        leaves that to the issuer, and the library does not.
        """
        ca_policy, ee_policy = (
            policy.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, purpose)
            for policy in (self._authorities, end_entities)
        )
        return self._base.extension_policies(ca_policy=ca_policy, ee_policy=ee_policy)

    @property
    def _authorities(self) -> ExtensionPolicy:
        policy = ExtensionPolicy.webpki_defaults_ca()
        if self.profile == "webpki":
            return policy
        return policy.may_be_present(
            x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None
        ).may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, self._check_key_usage)

    @property
    def _end_entities(self) -> ExtensionPolicy:
        policy = ExtensionPolicy.webpki_defaults_ee()
        if self.profile == "webpki":
            return policy
        return policy.may_be_present(x509.AuthorityKeyIdentifier, Criticality.NON_CRITICAL, None)

    def _check_key_usage(
        self,
        policy: verification.Policy,
        certificate: x509.Certificate,
        usage: x509.KeyUsage | None,
    ) -> None:
        """RFC 5280, section 4.2.1.3: an issuer's key is for signing certificates.

        An anchor is believed for being one, so there the extension may be missing.
        """
        if usage is None:
            if certificate not in self:
                raise ValueError("an intermediate authority has no key usage")
        elif not usage.key_cert_sign:
            raise ValueError("the key usage of an issuer has no keyCertSign")


_system_stores: dict[tuple[str | None, str | None, str], TrustStore] = {}
_system_lock = threading.Lock()


def _ask(question: refusal.Question, own: bytes, verify: Any) -> list[x509.Certificate]:
    """The verifier's answer; a refusal becomes an error that says why.

    *own* is the peer's own certificate, DER.
    """
    leaf, *others = question.chain
    try:
        path: list[x509.Certificate] = verify(leaf, [*others, *question.store.intermediates])
    except Exception as error:  # parts of a certificate are parsed, and can fail, only now
        # Its traceback would keep every caller's frame, and the connection, while it lives.
        raise refusal.explain(question, error) from error.with_traceback(None)
    # The verifier looks at the sizes of issuers' keys, and not at the leaf's.
    bits = rsa_bits(own)
    if bits is not None and bits < MINIMUM_RSA_BITS:
        raise refusal.weak_key(question, bits)
    return path


def _without_names(policy: ExtensionPolicy) -> ExtensionPolicy:
    return policy.may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)


def _is_for(purpose: x509.ObjectIdentifier, whom: str) -> PurposeCheck:
    """RFC 5280, section 4.2.1.12: absent, any purpose; present, the one that is asked for."""
    allowed = (purpose, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)

    def check(
        policy: verification.Policy,
        certificate: x509.Certificate,
        usage: x509.ExtendedKeyUsage | None,
    ) -> None:
        if usage is not None and not any(one in usage for one in allowed):
            raise ValueError(f"the certificate is not for {whom}")

    return check


_is_for_servers = _is_for(ExtendedKeyUsageOID.SERVER_AUTH, "servers")
_is_for_clients = _is_for(ExtendedKeyUsageOID.CLIENT_AUTH, "clients")


# -- reading ---------------------------------------------------------------------------------------


def read_file(path: Path, role: str) -> bytes:
    """A file's content; *role* is the argument's name. Raises UsageError that names both."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise cannot_read(path, role, error) from error


def cannot_read(path: Path, role: str, error: OSError) -> UsageError:
    """The error for a file that cannot be read, with the errno of the one that said so."""
    hint = None
    if isinstance(error, FileNotFoundError) and not os.path.isabs(path):
        hint = f"The path is relative to the working directory, {os.getcwd()}."
    refused = UsageError(f"{role} {os.fspath(path)!r}: {error.strerror}", hint=hint)
    refused.errno = error.errno
    refused.filename = os.fspath(path)
    return refused


def _anchors_in(data: bytes, source: str) -> list[x509.Certificate]:
    certificates: list[x509.Certificate] = []
    for block in pem_blocks(data):
        if block.label in CERTIFICATE_LABELS:
            which = f"certificate {len(certificates) + 1} of {source}"
            try:
                der = block.der()
            except ValueError as error:
                raise UsageError(f"{which} cannot be read: {error}") from error
            certificates.append(_load_anchor(der, which))
    if not certificates:
        raise UsageError(
            f"{source} has no certificate in PEM (-----BEGIN CERTIFICATE-----)",
            hint=not_pem_hint(data),
        )
    return certificates


def _load_anchor(der: bytes, which: str) -> x509.Certificate:
    if not isinstance(der, bytes):
        raise UsageError(f"a certificate or its DER is expected, not {type(der).__name__}")
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise UsageError(f"{which} cannot be read: {error}") from error
