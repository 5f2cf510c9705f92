"""aiotls: the TLS transport that asyncio should have had.

An engine of its own for TLS 1.3, sans-IO, over the primitives of `cryptography`, with
faces for asyncio, for OpenSSL's return codes, and for the standard library's ssl.
"""

from __future__ import annotations

from .config import ClientAuth, ClientConfig, ServerConfig
from .connection import TLSConnection
from .errors import (
    AlertReceived,
    CertificateError,
    DecodeError,
    ProtocolError,
    TLSError,
    Truncated,
    UsageError,
)
from .identity import Identity
from .trust import TrustStore

__all__ = [
    "AlertReceived",
    "CertificateError",
    "ClientAuth",
    "ClientConfig",
    "DecodeError",
    "Identity",
    "ProtocolError",
    "ServerConfig",
    "TLSConnection",
    "TLSError",
    "Truncated",
    "TrustStore",
    "UsageError",
]

__version__ = "0.1.0"
