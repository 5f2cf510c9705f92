"""What an SSL_CTX says of its connections, and what the engine makes of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ..config import ClientAuth, ClientConfig, ClientHelloInfo, Config, ServerConfig
from ..crypto.aead import MAX_PLAINTEXT
from ..enums import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from ..errors import UsageError
from ..identity import Identity
from ..trust import TrustStore
from .ciphers import cipher_list
from .constants import (
    SSL_MODE_AUTO_RETRY,
    SSL_OP_ENABLE_MIDDLEBOX_COMPAT,
    SSL_OP_LEGACY_SERVER_CONNECT,
    SSL_OP_NO_COMPRESSION,
    SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    SSL_VERIFY_NONE,
    SSL_VERIFY_PEER,
    SSL_OP_NO_TLSv1_2,
    SSL_OP_NO_TLSv1_3,
)
from .credentials import Credentials

C = TypeVar("C", bound=Config)

DEFAULT_GROUPS = (
    NamedGroup.X25519,
    NamedGroup.SECP256R1,
    NamedGroup.SECP521R1,
    NamedGroup.SECP384R1,
    NamedGroup.X25519MLKEM768,
)
"""OpenSSL 3's order, and behind it what it does not know."""

DERIVED = ("suites", "versions", "alpn")
"""What a configuration has worked out from its fields."""


def _unasked(info: ClientHelloInfo) -> None:
    """Stands where a ServerConfig needs a select; each connection has its own."""


class _NoTrust(TrustStore):
    """Stands where a ServerConfig needs trust; each connection has its own."""

    def __init__(self) -> None:
        self.certificates = ()

    def __bool__(self) -> bool:
        return True


_NO_TRUST = _NoTrust()


@dataclass(frozen=True)
class Settings:
    """What can be set on an SSL_CTX and on a single SSL: a copy for each that differs."""

    min_version: int = 0
    max_version: int = 0
    options: int = SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT
    mode: int = SSL_MODE_AUTO_RETRY
    verify_mode: int = SSL_VERIFY_NONE
    verify_callback: Callable[..., Any] | None = None
    verify_depth: int = -1
    hosts: tuple[str, ...] = ()
    """The names that the peer's certificate has to have one of."""

    host_name: str | None = None
    """The name that the server is asked for (RFC 6066, section 3)."""

    ciphers12: tuple[CipherSuite, ...] = cipher_list("DEFAULT") or ()
    ciphers13: tuple[CipherSuite, ...] = (
        CipherSuite.TLS_AES_256_GCM_SHA384,
        CipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        CipherSuite.TLS_AES_128_GCM_SHA256,
    )
    groups: tuple[NamedGroup, ...] = DEFAULT_GROUPS
    schemes: tuple[SignatureScheme, ...] | None = None
    alpn: tuple[bytes, ...] = ()
    credentials: Credentials = ()
    cert_cb: Callable[..., Any] | None = None
    cert_arg: Any = None
    session_id_context: bytes = b""
    num_tickets: int = 2
    max_early_data: int = 0
    max_fragment: int = MAX_PLAINTEXT
    authorities: tuple[bytes, ...] | None = None
    """The names that a server lists where it asks for a certificate, DER."""

    post_handshake_auth: bool = False
    quiet_shutdown: bool = False
    native: Config | None = None
    """A configuration of the engine's own, in place of everything that it can say."""

    @cached_property
    def versions(self) -> tuple[ProtocolVersion, ProtocolVersion] | None:
        """The oldest and the newest version to speak; None where none is left."""
        spoken = [
            version
            for version, option in (
                (ProtocolVersion.TLSv1_2, SSL_OP_NO_TLSv1_2),
                (ProtocolVersion.TLSv1_3, SSL_OP_NO_TLSv1_3),
            )
            if not self.options & option
            and version >= self.min_version
            and (not self.max_version or version <= self.max_version)
        ]
        return (spoken[0], spoken[-1]) if spoken else None

    @cached_property
    def identities(self) -> tuple[Identity, ...]:
        """What can be shown, the one that was set last first."""
        found = [c.identity for c in self.credentials if c.identity is not None]
        return tuple(reversed(found))

    def _common(self) -> dict[str, Any]:
        versions = self.versions
        if versions is None:
            raise UsageError("no version of TLS is left")
        common: dict[str, Any] = {
            "min_version": versions[0],
            "max_version": versions[1],
            "cipher_suites": (*self.ciphers13, *self.ciphers12),
            "groups": self.groups,
            "alpn_protocols": self.alpn,
            "certificate_compression": (),
            "max_fragment": self.max_fragment,
            "initial_fragment": MAX_PLAINTEXT,
            "key_log": None,
        }
        if self.schemes is not None:
            common["signature_schemes"] = self.schemes
        return common

    @cached_property
    def client(self) -> ClientConfig:
        """How to be a client, but for what belongs to one connection. Raises UsageError."""
        if self.native is not None:
            if not isinstance(self.native, ClientConfig):
                raise UsageError("a ServerConfig is for servers")
            return self.native
        return ClientConfig(
            **self._common(),
            request_staple=False,
            session_cache=None,
            dangerous_ignore_server_name=True,
            dangerous_allow_legacy_servers=bool(self.options & SSL_OP_LEGACY_SERVER_CONNECT),
            post_handshake_auth=self.post_handshake_auth,
        )

    @cached_property
    def server(self) -> ServerConfig:
        """How to be a server, but for what belongs to one connection. Raises UsageError."""
        if self.native is not None:
            if not isinstance(self.native, ServerConfig):
                raise UsageError("a ClientConfig is for clients")
            return self.native
        auth = ClientAuth.NONE
        if self.verify_mode & SSL_VERIFY_PEER:
            required = self.verify_mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT
            auth = ClientAuth.REQUIRED if required else ClientAuth.OPTIONAL
        return ServerConfig(
            **{**self._common(), "alpn_protocols": ()},
            identities=self.identities,
            select=_unasked,
            client_auth=auth,
            trust=_NO_TRUST,
            certificate_authorities=self.authorities,
            tickets=min(self.num_tickets, 16),
        )


def attach(config: C, **changes: Any) -> C:
    """A configuration like *config* for one connection.

    It was validated when it was built; what changes is the connection's own, or a choice out of
    what was there.
    """
    attached = copy.copy(config)
    for name in DERIVED:
        attached.__dict__.pop(name, None)
    for name, value in changes.items():
        object.__setattr__(attached, name, value)
    return attached
