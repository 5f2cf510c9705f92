"""Whom to believe: trust anchors, the checking of a peer's certificate, and server names.

Paths and names are checked by ``cryptography.x509.verification``. What this package adds is which
anchors and which policy that is asked with, and, when the answer is no, an account of why.
"""

from __future__ import annotations

from .certificates import is_pss_only, parse_certificate, shared
from .names import check_name
from .revocation import RevocationLists
from .staple import check_staple
from .store import TrustStore

__all__ = [
    "RevocationLists",
    "TrustStore",
    "check_name",
    "check_staple",
    "is_pss_only",
    "parse_certificate",
    "shared",
]
