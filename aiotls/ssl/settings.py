"""What was set on a context, and the configuration that it amounts to.

A context of the standard library's may be changed at any time, from any thread, by people who
share it; a configuration is frozen. So a configuration is made of the settings when the first
connection needs it, kept until something is set, and a connection stays with the one that it
began with.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Any

from ..config import (
    DEFAULT_GROUPS,
    SUPPORTED_VERSIONS,
    ClientAuth,
    ClientConfig,
    Config,
    ExternalPsk,
    ServerConfig,
)
from ..crypto.aead import MAX_PLAINTEXT
from ..crypto.suites import TLS12_SUITES, TLS13_SUITES
from ..enums import CipherSuite, NamedGroup, ProtocolVersion
from ..errors import UsageError
from ..identity import Identity
from ..keylog import KeyLogFile
from ..sessions import TicketKeyRing
from .anchors import Anchors
from .errors import failure, refusal
from .hooks import _unasked
from .sessions import ServerSessions
from .verification import ContextTrust

PskAnswer = tuple[str | None, bytes]
_LEGACY_SERVER_CONNECT = 0x4
"""``ssl.OP_LEGACY_SERVER_CONNECT``, which has that name from Python 3.12 on."""

_DISABLING = {
    ProtocolVersion.TLSv1_2: ssl.OP_NO_TLSv1_2,
    ProtocolVersion.TLSv1_3: ssl.OP_NO_TLSv1_3,
}


class Settings:
    """The settings of one context. Whoever changes one calls :meth:`changed` afterwards."""

    def __init__(self) -> None:
        self.minimum: ProtocolVersion = ProtocolVersion.TLSv1_2
        self.maximum: ProtocolVersion = ProtocolVersion.TLSv1_3
        self.options = 0
        self.verify_mode = ssl.CERT_NONE
        self.verify_flags = int(ssl.VERIFY_X509_TRUSTED_FIRST)
        self.check_hostname = False
        self.suites12: tuple[CipherSuite, ...] = tuple(suite.code for suite in TLS12_SUITES)
        self.groups: tuple[NamedGroup, ...] = DEFAULT_GROUPS
        self.alpn: tuple[bytes, ...] = ()
        self.identities: dict[str, Identity] = {}
        self.anchors = Anchors()
        self.key_log: KeyLogFile | None = None
        self.post_handshake_auth = False
        self.tickets = 2
        self.ticket_keys = TicketKeyRing()
        self.session_store = ServerSessions()
        self.psk_client: Callable[[str | None], PskAnswer] | None = None
        self.psk_server: Callable[[str | None], bytes] | None = None
        self._lock = threading.Lock()
        self._revision = 0
        self._configs: dict[tuple[bool, bool], Config] = {}
        self._trust: ContextTrust | None = None

    def changed(self, trust: bool = False) -> None:
        """What was built is out of date; with *trust* so is what was loaded to verify by."""
        with self._lock:
            self._revision += 1
            self._configs = {}
            if trust:
                self._trust = None

    def config(self, server_side: bool, allow_truncation: bool = False) -> Config:
        """The configuration for connections that begin now."""
        key = (server_side, allow_truncation)
        config = self._configs.get(key)
        if config is not None:
            return config
        with self._lock:
            revision = self._revision
        try:
            config = self._build(server_side, allow_truncation)
        except UsageError as error:
            refused = refusal(error.message, error.hint)
            raise refused from error
        with self._lock:
            if revision == self._revision:
                self._configs[key] = config
        return config

    def server_config(self) -> ServerConfig:
        """The configuration of a server."""
        config = self.config(True)
        if not isinstance(config, ServerConfig):
            raise TypeError(f"not a server's configuration: {config!r}")
        return config

    # -- building ------------------------------------------------------------------------------

    def _build(self, server_side: bool, allow_truncation: bool) -> Config:
        versions = self.versions()
        common: dict[str, Any] = {
            "min_version": versions[0],
            "max_version": versions[-1],
            "cipher_suites": (*(suite.code for suite in TLS13_SUITES), *self.suites12),
            "groups": self.groups,
            "alpn_protocols": self.alpn,
            "initial_fragment": MAX_PLAINTEXT,  # as OpenSSL does it
            "trust": self.trust(),
            "key_log": self.key_log,
            "allow_truncation": allow_truncation
            or bool(self.options & ssl.OP_IGNORE_UNEXPECTED_EOF),
            "middlebox_compatibility": bool(self.options & ssl.OP_ENABLE_MIDDLEBOX_COMPAT),
        }
        if server_side:
            return self._server(common)
        config = self._client(common)
        config.session_scope  # noqa: B018  # which is kept, and each connection's copy has it
        return config

    def versions(self) -> list[ProtocolVersion]:
        """The versions to speak, oldest first; raises ``ssl.SSLError`` where there are none."""
        versions = [
            version
            for version in sorted(SUPPORTED_VERSIONS)
            if self.minimum <= version <= self.maximum
            and not self.options & _DISABLING.get(version, 0)
        ]
        if not versions:
            raise failure("NO_PROTOCOLS_AVAILABLE")
        return versions

    def client_auth(self) -> ClientAuth:
        """What a server wants of its clients, in the handshake or after it."""
        if self.verify_mode == ssl.CERT_NONE:
            return ClientAuth.NONE
        required = self.verify_mode == ssl.CERT_REQUIRED
        return ClientAuth.REQUIRED if required else ClientAuth.OPTIONAL

    def trust(self) -> ContextTrust:
        """The anchors as they are now; the same object until they change."""
        with self._lock:
            if self._trust is None:
                self._trust = ContextTrust(self.anchors.copy(), self.verify_flags, self.anchors)
            return self._trust

    def _completed(self) -> list[Identity]:
        """The identities, with the issuers of a lone certificate that were loaded to verify by."""
        completed = []
        for identity in self.identities.values():
            chain = self.anchors.complete(identity.chain)
            if chain != identity.chain:
                identity = Identity(
                    chain, identity.signer, staple=identity.staple, scts=identity.scts
                )
            completed.append(identity)
        return completed

    def with_psk(self, config: ClientConfig) -> ClientConfig:
        """*config* with the key that the callback has for this one connection.

        What the callback raises is for who makes the connection to see.
        """
        if self.psk_client is None:
            return config
        name, secret = self.psk_client(None)
        if not secret:  # so this connection has none
            return config
        try:
            return config.replace(psks=[ExternalPsk((name or "").encode(), secret)])
        except UsageError as error:
            refused = refusal(error.message, error.hint)
            raise refused from error

    def _client(self, common: dict[str, Any]) -> ClientConfig:
        identities = self._completed()
        return ClientConfig(
            **common,
            identity=identities[0] if len(identities) == 1 else None,
            select_identity=_first_fitting(identities) if len(identities) > 1 else None,
            post_handshake_auth=self.post_handshake_auth,
            session_tickets=not self.options & ssl.OP_NO_TICKET,
            dangerous_allow_legacy_servers=bool(self.options & _LEGACY_SERVER_CONNECT),
            dangerous_disable_verification=self.verify_mode == ssl.CERT_NONE,
            dangerous_ignore_server_name=not self.check_hostname,
        )

    def _server(self, common: dict[str, Any]) -> ServerConfig:
        no_tickets = self.options & ssl.OP_NO_TICKET
        return ServerConfig(
            **common,
            identities=tuple(self._completed()),
            # A context without a certificate may still get one from its sni_callback: what is
            # missing is said when a client comes, in Hooks.select.
            select=None if self.identities or self.psk_server is not None else _unasked,
            client_auth=ClientAuth.NONE if self.post_handshake_auth else self.client_auth(),
            alpn_optional=True,  # the standard library goes on without a protocol
            tickets=self.tickets,
            ticket_keys=None if no_tickets else self.ticket_keys,
            # Which is about sessions kept by clients: the server may keep them (OpenSSL does).
            session_store=self.session_store if no_tickets else None,
            psk=_psk_lookup(self.psk_server) if self.psk_server is not None else None,
        )


def _psk_lookup(callback: Callable[[str | None], bytes]) -> Callable[[bytes], ExternalPsk | None]:
    def look_up(identity: bytes) -> ExternalPsk | None:
        secret = callback(identity.decode("utf-8", "surrogateescape"))
        return ExternalPsk(identity, secret) if secret else None

    return look_up


def _first_fitting(identities: list[Identity]) -> Callable[[Any], Identity | None]:
    """Chooses the identity that can sign in a way that the server knows."""

    def select(query: Any) -> Identity | None:
        for identity in identities:
            if any(scheme in query.signature_schemes for scheme in identity.schemes):
                return identity
        return None

    return select
