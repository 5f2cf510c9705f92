"""aiotls: the TLS transport that asyncio should have had.

An engine of its own for TLS 1.3, sans-IO, over the primitives of `cryptography`, with
faces for asyncio, for OpenSSL's return codes, and for the standard library's ssl.
"""

from __future__ import annotations

from .config import ClientAuth, ClientConfig, ExternalPsk, LiveServerConfig, ServerConfig
from .connection import TLSConnection
from .endpoints import (
    connect_accepted_socket,
    create_connection,
    create_server,
    create_unix_connection,
    create_unix_server,
    start_tls,
)
from .enums import Alert
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
from .loop import loop_factory, new_event_loop
from .stream_handshake import do_handshake
from .streams import open_connection, open_unix_connection, start_server, start_unix_server
from .trust import RevocationLists, TrustStore

__all__ = [
    "Alert",
    "AlertReceived",
    "CertificateError",
    "ClientAuth",
    "ClientConfig",
    "DecodeError",
    "ExternalPsk",
    "Identity",
    "LiveServerConfig",
    "ProtocolError",
    "RevocationLists",
    "ServerConfig",
    "TLSConnection",
    "TLSError",
    "Truncated",
    "TrustStore",
    "UsageError",
    "connect_accepted_socket",
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "do_handshake",
    "loop_factory",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "start_server",
    "start_tls",
    "start_unix_server",
]

__version__ = "0.1.0"
