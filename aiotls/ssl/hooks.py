"""What one connection and its context tell each other while they shake hands.

A connection's configuration refers to this object, and this object refers to neither the
connection nor the SSLObject or SSLSocket around it, but weakly: they go when they are let go.
"""

from __future__ import annotations

import operator
import ssl
import sys
import traceback
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..config import ClientConfig, ClientHelloInfo, Config, ServerConfig
from ..enums import Alert, ContentType, HandshakeType, ProtocolVersion
from ..errors import ProtocolError
from ..wire import extensions as ext
from ..wire.messages import ClientHello
from .sessions import SessionSlot

if TYPE_CHECKING:
    from .context import SSLContext


class Hooks:
    """The hooks of one connection."""

    __slots__ = ("base", "context", "hello", "owner", "sessions", "version")

    def __init__(self, context: SSLContext, owner: Any = None) -> None:
        self.context = context
        """The context that is in use; a sni_callback may set another."""
        self.owner = weakref.ref(owner) if owner is not None else None
        """The SSLObject or SSLSocket that callbacks are given."""
        self.base: Config | None = None
        """The configuration without these hooks."""
        self.hello: bytes | None = None
        """On a server: the ClientHello."""
        self.sessions = SessionSlot()
        self.version = ProtocolVersion.TLSv1_2

    def attach(self, config: Config) -> Config:
        """A configuration like *config*, with these hooks in it."""
        context = self.context
        if isinstance(config, ClientConfig):
            config = context._settings.with_psk(config)
        self.base = config
        # Built and validated once per context: a shallow copy is all that a connection needs. What
        # the original has found out about itself holds for it too, but for what is set here.
        attached: Config = object.__new__(type(config))
        attached.__dict__.update(config.__dict__)
        attached.__dict__.pop("has_hooks", None)
        if isinstance(attached, ClientConfig):
            object.__setattr__(attached, "session_cache", self.sessions)
            if context._msg_callback is not None:
                object.__setattr__(attached, "observer", self)
            return attached
        object.__setattr__(attached, "observer", self)
        if _selects(context, config):
            object.__setattr__(attached, "select", self.select)
        return attached

    # -- the handshake's observer --------------------------------------------------------------

    def message(self, sent: bool, kind: int, data: bytes, protected: bool) -> None:
        """One handshake message has passed."""
        if kind == HandshakeType.CLIENT_HELLO and not sent:
            self.hello = data
        if self.context._msg_callback is None:
            return
        if kind == HandshakeType.SERVER_HELLO:
            row = ext.SUPPORTED_VERSIONS.type.to_bytes(2, "big") + b"\0\x02\x03\x04"
            if row in data:
                self.version = ProtocolVersion.TLSv1_3
        if kind == HandshakeType.FINISHED and self.version == ProtocolVersion.TLSv1_2:
            # RFC 5246, section 7.1: it always stands right before Finished.
            self._tell(sent, ContentType.CHANGE_CIPHER_SPEC, 0x101, b"\x01")
        self._tell(sent, ContentType.HANDSHAKE, kind, data)

    def _tell(self, sent: bool, content_type: int, kind: int, data: bytes) -> None:
        callback = self.context._msg_callback
        if callback is None:
            return
        callback(
            self.owner() if self.owner is not None else None,
            "write" if sent else "read",
            ssl.TLSVersion(self.version),
            _member("_TLSContentType", content_type),
            _member("_TLSMessageType", kind),
            data,
        )

    def offered_suites(self) -> Sequence[int] | None:
        """On a server: the cipher suites that the client offered."""
        if self.hello is None:
            return None
        return ClientHello.parse(self.hello[4:]).cipher_suites

    # -- the server's choice by name -----------------------------------------------------------

    def select(self, info: ClientHelloInfo) -> ServerConfig | None:
        """Asks the sni_callback, which may refuse the name or set another context."""
        config = self.base
        if not isinstance(config, ServerConfig):
            raise TypeError("a client selects nothing")
        first = self.context
        if first.sni_callback is not None:
            self._ask(first.sni_callback, info.server_name)
        changes: dict[str, Any] = {}
        if self.context is not first:
            # SSL_set_SSL_CTX(3): another certificate and another ALPN, the rest as it was.
            other = self.context._settings.server_config()
            changes = {"identities": other.identities, "alpn_protocols": other.alpn_protocols}
        if not changes.get("identities", config.identities) and config.psk is None:
            raise ProtocolError(
                Alert.HANDSHAKE_FAILURE,
                "this server has no certificate",
                reason="NO_SHARED_CIPHER",
                hint="Call load_cert_chain() on its context.",
            )
        if not first.options & ssl.OP_CIPHER_SERVER_PREFERENCE:
            place = {code: number for number, code in enumerate(info.cipher_suites)}
            changes["cipher_suites"] = sorted(
                config.cipher_suites, key=lambda code: place.get(code, len(place))
            )
        if config.session_store is not None and not _speaks_tls13(config, info):
            changes["tickets"] = 0  # OP_NO_TICKET: in TLS 1.2, a session has its number instead
        elif not config.tickets and not _speaks_tls13(config, info):
            changes["tickets"] = 1  # num_tickets is about TLS 1.3 alone
        if first.post_handshake_auth and not _speaks_tls13(config, info):
            # TLS 1.2 has no later: who has to show a certificate does it in the handshake.
            changes["client_auth"] = first._settings.client_auth()
        if not changes:
            return None
        chosen = config.replace(**changes, select=_unasked)
        object.__setattr__(chosen, "observer", self)
        object.__setattr__(chosen, "_aiotls_hooks", self)
        return chosen

    def _ask(self, callback: Any, name: str | None) -> None:
        owner = self.owner() if self.owner is not None else None
        try:
            answer = callback(owner, name, self.context)
        except Exception as error:
            # There is no one to raise to but the peer's handshake: as in the standard library.
            _report(error, callback)
            raise _callback_failed(Alert.HANDSHAKE_FAILURE) from error
        if answer is None:
            return
        try:
            alert = Alert(operator.index(answer))
        except (TypeError, ValueError) as error:
            _report(error, answer)
            raise _callback_failed(Alert.INTERNAL_ERROR) from error
        raise _callback_failed(alert)


class _Unraisable:
    """What sys.unraisablehook takes."""

    def __init__(self, error: BaseException, source: object) -> None:
        self.exc_type = type(error)
        self.exc_value = error
        self.exc_traceback = error.__traceback__
        self.err_msg = None
        self.object = source


def _report(error: BaseException, source: object) -> None:
    """Tells sys.unraisablehook of an exception that there is no one to raise to."""
    try:
        sys.unraisablehook(_Unraisable(error, source))  # type: ignore[arg-type]
    except Exception:  # the interpreter's own takes nothing but what the interpreter made
        if sys.stderr is not None:
            sys.stderr.write(f"Exception ignored in: {source!r}\n")
            traceback.print_exception(error, file=sys.stderr)


def _callback_failed(alert: Alert) -> ProtocolError:
    return ProtocolError(
        alert, "the sni_callback refused the client's server name", reason="CALLBACK_FAILED"
    )


_SERVER_PREFERENCE = int(ssl.OP_CIPHER_SERVER_PREFERENCE)
_ASKED = int(ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET)


def _speaks_tls13(config: ServerConfig, info: ClientHelloInfo) -> bool:
    tls13 = ProtocolVersion.TLSv1_3
    return tls13 in info.versions and config.max_version >= tls13


def _selects(context: SSLContext, config: Config) -> bool:
    """Whether anything is to be chosen by ClientHello."""
    return (
        context.sni_callback is not None
        or context._settings.options & _ASKED != _SERVER_PREFERENCE
        or not context._settings.tickets
        or context._settings.post_handshake_auth
        or not (isinstance(config, ServerConfig) and config.identities)
    )


def _unasked(info: ClientHelloInfo) -> None:
    """Stands where a configuration needs a select, and what there was to select is done."""


def _member(enumeration: str, value: int) -> Any:
    """A member of one of the ssl module's enumerations, or the number where it has no name."""
    try:
        return getattr(ssl, enumeration)(value)
    except ValueError:
        return value
