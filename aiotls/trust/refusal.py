"""Why a peer's certificate was refused, and who can do something about it.

The verdict is the verifier's alone, and final when this module is called. It comes with little
more than a word, so this looks at the same certificates once more and explains. A mistake in here
makes for a wrong explanation, never for a wrong verdict.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from ..enums import Alert
from ..errors import CertificateError
from .certificates import printable, title
from .distinguished import issuer_of, subject_of

if TYPE_CHECKING:
    from .store import TrustStore

MAX_ATTEMPTS = 64
"""Signatures that are checked to find out where a path breaks; a peer decides how many fit."""


@dataclass(slots=True, eq=False)
class Question:
    """What the verifier was asked."""

    store: TrustStore
    chain: list[x509.Certificate]
    name: str | None
    now: datetime.datetime
    client: bool
    """Whether the peer is a client."""

    @property
    def peer(self) -> str:
        """Who sent the chain."""
        return "client" if self.client else "server"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    alert: Alert
    code: int
    """OpenSSL's X509_V_ERR_… (X509_STORE_CTX_get_error(3))."""

    text: str
    """OpenSSL's words for it, which people search for."""

    hint: str
    depth: int = 0
    """Which certificate of the path it is about (X509_STORE_CTX_get_error_depth(3))."""


Findings = Iterator[Finding]


@dataclass(frozen=True)
class Path:
    """The most promising path from the leaf upwards, and where it ends."""

    certificates: list[x509.Certificate]
    anchored: bool
    """Whether the last one is an anchor."""

    impostors: list[x509.Certificate]
    """Certificates that bear the missing issuer's name, and have not made the signature."""

    @property
    def leaf(self) -> x509.Certificate:
        """The peer's own certificate."""
        return self.certificates[0]

    @property
    def last(self) -> x509.Certificate:
        """Where the path ends."""
        return self.certificates[-1]

    @property
    def top(self) -> int:
        """The depth of the last one; the leaf's is 0."""
        return len(self.certificates) - 1

    def __str__(self) -> str:
        return " <- ".join(title(certificate) for certificate in self.certificates)


def explain(question: Question, error: Exception) -> CertificateError:
    """The error to raise for a refusal of the verifier's."""
    from . import examination  # which imports this module's types

    try:
        path = find_path(question)
        findings = list(examination.examine(question, path, str(error)))
    except Exception:  # parsing hostile certificates: then there is no more to say
        findings = []
    if not findings:
        findings = [_in_the_verifiers_words(error)]
    first, *others = findings
    hint = first.hint
    if others:
        texts = dict.fromkeys(finding.text for finding in others)
        hint += f" Besides: {'; '.join(list(texts)[:3])}."
    return to_error(first, hint)


def to_error(finding: Finding, hint: str | None = None) -> CertificateError:
    """A finding as the error to raise."""
    return CertificateError(
        finding.alert,
        f"certificate verify failed: {finding.text}",
        verify_code=finding.code,
        verify_message=finding.text,
        verify_depth=finding.depth,
        hint=hint or finding.hint or None,
    )


def _in_the_verifiers_words(error: Exception) -> Finding:
    text = printable(str(error).partition(" (encountered")[0], 160)
    text = text.removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
    return Finding(
        Alert.BAD_CERTIFICATE, 1, text or "unspecified certificate verification error", ""
    )


def find_path(question: Question) -> Path:
    """Follows issuers from the leaf, through what the peer sent, to an anchor if there is one."""
    store = question.store
    path = [question.chain[0]]
    others = [*question.chain, *store.intermediates]
    attempts = 0
    while path[-1] not in store:
        current = path[-1]
        candidates = [
            *store.by_subject.get(issuer_of(current), ()),
            *(c for c in others if c not in path and subject_of(c) == issuer_of(current)),
        ][: MAX_ATTEMPTS - attempts]
        attempts += len(candidates)
        issuers = [c for c in candidates if is_issued_by(current, c)]
        if not issuers:
            return Path(path, False, [c for c in candidates if c != current])
        # An anchor ends the search; otherwise one that is within its dates is worth more.
        issuers.sort(key=lambda c: (c not in store, not is_current(c, question.now)))
        path.append(issuers[0])
    return Path(path, True, [])


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key made the certificate's signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # names, algorithms, signature: it is not, whatever the reason
        return False
    return True


def is_current(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    """Whether a certificate is within its dates."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def weak_key(question: Question, bits: int) -> CertificateError:
    """The error for a leaf with a small RSA key."""
    return to_error(
        Finding(
            Alert.BAD_CERTIFICATE,
            66,
            "EE certificate key too weak",
            f"The {question.peer}'s RSA key has {bits} bits; 2048 are the least that is accepted. "
            f"The {question.peer}'s owner must replace it, best by an ECDSA key on P-256.",
        )
    )
