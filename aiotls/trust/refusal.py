"""Why a peer's certificate was refused, and who can do something about it.

The verdict is the verifier's alone and is final when this module is called. It comes with little
more than a word, so this looks at the same certificates once more and explains. A mistake in here
makes for a wrong explanation and never for a wrong verdict.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from ..enums import Alert
from ..errors import CertificateError

if TYPE_CHECKING:
    from .store import TrustStore


@dataclass(frozen=True)
class Question:
    """What the verifier was asked."""

    store: TrustStore
    chain: list[x509.Certificate]
    name: str | None
    now: datetime.datetime
    client: bool


def explain(question: Question, error: Exception) -> CertificateError:
    """The error to raise for a refusal of the verifier's."""
    return CertificateError(
        Alert.BAD_CERTIFICATE, f"certificate verify failed: {error}", verify_code=1
    )


def weak_key(question: Question, bits: int) -> CertificateError:
    """The error for a leaf with a small RSA key."""
    return CertificateError(
        Alert.BAD_CERTIFICATE,
        "certificate verify failed: EE certificate key too weak",
        verify_code=66,
        verify_message="EE certificate key too weak",
        hint=f"The peer's RSA key has {bits} bits; 2048 are the least.",
    )
