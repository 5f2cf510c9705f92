"""SSLContext: the standard library's context, with this package's engine behind it.

It inherits from ``ssl.SSLContext``, so that every isinstance check holds, and it overrides
everything. The context of OpenSSL's that every instance still carries stays as it was made: a
client that trusts no one and holds no key. Code that reaches past Python for it fails in the
handshake; it cannot speak with other settings than those that were made here.

What is set is honoured, or refused with an ``ssl.SSLError`` that says so at once.
"""

from __future__ import annotations

import operator
import ssl
import threading
import warnings
import weakref
from typing import Any

from ..config import Config
from ..connection import TLSConnection
from ..enums import ProtocolVersion
from ..errors import TLSError
from .buffers import BufferEngine
from .engine import Described
from .errors import refusal, translate
from .hooks import Hooks
from .objects import SSLObject, SSLSocket
from .properties import DEFAULT_OPTIONS, ContextProperties, warn_deprecated
from .settings import Settings
from .sockets import SocketEngine

_Native = ssl._SSLContext  # type: ignore[attr-defined]
"""The class in C below ``ssl.SSLContext``."""

_PROTOCOLS = {
    ssl.PROTOCOL_TLS: (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3),
    ssl.PROTOCOL_TLS_CLIENT: (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3),
    ssl.PROTOCOL_TLS_SERVER: (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3),
    ssl.PROTOCOL_TLSv1_2: (ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_2),
}
_COUNTERS = (
    "number connect connect_good connect_renegotiate accept accept_good accept_renegotiate "
    "hits misses timeouts cache_full"
).split()
_counting = threading.Lock()
"""Held while one is added: a context's connections are made in many threads."""


class SSLContext(ContextProperties):
    """``ssl.SSLContext`` on this package's engine; see the standard library's documentation.

    Besides what is documented there: :meth:`load_identity`, :meth:`load_cert_chain_data`,
    :meth:`set_groups` and :meth:`get_groups`.
    """

    sslobject_class = SSLObject
    sslsocket_class = SSLSocket

    _aiofastnet_force_fallback_ssl = True
    """aiofastnet takes the OpenSSL context out of memory unless this says not to."""

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> SSLContext:
        if protocol is None:
            warnings.warn(
                "ssl.SSLContext() without protocol argument is deprecated.",
                category=DeprecationWarning,
                stacklevel=2,
            )
            protocol = ssl.PROTOCOL_TLS
        protocol = operator.index(protocol)
        if protocol not in list(ssl._SSLMethod):
            raise ValueError(f"invalid or unsupported protocol version {protocol!r}")
        if protocol not in _PROTOCOLS:
            raise refusal(
                f"the protocol {protocol!r} is not spoken here",
                "Use ssl.PROTOCOL_TLS_CLIENT or ssl.PROTOCOL_TLS_SERVER: TLS 1.2 and 1.3.",
            )
        if protocol not in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
            name = ssl._SSLMethod(protocol).name
            warn_deprecated(f"ssl.{name} is deprecated")
        self: SSLContext = _Native.__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        settings = Settings()
        settings.minimum, settings.maximum = _PROTOCOLS[ssl._SSLMethod(protocol)]
        settings.options = int(DEFAULT_OPTIONS)
        if protocol == ssl.PROTOCOL_TLS_CLIENT:
            settings.verify_mode = ssl.CERT_REQUIRED
            settings.check_hostname = True
        self._settings = settings
        self._protocol = ssl._SSLMethod(protocol)
        self._bounds = {
            "minimum": ssl.TLSVersion.TLSv1_2,
            "maximum": ssl.TLSVersion.MAXIMUM_SUPPORTED,
        }
        self._counters = dict.fromkeys(_COUNTERS, 0)
        self._servername_callback = None
        self._message_callback = None
        self._flags_for_names = 4  # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
        return self

    # -- connections ---------------------------------------------------------------------------

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> BufferEngine:
        for bio, name in ((incoming, "incoming"), (outgoing, "outgoing")):
            if not isinstance(bio, ssl.MemoryBIO):
                raise TypeError(f"{name} must be a ssl.MemoryBIO, not {type(bio).__name__}")
        self._check_role(server_side, server_hostname)
        return BufferEngine(self, incoming, outgoing, server_side, server_hostname, owner, session)

    def _wrap_socket(
        self,
        sock: Any,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> SocketEngine:
        self._check_role(server_side, server_hostname)
        return SocketEngine(self, sock, server_side, server_hostname, owner, session)

    def _check_role(self, server_side: bool, server_hostname: str | None) -> None:
        if server_side and self._protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise refusal("Cannot create a server socket with a PROTOCOL_TLS_CLIENT context")
        if not server_side and self._protocol == ssl.PROTOCOL_TLS_SERVER:
            raise refusal("Cannot create a client socket with a PROTOCOL_TLS_SERVER context")
        if server_hostname is not None and "\0" in server_hostname:
            raise TypeError("embedded null character")
        if server_hostname is not None and (not server_hostname or server_hostname.startswith(".")):
            raise ValueError(
                "server_hostname cannot be an empty string or start with a leading dot."
            )
        if not server_side and server_hostname is None and self.check_hostname:
            raise ValueError("check_hostname requires server_hostname")

    # The seam of this package's own asyncio transport.

    def _aiotls_config(self, server_side: bool) -> Config:
        self._check_role(server_side, "unknown")
        if server_side and not self._has_identity() and self._servername_callback is None:
            raise refusal(
                "this server context has no certificate", "Call load_cert_chain() on it first."
            )
        # asyncio takes a connection that is cut for one that has ended: so does this.
        config = self._settings.config(server_side, allow_truncation=True)
        hooks = Hooks(self)
        attached = hooks.attach(config)
        object.__setattr__(attached, "_aiotls_hooks", hooks)
        return attached

    def _aiotls_complete(self, connection: TLSConnection) -> None:
        self._count_good(connection)

    def _aiotls_error(self, error: TLSError) -> Exception:
        return translate(error)

    def _aiotls_begin(self, connection: TLSConnection) -> SSLObject | None:
        # What the callbacks are given in the handshake, and what get_extra_info() has later.
        self._count("accept" if connection.server_side else "connect")
        if self._servername_callback is None and self._message_callback is None:
            return None
        return self._aiotls_object(connection)

    def _aiotls_object(self, connection: TLSConnection) -> SSLObject:
        hooks = getattr(connection.config, "_aiotls_hooks", None) or Hooks(self)
        described: SSLObject = self.sslobject_class.__new__(self.sslobject_class)
        described._sslobj = Described(self, connection, hooks)
        hooks.owner = weakref.ref(described)
        return described

    def _has_identity(self) -> bool:
        return bool(self._settings.identities) or self._settings.psk_server is not None

    def _count(self, event: str) -> None:
        with _counting:
            self._counters[event] += 1

    def _count_good(self, connection: TLSConnection) -> None:
        self._count("accept_good" if connection.server_side else "connect_good")
        established = connection.established
        if established is not None and established.resumed:
            self._count("hits")
