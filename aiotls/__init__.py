"""aiotls: the TLS transport that asyncio should have had.

An engine of its own for TLS 1.3 and 1.2, sans-IO, over the primitives of `cryptography`, with
faces for asyncio, for OpenSSL's return codes, and for the standard library's ssl.

A name is loaded when it is first asked for (PEP 562), so that ``import aiotls`` alone costs a
program next to nothing. ``from aiotls import open_connection`` loads it then and there: that is
the form for programs that do not want to wait for it once their event loop runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import enums as enums
    from . import errors as errors
    from . import openssl as openssl
    from . import ssl as ssl
    from . import trace as trace
    from .budget import HandshakeBudget
    from .config import (
        CertificateQuery,
        ClientAuth,
        ClientConfig,
        ClientHelloInfo,
        ExternalPsk,
        LiveServerConfig,
        Passthrough,
        ServerConfig,
    )
    from .connection import TLSConnection
    from .delegation import DelegatedCredential
    from .ech import ECHKeys
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
        ECHRejected,
        PassedThrough,
        ProtocolError,
        TLSError,
        Truncated,
        UsageError,
    )
    from .handshake.auth import Peer
    from .handshake.peek import peek_client_hello
    from .identity import Identity
    from .loop import loop_factory, new_event_loop
    from .sessions import (
        MemoryReplayGuard,
        MemorySessionCache,
        MemorySessionStore,
        ReplayGuard,
        Session,
        SessionCache,
        SessionStore,
        SingleUseTickets,
        TicketKey,
        TicketKeyRing,
        TicketKeys,
    )
    from .stream_handshake import do_handshake
    from .streams import (
        StreamReader,
        open_connection,
        open_unix_connection,
        start_server,
        start_unix_server,
    )
    from .trust import RevocationLists, TrustStore

__all__ = [
    "Alert",
    "AlertReceived",
    "CertificateError",
    "CertificateQuery",
    "ClientAuth",
    "ClientConfig",
    "ClientHelloInfo",
    "DecodeError",
    "DelegatedCredential",
    "ECHKeys",
    "ECHRejected",
    "ExternalPsk",
    "HandshakeBudget",
    "Identity",
    "LiveServerConfig",
    "MemoryReplayGuard",
    "MemorySessionCache",
    "MemorySessionStore",
    "PassedThrough",
    "Passthrough",
    "Peer",
    "ProtocolError",
    "ReplayGuard",
    "RevocationLists",
    "ServerConfig",
    "Session",
    "SessionCache",
    "SessionStore",
    "SingleUseTickets",
    "StreamReader",
    "TLSConnection",
    "TLSError",
    "TicketKey",
    "TicketKeyRing",
    "TicketKeys",
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
    "peek_client_hello",
    "start_server",
    "start_tls",
    "start_unix_server",
]

__version__ = "0.1.0"

_HOMES = {
    "budget": ("HandshakeBudget",),
    "config": (
        "CertificateQuery",
        "ClientAuth",
        "ClientConfig",
        "ClientHelloInfo",
        "ExternalPsk",
        "LiveServerConfig",
        "Passthrough",
        "ServerConfig",
    ),
    "connection": ("TLSConnection",),
    "delegation": ("DelegatedCredential",),
    "ech": ("ECHKeys",),
    "endpoints": (
        "connect_accepted_socket",
        "create_connection",
        "create_server",
        "create_unix_connection",
        "create_unix_server",
        "start_tls",
    ),
    "enums": ("Alert",),
    "errors": (
        "AlertReceived",
        "CertificateError",
        "DecodeError",
        "ECHRejected",
        "PassedThrough",
        "ProtocolError",
        "TLSError",
        "Truncated",
        "UsageError",
    ),
    "handshake.auth": ("Peer",),
    "handshake.peek": ("peek_client_hello",),
    "identity": ("Identity",),
    "loop": ("loop_factory", "new_event_loop"),
    "sessions": (
        "MemoryReplayGuard",
        "MemorySessionCache",
        "MemorySessionStore",
        "ReplayGuard",
        "Session",
        "SessionCache",
        "SessionStore",
        "SingleUseTickets",
        "TicketKey",
        "TicketKeyRing",
        "TicketKeys",
    ),
    "stream_handshake": ("do_handshake",),
    "streams": (
        "StreamReader",
        "open_connection",
        "open_unix_connection",
        "start_server",
        "start_unix_server",
    ),
    "trust": ("RevocationLists", "TrustStore"),
}
_ROOMS = ("enums", "errors", "openssl", "ssl", "trace")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # where it is seen, no misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name in _HOME_OF:
            value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
        elif name in _ROOMS:
            value = import_module(f".{name}", __name__)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
