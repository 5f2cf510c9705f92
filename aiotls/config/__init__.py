"""What a client or a server is asked to be: frozen, validated when built, safe by default.

A configuration is built once and shared by any number of connections, threads and
loops. Whatever weakens the protocol has to be asked for by a name that begins with
``dangerous_``.
"""

from __future__ import annotations

from .base import DEFAULT_GROUPS, DEFAULT_SUITES, SUPPORTED_VERSIONS, Config, Observer
from .client import ClientConfig
from .psk import ExternalPsk
from .queries import CertificateQuery, ClientHelloInfo
from .server import ClientAuth, LiveServerConfig, Passthrough, Selection, ServerConfig

__all__ = [
    "DEFAULT_GROUPS",
    "DEFAULT_SUITES",
    "SUPPORTED_VERSIONS",
    "CertificateQuery",
    "ClientAuth",
    "ClientConfig",
    "ClientHelloInfo",
    "Config",
    "ExternalPsk",
    "LiveServerConfig",
    "Observer",
    "Passthrough",
    "Selection",
    "ServerConfig",
]
