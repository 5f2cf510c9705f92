"""What stands behind an SSLObject or SSLSocket, where the standard library has an OpenSSL object.

``ssl.SSLObject`` and ``ssl.SSLSocket`` are thin: they ask their context for an object with
``_wrap_bio`` or ``_wrap_socket`` and pass every call on to it. So a context that returns one of
these gives out genuine SSLObjects and SSLSockets, and all that was written for them works.

:class:`Engine` answers questions about the connection. The one that moves bytes between two
``ssl.MemoryBIO`` is in buffers.py, the one that moves them over a socket in sockets.py.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..config import ClientAuth, ClientConfig, Config
from ..connection import TLSConnection
from ..enums import NamedGroup, ProtocolVersion, SignatureScheme
from ..errors import TLSError, UsageError
from ..inspection import cipher_of, version_of
from ..trust import parse_certificate
from ..trust.distinguished import subject_of
from . import ciphers, errors
from .anchors import describe
from .hooks import Hooks
from .sessions import SSLSession

if TYPE_CHECKING:
    from .context import SSLContext

ENCODING_PEM, ENCODING_DER = 1, 2
"""The forms of a certificate that ``public_bytes`` knows: those of the ``_ssl`` module."""


LONGEST_NAME = 255
"""How much OpenSSL takes for a server's name (RFC 1035, section 2.3.4)."""

_LIKE_AN_ADDRESS = re.compile(r"^\[|(^|\.)[0-9]+\.?$")
"""What the server is not told (RFC 6066, section 3): addresses, in whatever form."""


class Certificate:
    """A certificate of a chain, with the methods of the standard library's own."""

    __slots__ = ("_der",)

    def __init__(self, der: bytes) -> None:
        self._der = der

    def public_bytes(self, format: int = ENCODING_PEM) -> Any:
        """The certificate as PEM text or as DER."""
        if format == ENCODING_DER:
            return self._der
        if format == ENCODING_PEM:
            return ssl.DER_cert_to_PEM_cert(self._der)
        raise ValueError("Unsupported format")

    def get_info(self) -> dict[str, Any]:
        """The certificate as ``getpeercert()`` describes it."""
        return describe(parse_certificate(self._der))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self._der == other._der

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        subject = subject_of(parse_certificate(self._der))
        return f"<Certificate {subject.rfc4514_string()!r}>"


class Engine:
    """One connection: what SSLObject and SSLSocket may ask about it."""

    __slots__ = (
        "__weakref__",
        "connection",
        "hooks",
        "server_hostname",
        "server_side",
    )

    def __init__(
        self,
        context: SSLContext,
        server_side: bool,
        server_hostname: str | None,
        owner: Any,
        session: object,
    ) -> None:
        self.hooks = Hooks(context, owner)
        self.server_side = server_side
        self.server_hostname = server_hostname
        config = self.hooks.attach(context._settings.config(server_side))
        # On a server it is the standard library's name for nothing that TLS has.
        self.connection = connect(config, None if server_side else server_hostname)
        context._count("accept" if server_side else "connect")
        if session is not None:
            self.session = session

    # -- who and what --------------------------------------------------------------------------

    @property
    def owner(self) -> Any:
        """The SSLObject or SSLSocket around this, if it is still there."""
        return self.hooks.owner() if self.hooks.owner is not None else None

    @property
    def context(self) -> SSLContext:
        """The context in use. In a sni_callback another may be set."""
        return self.hooks.context

    @context.setter
    def context(self, value: SSLContext) -> None:
        # A context of the standard library's holds its keys where this engine cannot see them.
        if not hasattr(type(value), "_aiotls_config"):
            raise TypeError("The value must be a SSLContext of aiotls.ssl")
        self.hooks.context = value

    @property
    def session(self) -> SSLSession | None:
        """The newest session that the server gave, or the one that was resumed.

        On a server, and before a server of TLS 1.3 has given one, it is one without a ticket.
        Before the handshake is complete it is the one to resume, or None.
        """
        sessions = self.hooks.sessions
        if not self.connection.handshake_complete and sessions.offered is None:
            return None
        newest = sessions.received or sessions.offered
        return SSLSession(self.context, newest, sessions.begun, self._scope())

    @session.setter
    def session(self, value: object) -> None:
        if not isinstance(value, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if not value.belongs_to(self.context):
            raise ValueError("Session refers to a different SSLContext.")
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self.connection.handshake_complete:
            raise ValueError("Cannot set session after handshake.")
        self.hooks.sessions.offered = value.offer(self._scope())

    def _scope(self) -> bytes:
        config = self.connection.config
        return config.session_scope if isinstance(config, ClientConfig) else b""

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        established = self.connection.established
        return established is not None and established.resumed

    def version(self) -> str | None:
        """``TLSv1.3`` or ``TLSv1.2``; None before the handshake."""
        return version_of(self.connection)

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, version and key size of the cipher suite."""
        return cipher_of(self.connection)

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """On a server: the suites that both sides have, in the client's order."""
        offered = self.hooks.offered_suites()
        if offered is None or not self.server_side:
            return None
        return ciphers.shared(tuple(offered), self.connection.config.suites)

    def compression(self) -> None:
        """None: there is none (RFC 8446, section 4.1.2)."""
        return

    def selected_alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on (RFC 7301)."""
        return self.connection.alpn_protocol

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """A channel binding; None where the connection has none of that type."""
        if not isinstance(cb_type, str):
            raise TypeError(f"cb_type must be str, not {type(cb_type).__name__}")
        if cb_type not in CHANNEL_BINDING_TYPES:
            raise ValueError(f"{cb_type!r} channel binding type not implemented")
        established = self.connection.established
        if established is None:
            return None
        if cb_type == "tls-unique" and established.version == ProtocolVersion.TLSv1_3:
            return None  # RFC 8446, appendix C.5: not defined; RFC 9266 has another
        try:
            return self.connection.channel_binding(cb_type)
        except UsageError:
            return None

    def pending(self) -> int:
        """How many bytes can be read without more from the network."""
        return self.connection.readable

    # -- the peer ------------------------------------------------------------------------------

    def getpeercert(self, binary_form: bool = False) -> dict[str, Any] | bytes | None:
        """The peer's certificate: in DER, or as a dict that is empty if it was not verified."""
        if not self.connection.handshake_complete:
            raise ValueError("handshake not done yet")
        peer = self.connection.peer
        if peer is None:
            return None
        if binary_form:
            return peer.chain[0]
        if self.context.verify_mode == ssl.CERT_NONE:
            return {}
        return describe(peer.certificate)

    def get_unverified_chain(self) -> list[Certificate] | None:
        """The certificates as the peer sent them."""
        peer = self.connection.peer
        return [Certificate(der) for der in peer.chain] if peer is not None else None

    def get_verified_chain(self) -> list[Certificate] | None:
        """The path that was verified, the anchor last; what was sent if nothing was verified."""
        chain = self.verified_certificates()
        if not chain:
            return self.get_unverified_chain()
        return [Certificate(certificate.public_bytes(Encoding.DER)) for certificate in chain]

    def verified_certificates(self) -> tuple[x509.Certificate, ...]:
        """The path that was verified, parsed; empty where there is none."""
        peer = self.connection.peer
        return peer.verified_chain if peer is not None else ()

    def group(self) -> str | None:
        """The key exchange: ``X25519MLKEM768``; None before the handshake."""
        established = self.connection.established
        if established is None or established.group is None:
            return None
        return NamedGroup.label(established.group)

    def client_sigalg(self) -> str | None:
        """The signature scheme of the client's proof; None if it gave none."""
        return self._scheme(self.server_side)

    def server_sigalg(self) -> str | None:
        """The signature scheme of the server's proof."""
        return self._scheme(not self.server_side)

    def _scheme(self, of_peer: bool) -> str | None:
        established = self.connection.established
        if established is None:
            return None
        peer = established.peer
        scheme = (peer.scheme if peer is not None else None) if of_peer else established.scheme
        return SignatureScheme.label(scheme) if scheme is not None else None

    def verify_client_post_handshake(self) -> None:
        """On a server: asks the client for its certificate (RFC 8446, section 4.6.2).

        The request leaves with what is written next; getpeercert() knows the answer when the
        client has been read from.
        """
        connection = self.connection
        established = connection.established
        if established is not None and established.version != ProtocolVersion.TLSv1_3:
            raise errors.failure("WRONG_SSL_VERSION", number=266)
        if not self.server_side:
            raise errors.failure("NOT_SERVER", number=284)
        if established is None:
            raise errors.failure("STILL_IN_INIT", number=121)
        if established.transcript is None:
            raise errors.failure("EXTENSION_NOT_RECEIVED", number=279)
        wanted = self.context._settings.client_auth()
        if wanted is ClientAuth.NONE:
            raise errors.failure("INVALID_CONFIG", number=283)
        # In the handshake nothing was asked for; the configuration is this connection's own.
        object.__setattr__(connection.config, "client_auth", wanted)
        try:
            connection.request_certificate()
        except UsageError as error:
            raise errors.failure("EXTENSION_NOT_RECEIVED", number=279) from error

    # -- reading and writing -------------------------------------------------------------------

    def do_handshake(self) -> None:
        """The handshake; overridden where there is a way to the peer."""
        self._not_here()

    def read(self, size: int = 1024, buffer: Any = None) -> bytes | int:
        """Application data; overridden where there is a way to the peer."""
        self._not_here()

    def write(self, data: Any) -> int:
        """Sends application data; overridden where there is a way to the peer."""
        self._not_here()

    def shutdown(self) -> Any:
        """Closes the connection; overridden where there is a way to the peer."""
        self._not_here()

    def _not_here(self) -> NoReturn:
        raise errors.refusal("this object describes a transport: read and write there")

    def _run_chores(self) -> None:
        """Finishes what hooks left to do: here they are plain functions, and do not suspend."""
        chores, self.connection.chores = self.connection.chores, []
        for chore in chores:
            waiting = chore.__await__()
            try:
                next(waiting)
            except (StopIteration, TLSError):
                continue
            raise errors.refusal("a hook suspended: here there is no event loop to wait in")

    def _established(self) -> None:
        """The handshake is complete: it is counted."""
        self.context._count_good(self.connection)

    def _end(self) -> bytes | None:
        """What reading comes to when nothing is left: b"", an exception, or None to wait."""
        connection = self.connection
        if connection.error is not None:
            raise errors.translate(connection.error) from None
        if not connection.peer_closed:
            return None
        if connection.close_notify_sent:
            raise errors.closed()
        return b""


CHANNEL_BINDING_TYPES = ("tls-unique", "tls-exporter", "tls-server-end-point")


def connect(config: Config, server_hostname: str | None) -> TLSConnection:
    """A connection for a context's configuration."""
    if server_hostname is not None and len(server_hostname) > LONGEST_NAME:
        raise errors.failure("SSL3_EXT_INVALID_SERVERNAME")
    try:
        return TLSConnection(config, server_hostname)
    except UsageError as error:
        if server_hostname is None:
            raise
        # Names that no certificate can carry: refused where the name is verified by (a
        # ValueError, as for an empty name), let pass where it is not.
        unverified = getattr(config, "dangerous_ignore_server_name", False) or getattr(
            config, "dangerous_disable_verification", False
        )
        if not unverified or not server_hostname.isprintable() or " " in server_hostname:
            raise ValueError(str(error)) from error
        connection = TLSConnection(config, None)
        if not _LIKE_AN_ADDRESS.search(server_hostname):
            connection.server_hostname = server_hostname
        return connection


def as_bytes(data: Any) -> bytes | bytearray | memoryview:
    """*data* as something whose length is its number of bytes."""
    if isinstance(data, (bytes, bytearray)):
        return data
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" and view.ndim == 1 and view.contiguous else view.cast("B")


def fitting(buffer: Any, size: int) -> memoryview:
    """The first *size* bytes of a buffer; all of it for a size that is not positive."""
    view = memoryview(buffer).cast("B")
    if view.readonly:
        raise TypeError(
            f"read() argument 2 must be read-write bytes-like object, not {type(buffer).__name__}"
        )
    return view[:size] if 0 < size < len(view) else view


def refuse_write(connection: TLSConnection) -> ssl.SSLError:
    """The error for a write that comes too late."""
    if connection.error is not None:
        return errors.translate(connection.error)
    return errors.failure("PROTOCOL_IS_SHUTDOWN")


def check_shutdown(connection: TLSConnection) -> None:
    """SSL_shutdown(3) is for connections, not for handshakes."""
    if connection.error is not None:
        raise errors.translate(connection.error) from None
    if not connection.handshake_complete:
        raise errors.failure("SHUTDOWN_WHILE_IN_INIT")


class Described(Engine):
    """A connection that someone else moves the bytes of: the asyncio transport."""

    __slots__ = ()

    def __init__(self, context: SSLContext, connection: TLSConnection, hooks: Hooks) -> None:
        self.hooks = hooks
        self.server_side = connection.server_side
        self.server_hostname = connection.server_hostname
        self.connection = connection
